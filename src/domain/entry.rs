//! What the named things of the catalogue have in common.

use super::{EntryName, TenantId, Timestamp, TokenHash};
use serde::{Deserialize, Serialize};

/// Whose it is, what it is called, and who changed it when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header<I> {
    pub id: I,
    pub owner_id: TenantId,
    pub name: EntryName,
    #[serde(default)]
    pub description: String,
    /// Counts changes, starting at 1; the entity tag of the API.
    pub version: u64,
    pub created_by: String,
    pub created_at: Timestamp,
    pub updated_by: String,
    pub updated_at: Timestamp,
}

impl<I: Clone> Header<I> {
    /// Of something new.
    pub fn new((id, owner_id, name): (I, TenantId, EntryName), by: &str, now: Timestamp) -> Header<I> {
        Header {
            id,
            owner_id,
            name,
            description: String::new(),
            version: 1,
            created_by: by.to_owned(),
            created_at: now,
            updated_by: by.to_owned(),
            updated_at: now,
        }
    }

    /// Of the next version, under this name.
    #[must_use]
    pub fn changed(&self, name: EntryName, by: &str, now: Timestamp) -> Header<I> {
        Header { name, version: self.version + 1, updated_by: by.to_owned(), updated_at: now, ..self.clone() }
    }
}

/// A named thing of the catalogue.
pub trait Entry {
    type Id: Copy + Ord + std::fmt::Display;
    /// What it is in a sentence, such as `source type`.
    const WHAT: &'static str;
    /// The same with its article, such as `a source type`.
    const ARTICLE: &'static str;
    /// Whether a tenant may give it a name that is shared already; its own is meant then.
    const MAY_HIDE_SHARED: bool;

    fn header(&self) -> &Header<Self::Id>;

    /// What it authenticates with, if it does.
    fn credential(&self) -> Option<TokenHash> {
        None
    }
}
