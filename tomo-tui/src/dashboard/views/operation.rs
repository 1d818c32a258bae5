//! One change on its way: step, how far, log, and what became of it.

use std::cell::Cell;

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};
use tomo_proto::{
    error::ErrorCode,
    model::{
        app::AppSummary,
        operation::{Evidence, Operation, OperationKind, OperationStatus},
    },
    text::display_line,
};

use crate::{
    cli::output::as_subcommand,
    dashboard::{
        action::{self, Action},
        canvas::{Canvas, split_top},
        views::plan::{draw_scrolled, scroll},
        widgets::gauge::gauge,
    },
    format::{self, wrap},
};

/// The view of one operation.
#[derive(Debug)]
pub(crate) struct OperationView {
    pub(crate) id: String,
    pub(crate) operation: Option<Operation>,
    /// Lines above the end; 0 follows.
    up: usize,
    end: Cell<usize>,
}

impl OperationView {
    pub(crate) fn new(id: String) -> Box<Self> {
        Box::new(Self { id, operation: None, up: 0, end: Cell::new(0) })
    }

    pub(crate) fn of(operation: Operation) -> Box<Self> {
        Box::new(Self { operation: Some(operation.clone()), ..*Self::new(operation.operation.to_string()) })
    }

    /// The app it changed, if that is still there.
    pub(crate) fn app<'a>(&self, apps: &'a [AppSummary]) -> Option<&'a AppSummary> {
        let operation = self.operation.as_ref()?;
        let of_app = operation.kind.is_of_app();
        apps.iter().find(|app| of_app && app.name == operation.target && Some(&app.server) == operation.server.as_ref())
    }

    /// The server that it went to, if it came there.
    pub(crate) fn server(&self) -> Option<&str> {
        let operation = self.operation.as_ref().filter(|one| one.status == OperationStatus::Succeeded)?;
        let went = [
            OperationKind::AddServer,
            OperationKind::ProbeServer,
            OperationKind::InstallAgent,
            OperationKind::UpdateAgent,
        ];
        went.contains(&operation.kind).then_some(&operation.target)
    }

    /// Whether it goes on, and its time with it.
    pub(crate) fn is_under_way(&self) -> bool {
        self.operation.as_ref().is_some_and(|operation| !operation.status.is_final())
    }

    pub(crate) fn act(&mut self, action: Action) -> bool {
        // Counted from the end, so that a growing log stays in sight.
        let turned = match action {
            Action::Up => Action::Down,
            Action::Down => Action::Up,
            Action::HalfPageUp => Action::HalfPageDown,
            Action::HalfPageDown => Action::HalfPageUp,
            Action::PageUp => Action::PageDown,
            Action::PageDown => Action::PageUp,
            Action::Top => Action::Bottom,
            Action::Bottom => Action::Top,
            _ => return false,
        };
        scroll(&mut self.up, self.end.get(), turned)
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let theme = canvas.theme;
        let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
        let Some(operation) = &self.operation else { return };
        let (symbol, style) = theme.status(operation.status);
        let on = operation.server.as_deref().map_or_else(String::new, |server| format!(" on {server}"));
        let head = format!("{} {}{on}", operation.kind.as_str().replace('_', " "), operation.target);
        let took = operation.ended_at.map_or_else(
            || format!("for {}", format::duration(canvas.now_ms.saturating_sub(operation.started_at))),
            |ended| format!("after {}", format::duration(ended.saturating_sub(operation.started_at))),
        );
        let mut lines = vec![
            Line::styled(display_line(&head, usize::from(area.width)), theme.title),
            Line::from(vec![
                Span::styled(format!("{symbol} {}", operation.status.as_str()), style),
                Span::styled(format!(" {took}, by {}", display_line(&operation.actor, 40)), theme.dim),
            ]),
        ];
        if operation.status == OperationStatus::Running {
            lines.push(Line::raw(display_line(&operation.step, usize::from(area.width))));
        }
        if let Some(error) = &operation.error {
            let width = usize::from(area.width);
            lines.extend(wrap(&error.message, width).into_iter().map(|line| Line::styled(line, theme.bad)));
            let next = match error.code {
                ErrorCode::Sealed => {
                    let unlock = action::row(Action::UnlockVault);
                    Some(format!("{} ({})", unlock.title, canvas.keys.name(Action::UnlockVault)))
                }
                // Its log is right here.
                _ => error.next.clone().filter(|next| !next.starts_with("operation_get ")),
            };
            if let Some(next) = next {
                lines.extend(
                    wrap(&format!("next: {}", as_subcommand(&next)), width)
                        .into_iter()
                        .map(|line| Line::styled(line, theme.accent)),
                );
            }
        }
        if operation.status == OperationStatus::Succeeded && self.app_is_there() {
            lines.push(Line::styled(format!("{} shows the app", canvas.keys.name(Action::Open)), theme.dim));
        }
        if self.server().is_some() {
            lines.push(Line::styled(format!("{} shows the server", canvas.keys.name(Action::Open)), theme.dim));
        }
        let (top, rest) = split_top(area, u16::try_from(lines.len()).unwrap_or(u16::MAX));
        canvas.lines(top, &lines);
        let percent = operation.percent.filter(|_| operation.status == OperationStatus::Running);
        let (bar, rest) = split_top(rest, u16::from(percent.is_some()));
        if let Some(percent) = percent {
            let spans =
                gauge(Some(f64::from(percent) / 100.0), &format!("{percent} %"), usize::from(bar.width.min(60)), theme);
            canvas.line(bar, &Line::from(spans));
        }
        let mut shown = operation.log.clone();
        shown.extend(operation.evidence.iter().flat_map(Evidence::lines));
        let inner = canvas.section(rest, &format!("log ({} lines)", shown.len()), false);
        let log: Vec<Line<'_>> =
            shown.iter().map(|line| Line::raw(display_line(line, usize::from(inner.width)))).collect();
        let hidden = log.len().saturating_sub(usize::from(inner.height));
        draw_scrolled(canvas, inner, &log, hidden.saturating_sub(self.up), &self.end);
    }

    fn app_is_there(&self) -> bool {
        self.operation.as_ref().is_some_and(|operation| {
            matches!(
                operation.kind,
                OperationKind::DeployApp | OperationKind::StartApp | OperationKind::StopApp | OperationKind::RestartApp
            )
        })
    }
}
