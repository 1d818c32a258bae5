//! One action on everything that is marked: asked about with each by its name, and with what is off for some of them; then what came
//! of each.

use std::fmt::Write as _;

use tomo_proto::{
    model::plan::{Approval, Plan},
    text::display_line,
};

use crate::dashboard::{
    action::{self, Action},
    effect::Effect,
    layers::{Layer, confirm::Confirm, text::TextLayer},
    state::{
        State,
        answers::message,
        targets::Target,
        undo::{TAKE_BACK, Undo},
    },
    toast::Kind,
    together::{Outcome, Task, Undone},
    views::View,
};

/// What is under way for several.
#[derive(Debug)]
pub(crate) struct UnderWay {
    verb: &'static str,
    all: usize,
    done: Vec<String>,
    /// Names, and why not.
    failed: Vec<(String, String)>,
    /// What takes back what was done.
    back: Vec<Undo>,
}

impl UnderWay {
    fn is_over(&self) -> bool {
        self.done.len() + self.failed.len() >= self.all
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> String {
        format!("{}: {} of {}", self.verb, self.done.len() + self.failed.len(), self.all)
    }
}

impl State {
    /// Asks about an action on all that is marked; says whether it is one.
    pub(super) fn act_on_marked(&mut self, action: Action) -> bool {
        let Some(targets) = self.targets(action) else { return false };
        let targets: Vec<Target> = targets.collect();
        if let Some(under_way) = &self.together {
            let text = format!("{} is still under way", under_way.progress());
            self.toasts.push(Kind::Warning, text, self.now_ms);
            return true;
        }
        let verb = match action {
            Action::RemoveApp | Action::RemoveServer | Action::Discard => "plan to remove",
            Action::UpdateAgent => "update the agents of",
            other => action::row(other).title,
        };
        let (off, on): (Vec<Target>, Vec<Target>) = targets.into_iter().partition(|target| target.against.is_some());
        let mut text = format!("{}\n\n", then(action));
        for target in &on {
            _ = writeln!(text, "- {}", display_line(&target.name, 100));
        }
        if !off.is_empty() {
            _ = writeln!(text, "\nNot for {}:\n", off.len());
        }
        for target in &off {
            let name = display_line(&target.name, 100);
            _ = writeln!(text, "- {name}: {}", target.against.as_deref().unwrap_or_default());
        }
        let plans = match (&self.view, action) {
            // What is agreed to is shown whole.
            (View::Plans, Action::Approve) => {
                let open = |plan: &&Plan| self.plan_is_off(plan, action).is_none() && plan.approval != Approval::Human;
                self.plans.marked().filter(open).cloned().collect()
            }
            _ => Vec::new(),
        };
        let title = format!("{}{} {}", verb[..1].to_uppercase(), &verb[1..], on.len());
        let yes = if action == Action::Approve { "Approve and apply".to_owned() } else { title.clone() };
        let tasks = on.into_iter().map(|target| Task { name: target.name, effect: target.effect }).collect();
        let effect = Effect::Together { verb, tasks };
        let confirm = Confirm::several(&title, text, plans, &yes, effect);
        self.layer =
            Some(Layer::Confirm(if action == Action::Cancel { confirm.or("Let them go on") } else { confirm }));
        true
    }

    /// Begins what was agreed to; several at once are followed.
    pub(super) fn begin_effect(&mut self, effect: Effect) {
        if let Effect::TakeBack(says) = effect {
            return self.take_back(&says);
        }
        if let Effect::Together { verb, tasks } = &effect {
            let (done, failed, back) = (Vec::new(), Vec::new(), Vec::new());
            self.together = Some(UnderWay { verb, all: tasks.len(), done, failed, back });
            // What is taken back was not marked now.
            if let (false, Some(list)) = (*verb == TAKE_BACK, self.list_mut()) {
                list.unmark();
            }
        }
        self.effects.push(effect);
    }

    /// What came of one of several.
    pub(super) fn took_outcome(&mut self, Outcome { name, told }: Outcome) {
        let Some(under_way) = &mut self.together else { return };
        match told {
            Ok(back) => {
                under_way.done.push(name);
                under_way.back.extend(back);
            }
            Err(Undone::Refused(error)) => under_way.failed.push((name, message(&error, &self.keys))),
            Err(Undone::Failed(why)) => under_way.failed.push((name, why)),
        }
        if !under_way.is_over() {
            self.toasts.progress(under_way.progress(), self.now_ms);
            return;
        }
        let Some(UnderWay { verb, done, failed, back, .. }) = self.together.take() else { return };
        self.undo = Undo::all(back);
        let mut text = format!("{verb}: {} done", done.len());
        if failed.is_empty() {
            self.told_with_undo(text);
        } else {
            _ = write!(text, ", {} not", failed.len());
            let mut lines: Vec<(Kind, String)> =
                failed.iter().map(|(name, why)| (Kind::Error, format!("✗ {name}: {why}"))).collect();
            lines.extend(done.iter().map(|name| (Kind::Info, format!("✓ {name}"))));
            if self.undo.is_some() {
                let key = self.keys.name(Action::Undo);
                lines.push((Kind::Warning, format!("{key} takes back what was done")));
            }
            let whys: Vec<String> = failed.iter().map(|(name, why)| format!("{name}: {why}")).collect();
            self.toasts.push(Kind::Error, format!("{text} – {}", whys.join("; ")), self.now_ms);
            if self.layer.is_none() {
                self.layer = Some(Layer::Text(TextLayer::new(text, lines)));
            }
        }
        self.refresh();
    }
}

/// What comes of an action on several.
const fn then(action: Action) -> &'static str {
    match action {
        Action::StartApp => "Start each of these:",
        Action::StopApp => "Stop each of these. They keep their data and can be started again.",
        Action::RestartApp => "Restart each of these. They do not answer meanwhile.",
        Action::RemoveApp => {
            "Make a plan to remove each of these; its volumes stay. Nothing changes before somebody agrees to a plan by the app's name."
        }
        Action::Discard => "Make a plan to remove each of these. Nothing changes before somebody agrees to a plan.",
        Action::Cancel => "Stop each of these; what it did so far is undone.",
        Action::RemoveRegistry => "Pulls from these sign in as nobody from then on. The passwords cannot be read back.",
        Action::VerifyBackup => "Read each of these to its end:",
        Action::RemoveServer => {
            "Make a plan to forget each of these. Nothing changes before somebody agrees to a plan by the server's name."
        }
        Action::UpdateAgent => {
            "The newest release that was brought to the daemon goes to each of these. A host checks who signed it, tries it out for a \
             minute, and puts the old program back unless the new one connects."
        }
        Action::Approve => "Agree to each of these plans and carry it out:",
        Action::Deny => "Say no to each of these. It cannot be taken back: a plan has to be asked for anew.",
        _ => "End each of these at once. It cannot be taken back.",
    }
}
