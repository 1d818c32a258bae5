//! One visit at a host: there, in, a look around, an agent if wanted, and at last what is remembered.

use std::{collections::BTreeMap, sync::Arc};

use tomo_proto::{
    api::person::SecretText,
    error::ErrorCode,
    id::{AgentId, ServerId},
    model::{
        agent::{Agent, Enrolment},
        operation::OperationError,
        release::ReleaseKey,
        server::Server,
        ssh::{InstallRights, Ssh, SshProbe, SshSudo},
    },
};

use super::{at_host, credential::seal, install::Host, prepare, taken, through};
use crate::{
    crypto,
    live::Topic,
    services::{
        Context,
        access::Caller,
        error::ServiceError,
        execute::{Ended, note_step},
        operation::Running,
    },
    ssh::{Connection, Secret, Target},
    store::{
        NewAuditEntry, StoreError, WriteTx,
        records::{CredentialRecord, ProbeRecord},
    },
};

/// Whom a visit is paid to.
#[derive(Debug, Clone)]
pub(super) enum Whom {
    /// A server that is to be.
    New { name: String, labels: BTreeMap<String, String> },
    /// One that is there.
    Known(Box<Server>),
}

impl Whom {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::New { name, .. } => name,
            Self::Known(server) => &server.name,
        }
    }

    /// The name of a server that is there.
    pub(super) fn known(&self) -> Option<&str> {
        match self {
            Self::New { .. } => None,
            Self::Known(server) => Some(&server.name),
        }
    }
}

/// What a visit is for.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) whom: Whom,
    pub(super) ssh: Ssh,
    pub(super) secret: Secret,
    /// What sudo asks for, if it is not the password that signs in.
    pub(super) sudo_password: Option<SecretText>,
    pub(super) install: Option<InstallRights>,
    /// Whose releases that agent takes over the link.
    pub(super) update_key: Option<ReleaseKey>,
    pub(super) again: bool,
    /// Keep the credential, sealed, even with an agent there.
    pub(super) keep: bool,
}

impl Visit {
    /// Whether its credential is to be kept. What was kept before stays as it is, unless an agent makes it needless.
    pub(super) const fn keeps(&self) -> bool {
        self.keep || self.install.is_none() && matches!(self.whom, Whom::New { .. })
    }

    /// What sudo is answered.
    pub(super) fn sudo_password(&self) -> Option<&SecretText> {
        self.sudo_password.as_ref().or(match &self.secret {
            Secret::Password(password) => Some(password),
            Secret::Key { .. } | Secret::Agent { .. } => None,
        })
    }
}

/// Why a visit ended before its end.
pub(super) enum Stopped {
    Failed(ServiceError),
    Cancelled,
}

impl Stopped {
    /// The same, with how it is at the host afterwards.
    pub(super) fn after(mut self, how: &str, next: impl Into<String>) -> Self {
        if let Self::Failed(failed) = &mut self {
            failed.error.message = format!("{}; {how}", failed.error.message);
            failed.error.next = Some(next.into());
        }
        self
    }
}

impl From<ServiceError> for Stopped {
    fn from(error: ServiceError) -> Self {
        Self::Failed(error)
    }
}

impl Context {
    /// Tells a step of an operation.
    pub(in crate::services) fn tell(&self, running: &Running, step: &str, percent: Option<u8>) {
        let now_ms = self.clock.now_ms();
        running.state.send_modify(|operation| note_step(operation, step, percent, now_ms));
        self.live.publish(Topic::Operation(running.state.borrow().operation));
    }

    /// Goes there, in, and looks around. `known`: the server's name, if it is one already.
    pub(super) async fn look_around(
        &self,
        known: Option<&str>,
        ssh: &Ssh,
        secret: &Secret,
        sudo_password: Option<&str>,
        tell: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(Connection, SshProbe), ServiceError> {
        let failed = |error| at_host(&error, known);
        let host_key = ssh.host_key.clone().unwrap_or_default();
        let target = Target { host: ssh.host.clone(), port: ssh.port, user: ssh.user.clone(), host_key };
        let credential = prepare(secret).await.map_err(failed)?;
        let via = match &ssh.jump {
            None => None,
            Some(jump) => {
                tell(&format!("connect to {}:{} in between and sign in as {}", jump.host, jump.port, jump.user));
                Some(through(jump, &credential).await.map_err(failed)?)
            }
        };
        tell(&format!("connect to {}:{}", target.host, target.port));
        let connection = Connection::open(&target, via).await.map_err(failed)?;
        tell(&format!("the host key is {}, as agreed", target.host_key));
        tell(&format!("sign in as {} with {}", target.user, credential.kind().as_str()));
        let connection = connection.authenticate(&credential).await.map_err(failed)?;
        tell("look around");
        let probe = connection.probe(sudo_password, &self.hub.advertised(), &self.clock).await.map_err(failed)?;
        tell(&describe(&probe));
        probe.udp.iter().for_each(|udp| tell(&udp.to_string()));
        Ok((connection, probe))
    }

    /// Carries a visit out, from its first step to its end in the store.
    pub(super) async fn pay_visit(
        self: Arc<Self>,
        running: Running,
        caller: Caller,
        visit: Visit,
        intent: NewAuditEntry,
    ) {
        let started_ms = self.clock.now_ms();
        let came = async {
            let saved = self.come_and_save(&running, &caller, &visit).await;
            if saved.is_err() && visit.install.is_some() {
                let is_new = matches!(visit.whom, Whom::New { .. });
                self.undo_enrolment(visit.whom.name(), is_new, started_ms).await;
            }
            saved
        };
        let ended = match came.await {
            Ok(()) => Ended::Done,
            Err(Stopped::Failed(error)) => Ended::failed(error),
            Err(Stopped::Cancelled) if self.stop.is_cancelled() => Ended::Unknown(OperationError {
                code: ErrorCode::TimeoutUnknown,
                message: "the daemon stops".to_owned(),
                next: Some("look at the server before trying again".to_owned()),
                field: None,
            }),
            Err(Stopped::Cancelled) => Ended::Cancelled,
        };
        self.end_visit(running, intent, ended).await;
    }

    /// Writes a visit's end down and tells it.
    pub(super) async fn end_visit(&self, running: Running, intent: NewAuditEntry, ended: Ended) {
        let name = running.state.borrow().target.clone();
        self.conclude(running, intent, ended, |_, _| Ok(())).await;
        let server = self.store.read(|view| view.list::<Server>());
        if let Some(server) = server.ok().and_then(|all| all.into_iter().find(|one| one.name == name)) {
            self.live.publish(Topic::Server(server.id));
        }
    }

    async fn come_and_save(&self, running: &Running, caller: &Caller, visit: &Visit) -> Result<(), Stopped> {
        let mut tell = |step: &str| self.tell(running, step, None);
        let sudo = visit.sudo_password().map(SecretText::reveal);
        let looking = self.look_around(visit.whom.known(), &visit.ssh, &visit.secret, sudo, &mut tell);
        let (connection, probe) = tokio::select! {
            looked = looking => looked?,
            () = self.stopped(running) => return Err(Stopped::Cancelled),
        };
        self.tell_link(running, &visit.whom)?;
        let host = Host { connection: &connection, probe: &probe, visit };
        let came = async {
            if let Some(rights) = visit.install {
                self.install_agent(running, caller, &host, rights).await?;
            }
            self.tell(running, "save", None);
            let saved = self.save(visit, &probe).await;
            if saved.is_err() && visit.install.is_some() {
                self.remove_agent(running, &host).await;
            }
            saved.map_err(Stopped::Failed)
        };
        let came = came.await;
        connection.close().await;
        came
    }

    /// Tells how the agent that a server has reaches this daemon.
    fn tell_link(&self, running: &Running, whom: &Whom) -> Result<(), ServiceError> {
        let Whom::Known(server) = whom else { return Ok(()) };
        let Some(id) = server.agent else { return Ok(()) };
        if self.store.read(|view| view.get::<Agent>(id.to_u64()))?.is_none_or(|agent| agent.revoked_at.is_some()) {
            return Ok(());
        }
        let live = self.live.server(server.id).filter(|_| self.hub.is_online_as(server.id, id));
        let step = live.map_or_else(
            || {
                format!(
                    "its agent is not connected: see that it runs there, and that UDP is open from it to {}",
                    self.hub.advertised().join(" or ")
                )
            },
            |live| format!("its agent is connected, with a round trip of {:.1} ms by UDP", live.round_trip_ms),
        );
        self.tell(running, &step, None);
        Ok(())
    }

    /// Waits until the operation is cancelled, or the daemon stops.
    pub(super) async fn stopped(&self, running: &Running) {
        tokio::select! {
            () = running.cancel.cancelled() => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Writes down what the visit found, and the credential if it is to be kept.
    async fn save(&self, visit: &Visit, probe: &SshProbe) -> Result<(), ServiceError> {
        let now_ms = self.clock.now_ms();
        let fresh = ServerId::from_parts(now_ms, crypto::random_u32());
        let id = match &visit.whom {
            Whom::Known(server) => server.id,
            // An agent that was installed meanwhile has made it.
            Whom::New { name, .. } => {
                let known = self.store.read(|view| view.list::<Server>())?;
                known.iter().find(|one| one.name == *name && visit.install.is_some()).map_or(fresh, |one| one.id)
            }
        };
        let vault = if visit.keeps() { Some(self.open_vault().await?) } else { None };
        let secret = visit.secret.clone();
        let (whom, mut ssh, forget) = (visit.whom.clone(), visit.ssh.clone(), visit.install.is_some() && !visit.keep);
        ssh.auth = Some(visit.secret.kind());
        let record = ProbeRecord { server: id.to_u64(), probe: probe.clone() };
        let installed = visit.install.is_some();
        let replaced = self
            .store
            .write(move |change| {
                let there = change.get::<Server>(id.to_u64())?;
                let mut server = match (there, &whom) {
                    (Some(server), _) => server,
                    (None, Whom::Known(_)) => return Err(ServiceError::new(ErrorCode::NotFound, "the server is gone")),
                    (None, Whom::New { name, labels }) => {
                        if change.list::<Server>()?.iter().any(|other| other.name == *name) {
                            return Err(taken(name));
                        }
                        Server {
                            id,
                            name: name.clone(),
                            labels: labels.clone(),
                            agent: None,
                            next_agent: None,
                            created_at: now_ms,
                            ssh: None,
                        }
                    }
                };
                let sealed = vault.and_then(|vault| seal(&vault, id.to_u64(), &secret));
                if let Some(sealed) = &sealed {
                    change.put(sealed)?;
                } else if forget {
                    change.remove::<CredentialRecord>(id.to_u64());
                }
                ssh.credential_kept = change.get::<CredentialRecord>(id.to_u64())?.is_some();
                server.ssh = Some(ssh);
                change.put(&server)?;
                change.put(&record)?;
                let replaced = if installed { hand_over(change, server, now_ms)? } else { None };
                Ok::<_, ServiceError>(replaced)
            })
            .await?;
        if let Some(old) = replaced {
            self.hub.revoke(old);
        }
        Ok(())
    }

    /// Whether an agent has enrolled for a server since a time and was not shut out.
    pub(super) fn enrolled_since(&self, name: &str, since_ms: u64) -> Result<bool, ServiceError> {
        let (servers, agents) =
            self.store.read(|view| Ok::<_, StoreError>((view.list::<Server>()?, view.list::<Agent>()?)))?;
        let server = servers.into_iter().find(|server| server.name == name).map(|server| server.id);
        let made =
            |agent: &Agent| Some(agent.server) == server && agent.enrolled_at >= since_ms && agent.revoked_at.is_none();
        Ok(agents.iter().any(made))
    }

    /// Takes back what an agent that was installed by a visit that failed left in the store.
    pub(super) async fn undo_enrolment(&self, name: &str, is_new: bool, started_ms: u64) {
        let (name, now_ms) = (name.to_owned(), self.clock.now_ms());
        let undone = self
            .store
            .write(move |change| {
                for enrolment in change.list::<Enrolment>()? {
                    if enrolment.server == name && enrolment.created_at >= started_ms {
                        change.remove::<Enrolment>(enrolment.id.to_u64());
                    }
                }
                let server = change.list::<Server>()?.into_iter().find(|server| server.name == name);
                let Some(mut server) = server else { return Ok(None) };
                if server.next_agent.take().is_some() {
                    change.put(&server)?;
                }
                let agents = change.list::<Agent>()?;
                let made = agents.into_iter().find(|one| one.server == server.id && one.enrolled_at >= started_ms);
                if let Some(mut agent) = made.clone() {
                    agent.revoked_at.get_or_insert(now_ms);
                    change.put(&agent)?;
                }
                let goes = is_new && server.created_at >= started_ms;
                if goes {
                    change.remove::<Server>(server.id.to_u64());
                }
                Ok::<_, StoreError>(Some((server.id, made, goes)))
            })
            .await;
        match undone {
            Ok(Some((server, agent, goes))) => {
                if let Some(agent) = agent {
                    self.hub.revoke(agent.id);
                }
                if goes {
                    self.live.remove_server(server);
                }
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "what a failed visit left behind cannot be removed"),
        }
    }
}

/// The agent that was installed in another one's place takes over; the one that is shut out by that.
pub(super) fn hand_over(
    change: &mut WriteTx<'_>,
    mut server: Server,
    now_ms: u64,
) -> Result<Option<AgentId>, StoreError> {
    let Some(next) = server.next_agent.take() else { return Ok(None) };
    let old = server.agent.replace(next);
    change.put(&server)?;
    if let Some(mut agent) = old.map(|id| change.get::<Agent>(id.to_u64())).transpose()?.flatten() {
        agent.revoked_at.get_or_insert(now_ms);
        change.put(&agent)?;
    }
    Ok(old)
}

/// What was found, as one step.
fn describe(probe: &SshProbe) -> String {
    let gigabytes = |bytes: u64| format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000);
    let free = probe.filesystems.first().map_or_else(String::new, |root| {
        format!(", {} free on {}", gigabytes(root.total_bytes.saturating_sub(root.used_bytes)), root.mount)
    });
    let docker = match (&probe.docker.version, probe.docker.socket, probe.docker.access) {
        (Some(version), ..) => format!("Docker {version}"),
        (None, true, true) => "an engine's socket".to_owned(),
        (None, true, false) => "Docker (not for this user)".to_owned(),
        (None, false, _) => "no Docker".to_owned(),
    };
    let systemd = probe.systemd.as_ref().map_or_else(|| "no systemd".to_owned(), |state| format!("systemd {state}"));
    format!(
        "found {}, Linux {} {}, {} cores, {} memory{free}, {systemd}, {docker}, root by {}, clock {:+} ms",
        probe.os,
        probe.kernel,
        probe.architecture,
        probe.cpu_count,
        gigabytes(probe.memory_total_bytes),
        match probe.sudo {
            SshSudo::Root => "being it",
            SshSudo::Passwordless => "sudo",
            SshSudo::Password => "sudo with a password",
            SshSudo::None => "no way",
        },
        probe.clock_skew_ms
    )
}
