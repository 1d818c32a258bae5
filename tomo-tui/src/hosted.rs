//! A dashboard that a daemon shows to whoever comes by SSH: it runs as the daemon's own user, and must not be that user.

use anyhow::{Context as _, bail};
use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus, path_beneath_rules,
};

use crate::client::folder_of_home;

/// What a dashboard reads: how times are written here, and its terminal.
const READ: [&str; 2] = ["/usr/share/zoneinfo", "/etc/localtime"];
const WRITTEN: [&str; 1] = ["/dev/tty"];

/// Keeps this process, for good, from every file but those it needs: its own folder, its terminal, the time zones. It can run no
/// program. What is open stays open.
///
/// # Errors
/// The kernel cannot do that (Landlock, Linux 5.13): then nothing is shown.
pub(crate) fn confine() -> anyhow::Result<()> {
    // What the first version knows is enough: reading, writing, running. Links and renames across folders it forbids by itself.
    let abi = ABI::V1;
    let own = [folder_of_home("")];
    let rules = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules(READ, AccessFs::from_read(abi)))?
            .add_rules(path_beneath_rules(WRITTEN, AccessFs::ReadFile | AccessFs::WriteFile))?
            .add_rules(path_beneath_rules(own, AccessFs::from_all(abi)))?
            .restrict_self()
    };
    let held = rules().context("this kernel cannot keep a dashboard from the daemon's files (Landlock)")?;
    if held.ruleset != RulesetStatus::FullyEnforced {
        bail!(
            "this kernel cannot keep a dashboard from the daemon's files: Landlock comes with Linux 5.13, and may be switched off"
        );
    }
    Ok(())
}
