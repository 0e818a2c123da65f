//! Attachments: actions bound to objects (DESIGN §3.3).

use super::{Action, ActionId, AttachmentId, Digest, Json, ObjectRef, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// The binding of an action to an object; one per owner, action and object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub id: AttachmentId,
    pub action_id: ActionId,
    pub object: ObjectRef,
    /// Whose events it serves; the shared tenant's serve everybody's.
    pub owner_id: TenantId,
    /// What the action gets as its `input`.
    pub input: Json,
    #[serde(default)]
    pub reason: String,
    /// Higher runs earlier.
    #[serde(default)]
    pub priority: i32,
    /// Whether events on objects above and below reach it.
    #[serde(default = "yes")]
    pub inherits: bool,
    /// What it runs; without one it follows the newest version.
    #[serde(default)]
    pub pin: Option<Pin>,
    /// Counts changes, starting at 1; the entity tag of the API.
    pub version: u64,
    pub created_by: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What was agreed to when an attachment was made: a version of the action, and the code it meant then. A version alone
/// would not be enough, since it may name its module without a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pin {
    pub version: u64,
    pub module: Digest,
}

fn yes() -> bool {
    true
}

impl Action {
    /// Whether an attachment of `owner` may run it: its own, a shared one, or one that its owner made public.
    pub fn may_be_attached_by(&self, owner: &TenantId) -> bool {
        self.owner_id == *owner || self.owner_id.is_shared() || self.public
    }

    /// Whether for `owner` it is another tenant's. What the platform shares is nobody else's.
    pub fn is_foreign_to(&self, owner: &TenantId) -> bool {
        self.owner_id != *owner && !self.owner_id.is_shared()
    }
}
