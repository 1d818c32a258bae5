//! A log, followed. Its text lies in a bounded spool; only what is in sight is laid out.

mod draw;
mod find;
mod json;
mod layout;
mod shown;
mod sift;
mod spool;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use tomo_proto::api::app::AppLogsAnswer;

use crate::dashboard::{action::Action, effect::Effect};
use layout::Look;
pub(crate) use shown::Shown;
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
    After {
        cursor: String,
        /// Shows what is new, and skips what came too fast for that; otherwise every line is wanted.
        latest: bool,
        /// Whether there was more than an answer holds.
        behind: bool,
    },
}

/// What is shown where lines are missing.
const SKIPPED: &str = "… lines before this were skipped, or are gone";

/// Which answer belongs to what a view shows now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    view: u64,
    /// How often the view had come on the screen or begun anew.
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
    /// Whether all lines of the time that is shown were read: from then on it is the newest that count.
    has_caught_up: bool,
    behind: bool,
    waiting: bool,
    paused: bool,
    ended: bool,
    /// Why the last lines that were asked for did not come.
    pub(crate) error: Option<String>,
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
    /// The number of the line at its top.
    top: Cell<u64>,
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
            look: Look { wrap: true, times: false, json: false },
            cursor: None,
            has_caught_up: false,
            behind: false,
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
            top: Cell::new(0),
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

    /// Comes on the screen: what was asked for while it was elsewhere has gone to nobody.
    pub(crate) fn enter(&mut self) {
        self.asked.turn += 1;
        self.waiting = false;
        self.filter.forget_part();
        self.search.forget_part();
    }

    /// Forgets the lines and begins anew, at a time or with the newest ones.
    fn begin(&mut self, minutes: Option<u16>) -> Option<Effect> {
        self.asked.turn += 1;
        self.minutes = minutes;
        self.spool = Spool::default();
        (self.cursor, self.error) = (None, None);
        (self.waiting, self.ended, self.paused) = (false, false, false);
        (self.has_caught_up, self.behind) = (false, false);
        self.below = 0;
        (self.current, self.goes) = (None, false);
        self.look_again();
        self.resume()
    }

    /// Looks all lines through once more; what the filter shows begins anew.
    fn look_again(&mut self) {
        if self.filter.regex().is_some() {
            self.below = 0;
        }
        self.filter.restart();
        self.search.restart();
    }

    /// What is shown, to be written to a file.
    pub(crate) fn shown_lines(&self) -> Shown {
        let numbers = self.filter.regex().map(|_| self.filter.hits().clone());
        Shown { spool: self.spool.clone(), numbers, look: self.look }
    }

    /// The line that is copied: the one that a search has come to, as long as it is in sight, or the one at the bottom of the screen.
    fn copied(&self) -> Option<u64> {
        let at_bottom = self.at_bottom()?;
        let in_sight = self.top.get()..=at_bottom;
        Some(self.current.filter(|number| in_sight.contains(number)).unwrap_or(at_bottom))
    }

    /// The text of the line that is copied.
    pub(crate) fn line(&self) -> Option<String> {
        self.spool.get(self.copied()?).map(|line| line.text)
    }

    /// Whether new lines come in at the bottom of the screen.
    fn follows(&self) -> bool {
        self.below == 0 && !self.paused && !self.ended
    }

    /// Where it may be written, at this time (UTC ms).
    pub(crate) fn file(&self, now_ms: u64) -> String {
        let letter = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '-' };
        let name: String = self.name.chars().take(60).map(letter).collect();
        let time = i64::try_from(now_ms).ok().and_then(|now_ms| jiff::Timestamp::from_millisecond(now_ms).ok());
        format!("~/tomo-{name}-{}.log", time.unwrap_or_default().strftime("%Y%m%dT%H%M%SZ"))
    }

    /// Asks for what comes next, unless that was asked for already.
    pub(crate) fn resume(&mut self) -> Option<Effect> {
        if self.waiting || self.paused {
            return None;
        }
        self.waiting = true;
        let from = match (&self.cursor, self.minutes) {
            (Some(cursor), _) => {
                LogFrom::After { cursor: cursor.clone(), latest: self.has_caught_up, behind: self.behind }
            }
            (None, Some(minutes)) => LogFrom::Minutes(minutes),
            (None, None) => LogFrom::Newest,
        };
        Some(Effect::Logs { asked: self.asked, of: self.of.clone(), from })
    }

    /// Takes new lines over and asks for more.
    pub(crate) fn take(&mut self, answer: AppLogsAnswer) -> Option<Effect> {
        self.waiting = false;
        self.error = None;
        self.ended = answer.ended;
        self.behind = answer.more;
        self.has_caught_up |= !answer.more;
        self.spool_lines(&answer);
        self.cursor = Some(answer.next_cursor);
        if self.ended { None } else { self.resume() }
    }

    fn spool_lines(&mut self, answer: &AppLogsAnswer) {
        self.keep_place(|view| {
            if answer.skipped {
                view.spool.mark(SKIPPED);
            }
            view.spool.take(&answer.lines);
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
            self.below = (self.shown() - self.place_behind(number)).min(self.above());
        }
    }

    /// Whether it was told anything, or that there is nothing.
    pub(crate) fn has_come(&self) -> bool {
        self.cursor.is_some() || !self.spool.is_empty()
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
        let most = self.above();
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
            Action::LogJson => {
                self.look.json = !self.look.json;
                // What is looked through is what is shown.
                self.look_again();
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
