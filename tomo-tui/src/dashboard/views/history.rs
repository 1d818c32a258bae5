//! The points that charts of a server, or of a container on it, draw: fetched, then followed live.

use std::collections::VecDeque;

use tomo_proto::{
    api::server::ServerMetricsAnswer,
    model::{metric::names, server::Vitals},
};

/// A host that nobody watches is sampled this often at the most seldom; a shorter gap is none.
const SHORT_GAP_MS: u64 = 15_000;

pub(crate) const CPU: usize = 0;
pub(crate) const MEMORY: usize = 1;
pub(crate) const SWAP: usize = 2;
pub(crate) const RX: usize = 3;
pub(crate) const TX: usize = 4;
pub(crate) const READ: usize = 5;
pub(crate) const WRITE: usize = 6;
/// The series of a host.
pub(crate) const OF_HOST: [&str; 7] = [
    names::CPU,
    names::MEMORY_USED,
    names::SWAP_USED,
    names::NET_RX,
    names::NET_TX,
    names::DISK_READ,
    names::DISK_WRITE,
];

/// The same of a container; what it swaps out is not measured.
pub(crate) const OF_CONTAINER: [&str; 7] = [
    names::CONTAINER_CPU,
    names::CONTAINER_MEMORY,
    "",
    names::CONTAINER_RX,
    names::CONTAINER_TX,
    names::CONTAINER_READ,
    names::CONTAINER_WRITE,
];

/// The points that the charts draw.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) start_ms: u64,
    pub(crate) step_ms: u64,
    pub(crate) avg: [VecDeque<Option<f64>>; OF_HOST.len()],
    pub(crate) max: [VecDeque<Option<f64>>; OF_HOST.len()],
}

impl History {
    /// The host's own.
    pub(crate) fn of(answer: ServerMetricsAnswer) -> Self {
        Self::read(answer, &OF_HOST, "")
    }

    /// A container's.
    pub(crate) fn of_container(answer: ServerMetricsAnswer, name: &str) -> Self {
        Self::read(answer, &OF_CONTAINER, name)
    }

    fn read(answer: ServerMetricsAnswer, metrics: &[&str; OF_HOST.len()], part: &str) -> Self {
        let mut history = Self { start_ms: answer.start_ms, step_ms: answer.step_ms.max(1), ..Self::default() };
        for series in answer.series {
            let place = metrics.iter().position(|metric| *metric == series.metric);
            let Some(place) = place.filter(|_| series.part == part) else { continue };
            let max = if series.max.is_empty() { series.avg.clone() } else { series.max };
            history.avg[place] = bridge(series.avg, history.step_ms).into();
            history.max[place] = bridge(max, history.step_ms).into();
        }
        history
    }

    /// A series, mean and peak.
    pub(crate) fn points(&self, series: usize) -> [Vec<Option<f64>>; 2] {
        [&self.avg, &self.max].map(|points| points[series].iter().copied().collect())
    }

    /// Series added up, mean and peak, on a grid of time that begins no later than they do.
    pub(crate) fn sums(&self, parts: &[usize], start_ms: u64, step_ms: u64) -> [Vec<Option<f64>>; 2] {
        let before = usize::try_from(self.start_ms.saturating_sub(start_ms) / step_ms.max(1)).unwrap_or(usize::MAX);
        [&self.avg, &self.max].map(|points| {
            let count = parts.iter().map(|part| points[*part].len()).max().unwrap_or(0);
            let sum = |place: usize| {
                let values = parts.iter().filter_map(|part| points[*part].get(place).copied().flatten());
                values.reduce(|sum, value| sum + value)
            };
            // Never more than a few windows of it: a server whose clock is far off has nothing to show here.
            std::iter::repeat_n(None, before.min(4_000)).chain((0..count).map(sum)).collect()
        })
    }

    /// Adds the newest figures, and lets go what is older than the span.
    pub(crate) fn push(&mut self, vitals: &Vitals, span_ms: u64) {
        if self.step_ms == 0 {
            return;
        }
        let Some(age_ms) = vitals.at_ms.checked_sub(self.start_ms) else { return };
        let Ok(place) = usize::try_from(age_ms / self.step_ms) else { return };
        // A clock that has jumped far ahead would fill the memory with gaps: the next fetch sets it right.
        if place > 4_000 {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a few digits are drawn")]
        let values = [
            vitals.cpu_ratio,
            vitals.memory_used_bytes as f64,
            vitals.swap_used_bytes as f64,
            vitals.rx_bytes_per_sec as f64,
            vitals.tx_bytes_per_sec as f64,
            vitals.disk_read_bytes_per_sec as f64,
            vitals.disk_write_bytes_per_sec as f64,
        ];
        let short = short_gap(self.step_ms);
        for (series, value) in values.into_iter().enumerate() {
            for points in [&mut self.avg[series], &mut self.max[series]] {
                points.resize(points.len().max(place + 1), None);
                // What was fetched ends with the present, and not with its last sample.
                let from = place.saturating_sub(short);
                if let Some(last) = points.range(from..place).rposition(Option::is_some) {
                    let value = points[from + last];
                    points.range_mut(from + last..place).for_each(|point| *point = value);
                }
            }
            self.avg[series][place] = Some(value);
            let before = self.max[series][place];
            self.max[series][place] = Some(before.map_or(value, |before| before.max(value)));
        }
        let keep = usize::try_from(span_ms / self.step_ms).unwrap_or(usize::MAX).saturating_add(2);
        while self.avg[CPU].len() > keep {
            for points in self.avg.iter_mut().chain(&mut self.max) {
                points.pop_front();
            }
            self.start_ms += self.step_ms;
        }
    }
}

/// Steps from one value to the next that are no gap.
fn short_gap(step_ms: u64) -> usize {
    usize::try_from(SHORT_GAP_MS / step_ms).unwrap_or(0)
}

/// Carries a value over gaps that only mean "not sampled in this step".
fn bridge(mut points: Vec<Option<f64>>, step_ms: u64) -> Vec<Option<f64>> {
    let short = short_gap(step_ms);
    let mut last: Option<usize> = None;
    for place in 0..points.len() {
        if points[place].is_none() {
            continue;
        }
        if let Some(before) = last.filter(|before| place - before <= short) {
            let value = points[before];
            points[before + 1..place].fill(value);
        }
        last = Some(place);
    }
    points
}

#[cfg(test)]
mod tests {
    use tomo_proto::api::server::SeriesPoints;

    use super::*;

    fn vitals(at_ms: u64, cpu: f64) -> Vitals {
        Vitals { at_ms, cpu_ratio: cpu, ..Vitals::default() }
    }

    #[test]
    fn a_short_gap_is_bridged_and_a_long_one_stays() {
        let points = vec![Some(1.0), None, None, Some(2.0), None, None, None, None, Some(3.0)];
        let bridged = bridge(points, 5_000);
        assert_eq!(bridged[..4], [Some(1.0), Some(1.0), Some(1.0), Some(2.0)]);
        assert_eq!(bridged[4..8], [None; 4]);
    }

    #[test]
    fn live_figures_extend_the_history_and_the_oldest_go() {
        let mut history = History { start_ms: 10_000, step_ms: 1_000, ..History::default() };
        history.push(&vitals(10_500, 0.1), 5_000);
        history.push(&vitals(11_500, 0.2), 5_000);
        history.push(&vitals(11_900, 0.1), 5_000);
        assert_eq!(history.avg[CPU], [Some(0.1), Some(0.1)]);
        assert_eq!(history.max[CPU], [Some(0.1), Some(0.2)], "a spike stays");
        history.push(&vitals(40_000, 0.3), 5_000);
        assert_eq!((history.avg[CPU].len(), history.avg[CPU].back()), (7, Some(&Some(0.3))));
        assert_eq!(history.start_ms, 34_000);
        assert!(history.avg[CPU].iter().take(6).all(Option::is_none), "an outage is a gap");
        history.push(&vitals(u64::MAX, 0.3), 5_000);
        history.push(&vitals(0, 0.3), 5_000);
        assert_eq!(history.avg[CPU].len(), 7);
    }

    #[test]
    fn series_are_added_up_on_a_common_grid() {
        let mut history = History { start_ms: 12_000, step_ms: 1_000, ..History::default() };
        history.avg[RX] = [Some(1.0), None, Some(3.0)].into();
        history.avg[TX] = [Some(10.0), None].into();
        let [sums, peaks] = history.sums(&[RX, TX], 10_000, 1_000);
        assert_eq!(sums, [None, None, Some(11.0), None, Some(3.0)]);
        assert_eq!(peaks, [None, None]);
    }

    #[test]
    fn live_figures_follow_a_history_that_was_sampled_less_often() {
        let sampled = [Some(0.1)].into_iter().chain([None; 9]).cycle().take(20).collect();
        let series = SeriesPoints { metric: names::CPU.to_owned(), avg: sampled, ..SeriesPoints::default() };
        let mut history = History::of(ServerMetricsAnswer { start_ms: 0, step_ms: 1_000, series: vec![series] });
        history.push(&vitals(21_000, 0.2), 60_000);
        assert_eq!(history.avg[CPU].len(), 22);
        assert!(history.avg[CPU].iter().all(Option::is_some), "{:?}", history.avg[CPU]);
    }
}
