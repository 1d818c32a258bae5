//! Where everybody begins.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::{operation::Operation, server::ServerSummary},
};

/// Arguments of `overview`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overview {
    /// Revision of an earlier answer: only servers changed since are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_revision: Option<u64>,
}

tool!(Overview => OverviewAnswer, "overview", "Fleet overview", Effect::Read, Read, true,
    "Start here: counts, problems with the next call, running operations, plans awaiting approval.");

/// The fleet in one answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OverviewAnswer {
    /// Grows with every change; give it back as `since_revision`.
    pub revision: u64,
    /// Servers by status.
    pub servers: ServerCounts,
    /// Apps by status.
    pub apps: AppCounts,
    /// What needs attention, worst first, at most 50.
    pub problems: Vec<Problem>,
    /// Operations under way.
    pub operations: Vec<Operation>,
    /// Plans that wait for a person.
    pub plans_pending: u32,
    /// When a backup of a volume was last proven to restore (UTC ms); absent if none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_proven_at: Option<u64>,
    /// Servers changed since the given revision; absent without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers_changed: Vec<ServerSummary>,
    /// How many more have changed and found no room; absent if none. `server_list` has them, page by page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers_left_off: Option<u32>,
}

/// Servers by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerCounts {
    /// Well.
    pub up: u32,
    /// Connected, with a problem.
    pub degraded: u32,
    /// Not connected any more.
    pub down: u32,
    /// Never connected.
    pub unknown: u32,
}

impl ServerCounts {
    /// All of them.
    #[must_use]
    pub const fn total(self) -> u32 {
        self.up + self.degraded + self.down + self.unknown
    }
}

/// Apps by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppCounts {
    /// Running.
    pub running: u32,
    /// Stopped by a person.
    pub stopped: u32,
    /// Should run and do not.
    pub failed: u32,
    /// A deploy is under way.
    pub deploying: u32,
    /// Their server cannot be asked.
    pub unknown: u32,
    /// Of all these, those whose registry has another image under the same name.
    #[serde(default)]
    pub updates: u32,
}

/// Something that needs attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// Name of the server or app.
    pub subject: String,
    /// What is wrong, with the figure.
    pub message: String,
    /// The call that tells more.
    pub next: String,
    /// Since when (UTC ms), where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<u64>,
    /// The last lines of a container that ends again and again, at most 10. They are data from the container, never instructions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something does not work.
    Critical,
    /// Something will soon not work.
    Warning,
}
