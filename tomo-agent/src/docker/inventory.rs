//! The list of containers, kept fresh by the engine's events.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, HealthStatusEnum};
use futures::StreamExt as _;
use tokio::{sync::watch, time::sleep};
use tomo_proto::{
    model::{
        container::{Container, ContainerState, Health, PublishedPort},
        server::EngineState,
    },
    text::display_line,
};

use crate::docker::{APP_LABEL, Engine, EngineError, NAME_LABEL, RETRY};

/// Events that come together make one new list.
const DEBOUNCE: Duration = Duration::from_millis(150);
/// The list is made anew this often without any event, in case one was missed.
const REFRESH: Duration = Duration::from_secs(60);
/// Containers in the list.
const MAX_CONTAINERS: usize = 1_000;
const MAX_LABELS: usize = 64;
const MAX_TEXT: usize = 256;

/// What the inventory tells.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    pub(crate) engine: watch::Sender<EngineState>,
    pub(crate) containers: watch::Sender<Arc<Vec<Container>>>,
    /// Process ids of running containers by container id.
    pub(crate) pids: watch::Sender<Arc<Vec<(String, u32)>>>,
}

impl Inventory {
    /// Waits until the engine answers.
    pub(crate) async fn wait_for_engine(&self, engine: &Engine, socket: &Path) {
        while let Err(error) = engine.version().await {
            self.miss(socket, &error);
            sleep(RETRY).await;
        }
    }

    /// Keeps the list fresh until the engine goes away.
    pub(crate) async fn run(&self, engine: &Engine, socket: &Path) {
        if let Err(error) = self.follow(engine).await {
            self.miss(socket, &error);
        }
    }

    fn miss(&self, socket: &Path, error: &EngineError) {
        let reason = format!("no container engine answers at {}: {}", socket.display(), error.message);
        let absent = EngineState::Absent { reason };
        self.engine.send_if_modified(|known| std::mem::replace(known, absent.clone()) != absent);
        self.containers.send_replace(Arc::default());
        self.pids.send_replace(Arc::default());
    }

    async fn follow(&self, engine: &Engine) -> Result<(), EngineError> {
        let (version, api) = engine.version().await?;
        // Subscribed before the first list, so that nothing falls between the two.
        let mut events = engine.container_events();
        let running = EngineState::Running { version: display_line(&version, 40), api: display_line(&api, 20) };
        self.engine.send_if_modified(|known| std::mem::replace(known, running.clone()) != running);
        loop {
            self.refresh(engine).await?;
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => event?,
                    None => return Ok(()),
                },
                () = sleep(REFRESH) => continue,
            }
            let pause = sleep(DEBOUNCE);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    event = events.next() => match event {
                        Some(event) => event?,
                        None => return Ok(()),
                    },
                    () = &mut pause => break,
                }
            }
        }
    }

    /// Makes the list anew.
    pub(crate) async fn refresh(&self, engine: &Engine) -> Result<(), EngineError> {
        let mut containers = Vec::new();
        let mut pids = Vec::new();
        for summary in engine.list().await?.into_iter().take(MAX_CONTAINERS) {
            let Some(id) = summary.id.clone() else { continue };
            // It may be gone between the list and the look.
            let Some(details) = engine.find(&id).await? else { continue };
            let pid = details.state.as_ref().and_then(|state| state.pid).and_then(|pid| u32::try_from(pid).ok());
            if let Some(pid) = pid.filter(|pid| *pid > 0) {
                pids.push((id, pid));
            }
            containers.push(describe(summary, details));
        }
        containers.sort_by(|left, right| left.name.cmp(&right.name));
        self.containers.send_replace(Arc::new(containers));
        self.pids.send_replace(Arc::new(pids));
        Ok(())
    }
}

fn describe(summary: ContainerSummary, details: ContainerInspectResponse) -> Container {
    let labels: BTreeMap<String, String> = summary
        .labels
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (display_line(&key, MAX_TEXT), display_line(&value, MAX_TEXT)))
        .take(MAX_LABELS)
        .collect();
    let state = details.state.unwrap_or_default();
    let status = state.status.map_or(ContainerState::Unknown, state_of);
    let name = details.name.unwrap_or_default();
    let mut ports: Vec<PublishedPort> = summary
        .ports
        .unwrap_or_default()
        .into_iter()
        .map(|port| PublishedPort {
            container: port.private_port,
            host: port.public_port,
            address: port.ip.map_or_else(String::new, |ip| display_line(&ip, 60)),
            protocol: port.typ.map_or_else(String::new, |protocol| protocol.to_string()),
        })
        .collect();
    ports.sort_by(|left, right| {
        (left.container, left.host, &left.address).cmp(&(right.container, right.host, &right.address))
    });
    Container {
        id: details.id.unwrap_or_default(),
        name: display_line(name.trim_start_matches('/'), 128),
        image: display_line(&details.config.and_then(|config| config.image).unwrap_or_default(), MAX_TEXT),
        state: status,
        health: state.health.and_then(|health| health.status).map_or(Health::None, health_of),
        exit_code: matches!(status, ContainerState::Exited | ContainerState::Restarting)
            .then_some(state.exit_code)
            .flatten(),
        restarts: u32::try_from(details.restart_count.unwrap_or(0)).unwrap_or(0),
        created_at: u64::try_from(summary.created.unwrap_or(0)).unwrap_or(0).saturating_mul(1_000),
        started_at: if status == ContainerState::Running { parse_time(state.started_at.as_deref()) } else { 0 },
        ports,
        app: labels.get(APP_LABEL).and(labels.get(NAME_LABEL)).cloned(),
        labels,
        usage: None,
    }
}

pub(crate) fn parse_time(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse::<jiff::Timestamp>().ok())
        .and_then(|time| u64::try_from(time.as_millisecond()).ok())
        .unwrap_or(0)
}

pub(crate) const fn state_of(status: ContainerStateStatusEnum) -> ContainerState {
    match status {
        ContainerStateStatusEnum::CREATED => ContainerState::Created,
        ContainerStateStatusEnum::RUNNING => ContainerState::Running,
        ContainerStateStatusEnum::PAUSED => ContainerState::Paused,
        ContainerStateStatusEnum::RESTARTING => ContainerState::Restarting,
        ContainerStateStatusEnum::REMOVING => ContainerState::Removing,
        ContainerStateStatusEnum::EXITED => ContainerState::Exited,
        ContainerStateStatusEnum::DEAD => ContainerState::Dead,
        _ => ContainerState::Unknown,
    }
}

pub(crate) const fn health_of(status: HealthStatusEnum) -> Health {
    match status {
        HealthStatusEnum::STARTING => Health::Starting,
        HealthStatusEnum::HEALTHY => Health::Healthy,
        HealthStatusEnum::UNHEALTHY => Health::Unhealthy,
        _ => Health::None,
    }
}
