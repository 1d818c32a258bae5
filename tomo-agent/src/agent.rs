//! The composition root: collectors, exec and link, until told to stop.

use std::{path::Path, sync::Arc};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    collectors::Source,
    exec::Exec,
    identity::{self, Identity},
    link::{self, Status},
};

/// The running agent.
#[derive(Debug)]
pub struct Agent {
    stop: CancellationToken,
    status: tokio::sync::watch::Receiver<Status>,
    tasks: Vec<JoinHandle<()>>,
    /// Two agents with one identity would take the link from each other.
    _lock: std::fs::File,
}

impl Agent {
    /// Starts sampling and connects with the identity in `state` (made by [`crate::identity::enroll`]).
    ///
    /// # Errors
    /// There is no identity, or it cannot be read, or another agent runs with it.
    pub fn start(state: &Path, source: Source, exec: Exec) -> anyhow::Result<Self> {
        let identity = Identity::load(state)?;
        let lock = identity::lock(state)?;
        let stop = CancellationToken::new();
        let shared = Arc::new(link::Shared::new(state, identity, exec)?);
        let status = shared.status.subscribe();
        let tasks = vec![
            tokio::spawn(link::sampler::run(Arc::clone(&shared), source, stop.clone())),
            tokio::spawn(link::run(shared, stop.clone())),
        ];
        Ok(Self { stop, status, tasks, _lock: lock })
    }

    /// Where the link stands, whenever it changes.
    #[must_use]
    pub fn status(&self) -> tokio::sync::watch::Receiver<Status> {
        self.status.clone()
    }

    /// Ends the link and every task.
    pub async fn shutdown(self) {
        self.stop.cancel();
        for task in self.tasks {
            // A task that panicked has said so already.
            drop(task.await);
        }
    }
}
