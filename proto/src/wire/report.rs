//! Reports: what an agent tells unasked. Each has a number; the daemon acknowledges a number after its commit.
//!
//! Rows of samples are the bulk of all traffic, so they have a coding of their own: the schema goes once per connection
//! and whenever it changes; a row is the change against the row before it.
//!
//! ```text
//! row  = time delta (varint, ms) , changed bitmap (one bit per series, low bit first) , deltas of the changed (zigzag varint)
//! ```
//! The first row of a block is against time 0 and all-zero values, so a block stands by itself. An absent value
//! ([`ABSENT`](crate::model::metric::ABSENT)) takes part like any other, with wrapping arithmetic.

use serde::{Deserialize, Serialize};

use crate::{
    model::{container::Container, metric::SeriesKey, policy::PolicySummary, server::HostFacts},
    wire::frame::{self, FrameError},
};

/// Most series in one schema.
pub const MAX_SERIES: usize = 4096;

/// Most rows in one block.
pub const MAX_ROWS: usize = 4096;

/// Agent → daemon on the report stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Samples are numbered within a boot of the agent, from 1, and kept until they are acknowledged. Everything else is state
    /// that is sent anew on every connection: its number is 0.
    pub number: u64,
    /// What it tells.
    pub body: ReportBody,
}

/// What a report tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportBody {
    /// Series of the blocks that follow.
    Schema {
        /// Place in this list is a series' column.
        series: Vec<SeriesKey>,
    },
    /// Rows in the newest schema.
    Samples {
        /// Made by [`encode_rows`].
        #[serde(with = "frame::bytes_field")]
        block: Vec<u8>,
    },
    /// All containers, whenever one of them changes.
    Containers {
        /// Every container the engine knows, at most 1000, as far as they fit a frame.
        containers: Vec<Container>,
    },
    /// Host facts, once a minute and when they change.
    Facts {
        /// The facts.
        facts: Box<HostFacts>,
    },
    /// The host's policy file changed.
    Policy {
        /// What it allows now.
        policy: Box<PolicySummary>,
    },
    /// Reports were dropped because the outbox was full.
    Dropped {
        /// How many.
        count: u64,
    },
}

/// One set of samples taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// When (UTC ms, the agent's clock).
    pub at_ms: u64,
    /// One whole number per series of the schema; see [`SeriesKey::encode`].
    pub values: Vec<i64>,
}

/// Encodes rows of one schema as a block that stands by itself.
///
/// # Errors
/// [`FrameError::MalformedReport`] if rows differ in length or there are more than [`MAX_ROWS`].
pub fn encode_rows(rows: &[Row]) -> Result<Vec<u8>, FrameError> {
    let width = rows.first().map_or(0, |row| row.values.len());
    if rows.len() > MAX_ROWS || width > MAX_SERIES {
        return Err(FrameError::MalformedReport("too many rows or series"));
    }
    if rows.iter().any(|row| row.values.len() != width) {
        return Err(FrameError::MalformedReport("rows differ in length"));
    }
    let mut out = Vec::with_capacity(16 + rows.len() * (width / 2 + 8));
    put_varint(&mut out, as_u64(rows.len()));
    put_varint(&mut out, as_u64(width));
    let mut last_at = 0_u64;
    let mut last = vec![0_i64; width];
    for row in rows {
        put_varint(&mut out, zigzag(row.at_ms.wrapping_sub(last_at).cast_signed()));
        last_at = row.at_ms;
        for (chunk, before) in row.values.chunks(8).zip(last.chunks(8)) {
            let bits = chunk
                .iter()
                .zip(before)
                .enumerate()
                .fold(0_u8, |bits, (place, (value, old))| if value == old { bits } else { bits | (1 << place) });
            out.push(bits);
        }
        for (value, old) in row.values.iter().zip(&mut last) {
            if value != old {
                put_varint(&mut out, zigzag(value.wrapping_sub(*old)));
                *old = *value;
            }
        }
    }
    Ok(out)
}

/// Decodes a block made by [`encode_rows`].
///
/// # Errors
/// Whatever the bytes are, an error and never a panic; memory is bounded by the block's own length.
pub fn decode_rows(block: &[u8]) -> Result<Vec<Row>, FrameError> {
    const SHORT: FrameError = FrameError::MalformedReport("block ends early");
    let mut rest = block;
    let count = usize::try_from(take_varint(&mut rest).ok_or(SHORT)?).unwrap_or(usize::MAX);
    let width = usize::try_from(take_varint(&mut rest).ok_or(SHORT)?).unwrap_or(usize::MAX);
    if count > MAX_ROWS || width > MAX_SERIES {
        return Err(FrameError::MalformedReport("too many rows or series"));
    }
    // Each row has at least its time and its bitmap, which bounds what a hostile count can make us allocate.
    let bitmap_bytes = width.div_ceil(8);
    if count.saturating_mul(bitmap_bytes + 1) > rest.len() {
        return Err(SHORT);
    }
    let mut rows = Vec::with_capacity(count);
    let mut at_ms = 0_u64;
    let mut values = vec![0_i64; width];
    for _ in 0..count {
        at_ms = at_ms.wrapping_add(unzigzag(take_varint(&mut rest).ok_or(SHORT)?).cast_unsigned());
        let (bitmap, after) = rest.split_at_checked(bitmap_bytes).ok_or(SHORT)?;
        rest = after;
        for (chunk, bits) in values.chunks_mut(8).zip(bitmap) {
            for (place, value) in chunk.iter_mut().enumerate() {
                if bits & (1 << place) != 0 {
                    *value = value.wrapping_add(unzigzag(take_varint(&mut rest).ok_or(SHORT)?));
                }
            }
        }
        rows.push(Row { at_ms, values: values.clone() });
    }
    if rest.is_empty() { Ok(rows) } else { Err(FrameError::MalformedReport("bytes after the last row")) }
}

fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Maps small negative numbers to small positive ones.
const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// Seven bits a byte, low ones first; the top bit says that more follow.
#[expect(clippy::cast_possible_truncation, reason = "the low seven bits are wanted")]
fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::metric::ABSENT,
        wire::{
            command::{CommandEvent, CommandRequest},
            frame,
            handshake::{AgentNotice, DaemonNotice, EnrollAnswer, EnrollRequest, Hello, Welcome},
        },
    };

    #[test]
    fn rows_are_these_bytes() {
        let rows = [Row { at_ms: 1000, values: vec![5, 0, -1] }, Row { at_ms: 2000, values: vec![5, 1, -1] }];
        let block = encode_rows(&rows).expect("encodes");
        assert_eq!(block, [2, 3, 0xd0, 0x0f, 0b101, 10, 1, 0xd0, 0x0f, 0b010, 2]);
        assert_eq!(decode_rows(&block).expect("decodes"), rows);
    }

    #[test]
    fn an_unchanged_tick_costs_its_time_and_bitmap() {
        let row = |at_ms| Row { at_ms, values: vec![7; 80] };
        let one = encode_rows(&[row(1_800_000_000_000)]).expect("encodes").len();
        let two = encode_rows(&[row(1_800_000_000_000), row(1_800_000_001_000)]).expect("encodes").len();
        assert_eq!(two - one, 2 + 10);
    }

    #[test]
    fn hostile_counts_do_not_allocate() {
        let mut block = Vec::new();
        put_varint(&mut block, 4096);
        put_varint(&mut block, 4096);
        assert!(decode_rows(&block).is_err());
        assert!(frame::body_length([0xff; 4]).is_err());
        assert!(frame::body_length([0; 4]).is_err());
    }

    proptest! {
        #[test]
        fn rows_come_back(
            width in 0_usize..20,
            seeds in proptest::collection::vec((any::<u64>(), proptest::collection::vec(prop_oneof![any::<i64>(), Just(ABSENT), -5_i64..5], 20)), 0..30),
        ) {
            let rows: Vec<Row> = seeds.into_iter()
                .map(|(at_ms, values)| Row { at_ms, values: values.into_iter().take(width).collect() })
                .collect();
            let block = encode_rows(&rows).expect("encodes");
            prop_assert_eq!(decode_rows(&block).expect("decodes"), rows);
        }

        #[test]
        fn any_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), versioned in any::<bool>()) {
            if versioned {
                bytes.insert(0, 1);
            }
            drop(decode_rows(&bytes));
            drop(frame::decode::<Report>(&bytes));
            drop(frame::decode::<Hello>(&bytes));
            drop(frame::decode::<Welcome>(&bytes));
            drop(frame::decode::<DaemonNotice>(&bytes));
            drop(frame::decode::<AgentNotice>(&bytes));
            drop(frame::decode::<EnrollRequest>(&bytes));
            drop(frame::decode::<EnrollAnswer>(&bytes));
            drop(frame::decode::<CommandRequest>(&bytes));
            drop(frame::decode::<CommandEvent>(&bytes));
        }

        #[test]
        fn damaged_reports_never_panic(place in any::<prop::sample::Index>(), value in any::<u8>()) {
            let report = Report { number: 9, body: ReportBody::Samples { block: encode_rows(&[Row { at_ms: 5, values: vec![1, 2, 3] }]).expect("encodes") } };
            let mut body = frame::encode(&report).expect("encodes");
            let place = place.index(body.len());
            body[place] = value;
            if let Ok(Report { body: ReportBody::Samples { block }, .. }) = frame::decode::<Report>(&body) {
                drop(decode_rows(&block));
            }
        }
    }

    #[test]
    fn a_report_carries_its_block_as_bytes() {
        let report = Report { number: 1, body: ReportBody::Samples { block: vec![0xff; 300] } };
        let body = frame::encode(&report).expect("encodes");
        assert!(body.len() < 300 + 40, "{}", body.len());
        assert_eq!(frame::decode::<Report>(&body).expect("decodes"), report);
    }
}
