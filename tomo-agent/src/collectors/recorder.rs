//! Puts values into a row, and keeps the schema as long as the same series come in the same order.

use std::sync::Arc;

use tomo_proto::{
    model::metric::SeriesKey,
    wire::{
        frame::MAX_FRAME_BYTES,
        report::{MAX_SERIES, Row},
    },
};

/// What a schema may take of a frame.
const ROOM_BYTES: usize = MAX_FRAME_BYTES - 1_024;
/// What a series takes of it beside its names, at most.
const SERIES_BYTES: usize = 56;

#[derive(Debug, Default)]
pub(super) struct Recorder {
    schema: Arc<Vec<SeriesKey>>,
    /// The new schema, from the first series on that did not fit the old one.
    fresh: Option<Vec<SeriesKey>>,
    values: Vec<i64>,
    /// What the schema of this row takes.
    bytes: usize,
}

impl Recorder {
    pub(super) fn begin(&mut self) {
        self.values.clear();
        self.bytes = 0;
        self.fresh = None;
    }

    /// Adds one value; what is not finite counts as not measured. What a schema has no room for is left out, from the first such series on.
    pub(super) fn record(&mut self, metric: &str, part: &str, value: f64) {
        let at = self.values.len();
        self.bytes = self.bytes.saturating_add(SERIES_BYTES + metric.len() + part.len());
        if at == MAX_SERIES || self.bytes > ROOM_BYTES {
            return;
        }
        if self.fresh.is_none()
            && let Some(key) = self.schema.get(at).filter(|key| key.metric == metric && key.part == part)
        {
            self.values.push(key.encode(value));
            return;
        }
        let key = SeriesKey::new(metric, part);
        self.values.push(key.encode(value));
        self.fresh.get_or_insert_with(|| self.schema[..at].to_vec()).push(key);
    }

    pub(super) fn finish(&mut self, at_ms: u64) -> (Arc<Vec<SeriesKey>>, Row) {
        if let Some(fresh) = self.fresh.take() {
            self.schema = Arc::new(fresh);
        } else if self.values.len() < self.schema.len() {
            self.schema = Arc::new(self.schema[..self.values.len()].to_vec());
        }
        (Arc::clone(&self.schema), Row { at_ms, values: self.values.clone() })
    }
}

#[cfg(test)]
mod tests {
    use tomo_proto::model::metric::names;

    use super::*;

    fn take(recorder: &mut Recorder, parts: &[&str]) -> (Arc<Vec<SeriesKey>>, Row) {
        recorder.begin();
        for part in parts {
            recorder.record("cpu", part, 0.5);
        }
        recorder.finish(7)
    }

    #[test]
    fn a_schema_fits_a_frame_however_many_series_of_whatever_name_there_are() {
        use tomo_proto::wire::{
            frame::encode,
            report::{Report, ReportBody},
        };
        for length in [0, 8, 40, 128, 256, MAX_FRAME_BYTES] {
            let names: Vec<String> =
                (0..2 * MAX_SERIES).map(|number| format!("{number:04}{}", "x".repeat(length))).collect();
            let parts: Vec<&str> =
                names.iter().take(if length > 1_000 { 2 } else { names.len() }).map(String::as_str).collect();
            let mut recorder = Recorder::default();
            let (schema, row) = take_all(&mut recorder, &parts);
            let (again, _) = take_all(&mut recorder, &parts);
            assert!(Arc::ptr_eq(&schema, &again) && schema.len() == row.values.len(), "{length}");
            assert!(schema.len() > 700 || length > 1_000, "{length}: {}", schema.len());
            let report = Report { number: u64::MAX, body: ReportBody::Schema { series: schema.as_ref().clone() } };
            assert!(encode(&report).is_ok(), "{length}");
        }
    }

    /// The longest name of a metric, with its parts.
    fn take_all(recorder: &mut Recorder, parts: &[&str]) -> (Arc<Vec<SeriesKey>>, Row) {
        let longest = names::ALL.iter().map(|(name, ..)| *name).max_by_key(|name| name.len()).expect("there are some");
        recorder.begin();
        for part in parts {
            recorder.record(longest, part, 0.5);
        }
        recorder.finish(7)
    }

    #[test]
    fn the_schema_changes_only_with_the_series() {
        let mut recorder = Recorder::default();
        let (first, row) = take(&mut recorder, &["", "0", "1"]);
        assert_eq!(row.values, [5_000; 3]);
        let (same, _) = take(&mut recorder, &["", "0", "1"]);
        assert!(Arc::ptr_eq(&first, &same));
        for parts in [&["", "1"][..], &["", "0", "1", "2"], &["x"], &[]] {
            let (schema, row) = take(&mut recorder, parts);
            assert_eq!(schema.iter().map(|key| key.part.as_str()).collect::<Vec<_>>(), parts);
            assert_eq!(row.values.len(), parts.len());
        }
    }
}
