//! Puts the agent on this host, as root under systemd, and takes it off again. The only module that starts other programs: with
//! fixed arguments, never through a shell.

mod host;
mod remove;
mod steps;

use std::{fs, io::BufRead as _, path::Path, time::Duration};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep},
};
use tomo_proto::text::display_line;

pub use remove::uninstall;

use crate::{
    config,
    identity::{self, IDENTITY_FILE},
    install::{
        host::{Program, connected_to, is_running_systemd, state_of},
        steps::{Steps, tell},
    },
    policy::Rights,
};

/// Where the program goes.
const PROGRAM: &str = "/usr/local/bin/tomo-agent";
/// Folder of the configuration, perhaps shared with a daemon.
const CONFIGURATION: &str = "/etc/tomo";
const CONFIG: &str = "/etc/tomo/agent.toml";
const POLICY: &str = "/etc/tomo/agent-policy.toml";
const STATE: &str = "/var/lib/tomo-agent";
/// The unit that has the link.
const LINK_UNIT: &str = "tomo-agent.service";
/// Units that are enabled and started, with their text.
const UNITS: [(&str, &str); 1] = [(LINK_UNIT, include_str!("../../examples/systemd/tomo-agent.service"))];
/// What the link gets to connect after it was started.
const LINK_TIMEOUT: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);

fn unit_path(unit: &str) -> String {
    format!("/etc/systemd/system/{unit}")
}

/// How the agent is installed.
#[derive(Debug, Clone, Copy)]
pub struct Install {
    /// What the policy file allows, if it has to be written.
    pub rights: Rights,
    /// Whether an agent that is there already is enrolled anew.
    pub again: bool,
}

/// Installs, enrolls and starts the agent; the enrolment token is the first line of standard input. Tells each step as a line of
/// JSON. What fails, or is interrupted, is undone.
///
/// # Errors
/// Says which step failed, why, and what could not be undone.
pub async fn install(wanted: Install) -> anyhow::Result<()> {
    require_root_and_systemd("install")?;
    let is_there = Path::new(STATE).join(IDENTITY_FILE).exists()
        || UNITS.iter().any(|(unit, _)| Path::new(&unit_path(unit)).exists());
    ensure!(
        wanted.again || !is_there,
        "an agent is on this host already: `tomo-agent status` says whose. Enroll it anew with --again, or remove it with \
         `tomo-agent uninstall`"
    );
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("standard input cannot be read")?;
    let token = identity::parse_token(&line)?;

    let (mut term, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut steps = Steps::default();
    let ended = tokio::select! {
        ended = carry_out(wanted, is_there, &token, &mut steps) => ended,
        _ = term.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = hangup.recv() => Err(anyhow::anyhow!("whoever started this has gone")),
        _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
    };
    match ended {
        Ok(()) => Ok(()),
        Err(error) => {
            let left = steps.undo().await;
            if left.is_empty() {
                Err(error.context("the agent is not installed; everything is as it was"))
            } else {
                Err(error.context(format!("the agent is not installed, and this is left: {}", left.join("; "))))
            }
        }
    }
}

async fn carry_out(
    wanted: Install,
    is_there: bool,
    token: &tomo_proto::wire::handshake::EnrolmentToken,
    steps: &mut Steps,
) -> anyhow::Result<()> {
    tell("reach the daemon")?;
    identity::reach(token).await?;

    let units = UNITS.map(|(unit, _)| unit);
    if is_there {
        steps.at_last(Program::systemctl("enable", &["--now"], &units));
    }
    tell(&format!("copy the program to {PROGRAM}"))?;
    let program = std::env::current_exe().context("this program does not know where it lies")?;
    if program != Path::new(PROGRAM) {
        let program = fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
        steps.write(Path::new(PROGRAM), &program, 0o755)?;
    }
    tell(&format!("write the configuration {CONFIG}"))?;
    if !Path::new(CONFIG).exists() {
        steps.write(Path::new(CONFIG), config::DEFAULTS.as_bytes(), 0o644)?;
    }
    if Path::new(POLICY).exists() {
        tell(&format!("leave the policy {POLICY} as it is"))?;
    } else {
        tell(&format!("write the policy {POLICY}: {}", wanted.rights.meaning()))?;
        steps.write(Path::new(POLICY), wanted.rights.render().as_bytes(), 0o644)?;
    }
    tell("write the units")?;
    steps.at_last(Program::systemctl("daemon-reload", &[], &[]));
    for (unit, text) in UNITS {
        steps.write(Path::new(&unit_path(unit)), text.as_bytes(), 0o644)?;
    }
    Program::systemctl("daemon-reload", &[], &[]).run().await?;

    tell("enroll")?;
    steps.keep(&Path::new(STATE).join(IDENTITY_FILE))?;
    let server = identity::redeem(token, Path::new(STATE)).await?;

    tell("start the agent")?;
    steps.at_last(Program::systemctl("disable", &["--now"], &units));
    Program::systemctl("enable", &[], &units).run().await?;
    Program::systemctl("restart", &[], &units).run().await?;

    tell("wait for the link")?;
    wait_for_link().await?;
    steps::done(&server)
}

/// Waits until the link says that it is connected.
async fn wait_for_link() -> anyhow::Result<()> {
    let deadline = Instant::now() + LINK_TIMEOUT;
    loop {
        let state = state_of(LINK_UNIT).await?;
        if connected_to(&state).is_some() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let said = display_line(&state.status, 300);
            bail!("the agent does not connect in {} s; it says: {said}", LINK_TIMEOUT.as_secs());
        }
        sleep(LOOK).await;
    }
}

fn require_root_and_systemd(subcommand: &str) -> anyhow::Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "this needs root: sudo tomo-agent {subcommand}");
    ensure!(
        is_running_systemd(),
        "this host does not run systemd, which the agent is started and confined by. Without it, `tomo-agent enroll` and \
         `tomo-agent run` work by hand"
    );
    Ok(())
}
