//! Hashes, random bytes, and the envelope that secrets lie in (XChaCha20-Poly1305, bound to table, record and field).

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::{Context as _, ensure};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use chacha20poly1305::{
    Key, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use zeroize::Zeroizing;

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
        _ = write!(out, "{byte:02x}");
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

/// Hashes a password with argon2id (m = 19 MiB, t = 2, p = 1, as OWASP's password storage cheat sheet has it) and a salt of its
/// own. Takes tens of milliseconds: run it where blocking is allowed.
///
/// # Errors
/// The hash could not be computed.
pub fn hash_password(password: &str) -> anyhow::Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|error| anyhow::anyhow!("the password cannot be hashed: {error}"))?.to_string())
}

/// Whether a password belongs to a hash of [`hash_password`]. As slow as that.
#[must_use]
pub fn verify_password(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Writes a file that only its owner may read: beside the path first, made durable, then renamed into place.
///
/// # Errors
/// Names the file and what the system said.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a file that must be its owner's alone.
///
/// # Errors
/// Names the file: missing, or others may read it.
pub fn read_private(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let facts = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(
        facts.mode() & 0o077 == 0,
        "{} can be read by others (mode {:o}): run `chmod 600 {}`",
        path.display(),
        facts.mode() & 0o777,
        path.display()
    );
    Ok(Zeroizing::new(fs::read(path).with_context(|| format!("cannot read {}", path.display()))?))
}

/// Seals app secrets under the data key, a 0600 file for now.
#[derive(Clone)]
pub struct Vault {
    cipher: XChaCha20Poly1305,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Vault(…)")
    }
}

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

/// First byte of a sealed value: how the rest is sealed.
const SEAL_VERSION: u8 = 1;

/// Bytes of an XChaCha20 nonce.
const NONCE_BYTES: usize = 24;

impl Vault {
    /// Reads the data key, or makes it.
    ///
    /// # Errors
    /// Names the file and what is wrong with it: size or mode.
    pub fn open_key(path: &Path) -> anyhow::Result<Self> {
        if !path.exists() {
            write_private(path, Zeroizing::new(random_bytes::<32>()).as_slice())?;
        }
        let bytes = read_private(path)?;
        let key = Key::try_from(bytes.as_slice()).map_err(|_| {
            anyhow::anyhow!("{} is not a key of 32 bytes: put the file from a backup in its place", path.display())
        })?;
        Ok(Self { cipher: XChaCha20Poly1305::new(&key) })
    }

    /// Seals a value for one field of one record.
    #[must_use]
    pub fn seal(&self, table: &'static str, record: u64, field: &'static str, value: &[u8]) -> Vec<u8> {
        let nonce = random_bytes::<NONCE_BYTES>();
        let place = place(table, record, field);
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), Payload { msg: value, aad: &place });
        let sealed = sealed.expect("values are far below the cipher's limit of 256 GiB");
        [&[SEAL_VERSION], nonce.as_slice(), &sealed].concat()
    }

    /// Opens a value sealed for that field of that record.
    ///
    /// # Errors
    /// [`UnsealError`] names the place.
    pub fn open(
        &self,
        table: &'static str,
        record: u64,
        field: &'static str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let open = || {
            let (nonce, sealed) = sealed.strip_prefix(&[SEAL_VERSION])?.split_first_chunk::<NONCE_BYTES>()?;
            let place = place(table, record, field);
            self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &place }).ok()
        };
        open().map(Zeroizing::new).ok_or(UnsealError { table, record, field })
    }
}

/// What a sealed value is bound to, so that it does not open anywhere else.
fn place(table: &str, record: u64, field: &str) -> Vec<u8> {
    let mut place = Vec::with_capacity(table.len() + field.len() + 24);
    for part in [table.as_bytes(), &record.to_be_bytes(), field.as_bytes()] {
        place.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        place.extend_from_slice(part);
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_in_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = Vault::open_key(&folder.path().join("data.key")).expect("makes a key");
        let again = Vault::open_key(&folder.path().join("data.key")).expect("reads the key");
        let other = Vault::open_key(&folder.path().join("other.key")).expect("makes a key");
        let sealed = vault.seal("secrets", 7, "value", b"hunter2");
        assert_eq!(again.open("secrets", 7, "value", &sealed).expect("opens").as_slice(), b"hunter2");
        assert!(vault.open("secrets", 8, "value", &sealed).is_err(), "another record");
        assert!(vault.open("secretsv", 7, "alue", &sealed).is_err(), "another table and field");
        assert!(other.open("secrets", 7, "value", &sealed).is_err(), "another key");
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(vault.open("secrets", 7, "value", &damaged).is_err(), "byte {at}");
            assert!(vault.open("secrets", 7, "value", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data.key");
        fs::write(&path, [0; 32]).expect("writes");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("sets the mode");
        assert!(Vault::open_key(&path).expect_err("is refused").to_string().contains("chmod 600"));
        write_private(&path, &[0; 31]).expect("writes");
        assert!(Vault::open_key(&path).expect_err("is refused").to_string().contains("32 bytes"));
    }

    #[test]
    fn passwords_are_verified() {
        let hash = hash_password("correct horse").expect("hashes");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify_password("correct horse", &hash));
        assert!(!verify_password("correct horse ", &hash));
        assert!(!verify_password("x", "not a hash"));
    }
}
