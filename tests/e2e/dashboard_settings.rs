//! Settings in the dashboard, on a real terminal with the real daemon behind it.

use tomo_proto::{
    api::{plan::PlanList, settings::SettingsGet},
    model::settings::Settings,
};
use tomo_tests::{
    cli::Tomo,
    daemon::TestDaemon,
    terminal::{Key, Terminal},
};

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_changed_by_a_form_that_checks_and_a_plan_that_is_agreed_to() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let settings = async || admin.call(&SettingsGet {}).await.expect("answers");
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 80, 24);
    terminal.wait_for("socket:").await;
    terminal.type_text("o");
    terminal.wait_for("plan_expiry_minutes").await;
    terminal.type_text("/'session\r");
    terminal.wait_for("Usually 12.").await;
    terminal.type_text("e");
    terminal.wait_for("▸ session_hours").await;
    terminal.press(Key::Control('u'));
    terminal.type_text("many");
    terminal.wait_for("session_hours is a whole number from 1").await;
    terminal.press(Key::Control('s'));
    terminal.press(Key::Control('u'));
    terminal.type_text("24");
    terminal.press(Key::Control('s'));
    terminal.wait_for("session_hours: 12 → 24").await;
    assert_eq!(settings().await, Settings::default(), "a preview changes nothing");
    let plans = admin.call(&PlanList::default()).await.expect("answers").plans;
    assert_eq!(plans.len(), 1, "what does not fit was not sent: {plans:?}");
    terminal.type_text("settings");
    terminal.press(Key::Enter);
    terminal.wait_for("succeeded").await;
    assert_eq!(settings().await, Settings { session_hours: 24, ..Settings::default() });
    terminal.type_text("o");
    terminal
        .wait_until("it is shown", |screen| {
            screen.contents().lines().any(|line| line.starts_with("session_hours") && line.contains("24"))
        })
        .await;
    drop(terminal);
    daemon.stop().await;
}
