//! Volumes and networks that Tomo makes: a label says what for, and whoever made one knows it again by that.

use std::collections::HashMap;

use bollard::{
    models::{NetworkCreateRequest, VolumeCreateRequest},
    query_parameters::{InspectNetworkOptions, RemoveVolumeOptions},
};
use tomo_proto::error::ErrorCode;

use crate::docker::{APP_LABEL, Answer, Engine, EngineError, MADE_LABEL, NAME_LABEL};

/// A label and its value.
pub(crate) type Mark<'a> = (&'static str, &'a str);

/// What is made for an app is known by its name: an earlier app of the same name left it for this one.
pub(crate) const fn of_app(name: &str) -> Mark<'_> {
    (NAME_LABEL, name)
}

/// What is made for a command, which takes it away again.
pub(crate) const fn of_command(command: &str) -> Mark<'_> {
    (MADE_LABEL, command)
}

/// What is made for an app.
pub(crate) const fn marks_of_app<'a>(app: &'a str, name: &'a str) -> [Mark<'a>; 2] {
    [(APP_LABEL, app), of_app(name)]
}

/// Marks as the engine takes them.
pub(crate) fn labels(marks: &[Mark<'_>]) -> HashMap<String, String> {
    marks.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
}

/// Whether labels say that Tomo made it.
pub(crate) fn is_ours(labels: &HashMap<String, String>) -> bool {
    labels.contains_key(APP_LABEL) || labels.contains_key(MADE_LABEL)
}

fn has(labels: &HashMap<String, String>, (label, value): Mark<'_>) -> bool {
    labels.get(label).is_some_and(|said| said == value)
}

impl Engine {
    /// The labels of a volume, or `None` if there is no volume of this name.
    pub(crate) async fn volume_labels(&self, name: &str) -> Answer<Option<HashMap<String, String>>> {
        found(self.docker.inspect_volume(name).await.map(|volume| volume.labels).map_err(EngineError::from))
    }

    /// Whether there is a volume of this name.
    pub(crate) async fn has_volume(&self, name: &str) -> Answer<bool> {
        Ok(self.volume_labels(name).await?.is_some())
    }

    /// Makes a named volume; one that is there stays as it is.
    pub(crate) async fn make_volume(&self, name: &str, marks: &[Mark<'_>]) -> Answer<()> {
        let (name, labels) = (Some(name.to_owned()), Some(labels(marks)));
        self.docker.create_volume(VolumeCreateRequest { name, labels, ..VolumeCreateRequest::default() }).await?;
        Ok(())
    }

    /// Removes a named volume if it has this mark; says whether it did.
    pub(crate) async fn remove_volume(&self, name: &str, mark: Mark<'_>) -> Answer<bool> {
        let is_marked = self.volume_labels(name).await?.is_some_and(|labels| has(&labels, mark));
        if is_marked {
            self.docker.remove_volume(name, None::<RemoveVolumeOptions>).await?;
        }
        Ok(is_marked)
    }

    /// The labels of a network, or `None` if there is no network of this name.
    pub(crate) async fn network_labels(&self, name: &str) -> Answer<Option<HashMap<String, String>>> {
        let inspected = self.docker.inspect_network(name, None::<InspectNetworkOptions>).await;
        // The engine also takes the beginning of an id for a name.
        let named = found(inspected.map_err(EngineError::from))?.filter(|one| one.name.as_deref() == Some(name));
        Ok(named.map(|network| network.labels.unwrap_or_default()))
    }

    /// Whether a network with this mark is there. One of its name that has it not is not used.
    pub(crate) async fn has_network(&self, name: &str, mark: Mark<'_>) -> Answer<bool> {
        match self.network_labels(name).await? {
            None => Ok(false),
            Some(labels) if has(&labels, mark) => Ok(true),
            Some(_) => {
                let message = format!("a network called \"{name}\" is there that does not belong to this app");
                Err(EngineError { code: ErrorCode::Conflict, message })
            }
        }
    }

    /// Makes a bridge network; an internal one leads nowhere else. The engine allows several of one name: whoever makes one looks first.
    pub(crate) async fn make_network(&self, name: &str, internal: bool, marks: &[Mark<'_>]) -> Answer<()> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            internal: Some(internal),
            labels: Some(labels(marks)),
            ..NetworkCreateRequest::default()
        };
        self.docker.create_network(request).await?;
        Ok(())
    }

    /// Removes a network if it has this mark.
    pub(crate) async fn remove_network(&self, name: &str, mark: Mark<'_>) -> Answer<()> {
        match self.network_labels(name).await? {
            Some(labels) if has(&labels, mark) => Ok(self.docker.remove_network(name).await?),
            _ => Ok(()),
        }
    }
}

/// What is not there is no failure.
fn found<T>(answer: Answer<T>) -> Answer<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
