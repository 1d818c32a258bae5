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

    /// A host of two cores whose files are these.
    fn record(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("has a parent")).expect("makes a folder");
            std::fs::write(path, text).expect("writes");
        }
    }

    #[tokio::test]
    async fn a_recorded_host_gives_its_figures() {
        let root = tempfile::tempdir().expect("a folder");
        let net = "head\nhead\n lo: 5 0 0 0 0 0 0 0 5 0 0 0 0 0 0 0\nveth1: 7 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\n eth0: ";
        let disk = "254 0 vda 1 0 100 0 1 0 200 0 0 0 0\n254 1 vda1 1 0 100 0 1 0 200 0 0 0 0\n7 0 loop0 1 0 9 0 1 0 9 0 0 0 0\n";
        record(
            root.path(),
            &[
                (
                    "proc/stat",
                    "cpu 100 0 100 700 100 0 0 0 0 0\ncpu0 50 0 50 350 50 0 0 0 0 0\ncpu1 50 0 50 350 50 0 0 0 0 0\nintr 1\n",
                ),
                (
                    "proc/meminfo",
                    "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\nSwapTotal: 100 kB\nSwapFree: 70 kB\n",
                ),
                ("proc/loadavg", "0.50 1.25 2.00 1/100 1\n"),
                ("proc/uptime", "12345.67 1.0\n"),
                ("proc/diskstats", disk),
                ("proc/net/dev", &format!("{net}1000 0 0 0 0 0 0 0 500 0 0 0 0 0 0 0\n")),
                ("sys/block/vda/size", "1\n"),
                ("sys/class/hwmon/hwmon0/name", "coretemp\n"),
                ("sys/class/hwmon/hwmon0/temp1_input", "45500\n"),
                ("sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n"),
                ("sys/class/hwmon/hwmon1/name", "nvme\n"),
                ("sys/class/hwmon/hwmon1/temp1_input", "38000\n"),
                ("sys/class/hwmon/hwmon2/name", "nvme\n"),
                ("sys/class/hwmon/hwmon2/temp1_input", "39000\n"),
                ("sys/class/hwmon/hwmon2/temp2_input", "\n"),
            ],
        );
        let mut host = HostCollectors::at(root.path(), &Exec::without_engine());
        let (schema, row) = host.sample(10_000);
        let at = |metric: &str, part: &str| schema.iter().position(|key| key.metric == metric && key.part == part);
        let value = |row: &Row, metric: &str, part: &str| {
            let at = at(metric, part).unwrap_or_else(|| panic!("{metric} {part} is there"));
            schema[at].decode(row.values[at])
        };
        for metric in [names::CPU, names::NET_RX, names::DISK_READ] {
            assert_eq!(value(&row, metric, ""), None, "{metric} needs two readings");
        }
        record(
            root.path(),
            &[
                (
                    "proc/stat",
                    "cpu 160 0 110 810 110 0 0 10 0 0\ncpu0 110 0 60 360 60 0 0 10 0 0\ncpu1 50 0 50 450 50 0 0 0 0 0\nintr 1\n",
                ),
                ("proc/diskstats", &disk.replace("100 0 1 0 200", "300 0 1 0 600")),
                ("proc/net/dev", &format!("{net}3000 0 0 0 0 0 0 0 900 0 0 0 0 0 0 0\n")),
            ],
        );
        let (again, row) = host.sample(12_000);
        assert!(Arc::ptr_eq(&schema, &again));
        for (metric, part, expected) in [
            // Of 200 ticks 110 were idle and 10 waited.
            (names::CPU, "", 0.4),
            (names::CPU, "0", 0.8),
            (names::CPU, "1", 0.0),
            (names::CPU_IOWAIT, "", 0.05),
            (names::CPU_STEAL, "", 0.05),
            (names::MEMORY_USED, "", 600.0 * 1_024.0),
            (names::MEMORY_TOTAL, "", 1_000.0 * 1_024.0),
            (names::SWAP_USED, "", 30.0 * 1_024.0),
            (names::LOAD1, "", 0.5),
            (names::LOAD5, "", 1.25),
            (names::LOAD15, "", 2.0),
            (names::UPTIME, "", 12_346.0),
            (names::NET_RX, "", 1_000.0),
            (names::NET_RX, "eth0", 1_000.0),
            (names::NET_TX, "eth0", 200.0),
            (names::DISK_READ, "vda", 200.0 * 512.0 / 2.0),
            (names::DISK_WRITE, "", 400.0 * 512.0 / 2.0),
            (names::TEMPERATURE, "coretemp Package id 0", 45.5),
            (names::TEMPERATURE, "nvme temp1", 38.0),
            (names::TEMPERATURE, "nvme temp1 3", 39.0),
        ] {
            let measured = value(&row, metric, part).unwrap_or(f64::NAN);
            assert!((measured - expected).abs() < 1e-6, "{metric} {part}: {measured}");
        }
        for (metric, part) in
            [(names::NET_RX, "lo"), (names::NET_RX, "veth1"), (names::DISK_READ, "vda1"), (names::DISK_READ, "loop0")]
        {
            assert_eq!(at(metric, part), None, "{metric} {part}");
        }
        assert_eq!(schema.iter().filter(|key| key.metric == names::TEMPERATURE).count(), 3);
    }
}
