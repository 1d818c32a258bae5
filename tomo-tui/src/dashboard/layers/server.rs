//! Adding a server: by SSH, or by a one-time token for an agent that is installed by hand.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tomo_proto::{
    api::{
        check_name,
        person::{CreateEnrolment, SecretText},
    },
    error::{ApiError, ErrorCode},
    model::{
        operation::{Operation, OperationStatus},
        ssh::InstallRights,
    },
};

use crate::{
    args::Place,
    dashboard::{
        canvas::{Canvas, Hit, centered, split_bottom, split_top},
        effect::Effect,
        onboard::{Onboarding, SignIn},
        widgets::form::{Field, Form, FormEvent},
    },
    format::wrap,
};

const BY_SSH: &str = "over SSH";
const BY_TOKEN: &str = "by a token, run by hand";
const PASSWORD: &str = "password";
const KEY: &str = "key file";
const AGENT: &str = "SSH agent";
const NO: &str = "no";
const YES: &str = "yes";
const METRICS: &str = "metrics only";
const CONTAINERS: &str = "containers";
const DEPLOYS: &str = "deploys";
/// Lines of what went wrong.
const ERROR_LINES: u16 = 5;

/// The form.
#[derive(Debug)]
pub(crate) struct ServerForm {
    pub(crate) form: Form,
    /// Which submission is the newest: what comes of an older one is nobody's.
    pub(crate) number: u64,
    /// What is waited for.
    busy: Option<&'static str>,
    /// What went wrong, where no field is to blame.
    error: Option<String>,
}

fn labels(text: &str) -> Result<BTreeMap<String, String>, String> {
    let pair = |line: &str| {
        let (key, value) = line.split_once('=').ok_or_else(|| format!("\"{line}\": write it as key=value"))?;
        let (key, value) = (key.trim(), value.trim());
        check_name(key).and_then(|()| check_name(value))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(pair).collect()
}

/// A host or a user.
fn word(what: &str, text: &str) -> Result<(), String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("{what} is missing"));
    }
    if text.starts_with('-') || text.contains(|one: char| one.is_whitespace() || one.is_control()) {
        return Err(format!("{what} has no blanks and does not begin with \"-\""));
    }
    Ok(())
}

fn port(text: &str) -> Result<u16, String> {
    let port = text.trim().parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| "a port is a number from 1 to 65535".to_owned())
}

fn jump(text: &str) -> Result<Option<Place>, String> {
    let text = text.trim();
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

fn given(what: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err(format!("{what} is missing")) } else { Ok(()) }
}

fn options<const N: usize>(options: [&str; N]) -> Vec<String> {
    options.map(str::to_owned).into()
}

fn fields() -> Vec<Field> {
    let ssh = |field: Field| field.when("how", &[BY_SSH]);
    let installs = |field: Field| field.when("install", &[METRICS, CONTAINERS, DEPLOYS]);
    vec![
        Field::choice("how", "How", options([BY_SSH, BY_TOKEN]))
            .help("The daemon goes there by SSH, or you run a command on the server yourself"),
        Field::text("name", "Name").help("What Tomo calls the server, e.g. web-1").check(check_name),
        ssh(Field::text("host", "Host"))
            .help("Host name or address, as the daemon reaches it")
            .check(|text| word("the host", text)),
        ssh(Field::text("port", "Port")).check(|text| port(text).map(drop)).value("22"),
        ssh(Field::text("user", "User"))
            .help("To install an agent it has to be root or to have sudo")
            .check(|text| word("the user", text)),
        ssh(Field::choice("auth", "Sign in with", options([PASSWORD, KEY, AGENT])))
            .help("It is sent only after you have agreed to the host's key"),
        Field::secret("password", "Password")
            .when("auth", &[PASSWORD])
            .check(|text| if text.is_empty() { Err("the password is missing".to_owned()) } else { Ok(()) }),
        Field::text("key", "Key file")
            .when("auth", &[KEY])
            .help("A private key on this machine")
            .check(|text| given("the key's file", text))
            .value("~/.ssh/id_ed25519"),
        Field::secret("passphrase", "Passphrase").when("auth", &[KEY]).help("Empty if the key has none"),
        ssh(Field::text("jump", "Through"))
            .placeholder("no other host")
            .help("A host in between, as USER@HOST or USER@HOST:PORT; it takes the same credential")
            .check(|text| jump(text).map(drop)),
        Field::lines("labels", "Labels")
            .placeholder("env=prod")
            .help("One key=value on each line")
            .check(|text| labels(text).map(drop)),
        ssh(Field::choice("install", "Install agent", options([NO, METRICS, CONTAINERS, DEPLOYS])))
            .help("What the policy file there allows at first; without an agent the credential is kept, sealed"),
        installs(Field::secret("sudo", "Sudo password")).help("Empty if sudo asks for none, or for the one above"),
        installs(Field::choice("keep", "Keep credential", options([NO, YES])))
            .help("Sealed in the daemon, although an agent is there"),
    ]
}

impl ServerForm {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self { form: Form::new(fields()).button("Continue"), number: now_ms, busy: None, error: None }
    }

    /// `Ok` is what to do next, `Err` the wish to leave.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Result<Effect, ()>> {
        if self.busy.is_some() {
            return (key.code == KeyCode::Esc).then_some(Err(()));
        }
        let told = self.form.key(key);
        self.follow(told)
    }

    /// What a key or a click on the form comes to.
    pub(crate) fn follow(&mut self, told: FormEvent) -> Option<Result<Effect, ()>> {
        match told {
            FormEvent::Cancel => Some(Err(())),
            FormEvent::Submit if self.busy.is_none() => match self.request() {
                Ok(effect) => {
                    self.error = None;
                    Some(Ok(effect))
                }
                Err(error) => {
                    self.error = Some(error);
                    None
                }
            },
            _ => None,
        }
    }

    fn request(&mut self) -> Result<Effect, String> {
        let value = |id| self.form.value(id);
        let line = |id| value(id).trim().to_owned();
        let secret = |id| Some(value(id)).filter(|text| !text.is_empty()).map(SecretText::new);
        let (name, labels) = (value("name"), labels(&value("labels"))?);
        if value("how") == BY_TOKEN {
            self.busy = Some("making the token");
            return Ok(Effect::Enroll(CreateEnrolment { server: name, labels, expires_in_minutes: None }));
        }
        let sign_in = match value("auth").as_str() {
            PASSWORD => SignIn::Password(secret("password").unwrap_or_default()),
            KEY => SignIn::Key { file: line("key"), passphrase: secret("passphrase") },
            _ => SignIn::Agent,
        };
        let install = match value("install").as_str() {
            METRICS => Some(InstallRights::Metrics),
            CONTAINERS => Some(InstallRights::Containers),
            DEPLOYS => Some(InstallRights::Deploys),
            _ => None,
        };
        let onboarding = Onboarding {
            number: self.number + 1,
            name,
            host: line("host"),
            port: port(&value("port"))?,
            user: line("user"),
            labels,
            sign_in,
            sudo_password: secret("sudo").filter(|_| install.is_some()),
            install,
            keep_credential: install.is_some() && value("keep") == YES,
            jump: jump(&value("jump"))?,
            jump_key: None,
            host_key: None,
        };
        self.number += 1;
        self.busy = Some("asking for the host's key; nothing secret is sent there yet");
        Ok(Effect::Onboard(Box::new(onboarding)))
    }

    /// Takes keys again.
    pub(crate) fn free(&mut self) {
        self.busy = None;
    }

    /// The keys were agreed to.
    pub(crate) fn goes_on(&mut self) {
        self.busy = Some("going on");
    }

    /// The daemon said no: to a field if it names one.
    pub(crate) fn refused(&mut self, error: &ApiError, message: String) {
        self.busy = None;
        let field = match error.field.as_deref() {
            Some("server") => Some("name"),
            Some("host_key") => Some("host"),
            Some("sudo_password") => Some("sudo"),
            Some("keep_credential") => Some("keep"),
            Some("credential") => Some(self.credential()),
            other => other,
        };
        self.blame(field, message);
    }

    /// The daemon went there, and it came to nothing.
    pub(crate) fn came_to_nothing(&mut self, operation: &Operation) {
        self.busy = None;
        let Some(error) = &operation.error else {
            let what = if operation.status == OperationStatus::Cancelled { "cancelled" } else { "it ended" };
            self.error = Some(format!("{what} at the step: {}", operation.step));
            return;
        };
        let next = error.next.as_deref().map_or_else(String::new, |next| format!(" – next: {next}"));
        let message = format!("{}{next}", error.message);
        let connecting = operation.step.starts_with("connect to ");
        match error.code {
            ErrorCode::Invalid => self.blame(Some(self.credential()), message),
            _ if connecting && operation.step.contains(" in between ") => self.blame(Some("jump"), message),
            _ if connecting => self.blame(Some("host"), message),
            _ => self.blame(None, format!("{}: {message}", operation.step)),
        }
    }

    /// The field that the credential was entered in.
    fn credential(&self) -> &'static str {
        match self.form.value("auth").as_str() {
            PASSWORD => "password",
            KEY => "key",
            _ => "auth",
        }
    }

    fn blame(&mut self, field: Option<&str>, message: String) {
        match field.filter(|field| self.form.has(field)) {
            Some(field) => self.form.set_error(field, message),
            None => self.error = Some(message),
        }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let inner = canvas.dialogue(centered(area, 78, 26), "Add a server");
        let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
        let errors = self.error.as_ref().map(|error| wrap(error, usize::from(inner.width))).unwrap_or_default();
        let (head, rest) = split_top(inner, u16::try_from(errors.len()).unwrap_or(0).min(ERROR_LINES));
        for (row, line) in head.rows().zip(errors) {
            canvas.text(row, &line, canvas.theme.bad);
        }
        let (form, foot) = split_bottom(rest, 1);
        canvas.hits.add(form, Hit::Form);
        if let Some(cursor) = self.form.render(form, canvas.buffer, canvas.theme) {
            canvas.cursor = Some(cursor);
        }
        let keys = "Ctrl-S goes on   Tab next field   Left and Right choose   Esc leaves";
        canvas.text(foot, self.busy.unwrap_or(keys), canvas.theme.dim);
    }
}
