//! What no tool may carry: bodies of `POST /auth/…` and `/person/…`. Secrets travel here and nowhere else.
//!
//! Errors are [`crate::error::ApiError`] with a fitting HTTP status.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::model::{
    operation::Operation,
    release::{Release, Version},
    ssh::{InstallRights, SshJump},
    user::{ApiToken, Role, Scopes, Selectors, SshKey},
};

/// A request with its route and answer.
pub trait PersonRequest: Serialize + JsonSchema {
    /// Path on the HTTP side.
    const PATH: &'static str;
    /// What comes back.
    type Answer: for<'de> Deserialize<'de> + JsonSchema;
}

macro_rules! person {
    ($($request:ty => $answer:ty, $path:literal;)*) => {$(
        impl PersonRequest for $request {
            const PATH: &'static str = $path;
            type Answer = $answer;
        }
    )*};
}

person! {
    Login => LoginAnswer, "/auth/login";
    Refresh => LoginAnswer, "/auth/refresh";
    Logout => Done, "/auth/logout";
    ChangePassword => Done, "/person/password";
    CreateUser => crate::model::user::User, "/person/users";
    SetRole => crate::model::user::User, "/person/users/role";
    DeleteUser => Done, "/person/users/delete";
    CreateToken => CreatedToken, "/person/tokens";
    AddKey => SshKey, "/person/keys";
    RemoveKey => SshKey, "/person/keys/remove";
    CreateEnrolment => CreatedEnrolment, "/person/enrolments";
    UploadRelease => UploadedRelease, "/person/releases";
    ListReleases => Releases, "/person/releases/list";
    ForgetRelease => Releases, "/person/releases/forget";
    UpdateAgent => Operation, "/person/agents/update";
    ScanHostKey => HostKeyScan, "/person/servers/host-key";
    AddServer => Operation, "/person/servers";
    ConnectServer => Operation, "/person/servers/connect";
    EditServer => Done, "/person/servers/edit";
    ForgetCredential => Done, "/person/servers/forget-credential";
    SetSecret => Done, "/person/secrets";
    GenerateSecret => GeneratedSecret, "/person/secrets/generate";
    ListSecrets => SecretNames, "/person/secrets/list";
    DeleteSecret => Done, "/person/secrets/delete";
    SetRegistry => Done, "/person/registries";
    DeleteRegistry => Done, "/person/registries/delete";
    GetVault => VaultStatus, "/person/vault";
    InitVault => VaultStatus, "/person/vault/init";
    UnlockVault => VaultStatus, "/person/vault/unlock";
    LockVault => VaultStatus, "/person/vault/lock";
    ChangeVaultPassword => VaultStatus, "/person/vault/password";
    RotateVault => VaultStatus, "/person/vault/rotate";
    VerifyBackup => crate::model::backup::Backup, "/person/backups/verify";
}

/// Calls `$each!` with every request that needs a person: the one list of routes besides `/auth/login` and `/auth/refresh`.
#[macro_export]
macro_rules! for_each_person_request {
    ($each:ident) => {
        $each! {
            $crate::api::person::Logout,
            $crate::api::person::ChangePassword,
            $crate::api::person::CreateUser,
            $crate::api::person::SetRole,
            $crate::api::person::DeleteUser,
            $crate::api::person::CreateToken,
            $crate::api::person::AddKey,
            $crate::api::person::RemoveKey,
            $crate::api::person::CreateEnrolment,
            $crate::api::person::UploadRelease,
            $crate::api::person::ListReleases,
            $crate::api::person::ForgetRelease,
            $crate::api::person::UpdateAgent,
            $crate::api::person::ScanHostKey,
            $crate::api::person::AddServer,
            $crate::api::person::ConnectServer,
            $crate::api::person::EditServer,
            $crate::api::person::ForgetCredential,
            $crate::api::person::SetSecret,
            $crate::api::person::GenerateSecret,
            $crate::api::person::ListSecrets,
            $crate::api::person::DeleteSecret,
            $crate::api::person::SetRegistry,
            $crate::api::person::DeleteRegistry,
            $crate::api::person::GetVault,
            $crate::api::person::InitVault,
            $crate::api::person::UnlockVault,
            $crate::api::person::LockVault,
            $crate::api::person::ChangeVaultPassword,
            $crate::api::person::RotateVault,
            $crate::api::person::VerifyBackup,
        }
    };
}

/// Text that is never shown: no `Debug` of its content, no `Display`; wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself; whoever calls this keeps it out of logs, errors and answers.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SecretText(…)")
    }
}

/// An empty answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {}

/// A login.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Login name.
    pub username: String,
    /// Password.
    pub password: SecretText,
}

/// What a login gives.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LoginAnswer {
    /// JWT for the `Authorization` header.
    pub access_token: SecretText,
    /// How long the JWT lasts.
    pub expires_in_secs: u64,
    /// Gives a new pair, once.
    pub refresh_token: SecretText,
    /// Login name.
    pub username: String,
    /// Role of the account.
    pub role: Role,
}

/// A login as it is saved for a profile of `tomo`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedLogin {
    /// Which daemon.
    pub url: String,
    /// Who signed in.
    pub username: String,
    /// The JWT.
    pub access_token: Option<SecretText>,
    /// Gives the next pair.
    pub refresh_token: Option<SecretText>,
    /// SHA-256 of the daemon's certificate, hex, pinned at the first login.
    pub fingerprint: Option<String>,
}

/// Asks for a new pair of tokens.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The newest refresh token; an older one ends the login.
    pub refresh_token: SecretText,
}

/// Ends the caller's login.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logout {}

/// Changes the caller's password; ends the caller's other logins.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// Password now.
    pub current: SecretText,
    /// Password from now on, at least 10 characters.
    pub new: SecretText,
}

/// Lets whoever has the private half of a key see the dashboard over SSH, with the rights of its owner.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddKey {
    /// The public key, as it stands in a `.pub` file.
    pub key: String,
    /// What to call it; the key's own comment without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whose it is (admin); the caller's own without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// Removes a public key; a dashboard that it has opened ends.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveKey {
    /// Id, name or fingerprint; an admin can remove anybody's by id or fingerprint.
    pub key: String,
}

/// Makes an account (admin).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// Login name.
    pub username: String,
    /// What the person may do.
    pub role: Role,
    /// First password, at least 10 characters.
    pub password: SecretText,
    /// Mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// Changes a person's role (admin); ends that person's logins.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    /// Login name.
    pub username: String,
    /// What the person may do from now on.
    pub role: Role,
}

/// Deletes an account (admin) with its logins and tokens; the last admin stays.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteUser {
    /// Login name.
    pub username: String,
}

/// Makes an API token. `admin` is never given, `deploy` only if named.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// What to call it.
    pub name: String,
    /// What it may do; none beyond the caller's own.
    pub scopes: Scopes,
    /// What it can see.
    #[serde(default)]
    pub selectors: Selectors,
    /// How long it works, days (1–365), 90 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
}

/// A new API token: the only time its secret is shown.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreatedToken {
    /// The token's public facts.
    pub token: ApiToken,
    /// `tomo_<id>_<secret>`, for the `Authorization` header.
    pub secret: SecretText,
}

/// Makes a right to enroll one agent (admin).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateEnrolment {
    /// Name of the server; new, or one whose agent is gone.
    pub server: String,
    /// Labels of a new server.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How long the token works, minutes (1–15), 15 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_minutes: Option<u32>,
}

/// A new enrolment: the only time its token is shown.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreatedEnrolment {
    /// Name of the server.
    pub server: String,
    /// Whether no server has that name yet: one is made when the token is used.
    #[serde(default)]
    pub is_new: bool,
    /// For `tomo-agent enroll` on standard input: carries the daemon's addresses, its CA's fingerprint and the secret.
    pub token: SecretText,
    /// When it stops working (UTC ms).
    pub expires_at: u64,
}

/// Brings a release of the agent to the daemon (admin), in parts of at most 512 KiB, one after another. The daemon keeps the newest
/// and passes them on; it can sign none.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UploadRelease {
    /// Text of the file that `tomo release sign` wrote.
    pub release: String,
    /// Where in the program the part begins: 0, or what was received so far.
    pub offset: u64,
    /// Bytes of the program, base 64.
    pub part: String,
}

/// Most bytes of a program in one [`UploadRelease`].
pub const UPLOAD_PART_BYTES: usize = 512 * 1024;

/// How far an upload is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadedRelease {
    /// What is uploaded.
    pub release: Release,
    /// Bytes of the program that are there.
    pub received: u64,
    /// Whether it is there and is the program that was signed.
    pub complete: bool,
}

/// Asks for the releases of the agent that the daemon can pass on.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListReleases {}

/// Releases of the agent, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Releases {
    /// The releases.
    pub releases: Vec<Release>,
}

/// Puts a newer agent on a server (admin), over the link. An operation: the host checks who signed the release, tries it out, and
/// puts the old program back unless the new one connects.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAgent {
    /// Name or id of the server.
    pub server: String,
    /// Which release; the newest that fits the host without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub version: Option<Version>,
    /// SHA-256 of the program (hex), where several releases have the version; any of them without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Takes releases of the agent out of the daemon's folder (admin), as those that turned out broken.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetRelease {
    /// Their version.
    #[schemars(with = "String")]
    pub version: Version,
}

/// A credential for SSH, as a person enters it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum SshSecret {
    /// A password.
    Password {
        /// The password.
        password: SecretText,
    },
    /// A private key.
    Key {
        /// Its text, as it stands in its file.
        private_key: SecretText,
        /// What it is encrypted with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passphrase: Option<SecretText>,
    },
    /// The keys of an SSH agent on the daemon's own machine; only over the local socket, and only the caller's own agent.
    Agent {
        /// Path of its socket.
        socket: String,
    },
}

/// Reads the key a host shows by SSH (admin). Nothing that proves who we are is sent to it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScanHostKey {
    /// Name of the server to be, if one is to be: refused before anybody goes anywhere if it does not fit or is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Host in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<SshJump>,
    /// For the host in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<SshSecret>,
}

/// The key a host shows: for a person to compare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostKeyScan {
    /// Kind of the key, as in `ssh-ed25519`.
    pub algorithm: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub host_key: String,
}

/// Adds a server by SSH (admin): goes there, in, looks around, installs an agent if wanted, and saves. An operation whose steps
/// can be followed; what fails leaves nothing behind.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddServer {
    /// New name.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User there.
    pub user: String,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The host key that the person agreed to, `SHA256:…`.
    pub host_key: String,
    /// How the user proves to be it; the host in between takes the same.
    pub credential: SshSecret,
    /// What sudo asks for, if it is not the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo_password: Option<SecretText>,
    /// Host in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<SshJump>,
    /// Install an agent whose policy file allows this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<InstallRights>,
    /// Enroll an agent that is installed there already anew.
    #[serde(default)]
    pub again: bool,
    /// Key whose releases that agent takes over the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_key: Option<String>,
    /// Keep the credential, sealed, although an agent is there. Without an agent it is kept.
    #[serde(default)]
    pub keep_credential: bool,
}

/// Goes to a known server by SSH (admin) and looks around; installs an agent if wanted. An operation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectServer {
    /// Name or id.
    pub server: String,
    /// The host key that the person agreed to, if none is pinned yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// The kept credential without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<SshSecret>,
    /// What sudo asks for, if it is not the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo_password: Option<SecretText>,
    /// Install an agent whose policy file allows this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<InstallRights>,
    /// Key whose releases that agent takes over the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_key: Option<String>,
    /// Enroll an agent that is installed already anew; the one before stays good until this one is there.
    #[serde(default)]
    pub again: bool,
    /// Keep the credential, sealed.
    #[serde(default)]
    pub keep_credential: bool,
}

/// Changes what is known of a server (admin). Another host, port, user or key makes Tomo forget the credential that was kept for
/// the old one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditServer {
    /// Name or id.
    pub server: String,
    /// All labels from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Host name or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// User there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The host key that the person agrees to from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// Host in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<SshJump>,
    /// No host in between any more.
    #[serde(default)]
    pub direct: bool,
}

/// Forgets the credential that is kept for a server (admin).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetCredential {
    /// Name or id.
    pub server: String,
}

/// Stores a secret that app environments can name as `secret://NAME`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSecret {
    /// Name.
    pub name: String,
    /// Value, up to 16 KiB.
    pub value: SecretText,
}

/// Makes a secret of random characters under a new name, for a question of the catalog; the value is shown once.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerateSecret {
    /// Name that is wanted; a number is put behind it if there is such a secret.
    pub name: String,
    /// How it is made.
    pub generate: crate::model::catalog::Generate,
}

/// A secret that was just made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GeneratedSecret {
    /// Its name.
    pub name: String,
    /// Its value, shown this once.
    pub value: SecretText,
}

/// Asks for the names of stored secrets.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSecrets {}

/// Names of stored secrets; values are never shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretNames {
    /// The names.
    pub names: Vec<String>,
}

/// Deletes a secret that no app names any more.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteSecret {
    /// Name.
    pub name: String,
}

/// Stores who signs in at a registry, with the password; what was there of that registry is replaced.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRegistry {
    /// Host, perhaps with a port, as images name it; `docker.io` for those that name none.
    pub registry: String,
    /// Who signs in there, 1 to 256 bytes.
    pub user: String,
    /// Password or token, 1 byte to 16 KiB.
    pub password: SecretText,
}

/// Forgets who signs in at a registry.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteRegistry {
    /// Host, perhaps with a port.
    pub registry: String,
}

/// Asks how the vault is.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetVault {}

/// Sets a master password for the first time and seals every secret under a new data key (admin).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitVault {
    /// The master password, at least 12 characters. Nobody can recover it.
    pub password: SecretText,
    /// With a master password that nobody knows any more: begins anew, and every sealed value is lost.
    #[serde(default)]
    pub discard: bool,
}

/// Opens a sealed vault (admin).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlockVault {
    /// The master password.
    pub password: SecretText,
}

/// Seals the vault: what needs a secret answers `sealed` from now on (admin).
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockVault {}

/// Changes the master password; the data key stays (admin).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeVaultPassword {
    /// Master password now.
    pub current: SecretText,
    /// Master password from now on, at least 12 characters.
    pub new: SecretText,
}

/// Makes a new data key and seals every secret under it (admin).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateVault {
    /// The master password.
    pub password: SecretText,
}

/// How the vault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VaultStatus {
    /// Whether secrets can be used.
    pub state: VaultState,
    /// Number of the data key: one more with each rotation.
    pub epoch: u32,
    /// Values that are sealed under it.
    pub secrets: u32,
    /// When the master password was set (UTC ms); absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<u64>,
}

/// Whether secrets can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VaultState {
    /// There is no master password: the data key is a file beside the store.
    KeyFile,
    /// Nothing that needs a secret works until a person unlocks the vault.
    Sealed,
    /// A person (or the host, at boot) gave the master password.
    Unlocked,
}

impl VaultState {
    /// The state as it stands in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyFile => "key_file",
            Self::Sealed => "sealed",
            Self::Unlocked => "unlocked",
        }
    }
}

/// Restores a backup for a test (admin).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyBackup {
    /// Number of the backup.
    pub number: u64,
    /// The master password of its time, if the data key was rotated since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
}
