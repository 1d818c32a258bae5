//! A view of a log by itself: lines in, rows out.

use ratatui::{buffer::Buffer, layout::Rect};
use tomo_proto::model::app::{LogLine, LogStream};

use super::{
    spool::{GOT, LINES},
    *,
};
use crate::dashboard::{
    action::Keymap,
    canvas::{Canvas, HitMap},
    theme::{Depth, Glyphs, Inks, Theme},
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
    let theme = Theme::new(&Inks::default(), Depth::True, Glyphs::Braille);
    view.draw(
        &mut Canvas {
            buffer: &mut buffer,
            theme: &theme,
            keys: &Keymap::default(),
            hits: &mut hits,
            now_ms: 0,
            cursor: None,
        },
        area,
        false,
    );
    let rows = buffer.content().chunks(usize::from(width));
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()).collect()
}

#[test]
fn it_follows_until_somebody_scrolls() {
    let mut view = view();
    assert!(matches!(view.resume(), Some(Effect::Logs { from: LogFrom::Newest, .. })));
    assert!(view.resume().is_none(), "one request at a time");
    let more = view.take(numbered(50));
    assert!(
        matches!(more, Some(Effect::Logs { from: LogFrom::After { cursor, latest: true, behind: false }, .. }) if cursor == "1.1")
    );
    view.act(Action::Up);
    view.take(answer(vec![line("new")]));
    assert_eq!(view.below, 2, "what is read stays in place");
    assert_eq!(screen(&view, 20, 4)[1..], ["46", "47", "48"]);
    view.act(Action::Bottom);
    assert_eq!(view.below, 0);
    assert_eq!(screen(&view, 20, 4)[1..], ["48", "49", "new"]);
    view.act(Action::Top);
    assert_eq!(screen(&view, 20, 4)[1..], ["0", "1", "2"], "the oldest fill the screen");
    view.act(Action::PageDown);
    view.act(Action::HalfPageUp);
    assert_eq!(screen(&view, 20, 4)[1..], ["1", "2", "3"]);
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
    assert!(matches!(more, Some(Effect::Logs { from: LogFrom::After { latest: true, .. }, .. })), "{more:?}");
    let (_, effect) = view.act(Action::LogTail);
    assert!(matches!(effect, Some(Effect::Logs { from: LogFrom::Newest, .. })), "{effect:?}");
}

#[test]
fn a_time_is_read_whole_and_from_then_on_the_newest_lines_count_and_what_is_skipped_is_marked() {
    let mut view = view();
    view.act(Action::LogMinutes(5));
    let more = view.take(AppLogsAnswer { more: true, ..numbered(3) });
    assert!(matches!(more, Some(Effect::Logs { from: LogFrom::After { latest: false, behind: true, .. }, .. })));
    let more = view.take(numbered(3));
    assert!(matches!(more, Some(Effect::Logs { from: LogFrom::After { latest: true, behind: false, .. }, .. })));
    let more = view.take(AppLogsAnswer { more: true, skipped: true, ..numbered(1) });
    assert!(matches!(more, Some(Effect::Logs { from: LogFrom::After { latest: true, behind: true, .. }, .. })));
    assert_eq!(screen(&view, 60, 4)[1..], ["2", SKIPPED, "0"]);
}

#[test]
fn whoever_reads_the_oldest_lines_of_a_full_spool_still_sees_lines() {
    let mut view = view();
    view.take(numbered(LINES));
    view.act(Action::Top);
    view.take(answer(vec![line("new"); 1_000]));
    assert_eq!(view.below, view.shown() - 10);
    let screen = screen(&view, 80, 3);
    assert_eq!(screen[0].trim(), "scrolled, G follows  tail  1000000 lines  1000 older ones let go");
    assert_eq!(screen[2], "1009");
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
    screen(&view, 20, 3);
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
fn a_frame_of_a_million_wrapped_lines_looks_at_as_many_as_one_of_a_thousand() {
    let looked_at = |count| {
        let mut view = view();
        let text = "a line that is not that long, but has to be broken ".repeat(4);
        view.take(answer((0..count).map(|number| line(if number + 500 > count { &text } else { "short" })).collect()));
        assert_eq!(view.spool.len(), count);
        let before = GOT.get();
        view.act(Action::PageUp);
        assert!(screen(&view, 200, 50)[48].starts_with("a line"));
        GOT.get() - before
    };
    let (few, many) = (looked_at(1_000), looked_at(LINES));
    assert!(few == many && many < 200, "{few} of a thousand, {many} of a million");
}
