//! The sealed vault, and forms that need it.

use super::*;

#[test]
fn a_sealed_vault_is_unlocked_from_where_it_is_told() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("U");
    dashboard.shows("the vault is not sealed");
    dashboard.press("esc");
    dashboard.seal();
    dashboard.shows("U unlock vault");
    dashboard.press("U");
    dashboard.type_in("correct horse");
    assert!(!dashboard.screen().contains("horse"));
    let effects = dashboard.press("enter");
    assert!(
        matches!(&effects[..], [Effect::UnlockVault(request)] if request.password.reveal() == "correct horse"),
        "{effects:?}"
    );
    dashboard.send(Event::Answer(Answer::Unlocked(Err(refused(ErrorCode::Denied, "this is not the password")))));
    dashboard.shows("this is not the password");
    dashboard.press("enter");
    let status = VaultStatus { state: VaultState::Unlocked, epoch: 1, secrets: 2, changed_at: None };
    dashboard.send(Event::Answer(Answer::Unlocked(Ok(status))));
    assert!(dashboard.state.layer.is_none());
    dashboard.shows("the vault is unlocked");
}

#[test]
fn a_form_that_needs_a_sealed_vault_asks_for_its_password_and_is_as_it_was() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let asked = dashboard.send_server();
    let sealed = refused(ErrorCode::Sealed, "the vault is sealed");
    dashboard.send(Event::Answer(Answer::Reached(asked.number, Err(sealed))));
    dashboard.shows("Master password");
    dashboard.shows("next: unlock vault (U)");
    let status = VaultStatus { state: VaultState::Unlocked, epoch: 1, secrets: 2, changed_at: None };
    dashboard.send(Event::Answer(Answer::Unlocked(Ok(status))));
    dashboard.shows("web-9.example");
    onboarding(dashboard.press("ctrl-s"));
}
