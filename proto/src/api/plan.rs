//! Plans.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::{
        operation::Operation,
        plan::{Plan, PlanStatus},
    },
};

/// Arguments of `plan_get`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanGet {
    /// Id, plan-...
    pub plan: String,
}

tool!(PlanGet => Plan, "plan_get", "Get plan", Effect::Read, Read, true,
    "One plan: difference, warnings, approval.");

/// Arguments of `plan_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanList {
    /// Only these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<PlanStatus>,
    /// At most, 1-200, default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

tool!(PlanList => PlanListAnswer, "plan_list", "List plans", Effect::Read, Read, true,
    "Plans, newest first.");

/// Plans, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanListAnswer {
    /// The plans.
    pub plans: Vec<Plan>,
}

/// Arguments of `plan_apply`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanApply {
    /// Id, plan-...
    pub plan: String,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(PlanApply => Operation, "plan_apply", "Apply plan", Effect::Apply, Deploy, true,
    "Carry out an approved plan. A person approves; you cannot. Applying twice finds the same operation.");

/// Arguments of `plan_approve`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanApprove {
    /// Id, plan-...
    pub plan: String,
    /// Hash of the plan that was shown.
    pub hash: String,
    /// For a human plan: the target's name, as typed by the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

tool!(PlanApprove => Plan, "plan_approve", "Approve plan", Effect::Person, Deploy, false,
    "A person agrees to a plan.");

/// Arguments of `plan_deny`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanDeny {
    /// Id, plan-...
    pub plan: String,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(PlanDeny => Plan, "plan_deny", "Deny plan", Effect::Person, Deploy, false,
    "A person says no to a plan.");
