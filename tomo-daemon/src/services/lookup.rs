//! Finding things by name or id. What a caller's selectors hold back is not there.

use tomo_proto::{
    error::ErrorCode,
    id::{AppId, ServerId},
    model::{app::App, server::Server},
    text::display_line,
};

use crate::{
    services::{access::Caller, error::ServiceError},
    store::{ReadTx, StoreError},
};

/// Names offered when one is not found.
const OFFERED: usize = 3;

/// What makes the first one of a kind.
const FIRST: [(&str, &str); 4] = [
    ("server", "a person lets one in: tomo agent token NAME"),
    ("app", "app_deploy {}"),
    ("token", "tomo token create NAME --for ai"),
    ("secret", "tomo secret set NAME"),
];

/// Those of all servers that a caller can see, by name.
pub(super) fn seen<'a>(all: &'a [Server], caller: &Caller) -> Vec<&'a Server> {
    let admitted = all.iter().filter(|server| caller.selectors.admit_server(&server.name, &server.labels));
    let mut seen: Vec<&Server> = admitted.collect();
    seen.sort_by(|left, right| left.name.cmp(&right.name));
    seen
}

/// Servers a caller can see, by name.
pub(super) fn servers(view: &ReadTx, caller: &Caller) -> Result<Vec<Server>, StoreError> {
    Ok(seen(&view.all()?, caller).into_iter().cloned().collect())
}

/// Apps a caller can see with their servers, by name.
pub(super) fn apps(view: &ReadTx, caller: &Caller) -> Result<Vec<(App, Server)>, StoreError> {
    let servers = servers(view, caller)?;
    let mut apps: Vec<(App, Server)> = view
        .all::<App>()?
        .iter()
        .filter(|app| caller.selectors.admit_app(&app.name))
        .filter_map(|app| {
            let server = servers.iter().find(|server| server.id == app.server)?.clone();
            Some((app.clone(), server))
        })
        .collect();
    apps.sort_by(|left, right| (&left.0.name, &left.1.name).cmp(&(&right.0.name, &right.1.name)));
    Ok(apps)
}

pub(super) fn server(view: &ReadTx, caller: &Caller, text: &str) -> Result<Server, ServiceError> {
    let servers = servers(view, caller)?;
    let id = text.parse::<ServerId>().ok();
    let found = servers.iter().find(|server| server.name == text || Some(server.id) == id);
    found
        .cloned()
        .ok_or_else(|| not_found("server", text, servers.iter().map(|server| server.name.as_str()), "server_list {}"))
}

pub(super) fn app(view: &ReadTx, caller: &Caller, text: &str) -> Result<(App, Server), ServiceError> {
    let apps = apps(view, caller)?;
    let id = text.parse::<AppId>().ok();
    let full_name = |entry: &(App, Server)| format!("{}/{}", entry.1.name, entry.0.name);
    let found: Vec<_> = apps
        .iter()
        .filter(|entry| entry.0.name == text || Some(entry.0.id) == id || full_name(entry) == text)
        .collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(not_found("app", text, apps.iter().map(|(app, _)| app.name.as_str()), "app_list {}")),
        several => {
            let names: Vec<_> = several.iter().map(|entry| full_name(entry)).collect();
            let message = format!("several servers have an app called \"{text}\": {}", names.join(", "));
            Err(ServiceError::new(ErrorCode::Ambiguous, message)
                .with_next(format!("use server/name, as in {}", names.first().map_or("", String::as_str))))
        }
    }
}

/// An app, or one service of it: `app/service`. Returns the service's name, none for the app's own container.
pub(super) fn service(
    view: &ReadTx,
    caller: &Caller,
    text: &str,
) -> Result<(App, Server, Option<String>), ServiceError> {
    let missing = match app(view, caller, text) {
        Err(error) if error.code() == ErrorCode::NotFound => error,
        found => return found.map(|(app, server)| (app, server, None)),
    };
    let Some((app, server, name)) = text
        .rsplit_once('/')
        .and_then(|(text, name)| app(view, caller, text).ok().map(|found| (found.0, found.1, name)))
    else {
        return Err(missing);
    };
    match app.spec.key_of(name) {
        Some(key) if !app.spec.services.contains_key(key) => {
            let names: Vec<String> = app.spec.services.keys().map(|name| format!("{}/{name}", app.name)).collect();
            Err(if names.is_empty() {
                let message = format!("app \"{}\" has one container and no services", app.name);
                ServiceError::new(ErrorCode::NotFound, message)
                    .with_next(format!("app_get {{\"app\":\"{}\"}}", app.name))
            } else {
                not_found(
                    "service",
                    text,
                    names.iter().map(String::as_str),
                    &format!("app_get {{\"app\":\"{}\"}}", app.name),
                )
            })
        }
        key => {
            let key = key.map(str::to_owned);
            Ok((app, server, key))
        }
    }
}

/// `not_found`, with the nearest names, or with some of those there are. Where there are none, the next step makes the first one.
pub(super) fn not_found<'a>(kind: &str, text: &str, names: impl Iterator<Item = &'a str>, list: &str) -> ServiceError {
    let names: Vec<&str> = names.collect();
    let near = nearest(text, names.iter().copied());
    let offered = match names.len() {
        0 => "; there are none yet".to_owned(),
        _ if !near.is_empty() => near,
        count => {
            let more = if count > OFFERED { format!(" and {} more", count - OFFERED) } else { String::new() };
            format!("; known: {}{more}", quoted(names.iter().copied().take(OFFERED)))
        }
    };
    let first = FIRST.iter().find(|(one, _)| names.is_empty() && *one == kind);
    let message = format!("there is no {kind} \"{}\"{offered}", display_line(text, 60));
    ServiceError::new(ErrorCode::NotFound, message).with_next(first.map_or(list, |(_, next)| next))
}

/// `not_found` for what has no name.
pub(super) fn unknown_id(kind: &str, text: &str, list: &str) -> ServiceError {
    let message = format!("there is no {kind} \"{}\"", display_line(text, 60));
    ServiceError::new(ErrorCode::NotFound, message).with_next(list)
}

/// The names most like a text, as the end of a message; nothing if none is like it.
pub fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut near: Vec<(f64, &str)> =
        names.map(|name| (strsim::jaro_winkler(name, text), name)).filter(|(likeness, _)| *likeness > 0.7).collect();
    near.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(right.1)));
    near.dedup_by(|left, right| left.1 == right.1);
    let offered = quoted(near.iter().take(OFFERED).map(|(_, name)| *name));
    if offered.is_empty() { offered } else { format!("; nearest: {offered}") }
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
