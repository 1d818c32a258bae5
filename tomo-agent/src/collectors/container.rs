//! What each container uses, from its cgroup's files (version 1 and 2) and its process's network table.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tomo_proto::model::{
    container::{Container, ContainerState, ContainerUsage},
    metric::names,
};

use crate::collectors::{
    file::{amount, per_second},
    network::interfaces,
    recorder::Recorder,
};

/// A limit above this is none; version 1 writes a huge number for "unlimited".
const NO_LIMIT: u64 = 1 << 60;

#[derive(Debug)]
pub(super) struct Containers {
    /// `/`, or a recorded tree.
    root: PathBuf,
    groups: HashMap<String, Group>,
}

/// One running container.
#[derive(Debug)]
struct Group {
    pid: u32,
    place: Place,
    before: Option<Counters>,
    /// Once there are two readings to compare.
    usage: Option<ContainerUsage>,
}

/// Where its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    V1 { cpu: PathBuf, memory: PathBuf, io: PathBuf },
    V2(PathBuf),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counters {
    cpu_ns: u64,
    memory_bytes: u64,
    memory_limit_bytes: u64,
    received: u64,
    sent: u64,
    read: u64,
    written: u64,
}

impl Containers {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, groups: HashMap::new() }
    }

    pub(super) fn record(
        &mut self,
        recorder: &mut Recorder,
        elapsed_ms: u64,
        inventory: &[Container],
        pids: &[(String, u32)],
    ) {
        self.groups.retain(|id, group| pids.iter().any(|(known, pid)| known == id && *pid == group.pid));
        for (id, pid) in pids {
            if !self.groups.contains_key(id)
                && let Some(place) = find_place(&self.root, *pid)
            {
                let group = Group { pid: *pid, place, before: None, usage: None };
                self.groups.insert(id.clone(), group);
            }
        }
        for container in inventory {
            let Some(group) = self.groups.get_mut(&container.id) else { continue };
            let now = read_counters(&self.root, group.pid, &group.place);
            let rate =
                |now: u64, before: fn(&Counters) -> u64| per_second(now, group.before.as_ref().map(before), elapsed_ms);
            let usage = [
                (names::CONTAINER_CPU, rate(now.cpu_ns, |before| before.cpu_ns) / 1e9),
                (names::CONTAINER_MEMORY, amount(now.memory_bytes)),
                (names::CONTAINER_RX, rate(now.received, |before| before.received)),
                (names::CONTAINER_TX, rate(now.sent, |before| before.sent)),
                (names::CONTAINER_READ, rate(now.read, |before| before.read)),
                (names::CONTAINER_WRITE, rate(now.written, |before| before.written)),
            ];
            for (metric, value) in usage {
                recorder.record(metric, &container.name, value);
            }
            let compared = group.before.is_some() && elapsed_ms > 0;
            group.usage = compared.then(|| ContainerUsage {
                cpu_cores: if usage[0].1.is_nan() { 0.0 } else { usage[0].1 },
                memory_bytes: now.memory_bytes,
                memory_limit_bytes: now.memory_limit_bytes,
                rx_bytes_per_sec: whole(usage[2].1),
                tx_bytes_per_sec: whole(usage[3].1),
                read_bytes_per_sec: whole(usage[4].1),
                write_bytes_per_sec: whole(usage[5].1),
            });
            group.before = Some(now);
        }
    }

    /// The inventory with the newest figures.
    pub(super) fn with_usage(&self, inventory: &Arc<Vec<Container>>) -> Arc<Vec<Container>> {
        if self.groups.is_empty() {
            return Arc::clone(inventory);
        }
        let with_usage = |container: &Container| {
            let lives = matches!(container.state, ContainerState::Running | ContainerState::Paused);
            let usage = self.groups.get(&container.id).and_then(|group| group.usage).filter(|_| lives);
            Container { usage, ..container.clone() }
        };
        Arc::new(inventory.iter().map(with_usage).collect())
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is not negative; `as` saturates")]
pub(super) fn whole(value: f64) -> u64 {
    value as u64
}

/// Finds a process's cgroup; see cgroups(7) for the format of `/proc/PID/cgroup`.
fn find_place(root: &Path, pid: u32) -> Option<Place> {
    let text = fs::read_to_string(root.join(format!("proc/{pid}/cgroup"))).ok()?;
    let mount = root.join("sys/fs/cgroup");
    let mut v1: HashMap<&str, &str> = HashMap::new();
    let mut unified = None;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            unified = Some(path);
        }
        v1.extend(controllers.split(',').map(|controller| (controller, path)));
    }
    let group = |controller: &str| v1.get(controller).map(|path| mount.join(controller).join(path));
    if let Some(memory) = group("memory").filter(|folder| folder.exists()) {
        let cpu = group("cpuacct").or_else(|| group("cpu")).unwrap_or_else(|| memory.clone());
        return Some(Place::V1 { cpu, io: group("blkio").unwrap_or_else(|| memory.clone()), memory });
    }
    let folder = mount.join(unified?);
    folder.join("cpu.stat").exists().then_some(Place::V2(folder))
}

fn read_counters(root: &Path, pid: u32, place: &Place) -> Counters {
    let mut counters = match place {
        Place::V1 { cpu, memory, io } => {
            let used = number(&memory.join("memory.usage_in_bytes"));
            let cache = field(&memory.join("memory.stat"), "total_inactive_file");
            let (read, written) = v1_io(&io.join("blkio.throttle.io_service_bytes"));
            Counters {
                cpu_ns: number(&cpu.join("cpuacct.usage")),
                memory_bytes: used.saturating_sub(cache),
                memory_limit_bytes: number(&memory.join("memory.limit_in_bytes")),
                read,
                written,
                ..Counters::default()
            }
        }
        Place::V2(folder) => {
            let used = number(&folder.join("memory.current"));
            let cache = field(&folder.join("memory.stat"), "inactive_file");
            let (read, written) = v2_io(&folder.join("io.stat"));
            Counters {
                cpu_ns: field(&folder.join("cpu.stat"), "usage_usec") * 1_000,
                memory_bytes: used.saturating_sub(cache),
                memory_limit_bytes: number(&folder.join("memory.max")),
                read,
                written,
                ..Counters::default()
            }
        }
    };
    if counters.memory_limit_bytes >= NO_LIMIT {
        counters.memory_limit_bytes = 0;
    }
    if let Ok(table) = fs::read_to_string(root.join(format!("proc/{pid}/net/dev"))) {
        for (_, received, sent) in interfaces(&table) {
            counters.received += received;
            counters.sent += sent;
        }
    }
    counters
}

/// A file of one number; 0 if it is not there or says `max`.
fn number(path: &Path) -> u64 {
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// The number behind a name in a file of `name number` lines.
fn field(path: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok()).unwrap_or(0)
}

/// Lines `major:minor Read bytes`.
fn v1_io(path: &Path) -> (u64, u64) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let sum = |kind: &str| {
        let fitting = |line: &str| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            (fields.next() == Some(kind)).then(|| fields.next()?.parse::<u64>().ok()).flatten()
        };
        text.lines().filter_map(fitting).sum()
    };
    (sum("Read"), sum("Write"))
}

/// Lines `major:minor rbytes=… wbytes=… …`.
fn v2_io(path: &Path) -> (u64, u64) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let sum = |name: &str| {
        text.split_ascii_whitespace()
            .filter_map(|field| field.strip_prefix(name)?.strip_prefix('=')?.parse::<u64>().ok())
            .sum()
    };
    (sum("rbytes"), sum("wbytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("has a parent")).expect("makes a folder");
            fs::write(path, text).expect("writes");
        }
        root
    }

    const NET: (&str, &str) =
        ("proc/42/net/dev", "a\nb\n eth0: 10 0 0 0 0 0 0 0 20 0 0 0 0 0 0 0\n lo: 9 0 0 0 0 0 0 0 9 0\n");

    #[test]
    fn reads_version_1() {
        let root = tree(&[
            (
                "proc/42/cgroup",
                "9:name=systemd:/docker/abc\n8:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n7:blkio:/docker/abc\n",
            ),
            ("sys/fs/cgroup/cpuacct/docker/abc/cpuacct.usage", "5000000000\n"),
            ("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "1000\n"),
            ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/docker/abc/memory.stat", "cache 1\ntotal_inactive_file 400\n"),
            (
                "sys/fs/cgroup/blkio/docker/abc/blkio.throttle.io_service_bytes",
                "8:0 Read 7\n8:0 Write 3\n8:16 Read 1\n8:0 Total 10\nTotal 10\n",
            ),
            NET,
        ]);
        let place = find_place(root.path(), 42).expect("is found");
        let counters = read_counters(root.path(), 42, &place);
        let expected = Counters {
            cpu_ns: 5_000_000_000,
            memory_bytes: 600,
            memory_limit_bytes: 0,
            received: 10,
            sent: 20,
            read: 8,
            written: 3,
        };
        assert_eq!(counters, expected);
    }

    #[test]
    fn reads_version_2() {
        let group = "sys/fs/cgroup/system.slice/docker-abc.scope";
        let root = tree(&[
            ("proc/42/cgroup", "0::/system.slice/docker-abc.scope\n"),
            (&format!("{group}/cpu.stat"), "usage_usec 123\nuser_usec 100\n"),
            (&format!("{group}/memory.current"), "1000\n"),
            (&format!("{group}/memory.max"), "4096\n"),
            (&format!("{group}/memory.stat"), "anon 1\ninactive_file 100\n"),
            (&format!("{group}/io.stat"), "8:0 rbytes=5 wbytes=6 rios=1 wios=1\n8:16 rbytes=1 wbytes=1 rios=1\n"),
            NET,
        ]);
        let place = find_place(root.path(), 42).expect("is found");
        let counters = read_counters(root.path(), 42, &place);
        let expected = Counters {
            cpu_ns: 123_000,
            memory_bytes: 900,
            memory_limit_bytes: 4_096,
            received: 10,
            sent: 20,
            read: 6,
            written: 7,
        };
        assert_eq!(counters, expected);
        assert_eq!(find_place(root.path(), 43), None, "a process that has gone");
    }

    #[test]
    fn usage_is_a_rate_and_ends_with_the_container() {
        let root = tree(&[
            ("proc/42/cgroup", "0::/abc\n"),
            ("sys/fs/cgroup/abc/cpu.stat", "usage_usec 0\n"),
            ("sys/fs/cgroup/abc/memory.current", "5\n"),
        ]);
        let mut containers = Containers::new(root.path().to_owned());
        let inventory = Arc::new(vec![Container {
            id: "abc".to_owned(),
            name: "web".to_owned(),
            state: ContainerState::Running,
            ..Container::default()
        }]);
        let mut recorder = Recorder::default();
        let pids = [("abc".to_owned(), 42)];
        containers.record(&mut recorder, 0, &inventory, &pids);
        fs::write(root.path().join("sys/fs/cgroup/abc/cpu.stat"), "usage_usec 500000\n").expect("writes");
        containers.record(&mut recorder, 1_000, &inventory, &pids);
        let usage = containers.with_usage(&inventory)[0].usage.expect("has figures");
        assert!((usage.cpu_cores - 0.5).abs() < 1e-9, "{usage:?}");
        containers.record(&mut recorder, 1_000, &inventory, &[]);
        assert_eq!(containers.with_usage(&inventory)[0].usage, None);
    }
}
