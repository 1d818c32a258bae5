//! What forms that ask for one thing have in common: a box of their own, and that they take no keys while their answer is waited for.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{layout::Rect, style::Style};

use crate::{
    dashboard::{
        canvas::{Canvas, Hit, centered, split_top},
        widgets::form::{Form, FormEvent},
    },
    format::wrap,
};

/// What a form comes to: `Ok` is what is wanted, `Err` the wish to leave.
pub(crate) type Wish<W> = Option<Result<W, ()>>;

/// A form in its box.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) form: Form,
    title: String,
    rows: u16,
    /// What stands above the fields.
    said: &'static str,
    /// The field that is told what fits no other.
    usual: &'static str,
    keys: &'static str,
    waits: &'static str,
    busy: bool,
}

impl Sheet {
    pub(crate) fn new(form: Form, title: impl Into<String>, rows: u16, usual: &'static str) -> Self {
        let keys = "Enter goes on   Tab next field   Ctrl-S sends   Esc leaves";
        Self { form, title: title.into(), rows, said: "", usual, keys, waits: "sending   Esc leaves", busy: false }
    }

    /// Which keys work, and what is waited for, where it is not the usual.
    pub(crate) fn hints(self, keys: &'static str, waits: &'static str) -> Self {
        Self { keys, waits, ..self }
    }

    /// Says something above the fields.
    pub(crate) fn saying(self, said: &'static str) -> Self {
        Self { said, ..self }
    }

    /// It was not done.
    pub(crate) fn refused(&mut self, field: Option<&str>, message: String) {
        self.busy = false;
        let field = field.filter(|field| self.form.has(field)).unwrap_or(self.usual);
        self.form.set_error(field, message);
    }

    /// Takes keys again.
    pub(crate) const fn free(&mut self) {
        self.busy = false;
    }

    /// What is waited for, or which keys work.
    pub(crate) const fn hint(&self) -> &'static str {
        if self.busy { self.waits } else { self.keys }
    }

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let gap = if self.said.is_empty() { "" } else { "\n\n" };
        let said = format!("{}{gap}", self.said);
        let most = (78, self.rows);
        draw_in_box(canvas, area, most, &self.title, (&said, u16::MAX, canvas.theme.text), &self.form);
    }
}

/// Draws a form in a box of `most` columns and rows, and as high as it has to be; above the fields stands what is said, in its style
/// and in so many rows at the most.
pub(super) fn draw_in_box(
    canvas: &mut Canvas<'_>,
    area: Rect,
    most: (u16, u16),
    title: &str,
    (said, said_rows, style): (&str, u16, Style),
    form: &Form,
) {
    // The border, and a blank beside it.
    let width = area.width.min(most.0).saturating_sub(4);
    let said = wrap(said, usize::from(width));
    let above = u16::try_from(said.len()).unwrap_or(u16::MAX).min(said_rows);
    let rows = form.rows(width).saturating_add(above).saturating_add(2).min(most.1);
    let inner = canvas.dialogue(centered(area, most.0, rows), title);
    let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
    let (head, fields) = split_top(inner, above);
    for (row, line) in head.rows().zip(said) {
        canvas.text(row, &line, style);
    }
    canvas.hits.add(fields, Hit::Form);
    if let Some(cursor) = form.render(fields, canvas.buffer, canvas.theme) {
        canvas.cursor = Some(cursor);
    }
}

/// A form that asks for one thing.
pub(crate) trait Asks {
    type Wanted;

    fn sheet(&mut self) -> &mut Sheet;

    /// What the fields, which fit each by itself, come to. `None` if they do not fit together: then one of them says so.
    fn wanted(&mut self) -> Wish<Self::Wanted>;

    fn key(&mut self, key: KeyEvent) -> Wish<Self::Wanted> {
        if self.sheet().busy {
            return (key.code == KeyCode::Esc).then_some(Err(()));
        }
        let told = self.sheet().form.key(key);
        self.follow(&told)
    }

    fn click(&mut self, column: u16, row: u16) -> Wish<Self::Wanted> {
        let told = self.sheet().form.click(column, row);
        self.follow(&told)
    }

    /// What a key or a click comes to.
    fn follow(&mut self, told: &FormEvent) -> Wish<Self::Wanted> {
        match told {
            FormEvent::Cancel => Some(Err(())),
            FormEvent::Submit if !self.sheet().busy => {
                let wanted = self.wanted()?;
                self.sheet().busy = wanted.is_ok();
                Some(wanted)
            }
            _ => None,
        }
    }
}
