//! Reading what is in a volume, for the daemon to keep.

use tomo_proto::{
    error::ErrorCode,
    text::display_line,
    wire::{
        archive::Part,
        command::{CommandEvent, Outcome, STOP_SECS},
    },
};

use super::{Carrying, Scratch, facts, no_volume, scratch::Stopped};
use crate::{
    commands::{Failure, progress},
    docker::{User, made::is_ours},
    journal::Entry,
};

impl Carrying<'_> {
    pub(super) async fn back_up(&self, entry: &mut Entry, volume: &str, stop: bool) -> Result<Outcome, Outcome> {
        Ok(self.read_for_backup(entry, volume, stop).await?)
    }

    async fn read_for_backup(&self, entry: &mut Entry, volume: &str, stop: bool) -> Result<Outcome, Failure> {
        let engine = self.engine;
        let shown = display_line(volume, 80);
        let labels = engine.volume_labels(volume).await?.ok_or_else(|| no_volume(volume))?;
        if !is_ours(&labels) {
            self.policy.check_foreign("backup", &format!("volume \"{shown}\""))?;
        }
        let users = engine.users_of(volume).await?;
        if stop {
            self.check_stop(&users)?;
            self.check_restart(&users).await?;
        }
        let mut scratch = Scratch::of(self.subjects.clone(), entry.command);
        let holder = scratch.name("volume");
        scratch.containers.push(holder.clone());
        entry.scratch = Some(scratch);
        self.note(entry)?;
        engine.hold_volume(&holder, volume, &entry.command.to_string(), true).await?;
        if stop {
            self.stop_users(entry, users).await?;
        } else if let Some(user) = users.first() {
            let name = display_line(&user.name, 80);
            progress(self.events, format!("\"{name}\" goes on: what it writes meanwhile may be in it by half"), None)
                .await;
        }
        progress(self.events, "read the volume", None).await;
        let contents = self.read(&holder, "read the volume", true).await?;
        self.events.tell(CommandEvent::Part(Part::End(contents.clone()))).await;
        Ok(Outcome::Succeeded { facts: facts(&contents), downtime_ms: None })
    }

    /// Whether each may be stopped and started.
    fn check_stop(&self, users: &[User]) -> Result<(), Failure> {
        for verb in ["stop", "start"] {
            self.policy.check_verb(verb)?;
            for user in users.iter().filter(|user| !user.ours) {
                self.policy.check_foreign(verb, &format!("container \"{}\"", display_line(&user.name, 80)))?;
            }
        }
        Ok(())
    }

    /// Whether each can be started again.
    async fn check_restart(&self, users: &[User]) -> Result<(), Failure> {
        for user in users {
            let host = self.engine.find(&user.id).await?.and_then(|found| found.host_config);
            if host.is_some_and(|host| host.auto_remove == Some(true)) {
                let name = display_line(&user.name, 80);
                let message = format!("\"{name}\" is removed once it stops (--rm), and would not come back");
                return Err(Failure::new(ErrorCode::Conflict, message).with_next("back it up without stopping it"));
            }
        }
        Ok(())
    }

    async fn stop_users(&self, entry: &mut Entry, users: Vec<User>) -> Result<(), Failure> {
        for user in users {
            let name = display_line(&user.name, 80);
            progress(self.events, format!("stop \"{name}\"; after {STOP_SECS} s it is killed"), None).await;
            if let Some(scratch) = &mut entry.scratch {
                scratch.stopped.push(Stopped { id: user.id.clone(), name: user.name.clone() });
            }
            self.note(entry)?;
            self.engine.stop(&user.id, STOP_SECS).await.map_err(|error| {
                Failure::new(ErrorCode::Conflict, format!("\"{name}\" cannot be stopped: {}", error.message))
            })?;
        }
        Ok(())
    }
}
