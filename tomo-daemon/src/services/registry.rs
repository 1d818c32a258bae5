//! Registries of private images: who signs in there. Passwords go in, sealed, and come out only towards an agent that pulls from there.

use tomo_proto::{
    api::{
        person::{DeleteRegistry, Done, SecretText, SetRegistry},
        registry::{RegistryList, RegistryListAnswer},
    },
    error::ErrorCode,
    model::{
        audit::AuditOutcome,
        registry::{Registry, RegistryLogin, check_registry},
        user::Scope,
    },
};

use crate::{
    crypto,
    services::{
        About as _, Context, Handle, HandlePerson, Services,
        access::{Authorized, Caller},
        error::ServiceError,
        lookup::not_found,
    },
    store::{Record as _, records::RegistryRecord},
};

/// Longest name of a user, in bytes.
const USER_BYTES: usize = 256;
/// Largest password: some are whole keys.
const PASSWORD_BYTES: usize = 16 * 1024;

fn require_plan(caller: &Caller) -> Result<(), ServiceError> {
    if caller.scopes.contains(&Scope::Plan) {
        return Ok(());
    }
    Err(ServiceError::new(ErrorCode::Denied, "credentials of registries need the scope plan")
        .with_next("ask an operator or admin"))
}

fn check(request: &SetRegistry) -> Result<(), ServiceError> {
    let invalid = |field: &str, message: String| Err(ServiceError::new(ErrorCode::Invalid, message).with_field(field));
    if let Err(message) = check_registry(&request.registry) {
        return invalid("registry", message);
    }
    let user = &request.user;
    if user.is_empty() || user.len() > USER_BYTES || user.contains(|one: char| one == ':' || one.is_control()) {
        return invalid("user", format!("a user has 1 to {USER_BYTES} bytes, none of them a colon or unprintable"));
    }
    let length = request.password.reveal().len();
    if length == 0 || length > PASSWORD_BYTES {
        return invalid("password", format!("a password has 1 to {PASSWORD_BYTES} bytes, this one has {length}"));
    }
    Ok(())
}

impl HandlePerson<SetRegistry> for Services {
    async fn handle_person(&self, caller: &Caller, request: SetRegistry) -> Result<Done, ServiceError> {
        require_plan(caller)?;
        check(&request)?;
        let entry = self.context.entry(caller, "registry.set", AuditOutcome::Ok).about("registry", &request.registry);
        let set_at = self.context.clock.now_ms();
        let vault = self.context.open_vault().await?;
        self.context
            .store
            .write(move |change| {
                let mut known = change.list::<RegistryRecord>()?.into_iter();
                let known = known.find(|record| record.registry.registry == request.registry);
                let key = known.map_or_else(|| u64::from_le_bytes(crypto::random_bytes()), |record| record.key);
                let sealed = vault.seal(RegistryRecord::TABLE, key, "password", request.password.reveal().as_bytes());
                let registry = Registry { registry: request.registry, user: request.user, set_at };
                change.put(&RegistryRecord { key, registry, sealed })?;
                change.audit(entry);
                Ok::<_, ServiceError>(Done {})
            })
            .await
    }
}

impl HandlePerson<DeleteRegistry> for Services {
    async fn handle_person(&self, caller: &Caller, request: DeleteRegistry) -> Result<Done, ServiceError> {
        require_plan(caller)?;
        let entry =
            self.context.entry(caller, "registry.delete", AuditOutcome::Ok).about("registry", &request.registry);
        self.context
            .store
            .write(move |change| {
                let known = change.list::<RegistryRecord>()?;
                let names = || known.iter().map(|record| record.registry.registry.as_str());
                let found = known.iter().find(|record| record.registry.registry == request.registry);
                let found =
                    found.ok_or_else(|| not_found("registry", &request.registry, names(), "tomo registry list"))?;
                change.remove::<RegistryRecord>(found.key);
                change.audit(entry);
                Ok(Done {})
            })
            .await
    }
}

impl Handle<RegistryList> for Services {
    async fn handle(
        &self,
        _caller: Authorized<'_, RegistryList>,
        _request: RegistryList,
    ) -> Result<RegistryListAnswer, ServiceError> {
        let records = self.context.store.read(|view| view.list::<RegistryRecord>())?;
        let mut registries: Vec<Registry> = records.into_iter().map(|record| record.registry).collect();
        registries.sort_by(|one, other| one.registry.cmp(&other.registry));
        Ok(RegistryListAnswer { registries })
    }
}

impl Context {
    /// What signs in at the registries of some images, for the agent that pulls them; nothing of any other registry.
    ///
    /// # Errors
    /// `sealed`, if one of them has a credential and the vault is.
    pub(super) async fn logins_for(&self, images: &[&str]) -> Result<Vec<RegistryLogin>, ServiceError> {
        let mut logins = Vec::new();
        if images.is_empty() {
            return Ok(logins);
        }
        for RegistryRecord { key, registry: Registry { registry, user, .. }, sealed } in
            self.store.read(|view| view.list::<RegistryRecord>())?
        {
            let mut login = RegistryLogin { registry, user, password: SecretText::default() };
            if !images.iter().any(|image| login.is_for(image)) {
                continue;
            }
            let opened = self.open_vault().await?.open(RegistryRecord::TABLE, key, "password", &sealed);
            let opened = opened.map_err(|error| ServiceError::new(ErrorCode::Internal, error.to_string()))?;
            login.password = SecretText::new(String::from_utf8_lossy(&opened).into_owned());
            logins.push(login);
        }
        Ok(logins)
    }
}
