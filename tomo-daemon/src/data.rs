//! The data folder: what its files are called, and how a new store comes into it, whole or not at all.
//!
//! A store is made in a folder of its own inside the data folder, with whatever keys belong to it; then the keys are put in place, then the
//! store. Where the store is, everything is.

use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use crate::{crypto::write_private, store::Store};

/// The store's file.
pub const STORE: &str = "tomo.redb";
/// The data key in clear: there until a master password is set, and never in a backup.
pub const DATA_KEY: &str = "data.key";
/// The folder that a store is made in.
const MAKING: &str = "making";

/// Makes a data folder, if it is not there, and in it the folder that a store is made in. What a kill left of an earlier one goes.
///
/// # Errors
/// There is a store already, or the folder cannot be written.
pub fn begin(data: &Path) -> anyhow::Result<PathBuf> {
    let store = data.join(STORE);
    if store.exists() {
        bail!(
            "{} is there already: run it with `tomo-daemon run`, give another --data, or stop that daemon and move {} away",
            store.display(),
            data.display()
        );
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("cannot make {}", data.display()))?;
    clear(data)?;
    let making = data.join(MAKING);
    DirBuilder::new().mode(0o700).create(&making).with_context(|| format!("cannot make {}", making.display()))?;
    Ok(making)
}

/// Puts the store that was made, and is closed, in its place, after its keys.
///
/// # Errors
/// Names the file; there is no store then.
pub fn finish(data: &Path) -> anyhow::Result<()> {
    let (making, store) = (data.join(MAKING), data.join(STORE));
    for path in key_files(&making)? {
        write_private(&data.join(path.file_name().unwrap_or_default()), &fs::read(&path)?)?;
    }
    Store::witness_beginning(&making.join(STORE), &store)?;
    fs::rename(making.join(STORE), &store).with_context(|| format!("cannot write {}", store.display()))?;
    File::open(data)?.sync_all()?;
    clear(data)
}

/// Removes what a kill left of a store that was being made.
///
/// # Errors
/// Names the folder.
pub fn clear(data: &Path) -> anyhow::Result<()> {
    let making = data.join(MAKING);
    match fs::remove_dir_all(&making) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", making.display()))
        }
        _ => Ok(()),
    }
}

/// Keys and certificates of a data folder that go with its store, by name.
///
/// # Errors
/// The folder cannot be read.
pub fn key_files(data: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(data).with_context(|| format!("cannot read {}", data.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_key = [".pem", ".key"].iter().any(|end| name.ends_with(end)) && name != DATA_KEY;
        if is_key && entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
