//! What is backed up and drilled by itself, what of it goes again, and what is late.

use std::{sync::Arc, time::Duration};

use tomo_proto::{
    api::{
        overview::{Problem, Severity},
        volume_backup::{VolumeScheduleAnswer, VolumeScheduleSet},
    },
    error::ErrorCode,
    model::{
        audit::AuditOutcome,
        server::Server,
        volume_backup::{VolumeBackup, VolumeSchedule},
    },
    wire::command::ContainerRef,
};

use super::forgotten;
use crate::{
    crypto,
    services::{
        About as _, Context, Handle, Services,
        access::{Authorized, Caller},
        error::ServiceError,
    },
    store::{
        Record as _, StoreError,
        records::{VolumeBackupRecord, VolumeScheduleRecord},
    },
};

/// It is looked this often whether something is due.
const LOOK: Duration = Duration::from_secs(10);
/// Backups that are kept where nobody says how many.
const KEPT: u32 = 7;
/// A scheduled volume whose restore was not proven for so long is a problem.
const PROOF_DAYS: u64 = 30;
const HOUR_MS: u64 = 3_600_000;

/// Key of a volume's schedule.
fn key_of(server: &Server, volume: &str) -> u64 {
    crypto::name_key(&format!("{}/{volume}", server.id))
}

impl Context {
    fn volume_schedules(&self) -> Result<Vec<VolumeSchedule>, StoreError> {
        let records = self.store.read(|view| view.list::<VolumeScheduleRecord>())?;
        Ok(records.into_iter().map(|record| record.schedule).collect())
    }

    /// Backups of one volume, newest first.
    fn backups_of(&self, schedule: &VolumeSchedule) -> Result<Vec<VolumeBackup>, StoreError> {
        let all = self.volume_backups()?.into_iter().map(|record| record.backup);
        Ok(all.filter(|one| one.server_id == schedule.server_id && one.volume == schedule.volume).collect())
    }

    /// Backs up and drills whatever is due, as long as the daemon runs.
    pub(in crate::services) async fn back_up_volumes_on_schedule(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.stop.cancelled() => return,
            }
            let schedules = match self.volume_schedules() {
                Ok(schedules) => schedules,
                Err(error) => {
                    tracing::error!(%error, "the schedules of volumes cannot be read");
                    continue;
                }
            };
            for schedule in schedules {
                if let Err(error) = self.keep_up(&schedule).await {
                    tracing::error!(%error, volume = schedule.volume, server = schedule.server, "the backup or drill that is due cannot be begun");
                }
            }
        }
    }

    /// Does what is due for one volume. A server that is away is waited for; one that failed is tried again after an hour.
    async fn keep_up(self: &Arc<Self>, schedule: &VolumeSchedule) -> Result<(), ServiceError> {
        let Some(server) = self.store.read(|view| view.get::<Server>(schedule.server_id.to_u64()))? else {
            return Ok(());
        };
        if !self.hub.is_online(server.id) || self.is_busy_or_failed_lately(schedule)? {
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        let is_due = |last: u64, hours: u32| hours > 0 && now_ms.saturating_sub(last) >= u64::from(hours) * HOUR_MS;
        let backups = self.backups_of(schedule)?;
        let daemon = Caller::daemon();
        if is_due(backups.first().map_or(0, |newest| newest.created_at), schedule.every_hours) {
            self.begin_volume_backup(&daemon, &server, &schedule.volume, schedule.stop, None).await?;
        } else if let Some(newest) = backups.first()
            && is_due(newest_drill(&backups), schedule.drill_every_hours)
        {
            self.begin_drill(&daemon, newest, None).await?;
        }
        Ok(())
    }

    /// Whether something of the volume is under way, or failed within the last hour when it was due.
    fn is_busy_or_failed_lately(&self, schedule: &VolumeSchedule) -> Result<bool, StoreError> {
        use tomo_proto::model::operation::{
            Operation,
            OperationKind::{BackupVolume, DrillVolume},
            OperationStatus,
        };
        let since = self.clock.now_ms().saturating_sub(HOUR_MS);
        let newest = self.store.read(|view| view.newest::<Operation>(200))?;
        let of_it = newest.into_iter().filter(|one| {
            matches!(one.kind, BackupVolume | DrillVolume)
                && one.target == schedule.volume
                && one.server.as_deref() == Some(&schedule.server)
        });
        let last = of_it.into_iter().next();
        Ok(last.is_some_and(|last| match last.status {
            OperationStatus::Running => true,
            OperationStatus::Succeeded => false,
            _ => last.started_at > since,
        }))
    }

    /// Removes what is beyond the number of backups of a volume that its schedule keeps.
    pub(in crate::services) async fn forget_old_volume_backups(&self, of: &VolumeBackup) -> Result<(), ServiceError> {
        let schedules = self.volume_schedules()?;
        let its = schedules.iter().find(|one| one.server_id == of.server_id && one.volume == of.volume);
        let Some(schedule) = its else { return Ok(()) };
        let keep = usize::try_from(schedule.keep).unwrap_or(usize::MAX);
        let all = self.backups_of(schedule)?;
        let is_proven = |one: &VolumeBackup| one.drill.as_ref().is_some_and(|drill| drill.proven);
        let last_proven = all.iter().find(|one| is_proven(one)).map(|one| one.backup);
        // What somebody made stays until somebody removes it, and so does the last one that is known to restore.
        let old = all.into_iter().filter(|one| one.scheduled).skip(keep);
        let old: Vec<VolumeBackup> = old.filter(|one| Some(one.backup) != last_proven).collect();
        let rows: Vec<_> = old.iter().map(|backup| forgotten(self, backup)).collect();
        let ids: Vec<u64> = old.iter().map(|backup| backup.backup.to_u64()).collect();
        self.store
            .write(move |change| {
                ids.iter().for_each(|id| change.remove::<VolumeBackupRecord>(*id));
                rows.into_iter().for_each(|row| change.audit(row));
                Ok::<_, StoreError>(())
            })
            .await?;
        old.iter().for_each(|backup| self.remove_volume_file(&backup.file));
        Ok(())
    }

    /// What is late or was not proven, of what is backed up by itself: for the overview.
    pub(in crate::services) fn volume_problems(&self, caller: &Caller) -> Result<Vec<Problem>, StoreError> {
        let now_ms = self.clock.now_ms();
        let mut problems = Vec::new();
        for schedule in self.volume_schedules()? {
            let backups = self.backups_of(&schedule)?;
            let seen = match backups.first() {
                Some(newest) => self.sees_volume_backup(caller, newest)?,
                None => caller.selectors.is_empty(),
            };
            if let Some(message) = problem_of(&schedule, &backups, now_ms).filter(|_| seen) {
                problems.push(Problem {
                    severity: Severity::Warning,
                    subject: schedule.volume.clone(),
                    message: format!("volume on {}: {message}", schedule.server),
                    next: format!(
                        "volume_backup_list {{\"server\":\"{}\",\"volume\":\"{}\"}}",
                        schedule.server, schedule.volume
                    ),
                    began_at: None,
                    log: Vec::new(),
                });
            }
        }
        Ok(problems)
    }
}

/// When any of some backups was last drilled, whatever came of it.
fn newest_drill(backups: &[VolumeBackup]) -> u64 {
    backups.iter().filter_map(|backup| backup.drill.as_ref()).map(|drill| drill.at).max().unwrap_or(0)
}

fn problem_of(schedule: &VolumeSchedule, backups: &[VolumeBackup], now_ms: u64) -> Option<String> {
    let every = schedule.every_hours;
    let Some(newest) = backups.first() else {
        return Some(format!("a backup is wanted every {every} h, and there is none yet"));
    };
    let hours = |since: u64| now_ms.saturating_sub(since) / HOUR_MS;
    if hours(newest.created_at) > u64::from(every) * 2 {
        let age = hours(newest.created_at);
        return Some(format!("the newest backup is {age} h old, one is wanted every {every} h"));
    }
    let last = backups.iter().filter_map(|backup| backup.drill.as_ref()).max_by_key(|drill| drill.at);
    let most_hours = match schedule.drill_every_hours {
        0 => PROOF_DAYS * 24,
        hours => u64::from(hours) * 2,
    };
    match last {
        None => Some("no restore of it was ever proven, as a drill does".to_owned()),
        Some(drill) if !drill.proven => Some(format!("the last drill failed: {}", drill.result)),
        Some(drill) if hours(drill.at) > most_hours => {
            Some(format!("the last proven restore is {} days ago", hours(drill.at) / 24))
        }
        Some(_) => None,
    }
}

impl Handle<VolumeScheduleSet> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, VolumeScheduleSet>,
        request: VolumeScheduleSet,
    ) -> Result<VolumeScheduleAnswer, ServiceError> {
        let server = self.context.whole_server(&caller, &request.server)?;
        let within = |field: &str, value: u32, low: u32, high: u32| {
            if (low..=high).contains(&value) {
                return Ok(value);
            }
            let message = format!("{field} is {low} to {high}, not {value}");
            Err(ServiceError::new(ErrorCode::Invalid, message).with_field(field.to_owned()))
        };
        ContainerRef::new(&request.volume)
            .map_err(|error| ServiceError::new(ErrorCode::Invalid, error).with_field("volume"))?;
        let schedule = VolumeSchedule {
            server: server.name.clone(),
            server_id: server.id,
            every_hours: within("every_hours", request.every_hours, 0, 8_760)?,
            keep: within("keep", request.keep.unwrap_or(KEPT), 1, 1_000)?,
            stop: request.stop,
            drill_every_hours: within("drill_every_hours", request.drill_every_hours.unwrap_or(0), 0, 8_760)?,
            volume: request.volume,
        };
        let entry = self.context.entry(&caller, "volume_schedule", AuditOutcome::Ok).because(request.reason.as_ref());
        let entry = entry.about("volume", &schedule.volume).with(match schedule.every_hours {
            0 => format!("on {}: no more", server.name),
            every => format!(
                "on {}: every {every} h, {} kept, drilled every {} h",
                server.name, schedule.keep, schedule.drill_every_hours
            ),
        });
        let record = VolumeScheduleRecord { key: key_of(&server, &schedule.volume), schedule };
        let answer = Some(record.schedule.clone()).filter(|schedule| schedule.every_hours > 0);
        self.context
            .store
            .write(move |change| {
                match record.schedule.every_hours {
                    0 => change.remove::<VolumeScheduleRecord>(record.key()),
                    _ => change.put(&record)?,
                }
                change.audit(entry);
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(VolumeScheduleAnswer { schedule: answer })
    }
}
