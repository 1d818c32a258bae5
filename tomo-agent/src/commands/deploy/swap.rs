//! What a deploy has changed so far, and how that is finished or undone, whatever cut it off. It reads the engine before it acts, so
//! that doing it again does no harm.

use bollard::models::ContainerInspectResponse;
use serde::{Deserialize, Serialize};
use tomo_proto::{
    error::ErrorCode,
    id::AppId,
    model::spec::{ASIDE, BESIDE, BETWEEN, ON_THEIR_WAY},
    wire::command::{DeployApp, Outcome, STOP_SECS},
};

use crate::{
    clock::now_ms,
    commands::Failure,
    docker::{APP_LABEL, Engine, EngineError, NAME_LABEL, made::of_app},
    journal::{Journal, Kept},
};

/// A deploy under way, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Swap {
    /// Name of the app's own container.
    pub(crate) container: String,
    app: AppId,
    app_name: String,
    /// The step that was begun last.
    pub(super) step: String,
    /// Every container that changes, in the order in which they start; those that only go come last.
    pub(super) parts: Vec<Part>,
    /// Volumes that were made for it.
    pub(super) volumes: Vec<String>,
    /// Whether the app's network was made for it.
    pub(super) made_network: bool,
    keep_secs: u32,
}

/// One container that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Its name.
    pub(super) container: String,
    pub(super) old: Option<Old>,
    pub(super) new: Option<New>,
}

impl Part {
    /// What the old container was called before.
    fn old_name<'a>(&'a self, old: &'a Old) -> &'a str {
        old.called.as_deref().unwrap_or(&self.container)
    }
}

/// The container that is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Old {
    pub(super) id: String,
    /// Whether it ran.
    pub(super) ran: bool,
    /// What it is called where it is not called as its part: it gets that name back.
    #[serde(default)]
    pub(super) called: Option<String>,
}

/// The container that takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct New {
    pub(super) id: String,
    /// It was there, kept for a roll-back until then (UTC ms).
    pub(super) kept_until: Option<u64>,
}

/// The name of a new container,
pub(super) fn beside(container: &str) -> String {
    format!("{container}{BESIDE}")
}

/// of the old one that gives way to it,
pub(super) fn between(container: &str) -> String {
    format!("{container}{BETWEEN}")
}

/// and of one that is kept.
pub(super) fn aside(container: &str) -> String {
    format!("{container}{ASIDE}")
}

/// Whether a name is one of those.
pub(super) fn is_on_its_way(container: &str) -> bool {
    ON_THEIR_WAY.iter().any(|end| container.ends_with(end))
}

impl Swap {
    pub(super) fn of(deploy: &DeployApp, parts: Vec<Part>) -> Self {
        Self {
            container: format!("tomo-{}", deploy.name),
            app: deploy.app,
            app_name: deploy.name.clone(),
            step: String::new(),
            parts,
            volumes: Vec::new(),
            made_network: false,
            keep_secs: deploy.keep_secs,
        }
    }

    /// The new container of a part, once it was made.
    pub(super) fn new_id(&self, at: usize) -> Result<String, Failure> {
        let new = self.parts.get(at).and_then(|part| part.new.as_ref());
        let missing = || Failure::new(ErrorCode::Internal, "a container that was to be made is missing");
        new.map(|new| new.id.clone()).ok_or_else(missing)
    }

    /// Notes the new container of a part.
    pub(super) fn note_new(&mut self, at: usize, new: New) {
        if let Some(part) = self.parts.get_mut(at) {
            part.new = Some(new);
        }
    }

    /// The new container of the app itself.
    pub(super) fn main_id(&self) -> Option<String> {
        let main = self.parts.iter().find(|part| part.container == self.container);
        Some(main?.new.as_ref()?.id.clone())
    }

    /// A container of this app under a name.
    pub(super) async fn own(
        &self,
        engine: &Engine,
        name: &str,
    ) -> Result<Option<ContainerInspectResponse>, EngineError> {
        Ok(engine.find(name).await?.filter(|found| label(found, APP_LABEL) == Some(&self.app.to_string())))
    }

    /// The container that is kept under a name: one of this app, or one that was replaced by it.
    async fn kept(
        &self,
        engine: &Engine,
        journal: &Journal,
        name: &str,
    ) -> Result<Option<ContainerInspectResponse>, EngineError> {
        let found = engine.find(name).await?;
        let is_kept = |found: &ContainerInspectResponse| {
            label(found, APP_LABEL) == Some(&self.app.to_string())
                || journal.kept().iter().any(|kept| found.id.as_ref() == Some(&kept.id))
        };
        Ok(found.filter(is_kept))
    }

    /// Whether the new containers are the app by now: one of them has its name.
    pub(super) async fn has_taken_over(&self, engine: &Engine) -> Result<bool, EngineError> {
        for part in &self.parts {
            if let Some(new) = &part.new
                && engine.find(&new.id).await?.is_some_and(|found| name_of(&found) == part.container)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes everything as it was: first the new ones go, then the old ones run again.
    pub(super) async fn put_back(&self, engine: &Engine, journal: &Journal) -> Result<(), EngineError> {
        for part in self.parts.iter().rev() {
            match &part.new {
                Some(New { id, kept_until: Some(_) }) if engine.find(id).await?.is_some() => {
                    engine.stop(id, STOP_SECS).await?;
                    engine.never_restart(id).await?;
                }
                _ => {
                    if let Some(id) = self.own(engine, &beside(&part.container)).await?.and_then(|found| found.id) {
                        engine.remove(&id).await?;
                    }
                }
            }
        }
        // One that cannot be put back keeps no other one down.
        let mut put_back = Ok(());
        for part in &self.parts {
            put_back = put_back.and(self.put_part_back(engine, journal, part).await);
        }
        put_back?;
        for volume in &self.volumes {
            engine.remove_volume(volume, of_app(&self.app_name)).await?;
        }
        if self.made_network {
            engine.remove_network(&network_of(&self.app_name), of_app(&self.app_name)).await?;
        }
        Ok(())
    }

    async fn put_part_back(&self, engine: &Engine, journal: &Journal, part: &Part) -> Result<(), EngineError> {
        let old = match &part.old {
            Some(old) => engine.find(&old.id).await?.map(|found| (old, found)),
            None => None,
        };
        if let Some((old, found)) = &old
            && name_of(found) == between(&part.container)
        {
            engine.rename(&old.id, part.old_name(old)).await?;
        }
        if let Some(New { id, kept_until: Some(until_ms) }) = &part.new
            && let Some(found) = engine.find(id).await?
        {
            if name_of(&found) == beside(&part.container) {
                engine.rename(id, &aside(&part.container)).await?;
            }
            note_kept(journal, &part.container, id, *until_ms);
        }
        match old {
            Some((old, found)) if old.ran && !runs(&found) => engine.start(&old.id).await,
            _ => Ok(()),
        }
    }

    /// Gives every new container its name, once one of them has it. The names of services that are gone become free.
    pub(super) async fn name_all(&self, engine: &Engine) -> Result<(), EngineError> {
        for part in &self.parts {
            if let Some(old) = &part.old
                && engine.find(&old.id).await?.is_some_and(|found| name_of(&found) == part.old_name(old))
            {
                engine.rename(&old.id, &between(&part.container)).await?;
            }
            if let Some(new) = &part.new
                && engine.find(&new.id).await?.is_some_and(|found| name_of(&found) == beside(&part.container))
            {
                engine.rename(&new.id, &part.container).await?;
            }
        }
        Ok(())
    }

    /// Sees to the replaced containers once the new ones are the app: they are kept for a while, or removed. Returns until when they
    /// are kept.
    pub(super) async fn finish(&self, engine: &Engine, journal: &Journal) -> Result<Option<u64>, EngineError> {
        self.name_all(engine).await?;
        let mut kept_until = None;
        for part in self.parts.iter().rev() {
            kept_until = self.finish_part(engine, journal, part).await?.or(kept_until);
        }
        Ok(kept_until)
    }

    async fn finish_part(&self, engine: &Engine, journal: &Journal, part: &Part) -> Result<Option<u64>, EngineError> {
        let Some(old) = &part.old else { return Ok(None) };
        let aside = aside(&part.container);
        let Some(found) = engine.find(&old.id).await? else { return Ok(None) };
        if name_of(&found) != aside {
            if let Some(before) = self.kept(engine, journal, &aside).await? {
                remove_old(engine, &before).await?;
            }
            engine.rename(&old.id, &aside).await?;
        }
        if self.keep_secs == 0 {
            remove_old(engine, &found).await?;
            return Ok(None);
        }
        engine.stop(&old.id, STOP_SECS).await?;
        engine.never_restart(&old.id).await?;
        let until_ms = now_ms().saturating_add(u64::from(self.keep_secs) * 1_000);
        note_kept(journal, &part.container, &old.id, until_ms);
        Ok(Some(until_ms))
    }

    /// Finishes or undoes what a crash cut off, and says what became of it.
    pub(crate) async fn recover(&self, engine: &Engine, journal: &Journal) -> Result<Outcome, EngineError> {
        let step = &self.step;
        if self.has_taken_over(engine).await? {
            tracing::warn!(container = self.container, step, "a deploy was cut off: it is finished");
            let kept = self.finish(engine, journal).await?;
            let id = self.main_id().unwrap_or_default();
            return Ok(Outcome::Succeeded { facts: super::facts(id, kept), downtime_ms: None });
        }
        tracing::warn!(container = self.container, step, "a deploy was cut off: the app is put back as it was");
        self.put_back(engine, journal).await?;
        let message = format!("the agent ended while it was to {step}{}", self.told_back());
        let next = "deploy it again".to_owned();
        Ok(Outcome::failed(ErrorCode::Conflict, message, Some(next)))
    }

    /// What is said of the old container after everything was put back.
    pub(super) fn told_back(&self) -> &'static str {
        let mut olds = self.parts.iter().filter_map(|part| part.old.as_ref()).peekable();
        match (olds.peek().is_some(), olds.any(|old| old.ran)) {
            (true, true) => "; the old container runs as before",
            (true, false) => "; the old container is as it was",
            (false, _) => "; nothing of it is left",
        }
    }
}

/// Removes a replaced container. The volumes of one that Tomo did not make stay, those without a name too: its app has them now.
pub(super) async fn remove_old(engine: &Engine, old: &ContainerInspectResponse) -> Result<(), EngineError> {
    let id = old.id.as_deref().unwrap_or_default();
    match label(old, APP_LABEL) {
        Some(_) => engine.remove(id).await,
        None => engine.remove_without_volumes(id).await,
    }
}

fn note_kept(journal: &Journal, container: &str, id: &str, until_ms: u64) {
    let kept = Kept { container: container.to_owned(), id: id.to_owned(), until_ms };
    if let Err(error) = journal.keep(&kept) {
        tracing::warn!(%error, container, "a kept container cannot be noted: the next deploy removes it");
    }
}

/// Name of the network over which an app's containers reach each other.
pub(crate) fn network_of(app: &str) -> String {
    format!("tomo-{app}")
}

pub(crate) fn name_of(found: &ContainerInspectResponse) -> &str {
    found.name.as_deref().unwrap_or_default().trim_start_matches('/')
}

pub(crate) fn label<'a>(found: &'a ContainerInspectResponse, label: &str) -> Option<&'a String> {
    found.config.as_ref()?.labels.as_ref()?.get(label)
}

/// Name of the app that a container belongs to.
pub(crate) fn app_of(found: &ContainerInspectResponse) -> Option<&String> {
    label(found, NAME_LABEL).filter(|_| label(found, APP_LABEL).is_some())
}

/// Whether a container runs, or will in a moment.
pub(crate) fn runs(found: &ContainerInspectResponse) -> bool {
    found.state.as_ref().is_some_and(|state| state.running == Some(true) || state.restarting == Some(true))
}
