//! People, their logins and their API tokens.

use tomo_proto::{
    api::{
        auth::{
            AuthSessionEnd, AuthSessionList, AuthSessionListAnswer, AuthTokenList, AuthTokenListAnswer,
            AuthTokenRevoke, AuthUserList, AuthUserListAnswer, AuthWhoami, WhoamiAnswer,
        },
        check_name,
        person::{ChangePassword, CreateToken, CreateUser, CreatedToken, DeleteUser, Done, SecretText, SetRole},
    },
    error::ErrorCode,
    id::{SessionId, TokenId, UserId},
    model::{
        audit::AuditOutcome,
        user::{ApiToken, Role, Scope, Session, SshKey, TOKEN_DAYS, TOKEN_DAYS_MAX, User, check_password},
    },
    version::RELEASE,
};

use crate::{
    crypto,
    services::{
        About as _, Handle, HandlePerson, Services,
        access::{Authorized, Caller, Principal},
        auth::TOKEN_PREFIX,
        error::ServiceError,
        lookup::{not_found, unknown_id},
    },
    store::{
        StoreError, WriteTx,
        records::{SessionRecord, TokenRecord, UserRecord},
    },
};

const DAY_MS: u64 = 86_400_000;

pub(super) fn invalid(field: &str, message: impl Into<String>) -> ServiceError {
    ServiceError::new(ErrorCode::Invalid, message).with_field(field)
}

impl Caller {
    pub(super) fn user(&self) -> Option<UserId> {
        match self.principal {
            Principal::Session { user, .. } => Some(user),
            Principal::Token { owner, .. } => Some(owner),
            Principal::Socket { .. } | Principal::Daemon => None,
        }
    }
}

impl Handle<AuthWhoami> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, AuthWhoami>,
        _request: AuthWhoami,
    ) -> Result<WhoamiAnswer, ServiceError> {
        Ok(WhoamiAnswer {
            actor: caller.actor(),
            person: caller.is_person(),
            role: match &caller.principal {
                Principal::Session { role, .. } => Some(*role),
                _ => None,
            },
            scopes: caller.scopes.clone(),
            selectors: caller.selectors.clone(),
            daemon_version: RELEASE.to_owned(),
            url: Some(self.context.url.clone()),
        })
    }
}

impl Handle<AuthUserList> for Services {
    async fn handle(
        &self,
        _caller: Authorized<'_, AuthUserList>,
        _request: AuthUserList,
    ) -> Result<AuthUserListAnswer, ServiceError> {
        let records = self.context.store.read(|view| view.list::<UserRecord>())?;
        let mut users: Vec<User> = records.into_iter().map(|record| record.user).collect();
        users.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(AuthUserListAnswer { users })
    }
}

impl Handle<AuthSessionList> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, AuthSessionList>,
        _request: AuthSessionList,
    ) -> Result<AuthSessionListAnswer, ServiceError> {
        let now_ms = self.context.clock.now_ms();
        let records = self.context.store.read(|view| view.list::<SessionRecord>())?;
        let seen = |session: &Session| caller.is_admin() || Some(session.user) == caller.user();
        let sessions = records.into_iter().rev().map(|record| record.session);
        Ok(AuthSessionListAnswer { sessions: sessions.filter(|one| one.expires_at > now_ms && seen(one)).collect() })
    }
}

impl Handle<AuthSessionEnd> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, AuthSessionEnd>,
        request: AuthSessionEnd,
    ) -> Result<Session, ServiceError> {
        let missing = || unknown_id("session", &request.session, "auth_session_list {}");
        let id: SessionId = request.session.parse().map_err(|_| missing())?;
        let (admin, user) = (caller.is_admin(), caller.user());
        let entry = self.context.entry(&caller, "auth_session_end", AuditOutcome::Ok).about("session", &id.to_string());
        let missing = missing();
        let ended = self
            .context
            .store
            .write(move |change| {
                let record = change.get::<SessionRecord>(id.to_u64())?;
                let record = record.filter(|record| admin || Some(record.session.user) == user).ok_or(missing)?;
                change.remove::<SessionRecord>(id.to_u64());
                change.audit(entry);
                Ok::<_, ServiceError>(record.session)
            })
            .await?;
        self.auth.reload(&self.context.store)?;
        Ok(ended)
    }
}

impl Handle<AuthTokenList> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, AuthTokenList>,
        _request: AuthTokenList,
    ) -> Result<AuthTokenListAnswer, ServiceError> {
        let records = self.context.store.read(|view| view.list::<TokenRecord>())?;
        let tokens = records.into_iter().rev().map(|record| record.token);
        Ok(AuthTokenListAnswer {
            tokens: tokens.filter(|one| caller.is_admin() || Some(one.owner) == caller.user()).collect(),
        })
    }
}

impl Handle<AuthTokenRevoke> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, AuthTokenRevoke>,
        request: AuthTokenRevoke,
    ) -> Result<ApiToken, ServiceError> {
        let (admin, user) = (caller.is_admin(), caller.user());
        let entry = self.context.entry(&caller, "auth_token_revoke", AuditOutcome::Ok);
        let revoked = self
            .context
            .store
            .write(move |change| {
                let tokens: Vec<ApiToken> = change
                    .list::<TokenRecord>()?
                    .into_iter()
                    .map(|record| record.token)
                    .filter(|token| admin || Some(token.owner) == user)
                    .collect();
                let id = request.token.parse::<TokenId>().ok();
                let found = tokens.iter().find(|token| Some(token.id) == id || token.name == request.token).cloned();
                let found = found.ok_or_else(|| {
                    not_found(
                        "token",
                        &request.token,
                        tokens.iter().map(|token| token.name.as_str()),
                        "auth_token_list {}",
                    )
                })?;
                change.remove::<TokenRecord>(found.id.to_u64());
                change.audit(entry.about("token", &found.name));
                Ok::<_, ServiceError>(found)
            })
            .await?;
        self.auth.reload(&self.context.store)?;
        Ok(revoked)
    }
}

impl HandlePerson<ChangePassword> for Services {
    async fn handle_person(&self, caller: &Caller, request: ChangePassword) -> Result<Done, ServiceError> {
        let Principal::Session { session, user, .. } = caller.principal else {
            return Err(ServiceError::new(
                ErrorCode::Denied,
                "only a person who is signed in has a password to change",
            )
            .with_next("tomo login"));
        };
        check_password(request.new.reveal()).map_err(|error| invalid("new", error))?;
        let gone = || ServiceError::new(ErrorCode::NotFound, "the account is gone");
        let record = self.context.store.read(|view| view.get::<UserRecord>(user.to_u64()))?.ok_or_else(gone)?;
        let (current, hash) = (request.current.clone(), record.password_hash);
        if !self.auth.hashing(move || crypto::verify_password(current.reveal(), &hash)).await? {
            self.audit_denial(caller, "auth.password", "", "the current password is wrong").await;
            return Err(invalid("current", "the current password is wrong"));
        }
        let new_hash = self.hash(request.new).await?;
        let entry = self.context.entry(caller, "auth.password", AuditOutcome::Ok);
        self.context
            .store
            .write(move |change| {
                let mut record = change.get::<UserRecord>(user.to_u64())?.ok_or_else(gone)?;
                record.password_hash = new_hash;
                change.put(&record)?;
                end_logins(change, user, Some(session))?;
                change.audit(entry);
                Ok::<_, ServiceError>(())
            })
            .await?;
        self.auth.reload(&self.context.store)?;
        Ok(Done {})
    }
}

impl HandlePerson<CreateUser> for Services {
    async fn handle_person(&self, caller: &Caller, request: CreateUser) -> Result<User, ServiceError> {
        caller.require_admin("this")?;
        check_name(&request.username).map_err(|error| invalid("username", error))?;
        check_password(request.password.reveal()).map_err(|error| invalid("password", error))?;
        let password_hash = self.hash(request.password).await?;
        let now_ms = self.context.clock.now_ms();
        let user = User {
            id: UserId::from_parts(now_ms, crypto::random_u32()),
            name: request.username,
            email: request.email,
            role: request.role,
            created_at: now_ms,
            last_login_at: None,
        };
        let entry = self.context.entry(caller, "user.create", AuditOutcome::Ok).about("user", &user.name);
        let entry = entry.with(format!("role {}", user.role.as_str()));
        self.context
            .store
            .write(move |change| {
                if change.list::<UserRecord>()?.iter().any(|known| known.user.name == user.name) {
                    let message = format!("there is a user \"{}\" already", user.name);
                    return Err(ServiceError::new(ErrorCode::Conflict, message).with_field("username"));
                }
                change.put(&UserRecord { user: user.clone(), password_hash })?;
                change.audit(entry);
                Ok(user)
            })
            .await
    }
}

impl HandlePerson<SetRole> for Services {
    async fn handle_person(&self, caller: &Caller, request: SetRole) -> Result<User, ServiceError> {
        caller.require_admin("this")?;
        let entry = self.context.entry(caller, "user.role", AuditOutcome::Ok).about("user", &request.username);
        let entry = entry.with(format!("role {}", request.role.as_str()));
        let user = self
            .context
            .store
            .write(move |change| {
                let mut record = find_user(change, &request.username)?;
                record.user.role = request.role;
                change.put(&record)?;
                keep_an_admin(change)?;
                end_logins(change, record.user.id, None)?;
                change.audit(entry);
                Ok::<_, ServiceError>(record.user)
            })
            .await?;
        self.auth.reload(&self.context.store)?;
        Ok(user)
    }
}

impl HandlePerson<DeleteUser> for Services {
    async fn handle_person(&self, caller: &Caller, request: DeleteUser) -> Result<Done, ServiceError> {
        caller.require_admin("this")?;
        let entry = self.context.entry(caller, "user.delete", AuditOutcome::Ok).about("user", &request.username);
        self.context
            .store
            .write(move |change| {
                let record = find_user(change, &request.username)?;
                change.remove::<UserRecord>(record.user.id.to_u64());
                keep_an_admin(change)?;
                end_logins(change, record.user.id, None)?;
                for token in change.list::<TokenRecord>()? {
                    if token.token.owner == record.user.id {
                        change.remove::<TokenRecord>(token.token.id.to_u64());
                    }
                }
                for key in change.list::<SshKey>()?.iter().filter(|key| key.user == record.user.id) {
                    change.remove::<SshKey>(key.id.to_u64());
                }
                change.audit(entry);
                Ok::<_, ServiceError>(())
            })
            .await?;
        self.auth.reload(&self.context.store)?;
        Ok(Done {})
    }
}

impl HandlePerson<CreateToken> for Services {
    async fn handle_person(&self, caller: &Caller, request: CreateToken) -> Result<CreatedToken, ServiceError> {
        check_name(&request.name).map_err(|error| invalid("name", error))?;
        if request.scopes.is_empty() {
            return Err(invalid("scopes", "a token needs at least one scope, e.g. read"));
        }
        if request.scopes.contains(&Scope::Admin) {
            return Err(invalid("scopes", "a token never gets the scope admin"));
        }
        if let Some(beyond) = request.scopes.difference(&caller.scopes).next() {
            return Err(invalid("scopes", format!("you do not have the scope {} yourself", beyond.as_str())));
        }
        let days = request.expires_in_days.unwrap_or(TOKEN_DAYS);
        if !(1..=TOKEN_DAYS_MAX).contains(&days) {
            return Err(invalid("expires_in_days", format!("a token lasts 1 to {TOKEN_DAYS_MAX} days")));
        }
        let now_ms = self.context.clock.now_ms();
        let id = TokenId::from_parts(now_ms, crypto::random_u32());
        let secret = crypto::hex(&crypto::random_bytes::<32>());
        let owner = match &caller.principal {
            Principal::Session { user, .. } => Some(*user),
            _ => None,
        };
        let entry = self.context.entry(caller, "token.create", AuditOutcome::Ok).about("token", &request.name);
        let secret_hash = crypto::sha256_hex(secret.as_bytes());
        let token = self
            .context
            .store
            .write(move |change| {
                let users = change.list::<UserRecord>()?;
                // On the local socket a token belongs to the first admin.
                let owner = match owner {
                    Some(owner) => users.iter().find(|record| record.user.id == owner),
                    None => users.iter().find(|record| record.user.role == Role::Admin),
                };
                let owner = owner.ok_or_else(|| {
                    ServiceError::new(ErrorCode::Conflict, "there is no admin yet who could own a token")
                        .with_next("tomo user create NAME --role admin")
                })?;
                if change
                    .list::<TokenRecord>()?
                    .iter()
                    .any(|known| known.token.name == request.name && known.token.owner == owner.user.id)
                {
                    let message = format!("there is a token \"{}\" already", request.name);
                    return Err(ServiceError::new(ErrorCode::Conflict, message)
                        .with_field("name")
                        .with_next(format!("tomo token revoke {}", request.name)));
                }
                let token = ApiToken {
                    id,
                    name: request.name,
                    owner: owner.user.id,
                    owner_name: owner.user.name.clone(),
                    scopes: request.scopes,
                    selectors: request.selectors,
                    created_at: now_ms,
                    expires_at: now_ms + u64::from(days) * DAY_MS,
                    last_used_at: None,
                };
                change.put(&TokenRecord { token: token.clone(), secret_hash })?;
                change.audit(entry);
                Ok::<_, ServiceError>(token)
            })
            .await?;
        self.auth.reload(&self.context.store)?;
        let public = id.to_string();
        let public = public.split_once('-').map_or("", |(_, letters)| letters);
        Ok(CreatedToken { token, secret: SecretText::new(format!("{TOKEN_PREFIX}{public}_{secret}")) })
    }
}

impl Services {
    async fn hash(&self, password: SecretText) -> Result<String, ServiceError> {
        let hashed = self.auth.hashing(move || crypto::hash_password(password.reveal())).await?;
        hashed.map_err(|error| ServiceError::new(ErrorCode::Internal, error.to_string()))
    }
}

pub(super) fn find_user(change: &WriteTx<'_>, name: &str) -> Result<UserRecord, ServiceError> {
    let users = change.list::<UserRecord>()?;
    let found = users.iter().find(|record| record.user.name == name).cloned();
    found.ok_or_else(|| not_found("user", name, users.iter().map(|record| record.user.name.as_str()), "tomo user list"))
}

fn keep_an_admin(change: &WriteTx<'_>) -> Result<(), ServiceError> {
    if change.list::<UserRecord>()?.iter().any(|record| record.user.role == Role::Admin) {
        return Ok(());
    }
    Err(ServiceError::new(ErrorCode::Conflict, "this is the last admin").with_next("make another user an admin first"))
}

fn end_logins(change: &mut WriteTx<'_>, user: UserId, but: Option<SessionId>) -> Result<(), StoreError> {
    for record in change.list::<SessionRecord>()? {
        if record.session.user == user && Some(record.session.id) != but {
            change.remove::<SessionRecord>(record.session.id.to_u64());
        }
    }
    Ok(())
}
