//! Secrets that app environments name as `secret://NAME`. Values go in, sealed, and come out only towards an agent.

use std::collections::BTreeMap;

use tomo_proto::{
    api::{
        check_name,
        person::{DeleteSecret, Done, ListSecrets, SecretNames, SecretText, SetSecret},
    },
    error::ErrorCode,
    model::{
        app::{App, AppSpec},
        audit::AuditOutcome,
        spec::SECRET_REFERENCE,
        user::Scope,
    },
};

use crate::{
    crypto,
    services::{About as _, Context, HandlePerson, Services, access::Caller, error::ServiceError, lookup::not_found},
    store::{Record as _, records::SecretRecord},
};

/// Largest value.
const VALUE_BYTES: usize = 16 * 1024;

fn require_plan(caller: &Caller) -> Result<(), ServiceError> {
    if caller.scopes.contains(&Scope::Plan) {
        return Ok(());
    }
    Err(ServiceError::new(ErrorCode::Denied, "secrets need the scope plan").with_next("ask an operator or admin"))
}

/// Names of the secrets that an app's environment refers to.
pub(super) fn references(spec: &AppSpec) -> impl Iterator<Item = (&str, &str)> {
    spec.env.iter().filter_map(|(key, value)| Some((key.as_str(), value.strip_prefix(SECRET_REFERENCE)?)))
}

impl HandlePerson<SetSecret> for Services {
    async fn handle_person(&self, caller: &Caller, request: SetSecret) -> Result<Done, ServiceError> {
        require_plan(caller)?;
        check_name(&request.name).map_err(|error| ServiceError::new(ErrorCode::Invalid, error).with_field("name"))?;
        let length = request.value.reveal().len();
        if length == 0 || length > VALUE_BYTES {
            let message = format!("a secret has 1 to {VALUE_BYTES} bytes, this one has {length}");
            return Err(ServiceError::new(ErrorCode::Invalid, message).with_field("value"));
        }
        let entry = self.context.entry(caller, "secret.set", AuditOutcome::Ok).about("secret", &request.name);
        let now_ms = self.context.clock.now_ms();
        let vault = self.context.open_vault().await?;
        self.context
            .store
            .write(move |change| {
                let known = change.list::<SecretRecord>()?.into_iter().find(|record| record.name == request.name);
                let key = known.map_or_else(|| u64::from_le_bytes(crypto::random_bytes()), |record| record.key);
                let sealed = vault.seal(SecretRecord::TABLE, key, "value", request.value.reveal().as_bytes());
                change.put(&SecretRecord { key, name: request.name, sealed, set_at: now_ms })?;
                change.audit(entry);
                Ok::<_, ServiceError>(Done {})
            })
            .await
    }
}

impl HandlePerson<ListSecrets> for Services {
    async fn handle_person(&self, caller: &Caller, _request: ListSecrets) -> Result<SecretNames, ServiceError> {
        require_plan(caller)?;
        let records = self.context.store.read(|view| view.list::<SecretRecord>())?;
        let mut names: Vec<String> = records.into_iter().map(|record| record.name).collect();
        names.sort();
        Ok(SecretNames { names })
    }
}

impl HandlePerson<DeleteSecret> for Services {
    async fn handle_person(&self, caller: &Caller, request: DeleteSecret) -> Result<Done, ServiceError> {
        require_plan(caller)?;
        let entry = self.context.entry(caller, "secret.delete", AuditOutcome::Ok).about("secret", &request.name);
        self.context
            .store
            .write(move |change| {
                let secrets = change.list::<SecretRecord>()?;
                let found = secrets.iter().find(|record| record.name == request.name).ok_or_else(|| {
                    not_found(
                        "secret",
                        &request.name,
                        secrets.iter().map(|record| record.name.as_str()),
                        "tomo secret list",
                    )
                })?;
                let named_by = |app: &App| references(&app.spec).any(|(_, name)| name == request.name);
                if let Some(app) = change.list::<App>()?.into_iter().find(named_by) {
                    let message = format!("secret \"{}\" is in use by app \"{}\"", request.name, app.name);
                    return Err(
                        ServiceError::new(ErrorCode::Conflict, message).with_next("deploy that app without it first")
                    );
                }
                change.remove::<SecretRecord>(found.key);
                change.audit(entry);
                Ok(Done {})
            })
            .await
    }
}

impl Context {
    /// Opens the secrets that a spec refers to, for the agent.
    pub(super) async fn open_secrets(&self, spec: &AppSpec) -> Result<BTreeMap<String, SecretText>, ServiceError> {
        if references(spec).next().is_none() {
            return Ok(BTreeMap::new());
        }
        let vault = self.open_vault().await?;
        let secrets = self.store.read(|view| view.list::<SecretRecord>())?;
        let mut opened = BTreeMap::new();
        for (key, name) in references(spec) {
            let record = secrets.iter().find(|record| record.name == name).ok_or_else(|| missing(key, name))?;
            let value = vault.open(SecretRecord::TABLE, record.key, "value", &record.sealed);
            let value = value.map_err(|error| ServiceError::new(ErrorCode::Internal, error.to_string()))?;
            opened.insert(name.to_owned(), SecretText::new(String::from_utf8_lossy(&value).into_owned()));
        }
        Ok(opened)
    }
}

/// A variable names a secret that is not there.
pub(super) fn missing(key: &str, name: &str) -> ServiceError {
    let name = tomo_proto::text::display_line(name, 60);
    ServiceError::new(ErrorCode::NotFound, format!("variable {key} names the secret \"{name}\", which is not there"))
        .with_field(format!("env.{key}"))
        .with_next(format!("a person enters it: tomo secret set {name}"))
}
