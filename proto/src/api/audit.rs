//! The audit trail.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::audit::{AuditEntry, AuditOutcome},
};

/// Arguments of `audit_search`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditSearch {
    /// Part of who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Part of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Part of what it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Only these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AuditOutcome>,
    /// Duration back from now (24h) or RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// At most, 1-500, default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// next_cursor of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

tool!(AuditSearch => AuditSearchAnswer, "audit_search", "Search audit", Effect::Read, Audit, true,
    "Who did or tried what, newest first.");

/// Rows, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditSearchAnswer {
    /// The rows.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Arguments of `audit_verify`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditVerify {}

tool!(AuditVerify => AuditVerifyAnswer, "audit_verify", "Verify audit", Effect::Read, Audit, false,
    "Check the audit trail's hash chain, and that it fits what the daemon and connected agents have witnessed.");

/// What the check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditVerifyAnswer {
    /// Rows checked.
    pub rows: u64,
    /// Hash of the newest row, hex.
    pub head: String,
    /// First row that does not fit, and why; absent if all fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// Who keeps heads of the trail outside of the store: the daemon's own file first, then agents; at most 50.
    #[serde(default)]
    pub witnesses: Vec<AuditWitness>,
    /// Witnesses that are not listed.
    #[serde(default)]
    pub more_witnesses: u64,
    /// Backups that were restored, oldest first: with each the trail went back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<String>,
}

/// What a witness vouches for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditWitness {
    /// A server, or `this daemon`.
    pub witness: String,
    /// Heads that fit the trail.
    pub heads: u64,
    /// Newest row that they vouch for.
    pub newest_row: u64,
    /// Heads of rows that a restored backup took back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub taken_back: u64,
    /// What does not fit, or why nothing was heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}
