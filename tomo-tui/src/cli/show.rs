//! One thing at a time, for people: a name and a value on each line.

use tomo_proto::model::{
    app::AppDetail,
    container::ContainerDetail,
    diagnosis::Diagnosis,
    operation::{Evidence, Operation},
    settings::Settings,
};

use crate::{
    cli::output::{as_subcommand, line, time},
    format::{self, bytes},
};

/// Prints a fact whose name is shown only where there is something to say.
fn fact(name: &str, value: impl AsRef<str>) {
    let value = tomo_proto::text::display_line(value.as_ref(), 2_000);
    if !value.is_empty() {
        line(format!("{name:<12} {value}"));
    }
}

pub(super) fn app(detail: &AppDetail) {
    let app = &detail.summary;
    fact("app", format!("{} on {}", app.name, app.server));
    fact("status", app.status.as_str());
    fact("last error", detail.last_error.as_deref().unwrap_or_default());
    fact("image", &app.image);
    if let Some(check) = &detail.image_check {
        fact("registry", format!("{}  (asked {})", format::image_check(check), time(check.checked_at)));
        if check.is_update() {
            fact("update", format!("tomo image pull {} {}, then deploy it again", app.server, app.image));
        }
    }
    fact("command", detail.spec.command.join(" "));
    for port in &app.ports {
        let loopback = if port.loopback { "127.0.0.1:" } else { "" };
        fact("port", format!("{loopback}{}:{}/{}", port.host_text(), port.container, port.protocol.as_str()));
    }
    for (key, value) in &detail.spec.env {
        fact("env", format!("{key}={value}"));
    }
    for (path, contents) in &detail.spec.files {
        fact("file", format::file(path, contents));
    }
    for volume in &detail.spec.volumes {
        fact("volume", format!("{}:{}{}", volume.source, volume.target, if volume.read_only { ":ro" } else { "" }));
    }
    for last in &detail.backups {
        let proof = match &last.drill {
            None => "restore never proven".to_owned(),
            Some(drill) if drill.proven => format!("restore proven {}", time(drill.at)),
            Some(drill) => format!("the last drill failed: {}", drill.result),
        };
        fact("backup", format!("{} of {}, made {}; {proof}", last.backup, last.volume, time(last.created_at)));
    }
    fact("restart", detail.spec.restart.as_str());
    fact("memory", detail.spec.memory_limit_bytes.map(bytes).unwrap_or_default());
    fact("health", detail.spec.health.as_ref().map(ToString::to_string).unwrap_or_default());
    fact("entrypoint", detail.spec.entrypoint.join(" "));
    fact("user", detail.spec.user.as_deref().unwrap_or_default());
    fact("capabilities", detail.spec.capabilities.join(", "));
    for (label, value) in &detail.spec.labels {
        fact("label", format!("{label}={value}"));
    }
    if let (Some(cores), Some(memory)) = (app.cpu_cores, app.memory_bytes) {
        fact("uses", format!("{cores:.2} cores, {}", bytes(memory)));
    }
    if let Some(container) = &detail.container {
        let code = container.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
        fact("container", format!("{} {}{code}", container.name, container.state.as_str()));
    }
    for (name, spec) in &detail.spec.services {
        let does = detail.services.get(name).map_or("missing", |container| container.state.as_str());
        let health = detail.services.get(name).map_or("", |container| container.health.as_str());
        fact("service", format!("{name}  {}  {does} {health}", spec.image));
    }
    for revision in &detail.revisions {
        let (at, image, by) = (time(revision.created_at), &revision.spec.image, &revision.actor);
        let place = format::place_of(detail, revision, |until| format!(", kept until {}", time(until)));
        fact("deployed", format!("{at}  {}  {image}  by {by}{place}", revision.id));
    }
}

pub(super) fn container(detail: &ContainerDetail) {
    let (container, config) = (&detail.container, &detail.config);
    fact("container", format!("{} on {}", container.name, detail.server));
    fact("app", container.app.as_deref().unwrap_or_default());
    let code = container.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
    fact("state", format!("{}{code}", container.state.as_str()));
    fact("health", container.health.as_str());
    fact("restarts", format!("{} by the engine", container.restarts));
    fact("made", time(container.created_at));
    fact("image", &container.image);
    fact("image id", &config.image_id);
    fact("entrypoint", config.entrypoint.join(" "));
    fact("command", config.command.join(" "));
    fact("user", &config.user);
    for port in &container.ports {
        let host = port.host.map_or_else(|| "not published".to_owned(), |host| format!("{}:{host}", port.address));
        fact("port", format!("{}/{} {host}", port.container, port.protocol));
    }
    for (key, value) in &config.env {
        fact("env", format!("{key}={value}"));
    }
    for mount in &config.mounts {
        let mode = if mount.read_only { " (read-only)" } else { "" };
        fact("mount", format!("{} {} at {}{mode}", mount.kind, mount.source, mount.target));
    }
    fact("networks", config.networks.join(" "));
    fact("restart", &config.restart);
    fact("memory", if config.memory_limit_bytes > 0 { bytes(config.memory_limit_bytes) } else { String::new() });
    let thousandths = config.cpu_limit_millis;
    fact(
        "cpu",
        if thousandths > 0 {
            format!("{}.{:03} cores", thousandths / 1_000, thousandths % 1_000)
        } else {
            String::new()
        },
    );
    fact("powers", config.powers.join(", "));
    if let Some(usage) = &container.usage {
        fact("uses", format!("{:.2} cores, {}", usage.cpu_cores, bytes(usage.memory_bytes)));
    }
    for (key, value) in &container.labels {
        fact("label", format!("{key}={value}"));
    }
}

pub(super) fn diagnosis(diagnosis: &Diagnosis) {
    fact("app", format!("{} on {}", diagnosis.app, diagnosis.server));
    fact("status", diagnosis.status.as_str());
    fact("verdict", &diagnosis.verdict);
    if let Some(change) = &diagnosis.last_change {
        let kind = change.kind.as_str();
        fact("last change", format!("{}  {kind} {}  by {}", time(change.at), change.status.as_str(), change.actor));
    }
    for missed in &diagnosis.not_seen {
        fact("not seen", missed);
    }
    for (number, cause) in diagnosis.causes.iter().enumerate() {
        line("");
        line(format!("{}. {} ({})", number + 1, cause.cause.as_str(), cause.confidence.as_str()));
        line(format!("   {}", cause.explanation));
        for quote in &cause.untrusted.evidence {
            let at = quote.at.map_or_else(String::new, |at| format!(" {}", time(at)));
            line(format!("   {}{at} | {}", quote.source.as_str(), quote.text));
        }
        line(format!("   next: {}", as_subcommand(&cause.next)));
    }
}

pub(super) fn operation(operation: &Operation) {
    fact("operation", operation.operation.to_string());
    let on = operation.server.as_deref().map_or_else(String::new, |server| format!(" on {server}"));
    fact("what", format!("{} {}{on}", operation.kind.as_str(), operation.target));
    fact("status", operation.status.as_str());
    fact("step", &operation.step);
    fact("by", &operation.actor);
    fact("started", time(operation.started_at));
    let took = operation.ended_at.map(|ended| format::duration(ended.saturating_sub(operation.started_at)));
    fact("took", took.unwrap_or_default());
    if let Some(error) = &operation.error {
        fact("error", format!("{}: {}", error.code.as_str(), error.message));
        fact("next", error.next.as_deref().unwrap_or_default());
    }
    fact("downtime", operation.downtime_ms.map(|ms| format!("{ms} ms, measured")).unwrap_or_default());
    for one in operation.log.iter().chain(&operation.evidence.iter().flat_map(Evidence::lines).collect::<Vec<_>>()) {
        fact("  |", one);
    }
}

pub(super) fn settings(settings: &Settings) -> anyhow::Result<()> {
    let serde_json::Value::Object(all) = serde_json::to_value(settings)? else { return Ok(()) };
    for (name, value) in all {
        let value = value.as_str().map_or_else(|| value.to_string(), |text| format!("\"{text}\""));
        line(format!("{name} = {}", tomo_proto::text::display_line(&value, 2_000)));
    }
    Ok(())
}
