//! One service of a compose file, key by key.

use std::collections::BTreeMap;

use crate::{
    model::{
        app::{AppSpec, RestartPolicy, VolumeSpec},
        spec::{MORE_CAPABILITIES, SECRET_REFERENCE, USUAL_CAPABILITIES},
    },
    text::words,
};

use super::{
    Finding, Wanted,
    container::{long_port, long_volume, ports, volume},
    files::Sources,
    fill::{env_file, fill, fill_all},
    keys::{REFUSED, UNSUPPORTED, WITHOUT_EFFECT, is_usual},
    node::{Entry, Item, Node},
};

/// How an exported file says what compose cannot.
pub(super) const HEALTH: &str = "x-tomo-health";

/// Reads a service.
pub(super) struct Reader<'a> {
    pub(super) wanted: &'a Wanted<'a>,
    name: &'a str,
    /// What the file says of its volumes.
    volumes: &'a [Entry],
    /// Networks that are not the file's own.
    outside: &'a [String],
    pub(super) sources: &'a Sources,
    pub(super) spec: AppSpec,
    /// Where each field of the configuration comes from.
    pub(super) lines: BTreeMap<&'static str, u64>,
    pub(super) found: Vec<Finding>,
    pub(super) notes: Vec<Finding>,
}

impl<'a> Reader<'a> {
    /// `name`: what the app is called.
    pub(super) fn new(
        wanted: &'a Wanted<'a>,
        name: &'a str,
        volumes: &'a [Entry],
        outside: &'a [String],
        sources: &'a Sources,
    ) -> Self {
        // What engines do with a service that says nothing.
        let spec = AppSpec { restart: RestartPolicy::No, ..AppSpec::default() };
        let (lines, found, notes) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { wanted, name, volumes, outside, sources, spec, lines, found, notes }
    }

    /// The line that a field of the configuration comes from.
    pub(super) fn line_of(&self, field: &str) -> Option<u64> {
        self.lines.get(field.split('.').next()?).copied()
    }

    pub(super) fn find(&mut self, line: u64, key: &str, message: impl Into<String>) {
        self.found.push(Finding::new(line, key, message));
    }

    pub(super) fn note(&mut self, line: u64, key: &str, message: impl Into<String>) {
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
            "entrypoint" => self.entrypoint(&value),
            "user" => {
                self.lines.insert("user", line);
                self.spec.user = self.text(&key, &value);
            }
            "labels" => self.labels(&value),
            "cap_add" => self.capabilities(&value),
            "depends_on" => self.depends_on(&value),
            "networks" => self.networks(&value),
            "cpus" => self.cpus(&key, &value),
            "environment" => self.environment(&value),
            "env_file" => self.env_files(&value),
            "ports" => self.ports(&value),
            "volumes" => self.volumes(&value),
            "secrets" => self.files("secrets", &value),
            "configs" => self.files("configs", &value),
            "restart" => self.restart(&value),
            "mem_limit" => self.memory(&key, &value),
            "healthcheck" => self.healthcheck(line, value),
            "deploy" => self.deploy(value),
            HEALTH => match self.text(&key, &value).map(|text| text.parse()) {
                Some(Ok(health)) => self.spec.health = Some(health),
                Some(Err(error)) => self.find(line, &key, error),
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

    pub(super) fn text(&mut self, key: &str, value: &Item) -> Option<String> {
        let text = value.text();
        if text.is_none() {
            self.find(value.line, key, "is no text or number");
        }
        text
    }

    fn command(&mut self, value: &Item) {
        self.lines.insert("command", value.line);
        self.spec.command = self.words("command", value);
    }

    fn entrypoint(&mut self, value: &Item) {
        self.lines.insert("entrypoint", value.line);
        self.spec.entrypoint = self.words("entrypoint", value);
    }

    /// A command line, in one text or word by word.
    fn words(&mut self, key: &str, value: &Item) -> Vec<String> {
        let words = match &value.node {
            Node::List(_) => value.texts().map(|texts| texts.into_iter().map(|(_, text)| text).collect()),
            Node::Nothing => Some(Vec::new()),
            _ => match value.text().map(|line| words(&line)) {
                Some(Ok(words)) => Some(words),
                Some(Err(error)) => {
                    self.find(value.line, key, error);
                    return Vec::new();
                }
                None => None,
            },
        };
        words.unwrap_or_else(|| {
            self.find(value.line, key, "is neither a line nor a list of words");
            Vec::new()
        })
    }

    fn labels(&mut self, value: &Item) {
        self.lines.insert("labels", value.line);
        let pairs: Option<Vec<(String, String)>> = match &value.node {
            Node::Map(entries) => {
                let pair = |entry: &Entry| match &entry.value.node {
                    Node::Nothing => Some((entry.key.clone(), String::new())),
                    _ => Some((entry.key.clone(), entry.value.text()?)),
                };
                entries.iter().map(pair).collect()
            }
            Node::Nothing => Some(Vec::new()),
            _ => value.texts().map(|texts| {
                let pair = |text: String| match text.split_once('=') {
                    Some((key, value)) => (key.to_owned(), value.to_owned()),
                    None => (text, String::new()),
                };
                texts.into_iter().map(|(_, text)| pair(text)).collect()
            }),
        };
        match pairs {
            Some(pairs) => self.spec.labels.extend(pairs),
            None => self.find(value.line, "labels", "is neither a mapping nor a list of KEY=VALUE"),
        }
    }

    fn capabilities(&mut self, value: &Item) {
        self.lines.insert("capabilities", value.line);
        let Some(texts) = value.texts() else { return self.find(value.line, "cap_add", "is no list of names") };
        for (line, text) in texts {
            let name = text.to_uppercase().trim_start_matches("CAP_").to_owned();
            let known = USUAL_CAPABILITIES.contains(&name.as_str());
            if known || MORE_CAPABILITIES.contains(&name.as_str()) {
                // What every container has need not be asked of a host.
                self.spec.capabilities.extend((!known).then_some(name));
            } else {
                let why = "no host can give an app that capability";
                self.find(line, "cap_add", format!("{text} is refused, whatever a host's policy says: {why}"));
            }
        }
    }

    fn depends_on(&mut self, value: &Item) {
        self.lines.insert("depends_on", value.line);
        let entries = match &value.node {
            Node::Map(entries) => entries,
            _ => match value.texts() {
                Some(texts) => return texts.into_iter().for_each(|(line, text)| self.wait_for(line, text)),
                None => return self.find(value.line, "depends_on", "is no list of services"),
            },
        };
        for Entry { key, line, value } in entries {
            let Node::Map(how) = &value.node else { continue };
            for entry in how {
                match (entry.key.as_str(), entry.value.text().as_deref()) {
                    ("condition", Some("service_started" | "service_healthy")) | ("required" | "restart", _) => {}
                    ("condition", _) => {
                        self.find(
                            *line,
                            "depends_on",
                            format!("{key}: a service is waited for until it is healthy, not until it ends"),
                        );
                    }
                    (other, _) => self.find(*line, "depends_on", format!("{other} is not supported")),
                }
            }
            self.wait_for(*line, key.clone());
        }
    }

    fn wait_for(&mut self, line: u64, name: String) {
        if self.wanted.service.is_some() {
            let why = "is another service of the file: without --service all of them become one app";
            return self.find(line, "depends_on", format!("{name} {why}"));
        }
        self.spec.depends_on.push(name);
    }

    /// The services of an app share one network of its own; what another one would be good for is not there.
    fn networks(&mut self, value: &Item) {
        let named: Vec<(u64, &str)> = match &value.node {
            Node::Map(entries) => {
                for entry in entries.iter().filter(|entry| !entry.value.says_nothing()) {
                    self.find(
                        entry.line,
                        "networks",
                        format!("{}: addresses and other names are not supported", entry.key),
                    );
                }
                entries.iter().map(|entry| (entry.line, entry.key.as_str())).collect()
            }
            Node::List(items) => items
                .iter()
                .filter_map(|item| match &item.node {
                    Node::Text(text) => Some((item.line, text.as_str())),
                    _ => None,
                })
                .collect(),
            _ => return self.find(value.line, "networks", "is no list of networks"),
        };
        for (line, name) in named {
            if self.outside.iter().any(|outside| outside == name) {
                self.find(
                    line,
                    "networks",
                    format!("{name} is outside of the file: an app reaches others by their published ports"),
                );
            }
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
}
