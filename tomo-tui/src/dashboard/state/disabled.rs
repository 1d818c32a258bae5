//! Why an action cannot be done here and now: the one rule that footer, help, palette and a pressed key follow.

use tomo_proto::{
    model::{
        agent::AgentState,
        app::{AppStatus, AppSummary},
        container::{Container, ContainerState},
        operation::{Operation, OperationStatus},
        plan::{Plan, PlanStatus},
        policy::PolicySummary,
        server::ServerSummary,
        stock::Item,
        user::Scope,
    },
    wire::command::Command,
};

use crate::dashboard::{
    action::{self, Action},
    effect::Effect,
    list::AnyList as _,
    state::{Link, State},
    views::{View, server::compare::MOST},
};

/// How long what a host's policy says counts as known.
const POLICY_MS: u64 = 10_000;

/// Hosts that are asked for theirs because something of them is marked.
const POLICIES: usize = 20;

/// What is known of a host's policy.
#[derive(Debug)]
pub(super) struct KnownPolicy {
    /// When it was asked for (UTC ms).
    asked_at: u64,
    /// What it said last.
    policy: Option<PolicySummary>,
}

/// Why a host does not let its agent act with a verb.
pub(crate) fn refusal(policy: &PolicySummary, server: &str, verb: &str) -> Option<String> {
    if let Some(problem) = &policy.problem {
        return Some(format!("the policy of {server} cannot be used: {problem}"));
    }
    if policy.digest.is_empty() {
        return Some(format!("{server} has no policy file: its agent measures and does nothing else"));
    }
    let refused = policy.allow_verb(verb).is_err();
    if refused && verb == Command::TERMINAL {
        return Some(no_terminals(server));
    }
    refused.then(|| format!("the policy of {server} does not allow the verb {verb}"))
}

/// Why a host does not let its agent act with a verb on a container that Tomo did not make.
pub(crate) fn foreign_refusal(policy: &PolicySummary, server: &str, verb: &str) -> Option<String> {
    if verb == Command::TERMINAL && !policy.terminal {
        return Some(no_terminals(server));
    }
    let refused = policy.allow_foreign(verb, "a container").is_err();
    refused.then(|| format!("the policy of {server} does not allow {verb} of what Tomo did not make"))
}

fn no_terminals(server: &str) -> String {
    format!("the policy of {server} has no terminals: its owner allows them with `terminal = true`")
}

impl State {
    /// Why an action cannot be done here and now.
    pub(crate) fn disabled(&self, action: Action) -> Option<String> {
        if self.hosted
            && matches!(
                action,
                Action::ImportCompose
                    | Action::ImportServers
                    | Action::LogSave
                    | Action::SwitchDaemon
                    | Action::Suspend
            )
        {
            return Some(
                "the daemon shows this dashboard: your own machine's shell and files are out of its reach".to_owned(),
            );
        }
        self.may_not(action).or_else(|| self.does_not_fit(action))
    }

    /// Everything that cannot be done here and now.
    pub(super) fn all_disabled(&self) -> Vec<(Action, String)> {
        action::TABLE.iter().filter_map(|entry| Some((entry.action, self.disabled(entry.action)?))).collect()
    }

    /// Why this person, or this dashboard, may not.
    fn may_not(&self, action: Action) -> Option<String> {
        let changes = action::row(action).changes;
        if changes && self.read_only {
            return Some("the dashboard was started read-only".to_owned());
        }
        if changes && matches!(self.link, Link::Lost { .. }) {
            return Some("the daemon cannot be reached".to_owned());
        }
        let needed = match action {
            Action::StartApp
            | Action::StopApp
            | Action::RestartApp
            | Action::Undo
            | Action::Cancel
            | Action::PullImage
            | Action::CreateVolume
            | Action::CreateNetwork
            | Action::BackUpVolume
            | Action::DrillVolume
            | Action::VerifyBackup => Scope::Operate,
            Action::Approve | Action::Deny | Action::Shell => Scope::Deploy,
            Action::AddServer
            | Action::ImportServers
            | Action::ConnectServer
            | Action::EditServer
            | Action::TestServer
            | Action::ForgetCredential
            | Action::UpdateAgent
            | Action::UnlockVault
            | Action::ShowUsers
            | Action::CreateUser
            | Action::SetRole
            | Action::DeleteUser => Scope::Admin,
            Action::ShowAudit | Action::VerifyAudit => Scope::Audit,
            Action::ShowTokens | Action::CreateToken | Action::Revoke | Action::ChangePassword | Action::AddKey => {
                Scope::Read
            }
            _ if changes => Scope::Plan,
            _ => return None,
        };
        // Until then it may be looked: the daemon shows nothing that is not for this person.
        let Some(who) = &self.who else {
            return changes.then(|| "the daemon has not said yet who you are".to_owned());
        };
        if !who.scopes.contains(&needed) {
            return Some(format!("{} may not: it needs the scope {}", who.actor, needed.as_str()));
        }
        let for_people = needed >= Scope::Deploy
            || matches!(
                action,
                Action::ShowTokens | Action::CreateToken | Action::Revoke | Action::ChangePassword | Action::AddKey
            );
        (for_people && !who.person).then(|| "an API token cannot do this: sign in with `tomo login`".to_owned())
    }

    /// Why what is on screen does not let it be done.
    fn does_not_fit(&self, action: Action) -> Option<String> {
        if let Some(of_marked) = self.is_off_for_all(action) {
            return of_marked;
        }
        match action {
            Action::Undo => self.nothing_to_undo(),
            Action::Copy | Action::CopyRow => self.nothing_to_copy(action),
            Action::Compare => match self.servers.marks().0 {
                2..=MOST => None,
                count => {
                    let mark = self.keys.name(Action::Mark);
                    Some(format!("two to six servers fit, and {count} are marked: {mark} marks one"))
                }
            },
            Action::Mark | Action::MarkRange | Action::MarkAll
                if self.list().is_none_or(|list| list.count().0 == 0) =>
            {
                Some("there is no row to mark".to_owned())
            }
            Action::UpdateAgent if matches!(self.view, View::Overview) => match self.servers.selected() {
                None => Some("no server is selected".to_owned()),
                Some(server) => agent_is_away(server),
            },
            Action::StartApp | Action::StopApp | Action::RestartApp | Action::Logs | Action::Shell
                if self.container_on_screen().is_some() =>
            {
                self.container_does_not_fit(action)
            }
            Action::Adopt => match self.container_on_screen() {
                Some((_, container)) if container.app.is_none() => self.container_does_not_fit(action),
                Some((_, container)) => Some(format!("{} was made by Tomo", container.name)),
                None => Some("no container is selected that is no app's".to_owned()),
            },
            Action::Diagnose if self.container_on_screen().is_some() => None,
            Action::BackUpVolume => match &self.view {
                View::Stock(view) if matches!(view.list.selected(), Some(Item::Volume(_))) => None,
                _ => Some("no volume is selected".to_owned()),
            },
            Action::RemoveRegistry => match &self.view {
                View::Registries(view) if view.list.selected().is_some() => None,
                _ => Some("no registry is selected".to_owned()),
            },
            Action::SetRole | Action::DeleteUser | Action::Revoke | Action::ChangePassword | Action::AddKey => {
                self.people_do_not_fit(action)
            }
            Action::EditSettings => match &self.view {
                View::Settings(view) if view.settings.is_some() => None,
                _ => Some("the settings are not there yet".to_owned()),
            },
            Action::RestoreVolume | Action::DrillVolume | Action::VerifyBackup => match &self.view {
                View::Backups(view) if view.list.selected().is_some() => None,
                _ => Some("no backup is selected".to_owned()),
            },
            Action::Discard => match &self.view {
                View::Backups(view) if view.list.selected().is_some() => None,
                View::Stock(view) => match view.list.selected() {
                    None => Some("nothing is selected".to_owned()),
                    Some(item) => in_use(item),
                },
                _ => Some("nothing is selected".to_owned()),
            },
            Action::StartApp
            | Action::StopApp
            | Action::RestartApp
            | Action::RollBackApp
            | Action::RemoveApp
            | Action::Redeploy
            | Action::Logs
            | Action::Shell
            | Action::CheckImage
            | Action::Diagnose => self.app_does_not_fit(action),
            Action::PullImage if matches!(self.view, View::App(_)) => self.app_does_not_fit(action),
            Action::Approve | Action::Deny => match self.plan_on_screen() {
                None => Some("no plan is selected".to_owned()),
                Some(plan) => self.plan_is_off(plan, action),
            },
            Action::Cancel => match self.operation_on_screen() {
                None => Some("no operation is selected".to_owned()),
                Some(operation) => has_ended(operation),
            },
            Action::Deploy | Action::ImportCompose if self.servers.loaded && self.servers.items().is_empty() => {
                Some("there is no server to deploy to: add one first".to_owned())
            }
            Action::Deploy => match &self.view {
                View::Catalog if self.catalog.selected().is_none() => Some("no template is selected".to_owned()),
                View::Template(view) if view.entry.is_none() => Some("the template is not there yet".to_owned()),
                View::Server(view) => view.does_not_fit(action, &self.keys),
                _ => None,
            },
            Action::UnlockVault => (!self.is_sealed()).then(|| "the vault is not sealed".to_owned()),
            Action::RemoveServer => self.server_on_screen().is_none().then(|| "no server is selected".to_owned()),
            Action::Open if matches!(self.view, View::Alerts) && self.alerts.selected().is_some() => None,
            Action::Open => self.view_of_selected().is_none().then(|| "there is nothing to open".to_owned()),
            _ => match &self.view {
                View::Server(view) => view.does_not_fit(action, &self.keys),
                View::Logs(view) => view.does_not_fit(action),
                View::Compare(view) => view.time.does_not_fit(action),
                view => view.usage().and_then(|usage| usage.time.does_not_fit(action)),
            },
        }
    }

    /// Why nothing like this can be done with the app at hand.
    fn app_does_not_fit(&self, action: Action) -> Option<String> {
        match self.app_on_screen() {
            None if matches!(&self.view, View::Diagnosis(view) if view.app.contains('/')) => {
                Some("the container is no app's".to_owned())
            }
            None => Some("no app is selected".to_owned()),
            Some(app) => self.app_is_off(app, action),
        }
    }

    /// Why something cannot be done with an app, as far as is known.
    pub(super) fn app_is_off(&self, app: &AppSummary, action: Action) -> Option<String> {
        stands_against(app, action).or_else(|| self.host_refuses(app, action))
    }

    /// Why a plan cannot be decided on.
    pub(super) fn plan_is_off(&self, plan: &Plan, action: Action) -> Option<String> {
        match plan.status {
            PlanStatus::Pending if plan.expires_at <= self.now_ms => Some("the plan has expired".to_owned()),
            PlanStatus::Pending => None,
            // What was agreed to and not carried out yet still can be.
            PlanStatus::Approved if action == Action::Approve => None,
            status => Some(format!("the plan is {}", status.as_str())),
        }
    }

    /// Why the container at hand, which is no app's, cannot be operated or read like this.
    fn container_does_not_fit(&self, action: Action) -> Option<String> {
        let (_, container) = self.container_on_screen()?;
        self.container_is_off(container, action)
    }

    /// Why a container of the server on screen, which is no app's, cannot be operated or read like this.
    pub(super) fn container_is_off(&self, container: &Container, action: Action) -> Option<String> {
        let runs = matches!(container.state, ContainerState::Running | ContainerState::Restarting);
        match action {
            Action::StartApp if runs => Some(format!("{} runs already", container.name)),
            Action::StopApp | Action::Shell if !runs => Some(format!("{} does not run", container.name)),
            _ => match &self.view {
                View::Server(view) => view.not_allowed(verb(action)?),
                View::Container(view) => {
                    let policy = self.policies.get(&view.server)?.policy.as_ref()?;
                    foreign_refusal(policy, &view.server, verb(action)?)
                }
                _ => None,
            },
        }
    }

    fn host_refuses(&self, app: &AppSummary, action: Action) -> Option<String> {
        let policy = self.policies.get(&app.server)?.policy.as_ref()?;
        refusal(policy, &app.server, verb(action)?)
    }

    /// Asks what the host of the app or the container on screen allows, unless that is known.
    pub(super) fn learn_policy(&mut self) {
        let of_container = match &self.view {
            View::Container(view) => Some(view.server.clone()),
            _ => None,
        };
        let on_screen = self.app_on_screen().map(|app| app.server.clone()).or(of_container);
        let mut servers: Vec<String> = match &self.view {
            View::Apps => self.apps.marked().map(|app| app.server.clone()).chain(on_screen).collect(),
            _ => on_screen.into_iter().collect(),
        };
        servers.sort();
        servers.dedup();
        servers.truncate(POLICIES);
        servers.into_iter().for_each(|server| self.learn_policy_of(server));
    }

    fn learn_policy_of(&mut self, server: String) {
        let asked_at = self.now_ms;
        let known = self.policies.get(&server);
        if !matches!(self.link, Link::Live) || known.is_some_and(|known| asked_at < known.asked_at + POLICY_MS) {
            return;
        }
        self.policies.entry(server.clone()).or_insert(KnownPolicy { asked_at, policy: None }).asked_at = asked_at;
        self.effects.push(Effect::Policy(server));
    }

    /// Takes over what a host's policy says.
    pub(super) fn learned_policy(&mut self, server: String, policy: Option<PolicySummary>) {
        self.policies.insert(server, KnownPolicy { asked_at: self.now_ms, policy });
    }
}

/// Why an operation cannot be stopped.
pub(super) fn has_ended(operation: &Operation) -> Option<String> {
    Some(match operation.status {
        OperationStatus::Running => return None,
        OperationStatus::Cancelled => "the operation was cancelled".to_owned(),
        OperationStatus::Unknown => "it is not known what became of the operation: its agent is asked".to_owned(),
        status => format!("the operation has {}", status.as_str()),
    })
}

/// Why something cannot be removed from a server.
pub(super) fn in_use(item: &Item) -> Option<String> {
    let used_by = item.used_by();
    (!used_by.is_empty()).then(|| format!("{} is in use by {}", item.title(), used_by.join(", ")))
}

/// Why the agent of a server takes no release over the link, as far as the list of servers tells.
pub(super) fn agent_is_away(server: &ServerSummary) -> Option<String> {
    (server.agent != AgentState::Online).then(|| format!("the agent of {} is not connected", server.name))
}

/// Why an app's state does not let something be done with it.
fn stands_against(app: &AppSummary, action: Action) -> Option<String> {
    let word = match (action, app.status) {
        (Action::Logs | Action::Diagnose, _) => return None,
        (Action::StartApp, AppStatus::Running) => "runs already",
        (Action::StopApp, AppStatus::Stopped) => "is stopped already",
        (Action::Shell, AppStatus::Stopped | AppStatus::Failed) => "does not run",
        (_, AppStatus::Deploying) => "is being deployed",
        (_, AppStatus::Unknown) => "is on a server that cannot be reached",
        _ => return None,
    };
    Some(format!("{} {word}", app.name))
}

/// The verb of the host's policy that an action needs.
const fn verb(action: Action) -> Option<&'static str> {
    match action {
        Action::StartApp => Some("start"),
        Action::StopApp => Some("stop"),
        Action::RestartApp => Some("restart"),
        Action::RemoveApp => Some("remove"),
        Action::Redeploy | Action::RollBackApp => Some("deploy"),
        Action::Logs => Some("logs"),
        Action::Shell => Some(Command::TERMINAL),
        Action::Adopt => Some(Command::ADOPT),
        Action::CheckImage => Some("inspect"),
        Action::PullImage => Some("pull"),
        _ => None,
    }
}
