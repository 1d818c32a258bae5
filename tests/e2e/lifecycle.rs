//! The daemon's life from the outside: made once, started, in the way of another, stopped.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::process::Command;
use tomo_proto::{
    api::{
        auth::AuthWhoami,
        person::{Login, SecretText},
    },
    model::user::{Role, Scope},
};
use tomo_tests::{
    cli::{Output, run},
    daemon::{ADMIN, PASSWORD, Setup, TestDaemon},
    program,
};

/// Runs one of a daemon's other subcommands.
async fn subcommand(daemon: &TestDaemon, arguments: &[&str], input: &str) -> Output {
    run(daemon.command().args(arguments), input).await
}

/// A failure that a person can act on: one error with every word of these, and no trace of a panic.
fn assert_says(failed: &Output, words: &[&str]) {
    assert_eq!(failed.code, Some(1), "{failed:?}");
    for word in words {
        assert!(failed.stderr.contains(word), "\"{word}\" is missing in {}", failed.stderr);
    }
    for noise in ["panicked", "RUST_BACKTRACE", "stack backtrace", "\u{1b}"] {
        assert!(!failed.stderr.contains(noise), "{}", failed.stderr);
    }
}

#[tokio::test]
async fn init_makes_everything_once_and_keeps_it_private() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let data = folder.path().join("deep/data");
    let init = async |arguments: &[&str], input: &str| {
        let mut command = Command::new(program::path("tomo-daemon"));
        command.env_clear().arg("--data").arg(&data).args(arguments);
        run(&mut command, input).await
    };
    let short = init(&["init", "--password-stdin"], "short\n").await;
    assert_says(&short, &["at least 10 characters"]);
    assert_says(&init(&["init", "--password-stdin"], "").await, &["no password"]);
    assert_says(&init(&["init", "--admin", "No Name", "--password-stdin"], PASSWORD).await, &["name"]);
    assert_says(&init(&["init"], PASSWORD).await, &["--password-stdin"]);
    assert_eq!(init(&["init", "--password", PASSWORD], "").await.code, Some(2), "no password on a command line");
    assert!(!data.join("tomo.redb").exists());

    let made = init(&["init", "--password-stdin"], &format!("{PASSWORD}\n")).await.ok();
    assert!(made.stdout.contains("tomo-daemon run") && made.stdout.contains("tomo login"), "{}", made.stdout);
    assert!(!made.stdout.contains(PASSWORD) && !made.stderr.contains(PASSWORD));
    assert_eq!(fs::metadata(&data).expect("is there").permissions().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&data).expect("is there").flatten() {
        let (name, mode) = (entry.file_name(), entry.metadata().expect("is there").permissions().mode() & 0o777);
        let public = name == "ca.pem";
        assert!(mode == 0o600 || public && mode == 0o644, "{name:?} has {mode:o}");
        let bytes = fs::read(entry.path()).expect("can be read");
        assert!(!contains(&bytes, PASSWORD.as_bytes()), "{name:?} holds the password");
    }
    let again = init(&["init", "--password-stdin"], PASSWORD).await;
    assert_says(&again, &["is there already", "tomo-daemon run"]);
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_of_a_start_is_named_with_the_next_step() {
    let daemon = TestDaemon::spawn().await;
    // The same data, the same everything.
    assert_says(&subcommand(&daemon, &["run"], "").await, &["tomo.redb", "in use by another process", "stop"]);
    assert_says(&subcommand(&daemon, &["check"], "").await, &["in use by another process"]);

    let other = folder_with_data().await;
    let start = async |settings: &[(&str, &str)]| {
        let mut command = Command::new(program::path("tomo-daemon"));
        command.env_clear().arg("--data").arg(other.path().join("data")).arg("run");
        command.env("TOMO_DAEMON__HTTP__LISTEN", "127.0.0.1:0").env("TOMO_DAEMON__HUB__LISTEN", "127.0.0.1:0");
        command.env("TOMO_DAEMON__SOCKET__PATH", other.path().join("tomo.sock"));
        for (key, value) in settings {
            command.env(format!("TOMO_DAEMON__{key}"), value);
        }
        run(&mut command, "").await
    };
    let address = daemon.url().trim_start_matches("http://");
    assert_says(&start(&[("HTTP__LISTEN", address)]).await, &[address, "in use", "http.listen"]);
    let hub = daemon.hub().to_string();
    assert_says(&start(&[("HUB__LISTEN", &hub)]).await, &[&hub, "in use", "hub.listen"]);
    let socket = daemon.socket().display().to_string();
    assert_says(&start(&[("SOCKET__PATH", &socket)]).await, &[&socket, "in use by another daemon", "socket.path"]);
    let file = other.path().join("a-file").display().to_string();
    fs::write(&file, "precious").expect("a file can be written");
    assert_says(&start(&[("SOCKET__PATH", &file)]).await, &[&file, "not a socket"]);
    assert_eq!(fs::read_to_string(&file).expect("is there"), "precious");
    assert_says(&start(&[("HTTP__PORT", "1")]).await, &["port", "TOMO_DAEMON__HTTP__PORT"]);
    assert_says(&start(&[("HTTP__LISTEN", "nowhere")]).await, &["TOMO_DAEMON__HTTP__LISTEN", "address"]);
}

/// A folder with a daemon's data in `data`.
async fn folder_with_data() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut init = Command::new(program::path("tomo-daemon"));
    init.env_clear().arg("--data").arg(folder.path().join("data")).args(["init", "--password-stdin"]);
    drop(run(&mut init, PASSWORD).await.ok());
    folder
}

#[tokio::test]
async fn without_data_the_daemon_says_how_to_make_it() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for subcommand in ["run", "check"] {
        let mut command = Command::new(program::path("tomo-daemon"));
        command.env_clear().arg("--data").arg(folder.path().join("none")).arg(subcommand);
        assert_says(&run(&mut command, "").await, &["there is no store", "tomo-daemon init"]);
    }
    let mut config = Command::new(program::path("tomo-daemon"));
    let printed = run(config.env_clear().arg("print-config"), "").await.ok();
    assert!(printed.stdout.contains("listen = \"127.0.0.1:8666\""), "{}", printed.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_in_good_order_with_streams_open_and_starts_again_after_a_kill() {
    let mut daemon = TestDaemon::spawn().await;
    let token = daemon.token(&[Scope::Read]).await;
    let params = json!({"notifications": {"resourceSubscriptions": ["tomo://overview"]}});
    let mcp = token.mcp("/mcp");
    let (_, mut stream) = mcp.stream("subscriptions/listen", params).await;
    stream.until("notifications/subscriptions/acknowledged").await;
    let legacy = token.legacy_mcp("/mcp").await;
    let _notices = legacy.notices().await;
    let begun = Instant::now();
    daemon.halt().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "it took {:?}", begun.elapsed());
    assert!(!daemon.socket().exists(), "the socket is removed");
    daemon.respawn().await;
    daemon.kill().await;
    assert!(daemon.socket().exists(), "a killed daemon leaves its socket");
    daemon.respawn().await;
    assert!(token.call(&AuthWhoami {}).await.is_ok(), "the token is still there");
    let log = daemon.program().log();
    assert!(!log.contains(token.token().expect("a token")), "{log}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_reset_on_the_daemons_host_and_ends_that_persons_logins() {
    let mut daemon = TestDaemon::spawn().await;
    let login = daemon.login(ADMIN).await;
    let viewer = daemon.sign_in_as(Role::Viewer).await;
    let reset = ["reset-password", ADMIN, "--password-stdin"];
    assert_says(&subcommand(&daemon, &reset, "another good password").await, &["in use by another process"]);
    daemon.halt().await;
    let unknown = subcommand(&daemon, &["reset-password", "ann", "--password-stdin"], "another good password").await;
    assert_says(&unknown, &["\"ann\"", "admin"]);
    drop(subcommand(&daemon, &reset, "another good password").await.ok());
    let sound = subcommand(&daemon, &["check"], "").await.ok();
    assert!(sound.stdout.contains("sound"), "{}", sound.stdout);
    daemon.respawn().await;
    assert!(daemon.http().bearer(login.access_token.reveal()).call(&AuthWhoami {}).await.is_err());
    assert!(viewer.call(&AuthWhoami {}).await.is_ok(), "other people stay signed in");
    let login = |password: &str| Login { username: ADMIN.to_owned(), password: SecretText::new(password) };
    assert!(daemon.http().person(&login(PASSWORD)).await.is_err());
    daemon.http().person(&login("another good password")).await.expect("signs in");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bound_elsewhere_than_loopback_it_speaks_tls_from_its_own_ca() {
    let daemon = Setup::default().set("HTTP__LISTEN", "0.0.0.0:0").spawn().await;
    assert!(daemon.url().starts_with("https://"), "{}", daemon.url());
    // The harness trusts nothing but the daemon's own CA.
    let viewer = daemon.sign_in_as(Role::Viewer).await;
    assert!(viewer.call(&AuthWhoami {}).await.is_ok());
    let plain = daemon.url().replace("https://", "http://");
    let refused = tomo_tests::http::Http::tcp(&plain, &daemon.data().join("ca.pem")).get("/healthz").send().await;
    assert!(refused.is_err() || refused.is_ok_and(|answer| !answer.status().is_success()), "plain HTTP is not spoken");
    daemon.stop().await;
}
