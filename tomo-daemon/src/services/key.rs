//! Public keys that people sign in with over SSH: added and removed by people, never by a tool; and the logins that they begin.

use tokio_util::sync::CancellationToken;
use tomo_proto::{
    api::{
        auth::{AuthKeyList, AuthKeyListAnswer},
        check_name,
        person::{AddKey, LoginAnswer, RemoveKey},
    },
    error::ErrorCode,
    id::{KeyId, SessionId},
    model::{
        audit::AuditOutcome,
        user::{SshDoor, SshKey},
    },
};

use crate::{
    crypto,
    services::{
        About as _, Handle, HandlePerson, Services,
        access::{Authorized, Caller},
        auth::Begun,
        error::ServiceError,
        lookup::not_found,
        user::{find_user, invalid},
    },
    ssh::{self, PublicKey},
    store::records::{SessionRecord, UserRecord},
};

/// Keys of one person: more are forgotten, not used.
const MOST_KEYS: usize = 20;
/// What a key is called that has no fit comment.
const UNNAMED: &str = "key";

/// A login that a key has begun.
#[derive(Debug)]
pub struct KeyLogin {
    /// The login.
    pub session: SessionId,
    /// Its tokens.
    pub tokens: LoginAnswer,
    /// Rings when it has ended, whoever ended it.
    pub ended: CancellationToken,
}

impl Services {
    /// The key with this fingerprint, if it is this person's. Says nothing of who there is.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn key_of(&self, username: &str, fingerprint: &str) -> Result<Option<KeyId>, ServiceError> {
        let keys = self.context.store.read(|view| view.list::<SshKey>())?;
        let fits = |key: &&SshKey| key.user_name == username && key.fingerprint == fingerprint;
        Ok(keys.iter().find(fits).map(|key| key.id))
    }

    /// Begins a login for whoever has proven to hold a key.
    ///
    /// # Errors
    /// The key, or its owner's account, has gone.
    pub async fn login_with_key(&self, key: KeyId, address: &str) -> Result<KeyLogin, ServiceError> {
        let known = self.context.store.read(|view| view.get::<SshKey>(key.to_u64()))?;
        let known = known.ok_or_else(|| ServiceError::new(ErrorCode::NotFound, "this key is not known any more"))?;
        let entry = self.anonymous("auth.login", AuditOutcome::Ok, address);
        let entry = entry.with(format!("over SSH, with the key {} ({})", known.name, known.fingerprint));
        let begun = Begun { user: known.user, key: Some(key), address, forgiven: Vec::new(), entry };
        let (tokens, session) = self.begin_login(begun).await?;
        Ok(KeyLogin { session, tokens, ended: self.auth.ended(session) })
    }

    /// Ends a login that a key has begun, once nothing is shown to it any more.
    pub async fn end_key_login(&self, login: &KeyLogin, address: &str, how: &str) {
        let id = login.session;
        let entry = self.anonymous("auth.logout", AuditOutcome::Ok, address).about("session", &id.to_string());
        let entry = crate::store::NewAuditEntry { actor: format!("user:{}", login.tokens.username), ..entry }.with(how);
        let written = self.context.store.write(move |change| {
            change.remove::<SessionRecord>(id.to_u64());
            change.audit(entry);
            Ok::<_, ServiceError>(())
        });
        let ended = match written.await {
            Ok(()) => self.auth.reload(&self.context.store).map_err(ServiceError::from),
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            tracing::error!(%error, "a login over SSH could not be ended");
        }
    }

    /// Says where the dashboard is shown over SSH.
    pub fn door_is_open(&self, door: SshDoor) {
        // It opens once.
        drop(self.context.door.set(door));
    }
}

impl Handle<AuthKeyList> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, AuthKeyList>,
        _request: AuthKeyList,
    ) -> Result<AuthKeyListAnswer, ServiceError> {
        let keys = self.context.store.read(|view| view.list::<SshKey>())?;
        let seen = |key: &SshKey| caller.is_admin() || Some(key.user) == caller.user();
        Ok(AuthKeyListAnswer {
            keys: keys.into_iter().rev().filter(seen).collect(),
            door: self.context.door.get().cloned(),
        })
    }
}

impl HandlePerson<AddKey> for Services {
    async fn handle_person(&self, caller: &Caller, request: AddKey) -> Result<SshKey, ServiceError> {
        let PublicKey { algorithm, fingerprint, comment } =
            ssh::public_key(&request.key).map_err(|error| invalid("key", error))?;
        let name = match request.name {
            Some(name) => check_name(&name).map(|()| name).map_err(|error| invalid("name", error))?,
            None => {
                Some(comment.replace('@', "-")).filter(|name| check_name(name).is_ok()).unwrap_or(UNNAMED.to_owned())
            }
        };
        if request.username.is_some() {
            caller.require_admin("giving somebody else a key")?;
        }
        let own = caller.user();
        let now_ms = self.context.clock.now_ms();
        let entry = self.context.entry(caller, "key.add", AuditOutcome::Ok).about("key", &fingerprint);
        self.context
            .store
            .write(move |change| {
                let owner = match (&request.username, own) {
                    (Some(name), _) => Some(find_user(change, name)?),
                    (None, Some(own)) => change.get::<UserRecord>(own.to_u64())?,
                    (None, None) => None,
                };
                let owner = owner.map(|record| record.user).ok_or_else(|| {
                    invalid("username", "say whose key it is").with_next("tomo key add FILE --user NAME")
                })?;
                let known = change.list::<SshKey>()?;
                if let Some(key) = known.iter().find(|key| key.fingerprint == fingerprint) {
                    let whose = if key.user == owner.id { "there" } else { "somebody's" };
                    let message = format!("the key {fingerprint} is {whose} already");
                    return Err(ServiceError::new(ErrorCode::Conflict, message).with_field("key"));
                }
                let own: Vec<&SshKey> = known.iter().filter(|key| key.user == owner.id).collect();
                if own.len() >= MOST_KEYS {
                    let message = format!("{} has {MOST_KEYS} keys, and nobody has more", owner.name);
                    return Err(ServiceError::new(ErrorCode::Conflict, message).with_next("remove one first"));
                }
                let is_free = |name: &String| own.iter().all(|key| key.name != *name);
                let names = (1_u32..).map(|count| if count == 1 { name.clone() } else { format!("{name}-{count}") });
                let key = SshKey {
                    id: KeyId::from_parts(now_ms, crypto::random_u32()),
                    user: owner.id,
                    user_name: owner.name,
                    name: names.into_iter().find(is_free).unwrap_or_else(|| name.clone()),
                    algorithm,
                    fingerprint,
                    created_at: now_ms,
                    last_used_at: None,
                };
                change.put(&key)?;
                change.audit(entry.with(format!("{} of {}", key.name, key.user_name)));
                Ok(key)
            })
            .await
    }
}

impl HandlePerson<RemoveKey> for Services {
    async fn handle_person(&self, caller: &Caller, request: RemoveKey) -> Result<SshKey, ServiceError> {
        let (admin, own) = (caller.is_admin(), caller.user());
        let entry = self.context.entry(caller, "key.remove", AuditOutcome::Ok);
        let removed = self
            .context
            .store
            .write(move |change| {
                let mut keys = change.list::<SshKey>()?;
                keys.retain(|key| admin || Some(key.user) == own);
                let id = request.key.parse::<KeyId>().ok();
                let is_meant = |key: &&SshKey| Some(key.id) == id || key.fingerprint == request.key;
                // Several people may call a key the same.
                let is_called = |key: &&SshKey| key.name == request.key && (own.is_none() || Some(key.user) == own);
                let found = keys.iter().find(is_meant).or_else(|| {
                    let called: Vec<&SshKey> = keys.iter().filter(is_called).collect();
                    if let [only] = called[..] { Some(only) } else { None }
                });
                let found = found.cloned().ok_or_else(|| {
                    not_found("key", &request.key, keys.iter().map(|key| key.name.as_str()), "auth_key_list {}")
                })?;
                change.remove::<SshKey>(found.id.to_u64());
                for session in change.list::<SessionRecord>()? {
                    if session.key == Some(found.id) {
                        change.remove::<SessionRecord>(session.session.id.to_u64());
                    }
                }
                change.audit(
                    entry.about("key", &found.fingerprint).with(format!("{} of {}", found.name, found.user_name)),
                );
                Ok::<_, ServiceError>(found)
            })
            .await?;
        self.auth.reload(&self.context.store)?;
        Ok(removed)
    }
}
