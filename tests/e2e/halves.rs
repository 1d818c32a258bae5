//! The agent as two processes: one with the network, one with the engine; and the units that confine them.

use std::net::TcpListener;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use tomo_proto::{
    api::{
        app::{AppDeploy, AppRestart},
        server::ServerGet,
    },
    error::ErrorCode,
    model::{
        app::{AppSpec, HealthCheck, PortSpec, Protocol},
        operation::{Operation, OperationStatus},
        server::EngineState,
    },
    wire::{
        frame::{decode, encode_framed},
        seam::{Call, Told},
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, Half, TestAgent},
    cli,
    daemon::TestDaemon,
    docker::{Image, docker, unique},
    eventually::eventually,
    http::Http,
    program,
    release::Publisher,
};

const SERVER: &str = "web-1";

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

async fn engine(admin: &Http) -> EngineState {
    let request = ServerGet { server: SERVER.to_owned(), include: Vec::new() };
    admin.call(&request).await.expect("is known").facts.map(|facts| facts.engine).unwrap_or_default()
}

async fn engine_answers(admin: &Http) {
    let what = "the engine answers";
    eventually(what, async || matches!(engine(admin).await, EngineState::Running { .. }).then_some(())).await;
}

async fn restart(admin: &Http, name: &str) -> Operation {
    let started = admin.call(&AppRestart { app: name.to_owned(), reason: None }).await.expect("is allowed");
    admin.wait_for(started).await.expect("is known")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_in_two_halves_deploys_and_each_half_comes_back_alone() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let mut agent = TestAgent::halves(&daemon, SERVER, ALLOW_ALL).await;
    engine_answers(&admin).await;
    let (image, name) = (Image::web(), unique("halves"));
    let taken = TcpListener::bind("0.0.0.0:0").expect("a port is free");
    let spec = |host| AppSpec {
        image: image.name().to_owned(),
        ports: vec![PortSpec { container: 8080, host: Some(host), protocol: Protocol::Tcp, loopback: false }],
        health: Some(HealthCheck::Http { port: 8080, path: "/".to_owned() }),
        ..AppSpec::default()
    };
    let deploy =
        |port| AppDeploy { server: SERVER.to_owned(), name: name.clone(), spec: spec(port), ..AppDeploy::default() };

    // The half with the engine has to ask the other one about ports and health.
    let port = taken.local_addr().expect("it is bound").port();
    let plan = admin.call(&deploy(port)).await.expect("makes a plan");
    let refused = admin.carry_out(plan).await.expect("is allowed");
    let error = refused.error.expect("the port is taken");
    assert!(error.message.contains("is taken by something else"), "{error:?}");
    let plan = admin.call(&deploy(free_port())).await.expect("makes a plan");
    let done = admin.carry_out(plan).await.expect("is allowed");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");

    // Without the half that has the engine the figures go on, and commands say what is the matter.
    agent.kill_half(Half::Exec).await;
    let gone = async || match engine(&admin).await {
        EngineState::Absent { reason } => Some(reason),
        _ => None,
    };
    let reason = eventually("the half is missed", gone).await;
    assert!(reason.contains("the half of the agent that has the engine does not answer"), "{reason}");
    let failed = restart(&admin, &name).await;
    let error = failed.error.expect("nobody can do it");
    assert_eq!(error.code, ErrorCode::AgentOffline, "{error:?}");
    assert!(error.next.as_deref().is_some_and(|next| next.contains("systemctl status tomo-agent-exec")), "{error:?}");
    let request = ServerGet { server: SERVER.to_owned(), include: Vec::new() };
    let at = async || admin.call(&request).await.ok()?.summary.vitals.map(|vitals| vitals.at_ms);
    let before = eventually("there are figures", at).await;
    eventually("there are newer figures", async || at().await.filter(|now| *now > before)).await;

    agent.start_half(Half::Exec).await;
    engine_answers(&admin).await;
    assert_eq!(restart(&admin, &name).await.status, OperationStatus::Succeeded);
    agent.kill_half(Half::Link).await;
    agent.start_half(Half::Link).await;
    engine_answers(&admin).await;
    assert_eq!(restart(&admin, &name).await.status, OperationStatus::Succeeded);
    drop(docker(&["rm", "-f", &format!("tomo-{name}")]));
}

/// Says something to the half with the engine, and reads all that it answers.
async fn say(agent: &TestAgent, bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(agent.exec_socket()).await.expect("it listens");
    // It may have hung up while more is said.
    drop(stream.write_all(bytes).await);
    drop(stream.shutdown().await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_half_with_the_engine_answers_nobody_but_the_link_and_survives_noise() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let mut agent = TestAgent::halves(&daemon, SERVER, ALLOW_ALL).await;
    engine_answers(&admin).await;
    let watch = encode_framed(&Call::Watch).expect("encodes");
    let mut stream = UnixStream::connect(agent.exec_socket()).await.expect("it listens");
    stream.write_all(&watch).await.expect("it hears");
    let length = stream.read_u32().await.expect("it answers");
    let mut told = vec![0; usize::try_from(length).expect("is small")];
    stream.read_exact(&mut told).await.expect("it answers");
    decode::<Told>(&told).expect("it tells how things stand");
    for noise in
        [&b""[..], &[0xff; 64], &[0, 0, 0, 0], &[0, 4, 0, 1, 1], b"GET / HTTP/1.0\r\n\r\n", &[0, 0, 0, 2, 9, 9]]
    {
        assert_eq!(say(&agent, noise).await, b"", "{noise:?}");
    }

    // Somebody else, who got at the socket all the same.
    let open = |path: &std::path::Path, mode| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode is set");
    };
    let socket = agent.exec_socket();
    open(agent.folder(), 0o755);
    open(&socket, 0o666);
    let tomo = agent.folder().join("tomo");
    std::fs::copy(program::path("tomo"), &tomo).expect("the binary can be copied");
    let mut stranger = tokio::process::Command::new("setpriv");
    stranger.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(tomo).current_dir("/");
    stranger.arg("--url").arg(format!("unix:{}", socket.display())).args(["server", "list"]);
    let turned_away = cli::run(&mut stranger, "").await;
    assert_eq!(turned_away.code, Some(3), "{turned_away:?}");
    let logged = agent.half(Half::Exec).logged("somebody who is not the link is refused").await;
    assert!(logged.contains("65534"), "{logged}");
    engine_answers(&admin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_started_by_hand_takes_no_update_and_says_so() {
    let daemon = TestDaemon::start().await;
    let publisher = Publisher::new().await;
    let policy = format!("update_key = \"{}\"\n", publisher.update_key());
    let agent = TestAgent::spawn(&daemon, SERVER, &policy).await;
    let release = publisher.publish("0.2.0", &[]).await;
    let tomo = cli::Tomo::at_socket(&daemon);
    let file = release.program.display().to_string();
    let nobody = tomo.run(["agent", "update", SERVER, "--file", &file]).await;
    assert!(nobody.code != Some(0) && nobody.stderr.contains("there is no terminal to ask on"), "{nobody:?}");
    let refused = tomo.run(["agent", "update", SERVER, "web-2", "--file", &file, "--yes"]).await;
    assert!(refused.stderr.contains("this agent was started by hand"), "{refused:?}");
    assert!(refused.stderr.contains("1 more are left as they are"), "{refused:?}");
    assert!(refused.stderr.contains("sudo tomo-agent install"), "{refused:?}");
    let kept = tomo.run(["agent", "releases", "--json"]).await.ok().json();
    assert_eq!(kept[0]["version"], "0.2.0", "{kept}");
    agent.stop().await;
    daemon.stop().await;
}

#[test]
fn the_units_leave_little_exposed() {
    for (unit, most) in
        [("tomo-daemon", "12"), ("tomo-agent-link", "12"), ("tomo-agent-exec", "7"), ("tomo-agent-update", "12")]
    {
        let path = format!("{}/../examples/systemd/{unit}.service", env!("CARGO_MANIFEST_DIR"));
        let mut analyze = std::process::Command::new("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager", &format!("--threshold={most}"), &path]);
        let output = analyze.output().expect("`systemd-analyze` runs: install systemd, or use tests/run");
        let said = String::from_utf8_lossy(&output.stdout);
        let score = said.lines().last().unwrap_or_default();
        assert!(output.status.success(), "{score} (in tenths, at most {most})");
        assert!(score.contains("Overall exposure level"), "{said}");
    }
}
