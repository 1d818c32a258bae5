//! Credentials that are kept: sealed, in a table of their own, bound to their server and part.

use tomo_proto::{
    api::person::SecretText,
    error::ErrorCode,
    model::{server::Server, ssh::SshProbe},
};
use zeroize::Zeroizing;

use crate::{
    services::{Context, error::ServiceError},
    ssh::Secret,
    store::{
        Record as _,
        records::{CredentialRecord, ProbeRecord},
    },
    vault::DataKey,
};

/// A credential as it is kept; an SSH agent's keys stay with it.
pub(super) fn seal(vault: &DataKey, server: u64, secret: &Secret) -> Option<CredentialRecord> {
    let seal = |field: &'static str, text: &SecretText| {
        Some(vault.seal(CredentialRecord::TABLE, server, field, text.reveal().as_bytes()))
    };
    let mut record = CredentialRecord { server, password: None, private_key: None, passphrase: None };
    match secret {
        Secret::Agent { .. } => return None,
        Secret::Password(password) => record.password = seal(CredentialRecord::PASSWORD, password),
        Secret::Key { private_key, passphrase } => {
            record.private_key = seal(CredentialRecord::PRIVATE_KEY, private_key);
            record.passphrase = passphrase.as_ref().and_then(|text| seal(CredentialRecord::PASSPHRASE, text));
        }
    }
    Some(record)
}

impl Context {
    /// The credential that is kept for a server.
    pub(super) async fn kept_secret(&self, server: &Server) -> Result<Secret, ServiceError> {
        let key = server.id.to_u64();
        let none = || {
            ServiceError::new(ErrorCode::Invalid, format!("no credential is kept for server \"{}\"", server.name))
                .with_field("credential")
                .with_next(format!("a person enters it: tomo server connect {}", server.name))
        };
        let record = self.store.read(|view| view.get::<CredentialRecord>(key))?.ok_or_else(none)?;
        let vault = self.open_vault().await?;
        let open = |field: &'static str, sealed: &Option<Vec<u8>>| {
            let Some(sealed) = sealed else { return Ok(None) };
            let opened = vault.open(CredentialRecord::TABLE, key, field, sealed);
            let opened = opened.map_err(|error| ServiceError::new(ErrorCode::Internal, error.to_string()))?;
            let text = Zeroizing::new(String::from_utf8_lossy(&opened).into_owned());
            Ok::<_, ServiceError>(Some(SecretText::new(text.as_str())))
        };
        if let Some(password) = open(CredentialRecord::PASSWORD, &record.password)? {
            return Ok(Secret::Password(password));
        }
        let private_key = open(CredentialRecord::PRIVATE_KEY, &record.private_key)?.ok_or_else(none)?;
        Ok(Secret::Key { private_key, passphrase: open(CredentialRecord::PASSPHRASE, &record.passphrase)? })
    }

    /// What the last look around on a server found.
    pub(in crate::services) fn last_probe(&self, server: &Server) -> Result<Option<SshProbe>, ServiceError> {
        Ok(self.store.read(|view| view.get::<ProbeRecord>(server.id.to_u64()))?.map(|record| record.probe))
    }
}
