//! An app as a compose file, which compose and `tomo app import` both read.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::{
    model::{
        app::{AppSpec, HealthCheck, RestartPolicy},
        spec::SECRET_REFERENCE,
    },
    text::is_display_safe,
};

use super::service::HEALTH;

/// Writes an app's configuration out. Secrets stay names.
#[must_use]
pub fn export(name: &str, spec: &AppSpec) -> String {
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("a text takes everything");
    let all = || std::iter::once(spec).chain(spec.services.values());
    if all().flat_map(|one| one.env.values()).any(|value| secret(value).is_some()) {
        line("# secret://NAME stands for a value that is sealed in Tomo; compose does not know it.".to_owned());
    }
    if !spec.services.is_empty() {
        line(format!("name: {}", quoted(name)));
    }
    line("services:".to_owned());
    service(spec.alias.as_deref().unwrap_or(name), spec, &mut line);
    spec.services.iter().for_each(|(name, spec)| service(name, spec, &mut line));
    let named: BTreeSet<&str> =
        spec.all_volumes().filter(|volume| !volume.is_bind()).map(|volume| volume.source.as_str()).collect();
    if !named.is_empty() {
        line("volumes:".to_owned());
    }
    for name in named {
        // Without its name, compose would call it by the folder's.
        line(format!("  {}:\n    name: {}", quoted(name), quoted(name)));
    }
    let texts: BTreeSet<&str> = all().flat_map(|one| one.files.values()).map(String::as_str).collect();
    let (secrets, contents): (Vec<&str>, Vec<&str>) = texts.into_iter().partition(|text| secret(text).is_some());
    for (at, name) in secrets.iter().filter_map(|text| secret(text)).enumerate() {
        let head = if at == 0 { "secrets:\n" } else { "" };
        // Whoever uses compose writes the value there.
        line(format!("{head}  {}:\n    file: {}", quoted(name), quoted(&format!("./{name}"))));
    }
    for (at, text) in contents.iter().enumerate() {
        let head = if at == 0 { "configs:\n" } else { "" };
        line(format!("{head}  {}:\n    content: {}", config(text), quoted(text)));
    }
    out
}

/// The name of the secret that stands for a value.
fn secret(text: &str) -> Option<&str> {
    text.strip_prefix(SECRET_REFERENCE)
}

/// What the contents of a file are called: the same wherever they are.
fn config(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hex: String = digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("file-{hex}")
}

fn service(name: &str, spec: &AppSpec, line: &mut impl FnMut(String)) {
    line(format!("  {}:", quoted(name)));
    line(format!("    image: {}", quoted(&spec.image)));
    for (key, words) in [("entrypoint", &spec.entrypoint), ("command", &spec.command), ("cap_add", &spec.capabilities)]
    {
        if !words.is_empty() {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            line(format!("    {key}: [{}]", words.join(", ")));
        }
    }
    if let Some(user) = &spec.user {
        line(format!("    user: {}", quoted(user)));
    }
    let restart = match spec.restart {
        RestartPolicy::OnFailure => "on-failure:5",
        other => other.as_str(),
    };
    line(format!("    restart: {}", quoted(restart)));
    if !spec.depends_on.is_empty() {
        line("    depends_on:".to_owned());
    }
    for name in &spec.depends_on {
        line(format!("      {}: {{condition: service_healthy}}", quoted(name)));
    }
    for (key, pairs) in [("environment", &spec.env), ("labels", &spec.labels)] {
        if !pairs.is_empty() {
            line(format!("    {key}:"));
            pairs.iter().for_each(|(key, value)| line(format!("      {}: {}", quoted(key), quoted(value))));
        }
    }
    if !spec.ports.is_empty() {
        line("    ports:".to_owned());
    }
    for port in &spec.ports {
        let address = if port.loopback { "127.0.0.1:" } else { "" };
        // Without a host port the engine chooses one: `80`, or `127.0.0.1::80`.
        let host = match port.host {
            Some(host) => format!("{host}:"),
            None if port.loopback => ":".to_owned(),
            None => String::new(),
        };
        let text = format!("{address}{host}{}/{}", port.container, port.protocol.as_str());
        line(format!("      - {}", quoted(&text)));
    }
    if !spec.volumes.is_empty() {
        line("    volumes:".to_owned());
    }
    for volume in &spec.volumes {
        let kind = if volume.is_bind() { "bind" } else { "volume" };
        line(format!("      - type: {kind}"));
        line(format!("        source: {}", quoted(&volume.source)));
        line(format!("        target: {}", quoted(&volume.target)));
        if volume.read_only {
            line("        read_only: true".to_owned());
        }
    }
    let (secrets, configs): (Vec<_>, Vec<_>) = spec.files.iter().partition(|(_, text)| secret(text).is_some());
    for (key, files) in [("secrets", secrets), ("configs", configs)] {
        if !files.is_empty() {
            line(format!("    {key}:"));
        }
        for (path, text) in files {
            let source = secret(text).map_or_else(|| config(text), quoted);
            line(format!("      - source: {source}\n        target: {}", quoted(path)));
        }
    }
    if let Some(bytes) = spec.memory_limit_bytes {
        line(format!("    mem_limit: {bytes}"));
    }
    if let Some(millis) = spec.cpu_limit_millis {
        line(format!("    cpus: \"{}.{:03}\"", millis / 1_000, millis % 1_000));
    }
    match &spec.health {
        Some(HealthCheck::Command { command }) => {
            let words: Vec<String> =
                std::iter::once("CMD").chain(command.iter().map(String::as_str)).map(quoted).collect();
            line(format!("    healthcheck: {{test: [{}]}}", words.join(", ")));
        }
        Some(health) => line(format!("    {HEALTH}: {}", quoted(&health.to_string()))),
        None => {}
    }
}

/// A text in quotes, safe to show; a dollar sign stands for itself.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for one in text.chars() {
        match one {
            '"' | '\\' => out.extend(['\\', one]),
            '$' => out.push_str("$$"),
            _ if is_display_safe(one) => out.push(one),
            _ => write!(out, "\\U{:08x}", u32::from(one)).expect("a text takes everything"),
        }
    }
    out.push('"');
    out
}
