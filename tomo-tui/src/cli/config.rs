//! The person's own file of keys and theme: check it, and say what may stand in it.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;

use crate::{
    args::ConfigCommand,
    cli::output::{self, done, note, own},
    dashboard::config::{self, reference},
};

/// Needs no daemon.
pub(crate) fn config(command: ConfigCommand, named: Option<PathBuf>, as_json: bool) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check { file } => {
            let path = file.or(named).unwrap_or_else(config::usual_path);
            if !path.exists() {
                bail!("there is no {}: the dashboard has its built-in keys and theme", path.display());
            }
            let problems: Vec<String> = config::load(&path).problems.iter().map(|problem| problem.of(&path)).collect();
            if as_json {
                output::json(&json!({"file": path, "problems": problems}))?;
            } else {
                problems.iter().for_each(note);
            }
            match problems.len() {
                0 if as_json => Ok(()),
                0 => done(false, format!("{}: nothing is wrong", path.display()), json!({})),
                1 => bail!("one thing is wrong"),
                count => bail!("{count} things are wrong"),
            }
        }
        ConfigCommand::Schema => output::json(&reference::schema()),
        ConfigCommand::Keys => {
            own(reference::keys().trim_end());
            Ok(())
        }
    }
}
