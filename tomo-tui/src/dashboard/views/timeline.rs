//! The window of time that charts show: how long, until when, and the moment under the crosshair, which all charts of a view share.

use ratatui::layout::Rect;

use crate::dashboard::{action::Action, event::MetricsRange, widgets::chart::TimeChart};

/// Spans that charts can show, with the step of their points (at most 400 points).
const ZOOMS: [(&str, u64, u32); 8] = [
    ("1 min", 60_000, 1),
    ("5 min", 300_000, 1),
    ("15 min", 900_000, 3),
    ("1 h", 3_600_000, 10),
    ("6 h", 21_600_000, 60),
    ("24 h", 86_400_000, 240),
    ("7 d", 604_800_000, 1_800),
    ("30 d", 2_592_000_000, 7_200),
];
const ZOOM_AT_FIRST: usize = 1;

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// It is none of time.
    No,
    /// Another part of the history is needed.
    Window,
    /// Only the crosshair.
    Crosshair,
}

/// A drag: the chart, the column where it began, the end of the window then, and the crosshair before.
#[derive(Debug, Clone, Copy)]
struct Drag {
    chart: Rect,
    column: u16,
    end_ms: u64,
    crosshair_ms: Option<u64>,
    moved: bool,
}

/// The window.
#[derive(Debug)]
pub(crate) struct Timeline {
    zoom: usize,
    /// End of the window; absent while it follows the present.
    pub(crate) until_ms: Option<u64>,
    /// The time whose values are shown.
    pub(crate) crosshair_ms: Option<u64>,
    drag: Option<Drag>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { zoom: ZOOM_AT_FIRST, until_ms: None, crosshair_ms: None, drag: None }
    }
}

impl Timeline {
    pub(crate) fn span_ms(&self) -> u64 {
        ZOOMS[self.zoom].1
    }

    fn step_s(&self) -> u32 {
        ZOOMS[self.zoom].2
    }

    pub(crate) fn step_ms(&self) -> u64 {
        u64::from(self.step_s()) * 1_000
    }

    /// The right edge.
    pub(crate) fn end_ms(&self, now_ms: u64) -> u64 {
        self.until_ms.unwrap_or(now_ms)
    }

    /// What charts of a server want to know, or of containers on it.
    pub(crate) fn range(&self, server: &str, containers: &[String]) -> MetricsRange {
        MetricsRange {
            server: server.to_owned(),
            containers: containers.to_vec(),
            span_ms: self.span_ms(),
            until_ms: self.until_ms,
            step_s: self.step_s(),
        }
    }

    /// How long and until when; whether a daemon tells of the present.
    pub(crate) fn title(&self, is_live: bool) -> String {
        let until = match self.until_ms {
            Some(until) => format!("until {}", crate::cli::output::time(until)),
            None if is_live => "live".to_owned(),
            None => "as told last".to_owned(),
        };
        format!("{}, {until}", ZOOMS[self.zoom].0)
    }

    /// Why an action has nothing to do here.
    pub(crate) fn does_not_fit(&self, action: Action) -> Option<String> {
        let text = match action {
            Action::ZoomIn if self.zoom == 0 => "this is the shortest time",
            Action::ZoomOut if self.zoom + 1 == ZOOMS.len() => "this is the longest time",
            Action::PanForward | Action::Live if self.until_ms.is_none() => "the charts are live already",
            Action::CrosshairBack | Action::CrosshairForward if self.crosshair_ms.is_none() => {
                "there is no crosshair: its own key or a click on a chart sets it"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// Moves in time by an action; `now_ms` is the present by the clock of what is shown.
    pub(crate) fn act(&mut self, action: Action, now_ms: u64) -> Moved {
        let (end, half) = (self.end_ms(now_ms), self.span_ms() / 2);
        // A column of a wide chart, or a little more.
        let nudge = (self.span_ms() / 60).max(1_000);
        match action {
            Action::ZoomIn => self.zoom = self.zoom.saturating_sub(1),
            Action::ZoomOut => self.zoom = (self.zoom + 1).min(ZOOMS.len() - 1),
            Action::PanBack => self.end_at(end.saturating_sub(half), now_ms),
            Action::PanForward => self.end_at(end.saturating_add(half), now_ms),
            Action::Live => self.until_ms = None,
            Action::Crosshair => {
                // One that is out of sight is set anew.
                let in_sight = |at| (end.saturating_sub(self.span_ms())..=end).contains(at);
                let was_in_sight = self.crosshair_ms.as_ref().is_some_and(in_sight);
                self.crosshair_ms = (!was_in_sight).then(|| end.saturating_sub(half));
                return Moved::Crosshair;
            }
            Action::CrosshairBack | Action::CrosshairForward => {
                let back = action == Action::CrosshairBack;
                let first = end.saturating_sub(self.span_ms());
                self.crosshair_ms = self.crosshair_ms.map(|at| {
                    let at = if back { at.saturating_sub(nudge) } else { at.saturating_add(nudge) };
                    at.clamp(first, end.saturating_sub(1).max(first))
                });
                return Moved::Crosshair;
            }
            _ => return Moved::No,
        }
        Moved::Window
    }

    /// Shows a moment in the middle, under the crosshair.
    pub(crate) fn jump(&mut self, at_ms: u64, now_ms: u64) {
        self.end_at(at_ms.saturating_add(self.span_ms() / 2), now_ms);
        self.crosshair_ms = Some(at_ms);
    }

    /// What ends in the future follows the present.
    fn end_at(&mut self, end_ms: u64, now_ms: u64) {
        self.until_ms = (end_ms < now_ms).then_some(end_ms);
    }

    /// Puts the crosshair under a column of a chart; a drag may begin there.
    pub(crate) fn point_at(&mut self, chart: Rect, column: u16, now_ms: u64) {
        let (end_ms, crosshair_ms) = (self.end_ms(now_ms), self.crosshair_ms);
        self.crosshair_ms = TimeChart::time_at(chart, end_ms, self.span_ms(), column);
        self.drag = Some(Drag { chart, column, end_ms, crosshair_ms, moved: false });
    }

    /// Moves the window with the mouse that holds it.
    pub(crate) fn drag_to(&mut self, column: u16, now_ms: u64) {
        let Some(mut drag) = self.drag else { return };
        let columns = i64::from(drag.column) - i64::from(column);
        if columns == 0 && !drag.moved {
            return;
        }
        // It was no click: the crosshair is where it was.
        self.crosshair_ms = drag.crosshair_ms;
        drag.moved = true;
        self.drag = Some(drag);
        let cell = i64::try_from(TimeChart::cell_ms(drag.chart, self.span_ms())).unwrap_or(i64::MAX);
        self.end_at(drag.end_ms.saturating_add_signed(columns.saturating_mul(cell)), now_ms);
    }

    /// Ends a drag; says whether the window is another one.
    pub(crate) fn drop_it(&mut self) -> bool {
        self.drag.take().is_some_and(|drag| drag.moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn it_pans_jumps_and_comes_back_to_the_present() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.act(Action::PanBack, NOW), Moved::Window);
        assert_eq!(timeline.until_ms, Some(NOW - 150_000));
        timeline.act(Action::PanForward, NOW);
        assert_eq!(timeline.until_ms, None, "it follows the present");
        timeline.jump(NOW - 3_600_000, NOW);
        assert_eq!((timeline.until_ms, timeline.crosshair_ms), (Some(NOW - 3_450_000), Some(NOW - 3_600_000)));
        timeline.jump(NOW - 1_000, NOW);
        assert_eq!(timeline.until_ms, None, "so near the present there is no later part");
        assert_eq!(timeline.act(Action::Open, NOW), Moved::No);
    }

    #[test]
    fn a_click_sets_the_crosshair_and_a_drag_moves_the_window_with_it() {
        let (mut timeline, chart) = (Timeline::default(), Rect::new(0, 0, 67, 7));
        timeline.point_at(chart, 37, NOW);
        assert_eq!(timeline.crosshair_ms, Some(NOW - 150_000));
        timeline.drag_to(37, NOW);
        assert!(!timeline.drop_it() && timeline.crosshair_ms.is_some(), "that was a click");
        timeline.act(Action::Crosshair, NOW);
        timeline.point_at(chart, 37, NOW);
        timeline.drag_to(47, NOW);
        assert_eq!((timeline.until_ms, timeline.crosshair_ms), (Some(NOW - 50_000), None));
        timeline.drag_to(27, NOW);
        assert_eq!(timeline.until_ms, None, "nothing is later than now");
        assert!(timeline.drop_it() && !timeline.drop_it());
        timeline.drag_to(1, NOW);
        assert_eq!(timeline.until_ms, None, "nobody holds it");
    }

    #[test]
    fn the_crosshair_moves_by_keys_and_stays_inside() {
        let mut timeline = Timeline::default();
        assert!(timeline.does_not_fit(Action::CrosshairBack).is_some());
        timeline.act(Action::Crosshair, NOW);
        timeline.act(Action::CrosshairForward, NOW);
        assert_eq!(timeline.crosshair_ms, Some(NOW - 145_000));
        for _ in 0..100 {
            timeline.act(Action::CrosshairBack, NOW);
        }
        assert_eq!(timeline.crosshair_ms, Some(NOW - 300_000));
        timeline.act(Action::Crosshair, NOW + 1_000);
        assert_eq!(timeline.crosshair_ms, Some(NOW - 149_000), "one out of sight is set anew");
        timeline.act(Action::Crosshair, NOW + 1_000);
        assert_eq!(timeline.crosshair_ms, None);
    }
}
