//! Schedules: what fires by time, when it fires next, and when it last did.

use super::cell::{Body, Cell, Column, Part};
use super::event::Confirm;
use super::form::Fields;
use super::list::Listing;
use super::sheet::{Field, Group, Sheet, in_words, of_version, owner, unchanged, with};
use super::thing::{Button, Thing};
use super::things::{Empty, Filter, Row, Tab, Things};
use super::visit::{Visit, page, parsed};
use super::{events, show, timespan};
use crate::api::auth::{Read, Write};
use crate::api::error::{Fault, Problem};
use crate::api::extract::{Body as Sent, Path as Named, Query};
use crate::api::page::List;
use crate::api::schedule::{self, ScheduleOut};
use crate::domain::Timestamp;
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;

const LIST: (&str, &str) = ("/console/schedules", "Schedules");
/// Coming firings that a page shows.
const FIRINGS: usize = 10;
const PREVIEWED: usize = 5;
/// What of an answer is part of a body.
const GIVEN: [&str; 8] = ["name", "description", "event_type", "object", "payload", "cron", "timezone", "at"];

const COLUMNS: [Column; 6] = [
    Column::new("State", ""),
    Column::new("Name", "main"),
    Column::new("Fires", "clip"),
    Column::new("When", "clip aside"),
    Column::new("Next", "when aside"),
    Column::new("Last", "when aside"),
];

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let filter = parsed(&listing.query(&[], &[]))?;
    let caller = visit.caller::<Read>()?;
    let List { items, next } = schedule::list(caller, State(visit.api().clone()), Query(filter)).await?;
    let event_types = if visit.part() == "list" { Vec::new() } else { events::offered(&visit).await? };
    let event_type = Filter::Typed { name: "event_type", label: "Event type", offered: event_types };
    let mut columns = Vec::from(COLUMNS);
    columns.extend(visit.sees_all().then(|| Column::new("Tenant", "aside")));
    let things = Things {
        frame: visit.frame("schedules", LIST.1).live(""),
        listing,
        named: ("schedule", "schedules"),
        tabs: Vec::new(),
        new: visit.may::<Write>().then_some(Tab { path: "/console/schedules/new", label: "New schedule" }),
        filters: [event_type, Filter::enabled(), Filter::sort()].into_iter().chain(Filter::tenant(&visit)).collect(),
        columns,
        rows: items.iter().map(|item| row(item, &visit)).collect(),
        next,
        empty: Empty {
            what: "Nothing fires by time.",
            next: "A schedule fires an event type by a cron expression, or once. Make one here, or with",
            code: "curl -X POST …/schedule -H \"authorization: Bearer $TOKEN\" \\\n  -d '{\"name\": \"nightly\", \"event_type\": \"SEND_REPORT\", \"cron\": \"0 2 * * *\"}'",
        },
    };
    things.answer(&visit)
}

fn row(item: &ScheduleOut, visit: &Visit) -> Row {
    let mut cells = vec![
        state(item),
        Cell::text(&item.name),
        Cell::text(&item.event_type),
        when(item),
        Cell::time(item.next_at),
        Cell::time(item.last_at),
    ];
    cells.extend(visit.sees_all().then(|| Cell::tenant(&item.owner_id)));
    Row { id: item.id.to_string(), path: format!("{}/{}", LIST.0, item.id), cells }
}

/// One that has fired for the only time is enabled and will not fire.
fn state(item: &ScheduleOut) -> Cell {
    match (item.enabled, item.next_at) {
        (true, None) => Cell::State("skipped", "OVER"),
        (enabled, _) => Cell::enabled(enabled),
    }
}

fn when(item: &ScheduleOut) -> Cell {
    match (&item.cron, &item.timezone, item.at) {
        (Some(cron), Some(zone), _) => Cell::Text(format!("{cron} · {zone}")),
        (_, _, at) => Cell::time(at),
    }
}

async fn read(visit: &Visit, id: String, next: Option<usize>) -> Result<ScheduleOut, Problem> {
    let coming = parsed(&next.map(|next| format!("next={next}")).unwrap_or_default())?;
    let data = schedule::read(visit.caller::<Read>()?, State(visit.api().clone()), Named(id), Query(coming)).await?;
    Ok(data.into_parts().0)
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let item = read(&visit, id, Some(FIRINGS)).await?;
    let path = format!("{}/{}", LIST.0, item.id);
    let mut buttons = Vec::new();
    if visit.may::<Write>() {
        let fields = with(&item, &GIVEN, ("enabled", Value::from(!item.enabled)));
        let label = if item.enabled { "Disable" } else { "Enable" };
        buttons.push(Button::Do { path: path.clone(), label, fields });
        buttons.push(Button::Go { path: format!("{path}/edit"), label: "Edit" });
        buttons.push(Button::Ask { path: format!("{path}/delete"), label: "Delete…" });
    }
    let last = item.last_event_id.zip(item.last_at);
    let object = item.object.as_ref().map(ToString::to_string).unwrap_or_default();
    let facts = vec![
        ("Fires", Cell::link(events_of(&item.event_type), &item.event_type)),
        ("Object", Cell::text(object)),
        ("When", item.cron.as_ref().map_or(Cell::time(item.at), |cron| Cell::Code(cron.clone()))),
        ("Time zone", Cell::text(item.timezone.clone().unwrap_or_default())),
        ("Next", Cell::time(item.next_at)),
        ("Last", last.map_or(Cell::Hint("not yet".to_owned()), |(_, at)| Cell::Time(at))),
        (
            "It fired",
            last.map_or(Cell::Nothing, |(id, _)| Cell::link(format!("/console/events/{id}"), "the last event")),
        ),
        ("Tenant", if visit.sees_all() { Cell::tenant(&item.owner_id) } else { Cell::Nothing }),
        ("Changed", Cell::Time(item.updated_at)),
        ("By", Cell::text(&item.updated_by)),
        ("Id", Cell::Code(item.id.to_string())),
    ];
    let parts =
        vec![Part::new("Next firings", firings(&item)), Part::new("Payload", Body::Code(show::json(&item.payload)))];
    let (title, description, state) = (item.name.clone(), item.description.clone(), state(&item));
    let frame = visit.frame("schedules", format!("Schedule {title}")).live("");
    let warning = String::new();
    Thing { frame, list: LIST, path, title, state, description, warning, buttons, facts, parts }.answer(&visit)
}

/// The events of a type.
fn events_of(event_type: &str) -> String {
    format!("/console/events?{}", Fields::one("event_type", event_type))
}

/// In the zone of the schedule, and in the reader's.
fn firings(item: &ScheduleOut) -> Body {
    let times = item.firings.as_deref().unwrap_or_default();
    if times.is_empty() {
        let words = if item.enabled { "It will not fire any more." } else { "It does not fire while it is disabled." };
        return Body::Words(words.to_owned());
    }
    let zone = item.timezone.as_deref().unwrap_or("UTC");
    let row = |at: &Timestamp| vec![Cell::text(show::in_zone(*at, zone).unwrap_or_default()), Cell::Time(*at)];
    let columns = vec![Column::new("In its time zone", ""), Column::new("For you", "when")];
    Body::Table { columns, rows: times.iter().map(row).collect() }
}

fn groups(zones: Vec<String>, event_types: Vec<String>) -> Vec<Group> {
    let cron = Field::line("/cron", "Cron").hint(
        "Minute, hour, day of the month, month, day of the week, as in 30 6 * * MON-FRI; with six fields seconds come first.",
    );
    let zone =
        Field::offered("/timezone", "Time zone", zones).hint("Of the cron expression, as Europe/Berlin. Empty: UTC.");
    vec![
        Group::new(
            "",
            "",
            vec![
                Field::line("/name", "Name").required(),
                Field::offered("/event_type", "Event type", event_types).required().hint("What it fires."),
                Field::lines("/description:text", "Description", 2),
                Field::flag("/enabled:flag", "Enabled").usually("true"),
            ],
        ),
        Group {
            preview: Some(("/console/schedules/preview", "/cron,/timezone,/at")),
            ..Group::new(
                "When",
                "Again and again by a cron expression, or once at a time: one of the two.",
                vec![cron, zone, Field::time("/at", "Once, at").hint("In your time zone.")],
            )
        },
        Group::new(
            "What it fires with",
            "",
            vec![
                Field::lines("/payload:json", "Payload", 6).usually("{}"),
                Field::line("/object/object_type", "Object type")
                    .hint("The object that its events are about, if there is one."),
                Field::line("/object/object_id", "Object id"),
            ],
        ),
    ]
}

async fn sheet(visit: &Visit, title: String, action: String, back: String) -> Result<Sheet, Problem> {
    let mut zones: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    zones.sort_unstable();
    Ok(Sheet {
        frame: visit.frame("schedules", title),
        explained: String::new(),
        groups: groups(zones, events::offered(visit).await?),
        action,
        back,
        verb: "Save",
        version: None,
    })
}

pub(super) async fn ask_for_new(visit: Visit) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let mut sheet = sheet(&visit, "New schedule".to_owned(), LIST.0.to_owned(), LIST.0.to_owned()).await?;
    sheet.groups[0].fields.extend(owner(&visit));
    page(&sheet)
}

pub(super) async fn create(visit: Visit, mut fields: Fields) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    timed(&mut fields);
    let (api, body) = (State(visit.api().clone()), Sent(fields.body(visit.api())?));
    let made = schedule::create(caller, api, Query(schedule::Making::default()), body).await?.into_parts().0;
    Ok(visit.go(&format!("{}/{}", LIST.0, made.id)))
}

pub(super) async fn edit(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let item = read(&visit, id, None).await?;
    let path = format!("{}/{}", LIST.0, item.id);
    page(&sheet(&visit, format!("Edit {}", item.name), path.clone(), path).await?.filled(&item))
}

pub(super) async fn change(visit: Visit, Path(id): Path<String>, mut fields: Fields) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    timed(&mut fields);
    let (api, body) = (State(visit.api().clone()), Sent(fields.body(visit.api())?));
    let changed = schedule::change(caller, api, Named(id), unchanged(&visit, &fields), body).await.map_err(in_words)?;
    Ok(visit.go(&format!("{}/{}", LIST.0, changed.into_parts().0.id)))
}

/// A time without a zone is meant as the field for it shows it without scripts: UTC.
fn timed(fields: &mut Fields) {
    let at = timespan::zoned(fields.get("/at"));
    fields.set("/at", &at);
}

/// When a schedule that is being made would fire, or what is wrong with its timing.
#[derive(Template)]
#[template(path = "preview.html")]
struct Preview {
    faults: Vec<Fault>,
    body: Body,
}

pub(super) async fn preview(visit: Visit) -> Result<Response, Problem> {
    let caller = visit.caller::<Write>()?;
    visit.caller::<Read>()?;
    let mut fields = Fields::of_query(Some(visit.query()));
    timed(&mut fields);
    if ["/cron", "/at"].iter().all(|name| fields.get(name).is_empty()) {
        return page(&Preview { faults: Vec::new(), body: Body::Words(String::new()) });
    }
    // Of the rest only the timing is asked about: what is disabled may have any event type.
    for (name, value) in [("/name", "preview"), ("/event_type", "preview"), ("/enabled:flag", "false")] {
        fields.set(name, value);
    }
    let making = parsed(&format!("dry_run=true&next={PREVIEWED}"))?;
    let api = State(visit.api().clone());
    let dry = match fields.body(visit.api()) {
        Ok(body) => schedule::create(caller, api, Query(making), Sent(body)).await,
        Err(problem) => Err(problem),
    };
    let (faults, body) = match dry {
        Ok(dry) => (Vec::new(), firings(&dry.into_parts().0)),
        Err(problem) => (problem.into_faults(), Body::Words(String::new())),
    };
    page(&Preview { faults, body })
}

pub(super) async fn ask_to_delete(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let item = read(&visit, id, None).await?;
    let back = format!("{}/{}", LIST.0, item.id);
    let confirm = Confirm {
        frame: visit.frame("schedules", "Delete"),
        question: format!("Delete the schedule {}?", item.name),
        consequences: vec![
            format!("{} is not fired by it any more.", item.event_type),
            "The events that it fired stay.".to_owned(),
        ],
        verb: "Delete the schedule",
        action: of_version(&format!("{back}/delete"), item.version),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn delete(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    schedule::delete(caller, api, Named(id), unchanged(&visit, &fields)).await.map_err(in_words)?;
    Ok(visit.go(LIST.0))
}
