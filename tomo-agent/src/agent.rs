//! The composition root: collectors, exec and link, until told to stop.

use std::path::Path;

use crate::{collectors::Source, exec::Exec};

/// The running agent.
#[derive(Debug)]
pub struct Agent {}

impl Agent {
    /// Starts sampling and connects with the identity in `state` (made by [`crate::identity::enroll`]).
    ///
    /// # Errors
    /// There is no identity, or it cannot be read.
    pub fn start(_state: &Path, _source: Source, _exec: Exec) -> anyhow::Result<Self> {
        todo!("agent")
    }

    /// Ends the link and every task.
    pub async fn shutdown(self) {
        todo!("agent")
    }
}
