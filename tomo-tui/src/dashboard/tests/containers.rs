//! Containers that are no app's, images, volumes and networks.

use tomo_proto::api::stock::ServerPrune;

use super::*;
use crate::dashboard::{action::Action, layers::make::Made, views::logs::LogOf};

/// On the server's view, with the container that is no app's selected.
fn on_container() -> Dashboard {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("enter");
    dashboard.answer_view();
    dashboard.press("j");
    dashboard
}

#[test]
fn a_container_that_is_no_apps_is_opened_followed_and_operated_as_the_policy_allows() {
    let mut dashboard = on_container();
    dashboard.press("T");
    assert!(dashboard.screen().contains("Stop db on web-1"), "{}", dashboard.screen());
    let effects = dashboard.press("tab enter");
    let stops = |effect: &Effect| matches!(effect, Effect::Operate { action: Action::StopApp, server, container } if server == "web-1" && container == "db");
    assert!(effects.iter().any(stops), "{effects:?}");

    // The host allows stopping it, and no restart; it runs already.
    for (key, why) in [("R", "does not allow restart of what Tomo did not make"), ("S", "db runs already")] {
        assert!(dashboard.press(key).is_empty());
        assert!(dashboard.screen().contains(why), "{}", dashboard.screen());
    }
    let effects = dashboard.press("L");
    let follows = |effect: &Effect| matches!(effect, Effect::Logs { of: LogOf::Container { server, container }, .. } if server == "web-1" && container == "db");
    assert!(effects.iter().any(follows), "{effects:?}");
    dashboard.press("esc");
    let effects = dashboard.press("enter");
    let looks = |effect: &Effect| matches!(effect, Effect::Container { container, .. } if container == "db");
    assert!(effects.iter().any(looks), "{effects:?}");
    dashboard.answer_view();
    let screen = dashboard.screen();
    for expected in ["POSTGRES_PASSWORD=(masked)", "pgdata at /var/lib", "capability NET_ADMIN", "3 by the engine"] {
        assert!(screen.contains(expected), "{expected}: {screen}");
    }
}

#[test]
fn what_an_app_and_a_container_use_is_charted_and_followed() {
    let metrics = |effects: &[Effect]| -> Vec<Vec<String>> {
        let of = effects.iter().filter_map(|effect| match effect {
            Effect::Metrics(range) => Some(range.containers.clone()),
            _ => None,
        });
        of.collect()
    };
    let mut dashboard = Dashboard::filled(Role::Viewer);
    dashboard.press("2 enter");
    let View::App(view) = &dashboard.state.view else { panic!("{:?}", dashboard.state.view) };
    let app = view.app.clone();
    let mut of_two = detail();
    of_two.services.insert("db".to_owned(), Container { name: "tomo-shop-db".to_owned(), ..container() });
    let asked = dashboard.send(Event::Answer(Answer::App(app.clone(), Ok(Box::new(of_two)))));
    assert_eq!(metrics(&asked), [["tomo-shop", "tomo-shop-db"]]);
    let watched =
        |effect: &Effect| matches!(effect, Effect::Watch(uris) if uris.iter().any(|uri| uri == "tomo://servers/web-1"));
    assert!(asked.iter().any(watched), "its figures come with its server's: {asked:?}");
    dashboard.answer_view();
    for text in ["5 min, live", "CPU, cores", "Memory", "Network", "Disk"] {
        dashboard.shows(text);
    }
    assert_eq!(metrics(&dashboard.press("-")), [["tomo-shop"]], "of a longer time");
    dashboard.press("x");
    assert!(dashboard.press("< ,").iter().any(|effect| matches!(effect, Effect::Metrics(_))));
    let later = Event::Answer(Answer::App(app, Ok(Box::new(detail()))));
    let asked = dashboard.state.update(later, NOW + 60_000);
    assert_eq!(metrics(&asked), [[""; 0]; 0], "the past stays as it was");

    let mut dashboard = on_container();
    dashboard.press("enter");
    dashboard.answer_view();
    for text in ["CPU, cores", "POSTGRES_PASSWORD"] {
        dashboard.shows(text);
    }
    // Its figures come often; the engine is asked for its facts now and then.
    let notice = || Event::Notice("tomo://servers/web-1".to_owned());
    let asks = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Container { .. }));
    let effects = dashboard.state.update(notice(), NOW + 3_000);
    assert!(metrics(&effects) == [["db"]] && !asks(&effects), "{effects:?}");
    assert!(asks(&dashboard.state.update(notice(), NOW + 6_000)));
}

#[test]
fn why_a_container_does_not_work_is_told_below_its_server() {
    let mut dashboard = on_container();
    dashboard.press("W");
    dashboard.shows("servers › web-1 › db › why");
    dashboard.press("esc 2 W");
    dashboard.shows("apps › shop › why");
}

#[test]
fn a_container_becomes_an_app_and_what_it_would_lose_is_asked_about_first() {
    let mut dashboard = on_container();
    assert!(dashboard.press("A").is_empty());
    assert!(dashboard.screen().contains("does not allow adopt of what Tomo did not make"), "{}", dashboard.screen());
    dashboard.state.layer = Some(adoption());
    assert!(dashboard.screen().contains("Make an app of db on web-1"), "{}", dashboard.screen());
    dashboard.type_in("-2");
    let effects = dashboard.press("enter");
    let [Effect::Adopt { request }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((request.container.as_str(), request.name.as_deref()), ("db", Some("db-2")));
    assert!(!request.accept_losses);
    let error = ApiError {
        field: Some("accept_losses".to_owned()),
        ..ApiError::new(ErrorCode::Conflict, "container \"db\" would lose: its init process (--init)")
    };
    dashboard.send(Event::Answer(Answer::Planned(Err(error.into()), Vec::new())));
    assert!(dashboard.screen().contains("would lose: its init process"), "{}", dashboard.screen());
    let effects = dashboard.press("tab enter");
    assert!(matches!(&effects[..], [Effect::Adopt { request }] if request.accept_losses), "{effects:?}");

    // An app's container is one already.
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("enter");
    dashboard.answer_view();
    assert!(dashboard.press("A").is_empty());
    assert!(dashboard.screen().contains("no container is selected that is no app's"), "{}", dashboard.screen());
}

#[test]
fn an_apps_container_is_operated_as_its_app() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("enter");
    dashboard.answer_view();
    dashboard.press("R");
    let effects = dashboard.press("tab enter");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Restart(_))), "{effects:?}");
    dashboard.press("enter");
    assert!(matches!(dashboard.state.view, View::App(_)), "{:?}", dashboard.state.view);
}

#[test]
fn images_volumes_and_networks_are_removed_pruned_pulled_and_made() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("enter");
    dashboard.answer_view();
    let effects = dashboard.press("I");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Stock(server) if server == "web-1")), "{effects:?}");
    dashboard.answer_view();
    assert!(dashboard.press("D").is_empty(), "an image that is used stays");
    assert!(dashboard.screen().contains("postgres:17 is in use by db"), "{}", dashboard.screen());
    let effects = dashboard.press("j D");
    assert!(matches!(&effects[..], [Effect::Discard { item: Item::Image(_), .. }]), "{effects:?}");
    let mut removal = plan(Approval::Human);
    removal.summary = "Remove volume \"backups\" from server \"web-1\"".to_owned();
    dashboard.send(Event::Answer(Answer::Planned(Ok(Box::new(removal)), Vec::new())));
    assert!(dashboard.screen().contains("Remove volume"), "the plan is shown: {}", dashboard.screen());
    dashboard.press("esc");

    dashboard.press("P");
    assert!(dashboard.screen().contains("Everything unused"), "{}", dashboard.screen());
    let effects = dashboard.press("tab enter");
    assert!(matches!(&effects[..], [Effect::Prune(ServerPrune { all: false, volumes: false, .. })]), "{effects:?}");

    dashboard.press("p");
    dashboard.type_in("nginx");
    assert!(dashboard.press("enter").is_empty(), "a name without a tag is not sent");
    dashboard.type_in(":1.27");
    let effects = dashboard.press("enter");
    assert!(
        matches!(&effects[..], [Effect::Make { made: Made::Image, name, .. }] if name == "nginx:1.27"),
        "{effects:?}"
    );
    let refused = refused(ErrorCode::RefusedByPolicy, "the policy of server \"web-1\" does not allow it");
    dashboard.send(Event::Answer(Answer::Started(Err(refused))));
    assert!(dashboard.screen().contains("does not allow it"), "{}", dashboard.screen());
    let effects = dashboard.press("enter");
    assert!(matches!(&effects[..], [Effect::Make { .. }]), "it takes keys again: {effects:?}");
}

#[test]
fn a_volume_is_backed_up_and_its_backups_are_restored_drilled_verified_and_removed() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("enter");
    dashboard.answer_view();
    dashboard.press("I");
    dashboard.answer_view();
    assert!(dashboard.press("b").is_empty(), "an image is no volume");
    assert!(dashboard.screen().contains("no volume is selected"), "{}", dashboard.screen());
    dashboard.press("j j b");
    assert!(dashboard.screen().contains("Back up volume backups of web-1"), "{}", dashboard.screen());
    let effects = dashboard.press("tab enter");
    let backs_up =
        |effect: &Effect| matches!(effect, Effect::BackUpVolume { volume, stop: false, .. } if volume == "backups");
    assert!(effects.iter().any(backs_up), "{effects:?}");

    let effects = dashboard.press("B");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Backups(server) if server == "web-1")), "{effects:?}");
    dashboard.answer_view();
    let screen = dashboard.screen();
    for expected in ["shop-data", "3h ago", "10003", "2h ago, 10003 files"] {
        assert!(screen.contains(expected), "{expected}: {screen}");
    }
    for (key, wanted) in [("T", Action::DrillVolume), ("V", Action::VerifyBackup)] {
        let effects = dashboard.press(key);
        let tries = |effect: &Effect| matches!(effect, Effect::TryBackup { action, backup } if *action == wanted && backup == "vol-000000000007");
        assert!(effects.iter().any(tries), "{effects:?}");
    }
    for (key, wanted) in [("R", Action::RestoreVolume), ("D", Action::Discard)] {
        let effects = dashboard.press(key);
        let plans = |effect: &Effect| matches!(effect, Effect::PlanBackup { action, .. } if *action == wanted);
        assert!(effects.iter().any(plans), "{effects:?}");
    }
}

#[test]
fn a_container_shows_where_it_listens_and_its_whole_command() {
    let mut dashboard = on_container();
    dashboard.press("enter");
    let mut detail = container_detail();
    let port = |container, host, address: &str| PublishedPort {
        container,
        host,
        address: address.to_owned(),
        protocol: Protocol::Tcp.as_str().to_owned(),
    };
    detail.container.ports = vec![port(80, Some(8080), "127.0.0.1"), port(80, Some(8080), "::"), port(81, None, "")];
    detail.config.command = vec!["one".to_owned(); 40];
    detail.config.command.push("unexpected".to_owned());
    let answer = Answer::Container("web-1".to_owned(), "db".to_owned(), Ok(Box::new(detail)));
    dashboard.send(Event::Answer(answer));
    for text in ["127.0.0.1:8080 → 80/tcp", "[::]:8080 → 80/tcp", "81/tcp, not published", "one unexpected"] {
        dashboard.shows(text);
    }
}

#[test]
fn a_containers_state_is_shown_whole() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("enter");
    let restarting = Container { state: ContainerState::Restarting, ..container() };
    let detail = ServerDetail {
        summary: server(1, ServerStatus::Up),
        facts: None,
        containers: vec![restarting],
        probe: None,
        policy: None,
        created_at: 0,
        last_seen_at: None,
    };
    dashboard.send(Event::Answer(Answer::Server("web-1".to_owned(), Ok(Box::new(detail)))));
    dashboard.shows("✗ restarting");
}
