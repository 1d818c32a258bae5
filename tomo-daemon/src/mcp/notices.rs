//! Notices that a resource changed, for both ways to ask for them. A notice is a hint: whoever gets one reads again.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rmcp::{ErrorData, Peer, RoleServer, model::ResourceUpdatedNotificationParam};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;
use tomo_proto::{
    api::{app::AppGet, operation::OperationGet, overview::Overview, plan::PlanGet, server::ServerGet},
    id::{AppId, ServerId},
};

use crate::{
    live::{Topic, Watch},
    mcp::{Shared, resources::Address},
    services::{
        LogWatch,
        access::{self, Caller},
    },
};

/// Least time between two notices about one resource.
const PAUSE: Duration = Duration::from_millis(500);
/// Resources of one subscription, or of one transport session.
const MAX_URIS: usize = 100;

/// What a transport session of an older client watches. Dropping it ends the watching.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    by_uri: Mutex<BTreeMap<String, AbortOnDropHandle<()>>>,
}

impl Subscriptions {
    /// Watches one more resource for a peer; says what is watched now.
    pub(super) fn add(&self, shared: &Arc<Shared>, caller: Caller, uri: String, peer: Peer<RoleServer>) -> Vec<String> {
        let (shared, watched) = (Arc::clone(shared), uri.clone());
        let mut by_uri = self.by_uri.lock().unwrap_or_else(PoisonError::into_inner);
        if by_uri.len() < MAX_URIS || by_uri.contains_key(&uri) {
            let task = tokio::spawn(async move {
                let notices = shared.notices(&caller, vec![watched], |uri| {
                    let (peer, update) = (peer.clone(), ResourceUpdatedNotificationParam::new(uri));
                    async move { peer.notify_resource_updated(update).await.is_ok() }
                });
                // Whatever ended it: there is nobody left to tell.
                drop(notices.await);
            });
            by_uri.insert(uri, AbortOnDropHandle::new(task));
        }
        by_uri.keys().cloned().collect()
    }

    /// Stops watching a resource; says what is still watched.
    pub(super) fn remove(&self, uri: &str) -> Vec<String> {
        let mut by_uri = self.by_uri.lock().unwrap_or_else(PoisonError::into_inner);
        by_uri.remove(uri);
        by_uri.keys().cloned().collect()
    }
}

/// A watched resource: what changes it.
struct Watched {
    uri: String,
    about: About,
    last_told: Option<Instant>,
    changed: bool,
    _kept: Kept,
}

/// What has to live while a resource is watched.
enum Kept {
    Nothing,
    Server { _watch: Watch },
    Log { _watch: Arc<LogWatch> },
}

enum About {
    Everything,
    Server(ServerId),
    App(AppId, ServerId),
    AppLogs(AppId),
    Operation(String),
    Plan(String),
}

impl About {
    fn fits(&self, topic: Topic) -> bool {
        match (self, topic) {
            (Self::Everything, topic) => !matches!(topic, Topic::Audit | Topic::AppLogs(_)),
            (Self::Server(id), Topic::Server(changed)) => *id == changed,
            (Self::App(id, _) | Self::AppLogs(id), Topic::App(changed)) => *id == changed,
            (Self::App(_, server), Topic::Server(changed)) => *server == changed,
            (Self::AppLogs(id), Topic::AppLogs(changed)) => *id == changed,
            (Self::Operation(id), Topic::Operation(changed)) => *id == changed.to_string(),
            (Self::Plan(id), Topic::Plan(changed)) => *id == changed.to_string(),
            _ => false,
        }
    }
}

impl Shared {
    /// What changes a resource; none if the caller cannot see it: to such a caller it is not there.
    async fn about(&self, caller: &Caller, uri: &str) -> Option<(About, Kept)> {
        let services = &self.services;
        let app = async |app: String| services.call(caller, AppGet { app, ..AppGet::default() }).await.ok();
        let server = async |server: String| services.call(caller, ServerGet { server, include: Vec::new() }).await.ok();
        Some(match Address::parse(uri)? {
            Address::Overview if access::may::<Overview>(caller) => (About::Everything, Kept::Nothing),
            Address::Server(name) => {
                let id = server(name).await?.summary.id;
                (About::Server(id), Kept::Server { _watch: self.live.watch(id) })
            }
            Address::App(name) => {
                let found = app(name).await?.summary;
                (About::App(found.id, server(found.server).await?.summary.id), Kept::Nothing)
            }
            Address::AppLogs(name) => {
                let id = app(name).await?.summary.id;
                (About::AppLogs(id), Kept::Log { _watch: services.watch_app_logs(id) })
            }
            Address::Operation(operation) | Address::OperationLog(operation) => {
                let request = OperationGet { operation: operation.clone(), wait_s: None };
                services.call(caller, request).await.ok()?;
                (About::Operation(operation), Kept::Nothing)
            }
            Address::Plan(plan) => {
                services.call(caller, PlanGet { plan: plan.clone() }).await.ok()?;
                (About::Plan(plan), Kept::Nothing)
            }
            Address::Overview | Address::Audit(_) | Address::Help => return None,
        })
    }

    /// Tells of changes until the caller ends or a notice does not get through; at most two a second for each resource.
    pub(super) async fn notices<F: Future<Output = bool>>(
        &self,
        caller: &Caller,
        uris: Vec<String>,
        tell: impl Fn(String) -> F,
    ) -> Result<(), ErrorData> {
        let mut topics = self.live.subscribe();
        let mut watched = Vec::new();
        for uri in uris.into_iter().take(MAX_URIS) {
            if let Some((about, kept)) = self.about(caller, &uri).await {
                watched.push(Watched { uri, about, last_told: None, changed: false, _kept: kept });
            }
        }
        loop {
            let due = watched
                .iter()
                .filter(|one| one.changed)
                .map(|one| one.last_told.map_or_else(Instant::now, |at| at + PAUSE))
                .min();
            let pause = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let mut changed: HashSet<Topic> = HashSet::new();
            tokio::select! {
                topic = topics.recv() => match topic {
                    Ok(topic) => drop(changed.insert(topic)),
                    // Something was missed: everything may have changed.
                    Err(RecvError::Lagged(_)) => watched.iter_mut().for_each(|one| one.changed = true),
                    Err(RecvError::Closed) => return Ok(()),
                },
                () = pause => {}
                () = caller.ended.cancelled() => return Err(ErrorData::invalid_request("this login or token has ended", None)),
            }
            for one in &mut watched {
                one.changed |= changed.iter().any(|topic| one.about.fits(*topic));
                if one.changed && one.last_told.is_none_or(|at| at.elapsed() >= PAUSE) {
                    one.changed = false;
                    one.last_told = Some(Instant::now());
                    if !tell(one.uri.clone()).await {
                        return Ok(());
                    }
                }
            }
        }
    }
}
