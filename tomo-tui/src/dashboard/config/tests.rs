//! What a file comes to.

use super::*;

fn said(text: &str) -> Vec<String> {
    read(text).problems.iter().map(|problem| problem.of(Path::new("tomo.toml"))).collect()
}

fn pressed(keys: &Keymap, context: Context, key: &str) -> Option<Action> {
    keys.meaning(context, key::parse(key).expect("a key"))
}

#[test]
fn keys_and_colors_of_a_file_count() {
    let text = "[theme]\nbase = 'gruvbox'\naccent = '#010203'\n[keys]\nrestart-app = ['f9', 'ctrl-w']\nquit = []\n\
        [keys-in.logs]\ndown = ['e']\n";
    let loaded = read(text);
    assert_eq!(loaded.problems, []);
    let keys = &loaded.config.keys;
    assert_eq!(pressed(keys, Context::Apps, "f9"), Some(Action::RestartApp));
    assert_eq!(pressed(keys, Context::Apps, "R"), None);
    assert_eq!(pressed(keys, Context::Apps, "q"), None);
    assert_eq!(pressed(keys, Context::Logs, "e"), Some(Action::Down));
    assert_eq!(pressed(keys, Context::Logs, "j"), None);
    assert_eq!(pressed(keys, Context::Apps, "j"), Some(Action::Down));
    let inks = loaded.config.look.inks(None);
    assert_eq!(inks.accent, Ink::parse("#010203").expect("a color"));
    assert_eq!(inks.good, ThemeName::Gruvbox.inks(None).good);
    assert_eq!(read("theme = 'light'").config.look.theme, ThemeName::Light);
    assert_eq!(read(""), Loaded::default());
}

#[test]
fn whatever_is_wrong_is_told_with_its_line_and_what_to_do() {
    for (text, wanted) in [
        ("\n[keys\n", "tomo.toml:2: "),
        ("color = 1", "tomo.toml:1: there is no \"color\": write theme, [keys] or [keys-in.VIEW]"),
        ("\ntheme = 'blue'", "tomo.toml:2: there is no theme \"blue\": choose one of auto, terminal, dark"),
        ("theme = 1", "tomo.toml:1: write theme = \"NAME\""),
        ("[theme]\nbad = 'crimson'", "tomo.toml:2: bad: \"crimson\" is no color: write #rrggbb"),
        ("[theme]\nbad = 1", "tomo.toml:2: bad is a text"),
        ("[theme]\ncolour = 'red'", "tomo.toml:2: a theme has no \"colour\""),
        ("keys = 1", "tomo.toml:1: keys is a table"),
        ("[keys]\n\nreboot = ['x']", "tomo.toml:3: there is no action \"reboot\": `tomo config keys` lists them"),
        ("[keys]\nquit = 'Q'", "tomo.toml:2: quit wants a list of keys, e.g. [\"x\"]"),
        ("[keys]\nquit = ['Q',\n 'hyper-x']", "tomo.toml:3: quit: there is no key \"hyper-x\""),
        ("[keys]\nquit = [1]", "tomo.toml:2: quit: a key is a text"),
        (
            "[keys-in.fleet]\nquit = []",
            "tomo.toml:1: there is no view \"fleet\": write one of overview, alerts, server",
        ),
        ("[keys-in.plans]\nstop-app = ['x']", "tomo.toml:2: stop-app does nothing in plans: it works in apps, app"),
    ] {
        let told = said(text);
        assert!(told.len() == 1 && told[0].starts_with(wanted), "{text:?}: {told:?}");
        assert_eq!(read(text).config, Config::default(), "{text:?}");
    }
}

#[test]
fn one_key_for_two_actions_is_told_and_what_is_built_in_stays() {
    for (text, wanted) in [
        ("[keys]\nstop-app = ['S']", "tomo.toml:2: stop-app: the key \"S\" is start-app's too in server (built in)"),
        ("[keys]\nstop-app = ['q']", "tomo.toml:2: stop-app: the key \"q\" is quit's too in server (built in)"),
        (
            "[keys]\nquit = ['f9']\nhelp = ['f9']",
            "tomo.toml:3: help: the key \"f9\" is quit's too in overview (line 2)",
        ),
        (
            "[keys-in.apps]\nstop-app = ['S']",
            "tomo.toml:2: stop-app: the key \"S\" is start-app's too in apps (built in)",
        ),
    ] {
        let told = said(text);
        assert!(told.len() == 1 && told[0].starts_with(wanted), "{text:?}: {told:?}");
        assert!(told[0].ends_with("give one of them another key"), "{told:?}");
    }
    let loaded = read("[keys]\nquit = ['f9']\nhelp = ['f9']");
    assert_eq!(pressed(&loaded.config.keys, Context::Apps, "f9"), Some(Action::Quit));
    assert_eq!(pressed(&loaded.config.keys, Context::Apps, "?"), Some(Action::Help));
    // Two that change places are in nobody's way, until one of them goes back.
    let swapped = "[keys]\nstart-app = ['T']\nstop-app = ['S']\n";
    assert_eq!(said(swapped), Vec::<String>::new());
    let broken = "[keys]\nstart-app = ['T']\nstop-app = ['S', 'q']\n";
    assert_eq!(said(broken).len(), 2, "{:?}", said(broken));
    let keys = read(broken).config.keys;
    assert_eq!(pressed(&keys, Context::Apps, "S"), Some(Action::StartApp));
    assert_eq!(pressed(&keys, Context::Apps, "T"), Some(Action::StopApp));
    // What the table means so, stays so: in a log the digits are times.
    assert_eq!(said("[keys]\nshow-plans = ['3', 'f3']"), Vec::<String>::new(), "a log's 3 is its own");
}
