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

/// How a container was made. Values that look secret were masked on its host: their names stay.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContainerConfig {
    /// Id of the image it runs, `sha256:…`.
    pub image_id: String,
    /// Command of the image, replaced or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// What the command is given to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Environment, the image's included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Volumes, folders of the host and filesystems in memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<ContainerMount>,
    /// Networks it is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// User inside; empty for the image's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// When the engine restarts it, as engines write it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub restart: String,
    /// Memory limit; 0 for none.
    #[serde(default)]
    pub memory_limit_bytes: u64,
    /// CPU limit in thousandths of a core; 0 for none.
    #[serde(default)]
    pub cpu_limit_millis: u64,
    /// What gives it more of the host than usual: privileged, the host's network or processes, capabilities, devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub powers: Vec<String>,
}

/// A mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContainerMount {
    /// `volume`, `bind` or `tmpfs`.
    pub kind: String,
    /// Volume name or folder of the host; empty for a filesystem in memory.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Path inside.
    pub target: String,
    /// Whether it can only be read.
    #[serde(default)]
    pub read_only: bool,
}

/// One container and how it was made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ContainerDetail {
    /// Name of its server.
    pub server: String,
    /// What is known of it all the time.
    #[serde(flatten)]
    pub container: Container,
    /// How it was made.
    pub config: ContainerConfig,
}

/// What stands for a value that is not shown.
pub const MASKED: &str = "(masked)";

/// Whether the value of a variable is likely a secret, by its name or because it is an address with a password in it.
#[must_use]
pub fn is_secret_looking(name: &str, value: &str) -> bool {
    const WORDS: [&str; 15] = [
        "PASS",
        "PWD",
        "SECRET",
        "TOKEN",
        "KEY",
        "CREDENTIAL",
        "CREDS",
        "AUTH",
        "PRIVATE",
        "SALT",
        "DSN",
        "COOKIE",
        "SIGNATURE",
        "CERT",
        "LICENSE",
    ];
    // A path says where a secret is, not what it is: PATH, SSH_AUTH_SOCK, …_FILE.
    let name = name.to_ascii_uppercase();
    let named = WORDS.iter().any(|word| name.contains(word)) && !value.starts_with('/') && !value.is_empty();
    let has_password = || {
        let (_, rest) = value.split_once("://")?;
        let (user, _) = rest.split(['/', '?', '#']).next()?.rsplit_once('@')?;
        user.split_once(':').filter(|(_, password)| !password.is_empty())
    };
    named || has_password().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_secret_is_told_by_name_and_by_form() {
        for (name, value) in [
            ("DB_PASSWORD", "x"),
            ("db_passwd", "hunter2"),
            ("API_KEY", "abc"),
            ("GITHUB_TOKEN", "ghp_x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("DATABASE_URL", "postgres://shop:hunter2@db:5432/shop?x=1"),
            ("REDIS", "redis://:hunter2@cache/0"),
        ] {
            assert!(is_secret_looking(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("PATH", "/usr/bin:/bin"),
            ("MODE", "production"),
            ("DB_PASSWORD_FILE", "/run/secrets/db"),
            ("HOME_PAGE", "https://example.com/a@b:c"),
            ("ORIGIN", "https://user@example.com"),
            ("DB_PASSWORD", ""),
        ] {
            assert!(!is_secret_looking(name, value), "{name}={value}");
        }
    }
}
