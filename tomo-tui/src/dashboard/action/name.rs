//! What actions and contexts are called in a person's file: as they are here, in small letters.

use super::{Action, Context, TABLE};

impl Action {
    /// Its name, e.g. `restart-app`.
    pub(crate) fn name(self) -> String {
        kebab(&format!("{self:?}"))
    }

    /// The action of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        TABLE.iter().map(|entry| entry.action).find(|action| action.name() == name)
    }
}

impl Context {
    /// Its name, e.g. `apps`; what works everywhere is `global`.
    pub(crate) fn name(self) -> String {
        kebab(&format!("{self:?}"))
    }

    /// The context of a name, if it has views of its own.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|context| context.name() == name)
    }
}

/// `RestartApp` as `restart-app`, `LogMinutes(5)` as `log-minutes-5`.
fn kebab(debug: &str) -> String {
    let mut name = String::with_capacity(debug.len() + 4);
    for one in debug.chars().filter(|one| *one != ')') {
        if !name.is_empty() && (one.is_ascii_uppercase() || one == '(') {
            name.push('-');
        }
        if one != '(' {
            name.push(one.to_ascii_lowercase());
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_leads_back_to_its_action_and_context() {
        assert_eq!(Action::RestartApp.name(), "restart-app");
        assert_eq!(Action::LogMinutes(5).name(), "log-minutes-5");
        let names: HashSet<String> = TABLE.iter().map(|entry| entry.action.name()).collect();
        assert_eq!(names.len(), TABLE.len());
        for entry in TABLE {
            assert_eq!(Action::named(&entry.action.name()), Some(entry.action));
        }
        for context in Context::ALL {
            assert_eq!(Context::named(&context.name()), Some(context));
        }
        assert_eq!((Action::named("none"), Context::named("global")), (None, None));
    }
}
