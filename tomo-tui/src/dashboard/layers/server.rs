//! The forms of a server: adding one by SSH or by a one-time token, going to a known one again, and changing what is known of it.

pub(super) mod fields;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tomo_proto::{
    api::person::{CreateEnrolment, EditServer, SecretText},
    error::ApiError,
    model::{
        operation::{Operation, OperationStatus},
        server::ServerSummary,
        ssh::Ssh,
    },
};

use crate::{
    cli::ssh_config::Entry,
    dashboard::{
        canvas::Canvas,
        effect::Effect,
        layers::sheet::draw_in_box,
        visit::{Edit, Errand, SignIn, Visit},
        widgets::form::{Form, FormEvent},
    },
};
use fields::{AGENT, ANEW, BY_TOKEN, KEPT, KEY, PASSWORD, YES};

/// Lines of what went wrong.
const ERROR_LINES: u16 = 5;

/// What a form is for.
#[derive(Debug)]
enum Purpose {
    Add,
    Connect(Box<ServerSummary>),
    Edit(Box<ServerSummary>),
}

/// The form.
#[derive(Debug)]
pub(crate) struct ServerForm {
    pub(crate) form: Form,
    /// Which submission is the newest: what comes of an older one is nobody's.
    pub(crate) number: u64,
    purpose: Purpose,
    /// What is waited for.
    busy: Option<&'static str>,
    /// What went wrong, where no field is to blame.
    error: Option<String>,
}

impl ServerForm {
    fn new(purpose: Purpose, number: u64) -> Self {
        let form = match &purpose {
            Purpose::Add => Form::new(fields::add()).button("Continue"),
            Purpose::Connect(server) => Form::new(fields::connect(server)).button("Continue"),
            Purpose::Edit(server) => Form::new(fields::edit(server)).button("Change it"),
        };
        Self { form, number, purpose, busy: None, error: None }
    }

    /// Asks for a new server. No two forms have the same `number`.
    pub(crate) fn add(number: u64) -> Self {
        Self::new(Purpose::Add, number)
    }

    /// Asks for a new server, filled in with what a file of the SSH client's says of it; `shared` holds what all of that file share.
    pub(crate) fn of_entry(entry: &Entry, shared: &Form, number: u64) -> Self {
        let mut new = Self::add(number);
        let form = &mut new.form;
        let port = entry.port.to_string();
        for (field, value) in
            [("name", entry.name.as_str()), ("host", &entry.host), ("port", &port), ("user", &entry.user)]
        {
            form.set_value(field, value);
        }
        if let Some(jump) = &entry.jump {
            form.set_value("jump", &format!("{}@{}:{}", jump.user, jump.host, jump.port));
        }
        for field in ["auth", "password", "key", "passphrase", "install", "sudo"] {
            form.set_value(field, &shared.value(field));
        }
        if let Some(key) = &entry.key {
            form.set_value("auth", KEY);
            form.set_value("key", &key.display().to_string());
        }
        new
    }

    /// Asks how to go to a known server again.
    pub(crate) fn connect(server: ServerSummary, number: u64) -> Self {
        Self::new(Purpose::Connect(Box::new(server)), number)
    }

    /// Asks what is to be known of a server from now on.
    pub(crate) fn edit(server: ServerSummary, number: u64) -> Self {
        Self::new(Purpose::Edit(Box::new(server)), number)
    }

    /// What its frame says.
    pub(crate) fn title(&self) -> String {
        match &self.purpose {
            Purpose::Add => "Add a server".to_owned(),
            Purpose::Connect(server) => format!("Connect to {}", server.name),
            Purpose::Edit(server) => format!("Edit {}", server.name),
        }
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
            FormEvent::Submit if self.busy.is_none() => {
                self.error = None;
                match self.request() {
                    Ok(effect) => Some(Ok(effect)),
                    Err((field, message)) => {
                        self.blame(Some(field), message);
                        None
                    }
                }
            }
            _ => None,
        }
    }

    /// Sends it as it is.
    pub(crate) fn submit(&mut self) -> Option<Effect> {
        let told = self.form.submit();
        self.follow(told).and_then(Result::ok)
    }

    /// What is asked of the daemon; or the field that does not fit, and why.
    fn request(&mut self) -> Result<Effect, (&'static str, String)> {
        let effect = match &self.purpose {
            Purpose::Add if self.form.value("how") == BY_TOKEN => {
                self.busy = Some("making the token");
                let labels = fields::labels(&self.form.value("labels")).map_err(|error| ("labels", error))?;
                let server = self.form.value("name");
                return Ok(Effect::Enroll(CreateEnrolment { server, labels, expires_in_minutes: None }));
            }
            Purpose::Add => Effect::Visit(Box::new(self.visit_of_new()?)),
            Purpose::Connect(server) => Effect::Visit(Box::new(self.visit_of_known(server)?)),
            Purpose::Edit(server) => Effect::EditServer(Box::new(self.change(server)?)),
        };
        self.number += 1;
        self.busy = Some(match self.purpose {
            Purpose::Edit(_) => "changing it",
            Purpose::Add | Purpose::Connect(_) => "asking for the host's key; nothing secret is sent there yet",
        });
        Ok(effect)
    }

    fn visit_of_new(&self) -> Result<Visit, (&'static str, String)> {
        let line = |id| self.form.value(id).trim().to_owned();
        let labels = fields::labels(&self.form.value("labels")).map_err(|error| ("labels", error))?;
        let visit = Visit {
            host: line("host"),
            port: fields::port(&line("port")).map_err(|error| ("port", error))?,
            user: line("user"),
            jump: fields::jump(&line("jump")).map_err(|error| ("jump", error))?,
            ..self.visit(Errand::Add { name: line("name"), labels })
        };
        Ok(Visit { keep_credential: visit.keep_credential && visit.install.is_some(), ..visit })
    }

    fn visit_of_known(&self, server: &ServerSummary) -> Result<Visit, (&'static str, String)> {
        let missing = || ("host", "nothing is known about reaching it by SSH: edit it first".to_owned());
        let Ssh { host, port, user, host_key: pinned, jump, .. } = server.ssh.clone().ok_or_else(missing)?;
        let anew = self.form.value("host_key") == ANEW;
        if anew && self.form.value("auth") == KEPT {
            return Err(("auth", "what is kept was meant for the other key: enter it again".to_owned()));
        }
        let (jump, jump_key) = jump.map(|jump| (place(&jump), jump.host_key)).unzip();
        let host_key = pinned.clone().filter(|_| !anew);
        let again = self.form.value("again") == YES;
        let errand = Errand::Connect { server: server.name.clone(), pinned, again };
        Ok(Visit { host, port, user, jump, jump_key, host_key, ..self.visit(errand) })
    }

    /// A visit with what every form that leads to one asks for.
    fn visit(&self, errand: Errand) -> Visit {
        let value = |id| self.form.value(id);
        let secret = |id| Some(value(id)).filter(|text| !text.is_empty()).map(SecretText::new);
        let sign_in = match value("auth").as_str() {
            PASSWORD => Some(SignIn::Password(secret("password").unwrap_or_default())),
            KEY => Some(SignIn::Key { file: value("key").trim().to_owned(), passphrase: secret("passphrase") }),
            AGENT => Some(SignIn::Agent),
            _ => None,
        };
        let install = fields::rights(&value("install"));
        Visit {
            number: self.number + 1,
            errand,
            host: String::new(),
            port: 0,
            user: String::new(),
            keep_credential: sign_in.is_some() && value("keep") == YES,
            sign_in,
            sudo_password: secret("sudo").filter(|_| install.is_some()),
            install,
            jump: None,
            jump_key: None,
            host_key: None,
        }
    }

    /// What differs from what is known.
    fn change(&self, server: &ServerSummary) -> Result<Edit, (&'static str, String)> {
        let line = |id| self.form.value(id).trim().to_owned();
        let before = server.ssh.as_ref();
        let (host, user) = (line("host"), line("user"));
        for (field, text, other) in [("host", &host, &user), ("user", &user, &host)] {
            if text.is_empty() && (before.is_some() || !other.is_empty()) {
                return Err((field, format!("the {field} is missing")));
            }
        }
        let port = fields::port(&line("port")).map_err(|error| ("port", error))?;
        let labels = fields::labels(&self.form.value("labels")).map_err(|error| ("labels", error))?;
        let jump = fields::jump(&line("jump")).map_err(|error| ("jump", error))?;
        let jump_before = before.and_then(|ssh| ssh.jump.as_ref()).map(place);
        let is_new = |text: &str, before: Option<&str>| !text.is_empty() && before != Some(text);
        let request = EditServer {
            server: server.name.clone(),
            labels: Some(labels).filter(|labels| *labels != server.labels),
            host: Some(host.clone()).filter(|host| is_new(host, before.map(|ssh| ssh.host.as_str()))),
            port: Some(port).filter(|port| !host.is_empty() && before.map(|ssh| ssh.port) != Some(*port)),
            user: Some(user).filter(|user| is_new(user, before.map(|ssh| ssh.user.as_str()))),
            host_key: None,
            jump: None,
            direct: jump.is_none() && jump_before.is_some(),
        };
        let jump = jump.filter(|jump| jump_before.as_ref() != Some(jump));
        let same = EditServer { server: server.name.clone(), ..EditServer::default() };
        if jump.is_none() && request == same {
            return Err(("host", "nothing here differs from what is known".to_owned()));
        }
        let labels_only = EditServer { labels: request.labels.clone(), ..same };
        let labels_before = (jump.is_none() && request == labels_only).then(|| server.labels.clone());
        Ok(Edit { number: self.number + 1, request, jump, labels_before })
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
        self.blame(error.field.as_deref(), message);
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
        let message = match error.field.as_deref() {
            // Both keys are shown where somebody looks.
            Some("host_key") if self.form.has("host_key") => {
                format!("it shows another key: if the host was made anew, {ANEW}; if not, somebody is in between")
            }
            _ => format!("{}{next}", error.message),
        };
        match error.field.as_deref() {
            Some(field) => self.blame(Some(field), message),
            None => self.blame(None, format!("{}: {message}", operation.step)),
        }
    }

    /// Tells what went wrong at the field that the daemon's name for it leads to.
    fn blame(&mut self, field: Option<&str>, message: String) {
        let field = match field {
            Some("server") => Some("name"),
            Some("host_key") if !self.form.has("host_key") => Some("host"),
            Some("port" | "user") if !self.form.has("port") => Some("host"),
            Some("again") if !self.form.has("again") => Some("install"),
            Some("sudo_password") => Some("sudo"),
            Some("keep_credential") => Some("keep"),
            Some("credential") => Some(match self.form.value("auth").as_str() {
                PASSWORD => "password",
                KEY => "key",
                _ => "auth",
            }),
            other => other,
        };
        match field.filter(|field| self.form.has(field)) {
            Some(field) => self.form.set_error(field, message),
            None => self.error = Some(message),
        }
    }

    /// What is waited for, or which keys work.
    pub(crate) fn hint(&self) -> &'static str {
        self.busy.unwrap_or("Ctrl-S goes on   Tab next field   Left and Right choose   Esc leaves")
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let said = (self.error.as_deref().unwrap_or_default(), ERROR_LINES, canvas.theme.bad);
        draw_in_box(canvas, area, (78, 26), &self.title(), said, &self.form);
    }
}

fn place(jump: &tomo_proto::model::ssh::SshJump) -> crate::args::Place {
    crate::args::Place { user: jump.user.clone(), host: jump.host.clone(), port: jump.port }
}
