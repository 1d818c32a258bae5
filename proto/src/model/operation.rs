//! Operations: changes under way, and what became of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    error::ErrorCode,
    id::{OperationId, PlanId},
    model::app::LogLine,
};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Deploys an app.
    DeployApp,
    /// Removes an app.
    RemoveApp,
    /// Starts an app.
    StartApp,
    /// Stops an app.
    StopApp,
    /// Restarts an app.
    RestartApp,
    /// Starts a container that is no app's.
    StartContainer,
    /// Stops a container that is no app's.
    StopContainer,
    /// Restarts a container that is no app's.
    RestartContainer,
    /// Pulls an image.
    PullImage,
    /// Makes a volume.
    CreateVolume,
    /// Makes a network.
    CreateNetwork,
    /// Removes images, volumes, networks or stopped containers.
    Discard,
    /// Adds a server.
    AddServer,
    /// Looks around on a server by SSH.
    ProbeServer,
    /// Installs the agent on a server by SSH.
    InstallAgent,
    /// Puts a newer agent on a server, over the link.
    UpdateAgent,
    /// Forgets a server.
    RemoveServer,
    /// Changes settings.
    ChangeSettings,
    /// Backs the daemon up.
    CreateBackup,
    /// Backs a volume up.
    BackupVolume,
    /// Restores a backup of a volume into a new one.
    RestoreVolume,
    /// Restores a backup of a volume for a test, with its app, and takes everything away again.
    DrillVolume,
    /// Reads a backup of a volume to its end.
    VerifyVolumeBackup,
    /// Removes a backup of a volume.
    RemoveVolumeBackup,
}

impl OperationKind {
    /// Whether its target is an app.
    #[must_use]
    pub const fn is_of_app(self) -> bool {
        match self {
            Self::DeployApp | Self::RemoveApp | Self::StartApp | Self::StopApp | Self::RestartApp => true,
            Self::StartContainer
            | Self::StopContainer
            | Self::RestartContainer
            | Self::PullImage
            | Self::CreateVolume
            | Self::CreateNetwork
            | Self::Discard
            | Self::AddServer
            | Self::ProbeServer
            | Self::InstallAgent
            | Self::UpdateAgent
            | Self::RemoveServer
            | Self::ChangeSettings
            | Self::CreateBackup
            | Self::BackupVolume
            | Self::RestoreVolume
            | Self::DrillVolume
            | Self::VerifyVolumeBackup
            | Self::RemoveVolumeBackup => false,
        }
    }

    /// Whether its target is on a server, where another server can have one of that name.
    #[must_use]
    pub const fn is_on_server(self) -> bool {
        self.is_of_app()
            || matches!(
                self,
                Self::StartContainer
                    | Self::StopContainer
                    | Self::RestartContainer
                    | Self::PullImage
                    | Self::CreateVolume
                    | Self::CreateNetwork
                    | Self::Discard
                    | Self::BackupVolume
                    | Self::RestoreVolume
                    | Self::DrillVolume
            )
    }

    /// Whether it goes to a server by SSH.
    #[must_use]
    pub const fn is_visit(self) -> bool {
        matches!(self, Self::AddServer | Self::ProbeServer | Self::InstallAgent)
    }

    /// The kind as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeployApp => "deploy_app",
            Self::RemoveApp => "remove_app",
            Self::StartApp => "start_app",
            Self::StopApp => "stop_app",
            Self::RestartApp => "restart_app",
            Self::StartContainer => "start_container",
            Self::StopContainer => "stop_container",
            Self::RestartContainer => "restart_container",
            Self::PullImage => "pull_image",
            Self::CreateVolume => "create_volume",
            Self::CreateNetwork => "create_network",
            Self::Discard => "discard",
            Self::AddServer => "add_server",
            Self::ProbeServer => "probe_server",
            Self::InstallAgent => "install_agent",
            Self::UpdateAgent => "update_agent",
            Self::RemoveServer => "remove_server",
            Self::ChangeSettings => "change_settings",
            Self::CreateBackup => "create_backup",
            Self::BackupVolume => "backup_volume",
            Self::RestoreVolume => "restore_volume",
            Self::DrillVolume => "drill_volume",
            Self::VerifyVolumeBackup => "verify_volume_backup",
            Self::RemoveVolumeBackup => "remove_volume_backup",
        }
    }
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationStatus {
    /// Under way.
    Running,
    /// Done and checked.
    Succeeded,
    /// Did not work; nothing of it is left.
    Failed,
    /// A person stopped it; what it did is undone.
    Cancelled,
    /// The answer has not come: it may have happened. The agent is asked when it is back, and this becomes what it says.
    Unknown,
}

impl OperationStatus {
    /// The status as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Running)
    }
}

/// A change under way, or done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// Stable id.
    pub operation: OperationId,
    /// What it does.
    pub kind: OperationKind,
    /// Name of what it changes.
    pub target: String,
    /// Name of the server it runs on, if on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Plan it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    /// Where it stands.
    pub status: OperationStatus,
    /// What it does right now.
    pub step: String,
    /// How far the step is, 0–100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<OperationError>,
    /// Who started it, as in the audit.
    pub actor: String,
    /// When it began (UTC ms).
    pub started_at: u64,
    /// When it ended (UTC ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    /// Milliseconds that nothing answered, measured; only for a deploy over a running container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime_ms: Option<u64>,
    /// Its last 200 steps, each with its time; only where asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// What a container that did not live left behind; only where asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// What a container that did not live left behind. Its texts are untrusted and already safe to show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Exit code, if it had ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// What its probes said, oldest first, at most 40.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeAnswer>,
    /// Its last lines, at most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLine>,
}

impl Evidence {
    /// It as lines for people: exit code, probes with their times, log.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.exit_code.map(|code| format!("it ended with exit code {code}")).into_iter().collect();
        lines.extend(self.probes.iter().map(|probe| {
            let times = if probe.count > 1 { format!(" ({} times)", probe.count) } else { String::new() };
            format!(
                "probe after {}.{} s: {}{times}",
                probe.after_ms / 1_000,
                probe.after_ms % 1_000 / 100,
                probe.answer
            )
        }));
        if !self.log.is_empty() {
            lines.push("last lines of the new container:".to_owned());
            lines.extend(self.log.iter().map(|line| line.text.clone()));
        }
        lines
    }
}

/// What probes said, one after the other the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeAnswer {
    /// Milliseconds after the container was started, of the first.
    pub after_ms: u64,
    /// How many.
    pub count: u32,
    /// The answer.
    pub answer: String,
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperationError {
    /// Kind of the failure.
    pub code: ErrorCode,
    /// What happened.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Argument of the request that did not fit, by its name there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}
