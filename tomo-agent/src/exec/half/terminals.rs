//! Terminals that people hold on this host: a few at a time, noted before their program runs, so that none outlives a crash.

use std::{
    collections::HashSet,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
};

use tokio::sync::mpsc;
use tomo_proto::{
    error::ErrorCode,
    id::CommandId,
    wire::{
        command::{Command, CommandRequest, Outcome},
        terminal::TerminalInput,
    },
};

use crate::{
    commands::{self, Failure, OpenTerminal, Session, Stop},
    docker::Engine,
    exec::{Events, half::Half},
    policy::Policy,
};

/// Terminals that are open at a time.
const MOST: usize = 8;

/// One of the places there are for terminals; given back when it is dropped.
struct Place<'a> {
    half: &'a Half,
    command: CommandId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.half.terminals().remove(&self.command);
    }
}

impl Half {
    fn terminals(&self) -> MutexGuard<'_, HashSet<CommandId>> {
        self.terminals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, command: CommandId) -> Result<Place<'_>, Failure> {
        let mut terminals = self.terminals();
        if terminals.len() >= MOST {
            let message = format!("{MOST} terminals are open on this host already");
            return Err(Failure::new(ErrorCode::Conflict, message).with_next("close one of them"));
        }
        if !terminals.insert(command) {
            return Err(Failure::new(ErrorCode::Conflict, "this terminal is open already"));
        }
        Ok(Place { half: self, command })
    }

    /// Opens a terminal and holds it to its end.
    pub(super) async fn open_terminal(
        &self,
        engine: &Engine,
        policy: &Policy,
        request: &CommandRequest,
        events: &Events,
        stop: &Stop,
        input: mpsc::Receiver<TerminalInput>,
    ) -> Result<Outcome, Failure> {
        let Command::OpenTerminal { container, program, size } = &request.command else {
            return Err(Failure::new(ErrorCode::Internal, "the agent took a command for a terminal"));
        };
        let (container, size) = (container.as_str(), *size);
        let place = self.place(request.id)?;
        // By its id from here on: a name may become another one's.
        let id = commands::check_container(engine, policy, &request.command).await?;
        let terminal = OpenTerminal::prepare(engine, request.id, &id, program, size).await?;
        if let Err(error) = self.journal.open_terminal(&terminal) {
            let message = format!("the terminal cannot be noted in the agent's journal: {error}");
            return Err(Failure::new(ErrorCode::Internal, message));
        }
        let session = Session { engine, terminal: &terminal, container, program, size, events, stop };
        let held = session.hold(input).await;
        drop(place);
        if let Err(error) = self.close(engine, &terminal).await {
            tracing::warn!(command = %terminal.command, error, "a terminal is not ended yet");
            self.is_left.store(true, Ordering::SeqCst);
        }
        held
    }

    /// Ends the terminals that a crash, or the engine, has left open.
    pub(super) async fn close_left_over(&self, engine: &Engine) {
        for terminal in self.journal.terminals() {
            if self.terminals().contains(&terminal.command) {
                continue;
            }
            if let Err(error) = self.close(engine, &terminal).await {
                tracing::warn!(command = %terminal.command, error, "a terminal that was left open waits");
                self.is_left.store(true, Ordering::SeqCst);
            }
        }
    }

    async fn close(&self, engine: &Engine, terminal: &OpenTerminal) -> Result<(), String> {
        terminal.hang_up(engine).await.map_err(|error| error.message)?;
        self.journal.close_terminal(terminal.command);
        Ok(())
    }
}
