//! The whole state of the dashboard and the one function that changes it: `update(event) → effects`. No I/O, no clock of its own.

use std::collections::HashSet;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tomo_proto::{
    api::{auth::WhoamiAnswer, overview::OverviewAnswer, person::CreateEnrolment},
    error::ErrorCode,
    model::{
        app::{AppStatus, AppSummary},
        operation::{Operation, OperationStatus},
        plan::{Plan, PlanStatus},
        server::ServerSummary,
        user::Scope,
    },
};

use crate::{
    client::ClientError,
    dashboard::{
        action::{self, Action, Context},
        canvas::Hit,
        effect::Effect,
        event::{Answer, Event},
        layers::{
            Layer,
            confirm::{Confirm, Decision},
            deploy::{DeployForm, DeployRequest},
            enroll::EnrollForm,
            help::Help,
            palette::{Palette, Target},
            shown_once::ShownOnce,
        },
        list::List,
        toast::{Kind, Toasts},
        views::{
            View, app::AppView, login::LoginView, logs::LogsView, operation::OperationView, plan::PlanView,
            server::ServerView,
        },
    },
};

/// Views that can be gone back to.
const HISTORY: usize = 50;
/// Time between two looks at an age that is shown.
const AGE_TICK_MS: u64 = 1_000;

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
    Apps,
    Plans,
    Operations,
    View,
}

/// Everything the dashboard knows.
#[derive(Debug)]
pub(crate) struct State {
    /// What the header calls the daemon.
    pub(crate) daemon: String,
    pub(crate) read_only: bool,
    pub(crate) now_ms: u64,
    pub(crate) link: Link,
    pub(crate) who: Option<WhoamiAnswer>,
    pub(crate) overview: Option<OverviewAnswer>,
    pub(crate) servers: List<ServerSummary>,
    pub(crate) apps: List<AppSummary>,
    pub(crate) plans: List<Plan>,
    pub(crate) operations: List<Operation>,
    pub(crate) view: View,
    back: Vec<View>,
    forward: Vec<View>,
    pub(crate) layer: Option<Layer>,
    /// A form below the preview of its plan.
    below: Option<Layer>,
    /// Whether the filter of the list on screen is being typed.
    pub(crate) filtering: bool,
    pub(crate) toasts: Toasts,
    /// Whether the screen no longer shows the state.
    pub(crate) dirty: bool,
    quit_asked: bool,
    fetching: HashSet<Fetch>,
    again: HashSet<Fetch>,
    watched: Vec<String>,
    effects: Vec<Effect>,
}

impl State {
    pub(crate) fn new(daemon: String, read_only: bool, now_ms: u64) -> Self {
        Self {
            daemon,
            read_only,
            now_ms,
            link: Link::Connecting,
            who: None,
            overview: None,
            servers: List::default(),
            apps: List::default(),
            plans: List::default(),
            operations: List::default(),
            view: View::Overview,
            back: Vec::new(),
            forward: Vec::new(),
            layer: None,
            below: None,
            filtering: false,
            toasts: Toasts::default(),
            dirty: true,
            quit_asked: false,
            fetching: HashSet::new(),
            again: HashSet::new(),
            watched: Vec::new(),
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
            Event::Click(..) | Event::Wheel(..) => {}
            Event::Resize => self.dirty = true,
            Event::HangUp | Event::Terminate => self.effects.push(Effect::Quit),
            Event::LinkUp => {
                self.dirty = true;
                let was_live = matches!(self.link, Link::Live);
                self.link = Link::Live;
                if !was_live {
                    // Revisions begin anew with a daemon.
                    self.overview = None;
                    self.fetching.clear();
                    self.again.clear();
                    self.fetch(Fetch::Servers);
                    if self.who.is_none() {
                        self.effects.push(Effect::Whoami);
                    }
                }
                self.refresh();
            }
            Event::LinkDown(error) => {
                self.dirty = true;
                self.lost(error);
            }
            Event::Notice(uri) => {
                if uri == "tomo://overview" {
                    self.fetch(Fetch::Overview);
                    self.fetch_list_on_screen();
                } else {
                    self.fetch(Fetch::View);
                }
            }
            Event::Answer(answer) => self.answer(answer),
            Event::Due => {
                self.toasts.expire(now_ms);
                self.dirty = true;
            }
        }
        std::mem::take(&mut self.effects)
    }

    /// Takes a click or the wheel in, where `hit` says what lies there.
    pub(crate) fn pointer(&mut self, hit: Option<Hit>, wheel: i32, at: (u16, u16), now_ms: u64) -> Vec<Effect> {
        self.now_ms = now_ms;
        self.dirty = true;
        if wheel != 0 {
            for _ in 0..wheel.unsigned_abs() {
                let action = if wheel < 0 { Action::Up } else { Action::Down };
                match &mut self.layer {
                    Some(layer) => layer.scroll(action),
                    None => self.act(action),
                }
            }
            return std::mem::take(&mut self.effects);
        }
        match (hit, &mut self.layer) {
            (Some(Hit::Form), _) => self.click_form(at),
            (Some(Hit::Button(button)), Some(Layer::Confirm(confirm))) => {
                if let Some(decision) = confirm.press(button) {
                    self.decide(decision);
                }
            }
            (Some(Hit::Row(row)), Some(Layer::Palette(palette))) => {
                palette.select(row);
                self.choose_from_palette();
            }
            (Some(Hit::Chart(area)), None) => {
                if let View::Server(view) = &mut self.view {
                    view.point_at(area, at.0, now_ms);
                }
            }
            (Some(Hit::Act(action)), None) => self.act(action),
            (Some(Hit::Column(column)), None) => self.sort_on(column),
            (Some(Hit::Row(row)), None) => self.click_row(row),
            _ => {}
        }
        std::mem::take(&mut self.effects)
    }

    /// Whose the mouse is now.
    pub(crate) fn mouse_is(&mut self, ours: bool) {
        let text = if ours {
            "the mouse works in the dashboard"
        } else {
            "the mouse is the terminal's: select text, M takes it back"
        };
        self.toasts.push(Kind::Info, text, self.now_ms);
    }

    /// When the state wants to hear [`Event::Due`] (UTC ms).
    pub(crate) fn next_due(&self) -> Option<u64> {
        let age = match (&self.link, &self.view) {
            (Link::Lost { .. }, _) => Some(self.now_ms + AGE_TICK_MS),
            (_, View::Server(view)) if view.is_stale(self.now_ms) => Some(self.now_ms + AGE_TICK_MS),
            _ => None,
        };
        [age, self.toasts.next_expiry()].into_iter().flatten().min()
    }

    /// The context whose keys work in the view.
    pub(crate) fn context(&self) -> Context {
        self.view.context()
    }

    /// Why an action cannot be done here and now.
    pub(crate) fn disabled(&self, action: Action) -> Option<String> {
        let entry = action::row(action);
        if !entry.changes {
            return match action {
                Action::Logs if self.app_on_screen().is_none() => Some("no app is selected".to_owned()),
                _ => None,
            };
        }
        if self.read_only {
            return Some("the dashboard was started read-only".to_owned());
        }
        if let Link::Lost { .. } = self.link {
            return Some("the daemon cannot be reached".to_owned());
        }
        let needed = match action {
            Action::StartApp | Action::StopApp | Action::RestartApp | Action::Cancel => Scope::Operate,
            Action::Approve | Action::Deny => Scope::Deploy,
            Action::AddServer => Scope::Admin,
            _ => Scope::Plan,
        };
        if let Some(who) = &self.who {
            if !who.scopes.contains(&needed) {
                return Some(format!("{} may not: it needs the scope {}", who.actor, needed.as_str()));
            }
            if needed >= Scope::Deploy && !who.person {
                return Some("an API token cannot do this: sign in with `tomo login`".to_owned());
            }
        }
        match action {
            Action::StartApp | Action::StopApp | Action::RestartApp | Action::RemoveApp | Action::Redeploy => {
                let Some(app) = self.app_on_screen() else { return Some("no app is selected".to_owned()) };
                let word = match (action, app.status) {
                    (Action::StartApp, AppStatus::Running) => "runs already",
                    (Action::StopApp, AppStatus::Stopped) => "is stopped already",
                    (_, AppStatus::Deploying) => "is being deployed",
                    (_, AppStatus::Unknown) => "is on a server that cannot be reached",
                    _ => return None,
                };
                Some(format!("{} {word}", app.name))
            }
            Action::Approve | Action::Deny => match self.plan_on_screen() {
                None => Some("no plan is selected".to_owned()),
                Some(plan) if plan.status == PlanStatus::Pending => None,
                // What was agreed to and not carried out yet still can be.
                Some(plan) if plan.status == PlanStatus::Approved && action == Action::Approve => None,
                Some(plan) => Some(format!("the plan is {}", plan.status.as_str())),
            },
            Action::Cancel => match self.operation_on_screen() {
                None => Some("no operation is selected".to_owned()),
                Some(operation) if operation.status == OperationStatus::Running => None,
                Some(operation) => Some(format!("the operation has {}", operation.status.as_str())),
            },
            Action::RemoveServer => self.server_on_screen().is_none().then(|| "no server is selected".to_owned()),
            _ => None,
        }
    }

    pub(crate) fn app_on_screen(&self) -> Option<&AppSummary> {
        match &self.view {
            View::Apps => self.apps.selected(),
            View::App(view) => view.detail.as_ref().map(|detail| &detail.summary),
            View::Logs(view) => self.apps.items().iter().find(|app| app.id.to_string() == view.app),
            _ => None,
        }
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

    // Keys.

    fn key(&mut self, key: KeyEvent) {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            if self.quit_asked {
                self.effects.push(Effect::Quit);
            }
            self.quit_asked = true;
            self.toasts.push(Kind::Info, "Ctrl-C once more leaves", self.now_ms);
            return;
        }
        self.quit_asked = false;
        if self.layer.is_some() {
            self.key_in_layer(key);
            return;
        }
        if let View::Login(login) = &mut self.view {
            if let Some(request) = login.key(key) {
                self.effects.push(Effect::Login(request));
            }
            return;
        }
        if self.filtering {
            self.key_in_filter(key);
            return;
        }
        if key.code == KeyCode::Esc && self.toasts.dismiss() {
            return;
        }
        if let Some(action) = action::of_key(self.context(), key) {
            self.act(action);
        }
    }

    fn key_in_filter(&mut self, key: KeyEvent) {
        let Some(filter) = self.filter() else {
            self.filtering = false;
            return;
        };
        let mut text = filter.to_owned();
        match key.code {
            KeyCode::Enter => self.filtering = false,
            KeyCode::Esc => {
                self.filtering = false;
                self.set_filter(String::new());
            }
            KeyCode::Backspace => {
                text.pop();
                self.set_filter(text);
            }
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => self.set_filter(String::new()),
            KeyCode::Char(character) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
                text.push(character);
                self.set_filter(text);
            }
            KeyCode::Up => self.act(Action::Up),
            KeyCode::Down => self.act(Action::Down),
            _ => {}
        }
    }

    fn paste(&mut self, text: &str) {
        match (&mut self.layer, &mut self.view) {
            (Some(layer), _) => {
                if let Err(refused) = layer.paste(text) {
                    self.toasts.push(Kind::Warning, refused, self.now_ms);
                }
            }
            (None, View::Login(login)) => login.form.paste(text),
            // What is pasted into a list would run as keys.
            _ if self.filtering => {
                let line = text.lines().next().unwrap_or_default();
                let filter = format!("{}{line}", self.filter().unwrap_or_default());
                self.set_filter(filter);
            }
            _ => {}
        }
    }

    fn key_in_layer(&mut self, key: KeyEvent) {
        match &mut self.layer {
            Some(Layer::Help(help)) => {
                if let Some(chosen) = help.key(key) {
                    self.layer = None;
                    if let Some(action) = chosen {
                        self.act(action);
                    }
                }
            }
            Some(Layer::Palette(palette)) => match key.code {
                KeyCode::Esc => self.layer = None,
                KeyCode::Enter => self.choose_from_palette(),
                _ => palette.key(key),
            },
            Some(Layer::Confirm(confirm)) => {
                if let Some(decision) = confirm.key(key) {
                    self.decide(decision);
                }
            }
            Some(Layer::Deploy(deploy)) => {
                let told = deploy.key(key);
                self.follow_deploy(told);
            }
            Some(Layer::Enroll(enroll)) => {
                let told = enroll.key(key);
                self.follow_enroll(told);
            }
            Some(Layer::ShownOnce(_)) => {
                if matches!(key.code, KeyCode::Esc | KeyCode::Enter) {
                    self.layer = None;
                } else if let (KeyCode::Char('y'), Some(Layer::ShownOnce(shown))) = (key.code, &self.layer) {
                    self.effects.push(Effect::Copy(shown.copied()));
                    self.toasts.push(Kind::Info, "sent to the terminal's clipboard (OSC 52)", self.now_ms);
                }
            }
            None => {}
        }
    }

    fn follow_deploy(&mut self, told: Option<Result<DeployRequest, ()>>) {
        match told {
            None => {}
            Some(Ok(request)) => self.effects.push(Effect::Deploy(Box::new(request))),
            Some(Err(())) => self.leave_form(),
        }
    }

    fn follow_enroll(&mut self, told: Option<Result<CreateEnrolment, ()>>) {
        match told {
            None => {}
            Some(Ok(request)) => self.effects.push(Effect::Enroll(request)),
            Some(Err(())) => self.leave_form(),
        }
    }

    fn click_form(&mut self, (column, row): (u16, u16)) {
        match (&mut self.layer, &mut self.view) {
            (Some(Layer::Deploy(deploy)), _) => {
                let told = deploy.form.click(column, row);
                let told = deploy.follow(told);
                self.follow_deploy(told);
            }
            (Some(Layer::Enroll(enroll)), _) => {
                let told = enroll.form.click(column, row);
                let told = enroll.follow(told);
                self.follow_enroll(told);
            }
            (None, View::Login(login)) => {
                let told = login.form.click(column, row);
                let request = login.follow(told);
                self.effects.extend(request.map(Effect::Login));
            }
            _ => {}
        }
    }

    /// Leaves a form; what was typed is asked about.
    fn leave_form(&mut self) {
        let dirty = self.layer.as_ref().is_some_and(Layer::is_dirty);
        if dirty {
            self.below = self.layer.take();
            self.layer = Some(Layer::Confirm(Confirm::leave_form()));
        } else {
            self.layer = None;
        }
    }

    fn choose_from_palette(&mut self) {
        let Some(Layer::Palette(palette)) = self.layer.take() else { return };
        match palette.chosen() {
            Some(Target::Action(action)) => self.act(action),
            Some(Target::Server(name)) => self.open(View::Server(ServerView::new(name))),
            Some(Target::App(id)) => self.open(View::App(AppView::new(id))),
            Some(Target::Plan(id)) => self.open(View::Plan(PlanView::new(id))),
            None => {}
        }
    }

    fn decide(&mut self, decision: Decision) {
        self.layer = self.below.take();
        match decision {
            Decision::Cancel => {
                if let Some(Layer::Deploy(deploy)) = &mut self.layer {
                    deploy.busy = false;
                }
            }
            Decision::Discard => self.layer = None,
            Decision::Do(effect) => self.effects.push(*effect),
            Decision::Approve { request, apply } => {
                self.effects.push(Effect::Approve { request, apply });
            }
        }
    }

    // Actions.

    fn act(&mut self, action: Action) {
        if let Some(reason) = self.disabled(action) {
            self.toasts.push(Kind::Warning, reason, self.now_ms);
            return;
        }
        if self.move_in_view(action) {
            return;
        }
        match action {
            Action::Open => self.open_selected(),
            Action::Back => self.step_back(),
            Action::Quit => {
                if matches!(self.view, View::Overview) {
                    self.quit();
                } else {
                    self.step_back();
                }
            }
            Action::HistoryBack => self.history_back(),
            Action::HistoryForward => {
                if let Some(next) = self.forward.pop() {
                    let before = std::mem::replace(&mut self.view, next);
                    self.back.push(before);
                    self.entered();
                }
            }
            Action::LastView => {
                if let Some(last) = self.back.pop() {
                    let before = std::mem::replace(&mut self.view, last);
                    self.back.push(before);
                    self.entered();
                }
            }
            Action::ShowOverview => self.open(View::Overview),
            Action::ShowApps => self.open(View::Apps),
            Action::ShowPlans => self.open(View::Plans),
            Action::ShowOperations => self.open(View::Operations),
            Action::Filter => self.filtering = self.filter().is_some(),
            Action::Palette => {
                self.layer = Some(Layer::Palette(Palette::new(self.context(), &self.servers, &self.apps, &self.plans)));
            }
            Action::Help => {
                let disabled =
                    action::TABLE.iter().filter_map(|entry| Some((entry.action, self.disabled(entry.action)?)));
                self.layer = Some(Layer::Help(Help::new(self.context(), disabled.collect())));
            }
            Action::Refresh => {
                self.fetching.clear();
                self.fetch(Fetch::Servers);
                self.refresh();
            }
            Action::Mouse => self.effects.push(Effect::ToggleMouse),
            Action::Suspend => self.effects.push(Effect::Suspend),
            Action::Deploy => {
                let server = self.server_on_screen().map(str::to_owned);
                let servers = self.servers.items().iter().map(|server| server.name.clone()).collect();
                self.layer = Some(Layer::Deploy(Box::new(DeployForm::new(servers, server.as_deref()))));
            }
            Action::Redeploy => self.redeploy(),
            Action::AddServer => self.layer = Some(Layer::Enroll(EnrollForm::new())),
            Action::RemoveServer => {
                if let Some(server) = self.server_on_screen().map(str::to_owned) {
                    self.effects.push(Effect::RemoveServer(server));
                }
            }
            Action::StartApp | Action::StopApp | Action::RestartApp | Action::RemoveApp => self.operate(action),
            Action::Logs => {
                if let Some(app) = self.app_on_screen() {
                    let view = LogsView::new(app.id.to_string(), app.name.clone(), self.now_ms);
                    self.open(View::Logs(view));
                }
            }
            Action::Approve => {
                if let Some(plan) = self.plan_on_screen().cloned() {
                    self.layer = Some(Layer::Confirm(Confirm::plan(plan, false)));
                }
            }
            Action::Deny => {
                if let Some(plan) = self.plan_on_screen() {
                    let question = format!("Say no to: {}", plan.summary);
                    let effect = Effect::Deny(plan.plan.to_string());
                    self.layer = Some(Layer::Confirm(Confirm::question("Deny plan", question, "Deny", effect)));
                }
            }
            Action::Cancel => {
                if let Some(operation) = self.operation_on_screen() {
                    let question = format!(
                        "Stop {} of {}; what it did so far is undone.",
                        operation.kind.as_str(),
                        operation.target
                    );
                    let effect = Effect::Cancel(operation.operation.to_string());
                    self.layer =
                        Some(Layer::Confirm(Confirm::question("Cancel operation", question, "Stop it", effect)));
                }
            }
            _ => {}
        }
    }

    /// What the view on screen does by itself; says whether it was that.
    fn move_in_view(&mut self, action: Action) -> bool {
        match &mut self.view {
            View::Login(_) => false,
            View::Overview => self.servers.act(action),
            View::Apps => self.apps.act(action),
            View::Plans => self.plans.act(action),
            View::Operations => self.operations.act(action),
            View::Server(view) => {
                let (acted, range) = view.act(action, self.now_ms);
                self.effects.extend(range.map(Effect::Metrics));
                acted
            }
            View::App(view) => view.act(action),
            View::Logs(view) => {
                let (acted, more) = view.act(action);
                self.effects.extend(more);
                acted
            }
            View::Plan(view) => view.act(action),
            View::Operation(view) => view.act(action),
        }
    }

    fn operate(&mut self, action: Action) {
        let Some(app) = self.app_on_screen() else { return };
        let (id, name, server) = (app.id.to_string(), app.name.clone(), app.server.clone());
        self.layer = Some(Layer::Confirm(match action {
            Action::StartApp => {
                self.effects.push(Effect::Start(id));
                return;
            }
            Action::StopApp => {
                let question = format!("Stop {name} on {server}. It keeps its data and can be started again.");
                Confirm::question("Stop app", question, "Stop", Effect::Stop(id))
            }
            Action::RestartApp => {
                let question = format!("Restart {name} on {server}. It does not answer meanwhile.");
                Confirm::question("Restart app", question, "Restart", Effect::Restart(id))
            }
            _ => Confirm::removal(&name, &server, &id),
        }));
    }

    fn redeploy(&mut self) {
        let Some(app) = self.app_on_screen() else { return };
        let id = app.id.to_string();
        if let View::App(view) = &self.view {
            let form = view.detail.as_ref().map(DeployForm::of);
            self.layer = form.map(|form| Layer::Deploy(Box::new(form)));
            return;
        }
        let mut view = AppView::new(id);
        view.edit_when_loaded = true;
        self.open(View::App(view));
    }

    fn quit(&mut self) {
        let running = self.overview.as_ref().map_or(0, |overview| overview.operations.len());
        if running == 0 {
            self.effects.push(Effect::Quit);
            return;
        }
        let question = format!("{running} operation(s) are under way. They go on without the dashboard.");
        self.layer = Some(Layer::Confirm(Confirm::question("Leave", question, "Leave", Effect::Quit)));
    }

    /// Selects a row of the list on screen; a selected one is opened.
    fn click_row(&mut self, row: usize) {
        let table = match &mut self.view {
            View::Overview => &mut self.servers.table,
            View::Apps => &mut self.apps.table,
            View::Plans => &mut self.plans.table,
            View::Operations => &mut self.operations.table,
            View::Server(view) => &mut view.containers,
            _ => return,
        };
        if std::mem::replace(&mut table.selected, row) == row {
            self.act(Action::Open);
        }
    }

    fn sort_on(&mut self, column: usize) {
        match &mut self.view {
            View::Overview => self.servers.sort_on(column),
            View::Apps => self.apps.sort_on(column),
            View::Plans => self.plans.sort_on(column),
            View::Operations => self.operations.sort_on(column),
            _ => {}
        }
    }

    /// The filter of the list on screen, if there is a list.
    pub(crate) fn filter(&self) -> Option<&str> {
        match &self.view {
            View::Overview => Some(&self.servers.filter),
            View::Apps => Some(&self.apps.filter),
            View::Plans => Some(&self.plans.filter),
            View::Operations => Some(&self.operations.filter),
            View::Logs(view) => Some(view.filter()),
            _ => None,
        }
    }

    fn set_filter(&mut self, filter: String) {
        match &mut self.view {
            View::Overview => self.servers.set_filter(filter),
            View::Apps => self.apps.set_filter(filter),
            View::Plans => self.plans.set_filter(filter),
            View::Operations => self.operations.set_filter(filter),
            View::Logs(view) => view.set_filter(filter),
            _ => {}
        }
    }

    // Views.

    fn open_selected(&mut self) {
        let next = match &self.view {
            View::Overview => self.servers.selected().map(|server| View::Server(ServerView::new(server.name.clone()))),
            View::Apps => self.apps.selected().map(|app| View::App(AppView::new(app.id.to_string()))),
            View::Plans => self.plans.selected().map(|plan| View::Plan(PlanView::of(plan.clone()))),
            View::Operations => {
                self.operations.selected().map(|operation| View::Operation(OperationView::of(operation.clone())))
            }
            View::Server(view) => view.selected_app().and_then(|name| {
                let app = self.apps.items().iter().find(|app| app.name == name && app.server == view.name);
                Some(View::App(AppView::new(app?.id.to_string())))
            }),
            View::Plan(view) => {
                let operation = view.plan.as_ref().and_then(|plan| plan.operation);
                operation.map(|operation| View::Operation(OperationView::new(operation.to_string())))
            }
            View::Operation(view) => view.app(self.apps.items()).map(|app| View::App(AppView::new(app.id.to_string()))),
            _ => None,
        };
        if let Some(next) = next {
            self.open(next);
        }
    }

    fn open(&mut self, view: View) {
        if view.is_same(&self.view) {
            return;
        }
        let before = std::mem::replace(&mut self.view, view);
        if !matches!(before, View::Login(_)) {
            self.back.push(before);
            if self.back.len() > HISTORY {
                self.back.remove(0);
            }
        }
        self.forward.clear();
        self.entered();
    }

    /// A detail view gives way to the list it belongs to; a list gives way to the overview.
    fn step_back(&mut self) {
        let filtered = self.filter().is_some_and(|filter| !filter.is_empty());
        if filtered {
            self.set_filter(String::new());
            return;
        }
        match self.back.pop() {
            Some(before) => {
                let left = std::mem::replace(&mut self.view, before);
                self.forward.push(left);
                self.entered();
            }
            None if !matches!(self.view, View::Overview | View::Login(_)) => {
                self.view = View::Overview;
                self.entered();
            }
            None => {}
        }
    }

    fn history_back(&mut self) {
        if let Some(before) = self.back.pop() {
            let left = std::mem::replace(&mut self.view, before);
            self.forward.push(left);
            self.entered();
        }
    }

    fn entered(&mut self) {
        self.filtering = false;
        self.fetching.remove(&Fetch::View);
        self.again.remove(&Fetch::View);
        self.watch();
        self.refresh();
        if let View::Server(view) = &mut self.view {
            self.effects.push(Effect::Metrics(view.range()));
        }
        if let View::Logs(view) = &mut self.view {
            self.effects.extend(view.resume());
        }
    }

    fn watch(&mut self) {
        let mut uris = vec!["tomo://overview".to_owned()];
        uris.extend(match &self.view {
            View::Server(view) => Some(format!("tomo://servers/{}", view.name)),
            View::App(view) => Some(format!("tomo://apps/{}", view.app)),
            View::Plan(view) => Some(format!("tomo://plans/{}", view.id)),
            View::Operation(view) => Some(format!("tomo://operations/{}", view.id)),
            _ => None,
        });
        if uris != self.watched {
            self.watched.clone_from(&uris);
            self.effects.push(Effect::Watch(uris));
        }
    }

    fn refresh(&mut self) {
        if matches!(self.view, View::Login(_)) {
            return;
        }
        self.fetch(Fetch::Overview);
        self.fetch_list_on_screen();
        self.fetch(Fetch::View);
    }

    fn fetch_list_on_screen(&mut self) {
        match self.view {
            // Details name apps and operations of the lists.
            View::Apps | View::Server(_) | View::Operation(_) | View::Logs(_) => self.fetch(Fetch::Apps),
            View::Plans => self.fetch(Fetch::Plans),
            View::Operations => self.fetch(Fetch::Operations),
            View::Overview if !self.servers.loaded => self.fetch(Fetch::Servers),
            _ => {}
        }
    }

    fn fetch(&mut self, what: Fetch) {
        if matches!(self.view, View::Login(_)) {
            return;
        }
        let effect = match what {
            Fetch::Overview => {
                Effect::Overview { since: Some(self.overview.as_ref().map_or(0, |overview| overview.revision)) }
            }
            Fetch::Servers => Effect::Servers,
            Fetch::Apps => Effect::Apps,
            Fetch::Plans => Effect::Plans,
            Fetch::Operations => Effect::Operations,
            Fetch::View => match &self.view {
                View::Server(view) => Effect::Server(view.name.clone()),
                View::App(view) => Effect::App(view.app.clone()),
                View::Plan(view) => Effect::Plan(view.id.clone()),
                View::Operation(view) => Effect::Operation { id: view.id.clone(), wait: false },
                _ => return,
            },
        };
        if self.fetching.insert(what) {
            self.effects.push(effect);
        } else {
            self.again.insert(what);
        }
    }

    fn fetched(&mut self, what: Fetch) {
        self.fetching.remove(&what);
        if self.again.remove(&what) {
            self.fetch(what);
        }
    }

    // Answers.

    fn answer(&mut self, answer: Answer) {
        self.dirty = true;
        match answer {
            Answer::Whoami(Ok(who)) => self.who = Some(who),
            Answer::Login(Ok(_)) => {
                self.view = View::Overview;
                self.who = None;
                self.watched.clear();
                self.link = Link::Connecting;
                self.fetching.clear();
                self.effects.push(Effect::Whoami);
                self.watch();
                self.refresh();
            }
            Answer::Login(Err(error)) => {
                if let View::Login(login) = &mut self.view {
                    login.refused(message(&error));
                }
            }
            Answer::Overview(told) => {
                self.fetched(Fetch::Overview);
                match told {
                    Ok(mut overview) => {
                        let changed = std::mem::take(&mut overview.servers_changed);
                        let total = usize::try_from(overview.servers.total()).unwrap_or(usize::MAX);
                        self.servers.merge(changed);
                        if self.servers.items().len() != total && total <= 1_000 {
                            self.fetch(Fetch::Servers);
                        }
                        self.overview = Some(*overview);
                    }
                    Err(error) => self.failed(error),
                }
            }
            Answer::Servers(told) => {
                self.fetched(Fetch::Servers);
                match told {
                    Ok(answer) => self.servers.replace(answer.servers),
                    Err(error) => self.failed(error),
                }
            }
            Answer::Apps(told) => {
                self.fetched(Fetch::Apps);
                match told {
                    Ok(answer) => self.apps.replace(answer.apps),
                    Err(error) => self.failed(error),
                }
            }
            Answer::Plans(told) => {
                self.fetched(Fetch::Plans);
                match told {
                    Ok(answer) => self.plans.replace(answer.plans),
                    Err(error) => self.failed(error),
                }
            }
            Answer::Operations(told) => {
                self.fetched(Fetch::Operations);
                match told {
                    Ok(answer) => self.operations.replace(answer.operations),
                    Err(error) => self.failed(error),
                }
            }
            Answer::Server(name, told) => {
                self.fetched(Fetch::View);
                match (told, &mut self.view) {
                    (Ok(detail), View::Server(view)) if view.name == name => view.take(*detail, self.now_ms),
                    (Err(error), View::Server(view)) if view.name == name && is_api(&error) => {
                        view.error = Some(message(&error))
                    }
                    (Err(error), _) => self.failed(error),
                    _ => {}
                }
            }
            Answer::Metrics(range, told) => match (told, &mut self.view) {
                (Ok(answer), View::Server(view)) => view.take_history(&range, answer),
                (Err(error), _) => self.failed(error),
                _ => {}
            },
            Answer::App(app, told) => {
                self.fetched(Fetch::View);
                self.took_app(&app, told);
            }
            Answer::Plan(id, told) => {
                self.fetched(Fetch::View);
                match (told, &mut self.view) {
                    (Ok(plan), View::Plan(view)) if view.id == id => view.plan = Some(*plan),
                    (Err(error), View::Plan(view)) if view.id == id && is_api(&error) => {
                        view.error = Some(message(&error))
                    }
                    (Err(error), _) => self.failed(error),
                    _ => {}
                }
            }
            Answer::Operation(id, told) => {
                self.fetched(Fetch::View);
                match (told, &mut self.view) {
                    (Ok(operation), View::Operation(view)) if view.id == id => view.operation = Some(*operation),
                    (Err(error), View::Operation(view)) if view.id == id && is_api(&error) => {
                        view.error = Some(message(&error))
                    }
                    (Err(error), _) => self.failed(error),
                    _ => {}
                }
            }
            Answer::Logs(number, told) => {
                let View::Logs(view) = &mut self.view else { return };
                if view.number != number {
                    return;
                }
                match told {
                    Ok(answer) => self.effects.extend(view.take(answer)),
                    Err(error) if is_api(&error) => view.failed(message(&error)),
                    Err(error) => {
                        view.failed(error.to_string());
                        self.failed(error);
                    }
                }
            }
            Answer::Planned(told) => self.planned(told.map(|plan| *plan)),
            Answer::Approved(Ok(plan), apply) => {
                self.toasts.push(Kind::Info, format!("approved: {}", plan.summary), self.now_ms);
                if apply {
                    self.effects.push(Effect::Apply(plan.plan.to_string()));
                }
                self.fetch(Fetch::Plans);
            }
            Answer::Denied(Ok(plan)) => {
                self.toasts.push(Kind::Info, format!("denied: {}", plan.summary), self.now_ms);
                self.fetch(Fetch::Plans);
            }
            Answer::Started(Ok(operation)) => {
                if let Some(Layer::Deploy(_)) = self.layer {
                    self.layer = None;
                }
                self.open(View::Operation(OperationView::of(*operation)));
            }
            Answer::Cancelled(Ok(operation)) => {
                self.toasts.push(Kind::Info, format!("{} is being stopped", operation.kind.as_str()), self.now_ms);
                self.fetch(Fetch::View);
            }
            Answer::Enrolment(Ok(made)) => self.layer = Some(Layer::ShownOnce(ShownOnce::enrolment(made))),
            Answer::Enrolment(Err(error)) => match (&mut self.layer, &error) {
                (Some(Layer::Enroll(enroll)), ClientError::Api(_)) => enroll.refused(message(&error)),
                _ => self.failed(error),
            },
            Answer::Broken(text) => self.toasts.push(Kind::Error, text, self.now_ms),
            Answer::Whoami(Err(error))
            | Answer::Approved(Err(error), _)
            | Answer::Denied(Err(error))
            | Answer::Started(Err(error))
            | Answer::Cancelled(Err(error)) => {
                if let Some(Layer::Deploy(deploy)) = &mut self.layer {
                    deploy.busy = false;
                }
                self.failed(error);
            }
        }
    }

    fn took_app(&mut self, app: &str, told: Result<Box<tomo_proto::model::app::AppDetail>, ClientError>) {
        match (told, &mut self.view) {
            (Ok(detail), View::App(view)) if view.app == app => {
                let edit = std::mem::take(&mut view.edit_when_loaded);
                if edit {
                    self.layer = Some(Layer::Deploy(Box::new(DeployForm::of(&detail))));
                }
                view.detail = Some(*detail);
            }
            (Err(error), View::App(view)) if view.app == app && is_api(&error) => view.error = Some(message(&error)),
            (Err(error), _) => self.failed(error),
            _ => {}
        }
    }

    /// A plan this person asked for is shown at once, over its form.
    fn planned(&mut self, told: Result<Plan, ClientError>) {
        match told {
            Ok(plan) => {
                if let Some(Layer::Deploy(_)) = self.layer {
                    self.below = self.layer.take();
                }
                self.layer = Some(Layer::Confirm(Confirm::plan(plan, true)));
            }
            Err(ClientError::Api(error)) => {
                if let Some(Layer::Deploy(deploy)) = &mut self.layer {
                    deploy.refused(error.field.as_deref(), error.message);
                } else {
                    self.failed(ClientError::Api(error));
                }
            }
            Err(error) => {
                if let Some(Layer::Deploy(deploy)) = &mut self.layer {
                    deploy.busy = false;
                }
                self.failed(error);
            }
        }
    }

    fn failed(&mut self, error: ClientError) {
        match error {
            ClientError::NotConnected { .. } | ClientError::Certificate(_) | ClientError::SignedOut(_) => {
                self.lost(error)
            }
            ClientError::Api(ref api) => {
                let kind = if api.code == ErrorCode::Internal { Kind::Error } else { Kind::Warning };
                self.toasts.push(kind, message(&error), self.now_ms);
            }
        }
    }

    fn lost(&mut self, error: ClientError) {
        if let ClientError::SignedOut(_) = error {
            if !matches!(self.view, View::Login(_)) {
                let had_login = self.who.take().is_some();
                self.layer = None;
                self.below = None;
                self.back.clear();
                self.forward.clear();
                self.view = View::Login(LoginView::new(&self.daemon, had_login));
            }
            return;
        }
        let since_ms = match self.link {
            Link::Lost { since_ms, .. } => since_ms,
            _ => self.now_ms,
        };
        self.fetching.clear();
        self.link = Link::Lost { since_ms, reason: error.to_string() };
    }
}

fn is_api(error: &ClientError) -> bool {
    matches!(error, ClientError::Api(_))
}

/// What to tell of an error: what happened, and the next step.
fn message(error: &ClientError) -> String {
    match error {
        ClientError::Api(api) => match &api.next {
            Some(next) => format!("{} – next: {next}", api.message),
            None => api.message.clone(),
        },
        other => other.to_string(),
    }
}
