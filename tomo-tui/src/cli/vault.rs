//! The vault: the master password that secrets lie under.

use tomo_proto::api::person::{
    ChangeVaultPassword, GetVault, InitVault, LockVault, RotateVault, UnlockVault, VaultState, VaultStatus,
};

use crate::{
    args::VaultCommand,
    cli::{
        account::{read_new, read_passwords, read_secret},
        change,
        output::{self, line, note, time},
    },
    client::Client,
};

/// What a master password is asked for with.
const PASSWORD: &str = "Master password";

pub(super) async fn vault(client: &Client, command: VaultCommand, as_json: bool) -> anyhow::Result<()> {
    let status = match command {
        VaultCommand::Status => client.person(&GetVault {}).await?,
        VaultCommand::Init { discard_secrets: discard, yes } => {
            if discard {
                change::agree("Throw every secret of apps and every SSH credential away?", yes)?;
            }
            note("Nobody can recover this password: without it the secrets are lost.");
            let password = read_new("Master password (at least 12 characters)")?;
            client.person(&InitVault { password, discard }).await?
        }
        VaultCommand::Unlock => client.person(&UnlockVault { password: read_secret(PASSWORD, false)? }).await?,
        VaultCommand::Lock => client.person(&LockVault {}).await?,
        VaultCommand::ChangePassword => {
            let (current, new) = read_passwords("Master password", 12)?;
            client.person(&ChangeVaultPassword { current, new }).await?
        }
        VaultCommand::Rotate => client.person(&RotateVault { password: read_secret(PASSWORD, false)? }).await?,
    };
    if as_json {
        return output::json(&status);
    }
    show(&status);
    Ok(())
}

fn show(status: &VaultStatus) {
    let since = status.changed_at.map_or_else(String::new, |changed_at| format!(", set {}", time(changed_at)));
    line(match status.state {
        VaultState::KeyFile => "no master password: the data key is a file beside the store".to_owned(),
        VaultState::Sealed => format!("sealed: secrets cannot be used (master password{since})"),
        VaultState::Unlocked => format!("unlocked: secrets can be used (master password{since})"),
    });
    line(format!("{} sealed under data key {}", count(status.secrets), status.epoch));
    match status.state {
        VaultState::KeyFile => note("next: tomo vault init"),
        VaultState::Sealed => note("next: tomo vault unlock"),
        VaultState::Unlocked => {}
    }
}

fn count(secrets: u32) -> String {
    if secrets == 1 { "1 value".to_owned() } else { format!("{secrets} values") }
}
