//! Timespans that lists of history are filtered by: some that end now, and any from one time to another.

use super::list::Listing;
use crate::api::error::Problem;
use crate::domain::Timestamp;

/// A timespan that ends now.
pub(super) struct Preset {
    pub(super) id: &'static str,
    pub(super) label: &'static str,
    ms: u64,
}

const fn preset(id: &'static str, label: &'static str, minutes: u64) -> Preset {
    Preset { id, label, ms: minutes * 60_000 }
}

pub(super) const PRESETS: [Preset; 5] = [
    preset("15m", "Last 15 minutes", 15),
    preset("1h", "Last hour", 60),
    preset("24h", "Last 24 hours", 24 * 60),
    preset("7d", "Last 7 days", 7 * 24 * 60),
    preset("30d", "Last 30 days", 30 * 24 * 60),
];

/// The filter of the API that an address of the console means: a timespan is from its time until now.
pub(super) fn asked(listing: &Listing, now: Timestamp) -> Result<String, Problem> {
    let known = ["span", "from", "to"];
    let between = |from: &str, to: &str| listing.query(&known, &[("from", from), ("to", to)]);
    match listing.get("span") {
        "" => Ok(between("", "")),
        "custom" => Ok(between(&zoned(listing.get("from")), &zoned(listing.get("to")))),
        span => {
            let preset = PRESETS.iter().find(|preset| preset.id == span);
            let preset =
                preset.ok_or_else(|| Problem::bad_request(format!("span={span}: there is no such timespan")))?;
            let from = now.shifted_ms(-i64::try_from(preset.ms).unwrap_or(i64::MAX));
            Ok(between(&from.to_string(), ""))
        }
    }
}

/// A time as the field for it gives it is without a zone; a browser with scripts sends UTC, and so is meant without.
pub(super) fn zoned(time: &str) -> String {
    let is_bare = !time.is_empty() && !time.ends_with('Z') && time.rfind(['+', '-']).is_none_or(|at| at < 11);
    match (is_bare, time.len()) {
        (true, 16) => format!("{time}:00Z"),
        (true, _) => format!("{time}Z"),
        (false, _) => time.to_owned(),
    }
}

/// A time for a field that has no zone.
pub(super) fn bare(time: &str) -> String {
    time.parse::<Timestamp>().map(|time| time.to_string()[..16].to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_zone_is_utc() {
        assert_eq!(zoned("2026-01-31T09:30"), "2026-01-31T09:30:00Z");
        assert_eq!(zoned("2026-01-31T09:30:05.5"), "2026-01-31T09:30:05.5Z");
        for zoned_already in ["", "2026-01-31T09:30:00Z", "2026-01-31T09:30:00+02:00", "2026-01-31T09:30:00-02:00"] {
            assert_eq!(zoned(zoned_already), zoned_already);
        }
    }
}
