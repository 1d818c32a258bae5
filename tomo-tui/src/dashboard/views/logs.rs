//! A log, followed. Its text lies in a bounded spool; only what is in sight is laid out.

mod draw;
mod layout;
mod spool;

use std::{cell::Cell, collections::VecDeque};

use tomo_proto::{api::app::AppLogsAnswer, model::app::LogLine};

use crate::dashboard::{action::Action, effect::Effect};
use layout::Look;
use spool::Spool;

/// Whose log it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogOf {
    /// An app's, by its id.
    App(String),
    /// A container's that is no app's.
    Container { server: String, container: String },
}

/// From where on a log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogFrom {
    /// Some of its newest lines.
    Newest,
    /// All of the last minutes, oldest first.
    Minutes(u16),
    /// What comes after an answer.
    Cursor(String),
}

/// Which answer belongs to what a view shows now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    view: u64,
    /// How often the view had begun anew.
    turn: u32,
}

/// The view of one log.
#[derive(Debug)]
pub(crate) struct LogsView {
    pub(crate) of: LogOf,
    pub(crate) name: String,
    asked: Asked,
    /// The time that is shown, in minutes back from when that was chosen; absent for the newest lines.
    minutes: Option<u16>,
    spool: Spool,
    look: Look,
    cursor: Option<String>,
    waiting: bool,
    paused: bool,
    ended: bool,
    error: Option<String>,
    filter: String,
    /// The filter in lower case.
    wanted: String,
    /// Numbers of the lines that fit the filter; absent while there is none.
    fitting: Option<VecDeque<u64>>,
    /// Shown lines below the one at the bottom of the screen; 0 follows.
    below: usize,
    height: Cell<usize>,
}

impl LogsView {
    /// `number` tells its answers from those of other views.
    pub(crate) fn new(of: LogOf, name: String, number: u64) -> Box<Self> {
        Box::new(Self {
            of,
            name,
            asked: Asked { view: number, turn: 0 },
            minutes: None,
            spool: Spool::default(),
            look: Look { wrap: true, times: false },
            cursor: None,
            waiting: false,
            paused: false,
            ended: false,
            error: None,
            filter: String::new(),
            wanted: String::new(),
            fitting: None,
            below: 0,
            height: Cell::new(10),
        })
    }

    /// What an answer has to carry to be taken.
    #[cfg(test)]
    pub(crate) fn asked(&self) -> Asked {
        self.asked
    }

    /// Whether an answer is for what is shown now.
    pub(crate) fn has_asked(&self, asked: Asked) -> bool {
        self.asked == asked
    }

    /// Forgets the lines and begins anew, at a time or with the newest ones.
    fn begin(&mut self, minutes: Option<u16>) -> Option<Effect> {
        self.asked.turn += 1;
        self.minutes = minutes;
        self.spool = Spool::default();
        (self.cursor, self.error) = (None, None);
        (self.waiting, self.ended, self.paused) = (false, false, false);
        self.below = 0;
        self.fitting = self.fitting.take().map(|_| VecDeque::new());
        self.resume()
    }

    pub(crate) fn filter(&self) -> &str {
        &self.filter
    }

    pub(crate) fn set_filter(&mut self, filter: String) {
        self.wanted = filter.to_lowercase();
        self.filter = filter;
        self.below = 0;
        self.fitting = (!self.wanted.is_empty()).then(VecDeque::new);
        self.sift(self.spool.gone());
    }

    /// Looks for lines that fit the filter, from this number on.
    fn sift(&mut self, from: u64) {
        let Some(fitting) = &mut self.fitting else { return };
        let fits =
            |number: &u64| self.spool.get(*number).is_some_and(|line| line.text.to_lowercase().contains(&self.wanted));
        fitting.extend((from..self.spool.end()).filter(fits));
        while fitting.front().is_some_and(|number| *number < self.spool.gone()) {
            fitting.pop_front();
        }
    }

    /// Asks for what comes next, unless that was asked for already.
    pub(crate) fn resume(&mut self) -> Option<Effect> {
        if self.waiting || self.paused {
            return None;
        }
        self.waiting = true;
        let from = match (&self.cursor, self.minutes) {
            (Some(cursor), _) => LogFrom::Cursor(cursor.clone()),
            (None, Some(minutes)) => LogFrom::Minutes(minutes),
            (None, None) => LogFrom::Newest,
        };
        Some(Effect::Logs { asked: self.asked, of: self.of.clone(), from })
    }

    /// Takes new lines over and asks for more.
    pub(crate) fn take(&mut self, answer: AppLogsAnswer) -> Option<Effect> {
        self.waiting = false;
        self.error = None;
        self.cursor = Some(answer.next_cursor);
        self.ended = answer.ended;
        self.spool_lines(&answer.lines);
        if self.ended { None } else { self.resume() }
    }

    fn spool_lines(&mut self, lines: &[LogLine]) {
        let at_bottom = self.number_at((self.shown() - self.below).saturating_sub(1));
        let end = self.spool.end();
        self.spool.take(lines);
        self.sift(end);
        // Whoever has scrolled up stays where they are, as long as that is still there.
        if let (1.., Some(number)) = (self.below, at_bottom) {
            self.below = (self.shown() - self.place_behind(number)).min(self.shown().saturating_sub(1));
        }
    }

    pub(crate) fn failed(&mut self, message: String) {
        self.waiting = false;
        self.error = Some(message);
    }

    /// Lines that fit the filter.
    fn shown(&self) -> usize {
        self.fitting.as_ref().map_or(self.spool.len(), VecDeque::len)
    }

    /// The number of the shown line at a place, counted from the oldest.
    fn number_at(&self, place: usize) -> Option<u64> {
        match &self.fitting {
            Some(fitting) => fitting.get(place).copied(),
            None => Some(self.spool.gone() + u64::try_from(place).ok()?),
        }
    }

    /// How many shown lines there are up to a number, with that one.
    fn place_behind(&self, number: u64) -> usize {
        match &self.fitting {
            Some(fitting) => fitting.partition_point(|fits| *fits <= number),
            None => usize::try_from((number + 1).saturating_sub(self.spool.gone())).unwrap_or(usize::MAX),
        }
    }

    pub(crate) fn act(&mut self, action: Action) -> (bool, Option<Effect>) {
        let page = self.height.get().max(2) - 1;
        let most = self.shown().saturating_sub(1);
        self.below = match action {
            Action::Up => self.below + 1,
            Action::Down => self.below.saturating_sub(1),
            Action::HalfPageUp => self.below + page / 2,
            Action::HalfPageDown => self.below.saturating_sub(page / 2),
            Action::PageUp => self.below + page,
            Action::PageDown => self.below.saturating_sub(page),
            Action::Top => most,
            Action::Bottom => 0,
            Action::LogTail => return (true, self.begin(None)),
            Action::LogMinutes(minutes) => return (true, self.begin(Some(minutes))),
            Action::LogWrap => {
                self.look.wrap = !self.look.wrap;
                return (true, None);
            }
            Action::LogTimes => {
                self.look.times = !self.look.times;
                return (true, None);
            }
            Action::LogPause => {
                self.paused = !self.paused;
                return (true, self.resume());
            }
            Action::Refresh => return (true, self.resume()),
            _ => return (false, None),
        }
        .min(most);
        (true, None)
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{buffer::Buffer, layout::Rect};
    use tomo_proto::model::app::LogStream;

    use super::{spool::LINES, *};
    use crate::dashboard::{
        canvas::{Canvas, HitMap},
        theme::{Depth, Glyphs, Theme},
    };

    fn view() -> Box<LogsView> {
        LogsView::new(LogOf::App("app".to_owned()), "app".to_owned(), 1)
    }

    fn line(text: &str) -> LogLine {
        LogLine { at_ms: 0, stream: LogStream::Stdout, text: text.to_owned(), service: None }
    }

    fn answer(lines: Vec<LogLine>) -> AppLogsAnswer {
        AppLogsAnswer { lines, next_cursor: "1.1".to_owned(), ..AppLogsAnswer::default() }
    }

    fn numbered(count: usize) -> AppLogsAnswer {
        answer((0..count).map(|number| line(&number.to_string())).collect())
    }

    fn screen(view: &LogsView, width: u16, height: u16) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let (mut buffer, mut hits) = (Buffer::empty(area), HitMap::default());
        let theme = Theme::new(Depth::True, Glyphs::Braille);
        view.draw(&mut Canvas { buffer: &mut buffer, theme: &theme, hits: &mut hits, now_ms: 0, cursor: None }, area);
        let rows = buffer.content().chunks(usize::from(width));
        rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()).collect()
    }

    #[test]
    fn it_follows_until_somebody_scrolls() {
        let mut view = view();
        assert!(matches!(view.resume(), Some(Effect::Logs { from: LogFrom::Newest, .. })));
        assert!(view.resume().is_none(), "one request at a time");
        let more = view.take(numbered(50));
        assert!(matches!(more, Some(Effect::Logs { from: LogFrom::Cursor(cursor), .. }) if cursor == "1.1"));
        view.act(Action::Up);
        view.take(answer(vec![line("new")]));
        assert_eq!(view.below, 2, "what is read stays in place");
        assert_eq!(screen(&view, 20, 4)[1..], ["46", "47", "48"]);
        view.act(Action::Bottom);
        assert_eq!(view.below, 0);
        assert_eq!(screen(&view, 20, 4)[1..], ["48", "49", "new"]);
        view.act(Action::Top);
        assert_eq!(view.below, 50);
    }

    #[test]
    fn a_digit_reads_a_time_anew_and_what_was_asked_before_no_longer_counts() {
        let mut view = view();
        view.resume();
        view.take(numbered(50));
        let before = view.asked;
        view.act(Action::Up);
        let (_, effect) = view.act(Action::LogMinutes(15));
        let Some(Effect::Logs { asked, from: LogFrom::Minutes(15), .. }) = effect else { panic!("{effect:?}") };
        assert!(view.has_asked(asked) && !view.has_asked(before));
        assert_eq!((view.spool.len(), view.below), (0, 0));
        assert!(screen(&view, 60, 3)[0].contains("last 15 min"));
        let more = view.take(numbered(5));
        assert!(matches!(more, Some(Effect::Logs { from: LogFrom::Cursor(_), .. })), "{more:?}");
        let (_, effect) = view.act(Action::LogTail);
        assert!(matches!(effect, Some(Effect::Logs { from: LogFrom::Newest, .. })), "{effect:?}");
    }

    #[test]
    fn whoever_reads_the_oldest_lines_of_a_full_spool_still_sees_lines() {
        let mut view = view();
        view.take(numbered(LINES));
        view.act(Action::Top);
        view.take(answer(vec![line("new"); 1_000]));
        assert_eq!(view.below, view.shown() - 1);
        let screen = screen(&view, 80, 3);
        assert_eq!(screen[0].trim(), "scrolled, G follows  tail  1000000 lines  1000 older ones let go");
        assert_eq!(screen[2], "1000");
    }

    #[test]
    fn a_filter_finds_old_and_new_lines_whatever_their_case() {
        let mut view = view();
        view.take(answer(vec![line("GET /"), line("other")]));
        view.set_filter("get".to_owned());
        assert_eq!(view.shown(), 1);
        view.take(answer(vec![line("get /x"), line("none")]));
        assert_eq!(view.shown(), 2);
        view.set_filter(String::new());
        assert_eq!(view.shown(), 4);
    }

    #[test]
    fn a_frame_of_a_million_wrapped_lines_costs_what_one_of_a_thousand_does() {
        let cost = |count| {
            let mut view = view();
            let text = "a line that is not that long, but has to be broken ".repeat(4);
            view.take(answer(
                (0..count).map(|number| line(if number + 500 > count { &text } else { "short" })).collect(),
            ));
            assert_eq!(view.spool.len(), count);
            view.act(Action::PageUp);
            let frame = || {
                let began = std::time::Instant::now();
                assert!(screen(&view, 200, 50)[48].starts_with("a line"));
                began.elapsed()
            };
            (0..20).map(|_| frame()).min().unwrap_or_default()
        };
        let (few, many) = (cost(1_000), cost(LINES));
        assert!(many < few * 3, "{few:?} for a thousand, {many:?} for a million");
    }
}
