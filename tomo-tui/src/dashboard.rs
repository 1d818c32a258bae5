//! The full-screen dashboard: `update(event) → effects` over one state; drawing reads; only effects do I/O.
//!
//! The only module that knows ratatui and crossterm.

// What can be done.
mod action;
mod clipboard;
mod effect;
mod event;
mod log;
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
mod theme;
mod toast;
mod views;
mod widgets;

// Where.
mod input;
mod reader;
mod terminal;

#[cfg(test)]
mod tests;

use std::{
    pin::pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, sleep_until},
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
use state::State;
use terminal::Screen;
pub(crate) use terminal::{HANG_UP_CODE, HungUp};
use theme::Theme;
use toast::Kind;

/// Events that wait for the loop; the reader of the terminal waits when it is full.
const QUEUE: usize = 256;
/// Events taken in before a frame is drawn.
const BATCH: usize = 32;
/// Least time between two frames that no key asked for.
const FRAME: Duration = Duration::from_millis(16);

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
    /// Whether it is shown to somebody else than this machine's user.
    pub(crate) hosted: bool,
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
    let ended = show(options, ready).await;
    // Whatever failed first when the terminal went, that is why.
    if terminal::is_gone() { Err(HungUp.into()) } else { ended }
}

async fn show(options: DashboardOptions, ready: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let client = Client::open(&options.target)?;
    let (sender, mut events) = mpsc::channel(QUEUE);
    let (depth, glyphs) = Theme::detect(|name| std::env::var(name).ok());
    let theme = Theme::new(depth, options.glyphs.unwrap_or(glyphs));
    let daemon = if options.target.profile == "local" { "this machine".to_owned() } else { options.target.url.clone() };
    let mut state = State::new(daemon, options.read_only, options.hosted, now_ms());
    state.clipboard = Clipboard::detect(options.hosted, |name| std::env::var(name).ok());
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut screen = Screen::enter(sender.clone())?;
    let mut runner = Runner::new(client, sender);
    let mut hits = HitMap::default();
    draw(&mut screen, &mut state, &theme, &mut hits)?;
    let mut ready = pin!(ready);
    let mut begun = false;
    let mut drawn_at = Instant::now();
    loop {
        let due = next_instant(&state, drawn_at);
        let first = tokio::select! {
            biased;
            _ = hang_up.recv() => Event::HangUp,
            _ = terminate.recv() => Event::Terminate,
            _ = interrupt.recv() => Event::Terminate,
            result = &mut ready, if !begun => {
                result?;
                begun = true;
                for effect in state.begin() {
                    runner.start(effect);
                }
                continue;
            }
            event = events.recv() => event.unwrap_or(Event::Terminate),
            () = sleep_until(due.unwrap_or_else(far_away)), if due.is_some() => Event::Due,
        };
        let mut asked = false;
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(event) = next.take().or_else(|| events.try_recv().ok()) else { break };
            asked |= !matches!(event, Event::Answer(_) | Event::Notice(_) | Event::LinkUp | Event::LinkDown(_));
            if let Event::Answer(Answer::Terminal(of, Ok(terminal))) = event {
                let told = lend(&mut screen, &of, terminal).await?;
                state.left_terminal(&of, told, now_ms());
                break;
            }
            if take_in(event, &mut state, &mut screen, &mut runner, &hits, options.holds_daemon)? {
                return Ok(());
            }
        }
        // A key is answered at once; figures wait for the next frame.
        if state.dirty && (asked || drawn_at.elapsed() >= FRAME) {
            draw(&mut screen, &mut state, &theme, &mut hits)?;
            drawn_at = Instant::now();
        }
    }
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

/// Updates the state and starts what follows; says whether that was the end.
fn take_in(
    event: Event,
    state: &mut State,
    screen: &mut Screen,
    runner: &mut Runner,
    hits: &HitMap,
    holds_daemon: bool,
) -> anyhow::Result<bool> {
    let effects = match event {
        Event::HangUp => return Err(HungUp.into()),
        Event::InputLost(error) => return Err(error).context("the terminal cannot be read any more"),
        Event::Click(column, row) => state.pointer(hits.at(column, row), 0, (column, row), now_ms()),
        Event::RightClick(column, row) => state.ask_for_menu(hits.at(column, row), (column, row), now_ms()),
        Event::Wheel(lines, column, row) => state.pointer(hits.at(column, row), lines, (column, row), now_ms()),
        other => state.update(other, now_ms()),
    };
    for effect in effects {
        match effect {
            Effect::Quit => return Ok(true),
            Effect::Suspend if holds_daemon => {
                let text = "Ctrl-Z would stop the daemon and the agent too: they run in this process";
                state.toasts.push(Kind::Warning, text, now_ms());
                state.dirty = true;
            }
            Effect::Suspend => {
                screen.suspend()?;
                state.dirty = true;
            }
            Effect::ToggleMouse => {
                let ours = screen.toggle_mouse()?;
                state.mouse_is(ours);
            }
            Effect::Copy(text) => screen.copy(&text)?,
            other => runner.start(other),
        }
    }
    Ok(false)
}

fn draw(screen: &mut Screen, state: &mut State, theme: &Theme, hits: &mut HitMap) -> anyhow::Result<()> {
    state.dirty = false;
    let title = tomo_proto::text::display_line(&format!("tomo: {}", state.view.path().join("/")), 80);
    screen.draw(title, |frame| {
        let area = frame.area();
        let mut canvas = Canvas { buffer: frame.buffer_mut(), theme, hits, now_ms: state.now_ms, cursor: None };
        views::draw(state, &mut canvas, area);
        if let Some(cursor) = canvas.cursor {
            frame.set_cursor_position(cursor);
        }
    })?;
    Ok(())
}

/// When something is to be done without an event: a frame that waits, or what the state asked for.
fn next_instant(state: &State, drawn_at: Instant) -> Option<Instant> {
    let frame = state.dirty.then_some(drawn_at + FRAME);
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
