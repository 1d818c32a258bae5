//! `tomo local`: everything in one process, for a newcomer and for scripts.

use std::{
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};
use tomo_proto::{
    api::{
        operation::OperationList,
        overview::Overview,
        plan::PlanList,
        server::{ServerGet, ServerList, ServerListPart},
    },
    error::ErrorCode,
    model::server::{EngineState, ServerSummary},
};
use tomo_tests::{
    cli::{self, Output},
    eventually::{PATIENCE, eventually, eventually_within},
    http::Http,
    program,
};

/// A running `tomo local --headless`.
struct Local {
    child: Child,
    announced: Value,
}

impl Local {
    async fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("can be read").expect("a line");
        Self { child, announced: serde_json::from_str(&line).expect(&line) }
    }

    fn text(&self, field: &str) -> &str {
        self.announced[field].as_str().expect("is announced")
    }

    fn ca(&self) -> PathBuf {
        Path::new(self.text("socket")).with_file_name("daemon").join("ca.pem")
    }

    /// The one who started it.
    fn person(&self) -> Http {
        Http::socket(Path::new(self.text("socket")), &self.ca())
    }

    /// Whoever holds the announced token.
    fn program(&self) -> Http {
        Http::tcp(self.text("url"), &self.ca()).bearer(self.text("token"))
    }

    async fn servers(&self) -> Vec<ServerSummary> {
        let request = ServerList { include: vec![ServerListPart::Spark], ..ServerList::default() };
        self.program().call(&request).await.expect("answers").servers
    }

    /// Stops it as a service manager does; says how long that took.
    async fn stop(mut self) -> Duration {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).expect("it runs");
        let begun = Instant::now();
        kill_process(pid, Signal::TERM).expect("it can be told to end");
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it is waited for");
        assert!(status.success(), "{status}");
        begun.elapsed()
    }
}

fn command(data: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(program::path("tomo"));
    command.args(["local", "--headless", "--data"]).arg(data).args(more).env_clear();
    command
}

async fn refused(data: &Path, more: &[&str]) -> Output {
    let output = cli::run(&mut command(data, more), "").await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:?}");
    output
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("tomo-test-local-").tempdir().expect("a folder can be made")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_shows_this_machine_and_a_made_up_fleet_and_goes_on_where_it_was() {
    let data = folder();
    let local = Local::start(&mut command(data.path(), &["--port", "0", "--demo", "3"])).await;
    let servers = eventually_within(Duration::from_secs(5), "all have figures", async || {
        let servers = local.servers().await;
        (servers.len() == 4 && servers.iter().all(|server| server.vitals.is_some())).then_some(servers)
    })
    .await;
    let made_up: Vec<_> = servers.iter().filter(|server| server.labels.contains_key("demo")).collect();
    assert_eq!(made_up.len(), 3);
    assert!(made_up.iter().all(|server| server.cpu_spark.len() == 40), "they have a past: {made_up:?}");
    let this = servers.iter().find(|server| !server.labels.contains_key("demo")).expect("this machine").clone();

    // The token reads and plans; only the person at the socket is an admin.
    let denied = local.program().call_by_name("plan_approve", serde_json::json!({"plan": "plan-x", "hash": "x"})).await;
    assert_eq!(denied.code(), Some(ErrorCode::Denied), "{denied:?}");
    local.person().call(&Overview::default()).await.expect("answers");

    let taken = local.text("url").rsplit(':').next().expect("a port").to_owned();
    let busy = refused(data.path(), &["--port", "0"]).await;
    let socket = data.path().join("tomo.sock").display().to_string();
    assert!(busy.stderr.contains("runs already") && busy.stderr.contains(&socket), "{busy:?}");
    let other = folder();
    let clash = refused(other.path(), &["--port", &taken]).await;
    assert!(clash.stderr.contains(&taken) && clash.stderr.contains("--port"), "{clash:?}");

    let took = local.stop().await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!Path::new(&socket).exists());

    // The same data, one made-up server less.
    let again = Local::start(&mut command(data.path(), &["--port", "0", "--demo", "2"])).await;
    let servers = eventually("they are back", async || {
        let servers = again.servers().await;
        servers.iter().all(|server| server.vitals.is_some()).then_some(servers)
    })
    .await;
    assert_eq!(servers.len(), 3, "{servers:?}");
    assert!(servers.iter().any(|server| server.id == this.id && server.name == this.name));
    assert!(servers.iter().all(|server| server.labels.is_empty() || !server.cpu_spark.is_empty()));
    let plans = again.person().call(&PlanList::default()).await.expect("answers").plans;
    let operations = again.person().call(&OperationList::default()).await.expect("answers").operations;
    assert!(plans.is_empty() && operations.is_empty(), "nobody asked for anything: {plans:?} {operations:?}");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_makes_up_more_servers_than_a_daemon_takes_in_a_second() {
    let data = folder();
    let local = Local::start(&mut command(data.path(), &["--port", "0", "--demo", "80"])).await;
    let answer = local.program().call(&ServerList::default()).await.expect("answers");
    assert_eq!(answer.total, 81);
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_nothing_in_the_way_of_the_next_start() {
    let data = folder();
    let mut local = Local::start(&mut command(data.path(), &["--port", "0"])).await;
    local.child.kill().await.expect("it is killed");
    assert!(data.path().join("tomo.sock").exists(), "nobody has cleaned up");
    let again = Local::start(&mut command(data.path(), &["--port", "0"])).await;
    eventually("this machine is back", async || again.servers().await.first()?.vitals).await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_somebody_else_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port().to_string();
    let data = folder();
    let clash = refused(data.path(), &["--port", &port]).await;
    assert!(clash.stderr.contains(&port) && clash.stderr.contains("choose another"), "{clash:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_any_rights_sees_what_there_is_and_what_is_missing() {
    const NOBODY: u32 = 65_534;
    let home = folder();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).expect("can be set");
    // The workspace may lie where others cannot look.
    let binary = home.path().join("tomo");
    std::fs::copy(program::path("tomo"), &binary).expect("can be copied");
    let own = home.path().join("home");
    std::fs::create_dir(&own).expect("a folder can be made");
    chown(&own, Some(NOBODY), Some(NOBODY)).expect("as root");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&binary);
    command.args(["local", "--headless", "--port", "0"]).env_clear().env("HOME", &own).current_dir(&own);
    let local = Local::start(&mut command).await;
    assert!(local.text("socket").starts_with(&own.display().to_string()), "{}", local.announced);
    let server = eventually("this machine has figures", async || {
        local.servers().await.into_iter().find(|server| server.vitals.is_some())
    })
    .await;
    let request = ServerGet { server: server.name, include: Vec::new() };
    let reason = eventually("it is said that there is no engine for this person", async || {
        match local.program().call(&request).await.ok()?.facts?.engine {
            EngineState::Absent { reason } => Some(reason),
            _ => None,
        }
    })
    .await;
    assert!(reason.contains("docker.sock") && reason.to_lowercase().contains("permission"), "{reason}");
    assert!(local.stop().await < Duration::from_secs(2));
}
