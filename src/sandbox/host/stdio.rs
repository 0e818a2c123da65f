//! What a guest prints becomes lines of its log, and its standard input is empty; a command has pipes instead: its
//! standard input is given, and what it prints to standard output is kept.

use super::{Journal, Stop};
use crate::domain::{LogSource, Reason};
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// What a guest may print at once.
const CHUNK_BYTES: usize = 64 << 10;

/// The standard input and output of a command.
pub(super) struct Pipes {
    pub(super) stdin: Bytes,
    pub(super) stdout: Printout,
}

/// What a command printed to standard output, up to a limit.
#[derive(Clone)]
pub(in crate::sandbox) struct Printout {
    /// Shared with the stream, which the guest holds; never contended.
    printed: Arc<Mutex<Printed>>,
    limit_bytes: u64,
}

#[derive(Default)]
pub(in crate::sandbox) struct Printed {
    pub(in crate::sandbox) bytes: Vec<u8>,
    /// With what was past the limit.
    pub(in crate::sandbox) asked_bytes: u64,
}

impl Printout {
    pub(in crate::sandbox) fn new(limit_bytes: u64) -> Printout {
        Printout { printed: Arc::default(), limit_bytes }
    }

    /// What was printed so far.
    pub(in crate::sandbox) fn take(&self) -> Printed {
        std::mem::take(&mut self.printed())
    }

    /// # Errors
    /// It would be more than the limit; nothing of it is kept.
    fn print(&self, bytes: &[u8]) -> Result<(), Stop> {
        let mut printed = self.printed();
        printed.asked_bytes = printed.asked_bytes.saturating_add(bytes.len() as u64);
        if printed.asked_bytes > self.limit_bytes {
            let message = format!("printed more than its output limit of {} bytes", self.limit_bytes);
            return Err(Stop { reason: Reason::OutputLimit, message });
        }
        printed.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn printed(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Standard output or error.
#[derive(Clone)]
pub(super) enum Stream {
    Log(Arc<Journal>, LogSource),
    Output(Printout),
}

impl Stream {
    fn print(&self, bytes: &[u8]) -> Result<(), Stop> {
        match self {
            Stream::Log(journal, source) => journal.print(*source, bytes),
            Stream::Output(printout) => printout.print(bytes),
        }
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.print(&bytes).map_err(|stop| StreamError::Trap(stop.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK_BYTES)
    }
}

impl Pollable for Stream {
    /// Neither a log nor an output makes its writer wait.
    fn ready<'a: 'f, 'f>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'f>> {
        Box::pin(std::future::ready(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.print(bytes).map(|()| bytes.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
