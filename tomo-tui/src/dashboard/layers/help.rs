//! The keys that work here, searchable; Enter does what is chosen.

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Widget as _,
};

use crate::dashboard::{
    action::{self, Action, Context, Entry, Keymap},
    canvas::{Canvas, centered, split_bottom, split_top},
};
use crate::format::wrap;

/// Columns of the widest line there is, with its frame.
const WIDEST: u16 = 130;
/// Rows below the list: a blank one, and the selected action's text as a whole.
const WHOLE: u16 = 3;

/// The help of a context.
#[derive(Debug)]
pub(crate) struct Help {
    context: Context,
    keys: Keymap,
    /// What cannot be done right now, and why.
    disabled: Vec<(Action, String)>,
    typed: String,
    selected: usize,
    offset: Cell<usize>,
}

impl Help {
    pub(crate) fn new(context: Context, keys: Keymap, disabled: Vec<(Action, String)>) -> Self {
        Self { context, keys, disabled, typed: String::new(), selected: 0, offset: Cell::new(0) }
    }

    fn entries(&self) -> Vec<&'static Entry> {
        let typed = self.typed.to_lowercase();
        let fits = |entry: &&Entry| {
            entry.title.contains(&typed)
                || entry.help.to_lowercase().contains(&typed)
                || self.keys.shown(self.context, entry).contains(&self.typed.as_str())
        };
        action::in_context(self.context).filter(fits).collect()
    }

    fn why_not(&self, action: Action) -> Option<&str> {
        self.disabled.iter().find(|(disabled, _)| *disabled == action).map(|(_, why)| why.as_str())
    }

    /// What an action does, and why it cannot be done.
    fn text(&self, entry: &Entry) -> String {
        match self.why_not(entry.action) {
            Some(why) => format!("{} ({why})", entry.help),
            None => entry.help.to_owned(),
        }
    }

    pub(crate) fn scroll(&mut self, action: Action) {
        let last = self.entries().len().saturating_sub(1);
        self.selected =
            if action == Action::Up { self.selected.saturating_sub(1) } else { (self.selected + 1).min(last) };
    }

    /// `Some` closes it, with what was chosen.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Option<Action>> {
        match key.code {
            KeyCode::Esc | KeyCode::F(1) => return Some(None),
            KeyCode::Char('?') if self.typed.is_empty() => return Some(None),
            KeyCode::Enter => return Some(self.entries().get(self.selected).map(|entry| entry.action)),
            KeyCode::Up => self.scroll(Action::Up),
            KeyCode::Down => self.scroll(Action::Down),
            KeyCode::PageUp => self.selected = self.selected.saturating_sub(10),
            KeyCode::Home => self.selected = 0,
            KeyCode::End => self.selected = self.entries().len().saturating_sub(1),
            KeyCode::PageDown => self.selected = (self.selected + 10).min(self.entries().len().saturating_sub(1)),
            KeyCode::Backspace => {
                self.typed.pop();
                self.selected = 0;
            }
            KeyCode::Char(character) => {
                self.typed.push(character);
                self.selected = 0;
            }
            _ => {}
        }
        None
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let entries = self.entries();
        let rows = u16::try_from(entries.len()).unwrap_or(0).saturating_add(3 + WHOLE).max(10);
        let inner =
            canvas.dialogue(centered(area, area.width.saturating_sub(2).min(WIDEST), rows), "Keys that work here");
        let (search, rest) = split_top(inner, 1);
        let (list, whole) = split_bottom(rest, if rest.height > WHOLE { WHOLE } else { 0 });
        let hint = match (self.typed.is_empty(), entries.is_empty()) {
            (true, _) => "  type to search",
            (false, true) => "  nothing matches",
            (false, false) => "",
        };
        let line = Line::from(vec![Span::raw(format!(" / {}", self.typed)), Span::styled(hint, canvas.theme.dim)]);
        canvas.line(search, &line);
        let height = usize::from(list.height);
        let offset = self.offset.get().min(self.selected).max((self.selected + 1).saturating_sub(height));
        self.offset.set(offset);
        for (place, (row, entry)) in list.rows().zip(entries.iter().skip(offset)).enumerate() {
            let keys = self.keys.shown(self.context, entry).join(" ");
            let why = self.why_not(entry.action);
            let own = entry.contexts.contains(&self.context);
            let style = if why.is_some() { canvas.theme.dim } else { canvas.theme.text };
            let line = Line::from(vec![
                Span::styled(format!(" {keys:<16}"), if own { canvas.theme.key } else { canvas.theme.title }),
                Span::styled(format!("{:<16}", entry.title), style),
            ]);
            canvas.line(row, &line);
            let rest = Rect { x: row.x + row.width.min(33), width: row.width.saturating_sub(34), ..row };
            canvas.text(rest, &self.text(entry), style);
            if offset + place == self.selected {
                canvas.buffer.set_style(row, Style::reset().patch(canvas.theme.selected));
            }
        }
        let hidden = entries.len().saturating_sub(offset + height);
        if hidden > 0 {
            let at = Rect { height: 1, ..if whole.height > 0 { whole } else { search } };
            let more = Line::styled(format!("↓ {hidden} more "), canvas.theme.dim).right_aligned();
            more.render(at.intersection(canvas.buffer.area), canvas.buffer);
        }
        // Where a line has no room for all of it.
        if let Some(entry) = entries.get(self.selected) {
            for (row, line) in
                whole.rows().skip(1).zip(wrap(&self.text(entry), usize::from(whole.width).saturating_sub(2)))
            {
                canvas.text(row, &format!(" {line}"), canvas.theme.accent);
            }
        }
        let column = search.x.saturating_add(3 + u16::try_from(self.typed.chars().count()).unwrap_or(0));
        canvas.cursor =
            (search.height > 0).then(|| Position::new(column.min(search.right().saturating_sub(1)), search.y));
    }
}
