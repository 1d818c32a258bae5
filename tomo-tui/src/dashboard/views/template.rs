//! One template, to be read before it is deployed.

use std::cell::Cell;

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use tomo_proto::{api::catalog::CatalogEntry, model::catalog::Template, text::display_line};

use crate::{
    cli::catalog::usual,
    dashboard::{
        action::Action,
        canvas::Canvas,
        theme::Theme,
        views::plan::{draw_scrolled, scroll},
    },
    format::{self, wrap},
};

/// The view of one template.
#[derive(Debug)]
pub(crate) struct TemplateView {
    pub(crate) id: String,
    pub(crate) entry: Option<CatalogEntry>,
    /// The form opens as soon as it is known what is asked.
    pub(crate) deploy_when_loaded: bool,
    place: usize,
    end: Cell<usize>,
}

impl TemplateView {
    pub(crate) fn new(id: String) -> Box<Self> {
        Box::new(Self { id, entry: None, deploy_when_loaded: false, place: 0, end: Cell::new(0) })
    }

    pub(crate) fn act(&mut self, action: Action) -> bool {
        scroll(&mut self.place, self.end.get(), action)
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let area = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..area };
        let Some(entry) = &self.entry else { return };
        let lines = lines(entry, canvas.theme, usize::from(area.width));
        draw_scrolled(canvas, area, &lines, self.place, &self.end);
    }
}

/// A template in lines no wider than `width`.
fn lines(entry: &CatalogEntry, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let template = &entry.template;
    let title = format!("{} {}", template.name, template.version);
    let about = format!("  {}  {}", template.license, template.homepage);
    let about = display_line(&about, width.saturating_sub(title.chars().count()));
    let mut lines =
        vec![Line::from(vec![Span::styled(display_line(&title, width), theme.title), Span::styled(about, theme.dim)])];
    let mut text = |text: &str, style: Style| {
        lines.extend(wrap(&display_line(text, 800), width).into_iter().map(|line| Line::styled(line, style)));
    };
    text(&template.description, theme.text);
    if let Some(login) = &template.default_login {
        text(&format!("▲ {login}"), theme.warn);
    }
    if let Some(note) = &template.post_install {
        text(&format!("Once it runs: {note}"), theme.accent);
    }
    lines.push(Line::default());
    for (name, text) in facts(template, &entry.source) {
        let text = display_line(&text, width.saturating_sub(10));
        lines.push(Line::from(vec![Span::styled(format!("{name:<9} "), theme.dim), Span::styled(text, theme.text)]));
    }
    if !template.questions.is_empty() {
        lines.push(Line::default());
        lines.push(Line::styled("what it asks, and what counts if it is not answered", theme.title));
    }
    for question in &template.questions {
        let label = format!("{:<32} ", display_line(&question.label, 32));
        let usual = display_line(&usual(question), width.saturating_sub(34));
        lines.push(Line::from(vec![Span::styled(label, theme.text), Span::styled(usual, theme.dim)]));
    }
    lines
}

/// What it runs and needs.
fn facts(template: &Template, source: &str) -> Vec<(&'static str, String)> {
    let [memory, disk] = [template.memory_min_mib, template.disk_min_mib].map(|mib| format::bytes(mib << 20));
    let mut facts = vec![("image", template.image.clone()), ("needs", format!("{memory} of memory, {disk} of disk"))];
    facts.extend(template.health.as_ref().map(|health| ("health", health.to_string())));
    for port in &template.ports {
        let protocol = if port.protocol.as_str() == "tcp" { "" } else { "/udp" };
        facts.push(("port", format!("{}{protocol}  {}", port.container, port.description)));
    }
    for volume in &template.volumes {
        let how = if volume.read_only { ", only read" } else { "" };
        facts.push(("volume", format!("{}  {}{how}", volume.target, volume.description)));
    }
    facts.push(("from", source.to_owned()));
    facts
}
