//! Visits at hosts by SSH, and what is changed of how they are reached, one step at a time: each host's key is shown to a person
//! before anything secret goes there.

use std::{collections::BTreeMap, fs};

use tomo_proto::{
    api::person::{AddServer, ConnectServer, EditServer, HostKeyScan, ScanHostKey, SecretText, SshSecret},
    error::{ApiError, ErrorCode},
    model::{
        operation::Operation,
        ssh::{InstallRights, SshJump},
    },
};

use crate::{
    args::Place,
    cli::onboard::wants_passphrase,
    client::{Client, ClientError, typed_path},
    dashboard::effect::Effect,
};

/// How a person signs in there.
#[derive(Debug, Clone)]
pub(crate) enum SignIn {
    Password(SecretText),
    /// A key's file on this machine.
    Key {
        file: String,
        passphrase: Option<SecretText>,
    },
    /// The SSH agent of this session.
    Agent,
}

/// What somebody goes there for.
#[derive(Debug, Clone)]
pub(crate) enum Errand {
    /// A new server.
    Add { name: String, labels: BTreeMap<String, String> },
    /// A known one, with the host key that was agreed to before; its agent may be enrolled anew.
    Connect { server: String, pinned: Option<String>, again: bool },
}

impl Errand {
    /// What a new server shall be called.
    fn new_name(&self) -> Option<String> {
        match self {
            Self::Add { name, .. } => Some(name.clone()),
            Self::Connect { .. } => None,
        }
    }
}

/// A visit, and the host keys that a person has agreed to so far.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// Which submission of a form this is.
    pub(crate) number: u64,
    pub(crate) errand: Errand,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    /// Absent: with what the daemon has kept.
    pub(crate) sign_in: Option<SignIn>,
    pub(crate) sudo_password: Option<SecretText>,
    pub(crate) install: Option<InstallRights>,
    pub(crate) keep_credential: bool,
    pub(crate) jump: Option<Place>,
    pub(crate) jump_key: Option<String>,
    pub(crate) host_key: Option<String>,
}

/// A change of what is known of a server.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    /// Which submission of a form this is.
    pub(crate) number: u64,
    pub(crate) request: EditServer,
    /// A new host in between, whose key nobody has agreed to yet.
    pub(crate) jump: Option<Place>,
    /// The labels before, if it changes nothing else: they can be given back.
    pub(crate) labels_before: Option<BTreeMap<String, String>>,
}

impl Edit {
    /// What takes it back, if something does.
    pub(crate) fn back(&self) -> Option<Self> {
        let (server, labels) = (self.request.server.clone(), self.labels_before.clone()?);
        let request = EditServer { server, labels: Some(labels), ..EditServer::default() };
        // No form is waiting for it.
        Some(Self { number: u64::MAX, request, jump: None, labels_before: self.request.labels.clone() })
    }
}

/// How far it has come.
#[derive(Debug)]
pub(crate) enum Reached {
    /// A host shows its key, where one was agreed to `before` or not; whoever agrees to this one goes on with what is in here.
    HostKey { place: String, scan: HostKeyScan, before: Option<String>, agreed: Box<Effect> },
    /// The daemon is on its way there.
    Begun(Box<Operation>),
    /// What is known of a server was changed.
    Edited(Box<Edit>),
}

/// Takes the next step of a visit.
pub(super) async fn reach(client: &Client, visit: &Visit) -> Result<Reached, ClientError> {
    let credential = visit.sign_in.as_ref().map(credential).transpose()?;
    let jump = match (&visit.jump, &visit.jump_key) {
        (None, _) => None,
        (Some(place), Some(host_key)) => Some(jump(place, host_key)),
        (Some(place), None) => {
            let scan = scan_jump(client, visit.errand.new_name(), place).await?;
            let agreed = Visit { jump_key: Some(scan.host_key.clone()), ..visit.clone() };
            let agreed = Box::new(Effect::Visit(Box::new(agreed)));
            return Ok(Reached::HostKey { place: address(&place.host, place.port), scan, before: None, agreed });
        }
    };
    let Some(host_key) = visit.host_key.clone() else {
        let credential = jump.as_ref().and(credential);
        let name = visit.errand.new_name();
        let request = ScanHostKey { name, host: visit.host.clone(), port: visit.port, jump, credential };
        let scan = client.person(&request).await?;
        let (name, before) = match &visit.errand {
            Errand::Add { name, .. } => (name, None),
            Errand::Connect { server, pinned, .. } => (server, pinned.clone()),
        };
        let place = format!("{name} ({})", address(&visit.host, visit.port));
        let agreed = Visit { host_key: Some(scan.host_key.clone()), ..visit.clone() };
        let agreed = Box::new(Effect::Visit(Box::new(agreed)));
        return Ok(Reached::HostKey { place, scan, before, agreed });
    };
    let (sudo_password, install, keep_credential) = (visit.sudo_password.clone(), visit.install, visit.keep_credential);
    let begun = match visit.errand.clone() {
        Errand::Add { name, labels } => {
            let request = AddServer {
                name,
                host: visit.host.clone(),
                port: visit.port,
                user: visit.user.clone(),
                labels,
                host_key,
                credential: credential.ok_or_else(|| wrong("auth", "nothing is kept for a new server".to_owned()))?,
                sudo_password,
                jump,
                install,
                again: false,
                update_key: None,
                keep_credential,
            };
            client.person(&request).await
        }
        Errand::Connect { server, pinned, again } => {
            if pinned.is_some_and(|pinned| pinned != host_key) {
                let host_key = Some(host_key.clone());
                client.person(&EditServer { server: server.clone(), host_key, ..EditServer::default() }).await?;
            }
            let host_key = Some(host_key);
            let request = ConnectServer {
                server,
                host_key,
                credential,
                sudo_password,
                install,
                update_key: None,
                again,
                keep_credential,
            };
            client.person(&request).await
        }
    };
    begun.map(|operation| Reached::Begun(Box::new(operation)))
}

/// Takes the next step of a change.
pub(super) async fn change(client: &Client, edit: &Edit) -> Result<Reached, ClientError> {
    let Some(place) = &edit.jump else {
        client.person(&edit.request).await?;
        return Ok(Reached::Edited(Box::new(edit.clone())));
    };
    let scan = scan_jump(client, None, place).await?;
    let request = EditServer { jump: Some(jump(place, &scan.host_key)), ..edit.request.clone() };
    let agreed =
        Box::new(Effect::EditServer(Box::new(Edit { number: edit.number, request, jump: None, labels_before: None })));
    Ok(Reached::HostKey { place: address(&place.host, place.port), scan, before: None, agreed })
}

fn address(host: &str, port: u16) -> String {
    format!("{host}:{port}")
}

fn jump(place: &Place, host_key: &str) -> SshJump {
    let Place { user, host, port } = place.clone();
    SshJump { host, port, user, host_key: host_key.to_owned() }
}

/// Looks at the key of a host in between. Whatever does not fit it was typed into its field; the new server's name was not.
async fn scan_jump(client: &Client, name: Option<String>, place: &Place) -> Result<HostKeyScan, ClientError> {
    let request = ScanHostKey { name, host: place.host.clone(), port: place.port, jump: None, credential: None };
    client.person(&request).await.map_err(|error| match error {
        ClientError::Api(error) if error.field.as_deref() != Some("name") => error.with_field("jump").into(),
        other => other,
    })
}

fn wrong(field: &str, message: String) -> ClientError {
    ApiError::new(ErrorCode::Invalid, message).with_field(field).into()
}

fn credential(sign_in: &SignIn) -> Result<SshSecret, ClientError> {
    match sign_in {
        SignIn::Password(password) => Ok(SshSecret::Password { password: password.clone() }),
        SignIn::Key { file, passphrase } => {
            let path = typed_path(file);
            let text = fs::read_to_string(&path)
                .map_err(|error| wrong("key", format!("cannot read {}: {error}", path.display())))?;
            if passphrase.is_none() && wants_passphrase(&text) {
                return Err(wrong("passphrase", "this key has a passphrase".to_owned()));
            }
            Ok(SshSecret::Key { private_key: SecretText::new(text), passphrase: passphrase.clone() })
        }
        SignIn::Agent => {
            let socket = std::env::var("SSH_AUTH_SOCK").ok().filter(|path| !path.is_empty());
            let none = || wrong("auth", "no SSH agent runs here: SSH_AUTH_SOCK is not set".to_owned());
            Ok(SshSecret::Agent { socket: socket.ok_or_else(none)? })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn field(file: &Path, passphrase: Option<&str>) -> Option<String> {
        let passphrase = passphrase.map(SecretText::new);
        match credential(&SignIn::Key { file: file.display().to_string(), passphrase }) {
            Ok(_) => None,
            Err(ClientError::Api(error)) => error.field,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_key_that_cannot_be_used_is_told_at_its_field_before_anything_is_sent() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("key");
        assert_eq!(field(&file, None).as_deref(), Some("key"));
        fs::write(&file, "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n").expect("can be written");
        assert_eq!(field(&file, None).as_deref(), Some("passphrase"));
        assert_eq!(field(&file, Some("moon")), None);
    }
}
