//! The transport of one path, and the transport sessions of older clients, which go on after a restart.

use std::{sync::Arc, time::Duration};

use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService,
        session::{SessionState, SessionStore, SessionStoreError, local::LocalSessionManager},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{mcp::BODY_BYTES, services::Services};

/// Pulse that keeps an idle event stream open through proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What an HTTP router mounts.
pub(crate) type Transport<S> = StreamableHttpService<S, LocalSessionManager>;

/// The transport of one path. Host, Origin, bearer and the session's owner are checked before it is reached.
pub(crate) fn transport<S: ServerHandler + Send>(
    make: impl Fn() -> S + Send + Sync + 'static,
    services: &Arc<Services>,
    stop: &CancellationToken,
) -> Transport<S> {
    let mut config = StreamableHttpServerConfig::default()
        .with_cancellation_token(stop.child_token())
        .with_sse_keep_alive(Some(KEEP_ALIVE))
        // What is answered at once needs no event stream, where there is no session.
        .with_json_response(true)
        .with_max_request_body_bytes(BODY_BYTES)
        .disable_allowed_hosts()
        .disable_allowed_origins();
    config.session_store = Some(Arc::new(Kept(Arc::clone(services))));
    StreamableHttpService::new(move || Ok(make()), Arc::default(), config)
}

/// What sessions were opened with, in the daemon's store.
struct Kept(Arc<Services>);

#[async_trait::async_trait]
impl SessionStore for Kept {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        let record = self.0.transport(id).map_err(|error| error.error)?;
        Ok(record.map(|record| serde_json::from_str(&record.opening)).transpose()?)
    }

    async fn store(&self, id: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        let opening = serde_json::to_string(state)?;
        Ok(self.0.keep_transport(id, opening).await.map_err(|error| error.error)?)
    }

    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        Ok(self.0.forget_transport(id).await.map_err(|error| error.error)?)
    }
}
