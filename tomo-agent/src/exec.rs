//! The half of the agent that touches the container engine: policy, commands, inventory. It has no network.
//!
//! The link speaks to it only through [`Exec`], in the typed messages of `tomo_proto::wire::command`, so that it can become
//! a process of its own.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::{mpsc, watch};
use tomo_proto::{
    model::{agent::PolicySummary, container::Container, server::EngineState},
    wire::command::{CommandEvent, CommandRequest},
};

/// Where the engine and the policy are.
#[derive(Debug, Clone)]
pub struct ExecConfig {
    /// The host's policy file; without it nothing but metrics is allowed.
    pub policy: PathBuf,
    /// The engine's socket.
    pub engine_socket: PathBuf,
}

/// The engine's half. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Exec {}

impl Exec {
    /// Reads the policy, connects to the engine (and goes on trying), and keeps the inventory fresh until dropped.
    #[must_use]
    pub fn start(_config: ExecConfig) -> Self {
        todo!("exec")
    }

    /// Runs one command: what it says arrives on the returned queue, an outcome last. Dropping the queue cancels it.
    /// A command id that was seen before is answered from memory.
    #[must_use]
    pub fn run(&self, _request: CommandRequest) -> mpsc::Receiver<CommandEvent> {
        todo!("exec")
    }

    /// All containers, without their figures (the collectors add those).
    #[must_use]
    pub fn containers(&self) -> watch::Receiver<Arc<Vec<Container>>> {
        todo!("exec")
    }

    /// Process ids of running containers by container id, for the collectors.
    #[must_use]
    pub fn pids(&self) -> watch::Receiver<Arc<Vec<(String, u32)>>> {
        todo!("exec")
    }

    /// What the policy file allows, whenever it changes.
    #[must_use]
    pub fn policy(&self) -> watch::Receiver<PolicySummary> {
        todo!("exec")
    }

    /// Whether the engine answers.
    #[must_use]
    pub fn engine(&self) -> watch::Receiver<EngineState> {
        todo!("exec")
    }
}
