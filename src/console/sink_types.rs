//! Sink types: the limits under which runs go, how many at once, and where they may reach.

use super::cell::{Body, Cell, Column, Meter, Part, amount, label};
use super::event::Confirm;
use super::form::Fields;
use super::list::Listing;
use super::sheet::{Field, Group, Sheet, in_words, of_version, owner, unchanged};
use super::show;
use super::sinks::TABS;
use super::thing::{Button, Thing};
use super::things::{Empty, Filter, Row, Tab, Things};
use super::visit::{Visit, page, parsed};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::extract::{Body as Sent, Path as Named, Query};
use crate::api::page::List;
use crate::api::sink_type::{self, SinkTypeOut};
use crate::api::tenant::UsedOut;
use crate::domain::{LimitsPatch, SinkType};
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;

const LIST: (&str, &str) = ("/console/sink-types", "Sink types");
const COLUMNS: [Column; 7] = [
    Column::new("State", ""),
    Column::new("Name", "main"),
    Column::new("Limits", "clip result"),
    Column::new("Hosts", "clip aside"),
    Column::new("At once", "number aside"),
    Column::new("Running", "number aside"),
    Column::new("Queued", "number aside"),
];
/// The fields of the limits of one attempt, in the order in which they matter.
const LIMITS: [(&str, &str); 9] = [
    ("/limits/fuel:number", "Fuel"),
    ("/limits/memory_bytes:number", "Memory, bytes"),
    ("/limits/timeout_ms:number", "Time, milliseconds"),
    ("/limits/output_bytes:number", "Output, bytes"),
    ("/limits/log_bytes:number", "Log, bytes"),
    ("/limits/http_calls:number", "HTTP calls"),
    ("/limits/http_bytes:number", "HTTP bytes"),
    ("/limits/kv_bytes:number", "Written values, bytes"),
    ("/limits/emitted_events:number", "Emitted events"),
];

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let filter = parsed(&listing.query(&[], &[]))?;
    let caller = visit.caller::<Read>()?;
    let List { items, next } = sink_type::list(caller, State(visit.api().clone()), Query(filter)).await?;
    let mut columns = Vec::from(COLUMNS);
    columns.extend(visit.sees_all().then(|| Column::new("Tenant", "aside")));
    let states = [("", "Any state"), ("true", "Online"), ("false", "Offline")];
    let filters = [Filter::choice("online", "State", &states), Filter::sort()];
    let things = Things {
        frame: visit.frame("sinks", LIST.1).live(""),
        listing,
        named: ("sink type", "sink types"),
        tabs: TABS.into(),
        new: visit.may::<Write>().then_some(Tab { path: "/console/sink-types/new", label: "New sink type" }),
        filters: filters.into_iter().chain(Filter::tenant(&visit)).collect(),
        columns,
        rows: items.iter().map(|item| row(item, &visit)).collect(),
        next,
        empty: Empty { what: "There are no sink types.", next: "The built-in one is always there.", code: "" },
    };
    things.answer(&visit)
}

fn row(item: &SinkTypeOut, visit: &Visit) -> Row {
    let header = &item.header;
    let LimitsPatch { fuel, memory_bytes, timeout_ms, .. } = item.limits;
    let limits = [
        fuel.map(|fuel| format!("{} fuel", show::count(&fuel))),
        memory_bytes.map(|bytes| show::bytes(&bytes)),
        timeout_ms.map(|ms| show::length(&ms)),
    ];
    let mut cells = vec![
        state(item),
        Cell::text(&header.name),
        Cell::Text(limits.into_iter().flatten().collect::<Vec<_>>().join(" · ")),
        Cell::text(item.allowed_hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        item.concurrency.map_or(Cell::Hint("all".to_owned()), |n| Cell::Text(show::count(&u64::from(n)))),
        Cell::Text(show::count(&u64::from(item.running))),
        Cell::Text(show::count(&(item.queued as u64))),
    ];
    cells.extend(visit.sees_all().then(|| Cell::tenant(&header.owner_id)));
    Row { id: header.id.clone(), path: format!("{}/{}", LIST.0, header.id), cells }
}

fn state(item: &SinkTypeOut) -> Cell {
    if item.online { Cell::State("success", "ONLINE") } else { Cell::State("error", "OFFLINE") }
}

async fn read(visit: &Visit, id: String) -> Result<SinkTypeOut, Problem> {
    let data = sink_type::read(visit.caller::<Read>()?, State(visit.api().clone()), Named(id)).await?;
    Ok(data.into_parts().0)
}

/// What a patch says, limit by limit.
pub(super) fn limits(patch: &LimitsPatch) -> Vec<(String, u64)> {
    let fields = serde_json::to_value(patch).unwrap_or_default();
    let known = LIMITS.iter().filter_map(|(place, _)| {
        let name = place.trim_start_matches("/limits/").trim_end_matches(":number");
        Some((name.to_owned(), fields.get(name).and_then(Value::as_u64)?))
    });
    known.collect()
}

pub(super) fn limits_table(patch: &LimitsPatch) -> Body {
    let row = |(name, limit): (String, u64)| vec![Cell::Text(label(&name)), Cell::Text(amount(&name, limit))];
    let columns = vec![Column::new("Of one attempt", ""), Column::new("At most", "number")];
    Body::Table { columns, rows: limits(patch).into_iter().map(row).collect() }
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let item = read(&visit, id).await?;
    let header = &item.header;
    let path = format!("{}/{}", LIST.0, header.id);
    let mut buttons = Vec::new();
    if visit.may::<Write>() && visit.owns(&header.owner_id) && !item.built_in {
        buttons.push(Button::Go { path: format!("{path}/edit"), label: "Edit" });
        buttons.push(Button::Ask { path: format!("{path}/delete"), label: "Delete…" });
    }
    let hosts = if item.allowed_hosts.is_empty() {
        Body::Words("Its runs reach no host.".to_owned())
    } else {
        let row = |host: &crate::domain::AllowedHost| vec![Cell::Code(host.to_string())];
        Body::Table { columns: vec![Column::new("Rule", "")], rows: item.allowed_hosts.iter().map(row).collect() }
    };
    let thing = Thing {
        frame: visit.frame("sinks", format!("Sink type {}", header.name)).live(""),
        list: LIST,
        title: header.name.clone(),
        state: state(&item),
        description: header.description.clone(),
        warning: if item.online { "" } else { "No sink that takes it is online: its runs stay queued until one is." }
            .to_owned(),
        buttons,
        facts: vec![
            ("Queued", Cell::Text(show::count(&(item.queued as u64)))),
            (
                "Is",
                if item.built_in {
                    Cell::Text("built in: serves when nothing else is named".to_owned())
                } else {
                    Cell::Nothing
                },
            ),
            ("Tenant", if visit.sees_all() && !item.built_in { Cell::tenant(&header.owner_id) } else { Cell::Nothing }),
            ("Changed", if item.built_in { Cell::Nothing } else { Cell::Time(header.updated_at) }),
            ("By", if item.built_in { Cell::Nothing } else { Cell::text(&header.updated_by) }),
            ("Id", Cell::Code(header.id.clone())),
        ],
        parts: vec![
            Part::new("Runs at once", running(&item)),
            Part::new("Limits", limits_table(&item.limits)),
            Part::new("Hosts that may be reached", hosts),
        ],
        path,
    };
    thing.answer(&visit)
}

fn running(item: &SinkTypeOut) -> Body {
    let used = u64::from(item.running);
    match item.concurrency {
        Some(limit) => Body::Meters(vec![Meter::of("running", &UsedOut { used, limit: u64::from(limit) })]),
        None => Body::Words(format!("{} now; as many as the server runs.", show::count(&used))),
    }
}

async fn sheet(visit: &Visit, title: String, action: String, back: String) -> Result<Sheet, Problem> {
    let usual = read(visit, SinkType::WASM.to_owned()).await?.limits;
    let usual = limits(&usual);
    let limits = LIMITS.iter().zip(usual).map(|((place, label), (name, limit))| {
        Field::number(place, label).hint(format!("wasm: {}", amount(&name, limit)))
    });
    let groups = vec![
        Group::new(
            "",
            "",
            vec![
                Field::line("/name", "Name").required(),
                Field::lines("/description:text", "Description", 2),
                Field::number("/concurrency:number", "Runs at once").hint("Empty: as many as the server runs."),
            ],
        ),
        Group::new("Limits of one attempt", "What is left empty is as in wasm.", limits.collect()),
        Group::new(
            "Reach",
            "",
            vec![Field::lines("/allowed_hosts:lines", "Hosts that may be reached", 4).hint(
                "One rule in a line, as https://api.example.com or GET,POST https://*.example.com. Empty: none.",
            )],
        ),
    ];
    let frame = visit.frame("sinks", title);
    Ok(Sheet { frame, explained: String::new(), groups, action, back, verb: "Save", version: None })
}

pub(super) async fn ask_for_new(visit: Visit) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    visit.caller::<Read>()?;
    let mut sheet = sheet(&visit, "New sink type".to_owned(), LIST.0.to_owned(), LIST.0.to_owned()).await?;
    sheet.groups[0].fields.extend(owner(&visit));
    page(&sheet)
}

pub(super) async fn create(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    let made = sink_type::create(caller, api, Sent(fields.body(visit.api())?)).await?.into_parts().0;
    Ok(visit.go(&format!("{}/{}", LIST.0, made.header.id)))
}

/// As the API says it of who asks to.
fn check_may_change(visit: &Visit, item: &SinkTypeOut) -> Result<(), Problem> {
    if item.built_in {
        return Err(sink_type::built_in());
    }
    visit.check_owns(&item.header.owner_id, "sink type", &item.header.name)
}

pub(super) async fn edit(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let item = read(&visit, id).await?;
    check_may_change(&visit, &item)?;
    let path = format!("{}/{}", LIST.0, item.header.id);
    page(&sheet(&visit, format!("Edit {}", item.header.name), path.clone(), path).await?.filled(&item))
}

pub(super) async fn change(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    let body = Sent(fields.body(visit.api())?);
    let changed =
        sink_type::change(caller, api, Named(id), unchanged(&visit, &fields), body).await.map_err(in_words)?;
    Ok(visit.go(&format!("{}/{}", LIST.0, changed.into_parts().0.header.id)))
}

pub(super) async fn ask_to_delete(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let item = read(&visit, id).await?;
    check_may_change(&visit, &item)?;
    let back = format!("{}/{}", LIST.0, item.header.id);
    let confirm = Confirm {
        frame: visit.frame("sinks", "Delete"),
        question: format!("Delete the sink type {}?", item.header.name),
        consequences: vec![
            "It only goes while no event type and no sink names it.".to_owned(),
            format!(
                "{} runs that go on and {} that wait keep the limits that they were planned with.",
                item.running, item.queued
            ),
        ],
        verb: "Delete the sink type",
        action: of_version(&format!("{back}/delete"), item.header.version),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn delete(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    sink_type::delete(caller, api, Named(id), unchanged(&visit, &fields)).await.map_err(in_words)?;
    Ok(visit.go(LIST.0))
}
