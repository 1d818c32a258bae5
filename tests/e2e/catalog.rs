//! The catalog: every template becomes an app that runs, with stand-ins for the images, through each door.

use std::{collections::BTreeMap, fmt::Write as _, fs, net::TcpListener};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tomo_daemon::catalog::TEMPLATES;
use tomo_proto::{
    api::{
        app::{AppDeploy, AppGet, AppRemove},
        catalog::{CatalogGet, CatalogList},
        person::ListSecrets,
    },
    catalog::{lint, parse},
    error::ErrorCode,
    model::{
        app::{AppSpec, HealthCheck, Protocol},
        catalog::{AnswerKind, Template},
        operation::OperationStatus,
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::{Setup, TestDaemon},
    docker::{Image, docker, unique},
    eventually::eventually,
    http::Http,
    rounds::rounds,
    terminal::{Key, Terminal},
};

const SERVER: &str = "web-1";

/// What the gate takes of the templates, before the others: low ports, UDP, a folder of the host, generated secrets.
const FIRST: [&str; 4] = ["pihole", "syncthing", "jellyfin", "grafana"];

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// An image that does what real ones do when they start: makes its volumes its own, becomes another user, binds its ports, low ones
/// too. It serves its environment.
fn stand_in(template: &Template) -> Image {
    let mut script = "set -e; busybox mkdir -p /etc; echo 'root:x:0:0::/:/bin/sh' > /etc/passwd; \
        echo 'app:x:1000:1000::/:/bin/sh' >> /etc/passwd; echo 'app:x:1000:' > /etc/group; "
        .to_owned();
    if let Some(HealthCheck::Http { path, .. }) = &template.health {
        let file = if path.ends_with('/') { format!("{path}index.html") } else { path.clone() };
        write!(script, "busybox mkdir -p \"$(busybox dirname /www{file})\"; echo ok > /www{file}; ")
            .expect("is written");
    }
    let mut as_user = String::new();
    for volume in template.volumes.iter().filter(|volume| !volume.read_only) {
        let target = &volume.target;
        write!(script, "busybox mkdir -p {target}; busybox chown -R app:app {target}; ").expect("is written");
        write!(as_user, "echo mine > {target}/mark; ").expect("is written");
    }
    for port in template.ports.iter().filter(|port| port.protocol == Protocol::Tcp) {
        write!(as_user, "busybox httpd -p {} -h /www; ", port.container).expect("is written");
    }
    as_user.push_str("exec busybox sleep 3600");
    write!(
        script,
        "busybox env > /www/env.txt; trap 'exit 0' TERM; busybox su app -s /bin/sh -c '{as_user}' & wait $!"
    )
    .expect("is written");
    Image::script(&script)
}

/// Templates in a folder, each with a stand-in instead of its image.
struct Stage {
    folder: TempDir,
    images: BTreeMap<String, Image>,
}

impl Stage {
    fn of(ids: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let mut images = BTreeMap::new();
        for id in ids {
            let (_, text) = TEMPLATES.iter().find(|(one, _)| one == id).expect("it is compiled in");
            assert_eq!(lint(text), [], "{id}");
            let template = parse(text).expect("parses");
            let image = stand_in(&template);
            let text = text.replace(&format!("\"{}\"", template.image), &format!("\"{}\"", image.name()));
            fs::write(folder.path().join(format!("{id}.toml")), text).expect("a file can be written");
            images.insert((*id).to_owned(), image);
        }
        Self { folder, images }
    }

    async fn daemon(&self) -> TestDaemon {
        let folders = format!("[\"{}\"]", self.folder.path().display());
        Setup::default().set("CATALOG__FOLDERS", &folders).start().await
    }
}

/// An answer to every question that has to have one, and a free port to every question for one.
fn answers(template: &Template, folder: &str) -> BTreeMap<String, String> {
    let answer = |kind: AnswerKind| match kind {
        AnswerKind::Port => Some(free_port().to_string()),
        AnswerKind::Path => Some(folder.to_owned()),
        AnswerKind::Url => Some("https://app.example".to_owned()),
        _ => None,
    };
    let questions = template.questions.iter().filter(|question| !question.secret);
    questions
        .filter_map(|question| {
            let needed = (question.required && question.default.is_none()).then(|| "app.example".to_owned());
            Some((question.name.clone(), answer(question.kind).or(needed)?))
        })
        .collect()
}

async fn read(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// The environment that an app's container says it has, through each published TCP port.
async fn environment(spec: &AppSpec) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for port in spec.ports.iter().filter(|port| port.protocol == Protocol::Tcp) {
        let text =
            eventually("the port answers", async || read(port.host.expect("it is fixed"), "/env.txt").await).await;
        found =
            text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    }
    found
}

async fn spec_of(admin: &Http, name: &str) -> AppSpec {
    let request = AppGet { app: name.to_owned(), include: Vec::new() };
    admin.call(&request).await.expect("the app is known").spec
}

async fn remove(admin: &Http, name: &str) {
    let plan = admin.call(&AppRemove { app: name.to_owned(), volumes: true, reason: None }).await.expect("is planned");
    let removed = admin.carry_out(plan).await.expect("begins");
    assert_eq!(removed.status, OperationStatus::Succeeded, "{removed:?}");
}

fn from_template(name: &str, template: &str, answers: &BTreeMap<String, String>) -> AppDeploy {
    let (server, template) = (SERVER.to_owned(), Some(template.to_owned()));
    AppDeploy { server, name: name.to_owned(), template, answers: answers.clone(), ..AppDeploy::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_catalog_template_lints_renders_and_deploys_with_what_real_entrypoints_do() {
    let mut ids: Vec<&str> = TEMPLATES.iter().map(|(id, _)| *id).collect();
    ids.sort_by_key(|id| !FIRST.contains(id));
    ids.truncate(rounds(FIRST.len()));
    let stage = Stage::of(&ids);
    let daemon = stage.daemon().await;
    let admin = daemon.admin();
    let _agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let media = tempfile::Builder::new().prefix("tomo-media-").tempdir_in("/tmp").expect("a folder can be made");
    for id in ids {
        let entry = admin.call(&CatalogGet { template: id.to_owned() }).await.expect("is in the catalog");
        let template = entry.template;
        assert_eq!(template.image, stage.images[id].name(), "the folder's template counts");
        let name = unique("cat");
        let answers = answers(&template, &media.path().display().to_string());
        let plan =
            admin.call(&from_template(&name, id, &answers)).await.unwrap_or_else(|error| panic!("{id}: {error:?}"));
        let shown = serde_json::to_string(&plan).expect("encodes");
        let done = admin.carry_out(plan).await.expect("begins");
        assert_eq!(done.status, OperationStatus::Succeeded, "{id}: {done:?}");

        let spec = spec_of(&admin, &name).await;
        assert_eq!(spec.ports.len(), template.ports.len(), "{id}: every port has an answer");
        let inside = environment(&spec).await;
        for (key, value) in &spec.env {
            match value.strip_prefix("secret://") {
                None => assert_eq!(inside.get(key), Some(value), "{id}: {key}"),
                Some(_) => {
                    let secret = inside.get(key).unwrap_or_else(|| panic!("{id}: {key} is not there"));
                    assert!(secret.len() >= 12 && !shown.contains(secret), "{id}: {key}");
                }
            }
        }
        let container = format!("tomo-{name}");
        for volume in spec.volumes.iter().filter(|volume| !volume.read_only) {
            let mark = format!("{}/mark", volume.target);
            let owner = docker(&["exec", &container, "busybox", "stat", "-c", "%u", &mark]);
            assert_eq!(owner, "1000", "{id}: {mark}");
        }
        remove(&admin, &name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_answers_are_named_nothing_is_made_for_them_and_an_update_keeps_its_secrets() {
    let stage = Stage::of(&["grafana"]);
    let daemon = stage.daemon().await;
    let admin = daemon.admin();
    let _agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let name = unique("board");
    let refused = async |template: &str, pairs: &[(&str, &str)]| {
        let answers = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let error = admin.call(&from_template(&name, template, &answers)).await.expect_err("is refused");
        (error.code, error.message)
    };
    let (code, message) = refused("grafanna", &[]).await;
    assert!(code == ErrorCode::NotFound && message.contains("nearest: \"grafana\""), "{message}");
    let (code, message) = refused("grafana", &[("colour", "red")]).await;
    assert!(code == ErrorCode::Invalid && message.contains("asks no question \"colour\""), "{message}");
    let (_, message) = refused("grafana", &[("port", "99999")]).await;
    assert!(message.contains("question port: \"99999\" is no port"), "{message}");
    let (_, message) = refused("grafana", &[("admin_password", "hunter2")]).await;
    assert!(message.contains("tomo secret set") && !message.contains("hunter2"), "{message}");
    let both = AppDeploy {
        spec: AppSpec { image: "x:1".to_owned(), ..AppSpec::default() },
        ..from_template(&name, "grafana", &BTreeMap::new())
    };
    let error = admin.call(&both).await.expect_err("is refused");
    assert!(error.message.contains("not both"), "{error:?}");
    let none = AppDeploy { server: SERVER.to_owned(), name: name.clone(), ..AppDeploy::default() };
    let error = admin.call(&none).await.expect_err("is refused");
    assert!(error.message.contains("needs spec or template"), "{error:?}");
    assert_eq!(admin.person(&ListSecrets {}).await.expect("lists").names, Vec::<String>::new());

    let mut given = BTreeMap::from([("port".to_owned(), free_port().to_string())]);
    let plan = admin.call(&from_template(&name, "grafana", &given)).await.expect("is planned");
    assert_eq!(admin.carry_out(plan).await.expect("begins").status, OperationStatus::Succeeded);
    let before = environment(&spec_of(&admin, &name).await).await;
    given.insert("root_url".to_owned(), "https://board.example".to_owned());
    let plan = admin.call(&from_template(&name, "grafana", &given)).await.expect("is planned");
    assert_eq!(admin.carry_out(plan).await.expect("begins").status, OperationStatus::Succeeded);
    let after = environment(&spec_of(&admin, &name).await).await;
    let password = "GF_SECURITY_ADMIN_PASSWORD";
    assert_eq!((before[password].len(), &before[password]), (24, &after[password]));
    assert_eq!(after["GF_SERVER_ROOT_URL"], "https://board.example");
    assert_eq!(admin.person(&ListSecrets {}).await.expect("lists").names, [format!("{name}.admin_password")]);
    remove(&admin, &name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_is_searched_read_and_deployed_on_the_command_line() {
    let stage = Stage::of(&["gotify"]);
    fs::write(stage.folder.path().join("broken.toml"), "id = \"broken\"\nprivileged = true\n").expect("writes");
    let daemon = stage.daemon().await;
    let _agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let tomo = Tomo::at_socket(&daemon);
    let found = tomo.run(["catalog", "list", "dns"]).await.ok();
    assert!(found.stdout.contains("pihole") && !found.stdout.contains("gotify"), "{found:?}");
    assert!(found.stderr.contains("broken.toml:2: ") && found.stderr.contains("privileged"), "{found:?}");
    let shown = tomo.run(["catalog", "show", "gotify"]).await.ok();
    assert!(shown.stdout.contains("admin_password") && shown.stdout.contains("generated"), "{shown:?}");

    let (name, port) = (unique("push"), free_port());
    let set = format!("port={port}");
    let deploy = ["app", "deploy", &name, "--server", SERVER, "--template", "gotify", "--yes", "--set"];
    let wrong = tomo.run(deploy.iter().copied().chain(["color=red"])).await;
    assert!(wrong.code == Some(2) && wrong.stderr.contains("asks no question \"color\""), "{wrong:?}");
    let done = tomo.run(deploy.iter().copied().chain([set.as_str()])).await.ok();
    let line = done.stderr.lines().find(|line| line.contains("shown this once")).expect("the password is shown");
    let password = line.rsplit(": ").next().unwrap_or_default();
    let admin = daemon.admin();
    let inside = environment(&spec_of(&admin, &name).await).await;
    assert_eq!(inside["GOTIFY_DEFAULTUSER_PASS"], password);
    assert!(!done.stdout.contains(password), "{done:?}");
    remove(&admin, &name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_found_in_the_dashboards_catalog_asked_about_and_deployed() {
    let stage = Stage::of(&["gotify"]);
    let daemon = stage.daemon().await;
    let _agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let (tomo, name, port) = (Tomo::at_socket(&daemon), unique("push"), free_port());
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 40);
    terminal.wait_for("● live").await;
    terminal.wait_for(SERVER).await;
    terminal.type_text("5");
    terminal.wait_for("Pi-hole").await;
    terminal.type_text("/push");
    terminal.wait_until("only what fits is shown", |screen| !screen.contents().contains("Pi-hole")).await;
    terminal.press(Key::Enter);
    terminal.press(Key::Enter);
    terminal.wait_for("Programs push messages").await;
    terminal.wait_for("Login name of the admin").await;
    terminal.type_text("n");
    terminal.wait_for("Deploy Gotify").await;
    terminal.press(Key::Control('u'));
    terminal.type_text(&name);
    terminal.press(Key::Tab);
    terminal.press(Key::Control('u'));
    terminal.type_text("70000");
    terminal.press(Key::Control('s'));
    terminal.wait_for("is no port").await;
    terminal.press(Key::Control('u'));
    terminal.type_text(&port.to_string());
    terminal.press(Key::Control('s'));
    terminal.wait_for("Approve and apply").await;
    // Back to the form and forward again: what was made for the first plan goes with it.
    terminal.press(Key::Escape);
    terminal.wait_for("Deploy Gotify").await;
    let admin = daemon.admin();
    eventually("nothing is kept for a plan that was taken back", async || {
        admin.person(&ListSecrets {}).await.ok()?.names.is_empty().then_some(())
    })
    .await;
    terminal.press(Key::Control('s'));
    terminal.wait_for("Approve and apply").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("succeeded").await;
    let inside = environment(&spec_of(&admin, &name).await).await;
    let password = &inside["GOTIFY_DEFAULTUSER_PASS"];
    assert_eq!(password.len(), 24);
    let raw = terminal.raw();
    assert!(!raw.windows(password.len()).any(|part| part == password.as_bytes()), "a made secret is not shown");
    assert_eq!(admin.person(&ListSecrets {}).await.expect("lists").names, [format!("{name}.admin_password")]);
    terminal.wait_until("nothing is under way", |screen| !screen.contents().contains("1 running")).await;
    terminal.type_text("q");
    assert!(terminal.wait_for_exit().await.success());
    remove(&admin, &name).await;
}

#[tokio::test]
async fn templates_are_linted_on_the_command_line_without_a_daemon() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (_, good) = TEMPLATES.first().expect("there are some");
    fs::write(folder.path().join("good.toml"), good).expect("writes");
    let tomo = Tomo::new();
    let path = folder.path().display().to_string();
    let fine = tomo.run(["catalog", "lint", &path]).await.ok();
    assert_eq!(fine.stdout, "1 template checked, nothing found\n");
    let bad = good.replace("template_version = 1", "template_version = 0").replace("[health]", "[sickness]");
    fs::write(folder.path().join("bad.toml"), bad).expect("writes");
    let found = tomo.run(["catalog", "lint", &path]).await;
    assert!(
        found.code == Some(1) && found.stdout.contains("bad.toml:") && found.stdout.contains("sickness"),
        "{found:?}"
    );
    let listed = tomo.run(["--json", "catalog", "lint", &path]).await;
    assert_eq!((listed.json()["files"].as_u64(), listed.code), (Some(2), Some(1)));
}

#[tokio::test]
async fn whoever_reads_the_catalog_reads_all_of_it_and_a_program_within_its_budget() {
    let daemon = TestDaemon::start().await;
    let answer = daemon.admin().call(&CatalogList::default()).await.expect("lists");
    assert_eq!(answer.templates.len(), TEMPLATES.len());
    assert!(serde_json::to_string(&answer).expect("encodes").len() < 16 * 1024, "over what a program reads at once");
}
