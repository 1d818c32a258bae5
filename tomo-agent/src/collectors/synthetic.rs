//! A made-up host for a demonstration fleet or a benchmark: its figures follow from its seed and the time, so that they are
//! plausible and the same again.
//!
//! A host has a role; its work follows the hours of the day, drifts slowly, and comes in bursts (requests, builds, backups) that
//! show in processor, network and disk together.

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

use crate::collectors::{container::whole, file::amount, recorder::Recorder};

const GIB: u64 = 1 << 30;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Part of the work of a host that its containers do.
const IN_CONTAINERS: f64 = 0.8;

/// What a kind of host does.
#[derive(Debug)]
struct Role {
    name: &'static str,
    images: &'static [&'static str],
    /// Processor use at night, and what the day adds.
    idle: f64,
    day: f64,
    /// Bursts: one may begin in each window of this length, lasts up to so long, and adds up to so much.
    window_ms: u64,
    burst_ms: u64,
    burst: f64,
    /// Bytes per second of the whole host at full work: received, sent, read, written.
    traffic: [f64; 4],
    memory: f64,
}

const ROLES: [Role; 4] = [
    Role {
        name: "web",
        images: &["caddy:2", "shop:4.2.0", "api:2.4.1", "nginx:1.27", "imgproxy:3"],
        idle: 0.06,
        day: 0.38,
        window_ms: 7 * MINUTE_MS,
        burst_ms: 90_000,
        burst: 0.3,
        traffic: [6e6, 4e7, 5e5, 3e6],
        memory: 0.38,
    },
    Role {
        name: "db",
        images: &["postgres:16", "pgbouncer:1.23", "exporter:0.15"],
        idle: 0.1,
        day: 0.25,
        window_ms: HOUR_MS,
        burst_ms: 6 * MINUTE_MS,
        burst: 0.35,
        traffic: [8e6, 1.2e7, 3e7, 6e7],
        memory: 0.66,
    },
    Role {
        name: "cache",
        images: &["redis:7", "valkey:8", "exporter:0.15"],
        idle: 0.04,
        day: 0.16,
        window_ms: 11 * MINUTE_MS,
        burst_ms: 45_000,
        burst: 0.2,
        traffic: [2e7, 3e7, 1e5, 2e6],
        memory: 0.58,
    },
    Role {
        name: "build",
        images: &["runner:2.320", "registry:2", "runner:2.320", "minio:2024"],
        idle: 0.03,
        day: 0.06,
        window_ms: 12 * MINUTE_MS,
        burst_ms: 8 * MINUTE_MS,
        burst: 0.88,
        traffic: [3e7, 8e6, 4e7, 9e7],
        memory: 0.3,
    },
];

/// A made-up host.
#[derive(Debug)]
pub struct Synthetic {
    seed: u64,
    role: &'static Role,
    recorder: Recorder,
    cores: u32,
    memory_bytes: u64,
    disk_bytes: u64,
    containers: Arc<Vec<Container>>,
    past_ms: u64,
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

/// A number in -1–1 that wanders: it is drawn once per period and goes smoothly from one to the next.
fn drift(seed: u64, at_ms: u64, period_ms: u64) -> f64 {
    let place = at_ms / period_ms;
    let along = amount(at_ms % period_ms) / amount(period_ms);
    let (from, to) = (fraction(seed ^ mix(place)), fraction(seed ^ mix(place + 1)));
    2.0 * (from + (to - from) * along * along * (3.0 - 2.0 * along)) - 1.0
}

/// How busy people are, 0–1: a quiet night, a dip at noon, less on weekends. The epoch began on a Thursday.
fn daylight(at_ms: u64) -> f64 {
    let day = amount(at_ms % DAY_MS) / amount(DAY_MS);
    let hours = 0.5 - 0.5 * (TAU * (day - 0.125)).cos() - 0.12 * (2.0 * TAU * (day - 0.27)).cos();
    let weekend = matches!((at_ms / DAY_MS + 4) % 7, 0 | 6);
    (hours * if weekend { 0.55 } else { 1.0 }).clamp(0.0, 1.0)
}

impl Synthetic {
    /// A host that behaves by its seed; four seeds in a row have four roles.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let role = &ROLES[usize::try_from(seed % 4).unwrap_or(0)];
        let containers = role.images.iter().enumerate().map(|(place, image)| {
            let stopped = pick(seed ^ 3, 12) == place;
            Container {
                id: format!("{:016x}{:016x}", mix(seed), mix(seed ^ u64::try_from(place).unwrap_or(0) << 32)).repeat(2),
                name: format!("{}-{}", image.split(':').next().unwrap_or("app"), place + 1),
                image: (*image).to_owned(),
                state: if stopped { ContainerState::Exited } else { ContainerState::Running },
                health: if stopped { Health::None } else { Health::Healthy },
                exit_code: stopped.then_some(0),
                ..Container::default()
            }
        });
        Self {
            seed: mix(seed),
            role,
            recorder: Recorder::default(),
            cores: [2, 4, 8, 16][pick(seed ^ 4, 4)],
            memory_bytes: [4, 8, 16, 64][pick(seed ^ 5, 4)] * GIB,
            disk_bytes: [40, 80, 250, 1_000][pick(seed ^ 6, 4)] * GIB,
            containers: Arc::new(containers.collect()),
            past_ms: 0,
        }
    }

    /// Lets the host have run for a day before its agent started, so that a demonstration begins with history.
    #[must_use]
    pub const fn with_past(mut self) -> Self {
        self.past_ms = DAY_MS;
        self
    }

    /// What the host is for, in one word.
    #[must_use]
    pub const fn role(&self) -> &'static str {
        self.role.name
    }

    /// The burst that is on right now, 0–1: it rises fast, stays, and goes.
    fn burst(&self, at_ms: u64) -> f64 {
        let window = self.role.window_ms;
        let place = (at_ms + self.seed % window) / window;
        let seed = self.seed ^ mix(place);
        if pick(seed ^ 80, 3) == 0 {
            return 0.0;
        }
        let length = amount(self.role.burst_ms) * (0.4 + 0.6 * fraction(seed ^ 81));
        let begins = (amount(window) - length) * fraction(seed ^ 82);
        let along = (amount((at_ms + self.seed % window) % window) - begins) / length;
        if !(0.0..1.0).contains(&along) {
            return 0.0;
        }
        let height = 0.6 + 0.4 * fraction(seed ^ 83);
        height * (along / 0.08).min(1.0) * ((1.0 - along) / 0.25).min(1.0)
    }

    /// The work at a time, 0–1, without the burst.
    fn steady(&self, at_ms: u64) -> f64 {
        let slow = 0.22 * drift(self.seed ^ 10, at_ms, 9 * MINUTE_MS);
        let quick = 0.07 * drift(self.seed ^ 11, at_ms, 15_000);
        (daylight(at_ms) * (1.0 + slow + quick) + 0.08 * (slow + quick)).clamp(0.0, 1.0)
    }

    fn cpu(&self, at_ms: u64) -> f64 {
        let role = self.role;
        let jitter = 0.012 * drift(self.seed ^ 12, at_ms, 3_000);
        (role.idle + role.day * self.steady(at_ms) + role.burst * self.burst(at_ms) + jitter).clamp(0.004, 0.995)
    }

    /// The load average: processor use over a time, by all cores.
    fn load(&self, at_ms: u64, over_ms: u64) -> f64 {
        let points = 6;
        let sum: f64 = (0..points).map(|point| self.cpu(at_ms.saturating_sub(over_ms * point / points))).sum();
        f64::from(self.cores) * sum / amount(points)
    }

    fn memory(&self, at_ms: u64) -> f64 {
        // A cache fills for hours and is dropped.
        let period = 7 * HOUR_MS;
        let fill = amount((at_ms + self.seed % period) % period) / amount(period);
        let base = self.role.memory + 0.12 * fraction(self.seed ^ 41);
        (base + 0.07 * fill + 0.06 * self.burst(at_ms) + 0.01 * drift(self.seed ^ 42, at_ms, 5 * MINUTE_MS))
            .clamp(0.05, 0.97)
    }

    /// Received, sent, read and written bytes per second.
    fn traffic(&self, at_ms: u64) -> [f64; 4] {
        let mut kind = 50;
        self.role.traffic.map(|full| {
            kind += 1;
            let own = 1.0 + 0.25 * drift(self.seed ^ kind, at_ms, 20_000);
            full * own * (0.02 + 0.4 * self.steady(at_ms) + 0.55 * self.burst(at_ms))
        })
    }

    fn disk_ratio(&self, at_ms: u64) -> f64 {
        // Logs grow and are rotated away at midnight.
        0.18 + 0.62 * fraction(self.seed ^ 60) + 0.02 * amount(at_ms % DAY_MS) / amount(DAY_MS)
    }

    fn booted_at(&self, at_ms: u64) -> u64 {
        let period = 40 * DAY_MS;
        let shift = self.seed % period;
        ((at_ms + shift) / period * period).saturating_sub(shift)
    }

    /// Rows of the time before the agent started, oldest first: the last hour closely, the rest of a day in coarse steps.
    pub(super) fn past(&mut self, now_ms: u64) -> Vec<(Arc<Vec<SeriesKey>>, Row)> {
        let past_ms = std::mem::take(&mut self.past_ms);
        let steps = |from: u64, until: u64, step: u64| {
            (now_ms.saturating_sub(from) / step + 1..=now_ms.saturating_sub(until + 1) / step).map(move |at| at * step)
        };
        let coarse = steps(past_ms, HOUR_MS.min(past_ms), 5 * MINUTE_MS);
        let close = steps(HOUR_MS.min(past_ms), 0, 10_000);
        coarse.chain(close).map(|at_ms| self.sample(at_ms)).collect()
    }

    pub(super) fn sample(&mut self, now_ms: u64) -> (Arc<Vec<SeriesKey>>, Row) {
        let mut recorder = std::mem::take(&mut self.recorder);
        recorder.begin();
        let cpu = self.cpu(now_ms);
        let [received, sent, read, written] = self.traffic(now_ms);
        recorder.record(names::CPU, "", cpu);
        recorder.record(names::CPU_IOWAIT, "", (cpu * 0.03 + written * 4e-10).min(0.2));
        recorder.record(names::CPU_STEAL, "", 0.004 * fraction(self.seed ^ mix(now_ms / 20_000)));
        for core in 0..self.cores {
            let own = 1.0 + 0.35 * drift(self.seed ^ (200 + u64::from(core)), now_ms, 12_000);
            recorder.record(names::CPU, &core.to_string(), (cpu * own).min(1.0));
        }
        let memory_used = (self.memory(now_ms) * amount(self.memory_bytes)).round();
        recorder.record(names::MEMORY_USED, "", memory_used);
        recorder.record(names::MEMORY_TOTAL, "", amount(self.memory_bytes));
        recorder.record(names::SWAP_USED, "", 0.0);
        recorder.record(names::LOAD1, "", self.load(now_ms, MINUTE_MS));
        recorder.record(names::LOAD5, "", self.load(now_ms, 5 * MINUTE_MS));
        recorder.record(names::LOAD15, "", self.load(now_ms, 15 * MINUTE_MS));
        for (metric, part, rate) in [
            (names::NET_RX, "eth0", received),
            (names::NET_TX, "eth0", sent),
            (names::DISK_READ, "vda", read),
            (names::DISK_WRITE, "vda", written),
        ] {
            recorder.record(metric, part, rate);
            recorder.record(metric, "", rate);
        }
        recorder.record(names::FS_USED, "/", (self.disk_ratio(now_ms) * amount(self.disk_bytes)).round());
        recorder.record(names::FS_TOTAL, "/", amount(self.disk_bytes));
        recorder.record(names::TEMPERATURE, "cpu", 36.0 + 32.0 * cpu);
        recorder.record(names::UPTIME, "", amount(now_ms.saturating_sub(self.booted_at(now_ms)) / 1_000));
        let mut containers = self.containers.as_ref().clone();
        let running = containers.iter().filter(|container| container.state == ContainerState::Running).count();
        // The first container of a role does most of its work.
        let whole_share: f64 = (1..=running).map(|place| 1.0 / amount(u64::try_from(place).unwrap_or(1))).sum();
        let mut place = 0.0;
        for container in &mut containers {
            if container.state != ContainerState::Running {
                continue;
            }
            place += 1.0;
            let share = IN_CONTAINERS / place / whole_share;
            let cores = cpu * f64::from(self.cores) * share;
            let memory = (memory_used * share).round();
            for (metric, value) in [
                (names::CONTAINER_CPU, cores),
                (names::CONTAINER_MEMORY, memory),
                (names::CONTAINER_RX, received * share),
                (names::CONTAINER_TX, sent * share),
                (names::CONTAINER_READ, read * share),
                (names::CONTAINER_WRITE, written * share),
            ] {
                recorder.record(metric, &container.name, value);
            }
            container.created_at = self.booted_at(now_ms);
            container.started_at = self.booted_at(now_ms);
            container.usage = Some(ContainerUsage {
                cpu_cores: cores,
                memory_bytes: whole(memory),
                memory_limit_bytes: 0,
                rx_bytes_per_sec: whole(received * share),
                tx_bytes_per_sec: whole(sent * share),
                read_bytes_per_sec: whole(read * share),
                write_bytes_per_sec: whole(written * share),
            });
        }
        self.containers = Arc::new(containers);
        let taken = recorder.finish(now_ms);
        self.recorder = recorder;
        taken
    }

    pub(super) fn facts(&self, now_ms: u64) -> HostFacts {
        HostFacts {
            hostname: format!("made-up-{:04x}", self.seed & 0xffff),
            os: "made up, no real host".to_owned(),
            kernel: "0.0".to_owned(),
            architecture: "x86_64".to_owned(),
            cpu_model: "made up".to_owned(),
            cpu_count: self.cores,
            memory_total_bytes: self.memory_bytes,
            swap_total_bytes: 0,
            booted_at: self.booted_at(now_ms),
            filesystems: vec![Filesystem {
                mount: "/".to_owned(),
                device: "/dev/vda1".to_owned(),
                kind: "ext4".to_owned(),
                total_bytes: self.disk_bytes,
                used_bytes: whole(self.disk_ratio(now_ms) * amount(self.disk_bytes)),
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

    /// A Tuesday, at midnight UTC.
    const MIDNIGHT_MS: u64 = 1_795_478_400_000;

    fn series(rows: &[(Arc<Vec<SeriesKey>>, Row)], metric: &str) -> Vec<f64> {
        let value = |(schema, row): &(Arc<Vec<SeriesKey>>, Row)| {
            let at = schema.iter().position(|key| key.metric == metric && key.part.is_empty()).expect("is there");
            schema[at].decode(row.values[at]).expect("is measured")
        };
        rows.iter().map(value).collect()
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / amount(u64::try_from(values.len()).expect("few"))
    }

    #[test]
    fn a_seed_tells_the_same_story_again() {
        for seed in 0..50 {
            let (mut one, mut other) = (Synthetic::new(seed), Synthetic::new(seed));
            for tick in 0..20 {
                let at_ms = MIDNIGHT_MS + tick * 1_000;
                let (schema, row) = one.sample(at_ms);
                assert_eq!((Arc::clone(&schema), row.clone()), other.sample(at_ms));
                for (key, value) in schema.iter().zip(&row.values).filter(|(key, _)| key.metric == names::CPU) {
                    assert!((0.0..=1.0).contains(&key.decode(*value).expect("is measured")), "{key:?}");
                }
            }
        }
    }

    #[test]
    fn days_are_busier_than_nights_and_seconds_follow_each_other() {
        for seed in 0..12 {
            let mut host = Synthetic::new(seed);
            let mut hours = |from: u64, to: u64| {
                let rows: Vec<_> = (from * 60..to * 60).map(|at| host.sample(MIDNIGHT_MS + at * MINUTE_MS)).collect();
                mean(&series(&rows, names::CPU))
            };
            let (night, day) = (hours(1, 5), hours(13, 17));
            if host.role() != "build" {
                assert!(day > night * 1.3, "{seed}: {night} {day}");
            }
            let rows: Vec<_> = (0..1_200).map(|at| host.sample(MIDNIGHT_MS + 13 * HOUR_MS + at * 3_000)).collect();
            let cpu = series(&rows, names::CPU);
            let steps: Vec<f64> = cpu.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
            let spread = cpu.iter().copied().fold(0.0, f64::max) - cpu.iter().copied().fold(1.0, f64::min);
            assert!(spread > 0.02 && mean(&steps) < spread / 8.0, "{seed}: {spread} {}", mean(&steps));
            for (one, quarter) in series(&rows, names::LOAD1).iter().zip(series(&rows, names::LOAD15)) {
                assert!(*one <= f64::from(host.cores) && quarter > 0.0);
            }
        }
    }

    #[test]
    fn a_past_is_told_once_in_order_and_up_to_now() {
        let now_ms = MIDNIGHT_MS + 12_345;
        let mut host = Synthetic::new(1).with_past();
        let rows = host.past(now_ms);
        let times: Vec<u64> = rows.iter().map(|(_, row)| row.at_ms).collect();
        assert!(times.is_sorted() && times.len() > 600, "{}", times.len());
        assert!(now_ms - times[times.len() - 1] <= 10_000 && now_ms - times[0] > DAY_MS - 6 * MINUTE_MS);
        assert!(host.past(now_ms).is_empty());
        assert!(Synthetic::new(1).past(now_ms).is_empty());
    }
}
