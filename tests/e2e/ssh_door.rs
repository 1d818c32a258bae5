//! The dashboard that the daemon shows over SSH, visited with the real client: whose key opens it, what is to be had there and what
//! is not, and how a visit ends.

use std::path::PathBuf;

use portable_pty::CommandBuilder;
use tomo_proto::{
    api::{
        audit::AuditSearch,
        auth::{AuthKeyList, AuthSessionEnd, AuthSessionList},
        person::{AddKey, DeleteUser, RemoveKey},
    },
    error::ErrorCode,
    model::user::{Role, Scope},
};
use tomo_tests::{
    cli,
    daemon::{Setup, TestDaemon},
    eventually::eventually,
    program,
    ssh::Keys,
    terminal::{Key, Terminal},
};

/// A daemon that shows its dashboard over SSH, and the keys of its visitors.
struct House {
    daemon: TestDaemon,
    keys: Keys,
    port: u16,
}

impl House {
    async fn open(setup: Setup) -> Self {
        let program = program::path("tomo").display().to_string();
        let daemon = setup.set("SSH__LISTEN", "127.0.0.1:0").set("SSH__PROGRAM", &program).start().await;
        let port = daemon.ssh_addr().expect("it is shown over SSH").port();
        Self { daemon, keys: Keys::new(), port }
    }

    /// Makes an account that a key of this name opens the dashboard for.
    async fn let_in(&self, name: &str, role: Role) {
        self.daemon.create_user(name, role).await;
        self.add(name, name).await;
    }

    async fn add(&self, key: &str, name: &str) {
        let add = AddKey { key: self.keys.public(key, "ed25519"), name: None, username: Some(name.to_owned()) };
        self.daemon.admin().person(&add).await.expect("the key is added");
    }

    /// The real client with a key, as somebody.
    fn ssh(&self, key: &str, name: &str, arguments: &[&str]) -> CommandBuilder {
        let mut command = CommandBuilder::new("ssh");
        command.args(["-p", &self.port.to_string(), "-i"]);
        command.arg(self.keys.path(key));
        for option in [
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "BatchMode=yes",
        ] {
            command.args(["-o", option]);
        }
        command.args(["-F", "none"]);
        command.arg(format!("{name}@127.0.0.1"));
        command.args(arguments);
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("PATH", "/usr/bin:/bin");
        command
    }

    fn visit(&self, name: &str) -> Terminal {
        Terminal::start_command(self.ssh(name, name, &[]), 100, 30)
    }

    /// Actions in the audit, oldest first.
    async fn audited(&self, action: &str) -> Vec<String> {
        let search = AuditSearch { action: Some(action.to_owned()), ..AuditSearch::default() };
        let mut rows = self.daemon.admin().call(&search).await.expect("is read").entries;
        rows.reverse();
        rows.into_iter().map(|row| format!("{}: {}", row.actor, row.details)).collect()
    }

    async fn nobody_is_signed_in(&self) {
        eventually("no login is left", async || {
            let sessions = self.daemon.admin().call(&AuthSessionList {}).await.ok()?.sessions;
            sessions.is_empty().then_some(())
        })
        .await;
        eventually("nothing of a session is left", async || {
            let left = std::fs::read_dir(self.daemon.data().join("ssh-sessions"));
            left.map_or(Some(()), |mut left| left.next().is_none().then_some(()))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_a_known_key_is_shown_the_dashboard_with_their_own_rights() {
    let house = House::open(Setup::default()).await;
    house.let_in("ana", Role::Viewer).await;
    let mut ana = house.visit("ana");
    ana.wait_for("user:ana").await;
    ana.wait_for("live").await;
    // Her rights, not the daemon's; and none of its files.
    ana.type_text("2I");
    ana.wait_for("out of its reach").await;
    ana.type_text("1a");
    ana.wait_for("needs the scope admin").await;
    ana.press(Key::Control('z'));
    ana.wait_for("shell and files").await;
    ana.type_text("1a");
    ana.wait_for("needs the scope admin").await;
    ana.type_text("@");
    ana.wait_for("out of its reach").await;
    // Colors she may choose, for as long as she is here.
    ana.press(Key::Control('t'));
    ana.wait_for("high-contrast").await;
    ana.type_text("jj");
    ana.press(Key::Enter);
    ana.wait_until("a dark page", |screen| {
        screen.cell(5, 50).is_some_and(|cell| cell.bgcolor() != vt100::Color::Default)
    })
    .await;
    assert!(!ana.text().contains("not kept"), "there is nothing to keep it in: {ana:?}");
    // Keys, paste and size get through, and what is drawn comes back whole.
    ana.type_text(":");
    ana.paste("registries");
    ana.wait_for("registries").await;
    ana.press(Key::Enter);
    ana.wait_for("REGISTRY").await;
    ana.resize(140, 40);
    ana.wait_until("it fills the wider screen", |screen| {
        screen.contents().lines().next().is_some_and(|line| line.contains("user:ana at"))
    })
    .await;
    let sessions = house.daemon.admin().call(&AuthSessionList {}).await.expect("are listed").sessions;
    assert_eq!((sessions.len(), sessions[0].user_agent.as_str()), (1, "ssh, key ana"), "{sessions:?}");
    ana.type_text("q");
    assert!(ana.wait_for_exit().await.success());
    assert!(!ana.screen().alternate_screen(), "the screen is given back");
    house.nobody_is_signed_in().await;
    let [began, ended] = [house.audited("auth.login").await, house.audited("auth.logout").await];
    assert!(began.len() == 1 && began[0].starts_with("user:ana: over SSH, with the key ana (SHA256:"), "{began:?}");
    assert!(ended.len() == 1 && ended[0].starts_with("user:ana: exit code 0"), "{ended:?}");
    let listed = house.daemon.admin().call(&AuthKeyList {}).await.expect("are listed");
    assert!(
        listed.keys[0].last_used_at.is_some() && listed.door.is_some_and(|door| door.host_key.starts_with("SHA256:"))
    );
    house.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_gets_in_and_nothing_else_is_to_be_had() {
    let house = House::open(Setup::default()).await;
    house.let_in("ana", Role::Admin).await;
    house.daemon.create_user("ben", Role::Viewer).await;
    drop(house.keys.public("stranger", "ed25519"));
    let forward = ["-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1"];
    for (key, name, arguments, said, code) in [
        ("stranger", "ana", &[][..], "Permission denied (publickey)", 255),
        ("ana", "ben", &[], "Permission denied (publickey)", 255),
        ("ana", "nobody", &[], "Permission denied (publickey)", 255),
        ("ana", "ana", &["id"], "only the dashboard is shown here", 1),
        ("ana", "ana", &["-s", "sftp"], "subsystem request failed", 255),
        ("ana", "ana", &["-T"], "wants a terminal", 1),
        ("ana", "ana", &forward, "forwarding failed", 255),
    ] {
        let mut visit = Terminal::start_command(house.ssh(key, name, arguments), 100, 30);
        let status = visit.wait_for_exit().await;
        let text = visit.text();
        assert!(text.contains(said) && status.exit_code() == code, "{key} as {name} {arguments:?}: {status:?} {text}");
    }
    house.nobody_is_signed_in().await;
    assert!(house.audited("auth.login").await.is_empty(), "nobody was");
    // What it runs reads nothing of this machine, whatever it is asked for.
    let home = tempfile::tempdir().expect("a folder");
    let mut command = tokio::process::Command::new(program::path("tomo"));
    command.args(["--hosted", "catalog", "lint", "/etc/hostname"]).env("HOME", home.path());
    let read = cli::run(&mut command, "").await;
    assert!(read.code != Some(0) && format!("{read:?}").contains("Permission denied"), "{read:?}");
    house.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_ends_with_its_key_its_login_or_its_account_and_says_so() {
    let house = House::open(Setup::default()).await;
    let admin = house.daemon.admin();
    for name in ["ana", "ben", "cleo"] {
        house.let_in(name, Role::Operator).await;
    }
    let mut visits = ["ana", "ben", "cleo"].map(|name| house.visit(name));
    for visit in &mut visits {
        visit.wait_for("live").await;
    }
    let keys = admin.call(&AuthKeyList {}).await.expect("are listed").keys;
    let key = keys.iter().find(|key| key.user_name == "ana").expect("is there");
    admin.person(&RemoveKey { key: key.fingerprint.clone() }).await.expect("is removed");
    let sessions = admin.call(&AuthSessionList {}).await.expect("are listed").sessions;
    let session = sessions.iter().find(|session| session.user_name == "ben").expect("is there");
    admin.call(&AuthSessionEnd { session: session.id.to_string() }).await.expect("is ended");
    admin.person(&DeleteUser { username: "cleo".to_owned() }).await.expect("is deleted");
    for visit in &mut visits {
        let status = visit.wait_for_exit().await;
        assert!(visit.text().contains("tomo: this login has ended"), "{}", visit.text());
        assert!(status.exit_code() == 1 && !visit.screen().alternate_screen(), "the screen is given back");
    }
    house.nobody_is_signed_in().await;
    // Ben's key is still good, the others' are not.
    for (name, is_good) in [("ana", false), ("ben", true), ("cleo", false)] {
        let mut visit = house.visit(name);
        if is_good {
            visit.wait_for("live").await;
            visit.hang_up();
        } else {
            assert_eq!(visit.wait_for_exit().await.exit_code(), 255);
        }
    }
    house.nobody_is_signed_in().await;
    house.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_dashboards_are_open_than_the_owner_wants_and_strangers_hold_nobody_out() {
    let house = House::open(Setup::default().set("SSH__SESSIONS", "2")).await;
    house.let_in("ana", Role::Viewer).await;
    let mut visits = [house.visit("ana"), house.visit("ana")];
    for visit in &mut visits {
        visit.wait_for("live").await;
    }
    let mut third = house.visit("ana");
    assert_eq!(third.wait_for_exit().await.exit_code(), 1);
    assert!(third.text().contains("2 dashboards are open over SSH"), "{}", third.text());
    // Whoever connects and says nothing is one of a few, and not for long.
    let mut strangers = Vec::new();
    for _ in 0..200 {
        strangers.push(tokio::net::TcpStream::connect(("127.0.0.1", house.port)).await.expect("connects"));
    }
    visits[0].type_text("q");
    assert!(visits[0].wait_for_exit().await.success());
    let mut next = eventually("there is a place again", async || {
        let mut next = house.visit("ana");
        next.wait_until("it is shown, or let go", |screen| {
            let text = screen.contents();
            text.contains("live") || text.contains("closed") || text.contains("reset")
        })
        .await;
        next.text().contains("live").then_some(next)
    })
    .await;
    drop(strangers);
    for visit in [&mut visits[1], &mut next] {
        visit.type_text("q");
        assert!(visit.wait_for_exit().await.success());
    }
    house.nobody_is_signed_in().await;
    house.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_added_listed_and_removed_by_its_owner_and_never_by_a_token() {
    let house = House::open(Setup::default()).await;
    house.daemon.create_user("ana", Role::Viewer).await;
    let login = house.daemon.login("ana").await;
    let ana = house.daemon.http().bearer(login.access_token.reveal());
    let public = house.keys.public("laptop", "ed25519");
    let add = |key: &str, username: Option<&str>| AddKey {
        key: key.to_owned(),
        name: Some("laptop".to_owned()),
        username: username.map(str::to_owned),
    };
    let key = ana.person(&add(&public, None)).await.expect("is added");
    assert_eq!((key.user_name.as_str(), key.name.as_str(), key.algorithm.as_str()), ("ana", "laptop", "ssh-ed25519"));
    let private = std::fs::read_to_string(house.keys.path("laptop")).expect("is there");
    for (key, username, field, said) in [
        (public.as_str(), None, Some("key"), "there already"),
        (&private, None, Some("key"), "private key"),
        ("ssh-ed25519 AAAA", None, Some("key"), "no public key"),
        (&house.keys.public("old", "ecdsa"), None, Some("key"), "not taken"),
        (&house.keys.public("other", "ed25519"), Some("admin"), None, "admin"),
    ] {
        let refused = ana.person(&add(key, username)).await.expect_err("is refused");
        let refused = refused.error;
        assert!(refused.message.contains(said) && refused.field.as_deref() == field, "{refused:?}");
        assert!(!refused.message.contains("BEGIN"), "what was given is not repeated");
    }
    let with_token = house.daemon.token(&[Scope::Read]).await;
    let refused = with_token.person(&add(&house.keys.public("other", "ed25519"), None)).await.expect_err("is refused");
    assert_eq!(refused.error.code, ErrorCode::Denied);
    assert_eq!(ana.call(&AuthKeyList {}).await.expect("are listed").keys.len(), 1);
    // The same from the command line, as root.
    let tomo = cli::Tomo::at_socket(&house.daemon);
    let path = PathBuf::from(format!("{}.pub", house.keys.path("other").display())).display().to_string();
    let added = tomo.run(["key", "add", &path, "--user", "ana"]).await.ok();
    assert!(added.stdout.contains("opens the dashboard over SSH as ana"), "{added:?}");
    let listed = tomo.run(["key", "list"]).await.ok();
    assert!(listed.stdout.contains("laptop") && listed.stderr.contains("host key SHA256:"), "{listed:?}");
    drop(tomo.run(["key", "remove", &key.fingerprint]).await.ok());
    assert_eq!(ana.call(&AuthKeyList {}).await.expect("are listed").keys.len(), 1);
    house.daemon.stop().await;
}
