//! The daemon itself: its audit trail, settings, vault and backups.

use clap::Subcommand;
use tomo_proto::model::{audit::AuditOutcome, settings::SettingChange};

use super::{Consent, count, setting};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Who did or tried what.
    Search {
        /// Only rows whose actor contains this, e.g. user:ana.
        #[arg(long)]
        actor: Option<String>,
        /// Only rows whose action contains this, e.g. app_deploy.
        #[arg(long)]
        action: Option<String>,
        /// Only rows about what contains this, e.g. web-1.
        #[arg(long)]
        resource: Option<String>,
        /// Only rows with this outcome: intent, ok, failed or denied.
        #[arg(long)]
        outcome: Option<AuditOutcome>,
        /// Only rows since then: a duration back from now (15m, 24h) or a time (RFC 3339).
        #[arg(long)]
        since: Option<String>,
        /// How many rows, newest first.
        #[arg(long, default_value_t = 50, value_parser = count)]
        limit: u32,
    },
    /// Check the hash chain from the first row.
    Verify,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SettingsCommand {
    /// Show the settings.
    Get,
    /// Plan to change settings, NAME=VALUE each.
    Set {
        /// Setting and new value as NAME=VALUE; `tomo settings get` lists them.
        #[arg(required = true, value_name = "NAME=VALUE", value_parser = setting)]
        changes: Vec<SettingChange>,
        #[command(flatten)]
        consent: Consent,
    },
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum BackupCommand {
    /// List the backups that were restored for a test.
    List,
    /// Make a backup, encrypted, while the daemon serves, and restore it for a test.
    Create,
    /// Restore a backup for a test again.
    Verify {
        /// Number of the backup.
        number: u64,
        /// Ask for the master password of its time (or read it from standard input): for a data key that was rotated since.
        #[arg(long)]
        ask_password: bool,
    },
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum VaultCommand {
    /// Whether secrets can be used, and under which key they lie.
    Status,
    /// Set a master password: from then on the vault is sealed whenever the daemon starts. Nobody can recover the password.
    /// Asked for, or one line of standard input.
    Init {
        /// With a password that nobody knows any more: begin anew without everything that is sealed now.
        #[arg(long)]
        discard_secrets: bool,
        /// Do not ask whether it may be discarded.
        #[arg(long, short, requires = "discard_secrets")]
        yes: bool,
    },
    /// Give the master password, so that secrets can be used. Asked for, or one line of standard input.
    Unlock,
    /// Seal the vault again: what needs a secret waits, everything else goes on.
    Lock,
    /// Change the master password. On standard input: the old one, then the new one, a line each.
    ChangePassword,
    /// Make a new data key and seal every secret under it. Wants the master password: asked for, or one line of standard input.
    Rotate,
}
