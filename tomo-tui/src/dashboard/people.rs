//! People, their logins, API tokens and public keys: the calls that look at them and change them.

use tomo_proto::{
    api::{
        auth::{AuthKeyList, AuthSessionEnd, AuthSessionList, AuthTokenList, AuthTokenRevoke, AuthUserList},
        person::{AddKey, ChangePassword, CreateUser, DeleteUser, RemoveKey, SetRole},
    },
    id::SessionId,
    model::user::{ApiToken, Role, Session, SshKey, User},
};

use crate::client::{Client, ClientError};

/// Everything of people that this person may see.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// Every account, where they were asked for.
    pub(crate) users: Vec<User>,
    /// Newest first.
    pub(crate) logins: Vec<Session>,
    /// Newest first.
    pub(crate) tokens: Vec<ApiToken>,
    /// Public keys that open the dashboard over SSH, newest first.
    pub(crate) keys: Vec<SshKey>,
    /// The login that this dashboard signs in with, if it is one.
    pub(crate) own: Option<SessionId>,
}

/// What is to be changed at once.
#[derive(Debug)]
pub(crate) enum Change {
    Create(CreateUser),
    /// Another role, for somebody who has this one.
    Role(SetRole, Role),
    Delete(DeleteUser),
    Password(ChangePassword),
    EndLogin(AuthSessionEnd),
    RevokeToken(AuthTokenRevoke),
    AddKey(AddKey),
    RemoveKey(RemoveKey),
}

/// What was changed.
#[derive(Debug)]
pub(crate) struct Changed {
    /// What is so from then on.
    pub(crate) says: String,
    /// What takes it back, if something does.
    pub(crate) back: Option<Change>,
}

/// Fetches logins and tokens; with `accounts` also the accounts, which only an admin may see.
pub(super) async fn look(client: &Client, accounts: bool) -> Result<People, ClientError> {
    let users = if accounts { client.call(&AuthUserList {}).await?.users } else { Vec::new() };
    let logins = client.call(&AuthSessionList {}).await?.sessions;
    let tokens = client.call(&AuthTokenList {}).await?.tokens;
    let keys = client.call(&AuthKeyList {}).await?.keys;
    Ok(People { users, logins, tokens, keys, own: client.session() })
}

/// Changes something, and says what is so from then on.
pub(super) async fn change(client: &Client, change: Change) -> Result<Changed, ClientError> {
    let mut back = None;
    let says = match change {
        Change::Create(request) => is(&client.person(&request).await?),
        Change::Role(request, before) => {
            let user = client.person(&request).await?;
            back = Some(Change::Role(SetRole { role: before, ..request }, user.role));
            is(&user)
        }
        Change::Delete(request) => {
            client.person(&request).await?;
            format!("{} is deleted", request.username)
        }
        Change::Password(request) => {
            client.person(&request).await?;
            "your password is changed; your other logins are ended".to_owned()
        }
        Change::EndLogin(request) => {
            let ended = client.call(&request).await?;
            format!("a login of {} is ended", ended.user_name)
        }
        Change::RevokeToken(request) => format!("{} is revoked", client.call(&request).await?.name),
        Change::AddKey(request) => {
            let key = client.person(&request).await?;
            format!("{} opens the dashboard over SSH as {}", key.name, key.user_name)
        }
        Change::RemoveKey(request) => format!("{} opens nothing any more", client.person(&request).await?.name),
    };
    Ok(Changed { says, back })
}

fn is(user: &User) -> String {
    format!("{} is {}", user.name, user.role.as_str())
}
