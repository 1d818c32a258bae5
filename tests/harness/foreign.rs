//! What only the owner of a terminal may send to it, wherever it comes from: made up to be let through, and looked for in what came.

/// Each is obeyed by some terminal, or changes how the text around it is read.
const PARTS: [&str; 34] = [
    "\u{1b}]52;c;aGFjaw==\u{7}",
    "\u{1b}]0;title\u{7}",
    "\u{1b}]8;;http://evil\u{1b}\\",
    "\u{1b}P+q544e\u{1b}\\",
    "\u{1b}P$qm\u{1b}\\",
    "\u{1b}_Gi=1\u{1b}\\",
    "\u{1b}^pm\u{1b}\\",
    "\u{1b}X",
    "\u{1b}[6n",
    "\u{1b}[c",
    "\u{1b}[>q",
    "\u{1b}[2J",
    "\u{1b}[31m",
    "\u{1b}[?1049l",
    "\u{1b}[200~",
    "\u{1b}c",
    "\u{1b}(0",
    "\u{1b}",
    "\u{7}",
    "\u{8}",
    "\r",
    "\n",
    "\t",
    "\u{e}",
    "\u{7f}",
    "\u{9b}6n",
    "\u{9d}0;x\u{9c}",
    "\u{90}q",
    "\u{202e}",
    "\u{200b}",
    "\u{2066}",
    "\u{feff}",
    "\u{e0041}",
    "\u{ad}",
];
/// What stands between: nothing is wrong with it.
const PLAIN: [&str; 6] = ["plain", " ", "🐳", "ä", "日本", "-"];

/// A text of such parts, the same for a number each time, that begins with `mark`.
#[must_use]
pub fn hostile(mark: &str, number: usize) -> String {
    let mut state = u64::try_from(number).unwrap_or(0).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(7);
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    let mut text = format!("{mark}.");
    for _ in 0..6 {
        let all = PARTS.len() + PLAIN.len();
        let place = next(all);
        text.push_str(PARTS.get(place).copied().unwrap_or_else(|| PLAIN[place - PARTS.len()]));
    }
    text
}

/// The first thing in what a full-screen program wrote that only a terminal's owner may send, if there is one. What is asked of the
/// terminal at the start counts as that.
#[must_use]
pub fn foreign(raw: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(raw);
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\u{1b}' => {
                let kind = rest.next()?;
                if kind != '[' {
                    // Only the title is set so, and it is ours.
                    let told: String = rest.as_str().chars().take(12).collect();
                    let is_title = kind == ']' && (told.starts_with("0;tomo: ") || told.starts_with("2;tomo: "));
                    if !is_title {
                        return Some(format!("ESC {kind:?} {told:?}"));
                    }
                    rest.by_ref().find(|letter| matches!(letter, '\u{7}' | '\\'))?;
                    continue;
                }
                let mut last = None;
                let is_inside = |letter: &char| {
                    last = Some(*letter);
                    !matches!(letter, '@'..='~')
                };
                let inside: String = rest.by_ref().take_while(is_inside).collect();
                // What is still on its way is looked at when it is here.
                last.filter(|letter| matches!(letter, '@'..='~'))?;
                if !is_own(&inside, last) {
                    return Some(format!("CSI {inside:?} {last:?}"));
                }
            }
            '\r' | '\n' => {}
            other => {
                if let Some(found) = unsafe_letter(other) {
                    return Some(found);
                }
            }
        }
    }
    None
}

/// Whether a control sequence is one that the dashboard draws with: places, colors, modes, and the title that it keeps. No question.
fn is_own(inside: &str, last: Option<char>) -> bool {
    let is_plain = inside.len() <= 24 && inside.chars().all(|letter| matches!(letter, '0'..='9' | ';' | ':' | '?'));
    is_plain
        && match last {
            Some('A'..='D' | 'G' | 'H' | 'J' | 'K' | 'm') => true,
            Some('h' | 'l') => inside.starts_with('?'),
            Some('t') => matches!(inside, "22;0" | "23;0"),
            _ => false,
        }
}

/// The same in what a program wrote that fills no screen: nothing but letters and ends of lines.
#[must_use]
pub fn foreign_in_lines(text: &str) -> Option<String> {
    text.chars().filter(|letter| *letter != '\n').find_map(unsafe_letter)
}

fn unsafe_letter(letter: char) -> Option<String> {
    let is_unsafe = matches!(letter,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    is_unsafe.then(|| format!("{letter:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_terminal_obeys_is_seen_and_what_is_ours_is_not() {
        for sent in PARTS {
            let is_own = matches!(sent, "\u{1b}[2J" | "\u{1b}[31m" | "\u{1b}[?1049l" | "\r" | "\n");
            assert_eq!(foreign(format!("a{sent}b").as_bytes()).is_none(), is_own, "{sent:?}");
            assert_eq!(foreign_in_lines(sent).is_none(), sent == "\n", "{sent:?}");
        }
        for sent in ["\u{1b}[>c", "a\u{7}", "\u{9b}6n"] {
            assert!(foreign(sent.as_bytes()).is_some(), "{sent:?}");
        }
        assert_eq!(foreign("\u{1b}]0;tomo: web\u{7}\u{1b}[1;31mä日本\r\n".as_bytes()), None);
        assert!(PLAIN.iter().all(|plain| foreign_in_lines(plain).is_none()));
    }
}
