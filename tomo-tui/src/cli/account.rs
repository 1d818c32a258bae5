//! Signing in; secrets from the terminal or from standard input.

use std::io::{IsTerminal as _, Read as _};

use anyhow::{Context as _, bail};
use serde_json::json;
use tomo_proto::api::person::{Login, SecretText};

use crate::{
    cli::output::{done, note},
    client::Client,
};

pub(super) async fn login(
    client: &Client,
    user: Option<String>,
    password_stdin: bool,
    as_json: bool,
) -> anyhow::Result<()> {
    let username = match user {
        Some(user) => user,
        None if std::io::stdin().is_terminal() => {
            note("Login name:");
            let mut name = String::new();
            std::io::stdin().read_line(&mut name)?;
            name.trim().to_owned()
        }
        None => bail!("who signs in? give --user NAME"),
    };
    let password = read_secret("Password", password_stdin)?;
    let answer = client.person(&Login { username, password }).await?;
    let (url, role) = (&client.target().url, answer.role.as_str());
    let pinned = crate::client::saved(&client.target().profile).and_then(|saved| saved.fingerprint);
    let mut text = format!("signed in to {url} as {} ({role})", answer.username);
    if let Some(fingerprint) = &pinned {
        text.push_str(&format!("\nthe daemon's certificate is pinned: {fingerprint}"));
    }
    done(
        as_json,
        text,
        json!({"url": url, "username": answer.username, "role": role, "certificate_fingerprint": pinned}),
    )
}

/// A secret from standard input, or asked for on the terminal.
pub(super) fn read_secret(what: &str, from_stdin: bool) -> anyhow::Result<SecretText> {
    if !from_stdin && std::io::stdin().is_terminal() {
        return Ok(SecretText::new(rpassword::prompt_password(format!("{what}: "))?));
    }
    let mut text = String::new();
    std::io::stdin().take(64 * 1024).read_to_string(&mut text).context("standard input cannot be read")?;
    Ok(SecretText::new(text.strip_suffix('\n').unwrap_or(&text)))
}

/// The password now and the one from now on: asked for, or two lines of standard input.
pub(super) fn read_passwords() -> anyhow::Result<(SecretText, SecretText)> {
    if std::io::stdin().is_terminal() {
        return Ok((read_secret("Password now", false)?, read_secret("New password (at least 10 characters)", false)?));
    }
    let both = read_secret("", true)?;
    let (current, new) =
        both.reveal().split_once('\n').context("write the password now and the new one, a line each")?;
    Ok((SecretText::new(current), SecretText::new(new)))
}
