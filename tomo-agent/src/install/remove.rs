//! Taking the agent off the host: everything that installing made, whether or not a daemon is there.

use std::{fs, path::Path};

use anyhow::{bail, ensure};
use tomo_proto::text::display_line;

use crate::{
    identity::{IDENTITY_FILE, Identity},
    install::{
        CONFIG, CONFIGURATION, ENGINE_DROP_IN, EXEC_STATE, FILES, POLICY, PROGRAM, PROVEN, RUNTIME, STAGED, STATE,
        UNITS, UPDATE_STATE, UPDATE_UNIT, USERS, has_unit, has_user,
        host::Program,
        is_packaged, require_root_and_systemd,
        steps::{absent_is_fine, done, tell},
    },
    link,
};

/// Removes the agent with its units, users, state, configuration and policy. Apps go on running.
///
/// # Errors
/// Names what is left.
pub async fn uninstall() -> anyhow::Result<()> {
    require_root_and_systemd("uninstall")?;
    refuse_packaged()?;
    let server = Identity::load(Path::new(STATE)).map_or_else(|_| String::new(), |identity| identity.server_name);
    let mut left = Vec::new();
    let mut note = |result: anyhow::Result<()>| {
        if let Err(error) = result {
            left.push(format!("{error:#}"));
        }
    };
    tell("stop the agent")?;
    note(stop().await);
    tell("remove the units")?;
    let drop_in = Path::new(ENGINE_DROP_IN).parent().and_then(Path::to_str).unwrap_or(ENGINE_DROP_IN);
    for path in FILES.map(|(path, _)| path).into_iter().chain([drop_in]) {
        note(remove(path));
    }
    note(Program::systemctl("daemon-reload", &[], &[]).run().await.map(|_| ()));
    // A unit that never failed is not known any more, which is fine.
    drop(Program::systemctl("reset-failed", &[], &UNITS).run().await);
    tell("remove the state, the configuration and the policy")?;
    for path in [RUNTIME, STATE, EXEC_STATE, UPDATE_STATE, CONFIG, POLICY] {
        note(remove(path));
    }
    tell(&format!("remove the users {}", USERS.join(" and ")))?;
    for user in USERS.into_iter().filter(|user| has_user(user)) {
        note(Program::new("userdel", &[user]).run().await.map(|_| ()));
    }
    // A daemon on the same host keeps its files there.
    if fs::read_dir(CONFIGURATION).is_ok_and(|mut entries| entries.next().is_none()) {
        note(remove(CONFIGURATION));
    }
    tell(&format!("remove the program {PROGRAM}"))?;
    for program in [STAGED, PROVEN, PROGRAM] {
        note(remove(program));
    }
    if !left.is_empty() {
        bail!("this is left: {}", left.join("; "));
    }
    done(&server)
}

/// Stops the agent, says good-bye to the daemon if it can be reached, and forgets the identity; with `purge` it also uninstalls.
///
/// # Errors
/// Names what is left. A daemon that cannot be reached is none.
pub async fn leave(state: &Path, purge: bool) -> anyhow::Result<()> {
    if purge {
        require_root_and_systemd("leave --purge")?;
        refuse_packaged()?;
    }
    if purge && !state.join(IDENTITY_FILE).exists() {
        // It has said good-bye before.
        return uninstall().await;
    }
    let identity = Identity::load(state)?;
    tell("stop the agent")?;
    stop().await?;
    tell("say good-bye to the daemon")?;
    if let Err(error) = link::say_good_bye(state).await {
        let name = display_line(&identity.server_name, 60);
        tell(&format!(
            "go on without the daemon, which could not be told ({error:#}): there, `tomo agent revoke {name}`"
        ))?;
    }
    if purge {
        return uninstall().await;
    }
    tell("forget who this host is")?;
    remove(&state.join(IDENTITY_FILE).display().to_string())?;
    done(&identity.server_name)
}

fn refuse_packaged() -> anyhow::Result<()> {
    ensure!(
        !is_packaged(),
        "this agent belongs to the package tomo-agent: `tomo-agent leave` says good-bye to the daemon, then `apt-get purge tomo-agent` \
         removes it with all its files"
    );
    Ok(())
}

/// Stops and disables the units that are there.
async fn stop() -> anyhow::Result<()> {
    for unit in UNITS.into_iter().filter(|unit| has_unit(unit)) {
        Program::systemctl("disable", &["--now"], &[unit]).run().await?;
    }
    if has_unit(UPDATE_UNIT) {
        Program::systemctl("stop", &[], &[UPDATE_UNIT]).run().await?;
    }
    Ok(())
}

fn remove(path: &str) -> anyhow::Result<()> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    absent_is_fine(removed).map_err(|error| anyhow::anyhow!("{path}: {error}"))
}
