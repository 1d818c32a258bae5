//! What the daemon answered, and how a lost one or a refusal is told.

use tomo_proto::{
    error::ErrorCode,
    model::{
        plan::{Plan, PlanStatus},
        registry::Registry,
    },
};

use crate::{
    cli::output::as_subcommand,
    client::ClientError,
    dashboard::{
        action::{self, Action, Keymap},
        effect::Effect,
        event::Answer,
        layers::{
            Layer, choice::Choice, confirm::Confirm, deploy::DeployForm, shown_once::ShownOnce, unlock::UnlockForm,
        },
        state::{Fetch, Link, State, undo::Undo},
        toast::Kind,
        views::{View, login::LoginView, operation::OperationView, overview},
    },
};

impl State {
    pub(super) fn answer(&mut self, answer: Answer) {
        self.dirty = true;
        match answer {
            Answer::Whoami(Ok(who)) => {
                self.who = Some(who);
                if let View::Profile(_) = self.view {
                    self.fetch(Fetch::View);
                }
            }
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
                    login.refused(message(&error, &self.keys));
                }
            }
            Answer::Overview(told) => {
                self.fetched(Fetch::Overview);
                match told {
                    Ok(overview) => {
                        self.came(Fetch::Overview);
                        let total = usize::try_from(overview.servers.total()).unwrap_or(usize::MAX);
                        if self.servers.items().len() != total {
                            self.fetch(Fetch::Servers);
                        }
                        self.overview = Some(*overview);
                        self.took_problems();
                        self.look_after_visits();
                    }
                    Err(error) => self.refuse(Fetch::Overview, error),
                }
            }
            Answer::Servers(told) => {
                self.fetched(Fetch::Servers);
                match told {
                    Ok(servers) => {
                        self.servers.replace(servers);
                        self.came(Fetch::Servers);
                    }
                    Err(error) => self.refuse(Fetch::Servers, error),
                }
            }
            Answer::Rows(told) => {
                self.fetched(Fetch::Rows);
                match told {
                    Ok(servers) => {
                        self.came(Fetch::Rows);
                        if let View::Compare(view) = &mut self.view {
                            view.take(&servers);
                        }
                        self.servers.merge(servers);
                        self.net_top = overview::net_top(self.servers.in_sight());
                    }
                    Err(error) => self.refuse(Fetch::Rows, error),
                }
            }
            Answer::Apps(told) => {
                self.fetched(Fetch::Apps);
                match told {
                    Ok(answer) => {
                        self.apps.replace(answer.apps);
                        self.came(Fetch::Apps);
                    }
                    Err(error) => self.refuse(Fetch::Apps, error),
                }
            }
            Answer::Plans(told) => {
                self.fetched(Fetch::Plans);
                match told {
                    Ok(answer) => {
                        answer.plans.iter().for_each(|plan| self.release_secrets(plan));
                        self.plans.replace(answer.plans);
                        self.came(Fetch::Plans);
                    }
                    Err(error) => self.refuse(Fetch::Plans, error),
                }
            }
            Answer::Operations(told) => {
                self.fetched(Fetch::Operations);
                match told {
                    Ok(answer) => {
                        self.operations.replace(answer.operations);
                        self.came(Fetch::Operations);
                    }
                    Err(error) => self.refuse(Fetch::Operations, error),
                }
            }
            Answer::Server(name, told) => {
                self.fetched(Fetch::View);
                match (told, &mut self.view) {
                    (Ok(detail), View::Server(view)) if view.name == name => {
                        self.refused = None;
                        view.take(*detail, self.now_ms);
                    }
                    (Err(error), View::Server(view)) if view.name == name => self.refuse(Fetch::View, error),
                    (Err(error), _) => self.failed(error),
                    _ => {}
                }
            }
            Answer::Policy(server, policy) => self.learned_policy(server, policy),
            Answer::Container(server, name, told) => {
                self.fetched(Fetch::View);
                match (told, &mut self.view) {
                    (Ok(detail), View::Container(view)) if view.server == server && view.name == name => {
                        self.refused = None;
                        self.effects.extend(view.take(*detail, self.now_ms).map(Effect::Metrics));
                    }
                    (Err(error), View::Container(view)) if view.server == server && view.name == name => {
                        self.refuse(Fetch::View, error)
                    }
                    (Err(error), _) => self.failed(error),
                    _ => {}
                }
            }
            Answer::Stock(server, told) => {
                self.fetched(Fetch::View);
                match (told, &mut self.view) {
                    (Ok(items), View::Stock(view)) if view.server == server => {
                        self.refused = None;
                        view.list.replace(items);
                    }
                    (Err(error), View::Stock(view)) if view.server == server => self.refuse(Fetch::View, error),
                    (Err(error), _) => self.failed(error),
                    _ => {}
                }
            }
            Answer::Backups(server, told) => {
                self.fetched(Fetch::View);
                match (told, &mut self.view) {
                    (Ok(backups), View::Backups(view)) if view.server == server => {
                        self.refused = None;
                        view.list.replace(backups);
                    }
                    (Err(error), View::Backups(view)) if view.server == server => self.refuse(Fetch::View, error),
                    (Err(error), _) => self.failed(error),
                    _ => {}
                }
            }
            Answer::Registries(told) => {
                self.fetched(Fetch::View);
                match (told, &self.view) {
                    (Err(error), View::Registries(_)) => self.refuse(Fetch::View, error),
                    (told, _) => self.show_registries(told),
                }
            }
            Answer::RegistryChanged(told) => match (told, &mut self.layer) {
                (Err(ClientError::Api(error)), Some(Layer::Registry(form))) if error.code != ErrorCode::Sealed => {
                    form.sheet.refused(error.field.as_deref(), error.message);
                }
                (told, _) => {
                    if told.is_ok() && matches!(self.layer, Some(Layer::Registry(_))) {
                        self.layer = None;
                    }
                    self.layer.iter_mut().for_each(Layer::free);
                    self.show_registries(told);
                }
            },
            Answer::People(told) => {
                self.fetched(Fetch::View);
                self.took_people(told.map(|people| *people));
            }
            Answer::PeopleChanged(told) => self.changed_people(told),
            Answer::Audit(cursor, told) => self.took_audit(cursor, told),
            Answer::Verified(told) => self.took_verdict(told.map(|answer| *answer)),
            Answer::Settings(told) => {
                self.fetched(Fetch::View);
                match (told, &mut self.view) {
                    (Ok(settings), View::Settings(view)) => {
                        self.refused = None;
                        view.take(*settings);
                    }
                    (Err(error), View::Settings(_)) => self.refuse(Fetch::View, error),
                    (Err(error), _) => self.failed(error),
                    _ => {}
                }
            }
            Answer::TokenMade(told) => self.made_token(told.map(|made| *made)),
            Answer::Metrics(range, told) => match (told, &mut self.view) {
                (Ok(answer), View::Server(view)) => view.take_history(&range, answer),
                (Ok(answer), View::Compare(view)) => view.take_history(&range, answer),
                (told, View::App(_) | View::Container(_)) => {
                    let failed = self.view.usage_mut().and_then(|usage| usage.take(&range, told).err());
                    failed.into_iter().for_each(|error| self.failed(error));
                }
                (Err(error), View::Compare(_)) => self.refuse(Fetch::View, error),
                (Err(error), View::Server(view)) => {
                    view.has_no_history(&range);
                    self.failed(error);
                }
                (Err(error), _) => self.failed(error),
                _ => {}
            },
            Answer::App(app, told) => {
                self.fetched(Fetch::View);
                self.took_app(&app, told);
            }
            Answer::Diagnosis(app, told) => {
                self.fetched(Fetch::View);
                match (told, &mut self.view) {
                    (Ok(diagnosis), View::Diagnosis(view)) if view.app == app => {
                        self.refused = None;
                        view.diagnosis = Some(*diagnosis);
                    }
                    (Err(error), View::Diagnosis(view)) if view.app == app => self.refuse(Fetch::View, error),
                    (Err(error), _) => self.failed(error),
                    _ => {}
                }
            }
            Answer::Plan(id, told) => {
                self.fetched(Fetch::View);
                match (told, &mut self.view) {
                    (Ok(plan), View::Plan(view)) if view.id == id => {
                        self.refused = None;
                        view.plan = Some(*plan);
                    }
                    (Err(error), View::Plan(view)) if view.id == id => self.refuse(Fetch::View, error),
                    (Err(error), _) => self.failed(error),
                    _ => {}
                }
            }
            Answer::Operation(id, told) => {
                if matches!(&self.view, View::Operation(view) if view.id == id) {
                    self.fetched(Fetch::View);
                }
                match (told, &mut self.view) {
                    (Ok(operation), View::Operation(view)) if view.id == id => {
                        self.refused = None;
                        view.operation = Some((*operation).clone());
                        self.came_to_an_end(&operation, true);
                    }
                    (Ok(operation), _) => self.came_to_an_end(&operation, false),
                    (Err(error), View::Operation(view)) if view.id == id => self.refuse(Fetch::View, error),
                    (Err(error), _) => self.failed(error),
                }
            }
            Answer::Catalog(told) => {
                self.fetched(Fetch::Catalog);
                match told {
                    Ok(answer) => {
                        self.catalog.replace(answer.templates);
                        self.left_out = answer.problems;
                        self.came(Fetch::Catalog);
                    }
                    Err(error) => self.refuse(Fetch::Catalog, error),
                }
            }
            Answer::Template(id, told) => {
                self.fetched(Fetch::View);
                match (told, &mut self.view) {
                    (Ok(entry), View::Template(view)) if view.id == id => {
                        self.refused = None;
                        view.entry = Some(*entry);
                        if std::mem::take(&mut view.deploy_when_loaded) {
                            self.act(Action::Deploy);
                        }
                    }
                    (Err(error), View::Template(view)) if view.id == id => self.refuse(Fetch::View, error),
                    (Err(error), _) => self.failed(error),
                    _ => {}
                }
            }
            Answer::Logs(asked, told) => {
                let View::Logs(view) = &mut self.view else { return };
                if !view.has_asked(asked) {
                    return;
                }
                match told {
                    Ok(answer) => self.effects.extend(view.take(answer)),
                    Err(error) if is_api(&error) => view.failed(message(&error, &self.keys)),
                    Err(error) => {
                        view.failed(error.to_string());
                        self.failed(error);
                    }
                }
            }
            Answer::Sifted(asked, sifted) => match &mut self.view {
                View::Logs(view) if view.has_asked(asked) => view.found(sifted),
                _ => {}
            },
            Answer::Completed(completion) => self.completed(&completion),
            Answer::Saved(saving, told) => self.saved(*saving, told),
            Answer::Planned(told, secrets) => self.planned(told.map(|plan| *plan), secrets),
            Answer::Approved(Ok(plan), apply) => {
                self.toasts.push(Kind::Info, format!("approved: {}", plan.summary), self.now_ms);
                if apply {
                    self.effects.push(Effect::Apply(plan.plan.to_string()));
                }
                self.fetch(Fetch::Plans);
            }
            Answer::Withdrawn(Ok(plan)) => self.release_secrets(&plan),
            // Whoever may not decide on plans leaves it to expire.
            Answer::Withdrawn(Err(_)) => {}
            Answer::Denied(Ok(plan)) => {
                self.release_secrets(&plan);
                self.toasts.push(Kind::Info, format!("denied: {}", plan.summary), self.now_ms);
                self.fetch(Fetch::Plans);
            }
            Answer::Started(Ok(operation)) => {
                if let Some(Layer::Deploy(_) | Layer::Compose(_) | Layer::Make(_) | Layer::Settings(_)) = self.layer {
                    self.layer = None;
                }
                self.undo = Undo::of(&operation);
                if self.undo.is_some() {
                    self.told_with_undo(format!("{} {}", operation.kind.as_str().replace('_', " "), operation.target));
                }
                self.open(View::Operation(OperationView::of(*operation)));
            }
            Answer::Cancelled(Ok(operation)) => {
                self.toasts.push(Kind::Info, format!("{} is being stopped", operation.kind.as_str()), self.now_ms);
                self.fetch(Fetch::View);
            }
            Answer::Enrolment(Ok(made)) => self.layer = Some(Layer::ShownOnce(ShownOnce::enrolment(made))),
            Answer::Enrolment(Err(error)) => self.server_refused(error),
            Answer::Reached(number, told) => self.reached(number, told),
            Answer::SshConfig(told) => self.read_ssh_config(told),
            Answer::Composed(read) => {
                if let Some(Layer::Compose(form)) = &mut self.layer {
                    let request = form.read(read.map(|read| *read));
                    self.effects.extend(request.map(|request| Effect::Deploy(Box::new(request))));
                }
            }
            Answer::Forgotten(Ok(server)) => {
                self.toasts.push(Kind::Info, format!("no credential is kept for {server}"), self.now_ms);
                self.fetch(Fetch::View);
            }
            // The screen is lent to it before it comes here.
            Answer::Terminal(_, Ok(_)) => {}
            Answer::Unlocked(Ok(_)) => {
                self.heard_sealed = false;
                if let Some(Layer::Unlock(_)) = self.layer {
                    self.layer = self.below.take();
                }
                self.toasts.push(Kind::Info, "the vault is unlocked", self.now_ms);
                self.fetch(Fetch::Overview);
            }
            Answer::Unlocked(Err(error)) => match (&mut self.layer, &error) {
                (Some(Layer::Unlock(unlock)), ClientError::Api(_)) => {
                    unlock.sheet.refused(None, message(&error, &self.keys))
                }
                (layer, _) => {
                    layer.iter_mut().for_each(Layer::free);
                    self.failed(error);
                }
            },
            Answer::Copied(text, told) => self.copied(text, told),
            Answer::OfSeveral(outcome) => self.took_outcome(outcome),
            Answer::Profiles(saved) => {
                let choice = Choice::daemons(&saved, self.daemons.as_ref());
                self.layer = Some(Layer::Choice(choice));
            }
            Answer::ThemeKept(Err(said)) => {
                self.toasts.push(
                    Kind::Warning,
                    format!("the theme is not kept for the next time: {said}"),
                    self.now_ms,
                );
            }
            Answer::ThemeKept(Ok(())) => {}
            Answer::Broken(text) => self.toasts.push(Kind::Error, text, self.now_ms),
            Answer::Whoami(Err(error))
            | Answer::Approved(Err(error), _)
            | Answer::Denied(Err(error))
            | Answer::Started(Err(error))
            | Answer::Forgotten(Err(error))
            | Answer::Terminal(_, Err(error))
            | Answer::Cancelled(Err(error)) => {
                if let Some(layer @ (Layer::Deploy(_) | Layer::Compose(_) | Layer::Make(_) | Layer::Settings(_))) =
                    &mut self.layer
                {
                    layer.free();
                }
                self.failed(error);
            }
        }
    }

    /// Tells how a terminal into a container ended, to which the screen was lent.
    pub(crate) fn left_terminal(&mut self, of: &str, told: Result<Option<u8>, ClientError>, now_ms: u64) {
        self.now_ms = now_ms;
        self.dirty = true;
        match told {
            Ok(Some(0)) => {}
            Ok(Some(code)) => {
                let text = format!("the terminal into {of} has ended with exit code {code}");
                self.toasts.push(Kind::Info, text, now_ms);
            }
            Ok(None) => self.toasts.push(Kind::Info, format!("left {of}: its program there was ended"), now_ms),
            Err(error) => self.failed(error),
        }
    }

    pub(super) fn took_app(&mut self, app: &str, told: Result<Box<tomo_proto::model::app::AppDetail>, ClientError>) {
        match (told, &mut self.view) {
            (Ok(detail), View::App(view)) if view.app == app => {
                let edit = std::mem::take(&mut view.edit_when_loaded);
                if edit {
                    self.layer = Some(Layer::Deploy(Box::new(DeployForm::of(&detail))));
                }
                self.effects.extend(view.take(*detail, self.now_ms).map(Effect::Metrics));
                self.refused = None;
                // Its server is known only now.
                self.watch();
            }
            (Err(error), View::App(view)) if view.app == app => self.refuse(Fetch::View, error),
            (Err(error), _) => self.failed(error),
            _ => {}
        }
    }

    /// A plan this person asked for is shown at once, over its form.
    pub(super) fn planned(&mut self, told: Result<Plan, ClientError>, secrets: Vec<String>) {
        match told {
            Ok(plan) => {
                if !secrets.is_empty() {
                    self.secrets.insert(plan.plan, secrets);
                }
                if let Some(Layer::Deploy(_) | Layer::Compose(_) | Layer::Settings(_)) = self.layer {
                    self.below = self.layer.take();
                }
                self.layer = Some(Layer::Confirm(Confirm::plan(plan, true)));
            }
            Err(ClientError::Api(error)) => {
                let sealed = error.code == ErrorCode::Sealed;
                match &mut self.layer {
                    Some(Layer::Deploy(deploy)) if !sealed => deploy.refused(error.field.as_deref(), error.message),
                    Some(Layer::Settings(form)) if !sealed => form.sheet.refused(error.field.as_deref(), error.message),
                    Some(Layer::Make(make)) if error.field.as_deref() == Some("accept_losses") => {
                        let go_on = make.accept_losses();
                        self.layer = go_on.map(|effect| {
                            let question = format!("{}.", error.message);
                            Layer::Confirm(Confirm::question("Adopt container", question, "Go on without", effect))
                        });
                    }
                    Some(Layer::Compose(compose)) if !sealed => {
                        let next = error.next.map(|next| format!("next: {}", as_subcommand(&next)));
                        compose.refused(std::iter::once(error.message).chain(next).collect());
                    }
                    _ => {
                        self.layer.iter_mut().for_each(Layer::free);
                        self.failed(ClientError::Api(error));
                    }
                }
            }
            Err(error) => {
                self.layer.iter_mut().for_each(Layer::free);
                self.failed(error);
            }
        }
    }

    fn show_registries(&mut self, told: Result<Vec<Registry>, ClientError>) {
        match (told, &mut self.view) {
            (Ok(registries), View::Registries(view)) => {
                self.refused = None;
                view.list.replace(registries);
            }
            (Err(error), _) => self.failed(error),
            _ => {}
        }
    }

    /// The secrets of a plan that came to nothing are deleted.
    fn release_secrets(&mut self, plan: &Plan) {
        if matches!(plan.status, PlanStatus::Denied | PlanStatus::Expired | PlanStatus::Stale) {
            self.effects.extend(self.secrets.remove(&plan.plan).map(Effect::DeleteSecrets));
        }
    }

    /// What a view is made of has come.
    fn came(&mut self, what: Fetch) {
        if what == self.own_fetch() {
            self.refused = None;
        }
        // These come every second and bring no other names.
        if !matches!(what, Fetch::Rows | Fetch::Overview) {
            self.offer_places();
        }
    }

    /// Something was not told. If the view on screen is made of it, that stands there until it is told; otherwise it passes by.
    pub(super) fn refuse(&mut self, what: Fetch, error: ClientError) {
        if is_api(&error) && what == self.own_fetch() {
            self.refused = Some(message(&error, &self.keys));
        } else {
            self.failed(error);
        }
    }

    pub(super) fn failed(&mut self, error: ClientError) {
        match error {
            ClientError::NotConnected { .. } | ClientError::Certificate(_) | ClientError::SignedOut(_) => {
                self.lost(error)
            }
            ClientError::Api(ref api) if api.code == ErrorCode::Sealed => self.sealed(&error),
            ClientError::Api(ref api) => {
                let kind = if api.code == ErrorCode::Internal { Kind::Error } else { Kind::Warning };
                self.toasts.push(kind, message(&error, &self.keys), self.now_ms);
            }
        }
    }

    /// Something needs a secret. Over a form, whose keys are letters, the master password is asked for at once.
    fn sealed(&mut self, error: &ClientError) {
        self.heard_sealed = true;
        let is_form =
            matches!(self.layer, Some(Layer::Deploy(_) | Layer::Compose(_) | Layer::Server(_) | Layer::Registry(_)));
        if is_form && self.disabled(Action::UnlockVault).is_none() {
            self.below = self.layer.take();
            self.layer = Some(Layer::Unlock(Box::new(UnlockForm::new())));
        }
        self.toasts.push(Kind::Warning, message(error, &self.keys), self.now_ms);
    }

    pub(super) fn lost(&mut self, error: ClientError) {
        if let ClientError::SignedOut(_) = error {
            if !matches!(self.view, View::Login(_)) {
                let had_login = self.who.take().is_some();
                self.link = Link::Connecting;
                self.overview = None;
                self.refused = None;
                self.layer = None;
                self.below = None;
                self.visits.clear();
                self.to_visit.clear();
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

pub(super) fn is_api(error: &ClientError) -> bool {
    matches!(error, ClientError::Api(_))
}

/// What to tell of an error: what happened, and the next step.
pub(super) fn message(error: &ClientError, keys: &Keymap) -> String {
    match error {
        ClientError::Api(api) if api.code == ErrorCode::Sealed => {
            let unlock = action::row(Action::UnlockVault);
            format!("{} – next: {} ({})", api.message, unlock.title, keys.name(Action::UnlockVault))
        }
        ClientError::Api(api) => match &api.next {
            Some(next) => format!("{} – next: {}", api.message, as_subcommand(next)),
            None => api.message.clone(),
        },
        other => other.to_string(),
    }
}
