//! Other settings: every one in a field of its own, checked as one types. What was changed becomes one plan.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tomo_proto::{
    api::settings::SettingsSet,
    model::settings::{SettingChange, SettingError, Settings},
};

use crate::dashboard::{
    canvas::{Canvas, Hit, centered},
    effect::Effect,
    widgets::form::{Field, Form, FormEvent},
};

/// The form.
#[derive(Debug)]
pub(crate) struct SettingsForm {
    pub(crate) form: Form,
    before: Vec<(&'static str, String)>,
    busy: bool,
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
        Self { form, before, busy: false }
    }

    /// `Ok` is something to do, `Err` the wish to leave.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Result<Effect, ()>> {
        if self.busy {
            return (key.code == KeyCode::Esc).then_some(Err(()));
        }
        let told = self.form.key(key);
        self.follow(told)
    }

    /// What a key or a click on the form comes to. Where nothing was changed there is nothing to plan.
    pub(crate) fn follow(&mut self, told: FormEvent) -> Option<Result<Effect, ()>> {
        match told {
            FormEvent::Cancel => Some(Err(())),
            FormEvent::Submit if !self.busy => {
                let changes = self.changes();
                if changes.is_empty() {
                    return Some(Err(()));
                }
                self.busy = true;
                Some(Ok(Effect::ChangeSettings(SettingsSet { changes, reason: None })))
            }
            _ => None,
        }
    }

    fn changes(&self) -> Vec<SettingChange> {
        let values = self.before.iter().map(|(name, before)| (name, before, self.form.value(name).trim().to_owned()));
        let changed = values.filter(|(_, before, value)| *before != value);
        changed.map(|(name, _, value)| SettingChange { name: (*name).to_owned(), value }).collect()
    }

    /// The daemon said no.
    pub(crate) fn refused(&mut self, field: Option<&str>, message: String) {
        self.busy = false;
        let first = self.before.first().map_or("", |(name, _)| name);
        let field = field.filter(|field| self.form.has(field)).unwrap_or(first);
        self.form.set_error(field, message);
    }

    /// Takes keys again.
    pub(crate) fn free(&mut self) {
        self.busy = false;
    }

    /// What is waited for, or which keys work.
    pub(crate) const fn hint(&self) -> &'static str {
        if self.busy { "asking for the plan   Esc leaves" } else { "Ctrl-S previews   Tab next field   Esc leaves" }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let inner = canvas.dialogue(centered(area, 78, 22), "Change settings");
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        canvas.hits.add(inner, Hit::Form);
        if let Some(cursor) = self.form.render(inner, canvas.buffer, canvas.theme) {
            canvas.cursor = Some(cursor);
        }
    }
}
