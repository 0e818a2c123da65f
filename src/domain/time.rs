//! Points in time.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Milliseconds since 1970-01-01T00:00:00Z. In JSON an RFC 3339 text in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Where the time comes from; tests have one that stands still.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

impl Timestamp {
    pub const fn from_ms(ms: i64) -> Timestamp {
        Timestamp(ms)
    }

    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// This time and `ms` milliseconds more; stops at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Timestamp {
        Timestamp(self.0.saturating_add_unsigned(ms))
    }

    /// This time moved by `ms` milliseconds, within the times that can be written (years 1 BC to 9999).
    #[must_use]
    pub fn shifted_ms(self, ms: i64) -> Timestamp {
        let (first, last) = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        Timestamp(self.0.saturating_add(ms).clamp(first * 1_000, last * 1_000))
    }

    /// Milliseconds from `earlier` to this time, 0 if it is not earlier.
    pub const fn ms_since(self, earlier: Timestamp) -> u64 {
        let ms = self.0.saturating_sub(earlier.0);
        if ms < 0 { 0 } else { ms.unsigned_abs() }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Not an RFC 3339 time with a zone.
#[derive(Debug, thiserror::Error)]
#[error("not a time with a zone such as 2026-01-31T09:30:00Z: {0}")]
pub struct TimestampError(jiff::Error);

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Timestamp, TimestampError> {
        let time: jiff::Timestamp = text.parse().map_err(TimestampError)?;
        Ok(Timestamp(time.as_millisecond()))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Timestamp)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rfc_3339_with_milliseconds() {
        let time = Timestamp::from_ms(1_795_283_239_007);
        assert_eq!(time.to_string(), "2026-11-21T17:47:19.007Z");
        assert_eq!(serde_json::from_str::<Timestamp>("\"2026-11-21T18:47:19.007+01:00\"").unwrap(), time);
    }

    #[test]
    fn arithmetic_does_not_wrap() {
        assert_eq!(Timestamp::from_ms(i64::MAX).plus_ms(5).as_ms(), i64::MAX);
        assert_eq!(Timestamp::from_ms(3).ms_since(Timestamp::from_ms(5)), 0);
    }
}
