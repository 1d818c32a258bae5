//! The dashboard without a terminal and a daemon: events in, effects and screens out.

mod any_keys;
mod audit;
mod catalog;
mod compose;
mod containers;
mod following;
mod logs;
mod moving;
mod panics;
mod people;
mod refusals;
mod registries;
mod screens;
mod sealed;
mod servers;
mod settings;
mod several;
mod snapshots;
mod tokens;

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::{buffer::Buffer, layout::Rect, style::Modifier};
use tomo_proto::{
    api::{
        app::{AppListAnswer, AppLogsAnswer},
        auth::WhoamiAnswer,
        operation::OperationListAnswer,
        overview::{OverviewAnswer, Problem, Severity},
        person::{HostKeyScan, VaultState, VaultStatus},
        plan::PlanListAnswer,
        server::{SeriesPoints, ServerMetricsAnswer},
    },
    error::{ApiError, ErrorCode},
    id::{AppId, OperationId, PlanId, ServerId, VolumeBackupId},
    model::{
        agent::AgentState,
        app::{AppDetail, AppSpec, AppStatus, AppSummary, LogLine, LogStream, PortSpec, Protocol},
        container::{
            Container, ContainerConfig, ContainerDetail, ContainerMount, ContainerState, Health, PublishedPort,
        },
        diagnosis::{Cause, CauseCode, Confidence, Diagnosis, Evidence, EvidenceSource, Untrusted},
        metric::{Unit, names},
        operation::{Operation, OperationError, OperationKind, OperationStatus},
        plan::{Approval, Change, ChangeOp, Plan, PlanStatus},
        policy::PolicySummary,
        registry::Registry,
        server::{ContainerCount, Filesystem, HostFacts, ServerDetail, ServerStatus, ServerSummary, Vitals},
        ssh::{InstallRights, Ssh, SshAuth},
        stock::{Image, Item, Network, Volume},
        user::{Role, Selectors},
        volume_backup::{Drill, LastBackup, VolumeBackup},
    },
    wire::archive::Contents,
};

use super::{
    canvas::{Canvas, HitMap},
    effect::Effect,
    event::{Answer, Event},
    layers::{Layer, make::MakeForm},
    state::{Link, State},
    theme::{Depth, Glyphs, Inks, Theme},
    views::{self, View, history::OF_CONTAINER, logs::LogFrom},
    visit::{Errand, Reached, SignIn, Visit},
};
use crate::client::ClientError;

/// The form that asks what the app is to be called that a container becomes.
fn adoption() -> Layer {
    Layer::Make(Box::new(MakeForm::adoption("web-1".to_owned(), "db")))
}

const NOW: u64 = 1_800_000_000_000;
const HOST_KEY: &str = "SHA256:uNiVztksCsDhcc0u9e8BrD0dTc1nvmHnbqIrVLHqvmA";

fn registry(host: &str, user: &str) -> Registry {
    Registry { registry: host.to_owned(), user: user.to_owned(), set_at: NOW - 3 * 86_400_000 }
}

fn server(number: u64, status: ServerStatus) -> ServerSummary {
    let vitals = Vitals {
        at_ms: NOW,
        cpu_ratio: 0.42,
        memory_used_bytes: 3 << 30,
        memory_total_bytes: 8 << 30,
        disk_ratio: 0.91,
        load1: 1.5,
        rx_bytes_per_sec: 1_000_000,
        uptime_secs: 90_000,
        ..Vitals::default()
    };
    ServerSummary {
        id: ServerId::from_u64(number),
        name: format!("web-{number}"),
        status,
        agent: if status == ServerStatus::Down { AgentState::Offline } else { AgentState::Online },
        labels: BTreeMap::from([("env".to_owned(), "prod".to_owned())]),
        vitals: Some(vitals),
        containers: Some(ContainerCount { running: 1, total: 2 }),
        ssh: None,
        apps: 1,
        cpu_spark: (0..40).collect(),
        memory_spark: vec![40; 40],
        network_spark: (0..40).map(|value| value * 1_000).collect(),
    }
}

fn app() -> AppSummary {
    AppSummary {
        id: AppId::from_u64(7),
        name: "shop".to_owned(),
        server: "web-1".to_owned(),
        image: "registry.example/shop:1.2".to_owned(),
        status: AppStatus::Running,
        health: Health::Healthy,
        restarts: 2,
        ports: vec![PortSpec { container: 80, host: Some(8080), protocol: Protocol::Tcp, loopback: false }],
        cpu_cores: Some(0.2),
        memory_bytes: Some(64 << 20),
        deployed_at: NOW - 60_000,
        update: false,
    }
}

fn plan(approval: Approval) -> Plan {
    Plan {
        plan: PlanId::from_u64(9),
        summary: "deploy shop on web-1".to_owned(),
        target: "shop".to_owned(),
        status: PlanStatus::Pending,
        approval,
        changes: vec![Change {
            op: ChangeOp::Set,
            path: "image".to_owned(),
            from: Some("shop:1.1".to_owned()),
            to: Some("shop:1.2".to_owned()),
        }],
        downtime: Some("about 2 s".to_owned()),
        data_loss: None,
        warnings: vec!["the image has no health check".to_owned()],
        reason: Some("because \u{1b}[31mred".to_owned()),
        requested_by: "token:ai (ana)".to_owned(),
        decided_by: None,
        operation: None,
        outcome: None,
        hash: "abc".to_owned(),
        created_at: NOW - 5_000,
        expires_at: NOW + 600_000,
    }
}

fn operation(status: OperationStatus) -> Operation {
    Operation {
        operation: OperationId::from_u64(3),
        kind: OperationKind::DeployApp,
        target: "shop".to_owned(),
        server: Some("web-1".to_owned()),
        plan: None,
        status,
        step: "pulling".to_owned(),
        percent: Some(40),
        error: None,
        actor: "user:ana".to_owned(),
        started_at: NOW - 3_000,
        ended_at: None,
        downtime_ms: None,
        log: (0..80).map(|line| format!("line {line}")).collect(),
        evidence: None,
    }
}

fn overview() -> OverviewAnswer {
    let mut answer = OverviewAnswer { revision: 5, plans_pending: 1, ..OverviewAnswer::default() };
    answer.servers.up = 2;
    answer.servers.down = 1;
    answer.apps.running = 1;
    answer.problems = vec![Problem {
        severity: Severity::Critical,
        subject: "web-3".to_owned(),
        message: "its agent is not connected".to_owned(),
        next: String::new(),
        began_at: Some(NOW - 300_000),
        log: Vec::new(),
    }];
    answer
}

fn who(role: Role, person: bool) -> WhoamiAnswer {
    WhoamiAnswer {
        actor: "user:ana".to_owned(),
        person,
        role: Some(role),
        scopes: role.scopes(),
        selectors: Selectors::default(),
        daemon_version: "0.1.0".to_owned(),
        url: None,
    }
}

fn detail() -> AppDetail {
    let spec = AppSpec { image: "registry.example/shop:1.2".to_owned(), ..AppSpec::default() };
    let last = backup();
    AppDetail {
        backups: vec![LastBackup {
            volume: last.volume,
            backup: last.backup,
            created_at: last.created_at,
            drill: last.drill,
        }],
        summary: app(),
        spec,
        container: Some(Container {
            name: "tomo-shop".to_owned(),
            state: ContainerState::Running,
            ..Container::default()
        }),
        services: BTreeMap::new(),
        last_error: Some("it died".to_owned()),
        image_check: None,
        revision: None,
        kept: None,
        revisions: Vec::new(),
    }
}

/// One that is no app's.
fn container() -> Container {
    Container {
        id: "c0ffee".repeat(10),
        name: "db".to_owned(),
        image: "postgres:17".to_owned(),
        state: ContainerState::Running,
        health: Health::Healthy,
        restarts: 3,
        ..Container::default()
    }
}

fn container_detail() -> ContainerDetail {
    let mount = ContainerMount {
        kind: "volume".to_owned(),
        source: "pgdata".to_owned(),
        target: "/var/lib/postgresql/data".to_owned(),
        read_only: false,
    };
    let env = [("PGUSER", "shop"), ("POSTGRES_PASSWORD", "(masked)")];
    let config = ContainerConfig {
        command: vec!["postgres".to_owned()],
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        mounts: vec![mount],
        networks: vec!["bridge".to_owned()],
        restart: "always".to_owned(),
        memory_limit_bytes: 1 << 30,
        powers: vec!["capability NET_ADMIN".to_owned()],
        ..ContainerConfig::default()
    };
    ContainerDetail { server: "web-1".to_owned(), container: container(), config }
}

fn items() -> Vec<Item> {
    let id = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let image = |name: &str, digit: &str, used_by: &[&str]| {
        Item::Image(Image {
            id: id(digit),
            names: (!name.is_empty()).then(|| name.to_owned()).into_iter().collect(),
            size_bytes: 120 << 20,
            created_at: NOW,
            used_by: used_by.iter().map(|name| (*name).to_owned()).collect(),
        })
    };
    let volume = Volume { name: "backups".to_owned(), size_bytes: Some(5 << 30), ours: true, ..Volume::default() };
    let network = Network { id: "a".repeat(64), name: "bridge".to_owned(), built_in: true, ..Network::default() };
    vec![image("postgres:17", "1", &["db"]), image("", "2", &[]), Item::Volume(volume), Item::Network(network)]
}

fn backup() -> VolumeBackup {
    let drill = Drill {
        at: NOW - 7_200_000,
        took_ms: 9_000,
        proven: true,
        result: "10003 files read back identical, by checksum; app shop was started on it".to_owned(),
        server: "web-1".to_owned(),
    };
    VolumeBackup {
        backup: VolumeBackupId::from_u64(7),
        server: "web-1".to_owned(),
        server_id: ServerId::from_u64(1),
        volume: "shop-data".to_owned(),
        app: None,
        scheduled: true,
        stopped: true,
        contents: Contents { files: 10_003, bytes: 5 << 30, checksum: "1".repeat(64) },
        file: "/var/lib/tomo/volume-backups/vol-000000000007.volume".to_owned(),
        file_bytes: 5 << 30,
        created_at: NOW - 10_800_000,
        verified_at: NOW - 10_800_000,
        drill: Some(drill),
    }
}

fn diagnosis() -> Diagnosis {
    let quote = |source, text: &str| Evidence { source, at: Some(NOW - 60_000), text: text.to_owned() };
    let cause = Cause {
        cause: CauseCode::OutOfMemory,
        confidence: Confidence::Certain,
        explanation: "it was killed at its memory limit of 64 MiB: deploy it again with a larger one".to_owned(),
        next: "app_get {\"app\":\"web-1/shop\"}".to_owned(),
        untrusted: Untrusted {
            evidence: vec![
                quote(EvidenceSource::Engine, "exit codes: 137"),
                quote(EvidenceSource::Log, "loading\u{1b}[2J all"),
            ],
        },
    };
    let looping = Cause {
        cause: CauseCode::CrashLoop,
        confidence: Confidence::Likely,
        explanation: "it ends again and again because it was killed".to_owned(),
        next: "app_logs {\"app\":\"web-1/shop\"}".to_owned(),
        untrusted: Untrusted::default(),
    };
    Diagnosis {
        app: "shop".to_owned(),
        server: "web-1".to_owned(),
        status: AppStatus::Failed,
        verdict: "shop does not do what it should: it was killed at its memory limit of 64 MiB".to_owned(),
        causes: vec![cause, looping],
        last_change: None,
        not_seen: Vec::new(),
    }
}

/// What is charted of a server over five minutes, each series by its share of the most.
fn figures(share: impl Fn(f64) -> f64) -> ServerMetricsAnswer {
    let most = [
        (names::CPU, Unit::Ratio, 1.0),
        (names::MEMORY_USED, Unit::Bytes, 6e9),
        (names::SWAP_USED, Unit::Bytes, 5e8),
        (names::NET_RX, Unit::BytesPerSec, 1.2e6),
        (names::NET_TX, Unit::BytesPerSec, 4e5),
        (names::DISK_READ, Unit::BytesPerSec, 3e6),
        (names::DISK_WRITE, Unit::BytesPerSec, 2e6),
    ];
    let series = most.map(|(metric, unit, most)| SeriesPoints {
        metric: metric.to_owned(),
        unit,
        avg: (0..300).map(|second| Some(share(f64::from(second) / 300.0) * most)).collect(),
        ..SeriesPoints::default()
    });
    ServerMetricsAnswer { start_ms: NOW - 300_000, step_ms: 1_000, series: series.into() }
}

/// The same of containers.
fn figures_of(containers: &[String]) -> ServerMetricsAnswer {
    let of_host = figures(|share| share);
    let of_container = |name: &String| {
        let measured = of_host.series.iter().zip(OF_CONTAINER).filter(|(_, metric)| !metric.is_empty());
        let series = measured.map(|(series, metric)| SeriesPoints {
            metric: metric.to_owned(),
            part: name.clone(),
            ..series.clone()
        });
        series.collect::<Vec<_>>()
    };
    ServerMetricsAnswer { series: containers.iter().flat_map(of_container).collect(), ..of_host }
}

/// A state that a daemon has answered.
struct Dashboard {
    state: State,
    theme: Theme,
    hits: HitMap,
}

impl Dashboard {
    fn empty() -> Self {
        let mut state = State::new("test".to_owned(), false, false, NOW);
        state.begin();
        Self { state, theme: Theme::new(&Inks::default(), Depth::True, Glyphs::Braille), hits: HitMap::default() }
    }

    fn filled(role: Role) -> Self {
        let mut dashboard = Self::empty();
        let servers =
            vec![server(1, ServerStatus::Up), server(2, ServerStatus::Degraded), server(3, ServerStatus::Down)];
        dashboard.send(Event::LinkUp);
        for answer in [
            Answer::Whoami(Ok(who(role, true))),
            Answer::Overview(Ok(Box::new(overview()))),
            Answer::Servers(Ok(servers)),
            Answer::Apps(Ok(AppListAnswer { apps: vec![app()], total: 1, next_cursor: None })),
            Answer::Plans(Ok(PlanListAnswer { plans: vec![plan(Approval::Confirm)] })),
            Answer::Operations(Ok(OperationListAnswer { operations: vec![operation(OperationStatus::Running)] })),
        ] {
            dashboard.send(Event::Answer(answer));
        }
        dashboard
    }

    /// Takes an event in. Lines that are to be looked through are looked through at once.
    fn send(&mut self, event: Event) -> Vec<Effect> {
        let mut rest = Vec::new();
        for effect in self.state.update(event, NOW) {
            match effect {
                Effect::Sift(asked, part) => {
                    rest.extend(self.send(Event::Answer(Answer::Sifted(asked, part.sift()))));
                }
                other => rest.push(other),
            }
        }
        rest
    }

    fn press(&mut self, keys: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for key in keys.split(' ') {
            let key = super::action::key::parse(key).unwrap_or_else(|| panic!("{key}"));
            effects.extend(self.send(Event::Key(key)));
        }
        effects
    }

    /// Answers whatever the view on screen asked for.
    fn answer_view(&mut self) {
        let answer = match &self.state.view {
            View::Server(view) => {
                let mut summary = server(1, ServerStatus::Up);
                summary.ssh = Some(Ssh {
                    host: "web-1.example".to_owned(),
                    port: 22,
                    user: "ana".to_owned(),
                    auth: Some(SshAuth::Key),
                    host_key: Some(HOST_KEY.to_owned()),
                    jump: None,
                    credential_kept: true,
                });
                let policy = PolicySummary {
                    digest: "abc".to_owned(),
                    verbs: ["start", "stop", "restart", "logs"].map(str::to_owned).into(),
                    foreign: ["stop", "logs"].map(str::to_owned).into(),
                    ..PolicySummary::default()
                };
                let filesystem = |mount: &str, used_bytes| Filesystem {
                    mount: mount.to_owned(),
                    total_bytes: 100 << 30,
                    used_bytes,
                    ..Filesystem::default()
                };
                let facts = HostFacts {
                    os: "Debian 12".to_owned(),
                    kernel: "6.1.0-18-amd64".to_owned(),
                    architecture: "x86_64".to_owned(),
                    cpu_count: 4,
                    memory_total_bytes: 8 << 30,
                    filesystems: vec![filesystem("/", 91 << 30), filesystem("/srv", 12 << 30)],
                    ..HostFacts::default()
                };
                let containers = vec![Container {
                    name: "shop".to_owned(),
                    state: ContainerState::Running,
                    app: Some("shop".to_owned()),
                    ..Container::default()
                }];
                let containers = containers.into_iter().chain([container()]).collect();
                let detail = ServerDetail {
                    summary,
                    facts: Some(facts),
                    containers,
                    probe: None,
                    policy: Some(policy),
                    created_at: 0,
                    last_seen_at: None,
                };
                let (name, range) = (view.name.clone(), view.range());
                let metrics = figures(|share| share);
                self.send(Event::Answer(Answer::Metrics(range, Ok(metrics))));
                Answer::Server(name, Ok(Box::new(detail)))
            }
            View::Compare(view) => {
                for (place, effect) in view.fetch().into_iter().enumerate() {
                    let Effect::Metrics(range) = effect else { continue };
                    let level = f64::from(u8::try_from(place).expect("there are six at the most") + 1) / 10.0;
                    let metrics = figures(|_| level);
                    self.send(Event::Answer(Answer::Metrics(range, Ok(metrics))));
                }
                return;
            }
            View::Container(view) => {
                let (server, name) = (view.server.clone(), view.name.clone());
                return self.answer_with_figures(Answer::Container(server, name, Ok(Box::new(container_detail()))));
            }
            View::Stock(view) => Answer::Stock(view.server.clone(), Ok(items())),
            View::Backups(view) => Answer::Backups(view.server.clone(), Ok(vec![backup()])),
            View::Registries(_) => Answer::Registries(Ok(vec![registry("ghcr.io", "ana")])),
            View::Users(_) | View::Person(_) | View::Tokens(_) | View::Profile(_) => {
                Answer::People(Ok(Box::new(people::people())))
            }
            View::Audit(_) => Answer::Audit(None, Ok(audit::page(1_000, 200))),
            View::Verdict(_) => Answer::Verified(Ok(Box::new(audit::verdict()))),
            View::Settings(_) => Answer::Settings(Ok(Box::default())),
            View::App(view) => return self.answer_with_figures(Answer::App(view.app.clone(), Ok(Box::new(detail())))),
            View::Diagnosis(view) => Answer::Diagnosis(view.app.clone(), Ok(Box::new(diagnosis()))),
            View::Logs(view) => {
                let lines = (0..100).map(|line| LogLine {
                    at_ms: NOW,
                    stream: LogStream::Stdout,
                    text: format!("entry {line}"),
                    service: None,
                });
                let answer =
                    AppLogsAnswer { lines: lines.collect(), next_cursor: "1.1".to_owned(), ..AppLogsAnswer::default() };
                Answer::Logs(view.asked(), Ok(answer))
            }
            View::Catalog => Answer::Catalog(Ok(catalog::catalog())),
            View::Template(view) => Answer::Template(view.id.clone(), Ok(Box::new(catalog::entry()))),
            View::Plan(view) => Answer::Plan(view.id.clone(), Ok(Box::new(plan(Approval::Confirm)))),
            View::Operation(view) => {
                Answer::Operation(view.id.clone(), Ok(Box::new(operation(OperationStatus::Running))))
            }
            _ => return,
        };
        self.send(Event::Answer(answer));
    }

    /// Answers, and then what is asked for about the containers that it names.
    fn answer_with_figures(&mut self, answer: Answer) {
        for effect in self.send(Event::Answer(answer)) {
            if let Effect::Metrics(range) = effect {
                let told = figures_of(&range.containers);
                self.send(Event::Answer(Answer::Metrics(range, Ok(told))));
            }
        }
    }

    fn type_in(&mut self, text: &str) {
        for character in text.chars() {
            self.send(Event::Key(KeyEvent::new(KeyCode::Char(character), KeyModifiers::NONE)));
        }
    }

    /// Fills the form of a new server in, with a password, and sends it; what it asks for.
    fn send_server(&mut self) -> Box<Visit> {
        self.press("a tab");
        self.type_in("web-9");
        self.press("tab");
        self.type_in("web-9.example");
        self.press("tab tab");
        self.type_in("ana");
        self.press("tab tab");
        self.type_in("hunter2");
        onboarding(self.press("ctrl-s"))
    }

    /// Lets the host show its key.
    fn show_key(&mut self, asked: Box<Visit>) {
        let scan = HostKeyScan { algorithm: "ssh-ed25519".to_owned(), host_key: HOST_KEY.to_owned() };
        let (number, place) = (asked.number, format!("{}:{}", asked.host, asked.port));
        let before = match &asked.errand {
            Errand::Connect { pinned, .. } => pinned.clone(),
            Errand::Add { .. } => None,
        };
        let agreed = Visit { host_key: Some(HOST_KEY.to_owned()), ..*asked };
        let agreed = Box::new(Effect::Visit(Box::new(agreed)));
        self.send(Event::Answer(Answer::Reached(number, Ok(Reached::HostKey { place, scan, before, agreed }))));
    }

    /// Lets the vault be sealed.
    fn seal(&mut self) {
        let mut sealed = overview();
        sealed.problems.push(Problem {
            severity: Severity::Warning,
            subject: "vault".to_owned(),
            message: "it is sealed: what needs a secret waits for the master password".to_owned(),
            next: "tomo vault unlock".to_owned(),
            began_at: None,
            log: Vec::new(),
        });
        self.send(Event::Answer(Answer::Overview(Ok(Box::new(sealed)))));
    }

    fn buffer(&mut self, width: u16, height: u16) -> Buffer {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let mut canvas = Canvas {
            buffer: &mut buffer,
            theme: &self.theme,
            keys: &self.state.keys,
            hits: &mut self.hits,
            now_ms: NOW,
            cursor: None,
        };
        views::draw(&self.state, &mut canvas, area);
        if let Some(cursor) = canvas.cursor {
            assert!(area.contains(cursor), "the cursor is at {cursor} of {width}x{height}");
        }
        buffer
    }

    fn screen(&mut self) -> String {
        let buffer = self.buffer(80, 24);
        let rows = buffer.content().chunks(80).map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
        rows.map(|row| row.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    fn shows(&mut self, text: &str) {
        let screen = self.screen();
        assert!(screen.contains(text), "no {text:?} in\n{screen}");
    }
}

/// The one thing that is to be done: the next step to a new server.
fn onboarding(effects: Vec<Effect>) -> Box<Visit> {
    let mut steps = effects.into_iter().filter_map(|effect| match effect {
        Effect::Visit(onboarding) => Some(onboarding),
        _ => None,
    });
    steps.next().expect("goes a step on")
}

/// An operation that adds a server.
fn adding(status: OperationStatus, step: &str) -> Operation {
    Operation {
        kind: OperationKind::AddServer,
        target: "web-9".to_owned(),
        server: None,
        step: step.to_owned(),
        percent: None,
        log: vec![format!("   0.1 s  {step}")],
        ..operation(status)
    }
}

fn refused(code: ErrorCode, text: &str) -> ClientError {
    ClientError::Api(ApiError::new(code, text))
}
