//! The daemon's end of every agent link: enrolment, mutual TLS, reports in, commands out.
//!
//! The only module that knows quinn (with [`crate::tls`]).

mod command;
mod connection;
mod enrolment;
mod listener;
mod renewal;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::SinkExt as _;
use quinn::Endpoint;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::{
    codec::{FramedWrite, LengthDelimitedCodec},
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tomo_proto::{
    id::{AgentId, ServerId},
    wire::{
        archive::Part,
        command::{CommandEvent, CommandRequest},
        frame::{MAX_FRAME_BYTES, encode},
        terminal::TerminalInput,
    },
};

use crate::{clock::Clock, config::HubConfig, hub::command::Wishes, ingest, live::Live, store::Store, tls::Authority};

/// Why a connection is closed, as the peer reads it.
mod close {
    use quinn::VarInt;

    pub(super) const SHUTDOWN: VarInt = VarInt::from_u32(1);
    pub(super) const REFUSED: VarInt = VarInt::from_u32(2);
    pub(super) const REPLACED: VarInt = VarInt::from_u32(3);
    pub(super) const MALFORMED: VarInt = VarInt::from_u32(4);
    pub(super) const DONE: VarInt = VarInt::from_u32(0);
}

/// Boots remembered per agent.
const SUPERSEDED: usize = 8;

/// What a revoked agent is told.
const REVOKED: &[u8] = b"this agent was revoked: enroll this host anew with a new token if it is to come back";

/// Events of one command that wait for their reader; when full, the agent waits.
const COMMAND_EVENTS: usize = 64;

/// The agent takes a limited number of commands at a time; one more waits this long.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// The hub could not do it.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The server's agent has no connection.
    #[error("the server's agent is not connected")]
    Offline,
    /// The server's agent does as much as it can already.
    #[error("the server's agent has too much to do: try again in a moment")]
    Busy,
    /// The connection went away with the command under way: it may have happened.
    #[error("the link broke before the answer came")]
    Broken,
    /// The listener could not be opened.
    #[error("cannot listen for agents on {address}")]
    Listen {
        /// Wanted address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Keeper of agent connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    advertised: Vec<String>,
    authority: Authority,
    store: Store,
    live: Live,
    clock: Clock,
    connections: Mutex<HashMap<ServerId, Connected>>,
    /// Boots of agents whose connection another boot of the same agent took over: one that comes back is a copy, or was copied.
    superseded: Mutex<HashMap<AgentId, Vec<u64>>>,
    idle_interval_ms: watch::Sender<u32>,
    /// Counts the agents that have connected.
    arrivals: watch::Sender<u64>,
    ingest: ingest::Ingest,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Shared {
    /// Whether another boot of this agent has taken the link over from this one, and holds it.
    fn is_superseded(&self, server: ServerId, agent: AgentId, boot_id: u64) -> bool {
        let held = self.connections().get(&server).is_some_and(|connected| connected.boot_id != boot_id);
        let superseded = self.superseded.lock().unwrap_or_else(PoisonError::into_inner);
        held && superseded.get(&agent).is_some_and(|boots| boots.contains(&boot_id))
    }

    fn supersede(&self, agent: AgentId, boot_id: u64) {
        let mut superseded = self.superseded.lock().unwrap_or_else(PoisonError::into_inner);
        let boots = superseded.entry(agent).or_default();
        boots.retain(|known| *known != boot_id);
        if boots.len() == SUPERSEDED {
            boots.remove(0);
        }
        boots.push(boot_id);
    }

    /// Cuts an agent's live connection; its record refuses its certificate from now on.
    fn cut_off(&self, agent: AgentId) {
        let mut connections = self.connections();
        let server = connections.iter().find(|(_, connected)| connected.agent == agent).map(|(server, _)| *server);
        if let Some(connected) = server.and_then(|server| connections.remove(&server)) {
            connected.connection.close(close::REFUSED, REVOKED);
        }
        drop(connections);
        self.superseded.lock().unwrap_or_else(PoisonError::into_inner).remove(&agent);
        if let Some(server) = server {
            self.live.disconnect(server, tomo_proto::model::agent::AgentState::Revoked);
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<ServerId, Connected>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Connected {
    agent: AgentId,
    boot_id: u64,
    connection: quinn::Connection,
}

/// What goes to an agent beside a command.
#[derive(Debug)]
pub enum Supply {
    /// A program, as it is.
    Program(PathBuf),
    /// What is in a volume. Without an end the command is cancelled.
    Parts(mpsc::Receiver<Part>),
    /// What is typed at the terminal that it opens; its end is the person's hanging up.
    Input(mpsc::Receiver<TerminalInput>),
}

/// A command under way. Dropping it cancels the command, and nobody hears what becomes of it.
#[derive(Debug)]
pub struct RunningCommand {
    /// What the agent says; the last one is an outcome. Ends without one if the link broke.
    pub events: mpsc::Receiver<CommandEvent>,
    wishes: Wishes,
    on_drop: DropGuard,
}

impl RunningCommand {
    /// Has the agent undo what it has begun; its outcome still comes.
    pub fn cancel(&self) {
        self.wishes.cancel.cancel();
    }

    /// Lets the agent go on without anybody who listens.
    pub fn leave(self) {
        drop(self.on_drop.disarm());
    }
}

impl Hub {
    /// Opens the listener and serves agents.
    ///
    /// # Errors
    /// [`HubError::Listen`] names the address.
    pub fn start(
        config: &HubConfig,
        authority: Authority,
        store: Store,
        live: Live,
        clock: Clock,
    ) -> Result<Self, HubError> {
        let endpoint = listener::open(config.listen, &authority)?;
        let local = endpoint.local_addr().map_err(|source| HubError::Listen { address: config.listen, source })?;
        let advertised = if config.advertise.is_empty() { addresses_of(local) } else { config.advertise.clone() };
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (ingest, committing) = ingest::channel(store.clone(), stop.clone());
        tasks.spawn(committing);
        let shared = Arc::new(Shared {
            endpoint,
            advertised,
            authority,
            store,
            live,
            clock,
            connections: Mutex::default(),
            superseded: Mutex::default(),
            idle_interval_ms: watch::Sender::new(10_000),
            arrivals: watch::Sender::default(),
            ingest,
            stop,
            tasks,
        });
        shared.tasks.spawn(listener::serve(Arc::clone(&shared)));
        Ok(Self { shared })
    }

    /// SHA-256 of the CA's certificate (DER), hex: what enrolment tokens carry.
    #[must_use]
    pub fn ca_fingerprint(&self) -> String {
        self.shared.authority.fingerprint()
    }

    /// Addresses (`host:port`) that enrolment tokens carry.
    #[must_use]
    pub fn advertised(&self) -> Vec<String> {
        self.shared.advertised.clone()
    }

    /// Where agents connect.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.endpoint.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// Whether a server's agent is connected.
    #[must_use]
    pub fn is_online(&self, server: ServerId) -> bool {
        self.shared.connections().contains_key(&server)
    }

    /// Whether that very agent is connected for a server.
    #[must_use]
    pub fn is_online_as(&self, server: ServerId, agent: AgentId) -> bool {
        self.shared.connections().get(&server).is_some_and(|connected| connected.agent == agent)
    }

    /// Changes whenever an agent has connected.
    #[must_use]
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.shared.arrivals.subscribe()
    }

    /// Sends a command on a stream of its own.
    ///
    /// # Errors
    /// [`HubError::Offline`] at once if there is no connection.
    pub async fn send(&self, server: ServerId, request: CommandRequest) -> Result<RunningCommand, HubError> {
        self.send_with(server, request, None).await
    }

    /// Sends a command, and what it speaks of once the agent takes it.
    ///
    /// # Errors
    /// As [`Self::send`]. What cannot be sent to its end ends the command.
    pub async fn send_with(
        &self,
        server: ServerId,
        request: CommandRequest,
        supply: Option<Supply>,
    ) -> Result<RunningCommand, HubError> {
        let connection = self.shared.connections().get(&server).map(|connected| connected.connection.clone());
        let connection = connection.ok_or(HubError::Offline)?;
        let (sending, receiving) = timeout(OPEN_TIMEOUT, connection.open_bi())
            .await
            .map_err(|_| HubError::Busy)?
            .map_err(|_| HubError::Broken)?;
        let frame = encode(&request).map_err(|_| HubError::Broken)?;
        tracing::debug!(command = %request.id, verb = request.command.verb(), "a command is sent");
        let mut sending = FramedWrite::new(sending, codec());
        sending.send(Bytes::from(frame)).await.map_err(|_| HubError::Broken)?;
        let (queue, events) = mpsc::channel(COMMAND_EVENTS);
        let wishes = Wishes::default();
        self.shared.tasks.spawn(command::follow(server, sending, receiving, supply, queue, wishes.clone()));
        let on_drop = wishes.dropped.clone().drop_guard();
        Ok(RunningCommand { events, wishes, on_drop })
    }

    /// Cuts an agent's live connection and refuses its certificate from now on (its record says so already).
    pub fn revoke(&self, agent: AgentId) {
        self.shared.cut_off(agent);
    }

    /// Tells every agent the new interval.
    pub fn set_idle_interval(&self, interval_ms: u32) {
        self.shared.idle_interval_ms.send_replace(interval_ms);
    }

    /// Closes every connection and waits for its tasks.
    pub async fn shutdown(&self) {
        self.shared.endpoint.close(close::SHUTDOWN, b"the daemon stops");
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.endpoint.wait_idle().await;
    }
}

/// The framing of every stream.
fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME_BYTES).new_codec()
}

/// Where agents can reach a listener: itself, or, for a wildcard address, the address this machine uses towards others.
fn addresses_of(local: SocketAddr) -> Vec<String> {
    if !local.ip().is_unspecified() {
        return vec![local.to_string()];
    }
    // Connecting a UDP socket sends nothing; it only asks the routing table which address would be used.
    let outward = |from: &str, to: &str| -> Option<IpAddr> {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let mut found: Vec<IpAddr> = Vec::new();
    found.extend(outward("0.0.0.0:0", "192.0.2.1:9"));
    if local.is_ipv6() {
        found.extend(outward("[::]:0", "[2001:db8::1]:9"));
    }
    if found.is_empty() {
        found.push(IpAddr::from([127, 0, 0, 1]));
    }
    found.into_iter().map(|ip| SocketAddr::new(ip, local.port()).to_string()).collect()
}
