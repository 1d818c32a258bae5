//! The one table of what a person can do: it feeds the keys, the footer, the help, the palette and the mouse.

pub(crate) mod key;
mod keymap;
mod name;
mod table;

pub(crate) use keymap::Keymap;
pub(crate) use table::{Entry, TABLE};

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
    ShowAlerts,
    Compare,
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
    Mark,
    MarkRange,
    MarkAll,
    Sort,
    SortContainers,
    SortReverse,
    Columns,
    Palette,
    Freeze,
    LargerList,
    SmallerList,
    Messages,
    Copy,
    CopyRow,
    Help,
    Refresh,
    Mouse,
    ChooseTheme,
    SwitchDaemon,
    Suspend,
    Undo,
    Quit,
    ZoomIn,
    ZoomOut,
    PanBack,
    PanForward,
    Live,
    Crosshair,
    CrosshairBack,
    CrosshairForward,
    Jump,
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
    Alerts,
    Server,
    Compare,
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
    pub(crate) const ALL: [Self; 26] = [
        Self::Overview,
        Self::Alerts,
        Self::Server,
        Self::Compare,
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

/// The row of an action.
pub(crate) fn row(action: Action) -> &'static Entry {
    TABLE.iter().find(|entry| entry.action == action).expect("every action has a row; a test holds this")
}

/// Whether an action does something with what is on screen, and does not only move in it.
pub(crate) fn is_a_deed(action: Action) -> bool {
    !matches!(
        action,
        Action::Filter
            | Action::Mark
            | Action::MarkRange
            | Action::MarkAll
            | Action::Sort
            | Action::SortContainers
            | Action::SortReverse
            | Action::Freeze
            | Action::LargerList
            | Action::SmallerList
            | Action::LogTail
            | Action::LogMinutes(_)
            | Action::LogNext
            | Action::LogPrevious
    ) && !is_of_time(action)
}

/// Whether an action moves charts in time.
pub(crate) const fn is_of_time(action: Action) -> bool {
    matches!(
        action,
        Action::ZoomIn
            | Action::ZoomOut
            | Action::PanBack
            | Action::PanForward
            | Action::Live
            | Action::Crosshair
            | Action::CrosshairBack
            | Action::CrosshairForward
            | Action::Jump
    )
}

/// Whether an action is done to the view as a whole, whichever row is selected.
pub(crate) fn is_of_view(action: Action) -> bool {
    matches!(
        action,
        Action::AddServer
            | Action::ImportServers
            | Action::ImportCompose
            | Action::AddRegistry
            | Action::CreateUser
            | Action::CreateToken
            | Action::ChangePassword
            | Action::AddKey
            | Action::VerifyAudit
            | Action::Access
            | Action::ShowStock
            | Action::ConnectServer
            | Action::EditServer
            | Action::TestServer
            | Action::ForgetCredential
            | Action::ShowBackups
            | Action::Prune
            | Action::CreateVolume
            | Action::CreateNetwork
    )
}

/// What works in a context.
pub(crate) fn in_context(context: Context) -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().filter(move |entry| entry.contexts.contains(&context) || entry.contexts.contains(&Context::Global))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use crossterm::event::KeyEvent;

    use super::{key::parse, *};

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
}
