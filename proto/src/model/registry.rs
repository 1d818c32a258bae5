//! Registries that images come from, and who signs in there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{api::person::SecretText, model::spec::check_image};

/// The registry of images that name none.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// The registry that an image's name says, with its port; `docker.io` if it says none.
#[must_use]
pub fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => DEFAULT_REGISTRY,
    }
}

/// Whether it is a registry as images name it: a host, perhaps with a port, in lower case.
///
/// # Errors
/// Says that it is none.
pub fn check_registry(registry: &str) -> Result<(), String> {
    let image = format!("{registry}/x:1");
    let fits = check_image(&image).is_ok() && registry_of(&image) == registry;
    if fits && !registry.contains(|letter: char| letter.is_ascii_uppercase()) {
        return Ok(());
    }
    let shown = crate::text::display_line(registry, 60);
    Err(format!("\"{shown}\" is not a registry as images name it, in lower case: ghcr.io, registry.example:5000"))
}

/// A registry with a credential here; what signs in there is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Registry {
    /// Host, perhaps with a port, as images name it.
    pub registry: String,
    /// Who signs in there.
    pub user: String,
    /// When it was last set (UTC ms).
    pub set_at: u64,
}

/// What signs in at a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryLogin {
    /// Host, perhaps with a port, as images name it.
    pub registry: String,
    /// Who signs in.
    pub user: String,
    /// Password or token.
    pub password: SecretText,
}

impl RegistryLogin {
    /// Whether it is for the registry of an image.
    #[must_use]
    pub fn is_for(&self, image: &str) -> bool {
        registry_of(image).eq_ignore_ascii_case(&self.registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_its_registry_and_a_login_is_for_that_one_alone() {
        for (image, registry) in [
            ("nginx:1.27", "docker.io"),
            ("team/web:1", "docker.io"),
            ("docker.io/library/nginx:1", "docker.io"),
            ("ghcr.io/team/web:1", "ghcr.io"),
            ("localhost/web:1", "localhost"),
            ("127.0.0.1:5000/web:1", "127.0.0.1:5000"),
        ] {
            assert_eq!(registry_of(image), registry, "{image}");
            assert_eq!(check_registry(registry), Ok(()));
        }
        let password = SecretText::new("x");
        let login = RegistryLogin { registry: "ghcr.io".to_owned(), user: "ana".to_owned(), password };
        assert!(login.is_for("ghcr.io/a/b:1") && login.is_for("GHCR.io/a/b:1"));
        for other in ["nginx:1", "ghcr.io:444/a/b:1", "ghcr.io.example/a:1", "evil.example/ghcr.io/a:1"] {
            assert!(!login.is_for(other), "{other}");
        }
        assert!(!format!("{login:?}").contains("\"x\""), "it is never shown");
    }

    #[test]
    fn a_registry_is_a_host_alone() {
        for bad in ["", "web", "https://ghcr.io", "ghcr.io/team", "GHCR.io", "a b.io", "ghcr.io\n"] {
            assert!(check_registry(bad).is_err(), "{bad:?}");
        }
    }
}
