//! What became of a change that a crash of the agent cut off: the engine shows it. A deploy that had begun to change something is
//! finished or undone instead.

use tomo_proto::{
    error::ErrorCode,
    text::display_line,
    wire::command::{Command, ContainerRef, Outcome},
};

use crate::{
    commands::deploy::runs,
    docker::{Engine, EngineError, inventory::parse_time},
    journal::Entry,
};

/// Says how a change ended that nobody saw the end of.
pub(crate) async fn cut_off(engine: &Engine, entry: &Entry) -> Result<Outcome, EngineError> {
    let Some(change) = &entry.change else {
        return Ok(not_done("anything was changed"));
    };
    let shown = |container: &ContainerRef| display_line(container.as_str(), 80);
    for container in change.containers() {
        let found = engine.find(container.as_str()).await?;
        let is_done = match change {
            Command::StartContainer { .. } => found.is_some_and(|found| runs(&found)),
            Command::StopContainer { .. } => found.is_none_or(|found| !runs(&found)),
            // The engine writes the time down to the millisecond and below.
            _ => found.filter(runs).is_some_and(|found| {
                parse_time(found.state.and_then(|state| state.started_at).as_deref()) >= entry.begun_at
            }),
        };
        if !is_done {
            let done = match change {
                Command::StartContainer { .. } => "ran",
                Command::StopContainer { .. } => "was stopped",
                _ => "was started anew",
            };
            return Ok(not_done(&format!("container \"{}\" {done}", shown(container))));
        }
    }
    Ok(match change {
        Command::StartContainer { .. } | Command::StopContainer { .. } | Command::RestartContainer { .. } => {
            Outcome::done()
        }
        Command::BackupVolume { .. } => not_done("the volume was read to its end"),
        Command::RestoreVolume { .. } => not_done("the volume was whole: nothing of it is left"),
        Command::RemoveContainer { container, volumes } => {
            let mut left =
                engine.find(container.as_str()).await?.map(|_| format!("container \"{}\"", shown(container)));
            for volume in volumes {
                if left.is_none() && engine.has_volume(volume).await? {
                    left = Some(format!("volume \"{}\"", display_line(volume, 80)));
                }
            }
            left.map_or_else(Outcome::done, |left| not_done(&format!("{left} was removed")))
        }
        other => {
            let message = format!("the agent ended in the middle of \"{}\": it may have happened", other.verb());
            Outcome::failed(ErrorCode::TimeoutUnknown, message, None)
        }
    })
}

fn not_done(what: &str) -> Outcome {
    Outcome::failed(ErrorCode::Conflict, format!("the agent ended before {what}"), Some("do it again".to_owned()))
}
