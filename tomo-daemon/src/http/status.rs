//! The public status page and the figures for Prometheus. The page is fixed bytes around names the owner chose.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use tomo_proto::error::{ApiError, ErrorCode};

use crate::{
    http::{Peer, guard},
    services::Services,
};

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><style>\
    body{font:16px/1.6 system-ui,sans-serif;max-width:40em;margin:3em auto;padding:0 1em}li{list-style:none}.up{color:#1a7f37}.down{color:#b3261e}\
    </style><title>Status</title>";
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Names and up or down, nothing else. Switched off it is not there.
pub(super) async fn page(State(services): State<Arc<Services>>) -> Response {
    let status = match services.public_status() {
        Ok(Some(status)) => status,
        Ok(None) => return guard::refuse(ApiError::new(ErrorCode::NotFound, "there is no public status page")),
        Err(error) => return guard::refuse_service(error),
    };
    let mut body = format!("{HEAD}<h1>{}</h1><ul>", escape(&status.title));
    for (name, up) in &status.servers {
        let (class, word) = if *up { ("up", "up") } else { ("down", "down") };
        // Writing to a String cannot fail.
        _ = write!(body, "<li><b class=\"{class}\">{word}</b> {}</li>", escape(name));
    }
    body.push_str("</ul></html>");
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, body).into_response()
}

/// Figures of the fleet in Prometheus' text format, for loopback or a bearer that may read.
pub(super) async fn metrics(
    State(services): State<Arc<Services>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let signed_in = bearer.is_some_and(|token| services.authenticate(token, &peer.address()).is_ok());
    if !peer.is_loopback() && !signed_in {
        return guard::refuse(ApiError::new(ErrorCode::Unauthenticated, "the figures are for loopback or a bearer"));
    }
    match services.public_figures() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the figures cannot be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
