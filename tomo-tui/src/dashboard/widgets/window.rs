//! The time a chart shows, cut into cells. It ends at a multiple of a cell's duration, so it moves by whole cells.

use jiff::{Timestamp, tz::TimeZone};

/// The time a plot shows, in cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    cells: u16,
    cell_ms: i128,
    /// End of the last cell: a multiple of the cell's duration.
    pub(super) end: i128,
}

impl Window {
    pub(super) fn new(end_ms: u64, span_ms: u64, cells: u16) -> Self {
        let cell_ms = span_ms.div_ceil(u64::from(cells.max(1))).max(1);
        let end = u128::from(end_ms).div_ceil(u128::from(cell_ms)) * u128::from(cell_ms);
        Self { cells, cell_ms: i128::from(cell_ms), end: i128::try_from(end).unwrap_or_default() }
    }

    pub(super) fn start_of(self, cell: usize) -> i128 {
        self.end - (i128::from(self.cells) - cell as i128) * self.cell_ms
    }

    pub(super) fn cell_at(self, at_ms: u64) -> Option<usize> {
        let place = (i128::from(at_ms) - self.start_of(0)).div_euclid(self.cell_ms);
        usize::try_from(place).ok().filter(|place| *place < usize::from(self.cells))
    }

    /// From when to when a column goes, with `per_cell` of them in a cell.
    pub(super) fn column(self, column: usize, per_cell: usize) -> (i128, i128) {
        let edge = |column: usize| {
            let part = (column % per_cell) as i128 * self.cell_ms / per_cell as i128;
            self.start_of(column / per_cell) + part
        };
        (edge(column), edge(column + 1))
    }

    /// Round local times and the cells they fall into.
    pub(super) fn labels(self, zone: &TimeZone) -> Vec<(usize, String)> {
        const SECOND: i128 = 1_000;
        const MINUTE: i128 = 60 * SECOND;
        const HOUR: i128 = 60 * MINUTE;
        const DAY: i128 = 24 * HOUR;
        const STEPS: [i128; 22] = [
            SECOND,
            5 * SECOND,
            10 * SECOND,
            15 * SECOND,
            30 * SECOND,
            MINUTE,
            2 * MINUTE,
            5 * MINUTE,
            10 * MINUTE,
            15 * MINUTE,
            30 * MINUTE,
            HOUR,
            2 * HOUR,
            3 * HOUR,
            6 * HOUR,
            12 * HOUR,
            DAY,
            2 * DAY,
            5 * DAY,
            10 * DAY,
            30 * DAY,
            100 * DAY,
        ];
        let room = |step: i128| if step < MINUTE { 10 } else { 9 };
        let Some(step) = STEPS.into_iter().find(|step| *step >= self.cell_ms * room(*step)) else { return Vec::new() };
        let offset = timestamp(self.end).map_or(0, |end| i128::from(zone.to_offset(end).seconds()) * SECOND);
        let mut labels = Vec::new();
        let mut local = (self.start_of(0) + offset).div_euclid(step) * step;
        while local - offset < self.end {
            let at = local - offset;
            let format = match step {
                _ if step < MINUTE => "%H:%M:%S",
                _ if local.rem_euclid(DAY) == 0 && step >= HOUR => "%b %d",
                _ => "%H:%M",
            };
            if let (Some(cell), Some(text)) =
                (u64::try_from(at).ok().and_then(|at| self.cell_at(at)), time_text(at, zone, format))
            {
                labels.push((cell, text));
            }
            local += step;
        }
        labels
    }
}

fn timestamp(at_ms: i128) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()
}

pub(super) fn time_text(at_ms: i128, zone: &TimeZone, format: &str) -> Option<String> {
    Some(timestamp(at_ms)?.to_zoned(zone.clone()).strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_by_whole_cells() {
        let (first, same, next) =
            (Window::new(100_500, 20_000, 10), Window::new(102_000, 20_000, 10), Window::new(102_001, 20_000, 10));
        assert_eq!((first.start_of(0), first.end), (82_000, 102_000));
        assert_eq!(same.end, first.end);
        assert_eq!(next.end, 104_000);
        assert_eq!((first.cell_at(82_000), first.cell_at(101_999), first.cell_at(102_000)), (Some(0), Some(9), None));
        assert_eq!(first.column(1, 2), (83_000, 84_000));
    }

    #[test]
    fn labels_are_round_local_times() {
        let day = 20_000 * 86_400_000_u64;
        let shown = |end: u64, span: u64, zone: &TimeZone| {
            let labels = Window::new(end, span, 50).labels(zone).into_iter();
            labels.map(|(cell, text)| format!("{cell} {text}")).collect::<Vec<_>>()
        };
        let utc = TimeZone::UTC;
        assert_eq!(shown(day + 60_000, 60_000, &utc), ["0 00:00:00", "12 00:00:15", "25 00:00:30", "37 00:00:45"]);
        assert_eq!(shown(day + 7_200_000, 6 * 3_600_000, &utc), ["16 22:00", "33 Oct 04", "49 02:00"]);
        let kathmandu = TimeZone::fixed(jiff::tz::offset(5).saturating_add(jiff::Span::new().minutes(45)));
        assert_eq!(shown(day, 3_600_000, &kathmandu)[..2], ["0 04:45", "12 05:00"]);
        assert!(shown(u64::MAX, u64::MAX, &utc).is_empty());
    }
}
