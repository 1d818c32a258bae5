//! What the terminal is asked about itself: the color behind the text, and whether it knows 24 bits of color. Nobody waits for the
//! answer: it counts whenever it comes, and is never taken for something typed.

use crate::dashboard::theme::{Depth, Rgb};

/// What a terminal says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Background(Rgb),
    /// Whether it knows 24 bits of color.
    FullColor(bool),
}

/// How far a text is a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It may become one; from here on surely, if `surely`.
    Open { surely: bool },
    /// It is one, whether or not it is understood.
    Whole(Option<Reply>),
    /// Somebody typed it.
    Typed,
}

/// Longest reply.
const LONGEST: usize = 64;
/// What a reply about the background begins with, and one about colors, for what was right and wrong.
const HEADS: [&str; 3] = ["]11;", "P1$r", "P0$r"];

/// Whether a terminal may be asked: one that does not know the question would show it.
pub(crate) fn is_safe(term: &str) -> bool {
    !matches!(term, "" | "dumb" | "linux") && !term.starts_with("vt")
}

/// Asks for the background (OSC 11).
pub(crate) const BACKGROUND: &str = "\x1b]11;?\x1b\\";
/// Sets a color of 24 bits, asks what was understood of it (DECRQSS), and takes it back.
pub(crate) const FULL_COLOR: &str = "\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[m";

/// Whether colors are still a guess: the environment named none of 24 bits, and the name speaks for more than none.
pub(crate) fn is_guess(depth: Depth) -> bool {
    matches!(depth, Depth::Sixteen | Depth::Indexed)
}

/// What has come since an Esc, the Esc left out.
pub(crate) fn hear(tail: &str) -> Heard {
    let begins = HEADS.iter().find(|head| tail.starts_with(**head));
    let Some(head) = begins else {
        let may = HEADS.iter().any(|head| head.starts_with(tail));
        return if may { Heard::Open { surely: false } } else { Heard::Typed };
    };
    let body = tail.strip_suffix('\u{7}').or_else(|| tail.strip_suffix("\x1b\\"));
    match body.and_then(|body| body.strip_prefix(*head)) {
        Some(body) if *head == HEADS[0] => Heard::Whole(color(body).map(Reply::Background)),
        Some(body) => Heard::Whole(Some(Reply::FullColor(*head == HEADS[1] && is_full(body)))),
        None if tail.len() > LONGEST => Heard::Whole(None),
        None => Heard::Open { surely: true },
    }
}

/// `rgb:1e1e/2020/2a2a`, with one to four digits each.
fn color(text: &str) -> Option<Rgb> {
    let mut parts = text.strip_prefix("rgb:").or_else(|| text.strip_prefix("rgba:"))?.split('/');
    let mut part = || {
        let digits = parts.next().filter(|part| (1..=4).contains(&part.len()))?;
        let most = 16_u32.pow(u32::try_from(digits.len()).ok()?) - 1;
        u8::try_from(u32::from_str_radix(digits, 16).ok()? * 255 / most).ok()
    };
    Some((part()?, part()?, part()?))
}

/// `48:2::1:2:3m` or `0;48;2;1;2;3m`.
fn is_full(attributes: &str) -> bool {
    let numbers: Vec<&str> = attributes.trim_end_matches('m').split([';', ':']).filter(|one| !one.is_empty()).collect();
    numbers.windows(5).any(|five| five == ["48", "2", "1", "2", "3"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_understood_however_they_are_written() {
        for (tail, reply) in [
            ("]11;rgb:1e1e/2020/ffff\x1b\\", Reply::Background((30, 32, 255))),
            ("]11;rgb:00/80/ff\u{7}", Reply::Background((0, 128, 255))),
            ("]11;rgba:ffff/ffff/ffff/ffff\x1b\\", Reply::Background((255, 255, 255))),
            ("P1$r0;48:2::1:2:3m\x1b\\", Reply::FullColor(true)),
            ("P1$r48;2;1;2;3m\x1b\\", Reply::FullColor(true)),
            ("P1$r0;48;5;16m\x1b\\", Reply::FullColor(false)),
            ("P0$r\x1b\\", Reply::FullColor(false)),
        ] {
            assert_eq!(hear(tail), Heard::Whole(Some(reply)), "{tail:?}");
            for end in 1..tail.len() {
                let surely = end >= 4;
                assert_eq!(hear(&tail[..end]), Heard::Open { surely }, "{:?}", &tail[..end]);
            }
        }
        for tail in ["]11;#fff\u{7}", "]11;rgb:zz/00/00\u{7}", "]11;rgb:0/0\u{7}", &format!("]11;{}", "1".repeat(80))] {
            assert_eq!(hear(tail), Heard::Whole(None), "{tail:?}");
        }
        for tail in ["]x", "P", "]", "p", "]12;"] {
            let typed = !HEADS.iter().any(|head| head.starts_with(tail));
            assert_eq!(hear(tail) == Heard::Typed, typed, "{tail:?}");
        }
    }
}
