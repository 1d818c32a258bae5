//! The deploy form: each field is checked as one types; nothing typed is lost when the daemon says no.

mod template;

use std::collections::BTreeMap;

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use tomo_proto::{
    api::{app::AppDeploy, check_name, person::SecretText},
    model::{
        app::{AppDetail, AppSpec, HealthCheck, PortSpec, RestartPolicy, VolumeSpec},
        catalog::{Generate, Template},
    },
};

use crate::{
    cli::spec,
    dashboard::{
        canvas::Canvas,
        layers::sheet::draw_in_box,
        widgets::form::{Field, Form, FormEvent},
    },
};

/// A deploy as it was typed, with the variables or questions whose values no tool may carry.
#[derive(Debug, Default)]
pub(crate) struct DeployRequest {
    pub(crate) secrets: Vec<(String, SecretText)>,
    /// Secrets that the configuration names already.
    pub(crate) named: Vec<(String, SecretText)>,
    /// Questions of a template whose secrets are made, if the app is a new one.
    pub(crate) generate: Vec<(String, Generate)>,
    pub(crate) deploy: AppDeploy,
}

/// The form.
#[derive(Debug)]
pub(crate) struct DeployForm {
    pub(crate) form: Form,
    /// A request is under way.
    pub(crate) busy: bool,
    /// The template whose questions it asks; without one it asks for an image and its options.
    template: Option<Box<Template>>,
    /// What the app runs now.
    base: AppSpec,
    title: String,
    error: Option<String>,
}

pub(super) fn each<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(parse).collect()
}

fn ports(text: &str) -> Result<Vec<PortSpec>, String> {
    each(text, |line| spec::port(line).map_err(|error| error.to_string()))
}

fn volumes(text: &str) -> Result<Vec<VolumeSpec>, String> {
    each(text, |line| spec::volume(line).map_err(|error| error.to_string()))
}

pub(super) fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let pair = |line: &str| match line.split_once('=') {
        Some((key, value)) if !key.is_empty() && !key.contains(char::is_whitespace) => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err(format!("\"{}\": write it as KEY=VALUE", tomo_proto::text::display_line(line, 30))),
    };
    each(text, pair).map(|pairs| pairs.into_iter().collect())
}

fn image(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("an image is needed, e.g. nginx:1.27".to_owned());
    }
    if text.contains(char::is_whitespace) { Err("an image has no blanks".to_owned()) } else { Ok(()) }
}

fn memory(text: &str) -> Result<Option<u64>, String> {
    if text.trim().is_empty() { Ok(None) } else { tomo_proto::text::size(text).map(Some) }
}

fn health(text: &str) -> Result<Option<HealthCheck>, String> {
    if text.trim().is_empty() { Ok(None) } else { text.trim().parse().map(Some) }
}

/// A name for the secret behind a variable of an app. It is not one of those taken: what runs keeps its value, and a plan shows that
/// the variable gets another one.
pub(crate) fn secret_name(app: &str, variable: &str, taken: &[String]) -> String {
    let variable = variable.chars().map(|one| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '-' });
    let name: String = app.chars().chain(['.']).chain(variable).take(44).collect();
    let name = name.trim_end_matches(['-', '.', '_']);
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

/// A server that an app may go to, and what stands against it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Destination {
    pub(crate) server: String,
    pub(crate) against: Option<String>,
}

/// The field of the server that an app goes to: the given one, or the first that can take it.
pub(super) fn destination(servers: Vec<Destination>, server: &str) -> Field {
    let only = servers.len() == 1;
    let first = servers.iter().find(|one| one.against.is_none()).map(|one| one.server.clone()).unwrap_or_default();
    let against = servers.iter().filter_map(|one| Some((one.server.clone(), one.against.clone()?))).collect();
    let names = servers.into_iter().map(|one| one.server).collect();
    let field = Field::choice("server", "Server", names).help("Type a part of its name to find it").against(against);
    let field = field.value(if server.is_empty() { &first } else { server });
    if only { field.fixed() } else { field }
}

/// The fields of where an app runs and what it is called.
fn place(name: Field, servers: Vec<Destination>, server: &str) -> [Field; 2] {
    [name.help("Unique on its server, e.g. web").check(check_name), destination(servers, server)]
}

impl DeployForm {
    /// A form for a new app, on the given server if there is one.
    pub(crate) fn new(servers: Vec<Destination>, server: Option<&str>) -> Self {
        let spec = AppSpec::default();
        Self::filled("Deploy an app", None, servers, server, &spec)
    }

    /// A form with what an app runs now.
    pub(crate) fn of(detail: &AppDetail) -> Self {
        let app = &detail.summary;
        let title = format!("Edit {}", app.name);
        let there = Destination { server: app.server.clone(), against: None };
        Self::filled(&title, Some(&app.name), vec![there], Some(&app.server), &detail.spec)
    }

    /// A form with the questions of a template.
    pub(crate) fn of_template(template: Template, servers: Vec<Destination>) -> Self {
        let title = format!("Deploy {}", tomo_proto::text::display_line(&template.name, 40));
        let place = place(Field::text("name", "Name").value(&template.id), servers, "");
        let fields = place.into_iter().chain(template::fields(&template)).collect();
        let form = Form::new(fields).button("Preview the plan");
        let (template, base) = (Some(Box::new(template)), AppSpec::default());
        Self { form, busy: false, template, base, title, error: None }
    }

    fn filled(
        title: &str,
        name: Option<&str>,
        servers: Vec<Destination>,
        server: Option<&str>,
        spec: &AppSpec,
    ) -> Self {
        let lines = |lines: Vec<String>| lines.join("\n");
        let port_lines = spec.ports.iter().map(|port| {
            let loopback = if port.loopback { "127.0.0.1:" } else { "" };
            let protocol = if port.protocol.as_str() == "udp" { "/udp" } else { "" };
            let host = port.host.map_or_else(String::new, |host| format!("{host}:"));
            format!("{loopback}{host}{}{protocol}", port.container)
        });
        let volume_lines = spec
            .volumes
            .iter()
            .map(|volume| format!("{}:{}{}", volume.source, volume.target, if volume.read_only { ":ro" } else { "" }));
        let env_lines = spec.env.iter().map(|(key, value)| format!("{key}={value}"));
        let health_text = spec.health.as_ref().map(ToString::to_string).unwrap_or_default();
        let memory_text = spec.memory_limit_bytes.map_or_else(String::new, |bytes| match bytes {
            bytes if bytes % (1 << 30) == 0 => format!("{}G", bytes >> 30),
            bytes if bytes % (1 << 20) == 0 => format!("{}M", bytes >> 20),
            bytes => bytes.to_string(),
        });
        let policies = RestartPolicy::ALL.map(|policy| policy.as_str().to_owned()).into();
        let name_field = Field::text("name", "Name");
        let name_field = match name {
            Some(name) => name_field.value(name).fixed(),
            None => name_field,
        };
        let [name_field, server_field] = place(name_field, servers, server.unwrap_or_default());
        let command = spec.command.join("\n");
        let form = Form::new(vec![
            Field::text("image", "Image")
                .placeholder("nginx:1.27")
                .help("Image with tag")
                .check(image)
                .value(&spec.image),
            name_field,
            server_field,
            Field::lines("ports", "Ports")
                .placeholder("8080:80")
                .help("HOST:CONTAINER, or CONTAINER for a free port, one a line; 127.0.0.1: before, /udp after")
                .check(|text| ports(text).map(drop))
                .value(&lines(port_lines.collect())),
            Field::lines("env", "Environment")
                .placeholder("KEY=VALUE")
                .help("KEY=VALUE, one a line; a stored secret is secret://NAME")
                .check(|text| pairs(text).map(drop))
                .value(&lines(env_lines.collect())),
            Field::secret_lines("secrets", "Secrets")
                .placeholder("PASSWORD=…")
                .help("KEY=VALUE, one a line: sealed in the daemon, never shown again")
                .check(|text| pairs(text).map(drop)),
            Field::lines("volumes", "Volumes")
                .placeholder("data:/var/lib/app")
                .help("NAME:PATH or /HOST/FOLDER:PATH, :ro after it where wanted")
                .check(|text| volumes(text).map(drop))
                .value(&lines(volume_lines.collect())),
            Field::choice("restart", "Restart", policies).value(spec.restart.as_str()),
            Field::text("memory", "Memory limit")
                .placeholder("none")
                .help("256M, 1G; empty for none")
                .check(|text| memory(text).map(drop))
                .value(&memory_text),
            Field::text("health", "Health check")
                .placeholder("none")
                .help("http:PORT/PATH or tcp:PORT, on the container's own port")
                .check(|text| health(text).map(drop))
                .value(&health_text),
            Field::lines("command", "Command")
                .placeholder("the image's own")
                .help("Instead of the image's: the program and its arguments, one a line")
                .value(&command),
        ])
        .button("Preview the plan");
        Self { form, busy: false, template: None, base: spec.clone(), title: title.to_owned(), error: None }
    }

    /// `Ok` is a request to send, `Err` the wish to leave.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Result<DeployRequest, ()>> {
        if self.busy {
            return (key.code == crossterm::event::KeyCode::Esc).then_some(Err(()));
        }
        let told = self.form.key(key);
        self.follow(told)
    }

    /// What a key or a click on the form comes to.
    pub(crate) fn follow(&mut self, told: FormEvent) -> Option<Result<DeployRequest, ()>> {
        match told {
            FormEvent::Cancel => Some(Err(())),
            FormEvent::Submit => {
                let request = self.request();
                match request {
                    Ok(request) => {
                        self.busy = true;
                        self.error = None;
                        Some(Ok(request))
                    }
                    Err(error) => {
                        self.error = Some(error);
                        None
                    }
                }
            }
            _ => None,
        }
    }

    fn request(&self) -> Result<DeployRequest, String> {
        let value = |id| self.form.value(id);
        let (name, server) = (value("name"), value("server"));
        if server.is_empty() {
            return Err("there is no server to deploy to: add one first".to_owned());
        }
        if let Some(template) = &self.template {
            return Ok(template::request(template, &self.form, server, name));
        }
        let secrets = pairs(&value("secrets"))?.into_iter().map(|(key, value)| (key, SecretText::new(value))).collect();
        let spec = AppSpec {
            image: value("image").trim().to_owned(),
            command: each(&value("command"), |line| Ok(line.to_owned()))?,
            ports: ports(&value("ports"))?,
            env: pairs(&value("env"))?,
            volumes: volumes(&value("volumes"))?,
            restart: value("restart").parse()?,
            memory_limit_bytes: memory(&value("memory"))?,
            health: health(&value("health"))?,
            // What the form does not ask about stays as it is.
            ..self.base.clone()
        };
        let deploy = AppDeploy { server, name, spec, ..AppDeploy::default() };
        Ok(DeployRequest { secrets, deploy, ..DeployRequest::default() })
    }

    /// The daemon said no: to a field if it names one.
    pub(crate) fn refused(&mut self, field: Option<&str>, message: String) {
        self.busy = false;
        if let Some(template) = &self.template {
            match field.and_then(|field| template::blamed(template, &self.form, field, &message)) {
                Some(field) => self.form.set_error(&field, message),
                None => self.error = Some(message),
            }
            return;
        }
        let field = field.map(|field| field.trim_start_matches("spec.").split(['.', '[']).next().unwrap_or_default());
        match field {
            Some("memory_limit_bytes") => self.form.set_error("memory", message),
            Some(field) if self.form.has(field) => self.form.set_error(field, message),
            _ => self.error = Some(message),
        }
    }

    /// What is waited for, or which keys work.
    pub(crate) fn hint(&self) -> &'static str {
        match self.busy {
            true => "asking the daemon for a plan",
            false => "Ctrl-S previews the plan   Tab next field   Esc leaves",
        }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let said = (self.error.as_deref().unwrap_or_default(), 3, canvas.theme.bad);
        draw_in_box(canvas, area, (84, 44), &self.title, said, &self.form);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destinations(servers: &[(&str, Option<&str>)]) -> Vec<Destination> {
        let one = |(server, against): &(&str, Option<&str>)| Destination {
            server: (*server).to_owned(),
            against: against.map(str::to_owned),
        };
        servers.iter().map(one).collect()
    }

    #[test]
    fn a_server_that_takes_no_app_is_refused_with_the_reason_before_anything_is_sent() {
        let servers = destinations(&[("a", Some("no engine")), ("b", None)]);
        let mut form = DeployForm::new(servers.clone(), None);
        assert_eq!(form.form.value("server"), "b", "the first that can take it");
        form.form.set_value("image", "nginx:1.27");
        form.form.set_value("name", "web");
        form.form.set_value("server", "a");
        let sent = form.form.submit();
        assert!(form.follow(sent).is_none());
        assert_eq!(form.form.first_error(), Some("no engine"));
        assert_eq!(DeployForm::new(servers, Some("a")).form.value("server"), "a", "it is the one that was looked at");
        form.form.set_value("server", "b");
        assert_eq!(form.form.first_error(), None);
    }

    #[test]
    fn secrets_go_their_own_way() {
        let mut form = DeployForm::new(destinations(&[("a", None)]), Some("a"));
        form.form.set_value("image", "nginx:1.27");
        form.form.set_value("name", "web");
        form.form.set_value("env", "A=1\n\nB=x=y");
        form.form.set_value("secrets", "DB_PASSWORD=hunter2");
        let request = form.request().expect("complete");
        assert_eq!(request.deploy.spec.env["B"], "x=y");
        assert_eq!(request.secrets[0].0, "DB_PASSWORD");
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    #[test]
    fn a_secret_gets_a_name_that_is_free() {
        let taken = ["web.db-password", "web.db-password-2"].map(str::to_owned);
        assert_eq!(secret_name("web", "DB_PASSWORD", &[]), "web.db-password");
        assert_eq!(secret_name("web", "DB_PASSWORD", &taken), "web.db-password-3");
        let long = secret_name(&"a".repeat(48), "KEY", &["a".repeat(44)]);
        assert!(check_name(&long).is_ok() && long.ends_with("-2"), "{long}");
        assert!(check_name(&secret_name("web", "_", &[])).is_ok());
    }

    #[test]
    fn what_runs_comes_back_as_it_was() {
        let spec = AppSpec {
            image: "x:1".to_owned(),
            command: vec!["httpd".to_owned(), "-f".to_owned()],
            ports: ports("127.0.0.1:53:53/udp\n80:8080").expect("ports"),
            env: pairs("A=1").expect("pairs"),
            volumes: volumes("data:/data\n/srv/x:/x:ro").expect("volumes"),
            restart: RestartPolicy::OnFailure,
            memory_limit_bytes: Some(256 << 20),
            health: Some(HealthCheck::Http { port: 80, path: "/ok".to_owned() }),
            // Not asked about, and kept.
            user: Some("1000".to_owned()),
            services: [("db".to_owned(), AppSpec { image: "db:1".to_owned(), ..AppSpec::default() })].into(),
            ..AppSpec::default()
        };
        let form = DeployForm::filled("t", Some("web"), destinations(&[("a", None)]), Some("a"), &spec);
        assert_eq!(form.request().expect("complete").deploy.spec, spec);
    }

    #[test]
    fn a_refusal_goes_to_its_field() {
        let mut form = DeployForm::new(destinations(&[("a", None)]), None);
        form.refused(Some("spec.ports"), "port 80 is taken".to_owned());
        assert!(form.error.is_none() && form.form.first_error().is_some());
        form.refused(None, "no".to_owned());
        assert_eq!(form.error.as_deref(), Some("no"));
    }
}
