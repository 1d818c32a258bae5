//! The rules: who may do what, in which order, and what is written down about it.
//!
//! Services speak domain types and [`ServiceError`]; they have never heard of MCP, HTTP, QUIC or redb.

pub mod access;
pub mod error;

mod adopt;
mod agent;
mod app;
mod app_logs;
mod ask;
mod audit;
mod auth;
mod backup;
mod catalog;
mod container;
mod crash_loop;
mod diagnose;
mod discard;
mod execute;
mod image_update;
mod import;
mod jwt;
mod key;
mod lookup;
mod metrics;
mod onboarding;
mod operation;
mod overview;
mod plan;
pub mod public;
mod refusal;
mod registry;
mod secret;
mod server;
mod settings;
mod span;
mod spec;
mod stock;
mod terminal;
mod transport;
mod update;
mod user;
mod vault;
mod volume_backup;
mod witness;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

pub use app_logs::LogWatch;
pub use key::KeyLogin;
pub use lookup::nearest;
pub use terminal::{Keys, Terminal};
pub use witness::Trail;

use access::{Authorized, Caller};
use error::ServiceError;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tomo_proto::{
    api::{Tool, person::PersonRequest},
    model::{audit::AuditOutcome, settings::Settings, user::SshDoor},
};

use crate::{
    catalog::Catalog,
    clock::Clock,
    hub::Hub,
    live::{Live, Topic},
    store::{
        NewAuditEntry, Store, StoreError,
        records::{SETTINGS_KEY, SettingsRecord},
    },
    vault::Vault,
    volume_file,
};

/// The key that signs logins, in the data folder.
const LOGIN_KEY: &str = "login.key";
/// Old samples are looked for this often.
const RETENTION_EVERY: Duration = Duration::from_secs(60);

/// Every service, over one store, hub and live state.
#[derive(Debug)]
pub struct Services {
    context: Arc<Context>,
    auth: auth::Auth,
}

/// What every service and every running operation works with.
#[derive(Debug)]
struct Context {
    store: Store,
    hub: Hub,
    live: Live,
    /// Folder of the store and the keys.
    data: PathBuf,
    /// Folder of the volumes' backups.
    volume_backups: PathBuf,
    vault: Vault,
    /// Held by whoever derives a key of a master password: one at a time, since each takes 64 MiB.
    deriving: tokio::sync::Mutex<()>,
    clock: Clock,
    /// Where clients reach this daemon.
    url: String,
    /// Where the dashboard is shown over SSH, if it is.
    door: OnceLock<SshDoor>,
    catalog: Catalog,
    operations: operation::Operations,
    lately: onboarding::Lately,
    log_watches: app_logs::LogWatches,
    kept_logs: app_logs::Kept,
    refusals: refusal::Refusals,
    crash_loops: crash_loop::CrashLoops,
    image_checks: image_update::ImageChecks,
    /// Rings when an operation has ended: what another one waited for may be asked now.
    settled: tokio::sync::Notify,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Carries out one tool for a caller who may use it. Implemented by [`Services`] for every contract.
pub trait Handle<T: Tool> {
    /// Carries the request out. The proof of authorization comes from [`access`] only.
    fn handle(
        &self,
        caller: Authorized<'_, T>,
        request: T,
    ) -> impl Future<Output = Result<T::Answer, ServiceError>> + Send;
}

/// Carries out one request that no tool may carry (`/person/…`).
pub trait HandlePerson<R: PersonRequest> {
    /// Carries the request out for a person; API tokens are refused before this is called.
    fn handle_person(
        &self,
        caller: &Caller,
        request: R,
    ) -> impl Future<Output = Result<R::Answer, ServiceError>> + Send;
}

impl Services {
    /// Puts the services together over a data folder; reads or makes the key that signs logins there. Marks operations that a dead
    /// daemon left running as unknown, and starts the periodic work (retention, backups, counts of refused requests, containers in a loop,
    /// other images in registries).
    ///
    /// # Errors
    /// Names the file that cannot be read or written.
    #[expect(clippy::too_many_arguments, reason = "the composition root hands every part over, once")]
    pub async fn start(
        data: &Path,
        store: Store,
        hub: Hub,
        live: Live,
        vault: Vault,
        clock: Clock,
        url: String,
        catalog: Catalog,
        volume_backups: PathBuf,
    ) -> anyhow::Result<Arc<Self>> {
        let auth = auth::Auth::open(&data.join(LOGIN_KEY), &store, clock.clone())?;
        operation::settle_left_over(&store, &clock).await?;
        let context = Arc::new(Context {
            store,
            hub,
            live,
            data: data.to_owned(),
            volume_backups: volume_backup::folder_of(data, volume_backups),
            vault,
            deriving: tokio::sync::Mutex::new(()),
            clock,
            url,
            door: OnceLock::new(),
            catalog,
            operations: operation::Operations::default(),
            lately: onboarding::Lately::default(),
            log_watches: app_logs::LogWatches::default(),
            kept_logs: app_logs::Kept::default(),
            refusals: refusal::Refusals::default(),
            crash_loops: crash_loop::CrashLoops::default(),
            image_checks: image_update::ImageChecks::default(),
            settled: tokio::sync::Notify::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        context.settle_visits()?;
        volume_file::sweep(&context.volume_backups);
        context.hub.set_idle_interval(context.settings()?.sample_interval_secs.saturating_mul(1_000));
        context.tasks.spawn(Arc::clone(&context).delete_old_samples());
        context.tasks.spawn(Arc::clone(&context).write_refusals());
        context.tasks.spawn(Arc::clone(&context).back_up_on_schedule());
        context.tasks.spawn(Arc::clone(&context).back_up_volumes_on_schedule());
        context.tasks.spawn(Arc::clone(&context).watch_for_crash_loops());
        context.tasks.spawn(Arc::clone(&context).watch_for_image_updates());
        context.tasks.spawn(Arc::clone(&context).fetch_catalogs());
        context.tasks.spawn(Arc::clone(&context).settle_unknown());
        Ok(Arc::new(Self { context, auth }))
    }

    /// Ends the periodic work and running operations' tasks.
    pub async fn shutdown(&self) {
        self.context.stop.cancel();
        self.context.tasks.close();
        self.context.tasks.wait().await;
    }

    /// Checks that a caller may use a tool, and audits a denial. The only way to the proof that [`Handle::handle`] asks for.
    ///
    /// # Errors
    /// `denied` names the missing scope.
    pub async fn authorize<'a, T: Tool>(&self, caller: &'a Caller) -> Result<Authorized<'a, T>, ServiceError> {
        let authorized = access::authorize::<T>(caller);
        if let Err(denied) = &authorized {
            self.audit_denial(caller, T::NAME, "", &denied.error.message).await;
        }
        authorized
    }

    /// Carries one tool out for a caller who may use it.
    ///
    /// # Errors
    /// `denied` names the missing scope; the rest is the service's own.
    pub async fn call<T: Tool>(&self, caller: &Caller, request: T) -> Result<T::Answer, ServiceError>
    where
        Self: Handle<T>,
    {
        self.handle(self.authorize(caller).await?, request).await
    }

    /// Writes a denial into the audit.
    pub async fn audit_denial(&self, caller: &Caller, action: &str, resource: &str, reason: &str) {
        let mut entry = self.context.entry(caller, action, AuditOutcome::Denied);
        entry.resource = tomo_proto::text::display_line(resource, 120);
        entry.details = tomo_proto::text::display_line(reason, 300);
        let written = self.context.store.write(move |change| {
            change.audit(entry);
            Ok::<_, StoreError>(())
        });
        if let Err(error) = written.await {
            tracing::error!(%error, action, "a denial could not be audited");
        }
        self.context.live.publish(Topic::Audit);
    }

    /// The clock of this daemon.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.context.clock
    }
}

impl Context {
    /// A row for the audit trail about what a caller does.
    fn entry(&self, caller: &Caller, action: &str, outcome: AuditOutcome) -> NewAuditEntry {
        NewAuditEntry {
            at_ms: self.clock.now_ms(),
            actor: caller.actor(),
            action: action.to_owned(),
            resource_type: String::new(),
            resource: String::new(),
            outcome,
            reason: None,
            details: String::new(),
            ip_address: caller.ip_address.clone(),
        }
    }

    fn settings(&self) -> Result<Settings, StoreError> {
        self.store
            .read(|view| Ok::<_, StoreError>(view.get::<SettingsRecord>(SETTINGS_KEY)?.unwrap_or_default().settings))
    }

    async fn delete_old_samples(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(RETENTION_EVERY) => {}
                () = self.stop.cancelled() => return,
            }
            let keep_ms = match self.settings() {
                Ok(settings) => u64::from(settings.raw_retention_hours) * 3_600_000,
                Err(error) => {
                    tracing::error!(%error, "the settings cannot be read");
                    continue;
                }
            };
            let before_ms = self.clock.now_ms().saturating_sub(keep_ms);
            loop {
                match self.store.delete_samples_before(before_ms).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::error!(%error, "old samples cannot be deleted");
                        break;
                    }
                }
            }
        }
    }
}

/// Adds what an entry is about.
trait About {
    fn about(self, resource_type: &str, resource: &str) -> Self;
    fn because(self, reason: Option<&String>) -> Self;
    fn with(self, details: impl Into<String>) -> Self;
}

impl About for NewAuditEntry {
    fn about(mut self, resource_type: &str, resource: &str) -> Self {
        resource_type.clone_into(&mut self.resource_type);
        resource.clone_into(&mut self.resource);
        self
    }

    fn because(mut self, reason: Option<&String>) -> Self {
        self.reason = reason.map(|reason| tomo_proto::text::display_line(reason, 300));
        self
    }

    fn with(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }
}
