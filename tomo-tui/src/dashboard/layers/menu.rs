//! What can be done with a row, where the mouse asked for it: the rows of the one table, those that are off with the reason.

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr as _;

use crate::dashboard::{
    action::{self, Action, Context, Entry, Keymap},
    canvas::{Canvas, Hit},
};

/// Columns of the widest menu.
const WIDEST: u16 = 64;

/// The menu.
#[derive(Debug)]
pub(crate) struct Menu {
    title: String,
    /// Column and row of the mouse.
    at: (u16, u16),
    /// Each with its key, and with the reason where it is off.
    entries: Vec<(&'static Entry, String, Option<String>)>,
    selected: usize,
    offset: Cell<usize>,
}

impl Menu {
    /// What can be done in a context: with its selected row, or with the view where there is none.
    pub(crate) fn new(
        title: String,
        at: (u16, u16),
        context: Context,
        of_row: bool,
        keys: &Keymap,
        off: impl Fn(Action) -> Option<String>,
    ) -> Self {
        let own = action::in_context(context).filter(|entry| entry.contexts.contains(&context));
        let fits = |entry: &&Entry| action::is_a_deed(entry.action) && !(of_row && action::is_of_view(entry.action));
        let key = |entry: &Entry| keys.shown(context, entry).first().map_or_else(String::new, |key| (*key).to_owned());
        let entries = own.filter(fits).map(|entry| (entry, key(entry), off(entry.action))).collect();
        Self { title, at, entries, selected: 0, offset: Cell::new(0) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn scroll(&mut self, action: Action) {
        let last = self.entries.len().saturating_sub(1);
        self.selected =
            if action == Action::Up { self.selected.saturating_sub(1) } else { (self.selected + 1).min(last) };
    }

    /// The action at a place.
    pub(crate) fn at(&self, place: usize) -> Option<Action> {
        self.entries.get(place).map(|(entry, ..)| entry.action)
    }

    /// `Some` closes it, with what was chosen.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Option<Action>> {
        match key.code {
            KeyCode::Esc | KeyCode::Char('q') => return Some(None),
            KeyCode::Enter => return Some(self.at(self.selected)),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(Action::Up),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(Action::Down),
            _ => {}
        }
        None
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let theme = canvas.theme;
        let text = |(entry, key, why): &(&'static Entry, String, Option<String>)| match why {
            Some(why) => format!(" {key:<8} {} ({})", entry.title, tomo_proto::text::display_line(why, 80)),
            None => format!(" {key:<8} {}", entry.title),
        };
        let texts: Vec<String> = self.entries.iter().map(text).collect();
        let widest = texts.iter().map(|text| text.width()).chain([self.title.width() + 2]).max().unwrap_or(0);
        let width = u16::try_from(widest + 3).unwrap_or(u16::MAX).min(WIDEST).min(area.width);
        let height = u16::try_from(texts.len() + 2).unwrap_or(u16::MAX).min(area.height);
        // Beside the mouse, as far as there is room.
        let x = self.at.0.clamp(area.x, area.right() - width);
        let y = self.at.1.saturating_add(1).clamp(area.y, area.bottom() - height);
        let inner = canvas.dialogue(Rect { x, y, width, height }, &self.title);
        let rows = usize::from(inner.height);
        let offset = self.offset.get().min(self.selected).max((self.selected + 1).saturating_sub(rows));
        self.offset.set(offset);
        for (place, (row, text)) in (offset..).zip(inner.rows().zip(texts.iter().skip(offset))) {
            let off = self.entries[place].2.is_some();
            canvas.line(row, &Line::from(Span::styled(text.as_str(), if off { theme.dim } else { theme.text })));
            if place == self.selected {
                canvas.buffer.set_style(row, Style::reset().patch(theme.selected));
            }
            canvas.hits.add(row, Hit::Row(place));
        }
    }
}
