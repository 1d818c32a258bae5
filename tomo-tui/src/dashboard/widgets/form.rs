//! A form: fields with a label, checked as one types, and a button. What it asks for and what happens then is its
//! owner's business.

mod field;
mod layout;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Position, Rect};

use crate::dashboard::{completion::Completion, widgets::textfield::Edit};
pub(crate) use field::Field;
use field::Input;

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

/// Fields below each other and a button. Tab and the arrows move, Enter moves on and at the end submits, Ctrl-S
/// submits anywhere, Esc cancels.
#[derive(Debug)]
pub(crate) struct Form {
    fields: Vec<Field>,
    /// What its button says.
    button: &'static str,
    /// Place of the field that has the keys; after the last one comes the button.
    focus: usize,
    /// What somebody wants to have completed.
    begun: Option<String>,
    /// Where it was drawn, for the mouse.
    area: Cell<Rect>,
}

impl Form {
    pub(crate) fn new(mut fields: Vec<Field>) -> Self {
        fields.iter_mut().for_each(Field::checked);
        let mut form = Self { fields, button: "Continue", focus: 0, begun: None, area: Cell::default() };
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

    /// Begins at a field.
    pub(crate) fn at(mut self, id: &str) -> Self {
        self.focus = self.fields.iter().position(|field| field.id == id).unwrap_or(self.focus);
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
            KeyCode::Tab if self.begin_completion() => return FormEvent::None,
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

    /// Whether Tab completes a path here; where it has done what it can, it moves on as everywhere.
    fn begin_completion(&mut self) -> bool {
        let Some(field) = self.fields.get_mut(self.focus).filter(|field| field.path && field.unfinished) else {
            return false;
        };
        field.unfinished = false;
        self.begun = Some(field.get().to_string()).filter(|typed| !typed.is_empty());
        self.begun.is_some()
    }

    /// What is to be completed, once.
    pub(crate) const fn take_begun(&mut self) -> Option<String> {
        self.begun.take()
    }

    /// Fills in what a path was completed to, unless it was edited meanwhile; says so if there is more than one way on, and moves on if
    /// there is none.
    pub(crate) fn complete(&mut self, completion: &Completion) {
        let Some(field) = self.fields.get_mut(self.focus).filter(|field| field.path) else { return };
        if *field.get() != completion.typed {
            return;
        }
        match completion.fits.as_slice() {
            [] => drop(self.step(true)),
            [_] if completion.text == completion.typed => drop(self.step(true)),
            fits => {
                field.set(&completion.text);
                // Into a folder it goes on; where several fit, the same again moves on.
                field.unfinished = completion.text != completion.typed && (fits.len() > 1 || fits[0].ends_with('/'));
                field.fits = (fits.len() > 1).then(|| completion.said());
            }
        }
    }

    /// Inserts pasted text where one types.
    pub(crate) fn paste(&mut self, text: &str) {
        if let Some(field) = self.fields.get_mut(self.focus)
            && let Input::Text(input) = &mut field.input
        {
            input.insert(text);
            field.touched = true;
            field.unfinished = true;
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
        let (again, first_check) = (self.focus == place, self.fields[place].first_check());
        self.go(place);
        match &mut self.fields[place].input {
            Input::Text(text) if input.contains(at) => text.click(input, at, again),
            Input::Choice { .. } if again && input.contains(at) => {
                self.fields[place].key(KeyEvent::from(KeyCode::Right));
            }
            Input::Checks { at: chosen, checked, .. } if input.contains(at) => {
                *chosen = (first_check + usize::from(at.y - input.y)).min(checked.len().saturating_sub(1));
                self.fields[place].key(KeyEvent::from(KeyCode::Char(' ')));
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
            Input::Checks { checked, initial, .. } => checked != initial,
        })
    }

    /// What is wrong with the first field that is not right.
    #[cfg(test)]
    pub(crate) fn first_error(&self) -> Option<&str> {
        self.fields.iter().find_map(|field| field.refusal.as_deref().or(field.error.as_deref()))
    }

    /// Does what its button does.
    pub(crate) fn submit(&mut self) -> FormEvent {
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
            left.left();
        }
        self.focus = place;
    }
}
