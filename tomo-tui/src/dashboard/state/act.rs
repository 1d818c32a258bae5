//! What each action does.

use tomo_proto::{
    api::{person::DeleteRegistry, terminal::TerminalOf},
    model::{agent::AgentState, server::ServerSummary, stock::Item, user::Scope},
};

use crate::dashboard::{
    action::Action,
    effect::Effect,
    layers::{
        Layer,
        choice::Choice,
        compose::ComposeForm,
        confirm::Confirm,
        deploy::{DeployForm, Destination},
        help::Help,
        jump::JumpForm,
        make::{Made, MakeForm},
        registry::RegistryForm,
        server::ServerForm,
        settings::SettingsForm,
        text::TextLayer,
        unlock::UnlockForm,
    },
    state::{Fetch, State},
    toast::Kind,
    views::{
        View,
        app::AppView,
        backups::BackupsView,
        diagnosis::DiagnosisView,
        logs::{LogOf, LogsView, Purpose},
        server::compare::CompareView,
        stock::StockView,
        template::TemplateView,
    },
};

impl State {
    pub(super) fn act(&mut self, action: Action) {
        if let Some(reason) = self.disabled(action) {
            self.toasts.push(Kind::Warning, reason, self.now_ms);
            return;
        }
        if self.act_on_marked(action) || self.move_in_view(action) {
            return;
        }
        match action {
            Action::Undo => self.ask_to_undo(),
            Action::Freeze => self.freeze(),
            Action::LargerList => self.panes = self.panes.larger(),
            Action::SmallerList => self.panes = self.panes.smaller(),
            Action::Messages => self.show_messages(),
            Action::Copy | Action::CopyRow => self.copy_selected(action),
            Action::Jump => self.layer = Some(Layer::Jump(Box::new(JumpForm::new(self.now_ms)))),
            Action::ShowAlerts => self.open(View::Alerts),
            Action::Compare => {
                let names = self.servers.marked().map(|server| server.name.clone()).collect();
                self.open(View::Compare(CompareView::new(names)));
            }
            Action::Open if matches!(self.view, View::Alerts) && self.view_of_selected().is_none() => {
                self.follow_problem();
            }
            Action::Open => self.open_selected(),
            Action::Back => self.step_back(),
            Action::Quit => self.quit(),
            Action::HistoryBack => drop(self.history_back()),
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
            Action::ShowCatalog => self.open(View::Catalog),
            Action::ShowRegistries => self.open(View::Registries(Box::default())),
            Action::ShowUsers => self.open(View::Users(Box::default())),
            Action::ShowAudit => self.open(View::Audit(Box::default())),
            Action::VerifyAudit => self.open(View::Verdict(Box::default())),
            Action::ShowProfile => self.open(View::Profile(Box::default())),
            Action::ShowSettings => self.open(View::Settings(Box::default())),
            Action::EditSettings => self.edit_settings(),
            Action::ShowTokens => self.open(View::Tokens(Box::default())),
            Action::CreateUser
            | Action::SetRole
            | Action::DeleteUser
            | Action::CreateToken
            | Action::Revoke
            | Action::ChangePassword
            | Action::AddKey => {
                self.change_people(action);
            }
            Action::AddRegistry => self.layer = Some(Layer::Registry(Box::new(RegistryForm::new()))),
            Action::RemoveRegistry => self.forget_registry(),
            Action::Filter => self.begin_filter(),
            Action::LogSearch | Action::LogFilter => {
                if let View::Logs(view) = &mut self.view {
                    view.type_into(if action == Action::LogSearch { Purpose::Search } else { Purpose::Filter });
                    self.begin_filter();
                }
            }
            Action::LogSave => self.ask_where_to_save(),
            Action::Palette => self.open_palette(),
            Action::Help => {
                self.layer = Some(Layer::Help(Help::new(self.context(), self.keys.clone(), self.all_disabled())));
            }
            Action::Refresh => {
                self.fetching.clear();
                self.fetch(Fetch::Servers);
                self.refresh();
                self.fetch_history();
                let operates = self.who.as_ref().is_some_and(|who| who.scopes.contains(&Scope::Operate));
                if matches!(self.view, View::Catalog) && operates && !self.read_only {
                    self.effects.push(Effect::RefreshCatalog);
                }
            }
            Action::Mouse => self.effects.push(Effect::ToggleMouse),
            Action::Columns => {
                let columns = self.list_mut().map(|list| list.columns());
                self.layer = columns.map(|columns| Layer::Choice(Choice::columns(columns)));
            }
            Action::ChooseTheme => self.layer = Some(Layer::Choice(Choice::themes(self.theme))),
            Action::SwitchDaemon => self.effects.push(Effect::Profiles),
            Action::Suspend => self.effects.push(Effect::Suspend),
            Action::Deploy => self.deploy(),
            Action::ImportCompose => {
                let form = ComposeForm::new(self.destinations(), self.server_on_screen());
                self.layer = Some(Layer::Compose(Box::new(form)));
            }
            Action::Redeploy => self.redeploy(),
            Action::AddServer => self.layer = Some(Layer::Server(Box::new(ServerForm::add(self.now_ms)))),
            Action::ImportServers => self.effects.push(Effect::ReadSshConfig),
            Action::ConnectServer => self.ask_about_server(ServerForm::connect),
            Action::EditServer => self.ask_about_server(ServerForm::edit),
            Action::TestServer => {
                if let Some(server) = self.server_on_screen().map(str::to_owned) {
                    self.effects.push(Effect::TestServer(server));
                }
            }
            Action::ForgetCredential => {
                if let Some(server) = self.server_on_screen().map(str::to_owned) {
                    let question =
                        format!("Tomo no longer goes to {server} by SSH until somebody enters a credential again.");
                    let effect = Effect::ForgetCredential(server.clone());
                    let confirm = Confirm::question("Forget the credential", question, "Forget it", effect);
                    self.layer = Some(Layer::Confirm(confirm.of(&format!("of {server}"))));
                }
            }
            Action::UpdateAgent => {
                if let Some(server) = self.server_on_screen().map(str::to_owned) {
                    let question = format!(
                        "The newest release of the agent that was brought to the daemon goes to {server}. The host checks who signed \
                         it, tries it out for a minute, and puts the old program back unless the new one connects."
                    );
                    let effect = Effect::UpdateAgent(server.clone());
                    let confirm = Confirm::question("Update the agent", question, "Update", effect);
                    self.layer = Some(Layer::Confirm(confirm.of(&format!("of {server}"))));
                }
            }
            Action::UnlockVault => self.layer = Some(Layer::Unlock(Box::new(UnlockForm::new()))),
            Action::RemoveServer => {
                if let Some(server) = self.server_on_screen().map(str::to_owned) {
                    self.effects.push(Effect::RemoveServer(server));
                }
            }
            Action::StartApp | Action::StopApp | Action::RestartApp | Action::RollBackApp | Action::RemoveApp => {
                self.operate(action);
            }
            Action::Adopt => {
                if let Some((server, container)) = self.container_on_screen() {
                    let form = MakeForm::adoption(server.to_owned(), &container.name);
                    self.layer = Some(Layer::Make(Box::new(form)));
                }
            }
            Action::Logs => {
                let of = match (self.app_on_screen(), self.container_on_screen()) {
                    (Some(app), _) => Some((LogOf::App(app.id.to_string()), app.name.clone())),
                    (None, Some((server, container))) => {
                        let (server, name) = (server.to_owned(), container.name.clone());
                        Some((LogOf::Container { server, container: name.clone() }, name))
                    }
                    (None, None) => None,
                };
                if let Some((of, name)) = of {
                    self.open(View::Logs(LogsView::new(of, name, self.now_ms)));
                }
            }
            Action::Shell => {
                let into = match (self.app_on_screen(), self.container_on_screen()) {
                    (Some(app), _) => Some((app.name.clone(), TerminalOf::App { app: app.id.to_string() })),
                    (None, Some((server, container))) => {
                        let (server, container) = (server.to_owned(), container.name.clone());
                        Some((container.clone(), TerminalOf::Container { server, container }))
                    }
                    (None, None) => None,
                };
                if let Some((of, into)) = into {
                    self.toasts.push(Kind::Info, format!("opening a terminal into {of}"), self.now_ms);
                    self.effects.push(Effect::OpenTerminal(of, into));
                }
            }
            Action::ShowStock => {
                if let Some(server) = self.server_on_screen().map(str::to_owned) {
                    self.open(View::Stock(StockView::new(server)));
                }
            }
            Action::CheckImage => {
                if let View::App(view) = &self.view {
                    self.effects.push(Effect::CheckImage(view.app.clone()));
                    self.toasts.push(Kind::Info, "asking the registry", self.now_ms);
                }
            }
            Action::BackUpVolume | Action::ShowBackups => self.back_up(action),
            Action::RestoreVolume | Action::DrillVolume | Action::VerifyBackup => self.use_backup(action),
            Action::Discard if matches!(self.view, View::Backups(_)) => self.use_backup(action),
            Action::Discard | Action::Prune | Action::PullImage | Action::CreateVolume | Action::CreateNetwork => {
                self.change_stock(action);
            }
            Action::Diagnose => {
                let of = match (self.app_on_screen(), self.container_on_screen()) {
                    (Some(app), _) => Some((app.id.to_string(), app.name.clone())),
                    (None, Some((server, container))) => {
                        Some((format!("{server}/{}", container.name), container.name.clone()))
                    }
                    (None, None) => None,
                };
                if let Some((of, name)) = of {
                    self.open(View::Diagnosis(DiagnosisView::new(of, name)));
                }
            }
            Action::Approve => {
                if let Some(plan) = self.plan_on_screen().cloned() {
                    self.layer = Some(Layer::Confirm(Confirm::plan(plan, false)));
                }
            }
            Action::Deny => {
                if let Some(plan) = self.plan_on_screen() {
                    let question = format!(
                        "Say no to: {}. It cannot be taken back: a plan has to be asked for anew.",
                        plan.summary
                    );
                    let effect = Effect::Deny(plan.plan.to_string());
                    let confirm = Confirm::question("Deny plan", question, "Deny", effect).of(&plan.plan.to_string());
                    self.layer = Some(Layer::Confirm(confirm));
                }
            }
            Action::Cancel => {
                if let Some(operation) = self.operation_on_screen() {
                    let what = operation.kind.as_str().replace('_', " ");
                    let question = format!("Stop \"{what} {}\"; what it did so far is undone.", operation.target);
                    let effect = Effect::Cancel(operation.operation.to_string());
                    let confirm = Confirm::question("Cancel operation", question, "Stop it", effect);
                    let confirm = confirm.or("Let it go on").of(&format!("\"{what} {}\"", operation.target));
                    self.layer = Some(Layer::Confirm(confirm));
                }
            }
            _ => {}
        }
    }

    /// What the view on screen does by itself; says whether it was that.
    pub(super) fn move_in_view(&mut self, action: Action) -> bool {
        let shown_at = self.shown_at();
        match &mut self.view {
            View::Login(_) => false,
            View::Template(view) => view.act(action),
            View::Record(view) => view.act(action),
            View::Verdict(view) => view.act(action),
            View::Audit(view) => {
                let (acted, more) = view.act(action);
                self.effects.extend(more);
                acted
            }
            View::Server(view) => {
                let (acted, range) = view.act(action, shown_at);
                self.effects.extend(range.map(Effect::Metrics));
                acted
            }
            View::App(view) => {
                let (acted, range) = view.act(action, shown_at);
                self.effects.extend(range.map(Effect::Metrics));
                acted
            }
            View::Container(view) => {
                let (acted, range) = view.act(action, shown_at);
                self.effects.extend(range.map(Effect::Metrics));
                acted
            }
            View::Compare(view) => {
                let (acted, more) = view.act(action, shown_at);
                self.effects.extend(more);
                acted
            }
            View::Diagnosis(view) => view.act(action),
            View::Logs(view) => {
                let (acted, more) = view.act(action);
                self.effects.extend(more);
                acted
            }
            View::Plan(view) => view.act(action),
            View::Operation(view) => view.act(action),
            _ => self.list_mut().is_some_and(|list| list.act(action)),
        }
    }

    /// Shows the backups of the server on screen, or asks whether the selected volume is to be backed up.
    fn back_up(&mut self, action: Action) {
        let View::Stock(view) = &self.view else { return };
        let server = view.server.clone();
        match view.list.selected() {
            Some(Item::Volume(volume)) if action == Action::BackUpVolume => {
                let stop = !volume.used_by.is_empty();
                let meanwhile = match stop {
                    true => format!("Meanwhile {} is stopped, and then started again.", volume.used_by.join(", ")),
                    false => "Nothing mounts it.".to_owned(),
                };
                let question = format!("Back up volume {} of {server} to the daemon. {meanwhile}", volume.name);
                let target = format!("{server}/{}", volume.name);
                let effect = Effect::BackUpVolume { server, volume: volume.name.clone(), stop };
                let confirm = Confirm::question("Back up volume", question, "Back up", effect).of(&target);
                self.layer = Some(Layer::Confirm(confirm));
            }
            _ if action == Action::ShowBackups => self.open(View::Backups(BackupsView::new(server))),
            _ => {}
        }
    }

    /// Does something with the selected backup; what comes of it is shown and asks, where it changes what stays.
    fn use_backup(&mut self, action: Action) {
        let View::Backups(view) = &self.view else { return };
        let Some(backup) = view.list.selected().map(|selected| selected.backup.to_string()) else { return };
        self.effects.push(match action {
            Action::DrillVolume | Action::VerifyBackup => Effect::TryBackup { action, backup },
            _ => Effect::PlanBackup { action, backup },
        });
    }

    fn forget_registry(&mut self) {
        let View::Registries(view) = &self.view else { return };
        let Some(known) = view.list.selected() else { return };
        let registry = known.registry.clone();
        let question =
            format!("Pulls from {registry} sign in as nobody from then on. The password cannot be read back.");
        let effect = Effect::DeleteRegistry(DeleteRegistry { registry: registry.clone() });
        let confirm = Confirm::question("Forget the registry", question, "Forget it", effect).of(&registry);
        self.layer = Some(Layer::Confirm(confirm));
    }

    fn edit_settings(&mut self) {
        let View::Settings(view) = &self.view else { return };
        let form = view.settings.as_ref().map(|settings| SettingsForm::new(settings, view.at()));
        self.layer = form.map(|form| Layer::Settings(Box::new(form)));
    }

    fn change_stock(&mut self, action: Action) {
        if let View::App(view) = &self.view
            && let Some(detail) = &view.detail
        {
            let (server, name) = (detail.summary.server.clone(), detail.summary.image.clone());
            self.effects.push(Effect::Make { made: Made::Image, server, name });
            return;
        }
        let View::Stock(view) = &self.view else { return };
        let server = view.server.clone();
        let make = |made, server| Layer::Make(Box::new(MakeForm::new(made, server)));
        match action {
            Action::Discard => {
                let item = view.list.selected().cloned();
                self.effects.extend(item.map(|item| Effect::Discard { server, item }));
            }
            Action::Prune => self.layer = Some(Layer::Confirm(Confirm::prune(&server))),
            Action::PullImage => self.layer = Some(make(Made::Image, server)),
            Action::CreateVolume => self.layer = Some(make(Made::Volume, server)),
            _ => self.layer = Some(make(Made::Network, server)),
        }
    }

    /// Operates the container at hand; what stops it is asked about.
    fn operate_container(&mut self, action: Action) {
        let Some((server, container)) = self.container_on_screen() else { return };
        let (server, name) = (server.to_owned(), container.name.clone());
        let (title, verb, then) = match action {
            Action::StopApp => ("Stop container", "Stop", "It can be started again."),
            _ => ("Restart container", "Restart", "It does not answer meanwhile."),
        };
        let question = format!("{verb} {name} on {server}, which is no app of Tomo. {then}");
        let target = format!("{server}/{name}");
        let effect = Effect::Operate { action, server, container: name };
        if action == Action::StartApp {
            self.effects.push(effect);
        } else {
            self.layer = Some(Layer::Confirm(Confirm::question(title, question, verb, effect).of(&target)));
        }
    }

    pub(super) fn operate(&mut self, action: Action) {
        if self.container_on_screen().is_some() {
            self.operate_container(action);
            return;
        }
        let Some(app) = self.app_on_screen() else { return };
        let (id, name, server) = (app.id.to_string(), app.name.clone(), app.server.clone());
        let target = format!("{server}/{name}");
        self.layer = Some(Layer::Confirm(match action {
            Action::StartApp => {
                self.effects.push(Effect::Start(id));
                return;
            }
            // Its plan is shown and asks.
            Action::RollBackApp => {
                self.effects.push(Effect::RollBack(id));
                return;
            }
            Action::StopApp => {
                let question = format!("Stop {name} on {server}. It keeps its data and can be started again.");
                Confirm::question("Stop app", question, "Stop", Effect::Stop(id)).of(&target)
            }
            Action::RestartApp => {
                let question = format!("Restart {name} on {server}. It does not answer meanwhile.");
                Confirm::question("Restart app", question, "Restart", Effect::Restart(id)).of(&target)
            }
            _ => Confirm::removal(&name, &server, &id),
        }));
    }

    /// Everything that was told, newest first.
    fn show_messages(&mut self) {
        let told = self.toasts.told();
        let lines: Vec<(Kind, String)> =
            told.map(|told| (told.kind, format!("{}  {}", crate::cli::output::time(told.at_ms), told.text))).collect();
        let lines = if lines.is_empty() { vec![(Kind::Info, "nothing was told yet".to_owned())] } else { lines };
        self.layer = Some(Layer::Text(TextLayer::new("Messages".to_owned(), lines)));
    }

    pub(super) fn server_names(&self) -> Vec<String> {
        self.servers.items().iter().map(|server| server.name.clone()).collect()
    }

    /// The servers, each with what stands against an app there, as far as is known.
    fn destinations(&self) -> Vec<Destination> {
        let one = |server: &ServerSummary| Destination {
            server: server.name.clone(),
            against: lacks_engine(server).then(|| "no container engine answers there: install or start one".to_owned()),
        };
        self.servers.items().iter().map(one).collect()
    }

    /// Opens the form of a new app: that of a template, where one is on screen.
    fn deploy(&mut self) {
        let servers = self.destinations();
        let form = match &self.view {
            View::Catalog => {
                let Some(template) = self.catalog.selected() else { return };
                let mut view = TemplateView::new(template.id.clone());
                view.deploy_when_loaded = true;
                self.open(View::Template(view));
                return;
            }
            View::Template(view) => {
                let Some(entry) = &view.entry else { return };
                DeployForm::of_template(entry.template.clone(), servers)
            }
            _ => DeployForm::new(servers, self.server_on_screen()),
        };
        self.layer = Some(Layer::Deploy(Box::new(form)));
    }

    pub(super) fn redeploy(&mut self) {
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

    pub(super) fn quit(&mut self) {
        if let Some(under_way) = &self.together {
            let question = format!("{} is under way: what is not begun yet will not be.", under_way.progress());
            self.layer =
                Some(Layer::Confirm(Confirm::question("Leave", question, "Leave", Effect::Quit).of("the dashboard")));
            return;
        }
        let running = self.overview.as_ref().map_or(0, |overview| overview.operations.len());
        if running == 0 {
            self.effects.push(Effect::Quit);
            return;
        }
        let question = match running {
            1 => "An operation is under way. It goes on without the dashboard.".to_owned(),
            _ => format!("{running} operations are under way. They go on without the dashboard."),
        };
        self.layer =
            Some(Layer::Confirm(Confirm::question("Leave", question, "Leave", Effect::Quit).of("the dashboard")));
    }
}

/// Whether a server is known to have no engine that answers: its agent is there and has told its figures.
fn lacks_engine(server: &ServerSummary) -> bool {
    server.agent == AgentState::Online && server.vitals.is_some() && server.containers.is_none()
}
