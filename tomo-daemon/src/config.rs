//! The daemon's configuration: compiled-in defaults, then the file, then `TOMO_DAEMON__SECTION__KEY`, then flags.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::Deserialize;

/// The commented defaults.
pub const DEFAULTS: &str = include_str!("config.toml");

/// Head of the environment's overrides.
const ENVIRONMENT: &str = "TOMO_DAEMON__";

/// Everything that can be configured. Unknown keys are errors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of the store, the CA and the keys.
    pub data: PathBuf,
    /// What clients reach.
    pub http: HttpConfig,
    /// What agents reach.
    pub hub: HubConfig,
    /// The local socket.
    pub socket: SocketConfig,
    /// The secrets' envelope.
    pub vault: VaultConfig,
    /// Apps that are ready to be deployed.
    pub catalog: CatalogConfig,
    /// Backups.
    pub backups: BackupsConfig,
    /// The dashboard over SSH.
    pub ssh: SshConfig,
}

/// The dashboard over SSH.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshConfig {
    /// Address to listen on; empty for none.
    pub listen: String,
    /// The program `tomo`; empty for the one beside this program.
    pub program: PathBuf,
    /// Dashboards that may be open at a time.
    pub sessions: usize,
    /// Minutes without a key after which one ends.
    pub idle_minutes: u32,
    /// Seconds after which one ends whose visitor answers nothing and takes nothing in.
    pub silent_secs: u32,
}

/// Backups.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupsConfig {
    /// Folder of the volumes' backups; empty for `volume-backups` in the data folder.
    pub volumes: PathBuf,
}

/// Apps that are ready to be deployed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogConfig {
    /// Folders of own templates, besides those that are compiled in.
    pub folders: Vec<PathBuf>,
    /// Addresses of own templates.
    pub urls: Vec<String>,
}

/// What clients reach.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Address of the MCP endpoint; TLS (a certificate of the daemon's own CA) when it is not loopback.
    pub listen: SocketAddr,
    /// Host names that requests may be for, besides loopback names and the listen address.
    pub allowed_hosts: Vec<String>,
    /// Origins that browsers' requests may come from, besides loopback ones.
    pub allowed_origins: Vec<String>,
}

/// What agents reach.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubConfig {
    /// Address of the QUIC listener.
    pub listen: SocketAddr,
    /// Addresses (`host:port`) that enrolment tokens carry; empty means the listen address, or, for a wildcard address, every address
    /// of this machine.
    pub advertise: Vec<String>,
}

/// The local socket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketConfig {
    /// Path; empty for none.
    pub path: PathBuf,
    /// Uid that is an admin besides root and the group, `tomo local`'s starter.
    #[serde(default)]
    pub admin_uid: Option<u32>,
    /// Group whose members are admins.
    pub admin_group: String,
}

/// The secrets' envelope.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultConfig {
    /// File with the master password, its owner's alone (mode 0600); empty for none. The systemd credential `tomo-master-password` does
    /// the same.
    pub password_file: PathBuf,
}

impl Config {
    /// Reads the defaults, then the file (it may be missing only where the caller did not name it), then the environment.
    ///
    /// # Errors
    /// Names the file, variable and key that do not fit.
    pub fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> anyhow::Result<Self> {
        let mut merged: toml::Table = DEFAULTS.parse().context("the compiled-in defaults")?;
        let default = Path::new("/etc/tomo/daemon.toml");
        let path = file.unwrap_or(default);
        if file.is_some() || path.exists() {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let table: toml::Table = text.parse().with_context(|| format!("{} does not parse", path.display()))?;
            merge(&mut merged, table);
        }
        let mut names = vec![format!("{}", path.display())];
        for (name, value) in environment {
            let Some(keys) = name.strip_prefix(ENVIRONMENT) else { continue };
            let mut nested = value.parse().unwrap_or(toml::Value::String(value));
            for key in keys.to_lowercase().rsplit("__") {
                nested = toml::Value::Table([(key.to_owned(), nested)].into_iter().collect());
            }
            if let toml::Value::Table(table) = nested {
                merge(&mut merged, table);
            }
            names.push(name);
        }
        merged.try_into().with_context(|| format!("the configuration does not fit (from {})", names.join(", ")))
    }
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(value)) => merge(known, value),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_override_and_unknown_keys_are_named() {
        let none = std::iter::empty;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("daemon.toml");
        std::fs::write(&file, "[http]\nlisten = \"127.0.0.1:1\"\n[hub]\nlisten = \"127.0.0.1:2\"").expect("writes");
        let variable = ("TOMO_DAEMON__HTTP__LISTEN".to_owned(), "127.0.0.1:3".to_owned());
        let config = Config::load(Some(&file), [variable].into_iter()).expect("loads");
        assert_eq!((config.http.listen.port(), config.hub.listen.port()), (3, 2));
        assert_eq!(config.socket.admin_group, "tomo-admin");
        std::fs::write(&file, "[http]\nlisten_on = 1").expect("writes");
        let error = format!("{:#}", Config::load(Some(&file), none()).expect_err("is refused"));
        assert!(error.contains("listen_on") && error.contains("daemon.toml"), "{error}");
        let missing = format!("{:#}", Config::load(Some(Path::new("/none.toml")), none()).expect_err("is missing"));
        assert!(missing.contains("/none.toml"), "{missing}");
    }
}
