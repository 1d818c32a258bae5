//! Waiting until a new container is healthy, and what it said meanwhile.

use std::{net::IpAddr, time::Duration};

use bollard::models::ContainerInspectResponse;
use tokio::time::{Instant, sleep};
use tomo_proto::{
    error::ErrorCode,
    model::{
        app::{HealthCheck, Service},
        container::Health,
        operation::ProbeAnswer,
    },
    text::display_line,
    wire::seam::Ask,
};

use crate::{
    commands::Failure,
    docker::{Engine, inventory::health_of},
    exec::Events,
};

/// What starts and dies does so within this time: no container takes over earlier.
pub(crate) const SETTLE: Duration = Duration::from_secs(6);
const LOOK: Duration = Duration::from_millis(250);
/// Answers that are kept, the newest.
const ANSWERS: usize = 40;
const OK: &str = "ok";

/// How a new container does.
#[derive(Debug)]
pub(crate) struct Trial {
    /// Its id.
    pub(crate) container: String,
    began: Instant,
    /// Longest it may take to become healthy.
    limit: Duration,
    pub(crate) exit_code: Option<i64>,
    pub(crate) answers: Vec<ProbeAnswer>,
    pub(crate) has_failed: bool,
}

impl Trial {
    pub(crate) fn begin(container: String, limit_secs: u32) -> Self {
        let limit = Duration::from_secs(limit_secs.into());
        Self { container, began: Instant::now(), limit, exit_code: None, answers: Vec::new(), has_failed: false }
    }

    /// Waits until the container is healthy, and has lived for a time (see [`SETTLE`]) or for as long as it may take.
    pub(crate) async fn pass(
        &mut self,
        engine: &Engine,
        events: &Events,
        service: &Service<'_>,
        app: &str,
        lived: Duration,
    ) -> Result<(), Failure> {
        let passed = self.wait(engine, events, service, app, lived.min(self.limit)).await;
        self.has_failed = passed.is_err();
        passed
    }

    async fn wait(
        &mut self,
        engine: &Engine,
        events: &Events,
        service: &Service<'_>,
        app: &str,
        lived: Duration,
    ) -> Result<(), Failure> {
        let shown = service.shown(&display_line(app, 60));
        loop {
            let answer = match engine.inspect(&self.container).await {
                Ok(details) => {
                    self.check_it_runs(&shown, &details)?;
                    self.ask(service.spec.health.as_ref(), &details, events).await
                }
                Err(error) if error.code == ErrorCode::NotFound => {
                    return Err(Failure::new(ErrorCode::Conflict, format!("the container of {shown} is gone")));
                }
                // An engine that is started anew comes back.
                Err(error) => Err(error.message),
            };
            self.note(answer.as_ref().map_or_else(String::clone, |()| OK.to_owned()));
            match answer {
                Ok(()) if self.began.elapsed() >= lived => return Ok(()),
                Err(last) if self.began.elapsed() >= self.limit => {
                    let message = format!("{shown} is not healthy after {} s: {last}", self.limit.as_secs());
                    return Err(Failure::new(ErrorCode::Conflict, message));
                }
                _ => sleep(LOOK).await,
            }
        }
    }

    fn check_it_runs(&mut self, shown: &str, details: &ContainerInspectResponse) -> Result<(), Failure> {
        let state = details.state.clone().unwrap_or_default();
        if state.running == Some(true) && details.restart_count.unwrap_or(0) == 0 {
            return Ok(());
        }
        let code = state.exit_code.unwrap_or(0);
        self.exit_code = Some(code);
        let memory = if state.oom_killed == Some(true) { ": it ran out of memory" } else { "" };
        let lived = match self.began.elapsed().as_secs() {
            0 => "at once".to_owned(),
            secs => format!("after {secs} s"),
        };
        let message = format!("{shown} ended {lived} with exit code {code}{memory}");
        Err(Failure::new(ErrorCode::Conflict, message))
    }

    async fn ask(
        &self,
        check: Option<&HealthCheck>,
        details: &ContainerInspectResponse,
        events: &Events,
    ) -> Result<(), String> {
        if let Some(check) = check.filter(|check| !matches!(check, HealthCheck::Command { .. })) {
            let address = address_of(details).ok_or("the container has no address")?;
            return events.ask(Ask::Health { check: check.clone(), address }).await;
        }
        let own = details.state.as_ref().and_then(|state| state.health.as_ref()).and_then(|health| health.status);
        match own.map_or(Health::None, health_of) {
            Health::None | Health::Healthy => Ok(()),
            Health::Starting => Err("the health check inside has not passed yet".to_owned()),
            Health::Unhealthy => Err("the health check inside fails".to_owned()),
        }
    }

    fn note(&mut self, answer: String) {
        if let Some(last) = self.answers.last_mut().filter(|last| last.answer == answer) {
            last.count = last.count.saturating_add(1);
            return;
        }
        if self.answers.len() == ANSWERS {
            self.answers.remove(0);
        }
        let after_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.answers.push(ProbeAnswer { after_ms, count: 1, answer });
    }
}

/// The container's own address on the engine's network.
pub(crate) fn address_of(details: &ContainerInspectResponse) -> Option<IpAddr> {
    let networks = details.network_settings.as_ref()?.networks.as_ref()?;
    networks.values().find_map(|network| network.ip_address.as_ref()?.parse().ok())
}
