//! A view whose data were refused: what was there stays, the reason stands above it, and goes as soon as it is no longer true.

use super::*;

const WHY: &str = "there is no app \"shop\"";

fn refusal() -> ClientError {
    refused(ErrorCode::NotFound, WHY)
}

fn on_app() -> Dashboard {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("2 enter");
    dashboard.answer_view();
    dashboard
}

#[test]
fn what_was_there_stays_below_the_reason_until_it_is_told_again() {
    let mut dashboard = on_app();
    let app = AppId::from_u64(7).to_string();
    dashboard.send(Event::Answer(Answer::App(app, Err(refusal()))));
    for text in [WHY, "what stands below is from before; ctrl-r asks again", "registry.example/shop:1.2"] {
        dashboard.shows(text);
    }
    let effects = dashboard.press("ctrl-r");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::App(_))), "{effects:?}");
    dashboard.shows(WHY);
    dashboard.answer_view();
    assert!(!dashboard.screen().contains(WHY));
}

#[test]
fn a_reason_belongs_to_its_view() {
    let mut dashboard = on_app();
    let app = AppId::from_u64(7).to_string();
    dashboard.send(Event::Answer(Answer::App(app.clone(), Err(refusal()))));
    dashboard.press("4");
    assert!(!dashboard.screen().contains(WHY), "it stands over another view");
    // An answer that comes too late passes by as a message.
    dashboard.send(Event::Answer(Answer::App(app, Err(refusal()))));
    dashboard.shows(WHY);
    dashboard.state.update(Event::Due, NOW + 60_000);
    assert!(!dashboard.screen().contains(WHY));
}

#[test]
fn a_list_that_was_refused_at_once_says_so_instead_of_loading_for_ever() {
    let mut dashboard = Dashboard::empty();
    dashboard.send(Event::LinkUp);
    dashboard.send(Event::Answer(Answer::Whoami(Ok(who(Role::Admin, true)))));
    for (key, refuse) in [
        ("2", Answer::Apps(Err(refusal()))),
        ("3", Answer::Plans(Err(refusal()))),
        ("4", Answer::Operations(Err(refusal()))),
        ("5", Answer::Catalog(Err(refusal()))),
        ("1", Answer::Servers(Err(refusal()))),
        ("!", Answer::Overview(Err(refusal()))),
    ] {
        dashboard.press(key);
        dashboard.shows("loading");
        dashboard.send(Event::Answer(refuse));
        dashboard.shows("ctrl-r asks again");
        assert!(!dashboard.screen().contains("loading"), "{key}");
        dashboard.state.update(Event::Due, NOW + 60_000);
        dashboard.shows(WHY);
    }
}

#[test]
fn charts_that_were_refused_do_not_load_for_ever() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("enter");
    let View::Server(view) = &dashboard.state.view else { panic!("not the server") };
    let range = view.range();
    dashboard.answer_view();
    dashboard.press("-");
    let View::Server(view) = &dashboard.state.view else { panic!("not the server") };
    assert_ne!(range, view.range());
    let other = view.range();
    dashboard.send(Event::Answer(Answer::Metrics(range, Err(refusal()))));
    assert!(!dashboard.screen().contains("no figures of this time"), "that range is not asked for any more");
    dashboard.send(Event::Answer(Answer::Metrics(other, Err(refusal()))));
    dashboard.shows(WHY);
    dashboard.shows("no figures of this time");
    let effects = dashboard.press("ctrl-r");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Metrics(_))), "{effects:?}");
}

#[test]
fn before_anything_came_a_lost_daemon_is_told_of_and_nothing_is_loading() {
    let mut dashboard = Dashboard::empty();
    let reason = "connection refused".to_owned();
    dashboard.send(Event::LinkDown(ClientError::NotConnected { url: "https://tomo.example.com".to_owned(), reason }));
    for text in ["nothing to show yet: test cannot be reached", "it comes by itself", "connection refused"] {
        dashboard.shows(text);
    }
    assert!(!dashboard.screen().contains("loading"));
}

#[test]
fn a_log_does_not_follow_a_lost_daemon() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("2 L");
    dashboard.answer_view();
    dashboard.shows("following");
    let reason = "connection refused".to_owned();
    dashboard.send(Event::LinkDown(ClientError::NotConnected { url: "https://tomo.example.com".to_owned(), reason }));
    dashboard.shows("waiting for the daemon");
    dashboard.send(Event::LinkUp);
    dashboard.shows("following");
}
