//! Terminals of people into containers: who may open one, what is written down about it, and what ends it. What passes is nobody's
//! business here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tomo_proto::{
    api::terminal::{OpenTerminal, TerminalOf},
    error::{ApiError, ErrorCode},
    id::CommandId,
    model::{app::Service, audit::AuditOutcome, server::Server, user::Scope},
    text::display_line,
    wire::{
        command::{Command, CommandEvent, CommandRequest, ContainerRef, EXIT_CODE, Outcome},
        terminal::{TerminalInput, TerminalOutput, check_program},
    },
};

use crate::{
    crypto,
    hub::{RunningCommand, Supply},
    services::{
        About as _, Context, Services,
        access::Caller,
        app::refused,
        ask::{not_sent, offline},
        error::ServiceError,
        lookup,
    },
    store::NewAuditEntry,
};

/// An agent has this long to open one.
const OPEN: Duration = Duration::from_secs(40);
/// The agent ends a terminal before that.
const WHOLE: Duration = Duration::from_secs(24 * 3_600);
/// Keys that wait for the agent, and parts that wait for the person; when full, whoever brings more waits.
const KEYS: usize = 16;
const PARTS: usize = 16;

/// An open terminal: what the person's side holds of it.
#[derive(Debug)]
pub struct Terminal {
    /// What is typed goes here; dropping it hangs up.
    pub keys: Keys,
    /// What is shown, and how it ended. Dropping it hangs up too.
    pub output: mpsc::Receiver<TerminalOutput>,
}

/// Where what is typed goes.
#[derive(Debug)]
pub struct Keys {
    input: mpsc::Sender<TerminalInput>,
    typed_bytes: Arc<AtomicU64>,
    _hung_up: DropGuard,
}

impl Keys {
    /// Passes on what is typed; says whether the terminal is still open. Waits while the program takes nothing.
    pub async fn send(&self, said: TerminalInput) -> bool {
        if let TerminalInput::Typed(bytes) = &said {
            self.typed_bytes.fetch_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        self.input.send(said).await.is_ok()
    }
}

/// What ends a terminal from this side.
#[derive(Debug)]
struct Cut {
    hung_up: CancellationToken,
    login_ended: CancellationToken,
}

/// An open terminal as this side sees it.
#[derive(Debug)]
struct Open {
    running: RunningCommand,
    output: mpsc::Sender<TerminalOutput>,
    typed_bytes: Arc<AtomicU64>,
    shown_bytes: u64,
    begun: Instant,
    /// The row about its end, but for how it ended.
    end: NewAuditEntry,
}

/// How a terminal ended.
#[derive(Debug)]
enum Ended {
    Exited(u8),
    Refused(ApiError),
    HungUp,
    Lost(&'static str),
}

impl Services {
    /// Opens a terminal into a container, for a person.
    ///
    /// # Errors
    /// The caller may not, the host's policy has no terminals, there is no such container or it does not run, or its agent is away.
    pub async fn open_terminal(&self, caller: &Caller, request: OpenTerminal) -> Result<Terminal, ServiceError> {
        caller.require(Scope::Deploy, "a terminal into a container")?;
        check_program(&request.program)
            .map_err(|error| ServiceError::new(ErrorCode::Invalid, error).with_field("program"))?;
        let (server, container) = match self.context.terminal_target(caller, &request.into) {
            Err(error) if error.code() == ErrorCode::RefusedByPolicy => {
                self.audit_denial(caller, OpenTerminal::ACTION, request.into.name(), &error.error.message).await;
                return Err(error);
            }
            found => found?,
        };
        let what = match request.program.join(" ") {
            program if program.is_empty() => "a shell".to_owned(),
            program => display_line(&program, 200),
        };
        // A caller who leaves meanwhile leaves no row without its end.
        let (context, caller) = (Arc::clone(&self.context), caller.clone());
        let begin = self.context.tasks.spawn(context.begin_audited(caller, server, container, request, what));
        begin.await.map_err(|error| {
            ServiceError::new(ErrorCode::Internal, "the terminal could not be begun").with_source(error)
        })?
    }
}

impl Context {
    async fn begin_audited(
        self: Arc<Self>,
        caller: Caller,
        server: Server,
        container: ContainerRef,
        request: OpenTerminal,
        what: String,
    ) -> Result<Terminal, ServiceError> {
        let entry = |action: &str, outcome, details: &str| {
            let entry = self.entry(&caller, action, outcome).about("container", container.as_str());
            entry.with(format!("on {}: {what}{details}", server.name))
        };
        self.write_row(entry(OpenTerminal::ACTION, AuditOutcome::Intent, "")).await?;
        let (running, input) = match self.begin_terminal(&server, container.clone(), request).await {
            Ok(begun) => begun,
            Err(error) => {
                let refused = error.code() == ErrorCode::RefusedByPolicy;
                let outcome = if refused { AuditOutcome::Denied } else { AuditOutcome::Failed };
                let details = format!(": {}", display_line(&error.error.message, 200));
                self.write_row(entry(OpenTerminal::ACTION, outcome, &details)).await?;
                return Err(error);
            }
        };
        let (showing, output) = mpsc::channel(PARTS);
        let (typed_bytes, hung_up) = (Arc::<AtomicU64>::default(), CancellationToken::new());
        let open = Open {
            running,
            output: showing,
            typed_bytes: Arc::clone(&typed_bytes),
            shown_bytes: 0,
            begun: Instant::now(),
            end: entry("terminal_close", AuditOutcome::Ok, ""),
        };
        let cut = Cut { hung_up: hung_up.clone(), login_ended: caller.ended.clone() };
        self.tasks.spawn(Arc::clone(&self).hold_terminal(open, cut));
        Ok(Terminal { keys: Keys { input, typed_bytes, _hung_up: hung_up.drop_guard() }, output })
    }

    /// The container that a terminal is to lead into, if the policy of its server, as it was last told, lets it.
    fn terminal_target(&self, caller: &Caller, into: &TerminalOf) -> Result<(Server, ContainerRef), ServiceError> {
        let (server, name) = match into {
            TerminalOf::Container { server, container } => {
                let (server, container) = self.container(caller, server, container)?;
                self.allow(&server, Command::TERMINAL, &container)?;
                (server, container.name)
            }
            TerminalOf::App { app } => {
                let (app, server, service) = self.store.read(|view| lookup::service(view, caller, app))?;
                if let Some(live) = self.live.server(server.id) {
                    let allowed = live.policy.allow_verb(Command::TERMINAL);
                    allowed.map_err(|objection| refused(&server.name, objection))?;
                }
                (server, Service { name: service.as_deref(), spec: &app.spec }.container(&app.name))
            }
        };
        let container = ContainerRef::new(name).map_err(|error| ServiceError::new(ErrorCode::Invalid, error))?;
        Ok((server, container))
    }

    /// Has the agent open a terminal, and waits until its program runs.
    async fn begin_terminal(
        &self,
        server: &Server,
        container: ContainerRef,
        request: OpenTerminal,
    ) -> Result<(RunningCommand, mpsc::Sender<TerminalInput>), ServiceError> {
        let OpenTerminal { program, size, .. } = request;
        let command = Command::OpenTerminal { container, program, size };
        let id = CommandId::from_parts(self.clock.now_ms(), crypto::random_u32());
        let deadline_ms = u64::try_from(WHOLE.as_millis()).unwrap_or(u64::MAX);
        let request = CommandRequest { id, deadline_ms, command, logins: Vec::new() };
        let (input, keys) = mpsc::channel(KEYS);
        let sent = self.hub.send_with(server.id, request, Some(Supply::Input(keys))).await;
        let mut running = sent.map_err(|error| not_sent(server, &error))?;
        loop {
            match timeout(OPEN, running.events.recv()).await {
                Ok(Some(CommandEvent::Send)) => return Ok((running, input)),
                Ok(Some(CommandEvent::Outcome(outcome))) => return Err(refusal(outcome).into()),
                Ok(Some(_)) => {}
                Ok(None) => return Err(offline(server)),
                Err(_) => {
                    let message = format!("the agent of server \"{}\" did not answer in time", server.name);
                    return Err(ServiceError::new(ErrorCode::AgentOffline, message).with_next("try again"));
                }
            }
        }
    }

    /// Holds a terminal to its end, tells that, and writes it down.
    async fn hold_terminal(self: Arc<Self>, mut open: Open, cut: Cut) {
        let output = open.output.clone();
        let ended = tokio::select! {
            ended = open.pass_on() => ended,
            () = cut.hung_up.cancelled() => Ended::HungUp,
            () = output.closed() => Ended::HungUp,
            () = cut.login_ended.cancelled() => Ended::Lost("the login has ended, and the terminal with it"),
            () = self.stop.cancelled() => Ended::Lost("the daemon stops"),
        };
        // From here on the agent ends what still runs.
        let Open { running, typed_bytes, shown_bytes, begun, mut end, .. } = open;
        drop(running);
        let (how, last) = match ended {
            Ended::Exited(exit_code) => (format!("exit code {exit_code}"), Some(TerminalOutput::Ended { exit_code })),
            Ended::Refused(error) => {
                (format!("ended: {}", display_line(&error.message, 200)), Some(TerminalOutput::CutOff(error)))
            }
            Ended::HungUp => ("the person has hung up".to_owned(), None),
            Ended::Lost(why) => {
                (why.to_owned(), Some(TerminalOutput::CutOff(ApiError::new(ErrorCode::AgentOffline, why))))
            }
        };
        let (seconds, typed) = (begun.elapsed().as_secs(), typed_bytes.load(Ordering::Relaxed));
        end.at_ms = self.clock.now_ms();
        end.details.push_str(&format!("; {how}; {seconds} s, {typed} bytes typed, {shown_bytes} bytes shown"));
        if let Err(error) = self.write_row(end).await {
            tracing::error!(%error, "the end of a terminal could not be audited");
        }
        if let Some(last) = last {
            // Whoever does not take it hears the connection's end.
            drop(timeout(OPEN, output.send(last)).await);
        }
    }
}

impl Open {
    /// Passes on what is shown, to the program's end.
    async fn pass_on(&mut self) -> Ended {
        loop {
            match self.running.events.recv().await {
                Some(CommandEvent::Shown { bytes }) => {
                    self.shown_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    // Whoever has gone is noticed by the one who holds this.
                    drop(self.output.send(TerminalOutput::Shown(bytes)).await);
                }
                Some(CommandEvent::Outcome(Outcome::Succeeded { facts, .. })) => {
                    let code = facts.get(EXIT_CODE).and_then(|code| code.parse::<i64>().ok()).unwrap_or(1);
                    return Ended::Exited(u8::try_from(code).unwrap_or(u8::MAX));
                }
                Some(CommandEvent::Outcome(outcome)) => return Ended::Refused(refusal(outcome)),
                Some(_) => {}
                None => return Ended::Lost("the link to the server's agent broke, and the terminal with it"),
            }
        }
    }
}

/// What an agent says that opened no terminal, or ended one.
fn refusal(outcome: Outcome) -> ApiError {
    match outcome {
        Outcome::Failed { code, message, next, .. } => {
            let error = ApiError::new(code, display_line(&message, 600));
            match next {
                Some(next) => error.with_next(display_line(&next, 300)),
                None => error,
            }
        }
        Outcome::Succeeded { .. } => {
            ApiError::new(ErrorCode::Conflict, "the program ended before its terminal was open")
        }
    }
}
