//! The digests of a container's image: what runs here, and what its registry has under the same name.

use tomo_proto::{
    model::{image::ImageDigests, spec::check_image},
    text::display_line,
};

use crate::docker::{Answer, Engine, EngineError};

/// Characters of a digest.
const DIGEST: usize = 80;

impl Engine {
    /// Compares the image of a container with its registry's, which the engine asks.
    pub(crate) async fn digests(&self, container: &str) -> Answer<ImageDigests> {
        let details = self.inspect(container).await?;
        let name = details.config.and_then(|config| config.image).unwrap_or_default();
        // An image that is gone from the engine still runs, and has no digest any more.
        let Ok(image) = self.docker.inspect_image(&details.image.unwrap_or_default()).await else {
            return Ok(ImageDigests::default());
        };
        let running = image.repo_digests.unwrap_or_default().iter().find_map(|known| digest_of(known, &name));
        let is_named = check_image(&name).is_ok() && !name.contains('@') && !name.starts_with("sha256:");
        let offered = match &running {
            Some(_) if is_named => {
                let found = self.docker.inspect_registry_image(&name, self.credentials(&name)).await;
                let found = found.map_err(|error| {
                    let error = EngineError::from(error);
                    match self.refusal(&name, &error) {
                        Some((message, _)) => EngineError { message, ..error },
                        None => error,
                    }
                })?;
                found.descriptor.digest.map(|digest| display_line(&digest, DIGEST))
            }
            _ => None,
        };
        Ok(ImageDigests { running, offered })
    }
}

/// The digest of `repository@digest`, if it is of the repository that a name is from.
fn digest_of(known: &str, name: &str) -> Option<String> {
    let (of, digest) = known.split_once('@')?;
    (repository(of) == repository(name)).then(|| display_line(digest, DIGEST))
}

/// A name without tag and digest, as engines write it.
fn repository(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let name = match name.rsplit_once(':') {
        Some((head, tag)) if !tag.contains('/') => head,
        _ => name,
    };
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_belongs_to_the_repository_that_a_name_is_from() {
        for (known, name, fits) in [
            ("nginx@sha256:1", "nginx:1.27", true),
            ("nginx@sha256:1", "docker.io/library/nginx", true),
            ("127.0.0.1:5000/web@sha256:1", "127.0.0.1:5000/web:1", true),
            ("127.0.0.1:5000/web@sha256:1", "127.0.0.1:5000/web", true),
            ("127.0.0.1:5000/web@sha256:1", "web:1", false),
            ("nginx", "nginx", false),
        ] {
            assert_eq!(digest_of(known, name).is_some(), fits, "{known} {name}");
        }
    }
}
