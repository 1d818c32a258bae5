//! The palette: what it offers, and where what is chosen leads.

use tomo_proto::model::plan::{Plan, PlanStatus};

use crate::dashboard::{
    layers::{
        Layer,
        palette::{Candidate, Palette, Target},
    },
    state::{Fetch, Link, State},
    views::{
        View, app::AppView, container::ContainerView, operation::OperationView, plan::PlanView, server::ServerView,
        template::TemplateView,
    },
};

impl State {
    /// Opens the palette with what is known, and asks for the rest.
    pub(super) fn open_palette(&mut self) {
        self.layer = Some(Layer::Palette(Palette::new(self.context(), &self.keys, &self.all_disabled())));
        self.offer_places();
        if matches!(self.link, Link::Live) {
            for list in [Fetch::Apps, Fetch::Plans, Fetch::Operations, Fetch::Catalog] {
                self.fetch(list);
            }
        }
    }

    /// Gives an open palette everything that can be gone to.
    pub(super) fn offer_places(&mut self) {
        let Some(Layer::Palette(palette)) = &mut self.layer else { return };
        let is_open = |plan: &&Plan| matches!(plan.status, PlanStatus::Pending | PlanStatus::Approved);
        let waiting = self.plans.items().iter().filter(is_open).map(|plan| {
            Candidate::new(plan.summary.as_str(), plan.plan.to_string(), Target::Plan(plan.plan.to_string()))
        });
        let apps = self.apps.items().iter().map(|app| {
            let note = format!("{} on {}", app.status.as_str(), app.server);
            Candidate::new(app.name.as_str(), note, Target::App(app.id.to_string()))
        });
        let servers = self.servers.items().iter().map(|server| {
            Candidate::new(server.name.as_str(), server.status.as_str(), Target::Server(server.name.clone()))
        });
        let here = if let View::Server(view) = &self.view { Some(view) } else { None };
        let containers = here.iter().flat_map(|view| {
            view.containers.items().iter().map(|container| {
                let target = Target::Container { server: view.name.clone(), name: container.name.clone() };
                Candidate::new(container.name.as_str(), container.state.as_str(), target)
            })
        });
        let operations = self.operations.items().iter().map(|operation| {
            let name = format!("{} {}", operation.kind.as_str().replace('_', " "), operation.target);
            let note = format!("{} {}", operation.status.as_str(), operation.operation);
            Candidate::new(name, note, Target::Operation(operation.operation.to_string()))
        });
        let templates = self.catalog.items().iter().map(|template| {
            Candidate::new(template.name.as_str(), template.summary.as_str(), Target::Template(template.id.clone()))
        });
        palette.offer(waiting.chain(apps).chain(containers).chain(servers).chain(templates).chain(operations));
    }

    /// Goes to what is chosen, or does it; where nothing matches, what was typed stays.
    pub(super) fn choose_from_palette(&mut self) {
        let Some(Layer::Palette(palette)) = &self.layer else { return };
        let Some(target) = palette.chosen() else { return };
        self.layer = None;
        match target {
            Target::Action(action) => self.act(action),
            Target::Server(name) => self.open(View::Server(ServerView::new(name))),
            Target::Container { server, name } => self.open(View::Container(ContainerView::new(server, name))),
            Target::App(id) => self.open(View::App(AppView::new(id))),
            Target::Plan(id) => self.open(View::Plan(PlanView::new(id))),
            Target::Operation(id) => self.open(View::Operation(OperationView::new(id))),
            Target::Template(id) => self.open(View::Template(TemplateView::new(id))),
        }
    }
}
