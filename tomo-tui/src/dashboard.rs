//! The full-screen dashboard: `update(event) → effects` over one state; drawing reads; only effects do I/O.
//!
//! The only module that knows ratatui and crossterm.

// What can be done.
mod action;
mod effect;
mod event;
mod state;

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
mod terminal;

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    args::Glyphs,
    client::{Client, Target},
};
use canvas::{Canvas, Hit, HitMap};
use effect::{Effect, Runner};
use event::Event;
use state::State;
use terminal::Screen;
use theme::Theme;

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
}

/// Whether this terminal can show a full screen.
pub(crate) fn is_usable() -> bool {
    terminal::is_usable()
}

/// Runs the dashboard on this terminal until the person leaves.
///
/// # Errors
/// The terminal cannot be used, or the saved login cannot be read.
pub(crate) async fn run(options: DashboardOptions) -> anyhow::Result<()> {
    let client = Client::open(&options.target)?;
    let (sender, mut events) = mpsc::channel(QUEUE);
    let (depth, glyphs) = Theme::detect(|name| std::env::var(name).ok());
    let theme = Theme::new(depth, options.glyphs.unwrap_or(glyphs));
    let daemon = if options.target.profile == "local" { "this machine".to_owned() } else { options.target.url.clone() };
    let mut state = State::new(daemon, options.read_only, now_ms());
    let mut screen = Screen::enter(sender.clone())?;
    let mut runner = Runner::new(client, sender);
    let mut hits = HitMap::default();
    // The first frame comes before the daemon's first answer.
    draw(&mut screen, &mut state, &theme, &mut hits)?;
    for effect in state.begin() {
        runner.start(effect);
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut drawn_at = Instant::now();
    loop {
        let due = next_instant(&state, drawn_at);
        let first = tokio::select! {
            biased;
            _ = terminate.recv() => Event::Terminate,
            _ = interrupt.recv() => Event::Terminate,
            event = events.recv() => event.unwrap_or(Event::Terminate),
            () = sleep_until(due.unwrap_or_else(far_away)), if due.is_some() => Event::Due,
        };
        let mut asked = false;
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(event) = next.take().or_else(|| events.try_recv().ok()) else { break };
            asked |= !matches!(event, Event::Answer(_) | Event::Notice(_) | Event::LinkUp | Event::LinkDown(_));
            if take_in(event, &mut state, &mut screen, &mut runner, &hits)? {
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

/// Updates the state and starts what follows; says whether that was the end.
fn take_in(
    event: Event,
    state: &mut State,
    screen: &mut Screen,
    runner: &mut Runner,
    hits: &HitMap,
) -> anyhow::Result<bool> {
    let effects = match event {
        Event::Click(column, row) => state.pointer(hits.at(column, row), 0, (column, row), now_ms()),
        Event::Wheel(lines, column, row) => state.pointer(None::<Hit>, lines, (column, row), now_ms()),
        other => state.update(other, now_ms()),
    };
    for effect in effects {
        match effect {
            Effect::Quit => return Ok(true),
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
    screen.draw(|frame| {
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
