//! A made-up host for a demonstration fleet or a benchmark: its figures follow from its seed and the time, so that they are
//! plausible and the same again.

use std::{f64::consts::TAU, sync::Arc};

use tomo_proto::{
    model::{
        container::{Container, ContainerState, ContainerUsage, Health},
        metric::{SeriesKey, names},
        server::{EngineState, Filesystem, HostFacts},
    },
    version::RELEASE,
    wire::report::Row,
};

use crate::collectors::{file::amount, recorder::Recorder};

const GIB: u64 = 1 << 30;
const DAY_MS: u64 = 86_400_000;
const IMAGES: [&str; 6] = ["nginx:1.27", "postgres:16", "redis:7", "grafana:11", "caddy:2", "api:2.4.1"];

/// A made-up host.
#[derive(Debug)]
pub struct Synthetic {
    seed: u64,
    recorder: Recorder,
    cores: usize,
    memory_bytes: u64,
    disk_bytes: u64,
    containers: Arc<Vec<Container>>,
    now_ms: u64,
}

/// A well-mixed 64-bit number for a seed: the finalizer of splitmix64 (Steele, Lea, Flood, 2014).
const fn mix(seed: u64) -> u64 {
    let mut value = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A number in 0–1 for a seed.
fn fraction(seed: u64) -> f64 {
    amount(mix(seed) >> 11) / amount(1 << 53)
}

/// A count below `limit` for a seed.
fn pick(seed: u64, limit: usize) -> usize {
    usize::try_from(mix(seed) % u64::try_from(limit).unwrap_or(1)).unwrap_or(0)
}

impl Synthetic {
    /// A host that behaves by its seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let containers = (0..3 + pick(seed ^ 1, 4)).map(|place| {
            let image = IMAGES[(pick(seed ^ 2, IMAGES.len()) + place) % IMAGES.len()];
            let stopped = pick(seed ^ 3, 12) == place;
            Container {
                id: format!("{:016x}{:016x}", mix(seed), mix(seed ^ u64::try_from(place).unwrap_or(0))),
                name: format!("{}-{}", image.split(':').next().unwrap_or("app"), place + 1),
                image: image.to_owned(),
                state: if stopped { ContainerState::Exited } else { ContainerState::Running },
                health: if stopped { Health::None } else { Health::Healthy },
                exit_code: stopped.then_some(0),
                ..Container::default()
            }
        });
        Self {
            seed,
            recorder: Recorder::default(),
            cores: [2, 4, 8, 16][pick(seed ^ 4, 4)],
            memory_bytes: [4, 8, 16, 64][pick(seed ^ 5, 4)] * GIB,
            disk_bytes: [40, 80, 250, 1_000][pick(seed ^ 6, 4)] * GIB,
            containers: Arc::new(containers.collect()),
            now_ms: 0,
        }
    }

    /// A load in 0–1 that swings over a day and some minutes, with noise and a rare spike.
    fn wave(&self, kind: u64, base: f64, swing: f64) -> f64 {
        let shift = fraction(self.seed ^ kind) * TAU;
        let day = TAU * amount(self.now_ms % DAY_MS) / amount(DAY_MS);
        let minutes = TAU * amount(self.now_ms % 420_000) / 420_000.0;
        let tick = self.now_ms / 1_000;
        let noise = fraction(self.seed ^ kind ^ mix(tick)) - 0.5;
        let spike = if mix(self.seed ^ kind ^ (tick / 20)).is_multiple_of(40) { 0.4 } else { 0.0 };
        let value =
            base + swing * (0.5 * (day + shift).sin() + 0.35 * (minutes + shift).sin() + 0.3 * noise) + spike * swing;
        value.clamp(0.005, 0.995)
    }

    pub(super) fn sample(&mut self, now_ms: u64) -> (Arc<Vec<SeriesKey>>, Row) {
        self.now_ms = now_ms;
        let mut recorder = std::mem::take(&mut self.recorder);
        recorder.begin();
        let cpu = self.wave(10, 0.1 + 0.4 * fraction(self.seed ^ 11), 0.3);
        recorder.record(names::CPU, "", cpu);
        recorder.record(names::CPU_IOWAIT, "", cpu * 0.04);
        recorder.record(names::CPU_STEAL, "", 0.0);
        for core in 0..self.cores {
            let seed = 20 + u64::try_from(core).unwrap_or(0);
            recorder.record(names::CPU, &core.to_string(), (cpu * (0.6 + 0.8 * self.wave(seed, 0.5, 0.5))).min(1.0));
        }
        let memory = self.wave(40, 0.3 + 0.4 * fraction(self.seed ^ 41), 0.08);
        recorder.record(names::MEMORY_USED, "", (memory * amount(self.memory_bytes)).round());
        recorder.record(names::MEMORY_TOTAL, "", amount(self.memory_bytes));
        recorder.record(names::SWAP_USED, "", 0.0);
        let load = cpu * f64::from(u32::try_from(self.cores).unwrap_or(1));
        for metric in [names::LOAD1, names::LOAD5, names::LOAD15] {
            recorder.record(metric, "", load);
        }
        for (metric, kind, scale) in [
            (names::NET_RX, 50, 8e6),
            (names::NET_TX, 51, 2e7),
            (names::DISK_READ, 52, 4e6),
            (names::DISK_WRITE, 53, 1.2e7),
        ] {
            let rate = scale * self.wave(kind, 0.2, 0.4);
            let part = if kind < 52 { "eth0" } else { "vda" };
            recorder.record(metric, part, rate);
            recorder.record(metric, "", rate);
        }
        recorder.record(names::FS_USED, "/", (self.disk_ratio() * amount(self.disk_bytes)).round());
        recorder.record(names::FS_TOTAL, "/", amount(self.disk_bytes));
        recorder.record(names::UPTIME, "", amount(now_ms.saturating_sub(self.booted_at()) / 1_000));
        let mut containers = self.containers.as_ref().clone();
        for (place, container) in containers.iter_mut().enumerate() {
            if container.state != ContainerState::Running {
                continue;
            }
            let kind = 100 + u64::try_from(place).unwrap_or(0) * 4;
            let cores = self.wave(kind, 0.15, 0.3);
            let memory = (self.wave(kind + 1, 0.2, 0.1) * 6e8).round();
            recorder.record(names::CONTAINER_CPU, &container.name, cores);
            recorder.record(names::CONTAINER_MEMORY, &container.name, memory);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a made-up amount below 1e9")]
            let memory_bytes = memory as u64;
            container.usage = Some(ContainerUsage { cpu_cores: cores, memory_bytes, ..ContainerUsage::default() });
        }
        self.containers = Arc::new(containers);
        let taken = recorder.finish(now_ms);
        self.recorder = recorder;
        taken
    }

    fn disk_ratio(&self) -> f64 {
        0.2 + 0.72 * fraction(self.seed ^ 60)
    }

    fn booted_at(&self) -> u64 {
        1_760_000_000_000 + mix(self.seed ^ 70) % (20 * DAY_MS)
    }

    pub(super) fn facts(&self) -> HostFacts {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a size")]
        let used_bytes = (self.disk_ratio() * amount(self.disk_bytes)) as u64;
        let total_bytes = self.disk_bytes;
        HostFacts {
            hostname: format!("made-up-{:04x}", self.seed & 0xffff),
            os: "made up, no real host".to_owned(),
            kernel: "0.0".to_owned(),
            architecture: "x86_64".to_owned(),
            cpu_model: "made up".to_owned(),
            cpu_count: u32::try_from(self.cores).unwrap_or(1),
            memory_total_bytes: self.memory_bytes,
            swap_total_bytes: 0,
            booted_at: self.booted_at(),
            filesystems: vec![Filesystem {
                mount: "/".to_owned(),
                device: "/dev/vda1".to_owned(),
                kind: "ext4".to_owned(),
                total_bytes,
                used_bytes,
            }],
            engine: EngineState::Absent { reason: "this server is made up: it has no container engine".to_owned() },
            agent_version: RELEASE.to_owned(),
            missing: vec!["everything: this server is made up for a demonstration".to_owned()],
        }
    }

    pub(super) fn containers(&self) -> Arc<Vec<Container>> {
        Arc::clone(&self.containers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_tells_the_same_story_again() {
        for seed in 0..50 {
            let (mut one, mut other) = (Synthetic::new(seed), Synthetic::new(seed));
            for tick in 0..20 {
                let at_ms = 1_795_000_000_000 + tick * 1_000;
                let (schema, row) = one.sample(at_ms);
                assert_eq!((Arc::clone(&schema), row.clone()), other.sample(at_ms));
                for (key, value) in schema.iter().zip(&row.values).filter(|(key, _)| key.metric == names::CPU) {
                    assert!((0.0..=1.0).contains(&key.decode(*value).expect("is measured")), "{key:?}");
                }
            }
        }
    }
}
