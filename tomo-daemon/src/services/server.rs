//! Servers: who they are and how they do.

use std::{collections::HashMap, sync::Arc};

use tomo_proto::{
    api::server::{ServerGet, ServerList, ServerListAnswer, ServerListPart, ServerPart, ServerRemove},
    id::{AgentId, ServerId},
    model::{
        agent::{Agent, AgentState},
        app::App,
        audit::AuditOutcome,
        container::ContainerState,
        plan::{Plan, PlannedChange},
        server::{ContainerCount, EngineState, Server, ServerDetail, ServerStatus, ServerSummary, Vitals},
        settings::Settings,
    },
};

use crate::{
    live::LiveServer,
    services::{
        About as _, Context, Handle, Services,
        access::{Authorized, Caller},
        audit::{cursor, limit},
        error::ServiceError,
        lookup,
    },
    store::{
        ReadTx, StoreError, WriteTx,
        records::{CredentialRecord, ProbeRecord, VolumeScheduleRecord},
    },
};

/// What the store knows about servers beside themselves: their agents, and how many apps a caller can see on each.
pub(super) struct Tenants {
    agents: Arc<Vec<Agent>>,
    apps: HashMap<ServerId, u32>,
}

impl Tenants {
    pub(super) fn read(view: &ReadTx, caller: &Caller) -> Result<Self, StoreError> {
        let mut apps = HashMap::new();
        for app in view.all::<App>()?.iter().filter(|app| caller.selectors.admit_app(&app.name)) {
            *apps.entry(app.server).or_default() += 1;
        }
        Ok(Self { agents: view.all()?, apps })
    }

    fn agent(&self, server: &Server) -> Option<&Agent> {
        // They come in the order of their ids.
        let place = self.agents.binary_search_by_key(&server.agent?, |agent| agent.id).ok()?;
        self.agents.get(place)
    }
}

/// Figures that are over their limit, as text.
pub(super) fn over_limit(vitals: &Vitals, settings: &Settings) -> Vec<String> {
    let percent = |ratio: f64| ratio * 100.0;
    [
        ("CPU use", percent(vitals.cpu_ratio), settings.cpu_warning_percent),
        ("memory use", percent(vitals.memory_ratio()), settings.memory_warning_percent),
        ("the fullest filesystem", percent(vitals.disk_ratio), settings.disk_warning_percent),
    ]
    .into_iter()
    .filter(|(_, value, limit)| *value >= f64::from(*limit))
    .map(|(what, value, limit)| format!("{what} is at {value:.0} % (limit {limit} %)"))
    .collect()
}

impl Context {
    pub(super) fn server_status(&self, live: Option<&LiveServer>, settings: &Settings) -> ServerStatus {
        match live {
            None => ServerStatus::Unknown,
            Some(live) if live.state != AgentState::Online => ServerStatus::Down,
            Some(live) if live.vitals.is_some_and(|vitals| !over_limit(&vitals, settings).is_empty()) => {
                ServerStatus::Degraded
            }
            Some(_) => ServerStatus::Up,
        }
    }

    pub(super) fn summarize_server(
        &self,
        server: &Server,
        tenants: &Tenants,
        settings: &Settings,
        spark: bool,
    ) -> ServerSummary {
        let agent = tenants.agent(server);
        let is_shut_out = agent.is_some_and(|agent| agent.revoked_at.is_some());
        let live = self.live.server(server.id).filter(|_| !is_shut_out);
        let state = match (agent, &live) {
            (None, _) => AgentState::None,
            (Some(agent), _) if agent.revoked_at.is_some() => AgentState::Revoked,
            (Some(_), Some(live)) => live.state,
            (Some(_), None) => AgentState::Offline,
        };
        // An agent that has not come back since this daemon started was connected before.
        let status = match (&live, agent) {
            (None, Some(_)) if !is_shut_out => ServerStatus::Down,
            _ => self.server_status(live.as_deref(), settings),
        };
        let engine = live.as_ref().and_then(|live| live.facts.as_ref()).map(|facts| &facts.engine);
        let has_containers = matches!(engine, Some(EngineState::Running { .. }))
            || live.as_ref().is_some_and(|live| !live.containers.is_empty());
        let containers = live.as_ref().filter(|_| has_containers).map(|live| {
            let running = live.containers.iter().filter(|container| container.state == ContainerState::Running).count();
            let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            ContainerCount { running: count(running), total: count(live.containers.len()) }
        });
        let sparks = live.as_ref().filter(|_| spark).map(|live| live.spark.clone()).unwrap_or_default();
        ServerSummary {
            id: server.id,
            name: server.name.clone(),
            status,
            agent: state,
            labels: server.labels.clone(),
            vitals: live.as_ref().and_then(|live| live.vitals),
            containers,
            apps: tenants.apps.get(&server.id).copied().unwrap_or(0),
            ssh: server.ssh.clone(),
            cpu_spark: sparks.iter().map(|point| point.cpu_percent).collect(),
            memory_spark: sparks.iter().map(|point| point.memory_percent).collect(),
            network_spark: sparks.iter().map(|point| point.traffic_bytes_per_sec).collect(),
        }
    }
}

impl Handle<ServerList> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, ServerList>,
        request: ServerList,
    ) -> Result<ServerListAnswer, ServiceError> {
        let limit = limit(request.limit, 20, 1_000)?;
        let start = usize::try_from(cursor(request.cursor.as_deref())?.unwrap_or(0)).unwrap_or(usize::MAX);
        let settings = self.context.settings()?;
        let (all, tenants) = self
            .context
            .store
            .read(|view| Ok::<_, StoreError>((view.all::<Server>()?, Tenants::read(view, &caller)?)))?;
        let named = |server: &Server| {
            request.query.as_ref().is_none_or(|query| match query.split_once('=') {
                Some((key, value)) => server.labels.get(key).is_some_and(|label| label == value),
                None => server.name.contains(query.as_str()),
            })
        };
        let wanted = |server: &Server| request.names.is_empty() || request.names.contains(&server.name);
        let mut fitting = lookup::seen(&all, &caller);
        fitting.retain(|server| wanted(server) && named(server));
        let spark = request.include.contains(&ServerListPart::Spark);
        let summarize = |server| self.context.summarize_server(server, &tenants, &settings, spark);
        let (total, servers) = match request.status {
            // Only what is told is looked at: there may be many.
            None => (fitting.len(), fitting.into_iter().skip(start).take(limit).map(summarize).collect()),
            Some(status) => {
                let fits = |summary: &ServerSummary| summary.status == status;
                let all: Vec<ServerSummary> = fitting.into_iter().map(summarize).filter(fits).collect();
                (all.len(), all.into_iter().skip(start).take(limit).collect())
            }
        };
        let end = start.saturating_add(limit);
        let next_cursor = (end < total).then(|| end.to_string());
        Ok(ServerListAnswer { servers, total: u32::try_from(total).unwrap_or(u32::MAX), next_cursor })
    }
}

impl Handle<ServerGet> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, ServerGet>,
        request: ServerGet,
    ) -> Result<ServerDetail, ServiceError> {
        let settings = self.context.settings()?;
        let (server, tenants) = self.context.store.read(|view| {
            Ok::<_, ServiceError>((lookup::server(view, &caller, &request.server)?, Tenants::read(view, &caller)?))
        })?;
        let probe = if request.include.contains(&ServerPart::Probe) {
            Some(self.context.look_lately(&caller, &server).await?)
        } else {
            self.context.last_probe(&server)?
        };
        let is_shut_out = tenants.agent(&server).is_some_and(|agent| agent.revoked_at.is_some());
        let live = self.context.live.server(server.id).filter(|_| !is_shut_out);
        let with = |part: ServerPart| live.as_ref().filter(|_| request.include.contains(&part));
        Ok(ServerDetail {
            summary: self.context.summarize_server(&server, &tenants, &settings, true),
            facts: live.as_ref().and_then(|live| live.facts.as_deref().cloned()),
            containers: with(ServerPart::Containers).map(|live| live.containers.as_ref().clone()).unwrap_or_default(),
            probe,
            policy: with(ServerPart::Policy).map(|live| live.policy.as_ref().clone()),
            created_at: server.created_at,
            last_seen_at: live.as_ref().map(|live| live.last_seen_at),
        })
    }
}

impl Handle<ServerRemove> for Services {
    async fn handle(&self, caller: Authorized<'_, ServerRemove>, request: ServerRemove) -> Result<Plan, ServiceError> {
        let server = self.context.store.read(|view| lookup::server(view, &caller, &request.server))?;
        let change = PlannedChange::RemoveServer { server: server.id };
        self.record_plan(&caller, "server_remove", change, request.reason).await
    }
}

impl Services {
    /// Forgets a server at once, without a plan that anybody has to agree to: for a program that has made it up itself. No tool leads
    /// here.
    ///
    /// # Errors
    /// There is no such server, or the store cannot be written.
    pub async fn forget_made_up_server(&self, caller: &Caller, name: &str) -> Result<(), ServiceError> {
        let server = self.context.store.read(|view| lookup::server(view, caller, name))?;
        let (id, now_ms) = (server.id, self.context.clock.now_ms());
        let entry = self.context.entry(caller, "server_remove", AuditOutcome::Ok).about("server", name);
        let forgotten = self.context.store.write(move |change| {
            forget_server(change, id, now_ms)?;
            change.audit(entry.with("it was made up"));
            Ok::<_, StoreError>(())
        });
        forgotten.await?;
        self.context.server_is_gone(id, server.agent).await?;
        Ok(())
    }
}

impl Context {
    /// Lets go of everything that is known of a server which has left the store.
    pub(super) async fn server_is_gone(&self, server: ServerId, agent: Option<AgentId>) -> Result<(), StoreError> {
        if let Some(agent) = agent {
            self.hub.revoke(agent);
        }
        self.live.remove_server(server);
        self.store.delete_server_samples(server).await
    }
}

/// Takes a server, its apps and what was kept for it out of the store; its agents are shut out.
pub(super) fn forget_server(change: &mut WriteTx<'_>, server: ServerId, now_ms: u64) -> Result<(), StoreError> {
    for app in change.list::<App>()?.into_iter().filter(|app| app.server == server) {
        change.remove::<App>(app.id.to_u64());
    }
    for mut agent in change.list::<Agent>()?.into_iter().filter(|agent| agent.server == server) {
        agent.revoked_at.get_or_insert(now_ms);
        change.put(&agent)?;
    }
    for record in change.list::<VolumeScheduleRecord>()?.into_iter().filter(|one| one.schedule.server_id == server) {
        change.remove::<VolumeScheduleRecord>(record.key);
    }
    change.remove::<Server>(server.to_u64());
    change.remove::<CredentialRecord>(server.to_u64());
    change.remove::<ProbeRecord>(server.to_u64());
    Ok(())
}
