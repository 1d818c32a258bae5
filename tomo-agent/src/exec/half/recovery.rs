//! What a crash has cut off, or the engine did not let be undone: settled at the start, before the same is changed again, and in between.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::sleep;
use tomo_proto::{error::ErrorCode, id::CommandId, wire::command::Outcome};

use crate::{
    clock::now_ms,
    commands,
    docker::{Engine, EngineError},
    exec::half::{Half, Remembered},
    journal::Entry,
};

/// Kept containers, and what could not be undone yet, are looked at this often.
const LOOK: Duration = Duration::from_secs(5);

impl Half {
    /// Finishes or undoes the changes that a crash of the agent, of the engine or of the host cut off. What cannot be done yet waits: a
    /// port that is taken may become free.
    pub(super) async fn recover(&self, engine: &Engine) {
        self.is_left.store(false, Ordering::SeqCst);
        self.close_left_over(engine).await;
        for entry in self.journal.entries() {
            let is_under_way = |known: &Remembered| known.command == entry.command && known.ended.borrow().is_none();
            if self.remembered().iter().any(|known| known.is_ours && is_under_way(known)) {
                continue;
            }
            let _turns = self.turns(entry.left_of()).await;
            if let Err(error) = self.settle(engine, entry.command).await {
                tracing::warn!(command = %entry.command, error = error.message, "what was cut off waits");
                self.is_left.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Finishes or undoes a change if that is still to be done; whoever has its turn calls this.
    async fn settle(&self, engine: &Engine, command: CommandId) -> Result<(), EngineError> {
        let Some(mut entry) = self.journal.entry(command) else { return Ok(()) };
        if let Some(scratch) = &entry.scratch {
            scratch.clear(engine).await?;
        }
        let outcome = match (&entry.swap, &entry.outcome) {
            (None, Some(known)) if entry.scratch.is_some() => known.clone(),
            (None, Some(_)) => return Ok(()),
            (Some(swap), known) => {
                let outcome = swap.recover(engine, &self.journal).await?;
                known.clone().unwrap_or(outcome)
            }
            (None, None) if entry.scratch.is_some() && entry.change.is_none() => {
                let message = "the agent ended in the middle of it: what was made for it is gone again";
                Outcome::failed(ErrorCode::AgentOffline, message, Some("do it again".to_owned()))
            }
            (None, None) => commands::cut_off(engine, &entry).await?,
        };
        self.remember(command, &outcome);
        (entry.swap, entry.scratch, entry.outcome) = (None, None, Some(outcome));
        self.journal.end(&entry);
        Ok(())
    }

    /// Settles what an earlier change of the same has left, before it is changed again.
    pub(super) async fn settle_before(&self, engine: &Engine, subjects: &[String]) -> Result<(), Outcome> {
        let is_left = |entry: &Entry| entry.left_of().iter().any(|subject| subjects.contains(subject));
        for entry in self.journal.entries().into_iter().filter(is_left) {
            self.settle(engine, entry.command).await.map_err(|error| {
                let message = format!("an earlier change is not undone yet: {}", error.message);
                Outcome::failed(ErrorCode::Conflict, message, None)
            })?;
        }
        Ok(())
    }

    /// Removes what was kept for a roll-back when its time is over, and tries again what could not be undone, for ever.
    pub(super) async fn tidy_up(&self, engine: &Engine) {
        loop {
            for kept in self.journal.kept().into_iter().filter(|kept| kept.until_ms <= now_ms()) {
                let removed = async {
                    let _turn = self.turn(commands::subject_of(engine, &kept.id).await?).await;
                    commands::remove_kept(engine, &self.journal, &kept).await
                };
                if let Err(error) = removed.await {
                    tracing::warn!(error = error.message, container = kept.container, "it cannot be removed yet");
                }
            }
            sleep(LOOK).await;
            if self.is_left.load(Ordering::SeqCst) {
                self.recover(engine).await;
            }
        }
    }
}
