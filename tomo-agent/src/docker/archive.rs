//! What is in a volume, read and written by the engine itself: a container that mounts it is made, never started, and its archive taken
//! or given. Nothing of the image runs.

use std::{pin::Pin, time::Duration};

use bollard::{
    body_try_stream,
    models::{ContainerCreateBody, ContainerSummaryStateEnum, HostConfig, Mount, MountType, MountVolumeOptions},
    query_parameters::{
        DownloadFromContainerOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder,
        UploadToContainerOptionsBuilder,
    },
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tomo_proto::error::ErrorCode;

use crate::docker::{
    Answer, Engine, EngineError,
    made::{is_ours, labels, of_command},
};

/// Where a volume is mounted to be read or written. The archive is taken from above it: the engine refuses links that lead out of where
/// it unpacks.
const PLACE: &str = "/tomo-volume";
/// A volume takes as long as it takes; whoever waits has a deadline of its own.
const NO_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// A container that runs and mounts a volume.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) ours: bool,
}

impl Engine {
    /// Containers that run and mount a volume, by name.
    pub(crate) async fn users_of(&self, volume: &str) -> Answer<Vec<User>> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let all = self.docker.list_containers(Some(options)).await?;
        let runs = |state| {
            use ContainerSummaryStateEnum::{PAUSED, RESTARTING, RUNNING};
            matches!(state, Some(RUNNING | RESTARTING | PAUSED))
        };
        let mut users: Vec<User> = all
            .into_iter()
            .filter(|one| runs(one.state))
            .filter(|one| one.mounts.iter().flatten().any(|mount| mount.name.as_deref() == Some(volume)))
            .map(|one| User {
                name: one.names.iter().flatten().next().map_or("", String::as_str).trim_start_matches('/').to_owned(),
                ours: one.labels.as_ref().is_some_and(is_ours),
                id: one.id.unwrap_or_default(),
            })
            .collect();
        users.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(users)
    }

    /// Makes a container that holds a volume and is never started. Any image serves; the smallest is taken.
    pub(crate) async fn hold_volume(&self, name: &str, volume: &str, made_for: &str, read_only: bool) -> Answer<()> {
        let images = self.docker.list_images(Some(ListImagesOptionsBuilder::default().build())).await?;
        let Some(image) = images.into_iter().min_by_key(|image| image.size) else {
            return Err(EngineError {
                code: ErrorCode::Conflict,
                message: "there is no image on this host, and a volume is read through a container of one: pull any"
                    .to_owned(),
            });
        };
        let mount = Mount {
            target: Some(PLACE.to_owned()),
            source: Some(volume.to_owned()),
            typ: Some(MountType::VOLUME),
            read_only: Some(read_only),
            volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
            ..Mount::default()
        };
        let body = ContainerCreateBody {
            image: Some(image.id),
            // An image without a command of its own makes no container without one.
            cmd: Some(vec!["never-started".to_owned()]),
            labels: Some(labels(&[of_command(made_for)])),
            host_config: Some(HostConfig {
                mounts: Some(vec![mount]),
                network_mode: Some("none".to_owned()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        self.create(name, body).await.map(drop)
    }

    /// What is in the volume that a container holds, as a tar archive.
    pub(crate) fn read_volume(&self, holder: &str) -> Pin<Box<dyn Stream<Item = Answer<Bytes>> + Send>> {
        let docker = self.docker.clone().with_timeout(NO_TIMEOUT);
        let options = DownloadFromContainerOptionsBuilder::default().path(PLACE).build();
        let archive = docker.download_from_container(holder, Some(options));
        Box::pin(archive.map(|chunk| chunk.map_err(EngineError::from)))
    }

    /// Unpacks an archive into the volume that a container holds.
    pub(crate) async fn write_volume(
        &self,
        holder: &str,
        archive: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Answer<()> {
        let docker = self.docker.clone().with_timeout(NO_TIMEOUT);
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        Ok(docker.upload_to_container(holder, Some(options), body_try_stream(archive)).await?)
    }
}
