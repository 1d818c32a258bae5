//! Views and changes of records, by type.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use tomo_proto::model::audit::AuditEntry;

use crate::store::{NewAuditEntry, Record, StoreError, audit, codec, decoded::Decoded, file::failure};

/// How often each table of records was changed, by its name. It is read and written in the same transaction as the table.
pub(super) const CHANGES: TableDefinition<'static, &'static str, u64> = TableDefinition::new("changes");

fn table<R: Record>() -> TableDefinition<'static, u64, &'static [u8]> {
    TableDefinition::new(R::TABLE)
}

/// A table that nothing was written to yet reads as empty.
pub(super) fn absent<T>(path: &Path, opened: Result<T, TableError>) -> Result<Option<T>, StoreError> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(failure(path, error)),
    }
}

/// A consistent view of the store.
#[derive(Debug)]
pub struct ReadTx {
    transaction: ReadTransaction,
    path: PathBuf,
    decoded: Arc<Decoded>,
}

impl ReadTx {
    pub(super) const fn new(transaction: ReadTransaction, path: PathBuf, decoded: Arc<Decoded>) -> Self {
        Self { transaction, path, decoded }
    }

    pub(super) const fn transaction(&self) -> &ReadTransaction {
        &self.transaction
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// One record.
    ///
    /// # Errors
    /// The store failed, or the record was written by a newer release.
    pub fn get<R: Record>(&self, key: u64) -> Result<Option<R>, StoreError> {
        let Some(table) = absent(&self.path, self.transaction.open_table(table::<R>()))? else { return Ok(None) };
        let found = table.get(key).map_err(|error| failure(&self.path, error))?;
        found.map(|bytes| codec::decode(R::TABLE, bytes.value())).transpose()
    }

    /// All records of a table, oldest key first.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn list<R: Record>(&self) -> Result<Vec<R>, StoreError> {
        let Some(table) = absent(&self.path, self.transaction.open_table(table::<R>()))? else { return Ok(Vec::new()) };
        let rows = table.iter().map_err(|error| failure(&self.path, error))?;
        rows.map(|row| {
            let (_, bytes) = row.map_err(|error| failure(&self.path, error))?;
            codec::decode(R::TABLE, bytes.value())
        })
        .collect()
    }

    /// As [`Self::list`], for what is read often: decoded once, then shared until the table changes.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn all<R: Record>(&self) -> Result<Arc<Vec<R>>, StoreError> {
        let changes = match absent(&self.path, self.transaction.open_table(CHANGES))? {
            Some(table) => table.get(R::TABLE).map_err(|error| failure(&self.path, error))?,
            None => None,
        };
        let changes = changes.map_or(0, |count| count.value());
        if let Some(known) = self.decoded.get(changes) {
            return Ok(known);
        }
        let records = Arc::new(self.list::<R>()?);
        self.decoded.put(changes, Arc::clone(&records));
        Ok(records)
    }

    /// The newest records of a table by key, newest first.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn newest<R: Record>(&self, limit: usize) -> Result<Vec<R>, StoreError> {
        let Some(table) = absent(&self.path, self.transaction.open_table(table::<R>()))? else { return Ok(Vec::new()) };
        let rows = table.iter().map_err(|error| failure(&self.path, error))?;
        rows.rev()
            .take(limit)
            .map(|row| {
                let (_, bytes) = row.map_err(|error| failure(&self.path, error))?;
                codec::decode(R::TABLE, bytes.value())
            })
            .collect()
    }

    /// Audit rows below a place in the chain (all without), newest first, that a test accepts.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn audit_before(
        &self,
        before: Option<u64>,
        limit: usize,
        accept: &mut dyn FnMut(&AuditEntry) -> bool,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        audit::before(self, before, limit, accept)
    }
}

type Changes = BTreeMap<(&'static str, u64), Option<Vec<u8>>>;

/// Changes that become durable together or not at all. Sees its own changes.
pub struct WriteTx<'a> {
    transaction: &'a WriteTransaction,
    path: &'a Path,
    /// What this change did to records; written to the transaction only when the whole of it is wanted.
    changes: Changes,
    audit: Vec<NewAuditEntry>,
}

impl std::fmt::Debug for WriteTx<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("WriteTx").field("changes", &self.changes.len()).finish_non_exhaustive()
    }
}

impl<'a> WriteTx<'a> {
    pub(super) const fn new(transaction: &'a WriteTransaction, path: &'a Path) -> Self {
        Self { transaction, path, changes: BTreeMap::new(), audit: Vec::new() }
    }

    pub(super) const fn transaction(&self) -> &'a WriteTransaction {
        self.transaction
    }

    pub(super) const fn path(&self) -> &'a Path {
        self.path
    }

    /// One record, as changed so far.
    ///
    /// # Errors
    /// As [`ReadTx::get`].
    pub fn get<R: Record>(&self, key: u64) -> Result<Option<R>, StoreError> {
        if let Some(changed) = self.changes.get(&(R::TABLE, key)) {
            return changed.as_deref().map(|bytes| codec::decode(R::TABLE, bytes)).transpose();
        }
        let table = self.transaction.open_table(table::<R>()).map_err(|error| failure(self.path, error))?;
        let found = table.get(key).map_err(|error| failure(self.path, error))?;
        found.map(|bytes| codec::decode(R::TABLE, bytes.value())).transpose()
    }

    /// All records of a table, as changed so far.
    ///
    /// # Errors
    /// As [`ReadTx::get`].
    pub fn list<R: Record>(&self) -> Result<Vec<R>, StoreError> {
        let mut rows = BTreeMap::new();
        let table = self.transaction.open_table(table::<R>()).map_err(|error| failure(self.path, error))?;
        for row in table.iter().map_err(|error| failure(self.path, error))? {
            let (key, bytes) = row.map_err(|error| failure(self.path, error))?;
            rows.insert(key.value(), codec::decode::<R>(R::TABLE, bytes.value())?);
        }
        for ((_, key), changed) in self.changes.range((R::TABLE, 0)..=(R::TABLE, u64::MAX)) {
            match changed {
                Some(bytes) => rows.insert(*key, codec::decode(R::TABLE, bytes)?),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_values().collect())
    }

    /// Writes a record, new or over the one there.
    ///
    /// # Errors
    /// The record cannot be encoded.
    pub fn put<R: Record>(&mut self, record: &R) -> Result<(), StoreError> {
        self.changes.insert((R::TABLE, record.key()), Some(codec::encode(R::TABLE, record)?));
        Ok(())
    }

    /// Removes a record if it is there.
    pub fn remove<R: Record>(&mut self, key: u64) {
        self.changes.insert((R::TABLE, key), None);
    }

    /// Appends a row to the audit trail, chained to the one before, in this same change.
    pub fn audit(&mut self, entry: NewAuditEntry) {
        self.audit.push(entry);
    }

    /// Hands everything over to the transaction.
    pub(super) fn apply(self) -> Result<(), StoreError> {
        for ((name, key), changed) in &self.changes {
            let definition = TableDefinition::<u64, &[u8]>::new(name);
            let mut table = self.transaction.open_table(definition).map_err(|error| failure(self.path, error))?;
            match changed {
                Some(bytes) => table.insert(key, bytes.as_slice()),
                None => table.remove(key),
            }
            .map_err(|error| failure(self.path, error))?;
        }
        let changed: BTreeSet<&str> = self.changes.keys().map(|(name, _)| *name).collect();
        for name in changed {
            let mut table = self.transaction.open_table(CHANGES).map_err(|error| failure(self.path, error))?;
            let before = table.get(name).map_err(|error| failure(self.path, error))?.map_or(0, |count| count.value());
            table.insert(name, before + 1).map_err(|error| failure(self.path, error))?;
        }
        audit::append(self.transaction, self.path, self.audit)
    }
}
