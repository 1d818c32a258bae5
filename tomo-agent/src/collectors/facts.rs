//! What changes slowly: names, versions, sizes, mounts. Read once a minute through sysinfo.

use std::collections::HashSet;

use sysinfo::{CpuRefreshKind, DiskRefreshKind, MemoryRefreshKind, RefreshKind, System};
use tomo_proto::{
    model::server::{EngineState, Filesystem, HostFacts},
    text::display_line,
    version::RELEASE,
};

use crate::collectors::disk::filesystem_use;

/// Filesystems that live on another machine or in a program: asking them can hang.
const REMOTE: [&str; 8] = ["nfs", "nfs4", "cifs", "smb3", "sshfs", "fuse", "9p", "ceph"];

#[derive(Debug, Default)]
pub(super) struct Facts {
    mounts: Vec<String>,
}

impl Facts {
    /// Where the filesystems are mounted whose use is sampled.
    pub(super) fn mounts(&self) -> &[String] {
        &self.mounts
    }

    pub(super) fn read(&mut self, engine: EngineState, mut missing: Vec<String>) -> HostFacts {
        let wanted =
            RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::everything());
        let system = System::new_with_specifics(wanted)
            .map_err(|error| missing.push(format!("processor and memory sizes: {error}")))
            .ok();
        let filesystems = filesystems(&mut missing);
        self.mounts = filesystems.iter().map(|filesystem| filesystem.mount.clone()).collect();
        let cpus = system.as_ref().map_or(&[][..], System::cpus);
        HostFacts {
            hostname: text(System::host_name().unwrap_or_else(|_| "unnamed".to_owned())),
            os: text(System::long_os_version().unwrap_or_default()),
            kernel: text(System::kernel_version().unwrap_or_default()),
            architecture: std::env::consts::ARCH.to_owned(),
            cpu_model: cpus.first().map_or_else(String::new, |cpu| text(cpu.brand().to_owned())),
            cpu_count: u32::try_from(cpus.len()).unwrap_or(u32::MAX),
            memory_total_bytes: system.as_ref().map_or(0, System::total_memory),
            swap_total_bytes: system.as_ref().map_or(0, System::total_swap),
            booted_at: System::boot_time().unwrap_or(0).saturating_mul(1_000),
            filesystems,
            engine,
            agent_version: RELEASE.to_owned(),
            missing,
        }
    }
}

fn text(raw: String) -> String {
    display_line(&raw, 120)
}

/// Filesystems on real devices, each once: a bind mount shows the same device again.
fn filesystems(missing: &mut Vec<String>) -> Vec<Filesystem> {
    let disks = match sysinfo::Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing()) {
        Ok(disks) => disks,
        Err(error) => {
            missing.push(format!("filesystems: {error}"));
            return Vec::new();
        }
    };
    let local = disks.iter().filter(|disk| {
        let kind = disk.file_system().to_string_lossy();
        let of_container = kind == "overlay" && disk.mount_point() != std::path::Path::new("/");
        !REMOTE.iter().any(|remote| kind.starts_with(remote)) && !of_container && disk.mount_point().is_dir()
    });
    let used = |disk: &sysinfo::Disk| {
        let mount = disk.mount_point().to_str()?;
        let (used_bytes, total_bytes) = filesystem_use(mount).filter(|(_, total)| *total > 0)?;
        Some(Filesystem {
            mount: text(mount.to_owned()),
            device: text(disk.name().to_string_lossy().into_owned()),
            kind: text(disk.file_system().to_string_lossy().into_owned()),
            total_bytes,
            used_bytes,
        })
    };
    once_each(local.filter_map(used).collect())
}

/// One mount per device, the one nearest to the root.
fn once_each(mut found: Vec<Filesystem>) -> Vec<Filesystem> {
    let mut seen = HashSet::new();
    found.sort_by_key(|filesystem| filesystem.mount.len());
    found.retain(|filesystem| seen.insert(filesystem.device.clone()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_mounted_twice_counts_once() {
        let mounted = |device: &str, mount: &str| Filesystem {
            mount: mount.to_owned(),
            device: device.to_owned(),
            kind: "ext4".to_owned(),
            total_bytes: 10,
            used_bytes: 1,
        };
        let found = once_each(vec![
            mounted("/dev/vda1", "/var/lib/docker"),
            mounted("/dev/vdb1", "/srv"),
            mounted("/dev/vda1", "/"),
            mounted("/dev/vdb1", "/srv/bound"),
        ]);
        let mounts: Vec<_> = found.iter().map(|filesystem| filesystem.mount.as_str()).collect();
        assert_eq!(mounts, ["/", "/srv"]);
    }
}
