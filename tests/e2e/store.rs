//! The store under bad luck: damaged files, a full disk, a kill in the middle of writes.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use tomo_proto::{
    api::{
        audit::{AuditSearch, AuditVerify},
        overview::Overview,
        person::{ListSecrets, SecretText, SetSecret},
    },
    error::ErrorCode,
    model::user::Role,
};
use tomo_tests::{
    agent::TestAgent,
    cli::run,
    daemon::{PASSWORD, Setup, TestDaemon},
    eventually::eventually,
    http::Http,
};

fn secret(name: &str, value: &str) -> SetSecret {
    SetSecret { name: name.to_owned(), value: SecretText::new(value) }
}

async fn assert_sound(http: &Http) {
    let check = http.call(&AuditVerify {}).await.expect("an admin checks");
    assert_eq!(check.broken, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_refused_by_name_and_never_read_wrong() {
    let mut daemon = TestDaemon::spawn().await;
    for number in 0..20 {
        daemon.admin().person(&secret(&format!("s-{number}"), "value")).await.expect("is stored");
    }
    daemon.halt().await;
    let path = daemon.data().join("tomo.redb");
    let good = fs::read(&path).expect("can be read");
    let mut damaged: Vec<(String, Vec<u8>)> = Vec::new();
    for part in [0, 1, 100, good.len() / 4, good.len() / 2, good.len() - 4096] {
        damaged.push((format!("cut to {part} bytes"), good[..part].to_vec()));
    }
    damaged.push(("another file".to_owned(), b"not a store at all\n".repeat(1_000)));
    damaged.push(("zeroes".to_owned(), vec![0; good.len()]));
    let written: Vec<usize> = (0..good.len()).step_by(512).filter(|place| good[place + 64] != 0).collect();
    for place in written.iter().step_by(written.len() / 12).chain([&0, &9]) {
        let mut bytes = good.clone();
        bytes[place + 64] ^= 0x5a;
        damaged.push((format!("a byte flipped at {}", place + 64), bytes));
    }
    for (what, bytes) in damaged {
        fs::write(&path, bytes).expect("can be written");
        let checked = run(daemon.command().arg("check"), "").await;
        assert!(!checked.stderr.contains("panicked"), "{what}: {}", checked.stderr);
        match checked.code {
            // The flipped byte was in a page that nothing uses any more.
            Some(0) if what.starts_with("a byte") => assert!(checked.stdout.contains("sound"), "{what}: {checked:?}"),
            Some(65) => {
                assert!(checked.stderr.contains("tomo.redb"), "{what}: {checked:?}");
                assert!(checked.stderr.contains("backup"), "{what}: {checked:?}");
            }
            _ => panic!("{what}: {checked:?}"),
        }
    }
    fs::write(&path, good).expect("can be written");
    daemon.respawn().await;
    assert_eq!(daemon.admin().person(&ListSecrets {}).await.expect("lists").names.len(), 20);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_changes_are_refused_reads_go_on_and_all_is_well_once_there_is_space() {
    let mut daemon = Setup::default().on_small_disk(12).start().await;
    let agent = TestAgent::synthetic(&daemon, "web-1").await;
    let (admin, viewer) = (daemon.admin(), daemon.sign_in_as(Role::Viewer).await);
    let online = async || (viewer.call(&Overview::default()).await.ok()?.servers.up == 1).then_some(());
    eventually("web-1 is up", online).await;
    admin.person(&secret("before", "value")).await.expect("there is space");
    daemon.disk().fill();
    let mut stored = vec!["before".to_owned()];
    let mut number = 0;
    let refused = eventually("a change is refused", async || {
        number += 1;
        let name = format!("s-{number}");
        match admin.person(&secret(&name, &"x".repeat(8_000))).await {
            Ok(_) => {
                stored.push(name);
                None
            }
            Err(refused) => Some(refused),
        }
    })
    .await;
    assert_eq!((refused.status.as_u16(), refused.error.code), (507, ErrorCode::StorageFull), "{refused:?}");
    assert!(refused.error.message.contains("data"), "names the place: {refused:?}");
    assert!(refused.error.retryable);
    for _ in 0..3 {
        assert_eq!(viewer.call(&Overview::default()).await.expect("reads go on").servers.total(), 1);
        let names = admin.person(&ListSecrets {}).await.expect("reads go on").names;
        assert_eq!(names.len(), stored.len());
        let again = admin.person(&secret("again", &"x".repeat(8_000))).await;
        assert_eq!(again.expect_err("still full").error.code, ErrorCode::StorageFull);
    }
    daemon.disk().free();
    admin.person(&secret("after", "value")).await.expect("there is space again");
    stored.push("after".to_owned());
    eventually("web-1 is still up", online).await;
    let names: BTreeSet<String> = admin.person(&ListSecrets {}).await.expect("lists").names.into_iter().collect();
    assert_eq!(names, stored.iter().cloned().collect());
    assert_sound(&admin).await;
    agent.stop().await;
    daemon.halt().await;
    daemon.resume().await;
    let names: BTreeSet<String> =
        daemon.admin().person(&ListSecrets {}).await.expect("lists").names.into_iter().collect();
    assert_eq!(names, stored.into_iter().collect());
    assert_sound(&daemon.admin()).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_at_the_start_is_said_plainly() {
    let mut daemon = Setup::default().on_small_disk(12).spawn().await;
    daemon.halt().await;
    daemon.disk().fill();
    let mut command = daemon.command();
    let started = tokio::time::timeout(std::time::Duration::from_secs(5), run(command.arg("run"), "")).await;
    // Either it starts and reads, or it says that the disk is full; it never hangs half-started or panics.
    if let Ok(failed) = started {
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(failed.stderr.contains("full") && !failed.stderr.contains("panicked"), "{failed:?}");
    }
    daemon.disk().free();
    daemon.respawn().await;
    assert_sound(&daemon.admin()).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_writes_loses_nothing_that_was_answered() {
    let mut daemon = TestDaemon::spawn().await;
    let answered: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let number = Arc::new(AtomicU32::new(0));
    for round in 1..=4 {
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let (admin, answered, number) = (daemon.admin(), Arc::clone(&answered), Arc::clone(&number));
                tokio::spawn(async move {
                    loop {
                        let name = format!("s-{}", number.fetch_add(1, Ordering::Relaxed));
                        let body = serde_json::to_value(secret(&name, PASSWORD)).expect("is JSON");
                        let Ok(answer) = admin.post("/person/secrets", &body).send().await else { return };
                        match answer.status().as_u16() {
                            200 => drop(answered.lock().expect("no panic").insert(name)),
                            429 => tokio::task::yield_now().await,
                            other => panic!("{other}"),
                        }
                    }
                })
            })
            .collect();
        eventually("enough is written", async || {
            (answered.lock().expect("no panic").len() >= round * 40).then_some(())
        })
        .await;
        daemon.kill().await;
        for writer in writers {
            writer.await.expect("a writer ends with its daemon");
        }
        daemon.respawn().await;
        let admin = daemon.admin();
        let names: BTreeSet<String> = admin.person(&ListSecrets {}).await.expect("lists").names.into_iter().collect();
        let answered = answered.lock().expect("no panic").clone();
        assert!(answered.is_subset(&names), "lost: {:?}", answered.difference(&names).collect::<Vec<_>>());
        assert_sound(&admin).await;
        // Each change has its row, each row its change.
        let mut rows = BTreeSet::new();
        let mut cursor = None;
        loop {
            let search = AuditSearch {
                action: Some("secret.set".to_owned()),
                limit: Some(500),
                cursor,
                ..AuditSearch::default()
            };
            let page = admin.call(&search).await.expect("an admin reads the audit");
            rows.extend(page.entries.into_iter().map(|row| row.resource));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(rows, names);
    }
    daemon.stop().await;
}
