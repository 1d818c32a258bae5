//! A person's terminal at a program in a container. Keys go there as they are, and what comes back is shown as it is, since colours and
//! full-screen programs are made of it: here alone bytes of a container pass raw. [`shown`] holds back what would outlive the terminal.
//!
//! It knows neither the dashboard nor the command line: both lend it the terminal and take it back.

mod keys;
mod shown;

use std::{
    collections::VecDeque,
    io::{self, IsTerminal as _},
};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::{
    io::{AsyncWriteExt as _, stdout},
    signal::unix::{SignalKind, signal},
};
use tomo_proto::{
    api::terminal::{OpenTerminal, TerminalOf},
    error::{ApiError, ErrorCode},
    wire::terminal::{TerminalInput, TerminalOutput, TerminalSize},
};

use crate::client::{Client, ClientError, Terminal};
use keys::{Escape, Keyboard};
use shown::Shown;

/// Parts of what was typed that wait while the program takes none; then nothing more is read.
const WAITING: usize = 64;
/// As a shell counts a program that was told to end, and one whose terminal has hung up.
const TERMINATED: u8 = 143;
const HUNG_UP: u8 = 129;

/// A program at a terminal has ended with an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("the program has ended with exit code {0}")]
pub(crate) struct Exited(pub(crate) u8);

/// How a terminal ended.
enum Ended {
    Exited(u8),
    /// The person has left it.
    Left,
    CutOff(ApiError),
    Lost,
}

/// Opens a terminal into a container: bash or sh, or another program.
///
/// # Errors
/// There is no terminal here, or the daemon refuses.
pub(crate) async fn open(client: &Client, into: TerminalOf, program: Vec<String>) -> Result<Terminal, ClientError> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let error = ApiError::new(ErrorCode::Invalid, "a terminal into a container wants a terminal at this end too");
        return Err(error.with_next("run it where somebody types, without a pipe").into());
    }
    client.open_terminal(&OpenTerminal { into, program, size: size() }).await
}

/// Holds this terminal to an open one until the program there ends, or the person leaves with `~.` at the beginning of a line. The
/// program's exit code, if it has one.
///
/// # Errors
/// Something else ended it, or this terminal does not do what it is told.
pub(crate) async fn hold(terminal: Terminal) -> Result<Option<u8>, ClientError> {
    let failed = |error: io::Error| {
        ApiError::new(ErrorCode::Internal, format!("this terminal does not do what it is told: {error}"))
    };
    let mut shown = Shown::default();
    let held = async {
        let raw = RawMode::enter()?;
        let ended = pass_on(terminal, &mut shown).await;
        // What the program has set is taken back before anything else is shown.
        let mut out = stdout();
        out.write_all(&shown.reset()).await?;
        out.flush().await?;
        drop(raw);
        ended
    };
    match held.await.map_err(failed)? {
        Ended::Exited(code) => Ok(Some(code)),
        Ended::Left => Ok(None),
        Ended::CutOff(error) => Err(error.into()),
        Ended::Lost => Err(ApiError::new(ErrorCode::AgentOffline, "the connection to the daemon was lost").into()),
    }
}

/// Passes on both ways. Neither waits for the other: who stops a flood has to be heard.
async fn pass_on(mut terminal: Terminal, shown: &mut Shown) -> io::Result<Ended> {
    let mut keyboard = Keyboard::read()?;
    let (mut resized, mut terminated) = (signal(SignalKind::window_change())?, signal(SignalKind::terminate())?);
    let mut hung_up = signal(SignalKind::hangup())?;
    let keys = terminal.keys.clone();
    let typing = async {
        let mut escape = Escape::default();
        let mut waiting = VecDeque::new();
        loop {
            tokio::select! {
                place = keys.reserve(), if !waiting.is_empty() => match (place, waiting.pop_front()) {
                    (Ok(place), Some(said)) => place.send(said),
                    // That it is over is heard on the other way.
                    _ => std::future::pending().await,
                },
                typed = keyboard.next(), if waiting.len() < WAITING => {
                    let Some(typed) = typed else { return Ended::Exited(HUNG_UP) };
                    let (typed, leaves) = escape.take(&typed);
                    if leaves {
                        return Ended::Left;
                    }
                    if !typed.is_empty() {
                        waiting.push_back(TerminalInput::Typed(typed));
                    }
                }
                _ = resized.recv() => waiting.push_back(TerminalInput::Resized(size())),
                _ = terminated.recv() => return Ended::Exited(TERMINATED),
                _ = hung_up.recv() => return Ended::Exited(HUNG_UP),
            }
        }
    };
    let showing = async {
        let mut out = stdout();
        out.write_all(shown::BEGIN).await?;
        loop {
            match terminal.next().await {
                Some(TerminalOutput::Shown(bytes)) => {
                    out.write_all(&shown.pass(&bytes)).await?;
                    out.flush().await?;
                }
                Some(TerminalOutput::Ended { exit_code }) => return Ok(Ended::Exited(exit_code)),
                Some(TerminalOutput::CutOff(error)) => return Ok(Ended::CutOff(error)),
                None => return Ok(Ended::Lost),
            }
        }
    };
    tokio::select! {
        ended = showing => ended,
        ended = typing => Ok(ended),
    }
}

/// How large this terminal is; one that does not know is taken for 80x24.
pub(crate) fn size() -> TerminalSize {
    let (columns, rows) = tcgetwinsize(io::stdout()).map_or((0, 0), |size| (size.ws_col, size.ws_row));
    if columns == 0 || rows == 0 { TerminalSize { columns: 80, rows: 24 } } else { TerminalSize { columns, rows } }
}

/// This terminal passes every key on as it is. Dropping it makes the terminal as it was.
struct RawMode(Termios);

impl RawMode {
    fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // One that is gone needs nothing.
        _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
