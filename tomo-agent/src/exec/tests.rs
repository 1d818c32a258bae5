//! Against the real engine of this machine, with an image made from a static busybox.

use std::{path::Path, process::Command as Process, time::Duration};

use tempfile::TempDir;
use tokio::time::timeout;
use tomo_proto::{
    error::ErrorCode,
    id::{AppId, CommandId, RevisionId},
    model::app::{AppSpec, HealthCheck, LogLine, PortSpec, Protocol, RestartPolicy},
    wire::command::{Command, ContainerRef, DeployApp, Outcome},
};

use super::*;

const ENGINE: &str = "/var/run/docker.sock";
const IMAGE: &str = "tomo-exec-test:1";
const ALLOW_ALL: &str = "verbs = [\"start\", \"stop\", \"restart\", \"remove\", \"logs\", \"pull\", \"deploy\"]\nimages = [\"*\"]\nports = [\"1024-65535\"]\n";

/// An engine's half with a policy of its own; its containers go with it.
struct Host {
    exec: Exec,
    app: AppId,
    name: String,
    _folder: TempDir,
}

fn docker(arguments: &[&str]) -> String {
    let done =
        Process::new("docker").args(arguments).output().expect("docker runs: install docker.io and start dockerd");
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

fn build_image() {
    static BUILT: std::sync::Once = std::sync::Once::new();
    BUILT.call_once(|| {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("bin")).expect("makes a folder");
        std::fs::copy("/bin/busybox", folder.path().join("bin/busybox")).expect("install busybox-static");
        let script = format!(
            "cd {} && ln -sf busybox bin/sh && mkdir -p tmp www && echo hello > www/index.html && tar -c . | docker import -c 'ENV PATH=/bin' -c 'CMD [\"busybox\", \"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]' - {IMAGE}",
            folder.path().display()
        );
        let built = Process::new("sh").args(["-c", &script]).status().expect("sh runs");
        assert!(built.success(), "the test image is built: install docker.io and start dockerd");
    });
}

impl Host {
    async fn start(name: &str, policy: &str) -> Self {
        build_image();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("policy.toml");
        std::fs::write(&path, policy).expect("writes");
        let journal = folder.path().join("journal");
        let exec = Exec::start(ExecConfig { policy: path, engine_socket: Path::new(ENGINE).to_owned(), journal });
        let mut engine = exec.engine();
        timeout(Duration::from_secs(10), engine.wait_for(|state| matches!(state, EngineState::Running { .. })))
            .await
            .expect("in time")
            .expect("the engine answers");
        let host = Self {
            exec,
            app: AppId::from_u64(u64::from(std::process::id())),
            name: format!("exec-{name}"),
            _folder: folder,
        };
        host.clear();
        host
    }

    fn clear(&self) {
        for suffix in ["", ".new", ".old"] {
            docker(&["rm", "-f", &format!("tomo-{}{suffix}", self.name)]);
        }
    }

    fn container(&self) -> ContainerRef {
        ContainerRef::new(format!("tomo-{}", self.name)).expect("a name")
    }

    fn deploy(&self, spec: AppSpec) -> Command {
        let revision = RevisionId::from_parts(1_800_000_000_000, rand());
        let deploy = DeployApp {
            app: self.app,
            name: self.name.clone(),
            revision,
            spec,
            secrets: Default::default(),
            health_timeout_secs: 8,
            overlap_secs: 0,
            keep_secs: 0,
            adopts: None,
        };
        Command::DeployApp { deploy: Box::new(deploy) }
    }

    async fn run(&self, command: Command) -> (Vec<CommandEvent>, Outcome) {
        let request = CommandRequest {
            id: CommandId::from_parts(1_800_000_000_000, rand()),
            deadline_ms: 60_000,
            command,
            logins: Vec::new(),
        };
        self.send(request).await
    }

    async fn send(&self, request: CommandRequest) -> (Vec<CommandEvent>, Outcome) {
        let mut events = self.exec.run(request, CancellationToken::new(), mpsc::channel(1).1);
        let mut said = Vec::new();
        loop {
            match timeout(Duration::from_secs(60), events.recv())
                .await
                .expect("in time")
                .expect("an outcome comes last")
            {
                CommandEvent::Outcome(outcome) => return (said, outcome),
                event => said.push(event),
            }
        }
    }

    fn running(&self) -> Option<String> {
        let id = docker(&["ps", "-q", "--no-trunc", "--filter", &format!("name=^tomo-{}$", self.name)]);
        (!id.is_empty()).then_some(id)
    }

    fn leftovers(&self) -> String {
        docker(&["ps", "-aq", "--filter", &format!("name=^tomo-{}\\.", self.name)])
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.clear();
    }
}

fn rand() -> u32 {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; 4];
    ring::rand::SystemRandom::new().fill(&mut bytes).expect("randomness");
    u32::from_le_bytes(bytes)
}

fn shell(script: &str) -> AppSpec {
    AppSpec {
        image: IMAGE.to_owned(),
        command: ["sh", "-c", script].map(str::to_owned).into(),
        restart: RestartPolicy::No,
        ..AppSpec::default()
    }
}

fn web(host: u16) -> AppSpec {
    AppSpec {
        image: IMAGE.to_owned(),
        ports: vec![PortSpec { container: 8080, host: Some(host), protocol: Protocol::Tcp, loopback: true }],
        health: Some(HealthCheck::Http { port: 8080, path: "/".to_owned() }),
        ..AppSpec::default()
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("has an address").port()
}

fn failure(outcome: Outcome) -> (ErrorCode, String, Vec<LogLine>) {
    match outcome {
        Outcome::Failed { code, message, evidence, .. } => {
            (code, message, evidence.map(|evidence| evidence.log).unwrap_or_default())
        }
        Outcome::Succeeded { .. } => panic!("it succeeded"),
    }
}

#[tokio::test]
async fn an_app_lives_from_deploy_to_removal() {
    let host = Host::start("life", ALLOW_ALL).await;
    let port = free_port();
    let (said, outcome) = host.run(host.deploy(web(port))).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    assert!(said.iter().any(|event| matches!(event, CommandEvent::Progress { step, .. } if step.contains("healthy"))));
    let answered = std::process::Command::new("busybox")
        .args(["wget", "-qO-", &format!("http://127.0.0.1:{port}/")])
        .output()
        .expect("busybox runs");
    assert_eq!(String::from_utf8_lossy(&answered.stdout).trim(), "hello");
    let first = host.running().expect("runs");

    let (_, outcome) = host.run(host.deploy(web(port))).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "an update over the same port: {outcome:?}");
    let second = host.running().expect("runs");
    assert_ne!(first, second);
    assert_eq!(host.leftovers(), "");

    let seen =
        host.exec.containers().borrow().iter().find(|known| known.id == second).cloned().expect("in the inventory");
    assert_eq!(seen.app.as_deref(), Some(host.name.as_str()));
    assert_eq!(seen.ports.first().and_then(|published| published.host), Some(port));

    let (_, outcome) =
        host.run(Command::StopContainer { container: host.container(), timeout_secs: 1, others: Vec::new() }).await;
    assert_eq!((outcome, host.running()), (Outcome::done(), None));
    let (_, outcome) = host.run(Command::StartContainer { container: host.container(), others: Vec::new() }).await;
    assert_eq!((outcome, host.running()), (Outcome::done(), Some(second)));
    let (_, outcome) = host.run(Command::RemoveContainer { container: host.container(), volumes: Vec::new() }).await;
    assert_eq!((outcome, host.running()), (Outcome::done(), None));
}

#[tokio::test]
async fn a_failed_update_leaves_the_old_container_as_it_was() {
    let host = Host::start("undo", ALLOW_ALL).await;
    let port = free_port();
    let (_, outcome) = host.run(host.deploy(web(port))).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    let old = host.running().expect("runs");

    let dies = AppSpec { ports: web(port).ports, ..shell("echo last words; exit 3") };
    let (_, outcome) = host.run(host.deploy(dies)).await;
    let (_, message, log) = failure(outcome);
    assert!(message.contains("exit code 3"), "{message}");
    assert_eq!(log.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["last words"]);
    assert_eq!(host.running().as_ref(), Some(&old));

    let never = AppSpec { health: Some(HealthCheck::Tcp { port: 9 }), ..web(port) };
    let (_, outcome) = host.run(host.deploy(never)).await;
    let (_, message, _) = failure(outcome);
    assert!(message.contains("not healthy after 8 s") && message.contains("port 9"), "{message}");
    assert_eq!(host.running().as_ref(), Some(&old));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let (code, message, _) = failure(host.run(host.deploy(web(taken.local_addr().expect("bound").port()))).await.1);
    assert!(code == ErrorCode::Conflict && message.contains("taken"), "{message}");

    let missing = AppSpec { image: "127.0.0.1:1/nothing:1".to_owned(), ..web(port) };
    let (_, message, _) = failure(host.run(host.deploy(missing)).await.1);
    assert!(message.contains("127.0.0.1:1/nothing:1") && message.contains("cannot be pulled"), "{message}");

    assert_eq!(host.running(), Some(old));
    assert_eq!(host.leftovers(), "");
}

#[tokio::test]
async fn the_replaced_container_is_kept_for_a_while_and_a_roll_back_starts_it_again() {
    let host = Host::start("keep", ALLOW_ALL).await;
    let keeping = |deploy: Command, keep_secs, revision| match deploy {
        Command::DeployApp { deploy } => {
            let revision = RevisionId::from_u64(revision);
            Command::DeployApp { deploy: Box::new(DeployApp { keep_secs, revision, ..*deploy }) }
        }
        other => other,
    };
    let always = |text: &str| AppSpec { restart: RestartPolicy::Always, ..shell(text) };
    let ends = |secs: u32| always(&format!("trap 'exit 0' TERM; sleep {secs} & wait"));
    let (first, second) = (ends(100), ends(101));
    let succeeds = async |command: Command| {
        let (_, outcome) = host.run(command).await;
        assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    };
    let look = |format: &str, container: &str| docker(&["inspect", "-f", format, container]);
    let aside = format!("{}.old", host.container().as_str());
    succeeds(keeping(host.deploy(first.clone()), 600, 1)).await;
    let old = host.running().expect("runs");
    succeeds(keeping(host.deploy(second.clone()), 600, 2)).await;
    assert_eq!(
        look("{{.Id}} {{.State.Running}} {{.HostConfig.RestartPolicy.Name}}", &aside),
        format!("{old} false no")
    );

    // Back: the very container.
    let newer = host.running().expect("runs");
    succeeds(keeping(host.deploy(first.clone()), 600, 1)).await;
    assert_eq!(host.running(), Some(old.clone()));
    assert_eq!(look("{{.HostConfig.RestartPolicy.Name}}", &old), "always");
    assert_eq!(look("{{.Id}}", &aside), newer);
    // One that says it is that revision and is not what was kept is made anew.
    succeeds(keeping(host.deploy(ends(102)), 1, 2)).await;
    assert_ne!(host.running(), Some(newer));
    // Its time is over soon.
    let gone = async {
        while !host.leftovers().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), gone).await.expect("is removed in time");
}

#[tokio::test]
async fn a_cancelled_deploy_is_undone() {
    let host = Host::start("cancel", ALLOW_ALL).await;
    let never = AppSpec { health: Some(HealthCheck::Tcp { port: 9 }), ..shell("sleep 100") };
    let request = CommandRequest {
        id: CommandId::from_parts(1_800_000_000_000, rand()),
        deadline_ms: 60_000,
        command: host.deploy(never),
        logins: Vec::new(),
    };
    let mut events = host.exec.run(request.clone(), CancellationToken::new(), mpsc::channel(1).1);
    while let Some(event) = events.recv().await {
        if matches!(&event, CommandEvent::Progress { step, .. } if step.contains("healthy")) {
            break;
        }
    }
    drop(events);
    // The same id again waits until the first run has ended, then tells how; so does the question for it.
    let (_, message, _) = failure(host.send(request.clone()).await.1);
    assert!(message.contains("cancelled") && message.ends_with("nothing of it is left"), "{message}");
    assert_eq!(host.run(Command::TellOutcome { command: request.id }).await.1, host.send(request).await.1);
    let unknown = host.run(Command::TellOutcome { command: CommandId::from_u64(7) }).await.1;
    assert_eq!(failure(unknown).0, ErrorCode::NotFound);
    assert_eq!((host.running(), host.leftovers()), (None, String::new()));
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_given_up_and_undone() {
    let host = Host::start("late", ALLOW_ALL).await;
    let never = AppSpec { health: Some(HealthCheck::Tcp { port: 9 }), ..shell("sleep 100") };
    let id = CommandId::from_parts(1_800_000_000_000, rand());
    let (_, outcome) =
        host.send(CommandRequest { id, deadline_ms: 3_000, command: host.deploy(never), logins: Vec::new() }).await;
    let (_, message, _) = failure(outcome);
    assert!(message.contains("not done within 3 s"), "{message}");
    assert_eq!((host.running(), host.leftovers()), (None, String::new()));
}

#[tokio::test]
async fn logs_are_followed_and_made_safe() {
    let host = Host::start("logs", ALLOW_ALL).await;
    let script = "printf '\\033]0;owned\\007safe\\033[31m-1\\n'; busybox yes x | busybox head -c 2000000 | busybox tr -d '\\n'; echo; while sleep 0.1; do echo tick; done";
    let (_, outcome) = host.run(host.deploy(shell(script))).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    let command = Command::ReadLogs { container: host.container(), tail: None, since_ms: None, follow: true };
    let request = CommandRequest {
        id: CommandId::from_parts(1_800_000_000_000, rand()),
        deadline_ms: 60_000,
        command,
        logins: Vec::new(),
    };
    let mut events = host.exec.run(request, CancellationToken::new(), mpsc::channel(1).1);
    let mut lines: Vec<LogLine> = Vec::new();
    while lines.iter().filter(|line| line.text == "tick").count() < 40 {
        match timeout(Duration::from_secs(20), events.recv()).await.expect("in time").expect("goes on") {
            CommandEvent::Log { lines: more } => lines.extend(more),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lines[0].text, "safe-1");
    assert!(lines[1].text.starts_with("xxxx") && lines[1].text.chars().count() <= 16 * 1024);
    assert!(lines.iter().all(|line| line.at_ms > 1_700_000_000_000));
}

#[tokio::test]
async fn the_policy_and_foreign_containers_are_respected() {
    let host = Host::start("policy", "verbs = [\"remove\", \"deploy\"]\nimages = []\n").await;
    let (code, message, _) = failure(host.run(host.deploy(shell("sleep 9"))).await.1);
    assert!(code == ErrorCode::RefusedByPolicy && message.contains("line 2"), "{message}");
    let (code, message, _) =
        failure(host.run(Command::StartContainer { container: host.container(), others: Vec::new() }).await.1);
    assert!(code == ErrorCode::RefusedByPolicy && message.contains("line 1"), "{message}");
    docker(&["run", "-d", "--name", host.container().as_str(), IMAGE, "busybox", "sleep", "100"]);
    let (code, message, _) =
        failure(host.run(Command::RemoveContainer { container: host.container(), volumes: Vec::new() }).await.1);
    assert!(code == ErrorCode::Conflict && message.contains("not made by Tomo"), "{message}");
    // Nor is it read, looked at or stopped without a line for what Tomo did not make.
    let policy = "verbs = [\"stop\", \"logs\", \"inspect\"]\nforeign = [\"logs\"]\n";
    std::fs::write(host._folder.path().join("policy.toml"), policy).expect("writes");
    let container = host.container();
    let stop = Command::StopContainer { container: container.clone(), timeout_secs: 1, others: Vec::new() };
    for command in [stop, Command::InspectContainer { container: container.clone() }] {
        let (code, message, _) = failure(host.run(command).await.1);
        assert!(code == ErrorCode::RefusedByPolicy && message.contains("line 2"), "{message}");
    }
    let logs = Command::ReadLogs { container, tail: None, since_ms: None, follow: false };
    assert_eq!(host.run(logs).await.1, Outcome::done());
    assert!(host.running().is_some());
}

#[tokio::test]
async fn a_repeated_command_does_not_run_twice() {
    let host = Host::start("twice", ALLOW_ALL).await;
    let command = host.deploy(shell("sleep 100"));
    let request = CommandRequest {
        id: CommandId::from_parts(1_800_000_000_000, rand()),
        deadline_ms: 60_000,
        command,
        logins: Vec::new(),
    };
    let (_, first) = host.send(request.clone()).await;
    let id = host.running();
    let (_, again) = host.send(request).await;
    assert_eq!((first, id), (again, host.running()));
}

#[tokio::test]
async fn a_host_without_an_engine_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, ALLOW_ALL).expect("writes");
    let (engine_socket, journal) = (folder.path().join("none.sock"), folder.path().join("journal"));
    let exec = Exec::start(ExecConfig { policy, engine_socket, journal });
    let container = ContainerRef::new("web").expect("a name");
    let request = CommandRequest {
        id: CommandId::from_u64(1),
        deadline_ms: 1_000,
        command: Command::StartContainer { container, others: Vec::new() },
        logins: Vec::new(),
    };
    let mut events = exec.run(request, CancellationToken::new(), mpsc::channel(1).1);
    let Some(CommandEvent::Outcome(outcome)) = events.recv().await else { panic!("an outcome comes") };
    let (_, message, _) = failure(outcome);
    assert!(message.contains("engine") && message.contains("none.sock"), "{message}");
}
