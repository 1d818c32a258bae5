//! Servers by SSH, from the door inwards: added, visited again, edited, imported, planned; and what is left when it fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::join_all;
use tomo_daemon::clock::Clock;
use tomo_proto::{
    api::{
        audit::AuditSearch,
        operation::{OperationCancel, OperationGet},
        overview::Overview,
        person::{
            AddServer, ConnectServer, EditServer, ForgetCredential, InitVault, LockVault, RotateVault, ScanHostKey,
            SecretText, SshSecret, UnlockVault,
        },
        server::{ServerAdd, ServerGet, ServerList, ServerPart, ServerRemove},
    },
    error::{ApiError, ErrorCode},
    model::{
        agent::AgentState,
        operation::{Operation, OperationStatus},
        server::ServerDetail,
        ssh::{InstallRights, SshAuth, SshSudo},
        user::{Role, Scope},
    },
};
use tomo_tests::{
    cli::Tomo,
    daemon::{PASSWORD, Setup, TestDaemon},
    http::Http,
    program::Program,
    relay::Relay,
    ssh::{Hostile, Nuisance, PASSPHRASE, Rogue, Sshd},
    terminal::Terminal,
};

fn password(text: &str) -> SshSecret {
    SshSecret::Password { password: SecretText::new(text) }
}

fn key(text: String, passphrase: Option<&str>) -> SshSecret {
    SshSecret::Key { private_key: SecretText::new(text), passphrase: passphrase.map(SecretText::new) }
}

fn adding(name: &str, sshd: &Sshd, credential: SshSecret) -> AddServer {
    AddServer {
        name: name.to_owned(),
        host: "127.0.0.1".to_owned(),
        port: sshd.port(),
        user: "ana".to_owned(),
        labels: BTreeMap::from([("role".to_owned(), "web".to_owned())]),
        host_key: sshd.host_key(),
        credential,
        sudo_password: None,
        jump: None,
        install: None,
        again: false,
        update_key: None,
        keep_credential: false,
    }
}

fn connecting(server: &str) -> ConnectServer {
    ConnectServer {
        server: server.to_owned(),
        host_key: None,
        credential: None,
        sudo_password: None,
        install: None,
        update_key: None,
        again: false,
        keep_credential: false,
    }
}

/// Waits for the end of an operation.
async fn end(admin: &Http, mut operation: Operation) -> Operation {
    while !operation.status.is_final() {
        let request = OperationGet { operation: operation.operation.to_string(), wait_s: Some(20) };
        operation = admin.call(&request).await.expect("is known");
    }
    operation
}

async fn add(admin: &Http, request: &AddServer) -> Operation {
    let begun = admin.person(request).await.expect("begins");
    end(admin, begun).await
}

async fn get(admin: &Http, server: &str, include: &[ServerPart]) -> ServerDetail {
    let request = ServerGet { server: server.to_owned(), include: include.to_vec() };
    admin.call(&request).await.expect("is known")
}

async fn names(admin: &Http) -> Vec<String> {
    let list = admin.call(&ServerList::default()).await.expect("answers");
    list.servers.into_iter().map(|server| server.name).collect()
}

/// Whether a daemon's files hold a secret in any of its usual forms.
fn lies_about(daemon: &TestDaemon, secret: &str) -> Option<String> {
    let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let forms = [secret.as_bytes().to_vec(), STANDARD.encode(secret).into_bytes(), hex.into_bytes(), wide];
    for entry in std::fs::read_dir(daemon.data()).expect("is readable").flatten() {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        if forms.iter().any(|form| bytes.windows(form.len()).any(|part| part == form)) {
            return Some(entry.path().display().to_string());
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_added_by_ssh_its_steps_are_told_and_its_credential_is_kept_sealed() {
    let (daemon, sshd) = (TestDaemon::start().await, Sshd::start().await);
    let admin = daemon.admin();
    let host = "127.0.0.1".to_owned();
    let scan = ScanHostKey { name: None, host, port: sshd.port(), jump: None, credential: None };
    assert_eq!(admin.person(&scan).await.expect("shows its key").host_key, sshd.host_key());

    let added = add(&admin, &adding("web-1", &sshd, password(PASSWORD))).await;
    assert_eq!(added.status, OperationStatus::Succeeded, "{added:?}");
    let log = added.log.join("\n");
    let steps =
        ["connect to 127.0.0.1:", "the host key is SHA256:", "sign in as ana with password", "found ", "save", "done"];
    for step in steps {
        assert!(log.contains(step), "{step}: {log}");
    }
    let server = get(&admin, "web-1", &[]).await;
    let ssh = server.summary.ssh.expect("is known");
    assert_eq!((ssh.user.as_str(), ssh.port, ssh.auth), ("ana", sshd.port(), Some(SshAuth::Password)));
    assert_eq!((ssh.host_key, ssh.credential_kept), (Some(sshd.host_key()), true));
    assert_eq!(server.summary.agent, AgentState::None);
    assert_eq!(server.summary.labels["role"], "web");
    let first = server.probe.expect("was looked at");
    assert_eq!(first.sudo, SshSudo::None);
    let udp = first.udp.expect("was tried");
    assert!(
        udp.round_trip_ms.is_some() && log.contains(&format!("{} answers by UDP in ", udp.address)),
        "{udp:?} {log}"
    );
    let now = get(&admin, "web-1", &[ServerPart::Probe]).await.probe.expect("is looked at");
    assert!(now.at_ms > first.at_ms && now.kernel == first.kernel, "{now:?}");
    let overview = admin.call(&Overview::default()).await.expect("answers");
    let problem = overview.problems.iter().find(|problem| problem.subject == "web-1").expect("is told");
    assert!(problem.message.contains("no agent"), "{problem:?}");

    // A key in place of the password, then nothing.
    let secret = sshd.key("locked");
    let request = ConnectServer {
        credential: Some(key(secret.clone(), Some(PASSPHRASE))),
        keep_credential: true,
        ..connecting("web-1")
    };
    let begun = admin.person(&request).await.expect("begins");
    assert_eq!(end(&admin, begun).await.status, OperationStatus::Succeeded);
    assert_eq!(get(&admin, "web-1", &[]).await.summary.ssh.expect("is known").auth, Some(SshAuth::Key));
    let begun = admin.person(&connecting("web-1")).await.expect("the kept key is used");
    assert_eq!(end(&admin, begun).await.status, OperationStatus::Succeeded);
    let body = secret.lines().nth(2).expect("a key has lines");
    for planted in [PASSWORD, PASSPHRASE, body] {
        assert_eq!(lies_about(&daemon, planted), None, "{planted}");
    }
    admin.person(&ForgetCredential { server: "web-1".to_owned() }).await.expect("is forgotten");
    assert!(!get(&admin, "web-1", &[]).await.summary.ssh.expect("is known").credential_kept);
    let none = admin.person(&connecting("web-1")).await.expect_err("nothing is kept").error;
    assert!(none.next.expect("says what to do").contains("tomo server connect web-1"));
    let request = ServerGet { server: "web-1".to_owned(), include: vec![ServerPart::Probe] };
    assert!(admin.call(&request).await.is_err(), "nobody can look there any more");

    let audit = admin.call(&AuditSearch { limit: Some(100), ..AuditSearch::default() }).await.expect("answers");
    for action in ["server.scan", "add_server", "probe_server", "server.forget_credential"] {
        assert!(audit.entries.iter().any(|row| row.action == action), "{action}");
    }
    let told = serde_json::to_string(&audit.entries).expect("is JSON");
    assert!(!told.contains(PASSWORD) && !told.contains(body));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_on_the_way_is_said_with_what_to_do_and_leaves_nothing() {
    let (daemon, sshd) = (TestDaemon::start().await, Sshd::start().await);
    let admin = daemon.admin();
    let good = adding("web-1", &sshd, password(PASSWORD));
    let stranger = Sshd::start().await;
    let cases: Vec<(&str, AddServer, ErrorCode, &str)> = vec![
        (
            "a wrong password",
            AddServer { credential: password("wrong"), ..good.clone() },
            ErrorCode::Invalid,
            "does not let ana in",
        ),
        (
            "a wrong key",
            AddServer { credential: key(sshd.key("stranger"), None), ..good.clone() },
            ErrorCode::Invalid,
            "with this key",
        ),
        (
            "a key without its passphrase",
            AddServer { credential: key(sshd.key("locked"), None), ..good.clone() },
            ErrorCode::Invalid,
            "passphrase",
        ),
        (
            "a refused port",
            AddServer { port: 1, ..good.clone() },
            ErrorCode::HostFailed,
            "cannot connect to 127.0.0.1:1",
        ),
        (
            "no such name",
            AddServer { host: "no-such-host.invalid".to_owned(), ..good.clone() },
            ErrorCode::HostFailed,
            "resolved",
        ),
        (
            "another host key",
            AddServer { host_key: stranger.host_key(), ..good.clone() },
            ErrorCode::Conflict,
            "no credential was sent",
        ),
        (
            "nobody who may become root",
            AddServer { install: Some(InstallRights::Metrics), ..good.clone() },
            ErrorCode::HostFailed,
            "",
        ),
    ];
    let root = AddServer { user: "root".to_owned(), install: Some(InstallRights::Metrics), ..good.clone() };
    let cases = cases.into_iter().chain([("no systemd", root, ErrorCode::HostFailed, "does not run systemd")]);
    for (what, request, code, said) in cases {
        let failed = add(&admin, &request).await;
        assert_eq!(failed.status, OperationStatus::Failed, "{what}: {failed:?}");
        let error = failed.error.expect("says why");
        assert_eq!(error.code, code, "{what}: {error:?}");
        assert!(error.message.contains(said), "{what}: {error:?}");
        assert!(error.next.is_some_and(|next| !next.is_empty()), "{what}: says what to do");
        assert_eq!(names(&admin).await, Vec::<String>::new(), "{what}");
    }
    assert!(!std::fs::read_dir("/tmp").expect("is readable").flatten().any(|entry| {
        let owned_by_ana = std::os::unix::fs::MetadataExt::uid(&match entry.metadata() {
            Ok(facts) => facts,
            Err(_) => return false,
        }) == 20_001;
        owned_by_ana && entry.file_name().to_string_lossy().starts_with("tomo-")
    }));
    for (what, request) in [
        ("a name", AddServer { name: "Web 1".to_owned(), ..good.clone() }),
        ("a host", AddServer { host: "-oProxyCommand=x".to_owned(), ..good.clone() }),
        ("a user", AddServer { user: "a b".to_owned(), ..good.clone() }),
        ("a host key", AddServer { host_key: "SHA256:x".to_owned(), ..good.clone() }),
        (
            "an agent from afar",
            AddServer { credential: SshSecret::Agent { socket: "/none".to_owned() }, ..good.clone() },
        ),
    ] {
        let caller = if what == "an agent from afar" { daemon.sign_in_as(Role::Admin).await } else { daemon.admin() };
        let error = caller.person(&request).await.expect_err(what).error;
        assert_eq!(error.code, ErrorCode::Invalid, "{what}: {error:?}");
        assert!(error.field.is_some(), "{what}: {error:?}");
    }
    let operator = daemon.sign_in_as(Role::Operator).await;
    assert_eq!(operator.person(&good).await.expect_err("is an admin's act").error.code, ErrorCode::Denied);
    let token = daemon.token(&[Scope::Read, Scope::Plan, Scope::Operate, Scope::Deploy]).await;
    assert_eq!(token.person(&good).await.expect_err("is a person's act").error.code, ErrorCode::Denied);
    // After all that it can still be added, once.
    assert_eq!(add(&admin, &good).await.status, OperationStatus::Succeeded);
    assert_eq!(admin.person(&good).await.expect_err("is taken").error.code, ErrorCode::Conflict);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_a_read_asks_for_a_look_around_a_host_is_knocked_at_once_a_minute() {
    const MINUTE_MS: u64 = 60_000;
    let clock = Clock::manual(Clock::system().now_ms());
    let (daemon, sshd) = (Setup::default().clock(clock.clone()).start().await, Sshd::start().await);
    let relay = Relay::to(([127, 0, 0, 1], sshd.port()).into()).await;
    let admin = daemon.admin();
    let request = AddServer { port: relay.port(), ..adding("web-1", &sshd, password(PASSWORD)) };
    assert_eq!(add(&admin, &request).await.status, OperationStatus::Succeeded);
    let token = daemon.token(&[Scope::Read]).await;
    let ask = ServerGet { server: "web-1".to_owned(), include: vec![ServerPart::Probe] };
    let ask_often = async || join_all((0..12).map(|_| token.call(&ask))).await;
    let before = relay.connections();
    clock.advance(MINUTE_MS);
    let times: BTreeSet<u64> =
        ask_often().await.into_iter().map(|got| got.expect("looks").probe.expect("found").at_ms).collect();
    assert_eq!(
        (relay.connections() - before, times.len()),
        (1, 1),
        "one look for all of them, and its time tells its age"
    );
    clock.advance(MINUTE_MS);
    assert!(
        ask_often()
            .await
            .into_iter()
            .all(|got| got.is_ok_and(|got| got.probe.is_some_and(|probe| !times.contains(&probe.at_ms))))
    );
    assert_eq!(relay.connections() - before, 2);
    // Also a host that lets nobody in is not tried again and again.
    relay.close();
    clock.advance(MINUTE_MS);
    let failed = ask_often().await;
    assert!(failed.iter().all(Result::is_err), "{failed:?}");
    assert_eq!(relay.connections() - before, 3);
    // What a person asks for is done.
    let begun = admin.person(&connecting("web-1")).await.expect("begins");
    assert_eq!(end(&admin, begun).await.status, OperationStatus::Failed);
    assert_eq!(relay.connections() - before, 4);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_can_be_cancelled_and_leaves_nothing() {
    let (daemon, sshd) = (TestDaemon::start().await, Sshd::start().await);
    let admin = daemon.admin();
    let silent = Hostile::start(Nuisance::Silent).await;
    let request = AddServer { port: silent.port(), ..adding("web-1", &sshd, password(PASSWORD)) };
    let begun = admin.person(&request).await.expect("begins");
    let again = admin.person(&request).await.expect_err("it is under way").error;
    assert_eq!(again.code, ErrorCode::Conflict);
    let asked = Instant::now();
    let cancel = OperationCancel { operation: begun.operation.to_string(), reason: None };
    let cancelled = admin.call(&cancel).await.expect("is cancelled");
    assert_eq!(cancelled.status, OperationStatus::Cancelled, "{cancelled:?}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(names(&admin).await, Vec::<String>::new());
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_shows_another_key_gets_no_credential_until_a_person_pins_it() {
    let (daemon, mut sshd) = (TestDaemon::start().await, Sshd::start().await);
    let admin = daemon.admin();
    assert_eq!(add(&admin, &adding("web-1", &sshd, password(PASSWORD))).await.status, OperationStatus::Succeeded);
    let agreed = sshd.host_key();
    sshd.stop().await;
    let rogue = Rogue::start(sshd.port()).await;
    for _ in 0..10 {
        let begun = admin.person(&connecting("web-1")).await.expect("begins");
        let failed = end(&admin, begun).await;
        let error = failed.error.expect("is refused");
        assert_eq!(error.code, ErrorCode::Conflict, "{error:?}");
        let next = error.next.expect("says what to do");
        assert!(next.contains(&format!("tomo server edit web-1 --host-key {}", rogue.host_key())), "{next}");
    }
    assert_eq!((rogue.connections(), rogue.received()), (10, 0));
    assert_eq!(get(&admin, "web-1", &[]).await.summary.ssh.expect("is known").host_key, Some(agreed));
    drop(rogue);
    sshd.change_host_key().await;
    let edit = EditServer { server: "web-1".to_owned(), host_key: Some(sshd.host_key()), ..EditServer::default() };
    admin.person(&edit).await.expect("is pinned anew");
    let ssh = get(&admin, "web-1", &[]).await.summary.ssh.expect("is known");
    assert!(!ssh.credential_kept, "it was entered for another host: {ssh:?}");
    let request = ConnectServer { credential: Some(password(PASSWORD)), ..connecting("web-1") };
    let begun = admin.person(&request).await.expect("begins");
    assert_eq!(end(&admin, begun).await.status, OperationStatus::Succeeded);
    let moved = EditServer { server: "web-1".to_owned(), port: Some(1), ..EditServer::default() };
    admin.person(&moved).await.expect("is moved");
    assert_eq!(
        get(&admin, "web-1", &[]).await.summary.ssh.expect("is known").host_key,
        None,
        "another place, another key"
    );
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ai_tool_plans_a_server_and_a_person_enters_its_credential() {
    let (daemon, sshd) = (TestDaemon::start().await, Sshd::start().await);
    let (admin, token) = (daemon.admin(), daemon.token(&[Scope::Read, Scope::Plan]).await);
    let request = ServerAdd {
        name: "web-1".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: Some(sshd.port()),
        user: "ana".to_owned(),
        host_key: Some(sshd.host_key()),
        ..ServerAdd::default()
    };
    let plan = token.call(&request).await.expect("is planned");
    assert!(plan.warnings.iter().any(|warning| warning.contains("tomo server connect web-1")), "{plan:?}");
    assert_eq!(names(&admin).await, Vec::<String>::new(), "a plan changes nothing");
    let operation = admin.carry_out(plan).await.expect("is applied");
    assert!(operation.step.contains("tomo server connect web-1"), "{operation:?}");
    let server = get(&admin, "web-1", &[]).await;
    let ssh = server.summary.ssh.expect("is known");
    assert_eq!((ssh.host_key, ssh.auth, ssh.credential_kept), (Some(sshd.host_key()), None, false));
    assert_eq!(token.call(&request).await.expect_err("is taken").code, ErrorCode::Conflict);
    let connect = ConnectServer { credential: Some(password(PASSWORD)), keep_credential: true, ..connecting("web-1") };
    let begun = admin.person(&connect).await.expect("begins");
    assert_eq!(end(&admin, begun).await.status, OperationStatus::Succeeded);
    // Whoever forgets the server forgets the credential.
    let plan = admin.call(&ServerRemove { server: "web-1".to_owned(), reason: None }).await.expect("is planned");
    admin.carry_out(plan).await.expect("is removed");
    assert_eq!(names(&admin).await, Vec::<String>::new());
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_adds_tests_edits_exports_and_imports() {
    let (daemon, sshd) = (TestDaemon::start().await, Sshd::start().await);
    let tomo = Tomo::at_socket(&daemon);
    let (port, host_key) = (sshd.port().to_string(), sshd.host_key());
    let ed25519 = sshd.key_file("ed25519").display().to_string();
    let base = ["server", "add", "web-1", "--host", "127.0.0.1", "--user", "ana", "--port", &port];
    let unasked = tomo.run(&[&base[..], &["--key", &ed25519]].concat()).await;
    assert_eq!(unasked.code, Some(2), "{unasked:?}");
    assert!(unasked.stderr.contains(&host_key) && unasked.stderr.contains("--host-key"), "{unasked:?}");
    let pinned = [&base[..], &["--host-key", &host_key]].concat();
    let wrong = tomo.run_with_input(&[&pinned[..], &["--password-stdin"]].concat(), "wrong\n").await;
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("does not let ana in") && wrong.stderr.contains("next: "), "{wrong:?}");
    let locked = sshd.key_file("locked").display().to_string();
    let words = [&pinned[..], &["--key", &locked, "--passphrase-stdin", "--label", "role=web"]].concat();
    let added = tomo.run_with_input(&words, &format!("{PASSPHRASE}\n")).await.ok();
    assert!(added.stderr.contains(" s  look around") && added.stdout.contains("web-1"), "{added:?}");
    // A name that is taken is said before anybody goes anywhere.
    let taken = tomo.run(&["server", "add", "web-1", "--host", "127.0.0.1", "--port", "1", "--user", "ana"]).await;
    assert!(taken.code == Some(1) && taken.stderr.contains("there is a server \"web-1\" already"), "{taken:?}");
    let (known, unknown) =
        (tomo.run(&["agent", "token", "web-1"]).await.ok(), tomo.run(&["agent", "token", "web-9"]).await.ok());
    assert!(unknown.stderr.contains("no server is called web-9 yet"), "{unknown:?}");
    assert!(!known.stderr.contains("no server is called"), "{known:?}");
    let tested = tomo.run(&["server", "test", "web-1", "--json"]).await.ok();
    assert_eq!(tested.json()["status"], "succeeded");
    let shown = tomo.run(&["server", "get", "web-1"]).await.ok();
    assert!(shown.stdout.contains("ana@127.0.0.1") && shown.stdout.contains(&host_key), "{shown:?}");
    let exported = tomo.run(&["server", "export", "web-1"]).await.ok();
    assert_eq!(exported.json()["ssh"]["host_key"], host_key.as_str());
    assert!(!exported.stdout.contains("PRIVATE") && !exported.stdout.contains(PASSPHRASE));
    let _edited = tomo.run(&["server", "edit", "web-1", "--label", "role=db"]).await.ok();
    let _forgotten = tomo.run(&["server", "forget-credential", "web-1"]).await.ok();
    let detail = get(&daemon.admin(), "web-1", &[]).await.summary;
    assert_eq!(detail.labels["role"], "db");
    assert!(!detail.ssh.expect("is known").credential_kept);

    let file = sshd.folder().join("config");
    let text = format!(
        "Host web-2 web-1\n HostName 127.0.0.1\n Port {port}\n User ana\n IdentityFile {ed25519}\nHost *\n User nobody\n"
    );
    std::fs::write(&file, text).expect("writes");
    let file = file.display().to_string();
    let asked = tomo.run(&["server", "import", &file]).await;
    assert!(asked.code != Some(0) && asked.stdout.contains("web-2"), "{asked:?}");
    assert_eq!(names(&daemon.admin()).await, ["web-1"]);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_vault_keeps_credentials_and_a_rotated_one_still_opens_them() {
    let (daemon, sshd) = (TestDaemon::start().await, Sshd::start().await);
    let admin = daemon.admin();
    assert_eq!(add(&admin, &adding("web-1", &sshd, password(PASSWORD))).await.status, OperationStatus::Succeeded);
    let master = || SecretText::new("a master password");
    admin.person(&InitVault { password: master(), discard: false }).await.expect("a master password is set");
    admin.person(&RotateVault { password: master() }).await.expect("everything is sealed anew");
    let connects = async || {
        let begun = admin.person(&connecting("web-1")).await.map_err(|refused| refused.error)?;
        Ok::<_, ApiError>(end(&admin, begun).await.status)
    };
    assert_eq!(connects().await, Ok(OperationStatus::Succeeded));
    admin.person(&LockVault {}).await.expect("is locked");
    for refused in [
        connects().await.expect_err("the credential is sealed"),
        admin.person(&adding("web-2", &sshd, password(PASSWORD))).await.expect_err("it could not be kept").error,
    ] {
        assert_eq!(
            (refused.code, refused.next.as_deref()),
            (ErrorCode::Sealed, Some("tomo vault unlock")),
            "{refused:?}"
        );
    }
    admin.person(&UnlockVault { password: master() }).await.expect("is unlocked");
    assert_eq!(connects().await, Ok(OperationStatus::Succeeded));
    assert_eq!(lies_about(&daemon, PASSWORD), None);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_at_a_terminal_is_shown_the_host_key_and_asked_for_the_password() {
    let (daemon, sshd) = (TestDaemon::start().await, Sshd::start().await);
    let tomo = Tomo::at_socket(&daemon);
    let port = sshd.port().to_string();
    let words = ["server", "add", "web-1", "--host", "127.0.0.1", "--user", "ana", "--port", &port];
    for (answer, is_added) in [("n\n", false), ("yes\n", true)] {
        let mut terminal = Terminal::start("tomo", &words, tomo.environment(), 100, 40);
        terminal.wait_for("Is it the right one?").await;
        assert!(terminal.text().contains(&sshd.host_key()), "{}", terminal.text());
        terminal.type_text(answer);
        if is_added {
            terminal.wait_for_secret("Password of ana").await;
            terminal.type_text(&format!("{PASSWORD}\n"));
            terminal.wait_for("adding server web-1 succeeded").await;
            assert!(!terminal.text().contains(PASSWORD), "{}", terminal.text());
        } else {
            terminal.wait_for("nothing was sent there").await;
        }
        assert_eq!(names(&daemon.admin()).await.is_empty(), !is_added);
    }
    // Several at once, each with its key agreed to.
    let file = sshd.folder().join("config");
    let key = sshd.key_file("ed25519").display().to_string();
    let text = format!("Host web-2 web-3\n HostName 127.0.0.1\n Port {port}\n User ana\n IdentityFile {key}\n");
    std::fs::write(&file, text).expect("writes");
    let file = file.display().to_string();
    let mut terminal = Terminal::start("tomo", &["server", "import", &file], tomo.environment(), 100, 60);
    terminal.wait_for("Add these 2 servers?").await;
    terminal.type_text("y\n");
    for count in 1..=2 {
        let asked = "Is it the right one?";
        terminal.wait_until("the key is shown", |screen| screen.contents().matches(asked).count() == count).await;
        terminal.type_text("y\n");
    }
    terminal.wait_for("2 added, 0 not").await;
    assert_eq!(names(&daemon.admin()).await, ["web-1", "web-2", "web-3"]);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_own_ssh_agent_signs_in_over_the_local_socket_and_nothing_is_kept() {
    let (daemon, sshd) = (TestDaemon::start().await, Sshd::start().await);
    let socket = sshd.folder().join("agent.sock");
    let mut command = tokio::process::Command::new("ssh-agent");
    let mut agent = Program::spawn(command.arg("-D").arg("-a").arg(&socket), "").await;
    agent.logged("SSH_AUTH_SOCK").await;
    let mut add = tokio::process::Command::new("ssh-add");
    let added = add.arg("-q").arg(sshd.key_file("ecdsa")).env("SSH_AUTH_SOCK", &socket).status().await;
    assert!(added.expect("ssh-add runs").success());
    let (port, host_key) = (sshd.port().to_string(), sshd.host_key());
    let words = ["server", "add", "web-1", "--host", "127.0.0.1", "--user", "ana", "--port", &port];
    let words = [&words[..], &["--host-key", &host_key, "--ssh-agent"]].concat();
    let without = Tomo::at_socket(&daemon).run(&words).await;
    assert!(without.code == Some(2) && without.stderr.contains("SSH_AUTH_SOCK"), "{without:?}");
    let tomo = Tomo::at_socket(&daemon).env("SSH_AUTH_SOCK", &socket.display().to_string());
    let _added = tomo.run(&words).await.ok();
    let ssh = get(&daemon.admin(), "web-1", &[]).await.summary.ssh.expect("is known");
    assert_eq!((ssh.auth, ssh.credential_kept), (Some(SshAuth::Agent), false));
    daemon.stop().await;
}
