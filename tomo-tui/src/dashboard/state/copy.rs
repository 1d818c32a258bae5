//! Copying what is selected: its name, or all of it as JSON.

use crate::dashboard::{
    action::Action,
    clipboard::Clipboard,
    effect::Effect,
    layers::{Layer, text::TextLayer},
    state::State,
    toast::Kind,
    views::View,
};

impl State {
    /// What an action copies.
    fn to_copy(&self, action: Action) -> Option<String> {
        let whole = action == Action::CopyRow;
        if let Some(copied) = self.list().and_then(|list| list.copied(whole)) {
            return Some(copied);
        }
        let json = match &self.view {
            View::Logs(view) => return view.line(),
            View::App(view) => serde_json::to_string_pretty(view.detail.as_ref()?),
            View::Plan(view) => serde_json::to_string_pretty(view.plan.as_ref()?),
            View::Operation(view) => serde_json::to_string_pretty(view.operation.as_ref()?),
            View::Container(view) => serde_json::to_string_pretty(view.detail.as_ref()?),
            View::Server(view) => serde_json::to_string_pretty(view.summary()?),
            _ => return None,
        };
        if whole { json.ok() } else { self.view.path().pop() }
    }

    /// Why there is nothing to copy.
    pub(super) fn nothing_to_copy(&self, action: Action) -> Option<String> {
        self.to_copy(action).is_none().then(|| "nothing is selected that could be copied".to_owned())
    }

    pub(super) fn copy_selected(&mut self, action: Action) {
        if let Some(text) = self.to_copy(action) {
            self.copy(text);
        }
    }

    /// Copies a text, or shows it where nobody takes it.
    pub(super) fn copy(&mut self, text: String) {
        match self.clipboard {
            way if !way.takes(text.len()) => {
                let why = if way == Clipboard::Nobody { "this terminal takes no copies" } else { "it is too long" };
                self.show_uncopied(text, why);
            }
            Clipboard::Tmux => self.effects.push(Effect::LoadTmux(text)),
            _ => {
                let told = format!("sent {} to the terminal's clipboard (OSC 52)", characters(&text));
                self.toasts.push(Kind::Info, told, self.now_ms);
                self.effects.push(Effect::Copy(text));
            }
        }
    }

    /// What became of a copy through tmux.
    pub(super) fn copied(&mut self, text: String, told: Result<(), String>) {
        match told {
            Ok(()) => {
                let told = format!("copied {} (tmux)", characters(&text));
                self.toasts.push(Kind::Info, told, self.now_ms);
            }
            Err(why) => self.show_uncopied(text, &why),
        }
    }

    /// Never silent: whoever wanted it sees it, to select it by hand.
    fn show_uncopied(&mut self, text: String, why: &str) {
        let mouse = self.keys.name(Action::Mouse);
        let told =
            format!("not copied: {why}. Shift and the mouse select text, or {mouse} gives the mouse to the terminal");
        self.toasts.push(Kind::Warning, told, self.now_ms);
        // What is shown once stays.
        if self.layer.is_none() {
            let lines = text.lines().map(|line| (Kind::Info, line.to_owned())).collect();
            self.layer = Some(Layer::Text(TextLayer::new("To copy by hand".to_owned(), lines)));
        }
    }
}

fn characters(text: &str) -> String {
    match text.chars().count() {
        1 => "1 character".to_owned(),
        count => format!("{count} characters"),
    }
}
