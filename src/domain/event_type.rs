//! Event types: named triggers.

use super::{
    ActionId, DedupWindow, EventTypeId, EventTypeName, Flow, Json, Parameter, SourceTypeId, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventType {
    pub id: EventTypeId,
    pub owner_id: TenantId,
    pub display_name: EventTypeName,
    #[serde(default)]
    pub description: String,
    /// The execution profile.
    pub sink_type: String,
    /// Whose sources may fire it; `None` lets everybody who may fire at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_type: Option<SourceTypeId>,
    /// The action that runs first whenever this fires.
    pub action: Option<ActionId>,
    pub enabled: bool,
    /// Its events are accepted and held: nothing of them begins until it is resumed.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub paused: bool,
    /// How far its events reach among the objects.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub flow: Flow,
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// A JSON Schema (draft 2020-12) that payloads must follow.
    #[serde(default)]
    pub payload_schema: Option<Json>,
    /// How long its events are accepted once.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub dedup_window_s: DedupWindow,
    /// Counts changes, starting at 1; the entity tag of the API.
    pub version: u64,
    pub created_by: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}
