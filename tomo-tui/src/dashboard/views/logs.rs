//! A log, followed. A bounded spool: the oldest lines go when it is full, and only the visible ones are laid out.

use std::{cell::Cell, collections::VecDeque};

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};
use tomo_proto::{
    api::app::AppLogsAnswer,
    model::app::{LogLine, LogStream},
    text::display_line,
};
use unicode_width::UnicodeWidthChar as _;

use crate::dashboard::{
    action::Action,
    canvas::{Canvas, split_top},
    effect::Effect,
};

/// Lines the spool holds.
const SPOOL_LINES: usize = 20_000;
/// Text the spool holds.
const SPOOL_BYTES: usize = 8 << 20;

/// Whose log it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogOf {
    /// An app's, by its id.
    App(String),
    /// A container's that is no app's.
    Container { server: String, container: String },
}

/// The view of one log.
#[derive(Debug)]
pub(crate) struct LogsView {
    pub(crate) of: LogOf,
    pub(crate) name: String,
    /// Tells this view's answers from an earlier one's.
    pub(crate) number: u64,
    lines: VecDeque<LogLine>,
    bytes: usize,
    /// Lines that gave way.
    dropped: u64,
    cursor: Option<String>,
    waiting: bool,
    paused: bool,
    ended: bool,
    error: Option<String>,
    wrap: bool,
    times: bool,
    filter: String,
    /// The filter in lower case.
    wanted: String,
    /// Numbers of the lines that fit the filter, counted from the log's first one.
    fitting: VecDeque<u64>,
    /// Lines that fit the filter, below the one at the bottom of the screen; 0 follows.
    below: usize,
    height: Cell<usize>,
}

impl LogsView {
    pub(crate) fn new(of: LogOf, name: String, number: u64) -> Box<Self> {
        Box::new(Self {
            of,
            name,
            number,
            lines: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            cursor: None,
            waiting: false,
            paused: false,
            ended: false,
            error: None,
            wrap: true,
            times: false,
            filter: String::new(),
            wanted: String::new(),
            fitting: VecDeque::new(),
            below: 0,
            height: Cell::new(10),
        })
    }

    pub(crate) fn filter(&self) -> &str {
        &self.filter
    }

    pub(crate) fn set_filter(&mut self, filter: String) {
        self.wanted = filter.to_lowercase();
        self.filter = filter;
        self.below = 0;
        let dropped = self.dropped;
        let numbered = self.lines.iter().zip(dropped..);
        self.fitting = numbered.filter(|(line, _)| fits(&self.wanted, line)).map(|(_, number)| number).collect();
    }

    /// Asks for what comes next, unless that was asked for already.
    pub(crate) fn resume(&mut self) -> Option<Effect> {
        if self.waiting || self.paused {
            return None;
        }
        self.waiting = true;
        Some(Effect::Logs { view: self.number, of: self.of.clone(), cursor: self.cursor.clone() })
    }

    /// Takes new lines over and asks for more.
    pub(crate) fn take(&mut self, answer: AppLogsAnswer) -> Option<Effect> {
        self.waiting = false;
        self.error = None;
        self.cursor = Some(answer.next_cursor);
        self.ended = answer.ended;
        let mut added = 0;
        for line in answer.lines {
            if fits(&self.wanted, &line) {
                added += 1;
                self.fitting.push_back(self.dropped + u64::try_from(self.lines.len()).unwrap_or(0));
            }
            self.bytes += line.text.len();
            self.lines.push_back(line);
        }
        while self.lines.len() > SPOOL_LINES || self.bytes > SPOOL_BYTES {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes -= line.text.len();
            self.dropped += 1;
        }
        while self.fitting.front().is_some_and(|number| *number < self.dropped) {
            self.fitting.pop_front();
        }
        // Whoever has scrolled up stays where they are, as long as that is still there.
        self.below = if self.below > 0 { (self.below + added).min(self.shown().saturating_sub(1)) } else { 0 };
        if self.ended { None } else { self.resume() }
    }

    pub(crate) fn failed(&mut self, message: String) {
        self.waiting = false;
        self.error = Some(message);
    }

    fn shown(&self) -> usize {
        self.fitting.len()
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
            Action::LogWrap => {
                self.wrap = !self.wrap;
                return (true, None);
            }
            Action::LogTimes => {
                self.times = !self.times;
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

    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let theme = canvas.theme;
        let (head, body) = split_top(area, 1);
        self.height.set(usize::from(body.height));
        let mut state: Vec<Span<'_>> = Vec::new();
        let (word, style) = match (&self.error, self.ended, self.paused, self.below) {
            (Some(_), ..) => ("failed", theme.bad),
            (None, true, ..) => ("ended", theme.warn),
            (None, false, true, _) => ("paused", theme.warn),
            (None, false, false, 0) => ("following", theme.good),
            (None, false, false, _) => ("scrolled, G follows", theme.accent),
        };
        state.push(Span::styled(format!(" {word}"), style));
        state.push(Span::styled(format!("  {} lines", self.lines.len()), theme.dim));
        if self.dropped > 0 {
            state.push(Span::styled(format!("  {} older ones let go", self.dropped), theme.dim));
        }
        if !self.filter.is_empty() {
            let text = format!("  filter {}: {} fit", display_line(&self.filter, 30), self.shown());
            state.push(Span::styled(text, theme.accent));
        }
        if let Some(error) = &self.error {
            state.push(Span::styled(format!("  {}", display_line(error, 160)), theme.bad));
        }
        canvas.line(head, &Line::from(state));
        let mut y = body.bottom();
        for number in self.fitting.iter().rev().skip(self.below) {
            let place = usize::try_from(number - self.dropped).unwrap_or(usize::MAX);
            let Some(line) = self.lines.get(place) else { break };
            if y == body.y {
                break;
            }
            let laid = self.lay_out(line, usize::from(body.width));
            let style = if line.stream == LogStream::Stderr { theme.warn } else { theme.text };
            for (place, text) in laid.into_iter().enumerate().rev() {
                if y == body.y {
                    break;
                }
                y -= 1;
                let row = Rect { y, height: 1, ..body };
                let (time, text) = if place == 0 && self.times {
                    text.split_at_checked(TIME_WIDTH).unwrap_or(("", &text))
                } else {
                    ("", text.as_str())
                };
                canvas.line(row, &Line::from(vec![Span::styled(time, theme.dim), Span::styled(text, style)]));
            }
        }
        if self.lines.is_empty() && self.error.is_none() && body.height > 1 {
            let text = if self.waiting && self.cursor.is_none() { " loading" } else { " nothing was written yet" };
            canvas.text(Rect { y: body.y + 1, height: 1, ..body }, text, theme.dim);
        }
    }

    /// A line as rows no wider than the screen.
    fn lay_out(&self, line: &LogLine, width: usize) -> Vec<String> {
        let most = if self.wrap { width.saturating_mul(40) } else { width };
        let mut text = String::new();
        if self.times {
            text = if line.at_ms == 0 { " ".repeat(TIME_WIDTH) } else { time(line.at_ms) };
        }
        if let Some(service) = &line.service {
            text.push_str(&format!("{} │ ", display_line(service, 20)));
        }
        // The daemon made it safe; a screen is worth a second look.
        text.push_str(&display_line(&line.text, most.max(1)));
        if !self.wrap {
            return vec![text];
        }
        let mut rows = vec![String::new()];
        let mut used = 0;
        for character in text.chars() {
            let wide = character.width().unwrap_or(0);
            if used + wide > width && used > 0 {
                rows.push(String::new());
                used = 0;
            }
            if let Some(row) = rows.last_mut() {
                row.push(character);
            }
            used += wide;
        }
        rows
    }
}

fn fits(wanted: &str, line: &LogLine) -> bool {
    wanted.is_empty() || line.text.to_lowercase().contains(wanted)
}

/// `14:03:59.123 `.
const TIME_WIDTH: usize = 13;

fn time(at_ms: u64) -> String {
    let time = i64::try_from(at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(
        || " ".repeat(TIME_WIDTH),
        |time| time.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S.%3f ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine { at_ms: 0, stream: LogStream::Stdout, text: text.to_owned(), service: None }
    }

    fn answer(lines: Vec<LogLine>) -> AppLogsAnswer {
        AppLogsAnswer { lines, next_cursor: "1.1".to_owned(), ..AppLogsAnswer::default() }
    }

    #[test]
    fn it_follows_until_somebody_scrolls() {
        let mut view = LogsView::new(LogOf::App("app".to_owned()), "app".to_owned(), 1);
        assert!(matches!(view.resume(), Some(Effect::Logs { cursor: None, .. })));
        assert!(view.resume().is_none(), "one request at a time");
        let more = view.take(answer((0..50).map(|number| line(&number.to_string())).collect()));
        assert!(matches!(more, Some(Effect::Logs { cursor: Some(cursor), .. }) if cursor == "1.1"));
        view.act(Action::Up);
        view.take(answer(vec![line("new")]));
        assert_eq!(view.below, 2, "what is read stays in place");
        view.act(Action::Bottom);
        assert_eq!(view.below, 0);
        view.act(Action::Top);
        assert_eq!(view.below, 50);
    }

    #[test]
    fn the_spool_is_bounded() {
        let mut view = LogsView::new(LogOf::App("app".to_owned()), "app".to_owned(), 1);
        let long = "x".repeat(16 * 1_024);
        for _ in 0..10 {
            view.take(answer((0..100).map(|_| line(&long)).collect()));
        }
        assert!(view.bytes <= SPOOL_BYTES && view.dropped > 0);
        assert_eq!(u64::try_from(view.lines.len()).expect("fits") + view.dropped, 1_000);
    }

    #[test]
    fn whoever_reads_the_oldest_lines_of_a_full_spool_still_sees_lines() {
        let mut view = LogsView::new(LogOf::App("app".to_owned()), "app".to_owned(), 1);
        view.take(answer((0..SPOOL_LINES).map(|number| line(&number.to_string())).collect()));
        view.act(Action::Top);
        view.take(answer((0..1_000).map(|_| line("new")).collect()));
        assert_eq!(view.below, view.shown() - 1);
    }

    #[test]
    fn a_filter_finds_old_and_new_lines_whatever_their_case() {
        let mut view = LogsView::new(LogOf::App("app".to_owned()), "app".to_owned(), 1);
        view.take(answer(vec![line("GET /"), line("other")]));
        view.set_filter("get".to_owned());
        assert_eq!(view.shown(), 1);
        view.take(answer(vec![line("get /x"), line("none")]));
        assert_eq!(view.shown(), 2);
        view.set_filter(String::new());
        assert_eq!(view.shown(), 4);
    }

    #[test]
    fn long_lines_break_and_stay_safe() {
        let mut view = LogsView::new(LogOf::App("app".to_owned()), "app".to_owned(), 1);
        assert_eq!(view.lay_out(&line("abcdef"), 4), ["abcd", "ef"]);
        assert_eq!(view.lay_out(&line("日本語"), 4), ["日本", "語"]);
        assert_eq!(view.lay_out(&line("\u{1b}[31mred\u{202e}"), 10), ["red"]);
        assert!(view.lay_out(&line(&"x".repeat(2 << 20)), 80).len() <= 40);
        view.wrap = false;
        assert_eq!(view.lay_out(&line("abcdef"), 4), ["abc…"]);
    }
}
