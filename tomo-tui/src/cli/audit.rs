//! The audit trail.

use anyhow::bail;
use tomo_proto::api::audit::{AuditSearch, AuditVerify};

use crate::{
    args::AuditCommand,
    cli::output::{self, line, table, time},
    client::Client,
};

pub(super) async fn audit(client: &Client, command: AuditCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        AuditCommand::Search { actor, action, limit } => {
            let answer =
                client.call(&AuditSearch { actor, action, limit: Some(limit), ..AuditSearch::default() }).await?;
            if as_json {
                return output::json(&answer.entries);
            }
            let rows = answer.entries.iter().map(|entry| {
                let what = format!("{} {}", entry.resource_type, entry.resource);
                [
                    time(entry.at_ms),
                    entry.actor.clone(),
                    entry.action.clone(),
                    entry.outcome.as_str().to_owned(),
                    what,
                    entry.details.clone(),
                ]
            });
            table(["TIME", "WHO", "WHAT", "OUTCOME", "ON", "DETAILS"], rows.collect());
        }
        AuditCommand::Verify => {
            let answer = client.call(&AuditVerify {}).await?;
            if as_json {
                output::json(&answer)?;
            }
            if let Some(broken) = answer.broken {
                bail!("the audit trail was tampered with: {broken}");
            }
            if !as_json {
                line(format!("{} rows verified, head {}", answer.rows, answer.head));
            }
        }
    }
    Ok(())
}
