//! Signing in at a registry: its host, who, and the password, which is sealed and never shown again.

use tomo_proto::{
    api::person::{SecretText, SetRegistry},
    model::registry::check_registry,
};

use crate::dashboard::{
    effect::Effect,
    layers::sheet::{Asks, Sheet, Wish},
    widgets::form::{Field, Form},
};

/// The form.
#[derive(Debug)]
pub(crate) struct RegistryForm {
    pub(crate) sheet: Sheet,
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
        let sheet = Sheet::new(form.button("Sign in there"), "Sign in at a registry", 12, "password");
        Self { sheet: sheet.hints("Enter goes on   Tab next field   Esc leaves", "sealing it   Esc leaves") }
    }
}

impl Asks for RegistryForm {
    type Wanted = Effect;

    fn sheet(&mut self) -> &mut Sheet {
        &mut self.sheet
    }

    fn wanted(&mut self) -> Wish<Effect> {
        let [registry, user, password] = ["registry", "user", "password"].map(|id| self.sheet.form.value(id));
        Some(Ok(Effect::SetRegistry(SetRegistry { registry, user, password: SecretText::new(password) })))
    }
}
