//! A host's containers, as far as they fit into one report.

use tomo_proto::{
    model::container::{Container, ContainerState},
    wire::frame::{MAX_FRAME_BYTES, encode},
};

/// What containers may take of a frame.
const ROOM_BYTES: usize = MAX_FRAME_BYTES - 1_024;
/// Labels that something goes by; the others make room first.
const KEPT: [&str; 2] = ["dev.tomo.", "com.docker.compose."];

fn size(container: &Container) -> usize {
    encode(container).map_or(usize::MAX, |bytes| bytes.len())
}

fn fit(containers: &[Container]) -> bool {
    containers.iter().map(size).fold(0, usize::saturating_add) <= ROOM_BYTES
}

/// The containers that fit, in their order, and how many do not: apps' and those that run come before others.
pub(super) fn fitting(mut containers: Vec<Container>) -> (Vec<Container>, usize) {
    if fit(&containers) {
        return (containers, 0);
    }
    for container in &mut containers {
        container.labels.retain(|key, _| KEPT.iter().any(|head| key.starts_with(head)));
    }
    let all = containers.len();
    let mut placed: Vec<(usize, Container)> = containers.into_iter().enumerate().collect();
    placed.sort_by_key(|(_, one)| (one.app.is_none(), one.state != ContainerState::Running));
    let mut room = ROOM_BYTES;
    let has_room = |(_, one): &(usize, Container)| {
        let rest = room.checked_sub(size(one));
        room = rest.unwrap_or(room);
        rest.is_some()
    };
    placed.retain(has_room);
    placed.sort_by_key(|(place, _)| *place);
    let left_out = all - placed.len();
    (placed.into_iter().map(|(_, one)| one).collect(), left_out)
}

#[cfg(test)]
mod tests {
    use tomo_proto::wire::report::{Report, ReportBody};

    use super::*;

    /// So many containers with so long a label each; every third runs, the last one is an app's.
    fn containers(count: usize, label: usize) -> Vec<Container> {
        let container = |number: usize| Container {
            id: format!("{number:064x}"),
            name: format!("container-{number:04}"),
            image: "registry.example.com/shop/web:1.2.3@sha256:".to_owned() + &"0".repeat(64),
            state: if number.is_multiple_of(3) { ContainerState::Running } else { ContainerState::Exited },
            app: (number + 1 == count).then(|| "shop".to_owned()),
            labels: [("dev.tomo.name", 8), ("traefik.rule", label)]
                .map(|(key, length)| (key.to_owned(), "x".repeat(length)))
                .into(),
            ..Container::default()
        };
        (0..count).map(container).collect()
    }

    #[test]
    fn whatever_a_host_has_fits_a_report_with_what_counts_in_it() {
        for (count, label) in [(0, 0), (3, 256), (300, 256), (600, 256), (1_000, 256), (1_000, 0), (2, MAX_FRAME_BYTES)]
        {
            let (kept, left_out) = fitting(containers(count, label));
            assert_eq!(kept.len() + left_out, count);
            assert!(kept.is_sorted_by_key(|one| &one.name));
            assert!(kept.iter().all(|one| one.labels.contains_key("dev.tomo.name")));
            let running = kept.iter().filter(|one| one.state == ContainerState::Running).count();
            assert_eq!(running, count.div_ceil(3), "{count} with {label}: what runs is not left out");
            assert!(count == 0 || kept.iter().any(|one| one.app.is_some()), "{count} with {label}: nor is an app's");
            assert_eq!(left_out == 0, count < 1_000, "{count} with {label}: {left_out}");
            let report = Report { number: u64::MAX, body: ReportBody::Containers { containers: kept } };
            assert!(encode(&report).is_ok(), "{count} with {label}");
        }
    }
}
