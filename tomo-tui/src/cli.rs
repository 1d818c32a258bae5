//! The subcommands: one call each, printed for people or as JSON.

// Groups of subcommands.
mod account;
mod agent;
mod app;
pub(crate) mod audit;
mod backup;
pub(crate) mod catalog;
pub(crate) mod compose;
pub(crate) mod config;
mod container;
mod key;
pub(crate) mod mcp;
pub(crate) mod onboard;
mod plan;
mod registry;
pub(crate) mod release;
mod server;
mod settings;
mod stock;
mod token;
mod user;
mod vault;
mod volume;

// What they share.
mod change;
pub(crate) mod output;
mod show;
pub(crate) mod spec;
pub(crate) mod ssh_config;

pub(crate) use account::{acquainted, login};
use serde_json::json;
use tomo_proto::api::{auth::AuthWhoami, overview::Overview, person::Logout};

use crate::{
    args::{Command, ServerCommand, ServerOrder},
    cli::output::{done, line},
    client::Client,
};

/// Carries a subcommand out.
pub(crate) async fn run(client: &Client, command: Command, as_json: bool) -> anyhow::Result<()> {
    match command {
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
        Command::Server(command) => server::server(client, command, as_json).await,
        Command::Agent(command) => agent::agent(client, command, as_json).await,
        Command::App(command) => app::app(client, *command, as_json).await,
        Command::Catalog(command) => catalog::catalog(client, command, as_json).await,
        Command::Container(command) => container::container(client, command, as_json).await,
        Command::Image(command) => stock::image(client, command, as_json).await,
        Command::Volume(command) => volume::volume(client, command, as_json).await,
        Command::Network(command) => stock::network(client, command, as_json).await,
        Command::Plan(command) => plan::plan(client, command, as_json).await,
        Command::Operation(command) => plan::operation(client, command, as_json).await,
        Command::Audit(command) => audit::audit(client, command, as_json).await,
        Command::Settings(command) => settings::settings(client, command, as_json).await,
        Command::User(command) => user::user(client, command, as_json).await,
        Command::Token(command) => token::token(client, command, as_json).await,
        Command::Key(command) => key::key(client, command, as_json).await,
        Command::Secret(command) => token::secret(client, command, as_json).await,
        Command::Registry(command) => registry::registry(client, command, as_json).await,
        Command::Backup(command) => backup::backup(client, command, as_json).await,
        Command::Vault(command) => vault::vault(client, command, as_json).await,
        Command::Local { .. }
        | Command::Login { .. }
        | Command::Mcp { .. }
        | Command::Release(_)
        | Command::Config(_)
        | Command::Completions { .. } => Ok(()),
    }
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
    let updates =
        if apps.updates > 0 { format!(", {} with another image in the registry", apps.updates) } else { String::new() };
    line(format!(
        "apps     {} running, {} stopped, {} failed, {} deploying, {} unknown{updates}",
        apps.running, apps.stopped, apps.failed, apps.deploying, apps.unknown
    ));
    line(format!("plans    {} waiting for a person", answer.plans_pending));
    if let Some(at) = answer.restore_proven_at {
        line(format!("backups  a volume was last proven to restore {}", output::time(at)));
    }
    for problem in &answer.problems {
        let since = problem.began_at.map_or_else(String::new, |at| format!(" (since {})", output::time(at)));
        line(format!("! {}: {}{since}", problem.subject, problem.message));
        for one in &problem.log {
            line(format!("  | {one}"));
        }
    }
    Ok(())
}

/// What the dashboard is where no full screen can be: the overview as lines, and how to go on.
pub(crate) async fn plain(client: &Client) -> anyhow::Result<()> {
    overview(client, false).await?;
    line("");
    server::server(client, ServerCommand::List { query: None, sort: ServerOrder::Name }, false).await?;
    line("");
    let options = &client.target().options;
    line("go on with:");
    for next in ["server get NAME", "app list", "app logs NAME --follow", "plan list"] {
        line(format!("  tomo{options} {next}"));
    }
    line("tomo --help lists everything");
    Ok(())
}
