//! Kills at every moment while a store is made, restored, or taken to another format: what is there afterwards is the old or the new one.

use std::{fs, path::Path};

use tokio::process::Command;
use tomo_tests::{
    cli::run,
    daemon::{PASSWORD, TestDaemon},
    killer::killed_at,
    store_file::edit,
};

use crate::migration::{FORMAT_1, MASTER, NEWEST_ROW, copy_of};

/// Kills a command at one moment after the other, until it makes no more calls. How often it was killed.
async fn kill_at_each_moment(
    step: usize,
    mut prepare: impl FnMut(),
    command: impl Fn() -> Command,
    input: &str,
    mut look: impl AsyncFnMut(usize),
) -> usize {
    for (kills, moment) in (0..).zip((1..).step_by(step)) {
        prepare();
        let killed = run(&mut killed_at(moment, &command()), input).await;
        if killed.code.is_some() {
            drop(killed.ok());
            return kills;
        }
        look(moment).await;
    }
    unreachable!("a command makes so many calls and no more")
}

fn empty(folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).expect("can be removed");
    }
}

/// That a data folder holds a whole store, or none; and that the next start leaves nothing else behind.
async fn is_whole(daemon: &TestDaemon, moment: usize) -> bool {
    if !daemon.data().join("tomo.redb").exists() {
        return false;
    }
    let checked = run(daemon.command().arg("check"), "").await;
    assert_eq!(checked.code, Some(0), "killed at {moment}: {checked:?}");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_a_store_is_made_leaves_none_or_a_whole_one() {
    let daemon = TestDaemon::golden(FORMAT_1).await;
    let init = || {
        let mut command = daemon.command();
        command.args(["init", "--password-stdin"]);
        command
    };
    let (mut none, mut whole) = (0, 0);
    let kills = kill_at_each_moment(
        1,
        || empty(&daemon.data()),
        init,
        PASSWORD,
        async |moment| {
            if is_whole(&daemon, moment).await {
                whole += 1;
                // The admin came with it.
                let reset = run(daemon.command().args(["reset-password", "admin", "--password-stdin"]), PASSWORD).await;
                assert_eq!(reset.code, Some(0), "killed at {moment}: {reset:?}");
            } else {
                none += 1;
                let again = run(&mut init(), PASSWORD).await;
                assert_eq!(again.code, Some(0), "killed at {moment}: {again:?}");
                assert!(
                    is_whole(&daemon, moment).await && !daemon.data().join("making").exists(),
                    "killed at {moment}"
                );
            }
        },
    )
    .await;
    assert!(kills == none + whole && none > 3, "{kills} kills: {none} left none, {whole} a whole one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_a_store_is_migrated_leaves_the_old_or_the_new_one() {
    let daemon = TestDaemon::golden(FORMAT_1).await;
    let store = daemon.data().join("tomo.redb");
    let golden = fs::read(&store).expect("can be read");
    let (mut old, mut new) = (0, 0);
    let check = || {
        let mut command = daemon.command();
        command.arg("check");
        command
    };
    let kills = kill_at_each_moment(
        1,
        || {
            drop(fs::remove_file(copy_of(&store)));
            drop(fs::remove_file(store.with_file_name("audit.witness")));
            fs::write(&store, &golden).expect("can be written");
        },
        check,
        "",
        async |moment| {
            if copy_of(&store).exists() {
                let copied = edit(&copy_of(&store), |file| (file.format(), file.last()));
                assert_eq!(copied, (1, NEWEST_ROW), "killed at {moment}");
            }
            match edit(&store, |file| (file.format(), file.last())) {
                (1, NEWEST_ROW) => old += 1,
                (2, last) if last == NEWEST_ROW + 1 => {
                    new += 1;
                    assert!(copy_of(&store).exists(), "killed at {moment}");
                }
                between => panic!("killed at {moment}: {between:?}"),
            }
            assert!(is_whole(&daemon, moment).await);
            assert_eq!(edit(&store, |file| (file.format(), file.last())), (2, NEWEST_ROW + 1), "killed at {moment}");
        },
    )
    .await;
    assert!(kills == old + new && old > 3 && new > 0, "{kills} kills: {old} left the old one, {new} the new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_a_backup_is_restored_leaves_no_store_or_the_restored_one() {
    let daemon = TestDaemon::golden(FORMAT_1).await;
    let backup = daemon.folder().join("elsewhere.backup");
    fs::copy(daemon.data().join("backups/tomo-000001.backup"), &backup).expect("can be copied");
    let restore = || {
        let mut command = daemon.command();
        command.arg("restore").arg(&backup).arg("--password-stdin");
        command
    };
    let (mut none, mut whole) = (0, 0);
    // Each derives a key of the password, which takes a while.
    let step = if std::env::var_os("TOMO_TEST_ROUNDS").is_some() { 1 } else { 3 };
    let kills = kill_at_each_moment(
        step,
        || empty(&daemon.data()),
        restore,
        MASTER,
        async |moment| {
            if is_whole(&daemon, moment).await {
                whole += 1;
            } else {
                none += 1;
                let again = run(&mut restore(), MASTER).await;
                assert_eq!(again.code, Some(0), "killed at {moment}: {again:?}");
                assert!(is_whole(&daemon, moment).await, "killed at {moment}");
            }
        },
    )
    .await;
    assert!(kills == none + whole && none > 3, "{kills} kills: {none} left none, {whole} a whole one");
}
