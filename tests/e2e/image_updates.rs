//! Another image under the name of one that runs: it is noticed and shown, and nothing happens before a person wants it.

use std::time::Duration;

use tomo_proto::{
    api::{
        app::{AppDeploy, AppGet, AppList, AppPart},
        overview::Overview,
        stock::ImagePull,
    },
    model::{
        app::{AppDetail, AppSpec},
        image::ImageCheck,
        operation::{Operation, OperationStatus},
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    docker::{Image, Registry, docker, unique},
    eventually::eventually_within,
    http::Http,
    terminal::{Key, Terminal},
};

const SERVER: &str = "web-1";
/// Looks are begun every ten seconds.
const LOOKED: Duration = Duration::from_secs(60);

async fn deploy(admin: &Http, name: &str, image: &str) -> Operation {
    let spec = AppSpec { image: image.to_owned(), ..AppSpec::default() };
    let wanted = AppDeploy { server: SERVER.to_owned(), name: name.to_owned(), spec, ..AppDeploy::default() };
    let plan = admin.call(&wanted).await.expect("is planned");
    admin.carry_out(plan).await.expect("is carried out")
}

async fn app(admin: &Http, name: &str, include: &[AppPart]) -> AppDetail {
    let request = AppGet { app: name.to_owned(), include: include.to_vec() };
    admin.call(&request).await.expect("is there")
}

/// Waits for a look that nobody asked for.
async fn looked(admin: &Http, name: &str, fits: fn(&ImageCheck) -> bool) -> ImageCheck {
    eventually_within(LOOKED, "it is looked what the registry has", async || {
        app(admin, name, &[]).await.image_check.filter(fits)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_image_under_the_same_name_is_shown_and_never_put_in_place_by_itself() {
    let mut daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let without = ALLOW_ALL.replace("\"inspect\", ", "");
    assert_ne!(without, ALLOW_ALL);
    let agent = TestAgent::start(&daemon, SERVER, &without).await;
    let registry = Registry::start().await;
    let (first, second) = (Image::web(), Image::script("busybox sleep 600"));
    let (pushed, name) = (registry.push(&first), unique("updates"));
    let done = deploy(&admin, &name, &pushed).await;
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    let container = app(&admin, &name, &[]).await.container.expect("it runs").id;

    // The host's owner decides whether its engine asks a registry.
    let refused = app(&admin, &name, &[AppPart::Update]).await.image_check.expect("it was tried");
    assert!(refused.problem.is_some_and(|why| why.contains("inspect")) && refused.offered.is_none());
    agent.set_policy(ALLOW_ALL);
    daemon.halt().await;
    daemon.resume().await;
    let same = looked(&admin, &name, |check| check.problem.is_none()).await;
    assert!(same.running.is_some() && same.running == same.offered && !same.is_update(), "{same:?}");
    assert_eq!(admin.call(&Overview::default()).await.expect("answers").apps.updates, 0);

    registry.push_as(&second, &pushed);
    daemon.halt().await;
    daemon.resume().await;
    let other = looked(&admin, &name, |check| check.problem.is_none()).await;
    assert!(other.is_update() && other.running == same.running, "{other:?}");
    let listed = admin.call(&AppList::default()).await.expect("answers").apps;
    assert!(listed.iter().any(|app| app.name == name && app.update), "{listed:?}");
    let overview = admin.call(&Overview::default()).await.expect("answers");
    assert_eq!(overview.apps.updates, 1);
    assert!(!overview.problems.iter().any(|problem| problem.subject == name), "it is no problem: {overview:?}");
    let tomo = Tomo::at_socket(&daemon);
    let shown = tomo.run(["app", "list"]).await.ok();
    assert!(shown.stdout.contains("(another in the registry)"), "{shown:?}");
    let shown = tomo.run(["app", "get", &name, "--check-image"]).await.ok();
    let next = format!("tomo image pull {SERVER} {pushed}, then deploy it again");
    assert!(shown.stdout.contains("has another image under that name: ") && shown.stdout.contains(&next), "{shown:?}");

    // In the dashboard it is shown too, and a person pulls it; what runs goes on.
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 36);
    terminal.wait_for("1 update").await;
    terminal.type_text("2");
    terminal.wait_for("\u{2191} 127").await;
    terminal.press(Key::Enter);
    terminal.wait_for("has another image under that name").await;
    terminal.type_text("c");
    terminal.wait_for("asking the registry").await;
    terminal.type_text("p");
    terminal.wait_for("succeeded").await;
    drop(terminal);
    assert_eq!(app(&admin, &name, &[]).await.container.expect("it runs").id, container, "nothing was put in place");

    let again = ImagePull { server: SERVER.to_owned(), image: pushed.clone(), reason: None };
    let pulled = admin.call(&again).await.expect("is begun");
    assert_eq!(admin.wait_for(pulled).await.expect("ends").status, OperationStatus::Succeeded);
    let done = deploy(&admin, &name, &pushed).await;
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    let now = looked(&admin, &name, |check| !check.is_update()).await;
    assert_eq!((now.running, now.problem), (other.offered, None));
    drop(docker(&["rm", "-f", &format!("tomo-{name}")]));
    drop(docker(&["rmi", "-f", &pushed]));
    agent.stop().await;
    daemon.stop().await;
}
