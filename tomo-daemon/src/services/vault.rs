//! The vault: setting, giving and changing the master password, and sealing everything anew.

use std::{ops::Deref, sync::Arc};

use tokio::{sync::OwnedRwLockReadGuard, task::spawn_blocking};
use tomo_proto::{
    api::person::{
        ChangeVaultPassword, GetVault, InitVault, LockVault, RotateVault, SecretText, UnlockVault, VaultState,
        VaultStatus,
    },
    error::ErrorCode,
    model::audit::AuditOutcome,
};

use crate::{
    services::{About as _, Context, HandlePerson, Services, access::Caller, error::ServiceError},
    store::{
        NewAuditEntry, Record, StoreError, WriteTx,
        records::{
            CredentialRecord, RegistryRecord, SealedRecord, SecretRecord, VAULT_KEY, VaultRecord, VolumeBackupRecord,
        },
    },
    vault::{DataKey, UnwrapError, WrappedKey, remove_key_file},
};

/// Shortest master password.
const PASSWORD_CHARS: usize = 12;

/// The data key of an open vault, kept as it is while this lives.
pub(super) struct OpenVault(OwnedRwLockReadGuard<Option<DataKey>, DataKey>);

impl Deref for OpenVault {
    type Target = DataKey;

    fn deref(&self) -> &DataKey {
        &self.0
    }
}

fn sealed() -> ServiceError {
    ServiceError::new(ErrorCode::Sealed, "the vault is sealed: secrets cannot be used").with_next("tomo vault unlock")
}

fn wrong(error: UnwrapError) -> ServiceError {
    let next = match error {
        UnwrapError::Password => {
            "try again; without it the secrets are lost: `tomo vault init --discard-secrets`, then enter them anew"
        }
        UnwrapError::Derivation => "restore the store from a backup",
    };
    ServiceError::new(ErrorCode::Denied, error.to_string()).with_field("password").with_next(next)
}

fn check_password(password: &SecretText) -> Result<(), ServiceError> {
    let message = if password.reveal().chars().any(char::is_control) {
        // Nobody could type it, and a file with it would end after its first line.
        "a master password is one line, without control characters".to_owned()
    } else if password.reveal().chars().count() < PASSWORD_CHARS {
        format!("a master password has at least {PASSWORD_CHARS} characters")
    } else {
        return Ok(());
    };
    Err(ServiceError::new(ErrorCode::Invalid, message).with_field("password"))
}

/// Seals every value of a kind of record under another key; how many there were.
fn seal_anew<R: SealedRecord>(tx: &mut WriteTx<'_>, old: &DataKey, new: &DataKey) -> Result<usize, ServiceError> {
    let mut count = 0;
    for mut record in tx.list::<R>()? {
        let key = record.key();
        for (field, value) in record.sealed() {
            let opened = old.open(R::TABLE, key, field, value);
            let opened = opened.map_err(|error| ServiceError::new(ErrorCode::Internal, error.to_string()))?;
            *value = new.seal(R::TABLE, key, field, &opened);
            count += 1;
        }
        tx.put(&record)?;
    }
    Ok(count)
}

/// Takes every record with sealed values out of the store; how many there were.
fn discard_all(tx: &mut WriteTx<'_>) -> Result<usize, ServiceError> {
    let (secrets, credentials) = (tx.list::<SecretRecord>()?, tx.list::<CredentialRecord>()?);
    secrets.iter().for_each(|record| tx.remove::<SecretRecord>(Record::key(record)));
    credentials.iter().for_each(|record| tx.remove::<CredentialRecord>(Record::key(record)));
    let registries = tx.list::<RegistryRecord>()?;
    registries.iter().for_each(|record| tx.remove::<RegistryRecord>(Record::key(record)));
    // Without their keys these do not open any more; their files can be removed by hand.
    let backups = tx.list::<VolumeBackupRecord>()?;
    backups.iter().for_each(|record| tx.remove::<VolumeBackupRecord>(Record::key(record)));
    Ok(secrets.len() + credentials.len() + registries.len())
}

/// Every kind of record with sealed values.
fn seal_all_anew(tx: &mut WriteTx<'_>, old: &DataKey, new: &DataKey) -> Result<usize, ServiceError> {
    seal_anew::<VolumeBackupRecord>(tx, old, new)?;
    let (secrets, credentials) =
        (seal_anew::<SecretRecord>(tx, old, new)?, seal_anew::<CredentialRecord>(tx, old, new)?);
    Ok(secrets + credentials + seal_anew::<RegistryRecord>(tx, old, new)?)
}

impl Context {
    /// The data key, for as long as the answer lives.
    ///
    /// # Errors
    /// `sealed`, with the command that unlocks.
    pub(super) async fn open_vault(&self) -> Result<OpenVault, ServiceError> {
        let key = OwnedRwLockReadGuard::try_map(self.vault.key().await, Option::as_ref);
        key.map(OpenVault).map_err(|_| sealed())
    }

    /// Whether a master password is set and was not given since the daemon started.
    pub(super) async fn is_sealed(&self) -> bool {
        self.vault.key().await.is_none()
    }

    async fn vault_status(&self) -> Result<VaultStatus, ServiceError> {
        let key = self.vault.key().await;
        let (record, secrets) = self.store.read(|view| {
            let mut secrets = 0;
            for mut record in view.list::<SecretRecord>()? {
                secrets += record.sealed().len();
            }
            for mut record in view.list::<CredentialRecord>()? {
                secrets += record.sealed().len();
            }
            for mut record in view.list::<RegistryRecord>()? {
                secrets += record.sealed().len();
            }
            Ok::<_, StoreError>((view.get::<VaultRecord>(VAULT_KEY)?, secrets))
        })?;
        Ok(VaultStatus {
            state: match (&record, key.as_ref()) {
                (None, _) => VaultState::KeyFile,
                (Some(_), None) => VaultState::Sealed,
                (Some(_), Some(_)) => VaultState::Unlocked,
            },
            epoch: record.as_ref().map_or(0, |record| record.wrapped.epoch),
            secrets: u32::try_from(secrets).unwrap_or(u32::MAX),
            changed_at: record.map(|record| record.changed_at),
        })
    }

    pub(super) fn vault_record(&self) -> Result<VaultRecord, ServiceError> {
        self.store.read(|view| view.get::<VaultRecord>(VAULT_KEY))?.ok_or_else(|| {
            ServiceError::new(ErrorCode::Conflict, "there is no master password yet").with_next("tomo vault init")
        })
    }

    /// Takes the data key out of its wrapping; a wrong password is audited.
    pub(super) async fn unwrap(
        &self,
        caller: &Caller,
        action: &str,
        wrapped: WrappedKey,
        password: SecretText,
    ) -> Result<DataKey, ServiceError> {
        let unwrapped = spawn_blocking(move || wrapped.unwrap(password.reveal().as_bytes())).await;
        match unwrapped
            .map_err(|error| ServiceError::new(ErrorCode::Internal, "the vault failed").with_source(error))?
        {
            Ok(key) => Ok(key),
            Err(error) => {
                let entry = self.entry(caller, action, AuditOutcome::Denied).about("vault", "").with(error.to_string());
                self.write_row(entry).await?;
                Err(wrong(error))
            }
        }
    }

    pub(super) async fn write_row(&self, entry: NewAuditEntry) -> Result<(), ServiceError> {
        self.store
            .write(move |tx| {
                tx.audit(entry);
                Ok(())
            })
            .await
    }

    /// Wraps a data key under a password and makes it the vault's, with everything sealed anew, or discarded, if it is another one.
    async fn take_over(
        &self,
        entry: NewAuditEntry,
        new: DataKey,
        password: SecretText,
        discard: bool,
    ) -> Result<(), ServiceError> {
        let failed =
            |error: anyhow::Error| ServiceError::new(ErrorCode::Internal, "the vault failed").with_source(error);
        let wrapping = new.clone();
        let wrapped = spawn_blocking(move || wrapping.wrap(password.reveal().as_bytes())).await;
        let wrapped = wrapped.map_err(|error| failed(error.into()))?.map_err(failed)?;
        let record = VaultRecord { wrapped, changed_at: self.clock.now_ms() };
        // Nobody seals or opens while the keys change places.
        let mut held = self.vault.change().await;
        let (old, key) = (held.clone(), new.clone());
        self.store
            .write(move |tx| {
                let done = match old {
                    _ if discard => format!("what {} records held was discarded", discard_all(tx)?),
                    Some(old) if old.epoch() != key.epoch() => {
                        format!("{} values sealed anew", seal_all_anew(tx, &old, &key)?)
                    }
                    _ => "0 values sealed anew".to_owned(),
                };
                tx.put(&record)?;
                tx.audit(entry.with(format!("data key {}, {done}", key.epoch())));
                Ok::<_, ServiceError>(())
            })
            .await?;
        *held = Some(new);
        remove_key_file(self.vault.key_file()).map_err(failed)
    }
}

impl HandlePerson<GetVault> for Services {
    async fn handle_person(&self, _caller: &Caller, _request: GetVault) -> Result<VaultStatus, ServiceError> {
        self.context.vault_status().await
    }
}

impl HandlePerson<InitVault> for Services {
    async fn handle_person(&self, caller: &Caller, request: InitVault) -> Result<VaultStatus, ServiceError> {
        caller.require_admin("the vault")?;
        check_password(&request.password)?;
        let context = Arc::clone(&self.context);
        let _alone = context.deriving.lock().await;
        let before = context.vault_record().ok();
        if before.is_some() && !request.discard {
            return Err(ServiceError::new(ErrorCode::Conflict, "there is a master password already").with_next(
                "tomo vault change-password; if nobody knows it any more: tomo vault init --discard-secrets",
            ));
        }
        let entry = context.entry(caller, "vault.init", AuditOutcome::Ok).about("vault", "");
        let discard = before.is_some();
        let key = DataKey::after(before.map_or(0, |record| record.wrapped.epoch));
        context.take_over(entry, key, request.password, discard).await?;
        context.vault_status().await
    }
}

impl HandlePerson<UnlockVault> for Services {
    async fn handle_person(&self, caller: &Caller, request: UnlockVault) -> Result<VaultStatus, ServiceError> {
        caller.require_admin("the vault")?;
        let context = &self.context;
        let _alone = context.deriving.lock().await;
        let record = context.vault_record()?;
        let key = context.unwrap(caller, "vault.unlock", record.wrapped, request.password).await?;
        context.write_row(context.entry(caller, "vault.unlock", AuditOutcome::Ok).about("vault", "")).await?;
        *context.vault.change().await = Some(key);
        context.vault_status().await
    }
}

impl HandlePerson<LockVault> for Services {
    async fn handle_person(&self, caller: &Caller, _request: LockVault) -> Result<VaultStatus, ServiceError> {
        caller.require_admin("the vault")?;
        let context = &self.context;
        let _alone = context.deriving.lock().await;
        context.vault_record()?;
        context.write_row(context.entry(caller, "vault.lock", AuditOutcome::Ok).about("vault", "")).await?;
        *context.vault.change().await = None;
        context.vault_status().await
    }
}

impl HandlePerson<ChangeVaultPassword> for Services {
    async fn handle_person(&self, caller: &Caller, request: ChangeVaultPassword) -> Result<VaultStatus, ServiceError> {
        caller.require_admin("the vault")?;
        check_password(&request.new)?;
        let context = &self.context;
        let _alone = context.deriving.lock().await;
        let record = context.vault_record()?;
        let key = context.unwrap(caller, "vault.change_password", record.wrapped, request.current).await?;
        let entry = context.entry(caller, "vault.change_password", AuditOutcome::Ok).about("vault", "");
        context.take_over(entry, key, request.new, false).await?;
        context.vault_status().await
    }
}

impl HandlePerson<RotateVault> for Services {
    async fn handle_person(&self, caller: &Caller, request: RotateVault) -> Result<VaultStatus, ServiceError> {
        caller.require_admin("the vault")?;
        let context = &self.context;
        let _alone = context.deriving.lock().await;
        let record = context.vault_record()?;
        let key = context.unwrap(caller, "vault.rotate", record.wrapped, request.password.clone()).await?;
        let next = DataKey::after(key.epoch());
        *context.vault.change().await = Some(key);
        let entry = context.entry(caller, "vault.rotate", AuditOutcome::Ok).about("vault", "");
        context.take_over(entry, next, request.password, false).await?;
        context.vault_status().await
    }
}
