//! The dashboard over SSH: whoever proves to hold the public key of an account is shown `tomo` with that account's rights.
//!
//! Nothing else is to be had here: no command, no file, no forwarding. Each visitor has a child `tomo` of their own in a
//! pseudo-terminal, which is signed in like any other client and is kept from the files of this machine.

mod line;
mod screen;
mod visitor;

use std::{
    fs,
    net::{Shutdown, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use russh::{
    MethodKind, MethodSet, Preferred, SshId,
    keys::{Algorithm, HashAlg, PrivateKey, key::safe_rng, ssh_key::LineEnding},
    server::{Config, run_stream},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tomo_proto::model::user::SshDoor;

use crate::{config::SshConfig, crypto, services::Services};
use line::Line;
use visitor::Visitor;

/// The key that this daemon shows; it goes with the store into backups.
const HOST_KEY: &str = "ssh_host.key";
/// Folder of the sessions' own folders.
const FOLDER: &str = "ssh-sessions";
/// Visitors who are not shown anything yet: as many as may come in the same moment and are each to be told something.
const WAITING: usize = 256;
/// How long they have to prove who they are and to ask for a shell.
const GRACE: Duration = Duration::from_secs(20);
/// Keys that one visitor may offer.
const ATTEMPTS: usize = 8;
/// A visitor is asked so often whether they are there, in the time after which one who answers nothing is gone.
const ASKED: u32 = 4;
/// How long a visitor who is shown out has to take in why.
const FAREWELL: Duration = Duration::from_secs(3);

/// How a child reaches this daemon.
#[derive(Debug, Clone)]
pub struct Way {
    /// Address of the MCP endpoint on this machine.
    pub url: String,
    /// SHA-256 of its certificate, hex, if it speaks TLS.
    pub fingerprint: Option<String>,
}

/// What every visitor needs.
#[derive(Debug)]
struct House {
    services: Arc<Services>,
    way: Way,
    program: PathBuf,
    folder: PathBuf,
    /// One for each dashboard that may be open.
    seats: Arc<Semaphore>,
    most: usize,
    idle: Duration,
    silent: Duration,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The open door.
#[derive(Debug)]
pub struct Door {
    house: Arc<House>,
    address: SocketAddr,
}

impl Door {
    /// Listens, if the configuration says where.
    ///
    /// # Errors
    /// Names the key file, the program or the port and what to do.
    pub async fn open(
        config: &SshConfig,
        data: &Path,
        services: &Arc<Services>,
        way: Way,
    ) -> anyhow::Result<Option<Self>> {
        if config.listen.is_empty() {
            return Ok(None);
        }
        let listen: SocketAddr = config
            .listen
            .parse()
            .with_context(|| format!("ssh.listen \"{}\" is no address with a port", config.listen))?;
        if config.sessions == 0 || config.idle_minutes == 0 || config.silent_secs == 0 {
            bail!(
                "ssh.sessions, ssh.idle_minutes and ssh.silent_secs are 1 at least; to show nothing over SSH leave ssh.listen empty"
            );
        }
        let program = program(&config.program)?;
        let key = host_key(&data.join(HOST_KEY))?;
        let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
        let listener = TcpListener::bind(listen).await;
        let listener = listener.with_context(|| {
            format!("cannot listen on {listen} for SSH: stop what uses that port, or choose another (ssh.listen)")
        })?;
        let address = listener.local_addr()?;
        let folder = data.join(FOLDER);
        screen::clear(&folder)?;
        let house = Arc::new(House {
            services: Arc::clone(services),
            way,
            program,
            folder,
            seats: Arc::new(Semaphore::new(config.sessions)),
            most: config.sessions,
            idle: Duration::from_secs(u64::from(config.idle_minutes) * 60),
            silent: Duration::from_secs(u64::from(config.silent_secs)),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        services.door_is_open(SshDoor { listen: address.to_string(), host_key: fingerprint.clone() });
        house.tasks.spawn(Arc::clone(&house).welcome(listener, protocol(key, house.silent)));
        tracing::info!(ssh = %address, host_key = fingerprint, "the dashboard is shown over SSH");
        Ok(Some(Self { house, address }))
    }

    /// Where visitors come.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows everybody out.
    pub async fn shutdown(self) {
        self.house.stop.cancel();
        self.house.tasks.close();
        self.house.tasks.wait().await;
    }
}

impl House {
    /// Takes visitors in until the daemon stops.
    async fn welcome(self: Arc<Self>, listener: TcpListener, protocol: Arc<Config>) {
        let places = Arc::new(Semaphore::new(WAITING));
        loop {
            let came = tokio::select! {
                () = self.stop.cancelled() => return,
                came = listener.accept() => came,
            };
            match came {
                // Whoever comes while all places are taken is let go at once: nothing of this costs memory.
                Ok((socket, address)) => {
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let (house, protocol) = (Arc::clone(&self), Arc::clone(&protocol));
                    self.tasks.spawn(house.attend(socket, address, place, protocol));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection by SSH could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// One connection, to its end.
    async fn attend(
        self: Arc<Self>,
        socket: TcpStream,
        address: SocketAddr,
        place: OwnedSemaphorePermit,
        protocol: Arc<Config>,
    ) {
        // A second handle on the socket: a peer who reads nothing cannot hold the first one open.
        let Ok((socket, cut)) = twice(socket) else { return };
        let Ok(line) = Line::new(socket, self.silent) else { return };
        let visitor = Visitor::new(Arc::clone(&self), address.ip().to_string(), place, line.heard());
        let served = visitor.served();
        let leaving = visitor.leaving();
        let talk = async {
            match run_stream(protocol, line, visitor).await {
                Ok(running) => running.await,
                Err(error) => Err(error),
            }
        };
        let mut talk = std::pin::pin!(talk);
        let late = async {
            if timeout(GRACE, served.cancelled()).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        let shown_out = async {
            leaving.cancelled().await;
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            ended = &mut talk => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a visitor by SSH has gone");
                }
                return;
            }
            () = late => {}
            () = shown_out => {}
        }
        drop(cut.shutdown(Shutdown::Both));
        drop(timeout(FAREWELL, talk).await);
    }
}

fn twice(socket: TcpStream) -> std::io::Result<(TcpStream, std::net::TcpStream)> {
    let socket = socket.into_std()?;
    let other = socket.try_clone()?;
    Ok((TcpStream::from_std(socket)?, other))
}

/// What is spoken: public keys alone, and no algorithm that OpenSSH has left behind.
fn protocol(key: PrivateKey, silent: Duration) -> Arc<Config> {
    Arc::new(Config {
        server_id: SshId::Standard("SSH-2.0-Tomo".into()),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        keys: vec![key],
        auth_rejection_time: Duration::from_millis(300),
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: ATTEMPTS,
        inactivity_timeout: None,
        keepalive_interval: Some(silent / ASKED),
        keepalive_max: 3,
        preferred: Preferred { compression: vec![russh::compression::NONE].into(), ..Preferred::DEFAULT },
        ..Config::default()
    })
}

/// The program `tomo`: the one that is named, or the one beside this program.
fn program(named: &Path) -> anyhow::Result<PathBuf> {
    let program = if named.as_os_str().is_empty() {
        std::env::current_exe().context("cannot tell where this program lies")?.with_file_name("tomo")
    } else {
        named.to_owned()
    };
    if !program.is_file() {
        bail!("there is no program {}: install tomo, or say where it is (ssh.program)", program.display());
    }
    Ok(program)
}

/// The host key of a data folder; made at the first start.
fn host_key(path: &Path) -> anyhow::Result<PrivateKey> {
    if !path.exists() {
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).context("cannot make a host key")?;
        crypto::write_private(path, key.to_openssh(LineEnding::LF)?.as_bytes())?;
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let key = PrivateKey::from_openssh(&text);
    key.with_context(|| {
        format!("{} is no SSH key: move it away, and another is made at the next start", path.display())
    })
}
