//! Heads of the daemon's audit trail, kept as a witness: what the daemon signed once it cannot take back. This side does not judge them;
//! it gives them back as they came.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tomo_proto::wire::witness::{AuditHead, MOST_HEADS};

/// Name of the file in the state folder.
const HEADS_FILE: &str = "audit.heads";

/// The file of heads: one behind the other, oldest first. It grows to twice as many as are kept before the older half goes.
#[derive(Debug)]
pub(super) struct Heads {
    path: PathBuf,
    newest: Mutex<Option<AuditHead>>,
}

impl Heads {
    pub(super) fn open(state: &Path) -> Self {
        let path = state.join(HEADS_FILE);
        let newest = AuditHead::read_all(&fs::read(&path).unwrap_or_default()).next_back();
        Self { path, newest: Mutex::new(newest) }
    }

    /// Keeps a head. One that goes back is kept as well, and said: the trail was cut off, or an older one was put in its place.
    pub(super) fn keep(&self, head: AuditHead) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = *newest {
            if (known.seq, known.hash) == (head.seq, head.hash) {
                return;
            }
            if head.life == known.life && head.seq <= known.seq {
                tracing::warn!(
                    from = known.seq,
                    to = head.seq,
                    "the daemon's audit trail went back: run `tomo audit verify` where it is managed"
                );
            }
        }
        if let Err(error) = self.append(&head) {
            tracing::warn!(%error, path = %self.path.display(), "a head of the audit trail cannot be kept");
            return;
        }
        *newest = Some(head);
    }

    /// The newest heads, oldest first.
    pub(super) fn all(&self) -> Vec<AuditHead> {
        let _unchanged = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let file = fs::read(&self.path).unwrap_or_default();
        let heads = AuditHead::read_all(&file);
        let old = heads.len().saturating_sub(MOST_HEADS);
        heads.skip(old).collect()
    }

    fn append(&self, head: &AuditHead) -> io::Result<()> {
        let mut file = fs::OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(&self.path)?;
        let length = file.metadata()?.len();
        // A crash may have cut the last one short.
        let whole = length - length % AuditHead::BYTES as u64;
        if whole != length {
            file.set_len(whole)?;
        }
        if whole < 2 * (MOST_HEADS * AuditHead::BYTES) as u64 {
            return file.write_all(&head.to_bytes());
        }
        let all = fs::read(&self.path)?;
        let kept = &all[all.len() - (MOST_HEADS - 1) * AuditHead::BYTES..];
        let beside = self.path.with_extension("new");
        let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&[kept, &head.to_bytes()].concat())?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(seq: u64) -> AuditHead {
        AuditHead { seq, hash: [u8::try_from(seq % 256).expect("fits"); 32], ..AuditHead::EMPTY }
    }

    #[test]
    fn the_newest_thousand_heads_are_kept_over_restarts_and_a_torn_one_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let heads = Heads::open(folder.path());
        assert_eq!(heads.all(), []);
        for seq in 1..=2_500 {
            heads.keep(head(seq));
            heads.keep(head(seq));
        }
        let kept = heads.all();
        assert_eq!((kept.len(), kept[0].seq, kept[MOST_HEADS - 1].seq), (MOST_HEADS, 1_501, 2_500));
        let path = folder.path().join(HEADS_FILE);
        assert!(fs::metadata(&path).expect("is there").len() <= 2 * (MOST_HEADS * AuditHead::BYTES) as u64);
        let mut file = fs::OpenOptions::new().append(true).open(&path).expect("opens");
        file.write_all(&[7; 50]).expect("writes");
        let heads = Heads::open(folder.path());
        heads.keep(head(2_500));
        // The daemon goes back: that is kept too.
        heads.keep(head(7));
        let kept = heads.all();
        assert_eq!((kept[MOST_HEADS - 2].seq, kept[MOST_HEADS - 1].seq), (2_500, 7));
    }
}
