//! The agent's end of the link: connects, greets, sends what the outbox holds, runs what the daemon asks.
//!
//! The only module that knows quinn (with [`crate::identity`]).

mod connection;
mod fit;
mod heads;
pub(crate) mod network;
pub(crate) mod outbox;
pub(crate) mod sampler;
mod update;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use quinn::{Endpoint, IdleTimeout, TransportConfig, VarInt, crypto::rustls::QuicClientConfig};
use rustls::ClientConfig;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::{codec::LengthDelimitedCodec, sync::CancellationToken, task::TaskTracker};
use tomo_proto::{
    model::{container::Container, server::HostFacts},
    wire::frame::MAX_FRAME_BYTES,
};

use crate::{
    exec::Exec,
    identity::{self, Identity},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Pause after the daemon has said that trying again makes no sense yet.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// Pause after another connection of the same agent took over.
const REPLACED_PAUSE: Duration = Duration::from_secs(5);
/// A connection that lasted this long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(4);
const IDLE_TIMEOUT: VarInt = VarInt::from_u32(12_000);
/// Commands at a time.
const COMMANDS: u32 = 64;
/// Sampling until a daemon has said otherwise.
const DEFAULT_INTERVAL_MS: u32 = 10_000;

/// Where the link stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Trying.
    Connecting,
    /// Welcomed by the daemon at this address.
    Connected(String),
    /// Not connected, and why.
    Failed(String),
}

impl std::fmt::Display for Status {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connecting => out.write_str("connecting"),
            Self::Connected(address) => write!(out, "{}{address}", crate::systemd::CONNECTED_TO),
            Self::Failed(reason) => write!(out, "not connected: {}", tomo_proto::text::display_line(reason, 300)),
        }
    }
}

/// What the link's and the sampler's tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: PathBuf,
    identity: Mutex<Identity>,
    /// Held by whoever takes an update.
    updating: tokio::sync::Mutex<()>,
    pub(crate) exec: Exec,
    /// Commands under way; they outlive a connection.
    commands: TaskTracker,
    pub(crate) boot_id: u64,
    pub(crate) outbox: outbox::Outbox,
    heads: heads::Heads,
    pub(crate) interval_ms: watch::Sender<u32>,
    pub(crate) facts: watch::Sender<Arc<HostFacts>>,
    pub(crate) containers: watch::Sender<Arc<Vec<Container>>>,
    pub(crate) status: watch::Sender<Status>,
}

impl Shared {
    pub(crate) fn new(state: &Path, identity: Identity, exec: Exec) -> anyhow::Result<Self> {
        use ring::rand::SecureRandom as _;
        identity.tls().context("the certificate in the state folder does not work: enroll this host anew")?;
        let mut boot_id = [0; 8];
        ring::rand::SystemRandom::new()
            .fill(&mut boot_id)
            .map_err(|_| anyhow::anyhow!("the system has no randomness"))?;
        Ok(Self {
            state: state.to_owned(),
            identity: Mutex::new(identity),
            updating: tokio::sync::Mutex::new(()),
            exec,
            commands: TaskTracker::new(),
            boot_id: u64::from_le_bytes(boot_id),
            outbox: outbox::Outbox::default(),
            heads: heads::Heads::open(state),
            interval_ms: watch::Sender::new(DEFAULT_INTERVAL_MS),
            facts: watch::Sender::default(),
            containers: watch::Sender::default(),
            status: watch::Sender::new(Status::Connecting),
        })
    }

    /// Who this agent is right now: its certificate changes from time to time.
    fn identity(&self) -> Identity {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on with another key and certificate, from the next connection on.
    fn renew(&self, key_pem: String, certificate_pem: String) -> anyhow::Result<()> {
        let renewed = self.identity().renewed(key_pem, certificate_pem);
        renewed.tls().context("the daemon's new certificate does not work")?;
        identity::write(&self.state, &renewed)?;
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(())
    }
}

/// Keeps a connection to the daemon until told to stop.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    // The first hello carries the facts.
    let mut facts = shared.facts.subscribe();
    tokio::select! {
        _ = facts.wait_for(|facts| !facts.hostname.is_empty()) => {}
        () = stop.cancelled() => return,
    }
    while !stop.is_cancelled() {
        let mut told_to_wait = None;
        for address in &shared.identity().addresses {
            let began = Instant::now();
            let ended = match connect(&shared, address).await {
                Ok((endpoint, connection)) => {
                    let ended = connection::serve(&shared, &connection, address, &stop).await;
                    connection.close(0_u32.into(), b"the agent stops");
                    // Lets the close reach the daemon; it takes one round trip or a few timeouts.
                    drop(timeout(Duration::from_secs(1), endpoint.wait_idle()).await);
                    ended
                }
                Err(error) => connection::Ended::Lost(format!("{address}: {error:#}")),
            };
            if stop.is_cancelled() {
                return;
            }
            let reason = match ended {
                connection::Ended::Renewed => {
                    tracing::info!("the certificate is renewed: connecting anew with it");
                    pause = FIRST_PAUSE;
                    break;
                }
                connection::Ended::Lost(reason) => reason,
                connection::Ended::Replaced(reason) => {
                    told_to_wait = Some(REPLACED_PAUSE);
                    reason
                }
                connection::Ended::Refused(reason) => {
                    told_to_wait = Some(REFUSED_PAUSE);
                    reason
                }
            };
            tracing::warn!(reason, "the link to the daemon is down");
            shared.status.send_replace(Status::Failed(reason));
            if began.elapsed() > GOOD_AFTER {
                pause = FIRST_PAUSE;
                break;
            }
        }
        tokio::select! {
            () = sleep(jittered(told_to_wait.unwrap_or(pause))) => {}
            () = stop.cancelled() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Tells the daemon that this agent does not come back.
///
/// # Errors
/// No daemon could be told.
pub(crate) async fn say_good_bye(state: &Path) -> anyhow::Result<()> {
    let shared = Shared::new(state, Identity::load(state)?, Exec::without_engine())?;
    let mut tried = Vec::new();
    for address in &shared.identity().addresses {
        let leaving = async {
            let (endpoint, connection) = connect(&shared, address).await?;
            let told = connection::leave(&shared, &connection).await;
            connection.close(0_u32.into(), b"left");
            drop(timeout(Duration::from_secs(1), endpoint.wait_idle()).await);
            told
        };
        match leaving.await {
            Ok(()) => return Ok(()),
            Err(error) => tried.push(format!("{address}: {error:#}")),
        }
    }
    anyhow::bail!(tried.join("; "))
}

/// Between half and the whole of a pause, so that many agents do not come back in one moment.
fn jittered(pause: Duration) -> Duration {
    use ring::rand::SecureRandom as _;
    let mut random = [0];
    // Without randomness there is no jitter.
    _ = ring::rand::SystemRandom::new().fill(&mut random);
    pause / 2 + (pause / 512) * u32::from(random[0])
}

async fn connect(shared: &Shared, address: &str) -> anyhow::Result<(Endpoint, quinn::Connection)> {
    let connecting = async {
        let socket = resolve(address).await?;
        let endpoint = open_endpoint(socket, shared.identity().tls()?)?;
        let connection = dial(&endpoint, socket).await?;
        anyhow::Ok((endpoint, connection))
    };
    timeout(CONNECT_TIMEOUT, connecting)
        .await
        .map_err(|_| anyhow::anyhow!("no answer in {} s (is UDP open?)", CONNECT_TIMEOUT.as_secs()))?
}

/// Connects to a daemon; what goes wrong is told with what to do about it.
pub(crate) async fn dial(endpoint: &Endpoint, socket: SocketAddr) -> anyhow::Result<quinn::Connection> {
    let connection = endpoint.connect(socket, tomo_proto::version::LINK_SERVER_NAME)?.await;
    connection.map_err(|error| anyhow::anyhow!(connection::explain(&error)))
}

pub(crate) async fn resolve(address: &str) -> anyhow::Result<SocketAddr> {
    let mut found = tokio::net::lookup_host(address).await.with_context(|| format!("cannot resolve {address}"))?;
    found.next().with_context(|| format!("{address} has no address"))
}

/// A socket of the address's family with this TLS configuration.
pub(crate) fn open_endpoint(towards: SocketAddr, tls: ClientConfig) -> anyhow::Result<Endpoint> {
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    transport.max_idle_timeout(Some(IdleTimeout::from(IDLE_TIMEOUT)));
    transport.max_concurrent_bidi_streams(COMMANDS.into());
    transport.max_concurrent_uni_streams(0_u32.into());
    transport.datagram_receive_buffer_size(None);
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport));
    let local: SocketAddr =
        if towards.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { (std::net::Ipv6Addr::UNSPECIFIED, 0).into() };
    let mut endpoint = Endpoint::client(local).context("cannot open a UDP socket")?;
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}

/// The framing of every stream.
pub(crate) fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME_BYTES).new_codec()
}
