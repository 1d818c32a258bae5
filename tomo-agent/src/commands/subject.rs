//! What a change works on: of two changes of the same the second waits. An app is one thing, whichever of its containers is named, and by
//! which of its names.

use std::collections::BTreeSet;

use tomo_proto::wire::command::Command;

use crate::{
    commands::deploy::app_of,
    docker::{Engine, EngineError},
};

/// Everything that a change works on, in the order of the names: two that want the same never wait for each other.
pub(crate) async fn subjects(engine: &Engine, command: &Command) -> Result<Vec<String>, EngineError> {
    let (own, containers) = match command {
        Command::BackupVolume { volume, stop: true } => {
            let users = engine.users_of(volume).await?.into_iter().map(|user| user.id);
            (Some(command.subject()), users.collect())
        }
        Command::DeployApp { deploy } => {
            let adopted = deploy.adopts.iter().map(|container| container.as_str().to_owned());
            (Some(command.subject()), adopted.collect())
        }
        Command::StartContainer { container, .. }
        | Command::StopContainer { container, .. }
        | Command::RestartContainer { container, .. }
        | Command::RemoveContainer { container, .. } => (None, vec![container.as_str().to_owned()]),
        _ => (Some(command.subject()), Vec::new()),
    };
    let mut subjects: BTreeSet<String> = own.into_iter().collect();
    for container in containers {
        subjects.insert(subject_of(engine, &container).await?);
    }
    Ok(subjects.into_iter().collect())
}

/// What a change of a container works on: its app, or itself.
pub(crate) async fn subject_of(engine: &Engine, container: &str) -> Result<String, EngineError> {
    let found = engine.find(container).await?;
    let app = found.as_ref().and_then(app_of).map(|app| format!("tomo-{app}"));
    Ok(app.or(found.and_then(|found| found.id)).unwrap_or_else(|| container.to_owned()))
}
