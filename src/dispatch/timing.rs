//! When a cron expression fires: what clocks in its time zone show, daylight saving time included.
//!
//! A time of day that a clock skips fires at the first moment after the gap; one that it shows twice fires the first
//! time only. What repeats within the hour (`*/5 * * * *`) fires by the time that passes instead: nothing in a gap, and
//! all through an hour that is there twice.

use crate::domain::{Timestamp, Timing};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;

/// Longer than any expression that somebody understands.
const EXPRESSION_BYTES_MAX: usize = 200;

/// Why something is not a timing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    #[error("not a cron expression of 5 fields, or of 6 with seconds first: {0}")]
    Expression(String),
    #[error("there is no time zone `{0}` in the IANA database")]
    Timezone(String),
    #[error("no day is like this: it would never fire")]
    Never,
}

/// The first time after `after` at which `timing` fires, if there is one.
///
/// A search of the next 3,000 years, so not for an async thread before it is known to find something.
///
/// # Errors
/// It is not a timing.
pub fn first_after(timing: &Timing, after: Timestamp) -> Result<Option<Timestamp>, TimingError> {
    match timing {
        Timing::At(at) => Ok(Some(*at).filter(|at| *at > after)),
        Timing::Cron { expression, timezone } => Calendar::parse(expression, timezone)?.first_after(after).map(Some),
    }
}

/// The first `count` times after `after`.
///
/// # Errors
/// As [`first_after`].
pub fn next_firings(timing: &Timing, after: Timestamp, count: usize) -> Result<Vec<Timestamp>, TimingError> {
    let mut firings = Vec::with_capacity(count);
    let mut last = after;
    while firings.len() < count
        && let Some(next) = first_after(timing, last)?
    {
        firings.push(next);
        last = next;
    }
    Ok(firings)
}

struct Calendar {
    cron: Cron,
    zone: TimeZone,
}

impl Calendar {
    fn parse(expression: &str, timezone: &str) -> Result<Calendar, TimingError> {
        if expression.len() > EXPRESSION_BYTES_MAX {
            return Err(TimingError::Expression(format!("it has more than {EXPRESSION_BYTES_MAX} bytes")));
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|error| TimingError::Expression(error.to_string()))?;
        // What has no name in the database, such as the zone of the machine, would mean another thing elsewhere.
        let zone = TimeZone::get(timezone).ok().filter(|zone| zone.iana_name().is_some());
        let zone = zone.ok_or_else(|| TimingError::Timezone(timezone.to_owned()))?;
        Ok(Calendar { cron, zone })
    }

    fn first_after(&self, after: Timestamp) -> Result<Timestamp, TimingError> {
        let after = jiff::Timestamp::from_millisecond(after.as_ms()).map_err(|_| TimingError::Never)?;
        let next = self.cron.find_next_occurrence(&after.to_zoned(self.zone.clone()), false);
        next.map(|next| Timestamp::from_ms(next.timestamp().as_millisecond())).map_err(|_| TimingError::Never)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(expression: &str, timezone: &str) -> Timing {
        Timing::Cron { expression: expression.to_owned(), timezone: timezone.to_owned() }
    }

    fn time(text: &str) -> Timestamp {
        Timestamp::from_ms(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    /// Checks that the firings after `after` are those, in UTC.
    #[track_caller]
    fn check(expression: &str, timezone: &str, after: &str, firings: &[&str]) {
        let found = next_firings(&cron(expression, timezone), time(after), firings.len()).unwrap();
        let expected: Vec<Timestamp> = firings.iter().map(|text| time(text)).collect();
        assert_eq!(found, expected, "{expression} in {timezone}");
    }

    #[test]
    fn five_fields_are_minutes_and_six_begin_with_seconds() {
        check("30 6 * * *", "UTC", "2026-01-01T06:30:00Z", &["2026-01-02T06:30:00Z", "2026-01-03T06:30:00Z"]);
        check("15 30 6 * * *", "UTC", "2026-01-01T06:30:00Z", &["2026-01-01T06:30:15Z", "2026-01-02T06:30:15Z"]);
        check("*/20 * * * * *", "UTC", "2026-01-01T00:00:19.999Z", &["2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z"]);
        check("@daily", "UTC", "2026-01-01T00:00:00Z", &["2026-01-02T00:00:00Z"]);
        check("0 9 * * MON-FRI", "UTC", "2026-01-02T09:00:00Z", &["2026-01-05T09:00:00Z"]);
        check("0 0 L * *", "UTC", "2026-02-01T00:00:00Z", &["2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"]);
    }

    #[test]
    fn the_clock_of_the_time_zone_decides() {
        check("0 8 * * *", "Europe/Berlin", "2026-01-10T12:00:00Z", &["2026-01-11T07:00:00Z"]);
        check("0 8 * * *", "Europe/Berlin", "2026-07-10T12:00:00Z", &["2026-07-11T06:00:00Z"]);
        check("0 8 * * *", "America/New_York", "2026-01-10T12:00:00Z", &["2026-01-10T13:00:00Z"]);
        check("0 0 * * *", "Asia/Kathmandu", "2026-01-10T12:00:00Z", &["2026-01-10T18:15:00Z"]);
    }

    #[test]
    fn a_time_that_is_skipped_fires_right_after_the_gap() {
        // Berlin, 2026-03-29: 02:00 is followed by 03:00. New York, 2026-03-08: the same.
        check(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-27T12:00:00Z",
            &["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        );
        check(
            "30 2 * * *",
            "America/New_York",
            "2026-03-07T12:00:00Z",
            &["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
        );
        // What repeats has nothing in the gap.
        check(
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:30:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
        );
    }

    #[test]
    fn a_time_that_happens_twice_fires_the_first_time() {
        // Berlin, 2026-10-25: 03:00 is followed by 02:00. New York, 2026-11-01: 02:00 by 01:00.
        check("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        check(
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T12:00:00Z",
            &["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
        );
        // What repeats goes on.
        check(
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:59:00Z",
            &["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"],
        );
    }

    #[test]
    fn the_leap_day_comes_when_it_comes() {
        check("0 12 29 2 *", "UTC", "2026-01-01T00:00:00Z", &["2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z"]);
        check("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]);
    }

    #[test]
    fn what_is_no_timing_is_told_apart() {
        let refused = |expression: &str, zone: &str| first_after(&cron(expression, zone), time("2026-01-01T00:00:00Z"));
        let long = format!("0 {} * * *", vec!["1"; 200].join(","));
        for wrong in ["", "* * * *", "* * * * * * *", "60 * * * *", "a b c d e", "*/0 * * * *", "@reboot", &long] {
            assert!(matches!(refused(wrong, "UTC"), Err(TimingError::Expression(_))), "{wrong}");
        }
        for wrong in ["", "Europe/Atlantis", "local", "../../etc/passwd", "+02:00"] {
            assert_eq!(refused("* * * * *", wrong), Err(TimingError::Timezone(wrong.to_owned())));
        }
        for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            assert_eq!(refused(never, "Europe/Berlin"), Err(TimingError::Never), "{never}");
        }
    }

    #[test]
    fn once_is_once() {
        let at = Timing::At(Timestamp::from_ms(50));
        assert_eq!(next_firings(&at, Timestamp::from_ms(49), 5), Ok(vec![Timestamp::from_ms(50)]));
        assert_eq!(next_firings(&at, Timestamp::from_ms(50), 5), Ok(vec![]));
    }

    #[test]
    fn times_at_the_ends_of_time_are_no_panic() {
        for ms in [i64::MIN, i64::MAX, 95_649_119_999_999] {
            assert_eq!(first_after(&cron("* * * * *", "UTC"), Timestamp::from_ms(ms)), Err(TimingError::Never));
        }
    }
}
