//! The saved login of a profile: one file each, 0600, written beside its place and renamed into it.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

use anyhow::Context as _;
use tomo_proto::api::person::SavedLogin as Saved;

/// A folder below the person's own ones.
pub(crate) fn folder(variable: &str, fallback: &str) -> PathBuf {
    let given = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    given.unwrap_or_else(|| folder_of_home(fallback)).join("tomo")
}

/// Something below the person's home.
pub(crate) fn folder_of_home(path: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/".into())).join(path)
}

/// A path as somebody types it: `~/` stands for the home folder.
pub(crate) fn typed_path(path: &str) -> PathBuf {
    path.strip_prefix("~/").map_or_else(|| path.into(), folder_of_home)
}

fn path(profile: &str) -> PathBuf {
    folder("XDG_STATE_HOME", ".local/state").join(format!("login-{profile}.json"))
}

/// The saved login of a profile, if there is one that can be read.
pub(crate) fn saved(profile: &str) -> Option<Saved> {
    serde_json::from_slice(&fs::read(path(profile)).ok()?).ok()
}

pub(super) fn save(profile: &str, saved: &Saved) -> anyhow::Result<()> {
    let path = path(profile);
    let folder = path.parent().context("the state folder has no parent")?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let beside = path.with_extension("new");
    let body = serde_json::to_vec_pretty(saved)?;
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&body)?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

pub(super) fn forget(profile: &str) {
    // Nothing there is as good as removed.
    drop(fs::remove_file(path(profile)));
}

/// Held while a login is renewed, against other `tomo` processes. Without the lock renewing still works, once.
pub(super) fn lock(profile: &str) -> Option<fs::File> {
    let path = path(profile).with_extension("lock");
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).ok()?;
    file.lock().ok()?;
    Some(file)
}
