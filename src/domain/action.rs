//! Actions: what to run, and what happens next.

use super::{ActionId, ActionName, LimitsPatch, ModuleRef, Parameter, RetryPolicy, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// One version of an action. Every change makes a new one; a run keeps the one it began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    pub id: ActionId,
    pub owner_id: TenantId,
    pub name: ActionName,
    #[serde(default)]
    pub description: String,
    pub module: ModuleRef,
    pub enabled: bool,
    #[serde(default)]
    pub continue_on_fail: bool,
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    #[serde(default)]
    pub retry: RetryPolicy,
    #[serde(default)]
    pub limits: LimitsPatch,
    /// 1 for the first.
    pub version: u64,
    pub created_by: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Who made this version.
    pub updated_by: String,
}
