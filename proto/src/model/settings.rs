//! What an admin can set without touching a file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The daemon's settings with their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// Sampling while nobody watches, seconds (1–300).
    pub sample_interval_secs: u32,
    /// Raw samples are kept this long, hours (1–8760).
    pub raw_retention_hours: u32,
    /// A plan can be approved this long, minutes (1–1440).
    pub plan_expiry_minutes: u32,
    /// A new container has to be healthy within this time, seconds (5–1800).
    pub healthy_within_secs: u32,
    /// A replaced container is kept this long for a roll-back, minutes (0–10080); 0 for not at all.
    pub keep_replaced_minutes: u32,
    /// The old container goes on answering this long after the new one is healthy, where both can publish their ports, seconds (0–600).
    pub overlap_secs: u32,
    /// A login lasts this long without use, hours (1–720).
    pub session_hours: u32,
    /// The daemon backs itself up this often, hours (1–8760); 0 for never. Needs a master password.
    pub backup_every_hours: u32,
    /// Backups that are kept, the newest (1–1000).
    pub backups_kept: u32,
    /// Registries are asked this often for other images under the names of those that run, hours (1–8760); 0 for never.
    pub image_check_hours: u32,
    /// CPU use that counts as a problem, percent (1–100).
    pub cpu_warning_percent: u32,
    /// Memory use that counts as a problem, percent (1–100).
    pub memory_warning_percent: u32,
    /// Filesystem use that counts as a problem, percent (1–100).
    pub disk_warning_percent: u32,
    /// Title of the public status page; empty switches the page off.
    pub status_page_title: String,
    /// Servers the public status page names, separated by commas.
    pub status_page_servers: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sample_interval_secs: 10,
            raw_retention_hours: 24,
            plan_expiry_minutes: 30,
            healthy_within_secs: 90,
            keep_replaced_minutes: 10,
            overlap_secs: 10,
            session_hours: 12,
            backup_every_hours: 0,
            backups_kept: 14,
            image_check_hours: 24,
            cpu_warning_percent: 90,
            memory_warning_percent: 90,
            disk_warning_percent: 85,
            status_page_title: String::new(),
            status_page_servers: String::new(),
        }
    }
}

/// One setting and its new value, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingChange {
    /// Name, e.g. `raw_retention_hours`.
    pub name: String,
    /// New value.
    pub value: String,
}
