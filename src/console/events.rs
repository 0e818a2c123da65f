//! The events: what was fired lately, and what became of it.

use super::form::Fields;
use super::frame::Frame;
use super::list::Listing;
use super::timespan::{PRESETS, Preset, asked};
use super::visit::{Visit, page, parsed};
use super::{show, timespan};
use crate::api::auth::Read;
use crate::api::error::Problem;
use crate::api::event::{self, EventOut};
use crate::api::event_type;
use crate::api::extract::Query;
use crate::api::page::List;
use crate::domain::State as EventState;
use askama::Template;
use axum::extract::State;
use axum::response::Response;

/// Names that a field for the event type offers; any other can be typed.
const OFFERED_MAX: usize = 200;
/// Characters of a payload in the list; the rest is a hover or a click away.
const PAYLOAD_SHORT: usize = 80;
const PAYLOAD_HOVER: usize = 2_000;

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

    fn is_oldest_first(&self) -> bool {
        self.listing.is("sort", "created_at")
    }

    fn sorted_the_other_way(&self) -> String {
        self.listing.with("sort", if self.is_oldest_first() { "" } else { "created_at" })
    }
}
