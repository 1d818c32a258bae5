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
    api::person::{
        ChangePassword, CreateEnrolment, CreateToken, CreateUser, DeleteSecret, DeleteUser, ListSecrets, Login, Logout,
        PersonRequest, Refresh, SetRole, SetSecret,
    },
    error::{ApiError, ErrorCode},
    text::display_line,
};

use crate::{
    http::{Peer, guard},
    services::{HandlePerson, Services, access::Caller},
};

/// Routes for people who are signed in.
pub(super) fn routes(services: &Arc<Services>) -> Router {
    let router = Router::new();
    let router = add::<Logout>(router);
    let router = add::<ChangePassword>(router);
    let router = add::<CreateUser>(router);
    let router = add::<SetRole>(router);
    let router = add::<DeleteUser>(router);
    let router = add::<CreateToken>(router);
    let router = add::<CreateEnrolment>(router);
    let router = add::<SetSecret>(router);
    let router = add::<ListSecrets>(router);
    let router = add::<DeleteSecret>(router);
    router.with_state(Arc::clone(services))
}

fn add<R>(router: Router<Arc<Services>>) -> Router<Arc<Services>>
where
    R: PersonRequest + DeserializeOwned + Send + 'static,
    R::Answer: serde::Serialize + Send,
    Services: HandlePerson<R>,
{
    router.route(R::PATH, post(handle::<R>))
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
        Err(error) => guard::refuse_service(error),
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
        Err(error) => guard::refuse_service(error),
    }
}
