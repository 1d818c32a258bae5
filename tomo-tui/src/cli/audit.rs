//! The audit trail.

use anyhow::bail;
use tomo_proto::{
    api::audit::{AuditSearch, AuditVerify, AuditVerifyAnswer},
    text::display_line,
};

use crate::{
    args::AuditCommand,
    cli::output::{self, line, table, time},
    client::Client,
};

pub(super) async fn audit(client: &Client, command: AuditCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        AuditCommand::Search { actor, action, resource, outcome, since, limit } => {
            let limit = Some(limit);
            let request = AuditSearch { actor, action, resource, outcome, since, limit, cursor: None };
            let answer = client.call(&request).await?;
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
            if let Some(broken) = &answer.broken {
                bail!("the audit trail was tampered with: {}", display_line(broken, 400));
            }
            if !as_json {
                report(&answer).iter().for_each(line);
            }
        }
    }
    Ok(())
}

/// What a check of the trail found, in lines that are safe to show: how far it is whole, and who witnesses it.
pub(crate) fn report(answer: &AuditVerifyAnswer) -> Vec<String> {
    let head =
        if answer.head.is_empty() { String::new() } else { format!(", head {}", display_line(&answer.head, 80)) };
    let mut lines = vec![format!("{} rows verified{head}", answer.rows)];
    for witness in &answer.witnesses {
        let mut said = Vec::new();
        if witness.heads > 0 {
            let rows = if witness.newest_row == answer.rows {
                "every row".to_owned()
            } else {
                format!("row {}", witness.newest_row)
            };
            let heads =
                if witness.heads == 1 { "1 head fits".to_owned() } else { format!("{} heads fit", witness.heads) };
            said.push(format!("{heads}, up to {rows}"));
        }
        if witness.taken_back > 0 {
            said.push(format!("{} are of before a restored backup", witness.taken_back));
        }
        said.extend(witness.problem.as_deref().map(|problem| display_line(problem, 200)));
        lines.push(format!("  witness {}: {}", display_line(&witness.witness, 80), said.join("; ")));
    }
    if answer.more_witnesses > 0 {
        lines.push(format!("  and {} more", answer.more_witnesses));
    }
    lines.extend(answer.restored.iter().map(|restored| display_line(restored, 200)));
    lines
}
