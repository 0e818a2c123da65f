//! Events: one firing of an event type.

use super::{
    EventId, EventTypeId, Flow, Json, Lineage, ObjectRef, Reason, RunId, ScheduleId, SourceId, State, TenantId,
    Timestamp,
};
use serde::{Deserialize, Serialize};

/// What made an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A caller of the API.
    Api,
    /// The examples of `serve --demo` of earlier versions; by now it fires as a caller of the API.
    Demo,
    /// A run whose action names what follows.
    Chain,
    Schedule,
    /// Somebody who asked for an earlier event once more.
    Replay,
    /// An action tried by hand.
    Test,
    /// A source with its own credential.
    Source,
    /// A signed request of another system.
    Webhook,
}

/// What an event goes back to, when that is not a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A schedule, and the time it fired for: earlier than the event when the server was down then.
    Schedule { id: ScheduleId, due_at: Timestamp },
    /// An earlier event, or only that run of it.
    Replay { event: EventId, run: Option<RunId> },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    pub owner_id: TenantId,
    pub event_type_id: EventTypeId,
    /// The display name when it fired; history keeps the names it had.
    pub event_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// How far it reached among the objects.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub flow: Flow,
    pub payload: Json,
    /// The attributes of the CloudEvent that fired it, as an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloudevent: Option<Json>,
    /// None of its runs starts before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    pub origin: Origin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// A sentence for people; empty while there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<EventId>,
    pub root_id: EventId,
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub depth: u32,
    /// Where it comes from when a run fired it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Box<Lineage>>,
    /// The name of the token or the source that fired it.
    pub created_by: String,
    /// The source that fired it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<SourceId>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The plan: its runs in the order in which they run.
    pub runs: Vec<RunId>,
}

impl Event {
    /// The first of its runs starts. Nothing changes when it already did.
    pub fn start(&mut self, now: Timestamp) {
        if matches!(self.state, State::Queued | State::Waiting) {
            self.state = State::Running;
            self.started_at = Some(now);
        }
    }

    /// Nothing of it can start before a later time. Nothing changes when something did.
    pub fn wait(&mut self) {
        if self.state == State::Queued {
            self.state = State::Waiting;
        }
    }

    /// Ends the event; an ended one stays as it is, terminal states are final.
    pub fn end(&mut self, state: State, reason: Option<Reason>, message: String, now: Timestamp) {
        debug_assert!(state.is_terminal(), "{state} does not end an event");
        if !self.state.is_terminal() {
            self.state = state;
            self.reason = reason;
            self.message = message;
            self.ended_at = Some(now);
        }
    }
}
