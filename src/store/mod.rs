//! The memory of Fusebox: one file, all state, every change durable before it is acknowledged.
//!
//! Writing is handing in a [`Transition`]; reading is a method of [`Store`]. The catalogue is also held in memory
//! ([`Store::catalogue`]). Nothing outside knows that the file is redb's. It does not know what a run means, or Wasm.

mod audit;
mod backup;
mod batch;
mod bounds;
mod catalogue;
mod changes;
mod check;
mod codec;
mod dump;
mod executed;
mod followed;
mod known;
mod kv;
mod locking;
mod mentions;
mod named;
mod once;
mod open;
mod places;
mod read;
mod references;
mod restore;
mod retention;
mod schema;
mod scopes;
mod tally;
mod tenants;
mod timetable;
mod transition;
mod writer;

pub use audit::AuditQuery;
pub use backup::{Backup, BackupDigest, BackupError};
pub use bounds::CatalogueBounds;
pub use catalogue::Catalogue;
pub use changes::{Changes, Notice, Subject, Watched};
pub use followed::{Followed, Way};
pub use kv::ExpiredValue;
pub use mentions::Mention;
pub use named::{Named, NamedBounds, NamedId, Registry};
pub use once::Expired;
pub use open::{Config, OpenError, Store};
pub use places::{Channel, Spot};
pub use read::{Page, Query};
pub use restore::{RestoreError, restore_backup, verify_backup};
pub use retention::{Forget, Seen};
pub use tally::{EventCount, Grain};
pub use tenants::TENANTS_MAX;
pub use transition::{Change, CommitError, Conflict, Expectation, KvChange, LogChunk, Transition};
pub use writer::{OnCommit, WriterStats};

/// Why something could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the table `{table}` has a record that cannot be read: {detail}")]
    Corrupt { table: &'static str, detail: String },
    #[error("the store cannot be read: {0}")]
    Disk(#[from] Box<redb::Error>),
}

macro_rules! disk_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for ReadError {
            fn from(error: $error) -> ReadError {
                ReadError::Disk(Box::new(error.into()))
            }
        })*
    };
}

disk_errors!(redb::TransactionError, redb::TableError, redb::StorageError);
