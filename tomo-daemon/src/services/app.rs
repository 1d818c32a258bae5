//! Apps: how they do, starting and stopping them, planning deploys and removals.

use std::collections::{BTreeMap, BTreeSet};

use tomo_proto::{
    api::app::{
        AppDeploy, AppGet, AppList, AppListAnswer, AppPart, AppRemove, AppRestart, AppRollback, AppStart, AppStop,
    },
    error::ErrorCode,
    model::{
        agent::AgentState,
        app::{App, AppDetail, AppSpec, AppStatus, AppSummary, PortSpec, Revision, Service},
        container::{Container, ContainerState, Health, PublishedPort},
        operation::{Operation, OperationKind},
        plan::{Plan, PlannedChange},
        policy::Objection,
        server::{EngineState, Server},
    },
    wire::command::Command,
};

use crate::{
    services::{
        Context, Handle, Services,
        access::{Authorized, Caller},
        audit::{cursor, limit},
        error::ServiceError,
        lookup, secret, spec,
    },
    store::records::{SecretRecord, Work},
};

/// Verb of a deploy in a policy file.
const DEPLOY: &str = "deploy";
/// Label of an app's containers: its id.
pub(super) const APP_LABEL: &str = "dev.tomo.app";
/// Label of those that are not its own container: name of the service.
const SERVICE_LABEL: &str = "dev.tomo.service";

impl Context {
    /// An app's own container, as its server last told.
    pub(super) fn container_of(&self, app: &App) -> Option<Container> {
        let live = self.live.server(app.server)?;
        let id = app.id.to_string();
        live.containers
            .iter()
            .filter(|one| one.labels.get(APP_LABEL) == Some(&id) && !one.labels.contains_key(SERVICE_LABEL))
            .max_by_key(|container| container.name == format!("tomo-{}", app.name))
            .cloned()
    }

    /// The containers of an app's other services, by service.
    pub(super) fn services_of(&self, app: &App) -> BTreeMap<String, Container> {
        let Some(live) = self.live.server(app.server) else { return BTreeMap::new() };
        let id = app.id.to_string();
        let of = |service: Service<'_>| {
            let name = service.container(&app.name);
            let is_it = |one: &&Container| one.name == name && one.labels.get(APP_LABEL) == Some(&id);
            Some((service.name?.to_owned(), live.containers.iter().find(is_it)?.clone()))
        };
        app.spec.in_order().into_iter().filter_map(of).collect()
    }

    /// The first service of an app, in the order in which they start, that does not run or is unhealthy.
    pub(super) fn failing_service<'a>(&self, app: &'a App) -> Option<(Service<'a>, Option<Container>)> {
        let services = self.services_of(app);
        app.spec.in_order().into_iter().find_map(|service| {
            let container = match service.name {
                Some(name) => services.get(name).cloned(),
                None => self.container_of(app),
            };
            let does = |one: &Container| one.state == ContainerState::Running && one.health != Health::Unhealthy;
            (!container.as_ref().is_some_and(does)).then_some((service, container))
        })
    }

    pub(super) fn app_status(&self, app: &App, server: &Server) -> AppStatus {
        let operation = self.running_on(&server.name, &app.name);
        if operation.is_some_and(|operation| operation.kind == OperationKind::DeployApp) {
            return AppStatus::Deploying;
        }
        if self.live.server(app.server).is_none_or(|live| live.state != AgentState::Online) {
            return AppStatus::Unknown;
        }
        match self.failing_service(app) {
            None => AppStatus::Running,
            Some(_) if app.stopped => AppStatus::Stopped,
            Some(_) => AppStatus::Failed,
        }
    }

    pub(super) fn summarize_app(&self, app: &App, server: &Server) -> AppSummary {
        let container = self.container_of(app);
        let services = self.services_of(app);
        let all = || container.iter().chain(services.values());
        let usage: Vec<_> = all().filter_map(|one| one.usage).collect();
        let check = container.as_ref().and_then(|container| self.image_checks.of(app.id, container));
        AppSummary {
            id: app.id,
            name: app.name.clone(),
            server: server.name.clone(),
            image: app.spec.image.clone(),
            status: self.app_status(app, server),
            health: worst(all().map(|one| one.health)),
            restarts: all().map(|one| one.restarts).sum(),
            ports: ports_of(app, container.as_ref(), &services),
            cpu_cores: (!usage.is_empty()).then(|| usage.iter().map(|usage| usage.cpu_cores).sum()),
            memory_bytes: (!usage.is_empty()).then(|| usage.iter().map(|usage| usage.memory_bytes).sum()),
            deployed_at: app.deployed_at,
            update: check.is_some_and(|check| check.is_update()),
        }
    }
}

impl Handle<AppList> for Services {
    async fn handle(&self, caller: Authorized<'_, AppList>, request: AppList) -> Result<AppListAnswer, ServiceError> {
        let limit = limit(request.limit, 20, 1_000)?;
        let start = usize::try_from(cursor(request.cursor.as_deref())?.unwrap_or(0)).unwrap_or(usize::MAX);
        let apps = self.context.store.read(|view| {
            if let Some(server) = &request.server {
                lookup::server(view, &caller, server)?;
            }
            Ok::<_, ServiceError>(lookup::apps(view, &caller)?)
        })?;
        let fits = |summary: &AppSummary| {
            request.status.is_none_or(|status| status == summary.status)
                && request
                    .query
                    .as_ref()
                    .is_none_or(|query| summary.name.contains(query.as_str()) || summary.image.contains(query.as_str()))
        };
        let on_server = |server: &Server| {
            request.server.as_ref().is_none_or(|wanted| *wanted == server.name || *wanted == server.id.to_string())
        };
        let all: Vec<AppSummary> = apps
            .iter()
            .filter(|(_, server)| on_server(server))
            .map(|(app, server)| self.context.summarize_app(app, server))
            .filter(fits)
            .collect();
        let total = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let end = start.saturating_add(limit);
        let next_cursor = (end < all.len()).then(|| end.to_string());
        Ok(AppListAnswer { apps: all.into_iter().skip(start).take(limit).collect(), total, next_cursor })
    }
}

impl Handle<AppGet> for Services {
    async fn handle(&self, caller: Authorized<'_, AppGet>, request: AppGet) -> Result<AppDetail, ServiceError> {
        let ((app, server), revisions) = self.context.store.read(|view| {
            let found = lookup::app(view, &caller, &request.app)?;
            let mut revisions = Vec::new();
            if request.include.contains(&AppPart::Revisions) {
                revisions = view.list::<Revision>()?;
                revisions.retain(|revision| revision.app == found.0.id);
                revisions.reverse();
                revisions.truncate(20);
            }
            Ok::<_, ServiceError>((found, revisions))
        })?;
        let container = self.context.container_of(&app);
        let image_check = if request.include.contains(&AppPart::Update) {
            self.context.check_image_now(&app, &server).await
        } else {
            container.as_ref().and_then(|container| self.context.image_checks.of(app.id, container))
        };
        // The agent removes it by itself, and a person may have done so before.
        let aside = format!("tomo-{}.old", app.name);
        let live = self.context.live.server(app.server);
        let is_there = live.is_some_and(|live| live.containers.iter().any(|container| container.name == aside));
        let kept = app.kept.clone().filter(|_| is_there);
        Ok(AppDetail {
            backups: self.context.last_backups(&app)?,
            summary: self.context.summarize_app(&app, &server),
            container,
            services: self.context.services_of(&app),
            image_check,
            spec: app.spec,
            last_error: app.last_error,
            revision: app.revision,
            kept,
            revisions,
        })
    }
}

impl Services {
    /// Starts, stops or restarts an app.
    async fn operate_app(
        &self,
        caller: &Caller,
        action: &'static str,
        app: &str,
        reason: Option<&String>,
        work: fn(App) -> Work,
    ) -> Result<Operation, ServiceError> {
        let (app, server) = self.context.store.read(|view| lookup::app(view, caller, app))?;
        let name = app.name.clone();
        self.context.operate(caller, &server, [action, "app", &name], reason, work(app)).await
    }
}

impl Handle<AppStart> for Services {
    async fn handle(&self, caller: Authorized<'_, AppStart>, request: AppStart) -> Result<Operation, ServiceError> {
        self.operate_app(&caller, "app_start", &request.app, request.reason.as_ref(), |app| Work::Start { app }).await
    }
}

impl Handle<AppStop> for Services {
    async fn handle(&self, caller: Authorized<'_, AppStop>, request: AppStop) -> Result<Operation, ServiceError> {
        self.operate_app(&caller, "app_stop", &request.app, request.reason.as_ref(), |app| Work::Stop { app }).await
    }
}

impl Handle<AppRestart> for Services {
    async fn handle(&self, caller: Authorized<'_, AppRestart>, request: AppRestart) -> Result<Operation, ServiceError> {
        self.operate_app(&caller, "app_restart", &request.app, request.reason.as_ref(), |app| Work::Restart { app })
            .await
    }
}

/// Whether an app can be called so, and a caller may call one so.
pub(super) fn check_name(caller: &Caller, name: &str) -> Result<(), ServiceError> {
    tomo_proto::model::spec::check_app_name(name)
        .map_err(|error| ServiceError::new(ErrorCode::Invalid, error).with_field("name"))?;
    if !caller.selectors.admit_app(name) {
        let message = format!("an app called \"{name}\" is outside what this token may see");
        return Err(ServiceError::new(ErrorCode::Denied, message).with_field("name").with_next("auth_whoami {}"));
    }
    Ok(())
}

impl Context {
    /// Whether an app has its place on a server: no name or port of another app there, and nothing else that is known to fail. A
    /// container that it adopts, by id, gives way.
    pub(super) fn check_place(
        &self,
        server: &Server,
        name: &str,
        spec: &AppSpec,
        adopts: Option<&str>,
    ) -> Result<(), ServiceError> {
        self.store.read(|view| {
            for other in view.list::<App>()?.into_iter().filter(|app| app.server == server.id && app.name != name) {
                let called = |app: &str, spec: &AppSpec| -> BTreeSet<String> {
                    spec.in_order().iter().map(|service| service.container(app)).collect()
                };
                let names = called(name, spec);
                if let Some(name) = called(&other.name, &other.spec).intersection(&names).next() {
                    let message = format!("app \"{}\" has a container that is called {name} too", other.name);
                    return Err(ServiceError::new(ErrorCode::Conflict, message)
                        .with_field("name")
                        .with_next("choose another name for the app, or for its service"));
                }
                let taken = spec.all_ports().find(|port| {
                    let same = |used: &PortSpec| used.host == port.host && used.protocol == port.protocol;
                    port.host.is_some() && other.spec.all_ports().any(same)
                });
                if let Some(port) = taken {
                    let message = format!(
                        "host port {} of server \"{}\" belongs to app \"{}\"",
                        port.host_text(),
                        server.name,
                        other.name
                    );
                    let next = match other.revision {
                        Some(_) => "choose another host port".to_owned(),
                        None => {
                            format!("its deploy failed: remove it (tomo app remove {}), or choose another", other.name)
                        }
                    };
                    return Err(ServiceError::new(ErrorCode::Conflict, message).with_field("ports").with_next(next));
                }
            }
            Ok::<_, ServiceError>(())
        })?;
        self.preflight(server, name, spec, adopts)
    }

    /// What of a deploy is known to fail before anybody is asked: no engine, against the host's policy, a port of another container than
    /// the one that it adopts.
    fn preflight(&self, server: &Server, app: &str, spec: &AppSpec, adopts: Option<&str>) -> Result<(), ServiceError> {
        let Some(live) = self.live.server(server.id).filter(|live| live.state == AgentState::Online) else {
            return Ok(());
        };
        if let Some(EngineState::Absent { reason }) = live.facts.as_ref().map(|facts| &facts.engine) {
            let message = format!("server \"{}\" cannot run apps: {reason}", server.name);
            return Err(ServiceError::new(ErrorCode::Conflict, message)
                .with_field("server")
                .with_next("choose another server, or install Docker on that one and try again"));
        }
        let allowed = live.policy.allow_verb(DEPLOY).and_then(|()| live.policy.allow_spec(spec));
        allowed.map_err(|objection| refused(&server.name, objection))?;
        for port in spec.all_ports() {
            let Some(host) = port.host else { continue };
            let holds = |container: &&Container| {
                let has = |used: &PublishedPort| used.host == Some(host) && used.protocol == port.protocol.as_str();
                container.app.as_deref() != Some(app)
                    && adopts != Some(container.id.as_str())
                    && container.ports.iter().any(has)
            };
            if let Some(other) = live.containers.iter().find(holds) {
                let message =
                    format!("host port {host} of server \"{}\" belongs to container \"{}\"", server.name, other.name);
                return Err(ServiceError::new(ErrorCode::Conflict, message)
                    .with_field("ports")
                    .with_next("choose another host port"));
            }
        }
        Ok(())
    }
}

/// The policy of a server's owner says no. The agent would say so too, with the line.
pub(super) fn refused(server: &str, objection: Objection) -> ServiceError {
    let (message, next) = match objection {
        Objection::Never { what } => (what, "use a named volume, or another folder".to_owned()),
        Objection::NotListed { file, key: key @ Command::TERMINAL, what } => (
            format!("the policy of server \"{server}\" does not allow {what}"),
            format!("the host's owner can allow it with `{key} = true` in {file}"),
        ),
        Objection::NotListed { file, key, what } => (
            format!("the policy of server \"{server}\" does not allow {what}"),
            format!("the host's owner can allow it under `{key}` in {file}"),
        ),
    };
    ServiceError::new(ErrorCode::RefusedByPolicy, message).with_next(next)
}

impl Handle<AppDeploy> for Services {
    async fn handle(&self, caller: Authorized<'_, AppDeploy>, mut request: AppDeploy) -> Result<Plan, ServiceError> {
        check_name(&caller, &request.name)?;
        self.fill_template(&caller, &mut request).await?;
        spec::check(&request.spec)?;
        let server = self.context.store.read(|view| {
            let server = lookup::server(view, &caller, &request.server).map_err(|error| error.with_field("server"))?;
            let secrets = view.list::<SecretRecord>()?;
            for (field, name) in secret::references(&request.spec) {
                if !secrets.iter().any(|record| record.name == name) {
                    return Err(secret::missing(field, name));
                }
            }
            Ok::<_, ServiceError>(server)
        })?;
        self.context.check_place(&server, &request.name, &request.spec, None)?;
        let change = PlannedChange::DeployApp {
            server: server.id,
            name: request.name,
            spec: Box::new(request.spec),
            back_to: None,
            adopts: None,
        };
        self.record_plan(&caller, "app_deploy", change, request.reason).await
    }
}

impl Handle<AppRollback> for Services {
    async fn handle(&self, caller: Authorized<'_, AppRollback>, request: AppRollback) -> Result<Plan, ServiceError> {
        let (app, server, revision) = self.context.store.read(|view| {
            let (app, server) = lookup::app(view, &caller, &request.app)?;
            let mut revisions = view.list::<Revision>()?;
            revisions.retain(|revision| revision.app == app.id);
            let revision = revision_to_go_back_to(&app, &revisions, request.revision.as_deref())?.clone();
            Ok::<_, ServiceError>((app, server, revision))
        })?;
        self.context.preflight(&server, &app.name, &revision.spec, None)?;
        let change = PlannedChange::DeployApp {
            server: server.id,
            name: app.name,
            spec: Box::new(revision.spec),
            back_to: Some(revision.id),
            adopts: None,
        };
        self.record_plan(&caller, "app_rollback", change, request.reason).await
    }
}

/// The named revision, or the newest one before the one that runs. The revisions are those of the app, oldest first.
fn revision_to_go_back_to<'a>(
    app: &App,
    revisions: &'a [Revision],
    wanted: Option<&str>,
) -> Result<&'a Revision, ServiceError> {
    let next = format!("app_get {{\"app\":\"{}\",\"include\":[\"revisions\"]}}", app.name);
    let refuse =
        |code, message: String| ServiceError::new(code, message).with_field("revision").with_next(next.clone());
    let Some(wanted) = wanted else {
        let kept = app.kept.as_ref().map(|kept| kept.revision);
        let before = |revision: &&Revision| app.revision.is_none_or(|runs| revision.id < runs);
        let found = revisions.iter().find(|revision| Some(revision.id) == kept);
        return found.or_else(|| revisions.iter().rev().find(before)).ok_or_else(|| {
            refuse(ErrorCode::NotFound, format!("app \"{}\" has no earlier revision to go back to", app.name))
        });
    };
    let found = revisions.iter().find(|revision| revision.id.to_string() == wanted).ok_or_else(|| {
        let shown = tomo_proto::text::display_line(wanted, 60);
        refuse(ErrorCode::NotFound, format!("app \"{}\" has no revision \"{shown}\"", app.name))
    })?;
    if app.revision == Some(found.id) {
        return Err(refuse(ErrorCode::Conflict, format!("revision {} of app \"{}\" runs already", found.id, app.name)));
    }
    Ok(found)
}

/// The health of an app as a whole.
fn worst(all: impl Iterator<Item = Health>) -> Health {
    let badness = |health: &Health| match health {
        Health::None => 0,
        Health::Healthy => 1,
        Health::Starting => 2,
        Health::Unhealthy => 3,
    };
    all.max_by_key(badness).unwrap_or(Health::None)
}

/// The published ports: where the engine has chosen one, that one.
fn ports_of(app: &App, container: Option<&Container>, services: &BTreeMap<String, Container>) -> Vec<PortSpec> {
    let of = |service: Service<'_>| {
        let container = service.name.map_or(container, |name| services.get(name));
        let chosen = |port: &PortSpec| {
            let is_same = |held: &&PublishedPort| {
                held.host.is_some() && held.container == port.container && held.protocol == port.protocol.as_str()
            };
            container?.ports.iter().find(is_same)?.host
        };
        let ports = service.spec.ports.iter();
        ports.map(|port| PortSpec { host: port.host.or_else(|| chosen(port)), ..port.clone() }).collect::<Vec<_>>()
    };
    // Its own come first.
    let (others, own): (Vec<_>, Vec<_>) = app.spec.in_order().into_iter().partition(|service| service.name.is_some());
    own.into_iter().chain(others).flat_map(of).collect()
}

impl Handle<AppRemove> for Services {
    async fn handle(&self, caller: Authorized<'_, AppRemove>, request: AppRemove) -> Result<Plan, ServiceError> {
        let (app, _) = self.context.store.read(|view| lookup::app(view, &caller, &request.app))?;
        let change = PlannedChange::RemoveApp { app: app.id, volumes: request.volumes };
        self.record_plan(&caller, "app_remove", change, request.reason).await
    }
}
