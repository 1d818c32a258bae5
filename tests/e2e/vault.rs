//! The vault: secrets under a master password, a daemon that is sealed but alive, and nothing left behind.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::fs::{FileExt as _, PermissionsExt as _},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tomo_proto::{
    api::{
        app::AppDeploy,
        audit::AuditSearch,
        overview::Overview,
        person::{
            ChangeVaultPassword, GetVault, InitVault, LockVault, RotateVault, SecretText, SetSecret, UnlockVault,
            VaultState,
        },
        server::ServerGet,
    },
    error::ErrorCode,
    model::{
        agent::AgentState,
        app::AppSpec,
        audit::AuditOutcome,
        operation::OperationStatus,
        user::{Role, Scope},
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::{Setup, TestDaemon},
    docker::{Image, docker, unique},
    eventually::eventually,
    http::Http,
    killer::kill_at,
    rounds::rounds,
};

const MASTER: &str = "a master password of mine";
const SERVER: &str = "web-1";

fn text(secret: &str) -> SecretText {
    SecretText::new(secret)
}

async fn set(http: &Http, name: &str, value: &str) {
    http.person(&SetSecret { name: name.to_owned(), value: text(value) }).await.expect("is stored");
}

async fn state(http: &Http) -> VaultState {
    http.person(&GetVault {}).await.expect("is told").state
}

/// Whether a password opens a sealed vault.
async fn opens(http: &Http, password: &str) -> bool {
    match http.person(&UnlockVault { password: text(password) }).await {
        Ok(status) => status.state == VaultState::Unlocked,
        Err(refused) => {
            assert_eq!(refused.error.code, ErrorCode::Denied, "{refused:?}");
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_daemon_is_alive_and_says_how_it_is_unlocked() {
    let mut daemon = TestDaemon::spawn().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    set(&admin, "word", "hunter2hunter2").await;
    assert_eq!(state(&admin).await, VaultState::KeyFile);
    let early = admin.person(&UnlockVault { password: text(MASTER) }).await.expect_err("there is no password");
    assert!(early.error.next.as_ref().is_some_and(|next| next.contains("vault init")), "{early:?}");
    let short = admin.person(&InitVault { password: text("too short"), discard: false }).await.expect_err("is refused");
    assert_eq!((short.error.code, short.error.field.as_deref()), (ErrorCode::Invalid, Some("password")));
    let made = admin.person(&InitVault { password: text(MASTER), discard: false }).await.expect("is set");
    assert_eq!((made.state, made.epoch, made.secrets), (VaultState::Unlocked, 1, 1));
    assert!(!daemon.data().join("data.key").exists(), "the key file has gone");
    admin.person(&InitVault { password: text(MASTER), discard: false }).await.expect_err("only once");

    // What the daemon's host gives at a restart is nothing: it is sealed, and everything else goes on.
    daemon.halt().await;
    daemon.respawn().await;
    assert_eq!(state(&admin).await, VaultState::Sealed);
    let request = ServerGet { server: SERVER.to_owned(), include: Vec::new() };
    eventually("the agent is back and its samples land", async || {
        let now = admin.call(&request).await.ok()?.summary;
        (now.agent == AgentState::Online && now.vitals.is_some()).then_some(())
    })
    .await;
    let overview = admin.call(&Overview::default()).await.expect("is told");
    assert!(overview.problems.iter().any(|problem| problem.subject == "vault"), "{overview:?}");
    let refused = admin.person(&SetSecret { name: "other".to_owned(), value: text("x") }).await.expect_err("is sealed");
    assert_eq!((refused.error.code, refused.status.as_u16()), (ErrorCode::Sealed, 423), "{refused:?}");
    let (image, name) = (Image::web(), unique("sealed"));
    let spec = AppSpec {
        image: image.name().to_owned(),
        env: [("WORD".to_owned(), "secret://word".to_owned())].into(),
        ..AppSpec::default()
    };
    let wanted = AppDeploy { server: SERVER.to_owned(), name: name.clone(), spec, ..AppDeploy::default() };
    let plan = admin.call(&wanted).await.expect("is planned");
    let failed = admin.carry_out(plan).await.expect("is begun").error.expect("fails");
    assert_eq!((failed.code, failed.next.as_deref()), (ErrorCode::Sealed, Some("tomo vault unlock")));

    let tomo = Tomo::at_socket(&daemon);
    let wrong = tomo.run_with_input(["vault", "unlock"], "not the master password\n").await;
    assert!(wrong.code == Some(4) && wrong.stderr.contains("not the master password"), "{wrong:?}");
    let unlocked = tomo.run_with_input(["vault", "unlock"], &format!("{MASTER}\n")).await.ok();
    assert!(unlocked.stdout.contains("unlocked"), "{unlocked:?}");
    let plan = admin.call(&wanted).await.expect("is planned");
    let done = admin.carry_out(plan).await.expect("is begun");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    let env = docker(&["inspect", "-f", "{{json .Config.Env}}", &format!("tomo-{name}")]);
    assert!(env.contains("WORD=hunter2hunter2"), "{env}");
    let request = AuditSearch {
        action: Some("vault.unlock".to_owned()),
        outcome: Some(AuditOutcome::Denied),
        ..AuditSearch::default()
    };
    assert_eq!(admin.call(&request).await.expect("is told").entries.len(), 1);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_nobody_knows_any_more_is_begun_anew_without_the_secrets() {
    let mut daemon = TestDaemon::spawn().await;
    let tomo = Tomo::at_socket(&daemon);
    set(&daemon.admin(), "word", "hunter2hunter2").await;
    // Nobody could type what has several lines.
    for twice in [format!("{MASTER}\n{MASTER}\n"), format!("{MASTER}\r\n\r\n")] {
        let refused = tomo.run_with_input(["vault", "init"], &twice).await;
        assert!(refused.code == Some(2) && refused.stderr.contains("2 lines"), "{refused:?}");
    }
    let several =
        daemon.admin().person(&InitVault { password: text("a password\nof two lines"), discard: false }).await;
    assert_eq!(several.expect_err("is refused").error.field.as_deref(), Some("password"));
    drop(tomo.run_with_input(["vault", "init"], &format!("{MASTER}\r\n")).await.ok());
    daemon.halt().await;
    daemon.respawn().await;
    let admin = daemon.admin();
    let wrong = tomo.run_with_input(["vault", "unlock"], "not the master password\n").await;
    assert!(wrong.stderr.contains("tomo vault init --discard-secrets"), "{wrong:?}");
    let refused = tomo.run_with_input(["vault", "init", "--discard-secrets"], "another master password\n").await;
    assert!(refused.code != Some(0), "nobody has agreed: {refused:?}");
    let words = ["vault", "init", "--discard-secrets", "--yes"];
    drop(tomo.run_with_input(words, "another master password\n").await.ok());
    let status = admin.person(&GetVault {}).await.expect("is told");
    assert_eq!((status.state, status.secrets, status.epoch), (VaultState::Unlocked, 0, 2));
    set(&admin, "word", "entered anew").await;
    drop(tomo.run(["vault", "lock"]).await.ok());
    assert!(!opens(&admin, MASTER).await && opens(&admin, "another master password").await);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_changes_and_the_data_key_rotates_without_losing_a_secret() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    for number in 0..20 {
        set(&admin, &format!("s-{number}"), &format!("value {number}")).await;
    }
    admin.person(&InitVault { password: text(MASTER), discard: false }).await.expect("is set");
    let change = ChangeVaultPassword { current: text("another password"), new: text("a new master password") };
    admin.person(&change).await.expect_err("that is not the password");
    admin.person(&ChangeVaultPassword { current: text(MASTER), ..change }).await.expect("is changed");
    let rotate = RotateVault { password: text("a new master password") };
    for epoch in 2..=4 {
        // Each rotation opens every value, and fails if one does not open.
        let status = admin.person(&rotate).await.expect("is rotated");
        assert_eq!((status.epoch, status.secrets), (epoch, 20));
    }
    assert_eq!(admin.person(&LockVault {}).await.expect("is sealed").state, VaultState::Sealed);
    assert!(!opens(&admin, MASTER).await, "the old password");
    assert!(opens(&admin, "a new master password").await);

    let operator = daemon.sign_in_as(Role::Operator).await;
    let denied = operator.person(&LockVault {}).await.expect_err("is an admin's");
    assert_eq!(denied.error.code, ErrorCode::Denied);
    let token = daemon.token(&[Scope::Read, Scope::Plan, Scope::Deploy]).await;
    assert_eq!(token.person(&rotate).await.expect_err("is a person's").error.code, ErrorCode::Denied);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_can_give_the_master_password_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("master");
    fs::write(&file, format!("{MASTER}\n")).expect("can be written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("can be set");
    let setup = Setup::default().set("VAULT__PASSWORD_FILE", &file.display().to_string());
    let mut daemon = setup.spawn().await;
    let admin = daemon.admin();
    admin.person(&InitVault { password: text(MASTER), discard: false }).await.expect("is set");
    daemon.halt().await;
    daemon.respawn().await;
    assert_eq!(state(&admin).await, VaultState::Unlocked);

    // A file that others can read counts as none, and a wrong one as well.
    daemon.halt().await;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("can be set");
    daemon.respawn().await;
    assert_eq!(state(&admin).await, VaultState::Sealed);
    assert!(daemon.program().log().contains("chmod 600"), "{}", daemon.program().log());
    daemon.halt().await;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("can be set");
    fs::write(&file, "something else").expect("can be written");
    daemon.respawn().await;
    assert_eq!(state(&admin).await, VaultState::Sealed);
    assert!(daemon.program().log().contains("does not open the vault"), "{}", daemon.program().log());
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_while_the_password_changes_knows_exactly_one_of_both() {
    let mut daemon = TestDaemon::spawn().await;
    let admin = daemon.admin();
    set(&admin, "word", "hunter2hunter2").await;
    let mut current = format!("{MASTER} 0");
    admin.person(&InitVault { password: text(&current), discard: false }).await.expect("is set");
    let (mut kept, mut changed) = (0, 0);
    for round in 1..=rounds(8) {
        let new = format!("{MASTER} {round}");
        let client = daemon.admin();
        let request = ChangeVaultPassword { current: text(&current), new: text(&new) };
        // The kill comes with another of its writes each time, in the end after the last one.
        let strace = kill_at(1 + (round - 1) % 16, daemon.program().pid()).await;
        let answered = client.raw_person(&request).await;
        drop(strace);
        if answered.is_some() {
            daemon.kill().await;
        } else {
            daemon.ended().await;
        }
        daemon.respawn().await;
        let admin = daemon.admin();
        let (old_opens, new_opens) = (opens(&admin, &current).await, opens(&admin, &new).await);
        assert!(old_opens != new_opens, "round {round}: old {old_opens}, new {new_opens}");
        if new_opens {
            changed += 1;
            current = new;
        } else {
            kept += 1;
            assert!(opens(&admin, &current).await);
        }
        // Opens every value, and fails if one does not open.
        admin.person(&RotateVault { password: text(&current) }).await.expect("everything opens");
    }
    assert_eq!(kept + changed, rounds(8));
    assert!(kept > 0, "no kill came before the change");
    daemon.stop().await;
}

/// How often any of some texts is in a process's memory.
fn copies(pid: u32, wanted: &[&str]) -> Vec<(String, usize)> {
    let memory = File::open(format!("/proc/{pid}/mem")).expect("root may read it");
    let mut counts: Vec<(String, usize)> = wanted.iter().map(|text| ((*text).to_owned(), 0)).collect();
    let maps = BufReader::new(File::open(format!("/proc/{pid}/maps")).expect("it runs"));
    for line in maps.lines().map(|line| line.expect("can be read")) {
        let Some((range, rest)) = line.split_once(' ') else { continue };
        if !rest.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').expect("a range");
        let number = |text: &str| u64::from_str_radix(text, 16).expect("a number");
        let length = usize::try_from(number(to) - number(from)).expect("fits");
        let mut bytes = vec![0; length];
        let read = memory.read_at(&mut bytes, number(from)).unwrap_or(0);
        for (text, count) in &mut counts {
            *count += bytes[..read].windows(text.len()).filter(|part| *part == text.as_bytes()).count();
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_daemon_has_forgotten_password_key_and_secrets() {
    let mut daemon = TestDaemon::spawn().await;
    let (master, secret) = ("canary master 61f0b2c7d9", "canary secret 8c41aa90e3");
    let admin = daemon.admin();
    admin.person(&InitVault { password: text(master), discard: false }).await.expect("is set");
    set(&admin, "word", secret).await;
    admin.person(&LockVault {}).await.expect("is sealed");
    assert!(opens(&admin, master).await);
    admin.person(&RotateVault { password: text(master) }).await.expect("opens every value");
    let pid = daemon.program().pid();
    // The password is forgotten while the vault is open, as soon as its connection has ended.
    eventually("no copy is left", async || (copies(pid, &[master])[0].1 == 0).then_some(())).await;
    admin.person(&LockVault {}).await.expect("is sealed");
    eventually("nothing is left", async || {
        copies(pid, &[master, secret]).iter().all(|(_, count)| *count == 0).then_some(())
    })
    .await;
    // What is there is found.
    let known = daemon.data().display().to_string();
    assert!(copies(pid, &[&known]).iter().all(|(_, count)| *count > 0));
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("is listed");
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_data_folder_gives_no_secret_away() {
    let mut daemon = TestDaemon::spawn().await;
    let admin = daemon.admin();
    let planted: Vec<String> = (0..100).map(|number| format!("planted-{:016x}", number * 0x9e37_79b9_u64)).collect();
    for (number, secret) in planted.iter().take(50).enumerate() {
        set(&admin, &format!("s-{number}"), secret).await;
    }
    admin.person(&InitVault { password: text("the planted master password"), discard: false }).await.expect("is set");
    for (number, secret) in planted.iter().enumerate().skip(50) {
        set(&admin, &format!("s-{number}"), secret).await;
    }
    let log = daemon.program().log();
    daemon.halt().await;
    let mut stolen = vec![("the log".to_owned(), log.into_bytes())];
    for entry in fs::read_dir(daemon.data()).expect("is there").flatten() {
        stolen.push((entry.path().display().to_string(), fs::read(entry.path()).expect("can be read")));
    }
    for secret in planted.iter().map(String::as_str).chain(["the planted master password"]) {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        // Three alignments of base64; its ends depend on what stands beside the secret.
        let encoded = (0..3).map(|shift| {
            let text = STANDARD.encode([&vec![b'x'; shift], secret.as_bytes()].concat());
            text.as_bytes()[4..text.len() - 4].to_vec()
        });
        let forms = [secret.as_bytes().to_vec(), hex.into_bytes(), wide].into_iter().chain(encoded);
        for form in forms {
            for (place, bytes) in &stolen {
                assert!(!bytes.windows(form.len()).any(|part| part == form), "{place} holds {secret}");
            }
        }
    }
}
