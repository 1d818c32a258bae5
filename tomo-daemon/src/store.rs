//! The store: tables and bytes, not rules. The only module that knows redb.
//!
//! Reads use a read transaction of their own; all writes go through one writer that groups them into commits and
//! answers after the commit.

pub mod records;

mod audit;
mod codec;
mod decoded;
mod file;
mod heads;
mod judge;
mod migrate;
mod samples;
mod transaction;
mod writer;

pub use judge::{Contradiction, Testimony};
pub use samples::SampleBlock;

use std::{path::Path, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;
use tomo_proto::{
    id::{AgentId, ServerId},
    model::{
        agent::{Agent, Enrolment},
        audit::AuditOutcome,
        metric::SeriesKey,
        server::Server,
    },
    wire::{report::Row, witness::AuditHead},
};

pub use transaction::{ReadTx, WriteTx};

use crate::crypto::{self, SigningKey};

/// The store could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk; nothing of the change was kept.
    #[error("the disk of {path} is full: free some room, then try again")]
    Full {
        /// The store's file.
        path: std::path::PathBuf,
    },
    /// The file is damaged or of a newer release: it does not help to try again.
    #[error("{0}")]
    Unusable(String),
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
    pub schema: Arc<Vec<SeriesKey>>,
    /// Rows, oldest first; empty if the reports carried none (the number still moves).
    pub rows: Vec<Row>,
}

/// Something the store keeps under a 64-bit key, encoded as a version byte and a `MessagePack` map. Fields are only added, with a
/// default; a change beyond that gets a new version byte and a migration.
pub trait Record: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// Name of its table.
    const TABLE: &'static str;

    /// Its key, usually its id's [`to_u64`](tomo_proto::id::AppId::to_u64).
    fn key(&self) -> u64;
}

/// A row for the audit trail, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

/// What a check of the hash chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainCheck {
    /// Rows checked.
    pub rows: u64,
    /// Hash of the newest row, hex.
    pub head: String,
    /// Lives that began with a restored backup, oldest first.
    pub lives: Vec<Life>,
    /// Row that the daemon's own witness begins with at the latest.
    pub witness_from: u64,
    /// First row that does not fit, and why.
    pub broken: Option<String>,
}

/// What began with a restored backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Number that its heads carry.
    pub number: u64,
    /// Its first row.
    pub first_row: u64,
    /// When it began (UTC ms).
    pub at_ms: u64,
    /// What was restored.
    pub restored: String,
}

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    file: Arc<file::StoreFile>,
    signer: SigningKey,
    heads: Arc<heads::Heads>,
    writer: Arc<writer::Writer>,
}

impl Store {
    /// Makes a new store, whose audit trail's heads are signed with a key. It is not made at once: see [`crate::data`].
    ///
    /// # Errors
    /// There is a file already, or the folder cannot be written.
    pub fn create(path: &Path, signer: &SigningKey) -> Result<Self, StoreError> {
        file::StoreFile::create(path, signer)?;
        Self::open(path, signer, 0)
    }

    /// Opens a store, checks it, takes it to this release's format if it has an older one (now, UTC ms), and starts its writer.
    ///
    /// # Errors
    /// There is none, it is in use, damaged, or of a newer release; says what to do. Nothing is changed then.
    pub fn open(path: &Path, signer: &SigningKey, now_ms: u64) -> Result<Self, StoreError> {
        let file = Arc::new(file::StoreFile::open(path, signer, now_ms)?);
        let head = audit::head(&file.begin_read()?)?;
        let heads = Arc::new(heads::Heads::open(path, head, signer)?);
        let writer = Arc::new(writer::Writer::start(Arc::clone(&file), signer.clone(), Arc::clone(&heads))?);
        Ok(Self { file, signer: signer.clone(), heads, writer })
    }

    /// Notes beside a store's place what the one begins from that is about to be put there: made in a folder of its own, and closed.
    ///
    /// # Errors
    /// Names the file.
    pub fn witness_beginning(made: &Path, place: &Path) -> Result<(), StoreError> {
        match heads::first(made)? {
            Some(head) => heads::witness(place, &head),
            None => Ok(()),
        }
    }

    /// Ends the writer after what is queued, and closes the file. Later calls answer an error.
    pub async fn shutdown(&self) {
        self.writer.shutdown().await;
        self.file.close();
    }

    /// Reads in one consistent view. Keep it short: no network, no waiting inside.
    ///
    /// # Errors
    /// Whatever the reading says.
    pub fn read<T, E: From<StoreError>>(&self, reading: impl FnOnce(&ReadTx) -> Result<T, E>) -> Result<T, E> {
        let view = self.file.begin_read()?;
        reading(&view)
    }

    /// Changes something on the writer's thread, grouped with others into one commit; returns after the commit. If the
    /// closure answers an error, nothing of it is written. If the audit cannot be written, neither can the change.
    ///
    /// # Errors
    /// Whatever the closure says, or that the commit failed.
    pub async fn write<T, E>(
        &self,
        change: impl FnOnce(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.submit(change).await
    }

    /// Copies everything, as it is at one moment, into a new file that opens as a store; others go on writing. Slow for a large store:
    /// run it where blocking is allowed.
    ///
    /// # Errors
    /// Names the file.
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        self.file.copy_to(path)
    }

    /// Checks the audit trail's hash chain from the first row, and that its head is signed.
    ///
    /// # Errors
    /// The store failed.
    pub fn verify_audit(&self) -> Result<ChainCheck, StoreError> {
        self.read(|view| audit::verify(view, &self.signer))
    }

    /// Holds a trail that was [checked](Self::verify_audit) against heads that somebody has kept.
    ///
    /// # Errors
    /// The store failed.
    pub fn judge(&self, check: &ChainCheck, heads: &[AuditHead]) -> Result<Testimony, StoreError> {
        self.read(|view| judge::judge(view, &self.signer, check, heads))
    }

    /// Heads in the daemon's own witness, the file `audit.witness` beside the store, oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn witnessed(&self) -> Result<Vec<AuditHead>, StoreError> {
        self.heads.witnessed()
    }

    /// The audit trail's signed head, whenever it moves.
    #[must_use]
    pub fn audit_head(&self) -> watch::Receiver<AuditHead> {
        self.heads.subscribe()
    }

    /// Samples of a server between two times (UTC ms, inclusive), oldest block first, with each block's columns. The newest window is included
    /// whether or not it is sealed yet.
    ///
    /// # Errors
    /// The store failed.
    pub fn samples(&self, server: ServerId, from_ms: u64, until_ms: u64) -> Result<Vec<SampleBlock>, StoreError> {
        self.read(|view| samples::read(view, server, from_ms, until_ms))
    }

    /// Deletes samples older than a time (UTC ms), a bounded amount per call; says whether there is more.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete_samples_before(&self, before_ms: u64) -> Result<bool, StoreError> {
        self.writer.submit(move |change| samples::delete_before(change, before_ms)).await
    }

    /// Deletes all samples of a removed server.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete_server_samples(&self, server: ServerId) -> Result<(), StoreError> {
        self.writer.submit(move |change| samples::delete_server(change, server)).await
    }

    /// Uses an enrolment once: makes the server if it is new, records the agent, writes the audit row; one commit.
    ///
    /// # Errors
    /// See [`RedeemError`].
    pub async fn redeem_enrolment(&self, redemption: Redemption) -> Result<(Server, Agent), RedeemError> {
        self.write(move |change| redeem(change, &redemption)).await
    }

    /// An enrolled agent.
    ///
    /// # Errors
    /// The store failed.
    pub fn agent(&self, id: AgentId) -> Result<Option<Agent>, StoreError> {
        self.read(|view| view.get(id.to_u64()))
    }

    /// Every enrolled agent, revoked ones too.
    ///
    /// # Errors
    /// The store failed.
    pub fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        self.read(ReadTx::list)
    }

    /// A server.
    ///
    /// # Errors
    /// The store failed.
    pub fn server(&self, id: ServerId) -> Result<Option<Server>, StoreError> {
        self.read(|view| view.get(id.to_u64()))
    }

    /// Highest committed report number of an agent's boot; 0 if none.
    ///
    /// # Errors
    /// The store failed.
    pub fn acknowledged(&self, agent: AgentId, boot_id: u64) -> Result<u64, StoreError> {
        self.read(|view| samples::acknowledged(view, agent, boot_id))
    }

    /// Commits samples of many servers at once; returns after the commit. Repeated numbers are skipped.
    ///
    /// # Errors
    /// The store failed; nothing of the group is stored.
    pub async fn commit_samples(&self, group: Vec<ReportedSamples>) -> Result<(), StoreError> {
        self.writer.submit(move |change| samples::commit(change, &group)).await
    }
}

fn redeem(change: &mut WriteTx<'_>, redemption: &Redemption) -> Result<(Server, Agent), RedeemError> {
    let now_ms = redemption.now_ms;
    let mut enrolment = change
        .list::<Enrolment>()?
        .into_iter()
        .find(|known| known.secret_hash == redemption.secret_hash)
        .filter(|known| known.used_at.is_none() && known.expires_at > now_ms)
        .ok_or(RedeemError::Refused)?;
    let known = change.list::<Server>()?.into_iter().find(|server| server.name == enrolment.server);
    let mut server = known.unwrap_or_else(|| Server {
        id: ServerId::from_parts(now_ms, crypto::random_u32()),
        name: enrolment.server.clone(),
        labels: enrolment.labels.clone(),
        agent: None,
        next_agent: None,
        created_at: now_ms,
        ssh: enrolment.ssh.clone(),
    });
    let old = server.agent.map(|id| change.get::<Agent>(id.to_u64())).transpose()?.flatten();
    let old = old.filter(|agent| agent.revoked_at.is_none()).map(|agent| agent.id);
    if old.is_some() && old != enrolment.replaces {
        return Err(RedeemError::Taken(server.name));
    }
    let agent = Agent {
        id: redemption.agent,
        server: server.id,
        certificate_fingerprint: redemption.certificate_fingerprint.clone(),
        enrolled_at: now_ms,
        certificate_expires_at: redemption.certificate_expires_at,
        next_certificate: None,
        revoked_at: None,
    };
    if old.is_some() {
        server.next_agent = Some(agent.id);
    } else {
        server.agent = Some(agent.id);
    }
    enrolment.used_at = Some(now_ms);
    change.put(&enrolment)?;
    change.put(&server)?;
    change.put(&agent)?;
    change.audit(NewAuditEntry {
        at_ms: now_ms,
        actor: format!("agent:{}", server.name),
        action: "agent.enroll".to_owned(),
        resource_type: "server".to_owned(),
        resource: server.name.clone(),
        outcome: AuditOutcome::Ok,
        reason: None,
        details: format!("{} with enrolment {}", agent.id, enrolment.id),
        ip_address: redemption.address.clone(),
    });
    Ok((server, agent))
}

#[cfg(test)]
mod tests;
