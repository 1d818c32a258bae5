//! The lines of a log in one buffer, within bounds: when it is full the oldest give way. Knows neither screen nor daemon.

use std::collections::VecDeque;

use tomo_proto::{
    model::app::{LogLine, LogStream},
    text::display_line,
};
use unicode_width::UnicodeWidthStr as _;

/// Lines it holds.
pub(super) const LINES: usize = 1_000_000;
/// Text it holds, with a byte for each line's end.
pub(super) const TEXT_BYTES: usize = 8 << 20;
/// Text of lines that gave way, before the rest is moved to the front.
const SLACK_BYTES: usize = 1 << 20;
/// Characters of a line; agents cut theirs to as many bytes.
const LINE_CHARS: usize = 16 << 10;
/// Characters of a service's name.
const NAME_CHARS: usize = 20;

/// Where a line begins, and what is known of it: twelve bytes, for there may be a million.
#[derive(Debug, Clone, Copy)]
struct Start {
    /// Counted from the first byte there ever was; it wraps around.
    at: u32,
    /// Its place among the services, from 1 on; 0 for none.
    service: u8,
    kind: Kind,
    /// The lower bytes of a time (UTC ms), which are good for 8,900 years.
    at_ms: [u8; 6],
}

impl Start {
    fn at_ms(self) -> u64 {
        let [a, b, c, d, e, f] = self.at_ms;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It went to standard output,
    Output,
    /// or to standard error.
    Error,
    /// No line of the log: a word of ours about it.
    Mark,
}

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spooled<'a> {
    /// When it was written (UTC ms); 0 if nobody said.
    pub(super) at_ms: u64,
    /// Which service of an app has written it, where several are read as one log: its place among them and its name.
    pub(super) service: Option<(usize, &'a str)>,
    pub(super) kind: Kind,
    /// Safe to show.
    pub(super) text: &'a str,
}

/// The lines, numbered from the first one there ever was.
#[derive(Debug, Clone, Default)]
pub(super) struct Spool {
    /// Each line with a line feed behind it.
    text: String,
    /// What `Start::at` counts for the first byte of `text`.
    base: u32,
    starts: VecDeque<Start>,
    gone: u64,
    services: Vec<String>,
}

#[cfg(test)]
thread_local! {
    /// How often a line was got: what a frame costs.
    pub(super) static GOT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl Spool {
    /// Lines that are there.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Lines that gave way: the number of the first one that is there.
    pub(super) const fn gone(&self) -> u64 {
        self.gone
    }

    /// The number that the next line gets.
    pub(super) fn end(&self) -> u64 {
        self.gone + u64::try_from(self.starts.len()).unwrap_or(u64::MAX)
    }

    /// The line of a number.
    pub(super) fn get(&self, number: u64) -> Option<Spooled<'_>> {
        #[cfg(test)]
        GOT.set(GOT.get() + 1);
        let place = usize::try_from(number.checked_sub(self.gone)?).ok()?;
        let start = self.starts.get(place)?;
        let to = self.starts.get(place + 1).map_or(self.text.len(), |next| self.offset(*next));
        let text = self.text.get(self.offset(*start)..to)?.strip_suffix('\n')?;
        let service = usize::from(start.service).checked_sub(1);
        let service = service.and_then(|place| Some((place, self.services.get(place)?.as_str())));
        Some(Spooled { at_ms: start.at_ms(), service, kind: start.kind, text })
    }

    /// Columns of the widest name of a service.
    pub(super) fn service_width(&self) -> usize {
        self.services.iter().map(|name| name.width()).max().unwrap_or(0)
    }

    /// Takes newer lines in.
    pub(super) fn take(&mut self, lines: &[LogLine]) {
        for line in lines {
            let service = line.service.as_deref().map_or(0, |name| self.place_of(name));
            let kind = if line.stream == LogStream::Stderr { Kind::Error } else { Kind::Output };
            // The agent made it safe; a screen is worth a second look.
            self.push(kind, service, line.at_ms, &display_line(&line.text, LINE_CHARS));
        }
        self.let_go();
    }

    /// Says something between the lines.
    pub(super) fn mark(&mut self, text: &str) {
        self.push(Kind::Mark, 0, 0, text);
    }

    fn push(&mut self, kind: Kind, service: u8, at_ms: u64, text: &str) {
        let at = self.base.wrapping_add(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        let [a, b, c, d, e, f, ..] = at_ms.to_le_bytes();
        self.starts.push_back(Start { at, service, kind, at_ms: [a, b, c, d, e, f] });
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn place_of(&mut self, service: &str) -> u8 {
        let name = display_line(service, NAME_CHARS);
        let place = self.services.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.services.push(name);
            self.services.len() - 1
        });
        u8::try_from(place + 1).unwrap_or(0)
    }

    /// The text of the lines from a number on, as many as have room: one at least, each with a line feed behind it.
    pub(super) fn part(&self, first: u64, bytes: usize) -> &str {
        let place = usize::try_from(first.saturating_sub(self.gone)).unwrap_or(usize::MAX);
        let offset_of = |place: usize| self.starts.get(place).map_or(self.text.len(), |start| self.offset(*start));
        let start = offset_of(place);
        let mut after = place.saturating_add(1);
        while after < self.starts.len() && offset_of(after + 1) - start <= bytes {
            after += 1;
        }
        &self.text[start..offset_of(after)]
    }

    fn offset(&self, start: Start) -> usize {
        usize::try_from(start.at.wrapping_sub(self.base)).unwrap_or(usize::MAX)
    }

    /// Where the text of the lines that are there begins.
    fn head(&self) -> usize {
        self.starts.front().map_or(self.text.len(), |first| self.offset(*first))
    }

    fn let_go(&mut self) {
        while self.starts.len() > LINES || self.text.len() - self.head() > TEXT_BYTES {
            self.starts.pop_front();
            self.gone += 1;
        }
        let head = self.head();
        if head > SLACK_BYTES {
            self.text.drain(..head);
            self.base = self.base.wrapping_add(u32::try_from(head).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at_ms: u64, text: &str) -> LogLine {
        LogLine { at_ms, stream: LogStream::Stdout, text: text.to_owned(), service: None }
    }

    fn shown(spool: &Spool) -> Vec<String> {
        let lines = (spool.gone()..spool.end()).filter_map(|number| spool.get(number));
        lines.map(|line| line.text.to_owned()).collect()
    }

    #[test]
    fn text_and_lines_are_bounded_and_the_oldest_go() {
        let mut spool = Spool::default();
        let long = "x".repeat(16_000);
        for round in 0..20 {
            spool.take(&(0..100).map(|number| line(round * 100 + number, &long)).collect::<Vec<_>>());
        }
        assert!(spool.text.len() <= TEXT_BYTES + SLACK_BYTES, "{}", spool.text.len());
        assert_eq!((spool.end(), spool.len()), (2_000, TEXT_BYTES / 16_001));
        assert_eq!(spool.get(1_999).map(|line| line.at_ms), Some(1_999));
        assert_eq!((spool.get(spool.gone() - 1), spool.get(2_000)), (None, None));

        let mut spool = Spool::default();
        let batch = vec![line(0, "y"); 100_000];
        for _ in 0..11 {
            spool.take(&batch);
        }
        assert_eq!((spool.len(), spool.gone()), (LINES, 100_000));
    }

    #[test]
    fn a_part_has_as_many_lines_as_fit_and_one_at_least() {
        let mut spool = Spool::default();
        spool.take(&[line(1, "one"), line(2, "two"), line(3, "three")]);
        for (first, bytes, text) in
            [(0, 8, "one\ntwo\n"), (0, 7, "one\n"), (1, 0, "two\n"), (1, 100, "two\nthree\n"), (3, 100, "")]
        {
            assert_eq!(spool.part(first, bytes), text, "{bytes} from {first}");
        }
    }

    #[test]
    fn a_line_costs_little_and_keeps_its_time() {
        assert_eq!(size_of::<Start>(), 12);
        let mut spool = Spool::default();
        spool.take(&[line(0, "x"), line(1_800_000_000_123, "x")]);
        assert_eq!([0, 1].map(|number| spool.get(number).map(|line| line.at_ms)), [Some(0), Some(1_800_000_000_123)]);
    }

    #[test]
    fn positions_may_wrap_around() {
        let mut spool = Spool { base: u32::MAX - 5, ..Spool::default() };
        spool.take(&[line(1, "before"), line(2, "across"), line(3, "behind")]);
        assert_eq!(shown(&spool), ["before", "across", "behind"]);
    }

    #[test]
    fn a_line_knows_its_service() {
        let mut spool = Spool::default();
        let by = |service: &str| LogLine { service: Some(service.to_owned()), ..line(1, "x") };
        spool.take(&[by("web"), by("store"), by("web"), line(1, "x")]);
        let services: Vec<_> = (0..4).map(|number| spool.get(number).and_then(|line| line.service)).collect();
        assert_eq!(services, [Some((0, "web")), Some((1, "store")), Some((0, "web")), None]);
        assert_eq!(spool.service_width(), 5);
        spool.take(&(0..300).map(|number| by(&number.to_string())).collect::<Vec<_>>());
        assert_eq!(spool.get(303).and_then(|line| line.service), None, "nobody has so many");
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_kept() {
        let mut spool = Spool::default();
        spool.take(&[line(1, "\u{1b}[31mred\u{202e}\nnext")]);
        assert_eq!(shown(&spool), ["rednext"]);
    }
}
