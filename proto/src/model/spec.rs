//! What an app's configuration may say: one reading of it, for the daemon that plans and the agent that builds a container from it.

use std::collections::BTreeSet;

use crate::{
    api::check_name,
    model::app::{AppSpec, HealthCheck},
    text::{display_line, is_display_safe},
};

/// Head of an environment value that names a secret.
pub const SECRET_REFERENCE: &str = "secret://";

/// Docker's own lower bound for a memory limit.
const MEMORY_MIN: u64 = 6 << 20;
const MAX_ITEMS: usize = 128;
const MAX_VALUE: usize = 32 * 1024;

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

impl AppSpec {
    /// Checks every field.
    ///
    /// # Errors
    /// The first one that does not fit.
    pub fn check(&self) -> Result<(), Misfit> {
        check_image(&self.image).map_err(|message| invalid("image", message))?;
        for (field, count) in [
            ("command", self.command.len()),
            ("ports", self.ports.len()),
            ("env", self.env.len()),
            ("volumes", self.volumes.len()),
        ] {
            if count > MAX_ITEMS {
                return Err(invalid(field, format!("{field} has at most {MAX_ITEMS} entries")));
            }
        }
        if self.command.iter().any(|part| part.len() > MAX_VALUE || part.contains('\0')) {
            return Err(invalid("command", "an argument is too long or holds a null character"));
        }
        let mut hosts = BTreeSet::new();
        for port in &self.ports {
            if port.container == 0 || port.host == Some(0) {
                return Err(invalid("ports", "a port is 1 to 65535"));
            }
            if let Some(host) = port.host
                && !hosts.insert((host, port.protocol.as_str()))
            {
                return Err(invalid("ports", format!("host port {host} is published twice")));
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
            if value.len() > MAX_VALUE || value.contains('\0') {
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
                check_name(&volume.source).map_err(|error| invalid("volumes", format!("volume name: {error}")))?;
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
        if self.memory_limit_bytes.is_some_and(|bytes| bytes < MEMORY_MIN) {
            return Err(invalid("memory_limit_bytes", "a memory limit is at least 6 MiB"));
        }
        self.health.as_ref().map_or(Ok(()), HealthCheck::check)
    }
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
