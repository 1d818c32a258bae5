//! `/person/terminals`: frames in the body of a request that goes on for as long as its answer does.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
    routing::post,
};
use futures::{StreamExt as _, TryStreamExt as _, stream::unfold};
use tokio::{io::AsyncRead, time::timeout};
use tokio_util::{
    codec::{FramedRead, LengthDelimitedCodec},
    io::StreamReader,
    sync::CancellationToken,
    task::AbortOnDropHandle,
};
use tomo_proto::{
    api::terminal::OpenTerminal,
    error::{ApiError, ErrorCode},
    wire::{
        frame::{MAX_FRAME_BYTES, decode, encode_framed},
        terminal::TerminalInput,
    },
};

use crate::{
    http::guard,
    services::{Keys, Services, Terminal, access::Caller},
};

/// The first frame has to come within this time.
const FIRST_FRAME: Duration = Duration::from_secs(10);

/// What the route works with: the services, and when to stop.
type Shared = (Arc<Services>, CancellationToken);

/// The route, for people who are signed in.
pub(super) fn routes(services: &Arc<Services>, stop: &CancellationToken) -> Router {
    Router::new().route(OpenTerminal::PATH, post(open)).with_state((Arc::clone(services), stop.clone()))
}

type Frames<R> = FramedRead<R, LengthDelimitedCodec>;

async fn open(State((services, stop)): State<Shared>, Extension(caller): Extension<Caller>, body: Body) -> Response {
    if !caller.is_person() {
        let message = "a terminal is a person's act: an API token cannot open one";
        services.audit_denial(&caller, OpenTerminal::ACTION, "", message).await;
        return guard::refuse(ApiError::new(ErrorCode::Denied, message).with_next("ask a person to do it, signed in"));
    }
    let bytes = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
    let codec = LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME_BYTES).new_codec();
    let mut frames = FramedRead::new(bytes, codec);
    let request = match timeout(FIRST_FRAME, frames.next()).await {
        Ok(Some(Ok(frame))) => decode::<OpenTerminal>(&frame).map_err(|error| error.to_string()),
        _ => Err("no frame came".to_owned()),
    };
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            return guard::refuse(ApiError::new(ErrorCode::Invalid, format!("the body does not fit: {error}")));
        }
    };
    match services.open_terminal(&caller, request).await {
        Ok(Terminal { keys, output }) => {
            let listening = tokio::spawn(stop.run_until_cancelled_owned(listen(frames, keys)));
            let shown = unfold((output, AbortOnDropHandle::new(listening)), async |(mut output, listening)| {
                let said = output.recv().await?;
                Some((encode_framed(&said), (output, listening)))
            });
            let body = Body::from_stream(shown.map_ok(Bytes::from));
            ([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response()
        }
        Err(error) => {
            if matches!(error.code(), ErrorCode::Denied) {
                services.audit_denial(&caller, OpenTerminal::ACTION, "", &error.error.message).await;
            }
            guard::refuse_service(error)
        }
    }
}

/// Passes on what is typed. The end of the request's body, or of its connection, hangs up.
async fn listen<R: AsyncRead + Unpin>(mut frames: Frames<R>, keys: Keys) {
    while let Some(Ok(frame)) = frames.next().await {
        let Ok(said) = decode::<TerminalInput>(&frame) else { return };
        if !keys.send(said).await {
            return;
        }
    }
}
