//! Images, volumes, networks and stopped containers: what there is, what uses each, what each takes.

use std::{collections::HashMap, time::Duration};

use bollard::{
    models::{ContainerSummary, ContainerSummaryStateEnum},
    query_parameters::{
        ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptions, ListVolumesOptions,
        RemoveContainerOptions, RemoveImageOptions, RemoveVolumeOptions,
    },
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};
use tomo_proto::{
    model::stock::{Image, Item, Network, Stock, Stopped, Volume},
    text::display_line,
};

use crate::docker::{Answer, Engine, inventory::parse_time, made::is_ours};

/// Things of each kind.
const MOST: usize = 2_000;
/// Containers named beside one thing.
const MOST_USERS: usize = 50;
const TEXT: usize = 256;
/// The engine adds up what is in each volume; large ones take their time, and are told without a size.
const USAGE_TIMEOUT: Duration = Duration::from_secs(15);
const USAGE_BYTES: u64 = 16 << 20;

fn name_of(container: &ContainerSummary) -> String {
    let name = container.names.iter().flatten().next().map_or("", String::as_str);
    display_line(name.trim_start_matches('/'), TEXT)
}

fn bytes(size: i64) -> u64 {
    u64::try_from(size).unwrap_or(0)
}

/// Names of the containers that fit, in order.
fn users(containers: &[ContainerSummary], fits: impl Fn(&ContainerSummary) -> bool) -> Vec<String> {
    let mut names: Vec<String> = containers.iter().filter(|one| fits(one)).map(name_of).collect();
    names.sort();
    names.truncate(MOST_USERS);
    names
}

impl Engine {
    /// Everything that takes room beside what runs.
    pub(crate) async fn stock(&self) -> Answer<Stock> {
        let options = ListContainersOptionsBuilder::default().all(true).size(true).build();
        let containers = self.docker.list_containers(Some(options)).await?;
        let sizes = timeout(USAGE_TIMEOUT, self.volume_sizes()).await.ok().flatten().unwrap_or_default();
        Ok(Stock {
            images: self.images(&containers).await?,
            volumes: self.volumes(&containers, &sizes).await?,
            networks: self.networks(&containers).await?,
            stopped: stopped(&containers),
        })
    }

    async fn images(&self, containers: &[ContainerSummary]) -> Answer<Vec<Image>> {
        let found = self.docker.list_images(Some(ListImagesOptionsBuilder::default().build())).await?;
        let image = |image: bollard::models::ImageSummary| {
            let mut names: Vec<String> = image.repo_tags.iter().map(|name| display_line(name, TEXT)).collect();
            names.retain(|name| !name.starts_with("<none>"));
            names.sort();
            Image {
                names,
                size_bytes: bytes(image.size),
                created_at: bytes(image.created).saturating_mul(1_000),
                used_by: users(containers, |one| one.image_id.as_ref() == Some(&image.id)),
                id: image.id,
            }
        };
        let mut images: Vec<Image> = found.into_iter().take(MOST).map(image).collect();
        images.sort_by_key(|image| (image.names.is_empty(), image.title()));
        Ok(images)
    }

    async fn volumes(&self, containers: &[ContainerSummary], sizes: &HashMap<String, u64>) -> Answer<Vec<Volume>> {
        let found = self.docker.list_volumes(None::<ListVolumesOptions>).await?.volumes.unwrap_or_default();
        let volume = |volume: bollard::models::Volume| {
            let mounts = |one: &ContainerSummary| {
                one.mounts.iter().flatten().any(|mount| mount.name.as_ref() == Some(&volume.name))
            };
            Volume {
                driver: display_line(&volume.driver, TEXT),
                size_bytes: sizes.get(&volume.name).copied(),
                created_at: parse_time(volume.created_at.as_deref()),
                used_by: users(containers, mounts),
                ours: is_ours(&volume.labels),
                name: volume.name,
            }
        };
        let mut volumes: Vec<Volume> = found.into_iter().take(MOST).map(volume).collect();
        volumes.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(volumes)
    }

    async fn networks(&self, containers: &[ContainerSummary]) -> Answer<Vec<Network>> {
        let found = self.docker.list_networks(None::<ListNetworksOptions>).await?;
        let network = |network: bollard::models::Network| {
            let name = network.name.unwrap_or_default();
            let is_in = |one: &ContainerSummary| {
                let networks = one.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
                networks.is_some_and(|networks| networks.contains_key(&name))
            };
            Network {
                id: network.id.unwrap_or_default(),
                driver: display_line(&network.driver.unwrap_or_default(), TEXT),
                internal: network.internal == Some(true),
                used_by: users(containers, is_in),
                ours: network.labels.as_ref().is_some_and(is_ours),
                built_in: Network::BUILT_IN.contains(&name.as_str()) || network.ingress == Some(true),
                name: display_line(&name, TEXT),
            }
        };
        let mut networks: Vec<Network> = found.into_iter().take(MOST).map(network).collect();
        networks.sort_by(|left, right| (&left.name, &left.id).cmp(&(&right.name, &right.id)));
        Ok(networks)
    }

    /// What each volume takes, if the engine says. The client's own call knows only the newest engines' form.
    async fn volume_sizes(&self) -> Option<HashMap<String, u64>> {
        let mut stream = UnixStream::connect(&*self.socket).await.ok()?;
        stream.write_all(b"GET /system/df HTTP/1.0\r\nHost: engine\r\n\r\n").await.ok()?;
        let mut answer = Vec::new();
        stream.take(USAGE_BYTES).read_to_end(&mut answer).await.ok()?;
        sizes(&answer)
    }

    /// Takes one thing away, without force: the engine refuses what is in use.
    pub(crate) async fn discard(&self, item: &Item) -> Answer<()> {
        match item {
            Item::Container(container) => {
                Ok(self.docker.remove_container(&container.id, None::<RemoveContainerOptions>).await?)
            }
            Item::Volume(volume) => Ok(self.docker.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await?),
            Item::Network(network) => Ok(self.docker.remove_network(&network.id).await?),
            Item::Image(image) => {
                let id = [image.id.clone()];
                let names = if image.names.is_empty() { &id[..] } else { &image.names };
                for name in names {
                    self.docker.remove_image(name, None::<RemoveImageOptions>, None).await?;
                }
                Ok(())
            }
        }
    }
}

fn stopped(containers: &[ContainerSummary]) -> Vec<Stopped> {
    let ended = |one: &&ContainerSummary| {
        use ContainerSummaryStateEnum::{CREATED, DEAD, EXITED};
        matches!(one.state, Some(CREATED | DEAD | EXITED))
    };
    let stopped = |one: &ContainerSummary| Stopped {
        id: one.id.clone().unwrap_or_default(),
        name: name_of(one),
        size_bytes: bytes(one.size_rw.unwrap_or(0)),
        ours: one.labels.as_ref().is_some_and(is_ours),
    };
    let mut all: Vec<Stopped> = containers.iter().filter(ended).map(stopped).collect();
    all.sort_by(|left, right| left.name.cmp(&right.name));
    all
}

/// Reads an engine's usage, in the form of engines before and since version 29.
fn sizes(answer: &[u8]) -> Option<HashMap<String, u64>> {
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let usage: Value = serde_json::from_slice(&answer[body..]).ok()?;
    let volumes = usage.get("Volumes").or_else(|| usage.pointer("/VolumeUsage/Items"))?.as_array()?;
    let size = |volume: &Value| {
        let size = volume.pointer("/UsageData/Size")?.as_u64()?;
        Some((volume.get("Name")?.as_str()?.to_owned(), size))
    };
    Some(volumes.iter().filter_map(size).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_volumes_are_read_in_both_forms_and_nothing_else_is() {
        let volume = r#"{"Name":"data","UsageData":{"Size":42,"RefCount":0}},{"Name":"lazy","UsageData":{"Size":-1}}"#;
        let expected = Some(HashMap::from([("data".to_owned(), 42)]));
        for body in [format!(r#"{{"Volumes":[{volume}]}}"#), format!(r#"{{"VolumeUsage":{{"Items":[{volume}]}}}}"#)] {
            assert_eq!(sizes(format!("HTTP/1.0 200 OK\r\nX: y\r\n\r\n{body}").as_bytes()), expected);
        }
        for noise in ["", "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n{}", "\r\n\r\n[1]"] {
            assert_eq!(sizes(noise.as_bytes()), None, "{noise}");
        }
    }
}
