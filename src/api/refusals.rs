//! How many refusals of one credential go into the audit log: one in the wrong hands must not fill the disk with them.

use crate::domain::{Author, Minute, SourceId, TokenId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Entries of one credential in a minute.
const NOTED_MAX: u64 = 10;
/// Credentials that are kept in mind before those are forgotten of which nothing is left to say.
const KEPT_MAX: usize = 1_000;

type Who = (Option<TokenId>, Option<SourceId>);

/// The refusals of each credential. There are no more than credentials.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<Who, Refused>>);

#[derive(Clone, Copy, Debug)]
struct Refused {
    noted: Minute,
    /// Since the last that was noted.
    left_out: u64,
}

impl Refusals {
    /// Counts a refusal. If it is to be noted, how many were left out since the last that was; `None` leaves it out.
    pub(super) fn count(&self, author: &Author) -> Option<u64> {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = author.at;
        if refusals.len() >= KEPT_MAX {
            refusals.retain(|_, refused| refused.left_out > 0 || !refused.noted.is_over(now));
        }
        let new = Refused { noted: Minute::beginning(now), left_out: 0 };
        let refused = refusals.entry((author.token, author.source)).or_insert(new);
        if refused.noted.is_over(now) {
            refused.noted = Minute::beginning(now);
        }
        if refused.noted.count >= NOTED_MAX {
            refused.left_out += 1;
            return None;
        }
        refused.noted.count += 1;
        Some(std::mem::take(&mut refused.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Entropy, Ids, Timestamp};
    use std::sync::Arc;

    const NOW: Timestamp = Timestamp::from_ms(1_000_000);

    fn author(ids: &Ids, source: u16, at: Timestamp) -> Author {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&source.to_be_bytes());
        Author { source: Some(SourceId::from_bytes(bytes)), at, ..Author::server("test", ids, at) }
    }

    #[test]
    fn of_many_refusals_some_are_noted_and_the_others_are_counted() {
        let (refusals, ids) = (Refusals::default(), Ids::new(Arc::new(Entropy::new([1; 32]))));
        let count = |source, after_ms| refusals.count(&author(&ids, source, NOW.plus_ms(after_ms)));
        assert!((0..10).all(|n| count(1, n) == Some(0)));
        assert!((10..35).all(|n| count(1, n).is_none()));
        assert_eq!(count(2, 40), Some(0), "others have minutes of their own");
        assert_eq!((count(1, 59_999), count(1, 60_000), count(1, 60_001)), (None, Some(26), Some(0)));
    }

    #[test]
    fn only_those_with_something_left_to_say_are_kept_in_mind() {
        let (refusals, ids) = (Refusals::default(), Ids::new(Arc::new(Entropy::new([1; 32]))));
        assert_eq!((0..11).filter(|_| refusals.count(&author(&ids, 0, NOW)).is_some()).count(), 10);
        assert!((1..1_000).all(|source| refusals.count(&author(&ids, source, NOW)) == Some(0)));
        assert_eq!(refusals.0.lock().unwrap().len(), 1_000);
        refusals.count(&author(&ids, 1_000, NOW.plus_ms(60_000)));
        assert_eq!(refusals.0.lock().unwrap().len(), 2);
        assert_eq!(refusals.count(&author(&ids, 0, NOW.plus_ms(60_000))), Some(1));
    }
}
