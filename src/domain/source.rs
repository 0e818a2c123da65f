//! Sources: event producers with credentials of their own (DESIGN §3.10).

use super::{Entry, Header, SourceId, SourceTypeId, TokenHash};
use serde::{Deserialize, Serialize};

/// One producer; it fires only event types of its source type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub header: Header<SourceId>,
    pub source_type: SourceTypeId,
    pub enabled: bool,
    /// Of its own token; `None` when it has none, because it is a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<TokenHash>,
}

impl Entry for Source {
    type Id = SourceId;
    const WHAT: &'static str = "source";
    const ARTICLE: &'static str = "a source";
    const MAY_HIDE_SHARED: bool = true;

    fn header(&self) -> &Header<SourceId> {
        &self.header
    }
}
