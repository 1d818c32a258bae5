//! The envelope that secrets lie in: XChaCha20-Poly1305 under a data key, bound to table, record, field and the key's epoch.
//!
//! The data key is a file of its owner's alone until a master password is set. From then on it lies in the store, wrapped under a key
//! that argon2id derives from the password, and the vault is sealed whenever the daemon starts: everything goes on but what needs
//! a secret, which answers `sealed` until a person unlocks it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    Key, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use zeroize::Zeroizing;

use crate::crypto::{random_bytes, read_private, write_private};

/// First byte of a sealed value: how the rest is sealed.
const SEAL_VERSION: u8 = 2;
/// Bytes of an XChaCha20 nonce.
const NONCE_BYTES: usize = 24;
const SALT_BYTES: usize = 16;
/// What the master password's key is derived with; nothing weaker is accepted. RFC 9106, second recommended option, with one lane.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
/// More than this would be somebody's attempt to exhaust the machine.
const MOST_MEMORY_KIB: u32 = 1024 * 1024;
const MOST_PASSES: u32 = 32;
const MOST_LANES: u32 = 16;

/// 32 bytes that are wiped when they are dropped.
type KeyBytes = Zeroizing<[u8; 32]>;

/// The data key, sealed under a key made of the master password. What it was derived with is bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// Memory of the derivation, KiB.
    pub memory_kib: u32,
    /// Passes of the derivation.
    pub passes: u32,
    /// Lanes of the derivation.
    pub lanes: u32,
    /// Salt of the derivation.
    pub salt: Vec<u8>,
    /// Number of the data key: one more with each rotation.
    pub epoch: u32,
    /// Nonce and sealed data key.
    pub sealed: Vec<u8>,
}

/// The data key does not come out of its wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    /// Wrong password, or somebody changed the record.
    #[error("that is not the master password (or the vault's record was changed)")]
    Password,
    /// The record asks for a weaker or an absurd derivation.
    #[error("the vault's record asks for another derivation than Tomo makes: it was changed")]
    Derivation,
}

/// A data key that can seal and open.
#[derive(Clone)]
pub struct DataKey {
    bytes: KeyBytes,
    cipher: XChaCha20Poly1305,
    epoch: u32,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "DataKey(epoch {})", self.epoch)
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

impl DataKey {
    fn new(bytes: KeyBytes, epoch: u32) -> Self {
        Self { cipher: cipher_of(&bytes), bytes, epoch }
    }

    /// A new random key for the epoch after another's.
    #[must_use]
    pub fn after(epoch: u32) -> Self {
        Self::new(Zeroizing::new(random_bytes()), epoch.saturating_add(1))
    }

    /// Number of this key.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Seals a value for one field of one record.
    #[must_use]
    pub fn seal(&self, table: &'static str, record: u64, field: &'static str, value: &[u8]) -> Vec<u8> {
        let nonce = random_bytes::<NONCE_BYTES>();
        let place = self.place(table, record, field);
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), Payload { msg: value, aad: &place });
        let sealed = sealed.expect("values are far below the cipher's limit of 256 GiB");
        [&[SEAL_VERSION], nonce.as_slice(), &sealed].concat()
    }

    /// Opens a value sealed for that field of that record under this key.
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
            let place = self.place(table, record, field);
            self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &place }).ok()
        };
        open().map(Zeroizing::new).ok_or(UnsealError { table, record, field })
    }

    /// What a sealed value is bound to, so that it does not open anywhere else. Lengths first: no two places read alike.
    fn place(&self, table: &str, record: u64, field: &str) -> Vec<u8> {
        parts(&[b"tomo/v1", table.as_bytes(), &record.to_be_bytes(), field.as_bytes(), &self.epoch.to_be_bytes()])
    }

    /// Wraps this key under a master password, with a salt of its own. Takes about a third of a second and 64 MiB: run it where blocking
    /// is allowed.
    ///
    /// # Errors
    /// The derivation failed, for want of memory.
    pub fn wrap(&self, password: &[u8]) -> anyhow::Result<WrappedKey> {
        let mut wrapped = WrappedKey {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: random_bytes::<SALT_BYTES>().to_vec(),
            epoch: self.epoch,
            sealed: Vec::new(),
        };
        let cipher = wrapped.cipher(password).context("the master password's key cannot be derived")?;
        let nonce = random_bytes::<NONCE_BYTES>();
        let head = wrapped.head();
        let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: self.bytes.as_slice(), aad: &head });
        let sealed = sealed.map_err(|_| anyhow::anyhow!("the data key cannot be wrapped"))?;
        wrapped.sealed = [nonce.as_slice(), &sealed].concat();
        Ok(wrapped)
    }
}

impl WrappedKey {
    /// Everything that is not sealed, to bind it to what is.
    fn head(&self) -> Vec<u8> {
        let numbers = [self.memory_kib, self.passes, self.lanes, self.epoch].map(u32::to_be_bytes);
        parts(&[b"tomo/v1", b"vault", &self.salt, numbers.as_flattened()])
    }

    fn cipher(&self, password: &[u8]) -> Option<XChaCha20Poly1305> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).ok()?;
        let mut key = Zeroizing::new([0_u8; 32]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(password, &self.salt, key.as_mut_slice()).ok()?;
        Some(cipher_of(&key))
    }

    /// Takes the data key out. As slow as [`DataKey::wrap`].
    ///
    /// # Errors
    /// Wrong password, or a record that was changed.
    pub fn unwrap(&self, password: &[u8]) -> Result<DataKey, UnwrapError> {
        let fits = (MEMORY_KIB..=MOST_MEMORY_KIB).contains(&self.memory_kib)
            && (PASSES..=MOST_PASSES).contains(&self.passes)
            && (LANES..=MOST_LANES).contains(&self.lanes)
            && self.salt.len() >= SALT_BYTES;
        if !fits {
            return Err(UnwrapError::Derivation);
        }
        let cipher = self.cipher(password).ok_or(UnwrapError::Derivation)?;
        let open = || {
            let (nonce, sealed) = self.sealed.split_first_chunk::<NONCE_BYTES>()?;
            let payload = Payload { msg: sealed, aad: &self.head() };
            let bytes = Zeroizing::new(cipher.decrypt(&XNonce::from(*nonce), payload).ok()?);
            Some(Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?))
        };
        open().map(|bytes| DataKey::new(bytes, self.epoch)).ok_or(UnwrapError::Password)
    }
}

/// The key is borrowed: no copy of it is left on the stack.
fn cipher_of(key: &KeyBytes) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(<&Key>::from(&**key))
}

fn parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut whole = Vec::new();
    for part in parts {
        whole.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        whole.extend_from_slice(part);
    }
    whole
}

/// Reads the key file of a vault without a master password, or makes it.
///
/// # Errors
/// Names the file and what is wrong with it: size or mode.
pub fn open_key_file(path: &Path) -> anyhow::Result<DataKey> {
    if !path.exists() {
        write_private(path, Zeroizing::new(random_bytes::<32>()).as_slice())?;
    }
    let bytes = read_private(path)?;
    let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new).map_err(|_| {
        anyhow::anyhow!("{} is not a key of 32 bytes: put the file from a backup in its place", path.display())
    })?;
    Ok(DataKey::new(bytes, 0))
}

/// Overwrites and removes the key file, if it is there: the master password has taken its place.
///
/// # Errors
/// Names the file.
pub fn remove_key_file(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let remove = || {
        let file = fs::OpenOptions::new().write(true).open(path)?;
        std::io::Write::write_all(&mut &file, &[0; 32])?;
        file.sync_all()?;
        fs::remove_file(path)
    };
    remove().with_context(|| format!("cannot remove {}: remove it by hand", path.display()))
}

/// The data key while it is known. Cheap to clone; every clone is the same vault.
///
/// Whoever seals or opens holds the lock until what was sealed is in the store, so that no value is left under a key that has gone.
#[derive(Debug, Clone)]
pub struct Vault {
    key: Arc<RwLock<Option<DataKey>>>,
    key_file: Arc<PathBuf>,
}

impl Vault {
    /// A vault that is open with this key, or sealed. The key file is the place of a data key without a master password.
    #[must_use]
    pub fn new(key: Option<DataKey>, key_file: PathBuf) -> Self {
        Self { key: Arc::new(RwLock::new(key)), key_file: Arc::new(key_file) }
    }

    /// The data key, `None` while sealed; it stays the same while the guard lives.
    pub async fn key(&self) -> OwnedRwLockReadGuard<Option<DataKey>> {
        Arc::clone(&self.key).read_owned().await
    }

    /// The same, to change it: waits for everybody who seals or opens. A key that goes is wiped from memory.
    pub async fn change(&self) -> OwnedRwLockWriteGuard<Option<DataKey>> {
        Arc::clone(&self.key).write_owned().await
    }

    /// Where the data key lies without a master password.
    #[must_use]
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_in_its_place_and_under_its_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = open_key_file(&folder.path().join("data.key")).expect("makes a key");
        let again = open_key_file(&folder.path().join("data.key")).expect("reads the key");
        let sealed = key.seal("secrets", 7, "value", b"hunter2");
        assert_eq!(again.open("secrets", 7, "value", &sealed).expect("opens").as_slice(), b"hunter2");
        assert!(key.open("secrets", 8, "value", &sealed).is_err(), "another record");
        assert!(key.open("secretsv", 7, "alue", &sealed).is_err(), "another table and field");
        assert!(DataKey::after(0).open("secrets", 7, "value", &sealed).is_err(), "another key");
        let later = DataKey::new(key.bytes.clone(), 1);
        assert!(later.open("secrets", 7, "value", &sealed).is_err(), "the same key of another epoch");
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(key.open("secrets", 7, "value", &damaged).is_err(), "byte {at}");
            assert!(key.open("secrets", 7, "value", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn sealed_values_swapped_between_records_fields_and_epochs_are_refused() {
        let (old, new) = (DataKey::after(0), DataKey::after(1));
        let fields = ["password", "private_key", "passphrase", "value"];
        let mut refused = 0;
        for record in 0..50 {
            for field in fields {
                let sealed = old.seal("credentials", record, field, b"secret");
                for other in 0..50 {
                    for place in fields {
                        let opened = old.open("credentials", other, place, &sealed);
                        if (other, place) == (record, field) {
                            assert!(opened.is_ok() && new.open("credentials", other, place, &sealed).is_err());
                        } else {
                            assert!(opened.is_err(), "{record} {field} opens as {other} {place}");
                            refused += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(refused, 200 * 199);
    }

    #[test]
    fn the_data_key_comes_out_for_its_password_only_and_nothing_of_its_wrapping_can_be_changed() {
        let key = DataKey::after(4);
        let wrapped = key.wrap(b"correct horse battery").expect("wraps");
        let out = wrapped.unwrap(b"correct horse battery").expect("unwraps");
        assert_eq!((out.bytes.as_slice(), out.epoch()), (key.bytes.as_slice(), 5));
        assert_eq!(wrapped.unwrap(b"correct horse batterx").expect_err("is refused"), UnwrapError::Password);
        let weaker = WrappedKey { memory_kib: 19 * 1024, ..wrapped.clone() };
        assert_eq!(weaker.unwrap(b"correct horse battery").expect_err("is refused"), UnwrapError::Derivation);
        let fewer = WrappedKey { passes: 1, ..wrapped.clone() };
        assert_eq!(fewer.unwrap(b"correct horse battery").expect_err("is refused"), UnwrapError::Derivation);
        let absurd = WrappedKey { memory_kib: u32::MAX, ..wrapped.clone() };
        assert_eq!(absurd.unwrap(b"correct horse battery").expect_err("is refused"), UnwrapError::Derivation);
        let older = WrappedKey { epoch: 4, ..wrapped.clone() };
        assert_eq!(older.unwrap(b"correct horse battery").expect_err("is refused"), UnwrapError::Password);
        let mut damaged = wrapped;
        damaged.sealed[30] ^= 1;
        assert_eq!(damaged.unwrap(b"correct horse battery").expect_err("is refused"), UnwrapError::Password);
    }

    #[test]
    fn the_key_file_is_checked_and_leaves_no_trace() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data.key");
        write_private(&path, &[0; 31]).expect("writes");
        assert!(open_key_file(&path).expect_err("is refused").to_string().contains("32 bytes"));
        remove_key_file(&path).expect("removes");
        assert!(!path.exists());
        remove_key_file(&path).expect("is gone already");
    }
}
