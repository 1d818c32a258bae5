//! Visits that a daemon which died has left in the middle: each is finished if its agent comes, and undone if not.

use std::{sync::Arc, time::Duration};

use tomo_proto::{
    error::ErrorCode,
    model::{
        audit::AuditOutcome,
        operation::{Operation, OperationKind},
        server::Server,
    },
};

use crate::{
    services::{
        About as _, Context, error::ServiceError, execute::Ended, onboarding::visit::hand_over, operation::Running,
    },
    store::{NewAuditEntry, StoreError},
};

/// How long an agent that was being installed may take to come: its installation gives up sooner, and it may pause between tries.
const COMES: Duration = Duration::from_secs(60);

impl Context {
    /// Finds out in the background how each unfinished visit ended.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(in crate::services) fn settle_visits(self: &Arc<Self>) -> Result<(), StoreError> {
        let operations = self.store.read(|view| view.list::<Operation>())?;
        let left = operations.into_iter().filter(|one| one.kind.is_visit() && !one.status.is_final());
        for operation in left {
            // Nothing else is under way yet, and of each target only one was.
            let Ok(running) = self.operations.begin(operation.clone()) else { continue };
            let context = Arc::clone(self);
            self.tasks.spawn(async move { context.settle_visit(running, operation).await });
        }
        Ok(())
    }

    async fn settle_visit(&self, running: Running, operation: Operation) {
        let intent = NewAuditEntry {
            at_ms: operation.started_at,
            actor: operation.actor.clone(),
            action: operation.kind.as_str().to_owned(),
            resource_type: String::new(),
            resource: String::new(),
            outcome: AuditOutcome::Intent,
            reason: None,
            details: String::new(),
            ip_address: String::new(),
        };
        let ended = tokio::select! {
            ended = self.find_end(&running, &operation) => ended,
            // The next start finds out.
            () = self.stop.cancelled() => return,
        };
        self.end_visit(running, intent.about("server", &operation.target), ended).await;
    }

    async fn find_end(&self, running: &Running, operation: &Operation) -> Ended {
        match self.finish_visit(running, operation).await {
            Ok(true) => Ended::Done,
            Ok(false) => {
                let is_new = operation.kind == OperationKind::AddServer;
                self.undo_enrolment(&operation.target, is_new, operation.started_at).await;
                let message = "the daemon stopped in the middle: what was begun is undone, here and by the host itself";
                let error = ServiceError::new(ErrorCode::HostFailed, message);
                Ended::failed(error.with_next("try again"))
            }
            Err(error) => Ended::failed(error),
        }
    }

    /// Finishes a visit whose agent comes, or that had saved everything; whether it is that.
    async fn finish_visit(&self, running: &Running, operation: &Operation) -> Result<bool, ServiceError> {
        let name = operation.target.clone();
        if !self.enrolled_since(&name, operation.started_at)? {
            let servers = self.store.read(|view| view.list::<Server>())?;
            let saved = |server: &Server| server.name == name && server.created_at >= operation.started_at;
            return Ok(operation.kind == OperationKind::AddServer && servers.iter().any(saved));
        }
        self.tell(running, "the daemon has started anew: wait for the agent that was being installed", None);
        if self.first_figures(&name, COMES).await.is_err() {
            return Ok(false);
        }
        let now_ms = self.clock.now_ms();
        let replaced = self
            .store
            .write(move |change| {
                let server = change.list::<Server>()?.into_iter().find(|server| server.name == name);
                server.map_or(Ok(None), |server| hand_over(change, server, now_ms))
            })
            .await?;
        if let Some(old) = replaced {
            self.hub.revoke(old);
        }
        self.tell(running, "the agent has come; the host was not looked at, and its credential is not kept", None);
        Ok(true)
    }
}
