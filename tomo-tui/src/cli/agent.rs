//! Agents and their enrolment.

use tomo_proto::api::{
    agent::{AgentList, AgentRevoke},
    person::CreateEnrolment,
};

use crate::{
    args::AgentCommand,
    cli::{
        change,
        output::{self, line, note, table, time},
    },
    client::Client,
};

pub(super) async fn agent(client: &Client, command: AgentCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        AgentCommand::List { all } => {
            let answer = client.call(&AgentList { all }).await?;
            if as_json {
                return output::json(&answer.agents);
            }
            let rows = answer.agents.iter().map(|agent| {
                let seen = agent.last_seen_at.map_or_else(|| "-".to_owned(), time);
                [
                    agent.server.clone(),
                    agent.state.as_str().to_owned(),
                    agent.version.clone().unwrap_or_default(),
                    seen,
                    agent.id.to_string(),
                ]
            });
            table(["SERVER", "STATE", "VERSION", "LAST SEEN", "ID"], rows.collect());
        }
        AgentCommand::Token { server, labels } => {
            let labels = labels.into_iter().collect();
            let made = client.person(&CreateEnrolment { server, labels, expires_in_minutes: None }).await?;
            if as_json {
                return output::json(&made);
            }
            line(made.token.reveal());
            if made.is_new {
                note(format!("no server is called {} yet: one is made when the token is used", made.server));
            }
            note(format!(
                "on {}, before {}: paste it into `sudo tomo-agent install --rights deploys` (without systemd: `tomo-agent enroll`, then `tomo-agent run`)",
                made.server,
                time(made.expires_at)
            ));
        }
        AgentCommand::Revoke { agent, reason, yes } => {
            change::agree(
                &format!("Shut the agent of {agent} out for good? Its server needs a new token to come back."),
                yes,
            )?;
            let answer = client.call(&AgentRevoke { agent, reason }).await?;
            if as_json {
                return output::json(&answer);
            }
            line(format!("the agent of {} is shut out", answer.server));
        }
    }
    Ok(())
}
