//! What a compose file has come into its containers as files: `secrets` and `configs`, where they come from and where each service has them.

use std::collections::BTreeMap;

use crate::model::spec::SECRET_REFERENCE;

use super::{
    Finding,
    fill::fill_all,
    node::{Entry, Item, Node},
    service::Reader,
};

/// Where secrets are, if nothing else is said.
const SECRETS: &str = "/run/secrets";

/// Where the contents of one come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    /// Another name than the key.
    name: Option<String>,
    file: Option<String>,
    variable: Option<String>,
    content: Option<String>,
}

impl Source {
    /// What is to be done for a secret.
    fn advice(&self, key: &str) -> String {
        let name = self.name.as_deref().unwrap_or(key);
        let from = match (&self.file, &self.variable) {
            (Some(path), _) => format!(" < {path}`"),
            (None, Some(variable)) => format!("`, with the value of {variable}"),
            (None, None) => "`".to_owned(),
        };
        format!("is the secret {name} of the store: if it is not there yet, `tomo secret set {name}{from}")
    }
}

/// Those of a file, by key.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) secrets: BTreeMap<String, Source>,
    pub(super) configs: BTreeMap<String, Source>,
}

/// Reads the part of a file that says where they come from.
pub(super) fn sources(
    part: &str,
    entries: Vec<Entry>,
    values: &BTreeMap<String, String>,
    found: &mut Vec<Finding>,
    notes: &mut Vec<Finding>,
) -> BTreeMap<String, Source> {
    let mut sources = BTreeMap::new();
    for Entry { key, line: at, mut value } in entries {
        let path = format!("{part}.{key}");
        fill_all(&mut value, values, &mut |line, message| found.push(Finding::new(line, &path, message)));
        let mut source = Source::default();
        let Node::Map(said) = value.node else {
            found.push(Finding::new(value.line, &path, "says not where it comes from"));
            continue;
        };
        for Entry { key, line, value } in said {
            match (key.as_str(), value.text()) {
                ("name", text @ Some(_)) => source.name = text,
                ("file", text @ Some(_)) => source.file = text,
                ("environment", text @ Some(_)) => source.variable = text,
                ("content", text @ Some(_)) => source.content = text,
                ("external" | "labels", _) => {}
                _ if value.says_nothing() => {}
                _ => found.push(Finding::new(line, &format!("{path}.{key}"), "is not supported")),
            }
        }
        if part == "secrets" {
            notes.push(Finding::new(at, &path, source.advice(&key)));
        }
        sources.insert(key, source);
    }
    sources
}

/// One of them in a service.
struct Mounted {
    line: u64,
    source: String,
    target: Option<String>,
}

impl Reader<'_> {
    /// Reads `secrets` or `configs` of a service.
    pub(super) fn files(&mut self, part: &'static str, value: &Item) {
        self.lines.insert("files", value.line);
        let Node::List(items) = &value.node else { return self.find(value.line, part, "is no list") };
        for item in items {
            let Some(mounted) = self.mounted(part, item) else { continue };
            let of = if part == "secrets" { &self.sources.secrets } else { &self.sources.configs };
            let Some(source) = of.get(&mounted.source).cloned() else {
                self.find(mounted.line, part, format!("{} is not among the file's {part}", mounted.source));
                continue;
            };
            let target = match &mounted.target {
                Some(path) if path.starts_with('/') => path.clone(),
                name if part == "secrets" => format!("{SECRETS}/{}", name.as_ref().unwrap_or(&mounted.source)),
                name => format!("/{}", name.as_ref().unwrap_or(&mounted.source)),
            };
            let contents = match part {
                // The file says where a value is, and never the value: it is sealed in the store beforehand.
                "secrets" => Ok(format!("{SECRET_REFERENCE}{}", source.name.as_ref().unwrap_or(&mounted.source))),
                _ => self.contents(&source),
            };
            match contents {
                Ok(contents) => drop(self.spec.files.insert(target, contents)),
                Err(error) => self.find(mounted.line, part, format!("{}: {error}", mounted.source)),
            }
        }
    }

    fn mounted(&mut self, part: &str, item: &Item) -> Option<Mounted> {
        let Node::Map(entries) = &item.node else {
            let source = self.text(part, item)?;
            return Some(Mounted { line: item.line, source, target: None });
        };
        let (mut source, mut target) = (None, None);
        for Entry { key, line, value } in entries {
            match (key.as_str(), value.text()) {
                ("source", text) => source = text,
                ("target", text) => target = text,
                // Every user inside can read it, as with these.
                ("mode", Some(text)) if ["444", "0444", "292"].contains(&text.trim_start_matches("0o")) => {}
                ("uid" | "gid", Some(text)) if text == "0" => {}
                ("mode" | "uid" | "gid", _) => {
                    let message =
                        format!("{key} has no effect: every user inside can read the file, and none can write to it");
                    self.note(*line, part, message);
                }
                (other, _) => self.find(*line, part, format!("{other} is not supported")),
            }
        }
        if source.is_none() {
            self.find(item.line, part, "names no source");
        }
        Some(Mounted { line: item.line, source: source?, target })
    }

    fn contents(&self, source: &Source) -> Result<String, String> {
        match source {
            Source { content: Some(text), .. } => Ok(text.clone()),
            Source { file: Some(path), .. } => (self.wanted.read)(path).map_err(|error| format!("{path}: {error}")),
            Source { variable: Some(name), .. } => {
                let missing =
                    || format!("{name} has no value: write it into .env beside the file, or give --set {name}=VALUE");
                self.wanted.values.get(name).cloned().ok_or_else(missing)
            }
            _ => Err("is outside of the file: name the file that it is".to_owned()),
        }
    }
}
