//! A container that writes its log as fast as its engine takes it, and is followed: nobody waits for it, and nobody's memory grows.

use std::time::{Duration, Instant, SystemTime};

use tomo_proto::{
    api::container::{ContainerStart, ContainerStop},
    model::operation::OperationStatus,
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::{Setup, TestDaemon},
    engine::OwnEngine,
    eventually::{eventually, eventually_within},
    liar::Recorder,
    rounds::rounds,
    terminal::{Key, Terminal},
};

const SERVER: &str = "web-1";
const LINE: &str = "a line like many others, as long as they mostly are";
/// From the daemon's send to the request at the engine, beside a flood: what is promised,
const PROMISED: Duration = Duration::from_millis(50);
/// and what is asked for where other tests run at the same time. Whoever waits for a flood waits for much longer.
const BESIDE_OTHERS: Duration = Duration::from_secs(1);
/// Rounds that say something about one in a hundred.
const MANY: usize = 100;
/// Lines that the flood is long, at least, when memory is first looked at.
const LONG: u64 = 200_000;
/// What memory may differ by from then on, KiB.
const SPREAD_KIB: u64 = 48 << 10;

/// How long it took until the engine heard of it that a container was to be stopped.
struct Stop {
    /// From the person's call.
    called: Duration,
    /// From when the daemon sent it to the agent.
    sent: Duration,
}

/// When a daemon that logs it last sent word to stop something.
fn last_sent(log: &str) -> SystemTime {
    let is_stop = |line: &&str| line.contains("a command is sent") && line.contains("verb=\"stop\"");
    let line = log.lines().rev().find(is_stop).expect("a command was sent");
    let time: jiff::Timestamp = line.split_whitespace().next().unwrap_or_default().parse().expect("a time");
    time.into()
}

/// Stops the calm container.
#[expect(clippy::disallowed_methods, reason = "what another process wrote into its log is compared with it")]
async fn stop(daemon: &mut TestDaemon, recorder: &Recorder) -> Stop {
    let admin = daemon.admin();
    let (server, container) = (SERVER.to_owned(), "calm".to_owned());
    let before = recorder.requests_with_times().len();
    let begun = SystemTime::now();
    let stop = ContainerStop { server: server.clone(), container: container.clone(), reason: None };
    let stopping = admin.call(&stop).await.expect("is begun");
    assert_eq!(admin.wait_for(stopping).await.expect("ends").status, OperationStatus::Succeeded);
    let requests = recorder.requests_with_times();
    let is_stop = |(_, line): &&(SystemTime, String)| line.starts_with("POST ") && line.contains("/stop");
    let (at, _) = requests[before..].iter().find(is_stop).expect("the engine was asked");
    let since = |then| at.duration_since(then).expect("the engine hears of it later");
    let took = Stop { called: since(begun), sent: since(last_sent(&daemon.program().log())) };
    let starting = admin.call(&ContainerStart { server, container, reason: None }).await.expect("is begun");
    assert_eq!(admin.wait_for(starting).await.expect("ends").status, OperationStatus::Succeeded);
    took
}

/// The time within which so many of a hundred were.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)]
}

/// So many stops, each way of measuring sorted.
async fn stops(daemon: &mut TestDaemon, recorder: &Recorder, count: usize) -> [Vec<Duration>; 2] {
    let (mut called, mut sent) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let took = stop(daemon, recorder).await;
        called.push(took.called);
        sent.push(took.sent);
    }
    called.sort();
    sent.sort();
    [called, sent]
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the program runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// How many lines the flood has written.
fn written(engine: &OwnEngine) -> Option<u64> {
    engine.docker(&["logs", "--tail", "1", "flood"]).split(' ').next()?.parse().ok()
}

/// The number of the newest line on the screen.
fn shown(terminal: &Terminal) -> Option<u64> {
    let text = terminal.text();
    let line = text.lines().rev().find(|line| line.contains(LINE))?;
    line.split(LINE).next()?.split_whitespace().next_back()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figures are what tests/soak is for")]
async fn a_log_that_floods_and_is_followed_delays_nobody_and_fills_no_memory() {
    let engine = OwnEngine::start().await;
    engine.image("calm:1", "calm", "trap 'exit 0' TERM; busybox sleep 3600 & wait $!");
    engine.image("flood:1", "flood", &format!("exec busybox awk 'BEGIN {{ while (1) print i++, \"{LINE}\" }}'"));
    drop(engine.docker(&["run", "-d", "--name", "calm", "calm:1"]));
    let mut daemon = Setup::default().log("info,tomo_daemon::hub=debug").spawn().await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    let recorder = Recorder::start(folder.path(), &engine.socket());
    let mut agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, recorder.socket()).await;
    let count = rounds(10);
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 36);
    terminal.wait_for(SERVER).await;
    terminal.press(Key::Enter);
    terminal.wait_for("containers (1)").await;
    let quiet = stops(&mut daemon, &recorder, count).await;

    let limits = ["--log-opt", "max-size=20m", "--log-opt", "max-file=2"];
    let run: Vec<&str> = ["run", "-d", "--name", "flood"].into_iter().chain(limits).chain(["flood:1"]).collect();
    let begun = Instant::now();
    drop(engine.docker(&run));
    terminal.wait_for("containers (2)").await;
    terminal.press(Key::Down);
    terminal.type_text("L");
    terminal.wait_for("following").await;
    terminal.wait_for("flood › log").await;
    eventually("the flood is on the screen", async || shown(&terminal)).await;
    let lines = eventually_within(Duration::from_secs(120), "the flood is long", async || {
        written(&engine).filter(|lines| *lines > LONG)
    })
    .await;
    let a_second = lines * 1_000 / u64::try_from(begun.elapsed().as_millis().max(1)).unwrap_or(u64::MAX);
    let pids = [daemon.program().pid(), agent.program().pid()];
    let before = pids.map(resident_kib);
    let beside = stops(&mut daemon, &recorder, count).await;
    let after = pids.map(resident_kib);
    let newest = written(&engine).expect("it goes on");
    eventually("what is new is shown", async || shown(&terminal).filter(|shown| *shown > newest)).await;

    for (what, ways) in [("quiet", &quiet), ("beside the flood", &beside)] {
        for (from, took) in ["call", "daemon's send"].iter().zip(ways) {
            let [half, most, nearly_all] = [50, 95, 99].map(|percent| percentile(took, percent));
            println!(
                "{what}: {count} stops, from the {from} to the engine p50 {half:?} p95 {most:?} p99 {nearly_all:?}"
            );
        }
    }
    println!(
        "flood: {a_second} lines a second; daemon {} to {} KiB, agent {} to {} KiB",
        before[0], after[0], before[1], after[1]
    );
    let bound = if count >= MANY { PROMISED } else { BESIDE_OTHERS };
    let [_, sent] = &beside;
    assert!(percentile(sent, 99) < bound, "{sent:?}");
    for (before, after) in before.into_iter().zip(after) {
        assert!(after < before + SPREAD_KIB, "memory grew from {before} to {after} KiB");
    }
    drop(engine.docker(&["rm", "-f", "flood"]));
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}
