//! The agent at one sample a second against node_exporter, scraped as often.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::{Instant, interval, sleep};
use tomo_proto::{
    api::{
        plan::{PlanApply, PlanApprove},
        settings::SettingsSet,
    },
    model::settings::SettingChange,
};
use tomo_tests::{
    agent::{ALLOW_NOTHING, TestAgent},
    daemon::TestDaemon,
    program,
};

use crate::{
    Windows,
    measure::{Cpu, Goal, Memory, Row, mebibytes, per_hour},
};

/// Name of the peer's program, as Debian calls it.
const EXPORTER: &str = "prometheus-node-exporter";
/// Both run this long before anything is measured.
const WARM_UP: Duration = Duration::from_secs(15);

/// A child that ends with its owner.
pub(crate) struct Peer(pub(crate) Child);

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

/// Sets how often agents sample.
pub(crate) async fn sample_every(daemon: &TestDaemon, seconds: u32) {
    let change = SettingChange { name: "sample_interval_secs".to_owned(), value: seconds.to_string() };
    let admin = daemon.admin();
    let plan = admin.call(&SettingsSet { changes: vec![change], reason: None }).await.expect("the plan is made");
    let id = plan.plan.to_string();
    let approve = PlanApprove { plan: id.clone(), hash: plan.hash, name: Some(plan.target) };
    admin.call(&approve).await.expect("the plan is approved");
    admin.call(&PlanApply { plan: id, reason: None }).await.expect("the plan is applied");
}

/// Reads the exporter's page once a second, compressed, as Prometheus does.
async fn scrape(client: &reqwest::Client, url: &str, length: Duration) {
    let mut ticks = interval(Duration::from_secs(1));
    let end = Instant::now() + length;
    while Instant::now() < end {
        ticks.tick().await;
        let page = client.get(url).header("accept-encoding", "gzip").send().await.expect("the exporter answers");
        assert!(page.status().is_success());
        drop(page.bytes().await.expect("the page comes"));
    }
}

pub(crate) async fn run(windows: Windows) -> Vec<Row> {
    let daemon = TestDaemon::spawn().await;
    sample_every(&daemon, 1).await;
    let mut agent = TestAgent::spawn(&daemon, "bench", ALLOW_NOTHING).await;
    let port = free_port();
    let mut exporter = Command::new(EXPORTER);
    exporter.arg(format!("--web.listen-address=127.0.0.1:{port}")).stdout(Stdio::null()).stderr(Stdio::null());
    let exporter = Peer(exporter.spawn().unwrap_or_else(|error| panic!("{EXPORTER}: {error}")));
    let (url, client) = (format!("http://127.0.0.1:{port}/metrics"), reqwest::Client::new());
    sleep(Duration::from_secs(1)).await;
    scrape(&client, &url, WARM_UP).await;

    let (ours, theirs) = (agent.program().pid(), exporter.0.id());
    let (mut our_cpu, mut their_cpu) = (Cpu::of(ours), Cpu::of(theirs));
    let mut spent = Vec::new();
    for _ in 0..windows.count {
        let ((), tomo, passed) = our_cpu.during(sleep(windows.length)).await;
        let tomo = per_hour(tomo, passed);
        let ((), peer, passed) = their_cpu.during(scrape(&client, &url, windows.length)).await;
        spent.push((tomo, per_hour(peer, passed)));
    }
    let memory = [(mebibytes(Memory::of(ours).resident), mebibytes(Memory::of(theirs).resident))];
    let peak = [(mebibytes(Memory::of(ours).peak), mebibytes(Memory::of(theirs).peak))];
    let size = |path: &std::path::Path| mebibytes(std::fs::metadata(path).map_or(0, |facts| facts.len()));
    let binaries = [(size(&program::path("tomo-agent")), size(&std::path::Path::new("/usr/bin").join(EXPORTER)))];
    let mib = |value: f64| format!("{value:.1} MiB");
    vec![
        Row::pairs("agent at 1 s, CPU per hour / node_exporter", &spent, Goal::AtMost(0.10), |s| format!("{s:.1} s")),
        Row::pairs("agent, RSS / node_exporter", &memory, Goal::AtMost(0.30), mib),
        Row::pairs("agent, peak RSS / node_exporter", &peak, Goal::AtMost(0.30), mib),
        Row::pairs("agent, binary / node_exporter", &binaries, Goal::AtMost(0.40), mib),
    ]
}
