//! What an admin can set without touching a file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::display_line;

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

/// Why a setting cannot be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingError {
    /// There is none of that name.
    Unknown,
    /// What would fit instead.
    Invalid(String),
}

impl Settings {
    /// Every setting as text, by name.
    #[must_use]
    pub fn as_text(&self) -> Vec<(&'static str, String)> {
        vec![
            ("sample_interval_secs", self.sample_interval_secs.to_string()),
            ("raw_retention_hours", self.raw_retention_hours.to_string()),
            ("plan_expiry_minutes", self.plan_expiry_minutes.to_string()),
            ("healthy_within_secs", self.healthy_within_secs.to_string()),
            ("keep_replaced_minutes", self.keep_replaced_minutes.to_string()),
            ("overlap_secs", self.overlap_secs.to_string()),
            ("session_hours", self.session_hours.to_string()),
            ("backup_every_hours", self.backup_every_hours.to_string()),
            ("backups_kept", self.backups_kept.to_string()),
            ("image_check_hours", self.image_check_hours.to_string()),
            ("cpu_warning_percent", self.cpu_warning_percent.to_string()),
            ("memory_warning_percent", self.memory_warning_percent.to_string()),
            ("disk_warning_percent", self.disk_warning_percent.to_string()),
            ("status_page_title", self.status_page_title.clone()),
            ("status_page_servers", self.status_page_servers.clone()),
        ]
    }

    /// Sets one by its name, after checking the value.
    ///
    /// # Errors
    /// There is none of that name, or the value does not fit.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        let number = |low: u32, high: u32| {
            value.trim().parse::<u32>().ok().filter(|number| (low..=high).contains(number)).ok_or_else(|| {
                let shown = display_line(value, 40);
                SettingError::Invalid(format!("{name} is a whole number from {low} to {high}, not \"{shown}\""))
            })
        };
        match name {
            "sample_interval_secs" => self.sample_interval_secs = number(1, 300)?,
            "raw_retention_hours" => self.raw_retention_hours = number(1, 8_760)?,
            "plan_expiry_minutes" => self.plan_expiry_minutes = number(1, 1_440)?,
            "healthy_within_secs" => self.healthy_within_secs = number(5, 1_800)?,
            "keep_replaced_minutes" => self.keep_replaced_minutes = number(0, 10_080)?,
            "overlap_secs" => self.overlap_secs = number(0, 600)?,
            "session_hours" => self.session_hours = number(1, 720)?,
            "backup_every_hours" => self.backup_every_hours = number(0, 8_760)?,
            "backups_kept" => self.backups_kept = number(1, 1_000)?,
            "image_check_hours" => self.image_check_hours = number(0, 8_760)?,
            "cpu_warning_percent" => self.cpu_warning_percent = number(1, 100)?,
            "memory_warning_percent" => self.memory_warning_percent = number(1, 100)?,
            "disk_warning_percent" => self.disk_warning_percent = number(1, 100)?,
            "status_page_title" => self.status_page_title = display_line(value.trim(), 80),
            "status_page_servers" => self.status_page_servers = display_line(value.trim(), 2_000),
            _ => return Err(SettingError::Unknown),
        }
        Ok(())
    }

    /// What each setting is for, with its unit and bounds, by name.
    #[must_use]
    pub fn meanings() -> BTreeMap<String, String> {
        let schema = schemars::schema_for!(Self);
        let all = schema.get("properties").and_then(|all| all.as_object()).into_iter().flatten();
        let meaning = |of: &serde_json::Value| Some(of.get("description")?.as_str()?.replace('\n', " "));
        all.filter_map(|(name, of)| Some((name.clone(), meaning(of)?))).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_can_be_set_and_means_what_it_takes() {
        let settings = Settings::default();
        let (all, meanings) = (settings.as_text(), Settings::meanings());
        let fields = serde_json::to_value(&settings).expect("encodes");
        assert_eq!(fields.as_object().expect("is an object").len(), all.len());
        for (name, value) in all {
            let set = |value: &str| settings.clone().set(name, value);
            assert_eq!(set(&value), Ok(()), "{name}");
            let meaning = meanings.get(name).unwrap_or_else(|| panic!("{name} means nothing"));
            if name.starts_with("status_page") {
                continue;
            }
            let bounds = meaning.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(bounds, _)| bounds);
            let (low, high) = bounds.and_then(|bounds| bounds.split_once('–')).unwrap_or_else(|| panic!("{meaning}"));
            let [low, high] = [low, high].map(|bound| bound.parse::<u32>().unwrap_or_else(|_| panic!("{meaning}")));
            assert_eq!((set(&low.to_string()), set(&high.to_string())), (Ok(()), Ok(())), "{name}");
            // What can be off is off at 0.
            let off = low > 0 && meaning.contains("0 for");
            assert_eq!(set("0").is_ok(), low == 0 || off, "{name}");
            let below = if low == 0 || off { "-1".to_owned() } else { (low - 1).to_string() };
            for beyond in [below, (high + 1).to_string(), "x".to_owned(), String::new()] {
                assert!(matches!(set(&beyond), Err(SettingError::Invalid(_))), "{name} = {beyond}");
            }
        }
        assert_eq!(settings.clone().set("session_hour", "1"), Err(SettingError::Unknown));
    }
}
