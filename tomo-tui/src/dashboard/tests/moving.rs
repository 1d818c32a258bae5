//! Getting around: a screen that stands still, panes, messages, the mouse, charts in time, what needs attention, copies.

use super::*;
use crate::dashboard::{action::Action, canvas::Hit, clipboard::Clipboard};

/// Some seconds later.
fn later(dashboard: &mut Dashboard, seconds: u64, event: Event) -> Vec<Effect> {
    dashboard.state.update(event, NOW + seconds * 1_000)
}

impl Dashboard {
    /// Where a text begins on the screen.
    fn place_of(&mut self, text: &str) -> (u16, u16) {
        let screen = self.screen();
        let found = screen.lines().enumerate().find_map(|(row, line)| Some((line.find(text)?, row, line)));
        let (at, row, line) = found.unwrap_or_else(|| panic!("no {text:?} in\n{screen}"));
        (u16::try_from(line[..at].chars().count()).expect("a column"), u16::try_from(row).expect("a row"))
    }

    pub(super) fn right_click(&mut self, text: &str) {
        let at = self.place_of(text);
        self.state.ask_for_menu(self.hits.at(at.0, at.1), at, NOW);
    }

    fn click(&mut self, at: (u16, u16)) -> Vec<Effect> {
        self.screen();
        self.state.pointer(self.hits.at(at.0, at.1), 0, at, NOW)
    }

    fn wheel(&mut self, lines: i32, at: (u16, u16)) -> Vec<Effect> {
        self.screen();
        self.state.pointer(self.hits.at(at.0, at.1), lines, at, NOW)
    }

    fn on_server() -> Self {
        let mut dashboard = Self::filled(Role::Admin);
        dashboard.press("enter");
        dashboard.answer_view();
        dashboard
    }
}

fn apps(status: AppStatus) -> Event {
    let apps = vec![AppSummary { status, ..app() }];
    Event::Answer(Answer::Apps(Ok(AppListAnswer { apps, total: 1, next_cursor: None })))
}

#[test]
fn a_frozen_screen_stands_still_while_data_arrive_and_shows_them_when_let_go() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("2 f");
    dashboard.shows("FROZEN +0 s");
    later(&mut dashboard, 12, apps(AppStatus::Deploying));
    later(&mut dashboard, 12, apps(AppStatus::Failed));
    later(&mut dashboard, 12, Event::Due);
    dashboard.shows("FROZEN +12 s");
    dashboard.shows("● running");
    assert_eq!(dashboard.state.next_due(), Some(NOW + 13_000), "its age goes on");
    // Keys still work on what is shown.
    dashboard.press("/");
    dashboard.type_in("shop");
    dashboard.shows("1 of 1");
    dashboard.press("enter f");
    dashboard.shows("✗ failed");
    assert!(!dashboard.screen().contains("FROZEN"));
    dashboard.press("f 3");
    assert!(!dashboard.screen().contains("FROZEN"), "another view is not frozen");
}

#[test]
fn a_frozen_screen_still_asks_for_data_and_tells_of_a_lost_daemon() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("2 f");
    let asks = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Apps));
    later(&mut dashboard, 2, apps(AppStatus::Running));
    assert!(asks(&later(&mut dashboard, 3, Event::Notice("tomo://overview".to_owned()))));
    later(&mut dashboard, 4, apps(AppStatus::Running));
    assert!(asks(&later(&mut dashboard, 6, Event::Notice("tomo://overview".to_owned()))));
    let lost = ClientError::NotConnected { url: "test".to_owned(), reason: "gone".to_owned() };
    later(&mut dashboard, 7, Event::LinkDown(lost));
    dashboard.shows("✗ lost");
}

#[test]
fn the_list_gets_half_of_the_room_all_of_it_and_its_usual_part_again() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("3");
    let beside = |dashboard: &mut Dashboard| {
        let buffer = dashboard.buffer(120, 36);
        let rows = buffer.content().chunks(120).map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
        rows.collect::<Vec<_>>().join("\n").contains("because red")
    };
    assert!(beside(&mut dashboard));
    dashboard.press("_");
    assert!(!beside(&mut dashboard), "the list alone");
    dashboard.press("+");
    assert!(beside(&mut dashboard));
    let mut dashboard = Dashboard::on_server();
    dashboard.press("_");
    assert!(!dashboard.screen().contains("Memory"));
    dashboard.shows("containers (2)");
    dashboard.press("_ _");
    dashboard.shows("Memory");
}

#[test]
fn messages_can_be_read_again_with_their_times() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("H");
    dashboard.shows("nothing was told yet");
    dashboard.press("esc 2 S");
    dashboard.send(Event::Answer(Answer::Broken("something inside went wrong".to_owned())));
    dashboard.send(Event::Answer(Answer::Broken("and again".to_owned())));
    dashboard.shows("and again (Esc; 1 more)");
    dashboard.press("esc");
    dashboard.shows("something inside went wrong (Esc)");
    dashboard.press("esc H");
    for text in ["Messages", "shop runs already", "something inside went wrong", "and again"] {
        dashboard.shows(text);
    }
}

#[test]
fn a_right_click_selects_a_row_and_offers_what_can_be_done_with_it() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.right_click("web-2");
    for text in ["╭ web-2", "open", "update agent", "remove server"] {
        dashboard.shows(text);
    }
    assert!(!dashboard.screen().contains("│ a        add server"), "that has nothing to do with a row");
    let at = dashboard.place_of("remove server");
    let effects = dashboard.click(at);
    assert!(matches!(&effects[..], [Effect::RemoveServer(name)] if name == "web-2"), "{effects:?}");
    assert!(dashboard.state.layer.is_none());

    dashboard.right_click("web-3");
    dashboard.shows("(the agent of web-3 is not connected)");
    let effects = dashboard.click((79, 0));
    assert!(effects.is_empty() && dashboard.state.layer.is_none(), "a click beside it closes it");
    dashboard.right_click("web-1");
    dashboard.press("enter");
    assert!(matches!(&dashboard.state.view, View::Server(view) if view.name == "web-1"));
    dashboard.press("esc ctrl-a");
    dashboard.right_click("web-1");
    dashboard.shows("╭ 3 marked");
}

#[test]
fn every_menu_leaves_out_what_only_moves() {
    for entry in super::super::action::TABLE {
        let moves =
            matches!(entry.action, Action::Filter | Action::Sort | Action::ZoomIn | Action::Freeze | Action::Mark);
        assert!(!(moves && super::super::action::is_a_deed(entry.action)), "{:?}", entry.action);
    }
}

#[test]
fn a_click_on_a_head_sorts_and_once_more_turns_it_around() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let at = dashboard.place_of("NAME");
    dashboard.click(at);
    dashboard.shows("NAME▴");
    dashboard.click(at);
    dashboard.shows("NAME▾");
    let at = dashboard.place_of("CPU");
    dashboard.click(at);
    dashboard.shows("NAME▿");
    dashboard.shows("CPU▾");
}

#[test]
fn the_mouse_moves_charts_in_time_and_the_wheel_zooms_only_there() {
    let mut dashboard = Dashboard::on_server();
    let on_chart = dashboard.place_of("CPU");
    let chart = (on_chart.0 + 20, on_chart.1 + 2);
    assert!(matches!(dashboard.hits.at(chart.0, chart.1), Some(Hit::Chart(_))));
    let effects = dashboard.wheel(3, chart);
    assert!(matches!(&effects[..], [Effect::Metrics(range)] if range.span_ms == 900_000), "{effects:?}");
    dashboard.wheel(-3, chart);
    let on_list = dashboard.place_of("db");
    dashboard.wheel(3, on_list);
    assert!(matches!(&dashboard.state.view, View::Server(view) if view.containers.table.selected == 1));

    dashboard.click(chart);
    assert!(dashboard.send(Event::Drag(chart.0 + 10)).is_empty(), "nothing is fetched while it moves");
    let effects = dashboard.send(Event::Drop);
    assert!(matches!(&effects[..], [Effect::Metrics(range)] if range.until_ms.is_some()), "{effects:?}");
    dashboard.shows("until");
}

#[test]
fn charts_jump_to_a_time_that_is_typed() {
    let mut dashboard = Dashboard::on_server();
    dashboard.press("J");
    dashboard.type_in("tomorrow");
    dashboard.press("enter");
    dashboard.shows("that is no time");
    dashboard.press("ctrl-u");
    dashboard.type_in("6h");
    let effects = dashboard.press("enter");
    let six_hours_ago = NOW - 6 * 3_600_000;
    assert!(
        matches!(&effects[..], [Effect::Metrics(range)] if range.until_ms == Some(six_hours_ago + 150_000)),
        "{effects:?}"
    );
    assert!(matches!(&dashboard.state.view, View::Server(view) if view.time.crosshair_ms == Some(six_hours_ago)));
}

#[test]
fn a_chart_names_the_deploy_under_its_crosshair() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let deploy = Operation { started_at: NOW - 150_000, ..operation(OperationStatus::Succeeded) };
    dashboard.send(Event::Answer(Answer::Operations(Ok(OperationListAnswer { operations: vec![deploy] }))));
    dashboard.press("enter");
    dashboard.answer_view();
    dashboard.shows("┊");
    assert!(!dashboard.screen().contains("deploy of shop"));
    dashboard.press("x");
    dashboard.shows("▾ deploy of shop, ");
}

#[test]
fn marked_servers_are_compared_in_the_same_charts() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("C");
    dashboard.shows("two to six servers fit, and 0 are marked");
    let effects = dashboard.press("space space C");
    let of: Vec<&str> = effects
        .iter()
        .filter_map(|effect| if let Effect::Metrics(range) = effect { Some(range.server.as_str()) } else { None })
        .collect();
    assert_eq!(of, ["web-1", "web-2"]);
    let rows = |effect: &Effect| matches!(effect, Effect::Rows { names, .. } if names == &["web-1", "web-2"]);
    assert!(effects.iter().any(rows), "{effects:?}");
    dashboard.answer_view();
    for text in ["servers › compared", "■ web-1", "■ web-2", "CPU", "10%      20%", "Network in+out"] {
        dashboard.shows(text);
    }
    let effects = dashboard.press("-");
    assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Metrics(_))).count(), 2, "{effects:?}");
    // Newer figures come with the rows.
    let mut newer = server(1, ServerStatus::Up);
    newer.vitals = newer.vitals.map(|vitals| tomo_proto::model::server::Vitals { cpu_ratio: 0.77, ..vitals });
    dashboard.press("+");
    dashboard.answer_view();
    dashboard.send(Event::Answer(Answer::Rows(Ok(vec![newer]))));
    dashboard.shows("77%");
    dashboard.press("esc");
    dashboard.shows("2 marked");
}

#[test]
fn sparklines_of_the_network_are_drawn_against_the_busiest_in_sight_and_sorting_skips_them() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    let quiet = |number, rate: u64| ServerSummary { network_spark: vec![rate; 40], ..server(number, ServerStatus::Up) };
    dashboard.buffer(200, 20);
    dashboard.send(Event::Answer(Answer::Rows(Ok(vec![quiet(1, 60_000_000), quiet(2, 600_000)]))));
    let buffer = dashboard.buffer(200, 20);
    let row = |row: usize| buffer.content()[row * 200..][..200].iter().map(|cell| cell.symbol()).collect::<String>();
    assert!(row(3).contains("⣿⣿⣿⣿⣿⣿⣿⣿") && row(4).contains("⣀⣀⣀⣀⣀⣀⣀⣀"), "{}\n{}", row(3), row(4));
    for _ in 0..12 {
        dashboard.press("s");
        let screen = dashboard.screen();
        assert!(screen.matches(['▴', '▾']).count() <= 1, "{screen}");
    }
    dashboard.press("/ c p u : > 8 0 enter");
    dashboard.shows("nothing fits; \"cpu\" is no column, those are: name, status, label");
}

#[test]
fn a_filter_from_before_is_replaced_by_the_next_letter_or_gone_on_with() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    dashboard.press("/ w e b - 2 enter /");
    dashboard.shows("1 of 3");
    dashboard.press("3 enter");
    dashboard.shows("/3  1 of 3");
    dashboard.press("/ backspace w enter");
    dashboard.shows("/w  3 of 3");
    dashboard.press("/ enter");
    dashboard.shows("/w  3 of 3");
    dashboard.press("/");
    dashboard.send(Event::Paste("web-1".to_owned()));
    dashboard.press("enter");
    dashboard.shows("/web-1  1 of 3");
}

#[test]
fn alerts_tell_since_when_and_lead_to_what_they_are_about() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let of_app = Problem {
        severity: Severity::Warning,
        subject: "shop".to_owned(),
        message: "ended 4 times in 10 min".to_owned(),
        next: "app_diagnose {\"app\":\"web-1/shop\"}".to_owned(),
        began_at: None,
        log: vec!["panicked at \u{1b}[31mmain".to_owned()],
    };
    let mut more = overview();
    more.problems.push(of_app.clone());
    more.problems.push(Problem {
        subject: "backup".to_owned(),
        message: "none was made".to_owned(),
        next: "tomo backup create".to_owned(),
        log: Vec::new(),
        ..of_app
    });
    dashboard.send(Event::Answer(Answer::Overview(Ok(Box::new(more.clone())))));
    more.problems[1].message = "ended 5 times in 10 min".to_owned();
    later(&mut dashboard, 120, Event::Answer(Answer::Overview(Ok(Box::new(more)))));
    later(&mut dashboard, 120, Event::Key(KeyEvent::from(KeyCode::Char('!'))));
    for text in ["alerts", "web-3", "✗ critical", "ended 5 times", "7m ago", "2m ago"] {
        dashboard.shows(text);
    }
    dashboard.press("j");
    dashboard.shows("next: tomo app diagnose web-1/shop");
    dashboard.shows("panicked at main");
    dashboard.press("enter");
    assert!(matches!(&dashboard.state.view, View::App(view) if view.app == AppId::from_u64(7).to_string()));
    dashboard.press("esc k enter");
    assert!(matches!(&dashboard.state.view, View::Server(view) if view.name == "web-3"));
    dashboard.press("esc G enter");
    dashboard.shows("next: tomo backup create");
    dashboard.press("/");
    dashboard.type_in("level:critical");
    dashboard.shows("1 of 3");
}

#[test]
fn what_is_selected_is_copied_by_the_way_that_reaches_the_clipboard_and_never_silently() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    let effects = dashboard.press("j y");
    assert!(matches!(&effects[..], [Effect::Copy(text)] if text == "web-2"), "{effects:?}");
    dashboard.shows("sent 5 characters to the terminal's clipboard (OSC 52)");
    let effects = dashboard.press("Y");
    let [Effect::Copy(text)] = &effects[..] else { panic!("{effects:?}") };
    let json: serde_json::Value = serde_json::from_str(text).expect("it is JSON");
    assert_eq!(json["name"], "web-2");

    dashboard.state.clipboard = Clipboard::Tmux;
    let effects = dashboard.press("y");
    assert!(matches!(&effects[..], [Effect::LoadTmux(text)] if text == "web-2"), "{effects:?}");
    dashboard.send(Event::Answer(Answer::Copied("web-2".to_owned(), Ok(()))));
    dashboard.shows("copied 5 characters (tmux)");
    let why = Err("tmux: unknown flag -w".to_owned());
    dashboard.send(Event::Answer(Answer::Copied("web-2".to_owned(), why)));
    dashboard.shows("not copied: tmux: unknown flag -w");
    dashboard.shows("To copy by hand");
    dashboard.press("esc");
    dashboard.state.clipboard = Clipboard::Nobody;
    assert!(dashboard.press("y").is_empty());
    dashboard.shows("this terminal takes no copies");
    dashboard.press("esc 2 enter");
    dashboard.answer_view();
    dashboard.state.clipboard = Clipboard::Terminal;
    let effects = dashboard.press("y");
    assert!(matches!(&effects[..], [Effect::Copy(text)] if text == "shop"), "{effects:?}");
}
