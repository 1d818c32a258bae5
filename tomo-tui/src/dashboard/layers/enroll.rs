//! Adding a server: its name and labels; what comes back is a one-time token for its agent.

use std::collections::BTreeMap;

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use tomo_proto::api::{check_name, person::CreateEnrolment};

use crate::dashboard::{
    canvas::{Canvas, Hit, centered, split_bottom},
    widgets::form::{Field, Form, FormEvent},
};

/// The form.
#[derive(Debug)]
pub(crate) struct EnrollForm {
    pub(crate) form: Form,
    busy: bool,
}

fn labels(text: &str) -> Result<BTreeMap<String, String>, String> {
    let pair = |line: &str| {
        let (key, value) = line.split_once('=').ok_or_else(|| format!("\"{line}\": write it as key=value"))?;
        Ok((key.trim().to_owned(), value.trim().to_owned()))
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(pair).collect()
}

impl EnrollForm {
    pub(crate) fn new() -> Self {
        let form = Form::new(vec![
            Field::text("name", "Name").help("What Tomo calls the server, e.g. web-1").check(check_name),
            Field::lines("labels", "Labels")
                .help("One key=value on each line, e.g. env=prod")
                .check(|text| labels(text).map(drop)),
        ])
        .button("Make a token");
        Self { form, busy: false }
    }

    /// `Ok` is a request to send, `Err` the wish to leave.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Result<CreateEnrolment, ()>> {
        let told = self.form.key(key);
        self.follow(told)
    }

    /// What a key or a click on the form comes to.
    pub(crate) fn follow(&mut self, told: FormEvent) -> Option<Result<CreateEnrolment, ()>> {
        match told {
            FormEvent::Cancel => Some(Err(())),
            FormEvent::Submit if !self.busy => {
                self.busy = true;
                let labels = labels(&self.form.value("labels")).unwrap_or_default();
                Some(Ok(CreateEnrolment { server: self.form.value("name"), labels, expires_in_minutes: None }))
            }
            _ => None,
        }
    }

    pub(crate) fn refused(&mut self, message: String) {
        self.busy = false;
        self.form.set_error("name", message);
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let inner = canvas.dialogue(centered(area, 70, 18), "Add a server");
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        let (form, foot) = split_bottom(inner, 1);
        canvas.hits.add(form, Hit::Form);
        if let Some(cursor) = self.form.render(form, canvas.buffer, canvas.theme) {
            canvas.cursor = Some(cursor);
        }
        let text = if self.busy { "making the token" } else { "Ctrl-S makes a token   Tab next field   Esc leaves" };
        canvas.text(foot, text, canvas.theme.dim);
    }
}
