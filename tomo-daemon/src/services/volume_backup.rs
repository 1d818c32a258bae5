//! Backups of volumes: read on a host, sealed in a file here, proven by drills, restored into new volumes.

mod plan;
mod schedule;
mod writing;

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use tokio::sync::mpsc;
use tomo_proto::{
    api::volume_backup::{
        VolumeBackupCreate, VolumeBackupList, VolumeBackupListAnswer, VolumeBackupVerify, VolumeDrill,
    },
    error::ErrorCode,
    id::{AppId, RevisionId, VolumeBackupId},
    model::{
        app::{App, AppSpec},
        audit::AuditOutcome,
        operation::{Operation, OperationKind, OperationStatus},
        server::Server,
        volume_backup::{BackedUpApp, Drill, LastBackup, VolumeBackup},
    },
    text::display_line,
    wire::{
        archive::{Contents, Part},
        command::{Command, ContainerRef, DeployApp},
    },
};
use zeroize::Zeroizing;

pub(super) use plan::{removal_facts, restore_facts};
pub(super) use writing::{Kept, Writing};

use crate::{
    hub::Supply,
    services::{
        About as _, Context, Handle, Services,
        access::{Authorized, Caller, Principal},
        audit::limit,
        error::ServiceError,
        execute::Ended,
        lookup,
        operation::Begun,
    },
    store::{
        NewAuditEntry, Record as _, StoreError, WriteTx,
        records::{VolumeBackupRecord, VolumeScheduleRecord, Work},
    },
    volume_file::{self, OwnKey},
};

/// Parts that wait for the disk, or for the link; when full, whoever sends waits.
const PARTS: usize = 16;
/// Field that a backup's own key is sealed for.
const KEY: &str = "key";

/// A backup that does not read, as it is told.
fn unusable(error: &anyhow::Error) -> ServiceError {
    ServiceError::new(ErrorCode::Conflict, display_line(&format!("{error:#}"), 400))
        .with_next("take another backup: volume_backup_list {}")
}

impl Context {
    /// Every backup of a volume, newest first.
    fn volume_backups(&self) -> Result<Vec<VolumeBackupRecord>, StoreError> {
        let mut records: Vec<VolumeBackupRecord> = self.store.read(|view| view.list())?;
        records.reverse();
        Ok(records)
    }

    /// A backup that a caller may use: whoever sees some apps or servers only sees those of whole servers.
    fn volume_backup(&self, caller: &Caller, text: &str) -> Result<VolumeBackupRecord, ServiceError> {
        let missing = || lookup::unknown_id("backup of a volume", text, "volume_backup_list {}");
        let id: VolumeBackupId = text.parse().map_err(|_| missing())?;
        let record = self.store.read(|view| view.get::<VolumeBackupRecord>(id.to_u64()))?.ok_or_else(missing)?;
        if self.sees_volume_backup(caller, &record.backup)? { Ok(record) } else { Err(missing()) }
    }

    fn sees_volume_backup(&self, caller: &Caller, backup: &VolumeBackup) -> Result<bool, StoreError> {
        if caller.selectors.is_empty() {
            return Ok(true);
        }
        let servers = self.store.read(|view| lookup::servers(view, caller))?;
        Ok(caller.selectors.apps.is_empty() && servers.iter().any(|server| server.id == backup.server_id))
    }

    /// The app that mounts a volume of a server.
    fn app_of_volume(&self, server: &Server, volume: &str) -> Result<Option<BackedUpApp>, StoreError> {
        let apps = self.store.read(|view| view.list::<App>())?;
        // Of an app with several services it is the one that mounts the volume; the others are not there when it is tried.
        let of = |app: App| {
            let mounts = |spec: &AppSpec| spec.volumes.iter().any(|one| one.source == volume);
            let service = app.spec.in_order().into_iter().find(|service| mounts(service.spec))?;
            let spec =
                AppSpec { services: BTreeMap::new(), depends_on: Vec::new(), alias: None, ..service.spec.clone() };
            Some(BackedUpApp { name: app.name, spec })
        };
        Ok(apps.into_iter().filter(|app| app.server == server.id).find_map(of))
    }

    /// The newest backup of each volume of an app that was backed up, and its last drill.
    pub(super) fn last_backups(&self, app: &App) -> Result<Vec<LastBackup>, StoreError> {
        let all = self.volume_backups()?;
        let of_volume = |volume: &str| {
            let mut its = all
                .iter()
                .map(|record| &record.backup)
                .filter(|backup| backup.server_id == app.server && backup.volume == volume);
            let newest = its.clone().next()?;
            let drill = its.by_ref().filter_map(|backup| backup.drill.clone()).max_by_key(|drill| drill.at);
            let (backup, created_at) = (newest.backup, newest.created_at);
            Some(LastBackup { volume: volume.to_owned(), backup, created_at, drill })
        };
        Ok(app.spec.all_volumes().filter_map(|volume| of_volume(&volume.source)).collect())
    }

    /// When a backup that a caller sees was last proven to restore.
    pub(super) fn restore_proven_at(&self, caller: &Caller) -> Result<Option<u64>, StoreError> {
        let mut newest = None;
        for record in self.volume_backups()? {
            let proven = record.backup.drill.as_ref().filter(|drill| drill.proven).map(|drill| drill.at);
            if proven > newest && self.sees_volume_backup(caller, &record.backup)? {
                newest = proven;
            }
        }
        Ok(newest)
    }

    async fn own_key(&self, record: &VolumeBackupRecord) -> Result<OwnKey, ServiceError> {
        let vault = self.open_vault().await?;
        let opened = vault.open(VolumeBackupRecord::TABLE, record.key(), KEY, &record.key);
        let bytes = opened.map_err(|error| ServiceError::new(ErrorCode::Internal, error.to_string()))?;
        let key = <[u8; 32]>::try_from(bytes.as_slice());
        key.map(Zeroizing::new).map_err(|_| ServiceError::new(ErrorCode::Internal, "the backup's key is none"))
    }

    /// Reads a backup to its end: it opens, in order and whole, and comes to what it was.
    async fn read_to_end(&self, record: &VolumeBackupRecord) -> Result<Contents, ServiceError> {
        let (key, backup) = (self.own_key(record).await?, record.backup.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let read = volume_file::read(backup.file.as_ref(), backup.backup, &key, |_| Ok(()))?;
            anyhow::ensure!(read == backup.contents, "{} does not hold what was written to it", backup.file);
            Ok(read)
        });
        let read = reading.await.map_err(|error| ServiceError::new(ErrorCode::Internal, error.to_string()))?;
        read.map_err(|error| unusable(&error))
    }

    /// What is sent to an agent beside a command: a backup, read to its end before and, as it goes out, opened again.
    pub(super) async fn supply_of(&self, work: &Work) -> Result<Option<Supply>, ServiceError> {
        let (Work::RestoreVolume { backup, .. } | Work::DrillVolume { backup, .. }) = work else { return Ok(None) };
        let record = self.store.read(|view| view.get::<VolumeBackupRecord>(backup.to_u64()))?.ok_or_else(gone)?;
        self.read_to_end(&record).await?;
        let (key, backup) = (self.own_key(&record).await?, record.backup);
        let (sending, parts) = mpsc::channel(PARTS);
        // It ends when nobody takes parts any more; without an end the agent keeps nothing.
        tokio::task::spawn_blocking(move || {
            let each = |bytes: &[u8]| Ok(sending.blocking_send(Part::Bytes(bytes.to_vec()))?);
            match volume_file::read(backup.file.as_ref(), backup.backup, &key, each) {
                Ok(contents) => drop(sending.blocking_send(Part::End(contents))),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "a backup was not sent to its end"),
            }
        });
        Ok(Some(Supply::Parts(parts)))
    }

    /// What a drill asks of the agent.
    pub(super) async fn drill_command(&self, backup: VolumeBackupId) -> Result<Command, ServiceError> {
        let record = self.store.read(|view| view.get::<VolumeBackupRecord>(backup.to_u64()))?.ok_or_else(gone)?;
        let VolumeBackup { volume, app, .. } = record.backup;
        let app = match app {
            None => None,
            Some(BackedUpApp { name, spec }) => Some(Box::new(DeployApp {
                app: AppId::from_u64(backup.to_u64()),
                name,
                revision: RevisionId::from_u64(backup.to_u64()),
                secrets: self.open_secrets(&spec).await?,
                spec,
                health_timeout_secs: self.settings()?.healthy_within_secs,
                overlap_secs: 0,
                keep_secs: 0,
                adopts: None,
            })),
        };
        Ok(Command::DrillVolume { volume, app })
    }

    /// Begins a backup; one of the same volume that is under way is found.
    async fn begin_volume_backup(
        self: &Arc<Self>,
        caller: &Caller,
        server: &Server,
        volume: &str,
        stop: bool,
        reason: Option<&String>,
    ) -> Result<Operation, ServiceError> {
        ContainerRef::new(volume).map_err(|_| {
            let message = format!("\"{}\" is not the name of a volume", display_line(volume, 60));
            ServiceError::new(ErrorCode::Invalid, message).with_field("volume")
        })?;
        drop(self.open_vault().await?);
        self.allow_verb(server, "backup")?;
        let backup = VolumeBackupId::from_parts(self.clock.now_ms(), crate::crypto::random_u32());
        let scheduled = caller.principal == Principal::Daemon;
        let work = Work::BackupVolume { server: server.id, backup, volume: volume.to_owned(), stop, scheduled };
        self.operate(caller, server, ["volume_backup_create", "volume", volume], reason, work).await
    }

    /// Begins a drill of a backup, on the server that it came from.
    async fn begin_drill(
        self: &Arc<Self>,
        caller: &Caller,
        backup: &VolumeBackup,
        reason: Option<&String>,
    ) -> Result<Operation, ServiceError> {
        drop(self.open_vault().await?);
        let server = self.store.read(|view| view.get::<Server>(backup.server_id.to_u64()))?.ok_or_else(|| {
            let message = format!("server \"{}\", where a drill of {} belongs, is gone", backup.server, backup.backup);
            ServiceError::new(ErrorCode::NotFound, message).with_next("restore it on another server instead")
        })?;
        self.allow_verb(&server, "restore")?;
        if backup.app.is_some() {
            self.allow_verb(&server, "deploy")?;
        }
        let work = Work::DrillVolume { server: server.id, backup: backup.backup, volume: backup.volume.clone() };
        self.operate(caller, &server, ["volume_drill", "volume", &backup.volume], reason, work).await
    }

    async fn begin_verify(
        self: &Arc<Self>,
        caller: &Caller,
        record: VolumeBackupRecord,
    ) -> Result<Operation, ServiceError> {
        drop(self.open_vault().await?);
        let id = record.backup.backup.to_string();
        let kind = OperationKind::VerifyVolumeBackup;
        let operation = self.new_operation(caller, kind, &id, Some(&record.backup.server));
        let intent = self.entry(caller, "volume_backup_verify", AuditOutcome::Intent).about("volume_backup", &id);
        let intent = intent.with(operation.operation.to_string());
        let running = match self.begin(operation.clone(), intent.clone()).await? {
            Begun::New(running) => running,
            Begun::Already(other) => return Ok(*other),
        };
        let context = Arc::clone(self);
        self.tasks.spawn(async move {
            let now_ms = context.clock.now_ms();
            let ended = match context.read_to_end(&record).await {
                Ok(_) => Ended::Done,
                Err(error) => Ended::failed(error),
            };
            let verified = move |change: &mut WriteTx<'_>, operation: &Operation| {
                let known = change.get::<VolumeBackupRecord>(record.key())?;
                match known.filter(|_| operation.status == OperationStatus::Succeeded) {
                    Some(mut known) => {
                        known.backup.verified_at = now_ms;
                        change.put(&known)
                    }
                    None => Ok(()),
                }
            };
            context.conclude(running, intent, ended, verified).await;
        });
        Ok(operation)
    }

    /// Removes a backup's file, once its record is gone.
    pub(super) fn remove_volume_file(&self, file: &str) {
        match fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::error!(%error, file, "the file of a removed backup cannot be removed");
            }
            _ => {}
        }
    }
}

fn gone() -> ServiceError {
    ServiceError::new(ErrorCode::NotFound, "the backup is gone").with_next("volume_backup_list {}")
}

/// Notes how a drill ended, if it says something about the backup.
pub(super) fn note_drill(
    change: &mut WriteTx<'_>,
    backup: VolumeBackupId,
    operation: &Operation,
    facts: &std::collections::BTreeMap<String, String>,
) -> Result<(), StoreError> {
    let Some(mut record) = change.get::<VolumeBackupRecord>(backup.to_u64())? else { return Ok(()) };
    let (proven, result) = match (operation.status, &operation.error) {
        (OperationStatus::Succeeded, _) => {
            let contents = &record.backup.contents;
            let files = if contents.files == 1 { "1 file".to_owned() } else { format!("{} files", contents.files) };
            let compared = if facts.get("checksum") == Some(&contents.checksum) {
                format!("{files} read back identical, by checksum")
            } else {
                format!("{files} read back, which the engine there packs another way")
            };
            let app = facts.get("app").map_or_else(
                || "no app mounts it".to_owned(),
                |how| {
                    let name = record.backup.app.as_ref().map_or("", |app| app.name.as_str());
                    format!("app {name} was started on it: {}", display_line(how, 100))
                },
            );
            (true, format!("{compared}; {app}"))
        }
        // What was tried to its end left something behind. Whoever could not try has proven nothing.
        (OperationStatus::Failed, Some(error)) if operation.evidence.is_some() => (false, error.message.clone()),
        _ => return Ok(()),
    };
    let at = operation.ended_at.unwrap_or(operation.started_at);
    let server = operation.server.clone().unwrap_or_default();
    record.backup.drill = Some(Drill { at, took_ms: at.saturating_sub(operation.started_at), proven, result, server });
    change.put(&record)
}

impl Handle<VolumeBackupCreate> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, VolumeBackupCreate>,
        request: VolumeBackupCreate,
    ) -> Result<Operation, ServiceError> {
        let server = self.context.whole_server(&caller, &request.server)?;
        let VolumeBackupCreate { volume, stop, reason, .. } = request;
        self.context.begin_volume_backup(&caller, &server, &volume, stop, reason.as_ref()).await
    }
}

impl Handle<VolumeBackupList> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, VolumeBackupList>,
        request: VolumeBackupList,
    ) -> Result<VolumeBackupListAnswer, ServiceError> {
        let limit = limit(request.limit, 50, 200)?;
        let server = request.server.as_ref().map(|server| self.context.whole_server(&caller, server)).transpose()?;
        let fits = |name: &str, id| {
            server.as_ref().is_none_or(|server| server.id == id)
                && request.volume.as_ref().is_none_or(|volume| volume == name)
        };
        let mut answer = VolumeBackupListAnswer::default();
        for record in self.context.volume_backups()? {
            let backup = record.backup;
            if answer.backups.len() < limit
                && fits(&backup.volume, backup.server_id)
                && self.context.sees_volume_backup(&caller, &backup)?
            {
                answer.backups.push(backup);
            }
        }
        let servers = self.context.store.read(|view| lookup::servers(view, &caller))?;
        let schedules = self.context.store.read(|view| view.list::<VolumeScheduleRecord>())?;
        answer.schedules = schedules
            .into_iter()
            .map(|record| record.schedule)
            .filter(|schedule| caller.selectors.apps.is_empty() && fits(&schedule.volume, schedule.server_id))
            .filter(|schedule| servers.iter().any(|server| server.id == schedule.server_id))
            .collect();
        Ok(answer)
    }
}

impl Handle<VolumeBackupVerify> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, VolumeBackupVerify>,
        request: VolumeBackupVerify,
    ) -> Result<Operation, ServiceError> {
        let record = self.context.volume_backup(&caller, &request.backup)?;
        self.context.begin_verify(&caller, record).await
    }
}

impl Handle<VolumeDrill> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, VolumeDrill>,
        request: VolumeDrill,
    ) -> Result<Operation, ServiceError> {
        let record = self.context.volume_backup(&caller, &request.backup)?;
        self.context.begin_drill(&caller, &record.backup, request.reason.as_ref()).await
    }
}

/// Where backups of volumes lie.
pub(super) fn folder_of(data: &std::path::Path, configured: PathBuf) -> PathBuf {
    if configured.as_os_str().is_empty() { data.join("volume-backups") } else { configured }
}

/// A row of the audit trail about a backup that goes by itself.
fn forgotten(context: &Context, backup: &VolumeBackup) -> NewAuditEntry {
    context
        .entry(&Caller::daemon(), "volume_backup_remove", AuditOutcome::Ok)
        .about("volume_backup", &backup.backup.to_string())
        .with(format!("of volume {} on {}: newer ones are kept", backup.volume, backup.server))
}
