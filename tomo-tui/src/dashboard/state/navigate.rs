//! From view to view, and what each one wants fetched and watched.

use tomo_proto::model::server::ServerSummary;

use crate::dashboard::{
    effect::Effect,
    list::AnyList,
    state::{Fetch, HISTORY, LOOK_MS, Link, SERVER_MS, SPARK_MS, State},
    views::{
        View, app::AppView, container::ContainerView, operation::OperationView, person::PersonView, plan::PlanView,
        record::RecordView, server::ServerView, template::TemplateView,
    },
};

impl State {
    pub(super) fn open_selected(&mut self) {
        if let Some(next) = self.view_of_selected() {
            self.open(next);
        }
    }

    /// The view that opening leads to, if there is one.
    pub(super) fn view_of_selected(&self) -> Option<View> {
        match &self.view {
            View::Overview => self.servers.selected().map(|server| View::Server(ServerView::new(server.name.clone()))),
            View::Apps => self.apps.selected().map(|app| View::App(AppView::new(app.id.to_string()))),
            View::Plans => self.plans.selected().map(|plan| View::Plan(PlanView::of(plan.clone()))),
            View::Operations => {
                self.operations.selected().map(|operation| View::Operation(OperationView::of(operation.clone())))
            }
            View::Alerts => self.alerts.selected().and_then(|alert| self.view_of_problem(&alert.problem)),
            View::Catalog => {
                self.catalog.selected().map(|template| View::Template(TemplateView::new(template.id.clone())))
            }
            View::Users(view) => {
                view.list.selected().map(|account| View::Person(PersonView::new(account.user.name.clone())))
            }
            View::Audit(view) => view.list.selected().map(|entry| View::Record(RecordView::new(entry.clone()))),
            View::Server(view) => match (self.app_on_screen(), view.selected()) {
                (Some(app), _) => Some(View::App(AppView::new(app.id.to_string()))),
                (None, Some(container)) => {
                    Some(View::Container(ContainerView::new(view.name.clone(), container.name.clone())))
                }
                (None, None) => None,
            },
            View::Plan(view) => {
                let operation = view.plan.as_ref().and_then(|plan| plan.operation);
                operation.map(|operation| View::Operation(OperationView::new(operation.to_string())))
            }
            View::Operation(view) => match view.server() {
                Some(server) => Some(View::Server(ServerView::new(server.to_owned()))),
                None => view.app(self.apps.items()).map(|app| View::App(AppView::new(app.id.to_string()))),
            },
            _ => None,
        }
    }

    pub(super) fn open(&mut self, view: View) {
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
        self.arrange_fresh();
        self.entered();
    }

    /// Takes marks away, clears the filter, or goes one view back; where there was none before, to the overview.
    pub(super) fn step_back(&mut self) {
        if let View::Logs(view) = &mut self.view
            && view.clear()
        {
            return;
        }
        if self.list_mut().is_some_and(AnyList::unmark) {
            return;
        }
        let filtered = self.filter().is_some_and(|filter| !filter.is_empty());
        if filtered {
            self.set_filter(String::new());
            return;
        }
        if !self.history_back() && !matches!(self.view, View::Overview | View::Login(_)) {
            self.view = View::Overview;
            self.entered();
        }
    }

    /// Says whether there was a view before.
    pub(super) fn history_back(&mut self) -> bool {
        let Some(before) = self.back.pop() else { return false };
        let left = std::mem::replace(&mut self.view, before);
        self.forward.push(left);
        self.entered();
        true
    }

    pub(super) fn entered(&mut self) {
        self.let_go();
        self.filtering = false;
        self.refused = None;
        self.fetching.remove(&Fetch::View);
        self.again.remove(&Fetch::View);
        self.watch();
        if let View::Logs(view) = &mut self.view {
            view.enter();
        }
        self.refresh();
        self.fetch_history();
        if let View::Audit(view) = &mut self.view {
            view.resume();
        }
    }

    pub(super) fn watch(&mut self) {
        let server = |name: &str| format!("tomo://servers/{name}");
        let mut uris = vec!["tomo://overview".to_owned()];
        match &self.view {
            View::Server(view) => uris.push(server(&view.name)),
            View::Container(view) => uris.push(server(&view.server)),
            View::App(view) => {
                uris.push(format!("tomo://apps/{}", view.app));
                // What it uses comes with its server's figures.
                uris.extend(view.detail.as_ref().map(|detail| server(&detail.summary.server)));
            }
            View::Plan(view) => uris.push(format!("tomo://plans/{}", view.id)),
            View::Operation(view) => uris.push(format!("tomo://operations/{}", view.id)),
            _ => {}
        }
        if uris != self.watched {
            self.watched.clone_from(&uris);
            self.effects.push(Effect::Watch(uris));
        }
    }

    pub(super) fn refresh(&mut self) {
        if matches!(self.view, View::Login(_)) {
            return;
        }
        self.fetch(Fetch::Overview);
        self.fetch_list_on_screen();
        // No notice tells of a changed catalog.
        if let View::Catalog = self.view {
            self.fetch(Fetch::Catalog);
        }
        if let View::Logs(view) = &mut self.view {
            self.effects.extend(view.resume());
        }
        self.fetch(Fetch::View);
    }

    /// What the view on screen is made of.
    pub(super) fn own_fetch(&self) -> Fetch {
        match self.view {
            View::Overview => Fetch::Servers,
            View::Alerts => Fetch::Overview,
            View::Apps => Fetch::Apps,
            View::Plans => Fetch::Plans,
            View::Operations => Fetch::Operations,
            View::Catalog => Fetch::Catalog,
            _ => Fetch::View,
        }
    }

    /// Looks at the fleet if a notice came and the last look is long enough ago.
    pub(super) fn look(&mut self) {
        if self.looks.heard && self.now_ms >= self.looks.at + LOOK_MS {
            self.looks.heard = false;
            self.looks.at = self.now_ms;
            self.fetch(Fetch::Overview);
            self.fetch_list_on_screen();
            if let View::Audit(_) = self.view {
                self.fetch(Fetch::View);
            }
        }
    }

    /// Follows a notice about what the view on screen shows.
    pub(super) fn look_at_view(&mut self) {
        if let View::Container(view) = &mut self.view {
            self.effects.extend(view.follow(self.now_ms).map(Effect::Metrics));
            if !view.is_due(self.now_ms) {
                return;
            }
        }
        self.fetch(Fetch::View);
    }

    /// Whether the fleet's window shows other rows than those that were asked for last.
    pub(super) fn other_rows_in_sight(&self) -> bool {
        matches!((&self.link, &self.view), (Link::Live, View::Overview))
            && !self.servers.in_sight().map(|server| server.id).eq(self.looks.rows.iter().copied())
    }

    pub(super) fn fetch_list_on_screen(&mut self) {
        match self.view {
            // Details name apps and operations of the lists.
            View::Apps
            | View::App(_)
            | View::Server(_)
            | View::Container(_)
            | View::Operation(_)
            | View::Logs(_)
            | View::Diagnosis(_) => {
                self.fetch(Fetch::Apps);
                // What explains its charts.
                if let View::Server(_) | View::App(_) | View::Container(_) = self.view {
                    self.fetch(Fetch::Operations);
                }
            }
            View::Compare(_) => self.fetch(Fetch::Rows),
            View::Plans => self.fetch(Fetch::Plans),
            View::Operations => self.fetch(Fetch::Operations),
            View::Overview => {
                let count = u64::try_from(self.servers.items().len()).unwrap_or(u64::MAX);
                if self.now_ms >= self.looks.servers_at + (count * SERVER_MS) {
                    self.fetch(Fetch::Servers);
                }
                self.fetch(Fetch::Rows);
            }
            _ => {}
        }
    }

    pub(super) fn fetch(&mut self, what: Fetch) {
        if matches!(self.view, View::Login(_)) {
            return;
        }
        let effect = match what {
            Fetch::Overview => Effect::Overview,
            Fetch::Servers => {
                self.looks.servers_at = self.now_ms;
                Effect::Servers
            }
            Fetch::Rows if let View::Compare(view) = &self.view => {
                Effect::Rows { names: view.servers.clone(), with_sparks: Vec::new() }
            }
            Fetch::Rows => {
                if self.servers.in_sight().next().is_none() {
                    return;
                }
                self.looks.rows_at = self.now_ms;
                self.looks.rows = self.servers.in_sight().map(|server| server.id).collect();
                // A sparkline has a new point now and then only: those in sight for longer get it, and those that came.
                let is_due = |server: &&ServerSummary| {
                    self.looks.sparks_at.get(&server.id).is_none_or(|at| self.now_ms >= at + SPARK_MS)
                };
                let (due, rest): (Vec<_>, Vec<_>) = self.servers.in_sight().partition(is_due);
                let names = |servers: Vec<&ServerSummary>| servers.iter().map(|server| server.name.clone()).collect();
                if !self.fetching.contains(&what) {
                    self.looks.sparks_at.extend(due.iter().map(|server| (server.id, self.now_ms)));
                }
                Effect::Rows { names: names(rest), with_sparks: names(due) }
            }
            Fetch::Apps => Effect::Apps,
            Fetch::Plans => Effect::Plans,
            Fetch::Operations => Effect::Operations,
            Fetch::Catalog => Effect::Catalog,
            Fetch::View => match &self.view {
                View::Server(view) => Effect::Server(view.name.clone()),
                View::Container(view) => {
                    Effect::Container { server: view.server.clone(), container: view.name.clone() }
                }
                View::Stock(view) => Effect::Stock(view.server.clone()),
                View::Backups(view) => Effect::Backups(view.server.clone()),
                View::Registries(_) => Effect::Registries,
                View::Users(_) | View::Person(_) => Effect::People { accounts: true },
                View::Audit(view) => view.look(),
                View::Settings(_) => Effect::Settings,
                View::Verdict(_) => Effect::VerifyAudit,
                // A program has neither logins nor tokens.
                View::Profile(_) if self.who.as_ref().is_some_and(|who| !who.person) => return,
                View::Tokens(_) | View::Profile(_) => Effect::People { accounts: false },
                View::App(view) => Effect::App(view.app.clone()),
                View::Diagnosis(view) => Effect::Diagnose(view.app.clone()),
                View::Plan(view) => Effect::Plan(view.id.clone()),
                View::Operation(view) => Effect::Operation { id: view.id.clone(), wait: false },
                View::Template(view) => Effect::Template(view.id.clone()),
                _ => return,
            },
        };
        if self.fetching.insert(what) {
            self.effects.push(effect);
        } else {
            self.again.insert(what);
        }
    }

    pub(super) fn fetched(&mut self, what: Fetch) {
        self.fetching.remove(&what);
        if self.again.remove(&what) {
            self.fetch(what);
        }
    }
}
