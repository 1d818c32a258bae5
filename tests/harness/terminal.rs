//! A real pseudo terminal with a screen behind it: programs that fill the screen are driven by keys and read as a person reads them.

use std::{
    io::{Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::termios::LocalModes;
use tokio::{sync::watch, time::timeout};
use vt100::{Cell, Parser, Screen};

use crate::{
    eventually::{PATIENCE, eventually, eventually_within},
    program,
};

/// Keys that are not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Enter.
    Enter,
    /// Escape.
    Escape,
    /// Tab.
    Tab,
    /// Shift and Tab.
    BackTab,
    /// Backspace.
    Backspace,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
    /// Control and a letter.
    Control(char),
}

impl Key {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Enter => b"\r".to_vec(),
            Self::Escape => b"\x1b".to_vec(),
            Self::Tab => b"\t".to_vec(),
            Self::BackTab => b"\x1b[Z".to_vec(),
            Self::Backspace => b"\x7f".to_vec(),
            Self::Up => b"\x1b[A".to_vec(),
            Self::Down => b"\x1b[B".to_vec(),
            Self::Right => b"\x1b[C".to_vec(),
            Self::Left => b"\x1b[D".to_vec(),
            Self::PageUp => b"\x1b[5~".to_vec(),
            Self::PageDown => b"\x1b[6~".to_vec(),
            Self::Home => b"\x1b[H".to_vec(),
            Self::End => b"\x1b[F".to_vec(),
            Self::Control(letter) => vec![u8::try_from(letter).unwrap_or(b'@') & 0x1f],
        }
    }
}

/// A program on a terminal. Killed when dropped.
pub struct Terminal {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    child: Box<dyn Child + Send + Sync>,
    shown: Arc<Mutex<Shown>>,
    changed: watch::Receiver<u64>,
    reader: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Terminal\n{}", self.text())
    }
}

struct Shown {
    parser: Parser<Questions>,
    raw: Vec<u8>,
    ended: bool,
}

/// What programs ask a terminal, and how this one answers.
#[derive(Default)]
struct Questions {
    answers: Vec<u8>,
    title: String,
    clipboard: Vec<Vec<u8>>,
}

impl vt100::Callbacks for Questions {
    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        self.title = String::from_utf8_lossy(title).into_owned();
    }

    fn copy_to_clipboard(&mut self, _: &mut Screen, _kind: &[u8], data: &[u8]) {
        self.clipboard.push(data.to_vec());
    }

    fn unhandled_csi(&mut self, screen: &mut Screen, first: Option<u8>, _: Option<u8>, params: &[&[u16]], last: char) {
        match (first, params.first().and_then(|param| param.first()), last) {
            (None, _, 'c') => self.answers.extend_from_slice(b"\x1b[?62;22c"),
            (None, Some(6), 'n') => {
                let (row, column) = screen.cursor_position();
                self.answers.extend_from_slice(format!("\x1b[{};{}R", row + 1, column + 1).as_bytes());
            }
            _ => {}
        }
    }
}

impl Terminal {
    /// Starts a binary of the workspace on a terminal of this size, with exactly this environment.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn start(name: &str, arguments: &[&str], environment: &[(String, String)], columns: u16, rows: u16) -> Self {
        let mut command = CommandBuilder::new(program::path(name));
        command.args(arguments);
        command.env_clear();
        for (variable, value) in environment {
            command.env(variable, value);
        }
        Self::start_command(command, columns, rows)
    }

    /// Starts any command on a terminal of this size.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn start_command(command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).expect("a terminal can be opened");
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let from_program = pair.master.try_clone_reader().expect("the terminal can be read");
        let writer = Arc::new(Mutex::new(pair.master.take_writer().expect("the terminal can be written")));
        let parser = Parser::new_with_callbacks(rows, columns, 0, Questions::default());
        let shown = Arc::new(Mutex::new(Shown { parser, raw: Vec::new(), ended: false }));
        let (change, changed) = watch::channel(0);
        let (for_reader, to_program) = (Arc::clone(&shown), Arc::clone(&writer));
        let reader = std::thread::spawn(move || read(from_program, &for_reader, &to_program, &change));
        Self { master: Some(pair.master), writer, child, shown, changed, reader: Some(reader) }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Types text.
    ///
    /// # Panics
    /// The terminal is gone.
    pub fn type_text(&self, text: &str) {
        self.send(text.as_bytes());
    }

    /// Presses a key.
    ///
    /// # Panics
    /// The terminal is gone.
    pub fn press(&self, key: Key) {
        self.send(&key.bytes());
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// The terminal is gone.
    pub fn send(&self, bytes: &[u8]) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(bytes).and_then(|()| writer.flush()).expect("the terminal takes input");
    }

    /// Pastes text as terminals do when a program asked for bracketed paste.
    ///
    /// # Panics
    /// The terminal is gone.
    pub fn paste(&self, text: &str) {
        self.send(format!("\x1b[200~{text}\x1b[201~").as_bytes());
    }

    /// Gives the terminal another size; the program is told.
    ///
    /// # Panics
    /// The terminal is gone.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.shown().parser.screen_mut().set_size(rows, columns);
        let master = self.master.as_ref().expect("the terminal is open");
        master.resize(size(columns, rows)).expect("the terminal can be resized");
    }

    /// What is on the screen, line by line.
    #[must_use]
    pub fn text(&self) -> String {
        self.shown().parser.screen().contents()
    }

    /// A copy of the screen.
    #[must_use]
    pub fn screen(&self) -> Screen {
        self.shown().parser.screen().clone()
    }

    /// The character at a place with its style, counted from 0.
    #[must_use]
    pub fn cell(&self, row: u16, column: u16) -> Option<Cell> {
        self.shown().parser.screen().cell(row, column).cloned()
    }

    /// Row and column where a text begins, counted from 0, in columns of the screen.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<(u16, u16)> {
        let screen = self.screen();
        let (rows, columns) = screen.size();
        (0..rows).find_map(|row| {
            (0..columns).find_map(|column| {
                let line: String = (column..columns)
                    .filter_map(|column| screen.cell(row, column))
                    .filter(|cell| !cell.is_wide_continuation())
                    .map(|cell| if cell.has_contents() { cell.contents() } else { " " })
                    .collect();
                line.starts_with(text).then_some((row, column))
            })
        })
    }

    /// Every byte the program has written so far.
    #[must_use]
    pub fn raw(&self) -> Vec<u8> {
        self.shown().raw.clone()
    }

    /// The window's title.
    #[must_use]
    pub fn title(&self) -> String {
        self.shown().parser.callbacks().title.clone()
    }

    /// What was copied to the clipboard (OSC 52), as it was sent: base64.
    #[must_use]
    pub fn clipboard(&self) -> Vec<Vec<u8>> {
        self.shown().parser.callbacks().clipboard.clone()
    }

    /// Process id of the program.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.process_id()
    }

    /// Waits until the screen satisfies a condition.
    ///
    /// # Panics
    /// It does not within [`PATIENCE`]; shows the screen.
    pub async fn wait_until(&mut self, what: &str, condition: impl FnMut(&Screen) -> bool) {
        self.wait_within(PATIENCE, what, condition).await;
    }

    /// Like [`Self::wait_until`], with a deadline that is part of what is promised.
    ///
    /// # Panics
    /// It does not; shows the screen.
    pub async fn wait_within(&mut self, deadline: Duration, what: &str, mut condition: impl FnMut(&Screen) -> bool) {
        let (shown, changed) = (Arc::clone(&self.shown), &mut self.changed);
        let waiting = async {
            loop {
                {
                    let shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                    if condition(shown.parser.screen()) {
                        return true;
                    }
                }
                // Its end wakes too: then this screen is the last one.
                if changed.changed().await.is_err() {
                    let shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                    return condition(shown.parser.screen());
                }
            }
        };
        let fits = timeout(deadline, waiting).await.unwrap_or(false);
        assert!(fits, "the screen did not show in {deadline:?} that {what}:\n{}", self.text());
    }

    /// Waits until a text is on the screen.
    ///
    /// # Panics
    /// It does not come; shows the screen.
    pub async fn wait_for(&mut self, text: &str) {
        self.wait_until(&format!("\"{text}\""), |screen| screen.contents().contains(text)).await;
    }

    /// Waits until a secret is asked for, and what is typed is no longer shown.
    ///
    /// # Panics
    /// That does not come; shows the screen.
    pub async fn wait_for_secret(&mut self, question: &str) {
        self.wait_for(question).await;
        let master = self.master.as_ref().expect("the line is open");
        let is_quiet = async || {
            let modes = master.get_termios().expect("it is a terminal").local_flags.bits();
            (modes & LocalModes::ECHO.bits() == 0).then_some(())
        };
        eventually("what is typed is not shown", is_quiet).await;
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    /// It does not end in time; shows the screen.
    pub async fn wait_for_exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let ending =
            eventually_within(2 * PATIENCE, "it has ended", async || child.try_wait().expect("it can be asked"));
        let ended = timeout(PATIENCE, ending).await.ok();
        let status = ended.unwrap_or_else(|| panic!("the program did not end in {PATIENCE:?}:\n{}", self.text()));
        let shown = Arc::clone(&self.shown);
        let all_read = async || shown.lock().unwrap_or_else(PoisonError::into_inner).ended.then_some(());
        eventually("everything it wrote is read", all_read).await;
        status
    }

    /// Closes the terminal under the program, as a lost line does (SIGHUP).
    pub fn hang_up(&mut self) {
        self.master = None;
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(std::io::sink());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
        self.hang_up();
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

const fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn read(
    mut from_program: Box<dyn Read + Send>,
    shown: &Mutex<Shown>,
    to_program: &Mutex<Box<dyn Write + Send>>,
    change: &watch::Sender<u64>,
) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = from_program.read(&mut buffer).unwrap_or(0);
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        if length == 0 {
            shown.ended = true;
            return;
        }
        shown.raw.extend_from_slice(&buffer[..length]);
        shown.parser.process(&buffer[..length]);
        let answers = std::mem::take(&mut shown.parser.callbacks_mut().answers);
        drop(shown);
        if !answers.is_empty() {
            // A program that has ended needs no answer.
            drop(to_program.lock().unwrap_or_else(PoisonError::into_inner).write_all(&answers));
        }
        change.send_modify(|count| *count += 1);
    }
}
