//! What changes slowly: names, versions, sizes, mounts. Read once a minute through sysinfo.

use std::collections::HashSet;

use sysinfo::{Components, CpuRefreshKind, DiskRefreshKind, MemoryRefreshKind, RefreshKind, System};
use tomo_proto::{
    model::{
        metric::names,
        server::{EngineState, Filesystem, HostFacts},
    },
    text::display_line,
    version::RELEASE,
};

use crate::collectors::recorder::Recorder;

/// Filesystems that live on another machine or in a program: asking them can hang.
const REMOTE: [&str; 8] = ["nfs", "nfs4", "cifs", "smb3", "sshfs", "fuse", "9p", "ceph"];

#[derive(Debug, Default)]
pub(super) struct Facts {
    mounts: Vec<String>,
    sensors: Option<Components>,
}

impl Facts {
    /// Where the filesystems are mounted whose use is sampled.
    pub(super) fn mounts(&self) -> &[String] {
        &self.mounts
    }

    pub(super) fn record_temperatures(&mut self, recorder: &mut Recorder) {
        let Some(sensors) = self.sensors.as_mut().filter(|sensors| !sensors.is_empty()) else { return };
        sensors.refresh(false);
        for sensor in sensors.iter() {
            let degrees = sensor.temperature().map_or(f64::NAN, f64::from);
            recorder.record(names::TEMPERATURE, &display_line(sensor.label(), 60), degrees);
        }
    }

    pub(super) fn read(&mut self, engine: EngineState, mut missing: Vec<String>) -> HostFacts {
        let wanted =
            RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::everything());
        let system = System::new_with_specifics(wanted)
            .map_err(|error| missing.push(format!("processor and memory sizes: {error}")))
            .ok();
        let filesystems = filesystems(&mut missing);
        self.mounts = filesystems.iter().map(|filesystem| filesystem.mount.clone()).collect();
        if self.sensors.is_none() {
            self.sensors = Components::new_with_refreshed_list().ok();
        }
        if self.sensors.as_ref().is_none_or(|sensors| sensors.is_empty()) {
            missing.push("temperatures: this host has no sensors".to_owned());
        }
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
    let wanted = DiskRefreshKind::nothing().with_storage();
    let disks = match sysinfo::Disks::new_with_refreshed_list_specifics(wanted) {
        Ok(disks) => disks,
        Err(error) => {
            missing.push(format!("filesystems: {error}"));
            return Vec::new();
        }
    };
    let mut seen = HashSet::new();
    let mut found: Vec<Filesystem> = disks
        .iter()
        .filter(|disk| {
            let kind = disk.file_system().to_string_lossy();
            disk.total_space() > 0
                && disk.mount_point().is_dir()
                && !REMOTE.iter().any(|remote| kind.starts_with(remote))
        })
        .map(|disk| Filesystem {
            mount: text(disk.mount_point().to_string_lossy().into_owned()),
            device: text(disk.name().to_string_lossy().into_owned()),
            kind: text(disk.file_system().to_string_lossy().into_owned()),
            total_bytes: disk.total_space(),
            used_bytes: disk.total_space().saturating_sub(disk.available_space()),
        })
        .collect();
    found.sort_by_key(|filesystem| filesystem.mount.len());
    found.retain(|filesystem| seen.insert(filesystem.device.clone()));
    found
}
