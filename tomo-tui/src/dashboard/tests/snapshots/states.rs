//! The states of a view, and how it comes into each.

use tomo_proto::api::{audit::AuditSearchAnswer, catalog::CatalogListAnswer};

use super::{super::*, SIZES, views::Row};
use crate::dashboard::{
    action::{self, Context, Entry},
    people::People,
};

/// How a view stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Everything was told.
    Normal,
    /// The daemon has answered, with nothing.
    Empty,
    /// Nothing was told yet.
    Loading,
    /// What it is made of was refused at once.
    Error,
    /// It was refused later, after everything was told.
    Outdated,
    /// The daemon was lost, a while ago.
    Offline,
    /// Nothing may be changed, and somebody tries.
    ReadOnly,
    /// The same, because of the person's role.
    Viewer,
}

pub(super) const ALL: [Standing; 8] = [
    Standing::Normal,
    Standing::Empty,
    Standing::Loading,
    Standing::Error,
    Standing::Outdated,
    Standing::Offline,
    Standing::ReadOnly,
    Standing::Viewer,
];

impl Standing {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Empty => "empty",
            Self::Loading => "loading",
            Self::Error => "error",
            Self::Outdated => "outdated",
            Self::Offline => "offline",
            Self::ReadOnly => "read_only",
            Self::Viewer => "viewer",
        }
    }

    /// Of who may not, one size tells: all that differs are the keys that are off.
    pub(super) const fn sizes(self) -> &'static [(u16, u16)] {
        match self {
            Self::Viewer => SIZES.first_chunk::<1>().expect("there is one"),
            _ => &SIZES,
        }
    }

    /// A dashboard with the view in this state. Everything on the way to it has been told.
    pub(super) fn of(self, row: &Row) -> Dashboard {
        let is_told = !matches!(self, Self::Empty | Self::Loading | Self::Error);
        let role = if self == Self::Viewer { Role::Viewer } else { Role::Admin };
        let keys: Vec<&str> = row.keys.split_whitespace().collect();
        let mut dashboard = if is_told || keys.len() != 1 { Dashboard::filled(role) } else { Dashboard::connected() };
        if row.name == "login" {
            dashboard.send(Event::LinkDown(ClientError::SignedOut("x".to_owned())));
        }
        for (place, key) in keys.iter().enumerate() {
            dashboard.press(key);
            if is_told || place + 1 < keys.len() {
                dashboard.answer_view();
            }
        }
        match self {
            Self::Empty => dashboard.answer_with_nothing(),
            Self::Loading if row.name == "login" => {
                dashboard.type_in("ana");
                dashboard.press("tab x enter");
            }
            Self::Error | Self::Outdated => dashboard.refuse_view(),
            Self::Offline => {
                let reason = "connection refused".to_owned();
                let lost = ClientError::NotConnected { url: "https://tomo.example.com:8666".to_owned(), reason };
                dashboard.send(Event::LinkDown(lost));
                dashboard.state.update(Event::Due, NOW + 90_000);
            }
            Self::ReadOnly => {
                dashboard.state.read_only = true;
                dashboard.press_what_is_refused();
            }
            Self::Viewer => dashboard.press_what_is_refused(),
            Self::Normal | Self::Loading => {}
        }
        dashboard
    }
}

impl Dashboard {
    /// A state that a daemon has let in, and told nothing more yet.
    fn connected() -> Self {
        let mut dashboard = Self::empty();
        dashboard.send(Event::LinkUp);
        dashboard.send(Event::Answer(Answer::Whoami(Ok(who(Role::Admin, true)))));
        dashboard
    }

    /// Answers whatever the view on screen asked for, with as little as there can be.
    fn answer_with_nothing(&mut self) {
        let people = |users| Answer::People(Ok(Box::new(People { users, ..People::default() })));
        let nothing = match &self.state.view {
            View::Overview => Answer::Servers(Ok(Vec::new())),
            View::Apps => Answer::Apps(Ok(AppListAnswer::default())),
            View::Plans => Answer::Plans(Ok(PlanListAnswer::default())),
            View::Operations => Answer::Operations(Ok(OperationListAnswer::default())),
            View::Catalog => Answer::Catalog(Ok(CatalogListAnswer::default())),
            View::Server(view) => {
                let summary =
                    ServerSummary { vitals: None, labels: BTreeMap::new(), ..server(1, ServerStatus::Unknown) };
                let detail = ServerDetail {
                    summary: ServerSummary { agent: AgentState::None, ..summary },
                    facts: None,
                    containers: Vec::new(),
                    probe: None,
                    policy: None,
                    created_at: 0,
                    last_seen_at: None,
                };
                let (name, range) = (view.name.clone(), view.range());
                self.send(Event::Answer(Answer::Metrics(range, Ok(ServerMetricsAnswer::default()))));
                Answer::Server(name, Ok(Box::new(detail)))
            }
            View::Compare(view) => {
                for effect in view.fetch() {
                    let Effect::Metrics(range) = effect else { continue };
                    self.send(Event::Answer(Answer::Metrics(range, Ok(ServerMetricsAnswer::default()))));
                }
                Answer::Rows(Ok(Vec::new()))
            }
            View::Stock(view) => Answer::Stock(view.server.clone(), Ok(Vec::new())),
            View::Backups(view) => Answer::Backups(view.server.clone(), Ok(Vec::new())),
            View::Registries(_) => Answer::Registries(Ok(Vec::new())),
            View::Person(_) => people(super::super::people::people().users),
            View::Users(_) | View::Profile(_) | View::Tokens(_) => people(Vec::new()),
            View::Audit(_) => Answer::Audit(None, Ok(AuditSearchAnswer::default())),
            View::Verdict(_) => Answer::Verified(Ok(Box::default())),
            View::Diagnosis(view) => {
                let verdict = "shop does what it should".to_owned();
                let status = AppStatus::Running;
                let sound = Diagnosis { status, verdict, causes: Vec::new(), ..diagnosis() };
                Answer::Diagnosis(view.app.clone(), Ok(Box::new(sound)))
            }
            View::Logs(view) => Answer::Logs(view.asked(), Ok(AppLogsAnswer::default())),
            View::Operation(view) => {
                let begun = Operation {
                    log: Vec::new(),
                    percent: None,
                    step: "waiting".to_owned(),
                    ..operation(OperationStatus::Running)
                };
                Answer::Operation(view.id.clone(), Ok(Box::new(begun)))
            }
            _ => Answer::Overview(Ok(Box::default())),
        };
        self.send(Event::Answer(nothing));
        if matches!(self.state.view, View::Overview) {
            self.send(Event::Answer(Answer::Overview(Ok(Box::default()))));
        }
    }

    /// Refuses what the view on screen is made of.
    fn refuse_view(&mut self) {
        let error = refused(ErrorCode::Internal, "the store cannot be read: input/output error (log id 7f3a)");
        let refusal = match &self.state.view {
            View::Login(_) => Answer::Login(Err(refused(ErrorCode::Unauthenticated, "wrong name or password"))),
            View::Overview => Answer::Servers(Err(error)),
            View::Alerts => Answer::Overview(Err(error)),
            View::Apps => Answer::Apps(Err(error)),
            View::Plans => Answer::Plans(Err(error)),
            View::Operations => Answer::Operations(Err(error)),
            View::Catalog => Answer::Catalog(Err(error)),
            View::Server(view) => Answer::Server(view.name.clone(), Err(error)),
            View::Compare(view) => match view.fetch().remove(0) {
                Effect::Metrics(range) => Answer::Metrics(range, Err(error)),
                other => panic!("something else is asked for: {other:?}"),
            },
            View::Container(view) => Answer::Container(view.server.clone(), view.name.clone(), Err(error)),
            View::Stock(view) => Answer::Stock(view.server.clone(), Err(error)),
            View::Backups(view) => Answer::Backups(view.server.clone(), Err(error)),
            View::Registries(_) => Answer::Registries(Err(error)),
            View::Users(_) | View::Person(_) | View::Tokens(_) | View::Profile(_) => Answer::People(Err(error)),
            View::Audit(_) => Answer::Audit(None, Err(error)),
            View::Verdict(_) => Answer::Verified(Err(error)),
            View::Settings(_) => Answer::Settings(Err(error)),
            View::App(view) => Answer::App(view.app.clone(), Err(error)),
            View::Diagnosis(view) => Answer::Diagnosis(view.app.clone(), Err(error)),
            View::Logs(view) => Answer::Logs(view.asked(), Err(error)),
            View::Plan(view) => Answer::Plan(view.id.clone(), Err(error)),
            View::Operation(view) => Answer::Operation(view.id.clone(), Err(error)),
            View::Template(view) => Answer::Template(view.id.clone(), Err(error)),
            View::Record(_) => panic!("nothing is asked for it"),
        };
        self.send(Event::Answer(refusal));
    }

    /// Presses the first key that changes something and may not: of the view, or of those that work everywhere.
    fn press_what_is_refused(&mut self) {
        let context = self.state.context();
        let is_off = |entry: &&Entry| entry.changes && self.state.disabled(entry.action).is_some();
        let mut off: Vec<_> = action::in_context(context).filter(is_off).collect();
        off.sort_by_key(|entry| (entry.contexts.contains(&Context::Global), entry.footer == 0, entry.footer));
        let key =
            off.iter().find_map(|entry| self.state.keys.shown(context, entry).first().map(|key| (*key).to_owned()));
        self.press(&key.expect("something is refused"));
    }
}
