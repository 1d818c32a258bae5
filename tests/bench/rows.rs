//! Long lists in the dashboard: what a frame costs that shows another part of 10,000 servers, and of 100,000.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::sleep;
use tomo_daemon::{
    store::{Store, StoreError},
    tls::signing_key,
};
use tomo_proto::{id::ServerId, model::server::Server};
use tomo_tests::{
    cli::Tomo,
    daemon::TestDaemon,
    terminal::{Key, Terminal},
};

use crate::{
    Windows,
    measure::{Cpu, Goal, Memory, Row, mebibytes},
};

/// Frames of a window.
const FRAMES: u32 = 100;

/// Puts servers into the store of a daemon that then serves them; their agents never came.
async fn serve(servers: u64) -> TestDaemon {
    let mut daemon = TestDaemon::spawn().await;
    daemon.halt().await;
    let key = signing_key(&daemon.data()).expect("the daemon made it");
    let store = Store::open(&daemon.data().join("tomo.redb"), &key, 0).expect("the store opens");
    let put = store.write(move |transaction| {
        (1..=servers).try_for_each(|number| {
            transaction.put(&Server {
                id: ServerId::from_u64(number),
                name: format!("web-{number}"),
                labels: BTreeMap::from([("env".to_owned(), "bench".to_owned())]),
                agent: None,
                next_agent: None,
                created_at: number,
                ssh: None,
            })
        })
    });
    let written: Result<(), StoreError> = put.await;
    written.expect("they can be written");
    store.shutdown().await;
    daemon.respawn().await;
    daemon
}

async fn scroll(servers: u64, windows: Windows) -> Vec<Row> {
    let daemon = serve(servers).await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 200, 60);
    let has = |text: String| move |screen: &vt100::Screen| screen.contents().contains(&text);
    terminal.wait_within(Duration::from_secs(120), "the servers are there", has("web-1 ".to_owned())).await;
    terminal.press(Key::End);
    terminal.wait_within(Duration::from_secs(10), "all of them are", has(format!("web-{} ", servers - 1))).await;
    let pid = terminal.pid().expect("it runs");
    let mut cpu = Cpu::of(pid);
    let mut frames = Vec::new();
    for _ in 0..windows.count {
        terminal.press(Key::Home);
        terminal.wait_for("web-1 ").await;
        let pages = async {
            for _ in 0..FRAMES {
                terminal.press(Key::PageDown);
                sleep(Duration::from_millis(20)).await;
            }
        };
        let ((), spent, _) = cpu.during(pages).await;
        frames.push((spent.as_secs_f64() * 1e3 / f64::from(FRAMES), 2.0));
    }
    let memory = mebibytes(Memory::of(pid).resident);
    drop(terminal);
    daemon.stop().await;
    vec![
        Row::pairs(&format!("list of {servers} servers, CPU per frame / 2 ms"), &frames, Goal::AtMost(1.0), |ms| {
            format!("{ms:.2} ms")
        }),
        Row::alone("its dashboard's RSS", format!("{memory:.1} MiB")),
    ]
}

pub(crate) async fn run(windows: Windows) -> Vec<Row> {
    let mut rows = scroll(10_000, windows).await;
    rows.extend(scroll(100_000, windows).await);
    rows
}
