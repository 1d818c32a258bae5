//! Puts values into a row, and keeps the schema as long as the same series come in the same order.

use std::sync::Arc;

use tomo_proto::{
    model::metric::SeriesKey,
    wire::report::{MAX_SERIES, Row},
};

#[derive(Debug, Default)]
pub(super) struct Recorder {
    schema: Arc<Vec<SeriesKey>>,
    /// The new schema, from the first series on that did not fit the old one.
    fresh: Option<Vec<SeriesKey>>,
    values: Vec<i64>,
}

impl Recorder {
    pub(super) fn begin(&mut self) {
        self.values.clear();
        self.fresh = None;
    }

    /// Adds one value; what is not finite counts as not measured.
    pub(super) fn record(&mut self, metric: &str, part: &str, value: f64) {
        let at = self.values.len();
        if at == MAX_SERIES {
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
    use super::*;

    fn take(recorder: &mut Recorder, parts: &[&str]) -> (Arc<Vec<SeriesKey>>, Row) {
        recorder.begin();
        for part in parts {
            recorder.record("cpu", part, 0.5);
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
