//! A backup while it comes in: a task writes it, and it counts once it was read to its end and stands in the store.

use std::path::PathBuf;

use tokio::{sync::mpsc, task::JoinHandle};
use tomo_proto::{
    error::ErrorCode,
    model::{server::Server, volume_backup::VolumeBackup},
    text::display_line,
    wire::archive::{Contents, Part},
};
use zeroize::Zeroizing;

use super::{KEY, PARTS};
use crate::{
    crypto::random_bytes,
    services::{Context, error::ServiceError, execute::Ended, operation::Running, vault::OpenVault},
    store::{
        Record as _,
        records::{VolumeBackupRecord, Work},
    },
    volume_file::{self, Head, OwnKey},
};

/// A backup on its way to the disk.
pub(in crate::services) struct Writing {
    parts: mpsc::Sender<Part>,
    task: JoinHandle<anyhow::Result<(PathBuf, Contents)>>,
    head: Head,
    key: OwnKey,
    server: Server,
    stopped: bool,
    scheduled: bool,
}

/// A backup that is whole. The vault stays as it is until the record is in the store.
pub(in crate::services) struct Kept {
    pub(in crate::services) record: VolumeBackupRecord,
    _vault: OpenVault,
}

impl Writing {
    /// Writes on; says whether it still can.
    pub(in crate::services) async fn take(&self, part: Part) -> bool {
        self.parts.send(part).await.is_ok()
    }
}

impl Context {
    /// Begins to write the backup that a command brings, if it does.
    pub(in crate::services) async fn begin_writing(&self, work: &Work) -> Result<Option<Writing>, ServiceError> {
        let Work::BackupVolume { server, backup, volume, stop, scheduled } = work else { return Ok(None) };
        drop(self.open_vault().await?);
        let server = self.store.read(|view| view.get::<Server>(server.to_u64()))?;
        let server = server.ok_or_else(|| ServiceError::new(ErrorCode::NotFound, "the server is gone"))?;
        let key: OwnKey = Zeroizing::new(random_bytes::<32>());
        let head = Head::new(*backup, server.name.clone(), volume.clone(), self.clock.now_ms());
        let (parts, mut coming) = mpsc::channel(PARTS);
        let (folder, beginning, own) = (self.volume_backups.clone(), head.clone(), key.clone());
        let task = tokio::task::spawn_blocking(move || {
            volume_file::write(&folder, &beginning, &own, || coming.blocking_recv())
        });
        Ok(Some(Writing { parts, task, head, key, server, stopped: *stop, scheduled: *scheduled }))
    }

    /// Ends what was written: it is kept if the command succeeded and all of it is on the disk, else nothing of it is left.
    pub(in crate::services) async fn end_writing(
        &self,
        writing: Option<Writing>,
        running: &Running,
        ended: Ended,
    ) -> (Ended, Option<Kept>) {
        let Some(Writing { parts, task, head, key, server, stopped, scheduled }) = writing else {
            return (ended, None);
        };
        self.tell_step(running, "read the backup to its end");
        drop(parts);
        let written = match task.await {
            Ok(written) => written,
            Err(error) => Err(error.into()),
        };
        let (file, contents) = match (ended, written) {
            (Ended::Done, Ok(written)) => written,
            // Whatever the agent says then, the disk here was what came to an end.
            (Ended::Done | Ended::Cancelled | Ended::Failed(_), Err(error)) if is_of_disk(&error) => {
                return (Ended::failed(full(&self.volume_backups, &error)), None);
            }
            (Ended::Done, Err(error)) => return (Ended::failed(super::unusable(&error)), None),
            (ended, written) => {
                if let Ok((file, _)) = written {
                    self.remove_volume_file(&file.display().to_string());
                }
                return (nothing_is_left(ended), None);
            }
        };
        let kept = async {
            let vault = self.open_vault().await?;
            let sealed = vault.seal(VolumeBackupRecord::TABLE, head.backup.to_u64(), KEY, key.as_slice());
            let backup = VolumeBackup {
                backup: head.backup,
                server: server.name.clone(),
                server_id: server.id,
                app: self.app_of_volume(&server, &head.volume)?,
                volume: head.volume,
                stopped,
                scheduled,
                contents,
                file_bytes: std::fs::metadata(&file).map_or(0, |facts| facts.len()),
                file: file.display().to_string(),
                created_at: head.created_at,
                verified_at: self.clock.now_ms(),
                drill: None,
            };
            Ok::<_, ServiceError>(Kept { record: VolumeBackupRecord { backup, key: sealed }, _vault: vault })
        };
        match kept.await {
            Ok(kept) => (Ended::Done, Some(kept)),
            Err(error) => {
                self.remove_volume_file(&file.display().to_string());
                (Ended::failed(error), None)
            }
        }
    }
}

/// What could not be read to its end is no backup, whatever the agent would say later.
fn nothing_is_left(ended: Ended) -> Ended {
    match ended {
        Ended::Unknown(error) => {
            let why = error.message.split(':').next().unwrap_or_default();
            let message = format!("{why}: the backup was cut off, and nothing of it is left");
            Ended::failed(
                ServiceError::new(ErrorCode::AgentOffline, message).with_next("try again once the server is up"),
            )
        }
        other => other,
    }
}

fn is_of_disk(error: &anyhow::Error) -> bool {
    // What was changed is found by who opens it, and told as data that is not valid.
    let io =
        |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    error.chain().filter_map(io).any(|kind| kind != std::io::ErrorKind::InvalidData)
}

fn full(folder: &std::path::Path, error: &anyhow::Error) -> ServiceError {
    let message = format!(
        "the backup cannot be written to {}, and nothing of it is left: {}",
        folder.display(),
        display_line(&format!("{error:#}"), 300)
    );
    ServiceError::new(ErrorCode::StorageFull, message)
        .with_next("make room there, or remove backups that are not needed any more")
}
