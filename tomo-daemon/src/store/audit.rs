//! The audit trail: each row's hash covers the row before it, and its head is signed in the commit that moves it, so that a changed,
//! removed or cut-off row shows.
//!
//! A restored backup begins another *life* of the trail: its first row says so, and the heads after it carry its number.

use std::path::Path;

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use tomo_proto::{
    model::audit::{AuditEntry, AuditOutcome},
    wire::witness::AuditHead,
};

use crate::{
    crypto::{SigningKey, hex},
    store::{
        ChainCheck, Life, NewAuditEntry, StoreError, codec,
        file::{META, failure},
        transaction::{ReadTx, absent},
    },
};

/// Place in the chain → hash, then the row without it.
pub(super) const AUDIT: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("audit");

/// Name in [`META`] of the head.
const HEAD: &str = "audit_head";

/// Who writes the rows that [`begins_life`] and [`begins_witness`] look for. No caller has this name.
const DAEMON: &str = "daemon";
/// What the first row after a restored backup says.
pub(super) const RESTORED: &str = "backup.restore";
/// What the first row after a change of format says.
pub(super) const MIGRATED: &str = "store.migrate";

pub(super) type Hash = [u8; SHA256_OUTPUT_LEN];

fn chain(previous: &Hash, body: &[u8]) -> Hash {
    let mut hash = [0; SHA256_OUTPUT_LEN];
    hash.copy_from_slice(digest(&SHA256, &[previous, body].concat()).as_ref());
    hash
}

fn is_daemons(row: &AuditEntry, action: &str) -> bool {
    row.actor == DAEMON && row.action == action && row.outcome == AuditOutcome::Ok
}

/// Whether another life of the trail begins with a row.
fn begins_life(row: &AuditEntry) -> bool {
    is_daemons(row, RESTORED)
}

/// Whether the daemon's own witness may begin with the row before this one.
fn begins_witness(row: &AuditEntry) -> bool {
    begins_life(row) || is_daemons(row, MIGRATED)
}

/// Number of the life that begins with a row: no two are alike, since the hash covers the time.
fn life_of(hash: &Hash) -> u64 {
    u64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

/// The head as it stands in a table of facts.
fn read_head(meta: &impl ReadableTable<&'static str, &'static [u8]>, path: &Path) -> Result<AuditHead, StoreError> {
    let bytes = meta.get(HEAD).map_err(|error| failure(path, error))?;
    bytes.and_then(|bytes| AuditHead::from_bytes(bytes.value())).ok_or_else(|| {
        StoreError::Unusable(format!(
            "{}: the audit trail's head is damaged: put a backup in its place",
            path.display()
        ))
    })
}

pub(super) fn head(view: &ReadTx) -> Result<AuditHead, StoreError> {
    let meta = view.transaction().open_table(META).map_err(|error| failure(view.path(), error))?;
    read_head(&meta, view.path())
}

fn put_head(transaction: &WriteTransaction, path: &Path, head: &AuditHead) -> Result<(), StoreError> {
    let mut meta = transaction.open_table(META).map_err(|error| failure(path, error))?;
    meta.insert(HEAD, head.to_bytes().as_slice()).map_err(|error| failure(path, error))?;
    Ok(())
}

fn signed(head: AuditHead, signer: &SigningKey) -> AuditHead {
    AuditHead { signature: signer.sign(&head.signed_bytes()), ..head }
}

/// Writes the head of an empty trail.
pub(super) fn begin(transaction: &WriteTransaction, path: &Path, signer: &SigningKey) -> Result<(), StoreError> {
    put_head(transaction, path, &signed(AuditHead::EMPTY, signer))
}

/// Appends rows. The head moves with them and waits to be [`seal`]ed.
pub(super) fn append(
    transaction: &WriteTransaction,
    path: &Path,
    entries: Vec<NewAuditEntry>,
) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut head = {
        let meta = transaction.open_table(META).map_err(|error| failure(path, error))?;
        read_head(&meta, path)?
    };
    let mut table = transaction.open_table(AUDIT).map_err(|error| failure(path, error))?;
    for entry in entries {
        let row = place(entry, head.seq + 1);
        let body = codec::encode("audit", &row)?;
        let hash = chain(&head.hash, &body);
        let life = if begins_life(&row) { life_of(&hash) } else { head.life };
        head = AuditHead { seq: row.seq, at_ms: row.at_ms, life, hash, ..AuditHead::EMPTY };
        table.insert(row.seq, [hash.as_slice(), &body].concat().as_slice()).map_err(|error| failure(path, error))?;
    }
    put_head(transaction, path, &head)
}

/// Signs the head if this transaction has moved it beyond a row. Gives back how the trail ends now.
pub(super) fn seal(
    transaction: &WriteTransaction,
    path: &Path,
    signer: &SigningKey,
    beyond: u64,
) -> Result<AuditHead, StoreError> {
    let head = {
        let meta = transaction.open_table(META).map_err(|error| failure(path, error))?;
        read_head(&meta, path)?
    };
    if head.seq <= beyond {
        return Ok(head);
    }
    let head = signed(head, signer);
    put_head(transaction, path, &head)?;
    Ok(head)
}

/// Signs a trail that had no signed head yet, as it stands; whether its rows fit is left to [`verify`].
pub(super) fn adopt(
    transaction: &WriteTransaction,
    path: &Path,
    signer: &SigningKey,
    now_ms: u64,
) -> Result<AuditHead, StoreError> {
    /// Place and hash: all that a head was in format 1.
    const UNSIGNED: usize = 8 + SHA256_OUTPUT_LEN;
    let mut old = AuditHead::EMPTY;
    {
        let meta = transaction.open_table(META).map_err(|error| failure(path, error))?;
        if let Some(bytes) = meta.get(HEAD).map_err(|error| failure(path, error))? {
            let whole = <[u8; UNSIGNED]>::try_from(bytes.value()).ok();
            let damaged = || StoreError::Unusable(format!("{}: the audit trail's head is damaged", path.display()));
            let (seq, hash) = whole.as_ref().and_then(|bytes| bytes.split_first_chunk()).ok_or_else(damaged)?;
            old.seq = u64::from_be_bytes(*seq);
            old.hash.copy_from_slice(hash);
        }
    }
    let walked = walk(&transaction.open_table(AUDIT).map_err(|error| failure(path, error))?, path)?;
    let life = walked.lives.last().map_or(0, |life| life.number);
    let head = signed(AuditHead { at_ms: now_ms, life, ..old }, signer);
    put_head(transaction, path, &head)?;
    Ok(head)
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
    let (hash, body) = bytes.split_first_chunk().ok_or_else(short)?;
    let mut entry: AuditEntry = codec::decode("audit", body)?;
    entry.hash = hex(hash);
    Ok((*hash, body, entry))
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

/// Checks the chain from the first row, and that its head is the signed one.
pub(super) fn verify(view: &ReadTx, signer: &SigningKey) -> Result<ChainCheck, StoreError> {
    let path = view.path();
    let Some(table) = absent(path, view.transaction().open_table(AUDIT))? else {
        return Ok(check_head(view, Walked::default(), signer));
    };
    Ok(check_head(view, walk(&table, path)?, signer))
}

fn check_head(view: &ReadTx, walked: Walked, signer: &SigningKey) -> ChainCheck {
    let Walked { seq, hash, lives, witness_from, broken } = walked;
    let broken = broken.or_else(|| {
        let head = match head(view) {
            Ok(head) => head,
            Err(error) => return Some(error.to_string()),
        };
        let life = lives.last().map_or(0, |life| life.number);
        if (head.seq, head.hash) != (seq, hash) {
            Some(format!("rows after {seq} are missing: there were {}", head.seq))
        } else if head.life != life || !signer.has_signed(&head.signed_bytes(), &head.signature) {
            Some(format!("the head at row {seq} is not signed by this daemon"))
        } else {
            None
        }
    });
    ChainCheck { rows: seq, head: hex(&hash), lives, witness_from, broken }
}

/// What the rows say by themselves.
struct Walked {
    seq: u64,
    hash: Hash,
    lives: Vec<Life>,
    witness_from: u64,
    broken: Option<String>,
}

impl Default for Walked {
    fn default() -> Self {
        Self { seq: 0, hash: AuditHead::EMPTY.hash, lives: Vec::new(), witness_from: 0, broken: None }
    }
}

fn walk(table: &impl ReadableTable<u64, &'static [u8]>, path: &Path) -> Result<Walked, StoreError> {
    let mut walked = Walked::default();
    for row in table.iter().map_err(|error| failure(path, error))? {
        let (key, bytes) = row.map_err(|error| failure(path, error))?;
        let expected = walked.seq + 1;
        if key.value() != expected {
            walked.broken = Some(format!("row {expected} is missing"));
            break;
        }
        let (hash, body, entry) = match read_row(bytes.value()) {
            Ok(row) => row,
            Err(error) => {
                walked.broken = Some(format!("row {expected}: {error}"));
                break;
            }
        };
        if chain(&walked.hash, body) != hash || entry.seq != expected {
            walked.broken = Some(format!("row {expected} or the one before it was changed"));
            break;
        }
        if begins_witness(&entry) {
            walked.witness_from = walked.seq;
        }
        if begins_life(&entry) {
            walked.lives.push(Life {
                number: life_of(&hash),
                first_row: expected,
                at_ms: entry.at_ms,
                restored: entry.details,
            });
        }
        (walked.seq, walked.hash) = (expected, hash);
    }
    Ok(walked)
}

/// Hash of a row as it stands; zeroes for the place before the first.
pub(super) fn hash_at(view: &ReadTx, seq: u64) -> Result<Option<Hash>, StoreError> {
    if seq == 0 {
        return Ok(Some(AuditHead::EMPTY.hash));
    }
    let Some(table) = absent(view.path(), view.transaction().open_table(AUDIT))? else { return Ok(None) };
    let row = table.get(seq).map_err(|error| failure(view.path(), error))?;
    Ok(row.and_then(|bytes| bytes.value().first_chunk().copied()))
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
