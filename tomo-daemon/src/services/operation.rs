//! Operations: what is under way lives in memory and is told as it goes; beginning and end stand in the store.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tomo_proto::{
    api::operation::{OperationCancel, OperationGet, OperationList, OperationListAnswer},
    error::ErrorCode,
    id::OperationId,
    model::{
        audit::AuditOutcome,
        operation::{Operation, OperationError, OperationKind, OperationStatus},
    },
};

use crate::{
    clock::Clock,
    services::{
        About as _, Context, Handle, Services,
        access::{Authorized, Caller},
        audit::limit,
        error::ServiceError,
        lookup::unknown_id,
    },
    store::{NewAuditEntry, Store, StoreError, records::CommandRecord},
};

/// Longest wait of `operation_get`.
const WAIT_MAX: u32 = 50;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Operations {
    running: Mutex<HashMap<OperationId, Running>>,
}

#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) state: watch::Sender<Operation>,
    pub(super) cancel: CancellationToken,
}

impl Operations {
    fn lock(&self) -> MutexGuard<'_, HashMap<OperationId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an operation on an app as under way, or returns the one that is under way on it already.
    pub(super) fn begin(&self, operation: Operation) -> Result<Running, Box<Operation>> {
        let mut all = self.lock();
        let same = |other: &Operation| {
            other.target == operation.target
                && other.kind.is_of_app() == operation.kind.is_of_app()
                && (other.server == operation.server || !operation.kind.is_on_server())
                && !other.status.is_final()
        };
        if let Some(other) = all.values().map(|running| running.state.borrow().clone()).find(same) {
            return Err(Box::new(other));
        }
        let id = operation.operation;
        let running = Running { state: watch::Sender::new(operation), cancel: CancellationToken::new() };
        all.insert(id, running.clone());
        Ok(running)
    }

    pub(super) fn end(&self, id: OperationId) {
        self.lock().remove(&id);
    }

    pub(super) fn is_running(&self, id: OperationId) -> bool {
        self.lock().contains_key(&id)
    }

    fn get(&self, id: OperationId) -> Option<Running> {
        self.lock().get(&id).cloned()
    }

    /// What is under way now, oldest first.
    pub(super) fn list(&self) -> Vec<Operation> {
        let mut operations: Vec<Operation> =
            self.lock().values().map(|running| running.state.borrow().clone()).collect();
        operations.sort_by_key(|operation| operation.operation);
        operations
    }
}

/// What came of the wish to begin an operation.
#[derive(Debug)]
pub(super) enum Begun {
    /// It stands in the store and is under way.
    New(Running),
    /// One of the same kind on the same target was under way already.
    Already(Box<Operation>),
}

impl Context {
    /// Notes an operation as under way, and writes it down together with its intent.
    ///
    /// # Errors
    /// Something of another kind is under way on the target, or the store cannot be written.
    pub(super) async fn begin(&self, operation: Operation, intent: NewAuditEntry) -> Result<Begun, ServiceError> {
        let running = match self.operations.begin(operation.clone()) {
            Ok(running) => running,
            Err(other) if other.kind == operation.kind => return Ok(Begun::Already(other)),
            Err(other) => return Err(under_way(&other)),
        };
        let id = operation.operation;
        let stored = self.store.write(move |change| {
            change.put(&operation)?;
            change.audit(intent);
            Ok::<_, StoreError>(())
        });
        if let Err(error) = stored.await {
            self.operations.end(id);
            return Err(error.into());
        }
        Ok(Begun::New(running))
    }
}

/// A daemon that died left operations without an end: of what was sent to an agent it is asked for, and what was not has not happened.
pub(super) async fn settle_left_over(store: &Store, clock: &Clock) -> Result<(), StoreError> {
    let now_ms = clock.now_ms();
    store
        .write(move |change| {
            for mut operation in change.list::<Operation>()? {
                if operation.status.is_final() || operation.kind.is_visit() {
                    continue;
                }
                let was_sent = change.get::<CommandRecord>(operation.operation.to_u64())?.is_some();
                operation.ended_at = Some(now_ms);
                (operation.status, operation.error) = if operation.kind == OperationKind::BackupVolume {
                    let message = "the daemon stopped in the middle: nothing of the backup is left".to_owned();
                    let next = Some("do it again".to_owned());
                    let error = OperationError { code: ErrorCode::Conflict, message, next, field: None };
                    (OperationStatus::Failed, Some(error))
                } else if operation.kind.is_on_server() && !was_sent {
                    let message = "the daemon stopped before it was sent to the agent: nothing was done".to_owned();
                    let next = Some("do it again".to_owned());
                    let error = OperationError { code: ErrorCode::Conflict, message, next, field: None };
                    (OperationStatus::Failed, Some(error))
                } else {
                    let message = "the daemon stopped before the answer came: it may have happened".to_owned();
                    let next = if was_sent {
                        "look at the operation again once the server is up"
                    } else {
                        "look whether it has before trying again"
                    };
                    let next = Some(next.to_owned());
                    let error = OperationError { code: ErrorCode::TimeoutUnknown, message, next, field: None };
                    (OperationStatus::Unknown, Some(error))
                };
                change.audit(NewAuditEntry {
                    at_ms: now_ms,
                    actor: operation.actor.clone(),
                    action: operation.kind.as_str().to_owned(),
                    resource_type: "operation".to_owned(),
                    resource: operation.operation.to_string(),
                    outcome: AuditOutcome::Failed,
                    reason: None,
                    details: format!("{}: the daemon stopped meanwhile", operation.target),
                    ip_address: String::new(),
                });
                change.put(&operation)?;
            }
            Ok(())
        })
        .await
}

/// The refusal of an operation that would get into another one's way.
pub(super) fn under_way(other: &Operation) -> ServiceError {
    let message = format!("{} of \"{}\" is under way already", other.kind.as_str(), other.target);
    ServiceError::new(ErrorCode::Conflict, message)
        .with_next(format!("operation_get {{\"operation\":\"{}\",\"wait_s\":50}}", other.operation))
}

impl Context {
    /// Whether a caller can see an operation: its server, and its app if it is one's.
    fn sees_operation(&self, caller: &Caller, operation: &Operation) -> Result<bool, StoreError> {
        if caller.selectors.is_empty() {
            return Ok(true);
        }
        let Some(server) = &operation.server else { return Ok(false) };
        let servers = self.store.read(|view| super::lookup::servers(view, caller))?;
        Ok(servers.iter().any(|known| known.name == *server)
            && (!operation.kind.is_of_app() || caller.selectors.admit_app(&operation.target)))
    }

    fn find_operation(&self, caller: &Caller, text: &str) -> Result<Operation, ServiceError> {
        let missing = || unknown_id("operation", text, "operation_list {}");
        let id: OperationId = text.parse().map_err(|_| missing())?;
        let operation = match self.operations.get(id) {
            Some(running) => running.state.borrow().clone(),
            None => self.store.read(|view| view.get::<Operation>(id.to_u64()))?.ok_or_else(missing)?,
        };
        if self.sees_operation(caller, &operation)? { Ok(operation) } else { Err(missing()) }
    }
}

impl Handle<OperationGet> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, OperationGet>,
        request: OperationGet,
    ) -> Result<Operation, ServiceError> {
        let wait_s = request.wait_s.unwrap_or(0);
        if wait_s > WAIT_MAX {
            let message = format!("wait_s is 0 to {WAIT_MAX}, not {wait_s}");
            return Err(ServiceError::new(ErrorCode::Invalid, message).with_field("wait_s"));
        }
        let operation = self.context.find_operation(&caller, &request.operation)?;
        if wait_s == 0 || operation.status.is_final() {
            return Ok(operation);
        }
        if let Some(running) = self.context.operations.get(operation.operation) {
            let mut state = running.state.subscribe();
            let ended = state.wait_for(|operation| operation.status.is_final());
            tokio::select! {
                // Its sender may be dropped right after the end; the look below finds it in the store then.
                ended = timeout(Duration::from_secs(wait_s.into()), ended) => drop(ended),
                () = caller.ended.cancelled() => {}
            }
        }
        self.context.find_operation(&caller, &request.operation)
    }
}

impl Handle<OperationList> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, OperationList>,
        request: OperationList,
    ) -> Result<OperationListAnswer, ServiceError> {
        let limit = limit(request.limit, 20, 200)?;
        let running = self.context.operations.list();
        let stored = self.context.store.read(|view| view.newest::<Operation>(1_000))?;
        let mut operations = Vec::new();
        for mut operation in stored {
            if let Some(newer) = running.iter().find(|running| running.operation == operation.operation) {
                operation = newer.clone();
            }
            let fits = request.status.is_none_or(|status| status == operation.status);
            if fits && self.context.sees_operation(&caller, &operation)? {
                operation.log.clear();
                operation.evidence = None;
                operations.push(operation);
            }
            if operations.len() == limit {
                break;
            }
        }
        Ok(OperationListAnswer { operations })
    }
}

impl Handle<OperationCancel> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, OperationCancel>,
        request: OperationCancel,
    ) -> Result<Operation, ServiceError> {
        let operation = self.context.find_operation(&caller, &request.operation)?;
        let Some(running) = self.context.operations.get(operation.operation) else { return Ok(operation) };
        let entry = self.context.entry(&caller, "operation_cancel", AuditOutcome::Ok);
        let entry = entry.about("operation", &operation.operation.to_string()).because(request.reason.as_ref());
        self.context
            .store
            .write(move |change| {
                change.audit(entry);
                Ok::<_, StoreError>(())
            })
            .await?;
        running.cancel.cancel();
        let mut state = running.state.subscribe();
        drop(timeout(Duration::from_secs(20), state.wait_for(|operation| operation.status.is_final())).await);
        self.context.find_operation(&caller, &request.operation)
    }
}
