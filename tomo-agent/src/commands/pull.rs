//! Bringing an image onto the host.

use futures::StreamExt as _;
use tomo_proto::text::display_line;

use crate::{
    commands::{Failure, progress},
    docker::{Engine, Image},
    exec::Events,
};

/// Uses the image that is there, or pulls it.
pub(super) async fn ensure(engine: &Engine, image: &str, events: &Events) -> Result<Image, Failure> {
    let shown = display_line(image, 120);
    if let Some(there) = engine.image(image).await? {
        progress(events, format!("image {shown} is on the host"), Some(100)).await;
        return Ok(there);
    }
    fetch(engine, image, events).await
}

/// Pulls an image, also if one of that name is there.
pub(super) async fn fetch(engine: &Engine, image: &str, events: &Events) -> Result<Image, Failure> {
    let shown = display_line(image, 120);
    progress(events, format!("pull {shown}"), None).await;
    let mut pulling = engine.pull(image);
    let mut told = None;
    while let Some(step) = pulling.next().await {
        let step = step.map_err(|error| {
            let told = |why: &str| Failure::new(error.code, format!("image \"{shown}\" cannot be pulled: {why}"));
            match engine.refusal(image, &error) {
                Some((why, next)) => told(&format!("{why} ({})", error.message)).with_next(next),
                None => told(&error.message)
                    .with_next("check the image's name and tag, and that the host reaches its registry"),
            }
        })?;
        if step.percent != told {
            told = step.percent;
            progress(events, format!("pull {shown}"), told).await;
        }
    }
    engine.image(image).await?.ok_or_else(|| {
        Failure::new(
            tomo_proto::error::ErrorCode::NotFound,
            format!("image \"{shown}\" was pulled and is not on the host"),
        )
    })
}
