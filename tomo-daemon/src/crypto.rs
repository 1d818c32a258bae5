//! Hashes, random bytes, and the envelope that secrets lie in (XChaCha20-Poly1305, bound to table, record and field).

/// SHA-256 as lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// Bytes as lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        drop(write!(out, "{byte:02x}"));
        out
    })
}

/// Random bytes from the system.
///
/// # Panics
/// If the system has no randomness, since nothing can be safe then.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0_u8; N];
    ring::rand::SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// Random bits for an id; see [`tomo_proto::id`].
#[must_use]
pub fn random_u32() -> u32 {
    u32::from_le_bytes(random_bytes())
}

/// Seals app secrets under the data key, a 0600 file for now.
#[derive(Debug, Clone)]
pub struct Vault {}

/// A sealed value does not open: wrong key, wrong place, or damaged.
#[derive(Debug, thiserror::Error)]
#[error(
    "the sealed value of {table} {record} ({field}) does not open: it was damaged, moved, or sealed under another key"
)]
pub struct UnsealError {
    table: &'static str,
    record: u64,
    field: &'static str,
}

impl Vault {
    /// Reads the data key, or makes it (create-then-rename, mode 0600).
    ///
    /// # Errors
    /// Names the file and what is wrong with it: size, owner or mode.
    pub fn open_key(_path: &std::path::Path) -> anyhow::Result<Self> {
        todo!("vault")
    }

    /// Seals a value for one field of one record.
    #[must_use]
    pub fn seal(&self, _table: &'static str, _record: u64, _field: &'static str, _value: &[u8]) -> Vec<u8> {
        todo!("vault")
    }

    /// Opens a value sealed for that field of that record.
    ///
    /// # Errors
    /// [`UnsealError`] names the place.
    pub fn open(
        &self,
        _table: &'static str,
        _record: u64,
        _field: &'static str,
        _sealed: &[u8],
    ) -> Result<Vec<u8>, UnsealError> {
        todo!("vault")
    }
}
