//! One command under way on its stream: what the agent says, and the program, the volume or the keys that it takes.

use std::path::PathBuf;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use quinn::{RecvStream, SendStream, VarInt};
use tokio::{
    fs::File,
    io::AsyncReadExt as _,
    sync::{Notify, mpsc},
};
use tokio_util::{
    codec::{FramedRead, FramedWrite, LengthDelimitedCodec},
    sync::CancellationToken,
};
use tomo_proto::{
    id::ServerId,
    wire::{
        archive::Part,
        command::{CommandEvent, PROGRAM_PART_BYTES},
        frame::{decode, encode},
        terminal::TerminalInput,
    },
};

use crate::hub::{Supply, codec};

type Sending = FramedWrite<SendStream, LengthDelimitedCodec>;

/// What whoever sent a command wants of it meanwhile.
#[derive(Debug, Clone, Default)]
pub(super) struct Wishes {
    /// Undo it, and tell its outcome.
    pub(super) cancel: CancellationToken,
    /// Undo it; nobody listens any more.
    pub(super) dropped: CancellationToken,
}

/// Passes on what the agent says until its outcome, its end, or nobody listening; then the stream is reset.
pub(super) async fn follow(
    server: ServerId,
    mut sending: Sending,
    receiving: RecvStream,
    supply: Option<Supply>,
    queue: mpsc::Sender<CommandEvent>,
    wishes: Wishes,
) {
    let mut frames = FramedRead::new(receiving, codec());
    let wanted = Notify::new();
    let feeding = async |sending: &mut Sending| {
        let Some(supply) = supply else { return std::future::pending().await };
        wanted.notified().await;
        let fed = match supply {
            Supply::Program(program) => feed(sending, program).await,
            Supply::Parts(parts) => feed_parts(sending, parts).await,
            Supply::Input(input) => feed_input(sending, input).await,
        };
        // An agent that refuses the rest says why.
        if let Err(error) = fed {
            tracing::warn!(%server, error = format!("{error:#}"), "what goes with a command could not be sent to its end");
        }
        std::future::pending::<()>().await;
    };
    let speaking = async {
        tokio::select! {
            () = feeding(&mut sending) => {}
            () = wishes.cancel.cancelled() => drop(sending.get_mut().reset(VarInt::from_u32(0))),
        }
        std::future::pending::<()>().await;
    };
    let listening = async {
        while let Some(Ok(frame)) = frames.next().await {
            let event = match decode::<CommandEvent>(&frame) {
                Ok(event) => event,
                Err(error) => {
                    tracing::warn!(%server, %error, "an agent's answer to a command is not understood");
                    break;
                }
            };
            if event == CommandEvent::Send {
                wanted.notify_one();
            }
            let last = matches!(event, CommandEvent::Outcome(_));
            // Where the agent goes on without a listener, its stream has to stay open until the link ends.
            drop(queue.send(event).await);
            if last {
                break;
            }
        }
    };
    tokio::select! {
        () = listening => {}
        () = speaking => {}
        () = wishes.dropped.cancelled() => {}
    }
    // Either side may be gone already; then there is nothing to stop.
    drop(frames.get_mut().stop(VarInt::from_u32(0)));
    drop(sending.get_mut().reset(VarInt::from_u32(0)));
}

async fn feed_input(sending: &mut Sending, mut input: mpsc::Receiver<TerminalInput>) -> anyhow::Result<()> {
    while let Some(said) = input.recv().await {
        sending.send(Bytes::from(encode(&said)?)).await?;
    }
    // The person has hung up.
    Ok(sending.get_mut().finish()?)
}

async fn feed(sending: &mut Sending, program: PathBuf) -> anyhow::Result<()> {
    let mut file = File::open(program).await?;
    loop {
        let mut part = Vec::with_capacity(PROGRAM_PART_BYTES);
        if (&mut file).take(PROGRAM_PART_BYTES as u64).read_to_end(&mut part).await? == 0 {
            return Ok(());
        }
        sending.send(Bytes::from(part)).await?;
    }
}

/// Sends a volume. One that ends early is cancelled: the agent would wait for the rest.
async fn feed_parts(sending: &mut Sending, mut parts: mpsc::Receiver<Part>) -> anyhow::Result<()> {
    while let Some(part) = parts.recv().await {
        let is_last = matches!(part, Part::End(_));
        sending.send(Bytes::from(encode(&part)?)).await?;
        if is_last {
            return Ok(());
        }
    }
    sending.get_mut().reset(VarInt::from_u32(0))?;
    anyhow::bail!("it ended early")
}
