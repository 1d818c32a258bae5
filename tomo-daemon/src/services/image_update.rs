//! Whether a registry has another image under the name of an app's: looked at now and then, and when somebody asks. It is shown, and
//! nothing follows from it by itself.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::sleep;
use tomo_proto::{
    id::AppId,
    model::{
        agent::AgentState,
        app::App,
        container::Container,
        image::{ImageCheck, ImageDigests},
        server::Server,
    },
    text::display_line,
    wire::command::{Command, Found},
};

use crate::{
    live::{LiveServer, Topic},
    services::{Context, container::reference, error::ServiceError},
    store::StoreError,
};

/// It is looked this often whether a check is due.
const EVERY: Duration = Duration::from_secs(10);
/// Whoever asks for a look gets the last one for this long.
const FRESH_MS: u64 = 60_000;
/// What could not be told is tried again after this long.
const RETRY_MS: u64 = 3_600_000;
/// Characters of a digest.
const DIGEST: usize = 80;

/// The last look at each app's image. A daemon that starts looks anew.
#[derive(Debug, Default)]
pub(super) struct ImageChecks(Mutex<HashMap<AppId, Known>>);

#[derive(Debug, Clone)]
struct Known {
    /// The container that was looked at; another one has another image.
    container: String,
    check: ImageCheck,
}

impl ImageChecks {
    fn lock(&self) -> MutexGuard<'_, HashMap<AppId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the last look at an app's container found.
    pub(super) fn of(&self, app: AppId, container: &Container) -> Option<ImageCheck> {
        self.lock().get(&app).filter(|known| known.container == container.id).map(|known| known.check.clone())
    }
}

/// Whether a look is due.
fn is_due(last: Option<&ImageCheck>, every_ms: u64, now_ms: u64) -> bool {
    let Some(last) = last else { return true };
    let pause_ms = if last.problem.is_some() { RETRY_MS.min(every_ms) } else { every_ms };
    last.checked_at + pause_ms <= now_ms
}

impl Context {
    /// Looks for other images for ever; the owner of the future drops it.
    pub(super) async fn watch_for_image_updates(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = sleep(EVERY) => {}
                () = self.stop.cancelled() => return,
            }
            if let Err(error) = self.check_images_that_are_due().await {
                tracing::error!(%error, "which images are to be looked at cannot be told");
            }
        }
    }

    async fn check_images_that_are_due(&self) -> Result<(), StoreError> {
        let every_ms = u64::from(self.settings()?.image_check_hours) * 3_600_000;
        if every_ms == 0 {
            return Ok(());
        }
        let apps = self.store.read(|view| view.list::<App>())?;
        let ids: HashSet<AppId> = apps.iter().map(|app| app.id).collect();
        self.image_checks.lock().retain(|app, _| ids.contains(app));
        for app in apps {
            let is_asked =
                |live: &Arc<LiveServer>| live.state == AgentState::Online && live.policy.allow_verb("inspect").is_ok();
            if self.live.server(app.server).filter(is_asked).is_none() {
                continue;
            }
            let Some(container) = self.container_of(&app) else { continue };
            let last = self.image_checks.of(app.id, &container);
            if !is_due(last.as_ref(), every_ms, self.clock.now_ms()) {
                continue;
            }
            let Some(server) = self.store.read(|view| view.get::<Server>(app.server.to_u64()))? else { continue };
            // One after the other: nobody waits for it, and registries count requests.
            self.check_image(&app, &server, &container).await;
            if self.stop.is_cancelled() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The last look at an app's image, or a new one if that is older than a minute.
    pub(super) async fn check_image_now(&self, app: &App, server: &Server) -> Option<ImageCheck> {
        let container = self.container_of(app)?;
        match self.image_checks.of(app.id, &container) {
            Some(check) if check.checked_at + FRESH_MS > self.clock.now_ms() => Some(check),
            _ => Some(self.check_image(app, server, &container).await),
        }
    }

    async fn check_image(&self, app: &App, server: &Server, container: &Container) -> ImageCheck {
        let found = self.compare_image(app, server, container).await;
        let checked_at = self.clock.now_ms();
        let check = match found {
            Ok(ImageDigests { running, offered }) => ImageCheck { checked_at, running, offered, problem: None },
            Err(error) => {
                ImageCheck { checked_at, running: None, offered: None, problem: Some(error.error.message.clone()) }
            }
        };
        let known = Known { container: container.id.clone(), check: check.clone() };
        let before = self.image_checks.lock().insert(app.id, known);
        if before.is_some_and(|before| before.check.is_update()) != check.is_update() {
            self.live.publish(Topic::App(app.id));
        }
        check
    }

    async fn compare_image(
        &self,
        app: &App,
        server: &Server,
        container: &Container,
    ) -> Result<ImageDigests, ServiceError> {
        let command = Command::CompareImage { container: reference(container)? };
        // Of the image that was deployed: a host may say any of its containers'.
        let logins = self.logins_for(&[&app.spec.image]).await?;
        let found = self.ask_signed_in(server, command, logins).await?;
        let digests = found.into_iter().find_map(|found| match found {
            Found::Digests(digests) => Some(digests),
            _ => None,
        });
        let digests = digests.unwrap_or_default();
        let safe = |digest: Option<String>| digest.map(|digest| display_line(&digest, DIGEST));
        Ok(ImageDigests { running: safe(digests.running), offered: safe(digests.offered) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_due_now_and_then_and_sooner_after_a_failure() {
        let check = |problem: Option<&str>| ImageCheck {
            checked_at: 1_000,
            running: None,
            offered: None,
            problem: problem.map(str::to_owned),
        };
        let day_ms = 24 * 3_600_000;
        assert!(is_due(None, day_ms, 0));
        assert!(!is_due(Some(&check(None)), day_ms, day_ms));
        assert!(is_due(Some(&check(None)), day_ms, day_ms + 1_000));
        assert!(!is_due(Some(&check(Some("no answer"))), day_ms, RETRY_MS));
        assert!(is_due(Some(&check(Some("no answer"))), day_ms, RETRY_MS + 1_000));
    }
}
