//! What every request passes: Host and Origin, who sends it, how often, and whose session it names.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tomo_proto::{
    error::{ApiError, ErrorCode},
    text::display_line,
};

use crate::{
    config::Config,
    http::{Peer, socket},
    mcp,
    services::{
        Services,
        access::{Caller, Principal},
        error::ServiceError,
    },
};

const TOKEN_RATE: NonZeroU32 = NonZeroU32::new(10).expect("it is not zero");
const TOKEN_BURST: NonZeroU32 = NonZeroU32::new(30).expect("it is not zero");
const PERSON_RATE: NonZeroU32 = NonZeroU32::new(200).expect("it is not zero");
/// Transport sessions that are remembered with their owner; the oldest give way.
const MAX_SESSIONS: usize = 10_000;
const SESSION_HEADER: &str = "mcp-session-id";

pub(super) struct Guard {
    services: Arc<Services>,
    hosts: Vec<String>,
    origins: Vec<String>,
    admin_uid: Option<u32>,
    admin_group: String,
    tokens: DefaultKeyedRateLimiter<String>,
    people: DefaultKeyedRateLimiter<String>,
    /// Owner of each transport session: rmcp alone would serve a session to anybody who names it.
    sessions: Mutex<HashMap<String, String>>,
}

impl Guard {
    pub(super) fn new(config: &Config, address: SocketAddr, services: Arc<Services>) -> Self {
        let mut hosts = config.http.allowed_hosts.clone();
        hosts.push(address.ip().to_string());
        Self {
            services,
            hosts,
            origins: config.http.allowed_origins.clone(),
            admin_uid: config.socket.admin_uid,
            admin_group: config.socket.admin_group.clone(),
            tokens: RateLimiter::keyed(Quota::per_second(TOKEN_RATE).allow_burst(TOKEN_BURST)),
            people: RateLimiter::keyed(Quota::per_second(PERSON_RATE)),
            sessions: Mutex::default(),
        }
    }

    fn admits_host(&self, authority: &str) -> bool {
        let host = host_of(authority);
        is_loopback(host) || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }

    fn admits_origin(&self, origin: &str) -> bool {
        if self.origins.iter().any(|allowed| allowed == origin) {
            return true;
        }
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| is_loopback(host_of(authority)))
    }

    fn local_caller(&self, uid: socket::Uid) -> Result<Caller, ApiError> {
        let denied = |who: &str| {
            ApiError::new(ErrorCode::Denied, format!("{who} is not an admin of this daemon"))
                .with_next(format!("join the group {}, or sign in with `tomo login`", self.admin_group))
        };
        let (uid, gid) = uid.0.ok_or_else(|| denied("this process"))?;
        let name = socket::user_name(uid);
        if uid == 0 || self.admin_uid == Some(uid) || socket::is_member(&self.admin_group, &name, gid) {
            return Ok(self.services.socket_caller(uid, name));
        }
        Err(denied(&name))
    }
}

/// The host of `host:port`, without brackets.
fn host_of(authority: &str) -> &str {
    if let Some(inner) = authority.strip_prefix('[') {
        return inner.split(']').next().unwrap_or_default();
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The answer for an error, with its status.
pub(super) fn refuse(error: ApiError) -> Response {
    let status = StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let challenge = status == StatusCode::UNAUTHORIZED;
    let mut response = (status, Json(error)).into_response();
    if challenge {
        let value = HeaderValue::from_static("Bearer realm=\"tomo\", error=\"invalid_token\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

/// The answer for a service's error.
pub(super) fn refuse_service(error: ServiceError) -> Response {
    refuse(mcp::public_error(error))
}

pub(super) async fn not_found(request: Request) -> Response {
    let path = display_line(request.uri().path(), 120);
    refuse(
        ApiError::new(ErrorCode::NotFound, format!("there is nothing at {path}"))
            .with_next("/mcp, /status or /healthz"),
    )
}

pub(super) async fn check_origin(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let on_socket = matches!(request.extensions().get::<Peer>(), Some(Peer::Socket(_)));
    let host = header_text(request.headers(), header::HOST.as_str())
        .or_else(|| request.uri().authority().map(|name| name.as_str()));
    if !on_socket && !host.is_some_and(|host| guard.admits_host(host)) {
        let shown = display_line(host.unwrap_or("none"), 80);
        return refuse(
            ApiError::new(ErrorCode::Denied, format!("the host \"{shown}\" is not this daemon"))
                .with_next("add it to http.allowed_hosts in the daemon's configuration"),
        );
    }
    if let Some(origin) = header_text(request.headers(), header::ORIGIN.as_str())
        && !guard.admits_origin(origin)
    {
        let shown = display_line(origin, 80);
        return refuse(
            ApiError::new(ErrorCode::Denied, format!("the origin \"{shown}\" is not allowed"))
                .with_next("add it to http.allowed_origins in the daemon's configuration"),
        );
    }
    let mut response = next.run(request).await;
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Puts the caller into the request, or answers why there is none.
pub(super) async fn sign_in(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return refuse(ApiError::new(ErrorCode::Unauthenticated, "the peer is not known"));
    };
    let bearer = header_text(request.headers(), header::AUTHORIZATION.as_str());
    let bearer =
        bearer.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let caller = match (bearer, &peer) {
        (Some((_, token)), _) => {
            guard.services.authenticate(token.trim(), &peer.address()).map_err(|error| error.error)
        }
        (None, Peer::Socket(uid)) => guard.local_caller(*uid),
        (None, Peer::Tcp(_)) => Err(ApiError::new(ErrorCode::Unauthenticated, "nobody is signed in").with_next(
            "send `Authorization: Bearer …` with an API token (`tomo token create NAME`) or a login (`tomo login`)",
        )),
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(error) => return refuse(error),
    };
    let limiter = if matches!(caller.principal, Principal::Token { .. }) { &guard.tokens } else { &guard.people };
    if limiter.check_key(&caller.key()).is_err() {
        let mut response = refuse(
            ApiError::new(
                ErrorCode::RateLimited,
                format!("too many calls: {TOKEN_RATE} a second, {TOKEN_BURST} at once"),
            )
            .with_next("wait a second, then go on"),
        );
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// A transport session belongs to whoever opened it; to everybody else it is not there.
pub(super) async fn bind_session(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let Some(key) = request.extensions().get::<Caller>().map(Caller::key) else {
        return refuse(ApiError::new(ErrorCode::Unauthenticated, "nobody is signed in"));
    };
    if let Some(session) = header_text(request.headers(), SESSION_HEADER) {
        let owner = guard.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(session).cloned();
        if owner.as_ref() != Some(&key) {
            return refuse(
                ApiError::new(ErrorCode::NotFound, "this session is not known").with_next("initialize a new one"),
            );
        }
    }
    let response = next.run(request).await;
    if let Some(session) = header_text(response.headers(), SESSION_HEADER) {
        let mut sessions = guard.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= MAX_SESSIONS {
            sessions.clear();
        }
        sessions.entry(session.to_owned()).or_insert(key);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_apart() {
        for (authority, host) in [
            ("localhost:8666", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]:80", "::1"),
            ("tomo.lan", "tomo.lan"),
            ("localhost:8666.evil.example", "localhost:8666.evil.example"),
        ] {
            assert_eq!(host_of(authority), host);
        }
        assert!(is_loopback("LOCALHOST") && is_loopback("127.9.9.9") && is_loopback("::1"));
        assert!(!is_loopback("localhost.evil.example") && !is_loopback("192.0.2.1") && !is_loopback(""));
    }
}
