//! What is measured: one row of samples per tick, facts once a minute.

use std::sync::Arc;

use tomo_proto::{
    model::{container::Container, metric::SeriesKey, server::HostFacts},
    wire::report::Row,
};

use crate::exec::Exec;

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
pub struct HostCollectors {}

/// A made-up host.
#[derive(Debug)]
pub struct Synthetic {}

impl HostCollectors {
    /// Opens what can be opened; what cannot is named in the facts.
    #[must_use]
    pub fn new(_exec: &Exec) -> Self {
        todo!("collectors")
    }
}

impl Synthetic {
    /// A host that behaves by its seed.
    #[must_use]
    pub fn new(_seed: u64) -> Self {
        todo!("collectors")
    }
}

impl Source {
    /// Takes one row now. The schema is the same `Arc` as long as the set of series is.
    pub fn sample(&mut self, _now_ms: u64) -> (Arc<Vec<SeriesKey>>, Row) {
        todo!("collectors")
    }

    /// Slow facts; called at connect and once a minute.
    pub fn facts(&mut self) -> HostFacts {
        todo!("collectors")
    }

    /// Containers with their newest figures.
    pub fn containers(&mut self) -> Arc<Vec<Container>> {
        todo!("collectors")
    }
}
