//! The full-screen dashboard: `update(event) → effects` over one state; drawing reads; only effects do I/O.
//!
//! The only module that knows ratatui and crossterm.

// What can be done.
mod action;
mod clipboard;
mod completion;
pub(crate) mod config;
mod effect;
mod event;
mod log;
mod memory;
mod people;
mod state;
mod stock;
mod together;
mod visit;

// What is shown.
mod canvas;
mod filter;
mod layers;
mod list;
mod looks;
mod probe;
mod theme;
mod toast;
mod views;
mod widgets;

// Where.
mod input;
mod painter;
mod reader;
mod terminal;

#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    pin::pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, sleep_until, timeout_at},
};

use tomo_proto::error::{ApiError, ErrorCode};

use crate::{
    args::Glyphs,
    client::{Client, ClientError, Target, Terminal as ContainerTerminal},
    shell,
};
use canvas::{Canvas, HitMap};
use clipboard::Clipboard;
use effect::{Effect, Runner};
use event::{Answer, Event};
use layers::choice::Daemons;
use looks::Looks;
use state::State;
use terminal::Screen;
pub(crate) use terminal::{HANG_UP_CODE, HungUp};
use toast::Kind;

/// Events that wait for the loop; the reader of the terminal waits when it is full.
const QUEUE: usize = 256;
/// Events taken in before a frame is drawn.
const BATCH: usize = 32;
/// Time between two frames that no key asked for, while more and more figures come.
const FRAME: Duration = Duration::from_millis(16);
/// Frames that need not wait for each other: what a view is made of comes in some answers, one soon after the other.
const BURST: u32 = 4;

/// How the dashboard is started.
#[derive(Debug, Clone)]
pub(crate) struct DashboardOptions {
    /// Daemon to show first.
    pub(crate) target: Target,
    /// Refuse every change.
    pub(crate) read_only: bool,
    /// Characters to draw with, instead of what the terminal can show.
    pub(crate) glyphs: Option<Glyphs>,
    /// Whether daemon and agent run in this process and would stop with it.
    pub(crate) holds_daemon: bool,
    /// Whether it is shown to somebody else than this machine's user: then no file of this machine is read or written.
    pub(crate) hosted: bool,
    /// The person's own file, instead of the usual one.
    pub(crate) config: Option<PathBuf>,
}

/// Whether this terminal can show a full screen.
pub(crate) fn is_usable() -> bool {
    terminal::is_usable()
}

/// Runs the dashboard on this terminal until the person leaves. The daemon is asked once it is `ready`; the first frame does not
/// wait for that.
///
/// # Errors
/// The terminal cannot be used or is [gone](HungUp), the saved login cannot be read, or there is no daemon to be `ready`.
pub(crate) async fn run(
    options: DashboardOptions,
    ready: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let (sender, typed) = mpsc::channel(QUEUE);
    let ended = match Dashboard::open(options, sender, typed) {
        Ok(mut dashboard) => {
            let ended = dashboard.show(ready).await;
            dashboard.remember();
            dashboard.hear_out().await;
            ended
        }
        Err(error) => Err(error),
    };
    // Whatever failed first when the terminal went, that is why.
    if terminal::is_gone() { Err(HungUp.into()) } else { ended }
}

/// The dashboard on its terminal, with one daemon.
struct Dashboard {
    options: DashboardOptions,
    /// The daemon that is open.
    target: Target,
    state: State,
    looks: Looks,
    screen: Screen,
    runner: Runner,
    /// What comes from the terminal.
    typed: mpsc::Receiver<Event>,
    /// What the open daemon has answered; nothing of one that was left gets here.
    answers: mpsc::Receiver<Event>,
    hits: HitMap,
    /// Whether the first daemon is ready.
    begun: bool,
}

impl Dashboard {
    fn open(
        options: DashboardOptions,
        sender: mpsc::Sender<Event>,
        typed: mpsc::Receiver<Event>,
    ) -> anyhow::Result<Self> {
        let client = Client::open(&options.target)?;
        let looks = Looks::new(&options);
        let target = options.target.clone();
        let mut state = begin(&options, &target, &looks);
        looks.tell_problems(&mut state, now_ms());
        let screen = Screen::enter(sender.clone())?;
        looks.watch(sender);
        let (answer, answers) = mpsc::channel(QUEUE);
        let runner = Runner::new(client, answer);
        Ok(Self {
            options,
            target,
            state,
            looks,
            screen,
            runner,
            typed,
            answers,
            hits: HitMap::default(),
            begun: false,
        })
    }

    async fn show(&mut self, ready: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut hang_up = signal(SignalKind::hangup())?;
        self.draw()?;
        self.screen.ask(&self.looks.questions())?;
        let mut ready = pin!(ready);
        let mut pace = Pace::begin();
        loop {
            let due = next_instant(&self.state, &pace);
            let first = tokio::select! {
                biased;
                _ = hang_up.recv() => Event::HangUp,
                _ = terminate.recv() => Event::Terminate,
                _ = interrupt.recv() => Event::Terminate,
                result = &mut ready, if !self.begun => {
                    result?;
                    self.begun = true;
                    for effect in self.state.begin() {
                        self.runner.start(effect);
                    }
                    continue;
                }
                event = self.typed.recv() => event.unwrap_or(Event::Terminate),
                event = self.answers.recv() => event.unwrap_or(Event::Terminate),
                () = sleep_until(due.unwrap_or_else(far_away)), if due.is_some() => Event::Due,
            };
            let mut asked = false;
            let mut next = Some(first);
            for _ in 0..BATCH {
                let waiting =
                    next.take().or_else(|| self.typed.try_recv().ok()).or_else(|| self.answers.try_recv().ok());
                let Some(event) = waiting else { break };
                asked |= !matches!(event, Event::Answer(_) | Event::Notice(_) | Event::LinkUp | Event::LinkDown(_));
                if let Event::Answer(Answer::Terminal(of, Ok(terminal))) = event {
                    self.hear_out().await;
                    let told = lend(&mut self.screen, &of, terminal).await?;
                    self.state.left_terminal(&of, told, now_ms());
                    break;
                }
                if self.take_in(event).await? {
                    return Ok(());
                }
            }
            // A key is answered at once; figures wait when too many come.
            if self.state.dirty && (asked || pace.next() <= Instant::now()) {
                self.draw()?;
                pace.drawn();
            }
        }
    }

    /// Updates the state and starts what follows; says whether that was the end.
    async fn take_in(&mut self, event: Event) -> anyhow::Result<bool> {
        let effects = match event {
            Event::HangUp => return Err(HungUp.into()),
            Event::InputLost(error) => return Err(error).context("the terminal cannot be read any more"),
            Event::Click(column, row) => self.state.pointer(self.hits.at(column, row), 0, (column, row), now_ms()),
            Event::RightClick(column, row) => {
                self.state.ask_for_menu(self.hits.at(column, row), (column, row), now_ms())
            }
            Event::Wheel(lines, column, row) => {
                self.state.pointer(self.hits.at(column, row), lines, (column, row), now_ms())
            }
            Event::Told(reply) => {
                self.looks.told(reply, &mut self.state);
                Vec::new()
            }
            Event::Config(loaded) => {
                self.looks.take(*loaded, &mut self.state, now_ms());
                Vec::new()
            }
            other => self.state.update(other, now_ms()),
        };
        for effect in effects {
            match effect {
                Effect::Quit => return Ok(true),
                Effect::Suspend if self.options.holds_daemon => {
                    self.warn("Ctrl-Z would stop the daemon and the agent too: they run in this process");
                }
                Effect::Suspend => {
                    self.hear_out().await;
                    self.screen.suspend()?;
                    self.state.dirty = true;
                }
                Effect::ToggleMouse => {
                    let ours = self.screen.toggle_mouse()?;
                    self.state.mouse_is(ours);
                }
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::ChooseTheme(theme) => {
                    if let Some(keep) = self.looks.choose(theme) {
                        self.runner.start(keep);
                    }
                    self.state.dirty = true;
                }
                Effect::Switch(target) => {
                    self.switch(*target);
                    // What else was to be done was the other daemon's.
                    return Ok(false);
                }
                other => self.runner.start(other),
            }
        }
        Ok(false)
    }

    /// Waits for a reply of the terminal that is still on its way: whoever has the terminal next would take it for something typed.
    async fn hear_out(&mut self) {
        while let (Some(until), false) = (self.looks.awaits(), terminal::is_gone()) {
            match timeout_at(until, self.typed.recv()).await {
                Ok(Some(Event::Told(reply))) => self.looks.told(reply, &mut self.state),
                Ok(Some(Event::HangUp | Event::InputLost(_)) | None) | Err(_) => return,
                Ok(Some(_)) => {}
            }
        }
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.state.toasts.push(Kind::Warning, text, now_ms());
        self.state.dirty = true;
    }

    /// Goes to another daemon, and forgets everything of this one.
    fn switch(&mut self, target: Target) {
        if !self.begun {
            return self.warn("the daemon is still starting: try again in a moment");
        }
        let client = match Client::open(&target) {
            Ok(client) => client,
            Err(error) => return self.warn(format!("{} cannot be gone to: {error}", target.profile)),
        };
        self.remember();
        let (answer, answers) = mpsc::channel(QUEUE);
        // What was under way ends with the runner, what it has answered with its channel.
        self.runner = Runner::new(client, answer);
        self.answers = answers;
        self.state = begin(&self.options, &target, &self.looks);
        self.target = target;
        for effect in self.state.begin() {
            self.runner.start(effect);
        }
    }

    /// Keeps what is on screen for the next time.
    fn remember(&self) {
        if self.options.hosted || !self.begun {
            return;
        }
        let memory = memory::Memory { daemon: self.target.url.clone(), ..self.state.memory() };
        if let Err(error) = memory::save(&self.target.profile, &memory) {
            tracing::warn!("what is on screen is not remembered: {error:#}");
        }
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        let Self { state, looks, screen, hits, .. } = self;
        state.dirty = false;
        let title = tomo_proto::text::display_line(&format!("tomo: {}", state.view.path().join("/")), 80);
        screen.draw(title, |buffer| {
            let area = buffer.area;
            let (theme, keys) = (&looks.theme, &state.keys);
            let mut canvas = Canvas { buffer, theme, keys, hits, now_ms: state.now_ms, cursor: None };
            views::draw(state, &mut canvas, area);
            canvas.cursor
        })?;
        Ok(())
    }
}

/// The state with which a daemon is shown first.
fn begin(options: &DashboardOptions, target: &Target, looks: &Looks) -> State {
    let daemon = if target.profile == "local" { "this machine".to_owned() } else { target.url.clone() };
    let mut state = State::new(daemon, options.read_only, options.hosted, now_ms());
    state.clipboard = Clipboard::detect(options.hosted, |name| std::env::var(name).ok());
    state.keys = looks.keys().clone();
    state.theme = looks.chosen();
    state.daemons = Some(Daemons { open: target.clone(), first: options.target.clone() });
    if !options.hosted {
        match memory::load(&target.profile, &target.url) {
            Ok(memory) => state.restore(memory),
            Err(said) => state.toasts.push(Kind::Warning, said, now_ms()),
        }
    }
    state
}

/// Lends the screen to a terminal into a container until that has ended; its program's exit code, or why it ended.
async fn lend(
    screen: &mut Screen,
    of: &str,
    terminal: ContainerTerminal,
) -> anyhow::Result<Result<Option<u8>, ClientError>> {
    if !screen.lend()? {
        return Ok(Err(ApiError::new(ErrorCode::Conflict, "the keyboard was busy: try again").into()));
    }
    terminal::say(&format!("{of}: `exit`, or ~. at the beginning of a line, comes back"))?;
    let told = shell::hold(terminal).await;
    screen.take_back()?;
    Ok(told)
}

/// How often figures are drawn: [`BURST`] frames at once, then one in each [`FRAME`].
struct Pace {
    /// When all of the burst can be had again.
    rested: Instant,
}

impl Pace {
    fn begin() -> Self {
        Self { rested: Instant::now() }
    }

    /// When the next frame may be drawn.
    fn next(&self) -> Instant {
        self.rested.checked_sub(FRAME * (BURST - 1)).unwrap_or(self.rested)
    }

    fn drawn(&mut self) {
        self.rested = self.rested.max(Instant::now()) + FRAME;
    }
}

/// When something is to be done without an event: a frame that waits, or what the state asked for.
fn next_instant(state: &State, pace: &Pace) -> Option<Instant> {
    let frame = state.dirty.then(|| pace.next());
    let due = state.next_due().map(|at_ms| Instant::now() + Duration::from_millis(at_ms.saturating_sub(now_ms())));
    [frame, due].into_iter().flatten().min()
}

fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(3_600)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one clock of the dashboard; the state gets the time with each event"
)]
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
