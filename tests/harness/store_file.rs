//! A store's file under somebody else's hands: changed with the store's own library, so that every checksum of the file fits.

use std::path::Path;

use redb::{Database, ReadableTable as _, TableDefinition, WriteTransaction};
use ring::digest::{SHA256, digest};
use tomo_daemon::crypto::SigningKey;
use tomo_proto::wire::witness::AuditHead;

/// The audit trail's table, and the one with its head and the format, as they lie in the file.
const AUDIT: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("audit");
const META: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("meta");

/// A change of a store's file; all of it or nothing is written.
pub struct Edit(WriteTransaction);

impl std::fmt::Debug for Edit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Edit").finish_non_exhaustive()
    }
}

/// Changes the store of a stopped daemon.
///
/// # Panics
/// It is no store, or is in use.
pub fn edit<T>(path: &Path, change: impl FnOnce(&Edit) -> T) -> T {
    let database = Database::open(path).expect("the store opens");
    let edit = Edit(database.begin_write().expect("the store can be written"));
    let answer = change(&edit);
    edit.0.commit().expect("the store can be written");
    answer
}

#[expect(clippy::missing_panics_doc, reason = "tests that cannot read or write a file fail")]
impl Edit {
    /// A row of the trail: its hash, then the rest.
    #[must_use]
    pub fn row(&self, seq: u64) -> Vec<u8> {
        let table = self.0.open_table(AUDIT).expect("there is a trail");
        let bytes = table.get(seq).expect("can be read").expect("the row is there");
        bytes.value().to_vec()
    }

    /// Writes a row over the one there.
    pub fn put(&self, seq: u64, bytes: &[u8]) {
        let mut table = self.0.open_table(AUDIT).expect("there is a trail");
        drop(table.insert(seq, bytes).expect("can be written"));
    }

    /// Removes a row.
    pub fn remove(&self, seq: u64) {
        let mut table = self.0.open_table(AUDIT).expect("there is a trail");
        drop(table.remove(seq).expect("can be written"));
    }

    /// Place of the newest row; 0 if there is none.
    #[must_use]
    pub fn last(&self) -> u64 {
        let table = self.0.open_table(AUDIT).expect("there is a trail");
        table.last().expect("can be read").map_or(0, |(seq, _)| seq.value())
    }

    /// Version of the format.
    #[must_use]
    pub fn format(&self) -> u8 {
        let meta = self.0.open_table(META).expect("there are facts");
        meta.get("format").expect("can be read").expect("is there").value()[0]
    }

    /// Says another version of the format.
    pub fn set_format(&self, format: u8) {
        self.set_fact("format", &[format]);
    }

    /// Writes the head over the one there.
    pub fn set_head(&self, bytes: &[u8]) {
        self.set_fact("audit_head", bytes);
    }

    fn head(&self) -> AuditHead {
        let meta = self.0.open_table(META).expect("there are facts");
        let bytes = meta.get("audit_head").expect("can be read").expect("is there");
        AuditHead::from_bytes(bytes.value()).expect("is a head")
    }

    fn set_fact(&self, name: &str, bytes: &[u8]) {
        let mut meta = self.0.open_table(META).expect("there are facts");
        drop(meta.insert(name, bytes).expect("can be written"));
    }

    /// What the daemon's own root can do: chains every row from one on anew, and signs the head with the daemon's key.
    pub fn chain_anew(&self, from: u64, key: &SigningKey) {
        let mut hash = match from {
            0 | 1 => [0; 32],
            from => *self.row(from - 1).first_chunk().expect("begins with its hash"),
        };
        for seq in from.max(1)..=self.last() {
            let row = self.row(seq);
            let next = digest(&SHA256, &[&hash, &row[32..]].concat());
            hash.copy_from_slice(next.as_ref());
            self.put(seq, &[&hash, &row[32..]].concat());
        }
        let head = AuditHead { seq: self.last(), hash, ..self.head() };
        self.set_head(&AuditHead { signature: key.sign(&head.signed_bytes()), ..head }.to_bytes());
    }
}
