//! The audit trail before its witnesses: what a chain of hashes alone cannot show, and what a restored backup explains.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tomo_daemon::{services::Trail, store::Store, tls::signing_key};
use tomo_proto::{
    api::{
        audit::{AuditVerify, AuditVerifyAnswer},
        backup::{BackupCreate, BackupList},
        person::{InitVault, SecretText, SetSecret, UnlockVault},
        settings::SettingsSet,
    },
    model::settings::SettingChange,
    wire::witness::AuditHead,
};
use tomo_tests::{
    agent::TestAgent,
    cli::{Tomo, run},
    daemon::TestDaemon,
    eventually::eventually,
    http::Http,
    rounds::rounds,
    store_file::{Edit, edit},
};

const MASTER: &str = "a master password of mine";

async fn set_secrets(admin: &Http, names: &[&str]) {
    for name in names {
        let secret = SetSecret { name: (*name).to_owned(), value: SecretText::new("value") };
        admin.person(&secret).await.expect("is stored");
    }
}

/// Figures every second, so that heads are told as often.
async fn hasten(daemon: &TestDaemon) {
    let admin = daemon.admin();
    let change = SettingChange { name: "sample_interval_secs".to_owned(), value: "1".to_owned() };
    let plan = admin.call(&SettingsSet { changes: vec![change], reason: None }).await.expect("is planned");
    admin.carry_out(plan).await.expect("is set");
}

async fn verify(admin: &Http) -> AuditVerifyAnswer {
    admin.call(&AuditVerify {}).await.expect("an admin checks")
}

/// Waits until servers' agents vouch for the newest row.
async fn vouched_by(daemon: &TestDaemon, servers: &[&str]) -> AuditVerifyAnswer {
    let admin = daemon.admin();
    eventually("every agent vouches for every row", async || {
        let answer = verify(&admin).await;
        let vouches = |server: &&str| {
            answer.witnesses.iter().any(|known| known.witness == **server && known.newest_row == answer.rows)
        };
        servers.iter().all(vouches).then_some(answer)
    })
    .await
}

/// Waits until servers' agents were heard, and gives what does not fit.
async fn broken_by(daemon: &TestDaemon, servers: &[&str]) -> String {
    let admin = daemon.admin();
    eventually("every agent speaks against it", async || {
        let broken = verify(&admin).await.broken?;
        servers.iter().all(|server| broken.contains(server)).then_some(broken)
    })
    .await
}

/// The store and the daemon's own witness, to be put back.
struct Copy(Vec<(PathBuf, Vec<u8>)>);

impl Copy {
    fn of(data: &Path) -> Self {
        let paths = ["tomo.redb", "audit.witness"].map(|name| data.join(name));
        Self(paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("can be read"))).collect())
    }

    fn put_back(&self) {
        self.0.iter().for_each(|(path, bytes)| fs::write(path, bytes).expect("can be written"));
    }

    fn put_store_back(&self) {
        fs::write(&self.0[0].0, &self.0[0].1).expect("can be written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_store_put_back_or_a_trail_written_anew_is_named_by_whoever_witnessed_it() {
    let mut daemon = TestDaemon::spawn().await;
    hasten(&daemon).await;
    let one = TestAgent::synthetic(&daemon, "web-1").await;
    let two = TestAgent::spawn(&daemon, "web-2", "verbs = []\n").await;
    set_secrets(&daemon.admin(), &["a", "b", "c"]).await;
    let sound = vouched_by(&daemon, &["this daemon", "web-1", "web-2"]).await;
    assert_eq!((sound.broken, sound.restored.len(), sound.more_witnesses), (None, 0, 0));
    let tomo = Tomo::at_socket(&daemon);
    let told = tomo.run(["audit", "verify"]).await.ok().stdout;
    for said in ["rows verified", "witness this daemon: ", "witness web-1: ", "up to every row"] {
        assert!(told.contains(said), "{told}");
    }
    daemon.halt().await;
    let store = daemon.data().join("tomo.redb");
    let key = signing_key(&daemon.data()).expect("is there");
    let (old, old_rows) = (Copy::of(&daemon.data()), edit(&store, Edit::last));
    daemon.respawn().await;
    set_secrets(&daemon.admin(), &["d", "e", "f"]).await;
    vouched_by(&daemon, &["web-1", "web-2"]).await;
    daemon.halt().await;
    let new = Copy::of(&daemon.data());

    // The store alone: already the daemon's own witness remembers.
    old.put_store_back();
    let missing = format!("rows after {old_rows} are missing");
    let offline = run(daemon.command().arg("check"), "").await;
    assert!(offline.code == Some(1) && offline.stderr.contains(&missing), "{offline:?}");
    assert!(offline.stderr.contains("witnessed by this daemon"), "{offline:?}");
    daemon.respawn().await;
    assert!(daemon.program().log().contains("rows of the audit trail are missing"), "{}", daemon.program().log());
    let broken = broken_by(&daemon, &["this daemon", "web-1", "web-2"]).await;
    assert!(broken.starts_with(&missing), "{broken}");
    let online = tomo.run(["audit", "verify"]).await;
    assert!(online.code == Some(1) && online.stderr.contains(&missing), "{online:?}");
    daemon.halt().await;

    // Its witness too, and then it goes on in another way: the agents remember.
    old.put_back();
    drop(run(daemon.command().arg("check"), "").await.ok());
    daemon.respawn().await;
    set_secrets(&daemon.admin(), &["x", "y"]).await;
    vouched_by(&daemon, &["web-1", "web-2"]).await;
    let broken = broken_by(&daemon, &["web-1", "web-2"]).await;
    assert!(broken.contains("row ") && !broken.contains("this daemon"), "{broken}");
    daemon.halt().await;

    // The daemon's own root writes a row anew with all that follows, signs it, and begins the witness anew.
    new.put_back();
    edit(&store, |file| {
        let mut row = file.row(3);
        let who = row.windows(4).position(|part| part == b"root").expect("root did it");
        row[who..who + 4].copy_from_slice(b"ruth");
        file.put(3, &row);
        file.chain_anew(3, &key);
    });
    fs::remove_file(daemon.data().join("audit.witness")).expect("can be removed");
    let offline = run(daemon.command().arg("check"), "").await;
    assert!(offline.code == Some(1) && offline.stderr.contains("was removed or cut"), "{offline:?}");
    daemon.respawn().await;
    broken_by(&daemon, &["web-1", "web-2"]).await;
    daemon.halt().await;

    new.put_back();
    daemon.respawn().await;
    one.stop().await;
    eventually("one agent is away, the other one has seen both ways", async || {
        let answer = verify(&daemon.admin()).await;
        let web_1 = answer.witnesses.iter().find(|known| known.witness == "web-1")?;
        let is_away = web_1.problem.as_ref().is_some_and(|problem| problem.contains("not connected"));
        (is_away && answer.broken?.contains("web-2")).then_some(())
    })
    .await;
    two.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_explains_why_the_trail_went_back_and_nothing_else_does() {
    let mut daemon = TestDaemon::spawn().await;
    hasten(&daemon).await;
    let admin = daemon.admin();
    admin.person(&InitVault { password: SecretText::new(MASTER), discard: false }).await.expect("is set");
    let agent = TestAgent::synthetic(&daemon, "web-1").await;
    let operation = admin.call(&BackupCreate::default()).await.expect("is begun");
    admin.wait_for(operation).await.expect("ends");
    let file = admin.call(&BackupList {}).await.expect("is told").backups.remove(0).file;
    set_secrets(&admin, &["a", "b", "c", "d"]).await;
    vouched_by(&daemon, &["web-1"]).await;
    daemon.halt().await;
    let before = Copy::of(&daemon.data());
    let backup = daemon.folder().join("elsewhere.backup");
    fs::copy(file, &backup).expect("can be copied");
    fs::remove_dir_all(daemon.data()).expect("can be removed");
    let restored = run(daemon.command().arg("restore").arg(&backup).arg("--password-stdin"), MASTER).await;
    drop(restored.ok());
    daemon.respawn().await;
    let admin = daemon.admin();
    admin.person(&UnlockVault { password: SecretText::new(MASTER) }).await.expect("is unlocked");
    set_secrets(&admin, &["e", "f", "g", "h", "i", "j"]).await;
    let answer = vouched_by(&daemon, &["this daemon", "web-1"]).await;
    assert_eq!((answer.broken.as_deref(), answer.restored.len()), (None, 1), "{answer:?}");
    let web_1 = answer.witnesses.iter().find(|known| known.witness == "web-1").expect("was asked");
    assert!(web_1.taken_back > 0 && web_1.problem.is_none(), "{web_1:?}");
    let told = Tomo::at_socket(&daemon).run(["audit", "verify"]).await.ok().stdout;
    assert!(told.contains("backup 1 of 20") && told.contains("before a restored backup"), "{told}");
    daemon.halt().await;
    let store = daemon.data().join("tomo.redb");
    let (after, key) = (Copy::of(&daemon.data()), signing_key(&daemon.data()).expect("is there"));

    // The life after the restored backup is as safe as the one before.
    edit(&store, |file| {
        let last = file.last();
        file.remove(last);
        file.remove(last - 1);
        file.chain_anew(last - 3, &key);
    });
    fs::write(daemon.data().join("audit.witness"), []).expect("can be written");
    daemon.respawn().await;
    let broken = broken_by(&daemon, &["web-1"]).await;
    assert!(broken.contains("are missing"), "{broken}");
    daemon.halt().await;

    // The store of before, put back without a word, does not know of the life that the agent has seen.
    after.put_back();
    before.put_back();
    daemon.respawn().await;
    broken_by(&daemon, &["web-1"]).await;
    agent.stop().await;
    daemon.stop().await;
}

/// Numbers that look like chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    /// From 0 to below a bound.
    fn below(&mut self, bound: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_the_trail_by_whoever_has_the_daemons_key_is_found() {
    let mut daemon = TestDaemon::spawn().await;
    hasten(&daemon).await;
    let agent = TestAgent::synthetic(&daemon, "web-1").await;
    let store = daemon.data().join("tomo.redb");
    let mut older = Vec::new();
    for part in 0..4 {
        let names: Vec<String> = (0..8).map(|number| format!("s-{part}-{number}")).collect();
        set_secrets(&daemon.admin(), &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        if part == 3 {
            vouched_by(&daemon, &["web-1"]).await;
        }
        daemon.halt().await;
        older.push(fs::read(&store).expect("can be read"));
        if part < 3 {
            daemon.respawn().await;
        }
    }
    let good = older.pop().expect("the newest");
    let own = fs::read(daemon.data().join("audit.witness")).expect("can be read");
    let kept = fs::read(agent.state().join("audit.heads")).expect("the agent keeps heads");
    let kept: Vec<AuditHead> = AuditHead::read_all(&kept).collect();
    agent.stop().await;
    let key = signing_key(&daemon.data()).expect("is there");

    let folder = tempfile::tempdir().expect("a folder can be made");
    let (copy, witness) = (folder.path().join("tomo.redb"), folder.path().join("audit.witness"));
    let broken = async || {
        let opened = Store::open(&copy, &key, 0).expect("the file itself is whole");
        let trail = Trail::check(&opened).expect("can be checked");
        let agent = trail.hear("web-1", &opened, &kept).expect("can be heard");
        let broken = trail.broken(&[agent]);
        opened.shutdown().await;
        broken
    };
    let rows = {
        fs::write(&copy, &good).expect("can be written");
        fs::write(&witness, &own).expect("can be written");
        assert_eq!(broken().await, None, "nothing was done to it");
        edit(&copy, Edit::last)
    };
    let mut chance = Chance(1);
    for round in 0..rounds(200) {
        let kind = chance.below(11);
        let (row, other) = (1 + chance.below(rows), 1 + chance.below(rows));
        let place = usize::try_from(chance.below(1_000)).expect("small");
        fs::write(&copy, &good).expect("can be written");
        let change_a_byte = |file: &Edit, from: usize, to: usize| {
            let mut bytes = file.row(row);
            let at = from + place % (to.min(bytes.len()) - from);
            bytes[at] ^= 1 + u8::try_from(place % 255).expect("fits");
            file.put(row, &bytes);
        };
        match kind {
            0 => edit(&copy, |file| change_a_byte(file, 32, usize::MAX)),
            1 => edit(&copy, |file| change_a_byte(file, 0, 32)),
            2 => edit(&copy, |file| file.remove(row)),
            3 => edit(&copy, |file| {
                let other = if other == row { row % rows + 1 } else { other };
                let (one, two) = (file.row(row), file.row(other));
                file.put(row, &two);
                file.put(other, &one);
            }),
            4 => edit(&copy, |file| (row..=rows).for_each(|row| file.remove(row))),
            5 => edit(&copy, |file| file.put(rows + 1, &file.row(row))),
            6 => edit(&copy, |file| file.set_head(&kept[place % kept.len()].to_bytes()[..place % 120])),
            // From here on with the daemon's key: the chain fits, and its head is signed.
            7 => edit(&copy, |file| {
                (row..=rows).for_each(|row| file.remove(row));
                file.chain_anew(row, &key);
            }),
            8 => edit(&copy, |file| {
                // A time or a text in it that still decodes, or does not.
                change_a_byte(file, 33, usize::MAX);
                file.chain_anew(row, &key);
            }),
            9 => edit(&copy, |file| {
                change_a_byte(file, 33, usize::MAX);
                file.chain_anew(1, &key);
            }),
            _ => fs::write(&copy, &older[place % older.len()]).expect("can be written"),
        }
        // Whoever has the key can begin the daemon's own witness anew, too.
        let first = AuditHead { signature: key.sign(&AuditHead::EMPTY.signed_bytes()), ..AuditHead::EMPTY };
        let own = if chance.below(2) == 0 { own.clone() } else { first.to_bytes().to_vec() };
        fs::write(&witness, own).expect("can be written");
        if kind == 6 {
            // A head that is none: the store says so itself, and does not open.
            let opened = Store::open(&copy, &key, 0);
            assert!(opened.is_err_and(|error| error.to_string().contains("head is damaged")), "round {round}");
            continue;
        }
        let found = broken().await;
        assert!(
            found.as_ref().is_some_and(|found| found.contains("row")),
            "round {round}, kind {kind}, row {row}: {found:?}"
        );
    }
    daemon.stop().await;
}
