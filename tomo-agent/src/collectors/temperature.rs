//! Temperatures from `/sys/class/hwmon`, or from `/sys/class/thermal` where there is nothing.

use std::{fs, path::Path};

use tomo_proto::{model::metric::names, text::display_line};

use crate::collectors::{file::KernelFile, recorder::Recorder};

/// Sensors kept; a big server has some dozens.
const MAX_SENSORS: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Temperatures {
    sensors: Vec<Sensor>,
}

#[derive(Debug)]
struct Sensor {
    label: String,
    /// Thousandths of a degree Celsius.
    file: KernelFile,
}

impl Temperatures {
    pub(super) fn open(root: &Path) -> Self {
        let mut sensors = hwmon(&root.join("sys/class/hwmon"));
        if sensors.is_empty() {
            sensors = thermal(&root.join("sys/class/thermal"));
        }
        sensors.truncate(MAX_SENSORS);
        // A series is known by its label: two of one name would become one.
        for place in 1..sensors.len() {
            let (before, rest) = sensors.split_at_mut(place);
            let same = before.iter().filter(|sensor| sensor.label == rest[0].label).count();
            if same > 0 {
                rest[0].label = format!("{} {}", rest[0].label, place + 1);
            }
        }
        Self { sensors }
    }

    pub(super) fn missing(&self) -> Option<String> {
        self.sensors.is_empty().then(|| "temperatures: this host has no sensors".to_owned())
    }

    pub(super) fn record(&mut self, recorder: &mut Recorder) {
        for sensor in &mut self.sensors {
            let degrees =
                sensor.file.read().trim().parse::<f64>().map_or(f64::NAN, |thousandths| thousandths / 1_000.0);
            recorder.record(names::TEMPERATURE, &sensor.label, degrees);
        }
    }
}

/// Chips with `tempN_input` and, at best, `tempN_label`; see the kernel's hwmon/sysfs-interface.
fn hwmon(folder: &Path) -> Vec<Sensor> {
    let mut sensors = Vec::new();
    for chip in entries(folder) {
        let chip_name = text(&chip.join("name")).unwrap_or_else(|| "chip".to_owned());
        for input in entries(&chip) {
            let name = input.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(number) = name.strip_prefix("temp").and_then(|rest| rest.strip_suffix("_input")) else { continue };
            let label = text(&chip.join(format!("temp{number}_label"))).unwrap_or_else(|| format!("temp{number}"));
            sensors.extend(sensor(&input, &format!("{chip_name} {label}")));
        }
    }
    sensors
}

/// Zones with a `type` and a `temp`.
fn thermal(folder: &Path) -> Vec<Sensor> {
    let zone = |zone: &std::path::PathBuf| {
        let kind = text(&zone.join("type"))?;
        sensor(&zone.join("temp"), &kind)
    };
    entries(folder).iter().filter_map(zone).collect()
}

/// A sensor that answers; some are there and never do.
fn sensor(path: &Path, label: &str) -> Option<Sensor> {
    let mut file = KernelFile::open(path).ok()?;
    file.read().trim().parse::<i64>().ok()?;
    Some(Sensor { label: display_line(label, 60), file })
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// What lies in a folder, in the order of names.
fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}
