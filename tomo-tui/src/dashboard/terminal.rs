//! The terminal as the dashboard holds it: entered and left as a whole, one write for each frame, gone when its other end is gone.

use std::{
    cell::RefCell,
    io::{self, IsTerminal as _, Write},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crossterm::{
    Command, cursor,
    event::{
        DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
        EnableMouseCapture,
    },
    terminal::{
        self, BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, SetTitle,
    },
};
use ratatui::{Frame, Terminal, backend::CrosstermBackend};
use tokio::sync::mpsc;

use crate::dashboard::event::Event;

/// Exit code after the terminal went away, as a shell counts a hang-up.
const HANG_UP_CODE: i32 = 129;
/// After a hang-up the process ends by itself in this time; the rest is ended for it.
const HANG_UP_GRACE: Duration = Duration::from_millis(800);

/// What ratatui writes, kept until the frame is whole.
#[derive(Debug, Default, Clone)]
struct FrameBuffer(Rc<RefCell<Vec<u8>>>);

impl Write for FrameBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The terminal, entered. Leaving is its `Drop`, and the panic hook's.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<FrameBuffer>>,
    buffer: FrameBuffer,
    mouse: bool,
    hung_up: Arc<AtomicBool>,
}

fn sequence(out: &mut Vec<u8>, command: impl Command) {
    let mut text = String::new();
    if command.write_ansi(&mut text).is_ok() {
        out.extend_from_slice(text.as_bytes());
    }
}

fn write_all(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

fn enter(mouse: bool) -> io::Result<()> {
    terminal::enable_raw_mode()?;
    let mut out = Vec::new();
    sequence(&mut out, EnterAlternateScreen);
    sequence(&mut out, SetTitle("tomo"));
    sequence(&mut out, EnableBracketedPaste);
    sequence(&mut out, EnableFocusChange);
    if mouse {
        sequence(&mut out, EnableMouseCapture);
    }
    sequence(&mut out, cursor::Hide);
    write_all(&out)
}

fn leave() -> io::Result<()> {
    let mut out = Vec::new();
    sequence(&mut out, DisableMouseCapture);
    sequence(&mut out, DisableFocusChange);
    sequence(&mut out, DisableBracketedPaste);
    sequence(&mut out, EndSynchronizedUpdate);
    sequence(&mut out, LeaveAlternateScreen);
    sequence(&mut out, SetTitle(""));
    sequence(&mut out, cursor::Show);
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
        let hung_up = Arc::new(AtomicBool::new(false));
        watch_for_hang_up(events.clone(), Arc::clone(&hung_up));
        enter(true)?;
        leave_on_panic();
        read_events(events);
        let buffer = FrameBuffer::default();
        let terminal = Terminal::new(CrosstermBackend::new(buffer.clone()))?;
        Ok(Self { terminal, buffer, mouse: true, hung_up })
    }

    /// Draws a frame and sends it in one write, inside a synchronized update. What the terminal shows already is not sent.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw)?;
        let mut frame = self.buffer.0.borrow_mut();
        let mut out = Vec::with_capacity(frame.len() + 16);
        sequence(&mut out, BeginSynchronizedUpdate);
        out.append(&mut frame);
        sequence(&mut out, EndSynchronizedUpdate);
        frame.clear();
        write_all(&out)
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
        let stopped = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        enter(self.mouse)?;
        self.terminal.clear()?;
        stopped.map_err(io::Error::from)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if !self.hung_up.load(Ordering::Acquire) {
            // Nobody is left to hear of a failure.
            drop(leave());
        }
    }
}

/// A panic of the thread that draws leaves the terminal first; one of a task is reported by whoever waits for it.
fn leave_on_panic() {
    let drawing = std::thread::current().id();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == drawing {
            drop(leave());
            before(panic);
        } else {
            tracing::error!(%panic, "a task panicked");
        }
    }));
}

/// crossterm does not notice that a terminal is gone and spins: a thread of its own waits for that, at no cost.
fn watch_for_hang_up(events: mpsc::Sender<Event>, hung_up: Arc<AtomicBool>) {
    use rustix::event::{PollFd, PollFlags, poll};
    let watch = move || {
        let stdin = io::stdin();
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        loop {
            let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
            match poll(&mut fds, None) {
                Ok(_) if fds[0].revents().intersects(gone) => break,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        hung_up.store(true, Ordering::Release);
        // With the queue full the process is ended below.
        drop(events.try_send(Event::HangUp));
        std::thread::sleep(HANG_UP_GRACE);
        std::process::exit(HANG_UP_CODE);
    };
    drop(std::thread::Builder::new().name("hang-up".to_owned()).spawn(watch));
}

/// One thread blocks on the terminal, so that nothing wakes up while nobody types.
fn read_events(events: mpsc::Sender<Event>) {
    let read = move || {
        while let Ok(read) = crossterm::event::read() {
            let Some(event) = Event::of_terminal(read) else { continue };
            if events.blocking_send(event).is_err() {
                return;
            }
        }
    };
    drop(std::thread::Builder::new().name("input".to_owned()).spawn(read));
}
