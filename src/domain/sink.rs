//! Sinks: executors of runs (DESIGN §3.10).

use super::{Entry, EntryName, Header, SinkId};
use serde::{Deserialize, Serialize};

/// One executor, which takes runs of some sink types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sink {
    pub header: Header<SinkId>,
    /// Empty takes runs of every type.
    #[serde(default)]
    pub sink_types: Vec<EntryName>,
    pub enabled: bool,
}

impl Entry for Sink {
    type Id = SinkId;
    const WHAT: &'static str = "sink";
    const ARTICLE: &'static str = "a sink";
    const MAY_HIDE_SHARED: bool = true;

    fn header(&self) -> &Header<SinkId> {
        &self.header
    }
}
