//! The terminal below the dashboard: given back as it was whatever ends or stops the dashboard, and sent nothing that others wrote for it.

use std::fmt::Write as _;

use portable_pty::CommandBuilder;
use rustix::process::{Pid, Signal, kill_process};
use tomo_proto::{
    api::app::AppDeploy,
    model::app::{AppSpec, RestartPolicy},
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    docker::{Image, unique},
    eventually::eventually,
    foreign::foreign,
    program,
    rounds::rounds,
    terminal::{Key, Terminal},
};
use vt100::MouseProtocolMode;

const LIVE: &str = "● live";
const SERVER: &str = "web-1";
const PROMPT: &str = "ready> ";

/// A shell with job control, which changes no mode of its terminal by itself.
fn shell(tomo: &Tomo) -> Terminal {
    let mut command = CommandBuilder::new("dash");
    command.arg("-i");
    command.env_clear();
    for (variable, value) in tomo.environment() {
        command.env(variable, value);
    }
    command.env("PS1", PROMPT);
    command.env("PATH", "/usr/bin:/bin");
    Terminal::start_command(command, 100, 30)
}

/// Asks the shell whether the terminal is as a shell has it; `number` tells its answers apart.
async fn is_given_back(shell: &mut Terminal, after: &str, number: usize) {
    // The screen below the dashboard has the prompt from before it; a new one stands alone.
    let is_left = |screen: &vt100::Screen| {
        !screen.alternate_screen() && screen.contents().lines().last().map(str::trim_end) == Some(PROMPT.trim_end())
    };
    shell.wait_until(&format!("the shell is back after {after}"), is_left).await;
    shell.type_text(&format!("printf '\\033[2J\\033[H'; stty -a; echo told $(({number} + 0))\n"));
    shell.wait_for(&format!("told {number}\n")).await;
    let (screen, told) = (shell.screen(), shell.text());
    let modes: Vec<&str> = told.split(|letter: char| letter.is_whitespace() || letter == ';').collect();
    for mode in ["icanon", "echo", "isig", "icrnl", "opost"] {
        assert!(modes.contains(&mode), "{mode} after {after}: {told}");
    }
    assert!(!screen.hide_cursor() && !screen.bracketed_paste() && !screen.application_cursor(), "after {after}");
    assert_eq!(screen.mouse_protocol_mode(), MouseProtocolMode::None, "after {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_gets_its_terminal_back_whatever_ends_or_stops_the_dashboard() {
    let mut daemon = TestDaemon::spawn().await;
    let agent = TestAgent::synthetic(&daemon, SERVER).await;
    let tomo = Tomo::at_socket(&daemon);
    let mut shell = shell(&tomo);
    shell.wait_for(PROMPT).await;
    let noted = tomo.home().join("pid");
    let run = format!("sh -c 'echo $$ > {}; exec {}'\n", noted.display(), program::path("tomo").display());
    let pid = || {
        let text = std::fs::read_to_string(&noted).expect("it was noted");
        Pid::from_raw(text.trim().parse().expect("a number")).expect("a process")
    };
    let mut number = 0;
    let mut check = async |shell: &mut Terminal, after: &str| {
        number += 1;
        is_given_back(shell, after, number).await;
    };
    for _ in 0..rounds(1) {
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            shell.type_text(&run);
            shell.wait_for(LIVE).await;
            kill_process(pid(), signal).expect("it can be told");
            check(&mut shell, &format!("{signal:?}")).await;
        }
        shell.type_text(&run);
        shell.wait_for(LIVE).await;
        shell.press(Key::Control('z'));
        check(&mut shell, "Ctrl-Z").await;
        shell.type_text("fg\n");
        shell.wait_for(LIVE).await;
        daemon.kill().await;
        shell.wait_for("✗ lost").await;
        shell.type_text("q");
        check(&mut shell, "its daemon was killed").await;
        daemon.respawn().await;
    }
    agent.stop().await;
    daemon.stop().await;
}

/// Writes so many lines of what terminals obey, in every order.
fn hostile(lines: usize) -> String {
    let parts = [
        r"\033]52;c;aGFjaw==\007",
        r"\033]0;title\007",
        r"\033P+q544e\033\\",
        r"\033[6n",
        r"\033[c",
        r"\033[2J",
        r"\033[?1049l",
        r"\033c",
        r"\033",
        r"\007",
        r"\010",
        r"\016",
        r"\177",
        r"\302\233",
        r"\302\235",
        r"\342\200\256",
        r"\342\200\213",
        r"\342\201\246",
        r"\357\273\277",
        r"\377",
        r"\360\237\220\263",
        "plain",
        " ",
    ];
    let mut program = String::from("BEGIN { srand(7); ");
    for (place, part) in parts.iter().enumerate() {
        _ = write!(program, "p[{place}] = \"{part}\"; ");
    }
    let count = parts.len();
    _ = write!(
        program,
        "for (i = 0; i < {lines}; i++) {{ s = \"\"; for (j = 0; j < 8; j++) s = s p[int(rand() * {count})]; print \"no \" i \".\" s }} }}"
    );
    format!("busybox awk '{program}'; sleep 600")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_hostile_log_is_shown_and_none_commands_the_terminal() {
    let count = rounds(1_000);
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let admin = daemon.admin();
    let (image, name) = (Image::script(&hostile(count)), unique("hostile"));
    let spec = AppSpec { image: image.name().to_owned(), restart: RestartPolicy::No, ..AppSpec::default() };
    let request = AppDeploy { server: SERVER.to_owned(), name: name.clone(), spec, ..AppDeploy::default() };
    let plan = admin.call(&request).await.expect("a plan");
    admin.carry_out(plan).await.expect("it is deployed");
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 200, 60);
    terminal.wait_for(LIVE).await;
    terminal.type_text("2");
    terminal.wait_for(&name).await;
    terminal.type_text("L");
    terminal.wait_for("following").await;
    // What was asked of the terminal at the start is the dashboard's own.
    let begun = terminal.raw().len();
    terminal.type_text("6");
    terminal.wait_for(&format!("{count} lines")).await;
    terminal.wait_for(&format!("no {}.", count - 1)).await;
    terminal.type_text("g");
    let shown = |terminal: &Terminal| {
        let text = terminal.text();
        let numbers =
            text.lines().filter_map(|line| line.trim_start().strip_prefix("no ")?.split('.').next()?.parse().ok());
        let numbers: Vec<usize> = numbers.collect();
        Some((*numbers.first()?, *numbers.last()?))
    };
    let mut next = 0;
    while next < count {
        let (_, last) = eventually("the next lines are shown", async || {
            shown(&terminal).filter(|(first, last)| *first <= next && *last >= next)
        })
        .await;
        next = last + 1;
        if next < count {
            terminal.press(Key::PageDown);
        }
    }
    assert_eq!(foreign(&terminal.raw()[begun..]), None);
    assert!(terminal.clipboard().is_empty());
    terminal.type_text("q");
    assert!(terminal.wait_for_exit().await.success());
    agent.stop().await;
    daemon.stop().await;
}
