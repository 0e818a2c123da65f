//! Values that actions keep from run to run.

use super::{ActionId, AttachmentId, QuotaExceeded, Quotas, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// Whose values are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KvScope {
    /// Those of all runs of the action for its tenant.
    Action,
    /// Those of the runs by one attachment; of a run that none caused, those of the action.
    Attachment,
}

/// Values that lie together, each under a key of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KvSpace {
    pub action: ActionId,
    /// `None` for those of the action itself.
    pub attachment: Option<AttachmentId>,
    /// Whose runs keep them, which is not always who owns the action.
    pub tenant: TenantId,
}

/// What is kept under a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvEntry {
    #[serde(with = "super::byte_text")]
    pub value: Vec<u8>,
    /// Differs after every write.
    pub version: u64,
    pub written_at: Timestamp,
    /// From when on it counts as not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Without the value, which is the guest's own.
impl std::fmt::Debug for KvEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes of version {}", self.value.len(), self.version)
    }
}

impl KvEntry {
    pub fn is_there(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expires| now < expires)
    }
}

/// What a write asks of what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvExpect {
    #[default]
    Anything,
    Nothing,
    Version(u64),
}

impl KvExpect {
    pub fn holds(self, version: Option<u64>) -> bool {
        match self {
            KvExpect::Anything => true,
            KvExpect::Nothing => version.is_none(),
            KvExpect::Version(expected) => version == Some(expected),
        }
    }
}

/// What becomes of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvWrite {
    /// Of what is there before it.
    pub expect: KvExpect,
    /// `None` takes away what is there.
    pub entry: Option<KvEntry>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvSize {
    pub entries: u64,
    /// Of keys and values.
    pub bytes: u64,
}

impl KvSize {
    /// The most that one action may keep for one tenant, in all its scopes.
    pub const MAX: KvSize = KvSize { entries: 10_000, bytes: 16 << 20 };
    /// Of one key.
    pub const KEY_BYTES_MAX: usize = 512;
    /// Of one value.
    pub const VALUE_BYTES_MAX: usize = 256 << 10;
    /// Keys in one list.
    pub const LISTED_MAX: usize = 1_000;

    /// This and one entry more, in the place of one whose bytes are given if there was one.
    #[must_use]
    pub fn with(self, bytes: u64, before: Option<u64>) -> KvSize {
        let KvSize { entries, bytes: all } = self.without(before);
        KvSize { entries: entries.saturating_add(1), bytes: all.saturating_add(bytes) }
    }

    /// This without that entry.
    #[must_use]
    pub fn without(self, before: Option<u64>) -> KvSize {
        let Some(bytes) = before else { return self };
        KvSize { entries: self.entries.saturating_sub(1), bytes: self.bytes.saturating_sub(bytes) }
    }

    /// Why that is too much; nothing if it is not.
    pub fn refusal(self) -> Option<String> {
        let KvSize { entries, bytes } = KvSize::MAX;
        if self.entries > entries {
            Some(format!("the action would keep {} values for this tenant, and {entries} is the most", self.entries))
        } else if self.bytes > bytes {
            Some(format!("the action would keep {} bytes for this tenant, and {bytes} is the most", self.bytes))
        } else {
            None
        }
    }
}

/// How much is kept, as the bounds look at it: of one action for its tenant, and of the tenant in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvKept {
    pub action: KvSize,
    pub tenant_bytes: u64,
    /// What the tenant may keep; `None` for the platform.
    pub tenant_quota: Option<u64>,
}

impl KvKept {
    /// This and one entry more, in the place of one whose bytes are given if there was one.
    #[must_use]
    pub fn with(self, bytes: u64, before: Option<u64>) -> KvKept {
        let without = self.without(before);
        let tenant_bytes = without.tenant_bytes.saturating_add(bytes);
        KvKept { action: self.action.with(bytes, before), tenant_bytes, ..self }
    }

    /// This without that entry.
    #[must_use]
    pub fn without(self, before: Option<u64>) -> KvKept {
        let tenant_bytes = self.tenant_bytes.saturating_sub(before.unwrap_or(0));
        KvKept { action: self.action.without(before), tenant_bytes, ..self }
    }

    /// Why that is too much when there was `before`; nothing if it is not. A quota that was lowered below what is kept stops
    /// what grows only.
    pub fn refusal(self, before: KvKept) -> Option<String> {
        let over = self.tenant_quota.filter(|limit| self.tenant_bytes > (*limit).max(before.tenant_bytes));
        let exceeded = |limit| QuotaExceeded { quota: Quotas::KV_BYTES, limit, used: before.tenant_bytes }.to_string();
        self.action.refusal().or_else(|| over.map(exceeded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_quota_holds_over_all_of_its_actions_and_stops_what_grows_only() {
        let kept = |tenant_bytes| KvKept { tenant_bytes, tenant_quota: Some(100), ..KvKept::default() };
        assert_eq!(kept(90).with(10, None).refusal(kept(90)), None);
        let over = kept(90).with(11, None).refusal(kept(90)).unwrap();
        assert!(over.contains("`kv_bytes`") && over.contains("90 of 100"), "{over}");
        assert_eq!(kept(200).with(10, Some(11)).refusal(kept(200)), None);
        assert!(kept(200).with(12, Some(11)).refusal(kept(200)).is_some());
        let platform = KvKept { tenant_quota: None, ..kept(u64::MAX) };
        assert_eq!(platform.with(1, None).refusal(platform), None);
        let full = KvKept { action: KvSize::MAX, ..kept(0) };
        assert!(full.with(1, None).refusal(full).unwrap().contains("10001 values"));
    }

    #[test]
    fn an_expectation_is_of_what_is_there() {
        for (expect, of_nothing, of_three) in [
            (KvExpect::Anything, true, true),
            (KvExpect::Nothing, true, false),
            (KvExpect::Version(3), false, true),
            (KvExpect::Version(4), false, false),
        ] {
            assert_eq!((expect.holds(None), expect.holds(Some(3))), (of_nothing, of_three), "{expect:?}");
        }
    }

    #[test]
    fn a_size_counts_what_is_replaced_once() {
        let size = KvSize::default().with(10, None).with(5, None);
        assert_eq!(size, KvSize { entries: 2, bytes: 15 });
        assert_eq!(size.with(1, Some(10)), KvSize { entries: 2, bytes: 6 });
        assert_eq!(size.without(Some(5)), KvSize { entries: 1, bytes: 10 });
        assert_eq!(size.without(None), size);
    }

    #[test]
    fn a_size_holds_at_its_bound_and_bites_past_it() {
        let KvSize { entries, bytes } = KvSize::MAX;
        assert_eq!(KvSize::MAX.refusal(), None);
        assert!(KvSize { entries: entries + 1, bytes }.refusal().unwrap().contains("10001 values"));
        assert!(KvSize { entries, bytes: bytes + 1 }.refusal().unwrap().contains("16777217 bytes"));
    }

    #[test]
    fn a_value_is_there_until_it_expires() {
        let entry = KvEntry {
            value: vec![1],
            version: 1,
            written_at: Timestamp::from_ms(1),
            expires_at: Some(Timestamp::from_ms(9)),
        };
        assert!(entry.is_there(Timestamp::from_ms(8)) && !entry.is_there(Timestamp::from_ms(9)));
    }
}
