//! What every request passes: Host and Origin, who sends it, how often, and whose session it names.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde::Deserialize;
use tokio::time::timeout;
use tomo_proto::{
    error::{ApiError, ErrorCode},
    text::display_line,
};

use crate::{
    config::Config,
    http::{Peer, socket},
    mcp::{self, BODY_BYTES, SESSION_HEADER},
    services::{Services, access::Caller, error::ServiceError},
};

/// Requests of one caller each second; calls of a program are counted more strictly where they are understood.
const REQUEST_RATE: NonZeroU32 = NonZeroU32::new(200).expect("it is not zero");
/// Most of a refused body that is read and thrown away.
const DRAINED_BYTES: usize = 4 * BODY_BYTES;
/// Longest wait for the next part of it.
const DRAIN_PAUSE: Duration = Duration::from_secs(1);
/// Deepest nesting of a message.
const MAX_DEPTH: usize = 32;
/// Longest id of a message.
const MAX_ID: usize = 128;

pub(super) struct Guard {
    services: Arc<Services>,
    hosts: Vec<String>,
    /// Bound to every address: whoever names one by its number means this daemon, since no site can point a number elsewhere.
    any_address: bool,
    origins: Vec<String>,
    admin_uid: Option<u32>,
    admin_group: String,
    requests: DefaultKeyedRateLimiter<String>,
}

impl Guard {
    pub(super) fn new(config: &Config, address: SocketAddr, services: Arc<Services>) -> Self {
        let mut hosts = config.http.allowed_hosts.clone();
        hosts.push(address.ip().to_string());
        Self {
            services,
            hosts,
            any_address: address.ip().is_unspecified(),
            origins: config.http.allowed_origins.clone(),
            admin_uid: config.socket.admin_uid,
            admin_group: config.socket.admin_group.clone(),
            requests: RateLimiter::keyed(Quota::per_second(REQUEST_RATE)),
        }
    }

    fn admits_host(&self, authority: &str) -> bool {
        let host = host_of(authority);
        is_loopback(host)
            || self.any_address && host.parse::<IpAddr>().is_ok()
            || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }

    fn admits_origin(&self, origin: &str) -> bool {
        if self.origins.iter().any(|allowed| allowed == origin) {
            return true;
        }
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| is_loopback(host_of(authority)))
    }

    /// Whether a request is for this daemon, and not from another site's page.
    fn check_names(&self, peer: &Peer, request: &Request) -> Result<(), ApiError> {
        // What is not text fits no name.
        let all = |name| request.headers().get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
        let denied = |message: String, key: &str| {
            let next = format!("add it to {key} in the daemon's configuration");
            Err(ApiError::new(ErrorCode::Denied, message).with_next(next))
        };
        if matches!(peer, Peer::Tcp(_)) {
            let mut hosts = all(header::HOST).chain(request.uri().authority().map(Authority::as_str)).peekable();
            let wrong = if hosts.peek().is_none() { Some("") } else { hosts.find(|host| !self.admits_host(host)) };
            if let Some(host) = wrong {
                let shown = display_line(host, 80);
                return denied(format!("the host \"{shown}\" is not this daemon"), "http.allowed_hosts");
            }
        }
        if let Some(origin) = all(header::ORIGIN).find(|origin| !self.admits_origin(origin)) {
            let shown = display_line(origin, 80);
            return denied(format!("the origin \"{shown}\" is not allowed"), "http.allowed_origins");
        }
        Ok(())
    }

    /// Refuses somebody who is not known, and counts that.
    fn refuse_stranger(&self, peer: &Peer, error: ApiError) -> Response {
        self.services.note_refusal(&peer.address());
        refuse(error)
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

/// Whatever no route fits. Clients that find anything at the well-known paths drop the bearer they were given, so there the answer
/// is as plain as can be.
pub(super) async fn not_found(request: Request) -> Response {
    if request.uri().path().contains("/.well-known/") {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    }
    let path = display_line(request.uri().path(), 120);
    refuse(
        ApiError::new(ErrorCode::NotFound, format!("there is nothing at {path}"))
            .with_next("/mcp, /status or /healthz"),
    )
}

pub(super) async fn check_origin(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return refuse(ApiError::new(ErrorCode::Unauthenticated, "the peer is not known"));
    };
    if let Err(error) = guard.check_names(&peer, &request) {
        return guard.refuse_stranger(&peer, error);
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
    let caller = match (bearer(request.headers()), &peer) {
        (Some(token), _) => guard.services.authenticate(token, &peer.address()).map_err(|error| error.error),
        (None, Peer::Socket(uid)) => guard.local_caller(*uid),
        (None, Peer::Tcp(_)) => Err(ApiError::new(ErrorCode::Unauthenticated, "nobody is signed in").with_next(
            "send `Authorization: Bearer …` with an API token (`tomo token create NAME`) or a login (`tomo login`)",
        )),
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(error) => return guard.refuse_stranger(&peer, error),
    };
    if guard.requests.check_key(&caller.key()).is_err() {
        let message = format!("too many requests: {REQUEST_RATE} a second");
        let mut response =
            refuse(ApiError::new(ErrorCode::RateLimited, message).with_next("wait a second, then go on"));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    }
    let ended = caller.ended.clone();
    request.extensions_mut().insert(caller);
    let response = next.run(request).await;
    let kind = header_text(response.headers(), header::CONTENT_TYPE.as_str());
    if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
        return response;
    }
    // A revoked token or an ended login takes its open streams along.
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(ended.cancelled_owned())))
}

/// The token of an `Authorization: Bearer` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = header_text(headers, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn too_large() -> Response {
    let error = ApiError::new(ErrorCode::Invalid, format!("the body is over the limit of {BODY_BYTES} bytes"));
    let mut response = refuse(error.with_next("send less at once"));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response
}

/// Turns away a body that says itself that it is too large, before anything is made of it.
pub(super) async fn check_length(State(()): State<()>, request: Request, next: Next) -> Response {
    let length = header_text(request.headers(), header::CONTENT_LENGTH.as_str());
    if length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > BODY_BYTES) {
        // A sender that is cut off in the middle would not read why.
        let mut body = request.into_body().into_data_stream();
        let mut left = DRAINED_BYTES;
        while let Ok(Some(Ok(chunk))) = timeout(DRAIN_PAUSE, body.next()).await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
        return too_large();
    }
    next.run(request).await
}

/// Holds a message against the bounds on depth and id before anything parses it.
pub(super) async fn check_shape(State(()): State<()>, request: Request, next: Next) -> Response {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        id: serde_json::Value,
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_BYTES).await else { return too_large() };
    let refused = |message: String| refuse(ApiError::new(ErrorCode::Invalid, message));
    if depth_of(&bytes) > MAX_DEPTH {
        return refused(format!("the message nests deeper than {MAX_DEPTH}"));
    }
    if let Ok(Head { id: serde_json::Value::String(id) }) = serde_json::from_slice(&bytes)
        && id.len() > MAX_ID
    {
        return refused(format!("the message's id is longer than {MAX_ID} bytes"));
    }
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

/// How deep JSON nests; whether it is JSON at all is for the parser to say.
fn depth_of(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A transport session belongs to whoever opened it, on the path it was opened on; to everybody else it is not there.
pub(super) async fn bind_transport(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let Some(key) = request.extensions().get::<Caller>().map(Caller::key) else {
        return refuse(ApiError::new(ErrorCode::Unauthenticated, "nobody is signed in"));
    };
    let owner = format!("{key} {}", request.uri().path());
    if let Some(id) = header_text(request.headers(), SESSION_HEADER) {
        return match guard.services.owns_transport(id, &owner) {
            Ok(true) => {
                let closes = request.method() == Method::DELETE;
                let mut response = next.run(request).await;
                // It is closed by now, not only accepted: some clients warn of anything else.
                if closes && response.status() == StatusCode::ACCEPTED {
                    *response.status_mut() = StatusCode::NO_CONTENT;
                }
                response
            }
            Ok(false) => refuse(
                ApiError::new(ErrorCode::NotFound, "this session is not known").with_next("initialize a new one"),
            ),
            Err(error) => refuse_service(error),
        };
    }
    let response = next.run(request).await;
    if let Some(id) = header_text(response.headers(), SESSION_HEADER)
        && let Err(error) = guard.services.own_transport(id, owner).await
    {
        return refuse_service(error);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_what_nests_and_not_what_strings_say() {
        for (json, depth) in [
            (r#"{"a":[1,{"b":2}]}"#, 3),
            (r#""[[[[""#, 0),
            (r#"{"a":"\"[[["}"#, 1),
            ("[[[[[[", 6),
            ("]]][", 1),
            ("", 0),
        ] {
            assert_eq!(depth_of(json.as_bytes()), depth, "{json}");
        }
    }

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
