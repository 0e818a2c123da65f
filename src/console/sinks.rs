//! Sinks: who executes runs, of which sink types, and whether it is there.

use super::cell::{Body, Cell, Column, Part};
use super::event::Confirm;
use super::form::Fields;
use super::list::Listing;
use super::sheet::{Field, Group, Sheet, in_words, of_version, unchanged, with};
use super::thing::{Button, Thing};
use super::things::{Empty, Filter, Row, Tab, Things};
use super::visit::{Visit, page, parsed};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::extract::{Body as Sent, Path as Named, Query};
use crate::api::page::List;
use crate::api::sink::{self, SinkOut};
use crate::domain::Timestamp;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;

const LIST: (&str, &str) = ("/console/sinks", "Sinks");
pub(super) const TABS: [Tab; 2] =
    [Tab { path: "/console/sinks", label: "Sinks" }, Tab { path: "/console/sink-types", label: "Sink types" }];
/// What of an answer is part of a body.
const GIVEN: [&str; 3] = ["name", "description", "sink_types"];
const COLUMNS: [Column; 5] = [
    Column::new("State", ""),
    Column::new("Name", "main"),
    Column::new("Takes", "clip result"),
    Column::new("Last seen", "when aside"),
    Column::new("Changed", "when aside"),
];

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let filter = parsed(&listing.query(&[], &[]))?;
    let caller = visit.caller::<Read>()?;
    let List { items, next } = sink::list(caller, State(visit.api().clone()), Query(filter)).await?;
    let states = [("", "Any state"), ("true", "Online"), ("false", "Offline")];
    let things = Things {
        frame: visit.frame("sinks", LIST.1).live(""),
        listing,
        named: ("sink", "sinks"),
        tabs: TABS.into(),
        new: may_change(&visit).then_some(Tab { path: "/console/sinks/new", label: "New sink" }),
        filters: vec![Filter::choice("enabled", "State", &states), Filter::sort()],
        columns: COLUMNS.into(),
        rows: items.iter().map(row).collect(),
        next,
        empty: Empty { what: "There are no sinks.", next: "Without one nothing runs.", code: "" },
    };
    things.answer(&visit)
}

/// A sink decides for every tenant, so they are the platform's.
fn may_change(visit: &Visit) -> bool {
    visit.may::<Write>() && visit.sees_all()
}

fn check_may_change(visit: &Visit) -> Result<(), Problem> {
    visit.caller::<Write>()?;
    visit.caller::<Read>()?;
    sink::check_platform(&visit.caller()?)
}

fn row(item: &SinkOut) -> Row {
    let header = &item.header;
    let cells = vec![state(item), Cell::text(&header.name), takes(item), Cell::time(item.last_seen), changed(item)];
    Row { id: header.id.clone(), path: format!("{}/{}", LIST.0, header.id), cells }
}

fn state(item: &SinkOut) -> Cell {
    Cell::State(if item.enabled { "success" } else { "error" }, item.state)
}

fn takes(item: &SinkOut) -> Cell {
    if item.sink_types.is_empty() {
        return Cell::Hint("every sink type".to_owned());
    }
    Cell::Text(item.sink_types.join(", "))
}

/// Whether it is built in and was never changed.
fn is_as_built(item: &SinkOut) -> bool {
    item.built_in && item.header.updated_at == Timestamp::default()
}

fn changed(item: &SinkOut) -> Cell {
    if is_as_built(item) { Cell::Hint("never".to_owned()) } else { Cell::Time(item.header.updated_at) }
}

async fn read(visit: &Visit, id: String) -> Result<SinkOut, Problem> {
    let data = sink::read(visit.caller::<Read>()?, State(visit.api().clone()), Named(id)).await?;
    Ok(data.into_parts().0)
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let item = read(&visit, id).await?;
    let path = format!("{}/{}", LIST.0, item.header.id);
    let mut buttons = Vec::new();
    if may_change(&visit) {
        // Taking one offline holds back what every tenant has waiting, so it is asked for; bringing it online is not.
        buttons.push(if item.enabled {
            Button::Ask { path: format!("{path}/off"), label: "Take offline…" }
        } else {
            let fields = with(&item, &GIVEN, ("enabled", Value::from(true)));
            Button::Do { path: path.clone(), label: "Bring online", fields }
        });
        buttons.push(Button::Go { path: format!("{path}/edit"), label: "Edit" });
        if !is_as_built(&item) {
            buttons.push(Button::Ask { path: format!("{path}/delete"), label: "Delete…" });
        }
    }
    let row = |name: &String| vec![Cell::link(format!("/console/sink-types/{name}"), name)];
    let types = if item.sink_types.is_empty() {
        Body::Words("It takes runs of every sink type.".to_owned())
    } else {
        let rows = item.sink_types.iter().map(row).collect();
        Body::Table { columns: vec![Column::new("Sink type", "")], rows }
    };
    let warning =
        if item.enabled { "" } else { "It takes no runs. What no other sink takes stays queued until one does." };
    let thing = Thing {
        frame: visit.frame("sinks", format!("Sink {}", item.header.name)).live(""),
        list: LIST,
        title: item.header.name.clone(),
        state: state(&item),
        description: item.header.description.clone(),
        warning: warning.to_owned(),
        buttons,
        facts: vec![
            ("Last seen", item.last_seen.map_or(Cell::Hint("not since the server started".to_owned()), Cell::Time)),
            ("Is", if item.built_in { Cell::Text("this server itself".to_owned()) } else { Cell::Nothing }),
            ("Changed", changed(&item)),
            ("By", if is_as_built(&item) { Cell::Nothing } else { Cell::text(&item.header.updated_by) }),
            ("Id", Cell::Code(item.header.id.clone())),
        ],
        parts: vec![Part::new("Takes", types)],
        path,
    };
    thing.answer(&visit)
}

fn sheet(visit: &Visit, title: String, action: String, back: String) -> Sheet {
    let fields = vec![
        Field::line("/name", "Name").required(),
        Field::lines("/description:text", "Description", 2),
        Field::lines("/sink_types:lines", "Sink types", 4)
            .hint("Those of which it takes runs, one in a line. Empty: all of them."),
        Field::flag("/enabled:flag", "Online")
            .usually("true")
            .hint("What runs when it is taken offline is not broken off."),
    ];
    Sheet {
        frame: visit.frame("sinks", title),
        explained: String::new(),
        groups: vec![Group::new("", "", fields)],
        action,
        back,
        verb: "Save",
        version: None,
    }
}

pub(super) async fn ask_for_new(visit: Visit) -> Result<Response, Problem> {
    check_may_change(&visit)?;
    page(&sheet(&visit, "New sink".to_owned(), LIST.0.to_owned(), LIST.0.to_owned()))
}

pub(super) async fn create(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    let made = sink::create(caller, api, Sent(fields.body(visit.api())?)).await?.into_parts().0;
    Ok(visit.go(&format!("{}/{}", LIST.0, made.header.id)))
}

pub(super) async fn edit(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    check_may_change(&visit)?;
    let item = read(&visit, id).await?;
    let path = format!("{}/{}", LIST.0, item.header.id);
    page(&sheet(&visit, format!("Edit {}", item.header.name), path.clone(), path).filled(&item))
}

pub(super) async fn change(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    let body = Sent(fields.body(visit.api())?);
    let changed = sink::change(caller, api, Named(id), unchanged(&visit, &fields), body).await.map_err(in_words)?;
    Ok(visit.go(&format!("{}/{}", LIST.0, changed.into_parts().0.header.id)))
}

pub(super) async fn ask_to_take_offline(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    check_may_change(&visit)?;
    let item = read(&visit, id).await?;
    let back = format!("{}/{}", LIST.0, item.header.id);
    let takes = if item.sink_types.is_empty() { "every sink type".to_owned() } else { item.sink_types.join(", ") };
    let confirm = Confirm {
        frame: visit.frame("sinks", "Take offline"),
        question: format!("Take the sink {} offline?", item.header.name),
        consequences: vec![
            format!("It takes no more runs of {takes}, whichever tenant's they are."),
            "What no other sink takes stays queued until one does. What runs is not broken off.".to_owned(),
        ],
        verb: "Take it offline",
        action: of_version(&format!("{back}/off"), item.header.version),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn take_offline(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    sink::check_platform(&caller)?;
    let item = read(&visit, id.clone()).await?;
    let off = Fields::from_iter(with(&item, &GIVEN, ("enabled", Value::from(false))));
    let body = Sent(off.body(visit.api())?);
    let changed = sink::change(caller, api, Named(id), unchanged(&visit, &fields), body).await.map_err(in_words)?;
    Ok(visit.go(&format!("{}/{}", LIST.0, changed.into_parts().0.header.id)))
}

pub(super) async fn ask_to_delete(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    check_may_change(&visit)?;
    let item = read(&visit, id).await?;
    if is_as_built(&item) {
        return Err(sink::built_in());
    }
    let back = format!("{}/{}", LIST.0, item.header.id);
    let goes = if item.built_in {
        "It is this server: it becomes again what it is by itself, online for every sink type."
    } else {
        "What no other sink takes stays queued."
    };
    let confirm = Confirm {
        frame: visit.frame("sinks", "Delete"),
        question: format!("Delete the sink {}?", item.header.name),
        consequences: vec![goes.to_owned(), "What runs is not broken off.".to_owned()],
        verb: "Delete the sink",
        action: of_version(&format!("{back}/delete"), item.header.version),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn delete(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    sink::delete(caller, api, Named(id), unchanged(&visit, &fields)).await.map_err(in_words)?;
    Ok(visit.go(LIST.0))
}
