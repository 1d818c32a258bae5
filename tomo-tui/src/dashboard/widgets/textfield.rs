//! Text that a person edits, of one line or several, open or hidden. It is wiped from memory when it goes.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
};
use tomo_proto::text::is_display_safe;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;
use zeroize::Zeroizing;

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
    text: Zeroizing<String>,
    initial: Zeroizing<String>,
    /// Byte offset, always between two graphemes.
    cursor: usize,
    several_lines: bool,
    hidden: Hidden,
}

impl TextField {
    pub(super) fn new(several_lines: bool, hidden: Hidden) -> Self {
        // Room enough that a secret is not left behind in memory each time it grows.
        let room = if hidden == Hidden::Nothing { 0 } else { 4_096 };
        let text = Zeroizing::new(String::with_capacity(room));
        Self { text, initial: Zeroizing::default(), cursor: 0, several_lines, hidden }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn set(&mut self, text: &str) {
        self.text.clear();
        self.cursor = 0;
        self.insert(text);
    }

    /// Counts what is there now as not typed.
    pub(super) fn settle(&mut self) {
        self.initial = self.text.clone();
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.text != self.initial
    }

    pub(super) fn line_count(&self) -> usize {
        self.text.split('\n').count()
    }

    /// The line in which one types.
    pub(super) fn cursor_line(&self) -> usize {
        self.text[..self.cursor].matches('\n').count()
    }

    /// Inserts typed or pasted text. In one line, line ends become blanks; what a terminal would obey is left out.
    pub(super) fn insert(&mut self, text: &str) {
        let text = Zeroizing::new(text.replace("\r\n", "\n").replace('\r', "\n"));
        let text = if self.several_lines { text.as_str() } else { text.trim_end_matches('\n') };
        for character in text.chars() {
            let character = match character {
                '\n' if self.several_lines => '\n',
                '\n' | '\t' => ' ',
                // Nobody sees a hidden text, so all of it counts.
                other if other.is_control() || self.hidden == Hidden::Nothing && !is_display_safe(other) => continue,
                other => other,
            };
            self.text.insert(self.cursor, character);
            self.cursor += character.len_utf8();
        }
        self.settle_cursor();
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Edit {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let (start, end) = self.line();
        match key.code {
            KeyCode::Char('a') if control => self.move_to(start),
            KeyCode::Char('e') if control => self.move_to(end),
            KeyCode::Char('b') if control => self.move_to(self.before()),
            KeyCode::Char('f') if control => self.move_to(self.after()),
            KeyCode::Char('h') if control => self.remove(self.before(), self.cursor),
            KeyCode::Char('d') if control => self.remove(self.cursor, self.after()),
            KeyCode::Char('w') if control => self.remove(self.word_before(), self.cursor),
            KeyCode::Char('u') if control => self.remove(start, self.cursor),
            KeyCode::Char('k') if control => self.remove(self.cursor, end),
            KeyCode::Char('b') if alt => self.move_to(self.word_before()),
            KeyCode::Char('f') if alt => self.move_to(self.word_after()),
            KeyCode::Char(character) if !control && !alt => {
                self.insert(character.encode_utf8(&mut [0; 4]));
                Edit::Changed
            }
            KeyCode::Backspace if control || alt => self.remove(self.word_before(), self.cursor),
            KeyCode::Backspace => self.remove(self.before(), self.cursor),
            KeyCode::Delete => self.remove(self.cursor, self.after()),
            KeyCode::Left if control || alt => self.move_to(self.word_before()),
            KeyCode::Left => self.move_to(self.before()),
            KeyCode::Right if control || alt => self.move_to(self.word_after()),
            KeyCode::Right => self.move_to(self.after()),
            KeyCode::Home => self.move_to(start),
            KeyCode::End => self.move_to(end),
            KeyCode::Up if start > 0 => {
                self.place(self.cursor_line() - 1, self.column());
                Edit::Moved
            }
            KeyCode::Down if end < self.text.len() => {
                self.place(self.cursor_line() + 1, self.column());
                Edit::Moved
            }
            KeyCode::Enter if self.several_lines => {
                self.insert("\n");
                Edit::Changed
            }
            _ => Edit::Ignored,
        }
    }

    /// Moves to what is drawn at a place of `area`.
    pub(super) fn click(&mut self, area: Rect, at: Position) {
        let (top, left) = self.scroll(area);
        let line = top + usize::from(at.y.saturating_sub(area.y));
        self.place(line.min(self.line_count() - 1), left + usize::from(at.x.saturating_sub(area.x)));
    }

    /// Draws the part around the cursor; where the terminal's cursor belongs.
    pub(super) fn draw(&self, area: Rect, buf: &mut Buffer, style: Style, dot: char) -> Position {
        let (top, left) = self.scroll(area);
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        for (row, line) in (area.y..).zip(self.text.split('\n').skip(top).take(height)) {
            for (column, grapheme, hidden) in self.graphemes(line) {
                let end = column + if hidden { 1 } else { grapheme.width() };
                if column < left || end > left + width {
                    continue;
                }
                let x = area.x + u16::try_from(column - left).unwrap_or_default();
                let text = if hidden { dot.encode_utf8(&mut [0; 4]).to_owned() } else { grapheme.to_owned() };
                buf.set_stringn(x, row, text, end - column, style);
            }
        }
        let (row, column) = (self.cursor_line() - top, self.column() - left);
        let within = |place: usize, length: u16| u16::try_from(place).unwrap_or(u16::MAX).min(length.saturating_sub(1));
        Position::new(area.x + within(column, area.width), area.y + within(row, area.height))
    }

    /// The first line and the first column in sight: a function of the cursor alone, so that drawing changes nothing.
    fn scroll(&self, area: Rect) -> (usize, usize) {
        let (width, height) = (usize::from(area.width.max(1)), usize::from(area.height.max(1)));
        let top = (self.cursor_line() + 1).saturating_sub(height);
        let (start, end) = self.line();
        let whole = self.columns(&self.text[start..end]) + 1;
        let left = self.column().saturating_sub(width * 2 / 3).min(whole.saturating_sub(width));
        (top, left)
    }

    /// The graphemes of a line with their first columns, and which of them are hidden.
    fn graphemes<'a>(&self, line: &'a str) -> impl Iterator<Item = (usize, &'a str, bool)> {
        let hidden_from = match self.hidden {
            Hidden::Nothing => usize::MAX,
            Hidden::Values => line.find('=').map_or(usize::MAX, |at| at + 1),
            Hidden::All => 0,
        };
        line.grapheme_indices(true).scan(0, move |column, (at, grapheme)| {
            let (here, hidden) = (*column, at >= hidden_from);
            *column += if hidden { 1 } else { grapheme.width() };
            Some((here, grapheme, hidden))
        })
    }

    fn columns(&self, line: &str) -> usize {
        self.graphemes(line).last().map_or(0, |(at, grapheme, hidden)| at + if hidden { 1 } else { grapheme.width() })
    }

    /// The column in which one types.
    fn column(&self) -> usize {
        self.columns(&self.text[self.line().0..self.cursor])
    }

    /// Where the line in which one types starts and ends.
    fn line(&self) -> (usize, usize) {
        let start = self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[self.cursor..].find('\n').map_or(self.text.len(), |at| self.cursor + at);
        (start, end)
    }

    /// Moves to a column of a line, or to the end of a shorter one.
    fn place(&mut self, line: usize, column: usize) {
        let start: usize = self.text.split('\n').take(line).map(|line| line.len() + 1).sum();
        let text = self.text[start.min(self.text.len())..].split('\n').next().unwrap_or_default();
        // Whatever ends at or before the column is behind the cursor.
        let ends = self.graphemes(text).skip(1).map(|(at, ..)| at).chain([self.columns(text)]);
        let behind = ends.take_while(|end| *end <= column).count();
        let offset: usize = text.graphemes(true).take(behind).map(str::len).sum();
        self.cursor = (start + offset).min(self.text.len());
    }

    fn before(&self) -> usize {
        self.cursor - self.text[..self.cursor].graphemes(true).next_back().map_or(0, str::len)
    }

    fn after(&self) -> usize {
        self.cursor + self.text[self.cursor..].graphemes(true).next().map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let text = self.text[..self.cursor].trim_end();
        text.rfind(char::is_whitespace).map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8))
    }

    fn word_after(&self) -> usize {
        let rest = &self.text[self.cursor..];
        let word = rest.len() - rest.trim_start().len();
        rest[word..].find(char::is_whitespace).map_or(self.text.len(), |at| self.cursor + word + at)
    }

    fn move_to(&mut self, cursor: usize) -> Edit {
        self.cursor = cursor;
        self.settle_cursor();
        Edit::Moved
    }

    fn remove(&mut self, from: usize, until: usize) -> Edit {
        if from == until {
            return Edit::Moved;
        }
        self.text.replace_range(from..until, "");
        self.cursor = from;
        self.settle_cursor();
        Edit::Changed
    }

    /// Joined texts may make one grapheme of two: the cursor goes behind it.
    fn settle_cursor(&mut self) {
        let (start, end) = self.line();
        let bounds = self.text[start..end].grapheme_indices(true).map(|(at, _)| start + at);
        self.cursor = bounds.chain([end]).find(|at| *at >= self.cursor).unwrap_or(end);
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
        field.text().to_owned()
    }

    fn drawn(field: &TextField, width: u16, height: u16) -> (Vec<String>, Position) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let cursor = field.draw(buffer.area, &mut buffer, Style::new(), '•');
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
            (&[(char('b'), ALT), (char('b'), ALT), (char('b'), ALT)], "one |two\n日本 x"),
            (&[(KeyCode::Up, NONE), (KeyCode::Home, NONE), (KeyCode::Right, CTRL)], "one| two\n日本 x"),
            (&[(KeyCode::Enter, NONE), (char('y'), NONE), (char('e'), CTRL)], "one two\n日本 x\ny|"),
        ] {
            assert_eq!(typed(keys), text, "{keys:?}");
        }
    }

    #[test]
    fn one_line_stays_one_line_and_obeys_nothing() {
        let mut field = TextField::new(false, Hidden::Nothing);
        field.insert("a\r\nb\tc\u{1b}[31m\u{202e}d\r\n");
        assert_eq!(field.text(), "a b c[31md");
        assert_eq!(field.key(KeyEvent::from(KeyCode::Enter)), Edit::Ignored);
        assert_eq!(field.key(KeyEvent::from(KeyCode::Up)), Edit::Ignored);
    }

    #[test]
    fn the_cursor_stays_in_sight() {
        let mut field = TextField::new(false, Hidden::Nothing);
        field.set("0123456789");
        assert_eq!(drawn(&field, 6, 1), (vec!["56789 ".to_owned()], Position::new(5, 0)));
        field.key(KeyEvent::from(KeyCode::Home));
        assert_eq!(drawn(&field, 6, 1), (vec!["012345".to_owned()], Position::new(0, 0)));
        field.set("日本語日本語");
        assert_eq!(
            drawn(&field, 6, 1),
            (vec![" 本 語  ".to_owned()], Position::new(5, 0)),
            "a wide character fills two cells"
        );
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
            field.click(Rect::new(0, 0, 20, 2), Position::new(x, y));
            field.insert("|");
            assert_eq!(field.text(), text, "{x} {y}");
        }
    }

    proptest! {
        #[test]
        fn any_keys_at_any_size_keep_the_cursor_inside(
            start in "[a-z=\n é日👩🏽‍💻\u{301}]{0,12}",
            keys in proptest::collection::vec((0_usize..24, 0_u8..4), 0..40),
            several in any::<bool>(), hidden in 0_usize..3,
            (width, height, x, y) in (1_u16..12, 1_u16..4, 0_u16..20, 0_u16..6),
        ) {
            let codes = [
                KeyCode::Char('a'), KeyCode::Char('b'), KeyCode::Char('d'), KeyCode::Char('e'), KeyCode::Char('f'),
                KeyCode::Char('h'), KeyCode::Char('k'), KeyCode::Char('u'), KeyCode::Char('w'), KeyCode::Char('語'),
                KeyCode::Char('\u{301}'), KeyCode::Char('\u{7}'), KeyCode::Char('='), KeyCode::Backspace, KeyCode::Delete,
                KeyCode::Left, KeyCode::Right, KeyCode::Up, KeyCode::Down, KeyCode::Home, KeyCode::End, KeyCode::Enter,
                KeyCode::Char(' '), KeyCode::Null,
            ];
            let mut field = TextField::new(several, [Hidden::Nothing, Hidden::Values, Hidden::All][hidden]);
            field.set(&start);
            for (code, modifiers) in keys {
                field.key(KeyEvent::new(codes[code], KeyModifiers::from_bits_truncate(modifiers << 1)));
                prop_assert!(field.text().is_char_boundary(field.cursor));
                let (_, cursor) = drawn(&field, width, height);
                prop_assert!(cursor.x < width && cursor.y < height);
            }
            field.click(Rect::new(0, 0, width, height), Position::new(x, y));
            field.insert("x");
            prop_assert!(several || !field.text().contains('\n'));
        }
    }
}
