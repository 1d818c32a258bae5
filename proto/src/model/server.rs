//! Machines: what is known about one, and how it does right now.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{AgentId, ServerId},
    model::{
        agent::AgentState,
        container::Container,
        ssh::{Ssh, SshProbe},
    },
};

/// A managed machine as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    /// Stable id.
    pub id: ServerId,
    /// Name the user chose: see [`crate::api::check_name`].
    pub name: String,
    /// Labels that selectors use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its agent, once one has enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// An agent that is being installed in its place; until that is complete both are let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_agent: Option<AgentId>,
    /// When it was added (UTC ms).
    pub created_at: u64,
    /// How it is reached by SSH, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<Ssh>,
}

/// Whether a server can be trusted to be well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerStatus {
    /// The agent is connected and nothing is over its limit.
    Up,
    /// The agent is connected and something is over its limit.
    Degraded,
    /// The agent was connected and is not any more.
    Down,
    /// No agent has connected yet.
    Unknown,
}

impl ServerStatus {
    /// The status as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// One line of a server list: who it is and its newest figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerSummary {
    /// Stable id.
    pub id: ServerId,
    /// Name.
    pub name: String,
    /// How it does.
    pub status: ServerStatus,
    /// Whether its agent is connected.
    pub agent: AgentState,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Newest figures; absent until the first sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vitals: Option<Vitals>,
    /// Containers that run, of those that exist; absent without an engine. Beside it a [`ServerDetail`] lists its `containers`.
    #[serde(default, rename = "container_count", skip_serializing_if = "Option::is_none")]
    pub containers: Option<ContainerCount>,
    /// Apps of Tomo on it.
    pub apps: u32,
    /// How it is reached by SSH, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<Ssh>,
    /// CPU use of the last samples, 0–100, oldest first; only with `include: ["spark"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpu_spark: Vec<u8>,
    /// Memory use of the last samples, 0–100, oldest first; only with `include: ["spark"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memory_spark: Vec<u8>,
    /// Network traffic (both ways, bytes per second) of the last samples; only with `include: ["spark"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_spark: Vec<u64>,
}

impl ServerSummary {
    /// How it does, for people: without an agent nobody knows.
    #[must_use]
    pub const fn status_text(&self) -> &'static str {
        match self.agent {
            AgentState::None | AgentState::Revoked => "no agent",
            AgentState::Online | AgentState::Offline => self.status.as_str(),
        }
    }
}

/// The newest figures of a server.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Vitals {
    /// When they were measured (UTC ms, the server's clock).
    pub at_ms: u64,
    /// CPU use, 0–1.
    pub cpu_ratio: f64,
    /// Memory in use.
    pub memory_used_bytes: u64,
    /// Memory there is.
    pub memory_total_bytes: u64,
    /// Swap in use.
    pub swap_used_bytes: u64,
    /// Fullest filesystem, 0–1.
    pub disk_ratio: f64,
    /// Load average over one minute.
    pub load1: f64,
    /// Received, all interfaces but loopback and virtual ones.
    pub rx_bytes_per_sec: u64,
    /// Sent, likewise.
    pub tx_bytes_per_sec: u64,
    /// Read from disks.
    pub disk_read_bytes_per_sec: u64,
    /// Written to disks.
    pub disk_write_bytes_per_sec: u64,
    /// Since boot.
    pub uptime_secs: u64,
}

impl Vitals {
    /// Memory use, 0–1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio for display")]
    pub fn memory_ratio(&self) -> f64 {
        if self.memory_total_bytes == 0 { 0.0 } else { self.memory_used_bytes as f64 / self.memory_total_bytes as f64 }
    }
}

/// How many containers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContainerCount {
    /// Running.
    pub running: u32,
    /// All that exist.
    pub total: u32,
}

/// Slow-changing facts about a host, sent at connect and once a minute.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HostFacts {
    /// What the host calls itself.
    pub hostname: String,
    /// Distribution and version, as the system names itself.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// Processor architecture, as in `x86_64`.
    pub architecture: String,
    /// Processor model.
    #[serde(default)]
    pub cpu_model: String,
    /// Logical processors.
    pub cpu_count: u32,
    /// Memory there is.
    pub memory_total_bytes: u64,
    /// Swap there is.
    pub swap_total_bytes: u64,
    /// Boot time (UTC ms, the host's clock).
    pub booted_at: u64,
    /// Filesystems on real devices, each once.
    #[serde(default)]
    pub filesystems: Vec<Filesystem>,
    /// The container engine, if it answers.
    #[serde(default)]
    pub engine: EngineState,
    /// Version of the agent.
    #[serde(default)]
    pub agent_version: String,
    /// Figures this host cannot give, each with its reason.
    #[serde(default)]
    pub missing: Vec<String>,
}

/// One mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Filesystem {
    /// Where it is mounted.
    pub mount: String,
    /// Device it lies on.
    pub device: String,
    /// Type, as in `ext4`.
    pub kind: String,
    /// Size.
    pub total_bytes: u64,
    /// In use.
    pub used_bytes: u64,
}

/// Whether a container engine answers on a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum EngineState {
    /// Not asked yet.
    #[default]
    Unknown,
    /// It answers.
    Running {
        /// Version of the engine.
        version: String,
        /// API version it speaks.
        api: String,
    },
    /// It does not, and why.
    Absent {
        /// What was tried and what came back.
        reason: String,
    },
}

impl std::fmt::Display for EngineState {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => out.write_str("the container engine is not asked yet"),
            Self::Running { version, .. } => write!(out, "container engine {version} answers"),
            Self::Absent { reason } => out.write_str(reason),
        }
    }
}

/// Everything about one server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerDetail {
    /// Its line in the list.
    #[serde(flatten)]
    pub summary: ServerSummary,
    /// Facts; absent until its agent has connected once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<HostFacts>,
    /// Containers; only with `include: ["containers"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Container>,
    /// What the host's policy allows its agent; only with `include: ["policy"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<crate::model::policy::PolicySummary>,
    /// What the last look around by SSH found; with `include: ["probe"]` that is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<SshProbe>,
    /// When the server was added (UTC ms).
    pub created_at: u64,
    /// When its agent was last heard (UTC ms, the daemon's clock).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_survives_json_with_its_count_and_its_list() {
        let summary = ServerSummary {
            id: ServerId::from_u64(1),
            name: "web-1".to_owned(),
            status: ServerStatus::Up,
            agent: AgentState::Online,
            labels: BTreeMap::new(),
            vitals: None,
            containers: Some(ContainerCount { running: 1, total: 2 }),
            apps: 0,
            ssh: None,
            cpu_spark: Vec::new(),
            memory_spark: Vec::new(),
            network_spark: Vec::new(),
        };
        let bare = ServerDetail {
            summary,
            facts: None,
            containers: Vec::new(),
            policy: None,
            probe: None,
            created_at: 1,
            last_seen_at: None,
        };
        let full = ServerDetail { containers: vec![Container::default()], ..bare.clone() };
        for detail in [bare, full] {
            let text = serde_json::to_string(&detail).expect("becomes JSON");
            assert_eq!(serde_json::from_str::<ServerDetail>(&text).expect(&text), detail);
        }
    }
}
