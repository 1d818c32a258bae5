//! Compose files: what one says becomes an app's configuration, and an app a file.
//!
//! Text in, values out. What an app cannot say is named with its line and never left out by itself.

mod container;
mod export;
mod files;
mod fill;
mod health;
mod keys;
mod limits;
mod node;
mod service;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

pub use export::export;
use files::Sources;
pub use fill::env_file;
use node::{Entry, Item, Node};

use crate::model::{
    app::{AppSpec, HealthCheck},
    spec::check_app_name,
};

/// Largest file.
pub const FILE_BYTES: u64 = 256 * 1024;

/// What a person says beside the file.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a closure has nothing to show")]
pub struct Wanted<'a> {
    /// Only this service; otherwise all of them become one app.
    pub service: Option<&'a str>,
    /// What the app is called; otherwise as the file, or its own service.
    pub name: Option<&'a str>,
    /// What `${NAME}` stands for.
    pub values: &'a BTreeMap<String, String>,
    /// The folder of the server that `./` stands for.
    pub base: Option<&'a str>,
    /// Keys that may be left out.
    pub leave_out: &'a [String],
    /// How to tell that it works, instead of what the file says.
    pub health: Option<HealthCheck>,
    /// Reads a file that the file names, as it names it.
    pub read: &'a dyn Fn(&str) -> Result<String, String>,
}

/// What became of a file.
#[derive(Debug)]
pub struct Imported {
    /// What the app is called.
    pub name: String,
    /// What it runs.
    pub spec: AppSpec,
    /// What has no effect here, or was left out as wanted.
    pub notes: Vec<Finding>,
}

/// Something about a line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Of the file, from 1.
    pub line: u64,
    /// Which key it is about, from the service on; what `leave_out` names.
    pub key: String,
    /// What about it.
    pub message: String,
}

impl Finding {
    fn new(line: u64, key: &str, message: impl Into<String>) -> Self {
        Self { line, key: key.to_owned(), message: message.into() }
    }

    fn is_about(&self, key: &str) -> bool {
        self.key.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}: {}", self.line, self.key, self.message)
    }
}

/// Makes an app's configuration of a file, or of one service of it. Of several services one is the app's own container: the first
/// that publishes ports and that no other waits for.
///
/// # Errors
/// Everything that an app cannot say, by line.
pub fn import(text: &str, wanted: &Wanted<'_>) -> Result<Imported, Vec<Finding>> {
    let root = node::parse(text).map_err(|finding| vec![finding])?;
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    let (mut services, mut volumes, mut outside, mut project) = (Vec::new(), Vec::new(), Vec::new(), None);
    let mut sources = Sources::default();
    for Entry { key, line, value } in root {
        match (key.as_str(), value.text(), value.node) {
            ("services", _, Node::Map(entries)) => services = entries,
            ("volumes", _, Node::Map(entries)) => volumes = entries,
            ("networks", _, Node::Map(entries)) => outside = networks(entries, &mut notes),
            ("secrets", _, Node::Map(entries)) => {
                sources.secrets = files::sources(&key, entries, wanted.values, &mut found, &mut notes)
            }
            ("configs", _, Node::Map(entries)) => {
                sources.configs = files::sources(&key, entries, wanted.values, &mut found, &mut notes)
            }
            ("name", name, _) => project = name.filter(|name| check_app_name(name).is_ok()),
            ("volumes" | "networks" | "secrets" | "configs" | "version", ..) => {}
            (extension, ..) if extension.starts_with("x-") => {}
            ("services", ..) => found.push(Finding::new(line, &key, "holds no services")),
            _ => found.push(Finding::new(line, &key, "is not supported")),
        }
    }
    let services = chosen(services, wanted.service).map_err(|finding| vec![finding])?;
    let main = front(&services);
    let is_alone = services.len() == 1;
    let key = services.get(main).map_or("", |main| main.key.as_str()).to_owned();
    let name = wanted.name.map(str::to_owned).or(project.filter(|_| !is_alone)).unwrap_or_else(|| key.clone());
    // What a person says of the app's health is about its own container.
    let of_others = Wanted { health: None, ..wanted.clone() };
    let mut readers = Vec::new();
    for (at, Entry { key, line, value }) in services.into_iter().enumerate() {
        let wanted = if at == main { wanted } else { &of_others };
        let mut reader = service::Reader::new(wanted, &name, &volumes, &outside, &sources);
        reader.read(value);
        found.append(&mut reader.found);
        notes.append(&mut reader.notes);
        readers.push((key, line, reader));
    }
    let (left_out, mut found): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|finding| wanted.leave_out.iter().any(|key| finding.is_about(key)));
    notes.extend(left_out.into_iter().map(|one| Finding::new(one.line, &one.key, "is left out, as you said")));
    let mut spec = AppSpec::default();
    for (at, (key, _, reader)) in readers.iter_mut().enumerate() {
        let of_service = std::mem::take(&mut reader.spec);
        if at == main {
            spec = AppSpec { services: std::mem::take(&mut spec.services), ..of_service };
        } else {
            spec.services.insert(key.clone(), of_service);
        }
    }
    spec.alias = (!is_alone && key != name).then(|| key.clone());
    if found.is_empty()
        && let Err(misfit) = spec.check()
    {
        let (service, field) = match misfit.field.strip_prefix("services.").and_then(|rest| rest.split_once('.')) {
            Some((service, field)) => (service, field),
            None => (key.as_str(), misfit.field.as_str()),
        };
        let reader = readers.iter().find(|(key, ..)| key == service);
        let line = reader.map_or(1, |(_, line, reader)| reader.line_of(field).unwrap_or(*line));
        found.push(Finding::new(line, field, misfit.message));
    }
    found.sort_by_key(|finding| finding.line);
    notes.sort_by_key(|finding| finding.line);
    if found.is_empty() { Ok(Imported { name, spec, notes }) } else { Err(found) }
}

/// The networks that lie outside of the file. Of those within there is one for all.
fn networks(entries: Vec<Entry>, notes: &mut Vec<Finding>) -> Vec<String> {
    let mut outside = Vec::new();
    for Entry { key, value, .. } in entries {
        let Node::Map(said) = value.node else { continue };
        for entry in said {
            match (entry.key.as_str(), entry.value.says_nothing()) {
                ("external", false) => outside.push(key.clone()),
                ("external" | "driver" | "name", _) | (_, true) => {}
                (other, false) => {
                    let path = format!("networks.{key}.{other}");
                    notes.push(Finding::new(
                        entry.line,
                        &path,
                        "has no effect: the services share a network of the app's own",
                    ));
                }
            }
        }
    }
    outside
}

/// The service that is wanted, or all of them.
fn chosen(mut services: Vec<Entry>, wanted: Option<&str>) -> Result<Vec<Entry>, Finding> {
    let names: Vec<String> = services.iter().map(|one| format!("{} (line {})", one.key, one.line)).collect();
    let line = services.first().map_or(1, |first| first.line);
    if services.is_empty() {
        return Err(Finding::new(line, "services", "there is none in the file"));
    }
    services.retain(|one| wanted.is_none_or(|wanted| one.key == wanted));
    if services.is_empty() {
        let message = format!("there is no such service; there are {}", names.join(", "));
        return Err(Finding::new(line, "services", message));
    }
    Ok(services)
}

/// Which of several services is the app's own container.
fn front(services: &[Entry]) -> usize {
    fn part<'a>(service: &'a Entry, key: &str) -> Option<&'a Item> {
        let Node::Map(entries) = &service.value.node else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value).filter(|value| !value.says_nothing())
    }
    let is_waited_for = |name: &str| {
        let mut waits = services.iter().filter_map(|service| part(service, "depends_on"));
        waits.any(|item| match &item.node {
            Node::Map(entries) => entries.iter().any(|entry| entry.key == name),
            _ => item.texts().unwrap_or_default().iter().any(|(_, text)| text == name),
        })
    };
    let fit = |service: &Entry| (part(service, "ports").is_some(), !is_waited_for(&service.key));
    // Of equals the first.
    services.iter().enumerate().rev().max_by_key(|(_, service)| fit(service)).map_or(0, |(at, _)| at)
}
