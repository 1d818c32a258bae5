//! Looking: how a container was made, whether its registry has another image, what else lies on the host. Nothing changes.

use tomo_proto::{
    model::stock::Stock,
    wire::command::{CommandEvent, Found, Outcome},
};

use crate::{
    commands::{Failure, deploy},
    docker::{Engine, configuration},
    exec::Events,
};

/// Things of one part of a list: with the longest names they still fit a frame.
const PART: usize = 50;

pub(super) async fn container(engine: &Engine, container: &str, events: &Events) -> Result<Outcome, Failure> {
    let config = configuration::of(engine.inspect(container).await?);
    events.tell(CommandEvent::Found(Box::new(Found::Container(config)))).await;
    Ok(Outcome::done())
}

/// How a container would run as an app, with its secrets: only of one that Tomo did not make.
pub(super) async fn configuration(engine: &Engine, container: &str, events: &Events) -> Result<Outcome, Failure> {
    deploy::check_adopted(&engine.inspect(container).await?)?;
    let found = engine.adoptable(container).await?;
    events.tell(CommandEvent::Found(Box::new(Found::Adoptable(Box::new(found))))).await;
    Ok(Outcome::done())
}

pub(super) async fn image(engine: &Engine, container: &str, events: &Events) -> Result<Outcome, Failure> {
    let digests = engine.digests(container).await?;
    events.tell(CommandEvent::Found(Box::new(Found::Digests(digests)))).await;
    Ok(Outcome::done())
}

pub(super) async fn stock(engine: &Engine, events: &Events) -> Result<Outcome, Failure> {
    let Stock { images, volumes, networks, stopped } = engine.stock().await?;
    let images = images.chunks(PART).map(|part| Stock { images: part.to_vec(), ..Stock::default() });
    let volumes = volumes.chunks(PART).map(|part| Stock { volumes: part.to_vec(), ..Stock::default() });
    let networks = networks.chunks(PART).map(|part| Stock { networks: part.to_vec(), ..Stock::default() });
    let stopped = stopped.chunks(PART).map(|part| Stock { stopped: part.to_vec(), ..Stock::default() });
    for part in images.chain(volumes).chain(networks).chain(stopped) {
        events.tell(CommandEvent::Found(Box::new(Found::Stock(part)))).await;
    }
    Ok(Outcome::done())
}
