//! What a profile's dashboard looked like when it was left: the view, and each list's filter and order.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{client, dashboard::list::Arrangement};

/// What is remembered of a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Memory {
    /// The daemon it was seen at: what another one has is something else.
    pub(crate) daemon: String,
    /// Name of the view, and of what it shows.
    pub(crate) view: String,
    pub(crate) of: Option<String>,
    /// By name of the view.
    pub(crate) lists: BTreeMap<String, Arrangement>,
}

fn path(profile: &str) -> PathBuf {
    client::state_folder().join(format!("view-{profile}.json"))
}

/// What was kept of a profile at a daemon; nothing of another daemon.
///
/// # Errors
/// It cannot be read; says so. Then it counts for nothing, and is written anew.
pub(crate) fn load(profile: &str, daemon: &str) -> Result<Memory, String> {
    let path = path(profile);
    let read = || -> anyhow::Result<Option<Memory>> {
        match fs::read(&path) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    match read() {
        Ok(memory) => Ok(memory.filter(|memory| memory.daemon == daemon).unwrap_or_default()),
        Err(error) => Err(format!("{} is ignored, and written anew: {error}", path.display())),
    }
}

/// Keeps it for the next time.
///
/// # Errors
/// It cannot be written.
pub(crate) fn save(profile: &str, memory: &Memory) -> anyhow::Result<()> {
    client::write_own(&path(profile), &serde_json::to_vec_pretty(memory)?)
}
