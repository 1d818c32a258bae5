//! Servers by SSH: adding one, going there again, and what is remembered of it. Credentials come from the terminal, from standard
//! input or from a key's file, and go to the daemon by `/person/…` only.

use std::{fs, io::IsTerminal as _, path::PathBuf};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::json;
use tomo_proto::{
    api::{
        person::{
            AddServer, ConnectServer, EditServer, ForgetCredential, HostKeyScan, ScanHostKey, SecretText, SshSecret,
        },
        server::ServerGet,
    },
    error::{ApiError, ErrorCode},
    model::{
        operation::OperationStatus,
        ssh::{Ssh, SshJump},
    },
};

use crate::{
    args::{AddArgs, ConnectArgs, CredentialArgs, EditArgs, HostArgs, Place},
    cli::{
        account::{lines, read_secret, read_text},
        change,
        output::{self, done, line, note, table},
        ssh_config::{self, Entry},
    },
    client::{Client, ClientError},
};

/// What a person enters about one visit.
struct Entered {
    secret: SshSecret,
    sudo_password: Option<SecretText>,
}

fn refusal(message: &str, next: impl Into<String>) -> anyhow::Error {
    ClientError::from(ApiError::new(ErrorCode::Invalid, message).with_next(next)).into()
}

/// What stands on standard input, a line for each secret.
struct Lines(Vec<String>);

impl Lines {
    fn read(wanted: bool) -> anyhow::Result<Self> {
        if !wanted {
            return Ok(Self(Vec::new()));
        }
        let text = read_text("credential", true)?;
        Ok(Self(lines(&text).into_iter().rev().map(str::to_owned).collect()))
    }

    fn next(&mut self, what: &str) -> anyhow::Result<SecretText> {
        let line = self.0.pop().filter(|line| !line.is_empty());
        line.map(SecretText::new).with_context(|| format!("standard input has no line for the {what}"))
    }
}

/// Takes the credential from where the options say; without one it is a password, asked for on the terminal.
fn enter(arguments: &CredentialArgs, user: &str, host: &str) -> anyhow::Result<Entered> {
    let wanted = arguments.password_stdin || arguments.passphrase_stdin || arguments.sudo_password_stdin;
    let mut lines = Lines::read(wanted)?;
    let secret = if let Some(file) = &arguments.key {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read the key {}", file.display()))?;
        let passphrase = if arguments.passphrase_stdin {
            Some(lines.next("passphrase")?)
        } else if wants_passphrase(&text) {
            Some(read_secret(&format!("Passphrase of {}", file.display()), false)?)
        } else {
            None
        };
        SshSecret::Key { private_key: SecretText::new(text), passphrase }
    } else if arguments.ssh_agent {
        let socket = std::env::var("SSH_AUTH_SOCK").ok().filter(|path| !path.is_empty());
        let socket =
            socket.ok_or_else(|| refusal("no SSH agent runs here: SSH_AUTH_SOCK is not set", "give --key FILE"))?;
        SshSecret::Agent { socket }
    } else if arguments.password_stdin {
        SshSecret::Password { password: lines.next("password")? }
    } else if std::io::stdin().is_terminal() {
        SshSecret::Password { password: read_secret(&format!("Password of {user} at {host}"), false)? }
    } else {
        return Err(refusal("nobody says how to sign in there", "give --key FILE, --password-stdin or --ssh-agent"));
    };
    let sudo_password = if arguments.sudo_password_stdin { Some(lines.next("sudo password")?) } else { None };
    Ok(Entered { secret, sudo_password })
}

/// Whether a private key's text is of a key with a passphrase.
pub(crate) fn wants_passphrase(text: &str) -> bool {
    const HEAD: &[u8] = b"openssh-key-v1\0";
    if !text.contains("BEGIN OPENSSH PRIVATE KEY") {
        return text.contains("ENCRYPTED");
    }
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let Ok(bytes) = STANDARD.decode(body) else { return false };
    // The name of the cipher comes first, with its length.
    bytes.strip_prefix(HEAD).is_some_and(|rest| rest.get(..8) != Some(b"\0\0\0\x04none"))
}

/// Shows a host's key and asks whether it is the right one, unless the person has named it.
async fn agree_on_key(
    client: &Client,
    name: Option<&str>,
    place: (&str, u16),
    jump: Option<&SshJump>,
    secret: Option<&SshSecret>,
    (option, given): (&str, Option<String>),
) -> anyhow::Result<String> {
    if let Some(given) = given {
        return Ok(given);
    }
    let (host, port) = place;
    let (name, credential) = (name.map(str::to_owned), jump.and(secret).cloned());
    let scan =
        client.person(&ScanHostKey { name, host: host.to_owned(), port, jump: jump.cloned(), credential }).await?;
    show_key(host, port, &scan);
    match change::ask("Is it the right one? [y/N]") {
        Some(answer) if change::is_yes(&answer) => Ok(scan.host_key),
        Some(_) => {
            let error = ApiError::new(ErrorCode::Declined, "the host key was not agreed to; nothing was sent there");
            Err(ClientError::from(error).into())
        }
        None => Err(refusal(
            "a person has to agree to the host's key, and there is no terminal to ask on",
            format!("compare it, then give {option} {}", scan.host_key),
        )),
    }
}

fn show_key(host: &str, port: u16, scan: &HostKeyScan) {
    note(format!("{host}:{port} shows this host key ({}):", scan.algorithm));
    note(format!("  {}", scan.host_key));
    note(
        "On the host itself `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says which it has. If they differ, somebody is in between.",
    );
}

/// The host in between, with its key agreed to.
async fn agree_on_jump(client: &Client, name: Option<&str>, args: &HostArgs) -> anyhow::Result<Option<SshJump>> {
    let Some(Place { user, host, port }) = args.jump.clone() else { return Ok(None) };
    let given = ("--jump-host-key", args.jump_host_key.clone());
    let host_key = agree_on_key(client, name, (&host, port), None, None, given).await?;
    Ok(Some(SshJump { host, port, user, host_key }))
}

pub(super) async fn add(client: &Client, arguments: AddArgs, as_json: bool) -> anyhow::Result<()> {
    let AddArgs {
        name,
        host,
        user,
        port,
        place,
        credential,
        labels,
        install_agent,
        update_key,
        again,
        keep_credential,
    } = arguments;
    let jump = agree_on_jump(client, Some(&name), &place).await?;
    // Behind another host the credential is needed to see the key at all.
    let early = if jump.is_some() { Some(enter(&credential, &user, &host)?) } else { None };
    let secret = early.as_ref().map(|entered| &entered.secret);
    let given = ("--host-key", place.host_key);
    let host_key = agree_on_key(client, Some(&name), (&host, port), jump.as_ref(), secret, given).await?;
    let Entered { secret, sudo_password } = match early {
        Some(entered) => entered,
        None => enter(&credential, &user, &host)?,
    };
    let request = AddServer {
        name,
        host,
        port,
        user,
        labels: labels.into_iter().collect(),
        host_key,
        credential: secret,
        sudo_password,
        jump,
        install: install_agent,
        again,
        update_key,
        keep_credential,
    };
    let operation = client.person(&request).await?;
    change::follow(client, operation, as_json).await
}

/// What is known of reaching a server.
async fn ssh_of(client: &Client, server: &str) -> anyhow::Result<Ssh> {
    let detail = client.call(&ServerGet { server: server.to_owned(), include: Vec::new() }).await?;
    detail.summary.ssh.ok_or_else(|| {
        let message = format!("nothing is known about reaching server \"{server}\" by SSH");
        refusal(&message, format!("tomo server edit {server} --host HOST --user USER"))
    })
}

pub(super) async fn connect(client: &Client, arguments: ConnectArgs, as_json: bool) -> anyhow::Result<()> {
    let ConnectArgs { server, host_key, credential, install_agent, update_key, again, keep_credential } = arguments;
    let ssh = ssh_of(client, &server).await?;
    let is_given = credential.key.is_some() || credential.password_stdin || credential.ssh_agent;
    let ask_for = is_given || !ssh.credential_kept;
    let (host, port) = (ssh.host.clone(), ssh.port);
    let early = if ssh.jump.is_some() && ask_for { Some(enter(&credential, &ssh.user, &host)?) } else { None };
    let host_key = if ssh.host_key.is_some() {
        host_key
    } else {
        let secret = early.as_ref().map(|entered| &entered.secret);
        let given = ("--host-key", host_key);
        Some(agree_on_key(client, None, (&host, port), ssh.jump.as_ref(), secret, given).await?)
    };
    let entered = match early {
        Some(entered) => Some(entered),
        None if ask_for => Some(enter(&credential, &ssh.user, &host)?),
        None => None,
    };
    let (secret, sudo_password) = match entered {
        Some(entered) => (Some(entered.secret), entered.sudo_password),
        None => {
            let mut lines = Lines::read(credential.sudo_password_stdin)?;
            let sudo = credential.sudo_password_stdin.then(|| lines.next("sudo password")).transpose()?;
            (None, sudo)
        }
    };
    let request = ConnectServer {
        server,
        host_key,
        credential: secret,
        sudo_password,
        install: install_agent,
        update_key,
        again,
        keep_credential,
    };
    let operation = client.person(&request).await?;
    change::follow(client, operation, as_json).await
}

pub(super) async fn edit(client: &Client, arguments: EditArgs, as_json: bool) -> anyhow::Result<()> {
    let EditArgs { server, host, port, user, place, direct, labels, no_labels } = arguments;
    let jump = agree_on_jump(client, None, &place).await?;
    let labels: std::collections::BTreeMap<_, _> = labels.into_iter().collect();
    let labels = (no_labels || !labels.is_empty()).then_some(labels);
    let request =
        EditServer { server: server.clone(), labels, host, port, user, host_key: place.host_key, jump, direct };
    client.person(&request).await?;
    let ssh = client.call(&ServerGet { server: server.clone(), include: Vec::new() }).await?.summary.ssh;
    let next = match ssh {
        None => String::new(),
        Some(ssh) if ssh.credential_kept => format!("; try it: tomo server test {server}"),
        Some(_) => format!("; no credential is kept for it: tomo server connect {server} enters one"),
    };
    done(as_json, format!("{server} is changed{next}"), json!({"server": server}))
}

pub(super) async fn forget_credential(client: &Client, server: String, as_json: bool) -> anyhow::Result<()> {
    client.person(&ForgetCredential { server: server.clone() }).await?;
    done(as_json, format!("no credential is kept for {server}"), json!({"server": server, "credential_kept": false}))
}

/// What `export` prints: everything a person would need to add the server elsewhere, and no secret.
#[derive(Debug, Serialize)]
struct Exported {
    name: String,
    labels: std::collections::BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ssh: Option<Ssh>,
    created_at: u64,
}

pub(super) async fn export(client: &Client, server: String) -> anyhow::Result<()> {
    let detail = client.call(&ServerGet { server, include: Vec::new() }).await?;
    let (summary, created_at) = (detail.summary, detail.created_at);
    output::json(&Exported { name: summary.name, labels: summary.labels, ssh: summary.ssh, created_at })
}

/// Adds what a file of the SSH client's names, one after another; says beforehand what that is.
pub(super) async fn import(
    client: &Client,
    file: Option<PathBuf>,
    yes: bool,
    credential: &CredentialArgs,
    as_json: bool,
) -> anyhow::Result<()> {
    let entries = ssh_config::of_file(&file.unwrap_or_else(ssh_config::usual_file))?;
    if entries.is_empty() {
        return Err(refusal(
            "no host in that file can be added: each needs a plain name after `Host`",
            "tomo server add",
        ));
    }
    let rows = entries.iter().map(|entry| {
        let jump = entry
            .jump
            .as_ref()
            .map_or_else(|| "-".to_owned(), |jump| format!("{}@{}:{}", jump.user, jump.host, jump.port));
        let key = entry.key.as_ref().map_or_else(|| "-".to_owned(), |key| key.display().to_string());
        [entry.name.clone(), format!("{}@{}:{}", entry.user, entry.host, entry.port), key, jump]
    });
    if !as_json {
        table(["NAME", "ADDRESS", "KEY", "THROUGH"], rows.collect());
    }
    change::agree(&format!("Add these {} servers?", entries.len()), yes)?;
    let (mut added, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        let name = entry.name.clone();
        match import_one(client, entry, credential).await {
            Ok(()) => added.push(name),
            Err(error) => {
                note(format!("{name}: {error:#}"));
                failed.push(name);
            }
        }
    }
    if as_json {
        output::json(&json!({"added": added, "failed": failed}))?;
    } else {
        line(format!("{} added, {} not", added.len(), failed.len()));
    }
    if failed.is_empty() { Ok(()) } else { Err(refusal("not every server was added", "tomo server list")) }
}

async fn import_one(client: &Client, entry: Entry, credential: &CredentialArgs) -> anyhow::Result<()> {
    let place = HostArgs { host_key: None, jump: entry.jump.clone(), jump_host_key: None };
    let credential = CredentialArgs { key: entry.key.clone().or_else(|| credential.key.clone()), ..credential.clone() };
    let name = Some(entry.name.as_str());
    let jump = agree_on_jump(client, name, &place).await?;
    let entered = enter(&credential, &entry.user, &entry.host)?;
    let place = (entry.host.as_str(), entry.port);
    let host_key =
        agree_on_key(client, name, place, jump.as_ref(), Some(&entered.secret), ("--host-key", None)).await?;
    let request = AddServer {
        name: entry.name,
        host: entry.host,
        port: entry.port,
        user: entry.user,
        labels: std::collections::BTreeMap::new(),
        host_key,
        credential: entered.secret,
        sudo_password: entered.sudo_password,
        jump,
        install: None,
        again: false,
        update_key: None,
        keep_credential: false,
    };
    let operation = client.person(&request).await?;
    let operation = change::wait(client, operation, false).await?;
    match operation.error {
        _ if operation.status == OperationStatus::Succeeded => Ok(()),
        Some(error) => Err(anyhow::anyhow!(error.message)),
        None => Err(anyhow::anyhow!(operation.status.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_a_passphrase_is_told_from_one_without() {
        let armored = |cipher: &str| {
            let mut bytes = b"openssh-key-v1\0\0\0\0".to_vec();
            bytes.push(u8::try_from(cipher.len()).expect("short"));
            bytes.extend(cipher.bytes());
            let body = STANDARD.encode(bytes);
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n")
        };
        assert!(!wants_passphrase(&armored("none")));
        assert!(wants_passphrase(&armored("aes256-ctr")));
        assert!(wants_passphrase("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"));
        assert!(!wants_passphrase("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n"));
    }
}
