//! A log by keys: the digits that are views elsewhere, what is typed, and what is asked of whom.

use super::*;
use crate::dashboard::{
    action::{Action, Context},
    completion::Completion,
    log::{NotSaved, Saving},
};

/// Two services of an app, one of which writes JSON.
pub(super) fn of_two_services() -> AppLogsAnswer {
    let line = |(number, service, stream, text): (u64, &str, LogStream, &str)| LogLine {
        at_ms: NOW + number,
        stream,
        text: text.to_owned(),
        service: Some(service.to_owned()),
    };
    let lines = [
        (1, "shop", LogStream::Stdout, r#"{"level":"info","msg":"listens","port":8080,"time":"08:00:00"}"#),
        (2, "store", LogStream::Stdout, "ready to accept connections"),
        (3, "shop", LogStream::Stderr, r#"{"level":50,"msg":"no connection\n  at connect","host":"store"}"#),
        (4, "store", LogStream::Stdout, "connection from 10.0.0.7"),
    ];
    AppLogsAnswer { lines: lines.map(line).into(), next_cursor: "1.1".to_owned(), ..AppLogsAnswer::default() }
}

fn on_log() -> Dashboard {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("2 L");
    dashboard.answer_view();
    dashboard
}

#[test]
fn digits_choose_a_time_in_a_log_and_views_elsewhere() {
    let mut dashboard = on_log();
    let effects = dashboard.press("3");
    let reads = |effect: &Effect| matches!(effect, Effect::Logs { from: LogFrom::Minutes(15), .. });
    assert!(effects.iter().any(reads), "{effects:?}");
    dashboard.shows("last 15 min");
    dashboard.press("?");
    dashboard.type_in("plans");
    dashboard.shows("Changes that wait for a person");
    let row = dashboard.screen().lines().find(|line| line.contains("Changes that wait")).map(str::to_owned);
    assert!(row.is_some_and(|row| !row.contains('3')), "no key is promised that does something else");
    dashboard.press("enter");
    assert!(matches!(dashboard.state.view, View::Plans), "{:?}", dashboard.state.view);
    dashboard.press("2");
    assert!(matches!(dashboard.state.view, View::Apps), "{:?}", dashboard.state.view);
}

#[test]
fn what_is_searched_for_is_counted_gone_to_and_given_up() {
    let mut dashboard = on_log();
    assert!(dashboard.press("n").is_empty());
    dashboard.shows("nothing is searched for: / begins");
    dashboard.press("/");
    dashboard.type_in("ENTRY 9");
    dashboard.shows(" / ENTRY 9");
    dashboard.press("enter");
    dashboard.shows("/ENTRY 9 11/11");
    dashboard.press("n");
    dashboard.shows("/ENTRY 9 1/11");
    dashboard.press("&");
    dashboard.type_in("9$");
    dashboard.shows(" & 9$");
    dashboard.press("enter");
    dashboard.shows("&9$ 10 fit");
    dashboard.shows("/ENTRY 9 1/2");
    dashboard.press("esc");
    assert!(!dashboard.screen().contains("ENTRY") && dashboard.screen().contains("&9$"), "{}", dashboard.screen());
    dashboard.press("esc");
    assert!(!dashboard.screen().contains("&9$"), "{}", dashboard.screen());
    assert!(matches!(dashboard.state.view, View::Logs(_)));
    dashboard.press("esc");
    assert!(matches!(dashboard.state.view, View::Apps));
}

#[test]
fn everything_is_usable_where_there_is_little_room() {
    let mut dashboard = on_log();
    dashboard.press("&");
    dashboard.type_in("(");
    for (width, height) in [(40, 10), (20, 4), (1, 1)] {
        dashboard.buffer(width, height);
    }
    let rows = |dashboard: &mut Dashboard| {
        let buffer = dashboard.buffer(40, 10);
        let rows = buffer.content().chunks(40).map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
        rows.collect::<Vec<_>>().join("\n")
    };
    assert!(rows(&mut dashboard).contains("&(: found open group"), "{}", rows(&mut dashboard));
    dashboard.press("esc ctrl-s");
    let screen = rows(&mut dashboard);
    assert!(screen.contains("tomo-shop-") && screen.contains("Save"), "{screen}");
}

#[test]
fn a_log_goes_on_where_it_was_when_the_daemon_is_back() {
    let mut dashboard = on_log();
    let View::Logs(view) = &dashboard.state.view else { panic!("not the log") };
    let asked = view.asked();
    let lost = || ClientError::NotConnected { url: "x".to_owned(), reason: "connection refused".to_owned() };
    dashboard.send(Event::Answer(Answer::Logs(asked, Err(lost()))));
    dashboard.shows("failed");
    dashboard.send(Event::LinkDown(lost()));
    let effects = dashboard.send(Event::LinkUp);
    let goes_on =
        |effect: &Effect| matches!(effect, Effect::Logs { from: LogFrom::After { cursor, .. }, .. } if cursor == "1.1");
    assert!(effects.iter().any(goes_on), "{effects:?}");
    dashboard.answer_view();
    dashboard.shows("following");
}

#[test]
fn a_log_one_comes_back_to_goes_on_whatever_was_asked_before() {
    let mut dashboard = on_log();
    let View::Logs(view) = &dashboard.state.view else { panic!("not the log") };
    let asked = view.asked();
    dashboard.press("esc");
    dashboard.send(Event::Answer(Answer::Logs(asked, Ok(of_two_services()))));
    let effects = dashboard.press("]");
    let goes_on =
        |effect: &Effect| matches!(effect, Effect::Logs { from: LogFrom::After { cursor, .. }, .. } if cursor == "1.1");
    assert!(effects.iter().any(goes_on), "{effects:?}");
    dashboard.send(Event::Answer(Answer::Logs(asked, Ok(of_two_services()))));
    dashboard.shows("100 lines");
    dashboard.press("/ 9 9 enter");
    dashboard.shows("/99 1/1");
}

#[test]
fn tab_completes_a_path_and_moves_on_when_nothing_is_left_to_complete() {
    let mut dashboard = on_log();
    let asked = |effects: &[Effect]| match effects {
        [Effect::CompletePath(typed)] => typed.clone(),
        other => panic!("nothing is completed: {other:?}"),
    };
    let answer = |dashboard: &mut Dashboard, typed: &str, text: &str, fits: &[&str]| {
        let fits = fits.iter().map(|name| (*name).to_owned()).collect();
        let completion = Completion { typed: typed.to_owned(), text: text.to_owned(), fits };
        dashboard.send(Event::Answer(Answer::Completed(completion)))
    };
    dashboard.press("ctrl-s ctrl-u l o");
    assert_eq!(asked(&dashboard.press("tab")), "lo");
    // What is typed before the answer comes after it.
    assert!(dashboard.press("2").is_empty());
    answer(&mut dashboard, "lo", "log-", &["log-1", "log-22"]);
    dashboard.shows("log-2");
    assert_eq!(asked(&dashboard.press("tab")), "log-2");
    answer(&mut dashboard, "log-2", "log-22", &["log-22"]);
    dashboard.press("backspace");
    assert_eq!(asked(&dashboard.press("tab")), "log-2");
    answer(&mut dashboard, "log-2", "log-2", &["log-22", "log-23"]);
    dashboard.shows("2 fit: log-22, log-23");
    let saved = saving(dashboard.press("tab enter"));
    assert_eq!(saved.path, "log-2", "the second Tab went to the button");
    // An answer that never comes holds nobody.
    let mut dashboard = on_log();
    dashboard.press("ctrl-s ctrl-u l tab x esc");
    assert!(dashboard.state.typed_ahead.is_none());
    assert!(answer(&mut dashboard, "x", "y", &["y"]).is_empty());
}

fn saving(effects: Vec<Effect>) -> Box<Saving> {
    let saving = effects.into_iter().find_map(|effect| match effect {
        Effect::SaveLog(saving) => Some(saving),
        _ => None,
    });
    saving.expect("something is saved")
}

#[test]
fn what_is_shown_is_saved_and_a_file_gives_way_only_after_a_question() {
    let mut dashboard = on_log();
    dashboard.press("& 9 $ enter ctrl-s");
    dashboard.shows("~/tomo-shop-20270115T080000Z.log");
    let asked = saving(dashboard.press("enter"));
    assert_eq!((asked.path.as_str(), asked.overwrite), ("~/tomo-shop-20270115T080000Z.log", false));
    assert_eq!(asked.shown.len(), 10, "only what fits the filter");
    dashboard.send(Event::Answer(Answer::Saved(asked, Err(NotSaved::Exists))));
    dashboard.shows("is there already");
    assert!(dashboard.press("enter").is_empty(), "Cancel has the keys");
    dashboard.shows("Save the log");
    let asked = saving(dashboard.press("enter"));
    dashboard.send(Event::Answer(Answer::Saved(asked, Err(NotSaved::Exists))));
    let asked = saving(dashboard.press("tab enter"));
    assert!(asked.overwrite);
    dashboard.send(Event::Answer(Answer::Saved(asked, Err(NotSaved::Failed("permission denied".to_owned())))));
    dashboard.shows("permission denied");
    let asked = saving(dashboard.press("enter"));
    dashboard.send(Event::Answer(Answer::Saved(asked, Ok(10))));
    dashboard.shows("wrote 10 lines to ~/tomo-shop-");
    assert!(dashboard.state.layer.is_none());
}

#[test]
fn a_dashboard_that_the_daemon_shows_writes_no_file() {
    let mut dashboard = on_log();
    dashboard.state.hosted = true;
    assert!(dashboard.press("ctrl-s").is_empty());
    assert!(dashboard.state.layer.is_none());
    dashboard.shows("the daemon shows this dashboard");
}

/// The rows of a screen that are reversed from side to side.
fn marked_rows(dashboard: &mut Dashboard) -> Vec<String> {
    let buffer = dashboard.buffer(80, 24);
    let body = buffer.content().chunks(80).skip(2).take(21);
    let marked = body.filter(|row| row.iter().all(|cell| cell.modifier.contains(Modifier::REVERSED)));
    marked.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()).collect()
}

fn copied(dashboard: &mut Dashboard) -> String {
    let copied = dashboard.press("y").into_iter().find_map(|effect| match effect {
        Effect::Copy(text) => Some(text),
        _ => None,
    });
    // The message would lie over the line.
    dashboard.state.toasts.dismiss();
    copied.expect("copies")
}

#[test]
fn the_line_that_is_copied_is_marked_and_the_footer_tells_the_key() {
    for depth in [Depth::True, Depth::Mono] {
        let mut dashboard = on_log();
        dashboard.theme = Theme::new(&Inks::default(), depth, Glyphs::Braille);
        dashboard.shows("y copy line");
        assert_eq!(marked_rows(&mut dashboard), Vec::<String>::new(), "it follows");
        assert_eq!(copied(&mut dashboard), "entry 99");
        dashboard.press("up");
        assert_eq!(marked_rows(&mut dashboard).len(), 1);
        assert!(marked_rows(&mut dashboard)[0].ends_with("entry 98"));
        assert_eq!(copied(&mut dashboard), "entry 98");
        dashboard.press("/");
        dashboard.type_in("entry 93");
        dashboard.press("enter");
        assert!(marked_rows(&mut dashboard)[0].ends_with("entry 93"));
        assert_eq!(copied(&mut dashboard), "entry 93");
        // What a search has come to and left behind is not copied unseen.
        dashboard.press("g");
        let shown = marked_rows(&mut dashboard);
        let line = copied(&mut dashboard);
        assert!(line != "entry 93" && shown[0].ends_with(&line), "{line}: {shown:?}");
        // In sight again, it is the one at once.
        dashboard.press("G");
        assert!(marked_rows(&mut dashboard)[0].ends_with("entry 93"));
    }
}

#[test]
fn the_footer_says_the_keys_of_times_as_they_are_bound() {
    let mut dashboard = on_log();
    dashboard.shows(" 0 tail  1-6 since  ");
    dashboard.state.keys.bind(Context::Logs, Action::LogMinutes(360), vec!["F".to_owned()]);
    dashboard.shows(" 0 tail  1 2 3 4 5 F since  ");
}
