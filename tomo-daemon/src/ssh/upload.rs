//! A folder of ours on a host, for what is carried there.

use std::{path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{sleep, timeout},
};

use crate::{
    crypto,
    ssh::{
        ANSWER, CommandLine, Connection, Limits, SshError, answer,
        run::{Ran, hear},
    },
};

/// What it is called when it goes wrong.
const WHAT: &str = "the upload";
/// Longest time that one piece may take.
const PIECE: Duration = Duration::from_secs(15);
/// Bytes of one piece.
const PIECE_BYTES: usize = 256 * 1024;
/// What a host answers to an upload at most, for each piece.
const ANSWER_BYTES: u64 = 64 * 1024;
/// From one look whether a folder is gone to the next.
const LOOK: Duration = Duration::from_millis(500);
/// A command that says next to nothing.
const SHORT: Limits = Limits { time: ANSWER, output_bytes: 16 * 1024 };

/// A new folder below `/tmp` that only its user may look into. Its name is made of hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    path: String,
}

impl Folder {
    /// Its path on the host.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Connection {
    /// Makes a folder.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn make_folder(&self) -> Result<Folder, SshError> {
        let folder = Folder { path: format!("/tmp/tomo-{}", crypto::hex(&crypto::random_bytes::<16>())) };
        self.quietly("making a folder", &CommandLine::within("mkdir -m 700 ", &folder)).await?;
        Ok(folder)
    }

    /// Removes a folder with what is in it.
    ///
    /// # Errors
    /// It cannot be removed.
    pub async fn remove_folder(&self, folder: &Folder) -> Result<(), SshError> {
        self.quietly("removing the folder", &CommandLine::within("rm -rf ", folder)).await
    }

    /// Waits until somebody has removed a folder.
    pub async fn gone(&self, folder: &Folder) {
        let look = CommandLine::within("test ! -e ", folder);
        while !self.run(&look, b"", SHORT, &mut |_| {}).await.is_ok_and(|ran| ran.status == Some(0)) {
            sleep(LOOK).await;
        }
    }

    async fn quietly(&self, what: &'static str, command: &CommandLine) -> Result<(), SshError> {
        let ran = self.run(command, b"", SHORT, &mut |_| {}).await?;
        if ran.status == Some(0) { Ok(()) } else { Err(SshError::broken(what, String::from_utf8_lossy(&ran.stderr))) }
    }

    /// Carries a file over as `tomo-agent` in a folder, for its user to run, and compares what arrived. Tells how far it is, 0–100.
    ///
    /// It goes in on a command's standard input: whatever the user's shell says of its own on the way would end SFTP.
    ///
    /// # Errors
    /// The file cannot be read, the host has no room, or something else arrived.
    pub async fn upload(
        &self,
        file: &Path,
        folder: &Folder,
        tell: &mut (dyn FnMut(u8) + Send),
    ) -> Result<(), SshError> {
        let unreadable = |error: std::io::Error| SshError::broken("reading the agent's file", error);
        let mut source = tokio::fs::File::open(file).await.map_err(unreadable)?;
        let total = source.metadata().await.map_err(unreadable)?.len();
        self.allow(ANSWER_BYTES);
        let mut channel = answer("opening a channel", ANSWER, self.handle.channel_open_session()).await?;
        let command = CommandLine::within("cd ", folder).then(" && cat > tomo-agent && chmod 700 tomo-agent");
        answer(WHAT, ANSWER, channel.exec(true, command.as_bytes())).await?;
        let mut target = channel.make_writer();
        let mut piece = vec![0; PIECE_BYTES];
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let mut sent = 0_u64;
        let mut broken = None;
        loop {
            let read = source.read(&mut piece).await.map_err(unreadable)?;
            if read == 0 {
                break;
            }
            digest.update(&piece[..read]);
            self.allow(ANSWER_BYTES);
            if let Err(error) = answer(WHAT, PIECE, target.write_all(&piece[..read])).await {
                // The command may have ended, and have said why.
                broken = Some(error);
                break;
            }
            sent = sent.saturating_add(u64::try_from(read).unwrap_or(0));
            tell(u8::try_from(sent.saturating_mul(100) / total.max(1)).unwrap_or(100).min(100));
        }
        drop(target);
        self.allow(ANSWER_BYTES);
        drop(channel.eof().await);
        let ran = timeout(PIECE, hear(&mut channel, SHORT.output_bytes, &mut |_| {})).await;
        match (broken, ran) {
            (None, Ok(Ok(Ran { status: Some(0), .. }))) => {}
            (_, Ok(Ok(ran))) if !ran.stderr.is_empty() => {
                return Err(SshError::broken(WHAT, String::from_utf8_lossy(&ran.stderr)));
            }
            (Some(error), _) | (None, Ok(Err(error))) => return Err(error),
            (None, Ok(Ok(_))) => return Err(SshError::broken(WHAT, "the host does not say why")),
            (None, Err(_)) => return Err(SshError::Timeout { what: WHAT, seconds: PIECE.as_secs() }),
        }
        let expected = crypto::hex(digest.finish().as_ref());
        let limits = Limits { time: Duration::from_secs(30), ..SHORT };
        let look = CommandLine::within("sha256sum ", folder).then("/tomo-agent");
        let ran = self.run(&look, b"", limits, &mut |_| {}).await?;
        let said = String::from_utf8_lossy(&ran.stdout);
        // A shell may say something of its own before.
        if said.lines().any(|line| line.split_whitespace().next() == Some(expected.as_str())) {
            return Ok(());
        }
        Err(SshError::broken(WHAT, "what arrived there is not what was sent"))
    }
}
