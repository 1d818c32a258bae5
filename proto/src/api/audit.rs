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
    "Check the audit trail's hash chain from the first row.");

/// What the check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditVerifyAnswer {
    /// Rows checked.
    pub rows: u64,
    /// Hash of the newest row, hex.
    pub head: String,
    /// First row whose hash does not fit, and why; absent if all fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}
