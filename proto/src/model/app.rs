//! Applications: the small typed model a container configuration is built from, and how an app does.
//!
//! There is no way to say "privileged", "host network" or a device here: what cannot be said cannot be asked for.

use std::collections::{BTreeMap, BTreeSet};

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

/// In the schema of what is described elsewhere in it.
type AnyObject = serde_json::Map<String, serde_json::Value>;

/// What to run. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppSpec {
    /// With tag, e.g. nginx:1.27.
    pub image: String,
    /// Instead of the image's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortSpec>,
    /// Secrets as secret://NAME.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeSpec>,
    /// Restart.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// Memory limit in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// http:PORT/PATH, tcp:PORT or run:COMMAND.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    /// Instead of the image's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// E.g. 1000:1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// 1000 is one core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_limit_millis: Option<u32>,
    /// Text by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// More, e.g. NET_ADMIN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// More containers by name, alike.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, AnyObject>")]
    pub services: BTreeMap<String, AppSpec>,
    /// Depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Its name there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
}

/// One container of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service<'a> {
    /// Its name among [`AppSpec::services`]; none for the app's own container.
    pub name: Option<&'a str>,
    /// What it runs.
    pub spec: &'a AppSpec,
}

impl Service<'_> {
    /// What the container is called on its host.
    #[must_use]
    pub fn container(&self, app: &str) -> String {
        match self.name {
            Some(name) => format!("tomo-{app}-{name}"),
            None => format!("tomo-{app}"),
        }
    }

    /// The service as messages name it.
    #[must_use]
    pub fn shown(&self, app: &str) -> String {
        match self.name {
            Some(name) => format!("service \"{name}\" of app \"{app}\""),
            None => format!("app \"{app}\""),
        }
    }
}

impl AppSpec {
    /// Every container of the app, each after those it depends on; where nothing says otherwise the app's own comes last.
    #[must_use]
    pub fn in_order(&self) -> Vec<Service<'_>> {
        let (mut order, mut seen) = (Vec::with_capacity(self.services.len() + 1), BTreeSet::new());
        for name in self.services.keys() {
            self.visit(Some(name), &mut seen, &mut order);
        }
        self.visit(None, &mut seen, &mut order);
        order
    }

    fn visit<'a>(&'a self, name: Option<&'a str>, seen: &mut BTreeSet<Option<&'a str>>, order: &mut Vec<Service<'a>>) {
        let Some(spec) = name.map_or(Some(self), |name| self.services.get(name)) else { return };
        if !seen.insert(name) {
            return;
        }
        for wanted in &spec.depends_on {
            self.visit(self.key_of(wanted), seen, order);
        }
        order.push(Service { name, spec });
    }

    /// The key of a service that another one names: none for the app's own.
    #[must_use]
    pub fn key_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        (self.alias.as_deref() != Some(name)).then_some(name)
    }

    /// Whether another container of the app waits for this one.
    #[must_use]
    pub fn is_depended_on(&self, service: Option<&str>) -> bool {
        self.in_order().iter().flat_map(|one| &one.spec.depends_on).any(|name| self.key_of(name) == service)
    }

    /// The published ports of every container.
    pub fn all_ports(&self) -> impl Iterator<Item = &PortSpec> {
        self.ports.iter().chain(self.services.values().flat_map(|service| &service.ports))
    }

    /// The mounts of every container.
    pub fn all_volumes(&self) -> impl Iterator<Item = &VolumeSpec> {
        self.volumes.iter().chain(self.services.values().flat_map(|service| &service.volumes))
    }

    /// The images of every container.
    pub fn all_images(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.image.as_str()).chain(self.services.values().map(|service| service.image.as_str()))
    }
}

/// A published port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// How it is told whether a container does its work: the agent asks the container's own port from outside, or the engine runs a command
/// inside. Written as a text, see [`Display`](std::fmt::Display); what earlier releases wrote is read too.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// A command inside must end with 0; the engine runs it.
    Command {
        /// Program and arguments.
        command: Vec<String>,
    },
}

impl std::fmt::Display for HealthCheck {
    /// The check as people write it: `http:80/health`, `tcp:5432` or `run:pg_isready -q`.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http { port, path } => write!(out, "http:{port}{path}"),
            Self::Tcp { port } => write!(out, "tcp:{port}"),
            Self::Command { command } => {
                let plain =
                    |word: &str| !word.is_empty() && !word.contains([' ', '\t', '\n', '"', '\'', '\\', '$', '#']);
                let quoted = |word: &String| match plain(word) {
                    true => word.clone(),
                    false => format!("'{}'", word.replace('\'', "'\\''")),
                };
                write!(out, "run:{}", command.iter().map(quoted).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

impl Serialize for HealthCheck {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A health check with its parts named.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
enum Parts {
    Http { port: u16, path: String },
    Tcp { port: u16 },
    Command { command: Vec<String> },
}

impl<'de> Deserialize<'de> for HealthCheck {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> serde::de::Visitor<'de> for Written {
            type Value = HealthCheck;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("http:PORT/PATH, tcp:PORT or run:COMMAND")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HealthCheck, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<HealthCheck, A::Error> {
                Ok(match Parts::deserialize(serde::de::value::MapAccessDeserializer::new(map))? {
                    Parts::Http { port, path } => HealthCheck::Http { port, path },
                    Parts::Tcp { port } => HealthCheck::Tcp { port },
                    Parts::Command { command } => HealthCheck::Command { command },
                })
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for HealthCheck {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HealthCheck".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

impl std::str::FromStr for HealthCheck {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || match text.split_once(':')? {
            ("tcp", port) => Some(Self::Tcp { port: port.parse().ok()? }),
            ("http", rest) => {
                let (port, path) = rest.split_once('/').unwrap_or((rest, ""));
                Some(Self::Http { port: port.parse().ok()?, path: format!("/{path}") })
            }
            ("run", line) => {
                let command = crate::text::words(line).ok()?;
                (!command.is_empty()).then_some(Self::Command { command })
            }
            _ => None,
        };
        parse().ok_or_else(|| {
            let shown = crate::text::display_line(text, 80);
            format!("health check \"{shown}\": write it as http:PORT/PATH, tcp:PORT or run:COMMAND")
        })
    }
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
    /// What ran, like an app's spec.
    #[schemars(with = "AnyObject")]
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
    /// Other containers by service, each like container; what is not there is missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, AnyObject>")]
    pub services: BTreeMap<String, Container>,
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
    /// Which service of an app has written it, where those of several are read as one log; of the app's own container its alias or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
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
