//! A daemon that lies: it has a CA that its agent trusts, and says whatever it likes. And a recorder between an agent and the engine.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use quinn::{Connection, Endpoint, VarInt, crypto::rustls::QuicServerConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    time::timeout,
};
use tomo_proto::{
    id::{AgentId, ServerId},
    version::{LINK_ALPN, LINK_NEWEST, LINK_SERVER_NAME},
    wire::{
        frame::{decode, encode_framed},
        handshake::Welcome,
    },
};

use crate::eventually::PATIENCE;

/// The daemon's side of one link, with nothing behind it.
#[derive(Debug)]
pub struct Liar {
    endpoint: Endpoint,
    identity: serde_json::Value,
}

/// A link to an agent, on which anything can be said.
#[derive(Debug)]
pub struct Lie {
    connection: Connection,
    // Dropping it would end the control stream.
    _control: (quinn::SendStream, quinn::RecvStream),
}

impl Liar {
    /// Makes a CA and listens on a free port.
    ///
    /// # Panics
    /// It cannot.
    #[must_use]
    pub fn start() -> Self {
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::new(Vec::new()).expect("params");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let ca_pem = ca.self_signed(&ca_key).expect("a CA").pem();
        let issuer = Issuer::new(ca, ca_key);
        let sign = |name: &str| {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![name.to_owned()]).expect("params");
            (params.signed_by(&key, &issuer).expect("a certificate"), key)
        };
        let (own, own_key) = sign(LINK_SERVER_NAME);
        let (agents, agents_key) = sign("agent");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], PrivatePkcs8KeyDer::from(own_key.serialize_der()).into())
            .expect("they fit");
        tls.alpn_protocols = vec![LINK_ALPN.to_vec()];
        let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).expect("TLS 1.3")));
        let endpoint = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).expect("a port is free");
        let address: SocketAddr = endpoint.local_addr().expect("is bound");
        let identity = serde_json::json!({
            "agent": AgentId::from_u64(1), "server": ServerId::from_u64(1), "server_name": "web-1",
            "addresses": [address.to_string()], "certificate_pem": agents.pem(),
            "key_pem": agents_key.serialize_pem(), "ca_pem": ca_pem,
        });
        Self { endpoint, identity }
    }

    /// What an agent's state folder holds that has enrolled here.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn enroll(&self, state: &Path) {
        std::fs::create_dir_all(state).expect("a folder can be made");
        std::fs::write(state.join("identity.json"), self.identity.to_string()).expect("a file can be written");
    }

    /// Waits for the agent and welcomes it.
    ///
    /// # Panics
    /// It does not come.
    pub async fn welcome(&self) -> Lie {
        let welcoming = async {
            let connection = self.endpoint.accept().await.expect("listens").await.expect("the handshake works");
            let (mut say, mut hear) = connection.accept_bi().await.expect("a control stream");
            drop(read_frame(&mut hear).await.expect("a hello"));
            let welcome = Welcome::Accepted { version: LINK_NEWEST, acknowledged: 0, interval_ms: 60_000 };
            say.write_all(&encode_framed(&welcome).expect("encodes")).await.expect("is sent");
            let draining = connection.clone();
            tokio::spawn(async move {
                while let Ok(mut stream) = draining.accept_uni().await {
                    while let Ok(Some(_)) = stream.read_chunk(65_536, false).await {}
                }
            });
            Lie { connection, _control: (say, hear) }
        };
        timeout(PATIENCE, welcoming).await.expect("the agent connects in time")
    }
}

async fn read_frame(stream: &mut quinn::RecvStream) -> Option<Vec<u8>> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await.ok()?;
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(prefix)).ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

impl Lie {
    /// Sends bytes as a command, and returns the agent's answers until it is done with it; none if it hung up.
    ///
    /// # Panics
    /// The link has ended.
    pub async fn say<T: serde::de::DeserializeOwned>(&self, bytes: &[u8]) -> Vec<T> {
        self.speak(bytes, true).await
    }

    /// The same, but goes on as if more was to come, which does not.
    ///
    /// # Panics
    /// The link has ended.
    pub async fn falter<T: serde::de::DeserializeOwned>(&self, bytes: &[u8]) -> Vec<T> {
        self.speak(bytes, false).await
    }

    async fn speak<T: serde::de::DeserializeOwned>(&self, bytes: &[u8], to_the_end: bool) -> Vec<T> {
        let (mut say, mut hear) = self.connection.open_bi().await.expect("the link lives");
        // The agent may hang up in the middle of it.
        drop(say.write_all(bytes).await);
        if to_the_end {
            drop(say.finish());
        }
        let mut answers = Vec::new();
        let answering = async {
            while let Some(body) = read_frame(&mut hear).await {
                answers.push(decode(&body).expect("the agent speaks well"));
            }
        };
        timeout(Duration::from_secs(30), answering).await.expect("the agent answers in time");
        drop(hear.stop(VarInt::from_u32(0)));
        answers
    }
}

/// A socket in front of the engine that notes every request.
#[derive(Debug)]
pub struct Recorder {
    socket: PathBuf,
    heard: Arc<Mutex<Vec<Heard>>>,
}

/// Bytes on their way to the engine, and when they passed.
type Heard = (SystemTime, Vec<u8>);

impl Recorder {
    /// Listens in a folder and passes everything on to the engine.
    ///
    /// # Panics
    /// It cannot listen.
    #[must_use]
    pub fn start(folder: &Path, engine: &Path) -> Self {
        let socket = folder.join("recorder.sock");
        let listener = UnixListener::bind(&socket).expect("a socket can be made");
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (noting, engine) = (Arc::clone(&heard), engine.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, engine.clone(), Arc::clone(&noting)));
            }
        });
        Self { socket, heard }
    }

    /// Where the agent connects.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// First lines of all requests so far, without the version.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests_with_times().into_iter().map(|(_, line)| line).collect()
    }

    /// The same, each with when it passed.
    #[must_use]
    pub fn requests_with_times(&self) -> Vec<(SystemTime, String)> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = |(at, bytes): &Heard| {
            let text = String::from_utf8_lossy(bytes);
            let lines = text.lines().filter_map(|line| line.strip_suffix(" HTTP/1.1"));
            lines.map(|line| (*at, line.to_owned())).collect::<Vec<_>>()
        };
        heard.iter().flat_map(lines).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "what another process wrote into its log is compared with it")]
async fn pass_on(client: UnixStream, engine: PathBuf, heard: Arc<Mutex<Vec<Heard>>>) {
    let Ok(server) = UnixStream::connect(engine).await else { return };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let requests = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push((SystemTime::now(), buffer[..read].to_vec()));
            if to_server.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
        drop(to_server.shutdown().await);
    };
    let answers = async {
        drop(tokio::io::copy(&mut from_server, &mut to_client).await);
        drop(to_client.shutdown().await);
    };
    tokio::join!(requests, answers);
}
