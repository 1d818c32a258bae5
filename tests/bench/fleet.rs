//! A thousand made-up agents on one daemon: how soon all are connected, and what they cost it.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use tempfile::TempDir;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tomo_agent::{
    agent::Agent,
    collectors::{Source, Synthetic},
    exec::Exec,
    identity,
};
use tomo_proto::{api::overview::Overview, wire::handshake::TOO_MANY_ENROLMENTS};
use tomo_tests::{daemon::TestDaemon, eventually::eventually_within};

use crate::{
    Windows,
    measure::{Cpu, Memory, Row, mebibytes, median},
};

const AGENTS: usize = 1_000;
/// Enrolments under way at a time; a daemon takes 50 a second from one address.
const AT_A_TIME: usize = 8;
const PATIENCE: Duration = Duration::from_secs(120);

/// Made-up agents in this process.
pub(crate) struct Fleet {
    folder: TempDir,
    agents: Vec<Agent>,
    count: usize,
}

impl Fleet {
    /// Enrolls agents; none runs yet.
    pub(crate) async fn enroll(daemon: &TestDaemon, count: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let enroll = async |number: usize| {
            let token = daemon.enrolment(&name(number), &[("fleet", "bench")]).await;
            while let Err(error) = identity::enroll(&token, &folder.path().join(number.to_string())).await {
                assert!(format!("{error:#}").contains(TOO_MANY_ENROLMENTS), "{error:#}");
                sleep(Duration::from_millis(100)).await;
            }
        };
        stream::iter(0..count).for_each_concurrent(AT_A_TIME, enroll).await;
        Self { folder, agents: Vec::new(), count }
    }

    /// Starts them all in one moment.
    pub(crate) fn start(&mut self) {
        for number in 0..self.count {
            let seed = u64::try_from(number).expect("it is small");
            let source = Source::Synthetic(Box::new(Synthetic::new(seed)));
            let state = self.folder.path().join(number.to_string());
            self.agents.push(Agent::start(&state, source, Exec::without_engine()).expect("the agent starts"));
        }
    }

    pub(crate) async fn stop(self) {
        let mut ending: JoinSet<()> = self.agents.into_iter().map(Agent::shutdown).collect();
        while ending.join_next().await.is_some() {}
    }
}

pub(crate) fn name(number: usize) -> String {
    format!("bench-{number:04}")
}

/// How long it takes until so many servers are connected.
pub(crate) async fn all_connected(daemon: &TestDaemon, count: usize) -> Duration {
    let began = Instant::now();
    let what = format!("{count} agents are connected");
    eventually_within(PATIENCE, &what, async || {
        let servers = daemon.admin().call(&Overview::default()).await.ok()?.servers;
        (usize::try_from(servers.up + servers.degraded).ok()? == count).then_some(())
    })
    .await;
    began.elapsed()
}

pub(crate) async fn run(windows: Windows) -> Vec<Row> {
    let mut daemon = TestDaemon::spawn().await;
    let began = Instant::now();
    let mut fleet = Fleet::enroll(&daemon, AGENTS).await;
    eprintln!("  {AGENTS} enrolled in {:.1} s", began.elapsed().as_secs_f64());
    fleet.start();
    let first = all_connected(&daemon, AGENTS).await;
    // The first samples and facts of all are in.
    sleep(Duration::from_secs(15)).await;
    let pid = daemon.program().pid();
    let mut cpu = Cpu::of(pid);
    let mut shares = Vec::new();
    for _ in 0..windows.count {
        let ((), spent, passed) = cpu.during(sleep(windows.length)).await;
        shares.push(spent.as_secs_f64() / passed.as_secs_f64());
    }
    let memory = Memory::of(pid);
    daemon.halt().await;
    daemon.respawn().await;
    let again = all_connected(&daemon, AGENTS).await;
    fleet.stop().await;
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    vec![
        Row::alone("1,000 agents started at once, all connected after", seconds(first)),
        Row::alone("1,000 agents after a restart of the daemon, all back after", seconds(again)),
        Row::alone("daemon with 1,000 agents at 10 s, CPU", format!("{:.3} cores", median(shares.into_iter()))),
        Row::alone("daemon with 1,000 agents, RSS", format!("{:.0} MiB", mebibytes(memory.resident))),
        Row::alone("daemon with 1,000 agents, peak RSS", format!("{:.0} MiB", mebibytes(memory.peak))),
    ]
}
