//! Source types: kinds of event producers (DESIGN §3.10).

use super::{Entry, Header, SourceTypeId};
use serde::{Deserialize, Serialize};

/// What event types name as who may fire them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceType {
    pub header: Header<SourceTypeId>,
}

impl Entry for SourceType {
    type Id = SourceTypeId;
    const WHAT: &'static str = "source type";
    const ARTICLE: &'static str = "a source type";
    const MAY_HIDE_SHARED: bool = false;

    fn header(&self) -> &Header<SourceTypeId> {
        &self.header
    }
}
