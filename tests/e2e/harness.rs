//! The harness itself, once through: whatever else fails, this tells whether the ground holds.

use tomo_proto::{
    api::{auth::AuthWhoami, overview::Overview},
    error::ErrorCode,
    model::user::{Role, Scope},
};
use tomo_tests::{
    agent::{ALLOW_NOTHING, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    docker::{Image, Registry, docker},
    eventually::eventually,
    terminal::{Key, Terminal},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_in_this_process_serves_people_tokens_and_agents() {
    let mut daemon = TestDaemon::start().await;
    let viewer = daemon.sign_in_as(Role::Viewer).await;
    let agent = TestAgent::synthetic(&daemon, "web-1").await;
    let up = async || (viewer.call(&Overview::default()).await.ok()?.servers.up == 1).then_some(());
    eventually("web-1 is up", up).await;
    let token = daemon.token(&[Scope::Read]).await;
    let legacy = token.legacy_mcp("/mcp").await;
    let told = legacy.call("auth_whoami", serde_json::json!({})).await;
    assert_eq!(told.structured["person"], false, "{told:?}");
    assert_eq!(token.call(&AuthWhoami {}).await.expect("answers").actor, told.structured["actor"]);
    let denied = token.call_by_name("audit_search", serde_json::json!({})).await;
    assert_eq!(denied.code(), Some(ErrorCode::Denied), "{denied:?}");
    daemon.halt().await;
    daemon.resume().await;
    eventually("the agent is back", up).await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binaries_serve_each_other() {
    let mut daemon = TestDaemon::spawn().await;
    let mut agent = TestAgent::spawn(&daemon, "web-1", ALLOW_NOTHING).await;
    let tomo = Tomo::at_socket(&daemon);
    let listed = tomo.run(["server", "list", "--json"]).await.ok().json();
    assert_eq!(listed[0]["name"], "web-1", "{listed}");
    agent.kill().await;
    agent.resume().await;
    daemon.kill().await;
    daemon.respawn().await;
    agent.stop().await;
    assert_eq!(tomo.run(["whoami"]).await.code, Some(0));
    daemon.stop().await;
    assert_eq!(tomo.run(["whoami"]).await.code, Some(3));
}

#[test]
fn images_are_built_and_go() {
    let image = Image::web();
    let container = docker(&["create", image.name()]);
    assert_eq!(image.containers(), [container]);
    let name = image.name().to_owned();
    drop(image);
    assert_eq!(docker(&["images", "-q", &name]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_can_be_pulled_from_a_registry() {
    let registry = Registry::start().await;
    let name = registry.push(&Image::web());
    assert_eq!(docker(&["images", "-q", &name]), "");
    drop(docker(&["pull", "-q", &name]));
    drop(docker(&["rmi", &name]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_a_terminal_is_seen_and_answers_keys() {
    let mut command = portable_pty::CommandBuilder::new("sh");
    command.args(["-c", "printf '\\033[1mready\\033[0m\\n\\033[6n'; read -r line; echo \"got $line\""]);
    let mut terminal = Terminal::start_command(command, 40, 5);
    terminal.wait_for("ready").await;
    assert_eq!(terminal.find("ready"), Some((0, 0)));
    assert!(terminal.cell(0, 0).is_some_and(|cell| cell.bold()));
    terminal.type_text("a word");
    terminal.press(Key::Enter);
    terminal.wait_for("got").await;
    assert!(terminal.text().contains("a word"), "{terminal:?}");
    assert!(terminal.wait_for_exit().await.success());
}
