//! Secrets that app environments name as `secret://NAME`. Values go in, sealed, and come out only towards an agent.

use std::collections::BTreeMap;

use base64::Engine as _;
use tomo_proto::{
    api::{
        check_name,
        person::{
            DeleteSecret, Done, GenerateSecret, GeneratedSecret, ListSecrets, SecretNames, SecretText, SetSecret,
        },
    },
    error::ErrorCode,
    model::{
        app::{App, AppSpec},
        audit::AuditOutcome,
        catalog::Generate,
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

/// Names of the secrets that an app's environments and files refer to, with the field that does.
pub(super) fn references(spec: &AppSpec) -> impl Iterator<Item = (String, &str)> {
    spec.in_order().into_iter().flat_map(|service| {
        let env = service.spec.env.iter().map(|(key, value)| ("env", key, value));
        let files = service.spec.files.iter().map(|(path, value)| ("files", path, value));
        env.chain(files)
            .filter_map(|(kind, key, value)| Some((format!("{kind}.{key}"), value.strip_prefix(SECRET_REFERENCE)?)))
    })
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

impl HandlePerson<GenerateSecret> for Services {
    async fn handle_person(&self, caller: &Caller, request: GenerateSecret) -> Result<GeneratedSecret, ServiceError> {
        require_plan(caller)?;
        check_name(&request.name).map_err(|error| ServiceError::new(ErrorCode::Invalid, error).with_field("name"))?;
        let value = generate(request.generate);
        let name = self.context.put_secret(caller, request.name, value.clone()).await?;
        Ok(GeneratedSecret { name, value })
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
    /// Seals a new secret under the wanted name, with a number behind it if that is taken. Returns the name.
    pub(super) async fn put_secret(
        &self,
        caller: &Caller,
        wanted: String,
        value: SecretText,
    ) -> Result<String, ServiceError> {
        let (now_ms, vault) = (self.clock.now_ms(), self.open_vault().await?);
        let entry = self.entry(caller, "secret.set", AuditOutcome::Ok);
        self.store
            .write(move |change| {
                let known = change.list::<SecretRecord>()?;
                let numbers = (2..1_000_u32).map(|number| format!("{wanted}-{number}"));
                let numbered = std::iter::once(wanted.clone()).chain(numbers);
                let mut free = numbered.filter(|name| !known.iter().any(|record| record.name == *name));
                let name =
                    free.next().ok_or_else(|| ServiceError::new(ErrorCode::Conflict, "every such name is taken"))?;
                check_name(&name).map_err(|error| {
                    ServiceError::new(ErrorCode::Invalid, format!("\"{name}\" cannot be a secret's name: {error}"))
                        .with_field("name")
                        .with_next("choose a shorter name for the app")
                })?;
                let key = u64::from_le_bytes(crypto::random_bytes());
                let sealed = vault.seal(SecretRecord::TABLE, key, "value", value.reveal().as_bytes());
                change.put(&SecretRecord { key, name: name.clone(), sealed, set_at: now_ms })?;
                change.audit(entry.about("secret", &name));
                Ok::<_, ServiceError>(name)
            })
            .await
    }

    /// Opens the secrets that a spec refers to, for the agent.
    pub(super) async fn open_secrets(&self, spec: &AppSpec) -> Result<BTreeMap<String, SecretText>, ServiceError> {
        if references(spec).next().is_none() {
            return Ok(BTreeMap::new());
        }
        let vault = self.open_vault().await?;
        let secrets = self.store.read(|view| view.list::<SecretRecord>())?;
        let mut opened = BTreeMap::new();
        for (field, name) in references(spec) {
            let record = secrets.iter().find(|record| record.name == name).ok_or_else(|| missing(field, name))?;
            let value = vault.open(SecretRecord::TABLE, record.key, "value", &record.sealed);
            let value = value.map_err(|error| ServiceError::new(ErrorCode::Internal, error.to_string()))?;
            opened.insert(name.to_owned(), SecretText::new(String::from_utf8_lossy(&value).into_owned()));
        }
        Ok(opened)
    }
}

/// Characters of generated passwords: none that look alike.
const ALPHABET: &[u8; 56] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ3456789";

/// Makes a secret.
pub(super) fn generate(way: Generate) -> SecretText {
    let bytes = |count: u16| -> Vec<u8> { (0..count).map(|_| crypto::random_bytes::<1>()[0]).collect() };
    SecretText::new(match way {
        Generate::Password(count) => {
            let fair = std::iter::repeat_with(|| crypto::random_bytes::<1>()[0]).filter(|byte| *byte < 224);
            fair.take(count.into()).map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
        }
        Generate::Hex(count) => crypto::hex(&bytes(count)),
        Generate::Base64(count) => base64::engine::general_purpose::STANDARD.encode(bytes(count)),
        Generate::Uuid => {
            let mut bytes = crypto::random_bytes::<16>();
            bytes[6] = (bytes[6] & 0x0f) | 0x40;
            bytes[8] = (bytes[8] & 0x3f) | 0x80;
            let hex = crypto::hex(&bytes);
            [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
        }
    })
}

/// A variable or a file names a secret that is not there.
pub(super) fn missing(field: String, name: &str) -> ServiceError {
    let name = tomo_proto::text::display_line(name, 60);
    ServiceError::new(ErrorCode::NotFound, format!("{field} names the secret \"{name}\", which is not there"))
        .with_field(field)
        .with_next(format!("a person enters it: tomo secret set {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_secrets_have_their_form_and_differ() {
        let made = |way: Generate| generate(way).reveal().to_owned();
        let password = made(Generate::Password(24));
        assert!(password.len() == 24 && password.bytes().all(|byte| ALPHABET.contains(&byte)), "{password}");
        assert_eq!((made(Generate::Hex(16)).len(), made(Generate::Base64(32)).len()), (32, 44));
        let uuid = made(Generate::Uuid);
        assert!(uuid.len() == 36 && uuid.as_bytes()[14] == b'4', "{uuid}");
        assert_ne!(password, made(Generate::Password(24)));
    }
}
