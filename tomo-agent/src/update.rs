//! An update of this agent on its way from the link, which takes it from the daemon, to root, who puts it in place: one file that
//! is handed over, and two records of root's that the link reads.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tomo_proto::{id::CommandId, wire::command::Outcome};

/// Longest head of a hand-over.
const HEAD_BYTES: u64 = 2_048;
/// Longest record.
const RECORD_BYTES: u64 = 64 * 1024;

/// Where an update lies. The first folder is the link's, the second root's.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    state: PathBuf,
    records: PathBuf,
}

/// First line of a hand-over, as JSON; the program follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// What the daemon knows the update by.
    pub(crate) command: CommandId,
    /// The signed release.
    pub(crate) release: String,
}

/// How an update ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) command: CommandId,
    pub(crate) outcome: Outcome,
}

/// What is known of an update.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Known {
    /// Nothing.
    New,
    /// It was handed over.
    UnderWay,
    /// How it ended.
    Ended(Outcome),
}

impl Places {
    /// The places of the agent with this state folder: root's lies beside it.
    pub(crate) fn of(state: &Path) -> Self {
        let mut records = state.as_os_str().to_owned();
        records.push("-update");
        Self { state: state.to_owned(), records: PathBuf::from(records) }
    }

    /// What is not complete yet.
    pub(crate) fn part(&self) -> PathBuf {
        self.state.join("update.part")
    }

    /// What waits for root.
    pub(crate) fn handed(&self) -> PathBuf {
        self.state.join("update")
    }

    fn journal(&self) -> PathBuf {
        self.records.join("journal.json")
    }

    fn outcome(&self) -> PathBuf {
        self.records.join("outcome.json")
    }

    /// What is known of a command, from both sides.
    pub(crate) fn known(&self, command: CommandId) -> Known {
        if let Some(outcome) = self.ended(command) {
            return Known::Ended(outcome);
        }
        let handed = self.open().ok().map(|(head, _)| head);
        let under_way = self.under_way().into_iter().chain(handed).any(|head| head.command == command);
        if under_way { Known::UnderWay } else { Known::New }
    }

    /// How a command ended, if it was the newest.
    pub(crate) fn ended(&self, command: CommandId) -> Option<Outcome> {
        let ended = read::<Ended>(&self.outcome()).filter(|ended| ended.command == command)?;
        Some(ended.outcome)
    }

    /// What root has begun and not ended.
    pub(crate) fn under_way(&self) -> Option<Head> {
        read(&self.journal())
    }

    /// Notes what root begins; durable once this returns.
    pub(crate) fn begin(&self, head: &Head) -> io::Result<()> {
        write(&self.journal(), head)
    }

    /// Writes down how it ends; durable once this returns.
    pub(crate) fn decide(&self, ended: &Ended) -> io::Result<()> {
        write(&self.outcome(), ended)
    }

    /// Forgets what has ended.
    pub(crate) fn forget(&self) -> io::Result<()> {
        fs::remove_file(self.journal())
    }

    /// Opens what was handed over: the head, and a file that stands at the program. Links are not followed.
    pub(crate) fn open(&self) -> io::Result<(Head, File)> {
        // Not to wait for anybody if it is a pipe.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let mut file = fs::OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(self.handed())?;
        let other = |what: &str| io::Error::other(format!("what was handed over {what}"));
        if !file.metadata()?.is_file() {
            return Err(other("is no file"));
        }
        let mut head = Vec::new();
        (&mut file).take(HEAD_BYTES).read_to_end(&mut head)?;
        if let Some(end) = head.iter().position(|byte| *byte == b'\n') {
            let read = serde_json::from_slice(&head[..end]).map_err(|_| other("has no head"))?;
            file.seek(SeekFrom::Start(u64::try_from(end).unwrap_or(u64::MAX).saturating_add(1)))?;
            return Ok((read, file));
        }
        Err(other("has no head"))
    }
}

impl Head {
    /// As it stands in front of the program.
    pub(crate) fn line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// What cannot be read is not there.
fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(RECORD_BYTES).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn write<T: Serialize>(path: &Path, record: &T) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&beside)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn places() -> (tempfile::TempDir, Places) {
        let folder = tempfile::tempdir().expect("a folder");
        let places = Places::of(&folder.path().join("state"));
        for made in [&places.state, &places.records] {
            fs::create_dir(made).expect("makes a folder");
        }
        (folder, places)
    }

    fn head(command: u64) -> Head {
        Head { command: CommandId::from_u64(command), release: "tomo-release 1\n".to_owned() }
    }

    #[test]
    fn an_update_is_new_under_way_and_ended() {
        let (_folder, places) = places();
        let command = head(1).command;
        assert_eq!(places.known(command), Known::New);
        fs::write(places.handed(), [head(1).line().expect("a line"), b"program".to_vec()].concat()).expect("writes");
        assert_eq!(places.known(command), Known::UnderWay);
        let (read, mut file) = places.open().expect("opens");
        let mut program = String::new();
        file.read_to_string(&mut program).expect("reads");
        assert_eq!((read, program.as_str()), (head(1), "program"));
        places.begin(&head(1)).expect("writes");
        fs::remove_file(places.handed()).expect("removes");
        assert_eq!((places.known(command), places.known(head(2).command)), (Known::UnderWay, Known::New));
        places.decide(&Ended { command, outcome: Outcome::done() }).expect("writes");
        places.forget().expect("removes");
        assert_eq!(places.known(command), Known::Ended(Outcome::done()));
        assert_eq!((places.known(head(2).command), places.under_way()), (Known::New, None));
    }

    #[test]
    fn what_is_no_hand_over_is_not_opened() {
        let (folder, places) = places();
        let secret = folder.path().join("secret");
        fs::write(&secret, head(1).line().expect("a line")).expect("writes");
        symlink(&secret, places.handed()).expect("makes a link");
        assert!(places.open().is_err(), "a link is not followed");
        fs::remove_file(places.handed()).expect("removes");
        fs::create_dir(places.handed()).expect("makes a folder");
        assert!(places.open().is_err(), "a folder is none");
        fs::remove_dir(places.handed()).expect("removes");
        for bad in [&b""[..], b"\n", b"{}\n", b"{\"command\":\"cmd", &[0; 10_000], &[b'x'; 10_000], &[0xff, b'\n']] {
            fs::write(places.handed(), bad).expect("writes");
            assert!(places.open().is_err(), "{bad:?}");
            assert_eq!(places.known(head(1).command), Known::New);
        }
    }
}
