//! What lies on a host beside its containers: images, volumes, networks. Every text here is untrusted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::command::ContainerRef;

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Image {
    /// Id, `sha256:` and 64 hex digits.
    pub id: String,
    /// Names with their tags; none for one that lost its name to a newer one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Size, with the layers it shares with others.
    pub size_bytes: u64,
    /// When it was made (UTC ms).
    #[serde(default)]
    pub created_at: u64,
    /// Containers that are made from it, also stopped ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
}

impl Image {
    /// What people call it: its first name, else the head of its id.
    #[must_use]
    pub fn title(&self) -> String {
        self.names.first().cloned().unwrap_or_else(|| short(&self.id).to_owned())
    }
}

/// The part of an image's or network's id that tells it from others.
#[must_use]
pub fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Volume {
    /// Name.
    pub name: String,
    /// What keeps it, mostly `local`.
    pub driver: String,
    /// What it takes; absent where the engine does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// When it was made (UTC ms).
    #[serde(default)]
    pub created_at: u64,
    /// Containers that mount it, also stopped ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
    /// Whether Tomo made it.
    #[serde(default)]
    pub ours: bool,
}

/// A network of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Network {
    /// Id, 64 hex digits.
    pub id: String,
    /// Name.
    pub name: String,
    /// Kind, as in `bridge`.
    pub driver: String,
    /// Whether it leads nowhere outside.
    #[serde(default)]
    pub internal: bool,
    /// Containers in it, also stopped ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
    /// Whether Tomo made it.
    #[serde(default)]
    pub ours: bool,
    /// Whether it belongs to the engine itself and stays.
    #[serde(default)]
    pub built_in: bool,
}

/// A container that does not run, as far as a clean-up is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Stopped {
    /// Full id.
    pub id: String,
    /// Name.
    pub name: String,
    /// What it has written beside its volumes.
    pub size_bytes: u64,
    /// Whether Tomo made it.
    #[serde(default)]
    pub ours: bool,
}

/// Everything on a host that takes room beside what runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Stock {
    /// Images, by title.
    pub images: Vec<Image>,
    /// Volumes, by name.
    pub volumes: Vec<Volume>,
    /// Networks, by name.
    pub networks: Vec<Network>,
    /// Containers that do not run, by name.
    pub stopped: Vec<Stopped>,
}

/// One thing that is to go, as it was when that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Item {
    /// A container that does not run.
    Container(Stopped),
    /// An image that no container uses, with all its names.
    Image(Image),
    /// A volume that no container mounts, with what is in it.
    Volume(Volume),
    /// A network with no container in it.
    Network(Network),
}

impl Network {
    /// Networks that every engine has of itself.
    pub const BUILT_IN: [&'static str; 3] = ["bridge", "host", "none"];
}

impl Item {
    /// What it is, as a plan calls it: `images.nginx:1.27`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Container(container) => format!("containers.{}", container.name),
            Self::Image(image) => format!("images.{}", image.title()),
            Self::Volume(volume) => format!("volumes.{}", volume.name),
            Self::Network(network) => format!("networks.{}", network.name),
        }
    }

    /// What people call it.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Container(container) => container.name.clone(),
            Self::Image(image) => image.title(),
            Self::Volume(volume) => volume.name.clone(),
            Self::Network(network) => network.name.clone(),
        }
    }

    /// What it takes, as far as the engine says.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::Container(container) => Some(container.size_bytes),
            Self::Image(image) => Some(image.size_bytes),
            Self::Volume(volume) => volume.size_bytes,
            Self::Network(_) => None,
        }
    }

    /// Whether Tomo made it. No image is: those who make images label them, not those who pull them.
    #[must_use]
    pub const fn ours(&self) -> bool {
        match self {
            Self::Container(container) => container.ours,
            Self::Image(_) => false,
            Self::Volume(volume) => volume.ours,
            Self::Network(network) => network.ours,
        }
    }

    /// Containers that use it.
    #[must_use]
    pub fn used_by(&self) -> &[String] {
        match self {
            Self::Container(_) => &[],
            Self::Image(image) => &image.used_by,
            Self::Volume(volume) => &volume.used_by,
            Self::Network(network) => &network.used_by,
        }
    }

    /// Whether it is the same thing in the same state; a size that grew is no difference.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Container(one), Self::Container(other)) => one.id == other.id && one.name == other.name,
            (Self::Image(one), Self::Image(other)) => {
                (&one.id, &one.names, &one.used_by) == (&other.id, &other.names, &other.used_by)
            }
            (Self::Volume(one), Self::Volume(other)) => {
                (&one.name, one.created_at, &one.used_by) == (&other.name, other.created_at, &other.used_by)
            }
            (Self::Network(one), Self::Network(other)) => (&one.id, &one.used_by) == (&other.id, &other.used_by),
            _ => false,
        }
    }

    /// Whether its names are names: they become parts of the engine's paths, and a daemon may lie.
    ///
    /// # Errors
    /// Says which is none.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Container(container) => ContainerRef::new(&container.id).map(drop),
            Self::Volume(volume) => ContainerRef::new(&volume.name).map(drop),
            Self::Network(network) => ContainerRef::new(&network.id).map(drop),
            Self::Image(image) => {
                let hex = image.id.strip_prefix("sha256:").unwrap_or_default();
                if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err("an image's id is sha256: and 64 hex digits".to_owned());
                }
                image.names.iter().try_for_each(|name| crate::model::spec::check_image(name))
            }
        }
    }
}

impl Stock {
    /// What a host has, as things that can go.
    pub fn items(&self) -> impl Iterator<Item = Item> {
        let images = self.images.iter().cloned().map(Item::Image);
        let volumes = self.volumes.iter().cloned().map(Item::Volume);
        let networks = self.networks.iter().filter(|network| !network.built_in).cloned().map(Item::Network);
        self.stopped.iter().cloned().map(Item::Container).chain(images).chain(volumes).chain(networks)
    }
}
