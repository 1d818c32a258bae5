//! Signing in at a registry: its host, who, and the password, which is sealed and never shown again.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tomo_proto::{
    api::person::{SecretText, SetRegistry},
    model::registry::check_registry,
};

use crate::dashboard::{
    canvas::{Canvas, Hit, centered},
    widgets::form::{Field, Form, FormEvent},
};

/// The form.
#[derive(Debug)]
pub(crate) struct RegistryForm {
    pub(crate) form: Form,
    busy: bool,
}

impl RegistryForm {
    pub(crate) fn new() -> Self {
        let some = |text: &str| if text.is_empty() { Err("it is needed".to_owned()) } else { Ok(()) };
        let form = Form::new(vec![
            Field::text("registry", "Registry")
                .placeholder("ghcr.io")
                .help("As images name it; docker.io for those that name none")
                .check(check_registry),
            Field::text("user", "User").check(some),
            Field::secret("password", "Password")
                .help("Or a token: sealed in the daemon, sent along with pulls from there, never shown again")
                .check(some),
        ]);
        Self { form: form.button("Sign in there"), busy: false }
    }

    /// `Ok` is what to keep, `Err` the wish to leave.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Result<SetRegistry, ()>> {
        if self.busy {
            return (key.code == KeyCode::Esc).then_some(Err(()));
        }
        let told = self.form.key(key);
        self.follow(told)
    }

    /// What a key or a click on the form comes to.
    pub(crate) fn follow(&mut self, told: FormEvent) -> Option<Result<SetRegistry, ()>> {
        match told {
            FormEvent::Cancel => Some(Err(())),
            FormEvent::Submit if !self.busy => {
                self.busy = true;
                let [registry, user, password] = ["registry", "user", "password"].map(|id| self.form.value(id));
                Some(Ok(SetRegistry { registry, user, password: SecretText::new(password) }))
            }
            _ => None,
        }
    }

    /// The daemon said no.
    pub(crate) fn refused(&mut self, field: Option<&str>, message: String) {
        self.busy = false;
        let field = field.filter(|field| self.form.has(field)).unwrap_or("password");
        self.form.set_error(field, message);
    }

    /// Takes keys again.
    pub(crate) fn free(&mut self) {
        self.busy = false;
    }

    /// What is waited for, or which keys work.
    pub(crate) const fn hint(&self) -> &'static str {
        if self.busy { "sealing it   Esc leaves" } else { "Enter goes on   Tab next field   Esc leaves" }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let inner = canvas.dialogue(centered(area, 78, 12), "Sign in at a registry");
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        canvas.hits.add(inner, Hit::Form);
        if let Some(cursor) = self.form.render(inner, canvas.buffer, canvas.theme) {
            canvas.cursor = Some(cursor);
        }
    }
}
