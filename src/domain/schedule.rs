//! Schedules: event types that fire by time (DESIGN §3.10).

use super::{Entry, EventTypeName, Header, Json, ObjectRef, ScheduleId, Timestamp};
use serde::{Deserialize, Serialize};

/// Fires an event type again and again, or once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    pub header: Header<ScheduleId>,
    pub event_type: EventTypeName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    pub payload: Json,
    pub enabled: bool,
    /// `None` when it will not fire any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

impl Entry for Schedule {
    type Id = ScheduleId;
    const WHAT: &'static str = "schedule";
    const ARTICLE: &'static str = "a schedule";
    const MAY_HIDE_SHARED: bool = true;

    fn header(&self) -> &Header<ScheduleId> {
        &self.header
    }
}
