//! Puts on the terminal what changed, in as few bytes as terminals take: over a slow line a frame is as fast as it is short.

use crossterm::{
    Command, cursor,
    terminal::{Clear, ClearType},
};
use ratatui::{
    buffer::{Buffer, Cell},
    layout::{Position, Rect, Size},
    style::{Color, Modifier},
};
use unicode_width::UnicodeWidthStr as _;

/// Modifiers that can be seen where nothing is written.
const SEEN_ON_BLANKS: Modifier = Modifier::UNDERLINED.union(Modifier::REVERSED).union(Modifier::CROSSED_OUT);
/// Each modifier, what switches it on and what switches it off.
const MODIFIERS: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

pub(crate) fn sequence(out: &mut Vec<u8>, command: impl Command) {
    let mut text = String::new();
    if command.write_ansi(&mut text).is_ok() {
        out.extend_from_slice(text.as_bytes());
    }
}

/// How the terminal writes what comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Pen {
    /// The pen for a cell that is the nearest to this one: on a blank, most of a style cannot be seen.
    fn toward(self, cell: &Cell) -> Self {
        if is_blank(cell) {
            Self { fg: self.fg, bg: cell.bg, modifier: self.modifier.difference(SEEN_ON_BLANKS) }
        } else {
            Self { fg: cell.fg, bg: cell.bg, modifier: cell.modifier }
        }
    }

    /// The parameters of the shortest "select graphic rendition" that makes this pen the other one.
    fn change_to(self, to: Self) -> String {
        let anew = Self::default().changes(to);
        let anew = if anew.is_empty() { String::new() } else { format!("0;{anew}") };
        let changes = self.changes(to);
        if anew.len() < changes.len() { anew } else { changes }
    }

    fn changes(self, to: Self) -> String {
        let mut parameters = Vec::new();
        let mut kept = self.modifier;
        for (modifier, _, off) in MODIFIERS {
            if kept.contains(modifier) && !to.modifier.contains(modifier) {
                parameters.push(off.to_string());
                // One parameter switches off all that share it.
                for (other, ..) in MODIFIERS.iter().filter(|(.., same)| *same == off) {
                    kept.remove(*other);
                }
            }
        }
        for (modifier, on, _) in MODIFIERS {
            if to.modifier.contains(modifier) && !kept.contains(modifier) {
                parameters.push(on.to_string());
            }
        }
        if self.fg != to.fg {
            parameters.push(color(to.fg, 30));
        }
        if self.bg != to.bg {
            parameters.push(color(to.bg, 40));
        }
        parameters.join(";")
    }
}

/// The parameters of a color; the first eight begin at `base`.
fn color(color: Color, base: u8) -> String {
    let plain = |number: u8| (base + number).to_string();
    let bright = |number: u8| (base + 60 + number).to_string();
    match color {
        Color::Reset => plain(9),
        Color::Black => plain(0),
        Color::Red => plain(1),
        Color::Green => plain(2),
        Color::Yellow => plain(3),
        Color::Blue => plain(4),
        Color::Magenta => plain(5),
        Color::Cyan => plain(6),
        Color::Gray => plain(7),
        Color::DarkGray => bright(0),
        Color::LightRed => bright(1),
        Color::LightGreen => bright(2),
        Color::LightYellow => bright(3),
        Color::LightBlue => bright(4),
        Color::LightMagenta => bright(5),
        Color::LightCyan => bright(6),
        Color::White => bright(7),
        Color::Indexed(index) => format!("{};5;{index}", base + 8),
        Color::Rgb(red, green, blue) => format!("{};2;{red};{green};{blue}", base + 8),
    }
}

fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && !cell.modifier.intersects(SEEN_ON_BLANKS)
}

/// Whether both look the same on a terminal.
fn look_alike(one: &Cell, other: &Cell) -> bool {
    if is_blank(one) && is_blank(other) {
        one.bg == other.bg
    } else {
        one.symbol() == other.symbol() && (one.fg, one.bg, one.modifier) == (other.fg, other.bg, other.modifier)
    }
}

fn width_of(cell: &Cell) -> u16 {
    match cell.symbol().len() {
        1 => 1,
        _ => u16::try_from(cell.symbol().width().max(1)).unwrap_or(u16::MAX),
    }
}

/// Whether every terminal agrees on how wide a letter is: it is one sign, and no emoji that another sign makes wide.
fn is_sure(cell: &Cell) -> bool {
    cell.symbol().chars().nth(1).is_none() && width_of(cell) == 1
}

/// What a terminal shows, and what it is sent so that it shows the next frame.
#[derive(Debug, Default)]
pub(crate) struct Painter {
    shown: Buffer,
    next: Buffer,
    /// Where the cursor can be seen.
    cursor: Option<Position>,
    /// What the terminal is sent.
    out: Vec<u8>,
    pen: Pen,
    /// Where the terminal writes next, if that is sure.
    at: Option<Position>,
}

impl Painter {
    /// Takes the terminal for one that shows nothing one knows of, and no cursor.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Has a frame drawn, which says where the cursor is to be seen; what the terminal is to be sent for it, which may be nothing.
    pub(crate) fn paint(&mut self, size: Size, draw: impl FnOnce(&mut Buffer) -> Option<Position>) -> Vec<u8> {
        let area = Rect { x: 0, y: 0, width: size.width, height: size.height };
        if self.shown.area != area {
            self.shown = Buffer::empty(area);
            self.next = Buffer::empty(area);
            sequence(&mut self.out, Clear(ClearType::All));
        }
        self.next.reset();
        let cursor = draw(&mut self.next);
        let (shown, next) = (std::mem::take(&mut self.shown), std::mem::take(&mut self.next));
        for (y, (old, new)) in (0..).zip(rows(&shown).zip(rows(&next))) {
            self.paint_row(y, old, new);
        }
        (self.shown, self.next) = (next, shown);
        // Whatever else writes to the terminal between two frames is written as it would be without them.
        if self.pen != Pen::default() {
            self.out.extend(b"\x1b[m");
            self.pen = Pen::default();
        }
        self.at = None;
        self.place_cursor(cursor);
        std::mem::take(&mut self.out)
    }

    fn paint_row(&mut self, y: u16, old: &[Cell], new: &[Cell]) {
        // Up to here, a wide letter that was written over has left a half of itself.
        let mut torn = 0;
        let mut x = 0;
        while let Some(cell) = new.get(x) {
            let end = new.len().min(x + usize::from(width_of(cell)));
            if x < torn || !look_alike(&old[x], cell) {
                let ends = (x..end).map(|under| under + usize::from(width_of(&old[under])));
                torn = ends.max().unwrap_or(0).max(torn);
                self.go_to(x, y, new);
                self.take_pen(cell);
                self.at = None;
                if is_sure(cell) {
                    self.at = Some(place(x + 1, y));
                } else if cell.symbol().chars().nth(1).is_some() {
                    // A terminal that takes it for narrow leaves what is below, one that takes it for wider covers what is beside.
                    self.out.resize(self.out.len() + (end - x), b' ');
                    self.go_to(x, y, new);
                    torn = torn.max(end + 1);
                }
                self.out.extend(cell.symbol().as_bytes());
            }
            x = end;
        }
    }

    fn go_to(&mut self, x: usize, y: u16, row: &[Cell]) {
        let to = place(x, y);
        match self.at.filter(|at| at.y == y && at.x <= to.x) {
            Some(at) if at == to => {}
            Some(at) => {
                let column = format!("\x1b[{}G", to.x + 1);
                // Over a short way, what stands there is shorter than the way around it.
                let way = row[usize::from(at.x)..x].iter().map(|cell| self.as_it_is(cell));
                match way.collect::<Option<Vec<u8>>>() {
                    Some(letters) if letters.len() <= column.len() => self.out.extend(letters),
                    _ => self.out.extend(column.as_bytes()),
                }
            }
            None if to.x == 0 && self.at.is_some_and(|at| at.y + 1 == y) => self.out.extend(b"\r\n"),
            None => sequence(&mut self.out, cursor::MoveTo(to.x, to.y)),
        }
    }

    /// A cell's letter, if writing it again with this pen changes nothing.
    fn as_it_is(&self, cell: &Cell) -> Option<u8> {
        let &[letter] = cell.symbol().as_bytes() else { return None };
        (self.pen.toward(cell) == self.pen).then_some(letter)
    }

    fn take_pen(&mut self, cell: &Cell) {
        let pen = self.pen.toward(cell);
        if pen != self.pen {
            let change = self.pen.change_to(pen);
            self.out.extend(format!("\x1b[{change}m").as_bytes());
            self.pen = pen;
        }
    }

    fn place_cursor(&mut self, cursor: Option<Position>) {
        if let Some(place) = cursor
            && (self.cursor != cursor || !self.out.is_empty())
        {
            sequence(&mut self.out, cursor::MoveTo(place.x, place.y));
        }
        match (self.cursor, cursor) {
            (None, Some(_)) => sequence(&mut self.out, cursor::Show),
            (Some(_), None) => sequence(&mut self.out, cursor::Hide),
            _ => {}
        }
        self.cursor = cursor;
    }
}

fn place(x: usize, y: u16) -> Position {
    Position { x: u16::try_from(x).unwrap_or(u16::MAX), y }
}

fn rows(buffer: &Buffer) -> impl Iterator<Item = &[Cell]> {
    buffer.content().chunks(usize::from(buffer.area.width.max(1)))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};
    use ratatui::{
        backend::{Backend as _, CrosstermBackend},
        style::Style,
    };

    use super::*;

    const SIZE: Size = Size { width: 14, height: 4 };

    fn blank() -> Buffer {
        Buffer::empty(Rect { x: 0, y: 0, width: SIZE.width, height: SIZE.height })
    }

    /// One letter of a frame: where, what, how.
    type Written = (u16, u16, &'static str, Style);

    fn style() -> impl Strategy<Value = Style> {
        let colors = [Color::Reset, Color::Red, Color::LightCyan, Color::Indexed(99), Color::Rgb(1, 20, 255)];
        let modifiers = [
            Modifier::empty(),
            Modifier::BOLD,
            Modifier::DIM | Modifier::ITALIC,
            Modifier::DIM,
            Modifier::REVERSED,
            Modifier::UNDERLINED | Modifier::ITALIC,
        ];
        (select(colors.to_vec()), select(colors.to_vec()), select(modifiers.to_vec()))
            .prop_map(|(fg, bg, modifier)| Style::reset().fg(fg).bg(bg).add_modifier(modifier))
            .boxed()
    }

    fn frame() -> impl Strategy<Value = Vec<Written>> {
        let texts = [" ", "  ", "a", "load 0.7", "│", "⣿⣶", "é", "漢", "\u{65}\u{301}"];
        vec((0..SIZE.width, 0..SIZE.height, select(texts.to_vec()), style()), 0..12)
    }

    fn color_of(color: Color) -> vt100::Color {
        match color {
            Color::Red => vt100::Color::Idx(1),
            Color::LightCyan => vt100::Color::Idx(14),
            Color::Indexed(index) => vt100::Color::Idx(index),
            Color::Rgb(red, green, blue) => vt100::Color::Rgb(red, green, blue),
            _ => vt100::Color::Default,
        }
    }

    /// What a frame's cells and a terminal's have in common; the color of a letter that is not there is nobody's business.
    type Look = (String, Option<vt100::Color>, vt100::Color, [bool; 3]);

    fn wanted(cell: &Cell) -> Look {
        let seen = |modifier| cell.modifier.contains(modifier);
        let fg = (!is_blank(cell)).then(|| color_of(cell.fg));
        let modifiers = [seen(Modifier::BOLD) && fg.is_some(), seen(Modifier::REVERSED), seen(Modifier::UNDERLINED)];
        (cell.symbol().to_owned(), fg, color_of(cell.bg), modifiers)
    }

    fn shown(cell: &vt100::Cell) -> Look {
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let is_blank = text == " " && !cell.inverse() && !cell.underline();
        let fg = (!is_blank).then(|| cell.fgcolor());
        (text.to_owned(), fg, cell.bgcolor(), [cell.bold() && fg.is_some(), cell.inverse(), cell.underline()])
    }

    proptest! {
        #[test]
        fn a_terminal_shows_each_frame_for_less_than_ratatuis_own_backend_takes(frames in vec(frame(), 1..6)) {
            let mut painter = Painter::default();
            let mut terminal = vt100::Parser::new(SIZE.height, SIZE.width, 0);
            let mut before = blank();
            for frame in frames {
                let mut after = blank();
                for (x, y, text, style) in frame {
                    after.set_string(x, y, text, style);
                }
                let mut usual = Vec::new();
                let changes = before.diff(&after).into_iter();
                CrosstermBackend::new(&mut usual).draw(changes).expect("a vector takes everything");
                let bytes = painter.paint(SIZE, |buffer| {
                    buffer.clone_from(&after);
                    None
                });
                let unsure = after.content().iter().filter(|cell| cell.symbol().chars().nth(1).is_some()).count();
                // A way to each of them and one on from it.
                prop_assert!(bytes.len() <= usual.len() + 16 * unsure, "{} and {}", bytes.len(), usual.len());
                terminal.process(&bytes);
                for y in 0..SIZE.height {
                    let mut x = 0;
                    while x < SIZE.width {
                        let cell = &after[(x, y)];
                        let there = terminal.screen().cell(y, x).expect("it is on the screen");
                        prop_assert_eq!(shown(there), wanted(cell), "at {}, {}", x, y);
                        x += u16::try_from(cell.symbol().width().max(1)).expect("it is small");
                    }
                }
                before = after;
            }
        }
    }

    #[test]
    fn what_looks_the_same_is_not_sent() {
        let mut painter = Painter::default();
        painter.paint(SIZE, |_| None);
        let sent = painter.paint(SIZE, |buffer| {
            buffer.set_string(3, 1, "    ", Style::new().fg(Color::Red).add_modifier(Modifier::BOLD));
            None
        });
        assert_eq!(sent, b"");
    }

    #[test]
    fn the_cursor_is_shown_moved_and_hidden() {
        let mut painter = Painter::default();
        let mut terminal = vt100::Parser::new(SIZE.height, SIZE.width, 0);
        terminal.process(b"\x1b[?25l");
        for cursor in [None, Some((3, 1)), Some((4, 1)), None, Some((4, 1))] {
            terminal.process(&painter.paint(SIZE, |buffer| {
                buffer.set_string(0, 0, format!("{cursor:?}"), Style::new());
                cursor.map(Position::from)
            }));
            assert_eq!(terminal.screen().hide_cursor(), cursor.is_none());
            if let Some((x, y)) = cursor {
                assert_eq!(terminal.screen().cursor_position(), (y, x));
            }
        }
    }

    #[test]
    fn another_size_begins_anew() {
        let mut painter = Painter::default();
        let write = |buffer: &mut Buffer| {
            buffer.set_string(0, 0, "all of it", Style::new());
            None
        };
        let first = painter.paint(SIZE, write);
        assert_eq!(painter.paint(SIZE, write), b"");
        assert_eq!(painter.paint(Size { width: 30, height: 2 }, write), first);
        painter.forget();
        assert_eq!(painter.paint(SIZE, write), first);
        assert_eq!(painter.paint(Size { width: 1, height: 1 }, |_| None).len(), 4);
    }
}
