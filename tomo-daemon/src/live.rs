//! What is true right now: the newest state of every connected server, and notices that something changed.
//!
//! A notice is a hint, not data: on "changed", fetch. A lost notice costs freshness, never truth.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{broadcast, watch};
use tomo_proto::{
    id::{AgentId, AppId, OperationId, PlanId, ServerId},
    model::{
        agent::AgentState,
        container::Container,
        metric::{SeriesKey, names},
        policy::PolicySummary,
        server::{HostFacts, Vitals},
    },
    wire::report::Row,
};

use crate::{clock::Clock, store::SampleBlock};

/// Points kept for sparklines,
pub const SPARK_SAMPLES: usize = 40;
/// one for each span of this length: how closely a server is sampled does not change what its sparkline shows.
const SPARK_STEP_MS: u64 = 15_000;
/// Time that the sparklines show.
pub(crate) const SPARK_SPAN_MS: u64 = 600_000;

/// Notices kept for slow readers.
const NOTICES: usize = 1024;

/// Something that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Anything the overview shows (readers take a change of a server, app, operation or plan as one of the overview too).
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
    /// Address of a second agent that uses the same identity.
    pub rival: Option<String>,
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
    /// Last figures, oldest first, at most [`SPARK_SAMPLES`].
    pub spark: Arc<VecDeque<Spark>>,
}

/// A point of the sparklines: the newest figures of its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spark {
    /// Number of the span, in lengths of ten seconds since the epoch.
    pub span: u64,
    /// CPU in use, 0–100.
    pub cpu_percent: u8,
    /// Memory in use, 0–100.
    pub memory_percent: u8,
    /// Received and sent.
    pub traffic_bytes_per_sec: u64,
}

/// The newest state of everything, with notices. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    /// Begins with the time, so that a revision from before a restart is an older one.
    revision: AtomicU64,
    servers: RwLock<HashMap<ServerId, Arc<LiveServer>>>,
    notices: broadcast::Sender<Topic>,
    /// How many watch each server.
    watched: watch::Sender<HashMap<ServerId, usize>>,
}

/// While it lives, its server is sampled every second.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    server: ServerId,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.watched.send_modify(|watched| {
            if let Some(count) = watched.get_mut(&self.server) {
                *count -= 1;
                if *count == 0 {
                    watched.remove(&self.server);
                }
            }
        });
    }
}

/// What an agent says when it connects.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) agent: AgentId,
    pub(crate) address: String,
    pub(crate) round_trip_ms: f64,
    pub(crate) release: String,
    pub(crate) facts: HostFacts,
    pub(crate) policy: PolicySummary,
}

impl Live {
    /// An empty fleet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                revision: AtomicU64::new(clock.now_ms().saturating_mul(1_000)),
                clock,
                servers: RwLock::default(),
                notices: broadcast::Sender::new(NOTICES),
                watched: watch::Sender::default(),
            }),
        }
    }

    /// Grows with every change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.shared.revision.load(Ordering::Acquire)
    }

    /// One server, if its agent has connected since the daemon started.
    #[must_use]
    pub fn server(&self, id: ServerId) -> Option<Arc<LiveServer>> {
        self.shared.servers.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Every server whose agent has connected since the daemon started.
    #[must_use]
    pub fn servers(&self) -> Vec<(ServerId, Arc<LiveServer>)> {
        let servers = self.shared.servers.read().unwrap_or_else(PoisonError::into_inner);
        servers.iter().map(|(id, server)| (*id, Arc::clone(server))).collect()
    }

    /// Forgets a removed server.
    pub fn remove_server(&self, id: ServerId) {
        self.shared.servers.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.publish(Topic::Server(id));
    }

    /// Notices from now on; a slow reader misses the oldest (`Lagged`) and should fetch everything it shows.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Topic> {
        self.shared.notices.subscribe()
    }

    /// Tells that something changed.
    pub fn publish(&self, topic: Topic) {
        self.next_revision();
        self.notify(topic);
    }

    fn next_revision(&self) -> u64 {
        self.shared.revision.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn notify(&self, topic: Topic) {
        // Without a reader nobody needs to know.
        drop(self.shared.notices.send(topic));
    }

    /// Asks for a sample every second for as long as the returned value lives.
    #[must_use]
    pub fn watch(&self, server: ServerId) -> Watch {
        self.shared.watched.send_modify(|watched| *watched.entry(server).or_default() += 1);
        Watch { shared: Arc::clone(&self.shared), server }
    }

    /// Who is watched, for the hub.
    pub(crate) fn watched(&self) -> watch::Receiver<HashMap<ServerId, usize>> {
        self.shared.watched.subscribe()
    }

    pub(crate) fn connect(&self, id: ServerId, connected: Connected) {
        let now_ms = self.shared.clock.now_ms();
        let (vitals, spark, containers) = self.server(id).map_or_else(Default::default, |before| {
            (before.vitals, Arc::clone(&before.spark), Arc::clone(&before.containers))
        });
        let server = LiveServer {
            revision: 0,
            agent: connected.agent,
            state: AgentState::Online,
            state_since: now_ms,
            last_seen_at: now_ms,
            address: connected.address,
            rival: None,
            round_trip_ms: connected.round_trip_ms,
            release: connected.release,
            facts: Some(Arc::new(connected.facts)),
            policy: Arc::new(connected.policy),
            containers,
            vitals,
            spark,
        };
        self.shared.servers.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(server));
        self.update(id, |_| {});
    }

    /// Notes that a second agent uses a server's identity; says whether that is news.
    pub(crate) fn name_rival(&self, id: ServerId, address: &str) -> bool {
        let mut is_new = false;
        self.update(id, |server| {
            is_new = server.rival.as_deref() != Some(address);
            server.rival = Some(address.to_owned());
        });
        is_new
    }

    /// The agent of a server went away: its figures stay, with their age.
    pub(crate) fn disconnect(&self, id: ServerId, state: AgentState) {
        let now_ms = self.shared.clock.now_ms();
        self.update(id, |server| {
            server.state = state;
            server.state_since = now_ms;
        });
    }

    /// Takes a row of samples over into the newest figures.
    pub(crate) fn take_row(&self, id: ServerId, schema: &[SeriesKey], row: &Row, round_trip_ms: f64) {
        let now_ms = self.shared.clock.now_ms();
        let vitals = vitals_of(schema, row);
        self.update(id, |server| {
            add_point(Arc::make_mut(&mut server.spark), &vitals);
            server.vitals = Some(vitals);
            server.last_seen_at = now_ms;
            server.round_trip_ms = round_trip_ms;
        });
    }

    /// Draws the sparklines of a server that has just connected from stored rows, unless they are there.
    pub(crate) fn remember(&self, id: ServerId, blocks: &[SampleBlock]) {
        self.update(id, |server| {
            if server.spark.is_empty() {
                let spark = Arc::make_mut(&mut server.spark);
                for (schema, row) in blocks.iter().flat_map(|(schema, rows)| rows.iter().map(move |row| (schema, row)))
                {
                    add_point(spark, &vitals_of(schema, row));
                }
            }
        });
    }

    /// Changes a server that has connected, and tells.
    pub(crate) fn update(&self, id: ServerId, change: impl FnOnce(&mut LiveServer)) {
        {
            let mut servers = self.shared.servers.write().unwrap_or_else(PoisonError::into_inner);
            let Some(server) = servers.get_mut(&id) else { return };
            let server = Arc::make_mut(server);
            change(server);
            // While the lock is held: whoever has read this revision, or a later one, sees this change.
            server.revision = self.next_revision();
        }
        self.notify(Topic::Server(id));
    }
}

fn add_point(spark: &mut VecDeque<Spark>, vitals: &Vitals) {
    let point = Spark {
        span: vitals.at_ms / SPARK_STEP_MS,
        cpu_percent: percent(vitals.cpu_ratio),
        memory_percent: percent(vitals.memory_ratio()),
        traffic_bytes_per_sec: vitals.rx_bytes_per_sec.saturating_add(vitals.tx_bytes_per_sec),
    };
    match spark.back_mut() {
        Some(last) if last.span == point.span => *last = point,
        _ => spark.push_back(point),
    }
    if spark.len() > SPARK_SAMPLES {
        spark.pop_front();
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0–100 first")]
fn percent(ratio: f64) -> u8 {
    (ratio * 100.0).round().clamp(0.0, 100.0) as u8
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measured amount is not negative; `as` saturates"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

fn vitals_of(schema: &[SeriesKey], row: &Row) -> Vitals {
    let mut vitals = Vitals { at_ms: row.at_ms, ..Vitals::default() };
    let mut disks: HashMap<&str, (f64, f64)> = HashMap::new();
    for (key, stored) in schema.iter().zip(&row.values) {
        let Some(value) = key.decode(*stored) else { continue };
        match (key.metric.as_str(), key.part.as_str()) {
            (names::CPU, "") => vitals.cpu_ratio = value,
            (names::MEMORY_USED, _) => vitals.memory_used_bytes = whole(value),
            (names::MEMORY_TOTAL, _) => vitals.memory_total_bytes = whole(value),
            (names::SWAP_USED, _) => vitals.swap_used_bytes = whole(value),
            (names::LOAD1, _) => vitals.load1 = value,
            (names::NET_RX, "") => vitals.rx_bytes_per_sec = whole(value),
            (names::NET_TX, "") => vitals.tx_bytes_per_sec = whole(value),
            (names::DISK_READ, "") => vitals.disk_read_bytes_per_sec = whole(value),
            (names::DISK_WRITE, "") => vitals.disk_write_bytes_per_sec = whole(value),
            (names::UPTIME, _) => vitals.uptime_secs = whole(value),
            (names::FS_USED, mount) => disks.entry(mount).or_default().0 = value,
            (names::FS_TOTAL, mount) => disks.entry(mount).or_default().1 = value,
            _ => {}
        }
    }
    let fullest = disks.values().filter(|(_, total)| *total > 0.0).map(|(used, total)| used / total);
    // More digits tell nothing and make every answer longer.
    vitals.disk_ratio = (fullest.fold(0.0, f64::max) * 1e4).round() / 1e4;
    vitals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected() -> Connected {
        Connected {
            agent: AgentId::from_u64(1),
            address: "192.0.2.1".to_owned(),
            round_trip_ms: 1.0,
            release: "0.1.0".to_owned(),
            facts: HostFacts::default(),
            policy: PolicySummary::default(),
        }
    }

    #[test]
    fn a_row_becomes_figures_and_a_notice() {
        let live = Live::new(Clock::manual(1_000));
        let id = ServerId::from_u64(1);
        live.connect(id, connected());
        let mut notices = live.subscribe();
        let before = live.revision();
        let schema: Vec<SeriesKey> = [
            (names::CPU, ""),
            (names::CPU, "0"),
            (names::MEMORY_USED, ""),
            (names::MEMORY_TOTAL, ""),
            (names::FS_USED, "/"),
            (names::FS_TOTAL, "/"),
        ]
        .map(|(metric, part)| SeriesKey::new(metric, part))
        .into();
        let row = Row { at_ms: 5, values: vec![5_000, 1, 30, 40, 9, 10] };
        live.take_row(id, &schema, &row, 2.5);
        assert_eq!(notices.try_recv(), Ok(Topic::Server(id)));
        let server = live.server(id).expect("is there");
        assert!(server.revision > before && server.revision <= live.revision());
        let vitals = server.vitals.expect("figures");
        assert_eq!((vitals.cpu_ratio, vitals.disk_ratio, vitals.memory_ratio()), (0.5, 0.9, 0.75));
        let point = Spark { span: 0, cpu_percent: 50, memory_percent: 75, traffic_bytes_per_sec: 0 };
        assert_eq!(server.spark.back(), Some(&point));
    }

    #[test]
    fn sparks_are_bounded_and_survive_a_reconnect() {
        let live = Live::new(Clock::manual(1_000));
        let id = ServerId::from_u64(1);
        live.connect(id, connected());
        for span in 0..100 {
            for at_ms in [0, 1_000, 9_999] {
                live.take_row(id, &[], &Row { at_ms: span * SPARK_STEP_MS + at_ms, values: Vec::new() }, 1.0);
            }
        }
        live.disconnect(id, AgentState::Offline);
        assert_eq!(live.server(id).expect("is there").state, AgentState::Offline);
        live.connect(id, connected());
        let server = live.server(id).expect("is there");
        assert_eq!((server.state, server.spark.len()), (AgentState::Online, SPARK_SAMPLES));
    }

    #[test]
    fn sparks_of_a_new_start_are_drawn_from_the_store() {
        let live = Live::new(Clock::manual(1_000));
        let id = ServerId::from_u64(1);
        live.connect(id, connected());
        let schema = Arc::new(vec![SeriesKey::new(names::CPU, "")]);
        let row = |span: u64, value| Row { at_ms: span * SPARK_STEP_MS, values: vec![value] };
        live.remember(id, &[(Arc::clone(&schema), vec![row(1, 1_000)]), (Arc::clone(&schema), vec![row(2, 2_000)])]);
        live.take_row(id, &schema, &row(3, 3_000), 1.0);
        live.remember(id, &[(schema, vec![row(9, 9_000)])]);
        let drawn: Vec<u8> = live.server(id).expect("is there").spark.iter().map(|point| point.cpu_percent).collect();
        assert_eq!(drawn, [10, 20, 30]);
    }

    #[test]
    fn watching_is_counted() {
        let live = Live::new(Clock::manual(1_000));
        let id = ServerId::from_u64(1);
        let watched = live.watched();
        let first = live.watch(id);
        let second = live.watch(id);
        drop(first);
        assert!(watched.borrow().contains_key(&id));
        drop(second);
        assert!(!watched.borrow().contains_key(&id));
    }
}
