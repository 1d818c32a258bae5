//! Commands: an enum with typed fields from end to end, never a string that something later splits or runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    api::{check_name, person::SecretText},
    error::ErrorCode,
    id::{AppId, CommandId, RevisionId},
    model::{
        app::{AppSpec, LogLine},
        operation::Evidence,
        spec::check_image,
    },
};

/// Daemon → agent, the one frame it sends on a command stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandRequest {
    /// A repeated id is answered from memory; it does not run twice.
    pub id: CommandId,
    /// Milliseconds the agent has; it gives up and undoes what it did after that.
    pub deadline_ms: u64,
    /// What to do.
    pub command: Command,
}

/// What an agent can be asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Start a container.
    StartContainer {
        /// Which.
        container: ContainerRef,
    },
    /// Stop a container.
    StopContainer {
        /// Which.
        container: ContainerRef,
        /// Seconds until it is killed.
        timeout_secs: u32,
    },
    /// Restart a container.
    RestartContainer {
        /// Which.
        container: ContainerRef,
        /// Seconds until it is killed.
        timeout_secs: u32,
    },
    /// Remove a container that Tomo made.
    RemoveContainer {
        /// Which.
        container: ContainerRef,
        /// Also these named volumes that Tomo made.
        volumes: Vec<String>,
    },
    /// Read, and perhaps follow, a container's log. Answers with [`CommandEvent::Log`]; closing the stream ends it.
    ReadLogs {
        /// Which.
        container: ContainerRef,
        /// Newest lines to begin with; all without.
        tail: Option<u32>,
        /// Only lines from this time on (UTC ms).
        since_ms: Option<u64>,
        /// Go on with new lines until the stream closes.
        follow: bool,
    },
    /// Pull an image; one that is already there is used.
    PullImage {
        /// Name with tag or digest.
        image: String,
    },
    /// Put an app's container in place, replacing the one there; on failure the old one is as before.
    DeployApp {
        /// What to deploy.
        deploy: Box<DeployApp>,
    },
    /// Tell what became of an earlier command, once it has ended. Needs no leave of the policy: it changes nothing.
    TellOutcome {
        /// Which; one that never came is not found.
        command: CommandId,
    },
}

/// What a deploy needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeployApp {
    /// App by id, a label of the container.
    pub app: AppId,
    /// App name; the container is called `tomo-<name>`.
    pub name: String,
    /// Revision, a label of the container.
    pub revision: RevisionId,
    /// What to run.
    pub spec: AppSpec,
    /// Values for `secret://NAME` in the environment.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretText>,
    /// Seconds the new container has to become healthy.
    pub health_timeout_secs: u32,
    /// Seconds that the old container goes on answering after the new one has taken its place, if both can publish their ports.
    #[serde(default)]
    pub overlap_secs: u32,
    /// Seconds that the replaced container is kept, stopped, for a roll-back; 0 removes it at once.
    #[serde(default)]
    pub keep_secs: u32,
}

impl Command {
    /// Name of the command, as the host's policy file lists it.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::StartContainer { .. } => "start",
            Self::StopContainer { .. } => "stop",
            Self::RestartContainer { .. } => "restart",
            Self::RemoveContainer { .. } => "remove",
            Self::ReadLogs { .. } => "logs",
            Self::PullImage { .. } => "pull",
            Self::DeployApp { .. } => "deploy",
            Self::TellOutcome { .. } => "tell",
        }
    }

    /// Whether it changes something on the host: then it is carried on when the link breaks, and its outcome is kept.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        !matches!(self, Self::ReadLogs { .. } | Self::TellOutcome { .. })
    }

    /// What it works on, by name; of two changes with one name the second waits.
    #[must_use]
    pub fn container(&self) -> String {
        match self {
            Self::StartContainer { container }
            | Self::StopContainer { container, .. }
            | Self::RestartContainer { container, .. }
            | Self::RemoveContainer { container, .. }
            | Self::ReadLogs { container, .. } => container.as_str().to_owned(),
            Self::PullImage { image } => image.clone(),
            Self::DeployApp { deploy } => format!("tomo-{}", deploy.name),
            Self::TellOutcome { command } => command.to_string(),
        }
    }

    /// Whether every name in it is one: they become parts of paths, of the engine's API and of files, and a daemon may lie.
    ///
    /// # Errors
    /// Says which is none.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::RemoveContainer { volumes, .. } => volumes.iter().try_for_each(|name| check_name(name)),
            Self::PullImage { image } => check_image(image),
            Self::DeployApp { deploy } => {
                check_name(&deploy.name)?;
                deploy.secrets.keys().try_for_each(|name| check_name(name))?;
                deploy.spec.check().map_err(|misfit| format!("{}: {}", misfit.field, misfit.message))
            }
            Self::StartContainer { .. }
            | Self::StopContainer { .. }
            | Self::RestartContainer { .. }
            | Self::ReadLogs { .. }
            | Self::TellOutcome { .. } => Ok(()),
        }
    }

    /// Every verb a policy file can list.
    pub const VERBS: [&'static str; 7] = ["start", "stop", "restart", "remove", "logs", "pull", "deploy"];
}

/// Name or id of a container: the engine's grammar and nothing else, so that it cannot reach another path of its API.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ContainerRef(String);

impl ContainerRef {
    /// Checks a name (`[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}`; an id is one too).
    ///
    /// # Errors
    /// Says that the name is not one.
    pub fn new(name: impl Into<String>) -> Result<Self, String> {
        let name = name.into();
        let mut bytes = name.bytes();
        let fits = bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
            && name.len() <= 128;
        if fits {
            Ok(Self(name))
        } else {
            Err(format!("\"{}\" is not a container name or id", crate::text::display_line(&name, 60)))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ContainerRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Agent → daemon on a command stream: signs of life, then one outcome, then the end of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandEvent {
    /// How far it is.
    Progress {
        /// What it does right now, e.g. `pull nginx:1.27`.
        step: String,
        /// How far the step is, 0–100.
        percent: Option<u8>,
    },
    /// Lines of a log, oldest first.
    Log {
        /// At most 500; each already safe to show.
        lines: Vec<LogLine>,
    },
    /// It is over.
    Outcome(Outcome),
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done and checked.
    Succeeded {
        /// Facts worth keeping, e.g. the image's id.
        #[serde(default)]
        facts: BTreeMap<String, String>,
        /// Milliseconds that nothing answered, measured; only where a running container was replaced.
        #[serde(default)]
        downtime_ms: Option<u64>,
    },
    /// Not done; what was begun is undone.
    Failed {
        /// Kind of the failure.
        code: ErrorCode,
        /// What happened, naming the thing.
        message: String,
        /// What to do next.
        #[serde(default)]
        next: Option<String>,
        /// Milliseconds that nothing answered until the old container ran again, measured.
        #[serde(default)]
        downtime_ms: Option<u64>,
        /// What a container that did not live left behind.
        #[serde(default)]
        evidence: Option<Box<Evidence>>,
    },
}

impl Outcome {
    /// A success without facts.
    #[must_use]
    pub const fn done() -> Self {
        Self::Succeeded { facts: BTreeMap::new(), downtime_ms: None }
    }

    /// A failure with a next step.
    pub fn failed(code: ErrorCode, message: impl Into<String>, next: Option<String>) -> Self {
        Self::Failed { code, message: message.into(), next, downtime_ms: None, evidence: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::{decode, encode};

    #[test]
    fn a_container_reference_cannot_leave_its_path() {
        for bad in ["", "../../version?x=", "a/b", "a b", "-a", "a\0", "a?b", "é", &"x".repeat(129)] {
            assert!(ContainerRef::new(bad).is_err(), "{bad:?}");
        }
        for good in ["web", "tomo-web.1_x", "4f1c0ffee000"] {
            assert!(ContainerRef::new(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_stop_is_these_bytes() {
        let container = ContainerRef::new("web").expect("a name");
        let command = Command::StopContainer { container, timeout_secs: 10 };
        let body = encode(&command).expect("encodes");
        assert_eq!(body, b"\x01\x81\xaestop_container\x82\xa9container\xa3web\xactimeout_secs\x0a");
        assert_eq!(decode::<Command>(&body).expect("decodes"), command);
    }

    #[test]
    fn a_bad_reference_does_not_decode() {
        let body = b"\x01\x81\xafstart_container\x81\xa9container\xa4../x";
        assert!(decode::<Command>(body).is_err());
    }
}
