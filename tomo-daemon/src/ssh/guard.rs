//! What lies between russh and the network: a host that sends more than was asked for, or whose connection nobody holds any
//! more, is cut off.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

/// What bytes travel over.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// How much a host may still send.
#[derive(Debug)]
pub(super) struct Allowance {
    left: AtomicU64,
    cut: CancellationToken,
}

impl Allowance {
    /// For so many bytes; dropping the guard cuts the connection.
    pub(super) fn new(bytes: u64) -> (Arc<Self>, DropGuard) {
        let cut = CancellationToken::new();
        (Arc::new(Self { left: AtomicU64::new(bytes), cut: cut.clone() }), cut.drop_guard())
    }

    /// Lets it send so many bytes from now on.
    pub(super) fn grant(&self, bytes: u64) {
        self.left.store(bytes, Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// A connection with its allowance.
pub(super) struct Guarded {
    inner: Box<dyn Transport>,
    allowance: Arc<Allowance>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Guarded {
    pub(super) fn new(inner: Box<dyn Transport>, allowance: &Arc<Allowance>) -> Self {
        let cut = Box::pin(allowance.cut.clone().cancelled_owned());
        Self { inner, allowance: Arc::clone(allowance), cut }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(ErrorKind::ConnectionAborted, "the connection was let go")));
        }
        let before = into.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, into);
        if matches!(read, Poll::Ready(Ok(()))) && !self.allowance.take(into.filled().len() - before) {
            return Poll::Ready(Err(io::Error::other("the host sends more than it was asked for")));
        }
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.allowance.cut.is_cancelled() {
            return Poll::Ready(Err(io::Error::new(ErrorKind::ConnectionAborted, "the connection was let go")));
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
