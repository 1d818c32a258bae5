//! Deploying an app: each new container is made beside the old one, started, probed, and takes its place once all of them live. Until
//! then everything can be put back as it was; from then on the old ones only have to be set aside. Each step stands in the journal
//! before it is done.

mod container;
mod host;
mod parts;
mod probe;
mod swap;

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep};
use tomo_proto::{
    error::ErrorCode,
    model::operation::Evidence,
    wire::command::{DeployApp, Outcome, STOP_SECS},
};

pub(super) use container::trial_body;
pub(super) use parts::check_adopted;
pub(super) use probe::{SETTLE, Trial, address_of};
pub(crate) use swap::Swap;
pub(super) use swap::{app_of, name_of, network_of, runs};

use crate::{
    commands::{Failure, Stop, logs, progress},
    docker::{
        Engine, EngineError,
        made::{marks_of_app, of_app},
    },
    exec::Events,
    journal::{Entry, Journal, Kept},
};
pub(super) use container::files_of;
use container::{body_of, is_made_of, restart_of};
use parts::{Looked, Part};
use swap::New;

/// Lines kept of a container that did not live.
pub(super) const KEPT_LINES: u32 = 200;
/// An engine that went away in the middle gets this long to come back; after that the rest is done when it is back.
const INSIST_FOR: Duration = Duration::from_secs(30);
const INSIST_EVERY: Duration = Duration::from_secs(1);

/// One deploy, from the look at the host to the end of the old containers.
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
    /// How each new container does that was started, in their order.
    trials: Vec<Trial>,
    /// Old containers that were stopped for new ones, by id.
    stopped: Vec<String>,
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
        let looked = tokio::select! {
            looked = self.look() => looked?,
            failure = self.stop.reached() => return Err(failure),
        };
        let swap = entry.swap.insert(Swap::of(self.deploy, looked.swaps(&self.deploy.name)));
        let ran = swap.parts.iter().any(|part| part.old.as_ref().is_some_and(|old| old.ran));

        self.make_network(entry).await?;
        for (at, part) in looked.parts.iter().enumerate() {
            Box::pin(self.make(entry, at, part)).await?;
        }
        for (at, part) in looked.parts.iter().enumerate() {
            self.stop_what_is_in_the_way(entry, course, &looked, part).await?;
            self.start(entry, course, at, part).await?;
        }
        for (part, trial) in looked.parts.iter().zip(&mut course.trials) {
            tokio::select! {
                settled = trial.pass(self.engine, self.events, &part.service, &self.deploy.name, SETTLE) => settled?,
                failure = self.stop.reached() => return Err(failure),
            }
        }
        if ran && course.down_since.is_none() {
            course.downtime = Some(Duration::ZERO);
        }
        self.take_over(entry, &looked).await?;

        // From here on the new ones are the app: nothing is undone any more.
        let new = entry.swap.as_ref().and_then(Swap::main_id).unwrap_or_default();
        let kept_until = self.let_go(entry, ran && course.down_since.is_none()).await;
        let mut facts = facts(new, kept_until);
        facts.insert("image_id".to_owned(), looked.image_id.clone());
        Ok(Outcome::Succeeded { facts, downtime_ms: course.downtime.map(as_ms) })
    }

    /// Makes the network over which an app's containers reach each other.
    async fn make_network(&self, entry: &mut Entry) -> Result<(), Failure> {
        let (engine, deploy) = (self.engine, self.deploy);
        let network = network_of(&deploy.name);
        if deploy.spec.services.is_empty() || engine.has_network(&network, of_app(&deploy.name)).await? {
            return Ok(());
        }
        // Noted first: what nobody knows of would stay.
        swap_of(entry)?.made_network = true;
        self.note(entry)?;
        Ok(engine.make_network(&network, false, &marks_of_app(&deploy.app.to_string(), &deploy.name)).await?)
    }

    /// Makes a new container beside the old one, or takes the one that was kept.
    async fn make(&self, entry: &mut Entry, at: usize, part: &Part<'_>) -> Result<(), Failure> {
        let (engine, deploy) = (self.engine, self.deploy);
        self.step(entry, &format!("make the container{}", part.of_service())).await?;
        let swap = swap_of(entry)?;
        let name = part.service.container(&deploy.name);
        let (beside, aside) = (swap::beside(&name), swap::aside(&name));
        let body = body_of(deploy, &part.service, &part.image_id, &self.free_ports)?;
        let files = files_of(deploy, part.service.spec)?;
        if let Some(kept) = swap.own(engine, &aside).await?
            && is_made_of(engine, &body, &files, &kept).await?
            && let Some(id) = kept.id
        {
            let known = self.journal.kept().into_iter().find(|kept| kept.container == name);
            swap.note_new(at, New { id: id.clone(), kept_until: Some(known.map_or(0, |kept| kept.until_ms)) });
            self.note(entry)?;
            self.journal.forget(&name);
            return Ok(engine.rename(&id, &beside).await?);
        }
        let named = part.service.spec.volumes.iter().filter(|volume| !volume.is_bind());
        for volume in named {
            if !engine.has_volume(&volume.source).await? {
                swap_of(entry)?.volumes.push(volume.source.clone());
                self.note(entry)?;
                let app = deploy.app.to_string();
                engine.make_volume(&volume.source, &marks_of_app(&app, &deploy.name)).await?;
            }
        }
        if let Some(left) = swap_of(entry)?.own(engine, &beside).await?.and_then(|left| left.id) {
            engine.remove(&left).await?;
        }
        let id = engine.create(&beside, body).await?;
        swap_of(entry)?.note_new(at, New { id: id.clone(), kept_until: None });
        self.note(entry)?;
        Ok(engine.write_files(&id, &files).await?)
    }

    /// Stops those of the old containers that a new one cannot run beside.
    async fn stop_what_is_in_the_way(
        &self,
        entry: &mut Entry,
        course: &mut Course,
        looked: &Looked<'_>,
        part: &Part<'_>,
    ) -> Result<(), Failure> {
        for old in looked.in_the_way_of(part, &self.deploy.spec) {
            let id = old.id.clone().unwrap_or_default();
            if course.stopped.contains(&id) {
                continue;
            }
            self.step(entry, &format!("stop the old container {}", name_of(old))).await?;
            course.down_since.get_or_insert_with(Instant::now);
            self.engine.stop(&id, STOP_SECS).await?;
            course.stopped.push(id);
        }
        Ok(())
    }

    /// Starts a new container and waits until it is healthy.
    async fn start(&self, entry: &mut Entry, course: &mut Course, at: usize, part: &Part<'_>) -> Result<(), Failure> {
        let (deploy, service) = (self.deploy, &part.service);
        let new = swap_of(entry)?.new_id(at)?;
        self.step(entry, &format!("start the container{}", part.of_service())).await?;
        let trial = course.trials.push_mut(Trial::begin(new.clone(), deploy.health_timeout_secs));
        self.engine.start(&new).await.map_err(|error| {
            let shown = service.shown(&deploy.name);
            Failure::new(ErrorCode::Conflict, format!("{shown} does not start: {}", error.message))
        })?;
        self.step(entry, &format!("wait until {} is healthy", service.name.unwrap_or("it"))).await?;
        tokio::select! {
            passed = trial.pass(self.engine, self.events, service, &deploy.name, Duration::ZERO) => passed?,
            failure = self.stop.reached() => return Err(failure),
        }
        course.downtime = course.down_since.map(|since| since.elapsed());
        Ok(())
    }

    /// Gives the new containers the app's names. With the first of them it is decided: the rest follows, whatever happens.
    async fn take_over(&self, entry: &mut Entry, looked: &Looked<'_>) -> Result<(), Failure> {
        let swap = swap_of(entry)?.clone();
        for (at, part) in looked.parts.iter().enumerate() {
            self.engine.set_restart(&swap.new_id(at)?, restart_of(part.service.spec)).await?;
        }
        let (Some(first), new) = (swap.parts.first(), swap.new_id(0)?) else { return Ok(()) };
        if let Some(old) = &first.old {
            self.step(entry, "set the old container aside").await?;
            self.engine.rename(&old.id, &swap::between(&first.container)).await?;
        }
        self.step(entry, "give the new container the app's name").await?;
        match self.engine.rename(&new, &first.container).await {
            // An answer may have been lost: what counts is whose the name is.
            Err(error) if !self.has_taken_over(&swap).await => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Whether the new containers are the app by now; an engine that is away is waited for.
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
        let until = Instant::now() + INSIST_FOR;
        while let Err(error) = swap.name_all(self.engine).await {
            if Instant::now() >= until {
                tracing::warn!(
                    error = error.message,
                    "the new containers get their names when the engine answers again"
                );
                return None;
            }
            sleep(INSIST_EVERY).await;
        }
        if both_run && self.deploy.spec.all_ports().next().is_some() && self.deploy.overlap_secs > 0 {
            let secs = self.deploy.overlap_secs;
            self.told(entry, &format!("let the old container answer for {secs} s more")).await;
            tokio::select! {
                () = sleep(Duration::from_secs(secs.into())) => {}
                // Whoever cancels now gets the end sooner.
                _ = self.stop.reached() => {}
            }
        }
        if swap.parts.iter().any(|part| part.old.is_some()) {
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
    async fn undo(&self, entry: &mut Entry, course: Course, failure: Failure) -> Outcome {
        let Failure { code, mut message, next } = failure;
        let Some(swap) = &entry.swap else {
            return Outcome::failed(code, message + "; nothing was changed", next);
        };
        let (failed, others): (Vec<_>, Vec<_>) = course.trials.into_iter().partition(|trial| trial.has_failed);
        let evidence = match failed.into_iter().next().or(others.into_iter().next_back()) {
            Some(trial) => {
                let log = logs::tail(self.engine, &trial.container, KEPT_LINES).await;
                Some(Box::new(Evidence { exit_code: trial.exit_code, probes: trial.answers, log }))
            }
            None => None,
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

/// Removes a kept container whose time is over, unless it is the app again, or a person has started it or given it another name.
pub(crate) async fn remove_kept(engine: &Engine, journal: &Journal, kept: &Kept) -> Result<(), EngineError> {
    if !journal.kept().contains(kept) {
        return Ok(());
    }
    if let Some(found) = engine.find(&kept.id).await?
        && !runs(&found)
        && name_of(&found) == swap::aside(&kept.container)
    {
        swap::remove_old(engine, &found).await?;
    }
    journal.forget(&kept.container);
    Ok(())
}
