//! Which lines an answer has, and what the cursor behind them says. Whoever reads on gets the oldest lines first, to miss none;
//! whoever looks gets the newest.

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

    /// Takes a line in; says whether it is new.
    fn take(&mut self, seen_at: &mut usize, before: Self, line: &LogLine) -> bool {
        if line.at_ms < before.at_ms {
            return false;
        }
        if line.at_ms == before.at_ms {
            *seen_at += 1;
            if *seen_at <= before.count {
                return false;
            }
        }
        if line.at_ms > self.at_ms {
            *self = Self { at_ms: line.at_ms, count: 1 };
        } else if line.at_ms == self.at_ms {
            self.count += 1;
        }
        true
    }
}

/// The lines of one container.
#[derive(Debug)]
pub(super) struct Page {
    start: Cursor,
    newest: Cursor,
    seen_at: usize,
    /// Each with the cursor behind it.
    lines: Vec<(LogLine, Cursor)>,
    /// How many there may be if the oldest come first. Otherwise all are taken, and the newest of them kept in the end.
    most: Option<usize>,
    room: usize,
    /// Whether there was a line that had no place any more.
    full: bool,
}

impl Page {
    pub(super) const fn new(start: Cursor, most: Option<usize>) -> Self {
        let room = match most {
            Some(most) => room(most),
            None => TEXT_BYTES,
        };
        Self { start, newest: start, seen_at: 0, lines: Vec::new(), most, room, full: false }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Takes a line in, unless it was read before or is not `wanted`; says whether there was room.
    pub(super) fn take(&mut self, line: LogLine, wanted: bool) -> bool {
        let (mut newest, mut seen_at) = (self.newest, self.seen_at);
        if newest.take(&mut seen_at, self.start, &line) && wanted {
            if let Some(most) = self.most {
                let fits = self.lines.len() < most && size(&line) <= self.room;
                if self.full || !(fits || self.lines.is_empty()) {
                    self.full = true;
                    return false;
                }
                self.room = self.room.saturating_sub(size(&line));
            }
            self.lines.push((line, newest));
        }
        (self.newest, self.seen_at) = (newest, seen_at);
        true
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
}

/// Joins pages that took all there was: the newest lines are kept.
pub(super) fn newest(pages: Vec<Page>, most: usize) -> Joined {
    let cursors = pages.iter().map(|page| page.newest).collect();
    let mut lines: Vec<LogLine> = pages.into_iter().flat_map(|page| page.lines).map(|(line, _)| line).collect();
    if !lines.is_sorted_by_key(|line| line.at_ms) {
        lines.sort_by_key(|line| line.at_ms);
    }
    let truncated = lines.len() - fit(&lines, most);
    lines.drain(..truncated);
    Joined { lines, truncated, cursors, more: false }
}

/// Joins pages whose oldest lines come first: what has no room is left to the next answer, and so is what is later than lines that
/// another page has left.
pub(super) fn oldest(pages: Vec<Page>, most: usize) -> Joined {
    let horizon =
        pages.iter().filter(|page| page.full).filter_map(|page| page.lines.last()).map(|(line, _)| line.at_ms);
    let horizon = horizon.min().unwrap_or(u64::MAX);
    let mut cursors: Vec<Cursor> = pages.iter().map(|page| page.start).collect();
    let read: Vec<Cursor> = pages.iter().map(|page| page.newest).collect();
    let mut more = pages.iter().any(|page| page.full);
    let mut heads: Vec<_> = pages.into_iter().map(|page| page.lines.into_iter().peekable()).collect();
    let (mut lines, mut room) = (Vec::new(), room(most));
    loop {
        // Each log keeps its own order, whatever its clock did.
        let heads_at = heads.iter_mut().enumerate().filter_map(|(place, head)| Some((head.peek()?.0.at_ms, place)));
        let Some((_, place)) = heads_at.min() else { break };
        let fits = |(line, _): &(LogLine, Cursor)| {
            lines.is_empty() || lines.len() < most && size(line) <= room && line.at_ms <= horizon
        };
        let Some((line, cursor)) = heads[place].next_if(fits) else { break };
        room = room.saturating_sub(size(&line));
        cursors[place] = cursor;
        lines.push(line);
    }
    for (place, head) in heads.iter_mut().enumerate() {
        match head.peek() {
            // Also what nobody wanted is read.
            None => cursors[place] = read[place],
            Some(_) => more = true,
        }
    }
    Joined { lines, truncated: 0, cursors, more }
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

    fn line(at_ms: u64) -> LogLine {
        LogLine { at_ms, stream: LogStream::Stdout, text: "x".repeat(100), service: None }
    }

    #[test]
    fn the_cursor_skips_what_was_read() {
        let start = Cursor::parse("5.2").expect("parses");
        let (mut newest, mut seen) = (start, 0);
        let fresh: Vec<_> =
            [4, 5, 5, 5, 6, 6].map(line).iter().map(|line| newest.take(&mut seen, start, line)).collect();
        assert_eq!(fresh, [false, false, false, true, true, true]);
        assert_eq!(newest.to_text(), "6.2");
        assert!(Cursor::parse("x").is_err());
    }

    #[test]
    fn the_newest_lines_fit() {
        let lines: Vec<_> = (0..500).map(line).collect();
        assert_eq!(fit(&lines, 10), 10);
        assert_eq!(fit(&lines, 500), TEXT_BYTES / 140);
        let huge = LogLine { text: "x".repeat(TEXT_BYTES), ..line(1) };
        assert_eq!(fit(&[huge], 5), 1);
    }

    /// Reads logs to their end, answer by answer.
    fn read_on(logs: &[Vec<LogLine>], wanted: impl Fn(&LogLine) -> bool) -> Vec<Vec<LogLine>> {
        let (mut cursors, mut answers) = (vec![START; logs.len()], Vec::new());
        loop {
            let pages = logs.iter().zip(&cursors).map(|(log, cursor)| {
                let mut page = Page::new(*cursor, Some(100));
                let _all = log.iter().all(|line| page.take(line.clone(), wanted(line)));
                page
            });
            let joined = oldest(pages.collect(), 100);
            assert!(joined.lines.len() <= TEXT_BYTES / 140);
            answers.push(joined.lines);
            cursors = joined.cursors;
            if !joined.more {
                return answers;
            }
        }
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
