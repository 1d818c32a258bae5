//! Plans: recorded, shown, agreed to by a person, and carried out once, if their target is still as it was.

use std::sync::Arc;

use tomo_proto::{
    api::plan::{PlanApply, PlanApprove, PlanDeny, PlanGet, PlanList, PlanListAnswer},
    error::ErrorCode,
    id::{AgentId, AppId, PlanId, RevisionId, ServerId, VolumeBackupId},
    model::{
        app::App,
        audit::AuditOutcome,
        operation::{Operation, OperationKind, OperationStatus},
        plan::{Approval, Change, ChangeOp, Plan, PlanStatus, PlannedChange},
        server::Server,
        ssh::Ssh,
        user::Scope,
        volume_backup::VolumeBackup,
    },
    text::display_line,
    wire::command::Command,
};

use crate::{
    crypto,
    live::Topic,
    services::{
        About as _, Handle, Services,
        access::{Authorized, Caller},
        adopt,
        audit::limit,
        discard,
        error::ServiceError,
        lookup::unknown_id,
        onboarding,
        operation::{Operations, Running, under_way},
        server::forget_server,
        settings, spec, volume_backup,
    },
    store::{
        NewAuditEntry, ReadTx, StoreError, WriteTx,
        records::{PlanRecord, SETTINGS_KEY, SettingsRecord, VolumeBackupRecord, Work},
    },
};

/// Either side of the store, as far as a plan's target needs it.
trait Look {
    fn servers(&self) -> Result<Vec<Server>, StoreError>;
    fn server(&self, id: ServerId) -> Result<Option<Server>, StoreError>;
    fn apps(&self) -> Result<Vec<App>, StoreError>;
    fn settings(&self) -> Result<SettingsRecord, StoreError>;
    fn volume_backup(&self, id: VolumeBackupId) -> Result<Option<VolumeBackup>, StoreError>;
}

impl Look for ReadTx {
    fn servers(&self) -> Result<Vec<Server>, StoreError> {
        self.list()
    }

    fn server(&self, id: ServerId) -> Result<Option<Server>, StoreError> {
        self.get(id.to_u64())
    }

    fn apps(&self) -> Result<Vec<App>, StoreError> {
        self.list()
    }

    fn settings(&self) -> Result<SettingsRecord, StoreError> {
        Ok(self.get(SETTINGS_KEY)?.unwrap_or_default())
    }

    fn volume_backup(&self, id: VolumeBackupId) -> Result<Option<VolumeBackup>, StoreError> {
        Ok(self.get::<VolumeBackupRecord>(id.to_u64())?.map(|record| record.backup))
    }
}

impl Look for WriteTx<'_> {
    fn servers(&self) -> Result<Vec<Server>, StoreError> {
        self.list()
    }

    fn server(&self, id: ServerId) -> Result<Option<Server>, StoreError> {
        self.get(id.to_u64())
    }

    fn apps(&self) -> Result<Vec<App>, StoreError> {
        self.list()
    }

    fn settings(&self) -> Result<SettingsRecord, StoreError> {
        Ok(self.get(SETTINGS_KEY)?.unwrap_or_default())
    }

    fn volume_backup(&self, id: VolumeBackupId) -> Result<Option<VolumeBackup>, StoreError> {
        Ok(self.get::<VolumeBackupRecord>(id.to_u64())?.map(|record| record.backup))
    }
}

/// A plan's facts, made from its change and what the store says now.
pub(super) struct Facts {
    pub(super) summary: String,
    pub(super) target: String,
    pub(super) approval: Approval,
    pub(super) changes: Vec<Change>,
    pub(super) downtime: Option<String>,
    pub(super) data_loss: Option<String>,
    pub(super) warnings: Vec<String>,
    /// SHA-256 of the target as it is, hex.
    pub(super) state: String,
}

pub(super) fn state_of(value: &impl serde::Serialize) -> String {
    crypto::sha256_hex(&serde_json::to_vec(value).unwrap_or_default())
}

fn examine(look: &impl Look, change: &PlannedChange) -> Result<Facts, ServiceError> {
    let gone = |what: &str| ServiceError::new(ErrorCode::NotFound, format!("the {what} of this plan is gone"));
    match change {
        PlannedChange::DeployApp { server, name, spec, back_to, adopts } => {
            let server = look.server(*server)?.ok_or_else(|| gone("server"))?;
            let known = look.apps()?.into_iter().find(|app| app.server == server.id && app.name == *name);
            // What never ran is not there to be updated.
            let runs = known.as_ref().filter(|app| app.revision.is_some());
            let changes = spec::difference(runs.map(|app| &app.spec), Some(spec));
            let verb = match (back_to, adopts, runs) {
                (Some(_), ..) => "Roll back".to_owned(),
                (None, Some(adopted), _) => format!("Adopt container \"{}\" as", adopted.name),
                (None, None, Some(_)) => "Update".to_owned(),
                (None, None, None) => "Deploy".to_owned(),
            };
            let binds = spec.all_volumes().filter(|volume| volume.is_bind());
            let mut warnings: Vec<String> = binds
                .map(|volume| format!("the container can reach the host's folder {}", display_line(&volume.source, 80)))
                .collect();
            if changes.is_empty() {
                warnings.push("nothing differs from what runs: the container is made anew".to_owned());
            }
            let lost: Vec<&str> = runs
                .into_iter()
                .flat_map(|app| app.spec.all_volumes())
                .filter(|old| !spec.all_volumes().any(|volume| volume.source == old.source))
                .map(|old| old.source.as_str())
                .collect();
            if !lost.is_empty() {
                warnings.push(format!("no longer mounted, but kept: {}", lost.join(", ")));
            }
            if let Some(revision) = back_to {
                let kept = known.as_ref().and_then(|app| app.kept.as_ref());
                warnings.push(match kept.filter(|kept| kept.revision == *revision) {
                    Some(_) => {
                        format!("back to revision {revision}, whose container is kept for a while and started again")
                    }
                    None => format!(
                        "back to revision {revision}, whose container is made anew: its image may have to be pulled"
                    ),
                });
            }
            let settings = look.settings()?.settings;
            let overlap_secs = settings.overlap_secs;
            if let Some(adopted) = adopts {
                warnings.extend(adopt::warnings(adopted, name, settings.keep_replaced_minutes));
            }
            // The adopted one has what the app gets.
            let before = adopts.as_ref().filter(|adopted| adopted.runs).map(|_| &**spec);
            let before = before.or_else(|| runs.map(|app| &app.spec));
            Ok(Facts {
                summary: format!(
                    "{verb} app \"{name}\" on server \"{}\" with image {}{}",
                    server.name,
                    display_line(&spec.image, 120),
                    match spec.services.len() {
                        0 => String::new(),
                        1 => " and one more service".to_owned(),
                        more => format!(" and {more} more services"),
                    }
                ),
                target: name.clone(),
                approval: Approval::Confirm,
                changes,
                downtime: before.map(|before| spec::downtime(before, spec, overlap_secs)),
                data_loss: None,
                warnings,
                state: state_of(&(server.id, server.agent, known.map(|app| (app.id, app.revision, app.spec)))),
            })
        }
        PlannedChange::RemoveApp { app, volumes } => {
            let app = look.apps()?.into_iter().find(|known| known.id == *app).ok_or_else(|| gone("app"))?;
            let server = look.server(app.server)?.ok_or_else(|| gone("server"))?;
            let named: Vec<&str> = app
                .spec
                .all_volumes()
                .filter(|volume| !volume.is_bind())
                .map(|volume| volume.source.as_str())
                .collect();
            let loses = *volumes && !named.is_empty();
            Ok(Facts {
                summary: format!("Remove app \"{}\" from server \"{}\"", app.name, server.name),
                target: app.name.clone(),
                approval: Approval::Human,
                changes: spec::difference(Some(&app.spec), None),
                downtime: None,
                data_loss: loses.then(|| format!("everything in the volumes {}", named.join(", "))),
                warnings: if !loses && !named.is_empty() {
                    vec![format!("kept on the host: {}", named.join(", "))]
                } else {
                    Vec::new()
                },
                state: state_of(&(app.id, app.revision)),
            })
        }
        PlannedChange::Discard { server, choice, items } => {
            let server = look.server(*server)?.ok_or_else(|| gone("server"))?;
            Ok(discard::facts(&server, *choice, items))
        }
        PlannedChange::RestoreVolume { backup, server, volume } => {
            let server = look.server(*server)?.ok_or_else(|| gone("server"))?;
            let backup = look.volume_backup(*backup)?.ok_or_else(|| gone("backup"))?;
            Ok(volume_backup::restore_facts(&backup, &server, volume))
        }
        PlannedChange::RemoveVolumeBackup { backup } => {
            let backup = look.volume_backup(*backup)?.ok_or_else(|| gone("backup"))?;
            Ok(volume_backup::removal_facts(&backup))
        }
        PlannedChange::AddServer { name, host, port, user, host_key, labels } => {
            if look.servers()?.iter().any(|known| known.name == *name) {
                return Err(onboarding::taken(name));
            }
            let add = |path: &str, to: &str| Change {
                op: ChangeOp::Add,
                path: format!("servers.{name}.{path}"),
                from: None,
                to: Some(display_line(to, 120)),
            };
            let mut changes = vec![add("ssh", &format!("{user}@{host}:{port}"))];
            changes.extend(host_key.as_ref().map(|key| add("host_key", key)));
            changes.extend(labels.iter().map(|(key, value)| add(&format!("labels.{key}"), value)));
            Ok(Facts {
                summary: format!("Add server \"{name}\" at {}", display_line(&format!("{user}@{host}:{port}"), 120)),
                target: name.clone(),
                approval: Approval::Confirm,
                changes,
                downtime: None,
                data_loss: None,
                warnings: vec![format!("a person enters the credential afterwards: {}", connect_command(name))],
                state: state_of(&name),
            })
        }
        PlannedChange::RemoveServer { server } => {
            let server = look.server(*server)?.ok_or_else(|| gone("server"))?;
            let apps: Vec<App> = look.apps()?.into_iter().filter(|app| app.server == server.id).collect();
            let names: Vec<&str> = apps.iter().map(|app| app.name.as_str()).collect();
            let mut warnings = vec!["its containers stay as they are; its agent is shut out".to_owned()];
            if !names.is_empty() {
                warnings.push(format!("Tomo forgets its apps: {}", names.join(", ")));
            }
            Ok(Facts {
                summary: format!("Remove server \"{}\"", server.name),
                target: server.name.clone(),
                approval: Approval::Human,
                changes: vec![Change {
                    op: ChangeOp::Remove,
                    path: format!("servers.{}", server.name),
                    from: Some(server.id.to_string()),
                    to: None,
                }],
                downtime: None,
                data_loss: Some("its recorded figures".to_owned()),
                warnings,
                state: state_of(&(server.id, server.agent, apps.iter().map(|app| app.id).collect::<Vec<_>>())),
            })
        }
        PlannedChange::ChangeSettings { changes } => {
            let now = look.settings()?.settings;
            let after = settings::changed(&now, changes)?;
            let pairs = now.as_text().into_iter().zip(after.as_text());
            let changes = pairs
                .filter(|(before, after)| before != after)
                .map(|(before, after)| Change {
                    op: ChangeOp::Set,
                    path: before.0.to_owned(),
                    from: Some(before.1),
                    to: Some(after.1),
                })
                .collect();
            Ok(Facts {
                summary: "Change settings".to_owned(),
                target: "settings".to_owned(),
                approval: Approval::Human,
                changes,
                downtime: None,
                data_loss: (after.raw_retention_hours < now.raw_retention_hours)
                    .then(|| format!("samples older than {} hours", after.raw_retention_hours)),
                warnings: Vec::new(),
                state: state_of(&now),
            })
        }
    }
}

/// What a person does after a server was added by a plan.
fn connect_command(name: &str) -> String {
    format!("tomo server connect {name} --install-agent metrics")
}

fn expire(plan: &mut Plan, now_ms: u64) {
    if matches!(plan.status, PlanStatus::Pending | PlanStatus::Approved) && plan.expires_at <= now_ms {
        plan.status = PlanStatus::Expired;
    }
}

/// How the operation does that a plan became.
fn outcome(view: &ReadTx, plan: &Plan) -> Result<Option<OperationStatus>, StoreError> {
    let operation = plan.operation.map(|id| view.get::<Operation>(id.to_u64())).transpose()?.flatten();
    Ok(operation.map(|operation| operation.status))
}

/// What a plan that can no longer be used answers.
fn closed(plan: &Plan) -> Option<ServiceError> {
    let id = plan.plan;
    let (code, message) = match plan.status {
        PlanStatus::Pending | PlanStatus::Approved | PlanStatus::Applied => return None,
        PlanStatus::Denied => (
            ErrorCode::Declined,
            format!("plan {id} was denied by {}", plan.decided_by.as_deref().unwrap_or("a person")),
        ),
        PlanStatus::Expired => (ErrorCode::PlanExpired, format!("plan {id} has expired")),
        PlanStatus::Stale => (ErrorCode::PlanStale, format!("the target of plan {id} has changed since")),
    };
    Some(ServiceError::new(code, message).with_next("make the plan anew with the same call as before"))
}

fn missing(text: &str) -> ServiceError {
    unknown_id("plan", text, "plan_list {}")
}

impl Services {
    /// Writes a plan down. The same plan, asked for again by the same caller while it is open, is found.
    pub(super) async fn record_plan(
        &self,
        caller: &Caller,
        action: &'static str,
        change: PlannedChange,
        reason: Option<String>,
    ) -> Result<Plan, ServiceError> {
        let now_ms = self.context.clock.now_ms();
        let life_ms = u64::from(self.context.settings()?.plan_expiry_minutes) * 60_000;
        let (actor, key) = (caller.actor(), caller.key());
        let entry = self.context.entry(caller, action, AuditOutcome::Ok).because(reason.as_ref());
        let offline = self.warn_offline(&change)?;
        let plan = self
            .context
            .store
            .write(move |tx| {
                let mut facts = examine(tx, &change)?;
                facts.warnings.extend(offline);
                let hash = state_of(&(&change, &facts.state));
                for mut old in tx.list::<PlanRecord>()? {
                    let before = old.plan.status;
                    expire(&mut old.plan, now_ms);
                    let open = matches!(old.plan.status, PlanStatus::Pending | PlanStatus::Approved);
                    if open && old.plan.hash == hash && old.requested_by_key == key {
                        return Ok(old.plan);
                    }
                    if old.plan.status != before {
                        tx.put(&old)?;
                    }
                }
                let id = PlanId::from_parts(now_ms, crypto::random_u32());
                let plan = Plan {
                    plan: id,
                    summary: facts.summary,
                    target: facts.target,
                    status: PlanStatus::Pending,
                    approval: facts.approval,
                    changes: facts.changes,
                    downtime: facts.downtime,
                    data_loss: facts.data_loss,
                    warnings: facts.warnings,
                    reason: reason.map(|reason| display_line(&reason, 300)),
                    requested_by: actor,
                    decided_by: None,
                    operation: None,
                    outcome: None,
                    hash,
                    created_at: now_ms,
                    expires_at: now_ms + life_ms,
                };
                tx.put(&PlanRecord { plan: plan.clone(), change, target_state: facts.state, requested_by_key: key })?;
                tx.audit(entry.about("plan", &id.to_string()).with(plan.summary.clone()));
                Ok::<_, ServiceError>(plan)
            })
            .await?;
        self.context.live.publish(Topic::Plan(plan.plan));
        Ok(plan)
    }

    /// What a plan says whose agent would have to do something but has no connection.
    fn warn_offline(&self, change: &PlannedChange) -> Result<Option<String>, ServiceError> {
        let server = match change {
            PlannedChange::DeployApp { server, .. }
            | PlannedChange::Discard { server, .. }
            | PlannedChange::RestoreVolume { server, .. } => Some(*server),
            PlannedChange::RemoveApp { app, .. } => {
                self.context.store.read(|view| view.get::<App>(app.to_u64()))?.map(|app| app.server)
            }
            PlannedChange::AddServer { .. }
            | PlannedChange::RemoveServer { .. }
            | PlannedChange::RemoveVolumeBackup { .. }
            | PlannedChange::ChangeSettings { .. } => None,
        };
        let is_offline = server.is_some_and(|server| !self.context.hub.is_online(server));
        Ok(is_offline
            .then(|| "the server's agent is not connected: until it is back, this cannot be carried out".to_owned()))
    }

    /// Whether a caller's selectors let it see a plan.
    pub(super) fn sees_plan(view: &ReadTx, caller: &Caller, record: &PlanRecord) -> Result<bool, StoreError> {
        if caller.selectors.is_empty() {
            return Ok(true);
        }
        let (server, app) = match &record.change {
            PlannedChange::DeployApp { server, name, .. } => (Some(*server), Some(name.clone())),
            PlannedChange::RemoveApp { app, .. } => {
                let app = view.get::<App>(app.to_u64())?;
                (app.as_ref().map(|app| app.server), app.map(|app| app.name))
            }
            // Whoever sees some apps only does not see what belongs to none.
            PlannedChange::Discard { server, .. } | PlannedChange::RestoreVolume { server, .. }
                if caller.selectors.apps.is_empty() =>
            {
                (Some(*server), None)
            }
            PlannedChange::Discard { .. }
            | PlannedChange::RestoreVolume { .. }
            | PlannedChange::RemoveVolumeBackup { .. } => return Ok(false),
            PlannedChange::RemoveServer { server } => (Some(*server), None),
            PlannedChange::AddServer { name, labels, .. } => {
                return Ok(caller.selectors.admit_server(name, labels));
            }
            PlannedChange::ChangeSettings { .. } => (None, None),
        };
        let Some(server) = server.map(|id| view.get::<Server>(id.to_u64())).transpose()?.flatten() else {
            return Ok(false);
        };
        Ok(caller.selectors.admit_server(&server.name, &server.labels)
            && app.is_none_or(|app| caller.selectors.admit_app(&app)))
    }

    fn find_plan(&self, caller: &Caller, text: &str) -> Result<PlanRecord, ServiceError> {
        let id: PlanId = text.parse().map_err(|_| missing(text))?;
        let now_ms = self.context.clock.now_ms();
        self.context.store.read(|view| {
            let mut record = view.get::<PlanRecord>(id.to_u64())?.ok_or_else(|| missing(text))?;
            expire(&mut record.plan, now_ms);
            record.plan.outcome = outcome(view, &record.plan)?;
            if Self::sees_plan(view, caller, &record)? { Ok(record) } else { Err(missing(text)) }
        })
    }

    /// The open plan that a `plan_apply` needs a person's consent for and for which a client's form may ask (level `confirm`, a caller
    /// with `deploy`); `None` if nothing is to be asked: then call `plan_apply` and take its answer.
    ///
    /// # Errors
    /// As `plan_apply`.
    pub fn plan_to_consent(&self, caller: &Caller, request: &PlanApply) -> Result<Option<Plan>, ServiceError> {
        if !caller.scopes.contains(&Scope::Deploy) {
            return Ok(None);
        }
        let plan = self.find_plan(caller, &request.plan)?.plan;
        Ok(Some(plan).filter(|plan| plan.status == PlanStatus::Pending && plan.approval == Approval::Confirm))
    }

    /// Records that a person said yes (or no: the plan stays open, the answer is audited) in the client's form to the plan with this hash.
    ///
    /// # Errors
    /// `plan_stale`, `plan_expired`, `denied`, `not_found`.
    pub async fn answer_consent(
        &self,
        caller: &Caller,
        plan: PlanId,
        hash: &str,
        accepted: bool,
    ) -> Result<(), ServiceError> {
        self.find_plan(caller, &plan.to_string())?;
        if !caller.scopes.contains(&Scope::Deploy) {
            return Err(
                ServiceError::new(ErrorCode::Denied, "consent needs the scope deploy").with_next("auth_whoami {}")
            );
        }
        let outcome = if accepted { AuditOutcome::Ok } else { AuditOutcome::Denied };
        let entry = self.context.entry(caller, "plan.consent", outcome).about("plan", &plan.to_string());
        let entry = entry.with(if accepted {
            "a person agreed in the client's form"
        } else {
            "a person declined in the client's form"
        });
        let who = format!("a person at the client of {}", caller.actor());
        self.decide(plan, hash.to_owned(), entry, accepted.then_some((who, Some(Approval::Confirm)))).await.map(drop)
    }

    /// Marks an open plan approved by somebody; without anybody only the audit is written.
    async fn decide(
        &self,
        id: PlanId,
        hash: String,
        entry: NewAuditEntry,
        by: Option<(String, Option<Approval>)>,
    ) -> Result<Plan, ServiceError> {
        let now_ms = self.context.clock.now_ms();
        let decided = self
            .context
            .store
            .write(move |tx| {
                let mut record = tx.get::<PlanRecord>(id.to_u64())?.ok_or_else(|| missing(&id.to_string()))?;
                expire(&mut record.plan, now_ms);
                if let Some(error) = closed(&record.plan) {
                    return Err(error);
                }
                if !still_holds(tx, &record)? {
                    mark_stale(tx, record, entry)?;
                    return Ok(Err(moved(id)));
                }
                if record.plan.hash != hash {
                    return Err(ServiceError::new(
                        ErrorCode::PlanStale,
                        format!("plan {id} is not what was shown any more"),
                    )
                    .with_next("make the plan anew with the same call as before"));
                }
                if let Some((by, level)) = by {
                    if level.is_some_and(|level| level != record.plan.approval) {
                        let message = format!("plan {id} needs a person's own session");
                        return Err(ServiceError::new(ErrorCode::ApprovalRequired, message)
                            .with_next(format!("tomo plan approve {id}")));
                    }
                    if record.plan.status == PlanStatus::Pending {
                        record.plan.status = PlanStatus::Approved;
                        record.plan.decided_by = Some(by);
                        tx.put(&record)?;
                    }
                }
                tx.audit(entry);
                Ok::<_, ServiceError>(Ok(record.plan))
            })
            .await?;
        self.context.live.publish(Topic::Plan(id));
        decided
    }
}

fn moved(id: PlanId) -> ServiceError {
    ServiceError::new(ErrorCode::PlanStale, format!("the target of plan {id} has changed since"))
        .with_next("make the plan anew with the same call as before")
}

impl Handle<PlanGet> for Services {
    async fn handle(&self, caller: Authorized<'_, PlanGet>, request: PlanGet) -> Result<Plan, ServiceError> {
        Ok(self.find_plan(&caller, &request.plan)?.plan)
    }
}

impl Handle<PlanList> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, PlanList>,
        request: PlanList,
    ) -> Result<PlanListAnswer, ServiceError> {
        let limit = limit(request.limit, 20, 200)?;
        let now_ms = self.context.clock.now_ms();
        let plans = self.context.store.read(|view| {
            let mut plans = Vec::new();
            for mut record in view.newest::<PlanRecord>(1_000)? {
                expire(&mut record.plan, now_ms);
                let fits = request.status.is_none_or(|status| status == record.plan.status);
                if plans.len() < limit && fits && Self::sees_plan(view, &caller, &record)? {
                    record.plan.outcome = outcome(view, &record.plan)?;
                    plans.push(record.plan);
                }
            }
            Ok::<_, StoreError>(plans)
        })?;
        Ok(PlanListAnswer { plans })
    }
}

impl Handle<PlanApprove> for Services {
    async fn handle(&self, caller: Authorized<'_, PlanApprove>, request: PlanApprove) -> Result<Plan, ServiceError> {
        let record = self.find_plan(&caller, &request.plan)?;
        let plan = &record.plan;
        if let Some(error) = closed(plan) {
            return Err(error);
        }
        let admins_only = matches!(
            record.change,
            PlannedChange::ChangeSettings { .. } | PlannedChange::AddServer { .. } | PlannedChange::RemoveServer { .. }
        );
        if admins_only && !caller.scopes.contains(&Scope::Admin) {
            let message = format!("agreeing to plan {} needs the scope admin", plan.plan);
            self.audit_denial(&caller, "plan_approve", &plan.plan.to_string(), &message).await;
            return Err(ServiceError::new(ErrorCode::Denied, message).with_next("ask an admin"));
        }
        if plan.approval == Approval::Human && request.name.as_deref() != Some(plan.target.as_str()) {
            let message = format!("this plan cannot be undone: type the target's name, \"{}\"", plan.target);
            return Err(ServiceError::new(ErrorCode::Invalid, message)
                .with_field("name")
                .with_next(format!("tomo plan approve {} --name {}", plan.plan, plan.target)));
        }
        let entry = self.context.entry(&caller, "plan_approve", AuditOutcome::Ok).about("plan", &plan.plan.to_string());
        let entry = entry.with(plan.summary.clone());
        self.decide(plan.plan, request.hash, entry, Some((caller.actor(), None))).await
    }
}

impl Handle<PlanDeny> for Services {
    async fn handle(&self, caller: Authorized<'_, PlanDeny>, request: PlanDeny) -> Result<Plan, ServiceError> {
        let id = self.find_plan(&caller, &request.plan)?.plan.plan;
        let (actor, now_ms) = (caller.actor(), self.context.clock.now_ms());
        let entry = self.context.entry(&caller, "plan_deny", AuditOutcome::Ok).about("plan", &id.to_string());
        let entry = entry.because(request.reason.as_ref());
        let plan = self
            .context
            .store
            .write(move |tx| {
                let mut record = tx.get::<PlanRecord>(id.to_u64())?.ok_or_else(|| missing(&id.to_string()))?;
                expire(&mut record.plan, now_ms);
                if record.plan.status == PlanStatus::Applied {
                    return Err(ServiceError::new(ErrorCode::Conflict, format!("plan {id} has been applied already")));
                }
                if matches!(record.plan.status, PlanStatus::Pending | PlanStatus::Approved) {
                    record.plan.status = PlanStatus::Denied;
                    record.plan.decided_by = Some(actor);
                    tx.put(&record)?;
                    tx.audit(entry);
                }
                Ok::<_, ServiceError>(record.plan)
            })
            .await?;
        self.context.live.publish(Topic::Plan(id));
        Ok(plan)
    }
}

/// What an approved plan turned into, decided in one transaction.
enum Applied {
    /// Nothing: its target is not what it was.
    Moved,
    Before(Operation),
    Spawn(Box<(Running, Work, NewAuditEntry)>),
    Done(Operation, Effect),
}

/// What is left to do outside the store.
enum Effect {
    Nothing,
    ForgetServer { server: ServerId, agent: Option<AgentId> },
    RemoveVolumeFile(String),
    SetInterval(u32),
}

impl Handle<PlanApply> for Services {
    async fn handle(&self, caller: Authorized<'_, PlanApply>, request: PlanApply) -> Result<Operation, ServiceError> {
        let record = self.find_plan(&caller, &request.plan)?;
        let id = record.plan.plan;
        if let Some(error) = closed(&record.plan) {
            return Err(error);
        }
        if record.plan.status == PlanStatus::Pending {
            let next = match record.plan.approval {
                Approval::Confirm => format!(
                    "a person approves it in the dashboard (Plans) or with `tomo plan approve {id}`; then plan_apply again"
                ),
                Approval::Human => format!(
                    "a person approves it in the dashboard (Plans) or with `tomo plan approve {id} --name {}`; then plan_apply again",
                    record.plan.target
                ),
            };
            return Err(ServiceError::new(
                ErrorCode::ApprovalRequired,
                format!("plan {id} waits for a person: {}", record.plan.summary),
            )
            .with_next(next));
        }
        let blank = self.context.new_operation(&caller, OperationKind::DeployApp, &record.plan.target, None);
        let entry = self.context.entry(&caller, "plan_apply", AuditOutcome::Intent).because(request.reason.as_ref());
        // What stands on the host alone is looked at there.
        let is_still_there = match &record.change {
            _ if record.plan.status != PlanStatus::Approved => true,
            PlannedChange::Discard { server, items, .. } => self.context.still_there(*server, items).await?,
            PlannedChange::DeployApp { server, spec, adopts: Some(adopted), .. } => {
                self.context.still_adoptable(*server, adopted, spec).await?
            }
            _ => true,
        };
        if !is_still_there {
            self.context.store.write(move |tx| mark_stale(tx, record, entry)).await?;
            self.context.live.publish(Topic::Plan(id));
            return Err(moved(id));
        }
        let (context, operation, now_ms) = (Arc::clone(&self.context), blank.operation, self.context.clock.now_ms());
        // In a task of its own: what has begun is carried out even if the caller has gone meanwhile.
        let begun = self.context.tasks.spawn(async move {
            let shared = Arc::clone(&context);
            let applied = context.store.write(move |tx| apply(tx, id, blank, entry, &shared.operations, now_ms)).await;
            match applied {
                Ok(Applied::Spawn(spawned)) => {
                    let (running, work, intent) = *spawned;
                    let operation = running.state.borrow().clone();
                    context.spawn(running, work, intent);
                    Ok(Applied::Before(operation))
                }
                Err(error) => {
                    context.operations.end(operation);
                    Err(error)
                }
                other => other,
            }
        });
        let failed = |error| ServiceError::new(ErrorCode::Internal, "applying the plan failed").with_source(error);
        let applied = begun.await.map_err(failed)??;
        self.context.live.publish(Topic::Plan(id));
        Ok(match applied {
            Applied::Moved => return Err(moved(id)),
            Applied::Before(operation) => operation,
            Applied::Spawn(spawned) => spawned.0.state.borrow().clone(),
            Applied::Done(operation, effect) => {
                match effect {
                    Effect::Nothing => {}
                    Effect::RemoveVolumeFile(file) => self.context.remove_volume_file(&file),
                    Effect::SetInterval(interval_ms) => self.context.hub.set_idle_interval(interval_ms),
                    Effect::ForgetServer { server, agent } => self.context.server_is_gone(server, agent).await?,
                }
                self.context.live.publish(Topic::Operation(operation.operation));
                operation
            }
        })
    }
}

/// Whether a plan's target is as it was when the plan was made.
fn still_holds(tx: &WriteTx<'_>, record: &PlanRecord) -> Result<bool, ServiceError> {
    match examine(tx, &record.change) {
        Ok(facts) => Ok(facts.state == record.target_state),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Closes a plan whose target is not what it was. What was tried with it counts as refused.
fn mark_stale(tx: &mut WriteTx<'_>, mut record: PlanRecord, entry: NewAuditEntry) -> Result<(), StoreError> {
    record.plan.status = PlanStatus::Stale;
    tx.put(&record)?;
    let entry = NewAuditEntry { outcome: AuditOutcome::Denied, ..entry }.about("plan", &record.plan.plan.to_string());
    tx.audit(entry.with("the target has changed since the plan was made: it is stale"));
    Ok(())
}

fn apply(
    tx: &mut WriteTx<'_>,
    id: PlanId,
    mut operation: Operation,
    entry: NewAuditEntry,
    operations: &Operations,
    now_ms: u64,
) -> Result<Applied, ServiceError> {
    let mut record = tx.get::<PlanRecord>(id.to_u64())?.ok_or_else(|| missing(&id.to_string()))?;
    expire(&mut record.plan, now_ms);
    if let Some(error) = closed(&record.plan) {
        return Err(error);
    }
    if record.plan.status == PlanStatus::Applied {
        let known = record.plan.operation.map(|id| tx.get::<Operation>(id.to_u64())).transpose()?.flatten();
        return known
            .map(Applied::Before)
            .ok_or_else(|| ServiceError::new(ErrorCode::NotFound, format!("the operation of plan {id} is gone")));
    }
    let stale = || moved(id);
    if !still_holds(tx, &record)? {
        mark_stale(tx, record, entry)?;
        return Ok(Applied::Moved);
    }
    operation.plan = Some(id);
    let action = |kind: OperationKind| NewAuditEntry { action: kind.as_str().to_owned(), ..entry.clone() };
    let applied = match record.change.clone() {
        PlannedChange::DeployApp { server, name, spec, back_to, adopts } => {
            let host = tx.get::<Server>(server.to_u64())?.ok_or_else(stale)?;
            let known = tx.list::<App>()?.into_iter().find(|app| app.server == server && app.name == name);
            let (app, revision) = (
                known.as_ref().map_or_else(|| AppId::from_parts(now_ms, crypto::random_u32()), |app| app.id),
                back_to.unwrap_or_else(|| RevisionId::from_parts(now_ms, crypto::random_u32())),
            );
            // What has not run yet is remembered as it was last wanted.
            if known.as_ref().is_none_or(|app| app.revision.is_none()) {
                tx.put(&App {
                    id: app,
                    name: name.clone(),
                    server,
                    spec: (*spec).clone(),
                    revision: None,
                    stopped: false,
                    last_error: None,
                    created_at: known.map_or(now_ms, |app| app.created_at),
                    deployed_at: now_ms,
                    kept: None,
                })?;
            }
            operation.kind = OperationKind::DeployApp;
            operation.server = Some(host.name.clone());
            let intent =
                action(operation.kind).about("app", &name).with(format!("{} on {}", operation.operation, host.name));
            Applied::Spawn(Box::new((
                begin(operations, &operation)?,
                Work::Deploy { app, name, server, revision, spec: *spec, adopts: adopts.map(|adopted| adopted.id) },
                intent,
            )))
        }
        PlannedChange::RemoveApp { app, volumes } => {
            let app = tx.get::<App>(app.to_u64())?.ok_or_else(stale)?;
            let host = tx.get::<Server>(app.server.to_u64())?.ok_or_else(stale)?;
            operation.kind = OperationKind::RemoveApp;
            operation.server = Some(host.name.clone());
            let intent = action(operation.kind)
                .about("app", &app.name)
                .with(format!("{} on {}", operation.operation, host.name));
            Applied::Spawn(Box::new((begin(operations, &operation)?, Work::Remove { app, volumes }, intent)))
        }
        PlannedChange::Discard { server, items, .. } => {
            let host = tx.get::<Server>(server.to_u64())?.ok_or_else(stale)?;
            operation.kind = OperationKind::Discard;
            operation.server = Some(host.name.clone());
            let intent = action(operation.kind)
                .about("server", &host.name)
                .with(format!("{}: {}", operation.operation, record.plan.summary));
            let work = Work::OnServer { server, kind: operation.kind, command: Command::Discard { items } };
            Applied::Spawn(Box::new((begin(operations, &operation)?, work, intent)))
        }
        PlannedChange::RestoreVolume { backup, server, volume } => {
            let host = tx.get::<Server>(server.to_u64())?.ok_or_else(stale)?;
            operation.kind = OperationKind::RestoreVolume;
            operation.server = Some(host.name.clone());
            let intent = action(operation.kind)
                .about("volume", &volume)
                .with(format!("{}: {}", operation.operation, record.plan.summary));
            let work = Work::RestoreVolume { server, backup, volume };
            Applied::Spawn(Box::new((begin(operations, &operation)?, work, intent)))
        }
        PlannedChange::RemoveVolumeBackup { backup } => {
            let known = tx.get::<VolumeBackupRecord>(backup.to_u64())?.ok_or_else(stale)?.backup;
            tx.remove::<VolumeBackupRecord>(backup.to_u64());
            operation.kind = OperationKind::RemoveVolumeBackup;
            operation.server = Some(known.server);
            finish(&mut operation, now_ms);
            Applied::Done(operation.clone(), Effect::RemoveVolumeFile(known.file))
        }
        PlannedChange::AddServer { name, host, port, user, host_key, labels } => {
            tx.put(&Server {
                id: ServerId::from_parts(now_ms, crypto::random_u32()),
                name: name.clone(),
                labels,
                agent: None,
                next_agent: None,
                created_at: now_ms,
                ssh: Some(Ssh { host, port, user, auth: None, host_key, jump: None, credential_kept: false }),
            })?;
            operation.kind = OperationKind::AddServer;
            operation.server = Some(name.clone());
            finish(&mut operation, now_ms);
            operation.step = format!("done; a person enters the credential: {}", connect_command(&name));
            Applied::Done(operation.clone(), Effect::Nothing)
        }
        PlannedChange::RemoveServer { server } => {
            let server = tx.get::<Server>(server.to_u64())?.ok_or_else(stale)?;
            forget_server(tx, server.id, now_ms)?;
            operation.kind = OperationKind::RemoveServer;
            operation.server = Some(server.name.clone());
            finish(&mut operation, now_ms);
            Applied::Done(operation.clone(), Effect::ForgetServer { server: server.id, agent: server.agent })
        }
        PlannedChange::ChangeSettings { changes } => {
            let before = tx.get::<SettingsRecord>(SETTINGS_KEY)?.unwrap_or_default().settings;
            let settings = settings::changed(&before, &changes)?;
            let interval_ms = settings.sample_interval_secs.saturating_mul(1_000);
            tx.put(&SettingsRecord { settings })?;
            operation.kind = OperationKind::ChangeSettings;
            finish(&mut operation, now_ms);
            Applied::Done(operation.clone(), Effect::SetInterval(interval_ms))
        }
    };
    match &applied {
        Applied::Spawn(spawned) => tx.audit(spawned.2.clone()),
        _ => tx.audit(
            NewAuditEntry { outcome: AuditOutcome::Ok, ..action(operation.kind) }
                .about("plan", &id.to_string())
                .with(record.plan.summary.clone()),
        ),
    }
    tx.put(&operation)?;
    record.plan.status = PlanStatus::Applied;
    record.plan.operation = Some(operation.operation);
    tx.put(&record)?;
    Ok(applied)
}

fn begin(operations: &Operations, operation: &Operation) -> Result<Running, ServiceError> {
    operations.begin(operation.clone()).map_err(|other| under_way(&other))
}

fn finish(operation: &mut Operation, now_ms: u64) {
    operation.status = OperationStatus::Succeeded;
    operation.step = "done".to_owned();
    operation.ended_at = Some(now_ms);
}
