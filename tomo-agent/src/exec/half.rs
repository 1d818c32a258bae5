//! The engine's half itself: what it allows, what it runs, what it remembers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tomo_proto::{
    error::ErrorCode,
    id::CommandId,
    model::server::EngineState,
    wire::command::{CommandEvent, CommandRequest, Outcome},
};

use crate::{
    commands,
    docker::{Engine, RETRY},
    exec::{EVENTS, Events, ExecConfig, Said, Stands},
    journal::Journal,
    policy::Policy,
};

/// Outcomes that a repeated command id is answered with.
const REMEMBERED: usize = 256;
/// The policy file is looked at this often; a command always reads it anew.
const POLICY_LOOK: Duration = Duration::from_secs(2);
/// Longest a command may take, whatever the daemon says.
const LONGEST: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
pub(super) struct Half {
    config: ExecConfig,
    engine: OnceLock<Engine>,
    stands: Arc<Stands>,
    /// Newest commands and, once they have ended, their outcomes.
    remembered: Mutex<VecDeque<(CommandId, Option<Outcome>)>>,
}

impl Half {
    pub(super) fn new(config: ExecConfig, stands: Arc<Stands>) -> Self {
        stands.policy.send_replace(Policy::load(&config.policy).summary());
        Self { config, engine: OnceLock::new(), stands, remembered: Mutex::default() }
    }

    /// Runs one command: what it says arrives on the returned queue, an outcome last. Dropping the queue cancels it.
    pub(super) fn begin(self: &Arc<Self>, request: CommandRequest) -> mpsc::Receiver<Said> {
        let (saying, said) = mpsc::channel(EVENTS);
        let (half, events) = (Arc::clone(self), Events(saying));
        tokio::spawn(async move {
            let outcome = match half.known(request.id) {
                Some(known) => known,
                None => {
                    let outcome = half.carry_out(&request, &events).await;
                    half.remember(request.id, &outcome);
                    outcome
                }
            };
            // The link may have gone; the outcome is remembered.
            events.tell(CommandEvent::Outcome(outcome)).await;
        });
        said
    }

    fn remembered(&self) -> MutexGuard<'_, VecDeque<(CommandId, Option<Outcome>)>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known about a command that came before; `None` for a new one, which is known from now on.
    fn known(&self, id: CommandId) -> Option<Outcome> {
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
        if let Err(message) = request.command.check() {
            tracing::warn!(command = %request.id, verb = request.command.verb(), message, "malformed");
            return Outcome::failed(ErrorCode::Invalid, message, None);
        }
        // An agent that has just started looks first what an earlier run left behind.
        let mut known = self.stands.inventory.engine.subscribe();
        let looked = known.wait_for(|state| *state != EngineState::Unknown);
        drop(timeout(Duration::from_secs(10), looked).await);
        let Some(engine) = self.engine.get().filter(|_| !self.is_absent()) else {
            let reason = match &*self.stands.inventory.engine.borrow() {
                EngineState::Absent { reason } => reason.clone(),
                _ => format!("there is no container engine at {}", self.config.engine_socket.display()),
            };
            let next = "install Docker on that host, or start it: systemctl start docker".to_owned();
            return Outcome::failed(ErrorCode::Conflict, reason, Some(next));
        };
        let deadline = Duration::from_millis(request.deadline_ms).min(LONGEST);
        let mut undo = commands::Undo::new(Journal::new(self.config.journal.clone()));
        let outcome = tokio::select! {
            outcome = timeout(deadline, commands::run(engine, &policy, &request.command, events, &mut undo)) => outcome.unwrap_or_else(|_| {
                let message = format!("not done within {} s; what was begun is undone", deadline.as_secs());
                Outcome::failed(ErrorCode::Conflict, message, None)
            }),
            () = events.closed() => {
                Outcome::failed(ErrorCode::Conflict, "cancelled; what was begun is undone", None)
            }
        };
        let outcome = undo.finish(engine, outcome).await;
        if let Err(error) = self.stands.inventory.refresh(engine).await {
            tracing::debug!(error = error.message, "the inventory waits for the engine");
        }
        outcome
    }

    fn is_absent(&self) -> bool {
        matches!(&*self.stands.inventory.engine.borrow(), EngineState::Absent { .. })
    }

    fn tell_policy(&self, policy: &Policy) {
        let summary = policy.summary();
        self.stands.policy.send_if_modified(|known| {
            let changed = *known != summary;
            *known = summary;
            changed
        });
    }

    /// Follows the policy file and the engine for ever; the owner of the future drops it.
    pub(super) async fn run(&self) {
        let policy = async {
            loop {
                sleep(POLICY_LOOK).await;
                self.tell_policy(&Policy::load(&self.config.policy));
            }
        };
        tokio::join!(policy, self.follow_engine());
    }

    async fn follow_engine(&self) {
        let (socket, inventory) = (&self.config.engine_socket, &self.stands.inventory);
        let engine = self.wait_for_socket().await;
        inventory.wait_for_engine(engine, socket).await;
        if let Err(error) = commands::recover(engine, &Journal::new(self.config.journal.clone())).await {
            tracing::error!(error = error.message, "a deploy that was cut off could not be undone");
        }
        inventory.run(engine, socket).await;
    }

    /// An engine that is not installed yet may come.
    async fn wait_for_socket(&self) -> &Engine {
        loop {
            match Engine::connect(&self.config.engine_socket) {
                Ok(engine) => return self.engine.get_or_init(|| engine),
                Err(error) => {
                    tracing::debug!(error = error.message, "no container engine");
                    let reason = format!("there is no container engine at {}", self.config.engine_socket.display());
                    let absent = EngineState::Absent { reason };
                    let known = &self.stands.inventory.engine;
                    known.send_if_modified(|known| std::mem::replace(known, absent.clone()) != absent);
                }
            }
            sleep(RETRY).await;
        }
    }
}
