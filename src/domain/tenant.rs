//! Tenants: the security boundary.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

/// A tenant's id, `owner_id` in the API. The empty one means shared by all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

#[derive(Debug, thiserror::Error)]
#[error("a tenant id has up to 63 lower-case letters, digits, `_` and `-`, and starts with a letter or digit")]
pub struct TenantIdError;

impl TenantId {
    pub fn shared() -> TenantId {
        static SHARED: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(""));
        TenantId(Arc::clone(&SHARED))
    }

    pub fn is_shared(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a caller of tenant `self` may know of something that `owner` owns.
    /// The shared tenant is the platform's own: it sees everything.
    pub fn sees(&self, owner: &TenantId) -> bool {
        self.is_shared() || owner.is_shared() || self == owner
    }

    /// Whether a caller of tenant `self` may change something that `owner` owns.
    pub fn may_change(&self, owner: &TenantId) -> bool {
        self.is_shared() || self == owner
    }
}

impl Default for TenantId {
    fn default() -> TenantId {
        TenantId::shared()
    }
}

impl FromStr for TenantId {
    type Err = TenantIdError;

    fn from_str(text: &str) -> Result<TenantId, TenantIdError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let starts_well = text.bytes().next().is_none_or(allowed);
        if text.len() <= 63 && starts_well && text.bytes().all(|b| allowed(b) || b"_-".contains(&b)) {
            Ok(TenantId(text.into()))
        } else {
            Err(TenantIdError)
        }
    }
}

impl TryFrom<String> for TenantId {
    type Error = TenantIdError;

    fn try_from(text: String) -> Result<TenantId, TenantIdError> {
        text.parse()
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> String {
        tenant.as_str().to_owned()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_do_not_see_each_other() {
        let (a, b, shared): (TenantId, TenantId, TenantId) =
            ("a".parse().unwrap(), "b".parse().unwrap(), TenantId::shared());
        assert!(a.sees(&a) && a.sees(&shared) && shared.sees(&a));
        assert!(!a.sees(&b));
        assert!(a.may_change(&a) && shared.may_change(&a));
        assert!(!a.may_change(&shared) && !a.may_change(&b));
    }

    #[test]
    fn a_tenant_id_is_short_and_plain() {
        for bad in ["A", "-a", "a b", "a\0", &"a".repeat(64)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        }
    }
}
