//! What a deploy has changed so far, and how that is finished or undone, whatever cut it off. It reads the engine before it acts, so
//! that doing it again does no harm.

use bollard::models::ContainerInspectResponse;
use serde::{Deserialize, Serialize};
use tomo_proto::{
    error::ErrorCode,
    id::AppId,
    wire::command::{DeployApp, Outcome},
};

use crate::{
    clock::now_ms,
    docker::{APP_LABEL, Engine, EngineError},
    journal::{Journal, Kept},
};

/// End of the new container's name until it takes the old one's place,
const BESIDE: &str = ".new";
/// of the old one's from then on,
const BETWEEN: &str = ".was";
/// and once it is kept, in the place of the one that was kept before.
const ASIDE: &str = ".old";
/// Seconds a container gets to end.
pub(super) const STOP_SECS: u32 = 10;

/// A deploy under way, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Swap {
    /// Name of the app's container.
    pub(crate) container: String,
    app: AppId,
    app_name: String,
    /// The step that was begun last.
    pub(super) step: String,
    pub(super) old: Option<Old>,
    pub(super) new: Option<New>,
    /// Volumes that were made for it.
    pub(super) volumes: Vec<String>,
    keep_secs: u32,
}

/// The container that is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Old {
    pub(super) id: String,
    /// Whether it ran.
    pub(super) ran: bool,
}

/// The container that takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct New {
    pub(super) id: String,
    /// It was there, kept for a roll-back until then (UTC ms).
    pub(super) kept_until: Option<u64>,
}

impl Swap {
    pub(super) fn of(deploy: &DeployApp, old: Option<Old>) -> Self {
        Self {
            container: container_of(&deploy.name),
            app: deploy.app,
            app_name: deploy.name.clone(),
            step: String::new(),
            old,
            new: None,
            volumes: Vec::new(),
            keep_secs: deploy.keep_secs,
        }
    }

    pub(super) fn beside(&self) -> String {
        format!("{}{BESIDE}", self.container)
    }

    pub(super) fn between(&self) -> String {
        format!("{}{BETWEEN}", self.container)
    }

    pub(super) fn aside(&self) -> String {
        format!("{}{ASIDE}", self.container)
    }

    /// A container of this app under a name.
    pub(super) async fn own(
        &self,
        engine: &Engine,
        name: &str,
    ) -> Result<Option<ContainerInspectResponse>, EngineError> {
        Ok(engine.find(name).await?.filter(|found| label(found, APP_LABEL) == Some(&self.app.to_string())))
    }

    /// Whether the new container is the app by now.
    pub(super) async fn has_taken_over(&self, engine: &Engine) -> Result<bool, EngineError> {
        let Some(new) = &self.new else { return Ok(false) };
        Ok(engine.find(&new.id).await?.is_some_and(|found| name_of(&found) == self.container))
    }

    /// Makes everything as it was.
    pub(super) async fn put_back(&self, engine: &Engine, journal: &Journal) -> Result<(), EngineError> {
        let kept = match &self.new {
            Some(New { id, kept_until: Some(until_ms) }) if engine.find(id).await?.is_some() => Some((id, *until_ms)),
            _ => None,
        };
        if let Some((id, _)) = kept {
            engine.stop(id, STOP_SECS).await?;
            engine.never_restart(id).await?;
        } else if let Some(id) = self.own(engine, &self.beside()).await?.and_then(|found| found.id) {
            engine.remove(&id).await?;
        }
        let old = match &self.old {
            Some(old) => engine.find(&old.id).await?.map(|found| (old, found)),
            None => None,
        };
        if let Some((old, found)) = &old
            && name_of(found) == self.between()
        {
            engine.rename(&old.id, &self.container).await?;
        }
        if let Some((id, until_ms)) = kept {
            if engine.find(id).await?.is_some_and(|found| name_of(&found) == self.beside()) {
                engine.rename(id, &self.aside()).await?;
            }
            self.note_kept(journal, id, until_ms);
        }
        if let Some((old, found)) = &old
            && old.ran
            && !runs(found)
        {
            engine.start(&old.id).await?;
        }
        for volume in &self.volumes {
            engine.remove_volume(volume, &self.app_name).await?;
        }
        Ok(())
    }

    /// Sees to the replaced container once the new one is the app: it is kept for a while, or removed. Returns until when it is kept.
    pub(super) async fn finish(&self, engine: &Engine, journal: &Journal) -> Result<Option<u64>, EngineError> {
        let Some(old) = &self.old else { return Ok(None) };
        let Some(is_aside) = engine.find(&old.id).await?.map(|found| name_of(&found) == self.aside()) else {
            return Ok(None);
        };
        if !is_aside {
            if let Some(before) = self.own(engine, &self.aside()).await?.and_then(|before| before.id) {
                engine.remove(&before).await?;
            }
            engine.rename(&old.id, &self.aside()).await?;
        }
        if self.keep_secs == 0 {
            engine.remove(&old.id).await?;
            return Ok(None);
        }
        engine.stop(&old.id, STOP_SECS).await?;
        engine.never_restart(&old.id).await?;
        let until_ms = now_ms().saturating_add(u64::from(self.keep_secs) * 1_000);
        self.note_kept(journal, &old.id, until_ms);
        Ok(Some(until_ms))
    }

    fn note_kept(&self, journal: &Journal, id: &str, until_ms: u64) {
        let kept = Kept { container: self.container.clone(), id: id.to_owned(), until_ms };
        if let Err(error) = journal.keep(&kept) {
            tracing::warn!(%error, container = kept.container, "a kept container cannot be noted: the next deploy removes it");
        }
    }

    /// Finishes or undoes what a crash cut off, and says what became of it.
    pub(crate) async fn recover(&self, engine: &Engine, journal: &Journal) -> Result<Outcome, EngineError> {
        let step = &self.step;
        if self.has_taken_over(engine).await? {
            tracing::warn!(container = self.container, step, "a deploy was cut off: it is finished");
            let kept = self.finish(engine, journal).await?;
            let id = self.new.as_ref().map(|new| new.id.clone()).unwrap_or_default();
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
        match &self.old {
            Some(old) if old.ran => "; the old container runs as before",
            Some(_) => "; the old container is as it was",
            None => "; nothing of it is left",
        }
    }
}

/// Name of an app's container.
pub(super) fn container_of(app: &str) -> String {
    format!("tomo-{app}")
}

pub(super) fn name_of(found: &ContainerInspectResponse) -> &str {
    found.name.as_deref().unwrap_or_default().trim_start_matches('/')
}

pub(crate) fn label<'a>(found: &'a ContainerInspectResponse, label: &str) -> Option<&'a String> {
    found.config.as_ref()?.labels.as_ref()?.get(label)
}

/// Whether a container runs, or will in a moment.
pub(crate) fn runs(found: &ContainerInspectResponse) -> bool {
    found.state.as_ref().is_some_and(|state| state.running == Some(true) || state.restarting == Some(true))
}
