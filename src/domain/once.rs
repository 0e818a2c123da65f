//! Accepting a request once, however often it is sent (DESIGN §3.5).

use super::{EventId, TenantId, Timestamp, canonical_json};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a sender names a request by, as a hash: an `Idempotency-Key`, or what else tells one request from another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OnceKey(u128);

impl OnceKey {
    /// The key that is named by `parts`; those of different kinds never meet.
    pub fn of(kind: &str, parts: &[&str]) -> OnceKey {
        OnceKey(hash(std::iter::once(kind).chain(parts.iter().copied()).map(str::as_bytes)))
    }

    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> OnceKey {
        OnceKey(u128::from_be_bytes(bytes))
    }
}

impl fmt::Debug for OnceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a request asked for, as a hash: requests that say the same have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestDigest(u128);

impl RequestDigest {
    /// Of a body, which is valid JSON, and what else belongs to the request.
    pub fn of(body: &str, rest: &[&str]) -> RequestDigest {
        let canonical = canonical_json(body);
        RequestDigest(hash(std::iter::once(canonical.as_slice()).chain(rest.iter().map(|part| part.as_bytes()))))
    }
}

fn hash<'a>(parts: impl Iterator<Item = &'a [u8]>) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_be_bytes(bytes)
}

/// A wish to be accepted once: the same wish gets the same event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    pub key: OnceKey,
    pub request: RequestDigest,
}

/// What is remembered of such a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedOnce {
    /// The event's tenant, whose keys meet no other's.
    pub owner_id: TenantId,
    pub key: OnceKey,
    pub request: RequestDigest,
    pub event_id: EventId,
    /// From then on the key is free again.
    pub expires_at: Timestamp,
}

/// How long an event type's requests are accepted once, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct DedupWindow(u32);

#[derive(Debug, thiserror::Error)]
#[error("a dedup window has 1 to {} seconds", DedupWindow::SECONDS_MAX)]
pub struct DedupWindowError;

impl DedupWindow {
    /// 30 days, as long as the history is kept by default.
    pub const SECONDS_MAX: u32 = 30 * 86_400;

    pub const fn as_ms(self) -> u64 {
        self.0 as u64 * 1_000
    }
}

/// A day.
impl Default for DedupWindow {
    fn default() -> DedupWindow {
        DedupWindow(86_400)
    }
}

impl TryFrom<u32> for DedupWindow {
    type Error = DedupWindowError;

    fn try_from(seconds: u32) -> Result<DedupWindow, DedupWindowError> {
        if (1..=DedupWindow::SECONDS_MAX).contains(&seconds) { Ok(DedupWindow(seconds)) } else { Err(DedupWindowError) }
    }
}

impl From<DedupWindow> for u32 {
    fn from(window: DedupWindow) -> u32 {
        window.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_of_other_kinds_and_parts_are_other_keys() {
        let keys = [
            OnceKey::of("a", &["b"]),
            OnceKey::of("ab", &[]),
            OnceKey::of("a", &["b", ""]),
            OnceKey::of("", &["a", "b"]),
            OnceKey::of("a", &["bc"]),
            OnceKey::of("a", &["b", "c"]),
        ];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        assert_eq!(OnceKey::from_bytes(keys[0].to_bytes()), keys[0]);
    }

    #[test]
    fn a_request_is_what_it_says_and_not_how() {
        let of = |body: &str, rest: &[&str]| RequestDigest::of(body, rest);
        assert_eq!(of(r#"{"a":1,"b":2}"#, &[]), of("{ \"b\": 2.0, \"a\": 1 }", &[]));
        assert_ne!(of("{}", &[]), of("{}", &["x"]));
        assert_ne!(of("1", &[]), of("2", &[]));
    }

    #[test]
    fn a_window_has_a_second_to_thirty_days() {
        assert_eq!(DedupWindow::default().as_ms(), 24 * 60 * 60 * 1_000);
        for (seconds, fits) in [(0, false), (1, true), (2_592_000, true), (2_592_001, false)] {
            assert_eq!(DedupWindow::try_from(seconds).is_ok(), fits, "{seconds}");
        }
    }
}
