//! Carrying an operation out: the command to the agent, its progress, its end in the store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::timeout;
use tomo_proto::{
    error::{ApiError, ErrorCode},
    id::{AppId, CommandId, OperationId},
    model::{
        app::{App, Kept as KeptContainer, Revision},
        audit::AuditOutcome,
        operation::{Evidence, Operation, OperationError, OperationKind, OperationStatus},
        server::Server,
    },
    text::display_line,
    wire::command::{Command, CommandEvent, CommandRequest, ContainerRef, DeployApp, Outcome, STOP_SECS},
};

use crate::{
    crypto,
    hub::HubError,
    live::Topic,
    services::{
        About as _, Context,
        access::Caller,
        ask::offline,
        error::ServiceError,
        operation::{Begun, Running},
        volume_backup::{Kept, Writing, note_drill},
    },
    store::{
        NewAuditEntry, StoreError, WriteTx,
        records::{CommandRecord, Work},
    },
};

/// Longest deploy, beside the time its container has to become healthy: a slow pull.
const DEPLOY: Duration = Duration::from_secs(1_800);
/// Longest clean-up of a server.
const DISCARD: Duration = Duration::from_secs(600);
/// Longest way of a volume.
const VOLUME: Duration = Duration::from_secs(12 * 3_600);
/// Longest other command.
const SHORT: Duration = Duration::from_secs(90);
/// The agent's own deadline ends first; this much later the link counts as broken.
const GRACE: Duration = Duration::from_secs(20);

/// How a command is sent.
#[derive(Debug, Clone, Copy)]
enum Sent {
    /// For the first and only time.
    New,
    /// It was sent before: the agent is asked what became of it.
    Before(CommandId),
}

/// How the part that runs elsewhere ended.
pub(super) enum Ended {
    Done,
    Failed(OperationError),
    Cancelled,
    Unknown(OperationError),
}

impl Ended {
    pub(super) fn failed(error: ServiceError) -> Self {
        let ApiError { code, message, next, field, .. } = error.error;
        Self::Failed(OperationError { code, message, next, field })
    }
}

/// Newest lines that an operation keeps.
const LOG_LINES: usize = 200;
/// Answers of probes that an operation keeps.
const PROBES: usize = 40;

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

impl Context {
    /// Begins something on a server; a second request for what is under way finds the first.
    pub(super) async fn operate(
        self: &Arc<Self>,
        caller: &Caller,
        server: &Server,
        [action, kind, name]: [&str; 3],
        reason: Option<&String>,
        work: Work,
    ) -> Result<Operation, ServiceError> {
        if !self.hub.is_online(server.id) && self.running_on(&server.name, name).is_none() {
            return Err(offline(server));
        }
        let operation = self.new_operation(caller, work.kind(), name, Some(&server.name));
        let intent = self.entry(caller, action, AuditOutcome::Intent).about(kind, name);
        let intent = intent.because(reason).with(format!("{} on {}", operation.operation, server.name));
        // In a task of its own: what has begun is carried out even if the caller has gone meanwhile.
        let context = Arc::clone(self);
        let begun = self.tasks.spawn(async move {
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
            downtime_ms: None,
            log: Vec::new(),
            evidence: None,
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
        self.spawn_as(running, work, intent, Sent::New);
    }

    fn spawn_as(self: &Arc<Self>, running: Running, work: Work, intent: NewAuditEntry, sent: Sent) {
        let context = Arc::clone(self);
        self.tasks.spawn(async move { context.carry_out(running, work, intent, sent).await });
    }

    async fn carry_out(&self, running: Running, work: Work, intent: NewAuditEntry, sent: Sent) {
        let id = running.state.borrow().operation;
        self.live.publish(Topic::Operation(id));
        let tell = |app: Option<AppId>| app.map(|app| self.live.publish(Topic::App(app)));
        tell(work.app());
        let step = match sent {
            Sent::New => "send to the agent",
            Sent::Before(_) => "ask the agent what became of it",
        };
        running.state.send_modify(|operation| note_step(operation, step, None, self.clock.now_ms()));
        let (mut told, state) = (BTreeMap::new(), running.state.clone());
        let arrivals = self.hub.arrivals();
        let (ended, kept) = match self.begin_writing(&work).await {
            Ok(writing) => {
                let ended = self.command(&running, &work, &intent, sent, writing.as_ref(), &mut told).await;
                self.end_writing(writing, &running, ended).await
            }
            Err(error) => (Ended::failed(error), None),
        };
        let app = work.app();
        let record = kept.as_ref().map(|kept| kept.record.clone());
        let settle = move |change: &mut WriteTx<'_>, operation: &Operation| {
            if operation.status != OperationStatus::Unknown || !is_open(operation) {
                change.remove::<CommandRecord>(operation.operation.to_u64());
            }
            if let Some(record) = record {
                change.put(&record)?;
            }
            settle(change, &work, operation, &told)
        };
        self.conclude(running, intent, ended, settle).await;
        if let Some(Kept { record, .. }) = kept
            && let Err(error) = self.forget_old_volume_backups(&record.backup).await
        {
            tracing::error!(%error, "old backups of a volume cannot be removed");
        }
        tell(app);
        // An agent that is back already did not come while this was still under way.
        if state.borrow().status != OperationStatus::Unknown || arrivals.has_changed().unwrap_or(false) {
            self.settled.notify_one();
        }
    }

    /// Asks agents that are back what became of the commands whose outcome was missed, as long as the daemon runs.
    pub(super) async fn settle_unknown(self: Arc<Self>) {
        let mut arrivals = self.hub.arrivals();
        loop {
            if let Err(error) = self.ask_again() {
                tracing::error!(%error, "commands without an outcome cannot be looked for");
            }
            tokio::select! {
                changed = arrivals.changed() => if changed.is_err() { return },
                () = self.settled.notified() => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    fn ask_again(self: &Arc<Self>) -> Result<(), StoreError> {
        for CommandRecord { operation, command, work, intent } in self.store.read(|view| view.list())? {
            if !self.hub.is_online(work.server()) || self.operations.is_running(operation) {
                continue;
            }
            let Some(mut operation) = self.store.read(|view| view.get::<Operation>(operation.to_u64()))? else {
                continue;
            };
            (operation.status, operation.ended_at, operation.error) = (OperationStatus::Running, None, None);
            // If another one is under way on the same app, its end rings again.
            if let Ok(running) = self.operations.begin(operation) {
                self.spawn_as(running, work, intent, Sent::Before(command));
            }
        }
        Ok(())
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
                let done = match operation.downtime_ms {
                    Some(0) => "done; something answered all the time".to_owned(),
                    Some(ms) => format!("done; nothing answered for {}.{} s", ms / 1_000, ms % 1_000 / 100),
                    None => "done".to_owned(),
                };
                note_step(&mut operation, &done, None, now_ms);
            }
            Ended::Failed(error) => {
                operation.status = OperationStatus::Failed;
                let next = match (operation.kind, &operation.server) {
                    (OperationKind::DeployApp, Some(server)) => {
                        format!("app_diagnose {{\"app\":\"{server}/{}\"}}", operation.target)
                    }
                    _ => format!("operation_get {{\"operation\":\"{id}\"}}"),
                };
                operation.error = Some(OperationError { next: error.next.or(Some(next)), ..error });
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

    /// Sends an operation's command, or asks what became of it, and follows it to its end.
    async fn command(
        &self,
        running: &Running,
        work: &Work,
        intent: &NewAuditEntry,
        sent: Sent,
        writing: Option<&Writing>,
        told: &mut BTreeMap<String, String>,
    ) -> Ended {
        let new_id = || CommandId::from_parts(self.clock.now_ms(), crypto::random_u32());
        let (id, command, limit, supply, logins) = match sent {
            Sent::Before(command) => (new_id(), Command::TellOutcome { command }, DEPLOY, None, Vec::new()),
            Sent::New => {
                let (command, limit) = match self.command_of(work).await {
                    Ok(command) => command,
                    Err(error) => return Ended::failed(error),
                };
                if matches!(work, Work::RestoreVolume { .. } | Work::DrillVolume { .. }) {
                    self.tell_step(running, "read the backup to its end");
                }
                let supply = match self.supply_of(work).await {
                    Ok(supply) => supply,
                    Err(error) => return Ended::failed(error),
                };
                let logins = match self.logins_for(&command.images()).await {
                    Ok(logins) => logins,
                    Err(error) => return Ended::failed(error),
                };
                let id = new_id();
                // Written down before it is sent: what is sent can be asked about, also by the next daemon. A backup that does
                // not come in comes to nothing, whatever the agent would say.
                if writing.is_none()
                    && let Err(error) = self.write_down(running, id, work, intent).await
                {
                    return Ended::failed(error.into());
                }
                (id, command, limit, supply, logins)
            }
        };
        let deadline_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let request = CommandRequest { id, deadline_ms, command, logins };
        let mut sent = match self.hub.send_with(work.server(), request, supply).await {
            Ok(sent) => sent,
            Err(error) => return self.not_sent(&error, sent),
        };
        let mut is_cancelled = false;
        loop {
            let event = tokio::select! {
                event = timeout(limit + GRACE, sent.events.recv()) => event,
                () = running.cancel.cancelled(), if !is_cancelled => {
                    // The agent undoes what it began, and says so.
                    is_cancelled = true;
                    sent.cancel();
                    continue;
                }
                () = self.stop.cancelled() => {
                    sent.leave();
                    return unknown("the daemon stops");
                }
            };
            match event {
                Ok(Some(CommandEvent::Progress { step, percent })) => {
                    let now_ms = self.clock.now_ms();
                    running.state.send_modify(|operation| note_step(operation, &step, percent, now_ms));
                    self.live.publish(Topic::Operation(running.state.borrow().operation));
                }
                Ok(Some(CommandEvent::Part(part))) => {
                    // Where it cannot be written any more it is not to be read either.
                    if !is_cancelled
                        && let Some(writing) = writing
                        && !writing.take(part).await
                    {
                        is_cancelled = true;
                        sent.cancel();
                    }
                }
                Ok(Some(CommandEvent::Outcome(outcome))) => {
                    return take_outcome(running, outcome, is_cancelled, told);
                }
                Ok(Some(_)) => {}
                Ok(None) => return unknown("the link to the agent broke"),
                Err(_) => return unknown("the agent did not answer in time"),
            }
        }
    }

    async fn write_down(
        &self,
        running: &Running,
        command: CommandId,
        work: &Work,
        intent: &NewAuditEntry,
    ) -> Result<(), StoreError> {
        let operation = running.state.borrow().operation;
        let record = CommandRecord { operation, command, work: work.clone(), intent: intent.clone() };
        self.store.write(move |change| change.put(&record)).await
    }

    /// What it means that a command could not be sent.
    fn not_sent(&self, error: &HubError, sent: Sent) -> Ended {
        match (error, sent) {
            (HubError::Offline, Sent::New) => Ended::failed(
                ServiceError::new(ErrorCode::AgentOffline, "the server's agent is not connected")
                    .with_next("try again once the server is up"),
            ),
            (HubError::Busy, Sent::New) => Ended::failed(ServiceError::new(ErrorCode::Conflict, error.to_string())),
            _ => unknown(&error.to_string()),
        }
    }

    async fn command_of(&self, work: &Work) -> Result<(Command, Duration), ServiceError> {
        let refer =
            |name: String| ContainerRef::new(name).map_err(|error| ServiceError::new(ErrorCode::Invalid, error));
        let container = |app: &App| refer(format!("tomo-{}", app.name));
        let others = |app: &App| -> Result<Vec<ContainerRef>, ServiceError> {
            let services = app.spec.in_order().into_iter().filter(|service| service.name.is_some());
            services.map(|service| refer(service.container(&app.name))).collect()
        };
        let short = |app: &App| SHORT * u32::try_from(app.spec.services.len() + 1).unwrap_or(u32::MAX);
        Ok(match work {
            Work::Deploy { app, name, revision, spec, adopts, .. } => {
                let settings = self.settings()?;
                let deploy = DeployApp {
                    app: *app,
                    name: name.clone(),
                    revision: *revision,
                    spec: spec.clone(),
                    secrets: self.open_secrets(spec).await?,
                    health_timeout_secs: settings.healthy_within_secs,
                    overlap_secs: settings.overlap_secs,
                    keep_secs: settings.keep_replaced_minutes.saturating_mul(60),
                    adopts: adopts.clone().map(refer).transpose()?,
                };
                let services = u64::try_from(spec.services.len()).unwrap_or(0) + 1;
                let limit = DEPLOY + Duration::from_secs(u64::from(settings.healthy_within_secs) * services);
                (Command::DeployApp { deploy: Box::new(deploy) }, limit)
            }
            Work::Remove { app, volumes } => {
                let named = app.spec.all_volumes().filter(|volume| *volumes && !volume.is_bind());
                // Several services may share one.
                let volumes = named.map(|volume| volume.source.clone()).collect::<BTreeSet<_>>().into_iter().collect();
                (Command::RemoveContainer { container: container(app)?, volumes }, short(app))
            }
            Work::Start { app } => {
                (Command::StartContainer { container: container(app)?, others: others(app)? }, short(app))
            }
            Work::Stop { app } => {
                let (container, others) = (container(app)?, others(app)?);
                (Command::StopContainer { container, timeout_secs: STOP_SECS, others }, short(app))
            }
            Work::Restart { app } => {
                let (container, others) = (container(app)?, others(app)?);
                (Command::RestartContainer { container, timeout_secs: STOP_SECS, others }, short(app))
            }
            Work::BackupVolume { volume, stop, .. } => {
                (Command::BackupVolume { volume: volume.clone(), stop: *stop }, VOLUME)
            }
            Work::RestoreVolume { volume, .. } => (Command::RestoreVolume { volume: volume.clone() }, VOLUME),
            Work::DrillVolume { backup, .. } => (self.drill_command(*backup).await?, VOLUME),
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
        message: format!("{reason}: it may have happened; the agent is asked when it is back"),
        next: Some("look at the operation again once the server is up".to_owned()),
        field: None,
    })
}

/// Whether an unknown end may still become known. What the agent itself does not know, nobody does.
fn is_open(operation: &Operation) -> bool {
    operation.error.as_ref().is_none_or(|error| error.next.as_deref() != Some(NOBODY_KNOWS))
}

/// What is left to do where the agent itself does not know.
const NOBODY_KNOWS: &str = "look at the app before trying again";

/// Takes over what the agent says at the end.
fn take_outcome(running: &Running, outcome: Outcome, is_cancelled: bool, told: &mut BTreeMap<String, String>) -> Ended {
    match outcome {
        Outcome::Succeeded { facts, downtime_ms } => {
            *told = facts;
            running.state.send_modify(|operation| operation.downtime_ms = downtime_ms);
            Ended::Done
        }
        Outcome::Failed { code: ErrorCode::TimeoutUnknown, message, .. } => Ended::Unknown(OperationError {
            code: ErrorCode::TimeoutUnknown,
            message: display_line(&message, 600),
            next: Some(NOBODY_KNOWS.to_owned()),
            field: None,
        }),
        Outcome::Failed { code, message, next, downtime_ms, evidence } => {
            running.state.send_modify(|operation| {
                operation.downtime_ms = downtime_ms;
                operation.evidence = evidence.map(|evidence| shown(*evidence));
            });
            if is_cancelled {
                return Ended::Cancelled;
            }
            Ended::Failed(OperationError {
                code,
                message: display_line(&message, 600),
                next: next.map(|next| display_line(&next, 300)),
                field: None,
            })
        }
    }
}

/// An agent may lie: its texts are made safe, and cut to what is promised.
fn shown(mut evidence: Evidence) -> Evidence {
    evidence.probes.truncate(PROBES);
    for probe in &mut evidence.probes {
        probe.answer = display_line(&probe.answer, 300);
    }
    evidence.log.truncate(LOG_LINES);
    for line in &mut evidence.log {
        line.text = display_line(&line.text, 2_000);
    }
    evidence
}

/// What the end of an operation means for the app's record.
fn settle(
    change: &mut WriteTx<'_>,
    work: &Work,
    operation: &Operation,
    told: &BTreeMap<String, String>,
) -> Result<(), StoreError> {
    let succeeded = operation.status == OperationStatus::Succeeded;
    let error = operation.error.as_ref().map(|error| error.message.clone());
    match work {
        Work::Deploy { app, revision, spec, .. } => {
            let now_ms = operation.ended_at.unwrap_or(operation.started_at);
            // What was removed meanwhile does not come back.
            let Some(known) = change.get::<App>(app.to_u64())? else { return Ok(()) };
            let kept_until = told.get("kept_until").and_then(|text| text.parse().ok());
            if succeeded {
                // A roll-back runs what was deployed before.
                if change.get::<Revision>(revision.to_u64())?.is_none() {
                    change.put(&Revision {
                        id: *revision,
                        app: *app,
                        spec: spec.clone(),
                        actor: operation.actor.clone(),
                        operation: operation.operation,
                        created_at: now_ms,
                    })?;
                }
                let kept = known.revision.zip(kept_until).map(|(revision, until)| KeptContainer { revision, until });
                change.put(&App {
                    spec: spec.clone(),
                    revision: Some(*revision),
                    stopped: false,
                    last_error: None,
                    deployed_at: now_ms,
                    kept,
                    ..known
                })?;
            } else if known.revision.is_none() && operation.status == OperationStatus::Cancelled {
                change.remove::<App>(app.to_u64());
            } else {
                let last_error = error.or_else(|| Some(operation.status.as_str().to_owned()));
                change.put(&App { last_error, ..known })?;
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
        Work::DrillVolume { backup, .. } => note_drill(change, *backup, operation, told)?,
        _ => {}
    }
    Ok(())
}
