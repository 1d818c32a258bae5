//! Keys as text: what the table and a person's file write, and what a terminal sends for it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What keys are called that are no characters.
pub(crate) const NAMES: [(&str, KeyCode); 16] = [
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("insert", KeyCode::Insert),
    ("delete", KeyCode::Delete),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
];
/// Keys for which a terminal sends the same as for another one.
const TWINS: [(&str, &str); 3] = [("ctrl-i", "tab"), ("ctrl-m", "enter"), ("ctrl-[", "esc")];

/// A key from its text: a character, one of [`NAMES`], `f1` to `f12`; before it `ctrl-` or `alt-` where wanted.
pub(crate) fn parse(text: &str) -> Option<KeyEvent> {
    for (prefix, modifier) in [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT)] {
        if let Some(rest) = text.strip_prefix(prefix).filter(|rest| !rest.is_empty()) {
            let mut key = parse(rest)?;
            // A terminal tells no capital letter with Control.
            if let (KeyModifiers::CONTROL, KeyCode::Char(letter)) = (modifier, key.code) {
                key.code = KeyCode::Char(letter.to_ascii_lowercase());
            }
            key.modifiers |= modifier;
            return Some(key);
        }
    }
    let mut characters = text.chars();
    let code = match (characters.next(), characters.next()) {
        (Some(one), None) if !one.is_control() => KeyCode::Char(one),
        _ => match NAMES.iter().find(|(name, _)| *name == text) {
            Some((_, code)) => *code,
            None => KeyCode::F(text.strip_prefix('f')?.parse().ok().filter(|number| (1..=12).contains(number))?),
        },
    };
    Some(KeyEvent::new(code, KeyModifiers::NONE))
}

/// A key that a person may give an action.
///
/// # Errors
/// There is no such key, or it cannot be had; says what to write instead.
pub(crate) fn choose(text: &str) -> Result<KeyEvent, String> {
    let lower = text.to_ascii_lowercase();
    if lower == "ctrl-c" {
        return Err("\"ctrl-c\" always leaves: choose another key".to_owned());
    }
    if let Some((_, twin)) = TWINS.iter().find(|(twin, _)| *twin == lower) {
        return Err(format!("a terminal sends the same for \"{text}\" as for {twin}: write \"{twin}\""));
    }
    let key = parse(text);
    let reaches = |key: &KeyEvent| {
        let letter = matches!(key.code, KeyCode::Char(letter) if letter != ' ' && !letter.is_ascii_alphabetic());
        !(letter && key.modifiers.contains(KeyModifiers::CONTROL))
    };
    key.filter(reaches).ok_or_else(|| {
        let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
        format!(
            "there is no key \"{text}\": write one character (a capital for Shift), {}, or f1 to f12; before it alt-, or ctrl- with a letter",
            names.join(", ")
        )
    })
}

/// Whether a key that was pressed is this one.
pub(crate) fn same(wanted: KeyEvent, pressed: KeyEvent) -> bool {
    // Shift is part of the letter already.
    let plain = |modifiers: KeyModifiers| modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
    wanted.code == pressed.code && plain(wanted.modifiers) == plain(pressed.modifiers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_key_that_a_terminal_sends_or_says_what_to_write() {
        let key = KeyEvent::new;
        for (text, wanted) in [
            ("x", key(KeyCode::Char('x'), KeyModifiers::NONE)),
            ("X", key(KeyCode::Char('X'), KeyModifiers::NONE)),
            ("é", key(KeyCode::Char('é'), KeyModifiers::NONE)),
            ("-", key(KeyCode::Char('-'), KeyModifiers::NONE)),
            ("space", key(KeyCode::Char(' '), KeyModifiers::NONE)),
            ("ctrl-S", key(KeyCode::Char('s'), KeyModifiers::CONTROL)),
            ("ctrl-up", key(KeyCode::Up, KeyModifiers::CONTROL)),
            ("alt-X", key(KeyCode::Char('X'), KeyModifiers::ALT)),
            ("ctrl-alt-x", key(KeyCode::Char('x'), KeyModifiers::CONTROL | KeyModifiers::ALT)),
            ("shift-tab", key(KeyCode::BackTab, KeyModifiers::NONE)),
            ("f12", key(KeyCode::F(12), KeyModifiers::NONE)),
        ] {
            assert_eq!(choose(text), Ok(wanted), "{text}");
        }
        for (text, why) in [
            ("", "there is no key"),
            ("xy", "there is no key"),
            ("f13", "there is no key"),
            ("Enter", "there is no key"),
            ("ctrl-", "there is no key"),
            ("ctrl-1", "there is no key"),
            ("\u{1b}", "there is no key"),
            ("ctrl-c", "always leaves"),
            ("ctrl-I", "write \"tab\""),
        ] {
            let told = choose(text);
            assert!(told.as_ref().is_err_and(|told| told.contains(why)), "{text:?}: {told:?}");
        }
    }

    #[test]
    fn shift_is_part_of_the_letter() {
        let pressed = KeyEvent::new(KeyCode::Char('S'), KeyModifiers::SHIFT);
        assert!(same(parse("S").expect("a key"), pressed));
        assert!(!same(parse("s").expect("a key"), pressed));
    }
}
