//! Oneself: who one is here and what one may do, one's logins and API tokens.

use ratatui::layout::Rect;
use tomo_proto::api::auth::WhoamiAnswer;

use crate::dashboard::{
    canvas::Canvas,
    list::List,
    people::People,
    state::State,
    views::person::{SignedIn, draw_facts, draw_signed_in, signed_in, words},
};

/// The view.
#[derive(Debug, Default)]
pub(crate) struct ProfileView {
    pub(crate) list: List<SignedIn>,
}

impl ProfileView {
    /// An admin's answer holds everybody's: only one's own are shown here.
    pub(crate) fn take(&mut self, people: People, who: &WhoamiAnswer) {
        self.list.replace(who.actor.strip_prefix("user:").map_or_else(Vec::new, |name| signed_in(people, name)));
    }

    pub(crate) fn draw(&self, state: &State, canvas: &mut Canvas<'_>, area: Rect) {
        let Some(who) = &state.who else { return };
        let rest = draw_facts(canvas, area, &facts(who));
        match (who.person, who.role) {
            (false, _) => {
                let rest = Rect { x: rest.x + rest.width.min(1), width: rest.width.saturating_sub(2), ..rest };
                canvas.text(rest, "an API token has neither logins nor tokens of its own", canvas.theme.dim);
            }
            (true, None) => {
                let empty = "the local socket has no logins; API tokens made by it are the first admin's";
                draw_signed_in(canvas, rest, &self.list, empty);
            }
            (true, Some(_)) => draw_signed_in(canvas, rest, &self.list, "nothing of yours is signed in"),
        }
    }
}

fn facts(who: &WhoamiAnswer) -> Vec<(&'static str, String)> {
    let may = format!("may {}", words(&who.scopes));
    let mut facts = vec![
        ("you are", who.actor.clone()),
        ("role", who.role.map_or_else(|| may.clone(), |role| format!("{}: {may}", role.as_str()))),
    ];
    if !who.selectors.is_empty() {
        facts.push(("sees", who.selectors.in_words()));
    }
    let at = who.url.as_ref().map_or_else(String::new, |url| format!(" at {url}"));
    facts.push(("daemon", format!("{}{at}", who.daemon_version)));
    facts
}
