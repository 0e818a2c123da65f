//! What makes two firings the same (DESIGN §3.5).

use super::{ActionId, AttachmentId, DedupMode, EventTypeId, Json, ObjectRef, TenantId, canonical_json};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A caller's own word for what it fires: two firings with the same one are the same, whatever they carry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallerKey(String);

#[derive(Debug, thiserror::Error)]
#[error("a dedup key has 1 to {} bytes, none of them a control character", CallerKey::BYTES_MAX)]
pub struct CallerKeyError;

impl CallerKey {
    pub const BYTES_MAX: usize = 255;
}

impl TryFrom<String> for CallerKey {
    type Error = CallerKeyError;

    fn try_from(text: String) -> Result<CallerKey, CallerKeyError> {
        let fits = !text.is_empty() && text.len() <= CallerKey::BYTES_MAX && !text.chars().any(char::is_control);
        if fits { Ok(CallerKey(text)) } else { Err(CallerKeyError) }
    }
}

impl From<CallerKey> for String {
    fn from(key: CallerKey) -> String {
        key.0
    }
}

/// By what a firing is compared with those in flight.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sameness {
    /// Event type, object and payload.
    #[default]
    Content,
    /// The caller's key, and nothing else.
    Key(CallerKey),
}

/// What a firing is, as a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub fn of(sameness: &Sameness, event_type: EventTypeId, object: Option<&ObjectRef>, payload: &Json) -> Fingerprint {
        let mut hasher = blake3::Hasher::new();
        match sameness {
            Sameness::Key(CallerKey(key)) => {
                hasher.update(b"key").update(key.as_bytes());
            }
            Sameness::Content => {
                hasher.update(b"content").update(event_type.as_bytes());
                if let Some(ObjectRef { object_type, object_id }) = object {
                    // Neither may have a zero byte, and no JSON text begins with one.
                    hasher.update(object_type.as_bytes()).update(&[0]).update(object_id.as_bytes()).update(&[0]);
                }
                hasher.update(&[0]).update(&canonical_json(payload.as_str()));
            }
        }
        Fingerprint(*hasher.finalize().as_bytes())
    }

    /// What a run of this firing reserves: within an attachment (or the event type's own link), or within the action.
    pub fn key(
        &self,
        mode: DedupMode,
        tenant: &TenantId,
        action: ActionId,
        attachment: Option<AttachmentId>,
    ) -> DedupKey {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(action.as_bytes());
        match (mode, attachment) {
            (DedupMode::PerAction, _) => hasher.update(&[0]),
            (DedupMode::PerAttachment, None) => hasher.update(&[1]),
            (DedupMode::PerAttachment, Some(attachment)) => hasher.update(&[2]).update(attachment.as_bytes()),
        };
        hasher.update(tenant.as_str().as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        DedupKey(u128::from_be_bytes(key))
    }
}

/// What a run reserves while it is not terminal: nobody else's run has it meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DedupKey(u128);

impl DedupKey {
    pub const fn from_bytes(bytes: [u8; 16]) -> DedupKey {
        DedupKey(u128::from_be_bytes(bytes))
    }
}

impl fmt::Debug for DedupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn json(text: &str) -> Json {
        Json::parse(text.to_owned()).unwrap()
    }

    fn object(kind: &str, id: &str) -> ObjectRef {
        ObjectRef::new(kind.to_owned(), id.to_owned()).unwrap()
    }

    #[test]
    fn a_callers_key_is_short_and_printable() {
        let key = |text: &str| CallerKey::try_from(text.to_owned());
        for good in ["a", "bestellung 42 – ä", &"a".repeat(255)] {
            assert!(key(good).is_ok(), "{good}");
        }
        for bad in ["", "a\n", &"a".repeat(256), &"ä".repeat(128)] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_part_of_a_firing_makes_it_another() {
        let (one, two) = (EventTypeId::from_bytes([1; 16]), EventTypeId::from_bytes([2; 16]));
        let of = |kind, object: Option<ObjectRef>, payload: &str| {
            Fingerprint::of(&Sameness::Content, kind, object.as_ref(), &json(payload))
        };
        let key = |text: &str| {
            let key = Sameness::Key(CallerKey::try_from(text.to_owned()).unwrap());
            Fingerprint::of(&key, one, None, &json("{}"))
        };
        let all = [
            of(one, None, "{}"),
            of(two, None, "{}"),
            of(one, None, "[]"),
            of(one, Some(object("a", "b")), "{}"),
            of(one, Some(object("ab", "c")), "{}"),
            of(one, Some(object("a", "bc")), "{}"),
            key("{}"),
            key("a"),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        assert_eq!(of(one, None, r#"{"a":1,"b":2.0}"#), of(one, None, r#"{ "b":2, "a":1 }"#));
        let keyed = Sameness::Key(CallerKey::try_from("a".to_owned()).unwrap());
        assert_eq!(
            key("a"),
            Fingerprint::of(&keyed, two, Some(&object("x", "y")), &json("7")),
            "a key is all that counts"
        );
    }

    #[test]
    fn each_owner_action_and_attachment_has_a_key_of_its_own() {
        let firing = Fingerprint::of(&Sameness::Content, EventTypeId::from_bytes([1; 16]), None, &json("{}"));
        let tenants: [TenantId; 3] = [TenantId::shared(), "a".parse().unwrap(), "b".parse().unwrap()];
        let attachments = [None, Some(AttachmentId::from_bytes([1; 16])), Some(AttachmentId::from_bytes([2; 16]))];
        let (mut per_attachment, mut per_action) = (HashSet::new(), HashSet::new());
        for tenant in &tenants {
            for action in [ActionId::from_bytes([1; 16]), ActionId::from_bytes([2; 16])] {
                for attachment in attachments {
                    per_attachment.insert(firing.key(DedupMode::PerAttachment, tenant, action, attachment));
                    per_action.insert(firing.key(DedupMode::PerAction, tenant, action, attachment));
                }
            }
        }
        assert_eq!((per_attachment.len(), per_action.len()), (18, 6));
        assert!(per_attachment.is_disjoint(&per_action));
    }

    #[test]
    fn a_key_in_the_store_is_16_bytes() {
        let key = DedupKey::from_bytes([7; 16]);
        let stored = rmp_serde::to_vec(&key).unwrap();
        assert_eq!(stored.len(), 18);
        assert_eq!(rmp_serde::from_slice::<DedupKey>(&stored).unwrap(), key);
    }
}
