//! One app on a stage of its own: what is deployed there, what gets in between, and what has to be true afterwards.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU16, Ordering},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tomo_proto::{
    api::{
        app::{AppDeploy, AppGet, AppPart, AppRemove, AppRollback},
        operation::{OperationCancel, OperationGet},
        server::ServerGet,
        settings::SettingsSet,
    },
    model::{
        app::{AppSpec, HealthCheck, PortSpec, Protocol, RestartPolicy, VolumeSpec},
        operation::{Operation, OperationStatus},
        plan::Plan,
        server::EngineState,
        settings::SettingChange,
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, ENGINE, TestAgent},
    daemon::TestDaemon,
    docker::{Image, docker, unique},
    engine_way::EngineWay,
    eventually::{PATIENCE, eventually, eventually_within},
    http::Http,
};

use crate::{
    deploy::served,
    matrix::{End, Kind, Trouble},
};

const SERVER: &str = "web-1";

/// A daemon, an agent, a way to the engine between them, and one app.
pub(super) struct Stage {
    kind: Kind,
    daemon: TestDaemon,
    agent: TestAgent,
    pub(super) way: EngineWay,
    image: Image,
    name: String,
    port: u16,
    /// The container reads here how it has to behave.
    flags: TempDir,
    /// Counts configurations; each container serves its own number.
    number: u32,
    /// The kept container was made for one trouble only.
    is_kept_special: bool,
}

/// What an app's container is, as far as it must not change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Before {
    id: String,
    inspected: String,
    serves: String,
    /// The container that it replaced, if that is kept.
    kept: String,
}

impl Stage {
    pub(super) async fn set(kind: Kind) -> Self {
        let daemon = TestDaemon::spawn().await;
        let way = EngineWay::to(Path::new(ENGINE));
        let agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &way.socket()).await;
        let image = Image::script(
            "echo $NUMBER > /www/index.html; \
             if [ -e /flags/sick-$NUMBER ]; then trap 'exit 0' TERM; while :; do busybox sleep 1; done; fi; \
             busybox httpd -f -p 8080 -h /www & \
             if [ -e /flags/dies-$NUMBER ]; then busybox sleep 5; echo last words; exit 3; fi; \
             trap 'kill $!; exit 0' TERM; wait $!",
        );
        let flags =
            tempfile::Builder::new().prefix("tomo-test-flags-").tempdir_in("/tmp").expect("a folder can be made");
        let (name, port) = (unique("matrix"), quiet_port());
        let stage = Self { kind, daemon, agent, way, image, name, port, flags, number: 0, is_kept_special: false };
        let change = |name: &str, value: &str| SettingChange { name: name.to_owned(), value: value.to_owned() };
        let changes = vec![change("healthy_within_secs", "10"), change("overlap_secs", "1")];
        let admin = stage.admin();
        let plan = admin.call(&SettingsSet { changes, reason: None }).await.expect("is planned");
        admin.carry_out(plan).await.expect("is allowed");
        stage
    }

    fn admin(&self) -> Http {
        self.daemon.admin()
    }

    /// A configuration that was not there before; its host port is fixed, so that it and another cannot run at once.
    fn spec(&mut self) -> AppSpec {
        self.number += 1;
        let volume =
            |source: String, target: &str, read_only| VolumeSpec { source, target: target.to_owned(), read_only };
        AppSpec {
            image: self.image.name().to_owned(),
            env: [("NUMBER".to_owned(), self.number.to_string())].into(),
            ports: vec![PortSpec { container: 8080, host: Some(self.port), protocol: Protocol::Tcp, loopback: true }],
            volumes: vec![
                volume(self.flags.path().display().to_string(), "/flags", true),
                volume(format!("{}-data", self.name), "/data", false),
            ],
            health: Some(HealthCheck::Http { port: 8080, path: "/".to_owned() }),
            memory_limit_bytes: Some(64 << 20),
            restart: RestartPolicy::UnlessStopped,
            ..AppSpec::default()
        }
    }

    fn flag(&self, what: &str, spec: &AppSpec) -> PathBuf {
        self.flags.path().join(format!("{what}-{}", spec.env["NUMBER"]))
    }

    async fn plan(&self, spec: AppSpec) -> Plan {
        let request = AppDeploy { server: SERVER.to_owned(), name: self.name.clone(), spec, ..AppDeploy::default() };
        self.admin().call(&request).await.expect("is planned")
    }

    async fn deploy(&self, spec: AppSpec) {
        let done = self.admin().carry_out(self.plan(spec).await).await.expect("is allowed");
        assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    }

    async fn remove(&self) {
        let request = AppRemove { app: self.name.clone(), volumes: true, reason: None };
        let Ok(plan) = self.admin().call(&request).await else { return };
        let done = self.admin().carry_out(plan).await.expect("is allowed");
        assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    }

    /// Containers of the app by name, also those that do not run.
    fn containers(&self) -> BTreeMap<String, String> {
        let filter = format!("label=dev.tomo.name={}", self.name);
        let listed = docker(&["ps", "-a", "--no-trunc", "--filter", &filter, "--format", "{{.Names}} {{.ID}}"]);
        let pairs = listed.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(name, id)| (name.to_owned(), id.to_owned())).collect()
    }

    fn volumes(&self) -> String {
        docker(&["volume", "ls", "-q", "--filter", &format!("label=dev.tomo.name={}", self.name)])
    }

    /// What runs now.
    async fn before(&self) -> Option<Before> {
        let containers = self.containers();
        let id = containers.get(&format!("tomo-{}", self.name))?.clone();
        let kept = containers.get(&format!("tomo-{}.old", self.name)).cloned().unwrap_or_default();
        Some(Before { inspected: inspected(&id), serves: self.serves().await, id, kept })
    }

    async fn serves(&self) -> String {
        let text = eventually("the app serves", async || served(self.port).await).await;
        text.trim().to_owned()
    }

    /// What is to take the place of what runs, and the plan for it.
    async fn wish(&mut self, trouble: Trouble) -> (AppSpec, Plan) {
        let mut spec = self.spec();
        match trouble {
            Trouble::PullFails => spec.image = format!("127.0.0.1:9/{}:{}", self.name, self.number),
            Trouble::PortTaken => spec.ports[0].host = Some(quiet_port()),
            _ => {}
        }
        match self.kind {
            Kind::First => self.remove().await,
            Kind::Update => {
                if self.containers().is_empty() {
                    let first = self.spec();
                    self.deploy(first).await;
                }
            }
            Kind::RollBack => return self.wish_back(trouble, spec).await,
        }
        (spec.clone(), self.plan(spec).await)
    }

    /// The same for a roll-back: what was there is deployed anew where it has to be a special one.
    async fn wish_back(&mut self, trouble: Trouble, spec: AppSpec) -> (AppSpec, Plan) {
        let back = AppRollback { app: self.name.clone(), revision: None, reason: None };
        let is_special = matches!(trouble, Trouble::PullFails | Trouble::PortTaken);
        if is_special || self.is_kept_special || self.containers().len() < 2 {
            if is_special {
                drop(docker(&["tag", self.image.name(), &spec.image]));
            }
            self.deploy(spec.clone()).await;
            let newer = self.spec();
            self.deploy(newer).await;
            self.is_kept_special = is_special;
            if let Trouble::PullFails = trouble {
                drop(docker(&["rmi", &spec.image]));
            }
        }
        let plan = self.admin().call(&back).await.expect("is planned");
        let request = AppGet { app: self.name.clone(), include: vec![AppPart::Revisions] };
        let admin = self.admin();
        let app = eventually("the kept container is known", async || {
            admin.call(&request).await.ok().filter(|app| app.kept.is_some())
        })
        .await;
        let kept = app.kept.expect("is known").revision;
        let target = app.revisions.into_iter().find(|revision| revision.id == kept).expect("is known");
        (target.spec, plan)
    }

    /// Deploys into the trouble, and checks everything that has to be true afterwards.
    pub(super) async fn try_out(&mut self, trouble: Trouble) -> End {
        let (spec, plan) = self.wish(trouble).await;
        let before = self.before().await;
        let flag = match trouble {
            Trouble::NeverHealthy => Some(self.flag("sick", &spec)),
            Trouble::Dies => Some(self.flag("dies", &spec)),
            _ => None,
        };
        if let Some(flag) = &flag {
            std::fs::write(flag, "").expect("a file can be written");
        }
        let foreign = format!("tomo-{}.new", self.name);
        if let Trouble::CreateFails = trouble {
            drop(docker(&["create", "--name", &foreign, self.image.name()]));
        }
        let taken = match trouble {
            Trouble::PortTaken => {
                spec.ports[0].host.map(|port| TcpListener::bind(("127.0.0.1", port)).expect("is free"))
            }
            _ => None,
        };
        match trouble {
            Trouble::AgentKilled(call, side)
            | Trouble::EngineAway(call, side)
            | Trouble::DaemonKilled(call, side)
            | Trouble::Cancelled(call, side) => self.way.stop_at(call, side),
            _ => self.way.count(),
        }
        let begun = self.admin().begin(plan).await.expect("is allowed");
        self.make_trouble(trouble, &begun).await;
        let ended = self.settled(&begun).await;
        drop(taken);
        if let Trouble::CreateFails = trouble {
            drop(docker(&["rm", &foreign]));
        }
        if let Some(flag) = flag {
            std::fs::remove_file(flag).expect("it is there");
        }
        let end = self.judge(&spec, before.as_ref(), &ended).await;
        let message = ended.error.as_ref().map_or("", |error| error.message.as_str());
        let expected = match trouble {
            Trouble::Nothing | Trouble::DaemonKilled(..) => (Some(End::New), ""),
            Trouble::PullFails => (Some(End::AsBefore), "cannot be pulled"),
            Trouble::PortTaken => (Some(End::AsBefore), "of this host is taken"),
            Trouble::CreateFails => (Some(End::AsBefore), "name"),
            Trouble::NeverHealthy => (Some(End::AsBefore), "is not healthy after 10 s"),
            Trouble::Dies => (Some(End::AsBefore), "with exit code 3"),
            Trouble::AgentKilled(..) | Trouble::EngineAway(..) | Trouble::Cancelled(..) => (None, ""),
        };
        assert!(expected.0.is_none_or(|expected| expected == end), "{trouble:?}: {end:?}: {ended:?}");
        assert!(message.contains(expected.1), "{trouble:?}: {ended:?}");
        if let Trouble::Dies = trouble {
            let evidence = ended.evidence.expect("is kept");
            assert_eq!(evidence.exit_code, Some(3));
            assert!(evidence.log.iter().any(|line| line.text == "last words"), "{evidence:?}");
            assert!(evidence.probes.iter().any(|probe| probe.answer == "ok"), "{evidence:?}");
        }
        end
    }

    async fn make_trouble(&mut self, trouble: Trouble, begun: &Operation) {
        match trouble {
            Trouble::AgentKilled(..) => {
                self.way.held().await;
                self.agent.kill().await;
                self.way.drop_held();
                self.agent.resume().await;
            }
            Trouble::EngineAway(..) => {
                self.way.held().await;
                self.way.close();
                let request = ServerGet { server: SERVER.to_owned(), include: Vec::new() };
                let admin = self.admin();
                let is_there = async |wanted: bool| {
                    let facts = admin.call(&request).await.ok()?.facts?;
                    (matches!(facts.engine, EngineState::Running { .. }) == wanted).then_some(())
                };
                eventually("the engine is missed", async || is_there(false).await).await;
                self.way.open();
                eventually("the engine is back", async || is_there(true).await).await;
            }
            Trouble::DaemonKilled(..) => {
                self.way.held().await;
                self.daemon.kill().await;
                self.way.let_go();
                self.daemon.respawn().await;
            }
            Trouble::Cancelled(..) => {
                self.way.held().await;
                let cancel = OperationCancel { operation: begun.operation.to_string(), reason: None };
                let admin = self.admin();
                let cancelling = tokio::spawn(async move { admin.call(&cancel).await });
                self.way.let_go();
                cancelling.await.expect("ends").expect("is allowed");
            }
            _ => {}
        }
    }

    /// The operation once it is known how it ended.
    async fn settled(&self, begun: &Operation) -> Operation {
        let request = OperationGet { operation: begun.operation.to_string(), ..OperationGet::default() };
        let admin = self.admin();
        eventually_within(3 * PATIENCE, "it is known how it ended", async || {
            let operation = admin.call(&request).await.ok()?;
            (operation.status.is_final() && operation.status != OperationStatus::Unknown).then_some(operation)
        })
        .await
    }

    async fn judge(&self, spec: &AppSpec, before: Option<&Before>, ended: &Operation) -> End {
        let after = self.before_eventually(before, ended).await;
        let names: Vec<String> = self.containers().into_keys().collect();
        let (own, aside) = (format!("tomo-{}", self.name), format!("tomo-{}.old", self.name));
        let has_volume = !self.volumes().is_empty();
        self.nothing_is_open(ended);
        let request = AppGet { app: self.name.clone(), include: Vec::new() };
        let record = self.admin().call(&request).await.ok();
        let number = record.as_ref().map(|app| app.spec.env["NUMBER"].clone());
        if ended.status == OperationStatus::Succeeded {
            let after = after.expect("it runs");
            assert_eq!(
                (Some(&after.serves), number.as_ref()),
                (spec.env.get("NUMBER"), spec.env.get("NUMBER")),
                "{ended:?}"
            );
            assert_eq!(after.kept, before.map(|before| before.id.clone()).unwrap_or_default(), "{ended:?}");
            let expected: &[String] = if before.is_some() { &[own, aside] } else { &[own] };
            assert_eq!((names.as_slice(), has_volume), (expected, true), "{ended:?}");
            return End::New;
        }
        assert!(matches!(ended.status, OperationStatus::Failed | OperationStatus::Cancelled), "{ended:?}");
        assert_eq!(after.as_ref(), before, "{ended:?}");
        match before {
            None => assert_eq!((names.as_slice(), has_volume), (&[][..], false), "{ended:?}"),
            Some(before) => {
                let expected: &[String] = if before.kept.is_empty() { &[own] } else { &[own, aside] };
                assert_eq!((names.as_slice(), number.as_ref()), (expected, Some(&before.serves)), "{ended:?}");
            }
        }
        End::AsBefore
    }

    /// What runs, once it is what it has to be: an engine that was away lets the undoing wait.
    async fn before_eventually(&self, before: Option<&Before>, ended: &Operation) -> Option<Before> {
        let is_deferred = ended.error.as_ref().is_some_and(|error| error.message.contains("as soon as the engine"));
        if !is_deferred {
            return self.before().await;
        }
        eventually(&format!("it is undone: {ended:?}"), async || {
            let now = self.before().await;
            (now.as_ref() == before).then_some(now)
        })
        .await
    }

    /// Takes everything away; nothing of the app is left.
    pub(super) async fn clear(self) {
        self.remove().await;
        assert_eq!((self.containers(), self.volumes()), (BTreeMap::new(), String::new()));
        self.agent.stop().await;
        self.daemon.stop().await;
    }

    /// Whether the agent's journal holds nothing that is still to be done.
    fn nothing_is_open(&self, ended: &Operation) {
        let journal = self.agent.state().join("journal");
        let files = std::fs::read_dir(journal).into_iter().flatten().flatten().map(|file| file.path());
        for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "json")) {
            let entry: Value = serde_json::from_slice(&std::fs::read(&file).expect("can be read")).expect("is JSON");
            assert!(entry["swap"].is_null() && !entry["outcome"].is_null(), "{entry}: {ended:?}");
        }
    }
}

/// A free port below those that systems hand out by themselves: nobody takes it while a container that held it is stopped.
fn quiet_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 10_000).unwrap_or(0);
    let place = || 20_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
    let mut places = std::iter::repeat_with(place).take(10_000);
    places.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a port is free")
}

/// A container as the engine tells it, without what changes whenever it is started.
fn inspected(id: &str) -> String {
    let all: Value = serde_json::from_str(&docker(&["inspect", id])).expect("is JSON");
    let mut one = all[0].clone();
    if let Some(mounts) = one["Mounts"].as_array_mut() {
        mounts.sort_by_key(|mount| mount["Destination"].to_string());
    }
    let networks = one["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
    let networks: Vec<String> = networks.into_iter().map(|(name, _)| name).collect();
    let fields = ["Id", "Name", "Created", "Image", "Path", "Args", "Config", "HostConfig", "Mounts"];
    let kept: BTreeMap<&str, Value> = fields.into_iter().map(|field| (field, one[field].take())).collect();
    json!([kept, networks]).to_string()
}
