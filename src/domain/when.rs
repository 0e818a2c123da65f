//! When a run is due: lengths of time as people write them, and `when` of an action (DESIGN §3.8).

use super::{Json, Timestamp};
use jiff::{Span, SpanRelativeTo};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// How far from now, or from a time in a payload, anything may be put off: a year. What is later is a schedule.
pub const DELAY_MAX_MS: u64 = 366 * 86_400_000;
/// Characters of a length of time; `-366d 23h 59m 59s 999ms` needs two dozen.
const TEXT_CHARS_MAX: usize = 64;

/// A length of time with a sign, such as `-5m`, `2h30m`, `1d` or `-PT90S`, at most 366 days either way. A day is
/// 24 hours. Written as jiff reads it: its friendly form, or ISO 8601. Kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Offset {
    text: String,
    ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffsetError {
    #[error(
        "a length of time is written like `-5m`, `2h30m`, `1d` or `PT90S`; months and years are not, as they differ in length"
    )]
    Unreadable,
    #[error("at most 366 days either way")]
    TooLong,
}

impl Offset {
    pub fn as_ms(&self) -> i64 {
        self.ms
    }
}

impl Default for Offset {
    fn default() -> Offset {
        Offset { text: "0s".to_owned(), ms: 0 }
    }
}

impl FromStr for Offset {
    type Err = OffsetError;

    fn from_str(text: &str) -> Result<Offset, OffsetError> {
        if text.len() > TEXT_CHARS_MAX {
            return Err(OffsetError::Unreadable);
        }
        let span: Span = text.parse().map_err(|_| OffsetError::Unreadable)?;
        let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| OffsetError::Unreadable)?;
        let ms = i64::try_from(length.as_millis()).map_err(|_| OffsetError::TooLong)?;
        if ms.unsigned_abs() > DELAY_MAX_MS {
            return Err(OffsetError::TooLong);
        }
        Ok(Offset { text: text.to_owned(), ms })
    }
}

impl TryFrom<String> for Offset {
    type Error = OffsetError;

    fn try_from(text: String) -> Result<Offset, OffsetError> {
        text.parse()
    }
}

impl From<Offset> for String {
    fn from(offset: Offset) -> String {
        offset.text
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Puts a run off to a time in the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct When {
    /// JSON Pointer (RFC 6901) to an RFC 3339 time with a zone in the payload.
    pub at: String,
    /// Added to that time.
    pub offset: Offset,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    at: String,
    #[serde(default)]
    offset: Offset,
}

impl TryFrom<Written> for When {
    type Error = &'static str;

    fn try_from(Written { at, offset }: Written) -> Result<When, &'static str> {
        let tilde_ends_well = |part: &str| part.starts_with(['0', '1']);
        if at.starts_with('/') && at.split('~').skip(1).all(tilde_ends_well) {
            Ok(When { at, offset })
        } else {
            Err("`at` is a JSON Pointer into the payload, such as `/starts_at`")
        }
    }
}

/// The payload does not say when.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhenError {
    #[error("`when` reads `{at}` from the payload, which has no such value")]
    Missing { at: String },
    #[error("`when` reads `{at}` from the payload, which is not a time with a zone such as 2026-01-31T09:30:00Z")]
    NotATime { at: String },
}

impl When {
    /// The time that `payload` gives.
    ///
    /// # Errors
    /// There is none at the pointer, or what is there is not an RFC 3339 time with a zone.
    pub fn time(&self, payload: &Json) -> Result<Timestamp, WhenError> {
        let payload: Value = payload.to().unwrap_or(Value::Null);
        let found = payload.pointer(&self.at).ok_or_else(|| WhenError::Missing { at: self.at.clone() })?;
        let time = found.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let time = time.ok_or_else(|| WhenError::NotATime { at: self.at.clone() })?;
        Ok(time.shifted_ms(self.offset.as_ms()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ms(text: &str) -> Result<i64, OffsetError> {
        text.parse().map(|offset: Offset| offset.as_ms())
    }

    #[test]
    fn a_length_of_time_is_written_as_people_do_and_kept_so() {
        let minute = 60_000;
        for (text, expected) in [
            ("-5m", -5 * minute),
            ("5m ago", -5 * minute),
            ("2h30m", 150 * minute),
            ("1d", 1_440 * minute),
            ("-1w 1d", -8 * 1_440 * minute),
            ("1.5s", 1_500),
            ("PT90S", 90_000),
            ("-P1DT2H", -26 * 60 * minute),
            ("0s", 0),
        ] {
            assert_eq!(ms(text), Ok(expected), "{text}");
            let offset: Offset = serde_json::from_value(json!(text)).unwrap();
            assert_eq!(serde_json::to_value(&offset).unwrap(), text);
        }
        let long = format!("{}1s", " ".repeat(TEXT_CHARS_MAX));
        for text in ["", "soon", "5", "-5", "1mo", "1y", "P1M", "5 m 5 m", &long] {
            assert_eq!(ms(text), Err(OffsetError::Unreadable), "{text:?}");
        }
    }

    #[test]
    fn a_length_of_time_is_at_most_a_year() {
        let max = i64::try_from(DELAY_MAX_MS).unwrap();
        assert_eq!((ms("366d"), ms("-366d")), (Ok(max), Ok(-max)));
        for text in ["366d1ms", "-366d 1ms", "53w", "999999999999s"] {
            assert!(ms(text).is_err(), "{text}");
        }
        assert_eq!(ms("8785h"), Err(OffsetError::TooLong));
    }

    fn when(at: &str, offset: &str) -> When {
        serde_json::from_value(json!({ "at": at, "offset": offset })).unwrap()
    }

    #[test]
    fn a_run_is_due_at_a_time_in_the_payload_and_an_offset() {
        let payload = Json::from(json!({ "slot": { "from~to/x": ["2023-11-14T23:13:20.5+01:00"] } }));
        let when = when("/slot/from~0to~1x/0", "-5m");
        assert_eq!(when.time(&payload), Ok(Timestamp::from_ms(1_700_000_000_500 - 300_000)));
        let plain: When = serde_json::from_value(json!({ "at": "/t" })).unwrap();
        assert_eq!(plain.offset.as_ms(), 0);
        let last = Json::from(json!({ "t": "9999-12-30T00:00:00Z" }));
        let due = super::When { offset: "366d".parse().unwrap(), ..plain }.time(&last).unwrap();
        assert!(due.to_string().starts_with("9999-12-30"), "times that cannot be written are not made: {due}");
    }

    #[test]
    fn what_is_no_time_with_a_zone_is_told_apart_from_what_is_not_there() {
        let missing = Err(WhenError::Missing { at: "/t".into() });
        for payload in [json!({}), json!([]), json!("2026-01-31T09:30:00Z"), json!(null)] {
            assert_eq!(when("/t", "1h").time(&Json::from(payload)), missing);
        }
        for text in [json!("2026-01-31T09:30:00"), json!("tomorrow"), json!(1_700_000_000), json!(null), json!({})] {
            let found = when("/t", "1h").time(&Json::from(json!({ "t": text })));
            assert_eq!(found, Err(WhenError::NotATime { at: "/t".into() }), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_pointer_is_refused() {
        for at in ["", "starts_at", "/a~", "/a~2", "#/a"] {
            assert!(serde_json::from_value::<When>(json!({ "at": at })).is_err(), "{at:?}");
        }
        assert!(serde_json::from_value::<When>(json!({ "at": "/a", "then": 1 })).is_err());
    }
}
