//! What the daemon can ask for, carried out on the engine and checked afterwards.

mod container;
mod deploy;
mod logs;
mod pull;

use tomo_proto::{
    error::ErrorCode,
    wire::command::{Command, CommandEvent, Outcome},
};

pub(crate) use deploy::{Undo, recover};

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

/// Runs one command. What a cancelled or failed one has to put back stands in `undo`.
pub(crate) async fn run(engine: &Engine, command: &Command, events: &Events, undo: &mut Undo) -> Outcome {
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
        Command::DeployApp { deploy } => deploy::run(engine, deploy, events, undo).await,
    };
    done.unwrap_or_else(|failure| Outcome::failed(failure.code, failure.message, failure.next))
}

/// Tells how far a command is.
pub(crate) async fn progress(events: &Events, step: impl Into<String>, percent: Option<u8>) {
    events.tell(CommandEvent::Progress { step: step.into(), percent }).await;
}
