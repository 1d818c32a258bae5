//! People, and their logins.

use serde_json::json;
use tomo_proto::{
    api::{
        auth::{AuthSessionEnd, AuthSessionList, AuthUserList},
        person::{ChangePassword, CreateUser, DeleteUser, SetRole},
    },
    model::user::PASSWORD_MIN,
};

use crate::{
    args::UserCommand,
    cli::{
        account::{read_new, read_passwords, read_secret},
        change,
        output::{self, done, line, table, time},
    },
    client::Client,
};

pub(super) async fn user(client: &Client, command: UserCommand, as_json: bool) -> anyhow::Result<()> {
    let user = match command {
        UserCommand::List => {
            let answer = client.call(&AuthUserList {}).await?;
            if as_json {
                return output::json(&answer.users);
            }
            let rows = answer
                .users
                .iter()
                .map(|user| [user.name.clone(), user.role.as_str().to_owned(), time(user.created_at)]);
            table(["USER", "ROLE", "SINCE"], rows.collect());
            return Ok(());
        }
        UserCommand::Create { user, role, password_stdin } => {
            let what = format!("Password of the new user (at least {PASSWORD_MIN} characters)");
            let password = if password_stdin { read_secret(&what, true)? } else { read_new(&what)? };
            client.person(&CreateUser { username: user, role, password, email: None }).await?
        }
        UserCommand::Role { user, role } => client.person(&SetRole { username: user, role }).await?,
        UserCommand::Password => {
            let (current, new) = read_passwords("Password", PASSWORD_MIN)?;
            client.person(&ChangePassword { current, new }).await?;
            return done(as_json, "your password is changed; your other logins are ended", json!({}));
        }
        UserCommand::Sessions => {
            let answer = client.call(&AuthSessionList {}).await?;
            if as_json {
                return output::json(&answer.sessions);
            }
            let rows = answer.sessions.iter().map(|session| {
                [
                    session.id.to_string(),
                    session.user_name.clone(),
                    session.ip_address.clone(),
                    time(session.created_at),
                    time(session.last_activity_at),
                ]
            });
            table(["SESSION", "USER", "FROM", "SINCE", "LAST USE"], rows.collect());
            return Ok(());
        }
        UserCommand::EndSession { session } => {
            let ended = client.call(&AuthSessionEnd { session }).await?;
            if as_json {
                return output::json(&ended);
            }
            line(format!("the login {} of {} is ended", ended.id, ended.user_name));
            return Ok(());
        }
        UserCommand::Delete { user, yes } => {
            change::agree(&format!("Delete the account {user}, with its logins and tokens?"), yes)?;
            client.person(&DeleteUser { username: user.clone() }).await?;
            return done(as_json, format!("{user} is deleted"), json!({"username": user}));
        }
    };
    if as_json {
        return output::json(&user);
    }
    line(format!("{} is {}", user.name, user.role.as_str()));
    Ok(())
}
