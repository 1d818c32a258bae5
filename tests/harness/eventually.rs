//! Waiting for a condition, never for a time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Long enough for anything that works, on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something, and returns it.
///
/// # Panics
/// Nothing came within [`PATIENCE`]; says what was waited for.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// Like [`eventually`], with a deadline that is part of what is promised.
///
/// # Panics
/// Nothing came within the deadline; says what was waited for.
pub async fn eventually_within<T>(deadline: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited {deadline:?} in vain until {what}");
        sleep(PAUSE).await;
    }
}
