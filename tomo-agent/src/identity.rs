//! Who this agent is: its key, its certificate, the CA it trusts and where the daemon is. Files 0600.

use std::path::Path;

/// Makes a key pair, proves the enrolment token over a connection pinned to the CA's fingerprint in it, and writes what comes
/// back to `state`. Returns the server's name.
///
/// # Errors
/// Says what was tried and what to do next; nothing half-written remains.
pub async fn enroll(_token: &str, _state: &Path) -> anyhow::Result<String> {
    todo!("identity")
}
