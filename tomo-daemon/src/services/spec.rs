//! What an app's configuration may say, and how two of them differ.

use std::collections::{BTreeMap, BTreeSet};

use tomo_proto::{
    error::ErrorCode,
    model::{
        app::{AppSpec, PortSpec, Service, VolumeSpec},
        plan::{Change, ChangeOp},
    },
    text::display_line,
    wire::command::STOP_SECS,
};

use crate::services::error::ServiceError;

/// Checks every field; the error names the first that does not fit.
pub(super) fn check(spec: &AppSpec) -> Result<(), ServiceError> {
    spec.check().map_err(|misfit| ServiceError::new(ErrorCode::Invalid, misfit.message).with_field(misfit.field))
}

/// A configuration as lines of text by path. Values of references are shown as references, which is all that is known.
fn lines(spec: &AppSpec) -> BTreeMap<String, String> {
    let mut lines = lines_of_container(spec);
    if let Some(alias) = &spec.alias {
        lines.insert("alias".to_owned(), alias.clone());
    }
    for (name, service) in &spec.services {
        lines.extend(
            lines_of_container(service).into_iter().map(|(path, line)| (format!("services.{name}.{path}"), line)),
        );
    }
    lines
}

fn lines_of_container(spec: &AppSpec) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::from([
        ("image".to_owned(), spec.image.clone()),
        ("restart".to_owned(), spec.restart.as_str().to_owned()),
    ]);
    for (path, words, glue) in [
        ("command", &spec.command, " "),
        ("entrypoint", &spec.entrypoint, " "),
        ("depends_on", &spec.depends_on, ", "),
        ("capabilities", &spec.capabilities, ", "),
    ] {
        if !words.is_empty() {
            lines.insert(path.to_owned(), words.join(glue));
        }
    }
    if let Some(user) = &spec.user {
        lines.insert("user".to_owned(), user.clone());
    }
    if let Some(millis) = spec.cpu_limit_millis {
        lines.insert("cpu_limit".to_owned(), format!("{}.{:03} cores", millis / 1_000, millis % 1_000));
    }
    for (label, value) in &spec.labels {
        lines.insert(format!("labels.{label}"), value.clone());
    }
    for port in &spec.ports {
        let loopback = if port.loopback { ", for this host only" } else { "" };
        let protocol = port.protocol.as_str();
        match port.host {
            Some(host) => drop(
                lines
                    .insert(format!("ports.{host}/{protocol}"), format!("container port {}{loopback}", port.container)),
            ),
            None => drop(lines.insert(
                format!("ports.any/{protocol} to {}", port.container),
                format!("a free host port, chosen by the engine{loopback}"),
            )),
        }
    }
    for (key, value) in &spec.env {
        lines.insert(format!("env.{key}"), value.clone());
    }
    for (path, contents) in &spec.files {
        lines.insert(format!("files.{path}"), contents.clone());
    }
    for volume in &spec.volumes {
        let read_only = if volume.read_only { " read-only" } else { "" };
        lines.insert(format!("volumes.{}", volume.target), format!("{}{read_only}", volume.source));
    }
    if let Some(bytes) = spec.memory_limit_bytes {
        lines.insert("memory_limit".to_owned(), memory(bytes));
    }
    if let Some(health) = &spec.health {
        lines.insert("health".to_owned(), health.to_string());
    }
    lines
}

/// An amount of data as people read it.
pub(super) fn amount(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{}.{} GiB", bytes >> 30, ((bytes % (1 << 30)) * 10) >> 30),
    }
}

/// An amount of memory in the largest unit that says it exactly.
fn memory(bytes: u64) -> String {
    match bytes {
        bytes if bytes % (1 << 30) == 0 => format!("{} GiB", bytes >> 30),
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes => format!("{bytes} bytes"),
    }
}

/// What is known beforehand of how long nothing answers while one configuration replaces another.
pub(super) fn downtime(from: &AppSpec, to: &AppSpec, overlap_secs: u32) -> String {
    for service in to.in_order() {
        let own = service.name.map_or(Some(from), |name| from.services.get(name));
        // A service that does not change goes on.
        if service.name.is_some() && own == Some(service.spec) {
            continue;
        }
        if let Some(why) = in_the_way(from, to, own, service) {
            let which = service.name.map_or_else(|| "one".to_owned(), |name| format!("\"{name}\""));
            return format!(
                "the old {which} stops first, since {why}: until it has ended, {STOP_SECS} s at most, and the new one answers"
            );
        }
    }
    if to.all_ports().next().is_none() {
        return "none: the new one runs beside the old one until it is healthy".to_owned();
    }
    format!("none: the new one runs beside the old one, which goes on answering for {overlap_secs} s after")
}

/// Why what runs has to stop before a new container starts, as the agent decides it too.
fn in_the_way(from: &AppSpec, to: &AppSpec, own: Option<&AppSpec>, service: Service<'_>) -> Option<String> {
    let is_fixed = |port: &&PortSpec| {
        let same = |held: &PortSpec| held.host == port.host && held.protocol == port.protocol;
        port.host.is_some() && from.all_ports().any(same)
    };
    if let Some(port) = service.spec.ports.iter().find(is_fixed) {
        return Some(format!("port {} is fixed", port.host_text()));
    }
    let own = own?;
    let is_shared = |volume: &&VolumeSpec| {
        let writes = |held: &VolumeSpec| held.source == volume.source && !(held.read_only && volume.read_only);
        own.volumes.iter().any(writes)
    };
    if let Some(volume) = service.spec.volumes.iter().find(is_shared) {
        return Some(format!("both write to {}", display_line(&volume.source, 80)));
    }
    to.is_depended_on(service.name).then(|| "other services reach it by its name".to_owned())
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
    use tomo_proto::model::app::{HealthCheck, Protocol};

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
        let port = |host, container| PortSpec { container, host: Some(host), protocol: Protocol::Tcp, loopback: false };
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
    fn downtime_is_said_beforehand_with_its_reason() {
        let port = |host| PortSpec { container: 80, host, protocol: Protocol::Tcp, loopback: false };
        let volume = |read_only| VolumeSpec { source: "data".to_owned(), target: "/data".to_owned(), read_only };
        let with = |ports: Vec<PortSpec>, volumes: Vec<VolumeSpec>| AppSpec { ports, volumes, ..image("web:1") };
        let said = |from: &AppSpec, to: &AppSpec| downtime(from, to, 7);
        let fixed = with(vec![port(Some(8080))], Vec::new());
        assert!(said(&fixed, &fixed).contains("stops first, since port 8080 is fixed"));
        assert!(said(&fixed, &with(vec![port(Some(8081))], Vec::new())).starts_with("none"));
        let free = with(vec![port(None)], Vec::new());
        assert!(said(&free, &free).ends_with("answering for 7 s after"));
        let writes = with(vec![port(None)], vec![volume(false)]);
        assert!(said(&writes, &writes).contains("both write to data"));
        let reads = with(Vec::new(), vec![volume(true)]);
        assert!(said(&reads, &writes).contains("both write to data") && said(&reads, &reads).starts_with("none"));
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
