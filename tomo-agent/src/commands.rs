//! What the daemon can ask for, carried out on the engine and checked afterwards.

mod container;
mod deploy;
mod logs;
mod pull;

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tomo_proto::{
    error::ErrorCode,
    wire::command::{Command, CommandEvent, Outcome},
};

pub(crate) use deploy::{Deploying, Swap, remove_kept};

use crate::{
    docker::{Engine, EngineError},
    exec::Events,
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
    Failure::new(ErrorCode::Conflict, "it was cancelled")
}

/// Runs one command to its end; the caller drops it when it has to end early. A deploy is no such command: see [`Deploying`].
pub(crate) async fn run(engine: &Engine, command: &Command, events: &Events) -> Outcome {
    let done = match command {
        Command::StartContainer { container } => container::start(engine, container.as_str(), events).await,
        Command::StopContainer { container, timeout_secs } => {
            container::stop(engine, container.as_str(), *timeout_secs, events).await
        }
        Command::RestartContainer { container, timeout_secs } => {
            container::restart(engine, container.as_str(), *timeout_secs, events).await
        }
        Command::RemoveContainer { container, volumes } => {
            container::remove(engine, container.as_str(), volumes, events).await
        }
        Command::ReadLogs { container, tail, since_ms, follow } => {
            logs::read(engine, container.as_str(), *tail, *since_ms, *follow, events).await
        }
        Command::PullImage { image } => pull::ensure(engine, image, events).await.map(|_| Outcome::done()),
        Command::DeployApp { .. } | Command::TellOutcome { .. } => {
            Err(Failure::new(ErrorCode::Internal, "the agent took a command for another kind"))
        }
    };
    done.unwrap_or_else(Outcome::from)
}

/// Tells how far a command is.
pub(crate) async fn progress(events: &Events, step: impl Into<String>, percent: Option<u8>) {
    events.tell(CommandEvent::Progress { step: step.into(), percent }).await;
}
