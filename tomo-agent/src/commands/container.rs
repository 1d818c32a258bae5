//! Starting, stopping, restarting and removing a container; each is checked before it counts as done.

use tomo_proto::{error::ErrorCode, text::display_line, wire::command::Outcome};

use crate::{
    commands::{Failure, deploy, progress},
    docker::{APP_LABEL, Engine, NAME_LABEL},
    exec::Events,
};

pub(super) async fn start(engine: &Engine, container: &str, events: &Events) -> Result<Outcome, Failure> {
    progress(events, "start the container", None).await;
    engine.start(container).await?;
    check(engine, container, true).await
}

pub(super) async fn stop(
    engine: &Engine,
    container: &str,
    timeout_secs: u32,
    events: &Events,
) -> Result<Outcome, Failure> {
    progress(events, format!("stop the container; after {timeout_secs} s it is killed"), None).await;
    engine.stop(container, timeout_secs).await?;
    check(engine, container, false).await
}

pub(super) async fn restart(
    engine: &Engine,
    container: &str,
    timeout_secs: u32,
    events: &Events,
) -> Result<Outcome, Failure> {
    progress(events, format!("restart the container; after {timeout_secs} s it is killed"), None).await;
    engine.restart(container, timeout_secs).await?;
    check(engine, container, true).await
}

async fn check(engine: &Engine, container: &str, wanted: bool) -> Result<Outcome, Failure> {
    let state = engine.inspect(container).await?.state.unwrap_or_default();
    if state.running.unwrap_or(false) == wanted {
        return Ok(Outcome::done());
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

/// Removes a container that Tomo made, with the one that it replaced if that is still kept, and those of the named volumes that Tomo
/// made for the same app. What is gone already is no failure.
pub(super) async fn remove(
    engine: &Engine,
    container: &str,
    volumes: &[String],
    events: &Events,
) -> Result<Outcome, Failure> {
    let (found, app) = match engine.find(container).await? {
        Some(found) => {
            let own = deploy::label(&found, NAME_LABEL).filter(|_| deploy::label(&found, APP_LABEL).is_some()).cloned();
            (found.id, own)
        }
        None => (None, container.strip_prefix("tomo-").map(str::to_owned)),
    };
    let Some(app) = app else {
        let message = format!("container \"{}\" was not made by Tomo and is left alone", display_line(container, 80));
        return Err(Failure::new(ErrorCode::Conflict, message));
    };
    progress(events, "remove the container", None).await;
    // Of both only the ids are kept: what the engine tells of a container is large.
    let kept = engine.find(&format!("{container}.old")).await?;
    let kept = kept.filter(|kept| deploy::label(kept, NAME_LABEL) == Some(&app)).and_then(|kept| kept.id);
    for id in [kept, found].into_iter().flatten() {
        engine.remove(&id).await?;
    }
    for volume in volumes {
        if !engine.remove_volume(volume, &app).await? && engine.has_volume(volume).await? {
            let shown = display_line(volume, 80);
            progress(events, format!("volume {shown} stays: Tomo did not make it for this app"), None).await;
        }
    }
    match engine.find(container).await? {
        None => Ok(Outcome::done()),
        Some(_) => Err(Failure::new(ErrorCode::Conflict, format!("container \"{container}\" is still there"))),
    }
}
