//! Visits at hosts: their forms, their host keys, and what became of those whose operation is under way.

use tomo_proto::{
    error::ErrorCode,
    model::{
        operation::{Operation, OperationKind, OperationStatus},
        server::ServerSummary,
    },
};

use crate::{
    cli::ssh_config::Entry,
    client::ClientError,
    dashboard::{
        action::Action,
        effect::Effect,
        layers::{Layer, confirm::Confirm, import::ImportForm, server::ServerForm},
        state::{Fetch, Followed, State, answers::message, undo::Undo},
        toast::Kind,
        views::{View, operation::OperationView, server::ServerView},
        visit::Reached,
    },
};

impl State {
    /// Opens a form about the server on screen.
    pub(super) fn ask_about_server(&mut self, form: fn(ServerSummary, u64) -> ServerForm) {
        let View::Server(view) = &self.view else { return };
        if let Some(summary) = view.summary() {
            self.layer = Some(Layer::Server(Box::new(form(summary.clone(), self.now_ms))));
        }
    }

    /// Shows the hosts of the SSH client's file.
    pub(super) fn read_ssh_config(&mut self, told: Result<Vec<Entry>, String>) {
        let entries = match told {
            Ok(entries) if entries.is_empty() => {
                let text = "no host in ~/.ssh/config can be added: each needs a plain name after `Host`";
                self.toasts.push(Kind::Warning, text, self.now_ms);
                return;
            }
            Ok(entries) => entries,
            Err(why) => {
                self.toasts.push(Kind::Warning, why, self.now_ms);
                return;
            }
        };
        if self.layer.is_none() {
            let servers = self.servers.items();
            let is_known = |name: &str| servers.iter().any(|server| server.name == name);
            self.layer = Some(Layer::Import(Box::new(ImportForm::new(entries, is_known, self.now_ms))));
        }
    }

    /// Begins with the next host of an import, as if its form had been filled in and sent; says whether there was one.
    pub(super) fn visit_next(&mut self) -> bool {
        let Some(mut form) = self.to_visit.pop_front() else { return false };
        self.effects.extend(form.submit());
        self.layer = Some(Layer::Server(Box::new(form)));
        true
    }

    /// A visit or a change has come a step further.
    pub(super) fn reached(&mut self, number: u64, told: Result<Reached, ClientError>) {
        let of_form = |layer: &Option<Layer>| matches!(layer, Some(Layer::Server(server)) if server.number == number);
        let on_top = of_form(&self.layer);
        let is_there = on_top || of_form(&self.below);
        match told {
            Ok(Reached::HostKey { place, scan, before, agreed }) if is_there => {
                if on_top {
                    self.below = self.layer.take();
                }
                if let Some(Layer::Server(server)) = &mut self.below {
                    server.goes_on();
                }
                let confirm = Confirm::host_key(&place, &scan, before.as_deref(), *agreed);
                self.layer = Some(Layer::Confirm(confirm));
            }
            // Whoever asked has left the form, and nothing was sent anywhere.
            Ok(Reached::HostKey { .. }) => {}
            Ok(Reached::Begun(operation)) => {
                if is_there && let Some(Layer::Server(form)) = self.take_form(on_top) {
                    self.visits.push(Followed { operation: operation.operation, form, told: false });
                    // It may have ended before it was followed.
                    self.fetch(Fetch::Overview);
                }
                // Of several the list shows how they do.
                if self.visit_next() {
                    return;
                }
                self.open(match self.visits.len() {
                    0 | 1 => View::Operation(OperationView::of(*operation)),
                    _ => View::Operations,
                });
            }
            Ok(Reached::Edited(edit)) => {
                let server = &edit.request.server;
                if is_there {
                    self.take_form(on_top);
                }
                let connect = self.keys.name(Action::ConnectServer);
                let text = format!("{server} is changed; {connect} goes there");
                self.undo = edit.back().map(Undo::labels);
                self.told_with_undo(text);
                self.fetch(Fetch::Servers);
                self.fetch(Fetch::View);
            }
            Err(error) if on_top => self.server_refused(error),
            Err(error) => {
                self.below.iter_mut().for_each(Layer::free);
                self.failed(error);
            }
        }
    }

    /// Takes a form from the screen, with what lies over it.
    fn take_form(&mut self, on_top: bool) -> Option<Layer> {
        let form = if on_top { self.layer.take() } else { self.below.take() };
        self.layer = None;
        form
    }

    /// What the form of a server asked for was refused.
    pub(super) fn server_refused(&mut self, error: ClientError) {
        match (&mut self.layer, &error) {
            (Some(Layer::Server(server)), ClientError::Api(api)) if api.code != ErrorCode::Sealed => {
                server.refused(api, message(&error, &self.keys));
            }
            (layer, _) => {
                layer.iter_mut().for_each(Layer::free);
                self.failed(error);
            }
        }
    }

    /// Asks what became of visits whose operation is neither on screen nor under way any more.
    pub(super) fn look_after_visits(&mut self) {
        let Some(overview) = &self.overview else { return };
        for followed in self.visits.iter().filter(|followed| !followed.told) {
            let id = followed.operation.to_string();
            let on_screen = matches!(&self.view, View::Operation(view) if view.id == id);
            let under_way = overview.operations.iter().any(|one| one.operation == followed.operation);
            if !on_screen && !under_way {
                self.effects.push(Effect::Operation { id, wait: false });
            }
        }
    }

    /// What a visit came to: its server is there now, or its form comes back. Whoever is elsewhere is told.
    pub(super) fn came_to_an_end(&mut self, operation: &Operation, on_screen: bool) {
        let ours = self.visits.iter().position(|followed| followed.operation == operation.operation);
        let Some(place) = ours.filter(|_| operation.status.is_final()) else { return };
        let name = operation.target.clone();
        let adds = operation.kind == OperationKind::AddServer;
        if operation.status == OperationStatus::Succeeded {
            self.visits.remove(place);
            let text = if adds { format!("{name} is added") } else { format!("{name} was reached") };
            self.toasts.push(Kind::Info, text, self.now_ms);
            self.fetch(Fetch::Servers);
            if on_screen {
                self.open(View::Server(ServerView::new(name)));
            }
        } else if on_screen {
            let Followed { mut form, .. } = self.visits.remove(place);
            form.came_to_nothing(operation);
            self.layer = Some(Layer::Server(form));
        } else if let Some(followed) = self.visits.get_mut(place).filter(|followed| !followed.told) {
            followed.told = true;
            let why = operation.error.as_ref().map_or(operation.status.as_str(), |error| &error.message);
            let what = if adds { "is not added" } else { "was not reached" };
            let text = format!("{name} {what}: {why} – open its operation (4) to go on with its form");
            self.toasts.push(Kind::Warning, text, self.now_ms);
        }
    }
}
