//! Deploying an app: the new container is made beside the old one, started, probed, and takes its place. Until then everything can be
//! put back as it was; from then on the old one only has to be set aside. Each step stands in the journal before it is done.

mod container;
mod host;
mod probe;
mod swap;

use std::{collections::BTreeMap, time::Duration};

use bollard::models::ContainerInspectResponse;
use tokio::time::{Instant, sleep};
use tomo_proto::{
    error::ErrorCode,
    model::operation::Evidence,
    wire::command::{DeployApp, Outcome},
};

pub(super) use container::trial_body;
pub(super) use probe::{Trial, address_of};
pub(crate) use swap::Swap;
pub(super) use swap::{label, runs};

use crate::{
    commands::{Failure, Stop, logs, progress, pull},
    docker::{APP_LABEL, Engine, EngineError, REVISION_LABEL},
    exec::Events,
    journal::{Entry, Journal, Kept},
};
use container::{body_of, in_the_way, is_made_of, restart_of};
use swap::{New, Old, STOP_SECS, container_of, name_of};

/// Lines kept of a container that did not live.
pub(super) const KEPT_LINES: u32 = 200;
/// An engine that went away in the middle gets this long to come back; after that the rest is done when it is back.
const INSIST_FOR: Duration = Duration::from_secs(30);
const INSIST_EVERY: Duration = Duration::from_secs(1);

/// One deploy, from the look at the host to the end of the old container.
pub(crate) struct Deploying<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) deploy: &'a DeployApp,
    /// Where a host port may lie that nobody has named.
    pub(crate) free_ports: String,
    pub(crate) events: &'a Events,
    pub(crate) stop: &'a Stop,
    pub(crate) journal: &'a Journal,
}

/// What came of it so far, for its end.
#[derive(Debug, Default)]
struct Course {
    trial: Option<Trial>,
    /// Since when nothing answers.
    down_since: Option<Instant>,
    downtime: Option<Duration>,
}

impl Deploying<'_> {
    /// Carries it out. Unless it succeeds, everything is as it was. What could not be undone stands in the entry.
    pub(crate) async fn run(&self, entry: &mut Entry) -> Outcome {
        let mut course = Course::default();
        match self.attempt(entry, &mut course).await {
            Ok(outcome) => outcome,
            Err(failure) => self.undo(entry, course, failure).await,
        }
    }

    async fn attempt(&self, entry: &mut Entry, course: &mut Course) -> Result<Outcome, Failure> {
        let (engine, deploy) = (self.engine, self.deploy);
        let (old, image_id) = tokio::select! {
            looked = self.look() => looked?,
            failure = self.stop.reached() => return Err(failure),
        };
        let of_old = |old: &ContainerInspectResponse| Some(Old { id: old.id.clone()?, ran: runs(old) });
        entry.swap = Some(Swap::of(deploy, old.as_ref().and_then(of_old)));
        let ran = old.as_ref().is_some_and(runs);

        self.step(entry, "make the container").await?;
        let new = self.make(entry).await?;
        if let Some(old) = old.as_ref().filter(|old| runs(old))
            && let (Some(id), Some(_)) = (&old.id, in_the_way(&deploy.spec, old))
        {
            self.step(entry, "stop the old container").await?;
            course.down_since = Some(Instant::now());
            engine.stop(id, STOP_SECS).await?;
        }
        self.step(entry, "start the container").await?;
        let trial = course.trial.insert(Trial::begin());
        engine.start(&new).await.map_err(|error| {
            Failure::new(ErrorCode::Conflict, format!("app \"{}\" does not start: {}", deploy.name, error.message))
        })?;
        self.step(entry, "wait until it is healthy").await?;
        let (down_since, downtime) = (&course.down_since, &mut course.downtime);
        let is_healthy = || *downtime = down_since.map(|since| since.elapsed());
        tokio::select! {
            passed = trial.pass(engine, deploy, &new, self.events, is_healthy) => passed?,
            failure = self.stop.reached() => return Err(failure),
        }
        if ran && course.down_since.is_none() {
            course.downtime = Some(Duration::ZERO);
        }
        self.take_over(entry, &new).await?;

        // From here on the new one is the app: nothing is undone any more.
        let kept_until = self.let_go(entry, ran && course.down_since.is_none()).await;
        let mut facts = facts(new, kept_until);
        facts.insert("image_id".to_owned(), image_id);
        Ok(Outcome::Succeeded { facts, downtime_ms: course.downtime.map(as_ms) })
    }

    /// Looks whether the host can take it, and has its image come. Changes nothing else.
    async fn look(&self) -> Result<(Option<ContainerInspectResponse>, String), Failure> {
        let (engine, deploy, events) = (self.engine, self.deploy, self.events);
        progress(events, "check the host", None).await;
        let name = container_of(&deploy.name);
        let old = engine.find(&name).await?;
        if old.as_ref().is_some_and(|old| label(old, APP_LABEL) != Some(&deploy.app.to_string())) {
            let message = format!("a container called \"{name}\" is there that does not belong to this app");
            return Err(
                Failure::new(ErrorCode::Conflict, message).with_next("choose another name for the app, or remove it")
            );
        }
        let about = engine.about().await?;
        host::check_ports(deploy, old.as_ref(), events).await?;
        host::check_room(&about, deploy, old.as_ref(), events).await?;
        let image = pull::ensure(engine, &deploy.spec.image, events).await?;
        host::check_architecture(&about, &image, &deploy.spec.image)?;
        Ok((old, image.id))
    }

    /// Makes the new container beside the old one, or takes the one that was kept. Returns its id.
    async fn make(&self, entry: &mut Entry) -> Result<String, Failure> {
        let (engine, deploy) = (self.engine, self.deploy);
        let swap = swap_of(entry)?;
        let (beside, aside) = (swap.beside(), swap.aside());
        let body = body_of(deploy, &self.free_ports)?;
        let kept = swap.own(engine, &aside).await?;
        let kept = kept.filter(|kept| {
            label(kept, REVISION_LABEL) == Some(&deploy.revision.to_string()) && is_made_of(&body, kept)
        });
        if let Some(id) = kept.and_then(|kept| kept.id) {
            let name = container_of(&deploy.name);
            let known = self.journal.kept().into_iter().find(|kept| kept.container == name);
            swap.new = Some(New { id: id.clone(), kept_until: Some(known.map_or(0, |kept| kept.until_ms)) });
            self.note(entry)?;
            self.journal.forget(&name);
            engine.rename(&id, &beside).await?;
            return Ok(id);
        }
        let named = deploy.spec.volumes.iter().filter(|volume| !volume.is_bind());
        for volume in named {
            if !engine.has_volume(&volume.source).await? {
                // Noted first: what nobody knows of would stay.
                swap_of(entry)?.volumes.push(volume.source.clone());
                self.note(entry)?;
                engine.ensure_volume(&volume.source, &deploy.app.to_string(), &deploy.name).await?;
            }
        }
        if let Some(left) = swap_of(entry)?.own(engine, &beside).await?.and_then(|left| left.id) {
            engine.remove(&left).await?;
        }
        let id = engine.create(&beside, body).await?;
        swap_of(entry)?.new = Some(New { id: id.clone(), kept_until: None });
        self.note(entry)?;
        Ok(id)
    }

    /// Gives the new container the app's name. The old one's is another one from then on.
    async fn take_over(&self, entry: &mut Entry, new: &str) -> Result<(), Failure> {
        let swap = swap_of(entry)?.clone();
        if let Some(old) = &swap.old {
            self.step(entry, "set the old container aside").await?;
            self.engine.rename(&old.id, &swap.between()).await?;
        }
        self.step(entry, "give the new container the app's name").await?;
        self.engine.set_restart(new, restart_of(&self.deploy.spec)).await?;
        match self.engine.rename(new, &swap.container).await {
            // An answer may have been lost: what counts is whose the name is.
            Err(error) if !self.has_taken_over(&swap).await => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Whether the new container is the app by now; an engine that is away is waited for.
    async fn has_taken_over(&self, swap: &Swap) -> bool {
        loop {
            match swap.has_taken_over(self.engine).await {
                Ok(is_the_app) => return is_the_app,
                Err(_) => sleep(INSIST_EVERY).await,
            }
        }
    }

    /// Lets the old container answer for the stated time if both run, and keeps it. Returns until when.
    async fn let_go(&self, entry: &mut Entry, both_run: bool) -> Option<u64> {
        let swap = entry.swap.clone()?;
        if both_run && !self.deploy.spec.ports.is_empty() && self.deploy.overlap_secs > 0 {
            let secs = self.deploy.overlap_secs;
            self.told(entry, &format!("let the old container answer for {secs} s more")).await;
            tokio::select! {
                () = sleep(Duration::from_secs(secs.into())) => {}
                // Whoever cancels now gets the end sooner.
                _ = self.stop.reached() => {}
            }
        }
        if swap.old.is_some() {
            self.told(entry, "set the old container to rest").await;
        }
        let until = Instant::now() + INSIST_FOR;
        loop {
            match swap.finish(self.engine, self.journal).await {
                Ok(kept_until) => {
                    entry.swap = None;
                    return kept_until;
                }
                Err(_) if Instant::now() < until => sleep(INSIST_EVERY).await,
                Err(error) => {
                    tracing::warn!(error = error.message, "the old container is seen to when the engine answers again");
                    return None;
                }
            }
        }
    }

    /// Makes everything as it was, and says with the failure what the new container left behind.
    async fn undo(&self, entry: &mut Entry, mut course: Course, failure: Failure) -> Outcome {
        let Failure { code, mut message, next } = failure;
        let Some(swap) = &entry.swap else {
            return Outcome::failed(code, message + "; nothing was changed", next);
        };
        let evidence = match (course.trial.take(), &swap.new) {
            (Some(trial), Some(new)) => {
                let log = logs::tail(self.engine, &new.id, KEPT_LINES).await;
                Some(Box::new(Evidence { exit_code: trial.exit_code, probes: trial.answers, log }))
            }
            _ => None,
        };
        progress(self.events, "undo", None).await;
        let until = Instant::now() + INSIST_FOR;
        let undone = loop {
            match swap.put_back(self.engine, self.journal).await {
                Err(_) if Instant::now() < until => sleep(INSIST_EVERY).await,
                ended => break ended,
            }
        };
        let downtime_ms = course.down_since.map(|since| as_ms(since.elapsed()));
        match undone {
            Ok(()) => {
                message.push_str(swap.told_back());
                entry.swap = None;
            }
            Err(EngineError { message: why, .. }) => {
                message = format!("{message}; it is undone as soon as the engine lets it be: {why}");
            }
        }
        Outcome::Failed { code, message, next, downtime_ms, evidence }
    }

    /// Goes on with a step, unless it is time to stop: notes it, and tells it.
    async fn step(&self, entry: &mut Entry, step: &str) -> Result<(), Failure> {
        self.stop.check()?;
        step.clone_into(&mut swap_of(entry)?.step);
        self.note(entry)?;
        progress(self.events, step, None).await;
        Ok(())
    }

    /// Notes and tells a step that is done in any case.
    async fn told(&self, entry: &mut Entry, step: &str) {
        if let Some(swap) = &mut entry.swap {
            step.clone_into(&mut swap.step);
        }
        if let Err(error) = self.journal.write(entry) {
            tracing::warn!(%error, "a step cannot be noted in the journal");
        }
        progress(self.events, step, None).await;
    }

    fn note(&self, entry: &Entry) -> Result<(), Failure> {
        self.journal.write(entry).map_err(|error| {
            Failure::new(ErrorCode::Internal, format!("the deploy cannot be noted in the agent's journal: {error}"))
        })
    }
}

fn swap_of(entry: &mut Entry) -> Result<&mut Swap, Failure> {
    entry.swap.as_mut().ok_or_else(|| Failure::new(ErrorCode::Internal, "the deploy has not begun"))
}

fn as_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What the daemon keeps of a deploy that succeeded.
fn facts(container: String, kept_until: Option<u64>) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::from([("container".to_owned(), container)]);
    if let Some(until_ms) = kept_until {
        facts.insert("kept_until".to_owned(), until_ms.to_string());
    }
    facts
}

/// Removes a kept container whose time is over, unless it is the app again or a person has started it.
pub(crate) async fn remove_kept(engine: &Engine, journal: &Journal, kept: &Kept) -> Result<(), EngineError> {
    if !journal.kept().contains(kept) {
        return Ok(());
    }
    if engine.find(&kept.id).await?.is_some_and(|found| !runs(&found) && name_of(&found) != kept.container) {
        engine.remove(&kept.id).await?;
    }
    journal.forget(&kept.container);
    Ok(())
}
