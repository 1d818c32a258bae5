//! What is true right now: the newest state of every connected server, and notices that something changed.
//!
//! A notice is a hint, not data: on "changed", fetch. A lost notice costs freshness, never truth.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::broadcast;
use tomo_proto::{
    id::{AgentId, AppId, OperationId, PlanId, ServerId},
    model::{
        agent::{AgentState, PolicySummary},
        container::Container,
        server::{HostFacts, Vitals},
    },
};

use crate::clock::Clock;

/// Samples kept for sparklines.
pub const SPARK_SAMPLES: usize = 60;

/// Something that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Anything the overview shows (sent along with the others, at most twice a second).
    Overview,
    /// A server's figures, containers or link.
    Server(ServerId),
    /// An app's record or container.
    App(AppId),
    /// New lines in an app's open log.
    AppLogs(AppId),
    /// An operation's step or end.
    Operation(OperationId),
    /// A plan's status.
    Plan(PlanId),
    /// A row in the audit.
    Audit,
}

/// The newest state of one server, shared and never changed in place.
#[derive(Debug, Clone)]
pub struct LiveServer {
    /// Revision of the fleet at this server's last change.
    pub revision: u64,
    /// Its agent.
    pub agent: AgentId,
    /// Whether the agent is connected.
    pub state: AgentState,
    /// Since when (UTC ms).
    pub state_since: u64,
    /// When it was last heard (UTC ms, the daemon's clock).
    pub last_seen_at: u64,
    /// Address it connects from.
    pub address: String,
    /// Round trip of the link in milliseconds.
    pub round_trip_ms: f64,
    /// Release of the agent.
    pub release: String,
    /// Facts about the host.
    pub facts: Option<Arc<HostFacts>>,
    /// What the host's policy allows.
    pub policy: Arc<PolicySummary>,
    /// Containers, newest inventory.
    pub containers: Arc<Vec<Container>>,
    /// Newest figures.
    pub vitals: Option<Vitals>,
    /// Last figures, oldest first, at most [`SPARK_SAMPLES`]: CPU 0–100, memory 0–100, network bytes per second.
    pub spark: Arc<VecDeque<(u8, u8, u64)>>,
}

/// The newest state of everything, with notices. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {}

/// While it lives, its server is sampled every second.
#[derive(Debug)]
pub struct Watch {}

impl Live {
    /// An empty fleet.
    #[must_use]
    pub fn new(_clock: Clock) -> Self {
        todo!("live")
    }

    /// Grows with every change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        todo!("live")
    }

    /// One server, if its agent has connected since the daemon started.
    #[must_use]
    pub fn server(&self, _id: ServerId) -> Option<Arc<LiveServer>> {
        todo!("live")
    }

    /// Every server whose agent has connected since the daemon started.
    #[must_use]
    pub fn servers(&self) -> Vec<(ServerId, Arc<LiveServer>)> {
        todo!("live")
    }

    /// Forgets a removed server.
    pub fn remove_server(&self, _id: ServerId) {
        todo!("live")
    }

    /// Notices from now on; a slow reader misses the oldest (`Lagged`) and should fetch everything it shows.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Topic> {
        todo!("live")
    }

    /// Tells that something changed.
    pub fn publish(&self, _topic: Topic) {
        todo!("live")
    }

    /// Asks for a sample every second for as long as the returned value lives.
    #[must_use]
    pub fn watch(&self, _server: ServerId) -> Watch {
        todo!("live")
    }
}
