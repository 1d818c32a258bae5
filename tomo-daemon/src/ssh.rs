//! The way to a host by SSH: to look around there, and to install an agent; and what the public keys of people say.
//!
//! The host's key is compared before anything that proves who we are is sent, and a host is held to short times and small
//! amounts from the first byte on. Knows no store and no rule.

mod auth;
mod guard;
mod probe;
mod public_key;
mod run;
mod upload;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use russh::{
    Disconnect, Preferred,
    client::{self, Handle},
    keys::{Algorithm, HashAlg, PublicKeyOrCertificate},
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_util::sync::DropGuard;
use tomo_proto::text::display_line;

pub use auth::{Credential, Secret};
pub use public_key::{PublicKey, public_key};
pub use run::{CommandLine, Limits, Ran};
pub use upload::Folder;

use guard::{Allowance, Guarded, Transport};

/// Longest wait for any one thing a host has to answer: a connection, the key exchange, an authentication.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest wait for a name.
const RESOLVE: Duration = Duration::from_secs(5);
/// What a host may send until it has let us in.
const GREETING_BYTES: u64 = 1 << 20;
/// Bytes of a channel that may wait to be read.
const WINDOW_BYTES: u32 = 256 * 1024;
/// Messages of a channel that may wait to be read. A session that is carried by another writes out all a host has room for (2 MiB with
/// OpenSSH) before it reads again; until then the host's acknowledgements, one for about 96 KiB, wait here, or both sessions stand still.
const WAITING_MESSAGES: usize = 128;

/// A host, and the key it has to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User there.
    pub user: String,
    /// Fingerprint of its key, `SHA256:…`.
    pub host_key: String,
}

/// The key a host shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// Kind, as in `ssh-ed25519`.
    pub algorithm: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
}

/// A host could not be reached, or did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// No address for that name.
    #[error("the name {host} cannot be resolved: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// What came back.
        reason: String,
    },
    /// Nobody answers there.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// What was tried.
        address: String,
        /// What came back.
        reason: String,
    },
    /// Somebody answers who does not speak SSH, or badly.
    #[error("{address} does not speak SSH as it should: {reason}")]
    Protocol {
        /// Who.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// Another key than the one agreed to.
    #[error("{address} shows the host key {presented}, not {pinned}: no credential was sent")]
    HostKeyChanged {
        /// Who.
        address: String,
        /// What was agreed to.
        pinned: String,
        /// What it shows.
        presented: String,
    },
    /// The credential cannot even be tried.
    #[error("the credential cannot be used: {0}")]
    Credential(String),
    /// The host does not let this user in.
    #[error("{address} does not let {user} in with {tried}; it takes {offered}")]
    Refused {
        /// Who.
        address: String,
        /// The user.
        user: String,
        /// What was tried.
        tried: &'static str,
        /// What the host takes.
        offered: String,
    },
    /// No answer in time.
    #[error("{what} did not end within {seconds} s")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        seconds: u64,
    },
    /// The connection was there and could not be used for this.
    #[error("{what} failed: {reason}")]
    Broken {
        /// What was tried.
        what: &'static str,
        /// What came back.
        reason: String,
    },
    /// It happened at the host in between.
    #[error("at the host in between: {0}")]
    Jump(#[source] Box<Self>),
}

impl SshError {
    fn broken(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Broken { what, reason: display_line(&reason.to_string(), 200) }
    }
}

/// Waits for an answer of the host, no longer than it may take.
async fn answer<T, E: std::fmt::Display>(
    what: &'static str,
    limit: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, SshError> {
    match timeout(limit, asked).await {
        Ok(answered) => answered.map_err(|error| SshError::broken(what, error)),
        Err(_) => Err(SshError::Timeout { what, seconds: limit.as_secs() }),
    }
}

/// Looks at the host's key and lets it go.
#[derive(Debug)]
struct Gate {
    /// What it has to be; nothing passes without.
    pinned: Option<String>,
    seen: Arc<Mutex<Option<HostKey>>>,
}

impl client::Handler for Gate {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let key = key.public_key();
        let seen = HostKey {
            algorithm: key.algorithm().to_string(),
            fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        };
        let passes = self.pinned.as_ref().is_some_and(|pinned| *pinned == seen.fingerprint);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(passes)
    }
}

/// A connection to a host whose key was compared. Ends when it is dropped.
pub struct Connection {
    handle: Handle<Gate>,
    address: String,
    user: String,
    allowance: Arc<Allowance>,
    _cut: DropGuard,
    /// What it goes through.
    via: Option<Box<Self>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Connection").field("address", &self.address).field("via", &self.via).finish_non_exhaustive()
    }
}

/// Whether a text is a fingerprint as [`HostKey`] has it.
#[must_use]
pub fn is_fingerprint(text: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.strip_prefix("SHA256:").is_some_and(|hash| hash.len() == 43 && hash.bytes().all(base64))
}

/// Reads the key a host shows, and sends nothing that tells who we are.
///
/// # Errors
/// Nobody answers there, or not with SSH.
pub async fn scan(host: &str, port: u16, via: Option<Connection>) -> Result<HostKey, SshError> {
    let (outcome, seen, _) = shake_hands(host, port, None, via).await?;
    match (seen, outcome) {
        (Some(seen), _) => Ok(seen),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(SshError::Protocol { address: address(host, port), reason: "it shows no key".to_owned() }),
    }
}

impl Connection {
    /// Connects, and compares the host's key; nobody is signed in yet.
    ///
    /// # Errors
    /// Nobody answers there, not with SSH, or with another key.
    pub async fn open(target: &Target, via: Option<Self>) -> Result<Self, SshError> {
        let pinned = Some(target.host_key.clone());
        let (outcome, seen, via) = shake_hands(&target.host, target.port, pinned, via).await?;
        match (outcome, seen) {
            (Ok((handle, allowance, cut)), _) => {
                let address = address(&target.host, target.port);
                Ok(Self { handle, address, user: target.user.clone(), allowance, _cut: cut, via: via.map(Box::new) })
            }
            (Err(_), Some(seen)) if seen.fingerprint != target.host_key => Err(SshError::HostKeyChanged {
                address: address(&target.host, target.port),
                pinned: target.host_key.clone(),
                presented: seen.fingerprint,
            }),
            (Err(error), _) => Err(error),
        }
    }

    /// Says good-bye, to the host and to what lies in between.
    pub async fn close(self) {
        let goodbye = self.handle.disconnect(Disconnect::ByApplication, "", "en");
        // Whoever does not answer is cut off.
        drop(timeout(Duration::from_secs(1), goodbye).await);
        if let Some(via) = self.via {
            Box::pin(via.close()).await;
        }
    }
}

fn address(host: &str, port: u16) -> String {
    let host = display_line(host, 255);
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

type Shaken = (Handle<Gate>, Arc<Allowance>, DropGuard);

/// Connects and exchanges keys; the key that was seen comes back whatever the outcome.
async fn shake_hands(
    host: &str,
    port: u16,
    pinned: Option<String>,
    via: Option<Connection>,
) -> Result<(Result<Shaken, SshError>, Option<HostKey>, Option<Connection>), SshError> {
    let address = address(host, port);
    let transport: Box<dyn Transport> = match &via {
        None => Box::new(dial(host, port, &address).await?),
        Some(via) => {
            let opened = via.handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0);
            match timeout(ANSWER, opened).await {
                Ok(Ok(channel)) => Box::new(channel.into_stream()),
                Ok(Err(error)) => {
                    return Err(SshError::Connect { address, reason: format!("through the host in between: {error}") });
                }
                Err(_) => {
                    return Err(SshError::Connect {
                        address,
                        reason: "the host in between gives no answer".to_owned(),
                    });
                }
            }
        }
    };
    let (allowance, cut) = Allowance::new(GREETING_BYTES);
    let seen = Arc::new(Mutex::new(None));
    let gate = Gate { pinned, seen: Arc::clone(&seen) };
    let stream = Guarded::new(transport, &allowance);
    let shaken = timeout(ANSWER, client::connect_stream(config(), stream, gate)).await;
    let outcome = match shaken {
        Ok(Ok(handle)) => Ok((handle, allowance, cut)),
        Ok(Err(error)) => Err(SshError::Protocol { address, reason: display_line(&error.to_string(), 200) }),
        Err(_) => Err(SshError::Protocol { address, reason: format!("no answer within {} s", ANSWER.as_secs()) }),
    };
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok((outcome, seen, via))
}

async fn dial(host: &str, port: u16, address: &str) -> Result<TcpStream, SshError> {
    let unresolved = |reason: String| SshError::Resolve { host: display_line(host, 255), reason };
    let found: Vec<SocketAddr> = match timeout(RESOLVE, lookup_host((host, port))).await {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => return Err(unresolved(error.to_string())),
        Err(_) => return Err(unresolved(format!("no answer within {} s", RESOLVE.as_secs()))),
    };
    if found.is_empty() {
        return Err(unresolved("it has no address".to_owned()));
    }
    let mut reason = String::new();
    let trying = async {
        for candidate in found {
            match TcpStream::connect(candidate).await {
                Ok(stream) => return Some(stream),
                Err(error) => reason = error.to_string(),
            }
        }
        None
    };
    let connected = timeout(ANSWER, trying).await.map_err(|_| SshError::Connect {
        address: address.to_owned(),
        reason: format!("no answer within {} s", ANSWER.as_secs()),
    })?;
    let stream = connected.ok_or_else(|| SshError::Connect { address: address.to_owned(), reason: reason.clone() })?;
    // Without no-delay each small message waits for a delayed acknowledgement.
    stream
        .set_nodelay(true)
        .map_err(|error| SshError::Connect { address: address.to_owned(), reason: error.to_string() })?;
    Ok(stream)
}

/// Nothing weak, no compression, small windows. Host keys are Ed25519 or RSA: every OpenSSH has one of them, and what audits of
/// SSH find wanting in NIST's curves is not ours to judge.
fn config() -> Arc<client::Config> {
    let strong = |key: &&Algorithm| matches!(key, Algorithm::Ed25519 | Algorithm::Rsa { hash: Some(_) });
    let keys: Vec<Algorithm> = Preferred::DEFAULT.key.iter().filter(strong).cloned().collect();
    Arc::new(client::Config {
        client_id: russh::SshId::Standard("SSH-2.0-tomo".into()),
        window_size: WINDOW_BYTES,
        channel_buffer_size: WAITING_MESSAGES,
        preferred: Preferred { key: keys.into(), ..Preferred::DEFAULT },
        keepalive_interval: Some(Duration::from_secs(5)),
        keepalive_max: 2,
        ..client::Config::default()
    })
}
