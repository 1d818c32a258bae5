//! Agents: who speaks for a server, and what its owner lets it do.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{AgentId, EnrolmentId, ServerId},
    model::ssh::Ssh,
};

/// Whether an agent has a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Connected and welcomed.
    Online,
    /// Enrolled, not connected.
    Offline,
    /// The server has none.
    None,
    /// Shut out for good.
    Revoked,
}

impl AgentState {
    /// The state as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::None => "none",
            Self::Revoked => "revoked",
        }
    }
}

/// An enrolled agent as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agent {
    /// Stable id, in its certificate.
    pub id: AgentId,
    /// Server it speaks for.
    pub server: ServerId,
    /// SHA-256 of its certificate, hex.
    pub certificate_fingerprint: String,
    /// When it enrolled (UTC ms).
    pub enrolled_at: u64,
    /// When its certificate ends (UTC ms).
    pub certificate_expires_at: u64,
    /// The certificate it goes on with; the one above stays good until this one was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_certificate: Option<NextCertificate>,
    /// When it was shut out (UTC ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<u64>,
}

/// A certificate that an agent was given and has not used yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextCertificate {
    /// SHA-256 of it, hex.
    pub fingerprint: String,
    /// When it ends (UTC ms).
    pub expires_at: u64,
}

/// One line of the agent list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentSummary {
    /// Stable id.
    pub id: AgentId,
    /// Name of its server.
    pub server: String,
    /// Whether it is connected.
    pub state: AgentState,
    /// Version of the program; absent until it has connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Address it connects from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Round trip of the link in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
    /// When it was last heard (UTC ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<u64>,
    /// When it enrolled (UTC ms).
    pub enrolled_at: u64,
    /// When its certificate ends (UTC ms).
    pub certificate_expires_at: u64,
}

/// A right to enroll one agent, once, as the store keeps it. The secret is kept only as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Enrolment {
    /// Stable id.
    pub id: EnrolmentId,
    /// Name the new server gets; its agent takes over if the server is there without one.
    pub server: String,
    /// Labels the new server gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How the new server is reached by SSH, if it is enrolled that way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<Ssh>,
    /// Agent of the server that stays good until the new one's installation is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<AgentId>,
    /// SHA-256 of the secret, hex.
    pub secret_hash: String,
    /// When it was made (UTC ms).
    pub created_at: u64,
    /// When it stops working (UTC ms).
    pub expires_at: u64,
    /// When it was used (UTC ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<u64>,
}
