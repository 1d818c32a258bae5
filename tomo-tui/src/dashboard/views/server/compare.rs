//! Several servers in the same charts, a line for each, with one window of time and one crosshair.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};
use tomo_proto::{
    api::server::ServerMetricsAnswer,
    model::{metric::Unit, server::ServerSummary},
};

use crate::dashboard::{
    action::Action,
    canvas::{Canvas, split_top},
    effect::Effect,
    event::MetricsRange,
    views::{
        charts::{self, Chart, Shared},
        history::{CPU, History, MEMORY, READ, RX, TX, WRITE},
        timeline::{Moved, Timeline},
    },
    widgets::chart::TimeChart,
};

/// Servers in one chart, at the most: more lines than this nobody tells apart.
pub(crate) const MOST: usize = 6;

/// Title, unit, fixed top, and the series that are added up.
const CHARTS: [(&str, Unit, Option<f64>, &[usize]); 4] = [
    ("CPU", Unit::Ratio, Some(1.0), &[CPU]),
    ("Memory", Unit::Bytes, None, &[MEMORY]),
    ("Network in+out", Unit::BytesPerSec, None, &[RX, TX]),
    ("Disk read+write", Unit::BytesPerSec, None, &[READ, WRITE]),
];

/// The view.
#[derive(Debug)]
pub(crate) struct CompareView {
    pub(crate) servers: Vec<String>,
    /// In the order of the servers.
    histories: Vec<History>,
    /// Whether any of them was told.
    has_come: bool,
    pub(crate) time: Timeline,
}

impl CompareView {
    pub(crate) fn new(servers: Vec<String>) -> Box<Self> {
        let histories = servers.iter().map(|_| History::default()).collect();
        Box::new(Self { servers, histories, has_come: false, time: Timeline::default() })
    }

    /// Whether there is something to draw.
    pub(crate) fn has_come(&self) -> bool {
        self.has_come
    }

    /// What the charts want to know, of each server.
    pub(crate) fn fetch(&self) -> Vec<Effect> {
        self.servers.iter().map(|server| Effect::Metrics(self.time.range(server, &[]))).collect()
    }

    /// Does what the view does by itself: whether it did, and what to fetch.
    pub(crate) fn act(&mut self, action: Action, now_ms: u64) -> (bool, Vec<Effect>) {
        match self.time.act(action, now_ms) {
            Moved::No => (false, Vec::new()),
            Moved::Crosshair => (true, Vec::new()),
            Moved::Window => (true, self.fetch()),
        }
    }

    /// Takes a server's history over, unless something else has been asked for since.
    pub(crate) fn take_history(&mut self, range: &MetricsRange, answer: ServerMetricsAnswer) {
        let place = self.servers.iter().position(|server| *range == self.time.range(server, &[]));
        if let Some(place) = place {
            self.histories[place] = History::of(answer);
            self.has_come = true;
        }
    }

    /// Adds the newest figures to charts that follow the present.
    pub(crate) fn take(&mut self, servers: &[ServerSummary]) {
        if self.time.until_ms.is_some() {
            return;
        }
        for (name, history) in self.servers.iter().zip(&mut self.histories) {
            let known = servers.iter().find(|server| server.name == *name);
            if let Some(vitals) = known.and_then(|server| server.vitals.as_ref()) {
                history.push(vitals, self.time.span_ms());
            }
        }
    }

    /// Beginning and step of what all histories are drawn on.
    fn grid(&self) -> (u64, u64) {
        let fetched = || self.histories.iter().filter(|history| history.step_ms > 0);
        let step_ms = fetched().map(|history| history.step_ms).max();
        (fetched().map(|history| history.start_ms).min().unwrap_or(0), step_ms.unwrap_or(1))
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
        let (head, rest) = split_top(area, 1);
        let theme = canvas.theme;
        // All of them have room, with a mark where one is cut.
        let room = (usize::from(head.width) / self.servers.len().max(1)).saturating_sub(5).min(24);
        let names = self.servers.iter().enumerate().flat_map(|(place, name)| {
            let style = theme.series[place % theme.series.len()];
            let marker = TimeChart::marker_of(theme, place).unwrap_or('■');
            [Span::styled(format!("{marker} {}", tomo_proto::text::display_line(name, room)), style), Span::raw("   ")]
        });
        let names = Line::from(names.collect::<Vec<_>>());
        canvas.line(head, &names);
        let area = canvas.section(rest, &self.time.title(true), false);
        let grid = self.grid();
        let shared = Shared { time: &self.time, grid, now_ms: canvas.now_ms, marks: &[], stale: false };
        let charts = CHARTS.map(|(title, unit, top, parts)| Chart {
            title,
            unit,
            top,
            thresholds: if unit == Unit::Ratio { &[0.7, 0.9] } else { &[] },
            // The names stand above once, so that the values of all have room.
            series: self.histories.iter().map(|history| ("", history.sums(parts, grid.0, grid.1))).collect(),
        });
        charts::draw(canvas, area, &shared, charts);
    }
}
