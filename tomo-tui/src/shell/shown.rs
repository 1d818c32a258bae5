//! What a program in a container may have shown on a person's terminal, and what is taken back at its end. It passes as it is but for
//! the sequences whose effect is outside of the terminal: writing to the clipboard (OSC 52, and what some terminals have instead).

/// Before anything is shown: the terminal keeps its window's title.
pub(super) const BEGIN: &[u8] = b"\x1b[22;0t";

/// Strings that write to a clipboard: of most terminals, of kitty's, and all that iTerm2 has of its own.
const CLIPBOARDS: [u32; 3] = [52, 5522, 1337];

/// A control sequence longer than this is nobody's: it passes without being looked at.
const LONGEST: usize = 64;

/// Modes that programs set and a killed one leaves behind: half of a sequence, a synchronized update, a style, another character set,
/// other keys, no line wrap, no cursor, the mouse, reports of focus, marks around what is pasted; and the title.
const USUAL: &[u8] =
    b"\x18\x1b[?2026l\x1b[0m\x1b(B\x0f\x1b[?1l\x1b>\x1b[?7h\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\
    \x1b[?1006l\x1b[?1015l\x1b[?1004l\x1b[?2004l\x1b[23;0t";

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Text,
    /// After an ESC, or the first byte of what may be a string's beginning in UTF-8.
    Begun,
    /// In a control sequence.
    Control,
    /// In the number of a string.
    Number,
    /// In a string that is held back.
    HeldBack,
    /// There, after an ESC that may end it.
    HeldBackEscape,
}

/// What was shown so far, as far as it matters.
#[derive(Debug, Default)]
pub(super) struct Shown {
    at: At,
    /// The sequence that has begun.
    held: Vec<u8>,
    alternate_screen: bool,
    scroll_region: bool,
    /// Keys as some terminals tell them, pushed and set.
    kitty_keys: bool,
    modified_keys: bool,
}

impl Shown {
    /// What is to be shown of what a program has said.
    pub(super) fn pass(&mut self, said: &[u8]) -> Vec<u8> {
        let mut passed = Vec::with_capacity(said.len() + self.held.len());
        for byte in said {
            self.take(*byte, &mut passed);
        }
        passed
    }

    fn take(&mut self, byte: u8, passed: &mut Vec<u8>) {
        let is_inside =
            self.at == At::Begun && self.held.first() == Some(&0x1b) || matches!(self.at, At::Control | At::Number);
        match byte {
            // Terminals do what these say, if anything, and go on with the sequence that they stand in.
            0x00..=0x06 | 0x08..=0x17 | 0x19 | 0x1c..=0x1f | 0x7f if is_inside => return,
            0x07 if is_inside && self.at != At::Number => return,
            // One sequence ends where another one begins.
            0x1b if is_inside => {
                self.let_go(passed);
                self.held.push(byte);
                self.at = At::Begun;
                return;
            }
            _ => {}
        }
        match self.at {
            At::Text if matches!(byte, 0x1b | 0xc2) => {
                self.held.push(byte);
                self.at = At::Begun;
            }
            At::Text => passed.push(byte),
            At::Begun => {
                let by_escape = self.held[0] == 0x1b;
                self.held.push(byte);
                match byte {
                    b'[' if by_escape => self.at = At::Control,
                    b']' if by_escape => self.at = At::Number,
                    0x9d if !by_escape => self.at = At::Number,
                    0x9b if !by_escape => self.at = At::Control,
                    // The first one was a text's last.
                    0x1b => {
                        passed.push(self.held[0]);
                        self.held = vec![byte];
                    }
                    _ => self.let_go(passed),
                }
            }
            At::Control => {
                self.held.push(byte);
                if (0x40..=0x7e).contains(&byte) {
                    self.notice();
                    self.let_go(passed);
                } else if !(0x20..0x40).contains(&byte) || self.held.len() > LONGEST {
                    self.let_go(passed);
                }
            }
            At::Number => {
                self.held.push(byte);
                if byte.is_ascii_digit() && self.held.len() < LONGEST {
                    return;
                }
                let number = std::str::from_utf8(&self.held[2..self.held.len() - 1]).unwrap_or_default();
                if byte == b';' && number.parse().is_ok_and(|number| CLIPBOARDS.contains(&number)) {
                    self.held.clear();
                    self.at = At::HeldBack;
                } else {
                    self.let_go(passed);
                }
            }
            At::HeldBack => match byte {
                0x07 | 0x18 | 0x1a => self.at = At::Text,
                0x1b => self.at = At::HeldBackEscape,
                _ => {}
            },
            At::HeldBackEscape => {
                self.at = At::Text;
                if byte != b'\\' {
                    // It ends there, and another sequence begins.
                    self.take(0x1b, passed);
                    self.take(byte, passed);
                }
            }
        }
    }

    fn let_go(&mut self, passed: &mut Vec<u8>) {
        passed.append(&mut self.held);
        self.at = At::Text;
    }

    /// Notes what a control sequence does that has to be undone.
    fn notice(&mut self) {
        let Some((last, inside)) = self.held[2..].split_last() else { return };
        let alternate = [&b"?1049"[..], b"?1047", b"?47"].contains(&inside);
        match (inside.first(), last) {
            (_, b'h' | b'l') if alternate => self.alternate_screen = *last == b'h',
            (Some(b'>' | b'='), b'u') => self.kitty_keys = true,
            (Some(b'>'), b'm') => self.modified_keys = true,
            (Some(b'0'..=b'9'), b'r') => self.scroll_region = true,
            _ => {}
        }
    }

    /// What makes the terminal usual again. What nobody has set is not taken back, where terminals differ about it.
    pub(super) fn reset(&self) -> Vec<u8> {
        let mut reset = USUAL.to_vec();
        for (is_set, back) in [
            (self.scroll_region, &b"\x1b7\x1b[r\x1b8"[..]),
            (self.alternate_screen, b"\x1b[?1049l"),
            (self.kitty_keys, b"\x1b[<9u\x1b[=0u"),
            (self.modified_keys, b"\x1b[>4;0m"),
        ] {
            if is_set {
                reset.extend_from_slice(back);
            }
        }
        reset
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pass_in_pieces(said: &[u8], piece: usize) -> Vec<u8> {
        let mut shown = Shown::default();
        said.chunks(piece).flat_map(|part| shown.pass(part)).collect()
    }

    #[test]
    fn everything_passes_but_a_write_to_the_clipboard_however_it_comes() {
        for (said, passed) in [
            ("plain é ü \u{1b}[31mred\u{1b}[0m", "plain é ü \u{1b}[31mred\u{1b}[0m"),
            ("\u{1b}]0;title\u{7}x", "\u{1b}]0;title\u{7}x"),
            ("\u{1b}]8;;https://example.com\u{1b}\\x", "\u{1b}]8;;https://example.com\u{1b}\\x"),
            ("a\u{1b}]52;c;aGk=\u{7}b", "ab"),
            ("a\u{1b}]52;c;aGk=\u{1b}\\b", "ab"),
            ("a\u{1b}]0052;c;aGk=\u{1b}\\b", "ab"),
            ("a\u{9d}52;c;aGk=\u{7}b", "ab"),
            ("a\u{1b}]52;c;aGk=\u{1b}[31mb", "a\u{1b}[31mb"),
            ("a\u{1b}\u{1b}]52;c;aGk=\u{7}b", "a\u{1b}b"),
            ("a\u{1b}]52;c;\u{1b}]52;c;aGk=\u{7}b", "ab"),
            ("\u{1b}]520;c;x\u{7}", "\u{1b}]520;c;x\u{7}"),
            ("a\u{1b}\0]52;c;aGk=\u{7}b", "ab"),
            ("a\u{1b}]5\0\r2\u{7f};c;aGk=\u{7}b", "ab"),
            ("a\u{1b}[3\u{1b}]52;c;aGk=\u{7}b", "a\u{1b}[3b"),
            ("a\u{1b}]5\u{1b}]52;c;aGk=\u{7}b", "a\u{1b}]5b"),
            ("a\u{1b}]1337;Copy=:aGk=\u{7}b", "ab"),
            ("a\u{1b}]5522;type=write;aGk=\u{7}b", "ab"),
            ("a\u{1b}[3\u{7}1mb", "a\u{1b}[31mb"),
        ] {
            for piece in [1, 2, 3, 7, 1000] {
                let told = pass_in_pieces(said.as_bytes(), piece);
                assert_eq!(String::from_utf8_lossy(&told), passed, "{said:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_a_killed_program_has_set_is_taken_back_and_nothing_else() {
        let mut shown = Shown::default();
        let contains = |all: &[u8], part: &[u8]| all.windows(part.len()).any(|one| one == part);
        assert!(!contains(&shown.reset(), b"1049"), "the screen was never another one");
        shown.pass(b"\x1b[?1049h\x1b[2;20r\x1b[>1u");
        let reset = shown.reset();
        for part in
            [&b"\x1b[?1049l"[..], b"\x1b[r", b"\x1b[<9u", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?2004l", b"\x1b[0m"]
        {
            assert!(contains(&reset, part), "{:?}", String::from_utf8_lossy(part));
        }
        shown.pass(b"\x1b[?1049l");
        assert!(!contains(&shown.reset(), b"1049"));
    }

    /// A terminal that only notes what is written to its clipboard.
    #[derive(Default)]
    struct Clipboard(bool);

    impl vt100::Callbacks for Clipboard {
        fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], _: &[u8]) {
            self.0 = true;
        }
    }

    proptest! {
        #[test]
        fn no_bytes_write_to_the_clipboard(said in proptest::collection::vec(
            prop_oneof![Just(0x1b), Just(b']'), Just(b'5'), Just(b'2'), Just(b';'), Just(0x07), Just(b'\\'), Just(b'['), Just(0), any::<u8>()], 0..200,
        ), piece in 1_usize..9) {
            let told = pass_in_pieces(&said, piece);
            let mut terminal = vt100::Parser::new_with_callbacks(24, 80, 0, Clipboard::default());
            terminal.process(&told);
            prop_assert!(!terminal.callbacks().0, "{:?}", String::from_utf8_lossy(&told));
        }
    }
}
