//! Containers that are no app's.

use tomo_proto::{
    api::{
        container::{ContainerAdopt, ContainerGet, ContainerLogs, ContainerRestart, ContainerStart, ContainerStop},
        server::{ServerGet, ServerPart},
        terminal::TerminalOf,
    },
    model::container::Container,
};

use crate::{
    args::{Consent, ContainerCommand, OneContainer},
    cli::{
        app, change,
        output::{self, table},
        show,
    },
    client::Client,
    format::{bytes, duration},
};

/// Containers as a table, with what each uses.
pub(super) fn containers(all: &[Container], now_ms: u64) {
    let row = |one: &Container| {
        let usage = |show: &dyn Fn(&tomo_proto::model::container::ContainerUsage) -> String| {
            one.usage.as_ref().map_or_else(|| "-".to_owned(), show)
        };
        let state = match one.exit_code {
            Some(code) => format!("{} ({code})", one.state.as_str()),
            None => one.state.as_str().to_owned(),
        };
        let up = match one.started_at {
            0 => "-".to_owned(),
            started => duration(now_ms.saturating_sub(started)),
        };
        [
            one.name.clone(),
            one.app.clone().unwrap_or_else(|| "-".to_owned()),
            state,
            one.health.as_str().to_owned(),
            one.restarts.to_string(),
            usage(&|usage| format!("{:.2}", usage.cpu_cores)),
            usage(&|usage| bytes(usage.memory_bytes)),
            up,
            one.image.clone(),
        ]
    };
    let head = ["CONTAINER", "APP", "STATE", "HEALTH", "RESTARTS", "CPU", "MEM", "UP", "IMAGE"];
    table(head, all.iter().map(row).collect());
}

pub(super) async fn container(client: &Client, command: ContainerCommand, as_json: bool) -> anyhow::Result<()> {
    let operation = match command {
        ContainerCommand::List { server } => {
            let answer = client.call(&ServerGet { server, include: vec![ServerPart::Containers] }).await?;
            if as_json {
                return output::json(&answer.containers);
            }
            containers(&answer.containers, output::now_ms());
            return Ok(());
        }
        ContainerCommand::Get(one) => {
            let answer = client.call(&ContainerGet { server: one.server, container: one.container }).await?;
            if as_json {
                return output::json(&answer);
            }
            show::container(&answer);
            return Ok(());
        }
        ContainerCommand::Logs { one, log } => {
            let read = async |cursor, wait_s| {
                let request = ContainerLogs {
                    server: one.server.clone(),
                    container: one.container.clone(),
                    tail: Some(log.tail),
                    since: log.since.clone(),
                    grep: log.grep.clone(),
                    cursor,
                    latest: false,
                    wait_s,
                };
                client.call(&request).await
            };
            return app::logs(read, log.follow, as_json).await;
        }
        ContainerCommand::Shell { one, program } => {
            let into = TerminalOf::Container { server: one.server, container: one.container };
            return app::shell(client, into, program).await;
        }
        ContainerCommand::Adopt { one, name, accept_losses, reason, yes } => {
            let OneContainer { server, container } = one;
            let consent = Consent { reason: reason.clone(), yes, name: None };
            let plan = client.call(&ContainerAdopt { server, container, name, accept_losses, reason }).await?;
            return change::carry_out(client, plan, &consent, as_json).await;
        }
        ContainerCommand::Start(wanted) => {
            let (server, container) = (wanted.one.server, wanted.one.container);
            client.call(&ContainerStart { server, container, reason: wanted.reason }).await?
        }
        ContainerCommand::Stop(wanted) => {
            let (server, container) = (wanted.one.server, wanted.one.container);
            client.call(&ContainerStop { server, container, reason: wanted.reason }).await?
        }
        ContainerCommand::Restart(wanted) => {
            let (server, container) = (wanted.one.server, wanted.one.container);
            client.call(&ContainerRestart { server, container, reason: wanted.reason }).await?
        }
    };
    change::follow(client, operation, as_json).await
}
