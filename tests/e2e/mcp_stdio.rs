//! `tomo mcp`: MCP on standard input and output, as an AI tool starts it.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};
use tomo_proto::model::user::{Role, Scope, Selectors};
use tomo_tests::{agent::TestAgent, cli::Tomo, daemon::TestDaemon, eventually::PATIENCE, program};

/// The running bridge.
struct Bridge {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Bridge {
    fn start(daemon: &TestDaemon, token: &str) -> Self {
        Self::start_at(daemon.url(), token)
    }

    fn start_at(url: &str, token: &str) -> Self {
        let mut command = Command::new(program::path("tomo"));
        command.args(["--url", url, "mcp"]).env_clear().env("HOME", "/nonexistent").env("TOMO_TOKEN", token);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Self { child, input, output }
    }

    async fn send(&mut self, text: &str) {
        self.input.write_all(format!("{text}\n").as_bytes()).await.expect("the bridge reads");
    }

    async fn next(&mut self) -> Value {
        let line = timeout(PATIENCE, self.output.next_line()).await.expect("an answer comes in time");
        let line = line.expect("it can be read").expect("the bridge lives");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Sends a request and skips to its response.
    async fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()).await;
        loop {
            let message = self.next().await;
            if message["id"] == id {
                return message;
            }
        }
    }

    async fn initialize(&mut self) -> Value {
        let client = json!({"name": "tomo-tests", "version": "0"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        let answer = self.ask(1, "initialize", params).await;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string()).await;
        answer
    }

    /// Ends its input, and waits for its end.
    async fn end(mut self) -> Option<i32> {
        drop(self.input);
        timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").expect("it is waited for").code()
    }
}

/// Parameters as a client without sessions sends them.
fn modern(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "tomo-tests", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

fn whoami() -> Value {
    json!({"name": "auth_whoami", "arguments": {}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_program_is_carried_over_a_restart_of_the_daemon() {
    let mut daemon = TestDaemon::start().await;
    let token = daemon.create_token(&[Scope::Read], Selectors::default()).await;
    let mut bridge = Bridge::start(&daemon, &token);
    assert_eq!(bridge.initialize().await["result"]["serverInfo"]["name"], "tomo");
    bridge.send("no message").await;
    assert_eq!(bridge.next().await["error"]["code"], -32700);
    let told = bridge.ask(2, "tools/call", whoami()).await;
    assert_eq!(told["result"]["structuredContent"]["person"], false, "a token, never the socket's rights: {told}");
    daemon.halt().await;
    let lost = bridge.ask(3, "tools/call", whoami()).await;
    assert!(lost["error"]["message"].as_str().is_some_and(|text| text.contains("cannot reach the daemon")), "{lost}");
    daemon.resume().await;
    let back = bridge.ask(4, "tools/call", whoami()).await;
    assert_eq!(back["result"]["structuredContent"], told["result"]["structuredContent"], "{back}");
    assert_eq!(bridge.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_sessions_may_begin_with_a_stream() {
    let daemon = TestDaemon::start().await;
    let _agent = TestAgent::synthetic(&daemon, "web-1").await;
    let token = daemon.create_token(&[Scope::Read], Selectors::default()).await;
    let mut bridge = Bridge::start(&daemon, &token);
    let filter = modern(json!({"notifications": {"resourceSubscriptions": ["tomo://servers/web-1"]}}));
    let listen = json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": filter});
    bridge.send(&listen.to_string()).await;
    assert_eq!(bridge.next().await["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(bridge.next().await["params"]["uri"], "tomo://servers/web-1");
    let told = bridge.ask(2, "tools/call", modern(whoami())).await;
    assert_eq!(told["result"]["structuredContent"]["person"], false, "{told}");
    bridge.send(&format!("{{\"padding\": \"{}\"}}", "x".repeat(2 << 20))).await;
    let too_long = loop {
        let message = bridge.next().await;
        if message.get("error").is_some() {
            break message;
        }
    };
    assert!(too_long["error"]["message"].as_str().is_some_and(|text| text.contains("longer than")), "{too_long}");
    assert_eq!(bridge.ask(3, "tools/call", modern(whoami())).await["result"], told["result"]);
    assert_eq!(bridge.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_that_counts_the_next_command_is_told() {
    let daemon = TestDaemon::start().await;
    let none = Tomo::at(&daemon).run(["mcp"]).await;
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.stderr.contains("tomo token create NAME --for ai") && none.stderr.contains("TOMO_TOKEN"), "{none:?}");
    daemon.create_user("ana", Role::Admin).await;
    let login = daemon.login("ana").await;
    let person = Tomo::at(&daemon).env("TOMO_TOKEN", login.access_token.reveal()).run(["mcp"]).await;
    assert!(person.code == Some(1) && person.stderr.contains("not an API token"), "{person:?}");
    let mut forged = Bridge::start(&daemon, "tomo_nobody_0000");
    let refused = forged.initialize().await;
    assert!(refused["error"]["message"].as_str().is_some_and(|text| text.contains("tomo token create")), "{refused}");
    let file = daemon.folder().join("token");
    std::fs::write(&file, format!("{}\n", daemon.create_token(&[Scope::Read], Selectors::default()).await))
        .expect("writes");
    let file = file.display().to_string();
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": modern(json!({})),
    });
    let found = Tomo::at(&daemon).run_with_input(["mcp", "--token-file", &file], &format!("{hello}\n")).await;
    assert!(found.code == Some(0) && found.stdout.contains("\"supportedVersions\""), "{found:?}");
}
