//! When credentials were last used, as far as this process knows: it is kept in memory only, since writing it down would cost
//! a commit per request.

use crate::domain::{SourceId, Timestamp, TokenId};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

/// Credentials that are kept in mind before those that are gone are forgotten: as many as the catalogue has of a kind.
const KEPT_MAX: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) tokens: Uses<TokenId>,
    pub(super) sources: Uses<SourceId>,
}

/// The last use of each credential of a kind.
#[derive(Debug)]
pub(super) struct Uses<I>(RwLock<HashMap<I, AtomicI64>>);

impl<I> Default for Uses<I> {
    fn default() -> Uses<I> {
        Uses(RwLock::default())
    }
}

impl<I: Copy + Eq + Hash> Uses<I> {
    /// Notes that a credential is used now. Only its first use waits for anybody.
    pub(super) fn note(&self, id: I, now: Timestamp, is_there: impl Fn(I) -> bool) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = known.get(&id) {
            last.store(now.as_ms(), Ordering::Relaxed);
            return;
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT_MAX {
            known.retain(|id, _| is_there(*id));
        }
        known.insert(id, AtomicI64::new(now.as_ms()));
    }

    /// `None` when it was not used since the server started.
    pub(super) fn last(&self, id: I) -> Option<Timestamp> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).map(|last| Timestamp::from_ms(last.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> TokenId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        TokenId::from_bytes(bytes)
    }

    #[test]
    fn the_last_use_is_kept_and_who_is_gone_is_forgotten_when_there_are_many() {
        let uses = Uses::default();
        assert_eq!(uses.last(id(0)), None);
        for number in 0..KEPT_MAX {
            uses.note(id(number), Timestamp::from_ms(1), |_| true);
        }
        uses.note(id(0), Timestamp::from_ms(2), |_| false);
        assert_eq!(uses.last(id(0)), Some(Timestamp::from_ms(2)), "who is known costs nobody anything");
        uses.note(id(KEPT_MAX), Timestamp::from_ms(3), |found| found == id(0));
        assert_eq!((uses.last(id(0)), uses.last(id(1))), (Some(Timestamp::from_ms(2)), None));
        assert_eq!(uses.0.read().unwrap().len(), 2);
    }
}
