//! Backups of the daemon itself.

use tomo_proto::api::{
    backup::{BackupCreate, BackupList},
    person::VerifyBackup,
};

use crate::{
    args::BackupCommand,
    cli::{
        account::read_secret,
        change,
        output::{self, line, note, table, time},
    },
    client::Client,
};

pub(super) async fn backup(client: &Client, command: BackupCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        BackupCommand::List => {
            let backups = client.call(&BackupList {}).await?.backups;
            if as_json {
                return output::json(&backups);
            }
            if backups.is_empty() {
                note("none; next: tomo backup create");
                return Ok(());
            }
            let rows = backups.iter().map(|backup| {
                [
                    backup.number.to_string(),
                    time(backup.created_at),
                    time(backup.verified_at),
                    crate::format::bytes(backup.bytes),
                    backup.file.clone(),
                ]
            });
            table(["BACKUP", "MADE", "RESTORED FOR A TEST", "SIZE", "FILE"], rows.collect());
        }
        BackupCommand::Create => {
            let operation = client.call(&BackupCreate { reason: None }).await?;
            return change::follow(client, operation, as_json).await;
        }
        BackupCommand::Verify { number, ask_password } => {
            let password = ask_password.then(|| read_secret("Master password of its time", false)).transpose()?;
            let backup = client.person(&VerifyBackup { number, password }).await?;
            if as_json {
                return output::json(&backup);
            }
            line(format!("backup {number} was restored for a test: it is sound ({})", backup.file));
        }
    }
    Ok(())
}
