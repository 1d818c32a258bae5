//! An account: a new one with its first password, another role for one that is there, another password
//! for one's own, or a public key.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tomo_proto::{
    api::{
        check_name,
        person::{AddKey, ChangePassword, CreateUser, SecretText, SetRole},
    },
    model::user::{PASSWORD_MIN, Role, User, check_password},
};

use crate::dashboard::{
    canvas::{Canvas, Hit, centered},
    effect::Effect,
    people::Change,
    widgets::form::{Field, Form, FormEvent},
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
    pub(crate) form: Form,
    errand: Errand,
    busy: bool,
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
        Self { form, errand: Errand::Create, busy: false }
    }

    pub(crate) fn role(user: &User) -> Self {
        let form = Form::new(vec![role_field().value(user.role.as_str())]).button("Change the role");
        Self { form, errand: Errand::Role(user.name.clone(), user.role), busy: false }
    }

    /// The own password is asked for too: whoever finds an open dashboard does not have it.
    pub(crate) fn password() -> Self {
        let some = |text: &str| if text.is_empty() { Err("it is needed".to_owned()) } else { Ok(()) };
        let current = Field::secret("current", "Password now").check(some);
        let [new, again] = new_password("new", "From now on", "it ends your other logins");
        let form = Form::new(vec![current, new, again]).button("Change the password");
        Self { form, errand: Errand::Password, busy: false }
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
        Self { form, errand: Errand::Key, busy: false }
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
                let change = self.wanted()?;
                self.busy = true;
                Some(Ok(Effect::ChangePeople(change)))
            }
            _ => None,
        }
    }

    /// The change, unless the fields do not fit together.
    fn wanted(&mut self) -> Option<Change> {
        let [first, new, again] = ["password", "new", "again"].map(|id| self.form.value(id));
        if again != format!("{first}{new}") {
            self.form.set_error("again", "the two differ".to_owned());
            return None;
        }
        let role = self.form.value("role").parse();
        Some(match (&self.errand, role) {
            (Errand::Create, Ok(role)) => {
                let (username, password) = (self.form.value("username"), SecretText::new(first));
                Change::Create(CreateUser { username, role, password, email: None })
            }
            (Errand::Role(name, before), Ok(role)) if role == *before => {
                let text = format!("{name} is {} already", role.as_str());
                self.form.set_error("role", text);
                return None;
            }
            (Errand::Role(name, _), Ok(role)) => Change::Role(SetRole { username: name.clone(), role }),
            (Errand::Key, _) => {
                let name = Some(self.form.value("name")).filter(|name| !name.is_empty());
                Change::AddKey(AddKey { key: self.form.value("key").trim().to_owned(), name, username: None })
            }
            (Errand::Password, _) => {
                let current = SecretText::new(self.form.value("current"));
                Change::Password(ChangePassword { current, new: SecretText::new(new) })
            }
            (_, Err(_)) => return None,
        })
    }

    /// The daemon said no.
    pub(crate) fn refused(&mut self, field: Option<&str>, message: String) {
        self.busy = false;
        let usual = match self.errand {
            Errand::Password => "current",
            Errand::Key => "key",
            Errand::Create | Errand::Role(..) => "role",
        };
        let field = field.filter(|field| self.form.has(field)).unwrap_or(usual);
        self.form.set_error(field, message);
    }

    /// Takes keys again.
    pub(crate) fn free(&mut self) {
        self.busy = false;
    }

    /// What is waited for, or which keys work.
    pub(crate) const fn hint(&self) -> &'static str {
        if self.busy { "sending   Esc leaves" } else { "Enter goes on   Tab next field   Ctrl-S sends   Esc leaves" }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let (title, rows) = match &self.errand {
            Errand::Create => ("New user".to_owned(), 13),
            Errand::Password => ("Change your password".to_owned(), 12),
            Errand::Key => ("A key for the dashboard over SSH".to_owned(), 10),
            Errand::Role(name, _) => (format!("Another role for {name}: ends their logins"), 9),
        };
        let inner = canvas.dialogue(centered(area, 78, rows), &title);
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        canvas.hits.add(inner, Hit::Form);
        if let Some(cursor) = self.form.render(inner, canvas.buffer, canvas.theme) {
            canvas.cursor = Some(cursor);
        }
    }
}
