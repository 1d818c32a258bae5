//! One service of a compose file, key by key.

use std::collections::BTreeMap;

use tomo_proto::model::{
    app::{AppSpec, RestartPolicy, VolumeSpec},
    spec::SECRET_REFERENCE,
};

use super::{
    Finding, Wanted,
    container::{long_port, long_volume, ports, volume},
    fill::{env_file, fill, fill_all, words},
    health,
    node::{Entry, Item, Node},
};
use crate::cli::spec;

/// What no host's policy can allow, and what holds instead.
const REFUSED: [(&str, &str); 19] = [
    ("privileged", "there is no privileged container"),
    ("network_mode", "an app has a network of its own, not the host's nor another container's"),
    ("pid", "an app sees its own processes only"),
    ("ipc", "an app has shared memory of its own"),
    ("uts", "an app has a host name of its own"),
    ("userns_mode", "an app does not choose its user namespace"),
    ("cgroup", "an app does not choose its control group"),
    ("cgroup_parent", "an app does not choose its control group"),
    ("devices", "an app gets no device"),
    ("device_cgroup_rules", "an app gets no device"),
    ("gpus", "an app gets no device"),
    ("cap_add", "an app gets no capability beyond the engine's usual ones"),
    ("security_opt", "an app does not loosen what confines it"),
    ("sysctls", "an app sets nothing of the kernel"),
    ("runtime", "an app does not choose its runtime"),
    ("volumes_from", "an app gets no other container's volumes"),
    ("use_api_socket", "an app does not get the engine"),
    ("credential_spec", "an app gets no credentials of the host"),
    ("isolation", "an app does not choose how it is isolated"),
];

/// What an app cannot say yet, where there is more to say than that.
const UNSUPPORTED: [(&str, &str); 10] = [
    ("build", "Tomo runs images: build it elsewhere, push it, and name the image"),
    ("entrypoint", "an app has a command only, which the image's entrypoint gets"),
    ("depends_on", "an app is one container: deploy the other service first, as an app of its own"),
    ("links", "an app is one container with a network of its own"),
    ("networks", "an app has a network of its own"),
    ("labels", "the labels of a container are Tomo's"),
    ("secrets", "a secret is a variable: store it with `tomo secret set NAME`, then VARIABLE: secret://NAME"),
    ("configs", "bring the file with a volume, or with the image"),
    ("extends", "write out what it takes from there"),
    ("logging", "the agent limits what a container logs"),
];

/// What means nothing here, and why.
const WITHOUT_EFFECT: [(&str, &str); 5] = [
    ("container_name", "has no effect: the container is named for the app"),
    ("expose", "has no effect: only published ports are reached"),
    ("pull_policy", "has no effect: an image that is on the server is taken as it is"),
    ("stop_signal", "has no effect: it gets the signal that its image names"),
    ("attach", "has no effect"),
];

/// How an exported file says what compose cannot.
pub(super) const HEALTH: &str = "x-tomo-health";

/// Reads a service.
pub(super) struct Reader<'a> {
    wanted: &'a Wanted<'a>,
    name: &'a str,
    /// What the file says of its volumes.
    volumes: Vec<Entry>,
    pub(super) spec: AppSpec,
    /// Where each field of the configuration comes from.
    lines: BTreeMap<&'static str, u64>,
    pub(super) found: Vec<Finding>,
    pub(super) notes: Vec<Finding>,
}

impl<'a> Reader<'a> {
    /// `name`: what the app is called.
    pub(super) fn new(wanted: &'a Wanted<'a>, name: &'a str, volumes: Vec<Entry>) -> Self {
        // What engines do with a service that says nothing.
        let spec = AppSpec { restart: RestartPolicy::No, ..AppSpec::default() };
        let (lines, found, notes) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { wanted, name, volumes, spec, lines, found, notes }
    }

    /// The line that a field of the configuration comes from.
    pub(super) fn line_of(&self, field: &str) -> Option<u64> {
        self.lines.get(field.split('.').next()?).copied()
    }

    fn find(&mut self, line: u64, key: &str, message: impl Into<String>) {
        self.found.push(Finding::new(line, key, message));
    }

    fn note(&mut self, line: u64, key: &str, message: impl Into<String>) {
        self.notes.push(Finding::new(line, key, message));
    }

    pub(super) fn read(&mut self, service: Item) {
        let Node::Map(entries) = service.node else { return self.find(service.line, "services", "holds no service") };
        // What the environment says comes before what a file does, wherever either stands.
        let (files, entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.key == "env_file");
        for mut entry in files.into_iter().chain(entries) {
            let mut failed = Vec::new();
            fill_all(&mut entry.value, self.wanted.values, &mut |line, message| failed.push((line, message)));
            if failed.is_empty() {
                self.entry(entry);
            } else {
                failed.into_iter().for_each(|(line, message)| self.find(line, &entry.key, message));
            }
        }
        if self.wanted.health.is_some() {
            self.spec.health.clone_from(&self.wanted.health);
        }
    }

    fn entry(&mut self, Entry { key, line, value }: Entry) {
        let known = |table: &[(&str, &'static str)]| table.iter().find(|(one, _)| *one == key).map(|(_, why)| *why);
        match key.as_str() {
            "image" => {
                self.lines.insert("image", line);
                self.spec.image = self.text(&key, &value).unwrap_or_default();
            }
            "command" => self.command(&value),
            "environment" => self.environment(&value),
            "env_file" => self.env_files(&value),
            "ports" => self.ports(&value),
            "volumes" => self.volumes(&value),
            "restart" => self.restart(&value),
            "mem_limit" => self.memory(&key, &value),
            "healthcheck" => self.healthcheck(line, value),
            "deploy" => self.deploy(value),
            HEALTH => match self.text(&key, &value).map(|text| spec::health(&text)) {
                Some(Ok(health)) => self.spec.health = Some(health),
                Some(Err(error)) => self.find(line, &key, error.to_string()),
                None => {}
            },
            extension if extension.starts_with("x-") => {}
            _ if value.says_nothing() || is_usual(&key, &value) => {}
            _ => match (known(&REFUSED), known(&UNSUPPORTED), known(&WITHOUT_EFFECT)) {
                (Some(why), ..) => self.find(line, &key, format!("is refused, whatever a host's policy says: {why}")),
                (_, Some(why), _) => self.find(line, &key, format!("is not supported: {why}")),
                (.., Some(why)) => self.note(line, &key, why),
                _ => self.find(line, &key, "is not supported"),
            },
        }
    }

    fn text(&mut self, key: &str, value: &Item) -> Option<String> {
        let text = value.text();
        if text.is_none() {
            self.find(value.line, key, "is no text or number");
        }
        text
    }

    fn command(&mut self, value: &Item) {
        self.lines.insert("command", value.line);
        let words = match &value.node {
            Node::List(_) => value.texts().map(|texts| texts.into_iter().map(|(_, text)| text).collect()),
            Node::Nothing => Some(Vec::new()),
            _ => match value.text().map(|line| words(&line)) {
                Some(Ok(words)) => Some(words),
                Some(Err(error)) => return self.find(value.line, "command", error),
                None => None,
            },
        };
        match words {
            Some(words) => self.spec.command = words,
            None => self.find(value.line, "command", "is neither a line nor a list of words"),
        }
    }

    fn environment(&mut self, value: &Item) {
        self.lines.insert("env", value.line);
        match &value.node {
            Node::Map(entries) => {
                for Entry { key, line, value } in entries {
                    match (&value.node, value.text()) {
                        (Node::Nothing, _) => self.variable(*line, key, None),
                        (_, Some(text)) => self.variable(*line, key, Some(text)),
                        _ => self.find(*line, "environment", format!("{key} is no text or number")),
                    }
                }
            }
            Node::List(items) => {
                for item in items {
                    let Some(text) = self.text("environment", item) else { continue };
                    match text.split_once('=') {
                        Some((key, value)) => self.variable(item.line, key, Some(value.to_owned())),
                        None => self.variable(item.line, &text, None),
                    }
                }
            }
            Node::Nothing => {}
            _ => self.find(value.line, "environment", "is neither a mapping nor a list of KEY=VALUE"),
        }
    }

    /// A variable without a value gets the one of `.env`, as with compose it gets that of the shell.
    fn variable(&mut self, line: u64, key: &str, value: Option<String>) {
        let Some(value) = value.or_else(|| self.wanted.values.get(key).cloned()) else {
            return self.find(line, "environment", format!("{key} has no value: write it, or give --set {key}=VALUE"));
        };
        let upper = key.to_uppercase();
        let secret = ["PASSWORD", "PASSWD", "SECRET", "TOKEN"].iter().any(|word| upper.ends_with(word));
        if secret && !value.is_empty() && !value.starts_with(SECRET_REFERENCE) {
            let advice = "looks secret and will be readable in the app's configuration: `tomo secret set NAME`, then secret://NAME";
            self.note(line, "environment", format!("{key} {advice}"));
        }
        self.spec.env.insert(key.to_owned(), value);
    }

    fn env_files(&mut self, value: &Item) {
        let items = match &value.node {
            Node::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        for item in items {
            let (path, required) = match &item.node {
                Node::Map(entries) => {
                    let text = |key: &str| entries.iter().find(|entry| entry.key == key)?.value.text();
                    (text("path"), text("required").is_none_or(|text| text == "true"))
                }
                _ => (item.text(), true),
            };
            let Some(path) = path else {
                self.find(item.line, "env_file", "names no file");
                continue;
            };
            match (self.wanted.read)(&path).and_then(|text| env_file(&text)) {
                Ok(pairs) => pairs.into_iter().for_each(|(key, value)| self.variable(item.line, &key, Some(value))),
                Err(_) if !required => {
                    self.note(item.line, "env_file", format!("{path} is not there, and need not be"))
                }
                Err(error) => self.find(item.line, "env_file", format!("{path}: {error}")),
            }
        }
    }

    fn ports(&mut self, value: &Item) {
        self.lines.insert("ports", value.line);
        let Node::List(items) = &value.node else { return self.find(value.line, "ports", "is no list") };
        for item in items {
            let ports = match &item.node {
                Node::Map(entries) => long_port(entries),
                _ => item.text().ok_or_else(|| "is no port".to_owned()).and_then(|text| ports(&text)),
            };
            match ports {
                Ok(mut ports) => self.spec.ports.append(&mut ports),
                Err(error) => self.find(item.line, "ports", error),
            }
        }
    }

    fn volumes(&mut self, value: &Item) {
        self.lines.insert("volumes", value.line);
        let Node::List(items) = &value.node else { return self.find(value.line, "volumes", "is no list") };
        for item in items {
            let base = self.wanted.base;
            let volume = match &item.node {
                Node::Map(entries) => long_volume(entries, base),
                _ => item.text().ok_or_else(|| "is no volume".to_owned()).and_then(|text| volume(&text, base)),
            };
            match volume.and_then(|volume| self.named(volume)) {
                Ok(volume) => self.spec.volumes.push(volume),
                Err(error) => self.find(item.line, "volumes", error),
            }
        }
    }

    /// A volume of the file is the app's own, unless the file says what it is called.
    fn named(&self, volume: VolumeSpec) -> Result<VolumeSpec, String> {
        if volume.is_bind() {
            return Ok(volume);
        }
        let (mut name, mut external) = (None, false);
        let defined = self.volumes.iter().find(|entry| entry.key == volume.source);
        if let Some(Node::Map(entries)) = defined.map(|entry| &entry.value.node) {
            for Entry { key, line, value } in entries {
                match (key.as_str(), value.text().as_deref()) {
                    ("name", Some(text)) => name = Some(fill(text, self.wanted.values)?),
                    ("external", Some(is)) => external = is == "true",
                    ("driver", Some("local")) | ("labels", _) => {}
                    _ if value.says_nothing() => {}
                    _ => return Err(format!("{key} of the volume {} (line {line}) is not supported", volume.source)),
                }
            }
        }
        let source = match name {
            Some(name) => name,
            None if external => volume.source,
            None => format!("{}-{}", self.name, volume.source),
        };
        Ok(VolumeSpec { source, ..volume })
    }

    fn restart(&mut self, value: &Item) {
        let text = value.text().unwrap_or_default();
        let (policy, times) =
            text.split_once(':').map_or((text.as_str(), None), |(policy, times)| (policy, Some(times)));
        match policy.replace("false", "no").parse() {
            Ok(RestartPolicy::OnFailure) if times.is_some_and(|times| times != "5") => {
                self.spec.restart = RestartPolicy::OnFailure;
                self.note(value.line, "restart", "an app is restarted after a failure up to five times");
            }
            Ok(policy) => self.spec.restart = policy,
            Err(error) => self.find(value.line, "restart", error),
        }
    }

    fn memory(&mut self, key: &str, value: &Item) {
        self.lines.insert("memory_limit_bytes", value.line);
        let Some(text) = self.text(key, value) else { return };
        match spec::size(&text) {
            Ok(bytes) => self.spec.memory_limit_bytes = Some(bytes),
            Err(error) => self.find(value.line, key, error.to_string()),
        }
    }

    fn healthcheck(&mut self, line: u64, value: Item) {
        self.lines.insert("health", line);
        if self.wanted.health.is_some() {
            return self.note(line, "healthcheck", "--health counts instead");
        }
        let Node::Map(entries) = value.node else { return self.find(line, "healthcheck", "is no mapping") };
        let says = |key: &str| entries.iter().find(|entry| entry.key == key).and_then(|entry| entry.value.text());
        if says("disable").is_some_and(|text| text == "true") {
            return;
        }
        for Entry { key, line, value } in &entries {
            match key.as_str() {
                "test" => match health::of_test(value) {
                    Ok(health) => self.spec.health = health,
                    Err(error) => self.find(*line, "healthcheck", error),
                },
                "interval" | "timeout" | "retries" | "start_period" | "start_interval" => {
                    let key = format!("healthcheck.{key}");
                    self.note(*line, &key, "has no effect: a deploy asks again and again, for 90 s at most");
                }
                "disable" => {}
                other => self.find(*line, &format!("healthcheck.{other}"), "is not supported"),
            }
        }
    }

    fn deploy(&mut self, value: Item) {
        let Node::Map(entries) = value.node else { return };
        for Entry { key, line, value } in entries {
            let path = format!("deploy.{key}");
            match (key.as_str(), value.text().as_deref(), value.node) {
                ("resources", _, Node::Map(parts)) => self.resources(parts),
                ("replicas", Some("1"), _) | ("mode", Some("replicated"), _) => {}
                (_, _, Node::Nothing) => {}
                _ => self.find(line, &path, "is not supported"),
            }
        }
    }

    fn resources(&mut self, parts: Vec<Entry>) {
        for Entry { key, value, .. } in parts {
            let Node::Map(limits) = value.node else { continue };
            for limit in limits {
                let path = format!("deploy.resources.{key}.{}", limit.key);
                match (key.as_str(), limit.key.as_str()) {
                    ("limits", "memory") => self.memory(&path, &limit.value),
                    ("reservations", "devices") => {
                        self.find(
                            limit.line,
                            &path,
                            "is refused, whatever a host's policy says: an app gets no device",
                        );
                    }
                    ("reservations", "memory") => self.note(limit.line, &path, "has no effect: nothing is reserved"),
                    _ => self.find(limit.line, &path, "is not supported"),
                }
            }
        }
    }
}

/// Whether a key says what holds for every app.
fn is_usual(key: &str, value: &Item) -> bool {
    let texts = value.texts().unwrap_or_default();
    let all = |usual: &[&str]| !texts.is_empty() && texts.iter().all(|(_, text)| usual.contains(&text.as_str()));
    match key {
        "security_opt" => all(&["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"]),
        "network_mode" => all(&["bridge"]),
        "ipc" | "cgroup" => all(&["private"]),
        "networks" => all(&["default"]),
        "scale" => all(&["1"]),
        _ => false,
    }
}
