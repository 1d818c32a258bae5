use tempfile::TempDir;
use tomo_proto::{id::EnrolmentId, model::metric::names};

use super::{audit::tampering::tamper, *};

const NOW: u64 = 1_800_000_000_000;

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::create(&folder.path().join("tomo.redb"), &key(1)).expect("a store");
    (folder, store)
}

/// A key that signs, the same for the same number.
fn key(number: u8) -> SigningKey {
    // RFC 8410, section 7: a PKCS#8 Ed25519 key is this and the seed.
    let head = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    SigningKey::from_pkcs8(&[head.as_slice(), &[number; 32]].concat()).expect("a key")
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, &key(1), NOW)
}

async fn reopen(folder: &TempDir, store: Store) -> Store {
    store.shutdown().await;
    open(&folder.path().join("tomo.redb")).expect("opens again")
}

fn server(name: &str) -> Server {
    let id = ServerId::from_parts(NOW, crypto::random_u32());
    Server {
        id,
        name: name.to_owned(),
        labels: [("env".to_owned(), "test".to_owned())].into(),
        agent: None,
        next_agent: None,
        created_at: NOW,
        ssh: None,
    }
}

fn entry(action: &str) -> NewAuditEntry {
    NewAuditEntry {
        at_ms: NOW,
        actor: "user:ana".to_owned(),
        action: action.to_owned(),
        resource_type: String::new(),
        resource: String::new(),
        outcome: AuditOutcome::Ok,
        reason: None,
        details: String::new(),
        ip_address: String::new(),
    }
}

#[tokio::test]
async fn records_survive_a_restart() {
    let (folder, store) = store();
    let web = server("web");
    let kept = web.clone();
    store.write(move |change| change.put(&kept)).await.expect("writes");
    let store = reopen(&folder, store).await;
    assert_eq!(store.server(web.id).expect("reads"), Some(web.clone()));
    store
        .write(move |change| {
            change.remove::<Server>(web.id.to_u64());
            assert!(change.list::<Server>()?.is_empty(), "a change sees itself");
            Ok::<_, StoreError>(())
        })
        .await
        .expect("writes");
    assert_eq!(store.server(web.id).expect("reads"), None);
}

#[tokio::test]
async fn what_is_shared_is_as_its_view_has_it() {
    let (folder, store) = store();
    let all = |view: &ReadTx| -> Arc<Vec<Server>> { view.all().expect("reads") };
    let (web, mail) = (server("web"), server("mail"));
    let names = |servers: &[Server]| -> Vec<String> { servers.iter().map(|server| server.name.clone()).collect() };
    let put = async |record: &Server| {
        let record = record.clone();
        store.write(move |change| change.put(&record)).await.expect("writes");
    };
    let before = store.file.begin_read().expect("a view");
    put(&web).await;
    let one = store.file.begin_read().expect("a view");
    assert_eq!(names(&all(&one)), ["web"]);
    assert!(Arc::ptr_eq(&all(&one), &all(&store.file.begin_read().expect("a view"))), "decoded once");
    assert_eq!(names(&all(&before)), [""; 0]);
    put(&mail).await;
    let two = store.file.begin_read().expect("a view");
    assert_eq!((all(&two).len(), all(&one).len(), all(&before).len()), (2, 1, 0));
    assert!(Arc::ptr_eq(&all(&two), &all(&two)), "an older view does not take the newer one's place");
    put(&Server { name: "www".to_owned(), ..web.clone() }).await;
    drop((before, one, two));
    let refused = store.write(move |change| {
        change.remove::<Server>(mail.id.to_u64());
        Err::<(), _>(StoreError::Other("no".to_owned()))
    });
    refused.await.expect_err("is refused");
    let mut now = names(&store.read(|view| view.all::<Server>()).expect("reads"));
    now.sort();
    assert_eq!(now, ["mail", "www"]);
    let store = reopen(&folder, store).await;
    assert_eq!(store.read(|view| view.all::<Server>()).expect("reads").len(), 2);
}

#[tokio::test]
async fn a_refused_change_leaves_nothing() {
    let (_folder, store) = store();
    let web = server("web");
    let id = web.id;
    let refused = store
        .write(move |change| {
            change.put(&web)?;
            change.audit(entry("server.add"));
            Err::<(), _>(StoreError::Other("no".to_owned()))
        })
        .await;
    assert!(refused.is_err());
    assert_eq!(store.server(id).expect("reads"), None);
    assert_eq!(store.verify_audit().expect("reads").rows, 0);
}

#[tokio::test]
async fn a_panic_in_a_change_harms_no_other() {
    let (_folder, store) = store();
    let failed = store.write(|_| -> Result<(), StoreError> { panic!("on purpose") }).await;
    assert!(failed.is_err());
    let web = server("web");
    let id = web.id;
    store.write(move |change| change.put(&web)).await.expect("writes");
    assert!(store.server(id).expect("reads").is_some());
}

#[tokio::test]
async fn the_audit_trail_shows_tampering() {
    type Tampering = (u64, Option<fn(&mut Vec<u8>)>, &'static str);
    let cases: [Tampering; 3] = [
        (
            2,
            Some(|row| {
                let end = row.len() - 1;
                row[end] ^= 1;
            }),
            "row 2",
        ),
        (2, None, "row 2 is missing"),
        (3, None, "rows after 2 are missing"),
    ];
    for (seq, change, expected) in cases {
        let (folder, store) = store();
        for action in ["a.first", "b.second", "c.third"] {
            store
                .write(move |change| {
                    change.audit(entry(action));
                    Ok::<_, StoreError>(())
                })
                .await
                .expect("writes");
        }
        let store = reopen(&folder, store).await;
        let whole = store.verify_audit().expect("reads");
        assert_eq!((whole.rows, whole.broken), (3, None));
        store
            .file
            .commit(|transaction| {
                tamper(transaction, seq, change);
                Ok(())
            })
            .expect("writes");
        let broken = store.verify_audit().expect("reads").broken.expect("the tampering shows");
        assert!(broken.starts_with(expected), "{broken}");
    }
}

fn reported(server: &Server, agent: AgentId, number: u64, at_ms: u64) -> ReportedSamples {
    let schema = Arc::new(vec![SeriesKey::new(names::CPU, ""), SeriesKey::new(names::MEMORY_USED, "")]);
    let rows = vec![Row { at_ms, values: vec![i64::try_from(number).expect("small"), 7] }];
    ReportedSamples { server: server.id, agent, boot_id: 1, number, schema, rows }
}

#[tokio::test]
async fn samples_count_once_and_read_back_in_order() {
    let (folder, store) = store();
    let (web, agent) = (server("web"), AgentId::from_parts(NOW, 1));
    for number in 1..=300 {
        let group = vec![reported(&web, agent, number, NOW + number * 1_000)];
        store.commit_samples(group.clone()).await.expect("commits");
        store.commit_samples(group).await.expect("a repeated report is skipped");
    }
    let store = reopen(&folder, store).await;
    assert_eq!(store.acknowledged(agent, 1).expect("reads"), 300);
    assert_eq!(store.acknowledged(agent, 2).expect("reads"), 0, "another boot begins anew");
    let blocks = store.samples(web.id, NOW, u64::MAX).expect("reads");
    let times: Vec<u64> = blocks.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.at_ms)).collect();
    assert_eq!(times, (1..=300).map(|number| NOW + number * 1_000).collect::<Vec<_>>());
    assert!(blocks.len() < 10, "{} blocks", blocks.len());
    let part = store.samples(web.id, NOW + 10_000, NOW + 12_000).expect("reads");
    assert_eq!(part.iter().map(|(_, rows)| rows.len()).sum::<usize>(), 3);
    while store.delete_samples_before(u64::MAX).await.expect("deletes") {}
    assert!(store.samples(web.id, 0, u64::MAX).expect("reads").is_empty());
}

#[tokio::test]
async fn an_enrolment_works_once() {
    let (_folder, store) = store();
    let enrolment = Enrolment {
        id: EnrolmentId::from_parts(NOW, 1),
        server: "web".to_owned(),
        labels: std::collections::BTreeMap::new(),
        ssh: None,
        replaces: None,
        secret_hash: crypto::sha256_hex(b"secret"),
        created_at: NOW,
        expires_at: NOW + 1_000,
        used_at: None,
    };
    store.write(move |change| change.put(&enrolment)).await.expect("writes");
    let redemption = |secret: &[u8], now_ms| Redemption {
        secret_hash: crypto::sha256_hex(secret),
        agent: AgentId::from_parts(NOW, crypto::random_u32()),
        certificate_fingerprint: "ab".to_owned(),
        certificate_expires_at: NOW + 10_000,
        address: "127.0.0.1".to_owned(),
        now_ms,
    };
    assert!(matches!(store.redeem_enrolment(redemption(b"wrong", NOW)).await, Err(RedeemError::Refused)));
    assert!(matches!(store.redeem_enrolment(redemption(b"secret", NOW + 1_000)).await, Err(RedeemError::Refused)));
    let (server, agent) = store.redeem_enrolment(redemption(b"secret", NOW)).await.expect("is redeemed");
    assert_eq!((server.name.as_str(), server.agent), ("web", Some(agent.id)));
    assert!(matches!(store.redeem_enrolment(redemption(b"secret", NOW)).await, Err(RedeemError::Refused)));
    assert_eq!(store.verify_audit().expect("reads").rows, 1);
}

#[tokio::test]
async fn damage_and_misuse_are_named() {
    let (folder, store) = store();
    let path = folder.path().join("tomo.redb");
    let in_use = open(&path).expect_err("is in use").to_string();
    assert!(in_use.contains("in use"), "{in_use}");
    let there = Store::create(&path, &key(1)).expect_err("is there").to_string();
    assert!(there.contains("there already"), "{there}");
    store.shutdown().await;
    assert!(store.server(ServerId::from_u64(1)).is_err(), "closed");
    let whole = std::fs::read(&path).expect("reads");
    for kept in [0, 10, 4096, whole.len() / 2, whole.len() - 4096] {
        std::fs::write(&path, &whole[..kept]).expect("writes");
        let error = open(&path).expect_err("is damaged").to_string();
        assert!(error.contains("tomo.redb") && error.contains("damaged"), "{kept}: {error}");
    }
    std::fs::write(&path, b"hello, this is no store").expect("writes");
    assert!(open(&path).expect_err("is none").to_string().contains("damaged"));
    let missing = open(&folder.path().join("other.redb")).expect_err("is missing").to_string();
    assert!(missing.contains("tomo-daemon init"), "{missing}");
}

#[test]
fn the_first_encoding_stays_readable() {
    let bytes = b"\x01\x83\xa2id\xb0srv-000000000001\xa4name\xa3web\xaacreated_at\x07";
    let read: Server = codec::decode("servers", bytes).expect("decodes");
    assert_eq!((read.name.as_str(), read.created_at), ("web", 7));
    assert_eq!(codec::encode("servers", &read).expect("encodes"), bytes);
    assert!(
        codec::decode::<Server>("servers", b"\x02\x80").expect_err("is newer").to_string().contains("newer release")
    );
    assert!(codec::decode::<Server>("servers", b"").is_err());
}
