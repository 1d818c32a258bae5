//! The one client of the daemon, for the dashboard and the CLI: MCP for everything, `/person/…` for what no tool may carry.
//!
//! The only module (besides `cli/mcp`) that knows rmcp's client side.

use tomo_proto::{
    api::{Tool, person::PersonRequest},
    error::ApiError,
};

/// Which daemon, and as whom.
#[derive(Debug, Clone)]
pub struct Target {
    /// Profile name; `local` for `tomo local`.
    pub profile: String,
    /// `http(s)://host:port` or `unix:/path/tomo.sock`.
    pub url: String,
}

/// A call did not give an answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The daemon refused; the error says what to do.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Nobody is signed in, or the login is over.
    #[error("not signed in to {0}")]
    SignedOut(String),
    /// No daemon answers.
    #[error("cannot reach the daemon at {url}: {reason}")]
    NotConnected {
        /// Where it was looked for.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The daemon's certificate is not the pinned one, or there is no pin yet.
    #[error("{0}")]
    Certificate(String),
}

/// A connection to one daemon that renews its login and reconnects by itself. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {}

impl Client {
    /// Prepares a client with the saved login of the target; the first call connects.
    ///
    /// # Errors
    /// The saved files cannot be read.
    pub fn open(_target: &Target) -> Result<Self, ClientError> {
        todo!("client")
    }

    /// Calls a tool on `/mcp/full` and waits for its answer (60 s at most).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn call<T: Tool>(&self, _request: &T) -> Result<T::Answer, ClientError> {
        todo!("client")
    }

    /// Sends what no tool may carry. `Login` and `Refresh` also save what comes back for the target.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn person<R: PersonRequest>(&self, _request: &R) -> Result<R::Answer, ClientError> {
        todo!("client")
    }

    /// Listens for changes of resources (`tomo://overview`, `tomo://servers/web-1`, …).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn listen(&self, _uris: Vec<String>) -> Result<Notices, ClientError> {
        todo!("client")
    }
}

/// Notices of changed resources.
#[derive(Debug)]
pub struct Notices {}

impl Notices {
    /// Address of the next resource that changed; `None` once the daemon is gone or the login is over.
    pub async fn next(&mut self) -> Option<String> {
        todo!("client")
    }
}
