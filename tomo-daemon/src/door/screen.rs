//! What a visitor sees: a child `tomo` in a pseudo-terminal, signed in as the visitor, until either of them ends.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use anyhow::Context as _;
use pty_process::{Command, OwnedReadPty, OwnedWritePty};
use russh::{Channel, ChannelMsg, ChannelReadHalf, server::Msg};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    process::Child,
    time::{Instant, timeout, timeout_at},
};
use tomo_proto::{api::person::SavedLogin, id::KeyId};

use crate::{
    crypto,
    door::{House, Way, line::Heard},
    services::KeyLogin,
};

/// What a child may show at a time.
const PART: usize = 16 * 1024;
/// How long a child has to take its screen back.
const ENDING: Duration = Duration::from_secs(2);
/// A terminal's sides lie within this; what is beyond counts as the nearest.
const SIDES: std::ops::RangeInclusive<u32> = 1..=1_000;

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    columns: u16,
    rows: u16,
}

impl Size {
    pub(super) fn new(columns: u32, rows: u32) -> Self {
        let side = |side: u32| u16::try_from(side.clamp(*SIDES.start(), *SIDES.end())).unwrap_or(u16::MAX);
        Self { columns: side(columns), rows: side(rows) }
    }

    fn of_pty(self) -> pty_process::Size {
        pty_process::Size::new(self.rows, self.columns)
    }
}

/// The visitor's terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    /// As in `TERM`.
    pub(super) name: String,
    pub(super) size: Size,
}

/// Whose terminal that is.
#[derive(Debug)]
pub(super) struct Guest {
    /// The key that let them in.
    pub(super) key: KeyId,
    pub(super) address: String,
    /// When their machine was heard.
    pub(super) heard: Heard,
}

/// How it ended.
enum Ended {
    /// The child has, by itself or because its owner left it.
    Child,
    /// The connection is gone.
    HungUp,
    /// It was ended from here.
    ShownOut(String),
}

/// Shows the dashboard to whoever holds a key, to its end: the exit code, and what there is to say about it.
pub(super) async fn show(
    house: &House,
    guest: &Guest,
    terminal: Terminal,
    variables: BTreeMap<String, String>,
    channel: Channel<Msg>,
) -> (u32, Option<String>) {
    let Ok(_seat) = house.seats.clone().try_acquire_owned() else {
        let why = format!(
            "{} dashboards are open over SSH, and there are no more (ssh.sessions): try later, or use tomo on your own machine",
            house.most
        );
        return (1, Some(why));
    };
    let login = match house.services.login_with_key(guest.key, &guest.address).await {
        Ok(login) => login,
        Err(error) => return (1, Some(error.to_string())),
    };
    let begun = Instant::now();
    let shown = attend(house, guest, &login, terminal, variables, channel).await;
    let (exit_code, why) = shown.unwrap_or_else(|error| {
        tracing::error!(error = format!("{error:#}"), "the dashboard could not be shown over SSH");
        (1, Some("the dashboard could not be started: the daemon's log says why".to_owned()))
    });
    let how = why.clone().unwrap_or_else(|| format!("exit code {exit_code}"));
    house.services.end_key_login(&login, &guest.address, &format!("{how}; {} s", begun.elapsed().as_secs())).await;
    (exit_code, why)
}

async fn attend(
    house: &House,
    guest: &Guest,
    login: &KeyLogin,
    terminal: Terminal,
    variables: BTreeMap<String, String>,
    channel: Channel<Msg>,
) -> anyhow::Result<(u32, Option<String>)> {
    let home = Home::make(&house.folder, login, &house.way)?;
    let (pty, pts) = pty_process::open().context("cannot open a pseudo-terminal")?;
    pty.resize(terminal.size.of_pty()).context("the pseudo-terminal cannot be sized")?;
    let command = Command::new(&house.program)
        .arg("--hosted")
        .env_clear()
        .envs(variables)
        .envs([("TERM", terminal.name.as_str()), ("SSH_TTY", "hosted")])
        .envs(["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"].map(|name| (name, &home.folder)))
        .current_dir(&home.folder)
        .kill_on_drop(true);
    let mut child = command.spawn(pts).with_context(|| format!("cannot run {}", house.program.display()))?;
    let (from_child, to_child) = pty.into_split();
    let (said, shown) = channel.split();
    let shown = shown.make_writer();
    let mut frames = pin!(pass_on(from_child, shown));
    let ended = tokio::select! {
        () = &mut frames => Ended::Child,
        ended = listen(said, to_child, house.idle) => ended,
        () = login.ended.cancelled() => Ended::ShownOut("this login has ended".to_owned()),
        () = house.stop.cancelled() => Ended::ShownOut("the daemon stops".to_owned()),
    };
    Ok(match ended {
        Ended::Child => (exit_code(&mut child).await, None),
        // The pseudo-terminal goes with the rest, and the child with it.
        Ended::HungUp if guest.heard.elapsed() >= house.silent => {
            (1, Some(format!("answered nothing for {} s", house.silent.as_secs())))
        }
        Ended::HungUp => (0, Some("hung up".to_owned())),
        Ended::ShownOut(why) => {
            let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
            if let Some(Err(error)) = pid.map(|pid| kill_process(pid, Signal::TERM)) {
                tracing::debug!(%error, "the child has ended in between");
            }
            // It gives the screen back; a visitor who takes nothing in is not waited for.
            drop(timeout(ENDING, frames).await);
            drop(timeout(ENDING, child.wait()).await);
            (1, Some(why))
        }
    })
}

async fn exit_code(child: &mut Child) -> u32 {
    let status = timeout(ENDING, child.wait()).await;
    let code = status.ok().and_then(Result::ok).and_then(|status| status.code());
    code.and_then(|code| u32::try_from(code).ok()).unwrap_or(1)
}

/// Shows what the child draws, as fast as the visitor takes it in, until the child ends.
async fn pass_on(mut from_child: OwnedReadPty, mut shown: impl AsyncWrite + Unpin) {
    let mut part = vec![0; PART];
    loop {
        // A pseudo-terminal whose program has ended is an error to read.
        let Ok(count @ 1..) = from_child.read(&mut part).await else { return };
        if shown.write_all(&part[..count]).await.is_err() || shown.flush().await.is_err() {
            return;
        }
    }
}

/// Passes on what is typed until the visitor hangs up, or types nothing for too long.
async fn listen(mut said: ChannelReadHalf, mut to_child: OwnedWritePty, idle: Duration) -> Ended {
    let mut until = Instant::now() + idle;
    loop {
        let Ok(message) = timeout_at(until, said.wait()).await else {
            return untouched(idle);
        };
        if matches!(message, Some(ChannelMsg::Data { .. } | ChannelMsg::WindowChange { .. })) {
            until = Instant::now() + idle;
        }
        match message {
            Some(ChannelMsg::Data { data }) => {
                // Whether the child has ended is seen by whoever reads it. One whose screen nobody takes in reads nothing.
                if timeout_at(until, to_child.write_all(&data)).await.is_err() {
                    return untouched(idle);
                }
            }
            Some(ChannelMsg::WindowChange { col_width, row_height, .. }) => {
                drop(to_child.resize(Size::new(col_width, row_height).of_pty()));
            }
            Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Ended::HungUp,
            Some(_) => {}
        }
    }
}

fn untouched(idle: Duration) -> Ended {
    Ended::ShownOut(format!("nothing was typed for {} minutes", idle.as_secs() / 60))
}

/// The folder of one session: its login lies there, and nothing else. Goes with it.
struct Home {
    folder: PathBuf,
}

impl Home {
    fn make(folder: &Path, login: &KeyLogin, way: &Way) -> anyhow::Result<Self> {
        let folder = folder.join(login.session.to_string());
        let home = Self { folder: folder.clone() };
        let inner = folder.join("tomo");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&inner);
        made.with_context(|| format!("cannot make {}", inner.display()))?;
        let saved = SavedLogin {
            url: way.url.clone(),
            username: login.tokens.username.clone(),
            access_token: Some(login.tokens.access_token.clone()),
            refresh_token: Some(login.tokens.refresh_token.clone()),
            fingerprint: way.fingerprint.clone(),
        };
        crypto::write_private(&inner.join("login-default.json"), &serde_json::to_vec(&saved)?)?;
        Ok(home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "the folder of a session stays until the next start");
        }
    }
}

/// Removes what a kill left of sessions.
pub(super) fn clear(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
