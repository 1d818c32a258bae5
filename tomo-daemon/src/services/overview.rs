//! The fleet in one answer.

use tomo_proto::{
    api::overview::{AppCounts, Overview, OverviewAnswer, Problem, Severity},
    model::{app::AppStatus, plan::PlanStatus, server::ServerStatus},
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
/// A container the engine restarted this often is in a loop.
const RESTART_LOOP: u32 = 5;

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
            let spark = request.since_revision.is_some();
            let summary = self.context.summarize_server(server, &tenants, &settings, spark);
            match summary.status {
                ServerStatus::Up => answer.servers.up += 1,
                ServerStatus::Degraded => answer.servers.degraded += 1,
                ServerStatus::Down => answer.servers.down += 1,
                ServerStatus::Unknown => answer.servers.unknown += 1,
            }
            let next = format!("server_get {{\"server\":\"{}\"}}", server.name);
            let mut problem = |severity, message: String| {
                answer.problems.push(Problem { severity, subject: server.name.clone(), message, next: next.clone() });
            };
            if summary.status == ServerStatus::Down {
                problem(Severity::Critical, "its agent is not connected".to_owned());
            }
            if summary.status == ServerStatus::Degraded {
                for message in summary.vitals.iter().flat_map(|vitals| over_limit(vitals, &settings)) {
                    problem(Severity::Warning, message);
                }
            }
            let live = self.context.live.server(server.id);
            if let Some(live) = &live
                && let Some(rival) = &live.rival
            {
                let message = format!(
                    "two agents use its identity, from {} and {rival}: revoke it and enroll both hosts anew",
                    live.address
                );
                problem(Severity::Critical, message);
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
            let mut problem = |severity, message: String, next: &str| {
                let next = format!("{next} {{\"app\":\"{}/{}\"}}", server.name, app.name);
                answer.problems.push(Problem { severity, subject: app.name.clone(), message, next });
            };
            if summary.status == AppStatus::Failed {
                let why = app.last_error.as_deref().map_or_else(String::new, |error| format!(": {error}"));
                problem(Severity::Critical, format!("it should run and does not{why}"), "app_logs");
            } else if summary.restarts >= RESTART_LOOP {
                problem(Severity::Warning, format!("the engine restarted it {} times", summary.restarts), "app_logs");
            } else if let Some(error) = &app.last_error {
                problem(Severity::Warning, format!("the last deploy failed: {error}"), "app_get");
            }
        }
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
        Ok(answer)
    }
}
