//! What an app's configuration may say: one reading of it, for the daemon that plans and the agent that builds a container from it.

use std::collections::BTreeSet;

use crate::{
    api::check_name,
    model::app::{AppSpec, HealthCheck, PortSpec},
    text::{display_line, is_display_safe},
    wire::command::ContainerRef,
};

/// Head of an environment value that names a secret.
pub const SECRET_REFERENCE: &str = "secret://";

/// Docker's own lower bound for a memory limit.
const MEMORY_MIN: u64 = 6 << 20;
const MAX_ITEMS: usize = 128;
const MAX_VALUE: usize = 32 * 1024;
/// Bytes in the path of a file: what an archive's plainest form can name.
const MAX_PATH: usize = 200;
/// Folders that are no part of a container's own file system.
const KERNELS_OWN: [&str; 3] = ["/proc", "/sys", "/dev"];
/// The engine's own lower bound for a limit of CPU time.
const CPU_MIN_MILLIS: u32 = 10;
/// Containers of an app beside its own.
const MAX_SERVICES: usize = 16;
/// End of the name of an app's new container until it takes the old one's place,
pub const BESIDE: &str = ".new";
/// of the old one's from then on,
pub const BETWEEN: &str = ".was";
/// and once it is kept, in the place of the one that was kept before.
pub const ASIDE: &str = ".old";
/// All of them: no app and no service is called so.
pub const ON_THEIR_WAY: [&str; 3] = [BESIDE, BETWEEN, ASIDE];
/// Head of the labels that are Tomo's own.
const OWN_LABELS: &str = "dev.tomo.";

/// A field that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Which.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

fn invalid(field: impl Into<String>, message: impl Into<String>) -> Misfit {
    Misfit { field: field.into(), message: message.into() }
}

/// What the engine gives every container.
pub const USUAL_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// What a host's policy can give an app beyond that. Each stays within the container's own namespaces, or takes resources of the host,
/// which is why the host is asked; what reaches the host's kernel, memory, clock or other processes is not among them.
pub const MORE_CAPABILITIES: [&str; 5] = ["IPC_LOCK", "NET_ADMIN", "NET_BROADCAST", "SYS_NICE", "SYS_RESOURCE"];

/// Whether an app or a service can be called so.
///
/// # Errors
/// Says what is wrong with the name.
pub fn check_app_name(name: &str) -> Result<(), String> {
    check_name(name)?;
    match ON_THEIR_WAY.iter().find(|end| name.ends_with(**end)) {
        Some(end) => Err(format!("\"{name}\" ends in {end}, as a deploy calls containers on their way")),
        None => Ok(()),
    }
}

/// Whether a volume can be called so: the engine's own grammar, since volumes are there that Tomo did not name.
///
/// # Errors
/// Says what is wrong with the name.
pub fn check_volume(name: &str) -> Result<(), String> {
    ContainerRef::new(name).map(drop).map_err(|_| {
        let shown = display_line(name, 80);
        format!("volume name: \"{shown}\" has more than letters, digits, \".\", \"_\" and \"-\", or begins with none of them")
    })
}

impl AppSpec {
    /// Checks every field, of every service too.
    ///
    /// # Errors
    /// The first one that does not fit.
    pub fn check(&self) -> Result<(), Misfit> {
        self.check_container()?;
        if self.services.len() > MAX_SERVICES {
            return Err(invalid("services", format!("an app has at most {MAX_SERVICES} services beside its own")));
        }
        if let Some(alias) = &self.alias {
            check_app_name(alias).map_err(|error| invalid("alias", error))?;
            if self.services.contains_key(alias) {
                return Err(invalid("alias", format!("\"{alias}\" is the name of another service")));
            }
        }
        for (name, service) in &self.services {
            let field = |misfit: Misfit| Misfit { field: format!("services.{name}.{}", misfit.field), ..misfit };
            check_app_name(name).map_err(|error| invalid("services", format!("service name: {error}")))?;
            service.check_container().map_err(field)?;
            if !service.services.is_empty() || service.alias.is_some() {
                return Err(field(invalid("services", "a service has no services or alias of its own")));
            }
        }
        self.check_dependencies()?;
        let mut hosts = BTreeSet::new();
        let taken = |port: &&PortSpec| port.host.is_some_and(|host| !hosts.insert((host, port.protocol.as_str())));
        match self.all_ports().find(taken) {
            Some(port) => Err(invalid("ports", format!("host port {} is published twice", port.host_text()))),
            None => Ok(()),
        }
    }

    /// Each dependency must be there, and none may lead back to where it began.
    fn check_dependencies(&self) -> Result<(), Misfit> {
        let place = |name: Option<&str>| match name {
            Some(name) => format!("services.{name}.depends_on"),
            None => "depends_on".to_owned(),
        };
        let order = self.in_order();
        for (at, service) in order.iter().enumerate() {
            for wanted in &service.spec.depends_on {
                let key = self.key_of(wanted);
                if key.is_some_and(|name| !self.services.contains_key(name)) {
                    let shown = display_line(wanted, 60);
                    return Err(invalid(place(service.name), format!("there is no service \"{shown}\"")));
                }
                // What the order could not put before it depends on it, over others or itself.
                if !order[..at].iter().any(|before| before.name == key) {
                    let message = format!("\"{wanted}\" depends on what depends on it");
                    return Err(invalid(place(service.name), message));
                }
            }
        }
        Ok(())
    }

    fn check_container(&self) -> Result<(), Misfit> {
        check_image(&self.image).map_err(|message| invalid("image", message))?;
        for (field, count) in [
            ("command", self.command.len()),
            ("ports", self.ports.len()),
            ("env", self.env.len()),
            ("files", self.files.len()),
            ("volumes", self.volumes.len()),
            ("entrypoint", self.entrypoint.len()),
            ("labels", self.labels.len()),
            ("depends_on", self.depends_on.len()),
            ("capabilities", self.capabilities.len()),
        ] {
            if count > MAX_ITEMS {
                return Err(invalid(field, format!("{field} has at most {MAX_ITEMS} entries")));
            }
        }
        for (field, words) in [("command", &self.command), ("entrypoint", &self.entrypoint)] {
            if words.iter().any(|part| is_unfit(part)) {
                return Err(invalid(field, "an argument is too long or holds a null character"));
            }
        }
        if self.ports.iter().any(|port| port.container == 0 || port.host == Some(0)) {
            return Err(invalid("ports", "a port is 1 to 65535"));
        }
        if let Some(user) = &self.user {
            let plain = |one: char| one.is_ascii_alphanumeric() || matches!(one, '_' | '-' | '.' | ':');
            if user.is_empty() || user.len() > 64 || !user.chars().all(plain) {
                let shown = display_line(user, 60);
                return Err(invalid("user", format!("\"{shown}\" is no user: a name or number, or USER:GROUP")));
            }
        }
        if self.cpu_limit_millis.is_some_and(|millis| millis < CPU_MIN_MILLIS) {
            return Err(invalid("cpu_limit_millis", "a CPU limit is at least 10, a hundredth of a core"));
        }
        for name in &self.capabilities {
            if !USUAL_CAPABILITIES.contains(&name.as_str()) && !MORE_CAPABILITIES.contains(&name.as_str()) {
                let message = format!(
                    "no host can give the capability \"{}\"; beyond the usual ones there are {}",
                    display_line(name, 60),
                    MORE_CAPABILITIES.join(", ")
                );
                return Err(invalid("capabilities", message));
            }
        }
        for (label, value) in &self.labels {
            let shown = display_line(label, 60);
            if label.starts_with(OWN_LABELS) {
                return Err(invalid("labels", format!("\"{shown}\" begins with {OWN_LABELS}: those are Tomo's own")));
            }
            let plain = label.bytes().all(|byte| byte.is_ascii_graphic()) && label.len() <= 255;
            if label.is_empty() || !plain || is_unfit(value) {
                return Err(invalid("labels", format!("\"{shown}\" is no label, or its value is too long")));
            }
        }
        for (key, value) in &self.env {
            let head = key.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
            if !head || !key.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '_' | '.' | '-')) {
                let shown = display_line(key, 60);
                return Err(invalid(
                    "env",
                    format!("\"{shown}\" is not a variable's name: letters, digits and _ only"),
                ));
            }
            if is_unfit(value) {
                return Err(invalid(
                    format!("env.{key}"),
                    format!("the value of {key} is too long or holds a null character"),
                ));
            }
            if let Some(name) = value.strip_prefix(SECRET_REFERENCE) {
                check_name(name).map_err(|error| invalid(format!("env.{key}"), error))?;
            }
        }
        let mut targets = BTreeSet::new();
        for volume in &self.volumes {
            if volume.is_bind() {
                let plain = volume.source.chars().all(|one| is_display_safe(one) && one != ':');
                if !plain || volume.source.split('/').any(|part| part == "..") {
                    return Err(invalid(
                        "volumes",
                        format!("\"{}\" is not a plain absolute path", display_line(&volume.source, 80)),
                    ));
                }
            } else {
                check_volume(&volume.source).map_err(|error| invalid("volumes", error))?;
            }
            let target = &volume.target;
            let plain = target.starts_with('/')
                && target.len() > 1
                && target.chars().all(|one| is_display_safe(one) && one != ':');
            if !plain || target.split('/').any(|part| part == "..") {
                return Err(invalid(
                    "volumes",
                    format!("\"{}\" is not an absolute path below / inside the container", display_line(target, 80)),
                ));
            }
            if !targets.insert(target) {
                return Err(invalid("volumes", format!("two volumes are mounted at {target}")));
            }
        }
        self.check_files()?;
        if self.memory_limit_bytes.is_some_and(|bytes| bytes < MEMORY_MIN) {
            return Err(invalid("memory_limit_bytes", "a memory limit is at least 6 MiB"));
        }
        self.health.as_ref().map_or(Ok(()), HealthCheck::check)
    }
}

impl AppSpec {
    /// A file lies in the container itself: in a volume, other containers and the one before this would have it too.
    fn check_files(&self) -> Result<(), Misfit> {
        for (path, contents) in &self.files {
            let field = || format!("files.{path}");
            let shown = display_line(path, 80);
            let mut parts = path.strip_prefix('/').into_iter().flat_map(|rest| rest.split('/')).peekable();
            if parts.peek().is_none()
                || parts.any(|part| matches!(part, "" | "." | ".."))
                || !path.chars().all(is_display_safe)
            {
                return Err(invalid("files", format!("\"{shown}\" is no absolute path of a file, as /etc/app.conf")));
            }
            if path.len() > MAX_PATH {
                return Err(invalid("files", format!("\"{shown}\" is longer than {MAX_PATH} bytes")));
            }
            if let Some(top) = KERNELS_OWN.iter().find(|top| is_within(path, top)) {
                return Err(invalid(field(), format!("{shown} is in {top}, which the engine fills itself")));
            }
            if let Some(volume) = self.volumes.iter().find(|volume| is_within(path, &volume.target)) {
                let message =
                    format!("{shown} is in the volume mounted at {}: choose a path outside of it", volume.target);
                return Err(invalid(field(), message));
            }
            if let Some(other) = self.files.keys().find(|other| *other != path && is_within(path, other)) {
                return Err(invalid(field(), format!("{shown} is below {other}, which is a file")));
            }
            if contents.len() > MAX_VALUE {
                return Err(invalid(field(), format!("{shown} is larger than {MAX_VALUE} bytes")));
            }
            if let Some(name) = contents.strip_prefix(SECRET_REFERENCE) {
                check_name(name).map_err(|error| invalid(field(), error))?;
            }
        }
        Ok(())
    }
}

/// Whether a path is that folder or something in it.
fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// No engine takes it.
fn is_unfit(value: &str) -> bool {
    value.len() > MAX_VALUE || value.contains('\0')
}

impl HealthCheck {
    /// Checks port and path.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self) -> Result<(), Misfit> {
        match self {
            Self::Http { port: 0, .. } | Self::Tcp { port: 0 } => {
                Err(invalid("health", "the health check's port is 1 to 65535"))
            }
            Self::Http { path, .. } => {
                let plain =
                    path.starts_with('/') && path.len() <= 1_024 && path.bytes().all(|byte| byte.is_ascii_graphic());
                if plain {
                    Ok(())
                } else {
                    Err(invalid("health", "the health check's path begins with / and has no blanks"))
                }
            }
            Self::Tcp { .. } => Ok(()),
            Self::Command { command } => {
                if command.is_empty() || command.len() > MAX_ITEMS || command.iter().any(|word| is_unfit(word)) {
                    return Err(invalid("health", "the health check's command has no program, or is too long"));
                }
                Ok(())
            }
        }
    }
}

/// The grammar of image references, as the distribution project's `reference` package has it, without its rarer forms.
///
/// # Errors
/// Says what is wrong with the name.
pub fn check_image(image: &str) -> Result<(), String> {
    let shown = display_line(image, 120);
    let wrong = |why: &str| Err(format!("\"{shown}\" is not an image name: {why}"));
    if image.is_empty() {
        return Err("the image's name is missing, e.g. nginx:1.27".to_owned());
    }
    if image.len() > 255 {
        return wrong("it is longer than 255 characters");
    }
    let (rest, digest) = image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    if let Some(digest) = digest {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()) {
            return wrong("its digest is not sha256: and 64 hex digits");
        }
    }
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    if let Some(tag) = tag {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(word) || tag.starts_with(['.', '-']) {
            return wrong("its tag has letters, digits, _, . and - only");
        }
    }
    let mut parts = name.split('/').peekable();
    let host = parts.peek().is_some_and(|first| first.contains(['.', ':']) || *first == "localhost");
    if host && name.contains('/') {
        let registry = parts.next().unwrap_or_default();
        let fits = registry.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
            && registry
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']'));
        if !fits {
            return wrong("its registry is not a host name with an optional port");
        }
    }
    let component = |part: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
        edge(part.bytes().next()) && edge(part.bytes().last()) && part.bytes().all(inner)
    };
    if !parts.all(component) {
        return wrong("its parts have a-z, 0-9, ., _ and - only, as in registry.example/team/web:1.4");
    }
    if tag.is_none() && digest.is_none() {
        return wrong("it has no tag; name one, e.g. :1.27, so that it is known what runs");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> AppSpec {
        AppSpec { image: name.to_owned(), ..AppSpec::default() }
    }

    fn waits_for(names: &[&str]) -> AppSpec {
        AppSpec { depends_on: names.iter().map(|name| (*name).to_owned()).collect(), ..image("x:1") }
    }

    fn with(main: AppSpec, services: &[(&str, AppSpec)]) -> AppSpec {
        AppSpec { services: services.iter().map(|(name, spec)| ((*name).to_owned(), spec.clone())).collect(), ..main }
    }

    fn order(spec: &AppSpec) -> Vec<&str> {
        spec.in_order().iter().map(|service| service.name.unwrap_or("the app")).collect()
    }

    #[test]
    fn services_come_after_what_they_depend_on_and_the_app_last() {
        let services = [("a", waits_for(&["z"])), ("b", image("x:1")), ("z", image("x:1"))];
        let spec = with(waits_for(&["a"]), &services);
        assert_eq!((spec.check(), order(&spec)), (Ok(()), vec!["z", "a", "b", "the app"]));
        assert!(spec.is_depended_on(Some("z")) && !spec.is_depended_on(Some("b")) && !spec.is_depended_on(None));
        let front = AppSpec { alias: Some("web".to_owned()), ..image("x:1") };
        let spec = with(front, &[("worker", waits_for(&["web"]))]);
        assert_eq!((spec.check(), order(&spec)), (Ok(()), vec!["the app", "worker"]));
        assert!(spec.is_depended_on(None));
    }

    #[test]
    fn what_several_services_cannot_be_is_named() {
        let port = |host| PortSpec { container: 80, host: Some(host), ..PortSpec::default() };
        let publishes = |host| AppSpec { ports: vec![port(host)], ..image("x:1") };
        for (spec, field, message) in [
            (with(waits_for(&["db"]), &[]), "depends_on", "there is no service \"db\""),
            (with(image("x:1"), &[("db", waits_for(&["db"]))]), "services.db.depends_on", "depends on what depends"),
            (
                with(image("x:1"), &[("a", waits_for(&["b"])), ("b", waits_for(&["a"]))]),
                "services.b.depends_on",
                "\"a\" depends on what depends on it",
            ),
            (with(publishes(80), &[("db", publishes(80))]), "ports", "host port 80 is published twice"),
            (with(image("x:1"), &[("Db", image("x:1"))]), "services", "service name: a name has"),
            (with(image("x:1"), &[("db.old", image("x:1"))]), "services", "ends in .old"),
            (with(image("x:1"), &[("db", image("x"))]), "services.db.image", "it has no tag"),
            (
                with(image("x:1"), &[("db", with(image("x:1"), &[("c", image("x:1"))]))]),
                "services.db.services",
                "no services",
            ),
            (
                with(AppSpec { alias: Some("db".to_owned()), ..image("x:1") }, &[("db", image("x:1"))]),
                "alias",
                "is the name of another service",
            ),
            (AppSpec { user: Some("a b".to_owned()), ..image("x:1") }, "user", "is no user"),
            (AppSpec { cpu_limit_millis: Some(1), ..image("x:1") }, "cpu_limit_millis", "at least 10"),
            (
                AppSpec { capabilities: vec!["SYS_ADMIN".to_owned()], ..image("x:1") },
                "capabilities",
                "no host can give",
            ),
            (
                AppSpec { labels: [("dev.tomo.app".to_owned(), String::new())].into(), ..image("x:1") },
                "labels",
                "Tomo's own",
            ),
        ] {
            let misfit = spec.check().expect_err(message);
            assert!(misfit.field == field && misfit.message.contains(message), "{misfit:?}");
        }
    }
}
