//! A log of a million lines in the dashboard: what a frame costs, and how much memory it takes. The engine is a stand-in that has these
//! lines from any second on; a real one would read its files again and again.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
    time::sleep,
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    terminal::{Key, Terminal},
};

use crate::{
    Windows,
    measure::{Cpu, Goal, Memory, Row, mebibytes},
};

const SERVER: &str = "web-1";
const CONTAINER: &str = "talk";
const LINES: u64 = 1_000_000;
/// Lines of a second.
const PER_SECOND: u64 = 1_000;
/// Frames of a window.
const FRAMES: u32 = 100;

/// A stand-in for an engine with one container. Ends when dropped.
struct Engine {
    folder: TempDir,
    task: JoinHandle<()>,
}

impl Engine {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("tomo-bench-engine-").tempdir().expect("a folder can be made");
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("a socket can be made");
        // All of it is within the last hour.
        let first_second = u64::try_from(jiff::Timestamp::now().as_second()).expect("it is after 1970") - 2_000;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, first_second));
            }
        });
        Self { folder, task }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers one call and ends its connection.
async fn answer(mut stream: UnixStream, first_second: u64) {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    let Ok(Some(call)) = lines.next_line().await else { return };
    while let Ok(Some(line)) = lines.next_line().await {
        if line.is_empty() {
            break;
        }
    }
    let target = call.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let inspected = format!(
        "{{\"Id\":\"{CONTAINER}\",\"Name\":\"/{CONTAINER}\",\"Image\":\"x\",\"Config\":{{\"Image\":\"x\",\"Tty\":false}},\
         \"State\":{{\"Status\":\"running\",\"Running\":true,\"Pid\":0}}}}"
    );
    let (status, body) = if path.ends_with("/containers/json") {
        (
            200,
            format!("[{{\"Id\":\"{CONTAINER}\",\"Names\":[\"/{CONTAINER}\"],\"Image\":\"x\",\"State\":\"running\"}}]"),
        )
    } else if path.ends_with("/logs") || path.ends_with("/events") {
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n";
        if write.write_all(head.as_bytes()).await.is_ok() && path.ends_with("/logs") {
            drop(write_log(&mut write, query, first_second).await);
        }
        // It would go on when there is more; whoever has enough hangs up.
        drop(lines.into_inner().read_to_end(&mut Vec::new()).await);
        return;
    } else if path.contains("/containers/") {
        (200, inspected)
    } else if path.ends_with("/version") {
        (200, "{\"ApiVersion\":\"1.43\",\"Version\":\"24.0\"}".to_owned())
    } else {
        (404, "{\"message\":\"a stand-in has no such thing\"}".to_owned())
    };
    let head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    drop(write.write_all(format!("{head}{body}").as_bytes()).await);
}

/// Writes the lines from a second on, as an engine does: each in a frame, with its time before it.
async fn write_log(
    write: &mut (impl tokio::io::AsyncWrite + Unpin),
    query: &str,
    first_second: u64,
) -> std::io::Result<()> {
    let value = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let since: u64 = value("since").and_then(|since| since.parse().ok()).unwrap_or(0);
    let tail = value("tail").and_then(|tail| tail.parse::<u64>().ok()).map_or(0, |tail| LINES.saturating_sub(tail));
    let first = (since.saturating_sub(first_second) * PER_SECOND).max(tail);
    for second in first / PER_SECOND..LINES / PER_SECOND {
        let at = i64::try_from(first_second + second).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
        let at = at.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let mut frames = Vec::new();
        for number in (second * PER_SECOND).max(first)..(second + 1) * PER_SECOND {
            let mut line = String::new();
            writeln!(line, "{at}.{:03}Z {number:07}", number % PER_SECOND).expect("a text takes everything");
            frames.extend([1, 0, 0, 0]);
            frames.extend(u32::try_from(line.len()).unwrap_or(0).to_be_bytes());
            frames.extend(line.as_bytes());
        }
        write.write_all(&frames).await?;
    }
    Ok(())
}

pub(crate) async fn run(windows: Windows) -> Vec<Row> {
    let engine = Engine::start();
    let daemon = TestDaemon::spawn().await;
    let agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &engine.socket()).await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 200, 50);
    terminal.wait_for(SERVER).await;
    terminal.press(Key::Enter);
    terminal.wait_for(CONTAINER).await;
    terminal.type_text("L");
    terminal.wait_for("following").await;
    let pid = terminal.pid().expect("it runs");
    let before = Memory::of(pid).resident;
    terminal.type_text("4");
    let whole = format!("{LINES} lines");
    let is_whole = |screen: &vt100::Screen| screen.contents().contains(&whole);
    terminal.wait_within(Duration::from_secs(600), "all lines are there", is_whole).await;
    let mut cpu = Cpu::of(pid);
    let mut frames = Vec::new();
    for _ in 0..windows.count {
        let pages = async {
            for _ in 0..FRAMES {
                terminal.press(Key::PageUp);
                sleep(Duration::from_millis(20)).await;
            }
        };
        let ((), spent, _) = cpu.during(pages).await;
        frames.push((spent.as_secs_f64() * 1e3 / f64::from(FRAMES), 2.0));
    }
    terminal.wait_for("scrolled").await;
    let after = Memory::of(pid).resident;
    let memory = [(mebibytes(after), 30.0)];
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
    vec![
        Row::pairs("log of 1,000,000 lines, CPU per frame / 2 ms", &frames, Goal::AtMost(1.0), |ms| {
            format!("{ms:.2} ms")
        }),
        Row::pairs("log of 1,000,000 lines, RSS / 30 MiB", &memory, Goal::AtMost(1.0), |mib| format!("{mib:.1} MiB")),
        Row::alone("of which the lines", format!("{:.1} MiB", mebibytes(after.saturating_sub(before)))),
    ]
}
