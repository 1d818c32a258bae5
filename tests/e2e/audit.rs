//! The audit trail: what was done to it shows, and no text in it can forge a row or give a secret away.

use std::fs;

use serde_json::json;
use tomo_proto::{
    api::{
        audit::AuditSearch,
        person::{ChangePassword, Login, SecretText, SetSecret},
    },
    model::{
        audit::AuditOutcome,
        user::{Role, Scope, Selectors},
    },
};
use tomo_tests::{
    agent::TestAgent,
    cli::{Tomo, run},
    daemon::TestDaemon,
    store_file::{Edit, edit},
};

type Tampering = fn(&Edit);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_done_to_a_row_is_found_and_named() {
    let mut daemon = TestDaemon::spawn().await;
    for number in 0..10 {
        let secret = SetSecret { name: format!("s-{number}"), value: SecretText::new("value") };
        daemon.admin().person(&secret).await.expect("is stored");
    }
    let tomo = Tomo::at_socket(&daemon);
    let sound = tomo.run(["audit", "verify", "--json"]).await.ok().json();
    assert!(sound["rows"].as_u64().is_some_and(|rows| rows >= 11) && sound["broken"].is_null(), "{sound}");
    daemon.halt().await;
    let path = daemon.data().join("tomo.redb");
    let good = fs::read(&path).expect("can be read");
    let cases: [(&str, &str, Tampering); 7] = [
        ("a changed row", "row 5", |file| {
            let mut bytes = file.row(5);
            let place = bytes.windows(6).position(|part| part == b"secret").expect("the row is about a secret");
            bytes[place..place + 6].copy_from_slice(b"nobody");
            file.put(5, &bytes);
        }),
        ("a changed hash", "row 5", |file| {
            let mut bytes = file.row(5);
            bytes[0] ^= 1;
            file.put(5, &bytes);
        }),
        ("a removed row", "row 4 is missing", |file| file.remove(4)),
        ("two rows swapped", "row 6", |file| {
            let (one, other) = (file.row(6), file.row(7));
            file.put(6, &other);
            file.put(7, &one);
        }),
        ("a row that is no row", "row 3", |file| file.put(3, b"short")),
        ("the newest rows cut off", "missing", |file| {
            let newest = file.last();
            file.remove(newest);
            file.remove(newest - 1);
        }),
        ("the head wound back", "", |file| {
            file.set_head(&[0; 120]);
        }),
    ];
    for (what, named, change) in cases {
        fs::write(&path, &good).expect("can be written");
        edit(&path, change);
        let offline = run(daemon.command().arg("check"), "").await;
        assert_eq!(offline.code, Some(1), "{what}: {offline:?}");
        assert!(offline.stderr.contains("tampered") && offline.stderr.contains(named), "{what}: {}", offline.stderr);
        daemon.respawn().await;
        let online = tomo.run(["audit", "verify"]).await;
        assert_eq!(online.code, Some(1), "{what}: {online:?}");
        assert!(online.stderr.contains("tampered") && online.stderr.contains(named), "{what}: {}", online.stderr);
        let as_json = tomo.run(["audit", "verify", "--json"]).await;
        assert!(as_json.code == Some(1) && as_json.json()["broken"].is_string(), "{what}: {as_json:?}");
        daemon.halt().await;
    }
    fs::write(&path, &good).expect("can be written");
    daemon.respawn().await;
    drop(tomo.run(["audit", "verify"]).await.ok());
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_outside_forges_no_row() {
    let daemon = TestDaemon::start().await;
    let viewer = daemon.sign_in_as(Role::Viewer).await;
    let before = rows(&daemon).await;
    let payloads = [
        "x\r\n2026-01-01 00:00:00  user:admin  user.delete  ok",
        "x\",\"outcome\":\"ok\"}\n{\"actor\":\"user:admin",
        "\u{1b}[2K\u{1b}[1Auser:admin did it",
        "\u{202e}nimda:resu",
        "\0\0\0",
        "%0a%0dSet-Cookie: x",
    ];
    for payload in payloads {
        let login = Login { username: payload.to_owned(), password: SecretText::new("not the password") };
        daemon.http().person(&login).await.expect_err("is refused");
        viewer.call_by_name("agent_revoke", json!({"agent": payload, "reason": payload})).await;
    }
    let after = rows(&daemon).await;
    let answered = payloads.len() * 2;
    // After five wrong passwords a source has to wait; that is counted, not written row by row.
    assert!((answered - 1..=answered).contains(&(after.len() - before.len())), "{after:?}");
    for row in &after {
        let text = format!("{}{}{}{}", row.actor, row.action, row.resource, row.details);
        assert!(text.chars().all(tomo_proto::text::is_display_safe), "{row:?}");
        assert!(row.outcome == AuditOutcome::Ok || !row.actor.contains("admin"), "{row:?}");
    }
    let table = Tomo::at_socket(&daemon).run(["audit", "search", "--limit", "500"]).await.ok().stdout;
    assert_eq!(table.lines().count(), after.len() + 1, "a line for each row and the head: {table}");
}

async fn rows(daemon: &TestDaemon) -> Vec<tomo_proto::model::audit::AuditEntry> {
    let search = AuditSearch { limit: Some(500), ..AuditSearch::default() };
    daemon.admin().call(&search).await.expect("an admin reads the audit").entries
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_lie_nowhere_in_clear() {
    let mut daemon = TestDaemon::spawn().await;
    let canaries = ["canary-app-secret-93751", "canary-password-93752", "canary-new-password-93753"];
    let [secret, password, new_password] = canaries;
    let admin = daemon.admin();
    admin.person(&SetSecret { name: "key".to_owned(), value: SecretText::new(secret) }).await.expect("is stored");
    let user = tomo_proto::api::person::CreateUser {
        username: "ana".to_owned(),
        role: Role::Viewer,
        password: SecretText::new(password),
        email: None,
    };
    admin.person(&user).await.expect("is made");
    let login = Login { username: "ana".to_owned(), password: SecretText::new(password) };
    let answer = daemon.http().person(&login).await.expect("signs in");
    let change = ChangePassword { current: SecretText::new(password), new: SecretText::new(new_password) };
    daemon.http().bearer(answer.access_token.reveal()).person(&change).await.expect("changes");
    let wrong = Login { username: password.to_owned(), password: SecretText::new(secret) };
    daemon.http().person(&wrong).await.expect_err("is refused");
    let token = daemon.create_token(&[Scope::Read], Selectors::default()).await;
    let agent = TestAgent::synthetic(&daemon, "web-1").await;
    let refresh = answer.refresh_token.reveal().to_owned();
    agent.stop().await;
    let log = daemon.program().log();
    daemon.halt().await;
    let half = |text: &str| text[text.len() - 20..].to_owned();
    let found_in = |bytes: &[u8], what: &str| bytes.windows(what.len()).any(|window| window == what.as_bytes());
    for hidden in [secret.to_owned(), new_password.to_owned(), half(&token), half(&refresh)] {
        assert!(!log.contains(&hidden), "the log holds {hidden}");
        for entry in fs::read_dir(daemon.data()).expect("is there").flatten() {
            let bytes = fs::read(entry.path()).expect("can be read");
            assert!(!found_in(&bytes, &hidden), "{} holds {hidden}", entry.path().display());
        }
    }
    assert!(!log.contains(password), "{log}");
}
