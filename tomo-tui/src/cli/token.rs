//! API tokens, and the secrets that apps name.

use serde_json::json;
use tomo_proto::{
    api::{
        auth::{AuthTokenList, AuthTokenRevoke},
        person::{CreateToken, DeleteSecret, ListSecrets, SetSecret},
    },
    model::user::{Scope, Selectors},
};

use crate::{
    args::{Preset, SecretCommand, TokenCommand},
    cli::{
        account::read_text,
        change,
        output::{self, done, line, note, table, time},
    },
    client::Client,
};

pub(super) async fn token(client: &Client, command: TokenCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        TokenCommand::List => {
            let answer = client.call(&AuthTokenList {}).await?;
            if as_json {
                return output::json(&answer.tokens);
            }
            let rows = answer.tokens.iter().map(|token| {
                let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.as_str()).collect();
                [
                    token.name.clone(),
                    token.owner_name.clone(),
                    scopes.join(","),
                    token.selectors.in_words(),
                    time(token.expires_at),
                    token.id.to_string(),
                ]
            });
            table(["TOKEN", "OWNER", "SCOPES", "SERVERS", "EXPIRES", "ID"], rows.collect());
        }
        TokenCommand::Create { name, scopes, preset, days, servers } => {
            let mut scopes: std::collections::BTreeSet<Scope> = scopes.into_iter().collect();
            if let Some(Preset::Ai) = preset {
                scopes.extend([Scope::Read, Scope::Audit, Scope::Plan]);
            }
            let selectors = Selectors { servers: servers.into_iter().collect(), ..Selectors::default() };
            let made = client.person(&CreateToken { name, scopes, selectors, expires_in_days: days }).await?;
            if as_json {
                return output::json(&made);
            }
            line(made.secret.reveal());
            note(format!("shown once; it ends {}", time(made.token.expires_at)));
        }
        TokenCommand::Revoke { name } => {
            let token = client.call(&AuthTokenRevoke { token: name }).await?;
            if as_json {
                return output::json(&token);
            }
            line(format!("{} is revoked", token.name));
        }
    }
    Ok(())
}

pub(super) async fn secret(client: &Client, command: SecretCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        SecretCommand::List => {
            let answer = client.person(&ListSecrets {}).await?;
            if as_json {
                return output::json(&answer.names);
            }
            table(["SECRET"], answer.names.into_iter().map(|name| [name]).collect());
        }
        SecretCommand::Set { name } => {
            let value = read_text("Value", false)?;
            client.person(&SetSecret { name: name.clone(), value }).await?;
            let reference = format!("secret://{name}");
            return done(as_json, format!("apps can name it: {reference}"), json!({"reference": reference}));
        }
        SecretCommand::Delete { name, yes } => {
            change::agree(&format!("Delete the secret {name}? It cannot be read back."), yes)?;
            client.person(&DeleteSecret { name: name.clone() }).await?;
            return done(as_json, format!("{name} is deleted"), json!({"name": name}));
        }
    }
    Ok(())
}
