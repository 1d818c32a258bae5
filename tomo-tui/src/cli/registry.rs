//! Registries of private images, and who signs in there.

use serde_json::json;
use tomo_proto::{
    api::{
        person::{DeleteRegistry, SetRegistry},
        registry::RegistryList,
    },
    model::registry::check_registry,
};

use crate::{
    args::RegistryCommand,
    cli::{
        account::read_text,
        change,
        output::{self, done, table, time},
    },
    client::Client,
};

pub(super) async fn registry(client: &Client, command: RegistryCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        RegistryCommand::List => {
            let answer = client.call(&RegistryList {}).await?;
            if as_json {
                return output::json(&answer.registries);
            }
            let rows = answer.registries.into_iter().map(|one| [one.registry, one.user, time(one.set_at)]);
            table(["REGISTRY", "USER", "SET"], rows.collect());
            Ok(())
        }
        RegistryCommand::Add { registry, user } => {
            check_registry(&registry).map_err(anyhow::Error::msg)?;
            let password = read_text("Password", false)?;
            client.person(&SetRegistry { registry: registry.clone(), user: user.clone(), password }).await?;
            let text = format!("images of {registry} are pulled as {user} from now on");
            done(as_json, text, json!({"registry": registry, "user": user}))
        }
        RegistryCommand::Remove { registry, yes } => {
            change::agree(&format!("Forget who signs in at {registry}? The password cannot be read back."), yes)?;
            client.person(&DeleteRegistry { registry: registry.clone() }).await?;
            done(as_json, format!("nobody signs in at {registry} any more"), json!({"registry": registry}))
        }
    }
}
