//! Asking an agent what only its host knows. Nothing changes there.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tomo_proto::{
    error::ErrorCode,
    id::CommandId,
    model::{app::LogLine, registry::RegistryLogin, server::Server, stock::Stock},
    text::display_line,
    wire::command::{Command, CommandEvent, CommandRequest, Found, Outcome},
};

use crate::{
    crypto,
    hub::HubError,
    services::{Context, error::ServiceError},
};

/// An agent has this long.
const LIMIT: Duration = Duration::from_secs(40);
/// The agent's own deadline ends first.
const GRACE: Duration = Duration::from_secs(5);

/// What an answer is whose agent has no connection.
pub(super) fn offline(server: &Server) -> ServiceError {
    let message = format!("the agent of server \"{}\" is not connected", server.name);
    ServiceError::new(ErrorCode::AgentOffline, message)
        .with_next(format!("server_get {{\"server\":\"{}\"}}", server.name))
}

/// What an answer is whose command could not be sent.
pub(super) fn not_sent(server: &Server, error: &HubError) -> ServiceError {
    match error {
        HubError::Busy => {
            let message = format!("the agent of server \"{}\" has too much to do: try again in a moment", server.name);
            ServiceError::new(ErrorCode::Conflict, message)
        }
        _ => offline(server),
    }
}

impl Context {
    /// Asks an agent; what it found, in the order it came.
    ///
    /// # Errors
    /// The agent is away, says no, or does not answer in time.
    pub(super) async fn ask(&self, server: &Server, command: Command) -> Result<Vec<Found>, ServiceError> {
        self.ask_signed_in(server, command, Vec::new()).await
    }

    /// Asks an agent what its engine has to sign in for.
    ///
    /// # Errors
    /// As [`Context::ask`].
    pub(super) async fn ask_signed_in(
        &self,
        server: &Server,
        command: Command,
        logins: Vec<RegistryLogin>,
    ) -> Result<Vec<Found>, ServiceError> {
        let mut found = Vec::new();
        let take = |event| {
            if let CommandEvent::Found(part) = event {
                found.push(*part);
            }
        };
        self.ask_each(server, command, logins, take).await.map(|()| found)
    }

    /// Asks an agent for lines of a log.
    ///
    /// # Errors
    /// As [`Context::ask`].
    pub(super) async fn ask_lines(&self, server: &Server, command: Command) -> Result<Vec<LogLine>, ServiceError> {
        let mut lines = Vec::new();
        let take = |event| {
            if let CommandEvent::Log { lines: more } = event {
                lines.extend(more);
            }
        };
        self.ask_each(server, command, Vec::new(), take).await.map(|()| lines)
    }

    async fn ask_each(
        &self,
        server: &Server,
        command: Command,
        logins: Vec<RegistryLogin>,
        mut take: impl FnMut(CommandEvent) + Send,
    ) -> Result<(), ServiceError> {
        let request = CommandRequest {
            id: CommandId::from_parts(self.clock.now_ms(), crypto::random_u32()),
            deadline_ms: u64::try_from(LIMIT.as_millis()).unwrap_or(u64::MAX),
            command,
            logins,
        };
        let mut sent = self.hub.send(server.id, request).await.map_err(|error| not_sent(server, &error))?;
        let until = Instant::now() + LIMIT + GRACE;
        loop {
            match timeout_at(until, sent.events.recv()).await {
                Ok(Some(CommandEvent::Outcome(Outcome::Succeeded { .. }))) => return Ok(()),
                Ok(Some(CommandEvent::Outcome(Outcome::Failed { code, message, next, .. }))) => {
                    let error = ServiceError::new(code, display_line(&message, 600));
                    return Err(match next {
                        Some(next) => error.with_next(display_line(&next, 300)),
                        None => error,
                    });
                }
                Ok(Some(event)) => take(event),
                Ok(None) => return Err(offline(server)),
                Err(_) => {
                    let message = format!("the agent of server \"{}\" did not answer in time", server.name);
                    return Err(ServiceError::new(ErrorCode::TimeoutUnknown, message).with_next("try again"));
                }
            }
        }
    }

    /// Everything that lies on a server beside what runs.
    ///
    /// # Errors
    /// As [`Context::ask`].
    pub(super) async fn stock(&self, server: &Server) -> Result<Stock, ServiceError> {
        let mut stock = Stock::default();
        for part in self.ask(server, Command::ListStock {}).await? {
            if let Found::Stock(part) = part {
                stock.images.extend(part.images);
                stock.volumes.extend(part.volumes);
                stock.networks.extend(part.networks);
                stock.stopped.extend(part.stopped);
            }
        }
        Ok(stock)
    }
}
