//! Samples that are not acknowledged yet, in memory and bounded: when it is full the oldest go, and are counted.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use tomo_proto::{model::metric::SeriesKey, wire::report::Row};

/// Values kept: an hour of 550 series at one second is two million of them, 16 MiB.
const VALUES: usize = 2_000_000;

/// One row with its number.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) number: u64,
    pub(crate) schema: Arc<Vec<SeriesKey>>,
    pub(crate) row: Arc<Row>,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    values: usize,
    last_number: u64,
    dropped: u64,
}

impl Outbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a row and keeps it.
    pub(crate) fn push(&self, schema: Arc<Vec<SeriesKey>>, row: Row) {
        let mut state = self.state();
        state.last_number += 1;
        state.values += row.values.len();
        let number = state.last_number;
        state.items.push_back(Item { number, schema, row: Arc::new(row) });
        while state.values > VALUES {
            let Some(oldest) = state.items.pop_front() else { break };
            state.values -= oldest.row.values.len();
            state.dropped += 1;
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Forgets what the daemon has committed.
    pub(crate) fn acknowledge(&self, number: u64) {
        let mut state = self.state();
        while state.items.front().is_some_and(|item| item.number <= number) {
            let Some(item) = state.items.pop_front() else { break };
            state.values -= item.row.values.len();
        }
    }

    /// The first row after a number.
    pub(crate) fn after(&self, number: u64) -> Option<Item> {
        let state = self.state();
        let at = state.items.partition_point(|item| item.number <= number);
        state.items.get(at).cloned()
    }

    /// Number of the first row kept, and of the next one to come.
    pub(crate) fn range(&self) -> (u64, u64) {
        let state = self.state();
        let next = state.last_number + 1;
        (state.items.front().map_or(next, |item| item.number), next)
    }

    /// How many rows were dropped since this was last asked.
    pub(crate) fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.state().dropped)
    }

    /// Waits for a row.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(outbox: &Outbox, width: usize) {
        outbox.push(Arc::default(), Row { at_ms: 1, values: vec![0; width] });
    }

    #[test]
    fn keeps_until_acknowledged() {
        let outbox = Outbox::default();
        for _ in 0..5 {
            push(&outbox, 3);
        }
        assert_eq!(outbox.range(), (1, 6));
        assert_eq!(outbox.after(0).map(|item| item.number), Some(1));
        assert_eq!(outbox.after(3).map(|item| item.number), Some(4));
        outbox.acknowledge(4);
        assert_eq!(outbox.range(), (5, 6));
        assert_eq!(outbox.after(0).map(|item| item.number), Some(5));
        outbox.acknowledge(9);
        assert_eq!((outbox.range(), outbox.after(0).is_none()), ((6, 6), true));
    }

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let outbox = Outbox::default();
        for _ in 0..5 {
            push(&outbox, VALUES / 2);
        }
        assert_eq!(outbox.range(), (4, 6));
        assert_eq!((outbox.take_dropped(), outbox.take_dropped()), (3, 0));
    }
}
