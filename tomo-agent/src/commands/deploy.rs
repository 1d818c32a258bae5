//! Deploying an app: the new container is made beside the old one, started, probed, and takes its place; until then everything
//! can be put back as it was.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::Duration,
};

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HostConfig, HostConfigLogConfig, Mount, MountType, PortBinding,
    RestartPolicy as EngineRestart, RestartPolicyNameEnum,
};
use tokio::time::{Instant, sleep};
use tomo_proto::{
    error::ErrorCode,
    model::{
        app::{AppSpec, HealthCheck, PortSpec, RestartPolicy},
        container::Health,
        spec::SECRET_REFERENCE,
    },
    text::display_line,
    wire::{
        command::{DeployApp, Outcome},
        seam::Ask,
    },
};

use crate::{
    commands::{Failure, logs, progress, pull},
    docker::{APP_LABEL, Engine, EngineError, NAME_LABEL, REVISION_LABEL, inventory::health_of},
    exec::Events,
    journal::{Entry, Journal},
};

/// End of the new container's name until it takes the old one's place,
const BESIDE: &str = ".new";
/// and of the old one's afterwards.
const ASIDE: &str = ".old";
/// Seconds the old container gets to end.
const STOP_SECS: u32 = 10;
/// A container without any check has to run this long.
const SETTLE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(250);
/// Lines kept of a container that did not live.
const KEPT_LINES: u32 = 200;
const PIDS_LIMIT: i64 = 4_096;

/// What has to be put back if a deploy does not end well.
#[derive(Debug)]
pub(crate) struct Undo {
    journal: Journal,
    /// Name under which the deploy stands in the journal.
    noted: Option<String>,
    /// Whether there is an old container.
    replaces: bool,
    /// The new container.
    created: Option<String>,
    /// The old container's id, if it was stopped.
    stopped: Option<String>,
    /// The old container's id and name, if it was renamed.
    renamed: Option<(String, String)>,
}

impl Undo {
    pub(crate) const fn new(journal: Journal) -> Self {
        Self { journal, noted: None, replaces: false, created: None, stopped: None, renamed: None }
    }

    /// Puts everything back unless the outcome is a success; adds the new container's log to a failure.
    pub(crate) async fn finish(self, engine: &Engine, outcome: Outcome) -> Outcome {
        let Outcome::Failed { code, mut message, next, mut log } = outcome else {
            self.forget();
            return outcome;
        };
        let mut leftovers = Vec::new();
        let mut note = |what: &str, result: Result<(), EngineError>| {
            if let Err(error) = result {
                leftovers.push(format!("{what}: {}", error.message));
            }
        };
        if let Some(created) = &self.created {
            log = logs::tail(engine, created, KEPT_LINES).await;
            note("the new container could not be removed", engine.remove(created).await);
        }
        if let Some((id, name)) = &self.renamed {
            note("the old container could not be renamed back", engine.rename(id, name).await);
        }
        if let Some(id) = &self.stopped {
            note("the old container could not be started again", engine.start(id).await);
        }
        if leftovers.is_empty() {
            self.forget();
            if self.replaces {
                let old = if self.stopped.is_some() { "runs again" } else { "is as it was" };
                message = format!("{message}; the old container {old}");
            }
        } else {
            message = format!("{message}; and it could not be undone: {}", leftovers.join("; "));
        }
        Outcome::Failed { code, message, next, log }
    }

    fn forget(&self) {
        if let Some(noted) = &self.noted {
            self.journal.end(noted);
        }
    }
}

/// Undoes the deploys that an earlier run of this agent left half done.
pub(crate) async fn recover(engine: &Engine, journal: &Journal) -> Result<(), EngineError> {
    for Entry { container: name, replaces } in journal.entries() {
        tracing::warn!(container = name, "a deploy was cut off: the app is put back as it was");
        let (beside, aside) = (format!("{name}{BESIDE}"), format!("{name}{ASIDE}"));
        let has_taken_over = engine.find(&beside).await?.is_none() && engine.find(&name).await?.is_some();
        if has_taken_over {
            engine.remove(&aside).await?;
        } else {
            engine.remove(&beside).await?;
            if engine.find(&name).await?.is_none() && engine.find(&aside).await?.is_some() {
                engine.rename(&aside, &name).await?;
            }
        }
        if let Some(old) = replaces
            && engine.find(&old).await?.is_some()
        {
            engine.start(&old).await?;
        }
        journal.end(&name);
    }
    Ok(())
}

pub(super) async fn run(
    engine: &Engine,
    deploy: &DeployApp,
    events: &Events,
    undo: &mut Undo,
) -> Result<Outcome, Failure> {
    let name = format!("tomo-{}", deploy.name);
    let app = deploy.app.to_string();
    let image_id = pull::ensure(engine, &deploy.spec.image, events).await?;

    progress(events, "check the host", None).await;
    let old = engine.find(&name).await?;
    if let Some(old) = &old {
        let label =
            old.config.as_ref().and_then(|config| config.labels.as_ref()).and_then(|labels| labels.get(APP_LABEL));
        if label != Some(&app) {
            let message = format!("a container called \"{name}\" is there that does not belong to this app");
            return Err(
                Failure::new(ErrorCode::Conflict, message).with_next("choose another name for the app, or remove it")
            );
        }
    }
    undo.replaces = old.is_some();
    check_ports(&deploy.spec.ports, old.as_ref(), events).await?;
    for volume in deploy.spec.volumes.iter().filter(|volume| !volume.is_bind()) {
        engine.ensure_volume(&volume.source, &app, &deploy.name).await?;
    }

    progress(events, "make the container", None).await;
    let beside = format!("{name}{BESIDE}");
    engine.remove(&beside).await?;
    let runs = |old: &ContainerInspectResponse| old.state.as_ref().is_some_and(|state| state.running == Some(true));
    let old_id = old.as_ref().and_then(|old| old.id.clone());
    let replaces = old_id.clone().filter(|_| old.as_ref().is_some_and(runs));
    undo.journal.begin(&Entry { container: name.clone(), replaces }).map_err(|error| {
        Failure::new(ErrorCode::Internal, format!("the deploy cannot be noted in the agent's journal: {error}"))
    })?;
    undo.noted = Some(name.clone());
    let body = container_of(deploy)?;
    let created = engine.create(&beside, body).await?;
    undo.created = Some(created.clone());

    // A published port can belong to one container only: then the old one has to go first.
    if let (Some(old), Some(id)) = (&old, &old_id)
        && runs(old)
        && (!deploy.spec.ports.is_empty() || shares_volume(&deploy.spec, old))
    {
        progress(events, "stop the old container", None).await;
        undo.stopped = Some(id.clone());
        engine.stop(id, STOP_SECS).await?;
    }
    progress(events, "start the container", None).await;
    engine.start(&created).await.map_err(|error| {
        Failure::new(ErrorCode::Conflict, format!("app \"{}\" does not start: {}", deploy.name, error.message))
    })?;
    wait_until_healthy(engine, deploy, &created, events).await?;

    progress(events, if old.is_some() { "take the old one's place" } else { "give it its name" }, None).await;
    if let Some(id) = &old_id {
        let aside = format!("{name}{ASIDE}");
        engine.remove(&aside).await?;
        undo.renamed = Some((id.clone(), name.clone()));
        engine.rename(id, &aside).await?;
    }
    engine.rename(&created, &name).await?;
    // From here on the new one is the app: nothing is undone any more.
    (undo.created, undo.stopped, undo.renamed) = (None, None, None);
    if let Some(id) = &old_id
        && let Err(error) = engine.remove(id).await
    {
        tracing::warn!(error = error.message, container = id, "the old container is still there");
    }
    let facts = BTreeMap::from([("container".to_owned(), created), ("image_id".to_owned(), image_id)]);
    Ok(Outcome::Succeeded { facts })
}

/// Each wanted port must be free, or held by the container that is replaced.
async fn check_ports(
    ports: &[PortSpec],
    old: Option<&ContainerInspectResponse>,
    events: &Events,
) -> Result<(), Failure> {
    let held: Vec<u16> = old
        .and_then(|old| old.host_config.as_ref())
        .and_then(|config| config.port_bindings.as_ref())
        .into_iter()
        .flat_map(HashMap::values)
        .flatten()
        .flatten()
        .filter_map(|binding| binding.host_port.as_ref()?.parse().ok())
        .collect();
    for wanted in ports.iter().filter(|port| !held.contains(&port.host)) {
        let ask = Ask::Port { port: wanted.host, protocol: wanted.protocol, loopback: wanted.loopback };
        events.ask(ask).await.map_err(|message| {
            Failure::new(ErrorCode::Conflict, message).with_next("choose another host port, or stop what uses it")
        })?;
    }
    Ok(())
}

/// Two containers that write to one volume at a time can spoil it.
fn shares_volume(spec: &AppSpec, old: &ContainerInspectResponse) -> bool {
    let mounts = old.host_config.as_ref().and_then(|config| config.mounts.as_ref());
    let sources: Vec<&str> = mounts.into_iter().flatten().filter_map(|mount| mount.source.as_deref()).collect();
    spec.volumes.iter().any(|volume| sources.contains(&volume.source.as_str()))
}

/// The engine's configuration, built from the typed model and nothing else.
fn container_of(deploy: &DeployApp) -> Result<ContainerCreateBody, Failure> {
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
        let binding = PortBinding { host_ip: Some(host_ip), host_port: Some(port.host.to_string()) };
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
    let (restart, retries) = match spec.restart {
        RestartPolicy::No => (RestartPolicyNameEnum::NO, None),
        RestartPolicy::OnFailure => (RestartPolicyNameEnum::ON_FAILURE, Some(5)),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
    };
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
            restart_policy: Some(EngineRestart { name: Some(restart), maximum_retry_count: retries }),
            memory: spec.memory_limit_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            pids_limit: Some(PIDS_LIMIT),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(rotation.into()) }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    })
}

async fn wait_until_healthy(engine: &Engine, deploy: &DeployApp, id: &str, events: &Events) -> Result<(), Failure> {
    let limit = Duration::from_secs(deploy.health_timeout_secs.into());
    let began = Instant::now();
    let app = display_line(&deploy.name, 60);
    let mut last = "it has not answered yet".to_owned();
    progress(events, "wait until it is healthy", None).await;
    loop {
        let details = engine.inspect(id).await?;
        let restarts = details.restart_count.unwrap_or(0);
        let state = details.state.clone().unwrap_or_default();
        if state.running != Some(true) || restarts > 0 {
            let code = state.exit_code.unwrap_or(0);
            let memory = if state.oom_killed == Some(true) { ": it ran out of memory" } else { "" };
            let message = format!("app \"{app}\" ended at once with exit code {code}{memory}");
            return Err(Failure::new(ErrorCode::Conflict, message));
        }
        let own = state.health.and_then(|health| health.status).map_or(Health::None, health_of);
        let healthy = match (&deploy.spec.health, own) {
            (Some(check), _) => match probe(check, address_of(&details), events).await {
                Ok(()) => true,
                Err(error) => {
                    last = error;
                    false
                }
            },
            (None, Health::Healthy) => true,
            (None, Health::None) => began.elapsed() >= SETTLE.min(limit),
            (None, Health::Starting) => false,
            (None, Health::Unhealthy) => {
                last = "the image's own health check fails".to_owned();
                false
            }
        };
        if healthy {
            return Ok(());
        }
        if began.elapsed() >= limit {
            let message = format!("app \"{app}\" is not healthy after {} s: {last}", limit.as_secs());
            return Err(Failure::new(ErrorCode::Conflict, message));
        }
        sleep(LOOK).await;
    }
}

/// The container's own address on the engine's network.
pub(super) fn address_of(details: &ContainerInspectResponse) -> Option<IpAddr> {
    let networks = details.network_settings.as_ref()?.networks.as_ref()?;
    networks.values().find_map(|network| network.ip_address.as_ref()?.parse().ok())
}

async fn probe(check: &HealthCheck, address: Option<IpAddr>, events: &Events) -> Result<(), String> {
    let address = address.ok_or("the container has no address")?;
    events.ask(Ask::Health { check: check.clone(), address }).await
}
