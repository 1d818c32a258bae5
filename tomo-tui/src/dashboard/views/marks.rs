//! Moments that explain a chart: deploys, starts, stops and restarts.

use tomo_proto::model::operation::{Operation, OperationKind};

use crate::dashboard::views::timeline::Timeline;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// When (UTC ms).
    pub(crate) at_ms: u64,
    pub(crate) name: String,
}

/// What operations did that somebody looks for beside a curve.
pub(crate) fn marks_of<'a>(operations: impl Iterator<Item = &'a Operation>) -> Vec<Mark> {
    let mark = |operation: &Operation| {
        let verb = verb(operation.kind)?;
        Some(Mark { at_ms: operation.started_at, name: format!("{verb} {}", operation.target) })
    };
    operations.filter_map(mark).collect()
}

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

/// The title of charts: their time, and the mark at the crosshair.
pub(crate) fn titled(time: &Timeline, marks: &[Mark], is_live: bool) -> String {
    let title = time.title(is_live);
    match time.crosshair_ms.and_then(|at| named_at(marks, at, time.span_ms())) {
        Some(named) => format!("{title} ▾ {named}"),
        None => title,
    }
}

/// The mark nearest to the crosshair, if it is near.
fn named_at(marks: &[Mark], at_ms: u64, span_ms: u64) -> Option<String> {
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
