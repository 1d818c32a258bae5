//! Settings: read by all, changed by a plan.

use tomo_proto::{
    api::settings::{SettingsGet, SettingsSet},
    error::ErrorCode,
    model::{
        plan::{Plan, PlannedChange},
        settings::{SettingChange, Settings},
    },
    text::display_line,
};

use crate::services::{Handle, Services, access::Authorized, error::ServiceError, lookup::not_found};

impl Handle<SettingsGet> for Services {
    async fn handle(
        &self,
        _caller: Authorized<'_, SettingsGet>,
        _request: SettingsGet,
    ) -> Result<Settings, ServiceError> {
        Ok(self.context.settings()?)
    }
}

impl Handle<SettingsSet> for Services {
    async fn handle(&self, caller: Authorized<'_, SettingsSet>, request: SettingsSet) -> Result<Plan, ServiceError> {
        if request.changes.is_empty() {
            return Err(ServiceError::new(ErrorCode::Invalid, "no setting is named")
                .with_field("changes")
                .with_next("settings_get {}"));
        }
        changed(&self.context.settings()?, &request.changes)?;
        let change = PlannedChange::ChangeSettings { changes: request.changes };
        self.record_plan(&caller, "settings_set", change, request.reason).await
    }
}

/// The settings as text, by name.
pub(super) fn as_text(settings: &Settings) -> Vec<(&'static str, String)> {
    vec![
        ("sample_interval_secs", settings.sample_interval_secs.to_string()),
        ("raw_retention_hours", settings.raw_retention_hours.to_string()),
        ("plan_expiry_minutes", settings.plan_expiry_minutes.to_string()),
        ("healthy_within_secs", settings.healthy_within_secs.to_string()),
        ("keep_replaced_minutes", settings.keep_replaced_minutes.to_string()),
        ("overlap_secs", settings.overlap_secs.to_string()),
        ("session_hours", settings.session_hours.to_string()),
        ("backup_every_hours", settings.backup_every_hours.to_string()),
        ("backups_kept", settings.backups_kept.to_string()),
        ("image_check_hours", settings.image_check_hours.to_string()),
        ("cpu_warning_percent", settings.cpu_warning_percent.to_string()),
        ("memory_warning_percent", settings.memory_warning_percent.to_string()),
        ("disk_warning_percent", settings.disk_warning_percent.to_string()),
        ("status_page_title", settings.status_page_title.clone()),
        ("status_page_servers", settings.status_page_servers.clone()),
    ]
}

/// The settings with some changes, each checked.
pub(super) fn changed(settings: &Settings, changes: &[SettingChange]) -> Result<Settings, ServiceError> {
    let mut settings = settings.clone();
    for SettingChange { name, value } in changes {
        let number = |low: u32, high: u32| {
            value.trim().parse::<u32>().ok().filter(|number| (low..=high).contains(number)).ok_or_else(|| {
                let shown = display_line(value, 40);
                ServiceError::new(
                    ErrorCode::Invalid,
                    format!("{name} is a whole number from {low} to {high}, not \"{shown}\""),
                )
                .with_field(name.clone())
            })
        };
        match name.as_str() {
            "sample_interval_secs" => settings.sample_interval_secs = number(1, 300)?,
            "raw_retention_hours" => settings.raw_retention_hours = number(1, 8_760)?,
            "plan_expiry_minutes" => settings.plan_expiry_minutes = number(1, 1_440)?,
            "healthy_within_secs" => settings.healthy_within_secs = number(5, 1_800)?,
            "keep_replaced_minutes" => settings.keep_replaced_minutes = number(0, 10_080)?,
            "overlap_secs" => settings.overlap_secs = number(0, 600)?,
            "session_hours" => settings.session_hours = number(1, 720)?,
            "backup_every_hours" => settings.backup_every_hours = number(0, 8_760)?,
            "backups_kept" => settings.backups_kept = number(1, 1_000)?,
            "image_check_hours" => settings.image_check_hours = number(0, 8_760)?,
            "cpu_warning_percent" => settings.cpu_warning_percent = number(1, 100)?,
            "memory_warning_percent" => settings.memory_warning_percent = number(1, 100)?,
            "disk_warning_percent" => settings.disk_warning_percent = number(1, 100)?,
            "status_page_title" => settings.status_page_title = display_line(value.trim(), 80),
            "status_page_servers" => settings.status_page_servers = display_line(value.trim(), 2_000),
            _ => {
                let names = as_text(&settings);
                return Err(not_found("setting", name, names.iter().map(|(name, _)| *name), "settings_get {}")
                    .with_field("changes"));
            }
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_can_be_changed_and_is_checked() {
        let settings = Settings::default();
        let fields = serde_json::to_value(&settings).expect("encodes");
        let names: Vec<_> = as_text(&settings).iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(fields.as_object().expect("is an object").len(), names.len());
        for name in names {
            let change = |value: &str| [SettingChange { name: name.clone(), value: value.to_owned() }];
            assert_ne!(changed(&settings, &change("33")).expect(&name), settings, "{name}");
            if !name.starts_with("status_page") {
                let can_be_off = ["backup_every_hours", "image_check_hours", "keep_replaced_minutes", "overlap_secs"];
                assert_eq!(changed(&settings, &change("0")).is_ok(), can_be_off.contains(&name.as_str()), "{name}");
                assert!(changed(&settings, &change("x")).is_err(), "{name}");
            }
        }
        let unknown = changed(&settings, &[SettingChange { name: "session_hour".to_owned(), value: "1".to_owned() }]);
        assert!(unknown.expect_err("is unknown").to_string().contains("nearest: \"session_hours\""));
    }
}
