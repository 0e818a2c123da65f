use fusebox::domain::{Clock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock that stands still until it is told to go on.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn new() -> ManualClock {
        ManualClock(AtomicI64::new(1_700_000_000_000))
    }

    /// How many milliseconds it is to a time such as `2026-03-29T01:30:00Z`.
    pub(crate) fn ms_until(&self, time: &str) -> i64 {
        let time: Timestamp = serde_json::from_value(time.into()).unwrap();
        time.as_ms() - self.now().as_ms()
    }

    pub(crate) fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}
