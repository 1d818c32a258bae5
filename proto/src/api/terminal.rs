//! A terminal into a container, for a person: no tool carries one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::terminal::TerminalSize;

/// Opens a terminal into a running container (`deploy`), as far as the host's policy has terminals.
///
/// The body of the request is a stream of frames, each a four-byte big-endian length and so many bytes: this message first, then
/// any number of `TerminalInput` for as long as somebody types. The answer is such a stream of `TerminalOutput`, the last one an end; a
/// refusal is an error as everywhere. Messages are encoded as on the link to agents (`proto/src/wire/terminal.rs`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenTerminal {
    /// Which container.
    pub into: TerminalOf,
    /// What to run there, word by word: at most 64 words of 4 KiB. Without any: bash if it is there, else sh.
    #[serde(default)]
    pub program: Vec<String>,
    /// How large the person's terminal is.
    pub size: TerminalSize,
}

impl OpenTerminal {
    /// Path on the HTTP side.
    pub const PATH: &'static str = "/person/terminals";
    /// What it is called in the audit; its end is `terminal_close`.
    pub const ACTION: &'static str = "terminal_open";
}

/// The container that a terminal leads into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum TerminalOf {
    /// That of an app.
    App {
        /// Name, server/name or id.
        app: String,
    },
    /// Any of a server.
    Container {
        /// Name or id of the server.
        server: String,
        /// Name or id of the container.
        container: String,
    },
}

impl TerminalOf {
    /// What its caller calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::App { app: name } | Self::Container { container: name, .. } => name,
        }
    }
}
