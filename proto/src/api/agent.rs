//! Agents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::agent::AgentSummary,
};

/// Arguments of `agent_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentList {
    /// Also those that were shut out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

tool!(AgentList => AgentListAnswer, "agent_list", "List agents", Effect::Read, Read, false,
    "Agents with version, link state and certificate.");

/// Agents by server name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentListAnswer {
    /// The agents.
    pub agents: Vec<AgentSummary>,
}

/// Arguments of `agent_revoke`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentRevoke {
    /// Server name or agent id.
    pub agent: String,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(AgentRevoke => AgentSummary, "agent_revoke", "Revoke agent", Effect::Person, Admin, false,
    "Shut an agent out for good: its link is cut and its certificate refused.");
