//! Schedules: event types that fire by time (DESIGN §3.10).

use super::{Entry, EventId, EventTypeName, Header, Json, ObjectRef, ScheduleId, Timestamp};
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
    pub timing: Timing,
    /// `None` when it will not fire any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// The last event it fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Firing>,
}

/// At which times a schedule fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// Whenever a clock in the time zone (a name of the IANA database) shows what the expression asks for.
    Cron { expression: String, timezone: String },
    /// Once.
    At(Timestamp),
}

/// What a schedule did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// When it fired, which is later than the time it fired for when the server was down then.
    pub at: Timestamp,
    pub event_id: EventId,
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
