//! Any action, server, app, plan, operation, template or container, by a few letters of its name.

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
};

use crate::dashboard::{
    action::{self, Action, Context, Keymap},
    canvas::{Canvas, Hit, centered, split_top},
    filter::FuzzyMatcher,
};

/// What can be gone to or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Action(Action),
    Server(String),
    Container { server: String, name: String },
    App(String),
    Plan(String),
    Operation(String),
    Template(String),
}

impl Target {
    fn kind(&self) -> &'static str {
        match self {
            Self::Action(_) => "do",
            Self::Server(_) => "server",
            Self::Container { .. } => "container",
            Self::App(_) => "app",
            Self::Plan(_) => "plan",
            Self::Operation(_) => "operation",
            Self::Template(_) => "template",
        }
    }
}

/// One line of the palette.
#[derive(Debug)]
pub(crate) struct Candidate {
    name: String,
    note: String,
    /// Whether it cannot be done right now; then the note says why.
    off: bool,
    target: Target,
}

impl Candidate {
    /// Something that can be gone to.
    pub(crate) fn new(name: impl Into<String>, note: impl Into<String>, target: Target) -> Self {
        Self { name: name.into(), note: note.into(), off: false, target }
    }
}

/// The palette.
#[derive(Debug)]
pub(crate) struct Palette {
    typed: String,
    /// What can be done, then what can be gone to.
    candidates: Vec<Candidate>,
    actions: usize,
    /// Best first.
    shown: Vec<usize>,
    selected: usize,
    offset: Cell<usize>,
    matcher: FuzzyMatcher,
}

impl Palette {
    /// Offers what can be done where one is; what can be gone to comes by [`offer`](Self::offer).
    pub(crate) fn new(context: Context, keys: &Keymap, disabled: &[(Action, String)]) -> Self {
        let moving = [Action::Up, Action::Down, Action::Palette];
        let actions = action::in_context(context).filter(|entry| !moving.contains(&entry.action)).map(|entry| {
            let why = disabled.iter().find(|(action, _)| *action == entry.action).map(|(_, why)| why.as_str());
            let key = keys.shown(context, entry).first().copied().unwrap_or_default();
            Candidate {
                name: entry.title.to_owned(),
                note: format!("{key}  {}", why.unwrap_or(entry.help)),
                off: why.is_some(),
                target: Target::Action(entry.action),
            }
        });
        let candidates: Vec<_> = actions.collect();
        let mut palette = Self {
            typed: String::new(),
            actions: candidates.len(),
            candidates,
            shown: Vec::new(),
            selected: 0,
            offset: Cell::new(0),
            matcher: FuzzyMatcher::default(),
        };
        palette.arrange();
        palette
    }

    /// Takes in anew what can be gone to. What is typed stays, and so does what somebody has chosen meanwhile.
    pub(crate) fn offer(&mut self, places: impl IntoIterator<Item = Candidate>) {
        let chosen = self.chosen().filter(|_| self.selected > 0);
        self.candidates.truncate(self.actions);
        self.candidates.extend(places);
        self.arrange();
        let is_chosen = |place: &usize| self.candidates.get(*place).map(|it| &it.target) == chosen.as_ref();
        self.selected = chosen.as_ref().and_then(|_| self.shown.iter().position(is_chosen)).unwrap_or(0);
    }

    fn arrange(&mut self) {
        let mut ranked: Vec<(u32, usize)> = Vec::new();
        for (place, candidate) in self.candidates.iter().enumerate() {
            let text = format!("{} {}", candidate.target.kind(), candidate.name);
            if let Some(rank) = self.matcher.rank(&self.typed, &text) {
                ranked.push((rank, place));
            }
        }
        ranked.sort_by_key(|(rank, place)| (std::cmp::Reverse(*rank), *place));
        self.shown = ranked.into_iter().map(|(_, place)| place).collect();
        self.selected = 0;
    }

    pub(crate) fn paste(&mut self, text: &str) {
        self.typed.push_str(text.lines().next().unwrap_or_default());
        self.arrange();
    }

    pub(crate) fn key(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Up => self.scroll(Action::Up),
            KeyCode::Down | KeyCode::Tab => self.scroll(Action::Down),
            KeyCode::Char('p') if key.modifiers.contains(KeyModifiers::CONTROL) => self.scroll(Action::Up),
            KeyCode::Char('n') if key.modifiers.contains(KeyModifiers::CONTROL) => self.scroll(Action::Down),
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                self.typed.clear();
                self.arrange();
            }
            KeyCode::Backspace => {
                self.typed.pop();
                self.arrange();
            }
            KeyCode::Char(character) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
                self.typed.push(character);
                self.arrange();
            }
            _ => {}
        }
    }

    pub(crate) fn scroll(&mut self, action: Action) {
        let last = self.shown.len().saturating_sub(1);
        self.selected =
            if action == Action::Up { self.selected.saturating_sub(1) } else { (self.selected + 1).min(last) };
    }

    pub(crate) fn select(&mut self, row: usize) {
        self.selected = row.min(self.shown.len().saturating_sub(1));
    }

    pub(crate) fn chosen(&self) -> Option<Target> {
        let place = self.shown.get(self.selected)?;
        self.candidates.get(*place).map(|candidate| candidate.target.clone())
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let frame = centered(area, 74, area.height.saturating_sub(4).min(20));
        let inner = canvas.dialogue(frame, "Go to or do");
        let (typed, list) = split_top(inner, 1);
        canvas.text(typed, &format!(" : {}", self.typed), canvas.theme.text);
        let count = format!("{} of {} ", self.shown.len(), self.candidates.len());
        let width = u16::try_from(count.len()).unwrap_or(0).min(typed.width);
        canvas.text(Rect { x: typed.right() - width, width, ..typed }, &count, canvas.theme.dim);
        let height = usize::from(list.height);
        let offset = self.offset.get().min(self.selected).max((self.selected + 1).saturating_sub(height));
        self.offset.set(offset);
        for (place, (row, index)) in list.rows().zip(self.shown.iter().skip(offset)).enumerate() {
            let Some(candidate) = self.candidates.get(*index) else { continue };
            let name = if candidate.off { canvas.theme.dim } else { canvas.theme.text };
            let line = Line::from(vec![
                Span::styled(format!(" {:<10}", candidate.target.kind()), canvas.theme.dim),
                Span::styled(tomo_proto::text::display_line(&candidate.name, 40), name),
            ]);
            canvas.line(row, &line);
            let used = u16::try_from(line.width()).unwrap_or(u16::MAX).saturating_add(2).min(row.width);
            canvas.text(Rect { x: row.x + used, width: row.width - used, ..row }, &candidate.note, canvas.theme.dim);
            if offset + place == self.selected {
                canvas.buffer.set_style(row, Style::reset().patch(canvas.theme.selected));
            }
            canvas.hits.add(row, Hit::Row(offset + place));
        }
        if self.shown.is_empty() {
            canvas.text(list, " nothing matches: Backspace takes letters away, Esc closes", canvas.theme.dim);
        }
        let column = typed.x.saturating_add(3 + u16::try_from(self.typed.chars().count()).unwrap_or(0));
        canvas.cursor = (typed.height > 0).then(|| Position::new(column.min(typed.right().saturating_sub(1)), typed.y));
    }
}
