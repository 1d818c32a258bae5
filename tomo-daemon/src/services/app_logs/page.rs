//! Which lines an answer has, and what the cursor behind them says. Whoever reads on gets the oldest lines first, to miss none;
//! whoever looks gets the newest.

use std::collections::VecDeque;

use tomo_proto::{error::ErrorCode, model::app::LogLine};

use crate::services::error::ServiceError;

/// Text of one answer.
const TEXT_BYTES: usize = 12_000;
/// The same for each line that whoever reads on asks for, where that makes more.
const LINE_BYTES: usize = 120;

/// What was read of one container's log: time of the newest line, and how many lines had that very time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) at_ms: u64,
    pub(super) count: usize,
}

impl Cursor {
    pub(super) fn parse(text: &str) -> Result<Self, ServiceError> {
        let parse = || {
            let (at_ms, count) = text.split_once('.')?;
            Some(Self { at_ms: at_ms.parse().ok()?, count: count.parse().ok()? })
        };
        parse().ok_or_else(|| {
            ServiceError::new(ErrorCode::Invalid, "the cursor is not one of ours: give back next_cursor as it came")
                .with_field("cursor")
        })
    }

    pub(super) fn to_text(self) -> String {
        format!("{}.{}", self.at_ms, self.count)
    }

    /// Goes behind a line.
    fn pass(&mut self, line: &LogLine) {
        if line.at_ms > self.at_ms {
            *self = Self { at_ms: line.at_ms, count: 1 };
        } else if line.at_ms == self.at_ms {
            self.count += 1;
        }
    }
}

/// What tells new lines from those before a cursor, in a log that is read anew from about there.
#[derive(Debug)]
struct Seen {
    before: Cursor,
    /// Lines of the cursor's very time that came again.
    count: usize,
}

impl Seen {
    /// Whether a line is new.
    fn is_new(&mut self, line: &LogLine) -> bool {
        if line.at_ms == self.before.at_ms {
            self.count += 1;
            return self.count > self.before.count;
        }
        line.at_ms > self.before.at_ms
    }

    /// Takes the last look back, for the line comes again.
    const fn forget(&mut self, line: &LogLine) {
        if line.at_ms == self.before.at_ms {
            self.count -= 1;
        }
    }

    /// Whether lines behind the cursor are missing: newer ones came, but not those that it counts.
    const fn misses(&self, line: &LogLine) -> bool {
        line.at_ms > self.before.at_ms && self.count < self.before.count
    }
}

/// The lines of one container.
#[derive(Debug)]
pub(super) struct Page {
    start: Cursor,
    newest: Cursor,
    seen: Seen,
    /// Each with the cursor behind it.
    lines: VecDeque<(LogLine, Cursor)>,
    /// How many there may be if the oldest come first. Otherwise all are taken, and the newest of them kept in the end.
    most: Option<usize>,
    room: usize,
    /// Whether there was a line that had no place any more.
    full: bool,
    /// Whether lines between the cursor and these were skipped, or are gone.
    skipped: bool,
}

impl Page {
    /// One that stands behind a cursor; [`Self::turn`] begins its first answer.
    pub(super) fn new(start: Cursor) -> Self {
        let seen = Seen { before: start, count: 0 };
        Self { start, newest: start, seen, lines: VecDeque::new(), most: None, room: 0, full: false, skipped: false }
    }

    /// The log is read anew from about where it stands.
    pub(super) const fn read_again(&mut self) {
        self.seen = Seen { before: self.newest, count: 0 };
    }

    /// Begins the next answer, with what the one before had no room for.
    pub(super) fn turn(&mut self, most: Option<usize>) {
        let taken = self.lines.iter().map(|(line, _)| size(line)).sum();
        self.most = most;
        self.room = most.map_or(TEXT_BYTES, room).saturating_sub(taken);
        (self.full, self.skipped) = (false, false);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) const fn is_full(&self) -> bool {
        self.full
    }

    pub(super) const fn newest(&self) -> Cursor {
        self.newest
    }

    /// Takes a line in, unless it was read before or is not `wanted`; gives it back if there is no room.
    pub(super) fn take(&mut self, line: LogLine, wanted: bool) -> Result<(), LogLine> {
        if !self.seen.is_new(&line) {
            return Ok(());
        }
        if wanted && let Some(most) = self.most {
            let fits = self.lines.len() < most && size(&line) <= self.room;
            if self.full || !(fits || self.lines.is_empty()) {
                self.full = true;
                self.seen.forget(&line);
                return Err(line);
            }
            self.room = self.room.saturating_sub(size(&line));
        }
        // The first new line tells.
        self.skipped |= self.newest == self.seen.before && self.seen.misses(&line);
        self.newest.pass(&line);
        if wanted {
            self.lines.push_back((line, self.newest));
        }
        Ok(())
    }
}

/// The lines of an answer, by time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) lines: Vec<LogLine>,
    /// Lines that were left out for good.
    pub(super) truncated: usize,
    /// What was read of each container.
    pub(super) cursors: Vec<Cursor>,
    /// Whether lines wait for the next answer.
    pub(super) more: bool,
    /// Whether lines before these were skipped, or are gone.
    pub(super) skipped: bool,
}

/// Joins pages that took all there was: the newest lines are kept.
pub(super) fn newest(pages: &mut [&mut Page], most: usize) -> Joined {
    let cursors = pages.iter().map(|page| page.newest).collect();
    let mut lines: Vec<LogLine> =
        pages.iter_mut().flat_map(|page| page.lines.drain(..)).map(|(line, _)| line).collect();
    if !lines.is_sorted_by_key(|line| line.at_ms) {
        lines.sort_by_key(|line| line.at_ms);
    }
    let truncated = lines.len() - fit(&lines, most);
    lines.drain(..truncated);
    Joined { lines, truncated, cursors, more: false, skipped: false }
}

/// Joins pages whose oldest lines come first: what has no room stays in them for the next answer, and so does what is later than lines
/// that another page has left.
pub(super) fn oldest(pages: &mut [&mut Page], most: usize) -> Joined {
    let horizon =
        pages.iter().filter(|page| page.full).filter_map(|page| page.lines.back()).map(|(line, _)| line.at_ms);
    let horizon = horizon.min().unwrap_or(u64::MAX);
    let (mut lines, mut room) = (Vec::new(), room(most));
    loop {
        // Each log keeps its own order, whatever its clock did.
        let heads_at = pages.iter().enumerate().filter_map(|(place, page)| Some((page.lines.front()?.0.at_ms, place)));
        let Some((_, place)) = heads_at.min() else { break };
        let fits = |(line, _): &mut (LogLine, Cursor)| {
            lines.is_empty() || lines.len() < most && size(line) <= room && line.at_ms <= horizon
        };
        let page = &mut pages[place];
        let Some((line, cursor)) = page.lines.pop_front_if(fits) else { break };
        room = room.saturating_sub(size(&line));
        page.start = cursor;
        lines.push(line);
    }
    for page in pages.iter_mut().filter(|page| page.lines.is_empty()) {
        // Also what nobody wanted is read.
        page.start = page.newest;
    }
    let more = pages.iter().any(|page| page.full || !page.lines.is_empty());
    let skipped = pages.iter().any(|page| page.skipped);
    Joined { lines, truncated: 0, cursors: pages.iter().map(|page| page.start).collect(), more, skipped }
}

/// Text of an answer to whoever reads on, with so many lines at the most.
const fn room(most: usize) -> usize {
    let asked = most.saturating_mul(LINE_BYTES);
    if asked > TEXT_BYTES { asked } else { TEXT_BYTES }
}

/// What a line takes of an answer.
fn size(line: &LogLine) -> usize {
    line.text.len() + 40
}

/// How many of the newest lines fit an answer.
fn fit(lines: &[LogLine], most: usize) -> usize {
    let mut room = TEXT_BYTES;
    let fits = |line: &&LogLine| {
        let left = room.checked_sub(size(line));
        room = left.unwrap_or(room);
        left.is_some()
    };
    lines.iter().rev().take(most).take_while(fits).count().max(usize::from(!lines.is_empty()))
}

#[cfg(test)]
mod tests {
    use tomo_proto::model::app::LogStream;

    use super::*;

    const START: Cursor = Cursor { at_ms: 5, count: 0 };

    /// A page of an answer of 100 lines at the most.
    fn page(start: Cursor) -> Page {
        let mut page = Page::new(start);
        page.turn(Some(100));
        page
    }

    fn line(at_ms: u64) -> LogLine {
        LogLine { at_ms, stream: LogStream::Stdout, text: "x".repeat(100), service: None }
    }

    #[test]
    fn the_cursor_skips_what_was_read() {
        let start = Cursor::parse("5.2").expect("parses");
        let mut page = page(start);
        for at_ms in [4, 5, 5, 5, 6, 6] {
            assert_eq!(page.take(line(at_ms), true), Ok(()));
        }
        let joined = oldest(&mut [&mut page], 100);
        assert_eq!(joined.lines, [5, 6, 6].map(line));
        assert_eq!((joined.cursors[0].to_text().as_str(), joined.skipped, joined.more), ("6.2", false, false));
        assert!(Cursor::parse("x").is_err());
    }

    #[test]
    fn lines_that_are_missing_behind_the_cursor_are_told_of_once() {
        let start = Cursor { at_ms: 5, count: 2 };
        for (came, skipped) in
            [(&[5, 5, 6][..], false), (&[4, 5, 5, 7], false), (&[5, 6], true), (&[7, 8], true), (&[], false)]
        {
            let mut page = page(start);
            let give = |page: &mut Page| came.iter().all(|at_ms| page.take(line(*at_ms), true).is_ok());
            assert!(give(&mut page));
            assert_eq!(oldest(&mut [&mut page], 100).skipped, skipped, "{came:?}");
            page.turn(Some(100));
            assert_eq!(page.take(line(9), true), Ok(()));
            // Where nothing came at first, this one tells.
            assert_eq!(oldest(&mut [&mut page], 100).skipped, came.is_empty(), "{came:?}");
        }
        let mut page = page(START);
        assert_eq!(page.take(line(9), true), Ok(()));
        assert!(!oldest(&mut [&mut page], 100).skipped, "nothing had been read");
    }

    #[test]
    fn the_newest_lines_fit() {
        let lines: Vec<_> = (0..500).map(line).collect();
        assert_eq!(fit(&lines, 10), 10);
        assert_eq!(fit(&lines, 500), TEXT_BYTES / 140);
        let huge = LogLine { text: "x".repeat(TEXT_BYTES), ..line(1) };
        assert_eq!(fit(&[huge], 5), 1);
    }

    /// Reads logs to their end, answer by answer: each anew from the cursors, or going on where the one before had come to.
    fn read_on(logs: &[Vec<LogLine>], wanted: impl Fn(&LogLine) -> bool) -> Vec<Vec<LogLine>> {
        let (mut cursors, mut anew) = (vec![START; logs.len()], Vec::new());
        loop {
            let pages = logs.iter().zip(&cursors).map(|(log, cursor)| {
                let mut page = page(*cursor);
                let _all = log.iter().all(|line| page.take(line.clone(), wanted(line)).is_ok());
                page
            });
            let mut pages: Vec<_> = pages.collect();
            let joined = oldest(&mut pages.iter_mut().collect::<Vec<_>>(), 100);
            assert!(joined.lines.len() <= TEXT_BYTES / 140 && !joined.skipped);
            anew.push(joined.lines);
            cursors = joined.cursors;
            if !joined.more {
                break;
            }
        }
        let mut pages: Vec<_> = logs.iter().map(|log| (page(START), VecDeque::from(log.clone()))).collect();
        let mut on = Vec::new();
        loop {
            for (page, log) in &mut pages {
                page.turn(Some(100));
                while let Some(line) = log.pop_front() {
                    let is_wanted = wanted(&line);
                    if let Err(line) = page.take(line, is_wanted) {
                        log.push_front(line);
                        break;
                    }
                }
            }
            let joined = oldest(&mut pages.iter_mut().map(|(page, _)| page).collect::<Vec<_>>(), 100);
            assert!(joined.lines.len() <= TEXT_BYTES / 140 && !joined.skipped);
            on.push(joined.lines);
            if !joined.more {
                assert_eq!(joined.cursors, cursors);
                break;
            }
        }
        assert_eq!(on.concat(), anew.concat());
        on
    }

    #[test]
    fn whoever_reads_on_gets_every_line_once() {
        // Many lines of one and the same time, as a busy program writes them, and a clock that goes back.
        let mut log: Vec<_> = (0..500).map(|number| line(5 + number / 200)).collect();
        log.extend([9, 8, 9].map(line));
        let read = read_on(std::slice::from_ref(&log), |_| true);
        assert_eq!(read.len(), log.len().div_ceil(TEXT_BYTES / 140));
        assert_eq!(read.concat(), log);
        let huge = LogLine { text: "x".repeat(TEXT_BYTES + 1), ..line(6) };
        let log = vec![line(5), huge.clone(), huge, line(7)];
        assert_eq!(read_on(std::slice::from_ref(&log), |_| true).concat(), log, "one that is too long comes alone");
        assert_eq!(read_on(&[log], |line| line.at_ms == 7).concat(), [line(7)]);
    }

    #[test]
    fn several_logs_are_one_by_time_across_answers() {
        let by = |service: &str, at_ms| LogLine { service: Some(service.to_owned()), ..line(at_ms) };
        let busy: Vec<_> = (0..500).map(|number| by("busy", 10 + number)).collect();
        let calm: Vec<_> = [5, 100, 300, 600].map(|at_ms| by("calm", at_ms)).into();
        let read = read_on(&[busy.clone(), calm.clone()], |_| true).concat();
        let mut expected = [busy, calm].concat();
        expected.sort_by_key(|line| line.at_ms);
        assert_eq!(read, expected);
    }
}
