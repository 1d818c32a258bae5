//! The composition root: opens the store, starts the hub, the services and the listeners, and ends them in turn.

use std::{net::SocketAddr, path::Path, sync::Arc};

use crate::{clock::Clock, config::Config, services::Services};

/// The running daemon.
#[derive(Debug)]
pub struct Daemon {}

impl Daemon {
    /// Makes the data folder: store, CA, keys, and the first admin if one is given. Fails if there is one already.
    ///
    /// # Errors
    /// Names the file or folder and what to do.
    pub async fn init(_data: &Path, _admin: Option<(&str, &str)>, _clock: &Clock) -> anyhow::Result<()> {
        todo!("daemon")
    }

    /// Opens everything and serves.
    ///
    /// # Errors
    /// Names the file, folder or port and what to do.
    pub async fn start(_config: Config, _clock: Clock) -> anyhow::Result<Self> {
        todo!("daemon")
    }

    /// Where clients connect.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        todo!("daemon")
    }

    /// Where agents connect.
    #[must_use]
    pub fn hub_addr(&self) -> SocketAddr {
        todo!("daemon")
    }

    /// The services, for `tomo local`.
    #[must_use]
    pub fn services(&self) -> &Arc<Services> {
        todo!("daemon")
    }

    /// Stops listening, lets requests end (5 s at most), closes links and store.
    pub async fn shutdown(self) {
        todo!("daemon")
    }
}
