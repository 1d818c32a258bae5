//! The programs of the host that installing needs, and what they answer.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use tokio::{process::Command, time::timeout};
use tomo_proto::text::display_line;

/// Where programs are looked for; the caller's PATH does not count.
const FOLDERS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
const TIMEOUT: Duration = Duration::from_secs(60);

/// A program, by its name or its whole path, with its fixed arguments.
#[derive(Debug, Clone)]
pub(super) struct Program {
    name: &'static str,
    arguments: Vec<String>,
}

/// What systemd knows of a unit.
#[derive(Debug, Clone, Default)]
pub(super) struct UnitState {
    /// `active`, `inactive`, `failed`, …
    pub(super) active: String,
    /// What the unit itself says.
    pub(super) status: String,
    /// Its main process; 0 without one.
    pub(super) pid: u32,
    /// How often it was started again by itself.
    pub(super) restarts: u32,
}

impl Program {
    pub(super) fn new(name: &'static str, arguments: &[&str]) -> Self {
        Self { name, arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect() }
    }

    /// `systemctl VERB OPTIONS UNITS`.
    pub(super) fn systemctl(verb: &str, options: &[&str], units: &[&str]) -> Self {
        Self::new("systemctl", &[&[verb], options, units].concat())
    }

    /// Runs it; an end with another code than 0 is an error with what it said.
    pub(super) async fn run(&self) -> anyhow::Result<String> {
        let shown = || format!("{} {}", self.name, self.arguments.join(" "));
        let found = FOLDERS.iter().map(|folder| Path::new(folder).join(self.name)).find(|path| path.exists());
        let path = found.with_context(|| format!("this host has no {}", self.name))?;
        let mut command = Command::new(path);
        command.args(&self.arguments).env_clear().env("PATH", FOLDERS.join(":")).env("LC_ALL", "C");
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(TIMEOUT, command.output()).await;
        let output = output.with_context(|| format!("{} does not end", shown()))?.with_context(shown)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{}: {}", shown(), display_line(said.trim(), 400));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Whether systemd is this host's init.
pub(super) fn is_running_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Asks systemd about a unit.
pub(super) async fn state_of(unit: &str) -> anyhow::Result<UnitState> {
    let answer =
        Program::new("systemctl", &["show", "--property=ActiveState,StatusText,MainPID,NRestarts", unit]).run().await?;
    let value = |key: &str| {
        let found = answer.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_default().to_owned()
    };
    let number = |key: &str| value(key).parse().unwrap_or(0);
    let (pid, restarts) = (number("MainPID"), number("NRestarts"));
    Ok(UnitState { active: value("ActiveState"), status: value("StatusText"), pid, restarts })
}

/// Where the link is connected to, by its own words.
pub(super) fn connected_to(state: &UnitState) -> Option<&str> {
    state.status.strip_prefix(crate::systemd::CONNECTED_TO).filter(|_| state.active == "active")
}
