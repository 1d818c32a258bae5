//! The one authoriser: whoever may do something holds an [`Authorized`], which only this module makes.

use std::marker::PhantomData;

use tokio_util::sync::CancellationToken;
use tomo_proto::{
    api::{Effect, Tool},
    error::ErrorCode,
    id::{SessionId, TokenId, UserId},
    model::user::{Role, Scope, Scopes, Selectors},
};

use crate::services::error::ServiceError;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A person's login.
    Session {
        /// The login.
        session: SessionId,
        /// The account.
        user: UserId,
        /// Login name.
        name: String,
        /// Role of the account.
        role: Role,
    },
    /// A program with an API token.
    Token {
        /// The token.
        token: TokenId,
        /// What its owner calls it.
        name: String,
        /// The account that made it.
        owner: UserId,
        /// Login name of the owner.
        owner_name: String,
    },
    /// An admin on the local socket.
    Socket {
        /// Peer's uid.
        uid: u32,
        /// Name of that uid, or its number.
        name: String,
    },
    /// The daemon itself (`tomo local`'s first steps, schedules).
    Daemon,
}

/// Who asks, what they may do and see, and whether they still may.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// What they may do.
    pub scopes: Scopes,
    /// What they can see.
    pub selectors: Selectors,
    /// Address the request came from, for the audit.
    pub ip_address: String,
    /// Cancelled the moment the session, token or account ends; live streams watch it.
    pub ended: CancellationToken,
}

impl Caller {
    /// The daemon itself, for what it does on a schedule.
    #[must_use]
    pub(super) fn daemon() -> Self {
        Self {
            principal: Principal::Daemon,
            scopes: Scopes::new(),
            selectors: Selectors::default(),
            ip_address: String::new(),
            ended: CancellationToken::new(),
        }
    }

    pub(super) fn is_admin(&self) -> bool {
        self.scopes.contains(&Scope::Admin)
    }

    /// For what no tool may carry, and only an admin may do.
    ///
    /// # Errors
    /// `denied`: says what needs the scope.
    pub(super) fn require_admin(&self, what: &str) -> Result<(), ServiceError> {
        self.require(Scope::Admin, what)
    }

    /// For what no tool may carry.
    ///
    /// # Errors
    /// `denied`: says what needs the scope.
    pub(super) fn require(&self, scope: Scope, what: &str) -> Result<(), ServiceError> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let message = format!("{what} needs the scope {}", scope.as_str());
        Err(ServiceError::new(ErrorCode::Denied, message).with_next("ask an admin"))
    }

    /// As it stands in the audit: `user:ana`, `token:ci (ana)`, `socket:root`, `daemon`.
    #[must_use]
    pub fn actor(&self) -> String {
        match &self.principal {
            Principal::Session { name, .. } => format!("user:{name}"),
            Principal::Token { name, owner_name, .. } => format!("token:{name} ({owner_name})"),
            Principal::Socket { name, .. } => format!("socket:{name}"),
            Principal::Daemon => "daemon".to_owned(),
        }
    }

    /// Whether a person is there: a login session or the local socket. Only a person approves.
    #[must_use]
    pub const fn is_person(&self) -> bool {
        matches!(self.principal, Principal::Session { .. } | Principal::Socket { .. })
    }

    /// Key of the principal for sessions, rate limits and sealed state: stable, and different for each principal.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.principal {
            Principal::Session { session, .. } => session.to_string(),
            Principal::Token { token, .. } => token.to_string(),
            Principal::Socket { uid, .. } => format!("uid-{uid}"),
            Principal::Daemon => "daemon".to_owned(),
        }
    }
}

/// Proof that a caller may use the tool `T`.
#[derive(Debug)]
pub struct Authorized<'a, T> {
    caller: &'a Caller,
    tool: PhantomData<fn() -> T>,
}

impl<T> Clone for Authorized<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Authorized<'_, T> {}

impl<T> std::ops::Deref for Authorized<'_, T> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        self.caller
    }
}

/// Whether a caller may use a tool; also decides what a tool list shows.
#[must_use]
pub fn may<T: Tool>(caller: &Caller) -> bool {
    caller.scopes.contains(&T::SCOPE) && (T::EFFECT != Effect::Person || caller.is_person())
}

/// Makes the proof, or says what is missing.
///
/// # Errors
/// `denied`, naming the scope or that a person is needed.
pub fn authorize<T: Tool>(caller: &Caller) -> Result<Authorized<'_, T>, ServiceError> {
    if may::<T>(caller) {
        return Ok(Authorized { caller, tool: PhantomData });
    }
    Err(if T::EFFECT == Effect::Person && !caller.is_person() {
        ServiceError::new(ErrorCode::Denied, format!("{} is a person's act: an API token cannot do it", T::NAME))
            .with_next("ask a person to do it in `tomo`, signed in")
    } else {
        ServiceError::new(ErrorCode::Denied, format!("{} needs the scope {}", T::NAME, T::SCOPE.as_str()))
            .with_next("auth_whoami {}")
    })
}
