//! How a container that Tomo did not make would run as an app: what differs from its image becomes the app's configuration, and what
//! an app does not have is named.

mod losses;

use std::collections::BTreeMap;

use bollard::models::{
    ContainerConfig, ContainerInspectResponse, ContainerStateStatusEnum, HealthConfig, HostConfig, ImageConfig,
    MountPoint, PortBinding, RestartPolicyNameEnum,
};
use tomo_proto::{
    api::person::SecretText,
    model::{
        adoption::{Adoptable, Adopted},
        app::{AppSpec, HealthCheck, PortSpec, Protocol, RestartPolicy, VolumeSpec},
        container::is_secret_looking,
        spec::SECRET_REFERENCE,
    },
    text::display_line,
};

use crate::docker::{Answer, Engine, adoption::losses::is_filled, configuration::holds_secret};

const COMPOSE: &str = "com.docker.compose.";
const COMPOSE_PROJECT: &str = "com.docker.compose.project";
/// Head of the labels that are Tomo's own.
const OWN: &str = "dev.tomo.";
/// What every container has of `/dev/shm` unless told otherwise.
const USUAL_SHM: i64 = 64 << 20;
/// How often an app that fails is started again under `on-failure`.
const RETRIES: i64 = 5;

impl Engine {
    /// Reads a container, with the secrets of its environment.
    pub(crate) async fn adoptable(&self, container: &str) -> Answer<Adoptable> {
        let details = self.inspect(container).await?;
        let image_id = details.image.clone().unwrap_or_default();
        let image = self.docker.inspect_image(&image_id).await?.config.unwrap_or_default();
        let name = details.config.as_ref().and_then(|config| config.image.as_deref()).unwrap_or_default();
        let named = self.image(&with_tag(name)).await?.map(|image| image.id);
        let is_named = named.as_deref() == Some(&*image_id);
        Ok(of(details, &image, is_named))
    }
}

/// What is found on the way.
#[derive(Default)]
struct Found {
    spec: AppSpec,
    secrets: BTreeMap<String, SecretText>,
    lost: Vec<String>,
    barred: Vec<String>,
}

fn of(details: ContainerInspectResponse, image: &ImageConfig, is_named: bool) -> Adoptable {
    let id = details.id.unwrap_or_default();
    let config = details.config.unwrap_or_default();
    let host = details.host_config.unwrap_or_default();
    let state = details.state.unwrap_or_default();
    let mut found = Found::default();

    found.spec.image = with_tag(config.image.as_deref().unwrap_or_default());
    if !is_named {
        let shown = display_line(&found.spec.image, 120);
        found.lost.push(format!("its image: \"{shown}\" is another one by now, or has to be pulled"));
    }
    if !matches!(
        state.status,
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::CREATED)
    ) {
        let status = state.status.map_or_else(|| "in no known state".to_owned(), |status| status.to_string());
        found.barred.push(format!("it is {status}: have it run, or stop it"));
    }
    found.bars(&host);
    found.words(&config, image);
    found.environment(&config, image);
    found.labels(&config, image);
    found.ports(&host);
    found.mounts(details.mounts.unwrap_or_default(), &host);
    found.limits(&host);
    found.health(config.healthcheck.as_ref(), image.healthcheck.as_ref());
    found.behavior(&config, image, &id);
    found.confinement(&host);
    let networks = details.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let mut networks: Vec<_> = networks.into_keys().filter(|name| !is_usual_network(name)).collect();
    networks.sort();
    for network in networks {
        let shown = display_line(&network, 80);
        found.lost.push(format!("network \"{shown}\": who reaches it there by name or address does not any more"));
    }
    let adopted = Adopted {
        id,
        name: display_line(details.name.as_deref().unwrap_or_default().trim_start_matches('/'), 200),
        image_id: details.image.unwrap_or_default(),
        runs: state.running == Some(true),
        lost: found.lost,
    };
    Adoptable { adopted, spec: found.spec, secrets: found.secrets, barred: found.barred }
}

/// An image's name as apps have it: what an engine takes for granted stands there.
fn with_tag(image: &str) -> String {
    let has_tag = image.contains('@') || image.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if has_tag { image.to_owned() } else { format!("{image}:latest") }
}

fn is_usual_network(name: &str) -> bool {
    matches!(name, "" | "default" | "bridge" | "host" | "none")
}

impl Found {
    fn words(&mut self, config: &ContainerConfig, image: &ImageConfig) {
        let plain = |words: &Option<Vec<String>>| match words.as_deref() {
            Some([only]) if only.is_empty() => Vec::new(),
            words => words.unwrap_or_default().to_vec(),
        };
        let (entrypoint, command) = (plain(&config.entrypoint), plain(&config.cmd));
        let (images_entrypoint, images_command) = (plain(&image.entrypoint), plain(&image.cmd));
        if entrypoint != images_entrypoint {
            let all: Vec<String> = entrypoint.iter().chain(&command).cloned().collect();
            // An empty one would be the image's.
            let split = if entrypoint.is_empty() { 1.min(all.len()) } else { entrypoint.len() };
            (self.spec.entrypoint, self.spec.command) = (all[..split].to_vec(), all[split..].to_vec());
        } else if command != images_command {
            self.spec.command = command;
        }
        for (what, words) in [("entry point", &self.spec.entrypoint), ("command", &self.spec.command)] {
            if holds_secret(words) {
                let message = format!("its {what} holds what looks like a secret, which plans would show");
                self.barred.push(message + ": make it anew with the secret in a variable");
            }
        }
        self.spec.user = config.user.clone().filter(|user| !user.is_empty() && config.user != image.user);
    }

    fn environment(&mut self, config: &ContainerConfig, image: &ImageConfig) {
        let known = image.env.as_deref().unwrap_or_default();
        for variable in config.env.iter().flatten().filter(|variable| !known.contains(variable)) {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            if is_secret_looking(name, value) || value.starts_with(SECRET_REFERENCE) {
                self.secrets.insert(name.to_owned(), SecretText::new(value));
            } else {
                self.spec.env.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn labels(&mut self, config: &ContainerConfig, image: &ImageConfig) {
        let known = image.labels.clone().unwrap_or_default();
        let labels = config.labels.clone().unwrap_or_default();
        if let Some(project) = labels.get(COMPOSE_PROJECT) {
            let shown = display_line(project, 60);
            self.lost.push(format!("its place in the compose project \"{shown}\", whose other containers stay there"));
        }
        let own = labels.into_iter().filter(|(label, value)| {
            known.get(label) != Some(value) && !label.starts_with(COMPOSE) && !label.starts_with(OWN)
        });
        for (label, value) in own.collect::<BTreeMap<_, _>>() {
            if is_secret_looking(&label, &value) {
                self.lost.push(format!("label \"{}\", whose value looks secret", display_line(&label, 80)));
            } else {
                self.spec.labels.insert(label, value);
            }
        }
    }

    fn ports(&mut self, host: &HostConfig) {
        self.lose(host.publish_all_ports == Some(true), "every port of its image on a host port of its own (-P)");
        let bindings: BTreeMap<_, _> = host.port_bindings.clone().unwrap_or_default().into_iter().collect();
        for (key, bindings) in bindings {
            let (port, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
            for binding in bindings.unwrap_or_default() {
                match port_of(port, protocol, &binding) {
                    Some(port) if !self.spec.ports.contains(&port) => self.spec.ports.push(port),
                    Some(_) => {}
                    None => self.lost.push(format!("port {}: an app has no such port", display_line(&key, 40))),
                }
                let address = binding.host_ip.unwrap_or_default();
                let is_carried = matches!(&*address, "" | "0.0.0.0" | "::" | "127.0.0.1");
                let shown = display_line(&address, 60);
                self.lose(!is_carried, &format!("port {key} on {shown} only: another address of this host has it too"));
            }
        }
    }

    fn mounts(&mut self, mut points: Vec<MountPoint>, host: &HostConfig) {
        points.sort_by(|left, right| left.destination.cmp(&right.destination));
        for point in points {
            let target = point.destination.unwrap_or_default();
            let source = match point.typ.as_deref() {
                Some("volume") => point.name,
                Some("bind") => point.source,
                _ => None,
            };
            let shown = display_line(&target, 120);
            let Some(source) = source.filter(|source| !source.is_empty()) else {
                self.lost.push(format!("what is mounted at {shown} is kept in no volume"));
                continue;
            };
            let usual = matches!(point.propagation.as_deref(), None | Some("" | "rprivate" | "private"));
            self.lose(!usual, &format!("how mounts below {shown} spread"));
            self.spec.volumes.push(VolumeSpec { source, target, read_only: point.rw == Some(false) });
        }
        for target in host.tmpfs.iter().flatten().map(|(target, _)| display_line(target, 120)) {
            self.lost.push(format!("the memory mounted at {target} (tmpfs)"));
        }
        let partly = |mount: &bollard::models::Mount| {
            mount.volume_options.as_ref().and_then(|options| options.subpath.clone()).filter(|path| !path.is_empty())
        };
        for path in host.mounts.iter().flatten().filter_map(partly) {
            self.barred.push(format!("it has only the folder \"{}\" of a volume", display_line(&path, 80)));
        }
    }

    fn limits(&mut self, host: &HostConfig) {
        let positive =
            |value: Option<i64>| value.filter(|value| *value > 0).and_then(|value| u64::try_from(value).ok());
        self.spec.memory_limit_bytes = positive(host.memory);
        let of_quota = || Some(positive(host.cpu_quota)? * 1_000 / positive(host.cpu_period).unwrap_or(100_000));
        let millis = positive(host.nano_cpus).map(|nanos| nanos / 1_000_000).or_else(of_quota);
        self.spec.cpu_limit_millis = millis.and_then(|millis| u32::try_from(millis).ok());
        let twice = host.memory.unwrap_or(0).saturating_mul(2);
        self.lose(host.memory_swap.is_some_and(|swap| swap != 0 && swap != twice), "its limit of swap");
        self.lose(host.memory_reservation.unwrap_or(0) > 0, "its reserved memory");
        self.lose(host.cpu_shares.unwrap_or(0) > 0, "its shares of the processors");
        let cpus = [&host.cpuset_cpus, &host.cpuset_mems];
        self.lose(
            cpus.iter().any(|set| set.as_ref().is_some_and(|set| !set.is_empty())),
            "its own processors (cpuset)",
        );
        self.lose(is_filled(host.ulimits.as_ref()), "its ulimits");
        self.lose(host.shm_size.unwrap_or(USUAL_SHM) != USUAL_SHM, "the size of its /dev/shm");
        self.lose(host.pids_limit.unwrap_or(0) > 0, "its limit of processes: an app has 4096");
        let oom = host.oom_kill_disable == Some(true) || host.oom_score_adj.unwrap_or(0) != 0;
        self.lose(oom, "what becomes of it when memory runs out");
        let restart = host.restart_policy.clone().unwrap_or_default();
        self.spec.restart = match restart.name {
            Some(RestartPolicyNameEnum::ALWAYS) => RestartPolicy::Always,
            Some(RestartPolicyNameEnum::UNLESS_STOPPED) => RestartPolicy::UnlessStopped,
            Some(RestartPolicyNameEnum::ON_FAILURE) => RestartPolicy::OnFailure,
            _ => RestartPolicy::No,
        };
        let other = self.spec.restart == RestartPolicy::OnFailure && restart.maximum_retry_count != Some(RETRIES);
        self.lose(other, &format!("how often it is started again after a failure: an app {RETRIES} times"));
    }

    fn health(&mut self, own: Option<&HealthConfig>, images: Option<&HealthConfig>) {
        if own == images {
            return;
        }
        let test = own.and_then(|check| check.test.as_deref()).unwrap_or_default();
        let command: Vec<String> = match test {
            [kind, words @ ..] if kind == "CMD" && !words.is_empty() => words.to_vec(),
            [kind, line, ..] if kind == "CMD-SHELL" => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
            _ => {
                self.lose(images.is_some(), "that the health check of its image is off or changed");
                return;
            }
        };
        if holds_secret(&command) {
            self.barred.push("its health check holds what looks like a secret, which plans would show".to_owned());
        }
        self.spec.health = Some(HealthCheck::Command { command });
        let times = own.map(|check| (check.interval, check.timeout, check.retries, check.start_period));
        let is_timed = times.is_some_and(|(interval, timeout, retries, start)| {
            [interval, timeout, retries, start].iter().any(|time| time.unwrap_or(0) != 0)
        });
        self.lose(is_timed, "the times of its health check: an app is asked every 5 s");
    }
}

fn port_of(port: &str, protocol: &str, binding: &PortBinding) -> Option<PortSpec> {
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let host = match binding.host_port.as_deref().unwrap_or_default() {
        "" | "0" => None,
        port => Some(port.parse().ok()?),
    };
    let loopback = binding.host_ip.as_ref().and_then(|address| address.parse::<std::net::IpAddr>().ok());
    let loopback = loopback.is_some_and(|address| address.is_loopback());
    Some(PortSpec { container: port.parse().ok()?, host, protocol, loopback })
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerState, HostConfigLogConfig};

    use super::*;

    fn list(items: &[&str]) -> Option<Vec<String>> {
        Some(items.iter().map(|item| (*item).to_owned()).collect())
    }

    fn details(config: ContainerConfig, host: HostConfig) -> ContainerInspectResponse {
        let running = ContainerState {
            status: Some(ContainerStateStatusEnum::RUNNING),
            running: Some(true),
            ..ContainerState::default()
        };
        ContainerInspectResponse {
            id: Some("4f1c0ffee0001234".to_owned()),
            name: Some("/db".to_owned()),
            state: Some(running),
            config: Some(config),
            host_config: Some(host),
            ..ContainerInspectResponse::default()
        }
    }

    #[test]
    fn what_differs_from_the_image_is_carried_over_and_secrets_apart() {
        let image = ImageConfig {
            env: list(&["PATH=/bin", "MODE=slow"]),
            cmd: list(&["serve"]),
            labels: Some([("maintainer".to_owned(), "x".to_owned())].into()),
            ..ImageConfig::default()
        };
        let label = |name: &str| (name.to_owned(), "x".to_owned());
        let config = ContainerConfig {
            image: Some("db:1".to_owned()),
            env: list(&["PATH=/bin", "MODE=fast", "DB_PASSWORD=hunter2", "REF=secret://other"]),
            cmd: list(&["serve", "--fast"]),
            hostname: Some("4f1c0ffee000".to_owned()),
            labels: Some([label("maintainer"), label("team"), label("com.docker.compose.service")].into()),
            ..ContainerConfig::default()
        };
        let binding = |address: &str, port: &str| PortBinding {
            host_ip: Some(address.to_owned()),
            host_port: Some(port.to_owned()),
        };
        let bindings = Some(vec![binding("0.0.0.0", "8080"), binding("::", "8080")]);
        let host = HostConfig {
            port_bindings: Some([("80/tcp".to_owned(), bindings)].into()),
            cpu_quota: Some(50_000),
            cpu_period: Some(100_000),
            ..HostConfig::default()
        };
        let read = of(details(config, host), &image, true);
        assert!(read.barred.is_empty() && read.adopted.lost.is_empty(), "{read:?}");
        assert_eq!(read.spec.env, [("MODE".to_owned(), "fast".to_owned())].into());
        assert_eq!(read.secrets.keys().collect::<Vec<_>>(), ["DB_PASSWORD", "REF"]);
        assert_eq!((read.spec.command.join(" ").as_str(), read.spec.entrypoint.len()), ("serve --fast", 0));
        assert_eq!((read.spec.ports.len(), read.spec.ports[0].host), (1, Some(8080)));
        assert_eq!(read.spec.labels.keys().collect::<Vec<_>>(), ["team"]);
        assert_eq!(read.spec.cpu_limit_millis, Some(500));
        assert!(!format!("{read:?}").contains("hunter2"), "{read:?}");
    }

    #[test]
    fn an_image_without_a_tag_is_the_latest() {
        let digest = format!("db@sha256:{}", "a".repeat(64));
        for (image, expected) in [
            ("db", "db:latest"),
            ("db:1", "db:1"),
            ("lan:5000/db", "lan:5000/db:latest"),
            ("lan:5000/db:1", "lan:5000/db:1"),
            (&digest, &digest),
        ] {
            assert_eq!(with_tag(image), expected);
        }
    }

    #[test]
    fn what_an_app_does_not_have_is_named_and_what_none_may_have_bars() {
        let host = HostConfig {
            privileged: Some(true),
            network_mode: Some("host".to_owned()),
            auto_remove: Some(true),
            cap_drop: list(&["ALL"]),
            extra_hosts: list(&["a:1.2.3.4"]),
            init: Some(true),
            tmpfs: Some([("/run".to_owned(), String::new())].into()),
            log_config: Some(HostConfigLogConfig { typ: Some("journald".to_owned()), config: None }),
            ..HostConfig::default()
        };
        let config = ContainerConfig {
            cmd: list(&["serve", "--password=hunter2"]),
            hostname: Some("db.example".to_owned()),
            ..ContainerConfig::default()
        };
        let read = of(details(config, host), &ImageConfig::default(), false);
        assert_eq!(read.barred.len(), 4, "{read:?}");
        assert!(!read.barred.join(" ").contains("hunter2"), "{read:?}");
        let lost = read.adopted.lost.join("; ");
        for named in ["cap_drop", "extra hosts", "--init", "/run", "journald", "host name", "its image"] {
            assert!(lost.contains(named), "{named} in: {lost}");
        }
    }
}
