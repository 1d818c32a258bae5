//! Making volumes and networks, and taking away what nothing uses.

use std::collections::BTreeMap;

use tomo_proto::{error::ErrorCode, model::stock::Item, wire::command::Outcome};

use crate::{
    commands::{Failure, progress},
    docker::{Engine, MADE_LABEL, made::Mark},
    exec::Events,
    policy::Policy,
};

/// What somebody asks for is made for no app and no command.
const FOR_SOMEBODY: Mark<'_> = (MADE_LABEL, "1");

pub(super) async fn create_volume(engine: &Engine, name: &str, events: &Events) -> Result<Outcome, Failure> {
    progress(events, format!("make volume {name}"), None).await;
    if engine.has_volume(name).await? {
        return Err(taken("volume", name));
    }
    engine.make_volume(name, &[FOR_SOMEBODY]).await?;
    Ok(Outcome::done())
}

pub(super) async fn create_network(
    engine: &Engine,
    name: &str,
    internal: bool,
    events: &Events,
) -> Result<Outcome, Failure> {
    progress(events, format!("make network {name}"), None).await;
    if engine.network_labels(name).await?.is_some() {
        return Err(taken("network", name));
    }
    engine.make_network(name, internal, &[FOR_SOMEBODY]).await?;
    Ok(Outcome::done())
}

fn taken(kind: &str, name: &str) -> Failure {
    Failure::new(ErrorCode::Conflict, format!("there is a {kind} called \"{name}\" already"))
        .with_next("choose another name, or use that one")
}

/// Removes exactly the given things, if each is still as it was when that was decided, and the policy lets each go.
pub(super) async fn discard(
    engine: &Engine,
    policy: &Policy,
    items: &[Item],
    events: &Events,
) -> Result<Outcome, Failure> {
    progress(events, "compare with what is there", None).await;
    let there: Vec<Item> = engine.stock().await?.items().collect();
    for item in items {
        let path = item.path();
        let Some(now) = there.iter().find(|now| now.is_as(item)) else {
            let message = format!("{path} is not as it was when this was planned: nothing was removed");
            return Err(Failure::new(ErrorCode::PlanStale, message).with_next("make the plan anew"));
        };
        if let Some(user) = now.used_by().first() {
            let message = format!("{path} is in use by container \"{user}\": nothing was removed");
            return Err(Failure::new(ErrorCode::Conflict, message).with_next("remove that container first"));
        }
        // Whose it is counts as the engine says, whatever the daemon said.
        if !now.ours() {
            policy.check_foreign("remove", &path)?;
        }
    }
    let mut freed = 0;
    for (done, item) in items.iter().enumerate() {
        let path = item.path();
        let percent = u8::try_from(done * 100 / items.len().max(1)).ok();
        progress(events, format!("remove {path}"), percent).await;
        engine.discard(item).await.map_err(|error| {
            let before = match done {
                0 => String::new(),
                done => format!("; {done} of {} were removed before", items.len()),
            };
            Failure::new(error.code, format!("{path} cannot be removed: {}{before}", error.message))
        })?;
        freed += item.size_bytes().unwrap_or(0);
    }
    let left: Vec<Item> = engine.stock().await?.items().collect();
    if let Some(item) = items.iter().find(|item| left.iter().any(|left| left.is_as(item))) {
        return Err(Failure::new(ErrorCode::Conflict, format!("{} is still there", item.path())));
    }
    let facts = BTreeMap::from([("freed_bytes".to_owned(), freed.to_string())]);
    Ok(Outcome::Succeeded { facts, downtime_ms: None })
}
