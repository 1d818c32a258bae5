//! Everything that needs attention: what, where, since when, and where it leads.

use std::{borrow::Cow, cmp::Ordering};

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};
use tomo_proto::api::overview::{Problem, Severity};

use crate::{
    cli::output::as_subcommand,
    dashboard::{
        canvas::{Canvas, split_bottom},
        list::Listed,
        state::State,
        views::{draw_list, safe},
        widgets::table::{Column, column, growing, number, prose},
    },
    format::{self, wrap},
};

const LEVEL: usize = 0;
const WHERE: usize = 1;
const WHAT: usize = 2;

/// A problem, and since when it is there, or when this dashboard saw it first (UTC ms).
#[derive(Debug)]
pub(crate) struct Alert {
    pub(crate) problem: Problem,
    since_ms: u64,
}

impl Alert {
    pub(crate) fn new(problem: Problem, now_ms: u64) -> Self {
        let since_ms = problem.began_at.unwrap_or(now_ms);
        Self { problem, since_ms }
    }
}

pub(crate) fn draw(state: &State, canvas: &mut Canvas<'_>, area: Rect) {
    let (theme, now_ms) = (canvas.theme, canvas.now_ms);
    let usual = area.height - if area.height < 12 { 0 } else { area.height / 3 };
    let (rows, whole) = split_bottom(area, area.height - state.panes.list(area.height, usual));
    draw_list(&state.alerts, canvas, rows, &["nothing needs attention"], |alert, index, width| match index {
        LEVEL => level(alert.problem.severity, theme),
        WHERE => safe(&alert.problem.subject, width),
        WHAT => safe(&alert.problem.message, width),
        _ => Line::from(format::age(now_ms, alert.since_ms)),
    });
    let Some(Alert { problem, .. }) = state.alerts.selected().filter(|_| whole.height > 1) else { return };
    let inner = canvas.section(whole, &problem.subject, false);
    let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
    let width = usize::from(inner.width);
    let mut lines: Vec<Line<'_>> = wrap(&problem.message, width).into_iter().map(Line::from).collect();
    if !problem.next.is_empty() {
        let next = format!("next: {}", as_subcommand(&problem.next));
        lines.extend(wrap(&next, width).into_iter().map(|line| Line::styled(line, theme.accent)));
    }
    lines.extend(problem.log.iter().map(|line| safe(line, inner.width).style(theme.dim)));
    canvas.lines(inner, &lines);
}

fn level(severity: Severity, theme: &crate::dashboard::theme::Theme) -> Line<'static> {
    let (text, style) = match severity {
        Severity::Critical => ("✗ critical", theme.bad),
        Severity::Warning => ("▲ warning", theme.warn),
    };
    Line::from(Span::styled(text, style))
}

impl Listed for Alert {
    type Key = (String, Severity, String);
    const COLUMNS: &'static [Column] =
        &[column("LEVEL", 10, 0), growing("WHERE", 14, 0), prose("WHAT", 30, 0), number("SINCE", 9, 1)];

    /// A figure in it may change while it stays the same problem.
    fn key(&self) -> Self::Key {
        let Problem { severity, subject, message, .. } = &self.problem;
        (subject.clone(), *severity, message.chars().filter(|character| !character.is_ascii_digit()).collect())
    }

    fn keep(&mut self, before: &mut Self) {
        self.since_ms = self.problem.began_at.unwrap_or(before.since_ms);
    }

    fn cells(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let level = match self.problem.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
        };
        vec![
            ("where", self.problem.subject.as_str().into()),
            ("what", self.problem.message.as_str().into()),
            ("level", level.into()),
        ]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(&self.problem).unwrap_or_default()
    }

    fn compare(&self, other: &Self, column: usize) -> Ordering {
        match column {
            LEVEL => self.problem.severity.cmp(&other.problem.severity),
            WHERE => self.problem.subject.cmp(&other.problem.subject),
            WHAT => self.problem.message.cmp(&other.problem.message),
            _ => self.since_ms.cmp(&other.since_ms),
        }
    }

    fn downwards(_column: usize) -> bool {
        false
    }
}
