//! An account: a new one with its first password, another role for one that is there, another password
//! for one's own, or a public key.

use tomo_proto::{
    api::{
        check_name,
        person::{AddKey, ChangePassword, CreateUser, SecretText, SetRole},
    },
    model::user::{PASSWORD_MIN, Role, User, check_password},
};

use crate::dashboard::{
    effect::Effect,
    layers::sheet::{Asks, Sheet, Wish},
    people::Change,
    widgets::form::{Field, Form},
};

/// What the roles are for.
const ROLES: &str = "viewer looks, operator also operates apps and makes plans, deployer also approves and opens terminals, \
                     admin does everything";

#[derive(Debug)]
enum Errand {
    Create,
    /// Another role for somebody who has this one.
    Role(String, Role),
    Password,
    Key,
}

/// The form.
#[derive(Debug)]
pub(crate) struct AccountForm {
    pub(crate) sheet: Sheet,
    errand: Errand,
}

fn role_field() -> Field {
    Field::choice("role", "Role", Role::ALL.map(|role| role.as_str().to_owned()).into()).help(ROLES)
}

/// A password from now on, and once more: nobody sees what is typed.
fn new_password(id: &'static str, label: &'static str, help: &'static str) -> [Field; 2] {
    let least = format!("At least {PASSWORD_MIN} characters; {help}");
    [
        Field::secret(id, label).help(least).check(check_password),
        Field::secret("again", "Again").help("The same once more: nobody can look it up later"),
    ]
}

impl AccountForm {
    pub(crate) fn create() -> Self {
        let name =
            Field::text("username", "Name").placeholder("ana").help("What the person signs in as").check(check_name);
        let [password, again] = new_password("password", "Password", "the person changes it with `tomo user password`");
        let form = Form::new(vec![name, role_field(), password, again]).button("Make the account");
        Self { sheet: Sheet::new(form, "New user", 13, "role"), errand: Errand::Create }
    }

    pub(crate) fn role(user: &User) -> Self {
        let form = Form::new(vec![role_field().value(user.role.as_str())]).button("Change the role");
        let title = format!("Another role for {}: ends their logins", user.name);
        Self { sheet: Sheet::new(form, title, 9, "role"), errand: Errand::Role(user.name.clone(), user.role) }
    }

    /// The own password is asked for too: whoever finds an open dashboard does not have it.
    pub(crate) fn password() -> Self {
        let some = |text: &str| if text.is_empty() { Err("it is needed".to_owned()) } else { Ok(()) };
        let current = Field::secret("current", "Password now").check(some);
        let [new, again] = new_password("new", "From now on", "it ends your other logins");
        let form = Form::new(vec![current, new, again]).button("Change the password");
        Self { sheet: Sheet::new(form, "Change your password", 12, "current"), errand: Errand::Password }
    }

    /// A public key that opens the dashboard over SSH.
    pub(crate) fn key_over_ssh() -> Self {
        let line = |text: &str| if text.trim().is_empty() { Err("it is needed".to_owned()) } else { Ok(()) };
        let key = Field::text("key", "Public key")
            .placeholder("ssh-ed25519 AAAA… ana@laptop")
            .help("The line of the .pub file; whoever holds the private half sees this dashboard with your rights")
            .check(line);
        let name = Field::text("name", "Name").placeholder("the key's own comment").check(|text| match text {
            "" => Ok(()),
            text => check_name(text),
        });
        let form = Form::new(vec![key, name]).button("Add the key");
        Self { sheet: Sheet::new(form, "A key for the dashboard over SSH", 12, "key"), errand: Errand::Key }
    }
}

impl Asks for AccountForm {
    type Wanted = Effect;

    fn sheet(&mut self) -> &mut Sheet {
        &mut self.sheet
    }

    fn wanted(&mut self) -> Wish<Effect> {
        let form = &mut self.sheet.form;
        let [first, new, again] = ["password", "new", "again"].map(|id| form.value(id));
        if again != format!("{first}{new}") {
            form.set_error("again", "the two differ".to_owned());
            return None;
        }
        let role = form.value("role").parse();
        let change = match (&self.errand, role) {
            (Errand::Create, Ok(role)) => {
                let (username, password) = (form.value("username"), SecretText::new(first));
                Change::Create(CreateUser { username, role, password, email: None })
            }
            (Errand::Role(name, before), Ok(role)) if role == *before => {
                let text = format!("{name} is {} already", role.as_str());
                form.set_error("role", text);
                return None;
            }
            (Errand::Role(name, before), Ok(role)) => Change::Role(SetRole { username: name.clone(), role }, *before),
            (Errand::Key, _) => {
                let name = Some(form.value("name")).filter(|name| !name.is_empty());
                Change::AddKey(AddKey { key: form.value("key").trim().to_owned(), name, username: None })
            }
            (Errand::Password, _) => {
                let current = SecretText::new(form.value("current"));
                Change::Password(ChangePassword { current, new: SecretText::new(new) })
            }
            (_, Err(_)) => return None,
        };
        Some(Ok(Effect::ChangePeople(change)))
    }
}
