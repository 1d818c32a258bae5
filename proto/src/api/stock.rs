//! What lies on a server beside its containers: images, volumes, networks; and taking away what nothing uses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Effect, tool},
    model::{
        operation::Operation,
        plan::Plan,
        stock::{Image, Network, Volume},
    },
};

/// Arguments of `image_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageList {
    /// Server name or id.
    pub server: String,
}

tool!(ImageList => ImageListAnswer, "image_list", "List images", Effect::Read, Read, false,
    "Images on a server: names, size, which containers use each.");

/// Images of a server, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageListAnswer {
    /// The images.
    pub images: Vec<Image>,
}

/// Arguments of `volume_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeList {
    /// Server name or id.
    pub server: String,
}

tool!(VolumeList => VolumeListAnswer, "volume_list", "List volumes", Effect::Read, Read, false,
    "Volumes on a server: size, which containers mount each.");

/// Volumes of a server, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VolumeListAnswer {
    /// The volumes.
    pub volumes: Vec<Volume>,
}

/// Arguments of `network_list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkList {
    /// Server name or id.
    pub server: String,
}

tool!(NetworkList => NetworkListAnswer, "network_list", "List networks", Effect::Read, Read, false,
    "Networks of a server's engine, and which containers are in each.");

/// Networks of a server, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkListAnswer {
    /// The networks.
    pub networks: Vec<Network>,
}

/// Arguments of `image_pull`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImagePull {
    /// Server name or id.
    pub server: String,
    /// Image with tag, e.g. nginx:1.27.
    pub image: String,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(ImagePull => Operation, "image_pull", "Pull image", Effect::Operate { destructive: false }, Operate, false,
    "Pull an image onto a server, anew if it is there. Nothing is restarted.");

/// Arguments of `image_remove`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageRemove {
    /// Server name or id.
    pub server: String,
    /// Image name with tag, or id.
    pub image: String,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(ImageRemove => Plan, "image_remove", "Remove image", Effect::Plan, Plan, false,
    "Plan to remove an image that no container uses, with all its names.");

/// Arguments of `volume_create`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeCreate {
    /// Server name or id.
    pub server: String,
    /// New name.
    pub name: String,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(VolumeCreate => Operation, "volume_create", "Create volume", Effect::Operate { destructive: false }, Operate, false,
    "Make an empty volume.");

/// Arguments of `volume_remove`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeRemove {
    /// Server name or id.
    pub server: String,
    /// Its name.
    pub volume: String,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(VolumeRemove => Plan, "volume_remove", "Remove volume", Effect::Plan, Plan, false,
    "Plan to remove a volume that no container mounts, with what is in it.");

/// Arguments of `network_create`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkCreate {
    /// Server name or id.
    pub server: String,
    /// New name.
    pub name: String,
    /// Let it lead nowhere outside.
    #[serde(default)]
    pub internal: bool,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(NetworkCreate => Operation, "network_create", "Create network", Effect::Operate { destructive: false }, Operate, false,
    "Make a bridge network.");

/// Arguments of `network_remove`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkRemove {
    /// Server name or id.
    pub server: String,
    /// Name or id.
    pub network: String,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(NetworkRemove => Plan, "network_remove", "Remove network", Effect::Plan, Plan, false,
    "Plan to remove a network with no container in it.");

/// Arguments of `server_prune`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerPrune {
    /// Server name or id.
    pub server: String,
    /// Also what Tomo did not make: images, other people's networks and stopped containers.
    #[serde(default)]
    pub all: bool,
    /// Also volumes, with what is in them.
    #[serde(default)]
    pub volumes: bool,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

tool!(ServerPrune => Plan, "server_prune", "Prune server", Effect::Plan, Plan, false,
    "Plan to remove what nothing uses: each thing with its size. Only what Tomo made, unless all; no volume, unless volumes.");
