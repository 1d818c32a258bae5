//! The dashboard on a real terminal, with the real daemon, agent and engine behind it: driven by keys, read from the screen.

use std::{net::TcpListener, path::Path, time::Duration};

use portable_pty::CommandBuilder;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tomo_proto::{
    api::{app::AppDeploy, app::AppList, person::ListSecrets, plan::PlanGet},
    model::{
        app::{AppSpec, AppStatus, PortSpec, Protocol, RestartPolicy},
        plan::PlanStatus,
        user::{Role, Scope},
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::{PASSWORD, TestDaemon},
    docker::{Image, unique},
    eventually::{eventually, eventually_within},
    program,
    rounds::rounds,
    terminal::{Key, Terminal},
};

const LIVE: &str = "● live";
const SERVER: &str = "web-1";
/// What leaves the alternate screen.
const LEFT: &[u8] = b"\x1b[?1049l";

fn open(tomo: &Tomo, columns: u16, rows: u16) -> Terminal {
    Terminal::start("tomo", &[], tomo.environment(), columns, rows)
}

/// `tomo local` with a data folder of its own.
fn local(tomo: &Tomo, data: &Path, more: &[&str]) -> Terminal {
    let data = data.display().to_string();
    let arguments = [&["local", "--port", "0", "--data", &data], more].concat();
    Terminal::start("tomo", &arguments, tomo.environment(), 120, 36)
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("tomo-test-dashboard-").tempdir().expect("a folder can be made")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Waits until a text is no longer on the screen.
async fn gone(terminal: &mut Terminal, text: &str) {
    let what = format!("\"{text}\" is gone");
    terminal.wait_until(&what, |screen| !screen.contents().contains(text)).await;
}

/// What an app answers over HTTP.
async fn answers(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_shows_this_machine_live() {
    let (tomo, data) = (Tomo::new(), folder());
    let mut terminal = local(&tomo, data.path(), &[]);
    terminal.wait_for("overview").await;
    terminal.wait_for(LIVE).await;
    terminal.wait_until("its figures are there", |screen| screen.contents().contains('%')).await;
    assert_eq!(terminal.title(), "tomo: overview");
    terminal.press(Key::Enter);
    terminal.wait_for("Memory").await;
    terminal.wait_for("Network").await;
    assert!(terminal.title().starts_with("tomo: servers/"), "{}", terminal.title());
    terminal.wait_for("5 min").await;
    terminal.type_text("-");
    terminal.wait_for("15 min").await;
    terminal.press(Key::Control('z'));
    terminal.wait_for("Ctrl-Z would stop the daemon").await;
    // An arrow that a slow line cuts in two is no Esc.
    terminal.send(b"\x1b");
    terminal.send(b"[B");
    terminal.type_text("+");
    terminal.wait_until("it zooms in again", |screen| !screen.contents().contains("15 min")).await;
    assert!(terminal.title().starts_with("tomo: servers/"), "{terminal:?}");
    terminal.press(Key::Escape);
    terminal
        .wait_until("back at the fleet", |screen| screen.contents().lines().any(|line| line.contains("overview")))
        .await;
    terminal.type_text("q");
    assert!(terminal.wait_for_exit().await.success());
    assert!(terminal.raw().ends_with(b"\x1b[23;0t"), "the shell's title is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_in_after_a_wrong_password_and_greys_what_a_viewer_may_not() {
    let daemon = TestDaemon::start().await;
    daemon.create_user("vera", Role::Viewer).await;
    let agent = TestAgent::synthetic(&daemon, SERVER).await;
    let tomo = Tomo::at(&daemon);
    let mut terminal = open(&tomo, 100, 30);
    terminal.wait_for("asks who you are").await;
    terminal.type_text("vera");
    terminal.press(Key::Tab);
    terminal.type_text("not the password");
    terminal.press(Key::Enter);
    terminal.wait_for("wrong").await;
    assert!(!contains(&terminal.raw(), b"not the password"), "a password is not shown");
    terminal.press(Key::Control('u'));
    terminal.type_text(PASSWORD);
    terminal.press(Key::Enter);
    terminal.wait_for(SERVER).await;
    terminal.wait_for("user:vera at").await;
    terminal.type_text("n");
    terminal.wait_for("it needs the scope plan").await;
    terminal.type_text("q");
    assert!(terminal.wait_for_exit().await.success());
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_lives_from_the_form_to_its_removal() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (image, name, port) = (Image::web(), unique("web"), free_port());
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, 120, 40);
    terminal.wait_for(LIVE).await;
    terminal.wait_for(SERVER).await;
    terminal.type_text("n");
    terminal.wait_for("Preview the plan").await;
    terminal.type_text(image.name());
    terminal.press(Key::Tab);
    terminal.type_text(&name);
    // There is one server: the form does not ask which.
    terminal.press(Key::Tab);
    terminal.paste(&format!("127.0.0.1:{port}:8080"));
    terminal.wait_for(&format!("127.0.0.1:{port}:8080")).await;
    terminal.press(Key::Control('s'));
    terminal.wait_for("Approve and apply").await;
    terminal.wait_for(&name).await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("succeeded").await;
    let served = eventually("it serves", async || answers(port, "/").await).await;
    assert_eq!(served, "hello from busybox\n");

    terminal.type_text("2");
    terminal.wait_for("running").await;
    terminal.wait_for(&name).await;
    terminal.type_text("L");
    terminal.wait_for("following").await;
    drop(answers(port, "/not-there").await);
    terminal.wait_for("response:404").await;
    terminal.press(Key::Escape);
    gone(&mut terminal, "following").await;

    terminal.type_text("T");
    terminal.wait_for("[ Cancel ]").await;
    // Cancel has the keys.
    terminal.press(Key::Enter);
    gone(&mut terminal, "[ Cancel ]").await;
    assert!(answers(port, "/").await.is_some());
    terminal.type_text("T");
    terminal.wait_for("[ Cancel ]").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("succeeded").await;
    eventually("it no longer serves", async || answers(port, "/").await.is_none().then_some(())).await;

    terminal.type_text("2");
    terminal.wait_for("stopped").await;
    terminal.type_text("D");
    terminal.wait_for("Delete its volumes too").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("[ Approve and apply").await;
    // What cannot be undone wants the name typed; whoever has typed it whole is at the button.
    terminal.type_text(&name);
    terminal.press(Key::Enter);
    let admin = daemon.admin();
    let none = async || admin.call(&AppList::default()).await.ok()?.apps.is_empty().then_some(());
    eventually("the app is gone", none).await;
    assert!(image.containers().is_empty());
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_a_deploy_that_comes_to_nothing_are_not_kept() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let admin = daemon.admin();
    let secrets = async || admin.person(&ListSecrets {}).await.expect("an admin lists").names;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, 120, 40);
    terminal.wait_for(LIVE).await;
    terminal.wait_for(SERVER).await;
    terminal.type_text("n");
    terminal.wait_for("Preview the plan").await;
    terminal.type_text("nginx:1.27");
    terminal.press(Key::Tab);
    terminal.type_text("shop");
    // Past the ports.
    terminal.press(Key::Tab);
    terminal.press(Key::Tab);
    terminal.paste("OTHER=secret://none");
    terminal.press(Key::Tab);
    terminal.paste("DB_PASSWORD=hunter2");
    terminal.press(Key::Control('s'));
    terminal.wait_for("which is not there").await;
    assert!(secrets().await.is_empty(), "no plan was made");
    // The refusal went to its field.
    terminal.press(Key::Control('u'));
    terminal.press(Key::Control('s'));
    terminal.wait_for("Approve and apply").await;
    assert_eq!(secrets().await, ["shop.db-password"]);
    terminal.press(Key::Escape);
    gone(&mut terminal, "Approve and apply").await;
    eventually("it went with its plan", async || secrets().await.is_empty().then_some(())).await;
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}

fn deploy(name: &str, spec: AppSpec) -> AppDeploy {
    let reason = Some("asked by a program".to_owned());
    AppDeploy { server: SERVER.to_owned(), name: name.to_owned(), spec, reason, ..AppDeploy::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_yes_is_given_in_the_inbox() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, 100, 30);
    terminal.wait_for(LIVE).await;
    let token = daemon.token(&[Scope::Read, Scope::Plan]).await;
    let port = PortSpec { container: 80, host: Some(free_port()), protocol: Protocol::Tcp, loopback: true };
    let spec = AppSpec { image: "nginx:1.27".to_owned(), ports: vec![port], ..AppSpec::default() };
    let plan = token.call(&deploy(&unique("shop"), spec)).await.expect("a plan");
    terminal.wait_for("1 plan waits").await;
    terminal.type_text("3");
    terminal.wait_for(&plan.target).await;
    terminal.type_text("A");
    terminal.wait_for("asked by a program").await;
    terminal.wait_for("[ Approve ]").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    let admin = daemon.admin();
    let id = plan.plan.to_string();
    let approved = async || {
        let plan = admin.call(&PlanGet { plan: id.clone() }).await.ok()?;
        (plan.status == PlanStatus::Approved).then_some(plan)
    };
    eventually("the plan is approved", approved).await;
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_beside_a_new_size_is_read_at_once_and_so_is_the_size() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::synthetic(&daemon, SERVER).await;
    let mut terminal = open(&Tomo::at_socket(&daemon), 80, 24);
    terminal.wait_for(LIVE).await;
    terminal.wait_for(SERVER).await;
    let help = "Keys that work here";
    let pid = terminal.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("it runs");
    for round in 0..u16::try_from(rounds(40)).expect("is small") {
        let is_open = round % 2 == 0;
        let columns = 80 + round % 40;
        // Both are there before either is looked at.
        let stands = round % 4 < 2;
        if stands {
            kill_process(pid, Signal::STOP).expect("it can be told");
        }
        terminal.resize(columns, 24);
        if is_open {
            terminal.type_text("?");
        } else {
            terminal.press(Key::Escape);
        }
        if stands {
            kill_process(pid, Signal::CONT).expect("it can be told");
        }
        let what = format!("key and size of round {round} were read");
        let both = |screen: &vt100::Screen| {
            let head = screen.rows(0, columns).next().unwrap_or_default();
            screen.contents().contains(help) == is_open && head.trim_end().chars().count() + 4 > usize::from(columns)
        };
        terminal.wait_within(Duration::from_secs(5), &what, both).await;
    }
    // More than is read in one piece.
    terminal.type_text(&"jk".repeat(1_500));
    terminal.type_text("q");
    assert!(terminal.wait_for_exit().await.success());
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_is_seen_and_found_again() {
    let mut daemon = TestDaemon::spawn().await;
    let agent = TestAgent::synthetic(&daemon, SERVER).await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, 100, 30);
    terminal.wait_for(LIVE).await;
    terminal.wait_for(SERVER).await;
    daemon.kill().await;
    terminal.wait_for("✗ lost").await;
    let (row, column) = terminal.find(SERVER).expect("what was known is still shown");
    terminal.wait_until("it is dimmed", |screen| screen.cell(row, column).is_some_and(|cell| cell.dim())).await;
    terminal.wait_for("s ago").await;
    daemon.respawn().await;
    terminal.wait_for(LIVE).await;
    terminal.wait_until("nothing is dimmed", |screen| screen.cell(row, column).is_some_and(|cell| !cell.dim())).await;
    terminal.type_text("q");
    assert!(terminal.wait_for_exit().await.success());
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_with_its_terminal() {
    let (tomo, data) = (Tomo::new(), folder());
    let code = data.path().join("code");
    // The terminal between is killed: its other end goes, whatever the signals say.
    let run = format!(
        "trap : HUP; {} local --port 0 --data {}; echo $? > {}",
        program::path("tomo").display(),
        data.path().display(),
        code.display()
    );
    let mut command = CommandBuilder::new("script");
    command.args(["-q", "-c", &run, "/dev/null"]);
    command.env_clear();
    for (variable, value) in tomo.environment() {
        command.env(variable, value);
    }
    let mut terminal = Terminal::start_command(command, 120, 36);
    terminal.wait_for(LIVE).await;
    let script = terminal.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).expect("it runs");
    kill_process(script, Signal::KILL).expect("it can be killed");
    let ended = async || std::fs::read_to_string(&code).ok().filter(|code| code.ends_with('\n'));
    let ended = eventually_within(Duration::from_secs(2), "it has ended with its terminal", ended).await;
    assert_eq!(ended, "129\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_the_terminal_as_it_was_when_told_to_end() {
    for (signal, code) in [(Signal::TERM, 0), (Signal::INT, 0), (Signal::HUP, 129)] {
        let (tomo, data) = (Tomo::new(), folder());
        let mut terminal = local(&tomo, data.path(), &[]);
        terminal.wait_for(LIVE).await;
        let pid = terminal.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).expect("it runs");
        kill_process(pid, signal).expect("it can be told");
        assert_eq!(terminal.wait_for_exit().await.exit_code(), code, "{signal:?}");
        let raw = terminal.raw();
        assert_eq!(raw.windows(LEFT.len()).filter(|window| *window == LEFT).count(), 1, "left once");
        for off in [&b"\x1b[?1000l"[..], b"\x1b[?2004l", b"\x1b[?25h", b"\x1b[23;0t"] {
            assert!(contains(&raw[raw.len() - 200..], off), "{off:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_from_outside_commands_the_terminal() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let admin = daemon.admin();
    let image = Image::script(
        r"printf '\033]52;c;aGFjaw==\007\033[31mred\033[2J \342\200\256evil \302\233 c1\nplain\n'; sleep 600",
    );
    let name = unique("loud");
    let spec = AppSpec { image: image.name().to_owned(), restart: RestartPolicy::No, ..AppSpec::default() };
    let plan = admin.call(&deploy(&name, spec)).await.expect("a plan");
    admin.carry_out(plan).await.expect("it is deployed");
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = open(&tomo, 100, 30);
    terminal.wait_for(LIVE).await;
    terminal.type_text("2");
    terminal.wait_for(&name).await;
    terminal.type_text("L");
    terminal.wait_for("plain").await;
    terminal.wait_for("red").await;
    assert!(terminal.clipboard().is_empty());
    let raw = terminal.raw();
    for sequence in [&b"\x1b]52"[..], b"\x1b[31mred", b"\x1b[2J ", "\u{202e}".as_bytes(), "\u{9b}".as_bytes()] {
        assert!(!contains(&raw, sequence), "{sequence:?}");
    }
    let apps = admin.call(&AppList::default()).await.expect("answers").apps;
    assert_eq!(apps.first().map(|app| app.status), Some(AppStatus::Running));
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_terminal_will_do() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::synthetic(&daemon, SERVER).await;

    let tomo = Tomo::at_socket(&daemon).env("NO_COLOR", "1").env("COLORTERM", "truecolor");
    let mut terminal = open(&tomo, 80, 24);
    terminal.wait_for(LIVE).await;
    terminal.wait_for(SERVER).await;
    let (row, column) = terminal.find(SERVER).expect("is shown");
    let marked = |screen: &vt100::Screen| screen.cell(row, column).is_some_and(|cell| cell.inverse() || cell.bold());
    terminal.wait_until("what is selected shows without color", marked).await;
    let raw = terminal.raw();
    for color in [&b"\x1b[38;"[..], b"\x1b[48;", b"\x1b[31m", b"\x1b[32m"] {
        assert!(!contains(&raw, color), "{color:?}");
    }
    drop(terminal);

    let mut terminal = open(&Tomo::at_socket(&daemon).env("TERM", "dumb"), 80, 24);
    assert!(terminal.wait_for_exit().await.success());
    assert!(terminal.text().contains(SERVER), "{terminal:?}");
    assert!(!contains(&terminal.raw(), b"\x1b"), "{terminal:?}");

    let mut terminal = open(&Tomo::at_socket(&daemon), 40, 10);
    terminal.wait_for(SERVER).await;
    for step in 0..40_u16 {
        terminal.resize(20 + step * 37 % 180, 4 + step * 11 % 56);
    }
    terminal.resize(80, 24);
    terminal.wait_for(LIVE).await;
    terminal.wait_for(SERVER).await;
    terminal.type_text("?");
    terminal.wait_for("Keys that work here").await;
    terminal.press(Key::Escape);
    gone(&mut terminal, "Keys that work here").await;
    terminal.type_text("q");
    assert!(terminal.wait_for_exit().await.success());
    agent.stop().await;
    daemon.stop().await;
}
