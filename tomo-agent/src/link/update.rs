//! Takes an update of this agent from the daemon and hands it over to root, who checks everything anew; then tells how it ended.
//! Only what the host's key has signed is taken at all, and never more than was signed.

use std::{fs, os::unix::fs::OpenOptionsExt as _, sync::Arc, time::Duration};

use bytes::BytesMut;
use futures::StreamExt as _;
use quinn::RecvStream;
use tokio::{
    fs::File,
    io::AsyncWriteExt as _,
    sync::mpsc,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};
use tomo_proto::{
    error::ErrorCode,
    model::release::{Measure, Release, ReleaseError, SignedRelease, Version},
    wire::command::{CommandEvent, Outcome},
};

use crate::{
    install,
    link::Shared,
    update::{Head, Known, Places},
};

/// Longest pause between two parts of a program.
const PART_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest time a whole program may take.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(900);
/// How long another update is waited for.
const BUSY: Duration = Duration::from_secs(5);
/// How long it may take until root begins,
const BEGIN_TIMEOUT: Duration = Duration::from_secs(20);
/// and ends.
const END_TIMEOUT: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(100);

type Frames = FramedRead<RecvStream, LengthDelimitedCodec>;

/// Takes one update: what there is to say arrives on the returned queue, an outcome last. Dropping the queue ends what was not
/// handed over yet.
pub(super) fn take(shared: Arc<Shared>, head: Head, frames: Frames) -> mpsc::Receiver<CommandEvent> {
    let (events, said) = mpsc::channel(8);
    tokio::spawn(async move {
        let places = Places::of(&shared.state);
        let taking = async {
            let outcome = carry_out(&shared, &places, &head, frames, &events).await;
            drop(events.send(CommandEvent::Outcome(outcome.unwrap_or_else(|failed| failed))).await);
        };
        tokio::select! {
            () = taking => {}
            () = events.closed() => {}
        }
    });
    said
}

fn failed(code: ErrorCode, message: impl Into<String>) -> Outcome {
    Outcome::failed(code, message, None)
}

fn refused(error: &ReleaseError) -> Outcome {
    failed(error.code(), error.to_string())
}

async fn carry_out(
    shared: &Shared,
    places: &Places,
    head: &Head,
    mut frames: Frames,
    events: &mpsc::Sender<CommandEvent>,
) -> Result<Outcome, Outcome> {
    if !shared.exec.is_apart() {
        return Err(Outcome::failed(
            ErrorCode::Conflict,
            "this agent was started by hand, so that nobody there can put an update in place",
            Some(
                "replace the program there and start it again, or let systemd run it: sudo tomo-agent install"
                    .to_owned(),
            ),
        ));
    }
    if install::is_packaged() {
        return Err(Outcome::failed(
            ErrorCode::Conflict,
            "this agent belongs to the package tomo-agent, which that host updates",
            Some("on that host: apt-get install --only-upgrade tomo-agent".to_owned()),
        ));
    }
    let busy = |_| failed(ErrorCode::Conflict, "another update is under way");
    let _one = timeout(BUSY, shared.updating.lock()).await.map_err(busy)?;
    match places.known(head.command) {
        Known::Ended(outcome) => return Ok(outcome),
        Known::UnderWay => {}
        Known::New => {
            let release = check(shared, head)?;
            drop(events.send(CommandEvent::Send).await);
            let part = Part(places);
            let received = timeout(PROGRAM_TIMEOUT, receive(places, head, &release, &mut frames, events)).await;
            received.unwrap_or_else(|_| Err(failed(ErrorCode::Conflict, "the program did not come in time")))?;
            let handed = fs::rename(places.part(), places.handed());
            drop(part);
            handed
                .map_err(|error| failed(ErrorCode::Conflict, format!("the update cannot be handed over: {error}")))?;
        }
    }
    progress(events, "the host checks it and puts it in place", None).await;
    wait(places, head).await
}

/// Everything about the release that can be checked before a byte of the program has come.
fn check(shared: &Shared, head: &Head) -> Result<Release, Outcome> {
    let key = shared.exec.policy().borrow().release_key().map_err(|_| {
        Outcome::failed(
            ErrorCode::RefusedByPolicy,
            "updating the agent over the link is refused by the host's policy: it names no release key",
            Some(
                "the host's owner can add `update_key = \"ed25519:…\"`, as `tomo release keygen` prints it, to \
                 /etc/tomo/agent-policy.toml"
                    .to_owned(),
            ),
        )
    })?;
    let signed = SignedRelease::parse(&head.release).map_err(|error| refused(&error))?;
    let release = signed.verify(&key).map_err(|error| refused(&error))?;
    release.check_fits(std::env::consts::ARCH, Version::own()).map_err(|error| refused(&error))?;
    Ok(release.clone())
}

/// What is not whole does not stay.
struct Part<'a>(&'a Places);

impl Drop for Part<'_> {
    fn drop(&mut self) {
        // Mostly it has got its name by now.
        drop(fs::remove_file(self.0.part()));
    }
}

/// Writes the program down as it comes.
async fn receive(
    places: &Places,
    head: &Head,
    release: &Release,
    frames: &mut Frames,
    events: &mpsc::Sender<CommandEvent>,
) -> Result<(), Outcome> {
    let cannot =
        |error: std::io::Error| failed(ErrorCode::Conflict, format!("the host cannot keep the program: {error}"));
    // An earlier run may have left one.
    drop(fs::remove_file(places.part()));
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(places.part());
    let mut file = File::from_std(made.map_err(cannot)?);
    file.write_all(&head.line().map_err(cannot)?).await.map_err(cannot)?;
    let (mut measure, mut told) = (Measure::new(), 0);
    while measure.length() < release.length {
        let part = next_part(frames).await?;
        measure.add(&part);
        if measure.length() > release.length {
            return Err(failed(ErrorCode::Invalid, "the program is longer than the release says"));
        }
        file.write_all(&part).await.map_err(cannot)?;
        let percent = u8::try_from(measure.length() * 100 / release.length).unwrap_or(100);
        if percent >= told + 5 {
            told = percent;
            progress(events, "send the program", Some(percent)).await;
        }
    }
    measure.check(release).map_err(|error| refused(&error))?;
    file.sync_all().await.map_err(cannot)
}

async fn next_part(frames: &mut Frames) -> Result<BytesMut, Outcome> {
    match timeout(PART_TIMEOUT, frames.next()).await {
        Ok(Some(Ok(part))) if !part.is_empty() => Ok(part),
        Ok(Some(_)) => Err(failed(ErrorCode::Invalid, "what came is no part of a program")),
        Ok(None) => Err(failed(ErrorCode::Invalid, "the program ends before its length")),
        Err(_) => {
            Err(failed(ErrorCode::Conflict, format!("no part of the program came for {} s", PART_TIMEOUT.as_secs())))
        }
    }
}

/// Waits until root has begun and ended. If this agent is started anew meanwhile, the daemon asks the next one.
async fn wait(places: &Places, head: &Head) -> Result<Outcome, Outcome> {
    let begin = Instant::now() + BEGIN_TIMEOUT;
    while places.handed().exists() && places.under_way().is_none() {
        if Instant::now() > begin {
            // Whoever comes later shall not find it.
            drop(fs::remove_file(places.handed()));
            return Err(Outcome::failed(
                ErrorCode::HostFailed,
                "nobody on the host takes the update",
                Some(
                    "look there: systemctl status tomo-agent-update.path; `sudo tomo-agent install --again` makes it"
                        .to_owned(),
                ),
            ));
        }
        sleep(LOOK).await;
    }
    let ended = async {
        loop {
            if let Some(outcome) = places.ended(head.command) {
                return outcome;
            }
            sleep(LOOK).await;
        }
    };
    timeout_at(Instant::now() + END_TIMEOUT, ended).await.map_err(|_| {
        Outcome::failed(
            ErrorCode::TimeoutUnknown,
            "the host does not say how the update ended",
            Some("look there: journalctl -u tomo-agent-update".to_owned()),
        )
    })
}

async fn progress(events: &mpsc::Sender<CommandEvent>, step: &str, percent: Option<u8>) {
    drop(events.send(CommandEvent::Progress { step: step.to_owned(), percent }).await);
}
