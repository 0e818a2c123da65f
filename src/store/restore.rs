//! Reading a backup back: to see whether it is whole, or into a new file.

use super::backup::{Backup, BackupDigest, END, ENTRY, Header, MAGIC, TABLE};
use super::codec::decode;
use redb::{Database, TableDefinition};
use std::io::{self, Read};
use std::path::Path;

/// Bounds of what a length may say, so that a damaged one is not believed. What the store has is far smaller.
const HEADER_BYTES_MAX: u32 = 64 << 10;
const KEY_BYTES_MAX: u32 = 64 << 10;
const VALUE_BYTES_MAX: u32 = 1 << 30;
/// What is gathered for one commit of the new file.
const COMMIT_BYTES: usize = 16 << 20;

/// Why a backup could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("it is not a backup of this program, or one of a newer format")]
    NotABackup,
    #[error("it breaks off: its end is missing")]
    Truncated,
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    #[error("the new file cannot be written: {0}")]
    Write(Box<redb::Error>),
}

macro_rules! write_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for RestoreError {
            fn from(error: $error) -> RestoreError {
                RestoreError::Write(Box::new(error.into()))
            }
        })*
    };
}

write_errors!(redb::DatabaseError, redb::TransactionError, redb::TableError, redb::StorageError, redb::CommitError);

/// Reads a backup to its end and says what it is; it is whole then.
///
/// # Errors
/// It is not whole, or cannot be read.
pub fn verify_backup(from: impl Read) -> Result<Backup, RestoreError> {
    read(from, |_| Ok(()))
}

/// Makes a file for [`super::Store::open`] out of a backup. There must be none at `path`; one that is left behind by a
/// failure is of no use.
///
/// # Errors
/// The backup is not whole, or the file cannot be written.
pub fn restore_backup(from: impl Read, path: &Path) -> Result<Backup, RestoreError> {
    let mut filling = Filling { db: Database::create(path)?, table: String::new(), waiting: Vec::new(), size_bytes: 0 };
    let backup = read(from, |part| filling.take(part))?;
    filling.write()?;
    Ok(backup)
}

enum Part<'a> {
    Table(String),
    Entry(&'a [u8], &'a [u8]),
}

/// A new file into which tables are written one after the other.
struct Filling {
    db: Database,
    table: String,
    waiting: Vec<(Vec<u8>, Vec<u8>)>,
    size_bytes: usize,
}

impl Filling {
    fn take(&mut self, part: Part<'_>) -> Result<(), RestoreError> {
        match part {
            Part::Table(name) => {
                self.write()?;
                self.table = name;
            }
            Part::Entry(key, value) => {
                self.size_bytes += key.len() + value.len();
                self.waiting.push((key.to_vec(), value.to_vec()));
                if self.size_bytes >= COMMIT_BYTES {
                    self.write()?;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), RestoreError> {
        self.size_bytes = 0;
        let waiting = std::mem::take(&mut self.waiting);
        if self.table.is_empty() {
            return Ok(());
        }
        let tx = self.db.begin_write()?;
        {
            let mut table = tx.open_table(TableDefinition::<&[u8], &[u8]>::new(&self.table))?;
            for (key, value) in &waiting {
                table.insert(key.as_slice(), value.as_slice())?;
            }
        }
        Ok(tx.commit()?)
    }
}

/// Reads a backup part by part and compares its end with what was read.
fn read(from: impl Read, mut visit: impl FnMut(Part<'_>) -> Result<(), RestoreError>) -> Result<Backup, RestoreError> {
    let mut from = Hashing { from, hasher: blake3::Hasher::new(), size_bytes: 0 };
    let header = header(&mut from)?;
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let (mut in_table, mut entries) = (false, 0_u64);
    loop {
        match from.array::<1>()? {
            [TABLE] => {
                let length = u32::from(u16::from_be_bytes(from.array()?));
                from.fill(&mut key, length)?;
                let name = String::from_utf8(key.clone()).ok().filter(|name| !name.is_empty());
                visit(Part::Table(name.ok_or(RestoreError::Damaged("a table has no name"))?))?;
                in_table = true;
            }
            [ENTRY] if in_table => {
                let (key_bytes, value_bytes) = (u32::from_be_bytes(from.array()?), u32::from_be_bytes(from.array()?));
                if key_bytes > KEY_BYTES_MAX || value_bytes > VALUE_BYTES_MAX {
                    return Err(RestoreError::Damaged("an entry is larger than any that was written"));
                }
                from.fill(&mut key, key_bytes)?;
                from.fill(&mut value, value_bytes)?;
                visit(Part::Entry(&key, &value))?;
                entries += 1;
            }
            [END] => break,
            _ => return Err(RestoreError::Damaged("there is something in it that no backup has")),
        }
    }
    let counted = u64::from_be_bytes(from.array()?);
    let digest = BackupDigest(*from.hasher.finalize().as_bytes());
    if from.array::<32>()? != digest.0 || counted != entries {
        return Err(RestoreError::Damaged("its digest is another than that of what it has"));
    }
    let size_bytes = from.size_bytes;
    match from.array::<1>() {
        Err(RestoreError::Truncated) => {}
        Err(error) => return Err(error),
        Ok(_) => return Err(RestoreError::Damaged("something follows its end")),
    }
    Ok(Backup { made_at: header.made_at, program: header.program, entries, size_bytes, digest })
}

fn header(from: &mut Hashing<impl Read>) -> Result<Header, RestoreError> {
    let magic = from.array().map_err(|error| match error {
        RestoreError::Truncated => RestoreError::NotABackup,
        error => error,
    })?;
    if magic != *MAGIC {
        return Err(RestoreError::NotABackup);
    }
    let length = u32::from_be_bytes(from.array()?);
    if length > HEADER_BYTES_MAX {
        return Err(RestoreError::Damaged("its header is too large"));
    }
    let mut record = Vec::new();
    from.fill(&mut record, length)?;
    decode("header", &record).map_err(|_| RestoreError::Damaged("its header cannot be read"))
}

/// Hashes and counts what goes through.
struct Hashing<R> {
    from: R,
    hasher: blake3::Hasher,
    size_bytes: u64,
}

impl<R: Read> Hashing<R> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], RestoreError> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => RestoreError::Truncated,
            _ => RestoreError::Read(error),
        })?;
        self.saw(&bytes);
        Ok(bytes)
    }

    /// Reads `length` bytes; room is made only for those that are there.
    fn fill(&mut self, bytes: &mut Vec<u8>, length: u32) -> Result<(), RestoreError> {
        bytes.clear();
        (&mut self.from).take(u64::from(length)).read_to_end(bytes).map_err(RestoreError::Read)?;
        if bytes.len() != length as usize {
            return Err(RestoreError::Truncated);
        }
        self.saw(bytes);
        Ok(())
    }

    fn saw(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }
}
