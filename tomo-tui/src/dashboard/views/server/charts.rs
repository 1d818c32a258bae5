//! A server's four charts.

use ratatui::layout::Rect;
use tomo_proto::model::metric::Unit;

use super::{
    ServerView,
    history::{CPU, MEMORY, READ, RX, SWAP, TX, WRITE},
    marks::named_at,
};
use crate::dashboard::{
    canvas::{Canvas, Hit, split_left, split_top},
    state::State,
    widgets::chart::{ChartSeries, TimeChart},
};

impl ServerView {
    pub(super) fn draw_charts(&self, state: &State, canvas: &mut Canvas<'_>, area: Rect) {
        let (theme, now_ms) = (canvas.theme, canvas.now_ms);
        let marks = self.marks(state.operations.items());
        let mut title = self.time.title();
        if let Some(named) = self.time.crosshair_ms.and_then(|at| named_at(&marks, at, self.time.span_ms())) {
            title = format!("{title} ▾ {named}");
        }
        let area = canvas.section(area, &title, false);
        let marks: Vec<u64> = marks.iter().map(|mark| mark.at_ms).collect();
        let memory_total =
            self.detail.as_ref().and_then(|detail| detail.summary.vitals).map(|vitals| vitals.memory_total_bytes);
        #[expect(clippy::cast_precision_loss, reason = "the top of an axis")]
        let memory_top = memory_total.filter(|total| *total > 0).map(|total| total as f64);
        let memory_most = [memory_top.unwrap_or(0.0) * 0.9];
        let charts: [Chart<'_>; 4] = [
            ("CPU", Unit::Ratio, Some(1.0), &[0.7, 0.9], &[(CPU, "cpu")]),
            ("Memory", Unit::Bytes, memory_top, &memory_most, &[(MEMORY, "used"), (SWAP, "swap")]),
            ("Network", Unit::BytesPerSec, None, &[], &[(RX, "in"), (TX, "out")]),
            ("Disk", Unit::BytesPerSec, None, &[], &[(READ, "read"), (WRITE, "write")]),
        ];
        let end_ms = self.time.end_ms(self.now_there(now_ms));
        for (place, (title, unit, top, thresholds, series)) in quarters(area).into_iter().zip(charts) {
            let points: Vec<[Vec<Option<f64>>; 2]> = series
                .iter()
                .map(|(index, _)| {
                    [&self.history.avg, &self.history.max].map(|points| points[*index].iter().copied().collect())
                })
                .collect();
            let series = series
                .iter()
                .zip(&points)
                .enumerate()
                .map(|(color, ((_, name), [avg, max]))| ChartSeries {
                    name,
                    avg,
                    max,
                    style: theme.series[color % theme.series.len()],
                })
                .collect::<Vec<_>>();
            let chart = TimeChart {
                title,
                unit,
                start_ms: self.history.start_ms,
                step_ms: self.history.step_ms.max(1),
                filled: series.len() == 1,
                series,
                end_ms,
                span_ms: self.time.span_ms(),
                top,
                thresholds,
                marks: &marks,
                crosshair_ms: self.time.crosshair_ms,
                stale: self.is_stale(now_ms),
                theme,
            };
            ratatui::widgets::Widget::render(chart, place, canvas.buffer);
            canvas.hits.add(place, Hit::Chart(place));
        }
    }
}

/// Title, unit, fixed top, thresholds, and the series with their names.
type Chart<'a> = (&'a str, Unit, Option<f64>, &'a [f64], &'a [(usize, &'a str)]);

/// Four charts: two by two where there is room, below each other where it is narrow, the first ones only where it is low.
pub(super) fn quarters(area: Rect) -> Vec<Rect> {
    /// Fewer rows are not a chart.
    const LEAST: u16 = 4;
    if area.width >= 70 {
        let (left, right) = split_left(area, area.width / 2);
        let left = Rect { width: left.width.saturating_sub(1), ..left };
        if area.height < 2 * LEAST {
            return vec![left, right];
        }
        let top = area.height / 2;
        let halves = |column: Rect| split_top(column, top);
        let ((a, c), (b, d)) = (halves(left), halves(right));
        return vec![a, b, c, d];
    }
    let count = (area.height / LEAST).clamp(1, 4);
    let height = area.height / count;
    (0..count).map(|place| Rect { y: area.y + place * height, height, ..area }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_fit_every_size() {
        for width in 0..120 {
            for height in 0..40 {
                let area = Rect::new(0, 0, width, height);
                let places = quarters(area);
                assert!(
                    !places.is_empty() && places.iter().all(|place| area.union(*place) == area),
                    "{width}x{height}"
                );
            }
        }
    }
}
