//! The audit trail: who did or tried what, hash-chained from the first row.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of an audited act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// Written before a remote act; its outcome follows in a row of its own.
    Intent,
    /// Done.
    Ok,
    /// Did not work.
    Failed,
    /// Was not allowed.
    Denied,
}

impl AuditOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Intent, Self::Ok, Self::Failed, Self::Denied];

    /// The outcome as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Denied => "denied",
        }
    }
}

impl std::str::FromStr for AuditOutcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|outcome| outcome.as_str() == text);
        found.ok_or_else(|| "an outcome is intent, ok, failed or denied".to_owned())
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Place in the chain, from 1.
    pub seq: u64,
    /// When (UTC ms).
    pub at_ms: u64,
    /// Who: `user:ana`, `token:ci (ana)`, `socket:root`, `agent:web-1`, `anonymous`.
    pub actor: String,
    /// What: a tool's name, or `auth.login`, `agent.enroll` and the like.
    pub action: String,
    /// Kind of thing it was done to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource_type: String,
    /// Which one, by name or id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource: String,
    /// What became of it.
    pub outcome: AuditOutcome,
    /// Why, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Facts, without secrets.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
    /// Address the request came from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ip_address: String,
    /// SHA-256 over the previous row's hash and this row, hex.
    pub hash: String,
}
