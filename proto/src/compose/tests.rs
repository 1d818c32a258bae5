//! What becomes of compose files: of projects' own, as their documentation has them, and of each key that could harm a host.

use std::{fs, path::Path};

use crate::model::app::{PortSpec, Protocol, VolumeSpec};

use super::*;

fn import_with(text: &str, service: Option<&str>, leave_out: &[&str]) -> Result<Imported, Vec<Finding>> {
    let pairs = [("HOST", "vault.example"), ("SUBDOMAIN", "n8n"), ("DOMAIN_NAME", "example.com")];
    let values = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let leave_out: Vec<String> = leave_out.iter().map(|key| (*key).to_owned()).collect();
    let read = |path: &str| match path {
        "db.env" => {
            Ok("# of the database\nMYSQL_DATABASE=nextcloud # its name\nexport MYSQL_USER='nextcloud'\n".to_owned())
        }
        _ => Err("is not there".to_owned()),
    };
    let wanted =
        Wanted { service, name: None, values: &values, base: None, leave_out: &leave_out, health: None, read: &read };
    import(text, &wanted)
}

fn sample(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/compose/samples");
    fs::read_to_string(folder.join(format!("{name}.yaml"))).expect("is there")
}

/// `line key` of everything that stands against an import.
fn against(text: &str, service: Option<&str>) -> Vec<String> {
    let found = import_with(text, service, &[]).err().unwrap_or_default();
    found.iter().map(|finding| format!("{} {}", finding.line, finding.key)).collect()
}

#[test]
fn files_of_real_projects_are_imported_or_what_is_missing_is_named_with_its_line() {
    let expected: [(&str, Option<&str>, &[&str]); 25] = [
        ("uptime-kuma", None, &[]),
        ("vaultwarden", None, &[]),
        ("gitea", None, &["13 volumes"]),
        ("jellyfin", None, &["5 network_mode", "13 extra_hosts"]),
        ("home-assistant", None, &["8 privileged", "9 network_mode", "10 devices"]),
        ("pihole", None, &["14 volumes", "17 cap_add"]),
        ("adguard-home", None, &[]),
        ("traefik", None, &[]),
        ("netdata", None, &["4 pid", "5 network_mode", "7 cap_add", "7 cap_add", "8 security_opt"]),
        ("wg-easy", None, &["5 networks", "16 cap_add", "17 sysctls"]),
        ("frigate", None, &["4 privileged", "6 stop_grace_period", "7 shm_size", "8 devices", "12 volumes"]),
        ("wordpress", None, &[]),
        ("wordpress", Some("db"), &[]),
        ("nextcloud", Some("db"), &[]),
        ("nextcloud", None, &[]),
        ("nextcloud", Some("app"), &["18 depends_on", "19 depends_on"]),
        ("immich", Some("immich-server"), &["6 volumes", "8 env_file", "12 depends_on"]),
        ("immich", Some("database"), &["19 environment", "22 volumes", "23 shm_size"]),
        ("paperless", Some("webserver"), &["11 depends_on", "16 volumes", "17 env_file"]),
        ("minio", None, &[]),
        ("registry", None, &[]),
        ("mosquitto", None, &["9 volumes", "10 volumes", "11 volumes", "12 tty"]),
        ("n8n", None, &[]),
        ("ollama", None, &["11 deploy.resources.reservations.devices"]),
        ("ghost", None, &["5 build", "12 environment", "15 logging"]),
    ];
    for (name, service, found) in expected {
        assert_eq!(against(&sample(name), service), found, "{name} {service:?}");
    }
}

#[test]
fn what_is_imported_is_what_the_file_says() {
    let imported = |name: &str, service: Option<&str>| import_with(&sample(name), service, &[]).expect("is imported");
    let spec = imported("vaultwarden", None).spec;
    assert_eq!(spec.env["DOMAIN"], "https://vault.example");
    assert_eq!(spec.env["SIGNUPS_ALLOWED"], "false");
    assert_eq!(spec.health, Some(HealthCheck::Http { port: 80, path: "/alive".to_owned() }));
    assert_eq!(spec.ports, [PortSpec { container: 80, host: Some(8000), protocol: Protocol::Tcp, loopback: true }]);
    let volume = |source: &str, target: &str| VolumeSpec {
        source: source.to_owned(),
        target: target.to_owned(),
        read_only: false,
    };
    assert_eq!(spec.volumes, [volume("vaultwarden", "/data/")]);
    // A volume is the app's own, as compose's is the project's.
    assert_eq!(imported("uptime-kuma", None).spec.volumes, [volume("uptime-kuma-data", "/app/data")]);
    assert_eq!(imported("registry", None).spec.volumes, [volume("registry", "/var/lib/registry")]);
    assert_eq!(imported("registry", None).spec.memory_limit_bytes, Some(256 << 20));
    let ports: Vec<u16> = imported("adguard-home", None).spec.ports.iter().filter_map(|port| port.host).collect();
    assert_eq!(ports, [53, 53, 3000, 8853, 8854, 8855]);
    let spec = imported("nextcloud", Some("db")).spec;
    assert_eq!(spec.command, ["--transaction-isolation=READ-COMMITTED", "--log-bin=binlog", "--binlog-format=ROW"]);
    assert_eq!((spec.env["MYSQL_DATABASE"].as_str(), spec.env["MYSQL_USER"].as_str()), ("nextcloud", "nextcloud"));
    let spec = imported("n8n", None).spec;
    assert_eq!(spec.env["WEBHOOK_URL"], "https://n8n.example.com/");
    assert_eq!((spec.env.len(), spec.restart.as_str()), (3, "always"));
    assert_eq!(spec.health, Some(HealthCheck::Http { port: 5678, path: "/healthz".to_owned() }));
    let notes = imported("wordpress", Some("db")).notes;
    assert!(notes.iter().any(|note| note.line == 21 && note.message.contains("tomo secret set")), "{notes:?}");
}

#[test]
fn several_services_become_one_app_with_the_one_in_front_as_its_own() {
    let imported = import_with(&sample("nextcloud"), None, &[]).expect("is imported");
    let spec = imported.spec;
    assert_eq!((imported.name.as_str(), spec.image.as_str(), &spec.alias), ("app", "nextcloud:33.0.3", &None));
    assert_eq!(spec.depends_on, ["db", "redis"]);
    assert_eq!(spec.services.keys().collect::<Vec<_>>(), ["db", "redis"]);
    // A volume is the app's, whichever service mounts it.
    assert_eq!(spec.services["db"].volumes[0].source, "app-db");
    assert_eq!(spec.services["db"].env["MYSQL_DATABASE"], "nextcloud");
    let text = "name: shop\nservices:\n  db:\n    image: db:1\n    ports: [\"1:1\"]\n    healthcheck:\n      test: [CMD, pg_isready, -q]\n      interval: 2s\n  front:\n    image: web:1\n    networks: [inside]\n    ports: [\"80:80\"]\n    cap_add: [CAP_NET_ADMIN, CHOWN]\n    deploy: {resources: {limits: {cpus: '0.5'}}}\n    depends_on:\n      db: {condition: service_healthy, restart: true}\nnetworks:\n  inside: {driver: bridge}\n";
    let imported = import_with(text, None, &[]).expect("is imported");
    let (name, spec) = (imported.name, imported.spec);
    assert_eq!((name.as_str(), spec.alias.as_deref(), spec.cpu_limit_millis), ("shop", Some("front"), Some(500)));
    assert_eq!(spec.capabilities, ["NET_ADMIN"]);
    assert_eq!(spec.services["db"].health.as_ref().map(ToString::to_string).as_deref(), Some("run:pg_isready -q"));
}

#[test]
fn what_several_services_cannot_have_is_named_with_its_line() {
    for (service, line, said) in [
        ("depends_on: {db: {condition: service_completed_successfully}}", 6, "until it is healthy, not until it ends"),
        ("depends_on: [cache]", 6, "there is no service \"cache\""),
        ("depends_on: [web]", 6, "depends on what depends on it"),
        ("networks: [lan]", 6, "lan is outside of the file"),
        ("networks: {own: {ipv4_address: 10.0.0.1}}", 6, "addresses and other names are not supported"),
        ("ports: [\"1:1\"]", 6, "host port 1 is published twice"),
        ("labels: {dev.tomo.app: x}", 6, "those are Tomo's own"),
        ("cap_add: [SYS_ADMIN]", 6, "no host can give"),
        ("user: \"a b\"", 6, "is no user"),
        ("cpus: many", 6, "is no number of cores"),
    ] {
        let text = format!(
            "services:\n  db:\n    image: db:1\n  web:\n    image: web:1\n    {service}\n  x:\n    image: x:1\n    ports: [\"1:1\"]\nnetworks:\n  lan: {{external: true}}\n  own: {{}}\n"
        );
        let found = import_with(&text, None, &[]).expect_err(service);
        assert!(found[0].line == line && found[0].message.contains(said), "{service}: {found:?}");
    }
}

#[test]
fn only_what_is_named_is_left_out_and_that_is_said() {
    let found = import_with(&sample("pihole"), None, &["cap_add"]).expect_err("the volume stays wrong");
    assert_eq!(found.len(), 1, "{found:?}");
    let imported = import_with(&sample("pihole"), None, &["cap_add", "volumes"]).expect("is imported");
    let left_out: Vec<u64> =
        imported.notes.iter().filter(|note| note.message.contains("left out")).map(|note| note.line).collect();
    assert_eq!(left_out, [14, 17]);
    assert!(imported.spec.volumes.is_empty());
    assert!(import_with(&sample("pihole"), None, &["cap", "vol"]).is_err(), "a part of a key is none");
}

/// Every key by which compose could take a container out of its confinement.
const ESCAPES: [&str; 42] = [
    "privileged: true",
    "privileged: \"true\"",
    "network_mode: host",
    "network_mode: \"container:other\"",
    "network_mode: service:db",
    "network_mode: none",
    "pid: host",
    "pid: \"service:other\"",
    "ipc: host",
    "ipc: shareable",
    "uts: host",
    "userns_mode: host",
    "cgroup: host",
    "cgroup_parent: /",
    "devices: [\"/dev/sda:/dev/sda\"]",
    "devices: [{source: /dev/kmsg, target: /dev/kmsg}]",
    "device_cgroup_rules: [\"a *:* rwm\"]",
    "gpus: all",
    "cap_add: [ALL]",
    "cap_add: [SYS_ADMIN]",
    "cap_add: [CAP_SYS_PTRACE]",
    "cap_add: [net_admin, sys_module]",
    "security_opt: [\"seccomp:unconfined\"]",
    "security_opt: [\"apparmor=unconfined\"]",
    "security_opt: [\"label:disable\"]",
    "security_opt: [\"no-new-privileges:true\", \"systempaths=unconfined\"]",
    "security_opt: [\"no-new-privileges:false\"]",
    "sysctls: {kernel.core_pattern: \"|/x\"}",
    "sysctls: [net.ipv4.ip_forward=1]",
    "runtime: sysbox",
    "volumes_from: [other]",
    "volumes_from: [\"container:other:rw\"]",
    "use_api_socket: true",
    "credential_spec: {file: x}",
    "isolation: process",
    "group_add: [docker]",
    "oom_kill_disable: true",
    "provider: {type: x}",
    "post_start: [{command: x, privileged: true}]",
    "logging: {driver: syslog, options: {syslog-address: \"tcp://a\"}}",
    "extends: {file: /etc/passwd, service: x}",
    "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}",
];

#[test]
fn what_could_take_a_container_out_of_its_confinement_is_refused_with_its_line() {
    for escape in ESCAPES {
        let head = "services:\n  x:\n    image: x:1\n";
        for text in [
            format!("{head}    {escape}\n"),
            // Also where it hides: behind an anchor, or in what is merged.
            format!("x-hidden: &hidden\n  {escape}\n{head}    <<: *hidden\n"),
        ] {
            let found = import_with(&text, None, &[]).expect_err(escape);
            let key = escape.split(':').next().unwrap_or_default();
            let holds = |line: &str| line.contains("<<") || line.contains(key);
            let place = usize::try_from(found[0].line).expect("fits") - 1;
            assert!(text.lines().nth(place).is_some_and(holds) && found[0].is_about(key), "{escape}: {found:?}");
        }
    }
}

/// Mounts that are none of an app's, whichever way they are written: what gets past here is the host's policy's to refuse.
#[test]
fn a_mount_is_a_folder_a_volume_or_refused() {
    for (mount, said) in [
        ("\"../x:/x\"", "another folder on every machine"),
        ("\"~/.ssh:/x\"", "another folder on every machine"),
        ("\"./x:/x\"", "--base"),
        ("/x", "without a name"),
        ("\"/a:/b:rshared\"", "rshared is not supported"),
        ("\"/a:/b:ro:x\"", "SOURCE:TARGET"),
        ("{type: npipe, source: /a, target: /b}", "a mount of type npipe"),
        ("{type: tmpfs, target: /b}", "a mount of type tmpfs"),
        ("{type: image, source: /a, target: /b}", "a mount of type image"),
        ("{type: bind, source: /a, target: /b, bind: {propagation: rshared}}", "bind is not supported"),
        ("{type: volume, source: a, target: /b, volume: {subpath: ../x}}", "volume is not supported"),
        ("\"stolen:/x\"", "driver_opts of the volume stolen (line 7) is not supported"),
        ("\"/srv/../etc:/x\"", "is not a plain absolute path"),
    ] {
        let text = format!(
            "services:\n  x:\n    image: x:1\n    volumes:\n      - {mount}\nvolumes:\n  stolen: {{driver_opts: {{type: none, o: bind, device: /}}}}\n"
        );
        let found = import_with(&text, None, &[]).expect_err(mount);
        assert!(found[0].message.contains(said), "{mount}: {found:?}");
    }
}

#[test]
fn what_is_no_compose_file_is_said_with_its_line() {
    let deep = "[".repeat(50_000);
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    for (text, line) in [
        ("", 1),
        ("hello", 1),
        ("- a", 1),
        ("services: []", 1),
        ("services:\n  x: 1\n  x: 2", 3),
        ("services:\n  a: [", 2),
        ("services:\n  x: 1\n", 2),
        ("services:\n  x: *none\n", 2),
        ("services: {x: {image: 'x:1'}}\n---\na: 1\n", 3),
        (deep.as_str(), 1),
        (bomb.as_str(), 5),
    ] {
        let found = import_with(text, None, &[]).expect_err("is refused");
        assert_eq!(found[0].line, line, "{:.80}: {found:?}", text);
    }
    // Cut anywhere.
    for name in ["nextcloud", "n8n"] {
        let text = sample(name);
        for (at, _) in text.char_indices() {
            drop(import_with(&text[..at], None, &[]));
        }
    }
}

#[test]
fn values_are_filled_in_as_compose_does() {
    let values: BTreeMap<String, String> =
        [("A", "1"), ("EMPTY", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    for (text, filled) in [
        ("$A-${A}", Some("1-1")),
        ("$$A", Some("$A")),
        ("${B:-x}", Some("x")),
        ("${EMPTY:-x}", Some("x")),
        ("${EMPTY-x}", Some("")),
        ("${A:+y}${B:+y}", Some("y")),
        ("${A?why}", Some("1")),
        ("${B:?why}", None),
        ("$B", None),
        ("${B", None),
        ("${A:-${B}}", None),
        ("${A%x}", None),
        ("costs $ 5", None),
    ] {
        assert_eq!(fill::fill(text, &values).ok().as_deref(), filled, "{text}");
    }
    let words = crate::text::words;
    assert_eq!(words("a 'b c' \"d \\\" e\" f\\ g ''").expect("words"), ["a", "b c", "d \" e", "f g", ""]);
    assert!(words("a 'b").is_err());
}

#[test]
fn secrets_and_configs_become_files_of_the_container() {
    let text = r#"
services:
  web:
    image: web:1
    secrets:
      - key
      - source: other
        target: token
        mode: 0400
      - source: key
        target: /srv/key
    configs:
      - plain
      - source: read
        target: /etc/read.env
secrets:
  key:
    file: ./key.txt
  other:
    external: true
    name: web.token
configs:
  plain:
    content: "host=${HOST}"
  read:
    file: db.env
"#;
    let imported = import_with(text, None, &[]).expect("fits");
    let files: Vec<(&str, &str)> = imported
        .spec
        .files
        .iter()
        .map(|(path, text)| (path.as_str(), text.lines().next().unwrap_or_default()))
        .collect();
    let expected = [
        ("/etc/read.env", "# of the database"),
        ("/plain", "host=vault.example"),
        ("/run/secrets/key", "secret://key"),
        ("/run/secrets/token", "secret://web.token"),
        ("/srv/key", "secret://key"),
    ];
    assert_eq!(files, expected);
    let notes: Vec<String> = imported.notes.iter().map(Finding::to_string).collect();
    assert!(
        notes.iter().any(|note| note.starts_with("17: secrets.key: is the secret key")
            && note.ends_with("`tomo secret set key < ./key.txt`")),
        "{notes:?}"
    );
    assert!(notes.iter().any(|note| note.starts_with("9: secrets: mode has no effect")), "{notes:?}");

    let wrong = text.replace("- plain", "- gone").replace("db.env", "lost.env").replace("/srv/key", "/proc/key");
    assert_eq!(against(&wrong, None), ["13 configs", "14 configs"]);
    let wrong = text.replace("/srv/key", "/proc/key");
    assert_eq!(against(&wrong, None), ["13 files./proc/key"]);
}

#[test]
fn an_app_comes_back_from_its_file_as_it_was() {
    let spec = AppSpec {
        image: "x/y:1".to_owned(),
        command: ["a b", "$HOME", "\"q\"", ""].map(str::to_owned).into(),
        ports: vec![
            PortSpec { container: 80, host: Some(8080), protocol: Protocol::Tcp, loopback: true },
            PortSpec { container: 53, host: Some(53), protocol: Protocol::Udp, loopback: false },
            PortSpec { container: 81, host: None, protocol: Protocol::Tcp, loopback: true },
            PortSpec { container: 82, host: None, protocol: Protocol::Udp, loopback: false },
        ],
        env: [("A", "no"), ("B", "secret://b"), ("C", "1.10"), ("D", "a: #b\n\u{e9}\u{1b}[31m\u{202e}")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        volumes: vec![
            VolumeSpec { source: "web-data".to_owned(), target: "/data".to_owned(), read_only: false },
            VolumeSpec { source: "/srv/x".to_owned(), target: "/x".to_owned(), read_only: true },
        ],
        restart: crate::model::app::RestartPolicy::OnFailure,
        memory_limit_bytes: Some(100_000_000),
        health: Some(HealthCheck::Http { port: 80, path: "/ok".to_owned() }),
        entrypoint: ["/bin/x", "a b"].map(str::to_owned).into(),
        user: Some("1000:1000".to_owned()),
        cpu_limit_millis: Some(1_250),
        labels: [("traefik.http.routers.x.rule".to_owned(), "Host(`x`)".to_owned())].into(),
        capabilities: vec!["NET_ADMIN".to_owned()],
        files: [
            ("/run/secrets/key", "secret://web.key"),
            ("/etc/x.conf", "a: $HOME\n\tb\u{1b}[31m\n"),
            ("/etc/y.conf", ""),
        ]
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into(),
        ..AppSpec::default()
    };
    let command = ["pg_isready", "-U", "a b"].map(str::to_owned).into();
    let db = AppSpec { image: "db:1".to_owned(), health: Some(HealthCheck::Command { command }), ..AppSpec::default() };
    let several = AppSpec {
        services: [("db".to_owned(), db)].into(),
        depends_on: vec!["db".to_owned()],
        alias: Some("front".to_owned()),
        ..spec.clone()
    };
    for spec in [spec, several, AppSpec { image: "x:1".to_owned(), ..AppSpec::default() }] {
        let text = export("web", &spec);
        assert!(text.lines().flat_map(str::chars).all(crate::text::is_display_safe), "{text}");
        let imported = import_with(&text, None, &[]).unwrap_or_else(|found| panic!("{found:?}\n{text}"));
        assert_eq!((imported.name.as_str(), &imported.spec), ("web", &spec), "{text}");
    }
}
