//! A daemon and its agents: who is there, what they tell, and what happens when one of them goes.

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::json;
use tomo_agent::identity;
use tomo_daemon::clock::Clock;
use tomo_proto::{
    api::{
        agent::{AgentList, AgentRevoke},
        overview::Overview,
        server::{ServerGet, ServerMetrics, ServerMetricsAnswer, ServerPart},
        settings::SettingsSet,
    },
    model::{
        agent::AgentState,
        container::ContainerState,
        server::{EngineState, ServerDetail},
        settings::SettingChange,
        user::Scope,
    },
};
use tomo_tests::{
    agent::{ALLOW_NOTHING, TestAgent},
    daemon::{Setup, TestDaemon},
    docker::{Image, docker, unique},
    eventually::{eventually, eventually_within},
    host::Namespace,
    http::Http,
    program::Program,
};

async fn connected(caller: &Http) -> u32 {
    let servers = caller.call(&Overview::default()).await.map(|overview| overview.servers);
    servers.map_or(0, |servers| servers.up + servers.degraded)
}

async fn get(caller: &Http, server: &str) -> ServerDetail {
    let include = vec![ServerPart::Containers, ServerPart::Policy];
    caller.call(&ServerGet { server: server.to_owned(), include }).await.expect("the server is known")
}

/// Samples every second, whether or not somebody watches.
async fn sample_every_second(admin: &Http) {
    let change = SettingChange { name: "sample_interval_secs".to_owned(), value: "1".to_owned() };
    let plan = admin.call(&SettingsSet { changes: vec![change], reason: None }).await.expect("is planned");
    admin.carry_out(plan).await.expect("is set");
}

/// The last seconds of a server, second by second.
async fn seconds(caller: &Http, server: &str, back: u64) -> ServerMetricsAnswer {
    let request = ServerMetrics {
        server: server.to_owned(),
        metrics: vec!["cpu".to_owned(), "uptime".to_owned()],
        since: Some(format!("{back}s")),
        step: Some(1),
        ..ServerMetrics::default()
    };
    caller.call(&request).await.expect("answers")
}

/// Which seconds of a time have a sample.
fn measured(answer: &ServerMetricsAnswer, from_ms: u64, until_ms: u64) -> Vec<bool> {
    let cpu = answer.series.iter().find(|series| series.metric == "cpu").expect("is measured");
    assert_eq!(cpu.max, [], "no second has two samples");
    let times = (0..).map(|place| answer.start_ms + place * answer.step_ms);
    let within = times.zip(&cpu.avg).filter(|(at_ms, _)| (from_ms..until_ms).contains(at_ms));
    within.map(|(_, value)| value.is_some()).collect()
}

/// Waits until a server's samples of several seconds are stored.
async fn some_samples(caller: &Http, server: &str) {
    eventually("samples come", async || {
        let answer = seconds(caller, server, 10).await;
        let cpu = answer.series.iter().find(|series| series.metric == "cpu")?;
        (cpu.avg.iter().flatten().count() > 2).then_some(())
    })
    .await;
}

fn now_ms() -> u64 {
    Clock::system().now_ms()
}

/// Lets a time pass that is itself what the test is about, such as an outage.
async fn pass(time: Duration) {
    let begun = Instant::now();
    eventually("the time has passed", async || (begun.elapsed() >= time).then_some(())).await;
}

fn free_udp_port() -> u16 {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a port is free");
    socket.local_addr().expect("it is bound").port()
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_on_other_networks_are_all_seen_at_once_and_a_revoked_one_is_cut_off() {
    let (one, other) = (Namespace::new(), Namespace::new());
    let port = free_udp_port();
    let setup = Setup::default().set("HUB__LISTEN", &format!("0.0.0.0:{port}"));
    let daemon = setup.set("HUB__ADVERTISE", &format!("[\"{}:{port}\"]", one.gateway())).spawn().await;
    let admin = daemon.admin();
    let mut agents = [
        TestAgent::spawn(&daemon, "here", ALLOW_NOTHING).await,
        TestAgent::spawn_in(&daemon, "there-1", ALLOW_NOTHING, &one).await,
        TestAgent::spawn_in(&daemon, "there-2", ALLOW_NOTHING, &other).await,
    ];
    join_all(agents.iter_mut().map(TestAgent::halt)).await;
    eventually("all have gone", async || (connected(&admin).await == 0).then_some(())).await;

    let begun = Instant::now();
    join_all(agents.iter_mut().map(TestAgent::resume)).await;
    let left = Duration::from_secs(2).saturating_sub(begun.elapsed());
    eventually_within(left, "all three are in the overview", async || (connected(&admin).await == 3).then_some(()))
        .await;
    let listed = admin.call(&AgentList::default()).await.expect("answers").agents;
    let mut addresses: Vec<_> = listed.iter().filter_map(|agent| agent.address.clone()).collect();
    addresses.sort();
    let mut expected = [one.gateway(), one.address(), other.address()].map(|address| address.to_string());
    expected.sort();
    assert_eq!(addresses, expected);

    let request = AgentRevoke { agent: "there-1".to_owned(), reason: None };
    let revoked = admin.call(&request).await.expect("is revoked");
    assert_eq!(revoked.state, AgentState::Revoked);
    eventually_within(Duration::from_secs(1), "the agent is told why", async || {
        agents[1].program().log().contains("this agent was revoked").then_some(())
    })
    .await;
    assert_eq!(connected(&admin).await, 2);

    // Also a new start of it gets no further than the daemon's refusal.
    agents[1].halt().await;
    let mut again = Program::spawn(agents[1].command().arg("run"), "").await;
    again.logged("this agent was revoked").await;
    assert!(!again.log().contains("connected to the daemon"), "{}", again.log());
    assert_eq!(connected(&admin).await, 2);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_outage_of_the_daemon_held_back_arrives_afterwards_and_only_once() {
    let mut daemon = TestDaemon::spawn().await;
    let agent = TestAgent::spawn(&daemon, "web-1", ALLOW_NOTHING).await;
    sample_every_second(&daemon.admin()).await;
    some_samples(&daemon.admin(), "web-1").await;

    let killed_at = now_ms();
    daemon.kill().await;
    pass(Duration::from_secs(5)).await;
    daemon.respawn().await;
    let back_at = now_ms();
    let admin = daemon.admin();
    // The agent notices at its next word that this daemon does not know the connection, well before a timeout.
    eventually_within(Duration::from_secs(6), "the agent is back", async || {
        (connected(&admin).await == 1).then_some(())
    })
    .await;
    eventually("what was measured meanwhile is there", async || {
        let answer = seconds(&admin, "web-1", (now_ms() - killed_at) / 1_000 + 5).await;
        let outage = measured(&answer, killed_at, back_at);
        (outage.len() >= 4 && outage.iter().all(|there| *there)).then_some(())
    })
    .await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_comes_back_and_leaves_a_gap_where_nothing_was_measured() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let mut agent = TestAgent::spawn(&daemon, "web-1", ALLOW_NOTHING).await;
    sample_every_second(&admin).await;
    some_samples(&admin, "web-1").await;
    agent.kill().await;
    let killed_at = now_ms();
    pass(Duration::from_secs(4)).await;
    let back_at = now_ms();
    // The daemon has not missed it yet: the new one takes the old one's place.
    agent.resume().await;
    assert_eq!(connected(&admin).await, 1);
    eventually("it is measured again, with a gap before", async || {
        let answer = seconds(&admin, "web-1", (now_ms() - killed_at) / 1_000 + 10).await;
        let before = measured(&answer, killed_at - 10_000, killed_at);
        let gap = measured(&answer, killed_at + 1_000, back_at - 500);
        let after = measured(&answer, back_at + 1_000, now_ms() - 1_500);
        let well = before.contains(&true) && gap.len() >= 2 && !gap.contains(&true) && after.contains(&true);
        well.then_some(())
    })
    .await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_there_within_a_second_and_agree_with_the_kernels() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let mut agent = TestAgent::spawn(&daemon, "web-1", ALLOW_NOTHING).await;
    let vitals = eventually_within(Duration::from_millis(1_500), "the first figures are there", async || {
        get(&admin, "web-1").await.summary.vitals
    })
    .await;
    let read = |path: &str| std::fs::read_to_string(path).expect("the kernel tells");
    let kibibytes = |name: &str| -> u64 {
        let meminfo = read("/proc/meminfo");
        let line = meminfo.lines().find(|line| line.starts_with(name)).expect("is there").to_owned();
        line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
    };
    let near = |what: &str, ours: u64, theirs: u64, within: u64| {
        assert!(ours.abs_diff(theirs) <= within, "{what}: {ours} here, {theirs} there");
    };
    let total = kibibytes("MemTotal:") * 1_024;
    near("memory", vitals.memory_total_bytes, total, 0);
    near("memory in use", vitals.memory_used_bytes, total - kibibytes("MemAvailable:") * 1_024, total / 8);
    near("swap", vitals.swap_used_bytes, (kibibytes("SwapTotal:") - kibibytes("SwapFree:")) * 1_024, total / 8);
    let uptime: f64 = read("/proc/uptime").split(' ').next().and_then(|text| text.parse().ok()).expect("a number");
    assert!((uptime - f64::from(u32::try_from(vitals.uptime_secs).expect("fits"))).abs() < 5.0);
    let load: f64 = read("/proc/loadavg").split(' ').next().and_then(|text| text.parse().ok()).expect("a number");
    assert!((load - vitals.load1).abs() < 2.0, "{load} {}", vitals.load1);
    assert!(vitals.cpu_ratio > 0.0 && vitals.cpu_ratio <= 1.0, "{vitals:?}");

    let facts = get(&admin, "web-1").await.facts.expect("came with the hello");
    let cores = read("/proc/stat").lines().filter(|line| line.starts_with("cpu")).count() - 1;
    assert_eq!(usize::try_from(facts.cpu_count).ok(), Some(cores));
    let root = facts.filesystems.iter().find(|filesystem| filesystem.mount == "/").expect("is mounted").clone();
    let df = std::process::Command::new("df").args(["-B1", "--output=size,used", "/"]).output().expect("df runs");
    let df = String::from_utf8_lossy(&df.stdout).lines().nth(1).expect("a line").to_owned();
    let df: Vec<u64> = df.split_whitespace().filter_map(|text| text.parse().ok()).collect();
    near("the root's size", root.total_bytes, df[0], 0);
    near("the root's use", root.used_bytes, df[1], 2 << 30);
    let mut devices: Vec<_> = facts.filesystems.iter().map(|filesystem| &filesystem.device).collect();
    devices.sort();
    devices.dedup();
    assert_eq!(devices.len(), facts.filesystems.len(), "each device once: {:?}", facts.filesystems);

    // It does all of this, and its network, on one thread.
    let status = read(&format!("/proc/{}/status", agent.program().pid()));
    assert!(status.lines().any(|line| line.split_whitespace().eq(["Threads:", "1"])), "{status}");
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_seen_as_it_changes_with_figures_like_the_engines() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, "web-1", ALLOW_NOTHING).await;
    let image = Image::script("while :; do :; done");
    let name = unique("tomo-busy");
    drop(docker(&[
        "run",
        "-d",
        "--name",
        &name,
        "--memory",
        "64m",
        "--label",
        "note=\u{1b}[2Jred\u{202e}",
        image.name(),
    ]));
    let find = async || {
        let containers = get(&admin, "web-1").await.containers;
        containers.into_iter().find(|container| container.name == name)
    };
    let soon = Duration::from_secs(2);
    let running = eventually_within(soon, "the new container is seen", async || {
        find().await.filter(|container| container.state == ContainerState::Running)
    })
    .await;
    assert_eq!((running.image.as_str(), running.labels["note"].as_str()), (image.name(), "red"));

    let usage =
        eventually("its figures are there", async || find().await?.usage.filter(|usage| usage.cpu_cores > 0.0)).await;
    let stats = docker(&["stats", "--no-stream", "--format", "{{.CPUPerc}} {{.MemUsage}}", &name]);
    let percent: f64 = stats.split('%').next().and_then(|text| text.parse().ok()).expect("a share");
    assert!((usage.cpu_cores - percent / 100.0).abs() < 0.5, "{usage:?}, the engine says {stats}");
    assert_eq!(usage.memory_limit_bytes, 64 << 20);
    assert!(usage.memory_bytes > 0 && usage.memory_bytes < 8 << 20, "{usage:?}, the engine says {stats}");

    drop(docker(&["stop", "-t", "0", &name]));
    let stopped = eventually_within(soon, "it is seen to have stopped", async || {
        find().await.filter(|container| container.state == ContainerState::Exited)
    })
    .await;
    assert_eq!((stopped.exit_code, stopped.usage), (Some(137), None));
    drop(docker(&["rm", &name]));
    eventually_within(soon, "it is gone", async || find().await.is_none().then_some(())).await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_an_engine_is_measured_and_says_what_is_missing() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::without_engine(&daemon, "plain").await;
    let detail = eventually("figures and the engine's absence are told", async || {
        let detail = get(&admin, "plain").await;
        let absent = matches!(detail.facts.as_ref()?.engine, EngineState::Absent { .. });
        (detail.summary.vitals.is_some() && absent).then_some(detail)
    })
    .await;
    let Some(EngineState::Absent { reason }) = detail.facts.map(|facts| facts.engine) else { panic!("it was absent") };
    assert!(reason.contains("no-engine.sock"), "{reason}");
    assert_eq!(detail.summary.containers, None);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overview_of_any_fleet_has_room_in_an_answer_and_says_what_it_left_off() {
    const SERVERS: usize = 24;
    let daemon = TestDaemon::start().await;
    let long: Vec<String> = (0..32).map(|number| format!("label-{number:02}-{}", "x".repeat(39))).collect();
    let labels: Vec<(&str, &str)> = long.iter().map(|text| (text.as_str(), text.as_str())).collect();
    let folder = tempfile::tempdir().expect("a folder can be made");
    for number in 0..SERVERS {
        let token = daemon.enrolment(&format!("web-{number:02}"), &labels).await;
        identity::enroll(&token, &folder.path().join(number.to_string())).await.expect("is enrolled");
    }
    let request = Overview { since_revision: Some(0) };
    let person = daemon.admin().call(&request).await.expect("a person is given everything");
    assert_eq!((person.servers_changed.len(), person.servers_left_off), (SERVERS, None));

    let program = daemon.token(&[Scope::Read]).await;
    let told = program.call(&request).await.expect("a program is given what has room");
    let left_off = usize::try_from(told.servers_left_off.expect("not all have room")).expect("fits");
    assert_eq!(told.servers_changed.len() + left_off, SERVERS);
    assert!(!told.servers_changed.is_empty() && told.problems.len() == SERVERS, "{told:?}");
    let mut listed = Vec::new();
    let mut arguments = json!({"limit": 10});
    loop {
        let page = program.call_by_name("server_list", arguments).await.structured;
        listed.extend(page["servers"].as_array().expect("a page").clone());
        let Some(cursor) = page.get("next_cursor").cloned() else { break };
        arguments = json!({"limit": 10, "cursor": cursor});
    }
    assert_eq!(listed.len(), SERVERS);
    daemon.stop().await;
}
