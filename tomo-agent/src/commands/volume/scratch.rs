//! What a command has made or stopped for a while: taken away, and started again, by it or by the next start. Doing it again does no harm.

use serde::{Deserialize, Serialize};
use tomo_proto::id::CommandId;

use crate::{
    commands::deploy::{name_of, runs},
    docker::{Engine, EngineError, made::of_command},
};

/// As the journal keeps it. Names are noted before things are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scratch {
    /// What the command works on; of two changes of the same the second waits.
    pub(crate) subjects: Vec<String>,
    /// What everything is labelled with.
    pub(super) made_for: String,
    pub(super) containers: Vec<String>,
    pub(super) volumes: Vec<String>,
    pub(super) networks: Vec<String>,
    pub(super) stopped: Vec<Stopped>,
}

/// A container that was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stopped {
    pub(super) id: String,
    /// What it was called. One that is called otherwise by now was replaced.
    pub(super) name: String,
}

impl Scratch {
    pub(super) fn of(subjects: Vec<String>, command: CommandId) -> Self {
        Self {
            subjects,
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

    /// Starts what was stopped first, which has waited long enough, and takes everything away. What does not go keeps nothing else from
    /// going.
    ///
    /// # Errors
    /// The first.
    pub(crate) async fn clear(&self, engine: &Engine) -> Result<(), EngineError> {
        let mut ended = Ok(());
        for stopped in &self.stopped {
            ended = ended.and(stopped.start_again(engine).await);
        }
        for name in &self.containers {
            ended = ended.and(engine.remove(name).await);
        }
        for name in &self.volumes {
            ended = ended.and(engine.remove_volume(name, of_command(&self.made_for)).await.map(drop));
        }
        for name in &self.networks {
            ended = ended.and(engine.remove_network(name, of_command(&self.made_for)).await);
        }
        ended
    }
}

impl Stopped {
    async fn start_again(&self, engine: &Engine) -> Result<(), EngineError> {
        match engine.find(&self.id).await? {
            Some(found) if name_of(&found) == self.name && !runs(&found) => engine.start(&self.id).await,
            _ => Ok(()),
        }
    }
}
