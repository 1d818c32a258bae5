//! The socket of a visitor: how long it has been silent, and the end of one that takes nothing in.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

/// What the kernel keeps for a visitor who is slow. More would be screens that are over by the time they are seen.
const KEPT_BYTES: usize = 64 * 1024;

/// When a visitor was heard. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Heard(Arc<Mutex<Instant>>);

impl Heard {
    fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Since when they are silent.
    pub(super) fn elapsed(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// A socket that is an error to write to once nothing of it was taken for too long. While it is written to nobody reads it, so that
/// what keeps the connection alive would not see that.
#[derive(Debug)]
pub(super) struct Line {
    socket: TcpStream,
    patience: Duration,
    /// Since it takes nothing.
    full: Option<Pin<Box<Sleep>>>,
    heard: Heard,
}

impl Line {
    /// A line whose peer takes something within `patience`.
    ///
    /// # Errors
    /// The socket is closed.
    pub(super) fn new(socket: TcpStream, patience: Duration) -> io::Result<Self> {
        // A key waits for nothing.
        socket.set_nodelay(true)?;
        rustix::net::sockopt::set_socket_send_buffer_size(&socket, KEPT_BYTES)?;
        Ok(Self { socket, patience, full: None, heard: Heard(Arc::new(Mutex::new(Instant::now()))) })
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard.clone()
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, part: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.socket).poll_read(context, part);
        if read.is_ready() {
            self.heard.now();
        }
        read
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, part: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = Pin::new(&mut self.socket).poll_write(context, part) {
            self.full = None;
            return Poll::Ready(written);
        }
        let patience = self.patience;
        let full = self.full.get_or_insert_with(|| Box::pin(sleep(patience)));
        full.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
