//! Commands on a host. Their lines hold words of this program only; what comes from outside goes in on standard input.

use std::{borrow::Cow, time::Duration};

use russh::{Channel, ChannelMsg, client::Msg};
use tokio::time::timeout;

use crate::ssh::{ANSWER, Connection, SshError, answer, upload::Folder};

/// What the frames around a command's output may take besides.
const FRAMING_BYTES: u64 = 256 * 1024;
/// Longest line that is told while a command runs.
const LINE_BYTES: usize = 4_096;

/// What a command is called when it goes wrong.
const WHAT: &str = "the command on the host";

/// A command line for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine(Cow<'static, str>);

impl CommandLine {
    /// As it is written here.
    #[must_use]
    pub const fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The path of a folder of ours, with words before it.
    #[must_use]
    pub fn within(before: &'static str, folder: &Folder) -> Self {
        Self(Cow::Owned(format!("{before}{}", folder.path())))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The same with more words of ours.
    #[must_use]
    pub fn then(self, words: &'static str) -> Self {
        Self(self.0 + words)
    }
}

/// How long a command may take, and how much it may say.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From its start to its end.
    pub time: Duration,
    /// On standard output and on standard error, each.
    pub output_bytes: usize,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Exit code; absent if a signal ended it.
    pub status: Option<u32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Connection {
    /// Runs a command to its end and tells each line of its output as it comes.
    ///
    /// # Errors
    /// It cannot be started, takes too long or says too much.
    pub async fn run(
        &self,
        command: &CommandLine,
        input: &[u8],
        limits: Limits,
        tell: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Ran, SshError> {
        self.allow(
            u64::try_from(limits.output_bytes).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(FRAMING_BYTES),
        );
        let mut channel = answer("opening a channel", ANSWER, self.handle.channel_open_session()).await?;
        let running = async {
            let broken = |error: russh::Error| SshError::broken(WHAT, error);
            channel.exec(true, command.as_bytes()).await.map_err(broken)?;
            if !input.is_empty() {
                channel.data(input).await.map_err(broken)?;
            }
            channel.eof().await.map_err(broken)?;
            hear(&mut channel, limits.output_bytes, tell).await
        };
        let ran = timeout(limits.time, running).await;
        ran.map_err(|_| SshError::Timeout { what: WHAT, seconds: limits.time.as_secs() })?
    }

    /// Lets the host, and what lies in between, send so much.
    pub(super) fn allow(&self, bytes: u64) {
        self.allowance.grant(bytes);
        if let Some(via) = &self.via {
            // The same again, in frames of its own.
            via.allow(bytes.saturating_add(bytes / 2).saturating_add(FRAMING_BYTES));
        }
    }
}

/// Follows a command to its end and tells each line of its output as it comes.
pub(super) async fn hear(
    channel: &mut Channel<Msg>,
    output_bytes: usize,
    tell: &mut (dyn FnMut(&str) + Send),
) -> Result<Ran, SshError> {
    let mut ran = Ran { status: None, stdout: Vec::new(), stderr: Vec::new() };
    let (mut told, mut ended) = (0, false);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => ran.stdout.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, .. } => ran.stderr.extend_from_slice(&data),
            // Output may still follow.
            ChannelMsg::ExitStatus { exit_status } => (ran.status, ended) = (Some(exit_status), true),
            ChannelMsg::ExitSignal { .. } => ended = true,
            ChannelMsg::Failure => {
                return Err(SshError::broken(WHAT, "the host runs no commands for this user"));
            }
            _ => {}
        }
        if ran.stdout.len().max(ran.stderr.len()) > output_bytes {
            return Err(SshError::broken(WHAT, format!("it says more than {} bytes", output_bytes)));
        }
        while let Some(length) = ran.stdout[told..].iter().position(|byte| *byte == b'\n') {
            let line = &ran.stdout[told..told + length];
            tell(&String::from_utf8_lossy(&line[..length.min(LINE_BYTES)]));
            told += length + 1;
        }
    }
    if ended { Ok(ran) } else { Err(SshError::broken(WHAT, "the connection was lost before its end")) }
}
