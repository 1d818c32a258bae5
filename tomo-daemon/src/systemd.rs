//! What the daemon tells systemd: that it is ready, that it lives, that it ends. Without systemd nobody listens.

use sd_notify::NotifyState;
use tokio::time::sleep;

/// Says that the daemon serves from now on.
pub(crate) fn ready() {
    tell(NotifyState::Ready);
}

/// Says that the daemon ends.
pub(crate) fn stopping() {
    tell(NotifyState::Stopping);
}

/// Gives signs of life as often as the unit's watchdog wants them, for ever.
pub(crate) async fn watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    loop {
        tell(NotifyState::Watchdog);
        sleep(limit / 3).await;
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
