//! The fleet in one answer.

use serde::Serialize;
use tomo_proto::{
    api::overview::{AppCounts, Overview, OverviewAnswer, Problem, Severity},
    model::{
        agent::AgentState,
        app::{App, AppStatus},
        plan::PlanStatus,
        server::{Server, ServerStatus},
    },
    wire::command::ContainerRef,
};

use crate::{
    services::{
        Handle, Services,
        access::Authorized,
        error::ServiceError,
        lookup,
        server::{Tenants, over_limit},
    },
    store::{StoreError, records::PlanRecord},
};

/// Problems listed; the worst come first.
const PROBLEMS: usize = 50;
/// Bytes that the lists of an answer to a program share, each at most half of what the ones before have left: whatever
/// the fleet is like, the answer stays below the most that a program is given.
const LISTS_BYTES: usize = 44 << 10;
impl Handle<Overview> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, Overview>,
        request: Overview,
    ) -> Result<OverviewAnswer, ServiceError> {
        let revision = self.context.live.revision();
        let now_ms = self.context.clock.now_ms();
        let settings = self.context.settings()?;
        let (servers, tenants, apps, plans) = self.context.store.read(|view| {
            Ok::<_, StoreError>((
                lookup::servers(view, &caller)?,
                Tenants::read(view, &caller)?,
                lookup::apps(view, &caller)?,
                view.newest::<PlanRecord>(200)?,
            ))
        })?;
        let mut answer = OverviewAnswer { revision, ..OverviewAnswer::default() };
        for server in &servers {
            // Sparklines are for people.
            let spark = request.since_revision.is_some() && caller.is_person();
            let summary = self.context.summarize_server(server, &tenants, &settings, spark);
            match summary.status {
                ServerStatus::Up => answer.servers.up += 1,
                ServerStatus::Degraded => answer.servers.degraded += 1,
                ServerStatus::Down => answer.servers.down += 1,
                ServerStatus::Unknown => answer.servers.unknown += 1,
            }
            let next = format!("server_get {{\"server\":\"{}\"}}", server.name);
            let message = match (summary.agent, &summary.ssh) {
                (AgentState::None, Some(_)) => Some("no agent: it is not watched, only SSH reaches it"),
                (AgentState::Revoked, _) => Some("no agent: it has left, or was shut out"),
                _ => None,
            };
            if let Some(message) = message {
                let next = match &summary.ssh {
                    Some(_) => format!("tomo server connect {} --install-agent metrics", server.name),
                    None => format!("tomo agent token {}", server.name),
                };
                let message = message.to_owned();
                let (severity, subject) = (Severity::Warning, server.name.clone());
                answer.problems.push(Problem { severity, subject, message, next, began_at: None, log: Vec::new() });
            }
            let live = self.context.live.server(server.id);
            let mut problem = |severity, message: String, began_at| {
                let (subject, next) = (server.name.clone(), next.clone());
                answer.problems.push(Problem { severity, subject, message, next, began_at, log: Vec::new() });
            };
            if summary.status == ServerStatus::Down {
                let began_at = live.as_ref().map(|live| live.state_since);
                problem(Severity::Critical, "its agent is not connected".to_owned(), began_at);
            }
            if summary.status == ServerStatus::Degraded {
                for message in summary.vitals.iter().flat_map(|vitals| over_limit(vitals, &settings)) {
                    problem(Severity::Warning, message, None);
                }
            }
            if let Some(live) = &live
                && let Some(rival) = &live.rival
            {
                let message = format!(
                    "two agents use its identity, from {} and {rival}: revoke it and enroll both hosts anew",
                    live.address
                );
                problem(Severity::Critical, message, None);
            }
            let containers = live.iter().flat_map(|live| live.containers.iter());
            for container in containers.filter(|_| caller.selectors.apps.is_empty()) {
                let Some(found) = self.context.crash_loops.of(server.id, container) else { continue };
                // Those of apps are told with their apps.
                let of_app =
                    |(app, on): &(App, Server)| on.id == server.id && Some(&app.name) == container.app.as_ref();
                if apps.iter().any(of_app) {
                    continue;
                }
                let (name, on) = (&container.name, &server.name);
                // A name that is none of the engine's is only text from the host: no part of a call.
                let next = match ContainerRef::new(name) {
                    Ok(_) => format!("container_logs {{\"server\":\"{on}\",\"container\":\"{name}\"}}"),
                    Err(_) => next.clone(),
                };
                answer.problems.push(Problem {
                    severity: Severity::Critical,
                    subject: name.clone(),
                    message: format!("container on {on}: {}", found.message),
                    next,
                    began_at: found.began_at,
                    log: found.log.to_vec(),
                });
            }
            let newer = live.is_none_or(|live| request.since_revision.is_none_or(|since| live.revision > since));
            if request.since_revision.is_some() && newer {
                answer.servers_changed.push(summary);
            }
        }
        for (app, server) in &apps {
            let summary = self.context.summarize_app(app, server);
            let counts: &mut AppCounts = &mut answer.apps;
            match summary.status {
                AppStatus::Running => counts.running += 1,
                AppStatus::Stopped => counts.stopped += 1,
                AppStatus::Failed => counts.failed += 1,
                AppStatus::Deploying => counts.deploying += 1,
                AppStatus::Unknown => counts.unknown += 1,
            }
            counts.updates += u32::from(summary.update);
            let mut problem = |severity, message: String, began_at, log: Vec<String>| {
                let next = format!("app_diagnose {{\"app\":\"{}/{}\"}}", server.name, app.name);
                answer.problems.push(Problem { severity, subject: app.name.clone(), message, next, began_at, log });
            };
            let services = self.context.services_of(app);
            let container = self.context.container_of(app);
            let mut containers = container.iter().chain(services.values());
            let found = containers.find_map(|one| self.context.crash_loops.of(server.id, one));
            if let Some(found) = found {
                problem(Severity::Critical, found.message, found.began_at, found.log.to_vec());
            } else if summary.status == AppStatus::Failed {
                let why = app.last_error.as_deref().map_or_else(String::new, |error| format!(": {error}"));
                problem(Severity::Critical, format!("it should run and does not{why}"), None, Vec::new());
            } else if let Some(error) = &app.last_error {
                problem(Severity::Warning, format!("the last deploy failed: {error}"), None, Vec::new());
            }
        }
        if self.context.is_sealed().await {
            answer.problems.push(Problem {
                severity: Severity::Warning,
                subject: "vault".to_owned(),
                message: "it is sealed: what needs a secret waits for the master password".to_owned(),
                next: "tomo vault unlock".to_owned(),
                began_at: None,
                log: Vec::new(),
            });
        }
        if let Some(message) = self.context.backup_problem()? {
            answer.problems.push(Problem {
                severity: Severity::Warning,
                subject: "backup".to_owned(),
                message,
                next: "tomo backup create".to_owned(),
                began_at: None,
                log: Vec::new(),
            });
        }
        answer.problems.extend(self.context.volume_problems(&caller)?);
        answer.restore_proven_at = self.context.restore_proven_at(&caller)?;
        answer.problems.sort_by(|left, right| (left.severity, &left.subject).cmp(&(right.severity, &right.subject)));
        answer.problems.truncate(PROBLEMS);
        answer.operations = self.context.operations.list();
        if !caller.selectors.is_empty() {
            let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
            answer.operations.retain(|operation| {
                operation.server.as_deref().is_some_and(|server| names.contains(&server))
                    && caller.selectors.admit_app(&operation.target)
            });
        }
        let mut pending = 0;
        for record in plans {
            let open = record.plan.status == PlanStatus::Pending && record.plan.expires_at > now_ms;
            if open && self.context.store.read(|view| Self::sees_plan(view, &caller, &record))? {
                pending += 1;
            }
        }
        answer.plans_pending = pending;
        if !caller.is_person() {
            let mut room = LISTS_BYTES;
            fit(&mut answer.problems, &mut room);
            fit(&mut answer.operations, &mut room);
            let left_off = fit(&mut answer.servers_changed, &mut room);
            answer.servers_left_off = u32::try_from(left_off).ok().filter(|count| *count > 0);
        }
        Ok(answer)
    }
}

/// Keeps the first items, as many as half of the room holds; says how many were left off.
fn fit<T: Serialize>(items: &mut Vec<T>, room: &mut usize) -> usize {
    let (most, mut used, mut kept) = (*room / 2, 0, 0);
    for item in items.iter() {
        // What does not encode is refused with the whole answer.
        used += serde_json::to_string(item).map_or(0, |text| text.len() + 1);
        if used > most {
            break;
        }
        kept += 1;
    }
    *room -= used.min(most);
    let left_off = items.len() - kept;
    items.truncate(kept);
    left_off
}
