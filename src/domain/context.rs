//! What an action is told when it runs.

use super::{EventId, Json, Limits, ObjectRef, RunId, TenantId, Timestamp};
use std::fmt;

/// Where an event stands in its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub root: EventId,
    pub parent: Option<EventId>,
    pub depth: u32,
    /// The outcome of the run that caused the event.
    pub parent_outcome: Option<Json>,
}

/// The context record of the guest contract (`guest-sdk/wit/action.wit`), in the host's own types.
#[derive(Clone, PartialEq, Eq)]
pub struct Context {
    pub run_id: RunId,
    /// 1 for the first attempt.
    pub attempt: u32,
    pub event_id: EventId,
    /// Display name of the event type.
    pub trigger: String,
    pub event_time: Timestamp,
    pub tenant: TenantId,
    pub object: Option<ObjectRef>,
    pub scope: Option<ObjectRef>,
    pub payload: Json,
    /// With the values of secrets.
    pub params: Json,
    pub input: Json,
    pub chain: Chain,
    pub limits: Limits,
    /// The time of the attempt.
    pub now: Timestamp,
    /// 128 random bits of the attempt.
    pub seed: (u64, u64),
}

/// Without its values: among the params are secrets.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Context { run_id, attempt, event_id, .. } = self;
        f.debug_struct("Context")
            .field("run_id", run_id)
            .field("attempt", attempt)
            .field("event_id", event_id)
            .finish_non_exhaustive()
    }
}
