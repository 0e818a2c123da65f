//! Sink types: execution profiles (DESIGN §3.10).

use super::{AllowedHost, Entry, EntryName, Header, LIMITS_WASM, Limits, SinkTypeId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// The limits under which actions run, and how many at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkType {
    pub header: Header<SinkTypeId>,
    pub limits: Limits,
    /// Runs at once; `None` leaves it to the server's own bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Where its runs may send HTTP requests, as far as their action also allows it; empty for nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_hosts: Vec<AllowedHost>,
}

impl SinkType {
    /// The name of the built-in one. Nobody else's is called so.
    pub const WASM: &str = "wasm";
    /// Its id, which sorts before all others.
    pub const WASM_ID: SinkTypeId = SinkTypeId::from_bytes([0; 16]);

    /// The built-in one, which serves when nothing else is named. It is in no file.
    pub fn wasm() -> SinkType {
        let name: EntryName = Self::WASM.parse().unwrap_or_else(|error| panic!("{error}"));
        let header = Header::new((Self::WASM_ID, TenantId::shared(), name), "fusebox", Timestamp::from_ms(0));
        SinkType {
            header: Header { description: "Built in".to_owned(), ..header },
            limits: LIMITS_WASM,
            concurrency: None,
            // What a server lets it have besides is a matter of the server.
            allowed_hosts: Vec::new(),
        }
    }

    /// What its runs count as where permits are given.
    pub fn profile(&self) -> Option<SinkTypeId> {
        (!self.is_built_in()).then_some(self.header.id)
    }

    pub fn is_built_in(&self) -> bool {
        self.header.id == Self::WASM_ID
    }
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
