//! Proving who we are: a password, a private key, or the keys that somebody's SSH agent holds.

use std::{
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, KeyboardInteractiveAuthResponse},
    keys::{
        self, HashAlg, PrivateKey, PrivateKeyWithHashAlg,
        agent::{AgentIdentity, client::AgentClient},
    },
};
use tokio::{net::UnixStream, time::timeout};
use tomo_proto::{api::person::SecretText, model::ssh::SshAuth, text::display_line};

use crate::ssh::{ANSWER, Connection, SshError, answer};

/// Keys of an agent that are tried: hosts hang up after a few.
const AGENT_KEYS: usize = 5;
/// Questions a host may ask before it lets a password in.
const ROUNDS: usize = 4;

/// What a person enters.
#[derive(Debug, Clone)]
pub enum Secret {
    /// A password.
    Password(SecretText),
    /// A private key in its usual text form.
    Key {
        /// The text.
        private_key: SecretText,
        /// What it is encrypted with.
        passphrase: Option<SecretText>,
    },
    /// The keys of an SSH agent on this machine.
    Agent {
        /// Its socket.
        socket: PathBuf,
        /// Whom it has to belong to.
        uid: u32,
    },
}

impl Secret {
    /// Kind of the credential.
    #[must_use]
    pub const fn kind(&self) -> SshAuth {
        match self {
            Self::Password(_) => SshAuth::Password,
            Self::Key { .. } => SshAuth::Key,
            Self::Agent { .. } => SshAuth::Agent,
        }
    }
}

/// A secret that was found fit to be tried.
#[derive(Debug, Clone)]
pub struct Credential {
    proof: Proof,
}

#[derive(Clone)]
enum Proof {
    Password(SecretText),
    Key(Arc<PrivateKey>),
    Agent { socket: PathBuf, uid: u32 },
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Proof(…)")
    }
}

impl Credential {
    /// Reads a key, or looks whose an agent's socket is. Blocks for as long as a passphrase takes.
    ///
    /// # Errors
    /// Says what does not fit, never what was entered.
    pub fn prepare(secret: &Secret) -> Result<Self, SshError> {
        let proof = match secret {
            Secret::Password(password) => Proof::Password(password.clone()),
            Secret::Key { private_key, passphrase } => {
                Proof::Key(Arc::new(read_key(private_key.reveal(), passphrase.as_ref().map(SecretText::reveal))?))
            }
            Secret::Agent { socket, uid } => {
                check_socket(socket, *uid)?;
                Proof::Agent { socket: socket.clone(), uid: *uid }
            }
        };
        Ok(Self { proof })
    }

    /// Kind of the credential.
    #[must_use]
    pub const fn kind(&self) -> SshAuth {
        match self.proof {
            Proof::Password(_) => SshAuth::Password,
            Proof::Key(_) => SshAuth::Key,
            Proof::Agent { .. } => SshAuth::Agent,
        }
    }
}

fn read_key(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, SshError> {
    let unusable = |reason: &str| SshError::Credential(reason.to_owned());
    let key = keys::decode_secret_key(text, passphrase).map_err(|_| {
        // What the parser says may hold parts of what it read.
        unusable(if passphrase.is_some() {
            "the private key cannot be read, or the passphrase is not its own"
        } else {
            "the private key cannot be read: it is no private key, or it wants a passphrase"
        })
    })?;
    if key.is_encrypted() { Err(unusable("the private key wants its passphrase")) } else { Ok(key) }
}

fn check_socket(socket: &Path, uid: u32) -> Result<(), SshError> {
    let shown = display_line(&socket.display().to_string(), 200);
    let facts = std::fs::symlink_metadata(socket).map_err(|error| {
        SshError::Credential(format!("the SSH agent's socket {shown} cannot be looked at: {error}"))
    })?;
    if !facts.file_type().is_socket() {
        return Err(SshError::Credential(format!("{shown} is no socket of an SSH agent")));
    }
    if facts.uid() != uid {
        return Err(SshError::Credential(format!("the SSH agent's socket {shown} belongs to somebody else")));
    }
    Ok(())
}

impl Connection {
    /// Signs the target's user in.
    ///
    /// # Errors
    /// The host does not let the user in, with what it would take; or the credential cannot be used.
    pub async fn authenticate(mut self, credential: &Credential) -> Result<Self, SshError> {
        let user = self.user.clone();
        let asked = answer("asking how to sign in", ANSWER, self.handle.authenticate_none(user)).await?;
        let offered = match asked {
            AuthResult::Success => return Ok(self),
            AuthResult::Failure { remaining_methods, .. } => remaining_methods,
        };
        let (outcome, tried) = match &credential.proof {
            Proof::Password(password) => (self.try_password(password, &offered).await?, "this password"),
            Proof::Key(key) => (self.try_key(key).await?, "this key"),
            Proof::Agent { socket, uid } => (self.try_agent(socket, *uid).await?, "any key of the SSH agent"),
        };
        match outcome {
            AuthResult::Success => Ok(self),
            AuthResult::Failure { remaining_methods, partial_success } => {
                let offered = if partial_success {
                    "it, and another proof besides, which Tomo does not give".to_owned()
                } else {
                    methods(if remaining_methods.is_empty() { &offered } else { &remaining_methods })
                };
                Err(SshError::Refused { address: self.address.clone(), user: self.user.clone(), tried, offered })
            }
        }
    }

    async fn try_password(&mut self, password: &SecretText, offered: &MethodSet) -> Result<AuthResult, SshError> {
        let mut outcome = AuthResult::Failure { remaining_methods: offered.clone(), partial_success: false };
        if offered.contains(&MethodKind::Password) {
            let trying = self.handle.authenticate_password(self.user.clone(), password.reveal());
            outcome = answer("signing in with the password", ANSWER, trying).await?;
        } else if offered.contains(&MethodKind::KeyboardInteractive) {
            outcome = answer("signing in with the password", ANSWER, self.answer_questions(password)).await?;
        }
        Ok(outcome)
    }

    /// Hosts that ask for the password as a question.
    async fn answer_questions(&mut self, password: &SecretText) -> Result<AuthResult, russh::Error> {
        let user = self.user.clone();
        let mut said = self.handle.authenticate_keyboard_interactive_start(user, None).await?;
        let mut given = false;
        for _ in 0..ROUNDS {
            let prompts = match said {
                KeyboardInteractiveAuthResponse::Success => return Ok(AuthResult::Success),
                KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
                    return Ok(AuthResult::Failure { remaining_methods, partial_success });
                }
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
            };
            // One question, whose answer is not shown, is the one for the password; it is answered once.
            let answers = match prompts.as_slice() {
                [] => Vec::new(),
                [one] if !one.echo && !given => {
                    given = true;
                    vec![password.reveal().to_owned()]
                }
                _ => break,
            };
            said = self.handle.authenticate_keyboard_interactive_respond(answers).await?;
        }
        Ok(AuthResult::Failure { remaining_methods: MethodSet::empty(), partial_success: false })
    }

    async fn try_key(&mut self, key: &Arc<PrivateKey>) -> Result<AuthResult, SshError> {
        let hash = if key.algorithm().is_rsa() { self.rsa_hash().await? } else { None };
        let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
        let trying = self.handle.authenticate_publickey(self.user.clone(), key);
        answer("signing in with the key", ANSWER, trying).await
    }

    /// The best hash the host takes for RSA; never SHA-1.
    async fn rsa_hash(&self) -> Result<Option<HashAlg>, SshError> {
        let best = answer("asking for the best hash", ANSWER, self.handle.best_supported_rsa_hash()).await?;
        Ok(best.flatten().or(Some(HashAlg::Sha512)))
    }

    async fn try_agent(&mut self, socket: &Path, uid: u32) -> Result<AuthResult, SshError> {
        let unusable = |reason: String| SshError::Credential(format!("the SSH agent {reason}"));
        // Between the look at the socket and now somebody may have put another one there.
        check_socket(socket, uid)?;
        let connected = timeout(ANSWER, UnixStream::connect(socket)).await;
        let stream = connected
            .map_err(|_| unusable("does not answer".to_owned()))?
            .map_err(|error| unusable(format!("cannot be reached: {error}")))?;
        let owner = stream.peer_cred().map_err(|error| unusable(error.to_string()))?.uid();
        if owner != uid {
            return Err(unusable("belongs to somebody else".to_owned()));
        }
        let mut agent = AgentClient::connect(stream);
        let listed = timeout(ANSWER, agent.request_identities()).await;
        let identities = listed
            .map_err(|_| unusable("does not answer".to_owned()))?
            .map_err(|error| unusable(format!("does not list its keys: {}", display_line(&error.to_string(), 100))))?;
        let mut outcome = None;
        let keys = identities.into_iter().filter_map(|identity| match identity {
            AgentIdentity::PublicKey { key, .. } => Some(key),
            AgentIdentity::Certificate { .. } => None,
        });
        for key in keys.take(AGENT_KEYS) {
            let hash = if key.algorithm().is_rsa() { self.rsa_hash().await? } else { None };
            let user = self.user.clone();
            let trying = self.handle.authenticate_publickey_with(user, key, hash, &mut agent);
            let tried = answer("signing in with a key of the SSH agent", ANSWER, trying).await?;
            if tried.success() {
                return Ok(tried);
            }
            outcome = Some(tried);
        }
        outcome.ok_or_else(|| unusable("holds no key: add one with ssh-add".to_owned()))
    }
}

/// Ways to sign in, as text.
fn methods(set: &MethodSet) -> String {
    if set.is_empty() {
        return "no way to sign in".to_owned();
    }
    set.iter().map(<&str>::from).collect::<Vec<_>>().join(", ")
}
