//! Making an event type, and changing one: the whole body of the API as a form.

use super::conflict::Conflict;
use super::event_type as shown;
use super::form::Fields;
use super::frame::Frame;
use super::kinds::action_named;
use super::list::Listing;
use super::parameter_list::{self, Row};
use super::sent::{Sent, if_match};
use super::show;
use super::visit::{Visit, page};
use crate::api::auth::{Caller, Execute, Read, Write};
use crate::api::error::Problem;
use crate::api::event_type::{self, EventTypeIn, EventTypeOut};
use crate::api::extract::{Body, Path as OfPath};
use crate::domain::{DedupWindow, Flow, TenantId};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

const FLOWS: [(&str, Flow); 4] = [("both", Flow::Both), ("up", Flow::Up), ("down", Flow::Down), ("none", Flow::None)];

#[derive(Template)]
#[template(path = "event_type_form.html", blocks = ["detail"])]
struct Form {
    frame: Frame,
    /// Empty for one that is not there yet.
    id: String,
    title: String,
    version: u64,
    filled: Filled,
    parameters: Vec<Row>,
    asks_owner: bool,
}

/// What stands in the fields to begin with.
struct Filled {
    /// The tenant of one that is there, in which the name of its action is looked up.
    owner: String,
    display_name: String,
    description: String,
    action: String,
    sink_type: String,
    source_type: String,
    enabled: bool,
    flow: Flow,
    payload_schema: String,
    window_s: u32,
}

impl Filled {
    /// A new one, as far as its address says what it is.
    fn new(listing: &Listing) -> Filled {
        Filled {
            owner: String::new(),
            display_name: String::new(),
            description: String::new(),
            action: listing.get("action").to_owned(),
            sink_type: String::new(),
            source_type: String::new(),
            enabled: true,
            flow: Flow::Both,
            payload_schema: String::new(),
            window_s: DedupWindow::default().into(),
        }
    }

    fn of(visit: &Visit, event_type: &EventTypeOut) -> Result<Filled, Problem> {
        // Its name where that means this action again when it is sent, else the id.
        let owner: TenantId = event_type.owner_id.parse().unwrap_or_default();
        let named = action_named(visit, event_type.action)?.filter(|named| {
            let meant = crate::api::action::named(visit.api(), &owner, &named.name);
            meant.is_some_and(|meant| meant.id.to_string() == named.id)
        });
        let id = event_type.action.map(|id| id.to_string()).unwrap_or_default();
        Ok(Filled {
            owner: event_type.owner_id.clone(),
            display_name: event_type.display_name.clone(),
            description: event_type.description.clone(),
            action: named.map_or(id, |named| named.name),
            sink_type: event_type.sink_type.clone(),
            source_type: event_type.source_type.clone().unwrap_or_default(),
            enabled: event_type.enabled,
            flow: event_type.flow,
            payload_schema: event_type.payload_schema.as_ref().map(show::json).unwrap_or_default(),
            window_s: event_type.dedup_window_s.into(),
        })
    }

    fn flows(&self) -> [(&'static str, &'static str, bool); 4] {
        FLOWS.map(|(name, flow)| (name, shown::flow_words(flow), flow == self.flow))
    }
}

impl Form {
    fn post(&self) -> String {
        if self.id.is_empty() { "/console/event-types/new".to_owned() } else { format!("{}/edit", self.back()) }
    }

    fn back(&self) -> String {
        if self.id.is_empty() { "/console/event-types".to_owned() } else { format!("/console/event-types/{}", self.id) }
    }

    fn api(&self) -> String {
        if self.id.is_empty() { "/event-type".to_owned() } else { format!("/event-type/{}", self.id) }
    }

    fn method(&self) -> &'static str {
        if self.id.is_empty() { "POST" } else { "PUT" }
    }
}

pub(super) async fn ask_new(visit: Visit) -> Result<Response, Problem> {
    visit.caller::<Read>()?;
    visit.caller::<Write>()?;
    let form = Form {
        frame: visit.frame("event-types", "New event type"),
        id: String::new(),
        title: "New event type".to_owned(),
        version: 0,
        filled: Filled::new(&Listing::of(&visit)),
        parameters: parameter_list::rows_and_one(&[]),
        asks_owner: visit.sees_all(),
    };
    if visit.wants_part() { page(&form.as_detail()) } else { page(&form) }
}

pub(super) async fn create(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let asked: Option<TenantId> = fields.get("/owner_id").trim().parse().ok();
    let owner = asked.filter(|owner| caller.tenant().may_change(owner)).unwrap_or_else(|| caller.tenant().clone());
    let sent = Sent::of(&fields).with_action(&visit, &owner)?;
    let body: EventTypeIn = sent.body(&visit)?;
    let made = event_type::create(caller, State(visit.api().clone()), Body(body)).await;
    let (made, _) = made.map_err(|problem| sent.told(problem))?.into_parts();
    Ok(visit.put(&format!("/console/event-types/{}", made.id)))
}

pub(super) async fn ask_edit(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    check_own(&visit, &caller, &id)?;
    let event_type = shown::read(&visit, &id).await?;
    let title = format!("Edit {}", event_type.display_name);
    let form = Form {
        frame: visit.frame("event-types", title.clone()),
        id: event_type.id.to_string(),
        title,
        version: event_type.version,
        filled: Filled::of(&visit, &event_type)?,
        parameters: parameter_list::rows_and_one(&event_type.parameters),
        asks_owner: false,
    };
    if visit.wants_part() { page(&form.as_detail()) } else { page(&form) }
}

/// What the API would refuse to change is not asked about either. Gives whose it is.
pub(super) fn check_own(visit: &Visit, caller: &Caller<Write>, id: &str) -> Result<TenantId, Problem> {
    let event_type = event_type::find(visit.api(), caller.tenant(), id)?;
    caller.check_may_change(&event_type.owner_id, "event type", id)?;
    Ok(event_type.owner_id.clone())
}

/// The name of an event type that the reader sees, and whose it is.
pub(super) fn check_seen(visit: &Visit, id: &str) -> Result<(String, String), Problem> {
    let caller = visit.caller::<Execute>()?;
    let event_type = event_type::find(visit.api(), caller.tenant(), id)?;
    Ok((event_type.display_name.to_string(), event_type.owner_id.to_string()))
}

pub(super) async fn change(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    let owner = check_own(&visit, &caller, &id)?;
    let sent = Sent::of(&fields).with_action(&visit, &owner)?;
    let body: EventTypeIn = sent.body(&visit)?;
    let (api, headers) = (State(visit.api().clone()), if_match(fields.get("version")));
    match event_type::change(caller, api, OfPath(id.clone()), headers, Body(body)).await {
        Ok(_) => Ok(visit.put(&format!("/console/event-types/{id}"))),
        Err(problem) if problem.code() == "precondition_failed" => {
            let newest = shown::read(&visit, &id).await?;
            let who = (newest.version, String::new(), newest.updated_at);
            Conflict::answer(&visit, "event type", who, &format!("/console/event-types/{id}"))
        }
        Err(problem) => Err(sent.told(problem)),
    }
}
