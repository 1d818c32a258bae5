//! Why an app does not work: the causes, each with what speaks for it and the next step. What others wrote is quoted and dim.

use std::cell::Cell;

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};
use tomo_proto::{
    model::diagnosis::{Cause, Confidence, Diagnosis},
    text::display_line,
};

use crate::{
    cli::output::as_subcommand,
    dashboard::{
        action::Action,
        canvas::Canvas,
        theme::Theme,
        views::{
            plan::{draw_scrolled, scroll},
            status_line,
        },
    },
    format::{self, wrap},
};

/// Left of what belongs to a cause.
const INDENT: &str = "   ";
/// Characters of one quote, with who says it.
const QUOTE: usize = 360;

/// The view of one diagnosis.
#[derive(Debug)]
pub(crate) struct DiagnosisView {
    /// Id of the app; server/name of a container that is no app's.
    pub(crate) app: String,
    pub(crate) name: String,
    pub(crate) diagnosis: Option<Diagnosis>,
    place: usize,
    end: Cell<usize>,
}

impl DiagnosisView {
    pub(crate) fn new(app: String, name: String) -> Box<Self> {
        Box::new(Self { app, name, diagnosis: None, place: 0, end: Cell::new(0) })
    }

    pub(crate) fn act(&mut self, action: Action) -> bool {
        scroll(&mut self.place, self.end.get(), action)
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let theme = canvas.theme;
        let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
        let Some(diagnosis) = &self.diagnosis else { return };
        let width = usize::from(area.width);
        let mut first = status_line(theme, diagnosis.status, diagnosis.status.as_str());
        first.spans.push(Span::raw(format!("  on {}", display_line(&diagnosis.server, 40))));
        let mut lines = vec![first];
        lines.extend(wrap(&diagnosis.verdict, width).into_iter().map(|line| Line::styled(line, theme.title)));
        if let Some(change) = &diagnosis.last_change {
            let kind = change.kind.as_str().replace('_', " ");
            let age = format::age(canvas.now_ms, change.at);
            let text = format!("last change: {kind} {} {age}, by {}", change.status.as_str(), change.actor);
            lines.push(Line::styled(display_line(&text, width), theme.dim));
        }
        for missed in &diagnosis.not_seen {
            lines.push(Line::styled(display_line(&format!("not seen: {missed}"), width), theme.warn));
        }
        for (number, cause) in diagnosis.causes.iter().enumerate() {
            lines.push(Line::default());
            lines.extend(cause_lines(number + 1, cause, theme, width, canvas.now_ms));
        }
        draw_scrolled(canvas, area, &lines, self.place, &self.end);
    }
}

fn cause_lines(number: usize, cause: &Cause, theme: &Theme, width: usize, now_ms: u64) -> Vec<Line<'static>> {
    let style = match cause.confidence {
        Confidence::Certain => theme.bad,
        Confidence::Likely => theme.warn,
        Confidence::Possible => theme.text,
    };
    let room = width.saturating_sub(INDENT.len());
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("{number}. {}", cause.cause.as_str().replace('_', " ")), theme.title),
        Span::styled(format!("  {}", cause.confidence.as_str()), style),
    ])];
    let inner = |text: &str, style| {
        wrap(text, room).into_iter().map(move |line| Line::styled(format!("{INDENT}{line}"), style)).collect::<Vec<_>>()
    };
    lines.extend(inner(&cause.explanation, theme.text));
    for quote in &cause.untrusted.evidence {
        let age = quote.at.map_or_else(String::new, |at| format!(" {}", format::age(now_ms, at)));
        let text = format!("{}{age} | {}", quote.source.as_str(), quote.text);
        lines.extend(inner(&display_line(&text, QUOTE), theme.dim));
    }
    lines.extend(inner(&format!("next: {}", as_subcommand(&cause.next)), theme.accent));
    lines
}
