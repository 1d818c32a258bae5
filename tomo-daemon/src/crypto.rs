//! Hashes, signatures, random bytes, and files that are their owner's alone.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, ensure};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use zeroize::Zeroizing;

/// A key that signs (Ed25519). Cheap to clone.
#[derive(Debug, Clone)]
pub struct SigningKey(Arc<Ed25519KeyPair>);

impl SigningKey {
    /// Reads a private key (PKCS#8, DER).
    ///
    /// # Errors
    /// It is none, or one of another kind.
    pub fn from_pkcs8(der: &[u8]) -> anyhow::Result<Self> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der);
        Ok(Self(Arc::new(pair.map_err(|error| anyhow::anyhow!("it is no Ed25519 key: {error}"))?)))
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(message).as_ref());
        signature
    }

    /// Whether this key signed a message.
    #[must_use]
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0.public_key()).verify(message, signature).is_ok()
    }
}

/// SHA-256 as lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// A 64-bit key for what is known by its name: the head of the name's SHA-256.
#[must_use]
pub fn name_key(name: &str) -> u64 {
    let hash = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    hash.as_ref().iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data.key");
        write_private(&path, &[0; 32]).expect("writes");
        assert_eq!(read_private(&path).expect("reads").as_slice(), [0; 32]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("sets the mode");
        assert!(read_private(&path).expect_err("is refused").to_string().contains("chmod 600"));
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
