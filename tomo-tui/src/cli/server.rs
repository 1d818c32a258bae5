//! Servers.

use tomo_proto::{
    api::{
        server::{SeriesPoints, ServerGet, ServerMetrics, ServerMetricsAnswer, ServerPart, ServerRemove},
        stock::ServerPrune,
    },
    model::server::{ServerSummary, Vitals},
    text::display_line,
};

use crate::{
    args::{ConnectArgs, ServerCommand, ServerOrder},
    cli::{
        change, container, onboard,
        output::{self, columns, line, table},
    },
    client::Client,
    format::{UNKNOWN, bytes, value},
};

/// A word from outside, made safe before others stand beside it: what begins a sequence in one would swallow the next.
fn alone(word: &str) -> String {
    display_line(word, usize::MAX)
}

fn percent(ratio: f64) -> String {
    format!("{:.0}%", ratio * 100.0)
}

fn server_row(server: &ServerSummary) -> [String; 7] {
    let figure = |show: &dyn Fn(&tomo_proto::model::server::Vitals) -> String| {
        server.vitals.as_ref().map_or_else(|| "-".to_owned(), show)
    };
    [
        server.name.clone(),
        server.status_text().to_owned(),
        figure(&|vitals| percent(vitals.cpu_ratio)),
        figure(&|vitals| percent(vitals.memory_ratio())),
        figure(&|vitals| percent(vitals.disk_ratio)),
        figure(&|vitals| format!("{:.2}", vitals.load1)),
        server.containers.map_or_else(|| "-".to_owned(), |count| format!("{}/{}", count.running, count.total)),
    ]
}

const HEAD: [&str; 7] = ["NAME", "STATUS", "CPU", "MEM", "DISK", "LOAD", "CONTAINERS"];

/// Puts servers, which come by name, in order; those without a figure come last.
fn arrange(servers: &mut [ServerSummary], by: ServerOrder) {
    let figure: fn(&Vitals) -> f64 = match by {
        ServerOrder::Name => return,
        ServerOrder::Status => {
            return servers.sort_by_key(|server| {
                let places = ["down", "degraded", "unknown", "no agent", "up"];
                places.iter().position(|place| *place == server.status_text())
            });
        }
        ServerOrder::Cpu => |vitals| vitals.cpu_ratio,
        ServerOrder::Mem => Vitals::memory_ratio,
        ServerOrder::Disk => |vitals| vitals.disk_ratio,
        ServerOrder::Load => |vitals| vitals.load1,
    };
    let of = |server: &ServerSummary| server.vitals.as_ref().map_or(f64::NEG_INFINITY, figure);
    servers.sort_by(|left, right| of(right).total_cmp(&of(left)));
}

/// What a range came to, a row for each series.
fn summaries(answer: &ServerMetricsAnswer) {
    let rows = answer.series.iter().filter_map(|series| {
        let summary = series.summary?;
        let figures = [summary.min, summary.avg, summary.max, summary.last].map(|figure| value(series.unit, figure));
        let [min, avg, max, last] = figures;
        Some([name_of(series), min, avg, max, last])
    });
    table(["SERIES", "MIN", "AVG", "MAX", "LAST"], rows.collect());
}

/// The means of a range, a row for each step that was measured.
fn steps(answer: &ServerMetricsAnswer) {
    let head: Vec<String> = std::iter::once("TIME".to_owned()).chain(answer.series.iter().map(name_of)).collect();
    let count = answer.series.iter().map(|series| series.avg.len()).max().unwrap_or(0);
    let at =
        |step: usize| answer.start_ms.saturating_add(answer.step_ms.saturating_mul(u64::try_from(step).unwrap_or(0)));
    let row = |step: usize| {
        let figures = answer
            .series
            .iter()
            .map(|series| series.avg.get(step).copied().flatten().map(|figure| value(series.unit, figure)));
        let figures: Vec<Option<String>> = figures.collect();
        figures.iter().any(Option::is_some).then(|| {
            let figures = figures.into_iter().map(|figure| figure.unwrap_or_else(|| UNKNOWN.to_owned()));
            std::iter::once(output::time(at(step))).chain(figures).collect()
        })
    };
    columns(&head, (0..count).filter_map(row).collect());
}

fn name_of(series: &SeriesPoints) -> String {
    if series.part.is_empty() { series.metric.clone() } else { format!("{}/{}", series.metric, series.part) }
}

pub(super) async fn server(client: &Client, command: ServerCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        ServerCommand::List { query, sort } => {
            let mut servers = client.servers(query).await?;
            arrange(&mut servers, sort);
            if as_json {
                return output::json(&servers);
            }
            table(HEAD, servers.iter().map(server_row).collect());
        }
        ServerCommand::Get { server } => {
            let answer =
                client.call(&ServerGet { server, include: vec![ServerPart::Containers, ServerPart::Policy] }).await?;
            if as_json {
                return output::json(&answer);
            }
            table(HEAD, vec![server_row(&answer.summary)]);
            if let Some(ssh) = &answer.summary.ssh {
                let key = ssh.host_key.as_deref().unwrap_or("no host key agreed to yet");
                let kept = if ssh.credential_kept { "credential kept, sealed" } else { "no credential kept" };
                let jump = ssh.jump.as_ref().map_or_else(String::new, |jump| format!(" through {}", jump.host));
                line(format!("\nssh {}@{}:{}{jump} · {key} · {kept}", ssh.user, ssh.host, ssh.port));
            }
            if let (Some(probe), None) = (&answer.probe, &answer.facts) {
                let udp = probe.udp.as_ref().map_or_else(String::new, |udp| format!(" · {udp}"));
                line(format!(
                    "no agent; by SSH at {}: {} · {} · {} cores · {}{udp}",
                    output::time(probe.at_ms),
                    probe.os,
                    probe.kernel,
                    probe.cpu_count,
                    bytes(probe.memory_total_bytes)
                ));
            }
            if let Some(facts) = &answer.facts {
                line(format!(
                    "\n{} · {} · {} cores · {}",
                    alone(&facts.os),
                    alone(&facts.kernel),
                    facts.cpu_count,
                    bytes(facts.memory_total_bytes)
                ));
                for filesystem in &facts.filesystems {
                    line(format!(
                        "{}  {} of {}",
                        alone(&filesystem.mount),
                        bytes(filesystem.used_bytes),
                        bytes(filesystem.total_bytes)
                    ));
                }
                for missing in &facts.missing {
                    line(format!("missing: {missing}"));
                }
            }
            if let Some(policy) = &answer.policy {
                let list = |items: &[String]| {
                    let items: Vec<_> = items.iter().map(|item| alone(item)).collect();
                    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
                };
                line(format!(
                    "the host's policy allows {}; of what Tomo did not make {}; images {}; ports {}; bind mounts below {}; terminals {}",
                    list(&policy.verbs),
                    list(&policy.foreign),
                    list(&policy.images),
                    list(&policy.ports),
                    list(&policy.bind_roots),
                    if policy.terminal { "into containers, for people" } else { "nowhere" }
                ));
                let refused = policy.refused_verbs();
                match &policy.problem {
                    Some(problem) => line(format!("everything else is refused: {problem}")),
                    None if refused.is_empty() => {}
                    None => line(format!("it refuses {}: not among its `verbs`", refused.join(", "))),
                }
            }
            line("");
            container::containers(&answer.containers, output::now_ms());
        }
        ServerCommand::Metrics { server, metrics, since, until, step, app } => {
            let request = ServerMetrics { server, metrics, since, until, step, app };
            let answer = client.call(&request).await?;
            match (as_json, step) {
                (true, _) => return output::json(&answer),
                (false, None) => summaries(&answer),
                (false, Some(_)) => steps(&answer),
            }
        }
        ServerCommand::Add(arguments) => return onboard::add(client, *arguments, as_json).await,
        ServerCommand::Import { file, yes, credential } => {
            return onboard::import(client, file, yes, &credential, as_json).await;
        }
        ServerCommand::Connect(arguments) => return onboard::connect(client, *arguments, as_json).await,
        ServerCommand::Test { server, credential } => {
            let arguments = ConnectArgs {
                server,
                host_key: None,
                credential,
                install_agent: None,
                update_key: None,
                again: false,
                keep_credential: false,
            };
            return onboard::connect(client, arguments, as_json).await;
        }
        ServerCommand::Edit(arguments) => return onboard::edit(client, *arguments, as_json).await,
        ServerCommand::Export { server } => return onboard::export(client, server).await,
        ServerCommand::ForgetCredential { server } => return onboard::forget_credential(client, server, as_json).await,
        ServerCommand::Prune { server, all, volumes, consent } => {
            let plan = client.call(&ServerPrune { server, all, volumes, reason: consent.reason.clone() }).await?;
            return change::carry_out(client, plan, &consent, as_json).await;
        }
        ServerCommand::Remove { server, consent } => {
            let plan = client.call(&ServerRemove { server, reason: consent.reason.clone() }).await?;
            return change::carry_out(client, plan, &consent, as_json).await;
        }
    }
    Ok(())
}
