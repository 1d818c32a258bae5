//! The half of the agent that touches the container engine: policy, commands, inventory. It has no network.
//!
//! The link speaks to it only through [`Exec`], in the typed messages of `tomo_proto::wire::command`, so that it can become
//! a process of its own.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tomo_proto::{
    error::ErrorCode,
    id::CommandId,
    model::{container::Container, policy::PolicySummary, server::EngineState},
    wire::command::{CommandEvent, CommandRequest, Outcome},
};

use crate::{
    commands::{self, Events},
    docker::{Engine, inventory::Inventory},
    journal::Journal,
    policy::Policy,
};

/// Outcomes that a repeated command id is answered with.
const REMEMBERED: usize = 256;
/// Events that wait for the link; when full, the command waits.
const EVENTS: usize = 64;
/// The policy file is looked at this often; a command always reads it anew.
const POLICY_LOOK: Duration = Duration::from_secs(2);
/// Longest a command may take, whatever the daemon says.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Where the engine and the policy are.
#[derive(Debug, Clone)]
pub struct ExecConfig {
    /// The host's policy file; without it nothing but metrics is allowed.
    pub policy: PathBuf,
    /// The engine's socket.
    pub engine_socket: PathBuf,
    /// Folder where deploys under way are noted.
    pub journal: PathBuf,
}

/// The engine's half. Cheap to clone; its work ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Exec {
    shared: Arc<Shared>,
    _background: Arc<DropGuard>,
}

#[derive(Debug)]
struct Shared {
    config: ExecConfig,
    engine: Option<Engine>,
    inventory: Inventory,
    policy: watch::Sender<PolicySummary>,
    /// Newest commands and, once they have ended, their outcomes.
    remembered: Mutex<VecDeque<(CommandId, Option<Outcome>)>>,
}

impl Exec {
    /// Reads the policy, connects to the engine (and goes on trying), and keeps the inventory fresh until dropped.
    #[must_use]
    pub fn start(config: ExecConfig) -> Self {
        let engine = match Engine::connect(&config.engine_socket) {
            Ok(engine) => Some(engine),
            Err(error) => {
                tracing::info!(error = error.message, "no container engine");
                None
            }
        };
        let shared = Arc::new(Shared {
            policy: watch::Sender::new(Policy::load(&config.policy).summary()),
            config,
            engine,
            inventory: Inventory::default(),
            remembered: Mutex::default(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(in_background(Arc::clone(&shared), stop.clone()));
        Self { shared, _background: Arc::new(stop.drop_guard()) }
    }

    /// Half an agent that has no engine and no policy: for made-up hosts.
    #[must_use]
    pub fn without_engine() -> Self {
        let config = ExecConfig { policy: PathBuf::new(), engine_socket: PathBuf::new(), journal: PathBuf::new() };
        let inventory = Inventory::default();
        let reason = "this server is made up: it has no container engine".to_owned();
        inventory.engine.send_replace(EngineState::Absent { reason });
        let policy = watch::Sender::default();
        let shared = Arc::new(Shared { config, engine: None, inventory, policy, remembered: Mutex::default() });
        Self { shared, _background: Arc::new(CancellationToken::new().drop_guard()) }
    }

    /// Runs one command: what it says arrives on the returned queue, an outcome last. Dropping the queue cancels it.
    /// A command id that was seen before is answered from memory.
    #[must_use]
    pub fn run(&self, request: CommandRequest) -> mpsc::Receiver<CommandEvent> {
        let (events, said) = mpsc::channel(EVENTS);
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let outcome = match shared.begin(request.id) {
                Some(known) => known,
                None => {
                    let outcome = shared.carry_out(&request, &events).await;
                    shared.remember(request.id, &outcome);
                    outcome
                }
            };
            // The link may have gone; the outcome is remembered.
            drop(events.send(CommandEvent::Outcome(outcome)).await);
        });
        said
    }

    /// All containers, without their figures (the collectors add those).
    #[must_use]
    pub fn containers(&self) -> watch::Receiver<Arc<Vec<Container>>> {
        self.shared.inventory.containers.subscribe()
    }

    /// Process ids of running containers by container id, for the collectors.
    #[must_use]
    pub fn pids(&self) -> watch::Receiver<Arc<Vec<(String, u32)>>> {
        self.shared.inventory.pids.subscribe()
    }

    /// What the policy file allows, whenever it changes.
    #[must_use]
    pub fn policy(&self) -> watch::Receiver<PolicySummary> {
        self.shared.policy.subscribe()
    }

    /// Whether the engine answers.
    #[must_use]
    pub fn engine(&self) -> watch::Receiver<EngineState> {
        self.shared.inventory.engine.subscribe()
    }
}

impl Shared {
    fn remembered(&self) -> MutexGuard<'_, VecDeque<(CommandId, Option<Outcome>)>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known about a command that came before; `None` for a new one, which is known from now on.
    fn begin(&self, id: CommandId) -> Option<Outcome> {
        let mut remembered = self.remembered();
        if let Some((_, outcome)) = remembered.iter().find(|(known, _)| *known == id) {
            let running = || Outcome::failed(ErrorCode::Conflict, format!("command {id} is under way already"), None);
            return Some(outcome.clone().unwrap_or_else(running));
        }
        if remembered.len() == REMEMBERED {
            remembered.pop_front();
        }
        remembered.push_back((id, None));
        None
    }

    fn remember(&self, id: CommandId, outcome: &Outcome) {
        if let Some(entry) = self.remembered().iter_mut().find(|(known, _)| *known == id) {
            entry.1 = Some(outcome.clone());
        }
    }

    async fn carry_out(&self, request: &CommandRequest, events: &Events) -> Outcome {
        let policy = Policy::load(&self.config.policy);
        self.tell_policy(&policy);
        if let Err(refusal) = policy.check(&request.command) {
            tracing::warn!(command = %request.id, verb = request.command.verb(), %refusal, "refused by the policy");
            return Outcome::failed(ErrorCode::RefusedByPolicy, refusal.to_string(), Some(refusal.next().to_owned()));
        }
        // An agent that has just started looks first what an earlier run left behind.
        let mut known = self.inventory.engine.subscribe();
        let looked = known.wait_for(|state| *state != EngineState::Unknown);
        drop(timeout(Duration::from_secs(10), looked).await);
        let Some(engine) = self.engine.as_ref().filter(|_| !self.is_absent()) else {
            let reason = match &*self.inventory.engine.borrow() {
                EngineState::Absent { reason } => reason.clone(),
                _ => format!("there is no container engine at {}", self.config.engine_socket.display()),
            };
            let next = "install Docker on that host, or start it: systemctl start docker".to_owned();
            return Outcome::failed(ErrorCode::Conflict, reason, Some(next));
        };
        let deadline = Duration::from_millis(request.deadline_ms).min(LONGEST);
        let mut undo = commands::Undo::new(Journal::new(self.config.journal.clone()));
        let outcome = tokio::select! {
            outcome = timeout(deadline, commands::run(engine, &request.command, events, &mut undo)) => outcome.unwrap_or_else(|_| {
                let message = format!("not done within {} s; what was begun is undone", deadline.as_secs());
                Outcome::failed(ErrorCode::Conflict, message, None)
            }),
            () = events.closed() => {
                Outcome::failed(ErrorCode::Conflict, "cancelled; what was begun is undone", None)
            }
        };
        let outcome = undo.finish(engine, outcome).await;
        if let Err(error) = self.inventory.refresh(engine).await {
            tracing::debug!(error = error.message, "the inventory waits for the engine");
        }
        outcome
    }

    fn is_absent(&self) -> bool {
        matches!(&*self.inventory.engine.borrow(), EngineState::Absent { .. })
    }

    fn tell_policy(&self, policy: &Policy) {
        let summary = policy.summary();
        self.policy.send_if_modified(|known| {
            let changed = *known != summary;
            *known = summary;
            changed
        });
    }
}

async fn in_background(shared: Arc<Shared>, stop: CancellationToken) {
    let policy = async {
        loop {
            sleep(POLICY_LOOK).await;
            shared.tell_policy(&Policy::load(&shared.config.policy));
        }
    };
    let inventory = async {
        match &shared.engine {
            Some(engine) => {
                let socket = &shared.config.engine_socket;
                shared.inventory.wait_for_engine(engine, socket).await;
                if let Err(error) = commands::recover(engine, &Journal::new(shared.config.journal.clone())).await {
                    tracing::error!(error = error.message, "a deploy that was cut off could not be undone");
                }
                shared.inventory.run(engine, socket).await;
            }
            None => {
                let reason = format!("there is no container engine at {}", shared.config.engine_socket.display());
                shared.inventory.engine.send_replace(EngineState::Absent { reason });
            }
        }
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(policy, inventory) } => {}
        () = stop.cancelled() => {}
    }
}

#[cfg(test)]
mod tests;
