//! The one place that reads the wall clock, so that tests can move it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// A time (UTC ms) as text: `2026-11-27 10:00:00 UTC`.
pub(crate) fn date(at_ms: u64) -> String {
    let time = i64::try_from(at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| format!("{at_ms} ms"), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Wall clock in UTC milliseconds: the system's, or one that a test moves.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    moved_by_hand: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands at a time until [`Clock::advance`] moves it.
    #[must_use]
    pub fn manual(now_ms: u64) -> Self {
        Self { moved_by_hand: Some(Arc::new(AtomicU64::new(now_ms))) }
    }

    /// Now, in UTC milliseconds; 0 for a system clock before 1970.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now_ms(&self) -> u64 {
        match &self.moved_by_hand {
            Some(now) => now.load(Ordering::Relaxed),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// Moves a manual clock; the system's stays as it is.
    pub fn advance(&self, ms: u64) {
        if let Some(now) = &self.moved_by_hand {
            now.fetch_add(ms, Ordering::Relaxed);
        }
    }
}
