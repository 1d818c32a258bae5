//! What an action comes to for each thing that is marked in the list on screen.

use tomo_proto::{
    api::person::DeleteRegistry,
    model::{
        app::AppSummary,
        container::Container,
        operation::Operation,
        plan::{Approval, Plan},
        registry::Registry,
        server::ServerSummary,
        stock::Item,
        volume_backup::VolumeBackup,
    },
};

use crate::dashboard::{
    action::Action,
    effect::Effect,
    layers::confirm::Confirm,
    list::AnyList as _,
    state::{
        State,
        disabled::{agent_is_away, has_ended, in_use},
    },
    views::View,
};

/// One of what is marked.
pub(super) struct Target {
    pub(super) name: String,
    /// Why it cannot be done to this one.
    pub(super) against: Option<String>,
    pub(super) effect: Effect,
}

/// Some of them, made as they are looked at: footers ask for the first that is possible in every frame.
type Targets<'a> = Box<dyn Iterator<Item = Target> + 'a>;

impl State {
    /// What an action comes to for each thing that is marked; `None` if nothing is, or if it is not done to several.
    pub(super) fn targets(&self, action: Action) -> Option<Targets<'_>> {
        if self.list().is_none_or(|list| list.marks().0 == 0) {
            return None;
        }
        Some(match (&self.view, action) {
            (View::Apps, Action::StartApp | Action::StopApp | Action::RestartApp | Action::RemoveApp) => {
                Box::new(self.apps.marked().map(move |app| self.target_app(app, action)))
            }
            (View::Server(view), Action::StartApp | Action::StopApp | Action::RestartApp) => {
                let server = view.name.as_str();
                Box::new(
                    view.containers.marked().map(move |container| self.target_container(server, container, action)),
                )
            }
            (View::Overview, Action::UpdateAgent | Action::RemoveServer) => {
                Box::new(self.servers.marked().map(move |server| target_server(server, action)))
            }
            (View::Plans, Action::Approve | Action::Deny) => {
                Box::new(self.plans.marked().map(move |plan| self.target_plan(plan, action)))
            }
            (View::Stock(view), Action::Discard) => {
                let server = view.server.as_str();
                Box::new(view.list.marked().map(move |item| target_item(server, item)))
            }
            (View::Backups(view), Action::Discard | Action::VerifyBackup) => {
                Box::new(view.list.marked().map(move |backup| target_backup(backup, action)))
            }
            (View::Operations, Action::Cancel) => Box::new(self.operations.marked().map(target_operation)),
            (View::Registries(view), Action::RemoveRegistry) => Box::new(view.list.marked().map(target_registry)),
            (View::Tokens(_) | View::Person(_) | View::Profile(_), Action::Revoke) => {
                let targets = self.revoked_at_once().into_iter();
                Box::new(targets.map(|(name, effect)| Target { name, against: None, effect }))
            }
            _ => return None,
        })
    }

    /// Whether an action is done to everything that is marked.
    pub(crate) fn is_done_to_marked(&self, action: Action) -> bool {
        let compares = action == Action::Compare && self.servers.marks().0 > 0 && matches!(self.view, View::Overview);
        compares || self.targets(action).is_some()
    }

    /// Why an action can be done to nothing that is marked; `None` without marks, `Some(None)` if there is something it can be done to.
    pub(super) fn is_off_for_all(&self, action: Action) -> Option<Option<String>> {
        let mut first = None;
        for target in self.targets(action)? {
            let Some(why) = target.against else { return Some(None) };
            first.get_or_insert(why);
        }
        Some(first)
    }

    fn target_app(&self, app: &AppSummary, action: Action) -> Target {
        let name = format!("{} on {}", app.name, app.server);
        Target { name, against: self.app_is_off(app, action), effect: app_effect(action, app.id.to_string()) }
    }

    fn target_container(&self, server: &str, container: &Container, action: Action) -> Target {
        let name = container.name.clone();
        if let Some(app) = self.app_of(server, container) {
            return Target { name: format!("{name}, of app {}", app.name), ..self.target_app(app, action) };
        }
        let against = self.container_is_off(container, action);
        let effect = Effect::Operate { action, server: server.to_owned(), container: name.clone() };
        Target { name, against, effect }
    }

    fn target_plan(&self, plan: &Plan, action: Action) -> Target {
        let by_name = action == Action::Approve && plan.approval == Approval::Human;
        let typed = || by_name.then(|| format!("it wants \"{}\" typed: approve it by itself", plan.target));
        let against = self.plan_is_off(plan, action).or_else(typed);
        let effect = match action {
            Action::Deny => Effect::Deny(plan.plan.to_string()),
            _ => Confirm::approval(plan),
        };
        Target { name: plan.summary.clone(), against, effect }
    }
}

fn target_server(server: &ServerSummary, action: Action) -> Target {
    let name = server.name.clone();
    match action {
        Action::UpdateAgent => {
            Target { against: agent_is_away(server), effect: Effect::UpdateAgent(name.clone()), name }
        }
        _ => Target { against: None, effect: Effect::RemoveServer(name.clone()), name },
    }
}

fn target_item(server: &str, item: &Item) -> Target {
    let effect = Effect::Discard { server: server.to_owned(), item: item.clone() };
    Target { name: item.title(), against: in_use(item), effect }
}

fn target_backup(backup: &VolumeBackup, action: Action) -> Target {
    let (name, id) = (format!("{} of volume {}", backup.backup, backup.volume), backup.backup.to_string());
    let effect = match action {
        Action::VerifyBackup => Effect::TryBackup { action, backup: id },
        _ => Effect::PlanBackup { action, backup: id },
    };
    Target { name, against: None, effect }
}

fn target_operation(operation: &Operation) -> Target {
    let name = format!("{} of {}", operation.kind.as_str(), operation.target);
    Target { name, against: has_ended(operation), effect: Effect::Cancel(operation.operation.to_string()) }
}

fn target_registry(known: &Registry) -> Target {
    let effect = Effect::DeleteRegistry(DeleteRegistry { registry: known.registry.clone() });
    Target { name: known.registry.clone(), against: None, effect }
}

fn app_effect(action: Action, app: String) -> Effect {
    match action {
        Action::StartApp => Effect::Start(app),
        Action::StopApp => Effect::Stop(app),
        Action::RestartApp => Effect::Restart(app),
        _ => Effect::Remove { app, volumes: false },
    }
}
