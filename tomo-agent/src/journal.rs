//! Changes that this agent was sent, on disk: one small file each. What a crash cut off is finished or undone at the next start, and
//! the outcome waits for a daemon that missed it. No secret is ever in here.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tomo_proto::{
    id::CommandId,
    wire::command::{Command, Outcome},
};

use crate::commands::{OpenTerminal, Scratch, Swap};

/// Ended changes that are kept, the newest.
const ENDED: usize = 256;

/// A folder of entries. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    folder: PathBuf,
}

/// A change, under way or ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) command: CommandId,
    /// When it was begun (UTC ms).
    pub(crate) begun_at: u64,
    /// What was asked for; a deploy, which may carry secrets, tells in `swap` what matters.
    pub(crate) change: Option<Command>,
    /// What a deploy has changed; as long as it stands here, it has to be finished or undone.
    pub(crate) swap: Option<Swap>,
    /// What was made or stopped for it; as long as it stands here, it has to be taken away, or started again.
    #[serde(default)]
    pub(crate) scratch: Option<Scratch>,
    /// How it ended.
    pub(crate) outcome: Option<Outcome>,
}

impl Entry {
    /// Whether something of it still has to be seen to.
    pub(crate) const fn is_left(&self) -> bool {
        self.swap.is_some() || self.scratch.is_some()
    }

    /// What it works on, as far as something of it still has to be seen to.
    pub(crate) fn left_of(&self) -> &[String] {
        let swap = self.swap.as_ref().map(|swap| std::slice::from_ref(&swap.container));
        swap.or_else(|| self.scratch.as_ref().map(|scratch| &*scratch.subjects)).unwrap_or_default()
    }
}

/// A replaced container that waits, stopped, to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Name of the app's container.
    pub(crate) container: String,
    /// Id of the replaced one.
    pub(crate) id: String,
    /// When it is removed (UTC ms).
    pub(crate) until_ms: u64,
}

impl Journal {
    pub(crate) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn kept_folder(&self) -> PathBuf {
        self.folder.join("kept")
    }

    fn terminals_folder(&self) -> PathBuf {
        self.folder.join("terminals")
    }

    /// Notes a terminal that is about to be opened; durable once this returns.
    pub(crate) fn open_terminal(&self, terminal: &OpenTerminal) -> io::Result<()> {
        write(&self.terminals_folder(), &terminal.command.to_string(), terminal)
    }

    /// The terminals that are open, or were when this was cut off.
    pub(crate) fn terminals(&self) -> Vec<OpenTerminal> {
        read(&self.terminals_folder())
    }

    /// Forgets a terminal that has ended.
    pub(crate) fn close_terminal(&self, command: CommandId) {
        remove(&self.terminals_folder(), &command.to_string());
    }

    /// Notes how far a change is; durable once this returns.
    pub(crate) fn write(&self, entry: &Entry) -> io::Result<()> {
        write(&self.folder, &entry.command.to_string(), entry)
    }

    /// Notes how a change ended, and forgets the oldest of those that have.
    pub(crate) fn end(&self, entry: &Entry) {
        if let Err(error) = self.write(entry) {
            tracing::error!(%error, command = %entry.command, "the end of a change cannot be noted in the journal");
        }
        let mut ended = self.entries();
        ended.retain(|entry| entry.outcome.is_some() && !entry.is_left());
        for old in ended.iter().rev().skip(ENDED) {
            remove(&self.folder, &old.command.to_string());
        }
    }

    /// Every change that is known, oldest first. What cannot be read is left alone.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = read(&self.folder);
        entries.sort_by_key(|entry| entry.command);
        entries
    }

    /// One change, if it is known.
    pub(crate) fn entry(&self, command: CommandId) -> Option<Entry> {
        serde_json::from_slice(&fs::read(self.folder.join(format!("{command}.json"))).ok()?).ok()
    }

    /// Notes a container that is kept; durable once this returns.
    pub(crate) fn keep(&self, kept: &Kept) -> io::Result<()> {
        write(&self.kept_folder(), &kept.container, kept)
    }

    /// The containers that are kept.
    pub(crate) fn kept(&self) -> Vec<Kept> {
        read(&self.kept_folder())
    }

    /// Forgets a kept container.
    pub(crate) fn forget(&self, container: &str) {
        remove(&self.kept_folder(), container);
    }
}

fn write(folder: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let beside = folder.join(format!("{name}.new"));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    fs::rename(&beside, folder.join(format!("{name}.json")))?;
    fs::File::open(folder)?.sync_all()
}

fn remove(folder: &Path, name: &str) {
    if let Err(error) = fs::remove_file(folder.join(format!("{name}.json")))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, name, "an entry cannot be taken out of the journal");
    }
}

fn read<T: DeserializeOwned>(folder: &Path) -> Vec<T> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let entries = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    entries.filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, outcome: Option<Outcome>) -> Entry {
        Entry { command: CommandId::from_u64(number), begun_at: 0, change: None, swap: None, scratch: None, outcome }
    }

    #[test]
    fn what_was_noted_last_is_read_and_what_is_cut_off_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::new(folder.path().join("journal"));
        assert_eq!((journal.entries(), journal.kept()), (Vec::new(), Vec::new()));
        journal.write(&entry(2, None)).expect("writes");
        journal.write(&entry(1, None)).expect("writes");
        journal.write(&entry(2, Some(Outcome::done()))).expect("writes again");
        fs::write(folder.path().join("journal/cmd-cut.json"), "{\"comma").expect("writes");
        assert_eq!(journal.entries(), [entry(1, None), entry(2, Some(Outcome::done()))]);
        let kept = Kept { container: "tomo-web".to_owned(), id: "abc".to_owned(), until_ms: 5 };
        journal.keep(&kept).expect("writes");
        assert_eq!(journal.kept(), [kept]);
        journal.forget("tomo-web");
        journal.forget("tomo-web");
        assert_eq!((journal.kept().len(), journal.entries().len()), (0, 2));
        let terminal =
            OpenTerminal { command: CommandId::from_u64(3), program: "abc".to_owned(), container: "c1".to_owned() };
        journal.open_terminal(&terminal).expect("writes");
        assert_eq!(journal.terminals(), std::slice::from_ref(&terminal));
        journal.close_terminal(terminal.command);
        assert_eq!((journal.terminals().len(), journal.entries().len()), (0, 2));
    }

    #[test]
    fn the_newest_that_ended_are_kept_and_every_one_that_has_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::new(folder.path().to_owned());
        journal.write(&entry(0, None)).expect("writes");
        let last = u64::try_from(ENDED).expect("fits") + 3;
        for number in 1..=last {
            journal.end(&entry(number, Some(Outcome::done())));
        }
        let numbers: Vec<u64> = journal.entries().iter().map(|entry| entry.command.to_u64()).collect();
        assert_eq!(numbers.len(), ENDED + 1);
        assert_eq!((numbers[0], numbers[1], numbers.last()), (0, 4, Some(&last)));
    }
}
