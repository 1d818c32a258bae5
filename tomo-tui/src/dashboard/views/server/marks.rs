//! Moments that explain a chart: deploys, starts, stops and restarts on the server, and the start of the host itself.

use tomo_proto::model::operation::{Operation, OperationKind};

use super::ServerView;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// When (UTC ms).
    pub(super) at_ms: u64,
    pub(super) name: String,
}

impl ServerView {
    /// The moments that are known, of operations and of the host.
    pub(super) fn marks(&self, operations: &[Operation]) -> Vec<Mark> {
        let here = operations.iter().filter(|operation| operation.server.as_ref() == Some(&self.name));
        let mut marks: Vec<Mark> = here
            .filter_map(|operation| {
                let verb = verb(operation.kind)?;
                Some(Mark { at_ms: operation.started_at, name: format!("{verb} {}", operation.target) })
            })
            .collect();
        if let Some(vitals) = self.summary().and_then(|summary| summary.vitals) {
            let at_ms = vitals.at_ms.saturating_sub(vitals.uptime_secs.saturating_mul(1_000));
            marks.push(Mark { at_ms, name: "the host started".to_owned() });
        }
        marks
    }
}

/// What somebody looks for beside a curve.
const fn verb(kind: OperationKind) -> Option<&'static str> {
    Some(match kind {
        OperationKind::DeployApp => "deploy of",
        OperationKind::RemoveApp => "removal of",
        OperationKind::StartApp | OperationKind::StartContainer => "start of",
        OperationKind::StopApp | OperationKind::StopContainer => "stop of",
        OperationKind::RestartApp | OperationKind::RestartContainer => "restart of",
        OperationKind::UpdateAgent => "update of the agent of",
        _ => return None,
    })
}

/// The mark nearest to the crosshair, if it is near.
pub(super) fn named_at(marks: &[Mark], at_ms: u64, span_ms: u64) -> Option<String> {
    let near = marks.iter().filter(|mark| mark.at_ms.abs_diff(at_ms) <= span_ms / 40);
    let mark = near.min_by_key(|mark| mark.at_ms.abs_diff(at_ms))?;
    Some(format!("{}, {}", tomo_proto::text::display_line(&mark.name, 60), crate::cli::output::time(mark.at_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mark_is_named_and_none_that_is_far() {
        let mark = |at_ms, name: &str| Mark { at_ms, name: name.to_owned() };
        let marks = [mark(10_000, "deploy of shop"), mark(12_000, "stop of blog")];
        assert!(named_at(&marks, 11_500, 60_000).is_some_and(|named| named.starts_with("stop of blog, ")));
        assert_eq!(named_at(&marks, 20_000, 60_000), None);
        assert_eq!(named_at(&[], 10_000, 60_000), None);
    }
}
