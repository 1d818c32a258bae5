//! SSH: where a server is reached by it, as whom, which host key was agreed to, and what a look around there found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{model::server::Filesystem, text::display_line};

/// Port of SSH where none is named.
pub const SSH_PORT: u16 = 22;

/// How a server is reached by SSH. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ssh {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User there.
    pub user: String,
    /// How the user proves to be it; absent until a credential was entered once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<SshAuth>,
    /// Host key that was agreed to; nothing is sent to a host with another one. Absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// Host in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<SshJump>,
    /// Whether the credential is kept, sealed.
    #[serde(default)]
    pub credential_kept: bool,
}

/// A host in between. It takes the same credential as the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshJump {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User there.
    pub user: String,
    /// Host key that was agreed to.
    pub host_key: String,
}

/// How a user proves to be it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SshAuth {
    /// A password.
    Password,
    /// A private key.
    Key,
    /// An agent of the person who asked, which holds the keys.
    Agent,
}

impl SshAuth {
    /// The kind as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Key => "key",
            Self::Agent => "agent",
        }
    }
}

/// What a look around on a host found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SshProbe {
    /// When (UTC ms, the daemon's clock).
    pub at_ms: u64,
    /// What the host calls itself.
    pub hostname: String,
    /// Distribution and version.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// Processor architecture, as in `x86_64`.
    pub architecture: String,
    /// Logical processors.
    pub cpu_count: u32,
    /// Memory there is.
    pub memory_total_bytes: u64,
    /// Memory that can be had without swapping.
    pub memory_available_bytes: u64,
    /// Since boot.
    pub uptime_secs: u64,
    /// `/` and, if it is another one, what `/tmp` lies on.
    pub filesystems: Vec<Filesystem>,
    /// State of systemd (`running`, `degraded`, …); absent if it does not run the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systemd: Option<String>,
    /// The container engine.
    pub docker: SshDocker,
    /// How the user becomes root.
    pub sudo: SshSudo,
    /// The host's clock minus the daemon's, in milliseconds.
    pub clock_skew_ms: i64,
    /// Whether an agent of Tomo is installed already.
    pub agent_installed: bool,
    /// Whether UDP gets from the host to the daemon; absent if it could not be tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp: Option<SshUdp>,
}

/// A try to reach the daemon's port for agents from a host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SshUdp {
    /// The daemon's address (`host:port`): the one that answered, or else the last that was tried.
    pub address: String,
    /// Time to the answer in milliseconds; absent if none came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
}

impl std::fmt::Display for SshUdp {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let address = display_line(&self.address, 120);
        match self.round_trip_ms {
            Some(time) => write!(out, "{address} answers by UDP in {time:.1} ms"),
            None => write!(out, "no answer by UDP from {address}: open it from there to the daemon"),
        }
    }
}

/// The container engine, as the SSH user finds it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SshDocker {
    /// Version, if it answers this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether its socket is there.
    pub socket: bool,
    /// Whether the user may use the socket.
    pub access: bool,
}

/// How a user becomes root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SshSudo {
    /// It is root.
    Root,
    /// By sudo, without being asked.
    Passwordless,
    /// By sudo, with the user's password.
    Password,
    /// Not at all, as far as can be seen.
    #[default]
    None,
}

impl SshSudo {
    /// The way as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Passwordless => "passwordless",
            Self::Password => "password",
            Self::None => "none",
        }
    }
}

/// What a new agent's policy file allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstallRights {
    /// Measuring and nothing else.
    Metrics,
    /// Also starting, stopping and reading the logs of the containers there.
    Containers,
    /// Also deploying apps.
    Deploys,
}

impl InstallRights {
    /// All of them, from little to much.
    pub const ALL: [Self; 3] = [Self::Metrics, Self::Containers, Self::Deploys];

    /// The rights as they are written on a command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Containers => "containers",
            Self::Deploys => "deploys",
        }
    }
}

impl std::str::FromStr for InstallRights {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|rights| rights.as_str() == text);
        found.ok_or_else(|| "an agent is installed with the rights metrics, containers or deploys".to_owned())
    }
}
