//! Agents and their enrolment.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use tomo_proto::{
    api::{
        agent::{AgentList, AgentRevoke},
        person::{CreateEnrolment, ForgetRelease, ListReleases, UPLOAD_PART_BYTES, UpdateAgent, UploadRelease},
    },
    model::{
        operation::OperationStatus,
        release::{Measure, SignedRelease},
    },
};

use crate::{
    args::AgentCommand,
    cli::{
        change,
        output::{self, done, line, note, table, time},
        release::signature_of,
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
        AgentCommand::Update { servers, file, signature, yes } => {
            return update(client, servers, file, signature, yes, as_json).await;
        }
        AgentCommand::ForgetRelease { version, yes } => {
            change::agree(&format!("Take release {version} of the agent away from the daemon?"), yes)?;
            let answer = client.person(&ForgetRelease { version }).await?;
            return done(as_json, format!("release {version} is gone"), json!(answer.releases));
        }
        AgentCommand::Releases => {
            let answer = client.person(&ListReleases {}).await?;
            if as_json {
                return output::json(&answer.releases);
            }
            if answer.releases.is_empty() {
                note("none; next: tomo release sign AGENT --key KEY, then tomo agent update SERVER --file AGENT");
                return Ok(());
            }
            let rows = answer.releases.iter().map(|release| {
                let size = crate::format::bytes(release.length);
                [release.version.to_string(), release.architecture.clone(), size, release.sha256.clone()]
            });
            table(["RELEASE", "FOR", "SIZE", "SHA-256"], rows.collect());
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

/// Brings a release to the daemon if a file is named, then has it put on one server after another.
async fn update(
    client: &Client,
    servers: Vec<String>,
    file: Option<PathBuf>,
    signature: Option<PathBuf>,
    yes: bool,
    as_json: bool,
) -> anyhow::Result<()> {
    let release = file
        .map(|file| {
            let signature = signature.unwrap_or_else(|| signature_of(&file));
            let text = fs::read_to_string(&signature).with_context(|| {
                format!("cannot read the signature {}: `tomo release sign` makes it", signature.display())
            })?;
            let release = SignedRelease::parse(&text).with_context(|| signature.display().to_string())?;
            let program = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let mut measure = Measure::new();
            measure.add(&program);
            let changed = || format!("{} is not the program that was signed: sign it anew", file.display());
            measure.check(release.claims()).with_context(changed)?;
            anyhow::Ok((program, release))
        })
        .transpose()?;
    let claims = release.as_ref().map(|(_, release)| release.claims().clone());
    let version = claims.as_ref().map(|claims| claims.version);
    let what = version.map_or_else(|| "the newest release".to_owned(), |version| format!("release {version}"));
    change::agree(&format!("Put {what} of the agent on {}?", servers.join(", ")), yes)?;
    if let Some((program, release)) = release {
        upload(client, &program, &release, as_json).await?;
    }
    let mut ended = Vec::new();
    let count = servers.len();
    for (at, server) in servers.into_iter().enumerate() {
        let sha256 = claims.as_ref().map(|claims| claims.sha256.clone());
        let operation = one(client, UpdateAgent { server, version, sha256 }, as_json).await;
        if operation.is_err() && count - at > 1 {
            note(format!("{} more are left as they are", count - at - 1));
        }
        ended.push(operation?);
    }
    if as_json { output::json(&ended) } else { Ok(()) }
}

async fn one(
    client: &Client,
    request: UpdateAgent,
    as_json: bool,
) -> anyhow::Result<tomo_proto::model::operation::Operation> {
    let operation = client.person(&request).await?;
    let operation = change::wait(client, operation, as_json).await?;
    if as_json && operation.status != OperationStatus::Succeeded {
        output::json(&operation)?;
    }
    change::tell_end(&operation, as_json)?;
    Ok(operation)
}

async fn upload(client: &Client, program: &[u8], release: &SignedRelease, as_json: bool) -> anyhow::Result<()> {
    let mut parts = program.chunks(UPLOAD_PART_BYTES);
    let (text, mut offset, mut told) = (release.to_string(), 0, 0);
    loop {
        let part = STANDARD.encode(parts.next().unwrap_or_default());
        let request = UploadRelease { release: text.clone(), offset, part };
        let answer = client.person(&request).await?;
        if answer.complete {
            return Ok(());
        }
        anyhow::ensure!(answer.received > offset, "the daemon takes no more of the program");
        offset = answer.received;
        let percent = offset * 100 / release.claims().length.max(1);
        if percent >= told + 25 && !as_json {
            told = percent;
            note(format!("  bring the release to the daemon: {percent} %"));
        }
    }
}
