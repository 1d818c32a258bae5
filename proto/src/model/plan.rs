//! Plans: changes that were written down and wait for a person.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{AppId, OperationId, PlanId, RevisionId, ServerId, VolumeBackupId},
    model::{adoption::Adopted, app::AppSpec, operation::OperationStatus, settings::SettingChange, stock::Item},
};

/// Who has to agree before a plan is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// A person, who may answer through the client's own dialogue.
    Confirm,
    /// A person in a session of their own who types the target's name.
    Human,
}

/// Where a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    /// Waits for a person.
    Pending,
    /// A person agreed; waits to be applied.
    Approved,
    /// A person said no.
    Denied,
    /// Became an operation.
    Applied,
    /// Waited too long.
    Expired,
    /// Its target changed before it was applied.
    Stale,
}

impl PlanStatus {
    /// The status as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Applied => "applied",
            Self::Expired => "expired",
            Self::Stale => "stale",
        }
    }
}

/// What a plan would do. Part of the plan's hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PlannedChange {
    /// Deploy an app, new or over the one there.
    DeployApp {
        /// Server by id.
        server: ServerId,
        /// App name.
        name: String,
        /// What to run.
        spec: Box<AppSpec>,
        /// The kept revision this goes back to, if it is a roll-back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        back_to: Option<RevisionId>,
        /// The container that Tomo did not make, in whose place it comes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adopts: Option<Box<Adopted>>,
    },
    /// Remove an app and its container.
    RemoveApp {
        /// App by id.
        app: AppId,
        /// Also delete its named volumes.
        volumes: bool,
    },
    /// Remove things from a server that are no app's.
    Discard {
        /// Server by id.
        server: ServerId,
        /// How they were chosen.
        choice: Choice,
        /// Each as it was then.
        items: Vec<Item>,
    },
    /// Restore a backup of a volume into a new one.
    RestoreVolume {
        /// The backup.
        backup: VolumeBackupId,
        /// Server by id.
        server: ServerId,
        /// Name of the new volume.
        volume: String,
    },
    /// Remove a backup of a volume.
    RemoveVolumeBackup {
        /// The backup.
        backup: VolumeBackupId,
    },
    /// Add a server that is reached by SSH.
    AddServer {
        /// Its name.
        name: String,
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// User there.
        user: String,
        /// Host key to pin, if it is known.
        host_key: Option<String>,
        /// Its labels.
        labels: BTreeMap<String, String>,
    },
    /// Forget a server and shut out its agent.
    RemoveServer {
        /// Server by id.
        server: ServerId,
    },
    /// Change settings.
    ChangeSettings {
        /// Each with its new value.
        changes: Vec<SettingChange>,
    },
}

/// How the things that a plan removes were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// One, by its name.
    Named,
    /// All of what Tomo made and nothing uses.
    Ours,
    /// Everything that nothing uses, whoever made it.
    All,
}

/// One line of a plan's difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// What happens to it.
    pub op: ChangeOp,
    /// What it is, e.g. `env.PORT`.
    pub path: String,
    /// Value before, masked if secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Value after, masked if secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// What happens to one thing of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeOp {
    /// It comes to be.
    Add,
    /// It changes.
    Set,
    /// It goes.
    Remove,
}

/// A recorded change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Stable id.
    pub plan: PlanId,
    /// One sentence, made of canonical facts only.
    pub summary: String,
    /// Name of what it changes; typed by the person for a `human` plan.
    pub target: String,
    /// Where it stands.
    pub status: PlanStatus,
    /// Who has to agree.
    pub approval: Approval,
    /// The difference.
    pub changes: Vec<Change>,
    /// How long and why nothing answers meanwhile, or that something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime: Option<String>,
    /// What is lost for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_loss: Option<String>,
    /// What the person should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Why it was asked for, in the asker's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asked, as in the audit.
    pub requested_by: String,
    /// Who agreed or said no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// What it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
    /// How that operation does, or how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OperationStatus>,
    /// SHA-256 of the planned change and of its target's state, hex; an approval is bound to it.
    pub hash: String,
    /// When it was made (UTC ms).
    pub created_at: u64,
    /// When it can no longer be used (UTC ms).
    pub expires_at: u64,
}
