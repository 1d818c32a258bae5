//! Servers by SSH: looking at a host before anything is sent to it, adding it, going there again, and what is remembered of it.
//!
//! A visit is an operation: its steps are told as they come, it can be cancelled, and what fails leaves nothing behind, neither
//! here nor on the host.

mod credential;
mod install;
mod lately;
mod left_over;
mod visit;

use std::{collections::BTreeMap, sync::Arc};

use tomo_proto::{
    api::{
        check_name,
        person::{AddServer, ConnectServer, Done, EditServer, ForgetCredential, HostKeyScan, ScanHostKey, SshSecret},
        server::ServerAdd,
    },
    error::ErrorCode,
    model::{
        audit::AuditOutcome,
        operation::{Operation, OperationKind},
        plan::{Plan, PlannedChange},
        release::ReleaseKey,
        server::Server,
        ssh::{InstallRights, SSH_PORT, Ssh, SshJump},
    },
    text::display_line,
};

use crate::{
    live::Topic,
    services::{
        About as _, Handle, HandlePerson, Services,
        access::{Authorized, Caller, Principal},
        error::ServiceError,
        lookup,
        operation::{Begun, under_way},
    },
    ssh::{self, Connection, Credential, Secret, SshError, Target},
    store::{
        StoreError,
        records::{CredentialRecord, ProbeRecord},
    },
};

pub(super) use lately::Lately;
use visit::{Visit, Whom};

/// Longest name of a host, user or key.
const TEXT_BYTES: usize = 255;
/// Labels of a server.
pub(super) const MAX_LABELS: usize = 32;
/// Bytes of one part of a credential.
const SECRET_BYTES: usize = 16 * 1024;

fn invalid(field: &str, message: impl Into<String>) -> ServiceError {
    ServiceError::new(ErrorCode::Invalid, message).with_field(field)
}

/// Checks what stands in for a command line nowhere, but is shown everywhere.
fn check_text(field: &str, text: &str) -> Result<(), ServiceError> {
    let plain = |one: char| !one.is_whitespace() && !one.is_control();
    if text.is_empty() || text.len() > TEXT_BYTES || !text.chars().all(plain) || text.starts_with('-') {
        let message = format!("{field}: 1 to {TEXT_BYTES} characters without spaces, not beginning with \"-\"");
        return Err(invalid(field, message));
    }
    Ok(())
}

pub(super) fn check_place(host: &str, port: u16, user: &str) -> Result<(), ServiceError> {
    check_text("host", host)?;
    check_text("user", user)?;
    if port == 0 { Err(invalid("port", "a port is 1 to 65535")) } else { Ok(()) }
}

pub(super) fn check_host_key(text: &str) -> Result<(), ServiceError> {
    if ssh::is_fingerprint(text) {
        return Ok(());
    }
    Err(invalid("host_key", "a host key is written as SHA256:… with 43 characters, as ssh-keygen -l prints it"))
}

pub(super) fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    if labels.len() > MAX_LABELS {
        return Err(invalid("labels", format!("a server has at most {MAX_LABELS} labels")));
    }
    for (key, value) in labels {
        check_name(key).and_then(|()| check_name(value)).map_err(|error| invalid("labels", error))?;
    }
    Ok(())
}

fn check_jump(jump: Option<&SshJump>) -> Result<(), ServiceError> {
    let Some(jump) = jump else { return Ok(()) };
    check_place(&jump.host, jump.port, &jump.user)
        .and_then(|()| check_host_key(&jump.host_key))
        .map_err(|error| invalid("jump", format!("the host in between: {}", error.error.message)))
}

fn release_key(key: Option<&str>, install: Option<InstallRights>) -> Result<Option<ReleaseKey>, ServiceError> {
    if key.is_some() && install.is_none() {
        return Err(invalid("update_key", "a release key goes with an agent that is installed")
            .with_next("choose the agent's rights as well (--install-agent)"));
    }
    key.map(|key| key.parse().map_err(|error: String| invalid("update_key", error))).transpose()
}

/// What a person has entered, as the door takes it. An SSH agent is only for whoever sits on this machine.
fn secret_of(caller: &Caller, entered: SshSecret) -> Result<Secret, ServiceError> {
    let fits = |length: usize| {
        let message = format!("a credential has 1 to {SECRET_BYTES} bytes, this one has {length}");
        if (1..=SECRET_BYTES).contains(&length) { Ok(()) } else { Err(invalid("credential", message)) }
    };
    match entered {
        SshSecret::Password { password } => {
            fits(password.reveal().len())?;
            Ok(Secret::Password(password))
        }
        SshSecret::Key { private_key, passphrase } => {
            fits(private_key.reveal().len())?;
            fits(passphrase.as_ref().map_or(1, |passphrase| passphrase.reveal().len()))?;
            Ok(Secret::Key { private_key, passphrase })
        }
        SshSecret::Agent { socket } => {
            let Principal::Socket { uid, .. } = caller.principal else {
                return Err(invalid(
                    "credential",
                    "an SSH agent can be used only on the daemon's own machine, over its local socket",
                )
                .with_next("give a key (--key) or a password"));
            };
            Ok(Secret::Agent { socket: socket.into(), uid })
        }
    }
}

/// What a failure at the host means, and what to do.
fn at_host(error: &SshError, server: Option<&str>) -> ServiceError {
    let (code, next) = match error {
        SshError::Resolve { .. } => (ErrorCode::HostFailed, "check the name, or give the address".to_owned()),
        SshError::Connect { .. } => (
            ErrorCode::HostFailed,
            "check that sshd listens there and that no firewall lies between it and the daemon".to_owned(),
        ),
        SshError::Protocol { .. } => (ErrorCode::HostFailed, "check the port: it has to be sshd's".to_owned()),
        SshError::HostKeyChanged { presented, .. } => {
            let again = server.map_or_else(
                || "compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says on the host itself".to_owned(),
                |server| format!("if the host was made anew: tomo server edit {server} --host-key {presented}; if not, somebody is in between"),
            );
            (ErrorCode::Conflict, again)
        }
        SshError::Credential(_) => (ErrorCode::Invalid, "enter another credential".to_owned()),
        SshError::Refused { .. } => (ErrorCode::Invalid, "check the user and the credential".to_owned()),
        SshError::Timeout { .. } | SshError::Broken { .. } => {
            (ErrorCode::HostFailed, "look at the host, then try again".to_owned())
        }
        SshError::Jump(inner) => {
            let inner = at_host(inner, None).error;
            (inner.code, inner.next.unwrap_or_default())
        }
    };
    let field = match error {
        SshError::Resolve { .. } | SshError::Connect { .. } => Some("host"),
        SshError::Protocol { .. } => Some("port"),
        SshError::HostKeyChanged { .. } => Some("host_key"),
        SshError::Credential(_) | SshError::Refused { .. } => Some("credential"),
        SshError::Jump(_) => Some("jump"),
        SshError::Timeout { .. } | SshError::Broken { .. } => None,
    };
    let error = ServiceError::new(code, error.to_string()).with_next(next);
    match field {
        Some(field) => error.with_field(field),
        None => error,
    }
}

/// Reads a credential where waiting for its passphrase's many rounds harms nobody.
async fn prepare(secret: &Secret) -> Result<Credential, SshError> {
    let secret = secret.clone();
    let prepared = tokio::task::spawn_blocking(move || Credential::prepare(&secret)).await;
    prepared.unwrap_or_else(|_| Err(SshError::Credential("it cannot be read".to_owned())))
}

/// Connects to the host in between and signs in there.
async fn through(jump: &SshJump, credential: &Credential) -> Result<Connection, SshError> {
    let SshJump { host, port, user, host_key } = jump.clone();
    let target = Target { host, port, user, host_key };
    let opened = async { Connection::open(&target, None).await?.authenticate(credential).await };
    opened.await.map_err(|error| SshError::Jump(Box::new(error)))
}

impl HandlePerson<ScanHostKey> for Services {
    async fn handle_person(&self, caller: &Caller, request: ScanHostKey) -> Result<HostKeyScan, ServiceError> {
        caller.require_admin("reaching a server by SSH")?;
        if let Some(name) = &request.name {
            self.context.check_new_name(name)?;
        }
        check_place(&request.host, request.port, "nobody")?;
        check_jump(request.jump.as_ref())?;
        let via = match (&request.jump, request.credential) {
            (None, _) => None,
            (Some(jump), Some(entered)) => {
                let secret = secret_of(caller, entered)?;
                let opened = async { through(jump, &prepare(&secret).await?).await };
                Some(opened.await.map_err(|error| at_host(&error, None))?)
            }
            (Some(_), None) => return Err(invalid("credential", "the host in between wants a credential")),
        };
        let key = ssh::scan(&request.host, request.port, via).await.map_err(|error| at_host(&error, None))?;
        let entry = self.context.entry(caller, "server.scan", AuditOutcome::Ok);
        let place = format!("{}:{}", display_line(&request.host, 120), request.port);
        let entry = entry.about("host", &place).with(format!("{} {}", key.algorithm, key.fingerprint));
        self.context.note(entry).await?;
        Ok(HostKeyScan { algorithm: key.algorithm, host_key: key.fingerprint })
    }
}

impl HandlePerson<AddServer> for Services {
    async fn handle_person(&self, caller: &Caller, request: AddServer) -> Result<Operation, ServiceError> {
        caller.require_admin("reaching a server by SSH")?;
        self.context.check_new_name(&request.name)?;
        check_place(&request.host, request.port, &request.user)?;
        check_host_key(&request.host_key)?;
        check_labels(&request.labels)?;
        check_jump(request.jump.as_ref())?;
        let update_key = release_key(request.update_key.as_deref(), request.install)?;
        let secret = secret_of(caller, request.credential)?;
        let ssh = Ssh {
            host: request.host,
            port: request.port,
            user: request.user,
            auth: None,
            host_key: Some(request.host_key),
            jump: request.jump,
            credential_kept: false,
        };
        let operation = self.context.new_operation(caller, OperationKind::AddServer, &request.name, None);
        let visit = Visit {
            whom: Whom::New { name: request.name, labels: request.labels },
            ssh,
            secret,
            sudo_password: request.sudo_password,
            install: request.install,
            update_key,
            again: request.again,
            keep: request.keep_credential,
        };
        self.begin_visit(caller, operation, visit).await
    }
}

impl HandlePerson<ConnectServer> for Services {
    async fn handle_person(&self, caller: &Caller, request: ConnectServer) -> Result<Operation, ServiceError> {
        caller.require_admin("reaching a server by SSH")?;
        let server = self.context.store.read(|view| lookup::server(view, caller, &request.server))?;
        let mut ssh = server.ssh.clone().ok_or_else(|| no_ssh(&server.name))?;
        if let Some(key) = request.host_key {
            check_host_key(&key)?;
            if ssh.host_key.as_ref().is_some_and(|pinned| *pinned != key) {
                let message = format!("server \"{}\" has another host key pinned", server.name);
                let next = format!("tomo server edit {} --host-key {key}", server.name);
                return Err(ServiceError::new(ErrorCode::Conflict, message).with_field("host_key").with_next(next));
            }
            ssh.host_key = Some(key);
        }
        if ssh.host_key.is_none() {
            let message = format!("no host key of server \"{}\" was agreed to yet", server.name);
            return Err(invalid("host_key", message).with_next(format!("tomo server connect {}", server.name)));
        }
        let update_key = release_key(request.update_key.as_deref(), request.install)?;
        let secret = match request.credential {
            Some(entered) => secret_of(caller, entered)?,
            None => self.context.kept_secret(&server).await?,
        };
        let kind = if request.install.is_some() { OperationKind::InstallAgent } else { OperationKind::ProbeServer };
        let operation = self.context.new_operation(caller, kind, &server.name, Some(&server.name));
        let visit = Visit {
            whom: Whom::Known(Box::new(server)),
            ssh,
            secret,
            sudo_password: request.sudo_password,
            install: request.install,
            update_key,
            again: request.again,
            keep: request.keep_credential,
        };
        self.begin_visit(caller, operation, visit).await
    }
}

impl HandlePerson<EditServer> for Services {
    async fn handle_person(&self, caller: &Caller, request: EditServer) -> Result<Done, ServiceError> {
        caller.require_admin("reaching a server by SSH")?;
        let id = self.context.store.read(|view| lookup::server(view, caller, &request.server))?.id;
        if let Some(labels) = &request.labels {
            check_labels(labels)?;
        }
        if let Some(key) = &request.host_key {
            check_host_key(key)?;
        }
        check_jump(request.jump.as_ref())?;
        let entry = self.context.entry(caller, "server.edit", AuditOutcome::Ok);
        let name = self
            .context
            .store
            .write(move |change| {
                let missing = || ServiceError::new(ErrorCode::NotFound, "the server is gone");
                let mut server = change.get::<Server>(id.to_u64())?.ok_or_else(missing)?;
                let mut told = Vec::new();
                if let Some(labels) = &request.labels {
                    told.push(format!("labels {labels:?}"));
                    server.labels.clone_from(labels);
                }
                let before = server.ssh.clone();
                if let Some(ssh) = changed_place(before.clone(), &request)? {
                    told.push(format!("{}@{}:{}", ssh.user, ssh.host, ssh.port));
                    told.extend(ssh.host_key.clone());
                    if before.as_ref() != Some(&ssh) {
                        // It was entered for another place.
                        change.remove::<CredentialRecord>(id.to_u64());
                        change.remove::<ProbeRecord>(id.to_u64());
                    }
                    server.ssh =
                        Some(Ssh { credential_kept: before.as_ref() == Some(&ssh) && ssh.credential_kept, ..ssh });
                }
                if told.is_empty() {
                    return Err(ServiceError::new(ErrorCode::Invalid, "nothing is to be changed")
                        .with_next(format!("tomo server edit {} --help", server.name)));
                }
                change.put(&server)?;
                change.audit(entry.about("server", &server.name).with(display_line(&told.join(", "), 300)));
                Ok(server.name)
            })
            .await?;
        tracing::debug!(server = %name, "a server was edited");
        self.context.live.publish(Topic::Server(id));
        Ok(Done {})
    }
}

/// The place after an edit; `None` if the edit is not about it. Another host has another key.
fn changed_place(before: Option<Ssh>, request: &EditServer) -> Result<Option<Ssh>, ServiceError> {
    let EditServer { host, port, user, host_key, jump, direct, .. } = request;
    if host.is_none() && port.is_none() && user.is_none() && host_key.is_none() && jump.is_none() && !direct {
        return Ok(None);
    }
    let moved = host.is_some() || port.is_some();
    let mut ssh = match before {
        Some(before) => before,
        None => Ssh {
            host: String::new(),
            port: SSH_PORT,
            user: String::new(),
            auth: None,
            host_key: None,
            jump: None,
            credential_kept: false,
        },
    };
    let old = ssh.clone();
    ssh.host = host.clone().unwrap_or(ssh.host);
    ssh.port = port.unwrap_or(ssh.port);
    ssh.user = user.clone().unwrap_or(ssh.user);
    check_place(&ssh.host, ssh.port, &ssh.user)?;
    if moved && (ssh.host != old.host || ssh.port != old.port) {
        ssh.host_key = None;
    }
    ssh.host_key = host_key.clone().or(ssh.host_key);
    ssh.jump = if *direct { None } else { jump.clone().or(ssh.jump) };
    Ok(Some(ssh))
}

impl HandlePerson<ForgetCredential> for Services {
    async fn handle_person(&self, caller: &Caller, request: ForgetCredential) -> Result<Done, ServiceError> {
        caller.require_admin("reaching a server by SSH")?;
        let server = self.context.store.read(|view| lookup::server(view, caller, &request.server))?;
        let (id, key) = (server.id, server.id.to_u64());
        let entry = self.context.entry(caller, "server.forget_credential", AuditOutcome::Ok);
        let entry = entry.about("server", &server.name);
        self.context
            .store
            .write(move |change| {
                if let Some(mut server) = change.get::<Server>(key)?
                    && let Some(ssh) = &mut server.ssh
                {
                    ssh.credential_kept = false;
                    change.put(&server)?;
                }
                change.remove::<CredentialRecord>(key);
                change.audit(entry);
                Ok::<_, StoreError>(())
            })
            .await?;
        self.context.live.publish(Topic::Server(id));
        Ok(Done {})
    }
}

impl Handle<ServerAdd> for Services {
    async fn handle(&self, caller: Authorized<'_, ServerAdd>, request: ServerAdd) -> Result<Plan, ServiceError> {
        let port = request.port.unwrap_or(SSH_PORT);
        check_name(&request.name).map_err(|error| invalid("name", error))?;
        check_place(&request.host, port, &request.user)?;
        if let Some(key) = &request.host_key {
            check_host_key(key)?;
        }
        check_labels(&request.labels)?;
        let change = PlannedChange::AddServer {
            name: request.name,
            host: request.host,
            port,
            user: request.user,
            host_key: request.host_key,
            labels: request.labels,
        };
        self.record_plan(&caller, "server_add", change, request.reason).await
    }
}

impl Services {
    /// Begins a visit in a task of its own; what has begun goes on even if the caller has gone.
    async fn begin_visit(
        &self,
        caller: &Caller,
        operation: Operation,
        visit: Visit,
    ) -> Result<Operation, ServiceError> {
        // What is to be kept has to be sealed at the end.
        if visit.keeps() {
            drop(self.context.open_vault().await?);
        }
        let ssh = &visit.ssh;
        let details = format!("{} {}@{}:{}", operation.operation, ssh.user, ssh.host, ssh.port);
        let intent = self.context.entry(caller, operation.kind.as_str(), AuditOutcome::Intent);
        let intent = intent.about("server", &operation.target).with(display_line(&details, 300));
        let running = match self.context.begin(operation.clone(), intent.clone()).await? {
            Begun::New(running) => running,
            Begun::Already(other) => return Err(under_way(&other)),
        };
        let (context, caller) = (Arc::clone(&self.context), caller.clone());
        self.context.tasks.spawn(async move { context.pay_visit(running, caller, visit, intent).await });
        Ok(operation)
    }
}

impl super::Context {
    /// Whether a server may be called that.
    fn check_new_name(&self, name: &str) -> Result<(), ServiceError> {
        check_name(name).map_err(|error| invalid("name", error))?;
        let known = self.store.read(|view| view.list::<Server>())?;
        if known.iter().any(|server| server.name == name) { Err(taken(name)) } else { Ok(()) }
    }
}

/// The name belongs to another server.
pub(super) fn taken(name: &str) -> ServiceError {
    ServiceError::new(ErrorCode::Conflict, format!("there is a server \"{name}\" already"))
        .with_field("name")
        .with_next(format!("tomo server connect {name}, or choose another name"))
}

fn no_ssh(name: &str) -> ServiceError {
    ServiceError::new(ErrorCode::Conflict, format!("nothing is known about reaching server \"{name}\" by SSH"))
        .with_next(format!("tomo server edit {name} --host HOST --user USER"))
}
