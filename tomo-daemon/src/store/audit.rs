//! The audit trail: each row's hash covers the row before it, and the head is anchored, so that a changed, removed or cut-off row
//! shows.

use std::path::Path;

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use tomo_proto::model::audit::AuditEntry;

use crate::{
    crypto::hex,
    store::{
        ChainCheck, NewAuditEntry, StoreError, codec,
        file::{META, failure},
        transaction::{ReadTx, absent},
    },
};

/// Place in the chain → hash, then the row without it.
const AUDIT: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("audit");

/// Name in [`META`] of the number of rows (8 bytes, big-endian) and the newest row's hash.
const HEAD: &str = "audit_head";

type Hash = [u8; SHA256_OUTPUT_LEN];

/// The newest place and hash; zeroes before the first row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    seq: u64,
    hash: Hash,
}

impl Head {
    const EMPTY: Self = Self { seq: 0, hash: [0; SHA256_OUTPUT_LEN] };

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seq, hash) = bytes.split_at_checked(8)?;
        Some(Self { seq: u64::from_be_bytes(seq.try_into().ok()?), hash: hash.try_into().ok()? })
    }

    fn to_bytes(self) -> Vec<u8> {
        [self.seq.to_be_bytes().as_slice(), &self.hash].concat()
    }
}

fn chain(previous: &Hash, body: &[u8]) -> Hash {
    let mut hash = [0; SHA256_OUTPUT_LEN];
    hash.copy_from_slice(digest(&SHA256, &[previous, body].concat()).as_ref());
    hash
}

pub(super) fn append(
    transaction: &WriteTransaction,
    path: &Path,
    entries: Vec<NewAuditEntry>,
) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut meta = transaction.open_table(META).map_err(|error| failure(path, error))?;
    let mut head = match meta.get(HEAD).map_err(|error| failure(path, error))? {
        Some(bytes) => Head::from_bytes(bytes.value()).ok_or_else(|| {
            StoreError::Other("the audit trail's head is damaged: run `tomo-daemon check`".to_owned())
        })?,
        None => Head::EMPTY,
    };
    let mut table = transaction.open_table(AUDIT).map_err(|error| failure(path, error))?;
    for entry in entries {
        let seq = head.seq + 1;
        let body = codec::encode("audit", &place(entry, seq))?;
        head = Head { seq, hash: chain(&head.hash, &body) };
        let row = [head.hash.as_slice(), &body].concat();
        table.insert(seq, row.as_slice()).map_err(|error| failure(path, error))?;
    }
    meta.insert(HEAD, head.to_bytes().as_slice()).map_err(|error| failure(path, error))?;
    Ok(())
}

fn place(entry: NewAuditEntry, seq: u64) -> AuditEntry {
    AuditEntry {
        seq,
        at_ms: entry.at_ms,
        actor: entry.actor,
        action: entry.action,
        resource_type: entry.resource_type,
        resource: entry.resource,
        outcome: entry.outcome,
        reason: entry.reason,
        details: entry.details,
        ip_address: entry.ip_address,
        hash: String::new(),
    }
}

fn read_row(bytes: &[u8]) -> Result<(Hash, &[u8], AuditEntry), StoreError> {
    let short = || StoreError::Other("a row of the audit trail is cut short".to_owned());
    let (hash, body) = bytes.split_at_checked(SHA256_OUTPUT_LEN).ok_or_else(short)?;
    let mut entry: AuditEntry = codec::decode("audit", body)?;
    entry.hash = hex(hash);
    Ok((hash.try_into().map_err(|_| short())?, body, entry))
}

pub(super) fn before(
    view: &ReadTx,
    before: Option<u64>,
    limit: usize,
    accept: &mut dyn FnMut(&AuditEntry) -> bool,
) -> Result<Vec<AuditEntry>, StoreError> {
    let Some(table) = absent(view.path(), view.transaction().open_table(AUDIT))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for row in table.range(..before.unwrap_or(u64::MAX)).map_err(|error| failure(view.path(), error))?.rev() {
        if found.len() == limit {
            break;
        }
        let (_, bytes) = row.map_err(|error| failure(view.path(), error))?;
        let (_, _, entry) = read_row(bytes.value())?;
        if accept(&entry) {
            found.push(entry);
        }
    }
    Ok(found)
}

pub(super) fn verify(view: &ReadTx) -> Result<ChainCheck, StoreError> {
    let anchored = match absent(view.path(), view.transaction().open_table(META))? {
        Some(meta) => meta
            .get(HEAD)
            .map_err(|error| failure(view.path(), error))?
            .and_then(|bytes| Head::from_bytes(bytes.value()))
            .unwrap_or(Head::EMPTY),
        None => Head::EMPTY,
    };
    let mut head = Head::EMPTY;
    let done = |head: Head, broken| ChainCheck { rows: head.seq, head: hex(&head.hash), broken };
    if let Some(table) = absent(view.path(), view.transaction().open_table(AUDIT))? {
        for row in table.iter().map_err(|error| failure(view.path(), error))? {
            let (key, bytes) = row.map_err(|error| failure(view.path(), error))?;
            let expected = head.seq + 1;
            if key.value() != expected {
                return Ok(done(head, Some(format!("row {expected} is missing"))));
            }
            let (hash, body, entry) = match read_row(bytes.value()) {
                Ok(row) => row,
                Err(error) => return Ok(done(head, Some(format!("row {expected}: {error}")))),
            };
            if chain(&head.hash, body) != hash || entry.seq != expected {
                return Ok(done(head, Some(format!("row {expected} or the one before it was changed"))));
            }
            head = Head { seq: expected, hash };
        }
    }
    let broken =
        (head != anchored).then(|| format!("rows after {} are missing: there were {}", head.seq, anchored.seq));
    Ok(done(head, broken))
}

#[cfg(test)]
pub(super) mod tampering {
    use super::*;

    /// Changes the stored bytes of one row, or removes it.
    pub(in crate::store) fn tamper(transaction: &WriteTransaction, seq: u64, change: Option<fn(&mut Vec<u8>)>) {
        let mut table = transaction.open_table(AUDIT).expect("the table is there");
        let mut bytes = table.remove(seq).expect("reads").expect("the row is there").value().to_vec();
        if let Some(change) = change {
            change(&mut bytes);
            table.insert(seq, bytes.as_slice()).expect("writes");
        }
    }
}
