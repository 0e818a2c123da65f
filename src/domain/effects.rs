//! What an attempt wants done when it has succeeded, and not otherwise.

use super::{EventTypeName, Json, KvScope, KvWrite, ObjectRef};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The last write of each key, with what the first asks of what was there before the attempt.
    pub writes: BTreeMap<(KvScope, String), KvWrite>,
    /// In the order in which they were emitted.
    pub events: Vec<Emitted>,
}

/// An event that an attempt fires besides what follows its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    pub event_type: EventTypeName,
    pub payload: Json,
    /// `None` for the object of the run's own event.
    pub object: Option<ObjectRef>,
}
