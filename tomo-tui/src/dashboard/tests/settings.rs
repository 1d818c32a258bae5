//! Settings: read by everybody, changed by a form that ends as a plan.

use tomo_proto::{api::settings::SettingsSet, model::settings::Settings};

use super::*;

fn opened(role: Role) -> Dashboard {
    let mut dashboard = Dashboard::filled(role);
    let effects = dashboard.press("o");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Settings)), "{effects:?}");
    dashboard.answer_view();
    dashboard
}

fn asked(effects: Vec<Effect>) -> Option<SettingsSet> {
    effects.into_iter().find_map(|effect| if let Effect::ChangeSettings(asked) = effect { Some(asked) } else { None })
}

#[test]
fn everybody_reads_the_settings_and_what_they_mean() {
    let mut dashboard = opened(Role::Viewer);
    for text in ["sample_interval_secs", "status_page_servers", "Sampling while nobody watches", "Usually 10."] {
        dashboard.shows(text);
    }
    dashboard.press("e");
    dashboard.shows("it needs the scope plan");
    assert!(dashboard.state.layer.is_none());
}

#[test]
fn what_was_changed_becomes_one_plan_over_the_form() {
    let mut dashboard = opened(Role::Admin);
    dashboard.press("j j e");
    dashboard.shows("▸ plan_expiry_minutes");
    dashboard.press("ctrl-u");
    dashboard.type_in("2000");
    dashboard.shows("plan_expiry_minutes is a whole number from 1");
    assert!(asked(dashboard.press("ctrl-s")).is_none());
    dashboard.press("ctrl-u");
    dashboard.type_in("45");
    dashboard.press("up up ctrl-u");
    dashboard.type_in("5");
    let request = asked(dashboard.press("ctrl-s")).expect("is sent");
    let changes: Vec<_> = request.changes.iter().map(|change| (change.name.as_str(), change.value.as_str())).collect();
    assert_eq!(changes, [("sample_interval_secs", "5"), ("plan_expiry_minutes", "45")]);
    let refusal = ApiError::new(ErrorCode::Invalid, "45 is too long today").with_field("plan_expiry_minutes");
    dashboard.send(Event::Answer(Answer::Planned(Err(ClientError::Api(refusal)), Vec::new())));
    dashboard.shows("45 is too long today");
    assert!(asked(dashboard.press("ctrl-s")).is_some(), "what was typed is still there");
    dashboard.send(Event::Answer(Answer::Planned(Ok(Box::new(plan(Approval::Confirm))), Vec::new())));
    dashboard.shows("Approve and apply");
    dashboard.press("esc");
    dashboard.shows("Change settings");
    assert!(asked(dashboard.press("ctrl-s")).is_some(), "the form takes keys again");
    dashboard.send(Event::Answer(Answer::Planned(Ok(Box::new(plan(Approval::Confirm))), Vec::new())));
    let effects = dashboard.press("tab enter");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Approve { apply: true, .. })), "{effects:?}");
    dashboard.send(Event::Answer(Answer::Started(Ok(Box::new(operation(OperationStatus::Succeeded))))));
    assert!(dashboard.state.layer.is_none() && matches!(dashboard.state.view, View::Operation(_)));
}

#[test]
fn a_form_in_which_nothing_was_changed_plans_nothing() {
    let mut dashboard = opened(Role::Admin);
    assert!(dashboard.press("enter ctrl-s").is_empty());
    assert!(dashboard.state.layer.is_none());
    dashboard
        .send(Event::Answer(Answer::Settings(Ok(Box::new(Settings { session_hours: 99, ..Settings::default() })))));
    dashboard.shows("99");
}
