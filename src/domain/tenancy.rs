//! What the platform lets a tenant do.

use super::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// The record of a tenant. One without a record may do what the defaults say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    pub id: TenantId,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// Switched off, its tokens are refused and nothing new of it runs.
    pub enabled: bool,
    #[serde(default)]
    pub quotas: Quotas,
    /// Days for which its history is kept; `None` leaves it to the server's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Counts changes, starting at 1; the entity tag of the API.
    pub version: u64,
    pub created_by: String,
    pub created_at: Timestamp,
    pub updated_by: String,
    pub updated_at: Timestamp,
}

/// How much a tenant may have of what many share. `None` leaves it to the server's own bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// Events from outside that are accepted in one minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_per_minute: Option<u32>,
    /// Events that wait for a permit or for their time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_events: Option<u32>,
    /// Runs at once; more wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_runs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachments: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedules: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<u32>,
}

/// What of the catalogue is counted for each tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    Actions,
    Attachments,
    Schedules,
    Secrets,
}

impl Counted {
    pub const ALL: [Counted; 4] = [Counted::Actions, Counted::Attachments, Counted::Schedules, Counted::Secrets];

    /// As the quota is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Counted::Actions => "actions",
            Counted::Attachments => "attachments",
            Counted::Schedules => "schedules",
            Counted::Secrets => "secrets",
        }
    }
}

impl Quotas {
    pub const fn of(&self, counted: Counted) -> Option<u32> {
        match counted {
            Counted::Actions => self.actions,
            Counted::Attachments => self.attachments,
            Counted::Schedules => self.schedules,
            Counted::Secrets => self.secrets,
        }
    }
}

/// A quota that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tenant's quota `{quota}` is used up: {used} of {limit}")]
pub struct QuotaExceeded {
    /// As its field is called.
    pub quota: &'static str,
    pub limit: u64,
    pub used: u64,
}
