//! Containers that are no app's: looked at, read and operated as far as their host's policy lets what Tomo did not make be.

use tomo_proto::{
    api::{
        app::AppLogsAnswer,
        container::{ContainerGet, ContainerLogs, ContainerRestart, ContainerStart, ContainerStop},
    },
    error::ErrorCode,
    model::{
        app::App,
        container::{Container, ContainerConfig, ContainerDetail},
        operation::{Operation, OperationKind},
        server::Server,
    },
    wire::command::{Command, ContainerRef, Found, STOP_SECS},
};

use crate::{
    services::{
        Context, Handle, Services,
        access::{Authorized, Caller},
        app::{APP_LABEL, refused},
        app_logs::{Query, Source},
        ask::offline,
        error::ServiceError,
        lookup,
    },
    store::records::Work,
};

/// Least digits of an id that name a container.
const ID_DIGITS: usize = 8;

impl Context {
    /// A container that a caller can see, as its server last told of it.
    pub(super) fn container(
        &self,
        caller: &Caller,
        server: &str,
        text: &str,
    ) -> Result<(Server, Container), ServiceError> {
        let server = self.store.read(|view| lookup::server(view, caller, server))?;
        let live = self.live.server(server.id).ok_or_else(|| offline(&server))?;
        let sees = |container: &&Container| match &container.app {
            Some(app) => caller.selectors.admit_app(app),
            None => caller.selectors.apps.is_empty(),
        };
        let seen: Vec<&Container> = live.containers.iter().filter(sees).collect();
        let by_id = |one: &&&Container| text.len() >= ID_DIGITS && one.id.starts_with(text);
        let found = seen.iter().find(|one| one.name == text).or_else(|| seen.iter().find(by_id));
        let container = found.map(|one| (*one).clone()).ok_or_else(|| {
            let list = format!("server_get {{\"server\":\"{}\",\"include\":[\"containers\"]}}", server.name);
            lookup::not_found("container", text, seen.iter().map(|one| one.name.as_str()), &list)
        })?;
        Ok((server, container))
    }

    /// Whether the server's policy, as it was last told, lets a verb touch a container. The agent decides by the file.
    pub(super) fn allow(&self, server: &Server, verb: &str, container: &Container) -> Result<(), ServiceError> {
        let Some(live) = self.live.server(server.id) else { return Ok(()) };
        let allowed = match container.labels.contains_key(APP_LABEL) {
            true => live.policy.allow_verb(verb),
            false => {
                let what = format!("container \"{}\", which Tomo did not make", container.name);
                live.policy.allow_foreign(verb, &what)
            }
        };
        allowed.map_err(|objection| refused(&server.name, objection))
    }
}

pub(super) fn reference(container: &Container) -> Result<ContainerRef, ServiceError> {
    ContainerRef::new(&container.id).map_err(|error| ServiceError::new(ErrorCode::Invalid, error))
}

impl Handle<ContainerGet> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, ContainerGet>,
        request: ContainerGet,
    ) -> Result<ContainerDetail, ServiceError> {
        let (server, container) = self.context.container(&caller, &request.server, &request.container)?;
        let command = Command::InspectContainer { container: reference(&container)? };
        let mut config = ContainerConfig::default();
        for found in self.context.ask(&server, command).await? {
            if let Found::Container(found) = found {
                config = found;
            }
        }
        Ok(ContainerDetail { server: server.name, container, config })
    }
}

impl Handle<ContainerLogs> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, ContainerLogs>,
        request: ContainerLogs,
    ) -> Result<AppLogsAnswer, ServiceError> {
        let (server, container) = self.context.container(&caller, &request.server, &request.container)?;
        let ContainerLogs { tail, since, grep, cursor, latest, wait_s, .. } = request;
        let query = Query { tail, since, grep, cursor, latest, wait_s };
        self.context.read_logs(&caller, &server, vec![Source::container(reference(&container)?)], query).await
    }
}

impl Services {
    /// Starts, stops or restarts a container. An app's is its app's matter.
    async fn operate_container(
        &self,
        caller: &Caller,
        kind: OperationKind,
        [server, container]: [&str; 2],
        reason: Option<&String>,
        command: fn(ContainerRef) -> Command,
    ) -> Result<Operation, ServiceError> {
        let (server, container) = self.context.container(caller, server, container)?;
        let verb = kind.as_str().trim_end_matches("_container");
        let apps = self.context.store.read(|view| view.all::<App>())?;
        let known = |name: &&String| apps.iter().any(|app| app.server == server.id && app.name == **name);
        if let Some(app) = container.app.as_ref().filter(known) {
            let message = format!("container \"{}\" belongs to app \"{app}\"", container.name);
            return Err(ServiceError::new(ErrorCode::Conflict, message)
                .with_next(format!("app_{verb} {{\"app\":\"{}/{app}\"}}", server.name)));
        }
        self.context.allow(&server, verb, &container)?;
        let command = command(reference(&container)?);
        let work = Work::OnServer { server: server.id, kind, command };
        let action = format!("container_{verb}");
        let about = [&*action, "container", &*container.name];
        self.context.operate(caller, &server, about, reason, work).await
    }
}

impl Handle<ContainerStart> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, ContainerStart>,
        request: ContainerStart,
    ) -> Result<Operation, ServiceError> {
        let (kind, names) = (OperationKind::StartContainer, [&*request.server, &*request.container]);
        let command = |container| Command::StartContainer { container, others: Vec::new() };
        self.operate_container(&caller, kind, names, request.reason.as_ref(), command).await
    }
}

impl Handle<ContainerStop> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, ContainerStop>,
        request: ContainerStop,
    ) -> Result<Operation, ServiceError> {
        let (kind, names) = (OperationKind::StopContainer, [&*request.server, &*request.container]);
        let command = |container| Command::StopContainer { container, timeout_secs: STOP_SECS, others: Vec::new() };
        self.operate_container(&caller, kind, names, request.reason.as_ref(), command).await
    }
}

impl Handle<ContainerRestart> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, ContainerRestart>,
        request: ContainerRestart,
    ) -> Result<Operation, ServiceError> {
        let (kind, names) = (OperationKind::RestartContainer, [&*request.server, &*request.container]);
        let command = |container| Command::RestartContainer { container, timeout_secs: STOP_SECS, others: Vec::new() };
        self.operate_container(&caller, kind, names, request.reason.as_ref(), command).await
    }
}
