//! A backup of the whole store while it is in use.

use super::Api;
use super::auth::{Admin, Caller};
use super::error::Problem;
use crate::domain::{Deed, Noted, TenantId};
use crate::store::BackupError;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use std::io::{self, BufWriter, Write};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver, Sender};

const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that may wait for the client: with these and the sockets' buffers a backup takes a few megabytes of memory.
const CHUNKS_MAX: usize = 4;
/// How long a client may take nothing: as long as a backup is open the store's file cannot use its free pages again.
const STALLED_MAX: Duration = Duration::from_secs(60);
const MEDIA_TYPE: &str = "application/vnd.fusebox.backup";

/// Back the server up
///
/// Streams every table as of one moment, everything acknowledged before included, while the server goes on. The last bytes
/// are a digest of all the others: a backup that broke off has none, so check it, or use `fusebox backup`, which does. It
/// has what every tenant has, and neither the keys of the data folder nor compiled artifacts. One at a time; only the
/// platform's admin may.
#[utoipa::path(get, path = "/backup", tag = "operation", responses((status = 200, content_type = "application/vnd.fusebox.backup", body = Vec<u8>)))]
pub(super) async fn take(caller: Caller<Admin>, State(api): State<Api>) -> Result<Response, Problem> {
    if !caller.tenant().is_shared() {
        let detail = "a backup has what every tenant has; only the platform's admin may take one";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    let slot = api.0.backup_slot.clone().try_acquire_owned();
    let slot = slot.map_err(|_| Problem::busy("a backup is being taken already; try again when it is done"))?;
    let noted = Noted {
        owner_id: TenantId::shared(),
        deed: Deed::BackedUp,
        kind: "backup",
        subject_id: String::new(),
        subject: String::new(),
        note: "a backup was asked for; the server's log says whether it was taken to its end".to_owned(),
    };
    api.note(&caller, noted).await?;
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    let (store, now, runtime, by) = (api.store().clone(), api.now(), Handle::current(), caller.name().to_owned());
    tokio::task::spawn_blocking(move || {
        let _slot = slot;
        let chunks = Chunks { sender: &sender, runtime: &runtime, stalled_max: STALLED_MAX };
        match store.back_up(now, BufWriter::with_capacity(CHUNK_BYTES, chunks)) {
            Ok(backup) => {
                let (size_bytes, digest) = (backup.size_bytes, backup.digest.to_string());
                tracing::info!(by, size_bytes, entries = backup.entries, digest, "a backup was taken");
            }
            Err(BackupError::Write(error)) => tracing::warn!(by, %error, "a backup was given up"),
            Err(error) => tracing::error!(by, %error, "a backup failed"),
        }
        // Without its end the client knows that the backup is not whole; nothing more needs to be said.
    });
    let name = format!("attachment; filename=\"fusebox-{}.backup\"", now.to_string().replace(':', ""));
    let headers = [(header::CONTENT_TYPE, MEDIA_TYPE), (header::CONTENT_DISPOSITION, name.as_str())];
    Ok((headers, Body::from_stream(stream::unfold(receiver, next))).into_response())
}

async fn next(mut chunks: Receiver<Bytes>) -> Option<(Result<Bytes, io::Error>, Receiver<Bytes>)> {
    let chunk = chunks.recv().await?;
    Some((Ok(chunk), chunks))
}

/// What is written goes to a client, at its pace.
struct Chunks<'a> {
    sender: &'a Sender<Bytes>,
    runtime: &'a Handle,
    stalled_max: Duration,
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sending = self.sender.send_timeout(Bytes::copy_from_slice(bytes), self.stalled_max);
        match self.runtime.block_on(sending) {
            Ok(()) => Ok(bytes.len()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(io::Error::other("the client takes nothing")),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(io::Error::other("the client is gone")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(runtime: &tokio::runtime::Runtime, sender: &Sender<Bytes>) -> io::Result<usize> {
        let mut chunks = Chunks { sender, runtime: runtime.handle(), stalled_max: Duration::from_millis(1) };
        chunks.write(b"four")
    }

    #[test]
    fn a_client_that_takes_nothing_is_given_up_and_one_that_takes_is_not() {
        // A thread of its own drives the timer while this one waits.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let (sender, mut receiver) = mpsc::channel(1);
        assert_eq!(written(&runtime, &sender).unwrap(), 4);
        assert_eq!(written(&runtime, &sender).unwrap_err().to_string(), "the client takes nothing");
        assert_eq!(receiver.try_recv().unwrap(), "four");
        assert_eq!(written(&runtime, &sender).unwrap(), 4);
        drop(receiver);
        assert_eq!(written(&runtime, &sender).unwrap_err().to_string(), "the client is gone");
    }
}
