//! Settings: read by all, changed by a plan.

use tomo_proto::{
    api::settings::{SettingsGet, SettingsSet},
    error::ErrorCode,
    model::{
        plan::{Plan, PlannedChange},
        settings::{SettingChange, SettingError, Settings},
    },
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

/// The settings with some changes, each checked.
pub(super) fn changed(settings: &Settings, changes: &[SettingChange]) -> Result<Settings, ServiceError> {
    let mut settings = settings.clone();
    for SettingChange { name, value } in changes {
        settings.set(name, value).map_err(|error| match error {
            SettingError::Invalid(message) => ServiceError::new(ErrorCode::Invalid, message).with_field(name.clone()),
            SettingError::Unknown => {
                let known = Settings::default().as_text();
                let known = known.iter().map(|(known, _)| *known);
                not_found("setting", name, known, "settings_get {}").with_field("changes")
            }
        })?;
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_all_made_or_none_and_what_is_wrong_is_named() {
        let settings = Settings::default();
        let change = |name: &str, value: &str| SettingChange { name: name.to_owned(), value: value.to_owned() };
        let after = changed(&settings, &[change("session_hours", "33"), change("status_page_title", " x ")]);
        let after = after.expect("fits");
        assert_eq!((after.session_hours, after.status_page_title.as_str()), (33, "x"));
        let wrong = changed(&settings, &[change("session_hours", "33"), change("overlap_secs", "many")]);
        let wrong = wrong.expect_err("is no number").to_string();
        assert!(wrong.contains("overlap_secs is a whole number from 0 to 600"), "{wrong}");
        let unknown = changed(&settings, &[change("session_hour", "1")]).expect_err("is unknown");
        assert!(unknown.to_string().contains("nearest: \"session_hours\""), "{unknown}");
    }
}
