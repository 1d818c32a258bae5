//! Proving that a backup restores: into a scratch volume, read back, and with its app started on it where nothing else reaches it.

use tomo_proto::{
    error::ErrorCode,
    model::{app::Service, operation::Evidence},
    wire::command::{DeployApp, Outcome},
};

use super::{Carrying, Scratch, facts};
use crate::{
    commands::{
        Failure,
        deploy::{KEPT_LINES, SETTLE, Trial, files_of, trial_body},
        logs, progress, pull,
    },
    docker::made::of_command,
    journal::Entry,
};

impl Carrying<'_> {
    pub(super) async fn drill(
        &self,
        entry: &mut Entry,
        volume: &str,
        app: Option<&DeployApp>,
    ) -> Result<Outcome, Outcome> {
        let scratch = Scratch::of(format!("volume {volume}"), entry.command);
        let name = scratch.name("drill");
        let contents = self.fill(entry, scratch, &name).await?;
        let mut facts = facts(&contents);
        if let Some(app) = app {
            self.start(entry, volume, &name, app).await?;
            let mut trial = Trial::begin(name.clone(), app.health_timeout_secs);
            let passed = self.try_out(&mut trial, app).await;
            if let Err(Failure { code, message, next }) = passed {
                let log = logs::tail(self.engine, &name, KEPT_LINES).await;
                let evidence = Some(Box::new(Evidence { exit_code: trial.exit_code, probes: trial.answers, log }));
                let message = format!("restored, and then: {message}");
                return Err(Outcome::Failed { code, message, next, downtime_ms: None, evidence });
            }
            let healthy = if app.spec.health.is_some() { "its health check passed" } else { "it ran for some seconds" };
            facts.insert("app".to_owned(), healthy.to_owned());
        }
        progress(self.events, "take everything away again", None).await;
        Ok(Outcome::Succeeded { facts, downtime_ms: None })
    }

    /// Makes a network that leads nowhere and the app's container in it, with the scratch volume in the volume's place.
    async fn start(&self, entry: &mut Entry, volume: &str, name: &str, app: &DeployApp) -> Result<(), Failure> {
        let engine = self.engine;
        pull::ensure(engine, &app.spec.image, self.events).await?;
        let body = trial_body(app, volume, name, &entry.command.to_string())?;
        if let Some(scratch) = &mut entry.scratch {
            scratch.networks.push(name.to_owned());
            scratch.containers.push(name.to_owned());
        }
        self.note(entry)?;
        progress(self.events, "start the app on it, in a network of its own", None).await;
        engine.make_network(name, true, &[of_command(&entry.command.to_string())]).await?;
        engine.create(name, body).await?;
        engine.write_files(name, &files_of(app, &app.spec)?).await?;
        engine.start(name).await.map_err(|error| {
            let message = format!("restored, but app \"{}\" does not start on it: {}", app.name, error.message);
            Failure::new(ErrorCode::Conflict, message)
        })
    }

    async fn try_out(&self, trial: &mut Trial, app: &DeployApp) -> Result<(), Failure> {
        progress(self.events, "wait until it is healthy", None).await;
        let service = Service { name: None, spec: &app.spec };
        tokio::select! {
            passed = trial.pass(self.engine, self.events, &service, &app.name, SETTLE) => passed,
            failure = self.stop.reached() => Err(failure),
        }
    }
}
