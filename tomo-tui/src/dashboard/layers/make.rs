//! What a server gets that has only a name: an image to pull, a new volume, a new network, an app made of a container that is there.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tomo_proto::{
    api::{check_name, container::ContainerAdopt},
    model::spec::{check_app_name, check_image},
};

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
    App,
}

/// The form.
#[derive(Debug)]
pub(crate) struct MakeForm {
    pub(crate) form: Form,
    made: Made,
    server: String,
    /// The container of which an app is made.
    adopts: Option<String>,
    busy: bool,
}

impl MakeForm {
    pub(crate) fn new(made: Made, server: String) -> Self {
        let field = match made {
            Made::Image => Field::text("name", "Image with tag").check(check_image),
            Made::Volume | Made::Network => Field::text("name", "Name").check(check_name),
            Made::App => Field::text("name", "Name of the app").check(check_app_name),
        };
        let button = match made {
            Made::Image => "Pull",
            Made::Volume | Made::Network => "Make",
            Made::App => "Preview",
        };
        Self { form: Form::new(vec![field]).button(button), made, server, adopts: None, busy: false }
    }

    /// Asks what the app is to be called that a container becomes.
    pub(crate) fn adoption(server: String, container: &str) -> Self {
        let mut form = Self::new(Made::App, server);
        form.form.set_value("name", &container.to_ascii_lowercase());
        Self { adopts: Some(container.to_owned()), ..form }
    }

    /// The same adoption without what an app does not have.
    pub(crate) fn accept_losses(&self) -> Option<Effect> {
        match self.wanted() {
            Effect::Adopt { request } => {
                Some(Effect::Adopt { request: Box::new(ContainerAdopt { accept_losses: true, ..*request }) })
            }
            _ => None,
        }
    }

    fn wanted(&self) -> Effect {
        let (server, name) = (self.server.clone(), self.form.value("name"));
        match self.adopts.clone() {
            Some(container) => {
                let request = ContainerAdopt { server, container, name: Some(name), ..ContainerAdopt::default() };
                Effect::Adopt { request: Box::new(request) }
            }
            None => Effect::Make { made: self.made, server, name },
        }
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
                Some(Ok(self.wanted()))
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
            Made::App => format!("Make an app of {} on {}", self.adopts.as_deref().unwrap_or_default(), self.server),
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
