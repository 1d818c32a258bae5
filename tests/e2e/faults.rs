//! What does not belong on the agents' port, and identities that are not what they seem: each is turned away with a reason, and
//! the daemon goes on.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::future::join_all;
use quinn::{ConnectionError, Endpoint, VarInt, crypto::rustls::QuicClientConfig};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tomo_agent::{
    agent::Agent,
    collectors::{Source, Synthetic},
    exec::Exec,
    identity,
    link::Status,
};
use tomo_daemon::clock::Clock;
use tomo_proto::{
    api::{agent::AgentList, audit::AuditSearch, overview::Overview},
    model::{agent::AgentState, audit::AuditOutcome},
    version::{LINK_ALPN, LINK_SERVER_NAME},
    wire::{
        frame::{MAX_FRAME_BYTES, encode_framed},
        handshake::{ENROLMENT_TOKEN_PREFIX, Hello},
    },
};
use tomo_tests::{
    agent::TestAgent,
    daemon::{Setup, TestDaemon},
    eventually::{PATIENCE, eventually, eventually_within},
    http::Http,
};

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The identity that an enrolment left, as anybody can read it who has the folder.
pub(crate) fn identity_of(state: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(state.join("identity.json")).expect("there is an identity");
    serde_json::from_str(&text).expect("it is JSON")
}

/// Connects as an agent does, with its certificate or without one.
pub(crate) async fn dial(
    hub: SocketAddr,
    identity: &serde_json::Value,
    with_certificate: bool,
) -> (Endpoint, quinn::Connection) {
    let pem = |field: &str| identity[field].as_str().expect("is there").as_bytes().to_vec();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem("ca_pem")).expect("PEM")).expect("a CA");
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a version")
        .with_root_certificates(roots);
    let mut tls = if with_certificate {
        let certificate = CertificateDer::from_pem_slice(&pem("certificate_pem")).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(&pem("key_pem")).expect("PEM");
        builder.with_client_auth_cert(vec![certificate], key).expect("they fit")
    } else {
        builder.with_no_client_auth()
    };
    tls.alpn_protocols = vec![LINK_ALPN.to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("TLS 1.3")));
    let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a port is free");
    endpoint.set_default_client_config(config);
    let connection = endpoint.connect(hub, LINK_SERVER_NAME).expect("a name").await.expect("the handshake works");
    (endpoint, connection)
}

/// Why the daemon closed a connection.
pub(crate) async fn closed(connection: &quinn::Connection) -> String {
    match tokio::time::timeout(PATIENCE, connection.closed()).await.expect("it is closed in time") {
        ConnectionError::ApplicationClosed(closed) => String::from_utf8_lossy(&closed.reason).into_owned(),
        other => panic!("it should say why: {other:?}"),
    }
}

pub(crate) fn hello() -> Vec<u8> {
    let hello = Hello {
        oldest_version: tomo_proto::version::LINK_OLDEST,
        newest_version: tomo_proto::version::LINK_NEWEST,
        release: "0".to_owned(),
        boot_id: 7,
        facts: Default::default(),
        policy: Default::default(),
        outbox_first: 1,
        outbox_next: 1,
        clock_ms: 0,
    };
    encode_framed(&hello).expect("it fits")
}

pub(crate) async fn is_up(caller: &Http, server: &str) -> bool {
    let agents = caller.call(&AgentList::default()).await.expect("answers").agents;
    agents.iter().any(|agent| agent.server == server && agent.state == AgentState::Online)
}

async fn refusals(daemon: &TestDaemon, action: &str) -> usize {
    let request =
        AuditSearch { action: Some(action.to_owned()), outcome: Some(AuditOutcome::Denied), ..AuditSearch::default() };
    daemon.admin().call(&request).await.expect("answers").entries.len()
}

/// Starts an agent with made-up figures on an identity that lies somewhere.
pub(crate) fn start(state: &Path) -> anyhow::Result<Agent> {
    Agent::start(state, Source::Synthetic(Box::new(Synthetic::new(1))), Exec::without_engine())
}

pub(crate) async fn failed(agent: &Agent) -> String {
    let mut status = agent.status();
    let failed = status.wait_for(|status| matches!(status, Status::Failed(_)));
    let status = tokio::time::timeout(PATIENCE, failed).await.expect("in time").expect("it lives").clone();
    let Status::Failed(reason) = status else { panic!("it failed") };
    reason
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    std::fs::copy(from.join("identity.json"), to.join("identity.json")).expect("it can be copied");
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_on_the_agents_port_disturbs_nobody() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::synthetic(&daemon, "web-1").await;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let mut noise = vec![0_u8; 1_400];
    let mut seed = 1_u32;
    for length in (0..1_400).step_by(3) {
        for byte in &mut noise[..length] {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = seed.to_be_bytes()[0];
        }
        // Some look like the begin of a handshake.
        if length > 5 && length % 2 == 0 {
            noise[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
        }
        socket.send_to(&noise[..length], daemon.hub()).expect("it can be sent");
    }
    let newcomer = TestAgent::synthetic(&daemon, "web-2").await;
    assert!(is_up(&daemon.admin(), "web-1").await && is_up(&daemon.admin(), "web-2").await);
    newcomer.stop().await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_breaks_the_rules_of_the_link_is_cut_off_with_a_reason() {
    let daemon = TestDaemon::start().await;
    let bystander = TestAgent::synthetic(&daemon, "web-1").await;
    let mut rogue = TestAgent::synthetic(&daemon, "rogue").await;
    rogue.halt().await;
    let identity = identity_of(&rogue.state());

    let (_endpoint, connection) = dial(daemon.hub(), &identity, false).await;
    assert!(closed(&connection).await.contains("tomo-agent enroll"));

    let over = u32::try_from(MAX_FRAME_BYTES + 1).expect("fits").to_be_bytes();
    for (first_words, expected) in [
        (over.to_vec(), "the hello is not understood: frame size too big"),
        (b"\0\0\0\x03abc".to_vec(), "the hello is not understood: message encoding 97"),
        (b"\0\0\0\0".to_vec(), "the hello is not understood: frame is empty"),
    ] {
        let (_endpoint, connection) = dial(daemon.hub(), &identity, true).await;
        let (mut sending, _receiving) = connection.open_bi().await.expect("opens");
        sending.write_all(&first_words).await.expect("is sent");
        let reason = closed(&connection).await;
        assert!(reason.contains(expected), "{reason}");
    }

    for (report, expected) in [
        (over.to_vec(), "a report is not understood: frame size too big"),
        (b"\0\0\0\x02\x01\xc1".to_vec(), "a report is not understood: message does not decode"),
    ] {
        let (_endpoint, connection) = dial(daemon.hub(), &identity, true).await;
        let (mut sending, _receiving) = connection.open_bi().await.expect("opens");
        sending.write_all(&hello()).await.expect("is sent");
        let mut reports = connection.open_uni().await.expect("opens");
        reports.write_all(&report).await.expect("is sent");
        let reason = closed(&connection).await;
        assert!(reason.contains(expected), "{reason}");
    }

    // More streams than an agent needs are not to be had.
    let (_endpoint, connection) = dial(daemon.hub(), &identity, true).await;
    let opened = join_all((0..8).map(|_| tokio::time::timeout(Duration::from_millis(300), connection.open_bi()))).await;
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 2);
    connection.close(VarInt::from_u32(0), b"");
    assert!(is_up(&daemon.admin(), "web-1").await);
    rogue.resume().await;
    assert!(is_up(&daemon.admin(), "rogue").await, "the agent itself is welcome again");
    bystander.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_token_serves_one_host_once() {
    let now_ms = Clock::system().now_ms();
    let clock = Clock::manual(now_ms);
    let daemon = Setup::default().clock(clock.clone()).start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let state = |name: &str| folder.path().join(name);

    let token = daemon.enrolment("web-1", &[]).await;
    let states: Vec<_> = (0..12).map(|number| state(&format!("race-{number}"))).collect();
    let raced = join_all(states.iter().map(|state| identity::enroll(&token, state))).await;
    assert_eq!(raced.iter().filter(|enrolled| enrolled.is_ok()).count(), 1, "{raced:?}");
    for error in raced.iter().filter_map(|enrolled| enrolled.as_ref().err()) {
        assert!(error.to_string().contains("make a new one with `tomo agent token NAME`"), "{error:#}");
    }
    assert!(states.iter().filter(|state| state.join("identity.json").exists()).count() == 1);
    assert_eq!(refusals(&daemon, "agent.enroll").await, 11);

    let late = daemon.enrolment("web-2", &[]).await;
    clock.advance(16 * 60_000);
    let error = identity::enroll(&late, &state("late")).await.expect_err("is refused");
    assert!(error.to_string().contains("make a new one"), "{error:#}");

    // A token leads to the daemon that made it and to no other.
    let elsewhere = TestDaemon::start().await;
    let foreign = elsewhere.enrolment("web-3", &[]).await;
    let port = |daemon: &TestDaemon| daemon.hub().port().to_string();
    let redirected = redirect(&foreign, &port(&elsewhere), &port(&daemon));
    let error = identity::enroll(&redirected, &state("foreign")).await.expect_err("is refused");
    assert!(format!("{error:#}").contains("not the one that made this token"), "{error:#}");
    identity::enroll(&foreign, &state("foreign")).await.expect("it was not used up");
    let again = identity::enroll(&foreign, &state("foreign")).await.expect_err("is refused");
    assert!(again.to_string().contains("enrolled already"), "{again:#}");
    elsewhere.stop().await;
    daemon.stop().await;
}

/// The same token with another address in it.
fn redirect(token: &str, from: &str, to: &str) -> String {
    let body = token.strip_prefix(ENROLMENT_TOKEN_PREFIX).expect("a token");
    let text = URL_SAFE_NO_PAD.decode(body).expect("base 64");
    let text = String::from_utf8(text).expect("JSON").replace(&format!(":{from}\""), &format!(":{to}\""));
    format!("{ENROLMENT_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_another_daemon_is_refused_and_told_what_to_do() {
    let (daemon, elsewhere) = (TestDaemon::start().await, TestDaemon::start().await);
    let mut agent = TestAgent::synthetic(&elsewhere, "web-1").await;
    agent.halt().await;
    identity::set_addresses(&agent.state(), vec![daemon.hub().to_string()]).expect("is written");
    let lost = start(&agent.state()).expect("starts");
    let reason = failed(&lost).await;
    assert!(reason.contains(&daemon.hub().to_string()) && reason.contains("enroll this host anew"), "{reason}");
    lost.shutdown().await;

    // One that trusts this daemon, but whose own certificate another CA has signed.
    let mut local = TestAgent::synthetic(&daemon, "web-2").await;
    local.halt().await;
    let mut mixed = identity_of(&agent.state());
    mixed["ca_pem"] = identity_of(&local.state())["ca_pem"].clone();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("identity.json"), mixed.to_string()).expect("is written");
    let forged = start(folder.path()).expect("starts");
    let reason = failed(&forged).await;
    assert!(reason.contains("certificates do not fit"), "{reason}");
    forged.shutdown().await;
    assert!(!is_up(&daemon.admin(), "web-1").await);
    elsewhere.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_with_one_identity_are_told_apart_and_reported() {
    let daemon = TestDaemon::start().await;
    let mut agent = TestAgent::synthetic(&daemon, "web-1").await;
    agent.halt().await;
    let original = start(&agent.state()).expect("starts");
    let refused = start(&agent.state()).expect_err("one folder serves one agent");
    assert!(refused.to_string().contains("another agent runs with"), "{refused:#}");
    let mut status = original.status();
    drop(status.wait_for(|status| matches!(status, Status::Connected(_))).await.expect("connects"));

    let folder = tempfile::tempdir().expect("a folder");
    copy(&agent.state(), folder.path());
    let clone = start(folder.path()).expect("starts");
    eventually("the first is told that another has come", async || {
        matches!(&*original.status().borrow(), Status::Failed(reason) if reason.contains("connected again"))
            .then_some(())
    })
    .await;
    eventually("the first comes back and is refused", async || {
        matches!(&*original.status().borrow(), Status::Failed(reason) if reason.contains("enroll both hosts anew"))
            .then_some(())
    })
    .await;
    let admin = daemon.admin();
    let problems = admin.call(&Overview::default()).await.expect("answers").problems;
    let problem = problems.iter().find(|problem| problem.message.contains("two agents use its identity"));
    assert_eq!(problem.expect("is reported").subject, "web-1");
    assert_eq!(refusals(&daemon, "agent.connect").await, 1);
    assert!(is_up(&admin, "web-1").await, "the newer one stays");
    clone.shutdown().await;
    original.shutdown().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_agent_is_cut_off_within_a_second() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::synthetic(&daemon, "web-1").await;
    let request = tomo_proto::api::agent::AgentRevoke { agent: "web-1".to_owned(), reason: None };
    daemon.admin().call(&request).await.expect("is revoked");
    let reason = eventually_within(Duration::from_secs(1), "the agent is told", async || {
        match &*agent.in_process().status().borrow() {
            Status::Failed(reason) => Some(reason.clone()),
            _ => None,
        }
    })
    .await;
    assert!(reason.contains("this agent was revoked"), "{reason}");
    // A token for the same name takes the server over.
    let folder = tempfile::tempdir().expect("a folder");
    let token = daemon.enrolment("web-1", &[]).await;
    assert_eq!(identity::enroll(&token, folder.path()).await.expect("is enrolled"), "web-1");
    daemon.stop().await;
}
