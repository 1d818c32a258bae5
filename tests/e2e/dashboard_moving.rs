//! Getting around in the dashboard on a real terminal: a screen that stands still, the mouse, what needs attention, servers side by
//! side, and copies that reach the clipboard from inside tmux.

use std::process::Command;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portable_pty::CommandBuilder;
use tomo_tests::{
    agent::TestAgent,
    cli::Tomo,
    daemon::TestDaemon,
    docker::unique,
    eventually::eventually,
    program,
    terminal::{Key, Terminal},
};

/// Presses and lets go of the right button on a text.
fn right_click(terminal: &Terminal, text: &str) {
    let (row, column) = terminal.find(text).unwrap_or_else(|| panic!("no {text:?}: {terminal:?}"));
    let (row, column) = (row + 1, column + 1);
    terminal.send(format!("\x1b[<2;{column};{row}M\x1b[<2;{column};{row}m").as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_fleet_stands_still_and_an_alert_leads_to_its_server() {
    let daemon = TestDaemon::start().await;
    let (first, second) = (TestAgent::synthetic(&daemon, "web-1").await, TestAgent::synthetic(&daemon, "web-2").await);
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 36);
    terminal.wait_for("● live").await;
    terminal.wait_for("2 up").await;

    terminal.type_text("f");
    terminal.wait_for("FROZEN +").await;
    second.stop().await;
    terminal.wait_for("FROZEN +3 s").await;
    let admin = daemon.admin();
    let is_down = async || {
        let overview = admin.call(&tomo_proto::api::overview::Overview::default()).await.ok()?;
        overview.problems.into_iter().find(|problem| problem.subject == "web-2")
    };
    let problem = eventually("the daemon knows that it is down", is_down).await;
    assert!(problem.began_at.is_some_and(|began_at| began_at > 0), "{problem:?}");
    assert!(terminal.find("2 up").is_some() && terminal.find("✗ down").is_none(), "{terminal:?}");
    terminal.type_text("f");
    terminal.wait_for("✗ down").await;
    terminal.wait_until("nothing is frozen", |screen| !screen.contents().contains("FROZEN")).await;

    terminal.type_text("!");
    terminal.wait_for("✗ critical web-2").await;
    terminal.wait_for("SINCE").await;
    terminal.press(Key::Enter);
    terminal.wait_for("servers › web-2").await;
    terminal.wait_for("Memory").await;
    // The window of its charts, by a time that is typed.
    terminal.type_text("J");
    terminal.wait_for("Show another time").await;
    terminal.type_text("2h\r");
    terminal.wait_for("5 min, until").await;
    terminal.type_text("0");
    terminal.wait_for("5 min, live").await;

    // The same by the mouse: a chart is held and moved to the right.
    let (row, column) = terminal.find("Network").expect("the chart is there");
    let at = |button: u8, column: u16, letter: char| format!("\x1b[<{button};{column};{}{letter}", row + 3);
    for (button, column, letter) in
        [(0, column + 20, 'M'), (32, column + 30, 'M'), (32, column + 40, 'M'), (0, column + 40, 'm')]
    {
        terminal.send(at(button, column, letter).as_bytes());
    }
    terminal.wait_for("5 min, until").await;
    // The wheel zooms, over a chart.
    terminal.send(at(65, column + 20, 'M').as_bytes());
    terminal.wait_for("15 min, until").await;
    terminal.type_text("0");
    terminal.wait_for("15 min, live").await;

    // Both in the same charts.
    terminal.type_text("1");
    terminal.wait_for("✗ down").await;
    terminal.type_text("gs  C");
    terminal.wait_for("servers › compared").await;
    for text in ["■ web-1", "■ web-2", "Network in+out"] {
        terminal.wait_for(text).await;
    }
    let measured =
        |screen: &vt100::Screen| screen.contents().lines().any(|line| line.contains("CPU") && line.contains('%'));
    terminal.wait_until("the first one's figures are there", measured).await;

    // The menu of a row, by the mouse.
    terminal.type_text("1");
    terminal.wait_for("✗ down").await;
    terminal.press(Key::Escape);
    terminal.wait_until("nothing is marked", |screen| !screen.contents().contains("marked")).await;
    right_click(&terminal, "web-2");
    terminal.wait_for("the agent of web-2 is not connected").await;
    terminal.press(Key::Enter);
    terminal.wait_for("servers › web-2").await;

    terminal.type_text("H");
    terminal.wait_for("Messages").await;
    terminal.press(Key::Escape);
    terminal.wait_until("it is closed", |screen| !screen.contents().contains("Messages")).await;
    terminal.type_text("q");
    assert!(terminal.wait_for_exit().await.success());
    first.stop().await;
    daemon.stop().await;
}

/// tmux with its usual settings, whoever's file says otherwise; ended with the test.
struct Tmux(String);

impl Tmux {
    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.0, "-f", "/dev/null"]);
        command
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // It may have ended with its last window.
        drop(self.command().arg("kill-server").output());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_inside_tmux_with_its_usual_settings_reaches_the_terminals_clipboard() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::synthetic(&daemon, "web-1").await;
    let (tomo, tmux) = (Tomo::at_socket(&daemon), Tmux(unique("tomo-tmux")));
    let mut command = CommandBuilder::new("tmux");
    command.args(["-L", &tmux.0, "-f", "/dev/null", "-u", "new-session"]);
    command.arg(program::path("tomo"));
    command.env_clear();
    for (variable, value) in tomo.environment() {
        command.env(variable, value);
    }
    command.env("TERM", "xterm-256color");
    let mut terminal = Terminal::start_command(command, 120, 36);
    terminal.wait_for("● live").await;
    terminal.wait_for("1 up").await;
    terminal.type_text("y");
    terminal.wait_for("copied 5 characters (tmux)").await;
    let buffer = tmux.command().arg("show-buffer").output().expect("tmux runs");
    assert_eq!(String::from_utf8_lossy(&buffer.stdout), "web-1");
    let clipboard = async || {
        let copied = terminal.clipboard().last().and_then(|text| STANDARD.decode(text).ok())?;
        (copied == b"web-1").then_some(())
    };
    eventually("tmux has handed it on to its terminal", clipboard).await;
    terminal.type_text("Y");
    terminal
        .wait_until("all of it too", |screen| {
            let contents = screen.contents();
            contents.contains("characters (tmux)") && !contents.contains("copied 5 ")
        })
        .await;
    let buffer = tmux.command().arg("show-buffer").output().expect("tmux runs");
    let json: serde_json::Value = serde_json::from_slice(&buffer.stdout).expect("it is JSON");
    assert_eq!(json["name"], "web-1");
    drop((terminal, tmux));
    agent.stop().await;
    daemon.stop().await;
}
