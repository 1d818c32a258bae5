//! Logins and tokens: who a bearer is. What is asked on every request is answered from memory, kept in step with the store.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use subtle::ConstantTimeEq as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tomo_proto::{
    api::person::{Login, LoginAnswer, Logout, Refresh, SecretText},
    error::ErrorCode,
    id::{KeyId, SessionId, TokenId, UserId},
    model::{
        audit::AuditOutcome,
        user::{Role, Scope, Scopes, Selectors, Session, SshKey},
    },
    text::display_line,
};

use crate::{
    clock::Clock,
    crypto,
    services::{
        About as _, HandlePerson, Services,
        access::{Caller, Principal},
        error::ServiceError,
        jwt::Keys,
    },
    store::{
        NewAuditEntry, Record as _, Store, StoreError,
        records::{LoginFailures, SessionRecord, TokenRecord, UserRecord},
    },
};

/// Life of a JWT.
const JWT_SECS: u64 = 900;
/// Passwords hashed at a time: each takes 19 MiB and tens of milliseconds.
const HASHERS: usize = 2;
/// Failed logins before one has to wait; then the wait doubles from one second to this.
const FREE_FAILURES: u32 = 5;
const LONGEST_WAIT_MS: u64 = 900_000;
/// Sources of failed logins remembered.
const MAX_SOURCES: usize = 10_000;
/// Last use is written down at most this often.
const ACTIVITY_EVERY_MS: u64 = 60_000;
/// Head of an API token's text.
pub(super) const TOKEN_PREFIX: &str = "tomo_";

/// What is known about logins, tokens and failures, in memory.
#[derive(Debug)]
pub(super) struct Auth {
    keys: Keys,
    clock: Clock,
    hashers: Arc<Semaphore>,
    /// A hash nobody's password has, so that an unknown name takes as long as a wrong password.
    decoy: String,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    sessions: HashMap<SessionId, KnownSession>,
    tokens: HashMap<TokenId, KnownToken>,
    /// By `user NAME` and `from ADDRESS`; as in the store.
    failures: HashMap<String, LoginFailures>,
}

#[derive(Debug, Clone)]
struct KnownSession {
    user: UserId,
    name: String,
    role: Role,
    expires_at: u64,
    seen_at: u64,
    ended: CancellationToken,
}

#[derive(Debug, Clone)]
struct KnownToken {
    record: TokenRecord,
    /// What the owner may do caps what the token may do.
    scopes: Scopes,
    seen_at: u64,
    ended: CancellationToken,
}

/// A login that is to be begun.
pub(super) struct Begun<'a> {
    pub(super) user: UserId,
    /// The public key that has proven it, over SSH.
    pub(super) key: Option<KeyId>,
    pub(super) address: &'a str,
    /// Failures that count no more.
    pub(super) forgiven: Vec<LoginFailures>,
    /// The row about it, but for who and which.
    pub(super) entry: NewAuditEntry,
}

impl LoginFailures {
    fn wait_ms(&self) -> u64 {
        match self.count.checked_sub(FREE_FAILURES) {
            None => 0,
            Some(over) => 1_000_u64.saturating_mul(1 << over.min(20)).min(LONGEST_WAIT_MS),
        }
    }
}

impl Auth {
    pub(super) fn open(keys: &Path, store: &Store, clock: Clock) -> anyhow::Result<Self> {
        let auth = Self {
            keys: Keys::open(keys)?,
            clock,
            hashers: Arc::new(Semaphore::new(HASHERS)),
            decoy: crypto::hash_password(&crypto::hex(&crypto::random_bytes::<16>()))?,
            known: Mutex::default(),
        };
        auth.reload(store)?;
        let failures = store.read(|view| view.list::<LoginFailures>())?;
        auth.known().failures = failures.into_iter().map(|failures| (failures.source.clone(), failures)).collect();
        Ok(auth)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes logins and tokens over from the store; whatever is not there any more has ended.
    pub(super) fn reload(&self, store: &Store) -> Result<(), StoreError> {
        let (users, sessions, tokens) = store.read(|view| {
            Ok::<_, StoreError>((
                view.list::<UserRecord>()?,
                view.list::<SessionRecord>()?,
                view.list::<TokenRecord>()?,
            ))
        })?;
        let users: HashMap<UserId, UserRecord> = users.into_iter().map(|record| (record.user.id, record)).collect();
        let mut known = self.known();
        let mut old_sessions = std::mem::take(&mut known.sessions);
        for record in sessions {
            let session = record.session;
            let Some(user) = users.get(&session.user) else { continue };
            let before = old_sessions.remove(&session.id).filter(|before| before.role == user.user.role);
            let (ended, seen_at) = before.map_or_else(
                || (CancellationToken::new(), session.last_activity_at),
                |before| (before.ended, before.seen_at),
            );
            let name = user.user.name.clone();
            let entry = KnownSession {
                user: session.user,
                name,
                role: user.user.role,
                expires_at: session.expires_at,
                seen_at,
                ended,
            };
            known.sessions.insert(session.id, entry);
        }
        let mut old_tokens = std::mem::take(&mut known.tokens);
        for record in tokens {
            let Some(owner) = users.get(&record.token.owner) else { continue };
            let scopes: Scopes = record.token.scopes.intersection(&owner.user.role.scopes()).copied().collect();
            let before = old_tokens.remove(&record.token.id);
            let (ended, seen_at) = before.map_or_else(
                || (CancellationToken::new(), record.token.last_used_at.unwrap_or(0)),
                |before| (before.ended, before.seen_at),
            );
            known.tokens.insert(record.token.id, KnownToken { record, scopes, seen_at, ended });
        }
        drop(known);
        for gone in old_sessions.into_values() {
            gone.ended.cancel();
        }
        for gone in old_tokens.into_values() {
            gone.ended.cancel();
        }
        Ok(())
    }

    /// What tells that a login has ended; of one that is not known, it has.
    pub(super) fn ended(&self, session: SessionId) -> CancellationToken {
        let known = self.known().sessions.get(&session).map(|session| session.ended.clone());
        known.unwrap_or_else(|| {
            let ended = CancellationToken::new();
            ended.cancel();
            ended
        })
    }

    /// Waits for one's turn to hash.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, ServiceError> {
        let busy = |_| ServiceError::new(ErrorCode::Internal, "the daemon stops");
        Arc::clone(&self.hashers).acquire_owned().await.map_err(busy)
    }

    /// Hashes or verifies somewhere that may take its time.
    pub(super) async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let turn = self.turn().await?;
        Self::hash(&turn, work).await
    }

    async fn hash<T: Send + 'static>(
        _turn: &OwnedSemaphorePermit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let failed = |error| ServiceError::new(ErrorCode::Internal, "hashing a password failed").with_source(error);
        tokio::task::spawn_blocking(work).await.map_err(failed)
    }

    fn check_wait(&self, keys: &[String; 2]) -> Result<(), ServiceError> {
        let now_ms = self.clock.now_ms();
        let known = self.known();
        let wait_ms = keys
            .iter()
            .filter_map(|key| known.failures.get(key))
            .map(|failures| (failures.last_at + failures.wait_ms()).saturating_sub(now_ms))
            .max()
            .unwrap_or(0);
        if wait_ms == 0 {
            return Ok(());
        }
        let seconds = wait_ms.div_ceil(1_000);
        Err(ServiceError::new(ErrorCode::RateLimited, format!("too many failed logins: wait {seconds} s"))
            .with_next(format!("try again in {seconds} s")))
    }

    /// Counts a failure of each source, and returns the counts to be written down and the sources to be forgotten.
    fn note_failure(&self, keys: &[String; 2]) -> (Vec<LoginFailures>, Vec<LoginFailures>) {
        let now_ms = self.clock.now_ms();
        let mut known = self.known();
        let mut forgotten = Vec::new();
        if known.failures.len() >= MAX_SOURCES {
            let old = |failures: &LoginFailures| now_ms.saturating_sub(failures.last_at) >= LONGEST_WAIT_MS;
            forgotten.extend(known.failures.extract_if(|_, failures| old(failures)).map(|(_, failures)| failures));
        }
        if known.failures.len() >= MAX_SOURCES {
            forgotten.extend(known.failures.drain().map(|(_, failures)| failures));
        }
        let count = |key: &String| {
            let before = known.failures.remove(key);
            let count = before.map_or(0, |before| before.count).saturating_add(1);
            let failures = LoginFailures { source: key.clone(), count, last_at: now_ms };
            known.failures.insert(key.clone(), failures.clone());
            failures
        };
        (keys.iter().map(count).collect(), forgotten)
    }

    fn answer(&self, session: &Session, role: Role, refresh: &str) -> Result<LoginAnswer, ServiceError> {
        let scope = role.scopes().iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ");
        let token = self.keys.sign(session.user, session.id, scope, self.clock.now_ms(), JWT_SECS);
        let token = token.ok_or_else(|| ServiceError::new(ErrorCode::Internal, "the login could not be signed"))?;
        Ok(LoginAnswer {
            access_token: SecretText::new(token),
            expires_in_secs: JWT_SECS,
            refresh_token: SecretText::new(refresh),
            username: session.user_name.clone(),
            role,
        })
    }
}

/// One text for every reason, so that nothing can be learned from it.
fn wrong_login() -> ServiceError {
    ServiceError::new(ErrorCode::Unauthenticated, "the name or the password is wrong")
        .with_next("try again; an admin can set a new password with `tomo-daemon reset-password`")
}

fn signed_out() -> ServiceError {
    ServiceError::new(ErrorCode::Unauthenticated, "this login or token is not valid, or has ended")
        .with_next("sign in with `tomo login`, or make a new API token with `tomo token create`")
}

fn refresh_text(session: SessionId, secret: &str) -> String {
    format!("{session}.{secret}")
}

impl Services {
    /// Signs a person in. Every failure takes the same time and reads the same; repeated ones back off.
    ///
    /// # Errors
    /// `unauthenticated`, or `rate_limited` with the seconds to wait.
    pub async fn login(&self, login: Login, address: &str) -> Result<LoginAnswer, ServiceError> {
        let keys = [format!("user {}", display_line(&login.username, 64)), format!("from {address}")];
        self.auth.check_wait(&keys).inspect_err(|_| self.note_refusal(address))?;
        // Once more in turn: of many guesses sent at once, only as many are looked at as of guesses sent one by one.
        let turn = self.auth.turn().await?;
        self.auth.check_wait(&keys).inspect_err(|_| self.note_refusal(address))?;
        let users = self.context.store.read(|view| view.list::<UserRecord>())?;
        let found = users.into_iter().find(|record| record.user.name == login.username);
        let hash = found.as_ref().map_or_else(|| self.auth.decoy.clone(), |record| record.password_hash.clone());
        let password = login.password.clone();
        let fits = Auth::hash(&turn, move || crypto::verify_password(password.reveal(), &hash)).await?;
        let Some(record) = found.filter(|_| fits) else {
            let (counted, forgotten) = self.auth.note_failure(&keys);
            drop(turn);
            let entry = self
                .anonymous("auth.login", AuditOutcome::Denied, address)
                .about("user", &display_line(&login.username, 64));
            self.context
                .store
                .write(move |change| {
                    forgotten.iter().for_each(|failures| change.remove::<LoginFailures>(failures.key()));
                    counted.iter().try_for_each(|failures| change.put(failures))?;
                    change.audit(entry);
                    Ok::<_, ServiceError>(())
                })
                .await?;
            return Err(wrong_login());
        };
        drop(turn);
        let forgiven: Vec<LoginFailures> = {
            let mut known = self.auth.known();
            keys.iter().filter_map(|key| known.failures.remove(key)).collect()
        };
        let entry = self.anonymous("auth.login", AuditOutcome::Ok, address);
        let begun = Begun { user: record.user.id, key: None, address, forgiven, entry };
        let (answer, _) = self.begin_login(begun).await?;
        Ok(answer)
    }

    /// Begins a login of somebody who has proven to be a user; what it gives, and its id.
    pub(super) async fn begin_login(&self, begun: Begun<'_>) -> Result<(LoginAnswer, SessionId), ServiceError> {
        let Begun { user, key, address, forgiven, entry } = begun;
        let now_ms = self.context.clock.now_ms();
        let life_ms = u64::from(self.context.settings()?.session_hours) * 3_600_000;
        let secret = crypto::hex(&crypto::random_bytes::<32>());
        let refresh_hash = crypto::sha256_hex(secret.as_bytes());
        let id = SessionId::from_parts(now_ms, crypto::random_u32());
        let address = address.to_owned();
        let (session, role) = self
            .context
            .store
            .write(move |change| {
                // The account, or the key, may have gone since it was looked for.
                let mut record = change.get::<UserRecord>(user.to_u64())?.ok_or_else(wrong_login)?;
                record.user.last_login_at = Some(now_ms);
                change.put(&record)?;
                let mut user_agent = String::new();
                if let Some(id) = key {
                    let mut key = change.get::<SshKey>(id.to_u64())?.ok_or_else(wrong_login)?;
                    key.last_used_at = Some(now_ms);
                    user_agent = format!("ssh, key {}", key.name);
                    change.put(&key)?;
                }
                forgiven.iter().for_each(|failures| change.remove::<LoginFailures>(failures.key()));
                for old in change.list::<SessionRecord>()? {
                    if old.session.expires_at <= now_ms {
                        change.remove::<SessionRecord>(old.session.id.to_u64());
                    }
                }
                let session = Session {
                    id,
                    user,
                    user_name: record.user.name.clone(),
                    ip_address: address,
                    user_agent,
                    created_at: now_ms,
                    expires_at: now_ms + life_ms,
                    last_activity_at: now_ms,
                };
                change.put(&SessionRecord { session: session.clone(), refresh_hash, key })?;
                let entry = entry.about("session", &id.to_string());
                change.audit(NewAuditEntry { actor: format!("user:{}", session.user_name), ..entry });
                Ok::<_, ServiceError>((session, record.user.role))
            })
            .await?;
        self.auth.reload(&self.context.store)?;
        Ok((self.auth.answer(&session, role, &refresh_text(id, &secret))?, id))
    }

    /// Gives a new pair of tokens for a refresh token; an old one ends the login it belongs to.
    ///
    /// # Errors
    /// `unauthenticated`.
    pub async fn refresh(&self, refresh: Refresh, address: &str) -> Result<LoginAnswer, ServiceError> {
        let (id, presented) = refresh.refresh_token.reveal().split_once('.').ok_or_else(signed_out)?;
        let id: SessionId = id.parse().map_err(|_| signed_out())?;
        let presented = crypto::sha256_hex(presented.as_bytes());
        let secret = crypto::hex(&crypto::random_bytes::<32>());
        let fresh_hash = crypto::sha256_hex(secret.as_bytes());
        let now_ms = self.context.clock.now_ms();
        let life_ms = u64::from(self.context.settings()?.session_hours) * 3_600_000;
        let reused = self.anonymous("auth.refresh", AuditOutcome::Denied, address).about("session", &id.to_string());
        let outcome = self
            .context
            .store
            .write(move |change| {
                let Some(mut record) = change.get::<SessionRecord>(id.to_u64())? else { return Ok(None) };
                let fits = bool::from(record.refresh_hash.as_bytes().ct_eq(presented.as_bytes()));
                if !fits || record.session.expires_at <= now_ms {
                    change.remove::<SessionRecord>(id.to_u64());
                    let why = if fits {
                        "the login has expired"
                    } else {
                        "a refresh token came a second time: the login is ended"
                    };
                    change.audit(
                        NewAuditEntry { actor: format!("user:{}", record.session.user_name), ..reused }.with(why),
                    );
                    return Ok(None);
                }
                record.refresh_hash = fresh_hash;
                record.session.expires_at = now_ms + life_ms;
                record.session.last_activity_at = now_ms;
                change.put(&record)?;
                let user = change.get::<UserRecord>(record.session.user.to_u64())?;
                Ok::<_, ServiceError>(user.map(|user| (record.session, user.user.role)))
            })
            .await?;
        self.auth.reload(&self.context.store)?;
        let (session, role) = outcome.ok_or_else(signed_out)?;
        self.auth.answer(&session, role, &refresh_text(id, &secret))
    }

    /// Who a bearer (JWT or API token) is. Cheap: no argon2, no write on the way.
    ///
    /// # Errors
    /// `unauthenticated`; never says which part was wrong.
    pub fn authenticate(&self, bearer: &str, address: &str) -> Result<Caller, ServiceError> {
        let now_ms = self.context.clock.now_ms();
        match bearer.strip_prefix(TOKEN_PREFIX) {
            Some(token) => self.authenticate_token(token, address, now_ms),
            None => self.authenticate_session(bearer, address, now_ms),
        }
    }

    fn authenticate_session(&self, bearer: &str, address: &str, now_ms: u64) -> Result<Caller, ServiceError> {
        let claims = self.auth.keys.verify(bearer, now_ms).ok_or_else(signed_out)?;
        let mut known = self.auth.known();
        let session = known.sessions.get_mut(&claims.sid).ok_or_else(signed_out)?;
        if session.user != claims.sub || session.expires_at <= now_ms {
            return Err(signed_out());
        }
        let stale = now_ms.saturating_sub(session.seen_at) > ACTIVITY_EVERY_MS;
        if stale {
            session.seen_at = now_ms;
        }
        let session = session.clone();
        drop(known);
        if stale {
            self.note_session_use(claims.sid, now_ms);
        }
        let principal =
            Principal::Session { session: claims.sid, user: session.user, name: session.name, role: session.role };
        Ok(Caller {
            principal,
            scopes: session.role.scopes(),
            selectors: Selectors::default(),
            ip_address: address.to_owned(),
            ended: session.ended,
        })
    }

    fn authenticate_token(&self, token: &str, address: &str, now_ms: u64) -> Result<Caller, ServiceError> {
        let (id, secret) = token.split_once('_').ok_or_else(signed_out)?;
        let id: TokenId = format!("{}-{id}", TokenId::PREFIX).parse().map_err(|_| signed_out())?;
        let presented = crypto::sha256_hex(secret.as_bytes());
        let mut known = self.auth.known();
        let token = known.tokens.get_mut(&id).ok_or_else(signed_out)?;
        let fits = bool::from(token.record.secret_hash.as_bytes().ct_eq(presented.as_bytes()));
        if !fits || token.record.token.expires_at <= now_ms {
            return Err(signed_out());
        }
        let stale = now_ms.saturating_sub(token.seen_at) > ACTIVITY_EVERY_MS;
        if stale {
            token.seen_at = now_ms;
        }
        let token = token.clone();
        drop(known);
        if stale {
            self.note_token_use(id, now_ms);
        }
        let facts = token.record.token;
        Ok(Caller {
            principal: Principal::Token {
                token: id,
                name: facts.name,
                owner: facts.owner,
                owner_name: facts.owner_name,
            },
            scopes: token.scopes,
            selectors: facts.selectors,
            ip_address: address.to_owned(),
            ended: token.ended,
        })
    }

    fn note_session_use(&self, id: SessionId, now_ms: u64) {
        let store = self.context.store.clone();
        self.context.tasks.spawn(async move {
            let noted = store.write(move |change| {
                if let Some(mut record) = change.get::<SessionRecord>(id.to_u64())? {
                    record.session.last_activity_at = now_ms;
                    change.put(&record)?;
                }
                Ok::<_, StoreError>(())
            });
            if let Err(error) = noted.await {
                tracing::warn!(%error, "the use of a login could not be noted");
            }
        });
    }

    fn note_token_use(&self, id: TokenId, now_ms: u64) {
        let store = self.context.store.clone();
        self.context.tasks.spawn(async move {
            let noted = store.write(move |change| {
                if let Some(mut record) = change.get::<TokenRecord>(id.to_u64())? {
                    record.token.last_used_at = Some(now_ms);
                    change.put(&record)?;
                }
                Ok::<_, StoreError>(())
            });
            if let Err(error) = noted.await {
                tracing::warn!(%error, "the use of a token could not be noted");
            }
        });
    }

    /// An admin on the local socket (the listener has checked the peer's credentials).
    #[must_use]
    pub fn socket_caller(&self, uid: u32, name: String) -> Caller {
        Caller {
            principal: Principal::Socket { uid, name },
            scopes: Scope::ALL.into(),
            selectors: Selectors::default(),
            ip_address: String::new(),
            ended: CancellationToken::new(),
        }
    }

    pub(super) fn anonymous(&self, action: &str, outcome: AuditOutcome, address: &str) -> NewAuditEntry {
        NewAuditEntry {
            at_ms: self.context.clock.now_ms(),
            actor: "anonymous".to_owned(),
            action: action.to_owned(),
            resource_type: String::new(),
            resource: String::new(),
            outcome,
            reason: None,
            details: String::new(),
            ip_address: address.to_owned(),
        }
    }
}

impl HandlePerson<Logout> for Services {
    async fn handle_person(
        &self,
        caller: &Caller,
        _request: Logout,
    ) -> Result<tomo_proto::api::person::Done, ServiceError> {
        if let Principal::Session { session, .. } = caller.principal {
            let entry =
                self.context.entry(caller, "auth.logout", AuditOutcome::Ok).about("session", &session.to_string());
            self.context
                .store
                .write(move |change| {
                    change.remove::<SessionRecord>(session.to_u64());
                    change.audit(entry);
                    Ok::<_, ServiceError>(())
                })
                .await?;
            self.auth.reload(&self.context.store)?;
        }
        Ok(tomo_proto::api::person::Done {})
    }
}
