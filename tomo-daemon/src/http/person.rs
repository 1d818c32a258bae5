//! Logins and `/person/…`: JSON in, JSON out, for people only, and never in the log.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde::de::DeserializeOwned;
use tomo_proto::{
    api::person::{Login, PersonRequest, Refresh},
    error::{ApiError, ErrorCode},
    for_each_person_request,
    text::display_line,
};

use crate::{
    http::{Peer, guard},
    services::{HandlePerson, Services, access::Caller},
};

/// Routes for people who are signed in.
pub(super) fn routes(services: &Arc<Services>) -> Router {
    let mut router = Router::new();
    macro_rules! add {
        ($($request:ty),* $(,)?) => {$(
            router = router.route(<$request as PersonRequest>::PATH, post(handle::<$request>));
        )*};
    }
    for_each_person_request!(add);
    router.with_state(Arc::clone(services))
}

fn parse<R: DeserializeOwned>(body: &Bytes) -> Result<R, ApiError> {
    // The value itself stays out of the message: it may be a secret.
    serde_json::from_slice(body).map_err(|problem| {
        let at = format!("line {} column {}", problem.line(), problem.column());
        let what = if problem.is_data() { "a field is missing, unknown or of another type" } else { "it is not JSON" };
        ApiError::new(ErrorCode::Invalid, format!("the body does not fit: {what} ({at})"))
    })
}

async fn handle<R>(State(services): State<Arc<Services>>, Extension(caller): Extension<Caller>, body: Bytes) -> Response
where
    R: PersonRequest + DeserializeOwned + Send + 'static,
    R::Answer: serde::Serialize + Send,
    Services: HandlePerson<R>,
{
    if !caller.is_person() {
        let message = format!("{} is a person's act: an API token cannot do it", R::PATH);
        services.audit_denial(&caller, R::PATH, "", &message).await;
        return guard::refuse(ApiError::new(ErrorCode::Denied, message).with_next("ask a person to do it, signed in"));
    }
    let request: R = match parse(&body) {
        Ok(request) => request,
        Err(error) => return guard::refuse(error),
    };
    match services.handle_person(&caller, request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => {
            if error.code() == ErrorCode::Denied {
                services.audit_denial(&caller, R::PATH, "", &error.error.message).await;
            }
            guard::refuse_service(error)
        }
    }
}

pub(super) async fn login(
    State(services): State<Arc<Services>>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Response {
    let login: Login = match parse(&body) {
        Ok(login) => login,
        Err(error) => return guard::refuse(error),
    };
    tracing::debug!(user = display_line(&login.username, 40), address = peer.address(), "a login");
    match services.login(login, &peer.address()).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => guard::refuse_service(error),
    }
}

pub(super) async fn refresh(
    State(services): State<Arc<Services>>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Response {
    let refresh: Refresh = match parse(&body) {
        Ok(refresh) => refresh,
        Err(error) => return guard::refuse(error),
    };
    match services.refresh(refresh, &peer.address()).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => {
            services.note_refusal(&peer.address());
            guard::refuse_service(error)
        }
    }
}
