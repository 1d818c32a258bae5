//! Who one is, who may sign in, and what is signed in. Passwords and new tokens go by [`crate::api::person`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::user::{ApiToken, Role, Scopes, Selectors, Session, SshDoor, SshKey, User},
};

/// Arguments of `auth_whoami`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthWhoami {}

tool!(AuthWhoami => WhoamiAnswer, "auth_whoami", "Who am I", Effect::Read, Read, true, "Who you are and what you may do.");

/// Who the caller is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WhoamiAnswer {
    /// As in the audit: `user:ana`, `token:ci (ana)`, `socket:root`.
    pub actor: String,
    /// Whether the caller is a person's own session (and can approve plans).
    pub person: bool,
    /// Role of the account; absent for the local socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What the caller may do.
    pub scopes: Scopes,
    /// What the caller can see.
    #[serde(default, skip_serializing_if = "Selectors::is_empty")]
    pub selectors: Selectors,
    /// Version of the daemon.
    pub daemon_version: String,
    /// Where its HTTP side is: `http(s)://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Arguments of `auth_user_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthUserList {}

tool!(AuthUserList => AuthUserListAnswer, "auth_user_list", "List users", Effect::Read, Admin, false, "Accounts.");

/// Accounts by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuthUserListAnswer {
    /// Every account.
    pub users: Vec<User>,
}

/// Arguments of `auth_session_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthSessionList {}

tool!(AuthSessionList => AuthSessionListAnswer, "auth_session_list", "List sessions", Effect::Person, Read, false,
    "Your logins; an admin's answer holds everybody's.");

/// Logins, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuthSessionListAnswer {
    /// The logins.
    pub sessions: Vec<Session>,
}

/// Arguments of `auth_session_end`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthSessionEnd {
    /// Id, ses-...
    pub session: String,
}

tool!(AuthSessionEnd => Session, "auth_session_end", "End session", Effect::Person, Read, false,
    "End a login of yours; an admin can end anybody's.");

/// Arguments of `auth_token_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthTokenList {}

tool!(AuthTokenList => AuthTokenListAnswer, "auth_token_list", "List tokens", Effect::Person, Read, false,
    "Your API tokens; an admin's answer holds everybody's.");

/// Tokens, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuthTokenListAnswer {
    /// The tokens.
    pub tokens: Vec<ApiToken>,
}

/// Arguments of `auth_token_revoke`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthTokenRevoke {
    /// Id, tok-..., or name.
    pub token: String,
}

tool!(AuthTokenRevoke => ApiToken, "auth_token_revoke", "Revoke token", Effect::Person, Read, false,
    "Revoke an API token of yours; an admin can revoke anybody's.");

/// Arguments of `auth_key_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthKeyList {}

tool!(AuthKeyList => AuthKeyListAnswer, "auth_key_list", "List SSH keys", Effect::Person, Read, false,
    "Your public keys for the dashboard over SSH; an admin's answer holds everybody's.");

/// Keys, newest first, and where they open.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuthKeyListAnswer {
    /// The keys.
    pub keys: Vec<SshKey>,
    /// Where the dashboard is shown over SSH; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<SshDoor>,
}
