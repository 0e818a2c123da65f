//! Tokens: who may do what with which, shown once when they are made.

use super::cell::{Cell, Column};
use super::event::Confirm;
use super::form::Fields;
use super::list::Listing;
use super::once::Once;
use super::sheet::{Field, Group, Sheet};
use super::thing::{Button, Thing};
use super::things::{Empty, Filter, Row, Tab, Things};
use super::visit::{Visit, page, parsed};
use crate::api::auth::Admin;
use crate::api::error::Problem;
use crate::api::extract::{Body as Sent, Path as Named, Query};
use crate::api::page::List;
use crate::api::token::{self, TokenOut};
use axum::extract::{Path, State};
use axum::response::Response;

const LIST: (&str, &str) = ("/console/tokens", "Tokens");
const COLUMNS: [Column; 5] = [
    Column::new("Name", "main"),
    Column::new("May", "clip"),
    Column::new("Created", "when aside"),
    Column::new("By", "clip aside"),
    Column::new("Last used", "when aside"),
];

pub(super) async fn list(visit: Visit) -> Result<Response, Problem> {
    let listing = Listing::of(&visit);
    let filter = parsed(&listing.query(&[], &[]))?;
    let caller = visit.caller::<Admin>()?;
    let List { items, next } = token::list(caller, State(visit.api().clone()), Query(filter)).await?;
    let rights = [
        ("", "Any right"),
        ("read", "May read"),
        ("write", "May write"),
        ("execute", "May execute"),
        ("admin", "Admins"),
    ];
    let sorts = [("", "By name"), ("-created_at", "Newest first"), ("created_at", "Oldest first")];
    let filters = [Filter::choice("right", "Right", &rights), Filter::choice("sort", "Order", &sorts)];
    let mut columns = Vec::from(COLUMNS);
    columns.extend(visit.sees_all().then(|| Column::new("Tenant", "aside")));
    let things = Things {
        frame: visit.frame("tokens", LIST.1),
        listing,
        named: ("token", "tokens"),
        tabs: Vec::new(),
        new: Some(Tab { path: "/console/tokens/new", label: "New token" }),
        filters: filters.into_iter().chain(Filter::tenant(&visit)).collect(),
        columns,
        rows: items.iter().map(|item| row(item, &visit)).collect(),
        next,
        empty: Empty {
            what: "There are no tokens.",
            next: "A token is what programs and people sign in with.",
            code: "",
        },
    };
    things.answer(&visit)
}

fn row(item: &TokenOut, visit: &Visit) -> Row {
    let own = if visit.is_own_token(item.id) { " (yours)" } else { "" };
    let mut cells = vec![
        Cell::Text(format!("{}{own}", item.name)),
        Cell::text(item.rights.to_string()),
        Cell::Time(item.created_at),
        Cell::text(&item.created_by),
        item.last_used_at.map_or(Cell::Hint("—".to_owned()), Cell::Time),
    ];
    cells.extend(visit.sees_all().then(|| Cell::tenant(&item.owner_id)));
    Row { id: item.id.to_string(), path: format!("{}/{}", LIST.0, item.id), cells }
}

async fn read(visit: &Visit, id: String) -> Result<TokenOut, Problem> {
    let data = token::read(visit.caller::<Admin>()?, State(visit.api().clone()), Named(id)).await?;
    Ok(data.into_parts().0)
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let item = read(&visit, id).await?;
    let path = format!("{}/{}", LIST.0, item.id);
    let is_own = visit.is_own_token(item.id);
    let thing = Thing {
        frame: visit.frame("tokens", format!("Token {}", item.name)),
        list: LIST,
        title: item.name.clone(),
        state: if is_own { Cell::State("noted", "YOURS") } else { Cell::Nothing },
        description: String::new(),
        warning: String::new(),
        buttons: vec![Button::Ask { path: format!("{path}/revoke"), label: "Revoke…" }],
        facts: vec![
            ("May", Cell::text(item.rights.to_string())),
            (
                "Tenant",
                if item.owner_id.is_empty() {
                    Cell::Text("platform: all tenants".to_owned())
                } else {
                    Cell::text(&item.owner_id)
                },
            ),
            ("Last used", item.last_used_at.map_or(Cell::Hint("not since the server started".to_owned()), Cell::Time)),
            ("Created", Cell::Time(item.created_at)),
            ("By", Cell::text(&item.created_by)),
            (
                "It did",
                Cell::link(
                    format!("/console/audit?{}", Fields::one("token", &item.id.to_string())),
                    "in the audit log",
                ),
            ),
            ("Id", Cell::Code(item.id.to_string())),
        ],
        parts: Vec::new(),
        path,
    };
    thing.answer(&visit)
}

pub(super) async fn ask_for_new(visit: Visit) -> Result<Response, Problem> {
    visit.caller::<Admin>()?;
    let rights = vec![
        Field::flag("/rights/read:flag", "Read").usually("true").hint("See the catalogue and the history."),
        Field::flag("/rights/write:flag", "Write").hint("Change the catalogue."),
        Field::flag("/rights/execute:flag", "Execute").hint("Fire events, replay, cancel."),
        Field::flag("/rights/admin:flag", "Admin").hint("Tokens, sources, the audit log, and everything else."),
    ];
    let mut first =
        vec![Field::line("/name", "Name").required().hint("It is shown beside everything that is done with it.")];
    if visit.sees_all() {
        first.push(
            Field::line("/owner_id", "Tenant").hint("Whom it acts for. Empty: the platform, which sees every tenant."),
        );
    }
    let sheet = Sheet {
        frame: visit.frame("tokens", "New token"),
        explained: "The token is shown once, when it is made.".to_owned(),
        groups: vec![Group::new("", "", first), Group::new("What it may do", "", rights)],
        action: LIST.0.to_owned(),
        back: LIST.0.to_owned(),
        verb: "Make the token",
        version: None,
    };
    page(&sheet)
}

pub(super) async fn create(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    let (caller, api) = (visit.caller::<Admin>()?, State(visit.api().clone()));
    let made = token::create(caller, api, Sent(fields.body(visit.api())?)).await?.into_parts().0;
    let whose =
        if made.owner_id.is_empty() { "the platform".to_owned() } else { format!("the tenant {}", made.owner_id) };
    let credential = made.token.unwrap_or_default();
    let once = Once {
        frame: visit.frame("tokens", "Token created"),
        explained: format!("The token {}, for {whose}. It may {}.", made.name, made.rights),
        tries: vec![(
            "Try it",
            format!("curl {}/event?limit=1 -H \"authorization: Bearer {credential}\"", visit.origin()),
        )],
        credential,
        back: format!("{}/{}", LIST.0, made.id),
    };
    once.answer(&visit)
}

pub(super) async fn ask_to_revoke(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let item = read(&visit, id).await?;
    let back = format!("{}/{}", LIST.0, item.id);
    let mut consequences = vec![format!("It may {}; it stops working at once, and for good.", item.rights)];
    if visit.is_own_token(item.id) {
        consequences.push("It is the token that you are signed in with: you will be signed out.".to_owned());
    }
    let confirm = Confirm {
        frame: visit.frame("tokens", "Revoke"),
        question: format!("Revoke the token {}?", item.name),
        consequences,
        verb: "Revoke the token",
        action: format!("{back}/revoke"),
        back,
    };
    confirm.answer(&visit)
}

pub(super) async fn revoke(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    token::delete(visit.caller::<Admin>()?, State(visit.api().clone()), Named(id)).await?;
    Ok(visit.go(LIST.0))
}
