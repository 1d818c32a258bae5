//! The one client of the daemon, for the dashboard and the CLI: MCP for everything, `/person/…` for what no tool may carry.
//!
//! The only module that knows rmcp's client side. Tools are called without it, see [`call`].

mod bridge;
mod call;
mod credentials;
mod http;
mod terminal;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient,
    model::{
        ClientCapabilities, ClientConfig, Implementation, ProtocolVersion, ServerNotification, SubscriptionFilter,
    },
    service::RunningService,
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use tokio::{sync::Mutex, time::timeout};
use tomo_proto::{
    api::{
        Tool,
        person::{LoginAnswer, PersonRequest, Refresh, SecretText},
        server::ServerList,
    },
    error::{ApiError, ErrorCode},
    id::SessionId,
    model::server::ServerSummary,
};

pub(crate) use bridge::serve as serve_bridge;
use call::{Call, NoAnswer};
pub(crate) use credentials::{Profile, folder, folder_of_home, profiles, saved, state_folder, typed_path, write_own};
pub(crate) use http::vouch;
pub(crate) use terminal::Terminal;
pub(crate) use tomo_proto::api::person::SavedLogin as Saved;

/// Everything the caller may use.
const ENDPOINT: &str = "/mcp/full";
/// Servers of one answer: a large fleet at once would cost much memory for a moment.
const SERVERS: u32 = 100;
const CONNECT: Duration = Duration::from_secs(5);

/// Which daemon, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Profile name; `local` for `tomo local`.
    pub(crate) profile: String,
    /// `http(s)://host:port` or `unix:/path/tomo.sock`.
    pub(crate) url: String,
    /// An API token instead of the saved login.
    pub(crate) token: Option<SecretText>,
    /// The daemon's certificate (SHA-256, hex) instead of the one that the saved login pins.
    pub(crate) fingerprint: Option<String>,
    /// Options that lead a person's next command to the same daemon.
    pub(crate) options: String,
}

/// A call did not give an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The daemon refused; the error says what to do.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Nobody is signed in, or the login is over.
    #[error("not signed in to {0}")]
    SignedOut(String),
    /// No daemon answers.
    #[error("cannot reach the daemon at {url}: {reason}")]
    NotConnected {
        /// Where it was looked for.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The daemon's certificate is not the pinned one, or there is no pin yet.
    #[error("{0}")]
    Certificate(String),
}

/// The saved login of a profile if it is one at this very daemon: no other daemon gets to see it.
fn saved_for(target: &Target) -> Option<Saved> {
    saved(&target.profile).filter(|saved| saved.url == target.url)
}

/// The certificate (SHA-256, hex) that a daemon has to show: the named one, or the one that the login has pinned.
pub(crate) fn known_fingerprint(target: &Target) -> Option<String> {
    target.fingerprint.clone().or_else(|| saved_for(target)?.fingerprint)
}

/// HTTP to a target, if it shows the certificate that was named, or that the login has pinned.
fn http_for(target: &Target, login: Option<&Saved>) -> Result<http::Http, ClientError> {
    let pinned = login.and_then(|login| login.fingerprint.clone());
    http::Http::new(&target.url, target.fingerprint.clone().or(pinned))
}

/// Looks who answers at a target, before anybody is asked for a password: the certificate (SHA-256, hex) if nobody has vouched for
/// it yet. Nothing is sent to whom one does not know.
///
/// # Errors
/// Nobody answers, or the certificate is not the pinned one.
pub(crate) async fn look(target: &Target) -> Result<Option<String>, ClientError> {
    http_for(target, saved_for(target).as_ref())?.look().await
}

type Service = RunningService<RoleClient, Handler>;

/// A connection to one daemon that renews its login and reconnects by itself. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    target: Target,
    http: http::Http,
    login: RwLock<Option<Saved>>,
    service: Mutex<Option<Arc<Service>>>,
    /// One refresh at a time.
    refreshing: Mutex<()>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Client").field("target", &self.shared.target.url).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
struct Handler;

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::default(), Implementation::new("tomo", tomo_proto::version::RELEASE))
    }
}

impl Client {
    /// Prepares a client with the saved login of the target; the first call connects.
    ///
    /// # Errors
    /// The saved files cannot be read.
    pub(crate) fn open(target: &Target) -> Result<Self, ClientError> {
        let login = saved_for(target);
        let http = http_for(target, login.as_ref())?;
        let shared = Shared {
            target: target.clone(),
            http,
            login: RwLock::new(login),
            service: Mutex::default(),
            refreshing: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Which daemon this is.
    pub(crate) fn target(&self) -> &Target {
        &self.shared.target
    }

    fn bearer(&self) -> Option<String> {
        if let Some(token) = &self.shared.target.token {
            return Some(token.reveal().to_owned());
        }
        let login = self.shared.login.read().unwrap_or_else(PoisonError::into_inner);
        login.as_ref().and_then(|login| login.access_token.as_ref()).map(|token| token.reveal().to_owned())
    }

    /// The login that it signs in with; none for a token or on the local socket.
    pub(crate) fn session(&self) -> Option<SessionId> {
        let jwt = self.bearer()?;
        let claims = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1)?).ok()?;
        let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
        claims.get("sid")?.as_str()?.parse().ok()
    }

    /// Calls a tool on `/mcp/full` and waits for its answer (60 s at most).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn call<T: Tool>(&self, request: &T) -> Result<T::Answer, ClientError> {
        match self.call_once(request).await {
            Err(ClientError::SignedOut(_)) if self.renew().await => self.call_once(request).await,
            // A connection that has gone says so at the next call: a read may be tried once more.
            Err(ClientError::NotConnected { .. }) if T::EFFECT == tomo_proto::api::Effect::Read => {
                self.call_once(request).await
            }
            other => other,
        }
    }

    /// All servers whose names or labels fit, by name.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn servers(&self, query: Option<String>) -> Result<Vec<ServerSummary>, ClientError> {
        let mut request = ServerList { query, limit: Some(SERVERS), ..ServerList::default() };
        let mut servers = Vec::new();
        loop {
            let page = self.call(&request).await?;
            servers.extend(page.servers);
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                return Ok(servers);
            }
        }
    }

    async fn call_once<T: Tool>(&self, request: &T) -> Result<T::Answer, ClientError> {
        let body = serde_json::to_vec(&Call::of(request)).map_err(|error| {
            ApiError::new(ErrorCode::Invalid, format!("the arguments of {} do not encode: {error}", T::NAME))
        })?;
        let headers = [("mcp-protocol-version", call::VERSION), ("mcp-method", call::METHOD), ("mcp-name", T::NAME)];
        let answered = match self.shared.http.exchange(ENDPOINT, body, &headers, self.bearer()).await {
            Ok(answered) => answered,
            Err(ClientError::Api(error)) if error.code == ErrorCode::Unauthenticated => return Err(self.signed_out()),
            Err(ClientError::Api(error)) if error.code == ErrorCode::Internal => {
                return Err(self.not_connected(&error.message));
            }
            Err(other) => return Err(other),
        };
        call::answer(&answered).map_err(|error| match error {
            NoAnswer::Refused(error) if error.code == ErrorCode::Unauthenticated => self.signed_out(),
            NoAnswer::Refused(error) => error.into(),
            NoAnswer::Protocol(reason) => self.not_connected(&reason),
            NoAnswer::NotUnderstood(reason) => ApiError::new(
                ErrorCode::Internal,
                format!("the answer of {} is not understood ({reason}): the daemon may be of another release", T::NAME),
            )
            .into(),
        })
    }

    fn not_connected(&self, reason: &str) -> ClientError {
        let reason = tomo_proto::text::display_line(reason, 200);
        ClientError::NotConnected { url: self.shared.target.url.clone(), reason }
    }

    /// Why nobody is signed in.
    fn signed_out(&self) -> ClientError {
        if self.shared.target.token.is_none() {
            return ClientError::SignedOut(self.shared.target.url.clone());
        }
        let message =
            format!("{} does not know this API token: it is wrong, has expired or was revoked", self.shared.target.url);
        let next = "make one, signed in as a person: tomo token create NAME --for ai";
        ApiError::new(ErrorCode::Unauthenticated, message).with_next(next).into()
    }

    /// What went wrong below MCP, as the daemon's plain HTTP side tells it; the connection is made anew next time.
    async fn failed(&self, reason: &str) -> ClientError {
        self.shared.service.lock().await.take();
        let body = serde_json::Value::Object(serde_json::Map::new());
        let asked = timeout(CONNECT, self.shared.http.post(ENDPOINT, &body, self.bearer())).await;
        match asked {
            Ok(Err(ClientError::Api(error))) if error.code == ErrorCode::Unauthenticated => self.signed_out(),
            // HTTP answers, but not with a refusal of the daemon's: what MCP said counts.
            Ok(Err(told)) if !matches!(&told, ClientError::Api(error) if error.code == ErrorCode::Internal) => told,
            _ if reason.contains(http::NOT_PINNED) => ClientError::Certificate(http::without_prefix(reason)),
            _ => self.not_connected(reason),
        }
    }

    async fn service(&self) -> Result<Arc<Service>, ClientError> {
        let mut kept = self.shared.service.lock().await;
        if let Some(service) = kept.as_ref().filter(|service| !service.is_closed()) {
            return Ok(Arc::clone(service));
        }
        let service = match timeout(CONNECT, self.connect()).await {
            Ok(Ok(service)) => Arc::new(service),
            Ok(Err(reason)) => {
                drop(kept);
                return Err(self.failed(&reason).await);
            }
            Err(_) => {
                drop(kept);
                return Err(self.failed("no answer in time").await);
            }
        };
        *kept = Some(Arc::clone(&service));
        Ok(service)
    }

    async fn connect(&self) -> Result<Service, String> {
        let mode = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        let mut config =
            StreamableHttpClientTransportConfig::with_uri(format!("{}{ENDPOINT}", self.shared.http.base()));
        if let Some(bearer) = self.bearer() {
            config = config.auth_header(bearer);
        }
        // The same client speaks TCP, TLS and the local socket.
        let transport = StreamableHttpClientTransport::with_client(self.shared.http.client(), config);
        Handler.serve_with_lifecycle(transport, mode).await.map_err(|error| error.to_string())
    }

    /// Sends what no tool may carry. `Login` and `Refresh` also save what comes back for the target.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn person<R: PersonRequest>(&self, request: &R) -> Result<R::Answer, ClientError> {
        let body = serde_json::to_value(request).unwrap_or_default();
        let sent = match self.shared.http.post(R::PATH, &body, self.bearer()).await {
            Err(ClientError::Api(error))
                if error.code == ErrorCode::Unauthenticated
                    && !R::PATH.starts_with("/auth/login")
                    && self.renew().await =>
            {
                self.shared.http.post(R::PATH, &body, self.bearer()).await
            }
            other => other,
        };
        if R::PATH == "/auth/logout" && saved_for(&self.shared.target).is_some() {
            // Also when the daemon cannot be told: here it is over.
            credentials::forget(&self.shared.target.profile);
        }
        let answer = match sent {
            Err(ClientError::Api(error))
                if error.code == ErrorCode::Unauthenticated
                    && self.shared.target.token.is_some()
                    && !R::PATH.starts_with("/auth/") =>
            {
                return Err(self.signed_out());
            }
            other => other?,
        };
        if (R::PATH == "/auth/login" || R::PATH == "/auth/refresh")
            && let Ok(login) = serde_json::from_value::<LoginAnswer>(answer.clone())
        {
            self.keep(&login)?;
        }
        serde_json::from_value(answer).map_err(|error| {
            ApiError::new(ErrorCode::Internal, format!("the answer of {} is not understood: {error}", R::PATH)).into()
        })
    }

    fn keep(&self, login: &LoginAnswer) -> Result<(), ClientError> {
        let saved = Saved {
            url: self.shared.target.url.clone(),
            username: login.username.clone(),
            access_token: Some(login.access_token.clone()),
            refresh_token: Some(login.refresh_token.clone()),
            fingerprint: self.shared.http.pin(),
        };
        credentials::save(&self.shared.target.profile, &saved)
            .map_err(|error| ClientError::Certificate(format!("the login cannot be saved: {error:#}")))?;
        *self.shared.login.write().unwrap_or_else(PoisonError::into_inner) = Some(saved);
        Ok(())
    }

    /// Renews the login; says whether there is one now. Several `tomo` share one saved login: whoever comes second takes what
    /// the first one saved.
    async fn renew(&self) -> bool {
        if self.shared.target.token.is_some() {
            return false;
        }
        let _one = self.shared.refreshing.lock().await;
        let _file = credentials::lock(&self.shared.target.profile);
        let ours = self.shared.login.read().unwrap_or_else(PoisonError::into_inner).clone();
        let kept = saved_for(&self.shared.target);
        if let Some(newer) =
            kept.clone().filter(|kept| ours.as_ref().is_none_or(|ours| ours.access_token != kept.access_token))
        {
            *self.shared.login.write().unwrap_or_else(PoisonError::into_inner) = Some(newer);
            self.shared.service.lock().await.take();
            return true;
        }
        let Some(refresh_token) = kept.and_then(|kept| kept.refresh_token) else { return false };
        let body = serde_json::to_value(Refresh { refresh_token }).unwrap_or_default();
        let Ok(answer) = self.shared.http.post(Refresh::PATH, &body, None).await else { return false };
        let Ok(login) = serde_json::from_value::<LoginAnswer>(answer) else { return false };
        self.shared.service.lock().await.take();
        self.keep(&login).is_ok()
    }

    /// Listens for changes of resources (`tomo://overview`, `tomo://servers/web-1`, …).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn listen(&self, uris: Vec<String>) -> Result<Notices, ClientError> {
        let service = self.service().await?;
        let filter = uris
            .into_iter()
            .fold(SubscriptionFilter::builder(), |filter, uri| filter.resource_subscription(uri))
            .build();
        match service.listen(filter).await {
            Ok(subscription) => Ok(Notices { subscription, _service: service }),
            Err(error) => Err(self.failed(&error.to_string()).await),
        }
    }
}

/// Notices of changed resources.
pub(crate) struct Notices {
    subscription: rmcp::service::Subscription,
    _service: Arc<Service>,
}

impl Notices {
    /// Address of the next resource that changed; `None` once the daemon is gone or the login is over.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            match self.subscription.next().await {
                Ok(Some(ServerNotification::ResourceUpdatedNotification(update))) => return Some(update.params.uri),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }
}
