//! Holding the audit trail against the heads that a witness has kept.

use tomo_proto::wire::witness::AuditHead;

use crate::{
    crypto::SigningKey,
    store::{ChainCheck, StoreError, audit, transaction::ReadTx},
};

/// What one witness's heads say about the trail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Testimony {
    /// Heads that fit the trail.
    pub fitting: usize,
    /// Heads of a time that a restored backup has taken back.
    pub taken_back: usize,
    /// Heads that this daemon never signed: the witness is damaged, is another daemon's, or lies.
    pub not_ours: usize,
    /// Newest row that a fitting head vouches for.
    pub newest_row: u64,
    /// The oldest head that this daemon signed and that does not fit.
    pub against: Option<Contradiction>,
}

/// A head that the trail does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contradiction {
    /// Place of the row.
    pub row: u64,
    /// When it was written (UTC ms).
    pub at_ms: u64,
    /// Whether there is no such row; otherwise there is another one.
    pub is_missing: bool,
}

pub(super) fn judge(
    view: &ReadTx,
    signer: &SigningKey,
    check: &ChainCheck,
    heads: &[AuditHead],
) -> Result<Testimony, StoreError> {
    let mut testimony = Testimony::default();
    for head in heads {
        if is_taken_back(check, head) {
            testimony.taken_back += 1;
            continue;
        }
        let is_known = head.life == 0 || check.lives.iter().any(|life| life.number == head.life);
        let here = audit::hash_at(view, head.seq)?;
        if is_known && here == Some(head.hash) {
            testimony.fitting += 1;
            testimony.newest_row = testimony.newest_row.max(head.seq);
        } else if !signer.has_signed(&head.signed_bytes(), &head.signature) {
            testimony.not_ours += 1;
        } else if testimony.against.is_none_or(|known| head.seq < known.row) {
            let is_missing = here.is_none();
            testimony.against = Some(Contradiction { row: head.seq, at_ms: head.at_ms, is_missing });
        }
    }
    Ok(testimony)
}

/// Whether a restored backup explains that the trail does not fit a head: one that follows the head's own life before its row; or, if the
/// trail knows nothing of that life, any that was restored later.
fn is_taken_back(check: &ChainCheck, head: &AuditHead) -> bool {
    let next = match check.lives.iter().position(|life| life.number == head.life) {
        Some(own) => check.lives.get(own + 1),
        None if head.life == 0 => check.lives.first(),
        None => return check.lives.iter().any(|life| life.at_ms >= head.at_ms),
    };
    next.is_some_and(|next| head.seq >= next.first_row)
}
