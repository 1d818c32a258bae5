//! Applications: the small typed model a container configuration is built from, and how an app does.
//!
//! There is no way to say "privileged", "host network" or a device here: what cannot be said cannot be asked for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{AppId, OperationId, RevisionId, ServerId},
    model::{
        container::{Container, Health},
        image::ImageCheck,
        volume_backup::LastBackup,
    },
};

/// What to run. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppSpec {
    /// With tag, e.g. nginx:1.27.
    pub image: String,
    /// Instead of the image's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Published ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortSpec>,
    /// Environment; secrets as secret://NAME.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Volumes and bind mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeSpec>,
    /// When it is restarted.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// Memory limit in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// Health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortSpec {
    /// Port inside.
    pub container: u16,
    /// On the host; default any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<u16>,
    /// tcp or udp.
    #[serde(default)]
    pub protocol: Protocol,
    /// On 127.0.0.1 only.
    #[serde(default)]
    pub loopback: bool,
}

impl PortSpec {
    /// The port on the host as people read it.
    #[must_use]
    pub fn host_text(&self) -> String {
        self.host.map_or_else(|| "any".to_owned(), |host| host.to_string())
    }
}

/// Transport of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// The protocol as engines write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeSpec {
    /// Volume name, or an absolute host path.
    pub source: String,
    /// Path inside.
    pub target: String,
    /// Read-only.
    #[serde(default)]
    pub read_only: bool,
}

impl VolumeSpec {
    /// Whether the source is a folder of the host rather than a volume of the engine.
    #[must_use]
    pub fn is_bind(&self) -> bool {
        self.source.starts_with('/')
    }
}

/// When the engine starts a container again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// Never.
    No,
    /// After a failure, up to five times.
    OnFailure,
    /// Unless a person stopped it.
    #[default]
    UnlessStopped,
    /// Always.
    Always,
}

impl RestartPolicy {
    /// Every policy, in the order a form shows them.
    pub const ALL: [Self; 4] = [Self::UnlessStopped, Self::Always, Self::OnFailure, Self::No];

    /// The policy as engines and forms write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnFailure => "on-failure",
            Self::UnlessStopped => "unless-stopped",
            Self::Always => "always",
        }
    }
}

impl std::str::FromStr for RestartPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text).ok_or_else(|| {
            format!("\"{text}\" is not a restart policy; they are unless-stopped, always, on-failure, no")
        })
    }
}

/// A probe run by the agent from outside the container, on the container's own port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum HealthCheck {
    /// An HTTP GET must answer below 400.
    Http {
        /// Port inside.
        port: u16,
        /// Path, from the slash on.
        path: String,
    },
    /// A TCP connection must open.
    Tcp {
        /// Port inside.
        port: u16,
    },
}

/// An app as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct App {
    /// Stable id.
    pub id: AppId,
    /// Name, unique on its server.
    pub name: String,
    /// Where it runs.
    pub server: ServerId,
    /// What runs, or will once the first deploy has ended.
    pub spec: AppSpec,
    /// Revision that runs; absent until a deploy has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionId>,
    /// Whether a person stopped it.
    #[serde(default)]
    pub stopped: bool,
    /// What the last deploy came to, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When it was made (UTC ms).
    pub created_at: u64,
    /// When it was last deployed (UTC ms).
    pub deployed_at: u64,
    /// The revision that was replaced last, whose container is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// A replaced container that is kept for a while, stopped: a roll-back to it has nothing to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// What it ran.
    pub revision: RevisionId,
    /// When it is removed (UTC ms), by the next deploy at the latest.
    pub until: u64,
}

/// A configuration that was deployed, kept for a roll-back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Revision {
    /// Stable id.
    pub id: RevisionId,
    /// App it belongs to.
    pub app: AppId,
    /// What ran.
    pub spec: AppSpec,
    /// Who deployed it, as in the audit.
    pub actor: String,
    /// Operation that deployed it.
    pub operation: OperationId,
    /// When (UTC ms).
    pub created_at: u64,
}

/// How an app does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AppStatus {
    /// Its container runs and is not unhealthy.
    Running,
    /// A person stopped it.
    Stopped,
    /// It should run and does not, or is unhealthy.
    Failed,
    /// A deploy is under way.
    Deploying,
    /// Its server cannot be asked.
    Unknown,
}

impl AppStatus {
    /// The status as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Deploying => "deploying",
            Self::Unknown => "unknown",
        }
    }
}

/// One line of the app list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppSummary {
    /// Stable id.
    pub id: AppId,
    /// Name.
    pub name: String,
    /// Name of its server.
    pub server: String,
    /// Image.
    pub image: String,
    /// How it does.
    pub status: AppStatus,
    /// What the engine's health check says.
    pub health: Health,
    /// Restarts by the engine.
    pub restarts: u32,
    /// Published ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortSpec>,
    /// CPU in cores, if it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_cores: Option<f64>,
    /// Memory, if it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// When it was last deployed (UTC ms).
    pub deployed_at: u64,
    /// Whether its registry has another image under that name, as far as is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub update: bool,
}

/// Everything about one app; secret values are masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppDetail {
    /// Its line in the list.
    #[serde(flatten)]
    pub summary: AppSummary,
    /// What runs.
    pub spec: AppSpec,
    /// Its container; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// What the last deploy came to, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The last look at what its registry has under the image's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_check: Option<ImageCheck>,
    /// Revision that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionId>,
    /// The replaced container, while it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// The newest backup of each of its volumes that was backed up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backups: Vec<LastBackup>,
    /// Kept revisions, newest first; only with `include: ["revisions"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
}

/// One line of a container's log. The text is untrusted and already safe to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// When the engine took it (UTC ms); 0 if it did not say.
    pub at_ms: u64,
    /// Where it was written.
    pub stream: LogStream,
    /// The line, without its end, cut to 16 KiB.
    pub text: String,
}

/// Where a log line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
