//! What needs attention, and where each of it leads.

use serde_json::{Map, Value};
use tomo_proto::api::overview::Problem;

use crate::{
    cli::output::as_subcommand,
    dashboard::{
        action::Action,
        state::{State, is_sealed_vault},
        toast::Kind,
        views::{View, alerts::Alert, app::AppView, container::ContainerView, server::ServerView},
    },
};

impl State {
    /// Takes the problems over that the overview tells of.
    pub(super) fn took_problems(&mut self) {
        let Some(overview) = &self.overview else { return };
        let alert = |problem: &Problem| Alert::new(problem.clone(), self.now_ms);
        self.alerts.replace(overview.problems.iter().map(alert).collect());
    }

    /// The view that tells more of a problem, if there is one.
    pub(super) fn view_of_problem(&self, problem: &Problem) -> Option<View> {
        let arguments = arguments(&problem.next);
        let argument = |name: &str| arguments.get(name).and_then(Value::as_str);
        if let Some(app) = argument("app") {
            let is_it = |name: &str, server: &str| app == name || app == format!("{server}/{name}");
            let known = self.apps.items().iter().find(|known| is_it(&known.name, &known.server));
            // Until the list is there, the daemon finds it by its name.
            return Some(View::App(AppView::new(known.map_or_else(|| app.to_owned(), |known| known.id.to_string()))));
        }
        let server = argument("server").unwrap_or(&problem.subject);
        if !self.servers.items().iter().any(|known| known.name == server) {
            return None;
        }
        Some(match argument("container") {
            Some(container) => View::Container(ContainerView::new(server.to_owned(), container.to_owned())),
            None => View::Server(ServerView::new(server.to_owned())),
        })
    }

    /// Does what leads on from a problem that has no view: the vault is unlocked, the rest is a command.
    pub(super) fn follow_problem(&mut self) {
        let Some(problem) = self.alerts.selected().map(|alert| alert.problem.clone()) else { return };
        if is_sealed_vault(&problem) {
            self.act(Action::UnlockVault);
        } else {
            let text = format!("next: {}", as_subcommand(&problem.next));
            self.toasts.push(Kind::Info, text, self.now_ms);
        }
    }
}

/// The arguments of a call in words.
fn arguments(next: &str) -> Map<String, Value> {
    next.split_once(' ').and_then(|(_, arguments)| serde_json::from_str(arguments).ok()).unwrap_or_default()
}
