//! The daemon's own witness: a file beside the store, to which every signed head of the audit trail is appended after its commit. A store
//! that is wound back or written anew does not fit it.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;
use tomo_proto::wire::witness::AuditHead;

use crate::{
    crypto::SigningKey,
    store::{StoreError, file::io},
};

/// Name of the file, beside the store.
pub(super) const WITNESS: &str = "audit.witness";

/// The newest head, and the file that it goes to.
#[derive(Debug)]
pub(super) struct Heads {
    path: PathBuf,
    file: Mutex<fs::File>,
    newest: watch::Sender<AuditHead>,
}

impl Heads {
    /// Opens the witness beside a store whose trail ends with `head`, or begins it.
    pub(super) fn open(store: &Path, head: AuditHead, signer: &SigningKey) -> Result<Self, StoreError> {
        let path = store.with_file_name(WITNESS);
        let file = open(&path).map_err(|error| io(&path, &error))?;
        let mut known = read(&path)?;
        // A power cut may have left something else at the end.
        let written = known.len();
        while known.pop_if(|head| !signer.has_signed(&head.signed_bytes(), &head.signature)).is_some() {}
        if known.len() != written {
            file.set_len((known.len() * AuditHead::BYTES) as u64).map_err(|error| io(&path, &error))?;
        }
        if let Some(newer) = known.iter().rev().find(|known| known.life == head.life && known.seq > head.seq) {
            tracing::error!(
                rows = head.seq,
                witnessed = newer.seq,
                "rows of the audit trail are missing: the store was put back or cut; see `tomo audit verify`"
            );
        }
        let heads = Self { path, file: Mutex::new(file), newest: watch::Sender::new(head) };
        // A kill may have come between a commit and its witness.
        if known.last().is_none_or(|known| (known.seq, known.hash) != (head.seq, head.hash)) {
            heads.append(&head);
        }
        Ok(heads)
    }

    /// The newest head, whenever it moves.
    pub(super) fn subscribe(&self) -> watch::Receiver<AuditHead> {
        self.newest.subscribe()
    }

    /// The newest row that is signed for.
    pub(super) fn newest_row(&self) -> u64 {
        self.newest.borrow().seq
    }

    /// Notes how the trail ends after a commit.
    pub(super) fn note(&self, head: AuditHead) {
        if self.newest.send_if_modified(|newest| std::mem::replace(newest, head) != head) {
            self.append(&head);
        }
    }

    fn append(&self, head: &AuditHead) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(&head.to_bytes()) {
            // The commit stands; the next head says all that this one would have said.
            tracing::error!(%error, path = %self.path.display(), "a head of the audit trail cannot be witnessed here");
        }
    }

    /// Every head that was witnessed here, oldest first.
    pub(super) fn witnessed(&self) -> Result<Vec<AuditHead>, StoreError> {
        let _unchanged = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        read(&self.path)
    }
}

/// Opens a witness to append to it. What a crash has cut short at its end goes.
fn open(path: &Path) -> std::io::Result<fs::File> {
    let file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let length = file.metadata()?.len();
    let torn = length % AuditHead::BYTES as u64;
    if torn != 0 {
        file.set_len(length - torn)?;
    }
    Ok(file)
}

fn read(path: &Path) -> Result<Vec<AuditHead>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(AuditHead::read_all(&bytes).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(io(path, &error)),
    }
}

/// Appends a head to the witness beside a store that is not open, durably: before a change of the store that is certain to begin from it.
pub(super) fn witness(store: &Path, head: &AuditHead) -> Result<(), StoreError> {
    let path = store.with_file_name(WITNESS);
    let append = || {
        let mut file = open(&path)?;
        file.write_all(&head.to_bytes())?;
        file.sync_all()?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    append().map_err(|error| io(&path, &error))
}

/// The head that a store began from which was made in a folder of its own.
pub(super) fn first(store: &Path) -> Result<Option<AuditHead>, StoreError> {
    Ok(read(&store.with_file_name(WITNESS))?.first().copied())
}
