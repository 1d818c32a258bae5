//! The subcommands: one call each, printed for people or as JSON.

mod change;
pub(crate) mod mcp;
pub(crate) mod output;
mod show;
pub(crate) mod spec;

use std::io::{IsTerminal as _, Read as _};

use anyhow::{Context as _, bail};
use output::{done, json_line, line, note, table, time};
use serde_json::json;
use tomo_proto::{
    api::{
        agent::{AgentList, AgentRevoke},
        app::{AppDeploy, AppGet, AppList, AppLogs, AppPart, AppRemove, AppRestart, AppStart, AppStop},
        audit::{AuditSearch, AuditVerify},
        auth::{AuthSessionEnd, AuthSessionList, AuthTokenList, AuthTokenRevoke, AuthUserList, AuthWhoami},
        operation::{OperationCancel, OperationGet, OperationList},
        overview::Overview,
        person::{
            ChangePassword, CreateEnrolment, CreateToken, CreateUser, DeleteSecret, DeleteUser, ListSecrets, Login,
            Logout, SecretText, SetRole, SetSecret,
        },
        plan::{PlanApply, PlanDeny, PlanGet, PlanList},
        server::{ServerGet, ServerList, ServerMetrics, ServerPart, ServerRemove},
        settings::{SettingsGet, SettingsSet},
    },
    model::{
        server::ServerSummary,
        settings::SettingChange,
        user::{Scope, Selectors},
    },
};

use crate::{
    args::{
        AgentCommand, AppCommand, AuditCommand, Command, OperationCommand, PlanCommand, SecretCommand, ServerCommand,
        SettingsCommand, TokenCommand, UserCommand,
    },
    client::Client,
    format::bytes,
};

/// Carries a subcommand out.
pub(crate) async fn run(client: &Client, command: Command, as_json: bool) -> anyhow::Result<()> {
    match command {
        Command::Login { user, password_stdin } => login(client, user, password_stdin, as_json).await,
        Command::Logout => {
            client.person(&Logout {}).await?;
            done(as_json, "signed out", json!({"url": client.target().url}))
        }
        Command::Whoami => {
            let answer = client.call(&AuthWhoami {}).await?;
            if as_json {
                return output::json(&answer);
            }
            let scopes: Vec<_> = answer.scopes.iter().map(|scope| scope.as_str()).collect();
            line(format!("{} at {} (daemon {})", answer.actor, client.target().url, answer.daemon_version));
            line(format!("may {}", scopes.join(", ")));
            Ok(())
        }
        Command::Overview => overview(client, as_json).await,
        Command::Server(command) => server(client, command, as_json).await,
        Command::Agent(command) => agent(client, command, as_json).await,
        Command::App(command) => app(client, *command, as_json).await,
        Command::Plan(command) => plan(client, command, as_json).await,
        Command::Operation(command) => operation(client, command, as_json).await,
        Command::Audit(command) => audit(client, command, as_json).await,
        Command::Settings(command) => settings(client, command, as_json).await,
        Command::User(command) => user(client, command, as_json).await,
        Command::Token(command) => token(client, command, as_json).await,
        Command::Secret(command) => secret(client, command, as_json).await,
        Command::Local { .. } | Command::Mcp { .. } | Command::Completions { .. } => Ok(()),
    }
}

/// A secret from standard input, or asked for on the terminal.
fn read_secret(what: &str, from_stdin: bool) -> anyhow::Result<SecretText> {
    if !from_stdin && std::io::stdin().is_terminal() {
        return Ok(SecretText::new(rpassword::prompt_password(format!("{what}: "))?));
    }
    let mut text = String::new();
    std::io::stdin().take(64 * 1024).read_to_string(&mut text).context("standard input cannot be read")?;
    Ok(SecretText::new(text.strip_suffix('\n').unwrap_or(&text)))
}

/// The password now and the one from now on: asked for, or two lines of standard input.
fn read_passwords() -> anyhow::Result<(SecretText, SecretText)> {
    if std::io::stdin().is_terminal() {
        return Ok((read_secret("Password now", false)?, read_secret("New password (at least 10 characters)", false)?));
    }
    let both = read_secret("", true)?;
    let (current, new) =
        both.reveal().split_once('\n').context("write the password now and the new one, a line each")?;
    Ok((SecretText::new(current), SecretText::new(new)))
}

async fn login(client: &Client, user: Option<String>, password_stdin: bool, as_json: bool) -> anyhow::Result<()> {
    let username = match user {
        Some(user) => user,
        None if std::io::stdin().is_terminal() => {
            note("Login name:");
            let mut name = String::new();
            std::io::stdin().read_line(&mut name)?;
            name.trim().to_owned()
        }
        None => bail!("who signs in? give --user NAME"),
    };
    let password = read_secret("Password", password_stdin)?;
    let answer = client.person(&Login { username, password }).await?;
    let (url, role) = (&client.target().url, answer.role.as_str());
    let pinned = crate::client::saved(&client.target().profile).and_then(|saved| saved.fingerprint);
    let mut text = format!("signed in to {url} as {} ({role})", answer.username);
    if let Some(fingerprint) = &pinned {
        text.push_str(&format!("\nthe daemon's certificate is pinned: {fingerprint}"));
    }
    done(
        as_json,
        text,
        json!({"url": url, "username": answer.username, "role": role, "certificate_fingerprint": pinned}),
    )
}

async fn overview(client: &Client, as_json: bool) -> anyhow::Result<()> {
    let answer = client.call(&Overview::default()).await?;
    if as_json {
        return output::json(&answer);
    }
    let (servers, apps) = (answer.servers, answer.apps);
    line(format!(
        "servers  {} up, {} degraded, {} down, {} unknown",
        servers.up, servers.degraded, servers.down, servers.unknown
    ));
    line(format!(
        "apps     {} running, {} stopped, {} failed, {} deploying, {} unknown",
        apps.running, apps.stopped, apps.failed, apps.deploying, apps.unknown
    ));
    line(format!("plans    {} waiting for a person", answer.plans_pending));
    for problem in &answer.problems {
        line(format!("! {}: {}", problem.subject, problem.message));
    }
    Ok(())
}

/// What the dashboard is where no full screen can be: the overview as lines, and how to go on.
pub(crate) async fn plain(client: &Client) -> anyhow::Result<()> {
    overview(client, false).await?;
    line("");
    server(client, ServerCommand::List { query: None }, false).await?;
    line("");
    line(
        "go on with: tomo server get NAME, tomo app list, tomo app logs NAME --follow, tomo plan list; tomo --help lists everything",
    );
    Ok(())
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
        server.status.as_str().to_owned(),
        figure(&|vitals| percent(vitals.cpu_ratio)),
        figure(&|vitals| percent(vitals.memory_ratio())),
        figure(&|vitals| percent(vitals.disk_ratio)),
        figure(&|vitals| format!("{:.2}", vitals.load1)),
        server.containers.map_or_else(|| "-".to_owned(), |count| format!("{}/{}", count.running, count.total)),
    ]
}

async fn server(client: &Client, command: ServerCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        ServerCommand::List { query } => {
            let answer = client.call(&ServerList { query, limit: Some(1_000), ..ServerList::default() }).await?;
            if as_json {
                return output::json(&answer.servers);
            }
            table(
                ["NAME", "STATUS", "CPU", "MEM", "DISK", "LOAD", "CONTAINERS"],
                answer.servers.iter().map(server_row).collect(),
            );
        }
        ServerCommand::Get { server } => {
            let answer =
                client.call(&ServerGet { server, include: vec![ServerPart::Containers, ServerPart::Policy] }).await?;
            if as_json {
                return output::json(&answer);
            }
            table(["NAME", "STATUS", "CPU", "MEM", "DISK", "LOAD", "CONTAINERS"], vec![server_row(&answer.summary)]);
            if let Some(facts) = &answer.facts {
                line(format!(
                    "\n{} · {} · {} cores · {}",
                    facts.os,
                    facts.kernel,
                    facts.cpu_count,
                    bytes(facts.memory_total_bytes)
                ));
                for filesystem in &facts.filesystems {
                    line(format!(
                        "{}  {} of {}",
                        filesystem.mount,
                        bytes(filesystem.used_bytes),
                        bytes(filesystem.total_bytes)
                    ));
                }
                for missing in &facts.missing {
                    line(format!("missing: {missing}"));
                }
            }
            if let Some(policy) = &answer.policy {
                let list = |items: &[String]| if items.is_empty() { "nothing".to_owned() } else { items.join(", ") };
                line(format!(
                    "the host's policy allows {}; images {}; ports {}; bind mounts below {}",
                    list(&policy.verbs),
                    list(&policy.images),
                    list(&policy.ports),
                    list(&policy.bind_roots)
                ));
            }
            let rows = answer
                .containers
                .iter()
                .map(|one| [one.name.clone(), one.state.as_str().to_owned(), one.image.clone()]);
            line("");
            table(["CONTAINER", "STATE", "IMAGE"], rows.collect());
        }
        ServerCommand::Metrics { server, metrics, since } => {
            let answer =
                client.call(&ServerMetrics { server, metrics, since: Some(since), ..ServerMetrics::default() }).await?;
            if as_json {
                return output::json(&answer);
            }
            let rows = answer.series.iter().filter_map(|series| {
                let summary = series.summary?;
                let name = if series.part.is_empty() {
                    series.metric.clone()
                } else {
                    format!("{}/{}", series.metric, series.part)
                };
                Some([
                    name,
                    format!("{}", summary.min),
                    format!("{}", summary.avg),
                    format!("{}", summary.max),
                    format!("{}", summary.last),
                ])
            });
            table(["SERIES", "MIN", "AVG", "MAX", "LAST"], rows.collect());
        }
        ServerCommand::Remove { server, consent } => {
            let plan = client.call(&ServerRemove { server, reason: consent.reason.clone() }).await?;
            return change::carry_out(client, plan, &consent, as_json).await;
        }
    }
    Ok(())
}

async fn agent(client: &Client, command: AgentCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        AgentCommand::List => {
            let answer = client.call(&AgentList {}).await?;
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
            let pair = |text: &String| {
                let (key, value) =
                    text.split_once('=').with_context(|| format!("--label {text}: write it as KEY=VALUE"))?;
                anyhow::Ok((key.to_owned(), value.to_owned()))
            };
            let labels = labels.iter().map(pair).collect::<Result<_, _>>()?;
            let made = client.person(&CreateEnrolment { server, labels, expires_in_minutes: None }).await?;
            if as_json {
                return output::json(&made);
            }
            line(made.token.reveal());
            note(format!(
                "on {}, before {}: paste it into `tomo-agent enroll`, then `tomo-agent run`",
                made.server,
                time(made.expires_at)
            ));
        }
        AgentCommand::Revoke { agent, reason } => {
            let answer = client.call(&AgentRevoke { agent, reason }).await?;
            if as_json {
                return output::json(&answer);
            }
            line(format!("the agent of {} is shut out", answer.server));
        }
    }
    Ok(())
}

async fn app(client: &Client, command: AppCommand, as_json: bool) -> anyhow::Result<()> {
    let operation = match command {
        AppCommand::List => {
            let answer = client.call(&AppList { limit: Some(1_000), ..AppList::default() }).await?;
            if as_json {
                return output::json(&answer.apps);
            }
            let rows = answer.apps.iter().map(|app| {
                let ports: Vec<_> = app.ports.iter().map(|port| format!("{}→{}", port.host, port.container)).collect();
                [
                    app.name.clone(),
                    app.server.clone(),
                    app.status.as_str().to_owned(),
                    app.image.clone(),
                    ports.join(" "),
                ]
            });
            table(["NAME", "SERVER", "STATUS", "IMAGE", "PORTS"], rows.collect());
            return Ok(());
        }
        AppCommand::Get { app } => {
            let answer = client.call(&AppGet { app, include: vec![AppPart::Revisions] }).await?;
            if as_json {
                return output::json(&answer);
            }
            show::app(&answer);
            return Ok(());
        }
        AppCommand::Logs { app, follow, tail, grep } => return logs(client, app, follow, tail, grep, as_json).await,
        AppCommand::Start(one) => client.call(&AppStart { app: one.app, reason: one.reason }).await?,
        AppCommand::Stop(one) => client.call(&AppStop { app: one.app, reason: one.reason }).await?,
        AppCommand::Restart(one) => client.call(&AppRestart { app: one.app, reason: one.reason }).await?,
        AppCommand::Deploy(deploy) => {
            let spec = spec::from_flags(&deploy)?;
            let request =
                AppDeploy { server: deploy.server, name: deploy.app, spec, reason: deploy.consent.reason.clone() };
            let plan = client.call(&request).await?;
            return change::carry_out(client, plan, &deploy.consent, as_json).await;
        }
        AppCommand::Remove { app, volumes, consent } => {
            let plan = client.call(&AppRemove { app, volumes, reason: consent.reason.clone() }).await?;
            return change::carry_out(client, plan, &consent, as_json).await;
        }
    };
    change::follow(client, operation, as_json).await
}

async fn logs(
    client: &Client,
    app: String,
    follow: bool,
    tail: u32,
    grep: Option<String>,
    as_json: bool,
) -> anyhow::Result<()> {
    let mut cursor = None;
    loop {
        let wait_s = cursor.is_some().then_some(30);
        let request = AppLogs { app: app.clone(), tail: Some(tail), since: None, grep: grep.clone(), cursor, wait_s };
        let answer = client.call(&request).await?;
        for one in &answer.lines {
            if as_json {
                json_line(one)?;
            } else {
                line(format!("{} {}", time(one.at_ms), one.text));
            }
        }
        if !follow || answer.ended {
            return Ok(());
        }
        cursor = Some(answer.next_cursor);
    }
}

async fn plan(client: &Client, command: PlanCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        PlanCommand::List => {
            let answer = client.call(&PlanList::default()).await?;
            if as_json {
                return output::json(&answer.plans);
            }
            let rows = answer.plans.iter().map(|plan| {
                [
                    plan.plan.to_string(),
                    plan.status.as_str().to_owned(),
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
            line(format!("approved; carry it out with `tomo plan apply {}`", plan.plan));
        }
        PlanCommand::Deny { plan, reason } => {
            let plan = client.call(&PlanDeny { plan, reason }).await?;
            if as_json {
                return output::json(&plan);
            }
            line(format!("{} is denied", plan.plan));
        }
        PlanCommand::Apply { plan } => {
            let operation = client.call(&PlanApply { plan, reason: None }).await?;
            return change::follow(client, operation, as_json).await;
        }
    }
    Ok(())
}

async fn operation(client: &Client, command: OperationCommand, as_json: bool) -> anyhow::Result<()> {
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

async fn audit(client: &Client, command: AuditCommand, as_json: bool) -> anyhow::Result<()> {
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

async fn settings(client: &Client, command: SettingsCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        SettingsCommand::Get => {
            let answer = client.call(&SettingsGet {}).await?;
            if as_json { output::json(&answer) } else { show::settings(&answer) }
        }
        SettingsCommand::Set { changes, consent } => {
            let pair = |text: &String| {
                let (name, value) = text.split_once('=').with_context(|| format!("{text}: write it as NAME=VALUE"))?;
                anyhow::Ok(SettingChange { name: name.to_owned(), value: value.to_owned() })
            };
            let changes = changes.iter().map(pair).collect::<Result<_, _>>()?;
            let plan = client.call(&SettingsSet { changes, reason: consent.reason.clone() }).await?;
            change::carry_out(client, plan, &consent, as_json).await
        }
    }
}

async fn user(client: &Client, command: UserCommand, as_json: bool) -> anyhow::Result<()> {
    let user = match command {
        UserCommand::List => {
            let answer = client.call(&AuthUserList {}).await?;
            if as_json {
                return output::json(&answer.users);
            }
            let rows = answer
                .users
                .iter()
                .map(|user| [user.name.clone(), user.role.as_str().to_owned(), time(user.created_at)]);
            table(["USER", "ROLE", "SINCE"], rows.collect());
            return Ok(());
        }
        UserCommand::Create { user, role } => {
            let password = read_secret("Password of the new user", false)?;
            client.person(&CreateUser { username: user, role, password, email: None }).await?
        }
        UserCommand::Role { user, role } => client.person(&SetRole { username: user, role }).await?,
        UserCommand::Password => {
            let (current, new) = read_passwords()?;
            client.person(&ChangePassword { current, new }).await?;
            return done(as_json, "your password is changed; your other logins are ended", json!({}));
        }
        UserCommand::Sessions => {
            let answer = client.call(&AuthSessionList {}).await?;
            if as_json {
                return output::json(&answer.sessions);
            }
            let rows = answer.sessions.iter().map(|session| {
                [
                    session.id.to_string(),
                    session.user_name.clone(),
                    session.ip_address.clone(),
                    time(session.created_at),
                    time(session.last_activity_at),
                ]
            });
            table(["SESSION", "USER", "FROM", "SINCE", "LAST USE"], rows.collect());
            return Ok(());
        }
        UserCommand::EndSession { session } => {
            let ended = client.call(&AuthSessionEnd { session }).await?;
            if as_json {
                return output::json(&ended);
            }
            line(format!("the login {} of {} is ended", ended.id, ended.user_name));
            return Ok(());
        }
        UserCommand::Delete { user } => {
            client.person(&DeleteUser { username: user.clone() }).await?;
            return done(as_json, format!("{user} is deleted"), json!({"username": user}));
        }
    };
    if as_json {
        return output::json(&user);
    }
    line(format!("{} is {}", user.name, user.role.as_str()));
    Ok(())
}

async fn token(client: &Client, command: TokenCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        TokenCommand::List => {
            let answer = client.call(&AuthTokenList {}).await?;
            if as_json {
                return output::json(&answer.tokens);
            }
            let rows = answer.tokens.iter().map(|token| {
                let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.as_str()).collect();
                [
                    token.name.clone(),
                    token.owner_name.clone(),
                    scopes.join(","),
                    time(token.expires_at),
                    token.id.to_string(),
                ]
            });
            table(["TOKEN", "OWNER", "SCOPES", "EXPIRES", "ID"], rows.collect());
        }
        TokenCommand::Create { name, scopes, preset, days, servers } => {
            let mut scopes: std::collections::BTreeSet<Scope> = scopes.into_iter().collect();
            match preset.as_deref() {
                Some("ai") => scopes.extend([Scope::Read, Scope::Audit, Scope::Plan]),
                Some(other) => bail!("--for {other}: the only preset is ai"),
                None => {}
            }
            let selectors = Selectors { servers: servers.into_iter().collect(), ..Selectors::default() };
            let made = client.person(&CreateToken { name, scopes, selectors, expires_in_days: days }).await?;
            if as_json {
                return output::json(&made);
            }
            line(made.secret.reveal());
            note(format!("shown once; it ends {}", time(made.token.expires_at)));
        }
        TokenCommand::Revoke { name } => {
            let token = client.call(&AuthTokenRevoke { token: name }).await?;
            if as_json {
                return output::json(&token);
            }
            line(format!("{} is revoked", token.name));
        }
    }
    Ok(())
}

async fn secret(client: &Client, command: SecretCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        SecretCommand::List => {
            let answer = client.person(&ListSecrets {}).await?;
            if as_json {
                return output::json(&answer.names);
            }
            answer.names.iter().for_each(line);
        }
        SecretCommand::Set { name } => {
            let value = read_secret("Value", false)?;
            client.person(&SetSecret { name: name.clone(), value }).await?;
            let reference = format!("secret://{name}");
            return done(as_json, format!("apps can name it: {reference}"), json!({"reference": reference}));
        }
        SecretCommand::Delete { name } => {
            client.person(&DeleteSecret { name: name.clone() }).await?;
            return done(as_json, format!("{name} is deleted"), json!({"name": name}));
        }
    }
    Ok(())
}
