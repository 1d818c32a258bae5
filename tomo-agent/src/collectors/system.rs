//! Processor, memory, load and uptime, from `/proc`.

use std::path::Path;

use tomo_proto::model::metric::names;

use crate::collectors::{
    file::{KernelFile, amount},
    recorder::Recorder,
};

#[derive(Debug)]
pub(super) struct System {
    stat: Option<KernelFile>,
    meminfo: Option<KernelFile>,
    loadavg: Option<KernelFile>,
    uptime: Option<KernelFile>,
    /// Last readings: the whole host, then core by core.
    before: Vec<CpuTimes>,
    now: Vec<CpuTimes>,
    cores: Vec<String>,
    missing: Vec<String>,
}

/// Ticks since boot; see proc_stat(5).
#[derive(Debug, Clone, Copy, Default)]
struct CpuTimes {
    total: u64,
    idle: u64,
    iowait: u64,
    steal: u64,
}

impl CpuTimes {
    fn parse(fields: &str) -> Self {
        // user nice system idle iowait irq softirq steal; guest time is part of user time already.
        let mut ticks = [0_u64; 8];
        for (tick, field) in ticks.iter_mut().zip(fields.split_ascii_whitespace()) {
            *tick = field.parse().unwrap_or(0);
        }
        Self { total: ticks.iter().sum(), idle: ticks[3], iowait: ticks[4], steal: ticks[7] }
    }
}

/// Not a number (that is, not measured) when no time has passed.
fn share(now: u64, before: u64, total: u64) -> f64 {
    if total == 0 { f64::NAN } else { (amount(now.saturating_sub(before)) / amount(total)).clamp(0.0, 1.0) }
}

impl System {
    pub(super) fn open(root: &Path) -> Self {
        let mut missing = Vec::new();
        let mut open = |path: &str| KernelFile::open_or_miss(root, path, &mut missing);
        let (stat, meminfo) = (open("proc/stat"), open("proc/meminfo"));
        let (loadavg, uptime) = (open("proc/loadavg"), open("proc/uptime"));
        Self { stat, meminfo, loadavg, uptime, before: Vec::new(), now: Vec::new(), cores: Vec::new(), missing }
    }

    pub(super) fn missing(&self) -> Vec<String> {
        self.missing.clone()
    }

    pub(super) fn record(&mut self, recorder: &mut Recorder) {
        self.record_cpu(recorder);
        self.record_memory(recorder);
        if let Some(file) = &mut self.loadavg {
            let mut loads = file.read().split_ascii_whitespace().map(|load| load.parse().unwrap_or(f64::NAN));
            for metric in [names::LOAD1, names::LOAD5, names::LOAD15] {
                recorder.record(metric, "", loads.next().unwrap_or(f64::NAN));
            }
        }
        if let Some(file) = &mut self.uptime {
            let uptime = file.read().split_ascii_whitespace().next().and_then(|text| text.parse().ok());
            recorder.record(names::UPTIME, "", uptime.unwrap_or(f64::NAN));
        }
    }

    fn record_cpu(&mut self, recorder: &mut Recorder) {
        let Some(file) = &mut self.stat else { return };
        self.now.clear();
        for (place, line) in file.read().lines().enumerate() {
            let Some((name, fields)) = line.split_once(' ').filter(|(name, _)| name.starts_with("cpu")) else { break };
            let core = &name[3..];
            match self.cores.get_mut(place) {
                Some(known) if known == core => {}
                Some(known) => core.clone_into(known),
                None => self.cores.push(core.to_owned()),
            }
            self.now.push(CpuTimes::parse(fields));
        }
        for (place, now) in self.now.iter().enumerate() {
            let before = self.before.get(place).copied().unwrap_or(*now);
            let total = now.total.saturating_sub(before.total);
            let waiting = share(now.idle + now.iowait, before.idle + before.iowait, total);
            let core = self.cores.get(place).map_or("", String::as_str);
            recorder.record(names::CPU, core, 1.0 - waiting);
            if place == 0 {
                recorder.record(names::CPU_IOWAIT, "", share(now.iowait, before.iowait, total));
                recorder.record(names::CPU_STEAL, "", share(now.steal, before.steal, total));
            }
        }
        std::mem::swap(&mut self.before, &mut self.now);
    }

    fn record_memory(&mut self, recorder: &mut Recorder) {
        let Some(file) = &mut self.meminfo else { return };
        let (mut total, mut available, mut swap_total, mut swap_free) = (0, 0, 0, 0);
        for line in file.read().lines() {
            let Some((name, rest)) = line.split_once(':') else { continue };
            let field = match name {
                "MemTotal" => &mut total,
                "MemAvailable" => &mut available,
                "SwapTotal" => &mut swap_total,
                "SwapFree" => &mut swap_free,
                _ => continue,
            };
            let kibibytes: u64 = rest.split_ascii_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0);
            *field = kibibytes * 1_024;
        }
        recorder.record(names::MEMORY_USED, "", amount(total.saturating_sub(available)));
        recorder.record(names::MEMORY_TOTAL, "", amount(total));
        recorder.record(names::SWAP_USED, "", amount(swap_total.saturating_sub(swap_free)));
    }
}
