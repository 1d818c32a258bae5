//! Text that a person edits, of one line or several, open or hidden: a text area edits it, drawing is our own. It is wiped
//! from memory when it goes.

use std::ops::Range;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
};
use tomo_proto::text::is_display_safe;
use tui_textarea::{CursorMove, DataCursor, TextArea};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;
use zeroize::{Zeroize as _, Zeroizing};

/// Which part of a text is shown as dots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    Nothing,
    /// What follows the first `=` of each line.
    Values,
    All,
}

/// What a key did to the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    /// Nothing: the key means something else.
    Ignored,
    Moved,
    Changed,
}

/// The text and the place in it where one types.
pub(super) struct TextField {
    editor: Box<TextArea<'static>>,
    initial: Zeroizing<String>,
    several_lines: bool,
    hidden: Hidden,
}

impl TextField {
    pub(super) fn new(several_lines: bool, hidden: Hidden) -> Self {
        let mut editor = Box::<TextArea<'_>>::default();
        if hidden != Hidden::Nothing {
            // Room enough that a secret is not left behind in memory when it grows, and no copies of it to undo.
            *editor = TextArea::new(vec![String::with_capacity(4_096)]);
            editor.set_max_histories(0);
        }
        Self { editor, initial: Zeroizing::default(), several_lines, hidden }
    }

    pub(super) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.editor.lines().join("\n"))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.editor.is_empty()
    }

    pub(super) fn set(&mut self, text: &str) {
        self.editor.select_all();
        self.insert(text);
        // What was there before cannot be brought back.
        self.editor.set_max_histories(self.editor.max_histories());
    }

    /// Counts what is there now as not typed.
    pub(super) fn settle(&mut self) {
        self.initial = self.text();
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.text() != self.initial
    }

    pub(super) fn line_count(&self) -> usize {
        self.editor.lines().len()
    }

    /// The line in which one types.
    pub(super) fn cursor_line(&self) -> usize {
        self.editor.cursor().0
    }

    /// Inserts typed or pasted text. In one line, line ends become blanks; what a terminal would obey is left out.
    pub(super) fn insert(&mut self, text: &str) {
        let text = Zeroizing::new(text.replace("\r\n", "\n").replace('\r', "\n"));
        let text = if self.several_lines { text.as_str() } else { text.trim_end_matches('\n') };
        let taken = text.chars().filter_map(|character| match character {
            '\n' if self.several_lines => Some('\n'),
            '\n' | '\t' => Some(' '),
            // Nobody sees a hidden text, so all of it counts.
            other if other.is_control() || self.hidden == Hidden::Nothing && !is_display_safe(other) => None,
            other => Some(other),
        });
        let taken = Zeroizing::new(taken.collect::<String>());
        self.editor.insert_str(taken.as_str());
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Edit {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let plain = !control && !key.modifiers.contains(KeyModifiers::ALT);
        let before = self.editor.cursor();
        let changed = match key.code {
            KeyCode::Char(character) if plain => {
                self.insert(character.encode_utf8(&mut [0; 4]));
                true
            }
            KeyCode::Char('u') if control => self.editor.delete_line_by_head(),
            KeyCode::Backspace if control => self.editor.delete_word(),
            // How terminals send Ctrl-_, a shell's undo.
            KeyCode::Char('7') if control => self.editor.undo(),
            KeyCode::Enter | KeyCode::Char('m') if !self.several_lines => false,
            // The text area scrolls what it has drawn itself, which is nothing.
            KeyCode::PageUp | KeyCode::PageDown | KeyCode::Char('v') => false,
            // With Shift it would select what nobody sees selected.
            _ => self.editor.input(KeyEvent { modifiers: key.modifiers - KeyModifiers::SHIFT, ..key }),
        };
        match changed {
            true => Edit::Changed,
            false if self.editor.cursor() != before => Edit::Moved,
            false => Edit::Ignored,
        }
    }

    /// Moves to what is drawn at a place of `area`.
    pub(super) fn click(&mut self, area: Rect, at: Position, has_keys: bool) {
        let (top, left) = self.scroll(area, has_keys);
        let line = (top + usize::from(at.y.saturating_sub(area.y))).min(self.line_count() - 1);
        let left = if line == self.cursor_line() { left } else { 0 };
        let column = left + usize::from(at.x.saturating_sub(area.x));
        // Whatever ends at or before the column is behind the cursor.
        let behind = self.graphemes(&self.editor.lines()[line]).take_while(|(columns, ..)| columns.end <= column);
        let behind = behind.map(|(_, grapheme, _)| grapheme.chars().count()).sum();
        let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        self.editor.move_cursor(CursorMove::Jump(place(line), place(behind)));
    }

    /// Whether there are lines above and below those in sight.
    pub(super) fn more_lines(&self, area: Rect, has_keys: bool) -> (bool, bool) {
        let (top, _) = self.scroll(area, has_keys);
        (top > 0, top + usize::from(area.height) < self.line_count())
    }

    /// Draws its beginning, or the part around the cursor if it has the keys; where the terminal's cursor belongs.
    pub(super) fn draw(&self, area: Rect, buf: &mut Buffer, style: Style, dot: char, has_keys: bool) -> Position {
        let (top, left_of_cursor) = self.scroll(area, has_keys);
        for (row, (place, line)) in area.rows().zip(self.editor.lines().iter().enumerate().skip(top)) {
            let left = if place == self.cursor_line() { left_of_cursor } else { 0 };
            let right = left + usize::from(area.width);
            // The cursor never stands where the marks of more do.
            let marks = area.width >= 4;
            let more = (marks && left > 0, marks && self.width(line) > right);
            let (first, end) = (left + usize::from(more.0), right - usize::from(more.1));
            for (x, _) in [(area.x, more.0), (area.right().saturating_sub(1), more.1)].iter().filter(|(_, more)| *more)
            {
                buf.set_stringn(*x, row.y, "…", 1, style);
            }
            for (columns, grapheme, hidden) in self.graphemes(line) {
                if columns.start >= first && columns.end <= end {
                    let x = area.x + u16::try_from(columns.start - left).unwrap_or_default();
                    let text = if hidden { dot.encode_utf8(&mut [0; 4]).to_owned() } else { grapheme.to_owned() };
                    buf.set_stringn(x, row.y, text, columns.len(), style);
                }
            }
        }
        let (row, column) = (self.cursor_line() - top, self.column() - left_of_cursor);
        let within = |place: usize, length: u16| u16::try_from(place).unwrap_or(u16::MAX).min(length.saturating_sub(1));
        Position::new(area.x + within(column, area.width), area.y + within(row, area.height))
    }

    /// The first line in sight, and the first column of the cursor's line; the others begin at their beginning. A function of the
    /// cursor alone, so that drawing changes nothing.
    fn scroll(&self, area: Rect, has_keys: bool) -> (usize, usize) {
        if !has_keys {
            return (0, 0);
        }
        let (width, height) = (usize::from(area.width.max(1)), usize::from(area.height.max(1)));
        let line = self.cursor_line();
        let whole = self.width(&self.editor.lines()[line]) + 1;
        let left = self.column().saturating_sub(width * 2 / 3).min(whole.saturating_sub(width));
        ((line + 1).saturating_sub(height), left)
    }

    /// The graphemes of a line with their columns, and which of them are hidden.
    fn graphemes<'a>(&self, line: &'a str) -> impl Iterator<Item = (Range<usize>, &'a str, bool)> + use<'a> {
        let hidden_from = match self.hidden {
            Hidden::Nothing => usize::MAX,
            Hidden::Values => line.find('=').map_or(usize::MAX, |at| at + 1),
            Hidden::All => 0,
        };
        line.grapheme_indices(true).scan(0, move |column, (at, grapheme)| {
            let (start, hidden) = (*column, at >= hidden_from);
            *column += if hidden { 1 } else { grapheme.width() };
            Some((start..*column, grapheme, hidden))
        })
    }

    fn width(&self, line: &str) -> usize {
        self.graphemes(line).last().map_or(0, |(columns, ..)| columns.end)
    }

    /// The column in which one types.
    fn column(&self) -> usize {
        let DataCursor(line, character) = self.editor.cursor();
        let line = &self.editor.lines()[line];
        let end = line.char_indices().nth(character).map_or(line.len(), |(at, _)| at);
        self.width(&line[..end])
    }
}

impl Drop for TextField {
    fn drop(&mut self) {
        std::mem::take(&mut *self.editor).into_lines().zeroize();
    }
}

impl std::fmt::Debug for TextField {
    /// Tells nothing of the text: it may be a secret.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("TextField").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn press(field: &mut TextField, keys: &[(KeyCode, KeyModifiers)]) {
        for (code, modifiers) in keys {
            field.key(KeyEvent::new(*code, *modifiers));
        }
    }

    fn typed(keys: &[(KeyCode, KeyModifiers)]) -> String {
        let mut field = TextField::new(true, Hidden::Nothing);
        field.set("one two\n日本 x");
        press(&mut field, keys);
        field.insert("|");
        field.text().to_string()
    }

    fn drawn(field: &TextField, width: u16, height: u16) -> (Vec<String>, Position) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let cursor = field.draw(buffer.area, &mut buffer, Style::new(), '•', true);
        let rows = buffer.content.chunks(usize::from(width));
        (rows.map(|row| row.iter().map(|cell| cell.symbol()).collect()).collect(), cursor)
    }

    #[test]
    fn keys_move_and_remove_as_in_a_shell() {
        const NONE: KeyModifiers = KeyModifiers::NONE;
        const CTRL: KeyModifiers = KeyModifiers::CONTROL;
        const ALT: KeyModifiers = KeyModifiers::ALT;
        let char = KeyCode::Char;
        for (keys, text) in [
            (&[][..], "one two\n日本 x|"),
            (&[(KeyCode::Home, NONE)], "one two\n|日本 x"),
            (&[(char('a'), CTRL), (KeyCode::Right, NONE)], "one two\n日|本 x"),
            (&[(char('a'), CTRL), (KeyCode::Left, NONE)], "one two|\n日本 x"),
            (&[(KeyCode::Up, NONE)], "one tw|o\n日本 x"),
            (&[(KeyCode::Up, NONE), (KeyCode::Down, NONE)], "one two\n日本 x|"),
            (&[(char('w'), CTRL)], "one two\n日本 |"),
            (&[(char('w'), CTRL), (char('w'), CTRL)], "one two\n|"),
            (&[(char('u'), CTRL)], "one two\n|"),
            (&[(char('u'), CTRL), (KeyCode::Backspace, NONE)], "one two|"),
            (&[(KeyCode::Home, NONE), (char('k'), CTRL)], "one two\n|"),
            (&[(KeyCode::Home, NONE), (KeyCode::Delete, NONE)], "one two\n|本 x"),
            (&[(char('b'), ALT), (char('b'), ALT), (char('b'), ALT)], "one two|\n日本 x"),
            (&[(KeyCode::Up, NONE), (KeyCode::Home, NONE), (KeyCode::Right, CTRL)], "one |two\n日本 x"),
            (&[(KeyCode::Enter, NONE), (char('y'), NONE), (char('e'), CTRL)], "one two\n日本 x\ny|"),
        ] {
            assert_eq!(typed(keys), text, "{keys:?}");
        }
    }

    #[test]
    fn what_was_typed_can_be_undone_but_not_what_was_there() {
        let undo = KeyEvent::new(KeyCode::Char('7'), KeyModifiers::CONTROL);
        for (hidden, undone) in [(Hidden::Nothing, "was"), (Hidden::All, "wasx")] {
            let mut field = TextField::new(false, hidden);
            field.set("was");
            field.insert("x");
            field.key(undo);
            field.key(undo);
            assert_eq!(*field.text(), undone, "nothing of a secret is kept");
        }
    }

    #[test]
    fn one_line_stays_one_line_and_obeys_nothing() {
        let mut field = TextField::new(false, Hidden::Nothing);
        field.insert("a\r\nb\tc\u{1b}[31m\u{202e}d\r\n");
        assert_eq!(*field.text(), "a b c[31md");
        assert_eq!(field.key(KeyEvent::from(KeyCode::Enter)), Edit::Ignored);
        assert_eq!(field.key(KeyEvent::from(KeyCode::Up)), Edit::Ignored);
    }

    #[test]
    fn the_cursor_stays_in_sight() {
        let mut field = TextField::new(false, Hidden::Nothing);
        field.set("0123456789");
        assert_eq!(drawn(&field, 6, 1), (vec!["…6789 ".to_owned()], Position::new(5, 0)));
        field.key(KeyEvent::from(KeyCode::Home));
        assert_eq!(drawn(&field, 6, 1), (vec!["01234…".to_owned()], Position::new(0, 0)));
        field.set("日本語日本語");
        assert_eq!(
            drawn(&field, 6, 1),
            (vec!["…本 語  ".to_owned()], Position::new(5, 0)),
            "a wide character fills two cells"
        );
    }

    #[test]
    fn only_the_line_with_the_cursor_is_scrolled_and_none_without_the_keys() {
        let mut field = TextField::new(true, Hidden::Nothing);
        field.set("a short\n0123456789");
        assert_eq!(drawn(&field, 6, 2).0, ["a sho…", "…6789 "]);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
        field.draw(buffer.area, &mut buffer, Style::new(), '•', false);
        assert_eq!(buffer.content.iter().map(|cell| cell.symbol()).collect::<String>(), "a sho…");
    }

    #[test]
    fn hidden_text_is_dots() {
        let mut field = TextField::new(false, Hidden::All);
        field.set("日本x");
        assert_eq!(drawn(&field, 6, 1), (vec!["•••   ".to_owned()], Position::new(3, 0)));
        let mut field = TextField::new(true, Hidden::Values);
        field.set("KEY=a=b\nHALF");
        assert_eq!(drawn(&field, 8, 2), (vec!["KEY=••• ".to_owned(), "HALF    ".to_owned()], Position::new(4, 1)));
        assert!(!format!("{field:?}").contains("a=b"));
    }

    #[test]
    fn a_click_moves_to_what_is_there() {
        let mut field = TextField::new(true, Hidden::Nothing);
        field.set("日本 x\nab");
        for (x, y, text) in [(0, 0, "|日本 x\nab"), (3, 0, "日|本 x\nab"), (9, 0, "日本 x|\nab"), (1, 7, "日本 x\na|b")]
        {
            field.set("日本 x\nab");
            field.click(Rect::new(0, 0, 20, 2), Position::new(x, y), true);
            field.insert("|");
            assert_eq!(*field.text(), text, "{x} {y}");
        }
    }

    proptest! {
        #[test]
        fn any_keys_at_any_size_keep_the_cursor_inside(
            start in "[a-z=\n é日👩🏽‍💻\u{301}]{0,12}",
            keys in proptest::collection::vec((0_usize..33, 0_u8..8), 0..40),
            several in any::<bool>(), hidden in 0_usize..3,
            (width, height, x, y) in (1_u16..12, 1_u16..4, 0_u16..20, 0_u16..6),
        ) {
            let codes = [
                KeyCode::Char('a'), KeyCode::Char('b'), KeyCode::Char('d'), KeyCode::Char('e'), KeyCode::Char('f'),
                KeyCode::Char('h'), KeyCode::Char('k'), KeyCode::Char('u'), KeyCode::Char('w'), KeyCode::Char('語'),
                KeyCode::Char('\u{301}'), KeyCode::Char('\u{7}'), KeyCode::Char('='), KeyCode::Backspace, KeyCode::Delete,
                KeyCode::Left, KeyCode::Right, KeyCode::Up, KeyCode::Down, KeyCode::Home, KeyCode::End, KeyCode::Enter,
                KeyCode::Char(' '), KeyCode::Null, KeyCode::Char('7'), KeyCode::Char('r'), KeyCode::Char('y'), KeyCode::Char('x'),
                KeyCode::Char('n'), KeyCode::Char('v'), KeyCode::Char('m'), KeyCode::PageDown, KeyCode::Tab,
            ];
            let mut field = TextField::new(several, [Hidden::Nothing, Hidden::Values, Hidden::All][hidden]);
            field.set(&start);
            for (code, modifiers) in keys {
                field.key(KeyEvent::new(codes[code], KeyModifiers::from_bits_truncate(modifiers)));
                prop_assert!(several || field.line_count() == 1);
                let (_, cursor) = drawn(&field, width, height);
                prop_assert!(cursor.x < width && cursor.y < height);
            }
            field.click(Rect::new(0, 0, width, height), Position::new(x, y), true);
            field.insert("x");
            prop_assert!(several || !field.text().contains('\n'));
        }
    }
}
