//! How long an agent belongs: its certificate renews itself, ends, or is given back by the host's owner.

use std::time::{SystemTime, UNIX_EPOCH};

use tomo_daemon::clock::Clock;
use tomo_proto::{
    api::{agent::AgentList, audit::AuditSearch, settings::SettingsSet},
    model::{
        agent::{AgentState, AgentSummary},
        settings::SettingChange,
    },
    wire::{
        frame::{decode, encode_framed},
        handshake::{AgentNotice, DaemonNotice, Welcome},
    },
};
use tomo_tests::{
    agent::{ALLOW_NOTHING, TestAgent},
    cli,
    daemon::{Setup, TestDaemon},
    eventually::eventually,
    http::Http,
};

use crate::faults::{copy, dial, failed, hello, identity_of, start};

const SERVER: &str = "web-1";
const DAY_MS: u64 = 86_400_000;

/// A clock that is right at first.
#[expect(clippy::disallowed_methods, reason = "certificates are checked by the agent with the system's clock")]
fn clock() -> Clock {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    Clock::manual(u64::try_from(now).expect("fits"))
}

async fn agent(caller: &Http) -> AgentSummary {
    let agents = caller.call(&AgentList { all: true }).await.expect("answers").agents;
    agents.into_iter().find(|agent| agent.server == SERVER).expect("is known")
}

async fn rows(daemon: &TestDaemon, action: &str) -> usize {
    let request = AuditSearch { action: Some(action.to_owned()), ..AuditSearch::default() };
    daemon.admin().call(&request).await.expect("answers").entries.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_renews_itself_at_a_third_of_its_life_and_nobody_is_locked_out() {
    let clock = clock();
    let daemon = Setup::default().clock(clock.clone()).start().await;
    let admin = daemon.admin();
    let change = SettingChange { name: "sample_interval_secs".to_owned(), value: "1".to_owned() };
    let plan = admin.call(&SettingsSet { changes: vec![change], reason: None }).await.expect("is planned");
    admin.carry_out(plan).await.expect("is set");
    let host = TestAgent::synthetic(&daemon, SERVER).await;
    let enrolled = tempfile::tempdir().expect("a folder");
    copy(&host.state(), enrolled.path());
    // More than two lives, in steps of a little more than a third of a certificate's life.
    let mut expires_at = agent(&admin).await.certificate_expires_at;
    for _ in 0..6 {
        clock.advance(11 * DAY_MS);
        let renewed = async || {
            let now = agent(&admin).await;
            (now.certificate_expires_at > expires_at && now.state == AgentState::Online).then_some(now)
        };
        expires_at =
            eventually("the agent is connected with a newer certificate", renewed).await.certificate_expires_at;
    }
    assert_eq!(rows(&daemon, "agent.renew").await, 6);
    let (old, new) = (identity_of(enrolled.path()), identity_of(&host.state()));
    assert_ne!((&old["key_pem"], &old["certificate_pem"]), (&new["key_pem"], &new["certificate_pem"]));
    assert_eq!((&old["agent"], &old["ca_pem"]), (&new["agent"], &new["ca_pem"]));
    // The last one but one has not ended, but the newer one was used.
    let kept = tempfile::tempdir().expect("a folder");
    copy(&host.state(), kept.path());
    clock.advance(11 * DAY_MS);
    eventually("it is renewed", async || (agent(&admin).await.certificate_expires_at > expires_at).then_some(())).await;
    host.stop().await;
    let reason = failed(&start(kept.path()).expect("starts")).await;
    assert!(reason.contains("has another certificate by now"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_certificate_stays_good_until_the_new_one_was_used() {
    let clock = clock();
    let daemon = Setup::default().clock(clock.clone()).start().await;
    let mut host = TestAgent::synthetic(&daemon, SERVER).await;
    host.halt().await;
    clock.advance(11 * DAY_MS);
    // Like an agent that dies with the new certificate in its hands.
    let identity = identity_of(&host.state());
    let (endpoint, connection) = dial(daemon.hub(), &identity, true).await;
    let (mut say, mut hear) = connection.open_bi().await.expect("opens");
    say.write_all(&hello()).await.expect("is sent");
    let mut next = async || {
        let mut prefix = [0; 4];
        hear.read_exact(&mut prefix).await.expect("goes on");
        let mut body = vec![0; usize::try_from(u32::from_be_bytes(prefix)).expect("fits")];
        hear.read_exact(&mut body).await.expect("goes on");
        body
    };
    assert!(matches!(decode(&next().await).expect("a welcome"), Welcome::Accepted { .. }));
    assert_eq!(decode::<DaemonNotice>(&next().await).expect("a notice"), DaemonNotice::RenewalDue);
    // Any request will do, even one that names somebody else: only its key counts.
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let params = rcgen::CertificateParams::new(vec!["tomo-daemon".to_owned()]).expect("params");
    let csr_pem = params.serialize_request(&key).expect("a request").pem().expect("PEM");
    let renew = encode_framed(&AgentNotice::Renew { csr_pem }).expect("encodes");
    say.write_all(&renew).await.expect("is sent");
    let notice = decode(&next().await).expect("a notice");
    let DaemonNotice::Certificate { certificate_pem } = notice else { panic!("a certificate comes: {notice:?}") };
    assert_ne!(identity["certificate_pem"], certificate_pem);
    // More than one is not given on one connection.
    say.write_all(&renew).await.expect("is sent");
    let reason = crate::faults::closed(&connection).await;
    assert!(reason.contains("no renewal is due"), "{reason}");
    drop(endpoint);

    host.resume().await;
    eventually("the agent goes on with its old one and renews it", async || {
        (identity_of(&host.state())["certificate_pem"] != identity["certificate_pem"]).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_away_for_longer_than_its_certificate_lasts_is_told_to_enroll_anew() {
    let clock = clock();
    let daemon = Setup::default().clock(clock.clone()).start().await;
    let mut host = TestAgent::synthetic(&daemon, SERVER).await;
    host.halt().await;
    clock.advance(29 * DAY_MS);
    host.resume().await;
    eventually("it is back and has renewed", async || (rows(&daemon, "agent.renew").await == 1).then_some(())).await;
    host.halt().await;
    clock.advance(31 * DAY_MS);
    let reason = failed(&start(&host.state()).expect("starts")).await;
    assert!(reason.contains("away for longer than its certificate lasts"), "{reason}");
    assert!(reason.contains("tomo agent token") && reason.contains("tomo-agent install --again"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_leaves_is_shut_out_and_forgets_who_it_was() {
    let mut daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let mut host = TestAgent::spawn(&daemon, SERVER, ALLOW_NOTHING).await;
    let kept = tempfile::tempdir().expect("a folder");
    copy(&host.state(), kept.path());
    host.halt().await;
    let left = cli::run(host.command().arg("leave"), "").await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(left.stdout.lines().last().is_some_and(|line| line.contains("\"done\":true")), "{left:?}");
    assert!(!left.stdout.contains("go on without the daemon"), "{left:?}");
    assert_eq!(agent(&admin).await.state, AgentState::Revoked);
    assert_eq!(rows(&daemon, "agent.leave").await, 1);
    assert!(!host.state().join("identity.json").exists());
    let reason = failed(&start(kept.path()).expect("starts")).await;
    assert!(reason.contains("this agent was revoked"), "{reason}");

    // With the daemon gone it works all the same.
    let mut other = TestAgent::spawn(&daemon, "web-2", ALLOW_NOTHING).await;
    other.halt().await;
    daemon.halt().await;
    let left = cli::run(other.command().arg("leave"), "").await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(
        left.stdout.contains("go on without the daemon") && left.stdout.contains("tomo agent revoke web-2"),
        "{left:?}"
    );
    assert!(!other.state().join("identity.json").exists());
}
