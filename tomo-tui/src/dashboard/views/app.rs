//! One app: how it does, what it uses, what runs, and the configurations before.

use std::cell::Cell;

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use tomo_proto::{
    model::{app::AppDetail, container::ContainerState, operation::Operation},
    text::display_line,
};

use crate::dashboard::{
    action::Action,
    canvas::Canvas,
    event::MetricsRange,
    state::State,
    views::{
        self,
        apps::health,
        marks::marks_of,
        plan::{draw_scrolled, scroll},
        status_line,
        usage::{Measured, Usage},
    },
};
use crate::format::{self, wrap};

/// The view of one app.
#[derive(Debug)]
pub(crate) struct AppView {
    /// Its id.
    pub(crate) app: String,
    pub(crate) detail: Option<AppDetail>,
    /// The form opens as soon as it is known what runs.
    pub(crate) edit_when_loaded: bool,
    pub(crate) usage: Usage,
    place: usize,
    end: Cell<usize>,
}

impl AppView {
    pub(crate) fn new(app: String) -> Box<Self> {
        Box::new(Self {
            app,
            detail: None,
            edit_when_loaded: false,
            usage: Usage::default(),
            place: 0,
            end: Cell::new(0),
        })
    }

    pub(crate) fn title(&self) -> &str {
        self.detail.as_ref().map_or(&self.app, |detail| &detail.summary.name)
    }

    /// Takes fresh facts over: what to fetch with them.
    pub(crate) fn take(&mut self, detail: AppDetail, now_ms: u64) -> Option<MetricsRange> {
        let own = (&detail.summary.name, detail.container.as_ref());
        let others = detail.services.iter().map(|(name, container)| (name, Some(container)));
        let of = std::iter::once(own).chain(others).filter_map(|(name, container)| {
            let container = container?.name.clone();
            Some(Measured { name: name.clone(), container })
        });
        let range = self.usage.follow(&detail.summary.server, of.collect(), now_ms);
        self.detail = Some(detail);
        range
    }

    /// Does what the view does by itself: whether it did, and what to fetch.
    pub(crate) fn act(&mut self, action: Action, now_ms: u64) -> (bool, Option<MetricsRange>) {
        match self.usage.act(action, now_ms) {
            (false, _) => (scroll(&mut self.place, self.end.get(), action), None),
            done => done,
        }
    }

    pub(crate) fn draw(&self, state: &State, canvas: &mut Canvas<'_>, area: Rect) {
        let theme = canvas.theme;
        let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
        let Some(detail) = &self.detail else { return };
        let width = usize::from(self.usage.width_of_facts(area.width));
        let app = &detail.summary;
        let mut lines: Vec<Line<'static>> = Vec::new();
        let mut first = status_line(theme, app.status, app.status.as_str());
        first.spans.push(Span::raw(format!("  on {}  ", display_line(&app.server, 40))));
        first.spans.extend(health(theme, app.health).spans);
        lines.push(first);
        if let Some(error) = &detail.last_error {
            let error = format!("the last deploy failed: {error}");
            lines.extend(wrap(&error, width).into_iter().map(|line| Line::styled(line, theme.bad)));
        }
        let mut fact = |name: &str, text: String, style: Style| {
            lines.extend(views::fact(Span::styled(format!("{name:<11} "), theme.dim), &text, style, width));
        };
        fact("image", app.image.clone(), theme.text);
        if let Some(check) = &detail.image_check {
            let style = if check.is_update() { theme.accent } else { theme.dim };
            let asked = format::age(canvas.now_ms, check.checked_at);
            fact("registry", format!("{} (asked {asked})", format::image_check(check)), style);
            if check.is_update() {
                fact("", "p pulls it onto the server; e deploys the app again, with it".to_owned(), theme.accent);
            }
        }
        for last in &detail.backups {
            let (proof, style) = match &last.drill {
                None => ("its restore was never proven".to_owned(), theme.dim),
                Some(drill) if drill.proven => {
                    (format!("restore proven {}", format::age(canvas.now_ms, drill.at)), theme.text)
                }
                Some(drill) => (format!("the last drill failed: {}", drill.result), theme.bad),
            };
            let made = format::age(canvas.now_ms, last.created_at);
            fact("backup", format!("of {} {made}; {proof}", last.volume), style);
        }
        if !app.ports.is_empty() {
            fact("ports", format::ports(&app.ports), theme.text);
        }
        if let (Some(cores), Some(memory)) = (app.cpu_cores, app.memory_bytes) {
            let limit = detail
                .spec
                .memory_limit_bytes
                .map_or_else(String::new, |limit| format!(" of {}", format::bytes(limit)));
            fact("uses", format!("{cores:.2} cores, {}{limit}", format::bytes(memory)), theme.text);
        }
        if app.restarts > 0 {
            fact("restarts", format!("{} by the engine", app.restarts), theme.warn);
        }
        fact("restart", detail.spec.restart.as_str().to_owned(), theme.text);
        if !detail.spec.command.is_empty() {
            fact("command", views::safe_words(&detail.spec.command, " "), theme.text);
        }
        if let Some(health) = &detail.spec.health {
            fact("health", health.to_string(), theme.text);
        }
        for (key, value) in &detail.spec.env {
            fact("env", format!("{key}={value}"), theme.text);
        }
        for (path, contents) in &detail.spec.files {
            fact("file", format::file(path, contents), theme.text);
        }
        for volume in &detail.spec.volumes {
            let mode = if volume.read_only { " (read-only)" } else { "" };
            fact("volume", format!("{} at {}{mode}", volume.source, volume.target), theme.text);
        }
        if let Some(container) = &detail.container {
            let code = container.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
            fact("container", format!("{} {}{code}", container.name, container.state.as_str()), theme.text);
        }
        for (name, spec) in &detail.spec.services {
            let does = detail.services.get(name).map_or("missing", |container| container.state.as_str());
            let style = if does == "running" { theme.text } else { theme.bad };
            fact("service", format!("{name}  {does}  {}", spec.image), style);
        }
        if !detail.revisions.is_empty() {
            lines.push(Line::default());
            lines.push(Line::styled("deployed", theme.title));
            for revision in &detail.revisions {
                let age = format::age(canvas.now_ms, revision.created_at);
                let left = |until: u64| format!(", kept for {}", format::duration(until.saturating_sub(canvas.now_ms)));
                let place = format::place_of(detail, revision, left);
                let text = format!("{age:<9} {}  by {}{place}", revision.spec.image, revision.actor);
                lines.push(Line::styled(display_line(&text, width), theme.text));
            }
        }
        let (facts, charts) = self.usage.split(area, lines.len());
        draw_scrolled(canvas, facts, &lines, self.place, &self.end);
        let its = |of: &&Operation| of.server.as_ref() == Some(&app.server) && of.target == app.name;
        let marks = marks_of(state.operations.items().iter().filter(its));
        let runs = detail.container.as_ref().is_some_and(|container| container.state == ContainerState::Running);
        self.usage.draw(state, canvas, charts, &marks, detail.spec.memory_limit_bytes, runs);
    }
}
