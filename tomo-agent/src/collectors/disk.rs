//! Disk traffic from `/proc/diskstats`, and how full the filesystems are.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use tomo_proto::model::metric::names;

use crate::collectors::{
    file::{KernelFile, amount, per_second, plus},
    recorder::Recorder,
};

/// Bytes of a sector in the kernel's counters, whatever the disk's own sector is; see iostats in the kernel's documentation.
const SECTOR_BYTES: u64 = 512;

/// Block devices that are made of others, or of memory.
const VIRTUAL: [&str; 6] = ["loop", "ram", "zram", "dm-", "md", "sr"];

#[derive(Debug)]
pub(super) struct Disks {
    stats: Option<KernelFile>,
    /// Folder of all whole disks.
    blocks: PathBuf,
    before: HashMap<String, (u64, u64)>,
    /// Whether a name is a whole disk, looked up once.
    whole: HashMap<String, bool>,
    missing: Vec<String>,
}

impl Disks {
    pub(super) fn open(root: &Path) -> Self {
        let mut missing = Vec::new();
        let stats = KernelFile::open_or_miss(root, "proc/diskstats", &mut missing);
        let blocks = root.join("sys/block");
        Self { stats, blocks, before: HashMap::new(), whole: HashMap::new(), missing }
    }

    pub(super) fn missing(&self) -> Vec<String> {
        self.missing.clone()
    }

    pub(super) fn record(&mut self, recorder: &mut Recorder, elapsed_ms: u64, mounts: &[String]) {
        if let Some(stats) = &mut self.stats {
            let (mut read_sum, mut written_sum) = (f64::NAN, f64::NAN);
            for line in stats.read().lines() {
                let mut fields = line.split_ascii_whitespace().skip(2);
                let Some(name) = fields.next() else { continue };
                if !is_whole(&mut self.whole, &self.blocks, name) {
                    continue;
                }
                // reads, merged, sectors, ms, writes, merged, sectors
                let sectors = |field: Option<&str>| field.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
                let read = sectors(fields.nth(2)) * SECTOR_BYTES;
                let written = sectors(fields.nth(3)) * SECTOR_BYTES;
                let before = self.before.get(name).copied();
                let read_rate = per_second(read, before.map(|before| before.0), elapsed_ms);
                let written_rate = per_second(written, before.map(|before| before.1), elapsed_ms);
                read_sum = plus(read_sum, read_rate);
                written_sum = plus(written_sum, written_rate);
                recorder.record(names::DISK_READ, name, read_rate);
                recorder.record(names::DISK_WRITE, name, written_rate);
                match self.before.get_mut(name) {
                    Some(known) => *known = (read, written),
                    None => {
                        self.before.insert(name.to_owned(), (read, written));
                    }
                }
            }
            recorder.record(names::DISK_READ, "", read_sum);
            recorder.record(names::DISK_WRITE, "", written_sum);
        }
        for mount in mounts {
            let Some((used, total)) = filesystem_use(mount) else { continue };
            recorder.record(names::FS_USED, mount, amount(used));
            recorder.record(names::FS_TOTAL, mount, amount(total));
        }
    }
}

/// Bytes in use and bytes in all of the filesystem mounted there, as `df` counts them.
pub(super) fn filesystem_use(mount: &str) -> Option<(u64, u64)> {
    let facts = rustix::fs::statvfs(mount).ok()?;
    Some((facts.f_blocks.saturating_sub(facts.f_bfree) * facts.f_frsize, facts.f_blocks * facts.f_frsize))
}

fn is_whole(known: &mut HashMap<String, bool>, blocks: &Path, name: &str) -> bool {
    if let Some(whole) = known.get(name) {
        return *whole;
    }
    let whole = !VIRTUAL.iter().any(|head| name.starts_with(head)) && blocks.join(name).exists();
    known.insert(name.to_owned(), whole);
    whole
}
