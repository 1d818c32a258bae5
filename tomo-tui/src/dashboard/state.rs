//! The whole state of the dashboard and the one function that changes it: `update(event) → effects`. No I/O, no clock of its own.

mod act;
mod alerts;
mod answers;
mod audit;
mod copy;
pub(crate) mod disabled;
mod freeze;
mod input;
mod logs;
mod mouse;
mod navigate;
mod palette;
mod people;
mod remember;
mod targets;
mod together;
pub(crate) mod undo;
mod visits;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crossterm::event::KeyEvent;
use tomo_proto::{
    api::{
        auth::WhoamiAnswer,
        overview::{OverviewAnswer, Problem},
    },
    id::{OperationId, PlanId, ServerId},
    model::{
        app::AppSummary, catalog::TemplateSummary, container::Container, operation::Operation, plan::Plan,
        server::ServerSummary,
    },
};

use crate::dashboard::{
    action::{Action, Context, Keymap},
    clipboard::Clipboard,
    effect::Effect,
    event::Event,
    layers::choice::Daemons,
    layers::{Layer, server::ServerForm},
    list::{AnyList, Arrangement, List},
    theme::ThemeName,
    toast::{Kind, Toasts},
    views::{View, alerts::Alert, logs::LogOf, panes::Panes},
};

use disabled::KnownPolicy;
use freeze::Frozen;
use together::UnderWay;
use undo::Undo;

/// Views that can be gone back to.
const HISTORY: usize = 50;
/// Time between two looks at an age that is shown.
const AGE_TICK_MS: u64 = 1_000;

/// Least time between two looks at the fleet: in a large one a notice comes all the time.
const LOOK_MS: u64 = 1_000;
/// Servers out of sight are fetched anew after this time for each server there is, and not before the next look.
const SERVER_MS: u64 = 10;
/// Least time between two fetches because other rows came into sight.
const SCROLL_MS: u64 = 200;
/// Time between two points of a sparkline.
const SPARK_MS: u64 = 15_000;

/// How the daemon can be reached.
#[derive(Debug)]
pub(crate) enum Link {
    Connecting,
    Live,
    Lost { since_ms: u64, reason: String },
}

/// What is fetched as a whole; one request of a kind is under way at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fetch {
    Overview,
    Servers,
    Rows,
    Apps,
    Plans,
    Operations,
    Catalog,
    View,
}

/// When the fleet was looked at (UTC ms), and what is still to be looked at.
#[derive(Debug, Default)]
struct Looks {
    /// A notice that waits for the next look.
    heard: bool,
    at: u64,
    /// When the whole fleet was fetched.
    servers_at: u64,
    /// When rows were, which ones, and when each was with its sparklines.
    rows_at: u64,
    rows: Vec<ServerId>,
    sparks_at: HashMap<ServerId, u64>,
}

/// A visit's operation, with its form: that comes back if it comes to nothing.
#[derive(Debug)]
struct Followed {
    operation: OperationId,
    form: Box<ServerForm>,
    /// Whether its end was told to a person who was elsewhere.
    told: bool,
}

/// Everything the dashboard knows.
#[derive(Debug)]
pub(crate) struct State {
    /// What the header calls the daemon.
    pub(crate) daemon: String,
    pub(crate) read_only: bool,
    /// Whether it is shown to somebody else than this machine's user.
    pub(crate) hosted: bool,
    pub(crate) now_ms: u64,
    pub(crate) link: Link,
    /// Why what the view on screen is made of was not told the last time, and what to do about it.
    pub(crate) refused: Option<String>,
    /// Keys that came while a path is completed.
    pub(crate) typed_ahead: Option<Vec<KeyEvent>>,
    pub(crate) who: Option<WhoamiAnswer>,
    pub(crate) overview: Option<OverviewAnswer>,
    /// Its problems, each with when it was seen first.
    pub(crate) alerts: List<Alert>,
    /// What the fleet's sparklines of the network are drawn against (bytes/s).
    pub(crate) net_top: Option<u64>,
    pub(crate) servers: List<ServerSummary>,
    pub(crate) apps: List<AppSummary>,
    pub(crate) plans: List<Plan>,
    pub(crate) operations: List<Operation>,
    pub(crate) catalog: List<TemplateSummary>,
    /// Files of own catalogs that are left out, and why.
    pub(crate) left_out: Vec<String>,
    pub(crate) view: View,
    /// Lists as they were when the dashboard was left the last time.
    remembered: BTreeMap<String, Arrangement>,
    back: Vec<View>,
    forward: Vec<View>,
    pub(crate) layer: Option<Layer>,
    /// A form below the preview of its plan.
    below: Option<Layer>,
    /// Whether the filter of the list on screen is being typed.
    pub(crate) filtering: bool,
    /// Whether it is still the one from before, which the next letter replaces.
    pub(crate) filter_is_old: bool,
    pub(crate) toasts: Toasts,
    pub(crate) keys: Keymap,
    /// Which theme is shown, as it was chosen.
    pub(crate) theme: ThemeName,
    /// Which daemon is open, and which one it began with.
    pub(crate) daemons: Option<Daemons>,
    /// Whether the screen no longer shows the state.
    pub(crate) dirty: bool,
    quit_asked: bool,
    fetching: HashSet<Fetch>,
    again: HashSet<Fetch>,
    looks: Looks,
    watched: Vec<String>,
    /// Secrets that were stored for plans of this dashboard, by plan.
    secrets: HashMap<PlanId, Vec<String>>,
    /// Visits under way, and those of an import that are still to begin.
    visits: Vec<Followed>,
    to_visit: VecDeque<ServerForm>,
    /// Whether the daemon has said since the last unlocking that its vault is sealed.
    heard_sealed: bool,
    /// What hosts allow, by the server's name.
    policies: HashMap<String, KnownPolicy>,
    /// A screen that stands still.
    pub(crate) frozen: Option<Frozen>,
    pub(crate) panes: Panes,
    pub(crate) clipboard: Clipboard,
    /// What is done to several things at once.
    together: Option<UnderWay>,
    /// What takes the last act back.
    undo: Option<Undo>,
    effects: Vec<Effect>,
}

/// Whether a problem is that the vault is sealed.
pub(crate) fn is_sealed_vault(problem: &Problem) -> bool {
    problem.subject == "vault" && problem.next == "tomo vault unlock"
}

impl State {
    pub(crate) fn new(daemon: String, read_only: bool, hosted: bool, now_ms: u64) -> Self {
        Self {
            daemon,
            read_only,
            hosted,
            now_ms,
            link: Link::Connecting,
            refused: None,
            typed_ahead: None,
            who: None,
            overview: None,
            alerts: List::default(),
            net_top: None,
            servers: List::default(),
            apps: List::default(),
            // What waits for a person comes first.
            plans: List::sorted(0),
            operations: List::default(),
            catalog: List::default(),
            left_out: Vec::new(),
            view: View::Overview,
            remembered: BTreeMap::new(),
            back: Vec::new(),
            forward: Vec::new(),
            layer: None,
            below: None,
            filtering: false,
            filter_is_old: false,
            toasts: Toasts::default(),
            keys: Keymap::default(),
            theme: ThemeName::default(),
            daemons: None,
            dirty: true,
            quit_asked: false,
            fetching: HashSet::new(),
            again: HashSet::new(),
            looks: Looks::default(),
            watched: Vec::new(),
            secrets: HashMap::new(),
            visits: Vec::new(),
            to_visit: VecDeque::new(),
            heard_sealed: false,
            policies: HashMap::new(),
            frozen: None,
            panes: Panes::default(),
            clipboard: Clipboard::default(),
            together: None,
            undo: None,
            effects: Vec::new(),
        }
    }

    /// What to do first.
    pub(crate) fn begin(&mut self) -> Vec<Effect> {
        self.effects.push(Effect::Whoami);
        self.watch();
        std::mem::take(&mut self.effects)
    }

    /// Takes one event in.
    pub(crate) fn update(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        self.now_ms = now_ms;
        match event {
            Event::Key(key) => {
                self.dirty = true;
                self.key(key);
            }
            Event::Paste(text) => {
                self.dirty = true;
                self.paste(&text);
            }
            // Both were resolved to a place by the runtime, which knows what was drawn where.
            Event::Click(..) | Event::RightClick(..) | Event::Wheel(..) | Event::Told(_) | Event::Config(_) => {}
            Event::Drag(column) => self.drag_to(column),
            Event::Drop => self.drop_it(),
            Event::Resize => self.dirty = true,
            Event::HangUp | Event::InputLost(_) | Event::Terminate => self.effects.push(Effect::Quit),
            Event::LinkUp => {
                self.dirty = true;
                let was_live = matches!(self.link, Link::Live);
                self.link = Link::Live;
                if !was_live {
                    self.let_go();
                    self.overview = None;
                    self.looks = Looks::default();
                    self.fetching.clear();
                    self.again.clear();
                    self.fetch(Fetch::Servers);
                    if self.who.is_none() {
                        self.effects.push(Effect::Whoami);
                    }
                }
                self.refresh();
                if !was_live {
                    self.fetch_history();
                }
            }
            Event::LinkDown(error) => {
                self.dirty = true;
                self.lost(error);
            }
            Event::Notice(uri) => {
                if uri == "tomo://overview" {
                    self.looks.heard = true;
                    self.look();
                } else {
                    self.look_at_view();
                }
            }
            Event::Answer(answer) => {
                if let Some(answer) = self.hold(answer) {
                    self.answer(answer);
                }
            }
            Event::Due => {
                self.dirty |= self.toasts.expire(now_ms) || self.age_on_screen();
                self.look();
                if self.other_rows_in_sight() {
                    self.fetch(Fetch::Rows);
                }
            }
        }
        self.learn_policy();
        if let View::Logs(view) = &mut self.view {
            self.effects.extend(view.work());
        }
        std::mem::take(&mut self.effects)
    }

    /// Whose the mouse is now.
    pub(crate) fn mouse_is(&mut self, ours: bool) {
        let text = if ours {
            "the mouse works in the dashboard".to_owned()
        } else {
            format!("the mouse is the terminal's: select text, {} takes it back", self.keys.name(Action::Mouse))
        };
        self.toasts.push(Kind::Info, text, self.now_ms);
    }

    /// When the state wants to hear [`Event::Due`] (UTC ms).
    pub(crate) fn next_due(&self) -> Option<u64> {
        let age = self.age_on_screen().then_some(self.now_ms + AGE_TICK_MS);
        let look = self.looks.heard.then_some(self.looks.at + LOOK_MS);
        let rows = self.other_rows_in_sight().then_some(self.looks.rows_at + SCROLL_MS);
        [age, self.toasts.next_expiry(), look, rows].into_iter().flatten().min()
    }

    /// Whether what is shown grows older by itself.
    fn age_on_screen(&self) -> bool {
        if self.frozen.is_some() {
            return true;
        }
        match (&self.link, &self.view) {
            (Link::Lost { .. }, _) => true,
            (_, View::Server(view)) => view.is_stale(self.now_ms),
            (_, View::Operation(view)) => view.is_under_way(),
            _ => false,
        }
    }

    /// Whether the daemon tells what is now.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.link, Link::Lost { .. })
    }

    /// The context whose keys work in the view.
    pub(crate) fn context(&self) -> Context {
        self.view.context()
    }

    pub(crate) fn app_on_screen(&self) -> Option<&AppSummary> {
        match &self.view {
            View::Apps => self.apps.selected(),
            View::App(view) => view.detail.as_ref().map(|detail| &detail.summary),
            View::Logs(view) => self.apps.items().iter().find(|app| view.of == LogOf::App(app.id.to_string())),
            View::Server(view) => self.app_of(&view.name, view.selected()?),
            View::Container(view) => self.app_of(&view.server, view.container()?),
            View::Diagnosis(view) => self.apps.items().iter().find(|app| app.id.to_string() == view.app),
            _ => None,
        }
    }

    /// The app that a container belongs to.
    fn app_of(&self, server: &str, container: &Container) -> Option<&AppSummary> {
        let name = container.app.as_deref()?;
        self.apps.items().iter().find(|app| app.name == name && app.server == server)
    }

    /// The container at hand and its server, if it is no app's.
    fn container_on_screen(&self) -> Option<(&str, &Container)> {
        let (server, container) = match &self.view {
            View::Server(view) => (view.name.as_str(), view.selected()?),
            View::Container(view) => (view.server.as_str(), view.container()?),
            _ => return None,
        };
        self.app_of(server, container).is_none().then_some((server, container))
    }

    fn plan_on_screen(&self) -> Option<&Plan> {
        match &self.view {
            View::Plans => self.plans.selected(),
            View::Plan(view) => view.plan.as_ref(),
            _ => None,
        }
    }

    fn operation_on_screen(&self) -> Option<&Operation> {
        match &self.view {
            View::Operations => self.operations.selected(),
            View::Operation(view) => view.operation.as_ref(),
            _ => None,
        }
    }

    fn server_on_screen(&self) -> Option<&str> {
        match &self.view {
            View::Overview => self.servers.selected().map(|server| server.name.as_str()),
            View::Server(view) => Some(&view.name),
            _ => None,
        }
    }

    /// Whether the vault waits for its master password, as far as was heard.
    fn is_sealed(&self) -> bool {
        let told = |overview: &OverviewAnswer| overview.problems.iter().any(is_sealed_vault);
        self.heard_sealed || self.overview.as_ref().is_some_and(told)
    }

    /// The filter of the list on screen, if there is a list.
    pub(crate) fn filter(&self) -> Option<&str> {
        match &self.view {
            View::Logs(view) => Some(view.typed()),
            _ => self.list().map(AnyList::filter),
        }
    }

    fn set_filter(&mut self, filter: String) {
        match &mut self.view {
            View::Logs(view) => view.set_typed(filter),
            _ => {
                if let Some(list) = self.list_mut() {
                    list.set_filter(filter);
                }
            }
        }
        if let View::Audit(view) = &mut self.view {
            self.effects.extend(view.go_on());
        }
    }

    /// The list on screen that has the keys.
    pub(crate) fn list(&self) -> Option<&dyn AnyList> {
        self.list_of(&self.view)
    }

    fn list_of<'a>(&'a self, view: &'a View) -> Option<&'a dyn AnyList> {
        Some(match view {
            View::Overview => &self.servers,
            View::Apps => &self.apps,
            View::Plans => &self.plans,
            View::Operations => &self.operations,
            View::Catalog => &self.catalog,
            View::Stock(view) => &view.list,
            View::Backups(view) => &view.list,
            View::Registries(view) => &view.list,
            View::Users(view) => &view.list,
            View::Person(view) => &view.list,
            View::Settings(view) => &view.list,
            View::Profile(view) => &view.list,
            View::Audit(view) => &view.list,
            View::Tokens(view) => &view.list,
            View::Alerts => &self.alerts,
            View::Server(view) => view.list()?,
            _ => return None,
        })
    }

    fn list_mut(&mut self) -> Option<&mut dyn AnyList> {
        Some(match &mut self.view {
            View::Overview => &mut self.servers,
            View::Apps => &mut self.apps,
            View::Plans => &mut self.plans,
            View::Operations => &mut self.operations,
            View::Catalog => &mut self.catalog,
            View::Stock(view) => &mut view.list,
            View::Backups(view) => &mut view.list,
            View::Registries(view) => &mut view.list,
            View::Users(view) => &mut view.list,
            View::Person(view) => &mut view.list,
            View::Settings(view) => &mut view.list,
            View::Profile(view) => &mut view.list,
            View::Audit(view) => &mut view.list,
            View::Tokens(view) => &mut view.list,
            View::Alerts => &mut self.alerts,
            View::Server(view) => view.list_mut()?,
            _ => return None,
        })
    }
}
