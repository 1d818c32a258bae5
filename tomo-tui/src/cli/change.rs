//! Changes: a plan is shown, agreed to, applied, and followed to its end.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use tomo_proto::{
    api::{
        operation::OperationGet,
        plan::{PlanApply, PlanApprove},
    },
    error::{ApiError, ErrorCode},
    id::OperationId,
    model::{
        operation::{Evidence, Operation, OperationKind, OperationStatus},
        plan::{Approval, ChangeOp, Plan, PlanStatus},
    },
    text::display_line,
};

use crate::{
    args::Consent,
    cli::output,
    client::{Client, ClientError},
};

/// Where a plan stands, and how the operation does that it became.
pub(super) fn status(plan: &Plan) -> String {
    let status = plan.status.as_str();
    plan.outcome.map_or_else(|| status.to_owned(), |outcome| format!("{status}, {}", outcome.as_str()))
}

pub(super) fn show(plan: &Plan) {
    output::line(format!("{}  {}  ({})", plan.plan, plan.summary, status(plan)));
    let needs = match (plan.status, plan.approval) {
        (PlanStatus::Pending, Approval::Confirm) => "; a person agrees",
        (PlanStatus::Pending, Approval::Human) => "; a person types the target's name",
        _ => "",
    };
    output::line(format!("  asked for by {}, until {}{needs}", plan.requested_by, output::time(plan.expires_at)));
    if let Some(by) = &plan.decided_by {
        output::line(format!("  decided by {by}"));
    }
    if let Some(operation) = plan.operation {
        output::line(format!("  became {operation}"));
    }
    if let Some(reason) = &plan.reason {
        output::line(format!("  reason: \"{reason}\""));
    }
    for change in &plan.changes {
        let text = match change.op {
            ChangeOp::Add => format!("  + {}: {}", change.path, change.to.as_deref().unwrap_or("")),
            ChangeOp::Remove => format!("  - {}: {}", change.path, change.from.as_deref().unwrap_or("")),
            ChangeOp::Set => {
                format!(
                    "  ~ {}: {} → {}",
                    change.path,
                    change.from.as_deref().unwrap_or(""),
                    change.to.as_deref().unwrap_or("")
                )
            }
        };
        output::line(text);
    }
    if let Some(downtime) = &plan.downtime {
        output::line(format!("  ! downtime: {downtime}"));
    }
    if let Some(loss) = &plan.data_loss {
        output::line(format!("  ! lost for good: {loss}"));
    }
    for warning in &plan.warnings {
        output::line(format!("  ! {warning}"));
    }
}

/// Asks on the terminal; without one nothing is agreed to.
pub(super) fn ask(question: &str) -> Option<String> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    drop(write!(std::io::stderr(), "{} ", display_line(question, usize::MAX)));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).ok()?;
    Some(answer.trim().to_owned())
}

pub(super) fn is_yes(answer: &str) -> bool {
    matches!(answer, "y" | "Y" | "yes")
}

/// Asks before something that cannot be taken back and is no plan.
pub(super) fn agree(question: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    let refusal = match ask(&format!("{question} [y/N]")) {
        Some(answer) if is_yes(&answer) => return Ok(()),
        Some(_) => ApiError::new(ErrorCode::Declined, "nothing was changed"),
        None => ApiError::new(ErrorCode::Invalid, "this asks first, and there is no terminal to ask on")
            .with_next("give --yes to agree at once"),
    };
    Err(ClientError::from(refusal).into())
}

/// Agrees to a plan in the person's name, after asking unless told not to.
pub(super) async fn approve(client: &Client, plan: &Plan, yes: bool, name: Option<&str>) -> anyhow::Result<Plan> {
    let mut name = name.map(str::to_owned);
    if plan.approval == Approval::Human && name.is_none() {
        name = ask(&format!("This cannot be undone. Type \"{}\" to go on:", plan.target));
        if name.is_none() {
            return Err(nobody_agreed(plan).into());
        }
    } else if plan.approval == Approval::Confirm && !yes {
        let agreed = ask("Go on? [y/N]").is_some_and(|answer| is_yes(&answer));
        if !agreed {
            return Err(nobody_agreed(plan).into());
        }
    }
    let request = PlanApprove { plan: plan.plan.to_string(), hash: plan.hash.clone(), name };
    client.call(&request).await.map_err(|error| match error {
        ClientError::Api(denied) if denied.code == ErrorCode::Denied => {
            let message = format!("{}; the plan stays open", denied.message);
            let waits = ApiError::new(ErrorCode::ApprovalRequired, message);
            ClientError::from(waits.with_next(format!("somebody who may runs {}", approval_of(plan)))).into()
        }
        other => other.into(),
    })
}

fn nobody_agreed(plan: &Plan) -> ClientError {
    let error = ApiError::new(ErrorCode::ApprovalRequired, "nobody agreed; the plan stays open");
    error.with_next(approval_of(plan)).into()
}

/// The command that agrees to a plan.
pub(super) fn approval_of(plan: &Plan) -> String {
    match plan.approval {
        Approval::Confirm => format!("tomo plan approve {} --yes", plan.plan),
        Approval::Human => format!("tomo plan approve {} --name {}", plan.plan, plan.target),
    }
}

/// Shows a plan, has it agreed to and carries it out.
pub(super) async fn carry_out(client: &Client, plan: Plan, consent: &Consent, json: bool) -> anyhow::Result<()> {
    if !json {
        show(&plan);
    }
    let plan = if plan.status == PlanStatus::Approved {
        plan
    } else {
        approve(client, &plan, consent.yes, consent.name.as_deref()).await?
    };
    let operation = client.call(&PlanApply { plan: plan.plan.to_string(), reason: consent.reason.clone() }).await?;
    follow(client, operation, json).await
}

/// Waits for an operation's end, telling its steps, and says how it ended.
pub(super) async fn follow(client: &Client, operation: Operation, json: bool) -> anyhow::Result<()> {
    let operation = wait(client, operation, json).await?;
    if json {
        output::json(&operation)?;
    }
    tell_end(&operation, json)
}

/// Says what became of a plan that was applied before; nothing runs anew.
pub(super) async fn follow_applied(client: &Client, plan: &Plan, id: OperationId, json: bool) -> anyhow::Result<()> {
    let operation = client.call(&OperationGet { operation: id.to_string(), wait_s: None }).await?;
    if !json {
        let (at, by) = (output::time(operation.started_at), &operation.actor);
        output::line(format!("{} was applied already, at {at} by {by}, as {id}; nothing runs anew", plan.plan));
    }
    let operation = wait(client, operation, json).await?;
    if json {
        let mut value = serde_json::to_value(&operation)?;
        value["applied_before"] = true.into();
        output::json(&value)?;
    }
    tell_end(&operation, json)
}

/// Waits for an operation's end, telling its steps: each with its time where a host is visited.
pub(super) async fn wait(client: &Client, mut operation: Operation, json: bool) -> anyhow::Result<Operation> {
    let with_times =
        [OperationKind::AddServer, OperationKind::ProbeServer, OperationKind::InstallAgent, OperationKind::UpdateAgent];
    if with_times.contains(&operation.kind) {
        return wait_with_times(client, operation, json).await;
    }
    let mut told = String::new();
    while !operation.status.is_final() {
        if !json && operation.step != told {
            told.clone_from(&operation.step);
            output::note(format!("  {told}"));
        }
        let request = OperationGet { operation: operation.operation.to_string(), wait_s: Some(1) };
        operation = client.call(&request).await?;
    }
    Ok(operation)
}

async fn wait_with_times(client: &Client, mut operation: Operation, json: bool) -> anyhow::Result<Operation> {
    let mut told = 0;
    loop {
        for line in operation.log.iter().skip(told).filter(|_| !json) {
            output::note(line);
        }
        told = operation.log.len().max(told);
        if operation.status.is_final() {
            return Ok(operation);
        }
        let request = OperationGet { operation: operation.operation.to_string(), wait_s: Some(1) };
        operation = client.call(&request).await?;
    }
}

/// What an operation is, in words.
fn named(operation: &Operation) -> String {
    let what = match operation.kind {
        OperationKind::DeployApp => "deploy of",
        OperationKind::RemoveApp => "removal of",
        OperationKind::StartApp => "start of",
        OperationKind::StopApp => "stop of",
        OperationKind::RestartApp => "restart of",
        OperationKind::StartContainer => "start of container",
        OperationKind::StopContainer => "stop of container",
        OperationKind::RestartContainer => "restart of container",
        OperationKind::PullImage => "pull of",
        OperationKind::CreateVolume => "making volume",
        OperationKind::CreateNetwork => "making network",
        OperationKind::Discard => "clean-up of",
        OperationKind::AddServer => return format!("adding server {}", operation.target),
        OperationKind::ProbeServer => return format!("looking around on server {}", operation.target),
        OperationKind::InstallAgent => return format!("installing the agent of server {}", operation.target),
        OperationKind::UpdateAgent => return format!("updating the agent of server {}", operation.target),
        OperationKind::RemoveServer => return format!("removal of server {}", operation.target),
        OperationKind::ChangeSettings => return "change of settings".to_owned(),
        OperationKind::BackupVolume => "backup of volume",
        OperationKind::RestoreVolume => "restore of volume",
        OperationKind::DrillVolume => "drill of volume",
        OperationKind::VerifyVolumeBackup => return format!("verifying backup {}", operation.target),
        OperationKind::RemoveVolumeBackup => return format!("removal of backup {}", operation.target),
        OperationKind::CreateBackup => return "backup of the daemon".to_owned(),
    };
    let on = operation.server.as_deref().map_or_else(String::new, |server| format!(" on {server}"));
    format!("{what} {}{on}", operation.target)
}

pub(super) fn tell_end(operation: &Operation, json: bool) -> anyhow::Result<()> {
    let named = named(operation);
    let (how, error) = match operation.status {
        OperationStatus::Running | OperationStatus::Succeeded => {
            if !json {
                let downtime = match operation.downtime_ms {
                    Some(0) => "; something answered all the time".to_owned(),
                    Some(ms) => format!("; nothing answered for {}.{} s", ms / 1_000, ms % 1_000 / 100),
                    None => String::new(),
                };
                output::line(format!("{named} succeeded{downtime}"));
            }
            return Ok(());
        }
        OperationStatus::Failed => ("failed", operation.error.as_ref()),
        OperationStatus::Cancelled => ("was cancelled", operation.error.as_ref()),
        OperationStatus::Unknown => ("has an unknown end", operation.error.as_ref()),
    };
    // A visit's steps were told as they came.
    if !json && operation.kind.is_of_app() {
        let evidence = operation.evidence.iter().flat_map(Evidence::lines).collect::<Vec<_>>();
        for lines in [&operation.log, &evidence] {
            for line in lines.iter().rev().take(20).rev() {
                output::note(format!("  | {line}"));
            }
        }
    }
    let code = match error.map(|error| error.code) {
        // What the person wrote was understood.
        None | Some(ErrorCode::Invalid) => ErrorCode::Conflict,
        Some(code) => code,
    };
    let why = error.map_or_else(String::new, |error| format!(": {}", error.message));
    let kept = format!("tomo operation get {}", operation.operation);
    // An app's log was shown above.
    let is_shown = |next: &String| operation.kind.is_of_app() && !json && next.starts_with("operation_get ");
    let next = error.map_or(Some(kept), |error| error.next.clone()).filter(|next| !is_shown(next));
    let error = ApiError::new(code, format!("{named} {how}{why}"));
    Err(ClientError::from(match next {
        Some(next) => error.with_next(next),
        None => error,
    })
    .into())
}
