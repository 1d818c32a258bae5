//! How a container that Tomo did not make would run as an app. The agent reads it, the daemon plans with it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{api::person::SecretText, model::app::AppSpec};

/// A container, as it would be adopted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Adoptable {
    /// Which one, as it is now.
    pub adopted: Adopted,
    /// What to run, without the variables in `secrets`.
    pub spec: AppSpec,
    /// Variables whose values look secret.
    pub secrets: BTreeMap<String, SecretText>,
    /// Why it cannot be adopted, whatever is accepted; each fit to be shown.
    pub barred: Vec<String>,
}

/// The container that an app takes the place of, as it was when that was planned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Adopted {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Id of its image.
    pub image_id: String,
    /// Whether it runs.
    pub runs: bool,
    /// What of it an app does not have; each fit to be shown.
    pub lost: Vec<String>,
}

impl Adoptable {
    /// What to run, with these names of secrets for the variables that look secret.
    #[must_use]
    pub fn spec_with(&self, names: &BTreeMap<String, String>) -> AppSpec {
        let mut spec = self.spec.clone();
        spec.env.extend(names.iter().map(|(variable, reference)| (variable.clone(), reference.clone())));
        spec
    }

    /// Whether it is still as it was when this was planned. The values of secrets stand with the container: they cannot change
    /// without its id.
    #[must_use]
    pub fn is_as(&self, planned: &Adopted, spec: &AppSpec) -> bool {
        let named =
            self.secrets.keys().filter_map(|variable| Some((variable.clone(), spec.env.get(variable)?.clone())));
        self.adopted == *planned && self.barred.is_empty() && self.spec_with(&named.collect()) == *spec
    }
}
