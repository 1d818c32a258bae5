//! A screen that stands still: what the daemon tells meanwhile is held, and shown when it is let go.

use std::mem::discriminant;

use crate::dashboard::{
    action::Action,
    event::Answer,
    state::{Fetch, State},
    views::View,
};

/// Since when, and the newest of each kind that came meanwhile.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) since_ms: u64,
    held: Vec<Answer>,
}

impl State {
    /// The time that the screen is of (UTC ms).
    pub(crate) fn shown_at(&self) -> u64 {
        self.frozen.as_ref().map_or(self.now_ms, |frozen| frozen.since_ms)
    }

    /// Holds the screen, or lets it go.
    pub(super) fn freeze(&mut self) {
        if self.frozen.is_some() {
            self.let_go();
            return;
        }
        self.frozen = Some(Frozen { since_ms: self.now_ms, held: Vec::new() });
        let text = format!("the screen stands still; {} lets it go", self.keys.name(Action::Freeze));
        self.toasts.progress(text, self.now_ms);
    }

    /// Shows everything that was held.
    pub(super) fn let_go(&mut self) {
        let Some(Frozen { held, .. }) = self.frozen.take() else { return };
        for answer in held {
            self.answer(answer);
        }
        // Of the figures only the newest were held.
        self.fetch_history();
    }

    /// Holds an answer that would change a frozen screen; gives back any other.
    pub(super) fn hold(&mut self, answer: Answer) -> Option<Answer> {
        let fetch = match (&answer, &self.view) {
            (Answer::Operation(id, Ok(_)), View::Operation(view)) if view.id == *id => Some(Fetch::View),
            _ => is_data(&answer),
        };
        let (Some(frozen), Some(fetch)) = (&mut self.frozen, fetch) else { return Some(answer) };
        frozen.held.retain(|held| discriminant(held) != discriminant(&answer));
        frozen.held.push(answer);
        self.fetched(fetch);
        None
    }
}

/// What an answer was fetched for, if it is data that come by themselves.
fn is_data(answer: &Answer) -> Option<Fetch> {
    Some(match answer {
        Answer::Overview(Ok(_)) => Fetch::Overview,
        Answer::Servers(Ok(_)) => Fetch::Servers,
        Answer::Rows(Ok(_)) => Fetch::Rows,
        Answer::Apps(Ok(_)) => Fetch::Apps,
        Answer::Plans(Ok(_)) => Fetch::Plans,
        Answer::Operations(Ok(_)) => Fetch::Operations,
        Answer::Server(_, Ok(_))
        | Answer::Container(_, _, Ok(_))
        | Answer::App(_, Ok(_))
        | Answer::Plan(_, Ok(_))
        | Answer::Stock(_, Ok(_))
        | Answer::Backups(_, Ok(_))
        | Answer::Registries(Ok(_))
        | Answer::People(Ok(_))
        | Answer::Settings(Ok(_))
        | Answer::Audit(None, Ok(_)) => Fetch::View,
        _ => return None,
    })
}
