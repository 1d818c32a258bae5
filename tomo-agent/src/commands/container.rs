//! Starting, stopping, restarting and removing a container; each is checked before it counts as done.

use std::collections::HashMap;

use tomo_proto::{
    error::ErrorCode,
    text::display_line,
    wire::command::{Command, Outcome},
};

use crate::{
    commands::{Failure, deploy, progress},
    docker::{APP_LABEL, Engine, NAME_LABEL, made::of_app},
    exec::Events,
};

/// Starts, stops or restarts a container and those that go with it, in the order of the command.
pub(super) async fn operate(engine: &Engine, command: &Command, events: &Events) -> Result<Outcome, Failure> {
    let mut containers = command.containers();
    if matches!(command, Command::StopContainer { .. }) {
        containers.reverse();
    }
    let is_alone = containers.len() == 1;
    for container in containers {
        let name = container.as_str();
        let which = if is_alone { "the container" } else { name };
        let is_to_run = match command {
            Command::StopContainer { timeout_secs, .. } => {
                progress(events, format!("stop {which}; after {timeout_secs} s it is killed"), None).await;
                engine.stop(name, *timeout_secs).await?;
                false
            }
            Command::RestartContainer { timeout_secs, .. } => {
                progress(events, format!("restart {which}; after {timeout_secs} s it is killed"), None).await;
                engine.restart(name, *timeout_secs).await?;
                true
            }
            _ => {
                progress(events, format!("start {which}"), None).await;
                engine.start(name).await?;
                true
            }
        };
        check(engine, name, is_to_run).await?;
    }
    Ok(Outcome::done())
}

async fn check(engine: &Engine, container: &str, wanted: bool) -> Result<(), Failure> {
    let state = engine.inspect(container).await?.state.unwrap_or_default();
    if state.running.unwrap_or(false) == wanted {
        return Ok(());
    }
    let shown = display_line(container, 80);
    Err(if wanted {
        let code = state.exit_code.unwrap_or(0);
        Failure::new(ErrorCode::Conflict, format!("container \"{shown}\" ended at once with exit code {code}"))
            .with_next("read its log")
    } else {
        Failure::new(ErrorCode::Conflict, format!("container \"{shown}\" still runs"))
    })
}

/// Removes a container that Tomo made with everything else of its app: other services, replaced containers that are still kept, its
/// network, and those of the named volumes that Tomo made for it. What is gone already is no failure.
pub(super) async fn remove(
    engine: &Engine,
    container: &str,
    volumes: &[String],
    events: &Events,
) -> Result<Outcome, Failure> {
    let (found, app) = match engine.find(container).await? {
        Some(found) => {
            let own = deploy::app_of(&found).cloned();
            (found.id, own)
        }
        None => (None, container.strip_prefix("tomo-").map(str::to_owned)),
    };
    let Some(app) = app else {
        let message = format!("container \"{}\" was not made by Tomo and is left alone", display_line(container, 80));
        return Err(Failure::new(ErrorCode::Conflict, message));
    };
    progress(events, "remove the container", None).await;
    let is_own = |labels: &HashMap<String, String>| {
        labels.contains_key(APP_LABEL) && labels.get(NAME_LABEL).is_some_and(|name| *name == app)
    };
    let others = engine.list().await?.into_iter().filter(|other| other.labels.as_ref().is_some_and(is_own));
    let others = others.filter_map(|other| other.id).filter(|other| Some(other) != found.as_ref());
    // The named one goes last: as long as it is there, not everything is done.
    for id in others.chain(found.clone()) {
        engine.remove(&id).await?;
    }
    engine.remove_network(&deploy::network_of(&app), of_app(&app)).await?;
    for volume in volumes {
        if !engine.remove_volume(volume, of_app(&app)).await? && engine.has_volume(volume).await? {
            let shown = display_line(volume, 80);
            progress(events, format!("volume {shown} stays: Tomo did not make it for this app"), None).await;
        }
    }
    match engine.find(container).await? {
        None => Ok(Outcome::done()),
        Some(_) => Err(Failure::new(ErrorCode::Conflict, format!("container \"{container}\" is still there"))),
    }
}
