//! What containers use over time, beside the facts of an app or of a container.

use ratatui::layout::Rect;
use tomo_proto::{api::server::ServerMetricsAnswer, model::metric::Unit};

use crate::client::ClientError;
use crate::dashboard::{
    action::Action,
    canvas::{Canvas, split_left, split_top},
    event::MetricsRange,
    state::State,
    views::{
        charts::{self, Chart, Shared},
        history::{CPU, History, MEMORY, READ, RX, TX, WRITE},
        marks::{Mark, titled},
        timeline::{Moved, Timeline},
    },
};

/// Containers in one chart, at the most: more lines than this nobody tells apart.
const MOST: usize = 6;

/// Charts that follow the present are fetched anew this often.
const FOLLOW_MS: u64 = 2_000;

/// Facts and charts stand beside each other from this width on.
const WIDE: u16 = 140;

/// Columns between them.
const GAP: u16 = 2;

/// Rows that charts want, and below which there are none.
const ROWS: u16 = 9;

/// Series with their names.
type Parts = &'static [(usize, &'static str)];

/// Title for one container, title where several are compared by sums, unit, and the series.
const CHARTS: [(&str, &str, Unit, Parts); 4] = [
    ("CPU, cores", "CPU, cores", Unit::Number, &[(CPU, "")]),
    ("Memory", "Memory", Unit::Bytes, &[(MEMORY, "")]),
    ("Network", "Network in+out", Unit::BytesPerSec, &[(RX, "in"), (TX, "out")]),
    ("Disk", "Disk read+write", Unit::BytesPerSec, &[(READ, "read"), (WRITE, "write")]),
];

/// One of the containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measured {
    /// What a person calls it.
    pub(crate) name: String,
    pub(crate) container: String,
}

/// Their charts.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    server: String,
    of: Vec<Measured>,
    /// In the same order.
    histories: Vec<History>,
    pub(crate) time: Timeline,
    /// When the present was asked for last (UTC ms), and whether its answer is still on its way.
    asked_at_ms: u64,
    is_asked: bool,
    /// Containers that there is no line for.
    left_out: usize,
}

impl Usage {
    /// Says whose they are, as often as that is told: what to fetch, where that is due.
    pub(crate) fn follow(&mut self, server: &str, mut of: Vec<Measured>, now_ms: u64) -> Option<MetricsRange> {
        self.left_out = of.len().saturating_sub(MOST);
        of.truncate(MOST);
        let next_ms = self.asked_at_ms + FOLLOW_MS.max(self.time.step_ms());
        if self.server != server || self.of != of {
            self.server = server.to_owned();
            self.histories = of.iter().map(|_| History::default()).collect();
            self.of = of;
        } else if self.time.until_ms.is_some() || self.is_asked || now_ms < next_ms {
            return None;
        }
        self.asked_at_ms = now_ms;
        let range = self.range();
        self.is_asked = range.is_some();
        range
    }

    /// What the charts want to know, once it is known whose they are.
    pub(crate) fn range(&self) -> Option<MetricsRange> {
        let containers: Vec<String> = self.of.iter().map(|measured| measured.container.clone()).collect();
        (!containers.is_empty()).then(|| self.time.range(&self.server, &containers))
    }

    /// Moves in time: whether the action was one of that, and what to fetch.
    pub(crate) fn act(&mut self, action: Action, now_ms: u64) -> (bool, Option<MetricsRange>) {
        match self.time.act(action, now_ms) {
            Moved::No => (false, None),
            Moved::Crosshair => (true, None),
            Moved::Window => (true, self.range()),
        }
    }

    /// Takes a range over, unless something else has been asked for since.
    ///
    /// # Errors
    /// Gives back why it was not told.
    pub(crate) fn take(
        &mut self,
        range: &MetricsRange,
        told: Result<ServerMetricsAnswer, ClientError>,
    ) -> Result<(), ClientError> {
        self.is_asked = false;
        let answer = told?;
        if self.range().as_ref() == Some(range) {
            self.histories =
                self.of.iter().map(|measured| History::of_container(answer.clone(), &measured.container)).collect();
        }
        Ok(())
    }

    /// Where so many lines of facts stand, and where the charts do; none where there is no container.
    pub(crate) fn split(&self, area: Rect, facts: usize) -> (Rect, Rect) {
        if self.of.is_empty() {
            return split_top(area, area.height);
        }
        if area.width >= WIDE {
            return split_left(area, self.width_of_facts(area.width) + GAP);
        }
        let free = area.height.saturating_sub(u16::try_from(facts).unwrap_or(u16::MAX).saturating_add(1));
        let charts = free.max(ROWS.min(area.height / 2));
        split_top(area, if charts < ROWS { area.height } else { area.height - charts })
    }

    /// How wide the facts are.
    pub(crate) fn width_of_facts(&self, width: u16) -> u16 {
        if width >= WIDE && !self.of.is_empty() { width * 2 / 5 - GAP } else { width }
    }

    /// Draws the charts; `memory` is what the container may use, and what does not run has no figures of now.
    pub(crate) fn draw(
        &self,
        state: &State,
        canvas: &mut Canvas<'_>,
        area: Rect,
        marks: &[Mark],
        memory: Option<u64>,
        runs: bool,
    ) {
        if area.height == 0 {
            return;
        }
        let mut title = titled(&self.time, marks, state.is_live());
        if self.left_out > 0 {
            title = format!("{title}, without {} more containers", self.left_out);
        }
        let area = canvas.section(area, &title, false);
        let grid = self.histories.first().map_or((0, 0), |history| (history.start_ms, history.step_ms));
        #[expect(clippy::cast_precision_loss, reason = "the top of an axis")]
        let limit = memory.filter(|limit| *limit > 0).map(|limit| limit as f64);
        let memory_most = [limit.unwrap_or(0.0) * 0.9];
        let charts = CHARTS.map(|(alone, together, unit, parts)| {
            let (title, series) = if let [history] = &self.histories[..] {
                (alone, parts.iter().map(|(part, name)| (*name, history.points(*part))).collect())
            } else {
                let parts: Vec<usize> = parts.iter().map(|(part, _)| *part).collect();
                let sums = |history: &History| history.sums(&parts, grid.0, grid.1);
                let names = self.of.iter().map(|measured| measured.name.as_str());
                (together, names.zip(self.histories.iter().map(sums)).collect())
            };
            let limited = unit == Unit::Bytes && limit.is_some();
            let thresholds: &[f64] = if limited { &memory_most } else { &[] };
            Chart { title, unit, top: limit.filter(|_| limited), thresholds, series }
        });
        let shared = Shared { time: &self.time, grid, now_ms: canvas.now_ms, marks, stale: !runs };
        charts::draw(canvas, area, &shared, charts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Vec<Measured> {
        vec![Measured { name: "shop".to_owned(), container: "tomo-shop".to_owned() }]
    }

    #[test]
    fn facts_and_charts_fill_every_size_and_facts_are_never_pushed_out() {
        let mut usage = Usage::default();
        usage.follow("web-1", shop(), 0);
        for width in 0..220 {
            for height in 0..60 {
                let area = Rect::new(0, 0, width, height);
                for lines in [0, 3, 12, 50, 500] {
                    let (facts, charts) = usage.split(area, lines);
                    let whole = usize::from(facts.height) >= lines;
                    assert!(whole || facts.height >= height / 2, "{width}x{height}, {lines} lines");
                    assert_eq!(facts.union(charts), area);
                    assert!(charts.is_empty() || charts.height >= ROWS || width >= WIDE, "{width}x{height}");
                }
            }
        }
    }

    #[test]
    fn live_charts_are_fetched_now_and_then_and_those_of_the_past_once() {
        let mut usage = Usage::default();
        assert_eq!(usage.range(), None, "nobody knows whose");
        assert!(usage.follow("web-1", shop(), 10_000).is_some());
        assert!(usage.follow("web-1", shop(), 12_000).is_none(), "the answer is on its way");
        let range = usage.range().expect("it is known whose");
        usage.take(&range, Ok(ServerMetricsAnswer::default())).expect("it was told");
        assert!(usage.follow("web-1", shop(), 11_000).is_none());
        assert!(usage.follow("web-1", shop(), 12_000).is_some());
        let lost = ClientError::NotConnected { url: String::new(), reason: String::new() };
        usage.take(&range, Err(lost)).expect_err("it was not told");
        assert!(usage.follow("web-1", shop(), 14_000).is_some(), "it is asked for again");
        assert!(usage.act(Action::PanBack, 12_000).1.is_some());
        assert!(usage.follow("web-1", shop(), 60_000).is_none());
        assert!(usage.follow("web-2", shop(), 60_000).is_some(), "another server's");
    }
}
