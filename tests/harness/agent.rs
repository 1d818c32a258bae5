//! A real agent with a folder of its own: in this process or as the binary, on this host or with made-up figures.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;
use tomo_agent::{
    agent::Agent,
    collectors::{HostCollectors, Source, Synthetic},
    exec::{Exec, ExecConfig},
    identity,
    link::Status,
};

use crate::{
    cli,
    daemon::TestDaemon,
    eventually::PATIENCE,
    host::Namespace,
    program::{self, Program},
};

/// A policy file that allows everything a policy can allow.
pub const ALLOW_ALL: &str = "verbs = [\"start\", \"stop\", \"restart\", \"remove\", \"logs\", \"inspect\", \"pull\", \"create\", \"deploy\", \"backup\", \"restore\"]\n\
    foreign = [\"start\", \"stop\", \"restart\", \"remove\", \"logs\", \"inspect\", \"adopt\", \"backup\", \"terminal\"]\n\
    terminal = true\nimages = [\"*\"]\nports = [\"1024-65535\"]\nbind_roots = [\"/srv\", \"/tmp\"]\n";
/// A policy file that allows nothing but metrics.
pub const ALLOW_NOTHING: &str = "verbs = []\n";
/// The engine's socket.
pub const ENGINE: &str = "/var/run/docker.sock";

/// An agent under test. In-process ones end with the test's runtime, programs are killed, unless they were stopped before.
#[derive(Debug)]
pub struct TestAgent {
    folder: TempDir,
    kind: Kind,
    namespace: Option<String>,
    engine: PathBuf,
    running: Option<Running>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Host,
    Synthetic(u64),
    Program,
    Halves,
}

/// A half of an agent that runs as two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// The one with the network.
    Link,
    /// The one with the engine.
    Exec,
}

#[derive(Debug)]
enum Running {
    InProcess(Agent),
    Program(Program),
    Halves { link: Option<Box<Program>>, exec: Option<Box<Program>> },
}

impl TestAgent {
    /// Enrolls and starts an agent of this host and its engine in this process, and waits until it is connected.
    pub async fn start(daemon: &TestDaemon, server: &str, policy: &str) -> Self {
        Self::begin(daemon, server, policy, Kind::Host).await
    }

    /// Enrolls and starts an agent with made-up figures and no engine in this process, and waits until it is connected.
    pub async fn synthetic(daemon: &TestDaemon, server: &str) -> Self {
        Self::begin(daemon, server, ALLOW_NOTHING, Kind::Synthetic(1)).await
    }

    /// Enrolls and starts the `tomo-agent` binary, and waits until it is connected.
    pub async fn spawn(daemon: &TestDaemon, server: &str, policy: &str) -> Self {
        Self::begin(daemon, server, policy, Kind::Program).await
    }

    /// Enrolls and starts the `tomo-agent` binary as two processes, as its units do, and waits until it is connected.
    pub async fn halves(daemon: &TestDaemon, server: &str, policy: &str) -> Self {
        Self::begin(daemon, server, policy, Kind::Halves).await
    }

    /// The same in a network namespace.
    pub async fn spawn_in(daemon: &TestDaemon, server: &str, policy: &str, namespace: &Namespace) -> Self {
        let mut agent = Self::prepare(policy, Kind::Program);
        agent.namespace = Some(namespace.name().to_owned());
        agent.enroll(daemon, server).await;
        agent.resume().await;
        agent
    }

    /// Enrolls and starts the `tomo-agent` binary as on a host where everything is allowed and no engine answers.
    pub async fn without_engine(daemon: &TestDaemon, server: &str) -> Self {
        let mut agent = Self::prepare(ALLOW_ALL, Kind::Program);
        agent.engine = agent.folder.path().join("no-engine.sock");
        agent.enroll(daemon, server).await;
        agent.resume().await;
        agent
    }

    /// Enrolls and starts the `tomo-agent` binary as on a host whose engine is at a socket, and waits until it is connected.
    pub async fn with_engine(daemon: &TestDaemon, server: &str, policy: &str, socket: &Path) -> Self {
        let mut agent = Self::prepare(policy, Kind::Program);
        agent.engine = socket.to_owned();
        agent.enroll(daemon, server).await;
        agent.resume().await;
        agent
    }

    async fn begin(daemon: &TestDaemon, server: &str, policy: &str, kind: Kind) -> Self {
        let mut agent = Self::prepare(policy, kind);
        agent.enroll(daemon, server).await;
        agent.resume().await;
        agent
    }

    fn prepare(policy: &str, kind: Kind) -> Self {
        let folder = tempfile::Builder::new().prefix("tomo-test-agent-").tempdir().expect("a folder can be made");
        let agent = Self { folder, kind, namespace: None, engine: PathBuf::from(ENGINE), running: None };
        agent.set_policy(policy);
        agent
    }

    async fn enroll(&self, daemon: &TestDaemon, server: &str) {
        let token = daemon.enrolment(server, &[]).await;
        match self.kind {
            Kind::Program | Kind::Halves => {
                let mut enroll = self.command();
                let enrolled = cli::run(enroll.arg("enroll"), &token).await;
                assert_eq!(enrolled.code, Some(0), "{enrolled:?}");
            }
            Kind::Host | Kind::Synthetic(_) => {
                identity::enroll(&token, &self.state()).await.expect("the agent is enrolled");
            }
        }
    }

    /// Starts it again after [`Self::halt`] or [`Self::kill`], and waits until it is connected.
    ///
    /// # Panics
    /// It does not start or connect.
    pub async fn resume(&mut self) {
        let (source, exec) = match self.kind {
            Kind::Program => {
                let mut program = Program::spawn(self.command().arg("run"), "").await;
                program.logged("connected to the daemon").await;
                self.running = Some(Running::Program(program));
                return;
            }
            Kind::Halves => {
                std::fs::create_dir_all(self.folder.path().join("run")).expect("a folder can be made");
                self.running = Some(Running::Halves { link: None, exec: None });
                self.start_half(Half::Exec).await;
                self.start_half(Half::Link).await;
                return;
            }
            Kind::Synthetic(seed) => (Source::Synthetic(Box::new(Synthetic::new(seed))), Exec::without_engine()),
            Kind::Host => {
                let journal = self.state().join("journal");
                let config = ExecConfig { policy: self.policy(), engine_socket: self.engine.clone(), journal };
                let exec = Exec::start(config);
                (Source::Host(Box::new(HostCollectors::new(&exec))), exec)
            }
        };
        let agent = Agent::start(&self.state(), source, exec).expect("the agent starts");
        let mut status = agent.status();
        let connected = status.wait_for(|status| matches!(status, Status::Connected(_)));
        let connected = tokio::time::timeout(PATIENCE, connected).await;
        drop(connected.expect("the agent connects in time").expect("the agent lives"));
        self.running = Some(Running::InProcess(agent));
    }

    fn halves_mut(&mut self, half: Half) -> &mut Option<Box<Program>> {
        match (&mut self.running, half) {
            (Some(Running::Halves { link, .. }), Half::Link) => link,
            (Some(Running::Halves { exec, .. }), Half::Exec) => exec,
            _ => panic!("this agent does not run in two halves"),
        }
    }

    /// Starts one half of an agent in two, and waits until it serves.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_half(&mut self, half: Half) {
        let mut command = self.command();
        let program = match half {
            Half::Link => {
                let mut program = Program::spawn(command.arg("link"), "").await;
                program.logged("connected to the daemon").await;
                program
            }
            Half::Exec => {
                let mut program = Program::spawn(command.arg("exec"), "").await;
                program.logged("the link can connect").await;
                program
            }
        };
        *self.halves_mut(half) = Some(Box::new(program));
    }

    /// Kills one half of an agent in two (SIGKILL).
    ///
    /// # Panics
    /// It does not run.
    pub async fn kill_half(&mut self, half: Half) {
        self.halves_mut(half).take().expect("that half runs").kill().await;
    }

    /// A running half of an agent in two.
    ///
    /// # Panics
    /// It does not run.
    pub fn half(&mut self, half: Half) -> &mut Program {
        self.halves_mut(half).as_mut().expect("that half runs")
    }

    /// Where the half with the engine listens.
    #[must_use]
    pub fn exec_socket(&self) -> PathBuf {
        self.folder.path().join("run/exec.sock")
    }

    /// The `tomo-agent` binary with this agent's folders.
    #[must_use]
    pub fn command(&self) -> Command {
        let binary = program::path("tomo-agent");
        let mut command = match &self.namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command.arg("--state").arg(self.state()).arg("--policy").arg(self.policy());
        command.env_clear().env("NO_COLOR", "1").env("TOMO_AGENT__ENGINE_SOCKET", &self.engine);
        command.env("TOMO_AGENT__EXEC_SOCKET", self.exec_socket());
        command.env("PATH", std::env::var("PATH").unwrap_or_default());
        command
    }

    /// Replaces the host's policy file; the agent reads it anew.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn set_policy(&self, text: &str) {
        std::fs::write(self.policy(), text).expect("the policy file can be written");
    }

    /// The host's policy file.
    #[must_use]
    pub fn policy(&self) -> PathBuf {
        self.folder.path().join("policy.toml")
    }

    /// The folder of its identity.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A folder that goes with the agent.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The running agent of this process, for its status.
    ///
    /// # Panics
    /// It does not run, or is a program.
    #[must_use]
    pub fn in_process(&self) -> &Agent {
        match &self.running {
            Some(Running::InProcess(agent)) => agent,
            _ => panic!("this agent does not run in this process"),
        }
    }

    /// The running binary, of a spawned agent.
    ///
    /// # Panics
    /// It does not run, or runs in this process.
    pub fn program(&mut self) -> &mut Program {
        match &mut self.running {
            Some(Running::Program(program)) => program,
            _ => panic!("this agent is no running program"),
        }
    }

    /// Stops it in good order; its identity stays.
    pub async fn halt(&mut self) {
        match self.running.take() {
            Some(Running::InProcess(agent)) => agent.shutdown().await,
            Some(Running::Program(program)) => drop(program.stop().await),
            Some(Running::Halves { link, exec }) => {
                for program in [link, exec].into_iter().flatten() {
                    program.stop().await;
                }
            }
            None => {}
        }
    }

    /// Kills a spawned agent (SIGKILL); its identity stays.
    ///
    /// # Panics
    /// It does not run, or runs in this process.
    pub async fn kill(&mut self) {
        match self.running.take() {
            Some(Running::Program(program)) => program.kill().await,
            _ => panic!("only a running program can be killed"),
        }
    }

    /// Stops it in good order, for good.
    pub async fn stop(mut self) {
        self.halt().await;
    }
}
