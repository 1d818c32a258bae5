//! Updates of agents: releases that a person brings, and passing one on to a host. The daemon holds no release key; what it checks
//! here it checks so that a mistake is told before anything is sent.

use std::{path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::time::{Instant, sleep, timeout};
use tomo_proto::{
    api::person::{
        ForgetRelease, ListReleases, Releases as ReleaseList, UPLOAD_PART_BYTES, UpdateAgent, UploadRelease,
        UploadedRelease,
    },
    error::ErrorCode,
    id::{CommandId, ServerId},
    model::{
        agent::AgentState,
        audit::AuditOutcome,
        operation::{Operation, OperationError, OperationKind},
        policy::PolicySummary,
        release::{ReleaseError, SignedRelease, Version},
        server::Server,
    },
    text::display_line,
    wire::command::{Command, CommandEvent, CommandRequest, Outcome},
};

use crate::{
    crypto,
    hub::{HubError, RunningCommand, Supply},
    live::{LiveServer, Topic},
    releases::{Releases, UploadError},
    services::{
        About as _, Context, HandlePerson, Services,
        access::Caller,
        error::ServiceError,
        execute::Ended,
        lookup,
        operation::{Begun, Running, under_way},
    },
    store::NewAuditEntry,
};

/// The agent speaks, or its link breaks, in less than this.
const SILENCE: Duration = Duration::from_secs(240);
/// How long an agent may be away while it starts anew, tries the new program and perhaps goes back to the old one.
const AWAY: Duration = Duration::from_secs(180);
/// Longest update, with a program that comes slowly.
const WHOLE: Duration = Duration::from_secs(1_800);
const LOOK: Duration = Duration::from_millis(200);

fn unusable(error: &ReleaseError) -> ServiceError {
    ServiceError::new(error.code(), error.to_string())
}

fn failed(error: UploadError) -> ServiceError {
    let (code, next) = match &error {
        UploadError::Offset { received, .. } => {
            (ErrorCode::Conflict, format!("go on at {received}, or begin anew at 0"))
        }
        UploadError::TooLong | UploadError::OtherProgram => {
            (ErrorCode::Invalid, "sign the program anew: tomo release sign FILE --key KEY".to_owned())
        }
        UploadError::Io(_) => (ErrorCode::StorageFull, "make room in the daemon's data folder".to_owned()),
    };
    ServiceError::new(code, error.to_string()).with_next(next)
}

impl Context {
    /// Has something done with the releases where waiting for the disk harms nobody.
    async fn with_releases<T: Send + 'static>(
        &self,
        work: impl FnOnce(Releases) -> Result<T, UploadError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let releases = Releases::of(&self.data);
        let worked = tokio::task::spawn_blocking(move || work(releases)).await;
        worked.map_err(|error| ServiceError::new(ErrorCode::Internal, error.to_string()))?.map_err(failed)
    }
}

impl HandlePerson<UploadRelease> for Services {
    async fn handle_person(&self, caller: &Caller, request: UploadRelease) -> Result<UploadedRelease, ServiceError> {
        caller.require_admin("updating agents")?;
        let release = SignedRelease::parse(&request.release).map_err(|error| unusable(&error).with_field("release"))?;
        let part = STANDARD.decode(&request.part).ok().filter(|part| part.len() <= UPLOAD_PART_BYTES);
        let part = part.ok_or_else(|| {
            let message = format!("a part is base 64 of at most {UPLOAD_PART_BYTES} bytes");
            ServiceError::new(ErrorCode::Invalid, message).with_field("part")
        })?;
        let claims = release.claims().clone();
        let taken = self.context.with_releases(move |releases| {
            let is_new = !releases.program(&release).exists();
            let (received, complete) = releases.take(&release, request.offset, &part)?;
            Ok((received, complete, is_new))
        });
        let (received, complete, is_new) = taken.await?;
        if complete && is_new {
            let entry = self.context.entry(caller, "release.upload", AuditOutcome::Ok);
            let details = format!("for {}, {} bytes, sha256 {}", claims.architecture, claims.length, claims.sha256);
            let entry = entry.about("release", &claims.version.to_string()).with(details);
            self.context.note(entry).await?;
        }
        Ok(UploadedRelease { release: claims, received, complete })
    }
}

impl HandlePerson<ListReleases> for Services {
    async fn handle_person(&self, caller: &Caller, _request: ListReleases) -> Result<ReleaseList, ServiceError> {
        caller.require_admin("updating agents")?;
        let found = self.context.with_releases(|releases| Ok(releases.list()?)).await?;
        Ok(ReleaseList { releases: found.iter().map(|release| release.claims().clone()).collect() })
    }
}

impl HandlePerson<ForgetRelease> for Services {
    async fn handle_person(&self, caller: &Caller, request: ForgetRelease) -> Result<ReleaseList, ServiceError> {
        caller.require_admin("updating agents")?;
        let version = request.version;
        let forgotten = self.context.with_releases(move |releases| {
            let mut forgotten = releases.list()?;
            forgotten.retain(|release| release.claims().version == version);
            forgotten.iter().try_for_each(|release| releases.forget(release))?;
            Ok(forgotten)
        });
        let forgotten = forgotten.await?;
        if forgotten.is_empty() {
            let message = format!("no release {version} was brought to this daemon");
            return Err(ServiceError::new(ErrorCode::NotFound, message).with_next("tomo agent releases"));
        }
        let entry = self.context.entry(caller, "release.forget", AuditOutcome::Ok);
        self.context.note(entry.about("release", &version.to_string())).await?;
        Ok(ReleaseList { releases: forgotten.iter().map(|release| release.claims().clone()).collect() })
    }
}

impl HandlePerson<UpdateAgent> for Services {
    async fn handle_person(&self, caller: &Caller, request: UpdateAgent) -> Result<Operation, ServiceError> {
        caller.require_admin("updating agents")?;
        let server = self.context.store.read(|view| lookup::server(view, caller, &request.server))?;
        let live = self.context.live.server(server.id).filter(|live| live.state == AgentState::Online);
        let live = live.ok_or_else(|| {
            ServiceError::new(ErrorCode::AgentOffline, "the server's agent is not connected")
                .with_next("see that it runs there (systemctl status tomo-agent-link), then try again")
        })?;
        let (release, program) = self
            .context
            .with_releases(|releases| {
                let with_program = |release: SignedRelease| {
                    let program = releases.program(&release);
                    (release, program)
                };
                Ok(releases.list()?.into_iter().map(with_program).collect::<Vec<_>>())
            })
            .await
            .and_then(|found| choose(&server.name, &live, &request, found))?;
        let operation =
            self.context.new_operation(caller, OperationKind::UpdateAgent, &server.name, Some(&server.name));
        let details = format!("{} {} to {}", operation.operation, live.release, release.claims().version);
        let intent = self.context.entry(caller, operation.kind.as_str(), AuditOutcome::Intent);
        let intent = intent.about("server", &server.name).with(display_line(&details, 300));
        let running = match self.context.begin(operation.clone(), intent.clone()).await? {
            Begun::New(running) => running,
            Begun::Already(other) => return Err(under_way(&other)),
        };
        let context = Arc::clone(&self.context);
        let update = Update { server, release: release.to_string(), program };
        self.context.tasks.spawn(async move { context.update(running, update, intent).await });
        Ok(operation)
    }
}

/// The release that is wanted, or the newest that the host takes.
fn choose(
    server: &str,
    live: &LiveServer,
    wanted: &UpdateAgent,
    found: Vec<(SignedRelease, PathBuf)>,
) -> Result<(SignedRelease, PathBuf), ServiceError> {
    let key = live.policy.release_key().map_err(|_| no_key(server, &live.policy))?;
    let host = live.facts.as_ref().map_or("", |facts| facts.architecture.as_str());
    let installed = live.release.parse().unwrap_or_else(|_| Version::own());
    let found: Vec<_> = found
        .into_iter()
        .filter(|(release, _)| wanted.version.is_none_or(|wanted| release.claims().version == wanted))
        .filter(|(release, _)| wanted.sha256.as_ref().is_none_or(|wanted| release.claims().sha256 == *wanted))
        .collect();
    let refusal = |release: &SignedRelease| {
        let checked = release.verify(&key).and_then(|release| release.check_fits(host, installed));
        checked.err()
    };
    let mut first = None;
    for (release, program) in found {
        match refusal(&release) {
            None => return Ok((release, program)),
            // What is for the host says most about why it is not taken.
            Some(error) if matches!(first, None | Some(ReleaseError::Architecture { .. })) => first = Some(error),
            Some(_) => {}
        }
    }
    let Some(error) = first else {
        let which = wanted
            .version
            .map_or_else(|| "no release of the agent".to_owned(), |wanted| format!("no release {wanted}"));
        return Err(ServiceError::new(ErrorCode::NotFound, format!("{which} was brought to this daemon"))
            .with_next(format!("tomo agent update {server} --file AGENT, which `tomo release sign` has signed")));
    };
    Err(unusable(&error))
}

fn no_key(server: &str, policy: &PolicySummary) -> ServiceError {
    let why = policy.problem.clone().unwrap_or_else(|| "it names no release key".to_owned());
    let message = format!("the policy of server \"{server}\" does not allow updating its agent over the link: {why}");
    ServiceError::new(ErrorCode::RefusedByPolicy, message).with_next(
        "the host's owner can add `update_key = \"ed25519:…\"`, as `tomo release keygen` prints it, to \
         /etc/tomo/agent-policy.toml there",
    )
}

/// A release on its way to a host.
struct Update {
    server: Server,
    release: String,
    program: PathBuf,
}

/// How far an update is, as far as it matters for who wants to cancel it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The agent has not taken it.
    Offered,
    /// The agent has begun to take it.
    Taken,
    /// Somebody has cancelled it, and it is not known whether that was in time.
    Cancelling,
}

impl Context {
    async fn update(self: Arc<Self>, running: Running, update: Update, intent: NewAuditEntry) {
        self.live.publish(Topic::Operation(running.state.borrow().operation));
        self.tell(&running, "offer it to the agent", None);
        let ended = match timeout(WHOLE, self.pass_on(&running, &update)).await {
            Ok(ended) => ended,
            Err(_) => unknown("the update does not end"),
        };
        self.conclude(running, intent, ended, |_, _| Ok(())).await;
        self.live.publish(Topic::Server(update.server.id));
    }

    /// Sends the command until its outcome is known: the link breaks when the new program is started, and once more if the old
    /// one is put back. The agent knows a command that it has seen.
    async fn pass_on(&self, running: &Running, update: &Update) -> Ended {
        let id = CommandId::from_parts(self.clock.now_ms(), crypto::random_u32());
        let server = update.server.id;
        let mut stage = Stage::Offered;
        let mut seen = Instant::now();
        loop {
            let command = Command::UpdateAgent { release: update.release.clone() };
            let deadline_ms = u64::try_from(WHOLE.as_millis()).unwrap_or(u64::MAX);
            let request = CommandRequest { id, deadline_ms, command, logins: Vec::new() };
            let program = (stage != Stage::Cancelling).then(|| Supply::Program(update.program.clone()));
            match self.hub.send_with(server, request, program).await {
                Ok(mut sent) => {
                    if let Some(ended) = self.hear(running, &mut sent, &mut stage).await {
                        return ended;
                    }
                    seen = Instant::now();
                }
                Err(HubError::Offline) if stage == Stage::Offered => {
                    return Ended::failed(ServiceError::new(
                        ErrorCode::AgentOffline,
                        "the server's agent is not connected",
                    ));
                }
                Err(_) => {}
            }
            if stage != Stage::Cancelling {
                self.tell(running, "wait for the agent to come back", None);
            }
            if !self.comes_back(server, seen).await {
                return unknown("the agent has not come back");
            }
        }
    }

    /// Follows what the agent says on one stream; `None` if that broke and the agent has to be asked again.
    async fn hear(&self, running: &Running, sent: &mut RunningCommand, stage: &mut Stage) -> Option<Ended> {
        loop {
            let event = tokio::select! {
                event = timeout(SILENCE, sent.events.recv()) => event,
                () = running.cancel.cancelled(), if *stage != Stage::Cancelling => {
                    if *stage == Stage::Offered {
                        return Some(Ended::Cancelled);
                    }
                    // The agent is asked whether that was in time.
                    *stage = Stage::Cancelling;
                    return None;
                }
                () = self.stop.cancelled() => return Some(unknown("the daemon stops")),
            };
            match event {
                Ok(Some(CommandEvent::Send)) if *stage == Stage::Cancelling => return Some(Ended::Cancelled),
                Ok(Some(CommandEvent::Send)) => *stage = Stage::Taken,
                Ok(Some(CommandEvent::Progress { step, percent })) => self.tell(running, &step, percent),
                Ok(Some(CommandEvent::Outcome(Outcome::Succeeded { .. }))) => return Some(Ended::Done),
                Ok(Some(CommandEvent::Outcome(Outcome::Failed { code, message, next, .. }))) => {
                    let next = next.map(|next| display_line(&next, 300));
                    let message = display_line(&message, 600);
                    return Some(Ended::Failed(OperationError { code, message, field: None, next }));
                }
                Ok(Some(_)) => {}
                Ok(None) if *stage == Stage::Offered => {
                    let message = "the link broke before the agent took the update; nothing was changed";
                    return Some(Ended::failed(ServiceError::new(ErrorCode::AgentOffline, message)));
                }
                Ok(None) => return None,
                Err(_) => return Some(unknown("the agent does not say how it goes on")),
            }
        }
    }

    /// Waits until the agent is connected, for a while from when it was last heard.
    async fn comes_back(&self, server: ServerId, seen: Instant) -> bool {
        loop {
            tokio::select! {
                // A connection that has broken is not known to have at once.
                () = sleep(LOOK) => {}
                () = self.stop.cancelled() => return false,
            }
            if self.hub.is_online(server) {
                return true;
            }
            if seen.elapsed() > AWAY {
                return false;
            }
        }
    }
}

fn unknown(reason: &str) -> Ended {
    Ended::Unknown(OperationError {
        code: ErrorCode::TimeoutUnknown,
        message: format!("{reason}: the new program or the old one is in place"),
        field: None,
        next: Some("tomo agent list says which; on that host: journalctl -u tomo-agent-update".to_owned()),
    })
}
