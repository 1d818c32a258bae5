//! Opening the sealed vault: the master password.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tomo_proto::api::person::{SecretText, UnlockVault};

use crate::{
    dashboard::{
        canvas::{Canvas, Hit, centered, split_top},
        widgets::form::{Field, Form, FormEvent},
    },
    format::wrap,
};

/// The form.
#[derive(Debug)]
pub(crate) struct UnlockForm {
    pub(crate) form: Form,
    busy: bool,
}

impl UnlockForm {
    pub(crate) fn new() -> Self {
        let missing = |text: &str| if text.is_empty() { Err("the password is missing".to_owned()) } else { Ok(()) };
        let field = Field::secret("password", "Master password").check(missing);
        Self { form: Form::new(vec![field]).button("Unlock"), busy: false }
    }

    /// `Ok` is a request to send, `Err` the wish to leave.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Result<UnlockVault, ()>> {
        if self.busy {
            return (key.code == KeyCode::Esc).then_some(Err(()));
        }
        let told = self.form.key(key);
        self.follow(told)
    }

    /// What a key or a click on the form comes to.
    pub(crate) fn follow(&mut self, told: FormEvent) -> Option<Result<UnlockVault, ()>> {
        match told {
            FormEvent::Cancel => Some(Err(())),
            FormEvent::Submit if !self.busy => {
                self.busy = true;
                Some(Ok(UnlockVault { password: SecretText::new(self.form.value("password")) }))
            }
            _ => None,
        }
    }

    /// Takes keys again.
    pub(crate) fn free(&mut self) {
        self.busy = false;
    }

    pub(crate) fn refused(&mut self, message: String) {
        self.busy = false;
        self.form.set_error("password", message);
    }

    /// What is waited for, or which keys work.
    pub(crate) fn hint(&self) -> &'static str {
        if self.busy { "unlocking" } else { "Enter goes on   Esc leaves" }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let inner = canvas.dialogue(centered(area, 70, 14), "Unlock the vault");
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        let (head, form) = split_top(inner, 3);
        let text = "The vault is sealed: what needs a secret waits until somebody gives the master password.";
        for (row, line) in head.rows().zip(wrap(text, usize::from(inner.width))) {
            canvas.text(row, &line, canvas.theme.text);
        }
        canvas.hits.add(form, Hit::Form);
        if let Some(cursor) = self.form.render(form, canvas.buffer, canvas.theme) {
            canvas.cursor = Some(cursor);
        }
    }
}
