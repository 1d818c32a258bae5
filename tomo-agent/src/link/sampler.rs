//! The ticking half: takes a row whenever it is time, whether or not there is a connection, and passes on at once what the
//! engine tells of containers.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{clock::now_ms, collectors::Source, link::Shared};

/// Slow facts are read this often.
const FACTS_EVERY: Duration = Duration::from_secs(60);
/// Rates need two readings: the first row is taken this long after the first reading.
const FIRST_ROW_AFTER: Duration = Duration::from_millis(400);

pub(crate) async fn run(shared: Arc<Shared>, mut source: Source, stop: CancellationToken) {
    let mut interval = shared.interval_ms.subscribe();
    let mut engine = shared.exec.engine();
    let mut inventory = shared.exec.containers();
    shared.facts.send_replace(Arc::new(source.facts()));
    let mut facts_at = Instant::now() + FACTS_EVERY;
    // What happened before the agent was there is not sent: only the made-up have a past.
    for (schema, row) in source.past(now_ms()) {
        shared.outbox.push(schema, row);
    }
    drop(source.sample(now_ms()));
    let mut next = Instant::now() + FIRST_ROW_AFTER;
    loop {
        tokio::select! {
            () = sleep_until(next) => {
                let (schema, row) = source.sample(now_ms());
                shared.outbox.push(schema, row);
                tell_containers(&shared, &mut source);
                next = Instant::now() + until_next(*interval.borrow());
            }
            changed = interval.changed() => {
                if changed.is_err() {
                    return;
                }
                next = next.min(Instant::now() + until_next(*interval.borrow_and_update()));
            }
            changed = inventory.changed() => {
                if changed.is_err() {
                    return;
                }
                inventory.borrow_and_update();
                tell_containers(&shared, &mut source);
            }
            () = sleep_until(facts_at) => {
                shared.facts.send_replace(Arc::new(source.facts()));
                facts_at = Instant::now() + FACTS_EVERY;
            }
            changed = engine.changed() => {
                if changed.is_err() {
                    return;
                }
                engine.borrow_and_update();
                shared.facts.send_replace(Arc::new(source.facts()));
            }
            () = stop.cancelled() => return,
        }
    }
}

/// Time to the next whole multiple of the interval, so that rows of many hosts lie side by side; one that would come right away
/// is left out.
fn until_next(interval_ms: u32) -> Duration {
    let interval_ms = u64::from(interval_ms.max(1));
    let wait_ms = interval_ms - now_ms() % interval_ms;
    let too_soon = wait_ms < interval_ms.min(1_000) / 4;
    Duration::from_millis(if too_soon { wait_ms + interval_ms } else { wait_ms })
}

fn tell_containers(shared: &Shared, source: &mut Source) {
    let containers = source.containers();
    shared.containers.send_if_modified(|known| {
        let changed = **known != *containers;
        *known = containers;
        changed
    });
}
