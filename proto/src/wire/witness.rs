//! Heads of the audit trail: what the daemon signs with each commit, and what witnesses outside of its store keep.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Most heads that an agent keeps: the newest.
pub const MOST_HEADS: usize = 1_000;

/// How the trail ended at one moment, signed by the daemon with the key of its CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// Place of the newest row; 0 before the first.
    pub seq: u64,
    /// When that row was written (UTC ms).
    pub at_ms: u64,
    /// Which of its lives the trail was in: another one after each restored backup, 0 before the first.
    pub life: u64,
    /// SHA-256 of the newest row and all before it.
    pub hash: [u8; 32],
    /// Ed25519 over [`Self::signed_bytes`].
    pub signature: [u8; 64],
}

impl AuditHead {
    /// Bytes of a head, wherever it is sent or kept.
    pub const BYTES: usize = 120;

    /// What the signature is over: nothing else that this key signs begins like it.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        [b"tomo/audit-head/1".as_slice(), &self.to_bytes()[..56]].concat()
    }

    /// The head as bytes: numbers big-endian, in the order of the fields.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.seq.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.at_ms.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.life.to_be_bytes());
        bytes[24..56].copy_from_slice(&self.hash);
        bytes[56..].copy_from_slice(&self.signature);
        bytes
    }

    /// Reads what [`Self::to_bytes`] made; `None` if the length is another. Whether the signature is good is not looked at.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seq, rest) = bytes.split_first_chunk()?;
        let (at_ms, rest) = rest.split_first_chunk()?;
        let (life, rest) = rest.split_first_chunk()?;
        let (hash, signature) = rest.split_first_chunk()?;
        Some(Self {
            seq: u64::from_be_bytes(*seq),
            at_ms: u64::from_be_bytes(*at_ms),
            life: u64::from_be_bytes(*life),
            hash: *hash,
            signature: signature.try_into().ok()?,
        })
    }

    /// The heads in a file of heads, oldest first; one that was cut short at its end is left out.
    pub fn read_all(file: &[u8]) -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator + '_ {
        file.chunks_exact(Self::BYTES).map(|bytes| Self {
            // Every chunk has the length of a head.
            ..Self::from_bytes(bytes).unwrap_or(Self::EMPTY)
        })
    }

    /// Before the first row, and not signed.
    pub const EMPTY: Self = Self { seq: 0, at_ms: 0, life: 0, hash: [0; 32], signature: [0; 64] };
}

impl Serialize for AuditHead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for AuditHead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = AuditHead;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(out, "{} bytes", AuditHead::BYTES)
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<AuditHead, E> {
                AuditHead::from_bytes(bytes).ok_or_else(|| E::invalid_length(bytes.len(), &self))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_these_bytes_and_nothing_shorter_is_one() {
        let head = AuditHead { seq: 1, at_ms: 2, life: 3, hash: [4; 32], signature: [5; 64] };
        let bytes = head.to_bytes();
        assert_eq!(bytes[..24], [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!((&bytes[24..56], &bytes[56..]), ([4; 32].as_slice(), [5; 64].as_slice()));
        assert_eq!(AuditHead::from_bytes(&bytes), Some(head));
        assert_eq!(AuditHead::from_bytes(&bytes[1..]), None);
        assert_eq!(AuditHead::from_bytes(&[bytes.as_slice(), &[0]].concat()), None);
        assert_eq!(head.signed_bytes().len(), 17 + 56);
        let file = [bytes.as_slice(), &bytes, &bytes[..7]].concat();
        assert_eq!(AuditHead::read_all(&file).collect::<Vec<_>>(), [head, head]);
    }
}
