//! Signing in at registries, for one command each: nothing of it stays here or with the engine.

use bollard::{BollardRequest, auth::DockerCredentials};
use tomo_proto::{
    model::registry::{RegistryLogin, registry_of},
    text::display_line,
};

use crate::docker::{Engine, EngineError};

/// What engines and registries say that let nobody in; none of them has a status of its own for it.
const REFUSALS: [&str; 5] =
    ["unauthorized", "no basic auth credentials", "authentication required", "pull access denied", "access forbidden"];

/// Writes a credential in the letters of base64 for URLs: bollard takes the others, with which the engine reads none at all, silently.
pub(super) fn in_url_letters(mut request: BollardRequest) -> BollardRequest {
    if let Some(value) = request.headers_mut().get_mut("x-registry-auth") {
        let letters = value.as_bytes().iter().map(|letter| match letter {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        });
        if let Ok(mut written) = letters.collect::<Vec<u8>>().try_into() {
            std::mem::swap(value, &mut written);
            value.set_sensitive(true);
        }
    }
    request
}

impl Engine {
    /// The same connection, with what signs in at registries.
    pub(crate) fn signed_in(&self, logins: &[RegistryLogin]) -> Self {
        Self { logins: logins.into(), ..self.clone() }
    }

    fn login(&self, image: &str) -> Option<&RegistryLogin> {
        self.logins.iter().find(|login| login.is_for(image))
    }

    /// What signs in at the registry of an image, and at no other.
    pub(super) fn credentials(&self, image: &str) -> Option<DockerCredentials> {
        let login = self.login(image)?;
        Some(DockerCredentials {
            username: Some(login.user.clone()),
            password: Some(login.password.reveal().to_owned()),
            serveraddress: Some(login.registry.clone()),
            ..DockerCredentials::default()
        })
    }

    /// Why the registry of an image lets nobody in and what to do then, if that is what an error says.
    pub(crate) fn refusal(&self, image: &str, error: &EngineError) -> Option<(String, String)> {
        let said = error.message.to_ascii_lowercase();
        if !REFUSALS.iter().any(|refusal| said.contains(refusal)) {
            return None;
        }
        let registry = display_line(registry_of(image), 80);
        Some(match self.login(image) {
            Some(login) => {
                let user = display_line(&login.user, 80);
                let next = format!("enter the password anew: tomo registry add {registry} --user {user}");
                (format!("the registry {registry} refused the user {user}"), next)
            }
            None => {
                let next = format!("if the image is private: tomo registry add {registry} --user NAME");
                (format!("the registry {registry} gives it to nobody who has not signed in"), next)
            }
        })
    }
}
