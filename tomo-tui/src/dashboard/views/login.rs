//! Signing in.

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use tomo_proto::api::person::{Login, SecretText};

use crate::dashboard::{
    canvas::{Canvas, Hit, centered, split_top},
    widgets::form::{Field, Form, FormEvent},
};
use crate::format::wrap;

/// The view that asks who one is.
#[derive(Debug)]
pub(crate) struct LoginView {
    pub(crate) form: Form,
    daemon: String,
    /// Whether there was a login that has ended.
    ended: bool,
    busy: bool,
    error: Option<String>,
}

fn given(what: &'static str) -> impl Fn(&str) -> Result<(), String> {
    move |text| if text.is_empty() { Err(format!("{what} is missing")) } else { Ok(()) }
}

impl LoginView {
    pub(crate) fn new(daemon: &str, ended: bool) -> Box<Self> {
        let form = Form::new(vec![
            Field::text("username", "Login name").check(|text| given("the login name")(text)),
            Field::secret("password", "Password").check(|text| given("the password")(text)),
        ])
        .button("Sign in");
        Box::new(Self { form, daemon: daemon.to_owned(), ended, busy: false, error: None })
    }

    /// Takes a key in; a request when it was sent.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Login> {
        let told = self.form.key(key);
        self.follow(told)
    }

    /// What a key or a click on the form comes to.
    pub(crate) fn follow(&mut self, told: FormEvent) -> Option<Login> {
        if self.busy || told != FormEvent::Submit {
            return None;
        }
        self.busy = true;
        self.error = None;
        let username = self.form.value("username").trim().to_owned();
        Some(Login { username, password: SecretText::new(self.form.value("password")) })
    }

    pub(crate) fn refused(&mut self, error: String) {
        self.busy = false;
        self.error = Some(error);
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let frame = centered(area, 64, 14);
        let inner = canvas.dialogue(frame, "Sign in");
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        let text = if self.ended {
            format!("Your login at {} has ended.", self.daemon)
        } else {
            format!("The daemon at {} asks who you are.", self.daemon)
        };
        let mut lines = wrap(&text, usize::from(inner.width));
        let mut style = canvas.theme.text;
        if let Some(error) = &self.error {
            lines = wrap(error, usize::from(inner.width));
            style = canvas.theme.bad;
        } else if self.busy {
            lines = vec!["signing in".to_owned()];
        }
        let (head, rest) = split_top(inner, 3);
        for (row, line) in head.rows().zip(lines) {
            canvas.text(row, &line, style);
        }
        canvas.hits.add(rest, Hit::Form);
        if let Some(cursor) = self.form.render(rest, canvas.buffer, canvas.theme) {
            canvas.cursor = Some(cursor);
        }
    }
}
