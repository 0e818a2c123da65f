//! Identities: UUID version 7 (RFC 9562), so that ids sort by the time they were made.

use super::{Entropy, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// A map by what the server or the platform makes: ids, digests, tenants. Its hashes are quick to compute and seeded anew
/// by each process, but no match for somebody who chooses keys to make it slow, as whoever names things could.
pub type IdMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            pub fn new(ids: &Ids, now: Timestamp) -> $name {
                $name(ids.next(now))
            }

            /// Not above any id that is made at `at` or later, and above all that were made before.
            pub fn first_at(at: Timestamp) -> $name {
                let ms = u64::try_from(at.as_ms()).unwrap_or(0).min((1 << 48) - 1);
                $name(Uuid::from_u64_pair(ms << 16, 0))
            }

            pub const fn from_bytes(bytes: [u8; 16]) -> $name {
                $name(Uuid::from_bytes(bytes))
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<$name, uuid::Error> {
                text.parse().map($name)
            }
        }
    };
}

id!(ActionId);
id!(EventTypeId);
id!(EventId);
id!(RunId);
id!(TokenId);
id!(AttachmentId);
id!(SourceTypeId);
id!(SourceId);
id!(SinkTypeId);
id!(SinkId);
id!(ScheduleId);
id!(SecretId);
id!(AuditId);
id!(
    /// One HTTP request, named in its answer and in the log.
    RequestId
);

impl AuditId {
    /// The id of the entry that comes `number` entries after this one in the same change. The last four bytes of an id
    /// are random and its others unlike those of any other, so counting them up meets nobody.
    #[must_use]
    pub fn nth(self, number: u32) -> AuditId {
        let mut bytes = *self.as_bytes();
        let tail = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
        bytes[12..].copy_from_slice(&tail.wrapping_add(number).to_be_bytes());
        AuditId::from_bytes(bytes)
    }
}

/// Makes ids that rise strictly within one process.
#[derive(Debug)]
pub struct Ids {
    entropy: Arc<Entropy>,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    ms: u64,
    counter: u64,
}

/// The counter has 42 bits; starting a millisecond below 2^41 leaves room for more ids than any machine makes in one.
const COUNTER_START_MASK: u64 = (1 << 41) - 1;

impl Ids {
    pub fn new(entropy: Arc<Entropy>) -> Ids {
        Ids { entropy, last: Mutex::default() }
    }

    /// The next id. A clock that went backwards does not make ids go backwards (RFC 9562 §6.2, method 1).
    fn next(&self, now: Timestamp) -> Uuid {
        let [start, tail, ..] = self.entropy.words();
        let now_ms = u64::try_from(now.as_ms()).unwrap_or(0);
        let (ms, counter) = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if now_ms > last.ms {
                *last = Last { ms: now_ms, counter: start & COUNTER_START_MASK };
            } else {
                last.counter += 1;
            }
            (last.ms, last.counter)
        };
        let high = (ms << 16) | 0x7000 | ((counter >> 30) & 0x0fff);
        let low = (0b10 << 62) | ((counter & 0x3fff_ffff) << 32) | (tail & 0xffff_ffff);
        Uuid::from_u64_pair(high, low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_id_of_a_time_divides_what_was_made_before_it_from_the_rest() {
        let ids = Ids::new(Arc::new(Entropy::new([7; 32])));
        let made = EventId::new(&ids, Timestamp::from_ms(5_000));
        assert!(
            EventId::first_at(Timestamp::from_ms(5_000)) < made && made < EventId::first_at(Timestamp::from_ms(5_001))
        );
        assert!(EventId::first_at(Timestamp::from_ms(i64::MIN)) < made);
        assert!(made < EventId::first_at(Timestamp::from_ms(i64::MAX)));
    }

    #[test]
    fn ids_rise_even_when_the_clock_stands_or_falls() {
        let ids = Ids::new(Arc::new(Entropy::new([7; 32])));
        let times = [5_000, 5_000, 5_000, 4_000, 5_001, 5_001];
        let made: Vec<Uuid> = times.iter().map(|ms| ids.next(Timestamp::from_ms(*ms))).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]), "{made:?}");
        for id in made {
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        }
    }
}
