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

/// What is asked about rows: their names, and whether with sparklines.
fn rows_asked(effects: &[Effect]) -> Vec<(Vec<&str>, bool)> {
    let asked = |effect| match effect {
        &Effect::Rows { ref names, spark } => Some((names.iter().map(String::as_str).collect(), spark)),
        _ => None,
    };
    effects.iter().filter_map(asked).collect()
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
    assert_eq!(rows_asked(&effects), [(names.clone(), true)]);
    let sparks =
        |dashboard: &Dashboard| dashboard.state.servers.items().iter().filter(|one| !one.cpu_spark.is_empty()).count();
    let take = |dashboard: &mut Dashboard, spark, at_ms| {
        let servers = fleet(spark).into_iter().take(4).collect();
        let answer = ServerListAnswer { servers, total: 4, next_cursor: None };
        dashboard.state.update(counted(), at_ms);
        dashboard.state.update(Event::Answer(Answer::Rows(Ok(answer))), at_ms)
    };
    take(&mut dashboard, true, NOW + 1_000);
    assert_eq!(sparks(&dashboard), 4);
    let mut whole = 0;
    for second in 2..=30 {
        let effects = dashboard.state.update(overview_changed(), NOW + second * 1_000);
        assert_eq!(rows_asked(&effects), [(names.clone(), second % 15 == 1)], "after {second} s");
        if effects.iter().any(|effect| matches!(effect, Effect::Servers)) {
            whole += 1;
            dashboard.state.update(Event::Answer(Answer::Servers(Ok(fleet(false)))), NOW + second * 1_000);
        }
        take(&mut dashboard, false, NOW + second * 1_000);
        assert_eq!(sparks(&dashboard), 4, "they are kept");
    }
    assert_eq!(whole, 3, "all of it every ten seconds");
    dashboard.press("pagedown pagedown");
    dashboard.buffer(80, 10);
    let due = dashboard.state.next_due().expect("other rows came into sight");
    let effects = dashboard.state.update(Event::Due, due);
    assert!(matches!(&rows_asked(&effects)[..], [(names, true)] if names.contains(&"web-5")), "{effects:?}");
}
