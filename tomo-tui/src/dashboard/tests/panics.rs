//! The dashboard panics on a real terminal: this program starts itself once more on one, and does there what a fault inside would do.

use std::{
    io::{Read, Write},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::{
    process::{Pid, Signal, kill_process},
    termios::LocalModes,
};
use tokio::signal::unix::{SignalKind, signal};
use vt100::{MouseProtocolMode, Parser, Screen};

use super::super::{DashboardOptions, QUEUE, mpsc};
use crate::client::Target;

/// What the program that was started is to break.
const BREAKS: &str = "TOMO_TEST_BREAKS";
const MESSAGE: &str = "a fault that nobody knows yet";
const PATIENCE: Duration = Duration::from_secs(30);
const WIDTH: u16 = 100;
const HEIGHT: u16 = 30;

/// A program of its own on a terminal. Killed when dropped.
struct OnTerminal {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    written: Receiver<Vec<u8>>,
    parser: Parser,
}

impl OnTerminal {
    /// Starts this test once more, to break something.
    fn start(test: &str, breaks: &str) -> Self {
        let size = PtySize { rows: HEIGHT, cols: WIDTH, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a terminal can be opened");
        let mut command = CommandBuilder::new(std::env::current_exe().expect("this program is there"));
        command.args(["--exact", test, "--nocapture"]);
        for (variable, value) in [(BREAKS, breaks), ("TERM", "vt220"), ("RUST_BACKTRACE", "0")] {
            command.env(variable, value);
        }
        let child = pair.slave.spawn_command(command).expect("it starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("the terminal can be read");
        let (sender, written) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { master: pair.master, child, written, parser: Parser::new(HEIGHT, WIDTH, 0) }
    }

    /// Waits until the screen, or the last one there is, satisfies a condition.
    fn wait_until(&mut self, what: &str, condition: impl Fn(&Screen) -> bool) {
        while !condition(self.parser.screen()) {
            match self.written.recv_timeout(PATIENCE) {
                Ok(bytes) => self.parser.process(&bytes),
                Err(_) => panic!("{what} is not seen:\n{}", self.parser.screen().contents()),
            }
        }
    }

    fn is_cooked(&self) -> bool {
        let modes = self.master.get_termios().expect("it is a terminal").local_flags.bits();
        let cooked = (LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG).bits();
        modes & cooked == cooked
    }

    /// The dashboard is there, and has the terminal.
    fn is_entered(&mut self) {
        self.wait_until("the dashboard", |screen| screen.contents().contains("overview"));
        let screen = self.parser.screen();
        assert!(screen.alternate_screen() && screen.bracketed_paste(), "not entered");
        assert!(screen.mouse_protocol_mode() != MouseProtocolMode::None && !self.is_cooked(), "not entered");
    }

    /// Lets it break.
    fn break_it(&self) {
        let pid = self.child.process_id().and_then(|pid| i32::try_from(pid).ok());
        kill_process(pid.and_then(Pid::from_raw).expect("it runs"), Signal::USR1).expect("it can be told");
    }

    /// Waits for its end: its exit code, with everything it wrote on the screen.
    fn ended(&mut self) -> u32 {
        let code = self.child.wait().expect("it ends").exit_code();
        while let Ok(bytes) = self.written.recv_timeout(PATIENCE) {
            self.parser.process(&bytes);
        }
        code
    }

    fn is_given_back(&self) {
        let screen = self.parser.screen();
        let told = screen.contents();
        assert!(!screen.alternate_screen() && !screen.bracketed_paste() && !screen.hide_cursor(), "{told}");
        assert_eq!(screen.mouse_protocol_mode(), MouseProtocolMode::None, "{told}");
        assert!(self.is_cooked(), "{told}");
        assert!(told.contains("running 1 test"), "what stood there before is gone:\n{told}");
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The real dashboard with its real loop, which breaks when it is told to. Nobody answers it.
fn show_and_break(breaks: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("can be made");
    runtime.block_on(async {
        let target = Target {
            profile: "test".to_owned(),
            url: "http://127.0.0.1:9".to_owned(),
            token: None,
            fingerprint: None,
            options: String::new(),
        };
        let options = DashboardOptions {
            target,
            read_only: false,
            glyphs: None,
            holds_daemon: false,
            hosted: true,
            config: None,
        };
        let mut told = signal(SignalKind::user_defined1()).expect("can be heard");
        let (sender, typed) = mpsc::channel(QUEUE);
        let mut dashboard = super::super::Dashboard::open(options, sender, typed).expect("opens");
        let mut fault = async move || -> () {
            told.recv().await;
            panic!("{MESSAGE}");
        };
        let ended = match breaks {
            "the loop" => {
                let ready = async move {
                    fault().await;
                    Ok(())
                };
                dashboard.show(ready).await
            }
            _ => {
                dashboard.runner.spawn(async move { fault().await });
                dashboard.show(std::future::pending()).await
            }
        };
        ended.expect("is left by its key");
    });
}

/// How often it is tried.
fn rounds() -> usize {
    std::env::var("TOMO_TEST_ROUNDS").map_or(1, |rounds| rounds.parse().expect("a number"))
}

fn name(test: &str) -> String {
    let module = module_path!().split_once("::").map_or("", |(_, module)| module);
    format!("{module}::{test}")
}

#[test]
fn a_panic_gives_the_terminal_back_with_its_message_below() {
    if let Ok(breaks) = std::env::var(BREAKS) {
        return show_and_break(&breaks);
    }
    for _ in 0..rounds() {
        let mut shown = OnTerminal::start(&name("a_panic_gives_the_terminal_back_with_its_message_below"), "the loop");
        shown.is_entered();
        shown.break_it();
        assert_eq!(shown.ended(), 101);
        shown.is_given_back();
        let told = shown.parser.screen().contents();
        assert!(told.contains("panicked at") && told.contains(MESSAGE), "{told}");
    }
}

#[test]
fn a_panic_of_a_task_is_told_on_the_screen_and_leaves_it_alone() {
    if let Ok(breaks) = std::env::var(BREAKS) {
        return show_and_break(&breaks);
    }
    for _ in 0..rounds() {
        let mut shown =
            OnTerminal::start(&name("a_panic_of_a_task_is_told_on_the_screen_and_leaves_it_alone"), "a task");
        shown.is_entered();
        shown.break_it();
        shown.wait_until("the message", |screen| screen.contents().contains("something inside went wrong"));
        shown.is_entered();
        assert!(!shown.parser.screen().contents().contains(MESSAGE), "it is written over the screen");
        let mut keys = shown.master.take_writer().expect("can be typed on");
        keys.write_all(b"q").and_then(|()| keys.flush()).expect("is typed");
        assert_eq!(shown.ended(), 0);
        shown.is_given_back();
    }
}
