//! Compose files: one becomes an app that runs, an app becomes one, and what reaches for the host is refused.

use std::{fs, net::TcpListener, path::PathBuf};

use tempfile::TempDir;
use tomo_proto::api::app::{AppList, AppRemove};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::{Output, Tomo},
    daemon::TestDaemon,
    docker::{Image, docker, unique},
    terminal::{Key, Terminal},
};

use crate::deploy::{free_port, served_at};

const SERVER: &str = "web-1";

/// A folder with a compose file and values beside it.
fn project(compose: &str, values: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("compose.yaml");
    fs::write(&file, compose).expect("a file can be written");
    fs::write(folder.path().join(".env"), values).expect("a file can be written");
    (folder, file)
}

async fn remove(daemon: &TestDaemon, app: String) {
    let admin = daemon.admin();
    let plan = admin.call(&AppRemove { app, volumes: true, reason: None }).await.expect("is planned");
    admin.carry_out(plan).await.expect("begins");
}

/// Of what is shown of a plan, how many things change.
fn changes(shown: &Output) -> usize {
    shown.stdout.lines().filter(|line| line.trim_start().starts_with(['+', '-', '~'])).count()
}

async fn import(tomo: &Tomo, file: &std::path::Path, more: &[&str]) -> Output {
    let file = file.display().to_string();
    let arguments = [&["app", "import", &file, "--server", SERVER, "--yes"], more].concat();
    tomo.run(arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_file_becomes_an_app_that_runs_and_comes_back_as_a_file() {
    let daemon = TestDaemon::start().await;
    let _agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let (tomo, image, name) = (Tomo::at_socket(&daemon), Image::web(), unique("shop"));
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free").port();
    let compose = format!(
        "services:\n  web:\n    image: {}\n    restart: always\n    environment:\n      MODE: ${{MODE:-dark}}\n    ports:\n      - \"127.0.0.1:${{PORT}}:8080\"\n    volumes:\n      - data:/data\n    healthcheck:\n      test: curl -f http://localhost:8080/\n    labels:\n      a: b\n    tty: true\nvolumes:\n  data:\n",
        image.name()
    );
    let (_folder, file) = project(&compose, &format!("# of this host\nPORT={port}\n"));
    let refused = import(&tomo, &file, &["--app", &name]).await;
    assert!(
        refused.code == Some(2) && refused.stderr.contains("compose.yaml:15: tty: is not supported"),
        "{refused:?}"
    );
    let done = import(&tomo, &file, &["--app", &name, "--leave-out", "tty", "--set", "MODE=light"]).await.ok();
    assert!(done.stderr.contains("compose.yaml:15: tty: is left out"), "{done:?}");
    let container = format!("tomo-{name}");
    let environment = docker(&["inspect", "-f", "{{json .Config.Env}} {{json .Mounts}}", &container]);
    assert!(environment.contains("MODE=light") && environment.contains(&format!("{name}-data")), "{environment}");

    let exported = tomo.run(["app", "export", &name]).await.ok().stdout;
    assert!(exported.contains(&format!("\"127.0.0.1:{port}:8080/tcp\"")), "{exported}");
    let (_other, again) = project(&exported, "");
    // What comes back is what runs: nothing of it changes.
    let same = import(&tomo, &again, &[]).await.ok();
    assert_eq!(changes(&same), 0, "{same:?}");
    remove(&daemon, name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_for_the_host_from_a_compose_file_is_refused() {
    let daemon = TestDaemon::start().await;
    let _agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let tomo = Tomo::at_socket(&daemon);
    let head = "services:\n  x:\n    image: busybox:1\n";
    for (rest, code, said) in [
        ("privileged: true", 2, "compose.yaml:4: privileged: is refused, whatever a host's policy says"),
        ("network_mode: host", 2, "compose.yaml:4: network_mode: is refused"),
        ("pid: host", 2, "compose.yaml:4: pid: is refused"),
        ("devices: [/dev/sda]", 2, "compose.yaml:4: devices: is refused"),
        ("cap_add: [SYS_ADMIN]", 2, "compose.yaml:4: cap_add: SYS_ADMIN is refused, whatever"),
        ("cap_add: [NET_ADMIN]", 4, "under `capabilities`"),
        ("labels: {dev.tomo.app: x}", 2, "those are Tomo's own"),
        ("volumes: [\"/var/run/docker.sock:/var/run/docker.sock\"]", 4, "is never allowed"),
        ("volumes: [\"/run/docker.sock:/s:ro\"]", 4, "is never allowed"),
        ("volumes: [{type: bind, source: /, target: /host}]", 4, "is never allowed"),
        ("volumes: [\"/etc:/x\"]", 4, "is never allowed"),
        ("volumes: [\"/proc/1/root:/x\"]", 4, "is never allowed"),
        ("volumes: [\"/opt/data:/x\"]", 4, "under `bind_roots`"),
        ("ports: [\"22:22\"]", 4, "under `ports`"),
    ] {
        let (_folder, file) = project(&format!("{head}    {rest}\n"), "");
        let refused = import(&tomo, &file, &[]).await;
        assert!(refused.code == Some(code) && refused.stderr.contains(said), "{rest}: {refused:?}");
    }
    let apps = daemon.admin().call(&AppList::default()).await.expect("lists").apps;
    assert!(apps.is_empty(), "nothing was made of any of them: {apps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_file_is_imported_in_the_dashboard() {
    let daemon = TestDaemon::start().await;
    let _agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let (tomo, image, name, key) = (Tomo::at_socket(&daemon), Image::web(), unique("cart"), unique("key"));
    let compose = format!(
        "name: {name}\nservices:\n  web:\n    image: {image}\n    ports: [\"127.0.0.1::8080\"]\n    secrets: [key]\n    tty: true\n  \
         store:\n    image: {image}\nsecrets:\n  key:\n    name: {key}\n    file: ./key.txt\n",
        image = image.name(),
    );
    let (_folder, file) = project(&compose, "");
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 36);
    // Its name alone may be that of a problem, and the list not there yet.
    terminal.wait_for("● up").await;
    terminal.type_text("2I");
    terminal.wait_for("Import a compose file").await;
    terminal.type_text(&file.display().to_string());
    terminal.press(Key::Control('s'));
    // What stands against it is said with its line, and what was typed is still there.
    terminal.wait_for("line 7: tty: is not supported").await;
    terminal.wait_for("compose.yaml").await;
    for _ in 0..3 {
        terminal.press(Key::Tab);
    }
    terminal.type_text(&format!("{key}=hunter2"));
    terminal.press(Key::Tab);
    terminal.type_text("tty");
    terminal.press(Key::Control('s'));
    terminal.wait_for("It fits").await;
    terminal.wait_for("tty: is left out").await;
    terminal.press(Key::Control('s'));
    terminal.wait_for("Approve and apply").await;
    assert!(!terminal.text().contains("hunter2"), "{}", terminal.text());
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("succeeded").await;
    let files = docker(&["exec", &format!("tomo-{name}"), "busybox", "cat", "/run/secrets/key"]);
    assert_eq!(files, "hunter2");
    remove(&daemon, name).await;
}

/// A web server that shows every file inside, and ends when it is told to.
const SERVE: &str = "busybox httpd -f -p 8080 -h / & trap 'kill $$!; exit 0' TERM; wait $$!";

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_configs_of_a_compose_file_are_files_inside() {
    let daemon = TestDaemon::start().await;
    let _agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let (tomo, image, name, key) = (Tomo::at_socket(&daemon), Image::web(), unique("vault"), unique("key"));
    let port = free_port();
    let compose = format!(
        "services:\n  web:\n    image: {image}\n    user: \"1000\"\n    command: [sh, -c, {SERVE:?}]\n    ports: [\"127.0.0.1:{port}:8080\"]\n    \
         secrets: [key]\n    configs: [{{source: conf, target: /etc/app/app.conf}}]\n    x-tomo-health: tcp:8080\n  \
         worker:\n    image: {image}\n    secrets: [key]\n  idle:\n    image: {image}\n    configs: [conf]\n\
         secrets:\n  key:\n    name: {key}\n    file: ./key.txt\nconfigs:\n  conf:\n    file: ./app.conf\n",
        image = image.name(),
    );
    let (folder, file) = project(&compose, "");
    fs::write(folder.path().join("app.conf"), "mode = fast\n").expect("a file can be written");
    let missing = import(&tomo, &file, &["--app", &name]).await;
    assert!(missing.stderr.contains(&format!("`tomo secret set {key} < ./key.txt`")), "{missing:?}");
    assert!(missing.code == Some(1) && missing.stderr.contains("names the secret"), "{missing:?}");
    drop(tomo.run_with_input(["secret", "set", &key], "hunter2-first\n").await.ok());
    let planned = import(&tomo, &file, &["--app", &name]).await.ok();
    assert!(planned.stdout.contains("mode = fast") && !planned.stdout.contains("hunter2"), "{planned:?}");
    assert_eq!(served_at(port, "/run/secrets/key").await.as_deref(), Some("hunter2-first"));
    assert_eq!(served_at(port, "/etc/app/app.conf").await.as_deref(), Some("mode = fast\n"));
    let ids =
        || ["", "-worker", "-idle"].map(|end| docker(&["inspect", "-f", "{{.Id}}", &format!("tomo-{name}{end}")]));
    let before = ids();
    let shown = tomo.run(["app", "get", &name]).await.ok().stdout;
    assert!(
        shown.contains(&format!("/run/secrets/key = secret://{key}")) && shown.contains("/etc/app/app.conf (12B)"),
        "{shown}"
    );

    // A value that is entered anew reaches whoever reads it, with the next deploy; who does not goes on.
    drop(tomo.run_with_input(["secret", "set", &key], "hunter2-second\n").await.ok());
    drop(import(&tomo, &file, &["--app", &name]).await.ok());
    assert_eq!(served_at(port, "/run/secrets/key").await.as_deref(), Some("hunter2-second"));
    let after = ids();
    assert!(before[1] != after[1] && before[2] == after[2], "{before:?} {after:?}");

    let exported = tomo.run(["app", "export", &name]).await.ok().stdout;
    assert!(exported.contains(&format!("file: \"./{key}\"")) && !exported.contains("hunter2"), "{exported}");
    let (_other, again) = project(&exported, "");
    let same = import(&tomo, &again, &[]).await.ok();
    assert_eq!(changes(&same), 0, "{same:?}");
    remove(&daemon, name).await;
}
