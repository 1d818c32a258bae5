//! The agent's configuration: compiled-in defaults, then the file, then `TOMO_AGENT__KEY`, then flags.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

/// The commented defaults.
pub const DEFAULTS: &str = include_str!("config.toml");

const ENVIRONMENT: &str = "TOMO_AGENT__";

/// Everything that can be configured. Unknown keys are errors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of the identity.
    pub state: PathBuf,
    /// The host's policy file.
    pub policy: PathBuf,
    /// The engine's socket.
    pub engine_socket: PathBuf,
    /// Where the half with the engine listens for the half with the network.
    pub exec_socket: PathBuf,
}

impl Config {
    /// Reads the defaults, then the file (it may be missing only where the caller did not name it), then the environment.
    ///
    /// # Errors
    /// Names the file and key that do not fit.
    pub fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> anyhow::Result<Self> {
        let mut merged: toml::Table = DEFAULTS.parse().context("the compiled-in defaults")?;
        let path = file.unwrap_or(Path::new("/etc/tomo/agent.toml"));
        if file.is_some() || path.exists() {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let table: toml::Table = text.parse().with_context(|| format!("{} does not parse", path.display()))?;
            merged.extend(table);
        }
        for (name, value) in environment {
            if let Some(key) = name.strip_prefix(ENVIRONMENT) {
                merged.insert(key.to_lowercase(), toml::Value::String(value));
            }
        }
        merged
            .try_into()
            .with_context(|| format!("the configuration does not fit (from {} and {ENVIRONMENT}…)", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_overrides_and_unknown_keys_are_errors() {
        let variable = |name: &str| (name.to_owned(), "/x".to_owned());
        let config = Config::load(None, [variable("TOMO_AGENT__STATE"), variable("PATH")].into_iter()).expect("loads");
        assert_eq!((config.state, config.policy), (PathBuf::from("/x"), PathBuf::from("/etc/tomo/agent-policy.toml")));
        let error = Config::load(None, [variable("TOMO_AGENT__SHELL")].into_iter()).expect_err("is refused");
        assert!(format!("{error:#}").contains("shell"), "{error:#}");
    }
}
