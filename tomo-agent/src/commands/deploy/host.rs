//! Whether a host can take an app, before anything is changed there: what is missing is named.

use bollard::models::ContainerInspectResponse;
use tomo_proto::{
    error::ErrorCode,
    model::app::AppSpec,
    text::display_line,
    wire::{command::DeployApp, seam::Ask},
};

use crate::{
    commands::{
        Failure,
        deploy::{container, parts::Looked},
    },
    docker::{About, Image},
    exec::Events,
};

/// Free bytes that a deploy wants on the engine's disk, whatever the image takes.
const DISK_FLOOR: u64 = 128 << 20;

/// Room on the disk and in memory. What old containers may use is free once they have stopped for new ones.
pub(super) async fn check_room(
    about: &About,
    looked: &Looked<'_>,
    spec: &AppSpec,
    events: &Events,
) -> Result<(), Failure> {
    let limit = |old: &ContainerInspectResponse| {
        let bytes = old.host_config.as_ref().and_then(|config| config.memory);
        bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
    };
    let given_back: u64 = looked.parts.iter().flat_map(|part| looked.in_the_way_of(part, spec)).map(limit).sum();
    let wanted: u64 = looked.parts.iter().filter_map(|part| part.service.spec.memory_limit_bytes).sum();
    let ask = Ask::Room {
        folder: about.folder.clone(),
        disk_bytes: DISK_FLOOR,
        memory_bytes: wanted.saturating_sub(given_back),
    };
    events.ask(ask).await.map_err(|message| {
        Failure::new(ErrorCode::Conflict, message)
            .with_next("make room on that host, lower the limit, or take another host")
    })
}

/// An image for other processors would start and end at once.
pub(super) fn check_architecture(about: &About, image: &Image, name: &str) -> Result<(), Failure> {
    let (host, wanted) = (about.architecture.as_str(), image.architecture.as_str());
    let runs = host.is_empty() || wanted.is_empty() || host == wanted;
    if runs || matches!((host, wanted), ("amd64", "386") | ("arm64", "arm")) {
        return Ok(());
    }
    let message = format!(
        "image \"{}\" is for {}, and this host is {}",
        display_line(name, 120),
        display_line(wanted, 20),
        display_line(host, 20)
    );
    Err(Failure::new(ErrorCode::Conflict, message)
        .with_next("take an image for this host's processors, or another host"))
}

/// Each wanted port must be free, or held by a container of the app that is replaced.
pub(super) async fn check_ports(
    deploy: &DeployApp,
    olds: &[&ContainerInspectResponse],
    events: &Events,
) -> Result<(), Failure> {
    let held: Vec<_> = olds.iter().flat_map(|old| container::ports_of(old)).collect();
    for port in deploy.spec.all_ports() {
        let Some(host) = port.host.filter(|host| !held.contains(&(*host, port.protocol))) else { continue };
        let ask = Ask::Port { port: host, protocol: port.protocol, loopback: port.loopback };
        events.ask(ask).await.map_err(|message| {
            Failure::new(ErrorCode::Conflict, message)
                .with_next("choose another host port or none, or stop what uses it")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_for_other_processors_is_refused_by_name() {
        let about = |architecture: &str| About { architecture: architecture.to_owned(), folder: String::new() };
        let image = |architecture: &str| Image { id: String::new(), architecture: architecture.to_owned() };
        for (host, wanted) in [("amd64", "amd64"), ("amd64", "386"), ("arm64", "arm"), ("amd64", ""), ("", "arm64")] {
            assert!(check_architecture(&about(host), &image(wanted), "web:1").is_ok(), "{wanted} on {host}");
        }
        let refused = check_architecture(&about("amd64"), &image("arm64"), "web:1").expect_err("is refused");
        assert_eq!(refused.message, "image \"web:1\" is for arm64, and this host is amd64");
    }
}
