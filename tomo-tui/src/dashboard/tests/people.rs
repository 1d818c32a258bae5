//! Accounts with their logins and tokens: made, changed, ended.

use tomo_proto::{
    api::auth::AuthSessionEnd,
    id::{KeyId, SessionId, TokenId, UserId},
    model::user::{ApiToken, Scope, Session, SshKey, User},
};

use super::*;
use crate::dashboard::people::{Change, Changed, People};

pub(super) fn user(number: u64, name: &str, role: Role) -> User {
    User {
        id: UserId::from_u64(number),
        name: name.to_owned(),
        email: None,
        role,
        created_at: NOW - 40 * 86_400_000,
        last_login_at: (number < 3).then_some(NOW - 86_400_000),
    }
}

fn login(number: u64, of: &User, from: &str) -> Session {
    Session {
        id: SessionId::from_u64(number),
        user: of.id,
        user_name: of.name.clone(),
        ip_address: from.to_owned(),
        user_agent: String::new(),
        created_at: NOW - 7_200_000,
        expires_at: NOW + 36_000_000,
        last_activity_at: NOW - 60_000,
    }
}

pub(super) fn token(number: u64, name: &str, owner: &User, scopes: &[Scope]) -> ApiToken {
    ApiToken {
        id: TokenId::from_u64(number),
        name: name.to_owned(),
        owner: owner.id,
        owner_name: owner.name.clone(),
        scopes: scopes.iter().copied().collect(),
        selectors: Selectors::default(),
        created_at: NOW - 10 * 86_400_000,
        expires_at: NOW + 80 * 86_400_000,
        last_used_at: (number == 1).then_some(NOW - 5_000),
    }
}

/// Ana, the only admin, with the dashboard's own login, and others.
pub(super) fn people() -> People {
    let [ana, bo, vera] = [(1, "ana", Role::Admin), (2, "bo", Role::Operator), (3, "vera", Role::Viewer)]
        .map(|(n, name, r)| user(n, name, r));
    People {
        logins: vec![login(1, &ana, "10.0.0.1"), login(2, &bo, "10.0.0.2"), login(3, &ana, "10.0.0.3")],
        tokens: vec![
            token(1, "ci", &ana, &[Scope::Read, Scope::Plan]),
            token(2, "assistant", &bo, &[Scope::Read, Scope::Audit, Scope::Plan]),
        ],
        keys: vec![SshKey {
            id: KeyId::from_u64(1),
            user: ana.id,
            user_name: ana.name.clone(),
            name: "laptop".to_owned(),
            algorithm: "ssh-ed25519".to_owned(),
            fingerprint: "SHA256:8kyeYAX0pDZcXw9SAMw2pDZ8wMTbEqbCyQAvUiDdXuE".to_owned(),
            created_at: NOW - 86_400_000,
            last_used_at: None,
        }],
        own: Some(SessionId::from_u64(1)),
        users: vec![ana, bo, vera],
    }
}

pub(super) fn opened(keys: &str) -> Dashboard {
    let mut dashboard = Dashboard::filled(Role::Admin);
    for key in keys.split_whitespace() {
        dashboard.press(key);
        dashboard.answer_view();
    }
    dashboard
}

pub(super) fn asked(effects: Vec<Effect>) -> Option<Change> {
    effects.into_iter().find_map(|effect| if let Effect::ChangePeople(change) = effect { Some(change) } else { None })
}

#[test]
fn an_account_is_made_with_a_password_that_is_typed_twice_and_never_on_the_screen() {
    let mut dashboard = opened("7 a");
    dashboard.type_in("Bo");
    dashboard.press("tab");
    dashboard.shows("a name has a-z");
    dashboard.press("up ctrl-u");
    dashboard.type_in("cy");
    dashboard.press("tab");
    dashboard.type_in("d");
    dashboard.press("tab");
    dashboard.type_in("short");
    dashboard.press("tab");
    dashboard.shows("at least 10 characters");
    dashboard.press("up ctrl-u");
    dashboard.type_in("correct horse");
    dashboard.press("tab");
    dashboard.type_in("correct house");
    assert!(asked(dashboard.press("ctrl-s")).is_none());
    dashboard.shows("the two differ");
    dashboard.press("ctrl-u");
    dashboard.type_in("correct horse");
    assert!(!dashboard.screen().contains("horse"), "{}", dashboard.screen());
    let Some(Change::Create(request)) = asked(dashboard.press("ctrl-s")) else { panic!("nothing is asked for") };
    assert_eq!((request.username.as_str(), request.role), ("cy", Role::Deployer));
    assert_eq!(request.password.reveal(), "correct horse");
    let refusal = ApiError::new(ErrorCode::Conflict, "there is a user \"cy\" already").with_field("username");
    dashboard.send(Event::Answer(Answer::PeopleChanged(Err(ClientError::Api(refusal)))));
    dashboard.shows("there is a user \"cy\" already");
    assert!(asked(dashboard.press("ctrl-s")).is_some(), "what was typed is still there");
    let effects = dashboard.send(Event::Answer(Answer::PeopleChanged(changed("cy is deployer"))));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::People { accounts: true })), "{effects:?}");
    dashboard.shows("cy is deployer");
    assert!(!dashboard.screen().contains("New user"));
}

#[test]
fn another_role_is_chosen_and_the_same_one_ends_no_logins() {
    let mut dashboard = opened("7 j e");
    dashboard.shows("Another role for bo");
    assert!(asked(dashboard.press("ctrl-s")).is_none());
    dashboard.shows("bo is operator already");
    dashboard.type_in("v");
    let change = asked(dashboard.press("ctrl-s"));
    assert!(
        matches!(&change, Some(Change::Role(set, Role::Operator)) if set.username == "bo" && set.role == Role::Viewer),
        "{change:?}"
    );
}

#[test]
fn the_last_admin_stays_an_admin() {
    for keys in ["7 e", "7 D", "7 enter e", "7 enter D"] {
        let mut dashboard = opened(keys);
        dashboard.shows("ana is the last admin");
        assert!(dashboard.state.layer.is_none());
    }
}

#[test]
fn an_account_is_deleted_by_its_name() {
    let mut dashboard = opened("7 j D");
    dashboard.shows("Delete the account bo");
    assert!(asked(dashboard.press("tab enter")).is_none(), "its name was not typed");
    dashboard.type_in("bo");
    let change = asked(dashboard.press("enter"));
    assert!(matches!(&change, Some(Change::Delete(request)) if request.username == "bo"), "{change:?}");
}

#[test]
fn a_login_or_a_token_of_a_person_is_ended_after_a_question() {
    let mut dashboard = opened("7 enter");
    for text in ["role", "admin: may read", "this one, from 10.0.0.1", "from 10.0.0.3", "ci", "10h"] {
        dashboard.shows(text);
    }
    assert!(!dashboard.screen().contains("10.0.0.2"), "that is bo's");
    dashboard.press("X");
    dashboard.shows("which then asks who you are");
    dashboard.press("esc j X");
    dashboard.shows("End the login of ana from 10.0.0.3");
    let change = asked(dashboard.press("tab enter"));
    let third = SessionId::from_u64(3).to_string();
    assert!(matches!(&change, Some(Change::EndLogin(AuthSessionEnd { session })) if *session == third), "{change:?}");
    dashboard.press("j X");
    dashboard.shows("Revoke ci of ana");
    let change = asked(dashboard.press("tab enter"));
    let first = TokenId::from_u64(1).to_string();
    assert!(matches!(&change, Some(Change::RevokeToken(request)) if request.token == first), "{change:?}");
}

#[test]
fn somebody_who_is_gone_or_not_to_be_seen_is_told() {
    let mut dashboard = opened("7 enter");
    dashboard.send(Event::Answer(Answer::People(Ok(Box::default()))));
    dashboard.shows("there is no user \"ana\" any more");
    for role in [Role::Viewer, Role::Operator, Role::Deployer] {
        let mut dashboard = Dashboard::filled(role);
        assert!(dashboard.press("7").is_empty());
        dashboard.shows("it needs the scope admin");
    }
}

#[test]
fn the_profile_has_what_is_ones_own() {
    let mut dashboard = opened("m");
    for text in ["user:ana", "admin: may read", "this one, from 10.0.0.1", "from 10.0.0.3", "ci"] {
        dashboard.shows(text);
    }
    let screen = dashboard.screen();
    assert!(!screen.contains("10.0.0.2") && !screen.contains("assistant"), "those are bo's:\n{screen}");
    dashboard.press("X");
    dashboard.shows("End the login of ana from 10.0.0.1");
}

#[test]
fn a_key_for_the_dashboard_over_ssh_is_added_and_removed_in_the_profile() {
    let mut dashboard = opened("m");
    dashboard.shows("laptop SHA256:");
    dashboard.press("K");
    dashboard.type_in("ssh-rsa");
    let Some(Change::AddKey(request)) = asked(dashboard.press("ctrl-s")) else { panic!("nothing is asked for") };
    assert_eq!((request.key.as_str(), request.name, request.username), ("ssh-rsa", None, None));
    let refusal = ApiError::new(ErrorCode::Invalid, "this is no public key").with_field("key");
    dashboard.send(Event::Answer(Answer::PeopleChanged(Err(ClientError::Api(refusal)))));
    dashboard.shows("this is no public key");
    assert!(asked(dashboard.press("ctrl-s")).is_some(), "what was typed is still there");
    dashboard.send(Event::Answer(Answer::PeopleChanged(changed("laptop opens the dashboard over SSH"))));
    dashboard.press("G X");
    dashboard.shows("Remove the key laptop");
    let Some(Change::RemoveKey(request)) = asked(dashboard.press("tab enter")) else { panic!("nothing is asked for") };
    assert_eq!(request.key, KeyId::from_u64(1).to_string());
}

#[test]
fn ones_password_is_changed_with_the_one_before_and_never_on_the_screen() {
    let mut dashboard = opened("m p");
    dashboard.type_in("battery staple");
    dashboard.press("tab");
    dashboard.type_in("correct horse");
    dashboard.press("tab");
    dashboard.type_in("correct horse");
    let screen = dashboard.screen();
    assert!(!screen.contains("staple") && !screen.contains("horse"), "{screen}");
    let Some(Change::Password(request)) = asked(dashboard.press("ctrl-s")) else { panic!("nothing is asked for") };
    assert_eq!((request.current.reveal(), request.new.reveal()), ("battery staple", "correct horse"));
    let refusal = ApiError::new(ErrorCode::Invalid, "the current password is wrong").with_field("current");
    dashboard.send(Event::Answer(Answer::PeopleChanged(Err(ClientError::Api(refusal)))));
    dashboard.shows("the current password is wrong");
    assert!(asked(dashboard.press("ctrl-s")).is_some(), "what was typed is still there");
    dashboard.send(Event::Answer(Answer::PeopleChanged(changed("your password is changed"))));
    assert!(dashboard.state.layer.is_none());
}

#[test]
fn who_has_no_account_has_a_profile_without_logins_and_password() {
    let mut dashboard = opened("m");
    dashboard.send(Event::Answer(Answer::Whoami(Ok(WhoamiAnswer {
        actor: "socket:root".to_owned(),
        role: None,
        ..who(Role::Admin, true)
    }))));
    dashboard.answer_view();
    dashboard.shows("the local socket has no logins");
    dashboard.press("p");
    dashboard.shows("only who is signed in has a password");
    let mut dashboard = Dashboard::filled(Role::Admin);
    let program = WhoamiAnswer { actor: "token:ci (ana)".to_owned(), ..who(Role::Deployer, false) };
    dashboard.send(Event::Answer(Answer::Whoami(Ok(program))));
    let effects = dashboard.press("m");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::People { .. })), "{effects:?}");
    dashboard.shows("token:ci (ana)");
    dashboard.shows("neither logins nor tokens");
    dashboard.press("a");
    dashboard.shows("an API token cannot do this");
}

fn changed(says: &str) -> Result<Changed, ClientError> {
    Ok(Changed { says: says.to_owned(), back: None })
}
