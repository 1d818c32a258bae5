//! A file of the kernel's that stays open and is read from its start again and again into one buffer.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

#[derive(Debug)]
pub(super) struct KernelFile {
    file: File,
    buffer: Vec<u8>,
}

impl KernelFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, buffer: vec![0; 4096] })
    }

    /// A file below a root (`/`, or a recorded tree); one that is not there is noted as missing.
    pub(super) fn open_or_miss(root: &Path, path: &str, missing: &mut Vec<String>) -> Option<Self> {
        Self::open(&root.join(path)).map_err(|error| missing.push(format!("/{path}: {error}"))).ok()
    }

    /// The whole text now; empty if it cannot be read.
    pub(super) fn read(&mut self) -> &str {
        let mut filled = 0;
        loop {
            match self.file.read_at(&mut self.buffer[filled..], u64::try_from(filled).unwrap_or(u64::MAX)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return "",
            }
            if filled == self.buffer.len() {
                self.buffer.resize(filled * 2, 0);
            }
        }
        std::str::from_utf8(&self.buffer[..filled]).unwrap_or("")
    }
}

/// What a counter grew per second; not a number (that is, not measured) while there is nothing to compare with, or when it
/// began anew.
#[expect(clippy::cast_precision_loss, reason = "a rate for display")]
pub(super) fn per_second(now: u64, before: Option<u64>, elapsed_ms: u64) -> f64 {
    match before {
        Some(before) if elapsed_ms > 0 && now >= before => (now - before) as f64 * 1_000.0 / elapsed_ms as f64,
        _ => f64::NAN,
    }
}

/// A sum with one more part; parts that were not measured are left out, and a sum of none is not measured either.
pub(super) const fn plus(sum: f64, part: f64) -> f64 {
    if sum.is_nan() {
        part
    } else if part.is_nan() {
        sum
    } else {
        sum + part
    }
}

/// An amount as a sample.
#[expect(clippy::cast_precision_loss, reason = "amounts beyond 2^53 lose digits nobody reads")]
pub(super) const fn amount(value: u64) -> f64 {
    value as f64
}
