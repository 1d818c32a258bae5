//! Installing the agent on a real host while something fails: the connection, the daemon, the way of UDP, or the installation of an
//! agent in another one's place.

use std::{collections::BTreeMap, net::SocketAddr};

use tomo_proto::{
    api::{
        agent::AgentList,
        operation::OperationGet,
        person::{AddServer, ConnectServer, SecretText, SshSecret},
        server::ServerGet,
    },
    model::{
        agent::{AgentState, AgentSummary},
        operation::{Operation, OperationStatus},
        server::ServerDetail,
        ssh::InstallRights,
    },
};
use tomo_tests::{
    cli::Tomo,
    daemon::{PASSWORD, Setup, TestDaemon},
    eventually::{PATIENCE, eventually, eventually_within},
    http::Http,
    real_host::RealHost,
    relay::Relay,
};

/// Where an installation stays a while, so that a test can come in between.
const SYSUSERS: &str = "/usr/bin/systemd-sysusers";
const SLOW: &str = "sleep 3; exec \"$0.real\" \"$@\"";

async fn daemon_for(host: &RealHost) -> TestDaemon {
    Setup::default().set("HUB__LISTEN", &format!("{}:0", host.gateway())).spawn().await
}

fn credential() -> SshSecret {
    SshSecret::Password { password: SecretText::new(PASSWORD) }
}

fn adding(host: &RealHost, address: &str, port: u16) -> AddServer {
    AddServer {
        name: "web-1".to_owned(),
        host: address.to_owned(),
        port,
        user: "ana".to_owned(),
        labels: BTreeMap::from([("role".to_owned(), "web".to_owned())]),
        host_key: host.host_key(),
        credential: credential(),
        sudo_password: None,
        jump: None,
        install: Some(InstallRights::Metrics),
        update_key: None,
        again: false,
        keep_credential: false,
    }
}

async fn now(admin: &Http, operation: &str) -> Option<Operation> {
    admin.call(&OperationGet { operation: operation.to_owned(), wait_s: None }).await.ok()
}

/// Waits for a step of an operation.
async fn step(admin: &Http, operation: &str, step: &str) {
    eventually(step, async || now(admin, operation).await?.log.iter().any(|line| line.contains(step)).then_some(()))
        .await;
}

async fn end(admin: &Http, operation: &str) -> Operation {
    let over = async || now(admin, operation).await.filter(|operation| operation.status.is_final());
    eventually_within(PATIENCE * 4, "the operation ends", over).await
}

async fn look(admin: &Http) -> Option<ServerDetail> {
    admin.call(&ServerGet { server: "web-1".to_owned(), include: Vec::new() }).await.ok()
}

async fn online(admin: &Http) {
    let connected = async || look(admin).await.filter(|server| server.summary.agent == AgentState::Online);
    drop(eventually_within(PATIENCE * 3, "the agent is connected", connected).await);
}

/// The agents that were not shut out.
async fn agents(admin: &Http) -> Vec<AgentSummary> {
    admin.call(&AgentList::default()).await.expect("answers").agents
}

/// Waits until the host's files are again what they were.
async fn as_before(host: &RealHost, before: &[String], what: &str) {
    eventually_within(PATIENCE * 2, &format!("nothing is left of {what}"), async || {
        (host.files() == before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_installed_again_takes_over_only_once_it_is_there() {
    let host = RealHost::start().await;
    let daemon = daemon_for(&host).await;
    let admin = daemon.admin();
    let begun = admin.person(&adding(&host, host.address(), 22)).await.expect("begins");
    assert_eq!(end(&admin, &begun.operation.to_string()).await.status, OperationStatus::Succeeded);
    let first = agents(&admin).await.remove(0).id;
    let again = ConnectServer {
        server: "web-1".to_owned(),
        host_key: None,
        credential: Some(credential()),
        sudo_password: None,
        install: Some(InstallRights::Metrics),
        update_key: None,
        again: true,
        keep_credential: false,
    };
    // What the agent keeps is there once the daemon has told it the trail's head.
    let heads = async || host.files().contains(&"/var/lib/tomo-agent/audit.heads".to_owned()).then_some(());
    eventually("the agent keeps the trail's head", heads).await;
    let before = host.files();
    // Fails before it has enrolled, and afterwards.
    for (program, script) in
        [(SYSUSERS, "exit 1"), ("/usr/bin/systemctl", "[ $1 = restart ] && exit 1; exec \"$0.real\" \"$@\"")]
    {
        host.wrap(program, script);
        let begun = admin.person(&again).await.expect("begins");
        let failed = end(&admin, &begun.operation.to_string()).await;
        host.unwrap_program(program);
        assert_eq!(failed.status, OperationStatus::Failed, "{failed:?}");
        let error = failed.error.expect("says why");
        assert!(error.message.contains("everything is as it was"), "{program}: {error:?}");
        online(&admin).await;
        let known: Vec<_> = agents(&admin).await.iter().map(|agent| agent.id).collect();
        assert_eq!(known, [first], "{program}: the old one stays good, the new one is none");
        as_before(&host, &before, program).await;
    }
    let begun = admin.person(&again).await.expect("begins");
    let done = end(&admin, &begun.operation.to_string()).await;
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    online(&admin).await;
    let known = agents(&admin).await;
    assert!(known.len() == 1 && known[0].id != first && known[0].state == AgentState::Online, "{known:?}");
    let all = admin.call(&AgentList { all: true }).await.expect("answers").agents;
    let old = all.iter().find(|agent| agent.id == first).expect("is still told of");
    assert_eq!(old.state, AgentState::Revoked);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_in_the_middle_of_an_installation_finds_out_how_it_ended() {
    let host = RealHost::start().await;
    let mut daemon = daemon_for(&host).await;
    let before = host.files();
    host.wrap(SYSUSERS, SLOW);
    let wrapped = host.files();
    let admin = daemon.admin();
    let begun = admin.person(&adding(&host, host.address(), 22)).await.expect("begins").operation.to_string();
    step(&admin, &begun, "agent: make the users").await;
    daemon.kill().await;
    daemon.respawn().await;
    let admin = daemon.admin();
    let undone = end(&admin, &begun).await;
    assert_eq!(undone.status, OperationStatus::Failed, "{undone:?}");
    let error = undone.error.expect("says why");
    assert!(error.message.contains("the daemon stopped in the middle") && error.next.is_some(), "{error:?}");
    assert!(look(&admin).await.is_none(), "no half of a server is left");
    as_before(&host, &wrapped, "what the host was left alone with").await;
    host.unwrap_program(SYSUSERS);
    assert_eq!(host.files(), before);

    let begun = admin.person(&adding(&host, host.address(), 22)).await.expect("begins").operation.to_string();
    step(&admin, &begun, "agent: start the agent").await;
    daemon.kill().await;
    daemon.respawn().await;
    let admin = daemon.admin();
    let done = end(&admin, &begun).await;
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    online(&admin).await;
    let server = look(&admin).await.expect("is there").summary;
    let ssh = server.ssh.expect("it is known how it is reached");
    assert_eq!((ssh.host.as_str(), ssh.user.as_str(), ssh.credential_kept), (host.address(), "ana", false));
    assert_eq!((ssh.host_key, server.labels["role"].as_str()), (Some(host.host_key()), "web"));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_whose_connection_is_lost_is_undone_or_stands_and_says_which() {
    let host = RealHost::start().await;
    let daemon = daemon_for(&host).await;
    let admin = daemon.admin();
    let address: SocketAddr = format!("{}:22", host.address()).parse().expect("an address");
    let relay = Relay::to(address).await;
    host.wrap(SYSUSERS, SLOW);
    let before = host.files();
    let begin = async || {
        let request = adding(&host, "127.0.0.1", relay.port());
        admin.person(&request).await.expect("begins").operation.to_string()
    };
    // While it is carried over, and while it installs itself: by the way there, and by the host's sshd.
    for (at, by_host) in
        [("carry the agent over", false), ("agent: make the users", false), ("agent: make the users", true)]
    {
        let operation = begin().await;
        step(&admin, &operation, at).await;
        if by_host {
            host.kill_sessions("ana")
        } else {
            relay.cut()
        }
        let lost = end(&admin, &operation).await;
        assert_eq!(lost.status, OperationStatus::Failed, "{at}: {lost:?}");
        let error = lost.error.expect("says why");
        assert!(error.message.contains("everything on the host is as it was"), "{at}: {error:?}");
        assert!(error.next.is_some_and(|next| next.contains("try again")), "{at}");
        assert_eq!(host.files(), before, "{at}");
        assert!(look(&admin).await.is_none(), "{at}");
    }
    // Nobody gets there any more: what may be left is named.
    let operation = begin().await;
    step(&admin, &operation, "carry the agent over").await;
    relay.close();
    let lost = end(&admin, &operation).await;
    let error = lost.error.expect("says why");
    let next = error.next.clone().expect("says what to do");
    assert!(error.message.contains("cannot be reached any more"), "{error:?} {next}");
    assert!(look(&admin).await.is_none());
    let left = next.strip_prefix("remove ").and_then(|rest| rest.split(' ').next()).expect("names the folder");
    drop(host.exec(&["rm", "-r", left]));
    assert_eq!(host.files(), before);

    // After the last word the host finishes alone, and the agent itself tells it.
    relay.cut();
    let operation = begin().await;
    step(&admin, &operation, "agent: start the agent").await;
    relay.cut();
    let done = end(&admin, &operation).await;
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    online(&admin).await;
    assert_eq!(host.exec(&["find", "/tmp", "-maxdepth", "1", "-name", "tomo-*"]), "");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_udp_is_blocked_is_told_which_port_to_open_before_anything_is_installed() {
    let host = RealHost::start().await;
    let daemon = daemon_for(&host).await;
    let before = host.files();
    let admin = daemon.admin();
    let request = AddServer { keep_credential: true, ..adding(&host, host.address(), 22) };
    let add = async || {
        let begun = admin.person(&request).await.expect("begins");
        end(&admin, &begun.operation.to_string()).await
    };
    host.block_udp(daemon.hub().port(), true);
    let blocked = add().await;
    let said = format!("UDP is blocked; open it from this host to {}", daemon.hub());
    assert!(blocked.error.as_ref().is_some_and(|error| error.message.contains(&said)), "{blocked:?}");
    assert!(!blocked.log.iter().any(|line| line.contains("copy the program")), "nothing is installed yet: {blocked:?}");
    assert_eq!(host.files(), before);
    host.block_udp(daemon.hub().port(), false);
    let added = add().await;
    let said = format!("the daemon answers at {} (UDP) in ", daemon.hub());
    assert!(added.log.iter().any(|line| line.contains(&said)), "{added:?}");
    let tomo = Tomo::at_socket(&daemon);
    let tested = tomo.run(["server", "test", "web-1"]).await.ok();
    assert!(tested.stderr.contains("its agent is connected, with a round trip of "), "{tested:?}");

    host.block_udp(daemon.hub().port(), true);
    let away = async || look(&admin).await.filter(|server| server.summary.agent != AgentState::Online);
    drop(eventually_within(PATIENCE * 2, "the daemon misses it", away).await);
    let tested = tomo.run(["server", "test", "web-1"]).await.ok();
    let said = format!("UDP is open from it to {}", daemon.hub());
    assert!(tested.stderr.contains("its agent is not connected") && tested.stderr.contains(&said), "{tested:?}");
    // The same by hand, with a token that is not used up by it.
    let token = daemon.enrolment("web-2", &[]).await;
    let reach = ["/usr/local/bin/tomo-agent", "reach"];
    let refused = host.run(&reach, &token).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("UDP is blocked"), "{refused:?}");
    host.block_udp(daemon.hub().port(), false);
    let reached = host.run(&reach, &token).await.ok();
    assert!(reached.stdout.contains(" ms"), "{reached:?}");
    daemon.stop().await;
}
