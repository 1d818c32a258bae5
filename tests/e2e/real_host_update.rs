//! Updates of the agent on a real host: a signed one is put in place, a broken one takes itself back, and whatever is not signed,
//! not newer or not for the host is refused, by the daemon and, where that lies, by the host itself.

use std::{path::Path, time::Duration};

use tomo_proto::{
    api::{agent::AgentList, operation::OperationGet, person::UpdateAgent, server::ServerGet},
    error::ErrorCode,
    id::CommandId,
    model::{
        agent::AgentState,
        operation::{Operation, OperationStatus},
    },
};
use tomo_tests::{
    cli::{Output, Tomo},
    daemon::{PASSWORD, Setup, TestDaemon},
    eventually::{PATIENCE, eventually, eventually_within},
    real_host::RealHost,
    release::{BUILT, MUTE, Published, Publisher, SHORT_LIVED},
    terminal::{Key, Terminal},
};

const SERVER: &str = "web-1";
const PROGRAM: &str = "/usr/local/bin/tomo-agent";
/// A trial of a minute, and the way back.
const TRIAL: Duration = Duration::from_secs(100);

/// A host with an agent that takes releases of a publisher, and its daemon.
async fn installed(publisher: &Publisher) -> (RealHost, TestDaemon, Vec<String>) {
    let host = RealHost::start().await;
    let daemon = Setup::default().set("HUB__LISTEN", &format!("{}:0", host.gateway())).spawn().await;
    let before = host.files();
    let key = host.host_key();
    let words =
        ["server", "add", SERVER, "--host", host.address(), "--user", "ana", "--host-key", &key, "--password-stdin"];
    let rest = ["--install-agent", "metrics", "--update-key", publisher.update_key()];
    drop(tomo(&daemon).run_with_input([&words[..], &rest].concat(), &format!("{PASSWORD}\n")).await.ok());
    (host, daemon, before)
}

fn tomo(daemon: &TestDaemon) -> Tomo {
    Tomo::at_socket(daemon)
}

async fn update(daemon: &TestDaemon, release: &Published) -> Output {
    let file = release.program.display().to_string();
    tomo(daemon).run(["agent", "update", SERVER, "--file", &file, "--yes"]).await
}

/// The agent's version, once it is connected.
async fn version(daemon: &TestDaemon) -> Option<String> {
    let agents = daemon.admin().call(&AgentList::default()).await.ok()?.agents;
    agents.into_iter().find(|agent| agent.state == AgentState::Online)?.version
}

async fn is_at(daemon: &TestDaemon, wanted: &str) {
    let what = format!("the agent is connected as {wanted}");
    eventually_within(PATIENCE * 2, &what, async || version(daemon).await.filter(|version| version == wanted)).await;
}

/// Brings a release to the daemon, which refuses to pass it on to nobody.
async fn bring(daemon: &TestDaemon, release: &Published) {
    let file = release.program.display().to_string();
    let nobody = tomo(daemon).run(["agent", "update", "nobody", "--file", &file, "--yes"]).await;
    assert!(nobody.code != Some(0) && nobody.stderr.contains("nobody"), "{nobody:?}");
}

async fn begin(daemon: &TestDaemon, version: &str) -> Operation {
    let version = Some(version.parse().expect("a version"));
    daemon.admin().person(&UpdateAgent { server: SERVER.to_owned(), version, sha256: None }).await.expect("it begins")
}

async fn ended(daemon: &TestDaemon, operation: &Operation) -> Operation {
    let get = OperationGet { operation: operation.operation.to_string(), wait_s: None };
    let admin = daemon.admin();
    let look = async || admin.call(&get).await.ok().filter(|operation| operation.status.is_final());
    eventually_within(TRIAL, "the update ends", look).await
}

fn digest(host: &RealHost, file: &str) -> String {
    host.exec(&["sha256sum", file]).split_whitespace().next().expect("a digest").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_updated_over_the_link_and_only_by_a_newer_release_of_its_owner() {
    let (publisher, stranger) = (Publisher::new().await, Publisher::new().await);
    let (host, daemon, before) = installed(&publisher).await;
    is_at(&daemon, BUILT).await;
    let explained = host.exec(&["tomo-agent", "policy", "explain"]);
    assert!(
        explained.contains(&format!("updates     newer releases signed with {}", publisher.update_key())),
        "{explained}"
    );

    // Another program of the same version was brought before.
    bring(&daemon, &publisher.publish("0.2.0", &[SHORT_LIVED]).await).await;
    let newer = publisher.publish("0.2.0", &[]).await;
    let updated = update(&daemon, &newer).await.ok();
    assert!(updated.stdout.contains("updating the agent of server web-1 succeeded"), "{updated:?}");
    is_at(&daemon, "0.2.0").await;
    assert_eq!(digest(&host, PROGRAM), newer.release().claims().sha256);
    assert_eq!(digest(&host, "/usr/local/bin/tomo-agent.proven"), newer.release().claims().sha256);
    let searched = tomo(&daemon).run(["audit", "search", "--action", "update_agent", "--json"]).await.ok();
    assert!(searched.stdout.contains("0.1.0 to 0.2.0"), "{searched:?}");

    // The daemon says what is the matter before it sends anything.
    let foreign = stranger.publish("0.3.0", &[]).await;
    let mut other = publisher.program("other", &[(BUILT, "0.3.1")]);
    machine_of_another_kind(&mut other);
    let other = publisher.sign(&other, Some("0.3.1")).await;
    let oldest = publisher.publish("0.1.9", &[]).await;
    for (release, said) in [
        (&newer, "release 0.2.0 is not newer than 0.2.0, which is installed"),
        (&oldest, "release 0.1.9 is not newer than 0.2.0, which is installed"),
        (&foreign, "is not signed with the key"),
        (&other, "the release is for aarch64, the host is x86_64"),
    ] {
        let refused = update(&daemon, release).await;
        assert!(refused.code != Some(0) && refused.stderr.contains(said), "{said}: {refused:?}");
    }
    let mut bytes = newer.bytes();
    bytes[1_000] ^= 1;
    let changed = publisher.key().with_file_name("changed");
    std::fs::write(&changed, bytes).expect("writes");
    let text = publisher.publish("0.4.0", &[]).await.signature;
    std::fs::write(changed.with_extension("sig"), text).expect("writes");
    let refused = update(&daemon, &Published { program: changed, signature: String::new() }).await;
    assert!(refused.code != Some(0) && refused.stderr.contains("the program"), "{refused:?}");

    // The host says so too, to a link that was taken over: what is handed over by hand is not put in place.
    let good = publisher.publish("0.5.0", &[]).await;
    let mut command = 0;
    for (what, signature, program, said) in [
        ("unsigned", String::new(), good.bytes(), "this is not a signed release"),
        ("another's", foreign.signature.clone(), foreign.bytes(), "is not signed with the key"),
        (
            "changed",
            good.signature.clone(),
            [&good.bytes()[..4_000], b"x", &good.bytes()[4_001..]].concat(),
            "not the one that was signed",
        ),
        ("cut off", good.signature.clone(), good.bytes()[..9_000].to_vec(), "not the one that was signed"),
        ("longer", good.signature.clone(), [good.bytes(), b"more".to_vec()].concat(), "not the one that was signed"),
        ("older", oldest.signature.clone(), oldest.bytes(), "is not newer than 0.2.0"),
        ("other", other.signature.clone(), other.bytes(), "is for aarch64"),
    ] {
        command += 1;
        let outcome = handed_over(&host, command, &signature, &program).await;
        assert!(outcome.contains("failed") && outcome.contains(said), "{what}: {outcome}");
    }
    for trap in ["ln -s /etc/shadow update", "mkfifo update", "mkdir -p update/x", "echo nothing > update"] {
        let made =
            format!("cd /var/lib/tomo-agent && setpriv --reuid tomo-agent --regid tomo-agent --clear-groups {trap}");
        let made = if trap.starts_with("echo") { format!("cd /var/lib/tomo-agent && {trap}") } else { made };
        drop(host.exec(&["sh", "-c", &made]));
        eventually(&format!("{trap} is thrown away"), async || {
            host.try_exec(&["ls", "-d", "/var/lib/tomo-agent/update"]).contains("No such file").then_some(())
        })
        .await;
    }
    assert_eq!(digest(&host, PROGRAM), newer.release().claims().sha256);
    is_at(&daemon, "0.2.0").await;

    // From the dashboard: what was brought already.
    bring(&daemon, &good).await;
    let mut terminal = Terminal::start("tomo", &[], tomo(&daemon).environment(), 120, 40);
    terminal.wait_for(SERVER).await;
    terminal.press(Key::Enter);
    terminal.wait_for("servers › web-1").await;
    terminal.type_text("i");
    terminal.wait_for("u brings one").await;
    terminal.type_text("u");
    terminal.wait_for("Update the agent").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    is_at(&daemon, "0.5.0").await;
    terminal.wait_for("succeeded").await;
    drop(terminal);
    drop(tomo(&daemon).run(["agent", "forget-release", "0.5.0", "--yes"]).await.ok());
    let releases = tomo(&daemon).run(["agent", "releases", "--json"]).await.ok().json().to_string();
    assert!(releases.contains("0.2.0") && !releases.contains("0.5.0"), "{releases}");

    // Without a key in the policy there are no updates, and it is said how there could be.
    drop(host.exec(&["sed", "-i", "/^update_key/d", "/etc/tomo/agent-policy.toml"]));
    let admin = daemon.admin();
    let request = UpdateAgent { server: SERVER.to_owned(), ..UpdateAgent::default() };
    let refused = eventually("the daemon knows that there is no key", async || {
        admin
            .person(&request)
            .await
            .err()
            .map(|refused| refused.error)
            .filter(|error| error.message.contains("names no release key"))
    })
    .await;
    assert_eq!(refused.code, ErrorCode::RefusedByPolicy, "{refused:?}");
    let outcome = handed_over(&host, 100, &good.signature, &good.bytes()).await;
    assert!(outcome.contains("it has no line `update_key"), "{outcome}");

    assert_eq!(host.run(&["tomo-agent", "leave"], "").await.code, Some(0));
    let gone = host.run(&["tomo-agent", "leave", "--purge"], "").await;
    assert_eq!(gone.code, Some(0), "{gone:?}");
    assert_eq!(host.files(), before);
    daemon.stop().await;
}

/// Makes a program say that it is for ARM.
fn machine_of_another_kind(program: &mut Path) {
    let mut bytes = std::fs::read(&*program).expect("reads");
    bytes[18..20].copy_from_slice(&183_u16.to_le_bytes());
    std::fs::write(program, bytes).expect("writes");
}

/// Puts something where the link hands updates over, as the link would, and waits for what root says about it.
async fn handed_over(host: &RealHost, command: u64, signature: &str, program: &[u8]) -> String {
    let command = CommandId::from_u64(command);
    let head = serde_json::json!({ "command": command, "release": signature }).to_string();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), [head.as_bytes(), b"\n", program].concat()).expect("writes");
    host.copy(file.path(), "/var/lib/tomo-agent/update.part");
    let script = "cd /var/lib/tomo-agent && chown tomo-agent: update.part && mv update.part update";
    drop(host.exec(&["sh", "-c", script]));
    eventually("root has decided", async || {
        let outcome = host.try_exec(&["cat", "/var/lib/tomo-agent-update/outcome.json"]);
        outcome.contains(&command.to_string()).then_some(outcome)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_update_takes_itself_back() {
    let publisher = Publisher::new().await;
    let (host, daemon, _) = installed(&publisher).await;
    let old = digest(&host, PROGRAM);
    for (version, broken, said) in [
        ("0.2.0", SHORT_LIVED, "ended 3 times (tomo-agent-link.service)"),
        ("0.3.0", MUTE, "did not connect to the daemon in 60 s"),
    ] {
        let release = publisher.publish(version, &[broken]).await;
        bring(&daemon, &release).await;
        let operation = ended(&daemon, &begin(&daemon, version).await).await;
        assert_eq!(operation.status, OperationStatus::Failed, "{operation:?}");
        let error = operation.error.expect("says why");
        assert!(error.message.contains(said) && error.message.contains("the one before is back"), "{error:?}");
        assert!(
            operation.log.iter().any(|line| line.contains("wait for the agent to come back")),
            "{:?}",
            operation.log
        );
        is_at(&daemon, BUILT).await;
        assert_eq!(digest(&host, PROGRAM), old);
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_cut_off_is_gone_on_with() {
    let publisher = Publisher::new().await;
    let (mut host, daemon, _) = installed(&publisher).await;
    let old = digest(&host, PROGRAM);

    // Killed again and again, a good one gets there.
    let good = publisher.publish("0.2.0", &[]).await;
    bring(&daemon, &good).await;
    let operation = begin(&daemon, "0.2.0").await;
    for _ in 0..3 {
        killed(&host).await;
        let now = digest(&host, PROGRAM);
        assert!(now == old || now == good.release().claims().sha256, "the old program or the new one is there");
    }
    let operation = ended(&daemon, &operation).await;
    assert_eq!(operation.status, OperationStatus::Succeeded, "{operation:?}");
    is_at(&daemon, "0.2.0").await;

    // A power cut while a broken one is tried out: the next boot puts the old one back.
    let broken = publisher.publish("0.3.0", &[SHORT_LIVED]).await;
    bring(&daemon, &broken).await;
    let operation = begin(&daemon, "0.3.0").await;
    eventually("the broken one is in place", async || {
        (digest(&host, PROGRAM) == broken.release().claims().sha256).then_some(())
    })
    .await;
    host.power_cut().await;
    let operation = ended(&daemon, &operation).await;
    assert_eq!(operation.status, OperationStatus::Failed, "{operation:?}");
    is_at(&daemon, "0.2.0").await;
    assert_eq!(digest(&host, PROGRAM), good.release().claims().sha256);
    let request = ServerGet { server: SERVER.to_owned(), include: Vec::new() };
    assert!(daemon.admin().call(&request).await.is_ok());
    daemon.stop().await;
}

/// Kills the unit that puts updates in place as soon as it runs.
async fn killed(host: &RealHost) {
    eventually("an update is put in place", async || {
        let state = host.try_exec(&["systemctl", "is-active", "tomo-agent-update.service"]);
        (state == "activating").then_some(())
    })
    .await;
    // It may have ended meanwhile.
    drop(host.try_exec(&["systemctl", "kill", "--signal=KILL", "tomo-agent-update.service"]));
}
