//! Sources: event producers with credentials of their own (DESIGN §3.10).

use super::{Entry, Header, SourceId, SourceTypeId, TokenHash, Webhook};
use serde::{Deserialize, Serialize};

/// One producer; it fires only event types of its source type, and does nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub header: Header<SourceId>,
    pub source_type: SourceTypeId,
    pub enabled: bool,
    /// Of its own token; `None` while it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<TokenHash>,
    /// How its deliveries are verified and read, when it is a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

impl Source {
    /// The text of a new token of a source, made from random bytes. Its prefix is not that of other tokens, so that a
    /// leaked one is known for what little it can do.
    pub fn token(random: &[u8; 32]) -> String {
        format!("fbs_{}", data_encoding::BASE64URL_NOPAD.encode(random))
    }
}

impl Entry for Source {
    type Id = SourceId;
    const WHAT: &'static str = "source";
    const ARTICLE: &'static str = "a source";
    const MAY_HIDE_SHARED: bool = true;

    fn header(&self) -> &Header<SourceId> {
        &self.header
    }

    fn credential(&self) -> Option<TokenHash> {
        self.hash
    }
}
