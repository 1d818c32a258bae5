//! A person's own file: which keys do what, and what the dashboard looks like. Whatever is wrong in it is told with its line, and stays
//! as it is built in.

mod conflict;
mod file;
pub(crate) mod reference;
mod watch;

use std::path::Path;

use crossterm::event::KeyEvent;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::dashboard::{
    action::{Action, Context, Keymap, key, row},
    theme::{Ink, Inks, Rgb, ThemeName},
};
pub(crate) use file::{choose_theme, usual_path};
pub(crate) use watch::watch;

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) keys: Keymap,
    pub(crate) look: Look,
}

/// A theme, and colors instead of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) theme: ThemeName,
    colors: Vec<(&'static str, Ink)>,
}

impl Look {
    /// Its colors, on a terminal with this background if it has told.
    pub(crate) fn inks(&self, background: Option<Rgb>) -> Inks {
        let mut inks = self.theme.inks(background);
        for (role, color) in &self.colors {
            if let Some(ink) = inks.of(role) {
                *ink = *color;
            }
        }
        inks
    }
}

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where, from 1; 0 for the file as a whole.
    line: usize,
    said: String,
}

impl Problem {
    /// The problem as people read it: file, line, what is wrong and what to do.
    pub(crate) fn of(&self, path: &Path) -> String {
        match self.line {
            0 => format!("{}: {}", path.display(), self.said),
            line => format!("{}:{line}: {}", path.display(), self.said),
        }
    }
}

/// What was read, and everything that is wrong in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) problems: Vec<Problem>,
}

/// Reads a file; one that is not there says nothing.
pub(crate) fn load(path: &Path) -> Loaded {
    match file::text(path) {
        Ok(text) => read(&text),
        Err(said) => Loaded { problems: vec![Problem { line: 0, said }], ..Loaded::default() },
    }
}

/// Keys that a file gives an action.
#[derive(Debug)]
struct Binding {
    /// Byte of the action's name.
    at: usize,
    context: Context,
    action: Action,
    keys: Vec<(String, KeyEvent)>,
}

/// A file on the way to what it says.
struct Reader<'a> {
    text: &'a str,
    bindings: Vec<Binding>,
    problems: Vec<Problem>,
}

/// Reads the text of a file.
pub(crate) fn read(text: &str) -> Loaded {
    let mut reader = Reader { text, bindings: Vec::new(), problems: Vec::new() };
    let mut look = Look::default();
    match DeTable::parse(text) {
        Err(error) => reader.problem(error.span().map_or(0, |span| span.start), error.message().to_owned()),
        Ok(root) => {
            for (name, value) in root.get_ref() {
                let at = name.span().start;
                match (&**name.get_ref(), value.get_ref()) {
                    ("theme", DeValue::String(theme)) => reader.theme(value.span().start, theme, &mut look),
                    ("theme", DeValue::Table(table)) => reader.look(table, &mut look),
                    ("theme", _) => reader.problem(at, "write theme = \"NAME\", or a table [theme]".to_owned()),
                    ("keys", DeValue::Table(table)) => reader.keys(Context::Global, table),
                    ("keys-in", DeValue::Table(table)) => reader.keys_in(table),
                    ("keys" | "keys-in", _) => {
                        reader.problem(
                            at,
                            format!("{0} is a table: write [{0}…] and a line for each action", name.get_ref()),
                        );
                    }
                    (other, _) => {
                        reader.problem(at, format!("there is no \"{other}\": write theme, [keys] or [keys-in.VIEW]"));
                    }
                }
            }
        }
    }
    let Reader { bindings, mut problems, .. } = reader;
    let line = |at| line_at(text, at);
    let (keys, conflicts) = conflict::settle(bindings, line);
    problems.extend(conflicts);
    problems.sort_by_key(|problem| problem.line);
    Loaded { config: Config { keys, look }, problems }
}

impl Reader<'_> {
    fn problem(&mut self, at: usize, said: String) {
        self.problems.push(Problem { line: line_at(self.text, at), said });
    }

    fn theme(&mut self, at: usize, name: &str, look: &mut Look) {
        match ThemeName::parse(name) {
            Ok(theme) => look.theme = theme,
            Err(said) => self.problem(at, said),
        }
    }

    fn look(&mut self, table: &DeTable<'_>, look: &mut Look) {
        for (name, value) in table {
            let at = value.span().start;
            let role = Inks::ROLES.into_iter().find(|role| *role == &**name.get_ref());
            match (&**name.get_ref(), role, value.get_ref()) {
                ("base", _, DeValue::String(theme)) => self.theme(at, theme, look),
                (_, Some(role), DeValue::String(color)) => match Ink::parse(color) {
                    Ok(ink) => look.colors.push((role, ink)),
                    Err(said) => self.problem(at, format!("{role}: {said}")),
                },
                ("base", ..) | (_, Some(_), _) => {
                    self.problem(at, format!("{} is a text: write it in quotes", name.get_ref()));
                }
                (other, None, _) => {
                    let roles = Inks::ROLES.join(", ");
                    self.problem(
                        name.span().start,
                        format!("a theme has no \"{other}\": write base, or one of {roles}"),
                    );
                }
            }
        }
    }

    fn keys_in(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            let at = name.span().start;
            match (Context::named(name.get_ref()), value.get_ref()) {
                (Some(context), DeValue::Table(table)) => self.keys(context, table),
                (Some(context), _) => self.problem(at, format!("write a table [keys-in.{}]", context.name())),
                (None, _) => {
                    let names = Context::ALL.map(Context::name).join(", ");
                    self.problem(at, format!("there is no view \"{}\": write one of {names}", name.get_ref()));
                }
            }
        }
    }

    fn keys(&mut self, context: Context, table: &DeTable<'_>) {
        for (name, value) in table {
            let at = name.span().start;
            let Some(action) = Action::named(name.get_ref()) else {
                let said = format!("there is no action \"{}\": `tomo config keys` lists them", name.get_ref());
                self.problem(at, said);
                continue;
            };
            let works = &row(action).contexts;
            if context != Context::Global && !works.contains(&context) && !works.contains(&Context::Global) {
                let places: Vec<_> = works.iter().map(|context| context.name()).collect();
                let said =
                    format!("{} does nothing in {}: it works in {}", action.name(), context.name(), places.join(", "));
                self.problem(at, said);
                continue;
            }
            let DeValue::Array(items) = value.get_ref() else {
                self.problem(value.span().start, format!("{} wants a list of keys, e.g. [\"x\"]", action.name()));
                continue;
            };
            if let Some(keys) = self.list(action, items.iter()) {
                self.bindings.push(Binding { at, context, action, keys });
            }
        }
    }

    /// The keys of a list, if all of them are.
    fn list<'v>(
        &mut self,
        action: Action,
        items: impl Iterator<Item = &'v Spanned<DeValue<'v>>>,
    ) -> Option<Vec<(String, KeyEvent)>> {
        let mut keys = Some(Vec::new());
        for item in items {
            let chosen = match item.get_ref() {
                DeValue::String(text) => key::choose(text).map(|key| (text.clone().into_owned(), key)),
                _ => Err("a key is a text: write it in quotes".to_owned()),
            };
            match (chosen, &mut keys) {
                (Ok(chosen), Some(keys)) => keys.push(chosen),
                (Ok(_), None) => {}
                (Err(said), _) => {
                    self.problem(item.span().start, format!("{}: {said}", action.name()));
                    keys = None;
                }
            }
        }
        keys
    }
}

/// The line (from 1) of a byte.
fn line_at(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
