//! Secrets: write-only values, encrypted at rest (DESIGN §3.6).

use super::{Entry, Header, SecretId};
use serde::{Deserialize, Serialize};

/// A value that nothing shows; the name is its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    pub header: Header<SecretId>,
    /// The encrypted value, with all that opening it takes but the key.
    pub sealed: Vec<u8>,
}

impl Entry for Secret {
    type Id = SecretId;
    const WHAT: &'static str = "secret";
    const ARTICLE: &'static str = "a secret";
    const MAY_HIDE_SHARED: bool = true;

    fn header(&self) -> &Header<SecretId> {
        &self.header
    }
}
