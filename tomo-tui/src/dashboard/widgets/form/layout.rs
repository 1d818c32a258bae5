//! Where each part of a form lies, and drawing it.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Modifier,
};
use tomo_proto::text::display_line;
use unicode_width::UnicodeWidthStr as _;

use super::{
    Form,
    field::{Field, Input},
};
use crate::{dashboard::theme::Theme, format::wrap};

/// What an error begins with.
const ERROR_MARK: &str = "✗ ";
/// Most rows of an error.
const ERROR_ROWS: usize = 5;

/// Rows of help, and those kept free so that a form does not grow with every error.
const SPARE_ROWS: u16 = 4;

/// Where everything of a form lies, in rows of its own, and which of them are in sight.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) body: Rect,
    pub(super) help: Rect,
    pub(super) labels: u16,
    /// For each field: its first row, the row of its value, and its error. Of one that is not asked for there is none.
    pub(super) places: Vec<Option<(usize, usize, Vec<String>)>>,
    pub(super) button: usize,
    /// First row in sight.
    pub(super) scrolled: usize,
}

impl Form {
    pub(super) fn layout(&self, area: Rect) -> Layout {
        let width = usize::from(area.width);
        let help = self.fields.iter().map(|field| wrap(&field.help, width).len()).max().unwrap_or(0);
        let help = match area.height {
            0..=3 => 0,
            4..=8 => help.min(1),
            _ => help.min(2),
        };
        let help = u16::try_from(help).unwrap_or(0);
        let body = Rect { height: area.height - help, ..area };
        let labels = self.fields.iter().map(|field| field.label.width() + 4).max().unwrap_or(0);
        // In a narrow form the label stands above its value.
        let labels = if area.width >= 40 { u16::try_from(labels).unwrap_or(0).min(area.width / 2) } else { 0 };
        let mut row = 0;
        let mut places = Vec::new();
        let mut cursor = 0;
        for (place, field) in self.fields.iter().enumerate() {
            if !self.is_asked(place) {
                places.push(None);
                continue;
            }
            let value = row + usize::from(labels == 0);
            let error = field.shown_error().map(|error| display_line(error, 400));
            let room = width.saturating_sub(usize::from(labels.max(2)) + 2 + ERROR_MARK.width());
            let errors: Vec<String> = error.map(|error| wrap(&error, room)).unwrap_or_default();
            let errors: Vec<String> = errors.into_iter().take(ERROR_ROWS).collect();
            if place == self.focus {
                cursor = value + field.cursor_row();
            }
            let end = value + field.height() + errors.len();
            places.push(Some((row, value, errors)));
            row = end;
        }
        let button = row + 1;
        if self.focus == self.fields.len() {
            cursor = button;
        }
        let height = usize::from(body.height);
        let scrolled = cursor.saturating_sub(height / 2).min((button + 1).saturating_sub(height));
        let help = Rect { y: body.bottom(), height: help, ..area };
        Layout { body, help, labels, places, button, scrolled }
    }

    /// Rows that it wants at a width.
    pub(crate) fn rows(&self, width: u16) -> u16 {
        let button = self.layout(Rect { x: 0, y: 0, width, height: u16::MAX }).button;
        u16::try_from(button + 1).unwrap_or(u16::MAX).saturating_add(SPARE_ROWS)
    }

    /// Draws the form; where the terminal's cursor belongs.
    pub(crate) fn render(&self, area: Rect, buf: &mut Buffer, theme: &Theme) -> Option<Position> {
        let area = area.intersection(buf.area);
        self.area.set(area);
        if area.is_empty() {
            return None;
        }
        let layout = self.layout(area);
        let mut cursor = None;
        for (place, field) in self.fields.iter().enumerate() {
            let drawn = self.draw_field(place, field, &layout, buf, theme);
            cursor = cursor.or(drawn);
        }
        if let Some(row) = layout.row(layout.button) {
            let style = if self.focus == self.fields.len() { theme.selected } else { theme.accent };
            buf.set_stringn(
                area.x + layout.value_x(),
                row,
                format!("[ {} ]", self.button),
                layout.value_width(),
                style,
            );
        }
        if let Some(field) = self.fields.get(self.focus) {
            for (row, line) in
                layout.help.rows().zip(wrap(field.fits.as_deref().unwrap_or(&field.help), usize::from(area.width)))
            {
                buf.set_stringn(row.x, row.y, line, usize::from(row.width), theme.dim);
            }
        }
        let more = (layout.scrolled > 0, layout.scrolled + usize::from(layout.body.height) <= layout.button);
        draw_more(area.right() - 1, layout.body, more, buf, theme);
        cursor
    }

    fn draw_field(
        &self,
        place: usize,
        field: &Field,
        layout: &Layout,
        buf: &mut Buffer,
        theme: &Theme,
    ) -> Option<Position> {
        let focused = place == self.focus;
        let (first, value, errors) = layout.places[place].as_ref()?;
        let width = layout.body.width;
        if let Some(row) = layout.row(*first) {
            let marker = match (focused, theme.is_ascii()) {
                (false, _) => "  ",
                (true, false) => "▸ ",
                (true, true) => "> ",
            };
            let style = if focused { theme.title } else { theme.text };
            let room = if layout.labels == 0 { width } else { layout.labels };
            let label = format!("{marker}{}", field.label);
            buf.set_stringn(layout.body.x, row, label, usize::from(room), style);
        }
        let mark = if theme.is_ascii() { "x " } else { ERROR_MARK };
        for (line, error) in errors.iter().enumerate() {
            if let Some(row) = layout.row(value + field.height() + line) {
                let text = format!("{}{error}", if line == 0 { mark } else { "  " });
                buf.set_stringn(layout.body.x + layout.value_x(), row, text, layout.value_width(), theme.bad);
            }
        }
        let input = layout.input(place, field.height());
        if input.is_empty() {
            return None;
        }
        let more = match &field.input {
            Input::Text(text) => text.more_lines(input, focused),
            Input::Choice { .. } => (false, false),
            Input::Checks { options, .. } => {
                let first = field.first_check();
                (first > 0, first + usize::from(input.height) < options.len())
            }
        };
        draw_more(input.right(), input, more, buf, theme);
        let style = match field.fixed {
            true => theme.dim,
            false => theme.text.add_modifier(Modifier::UNDERLINED),
        };
        match &field.input {
            Input::Text(text) => {
                buf.set_style(input, style);
                if text.is_empty() {
                    let faint = theme.dim.patch(style);
                    buf.set_stringn(input.x, input.y, field.placeholder, usize::from(input.width), faint);
                }
                let dot = if theme.is_ascii() { '*' } else { '•' };
                let cursor = text.draw(input, buf, style, dot, focused);
                focused.then_some(cursor)
            }
            Input::Choice { options, chosen, typed, .. } => {
                let option = display_line(&field.get(), usize::from(input.width));
                let (left, right) = if theme.is_ascii() { ("< ", " >") } else { ("‹ ", " ›") };
                let text = match (options.len(), field.fixed) {
                    (0, _) => "none".to_owned(),
                    (1, _) | (_, true) => option,
                    (count, false) => format!("{left}{option}{right} {}/{count}", chosen + 1),
                };
                let style = if focused { theme.selected } else { theme.text };
                let (end, _) = buf.set_stringn(input.x, input.y, text, usize::from(input.width), style);
                let search = if typed.is_empty() { String::new() } else { format!("  /{typed}") };
                // What stands against it, unless that is said below.
                let why = field.against.get(field.get().as_str()).filter(|_| errors.is_empty());
                let why = why.map_or_else(String::new, |why| format!("  {mark}{why}"));
                let room = usize::from(input.right().saturating_sub(end));
                let (end, _) = buf.set_stringn(end, input.y, search, room, theme.accent);
                let room = usize::from(input.right().saturating_sub(end));
                buf.set_stringn(end, input.y, display_line(&why, room), room, theme.warn);
                None
            }
            Input::Checks { options, checked, at, .. } => {
                let first = field.first_check();
                for (place, row) in (first..options.len()).zip(input.rows()) {
                    let mark = if checked[place] { "[x] " } else { "[ ] " };
                    let text = display_line(&format!("{mark}{}", options[place]), usize::from(row.width));
                    let style = if focused && place == *at { theme.selected } else { theme.text };
                    buf.set_stringn(row.x, row.y, text, usize::from(row.width), style);
                }
                None
            }
        }
    }
}

/// Marks in a column that there is more above and below what is in sight.
fn draw_more(column: u16, sight: Rect, (above, below): (bool, bool), buf: &mut Buffer, theme: &Theme) {
    let (up, down) = if theme.is_ascii() { ("^", "v") } else { ("▴", "▾") };
    if above {
        buf.set_stringn(column, sight.y, up, 1, theme.dim);
    }
    if below {
        buf.set_stringn(column, sight.bottom() - 1, down, 1, theme.dim);
    }
}

impl Layout {
    /// The screen's row of a row of the form, if it is in sight.
    fn row(&self, row: usize) -> Option<u16> {
        let row = u16::try_from(row.checked_sub(self.scrolled)?).ok()?;
        (row < self.body.height).then(|| self.body.y + row)
    }

    fn value_x(&self) -> u16 {
        if self.labels == 0 { 2.min(self.body.width) } else { self.labels }
    }

    fn value_width(&self) -> usize {
        usize::from(self.body.width - self.value_x()).saturating_sub(2)
    }

    /// The part of a field's value that is in sight.
    pub(super) fn input(&self, place: usize, height: usize) -> Rect {
        let value = self.places[place].as_ref().map_or(0, |(_, value, _)| *value);
        let rows = (value..value + height).filter_map(|row| self.row(row));
        let (first, count) = rows.fold((None, 0), |(first, count), row| (first.or(Some(row)), count + 1));
        Rect {
            x: self.body.x + self.value_x(),
            y: first.unwrap_or(self.body.y),
            width: u16::try_from(self.value_width()).unwrap_or(0),
            height: count,
        }
    }
}
