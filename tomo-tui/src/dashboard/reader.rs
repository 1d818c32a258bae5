//! The thread that reads the terminal, and the gate at which it stands while somebody else does.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::mpsc;

use crate::dashboard::{
    event::Event,
    input::{Input, Sent, patience},
};

/// As good as no wait; with none at all crossterm does not look.
const AT_ONCE: Duration = Duration::from_millis(1);
/// The reader stands still within this time, or is busy with something else.
const CLOSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Passage {
    #[default]
    Open,
    Closing,
    /// The reader stands still.
    Closed,
}

/// Where the reader passes by between two reads. Cheap to clone.
#[derive(Debug, Default, Clone)]
pub(super) struct Gate(Arc<(Mutex<Passage>, Condvar)>);

impl Gate {
    fn passage(&self) -> MutexGuard<'_, Passage> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, passage: Passage) {
        *self.passage() = passage;
        self.0.1.notify_all();
    }

    /// Has the reader stand still; says whether it does.
    pub(super) fn close(&self) -> bool {
        self.set(Passage::Closing);
        // It blocks until something happens to the terminal: this counts as that.
        if kill_process(getpid(), Signal::WINCH).is_err() {
            self.open();
            return false;
        }
        let waited = self.0.1.wait_timeout_while(self.passage(), CLOSE, |passage| *passage != Passage::Closed);
        let (passage, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let stands = *passage == Passage::Closed;
        drop(passage);
        if !stands {
            self.open();
        }
        stands
    }

    /// Lets the reader go on.
    pub(super) fn open(&self) {
        self.set(Passage::Open);
    }

    fn is_open(&self) -> bool {
        *self.passage() == Passage::Open
    }

    /// Stands still until the gate is open, if it is not.
    fn stand(&self) {
        let mut passage = self.passage();
        if *passage == Passage::Closing {
            *passage = Passage::Closed;
            self.0.1.notify_all();
        }
        let open = self.0.1.wait_while(passage, |passage| *passage != Passage::Open);
        drop(open.unwrap_or_else(PoisonError::into_inner));
    }
}

/// One thread blocks on the terminal, so that nothing wakes up while nobody types.
pub(super) fn read_events(events: mpsc::Sender<Event>, gate: Gate) -> io::Result<()> {
    let read = move |wait: Option<Duration>| {
        let event = match wait {
            Some(wait) if !crossterm::event::poll(wait)? => None,
            _ => Some(crossterm::event::read()?),
        };
        if gate.is_open() {
            return Ok(event);
        }
        // Keys that were typed for somebody else do nothing here.
        while crossterm::event::poll(AT_ONCE)? {
            drop(crossterm::event::read()?);
        }
        gate.stand();
        Ok(None)
    };
    let mut input = Input::new(patience(std::env::var_os("SSH_TTY").is_some()), read);
    let lost = events.clone();
    let pass_on = move || {
        loop {
            let event = match input.next() {
                Ok(Sent::Event(event)) => Event::of_terminal(event),
                Ok(Sent::Reply(reply)) => Some(Event::Told(reply)),
                Err(error) => Some(Event::InputLost(error)),
            };
            let Some(event) = event else { continue };
            let is_last = matches!(event, Event::InputLost(_));
            if events.blocking_send(event).is_err() || is_last {
                return;
            }
        }
    };
    let read = move || {
        // Without its keys nobody could even leave.
        if catch_unwind(AssertUnwindSafe(pass_on)).is_err() {
            drop(lost.blocking_send(Event::InputLost(io::Error::other("reading it went wrong"))));
        }
    };
    std::thread::Builder::new().name("input".to_owned()).spawn(read).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_gate_stands_until_it_is_opened_and_one_that_nobody_passes_opens_again() {
        let gate = Gate::default();
        assert!(!gate.close(), "nobody has come by");
        assert!(gate.is_open());
        gate.stand();
        let passing = gate.clone();
        let reader = std::thread::spawn(move || {
            while passing.is_open() {
                std::thread::yield_now();
            }
            passing.stand();
        });
        assert!(gate.close());
        assert!(!reader.is_finished());
        gate.open();
        reader.join().expect("goes on");
    }
}
