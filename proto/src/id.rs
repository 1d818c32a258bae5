//! Identifiers: a kind prefix and twelve letters that sort by time of creation.
//!
//! An id is 60 bits: 40 bits of time (units of 10 ms since 2025-01-01, good for 348 years) and 20 random bits,
//! written in Crockford's base 32 (<https://www.crockford.com/base32.html>), lower case. Whoever creates one checks
//! that it is free; with 20 random bits per 10 ms a clash is rare, not impossible.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LETTERS: usize = 12;
/// 2025-01-01T00:00:00Z in UTC milliseconds.
const EPOCH_MS: u64 = 1_735_689_600_000;

/// The text was not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not an id of the form {prefix}-xxxxxxxxxxxx")]
pub struct IdError {
    text: String,
    prefix: &'static str,
}

fn combine(now_ms: u64, random: u32) -> u64 {
    let ticks = (now_ms.saturating_sub(EPOCH_MS) / 10) & ((1 << 40) - 1);
    (ticks << 20) | u64::from(random & 0xf_ffff)
}

fn write_letters(value: u64, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    for place in (0..LETTERS).rev() {
        let index = (value >> (place * 5)) & 31;
        let letter = ALPHABET.get(usize::try_from(index).unwrap_or(0)).copied().unwrap_or(b'0');
        write!(out, "{}", char::from(letter))?;
    }
    Ok(())
}

fn read_letters(text: &str) -> Option<u64> {
    if text.len() != LETTERS {
        return None;
    }
    text.bytes().try_fold(0_u64, |value, byte| {
        let index = ALPHABET.iter().position(|letter| *letter == byte)?;
        Some((value << 5) | u64::try_from(index).ok()?)
    })
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Letters before the dash.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id from the time in UTC milliseconds and random bits (the low 20 count).
            #[must_use]
            pub fn from_parts(now_ms: u64, random: u32) -> Self {
                Self(combine(now_ms, random))
            }

            /// The id as the store's key.
            #[must_use]
            pub const fn to_u64(self) -> u64 {
                self.0
            }

            /// The id a store key stands for; bits above the 60th are dropped.
            #[must_use]
            pub const fn from_u64(value: u64) -> Self {
                Self(value & ((1 << 60) - 1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{}-", $prefix)?;
                write_letters(self.0, out)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "-"))
                    .and_then(read_letters)
                    .map(Self)
                    .ok_or_else(|| IdError { text: text.chars().take(40).collect(), prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string" })
            }
        }
    )*};
}

id! {
    /// A person's account.
    UserId = "usr";
    /// A person's login.
    SessionId = "ses";
    /// An API token (its public half).
    TokenId = "tok";
    /// A public key that a person signs in with over SSH.
    KeyId = "key";
    /// A machine that Tomo manages.
    ServerId = "srv";
    /// The program that speaks for a server.
    AgentId = "agt";
    /// A right to enroll one agent, once.
    EnrolmentId = "enr";
    /// An application deployed through Tomo.
    AppId = "app";
    /// One kept configuration of an app.
    RevisionId = "rev";
    /// A recorded change that waits for a person.
    PlanId = "plan";
    /// A change under way, or done.
    OperationId = "op";
    /// A backup of a volume.
    VolumeBackupId = "vol";
    /// One command sent to an agent; a repeated id does not run twice.
    CommandId = "cmd";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_by_time_and_reads_back() {
        let early = ServerId::from_parts(1_800_000_000_000, 5);
        let late = ServerId::from_parts(1_800_000_000_010, 0);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(ServerId::from_u64(early.to_u64()), early);
    }

    #[test]
    fn is_exact_text() {
        assert_eq!(PlanId::from_parts(EPOCH_MS, 1).to_string(), "plan-000000000001");
        assert_eq!(PlanId::from_parts(EPOCH_MS + 10, 31).to_string(), "plan-00000001000z");
    }

    #[test]
    fn refuses_other_kinds_and_shapes() {
        for text in [
            "",
            "plan-",
            "op-000000000001",
            "plan-00000000000",
            "plan-00000000000u",
            "plan-0000000000011",
            "plan-00000000000é",
        ] {
            assert!(text.parse::<PlanId>().is_err(), "{text}");
        }
    }
}
