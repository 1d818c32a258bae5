//! Changes: a plan is shown, agreed to, applied, and followed to its end.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::bail;
use tomo_proto::{
    api::{
        operation::OperationGet,
        plan::{PlanApply, PlanApprove},
    },
    error::{ApiError, ErrorCode},
    model::{
        operation::{Operation, OperationStatus},
        plan::{Approval, ChangeOp, Plan, PlanStatus},
    },
};

use crate::{
    args::Consent,
    cli::output,
    client::{Client, ClientError},
};

pub(super) fn show(plan: &Plan) {
    output::line(format!("{}  {}  ({})", plan.plan, plan.summary, plan.status.as_str()));
    let needs = match plan.approval {
        Approval::Confirm => "a person agrees",
        Approval::Human => "a person types the target's name",
    };
    output::line(format!("  asked for by {}, until {}; {needs}", plan.requested_by, output::time(plan.expires_at)));
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
        output::line(format!("  ! down: {downtime}"));
    }
    if let Some(loss) = &plan.data_loss {
        output::line(format!("  ! lost for good: {loss}"));
    }
    for warning in &plan.warnings {
        output::line(format!("  ! {warning}"));
    }
}

/// Asks on the terminal; without one nothing is agreed to.
fn ask(question: &str) -> Option<String> {
    if !std::io::stdin().is_terminal() {
        return None;
    }
    drop(write!(std::io::stderr(), "{question} "));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).ok()?;
    Some(answer.trim().to_owned())
}

/// Agrees to a plan in the person's name, after asking unless told not to.
pub(super) async fn approve(client: &Client, plan: &Plan, yes: bool, name: Option<&str>) -> anyhow::Result<Plan> {
    let mut name = name.map(str::to_owned);
    if plan.approval == Approval::Human && name.is_none() {
        name = ask(&format!("This cannot be undone. Type \"{}\" to go on:", plan.target));
        if name.is_none() {
            let next = format!("tomo plan approve {} --name {}", plan.plan, plan.target);
            return Err(nobody_agreed(next).into());
        }
    } else if plan.approval == Approval::Confirm && !yes {
        let agreed = ask("Go on? [y/N]").is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes"));
        if !agreed {
            return Err(nobody_agreed(format!("tomo plan approve {} --yes", plan.plan)).into());
        }
    }
    let request = PlanApprove { plan: plan.plan.to_string(), hash: plan.hash.clone(), name };
    Ok(client.call(&request).await?)
}

fn nobody_agreed(next: String) -> ClientError {
    ApiError::new(ErrorCode::ApprovalRequired, "nobody agreed; the plan stays open").with_next(next).into()
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

/// Waits for an operation's end, telling its steps.
pub(super) async fn follow(client: &Client, mut operation: Operation, json: bool) -> anyhow::Result<()> {
    let mut told = String::new();
    while !operation.status.is_final() {
        if !json && operation.step != told {
            told.clone_from(&operation.step);
            output::note(format!("  {told}"));
        }
        let request = OperationGet { operation: operation.operation.to_string(), wait_s: Some(1) };
        operation = client.call(&request).await?;
    }
    if json {
        output::json(&operation)?;
    }
    match (&operation.status, &operation.error) {
        (OperationStatus::Succeeded, _) => {
            if !json {
                output::line(format!("{} of {} succeeded", operation.kind.as_str(), operation.target));
            }
            Ok(())
        }
        (_, Some(error)) => {
            for line in operation.log.iter().rev().take(20).rev().filter(|_| !json) {
                output::note(format!("  | {line}"));
            }
            let api = ApiError::new(error.code, error.message.clone());
            Err(ClientError::Api(match &error.next {
                Some(next) => api.with_next(next.clone()),
                None => api,
            })
            .into())
        }
        (status, None) => bail!("{} of {}: {}", operation.kind.as_str(), operation.target, status.as_str()),
    }
}
