//! Daily work with what is no app's: containers that Tomo did not make, images, volumes, networks, and clearing away what nothing uses.
//! Each test has an engine of its own.

use std::time::Duration;

use serde_json::json;
use tomo_proto::{
    api::{
        app::AppDeploy,
        audit::AuditSearch,
        container::{ContainerGet, ContainerLogs, ContainerRestart, ContainerStart, ContainerStop},
        overview::{Overview, Severity},
        plan::{PlanApply, PlanApprove, PlanGet},
        server::{ServerGet, ServerPart},
        stock::{
            ImageList, ImagePull, ImageRemove, NetworkCreate, NetworkList, NetworkRemove, ServerPrune, VolumeCreate,
            VolumeList, VolumeRemove,
        },
    },
    error::ErrorCode,
    model::{
        app::{AppSpec, VolumeSpec},
        container::{Container, ContainerState},
        operation::OperationStatus,
        plan::{Approval, Plan, PlanStatus},
        user::{Scope, Selectors},
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    docker::{Image, docker, unique},
    engine::OwnEngine,
    eventually::{eventually, eventually_within},
    http::Http,
    terminal::{Key, Terminal},
};

const SERVER: &str = "web-1";
const FOREVER: &str = "trap 'exit 0' TERM; while true; do busybox sleep 1; done";

async fn containers(admin: &Http) -> Vec<Container> {
    let request = ServerGet { server: SERVER.to_owned(), include: vec![ServerPart::Containers] };
    admin.call(&request).await.expect("the server is known").containers
}

/// Waits until the daemon knows a container in a state.
async fn known(admin: &Http, name: &str, state: ContainerState) -> Container {
    eventually(&format!("{name} is known to be {}", state.as_str()), async || {
        containers(admin).await.into_iter().find(|one| one.name == name && one.state == state)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_tomo_did_not_make_is_looked_at_read_and_operated_within_the_policy() {
    let engine = OwnEngine::start().await;
    engine.image("db:1", "db", &format!("echo ready; echo failed >&2; {FOREVER}"));
    let run = ["run", "-d", "--name", "db", "--hostname", "db", "-e", "MODE=fast", "-e", "DB_PASSWORD=hunter2"];
    let more =
        ["-e", "URL=pg://shop:hunter2@db/shop", "-v", "pgdata:/data:ro", "--memory", "64m", "--cap-add", "NET_ADMIN"];
    let arguments: Vec<&str> = run.into_iter().chain(more).chain(["--restart", "always", "db:1"]).collect();
    drop(engine.docker(&arguments));
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &engine.socket()).await;
    known(&admin, "db", ContainerState::Running).await;
    let (server, container) = (SERVER.to_owned(), "db".to_owned());

    // How it was made: names of variables, and no secret anywhere.
    let request = ContainerGet { server: server.clone(), container: container.clone() };
    let detail = admin.call(&request).await.expect("is looked at");
    let text = serde_json::to_string(&detail).expect("is JSON");
    assert!(!text.contains("hunter2"), "{text}");
    let env = ["MODE", "DB_PASSWORD", "URL"].map(|name| detail.config.env[name].as_str());
    assert_eq!(env, ["fast", "(masked)", "(masked)"]);
    let mount = &detail.config.mounts[0];
    assert_eq!((mount.kind.as_str(), mount.source.as_str(), mount.target.as_str()), ("volume", "pgdata", "/data"));
    assert!(mount.read_only && detail.config.memory_limit_bytes == 64 << 20, "{:?}", detail.config);
    assert_eq!(detail.config.powers, ["capability NET_ADMIN"]);
    assert_eq!((detail.config.restart.as_str(), detail.container.app), ("always", None));

    // Its log: both streams, what fits, and on from there.
    let read = ContainerLogs { server: server.clone(), container: container.clone(), ..ContainerLogs::default() };
    let log = admin.call(&read).await.expect("has a log");
    let mut lines: Vec<&str> = log.lines.iter().map(|line| line.text.as_str()).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["failed", "ready"]);
    let fits = admin.call(&ContainerLogs { grep: Some("fail".to_owned()), ..read.clone() }).await.expect("is read");
    assert_eq!(fits.lines.len(), 1);
    let none = admin.call(&ContainerLogs { since: Some("2100-01-01T00:00:00Z".to_owned()), ..read.clone() }).await;
    assert!(none.expect("is read").lines.is_empty());

    // By id too; a name that is near is offered.
    let by_id = ContainerGet { container: detail.container.id[..12].to_owned(), ..request.clone() };
    assert_eq!(admin.call(&by_id).await.expect("is found").container.name, "db");
    let near = admin.call(&ContainerGet { container: "dbb".to_owned(), ..request.clone() }).await.expect_err("is none");
    assert!(near.code == ErrorCode::NotFound && near.message.contains("\"db\""), "{near:?}");

    // Operated, and audited under the name of the tool.
    let stop = ContainerStop { server: server.clone(), container: container.clone(), reason: Some("full".to_owned()) };
    let (one, two) = tokio::join!(admin.call(&stop), admin.call(&stop));
    let (one, two) = (one.expect("stops"), two.expect("finds the first"));
    assert_eq!(one.operation, two.operation);
    assert_eq!(admin.wait_for(one).await.expect("ends").status, OperationStatus::Succeeded);
    known(&admin, "db", ContainerState::Exited).await;
    let start = ContainerStart { server: server.clone(), container: container.clone(), reason: None };
    let started = admin.call(&start).await.expect("starts");
    assert_eq!(admin.wait_for(started).await.expect("ends").status, OperationStatus::Succeeded);
    known(&admin, "db", ContainerState::Running).await;
    let before = engine.docker(&["inspect", "-f", "{{.State.StartedAt}}", "db"]);
    let restart = ContainerRestart { server: server.clone(), container: container.clone(), reason: None };
    let restarted = admin.call(&restart).await.expect("restarts");
    assert_eq!(admin.wait_for(restarted).await.expect("ends").status, OperationStatus::Succeeded);
    assert_ne!(engine.docker(&["inspect", "-f", "{{.State.StartedAt}}", "db"]), before);
    let search = AuditSearch { action: Some("container_stop".to_owned()), ..AuditSearch::default() };
    let found = admin.call(&search).await.expect("is searched").entries;
    assert!(found.iter().any(|entry| entry.resource == "db" && entry.reason.as_deref() == Some("full")), "{found:?}");

    // The host's owner decides: the daemon's own look at it, and the agent's at the file.
    let text = "verbs = [\"stop\", \"logs\", \"inspect\"]\nforeign = [\"logs\"]\n";
    agent.set_policy(text);
    eventually("the daemon knows of the change", async || {
        let refused = admin.call(&stop).await.err()?;
        (refused.code == ErrorCode::RefusedByPolicy).then_some(())
    })
    .await;
    let refused = admin.call(&stop).await.expect_err("is refused");
    assert!(refused.message.contains("which Tomo did not make") && refused.message.contains(SERVER), "{refused:?}");
    assert!(refused.next.as_ref().is_some_and(|next| next.contains("`foreign`")), "{refused:?}");
    let refused = admin.call(&request).await.expect_err("is refused by the agent");
    assert!(refused.code == ErrorCode::RefusedByPolicy && refused.message.contains("line 2"), "{refused:?}");
    admin.call(&read).await.expect("logs are allowed");
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apps_container_is_its_apps_matter_and_a_token_of_one_app_sees_no_other() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (image, name, other) = (Image::web(), unique("shop"), unique("other"));
    drop(docker(&["run", "-d", "--name", &other, image.name()]));
    let spec = AppSpec { image: image.name().to_owned(), ..AppSpec::default() };
    let deploy = AppDeploy { server: SERVER.to_owned(), name: name.clone(), spec, ..AppDeploy::default() };
    let plan = admin.call(&deploy).await.expect("is planned");
    assert_eq!(admin.carry_out(plan).await.expect("is allowed").status, OperationStatus::Succeeded);
    let container = format!("tomo-{name}");
    let stats = eventually_within(Duration::from_secs(30), "what both use is measured", async || {
        let all = containers(&admin).await;
        let usage = |name: &str| all.iter().find(|one| one.name == name).and_then(|one| one.usage);
        Some([usage(&container)?, usage(&other)?])
    })
    .await;
    assert!(stats.iter().all(|usage| usage.memory_bytes > 0), "{stats:?}");

    let stop = ContainerStop { server: SERVER.to_owned(), container: container.clone(), reason: None };
    let refused = admin.call(&stop).await.expect_err("is refused");
    assert_eq!(refused.code, ErrorCode::Conflict, "{refused:?}");
    assert_eq!(refused.next, Some(format!("app_stop {{\"app\":\"{SERVER}/{name}\"}}")));
    let selectors = Selectors { apps: [name.clone()].into(), ..Selectors::default() };
    let token = daemon.create_token(&[Scope::Read, Scope::Operate, Scope::Plan], selectors).await;
    let narrow = daemon.http().bearer(&token);
    let get = |container: &str| ContainerGet { server: SERVER.to_owned(), container: container.to_owned() };
    assert_eq!(narrow.call(&get(&container)).await.expect("is its own").container.name, container);
    let hidden = narrow.call(&get(&other)).await.expect_err("is not there");
    assert!(
        hidden.code == ErrorCode::NotFound && !hidden.message.contains(&format!("known: \"{other}\"")),
        "{hidden:?}"
    );
    for refused in [
        narrow.call(&ImageList { server: SERVER.to_owned() }).await.map(drop),
        narrow.call(&VolumeList { server: SERVER.to_owned() }).await.map(drop),
        narrow.call(&ServerPrune { server: SERVER.to_owned(), ..ServerPrune::default() }).await.map(drop),
    ] {
        assert_eq!(refused.expect_err("is refused").code, ErrorCode::Denied);
    }
    drop(docker(&["rm", "-f", &other]));
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_volumes_and_networks_are_listed_made_and_removed_unless_in_use() {
    let engine = OwnEngine::start().await;
    engine.image("web:1", "one", FOREVER);
    engine.image("old:1", "two", FOREVER);
    drop(engine.docker(&["tag", "old:1", "old:again"]));
    drop(engine.docker(&["network", "create", "theirs"]));
    drop(engine.docker(&["run", "-d", "--name", "web", "-v", "used:/data", "--network", "theirs", "web:1"]));
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &engine.socket()).await;
    let server = SERVER.to_owned();

    let images = admin.call(&ImageList { server: server.clone() }).await.expect("are listed").images;
    let told: Vec<_> = images.iter().map(|image| (image.names.join(" "), image.used_by.join(" "))).collect();
    let expected = [("old:1 old:again", ""), ("web:1", "web")].map(|(names, by)| (names.to_owned(), by.to_owned()));
    assert_eq!(told, expected);
    assert!(images.iter().all(|image| image.size_bytes > 500_000 && image.created_at > 0), "{images:?}");

    // Made at once, with Tomo's label; a name that is taken is named.
    let create = VolumeCreate { server: server.clone(), name: "mine".to_owned(), reason: None };
    let made = admin.call(&create).await.expect("is begun");
    assert_eq!(admin.wait_for(made).await.expect("ends").status, OperationStatus::Succeeded);
    let again = admin.call(&create).await.expect("is begun");
    let again = admin.wait_for(again).await.expect("ends").error.expect("is refused");
    assert!(again.code == ErrorCode::Conflict && again.message.contains("\"mine\""), "{again:?}");
    let network = NetworkCreate { server: server.clone(), name: "back".to_owned(), internal: true, reason: None };
    let made = admin.call(&network).await.expect("is begun");
    assert_eq!(admin.wait_for(made).await.expect("ends").status, OperationStatus::Succeeded);
    let volumes = admin.call(&VolumeList { server: server.clone() }).await.expect("are listed").volumes;
    let told: Vec<_> = volumes.iter().map(|one| (one.name.as_str(), one.ours, one.used_by.len())).collect();
    assert_eq!(told, [("mine", true, 0), ("used", false, 1)]);
    assert!(volumes.iter().all(|volume| volume.size_bytes.is_some()), "{volumes:?}");
    let networks = admin.call(&NetworkList { server: server.clone() }).await.expect("are listed").networks;
    let back = networks.iter().find(|network| network.name == "back").expect("is there");
    assert!(back.ours && back.internal && !back.built_in, "{back:?}");
    assert!(networks.iter().any(|network| network.name == "bridge" && network.built_in));

    // What is used stays, and says by what; what is not there is said with what is.
    let remove = |volume: &str| VolumeRemove { server: server.clone(), volume: volume.to_owned(), reason: None };
    let refused = admin.call(&remove("used")).await.expect_err("is in use");
    assert!(refused.code == ErrorCode::Conflict && refused.message.contains("in use by web"), "{refused:?}");
    let refused = admin.call(&remove("min")).await.expect_err("is not there");
    assert!(refused.code == ErrorCode::NotFound && refused.message.contains("\"mine\""), "{refused:?}");
    let image = |image: &str| ImageRemove { server: server.clone(), image: image.to_owned(), reason: None };
    let refused = admin.call(&image("web:1")).await.expect_err("is in use");
    assert!(refused.message.contains("in use by web"), "{refused:?}");
    let network = |network: &str| NetworkRemove { server: server.clone(), network: network.to_owned(), reason: None };
    assert!(admin.call(&network("theirs")).await.expect_err("is in use").message.contains("in use by web"));
    let bridge = NetworkCreate { server: server.clone(), name: "bridge".to_owned(), ..NetworkCreate::default() };
    for refused in [admin.call(&network("bridge")).await.map(drop), admin.call(&bridge).await.map(drop)] {
        let refused = refused.expect_err("stays as it is");
        assert!(refused.code == ErrorCode::Invalid && refused.message.contains("engine's own"), "{refused:?}");
    }

    // A volume's content is lost for good; an image can be pulled again.
    let plan = admin.call(&remove("mine")).await.expect("is planned");
    assert_eq!((plan.approval, plan.target.as_str()), (Approval::Human, "mine"));
    assert!(plan.data_loss.as_ref().is_some_and(|loss| loss.contains("mine")), "{plan:?}");
    assert_eq!(admin.carry_out(plan).await.expect("is allowed").status, OperationStatus::Succeeded);
    let plan = admin.call(&image("old:again")).await.expect("is planned");
    assert_eq!((plan.approval, plan.data_loss.as_ref()), (Approval::Confirm, None));
    assert_eq!(admin.carry_out(plan).await.expect("is allowed").status, OperationStatus::Succeeded);
    let plan = admin.call(&network("back")).await.expect("is planned");
    assert_eq!(admin.carry_out(plan).await.expect("is allowed").status, OperationStatus::Succeeded);
    assert_eq!(engine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]), "web:1");
    assert_eq!(engine.docker(&["volume", "ls", "-q"]), "used");

    // An image is pulled within the policy; one that is nowhere is named.
    let pull = ImagePull { server: server.clone(), image: "127.0.0.1:9/nowhere:1".to_owned(), reason: None };
    let begun = admin.call(&pull).await.expect("is begun");
    let failed = admin.wait_for(begun).await.expect("ends").error.expect("fails");
    assert!(failed.message.contains("nowhere:1") && failed.message.contains("cannot be pulled"), "{failed:?}");
    agent.set_policy("verbs = [\"inspect\", \"pull\", \"remove\"]\nimages = [\"web:*\"]\n");
    eventually("the daemon knows of the change", async || {
        let refused = admin.call(&pull).await.err()?;
        (refused.code == ErrorCode::RefusedByPolicy && refused.message.contains("nowhere")).then_some(())
    })
    .await;
    let refused = admin.call(&VolumeCreate { name: "more".to_owned(), ..create }).await.expect_err("is refused");
    assert!(refused.code == ErrorCode::RefusedByPolicy && refused.message.contains("create"), "{refused:?}");
    let next = format!("the host's owner can allow it under `verbs` in {} there", agent.policy().display());
    assert_eq!(refused.next, Some(next));
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_names_exactly_what_goes_and_is_stale_once_that_is_not_so_any_more() {
    let engine = OwnEngine::start().await;
    engine.image("web:1", "one", FOREVER);
    engine.image("unused:1", "two", FOREVER);
    drop(engine.docker(&["volume", "create", "theirs"]));
    drop(engine.docker(&["volume", "create", "--label", "dev.tomo.app=app-gone", "left-over"]));
    drop(engine.docker(&["network", "create", "--label", "dev.tomo.app=app-gone", "left-net"]));
    drop(engine.docker(&[
        "run",
        "--name",
        "ended",
        "--label",
        "dev.tomo.app=app-gone",
        "web:1",
        "sh",
        "-c",
        "echo x > /big",
    ]));
    drop(engine.docker(&["run", "--name", "their-ended", "web:1", "sh", "-c", "true"]));
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &engine.socket()).await;

    // An app that somebody stopped keeps everything.
    let data = VolumeSpec { source: "shop-data".to_owned(), target: "/data".to_owned(), read_only: false };
    let spec = AppSpec { image: "web:1".to_owned(), volumes: vec![data], ..AppSpec::default() };
    let deploy = AppDeploy { server: SERVER.to_owned(), name: "shop".to_owned(), spec, ..AppDeploy::default() };
    let plan = admin.call(&deploy).await.expect("is planned");
    let done = admin.carry_out(plan).await.expect("is allowed");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    let tomo = Tomo::at_socket(&daemon);
    drop(tomo.run(["app", "stop", "shop"]).await.ok());
    known(&admin, "tomo-shop", ContainerState::Exited).await;

    let paths = |plan: &Plan| plan.changes.iter().map(|change| change.path.clone()).collect::<Vec<_>>();
    let narrow = ServerPrune { server: SERVER.to_owned(), ..ServerPrune::default() };
    let plan = admin.call(&narrow).await.expect("is planned");
    assert_eq!(paths(&plan), ["containers.ended", "networks.left-net"], "a volume goes only if somebody says so");
    let prune = ServerPrune { volumes: true, reason: Some("room".to_owned()), ..narrow };
    let plan = admin.call(&prune).await.expect("is planned");
    assert_eq!(paths(&plan), ["containers.ended", "volumes.left-over", "networks.left-net"]);
    assert_eq!((plan.approval, plan.target.as_str()), (Approval::Human, SERVER));
    let loss = plan.data_loss.as_deref().unwrap_or_default();
    assert!(loss.contains("left-over") && loss.contains("1 stopped"), "{plan:?}");
    assert!(plan.changes[..2].iter().all(|change| change.from.as_deref() != Some("size not known")), "{plan:?}");

    // What has come into use since makes it stale; nothing went.
    let approve = |plan: &Plan| PlanApprove {
        plan: plan.plan.to_string(),
        hash: plan.hash.clone(),
        name: Some(plan.target.clone()),
    };
    admin.call(&approve(&plan)).await.expect("is approved");
    drop(engine.docker(&["run", "-d", "--name", "user", "-v", "left-over:/data", "web:1"]));
    let stale = admin.call(&PlanApply { plan: plan.plan.to_string(), reason: None }).await.expect_err("is stale");
    assert_eq!(stale.code, ErrorCode::PlanStale, "{stale:?}");
    let kept = admin.call(&PlanGet { plan: plan.plan.to_string() }).await.expect("is kept");
    assert_eq!(kept.status, PlanStatus::Stale);
    assert!(engine.docker(&["ps", "-a", "--format", "{{.Names}}"]).contains("ended"));

    // Planned anew it leaves that out, and what others made stays.
    let plan = admin.call(&prune).await.expect("is planned");
    assert_eq!(plan.changes.len(), 2, "{plan:?}");
    let done = admin.carry_out(plan).await.expect("is allowed");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    let left = engine.docker(&["ps", "-a", "--format", "{{.Names}}"]);
    let mut left: Vec<&str> = left.lines().collect();
    left.sort_unstable();
    assert_eq!(left, ["their-ended", "tomo-shop", "user"]);
    let nothing = admin.call(&prune).await.expect_err("is nothing");
    let wider = format!("server_prune {{\"all\":true,\"server\":\"{SERVER}\",\"volumes\":true}}");
    assert_eq!((nothing.code, nothing.next.as_ref()), (ErrorCode::Conflict, Some(&wider)));

    // A person widens it: images and what others made go too, but for the app's.
    let shown = tomo.run(["server", "prune", SERVER, "--all", "--volumes", "--name", SERVER]).await.ok();
    for expected in ["containers.their-ended", "images.unused:1", "volumes.theirs", "not made by Tomo", "succeeded"] {
        assert!(shown.stdout.contains(expected), "{expected}: {shown:?}");
    }
    let mut volumes = engine.docker(&["volume", "ls", "-q"]);
    volumes.push(' ');
    assert_eq!(volumes.split_whitespace().collect::<Vec<_>>(), ["left-over", "shop-data"]);
    assert_eq!(engine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]), "web:1");

    // Without a line for it in the host's policy nobody widens anything.
    agent.set_policy("verbs = [\"inspect\", \"remove\"]\nforeign = [\"inspect\"]\n");
    eventually("the daemon knows of the change", async || {
        let refused = admin.call(&ServerPrune { all: true, ..prune.clone() }).await.err()?;
        (refused.code == ErrorCode::RefusedByPolicy).then_some(())
    })
    .await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_and_ai_tools_reach_containers_images_volumes_and_networks() {
    let engine = OwnEngine::start().await;
    engine.image("db:1", "db", &format!("echo ready; {FOREVER}"));
    drop(engine.docker(&["run", "-d", "--name", "db", "-e", "API_TOKEN=hunter2", "db:1"]));
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &engine.socket()).await;
    known(&admin, "db", ContainerState::Running).await;
    let tomo = Tomo::at_socket(&daemon);
    let listed = tomo.run(["container", "list", SERVER]).await.ok();
    assert!(listed.stdout.lines().any(|line| line.starts_with("db ") && line.contains("running")), "{listed:?}");
    let shown = tomo.run(["container", "get", SERVER, "db"]).await.ok();
    assert!(shown.stdout.contains("API_TOKEN=(masked)") && !shown.stdout.contains("hunter2"), "{shown:?}");
    let log = tomo.run(["container", "logs", SERVER, "db", "--since", "10m", "--grep", "read"]).await.ok();
    assert!(log.stdout.trim_end().ends_with("ready") && log.stdout.lines().count() == 1, "{log:?}");
    for (word, state) in [("stop", "exited"), ("start", "running"), ("restart", "running")] {
        let done = tomo.run(["container", word, SERVER, "db"]).await.ok();
        assert!(done.stdout.contains(&format!("{word} of container db on {SERVER} succeeded")), "{done:?}");
        assert_eq!(engine.docker(&["inspect", "-f", "{{.State.Status}}", "db"]), state);
    }
    let done = tomo.run(["volume", "create", SERVER, "backups"]).await.ok();
    assert!(done.stdout.contains("making volume backups"), "{done:?}");
    let listed = tomo.run(["volume", "list", SERVER, "--json"]).await.ok().json();
    assert_eq!((&listed[0]["name"], &listed[0]["ours"]), (&"backups".into(), &true.into()), "{listed}");
    let kept = tomo.run(["volume", "remove", SERVER, "backups", "--yes"]).await;
    assert_eq!(kept.code, Some(5), "content is not lost by --yes: {kept:?}");
    drop(tomo.run(["volume", "remove", SERVER, "backups", "--name", "backups"]).await.ok());
    drop(tomo.run(["network", "create", SERVER, "back", "--internal"]).await.ok());
    let listed = tomo.run(["network", "list", SERVER]).await.ok();
    assert!(listed.stdout.lines().any(|line| line.starts_with("back ") && line.contains("internal")), "{listed:?}");
    drop(tomo.run(["network", "remove", SERVER, "back", "--yes"]).await.ok());
    let listed = tomo.run(["image", "list", SERVER]).await.ok();
    assert!(listed.stdout.lines().any(|line| line.ends_with("db:1")), "{listed:?}");
    let used = tomo.run(["image", "remove", SERVER, "db:1", "--yes"]).await;
    assert!(used.code == Some(1) && used.stderr.contains("in use by db"), "{used:?}");

    // An AI tool looks, operates, and plans; it agrees to nothing.
    let ai = daemon.token(&[Scope::Read, Scope::Operate, Scope::Plan, Scope::Deploy]).await;
    let mcp = ai.mcp("/mcp/full");
    let names = mcp.tool_names().await;
    for tool in ["container_get", "container_logs", "container_stop", "image_list", "volume_remove", "server_prune"] {
        assert!(names.iter().any(|name| name == tool), "{tool}");
        assert!(!ai.mcp("/mcp").tool_names().await.iter().any(|name| name == tool), "{tool} is no core tool");
    }
    let looked = mcp.call("container_get", json!({"server": SERVER, "container": "db"})).await;
    assert!(!format!("{looked:?}").contains("hunter2"), "{looked:?}");
    let told = mcp.call("image_list", json!({"server": SERVER})).await;
    assert!(format!("{told:?}").contains("db:1"), "{told:?}");
    let stopped = mcp.call("container_stop", json!({"server": SERVER, "container": "db"})).await;
    assert_eq!(stopped.code(), None, "{stopped:?}");
    known(&admin, "db", ContainerState::Exited).await;
    let planned = mcp.call("server_prune", json!({"server": SERVER, "all": true})).await;
    assert_eq!(planned.code(), None, "{planned:?}");
    assert_eq!(engine.docker(&["ps", "-aq"]).lines().count(), 1, "a plan changes nothing");
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_ends_again_and_again_is_a_problem_with_its_last_words_until_it_settles() {
    let engine = OwnEngine::start().await;
    engine.image("web:1", "one", FOREVER);
    drop(engine.docker(&["run", "-d", "--name", "well", "web:1"]));
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &engine.socket()).await;
    known(&admin, "well", ContainerState::Running).await;
    let words = "echo no config in \\$HOME; exit 3";
    let run = ["run", "-d", "--name", "loops", "--restart", "always", "web:1", "sh", "-c", words];
    drop(engine.docker(&run));
    let of_it = async || {
        let problems = admin.call(&Overview::default()).await.expect("answers").problems;
        assert!(!problems.iter().any(|problem| problem.subject == "well"), "{problems:?}");
        problems.into_iter().find(|problem| problem.subject == "loops")
    };
    let problem = eventually_within(Duration::from_secs(60), "the loop is a problem with its log", async || {
        of_it().await.filter(|problem| !problem.log.is_empty())
    })
    .await;
    assert_eq!(problem.severity, Severity::Critical);
    assert!(problem.began_at.is_some(), "{problem:?}");
    assert!(problem.message.contains("again and again") && problem.message.contains(SERVER), "{problem:?}");
    assert!(problem.log.iter().all(|line| line == "no config in $HOME") && problem.log.len() <= 10, "{problem:?}");
    let next = format!("container_logs {{\"server\":\"{SERVER}\",\"container\":\"loops\"}}");
    assert_eq!(problem.next, next);
    let shown = Tomo::at_socket(&daemon).run(["overview"]).await.ok();
    assert!(
        shown.stdout.contains("! loops:")
            && shown.stdout.contains("(since 20")
            && shown.stdout.contains("  | no config in $HOME"),
        "{shown:?}"
    );
    drop(engine.docker(&["rm", "-f", "loops"]));
    eventually("it is no problem any more", async || of_it().await.is_none().then_some(())).await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_apps_is_worked_with_in_the_dashboard() {
    let engine = OwnEngine::start().await;
    engine.image("db:1", "db", &format!("echo ready; {FOREVER}"));
    engine.image("old:1", "old", FOREVER);
    drop(engine.docker(&["run", "-d", "--name", "db", "-e", "DB_PASSWORD=hunter2", "db:1"]));
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &engine.socket()).await;
    known(&admin, "db", ContainerState::Running).await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 36);
    terminal.wait_for(SERVER).await;
    terminal.press(Key::Enter);
    terminal.wait_for("containers (1)").await;
    terminal.press(Key::Enter);
    terminal.wait_for("DB_PASSWORD=(masked)").await;
    terminal.type_text("L");
    terminal.wait_for("following").await;
    terminal.wait_for("ready").await;
    terminal.press(Key::Escape);
    terminal.wait_for("DB_PASSWORD=(masked)").await;
    terminal.type_text("T");
    terminal.wait_for("Stop db on web-1").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("succeeded").await;
    assert_eq!(engine.docker(&["inspect", "-f", "{{.State.Status}}", "db"]), "exited");

    // Back to the server, on to its images; the one that nothing uses goes by a plan.
    terminal.press(Key::Escape);
    terminal.wait_for("DB_PASSWORD=(masked)").await;
    terminal.press(Key::Escape);
    terminal.wait_for("containers (1)").await;
    terminal.type_text("I");
    terminal.wait_for("old:1").await;
    terminal.type_text("v");
    terminal.wait_for("New volume on web-1").await;
    terminal.type_text("backups");
    terminal.press(Key::Enter);
    terminal.wait_for("succeeded").await;
    assert_eq!(engine.docker(&["volume", "ls", "-q"]), "backups");
    terminal.press(Key::Escape);
    terminal.wait_for("MADE BY").await;
    terminal.wait_for("backups").await;
    terminal.type_text("P");
    terminal.wait_for("And its volumes").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("volumes.backups").await;
    assert!(!terminal.text().contains("images.old:1"), "{}", terminal.text());
    terminal.type_text(SERVER);
    terminal.press(Key::Enter);
    terminal.wait_for("succeeded").await;
    assert_eq!(engine.docker(&["volume", "ls", "-q"]), "");
    assert!(!contains(&terminal.raw(), b"hunter2"), "no secret came to the terminal");
    agent.stop().await;
    daemon.stop().await;
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
