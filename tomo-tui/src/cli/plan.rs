//! Plans, and the operations they become.

use tomo_proto::{
    api::{
        operation::{OperationCancel, OperationGet, OperationList},
        plan::{PlanApply, PlanDeny, PlanGet, PlanList},
    },
    error::ErrorCode,
};

use crate::{
    args::{OperationCommand, PlanCommand},
    cli::{
        change,
        output::{self, line, table, time},
        show,
    },
    client::{Client, ClientError},
};

pub(super) async fn plan(client: &Client, command: PlanCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        PlanCommand::List => {
            let answer = client.call(&PlanList::default()).await?;
            if as_json {
                return output::json(&answer.plans);
            }
            let rows = answer.plans.iter().map(|plan| {
                [
                    plan.plan.to_string(),
                    change::status(plan),
                    time(plan.expires_at),
                    plan.requested_by.clone(),
                    plan.summary.clone(),
                ]
            });
            table(["PLAN", "STATUS", "EXPIRES", "BY", "SUMMARY"], rows.collect());
        }
        PlanCommand::Get { plan } => {
            let plan = client.call(&PlanGet { plan }).await?;
            if as_json {
                return output::json(&plan);
            }
            change::show(&plan);
        }
        PlanCommand::Approve { plan, yes, name } => {
            let plan = client.call(&PlanGet { plan }).await?;
            if !as_json {
                change::show(&plan);
            }
            let plan = change::approve(client, &plan, yes, name.as_deref()).await?;
            if as_json {
                return output::json(&plan);
            }
            let next = format!("approved; carry it out with `tomo plan apply {}`", plan.plan);
            line(output::same_daemon(&next, &client.target().options));
        }
        PlanCommand::Deny { plan, reason } => {
            let plan = client.call(&PlanDeny { plan, reason }).await?;
            if as_json {
                return output::json(&plan);
            }
            line(format!("{} is denied", plan.plan));
        }
        PlanCommand::Apply { plan } => {
            let before = client.call(&PlanGet { plan }).await?;
            if let Some(operation) = before.operation {
                return change::follow_applied(client, &before, operation, as_json).await;
            }
            let id = before.plan.to_string();
            let operation = client.call(&PlanApply { plan: id, reason: None }).await.map_err(|error| match error {
                // In the words of this command line: what the daemon proposes is also for AI tools.
                ClientError::Api(error) if error.code == ErrorCode::ApprovalRequired => {
                    error.with_next(change::approval_of(&before)).into()
                }
                other => other,
            })?;
            return change::follow(client, operation, as_json).await;
        }
    }
    Ok(())
}

pub(super) async fn operation(client: &Client, command: OperationCommand, as_json: bool) -> anyhow::Result<()> {
    let operation = match command {
        OperationCommand::List => {
            let answer = client.call(&OperationList::default()).await?;
            if as_json {
                return output::json(&answer.operations);
            }
            let rows = answer.operations.iter().map(|one| {
                [
                    one.operation.to_string(),
                    one.kind.as_str().to_owned(),
                    one.target.clone(),
                    one.status.as_str().to_owned(),
                    time(one.started_at),
                ]
            });
            table(["OPERATION", "KIND", "TARGET", "STATUS", "STARTED"], rows.collect());
            return Ok(());
        }
        OperationCommand::Get { operation } => client.call(&OperationGet { operation, wait_s: None }).await?,
        OperationCommand::Cancel { operation } => client.call(&OperationCancel { operation, reason: None }).await?,
    };
    if as_json {
        return output::json(&operation);
    }
    show::operation(&operation);
    Ok(())
}
