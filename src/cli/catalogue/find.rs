//! Which files a folder has, and that they are what they seem: files, in the folder, of a size for people.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Folders within folders.
const DEPTH_MAX: usize = 32;
/// Files of a catalogue; each kind of thing has fewer on a server.
const FILES_MAX: usize = 100_000;
/// A file that is longer was not written to be read; a server takes no document of all files that is longer than 32 MiB.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// More than any server takes.
const MODULE_BYTES_MAX: u64 = 256 << 20;

/// A folder and the files in it.
pub(super) struct Folder {
    shown: PathBuf,
    /// Without links, to tell what lies in it.
    root: PathBuf,
}

impl Folder {
    pub(super) fn open(folder: &Path) -> Result<Folder> {
        let root = fs::canonicalize(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        Ok(Folder { shown: folder.to_owned(), root })
    }

    pub(super) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Files of catalogues, in the order of their paths. What is hidden is somebody else's.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        self.find(&self.shown, DEPTH_MAX, &mut found)?;
        if found.is_empty() {
            bail!("{} has no .yaml, .yml or .json files", self.shown.display());
        }
        Ok(found)
    }

    fn find(&self, folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
        let shown = folder.display();
        if depth == 0 {
            bail!("{shown} lies more than {DEPTH_MAX} folders deep");
        }
        let entries = fs::read_dir(folder).with_context(|| format!("{shown} cannot be read"))?;
        let mut entries = entries.collect::<Result<Vec<_>, _>>().with_context(|| format!("{shown} cannot be read"))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries.iter().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b".")) {
            let path = entry.path();
            let kind = entry.file_type().with_context(|| format!("{} cannot be read", path.display()))?;
            let is_link = kind.is_symlink();
            if is_link && path.is_dir() {
                // Left out without a word, `--prune` would delete what is there.
                bail!("{} is a link to a folder; only a file may be one", path.display());
            }
            if kind.is_dir() {
                self.find(&path, depth - 1, found)?;
            } else if is_of_a_catalogue(&path) {
                if found.len() == FILES_MAX {
                    bail!("{} has more than {FILES_MAX} files", self.shown.display());
                }
                found.push(path);
            }
        }
        Ok(())
    }

    /// The text of a file that was found here.
    pub(super) fn text(&self, path: &Path) -> Result<String> {
        self.check(path, FILE_BYTES_MAX)?;
        fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
    }

    /// A component that a file here names.
    pub(super) fn component(&self, path: &Path) -> Result<Vec<u8>> {
        self.check(path, MODULE_BYTES_MAX)?;
        fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
    }

    /// A path may say that it leads elsewhere; a link that hides it is none of the folder's.
    fn check(&self, path: &Path, bytes_max: u64) -> Result<()> {
        let shown = path.display();
        let real = fs::canonicalize(path).with_context(|| format!("{shown} cannot be read"))?;
        let file = fs::metadata(&real).with_context(|| format!("{shown} cannot be read"))?;
        if !file.is_file() {
            bail!("{shown} is not a file");
        }
        if file.len() > bytes_max {
            bail!("{shown} has {} bytes, and at most {bytes_max} are read", file.len());
        }
        if plain(path)?.starts_with(plain(&self.shown)?) && !real.starts_with(&self.root) {
            bail!("{shown} is a link to {}, which is not in {}", real.display(), self.shown.display());
        }
        Ok(())
    }
}

fn is_of_a_catalogue(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| ["yaml", "yml", "json"].contains(&extension))
}

/// The whole path without `..`, as it is written: no link is followed.
fn plain(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
    let mut plain = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    Ok(plain)
}
