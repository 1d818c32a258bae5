//! One container that is no app's: what it uses, and how it was made.

use std::cell::Cell;

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use tomo_proto::{
    model::{
        container::{Container, ContainerDetail, ContainerState, PublishedPort},
        operation::Operation,
    },
    text::display_line,
};

use crate::dashboard::{
    action::Action,
    canvas::Canvas,
    event::MetricsRange,
    state::State,
    theme::Theme,
    views::{
        self,
        apps::health,
        marks::marks_of,
        plan::{draw_scrolled, scroll},
        usage::{Measured, Usage},
    },
};
use crate::format;

/// Its host's engine is asked for the facts, and not more often than this while its figures come.
const FACTS_MS: u64 = 5_000;

/// The view of one container.
#[derive(Debug)]
pub(crate) struct ContainerView {
    pub(crate) server: String,
    pub(crate) name: String,
    pub(crate) detail: Option<ContainerDetail>,
    pub(crate) usage: Usage,
    /// When the facts came (UTC ms).
    came_at_ms: u64,
    place: usize,
    end: Cell<usize>,
}

impl ContainerView {
    pub(crate) fn new(server: String, name: String) -> Box<Self> {
        Box::new(Self {
            server,
            name,
            detail: None,
            usage: Usage::default(),
            came_at_ms: 0,
            place: 0,
            end: Cell::new(0),
        })
    }

    pub(crate) fn container(&self) -> Option<&Container> {
        self.detail.as_ref().map(|detail| &detail.container)
    }

    /// Takes fresh facts over: what to fetch with them.
    pub(crate) fn take(&mut self, detail: ContainerDetail, now_ms: u64) -> Option<MetricsRange> {
        self.detail = Some(detail);
        self.came_at_ms = now_ms;
        self.follow(now_ms)
    }

    /// Whether the facts are to be fetched anew.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        now_ms >= self.came_at_ms + FACTS_MS
    }

    /// What to fetch because its server has told something.
    pub(crate) fn follow(&mut self, now_ms: u64) -> Option<MetricsRange> {
        let of = Measured { name: String::new(), container: self.name.clone() };
        self.usage.follow(&self.server, vec![of], now_ms)
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
        let Some(ContainerDetail { container, config, .. }) = &self.detail else { return };
        let mut first = standing(theme, container.state);
        first.spans.push(Span::raw(format!("  on {}  ", display_line(&self.server, 40))));
        first.spans.extend(health(theme, container.health).spans);
        let mut lines: Vec<Line<'static>> = vec![first];
        let mut fact = |name: &str, text: &str, style: Style| {
            let name = Span::styled(format!("{name:<11} "), theme.dim);
            lines.extend(views::fact(name, text, style, usize::from(self.usage.width_of_facts(area.width))));
        };
        fact("image", &container.image, theme.text);
        if let Some(code) = container.exit_code {
            fact("exit code", &code.to_string(), if code == 0 { theme.text } else { theme.warn });
        }
        if container.restarts > 0 {
            fact("restarts", &format!("{} by the engine", container.restarts), theme.warn);
        }
        if let Some(usage) = &container.usage {
            let uses = format!("{:.2} cores, {}", usage.cpu_cores, format::bytes(usage.memory_bytes));
            fact("uses", &uses, theme.text);
        }
        fact("entrypoint", &views::safe_words(&config.entrypoint, " "), theme.text);
        fact("command", &views::safe_words(&config.command, " "), theme.text);
        fact("user", &config.user, theme.text);
        fact("restart", &config.restart, theme.text);
        if config.memory_limit_bytes > 0 {
            fact("memory", &format::bytes(config.memory_limit_bytes), theme.text);
        }
        for port in &container.ports {
            fact("port", &published(port), theme.text);
        }
        for mount in &config.mounts {
            let mode = if mount.read_only { " (read-only)" } else { "" };
            fact("mount", &format!("{} {} at {}{mode}", mount.kind, mount.source, mount.target), theme.text);
        }
        fact("networks", &views::safe_words(&config.networks, " "), theme.text);
        fact("powers", &views::safe_words(&config.powers, ", "), theme.warn);
        for (key, value) in &config.env {
            fact("env", &format!("{key}={value}"), theme.text);
        }
        for (key, value) in &container.labels {
            fact("label", &format!("{key}={value}"), theme.dim);
        }
        let (facts, charts) = self.usage.split(area, lines.len());
        draw_scrolled(canvas, facts, &lines, self.place, &self.end);
        let operations = state.operations.items().iter();
        let its = |of: &&Operation| of.server.as_ref() == Some(&self.server) && of.target == self.name;
        let marks = marks_of(operations.filter(its));
        let runs = container.state == ContainerState::Running;
        self.usage.draw(state, canvas, charts, &marks, Some(config.memory_limit_bytes), runs);
    }
}

/// `127.0.0.1:8080 → 80/tcp`.
fn published(port: &PublishedPort) -> String {
    let inside = format!("{}/{}", port.container, port.protocol);
    match port.host {
        None => format!("{inside}, not published"),
        Some(host) if port.address.contains(':') => format!("[{}]:{host} → {inside}", port.address),
        Some(host) => format!("{}:{host} → {inside}", port.address),
    }
}

/// A container's state with its symbol.
pub(super) fn standing(theme: &Theme, state: ContainerState) -> Line<'static> {
    let (symbol, style) = match state {
        ContainerState::Running => ('●', theme.good),
        ContainerState::Restarting | ContainerState::Dead => ('✗', theme.bad),
        ContainerState::Paused => ('‖', theme.warn),
        _ => ('■', theme.dim),
    };
    Line::from(Span::styled(format!("{symbol} {}", state.as_str()), style))
}
