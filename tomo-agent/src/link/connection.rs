//! One connection to the daemon, from hello to its end.

use std::{
    convert::Infallible,
    future::{Future, pending},
    io::ErrorKind,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use quinn::{Connection, ConnectionError, RecvStream, SendStream};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::{
    codec::{FramedRead, FramedWrite, LengthDelimitedCodec},
    sync::CancellationToken,
};
use tomo_proto::{
    model::metric::SeriesKey,
    version::{LINK_NEWEST, LINK_OLDEST, RELEASE},
    wire::{
        archive::Part,
        command::{Command, CommandEvent, CommandRequest, Found, Outcome},
        frame::{decode, encode},
        handshake::{AgentNotice, DaemonNotice, Hello, Welcome},
        report::{Report, ReportBody, encode_rows},
        terminal::TerminalInput,
    },
};

use crate::{
    clock::now_ms,
    exec::INPUTS,
    identity::make_key,
    link::{Shared, Status, fit::fitting, update},
    update::Head,
};

const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// Parts of a volume that wait for the half with the engine; when full, the daemon waits.
const PARTS: usize = 16;
/// Close code of the daemon that says this agent is not wanted.
const REFUSED: u32 = 2;
/// Close code of the daemon that says the same agent has connected from elsewhere.
const REPLACED: u32 = 3;
/// The TLS alert `certificate_expired`.
const CERTIFICATE_ENDED: u64 = 0x100 + 45;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Try again soon.
    Lost(String),
    /// Another connection of the same agent took over; try again after a moment, in case it was only a visit.
    Replaced(String),
    /// The daemon does not want this agent; try again much later.
    Refused(String),
    /// There is a new certificate; connect with it at once.
    Renewed,
}

type Reports = FramedWrite<SendStream, LengthDelimitedCodec>;
/// Both directions of the control stream.
struct Control {
    say: FramedWrite<SendStream, LengthDelimitedCodec>,
    hear: FramedRead<RecvStream, LengthDelimitedCodec>,
}

pub(super) async fn serve(
    shared: &Arc<Shared>,
    connection: &Connection,
    address: &str,
    stop: &CancellationToken,
) -> Ended {
    let ended = tokio::select! {
        ended = converse(shared, connection, address, stop) => ended,
        () = stop.cancelled() => return Ended::Lost("the agent stops".to_owned()),
    };
    match (ended, connection.close_reason()) {
        (Ok(Stopped::Renewed), _) => Ended::Renewed,
        (Err(Refusal::Rejected(reason)), _) => Ended::Refused(reason),
        (_, Some(ConnectionError::ApplicationClosed(closed))) => {
            let reason = tomo_proto::text::display_line(&String::from_utf8_lossy(&closed.reason), 300);
            let reason = format!("the daemon at {address} closed the connection: {reason}");
            match closed.error_code {
                code if code == REFUSED.into() => Ended::Refused(reason),
                code if code == REPLACED.into() => Ended::Replaced(reason),
                _ => Ended::Lost(reason),
            }
        }
        (_, Some(reason)) => Ended::Lost(format!("{address}: {}", explain(&reason))),
        (Err(Refusal::Failed(error)), None) => Ended::Lost(format!("{address}: {error:#}")),
        (Ok(Stopped::Hung), None) => Ended::Lost(format!("{address}: the daemon ended the control stream")),
    }
}

/// What a connection's end means, with what to do where that helps.
pub(super) fn explain(error: &ConnectionError) -> String {
    // A TLS alert travels as 0x100 and its number; see RFC 9001, section 4.8.
    let code = match error {
        ConnectionError::TransportError(error) => u64::from(error.code),
        ConnectionError::ConnectionClosed(closed) => u64::from(closed.error_code),
        _ => 0,
    };
    let hint = match code {
        CERTIFICATE_ENDED => {
            ": this agent was away for longer than its certificate lasts. Where the daemon is managed: `tomo agent revoke NAME`, \
             `tomo agent token NAME`; here, with that token: `tomo-agent install --again`"
        }
        0x100..0x200 => ": the certificates do not fit; if the daemon was set up anew, enroll this host anew",
        _ => "",
    };
    format!("{error}{hint}")
}

#[derive(Debug)]
enum Refusal {
    Rejected(String),
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Why a conversation is over that nothing has broken.
enum Stopped {
    /// The daemon ended it.
    Hung,
    /// There is a new certificate.
    Renewed,
}

async fn converse(
    shared: &Arc<Shared>,
    connection: &Connection,
    address: &str,
    stop: &CancellationToken,
) -> Result<Stopped, Refusal> {
    let (control, acknowledged) =
        timeout(WELCOME_TIMEOUT, greet(shared, connection)).await.context("no welcome came")??;
    tracing::info!(address, server = shared.identity().server_name, "connected to the daemon");
    shared.status.send_replace(Status::Connected(address.to_owned()));
    tokio::select! {
        ended = obey(shared, control) => Ok(ended?),
        ended = report(shared, connection, acknowledged) => match ended? {},
        ended = run_commands(shared, connection, stop) => match ended? {},
    }
}

async fn greet(shared: &Shared, connection: &Connection) -> Result<(Control, u64), Refusal> {
    let (sending, receiving) = connection.open_bi().await?;
    let mut say = FramedWrite::new(sending, super::codec());
    let mut hear = FramedRead::new(receiving, super::codec());
    let (outbox_first, outbox_next) = shared.outbox.range();
    let hello = Hello {
        oldest_version: LINK_OLDEST,
        newest_version: LINK_NEWEST,
        release: RELEASE.to_owned(),
        boot_id: shared.boot_id,
        facts: shared.facts.borrow().as_ref().clone(),
        policy: shared.exec.policy().borrow().clone(),
        outbox_first,
        outbox_next,
        clock_ms: now_ms(),
    };
    say.send(Bytes::from(encode(&hello)?)).await?;
    let frame = hear.next().await.context("the daemon hung up")??;
    match decode(&frame)? {
        Welcome::Accepted { acknowledged, interval_ms, .. } => {
            shared.interval_ms.send_if_modified(|known| std::mem::replace(known, interval_ms) != interval_ms);
            shared.outbox.acknowledge(acknowledged);
            Ok((Control { say, hear }, acknowledged))
        }
        Welcome::Rejected { reason, .. } => Err(Refusal::Rejected(tomo_proto::text::display_line(&reason, 300))),
    }
}

/// Follows what the daemon says on the control stream.
async fn obey(shared: &Shared, mut control: Control) -> anyhow::Result<Stopped> {
    let mut new_key = None;
    while let Some(frame) = control.hear.next().await {
        match decode(&frame?)? {
            DaemonNotice::Acknowledged { number, head } => {
                shared.outbox.acknowledge(number);
                if let Some(head) = head {
                    shared.heads.keep(head);
                }
            }
            DaemonNotice::Interval { interval_ms } => {
                let interval_ms = interval_ms.clamp(200, 300_000);
                shared.interval_ms.send_if_modified(|known| std::mem::replace(known, interval_ms) != interval_ms);
            }
            DaemonNotice::RenewalDue => {
                let (key_pem, csr_pem) = make_key()?;
                new_key = Some(key_pem);
                control.say.send(Bytes::from(encode(&AgentNotice::Renew { csr_pem })?)).await?;
            }
            DaemonNotice::Certificate { certificate_pem } => {
                let key_pem = new_key.take().context("a certificate came that was not asked for")?;
                shared.renew(key_pem, certificate_pem)?;
                return Ok(Stopped::Renewed);
            }
        }
    }
    Ok(Stopped::Hung)
}

/// Greets and says good-bye; the daemon answers by cutting this agent off.
pub(super) async fn leave(shared: &Shared, connection: &Connection) -> anyhow::Result<()> {
    let leaving = async {
        let (mut control, _) = greet(shared, connection).await.map_err(|refusal| match refusal {
            Refusal::Rejected(reason) => anyhow::anyhow!(reason),
            Refusal::Failed(error) => error,
        })?;
        control.say.send(Bytes::from(encode(&AgentNotice::Leave)?)).await?;
        match connection.closed().await {
            ConnectionError::ApplicationClosed(closed) if closed.error_code == REFUSED.into() => Ok(()),
            error => Err(anyhow::anyhow!(explain(&error))),
        }
    };
    timeout(WELCOME_TIMEOUT, leaving).await.context("the daemon did not answer")?
}

/// Sends rows as they come, and state when it changes.
async fn report(shared: &Shared, connection: &Connection, acknowledged: u64) -> anyhow::Result<Infallible> {
    let mut reports = FramedWrite::new(connection.open_uni().await?, super::codec());
    let mut facts = shared.facts.subscribe();
    let mut containers = shared.containers.subscribe();
    let mut policy = shared.exec.policy();
    // The hello has carried both, but they may have changed since.
    facts.mark_changed();
    policy.mark_changed();
    containers.mark_changed();
    let mut sent = acknowledged;
    let mut schema: Option<Arc<Vec<SeriesKey>>> = None;
    let mut left_out = 0;
    loop {
        let dropped = shared.outbox.take_dropped();
        if dropped > 0 {
            send(&mut reports, ReportBody::Dropped { count: dropped }).await?;
        }
        while let Some(item) = shared.outbox.after(sent) {
            if schema.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &item.schema)) {
                send(&mut reports, ReportBody::Schema { series: item.schema.as_ref().clone() }).await?;
                schema = Some(Arc::clone(&item.schema));
            }
            let body = ReportBody::Samples { block: encode_rows(std::slice::from_ref(&item.row))? };
            reports.send(Bytes::from(encode(&Report { number: item.number, body })?)).await?;
            sent = item.number;
        }
        tokio::select! {
            () = shared.outbox.filled() => {}
            changed = facts.changed() => {
                changed?;
                let mut facts = Box::new(facts.borrow_and_update().as_ref().clone());
                if left_out > 0 {
                    facts.missing.push(format!("{left_out} containers, for which a report has no room: those that run and apps' come first"));
                }
                send(&mut reports, ReportBody::Facts { facts }).await?;
            }
            changed = containers.changed() => {
                changed?;
                let (containers, more) = fitting(containers.borrow_and_update().as_ref().clone());
                if std::mem::replace(&mut left_out, more) != more {
                    facts.mark_changed();
                }
                send(&mut reports, ReportBody::Containers { containers }).await?;
            }
            changed = policy.changed() => {
                changed?;
                let policy = policy.borrow_and_update().clone();
                send(&mut reports, ReportBody::Policy { policy: Box::new(policy) }).await?;
            }
        }
    }
}

async fn send(reports: &mut Reports, body: ReportBody) -> anyhow::Result<()> {
    reports.send(Bytes::from(encode(&Report { number: 0, body })?)).await?;
    Ok(())
}

/// Takes commands, each on a stream of its own. What changes the host goes on when the link breaks: half a change helps nobody, and
/// the daemon asks for its outcome when it is back.
async fn run_commands(
    shared: &Arc<Shared>,
    connection: &Connection,
    stop: &CancellationToken,
) -> anyhow::Result<Infallible> {
    loop {
        let (sending, receiving) = connection.accept_bi().await?;
        let (shared, stop) = (Arc::clone(shared), stop.clone());
        shared.commands.clone().spawn(stop.run_until_cancelled_owned(async move {
            if let Err(error) = run_command(shared, sending, receiving).await {
                tracing::warn!(%error, "a command's stream broke");
            }
        }));
    }
}

async fn run_command(shared: Arc<Shared>, sending: SendStream, receiving: RecvStream) -> anyhow::Result<()> {
    let mut frames = FramedRead::new(receiving, super::codec());
    let frame = frames.next().await.context("no command came")??;
    let request: CommandRequest = decode(&frame)?;
    let mut sending = FramedWrite::new(sending, super::codec());
    // What is in a volume leads nowhere any more; everything else that changes the host is carried out.
    let goes_on = request.command.is_change() && !request.command.carries_volume();
    match request.command {
        Command::TellHeads => {
            let heads = CommandEvent::Found(Box::new(Found::Heads(shared.heads.all())));
            sending.send(Bytes::from(encode(&heads)?)).await?;
            sending.send(Bytes::from(encode(&CommandEvent::Outcome(Outcome::done()))?)).await?;
            end(sending).await
        }
        Command::UpdateAgent { release } => {
            let mut events = update::take(Arc::clone(&shared), Head { command: request.id, release }, frames);
            tell(&mut events, sending, pending()).await
        }
        Command::OpenTerminal { .. } => {
            let (input, typed) = mpsc::channel(INPUTS);
            let mut events = shared.exec.run_terminal(request, typed);
            tell(&mut events, sending, hear_input(frames, input)).await
        }
        _ => {
            let cancel = CancellationToken::new();
            let (passing, parts) = mpsc::channel(PARTS);
            let mut events = shared.exec.run(request, cancel.clone(), parts);
            let told = tell(&mut events, sending, take_parts(&mut frames, passing, &cancel)).await;
            if told.is_err() && goes_on {
                while events.recv().await.is_some() {}
            }
            told
        }
    }
}

/// What the daemon passes on of what is typed at a terminal. Its end is the person's hanging up.
async fn hear_input(
    mut frames: FramedRead<RecvStream, LengthDelimitedCodec>,
    input: mpsc::Sender<TerminalInput>,
) -> anyhow::Result<Infallible> {
    while let Some(Ok(frame)) = frames.next().await {
        // A terminal that has ended takes nothing more.
        drop(input.send(decode(&frame)?).await);
    }
    drop(input);
    pending().await
}

/// Passes on what the daemon sends beside a command. It resets its side of the stream when the command is to be undone, and still
/// listens then.
async fn take_parts(
    frames: &mut FramedRead<RecvStream, LengthDelimitedCodec>,
    passing: mpsc::Sender<Part>,
    cancel: &CancellationToken,
) -> anyhow::Result<Infallible> {
    loop {
        match frames.next().await {
            Some(Ok(frame)) => drop(passing.send(decode(&frame)?).await),
            Some(Err(error)) if error.kind() == ErrorKind::ConnectionReset => {
                cancel.cancel();
                return pending().await;
            }
            Some(Err(error)) => return Err(error.into()),
            None => return pending().await,
        }
    }
}

/// Tells the daemon what a command says, to its outcome or until the daemon wants no more, and listens meanwhile also while the
/// daemon is slow to hear. Fails if the link breaks.
async fn tell(
    events: &mut mpsc::Receiver<CommandEvent>,
    mut sending: Reports,
    listening: impl Future<Output = anyhow::Result<Infallible>>,
) -> anyhow::Result<()> {
    let stopped = sending.get_ref().stopped();
    let telling = async {
        while let Some(event) = events.recv().await {
            let last = matches!(event, CommandEvent::Outcome(_));
            sending.send(Bytes::from(encode(&event)?)).await?;
            if last {
                break;
            }
        }
        end(sending).await
    };
    tokio::select! {
        // The daemon has stopped listening: dropping the queue cancels the command.
        stopped = stopped => {
            stopped?;
            Ok(())
        }
        told = telling => told,
        ended = listening => match ended? {},
    }
}

/// Ends a command's stream: the end has to reach the daemon before the stream is dropped.
async fn end(mut sending: FramedWrite<SendStream, LengthDelimitedCodec>) -> anyhow::Result<()> {
    sending.get_mut().finish()?;
    drop(sending.get_ref().stopped().await);
    Ok(())
}
