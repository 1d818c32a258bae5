//! Compose files: a service of one becomes an app's configuration, and an app a file.
//!
//! Text in, values out. What an app cannot say is named with its line and never left out by itself.

mod container;
mod export;
mod fill;
mod health;
mod node;
mod service;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

pub(crate) use export::export;
pub(crate) use fill::env_file;
use tomo_proto::model::app::{AppSpec, HealthCheck};

use node::{Entry, Node};

/// Largest file.
pub(crate) const FILE_BYTES: u64 = 256 * 1024;

/// What a person says beside the file.
pub(crate) struct Wanted<'a> {
    /// The service, where there are several.
    pub(crate) service: Option<&'a str>,
    /// What the app is called; otherwise as the service.
    pub(crate) name: Option<&'a str>,
    /// What `${NAME}` stands for.
    pub(crate) values: &'a BTreeMap<String, String>,
    /// The folder of the server that `./` stands for.
    pub(crate) base: Option<&'a str>,
    /// Keys that may be left out.
    pub(crate) leave_out: &'a [String],
    /// How to tell that it works, instead of what the file says.
    pub(crate) health: Option<HealthCheck>,
    /// Reads a file that the file names, as it names it.
    pub(crate) read: &'a dyn Fn(&str) -> Result<String, String>,
}

/// What became of a file.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) name: String,
    pub(crate) spec: AppSpec,
    /// What has no effect here, or was left out as wanted.
    pub(crate) notes: Vec<Finding>,
}

/// Something about a line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) line: u64,
    /// Which key it is about, from the service on; what `leave_out` names.
    pub(crate) key: String,
    pub(crate) message: String,
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

/// Makes an app's configuration of one service of a file.
///
/// # Errors
/// Everything that an app cannot say, by line.
pub(crate) fn import(text: &str, wanted: &Wanted<'_>) -> Result<Imported, Vec<Finding>> {
    let root = node::parse(text).map_err(|finding| vec![finding])?;
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    let (mut services, mut volumes) = (Vec::new(), Vec::new());
    for Entry { key, line, value } in root {
        match (key.as_str(), value.node) {
            ("services", Node::Map(entries)) => services = entries,
            ("volumes", Node::Map(entries)) => volumes = entries,
            ("volumes" | "name" | "version", _) => {}
            ("networks", _) => notes.push(Finding::new(line, &key, "has no effect: an app has a network of its own")),
            (extension, _) if extension.starts_with("x-") => {}
            ("services", _) => found.push(Finding::new(line, &key, "holds no services")),
            _ => found.push(Finding::new(line, &key, "is not supported")),
        }
    }
    let service = chosen(services, wanted.service).map_err(|finding| vec![finding])?;
    let name = wanted.name.unwrap_or(&service.key);
    let mut reader = service::Reader::new(wanted, name, volumes);
    reader.read(service.value);
    found.append(&mut reader.found);
    notes.append(&mut reader.notes);
    let (left_out, mut found): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|finding| wanted.leave_out.iter().any(|key| finding.is_about(key)));
    notes.extend(left_out.into_iter().map(|one| Finding::new(one.line, &one.key, "is left out, as you said")));
    if found.is_empty()
        && let Err(misfit) = reader.spec.check()
    {
        let line = reader.line_of(&misfit.field).unwrap_or(service.line);
        found.push(Finding::new(line, &misfit.field, misfit.message));
    }
    found.sort_by_key(|finding| finding.line);
    notes.sort_by_key(|finding| finding.line);
    if found.is_empty() { Ok(Imported { name: name.to_owned(), spec: reader.spec, notes }) } else { Err(found) }
}

/// The service that is wanted, or the only one.
fn chosen(services: Vec<Entry>, wanted: Option<&str>) -> Result<Entry, Finding> {
    let names: Vec<String> = services.iter().map(|one| format!("{} (line {})", one.key, one.line)).collect();
    let line = services.first().map_or(1, |first| first.line);
    let fail = |message: String| Err(Finding::new(line, "services", message));
    let count = services.len();
    match (services.into_iter().find(|one| wanted.is_none_or(|wanted| one.key == wanted)), wanted, count) {
        (None, _, 0) => fail("there is none in the file".to_owned()),
        (None, ..) => fail(format!("there is no such service; there are {}", names.join(", "))),
        (Some(_), None, 2..) => fail(format!(
            "an app is one container, and these are several: {}; choose one with --service, each becomes an app of its own",
            names.join(", ")
        )),
        (Some(service), ..) => Ok(service),
    }
}
