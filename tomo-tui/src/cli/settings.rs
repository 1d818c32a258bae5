//! Settings.

use tomo_proto::api::settings::{SettingsGet, SettingsSet};

use crate::{
    args::SettingsCommand,
    cli::{change, output, show},
    client::Client,
};

pub(super) async fn settings(client: &Client, command: SettingsCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        SettingsCommand::Get => {
            let answer = client.call(&SettingsGet {}).await?;
            if as_json { output::json(&answer) } else { show::settings(&answer) }
        }
        SettingsCommand::Set { changes, consent } => {
            let plan = client.call(&SettingsSet { changes, reason: consent.reason.clone() }).await?;
            change::carry_out(client, plan, &consent, as_json).await
        }
    }
}
