//! The audit log: who did what, when, and what it was before and after (DESIGN §10).

use super::{AuditId, Ids, Json, RequestId, SourceId, TenantId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

/// Who changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// `None` when it is a source, or the server itself.
    pub token: Option<TokenId>,
    pub source: Option<SourceId>,
    /// The name of the token when it was used.
    pub name: String,
    pub tenant: TenantId,
    pub request: Option<RequestId>,
    pub at: Timestamp,
    /// The id of the first entry that this leaves in the audit log; further ones count on from it.
    pub entry: AuditId,
}

impl Author {
    /// The server itself, in the name of `what`, such as its first start.
    pub fn server(what: &str, ids: &Ids, now: Timestamp) -> Author {
        Author {
            token: None,
            source: None,
            name: what.to_owned(),
            tenant: TenantId::shared(),
            request: None,
            at: now,
            entry: AuditId::new(ids, now),
        }
    }
}

/// What was done to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    Created,
    Changed,
    Deleted,
    Paused,
    Resumed,
    Cancelled,
    Replayed,
    BackedUp,
    Rotated,
    /// Somebody asked for what it may not do.
    Refused,
}

/// What is no change of the catalogue and belongs into the audit log all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Whose log it goes to.
    pub owner_id: TenantId,
    pub deed: Deed,
    /// What it was done to, as routes call it, such as `event-type`.
    pub kind: &'static str,
    pub subject_id: String,
    /// Its name at the time.
    pub subject: String,
    /// A sentence for people.
    pub note: String,
}

impl Noted {
    /// Of something that is the platform's and has no name.
    pub fn of(deed: Deed, kind: &'static str, subject_id: &str) -> Noted {
        let (subject_id, subject, note) = (subject_id.to_owned(), String::new(), String::new());
        Noted { owner_id: TenantId::shared(), deed, kind, subject_id, subject, note }
    }
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub id: AuditId,
    /// Whose thing it was done to.
    pub owner_id: TenantId,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceId>,
    pub by: String,
    /// The tenant of who did it.
    pub by_tenant: TenantId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    pub deed: Deed,
    pub kind: String,
    pub subject_id: String,
    pub subject: String,
    /// The record before, without what nobody may read; `None` when it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Json>,
    /// Members of `before` and `after` that were too large to keep and are null there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}
