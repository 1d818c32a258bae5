//! The dashboard that the daemon shows over SSH, visited with the real client: whose key opens it, what is to be had there and what
//! is not, and how a visit ends.

use std::path::PathBuf;

use tomo_proto::{
    api::{
        auth::{AuthKeyList, AuthSessionEnd, AuthSessionList},
        person::{AddKey, DeleteUser, RemoveKey},
    },
    error::ErrorCode,
    model::user::{Role, Scope},
};
use tomo_tests::{
    agent::TestAgent,
    cli,
    daemon::Setup,
    eventually::eventually,
    house::House,
    program,
    terminal::{Key, Terminal},
};

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
    for _ in 0..300 {
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

#[tokio::test(flavor = "multi_thread")]
async fn size_mouse_and_paste_get_through_whole() {
    let house = House::open(Setup::default()).await;
    house.let_in("ana", Role::Admin).await;
    let agents =
        [TestAgent::synthetic(&house.daemon, "web-1").await, TestAgent::synthetic(&house.daemon, "web-2").await];
    let mut ana = house.visit("ana");
    ana.wait_for("web-2").await;
    ana.wait_for("● live").await;

    // Its size: the last line is the last one, whichever way it changes, and every line is as wide as there is room.
    for (columns, rows) in [(140, 40), (60, 20), (200, 12), (100, 30)] {
        ana.resize(columns, rows);
        let fills = |screen: &vt100::Screen| {
            let lines: Vec<String> = screen.rows(0, columns).collect();
            let head = lines.first().is_some_and(|line| line.trim_end().chars().count() + 4 > usize::from(columns));
            head && lines.last().is_some_and(|line| !line.trim().is_empty())
        };
        ana.wait_until(&format!("it fills {columns} by {rows}"), fills).await;
    }

    // The mouse: a click goes to a row, the wheel moves what is below it.
    let (row, column) = ana.find("web-2").expect("is shown");
    ana.send(format!("\x1b[<0;{0};{1}M\x1b[<0;{0};{1}m", column + 1, row + 1).as_bytes());
    ana.press(Key::Enter);
    ana.wait_for("servers › web-2").await;
    ana.wait_for("Network").await;
    let (row, column) = ana.find("Network").expect("the chart is there");
    ana.send(format!("\x1b[<65;{};{}M", column + 10, row + 3).as_bytes());
    ana.wait_for("15 min").await;

    // A paste: whole, however long, and what is a line's end or a key elsewhere runs nothing.
    ana.type_text("1");
    ana.wait_for("web-2").await;
    ana.paste("q\nq\x1b[24~D\r");
    ana.type_text("/");
    ana.paste("web-2\nq\n");
    ana.wait_for("/ web-2").await;
    ana.press(Key::Escape);
    // Only then: a letter beside it would make another key of it.
    ana.wait_until("it is not filtered", |screen| !screen.contents().contains("/ web-2")).await;
    ana.type_text("a");
    ana.wait_for("Sign in with").await;
    ana.press(Key::Tab);
    let long = format!("first\nq\r{}the-end", "ä1".repeat(3_000));
    ana.paste(&long);
    ana.wait_for("the-end").await;
    ana.press(Key::Home);
    ana.wait_for("first q").await;
    ana.press(Key::Escape);
    ana.wait_for("[ Discard ]").await;
    ana.press(Key::Tab);
    ana.press(Key::Enter);
    ana.wait_until("the form is closed", |screen| !screen.contents().contains("What you typed")).await;
    ana.type_text("q");
    assert!(ana.wait_for_exit().await.success());
    house.nobody_is_signed_in().await;
    for agent in agents {
        agent.stop().await;
    }
    house.daemon.stop().await;
}
