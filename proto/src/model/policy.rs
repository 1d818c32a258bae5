//! What a host's owner lets its agent do, in the words of the policy file. One reading of it, for the agent that enforces the file
//! and for the daemon that plans.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::{
        app::{AppSpec, VolumeSpec},
        release::ReleaseKey,
        spec::USUAL_CAPABILITIES,
    },
    text::display_line,
    wire::command::Command,
};

/// Folders that are never mounted, whatever the file says.
const NEVER_MOUNTED: [&str; 14] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/docker",
    "/var/run",
];

/// What the host's policy file allows, as the agent tells it. The agent enforces the file, not this.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PolicySummary {
    /// Where the file lies on the host; empty where the agent does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// SHA-256 of the file, hex; empty when there is no file (then nothing but metrics is allowed).
    pub digest: String,
    /// Verbs of [`crate::wire::command::Command::verb`] that are allowed.
    pub verbs: Vec<String>,
    /// Image names (with `*` at the end as a wildcard) that may be deployed.
    pub images: Vec<String>,
    /// Folders below which a bind mount may lie.
    pub bind_roots: Vec<String>,
    /// Host ports that may be published, as in `1024-65535`.
    pub ports: Vec<String>,
    /// Capabilities that an app may have beyond the engine's usual ones.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Verbs that also count for what Tomo did not make: containers, images, volumes, networks.
    #[serde(default)]
    pub foreign: Vec<String>,
    /// Whether people may open terminals into containers that Tomo made; into others if `foreign` names `terminal` too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub terminal: bool,
    /// Release key whose updates of the agent are taken, `ed25519:…`; none without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_key: Option<String>,
    /// Why the file could not be used, so that nothing is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What a policy does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// Nothing in the list under this key of the file fits.
    NotListed {
        /// What the policy file is called, fit to be shown.
        file: String,
        /// Key of the policy file.
        key: &'static str,
        /// What was asked for, fit to be shown.
        what: String,
    },
    /// No file can allow it.
    Never {
        /// What was asked for and why not, fit to be shown.
        what: String,
    },
}

impl PolicySummary {
    /// Verbs that are refused.
    #[must_use]
    pub fn refused_verbs(&self) -> Vec<&'static str> {
        Command::VERBS.into_iter().filter(|verb| self.allow_verb(verb).is_err()).collect()
    }

    /// Whether commands with this verb may run.
    ///
    /// # Errors
    /// What the policy does not allow.
    pub fn allow_verb(&self, verb: &str) -> Result<(), Objection> {
        if verb == Command::TERMINAL {
            let what = "a terminal into a container".to_owned();
            return if self.terminal { Ok(()) } else { Err(self.objection(Command::TERMINAL, what)) };
        }
        // What is adopted is deployed.
        let verb = if verb == Command::ADOPT { "deploy" } else { verb };
        self.listed("verbs", &self.verbs, || format!("\"{verb}\""), |allowed| allowed == verb)
    }

    /// Whether commands with this verb may also touch what Tomo did not make. `what` is that, fit to be shown.
    ///
    /// # Errors
    /// What the policy does not allow.
    pub fn allow_foreign(&self, verb: &str, what: &str) -> Result<(), Objection> {
        self.allow_verb(verb)?;
        self.listed("foreign", &self.foreign, || format!("\"{verb}\" of {what}"), |allowed| allowed == verb)
    }

    /// The key whose releases of the agent are taken over the link.
    ///
    /// # Errors
    /// There is none.
    pub fn release_key(&self) -> Result<ReleaseKey, Objection> {
        let key = self.update_key.as_deref().and_then(|key| key.parse().ok());
        key.ok_or_else(|| self.objection("update_key", "updating the agent over the link".to_owned()))
    }

    /// Whether an image may be pulled and run.
    ///
    /// # Errors
    /// What the policy does not allow.
    pub fn allow_image(&self, image: &str) -> Result<(), Objection> {
        let what = || format!("image \"{}\"", display_line(image, 120));
        self.listed("images", &self.images, what, |pattern| match pattern.strip_suffix('*') {
            Some(head) => image.starts_with(head),
            None => image == pattern,
        })
    }

    /// Whether an app may run like this. Paths are compared as they are written: who can resolve links does so before.
    ///
    /// # Errors
    /// The first thing that the policy does not allow.
    pub fn allow_spec(&self, spec: &AppSpec) -> Result<(), Objection> {
        spec.in_order().iter().try_for_each(|service| self.allow_container(service.spec))
    }

    fn allow_container(&self, spec: &AppSpec) -> Result<(), Objection> {
        self.allow_image(&spec.image)?;
        for port in &spec.ports {
            let what = || port.host.map_or_else(|| "any host port".to_owned(), |host| format!("host port {host}"));
            let fits = |range: &str| {
                parse_ports(range).is_ok_and(|(low, high)| port.host.is_none_or(|host| (low..=high).contains(&host)))
            };
            self.listed("ports", &self.ports, what, fits)?;
        }
        for name in spec.capabilities.iter().filter(|name| !USUAL_CAPABILITIES.contains(&name.as_str())) {
            let what = || format!("the capability \"{}\"", display_line(name, 60));
            self.listed("capabilities", &self.capabilities, what, |allowed| allowed == name)?;
        }
        spec.volumes.iter().filter(|volume| volume.is_bind()).try_for_each(|volume| self.allow_bind(volume))
    }

    /// What the file is called. An agent may say anything: what is no plain path is not repeated.
    #[must_use]
    pub fn file(&self) -> &str {
        let is_plain = |one: char| one.is_ascii_alphanumeric() || "/._-".contains(one);
        if self.path.starts_with('/') && self.path.len() <= LONGEST_PATH && self.path.chars().all(is_plain) {
            &self.path
        } else {
            "the agent's policy file"
        }
    }

    fn objection(&self, key: &'static str, what: String) -> Objection {
        Objection::NotListed { file: format!("{} there", self.file()), key, what }
    }

    fn listed(
        &self,
        key: &'static str,
        list: &[String],
        what: impl FnOnce() -> String,
        fits: impl Fn(&str) -> bool,
    ) -> Result<(), Objection> {
        if list.iter().any(|entry| fits(entry)) { Ok(()) } else { Err(self.objection(key, what())) }
    }

    /// Where a host port may lie that nobody has named: empty leaves the choice to the engine, else the widest range there is.
    #[must_use]
    pub fn free_ports(&self) -> String {
        let ranges = self.ports.iter().filter_map(|range| parse_ports(range).ok());
        let widest = ranges.max_by_key(|(low, high)| high - low).unwrap_or((0, 0));
        if widest.0 <= ENGINE_PORTS.0 && widest.1 >= ENGINE_PORTS.1 {
            return String::new();
        }
        if widest.0 == widest.1 { widest.0.to_string() } else { format!("{}-{}", widest.0, widest.1) }
    }

    fn allow_bind(&self, volume: &VolumeSpec) -> Result<(), Objection> {
        let source = Path::new(&volume.source);
        let what = format!("mounting \"{}\"", display_line(&volume.source, 120));
        if let Some(root) =
            NEVER_MOUNTED.iter().find(|root| source.starts_with(root) || Path::new(root).starts_with(source))
        {
            return Err(Objection::Never {
                what: format!("{what} is never allowed, since it is, holds or lies in {root}"),
            });
        }
        self.listed("bind_roots", &self.bind_roots, || what, |root| source.starts_with(root))
    }
}

/// Bytes of a file's path that is repeated.
const LONGEST_PATH: usize = 200;

/// Ports that an engine chooses from by itself: Linux's own range for that, and the engine's if the system has none.
const ENGINE_PORTS: (u16, u16) = (32_768, 65_535);

/// Reads an entry of `ports`: the lowest and the highest port.
///
/// # Errors
/// Says how an entry is written.
pub fn parse_ports(range: &str) -> Result<(u16, u16), String> {
    let (low, high) = range.split_once('-').unwrap_or((range, range));
    let parse = |text: &str| text.trim().parse::<u16>();
    match (parse(low), parse(high)) {
        (Ok(low), Ok(high)) if low <= high => Ok((low, high)),
        _ => Err(format!("\"{range}\" is not a port or range, as in 8080 or 1024-65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_unless_its_name_is_no_path() {
        let named = |path: &str| PolicySummary { path: path.to_owned(), ..PolicySummary::default() }.file().to_owned();
        assert_eq!(named("/etc/tomo/agent-policy.toml"), "/etc/tomo/agent-policy.toml");
        for path in ["", "policy.toml", "/x; now delete everything", "/a\u{1b}[31m", &format!("/{}", "x".repeat(300))] {
            assert_eq!(named(path), "the agent's policy file");
        }
    }
}
