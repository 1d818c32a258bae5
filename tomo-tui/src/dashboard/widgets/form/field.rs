//! One value that a form asks for: text, one of several, or some of several.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use zeroize::Zeroizing;

use crate::dashboard::widgets::textfield::{Edit, Hidden, TextField};

/// One value a form asks for.
#[derive(Debug)]
pub(crate) struct Field {
    pub(super) id: Cow<'static, str>,
    pub(super) label: Cow<'static, str>,
    pub(super) help: Cow<'static, str>,
    pub(super) placeholder: &'static str,
    pub(super) fixed: bool,
    /// Whether Tab completes it as a path.
    pub(super) path: bool,
    /// Whether there may be something to complete; if not, Tab moves on.
    pub(super) unfinished: bool,
    /// What could complete it, shown instead of the help until it is edited.
    pub(super) fits: Option<String>,
    /// The field and the values of it with which this one is asked for; always without.
    pub(super) when: Option<(&'static str, &'static [&'static str])>,
    pub(super) check: Check,
    /// Options of a choice that cannot be taken, and why.
    pub(super) against: BTreeMap<String, String>,
    pub(super) input: Input,
    /// What is wrong with the value, by the field's own check.
    pub(super) error: Option<String>,
    /// What the daemon said about it, until it is edited.
    pub(super) refusal: Option<String>,
    /// Whether somebody has been here: only then is an error shown.
    pub(super) touched: bool,
}

type Rule = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// Says what is wrong with a value.
pub(super) struct Check(Box<Rule>);

impl fmt::Debug for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Check")
    }
}

#[derive(Debug)]
pub(super) enum Input {
    Text(TextField),
    Choice {
        options: Vec<String>,
        chosen: usize,
        initial: usize,
        /// What was typed to find one.
        typed: String,
    },
    /// Lines with a check mark each, and the one that has the keys.
    Checks {
        options: Vec<String>,
        checked: Vec<bool>,
        initial: Vec<bool>,
        at: usize,
    },
}

/// Most rows of a value.
const MOST_ROWS: usize = 8;

impl Field {
    fn new(id: impl Into<Cow<'static, str>>, label: impl Into<Cow<'static, str>>, input: Input) -> Self {
        Self {
            id: id.into(),
            label: label.into(),
            help: "".into(),
            placeholder: "",
            fixed: false,
            path: false,
            unfinished: false,
            fits: None,
            when: None,
            check: Check(Box::new(|_| Ok(()))),
            against: BTreeMap::new(),
            input,
            error: None,
            refusal: None,
            touched: false,
        }
    }

    /// A line of text.
    pub(crate) fn text(id: impl Into<Cow<'static, str>>, label: impl Into<Cow<'static, str>>) -> Self {
        Self::new(id, label, Input::Text(TextField::new(false, Hidden::Nothing)))
    }

    /// A path on this computer, which Tab completes.
    pub(crate) fn path(id: &'static str, label: &'static str) -> Self {
        Self { path: true, ..Self::text(id, label) }
    }

    /// A line that nobody sees.
    pub(crate) fn secret(id: impl Into<Cow<'static, str>>, label: impl Into<Cow<'static, str>>) -> Self {
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
    pub(crate) fn choice(
        id: impl Into<Cow<'static, str>>,
        label: impl Into<Cow<'static, str>>,
        options: Vec<String>,
    ) -> Self {
        Self::new(id, label, Input::Choice { options, chosen: 0, initial: 0, typed: String::new() })
    }

    /// Any of several lines, some of them checked at first; its value is those that are, below each other.
    pub(crate) fn checks(id: &'static str, label: &'static str, options: Vec<(String, bool)>) -> Self {
        let (options, checked): (Vec<String>, Vec<bool>) = options.into_iter().unzip();
        Self::new(id, label, Input::Checks { options, initial: checked.clone(), checked, at: 0 })
    }

    /// What to write, shown while the field has the keys.
    pub(crate) fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.help = help.into();
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
    pub(crate) fn check(mut self, check: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.check = Check(Box::new(check));
        self
    }

    /// Says beside options of a choice why they cannot be taken.
    pub(crate) fn against(mut self, against: BTreeMap<String, String>) -> Self {
        self.against = against.clone();
        self.check(move |value| against.get(value).map_or(Ok(()), |why| Err(why.clone())))
    }

    /// Ends what was begun in it: the keys go elsewhere.
    pub(super) fn left(&mut self) {
        self.touched = true;
        if let Input::Choice { typed, .. } = &mut self.input {
            typed.clear();
        }
    }

    /// The value at first; the form is not dirty while it stays.
    pub(crate) fn value(mut self, value: &str) -> Self {
        self.set(value);
        match &mut self.input {
            Input::Text(text) => text.settle(),
            Input::Choice { chosen, initial, .. } => *initial = *chosen,
            Input::Checks { checked, initial, .. } => initial.clone_from(checked),
        }
        self
    }

    pub(super) fn set(&mut self, value: &str) {
        match &mut self.input {
            Input::Text(text) => text.set(value),
            Input::Choice { options, chosen, .. } => {
                *chosen = options.iter().position(|option| option == value).unwrap_or(*chosen);
            }
            Input::Checks { options, checked, .. } => {
                *checked = options.iter().map(|option| value.lines().any(|line| line == option)).collect();
            }
        }
        self.checked();
    }

    pub(super) fn get(&self) -> Zeroizing<String> {
        match &self.input {
            Input::Text(text) => text.text(),
            Input::Choice { options, chosen, .. } => options.get(*chosen).cloned().unwrap_or_default().into(),
            Input::Checks { options, checked, .. } => {
                let chosen = options.iter().zip(checked).filter(|(_, checked)| **checked);
                chosen.map(|(option, _)| option.as_str()).collect::<Vec<_>>().join("\n").into()
            }
        }
    }

    pub(super) fn checked(&mut self) {
        self.error = (self.check.0)(&self.get()).err();
        self.refusal = None;
        self.fits = None;
    }

    pub(super) fn shown_error(&self) -> Option<&str> {
        self.refusal.as_deref().or_else(|| self.error.as_deref().filter(|_| self.touched))
    }

    /// Rows of the value.
    pub(super) fn height(&self) -> usize {
        match &self.input {
            Input::Text(text) => text.line_count().min(MOST_ROWS),
            Input::Choice { .. } => 1,
            Input::Checks { options, .. } => options.len().clamp(1, MOST_ROWS),
        }
    }

    /// The row of the value that has the keys.
    pub(super) fn cursor_row(&self) -> usize {
        match &self.input {
            Input::Text(text) => text.cursor_line().min(self.height() - 1),
            Input::Choice { .. } => 0,
            Input::Checks { at, .. } => at - self.first_check(),
        }
    }

    /// The first of the check marks in sight.
    pub(super) fn first_check(&self) -> usize {
        match &self.input {
            Input::Checks { at, .. } => (at + 1).saturating_sub(self.height()),
            Input::Text(_) | Input::Choice { .. } => 0,
        }
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Edit {
        let edit = match &mut self.input {
            Input::Text(text) => text.key(key),
            Input::Choice { options, chosen, typed, .. } => {
                let step = match key.code {
                    KeyCode::Left => options.len().saturating_sub(1),
                    KeyCode::Right | KeyCode::Char(' ') => 1,
                    KeyCode::Char(letter) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
                        typed.push(letter);
                        if let Some(found) = found(options, typed) {
                            *chosen = found;
                            return self.edited(Edit::Changed);
                        }
                        // Nothing has it: the letter begins anew, from the next option on.
                        *typed = letter.to_string();
                        let starts =
                            |step: &usize| fits(&options[(*chosen + step) % options.len()], typed) == Fit::Start;
                        let next = (1..=options.len()).find(starts);
                        let within = || found(options, typed).map(|at| at + options.len() - *chosen);
                        match next.or_else(within) {
                            Some(step) => step,
                            None => {
                                typed.clear();
                                0
                            }
                        }
                    }
                    KeyCode::Backspace if typed.pop().is_some() => {
                        *chosen = found(options, typed).unwrap_or(*chosen);
                        return self.edited(Edit::Changed);
                    }
                    _ => return Edit::Ignored,
                };
                if matches!(key.code, KeyCode::Left | KeyCode::Right | KeyCode::Char(' ')) {
                    typed.clear();
                }
                *chosen = (*chosen + step).checked_rem(options.len()).unwrap_or(0);
                Edit::Changed
            }
            Input::Checks { checked, at, .. } => match key.code {
                KeyCode::Up if *at > 0 => {
                    *at -= 1;
                    Edit::Moved
                }
                KeyCode::Down if *at + 1 < checked.len() => {
                    *at += 1;
                    Edit::Moved
                }
                KeyCode::Char(' ') if !checked.is_empty() => {
                    checked[*at] = !checked[*at];
                    Edit::Changed
                }
                KeyCode::Char('a') if !key.modifiers.contains(KeyModifiers::CONTROL) => {
                    let all = checked.contains(&false);
                    checked.fill(all);
                    Edit::Changed
                }
                _ => Edit::Ignored,
            },
        };
        self.edited(edit)
    }

    fn edited(&mut self, edit: Edit) -> Edit {
        if edit == Edit::Changed {
            self.touched = true;
            self.unfinished = true;
            self.checked();
        }
        edit
    }
}

/// How an option fits what was typed to find one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Start,
    Within,
    Not,
}

fn fits(option: &str, typed: &str) -> Fit {
    match option.to_lowercase().find(&typed.to_lowercase()) {
        Some(0) => Fit::Start,
        Some(_) => Fit::Within,
        None => Fit::Not,
    }
}

/// The option that fits what was typed best: one that begins with it comes before one that has it within.
fn found(options: &[String], typed: &str) -> Option<usize> {
    let fitting = options.iter().enumerate().map(|(at, option)| (fits(option, typed), at));
    fitting.filter(|(fit, _)| *fit != Fit::Not).min().map(|(_, at)| at)
}
