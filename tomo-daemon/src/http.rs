//! What clients reach: the MCP endpoint, logins, `/person/…`, the status page, health and metrics, on TCP and on the local socket.
//!
//! The only module that knows axum.

mod guard;
mod person;
mod socket;
mod status;
mod terminal;

use std::{
    future::IntoFuture as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    http::{HeaderValue, header},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::{get, post},
};
use axum_server::{
    accept::NoDelayAcceptor,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::{
    config::{Config, HttpConfig},
    mcp::{self, ServerHandler, Surface, Transport},
    services::Services,
    tls::Authority,
};

/// Requests under way get this long at the end.
const GRACE: Duration = Duration::from_secs(5);
/// A connection that asks nothing, or does not get to the end of its headers, is closed after this long.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
const HEADERS: Duration = Duration::from_secs(10);

/// The running listeners.
#[derive(Debug)]
pub struct Http {
    address: SocketAddr,
    /// SHA-256 of the TLS certificate, hex, if TLS is spoken.
    fingerprint: Option<String>,
    socket: Option<PathBuf>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// Where a request came in.
#[derive(Debug, Clone)]
enum Peer {
    Tcp(SocketAddr),
    Socket(socket::Uid),
}

impl Peer {
    fn address(&self) -> String {
        match self {
            Self::Tcp(address) => address.ip().to_string(),
            Self::Socket(uid) => uid.0.map_or_else(|| "socket".to_owned(), |(uid, _)| format!("uid {uid}")),
        }
    }

    fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Socket(_) => true,
        }
    }
}

/// Takes the TCP port; also the URL by which clients reach it.
///
/// # Errors
/// Names the address and what to do.
pub async fn bind(config: &HttpConfig) -> anyhow::Result<(TcpListener, String)> {
    let listen = config.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}: stop what uses that port, or choose another with http.listen (or --port)")
    })?;
    let url = url(config, listener.local_addr()?);
    Ok((listener, url))
}

/// How clients reach what listens at an address.
#[must_use]
pub fn url(config: &HttpConfig, address: SocketAddr) -> String {
    match config.allowed_hosts.first() {
        _ if address.ip().is_loopback() => format!("http://{address}"),
        Some(host) => format!("https://{host}:{}", address.port()),
        None if address.ip().is_unspecified() => format!("https://localhost:{}", address.port()),
        None => format!("https://{address}"),
    }
}

impl Http {
    /// Opens the local socket and serves it and the TCP listener with one router.
    ///
    /// # Errors
    /// Names the path and what to do (socket in use by a live daemon, folder missing).
    pub async fn start<H, S>(
        config: &Config,
        listener: TcpListener,
        services: &Arc<Services>,
        authority: &Authority,
        handlers: H,
    ) -> anyhow::Result<Self>
    where
        H: Fn(Surface) -> S + Clone + Send + Sync + 'static,
        S: ServerHandler + Send,
    {
        let stop = CancellationToken::new();
        let listen = config.http.listen;
        let address = listener.local_addr()?;
        let guard = Arc::new(guard::Guard::new(config, address, Arc::clone(services)));
        let router = router(services, handlers, &guard, &stop);
        let mut tasks = Vec::new();
        let mut fingerprint = None;
        let app = router.clone().layer(from_fn_with_state((), tcp_peer));
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let handle = axum_server::Handle::new();
        // Without no-delay every call in a session waits for a delayed acknowledgement.
        let mut server = axum_server::from_tcp(listener.into_std()?)?
            .acceptor(NoDelayAcceptor::new())
            .http1_only()
            .first_request_timeout(FIRST_REQUEST)
            .handle(handle.clone());
        server.http_builder().http1().header_read_timeout(HEADERS);
        if address.ip().is_loopback() {
            tasks.push(tokio::spawn(ended("HTTP", server.serve(app))));
        } else {
            // Names that do not change by themselves: clients pin the certificate.
            let mut names = config.http.allowed_hosts.clone();
            names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
            if !listen.ip().is_unspecified() {
                names.push(listen.ip().to_string());
            }
            let (tls, print) = authority.http_config(&names)?;
            fingerprint = Some(print);
            let tls = RustlsConfig::from_config(tls);
            let server = server.map(|plain| RustlsAcceptor::new(tls).acceptor(plain));
            tasks.push(tokio::spawn(ended("HTTPS", server.serve(app))));
        }
        let stopped = stop.clone();
        tasks.push(tokio::spawn(async move {
            stopped.cancelled().await;
            handle.graceful_shutdown(Some(GRACE));
        }));
        let socket = socket::open(&config.socket.path).await?;
        let path = socket.as_ref().map(|_| config.socket.path.clone());
        if let Some(listener) = socket {
            let app = router.layer(from_fn_with_state((), socket_peer));
            let app = app.into_make_service_with_connect_info::<socket::Uid>();
            let stopped = stop.clone();
            let serving = axum::serve(listener, app).with_graceful_shutdown(stopped.cancelled_owned());
            tasks.push(tokio::spawn(ended("the local socket", serving.into_future())));
        }
        Ok(Self { address, fingerprint, socket: path, stop, tasks })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where clients on this machine connect.
    #[must_use]
    pub fn local_url(&self) -> String {
        let address = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let scheme = if self.fingerprint.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", SocketAddr::new(address, self.address.port()))
    }

    /// SHA-256 of the TLS certificate, hex, if TLS is spoken.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Stops listening, lets requests end (5 s at most), removes the socket.
    pub async fn shutdown(self) {
        self.stop.cancel();
        for mut task in self.tasks {
            if timeout(GRACE, &mut task).await.is_err() {
                task.abort();
            }
        }
        if let Some(path) = self.socket {
            // It may have been removed by hand.
            drop(std::fs::remove_file(path));
        }
    }
}

/// Serves until told to stop, and says if it ended by itself.
async fn ended(what: &'static str, serving: impl Future<Output = std::io::Result<()>>) {
    if let Err(error) = serving.await {
        tracing::error!(%error, what, "a listener has ended");
    }
}

/// The MCP paths are exact: whatever a client looks for below them (`/mcp/.well-known/…`) is not there.
fn router<H, S>(services: &Arc<Services>, handlers: H, guard: &Arc<guard::Guard>, stop: &CancellationToken) -> Router
where
    H: Fn(Surface) -> S + Clone + Send + Sync + 'static,
    S: ServerHandler + Send,
{
    let surface = |surface: Surface| -> Transport<S> {
        let handlers = handlers.clone();
        mcp::transport(move || handlers(surface), services, stop)
    };
    let signed_in = Router::new()
        .route_service("/mcp", surface(Surface::Core))
        .route_service("/mcp/readonly", surface(Surface::ReadOnly))
        .route_service("/mcp/full", surface(Surface::Full))
        .layer(from_fn_with_state(Arc::clone(guard), guard::bind_transport))
        .layer(from_fn_with_state((), guard::check_shape))
        .merge(person::routes(services).merge(terminal::routes(services, stop)).layer(once()))
        .layer(from_fn_with_state(Arc::clone(guard), guard::sign_in));
    let open = Router::new()
        .route("/auth/login", post(person::login).layer(once()))
        .route("/auth/refresh", post(person::refresh).layer(once()))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/status", get(status::page))
        .route("/metrics", get(status::metrics))
        .with_state(Arc::clone(services));
    signed_in
        .merge(open)
        .fallback(guard::not_found)
        .layer(DefaultBodyLimit::max(mcp::BODY_BYTES))
        .layer(from_fn_with_state((), guard::check_length))
        .layer(from_fn_with_state(Arc::clone(guard), guard::check_origin))
}

/// Closes a connection after one answer: its buffers, which hold secrets, are given back and wiped.
fn once() -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(header::CONNECTION, HeaderValue::from_static("close"))
}

async fn tcp_peer(
    State(()): State<()>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(Peer::Tcp(address));
    next.run(request).await
}

async fn socket_peer(
    State(()): State<()>,
    ConnectInfo(uid): ConnectInfo<socket::Uid>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(Peer::Socket(uid));
    next.run(request).await
}
