//! Resources: what can be read by address and watched for changes.

use std::{collections::HashSet, sync::Arc, time::Duration};

use rmcp::{
    ErrorData,
    model::{ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, sleep_until},
};
use tomo_proto::{
    api::{
        app::{AppGet, AppList},
        operation::OperationGet,
        overview::Overview,
        plan::PlanGet,
        server::{ServerGet, ServerList, ServerPart},
    },
    id::{AppId, ServerId},
    text::display_line,
};

use crate::{
    live::{Topic, Watch},
    mcp::{Endpoint, error},
    services::{access::Caller, error::ServiceError},
};

/// Least time between two notices about one resource.
const PAUSE: Duration = Duration::from_millis(500);
/// Resources of one subscription.
const MAX_URIS: usize = 100;
const JSON: &str = "application/json";

/// What an address means.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    Overview,
    Server(String),
    App(String),
    Operation(String),
    Plan(String),
    Help,
}

impl Address {
    fn parse(uri: &str) -> Option<Self> {
        let path = uri.strip_prefix("tomo://")?;
        Some(match path.split_once('/') {
            None if path == "overview" => Self::Overview,
            None if path == "help" => Self::Help,
            Some(("servers", name)) => Self::Server(name.to_owned()),
            Some(("apps", name)) => Self::App(name.to_owned()),
            Some(("operations", id)) => Self::Operation(id.to_owned()),
            Some(("plans", id)) => Self::Plan(id.to_owned()),
            _ => return None,
        })
    }
}

/// A watched resource: what changes it.
struct Watched {
    uri: String,
    about: About,
    last_told: Option<Instant>,
    changed: bool,
    _watch: Option<Watch>,
}

enum About {
    Everything,
    Server(ServerId),
    App(AppId, ServerId),
    Operation(String),
    Plan(String),
}

impl About {
    fn fits(&self, topic: Topic) -> bool {
        match (self, topic) {
            (Self::Everything, topic) => topic != Topic::Audit,
            (Self::Server(id), Topic::Server(changed)) => *id == changed,
            (Self::App(id, _), Topic::App(changed)) => *id == changed,
            (Self::App(_, server), Topic::Server(changed)) => *server == changed,
            (Self::Operation(id), Topic::Operation(changed)) => *id == changed.to_string(),
            (Self::Plan(id), Topic::Plan(changed)) => *id == changed.to_string(),
            _ => false,
        }
    }
}

const HELP: &str = "# Tomo over MCP\n\nBegin with `overview`. Reads never change anything. `app_start`, `app_stop`, `app_restart` act at \
    once. `app_deploy`, `app_remove`, `server_remove`, `settings_set` record a plan; a person approves it (in the dashboard, with \
    `tomo plan approve`, or in your client's form), then `plan_apply` carries it out. Every error names the next call. Secrets are \
    never arguments: write `secret://NAME` and let a person enter it with `tomo secret set NAME`.\n";

pub(super) fn templates() -> Vec<ResourceTemplate> {
    [
        ("servers/{server}", "A server"),
        ("apps/{app}", "An app"),
        ("operations/{operation}", "An operation"),
        ("plans/{plan}", "A plan"),
    ]
    .into_iter()
    .map(|(path, name)| ResourceTemplate::new(format!("tomo://{path}"), name).with_mime_type(JSON))
    .collect()
}

fn refused(failed: ServiceError) -> ErrorData {
    let public = error::public(failed);
    let data = serde_json::to_value(&public).ok();
    ErrorData::resource_not_found(public.message, data)
}

fn unknown(uri: &str) -> ErrorData {
    ErrorData::resource_not_found(
        format!("there is no resource \"{}\"; see resources/list", display_line(uri, 120)),
        None,
    )
}

impl Endpoint {
    pub(super) async fn resources(&self, caller: &Caller) -> Result<Vec<Resource>, ErrorData> {
        let servers = self
            .services
            .call(caller, ServerList { limit: Some(200), ..ServerList::default() })
            .await
            .map_err(refused)?;
        let apps =
            self.services.call(caller, AppList { limit: Some(200), ..AppList::default() }).await.map_err(refused)?;
        let fixed =
            [("tomo://overview".to_owned(), "overview".to_owned()), ("tomo://help".to_owned(), "help".to_owned())];
        let servers =
            servers.servers.into_iter().map(|server| (format!("tomo://servers/{}", server.name), server.name));
        let apps = apps.apps.into_iter().map(|app| (format!("tomo://apps/{}", app.id), app.name));
        let all = fixed.into_iter().chain(servers).chain(apps);
        Ok(all.map(|(uri, name)| Resource::new(uri, name).with_mime_type(JSON)).collect())
    }

    pub(super) async fn read(&self, caller: &Caller, uri: &str) -> Result<ReadResourceResponse, ErrorData> {
        let address = Address::parse(uri).ok_or_else(|| unknown(uri))?;
        let services = Arc::clone(&self.services);
        let json = |value: Result<serde_json::Value, serde_json::Error>| {
            value.map(|value| value.to_string()).map_err(|problem| ErrorData::internal_error(problem.to_string(), None))
        };
        let text = match address {
            Address::Help => HELP.to_owned(),
            Address::Overview => {
                json(serde_json::to_value(services.call(caller, Overview::default()).await.map_err(refused)?))?
            }
            Address::Server(server) => {
                let request = ServerGet { server, include: vec![ServerPart::Containers] };
                json(serde_json::to_value(services.call(caller, request).await.map_err(refused)?))?
            }
            Address::App(app) => {
                let request = AppGet { app, ..AppGet::default() };
                json(serde_json::to_value(services.call(caller, request).await.map_err(refused)?))?
            }
            Address::Operation(operation) => {
                let request = OperationGet { operation, wait_s: None };
                json(serde_json::to_value(services.call(caller, request).await.map_err(refused)?))?
            }
            Address::Plan(plan) => {
                json(serde_json::to_value(services.call(caller, PlanGet { plan }).await.map_err(refused)?))?
            }
        };
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri)]).into())
    }

    /// What a caller can see of the wanted resources; the rest is not there.
    async fn watch(&self, caller: &Caller, uris: Vec<String>) -> Vec<Watched> {
        let mut watched = Vec::new();
        for uri in uris.into_iter().take(MAX_URIS) {
            let (about, watch) = match Address::parse(&uri) {
                Some(Address::Overview) => (About::Everything, None),
                Some(Address::Server(server)) => {
                    let Ok(found) = self.services.call(caller, ServerGet { server, include: Vec::new() }).await else {
                        continue;
                    };
                    (About::Server(found.summary.id), Some(self.live.watch(found.summary.id)))
                }
                Some(Address::App(app)) => {
                    let Ok(found) = self.services.call(caller, AppGet { app, ..AppGet::default() }).await else {
                        continue;
                    };
                    let server = found.summary.server;
                    let Ok(host) = self.services.call(caller, ServerGet { server, include: Vec::new() }).await else {
                        continue;
                    };
                    (About::App(found.summary.id, host.summary.id), None)
                }
                Some(Address::Operation(operation)) => {
                    let request = OperationGet { operation: operation.clone(), wait_s: None };
                    if self.services.call(caller, request).await.is_err() {
                        continue;
                    }
                    (About::Operation(operation), None)
                }
                Some(Address::Plan(plan)) => {
                    if self.services.call(caller, PlanGet { plan: plan.clone() }).await.is_err() {
                        continue;
                    }
                    (About::Plan(plan), None)
                }
                Some(Address::Help) | None => continue,
            };
            watched.push(Watched { uri, about, last_told: None, changed: false, _watch: watch });
        }
        watched
    }

    /// Tells of changes until the caller ends or a notice does not get through; at most two a second for each resource.
    pub(super) async fn notices<F: Future<Output = bool>>(
        &self,
        caller: &Caller,
        uris: Vec<String>,
        tell: impl Fn(String) -> F,
    ) -> Result<(), ErrorData> {
        let mut topics = self.live.subscribe();
        let mut watched = self.watch(caller, uris).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        assert_eq!(Address::parse("tomo://overview"), Some(Address::Overview));
        assert_eq!(Address::parse("tomo://servers/web-1"), Some(Address::Server("web-1".to_owned())));
        assert_eq!(Address::parse("tomo://apps/web/api"), Some(Address::App("web/api".to_owned())));
        for bad in ["", "overview", "tomo://", "tomo://nothing/x", "http://overview"] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }
}
