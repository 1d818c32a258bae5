//! Images and networks of a server.

use tomo_proto::{
    api::stock::{ImageList, ImagePull, ImageRemove, NetworkCreate, NetworkList, NetworkRemove},
    model::stock::short,
};

use crate::{
    args::{ImageCommand, NetworkCommand},
    cli::{
        change,
        output::{self, table, time},
    },
    client::Client,
    format::bytes,
};

/// Containers that use something.
pub(super) fn users(names: &[String]) -> String {
    if names.is_empty() { "-".to_owned() } else { names.join(" ") }
}

pub(super) fn yes(is: bool, word: &str) -> String {
    if is { word.to_owned() } else { "-".to_owned() }
}

pub(super) async fn image(client: &Client, command: ImageCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        ImageCommand::List { server } => {
            let answer = client.call(&ImageList { server }).await?;
            if as_json {
                return output::json(&answer.images);
            }
            let rows = answer.images.iter().map(|image| {
                let names = if image.names.is_empty() { "(dangling)".to_owned() } else { image.names.join(" ") };
                let id = short(&image.id).to_owned();
                [id, bytes(image.size_bytes), time(image.created_at), users(&image.used_by), names]
            });
            table(["ID", "SIZE", "MADE", "USED BY", "NAMES"], rows.collect());
            Ok(())
        }
        ImageCommand::Pull { server, image, reason } => {
            let operation = client.call(&ImagePull { server, image, reason }).await?;
            change::follow(client, operation, as_json).await
        }
        ImageCommand::Remove { server, image, consent } => {
            let plan = client.call(&ImageRemove { server, image, reason: consent.reason.clone() }).await?;
            change::carry_out(client, plan, &consent, as_json).await
        }
    }
}

pub(super) async fn network(client: &Client, command: NetworkCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        NetworkCommand::List { server } => {
            let answer = client.call(&NetworkList { server }).await?;
            if as_json {
                return output::json(&answer.networks);
            }
            let rows = answer.networks.iter().map(|network| {
                let by = if network.built_in { "engine".to_owned() } else { yes(network.ours, "tomo") };
                [
                    network.name.clone(),
                    short(&network.id).to_owned(),
                    network.driver.clone(),
                    yes(network.internal, "internal"),
                    by,
                    users(&network.used_by),
                ]
            });
            table(["NETWORK", "ID", "DRIVER", "REACH", "MADE BY", "USED BY"], rows.collect());
            Ok(())
        }
        NetworkCommand::Create { server, network, internal, reason } => {
            let operation = client.call(&NetworkCreate { server, name: network, internal, reason }).await?;
            change::follow(client, operation, as_json).await
        }
        NetworkCommand::Remove { server, network, consent } => {
            let plan = client.call(&NetworkRemove { server, network, reason: consent.reason.clone() }).await?;
            change::carry_out(client, plan, &consent, as_json).await
        }
    }
}
