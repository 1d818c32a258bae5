//! What the forms of a server ask for, and how it is checked as one types.

use std::collections::BTreeMap;

use tomo_proto::{
    api::check_name,
    model::{
        agent::AgentState,
        server::ServerSummary,
        ssh::{InstallRights, SSH_PORT},
    },
};

use crate::{args::Place, dashboard::widgets::form::Field};

pub(super) const BY_TOKEN: &str = "by a token, run by hand";
const BY_SSH: &str = "over SSH";
pub(super) const KEPT: &str = "what is kept";
pub(super) const PASSWORD: &str = "password";
pub(super) const KEY: &str = "key file";
pub(super) const AGENT: &str = "SSH agent";
const NO: &str = "no";
pub(super) const YES: &str = "yes";
const METRICS: &str = "metrics only";
const CONTAINERS: &str = "containers";
const DEPLOYS: &str = "deploys";
const PINNED: &str = "the one agreed to";
pub(super) const ANEW: &str = "look at it anew";

/// Asks for a new server.
pub(super) fn add() -> Vec<Field> {
    let ssh = |field: Field| field.when("how", &[BY_SSH]);
    let mut fields = vec![
        Field::choice("how", "How", options(&[BY_SSH, BY_TOKEN]))
            .help("The daemon goes there by SSH, or you run a command on the server yourself"),
        Field::text("name", "Name").help("What Tomo calls the server, e.g. web-1").check(check_name),
        ssh(host().check(|text| word("the host", text))),
        ssh(port_field()),
        ssh(Field::text("user", "User"))
            .help("To install an agent it has to be root or to have sudo")
            .check(|text| word("the user", text)),
        ssh(Field::choice("auth", "Sign in with", options(&[PASSWORD, KEY, AGENT])))
            .help("It is sent only after you have agreed to the host's key"),
    ];
    fields.extend(credential());
    fields.push(ssh(jump_field()));
    fields.push(labels_field());
    fields.push(ssh(install_field()));
    fields.push(sudo_field());
    fields.push(keep_field().when("install", &[METRICS, CONTAINERS, DEPLOYS]));
    fields
}

/// Asks how to go to a known server again.
pub(super) fn connect(server: &ServerSummary) -> Vec<Field> {
    let ssh = server.ssh.as_ref();
    let address = ssh.map_or_else(String::new, |ssh| format!("{}@{}:{}", ssh.user, ssh.host, ssh.port));
    let mut fields = vec![Field::text("host", "Host").value(&address).fixed()];
    if ssh.is_some_and(|ssh| ssh.host_key.is_some()) {
        fields.push(
            Field::choice("host_key", "Host key", options(&[PINNED, ANEW]))
                .help("Anew if the host was made anew: its key is shown to you, and what is kept is forgotten"),
        );
    }
    let kept = ssh.is_some_and(|ssh| ssh.credential_kept);
    let ways = if kept { options(&[KEPT, PASSWORD, KEY, AGENT]) } else { options(&[PASSWORD, KEY, AGENT]) };
    fields.push(
        Field::choice("auth", "Sign in with", ways).help("It is sent only to the host whose key you have agreed to"),
    );
    fields.extend(credential());
    fields.push(install_field());
    if server.agent != AgentState::None {
        fields.push(
            Field::choice("again", "Enroll anew", options(&[NO, YES]))
                .when("install", &[METRICS, CONTAINERS, DEPLOYS])
                .help("If an agent is there already; it gets a new identity"),
        );
    }
    fields.push(sudo_field());
    fields.push(keep_field().when("auth", &[PASSWORD, KEY, AGENT]));
    fields
}

/// Asks for what is known of a server.
pub(super) fn edit(server: &ServerSummary) -> Vec<Field> {
    let ssh = server.ssh.as_ref();
    let text = |text: Option<&String>| text.map_or("", String::as_str).to_owned();
    let labels: Vec<String> = server.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let jump = ssh.and_then(|ssh| ssh.jump.as_ref());
    let jump = jump.map_or_else(String::new, |jump| format!("{}@{}:{}", jump.user, jump.host, jump.port));
    let optional: fn(&str) -> Result<(), String> =
        |text| if text.trim().is_empty() { Ok(()) } else { word("it", text) };
    vec![
        host().check(optional).value(&text(ssh.map(|ssh| &ssh.host))),
        port_field().value(&ssh.map_or(SSH_PORT, |ssh| ssh.port).to_string()),
        Field::text("user", "User")
            .help("Another host, port or user makes Tomo forget the credential that is kept")
            .check(optional)
            .value(&text(ssh.map(|ssh| &ssh.user))),
        jump_field().value(&jump),
        labels_field().value(&labels.join("\n")),
    ]
}

/// Asks for a credential where the field `auth` says which one.
pub(in crate::dashboard::layers) fn credential() -> [Field; 3] {
    [
        Field::secret("password", "Password").when("auth", &[PASSWORD]).check(|text| match text {
            "" => Err("the password is missing".to_owned()),
            _ => Ok(()),
        }),
        Field::path("key", "Key file")
            .when("auth", &[KEY])
            .help("A private key on this machine")
            .check(|text| if text.trim().is_empty() { Err("the key's file is missing".to_owned()) } else { Ok(()) })
            .value("~/.ssh/id_ed25519"),
        Field::secret("passphrase", "Passphrase").when("auth", &[KEY]).help("Empty if the key has none"),
    ]
}

pub(in crate::dashboard::layers) fn ways_without_kept() -> Vec<String> {
    options(&[AGENT, PASSWORD, KEY])
}

pub(in crate::dashboard::layers) fn install_field() -> Field {
    Field::choice("install", "Install agent", options(&[NO, METRICS, CONTAINERS, DEPLOYS]))
        .help("What the policy file there allows at first; without an agent the credential is kept, sealed")
}

pub(in crate::dashboard::layers) fn sudo_field() -> Field {
    Field::secret("sudo", "Sudo password")
        .when("install", &[METRICS, CONTAINERS, DEPLOYS])
        .help("Empty if sudo asks for none, or for the one above")
}

fn keep_field() -> Field {
    Field::choice("keep", "Keep credential", options(&[NO, YES]))
        .help("Sealed in the daemon, although an agent is there")
}

fn host() -> Field {
    Field::text("host", "Host").help("Host name or address, as the daemon reaches it")
}

fn port_field() -> Field {
    Field::text("port", "Port").check(|text| port(text).map(drop)).value("22")
}

fn jump_field() -> Field {
    Field::text("jump", "Through")
        .placeholder("no other host")
        .help("A host in between, as USER@HOST or USER@HOST:PORT; it takes the same credential")
        .check(|text| jump(text).map(drop))
}

fn labels_field() -> Field {
    Field::lines("labels", "Labels")
        .placeholder("env=prod")
        .help("One key=value on each line")
        .check(|text| labels(text).map(drop))
}

fn options(options: &[&str]) -> Vec<String> {
    options.iter().map(|option| (*option).to_owned()).collect()
}

/// Reads lines of `key=value`.
pub(super) fn labels(text: &str) -> Result<BTreeMap<String, String>, String> {
    let pair = |line: &str| {
        let (key, value) = line.split_once('=').ok_or_else(|| format!("\"{line}\": write it as key=value"))?;
        let (key, value) = (key.trim(), value.trim());
        check_name(key).and_then(|()| check_name(value))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(pair).collect()
}

/// A host or a user.
fn word(what: &str, text: &str) -> Result<(), String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("{what} is missing"));
    }
    if text.starts_with('-') || text.contains(|one: char| one.is_whitespace() || one.is_control()) {
        return Err(format!("{what} has no blanks and does not begin with \"-\""));
    }
    Ok(())
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    let port = text.trim().parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| "a port is a number from 1 to 65535".to_owned())
}

pub(super) fn jump(text: &str) -> Result<Option<Place>, String> {
    let text = text.trim();
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

pub(super) fn rights(text: &str) -> Option<InstallRights> {
    match text {
        METRICS => Some(InstallRights::Metrics),
        CONTAINERS => Some(InstallRights::Containers),
        DEPLOYS => Some(InstallRights::Deploys),
        _ => None,
    }
}
