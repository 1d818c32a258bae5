//! What goes wrong, as the dashboard tells of it on a real terminal, and what a person does about it there.

use tomo_proto::{
    api::{
        app::{AppDeploy, AppGet, AppRemove},
        operation::OperationGet,
        person::{GetVault, InitVault, LockVault, SecretText, VaultState},
        volume_backup::VolumeBackupList,
    },
    model::{
        app::{AppDetail, AppSpec, AppStatus, HealthCheck, RestartPolicy},
        operation::OperationStatus,
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    docker::{Image, docker, unique},
    eventually::eventually,
    http::Http,
    terminal::{Key, Terminal},
};

const SERVER: &str = "web-1";
const LIVE: &str = "● live";

fn open(tomo: &Tomo, arguments: &[&str]) -> Terminal {
    Terminal::start("tomo", arguments, tomo.environment(), 120, 36)
}

async fn gone(terminal: &mut Terminal, text: &str) {
    terminal.wait_until(&format!("\"{text}\" is gone"), |screen| !screen.contents().contains(text)).await;
}

/// Chooses the button that does it, where one that does not has the keys.
fn agree(terminal: &Terminal) {
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
}

fn wanted(name: &str, spec: AppSpec) -> AppDeploy {
    AppDeploy { server: SERVER.to_owned(), name: name.to_owned(), spec, ..AppDeploy::default() }
}

fn of(image: &Image) -> AppSpec {
    AppSpec { image: image.name().to_owned(), ..AppSpec::default() }
}

async fn deploy(admin: &Http, name: &str, spec: AppSpec) {
    let plan = admin.call(&wanted(name, spec)).await.expect("is planned");
    let done = admin.carry_out(plan).await.expect("is allowed");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
}

async fn app(admin: &Http, name: &str) -> Option<AppDetail> {
    admin.call(&AppGet { app: name.to_owned(), ..AppGet::default() }).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_under_way_is_followed_and_stopped_from_its_list() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (admin, image, name) = (daemon.admin(), Image::web(), unique("slow"));
    let never = AppSpec { health: Some(HealthCheck::Tcp { port: 9 }), ..of(&image) };
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, &[]);
    terminal.wait_for(LIVE).await;
    terminal.type_text("4");
    terminal.wait_for("nothing was changed yet").await;
    let plan = admin.call(&wanted(&name, never)).await.expect("is planned");
    let begun = admin.begin(plan).await.expect("is allowed");
    terminal.wait_for("◐ running").await;
    terminal.wait_for("1 running").await;
    terminal.wait_for("healthy").await;
    terminal.press(Key::Enter);
    terminal.wait_for("log (").await;
    terminal.wait_for("running for").await;
    terminal.press(Key::Escape);
    terminal.wait_for("STARTED").await;

    terminal.type_text("X");
    terminal.wait_for("what it did so far is undone").await;
    agree(&terminal);
    let request = OperationGet { operation: begun.operation.to_string(), ..OperationGet::default() };
    let stopped =
        async || admin.call(&request).await.ok().filter(|operation| operation.status == OperationStatus::Cancelled);
    eventually("the operation is stopped", stopped).await;
    terminal.wait_until("its end is in the list", |screen| !screen.contents().contains("◐ running")).await;
    terminal.wait_for("cancelled").await;
    terminal.type_text("X");
    terminal.wait_for("the operation was cancelled").await;
    eventually("nothing of it is left", async || image.containers().is_empty().then_some(())).await;
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_dies_is_asked_why_and_rolled_back() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (admin, sound, name) = (daemon.admin(), Image::web(), unique("shop"));
    deploy(&admin, &name, of(&sound)).await;
    // Dies as soon as it is asked to.
    let dying = Image::script("until [ -e /die ]; do sleep 0.1; done; echo out of ideas; exit 7");
    deploy(&admin, &name, AppSpec { restart: RestartPolicy::No, ..of(&dying) }).await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, &[]);
    terminal.wait_for(LIVE).await;
    terminal.type_text("2");
    terminal.wait_for("● running").await;
    let containers = dying.containers();
    drop(docker(&["exec", &containers[0], "busybox", "touch", "/die"]));
    terminal.wait_for("✗ failed").await;

    terminal.type_text("W");
    terminal.wait_for(&format!("{name} › why")).await;
    for text in ["exit", "7", "out of ideas", "next:"] {
        terminal.wait_for(text).await;
    }
    terminal.press(Key::Escape);
    terminal.wait_for("DEPLOYED").await;
    terminal.type_text("B");
    terminal.wait_for("Approve and apply").await;
    terminal.wait_for(sound.name()).await;
    agree(&terminal);
    terminal.wait_for("succeeded").await;
    let back = async || {
        let detail = app(&admin, &name).await?;
        (detail.spec.image == sound.name() && detail.summary.status == AppStatus::Running).then_some(())
    };
    eventually("what was before runs again", back).await;
    terminal.type_text("2");
    terminal.wait_for("● running").await;
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_somebody_else_removes_stays_in_sight_below_the_reason() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (admin, image, name) = (daemon.admin(), Image::web(), unique("shop"));
    deploy(&admin, &name, of(&image)).await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, &[]);
    terminal.wait_for(LIVE).await;
    terminal.type_text("2");
    terminal.wait_for(&name).await;
    terminal.press(Key::Enter);
    terminal.wait_for(image.name()).await;

    let remove = AppRemove { app: name.clone(), ..AppRemove::default() };
    let plan = admin.call(&remove).await.expect("is planned");
    let removed = admin.carry_out(plan).await.expect("is allowed");
    assert_eq!(removed.status, OperationStatus::Succeeded, "{removed:?}");
    terminal.wait_for("what stands below is from before").await;
    let (row, column) = terminal.find(image.name()).expect("what was known is still shown");
    let dimmed = |screen: &vt100::Screen| screen.cell(row, column).is_some_and(vt100::Cell::dim);
    terminal.wait_until("it is dimmed", dimmed).await;
    terminal.press(Key::Control('r'));
    terminal.wait_for("what stands below is from before").await;
    terminal.press(Key::Escape);
    terminal.wait_for("no app yet").await;
    gone(&mut terminal, "from before").await;
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_dashboard_shows_everything_and_changes_nothing() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::synthetic(&daemon, SERVER).await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, &["--read-only"]);
    terminal.wait_for(LIVE).await;
    terminal.wait_for("read-only").await;
    terminal.wait_for(SERVER).await;
    let why = "the dashboard was started read-only";
    for (view, shown, change) in [
        ("1", "STATUS", "a"),
        ("2", "APP", "n"),
        ("6", "REGISTRY", "a"),
        ("7", "LAST SEEN", "a"),
        ("8", "LAST USE", "a"),
    ] {
        terminal.type_text(view);
        terminal.wait_for(shown).await;
        terminal.type_text(change);
        terminal.wait_for(why).await;
        // Another message takes its place.
        terminal.type_text("f");
        terminal.wait_for("FROZEN").await;
        gone(&mut terminal, why).await;
        terminal.type_text("f");
        gone(&mut terminal, "FROZEN").await;
    }
    // What was told is read again, and the palette says the same of what it finds.
    terminal.type_text("H");
    terminal.wait_for("Messages").await;
    terminal.press(Key::Escape);
    gone(&mut terminal, "Messages").await;
    terminal.type_text(":new token");
    terminal.wait_for(why).await;
    terminal.press(Key::Escape);
    gone(&mut terminal, why).await;
    terminal.type_text(":web-1\r");
    terminal.wait_for("servers › web-1").await;
    terminal.wait_for("Memory").await;
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_vault_is_told_of_and_opened_by_a_key() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::synthetic(&daemon, SERVER).await;
    let admin = daemon.admin();
    let master = "a master password of mine";
    admin.person(&InitVault { password: SecretText::new(master), discard: false }).await.expect("is set");
    admin.person(&LockVault {}).await.expect("is sealed");
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, &[]);
    terminal.wait_for("needs attention").await;
    terminal.wait_for("vault").await;
    terminal.type_text("U");
    terminal.wait_for("aster password").await;
    terminal.type_text("not that one\r");
    terminal.wait_for("not the master password").await;
    terminal.press(Key::Control('u'));
    terminal.type_text(master);
    terminal.press(Key::Enter);
    terminal.wait_for("the vault is unlocked").await;
    assert_eq!(admin.person(&GetVault {}).await.expect("an admin may").state, VaultState::Unlocked);
    gone(&mut terminal, "it is sealed").await;
    assert!(!terminal.raw().windows(master.len()).any(|part| part == master.as_bytes()), "it was shown");
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_backed_up_and_its_restore_is_proven_by_keys() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (admin, volume) = (daemon.admin(), Volume::make());
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, &[]);
    terminal.wait_for("● up").await;
    terminal.press(Key::Enter);
    terminal.wait_for("containers (").await;
    terminal.type_text("I");
    terminal.wait_for("USED BY").await;
    terminal.type_text(&format!("/name:{}", volume.0));
    terminal.wait_for("1 of ").await;
    terminal.press(Key::Enter);
    terminal.type_text("b");
    terminal.wait_for("[ Back up ]").await;
    agree(&terminal);
    terminal.wait_for("succeeded").await;
    terminal.press(Key::Escape);
    terminal.wait_for("USED BY").await;
    terminal.type_text("B");
    terminal.wait_for("RESTORE PROVEN").await;
    terminal.wait_for("never").await;
    let list = VolumeBackupList { server: Some(SERVER.to_owned()), ..VolumeBackupList::default() };
    let made = admin.call(&list).await.expect("an admin lists").backups;
    assert!(made.len() == 1 && made[0].volume == volume.0 && made[0].drill.is_none(), "{made:?}");
    terminal.type_text("T");
    terminal.wait_for("succeeded").await;
    terminal.press(Key::Escape);
    terminal.wait_for("RESTORE PROVEN").await;
    terminal.wait_for("read back identical").await;
    let proven = admin.call(&list).await.expect("an admin lists").backups;
    assert!(proven[0].drill.as_ref().is_some_and(|drill| drill.proven), "{proven:?}");
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}

/// A volume with a file in it. It goes when dropped.
struct Volume(String);

impl Volume {
    fn make() -> Self {
        let volume = Self(unique("tomo-test-volume"));
        drop(docker(&["volume", "create", &volume.0]));
        let folder = docker(&["volume", "inspect", "-f", "{{.Mountpoint}}", &volume.0]);
        std::fs::write(std::path::Path::new(&folder).join("file"), "kept").expect("can be written");
        volume
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        drop(std::process::Command::new("docker").args(["volume", "rm", "-f", &self.0]).output());
    }
}
