//! The daemon's own backup: made while it serves, proven by a restore, and back on a bare host with every agent.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tomo_proto::{
    api::{
        audit::AuditVerify,
        backup::{BackupCreate, BackupList},
        person::{InitVault, ListSecrets, RotateVault, SecretText, SetSecret, VerifyBackup},
        server::{ServerGet, ServerList},
    },
    error::ErrorCode,
    model::{agent::AgentState, backup::Backup, operation::OperationStatus},
};
use tomo_tests::{
    agent::TestAgent,
    cli::{Output, Tomo, run},
    daemon::{Setup, TestDaemon},
    eventually::{eventually, eventually_within},
    http::Http,
    killer::kill_at,
};

const MASTER: &str = "a master password of mine";
const CANARY: &str = "canary-host-name";

async fn back_up(admin: &Http) -> Backup {
    let operation = admin.call(&BackupCreate::default()).await.expect("is begun");
    let done = admin.wait_for(operation).await.expect("ends");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    admin.call(&BackupList {}).await.expect("is told").backups.remove(0)
}

async fn with_password(admin: &Http) {
    admin.person(&InitVault { password: SecretText::new(MASTER), discard: false }).await.expect("is set");
}

async fn restore(daemon: &TestDaemon, file: &Path, data: &Path, password: &str, more: &[&str]) -> Output {
    let mut command = daemon.command();
    command.arg("--data").arg(data).arg("restore").arg(file).arg("--password-stdin").args(more);
    run(&mut command, password).await
}

/// What a folder holds, so that it can be put back.
fn keep(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("is there").flatten().filter(|entry| entry.path().is_file());
    entries.map(|entry| (entry.path(), fs::read(entry.path()).expect("can be read"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_brings_a_daemon_back_on_a_bare_host_and_its_agents_with_it() {
    let mut daemon = TestDaemon::spawn().await;
    let admin = daemon.admin();
    let early = admin.call(&BackupCreate::default()).await.expect_err("opens with a master password");
    assert!(early.next.as_ref().is_some_and(|next| next.contains("tomo vault init")), "{early:?}");
    with_password(&admin).await;
    let agent = TestAgent::synthetic(&daemon, CANARY).await;
    let word = SetSecret { name: "word".to_owned(), value: SecretText::new("hunter2hunter2") };
    admin.person(&word).await.expect("is stored");
    let backup = back_up(&admin).await;
    assert!(backup.number == 1 && backup.verified_at >= backup.created_at && backup.bytes > 0, "{backup:?}");
    let sealed = fs::read(&backup.file).expect("is there");
    for clear in [CANARY.as_bytes(), b"redb", b"PRIVATE KEY", b"hunter2"] {
        assert!(!sealed.windows(clear.len()).any(|part| part == clear), "{}", String::from_utf8_lossy(clear));
    }
    let after = SetSecret { name: "after".to_owned(), value: SecretText::new("came too late") };
    admin.person(&after).await.expect("is stored");

    // The host burns down; the file was somewhere else.
    daemon.kill().await;
    let elsewhere = daemon.folder().join(Path::new(&backup.file).file_name().expect("a file"));
    fs::copy(&backup.file, &elsewhere).expect("can be copied");
    fs::remove_dir_all(daemon.data()).expect("can be removed");
    let wrong = restore(&daemon, &elsewhere, &daemon.data(), "another password", &[]).await;
    assert!(wrong.code == Some(1) && wrong.stderr.contains("not the master password"), "{wrong:?}");
    assert!(!daemon.data().join("tomo.redb").exists());
    let restored = restore(&daemon, &elsewhere, &daemon.data(), MASTER, &[]).await.ok();
    assert!(restored.stdout.contains("backup 1 is restored"), "{restored:?}");
    let again = restore(&daemon, &elsewhere, &daemon.data(), MASTER, &[]).await;
    assert!(again.code == Some(1) && again.stderr.contains("there already"), "{again:?}");
    daemon.respawn().await;
    let admin = daemon.admin();
    let request = ServerGet { server: CANARY.to_owned(), include: Vec::new() };
    eventually_within(Duration::from_secs(30), "the agent is back by itself", async || {
        (admin.call(&request).await.ok()?.summary.agent == AgentState::Online).then_some(())
    })
    .await;
    let names = admin.person(&ListSecrets {}).await.expect("is told").names;
    assert_eq!(names, ["word"], "as it was then");
    // Opens every secret.
    admin.person(&RotateVault { password: SecretText::new(MASTER) }).await.expect("opens");
    assert_eq!(admin.call(&AuditVerify {}).await.expect("is told").broken, None);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_changed_cut_off_or_overtaken_is_refused_by_name() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    with_password(&admin).await;
    let first = back_up(&admin).await;
    let second = back_up(&admin).await;
    assert_eq!((first.number, second.number), (1, 2));
    let bare = daemon.folder().join("bare");
    let older = restore(&daemon, Path::new(&first.file), &bare, MASTER, &[]).await;
    assert!(
        older.code == Some(1) && older.stderr.contains("backup 1") && older.stderr.contains("--older"),
        "{older:?}"
    );
    assert!(!bare.join("tomo.redb").exists());

    let good = fs::read(&second.file).expect("is there");
    let bad = daemon.folder().join("bad.backup");
    let mut cases: Vec<(String, Vec<u8>)> = (1..20)
        .map(|part| {
            let at = good.len() * part / 20;
            let mut changed = good.clone();
            changed[at] ^= 1;
            (format!("byte {at} changed"), changed)
        })
        .collect();
    cases.extend([0, 7, 100, 64 * 1024, good.len() - 1].map(|at| (format!("cut at {at}"), good[..at].to_vec())));
    // At the end of a piece, where nothing but the STREAM itself tells.
    let head = 12 + u32::from_be_bytes(good[8..12].try_into().expect("four bytes")) as usize;
    cases.push(("cut after a piece".to_owned(), good[..head + 64 * 1024 + 16].to_vec()));
    cases.push(("something behind it".to_owned(), [good.as_slice(), b"more"].concat()));
    for (what, bytes) in cases {
        fs::write(&bad, bytes).expect("can be written");
        let refused = restore(&daemon, &bad, &bare, MASTER, &[]).await;
        assert!(refused.code == Some(1) && refused.stderr.contains("bad.backup"), "{what}: {refused:?}");
        assert!(!bare.join("tomo.redb").exists(), "{what}");
    }
    drop(restore(&daemon, Path::new(&first.file), &bare, MASTER, &["--older"]).await.ok());

    // A damaged one is told where it lies, and a rotated key asks for the password of its time.
    let tomo = Tomo::at_socket(&daemon);
    drop(tomo.run(["backup", "verify", "2"]).await.ok());
    let mut damaged = good;
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fs::write(&second.file, &damaged).expect("can be written");
    let refused = tomo.run(["backup", "verify", "2"]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains(&second.file), "{refused:?}");
    admin.person(&RotateVault { password: SecretText::new(MASTER) }).await.expect("is rotated");
    let asks = admin.person(&VerifyBackup { number: 1, password: None }).await.expect_err("is of an earlier key");
    assert_eq!((asks.error.code, asks.error.field.as_deref()), (ErrorCode::Conflict, Some("password")));
    drop(tomo.run_with_input(["backup", "verify", "1", "--ask-password"], MASTER).await.ok());
    let unknown = tomo.run(["backup", "verify", "9"]).await;
    assert!(unknown.code == Some(1) && unknown.stderr.contains("tomo backup list"), "{unknown:?}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_while_it_backs_up_is_as_it_was_and_backs_up_again() {
    let mut daemon = Setup::default().spawn().await;
    with_password(&daemon.admin()).await;
    let file = daemon.folder().join("master");
    fs::write(&file, MASTER).expect("can be written");
    let mut killed = 0;
    for moment in [1, 2, 3, 5, 8, 13, 21] {
        let admin = daemon.admin();
        let strace = kill_at(moment, daemon.program().pid()).await;
        // Whoever asks a daemon that is gone panics.
        let asked = tokio::spawn(async move {
            let operation = admin.call(&BackupCreate::default()).await?;
            admin.wait_for(operation).await
        });
        let is_alive = asked.await.is_ok();
        drop(strace);
        if is_alive {
            daemon.kill().await;
        } else {
            killed += 1;
            daemon.ended().await;
        }
        daemon.respawn().await;
        let admin = daemon.admin();
        admin
            .person(&tomo_proto::api::person::UnlockVault { password: SecretText::new(MASTER) })
            .await
            .expect("is unlocked");
        assert_eq!(admin.call(&AuditVerify {}).await.expect("is told").broken, None);
        let backup = eventually("it backs up again", async || {
            let operation = admin.call(&BackupCreate::default()).await.ok()?;
            let done = admin.wait_for(operation).await.ok()?;
            (done.status == OperationStatus::Succeeded).then_some(done)
        })
        .await;
        assert!(backup.error.is_none(), "{backup:?}");
        let folder = daemon.data().join("backups");
        let left: Vec<String> = keep(&folder).into_iter().map(|(path, _)| path.display().to_string()).collect();
        assert!(left.iter().all(|name| name.ends_with(".backup")), "{left:?}");
    }
    let listed = daemon.admin().call(&BackupList {}).await.expect("is told").backups;
    let servers = daemon.admin().call(&ServerList::default()).await.expect("is told");
    assert!(listed.len() >= 7 && servers.total == 0 && killed > 3, "{killed} kills: {listed:?}");
    daemon.stop().await;
}
