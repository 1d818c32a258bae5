//! Apps of several services on the real engine: they start in order and reach each other by name, change one by one, and a deploy of
//! them succeeds or leaves all of them as they were.

use std::{collections::BTreeSet, path::Path};

use tomo_proto::{
    api::{
        app::{
            AppDeploy, AppDiagnose, AppGet, AppLogs, AppPart, AppRemove, AppRestart, AppRollback, AppStart, AppStop,
        },
        operation::OperationGet,
    },
    error::ErrorCode,
    model::{
        app::{AppDetail, AppSpec, AppStatus, HealthCheck, PortSpec, Protocol, RestartPolicy, VolumeSpec},
        operation::{Operation, OperationStatus},
        plan::Plan,
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, ENGINE, TestAgent},
    daemon::TestDaemon,
    docker::{Image, docker, unique},
    engine_way::{EngineWay, Side},
    eventually::{PATIENCE, eventually, eventually_within},
    http::Http,
    rounds::rounds,
};

use crate::deploy::{free_port, served};

const SERVER: &str = "web-1";

/// Serves what it got from the other service when it started: without that it ends.
const FRONT: &str = "echo the front begins; busybox wget -qO /www/index.html http://store:8080/ || exit 1; busybox httpd -f -p 8080 -h /www & trap 'kill $!; exit 0' TERM; wait $!";

fn variable(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// A front with a fixed port before a store with a volume, which is healthy when a command inside says so.
fn shop(image: &Image, port: Option<u16>, volume: &str, version: &str) -> AppSpec {
    let ask = ["busybox", "wget", "-qO", "/dev/null", "http://127.0.0.1:8080/"];
    let store = AppSpec {
        image: image.name().to_owned(),
        volumes: vec![VolumeSpec { source: volume.to_owned(), target: "/data".to_owned(), read_only: false }],
        health: Some(HealthCheck::Command { command: ask.map(str::to_owned).into() }),
        env: [variable("VERSION", version)].into(),
        ..AppSpec::default()
    };
    AppSpec {
        image: image.name().to_owned(),
        command: ["sh", "-c", FRONT].map(str::to_owned).into(),
        ports: vec![PortSpec { container: 8080, host: port, protocol: Protocol::Tcp, loopback: true }],
        health: Some(HealthCheck::Http { port: 8080, path: "/".to_owned() }),
        env: [variable("VERSION", version)].into(),
        services: [("store".to_owned(), store)].into(),
        depends_on: vec!["store".to_owned()],
        ..AppSpec::default()
    }
}

async fn plan(admin: &Http, name: &str, spec: &AppSpec) -> Plan {
    let request =
        AppDeploy { server: SERVER.to_owned(), name: name.to_owned(), spec: spec.clone(), ..AppDeploy::default() };
    admin.call(&request).await.expect("is planned")
}

async fn deploy(admin: &Http, name: &str, spec: &AppSpec) -> Operation {
    let plan = plan(admin, name, spec).await;
    admin.carry_out(plan).await.expect("is allowed")
}

async fn app(admin: &Http, name: &str) -> AppDetail {
    let request = AppGet { app: name.to_owned(), include: vec![AppPart::Revisions] };
    admin.call(&request).await.expect("the app is known")
}

/// Id and `VERSION` of a container that runs.
fn runs(container: &str) -> Option<(String, String)> {
    let id = docker(&["ps", "-q", "--no-trunc", "--filter", &format!("name=^{container}$")]);
    if id.is_empty() {
        return None;
    }
    let env = docker(&["inspect", "-f", "{{range .Config.Env}}{{println .}}{{end}}", &id]);
    let version = env.lines().find_map(|line| line.strip_prefix("VERSION=")).unwrap_or_default().to_owned();
    Some((id, version))
}

/// Both containers of the shop.
fn both(name: &str) -> [Option<(String, String)>; 2] {
    [runs(&format!("tomo-{name}")), runs(&format!("tomo-{name}-store"))]
}

/// The containers of an app go with its image.
fn clear(image: Image, name: &str, volume: &str) {
    drop(image);
    drop(docker(&["network", "rm", &format!("tomo-{name}")]));
    drop(docker(&["volume", "rm", "-f", volume]));
}

async fn status_is(admin: &Http, name: &str, wanted: AppStatus) {
    eventually("the app's status is told", async || (app(admin, name).await.summary.status == wanted).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_start_in_order_reach_each_other_and_go_together() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let (image, port, name, volume) = (Image::web(), free_port(), unique("shop"), unique("shop-data"));
    let spec = shop(&image, Some(port), &volume, "1");
    let planned = plan(&admin, &name, &spec).await;
    assert!(planned.summary.ends_with("and one more service"), "{}", planned.summary);
    let paths: Vec<&str> = planned.changes.iter().map(|change| change.path.as_str()).collect();
    assert!(paths.contains(&"services.store.health") && paths.contains(&"depends_on"), "{paths:?}");
    let done = admin.carry_out(planned).await.expect("is allowed");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    assert_eq!(served(port).await.as_deref(), Some("hello from busybox\n"), "the front reached the store by its name");

    status_is(&admin, &name, AppStatus::Running).await;
    let detail = app(&admin, &name).await;
    assert_eq!(detail.services["store"].name, format!("tomo-{name}-store"));
    let network = docker(&[
        "inspect",
        "-f",
        "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}",
        &format!("tomo-{name}-store"),
    ]);
    assert_eq!(network, format!("tomo-{name}"));
    // The store's log is another one than the front's.
    served(port).await.expect("serves");
    let log = admin.call(&AppLogs { app: format!("{name}/store"), ..AppLogs::default() }).await.expect("has a log");
    assert!(log.lines.iter().any(|line| line.text.contains("response:200")), "{log:?}");
    // Asked about the app, both are read as one, and go on as one.
    let log = admin.call(&AppLogs { app: name.clone(), ..AppLogs::default() }).await.expect("has a log");
    let services: BTreeSet<&str> = log.lines.iter().filter_map(|line| line.service.as_deref()).collect();
    assert_eq!(services, BTreeSet::from([name.as_str(), "store"]), "{log:?}");
    assert!(log.lines.iter().any(|line| line.text == "the front begins"), "{log:?}");
    assert!(log.lines.is_sorted_by_key(|line| line.at_ms), "{log:?}");
    let on = AppLogs { app: name.clone(), cursor: Some(log.next_cursor), wait_s: Some(50), ..AppLogs::default() };
    let (more, ()) = tokio::join!(admin.call(&on), async {
        let asked = docker(&["exec", &format!("tomo-{name}"), "busybox", "wget", "-qO-", "http://store:8080/"]);
        assert!(asked.contains("busybox"), "{asked}");
    });
    let more = more.expect("goes on");
    assert!(
        !more.lines.is_empty() && more.lines.iter().all(|line| line.service.as_deref() == Some("store")),
        "{more:?}"
    );
    let unknown =
        admin.call(&AppLogs { app: format!("{name}/stor"), ..AppLogs::default() }).await.expect_err("is none");
    assert!(unknown.code == ErrorCode::NotFound && unknown.message.contains(&format!("{name}/store")), "{unknown:?}");

    let stop = AppStop { app: name.clone(), reason: None };
    let stopped = admin.call(&stop).await.expect("is allowed");
    admin.wait_for(stopped).await.expect("ends");
    assert_eq!(both(&name), [None, None]);
    status_is(&admin, &name, AppStatus::Stopped).await;
    let started = admin.call(&AppStart { app: name.clone(), reason: None }).await.expect("is allowed");
    let started = admin.wait_for(started).await.expect("ends");
    assert_eq!(started.status, OperationStatus::Succeeded, "{started:?}");
    let before = both(&name).map(|one| one.expect("runs").0);
    let restarted = admin.call(&AppRestart { app: name.clone(), reason: None }).await.expect("is allowed");
    assert_eq!(admin.wait_for(restarted).await.expect("ends").status, OperationStatus::Succeeded);
    assert_eq!(both(&name).map(|one| one.expect("runs").0), before);

    // One that stops by itself is the app's failure, and what is looked at first.
    drop(docker(&["kill", &format!("tomo-{name}-store")]));
    status_is(&admin, &name, AppStatus::Failed).await;
    let diagnosis = admin.call(&AppDiagnose { app: name.clone() }).await.expect("is diagnosed");
    assert_eq!(diagnosis.app, format!("{name}/store"), "{diagnosis:?}");

    let removal = AppRemove { app: name.clone(), volumes: true, reason: None };
    let removal = admin.call(&removal).await.expect("is planned");
    assert!(removal.data_loss.as_ref().is_some_and(|loss| loss.contains(&volume)), "{removal:?}");
    let removed = admin.carry_out(removal).await.expect("is allowed");
    assert_eq!(removed.status, OperationStatus::Succeeded, "{removed:?}");
    assert_eq!(docker(&["ps", "-aq", "--filter", &format!("name=tomo-{name}")]), "");
    assert_eq!(docker(&["network", "ls", "-q", "--filter", &format!("name=tomo-{name}")]), "");
    assert_eq!(docker(&["volume", "ls", "-q", "--filter", &format!("name={volume}")]), "");
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_change_goes_on_and_one_that_fails_takes_all_back() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let (image, port, name, volume) = (Image::web(), free_port(), unique("shop"), unique("shop-data"));
    let first = shop(&image, Some(port), &volume, "1");
    assert_eq!(deploy(&admin, &name, &first).await.status, OperationStatus::Succeeded);
    let [front, store] = both(&name).map(|one| one.expect("runs").0);

    let second = AppSpec { env: [variable("VERSION", "2")].into(), ..first.clone() };
    let planned = plan(&admin, &name, &second).await;
    let paths: Vec<&str> = planned.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["env.VERSION"]);
    assert!(
        planned.downtime.as_ref().is_some_and(|text| text.contains(&format!("port {port} is fixed"))),
        "{planned:?}"
    );
    assert_eq!(admin.carry_out(planned).await.expect("is allowed").status, OperationStatus::Succeeded);
    let [new_front, same_store] = both(&name).map(|one| one.expect("runs"));
    assert_eq!((new_front.1.as_str(), &same_store.0), ("2", &store), "only the front is another one");
    assert_ne!(new_front.0, front);

    // A store that never becomes healthy: neither it nor the new front stays.
    let mut broken = shop(&image, Some(port), &volume, "3");
    let sleeper = ["sh", "-c", "trap 'exit 0' TERM; while :; do busybox sleep 1 & wait $!; done"];
    broken.services.get_mut("store").expect("is there").command = sleeper.map(str::to_owned).into();
    let planned = plan(&admin, &name, &broken).await;
    let said = planned.downtime.clone().unwrap_or_default();
    assert!(said.contains("the old \"store\" stops first") && said.contains("both write to"), "{said}");
    let begun = admin.begin(planned).await.expect("is allowed");
    let request = OperationGet { operation: begun.operation.to_string(), ..OperationGet::default() };
    let waits = |operation: &Operation| operation.step.contains("wait until store is healthy");
    eventually("the new store is tried", async || admin.call(&request).await.ok().filter(waits)).await;
    assert_eq!(both(&name)[1], None, "the old store has stopped for the new one");
    let cancel = tomo_proto::api::operation::OperationCancel { operation: begun.operation.to_string(), reason: None };
    admin.call(&cancel).await.expect("can be cancelled");
    let ended = admin.wait_for(begun).await.expect("ends");
    assert_eq!(ended.status, OperationStatus::Cancelled, "{ended:?}");
    assert_eq!(both(&name).map(|one| one.expect("runs").0), [new_front.0.clone(), store.clone()]);
    eventually("the front serves again", async || served(port).await.filter(|body| body.contains("hello"))).await;

    // Back to the first: the front that was kept runs again, and the store was never another one.
    let back = AppRollback { app: name.clone(), revision: None, reason: None };
    let back = admin.call(&back).await.expect("is planned");
    let done = admin.carry_out(back).await.expect("is allowed");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    assert_eq!(both(&name).map(|one| one.expect("runs").0), [front, store]);

    // A service that the app does not have any more goes.
    let alone = AppSpec { services: Default::default(), depends_on: Vec::new(), command: Vec::new(), ..first };
    let done = deploy(&admin, &name, &alone).await;
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    assert_eq!(runs(&format!("tomo-{name}-store")), None);
    assert_eq!(app(&admin, &name).await.services.len(), 0);
    agent.stop().await;
    daemon.stop().await;
    clear(image, &name, &volume);
}

/// What the deploy of two services calls the engine for, and the agent killed at one of these calls: both are new or both are as they
/// were, and run.
#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_of_several_services_that_is_cut_off_leaves_all_new_or_all_as_before() {
    let daemon = TestDaemon::spawn().await;
    let admin = daemon.admin();
    let way = EngineWay::to(Path::new(ENGINE));
    let mut agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &way.socket()).await;
    let (image, name, volume) = (Image::web(), unique("shop"), unique("shop-data"));
    let spec = |version: &str| AppSpec { restart: RestartPolicy::Always, ..shop(&image, None, &volume, version) };
    assert_eq!(deploy(&admin, &name, &spec("0")).await.status, OperationStatus::Succeeded);
    way.count();
    assert_eq!(deploy(&admin, &name, &spec("1")).await.status, OperationStatus::Succeeded);
    let calls = way.calls();
    let rename = |at: usize| {
        let renames = calls.iter().enumerate().filter(|(_, call)| call.starts_with("rename"));
        renames.map(|(place, _)| place + 1).nth(at).expect("containers are renamed")
    };
    // The first renaming of all sets the first old one aside; the second decides.
    let gate = [(rename(0), Side::After), (rename(1), Side::Before), (rename(1), Side::After)];
    let all = || (1..=calls.len()).flat_map(|call| [(call, Side::Before), (call, Side::After)]).collect::<Vec<_>>();
    let moments = if rounds(1) == 1 { gate.to_vec() } else { all() };
    let mut runs_now = "1".to_owned();
    for (at, (call, side)) in moments.into_iter().enumerate() {
        let wanted = format!("{}", at + 2);
        let planned = plan(&admin, &name, &spec(&wanted)).await;
        way.stop_at(call, side);
        let begun = admin.begin(planned).await.expect("is allowed");
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
        if ended.status == OperationStatus::Succeeded {
            runs_now = wanted;
        }
        let place = format!("{side:?} call {call}, {}: {ended:?}", calls[call - 1]);
        let versions = both(&name).map(|one| one.unwrap_or_else(|| panic!("one does not run: {place}")).1);
        assert_eq!(versions, [runs_now.clone(), runs_now.clone()], "{place}");
        let on_the_way =
            docker(&["ps", "-a", "--format", "{{.Names}}", "--filter", &format!("name=tomo-{name}.*[.](new|was)$")]);
        assert_eq!(on_the_way, "", "{place}");
        status_is(&admin, &name, AppStatus::Running).await;
    }
    agent.stop().await;
    daemon.stop().await;
    clear(image, &name, &volume);
}
