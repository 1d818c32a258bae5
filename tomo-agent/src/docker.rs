//! The container engine's API, as far as Tomo uses it. The only module that knows bollard.

mod adoption;
mod archive;
pub(crate) mod configuration;
mod digest;
pub(crate) mod examination;
pub(crate) mod files;
pub(crate) mod inventory;
pub(crate) mod made;
mod registry;
mod stock;
pub(crate) mod terminal;

use std::{path::Path, pin::Pin, sync::Arc, time::Duration};

use bollard::{
    Docker,
    container::LogOutput,
    errors::Error,
    models::{
        ContainerCreateBody, ContainerInspectResponse, ContainerUpdateBody, RestartPolicy, RestartPolicyNameEnum,
    },
    query_parameters::{
        CreateContainerOptionsBuilder, CreateImageOptionsBuilder, InspectContainerOptions, LogsOptionsBuilder,
        RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, RestartContainerOptionsBuilder,
        StartContainerOptions, StopContainerOptionsBuilder,
    },
};
use futures::{Stream, StreamExt as _};
use tomo_proto::{error::ErrorCode, model::registry::RegistryLogin, text::display_line};

pub(crate) use archive::User;

/// Seconds a request may take that is not a stream.
const REQUEST_TIMEOUT_SECS: u64 = 120;

/// Label of everything Tomo makes for an app: id of the app.
pub(crate) const APP_LABEL: &str = "dev.tomo.app";
/// Label: name of the app.
pub(crate) const NAME_LABEL: &str = "dev.tomo.name";
/// Label of what Tomo makes for no app; the command that it was made for, if it was one that takes it away again.
pub(crate) const MADE_LABEL: &str = "dev.tomo.made";
/// Label: id of the revision.
pub(crate) const REVISION_LABEL: &str = "dev.tomo.revision";

/// The engine refused or failed.
#[derive(Debug)]
pub(crate) struct EngineError {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        let (code, message) = match &error {
            Error::DockerResponseServerError { status_code: 404, message } => (ErrorCode::NotFound, message.clone()),
            Error::DockerResponseServerError { status_code: 400, message } => (ErrorCode::Invalid, message.clone()),
            Error::DockerResponseServerError { status_code: 409, message } => (ErrorCode::Conflict, message.clone()),
            Error::DockerResponseServerError { message, .. } => (ErrorCode::Internal, message.clone()),
            Error::DockerStreamError { error } => (ErrorCode::NotFound, error.clone()),
            other => (ErrorCode::Internal, in_full(other)),
        };
        Self { code, message: format!("the engine says: {}", display_line(&message, 400)) }
    }
}

impl EngineError {
    /// The engine takes longer to answer than engines do.
    pub(crate) fn silent() -> Self {
        Self { code: ErrorCode::Conflict, message: "the engine does not answer in time".to_owned() }
    }
}

/// An error with its causes; and what to do about the one that people meet first.
fn in_full(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let is_denied = error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
        if is_denied {
            return format!("{error}: this user may not use the engine (add it to the group docker, or run as root)");
        }
        text = error.to_string();
        cause = error.source();
    }
    text
}

/// A connection to the engine. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    docker: Docker,
    socket: Arc<Path>,
    /// What signs in at registries, for the command that it came with.
    logins: Arc<[RegistryLogin]>,
}

/// An image on the host.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) id: String,
    /// In the engine's words, e.g. `amd64`; empty if it does not say.
    pub(crate) architecture: String,
}

/// What the engine says of itself.
#[derive(Debug)]
pub(crate) struct About {
    /// In its own words, e.g. `amd64`.
    pub(crate) architecture: String,
    /// Folder of its data.
    pub(crate) folder: String,
}

/// How far a pull is.
#[derive(Debug)]
pub(crate) struct PullProgress {
    pub(crate) percent: Option<u8>,
}

/// One chunk of a container's log.
#[derive(Debug)]
pub(crate) struct LogChunk {
    pub(crate) from_stderr: bool,
    pub(crate) bytes: bytes::Bytes,
}

type Answer<T> = Result<T, EngineError>;

impl Engine {
    /// Prepares a connection; nothing is sent yet.
    pub(crate) fn connect(socket: &Path) -> Answer<Self> {
        let path = socket.to_string_lossy();
        let docker = Docker::connect_with_unix(&path, REQUEST_TIMEOUT_SECS, bollard::API_DEFAULT_VERSION)?;
        let docker = docker.with_request_modifier(registry::in_url_letters);
        Ok(Self { docker, socket: Arc::from(socket), logins: Arc::default() })
    }

    /// Version of the engine and of its API.
    pub(crate) async fn version(&self) -> Answer<(String, String)> {
        let version = self.docker.version().await?;
        Ok((version.version.unwrap_or_default(), version.api_version.unwrap_or_default()))
    }

    /// Where it runs.
    pub(crate) async fn about(&self) -> Answer<About> {
        let architecture = self.docker.version().await?.arch.unwrap_or_default();
        let folder = self.docker.info().await?.docker_root_dir.unwrap_or_default();
        Ok(About { architecture, folder })
    }

    pub(crate) async fn inspect(&self, container: &str) -> Answer<ContainerInspectResponse> {
        Ok(self.docker.inspect_container(container, None::<InspectContainerOptions>).await?)
    }

    /// A container, or `None` if there is none of that name.
    pub(crate) async fn find(&self, container: &str) -> Answer<Option<ContainerInspectResponse>> {
        match self.inspect(container).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.code == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn start(&self, container: &str) -> Answer<()> {
        Ok(self.docker.start_container(container, None::<StartContainerOptions>).await?)
    }

    pub(crate) async fn stop(&self, container: &str, timeout_secs: u32) -> Answer<()> {
        let seconds = i32::try_from(timeout_secs).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        Ok(self.docker.stop_container(container, Some(options)).await?)
    }

    pub(crate) async fn restart(&self, container: &str, timeout_secs: u32) -> Answer<()> {
        let seconds = i32::try_from(timeout_secs).unwrap_or(i32::MAX);
        let options = RestartContainerOptionsBuilder::default().t(seconds).build();
        Ok(self.docker.restart_container(container, Some(options)).await?)
    }

    /// Removes a container whether it runs or not, with its anonymous volumes.
    pub(crate) async fn remove(&self, container: &str) -> Answer<()> {
        self.remove_with(container, true).await
    }

    /// Removes a container whether it runs or not, and none of its volumes.
    pub(crate) async fn remove_without_volumes(&self, container: &str) -> Answer<()> {
        self.remove_with(container, false).await
    }

    async fn remove_with(&self, container: &str, volumes: bool) -> Answer<()> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(volumes).build();
        match self.docker.remove_container(container, Some(options)).await.map_err(EngineError::from) {
            Err(error) if error.code != ErrorCode::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) async fn rename(&self, container: &str, name: &str) -> Answer<()> {
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        Ok(self.docker.rename_container(container, options).await?)
    }

    pub(crate) async fn create(&self, name: &str, body: ContainerCreateBody) -> Answer<String> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        Ok(self.docker.create_container(Some(options), body).await?.id)
    }

    /// Changes when the engine starts a container again by itself.
    pub(crate) async fn set_restart(&self, container: &str, policy: RestartPolicy) -> Answer<()> {
        let body = ContainerUpdateBody { restart_policy: Some(policy), ..ContainerUpdateBody::default() };
        Ok(self.docker.update_container(container, body).await?)
    }

    /// A container that is set aside stays down, also when the engine starts anew.
    pub(crate) async fn never_restart(&self, container: &str) -> Answer<()> {
        let never = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None };
        self.set_restart(container, never).await
    }

    /// An image, or `None` if it is not on the host.
    pub(crate) async fn image(&self, image: &str) -> Answer<Option<Image>> {
        match self.docker.inspect_image(image).await.map_err(EngineError::from) {
            Ok(found) => {
                let (id, architecture) = (found.id.unwrap_or_default(), found.architecture.unwrap_or_default());
                Ok(Some(Image { id, architecture }))
            }
            Err(error) if error.code == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Pulls an image, telling how far it is.
    pub(crate) fn pull(&self, image: &str) -> Pin<Box<dyn Stream<Item = Answer<PullProgress>> + Send>> {
        let options = CreateImageOptionsBuilder::default().from_image(image).build();
        let mut layers = std::collections::HashMap::new();
        Box::pin(self.docker.create_image(Some(options), None, self.credentials(image)).map(move |message| {
            let message = message?;
            if let Some(failed) = message.error_detail {
                let message = display_line(&failed.message.unwrap_or_default(), 400);
                return Err(EngineError { code: ErrorCode::NotFound, message: format!("the engine says: {message}") });
            }
            if let (Some(layer), Some(progress)) = (message.id, message.progress_detail)
                && let (Some(current), Some(total)) = (progress.current, progress.total)
            {
                layers.insert(layer, (current, total));
            }
            let (current, total) =
                layers.values().fold((0, 0), |(current, total), layer| (current + layer.0, total + layer.1));
            let percent = (total > 0).then(|| u8::try_from((current * 100 / total).clamp(0, 100)).unwrap_or(100));
            Ok(PullProgress { percent })
        }))
    }

    /// A container's log, oldest first.
    pub(crate) fn logs(
        &self,
        container: &str,
        tail: Option<u32>,
        since_ms: Option<u64>,
        follow: bool,
    ) -> Pin<Box<dyn Stream<Item = Answer<LogChunk>> + Send>> {
        let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let since = since_ms.map_or(0, |ms| i32::try_from(ms / 1_000).unwrap_or(0));
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .follow(follow)
            .since(since)
            .tail(&tail)
            .build();
        Box::pin(self.docker.logs(container, Some(options)).map(|chunk| {
            Ok(match chunk? {
                LogOutput::StdErr { message } => LogChunk { from_stderr: true, bytes: message },
                LogOutput::StdOut { message } | LogOutput::Console { message } | LogOutput::StdIn { message } => {
                    LogChunk { from_stderr: false, bytes: message }
                }
            })
        }))
    }

    /// Notices of changed containers. Ends when the engine goes.
    pub(crate) fn container_events(&self) -> Pin<Box<dyn Stream<Item = Answer<()>> + Send>> {
        let filters = std::collections::HashMap::from([("type".to_owned(), vec!["container".to_owned()])]);
        let options = bollard::query_parameters::EventsOptionsBuilder::default().filters(&filters).build();
        // Exec events come with every health check and change nothing that is shown.
        Box::pin(self.docker.events(Some(options)).filter_map(|event| async {
            match event {
                Ok(event) if event.action.as_deref().is_some_and(|action| action.starts_with("exec_")) => None,
                Ok(_) => Some(Ok(())),
                Err(error) => Some(Err(error.into())),
            }
        }))
    }

    /// What the engine remembers of how a container's runs ended, oldest first, at most 256 events.
    pub(crate) async fn history(
        &self,
        id: &str,
        since_ms: u64,
        until_ms: u64,
    ) -> Answer<Vec<bollard::models::EventMessage>> {
        let filters = std::collections::HashMap::from([
            ("container".to_owned(), vec![id.to_owned()]),
            ("event".to_owned(), vec!["oom".to_owned(), "die".to_owned()]),
        ]);
        let seconds = |ms: u64| format!("{}.{:03}000000", ms / 1_000, ms % 1_000);
        let options = bollard::query_parameters::EventsOptionsBuilder::default()
            .filters(&filters)
            .since(&seconds(since_ms))
            .until(&seconds(until_ms))
            .build();
        let events: Vec<_> = self.docker.events(Some(options)).take(256).collect().await;
        events.into_iter().map(|event| event.map_err(EngineError::from)).collect()
    }

    /// Every container, running or not.
    pub(crate) async fn list(&self) -> Answer<Vec<bollard::models::ContainerSummary>> {
        let options = bollard::query_parameters::ListContainersOptionsBuilder::default().all(true).build();
        Ok(self.docker.list_containers(Some(options)).await?)
    }
}

/// Pause before the engine is tried again.
pub(crate) const RETRY: Duration = Duration::from_secs(5);
