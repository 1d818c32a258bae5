//! Settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::{
        plan::Plan,
        settings::{SettingChange, Settings},
    },
};

/// Arguments of `settings_get`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsGet {}

tool!(SettingsGet => Settings, "settings_get", "Get settings", Effect::Read, Read, false, "The daemon's settings.");

/// Arguments of `settings_set`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsSet {
    /// Settings and new values.
    pub changes: Vec<SettingChange>,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(SettingsSet => Plan, "settings_set", "Change settings", Effect::Plan, Plan, false,
    "Plan to change settings; a person approves.");
