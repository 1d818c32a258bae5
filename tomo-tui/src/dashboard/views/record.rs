//! One row of the audit trail, in full.

use std::cell::Cell;

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use tomo_proto::{model::audit::AuditEntry, text::display_line};

use crate::{
    dashboard::{
        action::Action,
        canvas::Canvas,
        theme::Theme,
        views::{
            audit::on,
            person::moment,
            plan::{draw_scrolled, scroll},
            status_line,
        },
    },
    format::wrap,
};

/// Columns of a fact's name.
const LABEL: usize = 10;

/// The view.
#[derive(Debug)]
pub(crate) struct RecordView {
    entry: AuditEntry,
    title: String,
    place: usize,
    end: Cell<usize>,
}

impl RecordView {
    pub(crate) fn new(entry: AuditEntry) -> Box<Self> {
        let title = format!("row {}", entry.seq);
        Box::new(Self { entry, title, place: 0, end: Cell::new(0) })
    }

    /// What the path calls it.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    pub(crate) fn act(&mut self, action: Action) -> bool {
        scroll(&mut self.place, self.end.get(), action)
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
        let lines = lines(&self.entry, canvas.theme, usize::from(area.width), canvas.now_ms);
        draw_scrolled(canvas, area, &lines, self.place, &self.end);
    }
}

fn lines(entry: &AuditEntry, theme: &Theme, width: usize, now_ms: u64) -> Vec<Line<'static>> {
    let mut head = status_line(theme, entry.outcome, entry.outcome.as_str());
    let action = display_line(&entry.action, width.saturating_sub(12));
    head.spans.insert(0, Span::styled(format!("{action}  "), theme.title));
    let mut lines = vec![head, Line::default()];
    let mut fact = |label: &str, text: &str, style: Style| {
        let text = display_line(text, 4_000);
        for (place, part) in wrap(&text, width.saturating_sub(LABEL)).into_iter().enumerate() {
            let label = if place == 0 { label } else { "" };
            lines
                .push(Line::from(vec![Span::styled(format!("{label:<LABEL$}"), theme.dim), Span::styled(part, style)]));
        }
    };
    fact("when", &moment(now_ms, entry.at_ms), theme.text);
    fact("who", &entry.actor, theme.text);
    fact("from", &entry.ip_address, theme.text);
    fact("on", &on(entry), theme.text);
    fact("details", &entry.details, theme.text);
    if let Some(reason) = &entry.reason {
        fact("reason", &format!("\"{reason}\""), theme.dim);
    }
    fact("row", &entry.seq.to_string(), theme.text);
    fact("hash", &entry.hash, theme.dim);
    lines
}
