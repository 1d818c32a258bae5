//! Making a new volume of what the daemon sends. It stays only if all of it came, and reads back as it was.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use futures::{Stream, stream};
use tomo_proto::{
    error::ErrorCode,
    text::display_line,
    wire::{
        archive::{Contents, Part, Tar},
        command::{CommandEvent, Outcome},
    },
};

use super::{Carrying, Scratch, TELL_EVERY, facts, how_far};
use crate::{
    commands::{Failure, progress},
    docker::made::of_command,
    exec::Events,
    journal::Entry,
};

/// What the daemon has sent, once it is over.
type Received = Arc<Mutex<Option<Result<Contents, String>>>>;

impl Carrying<'_> {
    pub(super) async fn restore(&self, entry: &mut Entry, volume: &str) -> Result<Outcome, Outcome> {
        Ok(self.restore_new(entry, volume).await?)
    }

    async fn restore_new(&self, entry: &mut Entry, volume: &str) -> Result<Outcome, Failure> {
        if self.engine.has_volume(volume).await? {
            let message = format!("there is a volume called \"{}\" already", display_line(volume, 80));
            return Err(Failure::new(ErrorCode::Conflict, message).with_next("choose another name"));
        }
        let scratch = Scratch::of(self.subjects.clone(), entry.command);
        let filled = self.fill(entry, scratch, volume).await?;
        filled.check()?;
        // From here on the volume stays, for whoever reads the journal later too.
        let made = entry.scratch.as_mut().map(|scratch| std::mem::take(&mut scratch.volumes));
        if let Err(failure) = self.note(entry) {
            if let (Some(scratch), Some(made)) = (&mut entry.scratch, made) {
                scratch.volumes = made;
            }
            return Err(failure);
        }
        Ok(Outcome::Succeeded { facts: facts(&filled.read_back), downtime_ms: None })
    }

    /// Makes a volume of what the daemon sends.
    pub(super) async fn fill(&self, entry: &mut Entry, mut scratch: Scratch, volume: &str) -> Result<Filled, Failure> {
        let made_for = entry.command.to_string();
        let holder = scratch.name("volume");
        scratch.containers.push(holder.clone());
        scratch.volumes.push(volume.to_owned());
        entry.scratch = Some(scratch);
        self.note(entry)?;
        progress(self.events, "make the volume", None).await;
        self.engine.make_volume(volume, &[of_command(&made_for)]).await?;
        self.engine.hold_volume(&holder, volume, &made_for, false).await?;
        self.events.tell(CommandEvent::Send).await;
        let received = Received::default();
        let archive = receive(self.events.clone(), Arc::clone(&received));
        let written = tokio::select! {
            written = self.engine.write_volume(&holder, archive) => written,
            failure = self.stop.reached() => return Err(failure),
        };
        let received = received.lock().unwrap_or_else(PoisonError::into_inner).take();
        let sent = match (received, written) {
            (Some(Err(why)), _) => return Err(Failure::new(ErrorCode::Conflict, why)),
            (_, Err(error)) => return Err(error.into()),
            (None, Ok(())) => {
                return Err(Failure::new(ErrorCode::Conflict, "the engine did not take all that was sent"));
            }
            (Some(Ok(sent)), Ok(())) => sent,
        };
        progress(self.events, "read it back", None).await;
        let read_back = self.read(&holder, "read it back", false).await?;
        Ok(Filled { sent, read_back })
    }
}

/// A volume that took all that was sent.
pub(super) struct Filled {
    sent: Contents,
    pub(super) read_back: Contents,
}

impl Filled {
    /// Whether it reads back as it was. Another engine may pack the same files another way; how many there are and how much is in them
    /// stays.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let Self { sent, read_back } = self;
        if (read_back.files, read_back.bytes) == (sent.files, sent.bytes) {
            return Ok(());
        }
        let message = format!(
            "it does not read back as it was: {} files with {} bytes instead of {} with {}",
            read_back.files, read_back.bytes, sent.files, sent.bytes
        );
        Err(Failure::new(ErrorCode::Conflict, message))
    }
}

/// What the daemon sends, as the engine takes it. It ends in an error unless all of it came.
fn receive(events: Events, received: Received) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let begun = (events, received, Tar::default(), Instant::now());
    stream::unfold(Some(begun), async |state| {
        let (events, received, mut tar, mut told) = state?;
        let ended = |result: Result<Contents, String>| {
            *received.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        };
        let failed = |why: String| Some((Err(io::Error::other(why)), None));
        match events.take().await {
            Ok(Part::Bytes(bytes)) => {
                tar.take(&bytes);
                if told.elapsed() >= TELL_EVERY {
                    told = Instant::now();
                    progress(&events, how_far("write the volume", &tar), None).await;
                }
                Some((Ok(Bytes::from(bytes)), Some((events, received, tar, told))))
            }
            Ok(Part::End(wanted)) => match tar.end() {
                Ok(came) if came == wanted => {
                    ended(Ok(came));
                    None
                }
                Ok(_) => {
                    let why = "what came is not what the daemon says that it sent".to_owned();
                    ended(Err(why.clone()));
                    failed(why)
                }
                Err(why) => {
                    ended(Err(format!("not all of it came: {why}")));
                    failed(why)
                }
            },
            Err(why) => {
                ended(Err(why.clone()));
                failed(why)
            }
        }
    })
}
