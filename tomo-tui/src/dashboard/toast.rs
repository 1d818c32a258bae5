//! Short messages above the footer: what was done, what could not be, and what went wrong; and all that were told before.

use std::collections::VecDeque;

/// Messages that are kept to be read again.
const KEPT: usize = 200;
/// Errors that wait to be dismissed; the oldest are only in the history then.
const WAITING: usize = 20;

/// How serious a message is: a word passes by, an error stays until it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Info,
    Warning,
    Error,
}

impl Kind {
    fn life_ms(self) -> Option<u64> {
        match self {
            Self::Info => Some(3_000),
            Self::Warning => Some(6_000),
            Self::Error => None,
        }
    }
}

/// One that was told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// When (UTC ms).
    pub(crate) at_ms: u64,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

/// The message on screen, errors that wait to be dismissed, and the last ones that were told.
#[derive(Debug, Default)]
pub(crate) struct Toasts {
    passing: Option<(Kind, String, u64)>,
    errors: VecDeque<String>,
    told: VecDeque<Told>,
}

impl Toasts {
    pub(crate) fn push(&mut self, kind: Kind, text: impl Into<String>, now_ms: u64) {
        let text = text.into();
        if self.told.len() == KEPT {
            self.told.pop_front();
        }
        self.told.push_back(Told { at_ms: now_ms, kind, text: text.clone() });
        match kind.life_ms() {
            Some(life) => self.passing = Some((kind, text, now_ms + life)),
            None => {
                self.passing = None;
                if self.errors.len() == WAITING {
                    self.errors.pop_front();
                }
                self.errors.push_back(text);
            }
        }
    }

    /// Tells how far something is, which nobody wants to read later.
    pub(crate) fn progress(&mut self, text: String, now_ms: u64) {
        self.passing = Some((Kind::Info, text, now_ms + 3_000));
    }

    /// What passes by, or the newest error that nobody has dismissed.
    pub(crate) fn newest(&self) -> Option<(Kind, &str)> {
        let passing = self.passing.as_ref().map(|(kind, text, _)| (*kind, text.as_str()));
        passing.or_else(|| self.errors.back().map(|text| (Kind::Error, text.as_str())))
    }

    /// How many errors wait to be dismissed.
    pub(crate) fn waiting(&self) -> usize {
        self.errors.len()
    }

    /// What was told, newest first.
    pub(crate) fn told(&self) -> impl Iterator<Item = &Told> {
        self.told.iter().rev()
    }

    /// Takes the message away; says whether it was an error, which waits for that.
    pub(crate) fn dismiss(&mut self) -> bool {
        self.passing.take().is_none() && self.errors.pop_back().is_some()
    }

    /// Takes a message away whose time is over; says whether there was one.
    pub(crate) fn expire(&mut self, now_ms: u64) -> bool {
        self.passing.take_if(|(_, _, until)| *until <= now_ms).is_some()
    }

    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.passing.as_ref().map(|(_, _, until)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_stays_until_it_was_read_whatever_passes_by_meanwhile() {
        let mut toasts = Toasts::default();
        toasts.push(Kind::Info, "done", 0);
        assert_eq!(toasts.next_expiry(), Some(3_000));
        assert!(toasts.expire(3_000));
        assert_eq!(toasts.newest(), None);
        toasts.push(Kind::Error, "broken", 0);
        assert!(!toasts.expire(u64::MAX));
        assert_eq!((toasts.newest(), toasts.next_expiry()), (Some((Kind::Error, "broken")), None));
        toasts.push(Kind::Error, "worse", 1);
        toasts.push(Kind::Info, "done", 2);
        assert_eq!(toasts.newest(), Some((Kind::Info, "done")));
        assert!(!toasts.dismiss(), "it only passed by");
        assert_eq!((toasts.newest(), toasts.waiting()), (Some((Kind::Error, "worse")), 2));
        assert!(toasts.dismiss() && toasts.dismiss() && !toasts.dismiss());
    }

    #[test]
    fn what_was_told_can_be_read_again_within_bounds() {
        let mut toasts = Toasts::default();
        for number in 0..300_u64 {
            toasts.push(Kind::Error, number.to_string(), number);
            toasts.progress("half way".to_owned(), number);
        }
        assert_eq!((toasts.told().count(), toasts.waiting()), (200, 20));
        assert_eq!(toasts.told().next().map(|told| (told.at_ms, told.text.as_str())), Some((299, "299")));
    }
}
