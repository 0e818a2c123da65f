//! Objects: things in the user's world that triggers fire on.

use super::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A reference to an object, such as `public.bookable` / `42`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct ObjectRef {
    pub object_type: String,
    pub object_id: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ObjectRefError {
    #[error("an object type has 1 to 64 letters, digits, `_`, `.` and `-`")]
    Type,
    #[error("an object id has 1 to 256 bytes, none of them a control character")]
    Id,
}

impl ObjectRef {
    /// # Errors
    /// The type or the id is empty, too long or has characters that would not survive a URL or a log line.
    pub fn new(object_type: String, object_id: String) -> Result<ObjectRef, ObjectRefError> {
        let type_byte = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if object_type.is_empty() || object_type.len() > 64 || !object_type.bytes().all(type_byte) {
            return Err(ObjectRefError::Type);
        }
        if object_id.is_empty() || object_id.len() > 256 || object_id.chars().any(char::is_control) {
            return Err(ObjectRefError::Id);
        }
        Ok(ObjectRef { object_type, object_id })
    }
}

/// What a tenant registered about an object. One that nobody registered has no parents and is fine as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRecord {
    pub owner_id: TenantId,
    pub object: ObjectRef,
    #[serde(default)]
    pub name: String,
    /// Its scopes: the objects right above it.
    pub parents: Vec<ObjectRef>,
    /// Counts changes, starting at 1; the entity tag of the API.
    pub version: u64,
    pub created_by: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.object_type, self.object_id)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    object_type: String,
    object_id: String,
}

impl TryFrom<Unchecked> for ObjectRef {
    type Error = ObjectRefError;

    fn try_from(raw: Unchecked) -> Result<ObjectRef, ObjectRefError> {
        ObjectRef::new(raw.object_type, raw.object_id)
    }
}
