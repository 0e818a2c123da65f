//! Sources: who fires events with a credential of their own or by webhook, and the types that they are of.

use super::cell::{Body, Cell, Column, Part};
use super::event::Confirm;
use super::form::Fields;
use super::list::Listing;
use super::once::Once;
use super::sheet::{Field, Group, Sheet, in_words, of_version, owner, unchanged, with};
use super::thing::{Button, Thing};
use super::things::{Empty, Filter, Row, Tab, Things};
use super::visit::{Visit, page, parsed};
use super::{secrets, tries};
use crate::api::auth::{Admin, Read};
use crate::api::error::Problem;
use crate::api::extract::{Body as Sent, Path as Named, Query};
use crate::api::page::List;
use crate::api::source::{self, SourceOut};
use crate::api::{event_type, secret, source_type};
use crate::domain::EntryName;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;

const LIST: (&str, &str) = ("/console/sources", "Sources");
pub(super) const TABS: [Tab; 2] =
    [Tab { path: "/console/sources", label: "Sources" }, Tab { path: "/console/source-types", label: "Source types" }];
/// Event types that are looked through for those that a source may fire, and names that are offered.
const LOOKED_AT: &str = "sort=name&limit=200";
/// What of an answer is part of a body.
const GIVEN: [&str; 4] = ["name", "description", "source_type", "webhook"];

const COLUMNS: [Column; 5] = [
    Column::new("State", ""),
    Column::new("Name", "main"),
    Column::new("Source type", "clip"),
    Column::new("Fires by", "aside"),
    Column::new("Last seen", "when aside"),
];

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let filter = parsed(&listing.query(&[], &[]))?;
    let caller = visit.caller::<Read>()?;
    let List { items, next } = source::list(caller, State(visit.api().clone()), Query(filter)).await?;
    let types = if visit.part() == "list" { Vec::new() } else { types(&visit).await? };
    let source_type = Filter::Typed { name: "source_type", label: "Source type", offered: types };
    let mut columns = Vec::from(COLUMNS);
    columns.extend(visit.sees_all().then(|| Column::new("Tenant", "aside")));
    let things = Things {
        frame: visit.frame("sources", LIST.1).live(""),
        listing,
        named: ("source", "sources"),
        tabs: TABS.into(),
        new: visit.may::<Admin>().then_some(Tab { path: "/console/sources/new", label: "New source" }),
        filters: [source_type, Filter::enabled(), Filter::sort()].into_iter().chain(Filter::tenant(&visit)).collect(),
        columns,
        rows: items.iter().map(|item| row(item, &visit)).collect(),
        next,
        empty: Empty {
            what: "There are no sources.",
            next: "A source fires event types of its source type, with a token of its own or by signed webhooks. \
                Make a source type first, then a source of it.",
            code: "",
        },
    };
    things.answer(&visit)
}

fn row(item: &SourceOut, visit: &Visit) -> Row {
    let mut cells = vec![
        Cell::enabled(item.enabled),
        Cell::text(&item.header.name),
        Cell::text(&item.source_type),
        Cell::text(by(item)),
        Cell::time(item.last_seen),
    ];
    cells.extend(visit.sees_all().then(|| Cell::tenant(&item.header.owner_id)));
    Row { id: item.header.id.clone(), path: format!("{}/{}", LIST.0, item.header.id), cells }
}

fn by(item: &SourceOut) -> String {
    item.webhook
        .as_ref()
        .map_or_else(|| "its token".to_owned(), |webhook| format!("webhook, {}", tries::preset(webhook)))
}

/// Names of source types.
async fn types(visit: &Visit) -> Result<Vec<String>, Problem> {
    let caller = visit.caller::<Read>()?;
    let types = source_type::list(caller, State(visit.api().clone()), Query(parsed(LOOKED_AT)?)).await?;
    Ok(types.items.into_iter().map(|found| found.header.name).collect())
}

async fn read(visit: &Visit, id: String) -> Result<SourceOut, Problem> {
    let data = source::read(visit.caller::<Read>()?, State(visit.api().clone()), Named(id)).await?;
    Ok(data.into_parts().0)
}

/// The event types that it may fire, as far as they were looked for.
async fn fired(visit: &Visit, item: &SourceOut) -> Result<Vec<(String, String)>, Problem> {
    let caller = visit.caller::<Read>()?;
    let types = event_type::list(caller, State(visit.api().clone()), Query(parsed(LOOKED_AT)?)).await?;
    let own = types.items.into_iter().filter(|found| found.source_type.as_ref() == Some(&item.source_type));
    Ok(own.map(|found| (found.id.to_string(), found.display_name)).collect())
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let item = read(&visit, id).await?;
    let path = format!("{}/{}", LIST.0, item.header.id);
    let fires = fired(&visit, &item).await?;
    let frame = visit.frame("sources", format!("Source {}", item.header.name)).live("");
    let mut facts = vec![
        ("Source type", Cell::text(&item.source_type)),
        ("Fires by", Cell::text(by(&item))),
        ("Last seen", item.last_seen.map_or(Cell::Hint("not since the server started".to_owned()), Cell::Time)),
    ];
    if let Some(webhook) = &item.webhook {
        let link = |key: &EntryName| Cell::link(secrets::path(key.as_str(), &item.header.owner_id, ""), key.as_str());
        facts.push(("Signed with the secret", link(&webhook.secret)));
        facts.push(("Or still with", webhook.old_secret.as_ref().map_or(Cell::Nothing, link)));
        facts.push(("Time may be off by", Cell::text(format!("{} s", webhook.tolerance_s))));
    }
    facts.extend([
        ("Tenant", if visit.sees_all() { Cell::tenant(&item.header.owner_id) } else { Cell::Nothing }),
        ("Changed", Cell::Time(item.header.updated_at)),
        ("By", Cell::text(&item.header.updated_by)),
        ("Id", Cell::Code(item.header.id.clone())),
    ]);
    let parts = parts(&visit, &item, &fires);
    let thing = Thing {
        frame,
        list: LIST,
        title: item.header.name.clone(),
        state: Cell::enabled(item.enabled),
        description: item.header.description.clone(),
        warning: warning(&visit, &item).await?,
        buttons: if visit.may::<Admin>() && visit.owns(&item.header.owner_id) {
            buttons(&path, &item)
        } else {
            Vec::new()
        },
        facts,
        parts,
        path,
    };
    thing.answer(&visit)
}

/// What keeps a webhook from taking anything. Only who may look at the secrets of its tenant is told.
async fn warning(visit: &Visit, item: &SourceOut) -> Result<String, Problem> {
    let Some(webhook) = item.webhook.as_ref().filter(|_| visit.owns(&item.header.owner_id)) else {
        return Ok(String::new());
    };
    let caller = visit.caller::<Read>()?;
    let owner = parsed(&Fields::one("owner_id", &item.header.owner_id))?;
    let found = secret::read(caller, State(visit.api().clone()), Named(webhook.secret.to_string()), Query(owner)).await;
    let missing = format!("There is no secret {}: every delivery is refused until there is.", webhook.secret);
    Ok(if found.is_err() { missing } else { String::new() })
}

fn buttons(path: &str, item: &SourceOut) -> Vec<Button> {
    let fields = with(item, &GIVEN, ("enabled", Value::from(!item.enabled)));
    vec![
        Button::Do { path: path.to_owned(), label: if item.enabled { "Disable" } else { "Enable" }, fields },
        Button::Go { path: format!("{path}/edit"), label: "Edit" },
        Button::Ask { path: format!("{path}/token"), label: "New token…" },
        Button::Ask { path: format!("{path}/delete"), label: "Delete…" },
    ]
}

fn parts(visit: &Visit, item: &SourceOut, fires: &[(String, String)]) -> Vec<Part> {
    let (origin, name) = (visit.origin(), fires.first().map_or("EVENT_TYPE", |(_, name)| name.as_str()));
    let mut parts = Vec::new();
    if let Some(webhook) = &item.webhook {
        let url = format!("{origin}/hook/{}", item.header.id);
        parts.push(Part::new("Webhook URL", Body::Code(url.clone())));
        parts.push(Part::new("Try it", Body::Code(tries::webhook(webhook, &url, name))));
        if !webhook.event_types.is_empty() || webhook.event_type.is_some() {
            let mut rows: Vec<Vec<Cell>> = webhook
                .event_types
                .iter()
                .map(|(said, fires)| vec![Cell::text(said), Cell::text(fires.to_string())])
                .collect();
            rows.extend(
                webhook
                    .event_type
                    .as_ref()
                    .map(|fires| vec![Cell::Hint("all others".to_owned()), Cell::text(fires.to_string())]),
            );
            let columns = vec![Column::new("What the sender says", ""), Column::new("Fires", "")];
            parts.push(Part::new("What fires", Body::Table { columns, rows }));
        }
    } else {
        parts.push(Part::new("Try it", Body::Code(tries::token(&origin, name, "$TOKEN"))));
    }
    let none = "No event type names this source type as who may fire it: set it on an event type.";
    let body = if fires.is_empty() {
        Body::Words(none.to_owned())
    } else {
        let row = |(id, name): &(String, String)| vec![Cell::link(format!("/console/event-types/{id}"), name)];
        Body::Table { columns: vec![Column::new("Event type", "")], rows: fires.iter().map(row).collect() }
    };
    parts.push(Part::new("May fire", body));
    parts
}

fn groups(types: Vec<String>) -> Vec<Group> {
    let presets =
        [("", "No: by its own token"), ("standard", "Standard Webhooks"), ("github", "GitHub"), ("stripe", "Stripe")];
    vec![
        Group::new(
            "",
            "",
            vec![
                Field::line("/name", "Name").required().hint("Its events show it."),
                Field::offered("/source_type", "Source type", types)
                    .required()
                    .hint("It fires event types of this one only."),
                Field::lines("/description:text", "Description", 2),
                Field::flag("/enabled:flag", "Enabled").usually("true"),
            ],
        ),
        Group::new(
            "Webhook",
            "Deliveries of another system, signed with a secret that both have. Leave it empty for a source with a token.",
            vec![
                Field::choice("/webhook/preset", "Signed as by", &presets),
                Field::line("/webhook/secret", "Secret")
                    .hint("The key, under Secrets, of what deliveries are signed with."),
                Field::line("/webhook/old_secret", "Old secret")
                    .hint("Is accepted as well, while the two are exchanged."),
                Field::line("/webhook/event_type", "Event type")
                    .hint("Fires for what is not named below. With neither, what is named like the sender's event."),
                Field::lines("/webhook/event_types:json", "Event types by what the sender says", 3)
                    .hint("As in {\"push\": \"deploy\"}."),
                Field::number("/webhook/tolerance_s:number", "Time may be off by, seconds").hint("Empty: 300."),
                Field::line("/webhook/object/type", "Object type")
                    .hint("What its events are about, such as repository."),
                Field::line("/webhook/object/pointer", "Pointer to the object's id")
                    .hint("Into the payload, such as /repository/full_name."),
            ],
        ),
    ]
}

async fn sheet(visit: &Visit, title: String, action: String, back: String) -> Result<Sheet, Problem> {
    let (frame, groups) = (visit.frame("sources", title), groups(types(visit).await?));
    Ok(Sheet { frame, explained: String::new(), groups, action, back, verb: "Save", version: None })
}

pub(super) async fn ask_for_new(visit: Visit) -> Result<Response, Problem> {
    visit.caller::<Admin>()?;
    let mut sheet = sheet(&visit, "New source".to_owned(), LIST.0.to_owned(), LIST.0.to_owned()).await?;
    sheet.groups[0].fields.extend(owner(&visit));
    sheet.explained = "Its token is shown once, when it is made.".to_owned();
    page(&sheet)
}

pub(super) async fn create(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Admin>()?, State(visit.api().clone()));
    let made = source::create(caller, api, Sent(fields.body(visit.api())?)).await?.into_parts().0;
    shown_once(&visit, made, "Source created").await
}

/// The token of a source if it was given one now, else its page.
async fn shown_once(visit: &Visit, mut item: SourceOut, title: &str) -> Result<Response, Problem> {
    let back = format!("{}/{}", LIST.0, item.header.id);
    let Some(credential) = item.take_token() else { return Ok(visit.go(&back)) };
    let fires = if visit.may::<Read>() { fired(visit, &item).await? } else { Vec::new() };
    let name = fires.first().map_or("EVENT_TYPE", |(_, name)| name.as_str());
    let once = Once {
        frame: visit.frame("sources", title),
        explained: format!(
            "The token of the source {}. It fires event types of {} and does nothing else.",
            item.header.name, item.source_type
        ),
        tries: vec![("Try it", tries::token(&visit.origin(), name, &credential))],
        credential,
        back,
    };
    once.answer(visit)
}

pub(super) async fn edit(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Admin>()?;
    let item = read(&visit, id).await?;
    visit.check_owns(&item.header.owner_id, "source", &item.header.name)?;
    let path = format!("{}/{}", LIST.0, item.header.id);
    page(&sheet(&visit, format!("Edit {}", item.header.name), path.clone(), path).await?.filled(&item))
}

pub(super) async fn change(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Admin>()?, State(visit.api().clone()));
    let body = Sent(fields.body(visit.api())?);
    let changed = source::change(caller, api, Named(id), unchanged(&visit, &fields), body).await.map_err(in_words)?;
    Ok(visit.go(&format!("{}/{}", LIST.0, changed.into_parts().0.header.id)))
}

pub(super) async fn ask_to_rotate(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Admin>()?;
    let item = read(&visit, id).await?;
    visit.check_owns(&item.header.owner_id, "source", &item.header.name)?;
    let back = format!("{}/{}", LIST.0, item.header.id);
    let confirm = Confirm {
        frame: visit.frame("sources", "New token"),
        question: format!("Give the source {} a new token?", item.header.name),
        consequences: vec![
            "The new token is shown once.".to_owned(),
            "A token that it has stops working at once: whoever fires with it is refused until it has the new one."
                .to_owned(),
        ],
        verb: "Make a new token",
        action: of_version(&format!("{back}/token"), item.header.version),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn rotate(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Admin>()?, State(visit.api().clone()));
    let rotated = source::rotate(caller, api, Named(id), unchanged(&visit, &fields)).await.map_err(in_words)?;
    shown_once(&visit, rotated.into_parts().0, "New token").await
}

pub(super) async fn ask_to_delete(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.caller::<Admin>()?;
    let item = read(&visit, id).await?;
    visit.check_owns(&item.header.owner_id, "source", &item.header.name)?;
    let back = format!("{}/{}", LIST.0, item.header.id);
    let confirm = Confirm {
        frame: visit.frame("sources", "Delete"),
        question: format!("Delete the source {}?", item.header.name),
        consequences: vec![
            if item.webhook.is_some() {
                "Its webhook takes no more deliveries."
            } else {
                "Its token stops working at once."
            }
            .to_owned(),
            "The events that it fired stay.".to_owned(),
        ],
        verb: "Delete the source",
        action: of_version(&format!("{back}/delete"), item.header.version),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn delete(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Admin>()?, State(visit.api().clone()));
    source::delete(caller, api, Named(id), unchanged(&visit, &fields)).await.map_err(in_words)?;
    Ok(visit.go(LIST.0))
}
