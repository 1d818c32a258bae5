//! Apps on the real engine, from the plan to the removal, and everything that can go wrong between.

use std::{net::TcpListener, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tomo_proto::{
    api::{
        app::{AppDeploy, AppGet, AppLogs, AppPart, AppRemove, AppRestart, AppStart, AppStop},
        operation::{OperationCancel, OperationGet},
        plan::{PlanApply, PlanGet},
        server::{ServerGet, ServerPart},
    },
    error::{ApiError, ErrorCode},
    model::{
        app::{AppDetail, AppSpec, AppStatus, HealthCheck, PortSpec, Protocol, RestartPolicy, VolumeSpec},
        operation::{Operation, OperationStatus},
        plan::PlanStatus,
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    docker::{Image, Registry, docker, unique},
    eventually::{eventually, eventually_within},
    http::Http,
};

const SERVER: &str = "web-1";

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// Serves on a host port, and is healthy when it answers.
fn web(image: &Image, host: u16) -> AppSpec {
    AppSpec {
        image: image.name().to_owned(),
        ports: vec![PortSpec { container: 8080, host: Some(host), protocol: Protocol::Tcp, loopback: true }],
        health: Some(HealthCheck::Http { port: 8080, path: "/".to_owned() }),
        ..AppSpec::default()
    }
}

/// Runs a script of the busybox shell, once.
fn script(image: &Image, text: &str) -> AppSpec {
    AppSpec {
        image: image.name().to_owned(),
        command: ["sh", "-c", text].map(str::to_owned).into(),
        restart: RestartPolicy::No,
        ..AppSpec::default()
    }
}

fn wanted(name: &str, spec: AppSpec) -> AppDeploy {
    AppDeploy { server: SERVER.to_owned(), name: name.to_owned(), spec, ..AppDeploy::default() }
}

async fn deploy(admin: &Http, name: &str, spec: AppSpec) -> Result<Operation, ApiError> {
    let plan = admin.call(&wanted(name, spec)).await?;
    admin.carry_out(plan).await
}

async fn app(admin: &Http, name: &str) -> AppDetail {
    let request = AppGet { app: name.to_owned(), include: vec![AppPart::Revisions] };
    admin.call(&request).await.expect("the app is known")
}

/// Id of the app's container, if it runs.
fn running(name: &str) -> Option<String> {
    let id = docker(&["ps", "-q", "--no-trunc", "--filter", &format!("name=^tomo-{name}$")]);
    (!id.is_empty()).then_some(id)
}

/// What a deploy makes for a while.
fn leftovers(name: &str) -> String {
    docker(&["ps", "-aq", "--filter", &format!("name=^tomo-{name}\\.")])
}

/// What a port of this host serves under `/`.
pub(crate) async fn served(port: u16) -> Option<String> {
    served_at(port, "/").await
}

pub(crate) async fn served_at(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// A container that Tomo did not make, with a port of the host.
struct Foreign {
    name: String,
    port: u16,
}

impl Foreign {
    fn start(image: &Image, port: u16) -> Self {
        let name = unique("foreign");
        drop(docker(&["run", "-d", "--name", &name, "-p", &format!("127.0.0.1:{port}:8080"), image.name()]));
        Self { name, port }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        drop(docker(&["rm", "-f", &self.name]));
    }
}

fn failure(operation: &Operation) -> &str {
    assert_eq!(operation.status, OperationStatus::Failed, "{operation:?}");
    operation.error.as_ref().map_or("", |error| error.message.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_deployed_served_followed_stopped_started_updated_and_removed() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let mut agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let (image, port, name) = (Image::web(), free_port(), unique("shop"));
    let volume = unique("shop-data");
    let data = VolumeSpec { source: volume.clone(), target: "/data".to_owned(), read_only: false };
    let spec = AppSpec { volumes: vec![data], ..web(&image, port) };
    let done = deploy(&admin, &name, spec.clone()).await.expect("is allowed");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    assert_eq!(served(port).await.as_deref(), Some("hello from busybox\n"));
    let first = running(&name).expect("runs");
    eventually("it counts as running", async || {
        (app(&admin, &name).await.summary.status == AppStatus::Running).then_some(())
    })
    .await;

    let read = AppLogs { app: name.clone(), ..AppLogs::default() };
    let mut log = admin.call(&read).await.expect("has a log");
    served(port).await.expect("serves");
    let follow = AppLogs { cursor: Some(log.next_cursor.clone()), wait_s: Some(20), ..read.clone() };
    log = admin.call(&follow).await.expect("goes on");
    assert!(log.lines.iter().any(|line| line.text.contains("url:/") || line.text.contains("response:200")), "{log:?}");

    let stop = AppStop { app: name.clone(), reason: None };
    let (one, two) = tokio::join!(admin.call(&stop), admin.call(&stop));
    let (one, two) = (one.expect("stops"), two.expect("finds the first"));
    assert_eq!(one.operation, two.operation);
    let stopped = admin.wait_for(one).await.expect("ends");
    assert_eq!(stopped.status, OperationStatus::Succeeded);
    let steps: Vec<&str> = stopped.log.iter().filter_map(|line| line.split(" s  ").nth(1)).collect();
    assert_eq!(steps, ["send to the agent", "stop the container; after 10 s it is killed", "done"], "{stopped:?}");
    assert_eq!((running(&name), app(&admin, &name).await.summary.status), (None, AppStatus::Stopped));
    let started = admin.call(&AppStart { app: name.clone(), reason: None }).await.expect("starts");
    assert_eq!(admin.wait_for(started).await.expect("ends").status, OperationStatus::Succeeded);
    assert_eq!(running(&name), Some(first.clone()));
    let before = docker(&["inspect", "-f", "{{.State.StartedAt}}", &first]);
    let restarted = admin.call(&AppRestart { app: name.clone(), reason: None }).await.expect("restarts");
    assert_eq!(admin.wait_for(restarted).await.expect("ends").status, OperationStatus::Succeeded);
    assert_ne!(docker(&["inspect", "-f", "{{.State.StartedAt}}", &first]), before);

    let env = [("MODE".to_owned(), "fast".to_owned())].into();
    let plan = admin.call(&wanted(&name, AppSpec { env, ..spec.clone() })).await.expect("is planned");
    assert!(plan.changes.iter().any(|change| change.path.contains("MODE")), "{plan:?}");
    let updated = admin.carry_out(plan.clone()).await.expect("is allowed");
    assert_eq!(updated.status, OperationStatus::Succeeded, "{updated:?}");
    // Carrying the same plan out again finds what became of it.
    let again = admin.call(&PlanApply { plan: plan.plan.to_string(), reason: None }).await.expect("is found");
    assert_eq!(again.operation, updated.operation);
    let second = running(&name).expect("runs");
    assert_ne!(first, second);
    // The replaced one is kept for a while, stopped; removing the app takes it along.
    assert_eq!((app(&admin, &name).await.revisions.len(), first.starts_with(&leftovers(&name))), (2, true));
    assert!(!leftovers(&name).is_empty());
    assert_eq!(served(port).await.as_deref(), Some("hello from busybox\n"));

    let keep = AppRemove { app: name.clone(), volumes: false, reason: None };
    let plan = admin.call(&keep).await.expect("is planned");
    assert_eq!(admin.carry_out(plan).await.expect("is allowed").status, OperationStatus::Succeeded);
    assert_eq!(
        (running(&name), docker(&["volume", "ls", "-q", "--filter", &format!("name={volume}")])),
        (None, volume.clone())
    );

    deploy(&admin, &name, spec).await.expect("is allowed");
    let plan = admin.call(&AppRemove { volumes: true, ..keep }).await.expect("is planned");
    assert!(plan.data_loss.is_some(), "{plan:?}");
    drop(admin.carry_out(plan).await.expect("is allowed"));
    let left = docker(&["volume", "ls", "-q", "--filter", &format!("name={volume}")]);
    assert_eq!((running(&name), left), (None, String::new()));
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.program().pid())).expect("it runs");
    assert!(status.lines().any(|line| line.split_whitespace().eq(["Threads:", "1"])), "{status}");
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_deploys_and_removes_from_the_command_line() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let tomo = Tomo::at_socket(&daemon);
    let (image, port, name) = (Image::web(), free_port(), unique("cli"));
    let publish = format!("127.0.0.1:{port}:8080");
    let volume = format!("{}:/data", unique("cli-data"));
    let arguments = ["app", "deploy", &name, "--server", SERVER, "--image", image.name(), "--port", &publish];
    let rest = ["--volume", &volume, "--health", "http:8080/", "--yes"];
    let deployed = tomo.run(arguments.into_iter().chain(rest)).await.ok();
    assert!(deployed.stdout.contains("succeeded"), "{deployed:?}");
    assert_eq!(served(port).await.as_deref(), Some("hello from busybox\n"));
    let listed = tomo.run(["app", "list", "--json"]).await.ok().json();
    assert_eq!((&listed[0]["name"], &listed[0]["status"]), (&name.clone().into(), &"running".into()), "{listed}");
    drop(tomo.run(["app", "logs", &name]).await.ok());
    // Another image, and nothing else changes.
    let newer = Image::web();
    let updated = tomo.run(["app", "update", &name, "--image", newer.name(), "--yes"]).await.ok();
    assert!(updated.stdout.contains("succeeded"), "{updated:?}");
    let shown = tomo.run(["app", "get", &name, "--json"]).await.ok().json();
    assert_eq!(shown["spec"]["image"], newer.name(), "{shown}");
    assert_eq!(shown["spec"]["volumes"][0]["target"], "/data", "{shown}");
    assert_eq!(served(port).await.as_deref(), Some("hello from busybox\n"));
    drop(tomo.run(["app", "stop", &name]).await.ok());
    let removed = tomo.run(["app", "remove", &name, "--volumes", "--yes", "--name", &name]).await.ok();
    assert!(removed.stdout.contains("succeeded"), "{removed:?}");
    assert_eq!(running(&name), None);
    let volume = volume.split(':').next().unwrap_or_default().to_owned();
    assert_eq!(docker(&["volume", "ls", "-q", "--filter", &format!("name={volume}")]), "");
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_once_and_one_that_is_nowhere_is_named() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let registry = Registry::start().await;
    let (image, port, name) = (Image::web(), free_port(), unique("pull"));
    let pulled = registry.push(&image);
    let spec = AppSpec { image: pulled.clone(), ..web(&image, port) };
    let first = deploy(&admin, &name, spec.clone()).await.expect("is allowed");
    assert_eq!(first.status, OperationStatus::Succeeded, "{first:?}");
    let told = async |operation: &Operation| {
        let request = OperationGet { operation: operation.operation.to_string(), ..OperationGet::default() };
        admin.call(&request).await.expect("is kept").log.join("\n")
    };
    let log = told(&first).await;
    assert!(log.contains(&format!("pull {pulled}")), "{log}");
    let env = [("MODE".to_owned(), "fast".to_owned())].into();
    let second = deploy(&admin, &name, AppSpec { env, ..spec.clone() }).await.expect("is allowed");
    let log = told(&second).await;
    assert!(log.contains(&format!("image {pulled} is on the host")) && !log.contains("pull "), "{log}");

    let missing = pulled.replace(":1", ":nowhere").replace("tomo-test", "tomo-missing");
    let missing = if missing == pulled { format!("{pulled}-nowhere") } else { missing };
    let failed = deploy(&admin, &name, AppSpec { image: missing.clone(), ..spec }).await.expect("is allowed");
    let message = failure(&failed);
    assert!(message.contains(&missing) && message.contains("cannot be pulled"), "{message}");
    assert!(failed.error.as_ref().is_some_and(|error| error.next.is_some()), "{failed:?}");
    assert!(running(&name).is_some(), "the old one runs on");
    drop(docker(&["rm", "-f", &format!("tomo-{name}")]));
    drop(docker(&["rmi", "-f", &pulled]));
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_fails_or_is_cancelled_leaves_the_app_as_it_was() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (image, port, name) = (Image::web(), free_port(), unique("undo"));
    let spec = web(&image, port);
    drop(deploy(&admin, &name, spec.clone()).await.expect("is allowed"));
    let old = running(&name).expect("runs");
    let as_before = async |why: &str| {
        assert_eq!((running(&name).as_ref(), leftovers(&name)), (Some(&old), String::new()), "after {why}");
        assert_eq!(served(port).await.as_deref(), Some("hello from busybox\n"), "after {why}");
        assert_eq!(app(&admin, &name).await.spec, spec, "after {why}");
    };

    let dies = AppSpec { ports: spec.ports.clone(), ..script(&image, "echo last words; exit 3") };
    let failed = deploy(&admin, &name, dies).await.expect("is allowed");
    assert!(failure(&failed).contains("exit code 3"), "{failed:?}");
    assert!(failure(&failed).ends_with("the old container runs as before"), "{failed:?}");
    let next = failed.error.as_ref().and_then(|error| error.next.clone());
    assert_eq!(next, Some(format!("app_diagnose {{\"app\":\"{SERVER}/{name}\"}}")));
    let evidence = failed.evidence.as_ref().expect("is kept");
    assert_eq!(evidence.exit_code, Some(3), "{failed:?}");
    assert!(evidence.log.iter().any(|line| line.text == "last words"), "{failed:?}");
    assert!(failed.downtime_ms.is_some_and(|ms| ms > 0), "the old one stopped for the port: {failed:?}");
    as_before("an exit").await;
    let last_error = app(&admin, &name).await.last_error.expect("is kept");
    assert!(last_error.contains("exit code 3"), "{last_error}");

    let holder = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = holder.local_addr().expect("it is bound").port();
    let failed = deploy(&admin, &name, web(&image, taken)).await.expect("is allowed");
    assert!(failure(&failed).contains(&format!("port {taken} of this host is taken")), "{failed:?}");
    assert!(failure(&failed).ends_with("nothing was changed"), "{failed:?}");
    let other = Foreign::start(&image, free_port());
    let refused = eventually("the other container is known", async || {
        admin.call(&wanted(&name, web(&image, other.port))).await.err()
    })
    .await;
    assert!(refused.code == ErrorCode::Conflict && refused.message.contains(&other.name), "{refused:?}");
    as_before("a taken port").await;

    let never = AppSpec { health: Some(HealthCheck::Tcp { port: 9 }), ..spec.clone() };
    let plan = admin.call(&wanted(&name, never)).await.expect("is planned");
    let begun = admin.begin(plan).await.expect("is allowed");
    let request = OperationGet { operation: begun.operation.to_string(), ..OperationGet::default() };
    eventually("it waits for health", async || {
        admin.call(&request).await.ok().filter(|operation| operation.step.contains("healthy"))
    })
    .await;
    assert_eq!(app(&admin, &name).await.summary.status, AppStatus::Deploying);
    // What would get into its way is refused, and says what is under way.
    let refused = admin.call(&AppStop { app: name.clone(), reason: None }).await.expect_err("is refused");
    assert!(refused.code == ErrorCode::Conflict && refused.message.contains("under way"), "{refused:?}");
    let cancel = OperationCancel { operation: begun.operation.to_string(), reason: None };
    let cancelled = admin.call(&cancel).await.expect("is cancelled");
    assert_eq!(cancelled.status, OperationStatus::Cancelled, "{cancelled:?}");
    eventually("everything is put back", async || {
        (running(&name).as_ref() == Some(&old) && leftovers(&name).is_empty()).then_some(())
    })
    .await;
    as_before("a cancellation").await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_in_the_middle_of_a_deploy_puts_the_app_back_when_it_starts() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let mut agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let (image, port, name) = (Image::web(), free_port(), unique("crash"));
    let spec = web(&image, port);
    drop(deploy(&admin, &name, spec.clone()).await.expect("is allowed"));
    let old = running(&name).expect("runs");

    let never = AppSpec { health: Some(HealthCheck::Tcp { port: 9 }), ..spec.clone() };
    let plan = admin.call(&wanted(&name, never)).await.expect("is planned");
    let begun = admin.begin(plan).await.expect("is allowed");
    let request = OperationGet { operation: begun.operation.to_string(), ..OperationGet::default() };
    eventually("it waits for health", async || {
        admin.call(&request).await.ok().filter(|operation| operation.step.contains("healthy"))
    })
    .await;
    agent.kill().await;
    let unknown = admin.wait_for(begun).await.expect("ends");
    let error = unknown.error.as_ref().expect("says why");
    assert_eq!(unknown.status, OperationStatus::Unknown, "{unknown:?}");
    assert!(error.message.contains("link to the agent broke") && error.next.is_some(), "{error:?}");
    assert_eq!(running(&name), None, "the old one was stopped for the port");
    assert_ne!(leftovers(&name), "");

    agent.resume().await;
    eventually("the app is put back", async || {
        (running(&name).as_ref() == Some(&old) && leftovers(&name).is_empty()).then_some(())
    })
    .await;
    let ended = eventually("the agent has told how it ended", async || {
        admin.call(&request).await.ok().filter(|ended| ended.status == OperationStatus::Failed)
    })
    .await;
    let message = failure(&ended);
    assert!(message.starts_with("the agent ended while it was to wait until it is healthy"), "{message}");
    assert!(message.ends_with("the old container runs as before"), "{message}");
    eventually("it serves again", async || served(port).await).await;
    eventually("it counts as running", async || {
        (app(&admin, &name).await.summary.status == AppStatus::Running).then_some(())
    })
    .await;

    // Without its agent nothing is begun, and it is said at once.
    agent.halt().await;
    let offline = eventually("the agent is missed", async || {
        let refused = admin.call(&AppStop { app: name.clone(), reason: None }).await;
        refused.err().filter(|error| error.code == ErrorCode::AgentOffline)
    })
    .await;
    assert!(offline.message.contains(SERVER), "{offline:?}");
    let env = [("MODE".to_owned(), "fast".to_owned())].into();
    let plan = admin.call(&wanted(&name, AppSpec { env, ..spec })).await.expect("is planned");
    assert!(plan.warnings.iter().any(|warning| warning.contains("not connected")), "{plan:?}");
    let failed = admin.carry_out(plan).await.expect("is begun");
    assert_eq!(failed.error.map(|error| error.code), Some(ErrorCode::AgentOffline));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_policy_decides_and_its_line_is_named() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let image = Image::web();
    let (port, name) = (free_port(), unique("policy"));
    let policy = |verbs: &str, images: &str, ports: &str| {
        format!("# of this host\nverbs = [{verbs}]\nimages = [{images}]\nports = [{ports}]\n")
    };
    let agent = TestAgent::start(&daemon, SERVER, &policy("", "", "")).await;
    let noticed = async |text: &str| {
        agent.set_policy(text);
        let request = ServerGet { server: SERVER.to_owned(), include: vec![ServerPart::Policy] };
        let wanted: Vec<String> = text.lines().map(str::to_owned).collect();
        eventually_within(Duration::from_secs(5), "the daemon knows of the change", async || {
            let told = admin.call(&request).await.ok()?.policy?;
            let list = |list: &[String]| list.iter().map(|entry| format!("\"{entry}\"")).collect::<Vec<_>>().join(", ");
            let text = policy(&list(&told.verbs), &list(&told.images), &list(&told.ports));
            text.lines().eq(wanted.iter()).then_some(())
        })
        .await;
    };
    let (verb, this, ports) = ("\"deploy\"", format!("\"{}\"", image.name()), format!("\"{port}\""));
    let cases = [
        (policy("", "", ""), "line 2", "verbs"),
        (policy(verb, "", ""), "line 3", "images"),
        (policy(verb, "\"nginx:*\"", ""), "line 3", "images"),
        (policy(verb, &this, ""), "line 4", "ports"),
        (policy(verb, &this, "\"1-80\""), "line 4", "ports"),
    ];
    let allowed = policy(verb, &this, &ports);
    for (text, line, key) in cases {
        // The file is what counts, also if it has changed since a person agreed.
        noticed(&allowed).await;
        let plan = admin.call(&wanted(&name, web(&image, port))).await.expect("is planned");
        assert!(plan.summary.starts_with("Deploy") && !plan.changes.is_empty(), "{plan:?}");
        agent.set_policy(&text);
        let refused = admin.carry_out(plan.clone()).await.expect("is begun").error.expect("is refused");
        assert_eq!(refused.code, ErrorCode::RefusedByPolicy, "{text}: {refused:?}");
        assert!(refused.message.contains(line) && refused.message.contains("policy.toml"), "{text}: {refused:?}");
        assert!(refused.next.as_ref().is_some_and(|next| next.contains(key)), "{text}: {refused:?}");
        let kept = admin.call(&PlanGet { plan: plan.plan.to_string() }).await.expect("is kept");
        assert_eq!((kept.status, kept.outcome), (PlanStatus::Applied, Some(OperationStatus::Failed)));
        // What is known to be refused is not planned.
        noticed(&text).await;
        let refused = admin.call(&wanted(&name, web(&image, port))).await.expect_err("is refused");
        assert!(refused.code == ErrorCode::RefusedByPolicy && refused.message.contains(SERVER), "{text}: {refused:?}");
        assert!(refused.next.as_ref().is_some_and(|next| next.contains(key)), "{text}: {refused:?}");
    }
    assert_eq!(image.containers(), [""; 0]);
    noticed(&allowed).await;
    let done = deploy(&admin, &name, web(&image, port)).await.expect("is allowed");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_engine_a_deploy_says_so_and_what_to_do() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::without_engine(&daemon, SERVER).await;
    let spec = AppSpec { image: "nginx:1.27".to_owned(), ..AppSpec::default() };
    let refused = admin.call(&wanted("shop", spec)).await.expect_err("is refused");
    assert_eq!(refused.code, ErrorCode::Conflict, "{refused:?}");
    assert!(refused.message.contains("engine") && refused.message.contains("no-engine.sock"), "{refused:?}");
    assert!(refused.next.as_ref().is_some_and(|next| next.contains("Docker")), "{refused:?}");
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_lines_of_a_log_are_made_safe_and_cut() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (image, name) = (Image::web(), unique("hostile"));
    let text = "printf '\\033]0;owned\\007title\\033[2J \\342\\200\\256bidi\\n'; \
         busybox yes x | busybox head -c 4000000 | busybox tr -d '\\n'; echo; echo after; sleep 100";
    let done = deploy(&admin, &name, script(&image, text)).await.expect("is allowed");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    // The engine counts a long line in pieces of 16 KiB.
    let read = AppLogs { app: name.clone(), tail: Some(1_000), ..AppLogs::default() };
    let log = eventually("the last line is there", async || {
        let log = admin.call(&AppLogs { tail: Some(1), ..read.clone() }).await.ok()?;
        log.lines.iter().any(|line| line.text == "after").then_some(log)
    })
    .await;
    assert_eq!(log.lines.len(), 1);
    let safe = admin.call(&AppLogs { grep: Some("title".to_owned()), ..read.clone() }).await.expect("is found");
    assert_eq!(safe.lines[0].text, "title bidi");
    let long = admin.call(&AppLogs { grep: Some("xxxx".to_owned()), ..read }).await.expect("is found");
    assert!(long.lines[0].text.len() <= 16 * 1024 + 3, "{}", long.lines[0].text.len());
    let tomo = Tomo::at_socket(&daemon);
    let shown = tomo.run(["app", "logs", &name]).await.ok();
    assert!(!shown.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", &shown.stdout[..200]);
    agent.stop().await;
    daemon.stop().await;
}
