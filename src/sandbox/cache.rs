//! Compiled components on disk. Loading one is trusting it with the process, so each has a keyed MAC beside it and is
//! loaded only if this installation made it: whatever is torn, tampered with or foreign is compiled again.
//!
//! The only `unsafe` of the crate is here.

use crate::domain::Digest;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The folder of artifacts: `<digest>.cwasm` with `<digest>.mac`. Everything in it can be made again.
pub(super) struct Artifacts {
    folder: PathBuf,
    key: [u8; 32],
}

/// Files of this ending are being written, or were when the process ended.
const UNFINISHED: &str = "tmp";

#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("there is no compiled module: {0}")]
    Absent(io::Error),
    #[error("the compiled module was damaged, or another installation made it")]
    NotOurs,
    #[error("the compiled module does not suit this version: {0:#}")]
    Unfit(wasmtime::Error),
}

impl LoadError {
    fn absent(error: io::Error) -> LoadError {
        LoadError::Absent(error)
    }
}

impl Artifacts {
    /// Opens the folder, makes it if it is not there, and removes what an earlier process left unfinished.
    pub(super) fn open(folder: PathBuf, key: [u8; 32]) -> io::Result<Artifacts> {
        std::fs::create_dir_all(&folder)?;
        // The compiling child is told these paths.
        let folder = folder.canonicalize()?;
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == UNFINISHED) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(Artifacts { folder, key })
    }

    /// An empty file for an artifact that is about to be made; removed when dropped unless it is kept.
    pub(super) fn unfinished(&self) -> io::Result<tempfile::TempPath> {
        let file = tempfile::Builder::new().suffix(&format!(".{UNFINISHED}")).tempfile_in(&self.folder)?;
        Ok(file.into_temp_path())
    }

    /// Takes the artifact that the compiling child wrote for the component `digest`.
    ///
    /// Nothing is synced: what a power cut tears fails its MAC.
    pub(super) fn keep(&self, digest: &Digest, made: tempfile::TempPath) -> io::Result<()> {
        let mac = self.mac(digest, &made)?;
        let mac_made = self.unfinished()?;
        File::create(&mac_made)?.write_all(mac.as_bytes())?;
        made.persist(self.path(digest, "cwasm"))?;
        mac_made.persist(self.path(digest, "mac"))?;
        Ok(())
    }

    /// The component of `digest`.
    ///
    /// # Errors
    /// There is no artifact, or none to trust, or it does not suit this engine; mostly for being another version's.
    #[allow(unsafe_code)]
    pub(super) fn load(&self, engine: &Engine, digest: &Digest) -> Result<Component, LoadError> {
        let path = self.path(digest, "cwasm");
        let mac = std::fs::read(self.path(digest, "mac")).map_err(LoadError::absent)?;
        let Ok(expected) = <[u8; 32]>::try_from(mac) else { return Err(LoadError::NotOurs) };
        // `Hash` compares in constant time.
        if self.mac(digest, &path).map_err(LoadError::absent)? != blake3::Hash::from_bytes(expected) {
            return Err(LoadError::NotOurs);
        }
        // SAFETY: the file holds what `Component::serialize` of this program gave: only the holder of the key could
        // have made its MAC, and the key never leaves the server's process. It is mapped after it was checked: nothing
        // here writes to a file in place (they are made under another name), and a foreign process that may write to
        // the server's data could read the key as well.
        unsafe { Component::deserialize_file(engine, &path) }.map_err(LoadError::Unfit)
    }

    /// Forgets a component that is no longer needed.
    pub(super) fn remove(&self, digest: &Digest) -> io::Result<()> {
        for extension in ["mac", "cwasm"] {
            match std::fs::remove_file(self.path(digest, extension)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Covers which component it is, too: a valid artifact under another's name is not valid.
    fn mac(&self, digest: &Digest, artifact: &Path) -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(b"fusebox artifact 1");
        hasher.update(digest.as_bytes());
        hasher.update_reader(File::open(artifact)?)?;
        Ok(hasher.finalize())
    }

    fn path(&self, digest: &Digest, extension: &str) -> PathBuf {
        self.folder.join(digest.hex()).with_extension(extension)
    }
}
