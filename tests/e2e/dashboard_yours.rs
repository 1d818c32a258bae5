//! What a person has chosen for the dashboard: keys, colors, daemons, and where it was left; on a real terminal with real daemons.

use std::{fs, path::PathBuf};

use tomo_tests::{
    agent::TestAgent,
    cli::Tomo,
    daemon::{PASSWORD, TestDaemon},
    terminal::{Key, Terminal},
};
use vt100::Color;

const LIVE: &str = "● live";

fn file(tomo: &Tomo) -> PathBuf {
    tomo.home().join("XDG_CONFIG_HOME/tomo/tomo.toml")
}

fn write(tomo: &Tomo, text: &str) {
    let path = file(tomo);
    fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
    fs::write(path, text).expect("it can be written");
}

fn open(tomo: &Tomo, arguments: &[&str]) -> Terminal {
    Terminal::start("tomo", arguments, tomo.environment(), 100, 30)
}

async fn leave(mut terminal: Terminal) {
    terminal.type_text("q");
    assert!(terminal.wait_for_exit().await.success());
}

async fn gone(terminal: &mut Terminal, text: &str) {
    terminal.wait_until(&format!("\"{text}\" is gone"), |screen| !screen.contents().contains(text)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_persons_file_work_are_shown_and_follow_it_while_it_changes() {
    let daemon = TestDaemon::start().await;
    let tomo = Tomo::at_socket(&daemon);
    write(&tomo, "[keys]\nhelp = [\"f9\"]\nshow-settings = [\"Z\"]\n");
    let mut terminal = open(&tomo, &[]);
    terminal.wait_for(LIVE).await;
    terminal.wait_for("f9 help").await;
    terminal.type_text("Z");
    terminal.wait_for("plan_expiry_minutes").await;
    terminal.type_text("?");
    terminal.type_text("1");
    terminal.wait_for("no server is managed yet").await;
    assert!(!terminal.text().contains("Keys that work here"), "? is nobody's key any more: {terminal:?}");
    // What is wrong is told with its line, and everything stays as it was.
    write(&tomo, "[keys]\nhelp = [\"f9\"]\n\nquit = [\"f9\"]\n");
    terminal.wait_for("tomo.toml:4: quit: the key \"f9\" is help's too").await;
    terminal.wait_for("f9 help").await;
    terminal.press(Key::Escape);
    gone(&mut terminal, "tomo.toml:4").await;
    write(&tomo, "[keys]\nhelp = [\"%\"]\nquit = [\"Q\"]\nadd-server = [\"Z\"]\n");
    terminal.wait_for("keys and theme are as").await;
    terminal.wait_for("% help  Q quit").await;
    terminal.wait_for("press Z: over SSH").await;
    terminal.type_text("%");
    terminal.wait_for("Keys that work here").await;
    terminal.press(Key::Escape);
    gone(&mut terminal, "Keys that work here").await;
    terminal.type_text("Q");
    assert!(terminal.wait_for_exit().await.success());
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_mistakes_opens_the_dashboard_and_is_told_with_lines_here_and_on_the_command_line() {
    let daemon = TestDaemon::start().await;
    let tomo = Tomo::at_socket(&daemon);
    let checked = tomo.run(["config", "check"]).await;
    assert!(checked.code == Some(1) && checked.stderr.contains("there is no"), "{checked:?}");
    write(&tomo, "theme = \"blue\"\n[keys]\nhelp = [\"f9\"]\nreboot = [\"x\"]\n");
    let mut terminal = open(&tomo, &[]);
    terminal.wait_for("tomo.toml:1: there is no theme \"blue\": choose one of auto").await;
    terminal.wait_for("1 more: `tomo config check`").await;
    terminal.wait_for("f9 help").await;
    leave(terminal).await;
    let checked = tomo.run(["config", "check"]).await;
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(
        checked.stderr.contains("tomo.toml:4: there is no action \"reboot\": `tomo config keys` lists them"),
        "{checked:?}"
    );
    let checked = tomo.run(["--json", "config", "check"]).await;
    assert_eq!(checked.json()["problems"].as_array().map(Vec::len), Some(2), "{checked:?}");
    write(&tomo, "theme = \"light\"\n[keys]\nhelp = [\"f9\"]\n");
    let path = file(&tomo).display().to_string();
    drop(tomo.run(["--config", &path, "config", "check"]).await.ok());
    let checked = tomo.run(["config", "check", &path]).await.ok();
    assert!(checked.stdout.contains("nothing is wrong"), "{checked:?}");
    assert!(tomo.run(["config", "keys"]).await.ok().stdout.contains("| `restart-app` | `R` | Restarts"));
    let schema = tomo.run(["config", "schema"]).await.ok().json();
    assert_eq!(schema["properties"]["keys"]["properties"]["restart-app"]["type"], "array");
    let missing = tomo.run(["--config", "/nowhere/tomo.toml"]).await;
    assert!(missing.code == Some(2) && missing.stderr.contains("there is no file /nowhere/tomo.toml"), "{missing:?}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_theme_is_chosen_seen_at_once_and_kept_in_the_file() {
    let daemon = TestDaemon::start().await;
    let tomo = Tomo::at_socket(&daemon).env("COLORTERM", "truecolor");
    write(&tomo, "# mine\n[keys]\nhelp = [\"f9\"]\n");
    let mut terminal = open(&tomo, &[]);
    terminal.wait_for(LIVE).await;
    let background = |screen: &vt100::Screen| screen.cell(5, 50).map(vt100::Cell::bgcolor);
    assert_eq!(background(&terminal.screen()), Some(Color::Default), "the terminal's own");
    terminal.press(Key::Control('t'));
    terminal.wait_for("gruvbox").await;
    terminal.press(Key::Up);
    terminal.type_text("jjjjjj");
    terminal.press(Key::Enter);
    terminal.wait_until("gruvbox", |screen| background(screen) == Some(Color::Rgb(40, 40, 40))).await;
    let path = file(&tomo);
    let kept =
        async || fs::read_to_string(&path).ok().filter(|text| text.starts_with("theme = \"gruvbox\"\n# mine\n[keys]"));
    tomo_tests::eventually::eventually("it is kept", kept).await;
    leave(terminal).await;
    let mut terminal = open(&tomo, &[]);
    terminal.wait_until("gruvbox", |screen| background(screen) == Some(Color::Rgb(40, 40, 40))).await;
    // Whoever edits the file sees it too.
    write(&tomo, "[theme]\nbase = \"light\"\nbackground = \"#fffefd\"\n");
    terminal.wait_until("its own", |screen| background(screen) == Some(Color::Rgb(255, 254, 253))).await;
    leave(terminal).await;
    // A terminal with fewer colors gets the nearest ones, and one without any none.
    write(&tomo, "theme = \"gruvbox\"\n");
    let few = Tomo::at_socket(&daemon);
    write(&few, "theme = \"gruvbox\"\n");
    let mut terminal = open(&few, &[]);
    terminal.wait_until("one of 256", |screen| background(screen) == Some(Color::Idx(235))).await;
    leave(terminal).await;
    let none = Tomo::at_socket(&daemon).env("NO_COLOR", "1");
    write(&none, "theme = \"gruvbox\"\n");
    let mut terminal = open(&none, &[]);
    terminal.wait_for(LIVE).await;
    assert_eq!(background(&terminal.screen()), Some(Color::Default));
    leave(terminal).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_daemon_is_gone_to_and_nothing_of_the_first_is_left() {
    let (one, other) = (TestDaemon::start().await, TestDaemon::start().await);
    for daemon in [&one, &other] {
        daemon.create_user("ana", tomo_proto::model::user::Role::Admin).await;
    }
    let agents = [TestAgent::synthetic(&one, "web-of-one").await, TestAgent::synthetic(&other, "web-of-other").await];
    let tomo = Tomo::new();
    for (daemon, profile) in [(&one, "first"), (&other, "second")] {
        let arguments = ["--profile", profile, "login", "--url", daemon.url(), "--user", "ana", "--password-stdin"];
        drop(tomo.run_with_input(arguments, &format!("{PASSWORD}\n")).await.ok());
    }
    let mut terminal = open(&tomo, &["--profile", "first"]);
    terminal.wait_for("web-of-one").await;
    terminal.type_text("@");
    terminal.wait_for(&format!("● first   ana at {}", one.url())).await;
    terminal.wait_for(&format!("second  ana at {}", other.url())).await;
    terminal.press(Key::Down);
    terminal.press(Key::Enter);
    terminal.wait_for("web-of-other").await;
    assert!(!terminal.text().contains("web-of-one"), "{terminal:?}");
    terminal.wait_for(&format!("user:ana at {}", other.url())).await;
    // Whoever is signed out there can still go back.
    terminal.type_text("2");
    terminal.wait_for("no app yet").await;
    drop(tomo.run(["--profile", "second", "logout"]).await.ok());
    terminal.press(Key::Control('r'));
    terminal.wait_for("has ended").await;
    terminal.press(Key::Control('o'));
    terminal.wait_for("● second  ").await;
    terminal.press(Key::Down);
    terminal.press(Key::Enter);
    terminal.wait_for("web-of-one").await;
    leave(terminal).await;
    for agent in agents {
        agent.stop().await;
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_begins_where_it_was_left_and_says_if_what_it_kept_is_broken() {
    let daemon = TestDaemon::start().await;
    let agents = [TestAgent::synthetic(&daemon, "web-1").await, TestAgent::synthetic(&daemon, "db-1").await];
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, &[]);
    terminal.wait_for("web-1").await;
    terminal.wait_for("db-1").await;
    terminal.wait_for("LOAD").await;
    terminal.type_text("E");
    terminal.wait_for("Space shows or hides it").await;
    // Name, status, cpu, mem, disk, net, load.
    terminal.type_text("jjjjjj ");
    gone(&mut terminal, "LOAD").await;
    terminal.press(Key::Escape);
    gone(&mut terminal, "Space shows or hides it").await;
    terminal.type_text("/'web\r");
    gone(&mut terminal, "db-1").await;
    terminal.type_text("o");
    terminal.wait_for("plan_expiry_minutes").await;
    terminal.type_text("/'session\r");
    gone(&mut terminal, "plan_expiry_minutes").await;
    leave(terminal).await;
    let kept = tomo.home().join("XDG_STATE_HOME/tomo/view-default.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&kept).expect("it is kept").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut terminal = open(&tomo, &[]);
    terminal.wait_for("session_hours").await;
    assert!(!terminal.text().contains("plan_expiry_minutes"), "{terminal:?}");
    terminal.type_text("1");
    terminal.wait_for("web-1").await;
    assert!(!terminal.text().contains("db-1") && !terminal.text().contains("LOAD"), "{terminal:?}");
    leave(terminal).await;
    // Another daemon's is nothing of this one.
    let other = TestDaemon::start().await;
    let url = format!("unix:{}", other.socket().display());
    let mut terminal = open(&tomo, &["--url", &url]);
    terminal.wait_for("no server is managed yet").await;
    leave(terminal).await;
    fs::write(&kept, "{").expect("it can be written");
    let mut terminal = open(&tomo, &[]);
    terminal.wait_for("view-default.json is ignored, and written anew").await;
    terminal.wait_for("db-1").await;
    leave(terminal).await;
    for agent in agents {
        agent.stop().await;
    }
    other.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_terminal_says_of_itself_counts_however_late_and_is_never_typed() {
    let daemon = TestDaemon::start().await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, &[]);
    terminal.wait_for("no server is managed yet").await;
    let asked = |terminal: &Terminal, question: &[u8]| {
        terminal.raw().windows(question.len()).filter(|bytes| *bytes == question).count()
    };
    assert_eq!(asked(&terminal, b"\x1b]11;?\x1b\\"), 1, "it asks for the background");
    assert_eq!(asked(&terminal, b"\x1bP$qm\x1b\\"), 1, "and for its colors, which nothing has named");
    let color = |screen: &vt100::Screen| screen.cell(0, 1).map(vt100::Cell::fgcolor);
    assert!(matches!(color(&terminal.screen()), Some(Color::Idx(_))), "one of 256 until then");
    // Long after it has begun, in two pieces; each letter would be a key.
    terminal.send(b"\x1bP1$r0;48:2::1:2:3m\x1b\\");
    terminal.wait_until("all colors", |screen| matches!(color(screen), Some(Color::Rgb(64, 140, 200)))).await;
    terminal.send(b"\x1b]11;rgb:ffff/ff");
    terminal.send(b"ff/ffff\x1b\\");
    terminal.wait_until("those of light", |screen| color(screen) == Some(Color::Rgb(10, 95, 170))).await;
    terminal.send(b"\x1b]11;rgb:0000/0000/0000\x07");
    terminal.wait_until("those of dark", |screen| color(screen) == Some(Color::Rgb(97, 175, 239))).await;
    assert!(terminal.text().contains("no server is managed yet"), "nothing was typed: {terminal:?}");
    assert!(!terminal.text().contains("Ctrl-C"), "{terminal:?}");
    leave(terminal).await;
    // Nobody asks a terminal that would show the question, or one of which nothing is to be known.
    for (name, value) in [("TERM", "linux"), ("NO_COLOR", "1")] {
        let tomo = Tomo::at_socket(&daemon).env(name, value);
        let mut terminal = open(&tomo, &[]);
        terminal.wait_for("no server is managed yet").await;
        assert_eq!(asked(&terminal, b"\x1b]11;"), 0, "{name}");
        leave(terminal).await;
    }
    daemon.stop().await;
}
