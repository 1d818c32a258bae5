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

/// A failure that says something about the backup: its restore was tried to its end. With any other one nothing was proven.
fn tried(Failure { code, message, next }: Failure, evidence: Evidence) -> Outcome {
    Outcome::Failed { code, message, next, downtime_ms: None, evidence: Some(Box::new(evidence)) }
}

impl Carrying<'_> {
    pub(super) async fn drill(
        &self,
        entry: &mut Entry,
        volume: &str,
        app: Option<&DeployApp>,
    ) -> Result<Outcome, Outcome> {
        let scratch = Scratch::of(self.subjects.clone(), entry.command);
        let name = scratch.name("drill");
        let filled = self.fill(entry, scratch, &name).await?;
        filled.check().map_err(|failure| tried(failure, Evidence::default()))?;
        let mut facts = facts(&filled.read_back);
        if let Some(app) = app {
            self.prepare(entry, volume, &name, app).await?;
            self.engine.start(&name).await.map_err(|error| {
                let message = format!("restored, but app \"{}\" does not start on it: {}", app.name, error.message);
                tried(Failure::new(ErrorCode::Conflict, message), Evidence::default())
            })?;
            let mut trial = Trial::begin(name.clone(), app.health_timeout_secs);
            let passed = self.try_out(&mut trial, app).await;
            self.stop.check()?;
            if let Err(failure) = passed {
                let log = logs::tail(self.engine, &name, KEPT_LINES).await;
                let message = format!("restored, and then: {}", failure.message);
                let evidence = Evidence { exit_code: trial.exit_code, probes: trial.answers, log };
                return Err(tried(Failure { message, ..failure }, evidence));
            }
            let healthy = if app.spec.health.is_some() { "its health check passed" } else { "it ran for some seconds" };
            facts.insert("app".to_owned(), healthy.to_owned());
        }
        progress(self.events, "take everything away again", None).await;
        Ok(Outcome::Succeeded { facts, downtime_ms: None })
    }

    /// Makes a network that leads nowhere and the app's container in it, with the scratch volume in the volume's place.
    async fn prepare(&self, entry: &mut Entry, volume: &str, name: &str, app: &DeployApp) -> Result<(), Failure> {
        let engine = self.engine;
        tokio::select! {
            image = pull::ensure(engine, &app.spec.image, self.events) => drop(image?),
            failure = self.stop.reached() => return Err(failure),
        }
        let body = trial_body(app, volume, name, &entry.command.to_string())?;
        if let Some(scratch) = &mut entry.scratch {
            scratch.networks.push(name.to_owned());
            scratch.containers.push(name.to_owned());
        }
        self.note(entry)?;
        progress(self.events, "start the app on it, in a network of its own", None).await;
        engine.make_network(name, true, &[of_command(&entry.command.to_string())]).await?;
        engine.create(name, body).await?;
        Ok(engine.write_files(name, &files_of(app, &app.spec)?).await?)
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
