//! A terminal into a container: a program that a person runs there. Whatever ends the terminal, the program does not outlive it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Notify, mpsc},
    time::{Instant, sleep, timeout},
};
use tomo_proto::{
    error::ErrorCode,
    id::CommandId,
    text::display_line,
    wire::{
        command::{CommandEvent, EXIT_CODE, Outcome},
        terminal::{TERMINAL_PART_BYTES, TerminalInput, TerminalSize},
    },
};

use crate::{
    commands::{Failure, Stop},
    docker::{
        Engine, EngineError,
        terminal::{ProgramState, Shows, Typed},
    },
    exec::Events,
};

/// Longest that a terminal is open.
pub(crate) const LONGEST: Duration = Duration::from_secs(12 * 3_600);
/// A terminal at which nobody types and that shows nothing is ended after this long.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// So is one whose program does not take what was typed for this long.
const STALL: Duration = Duration::from_secs(60);
/// A program has this long to begin, and to be gone after a signal.
const BEGIN: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(3);
/// The engine is asked this often meanwhile.
const LOOK: Duration = Duration::from_millis(30);

/// What a person gets who names no program.
const SHELL: [&str; 3] = ["sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh"];
/// Keys that end a program where no shell is there to end it: interrupt, quit, end of input.
const LAST_KEYS: &[u8] = b"\x03\x1c\x04";

/// A terminal as the journal notes it before its program runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenTerminal {
    /// The command that opened it: the mark of its processes.
    pub(crate) command: CommandId,
    /// The engine's id of its program.
    pub(crate) program: String,
    /// Id of the container that it runs in.
    pub(crate) container: String,
}

impl OpenTerminal {
    /// Prepares a program; nothing runs yet.
    pub(crate) async fn prepare(
        engine: &Engine,
        command: CommandId,
        container: &str,
        program: &[String],
        size: TerminalSize,
    ) -> Result<Self, Failure> {
        let words = if program.is_empty() { SHELL.map(str::to_owned).to_vec() } else { program.to_vec() };
        let program = engine.prepare_terminal(container, words, mark(command), size).await?;
        Ok(Self { command, program, container: container.to_owned() })
    }

    /// Ends what still runs at it: as a terminal does that hangs up, then by force.
    ///
    /// # Errors
    /// It still runs, or the engine does not say.
    pub(crate) async fn hang_up(&self, engine: &Engine) -> Result<(), EngineError> {
        let mut state = self.begun(engine, END).await?;
        // What a program has begun may outlive it.
        for signal in ["HUP", "KILL"] {
            let signalled = match state {
                ProgramState::Runs | ProgramState::Ended(_) => {
                    engine.signal_marked(&self.container, &mark(self.command), signal).await
                }
                ProgramState::Waits | ProgramState::NeverRan | ProgramState::Gone => return Ok(()),
            };
            // A container that has ended with its program has nothing left in it.
            if state == ProgramState::Runs {
                signalled?;
            }
            state = self.settled(engine, END).await?;
        }
        if state == ProgramState::Runs {
            let message = "the program of a terminal still runs after its end".to_owned();
            return Err(EngineError { code: ErrorCode::Conflict, message });
        }
        Ok(())
    }

    /// How the program is once it runs or has ended, or this time is over.
    async fn begun(&self, engine: &Engine, limit: Duration) -> Result<ProgramState, EngineError> {
        self.state(engine, limit, |state| *state != ProgramState::Waits).await
    }

    /// How the program is once it has ended, or this time is over.
    async fn settled(&self, engine: &Engine, limit: Duration) -> Result<ProgramState, EngineError> {
        self.state(engine, limit, |state| !matches!(state, ProgramState::Runs | ProgramState::Waits)).await
    }

    async fn state(
        &self,
        engine: &Engine,
        limit: Duration,
        wanted: impl Fn(&ProgramState) -> bool,
    ) -> Result<ProgramState, EngineError> {
        let until = Instant::now() + limit;
        loop {
            let state = engine.program_state(&self.program).await?;
            if wanted(&state) || Instant::now() >= until {
                return Ok(state);
            }
            sleep(LOOK).await;
        }
    }
}

/// The variable that the processes at a terminal carry.
fn mark(command: CommandId) -> String {
    format!("TOMO_TERMINAL={command}")
}

/// A terminal, and who is at it.
pub(crate) struct Session<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) terminal: &'a OpenTerminal,
    /// Name of the container, for what is said.
    pub(crate) container: &'a str,
    /// What was asked for; empty for a shell.
    pub(crate) program: &'a [String],
    pub(crate) size: TerminalSize,
    pub(crate) events: &'a Events,
    pub(crate) stop: &'a Stop,
}

impl Session<'_> {
    /// Runs the program until it or somebody ends the terminal; nothing of it runs afterwards, or it is said.
    pub(crate) async fn hold(&self, input: mpsc::Receiver<TerminalInput>) -> Result<Outcome, Failure> {
        let starting = timeout(BEGIN, self.engine.start_terminal(&self.terminal.program)).await;
        let (mut shows, mut typed) = starting.unwrap_or_else(|_| Err(EngineError::silent()))?;
        if let ProgramState::NeverRan | ProgramState::Gone = self.terminal.begun(self.engine, BEGIN).await? {
            return Err(self.never_ran(&mut shows).await);
        }
        // One that has ended already has a last word.
        drop(self.engine.resize_terminal(&self.terminal.program, self.size).await);
        self.events.tell(CommandEvent::Send).await;
        let held = self.pass_on(&mut shows, &mut typed, input).await;
        if held.is_ok()
            && let ProgramState::Ended(code) = self.terminal.settled(self.engine, END).await?
        {
            let facts = [(EXIT_CODE.to_owned(), code.to_string())].into();
            return Ok(Outcome::Succeeded { facts, downtime_ms: None });
        }
        let ended = self.terminal.hang_up(self.engine).await;
        if ended.is_err() {
            drop(timeout(END, typed.write_all(LAST_KEYS)).await);
            if self.terminal.settled(self.engine, END).await? == ProgramState::Runs {
                ended?;
            }
        }
        Err(held.err().unwrap_or_else(|| Failure::new(ErrorCode::Conflict, "the engine has ended the terminal")))
    }

    async fn never_ran(&self, shows: &mut Shows) -> Failure {
        let container = display_line(self.container, 80);
        if self.program.is_empty() {
            let message = format!("container \"{container}\" has no shell: neither bash nor sh is in its image");
            return Failure::new(ErrorCode::NotFound, message).with_next("name a program that it has, after --");
        }
        let mut words = Vec::new();
        drop(timeout(END, shows.take(1024).read_to_end(&mut words)).await);
        let words = display_line(&String::from_utf8_lossy(&words), 300);
        let program = display_line(&self.program[0], 80);
        let message = format!("\"{program}\" cannot be run in container \"{container}\": {words}");
        Failure::new(ErrorCode::NotFound, message).with_next("name a program that the container's image has")
    }

    /// Passes on both ways until the program's end (`Ok`), or says why the terminal ends before. Neither way waits for the other one:
    /// who stops a flood has to be heard.
    async fn pass_on(
        &self,
        shows: &mut Shows,
        typed: &mut Typed,
        mut input: mpsc::Receiver<TerminalInput>,
    ) -> Result<(), Failure> {
        let touched = Notify::new();
        let showing = async {
            let mut part = vec![0; TERMINAL_PART_BYTES];
            while let Ok(count @ 1..) = shows.read(&mut part).await {
                touched.notify_one();
                self.events.tell(CommandEvent::Shown { bytes: part[..count].to_vec() }).await;
            }
        };
        let typing = async {
            while let Some(said) = input.recv().await {
                touched.notify_one();
                match said {
                    // A program that has ended takes nothing; that it has is heard on the other way.
                    TerminalInput::Typed(bytes) => match timeout(STALL, typed.write_all(&bytes)).await {
                        Ok(_) => {}
                        Err(_) => return "the program has not taken what was typed for a minute",
                    },
                    TerminalInput::Resized(size) => {
                        drop(self.engine.resize_terminal(&self.terminal.program, size).await);
                    }
                }
            }
            "the person has hung up"
        };
        let idle = async { while timeout(IDLE, touched.notified()).await.is_ok() {} };
        let ended = |why: &str| Err(Failure::new(ErrorCode::Conflict, why).with_next("open another one"));
        tokio::select! {
            () = showing => Ok(()),
            why = typing => ended(why),
            () = idle => ended("nobody has typed and nothing was shown for 30 minutes: the terminal was ended"),
            () = sleep(LONGEST) => ended("a terminal is open for 12 hours at most"),
            failure = self.stop.reached() => Err(failure),
        }
    }
}
