//! What is in a volume: read for a backup, restored into a new one, tried out with its app. The engine reads and writes through a
//! container that is never started. Whatever is made or stopped for it stands in the journal first, and is taken away or started again in
//! any case.

mod backup;
mod drill;
mod restore;
mod scratch;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use tokio::time::sleep;
use tomo_proto::{
    error::ErrorCode,
    text::display_line,
    wire::{
        archive::{Contents, PART_BYTES, Part, Tar},
        command::{Command, CommandEvent, CommandRequest, Outcome},
    },
};

pub(crate) use scratch::Scratch;

use crate::{
    commands::{Failure, Stop, progress},
    docker::{Engine, EngineError},
    exec::Events,
    journal::{Entry, Journal},
    policy::Policy,
};

/// An engine that went away in the middle gets this long to come back; after that the rest is done when it is back.
const INSIST_FOR: Duration = Duration::from_secs(30);
const INSIST_EVERY: Duration = Duration::from_secs(1);
/// It is told this often how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// One command that carries what is in a volume.
pub(crate) struct Carrying<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) policy: &'a Policy,
    pub(crate) events: &'a Events,
    pub(crate) stop: &'a Stop,
    pub(crate) journal: &'a Journal,
    /// What it works on, whose turn it has.
    pub(crate) subjects: Vec<String>,
}

impl Carrying<'_> {
    /// Carries it out. What was made for it is gone afterwards, but for a volume that was restored to its end; what could not be
    /// taken away stands in the entry.
    pub(crate) async fn run(&self, entry: &mut Entry, request: &CommandRequest) -> Outcome {
        let outcome = match &request.command {
            Command::BackupVolume { volume, stop } => self.back_up(entry, volume, *stop).await,
            Command::RestoreVolume { volume } => self.restore(entry, volume).await,
            Command::DrillVolume { volume, app } => self.drill(entry, volume, app.as_deref()).await,
            _ => Err(Failure::new(ErrorCode::Internal, "the agent took a command for another kind").into()),
        };
        let outcome = outcome.unwrap_or_else(|outcome| outcome);
        let Some(scratch) = &entry.scratch else { return outcome };
        let until = Instant::now() + INSIST_FOR;
        loop {
            match scratch.clear(self.engine).await {
                Ok(()) => {
                    entry.scratch = None;
                    return outcome;
                }
                Err(_) if Instant::now() < until => sleep(INSIST_EVERY).await,
                Err(error) => return self.left(outcome, &error).await,
            }
        }
    }

    /// The outcome where not all traces could be taken away. What was done stays done.
    async fn left(&self, outcome: Outcome, error: &EngineError) -> Outcome {
        let rest =
            format!("what was made or stopped for it is seen to as soon as the engine lets it be: {}", error.message);
        match outcome {
            Outcome::Failed { code, message, next, downtime_ms, evidence } => {
                Outcome::Failed { code, message: format!("{message}; {rest}"), next, downtime_ms, evidence }
            }
            succeeded @ Outcome::Succeeded { .. } => {
                progress(self.events, rest, None).await;
                succeeded
            }
        }
    }

    fn note(&self, entry: &Entry) -> Result<(), Failure> {
        self.stop.check()?;
        self.journal.write(entry).map_err(|error| {
            Failure::new(ErrorCode::Internal, format!("it cannot be noted in the agent's journal: {error}"))
        })
    }

    /// Reads what is in the volume that a container holds, to its end; the daemon is sent it, if it is to be.
    async fn read(&self, holder: &str, doing: &str, is_sent: bool) -> Result<Contents, Failure> {
        let reading = async {
            let mut archive = self.engine.read_volume(holder);
            let (mut tar, mut told) = (Tar::default(), Instant::now());
            while let Some(chunk) = archive.next().await {
                let chunk = chunk?;
                tar.take(&chunk);
                for part in chunk.chunks(PART_BYTES).filter(|_| is_sent) {
                    self.events.tell(CommandEvent::Part(Part::Bytes(part.to_vec()))).await;
                }
                if told.elapsed() >= TELL_EVERY {
                    told = Instant::now();
                    progress(self.events, how_far(doing, &tar), None).await;
                }
            }
            tar.end().map_err(|why| {
                Failure::new(ErrorCode::Conflict, format!("the engine did not read the volume to its end: {why}"))
                    .with_next("files that shrink while they are read do that: stop the app meanwhile")
            })
        };
        tokio::select! {
            read = reading => read,
            failure = self.stop.reached() => Err(failure),
        }
    }
}

fn how_far(doing: &str, tar: &Tar) -> String {
    format!("{doing}: {} files, {} MiB", tar.files(), tar.bytes() >> 20)
}

/// What the daemon is told of what was read.
fn facts(contents: &Contents) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("files".to_owned(), contents.files.to_string()),
        ("bytes".to_owned(), contents.bytes.to_string()),
        ("checksum".to_owned(), contents.checksum.clone()),
    ])
}

fn no_volume(volume: &str) -> Failure {
    Failure::new(ErrorCode::NotFound, format!("there is no volume \"{}\" on this host", display_line(volume, 80)))
}
