//! Configurations that would take a container out of its confinement, at every entry: as an app's configuration, in one of its
//! services, and in a compose file. All are refused, by the thing that refuses them; ordinary apps are not. What an agent does that is
//! sent them all the same is `liar`'s.

#![expect(clippy::print_stdout, reason = "their number is what the test is run for")]

use serde_json::{Value, json};
use tomo_proto::{
    api::{
        app::{AppDeploy, AppImport, AppList},
        catalog::{CatalogGet, CatalogList},
    },
    error::{ApiError, ErrorCode},
    model::catalog::AnswerKind,
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    daemon::TestDaemon,
    http::Http,
};

const SERVER: &str = "web-1";
const IMAGE: &str = "busybox:1";

/// Folders that no app gets, whichever way they are written.
fn folders() -> Vec<String> {
    let never = [
        "/",
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/home",
        "/lib",
        "/proc",
        "/root",
        "/run",
        "/sbin",
        "/sys",
        "/usr",
        "/var/lib/docker",
        "/var/run",
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/run/containerd/containerd.sock",
        "/run/podman/podman.sock",
        "/proc/1/root",
        "/sys/fs/cgroup",
        "/dev/mem",
        "/etc/shadow",
        "/root/x",
        "/var/lib/tomo-agent",
        "/var/lib/tomo",
        "/etc/tomo",
    ];
    let written = |folder: &str| {
        let below = folder.trim_end_matches('/');
        [folder.to_owned(), format!("{below}/"), format!("/{folder}"), format!("{below}/."), format!("/srv/..{folder}")]
    };
    never.iter().flat_map(|folder| written(folder)).collect()
}

/// Keys of engines and compose files that a configuration must not have, with a value that harms.
fn keys() -> Vec<(&'static str, Value)> {
    vec![
        ("privileged", json!(true)),
        ("network_mode", json!("host")),
        ("network", json!("host")),
        ("pid", json!("host")),
        ("pid_mode", json!("host")),
        ("ipc", json!("host")),
        ("ipc_mode", json!("host")),
        ("uts", json!("host")),
        ("userns_mode", json!("host")),
        ("cgroup", json!("host")),
        ("cgroup_parent", json!("/")),
        ("cgroupns_mode", json!("host")),
        ("devices", json!(["/dev/sda:/dev/sda"])),
        ("device_cgroup_rules", json!(["a *:* rwm"])),
        ("device_requests", json!([{ "capabilities": [["gpu"]] }])),
        ("gpus", json!("all")),
        ("cap_add", json!(["ALL"])),
        ("security_opt", json!(["seccomp:unconfined"])),
        ("masked_paths", json!([])),
        ("readonly_paths", json!([])),
        ("sysctls", json!({ "kernel.core_pattern": "|/x" })),
        ("runtime", json!("x")),
        ("volumes_from", json!(["other"])),
        ("binds", json!(["/:/host"])),
        ("mounts", json!([{ "source": "/", "target": "/host" }])),
        ("volume_driver", json!("x")),
        ("host_config", json!({ "Privileged": true })),
        ("HostConfig", json!({ "Privileged": true })),
        ("Privileged", json!(true)),
        ("group_add", json!(["docker"])),
        ("oom_kill_disable", json!(true)),
        ("oom_score_adj", json!(-1000)),
        ("log_config", json!({ "type": "syslog" })),
        ("extra_hosts", json!(["a:1.2.3.4"])),
        ("links", json!(["other"])),
        ("init", json!(true)),
        ("isolation", json!("process")),
        ("credential_spec", json!({ "file": "x" })),
        ("use_api_socket", json!(true)),
        ("tmpfs", json!({ "/run": "exec" })),
    ]
}

/// Capabilities that no host gives, and ways to write one that is not asked for.
const CAPABILITIES: [&str; 30] = [
    "ALL",
    "SYS_ADMIN",
    "SYS_MODULE",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_BOOT",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "SYSLOG",
    "SYS_PACCT",
    "BPF",
    "PERFMON",
    "CHECKPOINT_RESTORE",
    "DAC_READ_SEARCH",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "LEASE",
    "IPC_OWNER",
    "all",
    "sys_admin",
    "CAP_SYS_ADMIN",
    "cap_sys_module",
    "SYS_ADMIN ",
    "",
    "NET_ADMIN,SYS_ADMIN",
];

/// Configurations, each with what it is about.
fn escapes() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for folder in folders() {
        let volume = json!({ "source": folder, "target": "/x", "read_only": true });
        found.push((format!("mount {folder}"), json!({ "image": IMAGE, "volumes": [volume] })));
    }
    for target in ["/", "x", "/../x", "", "/a:/b"] {
        let volume = json!({ "source": "data", "target": target });
        found.push((format!("target {target}"), json!({ "image": IMAGE, "volumes": [volume] })));
    }
    for (key, value) in keys() {
        found.push((key.to_owned(), json!({ "image": IMAGE, key: value })));
    }
    for name in CAPABILITIES {
        found.push((format!("capability {name}"), json!({ "image": IMAGE, "capabilities": [name] })));
    }
    for label in ["dev.tomo.app", "dev.tomo.name", "dev.tomo.service", "a b", ""] {
        found.push((format!("label {label}"), json!({ "image": IMAGE, "labels": { label: "x" } })));
    }
    for path in ["relative", "/", "/etc/../x", "/etc//x", "/dir/", "/proc/1/mem", "/sys/x", "/dev", "/data/x", "/a\nb"]
    {
        let volume = json!({ "source": "data", "target": "/data" });
        found.push((format!("file {path}"), json!({ "image": IMAGE, "volumes": [volume], "files": { path: "x" } })));
    }
    for port in [22, 80, 443, 1_023] {
        found.push((format!("port {port}"), json!({ "image": IMAGE, "ports": [{ "container": 80, "host": port }] })));
    }
    found
}

async fn refused(admin: &Http, what: &str, spec: Value) {
    let arguments = json!({ "server": SERVER, "name": "web", "spec": spec });
    let result = admin.call_by_name("app_deploy", arguments).await;
    let error = result.error.unwrap_or_else(|| panic!("{what} is planned: {:?}", result.response));
    assert!(matches!(error.code, ErrorCode::Invalid | ErrorCode::RefusedByPolicy), "{what}: {error:?}");
    assert!(!error.message.is_empty(), "{what}: {error:?}");
}

/// The same in the words of a compose file, where it has any for it.
fn in_compose(what: &str, spec: &Value) -> Option<String> {
    let mut service = spec.as_object()?.clone();
    if let Some(names) = service.remove("capabilities") {
        service.insert("cap_add".to_owned(), names);
    }
    if let Some(ports) = service.remove("ports") {
        service.insert("ports".to_owned(), json!([format!("{}:80", ports[0]["host"])]));
    }
    if let Some(volumes) = service.remove("volumes") {
        let volume = &volumes[0];
        let kind = if volume["source"].as_str()?.starts_with('/') { "bind" } else { "volume" };
        let volume = json!({ "type": kind, "source": volume["source"], "target": volume["target"] });
        service.insert("volumes".to_owned(), json!([volume]));
    }
    // What compose would do nothing with is nothing to refuse.
    let harmless = ["capability "].contains(&what) || what == "masked_paths" || what == "readonly_paths";
    (!harmless).then(|| json!({ "services": { "web": service } }).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_a_container_out_of_its_confinement_is_refused_at_every_entry() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let escapes = escapes();
    let (mut direct, mut nested, mut compose) = (0, 0, 0);
    for (what, spec) in escapes {
        refused(&admin, &what, spec.clone()).await;
        direct += 1;
        let of_service = json!({ "image": IMAGE, "services": { "db": spec } });
        refused(&admin, &format!("{what} of a service"), of_service).await;
        nested += 1;
        let Some(text) = in_compose(&what, &spec) else { continue };
        compose += 1;
        let imported: Result<_, ApiError> =
            admin.call(&AppImport { compose: text.clone(), ..AppImport::default() }).await;
        match imported {
            Err(error) => {
                assert!(error.code == ErrorCode::Invalid && error.message.contains("line 1"), "{what}: {error:?}");
            }
            // What only the host's policy can refuse.
            Ok(imported) => {
                let spec = serde_json::to_value(&imported.spec).expect("encodes");
                refused(&admin, &format!("{what} from {text}"), spec).await;
            }
        }
    }
    println!("refused: {direct} configurations, {nested} in a service, {compose} in compose files");
    assert!(direct >= 200 && compose >= 190, "{direct} {compose}");
    let apps = admin.call(&AppList::default()).await.expect("lists").apps;
    assert!(apps.is_empty(), "nothing was made of any of them: {apps:?}");
    agent.stop().await;
    daemon.stop().await;
}

/// What people run: the catalog's apps, and others that use everything a configuration can say.
#[tokio::test(flavor = "multi_thread")]
async fn ordinary_apps_are_accepted() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let policy = ALLOW_ALL.replace("\"/srv\"", "\"/srv\", \"/media\"").replace(
        "ports = [",
        "capabilities = [\"NET_ADMIN\", \"IPC_LOCK\"]\nports = [\"53-53\", \"80-81\", \"443-443\", ",
    );
    let agent = TestAgent::spawn(&daemon, SERVER, &policy).await;
    let mut accepted = 0;
    for summary in admin.call(&CatalogList::default()).await.expect("lists").templates {
        let template = admin.call(&CatalogGet { template: summary.id.clone() }).await.expect("is there").template;
        let answer = |kind: AnswerKind| match kind {
            AnswerKind::Path => "/srv/files".to_owned(),
            AnswerKind::Int | AnswerKind::Port => "8123".to_owned(),
            AnswerKind::Bool => "true".to_owned(),
            AnswerKind::Url => "https://shop.example".to_owned(),
            AnswerKind::Email => "ana@shop.example".to_owned(),
            AnswerKind::Timezone => "UTC".to_owned(),
            AnswerKind::String | AnswerKind::Enum => "shop.example".to_owned(),
        };
        let open: Vec<_> =
            template.open_questions(&Default::default()).map(|one| (one.name.clone(), answer(one.kind))).collect();
        let deploy = AppDeploy {
            server: SERVER.to_owned(),
            name: template.id.clone(),
            template: Some(template.id.clone()),
            answers: open.into_iter().collect(),
            ..AppDeploy::default()
        };
        let planned = admin.call(&deploy).await;
        assert!(planned.is_ok(), "{}: {planned:?}", template.id);
        accepted += 1;
    }
    let volume = |source: &str, target: &str| json!({ "source": source, "target": target });
    for (name, spec) in [
        (
            "dns",
            json!({ "image": "pihole/pihole:2025.11", "capabilities": ["NET_ADMIN"], "ports": [
            { "container": 53, "host": 53, "protocol": "udp" }, { "container": 53, "host": 53 }] }),
        ),
        (
            "vault",
            json!({ "image": "hashicorp/vault:1.20", "capabilities": ["IPC_LOCK", "CHOWN"], "ports": [{ "container": 8200 }] }),
        ),
        (
            "films",
            json!({ "image": "jellyfin/jellyfin:10.11", "user": "1000:1000",
            "volumes": [volume("/media/films", "/media"), volume("films-cache", "/cache")] }),
        ),
        (
            "proxy",
            json!({ "image": "traefik:v3.6", "command": ["--providers.file=true"], "ports": [
            { "container": 80, "host": 80 }, { "container": 443, "host": 443 }] }),
        ),
        ("configured", json!({ "image": "nginx:1.29", "files": { "/etc/nginx/conf.d/a.conf": "server {}\n" } })),
        (
            "labelled",
            json!({ "image": "nginx:1.29", "labels": { "traefik.http.routers.web.rule": "Host(`a.example`)" } }),
        ),
        ("limited", json!({ "image": "nginx:1.29", "memory_limit_bytes": 268_435_456, "cpu_limit_millis": 500 })),
        (
            "shell",
            json!({ "image": "busybox:1", "entrypoint": ["sh", "-c"], "command": ["sleep 1000; echo $HOME"], "restart": "no" }),
        ),
        (
            "checked",
            json!({ "image": "postgres:18", "env": { "POSTGRES_PASSWORD": "x" }, "health": "run:pg_isready -U postgres" }),
        ),
        (
            "blog",
            json!({ "image": "wordpress:6.8", "env": { "WORDPRESS_DB_HOST": "db" }, "depends_on": ["db"], "ports": [{ "container": 80 }],
            "services": { "db": { "image": "mysql:8.4", "volumes": [volume("blog-db", "/var/lib/mysql")] } } }),
        ),
        (
            "cloud",
            json!({ "image": "nextcloud:33", "alias": "front", "depends_on": ["db", "redis"], "volumes": [volume("cloud", "/var/www/html")],
            "services": { "db": { "image": "mariadb:11.4" }, "redis": { "image": "redis:8" },
                "cron": { "image": "nextcloud:33", "depends_on": ["front"], "volumes": [volume("cloud", "/var/www/html")] } } }),
        ),
    ] {
        let planned = admin.call_by_name("app_deploy", json!({ "server": SERVER, "name": name, "spec": spec })).await;
        assert!(planned.error.is_none(), "{name}: {planned:?}");
        accepted += 1;
    }
    println!("accepted: {accepted}");
    assert!(accepted >= 30, "{accepted}");
    agent.stop().await;
    daemon.stop().await;
}
