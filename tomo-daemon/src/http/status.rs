//! The public status page and the figures for Prometheus. The page is fixed bytes around names the owner chose.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use tomo_proto::{
    error::{ApiError, ErrorCode},
    model::user::Scope,
};

use crate::{
    http::{Peer, guard},
    services::Services,
};

const HEAD: &str =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">";
const STYLE: &str = ":root{color-scheme:light dark}\
    body{font:16px/1.6 system-ui,sans-serif;max-width:40em;margin:2em auto;padding:0 1em;overflow-wrap:anywhere}\
    h1{line-height:1.2}ul{padding:0}li{list-style:none;display:flex;gap:1em;padding:.25em 0;border-top:1px solid #8885}b{min-width:3em}\
    .up{color:#1a7f37}.down{color:#b3261e}@media(prefers-color-scheme:dark){.up{color:#4ac26b}.down{color:#ff8a80}}";
/// Nothing is loaded and nothing runs; the one style is named by its hash.
const POLICY: &str = "default-src 'none'; style-src 'sha256-WmYfWPw0TXTZqReVWpoUav4ihG67QHp47eJWkNKlU4g='; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Names and up or down with their sum, nothing else. Switched off it is not there.
pub(super) async fn page(State(services): State<Arc<Services>>) -> Response {
    let status = match services.public_status() {
        Ok(Some(status)) => status,
        Ok(None) => return guard::refuse(ApiError::new(ErrorCode::NotFound, "there is no public status page")),
        Err(error) => return guard::refuse_service(error),
    };
    let title = escape(&status.title);
    let all = status.servers.len();
    let said = match status.servers.iter().filter(|(_, up)| !up).count() {
        _ if all == 0 => "No server is shown here.".to_owned(),
        0 => "Everything is up.".to_owned(),
        down => format!("{down} of {all} down."),
    };
    let mut body = format!("{HEAD}<title>{title}</title><style>{STYLE}</style><h1>{title}</h1><p>{said}</p><ul>");
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
    if !peer.is_loopback() {
        let Some(token) = guard::bearer(&headers) else {
            let error = ApiError::new(ErrorCode::Unauthenticated, "the figures are for loopback or a bearer");
            return guard::refuse(
                error.with_next("send `Authorization: Bearer …` with a token that has the scope read"),
            );
        };
        match services.authenticate(token, &peer.address()) {
            Ok(caller) if caller.scopes.contains(&Scope::Read) => {}
            Ok(_) => return guard::refuse(ApiError::new(ErrorCode::Denied, "the figures need the scope read")),
            Err(error) => return guard::refuse_service(error),
        }
    }
    match services.public_figures() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the figures cannot be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn the_policy_names_the_style_that_is_there() {
        let hash = STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes()));
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "{hash}");
        assert!(!POLICY.contains("unsafe"));
    }

    #[test]
    fn names_cannot_bring_markup() {
        assert_eq!(escape("<b class=\"x\">&"), "&lt;b class=&quot;x&quot;&gt;&amp;");
    }
}
