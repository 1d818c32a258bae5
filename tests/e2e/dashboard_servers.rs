//! Servers by SSH in the dashboard, on a real terminal with a real sshd behind it: added, imported, edited, gone to again.

use tomo_proto::{
    api::server::{ServerGet, ServerList},
    model::ssh::Ssh,
};
use tomo_tests::{
    cli::Tomo,
    daemon::{PASSWORD, TestDaemon},
    eventually::eventually,
    ssh::Sshd,
    terminal::{Key, Terminal},
};

async fn names(daemon: &TestDaemon) -> Vec<String> {
    let list = daemon.admin().call(&ServerList::default()).await.expect("answers");
    list.servers.into_iter().map(|server| server.name).collect()
}

async fn ssh_of(daemon: &TestDaemon, server: &str) -> Ssh {
    let request = ServerGet { server: server.to_owned(), include: Vec::new() };
    daemon.admin().call(&request).await.expect("is known").summary.ssh.expect("is reached by SSH")
}

/// Agrees to the host key that is shown.
async fn agree(terminal: &mut Terminal, place: &str) {
    terminal.wait_for(&format!("{place} shows this host key")).await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_adds_a_server_from_its_form_and_shows_it() {
    const WRONG: &str = "not-the-password";
    let (daemon, sshd) = (TestDaemon::start().await, Sshd::start().await);
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 40);
    terminal.wait_for("no server is managed yet").await;
    terminal.type_text("a");
    terminal.wait_for("Add a server").await;
    terminal.press(Key::Tab);
    terminal.type_text("web-1");
    terminal.press(Key::Tab);
    terminal.type_text("127.0.0.1");
    terminal.press(Key::Tab);
    terminal.press(Key::Control('u'));
    terminal.type_text(&sshd.port().to_string());
    terminal.press(Key::Tab);
    terminal.type_text("ana");
    terminal.press(Key::Tab);
    terminal.press(Key::Tab);
    terminal.type_text(WRONG);
    terminal.press(Key::Control('s'));
    terminal.wait_for(&sshd.host_key()).await;
    // "No" has the keys.
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    // The form is back as it was, at the field that is wrong.
    terminal.wait_for("does not let ana in").await;
    terminal.wait_for("127.0.0.1").await;
    assert_eq!(names(&daemon).await, Vec::<String>::new());
    terminal.press(Key::Control('u'));
    terminal.type_text(PASSWORD);
    terminal.press(Key::Control('s'));
    terminal.wait_for("It is the right key").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("servers › web-1").await;
    terminal.wait_for("no agent; by SSH").await;
    terminal.type_text("i");
    terminal.wait_for(&format!("ana@127.0.0.1:{}", sshd.port())).await;
    terminal.wait_for(&sshd.host_key()).await;
    terminal.wait_for("kept, sealed").await;
    terminal.type_text("t");
    terminal.wait_for("enter shows the server").await;
    terminal.press(Key::Enter);
    terminal.wait_for("servers › web-1").await;
    terminal.wait_for("no agent; by SSH").await;
    terminal.type_text("F");
    terminal.wait_for("[ Forget it ]").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("no credential is kept for web-1").await;
    assert!(!ssh_of(&daemon, "web-1").await.credential_kept);
    let raw = terminal.raw();
    for secret in [WRONG, PASSWORD] {
        assert!(!raw.windows(secret.len()).any(|part| part == secret.as_bytes()), "a password is not shown");
    }
    drop(terminal);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_adds_the_hosts_of_the_ssh_clients_file_edits_one_and_goes_there_again() {
    let (daemon, mut sshd) = (TestDaemon::start().await, Sshd::start().await);
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 40);
    terminal.wait_for("no server is managed yet").await;
    terminal.type_text("I");
    terminal.wait_for("cannot read").await;
    let (port, key) = (sshd.port(), sshd.key_file("ed25519").display().to_string());
    let ssh = tomo.home().join(".ssh");
    std::fs::create_dir_all(&ssh).expect("a folder can be made");
    let all = format!("Host web-1 web-2 web-3\n HostName 127.0.0.1\n Port {port}\n User ana\n IdentityFile {key}\n");
    std::fs::write(ssh.join("config"), all).expect("can be written");
    terminal.type_text("I");
    terminal.wait_for("[x] web-3").await;
    // Not the second one.
    terminal.press(Key::Down);
    terminal.type_text(" ");
    terminal.wait_for("[ ] web-2").await;
    terminal.press(Key::Control('s'));
    let place = format!("127.0.0.1:{port}");
    for name in ["web-1", "web-3"] {
        agree(&mut terminal, &format!("{name} ({place})")).await;
    }
    terminal.wait_for("› operations").await;
    // Both may end at once, and one word at a time is shown.
    eventually("both are there", async || (names(&daemon).await == ["web-1", "web-3"]).then_some(())).await;

    // What is known of one changes: another port is another host, whose key nobody has agreed to.
    terminal.type_text("1");
    terminal.wait_for("servers 2 unknown").await;
    // The count comes before the list.
    terminal.wait_for("○ no agent").await;
    terminal.press(Key::Enter);
    terminal.wait_for("no agent; by SSH").await;
    terminal.type_text("i");
    terminal.type_text("e");
    terminal.wait_for("Edit web-1").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Control('u'));
    terminal.type_text("1");
    terminal.press(Key::Control('s'));
    terminal.wait_for("none agreed to yet").await;
    let ssh = ssh_of(&daemon, "web-1").await;
    assert_eq!((ssh.port, ssh.host_key, ssh.credential_kept), (1, None, false));
    terminal.type_text("e");
    terminal.wait_for("Edit web-1").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Control('u'));
    terminal.type_text(&port.to_string());
    terminal.press(Key::Control('s'));
    terminal.wait_for(&format!("ana@{place}")).await;
    terminal.type_text("c");
    terminal.wait_for("Connect to web-1").await;
    terminal.press(Key::Tab);
    terminal.type_text(PASSWORD);
    terminal.press(Key::Control('s'));
    agree(&mut terminal, &format!("web-1 ({place})")).await;
    terminal.wait_for("no agent; by SSH").await;
    assert_eq!(ssh_of(&daemon, "web-1").await.host_key, Some(sshd.host_key()));

    // The host is made anew: what is sent there waits for a person who has seen both keys.
    let before = sshd.host_key();
    sshd.change_host_key().await;
    terminal.type_text("c");
    terminal.wait_for("the one agreed to").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Tab);
    terminal.type_text(PASSWORD);
    terminal.press(Key::Control('s'));
    terminal.wait_for("it shows another key").await;
    terminal.press(Key::Right);
    terminal.wait_for("look at it anew").await;
    terminal.press(Key::Control('s'));
    terminal.wait_for(&before).await;
    agree(&mut terminal, &format!("web-1 ({place})")).await;
    terminal.wait_for("no agent; by SSH").await;
    assert_eq!(ssh_of(&daemon, "web-1").await.host_key, Some(sshd.host_key()));
    drop(terminal);
    daemon.stop().await;
}
