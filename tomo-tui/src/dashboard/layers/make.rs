//! Bringing something onto a server that has only a name: an image to pull, a new volume, a new network.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tomo_proto::{api::check_name, model::spec::check_image};

use crate::dashboard::{
    canvas::{Canvas, Hit, centered},
    effect::Effect,
    widgets::form::{Field, Form, FormEvent},
};

/// What it brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    Image,
    Volume,
    Network,
}

/// The form.
#[derive(Debug)]
pub(crate) struct MakeForm {
    pub(crate) form: Form,
    made: Made,
    server: String,
    busy: bool,
}

impl MakeForm {
    pub(crate) fn new(made: Made, server: String) -> Self {
        let field = match made {
            Made::Image => Field::text("name", "Image with tag").check(check_image),
            Made::Volume | Made::Network => Field::text("name", "Name").check(check_name),
        };
        let button = if made == Made::Image { "Pull" } else { "Make" };
        Self { form: Form::new(vec![field]).button(button), made, server, busy: false }
    }

    /// `Ok` is something to do, `Err` the wish to leave.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Result<Effect, ()>> {
        if self.busy {
            return (key.code == KeyCode::Esc).then_some(Err(()));
        }
        let told = self.form.key(key);
        self.follow(told)
    }

    /// What a key or a click on the form comes to.
    pub(crate) fn follow(&mut self, told: FormEvent) -> Option<Result<Effect, ()>> {
        match told {
            FormEvent::Cancel => Some(Err(())),
            FormEvent::Submit if !self.busy => {
                self.busy = true;
                let (server, name) = (self.server.clone(), self.form.value("name"));
                Some(Ok(Effect::Make { made: self.made, server, name }))
            }
            _ => None,
        }
    }

    /// Takes keys again.
    pub(crate) fn free(&mut self) {
        self.busy = false;
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let title = match self.made {
            Made::Image => format!("Pull an image onto {}", self.server),
            Made::Volume => format!("New volume on {}", self.server),
            Made::Network => format!("New network on {}", self.server),
        };
        let inner = canvas.dialogue(centered(area, 70, 7), &title);
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        canvas.hits.add(inner, Hit::Form);
        if let Some(cursor) = self.form.render(inner, canvas.buffer, canvas.theme) {
            canvas.cursor = Some(cursor);
        }
    }

    /// Which keys work, or what is waited for.
    pub(crate) const fn hint(&self) -> &'static str {
        if self.busy { "sending   Esc leaves" } else { "Enter goes on   Esc leaves" }
    }
}
