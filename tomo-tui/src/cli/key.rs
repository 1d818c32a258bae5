//! Public keys that open the dashboard over SSH.

use std::path::Path;

use anyhow::Context as _;
use tomo_proto::api::{
    auth::AuthKeyList,
    person::{AddKey, RemoveKey},
};

use crate::{
    args::KeyCommand,
    cli::{
        account::read_text,
        compose,
        output::{self, line, note, table, time},
    },
    client::Client,
};

pub(super) async fn key(client: &Client, command: KeyCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        KeyCommand::List => {
            let answer = client.call(&AuthKeyList {}).await?;
            if as_json {
                return output::json(&answer);
            }
            let rows = answer.keys.into_iter().map(|key| {
                let used = key.last_used_at.map_or_else(|| "never".to_owned(), time);
                [key.name, key.user_name, key.algorithm, key.fingerprint, used, key.id.to_string()]
            });
            table(["KEY", "OWNER", "KIND", "FINGERPRINT", "LAST USED", "ID"], rows.collect());
            match answer.door {
                Some(door) => {
                    note(format!("the dashboard is shown over SSH on {}; host key {}", door.listen, door.host_key))
                }
                None => {
                    note("this daemon does not show the dashboard over SSH: its owner sets ssh.listen in daemon.toml")
                }
            }
        }
        KeyCommand::Add { file, name, user } => {
            let text = if file == Path::new("-") {
                read_text("Public key", false)?.reveal().to_owned()
            } else {
                compose::read_text(&file)
                    .map_err(anyhow::Error::msg)
                    .with_context(|| format!("cannot read {}", file.display()))?
            };
            let key = client.person(&AddKey { key: text, name, username: user }).await?;
            if as_json {
                return output::json(&key);
            }
            line(format!("{} {} opens the dashboard over SSH as {}", key.name, key.fingerprint, key.user_name));
        }
        KeyCommand::Remove { key } => {
            let key = client.person(&RemoveKey { key }).await?;
            if as_json {
                return output::json(&key);
            }
            line(format!("{} {} of {} opens nothing any more", key.name, key.fingerprint, key.user_name));
        }
    }
    Ok(())
}
