//! The events: what was fired lately, and what became of it.

use super::form::Fields;
use super::frame::Frame;
use super::list::Listing;
use super::show;
use super::visit::{Visit, page, parsed};
use crate::api::auth::Read;
use crate::api::error::Problem;
use crate::api::event::{self, EventOut};
use crate::api::event_type;
use crate::api::extract::Query;
use crate::api::page::List;
use crate::domain::{State as EventState, Timestamp};
use askama::Template;
use axum::extract::State;
use axum::response::Response;

/// Names that the field for the event type offers; any other can be typed.
const OFFERED_MAX: usize = 200;
/// Characters of a payload in the list; the rest is a hover or a click away.
const PAYLOAD_SHORT: usize = 80;
const PAYLOAD_HOVER: usize = 2_000;

/// A timespan that ends now.
struct Preset {
    id: &'static str,
    label: &'static str,
    ms: u64,
}

const fn preset(id: &'static str, label: &'static str, minutes: u64) -> Preset {
    Preset { id, label, ms: minutes * 60_000 }
}

const PRESETS: [Preset; 5] = [
    preset("15m", "Last 15 minutes", 15),
    preset("1h", "Last hour", 60),
    preset("24h", "Last 24 hours", 24 * 60),
    preset("7d", "Last 7 days", 7 * 24 * 60),
    preset("30d", "Last 30 days", 30 * 24 * 60),
];

#[derive(Template)]
#[template(path = "events.html", blocks = ["list"])]
struct Events {
    frame: Frame,
    listing: Listing,
    events: Vec<EventOut>,
    next: Option<String>,
    offered: Vec<String>,
    sees_all: bool,
}

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let query = parsed(&asked(&listing, visit.api().now())?)?;
    let caller = visit.caller::<Read>()?;
    let List { items, next } = event::list(caller, State(visit.api().clone()), Query(query)).await?;
    let is_part = visit.part() == "list";
    let offered = if is_part { Vec::new() } else { offered(&visit).await? };
    let frame = visit.frame("events", "Events").live("");
    let events = Events { frame, listing, events: items, next, offered, sees_all: visit.sees_all() };
    if is_part { page(&events.as_list()) } else { page(&events) }
}

/// The filter of the API that an address of the console means: a timespan is from its time until now.
fn asked(listing: &Listing, now: Timestamp) -> Result<String, Problem> {
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
fn zoned(time: &str) -> String {
    let is_bare = !time.is_empty() && !time.ends_with('Z') && time.rfind(['+', '-']).is_none_or(|at| at < 11);
    match (is_bare, time.len()) {
        (true, 16) => format!("{time}:00Z"),
        (true, _) => format!("{time}Z"),
        (false, _) => time.to_owned(),
    }
}

pub(super) async fn offered(visit: &Visit) -> Result<Vec<String>, Problem> {
    let filter = parsed(&format!("sort=name&{}", Fields::one("limit", &OFFERED_MAX.to_string())))?;
    let caller = visit.caller::<Read>()?;
    let types = event_type::list(caller, State(visit.api().clone()), Query(filter)).await?;
    Ok(types.items.into_iter().map(|found| found.display_name).collect())
}

impl Events {
    fn states(&self) -> [EventState; 8] {
        EventState::ALL
    }

    fn presets(&self) -> &'static [Preset] {
        &PRESETS
    }

    fn is_only(&self, state: EventState) -> bool {
        self.listing.is("state", state.as_str())
    }

    /// A time for a field that has no zone.
    fn bare(&self, name: &str) -> String {
        self.listing.get(name).parse::<Timestamp>().map(|time| time.to_string()[..16].to_owned()).unwrap_or_default()
    }

    fn is_oldest_first(&self) -> bool {
        self.listing.is("sort", "created_at")
    }

    fn sorted_the_other_way(&self) -> String {
        self.listing.with("sort", if self.is_oldest_first() { "" } else { "created_at" })
    }
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
