//! A connection whose bytes are counted as they flow, up to what the attempt has left.

use super::connect::Connection;
use super::gate::{Entry, Gate};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Read at once: the place for it is cleared first.
const READ_BYTES: usize = 16 << 10;

pub(super) struct Counted {
    pub(super) connection: Connection,
    pub(super) gate: Arc<Gate>,
    pub(super) entry: Arc<Entry>,
    /// Set when the limit ended the connection, which the layers between would else hide.
    pub(super) is_over: Arc<AtomicBool>,
}

impl Counted {
    fn over(&self) -> io::Error {
        self.is_over.store(true, Ordering::Relaxed);
        io::Error::other("over the limit of bytes by HTTP")
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let granted = self.gate.reserve(buffer.remaining() as u64);
        if granted == 0 && buffer.remaining() > 0 {
            // An answer that ends exactly here is whole.
            let mut probe = [0];
            let mut probe = ReadBuf::new(&mut probe);
            ready!(Pin::new(&mut self.connection).poll_read(task, &mut probe))?;
            return Poll::Ready(if probe.filled().is_empty() { Ok(()) } else { Err(self.over()) });
        }
        let allowed = usize::try_from(granted).unwrap_or(usize::MAX).min(READ_BYTES).min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(allowed));
        let polled = Pin::new(&mut self.connection).poll_read(task, &mut part);
        let read = part.filled().len();
        buffer.advance(read);
        self.gate.give_back(granted - read as u64);
        self.entry.received.fetch_add(read as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let granted = self.gate.reserve(bytes.len() as u64);
        if granted == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(self.over()));
        }
        let part = &bytes[..usize::try_from(granted).unwrap_or(usize::MAX).min(bytes.len())];
        let polled = Pin::new(&mut self.connection).poll_write(task, part);
        let written = match &polled {
            Poll::Ready(Ok(written)) => *written as u64,
            _ => 0,
        };
        self.gate.give_back(granted - written);
        self.entry.sent.fetch_add(written, Ordering::Relaxed);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(task)
    }
}
