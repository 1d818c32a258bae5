//! Values over time: an axis with round figures, gaps that stay gaps, peaks that never vanish.
//!
//! The window moves by whole cells, so a live chart leaves most of the terminal alone between two samples.

use std::ops::Range;

use jiff::tz::TimeZone;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Widget,
};
use tomo_proto::{model::metric::Unit, text::display_line};
use unicode_width::UnicodeWidthStr as _;

use super::{
    plot::{Brush, Column, paint},
    window::{Window, time_text},
};
use crate::{
    dashboard::theme::{Depth, Glyphs, Theme},
    format,
};

/// Cells in a row that one of several lines has the color for, where they share cells.
const TURN: usize = 4;

/// One line of a chart.
#[derive(Debug, Clone)]
pub(crate) struct ChartSeries<'a> {
    pub(crate) name: &'a str,
    /// The mean of each step; `None` where nothing was measured.
    pub(crate) avg: &'a [Option<f64>],
    /// The highest moment of each step; may be empty.
    pub(crate) max: &'a [Option<f64>],
    pub(crate) style: Style,
}

/// A chart of up to six series.
#[derive(Debug, Clone)]
pub(crate) struct TimeChart<'a> {
    pub(crate) title: &'a str,
    pub(crate) unit: Unit,
    /// Time of the first value of each series.
    pub(crate) start_ms: u64,
    /// Time between two values.
    pub(crate) step_ms: u64,
    pub(crate) series: Vec<ChartSeries<'a>>,
    /// The right edge; the chart ends at the next whole cell.
    pub(crate) end_ms: u64,
    /// The time from the left edge to the right one.
    pub(crate) span_ms: u64,
    /// Top of the axis; without it, the highest value decides.
    pub(crate) top: Option<f64>,
    /// Fills the first series down to the axis.
    pub(crate) filled: bool,
    /// Values that matter: a faint line at each, and a single series is colored above them.
    pub(crate) thresholds: &'a [f64],
    /// Moments that matter.
    pub(crate) marks: &'a [u64],
    pub(crate) crosshair_ms: Option<u64>,
    /// The values are old.
    pub(crate) stale: bool,
    pub(crate) theme: &'a Theme,
}

/// Columns of the axis; the same for every unit, so that charts below each other line up.
const AXIS_WIDTH: u16 = 7;

/// Markers of the series where color cannot tell them apart.
const MARKERS: [char; 6] = ['•', '+', '×', '○', '◇', '#'];
const ASCII_MARKERS: [char; 6] = ['*', '+', 'x', 'o', '%', '#'];

impl TimeChart<'_> {
    /// The moment under a column of a chart drawn in `area`, for the crosshair.
    pub(crate) fn time_at(area: Rect, end_ms: u64, span_ms: u64, column: u16) -> Option<u64> {
        let plot = plot_area(area);
        let cell = column.checked_sub(plot.x).filter(|cell| *cell < plot.width)?;
        u64::try_from(Window::new(end_ms, span_ms, plot.width).start_of(usize::from(cell))).ok()
    }

    /// The time that a column of a chart drawn in `area` stands for.
    pub(crate) fn cell_ms(area: Rect, span_ms: u64) -> u64 {
        span_ms.div_ceil(u64::from(plot_area(area).width.max(1))).max(1)
    }

    /// What sets a series apart where colors do not.
    pub(crate) fn marker_of(theme: &Theme, place: usize) -> Option<char> {
        let alike = theme.depth == Depth::Mono || theme.glyphs == Glyphs::Ascii;
        let markers = if theme.is_ascii() { ASCII_MARKERS } else { MARKERS };
        alike.then(|| markers[place % markers.len()])
    }

    fn draw(&self, area: Rect, buf: &mut Buffer, zone: &TimeZone) {
        let area = area.intersection(buf.area);
        if area.is_empty() {
            return;
        }
        let mut plot = plot_area(area);
        let window = Window::new(self.end_ms, self.span_ms, plot.width);
        let head = Rect { height: 1, ..area };
        let beside = usize::from(head.width).saturating_sub(self.title.width().min(usize::from(head.width) / 2) + 1);
        let figures = self.figures(window, false);
        let fit = figures.iter().map(Span::width).sum::<usize>() <= beside;
        match self.series.len() {
            _ if fit => self.draw_title(head, figures, window, zone, buf),
            // A row of their own for the values of several, if the plot can spare one.
            2.. if plot.height > 3 => {
                self.draw_title(head, Vec::new(), window, zone, buf);
                let own = Rect { y: plot.y, height: 1, ..area };
                let figures = first_of(self.figures(window, true), usize::from(own.width));
                Line::from(figures).right_aligned().render(own, buf);
                plot = Rect { y: plot.y + 1, height: plot.height - 1, ..plot };
            }
            2.. => self.draw_title(head, first_of(self.figures(window, true), beside), window, zone, buf),
            _ => self.draw_title(head, Vec::new(), window, zone, buf),
        }
        if !plot.is_empty() {
            let top = self.top.filter(|top| top.is_finite() && *top > 0.0);
            let top = top.unwrap_or_else(|| format::axis_top(self.unit, self.highest(window)));
            if plot.x > area.x {
                self.draw_axis(Rect { x: area.x, width: plot.x - area.x, ..plot }, top, buf);
            }
            self.draw_plot(plot, window, top, buf);
            if plot.bottom() < area.bottom() {
                self.draw_times(Rect { y: plot.bottom(), height: 1, ..plot }, window, zone, buf);
            }
        }
        if self.stale {
            buf.set_style(area, self.theme.stale);
        }
    }

    /// The value of each series, at the crosshair or the newest one; `short` without what the axis says as well.
    fn figures(&self, window: Window, short: bool) -> Vec<Span<'static>> {
        let crosshair = self.crosshair_ms.and_then(|at| window.cell_at(at));
        let figure = |(place, series): (usize, &ChartSeries<'_>)| {
            let value = match crosshair {
                Some(cell) => self.mean(series, window.start_of(cell), window.start_of(cell + 1)),
                None => self.range(series, window).rev().find_map(|at| value_at(series.avg, at)),
            };
            let text = value.map_or_else(|| format::UNKNOWN.to_owned(), |value| format::value(self.unit, value));
            if self.series.len() == 1 {
                let style = self.style_at(series.style, value.unwrap_or(0.0)).patch(self.theme.title);
                return Span::styled(format!("{text:>6}"), style);
            }
            let (marker, name) = (self.marker(place), display_line(series.name, 16));
            let label = if short {
                let blank = if name.is_empty() { "" } else { " " };
                let marker = marker.map(String::from).unwrap_or_default();
                format!(" {marker}{name}{blank}{}", text.trim_end_matches("/s"))
            } else {
                let marker = marker.map(|marker| format!("{marker} ")).unwrap_or_default();
                format!("  {marker}{name} {text:>6}")
            };
            Span::styled(label, series.style)
        };
        self.series.iter().enumerate().map(figure).collect()
    }

    fn draw_title(&self, row: Rect, figures: Vec<Span<'static>>, window: Window, zone: &TimeZone, buf: &mut Buffer) {
        let crosshair = self.crosshair_ms.filter(|at| window.cell_at(*at).is_some());
        let has_figures = !figures.is_empty();
        let figures = Line::from(figures);
        let split = row.width - u16::try_from(figures.width()).unwrap_or(row.width).min(row.width);
        figures.render(Rect { x: row.x + split, width: row.width - split, ..row }, buf);

        let left = usize::from(split).saturating_sub(usize::from(has_figures));
        let (end, _) = buf.set_stringn(row.x, row.y, display_line(self.title, left), left, self.theme.title);
        let note = match (crosshair, self.series.as_slice()) {
            // The same in all charts of a view, whatever a cell of each stands for.
            (Some(at_ms), _) => time_text(at_ms.into(), zone, "%b %d %H:%M:%S"),
            (None, [series]) => self.summary(series, window),
            _ => None,
        };
        let left = left.saturating_sub(usize::from(end - row.x));
        if let Some(note) = note.map(|note| format!("  {note}")).filter(|note| note.width() <= left) {
            buf.set_stringn(end, row.y, note, left, self.theme.dim);
        }
    }

    /// The least, the mean and the most of what is in sight.
    #[expect(clippy::cast_precision_loss, reason = "a number of samples")]
    fn summary(&self, series: &ChartSeries<'_>, window: Window) -> Option<String> {
        let range = self.range(series, window);
        let (mut least, mut most, mut sum, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0_usize);
        for at in range {
            if let Some(value) = value_at(series.avg, at) {
                (least, sum, count) = (least.min(value), sum + value, count + 1);
                most = most.max(value).max(value_at(series.max, at).unwrap_or(value));
            }
        }
        let text = |value| format::value(self.unit, value);
        (count > 0).then(|| format!("min {} avg {} max {}", text(least), text(sum / count as f64), text(most)))
    }

    fn draw_axis(&self, area: Rect, top: f64, buf: &mut Buffer) {
        let shares: &[f64] = match area.height {
            0..=2 => &[1.0],
            3..=8 => &[1.0, 0.5, 0.0],
            _ => &[1.0, 0.75, 0.5, 0.25, 0.0],
        };
        let room = usize::from(area.width) - 1;
        for share in shares {
            let label = if *share > 0.0 { format::tick(self.unit, top * share) } else { "0".to_owned() };
            let row = area.y + row_of(*share, area.height);
            buf.set_stringn(area.x, row, format!("{label:>room$}"), room, self.theme.dim);
        }
    }

    fn draw_plot(&self, plot: Rect, window: Window, top: f64, buf: &mut Buffer) {
        let (width, height) = (usize::from(plot.width), usize::from(plot.height));
        for threshold in self.thresholds.iter().filter(|at| **at > 0.0 && **at <= top) {
            let rule = if self.theme.is_ascii() { "-" } else { "╌" }.repeat(width);
            buf.set_stringn(plot.x, plot.y + row_of(threshold / top, plot.height), rule, width, self.theme.dim);
        }
        for cell in self.marks.iter().filter_map(|mark| window.cell_at(*mark)) {
            let (head, line) = if self.theme.is_ascii() { ('v', ':') } else { ('▾', '┊') };
            for row in 0..plot.height {
                let (symbol, style) = if row == 0 { (head, self.theme.accent) } else { (line, self.theme.dim) };
                put(buf, plot, cell, row, symbol, style);
            }
        }
        let mut drawn = vec![false; width * height];
        for (place, series) in self.series.iter().enumerate().rev() {
            let filled = self.filled && place == 0;
            let brush = match self.marker(place) {
                Some(marker) => Brush::Marker(marker),
                None if filled => Brush::bar(self.theme.glyphs),
                None => Brush::line(self.theme.glyphs),
            };
            let columns: Vec<_> = (0..width * brush.columns())
                .map(|column| {
                    let (from, until) = window.column(column, brush.columns());
                    self.column(series, from, until)
                })
                .collect();
            // Dots of two colors cannot share a cell: where lines lie on each other, each has the color for some cells in turn.
            for (row, cells) in (0..plot.height).zip(paint(&columns, height, top, brush, filled).chunks(width.max(1))) {
                let middle = (f64::from(plot.height - row) - 0.5) / f64::from(plot.height) * top;
                let style = self.style_at(series.style, middle);
                for (cell, symbol) in cells.iter().enumerate().filter(|(_, symbol)| **symbol != ' ') {
                    let is_its_turn = (cell / TURN) % self.series.len() == place;
                    let taken = std::mem::replace(&mut drawn[usize::from(row) * width + cell], true);
                    let there = cell_mut(buf, plot, cell, row);
                    let below = there.as_ref().and_then(|there| there.symbol().chars().next());
                    let style = match there.filter(|_| taken && !is_its_turn) {
                        Some(there) => there.style(),
                        None => style,
                    };
                    put(buf, plot, cell, row, with_dots(*symbol, below), style);
                }
            }
        }
        let is_blank =
            |series: &ChartSeries<'_>| self.range(series, window).all(|place| value_at(series.avg, place).is_none());
        if self.series.iter().all(is_blank) {
            let text = if self.step_ms == 0 { "loading" } else { "no figures of this time" };
            if let Some(room) = width.checked_sub(text.len()) {
                let x = plot.x + u16::try_from(room / 2).unwrap_or(0);
                buf.set_stringn(x, plot.y + plot.height / 2, text, width, self.theme.dim);
            }
        }
        if let Some(cell) = self.crosshair_ms.and_then(|at| window.cell_at(at)) {
            let line = if self.theme.is_ascii() { '|' } else { '│' };
            for row in 0..plot.height {
                match cell_mut(buf, plot, cell, row) {
                    Some(there) if there.symbol() == " " => {
                        there.set_char(line).set_style(self.theme.accent);
                    }
                    Some(there) => {
                        there.set_style(Style::new().add_modifier(Modifier::REVERSED));
                    }
                    None => {}
                }
            }
        }
    }

    fn draw_times(&self, area: Rect, window: Window, zone: &TimeZone, buf: &mut Buffer) {
        for (cell, text) in window.labels(zone) {
            if cell + text.width() <= usize::from(area.width) {
                let x = area.x + u16::try_from(cell).unwrap_or_default();
                buf.set_stringn(x, area.y, text, usize::from(area.width) - cell, self.theme.dim);
            }
        }
    }

    /// Sets the series apart where their colors do not.
    fn marker(&self, place: usize) -> Option<char> {
        Self::marker_of(self.theme, place).filter(|_| self.series.len() > 1)
    }

    /// A single series takes the color of the thresholds it is above.
    fn style_at(&self, style: Style, value: f64) -> Style {
        let above = self.thresholds.iter().filter(|at| value >= **at * (1.0 - 1e-9)).count();
        match above {
            _ if self.series.len() > 1 => style,
            0 => style,
            1 => self.theme.warn,
            _ => self.theme.bad,
        }
    }

    fn highest(&self, window: Window) -> f64 {
        let values = self.series.iter().flat_map(|series| {
            let range = self.range(series, window);
            range.flat_map(|at| [value_at(series.avg, at), value_at(series.max, at)]).flatten()
        });
        values.fold(0.0, f64::max)
    }

    /// Which values are in sight.
    fn range(&self, series: &ChartSeries<'_>, window: Window) -> Range<usize> {
        self.between(series, window.start_of(0), window.end)
    }

    /// Which values start between two moments.
    fn between(&self, series: &ChartSeries<'_>, from: i128, until: i128) -> Range<usize> {
        let (start, step) = (i128::from(self.start_ms), i128::from(self.step_ms.max(1)));
        let place = |at: i128| {
            let place = (at - start).max(0).unsigned_abs().div_ceil(step.unsigned_abs());
            usize::try_from(place).unwrap_or(usize::MAX).min(series.avg.len())
        };
        place(from)..place(until)
    }

    fn column(&self, series: &ChartSeries<'_>, from: i128, until: i128) -> Option<Column> {
        let mut range = self.between(series, from, until);
        if range.is_empty() {
            // Between two samples the earlier one holds.
            let place = (from - i128::from(self.start_ms)).checked_div(i128::from(self.step_ms.max(1)))?;
            let place = if from < i128::from(self.start_ms) { None } else { usize::try_from(place).ok() }?;
            range = place..place.saturating_add(1);
        }
        let mut column: Option<Column> = None;
        for at in range {
            let Some(value) = value_at(series.avg, at) else { continue };
            let peak = value_at(series.max, at).unwrap_or(value).max(value);
            column = Some(column.map_or(Column { low: value, high: value, peak }, |column| Column {
                low: column.low.min(value),
                high: column.high.max(value),
                peak: column.peak.max(peak),
            }));
        }
        column
    }

    /// The mean of what lies between two moments.
    #[expect(clippy::cast_precision_loss, reason = "a number of samples")]
    fn mean(&self, series: &ChartSeries<'_>, from: i128, until: i128) -> Option<f64> {
        let range = self.between(series, from, until);
        if range.is_empty() {
            return self.column(series, from, until).map(|column| column.high);
        }
        let values: Vec<f64> = range.filter_map(|at| value_at(series.avg, at)).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }
}

impl Widget for TimeChart<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        self.draw(area, buf, &TimeZone::system());
    }
}

/// As many of the figures as there is room for, with a mark where some are left out.
fn first_of(mut figures: Vec<Span<'static>>, room: usize) -> Vec<Span<'static>> {
    let widths = figures.iter().scan(0, |width, figure| {
        *width += figure.width();
        Some(*width)
    });
    let widths: Vec<usize> = widths.collect();
    if widths.last().is_some_and(|all| *all > room) {
        let fit = widths.iter().filter(|width| **width + 2 <= room).count();
        figures.truncate(fit);
        figures.push(Span::raw(" …"));
    }
    figures
}

/// Where the values go: below the title, above the times, right of the axis, as far as there is room for those.
fn plot_area(area: Rect) -> Rect {
    let axis = if area.width >= 24 { AXIS_WIDTH } else { 0 };
    let times = u16::from(area.height >= 4);
    Rect {
        x: area.x + axis,
        y: area.y.saturating_add(1),
        width: area.width - axis,
        height: area.height.saturating_sub(1 + times),
    }
}

/// The row, from the top, in which a share of the height lies.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the share is between 0 and 1")]
fn row_of(share: f64, height: u16) -> u16 {
    let from_below = (share.clamp(0.0, 1.0) * f64::from(height)).floor() as u16;
    height - 1 - from_below.min(height - 1)
}

fn value_at(values: &[Option<f64>], at: usize) -> Option<f64> {
    values.get(at).copied().flatten().filter(|value| value.is_finite())
}

fn cell_mut(buf: &mut Buffer, plot: Rect, cell: usize, row: u16) -> Option<&mut ratatui::buffer::Cell> {
    buf.cell_mut((plot.x + u16::try_from(cell).ok()?, plot.y + row))
}

/// A symbol with the dots of what lies below it, where both have dots.
fn with_dots(symbol: char, below: Option<char>) -> char {
    const DOTS: std::ops::RangeInclusive<char> = '\u{2800}'..='\u{28ff}';
    match below {
        Some(below) if DOTS.contains(&symbol) && DOTS.contains(&below) => {
            char::from_u32(u32::from(symbol) | u32::from(below)).unwrap_or(symbol)
        }
        _ => symbol,
    }
}

fn put(buf: &mut Buffer, plot: Rect, cell: usize, row: u16, symbol: char, style: Style) {
    if let Some(there) = cell_mut(buf, plot, cell, row) {
        there.reset();
        there.set_char(symbol).set_style(style);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, io, rc::Rc};

    use proptest::prelude::*;
    use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, widgets::Paragraph};

    use super::*;
    use crate::dashboard::widgets::sparkline::sparkline;

    const NOON: u64 = 20_000 * 86_400_000 + 12 * 3_600_000;

    fn theme(depth: Depth, glyphs: Glyphs) -> Theme {
        Theme::new(&crate::dashboard::theme::Inks::default(), depth, glyphs)
    }

    /// A chart whose samples, one a second, end at noon.
    fn chart<'a>(theme: &'a Theme, values: &[&'a [Option<f64>]]) -> TimeChart<'a> {
        let names = ["first", "second", "third"];
        TimeChart {
            title: "CPU",
            unit: Unit::Ratio,
            start_ms: NOON - values[0].len() as u64 * 1_000,
            step_ms: 1_000,
            series: values
                .iter()
                .enumerate()
                .map(|(place, avg)| ChartSeries { name: names[place], avg, max: &[], style: theme.series[place] })
                .collect(),
            end_ms: NOON,
            span_ms: 20_000,
            top: Some(1.0),
            filled: true,
            thresholds: &[],
            marks: &[],
            crosshair_ms: None,
            stale: false,
            theme,
        }
    }

    fn draw(chart: &TimeChart<'_>, width: u16, height: u16) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        chart.draw(buffer.area, &mut buffer, &TimeZone::UTC);
        buffer
    }

    fn lines(buffer: &Buffer) -> Vec<String> {
        let width = usize::from(buffer.area.width);
        let row = |cells: &[ratatui::buffer::Cell]| cells.iter().map(|cell| cell.symbol()).collect::<String>();
        buffer.content.chunks(width).map(|cells| row(cells).trim_end().to_owned()).collect()
    }

    fn ramp(count: u32) -> Vec<Option<f64>> {
        (1..=count).map(|at| Some(f64::from(at) / f64::from(count))).collect()
    }

    #[test]
    fn a_filled_chart_has_axis_times_and_figures() {
        let theme = theme(Depth::True, Glyphs::Block);
        let buffer = draw(&chart(&theme, &[&ramp(20)]), 47, 7);
        assert_eq!(
            lines(&buffer),
            [
                "CPU  min 5.0% avg 52% max 100%             100%",
                "  100%                                 ▂▂▄▄▆▆██",
                "                               ▂▂▄▄▆▆██████████",
                "   50%                 ▂▂▄▄▆▆██████████████████",
                "               ▂▂▄▄▆▆██████████████████████████",
                "     0 ▂▂▄▄▆▆██████████████████████████████████",
                "       11:59:40  11:59:45  11:59:50  11:59:55",
            ]
        );
    }

    #[test]
    fn every_alphabet_draws_lines_and_bars() {
        let values = ramp(8);
        let drawn = |glyphs, filled| {
            let theme = theme(Depth::True, glyphs);
            let chart = TimeChart { filled, span_ms: 8_000, ..chart(&theme, &[&values]) };
            lines(&draw(&chart, 8, 3))[1..].join("\n")
        };
        assert_eq!(drawn(Glyphs::Braille, true), "    ⣀⣤⣶⣿\n⣀⣤⣶⣿⣿⣿⣿⣿");
        assert_eq!(drawn(Glyphs::Block, true), "    ▂▄▆█\n▂▄▆█████");
        assert_eq!(drawn(Glyphs::Ascii, true), "    .::#\n.::#####");
        assert_eq!(drawn(Glyphs::Braille, false), "    ⣀⠤⠒⠉\n⣀⠤⠒⠉");
        assert_eq!(drawn(Glyphs::Block, false), "    ▄▄▀▀\n▄▄▀▀");
        assert_eq!(drawn(Glyphs::Ascii, false), "     ***\n*****");
    }

    #[test]
    fn gaps_stay_gaps_and_peaks_stay_peaks() {
        let theme = theme(Depth::True, Glyphs::Ascii);
        let mut avg = vec![Some(0.3); 40];
        avg[10..20].fill(None);
        let mut max = avg.clone();
        max[33] = Some(1.0);
        let mut chart = chart(&theme, &[&avg]);
        chart.series[0].max = &max;
        chart.span_ms = 40_000;
        let drawn = lines(&draw(&chart, 20, 4));
        assert_eq!(drawn[1], "                '");
        assert_eq!(drawn[2], ":::::     ::::::::::");
    }

    #[test]
    fn a_single_series_is_colored_by_row_above_its_thresholds() {
        let theme = theme(Depth::True, Glyphs::Block);
        let values = [Some(1.0); 20];
        let chart = TimeChart { thresholds: &[0.7, 0.9], ..chart(&theme, &[&values]) };
        let buffer = draw(&chart, 47, 7);
        let colors: Vec<_> = (1..6).map(|row| buffer[(30, row)].fg).collect();
        let [warn, bad, plain] = [theme.warn, theme.bad, theme.series[0]].map(|style| style.fg.unwrap());
        assert_eq!(colors, [bad, warn, plain, plain, plain]);
        for row in 1..6 {
            let style = buffer[(7, row)].style();
            assert!((7..47).all(|column| buffer[(column, row)].style() == style), "a row has one style");
        }
    }

    #[test]
    fn several_series_differ_without_color() {
        let theme = theme(Depth::Mono, Glyphs::Braille);
        let (low, high) = ([Some(0.1); 20], [Some(0.9); 20]);
        let drawn = lines(&draw(&chart(&theme, &[&low, &high]), 60, 6));
        assert_eq!(drawn[0], "CPU                          • first    10%  + second    90%");
        assert!(drawn[1].ends_with("++++"), "{drawn:#?}");
        assert!(drawn[4].ends_with("••••"), "{drawn:#?}");
    }

    #[test]
    fn the_values_of_several_series_have_a_row_of_their_own_where_the_title_leaves_them_no_room() {
        let theme = theme(Depth::True, Glyphs::Braille);
        let values: [[Option<f64>; 20]; 3] = [[Some(123e3); 20], [Some(45e3); 20], [Some(678e3); 20]];
        let mut chart = chart(&theme, &[&values[0], &values[1], &values[2]]);
        (chart.title, chart.unit, chart.top) = ("Network in+out", Unit::BytesPerSec, None);
        for series in &mut chart.series {
            series.name = "";
        }
        let drawn = lines(&draw(&chart, 39, 10));
        assert_eq!(drawn[0], "Network in+out");
        assert_eq!(drawn[1].trim_start(), "120K 43.9K 662K");
        // Without a row to spare, what has no room is told by a mark.
        let drawn = lines(&draw(&chart, 26, 5));
        assert!(drawn[0].ends_with("120K …"), "{drawn:#?}");
        // In a chart with room nothing is different.
        let drawn = lines(&draw(&chart, 60, 10));
        assert!(drawn[0].ends_with("120K/s   43.9K/s   662K/s"), "{drawn:#?}");
    }

    #[test]
    fn where_series_meet_the_first_one_lies_on_top_and_the_others_dots_stay() {
        let theme = theme(Depth::True, Glyphs::Braille);
        let (used, swap) = ([Some(0.1); 200], [Some(0.2); 200]);
        let lines = TimeChart { filled: false, ..chart(&theme, &[&used, &swap]) };
        let drawn = draw(&lines, 60, 6);
        let cell = &drawn[(58, 4)];
        assert_eq!((cell.symbol(), cell.fg), ("⠶", theme.series[0].fg.expect("a color")));
    }

    #[test]
    fn thresholds_and_marks_show_where_there_is_no_data() {
        let theme = theme(Depth::True, Glyphs::Ascii);
        let values = [Some(0.1); 20];
        let chart =
            TimeChart { thresholds: &[0.7], marks: &[NOON - 10_000, NOON - 99_000], ..chart(&theme, &[&values]) };
        let drawn = lines(&draw(&chart, 20, 5));
        assert_eq!(drawn[1..4], ["----------v---------", "          :", "...................."]);
    }

    #[test]
    fn the_crosshair_tells_the_values_of_its_moment() {
        let theme = theme(Depth::Mono, Glyphs::Block);
        let values = ramp(20);
        let area = Rect::new(0, 0, 47, 7);
        let at = TimeChart::time_at(area, NOON, 20_000, 7 + 20).unwrap();
        let chart = TimeChart { crosshair_ms: Some(at), ..chart(&theme, &[&values]) };
        let buffer = draw(&chart, 47, 7);
        let drawn = lines(&buffer);
        assert_eq!(drawn[0], "CPU  Oct 04 11:59:50                        55%");
        assert_eq!(drawn[1].chars().nth(27), Some('│'));
        assert!(buffer[(27, 5)].modifier.contains(Modifier::REVERSED));
        assert!(!buffer[(26, 5)].modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn the_mouse_finds_only_the_plot() {
        let area = Rect::new(10, 5, 47, 7);
        assert_eq!(TimeChart::time_at(area, NOON, 40_000, 16), None);
        assert_eq!(TimeChart::time_at(area, NOON, 40_000, 17), Some(NOON - 40_000));
        assert_eq!(TimeChart::time_at(area, NOON, 40_000, 56), Some(NOON - 1_000));
        assert_eq!(TimeChart::time_at(area, NOON, 40_000, 57), None);
    }

    #[test]
    fn old_data_is_dim_and_hostile_names_are_harmless() {
        let theme = theme(Depth::Mono, Glyphs::Braille);
        let values = ramp(20);
        let chart = TimeChart { stale: true, title: "a\u{202e}b\u{1b}[31m", ..chart(&theme, &[&values]) };
        let buffer = draw(&chart, 60, 6);
        assert!(buffer.content.iter().all(|cell| cell.modifier.contains(Modifier::DIM)));
        assert!(lines(&buffer)[0].starts_with("ab  min"));
    }

    proptest! {
        #[test]
        fn nothing_panics(
            (width, height) in (0_u16..300, 0_u16..100),
            values in proptest::collection::vec(proptest::option::of(any::<f64>()), 0..60),
            (start_ms, step_ms, end_ms, span_ms) in (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()),
            (top, threshold, mark) in (proptest::option::of(any::<f64>()), any::<f64>(), any::<u64>()),
            near in any::<bool>(), filled in any::<bool>(), glyphs in 0_usize..3, count in 0_usize..4,
        ) {
            let theme = theme(Depth::Mono, [Glyphs::Braille, Glyphs::Block, Glyphs::Ascii][glyphs]);
            let series = ChartSeries { name: "日本\u{7}", avg: &values, max: &values, style: theme.series[0] };
            let (start_ms, step_ms) = if near { (NOON - 60_000, step_ms % 5_000) } else { (start_ms, step_ms) };
            let (end_ms, span_ms) = if near { (NOON, span_ms % 90_000) } else { (end_ms, span_ms) };
            let chart = TimeChart {
                title: "日本 title", unit: Unit::Seconds, start_ms, step_ms, series: vec![series; count], end_ms, span_ms, top,
                filled, thresholds: &[threshold], marks: &[mark], crosshair_ms: Some(mark), stale: true, theme: &theme,
            };
            draw(&chart, width, height);
            for column in [0, width / 2, width, u16::MAX] {
                TimeChart::time_at(Rect::new(0, 0, width, height), end_ms, span_ms, column);
            }
        }
    }

    /// Counts what reaches the terminal.
    #[derive(Clone, Default)]
    struct Counter(Rc<Cell<usize>>);

    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.set(self.0.get() + bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Bytes a live second costs: 4 filled charts of 58x7 and 12 sparklines of 20 cells.
    fn live_bytes(depth: Depth, span_ms: u64) -> usize {
        let theme = theme(depth, Glyphs::Braille);
        let counter = Counter::default();
        let area = Rect::new(0, 0, 120, 36);
        let options = TerminalOptions { viewport: Viewport::Fixed(area) };
        let mut terminal = Terminal::with_options(CrosstermBackend::new(counter.clone()), options).unwrap();
        let mut noise = 1_u64;
        let mut random = || {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from(u32::try_from(noise >> 40).unwrap()) / f64::from(1 << 24)
        };
        let mut series = vec![vec![0.5_f64]; 16];
        let mut tick = |second: u64| {
            for values in &mut series {
                let last = values.last().copied().unwrap();
                values.push((last + (random() - 0.5) * 0.2).clamp(0.0, 1.0));
            }
            let values: Vec<Vec<Option<f64>>> =
                series[..4].iter().map(|values| values.iter().copied().map(Some).collect()).collect();
            terminal
                .draw(|frame| {
                    for (place, avg) in (0_u16..).zip(&values) {
                        let area = Rect::new(place % 2 * 60, place / 2 * 8, 58, 7);
                        let chart = TimeChart {
                            start_ms: NOON,
                            end_ms: NOON + (second + 1) * 1_000,
                            span_ms,
                            ..chart(&theme, &[avg])
                        };
                        frame.render_widget(chart, area);
                    }
                    for (place, values) in (0_u16..).zip(&series[4..]) {
                        let line = Line::from(sparkline(values, Some(1.0), 20, theme.glyphs, theme.series[0]));
                        frame.render_widget(Paragraph::new(line), Rect::new(10, 18 + place, 20, 1));
                    }
                })
                .unwrap();
        };
        (0..150).for_each(&mut tick);
        let before = counter.0.get();
        (150..210).for_each(&mut tick);
        (counter.0.get() - before) / 60
    }

    #[test]
    fn a_live_second_stays_within_its_bytes() {
        for span_ms in [60_000, 102_000, 300_000] {
            let bytes = live_bytes(Depth::True, span_ms);
            assert!(bytes <= 2_500, "{span_ms} ms in sight: {bytes} bytes a second");
        }
    }
}
