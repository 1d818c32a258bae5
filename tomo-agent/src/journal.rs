//! Deploys under way, on disk: one small file each, so that the next start of the agent can undo what a crash cut off.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

/// A folder of entries.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    folder: PathBuf,
}

/// A deploy under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Name of the app's container.
    pub(crate) container: String,
    /// Id of the container that ran under this name when the deploy began.
    pub(crate) replaces: Option<String>,
}

impl Journal {
    pub(crate) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, container: &str) -> PathBuf {
        self.folder.join(format!("{container}.json"))
    }

    /// Notes a deploy; durable once this returns.
    pub(crate) fn begin(&self, entry: &Entry) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let beside = self.folder.join(format!("{}.new", entry.container));
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&serde_json::to_vec(entry)?)?;
        file.sync_all()?;
        fs::rename(&beside, self.path(&entry.container))?;
        fs::File::open(&self.folder)?.sync_all()
    }

    /// Forgets a deploy that has ended, well or undone.
    pub(crate) fn end(&self, container: &str) {
        if let Err(error) = fs::remove_file(self.path(container))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, container, "an ended deploy cannot be taken out of the journal");
        }
    }

    /// Deploys that began and never ended. What cannot be read is left alone.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|file| file.path());
        let entries = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        entries.filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_is_there_until_it_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::new(folder.path().join("journal"));
        assert_eq!(journal.entries(), []);
        let entry = Entry { container: "tomo-web".to_owned(), replaces: Some("abc".to_owned()) };
        journal.begin(&Entry { replaces: None, ..entry.clone() }).expect("writes");
        journal.begin(&entry).expect("writes again");
        assert_eq!(journal.entries(), [entry]);
        fs::write(folder.path().join("journal/tomo-cut.json"), "{\"conta").expect("writes");
        journal.end("tomo-web");
        journal.end("tomo-web");
        assert_eq!(journal.entries(), []);
    }
}
