//! Source types: what event types name as who may fire them.

use super::cell::{Cell, Column};
use super::event::Confirm;
use super::form::Fields;
use super::list::Listing;
use super::sheet::{Field, Group, Sheet, in_words, of_version, owner, unchanged};
use super::sources::TABS;
use super::thing::{Button, Thing};
use super::things::{Empty, Filter, Row, Tab, Things};
use super::visit::{Visit, page, parsed};
use crate::api::auth::{Read, Write};
use crate::api::error::Problem;
use crate::api::extract::{Body as Sent, Path as Named, Query};
use crate::api::page::List;
use crate::api::source_type::{self, SourceTypeOut};
use axum::extract::{Path, State};
use axum::response::Response;

const LIST: (&str, &str) = ("/console/source-types", "Source types");
const COLUMNS: [Column; 3] =
    [Column::new("Name", "main"), Column::new("Description", "clip result"), Column::new("Changed", "when aside")];

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let filter = parsed(&listing.query(&[], &[]))?;
    let caller = visit.caller::<Read>()?;
    let List { items, next } = source_type::list(caller, State(visit.api().clone()), Query(filter)).await?;
    let mut columns = Vec::from(COLUMNS);
    columns.extend(visit.sees_all().then(|| Column::new("Tenant", "aside")));
    let things = Things {
        frame: visit.frame("sources", LIST.1),
        listing,
        named: ("source type", "source types"),
        tabs: TABS.into(),
        new: visit.may::<Write>().then_some(Tab { path: "/console/source-types/new", label: "New source type" }),
        filters: [Filter::sort()].into_iter().chain(Filter::tenant(&visit)).collect(),
        columns,
        rows: items.iter().map(|item| row(item, &visit)).collect(),
        next,
        empty: Empty {
            what: "There are no source types.",
            next: "A source type is a kind of producer, such as shop or github. An event type names the one that may fire it.",
            code: "",
        },
    };
    things.answer(&visit)
}

fn row(item: &SourceTypeOut, visit: &Visit) -> Row {
    let header = &item.header;
    let mut cells = vec![Cell::text(&header.name), Cell::text(&header.description), Cell::Time(header.updated_at)];
    cells.extend(visit.sees_all().then(|| Cell::tenant(&header.owner_id)));
    Row { id: header.id.clone(), path: format!("{}/{}", LIST.0, header.id), cells }
}

async fn read(visit: &Visit, id: String) -> Result<SourceTypeOut, Problem> {
    let data = source_type::read(visit.caller::<Read>()?, State(visit.api().clone()), Named(id)).await?;
    Ok(data.into_parts().0)
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let header = read(&visit, id).await?.header;
    let path = format!("{}/{}", LIST.0, header.id);
    let mut buttons = Vec::new();
    if visit.may::<Write>() && visit.owns(&header.owner_id) {
        buttons.push(Button::Go { path: format!("{path}/edit"), label: "Edit" });
        buttons.push(Button::Ask { path: format!("{path}/delete"), label: "Delete…" });
    }
    let sources = format!("/console/sources?{}", Fields::one("source_type", &header.name));
    let thing = Thing {
        frame: visit.frame("sources", format!("Source type {}", header.name)),
        list: LIST,
        title: header.name,
        state: Cell::Nothing,
        description: header.description,
        warning: String::new(),
        buttons,
        facts: vec![
            ("Sources", Cell::link(sources, "those of this type")),
            ("Tenant", if visit.sees_all() { Cell::tenant(&header.owner_id) } else { Cell::Nothing }),
            ("Changed", Cell::Time(header.updated_at)),
            ("By", Cell::text(header.updated_by)),
            ("Id", Cell::Code(header.id)),
        ],
        parts: Vec::new(),
        path,
    };
    thing.answer(&visit)
}

fn sheet(visit: &Visit, title: String, action: String, back: String) -> Sheet {
    let fields = vec![Field::line("/name", "Name").required(), Field::lines("/description:text", "Description", 2)];
    Sheet {
        frame: visit.frame("sources", title),
        explained: String::new(),
        groups: vec![Group::new("", "", fields)],
        action,
        back,
        verb: "Save",
        version: None,
    }
}

pub(super) async fn ask_for_new(visit: Visit) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    visit.caller::<Read>()?;
    let mut sheet = sheet(&visit, "New source type".to_owned(), LIST.0.to_owned(), LIST.0.to_owned());
    sheet.groups[0].fields.extend(owner(&visit));
    page(&sheet)
}

pub(super) async fn create(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    let made = source_type::create(caller, api, Sent(fields.body(visit.api())?)).await?.into_parts().0;
    Ok(visit.go(&format!("{}/{}", LIST.0, made.header.id)))
}

pub(super) async fn edit(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let item = read(&visit, id).await?;
    visit.check_owns(&item.header.owner_id, "source type", &item.header.name)?;
    let path = format!("{}/{}", LIST.0, item.header.id);
    page(&sheet(&visit, format!("Edit {}", item.header.name), path.clone(), path).filled(&item))
}

pub(super) async fn change(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    let body = Sent(fields.body(visit.api())?);
    let changed =
        source_type::change(caller, api, Named(id), unchanged(&visit, &fields), body).await.map_err(in_words)?;
    Ok(visit.go(&format!("{}/{}", LIST.0, changed.into_parts().0.header.id)))
}

pub(super) async fn ask_to_delete(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Write>()?;
    let header = read(&visit, id).await?.header;
    visit.check_owns(&header.owner_id, "source type", &header.name)?;
    let back = format!("{}/{}", LIST.0, header.id);
    let confirm = Confirm {
        frame: visit.frame("sources", "Delete"),
        question: format!("Delete the source type {}?", header.name),
        consequences: vec!["It only goes while no source and no event type names it.".to_owned()],
        verb: "Delete the source type",
        action: of_version(&format!("{back}/delete"), header.version),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn delete(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Write>()?, State(visit.api().clone()));
    source_type::delete(caller, api, Named(id), unchanged(&visit, &fields)).await.map_err(in_words)?;
    Ok(visit.go(LIST.0))
}
