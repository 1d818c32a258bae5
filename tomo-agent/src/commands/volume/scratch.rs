//! What a command has made or stopped for a while: taken away, and started again, by it or by the next start. Doing it again does no harm.

use serde::{Deserialize, Serialize};
use tomo_proto::id::CommandId;

use crate::{
    commands::deploy::runs,
    docker::{Engine, EngineError, made::of_command},
};

/// As the journal keeps it. Names are noted before things are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scratch {
    /// What the command works on; of two changes of the same the second waits.
    pub(crate) subject: String,
    /// What everything is labelled with.
    pub(super) made_for: String,
    pub(super) containers: Vec<String>,
    pub(super) volumes: Vec<String>,
    pub(super) networks: Vec<String>,
    /// Ids of the containers that were stopped.
    pub(super) stopped: Vec<String>,
}

impl Scratch {
    pub(super) fn of(subject: String, command: CommandId) -> Self {
        Self {
            subject,
            made_for: command.to_string(),
            containers: Vec::new(),
            volumes: Vec::new(),
            networks: Vec::new(),
            stopped: Vec::new(),
        }
    }

    /// A name for something, which nothing else has.
    pub(super) fn name(&self, what: &str) -> String {
        format!("tomo-{what}-{}", self.made_for)
    }

    /// Takes everything away, and starts what was stopped first: it has waited long enough.
    pub(crate) async fn clear(&self, engine: &Engine) -> Result<(), EngineError> {
        for id in &self.stopped {
            if engine.find(id).await?.is_some_and(|found| !runs(&found)) {
                engine.start(id).await?;
            }
        }
        for name in &self.containers {
            engine.remove(name).await?;
        }
        for name in &self.volumes {
            engine.remove_volume(name, of_command(&self.made_for)).await?;
        }
        for name in &self.networks {
            engine.remove_network(name, of_command(&self.made_for)).await?;
        }
        Ok(())
    }
}
