//! People, what they may do, and the tokens they give to programs.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{KeyId, SessionId, TokenId, UserId};

/// Fewest characters of a password; NIST SP 800-63B asks for eight.
pub const PASSWORD_MIN: usize = 10;
const PASSWORD_MAX: usize = 1_024;

/// Days an API token works unless told otherwise.
pub const TOKEN_DAYS: u32 = 90;
/// Most days an API token works.
pub const TOKEN_DAYS_MAX: u32 = 365;

/// Checks a new password.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_password(password: &str) -> Result<(), String> {
    if password.chars().any(char::is_control) {
        return Err("a password is one line, without control characters".to_owned());
    }
    match password.chars().count() {
        0..PASSWORD_MIN => Err(format!("a password has at least {PASSWORD_MIN} characters")),
        PASSWORD_MIN..=PASSWORD_MAX => Ok(()),
        _ => Err(format!("a password has at most {PASSWORD_MAX} characters")),
    }
}

/// One right. Every tool, route and stream names the one it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See servers, apps, plans and operations.
    Read,
    /// Search the audit trail.
    Audit,
    /// Start, stop and restart apps; cancel operations.
    Operate,
    /// Record plans.
    Plan,
    /// Apply approved plans.
    Deploy,
    /// Manage users, tokens, agents and settings.
    Admin,
}

impl Scope {
    /// Every scope, weakest first.
    pub const ALL: [Self; 6] = [Self::Read, Self::Audit, Self::Operate, Self::Plan, Self::Deploy, Self::Admin];

    /// The scope as it stands in answers, tokens and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Audit => "audit",
            Self::Operate => "operate",
            Self::Plan => "plan",
            Self::Deploy => "deploy",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| {
            format!("\"{text}\" is not a scope; the scopes are read, audit, operate, plan, deploy, admin")
        })
    }
}

/// A set of rights.
pub type Scopes = BTreeSet<Scope>;

/// A person's place: a named set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Looks, operates, plans.
    Operator,
    /// An operator who also applies plans.
    Deployer,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Deployer, Self::Admin];

    /// What a person of this role may do.
    #[must_use]
    pub fn scopes(self) -> Scopes {
        let count = match self {
            Self::Viewer => return Scopes::from([Scope::Read]),
            Self::Operator => 4,
            Self::Deployer => 5,
            Self::Admin => 6,
        };
        Scope::ALL.into_iter().take(count).collect()
    }

    /// The role as it stands in answers and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Deployer => "deployer",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("\"{text}\" is not a role; the roles are viewer, operator, deployer, admin"))
    }
}

/// An account, without its password hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// Stable id.
    pub id: UserId,
    /// Login name: 1–32 of `a-z`, `0-9`, `.`, `_`, `-`.
    pub name: String,
    /// Mail address, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What the person may do.
    pub role: Role,
    /// When the account was made (UTC ms).
    pub created_at: u64,
    /// Last successful login (UTC ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login_at: Option<u64>,
}

/// A login that can still be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// Stable id, also the `sid` of its JWTs.
    pub id: SessionId,
    /// Whose login it is.
    pub user: UserId,
    /// Login name of that person.
    pub user_name: String,
    /// Address the login came from.
    pub ip_address: String,
    /// What the client called itself.
    pub user_agent: String,
    /// When it began (UTC ms).
    pub created_at: u64,
    /// When it ends unless refreshed (UTC ms).
    pub expires_at: u64,
    /// Last use (UTC ms), to the minute.
    pub last_activity_at: u64,
}

/// Which servers and apps an API token can see; empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Selectors {
    /// Names of servers.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub servers: BTreeSet<String>,
    /// Names of apps.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub apps: BTreeSet<String>,
    /// Labels a server must carry, all of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Selectors {
    /// What is seen, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        if !self.servers.is_empty() {
            parts.push(list(&self.servers));
        }
        if !self.apps.is_empty() {
            parts.push(format!("apps {}", list(&self.apps)));
        }
        parts.extend(self.labels.iter().map(|(key, value)| format!("label {key}={value}")));
        if parts.is_empty() { "all".to_owned() } else { parts.join("; ") }
    }

    /// Whether nothing is held back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.apps.is_empty() && self.labels.is_empty()
    }

    /// Whether a server of this name and these labels can be seen.
    #[must_use]
    pub fn admit_server(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        (self.servers.is_empty() || self.servers.contains(name))
            && self.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// Whether an app of this name can be seen, once its server can.
    #[must_use]
    pub fn admit_app(&self, name: &str) -> bool {
        self.apps.is_empty() || self.apps.contains(name)
    }
}

/// An API token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiToken {
    /// Public half of the token.
    pub id: TokenId,
    /// What its owner calls it.
    pub name: String,
    /// Who made it.
    pub owner: UserId,
    /// Login name of that person.
    pub owner_name: String,
    /// What it may do; never more than its owner.
    pub scopes: Scopes,
    /// What it can see.
    #[serde(default, skip_serializing_if = "Selectors::is_empty")]
    pub selectors: Selectors,
    /// When it was made (UTC ms).
    pub created_at: u64,
    /// When it stops working (UTC ms).
    pub expires_at: u64,
    /// Last use (UTC ms), to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<u64>,
}

/// A public key whose owner is shown the dashboard over SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SshKey {
    /// Id.
    pub id: KeyId,
    /// Whose it is.
    pub user: UserId,
    /// Login name of that person.
    pub user_name: String,
    /// What its owner calls it.
    pub name: String,
    /// Kind, as in `ssh-ed25519`.
    pub algorithm: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// When it was added (UTC ms).
    pub created_at: u64,
    /// Last login with it (UTC ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<u64>,
}

/// Where the daemon shows the dashboard over SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SshDoor {
    /// Address it listens on.
    pub listen: String,
    /// Fingerprint of its host key, `SHA256:…`.
    pub host_key: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_widen_in_order() {
        for pair in Role::ALL.windows(2) {
            assert!(pair[0].scopes().is_subset(&pair[1].scopes()), "{pair:?}");
        }
        assert!(!Role::Operator.scopes().contains(&Scope::Deploy));
        assert!(!Role::Deployer.scopes().contains(&Scope::Admin));
    }

    #[test]
    fn selectors_narrow() {
        let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        let only_prod = Selectors { labels: labels.clone(), ..Selectors::default() };
        assert!(only_prod.admit_server("a", &labels));
        assert!(!only_prod.admit_server("a", &BTreeMap::new()));
        assert!(Selectors::default().admit_server("a", &BTreeMap::new()));
        let one = Selectors { servers: ["a".to_owned()].into(), ..Selectors::default() };
        assert!(!one.admit_server("b", &labels));
        assert_eq!(Selectors::default().in_words(), "all");
        let all = Selectors { apps: ["shop".to_owned()].into(), ..Selectors { labels, ..one } };
        assert_eq!(all.in_words(), "a; apps shop; label env=prod");
    }
}
