//! The audit log: who changed what, when, and from what to what.

use super::cell::{Body, Cell, Column, Part};
use super::form::Fields;
use super::list::Listing;
use super::thing::Thing;
use super::things::{Empty, Filter, Row, Things};
use super::timespan::asked;
use super::visit::{Visit, parsed};
use super::{difference, secrets, show};
use crate::api::audit::{self, AuditOut};
use crate::api::auth::Admin;
use crate::api::error::Problem;
use crate::api::extract::{Path as Named, Query};
use crate::api::page::List;
use crate::domain::{Deed, Json};
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;

const LIST: (&str, &str) = ("/console/audit", "Audit");
const COLUMNS: [Column; 5] = [
    Column::new("Done", ""),
    Column::new("To what", "main"),
    Column::new("Who", "clip"),
    Column::new("Note", "clip result"),
    Column::new("When", "when"),
];
/// Each deed with its word, as the API has it.
const DEEDS: [(&str, &str); 11] = [
    ("", "Any change"),
    ("created", "Created"),
    ("changed", "Changed"),
    ("deleted", "Deleted"),
    ("paused", "Paused"),
    ("resumed", "Resumed"),
    ("cancelled", "Cancelled"),
    ("replayed", "Replayed"),
    ("backed_up", "Backed up"),
    ("rotated", "Rotated"),
    ("refused", "Refused"),
];
/// What things are called there, each with the section that shows one by its id, if there is one.
const KINDS: [(&str, &str); 18] = [
    ("action", "/console/actions"),
    ("attachment", ""),
    ("backup", ""),
    ("event", "/console/events"),
    ("event-type", "/console/event-types"),
    ("module", "/console/modules"),
    ("object", "/console/objects"),
    ("run", "/console/runs"),
    ("schedule", "/console/schedules"),
    ("secret", "/console/secrets"),
    ("secret-key", ""),
    ("sink", "/console/sinks"),
    ("sink-type", "/console/sink-types"),
    ("source", "/console/sources"),
    ("source-type", "/console/source-types"),
    ("tenant", "/console/tenants"),
    ("token", "/console/tokens"),
    ("value", ""),
];

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let filter = parsed(&asked(&listing, visit.api().now())?)?;
    let caller = visit.caller::<Admin>()?;
    let List { items, next } = audit::list(caller, State(visit.api().clone()), Query(filter)).await?;
    let mut kinds = vec![("", "Anything")];
    kinds.extend(KINDS.iter().map(|(kind, _)| (*kind, *kind)));
    let filters = [
        Filter::choice("what", "What was done", &DEEDS),
        Filter::choice("kind", "To what", &kinds),
        Filter::Typed { name: "token", label: "Who: name or id", offered: Vec::new() },
        Filter::Timespan,
    ];
    let mut columns = Vec::from(COLUMNS);
    columns.extend(visit.sees_all().then(|| Column::new("Tenant", "aside")));
    let things = Things {
        frame: visit.frame("audit", LIST.1),
        listing,
        named: ("entry", "entries"),
        tabs: Vec::new(),
        new: None,
        filters: filters.into_iter().chain(Filter::tenant(&visit)).collect(),
        columns,
        rows: items.iter().map(|item| row(item, &visit)).collect(),
        next,
        empty: Empty {
            what: "Nothing was changed yet.",
            next: "Every change of the catalogue by a token is noted here, with what it was before and after.",
            code: "",
        },
    };
    things.answer(&visit)
}

fn row(item: &AuditOut, visit: &Visit) -> Row {
    let mut cells = vec![
        deed(item.what),
        Cell::Text(format!("{} {}", item.kind.replace('-', " "), subject(item))),
        who(item),
        Cell::text(&item.note),
        Cell::Time(item.at),
    ];
    cells.extend(visit.sees_all().then(|| Cell::tenant(&item.owner_id)));
    Row { id: item.id.to_string(), path: format!("{}/{}", LIST.0, item.id), cells }
}

fn subject(item: &AuditOut) -> &str {
    if item.subject.is_empty() { &item.subject_id } else { &item.subject }
}

fn deed(deed: Deed) -> Cell {
    match deed {
        Deed::Created => Cell::State("success", "CREATED"),
        Deed::Changed => Cell::State("noted", "CHANGED"),
        Deed::Deleted => Cell::State("error", "DELETED"),
        Deed::Paused => Cell::State("warning", "PAUSED"),
        Deed::Resumed => Cell::State("success", "RESUMED"),
        Deed::Cancelled => Cell::State("", "CANCELLED"),
        Deed::Replayed => Cell::State("", "REPLAYED"),
        Deed::BackedUp => Cell::State("", "BACKED UP"),
        Deed::Rotated => Cell::State("noted", "ROTATED"),
        Deed::Refused => Cell::State("error", "REFUSED"),
    }
}

fn who(item: &AuditOut) -> Cell {
    match (&item.by.token_id, &item.by.source_id) {
        (Some(id), _) => Cell::link(format!("/console/tokens/{id}"), &item.by.name),
        (None, Some(id)) => Cell::link(format!("/console/sources/{id}"), &item.by.name),
        (None, None) => Cell::text(&item.by.name),
    }
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Admin>()?, State(visit.api().clone()));
    let item = audit::read(caller, api, Named(id)).await?.into_parts().0;
    let same = format!("{}?{}", LIST.0, Fields::one("subject_id", &item.subject_id));
    let request = item.request_id.map(|id| id.to_string());
    let facts = vec![
        ("Who", who(&item)),
        ("Of the tenant", item.by.owner_id.as_deref().map_or(Cell::Nothing, Cell::tenant)),
        ("When", Cell::Time(item.at)),
        ("What", thing(&item)),
        ("Whose", Cell::tenant(&item.owner_id)),
        (
            "All its changes",
            if item.subject_id.is_empty() { Cell::Nothing } else { Cell::link(same, "in the audit log") },
        ),
        ("Note", Cell::text(&item.note)),
        ("Request", request.map_or(Cell::Nothing, Cell::Code)),
        ("Id", Cell::Code(item.id.to_string())),
    ];
    let title = format!("{} {}", item.kind.replace('-', " "), subject(&item));
    let thing = Thing {
        frame: visit.frame("audit", title.clone()),
        list: LIST,
        path: format!("{}/{}", LIST.0, item.id),
        title,
        state: deed(item.what),
        description: String::new(),
        warning: String::new(),
        buttons: Vec::new(),
        facts,
        parts: parts(&item),
    };
    thing.answer(&visit)
}

/// What it was done to; there is a page for it as long as it is there.
fn thing(item: &AuditOut) -> Cell {
    let section = KINDS.iter().find(|(kind, path)| *kind == item.kind && !path.is_empty());
    let Some((_, section)) = section.filter(|_| item.what != Deed::Deleted && !item.subject_id.is_empty()) else {
        return Cell::text(subject(item));
    };
    let path = match item.kind.as_str() {
        // Secrets are known by their names, and whose they are.
        "secret" => secrets::path(&item.subject, &item.owner_id, ""),
        _ => format!("{section}/{}", item.subject_id),
    };
    // Objects are called what people call them, which may be no path.
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.:?=".contains(&byte));
    if is_plain { Cell::link(path, subject(item)) } else { Cell::text(subject(item)) }
}

fn parts(item: &AuditOut) -> Vec<Part> {
    if item.before.is_none() && item.after.is_none() {
        return Vec::new();
    }
    let value = |side: &Option<Json>| side.as_ref().and_then(|json| json.to::<Value>().ok());
    let (before, after) = (value(&item.before), value(&item.after));
    let side = |text: Option<String>| text.map_or(Cell::Hint("nothing".to_owned()), Cell::Code);
    let row = |found: difference::Differs| vec![Cell::Code(found.place), side(found.before), side(found.after)];
    let rows: Vec<Vec<Cell>> = difference::between(before.as_ref(), after.as_ref()).into_iter().map(row).collect();
    let columns = vec![Column::new("Where", ""), Column::new("Before", "before"), Column::new("After", "after")];
    let mut parts = vec![Part::new("What is different", Body::Table { columns, rows })];
    if !item.cut.is_empty() {
        let words = format!("Too large to be kept: {}.", item.cut.join(", "));
        parts.push(Part::new("Left out", Body::Words(words)));
    }
    parts.extend(item.before.as_ref().map(|json| Part::new("Before", Body::Code(show::json(json)))));
    parts.extend(item.after.as_ref().map(|json| Part::new("After", Body::Code(show::json(json)))));
    parts
}
