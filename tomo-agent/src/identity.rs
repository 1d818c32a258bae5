//! Who this agent is: its key, its certificate, the CA it trusts and where the daemon is. Files 0600.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, FramedWrite};
use tomo_proto::{
    id::{AgentId, ServerId},
    version::{ENROLL_ALPN, LINK_ALPN},
    wire::{
        frame::{decode, encode},
        handshake::{ENROLMENT_TOKEN_PREFIX, EnrollAnswer, EnrollRequest, EnrolmentToken},
    },
};

use crate::link::{codec, dial, open_endpoint, resolve};

const ENROLL_TIMEOUT: Duration = Duration::from_secs(10);
/// Name of the file in the state folder.
pub(crate) const IDENTITY_FILE: &str = "identity.json";

/// What enrolment left in the state folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// Id of this agent.
    pub agent: AgentId,
    /// Server it speaks for.
    pub server: ServerId,
    /// Name of that server.
    pub server_name: String,
    /// Where the daemon listens, `host:port` each.
    pub addresses: Vec<String>,
    certificate_pem: String,
    key_pem: String,
    ca_pem: String,
}

impl Identity {
    /// Reads the identity of a state folder.
    ///
    /// # Errors
    /// There is none yet, or it cannot be read.
    pub fn load(state: &Path) -> anyhow::Result<Self> {
        let path = state.join(IDENTITY_FILE);
        let bytes = fs::read(&path).with_context(|| {
            format!(
                "this host is not enrolled ({} cannot be read): run `tomo agent token NAME` where the daemon is managed, then \
                 `tomo-agent enroll --state {}` here",
                path.display(),
                state.display()
            )
        })?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is damaged: remove it and enroll this host anew", path.display()))
    }

    /// The same agent with another key and the certificate for it.
    pub(crate) fn renewed(&self, key_pem: String, certificate_pem: String) -> Self {
        Self { key_pem, certificate_pem, ..self.clone() }
    }

    /// TLS with this agent's certificate, trusting its daemon's CA and nothing else.
    pub(crate) fn tls(&self) -> anyhow::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca_pem.as_bytes())?)?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(self.certificate_pem.as_bytes())?],
                PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())?,
            )?;
        config.alpn_protocols = vec![LINK_ALPN.to_vec()];
        Ok(config)
    }
}

/// A new key (PEM), and the request (PEM) to certify it. The key stays on this host.
pub(crate) fn make_key() -> anyhow::Result<(String, String)> {
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let csr_pem = CertificateParams::new(Vec::new())?.serialize_request(&key)?.pem()?;
    Ok((key.serialize_pem(), csr_pem))
}

/// Says where the daemon listens from now on; `false` if the folder holds no identity. For `tomo local`, whose port may change.
///
/// # Errors
/// The identity cannot be read or written.
pub fn set_addresses(state: &Path, addresses: Vec<String>) -> anyhow::Result<bool> {
    if !state.join(IDENTITY_FILE).exists() {
        return Ok(false);
    }
    let mut identity = Identity::load(state)?;
    if identity.addresses != addresses {
        identity.addresses = addresses;
        write(state, &identity)?;
    }
    Ok(true)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Makes a key pair, proves the enrolment token over a connection pinned to the CA's fingerprint in it, and writes what comes
/// back to `state`. Returns the server's name.
///
/// # Errors
/// Says what was tried and what to do next; nothing half-written remains.
pub async fn enroll(token: &str, state: &Path) -> anyhow::Result<String> {
    let token = parse_token(token)?;
    ensure!(
        !state.join(IDENTITY_FILE).exists(),
        "this host is enrolled already: remove {} first to enroll it anew",
        state.join(IDENTITY_FILE).display()
    );
    redeem(&token, state).await
}

/// The same for a token that is read already; an identity that is there is replaced.
pub(crate) async fn redeem(token: &EnrolmentToken, state: &Path) -> anyhow::Result<String> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .with_context(|| format!("cannot make {}", state.display()))?;
    let (key_pem, csr_pem) = make_key()?;
    let request = EnrollRequest { secret: token.secret.clone(), csr_pem };
    let (address, answer) = try_each(token, |address| ask(address, &token.ca_fingerprint, &request)).await?;
    match answer {
        EnrollAnswer::Enrolled { agent, server, server_name, certificate_pem, ca_pem } => {
            let addresses = token.addresses.clone();
            let identity = Identity { agent, server, server_name, addresses, certificate_pem, key_pem, ca_pem };
            write(state, &identity)?;
            Ok(identity.server_name)
        }
        EnrollAnswer::Refused { reason } => {
            bail!("the daemon at {address} refused: {}", tomo_proto::text::display_line(&reason, 300))
        }
    }
}

/// Where the daemon that made a token can be reached, and the round trip to it; the token is not used up.
pub(crate) async fn reach(token: &EnrolmentToken) -> anyhow::Result<(&str, Duration)> {
    let reached = async |address: String| {
        let (endpoint, connection) = pinned(&address, &token.ca_fingerprint).await?;
        let round_trip = connection.rtt();
        connection.close(0_u32.into(), b"only looking");
        endpoint.wait_idle().await;
        Ok(round_trip)
    };
    try_each(token, reached).await
}

/// The first address of a token that answers, with its answer.
async fn try_each<T, Attempt: Future<Output = anyhow::Result<T>>>(
    token: &EnrolmentToken,
    attempt: impl Fn(String) -> Attempt,
) -> anyhow::Result<(&str, T)> {
    let mut tried = Vec::new();
    for address in &token.addresses {
        match timeout(ENROLL_TIMEOUT, attempt(address.clone())).await {
            Ok(Ok(answer)) => return Ok((address, answer)),
            Ok(Err(error)) => tried.push(format!("{address}: {error:#}")),
            Err(_) => {
                let seconds = ENROLL_TIMEOUT.as_secs();
                tried.push(format!(
                    "{address}: no answer in {seconds} s: UDP is blocked; open it from this host to {address}, in every firewall on the way"
                ));
            }
        }
    }
    bail!("no daemon could be reached: {}", tried.join("; "))
}

/// Marks an identity as in use, for as long as the file stays open.
///
/// # Errors
/// Another agent of this host uses it.
pub(crate) fn lock(state: &Path) -> anyhow::Result<fs::File> {
    use rustix::fs::{FlockOperation, flock};
    let path = state.join(IDENTITY_FILE);
    let file = fs::File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .with_context(|| format!("another agent runs with {}: stop that one first", path.display()))?;
    Ok(file)
}

/// Reads an enrolment token.
///
/// # Errors
/// Says where one comes from.
pub(crate) fn parse_token(text: &str) -> anyhow::Result<EnrolmentToken> {
    let read = || -> Option<EnrolmentToken> {
        let body = text.trim().strip_prefix(ENROLMENT_TOKEN_PREFIX)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
    };
    let token = read().with_context(|| {
        format!("this is not an enrolment token (they begin with {ENROLMENT_TOKEN_PREFIX}): make one with `tomo agent token NAME`")
    })?;
    ensure!(!token.addresses.is_empty(), "the enrolment token names no address of the daemon: make a new one");
    Ok(token)
}

/// Connects to the daemon that a fingerprint names, without a certificate.
async fn pinned(address: &str, fingerprint: &str) -> anyhow::Result<(quinn::Endpoint, quinn::Connection)> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PinnedCa { fingerprint: fingerprint.to_owned() }))
        .with_no_client_auth();
    config.alpn_protocols = vec![ENROLL_ALPN.to_vec()];
    let socket = resolve(address).await?;
    let endpoint = open_endpoint(socket, config)?;
    let connection = dial(&endpoint, socket).await.map_err(|error| {
        // This side finds that nobody whom the token's fingerprint names has signed the daemon's certificate.
        let is_another = error.to_string().contains("UnknownIssuer");
        if is_another { error.context("the daemon there is not the one that made this token") } else { error }
    })?;
    Ok((endpoint, connection))
}

async fn ask(address: String, fingerprint: &str, request: &EnrollRequest) -> anyhow::Result<EnrollAnswer> {
    let (endpoint, connection) = pinned(&address, fingerprint).await?;
    let (sending, receiving) = connection.open_bi().await?;
    let mut sending = FramedWrite::new(sending, codec());
    sending.send(Bytes::from(encode(request)?)).await?;
    let frame = FramedRead::new(receiving, codec()).next().await.context("the daemon hung up")??;
    let answer = decode(&frame)?;
    connection.close(0_u32.into(), b"done");
    endpoint.wait_idle().await;
    Ok(answer)
}

/// Trusts exactly one CA, known by its fingerprint; the daemon sends it along with its own certificate.
#[derive(Debug)]
struct PinnedCa {
    fingerprint: String,
}

impl ServerCertVerifier for PinnedCa {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let ca = intermediates
            .iter()
            .find(|certificate| sha256_hex(certificate) == self.fingerprint)
            .ok_or(TlsError::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| TlsError::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(TlsError::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One file, written beside its place and renamed into it: it is there whole or not at all. It belongs to whom its folder belongs
/// to: root installs what another user runs.
pub(crate) fn write(state: &Path, identity: &Identity) -> anyhow::Result<()> {
    let path = state.join(IDENTITY_FILE);
    let beside = state.join("identity.new");
    let body = serde_json::to_vec_pretty(identity)?;
    let write = || {
        // What lies in its way is removed, not followed.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(&body)?;
        let (folder, own) = (fs::metadata(state)?, file.metadata()?);
        if (own.uid(), own.gid()) != (folder.uid(), folder.gid()) {
            fchown(&file, Some(folder.uid()), Some(folder.gid()))?;
        }
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        fs::File::open(state)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_token_is_refused_before_anything_is_sent() {
        let state = tempfile::tempdir().expect("a folder");
        for bad in ["", "tomo_x_y", "tomo-enroll-", "tomo-enroll-!!!", "tomo-enroll-e30"] {
            let error = enroll(bad, state.path()).await.expect_err("is refused").to_string();
            assert!(error.contains("tomo agent token NAME"), "{bad}: {error}");
        }
        assert_eq!(fs::read_dir(state.path()).expect("reads").count(), 0);
    }
}
