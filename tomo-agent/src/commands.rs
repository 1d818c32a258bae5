//! What the daemon can ask for, carried out on the engine and checked afterwards.

mod container;
mod cut_off;
mod deploy;
mod examine;
mod logs;
mod look;
mod pull;
mod stock;
mod subject;
mod terminal;
mod volume;

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tomo_proto::{
    error::ErrorCode,
    text::display_line,
    wire::command::{CANCELLED, Command, CommandEvent, Outcome},
};

pub(crate) use cut_off::cut_off;
pub(crate) use deploy::{Deploying, Swap, remove_kept};
pub(crate) use subject::{subject_of, subjects};
pub(crate) use terminal::{LONGEST as LONGEST_TERMINAL, OpenTerminal, Session};
pub(crate) use volume::{Carrying, Scratch};

use crate::{
    docker::{APP_LABEL, Engine, EngineError},
    exec::Events,
    policy::{Policy, Refusal},
};

/// A command that did not work.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) next: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), next: None }
    }

    pub(crate) fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::new(error.code, error.message)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(ErrorCode::RefusedByPolicy, refusal.to_string()).with_next(refusal.next())
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::failed(failure.code, failure.message, failure.next)
    }
}

/// Why a command ends early: it was cancelled, or its time is over.
#[derive(Debug)]
pub(crate) struct Stop {
    cancel: CancellationToken,
    events: Events,
    limit: Duration,
    until: Instant,
}

impl Stop {
    /// A command that may take this long from now on. Nobody wanting to hear of it any more cancels it too.
    pub(crate) fn new(cancel: CancellationToken, events: Events, limit: Duration) -> Self {
        Self { cancel, events, limit, until: Instant::now() + limit }
    }

    /// Waits until it has to end.
    pub(crate) async fn reached(&self) -> Failure {
        tokio::select! {
            () = self.cancel.cancelled() => {}
            () = self.events.closed() => {}
            () = sleep_until(self.until) => return self.late(),
        }
        cancelled()
    }

    /// Whether it has to end by now.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() || self.events.is_closed() {
            return Err(cancelled());
        }
        if Instant::now() >= self.until { Err(self.late()) } else { Ok(()) }
    }

    fn late(&self) -> Failure {
        Failure::new(ErrorCode::Conflict, format!("not done within {} s", self.limit.as_secs()))
    }
}

fn cancelled() -> Failure {
    Failure::new(ErrorCode::Conflict, CANCELLED)
}

/// Runs one command to its end, as far as the policy allows it for what it meets; the caller drops it when it has to end early. A
/// deploy is no such command, nor is a terminal or what carries a volume: see [`Deploying`], [`Session`] and [`Carrying`].
pub(crate) async fn run(engine: &Engine, policy: &Policy, command: &Command, events: &Events) -> Outcome {
    carry_out(engine, policy, command, events).await.unwrap_or_else(Outcome::from)
}

/// The id of the container that a command is about, if the policy lets it touch that one and those that go with it.
pub(crate) async fn check_container(engine: &Engine, policy: &Policy, command: &Command) -> Result<String, Failure> {
    let mut id = String::new();
    for container in command.containers() {
        let found = engine.inspect(container.as_str()).await?;
        let labels = found.config.and_then(|config| config.labels);
        if !labels.is_some_and(|labels| labels.contains_key(APP_LABEL)) {
            let shown = display_line(container.as_str(), 80);
            policy.check_foreign(command.verb(), &format!("container \"{shown}\""))?;
        }
        id = found.id.unwrap_or_default();
    }
    Ok(id)
}

async fn carry_out(engine: &Engine, policy: &Policy, command: &Command, events: &Events) -> Result<Outcome, Failure> {
    check_container(engine, policy, command).await?;
    match command {
        Command::StartContainer { .. } | Command::StopContainer { .. } | Command::RestartContainer { .. } => {
            container::operate(engine, command, events).await
        }
        Command::RemoveContainer { container, volumes } => {
            container::remove(engine, container.as_str(), volumes, events).await
        }
        Command::ReadLogs { container, tail, since_ms, follow } => {
            logs::read(engine, container.as_str(), *tail, *since_ms, *follow, events).await
        }
        Command::ReadConfiguration { container } => look::configuration(engine, container.as_str(), events).await,
        Command::InspectContainer { container } => look::container(engine, container.as_str(), events).await,
        Command::ExamineContainer { container, tail, probe } => {
            examine::container(engine, container.as_str(), *tail, probe.as_ref(), events).await
        }
        Command::CompareImage { container } => look::image(engine, container.as_str(), events).await,
        Command::ListStock {} => look::stock(engine, events).await,
        Command::CreateVolume { name } => stock::create_volume(engine, name, events).await,
        Command::CreateNetwork { name, internal } => stock::create_network(engine, name, *internal, events).await,
        Command::Discard { items } => stock::discard(engine, policy, items, events).await,
        Command::PullImage { image } => pull::fetch(engine, image, events).await.map(|_| Outcome::done()),
        Command::TellHeads => Err(Failure::new(ErrorCode::Invalid, "the half with the network answers that by itself")),
        Command::UpdateAgent { .. } => {
            Err(Failure::new(ErrorCode::Invalid, "the half with the engine takes no updates"))
        }
        Command::DeployApp { .. }
        | Command::BackupVolume { .. }
        | Command::RestoreVolume { .. }
        | Command::DrillVolume { .. }
        | Command::OpenTerminal { .. }
        | Command::TellOutcome { .. } => {
            Err(Failure::new(ErrorCode::Internal, "the agent took a command for another kind"))
        }
    }
}

/// Tells how far a command is.
pub(crate) async fn progress(events: &Events, step: impl Into<String>, percent: Option<u8>) {
    events.tell(CommandEvent::Progress { step: step.into(), percent }).await;
}
