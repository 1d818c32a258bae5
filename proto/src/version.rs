//! Versions that two programs compare before they talk.

/// Version of this release, as in `Cargo.toml`.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Newest agent link version this release speaks.
pub const LINK_NEWEST: u16 = 1;

/// Oldest agent link version this release still understands.
pub const LINK_OLDEST: u16 = 1;

/// ALPN of the agent link; its number changes only when the handshake itself does.
pub const LINK_ALPN: &[u8] = b"tomo-agent/1";

/// ALPN of an enrolment connection, on which the agent has no certificate yet.
pub const ENROLL_ALPN: &[u8] = b"tomo-enroll/1";

/// Name in the daemon's certificate on the agent link, whatever its address is.
pub const LINK_SERVER_NAME: &str = "tomo-daemon";

/// Picks the newest link version that both sides speak, or `None`.
#[must_use]
pub fn negotiate_link(peer_oldest: u16, peer_newest: u16) -> Option<u16> {
    let newest = LINK_NEWEST.min(peer_newest);
    let oldest = LINK_OLDEST.max(peer_oldest);
    (oldest <= newest).then_some(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_newest_common_version() {
        assert_eq!(negotiate_link(1, 1), Some(1));
        assert_eq!(negotiate_link(1, 9), Some(LINK_NEWEST));
        assert_eq!(negotiate_link(LINK_NEWEST + 1, 9), None);
    }
}
