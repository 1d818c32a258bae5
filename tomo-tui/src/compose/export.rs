//! An app as a compose file, which compose and `tomo app import` both read.

use std::fmt::Write as _;

use tomo_proto::{
    model::app::{AppSpec, HealthCheck, RestartPolicy},
    text::is_display_safe,
};

use super::service::HEALTH;

/// Writes an app's configuration out. Secrets stay names.
pub(crate) fn export(name: &str, spec: &AppSpec) -> String {
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("a text takes everything");
    if spec.env.values().any(|value| value.starts_with("secret://")) {
        line("# secret://NAME stands for a value that is sealed in Tomo; compose does not know it.".to_owned());
    }
    line("services:".to_owned());
    line(format!("  {}:", quoted(name)));
    line(format!("    image: {}", quoted(&spec.image)));
    if !spec.command.is_empty() {
        let words: Vec<String> = spec.command.iter().map(|word| quoted(word)).collect();
        line(format!("    command: [{}]", words.join(", ")));
    }
    let restart = match spec.restart {
        RestartPolicy::OnFailure => "on-failure:5",
        other => other.as_str(),
    };
    line(format!("    restart: {}", quoted(restart)));
    if !spec.env.is_empty() {
        line("    environment:".to_owned());
        spec.env.iter().for_each(|(key, value)| line(format!("      {}: {}", quoted(key), quoted(value))));
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
    if let Some(bytes) = spec.memory_limit_bytes {
        line(format!("    mem_limit: {bytes}"));
    }
    match &spec.health {
        Some(HealthCheck::Http { port, path }) => {
            line(format!("    {HEALTH}: {}", quoted(&format!("http:{port}{path}"))))
        }
        Some(HealthCheck::Tcp { port }) => line(format!("    {HEALTH}: \"tcp:{port}\"")),
        None => {}
    }
    let named: Vec<&str> =
        spec.volumes.iter().filter(|volume| !volume.is_bind()).map(|volume| volume.source.as_str()).collect();
    if !named.is_empty() {
        line("volumes:".to_owned());
    }
    for name in named {
        // Without its name, compose would call it by the folder's.
        line(format!("  {}:\n    name: {}", quoted(name), quoted(name)));
    }
    out
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
