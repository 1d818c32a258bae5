//! What the views show, what keys and clicks do in them, and what is refused.

use ratatui::{buffer::Cell, style::Modifier};

use super::*;
use crate::dashboard::{
    action::{self, Action, Context},
    toast::Kind,
};

#[test]
fn it_paints_before_the_daemon_answers() {
    let mut dashboard = Dashboard::empty();
    dashboard.shows("connecting");
    dashboard.shows("connecting to test");
}

#[test]
fn the_fleet_is_in_the_overview_at_80_columns() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    for text in [
        "web-1",
        "up",
        "degraded",
        "down",
        "42%",
        "38%",
        "91%",
        "needs attention (1)",
        "its agent is not connected",
        "1 plan waits",
    ] {
        dashboard.shows(text);
    }
}

#[test]
fn a_newcomer_is_told_how_to_add_a_server() {
    let mut dashboard = Dashboard::empty();
    dashboard.send(Event::LinkUp);
    dashboard.send(Event::Answer(Answer::Servers(Ok(Vec::new()))));
    dashboard.shows("no server is managed yet");
    dashboard.shows("press a");
}

#[test]
fn the_way_back_and_the_way_out_are_in_every_footer() {
    for keys in [
        "1", "enter", "2", "2 enter", "2 L", "2 W", "3", "3 enter", "4", "4 enter", "5", "5 enter", "7", "7 enter",
        "8", "9", "9 enter", "9 V", "o", "m",
    ] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        dashboard.press(keys);
        dashboard.answer_view();
        for text in ["esc back", "? help", "q quit"] {
            dashboard.shows(text);
        }
    }
}

#[test]
fn q_leaves_from_wherever_one_is() {
    for keys in ["", "enter", "2", "2 enter", "2 L", "3 enter", "5", "5 enter"] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        for key in keys.split_whitespace() {
            dashboard.press(key);
            dashboard.answer_view();
        }
        let effects = dashboard.press("q");
        assert!(matches!(&effects[..], [Effect::Quit]), "after {keys:?}: {effects:?}");
    }
}

#[test]
fn a_refused_key_says_why() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    assert!(dashboard.press("n").is_empty());
    dashboard.shows("it needs the scope plan");
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.state.read_only = true;
    dashboard.press("n");
    dashboard.shows("read-only");
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("2 S");
    dashboard.shows("shop runs already");
}

#[test]
fn stopping_an_app_is_asked_about_and_no_has_the_keys() {
    let mut dashboard = Dashboard::filled(Role::Operator);
    dashboard.press("2");
    assert!(dashboard.press("T").is_empty());
    dashboard.shows("Stop shop on web-1");
    assert!(dashboard.press("enter").is_empty());
    dashboard.press("T tab");
    let effects = dashboard.press("enter");
    assert!(matches!(&effects[..], [Effect::Stop(app)] if *app == AppId::from_u64(7).to_string()), "{effects:?}");
}

#[test]
fn no_to_canceling_an_operation_is_not_called_cancel() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("4 X");
    dashboard.shows("Stop \"deploy app shop\"");
    dashboard.shows("[ Let it go on ] [ Stop it ]");
    dashboard.press("esc space X");
    dashboard.shows("[ Let them go on ] [ Cancel 1 ]");
}

#[test]
fn a_plan_is_shown_whole_and_what_was_shown_is_approved() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("3 A");
    for text in ["deploy shop on web-1", "~ image: shop:1.1", "about 2 s", "token:ai (ana)", "because red"] {
        dashboard.shows(text);
    }
    let effects = dashboard.press("tab enter");
    assert!(
        matches!(&effects[..], [Effect::Approve { request, apply: false }] if request.hash == "abc"),
        "{effects:?}"
    );
}

#[test]
fn nothing_of_a_plan_is_cut_before_somebody_agrees_to_it() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let command = Change {
        op: ChangeOp::Add,
        path: "command".to_owned(),
        from: None,
        to: Some(format!("sh -c {} | unexpected", "one two ".repeat(20).trim_end())),
    };
    let reason = format!("because {}of red", "a lot ".repeat(20));
    let long = Plan { changes: vec![command], reason: Some(reason), ..plan(Approval::Confirm) };
    dashboard.send(Event::Answer(Answer::Plans(Ok(PlanListAnswer { plans: vec![long] }))));
    for keys in ["3 enter", "A"] {
        dashboard.press(keys);
        dashboard.shows("| unexpected");
        dashboard.shows("red\"");
    }
}

#[test]
fn an_app_shows_where_it_listens_and_its_whole_command() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("2 enter");
    let mut detail = detail();
    detail.summary.ports[0].loopback = true;
    detail.spec.command = vec!["one".to_owned(); 40];
    detail.spec.command.push("unexpected".to_owned());
    dashboard.send(Event::Answer(Answer::App(AppId::from_u64(7).to_string(), Ok(Box::new(detail)))));
    for text in ["127.0.0.1:8080:80", "one unexpected"] {
        dashboard.shows(text);
    }
}

#[test]
fn what_helps_a_failed_operation_is_said_in_words_for_people() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let error = OperationError {
        code: ErrorCode::Internal,
        message: "it ended at once".to_owned(),
        next: Some("app_diagnose {\"app\":\"web-1/shop\"}".to_owned()),
        field: None,
    };
    let failed = Operation { error: Some(error), ..operation(OperationStatus::Failed) };
    dashboard.send(Event::Answer(Answer::Operations(Ok(OperationListAnswer { operations: vec![failed] }))));
    dashboard.press("4 enter");
    dashboard.shows("next: tomo app diagnose web-1/shop");
}

#[test]
fn a_plan_that_was_applied_shows_what_came_of_it() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let applied =
        Plan { status: PlanStatus::Applied, outcome: Some(OperationStatus::Failed), ..plan(Approval::Confirm) };
    dashboard.send(Event::Answer(Answer::Plans(Ok(PlanListAnswer { plans: vec![applied] }))));
    dashboard.press("3");
    dashboard.shows("✗ failed");
    dashboard.press("enter");
    dashboard.shows("✗ failed");
}

#[test]
fn a_login_that_ends_asks_again_and_goes_on() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.send(Event::LinkDown(ClientError::SignedOut("x".to_owned())));
    assert!(matches!(dashboard.state.view, View::Login(_)));
    dashboard.shows("Your login at test has ended");
    dashboard.send(Event::Answer(Answer::Login(Err(refused(ErrorCode::Unauthenticated, "wrong name or password")))));
    dashboard.shows("wrong name or password");
}

#[test]
fn opening_a_server_watches_it_and_leaving_stops_that() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    let effects = dashboard.press("enter");
    let watched = |effects: &[Effect]| {
        effects.iter().find_map(|effect| if let Effect::Watch(uris) = effect { Some(uris.clone()) } else { None })
    };
    assert_eq!(watched(&effects).expect("watches"), ["tomo://overview", "tomo://servers/web-1"]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Metrics(range) if range.span_ms == 300_000)));
    dashboard.answer_view();
    for text in ["Debian 12", "CPU", "Memory", "Network", "Disk", "containers (2)", "shop"] {
        dashboard.shows(text);
    }
    let effects = dashboard.press("-");
    assert!(
        matches!(&effects[..], [Effect::Metrics(range)] if range.span_ms == 900_000 && range.step_s == 3),
        "{effects:?}"
    );
    assert_eq!(watched(&dashboard.press("esc")).expect("watches"), ["tomo://overview"]);
}

#[test]
fn lines_of_another_log_are_not_shown() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    dashboard.press("2 L");
    let line = |text: &str| LogLine { at_ms: 0, stream: LogStream::Stdout, text: text.to_owned(), service: None };
    let answer =
        |text| AppLogsAnswer { lines: vec![line(text)], next_cursor: "1.1".to_owned(), ..AppLogsAnswer::default() };
    let asked = |dashboard: &Dashboard| match &dashboard.state.view {
        View::Logs(view) => view.asked(),
        other => panic!("not the log: {other:?}"),
    };
    let before = asked(&dashboard);
    dashboard.press("4");
    dashboard.send(Event::Answer(Answer::Logs(before, Ok(answer("foreign")))));
    assert!(!dashboard.screen().contains("foreign"));
    let own = asked(&dashboard);
    let more = dashboard.send(Event::Answer(Answer::Logs(own, Ok(answer("own")))));
    assert!(matches!(&more[..], [Effect::Logs { from: LogFrom::After { .. }, .. }]), "{more:?}");
    dashboard.shows("own");
    dashboard.shows("following");
}

#[test]
fn an_app_is_asked_why_it_does_not_work_and_the_next_step_is_ours() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    let effects = dashboard.press("2 W");
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Diagnose(app) if *app == AppId::from_u64(7).to_string()))
    );
    dashboard.shows("looking");
    dashboard.answer_view();
    for text in ["out of memory  certain", "engine 1m ago | exit codes: 137", "next: tomo app get web-1/shop"] {
        dashboard.shows(text);
    }
    let other =
        Answer::Diagnosis("app-other".to_owned(), Ok(Box::new(Diagnosis { causes: Vec::new(), ..diagnosis() })));
    dashboard.send(Event::Answer(other));
    dashboard.shows("out of memory  certain");
    assert!(dashboard.press("L").iter().any(|effect| matches!(effect, Effect::Logs { .. })));
}

#[test]
fn the_palette_finds_a_server() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    dashboard.press(": w e b 2");
    dashboard.shows("web-2");
    dashboard.press("enter");
    assert!(matches!(&dashboard.state.view, View::Server(view) if view.name == "web-2"));
}

#[test]
fn the_palette_asks_for_what_no_view_has_shown_yet_and_keeps_what_is_typed() {
    let mut dashboard = Dashboard::empty();
    dashboard.send(Event::LinkUp);
    let asked = dashboard.press(": l e d g");
    assert!(asked.iter().any(|effect| matches!(effect, Effect::Apps)), "{asked:?}");
    dashboard.shows("nothing matches");
    let apps = [(1, "ledger"), (2, "ledger-test")].map(|(id, name)| AppSummary {
        id: AppId::from_u64(id),
        name: name.to_owned(),
        ..app()
    });
    let apps = AppListAnswer { apps: apps.into(), total: 2, next_cursor: None };
    dashboard.send(Event::Answer(Answer::Apps(Ok(apps))));
    dashboard.shows(": ledg");
    dashboard.press("down");
    let summary = "remove ledger from web-1".to_owned();
    let plans = PlanListAnswer { plans: vec![Plan { summary, ..plan(Approval::Confirm) }] };
    dashboard.send(Event::Answer(Answer::Plans(Ok(plans))));
    dashboard.shows("remove ledger");
    dashboard.press("enter");
    let second = AppId::from_u64(2).to_string();
    assert!(matches!(&dashboard.state.view, View::App(view) if view.app == second), "{:?}", dashboard.state.view);
}

#[test]
fn a_click_selects_and_a_second_one_opens() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    let row = u16::try_from(dashboard.screen().lines().position(|line| line.starts_with("web-2")).expect("is there"))
        .expect("fits");
    for opened in [false, true] {
        dashboard.buffer(80, 24);
        let hit = dashboard.hits.at(2, row);
        dashboard.state.pointer(hit, 0, (2, row), NOW);
        assert_eq!(matches!(&dashboard.state.view, View::Server(view) if view.name == "web-2"), opened);
    }
}

#[test]
fn an_error_stays_until_escape() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    dashboard.send(Event::Answer(Answer::Started(Err(refused(ErrorCode::Internal, "it broke (log id 7)")))));
    dashboard.shows("it broke (log id 7)");
    dashboard.state.update(Event::Due, NOW + 3_600_000);
    dashboard.shows("it broke (log id 7)");
    dashboard.press("esc");
    assert!(!dashboard.screen().contains("it broke"));
}

#[test]
fn nothing_moves_when_nothing_happens() {
    let dashboard = Dashboard::filled(Role::Admin);
    assert_eq!(dashboard.state.next_due(), None);
    assert!(matches!(dashboard.state.link, Link::Live));
}

#[test]
fn every_view_fits_the_smallest_screens() {
    for keys in [
        "1", "enter", "2", "2 enter", "2 L", "2 W", "2 n", "2 T", "3", "3 enter", "3 A", "4", "4 enter", "?", ": w",
        "1 a", "enter i", "U", "5", "5 enter", "5 n",
    ] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        dashboard.seal();
        for key in keys.split(' ') {
            dashboard.press(key);
            dashboard.answer_view();
        }
        for (width, height) in (1..12).flat_map(|width| (1..8).map(move |height| (width, height))) {
            dashboard.buffer(width, height);
        }
    }
}

#[test]
fn what_a_hosts_policy_refuses_is_off_with_its_reason() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let effects = dashboard.press("2");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Policy(server) if server == "web-1")), "{effects:?}");
    assert!(dashboard.press("down").is_empty(), "it is asked once");
    let policy = PolicySummary {
        digest: "abc".to_owned(),
        verbs: ["restart", "logs"].map(str::to_owned).into(),
        ..PolicySummary::default()
    };
    dashboard.send(Event::Answer(Answer::Policy("web-1".to_owned(), Some(policy))));
    for (key, verb) in [("T", "stop"), ("D", "remove"), ("e", "deploy")] {
        assert!(dashboard.press(key).is_empty(), "{key}");
        dashboard.shows(&format!("the policy of web-1 does not allow the verb {verb}"));
    }
    dashboard.press("R");
    dashboard.shows("Restart shop on web-1");
    dashboard.press("esc");
    let none = PolicySummary::default();
    dashboard.send(Event::Answer(Answer::Policy("web-1".to_owned(), Some(none))));
    dashboard.press("R");
    dashboard.shows("web-1 has no policy file");
    dashboard.press(": r e s t a r t");
    dashboard.shows("do        restart");
    dashboard.shows("R  web-1 has no policy file");
}

/// Whether the footer shows an action's key as one that does nothing.
fn is_off(dashboard: &mut Dashboard, key_and_title: &str) -> bool {
    let buffer = dashboard.buffer(200, 36);
    let row: String = buffer.content()[200 * 35..].iter().map(|cell| cell.symbol()).collect();
    let at = row.find(key_and_title).unwrap_or_else(|| panic!("no {key_and_title:?} in {row:?}"));
    let column = u16::try_from(row[..at].chars().count()).expect("fits");
    buffer[(column, 35)].style().fg == dashboard.theme.dim.fg
}

#[test]
fn what_is_over_or_done_already_is_off_wherever_it_is_offered() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("3");
    assert!(!is_off(&mut dashboard, "A approve") && !is_off(&mut dashboard, "X deny"));
    for (status, said) in [(PlanStatus::Denied, "the plan is denied"), (PlanStatus::Applied, "the plan is applied")] {
        let closed = Plan { status, ..plan(Approval::Confirm) };
        dashboard.send(Event::Answer(Answer::Plans(Ok(PlanListAnswer { plans: vec![closed] }))));
        for (key, title) in [("A", "A approve"), ("X", "X deny")] {
            assert!(is_off(&mut dashboard, title), "{title} of {status:?}");
            assert!(dashboard.press(key).is_empty() && dashboard.state.layer.is_none());
            dashboard.shows(said);
        }
    }
    let late = Plan { expires_at: NOW - 1, ..plan(Approval::Confirm) };
    dashboard.send(Event::Answer(Answer::Plans(Ok(PlanListAnswer { plans: vec![late] }))));
    dashboard.press("A");
    dashboard.shows("the plan has expired");

    let done = operation(OperationStatus::Succeeded);
    dashboard.press("4");
    assert!(!is_off(&mut dashboard, "X cancel"));
    dashboard.send(Event::Answer(Answer::Operations(Ok(OperationListAnswer { operations: vec![done] }))));
    assert!(is_off(&mut dashboard, "X cancel"));
    dashboard.press("X");
    dashboard.shows("the operation has succeeded");

    dashboard.press("2");
    assert!(is_off(&mut dashboard, "S start") && !is_off(&mut dashboard, "T stop"));
    let stopped = AppSummary { status: AppStatus::Stopped, ..app() };
    let apps = AppListAnswer { apps: vec![stopped], total: 1, next_cursor: None };
    dashboard.send(Event::Answer(Answer::Apps(Ok(apps))));
    assert!(!is_off(&mut dashboard, "S start") && is_off(&mut dashboard, "T stop"));

    let mut dashboard = Dashboard::filled(Role::Viewer);
    dashboard.press("2");
    assert!(is_off(&mut dashboard, "T stop"));
}

#[test]
fn a_palette_that_finds_nothing_says_so() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press(": z z z");
    dashboard.shows("nothing matches");
    assert!(dashboard.press("enter").is_empty());
    dashboard.shows(": zzz");
}

#[test]
fn a_terminal_of_ascii_is_drawn_with_nothing_else() {
    for keys in [
        "1", "enter", "enter i", "2", "2 enter", "2 L", "3", "3 enter", "3 A", "4", "4 enter", "?", ": w", "a", "n",
        "U", "5", "5 enter", "5 n",
    ] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        dashboard.theme = Theme::new(&Inks::default(), Depth::True, Glyphs::Ascii);
        dashboard.seal();
        for key in keys.split(' ') {
            dashboard.press(key);
            dashboard.answer_view();
        }
        for width in [60, 80, 120] {
            let buffer = dashboard.buffer(width, 24);
            let foreign = buffer.content().iter().find(|cell| !cell.symbol().is_ascii());
            assert!(foreign.is_none(), "{:?} after {keys:?} at {width}", foreign.map(|cell| cell.symbol()));
        }
    }
}

#[test]
fn the_whole_of_a_help_text_is_shown_where_it_is_chosen() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("? u n l o c k");
    let screen = dashboard.screen();
    let whole: String = screen.lines().map(|line| line.trim_matches(['│', ' '])).collect::<Vec<_>>().join(" ");
    assert!(whole.contains("Asks for the master password of a sealed vault. (the vault is not sealed)"), "{screen}");
    dashboard.press("z z");
    dashboard.shows("nothing matches");
}

#[test]
fn below_a_dialogue_stand_its_own_keys_once() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    for (keys, hint) in
        [("a", "Ctrl-S goes on"), ("n", "Ctrl-S previews the plan"), ("?", "Esc closes"), ("2 T", "Tab goes on")]
    {
        dashboard.press(keys);
        let screen = dashboard.screen();
        assert!(screen.lines().last().is_some_and(|line| line.contains(hint)), "{screen}");
        assert_eq!(screen.matches(hint).count(), 1, "{screen}");
        dashboard.press("esc");
    }
}

#[test]
fn the_time_of_what_is_under_way_goes_on() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("4 enter");
    dashboard.answer_view();
    dashboard.shows("for 3s");
    assert_eq!(dashboard.state.next_due(), Some(NOW + 1_000));
    dashboard.state.update(Event::Due, NOW + 4_000);
    assert!(dashboard.state.dirty);
    let View::Operation(view) = &dashboard.state.view else { panic!("not the operation") };
    let id = view.id.clone();
    let done = Operation { ended_at: Some(NOW), ..operation(OperationStatus::Succeeded) };
    dashboard.send(Event::Answer(Answer::Operation(id, Ok(Box::new(done)))));
    assert_eq!(dashboard.state.next_due(), None);
}

#[test]
fn nothing_of_what_a_message_covers_shows_through() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let reason = "the connection was closed".to_owned();
    dashboard
        .send(Event::LinkDown(ClientError::NotConnected { url: "https://tomo.example.com:8666".to_owned(), reason }));
    let buffer = dashboard.buffer(80, 24);
    let rows: Vec<&[Cell]> = buffer.content().chunks(80).collect();
    let text = |row: &[Cell]| row.iter().map(Cell::symbol).collect::<String>();
    let message = rows.iter().find(|row| text(row).contains("the connection was")).expect("it is told");
    assert!(message.iter().all(|cell| cell.modifier == message[0].modifier), "{message:?}");
    assert!(!message[0].modifier.contains(Modifier::DIM), "{message:?}");
}

#[test]
fn a_question_that_is_answered_with_no_says_what_was_not_done() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("2");
    for no in ["esc", "n", "enter"] {
        dashboard.press("R");
        assert!(dashboard.press(no).is_empty(), "{no}");
        assert!(dashboard.state.layer.is_none(), "{no}");
        dashboard.shows("nothing was done: restart app web-1/shop");
        dashboard.state.toasts.dismiss();
    }
    dashboard.press("3 A esc");
    dashboard.shows("nothing was done: deploy shop on web-1");
    // Whoever goes on typing has not said no to anything.
    dashboard.state.toasts.dismiss();
    dashboard.press("1 a tab");
    dashboard.type_in("web-9");
    dashboard.press("esc enter");
    assert!(!dashboard.screen().contains("nothing was done"), "{}", dashboard.screen());
}

#[test]
fn a_server_without_an_engine_is_named_so_in_the_form_and_gets_no_deploy() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let without = ServerSummary { containers: None, ..server(1, ServerStatus::Up) };
    let servers = std::iter::once(without).chain((2..=200).map(|number| server(number, ServerStatus::Up)));
    dashboard.send(Event::Answer(Answer::Servers(Ok(servers.collect()))));
    dashboard.press("n");
    dashboard.shows("web-1 › 1/200  ✗ no container engine answers there");
    dashboard.type_in("nginx:1.27");
    dashboard.press("tab");
    dashboard.type_in("shop-2");
    assert!(dashboard.press("ctrl-s").is_empty());
    dashboard.shows("✗ no container engine answers there: install or start one");
    // One of many is found by typing.
    dashboard.type_in("-187");
    dashboard.shows("web-187 › 187/200  /-187");
    assert!(dashboard.press("ctrl-s").iter().any(|effect| matches!(effect, Effect::Deploy(_))));
}

#[test]
fn whoever_comes_back_is_told_once_why_it_does_not_begin_with_the_overview() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let mut again = Dashboard::empty();
    again.state.restore(dashboard.state.memory());
    assert!(!again.screen().contains("where you left it"), "{}", again.screen());
    dashboard.press("enter");
    let mut again = Dashboard::empty();
    again.state.keys.bind(Context::Global, Action::ShowOverview, vec!["F".to_owned()]);
    again.state.restore(dashboard.state.memory());
    again.shows("where you left it: servers › web-1; press F for the overview");
}

#[test]
fn the_end_of_the_help_is_reached_by_one_key_and_a_mark_tells_that_there_is_more() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("?");
    let screen = dashboard.screen();
    assert!(
        screen.lines().any(|line| line.trim_end_matches(['│', ' ']).ends_with("more") && line.contains("↓ ")),
        "{screen}"
    );
    dashboard.press("end");
    let last = action::in_context(Context::Overview).last().expect("there are some");
    dashboard.shows(last.title);
    assert!(!dashboard.screen().contains("more │"), "{}", dashboard.screen());
    dashboard.press("home");
    assert_eq!(dashboard.screen(), screen);
}

#[test]
fn a_message_that_is_longer_than_its_room_ends_with_a_mark() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.state.toasts.push(Kind::Warning, "word ".repeat(200), NOW);
    let row = dashboard.screen().lines().nth(22).map(str::to_owned).unwrap_or_default();
    assert!(row.ends_with("word …"), "{row}");
    dashboard.state.toasts.dismiss();
    dashboard.state.toasts.push(Kind::Error, "x".repeat(2_000), NOW);
    let row = dashboard.screen().lines().nth(22).map(str::to_owned).unwrap_or_default();
    assert!(row.ends_with("x… (Esc)"), "{row}");
    dashboard.state.toasts.dismiss();
    dashboard.state.toasts.push(Kind::Error, "it is short", NOW);
    dashboard.shows(" it is short (Esc)");
}

#[test]
fn a_header_without_room_is_cut_with_a_mark() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("7");
    for (width, head) in [(20, " tomo › use… ● live "), (16, " tomo ›… ● live "), (40, " tomo › users")] {
        let buffer = dashboard.buffer(width, 5);
        let row: String = (0..width).map(|x| buffer[(x, 0)].symbol()).collect();
        assert!(row.starts_with(head), "{row:?}");
    }
}
