//! A share as a bar of one row with the figure written on it.

use ratatui::{
    style::{Modifier, Style},
    text::Span,
};
use tomo_proto::text::display_line;
use unicode_width::UnicodeWidthStr as _;

use crate::dashboard::theme::Theme;

/// Draws `ratio` (0–1) `width` columns wide with `label` in the middle; `None` is an empty bar. The full part is
/// reversed, so the bar shows without color too.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a width"
)]
pub(crate) fn gauge(ratio: Option<f64>, label: &str, width: usize, theme: &Theme) -> Vec<Span<'static>> {
    let ratio = ratio.filter(|ratio| ratio.is_finite());
    let full = (ratio.unwrap_or(0.0).clamp(0.0, 1.0) * width as f64).round() as usize;
    let label = display_line(label, width);
    let label = if label.width() <= width { label } else { String::new() };
    let before = (width - label.width()) / 2;
    let after = width - label.width() - before;

    let bar = ratio.map_or(theme.dim, |ratio| theme.load(ratio)).add_modifier(Modifier::REVERSED);
    let empty = if theme.is_ascii() { '.' } else { '░' };
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut column = 0;
    let blank = std::iter::repeat_n(None, before);
    for character in blank.chain(label.chars().map(Some)).chain(std::iter::repeat_n(None, after)) {
        let (shown, style) = match (character, column < full) {
            (Some(character), true) => (character, bar),
            (Some(character), false) => (character, theme.text),
            (None, true) => (' ', bar),
            (None, false) => (empty, theme.dim),
        };
        push(&mut spans, shown, style);
        column += character.map_or(1, |character| character.encode_utf8(&mut [0; 4]).width());
    }
    spans
}

fn push(spans: &mut Vec<Span<'static>>, character: char, style: Style) {
    match spans.last_mut() {
        Some(span) if span.style == style => span.content.to_mut().push(character),
        _ => spans.push(Span::styled(character.to_string(), style)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::theme::{Depth, Glyphs, Inks};

    fn text(spans: &[Span<'_>]) -> String {
        spans.iter().map(|span| &*span.content).collect()
    }

    #[test]
    fn the_full_part_is_reversed_and_colored_by_load() {
        let theme = Theme::new(&Inks::default(), Depth::True, Glyphs::Braille);
        let spans = gauge(Some(0.75), "75%", 12, &theme);
        assert_eq!(text(&spans), "    75%  ░░░");
        assert_eq!((text(&spans[..1]), spans[0].style), ("    75%  ".to_owned(), theme.warn.reversed()));
        assert_eq!(spans[1].style, theme.dim);
    }

    #[test]
    fn an_unknown_share_is_an_empty_bar() {
        let theme = Theme::new(&Inks::default(), Depth::Mono, Glyphs::Ascii);
        for ratio in [None, Some(f64::NAN)] {
            assert_eq!(text(&gauge(ratio, "-", 5, &theme)), "..-..");
        }
    }

    #[test]
    fn any_label_keeps_the_width() {
        let theme = Theme::new(&Inks::default(), Depth::Mono, Glyphs::Braille);
        for width in 0..8 {
            for label in ["", "100%", "日本語", "a very long label"] {
                for ratio in [-1.0, 0.0, 0.33, 1.0, 9.0] {
                    assert_eq!(text(&gauge(Some(ratio), label, width, &theme)).width(), width, "{label:?} {width}");
                }
            }
        }
    }
}
