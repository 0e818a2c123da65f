//! What makes a data folder an installation: its key and its first token.

use crate::dispatch::{KeyLost, Secrets};
use crate::domain::{Author, Clock, Entropy, Ids, Keyring, KeyringError, Rights, TenantId, Token, TokenHash, TokenId};
use crate::store::{Catalogue, Change, CommitError, Store, Transition};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The file with the admin token, for people and the command line on the same machine.
pub const ADMIN_TOKEN_FILE: &str = "admin.token";
/// The keys of the secrets, unless `serve --secrets-key` names another place.
pub const SECRETS_KEY_FILE: &str = "secrets.key";
const KEY_FILE: &str = "installation.key";
const STORE_FILE: &str = "fusebox.redb";
const ARTIFACTS_DIR: &str = "artifacts";

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{0} does not have 32 bytes; it was made at the first start and must not be changed")]
    Key(PathBuf),
    #[error("{path} is no file of keys: {error}")]
    SecretsKey { path: PathBuf, error: KeyringError },
    #[error(
        "{lost}: {path}. Put that file back where it was, or say where it is with --secrets-key. Nothing was changed"
    )]
    KeyLost { path: PathBuf, lost: KeyLost },
    #[error("the machine gives no random bytes: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Store(#[from] CommitError),
}

/// The data folder.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    folder: PathBuf,
    /// Vouches for what this installation wrote to places it does not trust.
    pub(super) key: [u8; 32],
}

impl Installation {
    /// Makes the folder and its key where they are not there yet.
    pub(super) fn open(folder: &Path) -> Result<Installation, InstallError> {
        let file_error = |path: &Path| {
            let path = path.to_owned();
            move |error| InstallError::File { path, error }
        };
        for dir in [folder.to_owned(), folder.join(ARTIFACTS_DIR)] {
            // Payloads are nobody else's business: what this makes, only its owner enters.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(file_error(&dir))?;
        }
        let path = folder.join(KEY_FILE);
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(mut file) => {
                file.read_to_end(&mut bytes).map_err(file_error(&path))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bytes = random()?.to_vec();
                write_private(&path, &bytes).map_err(file_error(&path))?;
            }
            Err(error) => return Err(file_error(&path)(error)),
        }
        let key = bytes.try_into().map_err(|_| InstallError::Key(path))?;
        Ok(Installation { folder: folder.to_owned(), key })
    }

    pub(super) fn store(&self) -> PathBuf {
        self.folder.join(STORE_FILE)
    }

    pub(super) fn artifacts(&self) -> PathBuf {
        self.folder.join(ARTIFACTS_DIR)
    }

    pub(super) fn secrets_key(&self) -> PathBuf {
        self.folder.join(SECRETS_KEY_FILE)
    }

    /// Makes the admin token if there is no token at all, and gives its text, which is never shown again.
    pub(super) async fn admin_token(
        &self,
        store: &Store,
        (ids, entropy): (&Ids, &Entropy),
        clock: &dyn Clock,
    ) -> Result<Option<String>, InstallError> {
        if store.catalogue().tokens().next().is_some() {
            return Ok(None);
        }
        self.new_admin_token(store, (ids, entropy), clock, "first start").await.map(Some)
    }

    /// Makes an admin token beside those that there are, and gives its text; `by` says what made it.
    pub(super) async fn new_admin_token(
        &self,
        store: &Store,
        (ids, entropy): (&Ids, &Entropy),
        clock: &dyn Clock,
        by: &str,
    ) -> Result<String, InstallError> {
        let text = Token::text(&entropy.bytes());
        // First the file, then the hash: if the process dies in between, the next start makes a new one.
        let path = self.folder.join(ADMIN_TOKEN_FILE);
        write_private(&path, format!("{text}\n").as_bytes())
            .map_err(|error| InstallError::File { path: path.clone(), error })?;
        let now = clock.now();
        let token = Token {
            id: TokenId::new(ids, now),
            name: "admin".to_owned(),
            owner_id: TenantId::shared(),
            rights: Rights::ALL,
            hash: TokenHash::of(&text),
            created_at: now,
            created_by: by.to_owned(),
        };
        let author = Some(Author::server(by, ids, now));
        let put = Transition::of([Change::PutToken(Arc::new(token))]);
        store.commit(Transition { author, ..put }).await?;
        Ok(text)
    }
}

/// The keys of the secrets in `catalogue`, from the file at `path`, which is made if nothing needs it yet.
pub(super) fn open_keyring(path: &Path, catalogue: &Catalogue) -> Result<Keyring, InstallError> {
    let file_error = |error| InstallError::File { path: path.to_owned(), error };
    let keyring = match fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => {
            let keyring = Keyring::parse(&text);
            Some(keyring.map_err(|error| InstallError::SecretsKey { path: path.to_owned(), error })?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(file_error(error)),
    };
    let checked = Secrets::check(keyring.as_ref(), catalogue);
    checked.map_err(|lost| InstallError::KeyLost { path: path.to_owned(), lost })?;
    let Some(keyring) = keyring else {
        let keyring = Keyring::new(random()?);
        save_keyring(path, &keyring).map_err(file_error)?;
        return Ok(keyring);
    };
    let mode = fs::metadata(path).map_err(file_error)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let mode = format!("{mode:o}");
        tracing::warn!(path = %path.display(), mode, "the keys of the secrets are open to others than their owner");
    }
    Ok(keyring)
}

/// Writes the keys; when this returns they are on the disk.
pub(super) fn save_keyring(path: &Path, keyring: &Keyring) -> io::Result<()> {
    // The place that a link points to keeps them, not the link's own.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    write_private(&path, keyring.to_text().as_bytes())
}

/// 32 bytes from the operating system.
pub(super) fn random() -> Result<[u8; 32], InstallError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(InstallError::Random)?;
    Ok(bytes)
}

/// Writes a file that only its owner reads, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    // Until the folder is on the disk as well, a power cut brings the old file back.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}
