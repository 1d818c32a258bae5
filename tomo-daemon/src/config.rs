//! The daemon's configuration: compiled-in defaults, then the file, then `TOMO_DAEMON__SECTION__KEY`, then flags.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

/// Everything that can be configured. Unknown keys are errors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of the store, the CA and the keys.
    pub data: PathBuf,
    /// What clients reach.
    pub http: HttpConfig,
    /// What agents reach.
    pub hub: HubConfig,
    /// The local socket.
    pub socket: SocketConfig,
}

/// What clients reach.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Address of the MCP endpoint; TLS (a certificate of the daemon's own CA) when it is not loopback.
    pub listen: SocketAddr,
    /// Host names that requests may be for, besides loopback names and the listen address.
    pub allowed_hosts: Vec<String>,
    /// Origins that browsers' requests may come from, besides loopback ones.
    pub allowed_origins: Vec<String>,
}

/// What agents reach.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubConfig {
    /// Address of the QUIC listener.
    pub listen: SocketAddr,
    /// Addresses (`host:port`) that enrolment tokens carry; empty means the listen address, or, for a wildcard address, every address
    /// of this machine.
    pub advertise: Vec<String>,
}

/// The local socket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketConfig {
    /// Path; empty for none.
    pub path: PathBuf,
    /// Uid that is an admin besides root and the group, `tomo local`'s starter.
    pub admin_uid: Option<u32>,
    /// Group whose members are admins.
    pub admin_group: String,
}
