//! Which key means what: as the table says, unless a person's file says otherwise.

use std::collections::HashMap;

use crossterm::event::KeyEvent;

use super::{
    Action, Context, Entry, TABLE, in_context,
    key::{parse, same},
    row,
};

/// The keys of all actions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keymap {
    /// Keys instead of the table's, wherever the action works (`Global`) or in one context.
    changed: HashMap<(Context, Action), Vec<String>>,
}

impl Keymap {
    /// Gives an action these keys in a context, or wherever it works.
    pub(crate) fn bind(&mut self, context: Context, action: Action, keys: Vec<String>) {
        self.changed.insert((context, action), keys);
    }

    /// The keys that an action has in a context, the one to show first.
    pub(crate) fn of(&self, context: Context, action: Action) -> Vec<&str> {
        let changed = self.changed.get(&(context, action)).or_else(|| self.changed.get(&(Context::Global, action)));
        match changed {
            Some(keys) => keys.iter().map(String::as_str).collect(),
            None => row(action).keys.to_vec(),
        }
    }

    /// Those of them that mean it there: what works everywhere leaves a key to the context's own.
    pub(crate) fn shown(&self, context: Context, entry: &Entry) -> Vec<&str> {
        let mut keys = self.of(context, entry.action);
        keys.retain(|text| parse(text).and_then(|key| self.meaning(context, key)) == Some(entry.action));
        keys
    }

    /// What a key means in a context: the context's own actions come before those that work everywhere.
    pub(crate) fn meaning(&self, context: Context, key: KeyEvent) -> Option<Action> {
        let fits = |entry: &&Entry| {
            let keys = self.of(context, entry.action);
            keys.iter().any(|text| parse(text).is_some_and(|wanted| same(wanted, key)))
        };
        let own = TABLE.iter().filter(|entry| entry.contexts.contains(&context)).find(fits);
        own.or_else(|| in_context(context).find(fits)).map(|entry| entry.action)
    }

    /// The keys of a log's times, the first and the last where they are neighbors; empty without any.
    pub(crate) fn of_times(&self) -> String {
        let times = TABLE.iter().filter(|entry| matches!(entry.action, Action::LogMinutes(_)));
        let keys: Vec<&str> = times.filter_map(|entry| self.of(Context::Logs, entry.action).first().copied()).collect();
        let follows = |pair: &[&str]| match (pair[0].as_bytes(), pair[1].as_bytes()) {
            ([one], [next]) => one.checked_add(1) == Some(*next),
            _ => false,
        };
        match keys.as_slice() {
            [first, .., last] if keys.windows(2).all(follows) => format!("{first}-{last}"),
            _ => keys.join(" "),
        }
    }

    /// How a text calls an action's key: the first one, or how it is found if it has none.
    pub(crate) fn name(&self, action: Action) -> String {
        let entry = row(action);
        let keys = self.of(entry.contexts[0], action);
        keys.first().map_or_else(|| format!("\"{}\"", entry.title), |key| (*key).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;

    fn key(text: &str) -> KeyEvent {
        parse(text).expect("a key")
    }

    #[test]
    fn a_key_that_a_context_takes_for_itself_is_not_shown_for_what_works_everywhere() {
        let keys = Keymap::default();
        assert_eq!(keys.shown(Context::Apps, row(Action::ShowPlans)), ["3"]);
        assert_eq!(keys.shown(Context::Logs, row(Action::ShowPlans)), Vec::<&str>::new());
        assert_eq!(keys.shown(Context::Logs, row(Action::LogMinutes(15))), ["3"]);
        assert_eq!(keys.shown(Context::Logs, row(Action::Down)), ["down", "j"]);
    }

    #[test]
    fn the_same_key_means_what_fits_the_context() {
        let keys = Keymap::default();
        let pressed = KeyEvent::new(KeyCode::Char('S'), KeyModifiers::SHIFT);
        assert_eq!(keys.meaning(Context::Apps, pressed), Some(Action::StartApp));
        assert_eq!(keys.meaning(Context::Overview, pressed), None);
        assert_eq!(keys.meaning(Context::Overview, key("s")), Some(Action::Sort));
    }

    #[test]
    fn the_times_of_a_log_have_the_keys_that_they_were_given() {
        let mut keys = Keymap::default();
        assert_eq!(keys.of_times(), "1-6");
        keys.bind(Context::Logs, Action::LogMinutes(5), vec!["F".to_owned()]);
        assert_eq!(keys.of_times(), "1 F 3 4 5 6");
        for minutes in [1, 5, 15, 60, 180, 360] {
            keys.bind(Context::Global, Action::LogMinutes(minutes), Vec::new());
            keys.bind(Context::Logs, Action::LogMinutes(minutes), Vec::new());
        }
        assert_eq!(keys.of_times(), "");
    }

    #[test]
    fn a_changed_key_counts_everywhere_or_in_its_context_alone() {
        let mut keys = Keymap::default();
        keys.bind(Context::Global, Action::StartApp, vec!["x".to_owned()]);
        keys.bind(Context::Logs, Action::StartApp, vec!["z".to_owned(), "Z".to_owned()]);
        assert_eq!(keys.meaning(Context::Apps, key("x")), Some(Action::StartApp));
        assert_eq!(keys.meaning(Context::Apps, key("S")), None);
        assert_eq!(keys.meaning(Context::Logs, key("Z")), Some(Action::StartApp));
        assert_eq!(keys.meaning(Context::Logs, key("x")), None);
        assert_eq!(keys.name(Action::StartApp), "x");
        keys.bind(Context::Global, Action::StartApp, Vec::new());
        assert_eq!(keys.name(Action::StartApp), "\"start\"");
    }
}
