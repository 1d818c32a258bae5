//! Why an app does not work: gathers what the daemon, the agent and the engine know of it. What follows is for `rules`.

mod facts;
mod rules;

use std::collections::BTreeMap;

use tomo_proto::{
    api::app::AppDiagnose,
    error::ErrorCode,
    model::{
        agent::AgentState,
        app::{App, AppSpec, AppStatus},
        container::{Container, ContainerState, Health},
        diagnosis::{Diagnosis, Examination, LastChange},
        operation::{Operation, OperationKind, OperationStatus},
        server::Server,
    },
    wire::command::{Command, Found},
};

use crate::{
    services::{
        Context, Handle, Services,
        access::Authorized,
        container::reference,
        diagnose::facts::{Facts, Failed},
        error::ServiceError,
        lookup,
        server::over_limit,
    },
    store::StoreError,
};

/// Lines of the log that are looked through.
const LOG_LINES: u32 = 200;
/// Operations that are looked through for the app's own.
const OPERATIONS: usize = 1_000;

impl Handle<AppDiagnose> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, AppDiagnose>,
        request: AppDiagnose,
    ) -> Result<Diagnosis, ServiceError> {
        let context = &self.context;
        let found = context.store.read(|view| lookup::service(view, &caller, &request.app));
        match (found, request.app.split_once('/')) {
            (Ok((app, server, service)), _) => {
                let (service, container) = match (service, context.failing_service(&app)) {
                    // Asked about the app, what does not work is looked at.
                    (None, Some((service, container))) => (service.name.map(str::to_owned), container),
                    (None, None) => (None, context.container_of(&app)),
                    (Some(name), _) => {
                        let container = context.services_of(&app).remove(&name);
                        (Some(name), container)
                    }
                };
                context.diagnose(&server, Some(&app), service.as_deref(), container).await
            }
            (Err(error), Some((server, name))) if error.code() == ErrorCode::NotFound => {
                // What Tomo did not make has no app, but a container. Who knows neither is told of apps.
                let (server, container) = context.container(&caller, server, name).map_err(|_| error)?;
                context.diagnose(&server, None, None, Some(container)).await
            }
            (Err(error), _) => Err(error),
        }
    }
}

impl Context {
    async fn diagnose(
        &self,
        server: &Server,
        app: Option<&App>,
        service: Option<&str>,
        container: Option<Container>,
    ) -> Result<Diagnosis, ServiceError> {
        let spec = app.map(|app| match service.and_then(|name| app.spec.services.get(name)) {
            Some(spec) => spec.clone(),
            None => AppSpec { services: BTreeMap::new(), ..app.spec.clone() },
        });
        let name = match (app, &container) {
            (Some(app), _) => match service {
                Some(service) => format!("{}/{service}", app.name),
                None => app.name.clone(),
            },
            (None, Some(container)) => container.name.clone(),
            (None, None) => String::new(),
        };
        let operations = match app {
            Some(app) => self.operations_of(app, server)?,
            None => Vec::new(),
        };
        let live = self.live.server(server.id);
        let is_online = live.as_ref().is_some_and(|live| live.state == AgentState::Online);
        let mut not_seen = Vec::new();
        let mut examination = None;
        if let Some(container) = container.as_ref().filter(|_| is_online) {
            match self.examine(server, spec.as_ref(), container).await {
                Ok(seen) => examination = seen,
                Err(error) => not_seen.push(format!("the container: {}", error.error.code.as_str())),
            }
            if examination.is_none() && not_seen.is_empty() {
                not_seen.push("the container: its agent is older than this daemon".to_owned());
            }
        }
        let status = match app {
            Some(app) => self.app_status(app, server),
            None => status_of(container.as_ref(), examination.as_ref()),
        };
        let settings = self.settings()?;
        let pressure = live.as_ref().and_then(|live| live.vitals).filter(|_| is_online);
        let facts = Facts {
            server: server.name.clone(),
            name: name.clone(),
            spec,
            was_deployed: app.is_none_or(|app| app.revision.is_some()),
            status,
            is_online,
            engine: live.as_ref().and_then(|live| live.facts.as_ref()).map(|facts| facts.engine.clone()),
            objection: app
                .zip(live.as_ref())
                .filter(|_| is_online)
                .and_then(|(app, live)| live.policy.allow_spec(&app.spec).err()),
            container,
            examination,
            failed: app.and_then(|app| failure(app, &operations)),
            running: operations.first().filter(|one| !one.status.is_final()).map(|one| one.operation),
            over_limit: pressure.map(|vitals| over_limit(&vitals, &settings)).unwrap_or_default(),
            now_ms: self.clock.now_ms(),
        };
        let causes = rules::causes(&facts);
        let last_change = operations.first().map(|operation| LastChange {
            operation: operation.operation,
            kind: operation.kind,
            status: operation.status,
            actor: operation.actor.clone(),
            at: operation.started_at,
        });
        let verdict = rules::verdict(&facts, &causes);
        Ok(Diagnosis { app: name, server: server.name.clone(), status, verdict, causes, last_change, not_seen })
    }

    async fn examine(
        &self,
        server: &Server,
        spec: Option<&AppSpec>,
        container: &Container,
    ) -> Result<Option<Examination>, ServiceError> {
        let command = Command::ExamineContainer {
            container: reference(container)?,
            tail: LOG_LINES,
            probe: spec.and_then(|spec| spec.health.clone()),
        };
        let found = match self.ask(server, command).await {
            Ok(found) => found,
            // An agent that does not know the command ends the stream without a word.
            Err(error) if error.code() == ErrorCode::AgentOffline && self.hub.is_online(server.id) => return Ok(None),
            Err(error) => return Err(error),
        };
        let seen = found.into_iter().find_map(|found| match found {
            Found::Examination(seen) => Some(seen),
            _ => None,
        });
        Ok(seen)
    }

    /// An app's operations, newest first, what is under way as it stands now.
    fn operations_of(&self, app: &App, server: &Server) -> Result<Vec<Operation>, StoreError> {
        let mut operations = self.store.read(|view| view.newest::<Operation>(OPERATIONS))?;
        operations
            .retain(|one| one.kind.is_of_app() && one.target == app.name && one.server.as_ref() == Some(&server.name));
        if let Some(running) = self.running_on(&server.name, &app.name) {
            operations.retain(|one| one.operation != running.operation);
            operations.insert(0, running);
        }
        Ok(operations)
    }
}

/// The newest failure that nothing has made good: of the last operation, or of a deploy after which none has succeeded.
fn failure(app: &App, operations: &[Operation]) -> Option<Failed> {
    let deploy = operations.iter().find(|one| {
        one.kind == OperationKind::DeployApp && app.last_error.is_some() && one.status != OperationStatus::Cancelled
    });
    let has_failed = |one: &&Operation| one.status == OperationStatus::Failed && one.kind != OperationKind::RemoveApp;
    let operation = operations.first().filter(has_failed).or_else(|| deploy.filter(has_failed))?;
    let error = operation.error.as_ref()?;
    Some(Failed {
        operation: operation.operation,
        is_deploy: operation.kind == OperationKind::DeployApp,
        code: error.code,
        message: error.message.clone(),
        lines: container_lines(operation),
        at_ms: operation.ended_at.unwrap_or(operation.started_at),
    })
}

/// What a container that did not live wrote last.
fn container_lines(operation: &Operation) -> Vec<String> {
    operation.evidence.iter().flat_map(|evidence| &evidence.log).map(|line| line.text.clone()).collect()
}

/// How a container does that is no app's; what was seen just now counts more than what its server told last.
fn status_of(container: Option<&Container>, seen: Option<&Examination>) -> AppStatus {
    let told = container.map(|one| (one.state, one.health, one.exit_code));
    let seen = seen.map(|seen| (seen.state, seen.health, seen.ends.last().map(|end| end.exit_code)));
    let Some((state, health, code)) = seen.or(told) else { return AppStatus::Unknown };
    match state {
        ContainerState::Running if health != Health::Unhealthy => AppStatus::Running,
        ContainerState::Created | ContainerState::Paused => AppStatus::Stopped,
        ContainerState::Exited if code == Some(0) => AppStatus::Stopped,
        _ => AppStatus::Failed,
    }
}
