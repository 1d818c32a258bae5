//! The audit trail in the dashboard, on a real terminal with the real daemon behind it.

use tomo_proto::{
    api::{
        person::{SecretText, SetSecret},
        settings::SettingsSet,
    },
    model::{settings::SettingChange, user::Role},
};
use tomo_tests::{
    cli::Tomo,
    daemon::TestDaemon,
    eventually::eventually,
    terminal::{Key, Terminal},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_read_to_its_first_row_filtered_read_in_full_and_verified() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    // The first of them, and more than one page after it.
    daemon.create_user("ana", Role::Viewer).await;
    for number in 0..230 {
        let secret = SetSecret { name: format!("s-{number:03}"), value: SecretText::new("x") };
        admin.person(&secret).await.expect("is kept");
    }
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 80, 24);
    terminal.wait_for("live").await;
    terminal.type_text("9");
    terminal.wait_for("s-229").await;
    terminal.wait_for("200 rows read; going down reads on").await;
    terminal.type_text("G");
    terminal.wait_for("back to the first one").await;
    terminal.type_text("G");
    terminal.wait_for("user.create").await;
    // What happens meanwhile comes on top.
    terminal.type_text("g");
    let change = SettingChange { name: "plan_expiry_minutes".to_owned(), value: "20".to_owned() };
    admin.call(&SettingsSet { changes: vec![change], reason: None }).await.expect("a plan");
    terminal.wait_for("1 plan waits").await;
    let on_top = async || {
        terminal.type_text("g");
        terminal.text().contains("settings_set").then_some(())
    };
    eventually("the new row is there", on_top).await;

    terminal.type_text("/'s-005");
    terminal.wait_for("1 of 2").await;
    terminal.press(Key::Enter);
    terminal.press(Key::Enter);
    terminal.wait_for("audit › row").await;
    terminal.wait_for("secret s-005").await;
    terminal.wait_for("hash").await;
    terminal.type_text("V");
    terminal.wait_for("the audit trail is whole").await;
    terminal.wait_for("rows verified").await;
    terminal.wait_for("witness this daemon").await;
    drop(terminal);
    daemon.stop().await;
}
