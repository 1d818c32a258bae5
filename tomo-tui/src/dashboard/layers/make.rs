//! What a server gets that has only a name: an image to pull, a new volume, a new network, an app made of a container that is there.

use tomo_proto::{
    api::{check_name, container::ContainerAdopt},
    model::spec::{check_app_name, check_image},
};

use crate::dashboard::{
    effect::Effect,
    layers::sheet::{Asks, Sheet, Wish},
    widgets::form::{Field, Form},
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
    pub(crate) sheet: Sheet,
    made: Made,
    server: String,
    /// The container of which an app is made.
    adopts: Option<String>,
}

impl MakeForm {
    pub(crate) fn new(made: Made, server: String) -> Self {
        Self::of(made, server, None)
    }

    fn of(made: Made, server: String, adopts: Option<String>) -> Self {
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
        let title = match made {
            Made::Image => format!("Pull an image onto {server}"),
            Made::Volume => format!("New volume on {server}"),
            Made::Network => format!("New network on {server}"),
            Made::App => format!("Make an app of {} on {server}", adopts.as_deref().unwrap_or_default()),
        };
        let sheet = Sheet::new(Form::new(vec![field]).button(button), title, 7, "name");
        Self { sheet: sheet.hints("Enter goes on   Esc leaves", "sending   Esc leaves"), made, server, adopts }
    }

    /// Asks what the app is to be called that a container becomes.
    pub(crate) fn adoption(server: String, container: &str) -> Self {
        let mut form = Self::of(Made::App, server, Some(container.to_owned()));
        form.sheet.form.set_value("name", &container.to_ascii_lowercase());
        form
    }

    /// The same adoption without what an app does not have.
    pub(crate) fn accept_losses(&self) -> Option<Effect> {
        match self.effect() {
            Effect::Adopt { request } => {
                Some(Effect::Adopt { request: Box::new(ContainerAdopt { accept_losses: true, ..*request }) })
            }
            _ => None,
        }
    }

    fn effect(&self) -> Effect {
        let (server, name) = (self.server.clone(), self.sheet.form.value("name"));
        match self.adopts.clone() {
            Some(container) => {
                let request = ContainerAdopt { server, container, name: Some(name), ..ContainerAdopt::default() };
                Effect::Adopt { request: Box::new(request) }
            }
            None => Effect::Make { made: self.made, server, name },
        }
    }
}

impl Asks for MakeForm {
    type Wanted = Effect;

    fn sheet(&mut self) -> &mut Sheet {
        &mut self.sheet
    }

    fn wanted(&mut self) -> Wish<Effect> {
        Some(Ok(self.effect()))
    }
}
