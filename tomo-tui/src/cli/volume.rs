//! Volumes of a server, and their backups.

use tomo_proto::{
    api::{
        stock::{VolumeCreate, VolumeList, VolumeRemove},
        volume_backup::{
            VolumeBackupCreate, VolumeBackupList, VolumeBackupListAnswer, VolumeBackupRemove, VolumeBackupVerify,
            VolumeDrill, VolumeRestore, VolumeScheduleSet,
        },
    },
    model::volume_backup::{VolumeBackup, VolumeSchedule},
};

use crate::{
    args::VolumeCommand,
    cli::{
        change,
        output::{self, done, line, note, table, time},
        stock::{users, yes},
    },
    client::Client,
    format::bytes,
};

pub(super) async fn volume(client: &Client, command: VolumeCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        VolumeCommand::List { server } => {
            let answer = client.call(&VolumeList { server }).await?;
            if as_json {
                return output::json(&answer.volumes);
            }
            let rows = answer.volumes.iter().map(|volume| {
                let size = volume.size_bytes.map_or_else(|| "-".to_owned(), bytes);
                [
                    volume.name.clone(),
                    size,
                    volume.driver.clone(),
                    time(volume.created_at),
                    yes(volume.ours, "tomo"),
                    users(&volume.used_by),
                ]
            });
            table(["VOLUME", "SIZE", "DRIVER", "MADE", "MADE BY", "USED BY"], rows.collect());
            Ok(())
        }
        VolumeCommand::Create { server, volume, reason } => {
            let operation = client.call(&VolumeCreate { server, name: volume, reason }).await?;
            change::follow(client, operation, as_json).await
        }
        VolumeCommand::Remove { server, volume, consent } => {
            let plan = client.call(&VolumeRemove { server, volume, reason: consent.reason.clone() }).await?;
            change::carry_out(client, plan, &consent, as_json).await
        }
        VolumeCommand::Backup { server, volume, stop, reason } => {
            let operation = client.call(&VolumeBackupCreate { server, volume, stop, reason }).await?;
            change::follow(client, operation, as_json).await
        }
        VolumeCommand::Backups { server, volume } => {
            let answer = client.call(&VolumeBackupList { server, volume, limit: Some(200) }).await?;
            if as_json { output::json(&answer) } else { list(&answer) }
        }
        VolumeCommand::Verify { backup } => {
            let operation = client.call(&VolumeBackupVerify { backup }).await?;
            change::follow(client, operation, as_json).await
        }
        VolumeCommand::Restore { backup, volume, server, consent } => {
            let request = VolumeRestore { backup, volume, server, reason: consent.reason.clone() };
            change::carry_out(client, client.call(&request).await?, &consent, as_json).await
        }
        VolumeCommand::Drill { backup, reason } => {
            let operation = client.call(&VolumeDrill { backup, reason }).await?;
            change::follow(client, operation, as_json).await
        }
        VolumeCommand::Forget { backup, consent } => {
            let plan = client.call(&VolumeBackupRemove { backup, reason: consent.reason.clone() }).await?;
            change::carry_out(client, plan, &consent, as_json).await
        }
        VolumeCommand::Schedule { server, volume, every_hours, keep, stop, drill_every_hours, reason } => {
            let request = VolumeScheduleSet { server, volume, every_hours, keep, stop, drill_every_hours, reason };
            let answer = client.call(&request).await?;
            let told = match &answer.schedule {
                Some(schedule) => told(schedule),
                None => format!("volume {} is not backed up by itself any more", request.volume),
            };
            done(as_json, told, serde_json::to_value(&answer)?)
        }
    }
}

fn list(answer: &VolumeBackupListAnswer) -> anyhow::Result<()> {
    if answer.backups.is_empty() {
        note("none; next: tomo volume backup SERVER VOLUME");
    } else {
        let rows = answer.backups.iter().map(|backup| {
            [
                backup.backup.to_string(),
                backup.server.clone(),
                backup.volume.clone(),
                time(backup.created_at),
                backup.contents.files.to_string(),
                bytes(backup.contents.bytes),
                proof(backup),
            ]
        });
        table(["BACKUP", "SERVER", "VOLUME", "MADE", "FILES", "SIZE", "RESTORE PROVEN"], rows.collect());
    }
    for schedule in &answer.schedules {
        line(told(schedule));
    }
    Ok(())
}

fn proof(backup: &VolumeBackup) -> String {
    match &backup.drill {
        None => "never".to_owned(),
        Some(drill) if drill.proven => time(drill.at),
        Some(drill) => format!("failed at {}: {}", time(drill.at), drill.result),
    }
}

fn told(schedule: &VolumeSchedule) -> String {
    let VolumeSchedule { server, volume, every_hours, keep, stop, drill_every_hours, .. } = schedule;
    let stopped = if *stop { ", with its app stopped" } else { "" };
    let drills = match drill_every_hours {
        0 => "without drills".to_owned(),
        hours => format!("a drill every {hours} h"),
    };
    format!("volume {volume} on {server}: a backup every {every_hours} h{stopped}, {keep} are kept, {drills}")
}
