//! Backups of the daemon itself. Restoring is done on the daemon's host only, with the daemon stopped.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::{backup::Backup, operation::Operation},
};

/// Arguments of `backup_create`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupCreate {
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(BackupCreate => Operation, "backup_create", "Back up Tomo", Effect::Operate { destructive: false }, Admin, false,
    "Back up the daemon's store and keys, encrypted, and restore it for a test.");

/// Arguments of `backup_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupList {}

tool!(BackupList => BackupListAnswer, "backup_list", "List backups", Effect::Read, Admin, false,
    "The daemon's backups that were restored for a test, newest first.");

/// Backups, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackupListAnswer {
    /// The backups.
    pub backups: Vec<Backup>,
}
