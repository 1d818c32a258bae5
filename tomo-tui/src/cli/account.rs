//! Signing in; secrets from the terminal or from standard input.

use std::io::{IsTerminal as _, Read as _};

use anyhow::{Context as _, bail};
use serde_json::json;
use tomo_proto::{
    api::person::{Login, SecretText},
    error::{ApiError, ErrorCode},
};

use crate::{
    cli::{
        change,
        output::{done, note},
    },
    client::{self, Client, ClientError, Target, vouch},
};

/// A target whose daemon may be told a secret: its certificate is pinned, or named, or a person says that it is the right one.
///
/// # Errors
/// Nobody answers there, the certificate is not the pinned one, or nobody vouches for it.
pub(crate) async fn acquainted(target: Target) -> anyhow::Result<Target> {
    let Some(fingerprint) = client::look(&target).await? else { return Ok(target) };
    if !std::io::stdin().is_terminal() {
        let told = format!("the daemon's certificate is not known here, and nothing was sent: {}", vouch(&fingerprint));
        return Err(ClientError::Certificate(told).into());
    }
    note(format!("{} shows a certificate that is not known here. Its fingerprint (SHA-256):", target.url));
    note(format!("  {fingerprint}"));
    note("The daemon logs its own at its start (tls=…). If the two differ, somebody is in between.");
    if !change::ask("Is it the same? [y/N]").is_some_and(|answer| change::is_yes(&answer)) {
        let told = "the certificate was not accepted, and nothing was sent";
        return Err(ClientError::Certificate(told.to_owned()).into());
    }
    Ok(Target { fingerprint: Some(fingerprint), ..target })
}

pub(crate) async fn login(
    target: &Target,
    user: Option<String>,
    password_stdin: bool,
    as_json: bool,
) -> anyhow::Result<()> {
    let client = Client::open(target)?;
    let username = match user {
        Some(user) => user,
        None if std::io::stdin().is_terminal() => {
            note("Login name:");
            let mut name = String::new();
            std::io::stdin().read_line(&mut name)?;
            name.trim().to_owned()
        }
        None => {
            let error = ApiError::new(ErrorCode::Invalid, "nobody says who signs in");
            return Err(ClientError::from(error.with_next("give --user NAME")).into());
        }
    };
    let password = read_secret("Password", password_stdin)?;
    let answer = client.person(&Login { username, password }).await?;
    let (url, role) = (&target.url, answer.role.as_str());
    let pinned = client::saved(&target.profile).and_then(|saved| saved.fingerprint);
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

/// A secret of one line: from standard input, or asked for on the terminal.
pub(super) fn read_secret(what: &str, from_stdin: bool) -> anyhow::Result<SecretText> {
    if !from_stdin && std::io::stdin().is_terminal() {
        return Ok(SecretText::new(rpassword::prompt_password(format!("{what}: "))?));
    }
    let text = read_text(what, true)?;
    match lines(&text)[..] {
        [line] => Ok(SecretText::new(line)),
        ref more => {
            let message = format!("standard input has {} lines, and this is one: {}", more.len(), what.to_lowercase());
            let error = ApiError::new(ErrorCode::Invalid, message).with_next("write it once, without a repetition");
            Err(ClientError::from(error).into())
        }
    }
}

/// The lines of what came on standard input, whatever ends them there.
pub(super) fn lines(text: &SecretText) -> Vec<&str> {
    // The last one's line feed is gone already.
    text.reveal().lines().map(|line| line.trim_end_matches('\r')).collect()
}

/// A secret of any number of lines: from standard input, or one asked for on the terminal.
pub(super) fn read_text(what: &str, from_stdin: bool) -> anyhow::Result<SecretText> {
    if !from_stdin && std::io::stdin().is_terminal() {
        return read_secret(what, false);
    }
    let mut text = String::new();
    std::io::stdin().take(64 * 1024).read_to_string(&mut text).context("standard input cannot be read")?;
    if text.trim_end_matches(['\r', '\n']).is_empty() {
        let what = what.to_lowercase();
        let error = ApiError::new(ErrorCode::Invalid, format!("standard input is empty: there is no {what} on it"));
        let next = format!("run it at a terminal, which asks for the {what}, or write the {what} to standard input");
        return Err(ClientError::from(error.with_next(next)).into());
    }
    Ok(SecretText::new(text.strip_suffix('\n').unwrap_or(&text)))
}

/// A secret that nobody can look up later: asked for twice on a terminal, or from standard input.
pub(super) fn read_new(what: &str) -> anyhow::Result<SecretText> {
    let first = read_secret(what, false)?;
    if std::io::stdin().is_terminal() && read_secret("Again", false)? != first {
        bail!("the two differ: nothing is changed");
    }
    Ok(first)
}

/// A password now and the one from now on: asked for, or two lines of standard input.
pub(super) fn read_passwords(what: &str, least: usize) -> anyhow::Result<(SecretText, SecretText)> {
    if std::io::stdin().is_terminal() {
        let current = read_secret(&format!("{what} now"), false)?;
        return Ok((current, read_new(&format!("{what} from now on (at least {least} characters)"))?));
    }
    let both = read_text(what, true)?;
    let [current, new] = lines(&both)[..] else { bail!("write the password now and the new one, a line each") };
    Ok((SecretText::new(current), SecretText::new(new)))
}
