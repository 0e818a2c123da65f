//! One event type: who may fire it, what runs then and under which limits, and what names it. Pausing and resuming it.

use super::form::Fields;
use super::frame::Frame;
use super::guard::own_path;
use super::kinds::{Named, action_named, is_own};
use super::parameter_list::{self, Row};
use super::sent::if_match;
use super::show;
use super::visit::{Visit, page};
use crate::api::auth::{Admin, Execute, Read, Write};
use crate::api::error::Problem;
use crate::api::event_type::{self, EventTypeOut, Users};
use crate::api::extract::Path as OfPath;
use crate::domain::{Action, Flow};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use std::sync::Arc;

/// Of what names it, so many are named.
const USERS_SHOWN: usize = 20;

#[derive(Template)]
#[template(path = "event_type.html", blocks = ["detail"])]
struct Shown {
    frame: Frame,
    event_type: EventTypeOut,
    action: Option<Named>,
    parameters: Vec<Row>,
    users: Users,
    warnings: Vec<String>,
    may_change: bool,
    may_execute: bool,
    /// Whether the audit log, which has what was changed, is the reader's to see.
    may_audit: bool,
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let event_type = read(&visit, &id).await?;
    let caller = visit.caller::<Read>()?;
    let shown = Shown {
        frame: visit.frame("event-types", format!("Event type {}", event_type.display_name)),
        action: action_named(&visit, event_type.action)?,
        parameters: parameter_list::rows(&event_type.parameters),
        users: event_type::users(visit.api(), &caller, &id)?,
        warnings: event_type::warnings_of(visit.api(), &caller, &id)?,
        may_change: visit.may::<Write>() && is_own(&visit, &event_type.owner_id),
        may_execute: visit.may::<Execute>(),
        may_audit: visit.may::<Admin>(),
        event_type,
    };
    if visit.wants_part() { page(&shown.as_detail()) } else { page(&shown) }
}

pub(super) async fn read(visit: &Visit, id: &str) -> Result<EventTypeOut, Problem> {
    let data = event_type::read(visit.caller::<Read>()?, State(visit.api().clone()), OfPath(id.to_owned())).await?;
    Ok(data.into_parts().0)
}

impl Shown {
    fn flow(&self) -> &'static str {
        flow_words(self.event_type.flow)
    }

    fn window(&self) -> String {
        show::length(&self.event_type.dedup_window_s.as_ms())
    }

    fn schema(&self) -> Option<String> {
        self.event_type.payload_schema.as_ref().map(show::json)
    }

    fn named_by(&self) -> Vec<NamedBy> {
        let Users { triggered, on_success, on_failure, schedules } = &self.users;
        let actions = |how, actions: &[Arc<Action>]| {
            let named = actions.iter().map(|action| Named { id: action.id.to_string(), name: action.name.to_string() });
            NamedBy::of(how, "/console/actions", named)
        };
        let schedules = schedules
            .iter()
            .map(|schedule| Named { id: schedule.header.id.to_string(), name: schedule.header.name.to_string() });
        let all = [
            actions("triggers where they are attached", triggered),
            actions("is fired when these succeed", on_success),
            actions("is fired when these fail", on_failure),
            NamedBy::of("is fired by the schedules", "/console/schedules", schedules),
        ];
        all.into_iter().filter(|named_by| !named_by.users.is_empty()).collect()
    }
}

/// What names it in one way.
struct NamedBy {
    how: &'static str,
    /// What their pages are below.
    path: &'static str,
    users: Vec<Named>,
    /// How many there are besides.
    more: usize,
}

impl NamedBy {
    fn of(how: &'static str, path: &'static str, users: impl ExactSizeIterator<Item = Named>) -> NamedBy {
        let more = users.len().saturating_sub(USERS_SHOWN);
        NamedBy { how, path, users: users.take(USERS_SHOWN).collect(), more }
    }
}

pub(super) fn flow_words(flow: Flow) -> &'static str {
    match flow {
        Flow::Both => "what is attached to the object, above it and below it",
        Flow::Up => "what is attached to the object and above it",
        Flow::Down => "what is attached to the object and below it",
        Flow::None => "what is attached to exactly the object",
    }
}

pub(super) async fn pause(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api, headers) = (visit.caller::<Write>()?, State(visit.api().clone()), held(&fields));
    let (event_type, _) = event_type::pause(caller, api, OfPath(id), headers).await?.into_parts();
    Ok(visit.go(&back(&fields, &event_type)))
}

pub(super) async fn resume(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api, headers) = (visit.caller::<Write>()?, State(visit.api().clone()), held(&fields));
    let (event_type, _) = event_type::resume(caller, api, OfPath(id), headers).await?.into_parts();
    Ok(visit.go(&back(&fields, &event_type)))
}

/// Of what was seen, or, from who sees no version, of what is there.
fn held(fields: &Fields) -> axum::http::HeaderMap {
    let version = fields.get("version");
    if version.is_empty() { axum::http::HeaderMap::new() } else { if_match(version) }
}

/// Where the button was pressed.
fn back(fields: &Fields, event_type: &EventTypeOut) -> String {
    let said = fields.get("back");
    if said.is_empty() { format!("/console/event-types/{}", event_type.id) } else { own_path(said).to_owned() }
}
