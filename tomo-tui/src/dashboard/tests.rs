//! The dashboard without a terminal and a daemon: events in, effects and screens out.

mod snapshots;

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
        server::{SeriesPoints, ServerListAnswer, ServerMetricsAnswer},
    },
    error::{ApiError, ErrorCode},
    id::{AppId, OperationId, PlanId, ServerId},
    model::{
        agent::AgentState,
        app::{AppDetail, AppSpec, AppStatus, AppSummary, LogLine, LogStream, PortSpec, Protocol},
        container::{Container, ContainerState, Health},
        metric::Unit,
        operation::{Operation, OperationError, OperationKind, OperationStatus},
        plan::{Approval, Change, ChangeOp, Plan, PlanStatus},
        policy::PolicySummary,
        server::{HostFacts, ServerDetail, ServerStatus, ServerSummary, Vitals},
        ssh::{InstallRights, Ssh, SshAuth},
        user::{Role, Selectors},
    },
};

use super::{
    canvas::{Canvas, HitMap},
    effect::Effect,
    event::{Answer, Event},
    onboard::{Onboarding, Reached, SignIn},
    state::{Link, State},
    theme::{Depth, Glyphs, Theme},
    views::{self, View},
};
use crate::client::ClientError;

const NOW: u64 = 1_800_000_000_000;
const HOST_KEY: &str = "SHA256:uNiVztksCsDhcc0u9e8BrD0dTc1nvmHnbqIrVLHqvmA";

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
        containers: None,
        ssh: None,
        apps: 1,
        cpu_spark: (0..60).collect(),
        memory_spark: vec![40; 60],
        network_spark: (0..60).map(|value| value * 1_000).collect(),
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
        ports: vec![PortSpec { container: 80, host: 8080, protocol: Protocol::Tcp, loopback: false }],
        cpu_cores: Some(0.2),
        memory_bytes: Some(64 << 20),
        deployed_at: NOW - 60_000,
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
        log: (0..80).map(|line| format!("line {line}")).collect(),
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
    AppDetail { summary: app(), spec, container: None, last_error: Some("it died".to_owned()), revisions: Vec::new() }
}

/// A state that a daemon has answered.
struct Dashboard {
    state: State,
    theme: Theme,
    hits: HitMap,
}

impl Dashboard {
    fn empty() -> Self {
        let mut state = State::new("test".to_owned(), false, NOW);
        state.begin();
        Self { state, theme: Theme::new(Depth::True, Glyphs::Braille), hits: HitMap::default() }
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

    fn send(&mut self, event: Event) -> Vec<Effect> {
        self.state.update(event, NOW)
    }

    fn press(&mut self, keys: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for key in keys.split(' ') {
            let key = super::action::parse(key).unwrap_or_else(|| panic!("{key}"));
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
                    ..PolicySummary::default()
                };
                let facts = HostFacts { os: "Debian 12".to_owned(), cpu_count: 4, ..HostFacts::default() };
                let containers = vec![Container {
                    name: "shop".to_owned(),
                    state: ContainerState::Running,
                    app: Some("shop".to_owned()),
                    ..Container::default()
                }];
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
                let points = (0..300).map(|value| Some(f64::from(value) / 300.0)).collect();
                let series = SeriesPoints {
                    metric: "cpu".to_owned(),
                    unit: Unit::Ratio,
                    avg: points,
                    ..SeriesPoints::default()
                };
                let metrics = ServerMetricsAnswer { start_ms: NOW - 300_000, step_ms: 1_000, series: vec![series] };
                self.send(Event::Answer(Answer::Metrics(range, Ok(metrics))));
                Answer::Server(name, Ok(Box::new(detail)))
            }
            View::App(view) => Answer::App(view.app.clone(), Ok(Box::new(detail()))),
            View::Logs(view) => {
                let lines = (0..100).map(|line| LogLine {
                    at_ms: NOW,
                    stream: LogStream::Stdout,
                    text: format!("entry {line}"),
                });
                let answer =
                    AppLogsAnswer { lines: lines.collect(), next_cursor: "1.1".to_owned(), ..AppLogsAnswer::default() };
                Answer::Logs(view.number, Ok(answer))
            }
            View::Plan(view) => Answer::Plan(view.id.clone(), Ok(Box::new(plan(Approval::Confirm)))),
            View::Operation(view) => {
                Answer::Operation(view.id.clone(), Ok(Box::new(operation(OperationStatus::Running))))
            }
            _ => return,
        };
        self.send(Event::Answer(answer));
    }

    fn type_in(&mut self, text: &str) {
        for character in text.chars() {
            self.send(Event::Key(KeyEvent::new(KeyCode::Char(character), KeyModifiers::NONE)));
        }
    }

    /// Fills the form of a new server in, with a password, and sends it; what it asks for.
    fn send_server(&mut self) -> Box<Onboarding> {
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
    fn show_key(&mut self, asked: Box<Onboarding>) {
        let scan = HostKeyScan { algorithm: "ssh-ed25519".to_owned(), host_key: HOST_KEY.to_owned() };
        let (number, place) = (asked.number, format!("{}:{}", asked.host, asked.port));
        let agreed = Box::new(Onboarding { host_key: Some(HOST_KEY.to_owned()), ..*asked });
        self.send(Event::Answer(Answer::Onboarding(number, Ok(Reached::HostKey { place, scan, agreed }))));
    }

    /// Lets the vault be sealed.
    fn seal(&mut self) {
        let mut sealed = overview();
        sealed.problems.push(Problem {
            severity: Severity::Warning,
            subject: "vault".to_owned(),
            message: "it is sealed: what needs a secret waits for the master password".to_owned(),
            next: "tomo vault unlock".to_owned(),
        });
        self.send(Event::Answer(Answer::Overview(Ok(Box::new(sealed)))));
    }

    fn buffer(&mut self, width: u16, height: u16) -> Buffer {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let mut canvas =
            Canvas { buffer: &mut buffer, theme: &self.theme, hits: &mut self.hits, now_ms: NOW, cursor: None };
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
fn onboarding(effects: Vec<Effect>) -> Box<Onboarding> {
    let mut steps = effects.into_iter().filter_map(|effect| match effect {
        Effect::Onboard(onboarding) => Some(onboarding),
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

#[test]
fn it_paints_before_the_daemon_answers() {
    let mut dashboard = Dashboard::empty();
    dashboard.shows("connecting");
    dashboard.shows("loading");
}

#[test]
fn the_fleet_is_in_the_overview_at_80_columns() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    for text in [
        "web-1",
        "up",
        "degraded",
        "down",
        "42%",
        "38%",
        "91%",
        "needs attention (1)",
        "its agent is not connected",
        "1 plan waits",
    ] {
        dashboard.shows(text);
    }
}

#[test]
fn a_newcomer_is_told_how_to_add_a_server() {
    let mut dashboard = Dashboard::empty();
    dashboard.send(Event::LinkUp);
    dashboard.send(Event::Answer(Answer::Servers(Ok(Vec::new()))));
    dashboard.shows("no server is managed yet");
    dashboard.shows("press a");
}

#[test]
fn the_way_back_and_the_way_out_are_in_every_footer() {
    for keys in ["1", "enter", "2", "2 enter", "2 L", "3", "3 enter", "4", "4 enter"] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        dashboard.press(keys);
        dashboard.answer_view();
        for text in ["esc back", "? help", "q quit"] {
            dashboard.shows(text);
        }
    }
}

#[test]
fn q_leaves_from_wherever_one_is() {
    for keys in ["", "enter", "2", "2 enter", "2 L", "3 enter"] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        for key in keys.split_whitespace() {
            dashboard.press(key);
            dashboard.answer_view();
        }
        let effects = dashboard.press("q");
        assert!(matches!(&effects[..], [Effect::Quit]), "after {keys:?}: {effects:?}");
    }
}

#[test]
fn a_refused_key_says_why() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    assert!(dashboard.press("n").is_empty());
    dashboard.shows("it needs the scope plan");
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.state.read_only = true;
    dashboard.press("n");
    dashboard.shows("read-only");
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("2 S");
    dashboard.shows("shop runs already");
}

#[test]
fn stopping_an_app_is_asked_about_and_no_has_the_keys() {
    let mut dashboard = Dashboard::filled(Role::Operator);
    dashboard.press("2");
    assert!(dashboard.press("T").is_empty());
    dashboard.shows("Stop shop on web-1");
    assert!(dashboard.press("enter").is_empty());
    dashboard.press("T tab");
    let effects = dashboard.press("enter");
    assert!(matches!(&effects[..], [Effect::Stop(app)] if *app == AppId::from_u64(7).to_string()), "{effects:?}");
}

#[test]
fn a_plan_is_shown_whole_and_what_was_shown_is_approved() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("3 A");
    for text in ["deploy shop on web-1", "~ image: shop:1.1", "about 2 s", "token:ai (ana)", "because red"] {
        dashboard.shows(text);
    }
    let effects = dashboard.press("tab enter");
    assert!(
        matches!(&effects[..], [Effect::Approve { request, apply: false }] if request.hash == "abc"),
        "{effects:?}"
    );
}

#[test]
fn a_plan_that_was_applied_shows_what_came_of_it() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let applied =
        Plan { status: PlanStatus::Applied, outcome: Some(OperationStatus::Failed), ..plan(Approval::Confirm) };
    dashboard.send(Event::Answer(Answer::Plans(Ok(PlanListAnswer { plans: vec![applied] }))));
    dashboard.press("3");
    dashboard.shows("✗ failed");
    dashboard.press("enter");
    dashboard.shows("✗ failed");
}

#[test]
fn a_lost_daemon_dims_what_is_shown_and_comes_back_by_itself() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let reason = "connection refused".to_owned();
    dashboard.send(Event::LinkDown(ClientError::NotConnected { url: "x".to_owned(), reason }));
    dashboard.shows("lost");
    dashboard.shows("connection refused; trying again");
    dashboard.shows("web-1");
    assert!(dashboard.buffer(80, 24)[(1, 3)].modifier.contains(Modifier::DIM));
    assert!(dashboard.state.next_due().is_some(), "the age goes on");
    let effects = dashboard.send(Event::LinkUp);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Servers)), "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Overview)), "{effects:?}");
    assert!(dashboard.state.next_due().is_none(), "nothing is waited for");
}

fn overviews(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Overview)).count()
}

fn overview_changed() -> Event {
    Event::Notice("tomo://overview".to_owned())
}

#[test]
fn notices_are_followed_once_a_second() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    assert_eq!(overviews(&dashboard.send(overview_changed())), 1, "the first one at once");
    assert_eq!(dashboard.state.next_due(), None);
    dashboard.send(Event::Answer(Answer::Overview(Ok(Box::new(overview())))));
    for _ in 0..5 {
        assert_eq!(overviews(&dashboard.send(overview_changed())), 0);
    }
    assert_eq!(dashboard.state.next_due(), Some(NOW + 1_000));
    assert_eq!(overviews(&dashboard.state.update(Event::Due, NOW + 999)), 0);
    assert_eq!(overviews(&dashboard.state.update(Event::Due, NOW + 1_000)), 1);
    assert_eq!(dashboard.state.next_due(), None);
}

#[test]
fn notices_during_a_fetch_make_one_more() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    assert_eq!(overviews(&dashboard.send(overview_changed())), 1);
    for later in 1..4 {
        assert_eq!(overviews(&dashboard.state.update(overview_changed(), NOW + later * 1_000)), 0);
    }
    let answer = || Event::Answer(Answer::Overview(Ok(Box::new(overview()))));
    assert_eq!(overviews(&dashboard.state.update(answer(), NOW + 4_000)), 1);
    assert_eq!(overviews(&dashboard.state.update(answer(), NOW + 4_000)), 0);
}

/// What is asked about rows: their names, and whether with sparklines.
fn rows_asked(effects: &[Effect]) -> Vec<(Vec<&str>, bool)> {
    let asked = |effect| match effect {
        &Effect::Rows { ref names, spark } => Some((names.iter().map(String::as_str).collect(), spark)),
        _ => None,
    };
    effects.iter().filter_map(asked).collect()
}

#[test]
fn of_a_large_fleet_only_what_is_in_sight_is_fetched_each_second() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let fleet = |spark: bool| {
        let server = |number| {
            let mut server = server(number, ServerStatus::Up);
            if !spark {
                server.cpu_spark = Vec::new();
                server.network_spark = Vec::new();
            }
            server
        };
        (1..=1_000).map(server).collect::<Vec<_>>()
    };
    let counted = || {
        let mut overview = overview();
        overview.servers = tomo_proto::api::overview::ServerCounts { up: 1_000, ..Default::default() };
        Event::Answer(Answer::Overview(Ok(Box::new(overview))))
    };
    dashboard.state.update(Event::Answer(Answer::Servers(Ok(fleet(false)))), NOW);
    dashboard.buffer(80, 10);
    assert!(dashboard.state.next_due().is_some(), "rows came into sight");
    let effects = dashboard.state.update(Event::Due, NOW + 1_000);
    let names: Vec<String> = (1..=4).map(|number| format!("web-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(rows_asked(&effects), [(names.clone(), true)]);
    let sparks =
        |dashboard: &Dashboard| dashboard.state.servers.items().iter().filter(|one| !one.cpu_spark.is_empty()).count();
    let take = |dashboard: &mut Dashboard, spark, at_ms| {
        let servers = fleet(spark).into_iter().take(4).collect();
        let answer = ServerListAnswer { servers, total: 4, next_cursor: None };
        dashboard.state.update(counted(), at_ms);
        dashboard.state.update(Event::Answer(Answer::Rows(Ok(answer))), at_ms)
    };
    take(&mut dashboard, true, NOW + 1_000);
    assert_eq!(sparks(&dashboard), 4);
    let mut whole = 0;
    for second in 2..=30 {
        let effects = dashboard.state.update(overview_changed(), NOW + second * 1_000);
        assert_eq!(rows_asked(&effects), [(names.clone(), second % 10 == 1)], "after {second} s");
        if effects.iter().any(|effect| matches!(effect, Effect::Servers)) {
            whole += 1;
            dashboard.state.update(Event::Answer(Answer::Servers(Ok(fleet(false)))), NOW + second * 1_000);
        }
        take(&mut dashboard, false, NOW + second * 1_000);
        assert_eq!(sparks(&dashboard), 4, "they are kept");
    }
    assert_eq!(whole, 3, "all of it every ten seconds");
    dashboard.press("pagedown pagedown");
    dashboard.buffer(80, 10);
    let due = dashboard.state.next_due().expect("other rows came into sight");
    let effects = dashboard.state.update(Event::Due, due);
    assert!(matches!(&rows_asked(&effects)[..], [(names, true)] if names.contains(&"web-5")), "{effects:?}");
}

#[test]
fn a_login_that_ends_asks_again_and_goes_on() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.send(Event::LinkDown(ClientError::SignedOut("x".to_owned())));
    assert!(matches!(dashboard.state.view, View::Login(_)));
    dashboard.shows("Your login at test has ended");
    dashboard.send(Event::Answer(Answer::Login(Err(refused(ErrorCode::Unauthenticated, "wrong name or password")))));
    dashboard.shows("wrong name or password");
}

#[test]
fn opening_a_server_watches_it_and_leaving_stops_that() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    let effects = dashboard.press("enter");
    let watched = |effects: &[Effect]| {
        effects.iter().find_map(|effect| if let Effect::Watch(uris) = effect { Some(uris.clone()) } else { None })
    };
    assert_eq!(watched(&effects).expect("watches"), ["tomo://overview", "tomo://servers/web-1"]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Metrics(range) if range.span_ms == 300_000)));
    dashboard.answer_view();
    for text in ["Debian 12", "CPU", "Memory", "Network", "Disk", "containers (1)", "shop"] {
        dashboard.shows(text);
    }
    let effects = dashboard.press("-");
    assert!(
        matches!(&effects[..], [Effect::Metrics(range)] if range.span_ms == 900_000 && range.step_s == 3),
        "{effects:?}"
    );
    assert_eq!(watched(&dashboard.press("esc")).expect("watches"), ["tomo://overview"]);
}

#[test]
fn lines_of_another_log_are_not_shown() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    dashboard.press("2 L");
    let line = |text: &str| LogLine { at_ms: 0, stream: LogStream::Stdout, text: text.to_owned() };
    let answer =
        |text| AppLogsAnswer { lines: vec![line(text)], next_cursor: "1.1".to_owned(), ..AppLogsAnswer::default() };
    dashboard.send(Event::Answer(Answer::Logs(1, Ok(answer("foreign")))));
    assert!(!dashboard.screen().contains("foreign"));
    let View::Logs(view) = &dashboard.state.view else { panic!("not the log") };
    let number = view.number;
    let more = dashboard.send(Event::Answer(Answer::Logs(number, Ok(answer("own")))));
    assert!(matches!(&more[..], [Effect::Logs { cursor: Some(_), .. }]), "{more:?}");
    dashboard.shows("own");
    dashboard.shows("following");
}

#[test]
fn the_palette_finds_a_server() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    dashboard.press(": w e b 2");
    dashboard.shows("web-2");
    dashboard.press("enter");
    assert!(matches!(&dashboard.state.view, View::Server(view) if view.name == "web-2"));
}

#[test]
fn a_click_selects_and_a_second_one_opens() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    let row = u16::try_from(dashboard.screen().lines().position(|line| line.starts_with("web-2")).expect("is there"))
        .expect("fits");
    for opened in [false, true] {
        dashboard.buffer(80, 24);
        let hit = dashboard.hits.at(2, row);
        dashboard.state.pointer(hit, 0, (2, row), NOW);
        assert_eq!(matches!(&dashboard.state.view, View::Server(view) if view.name == "web-2"), opened);
    }
}

#[test]
fn an_error_stays_until_escape() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    dashboard.send(Event::Answer(Answer::Started(Err(refused(ErrorCode::Internal, "it broke (log id 7)")))));
    dashboard.shows("it broke (log id 7)");
    dashboard.state.update(Event::Due, NOW + 3_600_000);
    dashboard.shows("it broke (log id 7)");
    dashboard.press("esc");
    assert!(!dashboard.screen().contains("it broke"));
}

#[test]
fn nothing_moves_when_nothing_happens() {
    let dashboard = Dashboard::filled(Role::Admin);
    assert_eq!(dashboard.state.next_due(), None);
    assert!(matches!(dashboard.state.link, Link::Live));
}

#[test]
fn every_view_fits_the_smallest_screens() {
    for keys in [
        "1", "enter", "2", "2 enter", "2 L", "2 n", "2 T", "3", "3 enter", "3 A", "4", "4 enter", "?", ": w", "1 a",
        "enter i", "U",
    ] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        dashboard.seal();
        dashboard.press(keys);
        dashboard.answer_view();
        for (width, height) in (1..12).flat_map(|width| (1..8).map(move |height| (width, height))) {
            dashboard.buffer(width, height);
        }
    }
}

#[test]
fn a_server_is_added_over_ssh_after_its_key_was_agreed_to() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let asked = dashboard.send_server();
    assert!(asked.host_key.is_none() && asked.install.is_none(), "{asked:?}");
    assert!(matches!(&asked.sign_in, SignIn::Password(password) if password.reveal() == "hunter2"));
    assert!(!format!("{asked:?}").contains("hunter2"));
    assert!(!dashboard.screen().contains("hunter2"), "a secret is never echoed");
    dashboard.show_key(asked);
    dashboard.shows(HOST_KEY);
    // "No" has the keys: nothing goes there, and what was typed is still there.
    assert!(dashboard.press("enter").is_empty());
    dashboard.shows("web-9.example");
    let asked = onboarding(dashboard.press("ctrl-s"));
    let number = asked.number;
    dashboard.show_key(asked);
    let agreed = onboarding(dashboard.press("tab enter"));
    assert_eq!(agreed.host_key.as_deref(), Some(HOST_KEY));
    let begun = Reached::Begun(Box::new(adding(OperationStatus::Running, "connect to web-9.example:22")));
    dashboard.send(Event::Answer(Answer::Onboarding(number, Ok(begun))));
    assert!(dashboard.state.layer.is_none());
    dashboard.shows("connect to web-9.example:22");
    dashboard.press("X tab");
    let effects = dashboard.press("enter");
    assert!(matches!(&effects[..], [Effect::Cancel(_)]), "{effects:?}");
    let View::Operation(view) = &dashboard.state.view else { panic!("not the operation") };
    let id = view.id.clone();
    let done = adding(OperationStatus::Succeeded, "done");
    dashboard.send(Event::Answer(Answer::Operation(id, Ok(Box::new(done)))));
    assert!(matches!(&dashboard.state.view, View::Server(view) if view.name == "web-9"));
}

#[test]
fn a_server_that_cannot_be_added_leads_back_to_its_form() {
    for (code, step, field, said) in [
        (ErrorCode::Invalid, "sign in as ana with password", "password", "ana is not let in"),
        (ErrorCode::HostFailed, "connect to web-9.example:22", "host", "connection refused"),
        (ErrorCode::HostFailed, "install the agent", "", "install the agent: there is no systemd"),
    ] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        let asked = dashboard.send_server();
        let number = asked.number;
        dashboard.show_key(asked);
        dashboard.press("tab enter");
        let begun = Reached::Begun(Box::new(adding(OperationStatus::Running, "connect")));
        dashboard.send(Event::Answer(Answer::Onboarding(number, Ok(begun))));
        let View::Operation(view) = &dashboard.state.view else { panic!("not the operation") };
        let id = view.id.clone();
        let message = said.rsplit(": ").next().expect("there is one").to_owned();
        let error = OperationError { code, message, next: Some("look there".to_owned()) };
        let failed = Operation { error: Some(error), ..adding(OperationStatus::Failed, step) };
        dashboard.send(Event::Answer(Answer::Operation(id, Ok(Box::new(failed)))));
        for text in ["Add a server", "web-9.example", "ana", said, "look there"] {
            dashboard.shows(text);
        }
        let screen = dashboard.screen();
        let line = screen.lines().position(|line| line.contains(said)).expect("it is told");
        if let Some(label) = match field {
            "password" => Some("Password"),
            "host" => Some("Host"),
            _ => None,
        } {
            let above = screen.lines().nth(line - 1).expect("a line above");
            assert!(above.contains(label), "told at {label}:\n{screen}");
        }
        // It can be sent again as it is.
        let again = onboarding(dashboard.press("ctrl-s"));
        assert!(matches!(&again.sign_in, SignIn::Password(password) if password.reveal() == "hunter2"));
    }
}

#[test]
fn whoever_goes_elsewhere_is_told_what_became_of_a_new_server() {
    for status in [OperationStatus::Succeeded, OperationStatus::Failed] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        let number = dashboard.send_server().number;
        let running = adding(OperationStatus::Running, "look around");
        let id = running.operation.to_string();
        dashboard.send(Event::Answer(Answer::Onboarding(number, Ok(Reached::Begun(Box::new(running.clone()))))));
        dashboard.press("1");
        let with = |operations| {
            let overview = OverviewAnswer { operations, ..overview() };
            Event::Answer(Answer::Overview(Ok(Box::new(overview))))
        };
        let asks = |effects: &[Effect]| effects.iter().any(|one| matches!(one, Effect::Operation { .. }));
        assert!(!asks(&dashboard.send(with(vec![running]))), "it is under way");
        assert!(asks(&dashboard.send(with(Vec::new()))));
        let error = OperationError { code: ErrorCode::HostFailed, message: "no systemd".to_owned(), next: None };
        let ended = Operation {
            error: (status == OperationStatus::Failed).then_some(error),
            ..adding(status, "install the agent")
        };
        dashboard.send(Event::Answer(Answer::Operation(id.clone(), Ok(Box::new(ended.clone())))));
        assert!(matches!(dashboard.state.view, View::Overview) && dashboard.state.layer.is_none());
        assert!(!asks(&dashboard.send(with(Vec::new()))), "once is enough");
        if status == OperationStatus::Succeeded {
            dashboard.shows("web-9 is added");
            continue;
        }
        dashboard.shows("web-9 is not added: no systemd");
        let operations = OperationListAnswer { operations: vec![ended.clone()] };
        dashboard.send(Event::Answer(Answer::Operations(Ok(operations))));
        dashboard.press("4 enter");
        dashboard.send(Event::Answer(Answer::Operation(id, Ok(Box::new(ended)))));
        dashboard.shows("web-9.example");
        dashboard.shows("install the agent: no systemd");
    }
}

#[test]
fn what_the_daemon_refuses_is_told_at_its_field() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let asked = dashboard.send_server();
    let taken = ApiError::new(ErrorCode::Conflict, "there is a server \"web-9\" already").with_field("name");
    dashboard.send(Event::Answer(Answer::Onboarding(asked.number, Err(ClientError::Api(taken)))));
    dashboard.shows("there is a server");
    let screen = dashboard.screen();
    let line = screen.lines().position(|line| line.contains("already")).expect("it is told");
    assert!(screen.lines().nth(line - 1).is_some_and(|line| line.contains("Name")), "{screen}");
    // An answer to what was sent before is nobody's.
    let old = asked.number;
    let again = onboarding(dashboard.press("ctrl-s"));
    dashboard.show_key(Box::new(Onboarding { number: old, ..*again }));
    assert!(!dashboard.screen().contains(HOST_KEY));
}

#[test]
fn a_key_file_a_host_in_between_and_an_agent_are_asked_for_where_they_are_wanted() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("a tab");
    dashboard.type_in("web-9");
    dashboard.press("tab");
    dashboard.type_in("10.0.0.9");
    dashboard.press("tab tab");
    dashboard.type_in("ana");
    assert!(!dashboard.screen().contains("Key file") && !dashboard.screen().contains("Sudo password"));
    dashboard.press("tab right tab tab");
    dashboard.type_in("moon");
    dashboard.press("tab");
    dashboard.type_in("ana@10.0.0.1:2222");
    dashboard.press("tab");
    dashboard.type_in("env=prod");
    dashboard.press("tab right right");
    dashboard.shows("Sudo password");
    let asked = onboarding(dashboard.press("ctrl-s"));
    let SignIn::Key { file, passphrase } = &asked.sign_in else { panic!("{asked:?}") };
    assert_eq!((file.as_str(), passphrase.as_ref().map(|text| text.reveal())), ("~/.ssh/id_ed25519", Some("moon")));
    let jump = asked.jump.as_ref().expect("is named");
    assert_eq!((jump.host.as_str(), jump.port), ("10.0.0.1", 2222));
    assert_eq!((asked.labels["env"].as_str(), asked.install), ("prod", Some(InstallRights::Containers)));
    assert!(!dashboard.screen().contains("moon"));
}

#[test]
fn a_token_is_made_for_whoever_installs_by_hand() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("a right tab");
    assert!(!dashboard.screen().contains("Host"));
    dashboard.type_in("web-9");
    let effects = dashboard.press("ctrl-s");
    assert!(matches!(&effects[..], [Effect::Enroll(request)] if request.server == "web-9"), "{effects:?}");
}

#[test]
fn a_server_shows_what_its_host_allows_and_how_it_is_reached() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("enter");
    dashboard.answer_view();
    dashboard.press("i");
    for text in ["ana@web-1.example:22", HOST_KEY, "kept, sealed", "start, stop, restart, logs", "remove, pull, deploy"]
    {
        dashboard.shows(text);
    }
    assert!(dashboard.press("n").is_empty());
    dashboard.shows("the policy of web-1 does not allow the verb deploy");
    let effects = dashboard.press("t");
    assert!(matches!(&effects[..], [Effect::TestServer(server)] if server == "web-1"), "{effects:?}");
    dashboard.press("F tab");
    let effects = dashboard.press("enter");
    assert!(matches!(&effects[..], [Effect::ForgetCredential(server)] if server == "web-1"), "{effects:?}");
    dashboard.send(Event::Answer(Answer::Forgotten(Ok("web-1".to_owned()))));
    dashboard.shows("no credential is kept for web-1");
    dashboard.press("i");
    dashboard.shows("Memory");
}

#[test]
fn a_sealed_vault_is_unlocked_from_where_it_is_told() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("U");
    dashboard.shows("the vault is not sealed");
    dashboard.press("esc");
    dashboard.seal();
    dashboard.shows("U unlock vault");
    dashboard.press("U");
    dashboard.type_in("correct horse");
    assert!(!dashboard.screen().contains("horse"));
    let effects = dashboard.press("enter");
    assert!(
        matches!(&effects[..], [Effect::UnlockVault(request)] if request.password.reveal() == "correct horse"),
        "{effects:?}"
    );
    dashboard.send(Event::Answer(Answer::Unlocked(Err(refused(ErrorCode::Denied, "this is not the password")))));
    dashboard.shows("this is not the password");
    dashboard.press("enter");
    let status = VaultStatus { state: VaultState::Unlocked, epoch: 1, secrets: 2, changed_at: None };
    dashboard.send(Event::Answer(Answer::Unlocked(Ok(status))));
    assert!(dashboard.state.layer.is_none());
    dashboard.shows("the vault is unlocked");
}

#[test]
fn a_form_that_needs_a_sealed_vault_asks_for_its_password_and_is_as_it_was() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let asked = dashboard.send_server();
    let sealed = refused(ErrorCode::Sealed, "the vault is sealed");
    dashboard.send(Event::Answer(Answer::Onboarding(asked.number, Err(sealed))));
    dashboard.shows("Master password");
    dashboard.shows("next: unlock vault (U)");
    let status = VaultStatus { state: VaultState::Unlocked, epoch: 1, secrets: 2, changed_at: None };
    dashboard.send(Event::Answer(Answer::Unlocked(Ok(status))));
    dashboard.shows("web-9.example");
    onboarding(dashboard.press("ctrl-s"));
}

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let characters = "hjklgGqnestxXADLSTRMOaiFU/:?`[]+-=<>,.0123456789 pw\u{e9}\u{65e5}";
    let character = proptest::sample::select(characters.chars().collect::<Vec<_>>()).prop_map(KeyCode::Char);
    let named = proptest::sample::select(vec![
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::F(1),
    ]);
    let modifiers =
        prop_oneof![8 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL), 1 => Just(KeyModifiers::SHIFT)];
    (prop_oneof![3 => character, 2 => named], modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_keys_at_any_size_never_panic_and_escape_leads_home(
        keys in proptest::collection::vec(any_key(), 0..60),
        width in 1_u16..300,
        height in 1_u16..100,
    ) {
        let mut dashboard = Dashboard::filled(Role::Admin);
        for (place, key) in keys.into_iter().enumerate() {
            dashboard.send(Event::Key(key));
            dashboard.answer_view();
            if place % 7 == 0 {
                dashboard.buffer(width, height);
            }
        }
        dashboard.buffer(width, height);
        // A form with typed text asks first: the question's own Esc goes back to the form, so it is discarded once.
        for _ in 0..60 {
            dashboard.send(Event::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE)));
            if dashboard.screen().contains("Discard") {
                dashboard.press("tab enter");
            }
        }
        prop_assert!(matches!(dashboard.state.view, View::Overview), "{:?}", dashboard.state.view);
        prop_assert!(dashboard.state.layer.is_none());
    }
}
