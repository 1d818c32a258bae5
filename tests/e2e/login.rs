//! Signing in and staying signed in: wrong passwords, back-off, rotation, revocation.

use std::time::{Duration, Instant};

use serde_json::json;
use tomo_daemon::clock::Clock;
use tomo_proto::{
    api::{
        audit::AuditSearch,
        auth::{AuthSessionEnd, AuthSessionList, AuthTokenList, AuthTokenRevoke, AuthWhoami},
        person::{ChangePassword, DeleteUser, Login, LoginAnswer, Logout, Refresh, SecretText, SetRole},
    },
    error::ErrorCode,
    model::{
        audit::{AuditEntry, AuditOutcome},
        user::{Role, Scope, Selectors},
    },
};
use tomo_tests::{
    daemon::{ADMIN, PASSWORD, Setup, TestDaemon},
    http::{Http, Refused},
    mcp::Events,
};

const DAY_MS: u64 = 86_400_000;
/// Longer than any back-off.
const LONG_MS: u64 = 1_000_000;

/// A daemon whose clock the test moves.
async fn with_clock() -> (TestDaemon, Clock) {
    let clock = Clock::manual(Clock::system().now_ms());
    (Setup::default().clock(clock.clone()).start().await, clock)
}

async fn try_login(daemon: &TestDaemon, name: &str, password: &str) -> Result<LoginAnswer, Refused> {
    daemon.http().person(&Login { username: name.to_owned(), password: SecretText::new(password) }).await
}

async fn is_in(http: &Http) -> bool {
    http.call(&AuthWhoami {}).await.is_ok()
}

async fn audited(daemon: &TestDaemon, action: &str) -> Vec<AuditEntry> {
    let request = AuditSearch { action: Some(action.to_owned()), limit: Some(500), ..AuditSearch::default() };
    daemon.admin().call(&request).await.expect("an admin reads the audit").entries
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_name_read_the_same_and_take_as_long() {
    let (daemon, clock) = with_clock().await;
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..7 {
        for (name, took) in [ADMIN, "nobody"].into_iter().zip(&mut took) {
            clock.advance(LONG_MS);
            let begun = Instant::now();
            let refused = try_login(&daemon, name, "not the password").await.expect_err("is refused");
            took.push(begun.elapsed());
            assert_eq!((refused.status.as_u16(), refused.error.code), (401, ErrorCode::Unauthenticated));
            assert_eq!(refused.error.message, "the name or the password is wrong");
        }
    }
    let [wrong, unknown] = took.map(|mut all| {
        all.sort();
        all[all.len() / 2]
    });
    // Both hash a password; whatever did not would be done in a tenth of the time.
    assert!(unknown > wrong / 2 && wrong > unknown / 2, "{wrong:?} and {unknown:?}");
    let rows = audited(&daemon, "auth.login").await;
    assert_eq!(rows.len(), 14);
    assert!(rows.iter().all(|row| row.outcome == AuditOutcome::Denied && row.ip_address == "127.0.0.1"), "{rows:?}");
    assert!(!format!("{rows:?}").contains("not the password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_logins_back_off_and_never_lock_the_owner_out() {
    let (mut daemon, clock) = with_clock().await;
    let wait_of = |refused: &Refused| -> u64 {
        let (_, rest) = refused.error.message.split_once("wait ").expect("says how long");
        rest.trim_end_matches(" s").parse().expect("says it in seconds")
    };
    let mut waits = Vec::new();
    while waits.len() < 14 {
        let refused = try_login(&daemon, ADMIN, "not the password").await.expect_err("is refused");
        if refused.error.code == ErrorCode::RateLimited {
            assert_eq!(refused.status.as_u16(), 429);
            // The right password waits too, or guessing would go on unhindered.
            let right = try_login(&daemon, ADMIN, PASSWORD).await.expect_err("waits");
            assert_eq!(right.error.code, ErrorCode::RateLimited);
            waits.push(wait_of(&refused));
            // Nor does a restart give new tries away.
            if waits.len() == 3 {
                daemon.halt().await;
                daemon.resume().await;
                let again = try_login(&daemon, ADMIN, "not the password").await.expect_err("waits");
                assert_eq!(wait_of(&again), waits[2]);
            }
            clock.advance(wait_of(&refused) * 1_000);
        }
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
    let begun = Instant::now();
    assert!(is_in(&daemon.admin()).await, "the socket has no password to guess");
    assert!(begun.elapsed() < Duration::from_secs(2));
    try_login(&daemon, ADMIN, PASSWORD).await.expect("the wait is over");
    try_login(&daemon, ADMIN, "not the password").await.expect_err("is refused");
    try_login(&daemon, ADMIN, PASSWORD).await.expect("a good login has cleared the count");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_sent_all_at_once_get_no_more_tries() {
    let daemon = TestDaemon::start().await;
    let guesses = (0..100).map(|number| {
        let daemon = &daemon;
        async move { try_login(daemon, ADMIN, &format!("guess number {number}")).await.expect_err("is refused") }
    });
    let refused = futures::future::join_all(guesses).await;
    let looked_at = refused.iter().filter(|one| one.error.code == ErrorCode::Unauthenticated).count();
    assert!(looked_at <= 7, "{looked_at} of 100 were looked at");
    assert!(is_in(&daemon.admin()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_rotate_and_a_second_use_ends_the_login() {
    let daemon = TestDaemon::start().await;
    let first = daemon.login(ADMIN).await;
    let renew = async |token: &SecretText| daemon.http().person(&Refresh { refresh_token: token.clone() }).await;
    let second = renew(&first.refresh_token).await.expect("renews");
    assert!(is_in(&daemon.http().bearer(second.access_token.reveal())).await);
    let third = renew(&second.refresh_token).await.expect("renews again");
    // Somebody has a copy of the first token.
    let refused = renew(&first.refresh_token).await.expect_err("was used before");
    assert_eq!((refused.status.as_u16(), refused.error.code), (401, ErrorCode::Unauthenticated));
    for token in [&first, &second, &third] {
        assert!(!is_in(&daemon.http().bearer(token.access_token.reveal())).await);
        renew(&token.refresh_token).await.expect_err("the whole login is over");
    }
    let rows = audited(&daemon, "auth.refresh").await;
    assert!(rows.iter().any(|row| row.outcome == AuditOutcome::Denied && row.actor == "user:admin"), "{rows:?}");
    for garbage in ["", ".", "ses-", "ses-0000000000000.x", &"x".repeat(100_000), "\u{1b}[2J"] {
        let refused = renew(&SecretText::new(garbage)).await.expect_err("is refused");
        assert_eq!(refused.status.as_u16(), 401, "{garbage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_uses_of_one_refresh_token_at_most_one_wins() {
    let daemon = TestDaemon::start().await;
    let login = daemon.login(ADMIN).await;
    let uses = (0..20).map(|_| {
        let (http, refresh_token) = (daemon.http(), login.refresh_token.clone());
        async move { http.person(&Refresh { refresh_token }).await }
    });
    let results = futures::future::join_all(uses).await;
    let won: Vec<&LoginAnswer> = results.iter().flatten().collect();
    assert_eq!(won.len(), 1);
    assert!(!is_in(&daemon.http().bearer(won[0].access_token.reveal())).await, "the login is over for the winner too");
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_and_tokens_expire() {
    let (daemon, clock) = with_clock().await;
    let login = daemon.login(ADMIN).await;
    let person = daemon.http().bearer(login.access_token.reveal());
    let token = daemon.token(&[Scope::Read]).await;
    assert!(is_in(&person).await && is_in(&token).await);
    clock.advance(login.expires_in_secs * 1_000);
    assert!(!is_in(&person).await, "a JWT lasts {} s", login.expires_in_secs);
    let renewed = daemon.http().person(&Refresh { refresh_token: login.refresh_token }).await.expect("renews");
    clock.advance(89 * DAY_MS);
    assert!(is_in(&token).await);
    clock.advance(DAY_MS);
    assert!(!is_in(&token).await, "a token lasts 90 days");
    let late = daemon.http().person(&Refresh { refresh_token: renewed.refresh_token }).await;
    assert_eq!(late.expect_err("the login has expired").error.code, ErrorCode::Unauthenticated);
}

/// Open streams of a caller, one of each era.
async fn open_streams(caller: &Http) -> Vec<Events> {
    let modern = caller.mcp("/mcp/full");
    let params = json!({"notifications": {"resourceSubscriptions": ["tomo://overview"]}});
    let (_, mut listening) = modern.stream("subscriptions/listen", params).await;
    assert_eq!(listening.status(), 200);
    listening.until("notifications/subscriptions/acknowledged").await;
    let legacy = caller.legacy_mcp("/mcp/full").await;
    let subscribed = legacy.request("resources/subscribe", json!({"uri": "tomo://overview"})).await;
    assert!(subscribed["result"].is_object(), "{subscribed}");
    let notices = legacy.notices().await;
    assert_eq!(notices.status(), 200);
    vec![listening, notices]
}

async fn assert_cut(streams: Vec<Events>, what: &str) {
    let begun = Instant::now();
    for (place, mut stream) in streams.into_iter().enumerate() {
        let to_the_end = async { while stream.next().await.is_some() {} };
        let cut = tokio::time::timeout(Duration::from_secs(1).saturating_sub(begun.elapsed()), to_the_end).await;
        assert!(cut.is_ok(), "{what}: stream {place} is still open after a second");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_shut_out_loses_open_streams_within_a_second() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();

    let token = daemon.token(&[Scope::Read]).await;
    let streams = open_streams(&token).await;
    let tokens = admin.call(&AuthTokenList {}).await.expect("an admin lists").tokens;
    admin.call(&AuthTokenRevoke { token: tokens[0].name.clone() }).await.expect("an admin revokes");
    assert_cut(streams, "a revoked token").await;
    assert!(!is_in(&token).await);

    let person = daemon.sign_in_as(Role::Operator).await;
    let streams = open_streams(&person).await;
    let sessions = admin.call(&AuthSessionList {}).await.expect("an admin lists").sessions;
    admin.call(&AuthSessionEnd { session: sessions[0].id.to_string() }).await.expect("an admin ends it");
    assert_cut(streams, "an ended session").await;
    assert!(!is_in(&person).await);

    let demoted = daemon.sign_in_as(Role::Deployer).await;
    let name = demoted.call(&AuthWhoami {}).await.expect("is in").actor.trim_start_matches("user:").to_owned();
    let streams = open_streams(&demoted).await;
    admin.person(&SetRole { username: name.clone(), role: Role::Viewer }).await.expect("an admin demotes");
    assert_cut(streams, "a changed role").await;
    assert!(!is_in(&demoted).await, "the old role's login is over");

    let again = daemon.http().bearer(daemon.login(&name).await.access_token.reveal());
    let streams = open_streams(&again).await;
    admin.person(&DeleteUser { username: name.clone() }).await.expect("an admin deletes");
    assert_cut(streams, "a deleted account").await;
    assert!(!is_in(&again).await);
    assert!(try_login(&daemon, &name, PASSWORD).await.is_err());

    let leaving = daemon.sign_in_as(Role::Viewer).await;
    let streams = open_streams(&leaving).await;
    leaving.person(&Logout {}).await.expect("signs out");
    assert_cut(streams, "a logout").await;
    assert!(!is_in(&leaving).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_other_logins_and_the_old_password() {
    let daemon = TestDaemon::start().await;
    daemon.create_user("ana", Role::Viewer).await;
    let [here, there] = [daemon.login("ana").await, daemon.login("ana").await];
    let [here, there] = [here, there].map(|login| daemon.http().bearer(login.access_token.reveal()));
    let change =
        |current: &str, new: &str| ChangePassword { current: SecretText::new(current), new: SecretText::new(new) };
    let refused = here.person(&change("not it", "another good password")).await.expect_err("is refused");
    assert_eq!(refused.error.field.as_deref(), Some("current"));
    let refused = here.person(&change(PASSWORD, "short")).await.expect_err("is refused");
    assert_eq!(refused.error.field.as_deref(), Some("new"));
    here.person(&change(PASSWORD, "another good password")).await.expect("changes");
    assert!(is_in(&here).await && !is_in(&there).await);
    assert!(try_login(&daemon, "ana", PASSWORD).await.is_err());
    try_login(&daemon, "ana", "another good password").await.expect("signs in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_never_outlives_or_exceeds_its_owner() {
    let daemon = TestDaemon::start().await;
    daemon.create_user("ana", Role::Deployer).await;
    let ana = daemon.http().bearer(daemon.login("ana").await.access_token.reveal());
    let request = tomo_proto::api::person::CreateToken {
        name: "ci".to_owned(),
        scopes: [Scope::Read, Scope::Deploy].into(),
        selectors: Selectors::default(),
        expires_in_days: None,
    };
    let token = daemon.http().bearer(ana.person(&request).await.expect("is made").secret.reveal());
    assert!(token.call(&AuthWhoami {}).await.expect("is in").scopes.contains(&Scope::Deploy));
    let admin = daemon.admin();
    admin.person(&SetRole { username: "ana".to_owned(), role: Role::Viewer }).await.expect("an admin demotes");
    assert_eq!(token.call(&AuthWhoami {}).await.expect("is in").scopes, [Scope::Read].into());
    admin.person(&DeleteUser { username: "ana".to_owned() }).await.expect("an admin deletes");
    assert!(!is_in(&token).await);
    let last = admin.person(&DeleteUser { username: ADMIN.to_owned() }).await.expect_err("is the last admin");
    assert_eq!(last.error.code, ErrorCode::Conflict, "{last:?}");
}
