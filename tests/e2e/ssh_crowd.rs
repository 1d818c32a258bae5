//! The dashboard over SSH when many come at once, and when some of them stop taking anything in.

#![expect(clippy::print_stdout, reason = "its figures are what the test is run for")]

use std::time::{Duration, Instant};

use futures::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tomo_proto::{api::server::ServerList, model::user::Role};
use tomo_tests::{
    agent::TestAgent,
    daemon::Setup,
    eventually::{eventually, eventually_within},
    house::House,
    rounds::rounds,
    terminal::{Key, Terminal},
};

const LIVE: &str = "● live";
const SERVER: &str = "web-1";
/// What is shown to whoever asks for help.
const HELP: &str = "Keys that work here";
/// In which time a visitor of a crowd has an answer: a start of a program that is not optimized, on two processors.
const TURN: Duration = Duration::from_secs(2);
/// What a dashboard that is open may cost the daemon itself, KiB.
const SEAT_KIB: u64 = 3 << 10;
/// What memory may differ by without any, KiB.
const SPREAD_KIB: u64 = 32 << 10;

fn signal(visit: &Terminal, signal: Signal) {
    let pid = visit.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("it runs");
    kill_process(pid, signal).expect("it can be told");
}

/// Presses keys and waits for what comes of each; the longest wait.
async fn work(visit: &mut Terminal, times: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..times {
        let begun = Instant::now();
        visit.type_text("?");
        visit.wait_for(HELP).await;
        longest = longest.max(begun.elapsed());
        let begun = Instant::now();
        visit.press(Key::Escape);
        visit.wait_until("the help is closed", |screen| !screen.contents().contains(HELP)).await;
        longest = longest.max(begun.elapsed());
    }
    longest
}

/// So many come at once where so few may be shown something.
async fn crowd(come: usize, most: usize) {
    let mut house = House::spawn(Setup::default().set("SSH__SESSIONS", &most.to_string())).await;
    house.let_in("ana", Role::Admin).await;
    let agent = TestAgent::synthetic(&house.daemon, SERVER).await;
    let before = house.daemon.program().resident_kib();
    let patience = Duration::from_secs(20) + TURN * u32::try_from(come).expect("is small");
    let begun = Instant::now();
    let visits: Vec<_> = (0..come).map(|_| house.visit("ana")).collect();
    let attend = join_all(visits.into_iter().map(async |mut visit| {
        let answered = |screen: &vt100::Screen| {
            let text = screen.contents();
            text.contains(SERVER) && text.contains(LIVE)
                || text.contains("closed")
                || text.contains("are open over SSH")
        };
        visit.wait_within(patience, "there is an answer", answered).await;
        (visit, begun.elapsed())
    }));
    // Others have their answers all the while.
    let admin = house.daemon.admin();
    let mut attend = std::pin::pin!(attend);
    let mut longest = Duration::ZERO;
    let visits = loop {
        let asked = Instant::now();
        let ask = async {
            admin.call(&ServerList::default()).await.expect("others are answered");
            longest = longest.max(asked.elapsed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        tokio::select! {
            visits = &mut attend => break visits,
            () = ask => {}
        }
    };
    let (mut inside, outside): (Vec<_>, Vec<_>) =
        visits.into_iter().partition(|(visit, _)| visit.screen().alternate_screen());
    let slowest = |visits: &[(Terminal, Duration)]| visits.iter().map(|(_, took)| *took).max().unwrap_or_default();
    let (shown_in, told_in) = (slowest(&inside), slowest(&outside));
    for (mut visit, _) in outside {
        let text = visit.text();
        assert!(text.contains(&format!("{most} dashboards are open over SSH")), "it is not said clearly: {text}");
        assert_eq!(visit.wait_for_exit().await.exit_code(), 1);
    }
    assert_eq!(inside.len(), most.min(come), "as many as there are places for are inside");
    let all = join_all(inside.iter_mut().map(|(visit, _)| work(visit, 1))).await;
    let resident = house.daemon.program().resident_kib();
    assert_eq!(house.daemon.program().children(), inside.len());
    println!(
        "{come} came where {most} may be: all of them painted after {shown_in:?}, the others told after {told_in:?}; a key in each at \
         once {:?}; other callers waited {longest:?} at most; the daemon had {before} KiB and has {resident}",
        all.into_iter().max().unwrap_or_default()
    );
    let allowed = before + SPREAD_KIB + SEAT_KIB * u64::try_from(inside.len()).expect("is small");
    assert!(resident < allowed, "{resident} KiB, {before} before {} came", inside.len());
    assert!(longest < Duration::from_secs(10), "others waited {longest:?}");
    // Some leave, of others the connection is lost.
    for (place, (visit, _)) in inside.iter_mut().enumerate() {
        if place % 2 == 0 {
            visit.type_text("q");
        } else {
            signal(visit, Signal::KILL);
        }
    }
    eventually_within(patience, "nothing is left of them", async || {
        (house.daemon.program().children() == 0).then_some(())
    })
    .await;
    house.nobody_is_signed_in().await;
    agent.stop().await;
    house.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_come_at_once_those_with_a_place_work_and_the_others_are_told() {
    let come = rounds(6);
    crowd(come, (come / 4).max(1)).await;
    crowd(come, come).await;
}

/// A line to a port, which can be held: then nothing comes back on it, and nobody learns of that.
struct Line {
    port: u16,
    held: watch::Sender<bool>,
}

impl Line {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let own = listener.local_addr().expect("it is bound").port();
        let held = watch::Sender::new(false);
        let mut holding = held.subscribe();
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.expect("somebody comes");
            let server = TcpStream::connect(("127.0.0.1", port)).await.expect("it is led on");
            let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                (client.into_split(), server.into_split());
            let there = tokio::io::copy(&mut from_client, &mut to_server);
            let back = async {
                let mut part = [0; 4096];
                while holding.wait_for(|held| !held).await.is_ok()
                    && let Ok(count @ 1..) = from_server.read(&mut part).await
                    && to_client.write_all(&part[..count]).await.is_ok()
                {}
            };
            tokio::select! {
                _ = there => {}
                () = back => {}
            }
        });
        Self { port: own, held }
    }

    fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_nothing_in_for_too_long_is_gone_slows_nobody_and_goes_on_when_back_in_time() {
    let mut house = House::spawn(Setup::default().set("SSH__SILENT_SECS", "8")).await;
    let agent = TestAgent::synthetic(&house.daemon, SERVER).await;
    for name in ["ana", "ben", "cleo"] {
        house.let_in(name, Role::Operator).await;
    }
    // Ana's line is held, Cleo's client stands still, Ben works.
    let line = Line::to(house.port).await;
    let mut ana = Terminal::start_command(house.ssh_by(line.port, "ana", "ana", &[]), 400, 100);
    let (mut ben, mut cleo) = (house.visit("ben"), house.visit("cleo"));
    for visit in [&mut ana, &mut ben, &mut cleo] {
        visit.wait_for(LIVE).await;
        visit.wait_for(SERVER).await;
    }
    line.hold(true);
    signal(&cleo, Signal::STOP);
    work(&mut ben, 5).await;
    line.hold(false);
    signal(&cleo, Signal::CONT);
    for visit in [&mut ana, &mut cleo] {
        work(visit, 1).await;
    }

    let before = house.daemon.program().resident_kib();
    line.hold(true);
    signal(&cleo, Signal::STOP);
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    // Whole screens, more of them than a line holds.
    for step in 0..60 {
        ana.resize(400 - step % 2, 100);
        longest = longest.max(work(&mut ben, 1).await);
    }
    let gone = eventually_within(Duration::from_secs(30), "the silent ones are gone", async || {
        let rows = house.audited("auth.logout").await;
        (rows.len() == 2).then_some(rows)
    })
    .await;
    let took = begun.elapsed();
    for name in ["ana", "cleo"] {
        let told = |row: &String| row.starts_with(&format!("user:{name}: answered nothing for 8 s"));
        assert!(gone.iter().any(told), "{name}: {gone:?}");
    }
    let resident = house.daemon.program().resident_kib();
    println!("gone after {took:?}; Ben's longest key {longest:?}; the daemon had {before} KiB and has {resident}");
    assert!(longest < Duration::from_secs(2), "Ben waited {longest:?}");
    assert!(resident < before + SPREAD_KIB, "{resident} KiB, {before} before");
    eventually("only Ben's is left", async || (house.daemon.program().children() == 1).then_some(())).await;
    work(&mut ben, 1).await;
    // Who is back too late learns that it is over.
    line.hold(false);
    signal(&cleo, Signal::CONT);
    for visit in [&mut ana, &mut cleo] {
        assert_eq!(visit.wait_for_exit().await.exit_code(), 255);
    }
    ben.type_text("q");
    assert!(ben.wait_for_exit().await.success());
    house.nobody_is_signed_in().await;
    agent.stop().await;
    house.daemon.stop().await;
}
