//! Registries: listed, signed in at, forgotten.

use tomo_proto::api::person::SetRegistry;

use super::*;

fn opened() -> Dashboard {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let effects = dashboard.press("6");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Registries)), "{effects:?}");
    dashboard.answer_view();
    dashboard.shows("ghcr.io");
    dashboard
}

fn asked(effects: Vec<Effect>) -> Option<SetRegistry> {
    effects.into_iter().find_map(|effect| if let Effect::SetRegistry(request) = effect { Some(request) } else { None })
}

#[test]
fn somebody_signs_in_at_a_registry_and_the_password_is_never_on_the_screen() {
    let mut dashboard = opened();
    dashboard.press("a");
    dashboard.type_in("https://x");
    dashboard.press("tab");
    dashboard.shows("not a registry as images name it");
    dashboard.press("esc tab enter a");
    dashboard.type_in("registry.example:5000");
    dashboard.press("tab");
    dashboard.type_in("bo");
    dashboard.press("tab");
    dashboard.type_in("hunter2");
    assert!(!dashboard.screen().contains("hunter2"), "{}", dashboard.screen());
    let request = asked(dashboard.press("ctrl-s")).expect("is sent");
    assert_eq!((request.registry.as_str(), request.user.as_str()), ("registry.example:5000", "bo"));
    assert_eq!(request.password.reveal(), "hunter2");
    let refusal = ApiError::new(ErrorCode::Invalid, "a user has 1 to 256 bytes").with_field("user");
    dashboard.send(Event::Answer(Answer::RegistryChanged(Err(ClientError::Api(refusal)))));
    dashboard.shows("a user has 1 to 256 bytes");
    assert!(asked(dashboard.press("ctrl-s")).is_some(), "what was typed is still there");
    let known = vec![registry("ghcr.io", "ana"), registry("registry.example:5000", "bo")];
    dashboard.send(Event::Answer(Answer::RegistryChanged(Ok(known))));
    dashboard.shows("registry.example:5000");
    assert!(!dashboard.screen().contains("Sign in at a registry"));
}

#[test]
fn a_registry_is_forgotten_after_a_question() {
    let mut dashboard = opened();
    dashboard.press("D");
    dashboard.shows("sign in as nobody");
    let effects = dashboard.press("tab enter");
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::DeleteRegistry(request) if request.registry == "ghcr.io")),
        "{effects:?}"
    );
    dashboard.send(Event::Answer(Answer::RegistryChanged(Ok(Vec::new()))));
    dashboard.shows("public images need none");
    assert!(dashboard.press("D").is_empty(), "there is none");
}
