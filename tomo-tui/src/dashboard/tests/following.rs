//! How what changes is followed: notices, a lost daemon, a fleet that is larger than the screen.

use super::*;

#[test]
fn a_lost_daemon_dims_what_is_shown_and_comes_back_by_itself() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let reason = "connection refused".to_owned();
    dashboard.send(Event::LinkDown(ClientError::NotConnected { url: "x".to_owned(), reason }));
    dashboard.shows("lost");
    dashboard.shows("connection refused; trying again");
    dashboard.shows("web-1");
    assert!(dashboard.buffer(80, 24)[(1, 3)].modifier.contains(Modifier::DIM));
    assert!(dashboard.state.next_due().is_some(), "the age goes on");
    let effects = dashboard.send(Event::LinkUp);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Servers)), "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Overview)), "{effects:?}");
    assert!(dashboard.state.next_due().is_none(), "nothing is waited for");
}

fn overviews(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Overview)).count()
}

fn overview_changed() -> Event {
    Event::Notice("tomo://overview".to_owned())
}

#[test]
fn notices_are_followed_once_a_second() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    assert_eq!(overviews(&dashboard.send(overview_changed())), 1, "the first one at once");
    assert_eq!(dashboard.state.next_due(), None);
    dashboard.send(Event::Answer(Answer::Overview(Ok(Box::new(overview())))));
    for _ in 0..5 {
        assert_eq!(overviews(&dashboard.send(overview_changed())), 0);
    }
    assert_eq!(dashboard.state.next_due(), Some(NOW + 1_000));
    assert_eq!(overviews(&dashboard.state.update(Event::Due, NOW + 999)), 0);
    assert_eq!(overviews(&dashboard.state.update(Event::Due, NOW + 1_000)), 1);
    assert_eq!(dashboard.state.next_due(), None);
}

#[test]
fn notices_during_a_fetch_make_one_more() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    assert_eq!(overviews(&dashboard.send(overview_changed())), 1);
    for later in 1..4 {
        assert_eq!(overviews(&dashboard.state.update(overview_changed(), NOW + later * 1_000)), 0);
    }
    let answer = || Event::Answer(Answer::Overview(Ok(Box::new(overview()))));
    assert_eq!(overviews(&dashboard.state.update(answer(), NOW + 4_000)), 1);
    assert_eq!(overviews(&dashboard.state.update(answer(), NOW + 4_000)), 0);
}

/// Which rows are asked for: without and with their sparklines.
fn rows_asked(effects: &[Effect]) -> Vec<[Vec<&str>; 2]> {
    let mut asked = Vec::new();
    for effect in effects {
        if let Effect::Rows { names: without, with_sparks } = effect {
            asked.push([without, with_sparks].map(|them| them.iter().map(String::as_str).collect()));
        }
    }
    asked
}

#[test]
fn of_a_large_fleet_only_what_is_in_sight_is_fetched_each_second() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let fleet = |spark: bool| {
        let server = |number| {
            let mut server = server(number, ServerStatus::Up);
            if !spark {
                server.cpu_spark = Vec::new();
                server.network_spark = Vec::new();
            }
            server
        };
        (1..=1_000).map(server).collect::<Vec<_>>()
    };
    let counted = || {
        let mut overview = overview();
        overview.servers = tomo_proto::api::overview::ServerCounts { up: 1_000, ..Default::default() };
        Event::Answer(Answer::Overview(Ok(Box::new(overview))))
    };
    dashboard.state.update(Event::Answer(Answer::Servers(Ok(fleet(false)))), NOW);
    dashboard.buffer(80, 10);
    assert!(dashboard.state.next_due().is_some(), "rows came into sight");
    let effects = dashboard.state.update(Event::Due, NOW + 1_000);
    let names: Vec<String> = (1..=4).map(|number| format!("web-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(rows_asked(&effects), [[vec![], names.clone()]]);
    let sparks =
        |dashboard: &Dashboard| dashboard.state.servers.items().iter().filter(|one| !one.cpu_spark.is_empty()).count();
    let take = |dashboard: &mut Dashboard, spark, at_ms| {
        let servers = fleet(spark).into_iter().take(4).collect();
        dashboard.state.update(counted(), at_ms);
        dashboard.state.update(Event::Answer(Answer::Rows(Ok(servers))), at_ms)
    };
    take(&mut dashboard, true, NOW + 1_000);
    assert_eq!(sparks(&dashboard), 4);
    let mut whole = 0;
    for second in 2..=30 {
        let effects = dashboard.state.update(overview_changed(), NOW + second * 1_000);
        let asked = if second % 15 == 1 { [vec![], names.clone()] } else { [names.clone(), vec![]] };
        assert_eq!(rows_asked(&effects), [asked], "after {second} s");
        if effects.iter().any(|effect| matches!(effect, Effect::Servers)) {
            whole += 1;
            dashboard.state.update(Event::Answer(Answer::Servers(Ok(fleet(false)))), NOW + second * 1_000);
        }
        take(&mut dashboard, false, NOW + second * 1_000);
        assert_eq!(sparks(&dashboard), 4, "they are kept");
    }
    assert_eq!(whole, 3, "all of it every ten seconds");
    let stay_and_come = |dashboard: &mut Dashboard, keys: &str| {
        dashboard.press(keys);
        dashboard.buffer(80, 10);
        let due = dashboard.state.next_due().expect("other rows came into sight");
        let effects = dashboard.state.update(Event::Due, due);
        take(dashboard, true, due);
        format!("{:?}", rows_asked(&effects))
    };
    let asked = stay_and_come(&mut dashboard, "down down down down");
    assert_eq!(asked, r#"[[["web-2", "web-3", "web-4"], ["web-5"]]]"#, "only of what came");
    let asked = stay_and_come(&mut dashboard, "home");
    assert_eq!(asked, r#"[[["web-1", "web-2", "web-3", "web-4"], []]]"#, "they were there a moment ago");
}
