//! The actions: what can run, and what follows it.

use super::frame::Frame;
use super::kinds::{Named, Sorting, event_type_named};
use super::list::Listing;
use super::show;
use super::visit::{Visit, page, parsed};
use crate::api::action::{self, ActionOut};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::extract::Query;
use crate::api::page::List;
use askama::Template;
use axum::extract::State;
use axum::response::Response;

/// Characters of a module in the list; a digest is longer.
const MODULE_SHORT: usize = 22;

#[derive(Template)]
#[template(path = "actions.html", blocks = ["list"])]
struct Actions {
    frame: Frame,
    listing: Listing,
    sorting: Sorting,
    rows: Vec<Row>,
    next: Option<String>,
    sees_all: bool,
    may_write: bool,
}

struct Row {
    action: ActionOut,
    on_success: Option<Named>,
    on_failure: Option<Named>,
}

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let query = parsed(&listing.query(&[], &[]))?;
    let caller = visit.caller::<Read>()?;
    let List { items, next } = action::list(caller, State(visit.api().clone()), Query(query)).await?;
    let row = |action: ActionOut| {
        let on_success = event_type_named(&visit, &action.owner_id, action.on_success.as_ref())?;
        let on_failure = event_type_named(&visit, &action.owner_id, action.on_failure.as_ref())?;
        Ok(Row { action, on_success, on_failure })
    };
    let rows = items.into_iter().map(row).collect::<Result<Vec<Row>, Problem>>()?;
    let (sorting, frame) = (Sorting::of_list(&listing), visit.frame("actions", "Actions"));
    let (sees_all, may_write) = (visit.sees_all(), visit.may::<Write>());
    let actions = Actions { frame, listing, sorting, rows, next, sees_all, may_write };
    if visit.part() == "list" { page(&actions.as_list()) } else { page(&actions) }
}
