//! The one table of what a person can do: it feeds the keys, the footer, the help, the palette and the mouse.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key press means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Action {
    Up,
    Down,
    HalfPageUp,
    HalfPageDown,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Open,
    Back,
    HistoryBack,
    HistoryForward,
    LastView,
    ShowOverview,
    ShowApps,
    ShowPlans,
    ShowOperations,
    ShowCatalog,
    ShowRegistries,
    ShowUsers,
    ShowProfile,
    ChangePassword,
    AddKey,
    ShowTokens,
    ShowAudit,
    VerifyAudit,
    ShowSettings,
    EditSettings,
    CreateUser,
    SetRole,
    DeleteUser,
    CreateToken,
    Revoke,
    AddRegistry,
    RemoveRegistry,
    Filter,
    Sort,
    SortReverse,
    Palette,
    Help,
    Refresh,
    Mouse,
    Suspend,
    Quit,
    ZoomIn,
    ZoomOut,
    PanBack,
    PanForward,
    Live,
    Crosshair,
    AddServer,
    ImportServers,
    ConnectServer,
    EditServer,
    RemoveServer,
    ShowStock,
    BackUpVolume,
    ShowBackups,
    RestoreVolume,
    DrillVolume,
    VerifyBackup,
    Discard,
    Prune,
    PullImage,
    CheckImage,
    CreateVolume,
    CreateNetwork,
    Access,
    TestServer,
    ForgetCredential,
    UpdateAgent,
    UnlockVault,
    Deploy,
    ImportCompose,
    Redeploy,
    StartApp,
    StopApp,
    RestartApp,
    RollBackApp,
    RemoveApp,
    Adopt,
    Logs,
    Shell,
    Diagnose,
    /// The newest lines of a log.
    LogTail,
    /// Those of so many minutes.
    LogMinutes(u16),
    LogSearch,
    LogNext,
    LogPrevious,
    LogFilter,
    LogPause,
    LogWrap,
    LogTimes,
    LogJson,
    LogSave,
    Approve,
    Deny,
    Cancel,
}

/// Where an action works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Context {
    /// Everywhere but in a form.
    Global,
    Overview,
    Server,
    Container,
    Stock,
    Backups,
    Registries,
    Users,
    Person,
    Profile,
    Tokens,
    Audit,
    Record,
    Verdict,
    Settings,
    Apps,
    App,
    Diagnosis,
    Logs,
    Plans,
    Plan,
    Operations,
    Operation,
    Catalog,
    Template,
}

impl Context {
    /// Every context with views of its own.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 24] = [
        Self::Overview,
        Self::Server,
        Self::Container,
        Self::Stock,
        Self::Backups,
        Self::Registries,
        Self::Users,
        Self::Person,
        Self::Profile,
        Self::Tokens,
        Self::Audit,
        Self::Record,
        Self::Verdict,
        Self::Settings,
        Self::Apps,
        Self::App,
        Self::Diagnosis,
        Self::Logs,
        Self::Plans,
        Self::Plan,
        Self::Operations,
        Self::Operation,
        Self::Catalog,
        Self::Template,
    ];
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) action: Action,
    /// What footer, help and palette call it.
    pub(crate) title: &'static str,
    /// One sentence.
    pub(crate) help: &'static str,
    /// Keys, the one to show first; see [`parse`].
    pub(crate) keys: &'static [&'static str],
    pub(crate) contexts: &'static [Context],
    /// Place in the footer, 0 for none, 1 for the most useful.
    pub(crate) footer: u8,
    /// Whether it changes something on the fleet: refused when the dashboard is read-only.
    pub(crate) changes: bool,
}

const fn entry(
    action: Action,
    title: &'static str,
    help: &'static str,
    keys: &'static [&'static str],
    contexts: &'static [Context],
    footer: u8,
) -> Entry {
    Entry { action, title, help, keys, contexts, footer, changes: false }
}

const fn change(
    action: Action,
    title: &'static str,
    help: &'static str,
    keys: &'static [&'static str],
    contexts: &'static [Context],
    footer: u8,
) -> Entry {
    Entry { changes: true, ..entry(action, title, help, keys, contexts, footer) }
}

/// A time of which a log shows all lines.
const fn since(action: Action, title: &'static str, keys: &'static [&'static str]) -> Entry {
    entry(action, title, "Reads the log anew from that time on, oldest lines first.", keys, LOGS, 0)
}

const GLOBAL: &[Context] = &[Context::Global];
const LISTS: &[Context] = &[
    Context::Overview,
    Context::Apps,
    Context::Plans,
    Context::Operations,
    Context::Stock,
    Context::Backups,
    Context::Registries,
    Context::Users,
    Context::Person,
    Context::Profile,
    Context::Tokens,
    Context::Audit,
    Context::Settings,
    Context::Catalog,
];
/// Where an app or a container is at hand.
const RUNS: &[Context] =
    &[Context::Apps, Context::App, Context::Diagnosis, Context::Logs, Context::Server, Context::Container];
/// Where a person is at hand.
const PEOPLE: &[Context] = &[Context::Users, Context::Person];
const STOCK: &[Context] = &[Context::Stock];
const BACKUPS: &[Context] = &[Context::Backups];
const LOGS: &[Context] = &[Context::Logs];
const PLAN: &[Context] = &[Context::Plans, Context::Plan];

/// Every action.
pub(crate) const TABLE: &[Entry] = &[
    entry(
        Action::Open,
        "open",
        "Goes into what is selected.",
        &["enter", "l", "right"],
        &[
            Context::Overview,
            Context::Apps,
            Context::Plans,
            Context::Operations,
            Context::Server,
            Context::Operation,
            Context::Plan,
            Context::Catalog,
            Context::Users,
            Context::Audit,
        ],
        1,
    ),
    entry(Action::Back, "back", "Closes what is open, or goes one view back.", &["esc", "h", "left"], GLOBAL, 0),
    change(
        Action::Deploy,
        "deploy",
        "Deploys a new app: a form, a preview, then the change. In the catalog, that of the template.",
        &["n"],
        &[Context::Overview, Context::Apps, Context::Server, Context::Catalog, Context::Template],
        3,
    ),
    change(
        Action::ImportCompose,
        "import",
        "Deploys a compose file of this computer as one app: what it says, a preview, then the change.",
        &["I"],
        &[Context::Apps, Context::Catalog],
        4,
    ),
    change(
        Action::Redeploy,
        "edit",
        "Changes an app's configuration and deploys it again.",
        &["e"],
        &[Context::Apps, Context::App, Context::Diagnosis],
        4,
    ),
    entry(
        Action::Diagnose,
        "why",
        "Says why an app or a container does not work: causes, what speaks for them, and the next step.",
        &["W"],
        &[Context::Apps, Context::App, Context::Logs, Context::Server, Context::Container],
        4,
    ),
    entry(
        Action::Logs,
        "logs",
        "Follows the log of an app or a container.",
        &["L"],
        &[Context::Apps, Context::App, Context::Diagnosis, Context::Server, Context::Container],
        2,
    ),
    change(
        Action::Shell,
        "shell",
        "Opens a terminal into a running container, if its host's policy has terminals; `exit` comes back.",
        &["s"],
        &[Context::App, Context::Diagnosis, Context::Logs, Context::Server, Context::Container],
        5,
    ),
    change(Action::StartApp, "start", "Starts a stopped app or container.", &["S"], RUNS, 5),
    change(Action::StopApp, "stop", "Stops an app or a container; it keeps its data.", &["T"], RUNS, 5),
    change(Action::RestartApp, "restart", "Restarts an app or a container.", &["R"], RUNS, 5),
    change(
        Action::RollBackApp,
        "roll back",
        "Plans to go back to what an app ran before.",
        &["B"],
        &[Context::Apps, Context::App],
        0,
    ),
    change(
        Action::RemoveApp,
        "remove",
        "Plans to remove an app and its container.",
        &["D", "delete"],
        &[Context::Apps, Context::App],
        6,
    ),
    change(
        Action::Adopt,
        "adopt",
        "Plans to make an app of a container that Tomo did not make, with its ports, volumes and variables.",
        &["A"],
        &[Context::Server, Context::Container],
        6,
    ),
    change(Action::Approve, "approve", "Agrees to a plan, after showing it whole.", &["A"], PLAN, 2),
    change(Action::Deny, "deny", "Says no to a plan.", &["X"], PLAN, 3),
    change(
        Action::Cancel,
        "cancel",
        "Stops an operation; what it did is undone.",
        &["X"],
        &[Context::Operations, Context::Operation],
        2,
    ),
    change(
        Action::AddServer,
        "add server",
        "Adds a server, over SSH or by a one-time token for its agent.",
        &["a"],
        &[Context::Overview],
        4,
    ),
    change(
        Action::ImportServers,
        "import",
        "Adds the hosts that ~/.ssh/config names, several at once.",
        &["I"],
        &[Context::Overview],
        0,
    ),
    change(
        Action::AddRegistry,
        "sign in",
        "Keeps who signs in at a registry, for pulls of its images; entered again, it replaces what was there.",
        &["a"],
        &[Context::Registries],
        3,
    ),
    change(
        Action::RemoveRegistry,
        "forget",
        "Forgets who signs in at a registry.",
        &["D", "delete"],
        &[Context::Registries],
        3,
    ),
    change(
        Action::CreateUser,
        "new user",
        "Makes an account with a role and a first password.",
        &["a"],
        &[Context::Users],
        3,
    ),
    change(Action::SetRole, "role", "Changes what a person may do; ends that person's logins.", &["e"], PEOPLE, 4),
    change(Action::DeleteUser, "remove", "Deletes an account with its logins and tokens.", &["D", "delete"], PEOPLE, 5),
    change(
        Action::CreateToken,
        "new token",
        "Makes an API token for a program or an AI tool; it is shown once.",
        &["a"],
        &[Context::Tokens, Context::Profile],
        3,
    ),
    change(
        Action::ChangePassword,
        "password",
        "Changes your password; ends your other logins.",
        &["p"],
        &[Context::Profile],
        1,
    ),
    change(
        Action::AddKey,
        "add ssh key",
        "Lets whoever holds the private half of a public key see this dashboard over SSH, with your rights.",
        &["K"],
        &[Context::Profile],
        4,
    ),
    change(
        Action::EditSettings,
        "change",
        "Changes settings: a form, a preview of the plan, then the change.",
        &["e", "enter"],
        &[Context::Settings],
        1,
    ),
    entry(
        Action::VerifyAudit,
        "verify",
        "Checks that no row of the audit was changed or taken away, with everybody who witnesses it.",
        &["V"],
        &[Context::Audit, Context::Record],
        3,
    ),
    change(
        Action::Revoke,
        "revoke",
        "Ends the selected login, revokes the API token or removes the SSH key, at once.",
        &["X"],
        &[Context::Person, Context::Profile, Context::Tokens],
        2,
    ),
    change(
        Action::ConnectServer,
        "connect",
        "Goes there by SSH: with another credential, to another host key, to install an agent.",
        &["c"],
        &[Context::Server],
        7,
    ),
    change(
        Action::EditServer,
        "edit",
        "Changes a server's labels and where it is reached.",
        &["e"],
        &[Context::Server],
        7,
    ),
    change(
        Action::RemoveServer,
        "remove server",
        "Plans to forget a server, its history and its agent.",
        &["D", "delete"],
        &[Context::Overview, Context::Server],
        0,
    ),
    entry(
        Action::ShowStock,
        "images",
        "Shows the server's images, volumes and networks.",
        &["I"],
        &[Context::Server],
        3,
    ),
    change(
        Action::Discard,
        "remove",
        "Plans to remove what is selected; what is in use stays.",
        &["D", "delete"],
        &[Context::Stock, Context::Backups],
        2,
    ),
    change(
        Action::BackUpVolume,
        "back up",
        "Backs a volume up to the daemon; what mounts it is stopped meanwhile and started again.",
        &["b"],
        STOCK,
        4,
    ),
    entry(
        Action::ShowBackups,
        "backups",
        "Shows the backups of the server's volumes, with the last proven restore of each.",
        &["B"],
        STOCK,
        4,
    ),
    change(
        Action::RestoreVolume,
        "restore",
        "Plans to restore a backup into a new volume; one that is there is never touched.",
        &["R"],
        BACKUPS,
        1,
    ),
    change(
        Action::DrillVolume,
        "drill",
        "Proves that a backup restores, with its app, in a place of its own; leaves nothing.",
        &["T"],
        BACKUPS,
        1,
    ),
    change(Action::VerifyBackup, "verify", "Reads a backup to its end.", &["V"], BACKUPS, 3),
    change(Action::Prune, "prune", "Plans to remove what nothing uses; shows each thing first.", &["P"], STOCK, 3),
    change(
        Action::PullImage,
        "pull",
        "Pulls an image onto the server: one that you name, or the app's.",
        &["p"],
        &[Context::Stock, Context::App],
        4,
    ),
    entry(
        Action::CheckImage,
        "registry",
        "Asks the registry whether it has another image under the name of the app's.",
        &["c"],
        &[Context::App],
        6,
    ),
    change(Action::CreateVolume, "new volume", "Makes an empty volume.", &["v"], STOCK, 5),
    change(Action::CreateNetwork, "new network", "Makes a bridge network.", &["w"], STOCK, 6),
    entry(
        Action::Access,
        "access",
        "Shows what the host allows and how it is reached by SSH; once more, its charts.",
        &["i"],
        &[Context::Server],
        3,
    ),
    change(
        Action::TestServer,
        "test SSH",
        "Goes there by SSH with the kept credential and looks around.",
        &["t"],
        &[Context::Server],
        7,
    ),
    change(
        Action::ForgetCredential,
        "forget SSH",
        "Forgets the SSH credential that is kept for a server.",
        &["F"],
        &[Context::Server],
        0,
    ),
    change(
        Action::UpdateAgent,
        "update agent",
        "Puts the newest release that was brought to the daemon on a host.",
        &["u"],
        &[Context::Server],
        0,
    ),
    change(Action::UnlockVault, "unlock vault", "Asks for the master password of a sealed vault.", &["U"], GLOBAL, 0),
    entry(
        Action::Filter,
        "filter",
        "Shows what fits: fuzzy, 'exact, !not, column:value.",
        &["/"],
        &[
            Context::Overview,
            Context::Apps,
            Context::Plans,
            Context::Operations,
            Context::Stock,
            Context::Backups,
            Context::Registries,
            Context::Users,
            Context::Person,
            Context::Profile,
            Context::Tokens,
            Context::Audit,
            Context::Settings,
            Context::Catalog,
        ],
        7,
    ),
    entry(Action::Sort, "sort", "Sorts by the next column.", &["s"], LISTS, 8),
    entry(Action::SortReverse, "reverse", "Turns the order around.", &["O"], LISTS, 0),
    entry(Action::ZoomIn, "zoom in", "Shows a shorter time.", &["+", "="], &[Context::Server], 2),
    entry(Action::ZoomOut, "zoom out", "Shows a longer time.", &["-"], &[Context::Server], 2),
    entry(Action::PanBack, "earlier", "Moves the charts back in time.", &["<", ","], &[Context::Server], 4),
    entry(Action::PanForward, "later", "Moves the charts forward in time.", &[">", "."], &[Context::Server], 4),
    entry(Action::Live, "live", "Follows the present again.", &["0"], &[Context::Server], 5),
    entry(
        Action::Crosshair,
        "crosshair",
        "Shows every value at one time; a click on a chart moves it.",
        &["x"],
        &[Context::Server],
        6,
    ),
    entry(
        Action::LogTail,
        "tail, 1-6 since",
        "Begins anew with the newest lines. In a log 1 to 6 choose a time and no view: : finds those.",
        &["0"],
        LOGS,
        1,
    ),
    since(Action::LogMinutes(1), "last minute", &["1"]),
    since(Action::LogMinutes(5), "last 5 min", &["2"]),
    since(Action::LogMinutes(15), "last 15 min", &["3"]),
    since(Action::LogMinutes(60), "last hour", &["4"]),
    since(Action::LogMinutes(180), "last 3 h", &["5"]),
    since(Action::LogMinutes(360), "last 6 h", &["6"]),
    entry(Action::LogPause, "pause", "Stops or goes on following.", &["space", "p"], LOGS, 2),
    entry(
        Action::LogSearch,
        "search",
        "Marks a text in all lines, whatever its case, and goes to it.",
        &["/"],
        LOGS,
        2,
    ),
    entry(
        Action::LogNext,
        "next",
        "To the next line that was searched for; behind the last comes the first.",
        &["n"],
        LOGS,
        0,
    ),
    entry(Action::LogPrevious, "previous", "To the line before that was searched for.", &["N"], LOGS, 0),
    entry(
        Action::LogFilter,
        "filter",
        "Shows only lines that fit a regular expression, whatever their case: (?-i) minds it.",
        &["&", "f"],
        LOGS,
        2,
    ),
    entry(Action::LogWrap, "wrap", "Breaks long lines, or cuts them.", &["w"], LOGS, 3),
    entry(Action::LogTimes, "times", "Shows or hides the time of each line.", &["t"], LOGS, 4),
    entry(
        Action::LogJson,
        "JSON",
        "Shows objects as level, time, message and then the rest, in rows if lines wrap; or as they are.",
        &["J"],
        LOGS,
        4,
    ),
    entry(Action::LogSave, "save", "Writes the lines that are shown to a file on this computer.", &["ctrl-s"], LOGS, 5),
    entry(Action::ShowOverview, "overview", "The fleet.", &["1"], GLOBAL, 0),
    entry(Action::ShowApps, "apps", "All apps.", &["2"], GLOBAL, 0),
    entry(Action::ShowPlans, "plans", "Changes that wait for a person.", &["3"], GLOBAL, 0),
    entry(Action::ShowOperations, "operations", "Changes under way and done.", &["4"], GLOBAL, 0),
    entry(Action::ShowCatalog, "catalog", "Apps that are ready to be deployed.", &["5"], GLOBAL, 0),
    entry(Action::ShowRegistries, "registries", "Where private images come from, and who signs in.", &["6"], GLOBAL, 0),
    entry(Action::ShowUsers, "users", "Who may sign in, and what is signed in.", &["7"], GLOBAL, 0),
    entry(Action::ShowTokens, "tokens", "API tokens of programs and AI tools.", &["8"], GLOBAL, 0),
    entry(Action::ShowAudit, "audit", "Who did or tried what, newest first.", &["9"], GLOBAL, 0),
    entry(
        Action::ShowProfile,
        "me",
        "Your profile: who you are here, your logins, tokens and password.",
        &["m"],
        GLOBAL,
        0,
    ),
    entry(Action::ShowSettings, "settings", "What the daemon does by which rule, for how long.", &["o"], GLOBAL, 0),
    entry(Action::Palette, "palette", "Finds any action, server, app or plan by name.", &[":", "ctrl-p"], GLOBAL, 10),
    entry(Action::Help, "help", "Shows the keys that work here.", &["?", "f1"], GLOBAL, 0),
    entry(Action::Quit, "quit", "Leaves the dashboard.", &["q"], GLOBAL, 0),
    entry(Action::Up, "up", "One up.", &["up", "k"], GLOBAL, 0),
    entry(Action::Down, "down", "One down.", &["down", "j"], GLOBAL, 0),
    entry(Action::HalfPageUp, "half page up", "Half a page up.", &["ctrl-u"], GLOBAL, 0),
    entry(Action::HalfPageDown, "half page down", "Half a page down.", &["ctrl-d"], GLOBAL, 0),
    entry(Action::PageUp, "page up", "One page up.", &["pageup", "ctrl-b"], GLOBAL, 0),
    entry(Action::PageDown, "page down", "One page down.", &["pagedown", "ctrl-f"], GLOBAL, 0),
    entry(Action::Top, "first", "To the first.", &["g", "home"], GLOBAL, 0),
    entry(Action::Bottom, "last", "To the last.", &["G", "end"], GLOBAL, 0),
    entry(Action::HistoryBack, "history back", "To the view before this one.", &["["], GLOBAL, 0),
    entry(Action::HistoryForward, "history forward", "To the view one came back from.", &["]"], GLOBAL, 0),
    entry(Action::LastView, "last view", "Between this view and the last one.", &["`"], GLOBAL, 0),
    entry(
        Action::Refresh,
        "refresh",
        "Fetches everything anew; in the catalog also what lies at addresses.",
        &["ctrl-r", "f5"],
        GLOBAL,
        0,
    ),
    entry(
        Action::Mouse,
        "mouse",
        "Gives the mouse to the terminal, to select text, and takes it back.",
        &["M"],
        GLOBAL,
        0,
    ),
    entry(Action::Suspend, "suspend", "Back to the shell; `fg` returns.", &["ctrl-z"], GLOBAL, 0),
];

/// The row of an action.
pub(crate) fn row(action: Action) -> &'static Entry {
    TABLE.iter().find(|entry| entry.action == action).expect("every action has a row; a test holds this")
}

/// What works in a context.
pub(crate) fn in_context(context: Context) -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().filter(move |entry| entry.contexts.contains(&context) || entry.contexts.contains(&Context::Global))
}

/// The keys that mean an action in a context: what works everywhere leaves a key to the context's own.
pub(crate) fn keys_in(context: Context, entry: &Entry) -> Vec<&'static str> {
    let means = |text: &&&str| parse(text).and_then(|key| of_key(context, key)) == Some(entry.action);
    entry.keys.iter().filter(means).copied().collect()
}

/// What a key means in a context: the context's own actions come before those that work everywhere.
pub(crate) fn of_key(context: Context, key: KeyEvent) -> Option<Action> {
    let fits = |entry: &&Entry| entry.keys.iter().any(|text| parse(text).is_some_and(|wanted| same(wanted, key)));
    let own = TABLE.iter().filter(|entry| entry.contexts.contains(&context)).find(fits);
    own.or_else(|| TABLE.iter().filter(|entry| entry.contexts.contains(&Context::Global)).find(fits))
        .map(|entry| entry.action)
}

fn same(wanted: KeyEvent, pressed: KeyEvent) -> bool {
    // Shift is part of the letter already.
    let plain = |modifiers: KeyModifiers| modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
    wanted.code == pressed.code && plain(wanted.modifiers) == plain(pressed.modifiers)
}

/// A key from its text: a character, a name (`enter`, `esc`, `pageup`, `f1`), with `ctrl-` before it where wanted.
pub(crate) fn parse(text: &str) -> Option<KeyEvent> {
    let (modifiers, name) = match text.strip_prefix("ctrl-") {
        Some(rest) if !rest.is_empty() => (KeyModifiers::CONTROL, rest),
        _ => (KeyModifiers::NONE, text),
    };
    let mut characters = name.chars();
    let code = match (characters.next(), characters.next()) {
        (Some(one), None) => KeyCode::Char(one),
        _ => match name {
            "enter" => KeyCode::Enter,
            "esc" => KeyCode::Esc,
            "tab" => KeyCode::Tab,
            "space" => KeyCode::Char(' '),
            "up" => KeyCode::Up,
            "down" => KeyCode::Down,
            "left" => KeyCode::Left,
            "right" => KeyCode::Right,
            "home" => KeyCode::Home,
            "end" => KeyCode::End,
            "pageup" => KeyCode::PageUp,
            "pagedown" => KeyCode::PageDown,
            "delete" => KeyCode::Delete,
            other => KeyCode::F(other.strip_prefix('f')?.parse().ok()?),
        },
    };
    Some(KeyEvent::new(code, modifiers))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_key_can_be_pressed_and_means_one_thing_in_a_context() {
        for context in Context::ALL {
            let mut own: HashMap<KeyEvent, Action> = HashMap::new();
            for entry in TABLE.iter().filter(|entry| entry.contexts.contains(&context)) {
                for text in entry.keys {
                    let key = parse(text).unwrap_or_else(|| panic!("{text} is no key"));
                    assert_eq!(own.insert(key, entry.action), None, "{text} in {context:?}");
                }
            }
            let mut global: HashMap<KeyEvent, Action> = HashMap::new();
            for entry in TABLE.iter().filter(|entry| entry.contexts.contains(&Context::Global)) {
                for text in entry.keys {
                    let key = parse(text).unwrap_or_else(|| panic!("{text} is no key"));
                    assert_eq!(global.insert(key, entry.action), None, "{text}");
                    // Only a log takes keys from elsewhere: the digits of views, for the time that it shows.
                    let taken = own.get(&key).copied();
                    let is_time = matches!(taken, None | Some(Action::LogTail | Action::LogMinutes(_)));
                    assert!(is_time, "{text} is {taken:?} in {context:?} and {:?} everywhere", entry.action);
                }
            }
        }
    }

    #[test]
    fn every_row_is_complete() {
        for entry in TABLE {
            assert!(!entry.keys.is_empty() && !entry.contexts.is_empty(), "{:?}", entry.action);
            assert!(entry.help.ends_with('.'), "{:?}", entry.action);
            assert_eq!(row(entry.action).title, entry.title, "{:?} stands twice", entry.action);
        }
    }

    #[test]
    fn a_key_that_a_context_takes_for_itself_is_not_shown_for_what_works_everywhere() {
        assert_eq!(keys_in(Context::Apps, row(Action::ShowPlans)), ["3"]);
        assert_eq!(keys_in(Context::Logs, row(Action::ShowPlans)), Vec::<&str>::new());
        assert_eq!(keys_in(Context::Logs, row(Action::LogMinutes(15))), ["3"]);
        assert_eq!(keys_in(Context::Logs, row(Action::Down)), ["down", "j"]);
    }

    #[test]
    fn shift_is_part_of_the_letter() {
        let pressed = KeyEvent::new(KeyCode::Char('S'), KeyModifiers::SHIFT);
        assert_eq!(of_key(Context::Apps, pressed), Some(Action::StartApp));
        assert_eq!(of_key(Context::Overview, pressed), None);
        assert_eq!(
            of_key(Context::Overview, KeyEvent::new(KeyCode::Char('s'), KeyModifiers::NONE)),
            Some(Action::Sort)
        );
    }
}
