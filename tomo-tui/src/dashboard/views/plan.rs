//! One plan, whole: canonical facts first, the asker's words quoted below.

use std::cell::Cell;

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};
use tomo_proto::model::plan::{Approval, ChangeOp, Plan, PlanStatus};

use crate::dashboard::{
    action::Action,
    canvas::{Canvas, split_bottom},
    theme::Theme,
    views::{fact, status_line},
};
use crate::format::{self, wrap};

/// The view of one plan.
#[derive(Debug)]
pub(crate) struct PlanView {
    pub(crate) id: String,
    pub(crate) plan: Option<Plan>,
    scroll: usize,
    end: Cell<usize>,
}

impl PlanView {
    pub(crate) fn new(id: String) -> Box<Self> {
        Box::new(Self { id, plan: None, scroll: 0, end: Cell::new(0) })
    }

    pub(crate) fn of(plan: Plan) -> Box<Self> {
        Box::new(Self { plan: Some(plan.clone()), ..*Self::new(plan.plan.to_string()) })
    }

    pub(crate) fn act(&mut self, action: Action) -> bool {
        scroll(&mut self.scroll, self.end.get(), action)
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
        let Some(plan) = &self.plan else { return };
        let lines = plan_lines(plan, canvas.theme, usize::from(area.width), canvas.now_ms);
        draw_scrolled(canvas, area, &lines, self.scroll, &self.end);
    }
}

/// Moves a view of lines; says whether the action was one of moving.
pub(crate) fn scroll(place: &mut usize, end: usize, action: Action) -> bool {
    *place = match action {
        Action::Up => place.saturating_sub(1),
        Action::Down => *place + 1,
        Action::HalfPageUp | Action::PageUp => place.saturating_sub(10),
        Action::HalfPageDown | Action::PageDown => *place + 10,
        Action::Top => 0,
        Action::Bottom => usize::MAX,
        _ => return false,
    }
    .min(end);
    true
}

/// Draws lines from a place on, and remembers how far one can go.
pub(crate) fn draw_scrolled(canvas: &mut Canvas<'_>, area: Rect, lines: &[Line<'_>], place: usize, end: &Cell<usize>) {
    let hidden = lines.len().saturating_sub(usize::from(area.height));
    end.set(hidden);
    let rest = &lines[place.min(hidden)..];
    if place >= hidden || area.height < 2 {
        canvas.lines(area, rest);
        return;
    }
    let (shown, last) = split_bottom(area, 1);
    canvas.lines(shown, rest);
    let more = format!("↓ {} more", rest.len() - usize::from(shown.height));
    canvas.text(last, &more, canvas.theme.dim);
}

/// How a plan stands. Of one that was applied, its operation tells.
pub(super) fn standing(plan: &Plan, theme: &Theme) -> Line<'static> {
    match plan.outcome {
        Some(outcome) if plan.status == PlanStatus::Applied => status_line(theme, outcome, outcome.as_str()),
        _ => status_line(theme, plan.status, plan.status.as_str()),
    }
}

/// A plan in lines no wider than `width`.
pub(crate) fn plan_lines(plan: &Plan, theme: &Theme, width: usize, now_ms: u64) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> =
        wrap(&plan.summary, width).into_iter().map(|line| Line::styled(line, theme.title)).collect();
    let until = match plan.status {
        PlanStatus::Pending | PlanStatus::Approved => {
            let yet = if plan.status == PlanStatus::Approved { ", not applied yet" } else { "" };
            format!("{yet}, for another {}", format::duration(plan.expires_at.saturating_sub(now_ms)))
        }
        _ => String::new(),
    };
    let mut status = standing(plan, theme);
    status.push_span(Span::styled(until, theme.status(plan.status).1));
    lines.push(status);
    lines.push(Line::default());
    for change in &plan.changes {
        let (sign, style) = match change.op {
            ChangeOp::Add => ('+', theme.good),
            ChangeOp::Set => ('~', theme.warn),
            ChangeOp::Remove => ('-', theme.bad),
        };
        let (from, to) = (change.from.as_deref().unwrap_or_default(), change.to.as_deref().unwrap_or_default());
        let arrow = if from.is_empty() || to.is_empty() { "" } else { " → " };
        let text = format!("{}: {from}{arrow}{to}", change.path);
        lines.extend(fact(Span::styled(format!("{sign} "), style), &text, style, width));
    }
    if plan.changes.is_empty() {
        lines.push(Line::styled("nothing changes", theme.dim));
    }
    let mut note = |head: &str, text: &str, style| {
        lines.push(Line::default());
        let wrapped = wrap(&format!("{head}: {text}"), width);
        lines.extend(wrapped.into_iter().map(|line| Line::styled(line, style)));
    };
    if let Some(loss) = &plan.data_loss {
        note("lost for good", loss, theme.bad);
    }
    if let Some(downtime) = &plan.downtime {
        let style = if downtime.starts_with("none") { theme.text } else { theme.warn };
        note("downtime", downtime, style);
    }
    for warning in &plan.warnings {
        note("note", warning, theme.warn);
    }
    lines.push(Line::default());
    let who = match plan.approval {
        Approval::Confirm => "a person agrees",
        Approval::Human => "a person agrees by typing the target's name",
    };
    let mut fact = |name: &str, text: String| {
        lines.extend(fact(Span::styled(format!("{name:<10} "), theme.dim), &text, theme.dim, width));
    };
    fact("asked by", format!("{}, {}", plan.requested_by, format::age(now_ms, plan.created_at)));
    if let Some(reason) = &plan.reason {
        fact("reason", format!("\"{reason}\""));
    }
    if let Some(decided) = &plan.decided_by {
        fact("decided by", decided.clone());
    }
    if plan.status == PlanStatus::Pending {
        fact("needs", who.to_owned());
    }
    if let Some(operation) = &plan.operation {
        fact("became", operation.to_string());
    }
    lines
}
