//! What is measured: one row of samples per tick, facts once a minute. The only module that knows sysinfo.
//!
//! The figures of every tick come from files below `/proc` and `/sys/fs/cgroup` that stay open and are read again into kept
//! buffers; sysinfo answers for what changes slowly.

mod container;
mod disk;
mod facts;
mod file;
mod network;
mod recorder;
mod synthetic;
mod system;
mod temperature;

use std::{path::Path, sync::Arc};

use tokio::sync::watch;
use tomo_proto::{
    model::{
        container::Container,
        metric::SeriesKey,
        server::{EngineState, HostFacts},
    },
    wire::report::Row,
};

use crate::exec::Exec;

pub use synthetic::Synthetic;

/// Where figures come from.
#[derive(Debug)]
pub enum Source {
    /// This host.
    Host(Box<HostCollectors>),
    /// Made up: plausible series for a demonstration fleet or a benchmark.
    Synthetic(Box<Synthetic>),
}

/// Collectors of this host, with their open files and last readings.
#[derive(Debug)]
pub struct HostCollectors {
    recorder: recorder::Recorder,
    system: system::System,
    network: network::Network,
    disk: disk::Disks,
    container: container::Containers,
    temperature: temperature::Temperatures,
    facts: facts::Facts,
    inventory: watch::Receiver<Arc<Vec<Container>>>,
    pids: watch::Receiver<Arc<Vec<(String, u32)>>>,
    engine: watch::Receiver<EngineState>,
    last_sample_ms: u64,
}

impl HostCollectors {
    /// Opens what can be opened; what cannot is named in the facts.
    #[must_use]
    pub fn new(exec: &Exec) -> Self {
        Self::at(Path::new("/"), exec)
    }

    /// Reads `/proc` and `/sys` below a root: the host's own, or a recorded tree.
    fn at(root: &Path, exec: &Exec) -> Self {
        Self {
            recorder: recorder::Recorder::default(),
            system: system::System::open(root),
            network: network::Network::open(root),
            disk: disk::Disks::open(root),
            container: container::Containers::new(root.to_owned()),
            temperature: temperature::Temperatures::open(root),
            facts: facts::Facts::default(),
            inventory: exec.containers(),
            pids: exec.pids(),
            engine: exec.engine(),
            last_sample_ms: 0,
        }
    }

    fn sample(&mut self, now_ms: u64) -> (Arc<Vec<SeriesKey>>, Row) {
        let inventory = Arc::clone(&self.inventory.borrow());
        let pids = Arc::clone(&self.pids.borrow());
        // Rates need the time since the last sample; the first row has no rates.
        let elapsed_ms = if self.last_sample_ms == 0 { 0 } else { now_ms.saturating_sub(self.last_sample_ms) };
        self.last_sample_ms = now_ms;
        let recorder = &mut self.recorder;
        recorder.begin();
        self.system.record(recorder);
        self.network.record(recorder, elapsed_ms);
        self.disk.record(recorder, elapsed_ms, self.facts.mounts());
        self.temperature.record(recorder);
        self.container.record(recorder, elapsed_ms, &inventory, &pids);
        self.recorder.finish(now_ms)
    }

    fn facts(&mut self) -> HostFacts {
        let mut missing = self.system.missing();
        missing.extend(self.network.missing());
        missing.extend(self.disk.missing());
        missing.extend(self.temperature.missing());
        self.facts.read(self.engine.borrow().clone(), missing)
    }

    fn containers(&self) -> Arc<Vec<Container>> {
        let inventory = Arc::clone(&self.inventory.borrow());
        self.container.with_usage(&inventory)
    }
}

impl Source {
    /// Takes one row now. The schema is the same `Arc` as long as the set of series is.
    pub fn sample(&mut self, now_ms: u64) -> (Arc<Vec<SeriesKey>>, Row) {
        match self {
            Self::Host(host) => host.sample(now_ms),
            Self::Synthetic(synthetic) => synthetic.sample(now_ms),
        }
    }

    /// Rows of the time before the agent started, oldest first, told once: only a made-up host has any.
    pub(crate) fn past(&mut self, now_ms: u64) -> Vec<(Arc<Vec<SeriesKey>>, Row)> {
        match self {
            Self::Host(_) => Vec::new(),
            Self::Synthetic(synthetic) => synthetic.past(now_ms),
        }
    }

    /// Slow facts; called at connect and once a minute.
    pub fn facts(&mut self) -> HostFacts {
        match self {
            Self::Host(host) => host.facts(),
            Self::Synthetic(synthetic) => synthetic.facts(crate::clock::now_ms()),
        }
    }

    /// Containers with their newest figures.
    pub fn containers(&mut self) -> Arc<Vec<Container>> {
        match self {
            Self::Host(host) => host.containers(),
            Self::Synthetic(synthetic) => synthetic.containers(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tomo_proto::model::metric::names;

    use super::*;

    #[tokio::test]
    async fn this_host_gives_figures_that_fit_together() {
        let mut source = Source::Host(Box::new(HostCollectors::new(&Exec::without_engine())));
        let facts = source.facts();
        assert!(facts.cpu_count > 0 && facts.memory_total_bytes > 0 && !facts.hostname.is_empty(), "{facts:?}");
        assert!(!facts.filesystems.is_empty(), "{facts:?}");
        let (first, _) = source.sample(1_000);
        // The kernel counts processor time in hundredths of a second: some have to pass.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let mut now_ms = 1_000;
        let (schema, row) = loop {
            now_ms += 1_000;
            let (schema, row) = source.sample(now_ms);
            let measured = schema[0].metric == names::CPU && schema[0].decode(row.values[0]).is_some();
            if measured || std::time::Instant::now() > deadline {
                break (schema, row);
            }
        };
        assert_eq!(schema.len(), row.values.len());
        assert!(Arc::ptr_eq(&first, &schema), "the schema stays while the series do");
        let value = |metric: &str| {
            let at = schema.iter().position(|key| key.metric == metric && key.part.is_empty()).expect(metric);
            schema[at].decode(row.values[at]).unwrap_or(f64::NAN)
        };
        assert!((0.0..=1.0).contains(&value(names::CPU)));
        assert!(value(names::MEMORY_USED) > 0.0 && value(names::MEMORY_USED) <= value(names::MEMORY_TOTAL));
        assert!(value(names::UPTIME) > 0.0 && value(names::NET_RX) >= 0.0 && value(names::DISK_WRITE) >= 0.0);
        let cores = schema.iter().filter(|key| key.metric == names::CPU && !key.part.is_empty()).count();
        assert_eq!(u32::try_from(cores).ok(), Some(facts.cpu_count));
    }
}
