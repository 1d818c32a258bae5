//! A real daemon with a folder of its own: in this process (fast, with a clock a test can move) or as the binary.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;
use tokio::process::Command;
use tomo_daemon::{clock::Clock, config::Config, daemon::Daemon};
use tomo_proto::{
    api::person::{CreateEnrolment, CreateToken, CreateUser, Login, LoginAnswer, SecretText},
    model::user::{Role, Scope, Selectors},
};

use crate::{cli, disk::SmallDisk, eventually::eventually, http::Http, program, program::Program};

/// Name of the first admin.
pub const ADMIN: &str = "admin";
/// Password of every account the harness makes.
pub const PASSWORD: &str = "correct horse battery staple";

/// What the binary logs when it shows the dashboard over SSH.
const SHOWN_OVER_SSH: &str = "the dashboard is shown over SSH";

/// How a daemon is started.
#[derive(Debug, Default)]
pub struct Setup {
    settings: Vec<(String, String)>,
    log: Option<&'static str>,
    clock: Clock,
    disk_megabytes: Option<u32>,
}

/// A daemon under test. In-process ones end with the test's runtime, programs are killed, unless they were stopped before.
#[derive(Debug)]
pub struct TestDaemon {
    disk: Option<SmallDisk>,
    folder: TempDir,
    setup: Setup,
    running: Option<Running>,
    url: String,
    http: SocketAddr,
    hub: SocketAddr,
}

#[derive(Debug)]
enum Running {
    InProcess(Box<Daemon>),
    Program(Box<Program>),
}

impl Setup {
    /// Configures a key as its environment variable does, without the head: `HTTP__ALLOWED_HOSTS`, `["tomo.lan"]`.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Uses a clock that the test moves (in-process daemons only).
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// What the binary logs, instead of what it usually does.
    #[must_use]
    pub const fn log(mut self, targets: &'static str) -> Self {
        self.log = Some(targets);
        self
    }

    /// Puts the data on a disk of its own, which the test can fill. Needs root.
    #[must_use]
    pub fn on_small_disk(mut self, megabytes: u32) -> Self {
        self.disk_megabytes = Some(megabytes);
        self
    }

    /// Makes the data and serves in this process.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start(self) -> TestDaemon {
        let mut daemon = TestDaemon::prepare(self);
        Daemon::init(&daemon.data(), Some((ADMIN, PASSWORD)), &daemon.setup.clock).await.expect("the data is made");
        daemon.resume().await;
        daemon
    }

    /// Makes the data and serves with the `tomo-daemon` binary.
    ///
    /// # Panics
    /// It does not start.
    pub async fn spawn(self) -> TestDaemon {
        let mut daemon = TestDaemon::prepare(self);
        let mut init = daemon.command();
        let made = cli::run(init.args(["init", "--password-stdin"]), PASSWORD).await;
        assert_eq!(made.code, Some(0), "{made:?}");
        daemon.respawn().await;
        daemon
    }
}

impl TestDaemon {
    /// A daemon in this process, with everything as it comes.
    pub async fn start() -> Self {
        Setup::default().start().await
    }

    /// The real binary, with everything as it comes.
    pub async fn spawn() -> Self {
        Setup::default().spawn().await
    }

    /// Data that an earlier release left, from an archive in `tests/golden`; nothing serves it yet.
    ///
    /// # Panics
    /// There is no such archive, or no `tar`.
    pub async fn golden(archive: &str) -> Self {
        let daemon = Self::prepare(Setup::default());
        let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(archive);
        let mut unpack = Command::new("tar");
        unpack.arg("-xzf").arg(archive).arg("-C").arg(daemon.folder.path()).arg("--no-same-owner");
        drop(cli::run(&mut unpack, "").await.ok());
        daemon
    }

    fn prepare(setup: Setup) -> Self {
        let folder = tempfile::Builder::new().prefix("tomo-test-").tempdir().expect("a folder can be made");
        std::fs::write(folder.path().join("daemon.toml"), "").expect("a file can be written");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let disk = setup.disk_megabytes.map(|size| SmallDisk::mount(&folder.path().join("data"), size));
        Self { disk, folder, setup, running: None, url: String::new(), http: nowhere, hub: nowhere }
    }

    /// Its settings in their order: addresses stay the same over a restart, unless the test names them.
    fn settings(&self) -> Vec<(String, String)> {
        let own = [
            ("DATA", self.data().display().to_string()),
            ("SOCKET__PATH", self.socket().display().to_string()),
            ("HTTP__LISTEN", self.http.to_string()),
            ("HUB__LISTEN", self.hub.to_string()),
        ];
        let own = own.map(|(key, value)| (key.to_owned(), value));
        let given =
            self.setup.settings.iter().filter(|(key, _)| self.running_once().is_none() || !key.ends_with("LISTEN"));
        let all = own.into_iter().chain(given.cloned());
        all.map(|(key, value)| (format!("TOMO_DAEMON__{key}"), value)).collect()
    }

    fn running_once(&self) -> Option<()> {
        (self.http.port() != 0).then_some(())
    }

    /// The `tomo-daemon` binary with this daemon's configuration, for its other subcommands.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(program::path("tomo-daemon"));
        command
            .arg("--config")
            .arg(self.folder.path().join("daemon.toml"))
            .env_clear()
            .env("NO_COLOR", "1")
            .envs(self.setup.log.map(|targets| ("TOMO_LOG", targets)))
            .envs(self.settings());
        command
    }

    /// Serves in this process again, at the same addresses, after [`Self::halt`].
    ///
    /// # Panics
    /// It does not start.
    pub async fn resume(&mut self) {
        let file = self.folder.path().join("daemon.toml");
        let config = Config::load(Some(&file), self.settings().into_iter()).expect("the settings fit");
        // The endpoint of an earlier daemon of this process lets go of its port a moment after its end.
        let start = async || match Daemon::start(config.clone(), self.setup.clock.clone()).await {
            Err(error) if format!("{error:#}").contains("in use") => None,
            started => Some(started),
        };
        let daemon = eventually("the ports are free", start).await.expect("the daemon starts");
        self.found_at(daemon.http_addr(), daemon.hub_addr());
        self.running = Some(Running::InProcess(Box::new(daemon)));
    }

    /// Serves with the binary again, at the same addresses, after [`Self::halt`] or [`Self::kill`].
    ///
    /// # Panics
    /// It does not start.
    pub async fn respawn(&mut self) {
        let mut program = Program::spawn(self.command().arg("run"), "").await;
        let said = program.logged("listening for clients on ").await;
        let (http, hub) = said.split_once(" and for agents on ").expect("both addresses are told");
        if self.setup.settings.iter().any(|(key, _)| key == "SSH__LISTEN") {
            program.logged(SHOWN_OVER_SSH).await;
        }
        self.found_at(http.parse().expect("an address"), hub.trim().parse().expect("an address"));
        self.running = Some(Running::Program(Box::new(program)));
    }

    fn found_at(&mut self, http: SocketAddr, hub: SocketAddr) {
        let scheme = if http.ip().is_loopback() { "http" } else { "https" };
        let host = if http.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], http.port())) } else { http };
        self.url = format!("{scheme}://{host}");
        (self.http, self.hub) = (http, hub);
    }

    /// `http://127.0.0.1:PORT`, or `https://…` if it listens elsewhere.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The local socket, where whoever runs the test is an admin if that is root.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("tomo.sock")
    }

    /// Where agents connect.
    #[must_use]
    pub const fn hub(&self) -> SocketAddr {
        self.hub
    }

    /// Where the dashboard is shown over SSH, if it is.
    #[must_use]
    pub fn ssh_addr(&self) -> Option<SocketAddr> {
        match &self.running {
            Some(Running::InProcess(daemon)) => daemon.ssh_addr(),
            Some(Running::Program(program)) => {
                let log = program.log();
                let told = log.lines().find(|line| line.contains(SHOWN_OVER_SSH))?;
                told.split_whitespace().find_map(|word| word.strip_prefix("ssh="))?.parse().ok()
            }
            None => None,
        }
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder that goes with the daemon.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The disk under the data.
    ///
    /// # Panics
    /// It has none of its own.
    #[must_use]
    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("the daemon was set up on a small disk")
    }

    /// The running binary, of a spawned daemon.
    ///
    /// # Panics
    /// It does not run, or runs in this process.
    pub fn program(&mut self) -> &mut Program {
        match &mut self.running {
            Some(Running::Program(program)) => program,
            _ => panic!("this daemon is no running program"),
        }
    }

    /// Stops it in good order; the data stays.
    pub async fn halt(&mut self) {
        match self.running.take() {
            Some(Running::InProcess(daemon)) => daemon.shutdown().await,
            Some(Running::Program(program)) => drop(program.stop().await),
            None => {}
        }
    }

    /// Kills a spawned daemon (SIGKILL); the data stays.
    ///
    /// # Panics
    /// It does not run, or runs in this process.
    pub async fn kill(&mut self) {
        match self.running.take() {
            Some(Running::Program(program)) => program.kill().await,
            _ => panic!("only a running program can be killed"),
        }
    }

    /// Waits for the end of a spawned daemon that somebody else kills; the data stays.
    ///
    /// # Panics
    /// It does not run, or goes on.
    pub async fn ended(&mut self) {
        match self.running.take() {
            Some(Running::Program(mut program)) => drop(program.wait().await),
            _ => panic!("only a running program can be killed"),
        }
    }

    /// Stops it in good order, for good.
    pub async fn stop(mut self) {
        self.halt().await;
    }

    /// HTTP over TCP, as nobody yet.
    #[must_use]
    pub fn http(&self) -> Http {
        Http::tcp(&self.url, &self.data().join("ca.pem"))
    }

    /// HTTP over the local socket: an admin, if the test runs as root.
    #[must_use]
    pub fn admin(&self) -> Http {
        Http::socket(&self.socket(), &self.data().join("ca.pem"))
    }

    /// Makes an account.
    ///
    /// # Panics
    /// It is refused.
    pub async fn create_user(&self, name: &str, role: Role) {
        let password = SecretText::new(PASSWORD);
        let request = CreateUser { username: name.to_owned(), password, role, email: None };
        self.admin().person(&request).await.expect("the account is made");
    }

    /// Signs an account of the harness in.
    ///
    /// # Panics
    /// It is refused.
    pub async fn login(&self, name: &str) -> LoginAnswer {
        let login = Login { username: name.to_owned(), password: SecretText::new(PASSWORD) };
        self.http().person(&login).await.expect("the login is good")
    }

    /// A person of a role, newly made and signed in, over TCP.
    pub async fn sign_in_as(&self, role: Role) -> Http {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", role.as_str(), COUNT.fetch_add(1, Ordering::Relaxed));
        self.create_user(&name, role).await;
        let login = self.login(&name).await;
        self.http().bearer(login.access_token.reveal())
    }

    /// A new API token of the local socket's admin with these rights, over TCP.
    pub async fn token(&self, scopes: &[Scope]) -> Http {
        self.http().bearer(&self.create_token(scopes, Selectors::default()).await)
    }

    /// The text of a new API token with these rights, which sees only what is selected.
    ///
    /// # Panics
    /// It is refused.
    pub async fn create_token(&self, scopes: &[Scope], selectors: Selectors) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("token-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let request = CreateToken { name, scopes: scopes.iter().copied().collect(), selectors, expires_in_days: None };
        let made = self.admin().person(&request).await.expect("the token is made");
        made.secret.reveal().to_owned()
    }

    /// A one-time token for `tomo-agent enroll`.
    ///
    /// # Panics
    /// It is refused.
    pub async fn enrolment(&self, server: &str, labels: &[(&str, &str)]) -> String {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let request = CreateEnrolment { server: server.to_owned(), labels, expires_in_minutes: None };
        let made = self.admin().person(&request).await.expect("the enrolment is made");
        made.token.reveal().to_owned()
    }
}
