//! Puts the agent on this host, as root under systemd, and takes it off again. The only module that starts other programs: with
//! fixed arguments, never through a shell. Where a package has brought program and units, these are used, and the package takes them off.

mod apply;
mod host;
mod remove;
mod steps;

use std::{fs, io::BufRead as _, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep},
};
use tomo_proto::{model::release::ReleaseKey, text::display_line};

pub use apply::apply_update;
pub use remove::{leave, uninstall};

use crate::{
    config,
    identity::{self, IDENTITY_FILE},
    install::{
        host::{Program, UnitState, connected_to, is_running_systemd, state_of},
        steps::{Steps, tell},
    },
    policy::Rights,
};

/// Where the program goes.
const PROGRAM: &str = "/usr/local/bin/tomo-agent";
/// The same or, while an update is tried out, the one before: it puts updates in place.
const PROVEN: &str = "/usr/local/bin/tomo-agent.proven";
/// An update before it takes the program's place.
const STAGED: &str = "/usr/local/bin/tomo-agent.new";
/// Folder of the configuration, perhaps shared with a daemon.
const CONFIGURATION: &str = "/etc/tomo";
const CONFIG: &str = "/etc/tomo/agent.toml";
const POLICY: &str = "/etc/tomo/agent-policy.toml";
/// Folder of the link's identity,
const STATE: &str = "/var/lib/tomo-agent";
/// and of the other half's deploys under way.
const EXEC_STATE: &str = "/var/lib/tomo-agent-exec";
/// Folder of root's records of updates.
const UPDATE_STATE: &str = "/var/lib/tomo-agent-update";
/// Folder of the socket between the halves.
const RUNTIME: &str = "/run/tomo-agent";
const LINK_UNIT: &str = "tomo-agent-link.service";
const EXEC_UNIT: &str = "tomo-agent-exec.service";
/// The two halves,
const HALVES: [&str; 2] = [EXEC_UNIT, LINK_UNIT];
/// and what waits for an update that the link hands over.
const UPDATE_PATH_UNIT: &str = "tomo-agent-update.path";
const UPDATE_UNIT: &str = "tomo-agent-update.service";
/// What is enabled.
const UNITS: [&str; 3] = [UPDATE_PATH_UNIT, EXEC_UNIT, LINK_UNIT];
/// Where units lie that this program has written, and those of a package.
const OWN_UNITS: &str = "/etc/systemd/system";
const PACKAGED_UNITS: &str = "/usr/lib/systemd/system";
/// Users of the two halves; each has a group of its name.
const USERS: [&str; 2] = ["tomo-agent", "tomo-agent-exec"];
/// Who they are, for systemd-sysusers. None of them can log in.
const SYSUSERS: [&str; 2] = [
    "u tomo-agent - \"Tomo agent, link\" /var/lib/tomo-agent",
    "u tomo-agent-exec - \"Tomo agent, exec\" /var/lib/tomo-agent-exec",
];
const TMPFILES: &str = "/etc/tmpfiles.d/tomo-agent.conf";
/// The same by its name, wherever it lies.
const TMPFILES_NAME: &str = "tomo-agent.conf";
/// Names the group of the engine's socket, which differs from host to host.
const ENGINE_DROP_IN: &str = "/etc/systemd/system/tomo-agent-exec.service.d/engine.conf";
/// Files that are the same on every host.
const FILES: [(&str, &str); 5] = [
    (TMPFILES, include_str!("../../examples/systemd/tmpfiles.conf")),
    ("/etc/systemd/system/tomo-agent-exec.service", include_str!("../../examples/systemd/tomo-agent-exec.service")),
    ("/etc/systemd/system/tomo-agent-link.service", include_str!("../../examples/systemd/tomo-agent-link.service")),
    ("/etc/systemd/system/tomo-agent-update.path", include_str!("../../examples/systemd/tomo-agent-update.path")),
    ("/etc/systemd/system/tomo-agent-update.service", include_str!("../../examples/systemd/tomo-agent-update.service")),
];
/// What the link gets to connect after it was started.
const LINK_TIMEOUT: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);

/// How the agent is installed.
#[derive(Debug, Clone)]
pub struct Install {
    /// What the policy file allows, if it has to be written.
    pub rights: Rights,
    /// The key whose releases are taken over the link, if it has to be written; `-` for the second line of standard input.
    pub update_key: Option<String>,
    /// Whether an agent that is there already is enrolled anew.
    pub again: bool,
    /// Whether this program was carried to a folder of its own for this, which is removed at the end, whatever that is.
    pub carried: bool,
}

/// Installs, enrolls and starts the agent; the enrolment token is the first line of standard input. Tells each step as a line of
/// JSON. What fails, or is interrupted, is undone.
///
/// # Errors
/// Says which step failed, why, and what could not be undone.
pub async fn install(wanted: Install, engine_socket: &Path) -> anyhow::Result<()> {
    let own = std::env::current_exe().context("this program does not know where it lies")?;
    let carried = wanted.carried;
    let installed = install_or_undo(wanted, &own, engine_socket).await;
    if carried
        && let Some(folder) = own.parent().filter(|folder| is_carried_to(folder))
        && let Err(error) = fs::remove_dir_all(folder)
    {
        // Whoever carried it there removes it, too.
        tracing::debug!(%error, "the folder of the installation cannot be removed");
    }
    installed
}

/// Whether a folder was made for an installation by SSH, and for nothing else.
fn is_carried_to(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let digits = name.strip_prefix("tomo-").unwrap_or_default();
    folder.parent() == Some(Path::new("/tmp"))
        && digits.len() == 32
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

async fn install_or_undo(wanted: Install, own: &Path, engine_socket: &Path) -> anyhow::Result<()> {
    require_root_and_systemd("install")?;
    let is_there =
        Path::new(STATE).join(IDENTITY_FILE).exists() || FILES.iter().any(|(path, _)| Path::new(path).exists());
    ensure!(
        wanted.again || !is_there,
        "an agent is on this host already: `tomo-agent status` says whose. Enroll it anew with --again, or remove it with \
         `tomo-agent uninstall`"
    );
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("standard input cannot be read")?;
    let token = identity::parse_token(&line)?;
    let update_key = match wanted.update_key.as_deref() {
        None => None,
        Some("-") => {
            line.clear();
            std::io::stdin().lock().read_line(&mut line).context("standard input cannot be read")?;
            Some(line.trim().parse().map_err(anyhow::Error::msg)?)
        }
        Some(key) => Some(key.parse().map_err(anyhow::Error::msg)?),
    };

    let (mut term, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut steps = Steps::default();
    let ended = tokio::select! {
        ended = carry_out(wanted.rights, update_key.as_ref(), own, engine_socket, is_there, &token, &mut steps) => ended,
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

/// How the agent's units stand, of those that are installed.
pub async fn units() -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for unit in UNITS.into_iter().filter(|unit| has_unit(unit)) {
        let shown = match state_of(unit).await {
            Ok(UnitState { active, status, .. }) => format!("{active}  {}", display_line(&status, 300)),
            Err(error) => display_line(&format!("{error:#}"), 300),
        };
        found.push((unit, shown));
    }
    found
}

async fn carry_out(
    rights: Rights,
    update_key: Option<&ReleaseKey>,
    own: &Path,
    engine_socket: &Path,
    is_there: bool,
    token: &tomo_proto::wire::handshake::EnrolmentToken,
    steps: &mut Steps,
) -> anyhow::Result<()> {
    tell("reach the daemon")?;
    let (address, took) = identity::reach(token).await?;
    tell(&format!("the daemon answers at {address} (UDP) in {:.1} ms", took.as_secs_f64() * 1_000.0))?;

    let is_packaged = is_packaged();
    // A package has its own way of being updated.
    let units = if is_packaged { HALVES.as_slice() } else { UNITS.as_slice() };
    if is_there {
        steps.at_last(Program::systemctl("enable", &["--now"], units));
    }
    if is_packaged {
        tell("use the program and the units of the package tomo-agent")?;
    } else {
        tell(&format!("copy the program to {PROGRAM}"))?;
        if own != Path::new(PROGRAM) {
            let program = fs::read(own).with_context(|| format!("cannot read {}", own.display()))?;
            steps.write(Path::new(PROGRAM), &program, 0o755)?;
        }
        steps.link(Path::new(PROGRAM), Path::new(PROVEN))?;
    }
    tell(&format!("write the configuration {CONFIG}"))?;
    if !Path::new(CONFIG).exists() {
        steps.write(Path::new(CONFIG), config::DEFAULTS.as_bytes(), 0o644)?;
    }
    if Path::new(POLICY).exists() {
        tell(&format!("leave the policy {POLICY} as it is"))?;
    } else {
        let updates = update_key.map_or_else(String::new, |key| format!(", and updates signed with {key}"));
        tell(&format!("write the policy {POLICY}: {}{updates}", rights.meaning()))?;
        steps.write(Path::new(POLICY), rights.render(update_key).as_bytes(), 0o644)?;
    }
    steps.at_last(Program::systemctl("daemon-reload", &[], &[]));
    if !is_packaged {
        tell("write the units")?;
        for (path, text) in FILES {
            steps.write(Path::new(path), text.as_bytes(), 0o644)?;
        }
    }
    match engine_group(engine_socket) {
        Ok(group) => {
            tell(&format!("let the half with the engine use {}: group {group}", engine_socket.display()))?;
            let text = format!("[Service]\nSupplementaryGroups={group}\n");
            steps.write(Path::new(ENGINE_DROP_IN), text.as_bytes(), 0o644)?;
        }
        Err(why) => tell(&format!(
            "go on without a container engine: {why}; once the agent can use one, `tomo-agent install --again` lets it"
        ))?,
    }
    tell(&format!("make the users {}", USERS.join(" and ")))?;
    for user in USERS.into_iter().filter(|user| !has_user(user)) {
        steps.at_last(Program::new("userdel", &[user]));
    }
    Program::new("systemd-sysusers", &["--inline", SYSUSERS[0], SYSUSERS[1]]).run().await?;
    if !Path::new(RUNTIME).exists() {
        steps.forget_folder(RUNTIME);
    }
    Program::new("systemd-tmpfiles", &["--create", TMPFILES_NAME]).run().await?;
    for state in [STATE, EXEC_STATE, UPDATE_STATE] {
        if !Path::new(state).exists() {
            steps.forget_folder(state);
        }
    }
    Program::systemctl("daemon-reload", &[], &[]).run().await?;

    tell("enroll")?;
    steps.keep(&Path::new(STATE).join(IDENTITY_FILE))?;
    let server = identity::redeem(token, Path::new(STATE)).await?;

    // The last word that can fail: an agent that has connected is installed, whether or not anybody still listens here.
    tell("start the agent and wait for its link")?;
    // A package has enabled them already.
    steps.at_last(match is_packaged {
        true => Program::systemctl("stop", &[], units),
        false => Program::systemctl("disable", &["--now"], units),
    });
    Program::systemctl("enable", &[], units).run().await?;
    Program::systemctl("restart", &[], units).run().await?;
    wait_for_link().await?;
    drop(steps::done(&server));
    Ok(())
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

/// The group that may use the engine's socket, or why there is none to name.
fn engine_group(socket: &Path) -> Result<String, String> {
    let shown = socket.display();
    let found = fs::metadata(socket).map_err(|_| format!("none is at {shown}"))?;
    let gid = found.gid().to_string();
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let name = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == gid).then(|| name.to_owned())
    });
    name.ok_or_else(|| format!("{shown} belongs to group {gid}, which has no name here: groupadd --gid {gid} docker"))
}

fn has_unit(unit: &str) -> bool {
    [OWN_UNITS, PACKAGED_UNITS].iter().any(|folder| Path::new(folder).join(unit).exists())
}

/// Whether a package has put the agent here, with its program, units and users. One that was installed here by itself goes before it.
pub(crate) fn is_packaged() -> bool {
    // A link to nowhere masks a unit and is none.
    let lies_in = |folder| fs::symlink_metadata(Path::new(folder).join(LINK_UNIT)).is_ok_and(|found| found.is_file());
    lies_in(PACKAGED_UNITS) && !lies_in(OWN_UNITS)
}

fn has_user(name: &str) -> bool {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    users.lines().any(|line| line.split(':').next() == Some(name))
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
