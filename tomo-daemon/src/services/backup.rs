//! Backups of the daemon itself: made while it serves, counted once they were restored for a test, on a schedule if one is set.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use tomo_proto::{
    api::{
        backup::{BackupCreate, BackupList, BackupListAnswer},
        person::VerifyBackup,
    },
    error::ErrorCode,
    model::{
        audit::AuditOutcome,
        backup::Backup,
        operation::{Operation, OperationKind},
        user::Scope,
    },
    text::display_line,
};

use crate::{
    backup::{self, Plan},
    live::Topic,
    services::{
        About as _, Context, Handle, HandlePerson, Services,
        access::{Authorized, Caller},
        error::ServiceError,
        execute::{Ended, note_step},
        lookup::not_found,
        operation::{Begun, Running},
    },
    store::{NewAuditEntry, StoreError, records::BackupRecord},
};

/// What an operation that backs up is about.
const TARGET: &str = "tomo";
/// It is looked this often whether a backup is due.
const LOOK: Duration = Duration::from_secs(60);

impl Context {
    fn backup_records(&self) -> Result<Vec<Backup>, StoreError> {
        let mut backups: Vec<Backup> =
            self.store.read(|view| view.list::<BackupRecord>())?.into_iter().map(|record| record.backup).collect();
        backups.reverse();
        Ok(backups)
    }

    fn backup_folder(&self) -> PathBuf {
        self.data.join("backups")
    }

    /// Begins a backup in a task of its own; one that is under way is found.
    async fn begin_backup(
        self: &Arc<Self>,
        caller: &Caller,
        reason: Option<&String>,
    ) -> Result<Operation, ServiceError> {
        drop(self.open_vault().await?);
        self.vault_record().map_err(|error| {
            ServiceError::new(error.code(), "a backup opens with the master password, and there is none yet")
                .with_next("tomo vault init")
        })?;
        let operation = self.new_operation(caller, OperationKind::CreateBackup, TARGET, None);
        let intent = self.entry(caller, OperationKind::CreateBackup.as_str(), AuditOutcome::Intent).because(reason);
        let intent = intent.about("backup", "").with(operation.operation.to_string());
        let running = match self.begin(operation.clone(), intent.clone()).await? {
            Begun::New(running) => running,
            Begun::Already(other) => return Ok(*other),
        };
        let context = Arc::clone(self);
        self.tasks.spawn(async move { context.back_up(running, intent).await });
        Ok(operation)
    }

    pub(super) fn tell_step(&self, running: &Running, step: &str) {
        let now_ms = self.clock.now_ms();
        running.state.send_modify(|operation| note_step(operation, step, None, now_ms));
        self.live.publish(Topic::Operation(running.state.borrow().operation));
    }

    async fn back_up(self: Arc<Self>, running: Running, intent: NewAuditEntry) {
        match self.make_backup(&running).await {
            Ok(backup) => {
                let intent = intent.about("backup", &backup.number.to_string());
                let put =
                    move |change: &mut crate::store::WriteTx<'_>, _: &Operation| change.put(&BackupRecord { backup });
                self.conclude(running, intent, Ended::Done, put).await;
                if let Err(error) = self.forget_old_backups().await {
                    tracing::error!(%error, "old backups cannot be removed");
                }
            }
            Err(error) => self.conclude(running, intent, Ended::failed(error), |_, _| Ok(())).await,
        }
    }

    async fn make_backup(&self, running: &Running) -> Result<Backup, ServiceError> {
        let failed = |error: anyhow::Error| {
            ServiceError::new(ErrorCode::Internal, display_line(&format!("{error:#}"), 400))
                .with_next("see that the disk has room, then try again")
        };
        let newest = self.backup_records()?.first().map_or(0, |backup| backup.number);
        let record = self.vault_record()?;
        let key = self.open_vault().await?;
        let plan =
            Plan { number: newest + 1, created_at: self.clock.now_ms(), key: key.clone(), wrapped: record.wrapped };
        // The data key may change from here on: the backup has its own copy of both halves.
        drop(key);
        self.tell_step(running, "copy the store and seal it");
        let (data, store, folder, making) = (self.data.clone(), self.store.clone(), self.backup_folder(), plan.clone());
        let made = tokio::task::spawn_blocking(move || backup::create(&data, &store, &folder, &making)).await;
        let file = made.map_err(|error| failed(error.into()))?.map_err(failed)?;
        self.tell_step(running, "restore it for a test");
        if let Err(error) = backup::verify(&file, &plan.key, self.clock.now_ms()).await {
            drop(fs::remove_file(&file));
            return Err(failed(error));
        }
        Ok(Backup {
            number: plan.number,
            bytes: fs::metadata(&file).map_or(0, |facts| facts.len()),
            file: file.display().to_string(),
            created_at: plan.created_at,
            verified_at: self.clock.now_ms(),
            epoch: plan.key.epoch(),
        })
    }

    /// Removes what is beyond the number of backups to keep.
    async fn forget_old_backups(&self) -> Result<(), ServiceError> {
        let keep = usize::try_from(self.settings()?.backups_kept).unwrap_or(usize::MAX);
        let old: Vec<Backup> = self.backup_records()?.into_iter().skip(keep).collect();
        for backup in &old {
            match fs::remove_file(&backup.file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::error!(%error, file = backup.file, "an old backup cannot be removed");
                }
                _ => {}
            }
        }
        self.store
            .write(move |change| {
                old.iter().for_each(|backup| change.remove::<BackupRecord>(backup.number));
                Ok(())
            })
            .await
    }

    /// Backs up whenever the settings say, as long as the daemon runs.
    pub(super) async fn back_up_on_schedule(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.stop.cancelled() => return,
            }
            match self.is_backup_due() {
                Ok(true) => {
                    if let Err(error) = self.begin_backup(&Caller::daemon(), None).await {
                        tracing::error!(%error, "the backup that is due cannot be made");
                    }
                }
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "whether a backup is due cannot be told"),
            }
        }
    }

    fn is_backup_due(&self) -> Result<bool, StoreError> {
        let every_ms = u64::from(self.settings()?.backup_every_hours) * 3_600_000;
        let newest = self.backup_records()?.first().map_or(0, |backup| backup.created_at);
        Ok(every_ms > 0 && self.clock.now_ms().saturating_sub(newest) >= every_ms)
    }

    /// What is wrong with the backups, if some are wanted: for the overview.
    pub(super) fn backup_problem(&self) -> Result<Option<String>, StoreError> {
        let every_hours = self.settings()?.backup_every_hours;
        let newest = self.backup_records()?.first().map(|backup| backup.created_at);
        let late_ms = u64::from(every_hours) * 2 * 3_600_000;
        Ok(match newest {
            _ if every_hours == 0 => None,
            None => Some(format!("a backup is wanted every {every_hours} h, and there is none yet")),
            Some(at) if self.clock.now_ms().saturating_sub(at) > late_ms => {
                let hours = self.clock.now_ms().saturating_sub(at) / 3_600_000;
                Some(format!("the newest backup is {hours} h old, one is wanted every {every_hours} h"))
            }
            Some(_) => None,
        })
    }
}

impl Handle<BackupCreate> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, BackupCreate>,
        request: BackupCreate,
    ) -> Result<Operation, ServiceError> {
        self.context.begin_backup(&caller, request.reason.as_ref()).await
    }
}

impl Handle<BackupList> for Services {
    async fn handle(
        &self,
        _caller: Authorized<'_, BackupList>,
        _request: BackupList,
    ) -> Result<BackupListAnswer, ServiceError> {
        Ok(BackupListAnswer { backups: self.context.backup_records()? })
    }
}

impl HandlePerson<VerifyBackup> for Services {
    async fn handle_person(&self, caller: &Caller, request: VerifyBackup) -> Result<Backup, ServiceError> {
        if !caller.scopes.contains(&Scope::Admin) {
            return Err(ServiceError::new(ErrorCode::Denied, "backups need the scope admin").with_next("ask an admin"));
        }
        let context = &self.context;
        let backups = context.backup_records()?;
        let number = request.number.to_string();
        let names: Vec<String> = backups.iter().map(|backup| backup.number.to_string()).collect();
        let mut backup = backups
            .into_iter()
            .find(|backup| backup.number == request.number)
            .ok_or_else(|| not_found("backup", &number, names.iter().map(String::as_str), "tomo backup list"))?;
        let file = PathBuf::from(&backup.file);
        let broken = |error: anyhow::Error| {
            ServiceError::new(ErrorCode::Conflict, display_line(&format!("{error:#}"), 400))
                .with_next("make another: tomo backup create")
        };
        let key = match request.password {
            Some(password) => {
                let wrapped = backup::read_head(&file).map_err(broken)?.wrapped;
                let _alone = context.deriving.lock().await;
                context.unwrap(caller, "backup.verify", wrapped, password).await?
            }
            None => {
                let key = context.open_vault().await?.clone();
                if key.epoch() != backup.epoch {
                    let message =
                        format!("backup {number} opens with an earlier data key: its master password is needed");
                    return Err(ServiceError::new(ErrorCode::Conflict, message)
                        .with_field("password")
                        .with_next(format!("tomo backup verify {number} --ask-password")));
                }
                key
            }
        };
        let checked = backup::verify(&file, &key, context.clock.now_ms()).await;
        let outcome = if checked.is_ok() { AuditOutcome::Ok } else { AuditOutcome::Failed };
        let details = match &checked {
            Ok(restored) => format!("{} files, {} audit rows", restored.files, restored.rows),
            Err(error) => display_line(&format!("{error:#}"), 300),
        };
        let entry = context.entry(caller, "backup.verify", outcome).about("backup", &number).with(details);
        backup.verified_at = context.clock.now_ms();
        let (answer, is_sound) = (backup.clone(), checked.is_ok());
        context
            .store
            .write(move |change| {
                if is_sound {
                    change.put(&BackupRecord { backup })?;
                }
                change.audit(entry);
                Ok::<_, ServiceError>(())
            })
            .await?;
        checked.map(|_| answer).map_err(broken)
    }
}
