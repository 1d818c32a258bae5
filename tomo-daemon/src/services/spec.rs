//! What an app's configuration may say, and how two of them differ.

use std::collections::{BTreeMap, BTreeSet};

use tomo_proto::{
    error::ErrorCode,
    model::{
        app::{AppSpec, HealthCheck},
        plan::{Change, ChangeOp},
    },
    text::{display_line, is_display_safe},
};

use crate::services::{error::ServiceError, secret::REFERENCE};

/// Docker's own lower bound for a memory limit.
const MEMORY_MIN: u64 = 6 << 20;
const MAX_ITEMS: usize = 128;
const MAX_VALUE: usize = 32 * 1024;

fn invalid(field: impl Into<String>, message: impl Into<String>) -> ServiceError {
    ServiceError::new(ErrorCode::Invalid, message).with_field(field)
}

/// Checks every field; the error names the first that does not fit.
pub(super) fn check(spec: &AppSpec) -> Result<(), ServiceError> {
    check_image(&spec.image).map_err(|message| invalid("image", message))?;
    for (field, count) in [
        ("command", spec.command.len()),
        ("ports", spec.ports.len()),
        ("env", spec.env.len()),
        ("volumes", spec.volumes.len()),
    ] {
        if count > MAX_ITEMS {
            return Err(invalid(field, format!("{field} has at most {MAX_ITEMS} entries")));
        }
    }
    if spec.command.iter().any(|part| part.len() > MAX_VALUE || part.contains('\0')) {
        return Err(invalid("command", "an argument is too long or holds a null character"));
    }
    let mut hosts = BTreeSet::new();
    for port in &spec.ports {
        if port.container == 0 || port.host == 0 {
            return Err(invalid("ports", "a port is 1 to 65535"));
        }
        if !hosts.insert((port.host, port.protocol.as_str())) {
            return Err(invalid("ports", format!("host port {} is published twice", port.host)));
        }
    }
    for (key, value) in &spec.env {
        let head = key.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        if !head || !key.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '_' | '.' | '-')) {
            let shown = display_line(key, 60);
            return Err(invalid("env", format!("\"{shown}\" is not a variable's name: letters, digits and _ only")));
        }
        if value.len() > MAX_VALUE || value.contains('\0') {
            return Err(invalid(
                format!("env.{key}"),
                format!("the value of {key} is too long or holds a null character"),
            ));
        }
        if let Some(name) = value.strip_prefix(REFERENCE) {
            tomo_proto::api::check_name(name).map_err(|error| invalid(format!("env.{key}"), error))?;
        }
    }
    let mut targets = BTreeSet::new();
    for volume in &spec.volumes {
        if volume.is_bind() {
            let plain = volume.source.chars().all(|one| is_display_safe(one) && one != ':');
            if !plain || volume.source.split('/').any(|part| part == "..") {
                return Err(invalid(
                    "volumes",
                    format!("\"{}\" is not a plain absolute path", display_line(&volume.source, 80)),
                ));
            }
        } else {
            tomo_proto::api::check_name(&volume.source)
                .map_err(|error| invalid("volumes", format!("volume name: {error}")))?;
        }
        let target = &volume.target;
        let plain =
            target.starts_with('/') && target.len() > 1 && target.chars().all(|one| is_display_safe(one) && one != ':');
        if !plain || target.split('/').any(|part| part == "..") {
            return Err(invalid(
                "volumes",
                format!("\"{}\" is not an absolute path below / inside the container", display_line(target, 80)),
            ));
        }
        if !targets.insert(target) {
            return Err(invalid("volumes", format!("two volumes are mounted at {target}")));
        }
    }
    if spec.memory_limit_bytes.is_some_and(|bytes| bytes < MEMORY_MIN) {
        return Err(invalid("memory_limit_bytes", "a memory limit is at least 6 MiB"));
    }
    match &spec.health {
        Some(HealthCheck::Http { port: 0, .. } | HealthCheck::Tcp { port: 0 }) => {
            Err(invalid("health", "the health check's port is 1 to 65535"))
        }
        Some(HealthCheck::Http { path, .. }) => {
            let plain =
                path.starts_with('/') && path.len() <= 1_024 && path.bytes().all(|byte| byte.is_ascii_graphic());
            if plain {
                Ok(())
            } else {
                Err(invalid("health", "the health check's path begins with / and has no blanks"))
            }
        }
        _ => Ok(()),
    }
}

/// The grammar of image references, as the distribution project's `reference` package has it, without its rarer forms.
fn check_image(image: &str) -> Result<(), String> {
    let shown = display_line(image, 120);
    let wrong = |why: &str| Err(format!("\"{shown}\" is not an image name: {why}"));
    if image.is_empty() {
        return Err("the image's name is missing, e.g. nginx:1.27".to_owned());
    }
    if image.len() > 255 {
        return wrong("it is longer than 255 characters");
    }
    let (rest, digest) = image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    if let Some(digest) = digest {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()) {
            return wrong("its digest is not sha256: and 64 hex digits");
        }
    }
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    if let Some(tag) = tag {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(word) || tag.starts_with(['.', '-']) {
            return wrong("its tag has letters, digits, _, . and - only");
        }
    } else if digest.is_none() {
        return wrong("it has no tag; name one, e.g. :1.27, so that it is known what runs");
    }
    let mut parts = name.split('/').peekable();
    let host = parts.peek().is_some_and(|first| first.contains(['.', ':']) || *first == "localhost");
    if host && name.contains('/') {
        let registry = parts.next().unwrap_or_default();
        let fits = registry.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
            && registry
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']'));
        if !fits {
            return wrong("its registry is not a host name with an optional port");
        }
    }
    let component = |part: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
        edge(part.bytes().next()) && edge(part.bytes().last()) && part.bytes().all(inner)
    };
    if parts.all(component) { Ok(()) } else { wrong("its parts have a-z, 0-9, ., _ and - only") }
}

/// A configuration as lines of text by path. Values of references are shown as references, which is all that is known.
fn lines(spec: &AppSpec) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::from([
        ("image".to_owned(), spec.image.clone()),
        ("restart".to_owned(), spec.restart.as_str().to_owned()),
    ]);
    if !spec.command.is_empty() {
        lines.insert("command".to_owned(), spec.command.join(" "));
    }
    for port in &spec.ports {
        let loopback = if port.loopback { " on loopback" } else { "" };
        lines.insert(
            format!("ports.{}/{}", port.host, port.protocol.as_str()),
            format!("to {} inside{loopback}", port.container),
        );
    }
    for (key, value) in &spec.env {
        lines.insert(format!("env.{key}"), value.clone());
    }
    for volume in &spec.volumes {
        let read_only = if volume.read_only { " read-only" } else { "" };
        lines.insert(format!("volumes.{}", volume.target), format!("{}{read_only}", volume.source));
    }
    if let Some(bytes) = spec.memory_limit_bytes {
        lines.insert("memory_limit".to_owned(), memory(bytes));
    }
    match &spec.health {
        Some(HealthCheck::Http { port, path }) => {
            drop(lines.insert("health".to_owned(), format!("HTTP GET :{port}{path}")))
        }
        Some(HealthCheck::Tcp { port }) => drop(lines.insert("health".to_owned(), format!("TCP :{port}"))),
        None => {}
    }
    lines
}

/// An amount of memory in the largest unit that says it exactly.
fn memory(bytes: u64) -> String {
    match bytes {
        bytes if bytes % (1 << 30) == 0 => format!("{} GiB", bytes >> 30),
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes => format!("{bytes} bytes"),
    }
}

/// What changes from one configuration to another, by path.
pub(super) fn difference(from: Option<&AppSpec>, to: Option<&AppSpec>) -> Vec<Change> {
    let (from, to) = (from.map(lines).unwrap_or_default(), to.map(lines).unwrap_or_default());
    let paths: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    paths
        .into_iter()
        .filter_map(|path| {
            let (before, after) = (from.get(path), to.get(path));
            let op = match (before, after) {
                (None, Some(_)) => ChangeOp::Add,
                (Some(_), None) => ChangeOp::Remove,
                (before, after) if before == after => return None,
                _ => ChangeOp::Set,
            };
            let shown = |value: Option<&String>| value.map(|value| display_line(value, 200));
            Some(Change { op, path: path.clone(), from: shown(before), to: shown(after) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use tomo_proto::model::app::{PortSpec, Protocol, VolumeSpec};

    use super::*;

    fn image(name: &str) -> AppSpec {
        AppSpec { image: name.to_owned(), ..AppSpec::default() }
    }

    #[test]
    fn image_names_are_the_engines() {
        for good in [
            "nginx:1.27",
            "library/nginx:latest",
            "127.0.0.1:5000/web:1",
            "ghcr.io/owner/app-1:v1.2_3",
            &format!("redis@sha256:{}", "a".repeat(64)),
            &format!("localhost/redis:7@sha256:{}", "0".repeat(64)),
        ] {
            assert!(check(&image(good)).is_ok(), "{good}");
        }
        for bad in [
            "",
            "nginx",
            "nginx:",
            "Nginx:1",
            "nginx:1 ",
            "a b:1",
            "nginx:1;reboot",
            "-x:1",
            "x-:1",
            "a//b:1",
            "../a:1",
            "nginx@sha256:zz",
            "nginx:\u{1b}[2J",
            "http://x/y:1",
            &format!("{}:1", "x".repeat(300)),
        ] {
            assert_eq!(check(&image(bad)).expect_err(bad).error.field.as_deref(), Some("image"), "{bad}");
        }
    }

    #[test]
    fn each_field_is_checked_and_named() {
        let port = |host, container| PortSpec { container, host, protocol: Protocol::Tcp, loopback: false };
        let volume = |source: &str, target: &str| VolumeSpec {
            source: source.to_owned(),
            target: target.to_owned(),
            read_only: false,
        };
        let base = || image("nginx:1");
        let env = |key: &str, value: &str| AppSpec { env: [(key.to_owned(), value.to_owned())].into(), ..base() };
        for (spec, field) in [
            (AppSpec { ports: vec![port(0, 1)], ..base() }, "ports"),
            (AppSpec { ports: vec![port(80, 1), port(80, 2)], ..base() }, "ports"),
            (env("A B", "x"), "env"),
            (env("", "x"), "env"),
            (env("A", "\0"), "env.A"),
            (env("A", "secret://../x"), "env.A"),
            (AppSpec { volumes: vec![volume("data", "relative")], ..base() }, "volumes"),
            (AppSpec { volumes: vec![volume("/srv/../etc", "/data")], ..base() }, "volumes"),
            (AppSpec { volumes: vec![volume("Bad Name", "/data")], ..base() }, "volumes"),
            (AppSpec { volumes: vec![volume("a", "/data"), volume("b", "/data")], ..base() }, "volumes"),
            (AppSpec { volumes: vec![volume("/a:ro", "/data")], ..base() }, "volumes"),
            (AppSpec { memory_limit_bytes: Some(5), ..base() }, "memory_limit_bytes"),
            (AppSpec { health: Some(HealthCheck::Tcp { port: 0 }), ..base() }, "health"),
            (AppSpec { health: Some(HealthCheck::Http { port: 1, path: "x y".to_owned() }), ..base() }, "health"),
        ] {
            assert_eq!(check(&spec).expect_err(field).error.field.as_deref(), Some(field), "{spec:?}");
        }
    }

    #[test]
    fn memory_is_shown_as_people_write_it() {
        for (bytes, shown) in [(64 << 20, "64 MiB"), (2 << 30, "2 GiB"), (1_000_000_000, "1000000000 bytes")] {
            let spec = AppSpec { memory_limit_bytes: Some(bytes), ..image("nginx:1") };
            assert_eq!(lines(&spec)["memory_limit"], shown);
        }
    }

    #[test]
    fn a_difference_has_one_line_for_each_change() {
        let before = AppSpec {
            env: [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())].into(),
            ..image("nginx:1")
        };
        let after = AppSpec {
            env: [("A".to_owned(), "1".to_owned()), ("C".to_owned(), "secret://c".to_owned())].into(),
            ..image("nginx:2")
        };
        let changes: Vec<_> =
            difference(Some(&before), Some(&after)).into_iter().map(|change| (change.op, change.path)).collect();
        let expected = [(ChangeOp::Remove, "env.B"), (ChangeOp::Add, "env.C"), (ChangeOp::Set, "image")];
        assert_eq!(changes, expected.map(|(op, path)| (op, path.to_owned())));
        assert!(difference(Some(&before), Some(&before)).is_empty());
    }
}
