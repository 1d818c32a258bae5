//! What a process costs, as the kernel counts it, and what two of them compare to.

use std::{
    collections::HashMap,
    fmt, fs,
    time::{Duration, Instant},
};

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) tomo: String,
    pub(crate) peer: String,
    pub(crate) ratio: Option<f64>,
    pub(crate) goal: Option<Goal>,
}

/// What a ratio should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    pub(crate) fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(most) => ratio <= most,
            Self::AtLeast(least) => ratio >= least,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(out, "≤ {most:.3}"),
            Self::AtLeast(least) => write!(out, "≥ {least}"),
        }
    }
}

impl Row {
    /// A figure that has no peer.
    pub(crate) fn alone(what: &str, tomo: String) -> Self {
        Self { what: what.to_owned(), tomo, peer: String::new(), ratio: None, goal: None }
    }

    /// Medians of both sides, and the median of the pairs' ratios.
    pub(crate) fn pairs(what: &str, pairs: &[(f64, f64)], goal: Goal, show: impl Fn(f64) -> String) -> Self {
        let tomo = median(pairs.iter().map(|pair| pair.0));
        let peer = median(pairs.iter().map(|pair| pair.1));
        let ratio = median(pairs.iter().map(|(tomo, peer)| tomo / peer));
        Self { what: what.to_owned(), tomo: show(tomo), peer: show(peer), ratio: Some(ratio), goal: Some(goal) }
    }
}

/// The middle of some values; of two middles the mean.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The value that 99 of 100 do not exceed.
pub(crate) fn p99(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values.get((values.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

/// Processor time of a process and its descendants. A thread that has ended counts as it was last seen.
#[derive(Debug)]
pub(crate) struct Cpu {
    pid: u32,
    threads: HashMap<u32, u64>,
}

impl Cpu {
    pub(crate) fn of(pid: u32) -> Self {
        let mut cpu = Self { pid, threads: HashMap::new() };
        cpu.total();
        cpu
    }

    /// Processor time since the process began, from `/proc/PID/task/TID/schedstat`.
    pub(crate) fn total(&mut self) -> Duration {
        for pid in tree(self.pid) {
            for thread in numbers(&format!("/proc/{pid}/task")) {
                let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).unwrap_or_default();
                if let Some(spent) = text.split(' ').next().and_then(|spent| spent.parse().ok()) {
                    self.threads.insert(thread, spent);
                }
            }
        }
        Duration::from_nanos(self.threads.values().sum())
    }

    /// Processor time that passes while something is done, and how long that took.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> (T, Duration, Duration) {
        let (before, began) = (self.total(), Instant::now());
        let done = work.await;
        (done, self.total() - before, began.elapsed())
    }
}

/// Memory of a process and its descendants, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// What lies in RAM now, shared pages included.
    pub(crate) resident: u64,
    /// The most there ever was.
    pub(crate) peak: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Self {
        let mut sum = Self::default();
        for pid in tree(pid) {
            let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let field = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name))?;
                line.trim().trim_end_matches(" kB").parse::<u64>().ok()
            };
            sum.resident += field("VmRSS:").unwrap_or(0) * 1024;
            sum.peak += field("VmHWM:").unwrap_or(0) * 1024;
        }
        sum
    }
}

fn numbers(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A process and its descendants.
fn tree(root: u32) -> Vec<u32> {
    let mut parents: HashMap<u32, Vec<u32>> = HashMap::new();
    for pid in numbers("/proc") {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything; the parent is the second field after it.
        let parent = text.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        parents.entry(parent.unwrap_or(0)).or_default().push(pid);
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let children = parents.get(pid).cloned().unwrap_or_default();
        found.extend(children);
        next += 1;
    }
    found
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Processor time as seconds per hour.
pub(crate) fn per_hour(spent: Duration, passed: Duration) -> f64 {
    spent.as_secs_f64() / passed.as_secs_f64() * 3_600.0
}
