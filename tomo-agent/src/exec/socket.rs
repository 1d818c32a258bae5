//! The seam as a Unix socket: both of its ends. Who is on the other one is asked of the kernel, and every frame is bounded.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_util::{
    codec::{Framed, LengthDelimitedCodec},
    sync::CancellationToken,
};
use tomo_proto::{
    error::ErrorCode,
    model::{container::Container, server::EngineState},
    wire::{
        archive::Part,
        command::{Command, CommandEvent, CommandRequest, Outcome},
        frame::{MAX_FRAME_BYTES, decode, encode},
        seam::{Call, Reply, Said as Wired, Told},
        terminal::TerminalInput,
    },
};

use crate::{
    exec::{Exec, INPUTS, Said, Side, Stands, next_part},
    link::{codec, network},
};

/// Connections at a time: one that watches, and the commands a daemon may have under way.
const CONNECTIONS: usize = 80;
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before the other half is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// What the containers of one part take at most, with room for what is around them.
const PART_BYTES: usize = MAX_FRAME_BYTES - 1_024;

type Connection = Framed<UnixStream, LengthDelimitedCodec>;

async fn send<T: Serialize>(connection: &mut Connection, message: &T) -> anyhow::Result<()> {
    Ok(connection.send(Bytes::from(encode(message)?)).await?)
}

async fn receive<T: DeserializeOwned>(connection: &mut Connection) -> anyhow::Result<T> {
    let frame = connection.next().await.context("the other half hung up")??;
    Ok(decode(&frame)?)
}

/// Listens for the link; the future serves until it is dropped.
pub(super) fn serve(socket: &Path, exec: Exec) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let folder = socket.parent().context("a socket lies in a folder")?;
    let group = fs::metadata(folder).with_context(|| format!("cannot look at {}", folder.display()))?.gid();
    let listen = || -> io::Result<UnixListener> {
        match fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        fs::set_permissions(socket, fs::Permissions::from_mode(0o660))?;
        Ok(listener)
    };
    let listener = listen().with_context(|| format!("cannot listen at {}", socket.display()))?;
    tracing::info!(socket = %socket.display(), "the link can connect");
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    Ok(async move {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be taken");
                    sleep(RETRY).await;
                    continue;
                }
            };
            match stream.peer_cred() {
                Ok(peer) if peer.gid() == group => {}
                peer => {
                    tracing::warn!(?peer, "somebody who is not the link is refused");
                    continue;
                }
            }
            let exec = exec.clone();
            tokio::spawn(async move {
                if let Err(error) = answer(&exec, Framed::new(stream, codec())).await {
                    tracing::debug!(%error, "a connection of the link has ended");
                }
                drop(place);
            });
        }
    })
}

async fn answer(exec: &Exec, mut connection: Connection) -> anyhow::Result<()> {
    match timeout(CALL_TIMEOUT, receive(&mut connection)).await.context("nothing was said")?? {
        Call::Watch => tell(exec, connection).await,
        Call::Run(request) => carry_out(exec, request, connection).await,
    }
}

async fn tell(exec: &Exec, mut connection: Connection) -> anyhow::Result<()> {
    let (mut policy, mut engine) = (exec.policy(), exec.engine());
    let (mut containers, mut pids) = (exec.containers(), exec.pids());
    policy.mark_changed();
    engine.mark_changed();
    containers.mark_changed();
    pids.mark_changed();
    loop {
        tokio::select! {
            changed = policy.changed() => {
                changed?;
                let told = Told::Policy(policy.borrow_and_update().clone());
                send(&mut connection, &told).await?;
            }
            changed = engine.changed() => {
                changed?;
                let told = Told::Engine(engine.borrow_and_update().clone());
                send(&mut connection, &told).await?;
            }
            changed = containers.changed() => {
                changed?;
                let whole = Arc::clone(&containers.borrow_and_update());
                for told in parts(&whole)? {
                    send(&mut connection, &told).await?;
                }
            }
            changed = pids.changed() => {
                changed?;
                let told = Told::Pids(pids.borrow_and_update().as_ref().clone());
                send(&mut connection, &told).await?;
            }
            said = connection.next() => {
                ensure!(said.is_none(), "a connection that watches has nothing to say");
                return Ok(());
            }
        }
    }
}

/// Many containers do not fit into one frame.
fn parts(whole: &[Container]) -> anyhow::Result<Vec<Told>> {
    let mut parts: Vec<Vec<Container>> = vec![Vec::new()];
    let mut bytes = 0;
    for container in whole {
        let size = encode(container)?.len();
        if bytes + size > PART_BYTES {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(part) = parts.last_mut() {
            part.push(container.clone());
        }
    }
    let count = parts.len();
    let told = |(at, part)| Told::Containers { part, last: at + 1 == count };
    Ok(parts.into_iter().enumerate().map(told).collect())
}

async fn carry_out(exec: &Exec, request: CommandRequest, connection: Connection) -> anyhow::Result<()> {
    let Side::Here(half) = &exec.side else { anyhow::bail!("this half has no engine") };
    let cancel = CancellationToken::new();
    let (input, typed) = mpsc::channel(INPUTS);
    let mut said = half.begin(request, cancel.clone(), typed);
    let (mut sending, mut receiving) = connection.split();
    let (asked, taking) = (Mutex::new(None), Mutex::new(None));
    let telling = async {
        while let Some(next) = said.recv().await {
            let wired = match next {
                Said::Event(event) => Wired::Event(event),
                Said::Ask(ask, answer) => {
                    *asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                    Wired::Ask(ask)
                }
                Said::Take(part) => {
                    *taking.lock().unwrap_or_else(PoisonError::into_inner) = Some(part);
                    Wired::Take
                }
            };
            sending.send(Bytes::from(encode(&wired)?)).await?;
        }
        Ok(())
    };
    let hearing = async {
        loop {
            let frame = receiving.next().await.context("the other half hung up")??;
            match decode(&frame)? {
                Reply::Cancel => cancel.cancel(),
                // A terminal that has ended takes nothing more.
                Reply::Input(said) => drop(input.send(said).await),
                Reply::Answer(answer) => {
                    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).take();
                    drop(asked.context("nothing was asked")?.send(answer));
                }
                Reply::Part(part) => {
                    let taking = taking.lock().unwrap_or_else(PoisonError::into_inner).take();
                    drop(taking.context("nothing was to be sent")?.send(part));
                }
            }
        }
    };
    // The connection's end cancels the command too, since what it says is dropped with this.
    tokio::select! {
        told = telling => told,
        heard = hearing => heard,
    }
}

/// Connects to the other half, if it is the one: the owner of the socket's folder. In a user namespace of its own the link cannot
/// tell others apart; then it relies on nobody else being able to listen in that folder.
async fn open(socket: &Path) -> anyhow::Result<Connection> {
    let stream = UnixStream::connect(socket).await?;
    let owner = socket.parent().and_then(|folder| fs::metadata(folder).ok()).context("its folder is gone")?.uid();
    ensure!(stream.peer_cred()?.uid() == owner, "somebody else listens there");
    Ok(Framed::new(stream, codec()))
}

/// Keeps what is known of the other half true, for ever; the owner of the future drops it.
pub(super) async fn watch(socket: &Path, stands: &Stands) {
    loop {
        let Err(error) = follow(socket, stands).await;
        let reason = away(socket, &error);
        let absent = EngineState::Absent { reason };
        let is_new = |known: &mut EngineState| std::mem::replace(known, absent.clone()) != absent;
        if stands.inventory.engine.send_if_modified(is_new) {
            tracing::warn!(error = format!("{error:#}"), "the half that has the engine is away");
        }
        stands.inventory.containers.send_replace(Arc::default());
        stands.inventory.pids.send_replace(Arc::default());
        sleep(RETRY).await;
    }
}

fn away(socket: &Path, error: &anyhow::Error) -> String {
    format!("the half of the agent that has the engine does not answer at {}: {error:#}", socket.display())
}

async fn follow(socket: &Path, stands: &Stands) -> anyhow::Result<std::convert::Infallible> {
    let mut connection = open(socket).await?;
    send(&mut connection, &Call::Watch).await?;
    let mut whole = Vec::new();
    loop {
        match receive(&mut connection).await? {
            Told::Policy(policy) => drop(stands.policy.send_replace(policy)),
            Told::Engine(engine) => drop(stands.inventory.engine.send_replace(engine)),
            Told::Containers { mut part, last } => {
                whole.append(&mut part);
                if last {
                    stands.inventory.containers.send_replace(Arc::new(std::mem::take(&mut whole)));
                }
            }
            Told::Pids(pids) => drop(stands.inventory.pids.send_replace(Arc::new(pids))),
        }
    }
}

/// Has the other half run a command, and answers what it asks, until it ends or nobody wants to hear more.
pub(super) async fn run(
    socket: Arc<Path>,
    request: CommandRequest,
    cancel: CancellationToken,
    events: mpsc::Sender<CommandEvent>,
    parts: mpsc::Receiver<Part>,
    input: mpsc::Receiver<TerminalInput>,
) {
    let outcome = tokio::select! {
        outcome = converse(&socket, request, &cancel, &events, parts, input) => outcome,
        () = events.closed() => return,
    };
    if let Err(outcome) = outcome {
        drop(events.send(CommandEvent::Outcome(outcome)).await);
    }
}

async fn converse(
    socket: &Path,
    request: CommandRequest,
    cancel: &CancellationToken,
    events: &mpsc::Sender<CommandEvent>,
    mut parts: mpsc::Receiver<Part>,
    mut input: mpsc::Receiver<TerminalInput>,
) -> Result<(), Outcome> {
    let next = || Some("look on that host: systemctl status tomo-agent-exec".to_owned());
    let is_terminal = matches!(request.command, Command::OpenTerminal { .. });
    let called = async {
        let mut connection = open(socket).await?;
        send(&mut connection, &Call::Run(request)).await?;
        anyhow::Ok(connection)
    };
    let failed = |error| Outcome::failed(ErrorCode::AgentOffline, away(socket, &error), next());
    let (sending, mut receiving) = called.await.map_err(failed)?.split();
    let sending = tokio::sync::Mutex::new(sending);
    let reply = async |reply| anyhow::Ok(sending.lock().await.send(Bytes::from(encode(&reply)?)).await?);
    let saying = async {
        let cancelling = async {
            cancel.cancelled().await;
            reply(Reply::Cancel).await
        };
        let typing = async {
            while let Some(said) = input.recv().await {
                reply(Reply::Input(said)).await?;
            }
            // Nobody is at the terminal any more.
            if is_terminal { reply(Reply::Cancel).await } else { Ok(()) }
        };
        tokio::try_join!(cancelling, typing)?;
        std::future::pending().await
    };
    let hearing = async {
        loop {
            let frame = receiving.next().await.context("the other half hung up")??;
            match decode(&frame)? {
                Wired::Event(event) => {
                    let last = matches!(event, CommandEvent::Outcome(_));
                    if events.send(event).await.is_err() || last {
                        return Ok(());
                    }
                }
                Wired::Ask(ask) => reply(Reply::Answer(network::answer(&ask).await)).await?,
                Wired::Take => reply(Reply::Part(next_part(&mut parts).await)).await?,
            }
        }
    };
    let conversed = tokio::select! {
        said = saying => said,
        heard = hearing => heard,
    };
    conversed.map_err(|error: anyhow::Error| {
        let message = format!(
            "the half of the agent that has the engine went away ({error:#}): when it is back it finishes or undoes what it had begun"
        );
        Outcome::failed(ErrorCode::TimeoutUnknown, message, next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_containers_are_told_in_parts_that_fit() {
        let label = |at: usize| (format!("label-{at}"), "x".repeat(250));
        let container = |at: usize| Container {
            id: format!("{at:064}"),
            name: format!("container-{at}"),
            labels: (0..64).map(label).collect(),
            ..Container::default()
        };
        let whole: Vec<Container> = (0..100).map(container).collect();
        let parts = parts(&whole).expect("fits");
        assert!(parts.len() > 1, "{} parts", parts.len());
        let mut again = Vec::new();
        for (at, told) in parts.iter().enumerate() {
            assert!(encode(told).is_ok(), "part {at} fits into a frame");
            let Told::Containers { part, last } = told else { panic!("containers were told") };
            assert_eq!(*last, at + 1 == parts.len());
            again.extend(part.iter().cloned());
        }
        assert_eq!(again, whole);
        assert_eq!(super::parts(&[]).expect("fits"), [Told::Containers { part: Vec::new(), last: true }]);
    }
}
