//! Lists in the dashboard: several things are marked and changed together, and the change is taken back.

use tomo_proto::{
    api::app::{AppDeploy, AppList, AppStop},
    model::{
        app::{AppSpec, AppStatus},
        operation::OperationStatus,
        user::Scope,
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    docker::{Image, unique},
    eventually::eventually,
    http::Http,
    terminal::{Key, Terminal},
};

const SERVER: &str = "web-1";

async fn deploy(admin: &Http, image: &Image, name: &str) {
    let spec = AppSpec { image: image.name().to_owned(), ..AppSpec::default() };
    let request = AppDeploy { server: SERVER.to_owned(), name: name.to_owned(), spec, ..AppDeploy::default() };
    let plan = admin.call(&request).await.expect("is planned");
    let done = admin.carry_out(plan).await.expect("is allowed");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
}

/// Waits until the apps stand like this, by name.
async fn stand(admin: &Http, wanted: &[(&str, AppStatus)]) {
    let all = async || {
        let apps = admin.call(&AppList::default()).await.ok()?.apps;
        let stands =
            |(name, status): &(&str, AppStatus)| apps.iter().any(|app| app.name == *name && app.status == *status);
        wanted.iter().all(stands).then_some(())
    };
    eventually("the apps stand as they should", all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_apps_are_marked_stopped_together_and_started_again_by_one_key() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (admin, image) = (daemon.admin(), Image::web());
    let names = ["blog", "shop", "wiki"].map(unique);
    for name in &names {
        deploy(&admin, &image, name).await;
    }
    let [blog, shop, wiki] = names.each_ref().map(String::as_str);
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 36);
    terminal.wait_for("● live").await;
    terminal.type_text("2");
    for name in &names {
        terminal.wait_for(name).await;
    }
    let stop = AppStop { app: wiki.to_owned(), reason: None };
    admin.call(&stop).await.expect("is stopped");
    stand(&admin, &[(wiki, AppStatus::Stopped)]).await;
    terminal.wait_for("■ stopped").await;

    terminal.type_text(&format!("/!{shop}"));
    terminal.wait_for("2 of 3").await;
    terminal.press(Key::Enter);
    terminal.press(Key::Control('a'));
    terminal.wait_for("2 marked").await;
    terminal.type_text("T");
    terminal.wait_for("Stop 1").await;
    terminal.wait_for(&format!("{wiki} is stopped already")).await;
    // Cancel has the keys.
    terminal.press(Key::Enter);
    terminal.wait_until("nothing is asked", |screen| !screen.contents().contains("[ Cancel ]")).await;
    for gone in ["2 marked", "/!"] {
        terminal.press(Key::Escape);
        terminal.wait_until("one step back", |screen| !screen.contents().contains(gone)).await;
    }
    terminal.press(Key::Control('a'));
    terminal.wait_for("3 marked").await;
    terminal.type_text("T");
    terminal.wait_for("Stop 2").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("stop: 2 done; z takes it back").await;
    stand(&admin, &[(blog, AppStatus::Stopped), (shop, AppStatus::Stopped)]).await;

    terminal.type_text("z");
    terminal.wait_for(&format!("start {blog} on {SERVER}")).await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("take back: 2 done").await;
    stand(&admin, &[(blog, AppStatus::Running), (shop, AppStatus::Running), (wiki, AppStatus::Stopped)]).await;

    // On the server's view their containers are filtered and counted.
    terminal.type_text("1");
    terminal.wait_for(SERVER).await;
    terminal.press(Key::Enter);
    terminal.wait_for("containers (").await;
    terminal.type_text(&format!("/app:{blog}"));
    terminal.wait_for("containers (1 of ").await;
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_of_a_program_are_approved_and_carried_out_together_and_others_denied() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (admin, image) = (daemon.admin(), Image::web());
    let names = ["blog", "shop", "wiki"].map(unique);
    let token = daemon.token(&[Scope::Read, Scope::Plan]).await;
    for name in &names {
        let spec = AppSpec { image: image.name().to_owned(), ..AppSpec::default() };
        let request = AppDeploy { server: SERVER.to_owned(), name: name.clone(), spec, ..AppDeploy::default() };
        token.call(&request).await.expect("is planned");
    }
    let [blog, shop, wiki] = names.each_ref().map(String::as_str);
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 36);
    terminal.wait_for("3 plans wait").await;
    terminal.type_text("3");
    terminal.wait_for(wiki).await;
    terminal.type_text(&format!("/{wiki}\r"));
    terminal.wait_for("1 of 3").await;
    terminal.type_text(" X");
    terminal.wait_for("Deny 1").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("deny: 1 done").await;
    terminal.press(Key::Escape);
    terminal.wait_for(blog).await;
    terminal.press(Key::Control('a'));
    terminal.wait_for("3 marked").await;
    terminal.type_text("A");
    terminal.wait_for("Approve 2").await;
    terminal.wait_for("the plan is denied").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("approve: 2 done").await;
    stand(&admin, &[(blog, AppStatus::Running), (shop, AppStatus::Running)]).await;
    let apps = admin.call(&AppList::default()).await.expect("an admin lists").apps;
    assert_eq!(apps.len(), 2, "{apps:?}");
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}
