//! One key for two actions: told, and settled so that what is built in stays.

use std::collections::BTreeSet;

use crossterm::event::KeyEvent;

use super::{Binding, Problem};
use crate::dashboard::action::{
    Action, Context, Keymap, in_context,
    key::{parse, same},
};

/// A key as it counts in a context.
struct Holder {
    action: Action,
    text: String,
    key: KeyEvent,
    /// The binding of the file that gives it, if the table does not.
    from: Option<usize>,
}

/// Makes a keymap of what a file binds. What gets in the way of something else is left out and told; `line` says where it stands.
pub(super) fn settle(mut bindings: Vec<Binding>, line: impl Fn(usize) -> usize) -> (Keymap, Vec<Problem>) {
    bindings.sort_by_key(|binding| binding.at);
    let mut problems = Vec::new();
    // Leaving one out brings its built-in keys back, which may be in the way of another one.
    loop {
        let mut culprits = BTreeSet::new();
        let mut told = BTreeSet::new();
        for context in Context::ALL {
            let holders = holders(context, &bindings);
            for (place, one) in holders.iter().enumerate() {
                for other in &holders[place + 1..] {
                    let taken = one.action != other.action && same(one.key, other.key);
                    // Of two in the file the later one is in the way; what the table says of itself is meant so.
                    let (culprit, victim) = if one.from > other.from { (one, other) } else { (other, one) };
                    let Some(from) = culprit.from.filter(|_| taken) else { continue };
                    culprits.insert(from);
                    if !told.insert((from, victim.action)) {
                        continue;
                    }
                    let place = victim
                        .from
                        .map_or_else(|| "built in".to_owned(), |from| format!("line {}", line(bindings[from].at)));
                    let said = format!(
                        "{}: the key \"{}\" is {}'s too in {} ({place}): give one of them another key",
                        culprit.action.name(),
                        culprit.text,
                        victim.action.name(),
                        context.name()
                    );
                    problems.push(Problem { line: line(bindings[from].at), said });
                }
            }
        }
        if culprits.is_empty() {
            return (keymap(&bindings), problems);
        }
        let mut place = 0;
        bindings.retain(|_| {
            place += 1;
            !culprits.contains(&(place - 1))
        });
    }
}

fn keymap(bindings: &[Binding]) -> Keymap {
    let mut keymap = Keymap::default();
    for binding in bindings {
        let keys = binding.keys.iter().map(|(text, _)| text.clone()).collect();
        keymap.bind(binding.context, binding.action, keys);
    }
    keymap
}

fn holders(context: Context, bindings: &[Binding]) -> Vec<Holder> {
    let mut holders = Vec::new();
    for entry in in_context(context) {
        let bound = |wanted| {
            let fits = |binding: &Binding| binding.action == entry.action && binding.context == wanted;
            bindings.iter().position(fits)
        };
        match bound(context).or_else(|| bound(Context::Global)) {
            Some(from) => holders.extend(bindings[from].keys.iter().map(|(text, key)| Holder {
                action: entry.action,
                text: text.clone(),
                key: *key,
                // Whoever writes down what is built in changes nothing.
                from: (!entry.keys.contains(&text.as_str())).then_some(from),
            })),
            None => holders.extend(entry.keys.iter().filter_map(|text| {
                Some(Holder { action: entry.action, text: (*text).to_owned(), key: parse(text)?, from: None })
            })),
        }
    }
    holders
}
