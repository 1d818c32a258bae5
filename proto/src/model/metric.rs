//! Series: what is measured, in which unit, and how a value becomes a whole number.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Unit of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share, 0–1.
    #[default]
    Ratio,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSec,
    /// Operations per second.
    PerSec,
    /// A plain number (load, cores).
    Number,
    /// Degrees Celsius.
    Celsius,
    /// Seconds.
    Seconds,
}

/// A named run of samples. A stored value is `value * 10^decimals`, rounded to a whole number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct SeriesKey {
    /// Metric, one of the names in [`names`].
    pub metric: String,
    /// Which part: a core, disk, interface, mount, sensor or container; empty for the whole host.
    #[serde(default)]
    pub part: String,
    /// Unit.
    pub unit: Unit,
    /// Decimal places kept.
    pub decimals: u8,
}

/// Value that stands for "not measured".
pub const ABSENT: i64 = i64::MIN;

impl SeriesKey {
    /// Makes a key from a metric of [`names::ALL`]; an unknown metric counts as a plain number with two decimals.
    #[must_use]
    pub fn new(metric: &str, part: impl Into<String>) -> Self {
        let (unit, decimals) =
            names::ALL.iter().find(|known| known.0 == metric).map_or((Unit::Number, 2), |known| (known.1, known.2));
        Self { metric: metric.to_owned(), part: part.into(), unit, decimals }
    }

    /// The whole number that stands for a measured value; what is not finite counts as not measured.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
    pub fn encode(&self, value: f64) -> i64 {
        let scaled = (value * 10_f64.powi(i32::from(self.decimals.min(9)))).round();
        if scaled.is_finite() && scaled.abs() < 9.0e18 { scaled as i64 } else { ABSENT }
    }

    /// The measured value a whole number stands for.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "values beyond 2^53 lose digits nobody reads")]
    pub fn decode(&self, stored: i64) -> Option<f64> {
        (stored != ABSENT).then(|| stored as f64 / 10_f64.powi(i32::from(self.decimals.min(9))))
    }
}

/// The metrics an agent sends.
pub mod names {
    use super::Unit;

    /// CPU in use, whole host or per core.
    pub const CPU: &str = "cpu";
    /// CPU taken by the hypervisor.
    pub const CPU_STEAL: &str = "cpu_steal";
    /// CPU waiting for disks.
    pub const CPU_IOWAIT: &str = "cpu_iowait";
    /// Memory in use.
    pub const MEMORY_USED: &str = "memory_used";
    /// Memory there is.
    pub const MEMORY_TOTAL: &str = "memory_total";
    /// Swap in use.
    pub const SWAP_USED: &str = "swap_used";
    /// Load over 1 minute.
    pub const LOAD1: &str = "load1";
    /// Load over 5 minutes.
    pub const LOAD5: &str = "load5";
    /// Load over 15 minutes.
    pub const LOAD15: &str = "load15";
    /// Received, per interface; the empty part is the sum over real interfaces.
    pub const NET_RX: &str = "net_rx";
    /// Sent, likewise.
    pub const NET_TX: &str = "net_tx";
    /// Read, per disk; the empty part is the sum over whole disks.
    pub const DISK_READ: &str = "disk_read";
    /// Written, likewise.
    pub const DISK_WRITE: &str = "disk_write";
    /// Filesystem in use, per mount.
    pub const FS_USED: &str = "fs_used";
    /// Filesystem size, per mount.
    pub const FS_TOTAL: &str = "fs_total";
    /// Temperature, per sensor.
    pub const TEMPERATURE: &str = "temperature";
    /// Since boot.
    pub const UPTIME: &str = "uptime";
    /// CPU of a container, in cores, per container name.
    pub const CONTAINER_CPU: &str = "container_cpu";
    /// Memory of a container.
    pub const CONTAINER_MEMORY: &str = "container_memory";
    /// Received by a container.
    pub const CONTAINER_RX: &str = "container_rx";
    /// Sent by a container.
    pub const CONTAINER_TX: &str = "container_tx";
    /// Read by a container.
    pub const CONTAINER_READ: &str = "container_read";
    /// Written by a container.
    pub const CONTAINER_WRITE: &str = "container_write";

    /// Every metric with its unit and the decimal places kept.
    pub const ALL: &[(&str, Unit, u8)] = &[
        (CPU, Unit::Ratio, 4),
        (CPU_STEAL, Unit::Ratio, 4),
        (CPU_IOWAIT, Unit::Ratio, 4),
        (MEMORY_USED, Unit::Bytes, 0),
        (MEMORY_TOTAL, Unit::Bytes, 0),
        (SWAP_USED, Unit::Bytes, 0),
        (LOAD1, Unit::Number, 2),
        (LOAD5, Unit::Number, 2),
        (LOAD15, Unit::Number, 2),
        (NET_RX, Unit::BytesPerSec, 0),
        (NET_TX, Unit::BytesPerSec, 0),
        (DISK_READ, Unit::BytesPerSec, 0),
        (DISK_WRITE, Unit::BytesPerSec, 0),
        (FS_USED, Unit::Bytes, 0),
        (FS_TOTAL, Unit::Bytes, 0),
        (TEMPERATURE, Unit::Celsius, 1),
        (UPTIME, Unit::Seconds, 0),
        (CONTAINER_CPU, Unit::Number, 4),
        (CONTAINER_MEMORY, Unit::Bytes, 0),
        (CONTAINER_RX, Unit::BytesPerSec, 0),
        (CONTAINER_TX, Unit::BytesPerSec, 0),
        (CONTAINER_READ, Unit::BytesPerSec, 0),
        (CONTAINER_WRITE, Unit::BytesPerSec, 0),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_their_scale() {
        let cpu = SeriesKey::new(names::CPU, "");
        assert_eq!(cpu.encode(0.12345), 1235);
        assert_eq!(cpu.decode(1235), Some(0.1235));
        assert_eq!(cpu.decode(ABSENT), None);
        assert_eq!(cpu.encode(f64::NAN), ABSENT);
        assert_eq!(cpu.encode(f64::INFINITY), ABSENT);
    }
}
