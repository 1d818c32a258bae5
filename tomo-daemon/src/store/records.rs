//! What the store keeps, by table. Secrets lie only as hashes or sealed.

use serde::{Deserialize, Serialize};
use tomo_proto::{
    id::{
        AppId, CommandId, KeyId, OperationId, PlanId, RevisionId, ServerId, SessionId, TokenId, UserId, VolumeBackupId,
    },
    model::{
        agent::{Agent, Enrolment},
        app::{App, AppSpec, Revision},
        backup::Backup,
        operation::{Operation, OperationKind},
        plan::{Plan, PlannedChange},
        registry::Registry,
        server::Server,
        settings::Settings,
        ssh::SshProbe,
        user::{ApiToken, Session, SshKey, User},
        volume_backup::{VolumeBackup, VolumeSchedule},
    },
    wire::command::Command,
};

use crate::{
    crypto,
    store::{NewAuditEntry, Record},
    vault::WrappedKey,
};

/// An account with its password hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserRecord {
    /// The account.
    pub user: User,
    /// Argon2id, PHC string.
    pub password_hash: String,
}

/// A login with its refresh token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The login.
    pub session: Session,
    /// SHA-256 of the newest refresh token, hex.
    pub refresh_hash: String,
    /// The public key that it was begun with, over SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
}

/// An API token with its secret's hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The token.
    pub token: ApiToken,
    /// SHA-256 of the secret half, hex.
    pub secret_hash: String,
}

/// Failed logins in a row, of a name or from an address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoginFailures {
    /// `user NAME` or `from ADDRESS`.
    pub source: String,
    /// How many.
    pub count: u32,
    /// The newest (UTC ms).
    pub last_at: u64,
}

/// A plan with what it would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanRecord {
    /// What people and tools see.
    pub plan: Plan,
    /// What it would do.
    pub change: PlannedChange,
    /// SHA-256 of the target's state when the plan was made, hex: if it moved, the plan is stale.
    pub target_state: String,
    /// Account or token that asked, as [`Caller::key`](crate::services::access::Caller::key).
    pub requested_by_key: String,
}

/// A command that was sent to an agent whose outcome is not known yet: the agent is asked for it when it is back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandRecord {
    /// Operation it carries out; key of the record.
    pub operation: OperationId,
    /// Id under which the agent knows it.
    pub command: CommandId,
    /// What it does.
    pub work: Work,
    /// The audit's row about its beginning.
    pub intent: NewAuditEntry,
}

/// What an operation does on a server, and to the app's record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are those of the app's record")]
pub enum Work {
    /// Puts a revision in place.
    Deploy {
        app: AppId,
        name: String,
        server: ServerId,
        revision: RevisionId,
        spec: AppSpec,
        /// Id of the container that it adopts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adopts: Option<String>,
    },
    /// Removes an app.
    Remove { app: App, volumes: bool },
    /// Starts its container.
    Start { app: App },
    /// Stops its container.
    Stop { app: App },
    /// Restarts its container.
    Restart { app: App },
    /// Backs a volume up.
    BackupVolume {
        server: ServerId,
        backup: VolumeBackupId,
        volume: String,
        stop: bool,
        /// Whether its schedule asked for it.
        #[serde(default)]
        scheduled: bool,
    },
    /// Restores a backup into a new volume.
    RestoreVolume { server: ServerId, backup: VolumeBackupId, volume: String },
    /// Restores a backup for a test.
    DrillVolume { server: ServerId, backup: VolumeBackupId, volume: String },
    /// Does something to what is no app's.
    OnServer { server: ServerId, kind: OperationKind, command: Command },
}

impl Work {
    /// Where it is done.
    #[must_use]
    pub const fn server(&self) -> ServerId {
        match self {
            Self::Deploy { server, .. }
            | Self::BackupVolume { server, .. }
            | Self::RestoreVolume { server, .. }
            | Self::DrillVolume { server, .. }
            | Self::OnServer { server, .. } => *server,
            Self::Remove { app, .. } | Self::Start { app } | Self::Stop { app } | Self::Restart { app } => app.server,
        }
    }

    /// Which app it is done to, if it is one.
    #[must_use]
    pub const fn app(&self) -> Option<AppId> {
        match self {
            Self::Deploy { app, .. } => Some(*app),
            Self::Remove { app, .. } | Self::Start { app } | Self::Stop { app } | Self::Restart { app } => Some(app.id),
            Self::BackupVolume { .. }
            | Self::RestoreVolume { .. }
            | Self::DrillVolume { .. }
            | Self::OnServer { .. } => None,
        }
    }

    /// The kind of its operation.
    #[must_use]
    pub const fn kind(&self) -> OperationKind {
        match self {
            Self::Deploy { .. } => OperationKind::DeployApp,
            Self::Remove { .. } => OperationKind::RemoveApp,
            Self::Start { .. } => OperationKind::StartApp,
            Self::Stop { .. } => OperationKind::StopApp,
            Self::Restart { .. } => OperationKind::RestartApp,
            Self::BackupVolume { .. } => OperationKind::BackupVolume,
            Self::RestoreVolume { .. } => OperationKind::RestoreVolume,
            Self::DrillVolume { .. } => OperationKind::DrillVolume,
            Self::OnServer { kind, .. } => *kind,
        }
    }
}

/// A secret that app environments can name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecretRecord {
    /// Key of the record.
    pub key: u64,
    /// Name.
    pub name: String,
    /// Sealed value; see [`crate::crypto`].
    pub sealed: Vec<u8>,
    /// When it was last set (UTC ms).
    pub set_at: u64,
}

/// Who signs in at a registry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegistryRecord {
    /// Key of the record.
    pub key: u64,
    /// The registry, and who signs in there.
    pub registry: Registry,
    /// Sealed password; see [`crate::crypto`].
    pub sealed: Vec<u8>,
}

/// A credential for a server's SSH, each part sealed by itself; see [`crate::crypto`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CredentialRecord {
    /// Key of the record: the server's.
    pub server: u64,
    /// Password.
    #[serde(default)]
    pub password: Option<Vec<u8>>,
    /// Private key.
    #[serde(default)]
    pub private_key: Option<Vec<u8>>,
    /// What the private key is encrypted with.
    #[serde(default)]
    pub passphrase: Option<Vec<u8>>,
}

/// What the last look around on a server by SSH found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProbeRecord {
    /// Key of the record: the server's.
    pub server: u64,
    /// What was found.
    pub probe: SshProbe,
}

/// A client's transport session, so that it goes on after a restart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TransportRecord {
    /// Key of the record: the head of `id_hash`.
    pub key: u64,
    /// SHA-256 of the session's id, hex: whoever reads the store cannot take the session over.
    pub id_hash: String,
    /// Who opened it, and where; empty until that is known.
    pub owner: String,
    /// What the client said when it opened it.
    pub opening: String,
    /// Addresses it watches.
    pub watched: Vec<String>,
    /// Last use (UTC ms), to the hour.
    pub used_at: u64,
}

/// The master password's half of the vault; one record, there once a master password is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultRecord {
    /// The data key under the master password.
    pub wrapped: WrappedKey,
    /// When the password was last set (UTC ms).
    pub changed_at: u64,
}

/// Key of the one [`VaultRecord`].
pub const VAULT_KEY: u64 = 0;

/// A backup that was restored for a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRecord {
    /// The backup.
    pub backup: Backup,
}

/// A backup of a volume, with the key of its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeBackupRecord {
    /// The backup.
    pub backup: VolumeBackup,
    /// Its own key, sealed; see [`crate::crypto`].
    pub key: Vec<u8>,
}

/// How often a volume is backed up by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeScheduleRecord {
    /// Key of the record, made of server and volume.
    pub key: u64,
    /// The schedule.
    pub schedule: VolumeSchedule,
}

/// The settings; one record.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SettingsRecord {
    /// The settings.
    pub settings: Settings,
}

/// Key of the one [`SettingsRecord`].
pub const SETTINGS_KEY: u64 = 0;

/// A record with fields that are sealed under the data key.
pub trait SealedRecord: Record {
    /// Each sealed field with its name.
    fn sealed(&mut self) -> Vec<(&'static str, &mut Vec<u8>)>;
}

impl SealedRecord for CredentialRecord {
    fn sealed(&mut self) -> Vec<(&'static str, &mut Vec<u8>)> {
        let parts = [
            (Self::PASSWORD, &mut self.password),
            (Self::PRIVATE_KEY, &mut self.private_key),
            (Self::PASSPHRASE, &mut self.passphrase),
        ];
        parts.into_iter().filter_map(|(field, value)| Some((field, value.as_mut()?))).collect()
    }
}

impl CredentialRecord {
    /// Field that a password is sealed for.
    pub const PASSWORD: &'static str = "password";
    /// Field that a private key is sealed for.
    pub const PRIVATE_KEY: &'static str = "private_key";
    /// Field that a passphrase is sealed for.
    pub const PASSPHRASE: &'static str = "passphrase";
}

impl SealedRecord for SecretRecord {
    fn sealed(&mut self) -> Vec<(&'static str, &mut Vec<u8>)> {
        vec![("value", &mut self.sealed)]
    }
}

impl SealedRecord for RegistryRecord {
    fn sealed(&mut self) -> Vec<(&'static str, &mut Vec<u8>)> {
        vec![("password", &mut self.sealed)]
    }
}

impl SealedRecord for VolumeBackupRecord {
    fn sealed(&mut self) -> Vec<(&'static str, &mut Vec<u8>)> {
        vec![("key", &mut self.key)]
    }
}

macro_rules! records {
    ($($record:ty, $table:literal, |$it:ident| $key:expr;)*) => {$(
        impl Record for $record {
            const TABLE: &'static str = $table;

            fn key(&self) -> u64 {
                let $it = self;
                $key
            }
        }
    )*};
}

records! {
    UserRecord, "users", |it| UserId::to_u64(it.user.id);
    SessionRecord, "sessions", |it| SessionId::to_u64(it.session.id);
    TokenRecord, "tokens", |it| TokenId::to_u64(it.token.id);
    SshKey, "ssh_keys", |it| it.id.to_u64();
    LoginFailures, "login_failures", |it| crypto::name_key(&it.source);
    Server, "servers", |it| it.id.to_u64();
    Agent, "agents", |it| it.id.to_u64();
    Enrolment, "enrolments", |it| it.id.to_u64();
    App, "apps", |it| it.id.to_u64();
    Revision, "revisions", |it| it.id.to_u64();
    PlanRecord, "plans", |it| PlanId::to_u64(it.plan.plan);
    Operation, "operations", |it| it.operation.to_u64();
    CommandRecord, "commands", |it| it.operation.to_u64();
    SecretRecord, "secrets", |it| it.key;
    CredentialRecord, "credentials", |it| it.server;
    RegistryRecord, "registries", |it| it.key;
    ProbeRecord, "probes", |it| it.server;
    TransportRecord, "transports", |it| it.key;
    BackupRecord, "backups", |it| it.backup.number;
    VolumeBackupRecord, "volume_backups", |it| it.backup.backup.to_u64();
    VolumeScheduleRecord, "volume_schedules", |it| it.key;
    VaultRecord, "vault", |_it| VAULT_KEY;
    SettingsRecord, "settings", |_it| SETTINGS_KEY;
}
