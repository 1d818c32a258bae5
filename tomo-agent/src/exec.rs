//! The half of the agent that touches the container engine: policy, commands, inventory. It has no network.
//!
//! The link speaks to it only through [`Exec`], which reaches it in this process or, over a Unix socket, in another one.

mod half;
mod socket;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tomo_proto::{
    model::{container::Container, policy::PolicySummary, server::EngineState},
    wire::{
        archive::Part,
        command::{CommandEvent, CommandRequest},
        seam::{Answer, Ask},
        terminal::TerminalInput,
    },
};

use crate::{docker::inventory::Inventory, exec::half::Half, link::network};

const AWAY: &str = "the half of the agent that has the network is away";

/// Events that wait for the link; when full, the command waits.
const EVENTS: usize = 64;
/// Keys and the like that wait for a terminal; when full, whoever types waits.
pub(crate) const INPUTS: usize = 16;

/// Where the engine and the policy are.
#[derive(Debug, Clone)]
pub struct ExecConfig {
    /// The host's policy file; without it nothing but metrics is allowed.
    pub policy: PathBuf,
    /// The engine's socket.
    pub engine_socket: PathBuf,
    /// Folder where deploys under way are noted.
    pub journal: PathBuf,
}

/// The engine's half. Cheap to clone; its work ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Exec {
    stands: Arc<Stands>,
    side: Side,
    _background: Arc<DropGuard>,
}

#[derive(Debug, Clone)]
enum Side {
    /// In this process.
    Here(Arc<Half>),
    /// In the process that listens at this socket.
    Beyond(Arc<Path>),
}

/// How things stand on the engine's side.
#[derive(Debug, Default)]
struct Stands {
    policy: watch::Sender<PolicySummary>,
    inventory: Inventory,
}

/// What a command says: to the daemon, or to the half with the network, which answers.
#[derive(Debug)]
pub(crate) enum Said {
    Event(CommandEvent),
    Ask(Ask, oneshot::Sender<Answer>),
    Take(oneshot::Sender<Result<Part, String>>),
}

/// Where a command's words go.
#[derive(Debug, Clone)]
pub(crate) struct Events(mpsc::Sender<Said>);

impl Events {
    /// Tells the daemon. Nobody listening is no reason to stop: cancelling is the caller's matter.
    pub(crate) async fn tell(&self, event: CommandEvent) {
        drop(self.0.send(Said::Event(event)).await);
    }

    /// Asks the half with the network.
    pub(crate) async fn ask(&self, ask: Ask) -> Answer {
        let (sending, answer) = oneshot::channel();
        drop(self.0.send(Said::Ask(ask, sending)).await);
        answer.await.unwrap_or_else(|_| Err(AWAY.to_owned()))
    }

    /// Takes the next part of what the daemon sends, once it is there.
    pub(crate) async fn take(&self) -> Result<Part, String> {
        let (sending, part) = oneshot::channel();
        drop(self.0.send(Said::Take(sending)).await);
        part.await.unwrap_or_else(|_| Err(AWAY.to_owned()))
    }

    /// Waits until nobody wants to hear more.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl Exec {
    /// Reads the policy, connects to the engine (and goes on trying), and keeps the inventory fresh until dropped.
    #[must_use]
    pub fn start(config: ExecConfig) -> Self {
        let stands = Arc::new(Stands::default());
        let half = Arc::new(Half::new(config, Arc::clone(&stands)));
        let stop = CancellationToken::new();
        let running = Arc::clone(&half);
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move { Box::pin(running.run()).await }));
        Self { stands, side: Side::Here(half), _background: Arc::new(stop.drop_guard()) }
    }

    /// Reaches the half that another process [serves](Self::serve) at a socket, and goes on trying while it is away.
    #[must_use]
    pub fn connect(socket: &Path) -> Self {
        let stands = Arc::new(Stands::default());
        let stop = CancellationToken::new();
        let (socket, watching): (Arc<Path>, _) = (Arc::from(socket), Arc::clone(&stands));
        let watched = Arc::clone(&socket);
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move { socket::watch(&watched, &watching).await }));
        Self { stands, side: Side::Beyond(socket), _background: Arc::new(stop.drop_guard()) }
    }

    /// Half an agent that has no engine and no policy: for made-up hosts.
    #[must_use]
    pub fn without_engine() -> Self {
        let config = ExecConfig { policy: PathBuf::new(), engine_socket: PathBuf::new(), journal: PathBuf::new() };
        let stands = Arc::new(Stands::default());
        let reason = "this server is made up: it has no container engine".to_owned();
        stands.inventory.engine.send_replace(EngineState::Absent { reason });
        let half = Arc::new(Half::new(config, Arc::clone(&stands)));
        stands.policy.send_replace(PolicySummary::default());
        Self { stands, side: Side::Here(half), _background: Arc::new(CancellationToken::new().drop_guard()) }
    }

    /// Serves this half to the link's process, which connects to a socket in this folder. Its owner is this half's user, its
    /// group the link's: nobody else is answered.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn serve(&self, socket: &Path) -> anyhow::Result<impl Future<Output = ()> + use<>> {
        socket::serve(socket, self.clone())
    }

    /// Runs one command: what it says arrives on the returned queue, an outcome last. It is undone when `cancel` says so, and then
    /// still tells its outcome; dropping the queue cancels it unheard. A command id that was seen before is answered with the outcome
    /// of the first. What the daemon sends beside the command comes in `parts`.
    #[must_use]
    pub fn run(
        &self,
        request: CommandRequest,
        cancel: CancellationToken,
        parts: mpsc::Receiver<Part>,
    ) -> mpsc::Receiver<CommandEvent> {
        self.run_with(request, cancel, parts, mpsc::channel(1).1)
    }

    /// The same for a command that opens a terminal: `input` is what is typed there, and its end the person's hanging up.
    #[must_use]
    pub fn run_terminal(
        &self,
        request: CommandRequest,
        input: mpsc::Receiver<TerminalInput>,
    ) -> mpsc::Receiver<CommandEvent> {
        self.run_with(request, CancellationToken::new(), mpsc::channel(1).1, input)
    }

    fn run_with(
        &self,
        request: CommandRequest,
        cancel: CancellationToken,
        parts: mpsc::Receiver<Part>,
        input: mpsc::Receiver<TerminalInput>,
    ) -> mpsc::Receiver<CommandEvent> {
        let (events, said) = mpsc::channel(EVENTS);
        match &self.side {
            Side::Here(half) => drop(tokio::spawn(relay(half.begin(request, cancel, input), events, parts))),
            Side::Beyond(socket) => {
                drop(tokio::spawn(socket::run(Arc::clone(socket), request, cancel, events, parts, input)));
            }
        }
        said
    }

    /// Whether it runs in a process of its own, as the units of an installed agent start it.
    #[must_use]
    pub const fn is_apart(&self) -> bool {
        matches!(self.side, Side::Beyond(_))
    }

    /// All containers, without their figures (the collectors add those).
    #[must_use]
    pub fn containers(&self) -> watch::Receiver<Arc<Vec<Container>>> {
        self.stands.inventory.containers.subscribe()
    }

    /// Process ids of running containers by container id, for the collectors.
    #[must_use]
    pub fn pids(&self) -> watch::Receiver<Arc<Vec<(String, u32)>>> {
        self.stands.inventory.pids.subscribe()
    }

    /// What the policy file allows, whenever it changes.
    #[must_use]
    pub fn policy(&self) -> watch::Receiver<PolicySummary> {
        self.stands.policy.subscribe()
    }

    /// Whether the engine answers.
    #[must_use]
    pub fn engine(&self) -> watch::Receiver<EngineState> {
        self.stands.inventory.engine.subscribe()
    }
}

/// Passes a command's words on within one process, until it ends or nobody wants to hear more.
async fn relay(mut said: mpsc::Receiver<Said>, events: mpsc::Sender<CommandEvent>, mut parts: mpsc::Receiver<Part>) {
    let relaying = async {
        while let Some(said) = said.recv().await {
            match said {
                Said::Event(event) => drop(events.send(event).await),
                Said::Ask(ask, answer) => drop(answer.send(network::answer(&ask).await)),
                Said::Take(part) => drop(part.send(next_part(&mut parts).await)),
            }
        }
    };
    tokio::select! {
        () = relaying => {}
        () = events.closed() => {}
    }
}

/// The next part of what the daemon sends, or that none comes any more.
async fn next_part(parts: &mut mpsc::Receiver<Part>) -> Result<Part, String> {
    parts.recv().await.ok_or_else(|| "the daemon went away before it had sent all of it".to_owned())
}

#[cfg(test)]
mod tests;
