//! A backup: every table as of one commit, as a stream of bytes that is written while the store goes on.
//!
//! The stream says nothing of how the file is laid out, so it outlives a change of that. Numbers are big-endian:
//!
//! | part | what it has |
//! | --- | --- |
//! | magic | [`MAGIC`] |
//! | header | length (4), a record of [`super::codec`]: [`Header`] |
//! | table | [`TABLE`], length (2), name |
//! | entry of the table before | [`ENTRY`], length of the key (4), length of the value (4), key, value |
//! | end | [`END`], number of entries (8), BLAKE3 of everything before it (32) |
//!
//! The end proves that nothing is missing: what breaks off, at whatever byte, has none.

use super::codec::encode;
use super::{ReadError, Store};
use crate::domain::Timestamp;
use redb::{ReadableDatabase, ReadableTable, TableDefinition, TableHandle};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, Write};

/// The last digit is the version of this format.
pub(super) const MAGIC: &[u8; 17] = b"fusebox backup 1\n";
pub(super) const TABLE: u8 = 1;
pub(super) const ENTRY: u8 = 2;
pub(super) const END: u8 = 3;

/// What is known of a backup before its tables are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) made_at: Timestamp,
    /// The version of the program that wrote it.
    pub(super) program: String,
}

/// A backup that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub made_at: Timestamp,
    /// The version of the program that wrote it.
    pub program: String,
    pub entries: u64,
    pub size_bytes: u64,
    pub digest: BackupDigest,
}

/// BLAKE3 of a backup up to the digest itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BackupDigest(pub(super) [u8; 32]);

impl fmt::Display for BackupDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for BackupDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a backup was not written to its end.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Whoever takes the bytes takes no more.
    #[error("the backup could not be written: {0}")]
    Write(#[from] io::Error),
}

macro_rules! read_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for BackupError {
            fn from(error: $error) -> BackupError {
                BackupError::Read(error.into())
            }
        })*
    };
}

read_errors!(redb::TransactionError, redb::TableError, redb::StorageError);

impl Store {
    /// Writes a backup: everything that was acknowledged before this was called, and nothing by half. Blocks until it
    /// is written; other reads and writes go on. As long as it takes, the file grows by what is changed meanwhile.
    ///
    /// # Errors
    /// See [`BackupError`]; what was written then is no backup.
    pub fn back_up(&self, made_at: Timestamp, to: impl Write) -> Result<Backup, BackupError> {
        let tx = self.db().begin_read()?;
        let header = Header { made_at, program: env!("CARGO_PKG_VERSION").to_owned() };
        let mut out = Hashing { to, hasher: blake3::Hasher::new(), size_bytes: 0 };
        let record = encode(&header);
        out.write_all(MAGIC)?;
        out.write_all(&length(record.len())?.to_be_bytes())?;
        out.write_all(&record)?;
        // Whatever the file has, tables that only a newer program knows included.
        let mut names: Vec<String> = tx.list_tables()?.map(|table| table.name().to_owned()).collect();
        names.sort_unstable();
        let mut entries = 0_u64;
        for name in &names {
            out.write_all(&[TABLE])?;
            out.write_all(&u16::try_from(name.len()).map_err(io::Error::other)?.to_be_bytes())?;
            out.write_all(name.as_bytes())?;
            let table = tx.open_table(TableDefinition::<&[u8], &[u8]>::new(name))?;
            for entry in table.iter()? {
                let (key, value) = entry?;
                let (key, value) = (key.value(), value.value());
                out.write_all(&[ENTRY])?;
                out.write_all(&length(key.len())?.to_be_bytes())?;
                out.write_all(&length(value.len())?.to_be_bytes())?;
                out.write_all(key)?;
                out.write_all(value)?;
                entries += 1;
            }
        }
        out.write_all(&[END])?;
        out.write_all(&entries.to_be_bytes())?;
        let Hashing { mut to, hasher, size_bytes } = out;
        let digest = BackupDigest(*hasher.finalize().as_bytes());
        to.write_all(&digest.0)?;
        to.flush()?;
        let size_bytes = size_bytes + digest.0.len() as u64;
        Ok(Backup { made_at, program: header.program, entries, size_bytes, digest })
    }
}

fn length(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes).map_err(io::Error::other)
}

/// Hashes and counts what goes through.
struct Hashing<W> {
    to: W,
    hasher: blake3::Hasher,
    size_bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
