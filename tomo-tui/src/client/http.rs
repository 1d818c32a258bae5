//! Plain HTTP to the daemon, over TCP, TLS with a pinned certificate, or the local socket.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::time::timeout;
use tomo_proto::error::{ApiError, ErrorCode};

use crate::client::ClientError;

const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(5);
/// What an answer may be: a message, or events.
const ACCEPT: &str = "application/json, text/event-stream";

pub(super) struct Http {
    url: String,
    base: String,
    client: reqwest::Client,
    certificate: Arc<Pinned>,
}

impl Http {
    /// `pin`: the only certificate that is accepted. Without one none is: nothing is said to a daemon that nobody has vouched for.
    pub(super) fn new(url: &str, pin: Option<String>) -> Result<Self, ClientError> {
        let socket = url.strip_prefix("unix:").map(PathBuf::from);
        let base = if socket.is_some() { "http://localhost".to_owned() } else { url.trim_end_matches('/').to_owned() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = Arc::new(Pinned { provider: Arc::clone(&provider), pin, shown: Mutex::default() });
        let wrong = |error: &dyn std::fmt::Display| ClientError::Certificate(format!("TLS cannot be set up: {error}"));
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&certificate) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .no_proxy();
        if let Some(path) = &socket {
            builder = builder.unix_socket(path.clone());
        }
        // A stream of notices has no end: a deadline for the whole of a request would cut it.
        let client = builder.read_timeout(Duration::from_secs(3_600)).build().map_err(|error| wrong(&error))?;
        Ok(Self { url: url.to_owned(), base, client, certificate })
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// A client for streams, which may stay open.
    pub(super) fn client(&self) -> reqwest::Client {
        self.client.clone()
    }

    /// The certificate that is accepted.
    pub(super) fn pin(&self) -> Option<String> {
        self.certificate.pin.clone()
    }

    /// Looks who is there, and says nothing: the certificate that was shown if none is pinned.
    pub(super) async fn look(&self) -> Result<Option<String>, ClientError> {
        match self.client.get(format!("{}/healthz", self.base)).timeout(CONNECT).send().await {
            Ok(_) => Ok(None),
            Err(error) => {
                let shown = self.certificate.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let unknown = shown.filter(|_| self.certificate.pin.is_none());
                unknown.map_or_else(|| Err(self.unreachable(&error)), |shown| Ok(Some(shown)))
            }
        }
    }

    pub(super) async fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
        bearer: Option<String>,
    ) -> Result<serde_json::Value, ClientError> {
        let body = serde_json::to_vec(body).unwrap_or_default();
        let answered = self.exchange(path, body, &[], bearer).await?;
        Ok(serde_json::from_slice(&answered).unwrap_or_default())
    }

    /// Posts JSON and waits for all of the answer (60 s at most).
    pub(super) async fn exchange(
        &self,
        path: &str,
        body: Vec<u8>,
        headers: &[(&'static str, &'static str)],
        bearer: Option<String>,
    ) -> Result<Bytes, ClientError> {
        let mut request = self.client.post(format!("{}{path}", self.base)).timeout(TIMEOUT).body(body);
        request = request.header("content-type", "application/json").header("accept", ACCEPT);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let response = self.accepted(path, response).await?;
        response.bytes().await.map_err(|error| self.unreachable(&error))
    }

    /// Posts a body that goes on for as long as its answer does.
    pub(super) async fn post_stream(
        &self,
        path: &str,
        body: reqwest::Body,
        bearer: Option<String>,
    ) -> Result<reqwest::Response, ClientError> {
        let mut request = self.client.post(format!("{}{path}", self.base)).body(body);
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        let sent = timeout(TIMEOUT, request.send()).await;
        let reason = || "no answer in time".to_owned();
        let sent = sent.map_err(|_| ClientError::NotConnected { url: self.url.clone(), reason: reason() })?;
        self.accepted(path, sent.map_err(|error| self.unreachable(&error))?).await
    }

    /// An answer that is no refusal.
    async fn accepted(&self, path: &str, response: reqwest::Response) -> Result<reqwest::Response, ClientError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let error = serde_json::from_slice::<ApiError>(&bytes).unwrap_or_else(|_| {
            ApiError::new(ErrorCode::Internal, format!("{} answered {status} at {path}", self.url))
        });
        Err(error.into())
    }

    /// What a request that did not get through becomes: the deepest cause says most.
    pub(super) fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(deeper) = source {
            reason = deeper.to_string();
            source = deeper.source();
        }
        if reason.contains(NOT_PINNED) {
            return ClientError::Certificate(without_prefix(&reason));
        }
        // What the two say to each other when only one of them speaks TLS.
        if self.base.starts_with("https:") && reason.contains("InvalidContentType") {
            reason =
                "it does not speak TLS: begin the address with http://, or give the port that speaks TLS".to_owned();
        }
        ClientError::NotConnected { url: self.url.clone(), reason }
    }
}

/// The verifier's own words, without what rustls says before them.
pub(super) fn without_prefix(reason: &str) -> String {
    reason.find(NOT_PINNED).map_or(reason, |at| &reason[at..]).to_owned()
}

/// How a person vouches for a certificate.
pub(crate) fn vouch(fingerprint: &str) -> String {
    format!(
        "sign in with `tomo login` at a terminal, or give --fingerprint {fingerprint} if the daemon logs the same at its start (tls=…)"
    )
}

/// Head of what is said about a certificate that is not accepted.
pub(super) const NOT_PINNED: &str = "the daemon's certificate is not";

/// One certificate is accepted: the pinned one.
#[derive(Debug)]
struct Pinned {
    provider: Arc<CryptoProvider>,
    pin: Option<String>,
    shown: Mutex<Option<String>>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let hash = ring::digest::digest(&ring::digest::SHA256, end_entity);
        let fingerprint: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let told = match &self.pin {
            Some(pinned) if *pinned == fingerprint => return Ok(ServerCertVerified::assertion()),
            Some(pinned) => format!(
                "{NOT_PINNED} the pinned one (pinned {pinned}, shown {fingerprint}): if the daemon was made anew, run `tomo logout` and sign in again"
            ),
            None => format!("{NOT_PINNED} known here, and nothing is sent to a stranger: {}", vouch(&fingerprint)),
        };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint);
        Err(TlsError::General(told))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
