//! Stores of other releases: older ones open with everything in them, newer ones are refused and left as they are.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tomo_proto::{
    api::{
        app::AppList,
        audit::{AuditSearch, AuditVerify},
        backup::BackupList,
        overview::Overview,
        person::{ListSecrets, RotateVault, SecretText, UnlockVault},
        plan::PlanList,
        server::ServerList,
    },
    model::plan::PlanStatus,
};
use tomo_tests::{
    cli::run,
    daemon::{PASSWORD, TestDaemon},
    store_file::edit,
};

/// A data folder that the release before format 2 left: a server, an app on it, two plans, a sealed value, a backup.
pub(crate) const FORMAT_1: &str = "format-1.tar.gz";
/// The newest row in it, and that row's hash.
pub(crate) const NEWEST_ROW: u64 = 12;
const NEWEST_HASH: &str = "f0971166c58922a3b37223cb026b7bee6af460f80fe25e4dd95851866d9ab326";
/// What its vault opens with.
pub(crate) const MASTER: &str = "a master password of mine";

/// Where the copy of a store of format 1 lies.
pub(crate) fn copy_of(store: &Path) -> PathBuf {
    store.with_extension("before-format-2.redb")
}

/// Every file of a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("is there").flatten().filter(|entry| entry.path().is_file());
    entries.map(|entry| (entry.path(), fs::read(entry.path()).expect("can be read"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_format_1_opens_with_everything_in_it_and_is_kept_as_it_was() {
    let mut daemon = TestDaemon::golden(FORMAT_1).await;
    let store = daemon.data().join("tomo.redb");
    daemon.respawn().await;
    assert!(daemon.program().log().contains("another format now"), "{}", daemon.program().log());
    let admin = daemon.admin();
    let servers = admin.call(&ServerList::default()).await.expect("is told").servers;
    assert_eq!(servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["web-1"]);
    let apps = admin.call(&AppList::default()).await.expect("is told").apps;
    assert_eq!(
        apps.iter().map(|app| (app.name.as_str(), app.image.as_str())).collect::<Vec<_>>(),
        [("web", "tomo-golden:1")]
    );
    let plans = admin.call(&PlanList::default()).await.expect("is told").plans;
    assert!(plans.iter().any(|plan| plan.status == PlanStatus::Applied), "{plans:?}");
    assert_eq!(admin.call(&BackupList {}).await.expect("is told").backups.len(), 1);
    assert_eq!(admin.person(&ListSecrets {}).await.expect("is told").names, ["word"]);
    admin.person(&UnlockVault { password: SecretText::new(MASTER) }).await.expect("is unlocked");
    // Opens every value.
    admin.person(&RotateVault { password: SecretText::new(MASTER) }).await.expect("everything opens");
    daemon.login("admin").await;

    let rows = admin.call(&AuditSearch { limit: Some(500), ..AuditSearch::default() }).await.expect("is told").entries;
    let row = |seq| rows.iter().find(|row| row.seq == seq).expect("the row is there");
    assert_eq!(row(NEWEST_ROW).hash, NEWEST_HASH);
    let migrated = row(NEWEST_ROW + 1);
    assert_eq!((migrated.actor.as_str(), migrated.action.as_str()), ("daemon", "store.migrate"));
    assert!(migrated.details.contains("from format 1 to 2") && migrated.details.contains("before-format-2"));
    let verified = admin.call(&AuditVerify {}).await.expect("is told");
    assert_eq!(verified.broken, None, "{verified:?}");
    assert!(verified.witnesses[0].newest_row == verified.rows, "{verified:?}");

    daemon.halt().await;
    let copy = copy_of(&store);
    assert_eq!(fs::metadata(&copy).expect("is there").permissions().mode() & 0o777, 0o600);
    assert_eq!(edit(&copy, |file| (file.format(), file.last())), (1, NEWEST_ROW));
    assert_eq!(edit(&store, |file| file.format()), 2);
    // Once is enough.
    daemon.respawn().await;
    let rows = daemon.admin().call(&AuditSearch { limit: Some(500), ..AuditSearch::default() }).await.expect("is told");
    assert_eq!(rows.entries.iter().filter(|row| row.action == "store.migrate").count(), 1);
    daemon.halt().await;

    // The way back: the copy in the store's place is the old store, and what was done since is missed.
    fs::rename(&copy, &store).expect("can be moved");
    let again = run(daemon.command().arg("check"), "").await;
    assert!(again.code == Some(1) && again.stderr.contains("an older store was put back"), "{again:?}");
    assert_eq!(edit(&store, |file| (file.format(), file.last())), (2, NEWEST_ROW + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_a_newer_release_is_refused_by_name_and_not_touched() {
    let mut daemon = TestDaemon::spawn().await;
    daemon.halt().await;
    let store = daemon.data().join("tomo.redb");
    edit(&store, |file| file.set_format(3));
    fs::set_permissions(&store, fs::Permissions::from_mode(0o640)).expect("can be set");
    let before = files(&daemon.data());
    for (subcommand, input) in
        [(vec!["run"], ""), (vec!["check"], ""), (vec!["reset-password", "admin", "--password-stdin"], PASSWORD)]
    {
        let refused = run(daemon.command().args(&subcommand), input).await;
        assert_eq!(refused.code, Some(65), "{subcommand:?}: {refused:?}");
        for said in ["tomo.redb has format 3", "reads formats 1 to 2", "newer release", "tomo-daemon restore"] {
            assert!(refused.stderr.contains(said), "{subcommand:?} does not say \"{said}\": {refused:?}");
        }
    }
    assert!(files(&daemon.data()) == before, "a file was changed");
    assert_eq!(fs::metadata(&store).expect("is there").permissions().mode() & 0o777, 0o640);

    edit(&store, |file| file.set_format(0));
    let refused = run(daemon.command().arg("check"), "").await;
    assert!(refused.code == Some(65) && refused.stderr.contains("no format version"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_format_1_is_restored_as_a_store_of_this_release() {
    let mut daemon = TestDaemon::golden(FORMAT_1).await;
    let backup = daemon.folder().join("elsewhere.backup");
    fs::copy(daemon.data().join("backups/tomo-000001.backup"), &backup).expect("can be copied");
    fs::remove_dir_all(daemon.data()).expect("can be removed");
    let restored = run(daemon.command().arg("restore").arg(&backup).arg("--password-stdin"), MASTER).await.ok();
    assert!(restored.stdout.contains("backup 1 is restored"), "{restored:?}");
    daemon.respawn().await;
    let admin = daemon.admin();
    assert_eq!(admin.call(&Overview::default()).await.expect("is told").servers.total(), 1);
    let verified = admin.call(&AuditVerify {}).await.expect("is told");
    assert_eq!((verified.broken.as_deref(), verified.restored.len()), (None, 1), "{verified:?}");
    assert!(verified.restored[0].starts_with("backup 1 of 2026-11-27 "), "{verified:?}");
    let rows = admin.call(&AuditSearch { limit: Some(500), ..AuditSearch::default() }).await.expect("is told").entries;
    let actions: Vec<&str> = rows.iter().map(|row| row.action.as_str()).collect();
    assert!(actions.windows(2).any(|two| two == ["backup.restore", "store.migrate"]), "newest first: {actions:?}");
    daemon.stop().await;
}
