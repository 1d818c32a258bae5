//! The daemon's end of every agent link: enrolment, mutual TLS, reports in, commands out.
//!
//! The only module that knows quinn (with [`crate::tls`]).

use std::net::SocketAddr;

use tokio::sync::mpsc;
use tomo_proto::{
    id::{AgentId, ServerId},
    wire::command::{CommandEvent, CommandRequest},
};

/// The hub could not do it.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The server's agent has no connection.
    #[error("the agent of server \"{0}\" is not connected")]
    Offline(String),
    /// The connection went away with the command under way: it may have happened.
    #[error("the link broke before the answer came")]
    Broken,
    /// The listener could not be opened.
    #[error("cannot listen for agents on {address}: {source}")]
    Listen {
        /// Wanted address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Keeper of agent connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {}

/// A command under way. Dropping it resets its stream, which cancels the command.
#[derive(Debug)]
pub struct RunningCommand {
    /// What the agent says; the last one is an outcome. Ends without one if the link broke.
    pub events: mpsc::Receiver<CommandEvent>,
}

impl Hub {
    /// Opens the listener and serves agents.
    ///
    /// # Errors
    /// [`HubError::Listen`] names the address.
    pub fn start(
        _config: &crate::config::HubConfig,
        _authority: crate::tls::Authority,
        _store: crate::store::Store,
        _live: crate::live::Live,
        _clock: crate::clock::Clock,
    ) -> Result<Self, HubError> {
        todo!("hub")
    }

    /// Addresses (`host:port`) that enrolment tokens carry.
    #[must_use]
    pub fn advertised(&self) -> Vec<String> {
        todo!("hub")
    }

    /// Where agents connect.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        todo!("hub")
    }

    /// Whether a server's agent is connected.
    #[must_use]
    pub fn is_online(&self, _server: ServerId) -> bool {
        todo!("hub")
    }

    /// Sends a command on a stream of its own.
    ///
    /// # Errors
    /// [`HubError::Offline`] at once if there is no connection.
    pub async fn send(&self, _server: ServerId, _request: CommandRequest) -> Result<RunningCommand, HubError> {
        todo!("hub")
    }

    /// Cuts an agent's live connection and refuses its certificate from now on.
    pub fn revoke(&self, _agent: AgentId) {
        todo!("hub")
    }

    /// Tells every agent the new interval.
    pub fn set_idle_interval(&self, _interval_ms: u32) {
        todo!("hub")
    }

    /// Closes every connection and waits for its tasks.
    pub async fn shutdown(&self) {
        todo!("hub")
    }
}
