//! Apps and their logs.

use tomo_proto::api::{
    app::{
        AppDeploy, AppDiagnose, AppGet, AppList, AppLogs, AppLogsAnswer, AppPart, AppRemove, AppRestart, AppRollback,
        AppStart, AppStop,
    },
    terminal::TerminalOf,
};

use crate::{
    args::AppCommand,
    cli::{
        catalog, change, compose,
        output::{self, json_line, line, table, time},
        show, spec,
    },
    client::{Client, ClientError},
    format,
    shell::{self, Exited},
};

pub(super) async fn app(client: &Client, command: AppCommand, as_json: bool) -> anyhow::Result<()> {
    let operation = match command {
        AppCommand::List => {
            let answer = client.call(&AppList { limit: Some(1_000), ..AppList::default() }).await?;
            if as_json {
                return output::json(&answer.apps);
            }
            let rows = answer.apps.iter().map(|app| {
                [
                    app.name.clone(),
                    app.server.clone(),
                    app.status.as_str().to_owned(),
                    if app.update { format!("{} (another in the registry)", app.image) } else { app.image.clone() },
                    format::ports(&app.ports),
                ]
            });
            table(["NAME", "SERVER", "STATUS", "IMAGE", "PORTS"], rows.collect());
            return Ok(());
        }
        AppCommand::Get { app, check_image } => {
            let update = check_image.then_some(AppPart::Update);
            let include = [AppPart::Revisions].into_iter().chain(update).collect();
            let answer = client.call(&AppGet { app, include }).await?;
            if as_json {
                return output::json(&answer);
            }
            show::app(&answer);
            return Ok(());
        }
        AppCommand::Diagnose { app } => {
            let answer = client.call(&AppDiagnose { app }).await?;
            if as_json {
                return output::json(&answer);
            }
            show::diagnosis(&answer);
            return Ok(());
        }
        AppCommand::Logs { app, log } => {
            let read = async |cursor, wait_s| {
                let (tail, since, grep) = (Some(log.tail), log.since.clone(), log.grep.clone());
                let latest = false;
                client.call(&AppLogs { app: app.clone(), tail, since, grep, cursor, latest, wait_s }).await
            };
            return logs(read, log.follow, as_json).await;
        }
        AppCommand::Shell { app, program } => return shell(client, TerminalOf::App { app }, program).await,
        AppCommand::Start(one) => client.call(&AppStart { app: one.app, reason: one.reason }).await?,
        AppCommand::Stop(one) => client.call(&AppStop { app: one.app, reason: one.reason }).await?,
        AppCommand::Restart(one) => client.call(&AppRestart { app: one.app, reason: one.reason }).await?,
        AppCommand::Deploy(deploy) => {
            let reason = deploy.consent.reason.clone();
            if let Some(id) = &deploy.template {
                let (server, name) = (deploy.server.clone(), deploy.app.clone());
                let (template, answers) = catalog::answers(client, id, &deploy).await?;
                let template_id = Some(template.id.clone());
                let request =
                    AppDeploy { server, name, template: template_id, answers, reason, ..AppDeploy::default() };
                let plan = client.call(&request).await?;
                change::carry_out(client, plan, &deploy.consent, as_json).await?;
                catalog::say_after(&template);
                return Ok(());
            }
            let spec = spec::from_flags(&deploy);
            let request = AppDeploy { server: deploy.server, name: deploy.app, spec, reason, ..AppDeploy::default() };
            let plan = client.call(&request).await?;
            return change::carry_out(client, plan, &deploy.consent, as_json).await;
        }
        AppCommand::Update { app, image, service, consent } => {
            let answer = client.call(&AppGet { app, include: Vec::new() }).await?;
            let (mut spec, name) = (answer.spec, answer.summary.name);
            if let Some(image) = image {
                *spec::image_of(&mut spec, &name, service.as_deref())? = image;
            }
            let (server, reason) = (answer.summary.server, consent.reason.clone());
            let plan = client.call(&AppDeploy { server, name, spec, reason, ..AppDeploy::default() }).await?;
            return change::carry_out(client, plan, &consent, as_json).await;
        }
        AppCommand::Import(wanted) => return compose::import(client, *wanted, as_json).await,
        AppCommand::Export { app } => return compose::export(client, app, as_json).await,
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

/// Holds this terminal to a program in a container; ends as that does.
pub(super) async fn shell(client: &Client, into: TerminalOf, program: Vec<String>) -> anyhow::Result<()> {
    let terminal = shell::open(client, into, program).await?;
    match shell::hold(terminal).await? {
        Some(0) => Ok(()),
        Some(code) => Err(Exited(code).into()),
        None => {
            output::note("left: the program there was ended");
            Ok(())
        }
    }
}

/// Prints what `read` reads, and goes on from its cursor if that is wanted.
pub(super) async fn logs(
    read: impl AsyncFn(Option<String>, Option<u32>) -> Result<AppLogsAnswer, ClientError>,
    follow: bool,
    as_json: bool,
) -> anyhow::Result<()> {
    let mut cursor = None;
    loop {
        let wait_s = cursor.is_some().then_some(30);
        let answer = read(cursor, wait_s).await?;
        if answer.skipped {
            output::note("lines before these are gone from the log");
        }
        for one in &answer.lines {
            if as_json {
                json_line(one)?;
            } else {
                let service = one.service.as_ref().map_or_else(String::new, |service| format!("{service} | "));
                line(format!("{} {service}{}", time(one.at_ms), one.text));
            }
        }
        if !follow || answer.ended {
            return Ok(());
        }
        cursor = Some(answer.next_cursor);
    }
}
