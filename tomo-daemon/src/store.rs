//! The store: tables and bytes, not rules. The only module that knows redb.
//!
//! Reads use a read transaction of their own; all writes go through one writer that groups them into commits and
//! answers after the commit.

pub mod records;

use serde::{Serialize, de::DeserializeOwned};
use tomo_proto::{
    id::{AgentId, ServerId},
    model::{
        agent::Agent,
        audit::{AuditEntry, AuditOutcome},
        metric::SeriesKey,
        server::Server,
    },
    wire::report::Row,
};

/// The store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk.
    #[error("the disk of {path} is full")]
    Full {
        /// The store's file.
        path: std::path::PathBuf,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// An enrolment could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// No such secret, or it was used, or it is too old; which one is not told to the agent.
    #[error("the enrolment token is not known, was used already, or has expired")]
    Refused,
    /// The server has an agent already that is not revoked.
    #[error("server \"{0}\" has an agent already")]
    Taken(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the hub knows when an agent enrolls.
#[derive(Debug, Clone)]
pub struct Redemption {
    /// SHA-256 of the presented secret, hex.
    pub secret_hash: String,
    /// Id in the certificate that was made for it.
    pub agent: AgentId,
    /// SHA-256 of that certificate, hex.
    pub certificate_fingerprint: String,
    /// When that certificate ends (UTC ms).
    pub certificate_expires_at: u64,
    /// Address it came from, for the audit.
    pub address: String,
    /// Now (UTC ms).
    pub now_ms: u64,
}

/// Samples of one server for one commit, with the numbers that make them exactly-once.
#[derive(Debug, Clone)]
pub struct ReportedSamples {
    /// Whose.
    pub server: ServerId,
    /// Which agent sent them.
    pub agent: AgentId,
    /// Boot of that agent.
    pub boot_id: u64,
    /// Highest report number in here; what is not above the stored one was committed before.
    pub number: u64,
    /// Columns.
    pub schema: std::sync::Arc<Vec<SeriesKey>>,
    /// Rows, oldest first; empty if the reports carried none (the number still moves).
    pub rows: Vec<Row>,
}

/// Something the store keeps under a 64-bit key, encoded as a version byte and a `MessagePack` map. Fields are only added, with a
/// default; a change beyond that gets a new version byte and a migration.
pub trait Record: Serialize + DeserializeOwned + Clone + Send + 'static {
    /// Name of its table.
    const TABLE: &'static str;

    /// Its key, usually its id's [`to_u64`](tomo_proto::id::AppId::to_u64).
    fn key(&self) -> u64;
}

/// A row for the audit trail, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuditEntry {
    /// When (UTC ms).
    pub at_ms: u64,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// Kind of thing it was done to.
    pub resource_type: String,
    /// Which one.
    pub resource: String,
    /// What became of it.
    pub outcome: AuditOutcome,
    /// Why, in the caller's words.
    pub reason: Option<String>,
    /// Facts, without secrets.
    pub details: String,
    /// Address the request came from.
    pub ip_address: String,
}

/// A consistent view of the store.
#[derive(Debug)]
pub struct ReadTx {}

impl ReadTx {
    /// One record.
    ///
    /// # Errors
    /// The store failed, or the record was written by a newer release.
    pub fn get<R: Record>(&self, _key: u64) -> Result<Option<R>, StoreError> {
        todo!("store")
    }

    /// All records of a table, oldest key first.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn list<R: Record>(&self) -> Result<Vec<R>, StoreError> {
        todo!("store")
    }

    /// The newest records of a table by key, newest first.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn newest<R: Record>(&self, _limit: usize) -> Result<Vec<R>, StoreError> {
        todo!("store")
    }

    /// Audit rows below a place in the chain (all without), newest first, that a test accepts.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn audit_before(
        &self,
        _before: Option<u64>,
        _limit: usize,
        _accept: &mut dyn FnMut(&AuditEntry) -> bool,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        todo!("store")
    }
}

/// Changes that become durable together or not at all. Sees its own changes.
#[derive(Debug)]
pub struct WriteTx<'a> {
    _base: std::marker::PhantomData<&'a ()>,
}

impl WriteTx<'_> {
    /// One record, as changed so far.
    ///
    /// # Errors
    /// As [`ReadTx::get`].
    pub fn get<R: Record>(&self, _key: u64) -> Result<Option<R>, StoreError> {
        todo!("store")
    }

    /// All records of a table, as changed so far.
    ///
    /// # Errors
    /// As [`ReadTx::get`].
    pub fn list<R: Record>(&self) -> Result<Vec<R>, StoreError> {
        todo!("store")
    }

    /// Writes a record, new or over the one there.
    ///
    /// # Errors
    /// The record cannot be encoded.
    pub fn put<R: Record>(&mut self, _record: &R) -> Result<(), StoreError> {
        todo!("store")
    }

    /// Removes a record if it is there.
    pub fn remove<R: Record>(&mut self, _key: u64) {
        todo!("store")
    }

    /// Appends a row to the audit trail, chained to the one before, in this same change.
    pub fn audit(&mut self, _entry: NewAuditEntry) {
        todo!("store")
    }
}

/// What a check of the hash chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainCheck {
    /// Rows checked.
    pub rows: u64,
    /// Hash of the newest row, hex.
    pub head: String,
    /// First row that does not fit, and why.
    pub broken: Option<String>,
}

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}

impl Store {
    /// Makes a new store: written beside the path, made durable, then renamed into place.
    ///
    /// # Errors
    /// There is a file already, or the folder cannot be written.
    pub fn create(_path: &std::path::Path) -> Result<Self, StoreError> {
        todo!("store")
    }

    /// Opens a store, checks it, and starts its writer.
    ///
    /// # Errors
    /// There is none, it is in use, damaged, or of a newer release; says what to do.
    pub fn open(_path: &std::path::Path) -> Result<Self, StoreError> {
        todo!("store")
    }

    /// Ends the writer after what is queued, and closes the file. Later calls answer an error.
    pub async fn shutdown(&self) {
        todo!("store")
    }

    /// Reads in one consistent view. Keep it short: no network, no waiting inside.
    ///
    /// # Errors
    /// Whatever the reading says.
    pub fn read<T, E: From<StoreError>>(&self, _reading: impl FnOnce(&ReadTx) -> Result<T, E>) -> Result<T, E> {
        todo!("store")
    }

    /// Changes something on the writer's thread, grouped with others into one commit; returns after the commit. If the
    /// closure answers an error, nothing of it is written. If the audit cannot be written, neither can the change.
    ///
    /// # Errors
    /// Whatever the closure says, or that the commit failed.
    pub async fn write<T, E>(
        &self,
        _change: impl FnOnce(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        todo!("store")
    }

    /// Checks the audit trail's hash chain from the first row.
    ///
    /// # Errors
    /// The store failed.
    pub fn verify_audit(&self) -> Result<ChainCheck, StoreError> {
        todo!("store")
    }

    /// Samples of a server between two times (UTC ms, inclusive), oldest block first, with each block's columns. The newest window is included
    /// whether or not it is sealed yet.
    ///
    /// # Errors
    /// The store failed.
    pub fn samples(
        &self,
        _server: ServerId,
        _from_ms: u64,
        _until_ms: u64,
    ) -> Result<Vec<(std::sync::Arc<Vec<SeriesKey>>, Vec<Row>)>, StoreError> {
        todo!("store")
    }

    /// Deletes samples older than a time (UTC ms), a bounded amount per call; says whether there is more.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete_samples_before(&self, _before_ms: u64) -> Result<bool, StoreError> {
        todo!("store")
    }

    /// Deletes all samples of a removed server.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete_server_samples(&self, _server: ServerId) -> Result<(), StoreError> {
        todo!("store")
    }

    /// Uses an enrolment once: makes the server if it is new, records the agent, writes the audit row; one commit.
    ///
    /// # Errors
    /// See [`RedeemError`].
    pub async fn redeem_enrolment(&self, _redemption: Redemption) -> Result<(Server, Agent), RedeemError> {
        todo!("store")
    }

    /// An enrolled agent.
    ///
    /// # Errors
    /// The store failed.
    pub fn agent(&self, _id: AgentId) -> Result<Option<Agent>, StoreError> {
        todo!("store")
    }

    /// Every enrolled agent, revoked ones too.
    ///
    /// # Errors
    /// The store failed.
    pub fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        todo!("store")
    }

    /// A server.
    ///
    /// # Errors
    /// The store failed.
    pub fn server(&self, _id: ServerId) -> Result<Option<Server>, StoreError> {
        todo!("store")
    }

    /// Highest committed report number of an agent's boot; 0 if none.
    ///
    /// # Errors
    /// The store failed.
    pub fn acknowledged(&self, _agent: AgentId, _boot_id: u64) -> Result<u64, StoreError> {
        todo!("store")
    }

    /// Commits samples of many servers at once; returns after the commit. Repeated numbers are skipped.
    ///
    /// # Errors
    /// The store failed; nothing of the group is stored.
    pub async fn commit_samples(&self, _group: Vec<ReportedSamples>) -> Result<(), StoreError> {
        todo!("store")
    }
}
