//! What lies on a server beside its apps: the calls that look at it, operate it, make it and plan to take it away.

use tomo_proto::{
    api::{
        container::{ContainerRestart, ContainerStart, ContainerStop},
        stock::{
            ImageList, ImagePull, ImageRemove, NetworkCreate, NetworkList, NetworkRemove, VolumeCreate, VolumeList,
            VolumeRemove,
        },
        volume_backup::{VolumeBackupList, VolumeBackupRemove, VolumeBackupVerify, VolumeDrill, VolumeRestore},
    },
    error::{ApiError, ErrorCode},
    model::{operation::Operation, plan::Plan, stock::Item, volume_backup::VolumeBackup},
};

use crate::{
    client::{Client, ClientError},
    dashboard::{action::Action, layers::make::Made},
};

/// Images, volumes and networks, in this order.
pub(super) async fn look(client: &Client, server: String) -> Result<Vec<Item>, ClientError> {
    let images = client.call(&ImageList { server: server.clone() }).await?.images;
    let volumes = client.call(&VolumeList { server: server.clone() }).await?.volumes;
    let networks = client.call(&NetworkList { server }).await?.networks;
    let items = images.into_iter().map(Item::Image).chain(volumes.into_iter().map(Item::Volume));
    Ok(items.chain(networks.into_iter().map(Item::Network)).collect())
}

/// Backups of a server's volumes, newest first.
pub(super) async fn backups(client: &Client, server: String) -> Result<Vec<VolumeBackup>, ClientError> {
    let request = VolumeBackupList { server: Some(server), volume: None, limit: Some(200) };
    Ok(client.call(&request).await?.backups)
}

pub(super) async fn try_backup(client: &Client, action: Action, backup: String) -> Result<Operation, ClientError> {
    match action {
        Action::VerifyBackup => client.call(&VolumeBackupVerify { backup }).await,
        _ => client.call(&VolumeDrill { backup, reason: None }).await,
    }
}

pub(super) async fn plan_backup(client: &Client, action: Action, backup: String) -> Result<Plan, ClientError> {
    match action {
        Action::Discard => client.call(&VolumeBackupRemove { backup, reason: None }).await,
        _ => client.call(&VolumeRestore { backup, ..VolumeRestore::default() }).await,
    }
}

pub(super) async fn operate(
    client: &Client,
    action: Action,
    server: String,
    container: String,
) -> Result<Operation, ClientError> {
    match action {
        Action::StartApp => client.call(&ContainerStart { server, container, reason: None }).await,
        Action::StopApp => client.call(&ContainerStop { server, container, reason: None }).await,
        _ => client.call(&ContainerRestart { server, container, reason: None }).await,
    }
}

pub(super) async fn make(client: &Client, made: Made, server: String, name: String) -> Result<Operation, ClientError> {
    match made {
        Made::Image => client.call(&ImagePull { server, image: name, reason: None }).await,
        Made::Volume => client.call(&VolumeCreate { server, name, reason: None }).await,
        Made::Network | Made::App => client.call(&NetworkCreate { server, name, internal: false, reason: None }).await,
    }
}

/// Asks for the plan that takes one thing away.
pub(super) async fn discard(client: &Client, server: String, item: Item) -> Result<Plan, ClientError> {
    match item {
        Item::Image(image) => client.call(&ImageRemove { server, image: image.id, reason: None }).await,
        Item::Network(network) => client.call(&NetworkRemove { server, network: network.id, reason: None }).await,
        Item::Volume(volume) => client.call(&VolumeRemove { server, volume: volume.name, reason: None }).await,
        Item::Container(container) => {
            let message = format!("container \"{}\" goes with a clean-up of its server only", container.name);
            Err(ApiError::new(ErrorCode::Invalid, message).into())
        }
    }
}
