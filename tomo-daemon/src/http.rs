//! What clients reach: the MCP endpoint, logins, `/person/…`, the status page, health and metrics, on TCP and on the local socket.
//!
//! The only module that knows axum.

use std::{net::SocketAddr, sync::Arc};

use crate::{clock::Clock, config::Config, live::Live, services::Services, store::Store, tls::Authority};

/// The running listeners.
#[derive(Debug)]
pub struct Http {}

impl Http {
    /// Opens the TCP listener and the local socket and serves both with one router.
    ///
    /// # Errors
    /// Names the address or path and what to do (port taken, socket in use by a live daemon, folder missing).
    pub async fn start(
        _config: &Config,
        _services: Arc<Services>,
        _store: Store,
        _live: Live,
        _authority: &Authority,
        _clock: Clock,
    ) -> anyhow::Result<Self> {
        todo!("http")
    }

    /// Where clients connect.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        todo!("http")
    }

    /// Stops listening, lets requests end (5 s at most), removes the socket.
    pub async fn shutdown(self) {
        todo!("http")
    }
}
