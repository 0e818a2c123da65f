//! Counting within a minute.

use super::Timestamp;

/// A count of what came in the minute that began with the first of it.
#[derive(Clone, Copy, Debug)]
pub struct Minute {
    since: Timestamp,
    pub count: u64,
}

impl Minute {
    const MS: u64 = 60_000;

    /// Nothing came yet.
    pub fn beginning(now: Timestamp) -> Minute {
        Minute { since: now, count: 0 }
    }

    pub fn is_over(&self, now: Timestamp) -> bool {
        // A clock that was set back ends it too.
        now < self.since || now.ms_since(self.since) >= Minute::MS
    }

    /// How long it still is.
    pub fn left_ms(&self, now: Timestamp) -> u64 {
        if self.is_over(now) { 0 } else { Minute::MS - now.ms_since(self.since) }
    }
}
