//! What views draw on: the buffer, the theme, and a note of what can be clicked where.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Color, Style},
    symbols::border,
    text::{Line, Span},
};
use tomo_proto::text::display_line;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::dashboard::{
    action::{Action, Keymap},
    theme::Theme,
};

/// What a click on a place means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hit {
    /// A row of the list that has the keys, by its place in the shown order.
    Row(usize),
    /// The head of a column.
    Column(usize),
    /// A button of the dialogue on top.
    Button(usize),
    Act(Action),
    /// A chart drawn here.
    Chart(Rect),
    /// A form, which finds the field by itself.
    Form,
}

/// Which places mean what; later ones lie on top.
#[derive(Debug, Default)]
pub(crate) struct HitMap {
    places: Vec<(Rect, Hit)>,
}

impl HitMap {
    pub(crate) fn clear(&mut self) {
        self.places.clear();
    }

    pub(crate) fn add(&mut self, area: Rect, hit: Hit) {
        self.places.push((area, hit));
    }

    /// Forgets what lies below a dialogue.
    pub(crate) fn cover(&mut self, area: Rect) {
        self.places.retain(|(place, _)| !area.intersects(*place));
    }

    pub(crate) fn at(&self, column: u16, row: u16) -> Option<Hit> {
        let place = Position::new(column, row);
        self.places.iter().rev().find(|(area, _)| area.contains(place)).map(|(_, hit)| *hit)
    }
}

/// One frame in the making.
pub(crate) struct Canvas<'a> {
    pub(crate) buffer: &'a mut Buffer,
    pub(crate) theme: &'a Theme,
    pub(crate) keys: &'a Keymap,
    pub(crate) hits: &'a mut HitMap,
    pub(crate) now_ms: u64,
    /// Where the terminal's cursor stands, if somebody types.
    pub(crate) cursor: Option<Position>,
}

impl Canvas<'_> {
    /// Writes a line of text from outside, made safe and cut to the area's first row.
    pub(crate) fn text(&mut self, area: Rect, text: &str, style: Style) {
        let area = area.intersection(self.buffer.area);
        if !area.is_empty() {
            let safe = fitting(display_line(text, usize::from(area.width)), usize::from(area.width));
            self.write(area.x, area.y, &safe, area.width, style);
        }
    }

    /// Writes a line whose spans are safe already, with a mark where it is cut.
    pub(crate) fn line(&mut self, area: Rect, line: &Line<'_>) {
        let area = area.intersection(self.buffer.area);
        if area.is_empty() {
            return;
        }
        let is_cut = width_of(line) > usize::from(area.width);
        let end = area.right() - u16::from(is_cut);
        let mut x = area.x;
        for span in &line.spans {
            x = self.write(x, area.y, &span.content, end - x, line.style.patch(span.style));
        }
        if is_cut {
            self.write(x, area.y, "…", 1, self.theme.dim);
        }
    }

    /// Writes safe text into cells of the buffer, so many at most; where it ends.
    fn write(&mut self, x: u16, y: u16, text: &str, cells: u16, style: Style) -> u16 {
        if !text.chars().all(is_plain) {
            return self.buffer.set_stringn(x, y, text, usize::from(cells), style).0;
        }
        let mut end = x;
        for (x, letter) in (x..x + cells).zip(text.chars()) {
            self.buffer[(x, y)].set_char(letter).set_style(style);
            end = x + 1;
        }
        end
    }

    /// Puts characters of ASCII in place of our own signs beyond it, for terminals that show nothing else. Other people's stay as they are.
    pub(crate) fn make_ascii(&mut self) {
        for cell in &mut self.buffer.content {
            let plain = match cell.symbol() {
                "…" => "~",
                "–" | "─" => "-",
                "│" => "|",
                "╭" | "╮" | "╰" | "╯" => "+",
                "→" | "›" | "▸" => ">",
                "←" | "‹" => "<",
                "↑" | "▴" | "▵" => "^",
                "↓" | "▾" | "▿" => "v",
                "✓" => "+",
                "×" => "x",
                "·" => ".",
                "●" | "○" | "■" | "‖" => "*",
                "✗" => "x",
                "▲" => "!",
                _ => continue,
            };
            cell.set_symbol(plain);
        }
    }

    /// Puts the theme's page below everything that has no color of its own.
    pub(crate) fn fill_page(&mut self) {
        let (text, background) = self.theme.page;
        if (text, background) == (Color::Reset, Color::Reset) {
            return;
        }
        for cell in &mut self.buffer.content {
            if cell.fg == Color::Reset {
                cell.fg = text;
            }
            if cell.bg == Color::Reset {
                cell.bg = background;
            }
        }
    }

    /// Writes lines from the top, as many as fit.
    pub(crate) fn lines(&mut self, area: Rect, lines: &[Line<'_>]) {
        for (row, line) in area.rows().zip(lines) {
            self.line(row, line);
        }
    }

    /// Draws a titled rule over an area's first row and gives the rest back.
    pub(crate) fn section(&mut self, area: Rect, title: &str, has_keys: bool) -> Rect {
        if area.height == 0 {
            return area;
        }
        let style = if has_keys { self.theme.accent } else { self.theme.border };
        let head = Rect { height: 1, ..area };
        self.buffer.set_stringn(area.x, area.y, "─".repeat(usize::from(area.width)), usize::from(area.width), style);
        if area.width > 4 {
            let title = display_line(title, usize::from(area.width) - 4);
            let spans = vec![Span::raw(" "), Span::styled(title, self.theme.title), Span::raw(" ")];
            self.line(Rect { x: head.x + 1, width: head.width - 1, ..head }, &Line::from(spans));
        }
        Rect { y: area.y + 1, height: area.height - 1, ..area }
    }

    /// Clears a rectangle for a dialogue, draws its frame and title, and gives the inside back.
    pub(crate) fn dialogue(&mut self, area: Rect, title: &str) -> Rect {
        use ratatui::widgets::{Block, Clear, Widget as _};
        Clear.render(area, self.buffer);
        self.hits.cover(area);
        let room = usize::from(area.width.saturating_sub(4));
        let title = format!(" {} ", fitting(display_line(title, room), room));
        let block = Block::bordered()
            .border_style(self.theme.accent)
            .border_set(border::ROUNDED)
            .title(Span::styled(title, self.theme.title));
        let inner = block.inner(area);
        block.render(area, self.buffer);
        inner
    }
}

/// Whether a character fills one cell whatever stands beside it: ASCII, boxes, blocks and braille. Nearly all that is drawn is, and
/// need not be looked at for letters of several characters.
fn is_plain(letter: char) -> bool {
    matches!(letter, ' '..='~' | '\u{2500}'..='\u{259f}' | '\u{2800}'..='\u{28ff}')
}

/// Cells that a line of safe text fills.
pub(crate) fn width_of(line: &Line<'_>) -> usize {
    let width = |text: &str| if text.chars().all(is_plain) { text.chars().count() } else { text.width() };
    line.spans.iter().map(|span| width(&span.content)).sum()
}

/// A styled line of so many cells at most, with a mark where it is cut.
pub(crate) fn cut_line(line: Line<'static>, cells: usize) -> Line<'static> {
    let mut room = cells;
    if line.width() <= room {
        return line;
    }
    let mut cut = Vec::new();
    for span in line.spans {
        let width = span.width();
        if width >= room {
            // What follows is cut, so that even one that fits needs the mark.
            cut.push(Span::styled(fitting(format!("{} ", span.content), room), span.style));
            break;
        }
        room -= width;
        cut.push(span);
    }
    Line::from(cut)
}

/// A line of so many cells at most, with a mark where it is cut: letters may be two cells wide.
pub(crate) fn fitting(line: String, cells: usize) -> String {
    if line.width() <= cells {
        return line;
    }
    let Some(mut room) = cells.checked_sub(1) else { return String::new() };
    let mut cut = String::new();
    for letter in line.graphemes(true) {
        let Some(rest) = room.checked_sub(letter.width()) else { break };
        room = rest;
        cut.push_str(letter);
    }
    cut + "…"
}

/// A rectangle of at most this size in the middle of another.
pub(crate) fn centered(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

/// The first rows of an area, and the rest.
pub(crate) fn split_top(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

/// An area without its last rows, and those.
pub(crate) fn split_bottom(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    split_top(area, area.height - height)
}

/// The first columns of an area, and the rest.
pub(crate) fn split_left(area: Rect, width: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    (Rect { width, ..area }, Rect { x: area.x + width, width: area.width - width, ..area })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::theme::{Depth, Glyphs, Inks};

    #[test]
    fn a_line_of_spans_and_a_title_say_that_they_are_cut() {
        let theme = Theme::new(&Inks::default(), Depth::Mono, Glyphs::Braille);
        let (keys, mut hits) = (Keymap::default(), HitMap::default());
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 4));
        let mut canvas =
            Canvas { buffer: &mut buffer, theme: &theme, keys: &keys, hits: &mut hits, now_ms: 0, cursor: None };
        for (line, cells, cut) in
            [("日本語", 6, "日 本 語 "), ("日本語", 5, "日 本 …"), ("日本語", 4, "日 …"), ("web", 2, "w…")]
        {
            canvas.buffer.reset();
            canvas.line(Rect::new(0, 0, cells, 1), &Line::from(line));
            let row: String = canvas.buffer.content[..10].iter().map(|cell| cell.symbol()).collect();
            assert_eq!(row.trim_end(), cut.trim_end());
        }
        canvas.dialogue(Rect::new(0, 0, 10, 3), "Make an app");
        let row: String = canvas.buffer.content[..10].iter().map(|cell| cell.symbol()).collect();
        assert_eq!(row, "╭ Make … ╮");
    }

    #[test]
    fn a_styled_line_is_cut_with_a_mark_and_keeps_its_styles() {
        let line = || Line::from(vec![Span::raw(" tomo"), Span::raw(" › "), Span::raw("日本語")]);
        for (cells, cut) in
            [(14, " tomo › 日本語"), (13, " tomo › 日本…"), (9, " tomo › …"), (8, " tomo ›…"), (5, " tom…"), (1, "…")]
        {
            assert_eq!(cut_line(line(), cells).to_string(), cut, "{cells}");
        }
        assert_eq!(cut_line(line(), 0).to_string(), "");
    }

    #[test]
    fn a_line_is_cut_where_its_cells_end_and_says_so() {
        for (line, cells, cut) in [
            ("web-1", 5, "web-1"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("a日本語", 4, "a日…"),
            ("日本", 1, "…"),
        ] {
            assert_eq!(fitting(line.to_owned(), cells), cut);
        }
    }
}
