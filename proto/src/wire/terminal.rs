//! A terminal into a container: what is typed on its way there, and what is shown on its way back. Bytes pass as they are.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{error::ApiError, wire::frame::bytes_field};

/// Most bytes of one message, either way.
pub const TERMINAL_PART_BYTES: usize = 8 * 1024;
/// Most words of a program with its arguments.
pub const PROGRAM_WORDS: usize = 64;
/// Most bytes of one of them.
pub const WORD_BYTES: usize = 4 * 1024;

/// How large a terminal is, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminalSize {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

/// Towards the container, any number: from the person after [`OpenTerminal`](crate::api::terminal::OpenTerminal), on a command's stream
/// after [`CommandEvent::Send`](crate::wire::command::CommandEvent::Send). The end of the stream is the person hanging up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TerminalInput {
    /// What was typed.
    Typed(#[serde(with = "bytes_field")] Vec<u8>),
    /// The person's terminal has another size.
    Resized(TerminalSize),
}

/// Towards the person, the last one an end.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TerminalOutput {
    /// What the terminal is to show.
    Shown(#[serde(with = "bytes_field")] Vec<u8>),
    /// The program has ended.
    Ended {
        /// With this exit code.
        exit_code: u8,
    },
    /// It was ended, or its end is not known.
    CutOff(ApiError),
}

// What passes is nobody else's: it stays out of whatever prints these.

impl fmt::Debug for TerminalInput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Typed(bytes) => write!(out, "Typed({} bytes)", bytes.len()),
            Self::Resized(size) => write!(out, "Resized({size:?})"),
        }
    }
}

impl fmt::Debug for TerminalOutput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown(bytes) => write!(out, "Shown({} bytes)", bytes.len()),
            Self::Ended { exit_code } => write!(out, "Ended({exit_code})"),
            Self::CutOff(error) => write!(out, "CutOff({error:?})"),
        }
    }
}

/// Whether a program with its arguments can be asked for; none stands for a shell.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_program(program: &[String]) -> Result<(), String> {
    if program.len() > PROGRAM_WORDS {
        return Err(format!("a program has at most {PROGRAM_WORDS} words, not {}", program.len()));
    }
    match program {
        [first, ..] if first.is_empty() => Err("a program has a name".to_owned()),
        words if words.iter().any(|word| word.len() > WORD_BYTES) => {
            Err(format!("a word of a program has at most {WORD_BYTES} bytes"))
        }
        words if words.iter().any(|word| word.contains('\0')) => Err("a word of a program has no NUL in it".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::frame::{MAX_FRAME_BYTES, decode, encode};

    #[test]
    fn what_is_typed_is_these_bytes_and_is_never_printed() {
        let typed = TerminalInput::Typed(b"hunter2\r".to_vec());
        let body = encode(&typed).expect("encodes");
        assert_eq!(body, b"\x01\x81\xa5typed\xc4\x08hunter2\r");
        assert_eq!(decode::<TerminalInput>(&body).expect("decodes"), typed);
        assert_eq!(format!("{typed:?}"), "Typed(8 bytes)");
        let resized = TerminalInput::Resized(TerminalSize { columns: 80, rows: 24 });
        let body = encode(&resized).expect("encodes");
        assert_eq!(body, b"\x01\x81\xa7resized\x82\xa7columns\x50\xa4rows\x18");
        let ended = TerminalOutput::Ended { exit_code: 3 };
        assert_eq!(encode(&ended).expect("encodes"), b"\x01\x81\xa5ended\x81\xa9exit_code\x03");
        let whole = TerminalOutput::Shown(vec![0xff; TERMINAL_PART_BYTES]);
        assert!(encode(&whole).expect("encodes").len() < MAX_FRAME_BYTES);
    }

    #[test]
    fn programs_are_words_within_bounds() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for good in [words(&[]), words(&["sh"]), words(&["psql", "-c", ""])] {
            assert_eq!(check_program(&good), Ok(()), "{good:?}");
        }
        let long = "x".repeat(WORD_BYTES + 1);
        for bad in [words(&[""]), words(&["a\0b"]), words(&["sh", &long]), vec!["x".to_owned(); PROGRAM_WORDS + 1]] {
            assert!(check_program(&bad).is_err(), "{} words", bad.len());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_at_a_terminal_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            bytes.insert(0, 1);
            drop(decode::<TerminalInput>(&bytes));
            drop(decode::<TerminalOutput>(&bytes));
        }
    }
}
