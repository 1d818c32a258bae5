//! Enrolment and its end, as often as is promised: one token and many hosts, and how fast a shut-out agent's link is dead.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tomo_agent::{identity, link::Status};
use tomo_proto::{
    api::{
        agent::{AgentList, AgentRevoke},
        server::ServerList,
    },
    model::agent::AgentState,
};
use tomo_tests::{agent::TestAgent, daemon::TestDaemon, eventually::PATIENCE, rounds::rounds};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_hosts_with_one_token_exactly_one_enrolls() {
    let daemon = TestDaemon::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let token = daemon.enrolment("web-1", &[]).await;
    let states: Vec<_> = (0..rounds(100)).map(|number| folder.path().join(number.to_string())).collect();
    let raced = join_all(states.iter().map(|state| identity::enroll(&token, state))).await;
    let enrolled = raced.iter().filter(|enrolled| enrolled.is_ok()).count();
    assert_eq!(enrolled, 1, "of {}", raced.len());
    // A machine that is busy enough leaves some without an answer.
    const REFUSED: [&str; 3] =
        ["make a new one with `tomo agent token NAME`", "too many enrolments", "no daemon could be reached"];
    for error in raced.iter().filter_map(|enrolled| enrolled.as_ref().err()) {
        let said = format!("{error:#}");
        assert!(REFUSED.iter().any(|refused| said.contains(refused)), "{said}");
    }
    assert_eq!(states.iter().filter(|state| state.join("identity.json").exists()).count(), 1);
    let admin = daemon.admin();
    assert_eq!(admin.call(&AgentList { all: true }).await.expect("answers").agents.len(), 1);
    assert_eq!(admin.call(&ServerList::default()).await.expect("answers").total, 1);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the figures are what tests/soak is for")]
async fn a_link_is_dead_within_a_second_of_its_agent_being_shut_out_every_time() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let mut took = Vec::new();
    for round in 0..rounds(5) {
        let name = format!("web-{round}");
        let agent = TestAgent::synthetic(&daemon, &name).await;
        let mut status = agent.in_process().status();
        let request = AgentRevoke { agent: name, reason: None };
        assert_eq!(admin.call(&request).await.expect("is revoked").state, AgentState::Revoked);
        let answered = Instant::now();
        let dead = status.wait_for(|status| matches!(status, Status::Failed(_)));
        drop(tokio::time::timeout(PATIENCE, dead).await.expect("in time").expect("it lives"));
        took.push(answered.elapsed());
        agent.stop().await;
    }
    took.sort();
    let (middle, longest) = (took[took.len() / 2], took[took.len() - 1]);
    println!("{} links: half dead within {middle:?} of the answer, all within {longest:?}", took.len());
    assert!(longest < Duration::from_secs(1), "{took:?}");
    assert!(admin.call(&AgentList::default()).await.expect("answers").agents.is_empty(), "they are not listed");
    daemon.stop().await;
}
