//! An agent that lies about its host: every word that it says of the system, of its disks, of what is measured and of what the policy
//! allows is meant for the terminal of whoever reads it. Each is shown, and none commands anything.

use quinn::{Connection, Endpoint, RecvStream, SendStream};
use tomo_agent::identity;
use tomo_daemon::clock::Clock;
use tomo_proto::{
    api::server::ServerGet,
    model::{
        metric::{SeriesKey, names},
        policy::PolicySummary,
        server::{EngineState, Filesystem, HostFacts},
    },
    wire::{
        frame::encode_framed,
        handshake::Hello,
        report::{Report, ReportBody, Row, encode_rows},
    },
};
use tomo_tests::{
    cli::Tomo,
    daemon::TestDaemon,
    eventually::eventually,
    foreign::{foreign, hostile},
    forger::marks,
    rounds::rounds,
    terminal::{Key, Terminal},
};

use crate::{
    faults::{dial, identity_of},
    hostile_names::prints,
};

const SERVER: &str = "web-1";
const FILESYSTEMS: usize = 100;
/// Figures that the host cannot give, and things in each list of the policy.
const MORE: usize = 20;
/// Words in one lie.
const WORDS: usize = 6 + 3 * FILESYSTEMS + MORE + 5 * MORE + 2 * MORE;

/// A text that begins with `mark(kind, number)`.
fn word(kind: char, number: usize) -> String {
    hostile(&marks(kind, number, 1)[0], number * 31 + usize::from(u8::try_from(kind).unwrap_or(0)))
}

fn words(kind: char, from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|number| word(kind, number)).collect()
}

/// A connection of an agent that says what it likes. Ends when dropped.
struct LyingAgent {
    _link: (Endpoint, Connection, SendStream, RecvStream, SendStream),
}

impl LyingAgent {
    async fn connect(daemon: &TestDaemon, identity: &serde_json::Value, round: usize) -> Self {
        let from = round * FILESYSTEMS;
        let facts = HostFacts {
            hostname: word('h', round),
            os: word('o', round),
            kernel: word('k', round),
            architecture: word('a', round),
            cpu_model: word('m', round),
            cpu_count: 4,
            memory_total_bytes: 1 << 30,
            filesystems: (from..from + FILESYSTEMS)
                .map(|number| Filesystem {
                    mount: word('f', number),
                    device: word('d', number),
                    kind: word('t', number),
                    total_bytes: 100,
                    used_bytes: 99,
                })
                .collect(),
            engine: EngineState::Absent { reason: word('e', round) },
            missing: words('x', from, MORE),
            ..HostFacts::default()
        };
        let policy = PolicySummary {
            verbs: words('v', from, MORE),
            images: words('i', from, MORE),
            bind_roots: words('b', from, MORE),
            ports: words('p', from, MORE),
            foreign: words('g', from, MORE),
            problem: Some(word('q', round)),
            ..PolicySummary::default()
        };
        let now_ms = Clock::system().now_ms();
        let hello = Hello {
            oldest_version: tomo_proto::version::LINK_OLDEST,
            newest_version: tomo_proto::version::LINK_NEWEST,
            release: word('r', round),
            boot_id: u64::try_from(round).expect("it is small"),
            facts,
            policy,
            outbox_first: 1,
            outbox_next: 2,
            clock_ms: now_ms,
        };
        let mut series = vec![SeriesKey::new(names::CPU, "")];
        for number in from..from + MORE {
            series.extend([
                SeriesKey::new(names::TEMPERATURE, word('s', number)),
                SeriesKey::new(&word('n', number), ""),
            ]);
        }
        let rows = [Row { at_ms: now_ms, values: vec![1; series.len()] }];
        let samples = encode_rows(&rows).expect("it fits");

        let (endpoint, connection) = dial(daemon.hub(), identity, true).await;
        let (mut control, mut heard) = connection.open_bi().await.expect("a stream");
        control.write_all(&encode_framed(&hello).expect("it fits")).await.expect("is sent");
        let mut prefix = [0; 4];
        heard.read_exact(&mut prefix).await.expect("a welcome");
        let mut reports = connection.open_uni().await.expect("a stream");
        for (number, body) in [(0, ReportBody::Schema { series }), (1, ReportBody::Samples { block: samples })] {
            let report = encode_framed(&Report { number, body }).expect("it fits");
            reports.write_all(&report).await.expect("is sent");
        }
        Self { _link: (endpoint, connection, control, heard, reports) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_word_of_a_lying_agent_is_shown_and_none_commands_the_terminal() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let token = daemon.enrolment(SERVER, &[]).await;
    identity::enroll(&token, folder.path()).await.expect("it is let in");
    let identity = identity_of(folder.path());
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 200, 60);
    terminal.wait_for("● live").await;
    // What was asked of the terminal at the start is the dashboard's own.
    let begun = terminal.raw().len();
    for round in 0..rounds(1_000).div_ceil(WORDS) {
        let agent = LyingAgent::connect(&daemon, &identity, round).await;
        let from = round * FILESYSTEMS;
        let of = |kind: char| marks(kind, round, 1).remove(0);
        let hostname = of('h');
        eventually("the daemon knows what it is told", async || {
            let request = ServerGet { server: SERVER.to_owned(), include: Vec::new() };
            let known = admin.call(&request).await.ok()?.facts?;
            known.hostname.starts_with(&hostname).then_some(())
        })
        .await;
        terminal.type_text("1");
        terminal.wait_for(SERVER).await;
        terminal.press(Key::Enter);
        for kind in ['o', 'k', 'm', 'e'] {
            terminal.wait_for(&of(kind)).await;
        }
        terminal.wait_for(&marks('f', from, 1)[0]).await;
        terminal.type_text("i");
        terminal.wait_for(&of('q')).await;
        terminal.press(Key::Escape);
        terminal.wait_for(&of('o')).await;
        assert_eq!(foreign(&terminal.raw()[begun..]), None);

        let told = [vec![of('o'), of('k'), of('q')], marks('f', from, FILESYSTEMS), marks('x', from, MORE)].concat();
        prints(&tomo, &["server", "get", SERVER], &told).await;
        let allowed: Vec<String> =
            ['v', 'i', 'b', 'p', 'g'].into_iter().flat_map(|kind| marks(kind, from, MORE)).collect();
        prints(&tomo, &["server", "get", SERVER], &allowed).await;
        for arguments in [
            &["overview"][..],
            &["server", "list"],
            &["agent", "list"],
            &["server", "metrics", SERVER],
            &["server", "metrics", SERVER, "nothing"],
            &["container", "list", SERVER],
            &["audit", "search"],
            &["--plain"],
        ] {
            prints(&tomo, arguments, &[]).await;
        }
        drop(agent);
    }
    assert!(terminal.clipboard().is_empty());
    assert!(terminal.title().starts_with("tomo: "), "{}", terminal.title());
    terminal.type_text("q");
    assert!(terminal.wait_for_exit().await.success());
    assert_eq!(foreign(&terminal.raw()[begun..]), None);
    daemon.stop().await;
}
