//! Keys as they were meant: a sequence that a slow line delivered in two pieces is one key, not Esc and letters.

use std::{collections::VecDeque, io, time::Duration};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::dashboard::probe::{self, Heard, Reply};

/// How long a bare Esc may turn out to be the head of something. Over a network the pieces lie further apart.
pub(crate) fn patience(over_network: bool) -> Duration {
    Duration::from_millis(if over_network { 100 } else { 25 })
}

/// Longest sequence that a key sends.
const LONGEST: usize = 24;

/// How long the rest of a reply may take that has begun.
const REST: Duration = Duration::from_secs(1);

/// What came of what a terminal sent.
#[derive(Debug)]
pub(crate) enum Sent {
    Event(Event),
    /// It says something of itself.
    Reply(Reply),
}

/// What a terminal sends, with its Escs held back until they are sure to be no head of a sequence.
pub(crate) struct Input<R> {
    /// Reads one event: blocks, or waits for so long at most.
    read: R,
    patience: Duration,
    ready: VecDeque<Event>,
    replies: VecDeque<Reply>,
}

impl<R: FnMut(Option<Duration>) -> io::Result<Option<Event>>> Input<R> {
    pub(crate) fn new(patience: Duration, read: R) -> Self {
        Self { read, patience, ready: VecDeque::new(), replies: VecDeque::new() }
    }

    /// The next event.
    ///
    /// # Errors
    /// The terminal cannot be read.
    pub(crate) fn next(&mut self) -> io::Result<Sent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Sent::Event(event));
            }
            if let Some(reply) = self.replies.pop_front() {
                return Ok(Sent::Reply(reply));
            }
            match (self.read)(None)? {
                Some(event) if is_escape(&event) => self.join(event)?,
                Some(event) => match head(&event) {
                    Some(letter) => self.hear(vec![event], letter.into())?,
                    None => return Ok(Sent::Event(event)),
                },
                None => {}
            }
        }
    }

    /// Waits for what belongs to a bare Esc. What turns out to be no sequence counts as typed.
    fn join(&mut self, escape: Event) -> io::Result<()> {
        let mut came = vec![escape];
        let mut tail = String::new();
        while let Some(event) = (self.read)(Some(self.patience))? {
            if is_escape(&event) {
                self.ready.extend(std::mem::replace(&mut came, vec![event]));
                tail.clear();
                continue;
            }
            let letter = letter(&event);
            came.push(event);
            tail.extend(letter);
            if let (Some(_), Heard::Open { .. }) = (letter, probe::hear(&tail)) {
                return self.hear(came, tail);
            }
            match letter.map(|_| meaning(&tail)) {
                Some(Meaning::Open) if tail.len() < LONGEST => {}
                Some(Meaning::Key(key)) => {
                    self.ready.push_back(Event::Key(key));
                    return Ok(());
                }
                Some(Meaning::NoKey) => return Ok(()),
                _ => break,
            }
        }
        self.ready.extend(came);
        Ok(())
    }

    /// Waits for the rest of a reply, which is nothing that somebody typed however late it comes.
    fn hear(&mut self, mut came: Vec<Event>, mut tail: String) -> io::Result<()> {
        loop {
            let surely = match probe::hear(&tail) {
                Heard::Open { surely } => surely,
                Heard::Whole(reply) => {
                    self.replies.extend(reply);
                    return Ok(());
                }
                Heard::Typed => break,
            };
            let wait = if surely { REST } else { self.patience };
            match (self.read)(Some(wait))? {
                Some(event) => match raw(&event) {
                    Some(text) => {
                        tail.push_str(&text);
                        came.push(event);
                    }
                    None if surely => self.ready.push_back(event),
                    None => {
                        came.push(event);
                        break;
                    }
                },
                None if surely => return Ok(()),
                None => break,
            }
        }
        self.ready.extend(came);
        Ok(())
    }
}

/// The letter after the Esc, if the event may be the head of a reply.
fn head(event: &Event) -> Option<char> {
    match event {
        Event::Key(KeyEvent { code: KeyCode::Char(letter @ (']' | 'P')), modifiers, .. })
            if modifiers.contains(KeyModifiers::ALT) =>
        {
            Some(*letter)
        }
        _ => None,
    }
}

/// What a terminal had sent for a key that may be a piece of a reply.
fn raw(event: &Event) -> Option<String> {
    if let Some(letter) = letter(event) {
        return Some(letter.into());
    }
    match event.as_key_event().map(|key| (key.code, key.modifiers))? {
        (KeyCode::Esc, _) => Some("\x1b".to_owned()),
        (KeyCode::Char('\\'), KeyModifiers::ALT) => Some("\x1b\\".to_owned()),
        (KeyCode::Char('g'), KeyModifiers::CONTROL) => Some("\x07".to_owned()),
        _ => None,
    }
}

fn is_escape(event: &Event) -> bool {
    *event == Event::Key(KeyEvent::from(KeyCode::Esc))
}

fn letter(event: &Event) -> Option<char> {
    match event {
        Event::Key(KeyEvent { code: KeyCode::Char(letter), modifiers, kind: KeyEventKind::Press, .. })
            if (*modifiers - KeyModifiers::SHIFT).is_empty() =>
        {
            Some(*letter)
        }
        _ => None,
    }
}

/// What follows an Esc.
enum Meaning {
    /// More belongs to it.
    Open,
    Key(KeyEvent),
    /// A whole sequence that no key sends: a report of the terminal.
    NoKey,
}

fn meaning(tail: &str) -> Meaning {
    let mut letters = tail.chars();
    let (Some(first), Some(last)) = (letters.next(), tail.chars().next_back()) else { return Meaning::Open };
    let inside = letters.as_str();
    match (first, inside) {
        ('[' | 'O', "") | ('[', "[") => Meaning::Open,
        // The Linux console's F1 to F5.
        ('[', _) if inside.starts_with('[') => match last {
            'A'..='E' => key(KeyCode::F(number(last, 'A') + 1), KeyModifiers::NONE),
            _ => Meaning::NoKey,
        },
        ('[', _) if !('@'..='~').contains(&last) => Meaning::Open,
        ('[', _) => sequence(&inside[..inside.len() - 1], last),
        ('O', _) => sequence("", last),
        _ => key(KeyCode::Char(first), KeyModifiers::ALT),
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Meaning {
    Meaning::Key(KeyEvent::new(code, modifiers))
}

fn number(letter: char, from: char) -> u8 {
    u8::try_from(u32::from(letter) - u32::from(from)).unwrap_or_default()
}

/// A sequence of parameters and a last letter, as xterm, the Linux console and rxvt send them.
fn sequence(parameters: &str, last: char) -> Meaning {
    let mut parameters = parameters.split(';').map(|parameter| parameter.parse::<u8>().unwrap_or(0));
    let first = parameters.next().unwrap_or(0);
    // One more than the sum of Shift 1, Alt 2, Control 4.
    let held = parameters.next().unwrap_or(1).saturating_sub(1);
    let held = [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)]
        .into_iter()
        .filter_map(|(bit, modifier)| (held & bit != 0).then_some(modifier))
        .collect();
    let code = match (last, first) {
        ('A', _) => KeyCode::Up,
        ('B', _) => KeyCode::Down,
        ('C', _) => KeyCode::Right,
        ('D', _) => KeyCode::Left,
        ('H', _) | ('~', 1 | 7) => KeyCode::Home,
        ('F', _) | ('~', 4 | 8) => KeyCode::End,
        ('Z', _) => KeyCode::BackTab,
        ('P'..='S', _) => KeyCode::F(number(last, 'P') + 1),
        ('~', 2) => KeyCode::Insert,
        ('~', 3) => KeyCode::Delete,
        ('~', 5) => KeyCode::PageUp,
        ('~', 6) => KeyCode::PageDown,
        ('~', 11..=15) => KeyCode::F(first - 10),
        ('~', 17..=21) => KeyCode::F(first - 11),
        ('~', 23 | 24) => KeyCode::F(first - 12),
        _ => return Meaning::NoKey,
    };
    key(code, held)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of events with pauses (`None`) between them, longer than any patience.
    fn read(events: Vec<Option<Event>>) -> Vec<Event> {
        let typed = |sent| if let Sent::Event(event) = sent { Some(event) } else { None };
        sent(events).into_iter().filter_map(typed).collect()
    }

    fn sent(events: Vec<Option<Event>>) -> Vec<Sent> {
        let mut events = VecDeque::from(events);
        let mut input = Input::new(patience(false), |wait| match events.pop_front() {
            Some(Some(event)) => Ok(Some(event)),
            Some(None) => Ok(None),
            None if wait.is_some() => Ok(None),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        });
        std::iter::from_fn(|| input.next().ok()).collect()
    }

    /// The events of an Esc and the letters that came apart from it.
    fn split(tail: &str) -> Vec<Option<Event>> {
        let letter = |letter: char| {
            let held = if letter.is_ascii_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
            Some(Event::Key(KeyEvent::new(KeyCode::Char(letter), held)))
        };
        [escape()].into_iter().chain(tail.chars().map(letter)).collect()
    }

    fn escape() -> Option<Event> {
        Some(Event::Key(KeyEvent::from(KeyCode::Esc)))
    }

    fn keys(events: &[Event]) -> Vec<(KeyCode, KeyModifiers)> {
        let key = |event: &Event| event.as_key_event().map(|key| (key.code, key.modifiers));
        events.iter().filter_map(key).collect()
    }

    #[test]
    fn a_sequence_in_two_pieces_is_the_key_that_was_pressed() {
        const NONE: KeyModifiers = KeyModifiers::NONE;
        for (tail, code, modifiers) in [
            ("[A", KeyCode::Up, NONE),
            ("OB", KeyCode::Down, NONE),
            ("[1;5C", KeyCode::Right, KeyModifiers::CONTROL),
            ("[1;4D", KeyCode::Left, KeyModifiers::SHIFT | KeyModifiers::ALT),
            ("[H", KeyCode::Home, NONE),
            ("OF", KeyCode::End, NONE),
            ("[1~", KeyCode::Home, NONE),
            ("[8~", KeyCode::End, NONE),
            ("[2~", KeyCode::Insert, NONE),
            ("[3~", KeyCode::Delete, NONE),
            ("[3;5~", KeyCode::Delete, KeyModifiers::CONTROL),
            ("[5~", KeyCode::PageUp, NONE),
            ("[6~", KeyCode::PageDown, NONE),
            ("[Z", KeyCode::BackTab, NONE),
            ("OP", KeyCode::F(1), NONE),
            ("[[E", KeyCode::F(5), NONE),
            ("[15~", KeyCode::F(5), NONE),
            ("[17~", KeyCode::F(6), NONE),
            ("[21~", KeyCode::F(10), NONE),
            ("[24~", KeyCode::F(12), NONE),
            ("[1;2S", KeyCode::F(4), KeyModifiers::SHIFT),
            ("b", KeyCode::Char('b'), KeyModifiers::ALT),
            ("é", KeyCode::Char('é'), KeyModifiers::ALT),
        ] {
            assert_eq!(keys(&read(split(tail))), [(code, modifiers)], "{tail}");
        }
    }

    #[test]
    fn an_escape_stays_one() {
        let bare = (KeyCode::Esc, KeyModifiers::NONE);
        assert_eq!(keys(&read(vec![escape()])), [bare]);
        assert_eq!(keys(&read(vec![escape(), escape(), None, escape()])), [bare; 3]);
        let up = Event::Key(KeyEvent::from(KeyCode::Up));
        assert_eq!(keys(&read(vec![escape(), Some(up.clone())])), [bare, (KeyCode::Up, KeyModifiers::NONE)]);
        let mut late = split("[A");
        late.insert(1, None);
        assert_eq!(keys(&read(late))[0], bare, "whoever types an Esc and later a bracket means both");
        let resized = Event::Resize(80, 24);
        assert_eq!(read(vec![escape(), Some(resized.clone())])[1], resized);
    }

    #[test]
    fn an_escape_before_a_split_key_counts_too() {
        let events: Vec<_> = [escape()].into_iter().chain(split("[B")).collect();
        assert_eq!(keys(&read(events)), [(KeyCode::Esc, KeyModifiers::NONE), (KeyCode::Down, KeyModifiers::NONE)]);
    }

    #[test]
    fn what_no_key_sends_is_not_typed() {
        for report in ["[<0;10;5M", "[I", "[?62;22c", "[99~"] {
            assert_eq!(read(split(report)), [], "{report}");
        }
        let half = keys(&read(split("[1;5")));
        assert_eq!(half.len(), 5, "what never became a sequence was typed: {half:?}");
        assert!(read(split(&format!("[{}", "1".repeat(60)))).len() > 40);
    }

    /// The events that come of bytes as they are read in one piece.
    fn whole(text: &str) -> Vec<Option<Event>> {
        let mut events = Vec::new();
        let mut escaped = false;
        for one in text.chars() {
            let held = match (escaped, one.is_ascii_uppercase()) {
                (true, true) => KeyModifiers::ALT | KeyModifiers::SHIFT,
                (true, false) => KeyModifiers::ALT,
                (false, true) => KeyModifiers::SHIFT,
                (false, false) => KeyModifiers::NONE,
            };
            escaped = one == '\x1b';
            match one {
                '\x1b' => {}
                '\x07' => events.push(KeyEvent::new(KeyCode::Char('g'), KeyModifiers::CONTROL)),
                one => events.push(KeyEvent::new(KeyCode::Char(one), held)),
            }
        }
        events.into_iter().map(|key| Some(Event::Key(key))).collect()
    }

    #[test]
    fn a_reply_of_the_terminal_is_heard_and_never_typed_whole_split_or_late() {
        let white = "\x1b]11;rgb:ffff/FFFF/ffff\x1b\\";
        let replies = |events| -> Vec<Sent> {
            let sent = sent(events);
            let typed: Vec<_> = sent.iter().filter(|one| matches!(one, Sent::Event(_))).collect();
            assert!(typed.is_empty(), "{typed:?}");
            sent
        };
        let heard = replies(whole(white));
        assert!(matches!(heard[..], [Sent::Reply(Reply::Background((255, 255, 255)))]), "{heard:?}");
        let heard = replies(whole("\x1bP1$r0;48:2::1:2:3m\x1b\\\x1b]11;rgb:00/00/00\x07"));
        assert!(matches!(heard[..], [Sent::Reply(Reply::FullColor(true)), Sent::Reply(_)]), "{heard:?}");
        // Its Escs came apart from what follows them.
        let mut apart = vec![escape()];
        apart.extend(whole("]11;rgb:00/00/00"));
        apart.extend([escape(), whole("\\").remove(0)]);
        assert!(matches!(replies(apart)[..], [Sent::Reply(_)]));
        // One whose end never comes is nothing typed either.
        assert!(replies(whole("\x1b]11;rgb:00/0")).is_empty());
        let up = Event::Key(KeyEvent::from(KeyCode::Up));
        let mut between = whole(white);
        between.insert(9, Some(up.clone()));
        assert_eq!(read(between), [up]);
        for typed in ["\x1b]", "\x1bP", "\x1b]1x"] {
            assert_eq!(read(whole(typed)).len(), whole(typed).len(), "{typed:?}");
        }
    }

    #[test]
    fn an_error_comes_through() {
        let mut input = Input::new(patience(true), |wait| match wait {
            None => Ok(escape()),
            Some(_) => Err(io::ErrorKind::BrokenPipe.into()),
        });
        assert!(input.next().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe));
    }
}
