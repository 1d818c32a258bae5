//! Columns of values as dots, blocks or ASCII: what charts and sparklines have in common.

use crate::dashboard::theme::Glyphs;

/// What the samples of one column come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Column {
    pub(super) low: f64,
    pub(super) high: f64,
    /// The highest moment inside the samples; at least `high`.
    pub(super) peak: f64,
}

impl Column {
    pub(super) fn of(value: f64) -> Self {
        Self { low: value, high: value, peak: value }
    }
}

/// How a cell is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brush {
    /// Two columns of four dots.
    Dots,
    /// A bar in eighths.
    Bar,
    /// The upper or the lower half.
    Half,
    /// A bar in thirds, of ASCII.
    AsciiBar,
    /// One character.
    Marker(char),
}

impl Brush {
    pub(super) fn bar(glyphs: Glyphs) -> Self {
        match glyphs {
            Glyphs::Braille => Self::Dots,
            Glyphs::Block => Self::Bar,
            Glyphs::Ascii => Self::AsciiBar,
        }
    }

    pub(super) fn line(glyphs: Glyphs) -> Self {
        match glyphs {
            Glyphs::Braille => Self::Dots,
            Glyphs::Block => Self::Half,
            Glyphs::Ascii => Self::Marker('*'),
        }
    }

    /// Columns in a cell.
    pub(super) fn columns(self) -> usize {
        if self == Self::Dots { 2 } else { 1 }
    }

    /// Steps in the height of a cell.
    fn levels(self) -> usize {
        match self {
            Self::Dots => 4,
            Self::Bar => 8,
            Self::Half => 2,
            Self::AsciiBar => 3,
            Self::Marker(_) => 1,
        }
    }

    /// The character for the levels that are set in a cell's columns, the lowest level in the lowest bit.
    fn glyph(self, left: u8, right: u8) -> char {
        const LEFT: [u32; 4] = [0x40, 0x04, 0x02, 0x01];
        const RIGHT: [u32; 4] = [0x80, 0x20, 0x10, 0x08];
        if left == 0 && right == 0 {
            return ' ';
        }
        let bar = |steps: &[char], floating: char| match left.trailing_ones() as usize {
            0 => floating,
            height => steps[height.min(steps.len()) - 1],
        };
        match self {
            Self::Dots => {
                let dots = |set: u8, bits: [u32; 4]| -> u32 {
                    bits.iter().enumerate().filter(|(level, _)| set >> level & 1 == 1).map(|(_, bit)| bit).sum()
                };
                char::from_u32(0x2800 + dots(left, LEFT) + dots(right, RIGHT)).unwrap_or(' ')
            }
            Self::Bar => bar(&['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'], '▔'),
            Self::Half => bar(&['▄', '█'], '▀'),
            Self::AsciiBar => bar(&['.', ':', '#'], '\''),
            Self::Marker(marker) => marker,
        }
    }
}

/// Draws columns from 0 to `top` into rows of cells, the top row first; a blank is a cell with nothing in it.
/// Whatever was measured sets at least the lowest level, so that only gaps are empty.
pub(super) fn paint(columns: &[Option<Column>], height: usize, top: f64, brush: Brush, filled: bool) -> Vec<char> {
    let per_cell = brush.columns();
    let width = columns.len().div_ceil(per_cell);
    let levels = height * brush.levels();
    if levels == 0 {
        return Vec::new();
    }
    let mut cells = vec![[0_u8; 2]; width * height];
    let mut before: Option<(usize, usize)> = None;
    for (place, column) in columns.iter().enumerate() {
        let Some(column) = column else {
            before = None;
            continue;
        };
        let mut set = |level: usize| {
            let row = height - 1 - level / brush.levels();
            cells[row * width + place / per_cell][place % per_cell] |= 1 << (level % brush.levels());
        };
        let (low, high, peak) =
            (level(column.low, top, levels), level(column.high, top, levels), level(column.peak, top, levels));
        if filled && !matches!(brush, Brush::Marker(_)) {
            (0..=high).for_each(&mut set);
            set(peak);
        } else {
            // A line reaches to where it was one column ago.
            let (from, to) = match before {
                Some((_, old_high)) if old_high < low => (old_high + 1, high),
                Some((old_low, _)) if old_low > high => (low, old_low - 1),
                _ => (low, high),
            };
            (from..=to.max(peak)).for_each(&mut set);
            before = Some((low, high));
        }
    }
    cells.into_iter().map(|[left, right]| brush.glyph(left, right)).collect()
}

/// The level, from 0, in which a value lies.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the share is between 0 and 1, a plot has few levels"
)]
fn level(value: f64, top: f64, levels: usize) -> usize {
    let share = if top > 0.0 { (value / top).clamp(0.0, 1.0) } else { 0.0 };
    ((share * levels as f64).round() as usize).clamp(1, levels) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(values: &[f64], brush: Brush) -> String {
        let columns: Vec<_> = values.iter().map(|value| value.is_finite().then(|| Column::of(*value))).collect();
        paint(&columns, 1, 1.0, brush, true).into_iter().collect()
    }

    #[test]
    fn bars_rise_in_every_alphabet() {
        let values = [0.0, 0.25, 0.5, 0.75, 1.0, f64::NAN];
        assert_eq!(bars(&values, Brush::Dots), "⣀⣴⡇");
        assert_eq!(bars(&values, Brush::Bar), "▁▂▄▆█ ");
        assert_eq!(bars(&values, Brush::AsciiBar), "..::# ");
    }

    #[test]
    fn a_line_is_connected_and_breaks_at_gaps() {
        let columns = [Some(Column::of(0.0)), Some(Column::of(1.0)), None, Some(Column::of(1.0))];
        let cells: String = paint(&columns, 3, 1.0, Brush::Marker('*'), false).into_iter().collect();
        assert_eq!(cells, [" * *", " *  ", "*   "].concat());
    }

    #[test]
    fn a_peak_floats_above_its_bar() {
        let columns = [Some(Column { low: 0.3, high: 0.3, peak: 1.0 })];
        let cells: String = paint(&columns, 3, 1.0, Brush::AsciiBar, true).into_iter().collect();
        assert_eq!(cells, "' #");
    }
}
