//! Operations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::operation::{Operation, OperationStatus},
};

/// Arguments of `operation_get`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationGet {
    /// Id, op-...
    pub operation: String,
    /// Wait for its end, 0-50 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_s: Option<u32>,
}

tool!(OperationGet => Operation, "operation_get", "Get operation", Effect::Read, Read, true,
    "Where an operation stands; wait_s waits for its end.");

/// Arguments of `operation_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationList {
    /// Only these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<OperationStatus>,
    /// At most, 1-200, default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

tool!(OperationList => OperationListAnswer, "operation_list", "List operations", Effect::Read, Read, true,
    "Operations, newest first.");

/// Operations, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OperationListAnswer {
    /// The operations.
    pub operations: Vec<Operation>,
}

/// Arguments of `operation_cancel`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationCancel {
    /// Id, op-...
    pub operation: String,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(OperationCancel => Operation, "operation_cancel", "Cancel operation", Effect::Operate { destructive: true }, Operate, false,
    "Stop an operation; what it did so far is undone.");
