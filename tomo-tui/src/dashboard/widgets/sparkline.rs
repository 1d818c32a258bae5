//! The recent past of one value in one row, for cells of tables.

use ratatui::{style::Style, text::Span};

use super::plot::{Brush, Column, paint};
use crate::dashboard::theme::Glyphs;

/// Draws the last values that fit, against `top` or the highest of them. What is not a number is a gap.
///
/// Cells are cut from the front of `values`, so an owner who drops old values in twos makes the line scroll by whole
/// cells, which halves what a terminal has to repaint.
pub(crate) fn sparkline(values: &[f64], top: Option<f64>, width: usize, glyphs: Glyphs, style: Style) -> Span<'static> {
    let brush = Brush::bar(glyphs);
    let cells = values.len().div_ceil(brush.columns());
    let dropped = (cells.saturating_sub(width) * brush.columns()).min(values.len());
    let shown = &values[dropped..];
    let columns: Vec<_> = shown.iter().map(|value| value.is_finite().then(|| Column::of(*value))).collect();
    let top = top.unwrap_or_else(|| shown.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max));
    let mut text = " ".repeat(width.saturating_sub(cells));
    text.extend(paint(&columns, 1, top, brush, true));
    Span::styled(text, style)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(values: &[f64], top: Option<f64>, width: usize, glyphs: Glyphs) -> String {
        sparkline(values, top, width, glyphs, Style::new()).content.into_owned()
    }

    #[test]
    fn shows_the_end_at_the_right_edge() {
        assert_eq!(drawn(&[0.0, 1.0], Some(1.0), 4, Glyphs::Block), "  ▁█");
        assert_eq!(drawn(&[1.0, 1.0, 0.0, 0.5], Some(1.0), 2, Glyphs::Block), "▁▄");
        assert_eq!(drawn(&[0.0, 0.0, 4.0, 4.0], None, 2, Glyphs::Braille), "⣀⣿");
        assert_eq!(drawn(&[3.0, f64::NAN, 3.0], None, 3, Glyphs::Ascii), "# #");
    }

    #[test]
    fn scrolls_by_whole_cells_when_values_are_dropped_in_twos() {
        let values: Vec<f64> = (0..9).map(f64::from).collect();
        let odd = drawn(&values[..8], Some(8.0), 4, Glyphs::Braille);
        let even = drawn(&values, Some(8.0), 4, Glyphs::Braille);
        assert_eq!(odd.chars().skip(1).collect::<String>(), even.chars().take(3).collect::<String>());
        assert_eq!(drawn(&values[2..], Some(8.0), 4, Glyphs::Braille), even);
    }

    #[test]
    fn any_values_fill_the_width() {
        for values in [&[][..], &[f64::NAN], &[f64::INFINITY, -1.0, 1e300], &[0.0; 100]] {
            for width in [0, 1, 7] {
                for glyphs in [Glyphs::Braille, Glyphs::Block, Glyphs::Ascii] {
                    assert_eq!(drawn(values, None, width, glyphs).chars().count(), width);
                }
            }
        }
    }
}
