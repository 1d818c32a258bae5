//! What is kept of a dashboard that is left, and how the next one begins with it.

use std::collections::BTreeMap;

use crate::dashboard::{
    action::{Action, Context},
    list::{AnyList, Arrangement},
    memory::Memory,
    state::State,
    toast::Kind,
    views::{View, app::AppView, server::ServerView},
};

/// The name of a view of which there is one, whatever is selected.
fn name(view: &View) -> Option<String> {
    let context = view.context();
    let one_of_many = matches!(
        context,
        Context::Global
            | Context::Server
            | Context::Container
            | Context::Stock
            | Context::Backups
            | Context::Person
            | Context::Record
            | Context::Verdict
            | Context::App
            | Context::Diagnosis
            | Context::Logs
            | Context::Plan
            | Context::Operation
            | Context::Template
    );
    (!one_of_many).then(|| context.name())
}

/// An empty view of a name.
fn named(name: &str, of: Option<&str>) -> Option<View> {
    Some(match (Context::named(name)?, of) {
        (Context::Overview, _) => View::Overview,
        (Context::Apps, _) => View::Apps,
        (Context::Plans, _) => View::Plans,
        (Context::Operations, _) => View::Operations,
        (Context::Catalog, _) => View::Catalog,
        (Context::Registries, _) => View::Registries(Box::default()),
        (Context::Users, _) => View::Users(Box::default()),
        (Context::Tokens, _) => View::Tokens(Box::default()),
        (Context::Audit, _) => View::Audit(Box::default()),
        (Context::Profile, _) => View::Profile(Box::default()),
        (Context::Settings, _) => View::Settings(Box::default()),
        (Context::Server, Some(server)) => View::Server(ServerView::new(server.to_owned())),
        (Context::App, Some(app)) => View::App(AppView::new(app.to_owned())),
        _ => return None,
    })
}

impl State {
    /// Begins as it was left.
    pub(crate) fn restore(&mut self, memory: Memory) {
        let own: [(&str, &mut dyn AnyList); 5] = [
            ("overview", &mut self.servers),
            ("apps", &mut self.apps),
            ("plans", &mut self.plans),
            ("operations", &mut self.operations),
            ("catalog", &mut self.catalog),
        ];
        for (name, list) in own {
            if let Some(arrangement) = memory.lists.get(name) {
                list.arrange_as(arrangement);
            }
        }
        self.remembered = memory.lists;
        if let Some(view) = named(&memory.view, memory.of.as_deref()) {
            self.view = view;
            self.arrange_fresh();
            self.tell_where_it_was_left();
        }
    }

    /// Says why it does not begin with the overview, and how one gets there.
    fn tell_where_it_was_left(&mut self) {
        let place = match &self.view {
            View::Overview => return,
            // Its name is not known yet.
            View::App(_) => "an app".to_owned(),
            view => view.path().join(" › "),
        };
        let key = self.keys.name(Action::ShowOverview);
        let text = format!("where you left it: {place}; press {key} for the overview");
        self.toasts.push(Kind::Info, text, self.now_ms);
    }

    /// Arranges the list of a view that was just made as it was the last time.
    pub(super) fn arrange_fresh(&mut self) {
        // The others' lists stay while the dashboard is open.
        if matches!(self.view, View::Overview | View::Apps | View::Plans | View::Operations | View::Catalog) {
            return;
        }
        let arrangements = self.arrangements();
        let arrangement = name(&self.view).and_then(|name| arrangements.get(&name).cloned());
        if let (Some(arrangement), Some(list)) = (arrangement, self.list_mut()) {
            list.arrange_as(&arrangement);
        }
    }

    /// How each list was seen last, but for the one on screen.
    fn arrangements(&self) -> BTreeMap<String, Arrangement> {
        let mut arrangements = self.remembered.clone();
        for view in self.forward.iter().chain(&self.back) {
            if let (Some(name), Some(list)) = (name(view), self.list_of(view)) {
                arrangements.insert(name, list.arrangement());
            }
        }
        arrangements
    }

    /// What is to be kept for the next time.
    pub(crate) fn memory(&self) -> Memory {
        let mut lists = self.arrangements();
        let views = [View::Overview, View::Apps, View::Plans, View::Operations, View::Catalog];
        for view in views.iter().chain([&self.view]) {
            if let (Some(name), Some(list)) = (name(view), self.list_of(view)) {
                lists.insert(name, list.arrangement());
            }
        }
        let (view, of) = match &self.view {
            View::Server(view) => (Context::Server, Some(view.name.clone())),
            View::App(view) => (Context::App, Some(view.app.clone())),
            // Whatever else shows one thing may be gone by then: what it was reached from is there.
            view if name(view).is_some() => (view.context(), None),
            _ => {
                let before = self.back.iter().rev().find(|view| name(view).is_some());
                (before.map_or(Context::Overview, View::context), None)
            }
        };
        Memory { daemon: String::new(), view: view.name(), of, lists }
    }
}
