//! Sink types: execution profiles (DESIGN §3.10).

use super::{Entry, Header, Limits, SinkTypeId};
use serde::{Deserialize, Serialize};

/// The limits under which actions run, and how many at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkType {
    pub header: Header<SinkTypeId>,
    pub limits: Limits,
    /// Runs at once; `None` leaves it to the server's own bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

impl Entry for SinkType {
    type Id = SinkTypeId;
    const WHAT: &'static str = "sink type";
    const ARTICLE: &'static str = "a sink type";
    const MAY_HIDE_SHARED: bool = false;

    fn header(&self) -> &Header<SinkTypeId> {
        &self.header
    }
}
