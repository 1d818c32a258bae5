//! Samples on their way from many connections into one commit: one queue, one task, one group after the other.
//!
//! When the queue is full the connections wait, so that agents keep what they have. A group that cannot be committed (disk full)
//! is tried again until it can: nothing is acknowledged before its commit.

use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::store::{ReportedSamples, Store};

/// Reports that wait for a commit.
const QUEUE: usize = 4096;
/// A group is committed this long after its first report,
const GROUP_WAIT: Duration = Duration::from_secs(1);
/// or when it has this many.
const GROUP_REPORTS: usize = 2048;
/// Pause before a failed commit is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// A report and where its acknowledgement goes.
#[derive(Debug)]
pub(crate) struct Reported {
    pub(crate) samples: ReportedSamples,
    pub(crate) committed: watch::Sender<u64>,
}

/// The queue into the store.
pub(crate) type Ingest = mpsc::Sender<Reported>;

/// Makes the queue and the task that empties it.
pub(crate) fn channel(store: Store, stop: CancellationToken) -> (Ingest, impl Future<Output = ()> + Send) {
    let (queue, reports) = mpsc::channel(QUEUE);
    (queue, run(store, reports, stop))
}

async fn run(store: Store, mut reports: mpsc::Receiver<Reported>, stop: CancellationToken) {
    loop {
        let first = tokio::select! {
            first = reports.recv() => first,
            () = stop.cancelled() => reports.try_recv().ok(),
        };
        let Some(first) = first else { return };
        let mut group = vec![first];
        let until = Instant::now() + GROUP_WAIT;
        while group.len() < GROUP_REPORTS {
            let next = tokio::select! {
                next = timeout_at(until, reports.recv()) => next.ok().flatten(),
                () = stop.cancelled() => reports.try_recv().ok(),
            };
            let Some(next) = next else { break };
            group.push(next);
        }
        commit(&store, group, &stop).await;
    }
}

async fn commit(store: &Store, group: Vec<Reported>, stop: &CancellationToken) {
    let (samples, waiting): (Vec<_>, Vec<_>) =
        group.into_iter().map(|one| ((one.samples.clone()), (one.samples.number, one.committed))).unzip();
    while let Err(error) = store.commit_samples(samples.clone()).await {
        tracing::warn!(%error, reports = samples.len(), "samples wait for the store");
        tokio::select! {
            () = sleep(RETRY) => {}
            () = stop.cancelled() => return,
        }
    }
    for (number, committed) in waiting {
        committed.send_if_modified(|newest| {
            let moves = number > *newest;
            *newest = number.max(*newest);
            moves
        });
    }
}
