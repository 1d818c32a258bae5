//! A log, followed. Its text lies in a bounded spool; only what is in sight is laid out.

mod draw;
mod find;
mod layout;
mod sift;
mod spool;

use std::cell::Cell;

use tomo_proto::{api::app::AppLogsAnswer, model::app::LogLine};

use crate::dashboard::{action::Action, effect::Effect};
use layout::Look;
use sift::Sift;
pub(crate) use sift::{Part, Purpose, Sifted};
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
    filter: Sift,
    search: Sift,
    /// Which of both is typed.
    typing: Purpose,
    /// The line that the search has come to.
    current: Option<u64>,
    /// Whether the search goes to a line as soon as all were looked at.
    goes: bool,
    /// Shown lines below the one at the bottom of the screen; 0 follows.
    below: usize,
    /// Columns and rows of the lines on the screen.
    area: Cell<(usize, usize)>,
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
            filter: Sift::default(),
            search: Sift::default(),
            typing: Purpose::Search,
            current: None,
            goes: false,
            below: 0,
            area: Cell::new((80, 10)),
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
        (self.current, self.goes) = (None, false);
        self.filter.restart();
        self.search.restart();
        self.resume()
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
        self.keep_place(|view| {
            view.spool.take(lines);
            view.filter.follow(&view.spool);
            view.search.follow(&view.spool);
            view.current = view.current.filter(|number| *number >= view.spool.gone());
        });
    }

    /// Changes the lines; whoever has scrolled up stays where they are, as long as that is still there.
    fn keep_place(&mut self, change: impl FnOnce(&mut Self)) {
        let at_bottom = self.at_bottom();
        change(self);
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
        if self.filter.regex().is_some() { self.filter.hits().len() } else { self.spool.len() }
    }

    /// The number of the shown line at a place, counted from the oldest.
    fn number_at(&self, place: usize) -> Option<u64> {
        match self.filter.regex() {
            Some(_) => self.filter.hits().get(place).copied(),
            None => Some(self.spool.gone() + u64::try_from(place).ok()?),
        }
    }

    /// The number of the line at the bottom of the screen.
    fn at_bottom(&self) -> Option<u64> {
        self.number_at(self.shown().checked_sub(self.below + 1)?)
    }

    /// How many shown lines there are up to a number, with that one.
    fn place_behind(&self, number: u64) -> usize {
        match self.filter.regex() {
            Some(_) => self.filter.hits().partition_point(|hit| *hit <= number),
            None => usize::try_from((number + 1).saturating_sub(self.spool.gone())).unwrap_or(usize::MAX),
        }
    }

    pub(crate) fn act(&mut self, action: Action) -> (bool, Option<Effect>) {
        let page = self.area.get().1.max(2) - 1;
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
            Action::LogNext | Action::LogPrevious => {
                self.step(action == Action::LogNext);
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

    fn work(view: &mut LogsView) {
        while let Some(Effect::Sift(asked, part)) = view.work() {
            assert!(view.has_asked(asked));
            view.found(part.sift());
        }
    }

    fn type_in(view: &mut LogsView, purpose: Purpose, text: &str) {
        view.type_into(purpose);
        view.set_typed(text.to_owned());
        work(view);
    }

    #[test]
    fn a_filter_finds_old_and_new_lines_and_says_what_is_wrong_with_it() {
        let mut view = view();
        view.take(answer(vec![line("GET /"), line("other")]));
        type_in(&mut view, Purpose::Filter, "get /.?$");
        assert_eq!(view.shown(), 1);
        view.take(answer(vec![line("get /x"), line("none")]));
        work(&mut view);
        assert_eq!(screen(&view, 60, 4), [" following  &get /.?$ 2 fit  tail  4 lines", "", "GET /", "get /x"]);
        view.set_typed("(".to_owned());
        assert!(screen(&view, 60, 4)[0].contains("&(: found open group"), "{:?}", screen(&view, 60, 4));
        assert!(view.clear() && !view.clear());
        assert_eq!(view.shown(), 4);
    }

    #[test]
    fn whoever_reads_above_stays_there_while_a_filter_finds_more() {
        let mut view = view();
        view.take(numbered(100));
        type_in(&mut view, Purpose::Filter, "5$");
        view.act(Action::Up);
        view.take(numbered(100));
        work(&mut view);
        assert_eq!((screen(&view, 20, 3)[2].as_str(), view.shown()), ("85", 20));
    }

    #[test]
    fn a_search_goes_from_line_to_line_and_around() {
        let mut view = view();
        view.take(numbered(1_000));
        screen(&view, 40, 11);
        type_in(&mut view, Purpose::Search, "00");
        assert!(screen(&view, 40, 11)[0].contains("/00 9/9"), "the newest one: {:?}", screen(&view, 40, 11));
        assert!(screen(&view, 40, 11).contains(&"900".to_owned()));
        for (action, standing, number) in [
            (Action::LogNext, "1/9", "100"),
            (Action::LogNext, "2/9", "200"),
            (Action::LogPrevious, "1/9", "100"),
            (Action::LogPrevious, "9/9", "900"),
        ] {
            view.act(action);
            let screen = screen(&view, 40, 11);
            assert!(screen[0].contains(standing) && screen.contains(&number.to_owned()), "{screen:?}");
        }
        // A filter narrows it down, and a line that gave way is none any more.
        type_in(&mut view, Purpose::Filter, "^[1-3]");
        view.act(Action::LogNext);
        assert!(screen(&view, 60, 11)[0].contains("/00 1/3"), "{:?}", screen(&view, 60, 11));
        view.take(numbered(LINES));
        work(&mut view);
        assert!(screen(&view, 60, 11)[0].contains("/00 -/"), "{:?}", screen(&view, 60, 11));
    }

    #[test]
    fn a_line_of_many_rows_is_brought_into_sight() {
        let mut view = view();
        let long = "word ".repeat(60);
        view.take(answer((0..20).map(|number| line(&format!("{number}: {long}"))).collect()));
        screen(&view, 40, 11);
        type_in(&mut view, Purpose::Search, "7:");
        view.act(Action::LogNext);
        assert!(screen(&view, 40, 11).iter().any(|row| row.starts_with("7:")), "{:?}", screen(&view, 40, 11));
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
