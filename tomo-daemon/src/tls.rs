//! The daemon's own CA and the TLS configurations made from it. Only this module and [`crate::hub`] know rustls and rcgen.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, SanType,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime, pem::PemObject as _},
    server::WebPkiClientVerifier,
    time_provider::TimeProvider,
};
use tomo_proto::{
    id::AgentId,
    version::{ENROLL_ALPN, LINK_ALPN, LINK_SERVER_NAME},
};

use crate::{
    clock::Clock,
    crypto::{SigningKey, read_private, sha256_hex, write_private},
};

const DAY_MS: u64 = 86_400_000;
/// Lives of certificates. The CA's is long since every agent pins it.
const CA_DAYS: u64 = 7_300;
const HTTP_DAYS: u64 = 1_825;
const HUB_DAYS: u64 = 1_825;
/// An agent renews its certificate at a third of its life; a host that is away for longer than the rest has to enroll anew.
const AGENT_DAYS: u64 = 30;
/// An HTTP certificate is made anew when less than this is left of it.
const HTTP_RENEW_DAYS: u64 = 30;
/// Head of the URI that names an agent in its certificate.
const AGENT_URI: &str = "tomo:agent:";

/// The daemon's CA, with its key. Cheap to clone.
#[derive(Clone)]
pub struct Authority {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    certificate_pem: String,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    reset_key: ring::hmac::Key,
    clock: Clock,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Authority").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

/// The CA's key, for what is signed besides certificates: heads of the audit trail. Whoever puts another key in its place loses every
/// agent, so that it cannot be exchanged unseen.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn signing_key(folder: &Path) -> anyhow::Result<SigningKey> {
    let path = folder.join("ca.key");
    let pem = read_private(&path)?;
    let read = || SigningKey::from_pkcs8(PrivateKeyDer::from_pem_slice(&pem)?.secret_der());
    read().with_context(|| format!("{} holds no key", path.display()))
}

/// A certificate made for an agent.
#[derive(Debug)]
pub(crate) struct AgentCertificate {
    pub(crate) pem: String,
    pub(crate) fingerprint: String,
    pub(crate) expires_at: u64,
}

impl Authority {
    /// Makes the CA in a folder (key 0600, create-then-rename).
    ///
    /// # Errors
    /// Names the file and what the system said.
    pub fn create(folder: &Path, clock: &Clock) -> anyhow::Result<Self> {
        let (key_path, certificate_path) = (folder.join("ca.key"), folder.join("ca.pem"));
        if key_path.exists() {
            bail!("{} is there already: a CA is not overwritten", key_path.display());
        }
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "Tomo CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        limit_life(&mut params, clock.now_ms(), CA_DAYS)?;
        let certificate = params.self_signed(&key)?;
        write_private(&certificate_path, certificate.pem().as_bytes())?;
        write_private(&key_path, key.serialize_pem().as_bytes())?;
        Self::open(folder, clock)
    }

    /// Reads the CA from its folder.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn open(folder: &Path, clock: &Clock) -> anyhow::Result<Self> {
        let (key_path, certificate_path) = (folder.join("ca.key"), folder.join("ca.pem"));
        let key_pem = read_private(&key_path)?;
        let key_pem = std::str::from_utf8(&key_pem).with_context(|| format!("{} is not PEM", key_path.display()))?;
        let key = KeyPair::from_pem(key_pem).with_context(|| format!("{} holds no key", key_path.display()))?;
        let reset_key = derive_key(&key, b"tomo/stateless-reset");
        let certificate_pem = fs::read_to_string(&certificate_path)
            .with_context(|| format!("cannot read {}", certificate_path.display()))?;
        let parse = || -> anyhow::Result<_> {
            let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())?;
            Ok((certificate, Issuer::from_ca_cert_pem(&certificate_pem, key)?))
        };
        let (certificate, issuer) =
            parse().with_context(|| format!("{} holds no certificate", certificate_path.display()))?;
        let (folder, clock) = (folder.to_owned(), clock.clone());
        let inner = Inner { folder, certificate_pem, certificate, issuer, reset_key, clock };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// SHA-256 of the CA's certificate (DER), hex: what enrolment tokens carry.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        sha256_hex(&self.inner.certificate)
    }

    pub(crate) fn certificate_pem(&self) -> &str {
        &self.inner.certificate_pem
    }

    /// TLS for the HTTP side with a certificate for these names and addresses, and the SHA-256 of that certificate (DER), hex,
    /// which clients pin. The certificate is kept in the CA's folder, so that its fingerprint stays while it lasts.
    ///
    /// # Errors
    /// A name does not fit into a certificate, or the files cannot be written.
    pub fn http_config(&self, names: &[String]) -> anyhow::Result<(Arc<ServerConfig>, String)> {
        let path = self.inner.folder.join("http.pem");
        let now_ms = self.inner.clock.now_ms();
        let kept = if path.exists() { read_pair(&read_private(&path)?, names, now_ms) } else { None };
        let (certificate, key) = match kept {
            Some(pair) => pair,
            None => {
                let (pem, pair) = self.issue_server(names, now_ms, HTTP_DAYS)?;
                write_private(&path, pem.as_bytes())?;
                pair
            }
        };
        let fingerprint = sha256_hex(&certificate);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![certificate, self.inner.certificate.clone()], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok((Arc::new(config), fingerprint))
    }

    /// TLS for the agents' listener: a certificate is asked for; who has none can only enroll.
    pub(crate) fn hub_config(&self) -> anyhow::Result<ServerConfig> {
        let name = LINK_SERVER_NAME.to_owned();
        let (_, (certificate, key)) = self.issue_server(&[name], self.inner.clock.now_ms(), HUB_DAYS)?;
        let mut roots = RootCertStore::empty();
        roots.add(self.inner.certificate.clone())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .allow_unauthenticated()
            .build()
            .context("the CA cannot verify agents")?;
        let mut config = ServerConfig::builder_with_details(provider(), Arc::new(self.inner.clock.clone()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate, self.inner.certificate.clone()], key)?;
        config.alpn_protocols = vec![LINK_ALPN.to_vec(), ENROLL_ALPN.to_vec()];
        Ok(config)
    }

    /// Signs the resets of connections that this daemon does not know: the same after a restart, so that agents believe it and
    /// come back at once.
    pub(crate) fn reset_key(&self) -> ring::hmac::Key {
        self.inner.reset_key.clone()
    }

    /// Signs an agent's request. Only its key counts: everything else is set here.
    pub(crate) fn sign_agent(&self, csr_pem: &str, agent: AgentId) -> anyhow::Result<AgentCertificate> {
        let now_ms = self.inner.clock.now_ms();
        let mut request = CertificateSigningRequestParams::from_pem(csr_pem).context("the request does not parse")?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, agent.to_string());
        params.subject_alt_names = vec![SanType::URI(format!("{AGENT_URI}{agent}").try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        limit_life(&mut params, now_ms, AGENT_DAYS)?;
        request.params = params;
        let certificate = request.signed_by(&self.inner.issuer)?;
        Ok(AgentCertificate {
            pem: certificate.pem(),
            fingerprint: sha256_hex(certificate.der()),
            expires_at: now_ms + AGENT_DAYS * DAY_MS,
        })
    }

    fn issue_server(&self, names: &[String], now_ms: u64, days: u64) -> anyhow::Result<(String, Pair)> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(names.to_vec())
            .with_context(|| format!("{} does not fit into a certificate", names.join(", ")))?;
        params.distinguished_name.push(DnType::CommonName, "Tomo daemon");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        limit_life(&mut params, now_ms, days)?;
        let certificate = params.signed_by(&key, &self.inner.issuer)?;
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        Ok((pem, (certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())))
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.now_ms())))
    }
}

/// When a certificate that ends then is to be renewed.
pub(crate) const fn renewal_due_at(expires_at: u64) -> u64 {
    expires_at.saturating_sub(AGENT_DAYS * DAY_MS / 3 * 2)
}

fn derive_key(key: &KeyPair, purpose: &[u8]) -> ring::hmac::Key {
    use ring::hmac::{HMAC_SHA256, Key, sign};
    let root = Key::new(HMAC_SHA256, &key.serialize_der());
    Key::new(HMAC_SHA256, sign(&root, purpose).as_ref())
}

type Pair = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// For addresses of the public net: whom the system trusts is trusted.
///
/// # Errors
/// TLS cannot be set up.
pub(crate) fn public() -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = rustls::ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// From a day before now, since clocks differ, to `days` after.
fn limit_life(params: &mut CertificateParams, now_ms: u64, days: u64) -> anyhow::Result<()> {
    let date = |ms: u64| -> anyhow::Result<_> {
        let date = jiff::Timestamp::from_millisecond(i64::try_from(ms)?)?.to_zoned(jiff::tz::TimeZone::UTC);
        Ok(rcgen::date_time_ymd(date.year().into(), date.month().cast_unsigned(), date.day().cast_unsigned()))
    };
    params.not_before = date(now_ms.saturating_sub(DAY_MS)).context("the clock is off")?;
    params.not_after = date(now_ms + days * DAY_MS).context("the clock is off")?;
    Ok(())
}

/// The kept HTTP certificate and key, if they still serve these names for a while.
fn read_pair(pem: &[u8], names: &[String], now_ms: u64) -> Option<Pair> {
    use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
    let certificate = CertificateDer::from_pem_slice(pem).ok()?;
    let key = PrivateKeyDer::from_pem_slice(pem).ok()?;
    let (_, parsed) = X509Certificate::from_der(&certificate).ok()?;
    let ends_ms = u64::try_from(parsed.validity().not_after.timestamp()).ok()?.saturating_mul(1_000);
    let kept: Vec<String> = parsed
        .subject_alternative_name()
        .ok()??
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
                Ok(four) => Some(std::net::Ipv4Addr::from(four).to_string()),
                Err(_) => <[u8; 16]>::try_from(*bytes).ok().map(|all| std::net::Ipv6Addr::from(all).to_string()),
            },
            _ => None,
        })
        .collect();
    let serves = names.iter().all(|name| kept.contains(name)) && ends_ms > now_ms + HTTP_RENEW_DAYS * DAY_MS;
    serves.then(|| (certificate.into_owned(), key))
}

/// The agent a client certificate (already checked against the CA) speaks for.
pub(crate) fn agent_in(certificate: &CertificateDer<'_>) -> Option<AgentId> {
    use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::URI(uri) => uri.strip_prefix(AGENT_URI)?.parse().ok(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn an_agents_certificate_says_what_the_daemon_wants() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(NOW);
        let authority = Authority::create(folder.path(), &clock).expect("makes a CA");
        assert!(Authority::create(folder.path(), &clock).is_err(), "a CA is not overwritten");
        let again = Authority::open(folder.path(), &clock).expect("reads the CA");
        assert_eq!(authority.fingerprint(), again.fingerprint());
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let wanted = CertificateParams::new(vec!["tomo-daemon".to_owned()]).expect("params");
        let csr = wanted.serialize_request(&key).expect("a request").pem().expect("PEM");
        let agent = AgentId::from_parts(NOW, 7);
        let signed = again.sign_agent(&csr, agent).expect("signs");
        let certificate = CertificateDer::from_pem_slice(signed.pem.as_bytes()).expect("parses");
        assert_eq!(agent_in(&certificate), Some(agent));
        assert_eq!(sha256_hex(&certificate), signed.fingerprint);
        assert!(!signed.pem.contains("tomo-daemon"));
        assert!(authority.sign_agent("garbage", agent).is_err());
    }

    #[test]
    fn the_http_certificate_is_kept_while_it_serves() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(NOW);
        let authority = Authority::create(folder.path(), &clock).expect("makes a CA");
        let names = ["tomo.lan".to_owned(), "192.0.2.7".to_owned()];
        let (_, first) = authority.http_config(&names).expect("a certificate");
        assert_eq!(authority.http_config(&names).expect("a certificate").1, first);
        assert_ne!(authority.http_config(&["other.lan".to_owned()]).expect("a certificate").1, first);
        let (_, second) = authority.http_config(&names).expect("a certificate");
        clock.advance((HTTP_DAYS - 10) * DAY_MS);
        assert_ne!(authority.http_config(&names).expect("a certificate").1, second);
    }
}
