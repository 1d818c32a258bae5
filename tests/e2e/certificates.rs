//! Certificates at the agents' port that are not what they should be: each is refused before a byte that its peer sends is read.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use quinn::{Endpoint, crypto::rustls::QuicClientConfig};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SanType, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, SignatureScheme,
    client::ResolvesClientCert,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
    sign::{CertifiedKey, SigningKey},
};
use tomo_proto::{
    api::agent::AgentRevoke,
    id::AgentId,
    version::{LINK_ALPN, LINK_SERVER_NAME},
};
use tomo_tests::{agent::TestAgent, daemon::TestDaemon, eventually::PATIENCE};

use crate::faults::{identity_of, is_up};

/// A chain and the key that signs for it.
type Shown = (Vec<CertificateDer<'static>>, Arc<dyn SigningKey>);

/// Shows a certificate whatever the daemon asks for, whether or not the key is its own.
#[derive(Debug)]
struct Shows(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

fn signing(key: PrivateKeyDer<'static>) -> Arc<dyn SigningKey> {
    rustls::crypto::ring::sign::any_supported_type(&key).expect("a key that signs")
}

fn own(key: &KeyPair) -> Arc<dyn SigningKey> {
    signing(PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

/// What an agent's certificate says.
fn params(agent: AgentId) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("params");
    params.distinguished_name.push(DnType::CommonName, agent.to_string());
    params.subject_alt_names = vec![SanType::URI(format!("tomo:agent:{agent}").try_into().expect("a URI"))];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).expect("a key")
}

/// Connects and says what no daemon understands; why the daemon ended it.
async fn refused(hub: SocketAddr, ca_pem: &str, shown: Option<Shown>) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("PEM")).expect("a CA");
    let shows = Shows(shown.map(|(chain, key)| Arc::new(CertifiedKey::new(chain, key))));
    let mut tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a version")
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(shows));
    tls.alpn_protocols = vec![LINK_ALPN.to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("TLS 1.3")));
    let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a port is free");
    endpoint.set_default_client_config(config);
    let connecting = endpoint.connect(hub, LINK_SERVER_NAME).expect("a name");
    // This side is done before the daemon has looked at the certificate.
    let connection = match tokio::time::timeout(PATIENCE, connecting).await.expect("ends in time") {
        Ok(connection) => connection,
        Err(error) => return error.to_string(),
    };
    if let Ok((mut sending, mut receiving)) = connection.open_bi().await {
        drop(sending.write_all(b"\0\0\0\x03abc").await);
        let mut byte = [0];
        assert!(!matches!(receiving.read(&mut byte).await, Ok(Some(_))), "nothing is answered");
    }
    tokio::time::timeout(PATIENCE, connection.closed()).await.expect("ends in time").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_an_agents_own_is_refused_before_a_byte_is_read() {
    let daemon = TestDaemon::start().await;
    let bystander = TestAgent::synthetic(&daemon, "web-1").await;
    let mut agent = TestAgent::synthetic(&daemon, "web-2").await;
    let mut shut_out = TestAgent::synthetic(&daemon, "web-3").await;
    agent.halt().await;
    let admin = daemon.admin();
    admin.call(&AgentRevoke { agent: "web-3".to_owned(), reason: None }).await.expect("is revoked");
    shut_out.halt().await;

    let of = |state: &Path| {
        let identity = identity_of(state);
        let text = |field: &str| identity[field].as_str().expect("is there").to_owned();
        let certificate = CertificateDer::from_pem_slice(text("certificate_pem").as_bytes()).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(text("key_pem").as_bytes()).expect("PEM");
        (certificate, signing(key), text("agent").parse::<AgentId>().expect("an id"))
    };
    let (good, good_key, id) = of(&agent.state());
    let (revoked, revoked_key, _) = of(&shut_out.state());
    let (others, others_key, _) = of(&bystander.state());
    let ca_pem = fs::read_to_string(daemon.data().join("ca.pem")).expect("is there");
    let ca_key =
        KeyPair::from_pem(&fs::read_to_string(daemon.data().join("ca.key")).expect("is there")).expect("a key");
    let ca_der = CertificateDer::from_pem_slice(ca_pem.as_bytes()).expect("PEM");
    // Even what the daemon's own CA has signed has to be what it signs for agents.
    let ca = Issuer::from_ca_cert_pem(&ca_pem, &ca_key).expect("a CA");
    let mut foreign_params = CertificateParams::new(Vec::new()).expect("params");
    foreign_params.distinguished_name.push(DnType::CommonName, "Tomo CA");
    foreign_params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let foreign_key = key();
    let foreign_der = foreign_params.self_signed(&foreign_key).expect("a CA").der().clone();
    let foreign = Issuer::new(foreign_params, foreign_key);
    let leaf = key();
    let signed = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = params(id);
        change(&mut params);
        let made: Certificate = params.signed_by(&leaf, &ca).expect("a certificate");
        made.der().clone()
    };
    let ecdsa = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let beneath = |issuer_der: &CertificateDer<'static>, issuer_key: &KeyPair| {
        let issuer = Issuer::from_ca_cert_der(issuer_der, issuer_key).expect("an issuer");
        params(id).signed_by(&leaf, &issuer).expect("a certificate").der().clone()
    };
    let middle_key = key();
    let mut middle_params = CertificateParams::new(Vec::new()).expect("params");
    middle_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let middle = middle_params.signed_by(&middle_key, &ca).expect("a certificate").der().clone();
    let mut cut = good.to_vec();
    cut.truncate(good.len() / 2);
    let mut flipped = good.to_vec();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let huge = signed(&|params| {
        let bytes = vec![0; 200_000];
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], bytes)];
    });
    let critical = signed(&|params| {
        let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 2], vec![5, 0]);
        unknown.set_criticality(true);
        params.custom_extensions = vec![unknown];
    });
    let in_the_past = |params: &mut CertificateParams| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    };
    let in_the_future = |params: &mut CertificateParams| {
        (params.not_before, params.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    };
    let san = |names: Vec<SanType>| signed(&|params| params.subject_alt_names.clone_from(&names));
    let uri = |text: &str| SanType::URI(text.try_into().expect("a URI"));
    let stranger = AgentId::from_u64(77);
    let mine = own(&leaf);
    let one = |certificate: CertificateDer<'static>| Some((vec![certificate], Arc::clone(&mine)));

    let corpus: Vec<(&str, Option<Shown>)> = vec![
        ("no certificate", None),
        ("self-signed with the same names", one(params(id).self_signed(&leaf).expect("a certificate").der().clone())),
        (
            "another CA's of the same name",
            one(params(id).signed_by(&leaf, &foreign).expect("a certificate").der().clone()),
        ),
        (
            "another CA's, with that CA along",
            Some((
                vec![params(id).signed_by(&leaf, &foreign).expect("a certificate").der().clone(), foreign_der],
                Arc::clone(&mine),
            )),
        ),
        ("expired", one(signed(&in_the_past))),
        ("not yet valid", one(signed(&in_the_future))),
        ("signed by an agent", Some((vec![beneath(&others, &leaf), others.clone()], Arc::clone(&mine)))),
        ("for servers", one(signed(&|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]))),
        ("a CA itself", one(signed(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)))),
        (
            "below a CA that the daemon's has made",
            Some((vec![beneath(&middle, &middle_key), middle.clone()], Arc::clone(&mine))),
        ),
        ("names nobody", one(san(Vec::new()))),
        ("names a host", one(san(vec![SanType::DnsName(LINK_SERVER_NAME.try_into().expect("a name"))]))),
        ("names an agent that is none", one(san(vec![uri(&format!("tomo:agent:{stranger}"))]))),
        ("names what is no agent", one(san(vec![uri("tomo:agent:../../etc")]))),
        ("the same names, signed by the daemon's CA, and not the one it gave", one(signed(&|_| {}))),
        ("an unknown critical extension", one(critical)),
        ("another key's signature", Some((vec![good.clone()], Arc::clone(&mine)))),
        ("another agent's key", Some((vec![good.clone()], others_key))),
        ("another kind of key", Some((vec![good.clone()], own(&ecdsa)))),
        ("shut out", Some((vec![revoked], revoked_key))),
        ("cut off in the middle", Some((vec![cut.into()], Arc::clone(&good_key)))),
        ("one bit of the signature changed", Some((vec![flipped.into()], Arc::clone(&good_key)))),
        ("no certificate at all, but bytes", Some((vec![b"certificate".to_vec().into()], Arc::clone(&good_key)))),
        ("of 200 000 bytes", one(huge)),
        ("the CA's own", Some((vec![ca_der.clone()], own(&ca_key)))),
        ("behind 100 others", Some(([vec![signed(&|_| {})], vec![middle; 100]].concat(), Arc::clone(&mine)))),
    ];
    assert!(corpus.len() >= 20);
    for (what, shown) in corpus {
        let said = refused(daemon.hub(), &ca_pem, shown).await;
        assert!(!said.contains("understood"), "{what}: what it said was read: {said}");
        assert!(!said.is_empty() && !said.contains("timed out"), "{what}: {said}");
    }
    // The right one is let in all the same: then what it says is read.
    let said = refused(daemon.hub(), &ca_pem, Some((vec![good, ca_der], good_key))).await;
    assert!(said.contains("not understood"), "{said}");
    assert!(is_up(&admin, "web-1").await, "nobody else notices");
    bystander.stop().await;
    daemon.stop().await;
}
