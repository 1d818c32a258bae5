//! The ticking half: takes a row whenever it is time, whether or not there is a connection.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{clock::now_ms, collectors::Source, link::Shared};

/// Slow facts are read this often.
const FACTS_EVERY: Duration = Duration::from_secs(60);

pub(crate) async fn run(shared: Arc<Shared>, mut source: Source, stop: CancellationToken) {
    let mut interval = shared.interval_ms.subscribe();
    let mut engine = shared.exec.engine();
    shared.facts.send_replace(Arc::new(source.facts()));
    let mut facts_at = Instant::now() + FACTS_EVERY;
    loop {
        let interval_ms = u64::from((*interval.borrow_and_update()).max(1));
        let until_next = interval_ms - now_ms() % interval_ms;
        tokio::select! {
            () = sleep(Duration::from_millis(until_next)) => {
                let (schema, row) = source.sample(now_ms());
                shared.outbox.push(schema, row);
                let containers = source.containers();
                shared.containers.send_if_modified(|known| {
                    let changed = **known != *containers;
                    *known = containers;
                    changed
                });
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
            changed = interval.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = stop.cancelled() => return,
        }
    }
}
