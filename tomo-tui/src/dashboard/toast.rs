//! Short messages above the footer: what was done, what could not be, and what went wrong.

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

/// The newest message, as long as it stays.
#[derive(Debug, Default)]
pub(crate) struct Toasts {
    newest: Option<(Kind, String, Option<u64>)>,
}

impl Toasts {
    pub(crate) fn push(&mut self, kind: Kind, text: impl Into<String>, now_ms: u64) {
        self.newest = Some((kind, text.into(), kind.life_ms().map(|life| now_ms + life)));
    }

    pub(crate) fn newest(&self) -> Option<(Kind, &str)> {
        self.newest.as_ref().map(|(kind, text, _)| (*kind, text.as_str()))
    }

    /// Takes the message away; says whether there was one that waits for that.
    pub(crate) fn dismiss(&mut self) -> bool {
        self.newest.take().is_some_and(|(kind, ..)| kind == Kind::Error)
    }

    /// Takes a message away whose time is over; says whether there was one.
    pub(crate) fn expire(&mut self, now_ms: u64) -> bool {
        self.newest.take_if(|(_, _, until)| until.is_some_and(|until| until <= now_ms)).is_some()
    }

    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.newest.as_ref().and_then(|(_, _, until)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_stays_until_it_was_read() {
        let mut toasts = Toasts::default();
        toasts.push(Kind::Info, "done", 0);
        assert_eq!(toasts.next_expiry(), Some(3_000));
        assert!(toasts.expire(3_000));
        assert_eq!(toasts.newest(), None);
        toasts.push(Kind::Error, "broken", 0);
        assert!(!toasts.expire(u64::MAX));
        assert_eq!((toasts.newest(), toasts.next_expiry()), (Some((Kind::Error, "broken")), None));
        assert!(toasts.dismiss() && !toasts.dismiss());
    }
}
