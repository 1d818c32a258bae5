//! Every view, how one comes to it, and the states it has not.

use super::{
    Looks, in_sizes,
    states::{ALL, Standing, Standing::*},
};
use crate::dashboard::views::View;

/// One view.
#[derive(Debug)]
pub(super) struct Row {
    /// What its files are called.
    pub(super) name: &'static str,
    /// The keys that lead there; where it is one key, everything of the view is fetched on the way in.
    pub(super) keys: &'static str,
    /// States that it has not, and why.
    lacks: &'static [(Standing, &'static str)],
}

/// Makes the table, and the match that holds it against the views there are: one without a row does not compile.
macro_rules! views {
    ($($view:ident $name:literal by $keys:literal $(lacks $($state:ident: $why:literal),+)?;)+) => {
        const ROWS: &[Row] = &[$(Row { name: $name, keys: $keys, lacks: &[$($(($state, $why)),+)?] }),+];

        fn name(view: &View) -> &'static str {
            match view {
                $(View::$view { .. } => $name,)+
            }
        }
    };
}

views! {
    Login "login" by ""
        lacks Empty: "it is a form", Outdated: "it shows nothing from the daemon", ReadOnly: "signing in changes nothing",
        Viewer: "it is not known yet who it is";
    Overview "overview" by "1";
    Alerts "alerts" by "!";
    Server "server" by "1 enter";
    Compare "compare" by "1 space space C";
    Container "container" by "1 enter j enter" lacks Empty: "it is there or it is not";
    Stock "stock" by "1 enter I";
    Backups "backups" by "1 enter I B";
    Registries "registries" by "6";
    Users "users" by "7" lacks Viewer: "accounts are an admin's";
    Person "person" by "7 enter" lacks Viewer: "accounts are an admin's";
    Profile "profile" by "m";
    Tokens "tokens" by "8";
    Audit "audit" by "9" lacks Viewer: "the audit wants a scope of its own";
    Record "record" by "9 j enter"
        lacks Empty: "it is a row of the list", Loading: "the list has all of it", Error: "nothing is asked for it",
        Outdated: "a row of the audit never changes", Viewer: "the audit wants a scope of its own";
    Settings "settings" by "o" lacks Empty: "each setting has a value";
    Verdict "verdict" by "9 V" lacks Viewer: "the audit wants a scope of its own";
    Apps "apps" by "2";
    App "app" by "2 enter" lacks Empty: "it is there or it is not";
    Diagnosis "diagnosis" by "2 W";
    Logs "logs" by "2 L";
    Plans "plans" by "3";
    Plan "plan" by "3 enter"
        lacks Loading: "the list has all of it", Error: "the list has all of it", Empty: "it is there or it is not";
    Operations "operations" by "4";
    Operation "operation" by "4 enter"
        lacks Loading: "the list has all of it", Error: "the list has all of it";
    Catalog "catalog" by "5";
    Template "template" by "5 enter" lacks Empty: "it is there or it is not";
}

/// The states that a view has.
fn states(row: &Row) -> impl Iterator<Item = Standing> {
    ALL.into_iter().filter(|state| !row.lacks.iter().any(|(lacking, _)| lacking == state))
}

/// Every view in each of its states.
pub(super) fn looks() -> Looks {
    let mut all = Looks::new();
    for row in ROWS {
        for state in states(row) {
            let dashboard = || {
                let dashboard = state.of(row);
                assert_eq!(name(&dashboard.state.view), row.name, "{:?} leads elsewhere", row.keys);
                dashboard
            };
            all.insert(format!("{}_{}.txt", row.name, state.name()), in_sizes(dashboard, state.sizes()));
        }
    }
    all
}

#[test]
fn the_views_have_more_than_the_states_that_were_promised() {
    let screens: usize = ROWS.iter().flat_map(states).map(|state| state.sizes().len()).sum();
    assert!(screens >= 150, "{screens} of every view and state in its sizes");
    assert!(ROWS.iter().flat_map(|row| row.lacks).all(|(state, why)| *state != Normal && !why.is_empty()));
}
