//! Other settings: every one in a field of its own, checked as one types. What was changed becomes one plan.

use tomo_proto::{
    api::settings::SettingsSet,
    model::settings::{SettingChange, SettingError, Settings},
};

use crate::dashboard::{
    effect::Effect,
    layers::sheet::{Asks, Sheet, Wish},
    widgets::form::{Field, Form},
};

/// The form.
#[derive(Debug)]
pub(crate) struct SettingsForm {
    pub(crate) sheet: Sheet,
    before: Vec<(&'static str, String)>,
}

fn check(name: &str, value: &str) -> Result<(), String> {
    Settings::default().set(name, value).map_err(|error| match error {
        SettingError::Invalid(message) => message,
        SettingError::Unknown => format!("there is no setting \"{name}\""),
    })
}

impl SettingsForm {
    /// With the settings as they are; it begins at one of them.
    pub(crate) fn new(settings: &Settings, at: &str) -> Self {
        let mut meanings = Settings::meanings();
        let before = settings.as_text();
        let fields = before.iter().map(|(name, value)| {
            let name = *name;
            let meaning = meanings.remove(name).unwrap_or_default();
            Field::text(name, name).value(value).help(meaning).check(move |value| check(name, value))
        });
        let form = Form::new(fields.collect()).button("Preview the plan").at(at);
        let usual = before.first().map_or("", |(name, _)| *name);
        let sheet = Sheet::new(form, "Change settings", 22, usual)
            .hints("Ctrl-S previews   Tab next field   Esc leaves", "asking for the plan   Esc leaves");
        Self { sheet, before }
    }

    fn changes(&self) -> Vec<SettingChange> {
        let values =
            self.before.iter().map(|(name, before)| (name, before, self.sheet.form.value(name).trim().to_owned()));
        let changed = values.filter(|(_, before, value)| *before != value);
        changed.map(|(name, _, value)| SettingChange { name: (*name).to_owned(), value }).collect()
    }
}

impl Asks for SettingsForm {
    type Wanted = Effect;

    fn sheet(&mut self) -> &mut Sheet {
        &mut self.sheet
    }

    /// Where nothing was changed there is nothing to plan.
    fn wanted(&mut self) -> Wish<Effect> {
        let changes = self.changes();
        let plan = !changes.is_empty();
        Some(plan.then_some(Effect::ChangeSettings(SettingsSet { changes, reason: None })).ok_or(()))
    }
}
