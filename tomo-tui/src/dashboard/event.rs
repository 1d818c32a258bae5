//! Everything that can happen to the dashboard.

use crossterm::event::{Event as TerminalEvent, KeyEvent, KeyEventKind, MouseButton, MouseEventKind};
use tomo_proto::{
    api::{
        app::{AppListAnswer, AppLogsAnswer},
        audit::{AuditSearchAnswer, AuditVerifyAnswer},
        auth::WhoamiAnswer,
        catalog::{CatalogEntry, CatalogListAnswer},
        operation::OperationListAnswer,
        overview::OverviewAnswer,
        person::{CreatedEnrolment, CreatedToken, LoginAnswer, VaultStatus},
        plan::PlanListAnswer,
        server::ServerMetricsAnswer,
    },
    model::{
        app::AppDetail,
        container::ContainerDetail,
        diagnosis::Diagnosis,
        operation::Operation,
        plan::Plan,
        policy::PolicySummary,
        registry::Registry,
        server::{ServerDetail, ServerSummary},
        settings::Settings,
        stock::Item,
        volume_backup::VolumeBackup,
    },
};

use crate::{
    cli::ssh_config::Entry,
    client::{ClientError, Profile, Terminal},
    dashboard::{
        completion::Completion,
        config::Loaded,
        layers::compose::Composed,
        log::{NotSaved, Saving},
        people::{Changed, People},
        probe::Reply,
        together::Outcome,
        views::logs::{Asked, Sifted},
        visit::Reached,
    },
};

/// One thing that happened.
#[derive(Debug)]
pub(crate) enum Event {
    Key(KeyEvent),
    Paste(String),
    /// The left button, at a column and row.
    Click(u16, u16),
    /// The right button.
    RightClick(u16, u16),
    /// The left button held and moved to a column, and let go.
    Drag(u16),
    Drop,
    /// The wheel, in lines; negative is up.
    Wheel(i32, u16, u16),
    Resize,
    /// The terminal is gone, or SIGHUP says so.
    HangUp,
    /// The terminal cannot be read any more.
    InputLost(std::io::Error),
    /// SIGTERM or SIGINT.
    Terminate,
    /// Notices come again: everything may have changed.
    LinkUp,
    /// No notices any more, and why.
    LinkDown(ClientError),
    /// A resource changed.
    Notice(String),
    Answer(Answer),
    /// The terminal says something of itself.
    Told(Reply),
    /// The person's own file says something else.
    Config(Box<Loaded>),
    /// The instant that [`super::state::State::next_due`] named.
    Due,
}

impl Event {
    pub(crate) fn of_terminal(event: TerminalEvent) -> Option<Self> {
        match event {
            TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => Some(Self::Key(key)),
            TerminalEvent::Paste(text) => Some(Self::Paste(text)),
            TerminalEvent::Resize(..) => Some(Self::Resize),
            TerminalEvent::Mouse(mouse) => match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => Some(Self::Click(mouse.column, mouse.row)),
                MouseEventKind::Down(MouseButton::Right) => Some(Self::RightClick(mouse.column, mouse.row)),
                MouseEventKind::Drag(MouseButton::Left) => Some(Self::Drag(mouse.column)),
                MouseEventKind::Up(MouseButton::Left) => Some(Self::Drop),
                MouseEventKind::ScrollUp => Some(Self::Wheel(-3, mouse.column, mouse.row)),
                MouseEventKind::ScrollDown => Some(Self::Wheel(3, mouse.column, mouse.row)),
                _ => None,
            },
            _ => None,
        }
    }
}

type Told<T> = Result<T, ClientError>;

/// What came back from an effect.
#[derive(Debug)]
pub(crate) enum Answer {
    Whoami(Told<WhoamiAnswer>),
    Login(Told<LoginAnswer>),
    Overview(Told<Box<OverviewAnswer>>),
    /// The whole fleet, without sparklines.
    Servers(Told<Vec<ServerSummary>>),
    /// The servers of the rows in sight.
    Rows(Told<Vec<ServerSummary>>),
    Server(String, Told<Box<ServerDetail>>),
    /// What the host of this server allows, if it has told.
    Policy(String, Option<PolicySummary>),
    /// A container by its server and name.
    Container(String, String, Told<Box<ContainerDetail>>),
    /// Images, volumes and networks of a server.
    Stock(String, Told<Vec<Item>>),
    /// Backups of a server's volumes.
    Backups(String, Told<Vec<VolumeBackup>>),
    /// Registries with a credential.
    Registries(Told<Vec<Registry>>),
    /// The same, after one was set or forgotten.
    RegistryChanged(Told<Vec<Registry>>),
    People(Told<Box<People>>),
    /// An account, a login or a token was changed, and what is to be told of it.
    PeopleChanged(Told<Changed>),
    /// Rows of the audit, and the cursor from which they were asked for; without one the newest.
    Audit(Option<String>, Told<AuditSearchAnswer>),
    Verified(Told<Box<AuditVerifyAnswer>>),
    Settings(Told<Box<Settings>>),
    TokenMade(Told<Box<CreatedToken>>),
    /// The range that was asked for: server, zoom and end of the window.
    Metrics(MetricsRange, Told<ServerMetricsAnswer>),
    Apps(Told<AppListAnswer>),
    App(String, Told<Box<AppDetail>>),
    Diagnosis(String, Told<Box<Diagnosis>>),
    /// Lines of a log.
    Logs(Asked, Told<AppLogsAnswer>),
    /// Which lines of a log fit.
    Sifted(Asked, Sifted),
    /// How many lines of a log were written to a file.
    Saved(Box<Saving>, Result<usize, NotSaved>),
    Completed(Completion),
    Plans(Told<PlanListAnswer>),
    Plan(String, Told<Box<Plan>>),
    Operations(Told<OperationListAnswer>),
    Operation(String, Told<Box<Operation>>),
    Catalog(Told<CatalogListAnswer>),
    Template(String, Told<Box<CatalogEntry>>),
    /// A plan that this person asked for, and the secrets that were stored for it.
    Planned(Told<Box<Plan>>, Vec<String>),
    /// A plan that this person agreed to; whether it is to be carried out now.
    Approved(Told<Box<Plan>>, bool),
    Denied(Told<Box<Plan>>),
    /// A plan that this person took back.
    Withdrawn(Told<Box<Plan>>),
    /// An operation that this person started.
    Started(Told<Box<Operation>>),
    Cancelled(Told<Box<Operation>>),
    Enrolment(Told<CreatedEnrolment>),
    /// How far a visit or a change of a server has come, by the number of the form's submission.
    Reached(u64, Told<Reached>),
    /// The hosts of the SSH client's file, or why it is of no use.
    SshConfig(Result<Vec<Entry>, String>),
    /// A compose file, or everything that stands against it.
    Composed(Result<Box<Composed>, Vec<String>>),
    /// The server whose credential is no longer kept.
    Forgotten(Told<String>),
    Unlocked(Told<VaultStatus>),
    /// A terminal into a container, by the name that its person sees.
    Terminal(String, Told<Terminal>),
    /// What came of one of several things that are done at once.
    OfSeveral(Outcome),
    /// What became of giving this text to tmux.
    Copied(String, Result<(), String>),
    /// The logins that are saved here.
    Profiles(Vec<Profile>),
    /// Whether the chosen theme was written down.
    ThemeKept(Result<(), String>),
    /// A task did not end well.
    Broken(String),
}

/// Which part of a server's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricsRange {
    pub(crate) server: String,
    /// Containers whose series are wanted instead of the host's.
    pub(crate) containers: Vec<String>,
    /// From the first point to the last.
    pub(crate) span_ms: u64,
    /// End of the window (UTC ms); absent for the present.
    pub(crate) until_ms: Option<u64>,
    pub(crate) step_s: u32,
}
