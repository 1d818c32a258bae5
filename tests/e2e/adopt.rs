//! Containers that Tomo did not make become apps, on the real engine: with their ports, data and sealed secrets, or they are as before.

use std::path::Path;

use serde_json::{Value, json};
use tomo_proto::{
    api::{
        app::{AppDeploy, AppGet, AppRemove},
        audit::AuditSearch,
        container::ContainerAdopt,
        operation::OperationGet,
        plan::{PlanApply, PlanApprove, PlanGet, PlanList},
        server::{ServerGet, ServerPart},
    },
    error::{ApiError, ErrorCode},
    model::{
        app::AppDetail,
        container::ContainerState,
        operation::OperationStatus,
        plan::{Plan, PlanStatus},
        user::Scope,
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, ENGINE, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    docker::{Image, docker, unique},
    engine::OwnEngine,
    engine_way::{EngineWay, Side},
    eventually::{PATIENCE, eventually, eventually_within},
    http::Http,
    rounds::rounds,
    terminal::{Key, Terminal},
};

use crate::deploy::{free_port, served};

const SERVER: &str = "web-1";

/// A container that Tomo did not make. It goes, whatever it is called by then, with its image.
struct Foreign {
    name: String,
}

impl Foreign {
    fn make(verb: &[&str], image: &Image, options: &[&str], command: &[&str]) -> Self {
        let name = unique("foreign");
        let mut arguments = verb.to_vec();
        arguments.extend(["--name", &name]);
        arguments.extend(options);
        arguments.push(image.name());
        arguments.extend(command);
        drop(docker(&arguments));
        Self { name }
    }

    fn run(image: &Image, options: &[&str], command: &[&str]) -> Self {
        Self::make(&["run", "-d"], image, options, command)
    }

    async fn known(&self, admin: &Http, state: ContainerState) {
        let request = ServerGet { server: SERVER.to_owned(), include: vec![ServerPart::Containers] };
        eventually("the daemon knows the container", async || {
            let containers = admin.call(&request).await.ok()?.containers;
            containers.iter().any(|one| one.name == self.name && one.state == state).then_some(())
        })
        .await;
    }

    fn wanted(&self, app: &str) -> ContainerAdopt {
        ContainerAdopt {
            server: SERVER.to_owned(),
            container: self.name.clone(),
            name: Some(app.to_owned()),
            ..ContainerAdopt::default()
        }
    }

    /// What stays of a container when it is stopped and started.
    fn lasting(&self) -> Value {
        let mut told: Value = serde_json::from_str(&docker(&["inspect", &self.name])).expect("is JSON");
        let told = &mut told[0];
        let running = told["State"]["Running"].clone();
        let networks = told["NetworkSettings"]["Networks"].as_object().expect("has networks").keys().cloned();
        let networks: Vec<String> = networks.collect();
        let of = |key: &str| told[key].clone();
        json!([of("Id"), of("Name"), of("Image"), of("Config"), of("HostConfig"), of("Mounts"), running, networks])
    }
}

async fn app(admin: &Http, name: &str) -> AppDetail {
    admin.call(&AppGet { app: name.to_owned(), include: Vec::new() }).await.expect("the app is known")
}

fn exists(container: &str) -> bool {
    !docker(&["ps", "-aq", "--filter", &format!("name=^{container}$")]).is_empty()
}

fn volume_exists(volume: &str) -> bool {
    docker(&["volume", "ls", "-q"]).lines().any(|line| line == volume)
}

async fn approve(admin: &Http, plan: &Plan) -> Result<Plan, ApiError> {
    admin.call(&PlanApprove { plan: plan.plan.to_string(), hash: plan.hash.clone(), name: None }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_tomo_did_not_make_becomes_an_app_with_its_port_data_and_sealed_secrets() {
    let daemon = TestDaemon::spawn().await;
    let admin = daemon.admin();
    let agent = TestAgent::halves(&daemon, SERVER, ALLOW_ALL).await;
    let (image, port, name, volume) = (Image::web(), free_port(), unique("shop"), unique("Shop_data"));
    let publish = format!("127.0.0.1:{port}:8080");
    let mount = format!("{volume}:/data");
    let options = ["-p", &publish, "-v", &mount, "-v", "/scratch", "-e", "MODE=fast", "-e", "DB_PASSWORD=hunter2"];
    let options: Vec<&str> = options.into_iter().chain(["--restart", "always", "--memory", "64m"]).collect();
    let foreign = Foreign::run(&image, &options, &[]);
    foreign.known(&admin, ContainerState::Running).await;
    drop(docker(&["exec", &foreign.name, "sh", "-c", "echo kept > /data/file; echo unnamed > /scratch/file"]));
    let unnamed = docker(&[
        "inspect",
        "-f",
        "{{range .Mounts}}{{if eq .Destination \"/scratch\"}}{{.Name}}{{end}}{{end}}",
        &foreign.name,
    ]);

    // A program of somebody's plans it, and cannot agree to it.
    let program = daemon.token(&[Scope::Read, Scope::Plan, Scope::Deploy]).await;
    let plan = program.call(&foreign.wanted(&name)).await.expect("is planned");
    let refused = program.call(&PlanApply { plan: plan.plan.to_string(), reason: None }).await.expect_err("waits");
    assert_eq!(refused.code, ErrorCode::ApprovalRequired, "{refused:?}");
    let again = program.call(&foreign.wanted(&name)).await.expect("is planned");
    assert_eq!(again.plan, plan.plan, "the same plan is found, and its secrets with it");
    assert!(plan.downtime.as_deref().is_some_and(|said| said.contains(&format!("port {port} is fixed"))), "{plan:?}");
    assert!(plan.summary.contains(&foreign.name), "{}", plan.summary);

    let tomo = Tomo::at_socket(&daemon);
    let done = tomo.run(["container", "adopt", SERVER, &foreign.name, "--name", &name, "--yes"]).await.ok();
    assert!(done.stdout.contains(&format!("secret://{name}.db_password")), "{}", done.stdout);
    assert!(served(port).await.is_some_and(|body| body.contains("hello")));
    let container = format!("tomo-{name}");
    let read = |path: &str| docker(&["exec", &container, "busybox", "cat", path]);
    assert_eq!((read("/data/file"), read("/scratch/file")), ("kept".to_owned(), "unnamed".to_owned()));
    let variable = |name: &str| docker(&["exec", &container, "sh", "-c", &format!("echo ${name}")]);
    assert_eq!((variable("DB_PASSWORD"), variable("MODE")), ("hunter2".to_owned(), "fast".to_owned()));
    let restart = |of: &str| docker(&["inspect", "-f", "{{.HostConfig.RestartPolicy.Name}} {{.State.Running}}", of]);
    let kept = format!("{container}.old");
    assert_eq!((restart(&container), restart(&kept)), ("always true".to_owned(), "no false".to_owned()));
    assert!(!exists(&foreign.name), "it is kept under the app's name");

    // The secret is nowhere but in the container, and the program's plan is over.
    let detail = app(&admin, &name).await;
    assert_eq!(detail.spec.env["DB_PASSWORD"], format!("secret://{name}.db_password"));
    assert_eq!((detail.spec.memory_limit_bytes, detail.spec.env["MODE"].as_str()), (Some(64 << 20), "fast"));
    let told = [
        serde_json::to_string(&detail),
        serde_json::to_string(&admin.call(&PlanList::default()).await.expect("are told")),
        serde_json::to_string(&admin.call(&AuditSearch::default()).await.expect("is told")),
    ];
    let told = told.map(|text| text.expect("is JSON")).join("\n") + &done.stdout + &done.stderr;
    assert!(!told.contains("hunter2"), "{told}");
    let request = AuditSearch { action: Some("container_adopt".to_owned()), ..AuditSearch::default() };
    assert!(!admin.call(&request).await.expect("is told").entries.is_empty());
    let stale = approve(&admin, &plan).await.expect_err("its target is another one");
    assert_eq!(stale.code, ErrorCode::PlanStale, "{stale:?}");
    let own = ContainerAdopt { server: SERVER.to_owned(), container: container.clone(), ..ContainerAdopt::default() };
    let refused = eventually("the app's container is known", async || {
        admin.call(&own).await.err().filter(|error| error.code == ErrorCode::Conflict)
    })
    .await;
    assert!(refused.message.contains(&format!("belongs to app \"{name}\"")), "{refused:?}");

    // The next revision is an ordinary one, and takes the kept one's place. No volume goes that Tomo did not make.
    let mut spec = detail.spec;
    spec.env.insert("MODE".to_owned(), "slow".to_owned());
    let wanted = AppDeploy { server: SERVER.to_owned(), name: name.clone(), spec, ..AppDeploy::default() };
    let planned = admin.call(&wanted).await.expect("is planned");
    let ended = admin.carry_out(planned).await.expect("is allowed");
    assert_eq!(ended.status, OperationStatus::Succeeded, "{ended:?}");
    assert_eq!(docker(&["ps", "-aq", "--filter", &format!("name=tomo-{name}")]).lines().count(), 2);
    assert_eq!(read("/scratch/file"), "unnamed");
    let removal = admin.call(&AppRemove { app: name.clone(), volumes: true, reason: None }).await.expect("is planned");
    let ended = admin.carry_out(removal).await.expect("is allowed");
    assert_eq!(ended.status, OperationStatus::Succeeded, "{ended:?}");
    assert!(volume_exists(&volume) && volume_exists(&unnamed), "Tomo did not make them");
    agent.stop().await;
    daemon.stop().await;
    drop(image);
    drop(docker(&["volume", "rm", &volume, &unnamed]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_adopted_container_would_lose_is_named_and_what_no_app_may_have_is_refused() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (image, name) = (Image::web(), unique("shop"));
    let create = ["create"].as_slice();

    for (options, command, expected) in [
        (&["--privileged"][..], &[][..], "no policy can allow `privileged`"),
        (&["--network", "host"], &[], "no policy can allow `host_network`"),
        (&["--pid", "host"], &[], "the host's processes"),
        (&["--rm"], &[], "--rm"),
        (&["-v", "/var/run/docker.sock:/var/run/docker.sock"], &[], "is never allowed"),
        (&["-v", "/etc:/host"], &[], "is never allowed"),
        (&["--cap-add", "SYS_ADMIN"], &[], "SYS_ADMIN"),
        (&["-p", "80:8080"], &[], "host port 80"),
        (&[], &["sh", "-c", "exit", "--token", "hunter2"], "looks like a secret"),
    ] {
        let foreign = Foreign::make(create, &image, options, command);
        foreign.known(&admin, ContainerState::Created).await;
        let wanted = ContainerAdopt { accept_losses: true, ..foreign.wanted(&name) };
        let refused = admin.call(&wanted).await.expect_err("is refused");
        assert!(refused.message.contains(expected), "{options:?}: {refused:?}");
        assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    }

    let options = ["--init", "--cap-drop", "NET_RAW", "--tmpfs", "/run", "--add-host", "a:10.0.0.1", "--hostname", "x"];
    let foreign = Foreign::make(create, &image, &options, &[]);
    foreign.known(&admin, ContainerState::Created).await;
    let refused = admin.call(&foreign.wanted(&name)).await.expect_err("names what is lost");
    assert_eq!(refused.field.as_deref(), Some("accept_losses"), "{refused:?}");
    for lost in ["--init", "cap_drop", "/run", "extra hosts", "host name"] {
        assert!(refused.message.contains(lost), "{lost}: {refused:?}");
    }
    let tomo = Tomo::at_socket(&daemon);
    let said = tomo.run(["container", "adopt", SERVER, &foreign.name, "--name", &name, "--yes"]).await;
    assert!(!said.stderr.is_empty() && said.stderr.contains("--accept-losses"), "{said:?}");
    let accepted = ContainerAdopt { accept_losses: true, ..foreign.wanted(&name) };
    let plan = admin.call(&accepted).await.expect("is planned");
    assert!(
        plan.warnings.iter().any(|warning| warning.starts_with("lost: ") && warning.contains("--init")),
        "{plan:?}"
    );
    assert_eq!(plan.downtime, None, "it does not run");

    // It moves: the plan is stale, at the look before it is applied.
    approve(&admin, &plan).await.expect("is agreed to");
    drop(docker(&["start", &foreign.name]));
    let stale = admin.call(&PlanApply { plan: plan.plan.to_string(), reason: None }).await.expect_err("is stale");
    assert_eq!(stale.code, ErrorCode::PlanStale, "{stale:?}");
    let known = admin.call(&PlanGet { plan: plan.plan.to_string() }).await.expect("is known");
    assert_eq!(known.status, PlanStatus::Stale);

    // The host's owner decides.
    agent.set_policy("verbs = [\"deploy\"]\nforeign = [\"inspect\"]\nimages = [\"*\"]\n");
    let refused = eventually("the agent's policy counts", async || {
        admin.call(&accepted).await.err().filter(|error| error.code == ErrorCode::RefusedByPolicy)
    })
    .await;
    assert!(refused.message.contains("\"adopt\" of container"), "{refused:?}");
    assert!(refused.next.as_deref().is_some_and(|next| next.contains("`foreign`")), "{refused:?}");
    agent.stop().await;
    daemon.stop().await;
    drop(image);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adoption_that_fails_gives_the_container_back_as_it_was() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (image, port, name) = (Image::web(), free_port(), unique("shop"));
    let publish = format!("127.0.0.1:{port}:8080");
    let network = unique("shop-network");
    drop(docker(&["network", "create", &network]));
    // It lives only under its own host name, which an app does not have.
    let picky = "[ \"$(busybox hostname)\" = picky ] || exit 7; busybox httpd -f -p 8080 -h /www & wait $!";
    let options = ["--hostname", "picky", "-p", &publish, "--restart", "unless-stopped", "--network", &network];
    let foreign = Foreign::run(&image, &options, &["sh", "-c", picky]);
    foreign.known(&admin, ContainerState::Running).await;
    let before = foreign.lasting();
    let refused = admin.call(&foreign.wanted(&name)).await.expect_err("names what is lost");
    assert!(refused.message.contains(&network), "{refused:?}");
    let plan = admin.call(&ContainerAdopt { accept_losses: true, ..foreign.wanted(&name) }).await.expect("is planned");
    let ended = admin.carry_out(plan).await.expect("is allowed");
    assert_eq!(ended.status, OperationStatus::Failed, "{ended:?}");
    let message = ended.error.map(|error| error.message).unwrap_or_default();
    assert!(message.contains("exit code 7") && message.ends_with("the old container runs as before"), "{message}");
    assert_eq!(foreign.lasting(), before);
    eventually("it answers again", async || served(port).await.filter(|body| body.contains("hello"))).await;
    assert_eq!(docker(&["ps", "-aq", "--filter", &format!("name=tomo-{name}")]), "", "nothing of the app is left");
    agent.stop().await;
    daemon.stop().await;
    drop(image);
    drop(docker(&["network", "rm", &network]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adoption_that_is_cut_off_is_finished_or_undone() {
    let daemon = TestDaemon::spawn().await;
    let admin = daemon.admin();
    let way = EngineWay::to(Path::new(ENGINE));
    let mut agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &way.socket()).await;
    let image = Image::web();
    let run = |port: u16| Foreign::run(&image, &["-p", &format!("127.0.0.1:{port}:8080"), "--restart", "always"], &[]);
    let clear = |name: &str| drop(docker(&["rm", "-f", &format!("tomo-{name}"), &format!("tomo-{name}.old")]));

    // What it calls the engine for, where nothing cuts it off.
    let (first, name) = (run(free_port()), unique("shop"));
    first.known(&admin, ContainerState::Running).await;
    let plan = admin.call(&first.wanted(&name)).await.expect("is planned");
    approve(&admin, &plan).await.expect("is agreed to");
    way.count();
    let begun = admin.call(&PlanApply { plan: plan.plan.to_string(), reason: None }).await.expect("is applied");
    assert_eq!(admin.wait_for(begun).await.expect("ends").status, OperationStatus::Succeeded);
    let calls = way.calls();
    clear(&name);
    let place = |head: &str, nth: usize| {
        let found = calls.iter().enumerate().filter(|(_, call)| call.starts_with(head));
        found.map(|(at, _)| at + 1).nth(nth).unwrap_or_else(|| panic!("no {head} in {calls:?}"))
    };
    // The first renaming sets the old one aside for the moment, the second decides, the third keeps it.
    let gate = [
        (place("stop", 0), Side::After),
        (place("rename", 0), Side::After),
        (place("rename", 1), Side::After),
        (place("rename", 2), Side::After),
    ];
    let all = || (1..=calls.len()).flat_map(|call| [(call, Side::Before), (call, Side::After)]).collect::<Vec<_>>();
    let (mut undone, mut finished) = (0, 0);
    for (call, side) in if rounds(1) == 1 { gate.to_vec() } else { all() } {
        let (port, name) = (free_port(), unique("shop"));
        let foreign = run(port);
        foreign.known(&admin, ContainerState::Running).await;
        let before = foreign.lasting();
        let plan = admin.call(&foreign.wanted(&name)).await.expect("is planned");
        approve(&admin, &plan).await.expect("is agreed to");
        way.stop_at(call, side);
        let begun = admin.call(&PlanApply { plan: plan.plan.to_string(), reason: None }).await.expect("is applied");
        way.held().await;
        agent.kill().await;
        way.drop_held();
        agent.resume().await;
        let request = OperationGet { operation: begun.operation.to_string(), ..OperationGet::default() };
        let ended = eventually_within(3 * PATIENCE, "it is known how it ended", async || {
            let operation = admin.call(&request).await.ok()?;
            (operation.status.is_final() && operation.status != OperationStatus::Unknown).then_some(operation)
        })
        .await;
        let at = format!("{side:?} call {call}, {}: {ended:?}", calls[call - 1]);
        eventually("it answers", async || served(port).await.filter(|body| body.contains("hello"))).await;
        if ended.status == OperationStatus::Succeeded {
            finished += 1;
            assert!(exists(&format!("tomo-{name}.old")) && !exists(&foreign.name), "{at}");
            assert!(app(&admin, &name).await.revision.is_some(), "{at}");
        } else {
            undone += 1;
            assert_eq!(foreign.lasting(), before, "{at}");
            assert_eq!(docker(&["ps", "-aq", "--filter", &format!("name=tomo-{name}")]), "", "{at}");
            drop(docker(&["rm", "-f", &foreign.name]));
        }
        if exists(&format!("tomo-{name}")) {
            clear(&name);
        }
    }
    assert!(undone > 0 && finished > 0, "{undone} were undone and {finished} finished");
    agent.stop().await;
    daemon.stop().await;
    drop(image);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_adopted_in_the_dashboard_after_what_it_loses_was_shown() {
    let engine = OwnEngine::start().await;
    engine.image("db:1", "db", "trap 'exit 0' TERM; while true; do busybox sleep 1; done");
    let run = ["run", "-d", "--name", "db", "--init", "-e", "DB_PASSWORD=hunter2", "-v", "pgdata:/data", "db:1"];
    drop(engine.docker(&run));
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &engine.socket()).await;
    Foreign { name: "db".to_owned() }.known(&admin, ContainerState::Running).await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 36);
    terminal.wait_for(SERVER).await;
    terminal.press(Key::Enter);
    terminal.wait_for("containers (1)").await;
    terminal.type_text("A");
    terminal.wait_for("Make an app of db on web-1").await;
    terminal.press(Key::Enter);
    terminal.wait_for("its init process (--init)").await;
    terminal.wait_for("Go on without").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("Approve and apply").await;
    terminal.wait_for("secret://db.db_password").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("succeeded").await;
    let runs = |name: &str| engine.docker(&["inspect", "-f", "{{.State.Running}}", name]);
    assert_eq!((runs("tomo-db"), runs("tomo-db.old")), ("true".to_owned(), "false".to_owned()));
    let raw = terminal.raw();
    assert!(!raw.windows(7).any(|bytes| bytes == b"hunter2"), "no secret came to the terminal");
    agent.stop().await;
    daemon.stop().await;
}
