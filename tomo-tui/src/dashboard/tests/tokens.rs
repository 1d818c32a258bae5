//! API tokens: made, shown once, revoked.

use tomo_proto::{
    api::person::{CreateToken, CreatedToken, SecretText},
    id::TokenId,
    model::user::Scope,
};

use super::{
    people::{asked, opened, token, user},
    *,
};
use crate::dashboard::people::Change;

pub(super) fn made_token() -> CreatedToken {
    let ana = user(1, "ana", Role::Admin);
    let secret = format!("tomo_05jb7ztr2wzc_{}", "0123456789abcdef".repeat(4));
    CreatedToken { token: token(3, "deployer", &ana, &[Scope::Read, Scope::Deploy]), secret: SecretText::new(secret) }
}

fn token_asked(effects: Vec<Effect>) -> Option<CreateToken> {
    effects.into_iter().find_map(|effect| if let Effect::CreateToken(request) = effect { Some(request) } else { None })
}

#[test]
fn a_token_is_made_within_its_bounds_and_shown_once() {
    let mut dashboard = opened("8 a");
    assert!(!dashboard.screen().contains("[ ] admin"), "no token gets it");
    dashboard.type_in("deployer");
    dashboard.press("tab space");
    assert!(token_asked(dashboard.press("ctrl-s")).is_none());
    dashboard.shows("it needs at least one");
    dashboard.press("space down down down down space tab ctrl-u");
    dashboard.type_in("400");
    dashboard.press("tab");
    dashboard.shows("1 to 365 days");
    dashboard.press("up ctrl-u");
    dashboard.type_in("30");
    dashboard.press("tab");
    dashboard.type_in("web-1, web-7");
    assert!(token_asked(dashboard.press("ctrl-s")).is_none());
    dashboard.shows("there is no server \"web-7\"");
    dashboard.press("ctrl-u");
    dashboard.type_in("web-1, web-2");
    let request = token_asked(dashboard.press("ctrl-s")).expect("is sent");
    assert_eq!((request.name.as_str(), request.expires_in_days), ("deployer", Some(30)));
    assert_eq!(request.scopes, [Scope::Read, Scope::Deploy].into());
    assert_eq!(request.selectors.servers, ["web-1".to_owned(), "web-2".to_owned()].into());
    let refusal = ApiError::new(ErrorCode::Conflict, "there is a token \"deployer\" already").with_field("name");
    dashboard.send(Event::Answer(Answer::TokenMade(Err(ClientError::Api(refusal)))));
    dashboard.shows("there is a token \"deployer\" already");
    assert!(token_asked(dashboard.press("ctrl-s")).is_some(), "what was typed is still there");
    dashboard.send(Event::Answer(Answer::TokenMade(Ok(Box::new(made_token())))));
    dashboard.shows("tomo_05jb7ztr2wzc_0123456789abcdef");
    dashboard.press("esc");
    assert!(!dashboard.screen().contains("tomo_05jb"), "it is gone");
    assert!(matches!(&dashboard.state.view, View::Tokens(_)));
}

#[test]
fn nobody_gives_a_token_more_than_they_have() {
    let mut dashboard = Dashboard::filled(Role::Viewer);
    dashboard.press("8 a");
    dashboard.shows("[x] read");
    assert!(!dashboard.screen().contains("[ ] plan"), "{}", dashboard.screen());
}

#[test]
fn a_token_is_shown_as_a_whole_and_revoked() {
    let mut dashboard = opened("8 j");
    for text in ["ci", "read, plan", "all", "of bo, may read, audit, plan, sees all"] {
        dashboard.shows(text);
    }
    dashboard.press("X");
    dashboard.shows("Revoke assistant of bo");
    let change = asked(dashboard.press("tab enter"));
    let second = TokenId::from_u64(2).to_string();
    assert!(matches!(&change, Some(Change::RevokeToken(request)) if request.token == second), "{change:?}");
}

#[test]
fn a_program_has_no_tokens_of_its_own() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.send(Event::Answer(Answer::Whoami(Ok(who(Role::Deployer, false)))));
    assert!(dashboard.press("8").is_empty());
    dashboard.shows("an API token cannot do this");
}
