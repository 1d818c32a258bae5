//! Backups of volumes: what was in one at a time, sealed in a file of the daemon's; when it was last proven to restore; how often one is
//! made.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{ServerId, VolumeBackupId},
    model::app::AppSpec,
    wire::archive::Contents,
};

/// A backup of a volume that was read to its end after it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VolumeBackup {
    /// Stable id.
    pub backup: VolumeBackupId,
    /// Name of the server that the volume was on.
    pub server: String,
    /// The same by id.
    pub server_id: ServerId,
    /// Name of the volume.
    pub volume: String,
    /// The app that mounts it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<BackedUpApp>,
    /// Whether what mounts it was stopped meanwhile.
    pub stopped: bool,
    /// Whether its volume's schedule made it: only such a one goes by itself when newer ones are there.
    #[serde(default)]
    pub scheduled: bool,
    /// What was in it.
    pub contents: Contents,
    /// File on the daemon's host.
    pub file: String,
    /// Size of the file.
    pub file_bytes: u64,
    /// When it was made (UTC ms).
    pub created_at: u64,
    /// When it was last read to its end (UTC ms).
    pub verified_at: u64,
    /// The last drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,
}

/// The app of a volume, as it was when the volume was backed up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackedUpApp {
    /// Its name.
    pub name: String,
    /// What it ran.
    pub spec: AppSpec,
}

/// A restore for a test, in a place of its own, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drill {
    /// When it ended (UTC ms).
    pub at: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Whether it went well.
    pub proven: bool,
    /// What was proven, or why it was not.
    pub result: String,
    /// Name of the server it was on.
    pub server: String,
}

/// The newest backup of a volume, and its last drill, which may be of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastBackup {
    /// Name of the volume.
    pub volume: String,
    /// The backup.
    pub backup: VolumeBackupId,
    /// When it was made (UTC ms).
    pub created_at: u64,
    /// The last drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,
}

/// How often a volume is backed up by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VolumeSchedule {
    /// Name of the server.
    pub server: String,
    /// The same by id.
    pub server_id: ServerId,
    /// Name of the volume.
    pub volume: String,
    /// Hours from one backup to the next (1–8760).
    pub every_hours: u32,
    /// Backups of it that are kept, the newest (1–1000).
    pub keep: u32,
    /// Stop what mounts it meanwhile.
    pub stop: bool,
    /// Hours from one drill of the newest backup to the next (1–8760); 0 for none.
    pub drill_every_hours: u32,
}
