//! The log of one container while it is read. One that is followed stays open between two answers for a while, so that whoever reads on
//! costs its engine nothing but the new lines.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tomo_proto::{
    error::ErrorCode,
    id::{CommandId, ServerId},
    model::{app::LogLine, server::Server},
    wire::command::{Command, CommandEvent, CommandRequest, ContainerRef, Outcome},
};

use super::{BEHIND, FOLLOW_MS, Source, WAIT_MAX, page::Page};
use crate::{
    crypto,
    hub::RunningCommand,
    services::{Context, access::Caller, ask::not_sent, error::ServiceError},
};

/// How long logs wait for whoever read them to come back. What comes meanwhile waits on the link.
const KEPT: Duration = Duration::from_secs(3);
/// So many logs of one server wait at a time, which leaves most of its link's window to others; more are read anew.
const KEPT_OF_ONE: usize = 8;
/// The same for all servers together.
const KEPT_OF_ALL: usize = 64;
/// A log is gone on with for this long, then it is read anew: the agent ends a command at its deadline, which is no end of the log.
const GONE_ON_WITH: Duration = Duration::from_secs(300);
const _: () = assert!((GONE_ON_WITH.as_secs() + WAIT_MAX as u64) * 1_000 < FOLLOW_MS);

/// How one answer reads.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    /// Newest lines to begin with; absent for all.
    pub(super) tail: Option<u32>,
    pub(super) follow: bool,
    pub(super) deadline: Duration,
    pub(super) grep: Option<&'a str>,
    /// Rings when a line has come that was waited for, from whichever container.
    pub(super) came: &'a CancellationToken,
}

/// One container's log.
#[derive(Debug)]
pub(super) struct Reader {
    source: Source,
    pub(super) page: Page,
    /// Absent before it is opened and after it has ended.
    running: Option<RunningCommand>,
    opened: Instant,
    /// Lines that came and had no place in an answer.
    left: VecDeque<LogLine>,
    pub(super) has_ended: bool,
}

impl Reader {
    pub(super) fn new(source: Source, page: Page) -> Self {
        Self { source, page, running: None, opened: Instant::now(), left: VecDeque::new(), has_ended: false }
    }

    fn can_be_gone_on_with(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.opened) < GONE_ON_WITH
    }

    /// Takes lines until the page is full, those that were waited for have come, or the time is over.
    ///
    /// # Errors
    /// The agent is away or says no.
    pub(super) async fn read(
        &mut self,
        context: &Context,
        caller: &Caller,
        server: &Server,
        reading: &Reading<'_>,
    ) -> Result<(), ServiceError> {
        let Reading { follow, deadline, grep, came, .. } = *reading;
        if self.running.is_none() && self.left.is_empty() && self.page.is_empty() {
            self.open(context, server, reading).await?;
        }
        let mut until = Instant::now() + deadline;
        let mut hurried = false;
        loop {
            while let Some(mut line) = self.left.pop_front() {
                let wanted = grep.is_none_or(|grep| line.text.contains(grep));
                line.service.clone_from(&self.source.service);
                if let Err(line) = self.page.take(line, wanted) {
                    self.left.push_front(line);
                    break;
                }
            }
            if !self.page.is_empty() {
                came.cancel();
            }
            let Some(running) = self.running.as_mut().filter(|_| !self.page.is_full()) else { return Ok(()) };
            let event = tokio::select! {
                event = timeout_at(until, running.events.recv()) => event,
                () = caller.ended.cancelled() => return Ok(()),
                // The first lines end the wait; what comes right behind them comes along.
                () = came.cancelled(), if follow && !hurried => {
                    hurried = true;
                    until = until.min(Instant::now() + BEHIND);
                    continue;
                }
            };
            match event {
                Ok(Some(CommandEvent::Log { lines })) => self.left.extend(lines),
                Ok(Some(CommandEvent::Outcome(outcome))) => {
                    self.running = None;
                    self.has_ended = match outcome {
                        Outcome::Succeeded { .. } => follow,
                        Outcome::Failed { code: ErrorCode::NotFound, .. } => true,
                        Outcome::Failed { code, message, next, .. } => {
                            let error = ServiceError::new(code, message);
                            return Err(match next {
                                Some(next) => error.with_next(next),
                                None => error,
                            });
                        }
                    };
                }
                Ok(Some(_)) => {}
                Ok(None) => self.running = None,
                Err(_) => return Ok(()),
            }
        }
    }

    async fn open(&mut self, context: &Context, server: &Server, reading: &Reading<'_>) -> Result<(), ServiceError> {
        self.page.read_again();
        self.has_ended = false;
        let since_ms = Some(self.page.newest().at_ms).filter(|at_ms| *at_ms > 0);
        let Reading { tail, follow, deadline, .. } = *reading;
        let command = Command::ReadLogs { container: self.source.container.clone(), tail, since_ms, follow };
        let id = CommandId::from_parts(context.clock.now_ms(), crypto::random_u32());
        // Another answer may go on with it.
        let deadline_ms =
            if follow { FOLLOW_MS } else { u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX) + 5_000 };
        let request = CommandRequest { id, deadline_ms, command, logins: Vec::new() };
        let sent = context.hub.send(server.id, request).await;
        self.running = Some(sent.map_err(|error| not_sent(server, &error))?);
        self.opened = Instant::now();
        Ok(())
    }
}

/// Which logs one goes on with: only whoever gives the cursor back does, and for the same lines.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) server: ServerId,
    pub(super) containers: Vec<ContainerRef>,
    pub(super) grep: Option<String>,
    pub(super) cursor: String,
}

/// Logs that wait for whoever read them.
#[derive(Debug, Clone, Default)]
pub(in crate::services) struct Kept(Arc<Mutex<Waiting>>);

/// Each with a number that no other has had in its place.
type Waiting = HashMap<Place, (u32, Vec<Reader>)>;

impl Kept {
    fn all(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self, place: &Place) -> Option<Vec<Reader>> {
        self.all().remove(place).map(|(_, readers)| readers)
    }
}

impl Context {
    /// Keeps logs open for the next answer, for a while.
    pub(super) fn keep_open(&self, place: Place, readers: Vec<Reader>) {
        let now = Instant::now();
        if !readers.iter().all(|reader| reader.can_be_gone_on_with(now)) {
            return;
        }
        let number = crypto::random_u32();
        {
            let mut all = self.kept_logs.all();
            let count = |fits: &dyn Fn(&Place) -> bool| -> usize {
                all.iter().filter(|(kept, _)| fits(kept)).map(|(_, (_, readers))| readers.len()).sum()
            };
            let of_one = count(&|kept| kept.server == place.server) + readers.len();
            if of_one > KEPT_OF_ONE || count(&|_| true) + readers.len() > KEPT_OF_ALL {
                return;
            }
            all.insert(place.clone(), (number, readers));
        }
        let (kept, stop) = (self.kept_logs.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = sleep(KEPT) => {}
                () = stop.cancelled() => {}
            }
            let mut all = kept.all();
            if all.get(&place).is_some_and(|(kept, _)| *kept == number) {
                all.remove(&place);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{super::page::Cursor, *};

    #[test]
    fn a_log_is_read_anew_before_its_agent_ends_the_command() {
        let container = ContainerRef::new("web".to_owned()).expect("a name");
        let reader = Reader::new(Source::container(container), Page::new(Cursor { at_ms: 0, count: 0 }));
        let opened = reader.opened;
        assert!(reader.can_be_gone_on_with(opened + GONE_ON_WITH - Duration::from_secs(1)));
        assert!(!reader.can_be_gone_on_with(opened + GONE_ON_WITH));
    }
}
