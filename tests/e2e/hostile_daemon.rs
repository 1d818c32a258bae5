//! A daemon whose answers are meant for the terminal: everything that somebody may name or write, with a character in it that no
//! daemon lets through. The dashboard and the command line are the last who look at it.

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tomo_proto::{
    api::person::{CreateToken, SecretText, SetSecret},
    model::user::{Role, Scope, Selectors},
};
use tomo_tests::{
    agent::TestAgent,
    cli::Tomo,
    daemon::{PASSWORD, Setup, TestDaemon},
    foreign::{foreign, foreign_in_lines},
    terminal::{Key, Terminal},
};

/// What stands in names and texts, and what a JSON text has there in its place: as long, so that nothing else changes.
const PLANTED: [(&str, &str); 7] = [
    ("zq0001", r"\u001b"),
    ("zq0002", r"\u009b"),
    ("zq0003", r"\u202e"),
    ("zq0004", r"\u200b"),
    ("zq0005", r"\u0007"),
    ("zq0006", r"\u2066"),
    ("zq0007", r"\u000a"),
];
const LONG: usize = 6;

fn all() -> String {
    PLANTED.map(|(mark, _)| mark).join("")
}

/// A way to a daemon on which its answers become what it would never say; its port.
async fn twisted(daemon: &TestDaemon) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let own = listener.local_addr().expect("it is bound").port();
    let to = daemon.url().strip_prefix("http://").expect("it is on loopback").to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(&to).await else { return };
            tokio::spawn(async move {
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                let there = tokio::io::copy(&mut from_client, &mut to_server);
                tokio::select! {
                    _ = there => {}
                    () = twist(&mut from_server, &mut to_client) => {}
                }
            });
        }
    });
    own
}

async fn twist(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) {
    let mut held = Vec::new();
    let mut part = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut part).await {
        held.extend_from_slice(&part[..count]);
        for (mark, told) in PLANTED {
            while let Some(at) = held.windows(LONG).position(|window| window == mark.as_bytes()) {
                held[at..at + LONG].copy_from_slice(told.as_bytes());
            }
        }
        // What may be the beginning of a mark waits for its rest.
        let begun = (1..LONG).rev().find(|length| {
            held.len() >= *length && PLANTED.iter().any(|(mark, _)| held.ends_with(&mark.as_bytes()[..*length]))
        });
        let ready = held.len() - begun.unwrap_or(0);
        if to.write_all(&held[..ready]).await.is_err() {
            return;
        }
        held.drain(..ready);
    }
}

/// A daemon in which everything that can be named has such a name.
async fn planted(folder: &std::path::Path) -> TestDaemon {
    let (long, short) = (all(), &all()[..4 * LONG]);
    let template = format!(
        r#"
id = "trap"
name = "Trap {short}"
summary = "Summary {long}"
description = "Description {long}"
version = "1"
template_version = 1
category = "development"
tags = ["trap"]
homepage = "https://example.com/{long}"
license = "MIT"
image = "busybox:1"
memory_min_mib = 64
disk_min_mib = 150

[health]
kind = "http"
port = 8080
path = "/"

[[questions]]
name = "port"
label = "Label {short}"
type = "port"
default = 8087

[[ports]]
container = 8080
host = "{{{{port}}}}"
description = "Page {long}"
web_ui = true
"#
    );
    std::fs::write(folder.join("trap.toml"), template).expect("a file can be written");
    let folders = serde_json::json!([folder]).to_string();
    let daemon = Setup::default().set("CATALOG__FOLDERS", &folders).start().await;
    let admin = daemon.admin();
    for (number, (mark, _)) in PLANTED.into_iter().enumerate() {
        daemon.create_user(&format!("ana-{mark}"), Role::Viewer).await;
        let token = CreateToken {
            name: format!("tok-{mark}"),
            scopes: [Scope::Read].into(),
            selectors: Selectors::default(),
            expires_in_days: None,
        };
        admin.person(&token).await.expect("the token is made");
        let secret = SetSecret { name: format!("sec-{mark}"), value: SecretText::new("x") };
        admin.person(&secret).await.expect("the secret is kept");
        let tomo = Tomo::at_socket(&daemon);
        let reason = format!("because {}", all());
        let value = format!("sample_interval_secs={}", 20 + number);
        // Nobody agrees: it waits.
        drop(tomo.run(["settings", "set", &value, "--reason", &reason]).await);
        let registry = ["registry", "add", &format!("{mark}.example.com"), "--user", &format!("who-{}", all())];
        drop(tomo.run_with_input(registry, "secret").await.ok());
    }
    daemon
}

/// Closes what lies over the view, one after the other: an Esc with a key right behind it would be another key.
async fn close(terminal: &mut Terminal) {
    let boxes = |screen: &vt100::Screen| screen.contents().matches('╭').count();
    let mut open = boxes(&terminal.screen());
    while open > 0 {
        terminal.press(Key::Escape);
        terminal.wait_until("one less is open", |screen| boxes(screen) < open).await;
        open = boxes(&terminal.screen());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_daemon_says_commands_no_terminal() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let daemon = planted(folder.path()).await;
    let mut agents = Vec::new();
    for (mark, _) in &PLANTED[..3] {
        agents.push(TestAgent::synthetic(&daemon, &format!("web-{mark}")).await);
    }
    let port = twisted(&daemon).await;
    daemon.create_user("boss", Role::Admin).await;
    let tomo = Tomo::new().env("TOMO_URL", &format!("http://127.0.0.1:{port}"));
    drop(tomo.run_with_input(["login", "--user", "boss", "--password-stdin"], PASSWORD).await.ok());

    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 200, 60);
    terminal.wait_for("● live").await;
    let begun = terminal.raw().len();
    // Each list, what it is about, and one of it in full.
    for (key, shown) in [
        ("1", "web-"),
        ("3", "settings"),
        ("5", "Trap"),
        ("6", ".example.com"),
        ("7", "ana-"),
        ("8", "tok-"),
        ("9", "tok-"),
        ("m", "boss"),
        ("o", "sample_interval_secs"),
        ("!", "tomo"),
        ("2", "tomo"),
        ("4", "tomo"),
    ] {
        terminal.type_text(key);
        terminal.wait_for(shown).await;
        // The settings would be a form, which takes letters.
        if key != "o" {
            terminal.press(Key::Enter);
            terminal.type_text("jj");
            terminal.press(Key::Enter);
        }
        terminal.type_text(":");
        terminal.wait_for("Go to or do").await;
        terminal.paste("web-");
        close(&mut terminal).await;
        assert_eq!(foreign(&terminal.raw()[begun..]), None, "{key}: {terminal:?}");
    }
    terminal.type_text("1");
    terminal.wait_for("web-").await;
    terminal.type_text("H");
    terminal.wait_for("Messages").await;
    assert_eq!(foreign(&terminal.raw()[begun..]), None);
    assert!(terminal.clipboard().is_empty() && terminal.title().starts_with("tomo: "), "{}", terminal.title());
    drop(terminal);

    for (arguments, shown) in [
        (&["server", "list"][..], "web-"),
        (&["server", "get", "web-1"], ""),
        (&["user", "list"], "ana-"),
        (&["user", "sessions"], ""),
        (&["token", "list"], "tok-"),
        (&["secret", "list"], "sec-"),
        (&["registry", "list"], ".example.com"),
        (&["audit", "search"], "tok-"),
        (&["audit", "verify"], ""),
        (&["plan", "list"], "settings"),
        (&["operation", "list"], ""),
        (&["settings", "get"], ""),
        (&["catalog", "list"], "Summary"),
        (&["catalog", "show", "trap"], "Description"),
        (&["overview"], ""),
        (&["agent", "list"], "web-"),
        (&["--plain"], "web-"),
        (&["whoami"], "boss"),
    ] {
        for more in [&[][..], &["--json"]] {
            let said = tomo.run(arguments.iter().chain(more)).await;
            for text in [&said.stdout, &said.stderr] {
                assert_eq!(foreign_in_lines(text), None, "{arguments:?} {more:?}");
            }
            assert!(said.stdout.contains(shown), "{arguments:?} {more:?}: {said:?}");
        }
    }
    for agent in agents {
        agent.stop().await;
    }
    daemon.stop().await;
}
