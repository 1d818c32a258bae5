//! Backups of volumes: made, proven, restored into new volumes, removed; by hand and on a schedule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::{
        operation::Operation,
        plan::Plan,
        volume_backup::{VolumeBackup, VolumeSchedule},
    },
};

/// Arguments of `volume_backup_create`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeBackupCreate {
    /// Server name or id.
    pub server: String,
    /// Volume name.
    pub volume: String,
    /// Stop the containers that mount it meanwhile; they are started again in any case.
    #[serde(default)]
    pub stop: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(VolumeBackupCreate => Operation, "volume_backup_create", "Back up volume", Effect::Operate { destructive: true }, Operate, false,
    "Back a volume up to the daemon, encrypted, and read the backup to its end. Without stop the app may write meanwhile.");

/// Arguments of `volume_backup_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeBackupList {
    /// Only those of this server, by name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Only those of the volume of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// At most this many, 1-200; 50 without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

tool!(VolumeBackupList => VolumeBackupListAnswer, "volume_backup_list", "List volume backups", Effect::Read, Read, false,
    "Backups of volumes, newest first, each with its last drill (proven restore); and the schedules.");

/// Backups of volumes, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VolumeBackupListAnswer {
    /// The backups.
    pub backups: Vec<VolumeBackup>,
    /// What is backed up by itself.
    pub schedules: Vec<VolumeSchedule>,
}

/// Arguments of `volume_backup_verify`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeBackupVerify {
    /// Backup id, vol-….
    pub backup: String,
}

tool!(VolumeBackupVerify => Operation, "volume_backup_verify", "Verify volume backup", Effect::Operate { destructive: false }, Operate, false,
    "Read a backup of a volume to its end: key, order, completeness, checksum. Touches no server.");

/// Arguments of `volume_backup_remove`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeBackupRemove {
    /// Backup id, vol-….
    pub backup: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(VolumeBackupRemove => Plan, "volume_backup_remove", "Remove volume backup", Effect::Plan, Plan, false,
    "Plan to remove a backup of a volume, with its file.");

/// Arguments of `volume_restore`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeRestore {
    /// Backup id, vol-….
    pub backup: String,
    /// Name of the new volume; made from the old one's without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// Server name or id; the one it came from without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(VolumeRestore => Plan, "volume_restore", "Restore volume", Effect::Plan, Plan, false,
    "Plan to restore a backup into a new volume; an existing one is never touched.");

/// Arguments of `volume_drill`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeDrill {
    /// Backup id, vol-….
    pub backup: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(VolumeDrill => Operation, "volume_drill", "Drill restore", Effect::Operate { destructive: false }, Operate, false,
    "Prove that a backup restores: into a scratch volume, compared, its app started on it in a network of its own and probed; \
     all of it is taken away again.");

/// Arguments of `volume_schedule`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeScheduleSet {
    /// Server name or id.
    pub server: String,
    /// Volume name.
    pub volume: String,
    /// Hours from one backup to the next (1–8760); 0 ends the schedule.
    pub every_hours: u32,
    /// Backups of it that are kept, the newest (1–1000); 7 without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// Stop the containers that mount it meanwhile.
    #[serde(default)]
    pub stop: bool,
    /// Hours from one drill of the newest backup to the next (1–8760); 0, or nothing, for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill_every_hours: Option<u32>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(VolumeScheduleSet => VolumeScheduleAnswer, "volume_schedule", "Schedule volume backups", Effect::Operate { destructive: true }, Admin, false,
    "Back a volume up every so many hours, keep the newest, drill them if wanted. Older backups than are kept go.");

/// A volume's schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VolumeScheduleAnswer {
    /// It, if there is one now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<VolumeSchedule>,
}
