//! A template and answers become an app's configuration.

use std::{borrow::Cow, collections::BTreeMap};

use crate::model::{
    app::{AppSpec, PortSpec, VolumeSpec},
    catalog::{Question, Template},
    spec::Misfit,
};

/// The placeholder that stands for the app's name.
pub(super) const APP: &str = "app";

impl Template {
    /// The question of that name.
    #[must_use]
    pub fn question(&self, name: &str) -> Option<&Question> {
        self.questions.iter().find(|question| question.name == name)
    }

    /// Questions that have to be answered and are not: no default, and nothing makes the answer.
    pub fn open_questions<'a>(&'a self, answers: &'a BTreeMap<String, String>) -> impl Iterator<Item = &'a Question> {
        self.questions.iter().filter(|question| {
            question.required
                && question.default.is_none()
                && question.generate.is_none()
                && answers.get(&question.name).is_none_or(String::is_empty)
        })
    }

    /// The variable that a secret question's answer becomes.
    #[must_use]
    pub fn variable_of(&self, question: &str) -> Option<&str> {
        let value = format!("{{{{{question}}}}}");
        self.env.iter().find(|(_, one)| **one == value).map(|(key, _)| key.as_str())
    }

    /// Makes the configuration of an app. An empty answer is none: the default counts. A secret question without an answer leaves
    /// its variable out; whoever generates secrets has put the references among the answers.
    ///
    /// # Errors
    /// An answer to no question, a missing one, one that does not fit: by name.
    pub fn render(&self, app: &str, answers: &BTreeMap<String, String>) -> Result<AppSpec, Misfit> {
        let misfit = |name: &str, message: String| Misfit { field: format!("answers.{name}"), message };
        if let Some(unknown) = answers.keys().find(|name| self.question(name).is_none()) {
            let known: Vec<&str> = self.questions.iter().map(|question| question.name.as_str()).collect();
            let shown = crate::text::display_line(unknown, 60);
            let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
            return Err(misfit(
                &shown,
                format!("template \"{}\" asks no question \"{shown}\"; it asks {known}", self.id),
            ));
        }
        if let Some(open) = self.open_questions(answers).next() {
            return Err(misfit(&open.name, format!("question {} has no answer: {}", open.name, open.label)));
        }
        let mut values = BTreeMap::from([(APP, app)]);
        for question in &self.questions {
            let given = answers.get(&question.name).filter(|answer| !answer.is_empty());
            if let Some(answer) = given.or(question.default.as_ref()) {
                question.check(answer).map_err(|message| misfit(&question.name, message))?;
                values.insert(&question.name, answer);
            }
        }
        let fill = |text: &str| fill(text, &values);
        let mut ports = Vec::new();
        for port in &self.ports {
            if let Some(host) = fill(&port.host) {
                let host = host.parse().map(Some).map_err(|_| Misfit {
                    field: "ports".to_owned(),
                    message: format!("\"{host}\" is no host port for {}", port.container),
                })?;
                let (container, protocol, loopback) = (port.container, port.protocol, port.loopback);
                ports.push(PortSpec { container, host, protocol, loopback });
            }
        }
        let volumes = self.volumes.iter().filter_map(|volume| {
            let (target, read_only) = (volume.target.clone(), volume.read_only);
            Some(VolumeSpec { source: fill(&volume.source)?, target, read_only })
        });
        Ok(AppSpec {
            image: self.image.clone(),
            command: self.command.iter().filter_map(|part| fill(part)).collect(),
            ports,
            env: self.env.iter().filter_map(|(key, value)| Some((key.clone(), fill(value)?))).collect(),
            volumes: volumes.collect(),
            restart: self.restart,
            memory_limit_bytes: self.memory_limit_mib.map(|mib| mib << 20),
            health: self.health.clone(),
            ..AppSpec::default()
        })
    }
}

/// Puts values in for placeholders, once: what an answer holds is not looked at again. None if one has no value.
fn fill(text: &str, values: &BTreeMap<&str, &str>) -> Option<String> {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(&text),
            Piece::Placeholder(name) => filled.push_str(values.get(name)?),
        }
    }
    Some(filled)
}

pub(super) enum Piece<'a> {
    Text(Cow<'a, str>),
    Placeholder(&'a str),
}

/// A text cut at its `{{name}}`s; what does not close is text.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else { break };
        found.push(Piece::Text(before.into()));
        found.push(Piece::Placeholder(name.trim()));
        rest = after;
    }
    found.push(Piece::Text(rest.into()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"
id = "x"
name = "X"
summary = "s"
description = "d"
version = "1"
template_version = 1
category = "tools"
homepage = "https://x.example"
license = "MIT"
image = "x:1"
memory_min_mib = 64
disk_min_mib = 64
memory_limit_mib = 128
env = { URL = "{{url}}/{{app}}", KEY = "{{key}}", OPTIONAL = "a{{more}}" }
health = { kind = "tcp", port = 80 }
[[questions]]
name = "url"
label = "Address"
type = "url"
required = true
[[questions]]
name = "key"
label = "Key"
secret = true
generate = "hex:16"
[[questions]]
name = "more"
label = "More"
[[questions]]
name = "port"
label = "Port"
type = "port"
default = 8080
[[ports]]
container = 80
host = "{{port}}"
description = "web"
[[volumes]]
source = "{{app}}-data"
target = "/data"
description = "all"
"#;

    fn answers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, answer)| ((*name).to_owned(), (*answer).to_owned())).collect()
    }

    #[test]
    fn answers_fill_the_template_once_and_what_has_none_is_left_out() {
        let template = crate::catalog::parse(TEMPLATE).expect("parses");
        let given = answers(&[("url", "https://a.example/{{key}}"), ("key", "secret://x.key"), ("more", "")]);
        let spec = template.render("web", &given).expect("renders");
        let env: Vec<_> = spec.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(env, ["KEY=secret://x.key", "URL=https://a.example/{{key}}/web"]);
        assert_eq!((spec.ports[0].host, spec.volumes[0].source.as_str()), (Some(8080), "web-data"));
        assert_eq!(spec.memory_limit_bytes, Some(128 << 20));
        assert_eq!(spec.check(), Ok(()));
        assert_eq!(template.variable_of("key"), Some("KEY"));
    }

    #[test]
    fn wrong_and_missing_answers_are_named() {
        let template = crate::catalog::parse(TEMPLATE).expect("parses");
        let refused = |pairs: &[(&str, &str)]| template.render("web", &answers(pairs)).expect_err("is refused").message;
        assert_eq!(refused(&[]), "question url has no answer: Address");
        assert_eq!(refused(&[("u", "")]), "template \"x\" asks no question \"u\"; it asks url, key, more, port");
        let url = ("url", "https://a.example");
        assert!(refused(&[url, ("port", "0")]).contains("question port: \"0\" is no port"));
        assert!(!refused(&[url, ("key", "hunter2")]).contains("hunter2"));
    }
}
