//! What a unit tells systemd: that it is ready, that it lives, and how it stands. Without systemd nobody listens.

use std::fmt::Display;

use sd_notify::NotifyState;
use tokio::{sync::watch, time::sleep};

/// Head of the status of a link that is connected.
pub(crate) const CONNECTED_TO: &str = "connected to ";

/// Says that the unit serves from now on.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the unit ends.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says how the unit stands, for `systemctl status`, whenever it changes.
pub(crate) async fn tell_status<T: Display>(known: &mut watch::Receiver<T>) {
    loop {
        let text = known.borrow_and_update().to_string();
        tell(&[NotifyState::Status(&text)]);
        if known.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Gives signs of life as often as the unit's watchdog wants them, for ever. They come from the one thread that does all the work.
pub(crate) async fn watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    loop {
        tell(&[NotifyState::Watchdog]);
        sleep(limit / 3).await;
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
