//! The store's one file: made, opened, checked, and opened again after the disk was full. An older format is taken to this release's.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use redb::{
    Builder, Database, Key, ReadTransaction, ReadableDatabase, ReadableTable as _, TableDefinition, TableHandle as _,
    Value, WriteTransaction,
};

use crate::{
    crypto::SigningKey,
    store::{
        StoreError, audit,
        decoded::Decoded,
        migrate, samples,
        transaction::{self, ReadTx},
    },
};

/// Facts about the store itself, by name.
pub(super) const META: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("meta");

/// Name of the format's version in [`META`].
pub(super) const FORMAT: &str = "format";

/// Version of the tables' layout that this release writes. It reads this one and every older one; see [`migrate`].
pub(super) const FORMAT_VERSION: u8 = 2;

/// Page cache; redb's own default is 1 GiB.
const CACHE_BYTES: usize = 32 << 20;

/// The open database, or none while it is closed or could not be opened again.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    database: RwLock<Option<Database>>,
    decoded: Arc<Decoded>,
}

impl StoreFile {
    /// Makes an empty store.
    pub(super) fn create(path: &Path, signer: &SigningKey) -> Result<(), StoreError> {
        if path.exists() {
            return Err(StoreError::Other(format!("{} is there already: it is not overwritten", path.display())));
        }
        let database = Builder::new().set_cache_size(CACHE_BYTES).create(path).map_err(|error| failure(path, error))?;
        restrict(path)?;
        let transaction = database.begin_write().map_err(|error| failure(path, error))?;
        transaction
            .open_table(META)
            .map_err(|error| failure(path, error))?
            .insert(FORMAT, [FORMAT_VERSION].as_slice())
            .map_err(|error| failure(path, error))?;
        audit::begin(&transaction, path, signer)?;
        transaction.commit().map_err(|error| failure(path, error))
    }

    /// Opens a store that is there, checks it, and takes it to this release's format if it has an older one.
    pub(super) fn open(path: &Path, signer: &SigningKey, now_ms: u64) -> Result<Self, StoreError> {
        // A newer one is told before anything is written to it, if it was closed in good order.
        if let Some(format) = peek(path) {
            check_format(path, format)?;
        }
        let mut database = open_checked(path)?;
        let format = format_of(path, &database)?;
        check_format(path, format)?;
        if format < FORMAT_VERSION {
            database = migrate::migrate(path, database, format, signer, now_ms)?;
        }
        Ok(Self { path: path.to_owned(), database: RwLock::new(Some(database)), decoded: Arc::default() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn close(&self) {
        self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        self.decoded.clear();
    }

    pub(super) fn begin_read(&self) -> Result<ReadTx, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let transaction = database.as_ref().ok_or_else(closed)?.begin_read().map_err(|e| failure(&self.path, e))?;
        Ok(ReadTx::new(transaction, self.path.clone(), Arc::clone(&self.decoded)))
    }

    /// Copies everything into a new file, as it is at one moment; others go on writing.
    pub(super) fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let view = self.begin_read()?;
        let database = Builder::new().set_cache_size(CACHE_BYTES).create(path).map_err(|error| failure(path, error))?;
        restrict(path)?;
        let target = database.begin_write().map_err(|error| failure(path, error))?;
        let source = view.transaction();
        for table in source.list_tables().map_err(|error| failure(&self.path, error))? {
            let name = table.name();
            let copied = if name == META.name() {
                copy(source, &target, META)
            } else if name == transaction::CHANGES.name() {
                copy(source, &target, transaction::CHANGES)
            } else if name == samples::SAMPLES.name() {
                copy(source, &target, samples::SAMPLES)
            } else if name == samples::ACKNOWLEDGED.name() {
                copy(source, &target, samples::ACKNOWLEDGED)
            } else {
                copy(source, &target, TableDefinition::<u64, &[u8]>::new(name))
            };
            copied.map_err(|error| failure(path, error))?;
        }
        target.commit().map_err(|error| failure(path, error))
    }

    /// Runs `work` in one durable transaction. After an I/O error the file is opened again before the next one, since redb
    /// refuses to go on with a file it could not write.
    pub(super) fn commit<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.reopen_if_lost()?;
        let outcome = {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            let transaction =
                database.as_ref().ok_or_else(closed)?.begin_write().map_err(|error| failure(&self.path, error));
            transaction.and_then(|transaction| {
                let answer = work(&transaction)?;
                transaction.commit().map_err(|error| failure(&self.path, error))?;
                Ok(answer)
            })
        };
        if let Err(error) = &outcome {
            tracing::error!(%error, path = %self.path.display(), "a commit failed; the store is opened again");
            self.close();
            // At once, for the readers; the next commit tries again.
            if let Err(error) = self.reopen_if_lost() {
                tracing::error!(%error, path = %self.path.display(), "the store cannot be opened again yet");
            }
        }
        outcome
    }

    fn reopen_if_lost(&self) -> Result<(), StoreError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if database.is_none() {
            *database = Some(open_checked(&self.path)?);
        }
        Ok(())
    }
}

fn copy<K: Key + 'static, V: Value + 'static>(
    source: &ReadTransaction,
    target: &WriteTransaction,
    definition: TableDefinition<'_, K, V>,
) -> Result<(), redb::Error> {
    let mut into = target.open_table(definition)?;
    for row in source.open_table(definition)?.iter()? {
        let (key, value) = row?;
        into.insert(key.value(), value.value())?;
    }
    Ok(())
}

fn closed() -> StoreError {
    StoreError::Other("the store is closed".to_owned())
}

pub(super) fn open_checked(path: &Path) -> Result<Database, StoreError> {
    if !path.exists() {
        return Err(StoreError::Other(format!(
            "there is no store at {}: run `tomo-daemon init` first, or give the right --data",
            path.display()
        )));
    }
    restrict(path)?;
    // A file that was cut short can trip an assertion inside redb; that is damage like any other.
    let opened = std::panic::catch_unwind(|| {
        Builder::new().set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).open(path)
    });
    let database = match opened {
        Ok(Ok(database)) => database,
        Ok(Err(redb::DatabaseError::DatabaseAlreadyOpen)) => {
            return Err(StoreError::Other(format!(
                "{} is in use by another process: stop that daemon first",
                path.display()
            )));
        }
        Ok(Err(error)) => return Err(damaged(path, &redb::Error::from(error))),
        Err(_) => {
            return Err(damaged(path, &redb::Error::Corrupted("the file is cut short or overwritten".to_owned())));
        }
    };
    Ok(database)
}

/// The format of a store that was closed in good order, without a byte written to it; of any other the normal opening will tell.
fn peek(path: &Path) -> Option<u8> {
    let looked = std::panic::catch_unwind(|| {
        let database = Builder::new().set_cache_size(CACHE_BYTES).open_read_only(path).ok()?;
        format_of(path, &database).ok()
    });
    looked.ok().flatten()
}

fn format_of(path: &Path, database: &impl ReadableDatabase) -> Result<u8, StoreError> {
    let view = database.begin_read().map_err(|error| failure(path, error))?;
    let meta = view.open_table(META).map_err(|error| damaged(path, &error.into()))?;
    let format =
        meta.get(FORMAT).map_err(|error| failure(path, error))?.and_then(|bytes| bytes.value().first().copied());
    format
        .filter(|format| *format > 0)
        .ok_or_else(|| damaged(path, &redb::Error::Corrupted("it says no format version".to_owned())))
}

fn check_format(path: &Path, format: u8) -> Result<(), StoreError> {
    if format <= FORMAT_VERSION {
        return Ok(());
    }
    Err(StoreError::Unusable(format!(
        "{} has format {format}, and this release reads formats 1 to {FORMAT_VERSION}: run a newer release of tomo-daemon, or move the \
         store away and `tomo-daemon restore` a backup of this release",
        path.display()
    )))
}

fn damaged(path: &Path, error: &redb::Error) -> StoreError {
    match error {
        redb::Error::Io(source) if source.kind() == std::io::ErrorKind::StorageFull => {
            StoreError::Full { path: path.to_owned() }
        }
        redb::Error::Io(source) if source.kind() == std::io::ErrorKind::PermissionDenied => io(path, source),
        other => StoreError::Unusable(format!(
            "{} is damaged or not a store of Tomo ({other}): put a backup in its place, or move it away and run `tomo-daemon init`",
            path.display()
        )),
    }
}

/// What redb said, as a caller can use it.
pub(super) fn failure(path: &Path, error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(source) => io(path, &source),
        other => StoreError::Other(format!("{}: {other}", path.display())),
    }
}

pub(super) fn io(path: &Path, error: &std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
            StoreError::Full { path: path.to_owned() }
        }
        _ => StoreError::Other(format!("{}: {error}", path.display())),
    }
}

fn restrict(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|error| io(path, &error))
}
