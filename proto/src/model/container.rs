//! Containers on a host, as its engine tells of them. Every text here is untrusted.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// State of a container, in the engine's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Frozen.
    Paused,
    /// Between two runs.
    Restarting,
    /// Being removed.
    Removing,
    /// Ended.
    Exited,
    /// The engine gave up on it.
    Dead,
    /// Anything this release does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl ContainerState {
    /// The state as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

/// What the engine's own health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// The container has no check.
    #[default]
    None,
    /// Not decided yet.
    Starting,
    /// Passes.
    Healthy,
    /// Fails.
    Unhealthy,
}

impl Health {
    /// The health as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One container.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Container {
    /// Full id, 64 hex digits.
    pub id: String,
    /// Name without the leading slash.
    pub name: String,
    /// Image as it was asked for.
    pub image: String,
    /// State.
    pub state: ContainerState,
    /// Health.
    #[serde(default)]
    pub health: Health,
    /// Exit code of the last run that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// How often the engine restarted it.
    #[serde(default)]
    pub restarts: u32,
    /// When it was made (UTC ms).
    #[serde(default)]
    pub created_at: u64,
    /// When its current run began (UTC ms); 0 if it does not run.
    #[serde(default)]
    pub started_at: u64,
    /// Published ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PublishedPort>,
    /// App of Tomo it belongs to, by its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Labels, cut to 64 entries of 256 characters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Newest figures, if it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ContainerUsage>,
}

/// A port of a container and where it can be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PublishedPort {
    /// Port inside.
    pub container: u16,
    /// Port on the host, if published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<u16>,
    /// Address it is bound to on the host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// What a container uses.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContainerUsage {
    /// CPU, in cores (1.0 is one processor fully used).
    pub cpu_cores: f64,
    /// Memory without reclaimable page cache.
    pub memory_bytes: u64,
    /// Memory limit; 0 for none.
    pub memory_limit_bytes: u64,
    /// Received.
    pub rx_bytes_per_sec: u64,
    /// Sent.
    pub tx_bytes_per_sec: u64,
    /// Read from disks.
    pub read_bytes_per_sec: u64,
    /// Written to disks.
    pub write_bytes_per_sec: u64,
}
