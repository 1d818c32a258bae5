//! A close look at one container: how it does, how its last runs ended, what it wrote, and whether its probe passes now. Nothing
//! changes.

use tomo_proto::{
    model::{app::HealthCheck, container::ContainerState},
    text::display_line,
    wire::{
        command::{CommandEvent, Found, Outcome},
        seam::Ask,
    },
};

use crate::{
    clock::now_ms,
    commands::{Failure, deploy::address_of, logs},
    docker::{APP_LABEL, Engine, examination},
    exec::Events,
};

/// Most lines of a log.
const MOST_LINES: u32 = 500;
/// How far back the engine is asked for what happened.
const LOOK_BACK_MS: u64 = 3_600_000;

pub(super) async fn container(
    engine: &Engine,
    container: &str,
    tail: u32,
    probe: Option<&HealthCheck>,
    events: &Events,
) -> Result<Outcome, Failure> {
    let details = engine.inspect(container).await?;
    let id = details.id.clone().unwrap_or_default();
    let now_ms = now_ms();
    let history = engine.history(&id, now_ms.saturating_sub(LOOK_BACK_MS), now_ms).await?;
    let address = address_of(&details);
    let labels = details.config.as_ref().and_then(|config| config.labels.as_ref());
    let is_ours = labels.is_some_and(|labels| labels.contains_key(APP_LABEL));
    let mut seen = examination::of(details, &history);
    seen.at_ms = now_ms;
    // What is run inside, the engine has asked already.
    let probe = probe.filter(|check| !matches!(check, HealthCheck::Command { .. }));
    if let (Some(check), Some(address)) = (probe, address)
        && is_ours
        && seen.state == ContainerState::Running
    {
        let answer = events.ask(Ask::Health { check: check.clone(), address }).await;
        seen.probe_failure = answer.err().map(|why| display_line(&why, 300));
    }
    seen.log = logs::tail(engine, &id, tail.min(MOST_LINES)).await;
    events.tell(CommandEvent::Found(Box::new(Found::Examination(seen)))).await;
    Ok(Outcome::done())
}
