//! Charts of one window of time, beside each other.

use ratatui::{layout::Rect, widgets::Widget as _};
use tomo_proto::model::metric::Unit;

use crate::dashboard::{
    canvas::{Canvas, Hit, split_left, split_top},
    views::{marks::Mark, timeline::Timeline},
    widgets::chart::{ChartSeries, TimeChart},
};

/// What is drawn in one of them.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) unit: Unit,
    /// The top of its axis, where it does not follow the values.
    pub(crate) top: Option<f64>,
    pub(crate) thresholds: &'a [f64],
    /// The name of each series, with its means and its peaks.
    pub(crate) series: Vec<(&'a str, [Vec<Option<f64>>; 2])>,
}

/// What all of them have in common.
pub(crate) struct Shared<'a> {
    pub(crate) time: &'a Timeline,
    /// Where the points begin (UTC ms), and from one to the next.
    pub(crate) grid: (u64, u64),
    /// The present by the clock of what is shown (UTC ms).
    pub(crate) now_ms: u64,
    pub(crate) marks: &'a [Mark],
    pub(crate) stale: bool,
}

/// Draws up to four charts; those that find no room are left out.
pub(crate) fn draw<'a>(
    canvas: &mut Canvas<'_>,
    area: Rect,
    shared: &Shared<'_>,
    charts: impl IntoIterator<Item = Chart<'a>>,
) {
    let theme = canvas.theme;
    let marks: Vec<u64> = shared.marks.iter().map(|mark| mark.at_ms).collect();
    for (place, chart) in quarters(area).into_iter().zip(charts) {
        let series = chart.series.iter().enumerate().map(|(color, (name, [avg, max]))| {
            let style = theme.series[color % theme.series.len()];
            ChartSeries { name, avg, max, style }
        });
        let drawn = TimeChart {
            title: chart.title,
            unit: chart.unit,
            start_ms: shared.grid.0,
            step_ms: shared.grid.1.max(1),
            filled: chart.series.len() == 1,
            series: series.collect(),
            end_ms: shared.time.end_ms(shared.now_ms),
            span_ms: shared.time.span_ms(),
            top: chart.top,
            thresholds: chart.thresholds,
            marks: &marks,
            crosshair_ms: shared.time.crosshair_ms,
            stale: shared.stale,
            theme,
        };
        drawn.render(place, canvas.buffer);
        canvas.hits.add(place, Hit::Chart(place));
    }
}

/// Four charts: two by two where there is room, the first two where it is low, below each other where it is narrow.
fn quarters(area: Rect) -> Vec<Rect> {
    /// Fewer rows are not a chart.
    const LEAST: u16 = 4;
    /// From here on four say more than two larger ones.
    const FOUR: u16 = 10;
    if area.width >= 70 {
        let (left, right) = split_left(area, area.width / 2);
        let left = Rect { width: left.width.saturating_sub(1), ..left };
        if area.height < FOUR {
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
