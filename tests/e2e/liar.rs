//! A daemon that was taken over, or lies: what the host's policy does not allow does not happen, whatever is said on the link.

use std::{collections::BTreeSet, os::unix::fs::symlink, path::Path};

use serde::Serialize;
use serde_json::json;
use tokio::process::Command;
use tomo_proto::{
    error::ErrorCode,
    wire::{
        command::{CommandEvent, Outcome, PROGRAM_PART_BYTES},
        frame::{MAX_FRAME_BYTES, encode_framed},
    },
};
use tomo_tests::{
    agent::ENGINE,
    docker::{Image, docker, unique},
    eventually::eventually,
    liar::{Liar, Lie, Recorder},
    program::{self, Program},
    release::{Published, Publisher},
    rounds::rounds,
};

/// Names that would be something else if anybody put them into a path, a query, a header or a shell.
const NAMES: [&str; 24] = [
    "../../etc/passwd",
    "..",
    ".",
    "/",
    "a/../../volumes/x",
    "x?force=1",
    "x#y",
    "x%2f..%2fy",
    "a b",
    "a\r\nX: y",
    "a\nb",
    "a\0b",
    "$(reboot)",
    "`reboot`",
    ";reboot",
    "|sh",
    "-rf",
    "--privileged",
    "é",
    "\u{202e}abc",
    "\u{1b}]0;x\u{7}",
    "con{{.}}",
    "*",
    "",
];

/// Folders of a host that nobody may get at.
fn forbidden_folders(root: &Path) -> Vec<String> {
    let below = |name: &str| root.join(name).display().to_string();
    let mut found: Vec<String> = [
        "/",
        "//",
        "/.",
        "/./",
        "/etc",
        "//etc",
        "/./etc",
        "/etc/",
        "/etc/shadow",
        "/root",
        "/home",
        "/proc",
        "/proc/1/root",
        "/proc/self/root",
        "/proc/self/root/etc",
        "/proc/self/cwd",
        "/sys",
        "/sys/fs/cgroup",
        "/dev",
        "/dev/mem",
        "/dev/sda",
        "/run",
        "/run/docker.sock",
        "/var/run",
        "/var/run/docker.sock",
        "/run/containerd/containerd.sock",
        "/var/lib/docker",
        "/usr",
        "/usr/bin",
        "/bin",
        "/sbin",
        "/lib",
        "/boot",
        "/srv",
        "/var",
        "/opt",
        "/tmp",
        "/usr/../etc",
        "/nonexistent",
        "/etc\0x",
        "/etc\n",
        "/etc:rw",
    ]
    .map(str::to_owned)
    .into();
    found.extend(
        [
            "to-etc",
            "to-root",
            "to-engine",
            "chain",
            "engine.sock",
            "allowed/../..",
            "allowed/../to-etc",
            "allowed/deep/../../..",
        ]
        .map(below),
    );
    found.extend((1..12).map(|up| format!("{}{}", below("allowed"), "/..".repeat(up))));
    found.extend((1..12).map(|up| format!("{}{}/etc", below("allowed"), "/..".repeat(up))));
    found
}

/// An agent in two halves under strace, whose engine is behind a recorder.
struct Watched {
    folder: tempfile::TempDir,
    halves: Vec<Program>,
}

impl Watched {
    async fn start(
        liar: &Liar,
        recorder_in: impl FnOnce(&Path) -> Recorder,
        policy: impl FnOnce(&Path) -> String,
    ) -> (Self, Recorder) {
        let folder = tempfile::Builder::new().prefix("tomo-test-liar-").tempdir().expect("a folder can be made");
        let recorder = recorder_in(folder.path());
        std::fs::write(folder.path().join("policy.toml"), policy(folder.path())).expect("a file can be written");
        std::fs::create_dir(folder.path().join("run")).expect("a folder can be made");
        liar.enroll(&folder.path().join("link"));
        let mut watched = Self { folder, halves: Vec::new() };
        for (half, ready) in [("exec", "the link can connect"), ("link", "")] {
            let mut program = Program::spawn(&mut watched.command(half, &recorder), "").await;
            let mut tracer = Program::spawn(&mut watched.trace(half, program.pid()), "").await;
            tracer.logged("attached").await;
            if !ready.is_empty() {
                program.logged(ready).await;
            }
            watched.halves.extend([program, tracer]);
        }
        (watched, recorder)
    }

    fn command(&self, half: &str, recorder: &Recorder) -> Command {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(program::path("tomo-agent"));
        command.arg("--state").arg(at(half)).arg("--policy").arg(at("policy.toml")).arg(half);
        command
            .env_clear()
            .env("TOMO_AGENT__ENGINE_SOCKET", recorder.socket())
            .env("TOMO_AGENT__EXEC_SOCKET", at("run/exec.sock"));
        command
    }

    fn trace(&self, half: &str, pid: u32) -> Command {
        let mut command = Command::new("strace");
        let calls = "trace=execve,execveat,open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,link,\
            linkat,symlink,symlinkat";
        command.args(["-f", "-s", "4096", "-e", calls, "-o"]).arg(self.folder.path().join(format!("{half}.trace")));
        command.arg("-p").arg(pid.to_string());
        command
    }

    /// Programs that were run, and files that were written, by either half.
    fn deeds(&self) -> (usize, BTreeSet<String>) {
        let (mut programs, mut written) = (0, BTreeSet::new());
        for half in ["exec", "link"] {
            let trace =
                std::fs::read_to_string(self.folder.path().join(format!("{half}.trace"))).expect("strace wrote");
            for call in trace.lines().filter_map(|line| line.split_once(' ')).map(|(_, call)| call.trim_start()) {
                let Some((name, rest)) = call.split_once('(') else { continue };
                let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| rest.contains(flag));
                match name {
                    "execve" | "execveat" => programs += 1,
                    "open" | "openat" | "openat2" if !writes => {}
                    _ => written.extend(rest.split('"').skip(1).step_by(2).map(str::to_owned)),
                }
            }
        }
        (programs, written)
    }
}

/// Like a request, with anything in it.
fn request(id: &mut u64, command: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Request<'a, C> {
        id: tomo_proto::id::CommandId,
        deadline_ms: u64,
        command: &'a C,
    }
    *id += 1;
    let id = tomo_proto::id::CommandId::from_u64(*id);
    encode_framed(&Request { id, deadline_ms: 5_000, command }).expect("encodes")
}

fn deploy(name: &str, image: &str, more: &serde_json::Value) -> serde_json::Value {
    let mut spec = json!({ "image": image, "command": [], "env": {}, "ports": [], "volumes": [], "restart": "no" });
    let (Some(fields), Some(more)) = (spec.as_object_mut(), more.as_object()) else { panic!("these are objects") };
    fields.extend(more.clone());
    json!({ "deploy_app": { "deploy": {
        "app": tomo_proto::id::AppId::from_u64(1), "name": name, "revision": tomo_proto::id::RevisionId::from_u64(1), "spec": spec,
        "secrets": {}, "health_timeout_secs": 2,
    } } })
}

/// What a daemon that lies asks for. Nothing of it is allowed by the policy below.
fn corpus(root: &Path, image: &str, foreign: &str) -> Vec<serde_json::Value> {
    let mut asked = Vec::new();
    for name in NAMES.into_iter().chain([foreign, "tomo-web"]) {
        for verb in [
            "start_container",
            "stop_container",
            "restart_container",
            "remove_container",
            "exec",
            "run",
            "shell",
            "build",
            "prune",
        ] {
            asked.push(json!({ verb: { "container": name, "timeout_secs": 1, "volumes": [name], "command": "sh" } }));
        }
        asked.push(json!({ "pull_image": { "image": name } }));
        asked.push(json!({ "inspect_container": { "container": name } }));
        asked.push(json!({ "compare_image": { "container": name } }));
        asked.push(json!({ "read_configuration": { "container": name } }));
        let mut adopting = deploy("web", image, &json!({}));
        adopting["deploy_app"]["deploy"]["adopts"] = json!(name);
        asked.push(adopting);
        asked.push(json!({ "examine_container": {
            "container": name, "tail": 1, "probe": { "kind": "http", "port": 80, "path": "/ HTTP/1.0\r\nX: y" }
        } }));
        let size = json!({ "columns": 80, "rows": 24 });
        asked.push(json!({ "open_terminal": { "container": name, "program": ["sh"], "size": size } }));
        asked.push(json!({ "list_stock": {} }));
        asked.push(json!({ "create_volume": { "name": name } }));
        asked.push(json!({ "create_network": { "name": name, "internal": false } }));
        for item in [
            json!({ "kind": "container", "id": name, "name": name, "size_bytes": 0, "ours": true }),
            json!({ "kind": "volume", "name": name, "driver": "local", "ours": true }),
            json!({ "kind": "network", "id": name, "name": name, "driver": "bridge", "ours": true }),
            json!({ "kind": "image", "id": name, "names": [name], "size_bytes": 0 }),
        ] {
            asked.push(json!({ "discard": { "items": [item] } }));
        }
        if name != foreign {
            let probe = json!({ "kind": "tcp", "port": 22 });
            asked.push(json!({ "examine_container": { "container": name, "tail": 1, "probe": probe } }));
            asked
                .push(json!({ "read_logs": { "container": name, "tail": 1, "follow": false, "path": "/etc/shadow" } }));
        }
        asked.push(deploy(name, "evil.example/root:1", &json!({})));
        // The image is allowed; the name is none, or a volume's is.
        if tomo_proto::api::check_name(name).is_err() {
            asked.push(deploy(name, image, &json!({})));
            let volume = json!({ "source": name, "target": "/data", "read_only": false });
            asked.push(deploy("web", image, &json!({ "volumes": [volume] })));
            let health = json!({ "kind": "http", "port": 80, "path": format!("/ {name}\r\nHost: x") });
            asked.push(deploy("web", image, &json!({ "health": health })));
            asked.push(deploy("web", image, &json!({ "env": { format!("A\n{name}"): "x" } })));
        }
    }
    for folder in forbidden_folders(root) {
        for target in ["/data", "/", "/etc", "/../x"] {
            for read_only in [true, false] {
                let volume = json!({ "source": folder, "target": target, "read_only": read_only });
                asked.push(deploy("web", image, &json!({ "volumes": [volume] })));
                let service = json!({ "image": image, "volumes": [volume] });
                asked.push(deploy("web", image, &json!({ "services": { "db": service } })));
                let harmless =
                    json!({ "source": root.join("allowed").display().to_string(), "target": "/ok", "read_only": true });
                asked.push(deploy("web", image, &json!({ "volumes": [harmless, volume] })));
            }
        }
    }
    for port in (1..1_024).step_by(3).chain([1_024, 8_080, 30_000, 40_000, 65_535]) {
        let port = json!({ "container": 80, "host": port, "protocol": "tcp", "loopback": false });
        asked.push(deploy("web", image, &json!({ "ports": [port] })));
    }
    for spec in [
        json!({ "capabilities": ["SYS_ADMIN"] }),
        json!({ "capabilities": ["NET_ADMIN"] }),
        json!({ "labels": { "dev.tomo.app": "app-0000000000000" } }),
        json!({ "user": "0 -v /:/x" }),
        json!({ "files": { "/../../etc/cron.d/x": "x" } }),
        json!({ "files": { "/proc/sys/kernel/core_pattern": "|/x" } }),
        json!({ "volumes": [{ "source": "d", "target": "/d", "read_only": true }], "files": { "/d/x": "x" } }),
        json!({ "services": { "db": { "image": "evil.example/root:1" } } }),
        json!({ "services": { "db": { "image": image, "ports": [{ "container": 80, "host": 22 }] } } }),
        json!({ "services": { "../db": { "image": image } } }),
        json!({ "services": { "db.old": { "image": image } } }),
        json!({ "services": { "db": { "image": image, "capabilities": ["SYS_PTRACE"] } } }),
        json!({ "services": { "db": { "image": image, "depends_on": ["db"] } } }),
    ] {
        asked.push(deploy("web", image, &spec));
    }
    for (key, value) in [
        ("privileged", json!(true)),
        ("network_mode", json!("host")),
        ("pid_mode", json!("host")),
        ("ipc_mode", json!("host")),
        ("cap_add", json!(["ALL"])),
        ("capabilities", json!(["SYS_ADMIN"])),
        ("devices", json!(["/dev/sda"])),
        ("security_opt", json!(["seccomp=unconfined"])),
        ("binds", json!(["/:/host"])),
        ("mounts", json!([{ "source": "/", "target": "/h" }])),
        ("volumes_from", json!(["x"])),
        ("userns_mode", json!("host")),
        ("cgroup_parent", json!("/")),
        ("runtime", json!("x")),
        ("sysctls", json!({ "kernel.core_pattern": "|/bin/sh" })),
        ("host_config", json!({ "Privileged": true })),
        ("entrypoint", json!(["sh"])),
        ("services", json!({ "db": { "image": "evil.example/root:1", "privileged": true } })),
    ] {
        // Together with an image that is not allowed, so that a field that is not known and skipped changes nothing.
        asked.push(deploy("web", "evil.example/root:1", &json!({ key: value })));
    }
    asked
}

/// Why a request was refused; `None` if it was not even answered.
async fn refused(lie: &Lie, request: &[u8], what: &impl std::fmt::Debug) -> Option<ErrorCode> {
    match lie.say::<CommandEvent>(request).await.pop()? {
        CommandEvent::Outcome(Outcome::Failed { code, .. }) => Some(code),
        other => panic!("{what:?} was not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_lies_gets_nothing_that_the_policy_does_not_allow() {
    let image = Image::web();
    let foreign = unique("tomo-test-foreign");
    drop(docker(&["run", "-d", "--name", &foreign, image.name()]));
    let liar = Liar::start();
    let policy = |root: &Path| {
        std::fs::create_dir_all(root.join("allowed/deep")).expect("a folder can be made");
        for (link, to) in [("to-etc", "/etc"), ("to-root", "/"), ("to-engine", ENGINE), ("chain", "to-etc")] {
            symlink(to, root.join(link)).expect("a link can be made");
        }
        drop(std::os::unix::net::UnixListener::bind(root.join("engine.sock")).expect("a socket can be made"));
        let allowed = root.join("allowed").display().to_string();
        format!(
            "verbs = [\"logs\", \"deploy\"]\nforeign = [\"logs\"]\nimages = [\"{}\"]\nports = [\"20000-20010\"]\nbind_roots = [\"{allowed}\"]\n",
            image.name()
        )
    };
    let (mut watched, recorder) =
        Watched::start(&liar, |folder| Recorder::start(folder, Path::new(ENGINE)), policy).await;
    let lie = liar.welcome().await;
    let mut id = 0;

    // The recorder hears what is allowed, so that silence means something.
    let logs = json!({ "read_logs": { "container": foreign, "tail": 1, "follow": false } });
    let answered = lie.say::<CommandEvent>(&request(&mut id, &logs)).await;
    assert!(matches!(answered.last(), Some(CommandEvent::Outcome(Outcome::Succeeded { .. }))), "{answered:?}");
    eventually("the recorder hears", async || {
        recorder.requests().iter().any(|line| line.contains(&format!("/containers/{foreign}/logs"))).then_some(())
    })
    .await;

    let asked = corpus(watched.folder.path(), image.name(), &foreign);
    let (mut sent, mut by_policy, mut malformed) = (0, 0, 0);
    for command in &asked {
        match refused(&lie, &request(&mut id, command), command).await {
            Some(ErrorCode::RefusedByPolicy) => by_policy += 1,
            Some(ErrorCode::Invalid) => malformed += 1,
            // A log may be read; there is no such container.
            Some(ErrorCode::NotFound)
                if command.get("read_logs").or_else(|| command.get("examine_container")).is_some() => {}
            None => {}
            Some(other) => panic!("{command} was refused for another reason: {other:?}"),
        }
        sent += 1;
    }
    assert!(by_policy > 1_000 && malformed > 50, "{by_policy} were against the policy, {malformed} malformed");
    // The same with a part of its bytes changed, cut or blown up; and frames that are none.
    let mut seed = 7_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 40).expect("fits")
    };
    let enough = rounds(2_000);
    for command in asked.iter().step_by(2).cycle() {
        if sent >= enough {
            break;
        }
        let mut bytes = request(&mut id, command);
        match random() % 3 {
            0 => {
                let at = 4 + random() % (bytes.len() - 4);
                bytes[at] = u8::try_from(random() % 256).expect("fits");
            }
            1 => bytes.truncate(4 + random() % (bytes.len() - 4)),
            _ => bytes[..4].copy_from_slice(&u32::try_from(MAX_FRAME_BYTES + random()).expect("fits").to_be_bytes()),
        }
        refused(&lie, &bytes, command).await;
        sent += 1;
    }
    for huge in [vec![0xff; 4_096], [&u32::MAX.to_be_bytes()[..], &[0; 70_000]].concat(), vec![0, 4, 0, 0], Vec::new()]
    {
        refused(&lie, &huge, &huge.len()).await;
        sent += 1;
    }
    assert!(sent >= enough, "{sent} of {enough}, {by_policy} against the policy");

    // Nothing but looking, whatever was asked; the agent lives and still does what is allowed.
    let answered = lie.say::<CommandEvent>(&request(&mut id, &logs)).await;
    assert!(matches!(answered.last(), Some(CommandEvent::Outcome(Outcome::Succeeded { .. }))), "{answered:?}");
    let requests = recorder.requests();
    let looks = |line: &&String| {
        let path = line
            .strip_prefix("GET ")
            .map(|path| path.trim_start_matches("/v1.").trim_start_matches(|one: char| one.is_ascii_digit()));
        path.is_none_or(|path| {
            let known =
                ["/version", "/events?", "/containers/json", "/containers/"].iter().any(|head| path.starts_with(head));
            !known || path.contains("..") || path.contains('%') && !path.contains("filters=")
        })
    };
    let forbidden: Vec<&String> = requests.iter().filter(looks).collect();
    assert!(forbidden.is_empty() && !requests.is_empty(), "{} of {}: {forbidden:?}", forbidden.len(), requests.len());
    for half in &mut watched.halves {
        assert!(!half.log().contains("panicked"), "{}", half.log());
    }
    let (programs, written) = watched.deeds();
    assert_eq!(programs, 0, "no half starts a program");
    let own =
        [watched.folder.path().join("exec"), watched.folder.path().join("run"), watched.folder.path().join("link")];
    let outside: Vec<&String> = written
        .iter()
        .filter(|path| !own.iter().any(|own| Path::new(path).starts_with(own)) && *path != "/dev/null")
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
    let state = docker(&["inspect", "-f", "{{.State.Running}} {{.RestartCount}}", &foreign]);
    assert_eq!(state, "true 0");
}

/// A program as the parts that it travels in.
fn parts(program: &[u8]) -> Vec<u8> {
    let framed = |part: &[u8]| [&u32::try_from(part.len()).expect("fits").to_be_bytes()[..], part].concat();
    program.chunks(PROGRAM_PART_BYTES).flat_map(framed).collect()
}

/// How an update ended that was offered with this behind it, and whether the agent had wanted to see a program.
fn ended(answers: Vec<CommandEvent>, what: &str) -> (ErrorCode, String, bool) {
    let taken = answers.contains(&CommandEvent::Send);
    match answers.into_iter().next_back() {
        Some(CommandEvent::Outcome(Outcome::Failed { code, message, .. })) => (code, message, taken),
        other => panic!("{what} was not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_lies_brings_no_program_onto_a_host() {
    let (owner, stranger) = (Publisher::new().await, Publisher::new().await);
    let policy = format!("update_key = \"{}\"\n", owner.update_key());
    let small = owner.key().with_file_name("small");
    std::fs::copy("/bin/true", &small).expect("a program can be copied");
    let Published { signature, program } = owner.sign(&small, Some("9.0.0")).await;
    let program = std::fs::read(program).expect("a readable program");
    let strangers = stranger.sign(&small, Some("9.0.0")).await.signature;
    let older = owner.sign(&small, Some("0.0.1")).await.signature;
    let liar = Liar::start();
    let (mut watched, _recorder) =
        Watched::start(&liar, |folder| Recorder::start(folder, Path::new(ENGINE)), |_| policy).await;
    let lie = liar.welcome().await;
    let mut id = 0;
    let mut offer = |release: &str, behind: &[u8]| {
        [request(&mut id, &json!({ "update_agent": { "release": release, "path": "/etc/cron.d/x" } })), behind.to_vec()]
            .concat()
    };
    eventually("the link knows the policy", async || {
        let answers = lie.say::<CommandEvent>(&offer(&strangers, b"")).await;
        ended(answers, "a stranger's").1.contains("is not signed with the key").then_some(())
    })
    .await;

    // Without the owner's signature nothing is taken, whatever comes behind it.
    let whole = parts(&program);
    for (what, release) in [
        ("nothing", String::new()),
        ("noise", "\u{1b}]0;x\u{7}\0".repeat(40)),
        ("much", "x".repeat(200_000)),
        ("a path", signature.replace("version 9.0.0", "version ../../../etc/passwd")),
        ("a path", signature.replace("tomo-agent", "/bin/sh")),
        ("another version", signature.replace("9.0.0", "9.0.1")),
        ("another length", signature.replace("length ", "length 1")),
        ("another digest", signature.replace("sha256 ", "sha256 0")),
        ("a stranger's", strangers),
        ("an older one", older),
    ] {
        for behind in [&b""[..], &whole, &[0xff; 300_000]] {
            let (code, message, taken) = ended(lie.say(&offer(&release, behind)).await, what);
            let fits = matches!(code, ErrorCode::Invalid | ErrorCode::RefusedByPolicy | ErrorCode::Conflict);
            assert!(fits && !taken, "{what}: {code:?} {message}");
        }
    }
    // With it, no other program is, and never more than was signed.
    let mut changed = program.clone();
    changed[7_000] ^= 1;
    let endless = parts(&vec![0; 80 << 20]);
    for (what, behind, said) in [
        ("a changed one", parts(&changed), "is not the one that was signed"),
        ("a shorter one", parts(&program[..9_000]), "ends before its length"),
        ("a longer one", parts(&[&program[..], b"more"].concat()), "longer than the release says"),
        ("an endless one", endless, "longer than the release says"),
        ("none", Vec::new(), "ends before its length"),
        ("empty parts", vec![0; 4_096], "no part of a program"),
        ("a part that is too long", [&u32::MAX.to_be_bytes()[..], &program].concat(), "no part of a program"),
    ] {
        let (_, message, taken) = ended(lie.say(&offer(&signature, &behind)).await, what);
        assert!(taken && message.contains(said), "{what}: {message}");
    }
    let (_, message, _) = ended(lie.falter(&offer(&signature, &whole[..9_000])).await, "a slow one");
    assert!(message.contains("no part of the program came for 20 s"), "{message}");
    // The true one is handed over, and lies there no longer than somebody might take it.
    let (code, message, _) = ended(lie.say(&offer(&signature, &whole)).await, "the true one");
    assert!(code == ErrorCode::HostFailed && message.contains("nobody on the host takes the update"), "{message}");

    let link = watched.folder.path().join("link");
    let mut left = std::fs::read_dir(&link).expect("reads").flatten().map(|entry| entry.file_name());
    let update = left.find(|name| name.to_string_lossy().starts_with("update"));
    assert_eq!(update, None, "nothing of it is left");
    for half in &mut watched.halves {
        assert!(!half.log().contains("panicked"), "{}", half.log());
    }
    let (programs, written) = watched.deeds();
    assert_eq!(programs, 0, "no half starts a program");
    let own = [link.clone(), watched.folder.path().join("exec"), watched.folder.path().join("run")];
    let is_own = |path: &&String| own.iter().any(|own| Path::new(path).starts_with(own)) || *path == "/dev/null";
    let outside: Vec<&String> = written.iter().filter(|path| !is_own(path)).collect();
    assert!(
        outside.is_empty() && written.iter().any(|path| path.ends_with("update.part")),
        "{outside:?} of {written:?}"
    );
}
