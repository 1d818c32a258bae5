//! The terminal as the dashboard holds it: entered and left as a whole, one write for each frame, gone when its other end is gone.

use std::{
    io::{self, IsTerminal as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crossterm::{
    cursor,
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    terminal::{
        self, BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, SetTitle,
    },
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Size},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::retry_on_intr,
};
use tokio::sync::mpsc;
use tomo_proto::text::display_line;

use crate::{
    dashboard::{
        event::Event,
        painter::{Painter, sequence},
        reader::{Gate, read_events},
    },
    shell,
};

/// Exit code after the terminal went away, as a shell counts a hang-up.
pub(crate) const HANG_UP_CODE: u8 = 129;
/// After a hang-up the process ends by itself in this time; the rest is ended for it.
const HANG_UP_GRACE: Duration = Duration::from_millis(800);

/// The shell's window title is kept by the terminal until the dashboard is left.
const PUSH_TITLE: &[u8] = b"\x1b[22;0t";
const POP_TITLE: &[u8] = b"\x1b[23;0t";

/// The terminal is gone: nobody is left to tell anything.
#[derive(Debug, thiserror::Error)]
#[error("the terminal is gone")]
pub(crate) struct HungUp;

/// The terminal, entered. Leaving is its `Drop`, or the panic hook's.
pub(crate) struct Screen {
    painter: Painter,
    mouse: bool,
    title: String,
    entered: Entered,
    gate: Gate,
}

/// Whether the terminal is to be left: whoever leaves it first has done it for all.
#[derive(Debug, Clone)]
struct Entered(Arc<AtomicBool>);

impl Entered {
    fn leave_once(&self) {
        if self.0.swap(false, Ordering::AcqRel) && !is_gone() {
            // Nobody is left to hear of a failure.
            drop(leave());
        }
    }
}

/// Not by the buffer of the standard library, which would send what ends in the middle of a line in two parts.
fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    let out = io::stdout();
    while !bytes.is_empty() {
        let written = retry_on_intr(|| rustix::io::write(&out, bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Prints a line where no full screen is.
pub(super) fn say(text: &str) -> io::Result<()> {
    write_all(format!("{}\n", display_line(text, 200)).as_bytes())
}

fn enter(mouse: bool) -> io::Result<()> {
    terminal::enable_raw_mode()?;
    let mut out = Vec::new();
    out.extend_from_slice(PUSH_TITLE);
    sequence(&mut out, EnterAlternateScreen);
    sequence(&mut out, EnableBracketedPaste);
    if mouse {
        sequence(&mut out, EnableMouseCapture);
    }
    sequence(&mut out, cursor::Hide);
    write_all(&out)
}

fn leave() -> io::Result<()> {
    let mut out = Vec::new();
    sequence(&mut out, DisableMouseCapture);
    sequence(&mut out, DisableBracketedPaste);
    sequence(&mut out, EndSynchronizedUpdate);
    sequence(&mut out, LeaveAlternateScreen);
    sequence(&mut out, cursor::Show);
    out.extend_from_slice(POP_TITLE);
    write_all(&out)?;
    terminal::disable_raw_mode()
}

/// Whether a full screen can be used at all.
pub(crate) fn is_usable() -> bool {
    io::stdin().is_terminal()
        && io::stdout().is_terminal()
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

impl Screen {
    /// Takes the terminal over and starts reading it; events go to `events`.
    ///
    /// # Errors
    /// The terminal does not do what it is told.
    pub(crate) fn enter(events: mpsc::Sender<Event>) -> io::Result<Self> {
        watch_for_hang_up(events.clone())?;
        enter(true)?;
        let entered = Entered(Arc::new(AtomicBool::new(true)));
        leave_on_panic(entered.clone());
        let gate = Gate::default();
        read_events(events, gate.clone())?;
        Ok(Self { painter: Painter::default(), mouse: true, title: String::new(), entered, gate })
    }

    /// Draws a frame and sends it in one write, inside a synchronized update; nothing, if the terminal shows it already.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(crate) fn draw(&mut self, title: String, draw: impl FnOnce(&mut Buffer) -> Option<Position>) -> io::Result<()> {
        let size = shell::size();
        let frame = self.painter.paint(Size { width: size.columns, height: size.rows }, draw);
        if frame.is_empty() && title == self.title {
            return Ok(());
        }
        let mut out = Vec::with_capacity(frame.len() + 64);
        if title != self.title {
            sequence(&mut out, SetTitle(&title));
            self.title = title;
        }
        sequence(&mut out, BeginSynchronizedUpdate);
        out.extend(frame);
        sequence(&mut out, EndSynchronizedUpdate);
        write_all(&out)
    }

    /// Asks the terminal something; what it answers comes as [`Event::Told`].
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(crate) fn ask(&mut self, questions: &str) -> io::Result<()> {
        write_all(questions.as_bytes())
    }

    /// Takes the mouse, or gives it back to the terminal; says which it is now.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(crate) fn toggle_mouse(&mut self) -> io::Result<bool> {
        self.mouse = !self.mouse;
        let mut out = Vec::new();
        if self.mouse {
            sequence(&mut out, EnableMouseCapture);
        } else {
            sequence(&mut out, DisableMouseCapture);
        }
        write_all(&out)?;
        Ok(self.mouse)
    }

    /// Sends text to the clipboard of whoever sits at the terminal (OSC 52).
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        let mut out = Vec::new();
        sequence(&mut out, crossterm::clipboard::CopyToClipboard::to_clipboard_from(text));
        write_all(&out)
    }

    /// Gives the terminal back to the shell until `fg`.
    ///
    /// # Errors
    /// The terminal does not do what it is told.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        leave()?;
        // The whole job stops, as if no program had taken the key; without a shell to come back to, nothing does.
        let stopped = rustix::process::kill_current_process_group(rustix::process::Signal::TSTP);
        self.enter_again()?;
        stopped.map_err(io::Error::from)
    }

    /// Lends the terminal, keys and all, to something else of this process until [`Self::take_back`]; says whether it could.
    ///
    /// # Errors
    /// The terminal does not do what it is told.
    pub(crate) fn lend(&mut self) -> io::Result<bool> {
        if !self.gate.close() {
            return Ok(false);
        }
        leave()?;
        Ok(true)
    }

    /// Has the terminal again, and draws all of it anew.
    ///
    /// # Errors
    /// The terminal does not do what it is told.
    pub(crate) fn take_back(&mut self) -> io::Result<()> {
        self.enter_again()?;
        self.gate.open();
        Ok(())
    }

    fn enter_again(&mut self) -> io::Result<()> {
        enter(self.mouse)?;
        self.title.clear();
        self.painter.forget();
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.entered.leave_once();
    }
}

/// A panic of the thread that draws leaves the terminal first, so that its message can be read; one of a task is reported by
/// whoever waits for it.
fn leave_on_panic(entered: Entered) {
    let drawing = std::thread::current().id();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == drawing {
            entered.leave_once();
            before(panic);
        } else {
            tracing::error!(%panic, "a task panicked");
        }
    }));
}

/// Whether the other end of the terminal is gone.
pub(crate) fn is_gone() -> bool {
    wait_until_gone(Some(&Timespec::default()))
}

fn wait_until_gone(deadline: Option<&Timespec>) -> bool {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
    let polled = poll(&mut fds, deadline);
    polled.is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

/// crossterm does not notice that a terminal is gone and spins: a thread of its own waits for that, at no cost.
fn watch_for_hang_up(events: mpsc::Sender<Event>) -> io::Result<()> {
    let watch = move || {
        while !wait_until_gone(None) {}
        // With the queue full the process is ended below.
        drop(events.try_send(Event::HangUp));
        std::thread::sleep(HANG_UP_GRACE);
        std::process::exit(i32::from(HANG_UP_CODE));
    };
    std::thread::Builder::new().name("hang-up".to_owned()).spawn(watch).map(drop)
}
