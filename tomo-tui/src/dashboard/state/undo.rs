//! Taking the last act back, where something does: what was stopped is started, a role or a label is the one before.

use tomo_proto::{
    id::OperationId,
    model::operation::{Operation, OperationKind},
    text::display_line,
};

use crate::dashboard::{
    action::Action,
    effect::Effect,
    layers::{Layer, confirm::Confirm},
    people::Change,
    state::State,
    toast::Kind,
    together::Task,
    visit::Edit,
};

/// What taking several acts back at once is called.
pub(super) const TAKE_BACK: &str = "take back";

/// What takes an act back.
#[derive(Debug)]
pub(crate) struct Undo {
    /// In words, as an order; several in a line each.
    pub(crate) says: String,
    effect: Effect,
    /// What has to end first.
    after: Option<OperationId>,
}

impl Undo {
    /// The opposite of an operation, if it has one.
    pub(crate) fn of(operation: &Operation) -> Option<Self> {
        let (name, server) = (operation.target.clone(), operation.server.clone()?);
        let app = format!("{server}/{name}");
        let operate = |action| Effect::Operate { action, server: server.clone(), container: name.clone() };
        let (verb, effect) = match operation.kind {
            OperationKind::StopApp => ("start", Effect::Start(app)),
            OperationKind::StartApp => ("stop", Effect::Stop(app)),
            OperationKind::StopContainer => ("start", operate(Action::StartApp)),
            OperationKind::StartContainer => ("stop", operate(Action::StopApp)),
            _ => return None,
        };
        let says = format!("{verb} {} on {server}", display_line(&name, 100));
        Some(Self { says, effect, after: Some(operation.operation) })
    }

    /// The role that somebody had before.
    pub(crate) fn role(change: Change) -> Self {
        let says = match &change {
            Change::Role(request, _) => format!("make {} {} again", request.username, request.role.as_str()),
            _ => "change it back".to_owned(),
        };
        Self { says, effect: Effect::ChangePeople(change), after: None }
    }

    /// The labels that a server had before.
    pub(crate) fn labels(edit: Edit) -> Self {
        let labels = edit.request.labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
        let labels = labels.collect::<Vec<_>>().join(", ");
        let had = if labels.is_empty() { "no labels".to_owned() } else { format!("the labels {labels}") };
        let says = format!("give {} {had} again", edit.request.server);
        Self { says, effect: Effect::EditServer(Box::new(edit)), after: None }
    }

    /// Takes several acts back at once.
    pub(crate) fn all(mut several: Vec<Self>) -> Option<Self> {
        if several.len() < 2 {
            return several.pop();
        }
        several.sort_by(|one, other| one.says.cmp(&other.says));
        let says: String = several.iter().map(|one| format!("\n- {}", one.says)).collect();
        let tasks = several.into_iter().map(|one| Task { name: one.says, effect: one.effect }).collect();
        Some(Self { says, effect: Effect::Together { verb: TAKE_BACK, tasks }, after: None })
    }
}

impl State {
    /// Tells what was done, and which key takes it back if one does.
    pub(super) fn told_with_undo(&mut self, text: String) {
        let key = self.keys.name(Action::Undo);
        let back = if self.undo.is_some() { format!("; {key} takes it back") } else { String::new() };
        self.toasts.push(Kind::Info, format!("{text}{back}"), self.now_ms);
    }

    /// Why nothing can be taken back.
    pub(super) fn nothing_to_undo(&self) -> Option<String> {
        match (&self.undo, &self.together) {
            (_, Some(under_way)) => Some(format!("{} is still under way", under_way.progress())),
            (None, None) => {
                Some("nothing was done here that can be taken back: starts, stops, labels and roles can".to_owned())
            }
            (Some(undo), None) => {
                let says = |operation: &Operation| {
                    let what = operation.kind.as_str().replace('_', " ");
                    format!("{what} {} is still under way: it can be taken back when it has ended", operation.target)
                };
                self.under_way(undo.after?).map(says)
            }
        }
    }

    /// An operation, if it is known not to have ended.
    fn under_way(&self, id: OperationId) -> Option<&Operation> {
        let told = self.overview.iter().flat_map(|overview| &overview.operations);
        told.chain(self.operation_on_screen()).find(|one| one.operation == id && !one.status.is_final())
    }

    /// Asks whether the last act is to be taken back.
    pub(super) fn ask_to_undo(&mut self) {
        let Some(Undo { says, .. }) = &self.undo else { return };
        let question = format!("Take the last change back: {says}");
        let effect = Effect::TakeBack(says.clone());
        let confirm = Confirm::question("Undo", question, "Take it back", effect).of(says);
        self.layer = Some(Layer::Confirm(confirm));
    }

    /// Takes back what was asked about, if nothing else has been done meanwhile.
    pub(super) fn take_back(&mut self, asked_about: &str) {
        match self.undo.take_if(|undo| undo.says == asked_about) {
            Some(undo) => self.begin_effect(undo.effect),
            None => {
                let text = "something else was done meanwhile: nothing is taken back";
                self.toasts.push(Kind::Warning, text, self.now_ms);
            }
        }
    }
}
