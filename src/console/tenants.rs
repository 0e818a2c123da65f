//! Tenants that have a record: how much each may have, beside what it has.

use super::cell::{Body, Cell, Column, Meter, Part, amount};
use super::event::Confirm;
use super::form::Fields;
use super::limits::TABS;
use super::list::Listing;
use super::sheet::{Field, Group, Sheet, in_words, of_version, unchanged, with};
use super::thing::{Button, Thing};
use super::things::{Empty, Filter, Row, Tab, Things};
use super::visit::{Visit, page, parsed};
use crate::api::auth::{Admin, Read};
use crate::api::error::Problem;
use crate::api::extract::{Body as Sent, Path as Named, Query};
use crate::api::page::List;
use crate::api::tenant::{self, TenantOut};
use crate::domain::{Counted, Quotas};
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;

const LIST: (&str, &str) = ("/console/tenants", "Tenants");
/// What of an answer is part of a body.
const GIVEN: [&str; 4] = ["name", "description", "quotas", "retention_days"];
const COLUMNS: [Column; 5] = [
    Column::new("State", ""),
    Column::new("Id", "main"),
    Column::new("Name", "clip result"),
    Column::new("Own quotas", "number aside"),
    Column::new("Changed", "when aside"),
];
const QUOTAS: [(&str, &str); 16] = [
    ("/quotas/events_per_minute:number", "Events in a minute"),
    ("/quotas/queued_events:number", "Queued events"),
    ("/quotas/concurrent_runs:number", "Runs at once"),
    ("/quotas/kv_bytes:number", "Kept values, bytes"),
    ("/quotas/modules:number", "Modules"),
    ("/quotas/module_bytes:number", "Bytes of modules"),
    ("/quotas/actions:number", "Actions"),
    ("/quotas/event_types:number", "Event types"),
    ("/quotas/objects:number", "Objects"),
    ("/quotas/attachments:number", "Attachments"),
    ("/quotas/tokens:number", "Tokens"),
    ("/quotas/source_types:number", "Source types"),
    ("/quotas/sources:number", "Sources"),
    ("/quotas/sink_types:number", "Sink types"),
    ("/quotas/schedules:number", "Schedules"),
    ("/quotas/secrets:number", "Secrets"),
];

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let filter = parsed(&listing.query(&[], &[]))?;
    let caller = visit.caller::<Read>()?;
    let List { items, next } = tenant::list(caller, State(visit.api().clone()), Query(filter)).await?;
    let states = [("", "Any state"), ("true", "Enabled"), ("false", "Switched off")];
    let things = Things {
        frame: visit.frame("limits", LIST.1),
        listing,
        named: ("tenant", "tenants"),
        tabs: TABS.into(),
        new: may_change(&visit).then_some(Tab { path: "/console/tenants/new", label: "New tenant" }),
        filters: vec![Filter::choice("enabled", "State", &states), Filter::sort()],
        columns: COLUMNS.into(),
        rows: items.iter().map(row).collect(),
        next,
        empty: Empty {
            what: "No tenant has a record.",
            next: "A tenant works without one, within the usual quotas. A record gives it others, or switches it off.",
            code: "",
        },
    };
    things.answer(&visit)
}

/// A tenant does not bound itself.
fn may_change(visit: &Visit) -> bool {
    visit.may::<Admin>() && visit.sees_all()
}

fn state(item: &TenantOut) -> Cell {
    if item.enabled { Cell::State("success", "ENABLED") } else { Cell::State("error", "SWITCHED OFF") }
}

fn row(item: &TenantOut) -> Row {
    let quotas = serde_json::to_value(item.quotas).ok().and_then(|quotas| quotas.as_object().map(serde_json::Map::len));
    let quotas = quotas.filter(|count| *count > 0);
    let cells = vec![
        state(item),
        Cell::text(item.id.as_str()),
        Cell::text(&item.name),
        quotas.map_or(Cell::Hint("usual".to_owned()), |count| Cell::Text(count.to_string())),
        Cell::Time(item.updated_at),
    ];
    Row { id: item.id.to_string(), path: format!("{}/{}", LIST.0, item.id), cells }
}

async fn read(visit: &Visit, id: String) -> Result<TenantOut, Problem> {
    let data = tenant::read(visit.caller::<Read>()?, State(visit.api().clone()), Named(id)).await?;
    Ok(data.into_parts().0)
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let item = read(&visit, id).await?;
    let path = format!("{}/{}", LIST.0, item.id);
    let mut buttons = Vec::new();
    if may_change(&visit) {
        // Switching off stops what a customer has running, so it is asked for; switching on is not.
        buttons.push(if item.enabled {
            Button::Ask { path: format!("{path}/off"), label: "Switch off…" }
        } else {
            let fields = with(&item, &GIVEN, ("enabled", Value::from(true)));
            Button::Do { path: path.clone(), label: "Switch on", fields }
        });
        buttons.push(Button::Go { path: format!("{path}/edit"), label: "Edit" });
        buttons.push(Button::Ask { path: format!("{path}/delete"), label: "Delete…" });
    }
    let used = item.r#use.as_ref();
    let meters = used.into_iter().flatten().map(|(name, used)| Meter::of(name, used)).collect();
    let days =
        item.retention_days.map_or(Cell::Hint("as the server".to_owned()), |days| Cell::Text(format!("{days} days")));
    let events = format!("/console/events?{}", Fields::one("owner_id", item.id.as_str()));
    let off = "It is switched off: its tokens and sources are refused, and nothing of it begins.";
    let thing = Thing {
        frame: visit.frame("limits", format!("Tenant {}", item.id)).live(""),
        list: LIST,
        title: item.id.to_string(),
        state: state(&item),
        description: [item.name.as_str(), item.description.as_str()].join(" ").trim().to_owned(),
        warning: if item.enabled { String::new() } else { off.to_owned() },
        buttons,
        facts: vec![
            ("History", days),
            ("Events", Cell::link(events, "of this tenant")),
            ("Changed", Cell::Time(item.updated_at)),
            ("By", Cell::text(&item.updated_by)),
            ("Created", Cell::Time(item.created_at)),
        ],
        parts: vec![Part::new("Used of what it may have", Body::Meters(meters))],
        path,
    };
    thing.answer(&visit)
}

/// What a quota is while nothing is said of it.
fn usual(place: &str) -> String {
    let name = place.trim_start_matches("/quotas/").trim_end_matches(":number");
    let usual = Quotas::default();
    let limit = match name {
        "events_per_minute" => usual.events_per_minute(),
        Quotas::KV_BYTES => usual.kv_bytes(),
        _ => match Counted::ALL.iter().find(|counted| counted.as_str() == name) {
            Some(counted) => usual.of(*counted),
            None => return "As the server.".to_owned(),
        },
    };
    format!("Usually {}.", amount(name, limit))
}

fn sheet(visit: &Visit, title: String, first: Vec<Field>, (action, back): (String, String)) -> Sheet {
    let mut fields = first;
    fields.extend([
        Field::line("/name", "Name"),
        Field::lines("/description:text", "Description", 2),
        Field::number("/retention_days:number", "History, days").hint("Empty: as the server."),
        Field::flag("/enabled:flag", "Enabled").usually("true"),
    ]);
    let quotas = QUOTAS.iter().map(|(place, label)| Field::number(place, label).hint(usual(place))).collect();
    let groups = vec![
        Group::new("", "", fields),
        Group::new("Quotas", "What is left empty is as usual. A quota below what it has takes nothing away.", quotas),
    ];
    let frame = visit.frame("limits", title);
    Sheet { frame, explained: String::new(), groups, action, back, verb: "Save", version: None }
}

pub(super) async fn ask_for_new(visit: Visit) -> Result<Response, Problem> {
    check_may_change(&visit, "")?;
    let id = Field::line("/id", "Id").required().hint("The owner_id of what it has; it may have things already.");
    page(&sheet(&visit, "New tenant".to_owned(), vec![id], (LIST.0.to_owned(), LIST.0.to_owned())))
}

fn check_may_change(visit: &Visit, id: &str) -> Result<(), Problem> {
    let missing = |_| Problem::not_found("tenant", id);
    tenant::check_platform(&visit.caller()?, &id.parse().map_err(missing)?)
}

pub(super) async fn create(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Admin>()?, State(visit.api().clone()));
    let made = tenant::create(caller, api, Sent(fields.body(visit.api())?)).await?.into_parts().0;
    Ok(visit.go(&format!("{}/{}", LIST.0, made.id)))
}

pub(super) async fn edit(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Admin>()?;
    let item = read(&visit, id).await?;
    check_may_change(&visit, item.id.as_str())?;
    let path = format!("{}/{}", LIST.0, item.id);
    page(&sheet(&visit, format!("Edit {}", item.id), Vec::new(), (path.clone(), path)).filled(&item))
}

pub(super) async fn change(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Admin>()?, State(visit.api().clone()));
    let body = Sent(fields.body(visit.api())?);
    let changed = tenant::change(caller, api, Named(id), unchanged(&visit, &fields), body).await.map_err(in_words)?;
    Ok(visit.go(&format!("{}/{}", LIST.0, changed.into_parts().0.id)))
}

/// The question has the form that changes it, so that it is changed as any form does.
pub(super) async fn ask_to_switch_off(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Admin>()?;
    let item = read(&visit, id).await?;
    check_may_change(&visit, item.id.as_str())?;
    let back = format!("{}/{}", LIST.0, item.id);
    let confirm = Confirm {
        frame: visit.frame("limits", "Switch off"),
        question: format!("Switch the tenant {} off?", item.id),
        consequences: vec![
            "Its tokens and sources are refused at once.".to_owned(),
            "What its chains and schedules fire is skipped; what is queued waits until it is switched on again."
                .to_owned(),
            "What runs goes on.".to_owned(),
        ],
        verb: "Switch it off",
        action: of_version(&format!("{back}/off"), item.version),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn switch_off(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Admin>()?, State(visit.api().clone()));
    let item = read(&visit, id.clone()).await?;
    let off = Fields::from_iter(with(&item, &GIVEN, ("enabled", Value::from(false))));
    let body = Sent(off.body(visit.api())?);
    let changed = tenant::change(caller, api, Named(id), unchanged(&visit, &fields), body).await.map_err(in_words)?;
    Ok(visit.go(&format!("{}/{}", LIST.0, changed.into_parts().0.id)))
}

pub(super) async fn ask_to_delete(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Admin>()?;
    let item = read(&visit, id).await?;
    check_may_change(&visit, item.id.as_str())?;
    let back = format!("{}/{}", LIST.0, item.id);
    let confirm = Confirm {
        frame: visit.frame("limits", "Delete"),
        question: format!("Delete the record of the tenant {}?", item.id),
        consequences: vec![
            "It only goes while the tenant has nothing: no tokens, actions, secrets, and no events that have not ended.".to_owned(),
            "Its history stays until retention removes it.".to_owned(),
        ],
        verb: "Delete the record",
        action: of_version(&format!("{back}/delete"), item.version),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn delete(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Admin>()?, State(visit.api().clone()));
    tenant::delete(caller, api, Named(id), unchanged(&visit, &fields)).await.map_err(in_words)?;
    Ok(visit.go(LIST.0))
}
