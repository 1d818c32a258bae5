//! Putting an agent on a host: carried over, compared, and installed by itself there. The enrolment token goes in on standard
//! input; what fails is taken back.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tokio::time::{sleep, timeout};
use tomo_proto::{
    api::person::{CreateEnrolment, SecretText},
    error::ErrorCode,
    model::{
        server::Server,
        ssh::{InstallRights, Ssh, SshProbe, SshSudo},
    },
    text::display_line,
};
use zeroize::Zeroizing;

use super::{
    at_host,
    visit::{Stopped, Visit, Whom},
};
use crate::{
    services::{Context, access::Caller, agent::Installing, error::ServiceError, operation::Running},
    ssh::{CommandLine, Connection, Folder, Limits, SshError},
    store::StoreError,
};

/// What the agent's own installation may take.
const INSTALL: Limits = Limits { time: Duration::from_secs(120), output_bytes: 256 * 1024 };
/// How long a new agent's first figures may take.
const LINK: Duration = Duration::from_secs(30);
/// How long it takes to look again whether they are there, if nobody says so.
const LOOK: Duration = Duration::from_millis(200);
/// From one try to get back to a host to the next.
const AGAIN: Duration = Duration::from_secs(2);
/// How long a host whose connection was lost may stay away.
const BACK: Duration = Duration::from_secs(20);
/// Where agents for other machines lie: a folder for each kind of machine.
const AGENTS: &str = "/usr/lib/tomo/agents";

/// A host that somebody is signed in at.
pub(super) struct Host<'a> {
    pub(super) connection: &'a Connection,
    pub(super) probe: &'a SshProbe,
    pub(super) visit: &'a Visit,
}

/// A line that the agent says while it is installed.
#[derive(Debug, Deserialize)]
struct Said {
    #[serde(default)]
    step: Option<String>,
    #[serde(default)]
    done: bool,
}

impl Host<'_> {
    fn refuse(&self, message: impl Into<String>, next: impl Into<String>) -> ServiceError {
        ServiceError::new(ErrorCode::HostFailed, message).with_next(next)
    }

    /// Whether an agent can be put there at all; the file that fits.
    fn check(&self) -> Result<PathBuf, ServiceError> {
        let (probe, visit) = (self.probe, self.visit);
        let name = visit.whom.name();
        let by_hand = || format!("tomo agent token {name}, and enroll and run tomo-agent there by hand");
        if probe.systemd.is_none() {
            return Err(self.refuse("the host does not run systemd, which keeps the agent running", by_hand()));
        }
        let user = display_line(&visit.ssh.user, 60);
        match (probe.sudo, visit.sudo_password()) {
            (SshSudo::Root | SshSudo::Passwordless, _) | (SshSudo::Password, Some(_)) => {}
            (SshSudo::Password, None) => {
                return Err(self
                    .refuse(
                        format!("sudo asks {user} for a password"),
                        "give it as well (--sudo-password-stdin), or let the user use sudo without one",
                    )
                    .with_field("sudo_password"));
            }
            (SshSudo::None, tried) => {
                let why = tried.map_or("", |_| ": sudo does not take the password");
                let field = if visit.sudo_password.is_some() { "sudo_password" } else { "user" };
                return Err(self
                    .refuse(
                        format!("user {user} cannot become root there, which installing the agent takes{why}"),
                        "let the user use sudo there, give its password (--sudo-password-stdin), or connect as root",
                    )
                    .with_field(field));
            }
        }
        if probe.agent_installed && !visit.again {
            return Err(ServiceError::new(ErrorCode::Conflict, "an agent is installed on that host already")
                .with_field("again")
                .with_next("the same with --again enrolls it anew for this daemon"));
        }
        let target = match probe.architecture.as_str() {
            "x86_64" => "x86_64-unknown-linux-gnu",
            other => {
                let message = format!("there is no agent for {}", display_line(other, 40));
                return Err(self.refuse(message, "an agent built there can be enrolled by hand: tomo agent token"));
            }
        };
        let file = agent_file(target).ok_or_else(|| {
            self.refuse(
                format!("the agent for {target} is not there"),
                format!("put it at {AGENTS}/{target}/tomo-agent on the daemon's machine"),
            )
        })?;
        let size = std::fs::metadata(&file).map_or(0, |facts| facts.len());
        for place in &probe.filesystems {
            // Once in the folder it is carried to, once where it stays.
            let free = place.total_bytes.saturating_sub(place.used_bytes);
            if free < size.saturating_mul(2) {
                let message = format!("{} has room for {free} bytes, the agent takes {size}, twice", place.mount);
                return Err(self.refuse(message, "free some room there, then try again"));
            }
        }
        Ok(file)
    }

    /// Runs one of our own commands as root: the agent that was carried over, or the one that is installed.
    async fn as_root(
        &self,
        agent: Option<&Folder>,
        words: &[&'static str],
        input: &SecretText,
        tell: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(Option<u32>, String), SshError> {
        let before = match self.probe.sudo {
            SshSudo::Root | SshSudo::None => "",
            SshSudo::Passwordless => "sudo -n -- ",
            // Asked for in any case, so that the first line is always the password.
            SshSudo::Password => "sudo -k -S -p '' -- ",
        };
        let command = match agent {
            Some(folder) => CommandLine::within(before, folder),
            None => CommandLine::fixed(before),
        };
        let command = words.iter().fold(command, |command, words| command.then(words));
        let asked = (self.probe.sudo == SshSudo::Password).then(|| self.visit.sudo_password()).flatten();
        let password = asked.map(|password| format!("{}\n", password.reveal())).unwrap_or_default();
        let input = Zeroizing::new(format!("{}{}\n", Zeroizing::new(password).as_str(), input.reveal()));
        let ran = self.connection.run(&command, input.as_bytes(), INSTALL, tell).await?;
        // Shells may talk before; the last line is the program's own.
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Ok((ran.status, display_line(last.trim().trim_start_matches("error: "), 400)))
    }
}

/// The agent's file for a kind of machine: where packages put it, or beside this program.
fn agent_file(target: &str) -> Option<PathBuf> {
    let packaged = Path::new(AGENTS).join(target).join("tomo-agent");
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("tomo-agent"));
    std::iter::once(packaged).chain(beside).find(|path| path.is_file())
}

const fn install_words(rights: InstallRights) -> &'static str {
    match rights {
        InstallRights::Metrics => "/tomo-agent install --carried --rights metrics",
        InstallRights::Containers => "/tomo-agent install --carried --rights containers",
        InstallRights::Deploys => "/tomo-agent install --carried --rights deploys",
    }
}

impl Context {
    /// Installs an agent and waits for its first figures. Whatever fails, nothing is left on the host.
    pub(super) async fn install_agent(
        &self,
        running: &Running,
        caller: &Caller,
        host: &Host<'_>,
        rights: InstallRights,
    ) -> Result<(), Stopped> {
        let failed = |error| Stopped::Failed(at_host(&error, Some(host.visit.whom.name())));
        let file = host.check()?;
        self.tell(running, "make a folder below /tmp", None);
        let folder = host.connection.make_folder().await.map_err(failed)?;
        let mut begun = false;
        let mut outcome = tokio::select! {
            carried = self.carry_over(running, host, &file, &folder) => carried,
            () = self.stopped(running) => Err(Stopped::Cancelled),
        };
        if outcome.is_ok() {
            outcome = self.let_it_install(running, caller, host, rights, &folder, &mut begun).await;
        }
        let removed = host.connection.remove_folder(&folder).await;
        match (outcome, removed) {
            (Ok(()), removed) => {
                if removed.is_err() {
                    // The agent has removed it itself; the way there is not needed any more.
                    tracing::debug!(folder = folder.path(), "the connection was lost after an installation");
                }
                Ok(())
            }
            (Err(stopped), Err(_)) => tokio::select! {
                came = self.come_back(running, host, &folder, begun, stopped) => came,
                // Without us it takes back what it has done.
                () = self.stop.cancelled() => Err(Stopped::Cancelled),
            },
            (Err(stopped), Ok(())) => {
                if begun && !host.probe.agent_installed {
                    self.remove_agent(running, host).await;
                }
                Err(stopped)
            }
        }
    }

    async fn carry_over(
        &self,
        running: &Running,
        host: &Host<'_>,
        file: &Path,
        folder: &Folder,
    ) -> Result<(), Stopped> {
        self.tell(running, "carry the agent over", Some(0));
        let mut progress = |percent| self.tell(running, "carry the agent over", Some(percent));
        let carried = host.connection.upload(file, folder, &mut progress).await;
        carried.map_err(|error| at_host(&error, Some(host.visit.whom.name())).into())
    }

    /// Runs the agent's own installation. Whoever cancels meanwhile waits for its end, since it cannot be undone from two sides.
    async fn let_it_install(
        &self,
        running: &Running,
        caller: &Caller,
        host: &Host<'_>,
        rights: InstallRights,
        folder: &Folder,
        begun: &mut bool,
    ) -> Result<(), Stopped> {
        let visit = host.visit;
        let name = visit.whom.name();
        let failed = |error: SshError| at_host(&error, Some(name));
        let labels = match &visit.whom {
            Whom::New { labels, .. } => labels.clone(),
            Whom::Known(_) => std::collections::BTreeMap::new(),
        };
        let request = CreateEnrolment { server: name.to_owned(), labels, expires_in_minutes: None };
        let ssh = Ssh { auth: Some(visit.secret.kind()), credential_kept: false, ..visit.ssh.clone() };
        let from = Some(Installing { ssh, again: visit.again });
        let token = self.create_enrolment(caller, request, from).await?.token;
        self.tell(running, "let the agent install itself", None);
        let mut done = false;
        // From here on something may lie there.
        *begun = true;
        let mut tell = |line: &str| {
            let Ok(said) = serde_json::from_str::<Said>(line) else { return };
            done |= said.done;
            if let Some(step) = said.step {
                self.tell(running, &format!("agent: {step}"), None);
            }
        };
        let mut words = vec![install_words(rights)];
        words.extend(visit.again.then_some(" --again"));
        // The second line of standard input.
        words.extend(visit.update_key.map(|_| " --update-key -"));
        let key = visit.update_key.map_or_else(String::new, |key| format!("\n{key}"));
        let input = SecretText::new(format!("{}{key}", token.reveal()));
        let (status, said) = tokio::select! {
            ran = host.as_root(Some(folder), &words, &input, &mut tell) => ran.map_err(failed)?,
            // Without us it takes back what it has done.
            () = self.stop.cancelled() => {
                *begun = false;
                return Err(Stopped::Cancelled);
            }
        };
        if status != Some(0) || !done {
            // It has taken everything back itself.
            *begun = false;
            let why = if said.is_empty() { "it does not say why".to_owned() } else { said };
            let next = match &visit.whom {
                Whom::New { .. } => "put that right on the host, then add the server again".to_owned(),
                Whom::Known(_) => format!(
                    "put that right on the host, then: tomo server connect {name} --install-agent {}",
                    rights.as_str()
                ),
            };
            return Err(host.refuse(format!("the agent could not be installed: {why}"), next).into());
        }
        self.tell(running, "wait for the agent's first figures", None);
        tokio::select! {
            biased;
            () = self.stopped(running) => Err(Stopped::Cancelled),
            figures = self.first_figures(name, LINK) => figures.map_err(Stopped::Failed),
        }
    }

    /// Waits until the agent that was installed on a server is connected and has told figures.
    pub(super) async fn first_figures(&self, name: &str, within: Duration) -> Result<(), ServiceError> {
        let mut notices = self.live.subscribe();
        let arrived = async {
            loop {
                let servers = self.store.read(|view| view.list::<Server>())?;
                let server = servers.into_iter().find(|server| server.name == name);
                if let Some(server) = server
                    && let Some(agent) = server.next_agent.or(server.agent)
                    && self.hub.is_online_as(server.id, agent)
                    && self.live.server(server.id).is_some_and(|live| live.vitals.is_some())
                {
                    return Ok::<_, StoreError>(());
                }
                // A notice that was missed is made up for by the next look.
                drop(timeout(LOOK, notices.recv()).await);
            }
        };
        match timeout(within, arrived).await {
            Ok(arrived) => Ok(arrived?),
            Err(_) => {
                let addresses = self.hub.advertised().join(", ");
                let message = format!("the agent was installed and does not reach the daemon at {addresses} (UDP)");
                Err(ServiceError::new(ErrorCode::HostFailed, message).with_next(format!(
                    "open UDP towards the daemon's port {}, or set hub.advertise to an address that the host can reach",
                    self.hub.local_addr().port()
                )))
            }
        }
    }

    /// The connection was lost while the agent was carried over or installed: goes there once more, waits for the end of what was
    /// begun, and takes away what is left. An agent that has connected meanwhile stays: only the answer did not come.
    async fn come_back(
        &self,
        running: &Running,
        host: &Host<'_>,
        folder: &Folder,
        begun: bool,
        stopped: Stopped,
    ) -> Result<(), Stopped> {
        let visit = host.visit;
        let name = visit.whom.name();
        self.tell(running, "the connection was lost: go there once more", None);
        let back = timeout(BACK, self.get_back(visit)).await.ok();
        if let Some((connection, _)) = &back {
            if begun {
                // Whoever installs removes the folder at its end, whatever that is.
                drop(timeout(INSTALL.time, connection.gone(folder)).await);
            }
            drop(connection.remove_folder(folder).await);
        }
        let started_ms = running.state.borrow().started_at;
        if begun && self.enrolled_since(name, started_ms)? && self.first_figures(name, LINK).await.is_ok() {
            self.tell(running, "the agent is connected all the same", None);
            return Ok(());
        }
        let Some((connection, probe)) = back else {
            let next = format!(
                "remove {} there, run `tomo-agent uninstall` as root if it is installed, then try again",
                folder.path()
            );
            self.tell(running, &format!("not known is what is left on the host: {next}"), None);
            return Err(stopped.after("the host cannot be reached any more, to see what is left there", next));
        };
        if begun
            && !host.probe.agent_installed
            && connection.probe(None, &[], &self.clock).await.is_ok_and(|now| now.agent_installed)
        {
            self.remove_agent(running, &Host { connection: &connection, probe: &probe, visit }).await;
        }
        connection.close().await;
        Err(stopped.after("everything on the host is as it was", "see that the connection holds, then try again"))
    }

    /// Goes to a host whose connection was lost until it lets in again.
    async fn get_back(&self, visit: &Visit) -> (Connection, SshProbe) {
        let sudo = visit.sudo_password().map(SecretText::reveal);
        loop {
            match self.look_around(visit.whom.known(), &visit.ssh, &visit.secret, sudo, &mut |_| {}).await {
                Ok(came) => return came,
                Err(error) => tracing::debug!(error = error.error.message, "a host does not let in again yet"),
            }
            sleep(AGAIN).await;
        }
    }

    /// Takes an agent off the host again.
    pub(super) async fn remove_agent(&self, running: &Running, host: &Host<'_>) {
        self.tell(running, "take the agent off the host again", None);
        let nothing = SecretText::default();
        let removed = host.as_root(None, &["/usr/local/bin/tomo-agent uninstall"], &nothing, &mut |_| {}).await;
        let why = match removed {
            Ok((Some(0), _)) => return,
            Ok((_, said)) => said,
            Err(error) => error.to_string(),
        };
        tracing::warn!(%why, server = host.visit.whom.name(), "an agent could not be taken off a host again");
        self.tell(running, &format!("left on the host: run `tomo-agent uninstall` there as root ({why})"), None);
    }
}
