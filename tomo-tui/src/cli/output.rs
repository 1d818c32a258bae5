//! Everything the command line prints: tables for people, JSON for programs, errors with the next step.

use std::{fmt::Write as _, io::Write as _};

use clap::CommandFactory as _;
use serde::Serialize;
use tomo_proto::{
    error::ErrorCode,
    text::{display_line, is_display_safe},
};
use unicode_width::UnicodeWidthStr as _;

use crate::{args::Args, client::ClientError};

/// Exit codes; see README.
pub(crate) mod exit {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const NOT_CONNECTED: u8 = 3;
    pub(crate) const REFUSED: u8 = 4;
    pub(crate) const APPROVAL_REQUIRED: u8 = 5;
}

/// Prints text for people, safe to show whatever it holds; a reader that has gone is no error.
pub(crate) fn line(text: impl AsRef<str>) {
    drop(writeln!(std::io::stdout().lock(), "{}", safe(text.as_ref())));
}

/// Prints text for people beside the output, safe to show whatever it holds.
pub(crate) fn note(text: impl AsRef<str>) {
    drop(writeln!(std::io::stderr().lock(), "{}", safe(text.as_ref())));
}

/// Prints what this program itself has made, as it is.
pub(crate) fn own(text: impl AsRef<str>) {
    drop(writeln!(std::io::stdout().lock(), "{}", text.as_ref()));
}

/// Prints a value as JSON over several lines.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    own(escaped(&serde_json::to_string_pretty(value)?));
    Ok(())
}

/// Prints a value as JSON on one line.
pub(crate) fn json_line<T: Serialize>(value: &T) -> anyhow::Result<()> {
    own(escaped(&serde_json::to_string(value)?));
    Ok(())
}

/// Says that something is done: as text for people, or as a value.
pub(crate) fn done(as_json: bool, text: impl AsRef<str>, value: serde_json::Value) -> anyhow::Result<()> {
    if as_json {
        return json(&value);
    }
    line(text);
    Ok(())
}

fn safe(text: &str) -> String {
    text.split('\n').map(|line| display_line(line, usize::MAX)).collect::<Vec<_>>().join("\n")
}

/// JSON with everything that a terminal would act on written as an escape. Outside of strings JSON has none of it.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || is_display_safe(character) {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

/// Longest cell of a table.
const CELL_CHARS: usize = 200;

/// Columns as wide as their content; the last one is not padded.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) {
    columns(&head.map(str::to_owned), rows.into_iter().map(Vec::from).collect());
}

/// The same, where it is known only now which columns there are.
pub(crate) fn columns(head: &[String], rows: Vec<Vec<String>>) {
    let safe = |row: &[String]| row.iter().map(|cell| display_line(cell, CELL_CHARS)).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(Vec::as_slice)).map(safe).collect();
    let width = |column: usize| lines.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or(0)).collect();
    for row in &lines {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + 2));
        }
        line(text.trim_end());
    }
    if rows.is_empty() {
        note("none");
    }
}

/// A tool's call as the subcommand that makes it: `server_get {"server":"web"}` is `tomo server get web`. What is no such call
/// stays as it is.
pub(crate) fn as_subcommand(next: &str) -> String {
    let parse = || {
        let (tool, arguments) = next.split_once(' ')?;
        let arguments: serde_json::Map<String, serde_json::Value> = serde_json::from_str(arguments).ok()?;
        let words = match tool {
            "auth_whoami" => "whoami".to_owned(),
            "overview" => "overview".to_owned(),
            "app_deploy" => "app deploy NAME --server SERVER --image IMAGE".to_owned(),
            "auth_session_list" => "user sessions".to_owned(),
            "catalog_get" => "catalog show".to_owned(),
            "volume_backup_list" => "volume backups".to_owned(),
            other => {
                let other = other.strip_prefix("auth_").unwrap_or(other);
                let (noun, verb) = other.split_once('_')?;
                format!("{noun} {verb}")
            }
        };
        // The server comes first, then what is on it, then switches.
        let values = arguments.iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())));
        let (servers, others): (Vec<_>, Vec<_>) = values.partition(|(key, _)| *key == "server");
        let switches = arguments.iter().filter(|(_, value)| value.as_bool() == Some(true));
        let switches = switches.map(|(key, _)| format!("--{}", key.replace('_', "-")));
        let words_of = servers.into_iter().chain(others).map(|(_, value)| value).chain(switches);
        Some(words_of.fold(format!("tomo {words}"), |line, word| format!("{line} {word}")))
    };
    parse().unwrap_or_else(|| next.to_owned())
}

/// A text whose commands lead to the daemon that this one was for: the options that chose it go into each `tomo SUBCOMMAND`.
pub(crate) fn same_daemon(text: &str, options: &str) -> String {
    const NOT_FOR_A_DAEMON: [&str; 4] = ["local", "config", "completions", "help"];
    let command = Args::command();
    let names = command.get_subcommands().map(clap::Command::get_name);
    let names: Vec<&str> = names.filter(|name| !NOT_FOR_A_DAEMON.contains(name)).collect();
    let mut said = String::with_capacity(text.len());
    for (place, part) in text.split("tomo ").enumerate() {
        if place > 0 {
            let word = part.split(|one: char| !one.is_ascii_alphanumeric()).next().unwrap_or_default();
            let begins = said.chars().last().is_none_or(|before| before == ' ' || before == '`');
            said.push_str("tomo");
            if begins && names.contains(&word) {
                said.push_str(options);
            }
            said.push(' ');
        }
        said.push_str(part);
    }
    said
}

/// Says an error and its next step, for the daemon that the options chose; the exit code that fits.
pub(crate) fn failure(error: &anyhow::Error, options: &str) -> u8 {
    let client = error.downcast_ref::<ClientError>();
    let (next, code) = match client {
        Some(ClientError::Api(error)) => {
            let code = match error.code {
                ErrorCode::ApprovalRequired => exit::APPROVAL_REQUIRED,
                ErrorCode::Denied
                | ErrorCode::Declined
                | ErrorCode::RefusedByPolicy
                | ErrorCode::Sealed
                | ErrorCode::Unauthenticated
                | ErrorCode::RateLimited => exit::REFUSED,
                ErrorCode::AgentOffline => exit::NOT_CONNECTED,
                ErrorCode::Invalid => exit::USAGE,
                _ => exit::FAILED,
            };
            (error.next.clone(), code)
        }
        Some(ClientError::SignedOut(_)) => (Some("tomo login".to_owned()), exit::REFUSED),
        Some(ClientError::NotConnected { .. }) => {
            (Some("start the daemon, give the right --url, or try `tomo local`".to_owned()), exit::NOT_CONNECTED)
        }
        Some(ClientError::Certificate(_)) => (None, exit::REFUSED),
        None => (None, exit::FAILED),
    };
    note(same_daemon(&format!("error: {error:#}"), options));
    if let Some(next) = next {
        note(format!("next: {}", same_daemon(&as_subcommand(&next), options)));
    }
    code
}

/// The present (UTC ms).
pub(super) fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// A time as people read it, in the local zone.
pub(crate) fn time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(String::new, |time| {
        time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_step_is_one_of_the_command_line() {
        for (next, said) in [
            ("server_list {}", "tomo server list"),
            (r#"server_get {"server":"web-1"}"#, "tomo server get web-1"),
            (r#"container_get {"container":"db","server":"web-1"}"#, "tomo container get web-1 db"),
            (r#"server_metrics {"server":"web-1"}"#, "tomo server metrics web-1"),
            (r#"server_prune {"all":true,"server":"web-1"}"#, "tomo server prune web-1 --all"),
            ("auth_whoami {}", "tomo whoami"),
            ("app_deploy {}", "tomo app deploy NAME --server SERVER --image IMAGE"),
            (r#"catalog_get {"template":"gotify"}"#, "tomo catalog show gotify"),
            ("auth_token_list {}", "tomo token list"),
            ("auth_session_list {}", "tomo user sessions"),
            (r#"volume_backup_list {"server":"web-1","volume":"data"}"#, "tomo volume backups web-1 data"),
            ("wait a second, then go on", "wait a second, then go on"),
            ("tomo plan approve plan-1", "tomo plan approve plan-1"),
        ] {
            assert_eq!(as_subcommand(next), said);
        }
    }

    #[test]
    fn commands_that_are_proposed_lead_to_the_same_daemon() {
        let options = " --profile b";
        for (text, said) in [
            ("tomo login", "tomo --profile b login"),
            ("sign in with `tomo login`, or `tomo local`", "sign in with `tomo --profile b login`, or `tomo local`"),
            ("a person: tomo token create NAME", "a person: tomo --profile b token create NAME"),
            ("tomo --profile c login", "tomo --profile c login"),
            ("automo login, what tomo does", "automo login, what tomo does"),
            ("", ""),
        ] {
            assert_eq!(same_daemon(text, options), said);
            assert_eq!(same_daemon(text, ""), text);
        }
    }

    #[test]
    fn json_stays_json_and_holds_nothing_a_terminal_acts_on() {
        let hostile = "\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{e0041}é→\n\"";
        let text = escaped(&serde_json::to_string_pretty(&[hostile]).expect("encodes"));
        assert!(text.chars().all(|one| one == '\n' || is_display_safe(one)), "{text:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&text).expect("is JSON"), [hostile]);
        assert_eq!(safe("a\u{1b}[31mb\nc\u{202e}d"), "ab\ncd");
    }
}
