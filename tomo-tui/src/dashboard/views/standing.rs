//! What is said instead of a view that has nothing to show yet, and above one that could not be brought up to date.

use ratatui::{layout::Rect, style::Style};

use crate::{
    dashboard::{
        action::Action,
        canvas::{Canvas, split_top},
        state::{Link, State},
        views::View,
    },
    format::wrap,
};

/// Says how the view stands where it does not speak for itself; gives back the room that is left for it, if it has something to show.
pub(super) fn draw(state: &State, canvas: &mut Canvas<'_>, area: Rect) -> Option<Rect> {
    let theme = canvas.theme;
    let (is_there, again) = (is_there(state), canvas.keys.name(Action::Refresh));
    let why = match &state.view {
        View::Logs(view) => view.error.as_ref(),
        _ => state.refused.as_ref(),
    };
    let said: [(String, Style); 2] = match (why, &state.link) {
        (None, _) if is_there => return Some(area),
        (Some(why), _) if is_there => [
            (format!("▲ {why}"), theme.warn),
            (format!("what stands below is from before; {again} asks again"), theme.dim),
        ],
        (Some(why), _) => [(format!("✗ {why}"), theme.bad), (format!("{again} asks again"), theme.dim)],
        (None, Link::Live) => [(awaited(&state.view).to_owned(), theme.dim), (String::new(), theme.dim)],
        (None, Link::Connecting) => {
            [(format!("connecting to {}", state.daemon), theme.dim), (String::new(), theme.dim)]
        }
        (None, Link::Lost { .. }) => [
            (format!("nothing to show yet: {} cannot be reached", state.daemon), theme.dim),
            ("it comes by itself as soon as the daemon answers".to_owned(), theme.dim),
        ],
    };
    let inner = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
    let lines: Vec<(String, Style)> = said
        .into_iter()
        .filter(|(text, _)| !text.is_empty())
        .flat_map(|(text, style)| wrap(&text, usize::from(inner.width)).into_iter().map(move |line| (line, style)))
        .collect();
    // Some of the view stays in sight, however small the screen is.
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let height = if is_there { height.min(area.height / 2) } else { height };
    let (head, _) = split_top(inner, height);
    for (row, (line, style)) in head.rows().zip(lines) {
        canvas.text(row, &line, style);
    }
    is_there.then(|| split_top(area, height).1)
}

/// Whether a view has something to show; some say by themselves that they have nothing.
fn is_there(state: &State) -> bool {
    match &state.view {
        View::Login(_) | View::Record(_) => true,
        View::Overview => state.servers.loaded,
        View::Alerts => state.overview.is_some(),
        View::Server(view) => view.summary().is_some(),
        View::Compare(view) => view.has_come(),
        View::Container(view) => view.detail.is_some(),
        View::Stock(view) => view.list.loaded,
        View::Backups(view) => view.list.loaded,
        View::Registries(view) => view.list.loaded,
        View::Users(view) => view.list.loaded,
        View::Person(view) => view.user.is_some(),
        // A program has neither logins nor tokens.
        View::Profile(view) => view.list.loaded || state.who.as_ref().is_some_and(|who| !who.person),
        View::Tokens(view) => view.list.loaded,
        View::Audit(view) => view.list.loaded,
        View::Settings(view) => view.list.loaded,
        View::Verdict(view) => view.answer.is_some(),
        View::Apps => state.apps.loaded,
        View::App(view) => view.detail.is_some(),
        View::Diagnosis(view) => view.diagnosis.is_some(),
        // It says by itself what it waits for.
        View::Logs(view) => view.has_come() || view.error.is_none(),
        View::Plans => state.plans.loaded,
        View::Plan(view) => view.plan.is_some(),
        View::Operations => state.operations.loaded,
        View::Operation(view) => view.operation.is_some(),
        View::Catalog => state.catalog.loaded,
        View::Template(view) => view.entry.is_some(),
    }
}

/// What is waited for.
fn awaited(view: &View) -> &'static str {
    match view {
        View::Diagnosis(_) => "looking for what is wrong",
        View::Verdict(_) => "checking every row, and asking who witnesses them",
        _ => "loading",
    }
}
