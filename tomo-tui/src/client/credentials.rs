//! The saved login of a profile: one file each, 0600, written beside its place and renamed into it.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
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

/// Where this program keeps what it has come to know.
pub(crate) fn state_folder() -> PathBuf {
    folder("XDG_STATE_HOME", ".local/state")
}

fn path(profile: &str) -> PathBuf {
    state_folder().join(format!("login-{profile}.json"))
}

/// The saved login of a profile, if there is one that can be read.
pub(crate) fn saved(profile: &str) -> Option<Saved> {
    serde_json::from_slice(&fs::read(path(profile)).ok()?).ok()
}

/// A saved login, without what it signs in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) username: String,
}

/// All saved logins that can be read, by name.
pub(crate) fn profiles() -> Vec<Profile> {
    let files = fs::read_dir(state_folder()).into_iter().flatten().flatten();
    let names = files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        Some(name.strip_prefix("login-")?.strip_suffix(".json")?.to_owned())
    });
    let known = names.filter_map(|name| {
        let Saved { url, username, .. } = saved(&name)?;
        Some(Profile { name, url, username })
    });
    let mut profiles: Vec<_> = known.collect();
    profiles.sort_by(|one, other| one.name.cmp(&other.name));
    profiles
}

pub(super) fn save(profile: &str, saved: &Saved) -> anyhow::Result<()> {
    write_own(&path(profile), &serde_json::to_vec_pretty(saved)?)
}

/// Writes a file that its owner alone can read, whole or not at all.
pub(crate) fn write_own(path: &Path, body: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("the state folder has no parent")?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let beside = path.with_extension("new");
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(body)?;
        file.sync_all()?;
        fs::rename(&beside, path)
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
