//! `server_list` of 100 servers, 8 clients, every call authenticated: Tomo against FastMCP with SQLite.

use std::{
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep},
};
use tomo_proto::model::user::{Scope, Selectors};
use tomo_tests::{daemon::TestDaemon, mcp::MODERN};

use crate::{
    Windows,
    agent::{Peer, free_port},
    fleet::{Fleet, all_connected},
    measure::{Cpu, Goal, Memory, Row, mebibytes, p99},
};

const SERVERS: usize = 100;
const CLIENTS: usize = 8;
/// A token may call ten times a second: so many of them take turns.
const TOKENS: usize = 600;
/// Where the peer's Python is; `tests/bench/run` sets it.
const PYTHON: &str = "TOMO_BENCH_PYTHON";
const META: &str = "io.modelcontextprotocol";

/// One side of the comparison.
struct Side {
    url: String,
    tokens: Arc<Vec<String>>,
    body: String,
    client: reqwest::Client,
    turn: Arc<AtomicUsize>,
    cpu: Cpu,
    pid: u32,
}

/// One window of one side.
struct Load {
    calls_per_sec: f64,
    p99: Duration,
    cpu_per_call: Duration,
}

impl Side {
    fn new(url: String, tokens: Vec<String>, pid: u32) -> Self {
        let params = json!({
            "name": "server_list",
            "arguments": {"limit": SERVERS},
            "_meta": {
                format!("{META}/protocolVersion"): MODERN,
                format!("{META}/clientInfo"): {"name": "tomo-bench", "version": "0"},
                format!("{META}/clientCapabilities"): {},
            },
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client can be set up");
        Self { url, tokens: Arc::new(tokens), body, client, turn: Arc::default(), cpu: Cpu::of(pid), pid }
    }

    fn request(&self) -> impl Fn() -> reqwest::RequestBuilder + Send + 'static {
        let (client, url, body) = (self.client.clone(), self.url.clone(), self.body.clone());
        let (tokens, turn) = (Arc::clone(&self.tokens), Arc::clone(&self.turn));
        move || {
            let token = &tokens[turn.fetch_add(1, Ordering::Relaxed) % tokens.len()];
            client
                .post(&url)
                .bearer_auth(token)
                .header("content-type", "application/json")
                .header("accept", "application/json, text/event-stream")
                .header("mcp-protocol-version", MODERN)
                .header("mcp-method", "tools/call")
                .header("mcp-name", "server_list")
                .body(body.clone())
        }
    }

    /// One call, looked at closely.
    async fn check(&self) -> usize {
        let response = self.request()().send().await.expect("it answers");
        let status = response.status();
        let text = response.text().await.expect("the answer comes");
        let message = text.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or(&text).trim();
        let answer: Value = serde_json::from_str(message).unwrap_or_else(|error| panic!("{status} {error}: {text}"));
        let servers = answer["result"]["structuredContent"]["servers"].as_array();
        assert_eq!(servers.map(Vec::len), Some(SERVERS), "{status} {answer}");
        text.len()
    }

    async fn load(&mut self, length: Duration) -> Load {
        let mut clients = JoinSet::new();
        let end = Instant::now() + length;
        for _ in 0..CLIENTS {
            let request = self.request();
            clients.spawn(async move {
                let mut times = Vec::new();
                while Instant::now() < end {
                    let began = Instant::now();
                    let response = request().send().await.expect("it answers");
                    assert!(response.status().is_success(), "{}: use more tokens", response.status());
                    assert!(response.bytes().await.expect("the answer comes").len() > SERVERS * 100);
                    times.push(began.elapsed());
                }
                times
            });
        }
        let (times, spent, passed) = self.cpu.during(async { clients.join_all().await.concat() }).await;
        let calls = u32::try_from(times.len()).expect("it fits");
        Load { calls_per_sec: f64::from(calls) / passed.as_secs_f64(), p99: p99(times), cpu_per_call: spent / calls }
    }
}

pub(crate) async fn run(windows: Windows) -> Vec<Row> {
    let mut daemon = TestDaemon::spawn().await;
    let mut fleet = Fleet::enroll(&daemon, SERVERS).await;
    fleet.start();
    all_connected(&daemon, SERVERS).await;
    let mut tokens = Vec::new();
    // Nobody may ask more than 200 times a second.
    let mut pace = interval(Duration::from_millis(8));
    for _ in 0..TOKENS {
        pace.tick().await;
        tokens.push(daemon.create_token(&[Scope::Read], Selectors::default()).await);
    }
    let url = format!("{}/mcp", daemon.url());
    let mut tomo = Side::new(url, tokens.clone(), daemon.program().pid());

    let folder = tempfile::tempdir().expect("a folder can be made");
    let port = free_port();
    let python =
        std::env::var(PYTHON).unwrap_or_else(|_| panic!("{PYTHON} is not set: start this with tests/bench/run"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/fastmcp_server.py");
    let list = folder.path().join("tokens");
    std::fs::write(&list, tokens.join("\n")).expect("a file can be written");
    let mut peer = Command::new(python);
    peer.arg(script).arg(folder.path().join("peer.db")).arg(port.to_string()).arg(&list);
    let peer = Peer(peer.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().expect("Python starts"));
    let mut fastmcp = Side::new(format!("http://127.0.0.1:{port}/mcp"), tokens, peer.0.id());
    for _ in 0..300 {
        if fastmcp.client.get(&fastmcp.url).send().await.is_ok() {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    eprintln!("  an answer has {} bytes, the peer's {}", tomo.check().await, fastmcp.check().await);

    let (mut rate, mut slowest, mut cost) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..windows.count {
        let (ours, theirs) = (tomo.load(windows.length).await, fastmcp.load(windows.length).await);
        rate.push((ours.calls_per_sec, theirs.calls_per_sec));
        slowest.push((ours.p99.as_secs_f64() * 1e3, theirs.p99.as_secs_f64() * 1e3));
        cost.push((ours.cpu_per_call.as_secs_f64() * 1e3, theirs.cpu_per_call.as_secs_f64() * 1e3));
    }
    let memory = [(mebibytes(Memory::of(tomo.pid).resident), mebibytes(Memory::of(fastmcp.pid).resident))];
    fleet.stop().await;
    let ms = |value: f64| format!("{value:.2} ms");
    vec![
        Row::pairs("server_list of 100, calls per second / FastMCP", &rate, Goal::AtLeast(20.0), |r| format!("{r:.0}")),
        Row::pairs("server_list of 100, p99 / FastMCP", &slowest, Goal::AtMost(1.0 / 20.0), ms),
        Row::pairs("server_list of 100, CPU per call / FastMCP", &cost, Goal::AtMost(1.0 / 30.0), ms),
        Row::pairs("daemon, RSS / FastMCP", &memory, Goal::AtMost(0.20), |mib| format!("{mib:.0} MiB")),
    ]
}
