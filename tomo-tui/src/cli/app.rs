//! Apps and their logs.

use tomo_proto::api::app::{AppDeploy, AppGet, AppList, AppLogs, AppPart, AppRemove, AppRestart, AppRollback, AppStart, AppStop};

use crate::{
    args::AppCommand,
    cli::{
        change,
        output::{self, json_line, line, table, time},
        show, spec,
    },
    client::Client,
};

pub(super) async fn app(client: &Client, command: AppCommand, as_json: bool) -> anyhow::Result<()> {
    let operation = match command {
        AppCommand::List => {
            let answer = client.call(&AppList { limit: Some(1_000), ..AppList::default() }).await?;
            if as_json {
                return output::json(&answer.apps);
            }
            let rows = answer.apps.iter().map(|app| {
                let ports: Vec<_> = app.ports.iter().map(|port| format!("{}→{}", port.host_text(), port.container)).collect();
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
            let spec = spec::from_flags(&deploy);
            let request =
                AppDeploy { server: deploy.server, name: deploy.app, spec, reason: deploy.consent.reason.clone() };
            let plan = client.call(&request).await?;
            return change::carry_out(client, plan, &deploy.consent, as_json).await;
        }
        AppCommand::Rollback { app, to, consent } => {
            let plan = client.call(&AppRollback { app, revision: to, reason: consent.reason.clone() }).await?;
            return change::carry_out(client, plan, &consent, as_json).await;
        }
        AppCommand::Remove { app, volumes, consent } => {
            let plan = client.call(&AppRemove { app, volumes, reason: consent.reason.clone() }).await?;
            return change::carry_out(client, plan, &consent, as_json).await;
        }
    };
    change::follow(client, operation, as_json).await
}

pub(super) async fn logs(
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
