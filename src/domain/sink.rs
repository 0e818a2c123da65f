//! Sinks: executors of runs (DESIGN §3.10).

use super::{Entry, EntryName, Header, SinkId, SinkType, TenantId, Timestamp};
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

impl Sink {
    /// The name of the built-in one.
    pub const LOCAL: &str = "local";
    /// Its id, which sorts before all others.
    pub const LOCAL_ID: SinkId = SinkId::from_bytes([0; 16]);

    /// This server, as it is unless a record of the same id says otherwise.
    pub fn local() -> Sink {
        let name: EntryName = Self::LOCAL.parse().unwrap_or_else(|error| panic!("{error}"));
        let header = Header::new((Self::LOCAL_ID, TenantId::shared(), name), "fusebox", Timestamp::from_ms(0));
        Sink {
            header: Header { description: "This server".to_owned(), ..header },
            sink_types: Vec::new(),
            enabled: true,
        }
    }

    pub fn is_built_in(&self) -> bool {
        self.header.id == Self::LOCAL_ID
    }

    /// Whether runs of this sink type begin here. A list names shared types; what a tenant has for itself is taken by
    /// those that take everything.
    pub fn takes(&self, sink_type: &SinkType) -> bool {
        let is_named = |name: &EntryName| name.folded() == sink_type.header.name.folded();
        let is_listed = || sink_type.header.owner_id.is_shared() && self.sink_types.iter().any(is_named);
        self.enabled && (self.sink_types.is_empty() || is_listed())
    }
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
