//! Everything the command line prints: tables for people, JSON for programs, errors with the next step.

use std::io::Write as _;

use serde::Serialize;
use tomo_proto::{error::ErrorCode, text::display_line};
use unicode_width::UnicodeWidthStr as _;

use crate::client::ClientError;

/// Exit codes; see README.
pub(crate) mod exit {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const NOT_CONNECTED: u8 = 3;
    pub(crate) const REFUSED: u8 = 4;
    pub(crate) const APPROVAL_REQUIRED: u8 = 5;
}

/// Prints a line; a reader that has gone is no error.
pub(crate) fn line(text: impl AsRef<str>) {
    drop(writeln!(std::io::stdout().lock(), "{}", text.as_ref()));
}

/// Prints a line for people beside the output.
pub(crate) fn note(text: impl AsRef<str>) {
    drop(writeln!(std::io::stderr().lock(), "{}", text.as_ref()));
}

pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Columns as wide as their content; the last one is not padded.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) {
    let mut widths = head.map(str::width);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let print = |cells: [&str; N]| {
        let mut text = String::new();
        for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let safe = display_line(cell, 200);
            text.push_str(&safe);
            if place + 1 < N {
                text.extend(std::iter::repeat_n(' ', width.saturating_sub(safe.width()) + 2));
            }
        }
        line(text.trim_end());
    };
    print(head);
    for row in &rows {
        print(row.each_ref().map(String::as_str));
    }
}

/// Says an error and its next step; the exit code that fits.
pub(crate) fn failure(error: &anyhow::Error) -> u8 {
    let client = error.downcast_ref::<ClientError>();
    let (next, code) = match client {
        Some(ClientError::Api(error)) => {
            let code = match error.code {
                ErrorCode::ApprovalRequired => exit::APPROVAL_REQUIRED,
                ErrorCode::Denied
                | ErrorCode::Declined
                | ErrorCode::RefusedByPolicy
                | ErrorCode::Unauthenticated
                | ErrorCode::RateLimited => exit::REFUSED,
                ErrorCode::AgentOffline => exit::NOT_CONNECTED,
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
    note(format!("error: {error:#}"));
    if let Some(next) = next {
        note(format!("next: {next}"));
    }
    code
}

/// A time as people read it, in the local zone.
pub(crate) fn time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(String::new, |time| {
        time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    })
}
