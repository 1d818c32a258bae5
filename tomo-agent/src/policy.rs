//! The host's policy: what its owner lets this agent do. No message of the daemon can widen it; an empty list allows nothing.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;
use tomo_proto::{
    model::{
        app::AppSpec,
        policy::{Objection, PolicySummary, parse_ports},
        release::ReleaseKey,
        spec::MORE_CAPABILITIES,
    },
    text::display_line,
    wire::command::Command,
};

/// The commented file that every new policy is made from; as it stands it allows nothing.
const TEMPLATE: &str = include_str!("policy.example.toml");

/// What a new policy file allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Rights {
    /// Nothing: the agent measures.
    Metrics,
    /// Start, stop and restart any container, read its log and how it was made.
    Containers,
    /// Also pull images, make volumes and networks, deploy apps on ports from 1024 up, remove them, back up and restore Tomo's volumes.
    Deploys,
}

impl Rights {
    /// In a few words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Metrics => "metrics only",
            Self::Containers => "metrics, and start, stop, restart, logs and configuration of any container",
            Self::Deploys => "metrics, containers, and deploys of any image on ports from 1024 up, without bind mounts",
        }
    }

    /// A commented policy file; with a key, releases that are signed with it are taken over the link.
    #[must_use]
    pub fn render(self, update_key: Option<&ReleaseKey>) -> String {
        /// Of any container, whoever made it; nothing is lost by it.
        const OPERATING: &[&str] = &["start", "stop", "restart", "logs", "inspect"];
        let (verbs, images, ports, foreign): (&[&str], &[&str], &[&str], &[&str]) = match self {
            Self::Metrics => (&[], &[], &[], &[]),
            Self::Containers => (OPERATING, &[], &[], OPERATING),
            Self::Deploys => (&Command::VERBS, &["*"], &["1024-65535"], OPERATING),
        };
        let mut text = TEMPLATE.to_owned();
        for (key, list) in [("verbs", verbs), ("images", images), ("ports", ports), ("foreign", foreign)] {
            let shown: Vec<String> = list.iter().map(|entry| format!("\"{entry}\"")).collect();
            text = text.replace(&format!("\n{key} = []"), &format!("\n{key} = [{}]", shown.join(", ")));
        }
        if let Some(key) = update_key {
            text = text.replace("\n# update_key = \"ed25519:…\"", &format!("\nupdate_key = \"{key}\""));
        }
        text
    }
}

/// A policy file, read and checked.
#[derive(Debug, Clone)]
pub struct Policy {
    path: PathBuf,
    text: String,
    rules: Rules,
    /// Why the file could not be used; then nothing is allowed.
    broken: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    verbs: Option<Spanned<Vec<String>>>,
    images: Option<Spanned<Vec<String>>>,
    bind_roots: Option<Spanned<Vec<String>>>,
    ports: Option<Spanned<Vec<String>>>,
    foreign: Option<Spanned<Vec<String>>>,
    terminal: Option<Spanned<bool>>,
    update_key: Option<Spanned<String>>,
    capabilities: Option<Spanned<Vec<String>>>,
    // What no file can allow, for owners who want to see it said: false.
    privileged: Option<Spanned<bool>>,
    host_network: Option<Spanned<bool>>,
}

/// The policy says no. Its text names the file and the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    message: String,
    next: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl Refusal {
    /// What the host's owner can do about it.
    #[must_use]
    pub fn next(&self) -> &str {
        &self.next
    }
}

impl Policy {
    /// Reads a policy file. What cannot be read or understood allows nothing, and says why.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(path, text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let broken =
                    format!("there is no policy file {}, so that nothing but metrics is allowed", path.display());
                Self { path: path.to_owned(), text: String::new(), rules: Rules::default(), broken: Some(broken) }
            }
            Err(error) => {
                let broken = format!("the policy file {} cannot be read ({error})", path.display());
                Self { path: path.to_owned(), text: String::new(), rules: Rules::default(), broken: Some(broken) }
            }
        }
    }

    /// Checks the text of a policy file.
    #[must_use]
    pub fn parse(path: &Path, text: String) -> Self {
        let checked = toml::from_str::<Rules>(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(&text, span.start));
            format!("line {line}: {}", error.message())
        });
        let checked = checked.and_then(|rules| check(&text, &rules).map(|()| rules));
        let path = path.to_owned();
        match checked {
            Ok(rules) => Self { path, text, rules, broken: None },
            Err(error) => {
                let broken =
                    format!("the policy file {} is malformed ({error}), so that nothing is allowed", path.display());
                Self { path, text, rules: Rules::default(), broken: Some(broken) }
            }
        }
    }

    /// Why the file could not be used.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// What the daemon is told. The file is enforced, not this.
    #[must_use]
    pub fn summary(&self) -> PolicySummary {
        let list =
            |rule: &Option<Spanned<Vec<String>>>| rule.as_ref().map_or_else(Vec::new, |rule| rule.get_ref().clone());
        let digest = ring::digest::digest(&ring::digest::SHA256, self.text.as_bytes());
        let digest = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        PolicySummary {
            path: self.path.display().to_string(),
            digest: if self.broken.is_some() { String::new() } else { digest },
            verbs: list(&self.rules.verbs),
            images: list(&self.rules.images),
            capabilities: list(&self.rules.capabilities),
            bind_roots: list(&self.rules.bind_roots),
            ports: list(&self.rules.ports),
            foreign: list(&self.rules.foreign),
            terminal: self.rules.terminal.as_ref().is_some_and(|terminal| *terminal.get_ref()),
            update_key: self.rules.update_key.as_ref().map(|key| key.get_ref().clone()),
            problem: self.broken.as_deref().map(|problem| display_line(problem, 400)),
        }
    }

    /// What the file allows and refuses, and by which line, for people.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut lines = Vec::new();
        if let Some(broken) = &self.broken {
            lines.push(broken.clone());
        }
        let summary = self.summary();
        let place = |rule: &Option<Spanned<Vec<String>>>, key: &str| {
            let line = |rule: &Spanned<Vec<String>>| format!("line {}", line_of(&self.text, rule.span().start));
            rule.as_ref().map_or_else(|| format!("no line `{key} = […]`"), line)
        };
        let verbs = place(&self.rules.verbs, "verbs");
        for verb in Command::VERBS {
            let says = if summary.allow_verb(verb).is_ok() { "allowed" } else { "refused" };
            lines.push(format!("{verb:<12}{says}  ({verbs})"));
        }
        for (what, rule, key, meaning) in [
            ("images", &self.rules.images, "images", image_meaning as fn(&str) -> String),
            ("host ports", &self.rules.ports, "ports", |range| format!("{range} can be published")),
            ("bind mounts", &self.rules.bind_roots, "bind_roots", |root| {
                format!("folders below {root} can be mounted")
            }),
            ("powers", &self.rules.capabilities, "capabilities", |name| {
                format!("an app may have the capability {name}")
            }),
            ("foreign", &self.rules.foreign, "foreign", |verb| {
                format!("{verb} also counts for what Tomo did not make")
            }),
        ] {
            let place = place(rule, key);
            let entries = rule.as_ref().map_or(&[][..], |rule| rule.get_ref());
            if entries.is_empty() {
                lines.push(format!("{what:<12}none  ({place})"));
            }
            lines.extend(
                entries.iter().map(|entry| format!("{what:<12}{}  ({place})", meaning(&display_line(entry, 120)))),
            );
        }
        let says = if summary.terminal { "a person may run anything in a container that Tomo made" } else { "none" };
        let place = self.rules.terminal.as_ref().map_or_else(
            || "no line `terminal = true`".to_owned(),
            |rule| format!("line {}", line_of(&self.text, rule.span().start)),
        );
        lines.push(format!("terminals   {says}  ({place})"));
        lines.push(self.rules.update_key.as_ref().map_or_else(
            || "updates     none  (no line `update_key = \"ed25519:…\"`)".to_owned(),
            |key| {
                let line = line_of(&self.text, key.span().start);
                format!("updates     newer releases signed with {}  (line {line})", key.get_ref())
            },
        ));
        lines.push(
            "never: a shell of this host, privileged containers, other capabilities, devices, the host's network or processes; \
             mounts of /etc, /home and the like, or of the engine's socket"
                .to_owned(),
        );
        lines.join("\n")
    }

    /// Whether a command may run.
    ///
    /// # Errors
    /// Names the line that refuses it, or the one that is missing.
    pub fn check(&self, command: &Command) -> Result<(), Refusal> {
        let allowed = self.summary();
        let refuse = |objection| self.refuse(objection);
        allowed.allow_verb(command.verb()).map_err(refuse)?;
        let adopted = match command {
            Command::ReadConfiguration { container } => Some(container),
            Command::DeployApp { deploy } => deploy.adopts.as_ref(),
            _ => None,
        };
        if let Some(container) = adopted {
            self.check_foreign(Command::ADOPT, &format!("container \"{}\"", container.as_str()))?;
        }
        match command {
            Command::PullImage { image } => allowed.allow_image(image).map_err(refuse),
            Command::DeployApp { deploy } => {
                // Links are followed before anything is compared.
                let real = |root: &String| fs::canonicalize(root).ok().map(|root| root.display().to_string());
                let bind_roots = allowed.bind_roots.iter().filter_map(real).collect();
                PolicySummary { bind_roots, ..allowed }.allow_spec(&resolved(&deploy.spec)?).map_err(refuse)
            }
            // A drill runs the app, but publishes no port and mounts nothing of the host.
            Command::DrillVolume { app: Some(app), .. } => {
                let spec = AppSpec { ports: Vec::new(), volumes: Vec::new(), ..app.spec.clone() };
                allowed.allow_verb("deploy").and_then(|()| allowed.allow_spec(&spec)).map_err(refuse)
            }
            _ => Ok(()),
        }
    }

    /// Whether a verb is allowed.
    ///
    /// # Errors
    /// Names the line that refuses it, or the one that is missing.
    pub fn check_verb(&self, verb: &str) -> Result<(), Refusal> {
        self.summary().allow_verb(verb).map_err(|objection| self.refuse(objection))
    }

    /// Whether a verb counts for something that Tomo did not make; `what` is that, fit to be shown.
    ///
    /// # Errors
    /// Names the line that refuses it, or the one that is missing.
    pub fn check_foreign(&self, verb: &str, what: &str) -> Result<(), Refusal> {
        let what = format!("{what}, which Tomo did not make,");
        self.summary().allow_foreign(verb, &what).map_err(|objection| self.refuse(objection))
    }

    /// The key whose releases of the agent are taken over the link.
    ///
    /// # Errors
    /// Says which line is missing.
    pub(crate) fn release_key(&self) -> Result<ReleaseKey, Refusal> {
        self.summary().release_key().map_err(|objection| self.refuse(objection))
    }

    fn refuse(&self, objection: Objection) -> Refusal {
        let path = self.path.display();
        match objection {
            Objection::Never { what } => Refusal {
                message: what,
                next: "use a named volume, or a folder below a bind root of the policy".to_owned(),
            },
            Objection::NotListed { what, .. } if self.broken.is_some() => Refusal {
                message: format!("{what} is refused: {}", self.broken.as_deref().unwrap_or_default()),
                next: format!("write or mend {path}"),
            },
            Objection::NotListed { key: key @ "update_key", what, .. } => Refusal {
                message: format!("{what} is refused by {path}: it has no line `{key} = \"ed25519:…\"`"),
                next: format!("the host's owner can add the one that `tomo release keygen` printed to {path}"),
            },
            Objection::NotListed { key: key @ Command::TERMINAL, what, .. } => {
                let line = self.rules.terminal.as_ref().map(|rule| line_of(&self.text, rule.span().start));
                let message = line.map_or_else(
                    || format!("{what} is refused by {path}: it has no line `{key} = true`"),
                    |line| format!("{what} is refused by line {line} of {path}: {key} = false"),
                );
                Refusal { message, next: format!("the host's owner can allow it with `{key} = true` in {path}") }
            }
            Objection::NotListed { key, what, .. } => {
                let rule = match key {
                    "verbs" => &self.rules.verbs,
                    "images" => &self.rules.images,
                    "capabilities" => &self.rules.capabilities,
                    "bind_roots" => &self.rules.bind_roots,
                    "foreign" => &self.rules.foreign,
                    _ => &self.rules.ports,
                };
                let message = rule.as_ref().map_or_else(
                    || format!("{what} is refused by {path}: it has no line `{key} = […]`"),
                    |list| {
                        let line = line_of(&self.text, list.span().start);
                        let shown = self.text.lines().nth(line - 1).unwrap_or_default().trim();
                        format!("{what} is refused by line {line} of {path}: {}", display_line(shown, 120))
                    },
                );
                Refusal { message, next: format!("the host's owner can allow it under `{key}` in {path}") }
            }
        }
    }
}

/// The same app with the folders of the host that its mounts really lead to.
fn resolved(spec: &AppSpec) -> Result<AppSpec, Refusal> {
    let mut spec = spec.clone();
    let of_services = spec.services.values_mut().flat_map(|service| &mut service.volumes);
    for volume in spec.volumes.iter_mut().chain(of_services).filter(|volume| volume.is_bind()) {
        let real = fs::canonicalize(&volume.source).map_err(|_| {
            let shown = display_line(&volume.source, 120);
            Refusal {
                message: format!("the folder \"{shown}\" is not on this host"),
                next: format!("make it first: mkdir -p {shown}"),
            }
        })?;
        volume.source = real.display().to_string();
    }
    Ok(spec)
}

fn image_meaning(pattern: &str) -> String {
    match pattern.strip_suffix('*') {
        Some("") => "any image".to_owned(),
        Some(head) => format!("images whose name begins with {head}"),
        None => format!("the image {pattern}"),
    }
}

/// Line of a byte offset, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn check(text: &str, rules: &Rules) -> Result<(), String> {
    let at = |rule: &Spanned<Vec<String>>, error: String| format!("line {}: {error}", line_of(text, rule.span().start));
    if let Some(verbs) = &rules.verbs {
        for verb in verbs.get_ref() {
            if !Command::VERBS.contains(&verb.as_str()) {
                let error = format!("\"{verb}\" is not a verb; they are {}", Command::VERBS.join(", "));
                return Err(at(verbs, error));
            }
        }
    }
    if let Some(foreign) = &rules.foreign {
        for verb in foreign.get_ref() {
            if !Command::FOREIGN_VERBS.contains(&verb.as_str()) {
                let known = Command::FOREIGN_VERBS.join(", ");
                return Err(at(
                    foreign,
                    format!("\"{verb}\" is not a verb for what Tomo did not make; they are {known}"),
                ));
            }
        }
    }
    if let Some(ports) = &rules.ports {
        for range in ports.get_ref() {
            parse_ports(range).map_err(|error| at(ports, error))?;
        }
    }
    if let Some(key) = &rules.update_key {
        let line = line_of(text, key.span().start);
        key.get_ref().parse::<ReleaseKey>().map_err(|error| format!("line {line}: {error}"))?;
    }
    for (key, switch) in [("privileged", &rules.privileged), ("host_network", &rules.host_network)] {
        if let Some(switch) = switch.as_ref().filter(|switch| *switch.get_ref()) {
            let line = line_of(text, switch.span().start);
            return Err(format!("line {line}: no policy can allow `{key}`: take the line out, or say false"));
        }
    }
    if let Some(capabilities) = &rules.capabilities
        && let Some(bad) = capabilities.get_ref().iter().find(|name| !MORE_CAPABILITIES.contains(&name.as_str()))
    {
        let known = MORE_CAPABILITIES.join(", ");
        return Err(at(capabilities, format!("\"{bad}\" is no capability that a policy can add; there are {known}")));
    }
    if let Some(roots) = &rules.bind_roots
        && let Some(bad) = roots.get_ref().iter().find(|root| !root.starts_with('/') || root.as_str() == "/")
    {
        return Err(at(roots, format!("\"{bad}\" is not an absolute folder below /")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tomo_proto::{
        id::{AppId, RevisionId},
        model::app::{PortSpec, Protocol, VolumeSpec},
        wire::{
            command::{ContainerRef, DeployApp},
            terminal::TerminalSize,
        },
    };

    use super::*;

    fn policy(text: &str) -> Policy {
        Policy::parse(Path::new("/etc/tomo/agent-policy.toml"), text.to_owned())
    }

    fn stop() -> Command {
        Command::StopContainer {
            container: ContainerRef::new("web").expect("a name"),
            timeout_secs: 1,
            others: Vec::new(),
        }
    }

    fn deploy(spec: AppSpec) -> Command {
        let (app, revision) = (AppId::from_u64(1), RevisionId::from_u64(1));
        let name = "web".to_owned();
        Command::DeployApp {
            deploy: Box::new(DeployApp {
                app,
                name,
                revision,
                spec,
                secrets: Default::default(),
                health_timeout_secs: 1,
                overlap_secs: 0,
                keep_secs: 0,
                adopts: None,
            }),
        }
    }

    #[test]
    fn a_drill_runs_its_app_with_no_more_than_a_deploy_does() {
        let spec = AppSpec { image: "web:1".to_owned(), ..AppSpec::default() };
        let drill = |spec: &AppSpec| match deploy(spec.clone()) {
            Command::DeployApp { deploy } => Command::DrillVolume { volume: "data".to_owned(), app: Some(deploy) },
            other => other,
        };
        let allowing = policy("verbs = [\"restore\", \"deploy\"]\nimages = [\"web:*\"]");
        let bind = VolumeSpec { source: "/etc".to_owned(), target: "/x".to_owned(), read_only: false };
        // What it publishes and mounts is left out of it.
        allowing.check(&drill(&AppSpec { volumes: vec![bind], ..spec.clone() })).expect("is allowed");
        let with = |name: &str| AppSpec { capabilities: vec![name.to_owned()], ..spec.clone() };
        for spec in [with("NET_ADMIN"), with("SYS_RESOURCE"), AppSpec { image: "evil:1".to_owned(), ..spec.clone() }] {
            allowing.check(&drill(&spec)).expect_err("is refused");
        }
        policy("verbs = [\"restore\"]\nimages = [\"web:*\"]").check(&drill(&spec)).expect_err("is refused");
    }

    #[test]
    fn nothing_is_allowed_without_a_line_that_allows_it() {
        for (text, expected) in [
            ("", "has no line `verbs"),
            ("verbs = []", "refused by line 1 of /etc/tomo/agent-policy.toml: verbs = []"),
            ("# mine\n\nverbs = [\"start\"]\n", "line 3"),
            ("verbs = [\"stop\"]\nshell = true", "malformed (line 2: unknown field `shell`"),
            ("verbs = [\"exec\"]", "malformed (line 1: \"exec\" is not a verb"),
            ("verbs = [\"stop\"]\nports = [\"80-70\"]", "malformed (line 2"),
            ("verbs = [\"stop\"]\nbind_roots = [\"/\"]", "malformed (line 2"),
            ("verbs = ", "malformed (line 1"),
            ("verbs = [\"stop\"]\nprivileged = true", "malformed (line 2: no policy can allow `privileged`"),
            ("verbs = [\"stop\"]\n\nhost_network = true", "malformed (line 3: no policy can allow `host_network`"),
            ("terminal = 1\nverbs = [\"stop\"]", "malformed (line 1: invalid type"),
            ("verbs = [\"terminal\"]", "malformed (line 1: \"terminal\" is not a verb"),
            (
                "update_key = \"ed25519:me\"\nverbs = [\"stop\"]",
                "malformed (line 1: \"ed25519:me\" is not a release key",
            ),
            (
                "verbs = [\"stop\"]\ncapabilities = [\"SYS_ADMIN\"]",
                "malformed (line 2: \"SYS_ADMIN\" is no capability that",
            ),
        ] {
            let refusal = policy(text).check(&stop()).expect_err("is refused").to_string();
            assert!(refusal.contains(expected), "{text}: {refusal}");
        }
        assert_eq!(policy("verbs = [\"stop\"]").check(&stop()), Ok(()));
        let absent = Policy::load(Path::new("/nonexistent/policy.toml"));
        assert!(absent.check(&stop()).expect_err("is refused").to_string().contains("there is no policy file"));
        assert_eq!(absent.summary().digest, "");
        assert!(absent.summary().problem.is_some_and(|problem| problem.contains("there is no policy file")));
    }

    #[test]
    fn what_tomo_did_not_make_has_a_line_of_its_own() {
        for (text, expected) in [
            ("verbs = [\"stop\"]", "has no line `foreign = […]`"),
            ("verbs = [\"stop\"]\nforeign = []", "refused by line 2 of /etc/tomo/agent-policy.toml: foreign = []"),
            ("verbs = []\nforeign = [\"stop\"]", "refused by line 1"),
            ("verbs = [\"stop\"]\nforeign = [\"deploy\"]", "malformed (line 2: \"deploy\" is not a verb for what"),
        ] {
            let refusal = policy(text).check_foreign("stop", "container \"db\"").expect_err("is refused").to_string();
            assert!(refusal.contains(expected), "{text}: {refusal}");
        }
        let adopt = Command::ReadConfiguration { container: ContainerRef::new("db").expect("a name") };
        for (text, expected) in [
            ("verbs = [\"stop\"]\nforeign = [\"adopt\"]", "\"deploy\" is refused by line 1"),
            ("verbs = [\"deploy\"]\nforeign = [\"stop\"]", "\"adopt\" of container \"db\", which Tomo did not make"),
        ] {
            let refusal = policy(text).check(&adopt).expect_err("is refused").to_string();
            assert!(refusal.contains(expected), "{text}: {refusal}");
        }
        assert_eq!(policy("verbs = [\"deploy\"]\nforeign = [\"adopt\"]").check(&adopt), Ok(()));
        let policy = policy("verbs = [\"stop\", \"start\"]\nforeign = [\"stop\"]");
        assert_eq!(policy.check_foreign("stop", "container \"db\""), Ok(()));
        let refusal = policy.check_foreign("start", "container \"db\"").expect_err("is refused");
        assert!(
            refusal
                .to_string()
                .starts_with("\"start\" of container \"db\", which Tomo did not make, is refused by line 2")
        );
        assert!(refusal.next().contains("`foreign`"), "{}", refusal.next());
    }

    #[test]
    fn a_terminal_has_a_line_of_its_own_and_a_second_one_for_what_tomo_did_not_make() {
        let container = ContainerRef::new("web").expect("a name");
        let size = TerminalSize { columns: 80, rows: 24 };
        let open = Command::OpenTerminal { container, program: Vec::new(), size };
        let all = Rights::Deploys.render(None);
        for (text, expected) in [
            ("verbs = [\"stop\"]", "it has no line `terminal = true`"),
            ("verbs = []\nterminal = false", "refused by line 2 of /etc/tomo/agent-policy.toml: terminal = false"),
            (&all, ": terminal = false"),
            ("terminal = yes", "malformed (line 1"),
        ] {
            let refusal = policy(text).check(&open).expect_err("is refused");
            assert!(refusal.to_string().contains(expected), "{text}: {refusal}");
        }
        let policy = policy("terminal = true\nforeign = [\"logs\"]");
        assert_eq!(policy.check(&open), Ok(()));
        let refusal = policy.check_foreign("terminal", "container \"db\"").expect_err("is refused").to_string();
        assert!(refusal.contains("refused by line 2"), "{refusal}");
        let both = self::policy("terminal = true\nforeign = [\"terminal\"]");
        assert_eq!(both.check_foreign("terminal", "container \"db\""), Ok(()));
        let only = self::policy("foreign = [\"terminal\"]").check_foreign("terminal", "container \"db\"");
        assert!(only.expect_err("is refused").to_string().contains("no line `terminal = true`"));
    }

    #[test]
    fn a_policy_is_explained_line_by_line() {
        let text =
            "# mine\nverbs = [\"stop\", \"deploy\"]\nimages = [\"nginx:*\", \"redis:7\"]\n\nports = [\"8000-8100\"]\n";
        let explained = policy(text).explain();
        for expected in [
            "start       refused  (line 2)",
            "stop        allowed  (line 2)",
            "images      images whose name begins with nginx:  (line 3)",
            "images      the image redis:7  (line 3)",
            "host ports  8000-8100 can be published  (line 5)",
            "bind mounts none  (no line `bind_roots = […]`)",
            "terminals   none  (no line `terminal = true`)",
            "updates     none  (no line `update_key = \"ed25519:…\"`)",
            "never: a shell",
        ] {
            assert!(explained.lines().any(|line| line.starts_with(expected)), "{expected:?} in:\n{explained}");
        }
        let broken = policy("verbs = [\"fly\"]").explain();
        assert!(broken.starts_with("the policy file") && broken.contains("line 1"), "{broken}");
        assert!(!broken.contains("allowed  ("), "{broken}");
    }

    #[test]
    fn images_ports_and_folders_are_held_to_their_lists() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("data");
        fs::create_dir(&inside).expect("makes a folder");
        std::os::unix::fs::symlink("/etc", folder.path().join("sneaky")).expect("makes a link");
        let text = format!(
            "verbs = [\"deploy\"]\nimages = [\"nginx:*\", \"redis:7\"]\nports = [\"8000-8100\", \"443\"]\nbind_roots = [\"{}\"]\n",
            folder.path().display()
        );
        let policy = policy(&text);
        let image = |image: &str| AppSpec { image: image.to_owned(), ..AppSpec::default() };
        let port = |host| {
            let port = PortSpec { container: 80, host: Some(host), protocol: Protocol::Tcp, loopback: false };
            AppSpec { ports: vec![port], ..image("redis:7") }
        };
        let bind = |source: String| {
            let volume = VolumeSpec { source, target: "/data".to_owned(), read_only: false };
            AppSpec { volumes: vec![volume], ..image("redis:7") }
        };
        let below = |name: &str| folder.path().join(name).display().to_string();
        for good in
            [image("nginx:1.27"), image("redis:7"), port(443), port(8100), bind(below("data")), bind("data".to_owned())]
        {
            assert_eq!(policy.check(&deploy(good.clone())), Ok(()), "{good:?}");
        }
        for (bad, expected) in [
            (image("evil/nginx:1"), "line 2"),
            (image("redis:70"), "line 2"),
            (port(80), "line 3"),
            (port(8101), "line 3"),
            (bind("/".to_owned()), "never allowed"),
            (bind("/etc".to_owned()), "never allowed"),
            (bind("/home".to_owned()), "never allowed"),
            (bind("/proc/self/root/etc".to_owned()), "never allowed"),
            (bind("/var/run/docker.sock".to_owned()), "docker.sock"),
            (bind(below("sneaky")), "never allowed"),
            (bind(format!("{}/../..", below("data"))), "refused"),
            (bind(below("missing")), "not on this host"),
            (bind("/srv".to_owned()), "line 4"),
        ] {
            let refusal = policy.check(&deploy(bad.clone())).expect_err("is refused").to_string();
            assert!(refusal.contains(expected) || expected == "refused", "{bad:?}: {refusal}");
        }
    }

    #[test]
    fn new_policies_allow_what_they_are_asked_for_and_keep_their_comments() {
        for (rights, verbs, images) in
            [(Rights::Metrics, 0, 0), (Rights::Containers, 5, 0), (Rights::Deploys, Command::VERBS.len(), 1)]
        {
            let text = rights.render(None);
            assert_eq!(text.lines().filter(|line| line.starts_with('#')).count(), TEMPLATE.matches("# ").count());
            let policy = policy(&text);
            assert_eq!(policy.broken(), None);
            let summary = policy.summary();
            assert_eq!((summary.verbs.len(), summary.images.len(), summary.bind_roots.len()), (verbs, images, 0));
            assert_eq!(policy.check(&stop()).is_ok(), rights != Rights::Metrics);
            assert_eq!(policy.check_foreign("stop", "x").is_ok(), rights != Rights::Metrics);
            assert!(policy.check_foreign("remove", "x").is_err(), "nobody gives other people's things away unasked");
            let refusal = policy.release_key().expect_err("no key is named").to_string();
            assert!(refusal.contains("it has no line `update_key"), "{refusal}");
        }
        let key: ReleaseKey = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().expect("a key");
        let policy = policy(&Rights::Metrics.render(Some(&key)));
        assert_eq!(policy.release_key(), Ok(key));
        assert!(
            policy.explain().contains("updates     newer releases signed with ed25519:AAAA"),
            "{}",
            policy.explain()
        );
    }
}
