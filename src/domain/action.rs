//! Actions: what to run, and what happens next.

use super::{
    ActionId, ActionName, AllowedHost, EventTypeName, Json, LimitsPatch, ModuleRef, Parameter, RetryPolicy, SourceCode,
    TenantId, Timestamp, When,
};
use serde::{Deserialize, Serialize};

/// One version of an action. Every change makes a new one; a run keeps the one it began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    pub id: ActionId,
    pub owner_id: TenantId,
    pub name: ActionName,
    #[serde(default)]
    pub description: String,
    /// What it runs; `None` when it has source code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleRef>,
    /// The source code that it runs instead of a module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceCode>,
    pub enabled: bool,
    /// The event type that runs it where it is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<EventTypeName>,
    /// Whether other tenants may attach it.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub public: bool,
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub dedup_mode: DedupMode,
    /// The schema of its input as it was sent, see [`super::full_input_schema`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Json>,
    #[serde(default)]
    pub continue_on_fail: bool,
    /// The event type that fires when it has succeeded, by its name in the tenant of the run (DESIGN §3.9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_success: Option<EventTypeName>,
    /// The same for when it has failed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<EventTypeName>,
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    #[serde(default)]
    pub retry: RetryPolicy,
    #[serde(default)]
    pub limits: LimitsPatch,
    /// Where it may send HTTP requests, as far as its sink type also allows it; empty for nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_hosts: Vec<AllowedHost>,
    /// Puts its runs off to a time in the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// 1 for the first.
    pub version: u64,
    pub created_by: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Who made this version.
    pub updated_by: String,
}

/// Within what a second run in flight counts as a duplicate (DESIGN §3.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DedupMode {
    #[default]
    PerAttachment,
    PerAction,
}
