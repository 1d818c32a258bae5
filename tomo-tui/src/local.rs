//! `tomo local`: daemon, agent and dashboard in one process, over the same QUIC link as anywhere else, with the store below the
//! person's own data folder. The only module that knows the daemon's and the agent's crates.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use futures::{StreamExt as _, TryStreamExt as _, future::join_all, stream};
use serde::Serialize;
use tokio::time::sleep;
use tomo_agent::{
    agent::Agent,
    collectors::{HostCollectors, Source, Synthetic},
    exec::{Exec, ExecConfig},
    identity,
};
use tomo_daemon::{
    clock::Clock,
    config::{BackupsConfig, CatalogConfig, Config, HttpConfig, HubConfig, SocketConfig, SshConfig, VaultConfig},
    daemon::Daemon,
    services::{HandlePerson as _, access::Caller},
};
use tomo_proto::{
    api::{
        agent::AgentRevoke,
        auth::AuthTokenRevoke,
        person::{CreateEnrolment, CreateToken, SecretText},
    },
    error::ErrorCode,
    model::user::Scope,
    wire::handshake::TOO_MANY_ENROLMENTS,
};

/// What the policy file of `tomo local` says: deploys, backups, other containers and terminals into them, nothing privileged.
const POLICY: &str = "# What Tomo may do on this machine. Written once by `tomo local`; change it as you like.\n\
    verbs = [\"start\", \"stop\", \"restart\", \"remove\", \"logs\", \"inspect\", \"pull\", \"create\", \"deploy\", \"backup\", \"restore\"]\n\
    foreign = [\"start\", \"stop\", \"restart\", \"remove\", \"logs\", \"inspect\", \"terminal\", \"backup\", \"adopt\"]\n\
    terminal = true\n\
    images = [\"*\"]\n\
    ports = [\"1024-65535\"]\n\
    bind_roots = []\n";

/// Name of the token that `--headless` prints.
const TOKEN: &str = "local";
/// Made-up agents that enroll at a time.
const AT_A_TIME: usize = 16;
/// When a daemon is asked again that took no more of them.
const SOON: Duration = Duration::from_millis(100);
/// The engine's usual socket.
const ENGINE: &str = "/var/run/docker.sock";

/// How it is started.
#[derive(Debug, Clone)]
pub(crate) struct LocalOptions {
    /// Data folder; below the person's own one without.
    pub(crate) data: Option<PathBuf>,
    /// TCP and UDP port; 0 for free ones.
    pub(crate) port: u16,
    /// Made-up servers to add.
    pub(crate) demo: usize,
}

/// The running whole.
pub(crate) struct Local {
    /// Held while it runs.
    _lock: fs::File,
    daemon: Daemon,
    agents: Vec<Agent>,
    /// Where programs connect, and the admin's socket.
    pub(crate) url: String,
    pub(crate) socket: PathBuf,
    pub(crate) data: PathBuf,
}

/// The one line that `--headless` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Announcement {
    url: String,
    socket: String,
    token: SecretText,
}

/// Where `tomo local` keeps its data.
pub(crate) fn data_folder(given: Option<&Path>) -> PathBuf {
    given.map_or_else(|| crate::client::folder("XDG_DATA_HOME", ".local/share").join("local"), Path::to_owned)
}

/// Makes the data folder, for nobody else to look into.
pub(crate) fn make_folder(data: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("cannot make {}", data.display()))
}

/// Where the daemon will listen for this machine's own users.
pub(crate) fn socket_url(options: &LocalOptions) -> String {
    format!("unix:{}", socket(&data_folder(options.data.as_deref())).display())
}

fn socket(data: &Path) -> PathBuf {
    data.join("tomo.sock")
}

impl Local {
    pub(crate) async fn start(options: &LocalOptions) -> anyhow::Result<Self> {
        let data = data_folder(options.data.as_deref());
        make_folder(&data)?;
        let socket = socket(&data);
        let lock = lock(&data, &socket)?;
        let daemon_folder = data.join("daemon");
        let clock = Clock::system();
        if !daemon_folder.join("tomo.redb").exists() {
            // Nobody signs in with a password here: the socket is enough. The account owns the tokens.
            let password = tomo_daemon::crypto::hex(&tomo_daemon::crypto::random_bytes::<24>());
            Daemon::init(&daemon_folder, Some(("admin", &password)), &clock).await?;
        }
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let config = Config {
            data: daemon_folder,
            http: HttpConfig { listen: loopback(options.port), allowed_hosts: Vec::new(), allowed_origins: Vec::new() },
            hub: HubConfig { listen: loopback(options.port), advertise: Vec::new() },
            socket: SocketConfig {
                path: socket.clone(),
                admin_uid: Some(rustix::process::getuid().as_raw()),
                admin_group: String::new(),
            },
            vault: VaultConfig::default(),
            catalog: CatalogConfig::default(),
            backups: BackupsConfig::default(),
            ssh: SshConfig::default(),
        };
        let daemon = Daemon::start(config, clock).await.context("tomo local does not start")?;
        let url = format!("http://{}", daemon.http_addr());
        let mut local = Self { _lock: lock, daemon, agents: Vec::new(), url, socket, data };
        if let Err(error) = local.start_agents(options.demo).await {
            local.shutdown().await;
            return Err(error);
        }
        Ok(local)
    }

    fn caller(&self) -> Caller {
        self.daemon.services().socket_caller(rustix::process::getuid().as_raw(), "local".to_owned())
    }

    async fn start_agents(&mut self, demo: usize) -> anyhow::Result<()> {
        let policy = self.data.join("agent-policy.toml");
        if !policy.exists() {
            fs::write(&policy, POLICY).with_context(|| format!("cannot write {}", policy.display()))?;
        }
        let state = self.data.join("agent");
        self.enroll(&state, &host_name(), &[]).await?;
        let journal = state.join("journal");
        let exec = Exec::start(ExecConfig { policy, engine_socket: PathBuf::from(ENGINE), journal });
        let source = Source::Host(Box::new(HostCollectors::new(&exec)));
        self.agents.push(Agent::start(&state, source, exec)?);
        let made_up = stream::iter(1..=demo).map(|number| self.start_made_up(number)).buffered(AT_A_TIME);
        let made_up: Vec<Agent> = made_up.try_collect().await?;
        self.agents.extend(made_up);
        // An earlier start may have had more of them.
        let mut number = demo + 1;
        while self.made_up_state(number).exists() {
            self.remove_made_up(number).await?;
            number += 1;
        }
        Ok(())
    }

    fn made_up_state(&self, number: usize) -> PathBuf {
        self.data.join(format!("demo/{number}"))
    }

    async fn start_made_up(&self, number: usize) -> anyhow::Result<Agent> {
        let made_up = made_up(number);
        let labels = [("demo", "yes"), ("role", made_up.role())];
        let state = self.made_up_state(number);
        let is_new = self.enroll(&state, &made_up_name(number), &labels).await?;
        let source = Source::Synthetic(Box::new(if is_new { made_up.with_past() } else { made_up }));
        Agent::start(&state, source, Exec::without_engine())
    }

    /// Forgets a made-up server. Nobody has to agree to that, so it leaves no plan behind.
    async fn remove_made_up(&self, number: usize) -> anyhow::Result<()> {
        match self.daemon.services().forget_made_up_server(&self.caller(), &made_up_name(number)).await {
            Ok(()) => {}
            // Somebody has removed it already.
            Err(error) if error.error.code == ErrorCode::NotFound => {}
            Err(error) => return Err(error.error.into()),
        }
        let state = self.made_up_state(number);
        fs::remove_dir_all(&state).with_context(|| format!("cannot remove {}", state.display()))
    }

    /// Enrolls an agent whose state folder has no identity yet, and says whether it did. The port may differ from the last start:
    /// the address is renewed.
    async fn enroll(&self, state: &Path, server: &str, labels: &[(&str, &str)]) -> anyhow::Result<bool> {
        if identity::set_addresses(state, vec![self.daemon.hub_addr().to_string()])? {
            return Ok(false);
        }
        // A start that was cut short may have left an agent that nobody has the identity of. There may be none.
        let reason = Some("its identity was never written".to_owned());
        let revoked =
            self.daemon.services().call(&self.caller(), AgentRevoke { agent: server.to_owned(), reason }).await;
        drop(revoked);
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let request = CreateEnrolment { server: server.to_owned(), labels, expires_in_minutes: None };
        let made = self.daemon.services().handle_person(&self.caller(), request).await.map_err(|error| error.error)?;
        // The daemon takes some a second from one address, also from its own.
        while let Err(error) = identity::enroll(made.token.reveal(), state).await {
            if !format!("{error:#}").contains(TOO_MANY_ENROLMENTS) {
                return Err(error);
            }
            sleep(SOON).await;
        }
        Ok(true)
    }

    /// A fresh API token for programs, which replaces the last start's one.
    pub(crate) async fn announce(&self) -> anyhow::Result<Announcement> {
        let services = self.daemon.services();
        // There may be none yet.
        let revoked = services.call(&self.caller(), AuthTokenRevoke { token: TOKEN.to_owned() }).await;
        drop(revoked);
        let scopes = [Scope::Read, Scope::Audit, Scope::Operate, Scope::Plan, Scope::Deploy].into();
        let request =
            CreateToken { name: TOKEN.to_owned(), scopes, selectors: Default::default(), expires_in_days: None };
        let made = services.handle_person(&self.caller(), request).await.map_err(|error| error.error)?;
        let announcement =
            Announcement { url: self.url.clone(), socket: self.socket.display().to_string(), token: made.secret };
        let path = self.data.join("local.json");
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        serde_json::to_writer(file.with_context(|| format!("cannot write {}", path.display()))?, &announcement)?;
        Ok(announcement)
    }

    pub(crate) async fn shutdown(self) {
        join_all(self.agents.into_iter().map(Agent::shutdown)).await;
        self.daemon.shutdown().await;
    }
}

/// Makes sure that this is the only one on its data.
fn lock(data: &Path, socket: &Path) -> anyhow::Result<fs::File> {
    use rustix::fs::{FlockOperation, flock};
    let path = data.join("lock");
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!(
            "tomo local runs already on {}: look at it with `tomo --url unix:{}`, or give another --data",
            data.display(),
            socket.display()
        );
    }
    Ok(file)
}

/// The made-up server of a number.
fn made_up(number: usize) -> Synthetic {
    Synthetic::new(u64::try_from(number).unwrap_or(0))
}

fn made_up_name(number: usize) -> String {
    format!("demo-{}-{number}", made_up(number).role())
}

/// This machine's name as a server's name.
fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let plain: String =
        name.chars().map(|one| if one.is_ascii_alphanumeric() || one == '-' { one } else { '-' }).collect();
    let plain: String = plain.trim_matches('-').chars().take(40).collect();
    if tomo_proto::api::check_name(&plain).is_ok() { plain } else { "this-machine".to_owned() }
}

/// Waits for SIGTERM, SIGINT or a hang-up.
pub(crate) async fn wait_for_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let [mut term, mut int, mut hangup] = kinds.map(signal);
    let (Ok(term), Ok(int), Ok(hangup)) = (&mut term, &mut int, &mut hangup) else {
        bail!("signals cannot be listened for")
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
