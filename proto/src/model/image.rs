//! Whether a registry has another image under the name of one that runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the engine of a host says of the image of a container, here and in its registry. Untrusted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageDigests {
    /// Digest that the container runs, `sha256:` and 64 hex digits; absent for an image that came from no registry.
    #[serde(default)]
    pub running: Option<String>,
    /// Digest that the registry has under the same name now; absent if it was not asked: for an image without a name or digest, or one
    /// that is named by its digest.
    #[serde(default)]
    pub offered: Option<String>,
}

/// A look at whether the registry has another image under the name of an app's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageCheck {
    /// When (UTC ms).
    pub checked_at: u64,
    /// Digest that runs; absent for an image that came from no registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// Digest that the registry has under that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<String>,
    /// Why it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl ImageCheck {
    /// Whether the registry has another image than the one that runs.
    #[must_use]
    pub fn is_update(&self) -> bool {
        self.running.as_ref().zip(self.offered.as_ref()).is_some_and(|(running, offered)| running != offered)
    }
}
