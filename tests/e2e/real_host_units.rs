//! The agent's units on a real host: what is installed, what each of them can reach, and what is left afterwards.

use tomo_proto::{
    api::server::ServerGet,
    model::{agent::AgentState, server::EngineState},
};
use tomo_tests::{
    daemon::{Setup, TestDaemon},
    eventually::eventually,
    program,
    real_host::RealHost,
};

const SERVER: &str = "web-1";
const AGENT: &str = "/root/tomo-agent";

async fn daemon_for(host: &RealHost) -> TestDaemon {
    Setup::default().set("HUB__LISTEN", &format!("{}:0", host.gateway())).start().await
}

/// Waits until the server's agent is connected and its engine answers.
async fn whole(daemon: &TestDaemon) {
    let admin = daemon.admin();
    eventually("the agent is connected, with its engine", async || {
        let server = admin.call(&ServerGet { server: SERVER.to_owned(), include: Vec::new() }).await.ok()?;
        let engine = server.facts.is_some_and(|facts| matches!(facts.engine, EngineState::Running { .. }));
        (server.summary.agent == AgentState::Online && engine).then_some(())
    })
    .await;
}

fn pid(host: &RealHost, half: &str) -> String {
    host.exec(&["systemctl", "show", "-P", "MainPID", &format!("tomo-agent-{half}")])
}

#[tokio::test(flavor = "multi_thread")]
async fn each_unit_reaches_what_is_its_own_and_nothing_else() {
    let host = RealHost::start().await;
    let daemon = daemon_for(&host).await;
    host.copy(&program::path("tomo-agent"), AGENT);
    for folder in ["root", "home"] {
        assert_eq!(host.exec(&["sh", "-c", &format!("echo secret > /{folder}/secret")]), "");
    }
    let before = host.files();

    // A token that is none changes nothing; the true one installs, step by step.
    let none = host.run(&[AGENT, "install", "--rights", "deploys"], "tomo-enroll-x\n").await;
    assert!(none.code == Some(1) && none.stderr.contains("not an enrolment token"), "{none:?}");
    assert_eq!(host.files(), before);
    let token = daemon.enrolment(SERVER, &[]).await;
    let installed = host.run(&[AGENT, "install", "--rights", "deploys"], &format!("{token}\n")).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let said: Vec<serde_json::Value> =
        installed.stdout.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let (done, steps) = said.split_last().expect("it says something");
    assert!(done["done"] == true && steps.len() > 6 && steps.iter().all(|step| step["step"].is_string()), "{said:?}");
    whole(&daemon).await;
    let status = host.exec(&["tomo-agent", "status"]);
    assert!(status.contains("tomo-agent-link.service") && status.contains("connected to "), "{status}");
    let again = host.run(&["tomo-agent", "install", "--rights", "deploys"], &format!("{token}\n")).await;
    assert!(again.code == Some(1) && again.stderr.contains("an agent is on this host already"), "{again:?}");

    let (link, exec) = (pid(&host, "link"), pid(&host, "exec"));
    for (half, pid) in [("link", &link), ("exec", &exec)] {
        // Not even root can run a shell in there, since nothing but the agent can be run.
        let shell = host.try_exec(&["nsenter", "-t", pid, "-m", "/bin/sh", "-c", "echo ran"]);
        assert!(shell.contains("Permission denied") && !shell.contains("ran"), "{half}: {shell}");
        let own = host.exec(&["cat", &format!("/proc/{pid}/status")]);
        let value = |key: &str| own.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim();
        assert_eq!((value("CapEff:"), value("CapBnd:")), ("0000000000000000", "0000000000000000"), "{half}");
        assert_eq!((value("NoNewPrivs:"), value("Seccomp:")), ("1", "2"), "{half}");
        for hidden in ["root/secret", "home/secret"] {
            let read = host.try_exec(&["cat", &format!("/proc/{pid}/root/{hidden}")]);
            assert!(read.contains("No such file"), "{half} {hidden}: {read}");
        }
        let user = if half == "link" { "tomo-agent" } else { "tomo-agent-exec" };
        let others = if half == "link" { "/var/lib/tomo-agent-exec" } else { "/var/lib/tomo-agent" };
        let state = host.try_exec(&["setpriv", "--reuid", user, "--regid", user, "--init-groups", "ls", others]);
        assert!(state.contains("Permission denied"), "{half}: {state}");
        let written = host.try_exec(&["touch", &format!("/proc/{pid}/root/etc/tomo/agent-policy.toml")]);
        assert!(written.contains("Read-only file system"), "{half}: {written}");
    }
    // The engine is the one's, the network the other's.
    let socket = |pid: &str| host.try_exec(&["ls", &format!("/proc/{pid}/root/run/docker.sock")]);
    assert!(socket(&link).contains("No such file") && !socket(&exec).contains("No such file"));
    let dial = format!("exec 3<>/dev/tcp/{}/22", host.address());
    let dialled = |pid: &str| host.try_exec(&["nsenter", "-t", pid, "-n", "bash", "-c", &dial]);
    assert!(dialled(&exec).contains("unreachable"), "{}", dialled(&exec));
    assert_eq!(dialled(&link), "", "the same works where there is a network");

    // Each comes back by itself.
    for pid in [&link, &exec] {
        drop(host.exec(&["kill", "-9", pid]));
    }
    eventually("both run again", async || {
        let [link_now, exec_now] = ["link", "exec"].map(|half| pid(&host, half));
        (link_now != link && exec_now != exec && link_now != "0" && exec_now != "0").then_some(())
    })
    .await;
    whole(&daemon).await;

    let gone = host.run(&["tomo-agent", "leave", "--purge"], "").await;
    assert_eq!(gone.code, Some(0), "{gone:?}");
    assert_eq!(host.files(), before);
    assert_eq!(host.try_exec(&["getent", "passwd", "tomo-agent", "tomo-agent-exec"]), "");
    let admin = daemon.admin();
    let server = admin.call(&ServerGet { server: SERVER.to_owned(), include: Vec::new() }).await.expect("is known");
    assert_eq!(server.summary.agent, AgentState::Revoked);
}
