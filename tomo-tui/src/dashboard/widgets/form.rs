//! A form: fields with a label, checked as one types, and a button. What it asks for and what happens then is its
//! owner's business.

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Modifier,
};
use tomo_proto::text::display_line;
use unicode_width::UnicodeWidthStr as _;
use zeroize::Zeroizing;

use super::textfield::{Edit, Hidden, TextField};
use crate::{dashboard::theme::Theme, format::wrap};

/// What an error begins with.
const ERROR_MARK: &str = "✗ ";

/// What the owner has to do about a key or a click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormEvent {
    /// Nothing; the form looks as before.
    None,
    /// Draw the form again.
    Changed,
    /// Every field is right: take the values.
    Submit,
    /// The person wants to leave; ask first if the form [is dirty](Form::is_dirty).
    Cancel,
}

/// One value a form asks for.
#[derive(Debug)]
pub(crate) struct Field {
    id: &'static str,
    label: &'static str,
    help: &'static str,
    placeholder: &'static str,
    fixed: bool,
    /// The field and the values of it with which this one is asked for; always without.
    when: Option<(&'static str, &'static [&'static str])>,
    check: fn(&str) -> Result<(), String>,
    input: Input,
    /// What is wrong with the value, by the field's own check.
    error: Option<String>,
    /// What the daemon said about it, until it is edited.
    refusal: Option<String>,
    /// Whether somebody has been here: only then is an error shown.
    touched: bool,
}

#[derive(Debug)]
enum Input {
    Text(TextField),
    Choice { options: Vec<String>, chosen: usize, initial: usize },
}

impl Field {
    fn new(id: &'static str, label: &'static str, input: Input) -> Self {
        Self {
            id,
            label,
            help: "",
            placeholder: "",
            fixed: false,
            when: None,
            check: |_| Ok(()),
            input,
            error: None,
            refusal: None,
            touched: false,
        }
    }

    /// A line of text.
    pub(crate) fn text(id: &'static str, label: &'static str) -> Self {
        Self::new(id, label, Input::Text(TextField::new(false, Hidden::Nothing)))
    }

    /// A line that nobody sees.
    pub(crate) fn secret(id: &'static str, label: &'static str) -> Self {
        Self::new(id, label, Input::Text(TextField::new(false, Hidden::All)))
    }

    /// Any number of lines.
    pub(crate) fn lines(id: &'static str, label: &'static str) -> Self {
        Self::new(id, label, Input::Text(TextField::new(true, Hidden::Nothing)))
    }

    /// Lines of `KEY=VALUE` whose values nobody sees.
    pub(crate) fn secret_lines(id: &'static str, label: &'static str) -> Self {
        Self::new(id, label, Input::Text(TextField::new(true, Hidden::Values)))
    }

    /// One of several values, the first one at first.
    pub(crate) fn choice(id: &'static str, label: &'static str, options: Vec<String>) -> Self {
        Self::new(id, label, Input::Choice { options, chosen: 0, initial: 0 })
    }

    /// What to write, shown while the field has the keys.
    pub(crate) fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    /// What an empty field shows.
    pub(crate) fn placeholder(mut self, placeholder: &'static str) -> Self {
        self.placeholder = placeholder;
        self
    }

    /// Shows the value and takes no other.
    pub(crate) fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }

    /// Asks for the value only while another field is asked for and holds one of these.
    pub(crate) fn when(mut self, id: &'static str, values: &'static [&'static str]) -> Self {
        self.when = Some((id, values));
        self
    }

    /// Says what is wrong with a value.
    pub(crate) fn check(mut self, check: fn(&str) -> Result<(), String>) -> Self {
        self.check = check;
        self
    }

    /// The value at first; the form is not dirty while it stays.
    pub(crate) fn value(mut self, value: &str) -> Self {
        self.set(value);
        match &mut self.input {
            Input::Text(text) => text.settle(),
            Input::Choice { chosen, initial, .. } => *initial = *chosen,
        }
        self
    }

    fn set(&mut self, value: &str) {
        match &mut self.input {
            Input::Text(text) => text.set(value),
            Input::Choice { options, chosen, .. } => {
                *chosen = options.iter().position(|option| option == value).unwrap_or(*chosen);
            }
        }
        self.checked();
    }

    fn get(&self) -> Zeroizing<String> {
        match &self.input {
            Input::Text(text) => text.text(),
            Input::Choice { options, chosen, .. } => options.get(*chosen).cloned().unwrap_or_default().into(),
        }
    }

    fn checked(&mut self) {
        self.error = (self.check)(&self.get()).err();
        self.refusal = None;
    }

    fn shown_error(&self) -> Option<&str> {
        self.refusal.as_deref().or_else(|| self.error.as_deref().filter(|_| self.touched))
    }

    /// Rows of the value.
    fn height(&self) -> usize {
        const MOST: usize = 6;
        match &self.input {
            Input::Text(text) => text.line_count().min(MOST),
            Input::Choice { .. } => 1,
        }
    }

    fn key(&mut self, key: KeyEvent) -> Edit {
        let edit = match &mut self.input {
            Input::Text(text) => text.key(key),
            Input::Choice { options, chosen, .. } => {
                let step = match key.code {
                    KeyCode::Left => options.len().saturating_sub(1),
                    KeyCode::Right | KeyCode::Char(' ') => 1,
                    KeyCode::Char(first) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
                        let starts = |step: &usize| options[(*chosen + step) % options.len()].starts_with(first);
                        (1..=options.len()).find(starts).unwrap_or(0)
                    }
                    _ => return Edit::Ignored,
                };
                *chosen = (*chosen + step).checked_rem(options.len()).unwrap_or(0);
                Edit::Changed
            }
        };
        if edit == Edit::Changed {
            self.touched = true;
            self.checked();
        }
        edit
    }
}

/// Fields below each other and a button. Tab and the arrows move, Enter moves on and at the end submits, Ctrl-S
/// submits anywhere, Esc cancels.
#[derive(Debug)]
pub(crate) struct Form {
    fields: Vec<Field>,
    /// What its button says.
    button: &'static str,
    /// Place of the field that has the keys; after the last one comes the button.
    focus: usize,
    /// Where it was drawn, for the mouse.
    area: Cell<Rect>,
}

/// Where everything of a form lies, in rows of its own, and which of them are in sight.
#[derive(Debug)]
struct Layout {
    body: Rect,
    help: Rect,
    labels: u16,
    /// For each field: its first row, the row of its value, and its error. Of one that is not asked for there is none.
    places: Vec<Option<(usize, usize, Vec<String>)>>,
    button: usize,
    /// First row in sight.
    scrolled: usize,
}

impl Form {
    pub(crate) fn new(mut fields: Vec<Field>) -> Self {
        fields.iter_mut().for_each(Field::checked);
        let mut form = Self { fields, button: "Continue", focus: 0, area: Cell::default() };
        form.focus = (0..form.fields.len()).find(|place| form.takes_keys(*place)).unwrap_or(form.fields.len());
        form
    }

    /// Whether a field is asked for.
    fn is_asked(&self, place: usize) -> bool {
        let Some((id, values)) = self.fields[place].when else { return true };
        let other = self.fields.iter().position(|field| field.id == id);
        other.is_some_and(|other| self.is_asked(other) && values.contains(&self.fields[other].get().as_str()))
    }

    /// Whether keys can go to a field, or to the button after the last one.
    fn takes_keys(&self, place: usize) -> bool {
        self.fields.get(place).is_none_or(|field| !field.fixed && self.is_asked(place))
    }

    /// Names its button.
    pub(crate) fn button(mut self, label: &'static str) -> Self {
        self.button = label;
        self
    }

    /// Takes a key in.
    pub(crate) fn key(&mut self, key: KeyEvent) -> FormEvent {
        if key.kind == KeyEventKind::Release {
            return FormEvent::None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return FormEvent::Cancel,
            KeyCode::Char('s') | KeyCode::Enter if control => return self.submit(),
            KeyCode::BackTab => return self.step(false),
            KeyCode::Tab => return self.step(!key.modifiers.contains(KeyModifiers::SHIFT)),
            _ => {}
        }
        match self.fields.get_mut(self.focus).map_or(Edit::Ignored, |field| field.key(key)) {
            Edit::Moved | Edit::Changed => FormEvent::Changed,
            Edit::Ignored => match key.code {
                KeyCode::Enter if self.next(self.focus).is_none_or(|next| next == self.fields.len()) => self.submit(),
                KeyCode::Enter | KeyCode::Down => self.step(true),
                KeyCode::Char(' ') if self.focus == self.fields.len() => self.submit(),
                KeyCode::Up => self.step(false),
                _ => FormEvent::None,
            },
        }
    }

    /// Inserts pasted text where one types.
    pub(crate) fn paste(&mut self, text: &str) {
        if let Some(field) = self.fields.get_mut(self.focus)
            && let Input::Text(input) = &mut field.input
        {
            input.insert(text);
            field.touched = true;
            field.checked();
        }
    }

    /// Takes a click in: goes to a field or a place in its text, takes the next option of a choice, presses the button.
    #[must_use = "the button may have been pressed"]
    pub(crate) fn click(&mut self, column: u16, row: u16) -> FormEvent {
        let layout = self.layout(self.area.get());
        let at = Position::new(column, row);
        if !layout.body.contains(at) {
            return FormEvent::None;
        }
        let line = layout.scrolled + usize::from(row - layout.body.y);
        if line == layout.button {
            self.focus = self.fields.len();
            return self.submit();
        }
        let begins =
            |place: &Option<(usize, usize, Vec<String>)>| place.as_ref().is_some_and(|(first, ..)| *first <= line);
        let Some(place) = layout.places.iter().rposition(begins) else { return FormEvent::None };
        if self.fields[place].fixed {
            return FormEvent::None;
        }
        let input = layout.input(place, self.fields[place].height());
        let again = self.focus == place;
        self.go(place);
        match &mut self.fields[place].input {
            Input::Text(text) if input.contains(at) => text.click(input, at),
            Input::Choice { .. } if again && input.contains(at) => {
                self.fields[place].key(KeyEvent::from(KeyCode::Right));
            }
            _ => {}
        }
        FormEvent::Changed
    }

    /// Whether such a field is asked for.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.fields.iter().position(|field| field.id == id).is_some_and(|place| self.is_asked(place))
    }

    /// What a field holds; empty if there is no such field.
    pub(crate) fn value(&self, id: &str) -> String {
        self.fields.iter().find(|field| field.id == id).map_or_else(String::new, |field| field.get().to_string())
    }

    /// Fills a field in as if it were typed.
    #[cfg(test)]
    pub(crate) fn set_value(&mut self, id: &str, value: &str) {
        if let Some(field) = self.fields.iter_mut().find(|field| field.id == id) {
            field.set(value);
        }
    }

    /// Shows at a field what the daemon said about it, and goes there.
    pub(crate) fn set_error(&mut self, id: &str, message: String) {
        if let Some(place) = self.fields.iter().position(|field| field.id == id) {
            self.fields[place].refusal = Some(message);
            if self.takes_keys(place) {
                self.go(place);
            }
        }
    }

    /// Whether somebody changed a value.
    pub(crate) fn is_dirty(&self) -> bool {
        self.fields.iter().any(|field| match &field.input {
            Input::Text(text) => text.is_dirty(),
            Input::Choice { chosen, initial, .. } => chosen != initial,
        })
    }

    /// What is wrong with the first field that is not right.
    #[cfg(test)]
    pub(crate) fn first_error(&self) -> Option<&str> {
        self.fields.iter().find_map(|field| field.refusal.as_deref().or(field.error.as_deref()))
    }

    fn submit(&mut self) -> FormEvent {
        for field in &mut self.fields {
            field.touched = true;
            field.checked();
        }
        let is_wrong = |place: &usize| self.fields[*place].error.is_some() && self.is_asked(*place);
        match (0..self.fields.len()).find(is_wrong) {
            Some(wrong) => {
                if !self.fields[wrong].fixed {
                    self.focus = wrong;
                }
                FormEvent::Changed
            }
            None => FormEvent::Submit,
        }
    }

    fn step(&mut self, forward: bool) -> FormEvent {
        let stops = self.fields.len() + 1;
        let next = |at: &usize| Some(if forward { at + 1 } else { at + stops - 1 } % stops);
        let stop = std::iter::successors(next(&self.focus), next).take(stops).find(|at| self.takes_keys(*at));
        self.go(stop.unwrap_or(self.focus));
        FormEvent::Changed
    }

    /// The next place that takes keys, the button among them.
    fn next(&self, from: usize) -> Option<usize> {
        (from + 1..=self.fields.len()).find(|at| self.takes_keys(*at))
    }

    fn go(&mut self, place: usize) {
        if let Some(left) = self.fields.get_mut(self.focus).filter(|_| place != self.focus) {
            left.touched = true;
        }
        self.focus = place;
    }

    fn layout(&self, area: Rect) -> Layout {
        let width = usize::from(area.width);
        let help = self.fields.iter().map(|field| wrap(field.help, width).len()).max().unwrap_or(0);
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
            let errors: Vec<String> = errors.into_iter().take(3).collect();
            if place == self.focus {
                cursor = value
                    + match &field.input {
                        Input::Text(text) => text.cursor_line().min(field.height() - 1),
                        Input::Choice { .. } => 0,
                    };
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
            for (row, line) in layout.help.rows().zip(wrap(field.help, usize::from(area.width))) {
                buf.set_stringn(row.x, row.y, line, usize::from(row.width), theme.dim);
            }
        }
        let (up, down) = if theme.is_ascii() { ("^", "v") } else { ("▴", "▾") };
        let edge = area.right() - 1;
        if layout.scrolled > 0 {
            buf.set_string(edge, layout.body.y, up, theme.dim);
        }
        if layout.scrolled + usize::from(layout.body.height) <= layout.button {
            buf.set_string(edge, layout.body.bottom() - 1, down, theme.dim);
        }
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
                let cursor = text.draw(input, buf, style, dot);
                focused.then_some(cursor)
            }
            Input::Choice { options, chosen, .. } => {
                let option = display_line(&field.get(), usize::from(input.width));
                let (left, right) = if theme.is_ascii() { ("< ", " >") } else { ("‹ ", " ›") };
                let text = match (options.len(), field.fixed) {
                    (0, _) => "none".to_owned(),
                    (1, _) | (_, true) => option,
                    (count, false) => format!("{left}{option}{right} {}/{count}", chosen + 1),
                };
                let style = if focused { theme.selected } else { theme.text };
                buf.set_stringn(input.x, input.y, text, usize::from(input.width), style);
                None
            }
        }
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
    fn input(&self, place: usize, height: usize) -> Rect {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dashboard::theme::{Depth, Glyphs};

    fn form() -> Form {
        let needed = |text: &str| if text.is_empty() { Err("a name is needed".to_owned()) } else { Ok(()) };
        let options = ["always", "never", "on-failure"].map(str::to_owned).into();
        Form::new(vec![
            Field::text("name", "Name").help("What to call it").placeholder("web").check(needed),
            Field::text("kind", "Kind").value("app").fixed(),
            Field::secret("token", "Token"),
            Field::choice("restart", "Restart", options).value("never"),
            Field::lines("env", "Environment").help("KEY=VALUE, one a line"),
            Field::secret_lines("secrets", "Secrets"),
        ])
    }

    fn press(form: &mut Form, keys: &str) -> FormEvent {
        let mut event = FormEvent::None;
        for word in keys.split(' ') {
            let key = match word {
                "tab" => KeyEvent::from(KeyCode::Tab),
                "backtab" => KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT),
                "enter" => KeyEvent::from(KeyCode::Enter),
                "esc" => KeyEvent::from(KeyCode::Esc),
                "up" => KeyEvent::from(KeyCode::Up),
                "down" => KeyEvent::from(KeyCode::Down),
                "left" => KeyEvent::from(KeyCode::Left),
                "right" => KeyEvent::from(KeyCode::Right),
                "ctrl-s" => KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL),
                "ctrl-enter" => KeyEvent::new(KeyCode::Enter, KeyModifiers::CONTROL),
                text => {
                    for character in text.chars() {
                        event = form.key(KeyEvent::from(KeyCode::Char(character)));
                    }
                    continue;
                }
            };
            event = form.key(key);
        }
        event
    }

    fn draw(form: &Form, width: u16, height: u16, glyphs: Glyphs) -> (Vec<String>, Option<Position>, Buffer) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let cursor = form.render(buffer.area, &mut buffer, &Theme::new(Depth::Mono, glyphs));
        let rows = buffer.content.chunks(usize::from(width.max(1)));
        let text = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect::<String>();
        (rows.map(|row| text(row).trim_end().to_owned()).collect(), cursor, buffer)
    }

    #[test]
    fn shows_labels_values_errors_help_and_the_button() {
        let mut form = form();
        press(&mut form, "tab hunter2 tab tab A=1 enter B=2 tab K=vv");
        let (rows, cursor, buffer) = draw(&form, 60, 14, Glyphs::Braille);
        assert_eq!(
            rows,
            [
                "  Name         web",
                "               ✗ a name is needed",
                "  Kind         app",
                "  Token        •••••••",
                "  Restart      ‹ never › 2/3",
                "  Environment  A=1",
                "               B=2",
                "▸ Secrets      K=••",
                "",
                "               [ Continue ]",
                "",
                "",
                "",
                "",
            ]
        );
        assert_eq!(cursor, Some(Position::new(19, 7)));
        assert!(buffer[(15, 7)].modifier.contains(Modifier::UNDERLINED), "a field shows its extent");
        assert!(buffer[(2, 7)].modifier.contains(Modifier::BOLD), "focus shows without color");
        press(&mut form, "backtab");
        let (rows, ..) = draw(&form, 60, 14, Glyphs::Ascii);
        assert_eq!((&*rows[5], &*rows[13]), ("> Environment  A=1", "KEY=VALUE, one a line"));
    }

    #[test]
    fn keys_walk_through_the_fields() {
        let mut form = form();
        for (keys, focus) in
            [("tab", "token"), ("backtab", "name"), ("down", "token"), ("up", "name"), ("x enter", "token")]
        {
            press(&mut form, keys);
            assert_eq!(form.fields[form.focus].id, focus, "{keys}");
        }
        press(&mut form, "tab tab tab tab");
        assert_eq!(form.focus, form.fields.len(), "the button");
        press(&mut form, "tab");
        assert_eq!(form.focus, 0);
        press(&mut form, "tab tab right");
        assert_eq!(form.value("restart"), "on-failure");
        press(&mut form, "right a n n");
        assert_eq!(form.value("restart"), "never");
    }

    #[test]
    fn submits_only_what_is_right() {
        for submit in ["ctrl-s", "ctrl-enter", "backtab enter"] {
            let mut form = form();
            assert_eq!(press(&mut form, submit), FormEvent::Changed, "{submit}");
            assert_eq!((form.focus, form.first_error()), (0, Some("a name is needed")));
            press(&mut form, "web");
            assert_eq!(form.first_error(), None, "checked as one types");
            assert_eq!(press(&mut form, submit), FormEvent::Submit, "{submit}");
        }
        assert_eq!(press(&mut form(), "esc"), FormEvent::Cancel);
    }

    #[test]
    fn enter_at_the_last_field_submits() {
        let mut form = Form::new(vec![Field::text("a", "A"), Field::secret("b", "B"), Field::text("c", "C").fixed()]);
        assert_eq!(press(&mut form, "x enter"), FormEvent::Changed);
        assert_eq!(press(&mut form, "y enter"), FormEvent::Submit);
    }

    #[test]
    fn a_refusal_stands_until_its_field_is_edited() {
        let mut form = form();
        form.set_value("name", "web");
        form.set_error("env", "A is not allowed".to_owned());
        assert_eq!((form.fields[form.focus].id, form.first_error()), ("env", Some("A is not allowed")));
        assert!(draw(&form, 60, 20, Glyphs::Braille).0.iter().any(|row| row.contains("✗ A is not allowed")));
        press(&mut form, "B");
        assert_eq!(form.first_error(), None);
        form.set_error("name", "taken".to_owned());
        assert_eq!(press(&mut form, "ctrl-s"), FormEvent::Submit, "the daemon decides again");
    }

    #[test]
    fn an_error_is_shown_whole_at_every_width() {
        let error = "a name has small letters, digits and dashes and begins with a letter";
        for width in 50..100 {
            let mut form = form();
            form.set_error("name", error.to_owned());
            let (rows, ..) = draw(&form, width, 30, Glyphs::Braille);
            let text = rows.join(" ");
            for word in error.split(' ') {
                assert!(text.contains(word), "no {word:?} at {width} columns in\n{}", rows.join("\n"));
            }
        }
    }

    #[test]
    fn knows_what_was_changed() {
        let mut form = form();
        assert!(!form.is_dirty());
        press(&mut form, "tab tab right");
        assert!(form.is_dirty());
        press(&mut form, "left");
        assert!(!form.is_dirty());
        form.set_value("kind", "other");
        assert!(form.is_dirty() && form.has("kind") && !form.has("none"));
    }

    #[test]
    fn clicks_go_where_they_point() {
        let mut form = form();
        form.set_value("name", "abc");
        draw(&form, 60, 14, Glyphs::Braille);
        assert_eq!(form.click(16, 0), FormEvent::Changed);
        press(&mut form, "X");
        assert_eq!(form.value("name"), "aXbc");
        assert_eq!(form.click(17, 3), FormEvent::Changed);
        assert_eq!((form.fields[form.focus].id, form.value("restart")), ("restart", "never".to_owned()));
        assert_eq!(form.click(17, 3), FormEvent::Changed);
        assert_eq!(form.value("restart"), "on-failure");
        assert_eq!(form.click(17, 1), FormEvent::None, "a fixed field");
        assert_eq!(form.click(17, 7), FormEvent::Submit);
        assert_eq!(form.click(17, 40), FormEvent::None);
    }

    #[test]
    fn paste_goes_where_one_types() {
        let mut form = form();
        form.paste("we\nb\n");
        press(&mut form, "tab tab");
        form.paste("nothing");
        press(&mut form, "tab");
        form.paste("A=1\r\nB=2\r");
        assert_eq!((form.value("name"), form.value("env")), ("we b".to_owned(), "A=1\nB=2\n".to_owned()));
    }

    #[test]
    fn scrolls_to_what_has_the_keys() {
        let mut form = form();
        press(&mut form, "x tab tab tab A=1 enter B=2 enter C=3");
        let (rows, cursor, _) = draw(&form, 30, 5, Glyphs::Ascii);
        assert_eq!(
            rows,
            [
                "  A=1                        ^",
                "  B=2",
                "  C=3",
                "  Secrets                    v",
                "KEY=VALUE, one a line"
            ]
        );
        assert_eq!(cursor, Some(Position::new(5, 2)));
    }

    #[test]
    fn asks_for_a_field_only_with_the_values_that_want_it() {
        let missing = |text: &str| if text.is_empty() { Err("missing".to_owned()) } else { Ok(()) };
        let options = |options: [&str; 2]| options.map(str::to_owned).into();
        let mut form = Form::new(vec![
            Field::choice("how", "How", options(["ssh", "token"])),
            Field::choice("auth", "Auth", options(["password", "key"])).when("how", &["ssh"]),
            Field::text("key", "Key").when("auth", &["key"]).check(missing),
            Field::text("name", "Name").value("web"),
        ]);
        let shown = |form: &Form| draw(form, 60, 12, Glyphs::Ascii).0.join("\n");
        assert!(shown(&form).contains("Auth") && !shown(&form).contains("Key") && !form.has("key"));
        press(&mut form, "tab right");
        assert!(shown(&form).contains("Key"));
        assert_eq!(press(&mut form, "ctrl-s"), FormEvent::Changed, "the key is missing");
        press(&mut form, "k backtab backtab right");
        assert!(!shown(&form).contains("Auth") && !form.has("key"), "what hangs on a hidden field is hidden too");
        press(&mut form, "tab 2");
        assert_eq!(form.value("name"), "web2", "hidden fields take no keys");
        assert_eq!(form.click(17, 1), FormEvent::Changed);
        assert_eq!(press(&mut form, "ctrl-s"), FormEvent::Submit);
    }

    #[test]
    fn tells_no_secret_when_printed() {
        let mut form = form();
        press(&mut form, "tab hunter2");
        assert!(!format!("{form:?}").contains("hunter2"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_keys_and_clicks_at_any_size_keep_the_cursor_inside(
            keys in proptest::collection::vec(0_usize..16, 0..60),
            (width, height, column, row) in (0_u16..100, 0_u16..40, 0_u16..110, 0_u16..45),
        ) {
            let codes = [
                KeyCode::Tab, KeyCode::BackTab, KeyCode::Enter, KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right,
                KeyCode::Char('a'), KeyCode::Char('語'), KeyCode::Char(' '), KeyCode::Char('='), KeyCode::Backspace,
                KeyCode::Delete, KeyCode::Home, KeyCode::End, KeyCode::F(1),
            ];
            for mut form in [form(), Form::new(Vec::new()), Form::new(vec![Field::choice("c", "C", Vec::new())])] {
                for key in &keys {
                    form.key(KeyEvent::from(codes[*key]));
                    let (_, cursor, _) = draw(&form, width, height, Glyphs::Braille);
                    prop_assert!(cursor.is_none_or(|at| at.x < width && at.y < height));
                }
                prop_assert!(form.click(column, row) != FormEvent::Cancel);
                form.set_error("name", "日本語 long ".repeat(30));
                form.key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL));
                draw(&form, width, height, Glyphs::Braille);
            }
        }
    }
}
