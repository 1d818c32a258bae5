//! The engine's configuration of an app's container, built from the typed model and nothing else.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig,
    Mount, MountType, NetworkingConfig, PortBinding, RestartPolicy as EngineRestart, RestartPolicyNameEnum,
};
use tomo_proto::{
    error::ErrorCode,
    model::{
        app::{AppSpec, HealthCheck, Protocol, RestartPolicy, Service},
        spec::SECRET_REFERENCE,
    },
    wire::command::DeployApp,
};

use crate::{
    commands::{Failure, deploy::swap::network_of},
    docker::{APP_LABEL, Engine, EngineError, MADE_LABEL, NAME_LABEL, REVISION_LABEL, files::Files},
    identity::sha256_hex,
};

const PIDS_LIMIT: i64 = 4_096;
/// How often the engine runs a check inside, and how long one may take.
const PROBE_EVERY_NS: i64 = 5_000_000_000;

/// Label: SHA-256 of what the container was made of.
const MADE_OF_LABEL: &str = "dev.tomo.made-of";
/// Label: name of the service, where it is not the app's own container.
const SERVICE_LABEL: &str = "dev.tomo.service";

/// The container of one service of a deploy; the engine does not restart it until it has shown that it lives. A host port that nobody has
/// named lies in `free_ports`; empty leaves it to the engine.
pub(super) fn body_of(
    deploy: &DeployApp,
    service: &Service<'_>,
    image_id: &str,
    free_ports: &str,
) -> Result<ContainerCreateBody, Failure> {
    let spec = service.spec;
    let env = with_secrets(deploy, &spec.env)?.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
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
    let network = (!deploy.spec.services.is_empty()).then(|| network_of(&deploy.name));
    let alias = service.name.or(deploy.spec.alias.as_deref()).unwrap_or(&deploy.name);
    let endpoint = EndpointSettings { aliases: Some(vec![alias.to_owned()]), ..EndpointSettings::default() };
    let endpoints = network.clone().map(|network| HashMap::from([(network, endpoint)]));
    let words = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
    Ok(ContainerCreateBody {
        image: Some(spec.image.clone()),
        entrypoint: words(&spec.entrypoint),
        cmd: words(&spec.command),
        user: spec.user.clone(),
        env: Some(env),
        healthcheck: match &spec.health {
            Some(HealthCheck::Command { command }) => Some(HealthConfig {
                test: Some(std::iter::once("CMD".to_owned()).chain(command.iter().cloned()).collect()),
                interval: Some(PROBE_EVERY_NS),
                timeout: Some(PROBE_EVERY_NS),
                retries: Some(3),
                ..HealthConfig::default()
            }),
            _ => None,
        },
        exposed_ports: Some(bindings.keys().cloned().collect()),
        labels: Some(labels_of(deploy, service, image_id)?),
        networking_config: endpoints.map(|endpoints| NetworkingConfig { endpoints_config: Some(endpoints) }),
        host_config: Some(HostConfig {
            network_mode: network,
            port_bindings: Some(bindings),
            mounts: Some(mounts.collect()),
            restart_policy: Some(never()),
            memory: spec.memory_limit_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            cap_add: words(&spec.capabilities),
            nano_cpus: spec.cpu_limit_millis.map(|millis| i64::from(millis) * 1_000_000),
            pids_limit: Some(PIDS_LIMIT),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(rotation.into()) }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    })
}

/// The files of one service's container.
pub(in crate::commands) fn files_of(deploy: &DeployApp, spec: &AppSpec) -> Result<Files, Failure> {
    with_secrets(deploy, &spec.files)
}

/// Variables or files with the secrets that they name.
fn with_secrets(deploy: &DeployApp, named: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Failure> {
    let each = named.iter().map(|(key, value)| {
        let Some(name) = value.strip_prefix(SECRET_REFERENCE) else { return Ok((key.clone(), value.clone())) };
        let secret = deploy.secrets.get(name).ok_or_else(|| {
            Failure::new(ErrorCode::NotFound, format!("the secret \"{name}\" of {key} did not come along"))
        })?;
        Ok((key.clone(), secret.reveal().to_owned()))
    });
    each.collect()
}

/// The app's own container is made anew with each revision, another service only if it changes.
fn labels_of(deploy: &DeployApp, service: &Service<'_>, image_id: &str) -> Result<HashMap<String, String>, Failure> {
    let revision = deploy.revision.to_string();
    let spec = AppSpec { services: BTreeMap::new(), ..service.spec.clone() };
    let is_alone = deploy.spec.services.is_empty();
    let made_of = serde_json::to_vec(&(&spec, image_id, is_alone, service.name.is_none().then_some(&revision)))
        .map_err(|error| Failure::new(ErrorCode::Internal, format!("a configuration has no bytes: {error}")))?;
    let mut labels: HashMap<String, String> = spec.labels.into_iter().collect();
    labels.extend([
        (APP_LABEL.to_owned(), deploy.app.to_string()),
        (NAME_LABEL.to_owned(), deploy.name.clone()),
        (REVISION_LABEL.to_owned(), revision),
        (MADE_OF_LABEL.to_owned(), sha256_hex(&made_of)),
    ]);
    labels.extend(service.name.map(|name| (SERVICE_LABEL.to_owned(), name.to_owned())));
    Ok(labels)
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
    let mut body = body_of(deploy, &Service { name: None, spec: &deploy.spec }, "", "")?;
    body.labels = Some(HashMap::from([(MADE_LABEL.to_owned(), made_for.to_owned())]));
    body.networking_config = None;
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

/// Whether a container is what this body and these files would make, apart from when it is restarted: then it serves in its place. The
/// label leaves the values of secrets out, which stand in its environment and its files.
pub(super) async fn is_made_of(
    engine: &Engine,
    body: &ContainerCreateBody,
    files: &Files,
    found: &ContainerInspectResponse,
) -> Result<bool, EngineError> {
    Ok(has_body(body, found) && engine.has_files(found.id.as_deref().unwrap_or_default(), files).await?)
}

fn has_body(body: &ContainerCreateBody, found: &ContainerInspectResponse) -> bool {
    let of = |labels: Option<&HashMap<String, String>>| labels.and_then(|labels| labels.get(MADE_OF_LABEL)).cloned();
    let Some(config) = &found.config else { return false };
    let made_of = of(body.labels.as_ref());
    let known = config.env.as_deref().unwrap_or_default();
    made_of.is_some()
        && made_of == of(config.labels.as_ref())
        && body.env.iter().flatten().all(|env| known.contains(env))
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

/// Whether an old container has a port of the host that a new one wants.
pub(super) fn port_in_the_way(spec: &AppSpec, old: &ContainerInspectResponse) -> bool {
    let held = ports_of(old);
    spec.ports.iter().any(|port| port.host.is_some_and(|host| held.contains(&(host, port.protocol))))
}

/// Whether an old container and the new one in its place would both write to a volume.
pub(super) fn volume_in_the_way(spec: &AppSpec, old: &ContainerInspectResponse) -> bool {
    let mounts = old.mounts.as_deref().unwrap_or_default();
    spec.volumes.iter().any(|volume| {
        mounts.iter().any(|mount| {
            let source = if volume.is_bind() { &mount.source } else { &mount.name };
            source.as_ref() == Some(&volume.source) && !(volume.read_only && mount.rw == Some(false))
        })
    })
}
