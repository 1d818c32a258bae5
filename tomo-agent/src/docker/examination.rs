//! How a container does and how its last runs ended, from what the engine keeps of it.

use bollard::models::{ContainerInspectResponse, EventMessage};
use tomo_proto::{
    model::{
        container::{ContainerState, Health},
        diagnosis::{CheckAnswer, Examination, RunEnd},
    },
    text::display_line,
};

use crate::docker::inventory::{health_of, parse_time, state_of};

const MAX_CHECKS: usize = 5;
const MAX_ENDS: usize = 20;
const MAX_MOUNTS: usize = 32;
/// Characters of each text: all of it has to fit a frame, beside the log.
const TEXT: usize = 600;
/// Characters of a path.
const PATH: usize = 200;

/// Puts together what an inspection and the engine's events of the container, oldest first, tell.
pub(crate) fn of(details: ContainerInspectResponse, events: &[EventMessage]) -> Examination {
    let state = details.state.unwrap_or_default();
    let status = state.status.map_or(ContainerState::Unknown, state_of);
    let health = state.health.unwrap_or_default();
    let checks = health.log.unwrap_or_default();
    let checks = checks.iter().skip(checks.len().saturating_sub(MAX_CHECKS)).map(|check| CheckAnswer {
        at_ms: parse_time(check.end.as_deref()),
        exit_code: check.exit_code.unwrap_or(0),
        output: display_line(check.output.as_deref().unwrap_or_default().trim(), TEXT),
    });
    let last = RunEnd {
        at_ms: parse_time(state.finished_at.as_deref()),
        exit_code: state.exit_code.unwrap_or(0),
        out_of_memory: state.oom_killed == Some(true),
    };
    let has_ended = last.at_ms > 0 && status != ContainerState::Running;
    let mounts = details.mounts.unwrap_or_default().into_iter().take(MAX_MOUNTS).filter_map(|mount| mount.destination);
    Examination {
        state: status,
        health: health.status.map_or(Health::None, health_of),
        checks: checks.collect(),
        error: display_line(state.error.as_deref().unwrap_or_default(), TEXT),
        restarts: u32::try_from(details.restart_count.unwrap_or(0)).unwrap_or(0),
        ends: ends(events, has_ended.then_some(last)),
        started_at: parse_time(state.started_at.as_deref()),
        user: display_line(&details.config.and_then(|config| config.user).unwrap_or_default(), 60),
        memory_limit_bytes: u64::try_from(details.host_config.and_then(|host| host.memory).unwrap_or(0)).unwrap_or(0),
        mounts: mounts.map(|path| display_line(&path, PATH)).collect(),
        ..Examination::default()
    }
}

/// The engine keeps only the last end with the container, and forgets it when the next run begins; its events tell of the others.
fn ends(events: &[EventMessage], last: Option<RunEnd>) -> Vec<RunEnd> {
    let mut ends: Vec<RunEnd> = Vec::new();
    let mut out_of_memory = false;
    for event in events {
        match event.action.as_deref() {
            Some("oom") => out_of_memory = true,
            Some("die") => {
                let attributes = event.actor.as_ref().and_then(|actor| actor.attributes.as_ref());
                let code = attributes.and_then(|all| all.get("exitCode")).and_then(|code| code.parse().ok());
                let at_ms = event.time.and_then(|secs| u64::try_from(secs).ok()).unwrap_or(0).saturating_mul(1_000);
                ends.push(RunEnd {
                    at_ms,
                    exit_code: code.unwrap_or(0),
                    out_of_memory: std::mem::take(&mut out_of_memory),
                });
            }
            _ => {}
        }
    }
    if let Some(last) = last {
        // The newest event tells of the same end, to the second.
        let same = ends.last().is_some_and(|known| known.at_ms.abs_diff(last.at_ms) < 2_000);
        match ends.last_mut().filter(|_| same) {
            Some(known) => known.out_of_memory |= last.out_of_memory,
            None => ends.push(last),
        }
    }
    ends.drain(..ends.len().saturating_sub(MAX_ENDS));
    ends
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;

    fn event(action: &str, secs: i64, code: &str) -> EventMessage {
        let attributes = Some([("exitCode".to_owned(), code.to_owned())].into());
        EventMessage {
            action: Some(action.to_owned()),
            time: Some(secs),
            actor: Some(EventActor { attributes, ..EventActor::default() }),
            ..EventMessage::default()
        }
    }

    #[test]
    fn ends_come_from_events_and_the_last_one_counts_once() {
        let events = [event("oom", 9, ""), event("die", 10, "137"), event("start", 11, ""), event("die", 20, "1")];
        let last = RunEnd { at_ms: 20_400, exit_code: 1, out_of_memory: false };
        let told = ends(&events, Some(last));
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!((told[0].exit_code, told[0].out_of_memory), (137, true));
        assert_eq!((told[1].exit_code, told[1].out_of_memory), (1, false));
        assert_eq!(ends(&[], Some(last)), [last]);
        let many: Vec<EventMessage> = (0..100).map(|secs| event("die", secs, "2")).collect();
        assert_eq!(ends(&many, None).len(), MAX_ENDS);
    }
}
