//! The UDP listener: who may knock, how often, and which way a connection goes.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use quinn::{
    ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, IdleTimeout, Incoming, ServerConfig,
    TransportConfig, VarInt,
    crypto::rustls::{HandshakeData, QuicServerConfig},
};
use tokio::{sync::Semaphore, time::timeout};
use tomo_proto::{version::ENROLL_ALPN, wire::handshake::TOO_MANY_ENROLMENTS};

use crate::{
    crypto,
    hub::{HubError, Shared, connection, enrolment},
    tls::Authority,
};

/// Handshakes at a time; who comes beyond has to prove its address first.
const HANDSHAKES: usize = 256;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// A silent peer is given up after this.
const IDLE_TIMEOUT: VarInt = VarInt::from_u32(12_000);
const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// Streams an agent may have open: control, and one enrolment.
const AGENT_BIDIRECTIONAL: u32 = 2;
/// Report streams: one, and one that is being replaced.
const AGENT_UNIDIRECTIONAL: u32 = 2;
/// Bytes an agent may send ahead of us,
const WINDOW: u32 = 8 << 20;
/// and on one stream: several that nobody reads leave room for the others.
const STREAM_WINDOW: u32 = 512 << 10;
/// Enrolments per second from one address.
const ENROLMENTS: NonZeroU32 = NonZeroU32::new(50).expect("it is not zero");

/// Connections that an earlier run of this daemon knew are reset at most this often, all together.
const RESET_INTERVAL: Duration = Duration::from_millis(1);
const ID_BYTES: usize = 8;

/// Connection ids without a mark of this run in them: whoever still uses one of an earlier run is told that it is gone.
#[derive(Debug)]
struct RandomIds;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&crypto::random_bytes::<ID_BYTES>())
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

pub(super) fn open(address: SocketAddr, authority: &Authority) -> Result<Endpoint, HubError> {
    let listen = |source| HubError::Listen { address, source };
    let tls = authority.hub_config().map_err(|error| listen(std::io::Error::other(format!("{error:#}"))))?;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| listen(std::io::Error::other(error)))?;
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    transport.max_idle_timeout(Some(IdleTimeout::from(IDLE_TIMEOUT)));
    transport.max_concurrent_bidi_streams(AGENT_BIDIRECTIONAL.into());
    transport.max_concurrent_uni_streams(AGENT_UNIDIRECTIONAL.into());
    transport.receive_window(WINDOW.into());
    transport.stream_receive_window(STREAM_WINDOW.into());
    transport.datagram_receive_buffer_size(None);
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    let mut endpoint = EndpointConfig::new(Arc::new(authority.reset_key()));
    endpoint.cid_generator(|| Box::new(RandomIds));
    endpoint.min_reset_interval(RESET_INTERVAL);
    let runtime = quinn::default_runtime().ok_or_else(|| listen(std::io::Error::other("no async runtime")))?;
    Endpoint::new(endpoint, Some(config), UdpSocket::bind(address).map_err(listen)?, runtime).map_err(listen)
}

pub(super) async fn serve(shared: Arc<Shared>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    let enrolments = Arc::new(RateLimiter::keyed(Quota::per_second(ENROLMENTS)));
    while let Some(incoming) = shared.endpoint.accept().await {
        let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() else {
            if incoming.remote_address_validated() {
                incoming.refuse();
            } else if let Err(error) = incoming.retry() {
                error.into_incoming().refuse();
            }
            continue;
        };
        let (shared, enrolments) = (Arc::clone(&shared), Arc::clone(&enrolments));
        let tasks = shared.tasks.clone();
        tasks.spawn(async move {
            if let Some(connection) = shake_hands(incoming).await {
                drop(permit);
                hand_over(&shared, connection, &enrolments).await;
            }
        });
    }
}

async fn shake_hands(incoming: Incoming) -> Option<quinn::Connection> {
    let address = incoming.remote_address();
    match timeout(HANDSHAKE_TIMEOUT, incoming).await {
        Ok(Ok(connection)) => Some(connection),
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "a handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!(%address, "a handshake took too long");
            None
        }
    }
}

async fn hand_over(shared: &Arc<Shared>, connection: quinn::Connection, enrolments: &DefaultKeyedRateLimiter<IpAddr>) {
    let handshake = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    let enrolling = handshake.is_some_and(|data| data.protocol.as_deref() == Some(ENROLL_ALPN));
    if !enrolling {
        connection::serve(shared, connection).await;
    } else if enrolments.check_key(&connection.remote_address().ip()).is_ok() {
        enrolment::serve(shared, connection).await;
    } else {
        connection.close(super::close::REFUSED, TOO_MANY_ENROLMENTS.as_bytes());
    }
}
