//! People in the dashboard, on a real terminal with the real daemon behind it: accounts, logins, tokens, one's own password.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tomo_proto::{
    api::{
        auth::{AuthUserList, AuthWhoami},
        person::{Login, SecretText},
    },
    model::user::{Role, Scope},
};
use tomo_tests::{
    agent::TestAgent,
    cli::Tomo,
    daemon::{PASSWORD, TestDaemon},
    terminal::{Key, Terminal},
};

/// A password that nobody else uses.
const SECRET: &str = "correct horse battery";

/// The dashboard of somebody who has signed in.
async fn sign_in(daemon: &TestDaemon, name: &str) -> (Tomo, Terminal) {
    let tomo = Tomo::at(daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 80, 24);
    terminal.wait_for("asks who you are").await;
    terminal.type_text(name);
    terminal.press(Key::Tab);
    terminal.type_text(PASSWORD);
    terminal.press(Key::Enter);
    terminal.wait_for(&format!("user:{name}")).await;
    (tomo, terminal)
}

fn never_shown(terminal: &Terminal, secret: &str) {
    let raw = terminal.raw();
    assert!(!raw.windows(secret.len()).any(|part| part == secret.as_bytes()), "a password is not shown");
}

async fn users(daemon: &TestDaemon) -> Vec<(String, Role)> {
    let answer = daemon.admin().call(&AuthUserList {}).await.expect("an admin lists");
    answer.users.into_iter().map(|user| (user.name, user.role)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_makes_an_account_ends_its_login_changes_its_role_and_deletes_it() {
    let daemon = TestDaemon::start().await;
    daemon.create_user("ana", Role::Admin).await;
    let (_tomo, mut terminal) = sign_in(&daemon, "ana").await;
    terminal.type_text("7");
    terminal.wait_for("LAST SEEN").await;
    terminal.type_text("a");
    terminal.wait_for("Make the account").await;
    terminal.type_text("bo");
    terminal.press(Key::Tab);
    terminal.type_text("o");
    terminal.wait_for("operator").await;
    terminal.press(Key::Tab);
    terminal.type_text(SECRET);
    terminal.press(Key::Tab);
    terminal.type_text("something else");
    terminal.press(Key::Control('s'));
    terminal.wait_for("the two differ").await;
    assert!(!users(&daemon).await.iter().any(|(name, _)| name == "bo"));
    terminal.press(Key::Control('u'));
    terminal.type_text(SECRET);
    terminal.press(Key::Control('s'));
    terminal.wait_for("bo is operator").await;
    never_shown(&terminal, SECRET);
    let listed = |screen: &vt100::Screen| screen.contents().lines().any(|line| line.starts_with("bo "));
    terminal.wait_until("the account is in the list", listed).await;

    let login = Login { username: "bo".to_owned(), password: SecretText::new(SECRET) };
    let login = daemon.http().person(&login).await.expect("the password is the one that was typed");
    let bo = daemon.http().bearer(login.access_token.reveal());
    bo.call(&AuthWhoami {}).await.expect("is signed in");
    terminal.type_text("/bo\r\r");
    terminal.wait_for("users › bo").await;
    terminal.wait_for("operator: may read").await;
    terminal.wait_for("from 127.0.0.1").await;
    terminal.type_text("X");
    terminal.wait_for("End the login of bo").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("nothing of this person is signed in").await;
    bo.call(&AuthWhoami {}).await.expect_err("the login is over");

    terminal.type_text("e");
    terminal.wait_for("Another role for bo").await;
    terminal.type_text("v");
    terminal.press(Key::Control('s'));
    terminal.wait_for("viewer: may read").await;
    assert!(users(&daemon).await.contains(&("bo".to_owned(), Role::Viewer)));
    terminal.type_text("z");
    terminal.wait_for("make bo operator again").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("operator: may read").await;
    assert!(users(&daemon).await.contains(&("bo".to_owned(), Role::Operator)));
    terminal.type_text("D");
    terminal.wait_for("Delete the account bo").await;
    terminal.type_text("bo");
    terminal.press(Key::Enter);
    terminal.wait_for("there is no user \"bo\" any more").await;
    assert!(!users(&daemon).await.iter().any(|(name, _)| name == "bo"));
    drop(terminal);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_admin_is_told_why_the_accounts_are_closed() {
    let daemon = TestDaemon::start().await;
    daemon.create_user("vera", Role::Viewer).await;
    let (_tomo, mut terminal) = sign_in(&daemon, "vera").await;
    terminal.type_text("7");
    terminal.wait_for("it needs the scope admin").await;
    drop(terminal);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_in_the_dashboard_works_within_its_bounds_and_is_revoked() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::synthetic(&daemon, "web-1").await;
    daemon.create_user("ana", Role::Deployer).await;
    let (_tomo, mut terminal) = sign_in(&daemon, "ana").await;
    terminal.wait_for("web-1").await;
    terminal.type_text("8");
    terminal.wait_for("no API token").await;
    terminal.type_text("a");
    terminal.wait_for("Make the token").await;
    terminal.type_text("ci");
    terminal.press(Key::Tab);
    // Besides to read, to search the audit.
    terminal.press(Key::Down);
    terminal.type_text(" ");
    terminal.wait_for("[x] audit").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Control('u'));
    terminal.type_text("0");
    terminal.press(Key::Tab);
    terminal.wait_for("1 to 365 days").await;
    terminal.press(Key::Up);
    terminal.press(Key::Control('u'));
    terminal.type_text("7");
    terminal.press(Key::Tab);
    terminal.type_text("web-1");
    terminal.press(Key::Control('s'));
    terminal.wait_for("It is not shown again").await;
    let shown = terminal.text();
    // It is cut into lines of the dialogue.
    let lines = shown.lines().skip_while(|line| !line.contains("tomo_")).map(|line| line.trim_matches(['│', ' ']));
    let secret: String = lines.take_while(|line| !line.is_empty()).collect();
    terminal.type_text("y");
    terminal.wait_for("to the terminal's clipboard").await;
    let copied = terminal.clipboard().last().and_then(|text| STANDARD.decode(text).ok());
    assert_eq!(copied.as_deref(), Some(secret.as_bytes()), "what is shown is what is copied");
    terminal.press(Key::Escape);
    terminal.wait_until("the secret is gone", |screen| !screen.contents().contains("tomo_")).await;
    terminal.wait_for("read, audit").await;
    terminal.wait_for("6d").await;

    let program = daemon.http().bearer(&secret);
    let who = program.call(&AuthWhoami {}).await.expect("the token is good");
    assert_eq!((who.actor.as_str(), who.person), ("token:ci (ana)", false));
    assert_eq!(who.scopes, [Scope::Read, Scope::Audit].into());
    assert_eq!(who.selectors.servers, ["web-1".to_owned()].into());
    terminal.type_text("X");
    terminal.wait_for("Revoke ci of ana").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("no API token").await;
    program.call(&AuthWhoami {}).await.expect_err("it was revoked");
    drop(terminal);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_ends_their_other_login_and_changes_their_password_in_their_profile() {
    const WRONG: &str = "not the password";
    let daemon = TestDaemon::start().await;
    daemon.create_user("vera", Role::Viewer).await;
    daemon.create_user("bo", Role::Viewer).await;
    daemon.login("bo").await;
    let (_tomo, mut terminal) = sign_in(&daemon, "vera").await;
    let other = daemon.login("vera").await;
    let other = daemon.http().bearer(other.access_token.reveal());
    terminal.type_text("m");
    terminal.wait_for("viewer: may read").await;
    terminal.wait_for("this one, from 127.0.0.1").await;
    assert_eq!(terminal.text().matches("from 127.0.0.1").count(), 2, "bo's is not shown: {terminal:?}");
    // The other one is newer.
    terminal.type_text("X");
    terminal.wait_for("Whoever uses it has to sign in").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("a login of vera is ended").await;
    other.call(&AuthWhoami {}).await.expect_err("it is over");

    terminal.type_text("p");
    terminal.wait_for("Change the password").await;
    for text in [WRONG, SECRET, SECRET] {
        terminal.type_text(text);
        terminal.press(Key::Tab);
    }
    terminal.press(Key::Enter);
    terminal.wait_for("the current password is wrong").await;
    terminal.press(Key::Control('u'));
    terminal.type_text(PASSWORD);
    terminal.press(Key::Control('s'));
    terminal.wait_for("your password is changed").await;
    for secret in [WRONG, SECRET, PASSWORD] {
        never_shown(&terminal, secret);
    }
    let login = |password: &str| Login { username: "vera".to_owned(), password: SecretText::new(password) };
    daemon.http().person(&login(PASSWORD)).await.expect_err("it is another one");
    daemon.http().person(&login(SECRET)).await.expect("is the one that was typed");
    // The dashboard's own login goes on.
    terminal.press(Key::Control('r'));
    terminal
        .wait_until("the new login is there", |screen| screen.contents().matches("from 127.0.0.1").count() == 2)
        .await;
    // Until it is ended there itself.
    terminal.type_text("jX");
    terminal.wait_for("the one of this dashboard").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("Enter signs in").await;
    drop(terminal);
    daemon.stop().await;
}
