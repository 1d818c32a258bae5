//! Terminals of people into containers: real ones at both ends, and nothing of them that goes on once they have ended.

use std::{io, time::Duration};

use futures::StreamExt as _;
use reqwest::{Body, Method};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{sync::mpsc, time::timeout};
use tomo_proto::{
    api::{
        app::{AppDeploy, AppGet},
        audit::AuditSearch,
        auth::{AuthSessionEnd, AuthSessionList},
        server::{ServerGet, ServerPart},
        terminal::{OpenTerminal, TerminalOf},
    },
    error::{ApiError, ErrorCode},
    model::{
        app::AppSpec,
        audit::{AuditEntry, AuditOutcome},
        container::ContainerState,
        operation::OperationStatus,
        user::{Role, Scope},
    },
    wire::{
        frame::encode_framed,
        terminal::{TerminalInput, TerminalSize},
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, Half, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    docker::{Image, docker, unique},
    engine::OwnEngine,
    eventually::{PATIENCE, eventually, eventually_within},
    http::Http,
    terminal::{Key, Terminal},
};

const SERVER: &str = "web-1";
const FOREVER: &str = "trap 'exit 0' TERM; while true; do busybox sleep 1; done";
const PROMPT: &str = "/ #";

/// An app that runs on the real engine. Its container goes with its image.
async fn app(admin: &Http) -> (Image, String) {
    let (image, name) = (Image::script(FOREVER), unique("shell"));
    let spec = AppSpec { image: image.name().to_owned(), ..AppSpec::default() };
    let deploy = AppDeploy { server: SERVER.to_owned(), name: name.clone(), spec, ..AppDeploy::default() };
    let plan = admin.call(&deploy).await.expect("is planned");
    assert_eq!(admin.carry_out(plan).await.expect("is allowed").status, OperationStatus::Succeeded);
    known(admin, &format!("tomo-{name}")).await;
    (image, name)
}

/// A container that Tomo did not make, once the daemon knows that it runs.
async fn foreign(admin: &Http) -> (Image, String) {
    let (image, name) = (Image::script(FOREVER), unique("foreign"));
    drop(docker(&["run", "-d", "--name", &name, image.name()]));
    known(admin, &name).await;
    (image, name)
}

async fn known(admin: &Http, container: &str) {
    let request = ServerGet { server: SERVER.to_owned(), include: vec![ServerPart::Containers] };
    eventually(&format!("{container} is known to run"), async || {
        let all = admin.call(&request).await.ok()?.containers;
        all.iter().any(|one| one.name == container && one.state == ContainerState::Running).then_some(())
    })
    .await;
}

fn shell(tomo: &Tomo, words: &[&str]) -> Terminal {
    Terminal::start("tomo", words, tomo.environment(), 100, 30)
}

/// Processes of a container that somebody has started in it.
fn processes(container: &str) -> Vec<String> {
    let all = docker(&["top", container, "-o", "pid,ppid,args"]);
    let main = docker(&["inspect", "-f", "{{.State.Pid}}", container]);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let own = |words: &Vec<String>| words[0] == main || words[1] == main;
    all.lines().skip(1).map(words).filter(|words| !own(words)).map(|words| words[2..].join(" ")).collect()
}

async fn runs(container: &str, program: &str) {
    let what = format!("\"{program}\" runs in {container}");
    eventually(&what, async || processes(container).iter().any(|one| one.contains(program)).then_some(())).await;
}

async fn nothing_is_left(container: &str, how: &str) {
    eventually_within(Duration::from_secs(40), &format!("nothing is left in {container} {how}"), async || {
        processes(container).is_empty().then_some(())
    })
    .await;
}

async fn audited(admin: &Http, action: &str) -> Vec<AuditEntry> {
    let search = AuditSearch { action: Some(action.to_owned()), ..AuditSearch::default() };
    admin.call(&search).await.expect("is searched").entries
}

/// The first frame of a request for a terminal.
fn opening(into: &TerminalOf, program: &[&str]) -> Vec<u8> {
    let program = program.iter().map(|word| (*word).to_owned()).collect();
    let size = TerminalSize { columns: 80, rows: 24 };
    encode_framed(&OpenTerminal { into: into.clone(), program, size }).expect("fits a frame")
}

/// Asks for a terminal that is not to be had.
async fn refused(http: &Http, into: &TerminalOf) -> ApiError {
    let request = http.request(Method::POST, OpenTerminal::PATH).body(opening(into, &[]));
    let response = request.send().await.expect("the daemon answers");
    assert!(!response.status().is_success(), "{response:?}");
    response.json().await.expect("an error")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_works_at_a_terminal_in_a_container_and_the_audit_tells_when_and_never_what() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (_image, name) = app(&admin).await;
    let (container, tomo) = (format!("tomo-{name}"), Tomo::at_socket(&daemon));

    let mut terminal = shell(&tomo, &["app", "shell", &name]);
    terminal.wait_for(PROMPT).await;
    terminal.type_text("echo the answer is $((6 * 7))\r");
    terminal.wait_for("the answer is 42").await;
    terminal.type_text("busybox stty size\r");
    terminal.wait_for("30 100").await;
    terminal.resize(120, 40);
    eventually("the program hears of the size", async || {
        terminal.type_text("busybox stty size\r");
        terminal.text().contains("40 120").then_some(())
    })
    .await;
    // Keys are the program's: this one ends what runs, and neither the shell nor `tomo`.
    terminal.type_text("busybox sleep 1000\r");
    runs(&container, "sleep 1000").await;
    terminal.press(Key::Control('c'));
    terminal.type_text("echo it ended with $?\r");
    terminal.wait_for("it ended with 130").await;
    // A program in it may write to the screen, not to the clipboard of whoever looks.
    terminal.type_text("busybox printf '\\033]52;c;aGFoYQ==\\007\\033[7mseen\\033[0m\\n'; echo and on\r");
    terminal.wait_for("\nand on").await;
    assert!(terminal.clipboard().is_empty() && terminal.find("seen").is_some(), "{terminal:?}");
    terminal.type_text("exit 7\r");
    assert_eq!(terminal.wait_for_exit().await.exit_code(), 7);
    assert!(terminal.raw().ends_with(b"\x1b[23;0t"), "the terminal is as it was: {:?}", terminal.text());
    assert_eq!(processes(&container), [""; 0]);

    let mut other = shell(&tomo, &["app", "shell", &name, "--", "sh", "-c", "echo just this; exit 9"]);
    assert_eq!(other.wait_for_exit().await.exit_code(), 9);
    assert!(other.text().contains("just this"), "{other:?}");
    let mut none = shell(&tomo, &["app", "shell", &name, "--", "no-such-program"]);
    assert_eq!(none.wait_for_exit().await.exit_code(), 1);
    assert!(none.text().contains("\"no-such-program\" cannot be run in container"), "{none:?}");

    let begun = audited(&admin, "terminal_open").await;
    assert!(begun.iter().all(|entry| entry.resource == container && entry.actor == "socket:root"), "{begun:?}");
    let outcomes: Vec<AuditOutcome> = begun.iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == AuditOutcome::Intent).count(), 3, "{begun:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == AuditOutcome::Failed).count(), 1, "{begun:?}");
    let ended = eventually("both ends are written down", async || {
        Some(audited(&admin, "terminal_close").await).filter(|ended| ended.len() == 2)
    })
    .await;
    let first = ended.iter().find(|entry| entry.details.contains("a shell")).expect("is there");
    assert!(first.details.contains("exit code 7") && first.details.contains(&format!("on {SERVER}")), "{first:?}");
    assert!(first.details.contains(" bytes typed, ") && !first.details.contains(" 0 bytes"), "{first:?}");
    let all = serde_json::to_string(&(begun, ended)).expect("is JSON");
    assert!(!all.contains("the answer") && !all.contains("stty"), "{all}");
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_a_terminal_whom_role_policy_or_image_does_not_give_one() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let ((_app, name), (_foreign, other)) = tokio::join!(app(&admin), foreign(&admin));
    let into = TerminalOf::App { app: name.clone() };
    let into_other = TerminalOf::Container { server: SERVER.to_owned(), container: other.clone() };

    // Whatever its scopes, a token is no person; and a person needs a role that could have deployed the program.
    let token = daemon.token(&[Scope::Read, Scope::Audit, Scope::Operate, Scope::Plan, Scope::Deploy]).await;
    let error = refused(&token, &into).await;
    assert!(error.code == ErrorCode::Denied && error.message.contains("a person's act"), "{error:?}");
    for role in [Role::Viewer, Role::Operator] {
        let error = refused(&daemon.sign_in_as(role).await, &into).await;
        assert!(error.code == ErrorCode::Denied && error.message.contains("the scope deploy"), "{error:?}");
    }
    let denied = audited(&admin, "terminal_open").await;
    assert_eq!(denied.iter().filter(|entry| entry.outcome == AuditOutcome::Denied).count(), 3, "{denied:?}");
    let tools = token.mcp("/mcp/full").tool_names().await;
    assert!(!tools.iter().any(|name| name.contains("terminal") || name.contains("shell")), "{tools:?}");
    for body in [b"{}".to_vec(), vec![0xff; 8], Vec::new(), encode_framed(&"x").expect("fits")] {
        let response = admin.request(Method::POST, OpenTerminal::PATH).body(body).send().await.expect("answers");
        let error: ApiError = response.json().await.expect("an error");
        assert_eq!(error.code, ErrorCode::Invalid, "{error:?}");
    }

    // Both ends are terminals.
    let tomo = Tomo::at_socket(&daemon);
    let piped = tomo.run_with_input(["app", "shell", &name], "id\n").await;
    assert!(piped.code == Some(2) && piped.stderr.contains("wants a terminal at this end too"), "{piped:?}");

    // The host's owner decides, in two lines.
    let tell = async |policy: &str, what: &str, into: &TerminalOf| {
        agent.set_policy(policy);
        eventually(what, async || {
            let error = refused(&admin, into).await;
            (error.code == ErrorCode::RefusedByPolicy).then_some(error)
        })
        .await
    };
    let own = ALLOW_ALL.replace(", \"terminal\"]", "]");
    let error = tell(&own, "what Tomo did not make is out of reach", &into_other).await;
    assert!(error.message.contains("which Tomo did not make"), "{error:?}");
    let mut terminal = shell(&tomo, &["app", "shell", &name]);
    terminal.wait_for(PROMPT).await;
    terminal.type_text("exit\r");
    assert!(terminal.wait_for_exit().await.success());
    let error = tell(&own.replace("terminal = true", "terminal = false"), "there are no terminals", &into).await;
    assert!(error.message.contains("a terminal into a container"), "{error:?}");
    assert!(error.next.as_ref().is_some_and(|next| next.contains("`terminal = true`")), "{error:?}");
    let mut terminal = shell(&tomo, &["app", "shell", &name]);
    assert_eq!(terminal.wait_for_exit().await.exit_code(), 4);
    assert!(terminal.text().contains("a terminal into a container"), "{terminal:?}");

    // No shell, no shell.
    agent.set_policy(ALLOW_ALL);
    drop(docker(&["exec", &other, "busybox", "rm", "/bin/sh"]));
    let mut terminal = eventually("the policy is known", async || {
        let mut terminal = shell(&tomo, &["container", "shell", SERVER, &other]);
        let code = terminal.wait_for_exit().await.exit_code();
        (code != 4).then_some((terminal, code))
    })
    .await;
    assert_eq!(terminal.1, 1);
    terminal.0.wait_for("has no shell: neither bash nor sh is in its image").await;
    let mut cat = shell(&tomo, &["container", "shell", SERVER, &other, "--", "busybox", "cat"]);
    runs(&other, "busybox cat").await;
    cat.type_text("said back\r");
    cat.wait_until("it is said back", |screen| screen.contents().matches("said back").count() > 1).await;
    signal(&cat, Signal::HUP);
    nothing_is_left(&other, "though no shell is there to end it").await;
    agent.stop().await;
    daemon.stop().await;
}

/// Sends a signal to a program at a terminal; a closed window sends one too.
fn signal(terminal: &Terminal, signal: Signal) {
    let pid = terminal.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).expect("it runs");
    kill_process(pid, signal).expect("it is told");
}

/// Opens a shell that ignores a hang-up, with a program in it.
async fn busy(tomo: &Tomo, name: &str) -> Terminal {
    let mut terminal = shell(tomo, &["app", "shell", name]);
    terminal.wait_for(PROMPT).await;
    terminal.type_text("(trap '' HUP; busybox sleep 2000) & trap '' HUP; busybox sleep 1000\r");
    runs(&format!("tomo-{name}"), "sleep 1000").await;
    terminal
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_terminal_nothing_of_it_goes_on_in_the_container() {
    let mut daemon = TestDaemon::spawn().await;
    let admin = daemon.admin();
    let mut agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let (_image, name) = app(&admin).await;
    let (container, tomo) = (format!("tomo-{name}"), Tomo::at_socket(&daemon));

    for (how, by) in [(Signal::HUP, "a hang-up"), (Signal::KILL, "tomo was killed"), (Signal::TERM, "it was ended")] {
        let terminal = busy(&tomo, &name).await;
        signal(&terminal, how);
        nothing_is_left(&container, &format!("after {by}")).await;
    }

    let mut terminal = busy(&tomo, &name).await;
    terminal.type_text("\r~.");
    assert!(terminal.wait_for_exit().await.success());
    assert!(terminal.text().contains("left: the program there was ended"), "{terminal:?}");
    nothing_is_left(&container, "after it was left").await;

    // What a program has left behind goes with it, also where it ends by itself.
    let mut terminal = shell(&tomo, &["app", "shell", &name]);
    terminal.wait_for(PROMPT).await;
    terminal.type_text("(trap '' HUP; busybox sleep 2000) &\r");
    runs(&container, "sleep 2000").await;
    terminal.type_text("exit\r");
    assert!(terminal.wait_for_exit().await.success());
    nothing_is_left(&container, "after its program has ended").await;

    // A login that ends takes its terminals along.
    let person = daemon.sign_in_as(Role::Deployer).await;
    let (keys, mut shown) = open_raw(&person, &name, &["sh", "-c", "echo begun; busybox sleep 1000"]).await;
    shown.until(b"begun").await;
    let sessions = person.call(&AuthSessionList::default()).await.expect("are listed").sessions;
    for session in sessions {
        person.call(&AuthSessionEnd { session: session.id.to_string() }).await.expect("ends");
    }
    shown.until(b"the login has ended").await;
    nothing_is_left(&container, "after the login's end").await;
    drop(keys);

    let mut terminal = busy(&tomo, &name).await;
    agent.kill().await;
    assert_eq!(terminal.wait_for_exit().await.exit_code(), 3);
    assert!(terminal.text().contains("the link to the server's agent broke"), "{terminal:?}");
    agent.resume().await;
    nothing_is_left(&container, "after the agent was killed and is back").await;

    let mut terminal = busy(&tomo, &name).await;
    daemon.kill().await;
    assert_eq!(terminal.wait_for_exit().await.exit_code(), 3);
    nothing_is_left(&container, "after the daemon was killed").await;
    daemon.respawn().await;
    known(&admin, &container).await;

    let mut terminal = busy(&tomo, &name).await;
    daemon.halt().await;
    assert_eq!(terminal.wait_for_exit().await.exit_code(), 3);
    nothing_is_left(&container, "after the daemon was stopped").await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_in_two_halves_has_terminals_and_ends_them_when_either_half_goes() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let mut agent = TestAgent::halves(&daemon, SERVER, ALLOW_ALL).await;
    let (_image, name) = app(&admin).await;
    let (container, tomo) = (format!("tomo-{name}"), Tomo::at_socket(&daemon));
    let mut terminal = shell(&tomo, &["app", "shell", &name]);
    terminal.wait_for(PROMPT).await;
    terminal.type_text("busybox stty size\r");
    terminal.wait_for("30 100").await;
    terminal.resize(120, 40);
    eventually("the program hears of the size", async || {
        terminal.type_text("busybox stty size\r");
        terminal.text().contains("40 120").then_some(())
    })
    .await;
    terminal.type_text("exit 5\r");
    assert_eq!(terminal.wait_for_exit().await.exit_code(), 5);

    let terminal = busy(&tomo, &name).await;
    signal(&terminal, Signal::HUP);
    nothing_is_left(&container, "after a hang-up").await;
    drop(terminal);
    for half in [Half::Link, Half::Exec] {
        let mut terminal = busy(&tomo, &name).await;
        agent.kill_half(half).await;
        assert_ne!(terminal.wait_for_exit().await.exit_code(), 0);
        agent.start_half(half).await;
        nothing_is_left(&container, &format!("after {half:?} was killed and is back")).await;
        known(&admin, &container).await;
    }
    agent.stop().await;
    daemon.stop().await;
}

/// What a terminal shows to a client of the test's own.
struct ShownRaw {
    response: reqwest::Response,
    seen: Vec<u8>,
}

impl ShownRaw {
    async fn until(&mut self, words: &[u8]) {
        let reading = async {
            while !self.seen.windows(words.len()).any(|part| part == words) {
                let part = self.response.chunk().await.expect("is read").expect("goes on");
                self.seen.extend_from_slice(&part);
            }
        };
        timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{:?}", String::from_utf8_lossy(&self.seen)));
    }
}

async fn open_raw(http: &Http, app: &str, program: &[&str]) -> (mpsc::Sender<Vec<u8>>, ShownRaw) {
    let (keys, typed) = mpsc::channel(8);
    keys.send(opening(&TerminalOf::App { app: app.to_owned() }, program)).await.expect("is taken");
    let frames = futures::stream::unfold(typed, async |mut typed: mpsc::Receiver<Vec<u8>>| {
        Some((io::Result::Ok(typed.recv().await?), typed))
    });
    let request = http.request(Method::POST, OpenTerminal::PATH).body(Body::wrap_stream(frames.boxed()));
    let response = request.send().await.expect("the daemon answers");
    assert!(response.status().is_success(), "{response:?}");
    (keys, ShownRaw { response, seen: Vec::new() })
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("is told");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_stopped_by_a_key_fills_no_memory_and_keeps_nobody_waiting() {
    const ROOM: u64 = 40 << 20;
    let mut daemon = TestDaemon::spawn().await;
    let admin = daemon.admin();
    let mut agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let (_image, name) = app(&admin).await;
    let (container, tomo) = (format!("tomo-{name}"), Tomo::at_socket(&daemon));
    let get = AppGet { app: name.clone(), include: Vec::new() };
    let pids = [daemon.program().pid(), agent.program().pid()];
    let before = pids.map(resident_bytes);

    // Nobody reads what this one shows.
    let (unread_keys, unread) = open_raw(&admin, &name, &["busybox", "yes", "unread"]).await;
    let mut terminal = shell(&tomo, &["app", "shell", &name]);
    terminal.wait_for(PROMPT).await;
    terminal.type_text("busybox yes 0123456789012345678901234567890123456789\r");
    let flooded = async || (terminal.raw().len() > 6 << 20).then_some(());
    eventually_within(Duration::from_secs(60), "much was shown", flooded).await;
    for _ in 0..5 {
        let answered = timeout(Duration::from_secs(5), admin.call(&get)).await.expect("others go on");
        answered.expect("is answered");
    }
    let mut second = shell(&tomo, &["app", "shell", &name, "--", "sh", "-c", "echo meanwhile"]);
    assert!(second.wait_for_exit().await.success() && second.text().contains("meanwhile"), "{second:?}");
    for (pid, before) in pids.into_iter().zip(before) {
        let now = resident_bytes(pid);
        assert!(now < before + ROOM, "{pid}: {before} bytes, then {now}");
    }
    terminal.press(Key::Control('c'));
    terminal.type_text("echo calm $((40 + 2))\r");
    let calm = |screen: &vt100::Screen| screen.contents().contains("calm 42");
    terminal.wait_within(Duration::from_secs(60), "the flood has ended", calm).await;
    terminal.type_text("exit\r");
    assert!(terminal.wait_for_exit().await.success());

    // A key is heard also by the one that nobody reads.
    runs(&container, "yes unread").await;
    let interrupt = encode_framed(&TerminalInput::Typed(vec![3])).expect("fits");
    unread_keys.send(interrupt).await.expect("is taken");
    nothing_is_left(&container, "after an interrupt that nobody sees").await;
    drop(unread);

    // One more than there is room for is told so.
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(open_raw(&admin, &name, &["busybox", "sleep", "1000"]).await);
    }
    let error = refused(&admin, &TerminalOf::App { app: name.clone() }).await;
    assert!(error.code == ErrorCode::Conflict && error.message.contains("8 terminals are open"), "{error:?}");
    drop(open);
    nothing_is_left(&container, "after all have hung up").await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_lends_its_screen_to_a_terminal_and_has_it_back_as_it_was() {
    let engine = OwnEngine::start().await;
    engine.image("db:1", "db", FOREVER);
    drop(engine.docker(&["run", "-d", "--name", "db", "db:1"]));
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &engine.socket()).await;
    known(&admin, "db").await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 36);
    terminal.wait_for(SERVER).await;
    terminal.press(Key::Enter);
    terminal.wait_for("containers (1)").await;
    terminal.press(Key::Enter);
    terminal.wait_for("networks").await;
    let lent = |times: usize| {
        move |screen: &vt100::Screen| {
            let text = screen.contents();
            let told = text.matches("db: `exit`, or ~. at the beginning of a line, comes back").count();
            !screen.alternate_screen() && told == times && text.trim_end().ends_with(PROMPT)
        }
    };
    for times in 1..=2 {
        terminal.type_text("s");
        terminal.wait_until("the screen is the terminal's", lent(times)).await;
        // Keys of the dashboard are letters here.
        terminal.type_text(&format!("echo qqs-{times}; busybox stty size\r"));
        terminal.wait_for(&format!("\nqqs-{times}\n36 120")).await;
        terminal.type_text("exit\r");
        terminal.wait_until("the dashboard is back", |screen| screen.alternate_screen()).await;
        terminal.wait_for("networks").await;
        terminal.wait_for("● live").await;
    }
    // Left in the middle of a program that has taken the whole screen.
    terminal.type_text("s");
    terminal.wait_until("the screen is the terminal's", lent(3)).await;
    terminal.type_text("busybox vi /etc/hosts\r");
    terminal.wait_for("\n~\n~").await;
    terminal.type_text("\r~.");
    terminal.wait_for("left db: its program there was ended").await;
    terminal.press(Key::Escape);
    terminal.wait_for("containers (1)").await;
    eventually("nothing of it runs", async || (engine.docker(&["top", "db"]).lines().count() == 3).then_some(())).await;

    agent.set_policy(&ALLOW_ALL.replace("terminal = true", ""));
    eventually("the dashboard has heard of it", async || {
        terminal.type_text("s");
        terminal.text().contains("the policy of web-1 has no terminals").then_some(())
    })
    .await;
    terminal.type_text("q");
    assert!(terminal.wait_for_exit().await.success());
    agent.stop().await;
    daemon.stop().await;
}
