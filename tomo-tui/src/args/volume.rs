//! Volumes of a server, and their backups.

use clap::Subcommand;

use super::{Consent, name};

#[derive(Debug, Subcommand)]
pub(crate) enum VolumeCommand {
    /// List the volumes of a server.
    List {
        /// Server name or id.
        server: String,
    },
    /// Make an empty volume.
    Create {
        /// Server name or id.
        server: String,
        /// What it shall be called.
        #[arg(value_parser = name)]
        volume: String,
        /// Why, for the audit.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Remove a volume that no container mounts, with what is in it.
    Remove {
        /// Server name or id.
        server: String,
        /// Its name.
        volume: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Back a volume up to the daemon, encrypted, and read the backup to its end.
    Backup {
        /// Server name or id.
        server: String,
        /// Its name.
        volume: String,
        /// Stop the containers that mount it meanwhile; they are started again in any case. Without, what is written meanwhile may be in
        /// the backup by half.
        #[arg(long)]
        stop: bool,
        /// Why, for the audit.
        #[arg(long)]
        reason: Option<String>,
    },
    /// List the backups of volumes, each with its last proven restore, and the schedules.
    Backups {
        /// Only those of this server, by name or id.
        server: Option<String>,
        /// Only those of this volume.
        volume: Option<String>,
    },
    /// Read a backup to its end: key, order, completeness, checksum.
    Verify {
        /// Id of the backup, vol-….
        backup: String,
    },
    /// Restore a backup into a new volume; one that is there is never touched.
    Restore {
        /// Id of the backup, vol-….
        backup: String,
        /// What the new volume shall be called [default: made from the old one's name].
        #[arg(long = "as", value_name = "VOLUME", value_parser = name)]
        volume: Option<String>,
        /// Server name or id [default: the one it came from].
        #[arg(long)]
        server: Option<String>,
        #[command(flatten)]
        consent: Consent,
    },
    /// Prove that a backup restores: into a scratch volume, with its app started on it in a network of its own; all of it goes again.
    Drill {
        /// Id of the backup, vol-….
        backup: String,
        /// Why, for the audit.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Remove a backup with its file.
    Forget {
        /// Id of the backup, vol-….
        backup: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Back a volume up every so many hours, and keep the newest.
    Schedule {
        /// Server name or id.
        server: String,
        /// Its name.
        volume: String,
        /// Hours from one backup to the next; 0 ends the schedule.
        #[arg(long, value_name = "N", default_value_t = 24)]
        every_hours: u32,
        /// Backups that are kept, the newest [default: 7].
        #[arg(long, value_name = "N")]
        keep: Option<u32>,
        /// Stop the containers that mount it meanwhile.
        #[arg(long)]
        stop: bool,
        /// Hours from one drill of the newest backup to the next [default: no drills].
        #[arg(long, value_name = "N")]
        drill_every_hours: Option<u32>,
        /// Why, for the audit.
        #[arg(long)]
        reason: Option<String>,
    },
}
