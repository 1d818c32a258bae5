//! Finds the lines that fit an expression, a part of the spool at a time, off the dashboard's own task: a filter and a search.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use regex_lite::{Regex, RegexBuilder};

use super::{
    json::Said,
    spool::{Spool, Stretch},
};

/// Stretches of one part.
const PART_STRETCHES: usize = 16;
/// A part that takes longer is given back as far as it came.
const PART_TIME: Duration = Duration::from_millis(200);
/// What an expression may become; a line costs so much at the most.
const EXPRESSION_BYTES: usize = 64 << 10;

/// What lines are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Only lines that fit a regular expression are shown.
    Filter,
    /// Lines with a text are gone to.
    Search,
}

/// Lines that fit, as far as they were looked at.
#[derive(Debug, Default)]
pub(super) struct Sift {
    text: String,
    /// What the text stands for; absent while it is empty or malformed.
    regex: Option<Regex>,
    error: Option<String>,
    /// Numbers of lines, the oldest first.
    hits: VecDeque<u64>,
    /// The first line that was not looked at.
    next: u64,
    /// Whether a part is looked at right now.
    is_out: bool,
    /// Which part still counts.
    turn: u64,
}

/// Lines to be looked at.
#[derive(Debug)]
pub(crate) struct Part {
    purpose: Purpose,
    turn: u64,
    /// The number of the first line to look at.
    first: u64,
    /// They are unpacked where they are looked at. Each has the number of its first line.
    stretches: Vec<(u64, Stretch)>,
    /// Whether a JSON object counts as it is shown.
    json: bool,
    /// A line has to fit all of them.
    expressions: Vec<Regex>,
}

/// What came of a part.
#[derive(Debug)]
pub(crate) struct Sifted {
    pub(super) purpose: Purpose,
    turn: u64,
    /// The first line that was not looked at.
    next: u64,
    hits: Vec<u64>,
}

impl Part {
    /// Looks at the lines. Whatever the expression, the time it takes grows with their length and no faster.
    pub(crate) fn sift(self) -> Sifted {
        self.within(PART_TIME)
    }

    fn within(self, time: Duration) -> Sifted {
        let began = Instant::now();
        let (mut next, mut hits) = (self.first, Vec::new());
        'stretches: for (first, stretch) in self.stretches {
            let block = stretch.into_block();
            for line in block.texts(usize::try_from(next.saturating_sub(first)).unwrap_or(usize::MAX)) {
                let said = self.json.then(|| Said::of(line)).flatten().map(Said::in_one_row);
                let shown = said.as_deref().unwrap_or(line);
                if self.expressions.iter().all(|expression| expression.is_match(shown)) {
                    hits.push(next);
                }
                next += 1;
                if began.elapsed() >= time {
                    break 'stretches;
                }
            }
        }
        Sifted { purpose: self.purpose, turn: self.turn, next, hits }
    }
}

impl Sift {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) const fn regex(&self) -> Option<&Regex> {
        self.regex.as_ref()
    }

    /// What is wrong with the text.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    pub(super) const fn hits(&self) -> &VecDeque<u64> {
        &self.hits
    }

    /// Looks for something else, whatever its case.
    pub(super) fn set(&mut self, purpose: Purpose, text: String) {
        let pattern = match purpose {
            Purpose::Filter => text.clone(),
            Purpose::Search => regex_lite::escape(&text),
        };
        let built = RegexBuilder::new(&pattern).case_insensitive(true).size_limit(EXPRESSION_BYTES).build();
        (self.regex, self.error) = match built {
            _ if text.is_empty() => (None, None),
            Ok(regex) => (Some(regex), None),
            Err(error) => (None, Some(error.to_string())),
        };
        self.text = text;
        self.restart();
    }

    /// Looks at every line once more.
    pub(super) fn restart(&mut self) {
        self.hits.clear();
        self.next = 0;
        self.forget_part();
    }

    /// No longer waits for what comes of a part.
    pub(super) fn forget_part(&mut self) {
        self.is_out = false;
        self.turn += 1;
    }

    /// Follows the spool, whose oldest lines may be gone.
    pub(super) fn follow(&mut self, spool: &Spool) {
        self.hits.drain(..self.hits.partition_point(|hit| *hit < spool.gone()));
    }

    /// Whether every line was looked at, or nothing is looked for.
    pub(super) fn is_done(&self, spool: &Spool) -> bool {
        self.regex.is_none() || self.next >= spool.end()
    }

    /// The next lines to look at, unless some are out. They have to fit `filter` too.
    pub(super) fn part(&mut self, purpose: Purpose, filter: Option<&Regex>, json: bool, spool: &Spool) -> Option<Part> {
        let regex = self.regex.clone()?;
        if self.is_out || self.is_done(spool) {
            return None;
        }
        let first = self.next.max(spool.gone());
        self.is_out = true;
        let stretches = spool.stretches(first).take(PART_STRETCHES).collect();
        let expressions = [regex].into_iter().chain(filter.cloned()).collect();
        Some(Part { purpose, turn: self.turn, first, stretches, json, expressions })
    }

    /// Takes over what came of a part, if that still counts.
    pub(super) fn take(&mut self, sifted: Sifted, spool: &Spool) {
        if sifted.turn == self.turn {
            self.is_out = false;
            self.next = sifted.next;
            self.hits.extend(sifted.hits.into_iter().filter(|hit| *hit >= spool.gone()));
        }
    }

    /// The hit after a line, or the one before it; behind the last comes the first.
    pub(super) fn hit(&self, from: u64, forward: bool) -> Option<u64> {
        let place = if forward {
            self.hits.partition_point(|hit| *hit <= from) % self.hits.len().max(1)
        } else {
            let before = self.hits.partition_point(|hit| *hit < from);
            before.checked_sub(1).or(self.hits.len().checked_sub(1))?
        };
        self.hits.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use tomo_proto::model::app::{LogLine, LogStream};

    use super::*;

    fn spool(texts: &[&str]) -> Spool {
        let mut spool = Spool::default();
        take(&mut spool, texts);
        spool
    }

    fn take(spool: &mut Spool, texts: &[&str]) {
        let line =
            |text: &&str| LogLine { at_ms: 1, stream: LogStream::Stdout, text: (*text).to_owned(), service: None };
        spool.take(&texts.iter().map(line).collect::<Vec<_>>());
    }

    fn work(sift: &mut Sift, spool: &Spool) {
        while let Some(part) = sift.part(Purpose::Filter, None, false, spool) {
            sift.take(part.sift(), spool);
        }
    }

    #[test]
    fn old_and_new_lines_are_found_whatever_their_case() {
        let mut spool = spool(&["GET /", "other", "get /x"]);
        let mut sift = Sift::default();
        sift.set(Purpose::Filter, "^get /.?$".to_owned());
        assert!(!sift.is_done(&spool));
        work(&mut sift, &spool);
        assert_eq!(sift.hits(), &[0, 2]);
        take(&mut spool, &["none", "Get /y"]);
        let part = sift.part(Purpose::Filter, None, false, &spool).expect("there is more to look at");
        assert_eq!(part.first, 3, "only what is new");
        assert!(sift.part(Purpose::Filter, None, false, &spool).is_none(), "one part at a time");
        sift.take(part.sift(), &spool);
        assert_eq!(sift.hits(), &[0, 2, 4]);
        assert!(sift.is_done(&spool));
    }

    #[test]
    fn a_search_takes_its_text_as_it_is_and_stays_within_the_filter() {
        let spool = spool(&["a.b one", "axb two", "A.B two"]);
        let mut search = Sift::default();
        search.set(Purpose::Search, "a.b".to_owned());
        let filter = Regex::new("two").expect("is one");
        let part = search.part(Purpose::Search, Some(&filter), false, &spool).expect("there is something to look at");
        search.take(part.sift(), &spool);
        assert_eq!(search.hits(), &[2]);
    }

    #[test]
    fn an_object_is_looked_through_as_it_is_shown() {
        let spool = spool(&[r#"{"id":17,"msg":"entry"}"#, "entry id=17"]);
        let mut sift = Sift::default();
        sift.set(Purpose::Filter, "entry id=17$".to_owned());
        for (json, hits) in [(false, vec![1]), (true, vec![0, 1])] {
            sift.restart();
            let part = sift.part(Purpose::Filter, None, json, &spool).expect("there is something to look at");
            sift.take(part.sift(), &spool);
            assert_eq!(*sift.hits(), hits);
        }
    }

    #[test]
    fn what_came_too_late_does_not_count() {
        let spool = spool(&["a", "b"]);
        let mut sift = Sift::default();
        sift.set(Purpose::Filter, "a".to_owned());
        let late = sift.part(Purpose::Filter, None, false, &spool).expect("there is something to look at");
        sift.set(Purpose::Filter, "b".to_owned());
        sift.take(late.sift(), &spool);
        assert!(sift.hits().is_empty());
        work(&mut sift, &spool);
        assert_eq!(sift.hits(), &[1]);
    }

    #[test]
    fn a_malformed_or_monstrous_expression_is_told_and_finds_nothing() {
        let mut sift = Sift::default();
        for text in ["(a", "[", "a{2", "(a{900}){900}", "*"] {
            sift.set(Purpose::Filter, text.to_owned());
            assert!(sift.error().is_some() && sift.regex().is_none(), "{text}");
        }
        sift.set(Purpose::Search, "(a".to_owned());
        assert!(sift.error().is_none() && sift.regex().is_some(), "a search is no expression");
        sift.set(Purpose::Filter, String::new());
        assert!(sift.error().is_none() && sift.regex().is_none());
    }

    #[test]
    fn a_costly_expression_gives_back_how_far_it_came() {
        let spool = spool(&["one", "two", "one"]);
        let mut sift = Sift::default();
        sift.set(Purpose::Filter, "one".to_owned());
        for looked_at in 1..=3 {
            let part = sift.part(Purpose::Filter, None, false, &spool).expect("there is more to look at");
            sift.take(part.within(Duration::ZERO), &spool);
            assert_eq!(sift.next, looked_at, "a line at a time, where one takes all the time there is");
        }
        assert!(sift.is_done(&spool));
        assert_eq!(sift.hits(), &[0, 2]);
    }

    #[test]
    fn behind_the_last_hit_comes_the_first() {
        let spool = spool(&["x", "-", "x", "-", "x"]);
        let mut sift = Sift::default();
        assert_eq!(sift.hit(0, true), None);
        sift.set(Purpose::Search, "x".to_owned());
        work(&mut sift, &spool);
        assert_eq!([1, 2, 4].map(|from| sift.hit(from, true)), [Some(2), Some(4), Some(0)]);
        assert_eq!([3, 2, 0].map(|from| sift.hit(from, false)), [Some(2), Some(0), Some(4)]);
    }
}
