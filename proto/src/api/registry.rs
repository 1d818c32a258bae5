//! Registries with a credential.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::registry::Registry,
};

/// Arguments of `registry_list`.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryList {}

/// Answer of `registry_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RegistryListAnswer {
    /// By their hosts.
    pub registries: Vec<Registry>,
}

tool!(RegistryList => RegistryListAnswer, "registry_list", "List registries", Effect::Read, Read, false,
    "Registries that private images come from, and who signs in there; a person enters credentials with tomo registry add.");
