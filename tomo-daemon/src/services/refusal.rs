//! Requests of nobody: counted by source and written to the audit once a minute, so that a flood of them cannot fill it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tomo_proto::model::audit::AuditOutcome;

use crate::{
    live::Topic,
    services::{Context, Services},
    store::{NewAuditEntry, StoreError},
};

const EVERY: Duration = Duration::from_secs(60);
/// Sources told apart in one minute; the rest is counted together.
const MAX_SOURCES: usize = 100;
const ELSEWHERE: &str = "elsewhere";

/// How often each source was refused since the last rows were written.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Refusals {
    fn add(&self, source: &str, times: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counts.len() < MAX_SOURCES || counts.contains_key(source);
        *counts.entry(if known { source } else { ELSEWHERE }.to_owned()).or_default() += times;
    }

    fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Services {
    /// Counts a request that was refused before it was known who sends it.
    pub fn note_refusal(&self, source: &str) {
        self.context.refusals.add(source, 1);
    }
}

impl Context {
    /// Writes the counts down every minute and at the end.
    pub(super) async fn write_refusals(self: Arc<Self>) {
        loop {
            let ends = tokio::select! {
                () = tokio::time::sleep(EVERY) => false,
                () = self.stop.cancelled() => true,
            };
            let counts = self.refusals.take();
            let at_ms = self.clock.now_ms();
            let entries: Vec<_> = counts.iter().map(|(source, count)| row(source, *count, at_ms)).collect();
            if !entries.is_empty() {
                let written = self.store.write(move |change| {
                    entries.into_iter().for_each(|entry| change.audit(entry));
                    Ok::<_, StoreError>(())
                });
                match written.await {
                    Ok(()) => self.live.publish(Topic::Audit),
                    Err(error) => {
                        tracing::error!(%error, "refused requests could not be audited; they are counted on");
                        counts.iter().for_each(|(source, count)| self.refusals.add(source, *count));
                    }
                }
            }
            if ends {
                return;
            }
        }
    }
}

fn row(source: &str, count: u64, at_ms: u64) -> NewAuditEntry {
    NewAuditEntry {
        at_ms,
        actor: "anonymous".to_owned(),
        action: "auth.refused".to_owned(),
        resource_type: String::new(),
        resource: String::new(),
        outcome: AuditOutcome::Denied,
        reason: None,
        details: format!("requests without a valid login: {count}"),
        ip_address: source.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_sources_take_bounded_room() {
        let refusals = Refusals::default();
        for source in 0..10_000 {
            refusals.add(&source.to_string(), 1);
        }
        refusals.add("5", 1);
        let counts = refusals.take();
        assert_eq!((counts.len(), counts["5"]), (MAX_SOURCES + 1, 2));
        assert_eq!(counts.values().sum::<u64>(), 10_001);
        assert!(refusals.take().is_empty());
    }
}
