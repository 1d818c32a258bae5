//! Where what a log shows is written.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use crate::dashboard::{
    canvas::{Canvas, Hit, centered},
    widgets::form::{Field, Form, FormEvent},
};

/// The form.
#[derive(Debug)]
pub(crate) struct SaveForm {
    pub(crate) form: Form,
    busy: bool,
}

impl SaveForm {
    /// Asks for a path, and suggests one.
    pub(crate) fn new(path: &str) -> Self {
        let some = |text: &str| if text.trim().is_empty() { Err("it is needed".to_owned()) } else { Ok(()) };
        let field = Field::text("path", "File").help("On this computer; what is shown is written").check(some);
        let mut form = Form::new(vec![field]).button("Save");
        form.set_value("path", path);
        Self { form, busy: false }
    }

    /// `Ok` is a path, `Err` the wish to leave.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Result<String, ()>> {
        if self.busy {
            return (key.code == KeyCode::Esc).then_some(Err(()));
        }
        let told = self.form.key(key);
        self.follow(told)
    }

    /// What a key or a click on the form comes to.
    pub(crate) fn follow(&mut self, told: FormEvent) -> Option<Result<String, ()>> {
        match told {
            FormEvent::Cancel => Some(Err(())),
            FormEvent::Submit if !self.busy => {
                self.busy = true;
                Some(Ok(self.form.value("path").trim().to_owned()))
            }
            _ => None,
        }
    }

    /// It could not be written.
    pub(crate) fn refused(&mut self, message: String) {
        self.busy = false;
        self.form.set_error("path", message);
    }

    /// Takes keys again.
    pub(crate) fn free(&mut self) {
        self.busy = false;
    }

    /// Which keys work, or what is waited for.
    pub(crate) const fn hint(&self) -> &'static str {
        if self.busy { "writing   Esc leaves" } else { "Enter saves   Ctrl-U clears   Esc leaves" }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let inner = canvas.dialogue(centered(area, 76, 7), "Save the log");
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        canvas.hits.add(inner, Hit::Form);
        if let Some(cursor) = self.form.render(inner, canvas.buffer, canvas.theme) {
            canvas.cursor = Some(cursor);
        }
    }
}
