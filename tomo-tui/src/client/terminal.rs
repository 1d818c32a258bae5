//! The person's end of a terminal into a container: frames in one request and in its answer.

use std::io;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream, stream::unfold};
use tokio::sync::mpsc;
use tokio_util::{
    codec::{FramedRead, LengthDelimitedCodec},
    io::StreamReader,
};
use tomo_proto::{
    api::terminal::OpenTerminal,
    error::ErrorCode,
    wire::{
        frame::{FrameError, MAX_FRAME_BYTES, decode, encode_framed},
        terminal::{TerminalInput, TerminalOutput},
    },
};

use crate::client::{Client, ClientError};

/// Keys that wait for the daemon; when full, whoever types waits.
const KEYS: usize = 16;

/// An open terminal. Dropping it, or the sender of its keys, hangs up.
pub(crate) struct Terminal {
    /// What is typed goes here.
    pub(crate) keys: mpsc::Sender<TerminalInput>,
    shown: BoxStream<'static, io::Result<TerminalOutput>>,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Terminal")
    }
}

impl Terminal {
    /// What comes next; `None` if the connection is gone.
    pub(crate) async fn next(&mut self) -> Option<TerminalOutput> {
        self.shown.next().await?.ok()
    }
}

impl Client {
    /// Opens a terminal into a container.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) async fn open_terminal(&self, request: &OpenTerminal) -> Result<Terminal, ClientError> {
        match self.try_terminal(request).await {
            Err(ClientError::Api(error)) if error.code == ErrorCode::Unauthenticated => {
                if self.renew().await {
                    self.try_terminal(request).await
                } else {
                    Err(self.signed_out())
                }
            }
            other => other,
        }
    }

    async fn try_terminal(&self, request: &OpenTerminal) -> Result<Terminal, ClientError> {
        let (keys, typed) = mpsc::channel(KEYS);
        let first = encode_framed(request).map(Bytes::from);
        let rest = unfold(typed, async |mut typed: mpsc::Receiver<TerminalInput>| {
            let said = typed.recv().await?;
            Some((encode_framed(&said).map(Bytes::from), typed))
        });
        let body = futures::stream::iter([first]).chain(rest).map_err(|error: FrameError| io::Error::other(error));
        let body = reqwest::Body::wrap_stream(body);
        let answer = self.shared.http.post_stream(OpenTerminal::PATH, body, self.bearer()).await?;
        let codec = LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME_BYTES).new_codec();
        let bytes = StreamReader::new(answer.bytes_stream().map_err(io::Error::other));
        let frames = FramedRead::new(bytes, codec);
        let shown = frames.map(|frame| decode::<TerminalOutput>(&frame?).map_err(io::Error::other)).boxed();
        Ok(Terminal { keys, shown })
    }
}
