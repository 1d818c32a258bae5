//! A real host, Debian with systemd and sshd, from nothing to live figures and back to nothing, over SSH.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tomo_proto::{
    api::{
        agent::AgentList,
        audit::AuditSearch,
        operation::{OperationCancel, OperationGet},
        person::{AddServer, SecretText, SshSecret},
        server::ServerGet,
    },
    model::{agent::AgentState, operation::OperationStatus, server::ServerDetail, ssh::InstallRights},
    wire::handshake::ENROLMENT_TOKEN_PREFIX,
};
use tomo_tests::{
    cli::{Output, Tomo},
    daemon::{PASSWORD, Setup, TestDaemon},
    eventually::{PATIENCE, eventually, eventually_within},
    program::Program,
    real_host::RealHost,
    ssh::{PASSPHRASE, Sshd},
    terminal::{Key, Terminal},
};

/// A daemon that the host can reach.
async fn daemon_for(host: &RealHost) -> TestDaemon {
    Setup::default().set("HUB__LISTEN", &format!("{}:0", host.gateway())).spawn().await
}

async fn add(daemon: &TestDaemon, host: &RealHost, user: &str, rights: &str) -> Output {
    let key = host.host_key();
    let words = ["server", "add", "web-1", "--host", host.address(), "--user", user, "--host-key", &key];
    let rest = ["--password-stdin", "--install-agent", rights];
    Tomo::at_socket(daemon).run_with_input([&words[..], &rest].concat(), &format!("{PASSWORD}\n")).await
}

async fn look(daemon: &TestDaemon) -> Option<ServerDetail> {
    daemon.admin().call(&ServerGet { server: "web-1".to_owned(), include: Vec::new() }).await.ok()
}

async fn online(daemon: &TestDaemon) -> Option<ServerDetail> {
    look(daemon).await.filter(|server| server.summary.agent == AgentState::Online && server.summary.vitals.is_some())
}

fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let (before, after) = (before.iter().collect::<BTreeSet<_>>(), after.iter().collect::<BTreeSet<_>>());
    before.symmetric_difference(&after).map(|path| (*path).clone()).collect()
}

/// Looks into every process's command line and environment, here and on the hosts of this machine, until it is told to stop; where
/// the token or the password was seen.
fn watch_for_secrets(stop: Arc<AtomicBool>) -> std::thread::JoinHandle<(u32, Vec<String>)> {
    std::thread::spawn(move || {
        let (mut rounds, mut seen) = (0, Vec::new());
        let secrets = [ENROLMENT_TOKEN_PREFIX.as_bytes(), PASSWORD.as_bytes()];
        while !stop.load(Ordering::Relaxed) {
            rounds += 1;
            for process in std::fs::read_dir("/proc").expect("is readable").flatten() {
                for part in ["cmdline", "environ"] {
                    let bytes = std::fs::read(process.path().join(part)).unwrap_or_default();
                    let holds = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
                    if secrets.into_iter().any(holds) {
                        seen.push(format!("{}/{part}", process.path().display()));
                    }
                }
            }
        }
        (rounds, seen)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_host_goes_from_nothing_to_live_figures_and_back_to_nothing() {
    let mut host = RealHost::start().await;
    let mut daemon = daemon_for(&host).await;
    let before = host.files();
    let stop = Arc::new(AtomicBool::new(false));
    let watching = watch_for_secrets(Arc::clone(&stop));
    let begun = Instant::now();
    let added = add(&daemon, &host, "ana", "containers").await.ok();
    let took = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    let (rounds, seen) = watching.join().expect("looks");
    assert!(took < Duration::from_secs(15), "{took:?}: {}", added.stderr);
    assert!(rounds > 10 && seen.is_empty(), "in {rounds} looks: {seen:?}");
    let server = online(&daemon).await.expect("live at once");
    let ssh = server.summary.ssh.expect("is known");
    assert!(!ssh.credential_kept, "with its agent there, nothing is kept that could become root: {ssh:?}");
    assert!(server.facts.expect("are told").os.contains("Debian"));
    let logged = host.try_exec(&["journalctl", "--no-pager", "-o", "cat"]);
    let audit =
        daemon.admin().call(&AuditSearch { limit: Some(200), ..AuditSearch::default() }).await.expect("answers");
    let audit = serde_json::to_string(&audit.entries).expect("is JSON");
    assert!(audit.contains("agent.enroll"), "{audit}");
    for told in [&logged, &audit, &daemon.program().log(), &added.stdout, &added.stderr] {
        for secret in [ENROLMENT_TOKEN_PREFIX, PASSWORD] {
            assert!(!told.contains(secret), "{secret}: {told}");
        }
    }
    assert!(logged.contains("Started"), "{logged}");
    let left = host.exec(&["find", "/tmp", "-maxdepth", "1", "-name", "tomo-*"]);
    assert_eq!(left, "", "what was carried over is removed");
    let again = add(&daemon, &host, "ana", "containers").await;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("already"), "{again:?}");

    host.reboot().await;
    eventually_within(PATIENCE * 3, "it is back after its reboot", async || online(&daemon).await).await;
    drop(host.exec(&["tomo-agent", "uninstall"]));
    assert_eq!(difference(&before, &host.files()), Vec::<String>::new());
    eventually("the daemon misses it", async || {
        look(&daemon).await.filter(|server| server.summary.agent != AgentState::Online)
    })
    .await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_installation_leaves_nothing_on_the_host_and_nothing_here() {
    let host = RealHost::start().await;
    let before = host.files();
    // The agent cannot reach a daemon that listens for agents on loopback only.
    let daemon = TestDaemon::spawn().await;
    for (user, said) in
        [("sue", "cannot become root"), ("pat", "could not be installed"), ("root", "could not be installed")]
    {
        let failed = add(&daemon, &host, user, "metrics").await;
        assert_eq!(failed.code, Some(1), "{user}: {failed:?}");
        assert!(failed.stderr.contains(said) && failed.stderr.contains("next: "), "{user}: {failed:?}");
        assert!(look(&daemon).await.is_none(), "{user}");
        let agents = daemon.admin().call(&AgentList { all: true }).await.expect("answers");
        assert!(agents.agents.is_empty(), "{user}: {agents:?}");
        assert_eq!(difference(&before, &host.files()), Vec::<String>::new(), "{user}");
    }
    // A disk that is full, where the look around sees it and where only the installation does.
    drop(host.exec(&["mount", "-t", "tmpfs", "-o", "size=1m", "none", "/usr/local/bin"]));
    let reached = daemon_for(&host).await;
    let full = add(&reached, &host, "ana", "metrics").await;
    assert!(full.code == Some(1) && full.stderr.contains("No space left"), "{full:?}");
    assert!(look(&reached).await.is_none());
    reached.stop().await;
    drop(host.exec(&["umount", "/usr/local/bin"]));
    assert_eq!(difference(&before, &host.files()), Vec::<String>::new());
    drop(host.exec(&["mount", "-o", "remount,size=20m", "/tmp"]));
    let full = add(&daemon, &host, "ana", "metrics").await;
    assert!(full.code == Some(1) && full.stderr.contains("has room for"), "{full:?}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_that_is_cancelled_midway_is_taken_back() {
    let host = RealHost::start().await;
    let daemon = daemon_for(&host).await;
    let before = host.files();
    let admin = daemon.admin();
    for step in ["carry the agent over", "agent: write the units", "agent: start"] {
        let request = AddServer {
            name: "web-1".to_owned(),
            host: host.address().to_owned(),
            port: 22,
            user: "ana".to_owned(),
            labels: BTreeMap::new(),
            host_key: host.host_key(),
            credential: SshSecret::Password { password: SecretText::new(PASSWORD) },
            sudo_password: None,
            jump: None,
            install: Some(InstallRights::Metrics),
            again: false,
            update_key: None,
            keep_credential: false,
        };
        let operation = admin.person(&request).await.expect("begins").operation.to_string();
        let get = OperationGet { operation: operation.clone(), wait_s: None };
        eventually(step, async || {
            let now = admin.call(&get).await.ok()?;
            now.log.iter().any(|line| line.contains(step)).then_some(())
        })
        .await;
        admin.call(&OperationCancel { operation, reason: None }).await.expect("is cancelled");
        let what = format!("it ends after {step}");
        let ended =
            eventually(&what, async || admin.call(&get).await.ok().filter(|operation| operation.status.is_final()))
                .await;
        assert_eq!(ended.status, OperationStatus::Cancelled, "{step}: {ended:?}");
        assert!(look(&daemon).await.is_none(), "{step}");
        eventually(&format!("nothing is left of {step}"), async || {
            difference(&before, &host.files()).is_empty().then_some(())
        })
        .await;
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sudo_with_a_password_installs_the_agent_too() {
    let host = RealHost::start().await;
    let daemon = daemon_for(&host).await;
    let added = add(&daemon, &host, "pat", "metrics").await.ok();
    assert!(added.stderr.contains("root by sudo with a password"), "{added:?}");
    assert!(online(&daemon).await.is_some());
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboards_form_leads_to_live_figures_of_a_real_host() {
    let host = RealHost::start().await;
    let daemon = daemon_for(&host).await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 40);
    terminal.wait_for("no server is managed yet").await;
    terminal.type_text("a");
    terminal.wait_for("Add a server").await;
    for text in ["", "web-1", host.address(), "", "ana", ""] {
        terminal.type_text(text);
        terminal.press(Key::Tab);
    }
    terminal.type_text(PASSWORD);
    // Past the host in between and the labels, to the agent's rights.
    for _ in 0..3 {
        terminal.press(Key::Tab);
    }
    terminal.press(Key::Right);
    terminal.press(Key::Right);
    terminal.wait_for("containers").await;
    let begun = Instant::now();
    terminal.press(Key::Control('s'));
    terminal.wait_for(&host.host_key()).await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("servers › web-1").await;
    terminal.wait_until("its figures are there", |screen| screen.contents().contains("load ")).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    online(&daemon).await.expect("live at once");
    terminal.wait_for("containers (").await;
    drop(terminal);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_gets_through_a_jump_host_by_a_locked_key_past_a_shell_that_talks_and_by_an_ssh_agent() {
    let (host, jump) = (RealHost::start().await, Sshd::start().await);
    let daemon = daemon_for(&host).await;
    let keys = std::fs::read_to_string(jump.folder().join("authorized")).expect("is there");
    for user in ["ana", "pat"] {
        let script = "install -d -m 700 ~/.ssh && cat > ~/.ssh/authorized_keys && sed -i '1i echo Welcome!' ~/.bashrc";
        assert_eq!(host.run(&["runuser", "-l", user, "-c", script], &keys).await.code, Some(0));
    }
    assert!(host.exec(&["su", "-s", "/bin/bash", "ana", "-c", ". ~/.bashrc"]).contains("Welcome!"));
    let before = host.files();
    let (between, key, locked) =
        (format!("ana@127.0.0.1:{}", jump.port()), jump.host_key(), jump.key_file("locked").display().to_string());
    let host_key = host.host_key();
    let words = ["server", "add", "web-1", "--host", host.address(), "--user", "pat", "--host-key", &host_key];
    let through = ["--jump", &between, "--jump-host-key", &key, "--key", &locked, "--passphrase-stdin"];
    let rest = ["--sudo-password-stdin", "--install-agent", "metrics"];
    let input = format!("{PASSPHRASE}\n{PASSWORD}\n");
    let added = Tomo::at_socket(&daemon).run_with_input([&words[..], &through, &rest].concat(), &input).await.ok();
    assert!(added.stderr.contains("in between and sign in as ana"), "{added:?}");
    assert!(added.stderr.contains("root by sudo with a password"), "{added:?}");
    assert!(online(&daemon).await.is_some());
    drop(host.exec(&["tomo-agent", "uninstall"]));
    assert_eq!(difference(&before, &host.files()), Vec::<String>::new());

    let socket = jump.folder().join("agent.sock");
    let mut command = tokio::process::Command::new("ssh-agent");
    let mut agent = Program::spawn(command.arg("-D").arg("-a").arg(&socket), "").await;
    agent.logged("SSH_AUTH_SOCK").await;
    let mut add = tokio::process::Command::new("ssh-add");
    let added = add.arg("-q").arg(jump.key_file("ed25519")).env("SSH_AUTH_SOCK", &socket).status().await;
    assert!(added.expect("ssh-add runs").success());
    let tomo = Tomo::at_socket(&daemon).env("SSH_AUTH_SOCK", &socket.display().to_string());
    let words = ["server", "add", "web-2", "--host", host.address(), "--user", "ana", "--host-key", &host_key];
    drop(tomo.run([&words[..], &["--ssh-agent", "--install-agent", "metrics"]].concat()).await.ok());
    daemon.stop().await;
}
