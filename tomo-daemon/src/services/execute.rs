//! Carrying an operation out: the command to the agent, its progress, its end in the store.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use tomo_proto::{
    error::{ApiError, ErrorCode},
    id::{AppId, CommandId, OperationId, RevisionId, ServerId},
    model::{
        app::{App, AppSpec, Revision},
        audit::AuditOutcome,
        operation::{Operation, OperationError, OperationKind, OperationStatus},
        server::Server,
    },
    text::display_line,
    wire::command::{Command, CommandEvent, CommandRequest, ContainerRef, DeployApp, Outcome},
};

use crate::{
    crypto,
    hub::HubError,
    live::Topic,
    services::{
        About as _, Context, Services,
        access::Caller,
        ask::offline,
        error::ServiceError,
        operation::{Begun, Running},
    },
    store::{NewAuditEntry, StoreError, WriteTx},
};

/// Seconds a new container has to become healthy.
const HEALTH_SECS: u32 = 90;
/// Longest deploy: a slow pull and the health gate.
const DEPLOY: Duration = Duration::from_secs(1_800);
/// Longest clean-up of a server.
const DISCARD: Duration = Duration::from_secs(600);
/// Longest other command.
const SHORT: Duration = Duration::from_secs(90);
/// The agent's own deadline ends first; this much later the link counts as broken.
const GRACE: Duration = Duration::from_secs(20);
/// Seconds a container gets to end.
pub(super) const STOP_SECS: u32 = 10;

/// What an operation does on a server, and to the app's record.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Deploy {
        app: AppId,
        name: String,
        server: ServerId,
        revision: RevisionId,
        spec: AppSpec,
    },
    Remove {
        app: App,
        volumes: bool,
    },
    Start {
        app: App,
    },
    Stop {
        app: App,
    },
    Restart {
        app: App,
    },
    /// What is no app's.
    OnServer {
        server: ServerId,
        kind: OperationKind,
        command: Command,
    },
}

impl Work {
    const fn server(&self) -> ServerId {
        match self {
            Self::Deploy { server, .. } | Self::OnServer { server, .. } => *server,
            Self::Remove { app, .. } | Self::Start { app } | Self::Stop { app } | Self::Restart { app } => app.server,
        }
    }

    const fn app(&self) -> Option<AppId> {
        match self {
            Self::Deploy { app, .. } => Some(*app),
            Self::Remove { app, .. } | Self::Start { app } | Self::Stop { app } | Self::Restart { app } => Some(app.id),
            Self::OnServer { .. } => None,
        }
    }

    pub(super) const fn kind(&self) -> OperationKind {
        match self {
            Self::Deploy { .. } => OperationKind::DeployApp,
            Self::Remove { .. } => OperationKind::RemoveApp,
            Self::Start { .. } => OperationKind::StartApp,
            Self::Stop { .. } => OperationKind::StopApp,
            Self::Restart { .. } => OperationKind::RestartApp,
            Self::OnServer { kind, .. } => *kind,
        }
    }
}

/// How the part that runs elsewhere ended.
pub(super) enum Ended {
    Done,
    Failed(OperationError, Vec<String>),
    Cancelled,
    Unknown(OperationError),
}

impl Ended {
    pub(super) fn failed(error: ServiceError) -> Self {
        let ApiError { code, message, next, field, .. } = error.error;
        Self::Failed(OperationError { code, message, next, field }, Vec::new())
    }
}

/// Stands in an operation's log before what its container wrote.
pub(super) const CONTAINER_LINES: &str = "last lines of the new container:";

/// Newest lines that an operation keeps.
pub(super) const LOG_LINES: usize = 200;

/// Takes a sign of life over: a new step is also a line of the log, with the seconds since the start.
pub(super) fn note_step(operation: &mut Operation, step: &str, percent: Option<u8>, now_ms: u64) {
    let step = display_line(step, 200);
    if operation.step != step {
        let since_ms = now_ms.saturating_sub(operation.started_at);
        operation.log.push(format!("{:>4}.{} s  {step}", since_ms / 1_000, since_ms % 1_000 / 100));
        operation.log.drain(..operation.log.len().saturating_sub(LOG_LINES));
        operation.step = step;
    }
    operation.percent = percent;
}

impl Services {
    /// Begins something on a server; a second request for what is under way finds the first.
    pub(super) async fn operate(
        &self,
        caller: &Caller,
        server: &Server,
        [action, kind, name]: [&str; 3],
        reason: Option<&String>,
        work: Work,
    ) -> Result<Operation, ServiceError> {
        if !self.context.hub.is_online(server.id) && self.context.running_on(&server.name, name).is_none() {
            return Err(offline(server));
        }
        let operation = self.context.new_operation(caller, work.kind(), name, Some(&server.name));
        let intent = self.context.entry(caller, action, AuditOutcome::Intent).about(kind, name);
        let intent = intent.because(reason).with(format!("{} on {}", operation.operation, server.name));
        // In a task of its own: what has begun is carried out even if the caller has gone meanwhile.
        let context = Arc::clone(&self.context);
        let begun = self.context.tasks.spawn(async move {
            match context.begin(operation.clone(), intent.clone()).await? {
                Begun::New(running) => context.spawn(running, work, intent),
                Begun::Already(other) => return Ok(*other),
            }
            Ok(operation)
        });
        let failed =
            |error| ServiceError::new(ErrorCode::Internal, "beginning the operation failed").with_source(error);
        begun.await.map_err(failed)?
    }
}

impl Context {
    /// A new operation of a caller, running.
    pub(super) fn new_operation(
        &self,
        caller: &Caller,
        kind: OperationKind,
        target: &str,
        server: Option<&str>,
    ) -> Operation {
        let now_ms = self.clock.now_ms();
        Operation {
            operation: OperationId::from_parts(now_ms, crypto::random_u32()),
            kind,
            target: target.to_owned(),
            server: server.map(str::to_owned),
            plan: None,
            status: OperationStatus::Running,
            step: "waits".to_owned(),
            percent: None,
            error: None,
            actor: caller.actor(),
            started_at: now_ms,
            ended_at: None,
            log: Vec::new(),
        }
    }

    /// An operation on an app that is under way already.
    pub(super) fn running_on(&self, server: &str, app: &str) -> Option<Operation> {
        self.operations
            .list()
            .into_iter()
            .find(|known| known.target == app && known.server.as_deref() == Some(server) && known.kind.is_of_app())
    }

    /// Carries an operation out that has begun and stands in the store, in a task of its own.
    pub(super) fn spawn(self: &Arc<Self>, running: Running, work: Work, intent: NewAuditEntry) {
        let context = Arc::clone(self);
        self.tasks.spawn(async move { context.carry_out(running, work, intent).await });
    }

    async fn carry_out(&self, running: Running, work: Work, intent: NewAuditEntry) {
        let id = running.state.borrow().operation;
        self.live.publish(Topic::Operation(id));
        let tell = |app: Option<AppId>| app.map(|app| self.live.publish(Topic::App(app)));
        tell(work.app());
        running.state.send_modify(|operation| note_step(operation, "send to the agent", None, self.clock.now_ms()));
        let ended = self.command(&running, &work).await;
        let app = work.app();
        self.conclude(running, intent, ended, move |change, operation| settle(change, &work, operation)).await;
        tell(app);
    }

    /// Writes the end of an operation down, with what it means for other records, and tells it.
    pub(super) async fn conclude(
        &self,
        running: Running,
        intent: NewAuditEntry,
        ended: Ended,
        settle: impl FnOnce(&mut WriteTx<'_>, &Operation) -> Result<(), StoreError> + Send + 'static,
    ) {
        let mut operation = running.state.borrow().clone();
        let id = operation.operation;
        let now_ms = self.clock.now_ms();
        operation.ended_at = Some(now_ms);
        match ended {
            Ended::Done => {
                operation.status = OperationStatus::Succeeded;
                note_step(&mut operation, "done", None, now_ms);
            }
            Ended::Failed(error, log) => {
                operation.status = OperationStatus::Failed;
                if !log.is_empty() {
                    operation.log.push(CONTAINER_LINES.to_owned());
                    operation.log.extend(log);
                }
                operation.error = Some(OperationError {
                    next: error.next.or_else(|| Some(format!("operation_get {{\"operation\":\"{id}\"}}"))),
                    ..error
                });
            }
            Ended::Cancelled => operation.status = OperationStatus::Cancelled,
            Ended::Unknown(error) => {
                operation.status = OperationStatus::Unknown;
                operation.error = Some(error);
            }
        }
        operation.percent = None;
        operation.log.drain(..operation.log.len().saturating_sub(LOG_LINES));
        let outcome =
            if operation.status == OperationStatus::Succeeded { AuditOutcome::Ok } else { AuditOutcome::Failed };
        let details = operation
            .error
            .as_ref()
            .map_or_else(|| operation.status.as_str().to_owned(), |error| error.message.clone());
        let entry = NewAuditEntry { at_ms: self.clock.now_ms(), outcome, ..intent }.with(details);
        let final_state = operation.clone();
        let stored = self
            .store
            .write(move |change| {
                change.put(&operation)?;
                change.audit(entry);
                settle(change, &operation)
            })
            .await;
        if let Err(error) = stored {
            tracing::error!(%error, operation = %id, "the end of an operation could not be stored");
        }
        running.state.send_replace(final_state);
        self.operations.end(id);
        self.live.publish(Topic::Operation(id));
    }

    async fn command(&self, running: &Running, work: &Work) -> Ended {
        let failed = Ended::failed;
        let (command, limit) = match self.command_of(work).await {
            Ok(command) => command,
            Err(error) => return failed(error),
        };
        let now_ms = self.clock.now_ms();
        let request = CommandRequest {
            id: CommandId::from_parts(now_ms, crypto::random_u32()),
            deadline_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            command,
        };
        let mut sent = match self.hub.send(work.server(), request).await {
            Ok(sent) => sent,
            Err(HubError::Offline) => {
                return failed(
                    ServiceError::new(ErrorCode::AgentOffline, "the server's agent is not connected")
                        .with_next("try again once server_get says it is up"),
                );
            }
            Err(error @ HubError::Busy) => return failed(ServiceError::new(ErrorCode::Conflict, error.to_string())),
            Err(error) => return unknown(&error.to_string()),
        };
        loop {
            let event = tokio::select! {
                event = timeout(limit + GRACE, sent.events.recv()) => event,
                () = running.cancel.cancelled() => {
                    // Dropping the command resets its stream; the agent undoes what it began.
                    return Ended::Cancelled;
                }
                () = self.stop.cancelled() => return unknown("the daemon stops"),
            };
            match event {
                Ok(Some(CommandEvent::Progress { step, percent })) => {
                    let now_ms = self.clock.now_ms();
                    running.state.send_modify(|operation| note_step(operation, &step, percent, now_ms));
                    self.live.publish(Topic::Operation(running.state.borrow().operation));
                }
                Ok(Some(CommandEvent::Log { .. } | CommandEvent::Found(_) | CommandEvent::Send)) => {}
                Ok(Some(CommandEvent::Outcome(Outcome::Succeeded { .. }))) => return Ended::Done,
                Ok(Some(CommandEvent::Outcome(Outcome::Failed { code, message, next, log }))) => {
                    let error = OperationError {
                        code,
                        message: display_line(&message, 600),
                        next: next.map(|next| display_line(&next, 300)),
                        field: None,
                    };
                    return Ended::Failed(error, log.iter().map(|line| display_line(&line.text, 2_000)).collect());
                }
                Ok(None) => return unknown("the link to the agent broke"),
                Err(_) => return unknown("the agent did not answer in time"),
            }
        }
    }

    async fn command_of(&self, work: &Work) -> Result<(Command, Duration), ServiceError> {
        let container = |app: &App| {
            ContainerRef::new(format!("tomo-{}", app.name))
                .map_err(|error| ServiceError::new(ErrorCode::Invalid, error))
        };
        Ok(match work {
            Work::Deploy { app, name, revision, spec, .. } => {
                let deploy = DeployApp {
                    app: *app,
                    name: name.clone(),
                    revision: *revision,
                    spec: spec.clone(),
                    secrets: self.open_secrets(spec).await?,
                    health_timeout_secs: HEALTH_SECS,
                };
                (Command::DeployApp { deploy: Box::new(deploy) }, DEPLOY)
            }
            Work::Remove { app, volumes } => {
                let named = app.spec.volumes.iter().filter(|volume| *volumes && !volume.is_bind());
                let volumes = named.map(|volume| volume.source.clone()).collect();
                (Command::RemoveContainer { container: container(app)?, volumes }, SHORT)
            }
            Work::Start { app } => (Command::StartContainer { container: container(app)? }, SHORT),
            Work::Stop { app } => {
                (Command::StopContainer { container: container(app)?, timeout_secs: STOP_SECS }, SHORT)
            }
            Work::Restart { app } => {
                (Command::RestartContainer { container: container(app)?, timeout_secs: STOP_SECS }, SHORT)
            }
            Work::OnServer { command, kind, .. } => {
                let limit = match kind {
                    OperationKind::PullImage => DEPLOY,
                    OperationKind::Discard => DISCARD,
                    _ => SHORT,
                };
                (command.clone(), limit)
            }
        })
    }
}

fn unknown(reason: &str) -> Ended {
    Ended::Unknown(OperationError {
        code: ErrorCode::TimeoutUnknown,
        message: format!("{reason}: it may have happened"),
        next: Some("look at the app before trying again".to_owned()),
        field: None,
    })
}

/// What the end of an operation means for the app's record.
fn settle(change: &mut WriteTx<'_>, work: &Work, operation: &Operation) -> Result<(), StoreError> {
    let succeeded = operation.status == OperationStatus::Succeeded;
    let error = operation.error.as_ref().map(|error| error.message.clone());
    match work {
        Work::Deploy { app, name, server, revision, spec } => {
            let now_ms = operation.ended_at.unwrap_or(operation.started_at);
            let known = change.get::<App>(app.to_u64())?;
            if succeeded {
                change.put(&Revision {
                    id: *revision,
                    app: *app,
                    spec: spec.clone(),
                    actor: operation.actor.clone(),
                    operation: operation.operation,
                    created_at: now_ms,
                })?;
                let created_at = known.map_or(now_ms, |app| app.created_at);
                change.put(&App {
                    id: *app,
                    name: name.clone(),
                    server: *server,
                    spec: spec.clone(),
                    revision: Some(*revision),
                    stopped: false,
                    last_error: None,
                    created_at,
                    deployed_at: now_ms,
                })?;
            } else if let Some(mut known) = known {
                if known.revision.is_none() && operation.status == OperationStatus::Cancelled {
                    change.remove::<App>(app.to_u64());
                } else {
                    known.last_error = error.or_else(|| Some(operation.status.as_str().to_owned()));
                    change.put(&known)?;
                }
            }
        }
        Work::Remove { app, .. } if succeeded => {
            change.remove::<App>(app.id.to_u64());
            for revision in change.list::<Revision>()? {
                if revision.app == app.id {
                    change.remove::<Revision>(revision.id.to_u64());
                }
            }
        }
        Work::Start { app } | Work::Stop { app } | Work::Restart { app } if succeeded => {
            if let Some(mut known) = change.get::<App>(app.id.to_u64())? {
                known.stopped = matches!(work, Work::Stop { .. });
                change.put(&known)?;
            }
        }
        _ => {}
    }
    Ok(())
}
