//! The engine's half itself: what it allows, what it runs, what it remembers.

mod recovery;
mod terminals;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedMutexGuard, mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tomo_proto::{
    error::ErrorCode,
    id::CommandId,
    model::server::EngineState,
    wire::{
        command::{Command, CommandEvent, CommandRequest, Outcome},
        terminal::TerminalInput,
    },
};

use crate::{
    clock::now_ms,
    commands::{self, Carrying, Deploying, Stop},
    docker::{Engine, RETRY},
    exec::{EVENTS, Events, ExecConfig, Said, Stands},
    journal::{Entry, Journal},
    policy::Policy,
};

/// Outcomes that are known without a look into the journal.
const REMEMBERED: usize = 256;
/// The policy file is looked at this often; a command always reads it anew.
const POLICY_LOOK: Duration = Duration::from_secs(2);
/// Longest a command may take, whatever the daemon says.
const LONGEST: Duration = Duration::from_secs(12 * 3_600);

#[derive(Debug)]
pub(super) struct Half {
    config: ExecConfig,
    engine: OnceLock<Engine>,
    stands: Arc<Stands>,
    journal: Journal,
    remembered: Mutex<VecDeque<Remembered>>,
    /// One change at a time of each thing.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Terminals at which somebody is.
    terminals: Mutex<HashSet<CommandId>>,
    /// Something could not be finished or undone yet.
    is_left: AtomicBool,
}

/// A change that came to this process, or that an earlier one left behind.
#[derive(Debug)]
struct Remembered {
    command: CommandId,
    /// Whether it was begun by this process.
    is_ours: bool,
    ended: watch::Sender<Option<Outcome>>,
}

impl Half {
    pub(super) fn new(config: ExecConfig, stands: Arc<Stands>) -> Self {
        stands.policy.send_replace(Policy::load(&config.policy).summary());
        let journal = Journal::new(config.journal.clone());
        let remembered = journal.entries().into_iter().map(|entry| Remembered {
            command: entry.command,
            is_ours: false,
            ended: watch::Sender::new(entry.outcome),
        });
        Self {
            config,
            engine: OnceLock::new(),
            stands,
            remembered: Mutex::new(remembered.collect()),
            journal,
            turns: Mutex::default(),
            terminals: Mutex::default(),
            is_left: AtomicBool::new(false),
        }
    }

    /// Runs one command: what it says arrives on the returned queue, an outcome last. `cancel` has it undone; so does dropping the queue.
    /// What is typed at a terminal that it opens comes as `input`.
    pub(super) fn begin(
        self: &Arc<Self>,
        request: CommandRequest,
        cancel: CancellationToken,
        input: mpsc::Receiver<TerminalInput>,
    ) -> mpsc::Receiver<Said> {
        let (saying, said) = mpsc::channel(EVENTS);
        let (half, events) = (Arc::clone(self), Events(saying));
        tokio::spawn(async move {
            let outcome = match &request.command {
                Command::TellOutcome { command } => half.outcome_of(*command, &events).await,
                command if !command.is_change() => Box::pin(half.carry_out(&request, &events, cancel, input)).await,
                _ => match half.known(request.id) {
                    Some(_) => half.outcome_of(request.id, &events).await,
                    None => {
                        let outcome = Box::pin(half.carry_out(&request, &events, cancel, input)).await;
                        half.remember(request.id, &outcome);
                        outcome
                    }
                },
            };
            // The link may have gone; the outcome is remembered.
            events.tell(CommandEvent::Outcome(outcome)).await;
        });
        said
    }

    fn remembered(&self) -> MutexGuard<'_, VecDeque<Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the end of a change shows that came before; `None` for a new one, which is known from now on.
    fn known(&self, command: CommandId) -> Option<watch::Receiver<Option<Outcome>>> {
        let mut remembered = self.remembered();
        if let Some(known) = remembered.iter().find(|known| known.command == command) {
            return Some(known.ended.subscribe());
        }
        if remembered.len() >= REMEMBERED {
            remembered.pop_front();
        }
        remembered.push_back(Remembered { command, is_ours: true, ended: watch::Sender::default() });
        None
    }

    fn remember(&self, command: CommandId, outcome: &Outcome) {
        if let Some(known) = self.remembered().iter().find(|known| known.command == command) {
            known.ended.send_replace(Some(outcome.clone()));
        }
    }

    /// What became of a change, once it has ended.
    async fn outcome_of(&self, command: CommandId, events: &Events) -> Outcome {
        let ended =
            self.remembered().iter().find(|known| known.command == command).map(|known| known.ended.subscribe());
        let Some(mut ended) = ended else {
            return Outcome::failed(ErrorCode::NotFound, "it never came to the agent: nothing was done", None);
        };
        let outcome = tokio::select! {
            ended = ended.wait_for(Option::is_some) => ended.ok().and_then(|outcome| outcome.clone()),
            () = events.closed() => None,
        };
        outcome.unwrap_or_else(|| Outcome::failed(ErrorCode::TimeoutUnknown, "nobody waited for its end", None))
    }

    async fn carry_out(
        &self,
        request: &CommandRequest,
        events: &Events,
        cancel: CancellationToken,
        input: mpsc::Receiver<TerminalInput>,
    ) -> Outcome {
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
        let engine = match self.engine().await {
            Ok(engine) => &engine.signed_in(&request.logins),
            Err(absent) => return absent,
        };
        let deadline = Duration::from_millis(request.deadline_ms);
        if let Command::OpenTerminal { .. } = request.command {
            let stop = Stop::new(cancel, events.clone(), deadline.min(commands::LONGEST_TERMINAL));
            return self
                .open_terminal(engine, &policy, request, events, &stop, input)
                .await
                .unwrap_or_else(Outcome::from);
        }
        let stop = Stop::new(cancel, events.clone(), deadline.min(LONGEST));
        let outcome = if request.command.is_change() {
            let subjects = match commands::subjects(engine, &request.command).await {
                Ok(subjects) => subjects,
                Err(error) => return commands::Failure::from(error).into(),
            };
            let _turns = tokio::select! {
                turns = self.turns(&subjects) => turns,
                failure = stop.reached() => return failure.into(),
            };
            if let Err(outcome) = self.settle_before(engine, &subjects).await {
                return outcome;
            }
            self.change(engine, &policy, request, subjects, events, &stop).await
        } else {
            tokio::select! {
                outcome = commands::run(engine, &policy, &request.command, events) => outcome,
                failure = stop.reached() => failure.into(),
            }
        };
        // A log is read again and again, and whoever reads it looks at nothing else.
        if let Command::ReadLogs { .. } = request.command {
            return outcome;
        }
        if let Err(error) = self.stands.inventory.refresh(engine).await {
            tracing::debug!(error = error.message, "the inventory waits for the engine");
        }
        outcome
    }

    /// The engine, or what is said without one.
    async fn engine(&self) -> Result<&Engine, Outcome> {
        // An agent that has just started looks first what an earlier run left behind.
        let mut known = self.stands.inventory.engine.subscribe();
        let looked = known.wait_for(|state| *state != EngineState::Unknown);
        drop(timeout(Duration::from_secs(10), looked).await);
        let state = self.stands.inventory.engine.borrow().clone();
        let reason = match (state, self.engine.get()) {
            (EngineState::Running { .. }, Some(engine)) => return Ok(engine),
            (EngineState::Absent { reason }, _) => reason,
            (_, Some(_)) => {
                let message = "the agent still finishes or undoes what was cut off before it started";
                let next = Some("try again in a moment".to_owned());
                return Err(Outcome::failed(ErrorCode::Conflict, message, next));
            }
            (_, None) => format!("there is no container engine at {}", self.config.engine_socket.display()),
        };
        let next = "install Docker on that host, or start it: systemctl start docker".to_owned();
        Err(Outcome::failed(ErrorCode::Conflict, reason, Some(next)))
    }

    /// Waits until nothing else changes any of that.
    async fn turns(&self, subjects: &[String]) -> Vec<OwnedMutexGuard<()>> {
        let mut turns = Vec::with_capacity(subjects.len());
        for subject in subjects {
            turns.push(self.turn(subject.clone()).await);
        }
        turns
    }

    /// Waits until nothing else changes the same thing.
    async fn turn(&self, subject: String) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(subject).or_default())
        };
        turn.lock_owned().await
    }

    /// Carries a change out that stands in the journal, from before its beginning to its end.
    async fn change(
        &self,
        engine: &Engine,
        policy: &Policy,
        request: &CommandRequest,
        subjects: Vec<String>,
        events: &Events,
        stop: &Stop,
    ) -> Outcome {
        let has_secrets = matches!(request.command, Command::DeployApp { .. } | Command::DrillVolume { .. });
        let change = (!has_secrets).then(|| request.command.clone());
        let mut entry =
            Entry { command: request.id, begun_at: now_ms(), change, swap: None, scratch: None, outcome: None };
        if let Err(error) = self.journal.write(&entry) {
            let message = format!("the change cannot be noted in the agent's journal: {error}");
            return Outcome::failed(ErrorCode::Internal, message, None);
        }
        let outcome = match &request.command {
            Command::DeployApp { deploy } => {
                let (journal, free_ports) = (&self.journal, policy.summary().free_ports());
                Deploying { engine, deploy, free_ports, events, stop, journal }.run(&mut entry).await
            }
            command if command.carries_volume() => {
                let journal = &self.journal;
                Carrying { engine, policy, events, stop, journal, subjects }.run(&mut entry, request).await
            }
            command => tokio::select! {
                outcome = commands::run(engine, policy, command, events) => outcome,
                failure = stop.reached() => failure.into(),
            },
        };
        entry.outcome = Some(outcome.clone());
        self.journal.end(&entry);
        if entry.is_left() {
            self.is_left.store(true, Ordering::SeqCst);
        }
        outcome
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
        loop {
            inventory.wait_for_engine(engine, socket).await;
            self.recover(engine).await;
            tokio::select! {
                () = inventory.run(engine, socket) => {}
                () = self.tidy_up(engine) => {}
            }
            sleep(RETRY).await;
        }
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
