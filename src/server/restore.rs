//! From a backup to a data folder that a server can start on.

use super::SystemClock;
use super::install::{InstallError, Installation, random};
use crate::domain::{Entropy, Ids};
use crate::store::{self, Backup, Change, NamedId, Store, Transition};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Pages of the new file in memory while its catalogue is read.
const CACHE_BYTES: usize = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("{0} is not empty; a backup is restored into a folder of its own")]
    NotEmpty(PathBuf),
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{path} was not restored: {error}")]
    Backup { path: PathBuf, error: store::RestoreError },
    #[error("{path} was not restored: {error}")]
    Open { path: PathBuf, error: store::OpenError },
    #[error(transparent)]
    Install(#[from] InstallError),
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    pub backup: Backup,
    /// The text of a new admin token, which is in the data folder too.
    pub token: String,
    /// Secrets that need the key file of the old data folder.
    pub secrets: usize,
}

/// What becomes of the secrets in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// They stay, for whoever has the keys.
    Keep,
    /// They go, since nobody has: with them and without the keys no server starts.
    Drop,
}

/// Makes the data folder `data` out of a backup: whole or not at all. Its tokens are those of the backup and a new one
/// for the admin, since the old one's text may have been lost with the old folder.
///
/// # Errors
/// See [`RestoreError`]; the folder is as it was before.
pub async fn restore(backup: &Path, data: &Path, secrets: Sealed) -> Result<Restored, RestoreError> {
    let is_new = check_empty(data)?;
    let restored = fill(backup, data, secrets).await;
    if restored.is_err() {
        clear(data, is_new);
    }
    restored
}

/// Whether the folder is not there yet; one that is there must be empty.
fn check_empty(data: &Path) -> Result<bool, RestoreError> {
    match fs::read_dir(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(RestoreError::File { path: data.to_owned(), error }),
        Ok(mut entries) => match entries.next() {
            None => Ok(false),
            Some(_) => Err(RestoreError::NotEmpty(data.to_owned())),
        },
    }
}

async fn fill(backup: &Path, data: &Path, secrets: Sealed) -> Result<Restored, RestoreError> {
    let in_file = |path: &Path| {
        let path = path.to_owned();
        move |error| RestoreError::File { path, error }
    };
    let file = File::open(backup).map_err(in_file(backup))?;
    let installation = Installation::open(data)?;
    // Under another name until all of it is there: a server must not find half of it.
    let draft = installation.store().with_extension("restoring");
    let read = store::restore_backup(io::BufReader::with_capacity(1 << 20, file), &draft)
        .map_err(|error| RestoreError::Backup { path: backup.to_owned(), error })?;
    let config = store::Config { path: draft.clone(), cache_bytes: CACHE_BYTES, first_notice: 0 };
    let opened = Store::open(config).map_err(|error| RestoreError::Open { path: backup.to_owned(), error })?;
    let entropy = Arc::new(Entropy::new(random()?));
    let ids = Ids::new(Arc::clone(&entropy));
    if secrets == Sealed::Drop {
        let catalogue = opened.catalogue();
        let sealed = catalogue.secrets().iter().map(|secret| Change::Delete(NamedId::Secret(secret.header.id)));
        opened.commit(Transition::of(sealed.collect::<Vec<_>>())).await.map_err(InstallError::Store)?;
    }
    let secrets = opened.catalogue().secrets().iter().count();
    let token = installation.new_admin_token(&opened, (&ids, &entropy), &SystemClock, "restore").await;
    opened.close();
    drop(opened);
    let token = token?;
    let path = installation.store();
    fs::rename(&draft, &path).map_err(in_file(&path))?;
    File::open(data).and_then(|folder| folder.sync_all()).map_err(in_file(data))?;
    Ok(Restored { backup: read, token, secrets })
}

/// What cannot be removed now is in the way of the next attempt, which says so.
fn clear(data: &Path, is_new: bool) {
    let entries = fs::read_dir(data).into_iter().flatten().flatten();
    for entry in entries {
        let path = entry.path();
        drop(if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) });
    }
    if is_new {
        drop(fs::remove_dir(data));
    }
}
