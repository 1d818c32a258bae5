//! Whether the audit trail is whole: what was checked, and what each witness says of it.

use std::cell::Cell;

use ratatui::{layout::Rect, text::Line};
use tomo_proto::{api::audit::AuditVerifyAnswer, text::display_line};

use crate::{
    cli::audit::report,
    dashboard::{
        action::Action,
        canvas::Canvas,
        theme::Theme,
        views::plan::{draw_scrolled, scroll},
    },
    format::wrap,
};

/// The view.
#[derive(Debug, Default)]
pub(crate) struct VerdictView {
    pub(crate) answer: Option<AuditVerifyAnswer>,
    place: usize,
    end: Cell<usize>,
}

impl VerdictView {
    pub(crate) fn act(&mut self, action: Action) -> bool {
        scroll(&mut self.place, self.end.get(), action)
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
        let Some(answer) = &self.answer else { return };
        let lines = lines(answer, canvas.theme, usize::from(area.width));
        draw_scrolled(canvas, area, &lines, self.place, &self.end);
    }
}

fn lines(answer: &AuditVerifyAnswer, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let mut told = match &answer.broken {
        Some(broken) => vec![
            (format!("✗ the audit trail was tampered with: {}", display_line(broken, 400)), theme.bad),
            ("Stop the daemon, keep its folder, restore the newest backup that is found sound.".to_owned(), theme.warn),
        ],
        None => vec![("✓ the audit trail is whole: no row was changed or taken away".to_owned(), theme.good)],
    };
    told.push((" ".to_owned(), theme.text));
    // Of a trail that is broken, no row counts as verified.
    let from = usize::from(answer.broken.is_some());
    told.extend(report(answer).into_iter().skip(from).map(|line| (line, theme.text)));
    let mut lines = Vec::new();
    for (text, style) in told {
        let indent = if text.starts_with(' ') { "  " } else { "" };
        let parts = wrap(&text, width.saturating_sub(indent.len()));
        lines.extend(parts.into_iter().map(|part| Line::styled(format!("{indent}{part}"), style)));
    }
    lines
}
