//! Containers that the engine restarts again and again: told while it goes on, with the last lines of the log.
//!
//! What counts is how often one was restarted lately, not ever: a container that was restarted five times in a year is well.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::sleep;
use tomo_proto::{
    id::ServerId,
    model::{agent::AgentState, container::Container, server::Server},
    text::display_line,
    wire::command::{Command, ContainerRef},
};

use crate::{live::Topic, services::Context};

/// Containers are looked at this often.
const EVERY: Duration = Duration::from_secs(5);
/// So many restarts,
const RESTARTS: usize = 3;
/// within so long, are a loop. The engine waits up to a minute before it restarts one again.
const WITHIN_MS: u64 = 600_000;
/// More are not counted, whatever a host says.
const MOST: usize = 100;
/// Lines of the log that are kept.
const LINES: u32 = 10;
const LINE_CHARS: usize = 200;
/// They are read anew at most this often.
const READ_EVERY_MS: u64 = 60_000;

/// What is known about containers that were restarted.
#[derive(Debug, Default)]
pub(super) struct CrashLoops(Mutex<HashMap<(ServerId, String), Restarts>>);

#[derive(Debug, Clone, Default)]
struct Restarts {
    /// What the engine counts.
    count: u32,
    /// When the newest of them were seen (UTC ms).
    seen_at: VecDeque<u64>,
    log: Arc<Vec<String>>,
    read_at: u64,
}

/// A container in a loop.
#[derive(Debug, Clone)]
pub(super) struct CrashLoop {
    /// What is wrong, with the figures.
    pub(super) message: String,
    /// When the first of these restarts was seen (UTC ms).
    pub(super) began_at: Option<u64>,
    /// The last lines of its log, if its host lets them be read.
    pub(super) log: Arc<Vec<String>>,
}

impl Restarts {
    /// Takes in what the engine counts now. What it had counted before this daemon looked first says nothing about now.
    fn take(&mut self, count: u32, now_ms: u64) {
        let more = usize::try_from(count.saturating_sub(self.count)).unwrap_or(usize::MAX);
        if count < self.count {
            // Somebody started it anew.
            self.seen_at.clear();
        }
        self.count = count;
        self.seen_at.extend(std::iter::repeat_n(now_ms, more.min(MOST)));
        let old = self.seen_at.iter().take_while(|seen| **seen + WITHIN_MS < now_ms).count();
        drop(self.seen_at.drain(..old.max(self.seen_at.len().saturating_sub(MOST))));
    }

    fn is_loop(&self) -> bool {
        self.seen_at.len() >= RESTARTS
    }
}

impl CrashLoops {
    fn lock(&self) -> MutexGuard<'_, HashMap<(ServerId, String), Restarts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a container is in a loop.
    pub(super) fn of(&self, server: ServerId, container: &Container) -> Option<CrashLoop> {
        // Few have been restarted at all.
        if container.restarts == 0 {
            return None;
        }
        let restarts = self.lock().get(&(server, container.id.clone())).filter(|known| known.is_loop())?.clone();
        let code = container.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
        let message = format!(
            "it ends again and again: the engine restarted it {} times in the last 10 minutes{code}",
            restarts.seen_at.len()
        );
        Some(CrashLoop { message, began_at: restarts.seen_at.front().copied(), log: restarts.log })
    }

    /// Takes in how a server's containers are; those in a loop whose log is to be read, and whether a loop began or ended.
    fn take(&self, server: ServerId, containers: &[Container], now_ms: u64) -> (Vec<String>, bool) {
        let mut all = self.lock();
        let known = all.len();
        all.retain(|(of, id), _| *of != server || containers.iter().any(|one| one.id == *id && one.restarts > 0));
        let (mut to_read, mut changed) = (Vec::new(), all.len() != known);
        for container in containers.iter().filter(|container| container.restarts > 0) {
            let key = (server, container.id.clone());
            let first = || Restarts { count: container.restarts, ..Restarts::default() };
            let restarts = all.entry(key).or_insert_with(first);
            let before = restarts.is_loop();
            restarts.take(container.restarts, now_ms);
            changed |= restarts.is_loop() != before;
            if restarts.is_loop() && restarts.read_at + READ_EVERY_MS <= now_ms {
                restarts.read_at = now_ms;
                to_read.push(container.id.clone());
            }
        }
        (to_read, changed)
    }
}

impl Context {
    /// Looks for loops for ever; the owner of the future drops it.
    pub(super) async fn watch_for_crash_loops(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = sleep(EVERY) => {}
                () = self.stop.cancelled() => return,
            }
            for (id, live) in self.live.servers() {
                if live.state != AgentState::Online {
                    continue;
                }
                let (to_read, changed) = self.crash_loops.take(id, &live.containers, self.clock.now_ms());
                for container in to_read {
                    let context = Arc::clone(&self);
                    self.tasks.spawn(async move { context.read_last_words(id, container).await });
                }
                if changed {
                    self.live.publish(Topic::Overview);
                }
            }
        }
    }

    /// Keeps the last lines of a container in a loop; a host that does not let them be read keeps them.
    async fn read_last_words(&self, server: ServerId, container: String) {
        let Ok(Some(server)) = self.store.read(|view| view.get::<Server>(server.to_u64())) else { return };
        let Ok(reference) = ContainerRef::new(&container) else { return };
        let command = Command::ReadLogs { container: reference, tail: Some(LINES), since_ms: None, follow: false };
        match self.ask_lines(&server, command).await {
            Ok(lines) => {
                let lines = lines.iter().map(|line| display_line(&line.text, LINE_CHARS)).collect();
                if let Some(known) = self.crash_loops.lock().get_mut(&(server.id, container)) {
                    known.log = Arc::new(lines);
                }
                self.live.publish(Topic::Overview);
            }
            Err(error) => tracing::debug!(error = error.error.message, "the log of a container in a loop is not read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(restarts: u32) -> Container {
        Container { id: "c".to_owned(), restarts, ..Container::default() }
    }

    #[test]
    fn a_loop_is_what_was_restarted_often_lately() {
        let (loops, server) = (CrashLoops::default(), ServerId::from_u64(1));
        let mut now_ms = 1_000_000;
        let mut look = |restarts: u32, after_ms: u64| {
            now_ms += after_ms;
            let container = container(restarts);
            let (to_read, changed) = loops.take(server, std::slice::from_ref(&container), now_ms);
            (loops.of(server, &container).is_some(), to_read.len(), changed)
        };
        assert_eq!(look(70, 0), (false, 0, false), "what was before nobody knows");
        assert_eq!(look(71, 5_000), (false, 0, false));
        assert_eq!(look(73, 5_000), (true, 1, true));
        assert_eq!(look(74, 5_000), (true, 0, false), "its log was read just now");
        assert_eq!(look(75, READ_EVERY_MS), (true, 1, false));
        assert_eq!(look(75, WITHIN_MS - 65_000), (true, 1, false), "the first is long ago, four are not");
        assert_eq!(look(75, 10_000), (false, 0, true), "it has settled");
        assert_eq!(look(78, READ_EVERY_MS), (true, 1, true));
        assert_eq!(look(0, 5_000), (false, 0, true), "somebody started it anew");
    }
}
