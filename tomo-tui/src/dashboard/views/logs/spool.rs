//! The lines of a log within bounds: when there are too many, the oldest give way. All but the newest are packed a block at a time, for
//! logs repeat themselves; those that are looked at are unpacked for a while. Knows neither screen nor daemon.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    sync::Arc,
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use tomo_proto::{
    model::app::{LogLine, LogStream},
    text::display_line,
};
use unicode_width::UnicodeWidthStr as _;

/// Lines it holds.
pub(super) const LINES: usize = 1_000_000;
/// Memory that packed lines take.
const PACKED_BYTES: usize = 8 << 20;
/// Text and heads of the lines that are packed together.
const BLOCK_BYTES: usize = 16 << 10;
/// Blocks that stay unpacked: a screen of which each line comes from a block of its own has to find them again.
const UNPACKED: usize = 64;
/// Characters of a line; agents cut theirs to as many bytes.
const LINE_CHARS: usize = 16 << 10;
/// Characters of a service's name.
const NAME_CHARS: usize = 20;

/// What is known of a line besides its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    /// UTC ms.
    at_ms: u64,
    /// Where its text ends in its block.
    end: u32,
    /// Its place among the services, from 1 on; 0 for none.
    service: u8,
    kind: Kind,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spooled {
    /// When it was written (UTC ms); 0 if nobody said.
    pub(super) at_ms: u64,
    /// Which service of an app has written it, where several are read as one log: its place among them and its name.
    pub(super) service: Option<(usize, String)>,
    pub(super) kind: Kind,
    /// Safe to show.
    pub(super) text: String,
}

/// Lines that came after each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Block {
    heads: Vec<Head>,
    text: String,
}

impl Block {
    fn push(&mut self, kind: Kind, service: u8, at_ms: u64, text: &str) {
        self.text.push_str(text);
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.heads.push(Head { at_ms, end, service, kind });
    }

    fn bytes(&self) -> usize {
        self.text.len() + size_of_val(self.heads.as_slice())
    }

    fn text(&self, place: usize) -> Option<&str> {
        let start = place.checked_sub(1).map_or(0, |before| self.heads[before].end);
        let end = self.heads.get(place)?.end;
        self.text.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    /// What its lines say, from a place on.
    pub(super) fn texts(&self, first: usize) -> impl Iterator<Item = &str> {
        (first..self.heads.len()).filter_map(|place| self.text(place))
    }

    /// Times as steps, for these are alike, and each kind of figure on its own.
    fn pack(&self) -> io::Result<Vec<u8>> {
        let mut out = DeflateEncoder::new(Vec::new(), Compression::fast());
        let mut before = 0;
        for head in &self.heads {
            out.write_all(&head.at_ms.wrapping_sub(before).to_le_bytes())?;
            before = head.at_ms;
        }
        let mut before = 0;
        for head in &self.heads {
            out.write_all(&(head.end - before).to_le_bytes())?;
            before = head.end;
        }
        for head in &self.heads {
            out.write_all(&[head.service, head.kind as u8])?;
        }
        out.write_all(self.text.as_bytes())?;
        let mut packed = out.finish()?;
        packed.shrink_to_fit();
        Ok(packed)
    }

    fn unpack(lines: usize, packed: &[u8]) -> io::Result<Self> {
        let mut input = DeflateDecoder::new(packed);
        let mut heads = vec![Head { at_ms: 0, end: 0, service: 0, kind: Kind::Output }; lines];
        let mut before = 0_u64;
        for head in &mut heads {
            let mut step = [0; 8];
            input.read_exact(&mut step)?;
            before = before.wrapping_add(u64::from_le_bytes(step));
            head.at_ms = before;
        }
        let mut before = 0_u32;
        for head in &mut heads {
            let mut length = [0; 4];
            input.read_exact(&mut length)?;
            before = before.wrapping_add(u32::from_le_bytes(length));
            head.end = before;
        }
        for head in &mut heads {
            let mut both = [0; 2];
            input.read_exact(&mut both)?;
            head.service = both[0];
            head.kind = [Kind::Output, Kind::Error, Kind::Mark][usize::from(both[1].min(2))];
        }
        let mut text = String::new();
        input.read_to_string(&mut text)?;
        Ok(Self { heads, text })
    }
}

/// A block that takes little memory.
#[derive(Debug)]
pub(super) struct Packed {
    /// The number of its first line.
    first: u64,
    lines: usize,
    bytes: Vec<u8>,
}

impl Packed {
    fn end(&self) -> u64 {
        self.first + u64::try_from(self.lines).unwrap_or(u64::MAX)
    }

    fn unpack(&self) -> Block {
        // It was packed here: what comes out is what went in.
        Block::unpack(self.lines, &self.bytes).unwrap_or_default()
    }
}

/// Some lines to be looked through elsewhere.
#[derive(Debug)]
pub(super) enum Stretch {
    Packed(Arc<Packed>),
    Open(Block),
}

impl Stretch {
    pub(super) fn into_block(self) -> Block {
        match self {
            Self::Packed(packed) => packed.unpack(),
            Self::Open(block) => block,
        }
    }
}

/// The lines, numbered from the first one there ever was.
#[derive(Debug, Clone, Default)]
pub(super) struct Spool {
    packed: VecDeque<Arc<Packed>>,
    packed_bytes: usize,
    /// The newest lines,
    open: Block,
    /// and the number of the first of them.
    open_first: u64,
    /// Lines that gave way; the others of their block are still there.
    gone: u64,
    services: Vec<String>,
    /// By the number of their first line, the one that was looked at last behind the others.
    unpacked: RefCell<VecDeque<(u64, Block)>>,
}

#[cfg(test)]
thread_local! {
    /// How often a line was got: what a frame costs.
    pub(super) static GOT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl Spool {
    /// Lines that are there.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.end() - self.gone).unwrap_or(usize::MAX)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lines that gave way: the number of the first one that is there.
    pub(super) const fn gone(&self) -> u64 {
        self.gone
    }

    /// The number that the next line gets.
    pub(super) fn end(&self) -> u64 {
        self.open_first + u64::try_from(self.open.heads.len()).unwrap_or(u64::MAX)
    }

    fn packed_with(&self, number: u64) -> Option<&Arc<Packed>> {
        self.packed.get(self.packed.partition_point(|packed| packed.end() <= number))
    }

    /// The line of a number.
    pub(super) fn get(&self, number: u64) -> Option<Spooled> {
        #[cfg(test)]
        GOT.set(GOT.get() + 1);
        if number < self.gone {
            return None;
        }
        let Some(packed) = self.packed_with(number) else {
            return self.line(&self.open, number.checked_sub(self.open_first)?);
        };
        let mut unpacked = self.unpacked.borrow_mut();
        let known = unpacked.iter().position(|(first, _)| *first == packed.first);
        let block = known.and_then(|place| unpacked.remove(place)).unwrap_or_else(|| (packed.first, packed.unpack()));
        while unpacked.len() >= UNPACKED {
            unpacked.pop_front();
        }
        unpacked.push_back(block);
        self.line(&unpacked.back()?.1, number - packed.first)
    }

    fn line(&self, block: &Block, place: u64) -> Option<Spooled> {
        let place = usize::try_from(place).ok()?;
        let head = block.heads.get(place)?;
        let service = usize::from(head.service).checked_sub(1);
        let service = service.and_then(|place| Some((place, self.services.get(place)?.clone())));
        Some(Spooled { at_ms: head.at_ms, service, kind: head.kind, text: block.text(place)?.to_owned() })
    }

    /// All lines from the block of a number on, with the number of each block's first.
    pub(super) fn stretches(&self, number: u64) -> impl Iterator<Item = (u64, Stretch)> {
        let before = self.packed.partition_point(|packed| packed.end() <= number);
        let packed = self.packed.range(before..).map(|packed| (packed.first, Stretch::Packed(Arc::clone(packed))));
        packed.chain(std::iter::once_with(|| (self.open_first, Stretch::Open(self.open.clone()))))
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
    }

    /// Says something between the lines.
    pub(super) fn mark(&mut self, text: &str) {
        self.push(Kind::Mark, 0, 0, text);
    }

    fn push(&mut self, kind: Kind, service: u8, at_ms: u64, text: &str) {
        self.open.push(kind, service, at_ms, text);
        if self.open.bytes() >= BLOCK_BYTES {
            let (first, end, block) = (self.open_first, self.end(), std::mem::take(&mut self.open));
            // Memory takes everything.
            let bytes = block.pack().unwrap_or_default();
            self.packed_bytes += bytes.len();
            self.packed.push_back(Arc::new(Packed { first, lines: block.heads.len(), bytes }));
            self.open_first = end;
        }
        self.let_go();
    }

    fn place_of(&mut self, service: &str) -> u8 {
        let name = display_line(service, NAME_CHARS);
        let place = self.services.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.services.push(name);
            self.services.len() - 1
        });
        u8::try_from(place + 1).unwrap_or(0)
    }

    fn let_go(&mut self) {
        self.gone = self.gone.max(self.end().saturating_sub(u64::try_from(LINES).unwrap_or(u64::MAX)));
        while let Some(oldest) = self.packed.front()
            && (oldest.end() <= self.gone || self.packed_bytes > PACKED_BYTES)
        {
            self.gone = self.gone.max(oldest.end());
            self.packed_bytes -= oldest.bytes.len();
            self.packed.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// A text that no packing makes smaller than half.
    fn noise(seed: u64, letters: usize) -> String {
        let mut state = seed + 1;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b' ' + u8::try_from((state >> 33) % 95).unwrap_or(0))
        };
        std::iter::repeat_with(next).take(letters).collect()
    }

    fn line(at_ms: u64, text: &str) -> LogLine {
        LogLine { at_ms, stream: LogStream::Stdout, text: text.to_owned(), service: None }
    }

    fn shown(spool: &Spool) -> Vec<String> {
        let lines = (spool.gone()..spool.end()).filter_map(|number| spool.get(number));
        lines.map(|line| line.text).collect()
    }

    #[test]
    fn text_and_lines_are_bounded_and_the_oldest_go() {
        let mut spool = Spool::default();
        for number in 0..700 {
            spool.take(&[line(number, &noise(number, 16_000))]);
        }
        assert!(
            (PACKED_BYTES - 2 * BLOCK_BYTES..=PACKED_BYTES).contains(&spool.packed_bytes),
            "{}",
            spool.packed_bytes
        );
        assert_eq!(spool.end(), 700);
        assert_eq!(spool.get(699).map(|line| line.at_ms), Some(699));
        assert_eq!((spool.get(spool.gone() - 1), spool.get(700)), (None, None));
        let oldest = spool.gone();
        assert_eq!(spool.get(oldest).map(|line| line.text), Some(noise(oldest, 16_000)));

        let mut spool = Spool::default();
        let batch = vec![line(0, "y"); 100_000];
        for _ in 0..11 {
            spool.take(&batch);
        }
        assert_eq!((spool.len(), spool.gone()), (LINES, 100_000));
    }

    proptest! {
        #[test]
        fn lines_come_out_as_they_went_in(
            lines in vec((any::<u64>(), "[ -~\u{c0}-\u{17f}]{0,40}", any::<bool>(), 0..3_u8), 0..40),
            times in 1..20_usize,
        ) {
            let (mut spool, mut all) = (Spool::default(), Vec::new());
            for round in 0..times {
                let taken = lines.iter().map(|(at_ms, text, is_error, service)| LogLine {
                    at_ms: *at_ms,
                    stream: if *is_error { LogStream::Stderr } else { LogStream::Stdout },
                    text: text.repeat(round),
                    service: (*service > 0).then(|| format!("service-{service}")),
                });
                let taken: Vec<LogLine> = taken.collect();
                spool.take(&taken);
                all.extend(taken);
            }
            prop_assert_eq!(spool.len(), all.len());
            for (number, line) in (0..).zip(&all) {
                let got = spool.get(number).expect("it is there");
                let kind = if line.stream == LogStream::Stderr { Kind::Error } else { Kind::Output };
                let service = got.service.map(|(_, name)| name);
                let shown = display_line(&line.text, LINE_CHARS);
                prop_assert_eq!((got.at_ms, got.kind, got.text, service), (line.at_ms, kind, shown, line.service.clone()));
            }
            let texts = spool.stretches(0).flat_map(|(_, stretch)| {
                stretch.into_block().texts(0).map(str::to_owned).collect::<Vec<_>>()
            });
            prop_assert_eq!(texts.count(), all.len());
        }
    }

    #[test]
    fn lines_of_a_web_server_take_little() {
        let mut spool = Spool::default();
        let batch = |round: u64| {
            (0..1_000).map(move |number| {
                let number = round * 1_000 + number;
                let text = format!(
                    "10.0.{}.7 \"GET /items/{number} HTTP/1.1\" 200 {} 0.0{}",
                    number % 9,
                    number * 7 % 9_000,
                    number % 97
                );
                line(1_800_000_000_000 + number * 13, &text)
            })
        };
        for round in 0..100 {
            spool.take(&batch(round).collect::<Vec<_>>());
        }
        assert!(spool.packed_bytes < 12 * spool.len(), "{} bytes of {} lines", spool.packed_bytes, spool.len());
        assert_eq!(spool.get(23_456).map(|line| line.at_ms), Some(1_800_000_000_000 + 23_456 * 13));
    }

    #[test]
    fn screens_whose_lines_lie_apart_unpack_each_block_once() {
        let mut spool = Spool::default();
        spool.take(&(0..60_000).map(|number| line(number, "something is said here")).collect::<Vec<_>>());
        for number in (0..60_000).step_by(1_000).chain((0..60_000).step_by(1_000)) {
            assert_eq!(spool.get(number).map(|line| line.at_ms), Some(number));
        }
        assert!(spool.unpacked.borrow().len() <= UNPACKED);
    }

    #[test]
    fn a_line_knows_its_service() {
        let mut spool = Spool::default();
        let by = |service: &str| LogLine { service: Some(service.to_owned()), ..line(1, "x") };
        spool.take(&[by("web"), by("store"), by("web"), line(1, "x")]);
        let services: Vec<_> = (0..4).map(|number| spool.get(number).and_then(|line| line.service)).collect();
        let [web, store] = [(0, "web".to_owned()), (1, "store".to_owned())].map(Some);
        assert_eq!(services, [web.clone(), store, web, None]);
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
