//! Firing an event type by hand: with a sample to begin with, for real, or only to see what would run.

use super::event_type as shown;
use super::event_type_form::check_seen;
use super::form::Fields;
use super::frame::Frame;
use super::list::Listing;
use super::sample_json::sample;
use super::show;
use super::visit::{Visit, page, parsed};
use crate::api::auth::{Execute, Read};
use crate::api::error::Problem;
use crate::api::event::{self, EventOut};
use crate::api::event_type::EventTypeOut;
use crate::api::extract::Query;
use crate::api::fire::{EventIn, fire_event, foresee_event};
use crate::api::firing::Firing;
use crate::api::run::RunOut;
use crate::domain::{EventTypeId, Json, ObjectRef};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

#[derive(Template)]
#[template(path = "sample.html", blocks = ["detail"])]
struct Form {
    frame: Frame,
    event_type: EventTypeOut,
    payload: String,
    /// What the last event was about.
    object: Option<ObjectRef>,
    from: From,
    asks_owner: bool,
}

/// Where the sample comes from.
#[derive(Clone, Copy, PartialEq)]
enum From {
    LastEvent,
    Schema,
    Nowhere,
}

/// What firing would do.
#[derive(Template)]
#[template(path = "plan.html", blocks = ["detail"])]
struct Plan {
    frame: Frame,
    event: EventOut,
    runs: Vec<RunOut>,
}

pub(super) async fn ask(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Execute>()?;
    let event_type = shown::read(&visit, &id).await?;
    let last = last_event(&visit, event_type.id).await?;
    let object = last.as_ref().and_then(|last| last.object.clone());
    let last = last.filter(|_| !Listing::of(&visit).is("from", "schema")).map(|last| last.payload);
    let schema = event_type.payload_schema.as_ref().and_then(|schema| schema.to::<serde_json::Value>().ok());
    let (payload, from) = match (last, schema) {
        (Some(payload), _) => (show::json(&payload), From::LastEvent),
        (None, Some(schema)) => (show::json(&Json::from(sample(&schema))), From::Schema),
        (None, None) => ("{}".to_owned(), From::Nowhere),
    };
    let frame = visit.frame("event-types", format!("Fire {}", event_type.display_name));
    let form = Form { frame, event_type, payload, object, from, asks_owner: visit.sees_all() };
    if visit.wants_part() { page(&form.as_detail()) } else { page(&form) }
}

/// The last event of a type.
pub(super) async fn last_event(visit: &Visit, event_type: EventTypeId) -> Result<Option<EventOut>, Problem> {
    let query = parsed(&format!("event_type={event_type}&limit=1"))?;
    let last = event::list(visit.caller::<Read>()?, State(visit.api().clone()), Query(query)).await?;
    Ok(last.items.into_iter().next())
}

impl Form {
    fn object_type(&self) -> &str {
        self.object.as_ref().map_or("", |object| &object.object_type)
    }

    fn object_id(&self) -> &str {
        self.object.as_ref().map_or("", |object| &object.object_id)
    }
}

pub(super) async fn fire(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let firing = Firing::Token(visit.caller::<Execute>()?);
    let (name, owner) = check_seen(&visit, &id)?;
    // The page says which event type it is, whatever the form says; whose event it is, the platform may say.
    let mut fields = fields;
    fields.set("/event_type", &name);
    if visit.sees_all() && fields.get("/owner_id").is_empty() {
        fields.set("/owner_id", &owner);
    }
    let body: EventIn = fields.body(visit.api())?;
    let in_payload = |problem: Problem| match problem.code() {
        "payload_invalid" => problem.under("/payload"),
        _ => problem,
    };
    if fields.get("dry_run") != "true" {
        let event = fire_event(visit.api(), &firing, body).await.map_err(in_payload)?;
        return Ok(visit.go(&format!("/console/events/{}", event.id)));
    }
    let mut event = foresee_event(visit.api(), &firing, body).await.map_err(in_payload)?;
    let runs = event.runs.take().unwrap_or_default();
    let plan = Plan { frame: visit.frame("event-types", format!("Plan of {name}")), event, runs };
    if visit.wants_part() { visit.beside("#outcome", &plan.as_detail()) } else { page(&plan) }
}
