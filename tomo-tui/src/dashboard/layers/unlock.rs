//! Opening the sealed vault: the master password.

use tomo_proto::api::person::{SecretText, UnlockVault};

use crate::dashboard::{
    effect::Effect,
    layers::sheet::{Asks, Sheet, Wish},
    widgets::form::{Field, Form},
};

/// The form.
#[derive(Debug)]
pub(crate) struct UnlockForm {
    pub(crate) sheet: Sheet,
}

impl UnlockForm {
    pub(crate) fn new() -> Self {
        let missing = |text: &str| if text.is_empty() { Err("the password is missing".to_owned()) } else { Ok(()) };
        let field = Field::secret("password", "Master password").check(missing);
        let sheet = Sheet::new(Form::new(vec![field]).button("Unlock"), "Unlock the vault", 14, "password")
            .saying("The vault is sealed: what needs a secret waits until somebody gives the master password.")
            .hints("Enter goes on   Esc leaves", "unlocking");
        Self { sheet }
    }
}

impl Asks for UnlockForm {
    type Wanted = Effect;

    fn sheet(&mut self) -> &mut Sheet {
        &mut self.sheet
    }

    fn wanted(&mut self) -> Wish<Effect> {
        let password = SecretText::new(self.sheet.form.value("password"));
        Some(Ok(Effect::UnlockVault(UnlockVault { password })))
    }
}
