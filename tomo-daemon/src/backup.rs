//! Backups of the daemon itself: a consistent copy of the store and every key file, sealed as one file under the vault's data key.
//!
//! The file begins with what is needed to open it with the master password and nothing else, so that it opens on a bare host. Then come
//! the files in pieces (see `seal`), each bound to the head.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Read, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    crypto::random_bytes,
    data::{self, STORE, key_files},
    seal::{NONCE, Opener, Sealer},
    store::{NewAuditEntry, Store, StoreError},
    tls,
    vault::{DataKey, WrappedKey},
};

/// How every backup begins; the digit is the format's version.
const MAGIC: &[u8; 8] = b"TOMOBAK1";
/// Bytes of a head, at most.
const HEAD: usize = 16 * 1024;

/// What stands at the head of a backup, in clear but bound to every piece.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Head {
    /// SHA-256 of the daemon's CA certificate, hex: whose backup it is.
    pub instance: String,
    /// Number of the backup, one more with each.
    pub number: u64,
    /// When it was made (UTC ms).
    pub created_at: u64,
    /// Release that made it.
    pub release: String,
    /// The data key, under the master password of that time.
    pub wrapped: WrappedKey,
    /// The backup's own key, sealed under the data key.
    key: Vec<u8>,
    nonce: Vec<u8>,
}

/// What a test restore found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Files that came out.
    pub files: usize,
    /// Audit rows whose chain was checked.
    pub rows: u64,
}

/// What a new backup is called and sealed with.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Number of the backup.
    pub number: u64,
    /// Now (UTC ms).
    pub created_at: u64,
    /// The data key, open.
    pub key: DataKey,
    /// The same, under the master password.
    pub wrapped: WrappedKey,
}

/// Name of a backup's file.
#[must_use]
pub fn file_name(number: u64) -> String {
    format!("tomo-{number:06}.backup")
}

/// Makes a backup of a data folder whose store is open: beside its place first, then renamed into it.
///
/// # Errors
/// Names the file and what the system said; nothing is left then.
pub fn create(data: &Path, store: &Store, folder: &Path, plan: &Plan) -> anyhow::Result<PathBuf> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make {}", folder.display()))?;
    let place = folder.join(file_name(plan.number));
    let (beside, copy) = (place.with_extension("new"), folder.join("copy.redb"));
    let made = (|| -> anyhow::Result<PathBuf> {
        // An earlier one may have been cut off.
        drop(fs::remove_file(&copy));
        store.copy_to(&copy)?;
        seal(data, &copy, &beside, plan)?;
        fs::rename(&beside, &place)?;
        File::open(folder)?.sync_all()?;
        Ok(place.clone())
    })();
    drop(fs::remove_file(&copy));
    if made.is_err() {
        drop(fs::remove_file(&beside));
    }
    made.with_context(|| format!("{} cannot be made", place.display()))
}

fn seal(data: &Path, store: &Path, beside: &Path, plan: &Plan) -> anyhow::Result<()> {
    let key = Zeroizing::new(random_bytes::<32>());
    let nonce = random_bytes::<NONCE>();
    let head = Head {
        instance: instance(data)?,
        number: plan.number,
        created_at: plan.created_at,
        release: env!("CARGO_PKG_VERSION").to_owned(),
        wrapped: plan.wrapped.clone(),
        key: plan.key.seal("backups", plan.number, "key", key.as_slice()),
        nonce: nonce.to_vec(),
    };
    let head = rmp_serde::to_vec_named(&head)?;
    let mut file = fs::OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(0o600).open(beside)?;
    let mut out = BufWriter::new(file);
    out.write_all(MAGIC)?;
    out.write_all(&u32::try_from(head.len())?.to_be_bytes())?;
    out.write_all(&head)?;
    let mut sealer = Sealer::new(out, &key, &nonce, bound(&head));
    for path in key_files(data)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        put_file(&mut sealer, &name, &path)?;
    }
    put_file(&mut sealer, STORE, store)?;
    sealer.write_all(&0_u16.to_be_bytes())?;
    sealer.end()?.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(())
}

fn put_file(out: &mut impl Write, name: &str, path: &Path) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let length = file.metadata()?.len();
    out.write_all(&u16::try_from(name.len())?.to_be_bytes())?;
    out.write_all(name.as_bytes())?;
    out.write_all(&length.to_be_bytes())?;
    let copied = std::io::copy(&mut BufReader::new(file).take(length), out)?;
    ensure!(copied == length, "{} became shorter meanwhile", path.display());
    Ok(())
}

fn bound(head: &[u8]) -> Vec<u8> {
    [MAGIC.as_slice(), ring::digest::digest(&ring::digest::SHA256, head).as_ref()].concat()
}

/// Whose data folder this is.
fn instance(data: &Path) -> anyhow::Result<String> {
    let path = data.join("ca.pem");
    let certificate = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(crate::crypto::sha256_hex(&certificate))
}

fn read_head_of(source: &mut impl Read) -> anyhow::Result<(Head, Vec<u8>)> {
    let mut magic = [0; MAGIC.len()];
    source.read_exact(&mut magic).context("it is no backup of Tomo: it is too short")?;
    ensure!(&magic == MAGIC, "it is no backup of Tomo, or one of a newer release");
    let mut length = [0; 4];
    source.read_exact(&mut length).context("it was cut off")?;
    let length = u32::from_be_bytes(length) as usize;
    ensure!(length <= HEAD, "its head was changed");
    let mut head = vec![0; length];
    source.read_exact(&mut head).context("it was cut off")?;
    Ok((rmp_serde::from_slice(&head).context("its head was changed")?, bound(&head)))
}

/// The head of a backup. It is not proven before a piece opens.
///
/// # Errors
/// It is no backup, or was cut off.
pub fn read_head(file: &Path) -> anyhow::Result<Head> {
    let source = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(read_head_of(&mut BufReader::new(source)).with_context(|| format!("{} cannot be used", file.display()))?.0)
}

/// Opens a backup into an empty folder.
fn unpack(file: &Path, key: &DataKey, folder: &Path) -> anyhow::Result<usize> {
    let mut source = BufReader::new(File::open(file)?);
    let (head, bound) = read_head_of(&mut source)?;
    let own = key.open("backups", head.number, "key", &head.key).context("its key does not open: it was changed")?;
    let own = Zeroizing::new(<[u8; 32]>::try_from(own.as_slice()).context("its key was changed")?);
    let nonce = <[u8; NONCE]>::try_from(head.nonce.as_slice()).context("its head was changed")?;
    let mut opener = Opener::new(source, &own, &nonce, bound)?;
    let mut files = 0;
    loop {
        let mut length = [0; 2];
        opener.read_exact(&mut length)?;
        if length == [0, 0] {
            break;
        }
        let mut name = vec![0; u16::from_be_bytes(length).into()];
        opener.read_exact(&mut name)?;
        let name = String::from_utf8(name)?;
        ensure!(!name.contains('/') && !name.starts_with('.'), "it names a file outside of the data folder");
        let mut size = [0; 8];
        opener.read_exact(&mut size)?;
        let size = u64::from_be_bytes(size);
        let mut options = fs::OpenOptions::new();
        let mut out = options.write(true).create_new(true).mode(0o600).open(folder.join(&name))?;
        let copied = std::io::copy(&mut (&mut opener).take(size), &mut out)?;
        ensure!(copied == size, "it was cut off in {name}");
        out.sync_all()?;
        files += 1;
    }
    // Nothing may follow, and the last piece has to be there.
    ensure!(opener.read(&mut [0])? == 0, "something follows its end");
    Ok(files)
}

/// Opens a backup into a folder and checks everything in it. A row for its audit trail says that it is in use again, if it is.
async fn restore_into(
    file: &Path,
    key: &DataKey,
    folder: &Path,
    now_ms: u64,
    mark: Option<NewAuditEntry>,
) -> anyhow::Result<Restored> {
    let (from, with, to) = (file.to_owned(), key.clone(), folder.to_owned());
    let files = tokio::task::spawn_blocking(move || unpack(&from, &with, &to)).await??;
    let store = Store::open(&folder.join(STORE), &tls::signing_key(folder)?, now_ms)?;
    let checked = check(&store, mark).await;
    store.shutdown().await;
    Ok(Restored { files, rows: checked? })
}

async fn check(store: &Store, mark: Option<NewAuditEntry>) -> anyhow::Result<u64> {
    let check = store.verify_audit()?;
    if let Some(broken) = check.broken {
        bail!("the audit trail in it was tampered with: {broken}");
    }
    if let Some(mark) = mark {
        let marked = store.write(move |change| {
            change.audit(mark);
            Ok::<_, StoreError>(())
        });
        marked.await?;
    }
    Ok(check.rows)
}

/// Restores a backup for a test, beside it, and removes the result.
///
/// # Errors
/// Names the backup and what is wrong with it.
pub async fn verify(file: &Path, key: &DataKey, now_ms: u64) -> anyhow::Result<Restored> {
    let folder = file.with_extension("test");
    drop(fs::remove_dir_all(&folder));
    make(&folder)?;
    let restored = restore_into(file, key, &folder, now_ms, None).await;
    drop(fs::remove_dir_all(&folder));
    restored.with_context(|| format!("{} cannot be restored", file.display()))
}

/// Restores a backup as a daemon's data folder, which must not hold a store yet. The first row after the backup's own is the mark that
/// explains to witnesses why the audit trail goes back.
///
/// # Errors
/// Names the file or folder and what to do; the folder holds no store then.
pub async fn restore(
    file: &Path,
    data: &Path,
    password: &[u8],
    older: bool,
    now_ms: u64,
    mark: impl FnOnce(&Head) -> NewAuditEntry,
) -> anyhow::Result<(Head, Restored)> {
    let head = read_head(file)?;
    if !older && let Some(newer) = newest_beside(file, &head) {
        bail!(
            "{} is backup {}, and {} beside it is newer ({}): restore that one, or say --older",
            file.display(),
            head.number,
            newer.1.display(),
            newer.0
        );
    }
    let making = data::begin(data)?;
    let restoring = async {
        let key = head.wrapped.unwrap(password).with_context(|| format!("{} does not open", file.display()))?;
        let restored = restore_into(file, &key, &making, now_ms, Some(mark(&head))).await;
        restored.with_context(|| format!("{} cannot be restored", file.display()))
    };
    let restored = restoring.await;
    if restored.is_err() {
        data::clear(data)?;
    }
    let restored = restored?;
    data::finish(data)?;
    Ok((head, restored))
}

fn make(folder: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// A newer backup of the same daemon in the same folder: its number and file.
fn newest_beside(file: &Path, head: &Head) -> Option<(u64, PathBuf)> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let others = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let heads = others.filter(|path| path.extension().is_some_and(|end| end == "backup")).filter_map(|path| {
        let other = read_head(&path).ok()?;
        (other.instance == head.instance && other.number > head.number).then_some((other.number, path))
    });
    heads.max()
}
