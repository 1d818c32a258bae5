//! The store: tables and bytes, not rules. The only module that knows redb.
//!
//! Reads use a read transaction of their own; all writes go through one writer that groups them into commits and
//! answers after the commit.

use tomo_proto::{
    id::{AgentId, ServerId},
    model::{agent::Agent, metric::SeriesKey, server::Server},
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

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}

impl Store {
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
