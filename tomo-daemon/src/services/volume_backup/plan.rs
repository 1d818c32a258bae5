//! Plans about backups of volumes: to restore one into a new volume, to remove one.

use tomo_proto::{
    api::{
        check_name,
        volume_backup::{VolumeBackupRemove, VolumeRestore},
    },
    error::ErrorCode,
    model::{
        plan::{Approval, Change, ChangeOp, Plan, PlannedChange},
        server::Server,
        volume_backup::VolumeBackup,
    },
};

use crate::services::{
    Handle, Services,
    access::Authorized,
    error::ServiceError,
    plan::{Facts, state_of},
    spec::amount,
};

/// What a plan says that restores a backup.
pub(in crate::services) fn restore_facts(backup: &VolumeBackup, server: &Server, volume: &str) -> Facts {
    let contents = &backup.contents;
    let mut warnings = Vec::new();
    if let Some(app) = &backup.app {
        warnings.push(format!(
            "app \"{}\" goes on with the volume that it has: deploy it with this one to use it",
            app.name
        ));
    }
    if !backup.stopped {
        warnings.push("what mounted it ran while it was backed up".to_owned());
    }
    Facts {
        summary: format!(
            "Restore volume \"{}\" of server \"{}\" as new volume \"{volume}\" on server \"{}\"",
            backup.volume, backup.server, server.name
        ),
        target: volume.to_owned(),
        approval: Approval::Confirm,
        changes: vec![Change {
            op: ChangeOp::Add,
            path: format!("volumes.{volume}"),
            from: None,
            to: Some(format!("{} files, {} ({})", contents.files, amount(contents.bytes), backup.backup)),
        }],
        downtime: None,
        data_loss: None,
        warnings,
        state: state_of(&(server.id, server.agent, backup.backup, &contents.checksum)),
    }
}

/// What a plan says that removes a backup.
pub(in crate::services) fn removal_facts(backup: &VolumeBackup) -> Facts {
    Facts {
        summary: format!(
            "Remove backup {} of volume \"{}\" of server \"{}\"",
            backup.backup, backup.volume, backup.server
        ),
        target: backup.backup.to_string(),
        approval: Approval::Human,
        changes: vec![Change {
            op: ChangeOp::Remove,
            path: format!("volume_backups.{}", backup.backup),
            from: Some(format!("{} files, {}", backup.contents.files, amount(backup.contents.bytes))),
            to: None,
        }],
        downtime: None,
        data_loss: Some("the backup and its file".to_owned()),
        warnings: Vec::new(),
        state: state_of(&backup.backup),
    }
}

impl Handle<VolumeRestore> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, VolumeRestore>,
        request: VolumeRestore,
    ) -> Result<Plan, ServiceError> {
        let context = &self.context;
        let backup = context.volume_backup(&caller, &request.backup)?.backup;
        let text = request.server.clone().unwrap_or_else(|| backup.server_id.to_string());
        let server = context.whole_server(&caller, &text).map_err(|error| error.with_field("server"))?;
        drop(context.open_vault().await?);
        context.allow_verb(&server, "restore")?;
        let there: Vec<String> = context.stock(&server).await?.volumes.into_iter().map(|volume| volume.name).collect();
        let volume = match request.volume {
            Some(name) => name,
            None => free_name(&backup.volume, &there),
        };
        check_name(&volume).map_err(|error| ServiceError::new(ErrorCode::Invalid, error).with_field("volume"))?;
        if there.contains(&volume) {
            let message = format!("there is a volume called \"{volume}\" on server \"{}\" already", server.name);
            return Err(ServiceError::new(ErrorCode::Conflict, message)
                .with_field("volume")
                .with_next("choose another name, or none: then one is made"));
        }
        let change = PlannedChange::RestoreVolume { backup: backup.backup, server: server.id, volume };
        self.record_plan(&caller, "volume_restore", change, request.reason).await
    }
}

impl Handle<VolumeBackupRemove> for Services {
    async fn handle(
        &self,
        caller: Authorized<'_, VolumeBackupRemove>,
        request: VolumeBackupRemove,
    ) -> Result<Plan, ServiceError> {
        let backup = self.context.volume_backup(&caller, &request.backup)?.backup;
        let change = PlannedChange::RemoveVolumeBackup { backup: backup.backup };
        self.record_plan(&caller, "volume_backup_remove", change, request.reason).await
    }
}

/// A name that no volume has yet, made from an old one.
fn free_name(volume: &str, there: &[String]) -> String {
    let plain =
        |one: char| if one.is_ascii_alphanumeric() || "._-".contains(one) { one.to_ascii_lowercase() } else { '-' };
    let head: String = volume.chars().map(plain).take(30).collect();
    let head = head.trim_matches(['.', '_', '-']);
    let head = if head.is_empty() { "volume" } else { head };
    let names =
        (1_u32..).map(|count| if count == 1 { format!("{head}-restored") } else { format!("{head}-restored-{count}") });
    names.into_iter().find(|name| !there.contains(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_that_is_free_and_a_name() {
        let there = ["data-restored".to_owned(), "data-restored-2".to_owned()];
        assert_eq!(free_name("data", &there), "data-restored-3");
        for odd in ["Some.Thing_", "---", &"x".repeat(120), "é"] {
            let name = free_name(odd, &[]);
            assert_eq!(check_name(&name), Ok(()), "{name}");
        }
    }
}
