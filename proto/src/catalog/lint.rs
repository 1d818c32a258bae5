//! Whether a template is one that a person can trust: pinned, probed, asked for in words, and able to become an app.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Finding, answer, parse,
    place::line_of,
    render::{APP, Piece, pieces},
};
use crate::{
    api::check_name,
    model::{
        app::HealthCheck,
        catalog::{AnswerKind, Question, Template},
        spec::{SECRET_REFERENCE, check_image},
    },
    text::is_display_safe,
};

/// Registries that a template may name. No host in the image's name is docker.io.
const REGISTRIES: [&str; 7] =
    ["docker.io", "ghcr.io", "lscr.io", "quay.io", "gcr.io", "mcr.microsoft.com", "codeberg.org"];
/// Tags that mean something else tomorrow.
const MOVING: [&str; 9] = ["latest", "stable", "edge", "nightly", "main", "master", "dev", "develop", "release"];
/// Variables of such names hold secrets.
const SECRET_WORDS: [&str; 4] = ["PASSWORD", "SECRET", "TOKEN", "PASSWD"];

/// Everything that is wrong with a template's file, by line.
#[must_use]
pub fn lint(text: &str) -> Vec<Finding> {
    let template = match parse(text) {
        Ok(template) => template,
        Err(finding) => return vec![finding],
    };
    let mut linter = Linter { text, found: Vec::new() };
    linter.identity(&template);
    linter.image(&template);
    linter.needs(&template);
    for (place, question) in template.questions.iter().enumerate() {
        linter.question(place, question, &template);
    }
    linter.placeholders(&template);
    linter.ports_and_health(&template);
    linter.volumes(&template);
    if linter.found.is_empty() {
        linter.rendered(&template);
    }
    linter.found.sort_by_key(|finding| finding.line);
    linter.found
}

struct Linter<'a> {
    text: &'a str,
    found: Vec<Finding>,
}

impl Linter<'_> {
    fn find(&mut self, path: &str, message: impl Into<String>) {
        self.found.push(Finding { line: line_of(self.text, path), message: message.into() });
    }

    fn expect(&mut self, fits: bool, path: &str, message: impl Into<String>) {
        if !fits {
            self.find(path, message);
        }
    }

    fn line_of_words(&mut self, path: &str, text: &str, least: usize, most: usize) {
        let count = text.chars().count();
        let plain = text.chars().all(is_display_safe) && text.trim() == text;
        self.expect(plain, path, format!("{path} is one line that can be shown, without blanks around it"));
        self.expect(
            (least..=most).contains(&count),
            path,
            format!("{path} has {count} characters: {least} to {most} are wanted"),
        );
    }

    fn identity(&mut self, template: &Template) {
        let kebab = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
        let fits = check_name(&template.id).is_ok() && template.id.chars().all(kebab);
        self.expect(fits, "id", "id has a-z, 0-9 and - only, and begins and ends with a letter or digit");
        self.line_of_words("name", &template.name, 1, 40);
        self.line_of_words("summary", &template.summary, 10, 80);
        self.line_of_words("description", &template.description, 40, 600);
        self.line_of_words("version", &template.version, 1, 40);
        self.line_of_words("category", &template.category, 1, 30);
        self.line_of_words("license", &template.license, 2, 60);
        for (at, tag) in template.tags.iter().enumerate() {
            self.line_of_words(&format!("tags[{at}]"), tag, 1, 30);
        }
        self.expect(template.template_version > 0, "template_version", "template_version begins with 1");
        self.expect(template.homepage.starts_with("https://"), "homepage", "homepage begins with https://");
        if let Some(note) = &template.post_install {
            self.line_of_words("post_install", note, 10, 400);
        }
        if let Some(note) = &template.default_login {
            self.line_of_words("default_login", note, 10, 200);
        }
    }

    fn image(&mut self, template: &Template) {
        if let Err(error) = check_image(&template.image) {
            return self.find("image", error);
        }
        let (name, _) = template.image.split_once('@').unwrap_or((&template.image, ""));
        let tag = name.rsplit_once(':').map_or("", |(_, tag)| tag);
        self.expect(
            !MOVING.contains(&tag) && tag.bytes().any(|byte| byte.is_ascii_digit()),
            "image",
            format!("the tag \"{tag}\" moves: name a version"),
        );
        let host = name.split_once('/').map_or("", |(first, _)| first);
        let known = !host.contains(['.', ':']) || REGISTRIES.contains(&host);
        self.expect(
            known,
            "image",
            format!("the registry {host} is none that templates may name: {}", REGISTRIES.join(", ")),
        );
    }

    fn needs(&mut self, template: &Template) {
        self.expect(
            (4..=64 * 1024).contains(&template.memory_min_mib),
            "memory_min_mib",
            "memory_min_mib is 4 to 65536",
        );
        self.expect((1..=1024 * 1024).contains(&template.disk_min_mib), "disk_min_mib", "disk_min_mib is 1 to 1048576");
        let limit = template.memory_limit_mib;
        self.expect(
            limit.is_none_or(|limit| (template.memory_min_mib..=1024 * 1024).contains(&limit)),
            "memory_limit_mib",
            "memory_limit_mib is at least memory_min_mib, and at most 1048576",
        );
    }

    fn question(&mut self, place: usize, question: &Question, template: &Template) {
        let name = &question.name;
        let path = |field: &str| format!("questions[{place}].{field}");
        let word = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_';
        self.expect(
            name.starts_with(|first: char| first.is_ascii_lowercase()) && name.len() <= 30 && name.chars().all(word),
            &path("name"),
            format!("question \"{name}\": a name has a-z, 0-9 and _, begins with a letter, and has at most 30"),
        );
        let twice = template.questions.iter().take(place).any(|other| other.name == *name) || name == APP;
        self.expect(!twice, &path("name"), format!("question {name}: the name is taken"));
        self.line_of_words(&path("label"), &question.label, 2, 40);
        if let Some(description) = &question.description {
            self.line_of_words(&path("description"), description, 2, 200);
        }
        self.expect(
            question.kind != AnswerKind::Enum || question.choices.len() > 1,
            &path("type"),
            format!("question {name}: an enum has at least two choices"),
        );
        if let Some(Err(error)) = question.pattern.as_deref().map(answer::whole) {
            self.find(&path("pattern"), format!("question {name}: the pattern is none: {error}"));
        } else if let Some(Err(message)) = question.default.as_deref().map(|default| question.check(default)) {
            self.find(&path("default"), format!("the default does not fit: {message}"));
        } else if let Some(message) = question.choices.iter().find_map(|choice| question.check(choice).err()) {
            self.find(&path("choices"), format!("a choice does not fit: {message}"));
        }
        self.expect(
            question.generate.is_none() || question.secret,
            &path("generate"),
            format!("question {name}: only a secret is generated; set secret = true"),
        );
        self.expect(
            !question.secret
                || (question.default.is_none() && question.choices.is_empty() && question.pattern.is_none()),
            &path("secret"),
            format!("question {name}: a secret has no default, choices or pattern"),
        );
        self.expect(
            !question.secret || question.kind == AnswerKind::String,
            &path("type"),
            format!("question {name}: a secret is a string"),
        );
        self.expect(
            !question.secret || template.variable_of(name).is_some(),
            &path("secret"),
            format!("question {name}: a secret is the whole value of a variable, as in KEY = \"{{{{{name}}}}}\""),
        );
    }

    /// Each placeholder has its question, each question is used.
    fn placeholders(&mut self, template: &Template) {
        let mut texts: Vec<(String, &str)> = Vec::new();
        texts.extend(template.command.iter().enumerate().map(|(at, text)| (format!("command[{at}]"), text.as_str())));
        texts.extend(template.env.iter().map(|(key, text)| (format!("env.{key}"), text.as_str())));
        let ports = template.ports.iter().enumerate();
        texts.extend(ports.map(|(at, port)| (format!("ports[{at}].host"), port.host.as_str())));
        let volumes = template.volumes.iter().enumerate();
        texts.extend(volumes.map(|(at, volume)| (format!("volumes[{at}].source"), volume.source.as_str())));
        let mut used = BTreeSet::new();
        for (path, text) in &texts {
            let mut pieces = pieces(text);
            for piece in &pieces {
                let Piece::Placeholder(name) = piece else { continue };
                used.insert(*name);
                let question = template.question(name);
                self.expect(
                    question.is_some() || *name == APP,
                    path,
                    format!("{{{{{name}}}}} has no question: add one of that name"),
                );
                let alone = path.starts_with("env.") && *text == format!("{{{{{name}}}}}");
                self.expect(
                    alone || !question.is_some_and(|question| question.secret),
                    path,
                    format!("the secret {name} has to be the whole value of a variable"),
                );
            }
            let open = pieces.pop().is_some_and(|piece| matches!(piece, Piece::Text(text) if text.contains("{{")));
            self.expect(!open, path, "a placeholder is not closed with }}");
        }
        for (key, value) in &template.env {
            let upper = key.to_uppercase();
            let literal = !value.is_empty() && pieces(value).len() == 1;
            self.expect(
                !(literal && SECRET_WORDS.iter().any(|word| upper.ends_with(word))),
                &format!("env.{key}"),
                format!("{key} looks like a secret and is the same for everybody: ask for it, with secret = true"),
            );
            self.expect(
                !value.starts_with(SECRET_REFERENCE),
                &format!("env.{key}"),
                format!("{key} names a secret that only its author has: ask for it, with secret = true"),
            );
        }
        for (at, question) in template.questions.iter().enumerate() {
            let is_used = used.contains(question.name.as_str());
            self.expect(
                is_used,
                &format!("questions[{at}]"),
                format!("question {} is asked and not used", question.name),
            );
        }
    }

    fn ports_and_health(&mut self, template: &Template) {
        let mut inside = BTreeSet::new();
        for (at, port) in template.ports.iter().enumerate() {
            let path = format!("ports[{at}].container");
            self.expect(port.container > 0, &path, "a port is 1 to 65535");
            let new = inside.insert((port.container, port.protocol.as_str()));
            self.expect(new, &path, format!("port {} is published twice", port.container));
            self.line_of_words(&format!("ports[{at}].description"), &port.description, 2, 100);
            let host = &port.host;
            let question = match pieces(host).as_slice() {
                [_, Piece::Placeholder(name), _] => template.question(name).map(|question| question.kind),
                _ => None,
            };
            self.expect(
                host.parse::<u16>().is_ok_and(|port| port > 0) || question == Some(AnswerKind::Port),
                &format!("ports[{at}].host"),
                format!("\"{host}\" is no host port: write a number, or the placeholder of a question of type port"),
            );
        }
        let probed = match &template.health {
            None => {
                return self.find("id", "there is no health check: add [health], so that a deploy knows that it works");
            }
            Some(HealthCheck::Command { .. }) => return,
            Some(HealthCheck::Http { port, .. } | HealthCheck::Tcp { port }) => *port,
        };
        let known = template.ports.iter().any(|port| port.container == probed && port.protocol.as_str() == "tcp");
        self.expect(known, "health.port", format!("the health check asks port {probed}, which is none of the app's"));
    }

    fn volumes(&mut self, template: &Template) {
        for (at, volume) in template.volumes.iter().enumerate() {
            let path = format!("volumes[{at}].source");
            let source = &volume.source;
            let own = pieces(source).iter().any(|piece| {
                matches!(piece, Piece::Placeholder(name) if *name == APP
                    || template.question(name).is_some_and(|question| question.kind == AnswerKind::Path))
            });
            self.expect(
                own || source.starts_with('/'),
                &path,
                format!("two apps would share the volume {source}: write {{{{app}}}} into its name"),
            );
            self.expect(
                !source.starts_with('/'),
                &path,
                format!("the folder {source} is another one on every host: ask for it, with a question of type path"),
            );
            self.line_of_words(&format!("volumes[{at}].description"), &volume.description, 2, 100);
        }
    }

    /// With plausible answers it has to become an app that can be deployed.
    fn rendered(&mut self, template: &Template) {
        let answers: BTreeMap<String, String> = template.questions.iter().map(plausible).collect();
        let fitting = template.questions.iter().all(|question| question.check(&answers[&question.name]).is_ok());
        // A pattern of its own is beyond guessing: then only what has defaults is filled in.
        let answers = if fitting { answers } else { return };
        let checked = template.render("sample", &answers).and_then(|spec| spec.check());
        if let Err(misfit) = checked {
            self.find(misfit.field.split('.').next().unwrap_or_default(), misfit.message);
        }
    }
}

fn plausible(question: &Question) -> (String, String) {
    let text = match question.kind {
        _ if question.secret => "secret://sample",
        AnswerKind::String | AnswerKind::Enum => "sample",
        AnswerKind::Int => "1",
        AnswerKind::Bool => "true",
        AnswerKind::Url => "https://sample.example",
        AnswerKind::Email => "sample@sample.example",
        AnswerKind::Timezone => "UTC",
        AnswerKind::Port => "8080",
        AnswerKind::Path => "/srv/sample",
    };
    let answer = question.default.as_deref().or(question.choices.first().map(String::as_str)).unwrap_or(text);
    (question.name.clone(), answer.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"id = "x"
name = "X"
summary = "Does what x does"
description = "A sample that is long enough to say what the app is for, and what to know before."
version = "1.2"
template_version = 1
category = "tools"
homepage = "https://x.example"
license = "MIT"
image = "x/x:1.2"
memory_min_mib = 64
disk_min_mib = 64

[health]
kind = "http"
port = 80
path = "/"

[env]
KEY = "{{key}}"

[[questions]]
name = "key"
label = "Key"
secret = true
generate = "hex:16"

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
description = "everything"
"#;

    #[test]
    fn every_finding_has_its_line() {
        assert_eq!(lint(GOOD), []);
        for (from, to, line, said) in [
            ("id = \"x\"", "id = \"X_y\"", 1, "a-z, 0-9 and - only"),
            ("Does what x does", "Short", 3, "10 to 80"),
            ("x/x:1.2", "x/x:latest", 10, "moves"),
            ("x/x:1.2", "x/x", 10, "it has no tag"),
            ("x/x:1.2", "evil.example/x:1.2", 10, "registry"),
            ("memory_min_mib = 64", "memory_min_mib = 1", 11, "4 to 65536"),
            ("disk_min_mib = 64", "disk_min_mib = -1", 12, ""),
            ("port = 80\n", "port = 81\n", 16, "asks port 81"),
            ("[health]\nkind = \"http\"\nport = 80\npath = \"/\"", "", 1, "no health check"),
            ("KEY = \"{{key}}\"", "KEY = \"a{{key}}\"", 20, "whole value"),
            ("KEY = \"{{key}}\"", "KEY = \"{{key}}\"\nA_TOKEN = \"abc\"", 21, "looks like a secret"),
            ("KEY = \"{{key}}\"", "KEY = \"{{key}}\"\nB = \"{{none}}\"", 21, "has no question"),
            ("KEY = \"{{key}}\"", "KEY = \"{{key}}\"\nB = \"{{key\"", 21, "not closed"),
            ("hex:16", "hex:3", 26, "password:N"),
            ("default = 8080", "default = \"x\"", 32, "is no port"),
            ("type = \"port\"", "type = \"haven\"", 31, "haven"),
            ("default = 8080", "default = 8080\nunknown = 1", 33, "unknown"),
            ("host = \"{{port}}\"", "host = 8080", 28, "asked and not used"),
            ("{{app}}-data", "data", 40, "share the volume"),
            ("{{app}}-data", "/var/run/docker.sock", 40, "another one on every host"),
            ("target = \"/data\"", "target = \"data\"", 39, "not an absolute path"),
            ("license = \"MIT\"", "license = \"MIT\"\nprivileged = true", 10, "privileged"),
            ("license = \"MIT\"", "license = \"MIT\"\nservices = []", 10, "services"),
            ("label = \"Port\"", "label = \"\\u001b[31mPort\"", 30, "can be shown"),
            ("description = \"web\"", "description = \"a\\nb\"", 37, "can be shown"),
            ("type = \"port\"", "type = \"enum\"\nchoices = [\"8080\", \"\\u001b\"]", 32, "a choice does not fit"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let found = lint(&GOOD.replace(from, to));
            let fits = found.iter().any(|finding| finding.line == line && finding.message.contains(said));
            assert!(fits, "{to}: {found:?}");
        }
    }

    #[test]
    fn any_text_is_linted_without_panic() {
        for text in ["", "\u{0}", "id = ", "[[questions]]", "id = 1", "{{", &"x".repeat(70_000)] {
            assert!(!lint(text).is_empty(), "{text}");
        }
        // Cut anywhere.
        for (at, _) in GOOD.char_indices() {
            drop(lint(&GOOD[..at]));
        }
    }
}
