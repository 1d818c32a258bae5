//! Backups of the daemon itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A backup that was made and restored for a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Backup {
    /// Number, one more with each.
    pub number: u64,
    /// File on the daemon's host.
    pub file: String,
    /// Size of the file.
    pub bytes: u64,
    /// When it was made (UTC ms).
    pub created_at: u64,
    /// When it was last restored for a test (UTC ms).
    pub verified_at: u64,
    /// Number of the data key it opens with.
    pub epoch: u32,
}
