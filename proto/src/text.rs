//! Text from containers, images and hosts is untrusted: this is where it becomes safe to show.

/// Whether a character may reach a terminal, a title or an answer: no control characters (C0, C1, DEL), no
/// bidirectional or zero-width marks, no Unicode tags, no line or paragraph separators.
#[must_use]
pub fn is_display_safe(character: char) -> bool {
    !matches!(character,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Makes one line of untrusted text safe to show: escape sequences are dropped whole, tabs become a blank, other unsafe
/// characters vanish, and what is longer than `max_chars` ends in `…`. A string for the terminal (a title, say) that never
/// ends loses its beginning alone, so that it hides nothing of what stands behind it.
///
/// # Examples
/// ```
/// use tomo_proto::text::display_line;
/// assert_eq!(display_line("\u{1b}]0;owned\u{7}web\u{1b}[31m-1\u{202e}", 80), "web-1");
/// assert_eq!(display_line("abcdef", 4), "abc…");
/// ```
#[must_use]
pub fn display_line(text: &str, max_chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars.saturating_mul(4)));
    let mut shown = 0;
    // Where one string has no end, none that begins later has one.
    let mut endless = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let safe = match character {
            '\u{1b}' => {
                skip_escape(&mut characters, &mut endless);
                continue;
            }
            '\u{9b}' => {
                skip_control_sequence(&mut characters);
                continue;
            }
            '\t' => ' ',
            other if is_display_safe(other) => other,
            _ => continue,
        };
        if shown == max_chars {
            out.pop();
            out.push('…');
            break;
        }
        out.push(safe);
        shown += 1;
    }
    out
}

type Characters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Drops what follows an ESC: a control sequence, a string (OSC, DCS, APC, PM, SOS) up to its end, or one character. Of a string
/// that is `endless`, as every one is behind the first such, only the character that begins it.
fn skip_escape(characters: &mut Characters<'_>, endless: &mut bool) {
    match characters.next() {
        Some('[') => skip_control_sequence(characters),
        Some(']' | 'P' | '_' | '^' | 'X') if !*endless => {
            let mut rest = characters.clone();
            match skip_string(&mut rest) {
                Some(()) => *characters = rest,
                None => *endless = true,
            }
        }
        Some('(' | ')' | '*' | '+' | '#' | '%' | ' ') => {
            characters.next();
        }
        _ => {}
    }
}

/// Drops a string with its end: BEL, ST, or ESC and a backslash. None if it has no end.
fn skip_string(characters: &mut Characters<'_>) -> Option<()> {
    loop {
        match characters.next()? {
            '\u{7}' | '\u{9c}' => return Some(()),
            '\u{1b}' if characters.next_if_eq(&'\\').is_some() => return Some(()),
            _ => {}
        }
    }
}

/// Drops parameters and the final byte (0x40–0x7e) of a control sequence.
fn skip_control_sequence(characters: &mut Characters<'_>) {
    while let Some(character) = characters.next_if(|character| ('\u{20}'..='\u{7e}').contains(character)) {
        if ('\u{40}'..='\u{7e}').contains(&character) {
            break;
        }
    }
}

/// The words of a command line: blanks part them, quotes and backslashes keep them together. No shell is meant.
///
/// # Errors
/// A quote is not closed.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = line.chars();
    while let Some(one) = letters.next() {
        match (one, quote) {
            (_, Some(open)) if one == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(one);
                word.get_or_insert_default();
            }
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(letters.next()),
            (blank, None) if blank.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(one),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// An amount of memory in bytes: `256M`, `1G`, `1.5g`, or a plain number of bytes.
///
/// # Errors
/// It is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be positive; `as` saturates")]
pub fn size(text: &str) -> Result<u64, String> {
    let plain = text.trim().trim_end_matches(['b', 'B', 'i']);
    let (number, factor) = match plain.char_indices().last() {
        Some((at, 'k' | 'K')) => (&plain[..at], 1_u32 << 10),
        Some((at, 'm' | 'M')) => (&plain[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&plain[..at], 1 << 30),
        _ => (plain, 1),
    };
    match number.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok((value * f64::from(factor)) as u64),
        _ => Err(format!("\"{}\" is not an amount of memory: write it as 256M or 1G", display_line(text, 60))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn drops_what_a_terminal_would_obey() {
        for (raw, shown) in [
            ("plain", "plain"),
            ("\u{1b}[2J\u{1b}[Hgone", "gone"),
            ("\u{1b}]52;c;ZXZpbA==\u{1b}\\x", "x"),
            ("\u{1b}Pq#0\u{9c}y", "y"),
            ("\u{9b}31mred", "red"),
            ("a\tb", "a b"),
            ("zero\u{200b}width\u{e0041}", "zerowidth"),
            ("rtl\u{202e}txt.exe", "rtltxt.exe"),
            ("日本", "日本"),
            ("\u{1b}", ""),
            ("\u{1b}[31", ""),
            ("\u{1b}]0;never ends, \u{1b}Pnor\u{1b}[31m this", "0;never ends, nor this"),
        ] {
            assert_eq!(display_line(raw, 80), shown, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_out_safe_and_short(text in ".*", max in 1_usize..60) {
            let shown = display_line(&text, max);
            prop_assert!(shown.chars().all(is_display_safe));
            prop_assert!(shown.chars().count() <= max);
        }
    }
}
