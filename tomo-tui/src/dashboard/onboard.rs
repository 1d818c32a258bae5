//! Adding a server by SSH, one step at a time: each host's key is shown to a person before anything secret goes there.

use std::{collections::BTreeMap, fs};

use tomo_proto::{
    api::person::{AddServer, HostKeyScan, ScanHostKey, SecretText, SshSecret},
    error::{ApiError, ErrorCode},
    model::{
        operation::Operation,
        ssh::{InstallRights, SshJump},
    },
};

use crate::{
    args::Place,
    cli::onboard::wants_passphrase,
    client::{Client, ClientError, folder_of_home},
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

/// A server to be added, and the host keys that a person has agreed to so far.
#[derive(Debug, Clone)]
pub(crate) struct Onboarding {
    /// Which submission of a form this is.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) sign_in: SignIn,
    pub(crate) sudo_password: Option<SecretText>,
    pub(crate) install: Option<InstallRights>,
    pub(crate) keep_credential: bool,
    pub(crate) jump: Option<Place>,
    pub(crate) jump_key: Option<String>,
    pub(crate) host_key: Option<String>,
}

/// How far it has come.
#[derive(Debug)]
pub(crate) enum Reached {
    /// A host shows its key; whoever agrees goes on with what is in here.
    HostKey { place: String, scan: HostKeyScan, agreed: Box<Onboarding> },
    /// The daemon is on its way there.
    Begun(Box<Operation>),
}

/// Takes the next step.
pub(super) async fn reach(client: &Client, onboarding: &Onboarding) -> Result<Reached, ClientError> {
    let credential = credential(&onboarding.sign_in)?;
    let jump = match (&onboarding.jump, &onboarding.jump_key) {
        (None, _) => None,
        (Some(Place { user, host, port }), Some(host_key)) => {
            Some(SshJump { host: host.clone(), port: *port, user: user.clone(), host_key: host_key.clone() })
        }
        (Some(Place { host, port, .. }), None) => {
            let request = ScanHostKey { host: host.clone(), port: *port, jump: None, credential: None };
            let scan = client.person(&request).await.map_err(at_jump)?;
            let agreed = Onboarding { jump_key: Some(scan.host_key.clone()), ..onboarding.clone() };
            return Ok(Reached::HostKey { place: format!("{host}:{port}"), scan, agreed: Box::new(agreed) });
        }
    };
    let (host, port) = (onboarding.host.clone(), onboarding.port);
    let Some(host_key) = onboarding.host_key.clone() else {
        let place = format!("{host}:{port}");
        let credential = jump.is_some().then_some(credential);
        let scan = client.person(&ScanHostKey { host, port, jump, credential }).await?;
        let agreed = Onboarding { host_key: Some(scan.host_key.clone()), ..onboarding.clone() };
        return Ok(Reached::HostKey { place, scan, agreed: Box::new(agreed) });
    };
    let request = AddServer {
        name: onboarding.name.clone(),
        host,
        port,
        user: onboarding.user.clone(),
        labels: onboarding.labels.clone(),
        host_key,
        credential,
        sudo_password: onboarding.sudo_password.clone(),
        jump,
        install: onboarding.install,
        keep_credential: onboarding.keep_credential,
    };
    client.person(&request).await.map(|operation| Reached::Begun(Box::new(operation)))
}

/// Whatever does not fit the host in between was typed into its field.
fn at_jump(error: ClientError) -> ClientError {
    match error {
        ClientError::Api(error) => error.with_field("jump").into(),
        other => other,
    }
}

fn wrong(field: &str, message: String) -> ClientError {
    ApiError::new(ErrorCode::Invalid, message).with_field(field).into()
}

fn credential(sign_in: &SignIn) -> Result<SshSecret, ClientError> {
    match sign_in {
        SignIn::Password(password) => Ok(SshSecret::Password { password: password.clone() }),
        SignIn::Key { file, passphrase } => {
            let path = file.strip_prefix("~/").map_or_else(|| file.into(), folder_of_home);
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
