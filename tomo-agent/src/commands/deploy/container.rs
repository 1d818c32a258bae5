//! The engine's configuration of an app's container, built from the typed model and nothing else.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HostConfig, HostConfigLogConfig, Mount, MountType, PortBinding,
    RestartPolicy as EngineRestart, RestartPolicyNameEnum,
};
use tomo_proto::{
    error::ErrorCode,
    model::{
        app::{AppSpec, Protocol, RestartPolicy},
        spec::SECRET_REFERENCE,
    },
    wire::command::DeployApp,
};

use crate::{
    commands::Failure,
    docker::{APP_LABEL, MADE_LABEL, NAME_LABEL, REVISION_LABEL},
};

const PIDS_LIMIT: i64 = 4_096;

/// The container of a deploy; the engine does not restart it until it has shown that it lives. A host port that nobody has named lies in `free_ports`; empty leaves it to the engine.
pub(super) fn body_of(deploy: &DeployApp, free_ports: &str) -> Result<ContainerCreateBody, Failure> {
    let spec = &deploy.spec;
    let mut env = Vec::with_capacity(spec.env.len());
    for (key, value) in &spec.env {
        let value = match value.strip_prefix(SECRET_REFERENCE) {
            Some(name) => deploy.secrets.get(name).map(|secret| secret.reveal().to_owned()).ok_or_else(|| {
                Failure::new(ErrorCode::NotFound, format!("the secret \"{name}\" of variable {key} did not come along"))
            })?,
            None => value.clone(),
        };
        env.push(format!("{key}={value}"));
    }
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in &spec.ports {
        let host_ip = if port.loopback { "127.0.0.1".to_owned() } else { String::new() };
        let host_port = port.host.map_or_else(|| free_ports.to_owned(), |host| host.to_string());
        let binding = PortBinding { host_ip: Some(host_ip), host_port: Some(host_port) };
        let key = format!("{}/{}", port.container, port.protocol.as_str());
        bindings.entry(key).or_default().get_or_insert_default().push(binding);
    }
    let mounts = spec.volumes.iter().map(|volume| Mount {
        target: Some(volume.target.clone()),
        source: Some(volume.source.clone()),
        typ: Some(if volume.is_bind() { MountType::BIND } else { MountType::VOLUME }),
        read_only: Some(volume.read_only),
        ..Mount::default()
    });
    let rotation = [("max-size", "10m"), ("max-file", "3")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    Ok(ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: (!spec.command.is_empty()).then(|| spec.command.clone()),
        env: Some(env),
        exposed_ports: Some(bindings.keys().cloned().collect()),
        labels: Some(HashMap::from([
            (APP_LABEL.to_owned(), deploy.app.to_string()),
            (NAME_LABEL.to_owned(), deploy.name.clone()),
            (REVISION_LABEL.to_owned(), deploy.revision.to_string()),
        ])),
        host_config: Some(HostConfig {
            port_bindings: Some(bindings),
            mounts: Some(mounts.collect()),
            restart_policy: Some(never()),
            memory: spec.memory_limit_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            pids_limit: Some(PIDS_LIMIT),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(rotation.into()) }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    })
}

const fn never() -> EngineRestart {
    EngineRestart { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }
}

/// When the engine restarts an app's container once it is the app.
pub(super) const fn restart_of(spec: &AppSpec) -> EngineRestart {
    let (name, retries) = match spec.restart {
        RestartPolicy::No => (RestartPolicyNameEnum::NO, None),
        RestartPolicy::OnFailure => (RestartPolicyNameEnum::ON_FAILURE, Some(5)),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
    };
    EngineRestart { name: Some(name), maximum_retry_count: retries }
}

/// The container of an app that is tried out on a restored volume: it publishes nothing, belongs to no app, is in that network only, and
/// of what the app mounts it has the restored volume; everything else is empty.
pub(in crate::commands) fn trial_body(
    deploy: &DeployApp,
    volume: &str,
    restored: &str,
    made_for: &str,
) -> Result<ContainerCreateBody, Failure> {
    let mut body = body_of(deploy, "")?;
    body.labels = Some(HashMap::from([(MADE_LABEL.to_owned(), made_for.to_owned())]));
    if let Some(host) = &mut body.host_config {
        host.port_bindings = None;
        host.network_mode = Some(restored.to_owned());
        for mount in host.mounts.iter_mut().flatten() {
            let is_it = mount.typ == Some(MountType::VOLUME) && mount.source.as_deref() == Some(volume);
            mount.source = is_it.then(|| restored.to_owned());
            mount.typ = Some(MountType::VOLUME);
        }
    }
    Ok(body)
}

/// Whether a container is what this body would make, apart from when it is restarted: then it serves in its place.
pub(super) fn is_made_of(body: &ContainerCreateBody, found: &ContainerInspectResponse) -> bool {
    let (Some(wanted), Some(config), Some(host)) = (&body.host_config, &found.config, &found.host_config) else {
        return false;
    };
    let of_image = |env: &&String| config.env.as_ref().is_some_and(|known| known.contains(env));
    config.image == body.image
        && (body.cmd.is_none() || config.cmd == body.cmd)
        && config
            .labels
            .as_ref()
            .is_some_and(|known| body.labels.iter().flatten().all(|(label, value)| known.get(label) == Some(value)))
        && body.env.iter().flatten().all(|env| of_image(&env))
        && host.port_bindings.clone().unwrap_or_default() == wanted.port_bindings.clone().unwrap_or_default()
        && places(host.mounts.as_ref()) == places(wanted.mounts.as_ref())
        && host.memory.unwrap_or(0) == wanted.memory.unwrap_or(0)
        && host.privileged != Some(true)
}

fn places(mounts: Option<&Vec<Mount>>) -> Vec<(Option<&String>, Option<&String>, bool)> {
    let place = |mount: &'_ Mount| mount.read_only.unwrap_or(false);
    let mounts = mounts.into_iter().flatten();
    mounts.map(|mount| (mount.source.as_ref(), mount.target.as_ref(), place(mount))).collect()
}

/// The ports of the host that a container has, or will have when it runs.
pub(super) fn ports_of(found: &ContainerInspectResponse) -> Vec<(u16, Protocol)> {
    let wanted = found.host_config.as_ref().and_then(|config| config.port_bindings.as_ref());
    let held = found.network_settings.as_ref().and_then(|settings| settings.ports.as_ref());
    let bindings = wanted.into_iter().chain(held).flatten();
    let each = bindings.flat_map(|(key, bindings)| {
        let protocol = if key.ends_with("/udp") { Protocol::Udp } else { Protocol::Tcp };
        let ports = bindings.iter().flatten().filter_map(|binding| binding.host_port.as_ref()?.parse().ok());
        ports.map(move |port| (port, protocol)).collect::<Vec<_>>()
    });
    each.collect()
}

/// Why the old container has to stop before the new one starts: one port for both, or one volume that either writes to.
pub(super) fn in_the_way(spec: &AppSpec, old: &ContainerInspectResponse) -> Option<String> {
    let held = ports_of(old);
    let fixed = spec.ports.iter().filter_map(|port| Some((port.host?, port.protocol)));
    if let Some((port, _)) = fixed.into_iter().find(|port| held.contains(port)) {
        return Some(format!("port {port} is fixed"));
    }
    let mounts = old.host_config.as_ref().and_then(|config| config.mounts.as_ref()).into_iter().flatten();
    let shared = spec.volumes.iter().find(|volume| {
        mounts.clone().any(|mount| {
            mount.source.as_ref() == Some(&volume.source) && !(volume.read_only && mount.read_only == Some(true))
        })
    });
    shared.map(|volume| format!("both write to {}", volume.source))
}
