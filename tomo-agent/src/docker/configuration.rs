//! How a container was made, told without its secrets.

use std::collections::BTreeMap;

use bollard::models::{ContainerInspectResponse, HostConfig, MountPoint};
use tomo_proto::{
    model::container::{ContainerConfig, ContainerMount, MASKED, is_secret_looking},
    text::display_line,
};

/// Entries of each list.
const MOST: usize = 200;
/// Characters of each text.
const TEXT: usize = 1_000;
/// A thousandth of a core, as engines count.
const NANOS_PER_MILLI: i64 = 1_000_000;

pub(crate) fn of(details: ContainerInspectResponse) -> ContainerConfig {
    let config = details.config.unwrap_or_default();
    let host = details.host_config.unwrap_or_default();
    let networks = details.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let mut networks: Vec<String> = networks.keys().take(MOST).map(|name| display_line(name, TEXT)).collect();
    networks.sort();
    let restart = host.restart_policy.as_ref().and_then(|policy| policy.name);
    ContainerConfig {
        image_id: display_line(&details.image.unwrap_or_default(), 100),
        command: words(config.cmd),
        entrypoint: words(config.entrypoint),
        env: environment(&config.env.unwrap_or_default()),
        mounts: mounts(details.mounts.unwrap_or_default(), &host),
        networks,
        user: display_line(&config.user.unwrap_or_default(), TEXT),
        restart: restart.map(|name| name.to_string()).unwrap_or_default(),
        memory_limit_bytes: u64::try_from(host.memory.unwrap_or(0)).unwrap_or(0),
        cpu_limit_millis: u64::try_from(host.nano_cpus.unwrap_or(0) / NANOS_PER_MILLI).unwrap_or(0),
        powers: powers(&host),
    }
}

/// Whether a word of a command looks like a secret.
pub(super) fn holds_secret(command: &[String]) -> bool {
    masked(command.iter().cloned()).any(|word| word.contains(MASKED))
}

fn words(command: Option<Vec<String>>) -> Vec<String> {
    masked(command.unwrap_or_default().into_iter().take(MOST)).collect()
}

/// A command's words. What follows a word that names a secret is one: `--password=x`, `--token x`.
fn masked(words: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let mut follows = false;
    words.map(move |word| {
        if std::mem::take(&mut follows) && !word.starts_with('-') {
            return MASKED.to_owned();
        }
        match word.split_once('=') {
            Some((name, value)) if is_secret_looking(name, value) => display_line(&format!("{name}={MASKED}"), TEXT),
            None if word.starts_with('-') && is_secret_looking(&word, "x") => {
                follows = true;
                display_line(&word, TEXT)
            }
            _ if is_secret_looking("", &word) => MASKED.to_owned(),
            _ => display_line(&word, TEXT),
        }
    })
}

fn environment(variables: &[String]) -> BTreeMap<String, String> {
    let split = |variable: &String| {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        let value = if is_secret_looking(name, value) { MASKED.to_owned() } else { display_line(value, TEXT) };
        (display_line(name, TEXT), value)
    };
    variables.iter().take(MOST).map(split).collect()
}

fn mounts(points: Vec<MountPoint>, host: &HostConfig) -> Vec<ContainerMount> {
    let point = |point: MountPoint| {
        let kind = display_line(&point.typ.unwrap_or_default(), 20);
        let source = if kind == "volume" { point.name } else { point.source };
        ContainerMount {
            kind,
            source: display_line(&source.unwrap_or_default(), TEXT),
            target: display_line(&point.destination.unwrap_or_default(), TEXT),
            read_only: point.rw == Some(false),
        }
    };
    let mut mounts: Vec<ContainerMount> = points.into_iter().take(MOST).map(point).collect();
    // Those that came with `--tmpfs` are not among the mount points.
    for target in host.tmpfs.iter().flatten().map(|(target, _)| display_line(target, TEXT)).take(MOST) {
        if !mounts.iter().any(|mount| mount.target == target) {
            mounts.push(ContainerMount { kind: "tmpfs".to_owned(), target, ..ContainerMount::default() });
        }
    }
    mounts.sort_by(|left, right| left.target.cmp(&right.target));
    mounts
}

/// What gives a container more of its host than usual.
fn powers(host: &HostConfig) -> Vec<String> {
    let mut powers = Vec::new();
    if host.privileged == Some(true) {
        powers.push("privileged".to_owned());
    }
    for (what, mode) in [
        ("network", &host.network_mode),
        ("processes", &host.pid_mode),
        ("shared memory", &host.ipc_mode),
        ("host name", &host.uts_mode),
        ("user ids", &host.userns_mode),
    ] {
        if mode.as_deref() == Some("host") {
            powers.push(format!("the host's {what}"));
        }
    }
    let capabilities = host.cap_add.iter().flatten().take(MOST);
    // The engine writes them with this head, whoever made the container without.
    let plain = |capability: &String| display_line(capability.trim_start_matches("CAP_"), 60);
    powers.extend(capabilities.map(|capability| format!("capability {}", plain(capability))));
    let devices = host.devices.iter().flatten().take(MOST).filter_map(|device| device.path_on_host.as_deref());
    powers.extend(devices.map(|path| format!("device {}", display_line(path, 200))));
    powers
}

#[cfg(test)]
mod tests {
    use bollard::models::ContainerConfig as Engines;

    use super::*;

    #[test]
    fn names_stay_and_values_that_look_secret_do_not() {
        let list = |items: &[&str]| Some(items.iter().map(|item| (*item).to_owned()).collect());
        let config = Engines {
            env: list(&["MODE=fast", "DB_PASSWORD=hunter2", "DB_URL=pg://shop:hunter2@db/shop", "EMPTY", "A=b=c"]),
            cmd: list(&["serve", "--password=hunter2", "--token", "hunter2", "--port", "80", "pg://a:hunter2@b/"]),
            ..Engines::default()
        };
        let host = HostConfig {
            privileged: Some(true),
            network_mode: Some("host".to_owned()),
            cap_add: list(&["CAP_NET_ADMIN"]),
            tmpfs: Some([("/run".to_owned(), String::new())].into()),
            ..HostConfig::default()
        };
        let details = ContainerInspectResponse {
            config: Some(config),
            host_config: Some(host),
            ..ContainerInspectResponse::default()
        };
        let told = of(details);
        assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
        let masked = ["DB_PASSWORD", "DB_URL"].map(|name| told.env[name].as_str());
        assert_eq!((masked, told.env["MODE"].as_str(), told.env["A"].as_str()), ([MASKED; 2], "fast", "b=c"));
        let expected = ["serve", "--password=(masked)", "--token", MASKED, "--port", "80", MASKED];
        assert_eq!(told.command, expected);
        assert_eq!(told.powers, ["privileged", "the host's network", "capability NET_ADMIN"]);
        assert_eq!((told.mounts[0].kind.as_str(), told.mounts[0].target.as_str()), ("tmpfs", "/run"));
    }
}
