//! Series of a server as columns of a few hundred points.

use std::collections::BTreeMap;

use tomo_proto::{
    api::server::{SeriesPoints, SeriesSummary, ServerMetrics, ServerMetricsAnswer},
    error::ErrorCode,
    model::metric::{SeriesKey, names},
};

use crate::services::{Handle, Services, access::Authorized, error::ServiceError, lookup, span};

const POINTS: u64 = 60;
const POINTS_MAX: u64 = 400;
const SERIES_MAX: usize = 64;
const HOUR_MS: u64 = 3_600_000;
const DEFAULTS: [&str; 3] = [names::CPU, names::MEMORY_USED, names::LOAD1];

/// Sum, number and highest of one step.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    sum: f64,
    count: u32,
    max: f64,
}

#[derive(Debug)]
struct Column {
    key: SeriesKey,
    buckets: Vec<Bucket>,
    values: Vec<f64>,
}

/// Whether a wanted name (`metric`, `metric/part` or `metric/*`) means a series.
fn fits(wanted: &str, key: &SeriesKey) -> bool {
    match wanted.split_once('/') {
        None => key.metric == wanted && key.part.is_empty(),
        Some((metric, "*")) => key.metric == metric,
        // A mount's own name begins with the slash that divides: fs_used/ is the root, fs_used/home is /home.
        Some((metric, part)) => key.metric == metric && (key.part == part || key.part.strip_prefix('/') == Some(part)),
    }
}

impl Handle<ServerMetrics> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, ServerMetrics>,
        request: ServerMetrics,
    ) -> Result<ServerMetricsAnswer, ServiceError> {
        let now_ms = self.context.clock.now_ms();
        let server = self.context.store.read(|view| {
            let server = lookup::server(view, &caller, &request.server)?;
            if let Some(app) = &request.app {
                lookup::app(view, &caller, &format!("{}/{app}", server.name))
                    .map_err(|error| error.with_field("app"))?;
            }
            Ok::<_, ServiceError>(server)
        })?;
        let since = request.since.as_deref().map(|text| span::parse(text, "since", now_ms)).transpose()?;
        let until =
            request.until.as_deref().map(|text| span::parse(text, "until", now_ms)).transpose()?.unwrap_or(now_ms);
        let from = since.unwrap_or_else(|| until.saturating_sub(HOUR_MS));
        let invalid = |field: &str, message: String| ServiceError::new(ErrorCode::Invalid, message).with_field(field);
        if from >= until {
            return Err(invalid("since", "since lies after until".to_owned()));
        }
        let range_ms = until - from;
        let least_ms = (range_ms.div_ceil(POINTS_MAX)).max(1).div_ceil(1_000) * 1_000;
        let step_ms = match request.step {
            Some(0) => return Err(invalid("step", "step is at least 1 second".to_owned())),
            Some(step) => (u64::from(step) * 1_000).max(least_ms),
            None => (range_ms / POINTS).div_ceil(1_000).max(1) * 1_000,
        };
        // Steps begin at whole multiples, so that the same sample falls into the same step again.
        let start_ms = from - from % step_ms;
        let count = usize::try_from((until - start_ms) / step_ms + 1)
            .unwrap_or(0)
            .min(usize::try_from(POINTS_MAX).unwrap_or(400) + 1);
        let wanted: Vec<String> = if request.metrics.is_empty() {
            match &request.app {
                Some(app) => names::ALL
                    .iter()
                    .filter(|known| known.0.starts_with("container_"))
                    .map(|known| format!("{}/tomo-{app}", known.0))
                    .collect(),
                None => DEFAULTS.map(str::to_owned).into(),
            }
        } else {
            request.metrics.clone()
        };
        for name in &wanted {
            let metric = name.split('/').next().unwrap_or_default();
            if !names::ALL.iter().any(|known| known.0 == metric) {
                let known = names::ALL.iter().map(|known| known.0);
                let usual = format!("server_metrics {{\"server\":\"{}\"}}", server.name);
                return Err(lookup::not_found("metric", metric, known, &usual).with_field("metrics"));
            }
        }
        let container = request.app.as_ref().map(|app| format!("tomo-{app}"));
        let (store, id) = (self.context.store.clone(), server.id);
        let read = tokio::task::spawn_blocking(move || store.samples(id, start_ms, until));
        let failed = |error| ServiceError::new(ErrorCode::Internal, "reading samples failed").with_source(error);
        let blocks = read.await.map_err(failed)??;
        let mut columns: BTreeMap<(String, String), Column> = BTreeMap::new();
        for (schema, rows) in blocks {
            let chosen = schema.iter().enumerate().filter(|(_, key)| {
                wanted.iter().any(|name| fits(name, key))
                    && container.as_ref().is_none_or(|container| key.part == *container)
            });
            for (place, key) in chosen {
                let name = (key.metric.clone(), key.part.clone());
                if columns.len() == SERIES_MAX && !columns.contains_key(&name) {
                    continue;
                }
                let column = columns.entry(name).or_insert_with(|| Column {
                    key: key.clone(),
                    buckets: vec![Bucket::default(); count],
                    values: Vec::new(),
                });
                for row in &rows {
                    let Some(value) = row.values.get(place).and_then(|stored| key.decode(*stored)) else { continue };
                    let at = usize::try_from((row.at_ms.saturating_sub(start_ms)) / step_ms).unwrap_or(usize::MAX);
                    let Some(bucket) = column.buckets.get_mut(at) else { continue };
                    bucket.max = if bucket.count == 0 { value } else { bucket.max.max(value) };
                    bucket.sum += value;
                    bucket.count += 1;
                    column.values.push(value);
                }
            }
        }
        let interval_ms = u64::from(self.context.settings()?.sample_interval_secs) * 1_000;
        let bridged = usize::try_from(interval_ms * 3 / 2 / step_ms).unwrap_or(usize::MAX);
        let series = columns.into_values().map(|mut column| {
            bridge(&mut column.buckets, bridged);
            points(column)
        });
        Ok(ServerMetricsAnswer { start_ms, step_ms, series: series.collect() })
    }
}

/// Steps shorter than the interval of sampling leave empty ones between two samples: those take the sample before. Two samples
/// that lie further apart than `most` steps have a gap between them, and it stays one.
fn bridge(buckets: &mut [Bucket], most: usize) {
    let mut before = None;
    for at in 0..buckets.len() {
        if buckets[at].count == 0 {
            continue;
        }
        if let Some(before) = before.filter(|before| at - before <= most) {
            let held = buckets[before];
            buckets[before + 1..at].fill(held);
        }
        before = Some(at);
    }
}

fn points(mut column: Column) -> SeriesPoints {
    let several = column.buckets.iter().any(|bucket| bucket.count > 1);
    let measured = |bucket: &Bucket, value: f64| (bucket.count > 0).then(|| round(value));
    let avg =
        column.buckets.iter().map(|bucket| measured(bucket, bucket.sum / f64::from(bucket.count.max(1)))).collect();
    let max =
        if several { column.buckets.iter().map(|bucket| measured(bucket, bucket.max)).collect() } else { Vec::new() };
    let last = column.values.last().copied();
    column.values.sort_by(f64::total_cmp);
    let summary = last.map(|last| {
        let values = &column.values;
        let place = (values.len() * 95).div_ceil(100).saturating_sub(1);
        let total: f64 = values.iter().sum();
        let number = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
        SeriesSummary {
            min: round(values.first().copied().unwrap_or(last)),
            avg: round(total / number),
            max: round(values.last().copied().unwrap_or(last)),
            p95: round(values.get(place).copied().unwrap_or(last)),
            last: round(last),
        }
    });
    SeriesPoints { metric: column.key.metric, part: column.key.part, unit: column.key.unit, avg, max, summary }
}

/// Four decimals are more than anybody reads.
fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_series() {
        let key = |metric: &str, part: &str| SeriesKey::new(metric, part);
        for (wanted, key, expected) in [
            ("cpu", key("cpu", ""), true),
            ("cpu", key("cpu", "0"), false),
            ("cpu/0", key("cpu", "0"), true),
            ("cpu/*", key("cpu", "3"), true),
            ("fs_used/", key("fs_used", "/"), true),
            ("fs_used/home", key("fs_used", "/home"), true),
            ("net_rx/eth0", key("net_tx", "eth0"), false),
        ] {
            assert_eq!(fits(wanted, &key), expected, "{wanted} {key:?}");
        }
    }

    #[test]
    fn a_step_shorter_than_the_interval_is_no_gap() {
        let mut buckets = [0, 2, 0, 0, 1, 0, 0, 0, 0, 3, 0].map(|count| Bucket { count, ..Bucket::default() });
        bridge(&mut buckets, 3);
        assert_eq!(buckets.map(|bucket| bucket.count), [0, 2, 2, 2, 1, 0, 0, 0, 0, 3, 0]);
    }

    #[test]
    fn a_column_keeps_gaps_and_spikes() {
        let bucket = |values: &[f64]| Bucket {
            sum: values.iter().sum(),
            count: u32::try_from(values.len()).expect("few"),
            max: values.iter().copied().fold(0.0, f64::max),
        };
        let buckets = vec![bucket(&[1.0, 9.0]), bucket(&[]), bucket(&[2.0])];
        let points = points(Column { key: SeriesKey::new("cpu", ""), buckets, values: vec![1.0, 9.0, 2.0] });
        assert_eq!(points.avg, [Some(5.0), None, Some(2.0)]);
        assert_eq!(points.max, [Some(9.0), None, Some(2.0)]);
        let summary = points.summary.expect("has samples");
        assert_eq!((summary.min, summary.avg, summary.max, summary.p95, summary.last), (1.0, 4.0, 9.0, 9.0, 2.0));
    }
}
