//! The event types: what can fire, under which limits, and what runs then.

use super::curl::origin;
use super::frame::Frame;
use super::kinds::{Named, Sorting, action_named, is_own};
use super::list::Listing;
use super::show;
use super::visit::{Visit, page, parsed};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::event_type::{self, EventTypeOut};
use crate::api::extract::Query;
use crate::api::page::List;
use askama::Template;
use axum::extract::State;
use axum::response::Response;

#[derive(Template)]
#[template(path = "event_types.html", blocks = ["list"])]
struct EventTypes {
    frame: Frame,
    listing: Listing,
    sorting: Sorting,
    rows: Vec<Row>,
    next: Option<String>,
    origin: String,
    sees_all: bool,
    may_write: bool,
}

struct Row {
    event_type: EventTypeOut,
    action: Option<Named>,
    is_own: bool,
}

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let query = parsed(&listing.query(&[], &[]))?;
    let caller = visit.caller::<Read>()?;
    let List { items, next } = event_type::list(caller, State(visit.api().clone()), Query(query)).await?;
    let row = |event_type: EventTypeOut| {
        let is_own = is_own(&visit, &event_type.owner_id);
        Ok(Row { action: action_named(&visit, event_type.action)?, event_type, is_own })
    };
    let rows = items.into_iter().map(row).collect::<Result<Vec<Row>, Problem>>()?;
    let (sorting, frame) = (Sorting::of_list(&listing), visit.frame("event-types", "Event types"));
    let (origin, sees_all, may_write) = (origin(&visit), visit.sees_all(), visit.may::<Write>());
    let types = EventTypes { frame, listing, sorting, rows, next, origin, sees_all, may_write };
    if visit.part() == "list" { page(&types.as_list()) } else { page(&types) }
}
